/*
 * client.h - what client.c, link.c, memory.c and stream.c share.  Private to the library; nothing here is exported.
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

/* What a stream's buffers lie in. */
struct memory {
	uint32_t n;	       /* 1 with all of them, or one for each; 0: it is not there yet */
	int fd[IPC_SLOTS_MAX]; /* ours; they go to the next daemon, so that buffers stay where they are */
	uint8_t *base[IPC_SLOTS_MAX];
	size_t bytes; /* mapped, of each */
	uint32_t slot_bytes;
	bool read_only; /* the descriptors do not allow more */
};

struct inferd_stream {
	struct inferd *client;
	struct inferd_stream *next;
	struct ipc_stream_open asked; /* again after a reconnect */
	uint32_t id, n_slots, slot_bytes, deadline_us;
	uint32_t advice[3]; /* width, height, channels */
	struct memory memory;
	uint64_t last_seq;
	bool closing;		/* takes no more frames */
	bool open;		/* the daemon knows it, by `id` */
	uint32_t reopen_serial; /* of the request to open it again, 0 none is under way */
	int refusal;		/* that request was refused: why, as negative errno */
	inferd_on_result on_result;
	void *user;
	struct slot slots[IPC_SLOTS_MAX];
};

/* A decoded result and the memory it lives in, reused from frame to frame. */
struct result_store {
	void *storage;
	struct inferd_item *items;
	size_t items_capacity;
	struct inferd_place *places; /* as many as items, and so the gestures */
	struct inferd_gesture *gestures;
	struct inferd_point *points;
	size_t points_capacity;
	struct inferd_mask mask;
	struct inferd_tensor tensors[IPC_TENSORS_MAX];
	struct inferd_rung rung;
	struct inferd_result result;
};

/* The answer to the one request that waits. */
struct reply {
	uint32_t serial; /* 0: nothing waits */
	bool here;
	bool lost; /* the connection ended first */
	uint16_t type;
	uint8_t *body;
	size_t length;
	int fd;
};

/* OVER: it does not come back.  GREETING: connected, not welcomed yet. */
enum link_state { LINK_OVER, LINK_AWAY, LINK_GREETING, LINK_UP };

struct link {
	enum link_state state;
	char *path;	       /* where to connect again; NULL: nowhere */
	struct ipc_conn *conn; /* NULL while there is none */
	int set_fd, timer_fd;
	bool polls_out;
	uint64_t retry_ns, retry_ms;
};

struct inferd {
	struct link link;
	struct ipc_writer writer;
	struct inferd_stream *streams;
	struct result_store live, kept; /* kept: of inferd_run() */
	struct reply reply;
	uint32_t last_serial;
	bool calling;	/* within a callback */
	bool run_ended; /* the frame of inferd_run() was answered */
	int n_results;	/* handed to callbacks by the current call */
	char name[IPC_NAME_MAX + 1];
	char server[IPC_NAME_MAX + 1];
	uint32_t memories_max; /* of a stream, as this daemon takes them */
	uint32_t vectors_max;  /* version of the file that vectors go in */
	char error[IPC_TEXT_MAX + 128];
};

/* ---- link.c --------------------------------------------------------------------------------------- */

int link_init(struct link *link); /* 0 or negative errno; nothing to finish then */
void link_finish(struct link *link);

/* wait: for a daemon whose backlog is full; otherwise the socket is non-blocking. */
int link_open_socket(const char *path, bool wait, int *ret_fd);
int link_adopt(struct link *link, int fd); /* the connection from now on; consumes fd */
void link_established(struct link *link);  /* the daemon welcomed us */
void link_update(struct link *link);	   /* after sending: what is polled for */
void link_down(struct link *link);	   /* the connection ended: AWAY, or OVER without a path */
bool link_retry(struct link *link);	   /* connects when it is time to; true: there is a connection now */
/* Until there is something to read, to send or to retry: 0; -ETIMEDOUT. */
int link_wait(const struct link *link, uint64_t deadline_ns);

/* ---- memory.c ------------------------------------------------------------------------------------- */

void memory_init(struct memory *memory);
/* Keeps copies of n_fds descriptors, at most IPC_SLOTS_MAX: 0; -EBADF, -EMFILE and nothing kept. */
int memory_copy_fds(struct memory *memory, const int *fds, uint32_t n_fds);
void memory_take_fd(struct memory *memory, int fd); /* consumes it */
/* 0; -EPROTO: too small, or another number than one or n_slots; errno of mmap(2). */
int memory_map(struct memory *memory, uint32_t n_slots, uint32_t slot_bytes);
uint8_t *memory_slot(const struct memory *memory, size_t index); /* page aligned */
void memory_finish(struct memory *memory);			 /* accepts one that is not mapped, or half */

/* ---- tensors.c ------------------------------------------------------------------------------------ */

/*
 * Fills the store's tensors and what the result says of them.  index: the frame's slot.  None at all where one of them
 * would not lie in the slot.
 */
void tensors_fill(struct result_store *store, const struct ipc_result *from, const struct inferd_stream *stream,
		  size_t index);

/* ---- client.c ------------------------------------------------------------------------------------- */

/* Tests connect through a socketpair.  Consumes fd. */
int inferd_connect_fd(int fd, const char *name, struct inferd **ret_client);

/* Keeps the sentence and passes the error on, so that it can be returned. */
__attribute__((format(printf, 3, 4))) int client_fail(struct inferd *client, int error, const char *format, ...);

uint64_t client_now_ns(void);
uint64_t client_deadline_ns(int timeout_ms); /* UINT64_MAX for -1 */

uint32_t client_next_serial(struct inferd *client);

/* Sends the writer's body.  0, or a negative errno with its sentence. */
int client_send(struct inferd *client, uint16_t type, uint32_t serial);

/* The same with descriptors that stay the caller's. */
int client_send_fds(struct inferd *client, uint16_t type, uint32_t serial, const int *fds, uint32_t n_fds);

/*
 * Waits until the deadline for something to happen and handles all of it.  0, also when the connection ended and will
 * be tried again, -ETIMEDOUT, or -ECONNRESET when it will not.  Frames in flight were then reported as lost.
 */
int client_pump(struct inferd *client, uint64_t deadline_ns);

/*
 * Sends the writer's body as a request and waits for its reply, in client->reply until client_reply_finish().  0; an
 * ERROR becomes its code with its text kept; -EPROTO when the reply is not of the type wanted, -ECONNRESET when the
 * connection ended before it.
 */
int client_request(struct inferd *client, uint16_t type, uint16_t wanted, int timeout_ms);
int client_request_fds(struct inferd *client, uint16_t type, uint16_t wanted, int timeout_ms, const int *fds,
		       uint32_t n_fds);
int client_request_fd(struct inferd *client, uint16_t type, uint16_t wanted, int timeout_ms, int fd); /* -1: none */
/* Before a request is put together: the daemon must be there.  0, -ETIMEDOUT, -ECONNRESET. */
int client_wait_up(struct inferd *client, uint64_t deadline_ns);
void client_reply_finish(struct inferd *client);

/* Before a request for a report is put together, and after client_request(). */
int client_prepare_report(struct inferd *client, int timeout_ms);
int client_take_report(struct inferd *client, char **ret_json);

/* The frames of a stream that are still in flight end as lost, in the order of their submission. */
void stream_lose_frames(struct inferd_stream *stream);
struct slot *stream_slot_by_seq(struct inferd_stream *stream, uint64_t seq);
/* Its connection ended; a new one is there; the new daemon's answer to stream_reopen(), true when it is one. */
void stream_gone(struct inferd_stream *stream);
void stream_reopen(struct inferd_stream *stream);
bool stream_reopened(struct inferd_stream *stream, const struct ipc_message *message);
/* Unlinks and frees without telling the daemon. */
void stream_free(struct inferd_stream *stream);
/* The slot is free again and the result goes to whom it belongs; store holds it. */
void stream_deliver(struct inferd_stream *stream, struct slot *slot, struct result_store *store);

#endif
