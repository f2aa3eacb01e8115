/*
 * msg.c - structs to bodies and back.
 *
 * Every message is a table of its fields; one encoder and one decoder walk the tables.  How values look in bytes is
 * writer.c's and body.c's; whether a frame fits its slot is frame.c's.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "ipc.h"
#include "storage.h"
#include "tensor.h"
#include "writer.h"

enum field_kind {
	FIELD_U32, /* at most `limit`; enums too */
	FIELD_U64,
	FIELD_FLOAT, /* finite, not negative */
	FIELD_BOOL,
	FIELD_NAME,	 /* char[IPC_NAME_MAX + 1] */
	FIELD_TEXT,	 /* const char * */
	FIELD_U32_3,	 /* uint32_t[3], or three fields in a row */
	FIELD_ITEMS,	 /* const struct ipc_result_item *, their number at `count_at` */
	FIELD_EMBEDDING, /* const float *, their number at `count_at` */
	FIELD_TENSORS,	 /* const struct ipc_tensor *, likewise */
	FIELD_MAP	 /* fields of `inner`, in the same struct */
};

struct field {
	uint8_t key, kind;
	uint16_t at, count_at;
	uint32_t limit;
	const struct table *inner;
};

struct table {
	const struct field *fields;
	unsigned n_fields;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TABLE(name)  static const struct table name##_table = {name##_fields, COUNT(name##_fields)}
#define FIELD(type, member, k, kd)                                                                                     \
	{                                                                                                              \
		.key = IPC_K_##k, .kind = FIELD_##kd, .at = offsetof(struct type, member), .limit = UINT32_MAX         \
	}
#define LIMITED(type, member, k, l)                                                                                    \
	{                                                                                                              \
		.key = IPC_K_##k, .kind = FIELD_U32, .at = offsetof(struct type, member), .limit = (l)                 \
	}
#define COUNTED(type, member, k, kd, count)                                                                            \
	{                                                                                                              \
		.key = IPC_K_##k, .kind = FIELD_##kd, .at = offsetof(struct type, member),                             \
		.count_at = offsetof(struct type, count)                                                               \
	}

struct stream_ref { /* STREAM_CLOSE, CANCEL */
	uint32_t stream;
	uint64_t seq;
};

struct query {
	char what[IPC_NAME_MAX + 1];
};

/* clang-format off */
static const struct field hello_fields[] = {
	FIELD(ipc_hello, version, VERSION, U32),
	FIELD(ipc_hello, client, CLIENT, NAME),
};
TABLE(hello);

static const struct field welcome_fields[] = {
	FIELD(ipc_welcome, version, VERSION, U32),
	FIELD(ipc_welcome, server, SERVER, NAME),
	FIELD(ipc_welcome, memories, MEMORIES, U32),
	FIELD(ipc_welcome, vectors, VECTORS, U32),
};
TABLE(welcome);

static const struct field open_fields[] = {
	FIELD(ipc_stream_open, model, MODEL, NAME),
	LIMITED(ipc_stream_open, mode, MODE, IPC_LATEST),
	FIELD(ipc_stream_open, n_slots, SLOTS, U32),
	FIELD(ipc_stream_open, slot_bytes, SLOT_BYTES, U32),
	FIELD(ipc_stream_open, deadline_us, DEADLINE_US, U32),
	FIELD(ipc_stream_open, top_k, TOP_K, U32),
	FIELD(ipc_stream_open, min_fps, MIN_FPS, FLOAT),
	FIELD(ipc_stream_open, weight, WEIGHT, FLOAT),
	LIMITED(ipc_stream_open, priority, PRIORITY, IPC_PRIORITY_HIGH),
	FIELD(ipc_stream_open, full, FULL, BOOL),
	FIELD(ipc_stream_open, rung, RUNG, NAME),
	FIELD(ipc_stream_open, gallery, GALLERY, NAME),
};
TABLE(open);

static const struct field opened_fields[] = {
	FIELD(ipc_stream_opened, stream, STREAM, U32),
	FIELD(ipc_stream_opened, n_slots, SLOTS, U32),
	FIELD(ipc_stream_opened, slot_bytes, SLOT_BYTES, U32),
	FIELD(ipc_stream_opened, advice_width, ADVICE, U32_3),
	FIELD(ipc_stream_opened, deadline_us, DEADLINE_US, U32),
};
TABLE(opened);

static const struct field stream_ref_fields[] = {
	FIELD(stream_ref, stream, STREAM, U32),
	FIELD(stream_ref, seq, SEQ, U64),
};
TABLE(stream_ref);

static const struct field frame_fields[] = {
	FIELD(ipc_frame, stream, STREAM, U32),
	FIELD(ipc_frame, seq, SEQ, U64),
	FIELD(ipc_frame, slot, SLOT, U32),
	LIMITED(ipc_frame, format, FORMAT, IPC_FORMAT_COUNT - 1),
	FIELD(ipc_frame, full_range, FULL_RANGE, BOOL),
	FIELD(ipc_frame, width, WIDTH, U32),
	FIELD(ipc_frame, height, HEIGHT, U32),
	FIELD(ipc_frame, offset, OFFSETS, U32_3),
	FIELD(ipc_frame, stride, STRIDES, U32_3),
	FIELD(ipc_frame, bytes, BYTES, U32),
	FIELD(ipc_frame, captured_us, CAPTURED_US, U64),
	FIELD(ipc_frame, deadline_us, DEADLINE_US, U32),
	FIELD(ipc_frame, angular_speed, ANGULAR_SPEED, FLOAT),
	FIELD(ipc_frame, exposure_us, EXPOSURE_US, U32),
};
TABLE(frame);

static const struct field query_fields[] = {
	FIELD(query, what, WHAT, NAME),
};
TABLE(query);

static const struct field change_fields[] = {
	FIELD(ipc_change, what, WHAT, NAME),
	FIELD(ipc_change, model, MODEL, NAME),
};
TABLE(change);

static const struct field gallery_fields[] = {
	FIELD(ipc_gallery, what, WHAT, NAME),
	FIELD(ipc_gallery, gallery, GALLERY, NAME),
	FIELD(ipc_gallery, name, NAME, NAME),
	FIELD(ipc_gallery, model, MODEL, NAME),
};
TABLE(gallery);

static const struct field rung_fields[] = {
	FIELD(ipc_result, rung.name, NAME, TEXT),
	FIELD(ipc_result, rung.variant, VARIANT, TEXT),
	FIELD(ipc_result, rung.lane, LANE, TEXT),
	FIELD(ipc_result, rung.width, WIDTH, U32),
	FIELD(ipc_result, rung.height, HEIGHT, U32),
	FIELD(ipc_result, rung.channels, CHANNELS, U32),
	FIELD(ipc_result, rung.threads, THREADS, U32),
};
TABLE(rung);

static const struct field result_fields[] = {
	FIELD(ipc_result, stream, STREAM, U32),
	FIELD(ipc_result, seq, SEQ, U64),
	LIMITED(ipc_result, status, STATUS, IPC_FAILED),
	FIELD(ipc_result, text, TEXT, TEXT),
	COUNTED(ipc_result, items, ITEMS, ITEMS, n_items),
	COUNTED(ipc_result, embedding, EMBEDDING, EMBEDDING, n_embedding),
	FIELD(ipc_result, space, SPACE, U64),
	LIMITED(ipc_result, verdict, VERDICT, IPC_VERDICT_SURE),
	FIELD(ipc_result, name, NAME, TEXT),
	{.key = IPC_K_RUNG, .kind = FIELD_MAP, .at = offsetof(struct ipc_result, rung.width), .inner = &rung_table},
	FIELD(ipc_result, reason, REASON, TEXT),
	FIELD(ipc_result, queue_us, QUEUE_US, U32),
	FIELD(ipc_result, wait_us, WAIT_US, U32),
	FIELD(ipc_result, preprocess_us, PREPROCESS_US, U32),
	FIELD(ipc_result, inference_us, INFERENCE_US, U32),
	FIELD(ipc_result, total_us, TOTAL_US, U32),
	FIELD(ipc_result, advice_width, ADVICE, U32_3),
	FIELD(ipc_result, mask_width, MASK, U32_3),
	COUNTED(ipc_result, tensors, TENSORS, TENSORS, n_tensors),
};
TABLE(result);

static const struct field error_fields[] = {
	LIMITED(ipc_error, code, CODE, INT32_MAX),
	FIELD(ipc_error, text, TEXT, TEXT),
};
TABLE(error);

static const struct field done_fields[] = {
	FIELD(stream_ref, stream, STREAM, U32), /* never set: a map without pairs */
};
TABLE(done);
/* clang-format on */

/* Enums and three-in-a-row are written through uint32_t. */
_Static_assert(sizeof(enum ipc_mode) == 4 && sizeof(enum ipc_priority) == 4 && sizeof(enum ipc_format) == 4 &&
		       sizeof(enum ipc_status) == 4 && sizeof(enum ipc_verdict) == 4,
	       "");
_Static_assert(offsetof(struct ipc_result, advice_channels) == offsetof(struct ipc_result, advice_width) + 8, "");
_Static_assert(offsetof(struct ipc_result, mask_offset) == offsetof(struct ipc_result, mask_width) + 8, "");
_Static_assert(offsetof(struct ipc_stream_opened, advice_channels) ==
		       offsetof(struct ipc_stream_opened, advice_width) + 8,
	       "");

/* ---- encoding ------------------------------------------------------------------------------------ */

static const void *field_at(const void *message, const struct field *field)
{
	return (const uint8_t *)message + field->at;
}

/* Fields of any kind are moved by memcpy, so that no type is read through another's pointer. */
static uint32_t load_u32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static const void *load_pointer(const void *at)
{
	const void *value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static bool is_set(const void *message, const struct field *field)
{
	static const uint8_t zero[12];
	const void *at = field_at(message, field);
	const char *text;

	switch ((enum field_kind)field->kind) {
	case FIELD_U64:
		return memcmp(at, zero, sizeof(uint64_t)) != 0;
	case FIELD_BOOL:
		return *(const bool *)at;
	case FIELD_NAME:
		return *(const char *)at;
	case FIELD_TEXT:
		text = load_pointer(at);
		return text && *text;
	case FIELD_U32_3:
		return memcmp(at, zero, 3 * sizeof(uint32_t)) != 0;
	case FIELD_ITEMS:
	case FIELD_EMBEDDING:
	case FIELD_TENSORS:
		return load_u32((const uint8_t *)message + field->count_at) != 0;
	case FIELD_U32:
	case FIELD_FLOAT:
	case FIELD_MAP:
		break;
	}
	return load_u32(at) != 0;
}

/* Length of the text, at most IPC_TEXT_MAX and not within a UTF-8 sequence. */
static size_t text_bytes(const char *text)
{
	size_t bytes = strnlen(text, IPC_TEXT_MAX + 1);

	if (bytes <= IPC_TEXT_MAX)
		return bytes;
	for (bytes = IPC_TEXT_MAX; bytes > IPC_TEXT_MAX - 4; bytes--)
		if (((uint8_t)text[bytes] & 0xc0) != 0x80)
			return bytes;
	return IPC_TEXT_MAX;
}

static void put_items(struct ipc_writer *writer, const struct ipc_result_item *items, uint32_t n_items)
{
	if (n_items > IPC_RESULTS_MAX) {
		writer->error = writer->error ? writer->error : -EMSGSIZE;
		return;
	}
	ipc_put_array(writer, n_items);
	for (uint32_t i = 0; i < n_items; i++) {
		const char *label = items[i].label ? items[i].label : "";
		const char *gesture = items[i].gesture ? items[i].gesture : "";
		uint32_t n_parts = *gesture ? 7 : items[i].n_points ? 5 : items[i].box ? 4 : *label ? 3 : 2;

		ipc_put_array(writer, n_parts);
		ipc_put_uint(writer, items[i].index);
		writer_put_single(writer, items[i].score);
		if (n_parts > 2)
			writer_put_text(writer, label, text_bytes(label));
		if (n_parts > 3)
			writer_put_singles(writer, items[i].box, items[i].box ? 4 : 0);
		if (n_parts > 4)
			writer_put_singles(writer, items[i].points, items[i].n_points * IPC_POINT_FLOATS);
		if (n_parts > 5) {
			writer_put_text(writer, gesture, text_bytes(gesture));
			writer_put_single(writer, items[i].gesture_score);
		}
	}
}

static void put_table(struct ipc_writer *writer, const struct table *table, const void *message);

static void put_field(struct ipc_writer *writer, const void *message, const struct field *field)
{
	const void *at = field_at(message, field);
	uint64_t wide;
	float single;

	switch ((enum field_kind)field->kind) {
	case FIELD_U32:
		ipc_put_uint(writer, load_u32(at));
		break;
	case FIELD_U64:
		memcpy(&wide, at, sizeof(wide));
		ipc_put_uint(writer, wide);
		break;
	case FIELD_FLOAT:
		memcpy(&single, at, sizeof(single));
		writer_put_single(writer, single);
		break;
	case FIELD_BOOL:
		ipc_put_bool(writer, true);
		break;
	case FIELD_NAME:
		writer_put_text(writer, at, strnlen(at, IPC_NAME_MAX));
		break;
	case FIELD_TEXT:
		writer_put_text(writer, load_pointer(at), text_bytes(load_pointer(at)));
		break;
	case FIELD_U32_3:
		ipc_put_array(writer, 3);
		for (unsigned i = 0; i < 3; i++)
			ipc_put_uint(writer, load_u32((const uint8_t *)at + 4 * i));
		break;
	case FIELD_ITEMS:
		put_items(writer, load_pointer(at), load_u32((const uint8_t *)message + field->count_at));
		break;
	case FIELD_EMBEDDING:
		writer_put_singles(writer, load_pointer(at), load_u32((const uint8_t *)message + field->count_at));
		break;
	case FIELD_TENSORS:
		tensor_put_all(writer, load_pointer(at), load_u32((const uint8_t *)message + field->count_at));
		break;
	case FIELD_MAP:
		put_table(writer, field->inner, message);
		break;
	}
}

static void put_table(struct ipc_writer *writer, const struct table *table, const void *message)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < table->n_fields; i++)
		set += is_set(message, &table->fields[i]);
	ipc_put_map(writer, set);
	for (unsigned i = 0; i < table->n_fields; i++) {
		if (!is_set(message, &table->fields[i]))
			continue;
		ipc_put_uint(writer, table->fields[i].key);
		put_field(writer, message, &table->fields[i]);
	}
}

void ipc_put_hello(struct ipc_writer *writer, const struct ipc_hello *hello)
{
	put_table(writer, &hello_table, hello);
}

void ipc_put_welcome(struct ipc_writer *writer, const struct ipc_welcome *welcome)
{
	put_table(writer, &welcome_table, welcome);
}

void ipc_put_stream_open(struct ipc_writer *writer, const struct ipc_stream_open *open)
{
	put_table(writer, &open_table, open);
}

void ipc_put_stream_opened(struct ipc_writer *writer, const struct ipc_stream_opened *opened)
{
	put_table(writer, &opened_table, opened);
}

void ipc_put_stream_close(struct ipc_writer *writer, uint32_t stream)
{
	put_table(writer, &stream_ref_table, &(struct stream_ref){stream, 0});
}

void ipc_put_frame(struct ipc_writer *writer, const struct ipc_frame *frame)
{
	put_table(writer, &frame_table, frame);
}

void ipc_put_result(struct ipc_writer *writer, const struct ipc_result *result)
{
	put_table(writer, &result_table, result);
}

void ipc_put_cancel(struct ipc_writer *writer, uint32_t stream, uint64_t seq)
{
	put_table(writer, &stream_ref_table, &(struct stream_ref){stream, seq});
}

void ipc_put_query(struct ipc_writer *writer, const char *what)
{
	struct query query = {0};

	strncpy(query.what, what, IPC_NAME_MAX);
	put_table(writer, &query_table, &query);
}

void ipc_put_change(struct ipc_writer *writer, const struct ipc_change *change)
{
	put_table(writer, &change_table, change);
}

void ipc_put_gallery(struct ipc_writer *writer, const struct ipc_gallery *gallery)
{
	put_table(writer, &gallery_table, gallery);
}

void ipc_put_error(struct ipc_writer *writer, const struct ipc_error *error)
{
	put_table(writer, &error_table, error);
}

void ipc_put_done(struct ipc_writer *writer)
{
	put_table(writer, &done_table, &(struct stream_ref){0});
}

/* ---- decoding ------------------------------------------------------------------------------------ */

struct reader {
	struct body_cursor cursor;
	struct storage *storage; /* NULL: the message has no field that needs any */
};

static const char *get_u32(const struct body_value *value, uint32_t limit, void *at)
{
	uint32_t narrow;

	if (value->kind != BODY_UINT)
		return "a field is not an unsigned number";
	if (value->as.u > limit)
		return "a number is out of its range";
	narrow = (uint32_t)value->as.u;
	memcpy(at, &narrow, sizeof(narrow));
	return NULL;
}

static const char *get_float(const struct body_value *value, void *at)
{
	float single;

	if (value->kind == BODY_UINT)
		single = (float)value->as.u;
	else if (value->kind == BODY_INT)
		single = (float)value->as.i;
	else if (value->kind == BODY_FLOAT && fabs(value->as.f) <= (double)FLT_MAX)
		single = (float)value->as.f;
	else if (value->kind == BODY_FLOAT)
		single = isnan(value->as.f) ? NAN : value->as.f > 0 ? INFINITY : -INFINITY;
	else
		return "a field is not a number";
	memcpy(at, &single, sizeof(single));
	return NULL;
}

static const char *get_rate(const struct body_value *value, void *at)
{
	float single;
	const char *reason = get_float(value, &single);

	if (reason)
		return reason;
	if (!isfinite(single) || single < 0)
		return "a number is out of its range";
	memcpy(at, &single, sizeof(single));
	return NULL;
}

static const char *get_name(const struct body_value *value, char *at)
{
	if (value->kind != BODY_TEXT)
		return "a field is not a text";
	if (value->count > IPC_NAME_MAX)
		return "a name is too long";
	for (uint32_t i = 0; i < value->count; i++)
		if (value->bytes[i] < 0x20 || value->bytes[i] == 0x7f)
			return "a name has control characters";
	memcpy(at, value->bytes, value->count);
	at[value->count] = 0;
	return NULL;
}

static const char *get_u32_3(struct reader *reader, const struct body_value *value, uint8_t *at)
{
	if (value->kind != BODY_ARRAY || value->count > 3)
		return "a field is not an array of up to three numbers";
	for (uint32_t i = 0; i < value->count; i++) {
		struct body_value item;
		const char *reason = body_next(&reader->cursor, &item);

		reason = reason ? reason : get_u32(&item, UINT32_MAX, at + 4 * i);
		if (reason)
			return reason;
	}
	return NULL;
}

static const char *get_singles(struct reader *reader, const struct body_value *value, const float **values,
			       uint32_t *count)
{
	uint32_t n_values = value->count / 4;
	float *taken;

	if (value->kind != BODY_BYTES || value->count % 4)
		return "numbers are not a bin of 4-byte floats";
	taken = storage_take(reader->storage, n_values * sizeof(*taken), alignof(float));
	if (!taken)
		return storage_reason;
	for (uint32_t i = 0; i < n_values; i++) {
		const uint8_t *bytes = value->bytes + 4 * (size_t)i;
		uint32_t bits =
			bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;

		memcpy(&taken[i], &bits, sizeof(bits));
	}
	*values = taken;
	*count = n_values;
	return NULL;
}

/* x0, y0, x1, y1; none where there are points without a box. */
static const char *get_box(struct reader *reader, const struct body_value *value, const float **ret_box)
{
	uint32_t count;
	const char *reason = get_singles(reader, value, ret_box, &count);

	if (reason)
		return reason;
	if (count == 0)
		*ret_box = NULL;
	return count == 0 || count == 4 ? NULL : "a box is not four numbers";
}

static const char *get_points(struct reader *reader, const struct body_value *value, struct ipc_result_item *item)
{
	uint32_t count;
	const char *reason = get_singles(reader, value, &item->points, &count);

	if (reason)
		return reason;
	item->n_points = count / IPC_POINT_FLOATS;
	return count % IPC_POINT_FLOATS ? "points are not of four numbers each" : NULL;
}

static const char *get_part(struct reader *reader, const struct body_value *value, uint32_t part,
			    struct ipc_result_item *item)
{
	switch (part) {
	case 0:
		return get_u32(value, UINT32_MAX, &item->index);
	case 1:
		return get_float(value, &item->score);
	case 2:
		return storage_text(reader->storage, value, &item->label);
	case 3:
		return get_box(reader, value, &item->box);
	case 4:
		return get_points(reader, value, item);
	case 5:
		return storage_text(reader->storage, value, &item->gesture);
	default:
		return get_float(value, &item->gesture_score);
	}
}

/* What comes behind the gesture is of a later version and passed over. */
static const char *get_item(struct reader *reader, struct ipc_result_item *item)
{
	struct body_value value;
	const char *reason = body_next(&reader->cursor, &value);
	uint32_t n_parts = value.count;

	if (reason || value.kind != BODY_ARRAY || n_parts < 2)
		return "a result is not an array of index, score and label";
	*item = (struct ipc_result_item){.label = "", .gesture = ""};
	for (uint32_t part = 0; part < n_parts && !reason; part++) {
		if (part > 6) {
			body_skip(&reader->cursor);
			continue;
		}
		reason = body_next(&reader->cursor, &value);
		reason = reason ? reason : get_part(reader, &value, part, item);
	}
	return reason;
}

static const char *get_items(struct reader *reader, const struct body_value *value,
			     const struct ipc_result_item **items, uint32_t *count)
{
	struct ipc_result_item *taken;

	if (value->kind != BODY_ARRAY || value->count > IPC_RESULTS_MAX)
		return "the results are not an array of at most 1000";
	taken = storage_take(reader->storage, value->count * sizeof(*taken), alignof(struct ipc_result_item));
	if (!taken)
		return storage_reason;
	for (uint32_t i = 0; i < value->count; i++) {
		const char *reason = get_item(reader, &taken[i]);

		if (reason)
			return reason;
	}
	*items = taken;
	*count = value->count;
	return NULL;
}

static const char *get_table(struct reader *reader, const struct table *table, const struct body_value *map,
			     void *message);

static const char *get_field(struct reader *reader, const struct field *field, const struct body_value *value,
			     uint8_t *message)
{
	void *at = message + field->at;

	switch ((enum field_kind)field->kind) {
	case FIELD_U32:
		return get_u32(value, field->limit, at);
	case FIELD_U64:
		if (value->kind != BODY_UINT)
			return "a field is not an unsigned number";
		memcpy(at, &value->as.u, sizeof(value->as.u));
		return NULL;
	case FIELD_FLOAT:
		return get_rate(value, at);
	case FIELD_BOOL:
		if (value->kind != BODY_BOOL)
			return "a field is not true or false";
		*(bool *)at = value->as.u;
		return NULL;
	case FIELD_NAME:
		return get_name(value, at);
	case FIELD_TEXT:
		return storage_text(reader->storage, value, at);
	case FIELD_U32_3:
		return get_u32_3(reader, value, at);
	case FIELD_ITEMS:
		return get_items(reader, value, at, (uint32_t *)(message + field->count_at));
	case FIELD_EMBEDDING:
		return get_singles(reader, value, at, (uint32_t *)(message + field->count_at));
	case FIELD_TENSORS:
		return tensor_get_all(&reader->cursor, reader->storage, value, at,
				      (uint32_t *)(message + field->count_at));
	case FIELD_MAP:
		return get_table(reader, field->inner, value, message);
	}
	return NULL;
}

/* Fields mostly come in the table's order, so the search starts behind the one found last. */
static const struct field *find_field(const struct table *table, uint64_t key, unsigned *next)
{
	for (unsigned i = 0; i < table->n_fields; i++) {
		unsigned at = (*next + i) % table->n_fields;

		if (table->fields[at].key == key) {
			*next = at + 1;
			return &table->fields[at];
		}
	}
	return NULL;
}

_Static_assert(IPC_K_COUNT <= 64, "get_table() notes the keys it saw in 64 bits");

static const char *get_table(struct reader *reader, const struct table *table, const struct body_value *map,
			     void *message)
{
	uint64_t seen = 0;
	unsigned next = 0;

	if (map->kind != BODY_MAP)
		return "the body is not a map";
	for (uint32_t i = 0; i < map->count; i++) {
		struct body_cursor key_at = reader->cursor;
		struct body_value key, value;
		const struct field *field;
		const char *reason = body_next(&reader->cursor, &key);

		if (reason)
			return reason;
		field = key.kind == BODY_UINT ? find_field(table, key.as.u, &next) : NULL;
		if (!field) {
			reader->cursor = key_at;
			body_skip(&reader->cursor);
			body_skip(&reader->cursor);
			continue;
		}
		if (seen & 1ull << field->key)
			return "a key comes twice";
		seen |= 1ull << field->key;
		reason = body_next(&reader->cursor, &value);
		reason = reason ? reason : get_field(reader, field, &value, message);
		if (reason)
			return reason;
	}
	return NULL;
}

static int refuse(const char *reason, const char **ret_reason)
{
	if (ret_reason)
		*ret_reason = reason;
	return -EPROTO;
}

static int decode(const struct table *table, const void *body, size_t length, struct storage *storage, void *message,
		  const char **ret_reason)
{
	struct reader reader = {.storage = storage};
	struct body_value map;
	const char *reason = NULL;

	if (ipc_body_check(body, length, &reason) < 0)
		return refuse(reason, ret_reason);
	reader.cursor = (struct body_cursor){body, (const uint8_t *)body + length};
	reason = body_next(&reader.cursor, &map);
	reason = reason ? reason : get_table(&reader, table, &map, message);
	return reason ? refuse(reason, ret_reason) : 0;
}

int ipc_get_hello(const void *body, size_t length, struct ipc_hello *ret, const char **ret_reason)
{
	struct ipc_hello hello = {0};
	int r = decode(&hello_table, body, length, NULL, &hello, ret_reason);

	if (r == 0)
		*ret = hello;
	return r;
}

int ipc_get_welcome(const void *body, size_t length, struct ipc_welcome *ret, const char **ret_reason)
{
	struct ipc_welcome welcome = {0};
	int r = decode(&welcome_table, body, length, NULL, &welcome, ret_reason);

	if (r == 0)
		*ret = welcome;
	return r;
}

int ipc_get_stream_open(const void *body, size_t length, struct ipc_stream_open *ret, const char **ret_reason)
{
	struct ipc_stream_open open = {0};
	int r = decode(&open_table, body, length, NULL, &open, ret_reason);

	if (r == 0)
		*ret = open;
	return r;
}

int ipc_get_stream_opened(const void *body, size_t length, struct ipc_stream_opened *ret, const char **ret_reason)
{
	struct ipc_stream_opened opened = {0};
	int r = decode(&opened_table, body, length, NULL, &opened, ret_reason);

	if (r == 0)
		*ret = opened;
	return r;
}

int ipc_get_stream_close(const void *body, size_t length, uint32_t *ret_stream, const char **ret_reason)
{
	struct stream_ref ref = {0};
	int r = decode(&stream_ref_table, body, length, NULL, &ref, ret_reason);

	if (r == 0)
		*ret_stream = ref.stream;
	return r;
}

int ipc_get_frame(const void *body, size_t length, struct ipc_frame *ret, const char **ret_reason)
{
	struct ipc_frame frame = {0};
	int r = decode(&frame_table, body, length, NULL, &frame, ret_reason);

	if (r == 0)
		*ret = frame;
	return r;
}

int ipc_get_cancel(const void *body, size_t length, uint32_t *ret_stream, uint64_t *ret_seq, const char **ret_reason)
{
	struct stream_ref ref = {0};
	int r = decode(&stream_ref_table, body, length, NULL, &ref, ret_reason);

	if (r < 0)
		return r;
	*ret_stream = ref.stream;
	*ret_seq = ref.seq;
	return 0;
}

int ipc_get_change(const void *body, size_t length, struct ipc_change *ret, const char **ret_reason)
{
	struct ipc_change change = {.what = ""};
	int r = decode(&change_table, body, length, NULL, &change, ret_reason);

	if (r == 0)
		*ret = change;
	return r;
}

int ipc_get_gallery(const void *body, size_t length, struct ipc_gallery *ret, const char **ret_reason)
{
	struct ipc_gallery gallery = {.what = ""};
	int r = decode(&gallery_table, body, length, NULL, &gallery, ret_reason);

	if (r == 0)
		*ret = gallery;
	return r;
}

int ipc_get_query(const void *body, size_t length, char ret_what[IPC_NAME_MAX + 1], const char **ret_reason)
{
	struct query query = {0};
	int r = decode(&query_table, body, length, NULL, &query, ret_reason);

	if (r == 0)
		memcpy(ret_what, query.what, sizeof(query.what));
	return r;
}

int ipc_get_result_reusing(const void *body, size_t length, struct ipc_result *ret, void **storage,
			   const char **ret_reason)
{
	struct ipc_result result = {
		.text = "", .reason = "", .name = "", .rung = {.name = "", .variant = "", .lane = ""}};
	struct storage *memory = *storage;
	int r = length <= IPC_BODY_MAX ? storage_reserve(&memory, length) : -EPROTO;

	*storage = memory;
	if (r == -EPROTO)
		return refuse("the body is too long", ret_reason);
	if (r == 0)
		r = decode(&result_table, body, length, memory, &result, ret_reason);
	if (r == 0)
		*ret = result;
	return r;
}

int ipc_get_result(const void *body, size_t length, struct ipc_result *ret, void **ret_storage, const char **ret_reason)
{
	void *storage = NULL;
	int r = ipc_get_result_reusing(body, length, ret, &storage, ret_reason);

	if (r < 0)
		free(storage);
	else
		*ret_storage = storage;
	return r;
}

int ipc_get_error(const void *body, size_t length, struct ipc_error *ret, void **ret_storage, const char **ret_reason)
{
	struct ipc_error error = {.text = ""};
	struct storage *storage = NULL;
	int r;

	if (length > IPC_BODY_MAX)
		return refuse("the body is too long", ret_reason);
	r = storage_reserve(&storage, length);
	if (r == 0)
		r = decode(&error_table, body, length, storage, &error, ret_reason);
	if (r < 0) {
		free(storage);
		return r;
	}
	*ret = error;
	*ret_storage = storage;
	return 0;
}

void ipc_storage_free(void *storage)
{
	free(storage);
}
