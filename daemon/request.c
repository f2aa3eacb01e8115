/*
 * request.c - what a client asks for, message by message.
 *
 * Each function checks what only it can know, changes streams and answers; limits and rights are looked at here, bytes
 * and connections are session.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "recognise.h"
#include "reply.h"
#include "session_internal.h"

/* NULL after the client was told. */
static struct stream *find_stream(struct session *session, uint32_t serial, uint32_t id)
{
	for (struct stream *stream = session->streams; stream; stream = stream->next)
		if (stream->id == id && !stream->closing)
			return stream;
	session_error(session, serial, ENOENT, "there is no stream %u", id);
	return NULL;
}

static int handle_hello(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	struct ipc_welcome welcome = {.version = IPC_VERSION,
				      .server = "inferd " INFERD_VERSION,
				      .memories = IPC_SLOTS_MAX,
				      .vectors = IPC_VECTORS_VERSION};
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
		uint32_t width, height;

		if (stream->pinned >= 0 && stream->pinned != i)
			continue;
		reply_advise(ladder, i, 0, 0, &width, &height);
		opened.advice_width = width > opened.advice_width ? width : opened.advice_width;
		opened.advice_height = height > opened.advice_height ? height : opened.advice_height;
		opened.advice_channels =
			rung->channels > opened.advice_channels ? rung->channels : opened.advice_channels;
	}
	ipc_writer_reset(writer);
	ipc_put_stream_opened(writer, &opened);
	wire_send(session->wire, IPC_STREAM_OPENED, serial, writer, stream->pool.imported ? -1 : stream->pool.fd);
	pool_settle(&stream->pool);
	if (wire_pending(session->wire) || wire_failure(session->wire))
		session_mark_untidy(session);
}

static size_t user_pool_bytes(const struct session_host *host, uid_t uid)
{
	size_t sum = 0;

	for (const struct session *session = host->sessions; session; session = session->next)
		if (session->peer.uid == uid)
			sum += session->pool_bytes;
	return sum;
}

/*
 * All pools may have half of the budget; a user half of what the others leave of that, so that there is something left
 * for whoever comes next, as dbus-broker shares what it accounts.  Owners may have all of it.
 */
static bool is_fair(const struct session *session, size_t wanted)
{
	const struct session_host *host = session->host;
	size_t all = (size_t)host->config->memory_budget_mb << 19, own = user_pool_bytes(host, session->peer.uid);
	size_t others = host->pool_bytes - own, left = all > others ? all - others : 0;

	return wanted + own <= (peer_is_owner(&session->peer) ? left : left / 2);
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
	if (!is_fair(session, wanted)) {
		session_error(session, serial, EDQUOT,
			      "the pools of a user may have half of what others leave of memory_budget_mb / 2");
		return EDQUOT;
	}
	if (session->host->make_room && !session->host->make_room(session->host, wanted)) {
		session_error(
			session, serial, ENOMEM,
			"memory_budget_mb has no room for the pool beside those of others, galleries and networks in use");
		return ENOMEM;
	}
	return 0;
}

/* Whether the stream may have the gallery that it names, if any; otherwise the client was told. */
static bool check_gallery(struct session *session, uint32_t serial, const struct ipc_stream_open *open,
			  const struct model *model)
{
	char why[IPC_TEXT_MAX + 1] = "";
	int rc = 0;

	if (!open->gallery[0])
		return true;
	if (model->ladder->task != CONFIG_EMBED)
		session_error(session, serial, EINVAL,
			      "the model '%s' is not of task embed: it has no vectors to look up in a gallery",
			      model->name);
	else if (!session->host->galleries)
		session_error(session, serial, ENOTSUP, "there are no galleries without --state-dir to keep them in");
	else if ((rc = recognition_check(session->host->galleries, open->gallery, model, why)) < 0)
		session_error(session, serial, -rc, "%s", why);
	else
		return true;
	return false;
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
	if (!peer_allowed(&session->peer, &model->allowed)) {
		session_error(session, serial, EACCES, "the model '%s' is not for this user", open.model);
		return 0;
	}
	if (!check_gallery(session, serial, &open, model))
		return 0;
	if (!message->header.n_fds)
		stream_make_room(&open, model);
	if (check_quota(session, serial, &open))
		return 0;
	rc = stream_create(&open, session->last_stream + 1, model, host->galleries, host->dispatch->n_lanes,
			   message->fds, message->header.n_fds, &why, &stream);
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
	host->pool_bytes += stream->pool.bytes;
	session_share_out(host, session->peer.uid);
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
	stream = find_stream(session, message->header.serial, id);
	if (!stream)
		return 0;
	/* DONE follows the results of frames that run now. */
	stream->closing = true;
	stream->close_serial = message->header.serial;
	dispatch_drop_stream(session->host->dispatch, stream, 0, IPC_DROPPED_CLOSED, NULL);
	dispatch_hurry(session->host->dispatch);
	session_mark_untidy(session);
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
	stream = find_stream(session, message->header.serial, frame.stream);
	if (!stream)
		return 0;
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
	stream = find_stream(session, message->header.serial, id);
	if (!stream)
		return 0;
	dispatch_drop_stream(session->host->dispatch, stream, seq, IPC_DROPPED_CANCELLED, NULL);
	session_send_done(session, message->header.serial);
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

static int handle_change(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	struct ipc_change change;
	int rc = ipc_get_change(message->body, message->header.length, &change, ret_reason);

	if (rc == 0)
		session->host->on_change(session->host, session, message->header.serial, &change,
					 message->header.n_fds ? message->fds[0] : -1);
	return rc;
}

static int handle_gallery(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	struct ipc_gallery asked;
	int rc = ipc_get_gallery(message->body, message->header.length, &asked, ret_reason);

	if (rc == 0)
		session->host->on_gallery(session->host, session, message->header.serial, &asked,
					  message->header.n_fds ? message->fds[0] : -1);
	return rc;
}

/* How many descriptors a message may bring. */
static int fds_allowed(uint16_t type)
{
	return type == IPC_STREAM_OPEN ? IPC_SLOTS_MAX : type == IPC_CHANGE || type == IPC_GALLERY;
}

int request_handle(struct session *session, const struct ipc_message *message, const char **ret_reason)
{
	if (message->header.n_fds > fds_allowed(message->header.type)) {
		*ret_reason = "a message carries descriptors that are not asked for";
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
	case IPC_CHANGE:
		return handle_change(session, message, ret_reason);
	case IPC_GALLERY:
		return handle_gallery(session, message, ret_reason);
	default:
		*ret_reason = "a message of this type does not come from a client";
		return -EPROTO;
	}
}
