/*
 * notify.h - what the service manager wants to hear: ready, reloading, stopping, still alive.
 *
 * The protocol of sd_notify(3): datagrams of VARIABLE=VALUE lines to the socket that NOTIFY_SOCKET names.  Without a
 * service manager nothing is sent, and every call is harmless.
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

#endif
