/*
 * client.h - what client.c and stream.c share.  Private to the library; nothing here is exported.
 */
#ifndef INFERD_CLIENT_H
#define INFERD_CLIENT_H

#include "inferd.h"
#include "ipc/ipc.h"

#define CLIENT_TIMEOUT_MS 5000 /* of greeting, opening and closing */

enum slot_state { SLOT_FREE, SLOT_HELD, SLOT_SENT };

struct slot {
	enum slot_state state;
	bool sync;    /* inferd_run() waits for it */
	bool discard; /* inferd_run() gave up on it */
	uint64_t seq;
	uint32_t serial;
	void *user;
	uint64_t sent_ns;
};

struct inferd_stream {
	struct inferd *client;
	struct inferd_stream *next;
	uint32_t id, n_slots, slot_bytes, deadline_us;
	uint8_t *pool;
	size_t pool_bytes;
	uint64_t last_seq;
	bool closing; /* takes no more frames */
	inferd_on_result on_result;
	void *user;
	struct slot slots[IPC_SLOTS_MAX];
};

/* A decoded result and the memory it lives in, reused from frame to frame. */
struct result_store {
	void *storage;
	struct inferd_item *items;
	size_t items_capacity;
	struct inferd_rung rung;
	struct inferd_result result;
};

/* The answer to the one request that waits. */
struct reply {
	uint32_t serial; /* 0: nothing waits */
	bool here;
	uint16_t type;
	uint8_t *body;
	size_t length;
	int fd;
};

struct inferd {
	struct ipc_conn *conn;
	struct ipc_writer writer;
	struct inferd_stream *streams;
	struct result_store live, kept; /* kept: of inferd_run() */
	struct reply reply;
	uint32_t last_serial;
	bool gone;	/* the connection ended */
	bool reported;	/* ...and frames in flight were reported as lost */
	bool calling;	/* within a callback */
	bool run_ended; /* the frame of inferd_run() was answered */
	int n_results;	/* handed to callbacks by the current call */
	char server[IPC_NAME_MAX + 1];
	char error[IPC_TEXT_MAX + 128];
};

/* Tests connect through a socketpair.  Consumes fd on success. */
int inferd_connect_fd(int fd, const char *name, struct inferd **ret_client);

/* Keeps the sentence and passes the error on, so that it can be returned. */
__attribute__((format(printf, 3, 4))) int client_fail(struct inferd *client, int error, const char *format, ...);

uint64_t client_now_ns(void);
uint64_t client_deadline_ns(int timeout_ms); /* UINT64_MAX for -1 */

uint32_t client_next_serial(struct inferd *client);

/* Sends the writer's body.  0, or a negative errno with its sentence. */
int client_send(struct inferd *client, uint16_t type, uint32_t serial);

/*
 * Waits until the deadline for something to arrive and handles all of it.  0, -ETIMEDOUT, or -ECONNRESET after the
 * frames in flight were reported as lost.
 */
int client_pump(struct inferd *client, uint64_t deadline_ns);

/*
 * Sends the writer's body as a request and waits for its reply, in client->reply until client_reply_finish().  0; an
 * ERROR becomes its code with its text kept; -EPROTO when the reply is not of the type wanted.
 */
int client_request(struct inferd *client, uint16_t type, uint16_t wanted, int timeout_ms);
void client_reply_finish(struct inferd *client);

/* The frames of a stream that are still in flight end as lost, in the order of their submission. */
void stream_lose_frames(struct inferd_stream *stream);
struct slot *stream_slot_by_seq(struct inferd_stream *stream, uint64_t seq);
/* Unlinks and frees without telling the daemon. */
void stream_free(struct inferd_stream *stream);
/* The slot is free again and the result goes to whom it belongs; store holds it. */
void stream_deliver(struct inferd_stream *stream, struct slot *slot, struct result_store *store);

#endif
