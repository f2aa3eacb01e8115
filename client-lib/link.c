/*
 * link.c - the connection to the daemon as a thing that comes and goes: connecting, waiting, and coming back.
 *
 * What is said over it is client.c's.  The descriptor that applications poll is an epoll set, which stays the same over
 * reconnects: it holds the socket while there is one, and the timer of the next attempt.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

/* The first attempt comes soon, the later ones often enough that a daemon is found again well within half a second. */
#define RETRY_FIRST_MS 10
#define RETRY_LAST_MS  200

int link_open_socket(const char *path, bool wait, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {CLIENT_TIMEOUT_MS / 1000, 0};
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0)
		return -errno;
	/* Bounds connect(2) too, when the daemon's backlog is full. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = errno == EAGAIN ? -ETIMEDOUT : -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int link_init(struct link *link)
{
	struct epoll_event event = {.events = EPOLLIN};

	*link = (struct link){.state = LINK_OVER, .set_fd = -1, .timer_fd = -1};
	link->set_fd = epoll_create1(EPOLL_CLOEXEC);
	link->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (link->set_fd < 0 || link->timer_fd < 0 ||
	    epoll_ctl(link->set_fd, EPOLL_CTL_ADD, link->timer_fd, &event) < 0) {
		int r = -errno;

		link_finish(link);
		return r;
	}
	return 0;
}

void link_finish(struct link *link)
{
	ipc_conn_destroy(link->conn);
	link->conn = NULL;
	if (link->set_fd >= 0)
		close(link->set_fd);
	if (link->timer_fd >= 0)
		close(link->timer_fd);
	free(link->path);
	link->path = NULL;
}

/* A time in the past makes the timer fire at once; 0 stops it. */
static void set_timer(struct link *link, uint64_t at_ns)
{
	struct itimerspec at = {.it_value = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)}};

	timerfd_settime(link->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

int link_adopt(struct link *link, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct ipc_conn *conn;
	int r = ipc_conn_create(fd, IPC_BODY_MAX, &conn);

	if (r < 0) {
		close(fd);
		return r;
	}
	if (epoll_ctl(link->set_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		r = -errno;
		ipc_conn_destroy(conn);
		return r;
	}
	link->conn = conn;
	link->polls_out = false;
	link->state = LINK_GREETING;
	link->retry_ns = 0;
	set_timer(link, 0);
	return 0;
}

void link_update(struct link *link)
{
	bool out = link->conn && ipc_conn_pending(link->conn);
	struct epoll_event event = {.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN};

	if (!link->conn || out == link->polls_out)
		return;
	link->polls_out = out;
	epoll_ctl(link->set_fd, EPOLL_CTL_MOD, ipc_conn_fd(link->conn), &event);
}

static void schedule_retry(struct link *link)
{
	link->retry_ms = link->retry_ms ? 2 * link->retry_ms : RETRY_FIRST_MS;
	if (link->retry_ms > RETRY_LAST_MS)
		link->retry_ms = RETRY_LAST_MS;
	link->retry_ns = client_now_ns() + link->retry_ms * 1000000u;
	set_timer(link, link->retry_ns);
}

void link_down(struct link *link)
{
	ipc_conn_destroy(link->conn); /* leaves the set by being closed */
	link->conn = NULL;
	link->state = link->path ? LINK_AWAY : LINK_OVER;
	if (link->state == LINK_AWAY)
		schedule_retry(link);
}

bool link_retry(struct link *link)
{
	int fd;

	if (link->state != LINK_AWAY || client_now_ns() < link->retry_ns)
		return false;
	if (link_open_socket(link->path, false, &fd) == 0 && link_adopt(link, fd) == 0)
		return true;
	schedule_retry(link);
	return false;
}

void link_established(struct link *link)
{
	link->state = LINK_UP;
	link->retry_ms = 0;
}

int link_wait(const struct link *link, uint64_t deadline_ns)
{
	uint64_t until_ns = deadline_ns;

	if (link->state == LINK_AWAY && link->retry_ns < until_ns)
		until_ns = link->retry_ns;
	for (;;) {
		struct pollfd pfd = {link->conn ? ipc_conn_fd(link->conn) : -1, POLLIN, 0};
		uint64_t now = client_now_ns(), left_ns = until_ns > now ? until_ns - now : 0;
		struct timespec left = {(time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u)};
		int n;

		if (link->conn && ipc_conn_pending(link->conn))
			pfd.events |= POLLOUT;
		n = ppoll(&pfd, 1, until_ns == UINT64_MAX ? NULL : &left, NULL);
		if (n > 0 || (n == 0 && until_ns < deadline_ns))
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}
