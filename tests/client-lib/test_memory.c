/* test_memory.c - streams whose buffers are memories of the client's own, one for each: the installed interface. */
#include <errno.h>
#include <fcntl.h>
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
#include "support/test.h"

TEST_SUITE(memory);

#define SIDE	64
#define BUFFERS 4
#define SEALS	(F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static const struct inferd_frame frame_in_place = {.format = INFERD_GRAY8, .width = SIDE, .height = SIDE};

struct rig {
	struct fixture fixture;
	struct inferd *client;
	int fds[BUFFERS];
	uint8_t *pixels[BUFFERS];
	/* by on_result() */
	int n_results;
	enum inferd_status status;
	char label[16];
};

static void on_result(struct inferd_stream *stream, const struct inferd_result *result, void *user)
{
	struct rig *rig = user;

	(void)stream;
	rig->n_results++;
	rig->status = result->status;
	snprintf(rig->label, sizeof(rig->label), "%s", result->n_items ? result->items[0].label : "");
}

static int make_memory(uint8_t **ret_pixels, int seals)
{
	int fd = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *pixels;

	cr_assert_eq(ftruncate(fd, SIDE * SIDE), 0);
	pixels = mmap(NULL, SIDE * SIDE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(pixels, MAP_FAILED);
	if (seals)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	*ret_pixels = pixels;
	return fd;
}

static void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	fixture_init(&rig->fixture);
	fixture_configure(&rig->fixture, fixture_models);
	fixture_start(&rig->fixture);
	cr_assert_eq(inferd_connect(rig->fixture.socket, "memory", &rig->client), 0);
	for (int i = 0; i < BUFFERS; i++)
		rig->fds[i] = make_memory(&rig->pixels[i], SEALS);
}

static void rig_finish(struct rig *rig)
{
	inferd_close(rig->client);
	for (int i = 0; i < BUFFERS; i++) {
		munmap(rig->pixels[i], SIDE * SIDE);
		close(rig->fds[i]);
	}
	fixture_stop(&rig->fixture);
}

static int open_with(struct rig *rig, const int *fds, int fd, struct inferd_stream **ret_stream)
{
	struct inferd_stream_options options = {.model = "tiny",
						.n_buffers = BUFFERS,
						.buffer_bytes = SIDE * SIDE,
						.import_fds = fds,
						.import_fd = fd,
						.on_result = on_result,
						.user = rig};

	return inferd_stream_open(rig->client, &options, ret_stream);
}

/* The frame in this buffer, whose pixels are there. */
static void expect_label(struct rig *rig, struct inferd_stream *stream, uint32_t index, const char *label)
{
	int before = rig->n_results;
	struct inferd_buffer buffer;

	cr_assert_eq(inferd_acquire_at(stream, index, &buffer), 0, "%s", inferd_error(rig->client));
	cr_assert_eq(buffer.index, index);
	cr_assert_eq(buffer.bytes, (size_t)SIDE * SIDE);
	cr_assert_eq(inferd_acquire_at(stream, index, &buffer), -EAGAIN);
	cr_assert_eq(inferd_submit(stream, &buffer, &frame_in_place, NULL), 0, "%s", inferd_error(rig->client));
	cr_assert_eq(inferd_acquire_at(stream, index, &buffer), -EAGAIN, "it is the daemon's");
	while (rig->n_results == before)
		cr_assert_geq(inferd_dispatch(rig->client, 60000), 0);
	cr_assert_eq((int)rig->status, (int)INFERD_OK);
	cr_assert_str_eq(rig->label, label);
}

Test(memory, each_buffer_may_have_one)
{
	static const uint32_t order[] = {2, 0, 3, 1, 1, 3};
	struct inferd_stream *stream;
	struct inferd_buffer buffer;
	struct rig rig;
	int before;

	rig_init(&rig);
	before = test_count_fds();
	cr_assert_eq(open_with(&rig, rig.fds, 0, &stream), 0, "%s", inferd_error(rig.client));
	for (int i = 0; i < 6; i++) {
		memset(rig.pixels[order[i]], i % 2 ? 255 : 0, SIDE * SIDE);
		expect_label(&rig, stream, order[i], i % 2 ? "white" : "black");
	}
	cr_assert_eq(inferd_acquire_at(stream, BUFFERS, &buffer), -EINVAL);
	/* What is written into a buffer is in the memory. */
	for (uint32_t i = 0; i < BUFFERS; i++) {
		cr_assert_eq(inferd_acquire(stream, &buffer), 0);
		((uint8_t *)buffer.data)[7] = (uint8_t)(40 + i);
		cr_assert_eq(rig.pixels[buffer.index][7], 40 + i);
	}
	cr_assert_eq(inferd_acquire(stream, &buffer), -EAGAIN);
	cr_assert_eq(inferd_stream_close(stream), 0);
	cr_assert_eq(test_count_fds(), before);
	rig_finish(&rig);
}

Test(memory, of_the_caller_may_be_closed_once_the_stream_is_open)
{
	struct inferd_stream *stream;
	int fds[BUFFERS];
	struct rig rig;
	char *text;

	rig_init(&rig);
	for (int i = 0; i < BUFFERS; i++)
		fds[i] = fcntl(rig.fds[i], F_DUPFD_CLOEXEC, 0);
	cr_assert_eq(open_with(&rig, fds, 0, &stream), 0, "%s", inferd_error(rig.client));
	for (int i = 0; i < BUFFERS; i++)
		close(fds[i]);
	memset(fds, 255, sizeof(fds));
	memset(rig.pixels[3], 255, SIDE * SIDE);
	expect_label(&rig, stream, 3, "white");
	/* They are the next daemon's, too. */
	fixture_end_daemon(&rig.fixture);
	fixture_start(&rig.fixture);
	cr_assert_eq(inferd_dispatch(rig.client, 0), 0);
	/* The stream is opened anew before a report is asked for. */
	cr_assert_eq(inferd_query(rig.client, "status", 60000, &text), 0, "%s", inferd_error(rig.client));
	inferd_text_free(text);
	memset(rig.pixels[2], 255, SIDE * SIDE);
	expect_label(&rig, stream, 2, "white");
	rig_finish(&rig);
}

Test(memory, that_is_refused_leaves_nothing_behind)
{
	uint8_t *pixels;
	struct inferd_stream *stream = NULL;
	int before, fds[BUFFERS], ends[2];
	struct rig rig;
	int unsealed = make_memory(&pixels, 0), small = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(fcntl(small, F_ADD_SEALS, SEALS), 0);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	rig_init(&rig);
	before = test_count_fds();
	for (int at = 0; at < BUFFERS; at++) {
		const struct {
			int fd, error;
		} cases[] = {{-1, -EBADF},	 {unsealed, -EPERM}, {small, -EINVAL},
			     {ends[0], -EINVAL}, {ends[1], -EINVAL}, {rig.fds[(at + 1) % BUFFERS], -EINVAL}};

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			memcpy(fds, rig.fds, sizeof(fds));
			fds[at] = cases[i].fd;
			cr_assert_eq(open_with(&rig, fds, 0, &stream), cases[i].error, "%zu at %d: %s", i, at,
				     inferd_error(rig.client));
			cr_assert_eq(test_count_fds(), before);
		}
	}
	cr_assert_eq(open_with(&rig, rig.fds, unsealed, &stream), -EINVAL, "one or the other");
	cr_assert_null(stream);
	cr_assert_eq(open_with(&rig, rig.fds, 0, &stream), 0, "%s", inferd_error(rig.client));
	rig_finish(&rig);
}

/* As the buffers of a camera are, which only its driver fills. */
Test(memory, that_may_only_be_read_takes_no_copies)
{
	struct inferd_frame frame = frame_in_place;
	const struct inferd_result *result;
	struct inferd_stream *stream;
	int fds[BUFFERS];
	char path[64];
	struct rig rig;

	rig_init(&rig);
	for (int i = 0; i < BUFFERS; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", rig.fds[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
	cr_assert_eq(open_with(&rig, fds, 0, &stream), 0, "%s", inferd_error(rig.client));
	frame.data = rig.pixels[0];
	frame.bytes = SIDE * SIDE;
	cr_assert_eq(inferd_run(stream, &frame, 60000, &result), -EPERM);
	cr_assert(strstr(inferd_error(rig.client), "only be read"), "%s", inferd_error(rig.client));
	memset(rig.pixels[1], 255, SIDE * SIDE);
	expect_label(&rig, stream, 1, "white");
	for (int i = 0; i < BUFFERS; i++)
		close(fds[i]);
	rig_finish(&rig);
}

/* ---- a daemon from before ------------------------------------------------------------------------- */

static void next(struct ipc_conn *conn, struct ipc_message *ret_message)
{
	int r;

	while ((r = ipc_conn_next(conn, ret_message, NULL)) == -EAGAIN) {
		struct pollfd fd = {.fd = ipc_conn_fd(conn), .events = POLLIN};

		poll(&fd, 1, 60000);
		r = ipc_conn_recv(conn);
		if (r < 0 && r != -EAGAIN)
			_exit(2);
	}
	if (r < 0)
		_exit(3);
}

/* Welcomes as version 1 did at first; the next message has to be a query, without descriptors. */
static void be_old(int listening)
{
	struct ipc_welcome welcome = {.version = IPC_VERSION, .server = "old"};
	struct ipc_message message;
	struct ipc_writer writer;
	struct ipc_conn *conn;

	if (ipc_conn_create(accept(listening, NULL, NULL), IPC_REQUEST_MAX, &conn) < 0)
		_exit(4);
	ipc_writer_init(&writer);
	next(conn, &message);
	ipc_put_welcome(&writer, &welcome);
	ipc_conn_send(conn, IPC_WELCOME, message.header.serial, writer.data, writer.size, -1);
	next(conn, &message);
	_exit(message.header.type == IPC_QUERY && message.header.n_fds == 0 ? 0 : 1);
}

Test(memory, is_not_sent_to_a_daemon_that_takes_only_one)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/inferd-old-XXXXXX"};
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[BUFFERS], status;
	struct inferd_stream_options options = {
		.model = "tiny", .n_buffers = BUFFERS, .buffer_bytes = SIDE * SIDE, .import_fds = fds};
	struct inferd_stream *stream;
	struct inferd *client;
	uint8_t *pixels;
	char *text;
	pid_t pid;

	close(mkstemp(address.sun_path));
	unlink(address.sun_path);
	cr_assert_eq(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listening, 1), 0);
	for (int i = 0; i < BUFFERS; i++)
		fds[i] = make_memory(&pixels, SEALS);
	pid = fork();
	if (pid == 0)
		be_old(listening);
	cr_assert_eq(inferd_connect(address.sun_path, "new", &client), 0);
	cr_assert_eq(inferd_stream_open(client, &options, &stream), -ENOTSUP);
	cr_assert(strstr(inferd_error(client), "no more than 1"), "%s", inferd_error(client));
	cr_assert_lt(inferd_query(client, "status", 10000, &text), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(WEXITSTATUS(status), 0, "%d", WEXITSTATUS(status));
	inferd_close(client);
	unlink(address.sun_path);
}
