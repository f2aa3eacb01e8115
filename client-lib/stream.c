/*
 * stream.c - a stream: its buffers, the frames in flight, and whom their results go to.
 *
 * Messages are sent and received by client.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define DEFAULT_BUFFERS 3

/* ---- results ------------------------------------------------------------------------------------- */

struct slot *stream_slot_by_seq(struct inferd_stream *stream, uint64_t seq)
{
	for (uint32_t i = 0; i < stream->n_slots; i++)
		if (stream->slots[i].state == SLOT_SENT && stream->slots[i].seq == seq)
			return &stream->slots[i];
	return NULL;
}

void stream_deliver(struct inferd_stream *stream, struct slot *slot, struct result_store *store)
{
	struct inferd *client = stream->client;
	uint64_t round_trip_us = (client_now_ns() - slot->sent_ns) / 1000;
	struct slot ended = *slot;

	*slot = (struct slot){.state = SLOT_FREE};
	store->result.seq = ended.seq;
	store->result.user = ended.user;
	store->result.round_trip_us = round_trip_us > UINT32_MAX ? UINT32_MAX : (uint32_t)round_trip_us;
	if (ended.discard)
		return;
	if (ended.sync) {
		/* The caller looks at it after further messages were handled. */
		struct result_store swapped = client->kept;

		client->kept = *store;
		*store = swapped;
		if (client->kept.result.rung)
			client->kept.result.rung = &client->kept.rung;
		if (client->kept.result.mask)
			client->kept.result.mask = &client->kept.mask;
		if (client->kept.result.tensors)
			client->kept.result.tensors = client->kept.tensors;
		client->run_ended = true;
		return;
	}
	client->n_results++;
	client->calling = true;
	stream->on_result(stream, &store->result, stream->user);
	client->calling = false;
}

void stream_lose_frames(struct inferd_stream *stream)
{
	for (;;) {
		struct slot *first = NULL;

		for (uint32_t i = 0; i < stream->n_slots; i++) {
			struct slot *slot = &stream->slots[i];

			if (slot->state == SLOT_SENT && (!first || slot->seq < first->seq))
				first = slot;
		}
		if (!first)
			return;
		stream->client->live.result =
			(struct inferd_result){.status = INFERD_LOST, .text = "", .reason = "", .name = ""};
		stream_deliver(stream, first, &stream->client->live);
	}
}

const char *inferd_status_name(enum inferd_status status)
{
	static const char *const names[] = {
		[INFERD_OK] = "ok",
		[INFERD_DROPPED_DEADLINE] = "deadline",
		[INFERD_DROPPED_REPLACED] = "replaced",
		[INFERD_DROPPED_CANCELLED] = "cancelled",
		[INFERD_DROPPED_SKIPPED] = "skipped",
		[INFERD_DROPPED_CLOSED] = "closed",
		[INFERD_FAILED] = "failed",
		[INFERD_LOST] = "lost",
	};

	return (unsigned)status <= INFERD_LOST ? names[status] : "unknown";
}

/* ---- open and close ------------------------------------------------------------------------------- */

static int copy_name(struct inferd *client, const char *what, const char *from, char to[IPC_NAME_MAX + 1])
{
	if (from && strlen(from) > IPC_NAME_MAX)
		return client_fail(client, -EINVAL, "the name of the %s is longer than %d bytes", what, IPC_NAME_MAX);
	strcpy(to, from ? from : "");
	return 0;
}

static int fill_open(struct inferd *client, const struct inferd_stream_options *options,
		     struct ipc_stream_open *ret_open)
{
	struct ipc_stream_open open = {
		.mode = (enum ipc_mode)options->mode,
		.n_slots = options->n_buffers ? options->n_buffers : DEFAULT_BUFFERS,
		.slot_bytes = (uint32_t)options->buffer_bytes,
		.deadline_us = options->deadline_us,
		.top_k = options->top_k,
		.min_fps = options->min_fps,
		.weight = options->weight,
		.priority = (enum ipc_priority)options->priority,
		.full = options->full,
	};
	int r = copy_name(client, "model", options->model, open.model);

	r = r < 0 ? r : copy_name(client, "rung", options->rung, open.rung);
	r = r < 0 ? r : copy_name(client, "gallery", options->gallery, open.gallery);
	if (r < 0)
		return r;
	if (!open.model[0])
		return client_fail(client, -EINVAL, "a stream needs the name of a model");
	if (open.n_slots > IPC_SLOTS_MAX)
		return client_fail(client, -EINVAL, "a stream has at most %d buffers", IPC_SLOTS_MAX);
	if (options->buffer_bytes == 0 || options->buffer_bytes > IPC_SLOT_BYTES_MAX)
		return client_fail(client, -EINVAL, "buffer_bytes must be within 1..%u", IPC_SLOT_BYTES_MAX);
	*ret_open = open;
	return 0;
}

/* Whether the daemon, which is there, takes the memories that the stream brings. */
static bool is_importable(const struct inferd_stream *stream)
{
	return stream->memory.n <= stream->client->memories_max;
}

/* Asks for the stream with memory of the daemon's, or with the stream's own. */
static int request_open(struct inferd_stream *stream)
{
	struct inferd *client = stream->client;
	uint64_t deadline_ns = client_deadline_ns(CLIENT_TIMEOUT_MS);
	int r = client_wait_up(client, deadline_ns);

	if (r < 0)
		return r;
	if (!is_importable(stream))
		return client_fail(client, -ENOTSUP, "the daemon takes no more than %u memories of a stream",
				   client->memories_max);
	ipc_writer_reset(&client->writer);
	ipc_put_stream_open(&client->writer, &stream->asked);
	return client_request_fds(client, IPC_STREAM_OPEN, IPC_STREAM_OPENED, CLIENT_TIMEOUT_MS, stream->memory.fd,
				  stream->memory.n);
}

static void take_values(struct inferd_stream *stream, const struct ipc_stream_opened *opened)
{
	stream->deadline_us = opened->deadline_us;
	stream->advice[0] = opened->advice_width;
	stream->advice[1] = opened->advice_height;
	stream->advice[2] = opened->advice_channels;
}

/* Maps the buffers' memory, which the daemon made unless we brought it. */
static int map_buffers(struct inferd_stream *stream, const struct ipc_stream_opened *opened, bool is_own)
{
	int r;

	if (opened->n_slots < 1 || opened->n_slots > IPC_SLOTS_MAX || opened->slot_bytes < 1 ||
	    opened->slot_bytes > IPC_SLOT_BYTES_MAX)
		return -EPROTO;
	r = memory_map(&stream->memory, opened->n_slots, opened->slot_bytes);
	/* Whoever acquires a buffer writes to it, unless they know better. */
	if (r == 0 && stream->memory.read_only && !is_own)
		r = -EACCES;
	if (r < 0)
		return r;
	stream->n_slots = opened->n_slots;
	stream->slot_bytes = opened->slot_bytes;
	take_values(stream, opened);
	stream->open = true;
	return 0;
}

static int take_memory(struct inferd_stream *stream, const struct inferd_stream_options *options)
{
	struct inferd *client = stream->client;
	bool each = options->import_fds;
	int r;

	if (!each && options->import_fd <= 0)
		return 0;
	if (each && options->import_fd > 0)
		return client_fail(client, -EINVAL, "a stream takes import_fd or import_fds, not both");
	r = memory_copy_fds(&stream->memory, each ? options->import_fds : &options->import_fd,
			    each ? stream->asked.n_slots : 1);
	return r < 0 ? client_fail(client, r, "%s cannot be used: %s", each ? "import_fds" : "import_fd", strerror(-r))
		     : 0;
}

/* The daemon may have a stream back that is of no use. */
static void give_back(struct inferd_stream *stream)
{
	ipc_writer_reset(&stream->client->writer);
	ipc_put_stream_close(&stream->client->writer, stream->id);
	client_send(stream->client, IPC_STREAM_CLOSE, client_next_serial(stream->client));
}

static int open_stream(struct inferd_stream *stream, const struct inferd_stream_options *options)
{
	struct inferd *client = stream->client;
	struct ipc_stream_opened opened;
	bool is_own;
	int r = fill_open(client, options, &stream->asked);

	if (r == 0)
		r = take_memory(stream, options);
	if (r == 0)
		r = request_open(stream);
	if (r < 0)
		return r;
	r = ipc_get_stream_opened(client->reply.body, client->reply.length, &opened, NULL);
	is_own = stream->memory.n > 0;
	if (!is_own && client->reply.fd >= 0) {
		memory_take_fd(&stream->memory, client->reply.fd);
		client->reply.fd = -1;
	}
	client_reply_finish(client);
	if (r == 0) {
		stream->id = opened.stream;
		r = map_buffers(stream, &opened, is_own);
		if (r < 0)
			give_back(stream);
	}
	if (r < 0)
		return client_fail(client, r, "the stream's buffers could not be mapped: %s", strerror(-r));
	/* The next daemon is asked for the same, in sizes that are whole pages already. */
	stream->asked.n_slots = stream->n_slots;
	stream->asked.slot_bytes = stream->slot_bytes;
	return 0;
}

int inferd_stream_open(struct inferd *client, const struct inferd_stream_options *options,
		       struct inferd_stream **ret_stream)
{
	struct inferd_stream *stream;
	int r;

	if (client->calling)
		return client_fail(client, -EBUSY, "a callback must not open a stream");
	client->error[0] = 0;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return client_fail(client, -ENOMEM, "no memory for a stream");
	stream->client = client;
	memory_init(&stream->memory);
	r = open_stream(stream, options);
	if (r < 0) {
		memory_finish(&stream->memory);
		free(stream);
		return r;
	}
	stream->on_result = options->on_result;
	stream->user = options->user;
	stream->next = client->streams;
	client->streams = stream;
	*ret_stream = stream;
	return 0;
}

void stream_gone(struct inferd_stream *stream)
{
	stream->open = false;
	stream->reopen_serial = 0;
	stream->refusal = 0;
}

void stream_reopen(struct inferd_stream *stream)
{
	struct inferd *client = stream->client;
	uint32_t serial = client_next_serial(client);

	if (stream->closing)
		return;
	if (!is_importable(stream)) {
		stream->refusal = -ENOTSUP;
		return;
	}
	ipc_writer_reset(&client->writer);
	ipc_put_stream_open(&client->writer, &stream->asked);
	if (client_send_fds(client, IPC_STREAM_OPEN, serial, stream->memory.fd, stream->memory.n) == 0)
		stream->reopen_serial = serial;
}

bool stream_reopened(struct inferd_stream *stream, const struct ipc_message *message)
{
	struct ipc_stream_opened opened;
	struct ipc_error error;
	void *storage;

	if (!stream->reopen_serial || message->header.serial != stream->reopen_serial)
		return false;
	stream->reopen_serial = 0;
	if (message->header.type == IPC_STREAM_OPENED &&
	    ipc_get_stream_opened(message->body, message->header.length, &opened, NULL) == 0) {
		stream->id = opened.stream;
		take_values(stream, &opened);
		stream->open = true;
		return true;
	}
	stream->refusal = -EPROTO;
	if (message->header.type == IPC_ERROR &&
	    ipc_get_error(message->body, message->header.length, &error, &storage, NULL) == 0) {
		if (error.code > 0 && error.code < 4096)
			stream->refusal = -error.code;
		ipc_storage_free(storage);
	}
	return true;
}

void stream_free(struct inferd_stream *stream)
{
	struct inferd_stream **link = &stream->client->streams;

	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	memory_finish(&stream->memory);
	free(stream);
}

int inferd_stream_close(struct inferd_stream *stream)
{
	struct inferd *client;

	if (!stream)
		return 0;
	client = stream->client;
	if (client->calling)
		return client_fail(client, -EBUSY, "a callback must not close a stream");
	client->error[0] = 0;
	stream->closing = true;
	ipc_writer_reset(&client->writer);
	ipc_put_stream_close(&client->writer, stream->id);
	if (stream->open && client_request(client, IPC_STREAM_CLOSE, IPC_DONE, CLIENT_TIMEOUT_MS) == 0)
		client_reply_finish(client);
	/* The daemon answers the frames first; what is left has no one who would answer it. */
	stream_lose_frames(stream);
	stream_free(stream);
	return 0;
}

size_t inferd_stream_buffer_bytes(const struct inferd_stream *stream)
{
	return stream->slot_bytes;
}

uint32_t inferd_stream_deadline_us(const struct inferd_stream *stream)
{
	return stream->deadline_us;
}

void inferd_stream_advice(const struct inferd_stream *stream, uint32_t *ret_width, uint32_t *ret_height,
			  uint32_t *ret_channels)
{
	uint32_t *const rets[3] = {ret_width, ret_height, ret_channels};

	for (int i = 0; i < 3; i++)
		if (rets[i])
			*rets[i] = stream->advice[i];
}

/* ---- frames -------------------------------------------------------------------------------------- */

size_t inferd_frame_bytes(enum inferd_format format, uint32_t width, uint32_t height)
{
	struct ipc_frame frame = {.format = (enum ipc_format)format, .width = width, .height = height};

	return (size_t)ipc_frame_pack(&frame);
}

int inferd_acquire(struct inferd_stream *stream, struct inferd_buffer *ret_buffer)
{
	for (uint32_t i = 0; i < stream->n_slots; i++)
		if (stream->slots[i].state == SLOT_FREE)
			return inferd_acquire_at(stream, i, ret_buffer);
	if (stream->client->link.state == LINK_OVER)
		return client_fail(stream->client, -ECONNRESET, "the connection to the daemon is gone");
	return client_fail(stream->client, -EAGAIN, "all buffers are in use");
}

int inferd_acquire_at(struct inferd_stream *stream, uint32_t index, struct inferd_buffer *ret_buffer)
{
	struct inferd *client = stream->client;

	if (client->link.state == LINK_OVER)
		return client_fail(client, -ECONNRESET, "the connection to the daemon is gone");
	if (index >= stream->n_slots)
		return client_fail(client, -EINVAL, "the stream has %u buffers", stream->n_slots);
	if (stream->slots[index].state != SLOT_FREE)
		return client_fail(client, -EAGAIN, "the buffer is in use");
	stream->slots[index].state = SLOT_HELD;
	*ret_buffer = (struct inferd_buffer){
		.data = memory_slot(&stream->memory, index), .bytes = stream->slot_bytes, .index = index};
	return 0;
}

void inferd_release(struct inferd_stream *stream, const struct inferd_buffer *buffer)
{
	if (buffer->index < stream->n_slots && stream->slots[buffer->index].state == SLOT_HELD)
		stream->slots[buffer->index].state = SLOT_FREE;
}

/* Fills the message's geometry and copies the pixels when they are not in the buffer yet. */
static int place_frame(struct inferd_stream *stream, uint32_t index, const struct inferd_frame *frame,
		       struct ipc_frame *message)
{
	struct inferd *client = stream->client;
	bool jpeg = frame->format == INFERD_JPEG;
	size_t bytes = frame->bytes;
	const char *reason = "";

	if ((unsigned)frame->format > INFERD_JPEG)
		return client_fail(client, -EINVAL, "unknown pixel format %d", (int)frame->format);
	memcpy(message->offset, frame->offset, sizeof(message->offset));
	memcpy(message->stride, frame->stride, sizeof(message->stride));
	if (!jpeg && !frame->stride[0]) {
		uint64_t packed = ipc_frame_pack(message);

		if (!packed)
			return client_fail(client, -EINVAL, "width and height must be within 1..%d", INFERD_SIDE_MAX);
		bytes = bytes ? bytes : (size_t)packed;
	}
	if (jpeg)
		message->bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
	if (frame->data && !bytes)
		return client_fail(client, -EINVAL, "the frame's data has no length");
	if (frame->data && stream->memory.read_only)
		return client_fail(client, -EPERM, "the memory that the stream was given can only be read");
	if (jpeg && frame->data)
		message->offset[0] = 0;
	if (bytes > stream->slot_bytes)
		return client_fail(client, -EMSGSIZE, "the frame has %zu bytes and its buffer %u", bytes,
				   stream->slot_bytes);
	if (ipc_frame_check(message, frame->data ? (uint32_t)bytes : stream->slot_bytes, &reason) < 0)
		return client_fail(client, -EINVAL, "the frame is not valid: %s", reason);
	if (frame->data)
		memcpy(memory_slot(&stream->memory, index), frame->data, bytes);
	return 0;
}

/* Whether the daemon would take a frame of it now. */
static int check_open(struct inferd_stream *stream)
{
	if (stream->open)
		return 0;
	if (stream->refusal)
		return client_fail(stream->client, stream->refusal,
				   "the daemon that came back does not serve this stream: %s",
				   strerror(-stream->refusal));
	if (stream->client->link.state == LINK_OVER)
		return client_fail(stream->client, -ECONNRESET, "the connection to the daemon is gone");
	return client_fail(stream->client, -ENOTCONN, "the daemon is away; the stream will be opened again");
}

static int submit(struct inferd_stream *stream, uint32_t index, const struct inferd_frame *frame, bool sync)
{
	struct inferd *client = stream->client;
	struct slot *slot = &stream->slots[index];
	struct ipc_frame message = {
		.stream = stream->id,
		.seq = stream->last_seq + 1,
		.slot = index,
		.format = (enum ipc_format)frame->format,
		.full_range = frame->full_range,
		.width = frame->width,
		.height = frame->height,
		.captured_us = frame->captured_us,
		.deadline_us = frame->deadline_us,
		.angular_speed = frame->angular_speed,
		.exposure_us = frame->exposure_us,
	};
	uint64_t sent_ns;
	uint32_t serial;
	int r;

	if (stream->closing)
		return client_fail(client, -ESHUTDOWN, "the stream is being closed");
	r = check_open(stream);
	if (r < 0)
		return r;
	r = place_frame(stream, index, frame, &message);
	if (r < 0)
		return r;
	ipc_writer_reset(&client->writer);
	ipc_put_frame(&client->writer, &message);
	serial = client_next_serial(client);
	sent_ns = client_now_ns();
	r = client_send(client, IPC_FRAME, serial);
	if (r < 0)
		return r;
	stream->last_seq = message.seq;
	*slot = (struct slot){
		.state = SLOT_SENT,
		.sync = sync,
		.seq = message.seq,
		.serial = serial,
		.user = frame->user,
		.sent_ns = sent_ns,
	};
	return 0;
}

int inferd_submit(struct inferd_stream *stream, const struct inferd_buffer *buffer, const struct inferd_frame *frame,
		  uint64_t *ret_seq)
{
	struct inferd *client = stream->client;
	int r;

	if (buffer->index >= stream->n_slots || stream->slots[buffer->index].state != SLOT_HELD)
		return client_fail(client, -EINVAL, "the buffer is not one that was acquired");
	if (!stream->on_result)
		return client_fail(client, -EINVAL, "the stream has no callback for results");
	r = submit(stream, buffer->index, frame, false);
	if (r == 0 && ret_seq)
		*ret_seq = stream->last_seq;
	return r;
}

int inferd_cancel(struct inferd_stream *stream, uint64_t seq)
{
	struct inferd *client = stream->client;
	int r = check_open(stream);

	if (r < 0)
		return r;

	ipc_writer_reset(&client->writer);
	ipc_put_cancel(&client->writer, stream->id, seq);
	return client_send(client, IPC_CANCEL, client_next_serial(client));
}

/* A free buffer of a stream that is open. */
static int acquire_waiting(struct inferd_stream *stream, uint64_t deadline_ns, struct inferd_buffer *ret_buffer)
{
	int r;

	for (;;) {
		r = check_open(stream);
		if (r == 0)
			r = inferd_acquire(stream, ret_buffer);
		if (r != -EAGAIN && r != -ENOTCONN)
			return r;
		r = client_pump(stream->client, deadline_ns);
		if (r < 0)
			return r;
	}
}

int inferd_run(struct inferd_stream *stream, const struct inferd_frame *frame, int timeout_ms,
	       const struct inferd_result **ret_result)
{
	struct inferd *client = stream->client;
	uint64_t deadline_ns = client_deadline_ns(timeout_ms), seq;
	struct inferd_buffer buffer;
	int r;

	if (client->calling)
		return client_fail(client, -EBUSY, "a callback must not wait for a result");
	client->error[0] = 0;
	if (!frame->data)
		return client_fail(client, -EINVAL, "the frame has no data to copy");
	/* That the daemon went away may show only in sending. */
	do {
		r = acquire_waiting(stream, deadline_ns, &buffer);
		if (r == -ETIMEDOUT)
			return client_fail(client, r,
					   stream->open ? "no buffer became free in time" : "the daemon is away");
		if (r < 0)
			return r;
		r = submit(stream, buffer.index, frame, true);
		if (r < 0)
			inferd_release(stream, &buffer);
		if (r == -ENOTCONN)
			client_pump(client, deadline_ns);
	} while (r == -ENOTCONN);
	if (r < 0)
		return r;
	seq = stream->last_seq;
	client->run_ended = false;
	while (r == 0 && !client->run_ended)
		r = client_pump(client, deadline_ns);
	if (client->run_ended && client->kept.result.status == INFERD_LOST)
		return client_fail(client, -ECONNRESET, "the connection to the daemon ended before the answer");
	if (client->run_ended) {
		*ret_result = &client->kept.result;
		return 0;
	}
	if (r == -ETIMEDOUT) {
		/* The buffer stays the daemon's until it answers. */
		stream_slot_by_seq(stream, seq)->discard = true;
		inferd_cancel(stream, seq);
		client_fail(client, r, "no result came in time");
	}
	return r;
}
