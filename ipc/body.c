/*
 * body.c - the scan that comes before anything else looks at a body, and the cursor that walks it afterwards.
 *
 * It does not know keys or messages.  The scan exists because an unpacker that believes a header's counts can be
 * made to reserve gigabytes by five bytes.
 */
#include "body.h"

#include <errno.h>
#include <string.h>

#include "ipc.h"

static const char reason_ends[] = "the body ends inside a value";

static uint64_t big_endian(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Reads a number of `width` bytes; false when it is not there. */
static bool take(struct body_cursor *cursor, unsigned width, uint64_t *ret_value)
{
	if ((size_t)(cursor->end - cursor->at) < width)
		return false;
	*ret_value = big_endian(cursor->at, width);
	cursor->at += width;
	return true;
}

static const char *take_bytes(struct body_cursor *cursor, uint64_t count, struct body_value *value)
{
	if (count > (uint64_t)(cursor->end - cursor->at))
		return "a text is longer than the body";
	value->bytes = cursor->at;
	value->count = (uint32_t)count;
	cursor->at += count;
	return NULL;
}

static void set_int(struct body_value *value, int64_t number)
{
	if (number >= 0) {
		value->kind = BODY_UINT;
		value->as.u = (uint64_t)number;
	} else {
		value->kind = BODY_INT;
		value->as.i = number;
	}
}

static void set_float(struct body_value *value, uint64_t bits, unsigned width)
{
	value->kind = BODY_FLOAT;
	if (width == 4) {
		uint32_t narrow = (uint32_t)bits;
		float number;

		memcpy(&number, &narrow, sizeof(number));
		value->as.f = number;
	} else {
		memcpy(&value->as.f, &bits, sizeof(bits));
	}
}

/* The types 0xc0..0xdf: a byte that names the type, then a number of 0 to 8 bytes. */
static const char *next_long(struct body_cursor *cursor, uint8_t type, struct body_value *value)
{
	static const uint8_t widths[32] = {
		[0x04] = 1, [0x05] = 2, [0x06] = 4,		/* bin */
		[0x0a] = 4, [0x0b] = 8,				/* float */
		[0x0c] = 1, [0x0d] = 2, [0x0e] = 4, [0x0f] = 8, /* uint */
		[0x10] = 1, [0x11] = 2, [0x12] = 4, [0x13] = 8, /* int */
		[0x19] = 1, [0x1a] = 2, [0x1b] = 4,		/* str */
		[0x1c] = 2, [0x1d] = 4, [0x1e] = 2, [0x1f] = 4, /* array, map */
	};
	unsigned width = widths[type & 31];
	uint64_t number;

	if (!take(cursor, width, &number))
		return reason_ends;
	switch (type) {
	case 0xc0:
		value->kind = BODY_NIL;
		return NULL;
	case 0xc2:
	case 0xc3:
		value->kind = BODY_BOOL;
		value->as.u = type & 1;
		return NULL;
	case 0xc4:
	case 0xc5:
	case 0xc6:
		value->kind = BODY_BYTES;
		return take_bytes(cursor, number, value);
	case 0xca:
	case 0xcb:
		set_float(value, number, width);
		return NULL;
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		value->kind = BODY_UINT;
		value->as.u = number;
		return NULL;
	case 0xd0:
		set_int(value, (int8_t)number);
		return NULL;
	case 0xd1:
		set_int(value, (int16_t)number);
		return NULL;
	case 0xd2:
		set_int(value, (int32_t)number);
		return NULL;
	case 0xd3:
		set_int(value, (int64_t)number);
		return NULL;
	case 0xd9:
	case 0xda:
	case 0xdb:
		value->kind = BODY_TEXT;
		return take_bytes(cursor, number, value);
	case 0xdc:
	case 0xdd:
		value->kind = BODY_ARRAY;
		break;
	case 0xde:
	case 0xdf:
		value->kind = BODY_MAP;
		break;
	default:
		return "a type that is not part of the protocol";
	}
	value->count = (uint32_t)number;
	return NULL;
}

const char *body_next(struct body_cursor *cursor, struct body_value *ret_value)
{
	uint64_t type;

	*ret_value = (struct body_value){0};
	if (!take(cursor, 1, &type))
		return reason_ends;
	if (type < 0x80 || type >= 0xe0) {
		set_int(ret_value, (int8_t)type);
	} else if (type < 0xa0) {
		ret_value->kind = type < 0x90 ? BODY_MAP : BODY_ARRAY;
		ret_value->count = type & 15;
	} else if (type < 0xc0) {
		ret_value->kind = BODY_TEXT;
		return take_bytes(cursor, type & 31, ret_value);
	} else {
		return next_long(cursor, (uint8_t)type, ret_value);
	}
	return NULL;
}

uint64_t body_items(const struct body_value *value)
{
	if (value->kind == BODY_MAP)
		return 2 * (uint64_t)value->count;
	return value->kind == BODY_ARRAY ? value->count : 0;
}

void body_skip(struct body_cursor *cursor)
{
	struct body_value value;

	for (uint64_t left = 1; left > 0; left--) {
		if (body_next(cursor, &value))
			return;
		left += body_items(&value);
	}
}

static const char *scan(const uint8_t *body, size_t length)
{
	struct body_cursor cursor = {body, body + length};
	uint64_t left[IPC_DEPTH_MAX]; /* values still to come in each open container */
	uint64_t total = 0;
	unsigned depth = 0;

	do {
		struct body_value value;
		const char *reason = body_next(&cursor, &value);
		uint64_t items = reason ? 0 : body_items(&value);

		if (reason)
			return reason;
		if (depth)
			left[depth - 1]--;
		if (value.kind == BODY_ARRAY || value.kind == BODY_MAP) {
			/* A value takes a byte at least, so a count beyond the bytes is a lie. */
			if (items > (uint64_t)(cursor.end - cursor.at))
				return "a container announces more items than the body has bytes";
			total += items;
			if (total > IPC_ELEMENTS_MAX)
				return "the body has too many items";
			if (depth == IPC_DEPTH_MAX)
				return "the body is nested too deeply";
			left[depth++] = items;
		}
		while (depth && !left[depth - 1])
			depth--;
	} while (depth);
	return cursor.at == cursor.end ? NULL : "bytes follow the body's value";
}

int ipc_body_check(const void *body, size_t length, const char **ret_reason)
{
	const char *reason;

	if (length > IPC_BODY_MAX)
		reason = "the body is too long";
	else
		reason = length ? scan(body, length) : "the body is empty";
	if (!reason)
		return 0;
	if (ret_reason)
		*ret_reason = reason;
	return -EPROTO;
}
