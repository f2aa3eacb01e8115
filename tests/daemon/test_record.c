/* test_record.c - the field record from frames to rows, the live view, and the trace. */
#include "daemon/record.h"

#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/live.h"
#include "daemon/trace_file.h"
#include "support/store_wait.h"
#include "support/test.h"

TEST_SUITE(record);

#define SECOND INT64_C(1000000)

struct rig {
	char dir[64], path[96];
	struct store *store;
	struct record *record;
	sqlite3 *db; /* opened by rig_stop() */
	int64_t now_us;
};

static void rig_start(struct rig *rig)
{
	rig->now_us = 5000 * SECOND;
	cr_assert_eq(store_create(rig->dir, 8 << 20, &record_schema, &rig->store), 0);
	cr_assert_eq(record_create(rig->store, rig->now_us, &rig->record), 0);
	record_configure(rig->record, true, 60 * SECOND, "p1", rig->now_us);
}

static void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/inferd-record-XXXXXX");
	cr_assert_not_null(mkdtemp(rig->dir));
	snprintf(rig->path, sizeof(rig->path), "%s/record.db", rig->dir);
	rig_start(rig);
}

static void rig_end(struct rig *rig)
{
	record_end(rig->record, rig->now_us);
	store_destroy(rig->store);
	record_destroy(rig->record);
}

static void rig_stop(struct rig *rig)
{
	rig_end(rig);
	cr_assert_eq(sqlite3_open_v2(rig->path, &rig->db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
}

static void rig_finish(struct rig *rig)
{
	char command[96];

	sqlite3_close(rig->db);
	snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
	cr_assert_eq(system(command), 0);
}

static double number(struct rig *rig, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	double value;

	cr_assert_eq(sqlite3_prepare_v2(rig->db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql,
		     sqlite3_errmsg(rig->db));
	cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s gives no row", sql);
	value = sqlite3_column_double(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

/* All rows of one measure, merged. */
static struct sketch measure(struct rig *rig, const char *column, const char *where)
{
	struct sketch whole = {0}, part;
	sqlite3_stmt *statement = NULL;
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT %s FROM distribution WHERE %s", column, where);
	cr_assert_eq(sqlite3_prepare_v2(rig->db, sql, -1, &statement, NULL), SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		cr_assert_eq(sketch_decode(sqlite3_column_blob(statement, 0),
					   (size_t)sqlite3_column_bytes(statement, 0), &part),
			     0);
		sketch_merge(&whole, &part);
	}
	sqlite3_finalize(statement);
	return whole;
}

static struct policy_sample sensed(float temp_c, float pressure)
{
	return (struct policy_sample){
		.n_lanes = 2,
		.temp_c = temp_c,
		.temp_limit_c = NAN,
		.cpu_pressure = pressure,
		.cpu_load = NAN,
		.battery = NAN,
		.freq_cap = {1, 0.5f},
	};
}

/* On time: 1 ms of queue, 2 of preprocessing, 30 of inference, 34 in all, of 100; predicted: 32. */
static const struct record_frame good = {
	.model = "m",
	.rung = "v@224x224",
	.lane = "big",
	.reason = "the best rung fits",
	.cause = POLICY_BEST,
	.status = IPC_OK,
	.accuracy = 0.7f,
	.predicted_us = 32000,
	.bound_us = 40000,
	.deadline_us = 100000,
	.queue_us = 1000,
	.preprocess_us = 2000,
	.inference_us = 30000,
	.total_us = 34000,
};

Test(record, outcomes_are_told_apart)
{
	struct record_frame frame = good;

	cr_assert_eq((int)record_judge(&frame), RECORD_ON_TIME);
	frame.total_us = 100000;
	cr_assert_eq((int)record_judge(&frame), RECORD_ON_TIME, "just so");
	frame.total_us = 100001;
	frame.queue_us = 68000;
	cr_assert_eq((int)record_judge(&frame), RECORD_LATE_QUEUED);
	frame.inference_us = 38001;
	cr_assert_eq((int)record_judge(&frame), RECORD_LATE_SLOW, "over its bound");
	frame.predicted_us = frame.bound_us = 100001;
	cr_assert_eq((int)record_judge(&frame), RECORD_LATE_INFEASIBLE, "predicted to be late");
	frame.deadline_us = 0;
	cr_assert_eq((int)record_judge(&frame), RECORD_ON_TIME, "there is no deadline");
	frame.status = IPC_DROPPED_DEADLINE;
	cr_assert_eq((int)record_judge(&frame), RECORD_HOPELESS);
	frame.reason = "";
	cr_assert_eq((int)record_judge(&frame), RECORD_EXPIRED, "nobody decided about it");
	frame.status = IPC_DROPPED_SKIPPED;
	cr_assert_eq((int)record_judge(&frame), RECORD_SKIPPED);
	frame.status = IPC_FAILED;
	cr_assert_eq((int)record_judge(&frame), RECORD_FAILED);
}

Test(record, bands)
{
	cr_assert_eq(record_temp_band(NAN), RECORD_UNKNOWN);
	cr_assert_eq(record_temp_band(-10), 0);
	cr_assert_eq(record_temp_band(39.9f), 0);
	cr_assert_eq(record_temp_band(40), 40);
	cr_assert_eq(record_temp_band(79.9f), 70);
	cr_assert_eq(record_temp_band(1e9f), 100);
	cr_assert_eq(record_pressure_band(NAN), RECORD_UNKNOWN);
	cr_assert_eq(record_pressure_band(0), 0);
	cr_assert_eq(record_pressure_band(0.05f), 5);
	cr_assert_eq(record_pressure_band(0.2f), 20);
	cr_assert_eq(record_pressure_band(0.9f), 50);
}

Test(record, frames_become_rows)
{
	struct policy_sample sample = sensed(65, 0.1f);
	struct record_frame late = good, dropped = good;
	struct rig rig;
	struct sketch sketch;

	late.total_us = 150000;
	late.inference_us = 90000;
	dropped.rung = dropped.lane = dropped.reason = "";
	dropped.status = IPC_DROPPED_DEADLINE;
	dropped.predicted_us = dropped.bound_us = 0;
	rig_init(&rig);
	record_sense(rig.record, &sample, rig.now_us);
	for (int i = 0; i < 9; i++)
		record_frame(rig.record, &good, rig.now_us += 100000);
	record_frame(rig.record, &late, rig.now_us);
	record_frame(rig.record, &dropped, rig.now_us);
	cr_assert_eq(record_describe(rig.record).frames, 11);
	rig_stop(&rig);
	cr_assert_eq(number(&rig, "SELECT count(*) FROM distribution"), 2);
	cr_assert_eq(number(&rig, "SELECT count(*) FROM distribution WHERE temp_band = 60 AND pressure_band = 5 AND "
				  "params = 'p1' AND model = 'm'"),
		     2);
	cr_assert_eq(number(&rig, "SELECT bounded FROM distribution WHERE rung != ''"), 10);
	cr_assert_eq(number(&rig, "SELECT covered FROM distribution WHERE rung != ''"), 9);
	cr_assert_eq(number(&rig, "SELECT frames FROM outcome WHERE outcome = 'on_time'"), 9);
	cr_assert_eq(number(&rig, "SELECT frames FROM outcome WHERE outcome = 'late_slow'"), 1);
	cr_assert_eq(number(&rig, "SELECT frames FROM outcome WHERE outcome = 'expired' AND rung = ''"), 1);
	cr_assert_eq(number(&rig, "SELECT frames FROM reason WHERE cause = 'best' AND params = 'p1' AND example = 'the "
				  "best rung fits'"),
		     10);
	cr_assert_eq(number(&rig, "SELECT frames FROM slice_rung WHERE rung = 'v@224x224'"), 10);
	cr_assert_eq(number(&rig, "SELECT sum(missed) FROM slice_rung"), 2);
	cr_assert_eq(number(&rig, "SELECT temp_c FROM slice"), 65);
	cr_assert_eq(number(&rig, "SELECT freq_cap FROM slice"), 0.5, "of the lane that is capped most");
	cr_assert_eq(number(&rig, "SELECT battery IS NULL FROM slice"), 1);
	sketch = measure(&rig, "inference", "rung != ''");
	cr_assert(sketch.count == 10 && sketch.min == 30000 && sketch.max == 90000);
	sketch = measure(&rig, "of_deadline", "rung != ''");
	cr_assert(sketch.min == 3400 && sketch.max == 15000);
	sketch = measure(&rig, "of_predicted", "rung != ''");
	cr_assert(sketch.min == 10000 && sketch.max == 28750);
	rig_finish(&rig);
}

/* Whether it was written at once or in many parts, by one run or by several, must not show in the figures. */
Test(record, parts_add_up_to_the_whole)
{
	struct sketch whole = {0}, found;
	struct rig rig;

	rig_init(&rig);
	for (int run = 0; run < 3; run++) {
		struct policy_sample sample = sensed(NAN, NAN);

		for (int i = 0; i < 500; i++) {
			struct record_frame frame = good;

			frame.total_us = (uint32_t)test_random_range(1, 1000000);
			sketch_add(&whole, frame.total_us);
			rig.now_us += SECOND;
			record_sense(rig.record, &sample, rig.now_us);
			record_frame(rig.record, &frame, rig.now_us);
			/* Else all would be in the batches of the first and of the last minute. */
			if (i % 20 == 0)
				store_wait(rig.store);
		}
		rig_end(&rig);
		rig_start(&rig);
	}
	rig_stop(&rig);
	found = measure(&rig, "total", "1");
	cr_assert_eq(memcmp(&found, &whole, sizeof(whole)), 0);
	cr_assert_eq(number(&rig, "SELECT sum(frames) FROM outcome"), 1500);
	cr_assert_eq(number(&rig, "SELECT sum(frames) FROM slice_rung"), 1500);
	cr_assert_eq(number(&rig, "SELECT count(*) FROM run"), 3, "the last one recorded nothing");
	cr_assert_leq(number(&rig, "SELECT max(ended_us - began_us) FROM slice"), 11.0 * 1e6);
	rig_finish(&rig);
}

Test(record, an_epoch_is_an_hour)
{
	struct policy_sample sample = sensed(50, 0);
	struct rig rig;

	rig_init(&rig);
	for (int minute = 0; minute < 150; minute++) {
		record_sense(rig.record, &sample, rig.now_us);
		record_frame(rig.record, &good, rig.now_us);
		rig.now_us += 60 * SECOND;
		store_wait(rig.store);
	}
	rig_stop(&rig);
	cr_assert_eq(number(&rig, "SELECT count(*) FROM epoch"), 3);
	cr_assert_eq(number(&rig, "SELECT max(number) FROM epoch"), 2);
	cr_assert_eq(number(&rig, "SELECT sum(frames) FROM outcome"), 150);
	rig_finish(&rig);
}

Test(record, more_groups_than_there_is_room_for_are_others)
{
	struct rig rig;

	rig_init(&rig);
	for (int i = 0; i < RECORD_GROUPS_MAX + 30; i++) {
		struct record_frame frame = good;
		char rung[32];

		snprintf(rung, sizeof(rung), "r%d", i);
		frame.rung = rung;
		record_frame(rig.record, &frame, rig.now_us);
	}
	cr_assert_eq(record_describe(rig.record).other, 30);
	rig_stop(&rig);
	cr_assert_eq(number(&rig, "SELECT count(*) FROM distribution"), RECORD_GROUPS_MAX + 1);
	cr_assert_eq(number(&rig, "SELECT frames FROM outcome WHERE rung = 'other'"), 30);
	cr_assert_eq(number(&rig, "SELECT frames FROM slice_rung WHERE rung = 'other'"),
		     RECORD_GROUPS_MAX + 30 - (RECORD_RUNGS_MAX - 1));
	rig_finish(&rig);
}

Test(record, switched_off_it_counts_nothing)
{
	struct rig rig;

	rig_init(&rig);
	record_frame(rig.record, &good, rig.now_us);
	record_configure(rig.record, false, 60 * SECOND, "p1", rig.now_us);
	record_frame(rig.record, &good, rig.now_us);
	record_configure(rig.record, true, 60 * SECOND, "p2", rig.now_us);
	record_frame(rig.record, &good, rig.now_us);
	rig_stop(&rig);
	cr_assert_eq(number(&rig, "SELECT sum(frames) FROM outcome"), 2);
	cr_assert_eq(number(&rig, "SELECT frames FROM reason WHERE params = 'p2'"), 1);
	rig_finish(&rig);
}

/* A blob that is no sketch: the database is not ours any more, and a new one takes what is in hand. */
Test(record, rows_that_make_no_sense_cost_the_database_and_not_the_batch)
{
	struct rig rig;
	sqlite3 *db = NULL;

	rig_init(&rig);
	record_frame(rig.record, &good, rig.now_us);
	record_rest(rig.record, rig.now_us);
	/* The other batch, once the first is written. */
	record_frame(rig.record, &good, rig.now_us);
	store_wait(rig.store);
	cr_assert_eq(sqlite3_open_v2(rig.path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	cr_assert_eq(sqlite3_exec(db, "UPDATE distribution SET total = x'07'", NULL, NULL, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_changes(db), 1);
	sqlite3_close(db);
	record_end(rig.record, rig.now_us);
	store_destroy(rig.store);
	cr_assert_eq(record_describe(rig.record).lost, 0);
	record_destroy(rig.record);
	cr_assert_eq(sqlite3_open_v2(rig.path, &rig.db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	cr_assert_eq(number(&rig, "SELECT sum(frames) FROM outcome"), 1);
	rig_finish(&rig);
}

Test(record, oldest_hours_go_when_there_is_no_room)
{
	struct policy_sample sample = sensed(50, 0);
	struct rig rig;
	struct stat status;

	rig_init(&rig);
	store_set_limit(rig.store, STORE_LIMIT_MIN);
	for (int hour = 0; hour < 60; hour++) {
		for (int i = 0; i < 40; i++) {
			struct record_frame frame = good;
			char rung[32];

			snprintf(rung, sizeof(rung), "r%d", i);
			frame.rung = rung;
			for (int j = 0; j < 50; j++) {
				frame.total_us = (uint32_t)test_random_range(1000, 1000000);
				record_frame(rig.record, &frame, rig.now_us);
			}
		}
		rig.now_us += 3600 * SECOND;
		record_sense(rig.record, &sample, rig.now_us);
		store_wait(rig.store); /* so that no two hours become one */
	}
	rig_stop(&rig);
	cr_assert_eq(stat(rig.path, &status), 0);
	cr_assert_leq(status.st_size, STORE_LIMIT_MIN);
	cr_assert_gt(number(&rig, "SELECT min(number) FROM epoch"), 20);
	cr_assert_geq(number(&rig, "SELECT max(number) FROM epoch"), 60);
	cr_assert_eq(number(&rig, "SELECT count(*) FROM distribution WHERE epoch NOT IN (SELECT id FROM epoch)"), 0);
	cr_assert_eq(number(&rig, "SELECT count(*) FROM slice WHERE epoch NOT IN (SELECT id FROM epoch)"), 0);
	cr_assert_eq(number(&rig, "SELECT count(*) FROM slice_rung WHERE slice NOT IN (SELECT id FROM slice)"), 0);
	rig_finish(&rig);
}

/* ---- live ----------------------------------------------------------------------------------------- */

Test(record, live_view_shows_the_last_seconds)
{
	static struct live live;
	struct record_frame other_rung = good;
	struct live_window sum;
	int64_t now = 1000 * SECOND;

	other_rung.rung = "small";
	other_rung.reason = "hot";
	for (int i = 0; i < 100; i++)
		live_frame(&live, &good, now += 100000);
	live_frame(&live, &other_rung, now);
	cr_assert(live_is_used(&live.models[0], now));
	cr_assert_float_eq(live_sum(&live.models[0], now, &sum), 10, 1e-9);
	cr_assert_eq(sum.outcomes[RECORD_ON_TIME], 101);
	cr_assert_eq(sketch_quantile(&sum.total, 0.5), 34000);
	cr_assert_str_eq(live.last[0].reason, "hot");
	cr_assert_str_eq(live.changes[0].rung, "v@224x224");
	cr_assert_str_eq(live.changes[1].rung, "small");
	cr_assert_eq(live.next_change, 2);
	/* What is older than two windows is gone, counted again or not. */
	cr_assert(live_is_used(&live.models[0], now + LIVE_WINDOW_US));
	cr_assert(!live_is_used(&live.models[0], now + 2 * LIVE_WINDOW_US));
	live_frame(&live, &good, now + 3 * LIVE_WINDOW_US);
	live_sum(&live.models[0], now + 3 * LIVE_WINDOW_US, &sum);
	cr_assert_eq(sum.outcomes[RECORD_ON_TIME], 1);
}

Test(record, live_view_gives_the_oldest_place_to_the_newest_rung)
{
	static struct live live;
	struct record_frame frame = good;
	struct live_window sum;
	int64_t now = 1000 * SECOND;
	int found = 0;

	for (int i = 0; i < LIVE_RUNGS_MAX + 1; i++) {
		char rung[32];

		snprintf(rung, sizeof(rung), "r%d", i);
		frame.rung = rung;
		live_frame(&live, &frame, ++now);
	}
	for (int i = 0; i < LIVE_RUNGS_MAX; i++) {
		cr_assert(live_is_used(&live.rungs[i], now));
		live_sum(&live.rungs[i], now, &sum);
		cr_assert_eq(sum.outcomes[RECORD_ON_TIME], 1);
		cr_assert(strcmp(live.rungs[i].rung, "r0") != 0);
		found += !strcmp(live.rungs[i].rung, "r32");
	}
	cr_assert_eq(found, 1);
}

/* ---- trace ---------------------------------------------------------------------------------------- */

static int count_lines(const char *path, const char *part)
{
	char line[4096];
	FILE *file = fopen(path, "r");
	int lines = 0;

	while (file && fgets(line, sizeof(line), file))
		lines += strstr(line, part) != NULL;
	if (file)
		fclose(file);
	return file ? lines : -1;
}

static void begin_segment(struct trace_file *trace, uint64_t lost)
{
	struct trace_segment segment = {.head = {TRACE_SEGMENT, sizeof(segment)}, .lost = lost};

	policy_params_init(&segment.params);
	cr_assert(trace_file_add(trace, &segment.head));
}

/* How many ends of frames there was room for. */
static int add_frames(struct trace_file *trace, int n)
{
	struct trace_ended ended = {.head = {TRACE_ENDED, sizeof(ended)}, .model = "a\"b", .rung = "r"};
	int added = 0;

	for (int i = 0; i < n; i++) {
		ended.seq = (uint64_t)i;
		added += trace_file_add(trace, &ended.head);
	}
	return added;
}

struct trace_rig {
	char dir[32], path[64], before[72];
};

static void trace_rig_init(struct trace_rig *rig)
{
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/inferd-trace-XXXXXX");
	cr_assert_not_null(mkdtemp(rig->dir));
	snprintf(rig->path, sizeof(rig->path), "%s/t.jsonl", rig->dir);
	snprintf(rig->before, sizeof(rig->before), "%s.1", rig->path);
}

static void trace_rig_finish(const struct trace_rig *rig)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
	cr_assert_eq(system(command), 0);
}

Test(record, trace_is_whole_after_its_end_and_goes_on_after_a_part_of_a_line)
{
	struct trace_rig rig;
	struct trace_file *trace;
	FILE *file;

	trace_rig_init(&rig);
	cr_assert_eq(trace_file_create(rig.path, 1 << 20, &trace), 0);
	begin_segment(trace, 0);
	cr_assert_eq(add_frames(trace, 100), 100);
	trace_file_destroy(trace);
	cr_assert_eq(count_lines(rig.path, "\"ended\""), 100);
	cr_assert_eq(count_lines(rig.path, "\"model\":\"a\\\"b\""), 100);
	file = fopen(rig.path, "a");
	cr_assert_not_null(file);
	fputs("{\"model\":\"cut", file);
	fclose(file);
	cr_assert_eq(trace_file_create(rig.path, 1 << 20, &trace), 0);
	begin_segment(trace, 3);
	cr_assert_eq(add_frames(trace, 10), 10);
	trace_file_destroy(trace);
	cr_assert_eq(count_lines(rig.path, "\"ended\""), 110);
	cr_assert_eq(count_lines(rig.path, "{\"segment\":{\"lost\":3}}"), 1);
	cr_assert_eq(count_lines(rig.path, "cut"), 0);
	trace_rig_finish(&rig);
}

/* What is left out is counted, and nothing of the same segment follows it. */
Test(record, full_trace_asks_for_a_segment_and_turns_over_with_it)
{
	struct trace_rig rig;
	struct trace_file *trace;
	struct stat status;
	int added;

	trace_rig_init(&rig);
	cr_assert_eq(trace_file_create(rig.path, 100000, &trace), 0);
	begin_segment(trace, 0);
	added = add_frames(trace, 400);
	cr_assert_eq(added, 400);
	trace_file_destroy(trace);
	cr_assert_eq(stat(rig.path, &status), 0);
	cr_assert_leq(status.st_size, 50000);
	cr_assert_lt(count_lines(rig.path, "\"ended\""), 400);
	cr_assert_eq(trace_file_create(rig.path, 100000, &trace), 0);
	begin_segment(trace, 1);
	cr_assert_eq(add_frames(trace, 20), 20);
	trace_file_destroy(trace);
	cr_assert_gt(count_lines(rig.before, "\"ended\""), 100);
	cr_assert_eq(count_lines(rig.path, "\"ended\""), 20);
	cr_assert_eq(count_lines(rig.path, "{\"segment\":{\"lost\":1}}"), 1);
	trace_rig_finish(&rig);
}

/* The ring wraps many times, with entries of all lengths, and takes none that does not fit. */
Test(record, trace_ring_keeps_entries_whole)
{
	static struct trace_model model = {.head = {TRACE_MODEL, sizeof(model)}, .name = "m", .n_lanes = 1};
	struct trace_rig rig;
	struct trace_file *trace;
	int models = 0, frames = 0;

	model.n_rungs = POLICY_RUNGS_MAX;
	for (int i = 0; i < POLICY_RUNGS_MAX; i++)
		model.rungs[i].rung.prior_us = 1000;
	policy_latency_init(&model.latency, &model.rungs[0].rung, 1);
	trace_rig_init(&rig);
	cr_assert_eq(trace_file_create(rig.path, 1 << 30, &trace), 0);
	begin_segment(trace, 0);
	for (int i = 0; i < 100; i++) {
		models += trace_file_add(trace, &model.head);
		frames += add_frames(trace, i);
	}
	cr_assert_eq(trace_file_lost(trace), 0);
	trace_file_destroy(trace);
	cr_assert_gt(models, 4);
	cr_assert_eq(count_lines(rig.path, "\"latency\":\""), models);
	cr_assert_eq(count_lines(rig.path, "\"ended\""), frames);
	trace_rig_finish(&rig);
}

/* Neither a pipe nor a link is written to. */
Test(record, trace_is_a_file_of_its_own)
{
	struct trace_rig rig;
	struct trace_file *trace;

	trace_rig_init(&rig);
	cr_assert_eq(symlink("/dev/null", rig.path), 0);
	cr_assert_lt(trace_file_create(rig.path, 1 << 20, &trace), 0);
	unlink(rig.path);
	cr_assert_eq(mkfifo(rig.path, 0600), 0);
	cr_assert_lt(trace_file_create(rig.path, 1 << 20, &trace), 0);
	trace_rig_finish(&rig);
}
