/*
 * report.c - a REPORT body as JSON, for people and scripts.
 *
 * Reports are rare, so this unpacks into a msgpack zone, after the scan has bounded what that may take.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <msgpack.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc.h"

struct text {
	char *data;
	size_t size, capacity;
	int error;
};

static void add(struct text *text, const char *bytes, size_t count)
{
	if (text->error)
		return;
	if (text->size + count + 1 > text->capacity) {
		size_t capacity = 2 * (text->size + count + 1) + 256;
		char *data = realloc(text->data, capacity);

		if (!data) {
			text->error = -ENOMEM;
			return;
		}
		text->data = data;
		text->capacity = capacity;
	}
	memcpy(text->data + text->size, bytes, count);
	text->size += count;
	text->data[text->size] = 0;
}

static void add_text(struct text *text, const char *string)
{
	add(text, string, strlen(string));
}

__attribute__((format(printf, 2, 3))) static void add_format(struct text *text, const char *format, ...)
{
	char buffer[64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(buffer, sizeof(buffer), format, arguments);
	va_end(arguments);
	add_text(text, buffer);
}

/* The shortest digits that read back as the same number, with a point whatever the locale uses. */
static void add_number(struct text *text, double value)
{
	static const int digits[] = {6, 9, 15, 17};
	char buffer[64];
	bool point = false;

	if (!isfinite(value)) {
		add_text(text, "null");
		return;
	}
	for (unsigned i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
		snprintf(buffer, sizeof(buffer), "%.*g", digits[i], value);
		if (strtod(buffer, NULL) == value)
			break;
	}
	for (const char *c = buffer; *c; c++) {
		if (strchr("0123456789+-e", *c))
			add(text, c, 1);
		else if (!point)
			add_text(text, ".");
		point = point || !strchr("0123456789+-e", *c);
	}
}

/* Length of the UTF-8 sequence at the start of bytes, 0 when it is not one (overlong and surrogates included). */
static size_t utf8_length(const uint8_t *bytes, size_t count)
{
	uint8_t first = bytes[0], low = 0x80, high = 0xbf;
	size_t length = first < 0x80   ? 1
			: first < 0xc2 ? 0
			: first < 0xe0 ? 2
			: first < 0xf0 ? 3
			: first < 0xf5 ? 4
				       : 0;

	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (length > count)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (bytes[i] < low || bytes[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

static void add_string(struct text *text, const char *string, size_t bytes)
{
	add_text(text, "\"");
	for (size_t at = 0; at < bytes;) {
		const uint8_t *c = (const uint8_t *)string + at;
		size_t length = utf8_length(c, bytes - at);

		if (length == 0)
			add_text(text, "\\ufffd");
		else if (*c == '"' || *c == '\\')
			add_format(text, "\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			add_format(text, "\\u%04x", *c);
		else
			add(text, string + at, length);
		at += length ? length : 1;
	}
	add_text(text, "\"");
}

static void add_object(struct text *text, const msgpack_object *object);

/* Keys that are not texts are shown as what they would print. */
static void add_key(struct text *text, const msgpack_object *key)
{
	if (key->type == MSGPACK_OBJECT_STR)
		add_string(text, key->via.str.ptr, key->via.str.size);
	else if (key->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		add_format(text, "\"%" PRIu64 "\"", key->via.u64);
	else
		add_text(text, "\"?\"");
}

static void add_map(struct text *text, const msgpack_object_map *map)
{
	add_text(text, "{");
	for (uint32_t i = 0; i < map->size; i++) {
		add_text(text, i ? "," : "");
		add_key(text, &map->ptr[i].key);
		add_text(text, ":");
		add_object(text, &map->ptr[i].val);
	}
	add_text(text, "}");
}

/* Recursion is bounded by IPC_DEPTH_MAX. */
static void add_object(struct text *text, const msgpack_object *object)
{
	switch (object->type) {
	case MSGPACK_OBJECT_BOOLEAN:
		add_text(text, object->via.boolean ? "true" : "false");
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		add_format(text, "%" PRIu64, object->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		add_format(text, "%" PRId64, object->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		add_number(text, object->via.f64);
		break;
	case MSGPACK_OBJECT_STR:
		add_string(text, object->via.str.ptr, object->via.str.size);
		break;
	case MSGPACK_OBJECT_ARRAY:
		add_text(text, "[");
		for (uint32_t i = 0; i < object->via.array.size; i++) {
			add_text(text, i ? "," : "");
			add_object(text, &object->via.array.ptr[i]);
		}
		add_text(text, "]");
		break;
	case MSGPACK_OBJECT_MAP:
		add_map(text, &object->via.map);
		break;
	default:
		add_text(text, "null");
		break;
	}
}

int ipc_report_json(const void *body, size_t length, char **ret_text)
{
	msgpack_unpacked unpacked;
	struct text text = {0};
	size_t offset = 0;
	int r = ipc_body_check(body, length, NULL);

	if (r < 0)
		return r;
	msgpack_unpacked_init(&unpacked);
	switch (msgpack_unpack_next(&unpacked, body, length, &offset)) {
	case MSGPACK_UNPACK_SUCCESS:
		break;
	case MSGPACK_UNPACK_NOMEM_ERROR:
		r = -ENOMEM;
		break;
	default:
		r = -EPROTO;
	}
	if (r == 0) {
		add_object(&text, &unpacked.data);
		r = text.error;
	}
	msgpack_unpacked_destroy(&unpacked);
	if (r < 0)
		free(text.data);
	else
		*ret_text = text.data;
	return r;
}
