/*
 * session.h - one client: its messages, its streams, its quotas.
 *
 * A session reads and answers on the loop; the results of its frames are sent by lanes.  Whatever a client does
 * wrong costs that client its request or its connection and nobody else anything.
 *
 * A closed session stays in memory, out of the list, until the last of its frames has left its lane.
 *
 * What must not happen in the midst of other walks (closing, destroying streams) waits for session_tidy(),
 * which the owner of the loop calls before the loop sleeps.
 */
#ifndef INFERD_SESSION_H
#define INFERD_SESSION_H

#include <sys/types.h>
#include <uv.h>

#include "config/config.h"
#include "dispatch.h"
#include "models.h"
#include "stats.h"

struct session;

/* What all sessions share, and what they ask of the process. */
struct session_host {
	uv_loop_t *loop;
	struct dispatch *dispatch;
	const struct config *config; /* of the running generation, as is models */
	const struct models *models;
	bool draining; /* no more requests are read */
	struct ipc_writer writer;

	void (*on_query)(struct session_host *host, struct session *session, uint32_t serial, const char *what);
	/* fd: of the message, borrowed; -1 none. */
	void (*on_change)(struct session_host *host, struct session *session, uint32_t serial,
			  const struct ipc_change *change, int fd);
	/* The same about galleries. */
	void (*on_gallery)(struct session_host *host, struct session *session, uint32_t serial,
			   const struct ipc_gallery *asked, int fd);
	struct galleries *galleries;		       /* that streams may name; NULL: none are kept */
	void (*on_streams)(struct session_host *host); /* n_streams became 0 or 1 */
	/* Whether the device has memory for a pool of this size, after what is idle was unloaded; NULL: always. */
	bool (*make_room)(struct session_host *host, size_t bytes);
	/* Bytes that all galleries may have now; NULL: any. */
	size_t (*left_for_galleries)(struct session_host *host);

	struct session *sessions; /* open ones */
	int n_sessions, n_streams;
	uint64_t n_ever;   /* sessions */
	size_t pool_bytes; /* of all streams */
	/* private to session.c */
	struct session *untidy;
	int64_t log_since_us;
	int logged;
};

void session_host_init(struct session_host *host, uv_loop_t *loop, struct dispatch *dispatch);
void session_host_finish(struct session_host *host); /* every session is gone */

/* Consumes fd on success.  0 or negative errno. */
int session_create(struct session_host *host, int fd, const struct peer *peer);
void session_close(struct session *session); /* of an open session */
int session_count(const struct session_host *host, uid_t uid);

/* Ends what has ended since the last time. */
void session_tidy(struct session_host *host);
/* After draining was set: stops reading. */
void session_drain(struct session_host *host);
/* Whether every byte was taken by the clients. */
bool session_all_sent(const struct session_host *host);
/* Moves every stream to the models of the host; waiting frames of a model that is gone are answered. */
void session_rebind(struct session_host *host);

/* The dispatch's on_home. */
void session_on_home(struct job *job);

/* Replies to a query.  The session may be closed meanwhile: it then does nothing. */
struct session *session_ref(struct session *session);
void session_unref(struct session *session);
void session_reply(struct session *session, uint16_t type, uint32_t serial, const struct ipc_writer *writer);
void session_error(struct session *session, uint32_t serial, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* For reports. */
struct session_info {
	uint64_t id; /* never used again */
	const char *client;
	const struct peer *peer;
	int n_streams;
	size_t pool_bytes;
	const struct stream *streams;
	const struct stats *stats;
};
const struct session *session_first(const struct session_host *host);
const struct session *session_next(const struct session *session);
struct session_info session_describe(const struct session *session);

#endif
