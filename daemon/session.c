/* session.c - see session.h. */
#include "session.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "stream.h"
#include "wire.h"

/* A client that leaves this much unread is not read from until it has caught up. */
#define PAUSE_BYTES (64u << 10)
/* Lines about misbehaving clients, so that none can fill the log. */
#define LOG_WINDOW_US  10000000
#define LOG_WINDOW_MAX 10

struct session {
	struct session_host *host;
	struct session *next, *prev;
	struct session *next_untidy;
	bool is_untidy;
	int references; /* open, poll handle, streams, being untidy, queries under way */
	uv_poll_t poll;
	int poll_events;
	struct wire *wire;
	bool greeted, closed, paused;
	char client[IPC_NAME_MAX + 1];
	pid_t pid;
	uid_t uid;
	struct stream *streams;
	int n_streams;
	uint32_t last_stream;
	size_t pool_bytes;
	struct stats stats;
};

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

static void mark_untidy(struct session *session)
{
	if (session->is_untidy)
		return;
	session->is_untidy = true;
	session->next_untidy = session->host->untidy;
	session->host->untidy = session_ref(session);
}

/* Polls for what can be used now: requests unless paused, room in the socket while bytes wait. */
static void update_poll(struct session *session);

static void on_poll_closed(uv_handle_t *handle)
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
	uv_close((uv_handle_t *)&session->poll, on_poll_closed);
	wire_shut(session->wire);
	for (struct stream *stream = session->streams; stream; stream = stream->next) {
		stream->closing = true;
		dispatch_drop_stream(host->dispatch, stream, 0, IPC_DROPPED_CLOSED, NULL);
	}
	dispatch_hurry(host->dispatch);
	mark_untidy(session);
	session_unref(session);
}

static void log_violation(struct session *session, const char *reason)
{
	struct session_host *host = session->host;
	int64_t now = clock_us();

	if (now - host->log_since_us > LOG_WINDOW_US) {
		host->log_since_us = now;
		host->logged = 0;
	}
	if (host->logged++ < LOG_WINDOW_MAX)
		log_warning("client '%s' (pid %d, uid %d) is disconnected: %s", session->client, (int)session->pid,
			    (int)session->uid, reason);
}

static void violation(struct session *session, const char *reason)
{
	session_error(session, 0, EPROTO, "%s", reason);
	log_violation(session, reason);
	session_close(session);
}

/* ---- replies -------------------------------------------------------------------------------------- */

void session_reply(struct session *session, uint16_t type, uint32_t serial, const struct ipc_writer *writer)
{
	wire_send(session->wire, type, serial, writer, -1);
	if (!session->closed && (wire_pending(session->wire) || wire_failure(session->wire)))
		mark_untidy(session);
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

static void send_done(struct session *session, uint32_t serial)
{
	struct ipc_writer *writer = &session->host->writer;

	ipc_writer_reset(writer);
	ipc_put_done(writer);
	session_reply(session, IPC_DONE, serial, writer);
}

/* ---- requests ------------------------------------------------------------------------------------- */

static struct stream *find_stream(struct session *session, uint32_t id)
{
	for (struct stream *stream = session->streams; stream; stream = stream->next)
		if (stream->id == id && !stream->closing)
			return stream;
	return NULL;
}

static int handle_hello(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	struct ipc_welcome welcome = {.version = IPC_VERSION, .server = "inferd " INFERD_VERSION};
	struct ipc_writer *writer = &session->host->writer;
	struct ipc_hello hello;
	int rc = ipc_get_hello(message->body, message->header.length, &hello, ret_reason);

	if (rc < 0)
		return rc;
	if (session->greeted || hello.version != IPC_VERSION) {
		*ret_reason = session->greeted ? "HELLO came twice" : "this version of the protocol is not served";
		return -EPROTO;
	}
	session->greeted = true;
	memcpy(session->client, hello.client, sizeof(session->client));
	ipc_writer_reset(writer);
	ipc_put_welcome(writer, &welcome);
	session_reply(session, IPC_WELCOME, message->header.serial, writer);
	return 0;
}

static void send_opened(struct session *session, uint32_t serial, struct stream *stream)
{
	const struct ladder *ladder = stream->model->ladder;
	struct ipc_writer *writer = &session->host->writer;
	struct ipc_stream_opened opened = {.stream = stream->id,
					   .n_slots = stream->pool.n_slots,
					   .slot_bytes = stream->pool.slot_bytes,
					   .deadline_us = stream_deadline_us(stream)};

	for (int i = 0; i < ladder->n_rungs; i++) {
		const struct policy_rung *rung = &ladder->rungs[i];

		if (stream->pinned >= 0 && stream->pinned != i)
			continue;
		opened.advice_width = rung->width > opened.advice_width ? rung->width : opened.advice_width;
		opened.advice_height = rung->height > opened.advice_height ? rung->height : opened.advice_height;
		opened.advice_channels =
			rung->channels > opened.advice_channels ? rung->channels : opened.advice_channels;
	}
	ipc_writer_reset(writer);
	ipc_put_stream_opened(writer, &opened);
	wire_send(session->wire, IPC_STREAM_OPENED, serial, writer, stream->pool.fd);
	pool_forget_fd(&stream->pool);
	if (wire_pending(session->wire) || wire_failure(session->wire))
		mark_untidy(session);
}

/* The quotas of a client: 0, or a positive errno after the client was told. */
static int check_quota(struct session *session, uint32_t serial, const struct ipc_stream_open *open)
{
	const struct config_limits *limits = &session->host->config->limits;
	size_t allowed = (size_t)limits->pool_mb_per_client << 20;
	size_t wanted = pool_bytes(open->n_slots, open->slot_bytes);

	if (session->n_streams >= limits->streams_per_client) {
		session_error(session, serial, EDQUOT, "a client may have %d streams", limits->streams_per_client);
		return EDQUOT;
	}
	if (wanted > allowed || session->pool_bytes > allowed - wanted) {
		session_error(session, serial, EDQUOT, "the pools of a client may have %d MB together",
			      limits->pool_mb_per_client);
		return EDQUOT;
	}
	return 0;
}

static void share_out(struct session *session)
{
	for (struct stream *stream = session->streams; stream; stream = stream->next)
		stream_share(stream, session->n_streams);
}

static int handle_stream_open(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	struct session_host *host = session->host;
	uint32_t serial = message->header.serial;
	struct ipc_stream_open open;
	struct stream *stream;
	struct model *model;
	const char *why = "";
	int rc = ipc_get_stream_open(message->body, message->header.length, &open, ret_reason);

	if (rc < 0)
		return rc;
	model = models_find(host->models, open.model);
	if (!model) {
		session_error(session, serial, ENOENT, "there is no model '%s'", open.model);
		return 0;
	}
	if (check_quota(session, serial, &open))
		return 0;
	rc = stream_create(&open, session->last_stream + 1, model, host->dispatch->n_lanes, &why, &stream);
	if (rc < 0) {
		session_error(session, serial, -rc, "%s", why);
		return 0;
	}
	session->last_stream++;
	stream->session = session_ref(session);
	stream->wire = session->wire;
	stream->next = session->streams;
	session->streams = stream;
	session->n_streams++;
	session->pool_bytes += stream->pool.bytes;
	share_out(session);
	if (++host->n_streams == 1)
		host->on_streams(host);
	send_opened(session, serial, stream);
	return 0;
}

static int handle_stream_close(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	struct stream *stream;
	uint32_t id;
	int rc = ipc_get_stream_close(message->body, message->header.length, &id, ret_reason);

	if (rc < 0)
		return rc;
	stream = find_stream(session, id);
	if (!stream) {
		session_error(session, message->header.serial, ENOENT, "there is no stream %u", id);
		return 0;
	}
	/* DONE follows the results of frames that run now. */
	stream->closing = true;
	stream->close_serial = message->header.serial;
	dispatch_drop_stream(session->host->dispatch, stream, 0, IPC_DROPPED_CLOSED, NULL);
	dispatch_hurry(session->host->dispatch);
	mark_untidy(session);
	return 0;
}

static int handle_frame(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	struct ipc_frame frame;
	struct stream *stream;
	struct job *job;
	const char *why = "";
	int rc = ipc_get_frame(message->body, message->header.length, &frame, ret_reason);

	if (rc < 0)
		return rc;
	stream = find_stream(session, frame.stream);
	if (!stream) {
		session_error(session, message->header.serial, ENOENT, "there is no stream %u", frame.stream);
		return 0;
	}
	rc = stream_take_job(stream, &frame, message->header.serial, clock_us(), &why, &job);
	if (rc < 0)
		session_error(session, message->header.serial, -rc, "%s", why);
	else
		dispatch_submit(session->host->dispatch, job);
	return 0;
}

static int handle_cancel(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	struct stream *stream;
	uint32_t id;
	uint64_t seq;
	int rc = ipc_get_cancel(message->body, message->header.length, &id, &seq, ret_reason);

	if (rc < 0)
		return rc;
	stream = find_stream(session, id);
	if (!stream) {
		session_error(session, message->header.serial, ENOENT, "there is no stream %u", id);
		return 0;
	}
	dispatch_drop_stream(session->host->dispatch, stream, seq, IPC_DROPPED_CANCELLED, NULL);
	send_done(session, message->header.serial);
	return 0;
}

static int handle_query(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	char what[IPC_NAME_MAX + 1];
	int rc = ipc_get_query(message->body, message->header.length, what, ret_reason);

	if (rc == 0)
		session->host->on_query(session->host, session, message->header.serial, what);
	return rc;
}

/* 0, or a violation of the protocol with its reason. */
static int handle(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	if (message->header.n_fds) {
		*ret_reason = "a client's message carries descriptors";
		return -EPROTO;
	}
	if (!session->greeted && message->header.type != IPC_HELLO) {
		*ret_reason = "the first message is not HELLO";
		return -EPROTO;
	}
	switch (message->header.type) {
	case IPC_HELLO:
		return handle_hello(session, message, ret_reason);
	case IPC_STREAM_OPEN:
		return handle_stream_open(session, message, ret_reason);
	case IPC_STREAM_CLOSE:
		return handle_stream_close(session, message, ret_reason);
	case IPC_FRAME:
		return handle_frame(session, message, ret_reason);
	case IPC_CANCEL:
		return handle_cancel(session, message, ret_reason);
	case IPC_QUERY:
		return handle_query(session, message, ret_reason);
	default:
		*ret_reason = "a message of this type does not come from a client";
		return -EPROTO;
	}
}

static void close_fds(const struct ipc_message *message)
{
	for (int i = 0; i < message->header.n_fds; i++)
		close(message->fds[i]);
}

/* Handles what was read, until the client falls behind with reading our answers. */
static void handle_all(struct session *session)
{
	while (!session->closed) {
		const char *reason = "the message is malformed";
		struct ipc_message message;
		int rc;

		session->paused = wire_pending(session->wire) > PAUSE_BYTES;
		if (session->paused) {
			mark_untidy(session);
			return;
		}
		rc = wire_next(session->wire, &message, &reason);
		if (rc == -EAGAIN)
			return;
		if (rc == 0) {
			rc = handle(session, &message, &reason);
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
	mark_untidy(session);
	if (session->paused)
		handle_all(session);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct session *session = handle->data;

	session_ref(session);
	if (status < 0)
		session_close(session);
	if (!session->closed && (events & UV_WRITABLE))
		on_writable(session);
	if (!session->closed && (events & UV_READABLE))
		on_readable(session);
	session_unref(session);
}

static void update_poll(struct session *session)
{
	int events = 0;

	if (!session->paused && !session->host->draining)
		events |= UV_READABLE;
	if (wire_pending(session->wire))
		events |= UV_WRITABLE;
	if (events == session->poll_events)
		return;
	session->poll_events = events;
	if (events)
		uv_poll_start(&session->poll, events, on_poll);
	else
		uv_poll_stop(&session->poll);
}

int session_create(struct session_host *host, int fd, pid_t pid, uid_t uid)
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
	session->host = host;
	session->poll.data = session;
	session->references = 1; /* of the handle, until it is closed */
	session->pid = pid;
	session->uid = uid;
	rc = wire_create(fd, &session->wire);
	if (rc < 0) {
		uv_close((uv_handle_t *)&session->poll, on_poll_closed);
		return rc;
	}
	session_ref(session);
	session->next = host->sessions;
	if (host->sessions)
		host->sessions->prev = session;
	host->sessions = session;
	host->n_sessions++;
	update_poll(session);
	return 0;
}

int session_count(const struct session_host *host, uid_t uid)
{
	int count = 0;

	for (const struct session *session = host->sessions; session; session = session->next)
		count += session->uid == uid;
	return count;
}

/* ---- afterwards ----------------------------------------------------------------------------------- */

void session_on_home(struct job *job)
{
	struct stream *stream = job->stream;
	struct session *session = stream->session;

	stats_count(&session->stats, job->status, job->total_us, job->preprocess_us + job->inference_us);
	if ((stream->closing && !stream->running) || wire_pending(session->wire) || wire_failure(session->wire))
		mark_untidy(session);
}

static void end_stream(struct session *session, struct stream *stream)
{
	struct session_host *host = session->host;

	session->n_streams--;
	session->pool_bytes -= stream->pool.bytes;
	if (!session->closed)
		send_done(session, stream->close_serial);
	stream_destroy(stream);
	share_out(session);
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
			log_violation(session, "it does not read its answers");
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
		if (wire_pending(session->wire))
			return false;
	return true;
}

void session_rebind(struct session_host *host)
{
	for (struct session *session = host->sessions; session; session = session->next) {
		for (struct stream *stream = session->streams; stream; stream = stream->next) {
			stream_set_model(stream, models_find(host->models, stream->asked.model));
			stream_share(stream, session->n_streams);
			if (!stream->model)
				dispatch_drop_stream(host->dispatch, stream, 0, IPC_DROPPED_CLOSED,
						     "the model or rung was removed by a reload");
		}
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
		.client = session->client,
		.pid = session->pid,
		.uid = session->uid,
		.n_streams = session->n_streams,
		.pool_bytes = session->pool_bytes,
		.stats = &session->stats,
	};
}
