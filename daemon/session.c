/* session.c - see session.h. */
#include "session_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

/* A client that leaves this much unread is not read from until it has caught up. */
#define PAUSE_BYTES (64u << 10)
/* How long a client that sends too many messages is not read from. */
#define THROTTLE_US 50000
/* What of a second's worth of messages a client may send right after it has come, so that coming anew gains little. */
#define FIRST_SHARE 10
#define FIRST_LEAST 16
/* Lines about misbehaving clients, so that none can fill the log. */
#define LOG_WINDOW_US  10000000
#define LOG_WINDOW_MAX 10

/* ---- life ----------------------------------------------------------------------------------------- */

void session_host_init(struct session_host *host, uv_loop_t *loop, struct dispatch *dispatch)
{
	*host = (struct session_host){.loop = loop, .dispatch = dispatch};
	ipc_writer_init(&host->writer);
}

void session_host_finish(struct session_host *host)
{
	ipc_writer_finish(&host->writer);
}

struct session *session_ref(struct session *session)
{
	session->references++;
	return session;
}

void session_unref(struct session *session)
{
	if (--session->references > 0)
		return;
	wire_unref(session->wire);
	free(session);
}

void session_mark_untidy(struct session *session)
{
	if (session->is_untidy)
		return;
	session->is_untidy = true;
	session->next_untidy = session->host->untidy;
	session->host->untidy = session_ref(session);
}

/* Polls for what can be used now: requests unless they have to wait, room in the socket while bytes do. */
static void update_poll(struct session *session);

static void on_handle_closed(uv_handle_t *handle)
{
	session_unref(handle->data);
}

void session_close(struct session *session)
{
	struct session_host *host = session->host;

	assert(!session->closed);
	session->closed = true;
	if (session->prev)
		session->prev->next = session->next;
	else
		host->sessions = session->next;
	if (session->next)
		session->next->prev = session->prev;
	host->n_sessions--;
	uv_close((uv_handle_t *)&session->poll, on_handle_closed);
	uv_close((uv_handle_t *)&session->timer, on_handle_closed);
	wire_shut(session->wire);
	for (struct stream *stream = session->streams; stream; stream = stream->next) {
		stream->closing = true;
		dispatch_drop_stream(host->dispatch, stream, 0, IPC_DROPPED_CLOSED, NULL);
	}
	dispatch_hurry(host->dispatch);
	session_mark_untidy(session);
	session_unref(session);
}

/* Says of a client what became of it, and why. */
static void log_client(struct session *session, const char *what, const char *reason)
{
	struct session_host *host = session->host;
	int64_t now = clock_us();

	if (now - host->log_since_us > LOG_WINDOW_US) {
		host->log_since_us = now;
		host->logged = 0;
	}
	if (host->logged++ < LOG_WINDOW_MAX)
		log_warning("client '%s' (pid %d, uid %d) is %s: %s", session->client, (int)session->peer.pid,
			    (int)session->peer.uid, what, reason);
}

static void violation(struct session *session, const char *reason)
{
	session_error(session, 0, EPROTO, "%s", reason);
	log_client(session, "disconnected", reason);
	session_close(session);
}

/* ---- replies -------------------------------------------------------------------------------------- */

void session_reply(struct session *session, uint16_t type, uint32_t serial, const struct ipc_writer *writer)
{
	wire_send(session->wire, type, serial, writer, -1);
	if (!session->closed && (wire_pending(session->wire) || wire_failure(session->wire)))
		session_mark_untidy(session);
}

void session_error(struct session *session, uint32_t serial, int code, const char *format, ...)
{
	struct ipc_writer *writer = &session->host->writer;
	char text[IPC_TEXT_MAX + 1];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	ipc_writer_reset(writer);
	ipc_put_error(writer, &(struct ipc_error){.code = code, .text = text});
	session_reply(session, IPC_ERROR, serial, writer);
}

void session_send_done(struct session *session, uint32_t serial)
{
	struct ipc_writer *writer = &session->host->writer;

	ipc_writer_reset(writer);
	ipc_put_done(writer);
	session_reply(session, IPC_DONE, serial, writer);
}

static void close_fds(const struct ipc_message *message)
{
	for (int i = 0; i < message->header.n_fds; i++)
		close(message->fds[i]);
}

/* Whether a message that comes now is one too many: a second's worth of messages may come at once (GCRA, ITU-T I.371).
 */
static bool is_too_many(struct session *session, int64_t now_us)
{
	if (session->due_us < now_us)
		session->due_us = now_us;
	if (session->due_us - now_us > 1000000)
		return true;
	session->due_us += 1000000 / session->host->config->limits.messages_per_second;
	return false;
}

static int64_t first_due_us(const struct session_host *host, const struct peer *peer)
{
	int rate = host->config->limits.messages_per_second;
	int first = rate / FIRST_SHARE > FIRST_LEAST ? rate / FIRST_SHARE : FIRST_LEAST;

	return peer_is_owner(peer) ? 0 : clock_us() + 1000000 - (int64_t)first * 1000000 / rate;
}

static void throttle(struct session *session, uint32_t serial, int64_t now_us)
{
	session_error(session, serial, EBUSY, "a client may send %d messages a second",
		      session->host->config->limits.messages_per_second);
	log_client(session, "throttled", "it sends more than limits.messages_per_second");
	session->throttled_until_us = now_us + THROTTLE_US;
	session_mark_untidy(session);
}

/* Whether what the client sends has to wait. */
static bool is_held(struct session *session, int64_t now_us)
{
	if (session->throttled_until_us && session->throttled_until_us <= now_us)
		session->throttled_until_us = 0;
	if (wire_pending(session->wire) <= PAUSE_BYTES)
		session->paused_us = 0;
	else if (!session->paused_us)
		session->paused_us = now_us;
	return session->throttled_until_us || session->paused_us;
}

/* Handles what was read, until the client falls behind with reading our answers or is too fast. */
static void handle_all(struct session *session)
{
	while (!session->closed) {
		const char *reason = "the message is malformed";
		struct ipc_message message;
		int64_t now = clock_us();
		int rc;

		if (is_held(session, now)) {
			session_mark_untidy(session);
			return;
		}
		rc = wire_next(session->wire, &message, &reason);
		if (rc == -EAGAIN)
			return;
		if (rc == 0) {
			if (is_too_many(session, now))
				throttle(session, message.header.serial, now);
			else
				rc = request_handle(session, &message, &reason);
			close_fds(&message);
		}
		if (rc < 0 && !session->closed)
			violation(session, reason);
	}
}

/* ---- the socket ----------------------------------------------------------------------------------- */

static void on_readable(struct session *session)
{
	int rc = wire_recv(session->wire);

	/* A lane sends its answer itself: what this client has learned, we must know, too. */
	dispatch_collect(session->host->dispatch);
	if (rc == -EPROTO)
		violation(session, "descriptors came that no message announced");
	else if (rc < 0 && rc != -EAGAIN)
		session_close(session);
	else
		handle_all(session);
}

static void on_writable(struct session *session)
{
	int rc = wire_flush(session->wire);

	if (rc < 0 && rc != -EAGAIN) {
		session_close(session);
		return;
	}
	session_mark_untidy(session);
	if (session->paused_us)
		handle_all(session);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct session *session = handle->data;

	session_ref(session);
	if (status < 0 || (events & UV_DISCONNECT))
		session_close(session);
	if (!session->closed && (events & UV_WRITABLE))
		on_writable(session);
	if (!session->closed && (events & UV_READABLE))
		on_readable(session);
	session_unref(session);
}

static void on_timer(uv_timer_t *timer)
{
	struct session *session = timer->data;
	int64_t longest_us = (int64_t)session->host->config->limits.unread_seconds * 1000000;

	if (session->paused_us && clock_us() - session->paused_us >= longest_us) {
		log_client(session, "disconnected", "it has left its answers unread for limits.unread_seconds");
		session_close(session);
		return;
	}
	session_mark_untidy(session);
	handle_all(session);
}

/* Lets the timer look at a client that is held when that may end. */
static void update_timer(struct session *session)
{
	int64_t until = session->throttled_until_us;

	if (!until && session->paused_us)
		until = session->paused_us + (int64_t)session->host->config->limits.unread_seconds * 1000000;
	if (until) {
		int64_t left_us = until - clock_us();

		uv_update_time(session->host->loop);
		uv_timer_start(&session->timer, on_timer, left_us > 0 ? (uint64_t)left_us / 1000 + 1 : 0, 0);
	} else if (uv_is_active((uv_handle_t *)&session->timer)) {
		uv_timer_stop(&session->timer);
	}
}

static void update_poll(struct session *session)
{
	bool held = session->throttled_until_us || session->paused_us;
	/* The end of a client is noticed at any time. */
	int events = held || session->host->draining ? UV_DISCONNECT : UV_READABLE;

	update_timer(session);
	if (wire_pending(session->wire))
		events |= UV_WRITABLE;
	if (events == session->poll_events)
		return;
	session->poll_events = events;
	uv_poll_start(&session->poll, events, on_poll);
}

int session_create(struct session_host *host, int fd, const struct peer *peer)
{
	struct session *session = calloc(1, sizeof(*session));
	int rc;

	if (!session)
		return -ENOMEM;
	rc = uv_poll_init(host->loop, &session->poll, fd);
	if (rc < 0) {
		free(session);
		return rc;
	}
	uv_timer_init(host->loop, &session->timer);
	session->host = host;
	session->due_us = first_due_us(host, peer);
	session->poll.data = session->timer.data = session;
	session->references = 2; /* of the handles, until they are closed */
	session->peer = *peer;
	rc = wire_create(fd, &session->wire);
	if (rc < 0) {
		uv_close((uv_handle_t *)&session->poll, on_handle_closed);
		uv_close((uv_handle_t *)&session->timer, on_handle_closed);
		return rc;
	}
	session_ref(session);
	session->next = host->sessions;
	if (host->sessions)
		host->sessions->prev = session;
	host->sessions = session;
	host->n_sessions++;
	session->id = ++host->n_ever;
	update_poll(session);
	return 0;
}

int session_count(const struct session_host *host, uid_t uid)
{
	int count = 0;

	for (const struct session *session = host->sessions; session; session = session->next)
		count += session->peer.uid == uid;
	return count;
}

void session_share_out(struct session_host *host, uid_t uid)
{
	int n_clients = 0;

	for (const struct session *session = host->sessions; session; session = session->next)
		n_clients += session->peer.uid == uid && session->n_streams;
	for (struct session *session = host->sessions; session; session = session->next)
		for (struct stream *stream = session->streams; session->peer.uid == uid && stream;
		     stream = stream->next)
			stream_share(stream, session->n_streams * n_clients);
}

/* ---- afterwards ----------------------------------------------------------------------------------- */

void session_on_home(struct job *job)
{
	struct stream *stream = job->stream;
	struct session *session = stream->session;

	stats_count(&session->stats, job->status, job->total_us, job->preprocess_us + job->inference_us, job->home_us);
	if ((stream->closing && !stream->running) || wire_pending(session->wire) || wire_failure(session->wire))
		session_mark_untidy(session);
}

static void end_stream(struct session *session, struct stream *stream)
{
	struct session_host *host = session->host;

	session->n_streams--;
	session->pool_bytes -= stream->pool.bytes;
	host->pool_bytes -= stream->pool.bytes;
	if (!session->closed)
		session_send_done(session, stream->close_serial);
	share_leave(&host->dispatch->governor->shares, &stream->share);
	stream_destroy(stream);
	session_share_out(host, session->peer.uid);
	if (--host->n_streams == 0)
		host->on_streams(host);
	session_unref(session);
}

static void tidy(struct session *session)
{
	struct stream **place = &session->streams;

	while (*place) {
		struct stream *stream = *place;

		if (stream->closing && !stream->running) {
			*place = stream->next;
			end_stream(session, stream);
		} else {
			place = &stream->next;
		}
	}
	if (session->closed)
		return;
	if (wire_failure(session->wire)) {
		if (wire_failure(session->wire) == -ENOBUFS)
			log_client(session, "disconnected", "it does not read its answers");
		session_close(session);
	} else {
		update_poll(session);
	}
}

void session_tidy(struct session_host *host)
{
	while (host->untidy) {
		struct session *session = host->untidy;

		host->untidy = session->next_untidy;
		session->is_untidy = false;
		tidy(session);
		session_unref(session);
	}
}

void session_drain(struct session_host *host)
{
	for (struct session *session = host->sessions; session; session = session->next)
		update_poll(session);
}

bool session_all_sent(const struct session_host *host)
{
	for (const struct session *session = host->sessions; session; session = session->next)
		if (!wire_all_sent(session->wire))
			return false;
	return true;
}

void session_rebind(struct session_host *host)
{
	for (struct session *session = host->sessions; session; session = session->next) {
		for (struct stream *stream = session->streams; stream; stream = stream->next) {
			struct model *model = models_find(host->models, stream->asked.model);

			if (model && !peer_allowed(&session->peer, &model->allowed))
				model = NULL;
			stream_set_model(stream, model);
			if (!stream->model)
				dispatch_drop_stream(host->dispatch, stream, 0, IPC_DROPPED_CLOSED, stream_gone);
		}
		session_share_out(host, session->peer.uid);
	}
}

/* ---- reports -------------------------------------------------------------------------------------- */

const struct session *session_first(const struct session_host *host)
{
	return host->sessions;
}

const struct session *session_next(const struct session *session)
{
	return session->next;
}

struct session_info session_describe(const struct session *session)
{
	return (struct session_info){
		.id = session->id,
		.client = session->client,
		.peer = &session->peer,
		.n_streams = session->n_streams,
		.pool_bytes = session->pool_bytes,
		.streams = session->streams,
		.stats = &session->stats,
	};
}
