/* wire.c - see wire.h. */
#include "wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

struct wire {
	struct ipc_conn *conn;
	atomic_int references;
	pthread_mutex_t lock; /* guards the sending side of conn, and shut */
	bool shut;
	/* Written under the lock, read by anyone. */
	atomic_size_t pending;
	atomic_int failure;
};

int wire_create(int fd, struct wire **ret_wire)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	int rc;

	if (!wire)
		return -ENOMEM;
	rc = ipc_conn_create(fd, IPC_REQUEST_MAX, &wire->conn);
	if (rc < 0) {
		free(wire);
		return rc;
	}
	atomic_init(&wire->references, 1);
	pthread_mutex_init(&wire->lock, NULL);
	*ret_wire = wire;
	return 0;
}

struct wire *wire_ref(struct wire *wire)
{
	atomic_fetch_add(&wire->references, 1);
	return wire;
}

void wire_unref(struct wire *wire)
{
	if (!wire || atomic_fetch_sub(&wire->references, 1) != 1)
		return;
	ipc_conn_destroy(wire->conn);
	pthread_mutex_destroy(&wire->lock);
	free(wire);
}

int wire_fd(const struct wire *wire)
{
	return ipc_conn_fd(wire->conn);
}

int wire_recv(struct wire *wire)
{
	return ipc_conn_recv(wire->conn);
}

int wire_next(struct wire *wire, struct ipc_message *ret_message, const char **ret_reason)
{
	return ipc_conn_next(wire->conn, ret_message, ret_reason);
}

static void note_pending(struct wire *wire)
{
	atomic_store(&wire->pending, ipc_conn_pending(wire->conn));
}

static void send_locked(struct wire *wire, uint16_t type, uint32_t serial, const struct ipc_writer *writer, int fd)
{
	int rc = writer->error;

	if (wire->shut || atomic_load(&wire->failure))
		return;
	if (!rc)
		rc = ipc_conn_send(wire->conn, type, serial, writer->data, writer->size, fd);
	atomic_store(&wire->failure, rc);
	note_pending(wire);
}

void wire_send(struct wire *wire, uint16_t type, uint32_t serial, const struct ipc_writer *writer, int fd)
{
	pthread_mutex_lock(&wire->lock);
	send_locked(wire, type, serial, writer, fd);
	pthread_mutex_unlock(&wire->lock);
}

void wire_send_after(struct wire *wire, uint16_t type, uint32_t serial, const struct ipc_writer *writer,
		     void (*before)(void *argument), void *argument)
{
	pthread_mutex_lock(&wire->lock);
	before(argument);
	send_locked(wire, type, serial, writer, -1);
	pthread_mutex_unlock(&wire->lock);
}

int wire_flush(struct wire *wire)
{
	int rc;

	pthread_mutex_lock(&wire->lock);
	rc = ipc_conn_flush(wire->conn);
	note_pending(wire);
	pthread_mutex_unlock(&wire->lock);
	return rc;
}

size_t wire_pending(const struct wire *wire)
{
	return atomic_load(&wire->pending);
}

bool wire_all_sent(struct wire *wire)
{
	bool sent;

	pthread_mutex_lock(&wire->lock);
	sent = ipc_conn_pending(wire->conn) == 0;
	pthread_mutex_unlock(&wire->lock);
	return sent;
}

int wire_failure(const struct wire *wire)
{
	return atomic_load(&wire->failure);
}

void wire_shut(struct wire *wire)
{
	pthread_mutex_lock(&wire->lock);
	if (!wire->shut)
		shutdown(ipc_conn_fd(wire->conn), SHUT_RDWR);
	wire->shut = true;
	pthread_mutex_unlock(&wire->lock);
}
