/*
 * wire.h - a client's connection that the loop and the lanes may use.
 *
 * A lane sends the answer of its frame itself, which spares a way through the loop; this adds the lock that
 * makes that safe.  Reading and flushing stay with the loop, and reading never waits for a lane that sends.  A send
 * that fails is remembered and ends the session later, on the loop; sends after that are dropped silently.
 *
 * Lock order: wire's lock is taken last and never held while anything else is called but ipc and wire_send_after()'s
 * function.
 */
#ifndef INFERD_WIRE_H
#define INFERD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/ipc.h"

struct wire;

int wire_create(int fd, struct wire **ret_wire); /* consumes fd on success */
struct wire *wire_ref(struct wire *wire);
void wire_unref(struct wire *wire); /* the last one closes the connection; accepts NULL */
int wire_fd(const struct wire *wire);

/* As ipc_conn_recv() and ipc_conn_next(). */
int wire_recv(struct wire *wire);
int wire_next(struct wire *wire, struct ipc_message *ret_message, const char **ret_reason);

/* Sends a body that was put together in writer.  A writer in error counts as a failed send. */
void wire_send(struct wire *wire, uint16_t type, uint32_t serial, const struct ipc_writer *writer, int fd);
/*
 * The same, and calls the function once nothing else can be sent before this: who it tells that the answer is on its
 * way may send what must follow it.
 */
void wire_send_after(struct wire *wire, uint16_t type, uint32_t serial, const struct ipc_writer *writer,
		     void (*before)(void *argument), void *argument);
int wire_flush(struct wire *wire);	      /* as ipc_conn_flush() */
size_t wire_pending(const struct wire *wire); /* bytes the client has not taken yet */
/*
 * Whether the client has all bytes of sends that were begun, after the one that is under way.  A lane counts as idle
 * when its send has begun, so that before this says so nothing may be closed that an answer is owed to.
 */
bool wire_all_sent(struct wire *wire);
int wire_failure(const struct wire *wire); /* 0, or what the first failed send said */
void wire_shut(struct wire *wire);	   /* the peer sees the end; later sends are dropped */

#endif
