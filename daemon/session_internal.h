/*
 * session_internal.h - what session.c and request.c share: a session's inside.
 */
#ifndef INFERD_SESSION_INTERNAL_H
#define INFERD_SESSION_INTERNAL_H

#include "session.h"
#include "stream.h"
#include "wire.h"

struct session {
	struct session_host *host;
	struct session *next, *prev;
	struct session *next_untidy;
	uint64_t id;
	bool is_untidy;
	int references; /* open, its two handles, streams, being untidy, queries under way */
	uv_poll_t poll;
	int poll_events;
	uv_timer_t timer;	    /* runs while throttled or paused */
	int64_t due_us;		    /* when its next message would be on time, at the rate that is allowed */
	int64_t throttled_until_us; /* it sent too many messages: what follows waits; 0 it does not */
	int64_t paused_us; /* it has left its answers unread since then, and what follows waits; 0 it does not */
	struct wire *wire;
	bool greeted, closed;
	char client[IPC_NAME_MAX + 1];
	struct peer peer;
	struct stream *streams;
	int n_streams;
	uint32_t last_stream;
	size_t pool_bytes;
	struct stats stats;
};

/* session_tidy() will look at it. */
void session_mark_untidy(struct session *session);
void session_send_done(struct session *session, uint32_t serial);

/* Divides what a user may have by its clients and their streams. */
void session_share_out(struct session_host *host, uid_t uid);

/*
 * Does what a message asks for.  0, or a violation of the protocol with its reason.  The message's descriptors stay
 * the caller's.
 */
int request_handle(struct session *session, const struct ipc_message *message, const char **ret_reason);

#endif
