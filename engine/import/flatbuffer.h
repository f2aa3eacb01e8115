/*
 * flatbuffer.h - private to the TFLite importer: reading tables and vectors of a FlatBuffer that is not trusted.
 *
 * A position is an offset from the start of the buffer, 0 meaning absent.  Every read is checked against the bytes
 * that are there; nothing is assumed about alignment.  (Layout: the FlatBuffers internals page.)
 */
#ifndef INFERD_FLATBUFFER_H
#define INFERD_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flatbuffer {
	const uint8_t *data;
	size_t size;
	bool broken; /* set by any read that left the buffer; such a read gives 0 */
};

struct flatbuffer_vector {
	size_t at; /* of the first element */
	uint32_t count;
};

/* The root table. */
size_t flatbuffer_root(struct flatbuffer *fb);

/* Scalar fields of a table, by their number in the schema; fallback where absent. */
int64_t flatbuffer_i8(struct flatbuffer *fb, size_t table, int field, int64_t fallback);
int64_t flatbuffer_u8(struct flatbuffer *fb, size_t table, int field, int64_t fallback);
int64_t flatbuffer_i32(struct flatbuffer *fb, size_t table, int field, int64_t fallback);
uint64_t flatbuffer_u64(struct flatbuffer *fb, size_t table, int field, uint64_t fallback);
float flatbuffer_f32(struct flatbuffer *fb, size_t table, int field, float fallback);

/* A table field, or element i of a vector of tables. */
size_t flatbuffer_table(struct flatbuffer *fb, size_t table, int field);
size_t flatbuffer_table_at(struct flatbuffer *fb, const struct flatbuffer_vector *vector, uint32_t i);

/* A vector (or string) field of elements of `size` bytes; count 0 where absent. */
struct flatbuffer_vector flatbuffer_vector(struct flatbuffer *fb, size_t table, int field, size_t size);
int32_t flatbuffer_i32_at(struct flatbuffer *fb, const struct flatbuffer_vector *vector, uint32_t i);
int64_t flatbuffer_i64_at(struct flatbuffer *fb, const struct flatbuffer_vector *vector, uint32_t i);
float flatbuffer_f32_at(struct flatbuffer *fb, const struct flatbuffer_vector *vector, uint32_t i);

#endif
