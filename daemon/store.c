/* store.c - see store.h. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#define PAGE_BYTES 4096
/* "INFD", by which file(1) and this code know whose database it is. */
#define APPLICATION_ID 0x494e4644
/* No text, blob or row of ours comes near; a hostile database must not make the daemon allocate more. */
#define LENGTH_MAX (1 << 20)
/* How long another process, e.g. one that copies the database, may hold it. */
#define BUSY_MS	   2000
#define PATH_BYTES 1100
/* Tries of a task: after making room, and on a new database. */
#define TRIES_MAX  12
#define BUSY_TRIES 2

struct store {
	const struct store_schema *schema;
	char path[PATH_BYTES];
	pthread_t thread;
	_Atomic uint64_t limit;

	/* Lock order: database before queue. */
	pthread_mutex_t database; /* held while db is used */
	sqlite3 *db;		  /* NULL: not open */
	uint64_t limit_applied;
	bool complained; /* that it cannot be opened */

	pthread_mutex_t queue;	/* the rest */
	pthread_cond_t changed; /* of what follows */
	struct store_task *first, **last;
	int n_queued;
	bool opened; /* the first attempt is over */
	bool ending;
	struct store_info info;
};

int store_error(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	/* A mismatch and a violated constraint mean rows that this code did not write. */
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_SCHEMA:
	case SQLITE_MISMATCH:
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
	case SQLITE_ERROR:
		return -EBADMSG;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

int store_execute(struct sqlite3 *db, const char *sql)
{
	return store_error(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int store_step(struct sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	sqlite3_reset(statement);
	return result == SQLITE_ROW ? -EBADMSG : store_error(result);
}

/* The number in the first column of the first row. */
static int query_number(sqlite3 *db, const char *sql, int64_t *ret_number)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return result == SQLITE_DONE ? -EBADMSG : store_error(result);
}

static int execute_number(sqlite3 *db, const char *pragma, uint64_t number)
{
	char sql[96];

	snprintf(sql, sizeof(sql), "%s=%llu", pragma, (unsigned long long)number);
	return store_execute(db, sql);
}

/* ---- opening -------------------------------------------------------------------------------------- */

static const char own_tables[] = "CREATE TABLE policy_state(model TEXT NOT NULL, device INTEGER NOT NULL, "
				 "version INTEGER NOT NULL, written INTEGER NOT NULL, data BLOB NOT NULL, "
				 "PRIMARY KEY(model, device));";

/* A text of a query's first row, freed by the caller. */
static int query_text(sqlite3 *db, const char *sql, char **ret_text)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL), rc;
	const char *text = NULL;

	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(statement, 0);
	rc = result == SQLITE_DONE ? -EBADMSG : store_error(result);
	if (rc == 0) {
		*ret_text = strdup(text ? text : "");
		rc = *ret_text ? 0 : -ENOMEM;
	}
	sqlite3_finalize(statement);
	return rc;
}

/* Those of this version, or of the one before. */
static int create_tables(sqlite3 *db, const struct store_schema *schema, bool before)
{
	int rc = store_execute(db, "BEGIN IMMEDIATE");

	if (rc == 0)
		rc = store_execute(db, own_tables);
	if (rc == 0)
		rc = store_execute(db, schema->tables);
	if (rc == 0 && schema->added && !before)
		rc = store_execute(db, schema->added);
	if (rc == 0)
		rc = execute_number(db, "PRAGMA user_version", (uint64_t)schema->version);
	if (rc == 0)
		rc = execute_number(db, "PRAGMA application_id", APPLICATION_ID);
	if (rc == 0)
		rc = store_execute(db, "COMMIT");
	return rc;
}

/* Makes a checked database of the version before one of this version, or leaves it as it is. */
static int upgrade(sqlite3 *db, const struct store_schema *schema)
{
	int rc = store_execute(db, "BEGIN IMMEDIATE");

	if (rc == 0)
		rc = store_execute(db, schema->added);
	if (rc == 0)
		rc = execute_number(db, "PRAGMA user_version", (uint64_t)schema->version);
	if (rc == 0)
		rc = store_execute(db, "COMMIT");
	if (rc < 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/*
 * The checks of a database that is there already: 0; -EBADMSG with what is wrong in *ret_fault; another error says
 * nothing about the database, which stays.
 */
static int check_number(sqlite3 *db, const char *sql, int64_t due, const char *fault, const char **ret_fault)
{
	int64_t found = 0;
	int rc = query_number(db, sql, &found);

	if (rc == 0 && found != due)
		rc = -EBADMSG;
	if (rc == -EBADMSG)
		*ret_fault = fault;
	return rc;
}

static int check_text(sqlite3 *db, const char *sql, const char *due, const char *fault, const char **ret_fault)
{
	char *found = NULL;
	int rc = query_text(db, sql, &found);

	if (rc == 0 && strcmp(found, due) != 0)
		rc = -EBADMSG;
	if (rc == -EBADMSG)
		*ret_fault = fault;
	free(found);
	return rc;
}

/* The tables must be those that the version makes, to the letter: a trigger or a view may do anything. */
static int check_tables(sqlite3 *db, const struct store_schema *schema, bool before, const char **ret_fault)
{
	static const char statements[] =
		"SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name)";
	sqlite3 *model = NULL;
	char *due = NULL;
	int rc = store_error(sqlite3_open(":memory:", &model));

	if (rc == 0)
		rc = create_tables(model, schema, before);
	if (rc == 0)
		rc = query_text(model, statements, &due);
	sqlite3_close(model);
	/* That there is no memory for a model is no fault of the database. */
	rc = rc < 0 ? -ENOMEM : check_text(db, statements, due, "its tables are not those of its version", ret_fault);
	free(due);
	return rc;
}

/* Whether it is of the version before, and may become one of this version. */
static int check_version(sqlite3 *db, const struct store_schema *schema, bool *ret_before, const char **ret_fault)
{
	int64_t found = 0;
	int rc = query_number(db, "PRAGMA user_version", &found);

	*ret_before = schema->added && found == schema->version - 1;
	if (rc == 0 && found != schema->version && !*ret_before)
		rc = -EBADMSG;
	if (rc == -EBADMSG)
		*ret_fault = "it is of another version";
	return rc;
}

static int check_all(sqlite3 *db, const struct store_schema *schema, const char **ret_fault)
{
	bool before = false;
	int rc = check_number(db, "PRAGMA application_id", APPLICATION_ID, "it is not a database of inferd", ret_fault);

	if (rc == 0)
		rc = check_version(db, schema, &before, ret_fault);
	if (rc == 0)
		rc = check_tables(db, schema, before, ret_fault);
	if (rc == 0)
		rc = check_text(db, "PRAGMA quick_check(1)", "ok", "it is damaged", ret_fault);
	return rc == 0 && before ? upgrade(db, schema) : rc;
}

static void settle(sqlite3 *db)
{
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

/* Pages of the database and of its log that a limit allows. */
static uint64_t log_pages(uint64_t limit)
{
	uint64_t pages = limit / 8 / PAGE_BYTES;

	return pages > 256 ? 256 : pages;
}

static uint64_t database_pages(uint64_t limit)
{
	/* A transaction may make the log somewhat longer than where it is checkpointed. */
	return limit / PAGE_BYTES - 2 * log_pages(limit);
}

static int apply_limit(struct store *store)
{
	uint64_t limit = store->limit;
	int rc = execute_number(store->db, "PRAGMA max_page_count", database_pages(limit));

	if (rc == 0)
		rc = execute_number(store->db, "PRAGMA wal_autocheckpoint", log_pages(limit));
	if (rc == 0)
		rc = execute_number(store->db, "PRAGMA journal_size_limit", log_pages(limit) * PAGE_BYTES);
	if (rc == 0)
		store->limit_applied = limit;
	return rc;
}

static int set_up(struct store *store, const char **ret_fault)
{
	static const char first_pragmas[] = "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;";
	static const char pragmas[] = "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-512;"
				      "PRAGMA temp_store=MEMORY; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;";
	int64_t tables = 0;
	int rc;

	settle(store->db);
	rc = store_execute(store->db, first_pragmas);
	if (rc == 0)
		rc = store_execute(store->db, pragmas);
	if (rc == 0)
		rc = query_number(store->db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc == 0)
		rc = tables ? check_all(store->db, store->schema, ret_fault)
			    : create_tables(store->db, store->schema, false);
	return rc < 0 ? rc : apply_limit(store);
}

/* Nothing but a file of our own making is opened: not what a link or a pipe of that name leads to. */
static int make_file(const char *path)
{
	struct stat status;
	int fd;

	if (lstat(path, &status) == 0)
		return S_ISREG(status.st_mode) ? 0 : -EBADMSG;
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void close_database(struct store *store)
{
	sqlite3_close(store->db);
	store->db = NULL;
}

static void move_aside(struct store *store, const char *fault)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char from[PATH_BYTES + 16], to[PATH_BYTES + 16];

	close_database(store);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", store->path, suffixes[i]);
		snprintf(to, sizeof(to), "%s.bad%s", store->path, suffixes[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			unlink(from);
		else if (i == 0)
			log_warning("%s: %s; moved aside to %s.bad, and a new one is begun", store->path, fault,
				    store->path);
	}
	pthread_mutex_lock(&store->queue);
	store->info.aside++;
	pthread_mutex_unlock(&store->queue);
}

static int try_open(struct store *store, const char **ret_fault)
{
	int rc = make_file(store->path);

	*ret_fault = rc == -EBADMSG ? "it is no file" : NULL;
	if (rc < 0)
		return rc;
	rc = store_error(sqlite3_open_v2(store->path, &store->db,
					 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL));
	if (rc == 0)
		rc = set_up(store, ret_fault);
	if (rc == -EBADMSG && !*ret_fault)
		*ret_fault = "it cannot be read";
	return rc;
}

/* The database lock is held. */
static void open_database(struct store *store)
{
	const char *fault;
	int rc = try_open(store, &fault);

	if (rc == -EBADMSG) {
		move_aside(store, fault);
		rc = try_open(store, &fault);
	}
	if (rc < 0) {
		close_database(store);
		if (!store->complained)
			log_error("%s cannot be opened: %s; nothing is kept until it can", store->path,
				  fault ? fault : strerror(-rc));
	}
	store->complained = rc < 0;
}

/* ---- the limit ------------------------------------------------------------------------------------ */

static int drop_oldest(struct store *store)
{
	int rc = store_execute(store->db, "BEGIN IMMEDIATE"), dropped;

	if (rc < 0)
		return rc;
	dropped = store->schema->drop_oldest(store->db);
	rc = store_execute(store->db, dropped < 0 ? "ROLLBACK" : "COMMIT");
	return dropped < 0 ? dropped : rc < 0 ? rc : dropped;
}

/* Keeps a tenth of the pages free, so that the next task finds room. */
static int keep_limit(struct store *store)
{
	uint64_t limit = store->limit;
	int64_t pages = 0, free_pages = 0, most = (int64_t)database_pages(limit);
	int rc = limit == store->limit_applied ? 0 : apply_limit(store);

	while (rc >= 0) {
		rc = query_number(store->db, "PRAGMA page_count", &pages);
		if (rc == 0)
			rc = query_number(store->db, "PRAGMA freelist_count", &free_pages);
		if (rc < 0 || pages - free_pages <= most - most / 10)
			break;
		rc = drop_oldest(store);
		if (rc == 0)
			break;
	}
	if (rc >= 0 && pages > most)
		rc = store_execute(store->db, "PRAGMA incremental_vacuum");
	return rc < 0 ? rc : 0;
}

static uint64_t bytes_on_disk(const struct store *store)
{
	struct stat status;
	uint64_t bytes = 0;
	char log[PATH_BYTES + 16];

	snprintf(log, sizeof(log), "%s-wal", store->path);
	if (stat(store->path, &status) == 0)
		bytes += (uint64_t)status.st_size;
	if (stat(log, &status) == 0)
		bytes += (uint64_t)status.st_size;
	return bytes;
}

/* ---- tasks ---------------------------------------------------------------------------------------- */

static int try_task(struct store *store, struct store_task *task)
{
	int rc = store_execute(store->db, "BEGIN IMMEDIATE");

	if (rc < 0)
		return rc;
	rc = task->run(task, store->db);
	if (rc == 0)
		rc = store_execute(store->db, "COMMIT");
	if (rc < 0)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* The database lock is held. */
static int run_task(struct store *store, struct store_task *task)
{
	bool renewed = false;
	int rc = -EIO;

	/* What kept it from being opened before may be gone. */
	if (!store->db)
		open_database(store);
	for (int i = 0; i < TRIES_MAX && store->db; i++) {
		rc = try_task(store, task);
		/* What is committed must not be run again, unless it went with its database. */
		if (rc == 0 && keep_limit(store) != -EBADMSG)
			return 0;
		if (rc == -ENOSPC) {
			if (drop_oldest(store) <= 0)
				return rc;
		} else if ((rc == 0 || rc == -EBADMSG) && !renewed) {
			renewed = true;
			move_aside(store, "what it holds makes no sense");
			open_database(store);
		} else if (rc != -EBUSY || i >= BUSY_TRIES) {
			return rc;
		}
	}
	return rc < 0 ? rc : -EIO;
}

static struct store_task *take_task(struct store *store)
{
	struct store_task *task;

	pthread_mutex_lock(&store->queue);
	while (!store->first && !store->ending)
		pthread_cond_wait(&store->changed, &store->queue);
	task = store->first;
	if (task) {
		store->first = task->next;
		if (!store->first)
			store->last = &store->first;
		store->n_queued--;
	}
	pthread_mutex_unlock(&store->queue);
	return task;
}

static void note_outcome(struct store *store, int rc)
{
	uint64_t bytes = bytes_on_disk(store);

	pthread_mutex_lock(&store->queue);
	store->info.failed += rc < 0;
	store->info.open = store->db != NULL;
	store->info.bytes = bytes;
	pthread_mutex_unlock(&store->queue);
	if (rc < 0 && store->db)
		log_warning("%s: what was due to be written is lost: %s", store->path, strerror(-rc));
}

static void begin(struct store *store)
{
	pthread_mutex_lock(&store->database);
	open_database(store);
	pthread_mutex_unlock(&store->database);
	note_outcome(store, 0);
	pthread_mutex_lock(&store->queue);
	store->opened = true;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->queue);
}

static void *serve(void *argument)
{
	struct store *store = argument;
	struct store_task *task;

	/* Frames go first; on Linux the nice value is the thread's own. */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
	begin(store);
	while ((task = take_task(store))) {
		int rc;

		pthread_mutex_lock(&store->database);
		rc = run_task(store, task);
		note_outcome(store, rc);
		pthread_mutex_unlock(&store->database);
		task->done(task, rc);
	}
	close_database(store);
	return NULL;
}

int store_submit(struct store *store, struct store_task *task)
{
	int rc = -EAGAIN;

	pthread_mutex_lock(&store->queue);
	if (store->n_queued < STORE_QUEUE_MAX) {
		task->next = NULL;
		*store->last = task;
		store->last = &task->next;
		store->n_queued++;
		pthread_cond_broadcast(&store->changed);
		rc = 0;
	} else {
		store->info.refused++;
	}
	pthread_mutex_unlock(&store->queue);
	return rc;
}

void store_set_limit(struct store *store, uint64_t limit_bytes)
{
	store->limit = limit_bytes < STORE_LIMIT_MIN ? STORE_LIMIT_MIN : limit_bytes;
}

struct store_info store_describe(struct store *store)
{
	struct store_info info;

	pthread_mutex_lock(&store->queue);
	info = store->info;
	pthread_mutex_unlock(&store->queue);
	info.path = store->path;
	return info;
}

/* ---- values --------------------------------------------------------------------------------------- */

struct put {
	struct store_task task; /* first */
	uint64_t device;
	uint32_t version;
	size_t size;
	char model[256];
	uint8_t data[];
};

static int put_value(struct store_task *task, sqlite3 *db)
{
	static const char sql[] = "INSERT OR REPLACE INTO policy_state VALUES(?, ?, ?, "
				  "(SELECT coalesce(max(written), 0) + 1 FROM policy_state), ?)";
	const struct put *put = (const struct put *)task;
	sqlite3_stmt *statement = NULL;
	char trim[160];
	int rc = store_error(sqlite3_prepare_v2(db, sql, -1, &statement, NULL));

	if (rc == 0) {
		sqlite3_bind_text(statement, 1, put->model, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 2, (int64_t)put->device);
		sqlite3_bind_int64(statement, 3, put->version);
		sqlite3_bind_blob(statement, 4, put->data, (int)put->size, SQLITE_STATIC);
		rc = store_step(statement);
	}
	sqlite3_finalize(statement);
	snprintf(trim, sizeof(trim),
		 "DELETE FROM policy_state WHERE written NOT IN "
		 "(SELECT written FROM policy_state ORDER BY written DESC LIMIT %d)",
		 STORE_VALUES_MAX);
	return rc < 0 ? rc : store_execute(db, trim);
}

static void put_done(struct store_task *task, int rc)
{
	(void)rc; /* counted and logged by now */
	free(task);
}

int store_put(struct store *store, const char *model, uint64_t device, uint32_t version, const void *data, size_t size)
{
	struct put *put;
	int rc;

	if (size > STORE_VALUE_MAX || strlen(model) >= sizeof(put->model))
		return -E2BIG;
	put = calloc(1, sizeof(*put) + size);
	if (!put)
		return -ENOMEM;
	put->task = (struct store_task){.run = put_value, .done = put_done};
	put->device = device;
	put->version = version;
	put->size = size;
	snprintf(put->model, sizeof(put->model), "%s", model);
	if (size)
		memcpy(put->data, data, size);
	rc = store_submit(store, &put->task);
	if (rc < 0)
		free(put);
	return rc;
}

/* The statement stands on the row. */
static int take_value(sqlite3_stmt *statement, void *ret_data, size_t capacity, size_t *ret_size)
{
	const void *data = sqlite3_column_blob(statement, 0);
	size_t size = (size_t)sqlite3_column_bytes(statement, 0);

	if (size > capacity)
		return -E2BIG;
	if (size)
		memcpy(ret_data, data, size);
	*ret_size = size;
	return 0;
}

static int get_value(sqlite3 *db, const char *model, uint64_t device, uint32_t version, void *ret_data, size_t capacity,
		     size_t *ret_size)
{
	sqlite3_stmt *statement = NULL;
	int result =
		sqlite3_prepare_v2(db, "SELECT data FROM policy_state WHERE model = ? AND device = ? AND version = ?",
				   -1, &statement, NULL);
	int rc;

	if (result == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, model, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 2, (int64_t)device);
		sqlite3_bind_int64(statement, 3, version);
		result = sqlite3_step(statement);
	}
	if (result == SQLITE_ROW)
		rc = take_value(statement, ret_data, capacity, ret_size);
	else
		rc = result == SQLITE_DONE ? -ENOENT : store_error(result);
	sqlite3_finalize(statement);
	return rc;
}

int store_get(struct store *store, const char *model, uint64_t device, uint32_t version, void *ret_data,
	      size_t capacity, size_t *ret_size)
{
	int rc = -EIO;

	pthread_mutex_lock(&store->queue);
	while (!store->opened)
		pthread_cond_wait(&store->changed, &store->queue);
	pthread_mutex_unlock(&store->queue);
	pthread_mutex_lock(&store->database);
	if (store->db)
		rc = get_value(store->db, model, device, version, ret_data, capacity, ret_size);
	pthread_mutex_unlock(&store->database);
	return rc;
}

/* ---- life ----------------------------------------------------------------------------------------- */

/* Signals are the loop's. */
static int start_thread(struct store *store)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&store->thread, NULL, serve, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

int store_create(const char *dir, uint64_t limit_bytes, const struct store_schema *schema, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));
	/* SQLite's NOFOLLOW means the whole path. */
	char *real = realpath(dir, NULL);
	int rc;

	if (!store || snprintf(store->path, sizeof(store->path), "%s/%s", real ? real : dir, schema->file) >=
			      (int)sizeof(store->path)) {
		rc = store ? -ENAMETOOLONG : -ENOMEM;
		free(store);
		free(real);
		return rc;
	}
	free(real);
	store->schema = schema;
	store->last = &store->first;
	store_set_limit(store, limit_bytes);
	pthread_mutex_init(&store->database, NULL);
	pthread_mutex_init(&store->queue, NULL);
	pthread_cond_init(&store->changed, NULL);
	rc = start_thread(store);
	if (rc < 0) {
		free(store);
		return rc;
	}
	*ret_store = store;
	return 0;
}

void store_destroy(struct store *store)
{
	if (!store)
		return;
	pthread_mutex_lock(&store->queue);
	store->ending = true;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->queue);
	pthread_join(store->thread, NULL);
	pthread_mutex_destroy(&store->database);
	pthread_mutex_destroy(&store->queue);
	pthread_cond_destroy(&store->changed);
	free(store);
}
