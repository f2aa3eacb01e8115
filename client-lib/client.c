/*
 * client.c - what is said with the daemon: greeting, requests and replies, results as they arrive.
 *
 * What a stream's buffers are doing is stream.c's, how a connection comes and goes link.c's.
 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/inferd/inferd.sock"

int client_fail(struct inferd *client, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(client->error, sizeof(client->error), format, arguments);
	va_end(arguments);
	return error;
}

uint64_t client_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t client_deadline_ns(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : client_now_ns() + (uint64_t)timeout_ms * 1000000u;
}

uint32_t client_next_serial(struct inferd *client)
{
	/* 0 is the daemon's, for what answers no request. */
	if (++client->last_serial == 0)
		client->last_serial = 1;
	return client->last_serial;
}

static int not_connected(struct inferd *client)
{
	if (client->link.state == LINK_OVER)
		return client_fail(client, -ECONNRESET, "the connection to the daemon is gone");
	return client_fail(client, -ENOTCONN, "the daemon is away; the connection will be made again");
}

int client_send_fds(struct inferd *client, uint16_t type, uint32_t serial, const int *fds, uint32_t n_fds)
{
	int r = client->writer.error;

	if (!client->link.conn)
		return not_connected(client);
	if (r == 0)
		r = ipc_conn_send_fds(client->link.conn, type, serial, client->writer.data, client->writer.size, fds,
				      n_fds);
	link_update(&client->link);
	/* What the daemon sent before it went is still read by the next dispatch, which then reports the loss. */
	if (r == -EPIPE || r == -ECONNRESET)
		return client_fail(client, client->link.path ? -ENOTCONN : -ECONNRESET,
				   "the connection to the daemon is gone");
	if (r < 0)
		return client_fail(client, r, "a message could not be sent: %s", strerror(-r));
	return 0;
}

int client_send(struct inferd *client, uint16_t type, uint32_t serial)
{
	return client_send_fds(client, type, serial, NULL, 0);
}

/* ---- messages that arrive ------------------------------------------------------------------------- */

/* Makes an array hold `count` elements of this size; what it held is lost. */
static int reserve(void **array, size_t *capacity, size_t count, size_t element_bytes)
{
	void *grown;

	if (count <= *capacity)
		return 0;
	grown = realloc(*array, count * element_bytes);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = count;
	return 0;
}

static int reserve_items(struct result_store *store, size_t count)
{
	size_t capacity = store->items_capacity;
	void *items = store->items, *places = store->places, *gestures = store->gestures;
	int r = reserve(&items, &capacity, count, sizeof(*store->items));

	store->items = items;
	if (r == 0) {
		capacity = store->items_capacity;
		r = reserve(&places, &capacity, count, sizeof(*store->places));
		store->places = places;
	}
	if (r == 0) {
		capacity = store->items_capacity;
		r = reserve(&gestures, &capacity, count, sizeof(*store->gestures));
		store->gestures = gestures;
	}
	if (r == 0)
		store->items_capacity = capacity;
	return r;
}

/* Where the items are.  false: they are nowhere; the points were reserved. */
static bool fill_places(struct result_store *store, const struct ipc_result *from)
{
	struct inferd_point *points = store->points;
	bool any = false;

	for (uint32_t i = 0; i < from->n_items; i++) {
		const struct ipc_result_item *item = &from->items[i];
		struct inferd_place *place = &store->places[i];

		*place = (struct inferd_place){.x0 = NAN, .y0 = NAN, .x1 = NAN, .y1 = NAN, .points = points};
		if (item->box)
			memcpy(place, item->box, 4 * sizeof(float));
		place->n_points = item->n_points;
		for (uint32_t j = 0; j < item->n_points; j++, points++)
			memcpy(points, item->points + (size_t)j * IPC_POINT_FLOATS, sizeof(*points));
		any |= item->box || item->n_points;
	}
	return any;
}

/* What the items show.  false: nothing was looked for. */
static bool fill_gestures(struct result_store *store, const struct ipc_result *from)
{
	bool any = false;

	for (uint32_t i = 0; i < from->n_items; i++) {
		store->gestures[i] = (struct inferd_gesture){from->items[i].gesture, from->items[i].gesture_score};
		any |= *from->items[i].gesture != '\0';
	}
	return any;
}

static int reserve_points(struct result_store *store, const struct ipc_result *from)
{
	void *points = store->points;
	size_t count = 0;
	int r;

	for (uint32_t i = 0; i < from->n_items; i++)
		count += from->items[i].n_points;
	r = reserve(&points, &store->points_capacity, count, sizeof(*store->points));
	store->points = points;
	return r;
}

_Static_assert(sizeof(struct inferd_point) == IPC_POINT_FLOATS * sizeof(float), "points are copied whole");
_Static_assert(offsetof(struct inferd_place, y1) == 3 * sizeof(float), "boxes are copied whole");

/* The mask of a result in this slot; NULL: there is none, or it would not lie in the slot. */
static const struct inferd_mask *fill_mask(struct result_store *store, const struct ipc_result *from,
					   const struct inferd_stream *stream, const struct slot *slot)
{
	uint64_t bytes = (uint64_t)from->mask_width * from->mask_height;
	size_t index = (size_t)(slot - stream->slots);

	if (bytes == 0 || from->mask_offset > stream->slot_bytes || bytes > stream->slot_bytes - from->mask_offset)
		return NULL;
	store->mask = (struct inferd_mask){
		.data = memory_slot(&stream->memory, index) + from->mask_offset,
		.width = from->mask_width,
		.height = from->mask_height,
	};
	return &store->mask;
}

/* From the wire's struct to the public one.  The texts stay in the store. */
static int fill_result(struct result_store *store, const struct ipc_result *from)
{
	if (reserve_items(store, from->n_items) < 0 || reserve_points(store, from) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->n_items; i++)
		store->items[i] =
			(struct inferd_item){from->items[i].index, from->items[i].score, from->items[i].label};
	store->rung = (struct inferd_rung){
		.name = from->rung.name,
		.variant = from->rung.variant,
		.lane = from->rung.lane,
		.width = from->rung.width,
		.height = from->rung.height,
		.channels = from->rung.channels,
		.threads = from->rung.threads,
	};
	store->result = (struct inferd_result){
		.status = (enum inferd_status)from->status,
		.text = from->text,
		.items = store->items,
		.n_items = from->n_items,
		.embedding = from->embedding,
		.n_embedding = from->n_embedding,
		.rung = from->rung.width ? &store->rung : NULL,
		.reason = from->reason,
		.queue_us = from->queue_us,
		.wait_us = from->wait_us,
		.preprocess_us = from->preprocess_us,
		.inference_us = from->inference_us,
		.total_us = from->total_us,
		.advice_width = from->advice_width,
		.advice_height = from->advice_height,
		.advice_channels = from->advice_channels,
		.space = from->space,
		.verdict = (enum inferd_verdict)from->verdict,
		.name = from->name,
		.places = fill_places(store, from) ? store->places : NULL,
		.gestures = fill_gestures(store, from) ? store->gestures : NULL,
	};
	return 0;
}

static int on_result(struct inferd *client, const struct ipc_message *message)
{
	struct inferd_stream *stream = client->streams;
	struct ipc_result result;
	const char *reason = "";
	struct slot *slot;
	int r = ipc_get_result_reusing(message->body, message->header.length, &result, &client->live.storage, &reason);

	if (r < 0)
		return client_fail(client, r, "a result could not be read: %s", reason);
	while (stream && (!stream->open || stream->id != result.stream))
		stream = stream->next;
	slot = stream ? stream_slot_by_seq(stream, result.seq) : NULL;
	if (!slot)
		return 0; /* of a stream that was given up */
	r = fill_result(&client->live, &result);
	if (r < 0)
		return client_fail(client, r, "no memory for a result");
	client->live.result.mask = fill_mask(&client->live, &result, stream, slot);
	tensors_fill(&client->live, &result, stream, (size_t)(slot - stream->slots));
	stream_deliver(stream, slot, &client->live);
	return 0;
}

/* A frame that the daemon refused is answered by ERROR instead of RESULT. */
static bool deliver_refusal(struct inferd *client, uint32_t serial, const char *text)
{
	for (struct inferd_stream *stream = client->streams; stream; stream = stream->next) {
		for (uint32_t i = 0; i < stream->n_slots; i++) {
			struct slot *slot = &stream->slots[i];

			if (slot->state != SLOT_SENT || slot->serial != serial)
				continue;
			client->live.result =
				(struct inferd_result){.status = INFERD_FAILED, .text = text, .reason = "", .name = ""};
			stream_deliver(stream, slot, &client->live);
			return true;
		}
	}
	return false;
}

/* A violation is reported with serial 0 just before the daemon hangs up: keep its sentence. */
static int on_error(struct inferd *client, const struct ipc_message *message)
{
	struct ipc_error error;
	const char *reason = "";
	void *storage;
	int r = ipc_get_error(message->body, message->header.length, &error, &storage, &reason);

	if (r < 0)
		return client_fail(client, r, "an error could not be read: %s", reason);
	if (message->header.serial == 0) {
		client_fail(client, 0, "the daemon refuses: %s", error.text);
	} else {
		/* inferd_run() looks at the text after this: it must live in the store. */
		ipc_storage_free(client->live.storage);
		client->live.storage = storage;
		storage = NULL;
		deliver_refusal(client, message->header.serial, error.text);
	}
	ipc_storage_free(storage);
	return 0;
}

static int keep_reply(struct inferd *client, const struct ipc_message *message)
{
	struct reply *reply = &client->reply;

	reply->body = malloc(message->header.length + 1);
	if (!reply->body)
		return client_fail(client, -ENOMEM, "no memory for a reply");
	memcpy(reply->body, message->body, message->header.length);
	reply->length = message->header.length;
	reply->type = message->header.type;
	reply->fd = message->header.n_fds ? message->fds[0] : -1;
	reply->here = true;
	return 0;
}

/* The request was given up, but the stream exists: the daemon may have it back. */
static void return_late_stream(struct inferd *client, const struct ipc_message *message)
{
	struct ipc_stream_opened opened;

	if (ipc_get_stream_opened(message->body, message->header.length, &opened, NULL) < 0)
		return;
	ipc_writer_reset(&client->writer);
	ipc_put_stream_close(&client->writer, opened.stream);
	client_send(client, IPC_STREAM_CLOSE, client_next_serial(client));
}

static void take_welcome(struct inferd *client, const struct ipc_welcome *welcome)
{
	memcpy(client->server, welcome->server, sizeof(client->server));
	client->memories_max = welcome->memories ? welcome->memories : 1;
	client->vectors_max = welcome->vectors ? welcome->vectors : 1;
	link_established(&client->link);
}

static void on_welcome(struct inferd *client, const struct ipc_message *message)
{
	struct ipc_welcome welcome;

	if (ipc_get_welcome(message->body, message->header.length, &welcome, NULL) < 0 ||
	    welcome.version != IPC_VERSION) {
		client_fail(client, 0, "the daemon that came back speaks another version of the protocol");
		free(client->link.path);
		client->link.path = NULL;
		link_down(&client->link);
		return;
	}
	take_welcome(client, &welcome);
	for (struct inferd_stream *stream = client->streams; stream; stream = stream->next)
		stream_reopen(stream);
}

static bool is_reopened(struct inferd *client, const struct ipc_message *message)
{
	for (struct inferd_stream *stream = client->streams; stream; stream = stream->next)
		if (stream_reopened(stream, message))
			return true;
	return false;
}

static int on_message(struct inferd *client, const struct ipc_message *message)
{
	unsigned fds_taken = 0;
	int r = 0;

	if (message->header.type == IPC_RESULT) {
		r = on_result(client, message);
	} else if (client->reply.serial && message->header.serial == client->reply.serial && !client->reply.here) {
		r = keep_reply(client, message);
		fds_taken = r == 0 && message->header.n_fds;
	} else if (message->header.type == IPC_WELCOME) {
		on_welcome(client, message);
	} else if (is_reopened(client, message)) {
		/* nothing more to do */
	} else if (message->header.type == IPC_ERROR) {
		r = on_error(client, message);
	} else if (message->header.type == IPC_STREAM_OPENED) {
		return_late_stream(client, message);
	}
	for (unsigned i = fds_taken; i < message->header.n_fds; i++)
		close(message->fds[i]);
	return r;
}

/* ---- waiting ------------------------------------------------------------------------------------- */

/* Every frame in flight is lost, and whoever waits for a reply need not. */
static void end_connection(struct inferd *client)
{
	/* A daemon that refuses says why, then hangs up: its sentence stays. */
	if (!client->error[0])
		client_fail(client, 0, "the connection to the daemon is gone");
	link_down(&client->link);
	client->reply.lost = !client->reply.here;
	for (struct inferd_stream *stream = client->streams; stream; stream = stream->next)
		stream_gone(stream);
	for (struct inferd_stream *stream = client->streams; stream; stream = stream->next)
		stream_lose_frames(stream);
}

static void send_hello(struct inferd *client)
{
	struct ipc_hello hello = {.version = IPC_VERSION};

	memcpy(hello.client, client->name, sizeof(hello.client));
	ipc_writer_reset(&client->writer);
	ipc_put_hello(&client->writer, &hello);
	client_send(client, IPC_HELLO, client_next_serial(client));
}

static int take_messages(struct inferd *client)
{
	struct ipc_message message;
	const char *reason = "";
	int r;

	while (client->link.conn && (r = ipc_conn_next(client->link.conn, &message, &reason)) != -EAGAIN) {
		if (r == -EPROTO)
			return client_fail(client, r, "the daemon sent what is not of the protocol: %s", reason);
		if (r == 0)
			r = on_message(client, &message);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Reads what is there.  A failure is the end of the connection. */
static int receive(struct inferd *client)
{
	int r;

	/* A daemon that hung up may have answered before: the end is found by reading, not by writing. */
	ipc_conn_flush(client->link.conn);
	link_update(&client->link);
	r = ipc_conn_recv(client->link.conn);
	if (r == -EPROTO && !client->error[0])
		client_fail(client, r, "the daemon sent what is not of the protocol");
	if (r == -EAGAIN)
		return 0;
	return r < 0 ? r : take_messages(client);
}

int client_pump(struct inferd *client, uint64_t deadline_ns)
{
	struct link *link = &client->link;
	int r;

	if (link->state == LINK_OVER)
		return not_connected(client);
	r = link_wait(link, deadline_ns);
	if (r < 0)
		return r;
	if (link->state == LINK_AWAY) {
		if (link_retry(link))
			send_hello(client);
		return 0;
	}
	if (receive(client) < 0)
		end_connection(client);
	return link->state == LINK_OVER ? -ECONNRESET : 0;
}

int client_wait_up(struct inferd *client, uint64_t deadline_ns)
{
	int r = 0;

	while (r == 0 && client->link.state != LINK_UP)
		r = client_pump(client, deadline_ns);
	return r == -ETIMEDOUT ? client_fail(client, r, "the daemon is away") : r;
}

int client_request_fds(struct inferd *client, uint16_t type, uint16_t wanted, int timeout_ms, const int *fds,
		       uint32_t n_fds)
{
	uint64_t deadline_ns = client_deadline_ns(timeout_ms);
	struct reply *reply = &client->reply;
	struct ipc_error error;
	void *storage;
	int r;

	*reply = (struct reply){.serial = client_next_serial(client), .fd = -1};
	r = client_send_fds(client, type, reply->serial, fds, n_fds);
	while (r == 0 && !reply->here && !reply->lost)
		r = client_pump(client, deadline_ns);
	/* The answer may have come together with the end of the connection. */
	if (reply->here)
		r = 0;
	else if (reply->lost)
		r = -ECONNRESET;
	if (r == -ETIMEDOUT)
		client_fail(client, r, "the daemon did not answer in time");
	if (r == 0 && reply->type == IPC_ERROR) {
		r = ipc_get_error(reply->body, reply->length, &error, &storage, NULL);
		if (r == 0) {
			r = error.code > 0 && error.code < 4096 ? -error.code : -EPROTO;
			client_fail(client, r, "%s", error.text);
			ipc_storage_free(storage);
		}
	} else if (r == 0 && reply->type != wanted) {
		r = client_fail(client, -EPROTO, "the daemon's reply is of another type than was asked for");
	}
	if (r < 0)
		client_reply_finish(client);
	return r;
}

int client_request(struct inferd *client, uint16_t type, uint16_t wanted, int timeout_ms)
{
	return client_request_fds(client, type, wanted, timeout_ms, NULL, 0);
}

int client_request_fd(struct inferd *client, uint16_t type, uint16_t wanted, int timeout_ms, int fd)
{
	return client_request_fds(client, type, wanted, timeout_ms, &fd, fd >= 0);
}

void client_reply_finish(struct inferd *client)
{
	free(client->reply.body);
	if (client->reply.fd >= 0)
		close(client->reply.fd);
	client->reply = (struct reply){.fd = -1};
}

/* ---- public --------------------------------------------------------------------------------------- */

static int greet(struct inferd *client)
{
	struct ipc_hello hello = {.version = IPC_VERSION};
	struct ipc_welcome welcome;
	int r;

	memcpy(hello.client, client->name, sizeof(hello.client));
	ipc_writer_reset(&client->writer);
	ipc_put_hello(&client->writer, &hello);
	r = client_request(client, IPC_HELLO, IPC_WELCOME, CLIENT_TIMEOUT_MS);
	if (r < 0)
		return r;
	r = ipc_get_welcome(client->reply.body, client->reply.length, &welcome, NULL);
	client_reply_finish(client);
	if (r < 0)
		return r;
	if (welcome.version != IPC_VERSION)
		return -EPROTONOSUPPORT;
	take_welcome(client, &welcome);
	return 0;
}

int inferd_connect_fd(int fd, const char *name, struct inferd **ret_client)
{
	struct inferd *client = calloc(1, sizeof(*client));
	int r = client ? link_init(&client->link) : -ENOMEM;

	if (r < 0) {
		close(fd);
		free(client);
		return r;
	}
	client->reply.fd = -1;
	ipc_writer_init(&client->writer);
	snprintf(client->name, sizeof(client->name), "%s", name ? name : program_invocation_short_name);
	r = link_adopt(&client->link, fd);
	if (r == 0)
		r = greet(client);
	if (r < 0) {
		inferd_close(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

int inferd_connect(const char *socket_path, const char *name, struct inferd **ret_client)
{
	const char *path = socket_path ? socket_path : getenv("INFERD_SOCKET");
	struct inferd *client;
	int fd = -1, r;

	path = path && *path ? path : DEFAULT_SOCKET;
	r = link_open_socket(path, true, &fd);
	if (r == 0)
		r = inferd_connect_fd(fd, name, &client);
	if (r < 0)
		return r;
	client->link.path = strdup(path);
	if (!client->link.path) {
		inferd_close(client);
		return -ENOMEM;
	}
	*ret_client = client;
	return 0;
}

static void finish_store(struct result_store *store)
{
	ipc_storage_free(store->storage);
	free(store->items);
	free(store->places);
	free(store->gestures);
	free(store->points);
}

void inferd_close(struct inferd *client)
{
	if (!client)
		return;
	end_connection(client);
	while (client->streams)
		stream_free(client->streams);
	client_reply_finish(client);
	link_finish(&client->link);
	ipc_writer_finish(&client->writer);
	finish_store(&client->live);
	finish_store(&client->kept);
	free(client);
}

const char *inferd_error(const struct inferd *client)
{
	return client->error;
}

const char *inferd_server(const struct inferd *client)
{
	return client->server;
}

bool inferd_connected(const struct inferd *client)
{
	return client->link.state == LINK_UP;
}

int inferd_fd(const struct inferd *client)
{
	return client->link.set_fd;
}

short inferd_events(const struct inferd *client)
{
	(void)client;
	return POLLIN;
}

int inferd_dispatch(struct inferd *client, int timeout_ms)
{
	uint64_t deadline_ns = client_deadline_ns(timeout_ms);
	int r;

	if (client->calling)
		return client_fail(client, -EBUSY, "a callback must not dispatch");
	client->error[0] = 0;
	client->n_results = 0;
	do {
		r = client_pump(client, deadline_ns);
	} while (r == 0 && client->n_results == 0);
	return r == 0 || r == -ETIMEDOUT ? client->n_results : r;
}

int client_prepare_report(struct inferd *client, int timeout_ms)
{
	int r;

	if (client->calling)
		return client_fail(client, -EBUSY, "a callback must not wait for a report");
	client->error[0] = 0;
	r = client_wait_up(client, client_deadline_ns(timeout_ms));
	ipc_writer_reset(&client->writer);
	return r;
}

int client_take_report(struct inferd *client, char **ret_json)
{
	int r = ipc_report_json(client->reply.body, client->reply.length, ret_json);

	client_reply_finish(client);
	return r < 0 ? client_fail(client, r, "the report could not be read") : 0;
}

int inferd_query(struct inferd *client, const char *what, int timeout_ms, char **ret_json)
{
	int r = client_prepare_report(client, timeout_ms);

	if (r < 0)
		return r;
	ipc_put_query(&client->writer, what);
	r = client_request(client, IPC_QUERY, IPC_REPORT, timeout_ms);
	return r < 0 ? r : client_take_report(client, ret_json);
}

int inferd_change_models(struct inferd *client, const char *how, const char *what, int timeout_ms, char **ret_json)
{
	bool by_name = strcmp(how, "remove") == 0;
	int r = client_prepare_report(client, timeout_ms), fd = -1;
	struct ipc_change change = {.what = ""};

	if (r < 0)
		return r;
	snprintf(change.what, sizeof(change.what), "%s", how);
	if (by_name)
		snprintf(change.model, sizeof(change.model), "%s", what);
	else if ((fd = open(what, O_RDONLY | O_CLOEXEC)) < 0)
		return client_fail(client, -errno, "%s: %s", what, strerror(errno));
	ipc_put_change(&client->writer, &change);
	r = client_request_fd(client, IPC_CHANGE, IPC_REPORT, timeout_ms, fd);
	if (fd >= 0)
		close(fd);
	return r < 0 ? r : client_take_report(client, ret_json);
}

/* A file without a name that holds these bytes; negative errno. */
static int hold(const char *text, size_t size)
{
	int fd = memfd_create("profile", MFD_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pwrite(fd, text, size, 0);
	int r = fd;

	if (n < 0 || (size_t)n != size) {
		r = n < 0 ? -errno : -ENOSPC;
		if (fd >= 0)
			close(fd);
	}
	return r;
}

int inferd_set_profile(struct inferd *client, const char *model, const char *text, size_t size, int timeout_ms,
		       char **ret_json)
{
	struct ipc_change change = {.what = "profile"};
	int r = client_prepare_report(client, timeout_ms), fd;

	if (r < 0)
		return r;
	fd = hold(text, size);
	if (fd < 0)
		return client_fail(client, fd, "no memory for the profile: %s", strerror(-fd));
	snprintf(change.model, sizeof(change.model), "%s", model);
	ipc_put_change(&client->writer, &change);
	r = client_request_fd(client, IPC_CHANGE, IPC_REPORT, timeout_ms, fd);
	close(fd);
	return r < 0 ? r : client_take_report(client, ret_json);
}

void inferd_text_free(char *text)
{
	free(text);
}
