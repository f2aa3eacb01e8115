/*
 * fuzz_session.c - one input is what up to three clients do to the real sessions, lanes and models of a daemon.
 *
 * The input is a list of records; the first byte of each says what is done, and to whom (its value / 16 % 3):
 *
 *   0  connect                   1  hang up
 *   2  a message: type, kind of descriptors (low nibble) and number that is announced beyond them (high nibble),
 *      length of the body, body
 *   3  raw bytes: length, bytes  4  one turn of the loop       5  turns until the lanes are idle
 *   6  the client reads          7  a reload to the other generation of models
 *   8  a message as of 2, all of whose descriptors are memories that a stream may have: type, number of them (low
 *      nibble), which of them comes again in place of the last (high nibble; 0 none), length of the body, body
 *
 * At the end every message that was whole has been answered exactly once unless its client was cut off or left, all
 * that the daemon said can be decoded, and nothing is held any more.
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sensors.h"
#include "daemon/session.h"
#include "tests/support/tiny_network.h"

#define CLIENTS	    3
#define SERIALS_MAX 1024
#define POOL_BYTES  65536
#define FDS_MAX	    16

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char dir[64];
	uv_loop_t loop;
	struct config *config;
	struct models *generations[2];
	struct sensors *sensors;
	struct governor governor;
	struct dispatch dispatch;
	struct session_host host;
	int generation;
} rig;

struct client {
	int fd; /* a copy, for raw bytes; -1: not connected */
	struct ipc_conn *conn;
	bool cut, is_raw;
	uint32_t n_sent;
	uint8_t n_answers[SERIALS_MAX];
};

static struct client clients[CLIENTS];

static void require(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "not as it must be: %s\n", what);
	abort();
}

/* ---- the daemon's side ---------------------------------------------------------------------------- */

static void on_query(struct session_host *host, struct session *session, uint32_t serial, const char *what)
{
	struct ipc_writer writer;

	(void)host;
	ipc_writer_init(&writer);
	ipc_put_map(&writer, 1);
	ipc_put_text(&writer, what);
	ipc_put_bool(&writer, true);
	session_reply(session, IPC_REPORT, serial, &writer);
	ipc_writer_finish(&writer);
}

static void on_change(struct session_host *host, struct session *session, uint32_t serial,
		      const struct ipc_change *change, int fd)
{
	(void)host;
	session_error(session, serial, ENOENT, "%s %s %s", change->what, change->model, fd >= 0 ? "with a file" : "");
}

static void on_gallery(struct session_host *host, struct session *session, uint32_t serial,
		       const struct ipc_gallery *asked, int fd)
{
	(void)host;
	session_error(session, serial, ENOENT, "%s %s %s %s", asked->what, asked->gallery, asked->name,
		      fd >= 0 ? "with vectors" : "");
}

static void on_streams(struct session_host *host)
{
	(void)host;
}

static struct models *make_models(const char *names)
{
	static const struct topology_lane lane = {.name = "main", .threads = 1};
	struct config_error error = {0};
	struct models *models;
	char text[1024];

	snprintf(text, sizeof(text),
		 "limits: {streams_per_client: 3, pool_mb_per_client: 1, messages_per_second: 1000000}\nmodels:\n%s",
		 names);
	if (rig.config)
		config_destroy(rig.config);
	require(config_load_text("fuzz", rig.dir, text, strlen(text), &error, &rig.config) == 0, error.text);
	require(models_create(rig.config, &lane, 1, &error, &models) == 0, error.text);
	for (int i = 0; i < models->n; i++)
		ladder_settle(models->model[i]->ladder);
	return models;
}

static void remove_files(void)
{
	static const char *const names[] = {"tiny.param", "tiny.bin"};
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", rig.dir, names[i]);
		unlink(path);
	}
	rmdir(rig.dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct topology_lane lane = {.name = "main", .threads = 1};
	char stem[128];
	int root_fd;

	(void)argc;
	(void)argv;
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/inferd-fuzz-XXXXXX");
	require(mkdtemp(rig.dir) != NULL, "no folder");
	snprintf(stem, sizeof(stem), "%s/tiny", rig.dir);
	tiny_network_write(stem, 32, 4);
	rig.generations[1] =
		make_models("  - {name: tiny, task: classify, top_k: 1, variants: [{name: t, file: tiny.param}]}\n");
	rig.generations[0] =
		make_models("  - {name: tiny, task: classify, priority: high, inputs: [16], gray: true,\n"
			    "     variants: [{name: t, file: tiny.param, accuracy: 0.7}]}\n"
			    "  - {name: other, task: embed, min_fps: 3, variants: [{name: o, file: tiny.param}]}\n");
	remove_files();
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	require(sensors_create(root_fd, &lane, 1, &rig.sensors) == 0, "no sensors");
	rig.governor.sensors = rig.sensors;
	rig.governor.n_lanes = 1;
	governor_configure(&rig.governor, rig.config);
	require(uv_loop_init(&rig.loop) == 0, "no loop");
	require(dispatch_init(&rig.dispatch, &rig.loop, &rig.governor, &lane, 1, 1 << 20) == 0, "no lanes");
	rig.dispatch.on_home = session_on_home;
	session_host_init(&rig.host, &rig.loop, &rig.dispatch);
	rig.host.config = rig.config;
	rig.host.models = rig.generations[0];
	rig.host.on_query = on_query;
	rig.host.on_change = on_change;
	rig.host.on_gallery = on_gallery;
	rig.host.on_streams = on_streams;
	return 0;
}

static void turn(void)
{
	uv_run(&rig.loop, UV_RUN_NOWAIT);
	session_tidy(&rig.host);
}

static void finish_frames(void)
{
	turn();
	dispatch_hurry(&rig.dispatch);
	while (!dispatch_idle(&rig.dispatch)) {
		uv_run(&rig.loop, UV_RUN_ONCE);
		session_tidy(&rig.host);
	}
}

static void reload(void)
{
	rig.generation = !rig.generation;
	rig.host.models = rig.generations[rig.generation];
	session_rebind(&rig.host);
}

/* ---- the clients' side ---------------------------------------------------------------------------- */

static void hang_up(struct client *client)
{
	if (client->fd < 0)
		return;
	ipc_conn_destroy(client->conn);
	close(client->fd);
	client->fd = -1;
}

static void connect_client(struct client *client)
{
	struct peer peer = {.pid = getpid(), .uid = client == clients ? 0 : 1000, .n_groups = 0};
	int ends[2];

	if (client->fd >= 0)
		return;
	memset(client, 0, sizeof(*client));
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0, "no sockets");
	client->fd = fcntl(ends[1], F_DUPFD_CLOEXEC, 0);
	require(ipc_conn_create(ends[1], IPC_BODY_MAX, &client->conn) == 0, "no connection");
	require(session_create(&rig.host, ends[0], &peer) == 0, "no session");
}

static void check_message(struct client *client, const struct ipc_message *message)
{
	const uint8_t *body = message->body;
	uint32_t length = message->header.length, serial = message->header.serial;
	struct ipc_stream_opened opened;
	struct ipc_welcome welcome;
	struct ipc_result result;
	struct ipc_error error;
	void *storage = NULL;
	int r = ipc_body_check(body, length, NULL);

	switch (message->header.type) {
	case IPC_WELCOME:
		r = ipc_get_welcome(body, length, &welcome, NULL);
		break;
	case IPC_STREAM_OPENED:
		r = ipc_get_stream_opened(body, length, &opened, NULL);
		break;
	case IPC_RESULT:
		r = ipc_get_result(body, length, &result, &storage, NULL);
		break;
	case IPC_ERROR:
		r = ipc_get_error(body, length, &error, &storage, NULL);
		break;
	default:
		require(message->header.type == IPC_DONE || message->header.type == IPC_REPORT, "a type");
	}
	require(r == 0, "a body that can be decoded");
	ipc_storage_free(storage);
	for (int i = 0; i < message->header.n_fds; i++)
		close(message->fds[i]);
	/* Serial 0: the connection is about to be cut. */
	if (serial && !client->is_raw) {
		require(serial < SERIALS_MAX && serial <= client->n_sent, "a serial that was sent");
		require(++client->n_answers[serial] == 1, "one answer");
	}
}

static void read_all(struct client *client)
{
	struct ipc_message message;
	int r = 0;

	if (client->fd < 0)
		return;
	while (r == 0) {
		r = ipc_conn_next(client->conn, &message, NULL);
		require(r != -EPROTO, "a message");
		if (r == 0)
			check_message(client, &message);
		else
			r = ipc_conn_recv(client->conn);
	}
	if (r != -EAGAIN)
		client->cut = true;
}

static int make_descriptor(unsigned kind)
{
	int ends[2], fd;

	switch (kind % 4) {
	case 0:
		fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		require(ftruncate(fd, POOL_BYTES) == 0, "memory");
		fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
		return fd;
	case 1:
		return memfd_create("fuzz", MFD_CLOEXEC);
	case 2:
		require(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
		close(ends[1]);
		return ends[0];
	default:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	}
}

/* Whole or not at all: what does not fit the socket is not sent. */
static void post(struct client *client, const void *bytes, size_t size, const int *fds, size_t n_fds)
{
	struct iovec part = {(void *)(uintptr_t)bytes, size};
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	if (n_fds) {
		struct cmsghdr *cmsg = (struct cmsghdr *)(void *)control.bytes;

		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	}
	n = sendmsg(client->fd, &header, MSG_NOSIGNAL);
	if (n != (ssize_t)size)
		client->is_raw = true;
}

static void send_message(struct client *client, const uint8_t *record, const uint8_t *body, size_t length)
{
	uint8_t bytes[16 + UINT8_MAX];
	uint32_t n_fds = (record[1] & 15u) > 8 ? (record[1] & 15u) - 8 : 0;
	uint32_t header[4] = {IPC_MAGIC, record[0] | (n_fds + (record[1] >> 4)) << 16, (uint32_t)length, 0};
	int fds[8];

	if (client->n_sent + 1 >= SERIALS_MAX)
		return;
	header[3] = ++client->n_sent;
	memcpy(bytes, header, sizeof(header));
	memcpy(bytes + 16, body, length);
	for (uint32_t i = 0; i < n_fds; i++)
		fds[i] = make_descriptor(record[1] + i);
	post(client, bytes, 16 + length, fds, n_fds);
	for (uint32_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

static void send_memories(struct client *client, const uint8_t *record, const uint8_t *body, size_t length)
{
	uint8_t bytes[16 + UINT8_MAX];
	uint32_t n_fds = record[1] & 15u, again = record[1] >> 4;
	uint32_t header[4] = {IPC_MAGIC, record[0] | n_fds << 16, (uint32_t)length, client->n_sent + 1};
	int fds[FDS_MAX], sent[FDS_MAX];

	if (client->n_sent + 1 >= SERIALS_MAX)
		return;
	client->n_sent++;
	memcpy(bytes, header, sizeof(header));
	memcpy(bytes + 16, body, length);
	for (uint32_t i = 0; i < n_fds; i++)
		sent[i] = fds[i] = make_descriptor(0);
	if (n_fds && again && again <= n_fds)
		sent[n_fds - 1] = fds[again - 1];
	post(client, bytes, 16 + length, sent, n_fds);
	for (uint32_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

/* Bytes that the daemon has yet to read: those of messages with descriptors take it a turn each. */
static bool is_unread(const struct client *client)
{
	int bytes = 0;

	return client->fd >= 0 && !client->cut && !client->is_raw && ioctl(client->fd, SIOCOUTQ, &bytes) == 0 &&
	       bytes > 0;
}

/* Nothing is on its way any more: who is still there has an answer to everything. */
static void settle(void)
{
	bool pending = true;

	while (pending) {
		finish_frames();
		pending = false;
		for (int i = 0; i < CLIENTS; i++) {
			int before = rig.host.n_sessions;

			read_all(&clients[i]);
			turn();
			pending |= before != rig.host.n_sessions || is_unread(&clients[i]);
		}
		pending |= !dispatch_idle(&rig.dispatch) || !session_all_sent(&rig.host);
	}
	for (int i = 0; i < CLIENTS; i++) {
		read_all(&clients[i]);
		if (clients[i].fd < 0 || clients[i].cut || clients[i].is_raw)
			continue;
		for (uint32_t serial = 1; serial <= clients[i].n_sent; serial++)
			require(clients[i].n_answers[serial] == 1, "an answer");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	for (int i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	while (data < end) {
		struct client *client = &clients[data[0] / 16 % CLIENTS];
		unsigned what = *data++ % 16;
		size_t length;

		if (what == 0) {
			connect_client(client);
		} else if (what == 1) {
			hang_up(client);
		} else if ((what == 2 || what == 8) && end - data >= 3) {
			length = data[2] < end - data - 3 ? data[2] : (size_t)(end - data - 3);
			if (client->fd >= 0)
				(what == 2 ? send_message : send_memories)(client, data, data + 3, length);
			data += 3 + length;
		} else if (what == 3 && end - data >= 1) {
			length = data[0] < end - data - 1 ? data[0] : (size_t)(end - data - 1);
			client->is_raw = true;
			if (client->fd >= 0)
				post(client, data + 1, length, NULL, 0);
			data += 1 + length;
		} else if (what == 4) {
			turn();
		} else if (what == 5) {
			finish_frames();
		} else if (what == 6) {
			read_all(client);
		} else if (what == 7) {
			reload();
		}
	}
	settle();
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&clients[i]);
	while (rig.host.n_sessions || rig.host.n_streams)
		finish_frames();
	require(rig.host.pool_bytes == 0, "memory that was given back");
	if (rig.generation)
		reload();
	return 0;
}
