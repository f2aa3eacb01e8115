/* test_store.c - the database's thread: what is acknowledged stays, and nothing on disk makes it fail. */
#include "daemon/store.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

TEST_SUITE(store);

/* Deletes the lowest tenth. */
static int drop_oldest(struct sqlite3 *db)
{
	int rc = store_execute(db, "DELETE FROM row WHERE id <= (SELECT min(id) + count(*) / 10 FROM row)");

	return rc < 0 ? rc : sqlite3_changes(db) > 0;
}

static const struct store_schema schema = {
	.file = "test.db",
	.version = 3,
	.tables = "CREATE TABLE row(id INTEGER PRIMARY KEY, data BLOB);",
	.drop_oldest = drop_oldest,
};

struct rig {
	char dir[64], path[96];
	struct store *store;
};

static void start(struct rig *rig, uint64_t limit)
{
	cr_assert_eq(store_create(rig->dir, limit, &schema, &rig->store), 0);
}

static void init(struct rig *rig)
{
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/inferd-store-XXXXXX");
	cr_assert_not_null(mkdtemp(rig->dir));
	snprintf(rig->path, sizeof(rig->path), "%s/test.db", rig->dir);
}

static void finish(struct rig *rig)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
	cr_assert_eq(system(command), 0);
}

/* ---- a task that writes one row ------------------------------------------------------------------- */

struct row {
	struct store_task task; /* first */
	int64_t id;
	int size;
	int rc;
	sem_t done;
};

static int write_row(struct store_task *task, struct sqlite3 *db)
{
	const struct row *row = (const struct row *)task;
	char sql[128];

	snprintf(sql, sizeof(sql), "INSERT INTO row VALUES(%lld, randomblob(%d))", (long long)row->id, row->size);
	return store_execute(db, sql);
}

static void row_done(struct store_task *task, int rc)
{
	struct row *row = (struct row *)task;

	row->rc = rc;
	sem_post(&row->done);
}

static void init_row(struct row *row, int64_t id, int size)
{
	*row = (struct row){.task = {.run = write_row, .done = row_done}, .id = id, .size = size};
	sem_init(&row->done, 0, 0);
}

static void wait_row(struct row *row)
{
	while (sem_wait(&row->done) < 0 && errno == EINTR)
		;
}

/* Until it is committed or given up. */
static int write_and_wait(struct rig *rig, int64_t id, int size)
{
	struct row row;

	init_row(&row, id, size);
	cr_assert_eq(store_submit(rig->store, &row.task), 0);
	wait_row(&row);
	sem_destroy(&row.done);
	return row.rc;
}

/* From outside, with the store closed or not. */
static int64_t look(const struct rig *rig, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	int64_t number;

	cr_assert_eq(sqlite3_open_v2(rig->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s", sqlite3_errmsg(db));
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

Test(store, what_was_done_is_there_after_a_restart)
{
	struct rig rig;

	init(&rig);
	start(&rig, 8 << 20);
	for (int i = 1; i <= 20; i++)
		cr_assert_eq(write_and_wait(&rig, i, 100), 0);
	cr_assert(store_describe(rig.store).open);
	store_destroy(rig.store);
	start(&rig, 8 << 20);
	cr_assert_eq(write_and_wait(&rig, 21, 100), 0);
	cr_assert_eq(store_describe(rig.store).aside, 0);
	store_destroy(rig.store);
	cr_assert_eq(look(&rig, "SELECT count(*) FROM row"), 21);
	finish(&rig);
}

static int fail(struct store_task *task, struct sqlite3 *db)
{
	int rc = write_row(task, db);

	return rc < 0 ? rc : -EIO;
}

Test(store, task_that_fails_leaves_nothing_behind)
{
	struct rig rig;
	struct row row;

	init(&rig);
	start(&rig, 8 << 20);
	init_row(&row, 1, 10);
	row.task.run = fail;
	cr_assert_eq(store_submit(rig.store, &row.task), 0);
	wait_row(&row);
	cr_assert_eq(row.rc, -EIO);
	cr_assert_eq(store_describe(rig.store).failed, 1);
	cr_assert_eq(look(&rig, "SELECT count(*) FROM row"), 0);
	store_destroy(rig.store);
	finish(&rig);
}

static int wait_inside(struct store_task *task, struct sqlite3 *db)
{
	(void)db;
	wait_row((struct row *)task);
	return 0;
}

/* The disk hangs, so to speak: the caller is told at once instead of waiting. */
Test(store, full_queue_refuses_and_counts)
{
	static struct row blocker, rows[STORE_QUEUE_MAX + 2];
	struct rig rig;
	int refused = 0;

	init(&rig);
	start(&rig, 8 << 20);
	init_row(&blocker, 0, 0);
	blocker.task.run = wait_inside;
	cr_assert_eq(store_submit(rig.store, &blocker.task), 0);
	for (int i = 0; i < STORE_QUEUE_MAX + 2; i++) {
		init_row(&rows[i], i + 1, 10);
		refused += store_submit(rig.store, &rows[i].task) == -EAGAIN;
	}
	/* The blocker may still be in the queue, or may have left it. */
	cr_assert(refused == 2 || refused == 3, "%d", refused);
	cr_assert_eq(store_describe(rig.store).refused, (uint64_t)refused);
	sem_post(&blocker.done);
	store_destroy(rig.store);
	cr_assert_eq(look(&rig, "SELECT count(*) FROM row"), STORE_QUEUE_MAX + 2 - refused);
	finish(&rig);
}

Test(store, oldest_make_room_within_the_limit)
{
	const uint64_t limit = 1 << 20;
	struct rig rig;
	struct store_info info;

	init(&rig);
	start(&rig, limit);
	for (int i = 1; i <= 400; i++) {
		cr_assert_eq(write_and_wait(&rig, i, 10000), 0);
		info = store_describe(rig.store);
		cr_assert_leq(info.bytes, limit, "%llu", (unsigned long long)info.bytes);
	}
	cr_assert_eq(look(&rig, "SELECT max(id) FROM row"), 400);
	cr_assert_gt(look(&rig, "SELECT min(id) FROM row"), 300);
	cr_assert_gt(look(&rig, "SELECT count(*) FROM row"), 40, "no more is deleted than has to be");
	/* A smaller limit holds from the next task on. */
	store_set_limit(rig.store, limit / 2);
	cr_assert_eq(write_and_wait(&rig, 401, 10), 0);
	cr_assert_eq(write_and_wait(&rig, 402, 10), 0);
	store_destroy(rig.store);
	cr_assert_leq(look(&rig, "PRAGMA page_count") * 4096, (int64_t)limit / 2);
	finish(&rig);
}

Test(store, one_row_beyond_the_limit_is_given_up)
{
	struct rig rig;

	init(&rig);
	start(&rig, STORE_LIMIT_MIN);
	cr_assert_eq(write_and_wait(&rig, 1, 100), 0);
	cr_assert_eq(write_and_wait(&rig, 2, STORE_LIMIT_MIN), -ENOSPC);
	cr_assert_eq(write_and_wait(&rig, 3, 100), 0);
	store_destroy(rig.store);
	finish(&rig);
}

/* ---- what lies there already ---------------------------------------------------------------------- */

static void expect_moved_aside(struct rig *rig, const char *what)
{
	char aside[112];
	struct stat status;

	start(rig, 8 << 20);
	cr_assert_eq(write_and_wait(rig, 1000, 10), 0, "%s", what);
	cr_assert_eq(store_describe(rig->store).aside, 1, "%s", what);
	store_destroy(rig->store);
	snprintf(aside, sizeof(aside), "%s.bad", rig->path);
	cr_assert_eq(lstat(aside, &status), 0, "%s", what);
	cr_assert_eq(look(rig, "SELECT count(*) FROM row"), 1, "%s", what);
	finish(rig);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

Test(store, what_is_no_database_is_moved_aside)
{
	struct rig rig;
	uint8_t noise[20000];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)test_random();
	init(&rig);
	write_file(rig.path, noise, sizeof(noise));
	expect_moved_aside(&rig, "noise");
	init(&rig);
	memcpy(noise, "SQLite format 3", 16);
	write_file(rig.path, noise, sizeof(noise));
	expect_moved_aside(&rig, "noise with SQLite's first bytes");
	init(&rig);
	cr_assert_eq(mkfifo(rig.path, 0600), 0);
	expect_moved_aside(&rig, "a pipe");
	init(&rig);
	cr_assert_eq(mkdir(rig.path, 0700), 0);
	expect_moved_aside(&rig, "a folder");
	init(&rig);
	cr_assert_eq(symlink("/etc/passwd", rig.path), 0);
	expect_moved_aside(&rig, "a link");
}

/* A good database, changed by hand. */
static void make_then_run(struct rig *rig, const char *sql)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	init(rig);
	start(rig, 8 << 20);
	for (int i = 1; i <= 50; i++)
		cr_assert_eq(write_and_wait(rig, i, 3000), 0);
	store_destroy(rig->store);
	cr_assert_eq(sqlite3_open(rig->path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &error), SQLITE_OK, "%s", error);
	sqlite3_close(db);
}

Test(store, tables_that_are_not_ours_are_moved_aside)
{
	static const char *const changes[] = {
		"PRAGMA user_version=2",
		"PRAGMA user_version=-5",
		"PRAGMA application_id=1",
		"CREATE TRIGGER t AFTER INSERT ON row BEGIN DELETE FROM row; END",
		"DROP TABLE row; CREATE VIEW row AS SELECT 1 AS id, 2 AS data",
		"DROP TABLE policy_state",
		"CREATE TABLE more(a)",
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct rig rig;

		make_then_run(&rig, changes[i]);
		expect_moved_aside(&rig, changes[i]);
	}
}

/* The next version of the same database, with a table more. */
static const struct store_schema next_schema = {
	.file = "test.db",
	.version = 4,
	.tables = "CREATE TABLE row(id INTEGER PRIMARY KEY, data BLOB);",
	.added = "CREATE TABLE more(row INTEGER PRIMARY KEY, about TEXT); CREATE INDEX about ON more(about);",
	.drop_oldest = drop_oldest,
};

static void open_as_next(struct rig *rig, int id)
{
	cr_assert_eq(store_create(rig->dir, 8 << 20, &next_schema, &rig->store), 0);
	cr_assert_eq(write_and_wait(rig, id, 10), 0);
}

Test(store, database_of_the_version_before_is_taken_over)
{
	struct rig rig;

	make_then_run(&rig, "SELECT 1");
	for (int i = 0; i < 2; i++) {
		open_as_next(&rig, 1000 + i);
		cr_assert_eq(store_describe(rig.store).aside, 0);
		store_destroy(rig.store);
		cr_assert_eq(look(&rig, "SELECT count(*) FROM row WHERE id <= 50"), 50);
		cr_assert_eq(look(&rig, "SELECT count(*) FROM more"), 0);
		cr_assert_eq(look(&rig, "PRAGMA user_version"), 4);
	}
	start(&rig, 8 << 20);
	cr_assert_eq(write_and_wait(&rig, 1, 10), 0);
	cr_assert_eq(store_describe(rig.store).aside, 1, "what is of a later version is not understood");
	store_destroy(rig.store);
	finish(&rig);
}

Test(store, only_what_is_wholly_of_the_version_before_is_taken_over)
{
	static const char *const changes[] = {
		"PRAGMA user_version=2",
		"CREATE TABLE more(a)",
		"CREATE TRIGGER t AFTER INSERT ON row BEGIN DELETE FROM row; END",
		"PRAGMA application_id=1",
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct rig rig;

		make_then_run(&rig, changes[i]);
		open_as_next(&rig, 1000);
		cr_assert_eq(store_describe(rig.store).aside, 1, "%s", changes[i]);
		store_destroy(rig.store);
		finish(&rig);
	}
}

/* Any byte of the file may be wrong: then it is moved aside or what it spoils is data; the next row is kept anyhow. */
Test(store, damage_anywhere_is_survived)
{
	for (int round = 0; round < 40; round++) {
		struct rig rig;
		struct stat status;
		int fd;

		make_then_run(&rig, "SELECT 1");
		fd = open(rig.path, O_RDWR);
		cr_assert_geq(fd, 0);
		cr_assert_eq(fstat(fd, &status), 0);
		for (int i = 0; i < 20; i++) {
			uint64_t noise = test_random();

			cr_assert_eq(
				pwrite(fd, &noise, sizeof(noise), (off_t)(test_random() % (uint64_t)status.st_size)),
				(ssize_t)sizeof(noise));
		}
		if (round % 4 == 0)
			cr_assert_eq(ftruncate(fd, (off_t)(test_random() % (uint64_t)status.st_size)), 0);
		close(fd);
		start(&rig, 8 << 20);
		cr_assert_eq(write_and_wait(&rig, 1000, 10), 0);
		cr_assert_eq(write_and_wait(&rig, 1001, 10), 0);
		store_destroy(rig.store);
		cr_assert_eq(look(&rig, "SELECT count(*) FROM row WHERE id >= 1000"), 2);
		finish(&rig);
	}
}

Test(store, folder_that_is_not_there_keeps_nothing_and_goes_on)
{
	struct rig rig;
	struct row row;

	init(&rig);
	finish(&rig);
	start(&rig, 8 << 20);
	init_row(&row, 1, 10);
	cr_assert_eq(store_submit(rig.store, &row.task), 0);
	wait_row(&row);
	cr_assert_lt(row.rc, 0);
	cr_assert(!store_describe(rig.store).open);
	cr_assert_eq(store_describe(rig.store).failed, 1);
	store_destroy(rig.store);
}

/* Another process has it for itself: the database stays, and is written to once it is free. */
Test(store, database_that_is_held_by_others_stays_where_it_is)
{
	struct rig rig;
	sqlite3 *db = NULL;

	make_then_run(&rig, "PRAGMA journal_mode=DELETE");
	cr_assert_eq(sqlite3_open(rig.path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	start(&rig, 8 << 20);
	cr_assert_lt(write_and_wait(&rig, 100, 10), 0);
	cr_assert_eq(store_describe(rig.store).aside, 0);
	cr_assert_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	cr_assert_eq(write_and_wait(&rig, 101, 10), 0);
	store_destroy(rig.store);
	cr_assert_eq(look(&rig, "SELECT count(*) FROM row"), 51);
	finish(&rig);
}

/* ---- power ---------------------------------------------------------------------------------------- */

/* In the child: rows 1, 2, ... from where the table ends, each acknowledged through the pipe once it is committed. */
static void write_until_killed(struct rig *rig, int64_t first, int fd)
{
	start(rig, 2 << 20);
	for (int64_t id = first;; id++) {
		if (write_and_wait(rig, id, (int)(id % 7) * 900) != 0 || write(fd, &id, sizeof(id)) != sizeof(id))
			_exit(1);
	}
}

/* Kills the child at any moment after n rows; the last row that it acknowledged. */
static int64_t run_and_kill(struct rig *rig, int64_t first)
{
	int64_t last = first - 1, n = test_random_range(0, 30);
	int fds[2], status;
	pid_t child;

	cr_assert_eq(pipe(fds), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		close(fds[0]);
		write_until_killed(rig, first, fds[1]);
	}
	close(fds[1]);
	for (int64_t i = 0; i < n; i++)
		cr_assert_eq(read(fds[0], &last, sizeof(last)), (ssize_t)sizeof(last));
	/* Somewhere within what it does next, the opening and the commits included. */
	for (volatile int64_t spin = test_random_range(0, 3000000); spin > 0; spin--)
		;
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status), "the child ended by itself");
	while (read(fds[0], &last, sizeof(last)) == (ssize_t)sizeof(last))
		;
	close(fds[0]);
	return last;
}

Test(store, kill_at_any_moment_loses_nothing_that_was_acknowledged)
{
	struct rig rig;
	int64_t next = 1;

	init(&rig);
	for (int round = 0; round < 60; round++) {
		int64_t last = run_and_kill(&rig, next), found;

		start(&rig, 2 << 20);
		cr_assert_eq(write_and_wait(&rig, 1000000 + round, 10), 0);
		cr_assert_eq(store_describe(rig.store).aside, 0, "round %d", round);
		store_destroy(rig.store);
		cr_assert_eq(look(&rig, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
		found = look(&rig, "SELECT coalesce(max(id), 0) FROM row WHERE id < 1000000");
		cr_assert(found == last || found == last + 1, "%lld was acknowledged, %lld is there", (long long)last,
			  (long long)found);
		cr_assert(last < next || look(&rig, "SELECT count(*) FROM row WHERE id < 1000000") >= 1);
		next = found + 1;
	}
	finish(&rig);
}

/* ---- values --------------------------------------------------------------------------------------- */

Test(store, values_are_kept_by_model_device_and_version)
{
	struct rig rig;
	char data[64];
	size_t size;

	init(&rig);
	start(&rig, 8 << 20);
	cr_assert_eq(store_get(rig.store, "a", 1, 1, data, sizeof(data), &size), -ENOENT);
	cr_assert_eq(store_put(rig.store, "a", UINT64_MAX, 1, "first", 5), 0);
	cr_assert_eq(store_put(rig.store, "a", UINT64_MAX, 1, "second", 6), 0);
	cr_assert_eq(store_put(rig.store, "b", 1, 1, "", 0), 0);
	store_destroy(rig.store);
	start(&rig, 8 << 20);
	cr_assert_eq(store_get(rig.store, "a", UINT64_MAX, 1, data, sizeof(data), &size), 0);
	cr_assert(size == 6 && !memcmp(data, "second", 6));
	cr_assert_eq(store_get(rig.store, "b", 1, 1, data, sizeof(data), &size), 0);
	cr_assert_eq(size, 0);
	cr_assert_eq(store_get(rig.store, "a", UINT64_MAX, 2, data, sizeof(data), &size), -ENOENT, "another version");
	cr_assert_eq(store_get(rig.store, "a", 2, 1, data, sizeof(data), &size), -ENOENT, "another device");
	cr_assert_eq(store_get(rig.store, "a", UINT64_MAX, 1, data, 5, &size), -E2BIG);
	cr_assert_eq(store_put(rig.store, "a", 1, 1, data, STORE_VALUE_MAX + 1), -E2BIG);
	store_destroy(rig.store);
	finish(&rig);
}

Test(store, value_written_longest_ago_goes)
{
	struct rig rig;
	char data[8];
	size_t size;

	init(&rig);
	start(&rig, 8 << 20);
	for (uint64_t device = 0; device < STORE_VALUES_MAX + 5; device++) {
		while (store_put(rig.store, "m", device, 1, "x", 1) == -EAGAIN)
			cr_assert_neq(store_get(rig.store, "m", 0, 1, data, sizeof(data), &size), -EIO);
	}
	store_destroy(rig.store);
	cr_assert_eq(look(&rig, "SELECT count(*) FROM policy_state"), STORE_VALUES_MAX);
	cr_assert_eq(look(&rig, "SELECT min(device) FROM policy_state"), 5);
	finish(&rig);
}
