/*
 * writer.c - a growing body, filled through msgpack-c's packer.
 *
 * Which fields a message has is msg.c's.  A writer that is reset keeps its memory, so that a warm one allocates
 * nothing.
 */
#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "ipc.h"
#include "writer.h"

#define FIRST_CAPACITY 512

static int grow(struct ipc_writer *writer, size_t needed)
{
	size_t capacity = writer->capacity ? writer->capacity : FIRST_CAPACITY;
	uint8_t *data;

	while (capacity < needed)
		capacity *= 2;
	data = realloc(writer->data, capacity);
	if (!data)
		return -ENOMEM;
	writer->data = data;
	writer->capacity = capacity;
	return 0;
}

/* msgpack_packer_write: the error sticks, what follows it is dropped. */
static int append(void *context, const char *bytes, size_t count)
{
	struct ipc_writer *writer = context;

	if (!writer->error && count > IPC_BODY_MAX - writer->size)
		writer->error = -EMSGSIZE;
	if (!writer->error && writer->size + count > writer->capacity)
		writer->error = grow(writer, writer->size + count);
	if (writer->error)
		return -1;
	memcpy(writer->data + writer->size, bytes, count);
	writer->size += count;
	return 0;
}

static msgpack_packer packer_of(struct ipc_writer *writer)
{
	return (msgpack_packer){writer, append};
}

void ipc_writer_init(struct ipc_writer *writer)
{
	*writer = (struct ipc_writer){0};
}

void ipc_writer_reset(struct ipc_writer *writer)
{
	writer->size = 0;
	writer->error = 0;
}

void ipc_writer_finish(struct ipc_writer *writer)
{
	free(writer->data);
	*writer = (struct ipc_writer){0};
}

void ipc_put_map(struct ipc_writer *writer, uint32_t count)
{
	msgpack_packer packer = packer_of(writer);

	msgpack_pack_map(&packer, count);
}

void ipc_put_array(struct ipc_writer *writer, uint32_t count)
{
	msgpack_packer packer = packer_of(writer);

	msgpack_pack_array(&packer, count);
}

void writer_put_text(struct ipc_writer *writer, const char *text, size_t bytes)
{
	msgpack_packer packer = packer_of(writer);

	msgpack_pack_str(&packer, bytes);
	msgpack_pack_str_body(&packer, text, bytes);
}

void ipc_put_text(struct ipc_writer *writer, const char *text)
{
	writer_put_text(writer, text ? text : "", text ? strlen(text) : 0);
}

void ipc_put_uint(struct ipc_writer *writer, uint64_t value)
{
	msgpack_packer packer = packer_of(writer);

	msgpack_pack_uint64(&packer, value);
}

void ipc_put_int(struct ipc_writer *writer, int64_t value)
{
	msgpack_packer packer = packer_of(writer);

	msgpack_pack_int64(&packer, value);
}

void ipc_put_float(struct ipc_writer *writer, double value)
{
	msgpack_packer packer = packer_of(writer);

	msgpack_pack_double(&packer, value);
}

void writer_put_single(struct ipc_writer *writer, float value)
{
	msgpack_packer packer = packer_of(writer);

	msgpack_pack_float(&packer, value);
}

void ipc_put_bool(struct ipc_writer *writer, bool value)
{
	msgpack_packer packer = packer_of(writer);

	if (value)
		msgpack_pack_true(&packer);
	else
		msgpack_pack_false(&packer);
}

void writer_put_singles(struct ipc_writer *writer, const float *values, uint32_t count)
{
	msgpack_packer packer = packer_of(writer);

	if ((uint64_t)count * sizeof(float) > IPC_BODY_MAX) {
		writer->error = writer->error ? writer->error : -EMSGSIZE;
		return;
	}
	msgpack_pack_bin(&packer, count * sizeof(float));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bits;
		char bytes[4];

		memcpy(&bits, &values[i], sizeof(bits));
		for (unsigned b = 0; b < 4; b++)
			bytes[b] = (char)(bits >> 8 * b);
		append(writer, bytes, sizeof(bytes));
	}
}

void writer_put_bytes(struct ipc_writer *writer, const void *bytes, uint32_t count)
{
	msgpack_packer packer = packer_of(writer);

	msgpack_pack_bin(&packer, count);
	append(writer, bytes, count);
}
