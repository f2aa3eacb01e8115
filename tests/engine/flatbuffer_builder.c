#include "flatbuffer_builder.h"

#include <criterion/criterion.h>
#include <string.h>

/* Zeros; the position is a multiple of 8. */
static size_t reserve(struct builder *builder, size_t bytes)
{
	size_t at = (builder->size + 7) & ~(size_t)7;

	cr_assert_leq(at + bytes, sizeof(builder->data));
	builder->size = at + bytes;
	return at;
}

static void put_u32(struct builder *builder, size_t at, uint32_t number)
{
	memcpy(builder->data + at, &number, sizeof(number));
}

static void put_offset(struct builder *builder, size_t at, size_t target)
{
	cr_assert_gt(target, at);
	put_u32(builder, at, (uint32_t)(target - at));
}

void builder_init(struct builder *builder, const char identifier[4])
{
	memset(builder, 0, sizeof(*builder));
	builder->size = 8;
	memcpy(builder->data + 4, identifier, 4);
}

void builder_set_root(struct builder *builder, size_t table)
{
	put_offset(builder, 0, table);
}

size_t builder_table(struct builder *builder, int n_fields)
{
	size_t vtable = reserve(builder, 4 + 2 * (size_t)n_fields), table = reserve(builder, 8 + 8 * (size_t)n_fields);
	uint16_t head[2] = {(uint16_t)(4 + 2 * n_fields), (uint16_t)(8 + 8 * n_fields)};

	memcpy(builder->data + vtable, head, sizeof(head));
	put_u32(builder, table, (uint32_t)(table - vtable));
	return table;
}

/* Where the field lies, which is thereby present. */
static size_t field_at(struct builder *builder, size_t table, int field)
{
	uint32_t back;
	uint16_t inside = (uint16_t)(8 + 8 * field);

	memcpy(&back, builder->data + table, sizeof(back));
	memcpy(builder->data + table - back + 4 + 2 * (size_t)field, &inside, sizeof(inside));
	return table + inside;
}

void builder_set_number(struct builder *builder, size_t table, int field, int64_t number)
{
	memcpy(builder->data + field_at(builder, table, field), &number, sizeof(number));
}

void builder_set_offset(struct builder *builder, size_t table, int field, size_t target)
{
	put_offset(builder, field_at(builder, table, field), target);
}

size_t builder_vector(struct builder *builder, const void *elements, uint32_t count, size_t size)
{
	/* The count's 4 bytes come before elements that are aligned to 8. */
	size_t at = reserve(builder, 8 + count * size) + 4;

	put_u32(builder, at, count);
	if (elements)
		memcpy(builder->data + at + 4, elements, count * size);
	return at;
}

void builder_set_element(struct builder *builder, size_t vector, uint32_t i, size_t target)
{
	put_offset(builder, vector + 4 + 4 * (size_t)i, target);
}

void builder_add_vector(struct builder *builder, size_t table, int field, const void *elements, uint32_t count,
			size_t size)
{
	builder_set_offset(builder, table, field, builder_vector(builder, elements, count, size));
}
