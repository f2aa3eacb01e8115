/* test_client.c - the installed interface and inferctl, against a real daemon. */
#include "client-lib/inferd.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/daemon_fixture.h"

TEST_SUITE(client);

#define SIDE 64

static uint8_t white[SIDE * SIDE];
static const struct inferd_frame white_frame = {
	.format = INFERD_GRAY8, .width = SIDE, .height = SIDE, .data = white, .bytes = sizeof(white)};

struct rig {
	struct fixture fixture;
	struct inferd *client;
	struct inferd_stream *stream;
	/* by on_result() */
	int n_results;
	enum inferd_status status[16];
	uint64_t seq[16];
	char label[16];
};

static void on_result(struct inferd_stream *stream, const struct inferd_result *result, void *user)
{
	struct rig *rig = user;

	cr_assert_eq((void *)stream, (void *)rig->stream);
	cr_assert_lt(rig->n_results, 16);
	rig->status[rig->n_results] = result->status;
	rig->seq[rig->n_results++] = result->seq;
	if (result->n_items)
		snprintf(rig->label, sizeof(rig->label), "%s", result->items[0].label);
}

static void rig_init(struct rig *rig, const char *model, enum inferd_mode mode)
{
	struct inferd_stream_options options = {.model = model,
						.mode = mode,
						.n_buffers = 4,
						.buffer_bytes = sizeof(white),
						.on_result = on_result,
						.user = rig};

	memset(white, 255, sizeof(white));
	memset(rig, 0, sizeof(*rig));
	fixture_init(&rig->fixture);
	fixture_configure(&rig->fixture, fixture_models);
	fixture_start(&rig->fixture);
	cr_assert_eq(inferd_connect(rig->fixture.socket, "test", &rig->client), 0);
	cr_assert_eq(inferd_stream_open(rig->client, &options, &rig->stream), 0, "%s", inferd_error(rig->client));
}

static void rig_finish(struct rig *rig)
{
	inferd_close(rig->client);
	fixture_stop(&rig->fixture);
}

static int submit(struct rig *rig, uint64_t *ret_seq)
{
	struct inferd_buffer buffer;
	struct inferd_frame frame = white_frame;
	int rc = inferd_acquire(rig->stream, &buffer);

	if (rc < 0)
		return rc;
	memcpy(buffer.data, white, sizeof(white));
	frame.data = NULL;
	return inferd_submit(rig->stream, &buffer, &frame, ret_seq);
}

/* As an event loop would: polls what the library says, then dispatches. */
static void wait_for_results(struct rig *rig, int n)
{
	while (rig->n_results < n) {
		struct pollfd fd = {.fd = inferd_fd(rig->client), .events = inferd_events(rig->client)};

		cr_assert_eq(poll(&fd, 1, 60000), 1);
		cr_assert_geq(inferd_dispatch(rig->client, 0), 0, "%s", inferd_error(rig->client));
	}
}

Test(client, no_daemon_is_an_error_at_once)
{
	struct inferd *client = NULL;

	cr_assert_eq(inferd_connect("/nonexistent/inferd.sock", NULL, &client), -ENOENT);
	cr_assert_null(client);
}

Test(client, synchronous_call)
{
	struct rig rig;
	const struct inferd_result *result;

	rig_init(&rig, "tiny", INFERD_EVERY);
	cr_assert_eq(inferd_run(rig.stream, &white_frame, 60000, &result), 0, "%s", inferd_error(rig.client));
	cr_assert_eq((int)result->status, (int)INFERD_OK, "%s", result->text);
	cr_assert_str_eq(result->items[0].label, "white");
	cr_assert_str_eq(result->rung->variant, "t");
	cr_assert(result->reason[0] && result->round_trip_us >= result->total_us);
	cr_assert_eq(inferd_stream_deadline_us(rig.stream), 60000000, "the model's");
	rig_finish(&rig);
}

Test(client, frames_in_flight_behind_a_pollable_descriptor)
{
	struct rig rig;
	struct inferd_buffer buffer;
	uint64_t seq[4];

	rig_init(&rig, "tiny", INFERD_EVERY);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(submit(&rig, &seq[i]), 0, "%s", inferd_error(rig.client));
	cr_assert_eq(submit(&rig, NULL), -EAGAIN, "all four buffers are in use");
	wait_for_results(&rig, 4);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq((int)rig.status[i], (int)INFERD_OK);
		cr_assert_eq(rig.seq[i], seq[i]);
	}
	cr_assert_str_eq(rig.label, "white");
	cr_assert_eq(inferd_acquire(rig.stream, &buffer), 0, "results give buffers back");
	inferd_release(rig.stream, &buffer);
	rig_finish(&rig);
}

Test(client, closing_a_stream_reports_every_frame)
{
	struct rig rig;

	rig_init(&rig, "slow", INFERD_EVERY);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(submit(&rig, NULL), 0);
	cr_assert_eq(inferd_stream_close(rig.stream), 0);
	cr_assert_eq(rig.n_results, 4);
	for (int i = 0; i < 4; i++)
		cr_assert(rig.status[i] == INFERD_OK || rig.status[i] == INFERD_DROPPED_CLOSED);
	rig_finish(&rig);
}

Test(client, frames_may_bring_movement_and_streams_bring_advice)
{
	uint32_t width = 0, height = 0, channels = 0;
	struct inferd_frame frame = white_frame;
	const struct inferd_result *result;
	struct rig rig;

	rig_init(&rig, "tiny", INFERD_EVERY);
	inferd_stream_advice(rig.stream, &width, NULL, NULL);
	inferd_stream_advice(rig.stream, NULL, &height, &channels);
	cr_assert(width == 32 && height == 32 && channels == 3, "%ux%u, %u channels", width, height, channels);
	frame.angular_speed = 2.5f;
	frame.exposure_us = 20000;
	cr_assert_eq(inferd_run(rig.stream, &frame, -1, &result), 0, "%s", inferd_error(rig.client));
	cr_assert_eq((int)result->status, (int)INFERD_OK);
	cr_assert(result->advice_width && result->advice_width == result->rung->width);
	rig_finish(&rig);
}

Test(client, mistakes_are_named)
{
	struct rig rig;
	struct inferd_stream *stream;
	struct inferd_buffer buffer;
	struct inferd_frame frame = white_frame;

	rig_init(&rig, "tiny", INFERD_EVERY);
	cr_assert_eq(inferd_stream_open(rig.client,
					&(struct inferd_stream_options){.model = "nobody", .buffer_bytes = 100},
					&stream),
		     -ENOENT);
	cr_assert(strstr(inferd_error(rig.client), "nobody"), "%s", inferd_error(rig.client));
	cr_assert_eq(inferd_acquire(rig.stream, &buffer), 0);
	frame.data = NULL;
	frame.bytes = 0;
	frame.height = 4096;
	cr_assert_eq(inferd_submit(rig.stream, &buffer, &frame, NULL), -EMSGSIZE);
	frame.height = 0;
	cr_assert_eq(inferd_submit(rig.stream, &buffer, &frame, NULL), -EINVAL);
	frame.height = SIDE;
	frame.angular_speed = NAN;
	cr_assert_eq(inferd_submit(rig.stream, &buffer, &frame, NULL), -EINVAL);
	cr_assert(strstr(inferd_error(rig.client), "angular speed"), "%s", inferd_error(rig.client));
	inferd_release(rig.stream, &buffer);
	rig_finish(&rig);
}

static void kill_daemon(struct rig *rig)
{
	int status;

	fixture_signal(&rig->fixture, SIGKILL);
	cr_assert_eq(waitpid(rig->fixture.pid, &status, 0), rig->fixture.pid);
}

Test(client, frames_are_lost_with_the_daemon_and_reported)
{
	struct rig rig;

	rig_init(&rig, "slow", INFERD_EVERY);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(submit(&rig, NULL), 0);
	kill_daemon(&rig);
	wait_for_results(&rig, 4);
	cr_assert(!inferd_connected(rig.client));
	cr_assert_eq(inferd_dispatch(rig.client, 0), 0);
	cr_assert_eq(submit(&rig, NULL), -ENOTCONN);
	inferd_close(rig.client);
	cr_assert_eq(rig.n_results, 4, "%d of 4 frames are accounted for", rig.n_results);
}

/* Polls and dispatches until a frame is taken again. */
static void wait_until_taken(struct rig *rig, const struct inferd_buffer *buffer)
{
	struct inferd_frame frame = white_frame;
	int rc;

	frame.data = NULL;
	while ((rc = inferd_submit(rig->stream, buffer, &frame, NULL)) == -ENOTCONN) {
		struct pollfd fd = {.fd = inferd_fd(rig->client), .events = inferd_events(rig->client)};

		cr_assert_eq(poll(&fd, 1, 60000), 1);
		cr_assert_geq(inferd_dispatch(rig->client, 0), 0, "%s", inferd_error(rig->client));
	}
	cr_assert_eq(rc, 0, "%s", inferd_error(rig->client));
}

Test(client, a_new_daemon_is_found_and_given_the_streams)
{
	struct rig rig;
	struct inferd_buffer held;
	const struct inferd_result *result;
	int fd;

	rig_init(&rig, "tiny", INFERD_EVERY);
	fd = inferd_fd(rig.client);
	for (int round = 1; round <= 3; round++) {
		/* Filled before the daemon dies, submitted to the next one. */
		cr_assert_eq(inferd_acquire(rig.stream, &held), 0);
		memset(held.data, 255, sizeof(white));
		kill_daemon(&rig);
		fixture_start(&rig.fixture);
		wait_until_taken(&rig, &held);
		wait_for_results(&rig, round);
		cr_assert_eq((int)rig.status[round - 1], (int)INFERD_OK);
		cr_assert_str_eq(rig.label, "white");
		cr_assert_eq(inferd_fd(rig.client), fd);
		cr_assert(inferd_connected(rig.client));
	}
	kill_daemon(&rig);
	cr_assert_eq(inferd_run(rig.stream, &white_frame, 0, &result), -ETIMEDOUT);
	fixture_start(&rig.fixture);
	cr_assert_eq(inferd_run(rig.stream, &white_frame, 60000, &result), 0, "%s", inferd_error(rig.client));
	cr_assert_str_eq(result->items[0].label, "white");
	rig_finish(&rig);
}

Test(client, a_new_daemon_without_the_model_says_so)
{
	struct rig rig;
	struct inferd_stream *stream = NULL;
	char *text;

	rig_init(&rig, "tiny", INFERD_EVERY);
	kill_daemon(&rig);
	fixture_configure(&rig.fixture,
			  "  - name: other\n    task: classify\n    variants: [{name: t, file: tiny.param}]\n");
	/* Neither a report nor a stream cares that the connection has to be made first. */
	cr_assert_eq(inferd_dispatch(rig.client, 0), 0);
	cr_assert_eq(inferd_query(rig.client, "status", 0, &text), -ETIMEDOUT);
	fixture_start(&rig.fixture);
	cr_assert_eq(inferd_query(rig.client, "status", 60000, &text), 0, "%s", inferd_error(rig.client));
	inferd_text_free(text);
	cr_assert_eq(submit(&rig, NULL), -ENOENT);
	cr_assert_eq(inferd_stream_open(rig.client,
					&(struct inferd_stream_options){.model = "other", .buffer_bytes = 100},
					&stream),
		     0);
	cr_assert_eq(inferd_stream_close(rig.stream), 0);
	rig_finish(&rig);
}

Test(client, buffers_may_be_memory_of_ones_own)
{
	struct rig rig;
	struct inferd_stream *stream;
	const struct inferd_result *result;
	int fd = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct inferd_stream_options options = {
		.model = "tiny", .n_buffers = 2, .buffer_bytes = sizeof(white), .import_fd = fd};

	rig_init(&rig, "tiny", INFERD_EVERY);
	cr_assert_eq(ftruncate(fd, 8192), 0);
	cr_assert_eq(inferd_stream_open(rig.client, &options, &stream), -EPERM);
	cr_assert(strstr(inferd_error(rig.client), "sealed"), "%s", inferd_error(rig.client));
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
	cr_assert_eq(inferd_stream_open(rig.client, &options, &stream), 0, "%s", inferd_error(rig.client));
	cr_assert_eq(inferd_run(stream, &white_frame, 60000, &result), 0, "%s", inferd_error(rig.client));
	cr_assert_str_eq(result->items[0].label, "white");
	cr_assert_eq(pread(fd, white, 1, 0), 1);
	cr_assert_eq(white[0], 255);
	close(fd);
	rig_finish(&rig);
}

static const char other_model[] =
	"models:\n  - name: %s\n    task: classify\n    labels: labels.txt\n    deadline_ms: 60000\n"
	"    top_k: %d\n    variants: [{name: t, file: %s, accuracy: 0.7}]\n";

static void write_models(struct rig *rig, const char *name, int top_k, const char *file)
{
	fixture_write(&rig->fixture, "change.yaml", other_model, name, top_k, file);
}

static int change(struct rig *rig, const char *how, const char *what)
{
	char path[256], *text = NULL;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", rig->fixture.dir, what);
	rc = inferd_change_models(rig->client, how, strcmp(how, "remove") ? path : what, 60000, &text);
	inferd_text_free(text);
	return rc;
}

Test(client, models_change_while_frames_are_in_flight)
{
	struct rig rig;
	struct inferd_stream *stream;
	const struct inferd_result *result;
	struct inferd_stream_options options = {.model = "other", .buffer_bytes = sizeof(white)};

	rig_init(&rig, "tiny", INFERD_EVERY);
	write_models(&rig, "other", 1, "tiny.param");
	for (int i = 0; i < 4; i++)
		cr_assert_eq(submit(&rig, NULL), 0);
	cr_assert_eq(change(&rig, "replace", "change.yaml"), -ENOENT);
	cr_assert_eq(change(&rig, "add", "change.yaml"), 0, "%s", inferd_error(rig.client));
	cr_assert_eq(inferd_stream_open(rig.client, &options, &stream), 0, "%s", inferd_error(rig.client));
	cr_assert_eq(inferd_run(stream, &white_frame, 60000, &result), 0);
	cr_assert_eq(result->n_items, 1);
	cr_assert_eq(change(&rig, "add", "change.yaml"), -EEXIST);
	/* One that does not load leaves the old one serving. */
	write_models(&rig, "other", 2, "labels.txt");
	cr_assert_lt(change(&rig, "replace", "change.yaml"), 0);
	cr_assert(strstr(inferd_error(rig.client), "models[other]"), "%s", inferd_error(rig.client));
	cr_assert_eq(inferd_run(stream, &white_frame, 60000, &result), 0);
	cr_assert_eq(result->n_items, 1);
	write_models(&rig, "other", 2, "slow.param");
	cr_assert_eq(change(&rig, "replace", "change.yaml"), 0, "%s", inferd_error(rig.client));
	cr_assert_eq(inferd_run(stream, &white_frame, 60000, &result), 0);
	cr_assert_eq(result->n_items, 2);
	cr_assert_eq(change(&rig, "remove", "other"), 0);
	cr_assert_eq(change(&rig, "remove", "other"), -ENOENT);
	cr_assert_eq(inferd_run(stream, &white_frame, 60000, &result), 0);
	cr_assert_eq((int)result->status, (int)INFERD_DROPPED_CLOSED);
	cr_assert_eq(change(&rig, "dance", "change.yaml"), -EINVAL);
	fixture_write(&rig.fixture, "change.yaml", "memory_budget_mb: 5\n");
	cr_assert_eq(change(&rig, "add", "change.yaml"), -EINVAL);
	wait_for_results(&rig, 4);
	for (int i = 0; i < 4; i++)
		cr_assert_eq((int)rig.status[i], (int)INFERD_OK);
	rig_finish(&rig);
}

/* Another user may ask and see, but neither change anything nor see who else is there. */
Test(client, others_may_not_change_what_runs)
{
	struct rig rig;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("only the superuser can be somebody else");
	rig_init(&rig, "tiny", INFERD_EVERY);
	write_models(&rig, "other", 1, "tiny.param");
	cr_assert_eq(chmod(rig.fixture.dir, 0755), 0);
	cr_assert_eq(chmod(rig.fixture.socket, 0666), 0);
	pid = fork();
	if (pid == 0) {
		struct inferd *client;
		char *text;

		if (setresuid(12345, 12345, 12345) < 0 || inferd_connect(rig.fixture.socket, "other", &client) < 0)
			_exit(1);
		if (inferd_query(client, "reload", 60000, &text) != -EPERM)
			_exit(2);
		rig.client = client;
		if (change(&rig, "add", "change.yaml") != -EPERM || change(&rig, "remove", "tiny") != -EPERM)
			_exit(3);
		if (inferd_query(client, "stats", 60000, &text) < 0 || strstr(text, "\"name\":\"test\"") ||
		    !strstr(text, "\"name\":\"other\""))
			_exit(4);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
	rig_finish(&rig);
}

/* ---- inferctl ------------------------------------------------------------------------------------- */

/* Runs it with this daemon and these arguments; its stdout and exit status. */
static int inferctl(const struct rig *rig, const char *arguments, char *out, size_t size)
{
	char command[8192]; /* the build folder may lie deep */
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "'%s' --socket '%s' %s 2>&1", INFERCTL_BINARY, rig->fixture.socket,
		 arguments);
	pipe = popen(command, "r");
	cr_assert_not_null(pipe);
	n = fread(out, 1, size - 1, pipe);
	out[n] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

/* A white bitmap of 8x8. */
static void write_bitmap(struct fixture *fixture, char *path, size_t size)
{
	static const uint8_t header[54] = {'B', 'M', 54 + 192, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0,  40,
					   0,	0,   0,	       8, 0, 0, 0, 8, 0, 0, 0,	1, 0, 24, 0};
	FILE *file;

	snprintf(path, size, "%s/white.bmp", fixture->dir);
	file = fopen(path, "wb");
	cr_assert_not_null(file);
	fwrite(header, 1, sizeof(header), file);
	for (int i = 0; i < 192; i++)
		fputc(255, file);
	fclose(file);
}

Test(client, inferctl_runs_a_picture)
{
	struct rig rig;
	char out[8192], path[256], arguments[400];

	rig_init(&rig, "tiny", INFERD_EVERY);
	write_bitmap(&rig.fixture, path, sizeof(path));
	snprintf(arguments, sizeof(arguments), "--json run tiny %s", path);
	cr_assert_eq(inferctl(&rig, arguments, out, sizeof(out)), 0, "%s", out);
	cr_assert(strstr(out, "\"label\":\"white\"") && strstr(out, "\"us\":{\"queue\":") &&
			  strstr(out, "\"advice\":{\"width\":"),
		  "%s", out);
	snprintf(arguments, sizeof(arguments), "run tiny %s --top 1", path);
	cr_assert_eq(inferctl(&rig, arguments, out, sizeof(out)), 0, "%s", out);
	cr_assert(strstr(out, "white") && strstr(out, "why: "), "%s", out);
	rig_finish(&rig);
}

static uint64_t json_number(const char *json, const char *key)
{
	char quoted[32];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(json, quoted);
	cr_assert_not_null(at, "no %s: %s", quoted, json);
	return strtoull(at + strlen(quoted), NULL, 10);
}

/* Every frame that is due is answered or counted by its cause, whatever the loop and whoever is faster. */
Test(client, inferctl_bench_accounts_for_every_frame)
{
	static const char *const options[] = {
		"",
		"--clients 3 --weights 1,2,4 --in-flight 4",
		"--clients 2 --streams 2 --priorities low,high --fps 200 --poisson --seed 3",
		"--latest --fps 100000",
		"slow --clients 2 --fps 1000 --latest --deadline 30",
	};
	struct rig rig;
	char out[16384], arguments[200];

	rig_init(&rig, "tiny", INFERD_EVERY);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		snprintf(arguments, sizeof(arguments), "--json bench tiny --size 64x64 --format gray8 --seconds 0.1 %s",
			 options[i]);
		cr_assert_eq(inferctl(&rig, arguments, out, sizeof(out)), 0, "%s", out);
		cr_assert_gt(json_number(out, "answered"), 0, "%s", out);
		cr_assert_eq(json_number(out, "answered") + json_number(out, "dropped"), json_number(out, "sent"),
			     "%s: %s", options[i], out);
		cr_assert(strstr(out, "\"overhead_us\":{\"p50\":"), "%s", out);
		cr_assert_eq(json_number(out, "failed") + json_number(out, "lost"), 0, "%s", out);
	}
	/* Nobody makes a hundred thousand frames a second of one stream with three buffers. */
	snprintf(arguments, sizeof(arguments), "--json bench slow --latest --fps 100000 --seconds 0.1");
	cr_assert_eq(inferctl(&rig, arguments, out, sizeof(out)), 0, "%s", out);
	cr_assert_gt(json_number(out, "busy") + json_number(out, "replaced"), 0, "%s", out);
	rig_finish(&rig);
}

Test(client, inferctl_exit_statuses)
{
	static const struct {
		const char *arguments;
		int status;
		const char *says;
	} calls[] = {
		{"--help", 0, "usage:"},
		{"run --help", 0, "usage:"},
		{"bench --help", 0, "usage:"},
		{"status", 0, "version"},
		{"models", 0, "t@32x32"},
		{"stats", 0, "tiny"},
		{"stats --prometheus", 0, "inferd_frames_total{model=\"tiny\",outcome=\"answered\"} 0\n"},
		{"stats --prometheus", 0, "# TYPE inferd_latency_seconds summary\n"},
		{"--json status", 0, "{\"version\""},
		{"reload --dry-run", 0, "2"},
		{"models remove slow", 0, "networks_loaded_for"},
		{"models remove slow", 1, "no model of this name"},
		{"models add /nonexistent.yaml", 1, "/nonexistent.yaml"},
		{"models swap x", 2, "usage:"},
		{"bench", 2, "usage:"},
		{"bench tiny --priorities urgent", 2, "urgent"},
		{"bench tiny --weights 1,-2", 2, "-2"},
		{"bench tiny --in-flight 9", 2, "9"},
		{"bench nobody --seconds 0.1", 1, "nobody"},
		{"", 2, "usage:"},
		{"dance", 2, "no command 'dance'"},
		{"run tiny", 2, ""},
		{"run tiny --top many x", 2, "many"},
		{"run nobody /dev/null", 1, ""},
		{"run tiny /nonexistent.jpg", 1, "/nonexistent.jpg"},
	};
	struct rig rig;
	char out[16384];

	rig_init(&rig, "tiny", INFERD_EVERY);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		cr_assert_eq(inferctl(&rig, calls[i].arguments, out, sizeof(out)), calls[i].status, "'%s': %s",
			     calls[i].arguments, out);
		cr_assert(strstr(out, calls[i].says), "'%s' does not say '%s': %s", calls[i].arguments, calls[i].says,
			  out);
	}
	rig_finish(&rig);
}
