/*
 * conn.c - whole messages over a non-blocking socket, with the descriptors that ride along.
 *
 * It knows headers, not bodies, and waits for nothing: the owner polls.
 *
 * Descriptors: Linux hands over those of a send with the first byte of that send and never joins two such sends in
 * one receive, so they queue up in the order of the headers that announce them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <fcntl.h>

#include "ipc.h"

#define FIRST_CAPACITY	4096
#define FDS_WAITING_MAX (2 * IPC_FDS_MAX)
#define FDS_UNSENT_MAX	(2 * IPC_FDS_MAX)

struct unsent_fd {
	size_t at; /* of the header it rides with, counted from the start of the unsent bytes' buffer; those of one
		    * message, which follow each other, have the same */
	int fd;
};

struct ipc_conn {
	int fd;
	uint32_t body_max;
	bool broken; /* the peer violated the protocol */
	uint8_t *in; /* [in_start, in_end) is received and not taken */
	size_t in_start, in_end, in_capacity;
	int in_fds[FDS_WAITING_MAX];
	unsigned n_in_fds;
	uint8_t *out; /* [out_start, out_end) is not sent */
	size_t out_start, out_end, out_capacity;
	struct unsent_fd out_fds[FDS_UNSENT_MAX];
	unsigned n_out_fds;
};

int ipc_conn_create(int fd, uint32_t body_max, struct ipc_conn **ret_conn)
{
	struct ipc_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return -ENOMEM;
	conn->in = malloc(FIRST_CAPACITY);
	if (!conn->in) {
		free(conn);
		return -ENOMEM;
	}
	conn->in_capacity = FIRST_CAPACITY;
	conn->fd = fd;
	conn->body_max = body_max;
	*ret_conn = conn;
	return 0;
}

void ipc_conn_destroy(struct ipc_conn *conn)
{
	if (!conn)
		return;
	for (unsigned i = 0; i < conn->n_in_fds; i++)
		close(conn->in_fds[i]);
	for (unsigned i = 0; i < conn->n_out_fds; i++)
		close(conn->out_fds[i].fd);
	close(conn->fd);
	free(conn->in);
	free(conn->out);
	free(conn);
}

int ipc_conn_fd(const struct ipc_conn *conn)
{
	return conn->fd;
}

/* ---- receiving ------------------------------------------------------------------------------------ */

/*
 * Makes room behind the received bytes.  The buffer doubles when it is full, so it grows with what was sent and not
 * with what a header claims.
 */
static int make_room(struct ipc_conn *conn)
{
	size_t limit = IPC_HEADER_BYTES + (size_t)conn->body_max, capacity;
	uint8_t *in;

	if (conn->in_start) {
		memmove(conn->in, conn->in + conn->in_start, conn->in_end - conn->in_start);
		conn->in_end -= conn->in_start;
		conn->in_start = 0;
	}
	if (conn->in_end < conn->in_capacity)
		return 0;
	if (conn->in_capacity >= limit)
		return -ENOBUFS;
	capacity = 2 * conn->in_capacity < limit ? 2 * conn->in_capacity : limit;
	in = realloc(conn->in, capacity);
	if (!in)
		return -ENOMEM;
	conn->in = in;
	conn->in_capacity = capacity;
	return 0;
}

/* Queues the descriptors of one receive; false when there are more than may wait (the surplus is closed). */
static bool take_fds(struct ipc_conn *conn, struct msghdr *msg)
{
	bool room = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (conn->n_in_fds < FDS_WAITING_MAX) {
				conn->in_fds[conn->n_in_fds++] = fd;
			} else {
				close(fd);
				room = false;
			}
		}
	}
	return room;
}

int ipc_conn_recv(struct ipc_conn *conn)
{
	union {
		char bytes[CMSG_SPACE(IPC_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part;
	struct msghdr msg = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;
	int r;

	if (conn->broken)
		return -EPROTO;
	r = make_room(conn);
	if (r < 0)
		return r;
	part.iov_base = conn->in + conn->in_end;
	part.iov_len = conn->in_capacity - conn->in_end;
	do {
		n = recvmsg(conn->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (!take_fds(conn, &msg) || msg.msg_flags & MSG_CTRUNC) {
		conn->broken = true;
		return -EPROTO;
	}
	if (n == 0)
		return -ECONNRESET;
	conn->in_end += (size_t)n;
	return 0;
}

static uint32_t get_le(const uint8_t *bytes, unsigned count)
{
	uint32_t value = 0;

	while (count--)
		value = value << 8 | bytes[count];
	return value;
}

static const char *read_header(const struct ipc_conn *conn, struct ipc_header *ret_header)
{
	const uint8_t *at = conn->in + conn->in_start;

	if (get_le(at, 4) != IPC_MAGIC)
		return "the header does not start with this protocol's magic and version";
	*ret_header = (struct ipc_header){
		.type = (uint16_t)get_le(at + 4, 2),
		.n_fds = (uint16_t)get_le(at + 6, 2),
		.length = get_le(at + 8, 4),
		.serial = get_le(at + 12, 4),
	};
	if (ret_header->length > conn->body_max)
		return "the body is longer than is accepted";
	if (ret_header->n_fds > IPC_FDS_MAX)
		return "the header announces too many file descriptors";
	/* They came with the header's first byte, or they do not come. */
	if (ret_header->n_fds > conn->n_in_fds)
		return "announced file descriptors did not come";
	return NULL;
}

/* The reason why what waits can never become a valid message, NULL when it can. */
static const char *judge_rest(const struct ipc_conn *conn, size_t bytes, unsigned announced)
{
	if (bytes == 0 && conn->n_in_fds)
		return "file descriptors came that no header announced";
	if (bytes >= IPC_HEADER_BYTES && conn->n_in_fds > announced)
		return "file descriptors came that no header announced";
	return NULL;
}

int ipc_conn_next(struct ipc_conn *conn, struct ipc_message *ret_message, const char **ret_reason)
{
	size_t bytes = conn->in_end - conn->in_start;
	struct ipc_header header = {0};
	const char *reason = NULL;

	if (conn->broken)
		reason = "the connection is broken";
	else if (bytes >= IPC_HEADER_BYTES)
		reason = read_header(conn, &header);
	if (!reason && (bytes < IPC_HEADER_BYTES || bytes - IPC_HEADER_BYTES < header.length)) {
		reason = judge_rest(conn, bytes, header.n_fds);
		if (!reason)
			return -EAGAIN;
	}
	if (reason) {
		conn->broken = true;
		if (ret_reason)
			*ret_reason = reason;
		return -EPROTO;
	}
	ret_message->header = header;
	ret_message->body = conn->in + conn->in_start + IPC_HEADER_BYTES;
	memcpy(ret_message->fds, conn->in_fds, header.n_fds * sizeof(int));
	conn->n_in_fds -= header.n_fds;
	memmove(conn->in_fds, conn->in_fds + header.n_fds, conn->n_in_fds * sizeof(int));
	conn->in_start += IPC_HEADER_BYTES + header.length;
	return 0;
}

/* ---- sending -------------------------------------------------------------------------------------- */

static void put_le(uint8_t *bytes, uint32_t value, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

/* One sendmsg.  Bytes sent, or a negative errno. */
static ssize_t transmit(int socket, struct iovec *parts, size_t n_parts, const int *fds, unsigned n_fds)
{
	union {
		char bytes[CMSG_SPACE(IPC_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = n_parts};
	ssize_t n;

	if (n_fds) {
		struct cmsghdr *c = &control.align;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	do {
		n = sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return n;
}

size_t ipc_conn_pending(const struct ipc_conn *conn)
{
	return conn->out_end - conn->out_start;
}

/* Makes room for `bytes` behind the unsent ones. */
static int reserve_out(struct ipc_conn *conn, size_t bytes)
{
	size_t capacity = conn->out_capacity ? conn->out_capacity : FIRST_CAPACITY;
	uint8_t *out;

	if (conn->out_start) {
		memmove(conn->out, conn->out + conn->out_start, ipc_conn_pending(conn));
		for (unsigned i = 0; i < conn->n_out_fds; i++)
			conn->out_fds[i].at -= conn->out_start;
		conn->out_end -= conn->out_start;
		conn->out_start = 0;
	}
	if (conn->out_end + bytes <= conn->out_capacity)
		return 0;
	while (capacity < conn->out_end + bytes)
		capacity *= 2;
	out = realloc(conn->out, capacity);
	if (!out)
		return -ENOMEM;
	conn->out = out;
	conn->out_capacity = capacity;
	return 0;
}

static void append_out(struct ipc_conn *conn, const void *bytes, size_t count)
{
	if (!count)
		return;
	memcpy(conn->out + conn->out_end, bytes, count);
	conn->out_end += count;
}

/* Keeps copies of descriptors that ride with the header that is queued next: all of them, or none. */
static int queue_fds(struct ipc_conn *conn, const int *fds, unsigned n_fds)
{
	unsigned kept = conn->n_out_fds;

	if (n_fds > FDS_UNSENT_MAX - kept)
		return -ENOBUFS;
	for (unsigned i = 0; i < n_fds; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (copy < 0) {
			int r = -errno;

			while (conn->n_out_fds > kept)
				close(conn->out_fds[--conn->n_out_fds].fd);
			return r;
		}
		conn->out_fds[conn->n_out_fds++] = (struct unsent_fd){conn->out_end, copy};
	}
	return 0;
}

/* Puts a message, less the `sent` bytes at its start, behind the unsent ones. */
static int queue_message(struct ipc_conn *conn, const uint8_t *header, const void *body, size_t length, size_t sent,
			 const int *fds, unsigned n_fds)
{
	int r = reserve_out(conn, IPC_HEADER_BYTES + length - sent);

	if (r == 0)
		r = queue_fds(conn, fds, n_fds);
	if (r < 0)
		return r;
	if (sent < IPC_HEADER_BYTES) {
		append_out(conn, header + sent, IPC_HEADER_BYTES - sent);
		sent = IPC_HEADER_BYTES;
	}
	append_out(conn, (const uint8_t *)body + (sent - IPC_HEADER_BYTES), length - (sent - IPC_HEADER_BYTES));
	return 0;
}

int ipc_conn_send_fds(struct ipc_conn *conn, uint16_t type, uint32_t serial, const void *body, size_t length,
		      const int *fds, unsigned n_fds)
{
	uint8_t header[IPC_HEADER_BYTES];
	struct iovec parts[2] = {{header, sizeof(header)}, {(void *)(uintptr_t)body, length}};
	ssize_t sent = 0;
	int r;

	if (length > IPC_BODY_MAX || n_fds > IPC_FDS_MAX)
		return -EMSGSIZE;
	put_le(header, IPC_MAGIC, 4);
	put_le(header + 4, type, 2);
	put_le(header + 6, n_fds, 2);
	put_le(header + 8, (uint32_t)length, 4);
	put_le(header + 12, serial, 4);

	r = ipc_conn_flush(conn);
	if (r < 0 && r != -EAGAIN)
		return r;
	if (r == -EAGAIN) {
		if (ipc_conn_pending(conn) + sizeof(header) + length > IPC_UNSENT_MAX)
			return -ENOBUFS;
		return queue_message(conn, header, body, length, 0, fds, n_fds);
	}
	/* The rest of a message that is half sent must find room, or the peer would see it cut. */
	if (conn->out_capacity < sizeof(header) + length) {
		r = reserve_out(conn, sizeof(header) + length);
		if (r < 0)
			return r;
	}
	sent = transmit(conn->fd, parts, length ? 2 : 1, fds, n_fds);
	if (sent < 0 && sent != -EAGAIN)
		return (int)sent;
	if (sent == (ssize_t)(sizeof(header) + length))
		return 0;
	return queue_message(conn, header, body, length, sent < 0 ? 0 : (size_t)sent, fds, sent > 0 ? 0 : n_fds);
}

int ipc_conn_send(struct ipc_conn *conn, uint16_t type, uint32_t serial, const void *body, size_t length, int fd)
{
	return ipc_conn_send_fds(conn, type, serial, body, length, &fd, fd >= 0);
}

/* How many of the unsent descriptors ride with the unsent bytes' first header, if they begin with one. */
static unsigned riding_fds(const struct ipc_conn *conn, int ret_fds[IPC_FDS_MAX])
{
	unsigned n = 0;

	while (n < conn->n_out_fds && n < IPC_FDS_MAX && conn->out_fds[n].at == conn->out_start) {
		ret_fds[n] = conn->out_fds[n].fd;
		n++;
	}
	return n;
}

int ipc_conn_flush(struct ipc_conn *conn)
{
	while (ipc_conn_pending(conn)) {
		int fds[IPC_FDS_MAX];
		unsigned n_fds = riding_fds(conn, fds);
		/* Descriptors ride with the first byte of a send, so a send ends where the next one's header begins. */
		size_t end = n_fds < conn->n_out_fds ? conn->out_fds[n_fds].at : conn->out_end;
		struct iovec part = {conn->out + conn->out_start, end - conn->out_start};
		ssize_t sent = transmit(conn->fd, &part, 1, fds, n_fds);

		if (sent < 0)
			return (int)sent;
		conn->out_start += (size_t)sent;
		for (unsigned i = 0; i < n_fds; i++)
			close(fds[i]);
		conn->n_out_fds -= n_fds;
		memmove(conn->out_fds, conn->out_fds + n_fds, conn->n_out_fds * sizeof(conn->out_fds[0]));
	}
	conn->out_start = conn->out_end = 0;
	return 0;
}
