/*
 * notify.h - what the service manager wants to hear (ready, reloading, stopping, still alive), and the socket that it
 * may hand over.
 *
 * The protocols of sd_notify(3), datagrams of VARIABLE=VALUE lines to the socket that NOTIFY_SOCKET names, and of
 * sd_listen_fds(3), three variables.  Without a service manager nothing is sent, and every call is harmless.
 */
#ifndef INFERD_NOTIFY_H
#define INFERD_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody listens */
	struct sockaddr_un address;
	socklen_t address_bytes;
	int64_t watchdog_us; /* to be heard of at least this often; 0: no watchdog */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them from the environment. */
void notify_init(struct notify *notify);
void notify_finish(struct notify *notify);

/* Does not wait; a manager that does not listen is none of our business. */
void notify_send(const struct notify *notify, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The listening socket that came with the process (LISTEN_FDS and LISTEN_PID, which are removed), now non-blocking and
 * closed on exec; -ENOENT none came; -EINVAL what came is not one Unix stream socket that listens.
 */
int notify_take_socket(void);

#endif
