/*
 * flatbuffer_builder.h - writes FlatBuffers for tests, right ones and wrong ones.
 *
 * Every field of a table gets 8 bytes, and what a table refers to is written after it (offsets count forward).
 */
#ifndef INFERD_TESTS_FLATBUFFER_BUILDER_H
#define INFERD_TESTS_FLATBUFFER_BUILDER_H

#include <stddef.h>
#include <stdint.h>

struct builder {
	uint8_t data[1 << 16];
	size_t size;
};

/* Empty but for the place of the root and the identifier. */
void builder_init(struct builder *builder, const char identifier[4]);
void builder_set_root(struct builder *builder, size_t table);

/* A table of n fields, all absent until they are set; its position. */
size_t builder_table(struct builder *builder, int n_fields);
/* A number of 1, 4 or 8 bytes. */
void builder_set_number(struct builder *builder, size_t table, int field, int64_t number);
/* A table or vector that was written later. */
void builder_set_offset(struct builder *builder, size_t table, int field, size_t target);

/* Its position; elements of `size` bytes, 1, 4 or 8 (bytes NULL: zeros). */
size_t builder_vector(struct builder *builder, const void *elements, uint32_t count, size_t size);
/* Element i of a vector of tables. */
void builder_set_element(struct builder *builder, size_t vector, uint32_t i, size_t target);

/* Shorthand: writes a vector and refers to it. */
void builder_add_vector(struct builder *builder, size_t table, int field, const void *elements, uint32_t count,
			size_t size);

#endif
