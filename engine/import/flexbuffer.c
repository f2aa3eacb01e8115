/* flexbuffer.c - see flexbuffer.h.  Little-endian, as the machines this runs on are. */
#include "flexbuffer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define LIST_MAX 256

enum {
	TYPE_INT = 1,
	TYPE_UINT = 2,
	TYPE_FLOAT = 3,
	TYPE_STRING = 5,
	TYPE_INDIRECT_INT = 6,
	TYPE_INDIRECT_FLOAT = 8,
	TYPE_MAP = 9,
	TYPE_VECTOR = 10,
	TYPE_VECTOR_INT = 11,
	TYPE_VECTOR_FLOAT = 13,
	TYPE_BOOL = 26
};

struct flexbuffer {
	const uint8_t *data;
	size_t bytes;
	bool broken;
};

/* A value: where it lies, how wide it is there, its type, and how wide what it points to is. */
struct value {
	size_t at, width, inner;
	int type;
};

static uint64_t read_unsigned(struct flexbuffer *fb, size_t at, size_t width)
{
	uint64_t value = 0;

	if (width > 8 || at > fb->bytes || width > fb->bytes - at) {
		fb->broken = true;
		return 0;
	}
	memcpy(&value, fb->data + at, width);
	return value;
}

static int64_t read_signed(struct flexbuffer *fb, size_t at, size_t width)
{
	uint64_t value = read_unsigned(fb, at, width), sign = width < 8 ? (uint64_t)1 << (8 * width - 1) : 0;

	return (int64_t)((value ^ sign) - sign);
}

static double read_float(struct flexbuffer *fb, size_t at, size_t width)
{
	uint64_t bits = read_unsigned(fb, at, width);
	uint32_t half = (uint32_t)bits;
	float narrow;
	double wide;

	if (width == 8) {
		memcpy(&wide, &bits, sizeof(wide));
		return wide;
	}
	if (width != 4) { /* nobody writes floats of 16 bits */
		fb->broken = true;
		return 0;
	}
	memcpy(&narrow, &half, sizeof(narrow));
	return (double)narrow;
}

/* What an offset at `at` points back to. */
static size_t target(struct flexbuffer *fb, size_t at, size_t width)
{
	uint64_t back = read_unsigned(fb, at, width);

	if (back > at) {
		fb->broken = true;
		return 0;
	}
	return at - (size_t)back;
}

static struct value value_of(size_t at, size_t width, uint64_t packed)
{
	return (struct value){at, width, (size_t)1 << (packed & 3), (int)(packed >> 2)};
}

/* Follows what is stored elsewhere. */
static struct value direct(struct flexbuffer *fb, struct value v)
{
	if (v.type < TYPE_INDIRECT_INT || v.type > TYPE_INDIRECT_FLOAT)
		return v;
	return (struct value){target(fb, v.at, v.width), v.inner, v.inner, v.type - TYPE_INDIRECT_INT + TYPE_INT};
}

static bool is_number(const struct value *v)
{
	return (v->type >= TYPE_INT && v->type <= TYPE_FLOAT) || v->type == TYPE_BOOL;
}

static double number_of(struct flexbuffer *fb, struct value v)
{
	return v.type == TYPE_FLOAT ? read_float(fb, v.at, v.width)
	       : v.type == TYPE_INT ? (double)read_signed(fb, v.at, v.width)
				    : (double)read_unsigned(fb, v.at, v.width);
}

/* A list as integers, or as real numbers where one of them is. */
static int add_list(struct flexbuffer *fb, struct value v, const char *name, size_t name_bytes,
		    struct engine_attributes *attributes)
{
	size_t at = target(fb, v.at, v.width), width = v.inner;
	uint64_t n = at < width ? 0 : read_unsigned(fb, at - width, width);
	int64_t integers[LIST_MAX];
	double numbers[LIST_MAX];
	bool real = false;

	if (n > LIST_MAX)
		return 0;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t packed = v.type == TYPE_VECTOR ? read_unsigned(fb, at + n * width + i, 1)
							: (uint64_t)(v.type - TYPE_VECTOR_INT + TYPE_INT) << 2;
		struct value element = direct(fb, value_of(at + i * width, width, packed));

		if (!is_number(&element))
			return 0;
		real |= element.type == TYPE_FLOAT;
		numbers[i] = number_of(fb, element);
		integers[i] = element.type == TYPE_FLOAT ? 0
			      : element.type == TYPE_INT ? read_signed(fb, element.at, element.width)
							 : (int64_t)read_unsigned(fb, element.at, element.width);
	}
	return real ? attributes_add_numbers(attributes, name, name_bytes, numbers, (int)n)
		    : attributes_add_integers(attributes, name, name_bytes, integers, (int)n);
}

static int add_value(struct flexbuffer *fb, struct value v, const char *name, size_t name_bytes,
		     struct engine_attributes *attributes)
{
	int64_t integer;
	double number;

	v = direct(fb, v);
	if (is_number(&v)) {
		number = number_of(fb, v);
		integer =
			v.type == TYPE_INT ? read_signed(fb, v.at, v.width) : (int64_t)read_unsigned(fb, v.at, v.width);
		return v.type == TYPE_FLOAT ? attributes_add_numbers(attributes, name, name_bytes, &number, 1)
					    : attributes_add_integers(attributes, name, name_bytes, &integer, 1);
	}
	if (v.type == TYPE_STRING) {
		size_t at = target(fb, v.at, v.width);
		uint64_t bytes = at < v.inner ? 0 : read_unsigned(fb, at - v.inner, v.inner);

		if (fb->broken || bytes > fb->bytes - at)
			return -EBADMSG;
		return attributes_add_text(attributes, name, name_bytes, (const char *)fb->data + at, (size_t)bytes);
	}
	return v.type >= TYPE_VECTOR && v.type <= TYPE_VECTOR_FLOAT ? add_list(fb, v, name, name_bytes, attributes) : 0;
}

int flexbuffer_attributes(const uint8_t *data, size_t bytes, struct engine_attributes *attributes)
{
	struct flexbuffer fb = {data, bytes, false};
	size_t root_width, map, width, keys, keys_width;
	struct value root;
	uint64_t n;
	int r = 0;

	if (bytes < 3)
		return 0;
	root_width = data[bytes - 1];
	if (!root_width || root_width > 8 || root_width > bytes - 2)
		return 0;
	root = value_of(bytes - 2 - root_width, root_width, data[bytes - 2]);
	if (root.type != TYPE_MAP)
		return 0;
	map = target(&fb, root.at, root.width);
	width = root.inner;
	if (map < 3 * width)
		return -EBADMSG;
	n = read_unsigned(&fb, map - width, width);
	keys_width = (size_t)read_unsigned(&fb, map - 2 * width, width);
	keys = target(&fb, map - 3 * width, width);
	if (fb.broken || n > bytes || keys_width > 8)
		return -EBADMSG;
	for (uint64_t i = 0; i < n && r == 0 && !fb.broken; i++) {
		uint64_t packed = read_unsigned(&fb, map + n * width + i, 1);
		size_t key = target(&fb, keys + i * keys_width, keys_width);
		const uint8_t *end = fb.broken ? NULL : memchr(data + key, 0, bytes - key);

		if (!end)
			return -EBADMSG;
		r = add_value(&fb, value_of(map + i * width, width, packed), (const char *)data + key,
			      (size_t)(end - (data + key)), attributes);
	}
	return fb.broken && r == 0 ? -EBADMSG : r;
}
