/* Sessions over a socketpair, on a loop that the test turns by hand, with one lane and one small network. */
#include "daemon/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"
#include "test_tiny.h"

TEST_SUITE(session);

struct rig {
	struct test_tiny tiny;
	uv_loop_t loop;
	struct dispatch dispatch;
	struct session_host host;
	int streams_changes;
	char last_query[64];
	struct ipc_conn *client;
	struct ipc_writer writer;
};

static struct rig *rig_of(struct session_host *host)
{
	return (struct rig *)(void *)((char *)host - offsetof(struct rig, host));
}

static void on_query(struct session_host *host, struct session *session, uint32_t serial, const char *what)
{
	snprintf(rig_of(host)->last_query, sizeof(rig_of(host)->last_query), "%s", what);
	session_error(session, serial, EINVAL, "asked %s", what);
}

static void on_streams(struct session_host *host)
{
	rig_of(host)->streams_changes++;
}

static void rig_init_for(struct rig *rig, const char *limits, const char *access, uid_t uid)
{
	char settings[256];
	int ends[2];

	memset(rig, 0, sizeof(*rig));
	snprintf(settings, sizeof(settings), "limits: {streams_per_client: 2, pool_mb_per_client: 1%s}", limits);
	test_tiny_init(&rig->tiny, settings, access);
	cr_assert_eq(uv_loop_init(&rig->loop), 0);
	cr_assert_eq(dispatch_init(&rig->dispatch, &rig->loop, &rig->tiny.governor, &test_tiny_lane, 1, 1 << 20), 0);
	rig->dispatch.on_home = session_on_home;
	session_host_init(&rig->host, &rig->loop, &rig->dispatch);
	rig->host.config = rig->tiny.config;
	rig->host.models = rig->tiny.models;
	rig->host.on_query = on_query;
	rig->host.on_streams = on_streams;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	cr_assert_eq(session_create(&rig->host, ends[0],
				    &(struct peer){.pid = getpid(), .uid = uid, .n_groups = 1, .groups = {77}}),
		     0);
	cr_assert_eq(ipc_conn_create(ends[1], IPC_BODY_MAX, &rig->client), 0);
	ipc_writer_init(&rig->writer);
}

static void rig_init(struct rig *rig)
{
	rig_init_for(rig, "", "", getuid());
}

static void rig_finish(struct rig *rig)
{
	ipc_conn_destroy(rig->client);
	ipc_writer_finish(&rig->writer);
	while (rig->host.sessions)
		session_close(rig->host.sessions);
	dispatch_finish(&rig->dispatch);
	session_tidy(&rig->host);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&rig->loop), 0);
	session_host_finish(&rig->host);
	test_tiny_finish(&rig->tiny);
}

static void send_message(struct rig *rig, enum ipc_type type, uint32_t serial)
{
	cr_assert_eq(ipc_conn_send(rig->client, (uint16_t)type, serial, rig->writer.data, rig->writer.size, -1), 0);
	ipc_writer_reset(&rig->writer);
}

/* Answers come from the lane, past the loop. */
static void wait_for_news(struct rig *rig)
{
	struct pollfd fds[] = {{.fd = ipc_conn_fd(rig->client), .events = POLLIN},
			       {.fd = uv_backend_fd(&rig->loop), .events = POLLIN}};

	int timeout_ms;

	/* What was started since the last turn is known to the kernel only after one. */
	uv_run(&rig->loop, UV_RUN_NOWAIT);
	session_tidy(&rig->host);
	timeout_ms = uv_backend_timeout(&rig->loop);
	cr_assert(poll(fds, 2, timeout_ms >= 0 ? timeout_ms : 20000) > 0 || timeout_ms >= 0,
		  "neither the client nor the loop hears anything");
}

/* Turns the loop until the client has a message, or the session is gone. */
static int receive(struct rig *rig, struct ipc_message *ret_message)
{
	for (;;) {
		int rc = ipc_conn_next(rig->client, ret_message, NULL);

		if (rc != -EAGAIN)
			return rc;
		rc = ipc_conn_recv(rig->client);
		if (rc == 0)
			continue;
		if (rc != -EAGAIN)
			return rc;
		session_tidy(&rig->host);
		wait_for_news(rig);
	}
}

static void expect(struct rig *rig, enum ipc_type type, uint32_t serial)
{
	struct ipc_message message;

	cr_assert_eq(receive(rig, &message), 0);
	cr_assert_eq((int)message.header.type, (int)type, "type %d", message.header.type);
	cr_assert_eq(message.header.serial, serial);
	for (int i = 0; i < message.header.n_fds; i++)
		close(message.fds[i]);
}

static void greet(struct rig *rig)
{
	ipc_put_hello(&rig->writer, &(struct ipc_hello){.version = IPC_VERSION, .client = "test"});
	send_message(rig, IPC_HELLO, 1);
	expect(rig, IPC_WELCOME, 1);
}

static void open_stream(struct rig *rig, uint32_t slot_bytes, enum ipc_type answer)
{
	struct ipc_stream_open open = {.model = "tiny", .n_slots = 1, .slot_bytes = slot_bytes};

	ipc_put_stream_open(&rig->writer, &open);
	send_message(rig, IPC_STREAM_OPEN, 2);
	expect(rig, answer, 2);
}

Test(session, query_reaches_the_host_and_is_answered_under_its_serial)
{
	struct rig rig;

	rig_init(&rig);
	greet(&rig);
	ipc_put_query(&rig.writer, "status");
	send_message(&rig, IPC_QUERY, 42);
	expect(&rig, IPC_ERROR, 42);
	cr_assert_str_eq(rig.last_query, "status");
	rig_finish(&rig);
}

Test(session, second_hello_ends_it)
{
	struct rig rig;
	struct ipc_message message;

	rig_init(&rig);
	greet(&rig);
	ipc_put_hello(&rig.writer, &(struct ipc_hello){.version = IPC_VERSION});
	send_message(&rig, IPC_HELLO, 2);
	expect(&rig, IPC_ERROR, 0);
	cr_assert_lt(receive(&rig, &message), 0);
	cr_assert_eq(rig.host.n_sessions, 0);
	rig_finish(&rig);
}

Test(session, streams_are_counted_and_their_memory_given_back)
{
	struct rig rig;

	rig_init(&rig);
	greet(&rig);
	open_stream(&rig, 600 << 10, IPC_STREAM_OPENED);
	open_stream(&rig, 600 << 10, IPC_ERROR);
	open_stream(&rig, 100 << 10, IPC_STREAM_OPENED);
	open_stream(&rig, 1, IPC_ERROR);
	cr_assert_eq(rig.host.n_streams, 2);
	cr_assert_eq(rig.streams_changes, 1);
	ipc_put_stream_close(&rig.writer, 1);
	send_message(&rig, IPC_STREAM_CLOSE, 9);
	expect(&rig, IPC_DONE, 9);
	open_stream(&rig, 600 << 10, IPC_STREAM_OPENED);
	cr_assert_eq(rig.host.n_streams, 2);
	rig_finish(&rig);
	cr_assert_eq(rig.host.n_streams, 0);
	cr_assert_eq(rig.streams_changes, 2);
}

Test(session, frame_is_answered_and_its_slot_is_free_again)
{
	struct rig rig;
	struct ipc_message message;
	struct ipc_frame frame = {
		.stream = 1, .seq = 5, .format = IPC_GRAY8, .width = 16, .height = 16, .stride = {16}};
	struct ipc_result result;
	void *storage;

	rig_init(&rig);
	greet(&rig);
	open_stream(&rig, 4096, IPC_STREAM_OPENED);
	for (uint32_t i = 0; i < 50; i++) {
		ipc_put_frame(&rig.writer, &frame);
		send_message(&rig, IPC_FRAME, 100 + i);
		cr_assert_eq(receive(&rig, &message), 0);
		cr_assert_eq((int)message.header.type, (int)IPC_RESULT, "type %d", message.header.type);
		cr_assert_eq(message.header.serial, 100 + i);
		cr_assert_eq(ipc_get_result(message.body, message.header.length, &result, &storage, NULL), 0);
		cr_assert_eq((int)result.status, (int)IPC_OK, "%s", result.text);
		cr_assert_eq((int)result.items[0].index, 0);
		ipc_storage_free(storage);
	}
	rig_finish(&rig);
}

/* No timer runs here: a lane that does not call when it must is never heard of. */
Test(session, frames_that_wait_are_started_when_the_lane_is_free)
{
	struct ipc_stream_open open = {.model = "tiny", .n_slots = 4, .slot_bytes = 4096};
	struct rig rig;
	struct ipc_message message;

	rig_init(&rig);
	greet(&rig);
	ipc_put_stream_open(&rig.writer, &open);
	send_message(&rig, IPC_STREAM_OPEN, 2);
	expect(&rig, IPC_STREAM_OPENED, 2);
	for (int round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 4; i++) {
			ipc_put_frame(&rig.writer, &(struct ipc_frame){.stream = 1,
								       .seq = 1 + i,
								       .slot = i,
								       .format = IPC_GRAY8,
								       .width = 16,
								       .height = 16,
								       .stride = {16}});
			send_message(&rig, IPC_FRAME, i);
		}
		for (uint32_t i = 0; i < 4; i++) {
			cr_assert_eq(receive(&rig, &message), 0);
			cr_assert_eq((int)message.header.type, (int)IPC_RESULT);
			cr_assert_eq(message.header.serial, i);
		}
	}
	rig_finish(&rig);
}

Test(session, end_of_a_frame_lets_its_stream_close)
{
	struct rig rig;

	rig_init(&rig);
	greet(&rig);
	for (uint32_t stream = 1; stream <= 50; stream++) {
		open_stream(&rig, 4096, IPC_STREAM_OPENED);
		ipc_put_frame(&rig.writer, &(struct ipc_frame){.stream = stream,
							       .seq = 1,
							       .format = IPC_GRAY8,
							       .width = 16,
							       .height = 16,
							       .stride = {16}});
		send_message(&rig, IPC_FRAME, 3);
		ipc_put_stream_close(&rig.writer, stream);
		send_message(&rig, IPC_STREAM_CLOSE, 4);
		expect(&rig, IPC_RESULT, 3);
		expect(&rig, IPC_DONE, 4);
	}
	rig_finish(&rig);
}

Test(session, death_with_a_frame_on_the_lane_leaves_nothing)
{
	struct rig rig;
	struct ipc_frame frame = {
		.stream = 1, .seq = 5, .format = IPC_GRAY8, .width = 16, .height = 16, .stride = {16}};

	rig_init(&rig);
	greet(&rig);
	open_stream(&rig, 4096, IPC_STREAM_OPENED);
	ipc_put_frame(&rig.writer, &frame);
	send_message(&rig, IPC_FRAME, 3);
	/* rig_finish() closes at once: whatever the lane has reached, the leak check and TSan judge. */
	uv_run(&rig.loop, UV_RUN_NOWAIT);
	rig_finish(&rig);
	cr_assert_eq(rig.host.n_streams, 0);
}

Test(session, a_model_is_for_its_users_and_groups)
{
	static const struct {
		const char *access;
		uid_t uid;
		enum ipc_type answer;
	} cases[] = {
		{"    users: [4000]\n", 4000, IPC_STREAM_OPENED},
		{"    users: [4000]\n", 4001, IPC_ERROR},
		{"    users: [4000]\n", 0, IPC_STREAM_OPENED},
		{"    groups: [77]\n", 4001, IPC_STREAM_OPENED},
		{"    groups: [78, 79]\n", 4001, IPC_ERROR},
		{"    users: [1, 2]\n    groups: [77]\n", 4001, IPC_STREAM_OPENED},
		{"    users: [1, root]\n", 4001, IPC_ERROR},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig rig;

		rig_init_for(&rig, "", cases[i].access, cases[i].uid);
		greet(&rig);
		open_stream(&rig, 4096, cases[i].answer);
		rig_finish(&rig);
	}
}

/* The next client, of another user; the one before goes to ret_before. */
static void join(struct rig *rig, uid_t uid, struct ipc_conn **ret_before)
{
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	cr_assert_eq(session_create(&rig->host, ends[0], &(struct peer){.pid = getpid(), .uid = uid}), 0);
	*ret_before = rig->client;
	cr_assert_eq(ipc_conn_create(ends[1], IPC_BODY_MAX, &rig->client), 0);
	greet(rig);
}

/* Of two megabytes pools may have one, a user half of what the others leave of it, and an owner all of that. */
Test(session, no_user_takes_the_memory_that_is_for_all)
{
	static const char budget[] = "}\nmemory_budget_mb: 2\npolicy: {min_fps: 2";
	struct ipc_conn *before[2];
	struct rig rig;

	rig_init_for(&rig, budget, "", 4000);
	greet(&rig);
	open_stream(&rig, 600 << 10, IPC_ERROR);
	open_stream(&rig, 512 << 10, IPC_STREAM_OPENED);
	open_stream(&rig, 4096, IPC_ERROR);
	join(&rig, 4001, &before[0]);
	open_stream(&rig, 260 << 10, IPC_ERROR);
	open_stream(&rig, 256 << 10, IPC_STREAM_OPENED);
	join(&rig, 0, &before[1]);
	open_stream(&rig, 260 << 10, IPC_ERROR);
	open_stream(&rig, 256 << 10, IPC_STREAM_OPENED);
	ipc_conn_destroy(before[0]);
	ipc_conn_destroy(before[1]);
	rig_finish(&rig);
}

Test(session, messages_over_the_rate_get_errors_and_wait)
{
	struct rig rig;
	struct ipc_message message;
	int refused = 0;

	rig_init_for(&rig, ", messages_per_second: 5", "", getuid());
	greet(&rig);
	for (uint32_t i = 0; i < 9; i++) {
		ipc_put_query(&rig.writer, "status");
		send_message(&rig, IPC_QUERY, 10 + i);
	}
	for (uint32_t i = 0; i < 9; i++) {
		struct ipc_error error;
		void *storage;

		cr_assert_eq(receive(&rig, &message), 0);
		cr_assert_eq(message.header.serial, 10 + i);
		cr_assert_eq(ipc_get_error(message.body, message.header.length, &error, &storage, NULL), 0);
		refused += error.code == EBUSY && strstr(error.text, "5 messages a second");
		ipc_storage_free(storage);
	}
	/* At least the one after the burst; how many of the later ones depends on how long this took. */
	cr_assert_geq(refused, 1);
	cr_assert_eq(rig.host.n_sessions, 1);
	rig_finish(&rig);
}

Test(session, answers_left_unread_cost_the_connection)
{
	struct rig rig;
	static char body[32 << 10];

	rig_init_for(&rig, ", unread_seconds: 1", "", getuid());
	greet(&rig);
	/* More than the socket takes, less than what may wait at most. */
	memset(body, 'x', sizeof(body) - 1);
	for (int i = 0; i < 16; i++) {
		struct ipc_writer *writer = &rig.host.writer;

		ipc_writer_reset(writer);
		ipc_put_text(writer, body);
		session_reply(rig.host.sessions, IPC_REPORT, 1, writer);
	}
	/* It is only looked at because it goes on asking. */
	ipc_put_query(&rig.writer, "status");
	send_message(&rig, IPC_QUERY, 2);
	while (rig.host.n_sessions) {
		session_tidy(&rig.host);
		uv_run(&rig.loop, UV_RUN_ONCE);
	}
	cr_assert_str_eq(rig.last_query, "");
	rig_finish(&rig);
}

Test(session, a_stream_may_bring_its_own_memory)
{
	struct ipc_stream_open open = {.model = "tiny", .n_slots = 1, .slot_bytes = 4096};
	int fd = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING), fds;
	struct ipc_message message;
	struct rig rig;

	/* The first loop of a process opens descriptors that stay. */
	rig_init(&rig);
	rig_finish(&rig);
	fds = test_count_fds();
	rig_init(&rig);
	greet(&rig);
	cr_assert_eq(ftruncate(fd, 4096), 0);
	for (int sealed = 0; sealed < 2; sealed++) {
		if (sealed)
			cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
		ipc_put_stream_open(&rig.writer, &open);
		cr_assert_eq(ipc_conn_send(rig.client, IPC_STREAM_OPEN, 2, rig.writer.data, rig.writer.size, fd), 0);
		ipc_writer_reset(&rig.writer);
		cr_assert_eq(receive(&rig, &message), 0);
		cr_assert_eq((int)message.header.type, (int)(sealed ? IPC_STREAM_OPENED : IPC_ERROR));
		cr_assert_eq((int)message.header.n_fds, 0);
	}
	ipc_put_frame(&rig.writer,
		      &(struct ipc_frame){
			      .stream = 1, .seq = 1, .format = IPC_GRAY8, .width = 16, .height = 16, .stride = {16}});
	send_message(&rig, IPC_FRAME, 3);
	expect(&rig, IPC_RESULT, 3);
	rig_finish(&rig);
	cr_assert_eq(test_count_fds(), fds);
	close(fd);
}

/* ---- a memory for each slot ----------------------------------------------------------------------- */

#define MEMORIES 3

/* Sealed memories for slots of a page. */
static void make_memories(int *fds, int n)
{
	for (int i = 0; i < n; i++) {
		fds[i] = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		cr_assert_eq(ftruncate(fds[i], 4096), 0);
		cr_assert_eq(fcntl(fds[i], F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
	}
}

static void close_all(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

/* Asks for a stream of three slots with these; the answer's type. */
static enum ipc_type open_with(struct rig *rig, const int *fds, unsigned n_fds)
{
	struct ipc_stream_open open = {.model = "tiny", .n_slots = MEMORIES, .slot_bytes = 4096};
	struct ipc_message message;

	ipc_put_stream_open(&rig->writer, &open);
	cr_assert_eq(ipc_conn_send_fds(rig->client, IPC_STREAM_OPEN, 2, rig->writer.data, rig->writer.size, fds, n_fds),
		     0);
	ipc_writer_reset(&rig->writer);
	cr_assert_eq(receive(rig, &message), 0);
	cr_assert_eq(message.header.serial, 2u);
	cr_assert_eq(message.header.n_fds, 0);
	return (enum ipc_type)message.header.type;
}

static const struct ipc_frame memory_frame = {
	.stream = 1, .seq = 1, .slot = 0, .format = IPC_GRAY8, .width = 64, .height = 64, .stride = {64}};

static void send_frame(struct rig *rig, struct ipc_frame frame, uint32_t serial)
{
	ipc_put_frame(&rig->writer, &frame);
	send_message(rig, IPC_FRAME, serial);
}

/* The class of the frame in this slot: 0 the darkest, 3 the brightest. */
static void expect_class(struct rig *rig, uint32_t slot, uint32_t class)
{
	struct ipc_frame frame = memory_frame;
	struct ipc_message message;
	struct ipc_result result;
	void *storage;

	frame.slot = slot;
	frame.seq = 10 + slot;
	send_frame(rig, frame, 10 + slot);
	cr_assert_eq(receive(rig, &message), 0);
	cr_assert_eq((int)message.header.type, (int)IPC_RESULT);
	cr_assert_eq(ipc_get_result(message.body, message.header.length, &result, &storage, NULL), 0);
	cr_assert_eq((int)result.status, (int)IPC_OK, "%s", result.text);
	cr_assert_eq(result.items[0].index, class);
	ipc_storage_free(storage);
}

Test(session, a_stream_may_bring_a_memory_for_each_slot)
{
	int own[MEMORIES], fds;
	uint8_t white[4096];
	struct rig rig;

	rig_init(&rig);
	rig_finish(&rig);
	fds = test_count_fds();
	rig_init(&rig);
	greet(&rig);
	make_memories(own, MEMORIES);
	memset(white, 255, sizeof(white));
	cr_assert_eq(pwrite(own[1], white, sizeof(white), 0), (ssize_t)sizeof(white));
	cr_assert_eq((int)open_with(&rig, own, MEMORIES), (int)IPC_STREAM_OPENED);
	close_all(own, MEMORIES);
	cr_assert_eq(rig.host.pool_bytes, (size_t)MEMORIES * 4096, "it counts as what it is");
	expect_class(&rig, 1, 3);
	expect_class(&rig, 0, 0);
	expect_class(&rig, 2, 0);
	/* What lies beyond one memory is not in the next. */
	for (uint32_t i = 0; i < 3; i++) {
		struct ipc_frame frame = memory_frame;

		frame.seq = 50 + i;
		if (i == 0)
			frame.offset[0] = 1;
		else if (i == 1)
			frame.slot = MEMORIES;
		else
			frame.stride[0] = 65;
		send_frame(&rig, frame, 50 + i);
		expect(&rig, IPC_ERROR, 50 + i);
	}
	expect_class(&rig, 1, 3);
	/* The client dies, with a frame on its way. */
	send_frame(&rig, memory_frame, 60);
	rig_finish(&rig);
	cr_assert_eq(test_count_fds(), fds);
}

Test(session, memories_that_are_refused_leave_nothing_behind)
{
	int own[4], fds, ends[2], wrong[MEMORIES];
	struct ipc_message message;
	struct rig rig;

	rig_init(&rig);
	rig_finish(&rig);
	make_memories(own, 4);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	fds = test_count_fds();
	rig_init(&rig);
	greet(&rig);
	cr_assert_eq((int)open_with(&rig, own, 2), (int)IPC_ERROR);
	cr_assert_eq((int)open_with(&rig, own, 4), (int)IPC_ERROR);
	memcpy(wrong, own, sizeof(wrong));
	wrong[2] = own[0];
	cr_assert_eq((int)open_with(&rig, wrong, MEMORIES), (int)IPC_ERROR, "one of them twice");
	wrong[2] = ends[0];
	cr_assert_eq((int)open_with(&rig, wrong, MEMORIES), (int)IPC_ERROR, "a pipe");
	wrong[2] = ipc_conn_fd(rig.client);
	cr_assert_eq((int)open_with(&rig, wrong, MEMORIES), (int)IPC_ERROR, "a socket");
	wrong[2] = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq((int)open_with(&rig, wrong, MEMORIES), (int)IPC_ERROR, "an empty memory");
	cr_assert_eq(ftruncate(wrong[2], 4096), 0);
	cr_assert_eq((int)open_with(&rig, wrong, MEMORIES), (int)IPC_ERROR, "one that is not sealed");
	close(wrong[2]);
	cr_assert_eq(rig.host.pool_bytes, (size_t)0);
	cr_assert_eq((int)open_with(&rig, own, MEMORIES), (int)IPC_STREAM_OPENED, "the connection goes on");
	/* Other messages bring one at most, and more than there are slots no message. */
	ipc_put_gallery(&rig.writer, &(struct ipc_gallery){.what = "list"});
	cr_assert_eq(ipc_conn_send_fds(rig.client, IPC_GALLERY, 3, rig.writer.data, rig.writer.size, own, 2), 0);
	cr_assert_eq(receive(&rig, &message), 0);
	cr_assert_eq((int)message.header.type, (int)IPC_ERROR);
	cr_assert_eq(message.header.serial, 0u);
	cr_assert_eq(receive(&rig, &message), -ECONNRESET);
	rig_finish(&rig);
	cr_assert_eq(test_count_fds(), fds);
	close_all(own, 4);
	close_all(ends, 2);
}
