/* protobuf.c - see protobuf.h. */
#include "protobuf.h"

#include <string.h>

struct protobuf protobuf_open(struct protobuf_bytes message)
{
	/* Nothing, as of a field that is no message, has no place either. */
	if (!message.data)
		return (struct protobuf){0};
	return (struct protobuf){message.data, message.data + message.size, false};
}

static bool fail(struct protobuf *reader)
{
	reader->malformed = true;
	reader->at = reader->end;
	return false;
}

/* At most ten bytes of seven bits each. */
static bool read_varint(struct protobuf *reader, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (reader->at == reader->end)
			return fail(reader);
		byte = *reader->at++;
		if (shift == 63 && byte > 1)
			return fail(reader);
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return true;
		}
	}
	return fail(reader);
}

static bool read_fixed(struct protobuf *reader, size_t size, uint64_t *ret_value)
{
	uint64_t value = 0;

	if ((size_t)(reader->end - reader->at) < size)
		return fail(reader);
	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)reader->at[i] << (8 * i);
	reader->at += size;
	*ret_value = value;
	return true;
}

static bool read_value(struct protobuf *reader, enum protobuf_wire wire, uint64_t *ret_value)
{
	switch (wire) {
	case PROTOBUF_VARINT:
		return read_varint(reader, ret_value);
	case PROTOBUF_FIXED64:
		return read_fixed(reader, 8, ret_value);
	case PROTOBUF_FIXED32:
		return read_fixed(reader, 4, ret_value);
	default:
		return fail(reader);
	}
}

bool protobuf_next(struct protobuf *reader, struct protobuf_field *ret_field)
{
	uint64_t tag, length;

	if (reader->at == reader->end || !read_varint(reader, &tag))
		return false;
	*ret_field = (struct protobuf_field){.number = (uint32_t)(tag >> 3), .wire = (enum protobuf_wire)(tag & 7)};
	if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return fail(reader);
	if (ret_field->wire != PROTOBUF_BYTES)
		return read_value(reader, ret_field->wire, &ret_field->value);
	if (!read_varint(reader, &length))
		return false;
	if (length > (uint64_t)(reader->end - reader->at))
		return fail(reader);
	ret_field->bytes = (struct protobuf_bytes){reader->at, (size_t)length};
	reader->at += length;
	return true;
}

bool protobuf_number(struct protobuf *reader, const struct protobuf_field *field, enum protobuf_wire wire, size_t *at,
		     uint64_t *ret_value)
{
	struct protobuf packed;

	if (field->wire == wire) {
		*ret_value = field->value;
		return (*at)++ == 0;
	}
	if (field->wire != PROTOBUF_BYTES)
		return fail(reader);
	if (*at == field->bytes.size)
		return false;
	packed = (struct protobuf){field->bytes.data + *at, field->bytes.data + field->bytes.size, false};
	if (!read_value(&packed, wire, ret_value))
		return fail(reader);
	*at = (size_t)(packed.at - field->bytes.data);
	return true;
}

float protobuf_float(uint64_t bits)
{
	uint32_t low = (uint32_t)bits;
	float value;

	memcpy(&value, &low, sizeof(value));
	return value;
}
