/* What a real daemon has learned comes back after a restart, however it ended, and not for other networks or lanes. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(learned);

static const char used[] = "model tiny: what was learned before is used, from ";
static const char not_used[] = "model tiny: what was learned before is not used: ";

static void configure(struct fixture *fixture, int threads, float accuracy)
{
	fixture_write(fixture, "inferd.yaml",
		      "socket: %s\nlanes: [{name: main, cpus: 0, threads: %d}]\nrecord: {flush_s: 1}\nmodels:\n"
		      "  - name: tiny\n    task: classify\n    deadline_ms: 60000\n    inputs: [16]\n    gray: true\n"
		      "    variants: [{name: t, file: tiny.param, accuracy: %g}]\n",
		      fixture->socket, threads, (double)accuracy);
}

static void start(struct fixture *fixture, struct client *client)
{
	fixture_init(fixture);
	configure(fixture, 1, 0.7f);
	fixture_start(fixture);
	client_connect(client, fixture);
}

static void run_frames(struct client *client, int n)
{
	client_open_stream(client, (struct ipc_stream_open){.model = "tiny"});
	client_fill(client, 0, 200);
	for (int i = 1; i <= n; i++) {
		struct ipc_frame frame = client_frame(client, (uint64_t)i, 0);

		client_submit(client, &frame);
		client_expect_result(client, (uint64_t)i, IPC_OK);
	}
	/* A lane's answer may be here before the loop has heard of it, but not before the next message is answered. */
	free(client_query(client, "stats"));
}

static bool models_say(struct client *client, const char *text)
{
	char *report = client_query(client, "models");
	bool said = strstr(report, text);

	free(report);
	return said;
}

static void restart(struct fixture *fixture, struct client *client)
{
	client_close(client);
	fixture_end_daemon(fixture);
	fixture_start(fixture);
	client_connect(client, fixture);
}

static void end(struct fixture *fixture, struct client *client)
{
	client_close(client);
	fixture_stop(fixture);
}

static void send_profile(struct client *client, const char *model, const char *text)
{
	struct ipc_change change = {.what = "profile"};
	int fd = text ? memfd_create("profile", MFD_CLOEXEC) : -1;

	snprintf(change.model, sizeof(change.model), "%s", model);
	if (text)
		cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ipc_put_change(&client->writer, &change);
	cr_assert_eq(
		ipc_conn_send(client->conn, IPC_CHANGE, ++client->serial, client->writer.data, client->writer.size, fd),
		0);
	ipc_writer_reset(&client->writer);
	if (fd >= 0)
		close(fd);
}

/* Of the four rungs of `tiny`, where the smaller one in colour is as good as the larger and quicker. */
static void make_profile(struct client *client, char *text, size_t size)
{
	char *report = client_query(client, "models"), *identity = strstr(report, "\"identity\":\"");

	cr_assert_not_null(identity);
	identity[12 + 16] = '\0';
	snprintf(text, size,
		 "inferd-profile 1\nidentity %s\n"
		 "rung 900 900 900 800 800 800 700 700 700 0.7 10 t@32x32\n"
		 "rung 900 900 900 600 600 600 700 700 700 0.6 10 t@32x32-gray\n"
		 "rung 900 900 900 500 500 500 700 700 700 0.7 10 t@16x16\n"
		 "rung 900 900 900 400 400 400 700 700 700 0.5 10 t@16x16-gray\n",
		 identity + 12);
	free(report);
}

Test(learned, comes_back_after_a_restart)
{
	struct fixture fixture;
	struct client client;
	char text[128];

	start(&fixture, &client);
	cr_assert(!strstr(fixture.log, "learned"), "%s", fixture.log);
	run_frames(&client, 40);
	cr_assert(models_say(&client, "\"runs\":40,"));
	restart(&fixture, &client);
	snprintf(text, sizeof(text), "%s40 runs", used);
	fixture_wait_log(&fixture, text);
	cr_assert(models_say(&client, "\"runs\":40,"));
	cr_assert(!models_say(&client, "\"learned_us\":0,"), "every lane has a history");
	run_frames(&client, 2);
	cr_assert(models_say(&client, "\"runs\":42,"));
	end(&fixture, &client);
}

Test(learned, is_not_used_for_another_file_or_other_lanes)
{
	struct fixture fixture;
	struct client client;
	char stem[512];

	start(&fixture, &client);
	run_frames(&client, 10);
	configure(&fixture, 2, 0.7f);
	restart(&fixture, &client);
	fixture_wait_log(&fixture, not_used);
	cr_assert(models_say(&client, "\"runs\":0,"));
	run_frames(&client, 10);
	snprintf(stem, sizeof(stem), "%s/tiny", fixture.dir);
	tiny_network_write(stem, 32, 5);
	restart(&fixture, &client);
	fixture_wait_log(&fixture, not_used);
	cr_assert(models_say(&client, "\"runs\":0,"));
	end(&fixture, &client);
}

/* The same bytes under another time and another inode are the same network. */
Test(learned, same_file_written_anew_is_the_same)
{
	struct fixture fixture;
	struct client client;
	char stem[512];

	start(&fixture, &client);
	run_frames(&client, 10);
	snprintf(stem, sizeof(stem), "%s/tiny", fixture.dir);
	tiny_network_write(stem, 32, 4);
	restart(&fixture, &client);
	fixture_wait_log(&fixture, used);
	end(&fixture, &client);
}

/* -1: there is no such value yet. */
static int64_t value_bytes(const struct fixture *fixture, const char *model)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	int64_t bytes = -1;
	char path[128];

	snprintf(path, sizeof(path), "%s/record.db", fixture->dir);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT length(data) FROM policy_state WHERE model = ?", -1, &statement, NULL) ==
		    SQLITE_OK &&
	    sqlite3_bind_text(statement, 1, model, -1, SQLITE_STATIC) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		bytes = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return bytes;
}

Test(learned, killed_daemon_loses_no_more_than_an_interval)
{
	struct fixture fixture;
	struct client client;
	int status;

	start(&fixture, &client);
	run_frames(&client, 20);
	client_close(&client);
	/* The end of the last stream, and then a timer. */
	while (value_bytes(&fixture, "latency/tiny") < 0)
		;
	kill(fixture.pid, SIGKILL);
	cr_assert_eq(waitpid(fixture.pid, &status, 0), fixture.pid);
	fixture_start(&fixture);
	fixture_wait_log(&fixture, used);
	fixture_stop(&fixture);
}

/* A reload that makes the ladder anew, for its accuracies have changed, knows what the one before did. */
Test(learned, outlives_a_reload)
{
	struct fixture fixture;
	struct client client;

	start(&fixture, &client);
	run_frames(&client, 15);
	configure(&fixture, 1, 0.6f);
	free(client_query(&client, "reload"));
	fixture_wait_log(&fixture, "reloaded: 1 model, networks loaded for 1");
	cr_assert(models_say(&client, "\"runs\":15,"));
	cr_assert(models_say(&client, "\"accuracy\":0.6,"));
	end(&fixture, &client);
}

Test(learned, damaged_database_does_not_stop_serving)
{
	struct fixture fixture;
	struct client client;

	fixture_init(&fixture);
	configure(&fixture, 1, 0.7f);
	fixture_write(&fixture, "record.db", "this is no database");
	fixture_start(&fixture);
	client_connect(&client, &fixture);
	run_frames(&client, 5);
	restart(&fixture, &client);
	fixture_wait_log(&fixture, used);
	end(&fixture, &client);
}

/* A folder that is not there, e.g. because its disk is not mounted yet, and a file in its place. */
Test(learned, without_a_folder_frames_are_served)
{
	static const char *const folders[] = {"none", "labels.txt"};

	for (int i = 0; i < 2; i++) {
		struct fixture fixture;
		struct client client;
		char path[128], text[1024];

		fixture_init(&fixture);
		snprintf(path, sizeof(path), "%s/%s", fixture.dir, folders[i]);
		fixture.state_dir = path;
		configure(&fixture, 1, 0.7f);
		fixture_start(&fixture);
		fixture_wait_log(&fixture, "cannot be opened: ");
		client_connect(&client, &fixture);
		run_frames(&client, 3);
		make_profile(&client, text, sizeof(text));
		send_profile(&client, "tiny", text);
		client_expect(&client, IPC_REPORT);
		fixture_wait_log(&fixture, "and not kept");
		cr_assert(models_say(&client, "\"costs\":\"profile\""));
		end(&fixture, &client);
	}
}

/* ---- profiles ------------------------------------------------------------------------------------- */

Test(learned, profile_is_used_at_once_and_after_a_restart)
{
	struct fixture fixture;
	struct client client;
	char text[1024];

	start(&fixture, &client);
	cr_assert(models_say(&client, "\"costs\":\"warm-up\""));
	run_frames(&client, 3);
	make_profile(&client, text, sizeof(text));
	send_profile(&client, "tiny", text);
	client_expect(&client, IPC_REPORT);
	for (int i = 0; i < 2; i++) {
		cr_assert(models_say(&client, "\"costs\":\"profile\""));
		cr_assert(models_say(&client, "\"prior_us\":800,\"learned_us\":0,\"dominated\":true"));
		cr_assert(models_say(&client, "\"prior_us\":600,\"learned_us\":0,\"dominated\":true"));
		cr_assert(models_say(&client, "\"prior_us\":500,\"learned_us\":0,\"dominated\":false"));
		if (i == 0)
			restart(&fixture, &client);
	}
	/* Nothing was learned since, and nothing is wrong. */
	cr_assert(!strstr(fixture.log, "not used"), "%s", fixture.log);
	run_frames(&client, 1);
	cr_assert_str_eq(client.result.rung.name, "t@16x16");
	/* Another device has other lanes. */
	configure(&fixture, 2, 0.7f);
	restart(&fixture, &client);
	fixture_wait_log(&fixture, "model tiny: its profile is not used: it was measured on another device");
	cr_assert(models_say(&client, "\"costs\":\"warm-up\""));
	end(&fixture, &client);
}

Test(learned, profile_that_is_not_right_is_refused)
{
	struct fixture fixture;
	struct client client;
	char text[1024];

	start(&fixture, &client);
	send_profile(&client, "tiny", "");
	client_expect_error(&client, "the profile has no rungs");
	send_profile(&client, "tiny", NULL);
	client_expect_error(&client, "no file came with the profile");
	make_profile(&client, text, sizeof(text));
	send_profile(&client, "none", text);
	client_expect_error(&client, "there is no model 'none'");
	/* Another digit of the identity, and another first line. */
	text[strlen("inferd-profile 1\nidentity ")] ^= 1;
	send_profile(&client, "tiny", text);
	client_expect_error(&client, "another device or of other networks");
	text[0] = 'I';
	send_profile(&client, "tiny", text);
	client_expect_error(&client, "line 1");
	cr_assert(models_say(&client, "\"costs\":\"warm-up\""));
	run_frames(&client, 1);
	end(&fixture, &client);
}

/* An app must not be able to choose for all others. */
Test(learned, profile_of_another_user_is_refused)
{
	struct fixture fixture;
	struct client client;
	char text[1024];
	uid_t before = geteuid();

	if (before != 0)
		cr_skip_test("only the superuser can be somebody else");
	start(&fixture, &client);
	make_profile(&client, text, sizeof(text));
	client_close(&client);
	cr_assert_eq(chmod(fixture.dir, 0755), 0);
	cr_assert_eq(chmod(fixture.socket, 0666), 0);
	cr_assert_eq(seteuid(12345), 0);
	client_connect(&client, &fixture);
	cr_assert_eq(seteuid(before), 0);
	send_profile(&client, "tiny", text);
	client_expect_error(&client, "only the superuser");
	cr_assert(models_say(&client, "\"costs\":\"warm-up\""));
	end(&fixture, &client);
}
