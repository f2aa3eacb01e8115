/* Galleries on disk and in memory: added to, searched while they change, removed, found again, and hostile vectors. */
#include "daemon/galleries.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/gallery_kill.h"
#include "support/test.h"

TEST_SUITE(galleries);

#define LENGTH 8
#define LIMIT  (8u << 20)

struct rig {
	char dir[64];
	struct galleries *galleries;
	size_t memory_max; /* of the next adds */
};

static void rig_open(struct rig *rig)
{
	cr_assert_eq(galleries_create(rig->dir, LIMIT, &rig->galleries), 0);
}

static void rig_init(struct rig *rig)
{
	rig->memory_max = SIZE_MAX;
	strcpy(rig->dir, "/tmp/inferd-galleries-XXXXXX");
	cr_assert_not_null(mkdtemp(rig->dir));
	rig_open(rig);
}

static void rig_close(struct rig *rig)
{
	galleries_destroy(rig->galleries);
	rig->galleries = NULL;
}

static void rig_finish(struct rig *rig)
{
	char command[128];

	rig_close(rig);
	snprintf(command, sizeof(command), "rm -r '%s'", rig->dir);
	cr_assert_eq(system(command), 0);
}

/* ---- changes -------------------------------------------------------------------------------------- */

struct request {
	struct galleries_change change; /* first */
	sem_t done;
};

static void on_done(struct galleries_change *change)
{
	sem_post(&((struct request *)change)->done);
}

static void run(struct rig *rig, struct request *request)
{
	request->change.done = on_done;
	sem_init(&request->done, 0, 0);
	cr_assert_eq(galleries_submit(rig->galleries, &request->change), 0);
	sem_wait(&request->done);
	sem_destroy(&request->done);
}

static void put_le32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

struct bytes {
	uint8_t at[4096];
	size_t size;
};

/* n pictures for spaces 1..n_variants; the vector of a picture points to `axis`, and a little to the next. */
static void make_bytes(struct bytes *bytes, int n_variants, int n, int first_axis)
{
	float vector[LENGTH];

	memcpy(bytes->at, "INFVECS1", 8);
	put_le32(bytes->at + 8, (uint32_t)n_variants);
	put_le32(bytes->at + 12, (uint32_t)n);
	bytes->size = 16;
	for (int i = 0; i < n_variants; i++, bytes->size += 16) {
		memset(bytes->at + bytes->size, 0, 16);
		put_le32(bytes->at + bytes->size, (uint32_t)i + 1);
		put_le32(bytes->at + bytes->size + 8, LENGTH);
	}
	for (int i = 0; i < n_variants; i++)
		for (int j = 0; j < n; j++, bytes->size += sizeof(vector)) {
			memset(vector, 0, sizeof(vector));
			vector[(first_axis + j) % LENGTH] = 1;
			memcpy(bytes->at + bytes->size, vector, sizeof(vector));
		}
}

static int make_fd(const struct bytes *bytes)
{
	int fd = memfd_create("vectors", MFD_CLOEXEC);

	cr_assert_eq(write(fd, bytes->at, bytes->size), (ssize_t)bytes->size);
	return fd;
}

static struct galleries_change add_bytes(struct rig *rig, const char *gallery, const char *name, uid_t uid,
					 const struct bytes *bytes)
{
	struct request request = {.change = {.kind = GALLERIES_ADD, .uid = uid, .model = "look", .n_variants = 2}};

	request.change.memory_max = rig->memory_max;
	for (int i = 0; i < 2; i++)
		request.change.variants[i] = (struct galleries_variant){"v", (uint64_t)i + 1, LENGTH};
	snprintf(request.change.gallery, sizeof(request.change.gallery), "%s", gallery);
	snprintf(request.change.name, sizeof(request.change.name), "%s", name);
	request.change.fd = make_fd(bytes);
	run(rig, &request);
	close(request.change.fd);
	return request.change;
}

static struct galleries_change add(struct rig *rig, const char *gallery, const char *name, int n, int first_axis)
{
	struct bytes bytes;

	make_bytes(&bytes, 2, n, first_axis);
	return add_bytes(rig, gallery, name, 5, &bytes);
}

static struct galleries_change take(struct rig *rig, const char *gallery, const char *name, uid_t uid)
{
	struct request request = {.change = {.kind = GALLERIES_REMOVE, .uid = uid, .fd = -1}};

	snprintf(request.change.gallery, sizeof(request.change.gallery), "%s", gallery);
	snprintf(request.change.name, sizeof(request.change.name), "%s", name);
	run(rig, &request);
	return request.change;
}

/* The name most like an axis, or "". */
static const char *ask(struct rig *rig, const char *name, int axis)
{
	static char found[IPC_NAME_MAX + 1];
	struct gallery *gallery = galleries_get(rig->galleries, name);
	float vector[LENGTH] = {0};
	struct engine_search_hit hit;
	struct gallery_searcher *searcher;
	int n = 0;

	cr_assert_not_null(gallery);
	cr_assert_eq(gallery_searcher_create(&searcher), 0);
	vector[axis] = 1;
	cr_assert_eq(gallery_search(searcher, gallery, gallery_find_space(gallery, 2), vector, 1, &hit, &n), 0);
	snprintf(found, sizeof(found), "%s", n && hit.score > 0.9f ? gallery->names[hit.group].text : "");
	gallery_searcher_destroy(searcher);
	gallery_unref(gallery);
	return found;
}

/* ---- tests ---------------------------------------------------------------------------------------- */

Test(galleries, what_was_added_is_found_and_outlives_the_daemon)
{
	struct rig rig;

	rig_init(&rig);
	cr_assert_eq(add(&rig, "g", "a", 2, 0).n_added, 2);
	cr_assert_eq(add(&rig, "g", "b", 3, 2).n_pictures, 3);
	for (int opened = 0; opened < 2; opened++) {
		cr_assert_str_eq(ask(&rig, "g", 1), "a");
		cr_assert_str_eq(ask(&rig, "g", 4), "b");
		cr_assert_str_eq(ask(&rig, "g", 6), "");
		rig_close(&rig);
		rig_open(&rig);
	}
	rig_finish(&rig);
}

Test(galleries, duplicates_of_the_same_name_are_left_out)
{
	struct galleries_change change;
	struct bytes bytes;
	struct rig rig;

	rig_init(&rig);
	add(&rig, "g", "a", 2, 0);
	change = add(&rig, "g", "a", 3, 0);
	cr_assert_eq(change.n_duplicates, 2);
	cr_assert_eq(change.n_added, 1);
	/* Twice in one request, and the same for another name. */
	make_bytes(&bytes, 2, 8, 0);
	for (int i = 0; i < 2; i++)
		memcpy(bytes.at + 48 + (size_t)i * 8 * 32 + 32, bytes.at + 48 + (size_t)i * 8 * 32, 32);
	change = add_bytes(&rig, "g", "b", 5, &bytes);
	cr_assert_eq(change.n_duplicates, 1);
	cr_assert_eq(change.n_added, 7);
	rig_finish(&rig);
}

Test(galleries, removal_takes_a_name_or_all)
{
	struct rig rig;

	rig_init(&rig);
	add(&rig, "g", "a", 2, 0);
	add(&rig, "g", "b", 2, 2);
	cr_assert_eq(take(&rig, "g", "c", 5).error, -ENOENT);
	cr_assert_eq(take(&rig, "g", "a", 5).error, 0);
	for (int opened = 0; opened < 2; opened++) {
		cr_assert_str_eq(ask(&rig, "g", 0), "");
		cr_assert_str_eq(ask(&rig, "g", 3), "b");
		rig_close(&rig);
		rig_open(&rig);
	}
	cr_assert_eq(take(&rig, "g", "", 5).error, 0);
	cr_assert_null(galleries_get(rig.galleries, "g"));
	cr_assert_eq(take(&rig, "g", "", 5).error, -ENOENT);
	rig_close(&rig);
	rig_open(&rig);
	cr_assert_null(galleries_get(rig.galleries, "g"));
	rig_finish(&rig);
}

/* Bytes that n pictures take in both spaces. */
static size_t bytes_of(size_t n)
{
	return 2 * n * gallery_vector_bytes(LENGTH);
}

Test(galleries, memory_is_counted_until_it_is_given_back)
{
	struct gallery *held;
	size_t one, before;
	struct rig rig;

	rig_init(&rig);
	cr_assert_eq(galleries_bytes(NULL), (size_t)0);
	cr_assert_eq(galleries_bytes(rig.galleries), (size_t)0);
	add(&rig, "g", "a", 1, 0);
	one = galleries_bytes(rig.galleries);
	cr_assert_geq(one, bytes_of(1));
	/* More pictures of a name cost what they are, duplicates nothing. */
	add(&rig, "g", "a", 4, 0);
	cr_assert_eq(galleries_bytes(rig.galleries), one + bytes_of(3));
	add(&rig, "g", "b", 8, 0);
	cr_assert_eq(galleries_bytes(rig.galleries), one + bytes_of(11) + sizeof(struct gallery_name));
	before = galleries_bytes(rig.galleries);
	rig_close(&rig);
	rig_open(&rig);
	cr_assert_eq(galleries_bytes(rig.galleries), before, "as much as before the start");
	/* A search that is in it keeps it. */
	held = galleries_get(rig.galleries, "g");
	cr_assert_eq(take(&rig, "g", "", 5).error, 0);
	cr_assert_eq(galleries_bytes(rig.galleries), before);
	gallery_unref(held);
	cr_assert_eq(galleries_bytes(rig.galleries), (size_t)0);
	rig_finish(&rig);
}

Test(galleries, names_that_come_and_go_leave_no_memory_behind)
{
	size_t before = 0;
	struct rig rig;

	rig_init(&rig);
	add(&rig, "g", "a", 8, 0);
	for (int round = 0; round < 100; round++) {
		cr_assert_eq(add(&rig, "g", "b", 8, 0).error, 0);
		if (round == 0)
			before = galleries_bytes(rig.galleries);
		cr_assert_eq(galleries_bytes(rig.galleries), before, "round %d", round);
		cr_assert_eq(take(&rig, "g", "b", 5).error, 0);
	}
	rig_finish(&rig);
}

Test(galleries, what_does_not_fit_into_memory_changes_nothing)
{
	struct galleries_change change;
	size_t before;
	struct rig rig;

	rig_init(&rig);
	rig.memory_max = bytes_of(4) - 1;
	change = add(&rig, "g", "a", 4, 0);
	cr_assert_eq(change.error, -ENOMEM);
	cr_assert_not_null(strstr(change.text, "memory_budget_mb"), "%s", change.text);
	cr_assert_null(galleries_get(rig.galleries, "g"));
	cr_assert_eq(galleries_bytes(rig.galleries), (size_t)0);
	rig.memory_max = bytes_of(4);
	cr_assert_eq(add(&rig, "g", "a", 4, 0).error, 0);
	before = galleries_bytes(rig.galleries);
	rig.memory_max = before + bytes_of(2) - 1;
	cr_assert_eq(add(&rig, "g", "b", 2, 4).error, -ENOMEM);
	rig.memory_max = 0;
	cr_assert_eq(add(&rig, "g", "b", 1, 4).error, -ENOMEM);
	cr_assert_eq(galleries_bytes(rig.galleries), before);
	cr_assert_str_eq(ask(&rig, "g", 4), "");
	/* What takes memory away is never kept from doing so. */
	cr_assert_eq(take(&rig, "g", "a", 5).error, 0);
	rig_close(&rig);
	rig_open(&rig);
	cr_assert_str_eq(ask(&rig, "g", 0), "");
	rig_finish(&rig);
}

Test(galleries, another_user_may_not_change_it)
{
	struct bytes bytes;
	struct rig rig;

	rig_init(&rig);
	add(&rig, "g", "a", 1, 0);
	make_bytes(&bytes, 2, 1, 3);
	cr_assert_eq(add_bytes(&rig, "g", "b", 6, &bytes).error, -EPERM);
	cr_assert_eq(take(&rig, "g", "", 6).error, -EPERM);
	cr_assert_str_eq(ask(&rig, "g", 0), "a");
	rig_finish(&rig);
}

Test(galleries, a_user_has_a_limit_of_galleries)
{
	struct rig rig;

	rig_init(&rig);
	for (int i = 0; i <= GALLERIES_PER_USER_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "g%d", i);
		cr_assert_eq(add(&rig, name, "a", 1, 0).error, i < GALLERIES_PER_USER_MAX ? 0 : -EDQUOT);
	}
	rig_finish(&rig);
}

Test(galleries, hostile_vectors_are_refused_with_the_cause)
{
	static const struct {
		size_t at;
		uint32_t value;
		const char *cause;
	} cases[] = {
		{0, 0, "INFVECS1"},	      {8, 0, "variants"},	  {8, 17, "variants"},
		{8, 0xffffffff, "variants"},  {12, 0, "pictures"},	  {12, 3, "bytes"},
		{12, 0xffffffff, "pictures"}, {24, 0, "numbers"},	  {24, LENGTH + 1, "bytes"},
		{24, 0xffffffff, "numbers"},  {48, 0x7fc00000, "finite"}, {48, 0x7f800000, "finite"},
		{48, 0x3f900000, "length"},   {48, 0, "length"},	  {16, 99, "another model"},
	};
	struct rig rig;

	rig_init(&rig);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct galleries_change change;
		struct bytes bytes;

		make_bytes(&bytes, 2, 2, 0);
		put_le32(bytes.at + cases[i].at, cases[i].value);
		change = add_bytes(&rig, "g", "a", 5, &bytes);
		cr_assert(change.error < 0 && strstr(change.text, cases[i].cause), "case %zu: %s", i, change.text);
	}
	for (size_t size = 0; size < 176; size += 7) {
		struct bytes bytes;

		make_bytes(&bytes, 2, 2, 0);
		bytes.size = size;
		cr_assert_lt(add_bytes(&rig, "g", "a", 5, &bytes).error, 0);
	}
	cr_assert_null(galleries_get(rig.galleries, "g"));
	rig_finish(&rig);
}

/* ---- moments -------------------------------------------------------------------------------------- */

struct timed {
	int axis; /* of the picture's vector */
	uint32_t source, from_ms, to_ms;
};

static void make_timed_bytes(struct bytes *bytes, const struct timed *pictures, int n)
{
	make_bytes(bytes, 2, n, 0);
	memmove(bytes->at + 48 + n * 16, bytes->at + 48, bytes->size - 48);
	memcpy(bytes->at, "INFVECS2", 8);
	bytes->size += (size_t)n * 16;
	for (int i = 0; i < n; i++) {
		uint8_t *at = bytes->at + 48 + (size_t)i * 16;

		put_le32(at, pictures[i].source);
		put_le32(at + 4, pictures[i].from_ms);
		put_le32(at + 8, pictures[i].to_ms);
		put_le32(at + 12, 0);
	}
	for (int i = 0; i < 2 * n; i++) {
		float vector[LENGTH] = {0};

		vector[pictures[i % n].axis] = 1;
		memcpy(bytes->at + 48 + n * 16 + (size_t)i * sizeof(vector), vector, sizeof(vector));
	}
}

static struct galleries_change add_timed(struct rig *rig, const char *name, const struct timed *pictures, int n)
{
	struct bytes bytes;

	make_timed_bytes(&bytes, pictures, n);
	return add_bytes(rig, "g", name, 5, &bytes);
}

struct times {
	char text[256];
	struct gallery *gallery;
};

static void note_time(void *user, uint32_t place, float score)
{
	struct times *times = user;
	const struct gallery_moment *moment = place == GALLERY_NO_MOMENT ? NULL : &times->gallery->moments[place];
	size_t at = strlen(times->text);

	if (score > 0.9f && moment)
		snprintf(times->text + at, sizeof(times->text) - at, "%u:%u-%u ", moment->source, moment->from_ms,
			 moment->to_ms);
	else if (score > 0.9f)
		snprintf(times->text + at, sizeof(times->text) - at, "any ");
}

/* When a name's pictures of an axis were, in both spaces alike. */
static void expect_times(struct rig *rig, const char *name, int axis, const char *expected)
{
	struct gallery *gallery = galleries_get(rig->galleries, "g");
	int place = gallery_find_name(gallery, name);
	struct gallery_searcher *searcher;
	float vector[LENGTH] = {0};

	cr_assert_geq(place, 0);
	cr_assert_eq(gallery_searcher_create(&searcher), 0);
	vector[axis] = 1;
	for (uint64_t space = 1; space <= 2; space++) {
		struct times times = {.gallery = gallery};
		struct engine_search_hit hits[8];
		int n;

		cr_assert_eq(gallery_search(searcher, gallery, gallery_find_space(gallery, space), vector, 8, hits, &n),
			     0);
		gallery_visit(searcher, (uint32_t)place, note_time, &times);
		cr_assert_str_eq(times.text, expected);
	}
	gallery_searcher_destroy(searcher);
	gallery_unref(gallery);
}

Test(galleries, times_of_pictures_outlive_the_daemon)
{
	static const struct timed pictures[] = {
		{0, 7, 0, 250}, {1, 7, 250, 750}, {2, 0, 0, 0}, {3, INT32_MAX, 5, INT32_MAX}};
	struct rig rig;

	rig_init(&rig);
	cr_assert_eq(add_timed(&rig, "a", pictures, 4).n_added, 4);
	for (int opened = 0; opened < 2; opened++) {
		expect_times(&rig, "a", 0, "7:0-250 ");
		expect_times(&rig, "a", 1, "7:250-750 ");
		expect_times(&rig, "a", 2, "any ");
		expect_times(&rig, "a", 3, "2147483647:5-2147483647 ");
		rig_close(&rig);
		rig_open(&rig);
	}
	rig_finish(&rig);
}

/* A still scene is one picture that lasts; the same scene later in the video, or in another one, is one more. */
Test(galleries, pictures_that_are_left_out_lengthen_the_one_they_are_like)
{
	static const struct timed still[] = {
		{0, 7, 0, 250}, {0, 7, 250, 750}, {0, 7, 750, 1250}, {1, 7, 1250, 1750}, {0, 7, 2250, 2750}};
	static const struct timed again[] = {{0, 8, 0, 250}, {0, 7, 1500, 1750}, {0, 7, 2000, 2250}};
	struct galleries_change change;
	struct rig rig;

	rig_init(&rig);
	change = add_timed(&rig, "a", still, 5);
	cr_assert_eq(change.n_added, 3);
	cr_assert_eq(change.n_duplicates, 2);
	expect_times(&rig, "a", 0, "7:0-1250 7:2250-2750 ");
	rig_close(&rig);
	rig_open(&rig);
	change = add_timed(&rig, "a", again, 3);
	cr_assert_eq(change.n_added, 1);
	cr_assert_eq(change.n_duplicates, 2);
	for (int opened = 0; opened < 2; opened++) {
		expect_times(&rig, "a", 0, "7:0-2250 7:2250-2750 8:0-250 ");
		rig_close(&rig);
		rig_open(&rig);
	}
	rig_finish(&rig);
}

/* What is like a photograph adds nothing to it; a photograph counts at any time, which no part of a video does. */
Test(galleries, photographs_stand_for_any_time)
{
	static const struct timed video[] = {{0, 7, 0, 250}, {1, 7, 250, 750}},
				  photographs[] = {{1, 0, 0, 0}, {2, 0, 0, 0}}, more[] = {{2, 7, 0, 250}, {1, 0, 0, 0}};
	struct rig rig;

	rig_init(&rig);
	add_timed(&rig, "a", video, 2);
	cr_assert_eq(add_timed(&rig, "a", photographs, 2).n_added, 2);
	cr_assert_eq(add_timed(&rig, "a", more, 2).n_added, 0);
	expect_times(&rig, "a", 1, "7:250-750 any ");
	expect_times(&rig, "a", 2, "any ");
	rig_finish(&rig);
}

Test(galleries, times_go_with_their_name)
{
	static const struct timed first[] = {{0, 7, 0, 250}, {1, 7, 250, 750}},
				  second[] = {{2, 9, 0, 250}, {3, 9, 250, 750}};
	struct rig rig;

	rig_init(&rig);
	add_timed(&rig, "a", first, 2);
	add_timed(&rig, "b", second, 2);
	cr_assert_eq(take(&rig, "g", "a", 5).error, 0);
	add_timed(&rig, "c", first, 2);
	for (int opened = 0; opened < 2; opened++) {
		struct gallery *gallery = galleries_get(rig.galleries, "g");

		cr_assert_eq(gallery->n_moments, 4, "places of the name that went are used again");
		gallery_unref(gallery);
		expect_times(&rig, "b", 2, "9:0-250 ");
		expect_times(&rig, "c", 0, "7:0-250 ");
		rig_close(&rig);
		rig_open(&rig);
	}
	cr_assert_eq(take(&rig, "g", "", 5).error, 0);
	cr_assert_eq(galleries_bytes(rig.galleries), (size_t)0);
	rig_finish(&rig);
}

Test(galleries, hostile_times_are_refused_with_the_cause)
{
	static const struct timed cases[] = {
		{0, 0x80000000, 0, 1},		{0, 0xffffffff, 0, 1}, {0, 1, 2, 1}, {0, 1, 0, 0x80000000},
		{0, 1, 0xffffffff, 0xffffffff}, {0, 1, 0xffffffff, 1}, {0, 0, 0, 1},
	};
	struct bytes bytes;
	struct rig rig;

	rig_init(&rig);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct galleries_change change = add_timed(&rig, "a", &cases[i], 1);

		cr_assert_eq(change.error, -EINVAL, "case %zu", i);
		cr_assert_not_null(strstr(change.text, "source"), "case %zu: %s", i, change.text);
	}
	make_timed_bytes(&bytes, (const struct timed[]){{0, 1, 0, 1}, {1, 1, 1, 2}}, 2);
	for (size_t size = 0; size < bytes.size; size += 5) {
		struct bytes cut = bytes;

		cut.size = size;
		cr_assert_lt(add_bytes(&rig, "g", "a", 5, &cut).error, 0);
	}
	cr_assert_null(galleries_get(rig.galleries, "g"));
	rig_finish(&rig);
}

/* ---- what else is on disk ------------------------------------------------------------------------- */

static void change_database(struct rig *rig, const char *sql)
{
	sqlite3 *db = NULL;
	char path[128];

	rig_close(rig);
	snprintf(path, sizeof(path), "%s/gallery.db", rig->dir);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	rig_open(rig);
}

/* Version 1 had no table of moments, and was the same otherwise. */
Test(galleries, database_of_version_1_is_taken_over_without_times)
{
	static const struct timed pictures[] = {{0, 7, 0, 250}, {2, 7, 250, 750}};
	struct rig rig;

	rig_init(&rig);
	add(&rig, "g", "a", 2, 0);
	change_database(&rig, "DROP TABLE moment; PRAGMA user_version=1");
	cr_assert_eq(galleries_moved_aside(rig.galleries), 0);
	expect_times(&rig, "a", 1, "any ");
	cr_assert_eq(add_timed(&rig, "a", pictures, 2).n_added, 1, "one of them is like a picture without a time");
	for (int opened = 0; opened < 2; opened++) {
		expect_times(&rig, "a", 0, "any ");
		expect_times(&rig, "a", 2, "7:250-750 ");
		cr_assert_eq(galleries_moved_aside(rig.galleries), 0);
		rig_close(&rig);
		rig_open(&rig);
	}
	rig_finish(&rig);
}

Test(galleries, database_with_times_that_make_no_sense_is_moved_aside)
{
	static const char *const changes[] = {
		"UPDATE moment SET source = 0",
		"UPDATE moment SET source = -1",
		"UPDATE moment SET source = 2147483648",
		"UPDATE moment SET from_ms = -1",
		"UPDATE moment SET from_ms = 251",
		"UPDATE moment SET to_ms = 9223372036854775807",
		"UPDATE moment SET from_ms = 'x', to_ms = -5",
	};
	static const struct timed picture = {0, 7, 0, 250};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct rig rig;

		rig_init(&rig);
		add_timed(&rig, "a", &picture, 1);
		change_database(&rig, changes[i]);
		cr_assert_eq(galleries_moved_aside(rig.galleries), 1, "%s", changes[i]);
		rig_finish(&rig);
	}
}

Test(galleries, only_memory_is_read)
{
	struct request request = {.change = {.kind = GALLERIES_ADD, .model = "look", .gallery = "g", .name = "a"}};
	struct rig rig;
	int ends[2];

	rig_init(&rig);
	cr_assert_eq(pipe(ends), 0);
	request.change.n_variants = 1;
	request.change.fd = ends[0];
	run(&rig, &request);
	cr_assert_eq(request.change.error, -EINVAL);
	close(ends[0]);
	close(ends[1]);
	rig_finish(&rig);
}

Test(galleries, damaged_database_is_moved_aside)
{
	char path[128];
	struct rig rig;
	FILE *file;

	rig_init(&rig);
	add(&rig, "g", "a", 2, 0);
	rig_close(&rig);
	snprintf(path, sizeof(path), "%s/gallery.db", rig.dir);
	file = fopen(path, "r+");
	cr_assert_not_null(file);
	for (int i = 0; i < 8192; i++)
		fputc(0x5a, file);
	fclose(file);
	rig_open(&rig);
	cr_assert_null(galleries_get(rig.galleries, "g"));
	cr_assert_eq(galleries_moved_aside(rig.galleries), 1);
	snprintf(path, sizeof(path), "%s/gallery.db.bad", rig.dir);
	cr_assert_eq(access(path, R_OK), 0);
	cr_assert_eq(add(&rig, "g", "a", 2, 0).n_added, 2);
	cr_assert_str_eq(ask(&rig, "g", 0), "a");
	rig_finish(&rig);
}

Test(galleries, a_full_disk_loses_nothing_that_was_told)
{
	int n = 0, n_told = 0, opened;
	struct rig rig;

	rig_init(&rig);
	galleries_set_limit(rig.galleries, STORE_LIMIT_MIN);
	for (;; n++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", n);
		if (add(&rig, "g", name, 8, 0).error)
			break;
		n_told++;
	}
	cr_assert_gt(n_told, 10);
	for (opened = 0; opened < 2; opened++) {
		struct gallery *gallery = galleries_get(rig.galleries, "g");

		cr_assert_eq(gallery_count_names(gallery), (size_t)n_told);
		gallery_unref(gallery);
		rig_close(&rig);
		rig_open(&rig);
	}
	rig_finish(&rig);
}

/* ---- searches while it changes -------------------------------------------------------------------- */

struct reader {
	struct rig *rig;
	atomic_bool *over;
	int n;
};

/* Name "always" is there all along; whatever else comes and goes, it is found, and every hit has a name. */
static void *read_all_along(void *argument)
{
	struct reader *reader = argument;
	struct gallery_searcher *searcher;

	gallery_searcher_create(&searcher);
	while (!atomic_load(reader->over) || !reader->n) {
		struct gallery *gallery = galleries_get(reader->rig->galleries, "g");
		float vector[LENGTH] = {1};
		struct engine_search_hit hits[3];
		int n = 0;

		cr_assert_eq(gallery_search(searcher, gallery, 0, vector, 3, hits, &n), 0);
		cr_assert_geq(n, 1);
		cr_assert_str_eq(gallery->names[hits[0].group].text, "always");
		for (int i = 0; i < n; i++)
			cr_assert_neq(gallery->names[hits[i].group].id, 0);
		gallery_unref(gallery);
		reader->n++;
	}
	gallery_searcher_destroy(searcher);
	return NULL;
}

Test(galleries, searches_see_a_whole_gallery_while_it_changes)
{
	atomic_bool over = false;
	struct reader readers[2];
	pthread_t threads[2];
	struct rig rig;

	rig_init(&rig);
	add(&rig, "g", "always", 1, 0);
	for (int i = 0; i < 2; i++) {
		readers[i] = (struct reader){&rig, &over, 0};
		pthread_create(&threads[i], NULL, read_all_along, &readers[i]);
	}
	for (int i = 0; i < 40; i++) {
		add(&rig, "g", i % 2 ? "x" : "y", 6, 1);
		if (i % 3 == 2)
			take(&rig, "g", i % 2 ? "x" : "y", 5);
	}
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	rig_finish(&rig);
}

Test(galleries, kill_9_loses_nothing_that_was_told)
{
	struct gallery_kill_counts counts;
	char dir[] = "/tmp/inferd-kill-XXXXXX", command[128];

	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(gallery_kill(dir, 40, test_random(), &counts), 0);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	cr_assert_eq(system(command), 0);
}
