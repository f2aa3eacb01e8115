/* notify.c - see notify.h. */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* A path, or "@name" for a name in the abstract space. */
static int read_address(struct notify *notify, const char *text)
{
	size_t length = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || length < 2 || length >= sizeof(notify->address.sun_path))
		return -EINVAL;
	notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(notify->address.sun_path, text, length);
	if (text[0] == '@')
		notify->address.sun_path[0] = '\0';
	notify->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (text[0] == '/'));
	return 0;
}

/* 0 where it is absent, malformed or meant for another process. */
static int64_t read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	long long us;

	if (!usec || (pid && atol(pid) != (long)getpid()))
		return 0;
	errno = 0;
	us = strtoll(usec, &end, 10);
	return errno || *end || us <= 0 ? 0 : us;
}

void notify_init(struct notify *notify)
{
	const char *path = getenv("NOTIFY_SOCKET");

	*notify = (struct notify){.fd = -1, .watchdog_us = read_watchdog()};
	if (path && read_address(notify, path) == 0)
		notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	else if (path)
		log_warning("NOTIFY_SOCKET is no address: '%.60s'", path);
	if (notify->fd < 0)
		notify->watchdog_us = 0;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_finish(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

void notify_send(const struct notify *notify, const char *format, ...)
{
	char text[512];
	va_list arguments;
	int length;

	if (notify->fd < 0)
		return;
	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	if ((size_t)length >= sizeof(text))
		length = sizeof(text) - 1;
	sendto(notify->fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
	       notify->address_bytes);
}

/* ---- socket activation ---------------------------------------------------------------------------- */

/* The protocol's SD_LISTEN_FDS_START. */
#define FIRST_FD 3

static int number_of(int fd, int option)
{
	int number = -1;
	socklen_t size = sizeof(number);

	return getsockopt(fd, SOL_SOCKET, option, &number, &size) < 0 ? -1 : number;
}

int notify_take_socket(void)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	bool ours = fds && pid && atol(pid) == (long)getpid();
	bool one = ours && !strcmp(fds, "1");

	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (!ours)
		return -ENOENT;
	if (!one || number_of(FIRST_FD, SO_DOMAIN) != AF_UNIX || number_of(FIRST_FD, SO_TYPE) != SOCK_STREAM ||
	    number_of(FIRST_FD, SO_ACCEPTCONN) != 1)
		return -EINVAL;
	if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(FIRST_FD, F_SETFL, fcntl(FIRST_FD, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	return FIRST_FD;
}
