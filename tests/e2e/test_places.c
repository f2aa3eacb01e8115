/* Boxes and masks through a real daemon: in pixels of the picture, beside the pixels, and refused when they do not fit.
 */
#include <stdio.h>
#include <string.h>

#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(places);

static void write_networks(struct fixture *fixture)
{
	char stem[512];

	snprintf(stem, sizeof(stem), "%s/detector", fixture->dir);
	tiny_detector_write(stem, 32);
	snprintf(stem, sizeof(stem), "%s/segmenter", fixture->dir);
	tiny_segmenter_write(stem, 32);
}

static void serve(struct fixture *fixture, struct client *client, const char *models)
{
	fixture_init(fixture);
	write_networks(fixture);
	fixture_configure(fixture, models);
	fixture_start(fixture);
	client_connect(client, fixture);
}

static void run_bright(struct client *client, uint32_t width, uint32_t height, uint64_t seq)
{
	struct ipc_frame frame = client_frame(client, seq, 0);

	frame.width = frame.stride[0] = width;
	frame.height = height;
	memset(client->pool, 255, width * height);
	client_submit(client, &frame);
	client_expect_result(client, seq, IPC_OK);
}

Test(places, a_box_is_in_pixels_of_the_picture)
{
	struct fixture fixture;
	struct client client;
	const float *box;

	serve(&fixture, &client,
	      "  - {name: d, task: detect, detector: corners, deadline_ms: 60000,\n"
	      "     variants: [{name: v, file: detector.param}], labels: labels.txt}\n"
	      "  - {name: boxed, task: detect, detector: corners, deadline_ms: 60000, score_min: 0.5,\n"
	      "     variants: [{name: v, file: detector.param}],\n"
	      "     preprocess: {fit: letterbox, pad: [255, 255, 255]}}\n"
	      "  - {name: sampled, task: detect, detector: corners, deadline_ms: 60000, score_min: 0.5,\n"
	      "     variants: [{name: v, file: detector.param}],\n"
	      "     preprocess: {fit: letterbox, sampling: point, pad: [255, 255, 255]}}\n");
	client_open_stream(&client, (struct ipc_stream_open){.model = "d"});
	run_bright(&client, 200, 100, 1);
	cr_assert_eq((int)client.result.n_items, 1);
	cr_assert_str_eq(client.result.items[0].label, "black");
	box = client.result.items[0].box;
	cr_assert(box[0] == 0 && box[1] == 0 && box[2] == 100 && box[3] == 50);
	client_fill(&client, 0, 0);
	client_submit(&client, &(struct ipc_frame){.stream = client.stream.stream,
						   .seq = 2,
						   .format = IPC_GRAY8,
						   .width = 64,
						   .height = 64,
						   .stride = {64}});
	client_expect_result(&client, 2, IPC_OK);
	cr_assert_eq((int)client.result.n_items, 0);
	/* A quarter of the square about it, of which 50 rows lie above the picture. */
	for (int i = 0; i < 2; i++) {
		struct ipc_stream_open open = {.model = "boxed"};

		if (i)
			strcpy(open.model, "sampled");
		client_open_stream(&client, open);
		run_bright(&client, 200, 100, 3);
		cr_assert_eq((int)client.result.n_items, 1);
		box = client.result.items[0].box;
		cr_assert(box[0] == 0 && box[1] == -50 && box[2] == 100 && box[3] == 50);
	}
	fixture_end(&fixture, &client);
}

Test(places, a_mask_lies_behind_the_pixels)
{
	struct fixture fixture;
	struct client client;
	struct ipc_frame frame;
	const uint8_t *mask;

	serve(&fixture, &client,
	      "  - {name: s, task: segment, deadline_ms: 60000, variants: [{name: v, file: segmenter.param}]}\n");
	client_open_stream(&client, (struct ipc_stream_open){.model = "s", .slot_bytes = 8192});
	cr_assert_geq(client.stream.slot_bytes, 8192 + 32 * 32);
	frame = client_frame(&client, 1, 1);
	client_fill(&client, 1, 255);
	memset(client.pool + client.stream.slot_bytes, 0, 64 * 32);
	client_submit(&client, &frame);
	client_expect_result(&client, 1, IPC_OK);
	cr_assert_eq((int)client.result.mask_width, 32);
	cr_assert_eq((int)client.result.mask_height, 32);
	cr_assert_leq(client.result.mask_offset + 32 * 32, client.stream.slot_bytes);
	mask = client.pool + client.stream.slot_bytes + client.result.mask_offset;
	cr_assert_eq(mask[5 * 32 + 7], 0);
	cr_assert_eq(mask[25 * 32 + 7], 255);
	fixture_end(&fixture, &client);
}

Test(places, a_network_of_other_outputs_is_refused_by_name)
{
	struct fixture fixture;

	fixture_init(&fixture);
	write_networks(&fixture);
	fixture_configure(&fixture, "  - {name: m, task: detect, detector: palm, "
				    "variants: [{name: v, file: detector.param}]}\n");
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, "detector palm takes boxes 2016x18 and scores 2016x1 at 192x192");
	fixture_wait_end(&fixture, 1);
}
