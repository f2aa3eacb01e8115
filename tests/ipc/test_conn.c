/*
 * test_conn.c - the connection over socketpairs: bytes in any portions, descriptors, limits, peers that lie.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/ipc.h"
#include "support/test.h"

TEST_SUITE(conn);

/* A connection and the bare socket of its peer. */
struct pair {
	struct ipc_conn *conn;
	int peer;
};

static struct pair pair_create(uint32_t body_max)
{
	struct pair pair;
	int sockets[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0);
	cr_assert_eq(ipc_conn_create(sockets[0], body_max, &pair.conn), 0);
	pair.peer = sockets[1];
	return pair;
}

static void pair_destroy(struct pair *pair)
{
	ipc_conn_destroy(pair->conn);
	if (pair->peer >= 0)
		close(pair->peer);
}

static void put_header(uint8_t *bytes, uint32_t magic, uint16_t type, uint16_t n_fds, uint32_t length, uint32_t serial)
{
	uint32_t words[4] = {magic, type | (uint32_t)n_fds << 16, length, serial};

	for (unsigned i = 0; i < IPC_HEADER_BYTES; i++)
		bytes[i] = (uint8_t)(words[i / 4] >> 8 * (i % 4));
}

/* Sends bytes with n_fds copies of fd. */
static void send_with_fds(int socket, const void *bytes, size_t count, int fd, unsigned n_fds)
{
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec part = {(void *)(uintptr_t)bytes, count};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

	if (n_fds) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	cr_assert_eq(sendmsg(socket, &msg, MSG_NOSIGNAL), (ssize_t)count);
}

static unsigned open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

Test(conn, message_arrives_whole)
{
	struct pair pair = pair_create(IPC_BODY_MAX);
	struct ipc_conn *other;
	struct ipc_message message;

	cr_assert_eq(ipc_conn_create(pair.peer, IPC_BODY_MAX, &other), 0);
	cr_assert_eq(ipc_conn_send(other, IPC_QUERY, 77, "abc", 3, -1), 0);
	cr_assert_eq(ipc_conn_pending(other), 0);
	cr_assert_eq(ipc_conn_recv(pair.conn), 0);
	cr_assert_eq(ipc_conn_next(pair.conn, &message, NULL), 0);
	cr_assert_eq(message.header.type, IPC_QUERY);
	cr_assert_eq(message.header.serial, 77);
	cr_assert_eq(message.header.length, 3);
	cr_assert_eq(message.header.n_fds, 0);
	cr_assert_arr_eq(message.body, "abc", 3);
	cr_assert_eq(ipc_conn_next(pair.conn, &message, NULL), -EAGAIN);
	cr_assert_eq(ipc_conn_recv(pair.conn), -EAGAIN);
	ipc_conn_destroy(other);
	pair.peer = -1;
	cr_assert_eq(ipc_conn_recv(pair.conn), -ECONNRESET);
	pair_destroy(&pair);
}

Test(conn, byte_by_byte_gives_the_same_messages)
{
	struct pair pair = pair_create(IPC_BODY_MAX);
	uint8_t bytes[3 * (IPC_HEADER_BYTES + 300)];
	size_t size = 0;
	unsigned taken = 0;

	for (unsigned i = 0; i < 3; i++) {
		put_header(bytes + size, IPC_MAGIC, IPC_FRAME, 0, 100 * (i + 1), i);
		memset(bytes + size + IPC_HEADER_BYTES, 'a' + (int)i, 100 * (i + 1));
		size += IPC_HEADER_BYTES + 100 * (i + 1);
	}
	for (size_t i = 0; i < size; i++) {
		struct ipc_message message;
		int r;

		cr_assert_eq(send(pair.peer, bytes + i, 1, 0), 1);
		cr_assert_eq(ipc_conn_recv(pair.conn), 0);
		r = ipc_conn_next(pair.conn, &message, NULL);
		if (r == -EAGAIN)
			continue;
		cr_assert_eq(r, 0);
		cr_assert_eq(message.header.serial, taken);
		cr_assert_eq(message.header.length, 100 * (taken + 1));
		for (unsigned b = 0; b < message.header.length; b++)
			cr_assert_eq(message.body[b], 'a' + taken);
		taken++;
	}
	cr_assert_eq(taken, 3);
	pair_destroy(&pair);
}

Test(conn, body_of_the_largest_size_arrives)
{
	struct pair pair = pair_create(IPC_BODY_MAX);
	struct ipc_conn *other;
	uint8_t *body = malloc(IPC_BODY_MAX);
	struct ipc_message message;
	int r = -EAGAIN;

	for (size_t i = 0; i < IPC_BODY_MAX; i++)
		body[i] = (uint8_t)test_random();
	cr_assert_eq(ipc_conn_create(pair.peer, IPC_BODY_MAX, &other), 0);
	cr_assert_eq(ipc_conn_send(other, IPC_REPORT, 1, body, IPC_BODY_MAX, -1), 0);
	cr_assert_gt(ipc_conn_pending(other), 0, "the socket took it whole: the partial write was not tested");
	while (r == -EAGAIN) {
		int flushed = ipc_conn_flush(other), received = ipc_conn_recv(pair.conn);

		cr_assert(flushed == 0 || flushed == -EAGAIN);
		cr_assert_eq(received, 0);
		r = ipc_conn_next(pair.conn, &message, NULL);
	}
	cr_assert_eq(r, 0);
	cr_assert_eq(message.header.length, IPC_BODY_MAX);
	cr_assert_arr_eq(message.body, body, IPC_BODY_MAX);
	cr_assert_eq(ipc_conn_send(other, IPC_REPORT, 1, body, IPC_BODY_MAX + 1, -1), -EMSGSIZE);
	free(body);
	ipc_conn_destroy(other);
	pair.peer = -1;
	pair_destroy(&pair);
}

Test(conn, many_messages_survive_random_portions)
{
	struct pair pair = pair_create(IPC_REQUEST_MAX);
	struct ipc_conn *other;
	struct ipc_message message;
	static uint8_t body[IPC_REQUEST_MAX];
	uint32_t sent = 0, taken = 0;

	cr_assert_eq(ipc_conn_create(pair.peer, IPC_BODY_MAX, &other), 0);
	while (taken < 500) {
		if (sent < 500 && ipc_conn_pending(other) < IPC_UNSENT_MAX / 2) {
			size_t length = (size_t)test_random_range(0, test_random() % 2 ? 100 : IPC_REQUEST_MAX);

			memset(body, (int)(sent & 0xff), length);
			cr_assert_eq(ipc_conn_send(other, IPC_FRAME, sent++, body, length, -1), 0);
		}
		if (test_random() % 3 && sent < 500)
			continue;
		ipc_conn_flush(other);
		if (ipc_conn_recv(pair.conn) < 0)
			continue;
		while (ipc_conn_next(pair.conn, &message, NULL) == 0) {
			cr_assert_eq(message.header.serial, taken);
			for (uint32_t i = 0; i < message.header.length; i++)
				cr_assert_eq(message.body[i], taken & 0xff);
			taken++;
		}
	}
	ipc_conn_destroy(other);
	pair.peer = -1;
	pair_destroy(&pair);
}

Test(conn, bad_headers_are_refused)
{
	static const struct {
		uint32_t magic, length;
		uint16_t n_fds;
		const char *reason;
	} cases[] = {
		{0, 0, 0, "the header does not start with this protocol's magic and version"},
		{IPC_MAGIC + (1u << 24), 0, 0, "the header does not start with this protocol's magic and version"},
		{IPC_MAGIC, IPC_REQUEST_MAX + 1, 0, "the body is longer than is accepted"},
		{IPC_MAGIC, UINT32_MAX, 0, "the body is longer than is accepted"},
		{IPC_MAGIC, 0, IPC_FDS_MAX + 1, "the header announces too many file descriptors"},
		{IPC_MAGIC, 0, 1, "announced file descriptors did not come"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair pair = pair_create(IPC_REQUEST_MAX);
		uint8_t header[IPC_HEADER_BYTES];
		struct ipc_message message;
		const char *reason = NULL;

		put_header(header, cases[i].magic, IPC_FRAME, cases[i].n_fds, cases[i].length, 1);
		send_with_fds(pair.peer, header, sizeof(header), -1, 0);
		cr_assert_eq(ipc_conn_recv(pair.conn), 0);
		cr_assert_eq(ipc_conn_next(pair.conn, &message, &reason), -EPROTO);
		cr_assert_str_eq(reason, cases[i].reason);
		cr_assert_eq(ipc_conn_next(pair.conn, &message, NULL), -EPROTO);
		cr_assert_eq(ipc_conn_recv(pair.conn), -EPROTO);
		pair_destroy(&pair);
	}
}

Test(conn, descriptor_arrives_with_its_message)
{
	struct pair pair = pair_create(IPC_BODY_MAX);
	struct ipc_conn *other;
	struct ipc_message message;
	struct stat sent, arrived;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_eq(ipc_conn_create(pair.peer, IPC_BODY_MAX, &other), 0);
	cr_assert_eq(ipc_conn_send(other, IPC_DONE, 1, "x", 1, -1), 0);
	cr_assert_eq(ipc_conn_send(other, IPC_STREAM_OPENED, 2, "yz", 2, null), 0);
	cr_assert_eq(ipc_conn_send(other, IPC_DONE, 3, "", 0, -1), 0);
	for (uint32_t serial = 1; serial <= 3; serial++) {
		while (ipc_conn_next(pair.conn, &message, NULL) == -EAGAIN)
			cr_assert_eq(ipc_conn_recv(pair.conn), 0);
		cr_assert_eq(message.header.serial, serial);
		cr_assert_eq(message.header.n_fds, serial == 2);
		if (serial != 2)
			continue;
		cr_assert_eq(fstat(null, &sent), 0);
		cr_assert_eq(fstat(message.fds[0], &arrived), 0);
		cr_assert_eq(sent.st_rdev, arrived.st_rdev);
		cr_assert(fcntl(message.fds[0], F_GETFD) & FD_CLOEXEC);
		close(message.fds[0]);
	}
	close(null);
	ipc_conn_destroy(other);
	pair.peer = -1;
	pair_destroy(&pair);
}

Test(conn, descriptors_wait_with_their_unsent_message)
{
	struct pair pair = pair_create(IPC_BODY_MAX);
	struct ipc_conn *other;
	struct ipc_message message;
	static uint8_t body[200 * 1024];
	unsigned before = open_fds(), with_fd = 0;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_eq(ipc_conn_create(pair.peer, IPC_BODY_MAX, &other), 0);
	cr_assert_eq(ipc_conn_send(other, IPC_REPORT, 0, body, sizeof(body), -1), 0);
	cr_assert_eq(ipc_conn_send(other, IPC_REPORT, 1, body, sizeof(body), -1), 0);
	cr_assert_gt(ipc_conn_pending(other), 0);
	for (uint32_t serial = 2; serial < 6; serial++)
		cr_assert_eq(ipc_conn_send(other, IPC_STREAM_OPENED, serial, body, 1000, serial % 2 ? null : -1), 0);
	close(null);
	for (uint32_t serial = 0; serial < 6;) {
		ipc_conn_flush(other);
		cr_assert_eq(ipc_conn_recv(pair.conn), 0);
		while (ipc_conn_next(pair.conn, &message, NULL) == 0) {
			cr_assert_eq(message.header.serial, serial);
			cr_assert_eq(message.header.n_fds, serial >= 2 && serial % 2);
			if (message.header.n_fds) {
				with_fd++;
				close(message.fds[0]);
			}
			serial++;
		}
	}
	cr_assert_eq(with_fd, 2);
	cr_assert_eq(open_fds(), before);
	ipc_conn_destroy(other);
	pair.peer = -1;
	pair_destroy(&pair);
}

/* Descriptors whose size tells which they are. */
static void make_numbered(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fds[i] = memfd_create("numbered", MFD_CLOEXEC);
		cr_assert_eq(ftruncate(fds[i], i + 1), 0);
	}
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* A message's descriptors are the first n of those that make_numbered() made; they are closed. */
static void expect_numbered(const struct ipc_message *message, unsigned n)
{
	struct stat status;

	cr_assert_eq(message->header.n_fds, n);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(fstat(message->fds[i], &status), 0);
		cr_assert_eq(status.st_size, (off_t)i + 1);
		cr_assert(fcntl(message->fds[i], F_GETFD) & FD_CLOEXEC);
		close(message->fds[i]);
	}
}

Test(conn, several_descriptors_arrive_in_their_order)
{
	unsigned before = open_fds();
	struct pair pair = pair_create(IPC_BODY_MAX);
	struct ipc_message message;
	struct ipc_conn *other;
	int fds[IPC_FDS_MAX + 1];

	make_numbered(fds, IPC_FDS_MAX + 1);
	cr_assert_eq(ipc_conn_create(pair.peer, IPC_BODY_MAX, &other), 0);
	cr_assert_eq(ipc_conn_send_fds(other, IPC_STREAM_OPEN, 9, "x", 1, fds, IPC_FDS_MAX + 1), -EMSGSIZE);
	for (unsigned n = 0; n <= IPC_FDS_MAX; n++)
		cr_assert_eq(ipc_conn_send_fds(other, IPC_STREAM_OPEN, n, "xy", 2, fds, n), 0);
	close_all(fds, IPC_FDS_MAX + 1);
	for (unsigned n = 0; n <= IPC_FDS_MAX; n++) {
		while (ipc_conn_next(pair.conn, &message, NULL) == -EAGAIN)
			cr_assert_eq(ipc_conn_recv(pair.conn), 0);
		cr_assert_eq(message.header.serial, n);
		expect_numbered(&message, n);
	}
	ipc_conn_destroy(other);
	pair.peer = -1;
	pair_destroy(&pair);
	cr_assert_eq(open_fds(), before);
}

Test(conn, several_descriptors_wait_with_their_unsent_message)
{
	unsigned before = open_fds(), arrived = 0;
	static const unsigned counts[] = {3, 0, 16, 1, 12};
	static uint8_t body[IPC_BODY_MAX];
	struct pair pair = pair_create(IPC_BODY_MAX);
	struct ipc_message message;
	struct ipc_conn *other;
	int fds[IPC_FDS_MAX], r = 0;

	make_numbered(fds, IPC_FDS_MAX);
	cr_assert_eq(ipc_conn_create(pair.peer, IPC_BODY_MAX, &other), 0);
	for (uint32_t i = 0; i < 2; i++)
		cr_assert_eq(ipc_conn_send(other, IPC_REPORT, 100, body, sizeof(body), -1), 0);
	cr_assert_gt(ipc_conn_pending(other), 0);
	for (uint32_t i = 0; i < 5; i++)
		cr_assert_eq(ipc_conn_send_fds(other, IPC_STREAM_OPEN, i, body, 100, fds, counts[i]), 0);
	/* All that may wait are 32; one too many changes nothing. */
	cr_assert_eq(ipc_conn_send(other, IPC_STREAM_OPEN, 7, body, 100, fds[0]), -ENOBUFS);
	close_all(fds, IPC_FDS_MAX);
	while (arrived < 5) {
		ipc_conn_flush(other);
		r = ipc_conn_recv(pair.conn);
		cr_assert(r == 0 || r == -EAGAIN);
		while (ipc_conn_next(pair.conn, &message, NULL) == 0) {
			if (message.header.serial == 100)
				continue;
			cr_assert_eq(message.header.serial, arrived);
			expect_numbered(&message, counts[arrived++]);
		}
	}
	cr_assert_eq(ipc_conn_pending(other), (size_t)0);
	ipc_conn_destroy(other);
	pair.peer = -1;
	pair_destroy(&pair);
	cr_assert_eq(open_fds(), before);
}

/* With no descriptors to spare none of a message's are kept, and the connection goes on. */
Test(conn, descriptors_that_cannot_be_copied_leave_none_behind)
{
	struct rlimit limit, small;
	static uint8_t body[IPC_BODY_MAX];
	struct pair pair = pair_create(IPC_BODY_MAX);
	struct ipc_conn *other;
	int fds[IPC_FDS_MAX];
	unsigned before;
	size_t pending;

	make_numbered(fds, IPC_FDS_MAX);
	cr_assert_eq(ipc_conn_create(pair.peer, IPC_BODY_MAX, &other), 0);
	for (uint32_t i = 0; i < 2; i++)
		cr_assert_eq(ipc_conn_send(other, IPC_REPORT, 100, body, sizeof(body), -1), 0);
	before = open_fds();
	pending = ipc_conn_pending(other);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Room for a few of the copies. */
	small = (struct rlimit){(rlim_t)fds[IPC_FDS_MAX - 1] + 4, limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
	cr_assert_eq(ipc_conn_send_fds(other, IPC_STREAM_OPEN, 1, "x", 1, fds, IPC_FDS_MAX), -EMFILE);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(open_fds(), before);
	cr_assert_eq(ipc_conn_pending(other), pending);
	close_all(fds, IPC_FDS_MAX);
	ipc_conn_destroy(other);
	pair.peer = -1;
	pair_destroy(&pair);
}

Test(conn, unannounced_descriptors_are_refused_and_closed)
{
	unsigned before = open_fds();

	/* With a header whose body is missing, and with a whole message. */
	for (unsigned body_sent = 0; body_sent < 2; body_sent++) {
		struct pair pair = pair_create(IPC_BODY_MAX);
		uint8_t bytes[IPC_HEADER_BYTES + 4] = {0};
		struct ipc_message message;
		const char *reason = NULL;
		int r;

		put_header(bytes, IPC_MAGIC, IPC_FRAME, 0, 4, 1);
		send_with_fds(pair.peer, bytes, IPC_HEADER_BYTES + (body_sent ? 4 : 0), pair.peer, 2);
		cr_assert_eq(ipc_conn_recv(pair.conn), 0);
		while ((r = ipc_conn_next(pair.conn, &message, &reason)) == 0)
			;
		cr_assert_eq(r, -EPROTO);
		cr_assert_str_eq(reason, "file descriptors came that no header announced");
		pair_destroy(&pair);
	}
	cr_assert_eq(open_fds(), before);
}

Test(conn, flood_of_descriptors_is_refused_and_closed)
{
	unsigned before = open_fds();
	struct pair pair = pair_create(IPC_BODY_MAX);
	uint8_t header[IPC_HEADER_BYTES];
	int r = 0;

	/* Never a whole message, so that nothing is taken; each portion brings more. */
	put_header(header, IPC_MAGIC, IPC_FRAME, IPC_FDS_MAX, 100, 1);
	for (unsigned i = 0; i < 3 && r == 0; i++) {
		send_with_fds(pair.peer, header, 5, pair.peer, IPC_FDS_MAX);
		r = ipc_conn_recv(pair.conn);
	}
	cr_assert_eq(r, -EPROTO);
	pair_destroy(&pair);
	cr_assert_eq(open_fds(), before);
}

Test(conn, cut_control_data_is_refused_and_closed)
{
	unsigned before = open_fds();
	struct pair pair = pair_create(IPC_BODY_MAX);
	uint8_t header[IPC_HEADER_BYTES];

	put_header(header, IPC_MAGIC, IPC_FRAME, 4, 0, 1);
	send_with_fds(pair.peer, header, sizeof(header), pair.peer, 50);
	cr_assert_eq(ipc_conn_recv(pair.conn), -EPROTO);
	cr_assert_eq(ipc_conn_recv(pair.conn), -EPROTO);
	pair_destroy(&pair);
	cr_assert_eq(open_fds(), before);
}

Test(conn, peer_that_does_not_read_meets_the_cap)
{
	struct pair pair = pair_create(IPC_BODY_MAX);
	static uint8_t body[100 * 1024];
	int r = 0;

	for (unsigned i = 0; i < 100 && r == 0; i++) {
		r = ipc_conn_send(pair.conn, IPC_REPORT, i, body, sizeof(body), -1);
		cr_assert_leq(ipc_conn_pending(pair.conn), IPC_UNSENT_MAX);
	}
	cr_assert_eq(r, -ENOBUFS);
	cr_assert_eq(ipc_conn_flush(pair.conn), -EAGAIN);
	pair_destroy(&pair);
}

Test(conn, peer_that_is_gone_is_an_error_and_no_signal)
{
	struct pair pair = pair_create(IPC_BODY_MAX);

	close(pair.peer);
	pair.peer = -1;
	cr_assert_eq(ipc_conn_send(pair.conn, IPC_DONE, 1, "a", 1, -1), -EPIPE);
	cr_assert_eq(ipc_conn_recv(pair.conn), -ECONNRESET);
	pair_destroy(&pair);
}

Test(conn, buffer_that_nobody_empties_does_not_grow)
{
	struct pair pair = pair_create(1000);
	struct ipc_message message;
	uint8_t bytes[IPC_HEADER_BYTES + 1000] = {0};
	int r = 0;

	put_header(bytes, IPC_MAGIC, IPC_FRAME, 0, 1000, 1);
	for (unsigned i = 0; i < 20; i++)
		send_with_fds(pair.peer, bytes, sizeof(bytes), -1, 0);
	while (r == 0)
		r = ipc_conn_recv(pair.conn);
	cr_assert_eq(r, -ENOBUFS);
	for (unsigned i = 0; i < 20; i++) {
		while ((r = ipc_conn_next(pair.conn, &message, NULL)) == -EAGAIN)
			cr_assert_eq(ipc_conn_recv(pair.conn), 0);
		cr_assert_eq(r, 0);
	}
	pair_destroy(&pair);
}

Test(conn, destroy_accepts_nothing)
{
	ipc_conn_destroy(NULL);
}
