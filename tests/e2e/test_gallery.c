/* Galleries of a real daemon: added to, asked while they change, and requests that make no sense. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(gallery);

#define LENGTH 4
#define DARK   30
#define BRIGHT 220

static const char models[] =
	"  - {name: look, task: embed, deadline_ms: 60000, variants: [{name: t, file: tiny.param}]}\n"
	"  - {name: other, task: embed, deadline_ms: 60000, preprocess: {mean: 1, scale: 0.004},\n"
	"     variants: [{name: t, file: tiny.param}]}\n"
	"  - {name: classes, task: classify, variants: [{name: t, file: tiny.param}]}\n";

static void start(struct fixture *fixture, struct client *client)
{
	fixture_init(fixture);
	fixture_configure(fixture, models);
	fixture_start(fixture);
	client_connect(client, fixture);
}

static void stop(struct fixture *fixture, struct client *client)
{
	client_close(client);
	fixture_stop(fixture);
}

/* ---- requests ------------------------------------------------------------------------------------- */

static void ask(struct client *client, const char *what, const char *gallery, const char *name, const char *model,
		int fd)
{
	struct ipc_gallery asked = {.what = ""};

	snprintf(asked.what, sizeof(asked.what), "%s", what);
	snprintf(asked.gallery, sizeof(asked.gallery), "%s", gallery);
	snprintf(asked.name, sizeof(asked.name), "%s", name);
	snprintf(asked.model, sizeof(asked.model), "%s", model);
	ipc_writer_reset(&client->writer);
	ipc_put_gallery(&client->writer, &asked);
	cr_assert_eq(ipc_conn_send(client->conn, IPC_GALLERY, ++client->serial, client->writer.data,
				   client->writer.size, fd),
		     0);
	ipc_writer_reset(&client->writer);
}

struct vector {
	uint64_t space;
	float values[LENGTH];
};

/* As a memfd of one picture. */
static int make_vectors(const struct vector *vector, size_t size)
{
	uint8_t bytes[16 + 16 + LENGTH * 4] = "INFVECS1";
	int fd = memfd_create("vectors", MFD_CLOEXEC);

	bytes[8] = bytes[12] = 1;
	for (int i = 0; i < 8; i++)
		bytes[16 + i] = (uint8_t)(vector->space >> 8 * i);
	bytes[24] = LENGTH;
	memcpy(bytes + 32, vector->values, sizeof(vector->values));
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	return fd;
}

/* What the model says of a picture of this brightness. */
static struct vector embed(struct client *client, const char *model, uint8_t brightness)
{
	struct ipc_stream_open open = {.deadline_us = 0};
	struct ipc_frame frame;
	struct vector vector;

	snprintf(open.model, sizeof(open.model), "%s", model);
	client_open_stream(client, open);
	client_fill(client, 0, brightness);
	frame = client_frame(client, 1, 0);
	client_submit(client, &frame);
	client_expect_result(client, 1, IPC_OK);
	cr_assert_eq(client->result.n_embedding, LENGTH);
	cr_assert_neq(client->result.space, 0);
	vector.space = client->result.space;
	memcpy(vector.values, client->result.embedding, sizeof(vector.values));
	return vector;
}

static void add(struct client *client, const char *name, uint8_t brightness)
{
	struct vector vector = embed(client, "look", brightness);
	int fd = make_vectors(&vector, 48);

	ask(client, "add", "g", name, "look", fd);
	client_expect(client, IPC_REPORT);
	close(fd);
}

static void open_with_gallery(struct client *client)
{
	client_open_stream(client, (struct ipc_stream_open){.model = "look", .gallery = "g"});
}

/* captured: far apart, so that each frame is judged alone. */
static void look(struct client *client, uint64_t seq, uint8_t brightness)
{
	struct ipc_frame frame = client_frame(client, seq, 0);

	frame.captured_us = seq * 10000000;
	client_fill(client, 0, brightness);
	client_submit(client, &frame);
	client_next_result(client);
	cr_assert_eq(client->result.seq, seq);
}

static void expect_name(struct client *client, uint64_t seq, uint8_t brightness, const char *name)
{
	look(client, seq, brightness);
	cr_assert_eq(client->result.status, IPC_OK, "%s", client->result.text);
	cr_assert_eq(client->result.verdict, IPC_VERDICT_SURE);
	cr_assert_str_eq(client->result.name, name);
	cr_assert_str_eq(client->result.items[0].label, name);
	cr_assert_eq(client->result.n_embedding, 0);
}

/* ---- tests ---------------------------------------------------------------------------------------- */

Test(gallery, frames_are_given_names_before_and_after_a_start)
{
	struct fixture fixture;
	struct client client;

	start(&fixture, &client);
	add(&client, "dark", DARK);
	add(&client, "bright", BRIGHT);
	for (int round = 0; round < 2; round++) {
		open_with_gallery(&client);
		expect_name(&client, 1, DARK, "dark");
		expect_name(&client, 2, BRIGHT, "bright");
		client_close(&client);
		fixture_end_daemon(&fixture);
		fixture_start(&fixture);
		client_connect(&client, &fixture);
	}
	stop(&fixture, &client);
}

/* Two pictures of a video, of these brightnesses and two seconds from each other; source 0: photographs. */
static void add_two(struct client *client, const char *name, uint32_t source)
{
	const struct vector first = embed(client, "look", DARK), second = embed(client, "look", BRIGHT);
	const uint32_t head[] = {1, 2, (uint32_t)first.space, (uint32_t)(first.space >> 32), LENGTH, 0},
		       moments[] = {source, 0, source ? 250 : 0, 0, source, source ? 1750 : 0, source ? 2250 : 0, 0};
	uint8_t bytes[32 + 32 + 2 * LENGTH * 4] = "INFVECS2";
	int fd = memfd_create("vectors", MFD_CLOEXEC);

	memcpy(bytes + 8, head, sizeof(head));
	memcpy(bytes + 32, moments, sizeof(moments));
	memcpy(bytes + 64, first.values, sizeof(first.values));
	memcpy(bytes + 64 + LENGTH * 4, second.values, sizeof(second.values));
	cr_assert_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	ask(client, "add", "g", name, "look", fd);
	client_expect(client, IPC_REPORT);
	close(fd);
}

/* The verdict after two frames, two seconds from each other. */
static enum ipc_verdict look_twice(struct client *client, uint64_t seq, uint8_t first, uint8_t second)
{
	for (int i = 0; i < 2; i++) {
		struct ipc_frame frame = client_frame(client, seq + (uint64_t)i, 0);

		frame.captured_us = seq * 10000000 + (uint64_t)i * 2000000;
		client_fill(client, 0, i ? second : first);
		client_submit(client, &frame);
		client_next_result(client);
		cr_assert_eq(client->result.status, IPC_OK, "%s", client->result.text);
	}
	return client->result.verdict;
}

Test(gallery, a_video_is_known_by_the_order_of_its_pictures)
{
	struct fixture fixture;
	struct client client;

	for (uint32_t source = 0; source < 2; source++) {
		start(&fixture, &client);
		add_two(&client, "it", source);
		for (int opened = 0; opened < 2; opened++) {
			open_with_gallery(&client);
			cr_assert_eq(look_twice(&client, 10, DARK, BRIGHT), IPC_VERDICT_SURE);
			cr_assert_eq(look_twice(&client, 20, BRIGHT, DARK),
				     source ? IPC_VERDICT_MAYBE : IPC_VERDICT_SURE);
			client_close(&client);
			fixture_end_daemon(&fixture);
			fixture_start(&fixture);
			client_connect(&client, &fixture);
		}
		stop(&fixture, &client);
	}
}

Test(gallery, it_changes_while_a_stream_uses_it)
{
	struct fixture fixture;
	struct client user, owner;

	start(&fixture, &user);
	client_connect(&owner, &fixture);
	add(&owner, "dark", DARK);
	open_with_gallery(&user);
	expect_name(&user, 1, DARK, "dark");
	add(&owner, "bright", BRIGHT);
	expect_name(&user, 2, BRIGHT, "bright");
	fixture_signal(&fixture, SIGHUP);
	fixture_wait_log(&fixture, "reloaded: ");
	expect_name(&user, 3, DARK, "dark");
	ask(&owner, "remove", "g", "dark", "", -1);
	client_expect(&owner, IPC_REPORT);
	look(&user, 4, DARK);
	cr_assert_eq(user.result.n_items, 1);
	cr_assert_str_eq(user.result.items[0].label, "bright");
	ask(&owner, "remove", "g", "bright", "", -1);
	client_expect(&owner, IPC_REPORT);
	look(&user, 5, DARK);
	cr_assert_eq(user.result.status, IPC_OK);
	cr_assert_eq(user.result.verdict, IPC_VERDICT_ABSENT);
	ask(&owner, "remove", "g", "", "", -1);
	client_expect(&owner, IPC_REPORT);
	look(&user, 6, DARK);
	cr_assert_eq(user.result.status, IPC_FAILED);
	cr_assert_not_null(strstr(user.result.text, "there is no gallery 'g'"));
	client_close(&owner);
	stop(&fixture, &user);
}

static void expect_open_error(struct client *client, const char *model, const char *gallery, const char *cause)
{
	struct ipc_stream_open open = {.n_slots = 1, .slot_bytes = 4096};

	snprintf(open.model, sizeof(open.model), "%s", model);
	snprintf(open.gallery, sizeof(open.gallery), "%s", gallery);
	ipc_writer_reset(&client->writer);
	ipc_put_stream_open(&client->writer, &open);
	client_send(client, IPC_STREAM_OPEN);
	client_expect_error(client, cause);
}

Test(gallery, streams_of_the_wrong_model_or_gallery_are_told_so)
{
	struct fixture fixture;
	struct client client;

	start(&fixture, &client);
	add(&client, "dark", DARK);
	expect_open_error(&client, "look", "h", "there is no gallery 'h'");
	expect_open_error(&client, "classes", "g", "not of task embed");
	expect_open_error(&client, "other", "g", "vectors of the model 'look'");
	stop(&fixture, &client);
}

Test(gallery, vectors_of_another_model_are_refused)
{
	struct fixture fixture;
	struct client client;
	struct vector vector;
	int fd;

	start(&fixture, &client);
	add(&client, "dark", DARK);
	vector = embed(&client, "other", DARK);
	cr_assert_neq(vector.space, embed(&client, "look", DARK).space);
	fd = make_vectors(&vector, 48);
	ask(&client, "add", "g", "x", "", fd);
	client_expect_error(&client, "another model's");
	ask(&client, "add", "g", "x", "other", fd);
	client_expect_error(&client, "is of the model 'look'");
	ask(&client, "add", "h", "x", "classes", fd);
	client_expect_error(&client, "not of task embed");
	close(fd);
	stop(&fixture, &client);
}

/* The same file with other weights in it, then a reload. */
Test(gallery, vectors_of_a_replaced_network_do_not_count)
{
	struct fixture fixture;
	struct client client;
	char stem[128];

	start(&fixture, &client);
	add(&client, "dark", DARK);
	snprintf(stem, sizeof(stem), "%s/tiny", fixture.dir);
	tiny_network_write(stem, 48, LENGTH);
	fixture_signal(&fixture, SIGHUP);
	fixture_wait_log(&fixture, "reloaded: ");
	expect_open_error(&client, "look", "g", "add the pictures again");
	ask(&client, "list", "g", "", "", -1);
	client_expect(&client, IPC_REPORT);
	add(&client, "dark", DARK);
	open_with_gallery(&client);
	expect_name(&client, 1, DARK, "dark");
	stop(&fixture, &client);
}

Test(gallery, requests_that_make_no_sense_are_answered_with_the_cause)
{
	struct vector vector = {.space = 1, .values = {1, 0, 0, 0}};
	struct fixture fixture;
	struct client client;
	int fd, file;

	start(&fixture, &client);
	fd = make_vectors(&vector, 48);
	ask(&client, "add", "g", "x", "look", -1);
	client_expect_error(&client, "no vectors came");
	ask(&client, "add", "g", "", "look", fd);
	client_expect_error(&client, "a name");
	ask(&client, "add", "", "x", "look", fd);
	client_expect_error(&client, "the name of a gallery is missing");
	ask(&client, "add", "g", "x", "", fd);
	client_expect_error(&client, "there is no gallery 'g'");
	ask(&client, "add", "g", "x", "none", fd);
	client_expect_error(&client, "there is no model 'none'");
	ask(&client, "add", "g", "x", "look", fd);
	client_expect_error(&client, "another model's");
	ask(&client, "paint", "g", "x", "look", fd);
	client_expect_error(&client, "'paint'");
	ask(&client, "remove", "g", "", "", -1);
	client_expect_error(&client, "there is no gallery 'g'");
	close(fd);
	fd = make_vectors(&vector, 40);
	ask(&client, "add", "g", "x", "look", fd);
	client_expect_error(&client, "bytes");
	close(fd);
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ask(&client, "add", "g", "x", "look", file);
	client_expect_error(&client, "memfd");
	close(file);
	ask(&client, "list", "", "", "", -1);
	client_expect(&client, IPC_REPORT);
	stop(&fixture, &client);
}

/* Acknowledged, then killed: it is there. */
Test(gallery, kill_9_after_the_answer_loses_nothing)
{
	struct fixture fixture;
	struct client client;
	char name[16];

	start(&fixture, &client);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		add(&client, name, (uint8_t)(30 * i + 10));
		client_close(&client);
		fixture_signal(&fixture, SIGKILL);
		waitpid(fixture.pid, NULL, 0);
		close(fixture.log_fd);
		fixture_start(&fixture);
		client_connect(&client, &fixture);
		open_with_gallery(&client);
		look(&client, 1, (uint8_t)(30 * i + 10));
		cr_assert_eq(client.result.status, IPC_OK, "%s", client.result.text);
		cr_assert_eq(client.result.n_items, i < 5 ? (unsigned)i + 1 : 5);
	}
	stop(&fixture, &client);
}
