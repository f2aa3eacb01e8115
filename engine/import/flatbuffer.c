/* flatbuffer.c - see flatbuffer.h.  Little-endian, as the machines this runs on are. */
#include "flatbuffer.h"

#include <string.h>

static bool read(struct flatbuffer *fb, size_t at, void *to, size_t bytes)
{
	if (at > fb->size || bytes > fb->size - at) {
		fb->broken = true;
		memset(to, 0, bytes);
		return false;
	}
	memcpy(to, fb->data + at, bytes);
	return true;
}

/* Follows the offset stored at `at`; 0 where it leads nowhere. */
static size_t follow(struct flatbuffer *fb, size_t at)
{
	uint32_t offset;

	if (!read(fb, at, &offset, sizeof(offset)))
		return 0;
	if (!offset || offset >= fb->size - at) {
		fb->broken = true;
		return 0;
	}
	return at + offset;
}

size_t flatbuffer_root(struct flatbuffer *fb)
{
	return follow(fb, 0);
}

/* Where a field of `bytes` lies; 0 where the table does not have it. */
static size_t field_at(struct flatbuffer *fb, size_t table, int field, size_t bytes)
{
	int32_t to_vtable;
	uint16_t vtable_bytes, table_bytes, offset;
	size_t entry = 4 + 2 * (size_t)field, vtable;
	int64_t position;

	if (!table || !read(fb, table, &to_vtable, sizeof(to_vtable)))
		return 0;
	position = (int64_t)table - to_vtable;
	if (position < 0 || (uint64_t)position >= fb->size) {
		fb->broken = true;
		return 0;
	}
	vtable = (size_t)position;
	if (!read(fb, vtable, &vtable_bytes, 2) || !read(fb, vtable + 2, &table_bytes, 2))
		return 0;
	if (entry + 2 > vtable_bytes || !read(fb, vtable + entry, &offset, 2) || !offset)
		return 0;
	if ((size_t)offset + bytes > table_bytes) {
		fb->broken = true;
		return 0;
	}
	return table + offset;
}

int64_t flatbuffer_i8(struct flatbuffer *fb, size_t table, int field, int64_t fallback)
{
	size_t at = field_at(fb, table, field, 1);
	int8_t value;

	return at && read(fb, at, &value, sizeof(value)) ? value : fallback;
}

int64_t flatbuffer_u8(struct flatbuffer *fb, size_t table, int field, int64_t fallback)
{
	size_t at = field_at(fb, table, field, 1);
	uint8_t value;

	return at && read(fb, at, &value, sizeof(value)) ? value : fallback;
}

int64_t flatbuffer_i32(struct flatbuffer *fb, size_t table, int field, int64_t fallback)
{
	size_t at = field_at(fb, table, field, 4);
	int32_t value;

	return at && read(fb, at, &value, sizeof(value)) ? value : fallback;
}

uint64_t flatbuffer_u64(struct flatbuffer *fb, size_t table, int field, uint64_t fallback)
{
	size_t at = field_at(fb, table, field, 8);
	uint64_t value;

	return at && read(fb, at, &value, sizeof(value)) ? value : fallback;
}

float flatbuffer_f32(struct flatbuffer *fb, size_t table, int field, float fallback)
{
	size_t at = field_at(fb, table, field, 4);
	float value;

	return at && read(fb, at, &value, sizeof(value)) ? value : fallback;
}

size_t flatbuffer_table(struct flatbuffer *fb, size_t table, int field)
{
	size_t at = field_at(fb, table, field, 4);

	return at ? follow(fb, at) : 0;
}

size_t flatbuffer_table_at(struct flatbuffer *fb, const struct flatbuffer_vector *vector, uint32_t i)
{
	return i < vector->count ? follow(fb, vector->at + 4 * (size_t)i) : 0;
}

struct flatbuffer_vector flatbuffer_vector(struct flatbuffer *fb, size_t table, int field, size_t size)
{
	size_t at = flatbuffer_table(fb, table, field);
	struct flatbuffer_vector vector = {0};
	uint32_t count;

	if (!at || !read(fb, at, &count, sizeof(count)))
		return vector;
	if (count > (fb->size - at - 4) / size) {
		fb->broken = true;
		return vector;
	}
	vector.at = at + 4;
	vector.count = count;
	return vector;
}

int32_t flatbuffer_i32_at(struct flatbuffer *fb, const struct flatbuffer_vector *vector, uint32_t i)
{
	int32_t value = 0;

	if (i < vector->count)
		read(fb, vector->at + 4 * (size_t)i, &value, sizeof(value));
	return value;
}

int64_t flatbuffer_i64_at(struct flatbuffer *fb, const struct flatbuffer_vector *vector, uint32_t i)
{
	int64_t value = 0;

	if (i < vector->count)
		read(fb, vector->at + 8 * (size_t)i, &value, sizeof(value));
	return value;
}

float flatbuffer_f32_at(struct flatbuffer *fb, const struct flatbuffer_vector *vector, uint32_t i)
{
	float value = 0.0f;

	if (i < vector->count)
		read(fb, vector->at + 4 * (size_t)i, &value, sizeof(value));
	return value;
}
