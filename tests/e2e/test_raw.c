/* Raw models through a real daemon: a network's outputs as they are, in the reply or behind the pixels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(raw);

static void serve(struct fixture *fixture, struct client *client, const char *models)
{
	char stem[512];

	fixture_init(fixture);
	snprintf(stem, sizeof(stem), "%s/detector", fixture->dir);
	tiny_detector_write(stem, 32);
	snprintf(stem, sizeof(stem), "%s/segmenter", fixture->dir);
	tiny_segmenter_write(stem, 256);
	fixture_configure(fixture, models);
	fixture_start(fixture);
	client_connect(client, fixture);
}

static const struct ipc_tensor *find(const struct client *client, const char *name)
{
	for (uint32_t i = 0; i < client->result.n_tensors; i++)
		if (strcmp(client->result.tensors[i].name, name) == 0)
			return &client->result.tensors[i];
	cr_assert(false, "no tensor %s", name);
	return NULL;
}

Test(raw, small_outputs_come_with_the_reply)
{
	static const float corners[] = {0, 0, 0.5f, 0.5f, 0.5f, 0.5f, 1, 1};
	const struct ipc_tensor *boxes, *scores;
	struct fixture fixture;
	struct client client;
	struct ipc_frame frame;
	char *models;

	serve(&fixture, &client,
	      "  - {name: r, task: raw, deadline_ms: 60000, variants: [{name: v, file: detector.param}]}\n");
	client_open_stream(&client, (struct ipc_stream_open){.model = "r"});
	frame = client_frame(&client, 1, 0);
	client_fill(&client, 0, 255);
	client_submit(&client, &frame);
	client_expect_result(&client, 1, IPC_OK);
	cr_assert_eq((int)client.result.n_tensors, 2);
	cr_assert_eq((int)client.result.n_items, 0);
	boxes = find(&client, "boxes");
	scores = find(&client, "scores");
	cr_assert(boxes->type == IPC_F32 && boxes->scale == 0 && boxes->data);
	cr_assert(boxes->rank >= 2 && boxes->dims[boxes->rank - 2] == 2 && boxes->dims[boxes->rank - 1] == 4);
	cr_assert_eq(boxes->bytes, sizeof(corners));
	cr_assert_arr_eq(boxes->data, corners, sizeof(corners));
	cr_assert_eq(scores->bytes, 4 * sizeof(float));
	cr_assert_gt(((const float *)scores->data)[1], 0.99f, "white");
	models = client_query(&client, "models");
	cr_assert(strstr(models, "\"task\":\"raw\""), "%s", models);
	free(models);
	fixture_end(&fixture, &client);
}

Test(raw, large_outputs_lie_behind_the_pixels)
{
	const struct ipc_tensor *mask;
	struct fixture fixture;
	struct client client;
	struct ipc_frame frame;
	float upper, lower;
	const uint8_t *data;

	serve(&fixture, &client,
	      "  - {name: r, task: raw, deadline_ms: 60000, variants: [{name: v, file: segmenter.param}]}\n");
	client_open_stream(&client, (struct ipc_stream_open){.model = "r", .slot_bytes = 8192});
	cr_assert_geq(client.stream.slot_bytes, 8192 + 256 * 256 * sizeof(float));
	frame = client_frame(&client, 1, 1);
	client_fill(&client, 1, 255);
	memset(client.pool + client.stream.slot_bytes, 0, 64 * 32);
	client_submit(&client, &frame);
	client_expect_result(&client, 1, IPC_OK);
	cr_assert_eq((int)client.result.n_tensors, 1);
	mask = find(&client, "mask");
	cr_assert_null(mask->data);
	cr_assert_eq(mask->bytes, 256 * 256 * sizeof(float));
	cr_assert_leq(mask->offset + mask->bytes, client.stream.slot_bytes);
	data = client.pool + client.stream.slot_bytes + mask->offset;
	memcpy(&upper, data + (30 * 256 + 7) * sizeof(float), sizeof(upper));
	memcpy(&lower, data + (220 * 256 + 7) * sizeof(float), sizeof(lower));
	cr_assert(upper < 0.01f && lower > 0.99f, "%g %g", (double)upper, (double)lower);
	fixture_end(&fixture, &client);
}
