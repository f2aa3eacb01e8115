/* test_tensors.c - tensors in the installed interface and in inferctl; and a daemon that lies about where they are. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/inferd.h"
#include "ipc/ipc.h"
#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(tensors);

#define SIDE 64

static uint8_t white[SIDE * SIDE];

static const struct inferd_result *run(struct inferd *client, struct inferd_stream **stream, const char *model)
{
	struct inferd_stream_options options = {.model = model, .buffer_bytes = sizeof(white)};
	struct inferd_frame frame = {
		.format = INFERD_GRAY8, .width = SIDE, .height = SIDE, .data = white, .bytes = sizeof(white)};
	const struct inferd_result *result;

	memset(white, 255, sizeof(white));
	cr_assert_eq(inferd_stream_open(client, &options, stream), 0, "%s", inferd_error(client));
	cr_assert_eq(inferd_run(*stream, &frame, 60000, &result), 0, "%s", inferd_error(client));
	return result;
}

static void serve(struct fixture *fixture)
{
	char stem[512];

	fixture_init(fixture);
	snprintf(stem, sizeof(stem), "%s/detector", fixture->dir);
	tiny_detector_write(stem, 32);
	snprintf(stem, sizeof(stem), "%s/segmenter", fixture->dir);
	tiny_segmenter_write(stem, 256);
	fixture_configure(fixture, "  - {name: small, task: raw, deadline_ms: 60000,\n"
				   "     variants: [{name: v, file: detector.param}]}\n"
				   "  - {name: large, task: raw, deadline_ms: 60000,\n"
				   "     variants: [{name: v, file: segmenter.param}]}\n");
	fixture_start(fixture);
}

Test(tensors, arrive_with_the_result)
{
	const struct inferd_result *result;
	struct inferd_stream *stream;
	struct fixture fixture;
	struct inferd *client;

	serve(&fixture);
	cr_assert_eq(inferd_connect(fixture.socket, "test", &client), 0);
	result = run(client, &stream, "small");
	cr_assert_eq(result->n_tensors, 2);
	cr_assert_str_eq(result->tensors[0].name, "boxes");
	cr_assert_str_eq(inferd_type_name(result->tensors[0].type), "f32");
	cr_assert_eq(result->tensors[0].bytes, 8 * sizeof(float));
	cr_assert(((const float *)result->tensors[0].data)[7] == 1);
	inferd_stream_close(stream);
	result = run(client, &stream, "large");
	cr_assert_eq(result->n_tensors, 1);
	cr_assert_eq(result->tensors[0].bytes, 256 * 256 * sizeof(float));
	cr_assert_gt(((const float *)result->tensors[0].data)[256 * 256 - 1], 0.99f);
	inferd_close(client);
	fixture_stop(&fixture);
}

Test(tensors, are_printed_by_inferctl)
{
	struct fixture fixture;
	char command[1024], out[4096];
	FILE *pipe;
	size_t n;

	serve(&fixture);
	snprintf(
		command, sizeof(command),
		"printf 'YUV4MPEG2 W2 H2 F1:1 Cmono\\nFRAME\\n\\377\\377\\377\\377' | '%s' --socket '%s' --json run small -",
		INFERCTL_BINARY, fixture.socket);
	pipe = popen(command, "r");
	cr_assert_not_null(pipe);
	n = fread(out, 1, sizeof(out) - 1, pipe);
	out[n] = '\0';
	cr_assert_eq(WEXITSTATUS(pclose(pipe)), 0, "%s", out);
	cr_assert(strstr(out, "\"tensors\":[{\"name\":\"boxes\",\"type\":\"f32\",\"shape\":["), "%s", out);
	cr_assert(strstr(out, "\"data\":[0,0,0.5,0.5,0.5,0.5,1,1]}"), "%s", out);
	fixture_stop(&fixture);
}

/* ---- a daemon that lies --------------------------------------------------------------------------- */

/* 0, or what ended the connection. */
static int receive(struct ipc_conn *conn)
{
	struct pollfd fd = {.fd = ipc_conn_fd(conn), .events = POLLIN};
	int r;

	poll(&fd, 1, 60000);
	r = ipc_conn_recv(conn);
	return r == -EAGAIN ? 0 : r;
}

static void next(struct ipc_conn *conn, struct ipc_message *ret_message)
{
	int r;

	while ((r = ipc_conn_next(conn, ret_message, NULL)) == -EAGAIN)
		if (receive(conn) < 0)
			_exit(2);
	if (r < 0)
		_exit(3);
}

/* One client, one stream of one slot of a page, and to its one frame a result with this tensor. */
static void lie(int listening, const struct ipc_tensor *tensor)
{
	struct ipc_stream_opened opened = {.stream = 1, .n_slots = 1, .slot_bytes = 4096};
	struct ipc_result result = {.stream = 1, .seq = 1, .tensors = tensor, .n_tensors = 1};
	int pool = memfd_create("pool", MFD_CLOEXEC);
	struct ipc_writer writer;
	struct ipc_message message;
	struct ipc_conn *conn;

	if (ftruncate(pool, 4096) < 0 || ipc_conn_create(accept(listening, NULL, NULL), IPC_REQUEST_MAX, &conn) < 0)
		_exit(4);
	ipc_writer_init(&writer);
	next(conn, &message);
	ipc_put_welcome(&writer, &(struct ipc_welcome){.version = IPC_VERSION, .server = "liar"});
	ipc_conn_send(conn, IPC_WELCOME, message.header.serial, writer.data, writer.size, -1);
	next(conn, &message);
	ipc_writer_reset(&writer);
	ipc_put_stream_opened(&writer, &opened);
	ipc_conn_send(conn, IPC_STREAM_OPENED, message.header.serial, writer.data, writer.size, pool);
	next(conn, &message);
	ipc_writer_reset(&writer);
	ipc_put_result(&writer, &result);
	ipc_conn_send(conn, IPC_RESULT, message.header.serial, writer.data, writer.size, -1);
	/* Until the client has gone. */
	while (receive(conn) == 0)
		while (ipc_conn_next(conn, &message, NULL) == 0)
			continue;
	_exit(0);
}

/* Tensors that the library hands over of this one. */
static size_t count_of(const struct ipc_tensor *tensor)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status;
	const struct inferd_result *result;
	struct inferd_stream *stream;
	struct inferd *client;
	size_t count;
	pid_t liar;

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/inferd-liar-%d", (int)getpid());
	unlink(address.sun_path);
	cr_assert_eq(bind(listening, (const struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listening, 1), 0);
	liar = fork();
	if (liar == 0)
		lie(listening, tensor);
	close(listening);
	cr_assert_eq(inferd_connect(address.sun_path, "test", &client), 0);
	unlink(address.sun_path);
	result = run(client, &stream, "any");
	cr_assert_eq((int)result->status, (int)INFERD_OK);
	count = result->n_tensors;
	cr_assert_eq(result->tensors != NULL, count != 0);
	inferd_close(client);
	cr_assert_eq(waitpid(liar, &status, 0), liar);
	cr_assert_eq(status, 0);
	return count;
}

Test(tensors, that_do_not_lie_in_the_buffer_are_not_handed_over)
{
	struct ipc_tensor tensor = {.name = "t", .type = IPC_F32, .rank = 1, .dims = {16}};

	tensor.offset = 4096 - 64;
	cr_assert_eq(count_of(&tensor), 1);
	tensor.offset = 4096;
	cr_assert_eq(count_of(&tensor), 0);
	tensor.offset = IPC_SLOT_BYTES_MAX;
	cr_assert_eq(count_of(&tensor), 0);
	tensor.offset = 0;
	tensor.dims[0] = 1025;
	cr_assert_eq(count_of(&tensor), 0);
}
