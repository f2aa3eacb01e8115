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

static int count_lines(const struct fixture *fixture, const char *name)
{
	char path[128];
	FILE *file;
	int lines = 0, c;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "r");
	while (file && (c = fgetc(file)) != EOF)
		lines += c == '\n';
	if (file)
		fclose(file);
	return lines;
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
		cr_assert_eq(count_lines(&fixture, "trace.jsonl"), 40 * start);
	}
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
	cr_assert_eq(count_lines(&fixture, "trace.jsonl"), 7);
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
