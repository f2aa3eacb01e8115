/* Clients that do everything wrong: each loses its request or its connection, and nobody else anything. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/daemon_fixture.h"

TEST_SUITE(hostile);

static void start(struct fixture *fixture)
{
	fixture_init(fixture);
	fixture_configure(fixture, fixture_models);
	fixture_start(fixture);
}

/* Another client is served, and nothing of the hostile one is left: as many descriptors as before. */
static void expect_unharmed(struct fixture *fixture, int fds_before)
{
	struct client client;
	struct ipc_frame frame;
	int fds = 0;

	client_connect(&client, fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	frame = client_frame(&client, 1, 0);
	client_submit(&client, &frame);
	client_expect_result(&client, 1, IPC_OK);
	/* The daemon closes in its own time; every query is a round of its loop. */
	for (int i = 0; i < 100000; i++) {
		free(client_query(&client, "stats"));
		fds = fixture_count_fds(fixture);
		if (fds == fds_before)
			break;
	}
	client_close(&client);
	cr_assert_eq(fds, fds_before, "%d descriptors, and %d before", fds, fds_before);
}

/* Descriptors of a daemon with one client that has one stream. */
static int count_fds(struct fixture *fixture)
{
	struct client client;
	int fds;

	client_connect(&client, fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	free(client_query(&client, "stats")); /* by then the daemon has closed the pool's descriptor that it sent */
	fds = fixture_count_fds(fixture);
	client_close(&client);
	return fds;
}

/* Raw bytes, with or without a HELLO before; the daemon hangs up. */
static void expect_hang_up(struct fixture *fixture, bool greeted, const void *bytes, size_t size)
{
	struct client client;

	if (greeted)
		client_connect(&client, fixture);
	else
		client_connect_raw(&client, fixture);
	client_write(&client, bytes, size);
	client_expect_closed(&client);
	client_close(&client);
}

Test(hostile, broken_messages_cost_the_connection)
{
	/* Arrays of 4 billion and of 200 million elements. */
	static const uint8_t bombs[][5] = {{0xdd, 0xff, 0, 0, 0}, {0xdd, 0x0b, 0xeb, 0xc2, 0}};
	static const uint8_t deep[] = {0x81, 1, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 1};
	static uint8_t noise[512];
	static struct client_batch batch;
	struct fixture fixture;
	struct ipc_writer writer;
	uint32_t header[4];
	int fds;

	start(&fixture);
	fds = count_fds(&fixture);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)test_random();
	expect_hang_up(&fixture, false, noise, sizeof(noise));
	expect_hang_up(&fixture, true, noise, sizeof(noise));
	for (uint32_t type = 0; type < 20; type++) {
		for (int i = 0; i < 2; i++) {
			writer = (struct ipc_writer){.data = (uint8_t *)(uintptr_t)bombs[i], .size = sizeof(bombs[i])};
			batch.size = 0;
			client_batch(&batch, (enum ipc_type)type, 7, &writer);
			expect_hang_up(&fixture, true, batch.bytes, batch.size);
		}
		writer = (struct ipc_writer){.data = (uint8_t *)(uintptr_t)deep, .size = sizeof(deep)};
		batch.size = 0;
		client_batch(&batch, (enum ipc_type)type, 7, &writer);
		expect_hang_up(&fixture, true, batch.bytes, batch.size);
	}
	memcpy(header, (uint32_t[]){IPC_MAGIC, IPC_FRAME, UINT32_MAX, 1}, sizeof(header));
	expect_hang_up(&fixture, true, header, sizeof(header));
	memcpy(header, (uint32_t[]){IPC_MAGIC, IPC_FRAME | 3u << 16, 0, 1}, sizeof(header));
	expect_hang_up(&fixture, true, header, sizeof(header));
	expect_unharmed(&fixture, fds);
	fixture_stop(&fixture);
}

Test(hostile, first_message_must_be_hello)
{
	struct fixture fixture;
	struct client client;

	start(&fixture);
	client_connect_raw(&client, &fixture);
	ipc_put_query(&client.writer, "status");
	client_send(&client, IPC_QUERY);
	client_expect_error(&client, "the first message is not HELLO");
	client_expect_closed(&client);
	client_close(&client);
	client_connect_raw(&client, &fixture);
	ipc_put_hello(&client.writer, &(struct ipc_hello){.version = 99});
	client_send(&client, IPC_HELLO);
	client_expect_error(&client, "version of the protocol");
	client_expect_closed(&client);
	client_close(&client);
	fixture_stop(&fixture);
}

Test(hostile, truncated_header_and_silence_cost_nothing)
{
	struct fixture fixture;
	struct client clients[3];
	uint32_t magic = IPC_MAGIC;
	int fds;

	start(&fixture);
	fds = count_fds(&fixture);
	for (int i = 0; i < 3; i++) {
		client_connect_raw(&clients[i], &fixture);
		client_write(&clients[i], &magic, (size_t)i + 1);
	}
	for (int i = 0; i < 3; i++)
		client_close(&clients[i]);
	expect_unharmed(&fixture, fds);
	fixture_stop(&fixture);
}

Test(hostile, descriptors_are_not_kept)
{
	struct fixture fixture;
	struct client client;
	int fds;

	start(&fixture);
	fds = count_fds(&fixture);
	client_connect(&client, &fixture);
	ipc_put_query(&client.writer, "status");
	cr_assert_eq(ipc_conn_send(client.conn, IPC_QUERY, 1, client.writer.data, client.writer.size, STDIN_FILENO), 0);
	client_expect_error(&client, "descriptors");
	client_expect_closed(&client);
	client_close(&client);
	expect_unharmed(&fixture, fds);
	fixture_stop(&fixture);
}

static void expect_frame_error(struct client *client, const struct ipc_frame *frame, const char *part_of_text)
{
	client_submit(client, frame);
	client_expect_error(client, part_of_text);
}

static void put_frame(struct client_batch *batch, struct client *client, const struct ipc_frame *frame)
{
	ipc_put_frame(&client->writer, frame);
	client_batch(batch, IPC_FRAME, 100, &client->writer);
	ipc_writer_reset(&client->writer);
}

Test(hostile, bad_frames_cost_the_request_only)
{
	static struct client_batch batch;
	struct fixture fixture;
	struct client client;
	struct ipc_frame good, bad;

	start(&fixture);
	client_connect(&client, &fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "slow"});
	good = client_frame(&client, 1, 0);
	bad = good;
	bad.stream = 77;
	expect_frame_error(&client, &bad, "no stream 77");
	bad = good;
	bad.slot = 4;
	expect_frame_error(&client, &bad, "no slot of this number");
	bad = good;
	bad.offset[0] = client.stream.slot_bytes - 64;
	expect_frame_error(&client, &bad, "");
	bad = good;
	bad.offset[0] = UINT32_MAX;
	expect_frame_error(&client, &bad, "");
	bad = good;
	bad.height = bad.width = UINT32_MAX;
	expect_frame_error(&client, &bad, "");
	bad = good;
	bad.format = IPC_JPEG;
	bad.bytes = UINT32_MAX;
	expect_frame_error(&client, &bad, "");
	/* In one write, so that the first is still in flight when the others are read. */
	put_frame(&batch, &client, &good);
	bad = good;
	bad.seq = 2;
	put_frame(&batch, &client, &bad);
	bad = good;
	bad.slot = 1;
	put_frame(&batch, &client, &bad);
	client_write(&client, batch.bytes, batch.size);
	client_expect_error(&client, "slot is in flight");
	client_expect_error(&client, "frame of this seq is in flight");
	client_expect_result(&client, 1, IPC_OK);
	client_submit(&client, &good);
	client_expect_result(&client, 1, IPC_OK);
	client_close(&client);
	fixture_stop(&fixture);
}

static void expect_open_error(struct client *client, struct ipc_stream_open open, const char *part_of_text)
{
	ipc_put_stream_open(&client->writer, &open);
	client_send(client, IPC_STREAM_OPEN);
	client_expect_error(client, part_of_text);
}

Test(hostile, quotas_hold)
{
	struct fixture fixture;
	struct client clients[17];
	struct ipc_stream_open open = {.model = "tiny", .n_slots = 1, .slot_bytes = 4096};

	start(&fixture);
	client_connect(&clients[0], &fixture);
	open.slot_bytes = 0;
	expect_open_error(&clients[0], open, "size of a slot");
	open.slot_bytes = 4096;
	open.n_slots = 17;
	expect_open_error(&clients[0], open, "number of slots");
	open.n_slots = 16;
	open.slot_bytes = IPC_SLOT_BYTES_MAX;
	expect_open_error(&clients[0], open, "64 MB together");
	open.n_slots = 1;
	open.slot_bytes = 4096;
	strcpy(open.rung, "t@1x1");
	expect_open_error(&clients[0], open, "no rung of this name");
	open.rung[0] = '\0';
	strcpy(open.model, "nobody");
	expect_open_error(&clients[0], open, "no model 'nobody'");
	strcpy(open.model, "tiny");
	for (int i = 0; i < 8; i++)
		client_open_stream(&clients[0], open);
	expect_open_error(&clients[0], open, "may have 8 streams");
	for (int i = 1; i < 16; i++)
		client_connect(&clients[i], &fixture);
	client_connect_raw(&clients[16], &fixture);
	client_expect_error(&clients[16], "limits.clients_per_user");
	client_expect_closed(&clients[16]);
	for (int i = 0; i < 17; i++)
		client_close(&clients[i]);
	fixture_stop(&fixture);
}

/* Of a user who is not the owner. */
Test(hostile, connections_that_come_too_fast_are_refused)
{
	struct fixture fixture;
	struct client clients[3];

	if (geteuid() != 0)
		cr_skip_test("only the superuser can be somebody else");
	fixture_init(&fixture);
	fixture_write(&fixture, "inferd.yaml",
		      "socket: %s\naccess: {mode: 0666}\nlanes: [{name: main, cpus: 0, threads: 1}]\n"
		      "limits: {connections_per_second: 1}\nmodels:\n%s",
		      fixture.socket, fixture_models);
	cr_assert_eq(chmod(fixture.dir, 0755), 0);
	fixture_start(&fixture);
	cr_assert_eq(seteuid(65534), 0);
	client_connect(&clients[0], &fixture);
	client_connect(&clients[1], &fixture);
	client_connect_raw(&clients[2], &fixture);
	client_expect_error(&clients[2], "limits.connections_per_second");
	client_expect_closed(&clients[2]);
	client_close(&clients[2]);
	cr_assert_eq(seteuid(0), 0);
	/* Others are let in, if later. */
	client_connect(&clients[2], &fixture);
	client_open_stream(&clients[0], (struct ipc_stream_open){.model = "tiny"});
	for (int i = 0; i < 3; i++)
		client_close(&clients[i]);
	fixture_stop(&fixture);
}

Test(hostile, death_in_the_midst_of_a_frame_frees_everything)
{
	struct fixture fixture;
	struct client client;
	int fds;

	start(&fixture);
	fds = count_fds(&fixture);
	for (int i = 0; i < 3; i++) {
		client_connect(&client, &fixture);
		client_open_stream(&client, (struct ipc_stream_open){.model = "slow"});
		for (uint32_t slot = 0; slot < 4; slot++) {
			struct ipc_frame frame = client_frame(&client, slot + 1, slot);

			client_submit(&client, &frame);
		}
		/* The first frame is on its lane when this is answered. */
		free(client_query(&client, "status"));
		client_close(&client);
	}
	expect_unharmed(&fixture, fds);
	fixture_stop(&fixture);
}

Test(hostile, client_that_does_not_read_is_stopped)
{
	static struct client_batch batch;
	struct fixture fixture;
	struct client deaf;
	ssize_t n;
	int fds, total = 0;

	start(&fixture);
	fds = count_fds(&fixture);
	client_connect(&deaf, &fixture);
	for (uint32_t i = 0; i < 100; i++) {
		ipc_writer_reset(&deaf.writer);
		ipc_put_query(&deaf.writer, "models");
		client_batch(&batch, IPC_QUERY, i, &deaf.writer);
	}
	/* The daemon must stop reading before it has stored answers to all of this. */
	do {
		n = send(ipc_conn_fd(deaf.conn), batch.bytes, batch.size, MSG_NOSIGNAL | MSG_DONTWAIT);
		total += n > 0 ? (int)n : 0;
		if (n < 0) {
			struct client other;

			client_connect(&other, &fixture);
			free(client_query(&other, "status"));
			client_close(&other);
			n = send(ipc_conn_fd(deaf.conn), batch.bytes, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		cr_assert_lt(total, 64 << 20, "the daemon reads on and on");
	} while (n > 0);
	cr_assert_eq(errno, EAGAIN);
	client_close(&deaf);
	expect_unharmed(&fixture, fds);
	fixture_stop(&fixture);
}
