/* The memory budget of a real daemon: networks that do not all fit come and go, and no frame is lost for it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(memory);

enum { N_MODELS = 4 };

/* Networks of about 1 MB each, in a budget for two of them. */
static void start(struct fixture *fixture)
{
	char models[1024] = "", stem[128];

	fixture_init(fixture);
	for (int i = 0; i < N_MODELS; i++) {
		snprintf(stem, sizeof(stem), "%s/wide%d", fixture->dir, i);
		tiny_network_write(stem, 32, 32000);
		snprintf(
			models + strlen(models), sizeof(models) - strlen(models),
			"  - {name: wide%d, task: classify, deadline_ms: 60000, variants: [{name: w, file: wide%d.param}]}\n",
			i, i);
	}
	fixture_write(
		fixture, "inferd.yaml",
		"socket: %s\nmemory_budget_mb: 4\nlimits: {messages_per_second: 1000000}\nlanes: [{name: main, cpus: 0, threads: 1}]\nmodels:\n%s",
		fixture->socket, models);
	fixture_start(fixture);
}

static double number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	cr_assert_not_null(at, "no %s in %s", key, text);
	return strtod(at + strlen(key), NULL);
}

static void open_model(struct client *client, struct fixture *fixture, int i)
{
	struct ipc_stream_open open = {.n_slots = 1, .slot_bytes = 4096};

	snprintf(open.model, sizeof(open.model), "wide%d", i);
	client_connect(client, fixture);
	client_open_stream(client, open);
	client_fill(client, 0, 255);
}

Test(memory, what_does_not_fit_is_loaded_on_demand)
{
	struct fixture fixture;
	struct client clients[N_MODELS];
	char *text;

	start(&fixture);
	for (int i = 0; i < N_MODELS; i++)
		open_model(&clients[i], &fixture, i);
	for (uint64_t seq = 1; seq <= 5; seq++)
		for (int i = 0; i < N_MODELS; i++) {
			struct ipc_frame frame = client_frame(&clients[i], seq, 0);

			client_submit(&clients[i], &frame);
			client_expect_result(&clients[i], seq, IPC_OK);
			cr_assert_gt((int)clients[i].result.items[0].index, 31000);
		}
	text = client_query(&clients[0], "status");
	cr_assert_geq(number_after(text, "\"unloads\":"), 10, "%s", text);
	cr_assert_geq(number_after(text, "\"loads_on_demand\":"), 10, "%s", text);
	cr_assert_leq(number_after(text, "\"used_mb\":"), 4, "%s", text);
	free(text);
	text = client_query(&clients[0], "models");
	cr_assert(strstr(text, "\"state\":\"unloaded\"") && strstr(text, "\"state\":\"ready\""), "%s", text);
	free(text);
	for (int i = 0; i < N_MODELS; i++)
		client_close(&clients[i]);
	fixture_stop(&fixture);
}

Test(memory, all_at_once_are_answered_too)
{
	struct fixture fixture;
	struct client clients[N_MODELS];

	start(&fixture);
	for (int i = 0; i < N_MODELS; i++)
		open_model(&clients[i], &fixture, i);
	for (uint64_t seq = 1; seq <= 5; seq++) {
		for (int i = 0; i < N_MODELS; i++) {
			struct ipc_frame frame = client_frame(&clients[i], seq, 0);

			client_submit(&clients[i], &frame);
		}
		for (int i = 0; i < N_MODELS; i++)
			client_expect_result(&clients[i], seq, IPC_OK);
	}
	for (int i = 0; i < N_MODELS; i++)
		client_close(&clients[i]);
	fixture_stop(&fixture);
}

/*
 * A pipeline and a model with large tensors, which do not fit together: each frame unloads the other's networks, and
 * the lane's memory shrinks while the frame waits.
 */
Test(memory, networks_that_give_way_to_each_other_take_their_tensors_with_them)
{
	static const char models[] =
		"  - {name: wide, task: classify, variants: [{name: w, file: wide.param}]}\n"
		"  - {name: large, task: classify, deadline_ms: 60000,\n"
		"     variants: [{name: l, file: large.param}]}\n"
		"  - {name: d, task: detect, detector: corners, variants: [{name: d, file: d.param}]}\n"
		"  - {name: m, task: landmarks, landmarks: face,\n"
		"     variants: [{name: m, file: m.param}, {name: n, file: n.param}]}\n"
		"  - {name: faces, pipeline: [d, m], deadline_ms: 60000}\n";
	struct fixture fixture;
	struct client client;
	char stem[128], *text;

	fixture_init(&fixture);
	snprintf(stem, sizeof(stem), "%s/wide", fixture.dir);
	tiny_network_write(stem, 32, 32000);
	snprintf(stem, sizeof(stem), "%s/large", fixture.dir);
	tiny_network_write(stem, 288, 4);
	snprintf(stem, sizeof(stem), "%s/d", fixture.dir);
	tiny_detector_write(stem, 192);
	for (const char *name = "mn"; *name; name++) {
		snprintf(stem, sizeof(stem), "%s/%c", fixture.dir, *name);
		tiny_mesh_write(stem, 32);
	}
	fixture_write(
		&fixture, "inferd.yaml",
		"socket: %s\nmemory_budget_mb: 4\nlimits: {streams_per_client: 20}\nlanes: [{name: main, cpus: 0, threads: 1}]\nmodels:\n%s",
		fixture.socket, models);
	fixture_start(&fixture);
	client_connect(&client, &fixture);
	for (uint64_t seq = 1; seq <= 12; seq++) {
		static const char *const names[] = {"large", "wide", "faces"};
		struct ipc_stream_open open = {.n_slots = 1, .slot_bytes = 4096, .deadline_us = 60000000};
		struct ipc_frame frame;

		snprintf(open.model, sizeof(open.model), "%s", names[seq % 3]);
		client_open_stream(&client, open);
		client_fill(&client, 0, 255);
		frame = client_frame(&client, seq, 0);
		client_submit(&client, &frame);
		client_expect_result(&client, seq, IPC_OK);
		cr_assert_geq((int)client.result.n_items, 1);
	}
	text = client_query(&client, "status");
	cr_assert_geq(number_after(text, "\"loads_on_demand\":"), 6, "%s", text);
	free(text);
	client_close(&client);
	fixture_stop(&fixture);
}

/* Makes a model the one that was used longest ago, and the networks of it unloaded. */
static void push_out(struct client *clients, int model, uint64_t seq)
{
	for (int i = 0; i < N_MODELS; i++) {
		struct ipc_frame frame = client_frame(&clients[i], seq, 0);

		if (i == model)
			continue;
		client_submit(&clients[i], &frame);
		client_expect_result(&clients[i], seq, IPC_OK);
	}
}

Test(memory, a_file_that_cannot_be_loaded_again_fails_its_own_frames)
{
	struct fixture fixture;
	struct client clients[N_MODELS];
	struct ipc_frame frame;
	char stem[128];

	start(&fixture);
	for (int i = 0; i < N_MODELS; i++)
		open_model(&clients[i], &fixture, i);
	push_out(clients, 0, 1);
	fixture_write(&fixture, "wide0.param", "7767517\n1 1\nNonsense x 0 1 x\n");
	frame = client_frame(&clients[0], 1, 0);
	client_submit(&clients[0], &frame);
	client_expect_result(&clients[0], 1, IPC_FAILED);
	cr_assert(strstr(clients[0].result.text, "cannot be loaded again"), "%s", clients[0].result.text);
	fixture_wait_log(&fixture, "cannot be loaded again");
	push_out(clients, 0, 2);
	/* Once the file is right again, so is the model. */
	snprintf(stem, sizeof(stem), "%s/wide0", fixture.dir);
	tiny_network_write(stem, 32, 32000);
	for (uint64_t seq = 2; clients[0].result.status != IPC_OK; seq++) {
		frame = client_frame(&clients[0], seq, 0);
		client_submit(&clients[0], &frame);
		client_next_result(&clients[0]);
	}
	for (int i = 0; i < N_MODELS; i++)
		client_close(&clients[i]);
	fixture_stop(&fixture);
}

/* Two names for one file. */
Test(memory, a_file_is_in_memory_once)
{
	struct fixture fixture;
	struct client client;
	char stem[128], *text;

	fixture_init(&fixture);
	snprintf(stem, sizeof(stem), "%s/wide", fixture.dir);
	tiny_network_write(stem, 32, 32000);
	fixture_configure(&fixture, "  - {name: a, task: classify, variants: [{name: w, file: wide.param}]}\n"
				    "  - {name: b, task: classify, variants: [{name: w, file: wide.param}]}\n");
	fixture_start(&fixture);
	client_connect(&client, &fixture);
	text = client_query(&client, "status");
	cr_assert_lt(number_after(text, "\"networks_mb\":"), 1.9, "%s", text);
	cr_assert_gt(number_after(text, "\"networks_mb\":"), 0.9, "%s", text);
	free(text);
	client_close(&client);
	fixture_stop(&fixture);
}

/* ---- galleries ------------------------------------------------------------------------------------ */

#define LENGTH	 32000
#define PICTURES 8 /* of one request: a quarter of a megabyte in memory */

/* As start(), with the first of the models one that embeds. */
static void start_embedding(struct fixture *fixture, int budget_mb)
{
	fixture_write(
		fixture, "inferd.yaml",
		"socket: %s\nmemory_budget_mb: %d\nlimits: {messages_per_second: 1000000}\n"
		"lanes: [{name: main, cpus: 0, threads: 1}]\nmodels:\n"
		"  - {name: wide0, task: embed, deadline_ms: 60000, variants: [{name: w, file: wide0.param}]}\n"
		"  - {name: wide1, task: classify, deadline_ms: 60000, variants: [{name: w, file: wide1.param}]}\n",
		fixture->socket, budget_mb);
}

/* Pictures along axes that no other request has. */
static int make_vectors(uint64_t space, int request)
{
	static float vectors[PICTURES][LENGTH];
	uint32_t head[8] = {0, 0, 1, PICTURES, (uint32_t)space, (uint32_t)(space >> 32), LENGTH, 0};
	int fd = memfd_create("vectors", MFD_CLOEXEC);

	memcpy(head, "INFVECS1", 8);
	memset(vectors, 0, sizeof(vectors));
	for (int i = 0; i < PICTURES; i++)
		vectors[i][request * PICTURES + i] = 1;
	cr_assert_eq(write(fd, head, sizeof(head)), (ssize_t)sizeof(head));
	cr_assert_eq(write(fd, vectors, sizeof(vectors)), (ssize_t)sizeof(vectors));
	return fd;
}

static void ask(struct client *client, const char *what, int fd)
{
	struct ipc_gallery asked = {.gallery = "g", .model = "wide0"};

	snprintf(asked.what, sizeof(asked.what), "%s", what);
	if (fd >= 0)
		snprintf(asked.name, sizeof(asked.name), "name");
	ipc_writer_reset(&client->writer);
	ipc_put_gallery(&client->writer, &asked);
	cr_assert_eq(ipc_conn_send(client->conn, IPC_GALLERY, ++client->serial, client->writer.data,
				   client->writer.size, fd),
		     0);
	ipc_writer_reset(&client->writer);
}

/* Adds until the daemon refuses for want of memory; the number of requests that went well. */
static int fill_gallery(struct client *client, uint64_t space)
{
	for (int n = 0; n < 100; n++) {
		int fd = make_vectors(space, n);
		struct ipc_message message;

		ask(client, "add", fd);
		close(fd);
		cr_assert_eq(client_read(client, &message), 0);
		if (message.header.type == IPC_REPORT)
			continue;
		cr_assert_eq((int)message.header.type, (int)IPC_ERROR);
		cr_assert_not_null(memmem(message.body, message.header.length, "memory_budget_mb", 16));
		return n;
	}
	cr_assert_fail("the budget has no end");
	return 0;
}

static double status_number(struct client *client, const char *key)
{
	char *text = client_query(client, "status");
	double number = number_after(text, key);

	free(text);
	return number;
}

static void run_frame(struct client *client, uint64_t seq, enum ipc_status status)
{
	struct ipc_frame frame = client_frame(client, seq, 0);

	client_submit(client, &frame);
	client_expect_result(client, seq, status);
}

Test(memory, galleries_are_part_of_the_budget)
{
	struct client clients[2], owner;
	struct fixture fixture;
	double galleries_mb;
	uint64_t space;
	char stem[128];
	int n;

	fixture_init(&fixture);
	for (int i = 0; i < 2; i++) {
		snprintf(stem, sizeof(stem), "%s/wide%d", fixture.dir, i);
		tiny_network_write(stem, 32, LENGTH);
	}
	start_embedding(&fixture, 4);
	fixture_start(&fixture);
	for (int i = 0; i < 2; i++)
		open_model(&clients[i], &fixture, i);
	client_connect(&owner, &fixture);
	run_frame(&clients[0], 1, IPC_OK);
	run_frame(&clients[1], 1, IPC_OK);
	space = clients[0].result.space;
	cr_assert_eq(status_number(&owner, "\"galleries_mb\":"), 0);
	cr_assert_eq(status_number(&owner, "\"unloads\":"), 0, "both models fit");
	n = fill_gallery(&owner, space);
	galleries_mb = status_number(&owner, "\"galleries_mb\":");
	cr_assert_float_eq(galleries_mb, n * PICTURES * (LENGTH + 16) / 1048576.0, 0.05, "%d: %f", n, galleries_mb);
	cr_assert_gt(galleries_mb, 1.5);
	/* They take the place of models, but never of the last one that runs. */
	for (uint64_t seq = 2; seq <= 6; seq++) {
		run_frame(&clients[0], seq, IPC_OK);
		run_frame(&clients[1], seq, IPC_OK);
	}
	cr_assert_geq(status_number(&owner, "\"unloads\":"), 5);
	cr_assert_leq(status_number(&owner, "\"used_mb\":"), 4);
	/* With less of a budget there is no room for a model beside them, which nobody is left to guess. */
	start_embedding(&fixture, 3);
	fixture_signal(&fixture, SIGHUP);
	fixture_wait_log(&fixture, "galleries have");
	fixture_wait_log(&fixture, "reloaded: ");
	run_frame(&clients[0], 7, IPC_FAILED);
	cr_assert(strstr(clients[0].result.text, "no room for the model beside galleries"), "%s",
		  clients[0].result.text);
	cr_assert_eq(fill_gallery(&owner, space), 0);
	ask(&owner, "remove", -1);
	client_expect(&owner, IPC_REPORT);
	cr_assert_eq(status_number(&owner, "\"galleries_mb\":"), 0);
	run_frame(&clients[0], 8, IPC_OK);
	cr_assert_gt(fill_gallery(&owner, space), 0);
	client_close(&clients[0]);
	client_close(&clients[1]);
	client_close(&owner);
	fixture_stop(&fixture);
}
