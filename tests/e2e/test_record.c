/* What a real daemon leaves behind: its record and trace, whatever lies in their place, and however it ends. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/daemon_fixture.h"

TEST_SUITE(record);

static void configure(struct fixture *fixture, const char *record)
{
	fixture_write(fixture, "inferd.yaml",
		      "socket: %s\nlanes: [{name: main, cpus: 0, threads: 1}]\nlimits: {messages_per_second: 1000000}\n"
		      "record: %s\nmodels:\n%s",
		      fixture->socket, record, fixture_models);
}

static void run_frames(struct fixture *fixture, int n)
{
	struct client client;

	client_connect(&client, fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny", .deadline_us = 30000000});
	client_fill(&client, 0, 200);
	for (int i = 1; i <= n; i++) {
		struct ipc_frame frame = client_frame(&client, (uint64_t)i, 0);

		client_submit(&client, &frame);
		client_expect_result(&client, (uint64_t)i, IPC_OK);
	}
	/* A lane's answer may be here before the loop has heard of it, but not before the next message is answered. */
	free(client_query(&client, "stats"));
	client_close(&client);
}

/* -1: there is no such file or table yet, or no row. */
static int64_t look(const struct fixture *fixture, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	int64_t number = -1;
	char path[128];

	snprintf(path, sizeof(path), "%s/record.db", fixture->dir);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

/* Of a trace, in which each frame that is over has one. */
static int count_ends(const struct fixture *fixture, const char *name)
{
	char path[128], line[4096];
	FILE *file;
	int lines = 0;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		lines += strstr(line, "\"ended\"") != NULL;
	if (file)
		fclose(file);
	return lines;
}

/* What `inferd-policy replay` says of the trace, as JSON; status: which it must exit with. */
static void replay(const struct fixture *fixture, const char *name, int status, char *ret_text, size_t size)
{
	char command[512];
	FILE *pipe;
	size_t n;
	int ended;

	snprintf(command, sizeof(command), "'%s' replay --json '%s/%s' 2>&1", INFERD_POLICY_BINARY, fixture->dir, name);
	pipe = popen(command, "r");
	cr_assert_not_null(pipe);
	n = fread(ret_text, 1, size - 1, pipe);
	ret_text[n] = '\0';
	ended = pclose(pipe);
	cr_assert(WIFEXITED(ended) && WEXITSTATUS(ended) == status, "%s", ret_text);
}

Test(record, every_frame_is_in_record_and_trace_after_the_end)
{
	struct fixture fixture;

	fixture_init(&fixture);
	configure(&fixture, "{enabled: true, trace: on}");
	for (int start = 1; start <= 2; start++) {
		fixture_start(&fixture);
		run_frames(&fixture, 40);
		fixture_end_daemon(&fixture);
		cr_assert_eq(look(&fixture, "SELECT sum(frames) FROM outcome WHERE outcome = 'on_time'"), 40 * start);
		cr_assert_eq(look(&fixture, "SELECT sum(frames) FROM reason"), 40 * start);
		cr_assert_eq(look(&fixture, "SELECT count(*) FROM run"), start);
		cr_assert_eq(count_ends(&fixture, "trace.jsonl"), 40 * start);
	}
	fixture_start(&fixture);
	fixture_stop(&fixture);
}

static void submit_some(struct client *client, uint64_t first, int n)
{
	for (int i = 0; i < n; i++) {
		struct ipc_frame frame = client_frame(client, first + (uint64_t)i, 0);

		client_fill(client, 0, (uint8_t)(40 * i));
		client_submit(client, &frame);
		client_expect_result(client, first + (uint64_t)i, IPC_OK);
	}
}

/*
 * Two clients, whose streams have the same number, take turns; one rung pinned beside them; the parameters change in
 * the middle, and then the ladder does.
 */
static void live_a_day(struct fixture *fixture)
{
	static const char reduced[] = "  - {name: tiny, task: classify, labels: labels.txt, deadline_ms: 60000, "
				      "variants: [{name: t, file: tiny.param, accuracy: 0.6}]}\n";
	struct client a, b, pinned;

	client_connect(&a, fixture);
	client_connect(&b, fixture);
	client_connect(&pinned, fixture);
	client_open_stream(&a, (struct ipc_stream_open){.model = "tiny", .deadline_us = 30000000});
	client_open_stream(&b, (struct ipc_stream_open){.model = "tiny", .deadline_us = 5000000, .min_fps = 3});
	client_open_stream(&pinned, (struct ipc_stream_open){.model = "tiny", .rung = "t@16x16"});
	for (uint64_t i = 0; i < 6; i++) {
		submit_some(&a, 1 + 3 * i, 3);
		submit_some(&pinned, 1 + i, 1);
		submit_some(&b, 1 + 2 * i, 2);
	}
	configure(fixture, "{enabled: true, trace: on}\npolicy: {version: calm-2, stay_gain: 0.02, explore_frames: 3}");
	fixture_signal(fixture, SIGHUP);
	fixture_wait_log(fixture, "reloaded: ");
	submit_some(&a, 101, 12);
	submit_some(&b, 101, 12);
	fixture_write(fixture, "inferd.yaml",
		      "socket: %s\nlanes: [{name: main, cpus: 0, threads: 1}]\nlimits: {messages_per_second: 1000000}\n"
		      "record: {enabled: true, trace: on}\nmodels:\n%s",
		      fixture->socket, reduced);
	fixture_discard_log(fixture);
	fixture_signal(fixture, SIGHUP);
	fixture_wait_log(fixture, "reloaded: ");
	submit_some(&a, 201, 12);
	submit_some(&b, 201, 12);
	free(client_query(&a, "stats"));
	client_close(&a);
	client_close(&b);
	client_close(&pinned);
}

/* INFERD_KEEP_TRACE=FILE: for tests/policy/recorded-by-daemon.jsonl, which a change of the policy asks for anew. */
static void keep_trace(const struct fixture *fixture)
{
	const char *to = getenv("INFERD_KEEP_TRACE");
	char command[512];

	if (!to)
		return;
	snprintf(command, sizeof(command), "cp '%s/trace.jsonl' '%s'", fixture->dir, to);
	cr_assert_eq(system(command), 0);
}

Test(record, trace_replays_to_the_bit)
{
	struct fixture fixture;
	char text[4096], command[256];

	fixture_init(&fixture);
	configure(&fixture, "{enabled: true, trace: on}");
	fixture_start(&fixture);
	live_a_day(&fixture);
	fixture_end_daemon(&fixture);
	/* A start begins a segment in the same file. */
	fixture_start(&fixture);
	run_frames(&fixture, 10);
	fixture_end_daemon(&fixture);
	replay(&fixture, "trace.jsonl", 0, text, sizeof(text));
	cr_assert(strstr(text, "\"frames\":88,\"observed\":") && strstr(text, "\"different\":0,") &&
			  strstr(text, "\"lost\":0,"),
		  "%s", text);
	cr_assert_eq(count_ends(&fixture, "trace.jsonl"), 94);
	keep_trace(&fixture);
	/* One run that took longer than it did: decisions after it cannot be the same. */
	snprintf(command, sizeof(command),
		 "sed '/\"observed\"/{s/\"us\":/\"us\":9/;:a;n;ba}' '%s/trace.jsonl' > '%s/forged'", fixture.dir,
		 fixture.dir);
	cr_assert_eq(system(command), 0);
	replay(&fixture, "forged", 1, text, sizeof(text));
	cr_assert_null(strstr(text, "\"different\":0,"));
	/* The end is missing. */
	snprintf(command, sizeof(command), "head -c -30 '%s/trace.jsonl' > '%s/short'", fixture.dir, fixture.dir);
	cr_assert_eq(system(command), 0);
	replay(&fixture, "short", 1, text, sizeof(text));
	cr_assert_not_null(strstr(text, ": line "), "%s", text);
	fixture_start(&fixture);
	fixture_stop(&fixture);
}

/* The database is there, for what the policy learns; what its frames were is not in it. */
Test(record, nothing_is_recorded_unless_it_is_asked_for)
{
	struct fixture fixture;
	char path[128];

	fixture_init(&fixture);
	configure(&fixture, "{enabled: false, trace: on}");
	fixture_start(&fixture);
	run_frames(&fixture, 3);
	fixture_end_daemon(&fixture);
	cr_assert_eq(look(&fixture, "SELECT count(*) FROM run"), 0);
	cr_assert_eq(look(&fixture, "SELECT count(*) FROM outcome"), 0);
	cr_assert_eq(look(&fixture, "SELECT count(*) FROM slice"), 0);
	snprintf(path, sizeof(path), "%s/trace.jsonl", fixture.dir);
	cr_assert_lt(access(path, F_OK), 0);
	fixture_start(&fixture);
	fixture_stop(&fixture);
}

Test(record, reload_switches_it_on_and_off)
{
	struct fixture fixture;

	fixture_init(&fixture);
	configure(&fixture, "{enabled: false}");
	fixture_start(&fixture);
	run_frames(&fixture, 5);
	configure(&fixture, "{enabled: true, trace: on}");
	fixture_signal(&fixture, SIGHUP);
	fixture_wait_log(&fixture, "reloaded: ");
	run_frames(&fixture, 7);
	configure(&fixture, "{enabled: false}");
	fixture.log_size = 0;
	fixture.log[0] = '\0';
	fixture_signal(&fixture, SIGHUP);
	fixture_wait_log(&fixture, "reloaded: ");
	run_frames(&fixture, 11);
	fixture_end_daemon(&fixture);
	cr_assert_eq(look(&fixture, "SELECT sum(frames) FROM outcome"), 7);
	cr_assert_eq(count_ends(&fixture, "trace.jsonl"), 7);
	fixture_start(&fixture);
	fixture_stop(&fixture);
}

/* Killed without a word: what was flushed is there, and the next start goes on. */
Test(record, killed_daemon_leaves_a_sound_record)
{
	struct fixture fixture;
	int status;

	fixture_init(&fixture);
	configure(&fixture, "{enabled: true}");
	fixture_start(&fixture);
	/* The end of the last stream hands over what was counted. */
	run_frames(&fixture, 20);
	while (look(&fixture, "SELECT count(*) FROM outcome") <= 0)
		;
	run_frames(&fixture, 5);
	kill(fixture.pid, SIGKILL);
	cr_assert_eq(waitpid(fixture.pid, &status, 0), fixture.pid);
	fixture_start(&fixture);
	run_frames(&fixture, 3);
	fixture_end_daemon(&fixture);
	cr_assert_eq(look(&fixture, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	cr_assert_geq(look(&fixture, "SELECT sum(frames) FROM outcome"), 23);
	cr_assert_leq(look(&fixture, "SELECT sum(frames) FROM outcome"), 28);
	fixture_start(&fixture);
	fixture_stop(&fixture);
}

Test(record, whatever_lies_in_its_place_frames_are_served)
{
	struct fixture fixture;
	char path[128];

	fixture_init(&fixture);
	fixture_write(&fixture, "record.db", "this is no database");
	snprintf(path, sizeof(path), "%s/trace.jsonl", fixture.dir);
	cr_assert_eq(mkdir(path, 0700), 0);
	configure(&fixture, "{enabled: true, trace: on}");
	fixture_start(&fixture);
	run_frames(&fixture, 10);
	fixture_end_daemon(&fixture);
	cr_assert_not_null(strstr(fixture.log, "moved aside"));
	cr_assert_not_null(strstr(fixture.log, "trace.jsonl cannot be written"));
	cr_assert_eq(look(&fixture, "SELECT sum(frames) FROM outcome"), 10);
	cr_assert_eq(rmdir(path), 0);
	fixture_start(&fixture);
	fixture_stop(&fixture);
}

Test(record, top_tells_rungs_and_reasons)
{
	struct fixture fixture;
	struct client client;
	char *text;

	fixture_init(&fixture);
	configure(&fixture, "{enabled: true}");
	fixture_start(&fixture);
	run_frames(&fixture, 12);
	client_connect(&client, &fixture);
	text = client_query(&client, "top");
	cr_assert(strstr(text, "\"frames\":12,") && strstr(text, "\"on_time\":12,"), "%s", text);
	cr_assert(strstr(text, "\"changes\":[{") && strstr(text, "\"rung\":\"t@32x32\""), "%s", text);
	free(text);
	text = client_query(&client, "status");
	cr_assert(strstr(text, "\"record\":{\"enabled\":true") && strstr(text, "\"frames\":12"), "%s", text);
	free(text);
	client_close(&client);
	fixture_stop(&fixture);
}
