/*
 * protobuf.h - a reader of protocol buffer messages (the encoding's public specification), bounds-checked.
 *
 * A message is bytes; its fields are visited in the order of the file.  What a field means is the caller's.  Groups,
 * which no format here uses, are malformed.
 */
#ifndef INFERD_PROTOBUF_H
#define INFERD_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct protobuf_bytes {
	const uint8_t *data;
	size_t size;
};

enum protobuf_wire { PROTOBUF_VARINT, PROTOBUF_FIXED64, PROTOBUF_BYTES, PROTOBUF_FIXED32 = 5 };

struct protobuf_field {
	uint32_t number;
	enum protobuf_wire wire;
	uint64_t value;		     /* PROTOBUF_VARINT, and the bits of PROTOBUF_FIXED64 and PROTOBUF_FIXED32 */
	struct protobuf_bytes bytes; /* PROTOBUF_BYTES: text, a message, or packed numbers */
};

struct protobuf {
	const uint8_t *at, *end;
	bool malformed; /* the message ends within a field, or has one that cannot be */
};

struct protobuf protobuf_open(struct protobuf_bytes message);
/* The next field; false at the end, and when the rest cannot be read. */
bool protobuf_next(struct protobuf *reader, struct protobuf_field *ret_field);

/*
 * Numbers of a repeated field, which may come one by one or packed: next one of a field that protobuf_next() gave.
 * wire: how one of them is encoded.  *at: 0 at first.  False when there are no more; the reader is malformed when they
 * end within one.
 */
bool protobuf_number(struct protobuf *reader, const struct protobuf_field *field, enum protobuf_wire wire, size_t *at,
		     uint64_t *ret_value);

float protobuf_float(uint64_t bits);

#endif
