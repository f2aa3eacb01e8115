/* wire.c - see wire.h. */
#include "wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

struct wire {
	pthread_mutex_t lock; /* guards everything below */
	struct ipc_conn *conn;
	int failure;
	bool shut;
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
	pthread_mutex_init(&wire->lock, NULL);
	*ret_wire = wire;
	return 0;
}

void wire_destroy(struct wire *wire)
{
	if (!wire)
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
	int rc;

	pthread_mutex_lock(&wire->lock);
	rc = ipc_conn_recv(wire->conn);
	pthread_mutex_unlock(&wire->lock);
	return rc;
}

int wire_next(struct wire *wire, struct ipc_message *ret_message, const char **ret_reason)
{
	int rc;

	pthread_mutex_lock(&wire->lock);
	rc = ipc_conn_next(wire->conn, ret_message, ret_reason);
	pthread_mutex_unlock(&wire->lock);
	return rc;
}

void wire_send(struct wire *wire, uint16_t type, uint32_t serial, const struct ipc_writer *writer, int fd)
{
	int rc = writer->error;

	pthread_mutex_lock(&wire->lock);
	if (!wire->shut && !wire->failure) {
		if (!rc)
			rc = ipc_conn_send(wire->conn, type, serial, writer->data, writer->size, fd);
		wire->failure = rc;
	}
	pthread_mutex_unlock(&wire->lock);
}

int wire_flush(struct wire *wire)
{
	int rc;

	pthread_mutex_lock(&wire->lock);
	rc = ipc_conn_flush(wire->conn);
	pthread_mutex_unlock(&wire->lock);
	return rc;
}

size_t wire_pending(struct wire *wire)
{
	size_t pending;

	pthread_mutex_lock(&wire->lock);
	pending = ipc_conn_pending(wire->conn);
	pthread_mutex_unlock(&wire->lock);
	return pending;
}

int wire_failure(struct wire *wire)
{
	int failure;

	pthread_mutex_lock(&wire->lock);
	failure = wire->failure;
	pthread_mutex_unlock(&wire->lock);
	return failure;
}

void wire_shut(struct wire *wire)
{
	pthread_mutex_lock(&wire->lock);
	if (!wire->shut)
		shutdown(ipc_conn_fd(wire->conn), SHUT_RDWR);
	wire->shut = true;
	pthread_mutex_unlock(&wire->lock);
}
