/* Frames through a real daemon: answers, rungs, queues, drops, the end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <turbojpeg.h>

#include "support/daemon_fixture.h"

TEST_SUITE(frame);

static void submit_and_expect(struct client *client, uint64_t seq, uint8_t brightness, const char *label)
{
	struct ipc_frame frame = client_frame(client, seq, 0);

	client_fill(client, 0, brightness);
	client_submit(client, &frame);
	client_expect_result(client, seq, IPC_OK);
	cr_assert_str_eq(client->result.items[0].label, label);
}

Test(frame, answer_depends_on_the_pixels)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	submit_and_expect(&client, 1, 0, "black");
	submit_and_expect(&client, 2, 85, "dark");
	submit_and_expect(&client, 3, 255, "white");
	cr_assert_eq((int)client.result.n_items, 2);
	cr_assert_eq((int)client.result.items[0].index, 3);
	cr_assert(client.result.items[0].score > 0.5f && client.result.items[0].score <= 1.001f);
	cr_assert(client.result.items[1].score < client.result.items[0].score);
	cr_assert_geq(client.result.total_us, client.result.preprocess_us + client.result.inference_us);
	cr_assert(client.result.reason[0] != '\0');
	cr_assert_str_eq(client.result.rung.variant, "t");
	cr_assert_str_eq(client.result.rung.lane, "main");
	fixture_end(&fixture, &client);
}

Test(frame, pinned_rung_is_the_one_that_runs)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny", .rung = "t@16x16-gray"});
	submit_and_expect(&client, 1, 255, "white");
	cr_assert_str_eq(client.result.rung.name, "t@16x16-gray");
	cr_assert_eq((int)client.result.rung.channels, 1);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny", .full = true, .top_k = 4});
	submit_and_expect(&client, 1, 255, "white");
	cr_assert_str_eq(client.result.rung.name, "t@32x32");
	cr_assert_eq((int)client.result.n_items, 4);
	fixture_end(&fixture, &client);
}

Test(frame, jpeg_is_decoded_and_a_broken_one_fails_alone)
{
	struct fixture fixture;
	struct client client;
	struct ipc_frame frame;
	static uint8_t white[64 * 64 * 3];
	unsigned char *jpeg = NULL;
	unsigned long size = 0;
	tjhandle compressor = tjInitCompress();

	memset(white, 255, sizeof(white));
	cr_assert_eq(tjCompress2(compressor, white, 64, 0, 64, TJPF_RGB, &jpeg, &size, TJSAMP_420, 90, 0), 0);
	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	frame = (struct ipc_frame){
		.stream = client.stream.stream, .seq = 1, .format = IPC_JPEG, .bytes = (uint32_t)size};
	memcpy(client.pool, jpeg, size);
	client_submit(&client, &frame);
	client_expect_result(&client, 1, IPC_OK);
	cr_assert_str_eq(client.result.items[0].label, "white");
	frame.seq = 2;
	frame.bytes = (uint32_t)size / 2;
	client_submit(&client, &frame);
	client_expect_result(&client, 2, IPC_FAILED);
	cr_assert(client.result.text[0] != '\0');
	frame.seq = 3;
	frame.bytes = (uint32_t)size;
	client_submit(&client, &frame);
	client_expect_result(&client, 3, IPC_OK);
	fixture_end(&fixture, &client);
	tjFree(jpeg);
	tjDestroy(compressor);
}

/*
 * Puts frames 1..n on slots 0..n-1 into one write, with what waits in client->writer behind them (`then`, 0: nothing).
 * The daemon reads them together: the first frame runs, and at least the last one waits.
 */
static void submit_batch(struct client *client, int n, uint32_t last_deadline_us, int then)
{
	static struct client_batch batch;
	struct ipc_writer frames;

	batch.size = 0;
	ipc_writer_init(&frames);
	for (int i = 0; i < n; i++) {
		struct ipc_frame frame = client_frame(client, (uint64_t)i + 1, (uint32_t)i);

		if (i == n - 1)
			frame.deadline_us = last_deadline_us;
		ipc_writer_reset(&frames);
		ipc_put_frame(&frames, &frame);
		client_batch(&batch, IPC_FRAME, 100 + (uint32_t)i, &frames);
	}
	ipc_writer_finish(&frames);
	if (then)
		client_batch(&batch, (enum ipc_type)then, 200, &client->writer);
	ipc_writer_reset(&client->writer);
	client_write(client, batch.bytes, batch.size);
}

/* Frames of a batch of which some still wait, even if the daemon loses its core between two messages. */
#define BATCH 8

/* Of frames 1 to BATCH, in whatever order they come. */
static void take_answers(struct client *client, int ret_statuses[BATCH])
{
	bool seen[BATCH] = {false};

	for (int i = 0; i < BATCH; i++) {
		size_t at;

		client_next_result(client);
		at = (size_t)client->result.seq - 1;
		cr_assert(at < BATCH && !seen[at], "seq %zu is unknown or came twice", at + 1);
		seen[at] = true;
		ret_statuses[at] = (int)client->result.status;
	}
}

Test(frame, every_frame_of_a_burst_is_answered_in_order)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny", .n_slots = 16});
	submit_batch(&client, 16, 0, 0);
	for (uint64_t seq = 1; seq <= 16; seq++)
		client_expect_result(&client, seq, IPC_OK);
	cr_assert_gt(client.result.wait_us, 0);
	fixture_end(&fixture, &client);
}

Test(frame, latest_only_replaces_the_one_that_waits)
{
	int statuses[BATCH], replaced = 0;
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "slow", .mode = IPC_LATEST, .n_slots = BATCH});
	submit_batch(&client, BATCH, 0, 0);
	take_answers(&client, statuses);
	/* The first was on its lane already; the last one's turn comes after it. */
	cr_assert_eq(statuses[0], IPC_OK);
	cr_assert_eq(statuses[BATCH - 1], IPC_OK);
	for (int i = 1; i < BATCH - 1; i++) {
		cr_assert(statuses[i] == IPC_OK || statuses[i] == IPC_DROPPED_REPLACED, "%d: %d", i, statuses[i]);
		replaced += statuses[i] == IPC_DROPPED_REPLACED;
	}
	cr_assert_gt(replaced, 0);
	fixture_end(&fixture, &client);
}

Test(frame, expired_frame_is_dropped_without_running)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "slow"});
	submit_batch(&client, 2, 1, 0);
	for (int i = 0; i < 2; i++) {
		client_next_result(&client);
		if (client.result.seq == 1)
			continue;
		cr_assert_eq((int)client.result.status, (int)IPC_DROPPED_DEADLINE);
		cr_assert_eq((int)client.result.rung.width, 0);
		cr_assert_eq((int)client.result.inference_us, 0);
	}
	fixture_end(&fixture, &client);
}

Test(frame, cancelled_frame_is_answered_without_running)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "slow", .n_slots = BATCH});
	ipc_put_cancel(&client.writer, client.stream.stream, BATCH);
	submit_batch(&client, BATCH, 0, IPC_CANCEL);
	client_expect(&client, IPC_DONE);
	client_expect_answers(
		&client,
		(enum ipc_status[]){IPC_OK, IPC_OK, IPC_OK, IPC_OK, IPC_OK, IPC_OK, IPC_OK, IPC_DROPPED_CANCELLED}, 8);
	fixture_end(&fixture, &client);
}

Test(frame, closing_a_stream_waits_for_the_frame_that_runs)
{
	struct fixture fixture;
	struct client client;
	int statuses[BATCH];

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "slow", .n_slots = BATCH});
	ipc_put_stream_close(&client.writer, client.stream.stream);
	submit_batch(&client, BATCH, 0, IPC_STREAM_CLOSE);
	/* All results come before DONE: until then the pool is in use. */
	client_expect(&client, IPC_DONE);
	cr_assert_eq(client.n_early, BATCH);
	take_answers(&client, statuses);
	cr_assert_eq(statuses[0], IPC_OK);
	cr_assert_eq(statuses[BATCH - 1], IPC_DROPPED_CLOSED);
	for (int i = 1; i < BATCH; i++)
		cr_assert(statuses[i] == IPC_DROPPED_CLOSED || (statuses[i] == IPC_OK && statuses[i - 1] == IPC_OK),
			  "%d: %d after %d", i, statuses[i], statuses[i - 1]);
	fixture_end(&fixture, &client);
}

/* Asks until the report says this: the daemon counts and closes in its own time, and every query is a round of it. */
static void wait_for_report(struct client *client, const char *what, const char *part)
{
	bool said = false;

	for (int i = 0; i < 100000 && !said; i++) {
		char *text = client_query(client, what);

		said = strstr(text, part) != NULL;
		free(text);
	}
	cr_assert(said, "%s never says %s", what, part);
}

Test(frame, heat_chooses_a_cheaper_rung)
{
	struct fixture fixture;
	struct client client;
	char path[512];
	static const char *const folders[] = {"sys", "sys/class", "sys/class/thermal",
					      "sys/class/thermal/thermal_zone0"};

	fixture_init(&fixture);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", fixture.dir, folders[i]);
		cr_assert_eq(mkdir(path, 0755), 0);
	}
	fixture_write(&fixture, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
	fixture_write(&fixture, "sys/class/thermal/thermal_zone0/temp", "40000\n");
	fixture_configure(&fixture, "  - name: heat\n    task: classify\n    deadline_ms: 60000\n"
				    "    variants: [{name: s, file: slow.param, accuracy: 0.7}]\n    inputs: [64]\n"
				    "policy: {min_fps: 0.1}\n"); /* no rung is too slow, on whatever machine */
	fixture_start(&fixture);
	client_connect(&client, &fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "heat"});
	client_fill(&client, 0, 0);
	client_submit(&client, &(struct ipc_frame){.stream = client.stream.stream,
						   .seq = 1,
						   .format = IPC_GRAY8,
						   .width = 64,
						   .height = 64,
						   .stride = {64}});
	client_expect_result(&client, 1, IPC_OK);
	cr_assert_str_eq(client.result.rung.name, "s@512x512", "%s: %s", client.result.rung.name, client.result.reason);
	client_close(&client);

	/* The first stream that opens looks at the sensors before it is served. */
	client_connect(&client, &fixture);
	wait_for_report(&client, "status", "\"streams\":0");
	fixture_write(&fixture, "sys/class/thermal/thermal_zone0/temp", "89000\n");
	client_open_stream(&client, (struct ipc_stream_open){.model = "heat"});
	client_submit(&client, &(struct ipc_frame){.stream = client.stream.stream,
						   .seq = 1,
						   .format = IPC_GRAY8,
						   .width = 64,
						   .height = 64,
						   .stride = {64}});
	client_expect_result(&client, 1, IPC_OK);
	cr_assert_str_eq(client.result.rung.name, "s@64x64", "%s: %s", client.result.rung.name, client.result.reason);
	cr_assert(strstr(client.result.reason, "89.0"), "%s", client.result.reason);
	fixture_end(&fixture, &client);
}

Test(frame, reports_describe_what_serves)
{
	struct fixture fixture;
	struct client client;
	char *text;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	submit_and_expect(&client, 1, 255, "white");
	text = client_query(&client, "status");
	cr_assert(strstr(text, "\"streams\":1") && strstr(text, "\"clients\":1"), "%s", text);
	free(text);
	text = client_query(&client, "models");
	cr_assert(strstr(text, "\"t@16x16-gray\"") && strstr(text, "\"s@512x512\""), "%s", text);
	free(text);
	wait_for_report(&client, "stats", "\"name\":\"tiny\",\"answered\":1,");
	ipc_put_query(&client.writer, "gossip");
	client_send(&client, IPC_QUERY);
	client_expect_error(&client, "no report 'gossip'");
	fixture_end(&fixture, &client);
}

Test(frame, sigterm_finishes_what_is_queued)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "slow"});
	/* The report shows that the frames were read. */
	ipc_put_query(&client.writer, "status");
	submit_batch(&client, 4, 0, IPC_QUERY);
	client_expect(&client, IPC_REPORT);
	fixture_signal(&fixture, SIGTERM);
	client_expect_answers(&client, (enum ipc_status[]){IPC_OK, IPC_OK, IPC_OK, IPC_OK}, 4);
	client_expect_closed(&client);
	fixture_wait_end(&fixture, 0);
	client_close(&client);
}
