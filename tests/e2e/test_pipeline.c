/* A pipeline through a real daemon: found by the detector, followed without it, forgotten, and refused by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(pipeline);

static const char stages[] = "  - {name: finder, task: detect, detector: corners, score_min: 0.5,\n"
			     "     variants: [{name: d, file: detector.param}]}\n"
			     "  - {name: mesh, task: landmarks, landmarks: face,\n"
			     "     variants: [{name: m, file: mesh.param}]}\n"
			     "  - {name: faces, pipeline: [finder, mesh], deadline_ms: 60000}\n";

static const char full[] = "d@32x32+m@32x32", tracked[] = "tracked+m@32x32";

static void prepare(struct fixture *fixture)
{
	char stem[512];

	fixture_init(fixture);
	snprintf(stem, sizeof(stem), "%s/detector", fixture->dir);
	tiny_detector_write(stem, 32);
	snprintf(stem, sizeof(stem), "%s/mesh", fixture->dir);
	tiny_mesh_write(stem, 32);
}

static void serve(struct fixture *fixture, struct client *client)
{
	prepare(fixture);
	fixture_configure(fixture, stages);
	fixture_start(fixture);
	client_connect(client, fixture);
}

/* A frame of side x side and one brightness. */
static void submit(struct client *client, uint64_t seq, uint32_t side, int brightness)
{
	struct ipc_frame frame = client_frame(client, seq, 0);

	frame.width = frame.height = frame.stride[0] = side;
	memset(client->pool, brightness, (size_t)side * side);
	client_submit(client, &frame);
	client_expect_result(client, seq, IPC_OK);
}

/* One face, in a square from `corner` of this side. */
static void expect_face(const struct client *client, const char *rung, float corner, float side)
{
	const float *box = client->result.items[0].box;

	cr_assert_str_eq(client->result.rung.name, rung);
	cr_assert_eq((int)client->result.n_items, 1);
	cr_assert_eq((int)client->result.items[0].n_points, 468);
	for (int i = 0; i < 4; i++)
		cr_assert_float_eq(box[i], i < 2 ? corner : corner + side, 1e-3, "%g", (double)box[i]);
}

static void expect_none(const struct client *client, const char *rung)
{
	cr_assert_str_eq(client->result.rung.name, rung);
	cr_assert_eq((int)client->result.n_items, 0);
}

Test(pipeline, what_was_found_is_followed_without_the_detector)
{
	struct fixture fixture;
	struct client client;

	serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "faces"});
	/* The detector's box is the upper left quarter, the region 1.5 times as large, the face half of the region. */
	submit(&client, 1, 64, 255);
	expect_face(&client, full, 4, 24);
	submit(&client, 2, 64, 255);
	expect_face(&client, tracked, 7, 18);
	submit(&client, 3, 64, 255);
	expect_face(&client, tracked, 9.25f, 13.5f);
	fixture_end(&fixture, &client);
}

Test(pipeline, what_is_lost_is_looked_for_in_the_same_frame)
{
	struct fixture fixture;
	struct client client;

	serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "faces"});
	submit(&client, 1, 64, 255);
	submit(&client, 2, 64, 0);
	expect_none(&client, full);
	submit(&client, 3, 64, 255);
	expect_face(&client, full, 4, 24);
	fixture_end(&fixture, &client);
}

Test(pipeline, a_frame_of_another_size_is_looked_at_anew)
{
	struct fixture fixture;
	struct client client;

	serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "faces"});
	submit(&client, 1, 64, 255);
	submit(&client, 2, 32, 255);
	expect_face(&client, full, 2, 12);
	fixture_end(&fixture, &client);
}

Test(pipeline, after_a_frame_that_failed_nothing_is_followed)
{
	struct ipc_frame broken;
	struct fixture fixture;
	struct client client;

	serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "faces"});
	submit(&client, 1, 64, 255);
	broken = (struct ipc_frame){.stream = client.stream.stream, .seq = 2, .format = IPC_JPEG, .bytes = 100};
	client_submit(&client, &broken);
	client_expect_result(&client, 2, IPC_FAILED);
	submit(&client, 3, 64, 255);
	expect_face(&client, full, 4, 24);
	fixture_end(&fixture, &client);
}

Test(pipeline, a_stream_is_not_told_of_what_another_follows)
{
	struct fixture fixture;
	struct client client;

	serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "faces"});
	submit(&client, 1, 64, 255);
	client_open_stream(&client, (struct ipc_stream_open){.model = "faces"});
	submit(&client, 2, 64, 255);
	expect_face(&client, full, 4, 24);
	fixture_end(&fixture, &client);
}

Test(pipeline, a_stream_pinned_to_both_stages_looks_at_every_frame)
{
	struct ipc_stream_open both = {.model = "faces", .full = true}, one = {.model = "faces"};
	struct fixture fixture;
	struct client client;

	serve(&fixture, &client);
	client_open_stream(&client, both);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		submit(&client, seq, 64, 255);
		expect_face(&client, full, 4, 24);
	}
	/* One pinned to the second alone needs the first until there is something to follow. */
	snprintf(one.rung, sizeof(one.rung), "%s", tracked);
	client_open_stream(&client, one);
	submit(&client, 1, 64, 255);
	expect_face(&client, full, 4, 24);
	submit(&client, 2, 64, 255);
	expect_face(&client, tracked, 7, 18);
	fixture_end(&fixture, &client);
}

Test(pipeline, many_frames_at_once_are_followed_one_after_the_other)
{
	struct fixture fixture;
	struct client client;
	bool answered[5] = {false};

	prepare(&fixture);
	fixture_write(
		&fixture, "inferd.yaml",
		"socket: %s\nlanes: [{name: a, cpus: 0, threads: 1}, {name: b, cpus: 0, threads: 1}]\nmodels:\n%s",
		fixture.socket, stages);
	fixture_start(&fixture);
	client_connect(&client, &fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "faces"});
	for (uint32_t i = 0; i < 4; i++) {
		struct ipc_frame frame = client_frame(&client, i + 1, i);

		client_fill(&client, i, 255);
		client_submit(&client, &frame);
	}
	/* Whichever lane a frame runs on, it follows the one before: none but the first is looked at by the detector.
	 */
	for (int i = 0; i < 4; i++) {
		bool first;

		client_next_result(&client);
		cr_assert_eq((int)client.result.status, IPC_OK);
		first = client.result.seq == 1;
		cr_assert_eq(strncmp(client.result.rung.name, "tracked", 7) != 0, first, "%s", client.result.rung.name);
		cr_assert_float_eq(client.result.items[0].box[0], 16 - 12 * powf(0.75f, (float)client.result.seq - 1),
				   1e-3);
		answered[client.result.seq] = true;
	}
	cr_assert(answered[1] && answered[2] && answered[3] && answered[4]);
	fixture_end(&fixture, &client);
}

Test(pipeline, frames_of_both_phases_replay)
{
	struct fixture fixture;
	struct client client;
	char command[512];
	int ended;

	prepare(&fixture);
	fixture_write(
		&fixture, "inferd.yaml",
		"socket: %s\nlanes: [{name: main, cpus: 0, threads: 1}]\nrecord: {enabled: true, trace: on}\nmodels:\n%s",
		fixture.socket, stages);
	fixture_start(&fixture);
	client_connect(&client, &fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "faces"});
	for (uint64_t seq = 1; seq <= 60; seq++)
		submit(&client, seq, 64, seq % 7 ? 255 : 0);
	client_close(&client);
	fixture_end_daemon(&fixture);
	snprintf(command, sizeof(command),
		 "'%s' replay '%s/trace.jsonl' >/dev/null && grep -q '\"phase\":1' '%s/trace.jsonl'",
		 INFERD_POLICY_BINARY, fixture.dir, fixture.dir);
	ended = system(command);
	cr_assert(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
}

/* ---- bodies ---------------------------------------------------------------------------------------- */

static void serve_bodies(struct fixture *fixture, struct client *client)
{
	char stem[512];

	fixture_init(fixture);
	snprintf(stem, sizeof(stem), "%s/finder", fixture->dir);
	tiny_body_detector_write(stem);
	snprintf(stem, sizeof(stem), "%s/body", fixture->dir);
	tiny_body_write(stem, 32);
	fixture_configure(
		fixture, "  - {name: finder, task: detect, detector: pose, variants: [{name: d, file: finder.param}]}\n"
			 "  - {name: body, task: landmarks, landmarks: pose, variants: [{name: m, file: body.param}]}\n"
			 "  - {name: calm, pipeline: [finder, body], deadline_ms: 60000}\n"
			 "  - {name: raw, pipeline: [finder, body], deadline_ms: 60000, smooth: false}\n");
	fixture_start(fixture);
	client_connect(client, fixture);
}

/* Where a frame of this brightness, taken at a time of the client's own clock, has the body's points. */
static float body_at(struct client *client, uint64_t seq, int brightness, uint64_t taken_us)
{
	struct ipc_frame frame = client_frame(client, seq, 0);
	const struct ipc_result_item *item;

	frame.captured_us = taken_us;
	memset(client->pool, brightness, 64 * 64);
	client_submit(client, &frame);
	client_expect_result(client, seq, IPC_OK);
	item = &client->result.items[0];
	cr_assert_eq((int)client->result.n_items, 1);
	cr_assert_eq((int)item->n_points, 33);
	for (int i = 1; i < 33; i++)
		cr_assert_float_eq(item->points[i * IPC_POINT_FLOATS], item->points[0], 1e-4);
	cr_assert_float_eq(item->box[0], item->points[0], 1e-4);
	cr_assert_float_eq(item->box[2], item->points[0], 1e-4);
	cr_assert_float_eq(item->points[1], 32, 1e-3);
	return item->points[0];
}

/* The square is the picture's middle half, 16 to 48, and the points lie at 24 to 40 of it. */
static float raw_at(int brightness)
{
	return 24 + 16 * (float)brightness / 255;
}

Test(pipeline, the_points_of_a_body_are_smoothed_by_when_frames_were_taken)
{
	struct fixture fixture;
	struct client client;
	/* After a thirtieth of a second, and after a minute; the least that a filter of 0.05 Hz takes over, and all. */
	const float least = 0.0104f;
	float calm;

	serve_bodies(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "calm"});
	cr_assert_float_eq(body_at(&client, 1, 255, 1000000), raw_at(255), 1e-3);
	calm = body_at(&client, 2, 250, 1033333);
	cr_assert_str_eq(client.result.rung.name, "tracked+m@32x32");
	cr_assert(calm < raw_at(255) - least * (raw_at(255) - raw_at(250)) && calm > raw_at(250) + 1e-3f, "%g",
		  (double)calm);
	cr_assert_float_eq(body_at(&client, 3, 200, 61033333), raw_at(200), 0.2);
	/* A clock that goes back. */
	cr_assert_float_eq(body_at(&client, 4, 255, 5), raw_at(255), 1e-3);
	fixture_end(&fixture, &client);
}

Test(pipeline, the_points_of_a_body_are_as_they_are_where_that_is_asked_for)
{
	static const int brightness[] = {255, 250, 240, 255};
	struct fixture fixture;
	struct client client;

	serve_bodies(&fixture, &client);
	for (int anew = 0; anew < 2; anew++) {
		struct ipc_stream_open open = {.full = anew};

		snprintf(open.model, sizeof(open.model), "%s", anew ? "calm" : "raw");
		client_open_stream(&client, open);
		for (int i = 0; i < 4; i++)
			cr_assert_float_eq(
				body_at(&client, (uint64_t)i + 1, brightness[i], 1000000 + 33333 * (uint64_t)i),
				raw_at(brightness[i]), 1e-3);
		cr_assert_eq(strncmp(client.result.rung.name, "tracked", 7) == 0, !anew);
	}
	fixture_end(&fixture, &client);
}

Test(pipeline, a_stage_that_is_missing_is_named)
{
	struct fixture fixture;

	prepare(&fixture);
	fixture_configure(&fixture, "  - {name: mesh, task: landmarks, landmarks: face,\n"
				    "     variants: [{name: m, file: mesh.param}]}\n"
				    "  - {name: faces, pipeline: [finder, mesh]}\n");
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, "models[faces].pipeline: stage 1 is 'finder', and there is no model of this name");
	fixture_wait_end(&fixture, 1);
}
