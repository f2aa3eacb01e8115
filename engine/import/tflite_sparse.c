/*
 * tflite_sparse.c - constants of which the file holds what is not zero.
 *
 * The format is the schema's SparsityParameters: the axes are walked in `traversal_order`; an axis is dense, or has for
 * each position of the axes before it a range of segments that lists the indices there are.  Axes that are cut into
 * blocks (block_map) come once as a number of blocks and once as a place within the block.
 */
#include <errno.h>
#include <string.h>

#include "tflite.h"

#define AXES_MAX (2 * ENGINE_RANK_MAX)

enum { SPARSITY_ORDER = 0, SPARSITY_BLOCK_MAP = 1, SPARSITY_AXES = 2 };
enum {
	AXIS_FORMAT = 0,
	AXIS_SIZE = 1,
	AXIS_SEGMENTS_TYPE = 2,
	AXIS_SEGMENTS = 3,
	AXIS_INDICES_TYPE = 4,
	AXIS_INDICES = 5
};
enum { LIST_VALUES = 0 };
enum { LIST_INT32 = 1, LIST_UINT16 = 2, LIST_UINT8 = 3 };

/* A list of integers of one of three widths. */
struct list {
	struct flatbuffer_vector vector;
	int64_t type;
};

struct axis {
	bool sparse;
	int64_t size;
	struct list segments, indices;
	size_t stride; /* in elements of the dense tensor */
};

struct sparse {
	struct flatbuffer *fb;
	struct axis axes[AXES_MAX];
	int n_axes;
	const uint8_t *from;
	size_t n_from, size;
	uint8_t *to;
	size_t n_to;
	size_t steps, steps_max; /* of the walk: linear in the tensor */
};

static struct list read_list(struct flatbuffer *fb, size_t axis, int type_field, int field)
{
	struct list list = {.type = flatbuffer_u8(fb, axis, type_field, 0)};
	size_t table = flatbuffer_table(fb, axis, field);

	list.vector = flatbuffer_vector(fb, table, LIST_VALUES,
					list.type == LIST_INT32	   ? 4
					: list.type == LIST_UINT16 ? 2
								   : 1);
	return list;
}

static int64_t list_at(const struct flatbuffer *fb, const struct list *list, uint64_t i)
{
	const uint8_t *data = fb->data + list->vector.at;
	int32_t wide;
	uint16_t half;

	if (i >= list->vector.count)
		return -1;
	switch (list->type) {
	case LIST_INT32:
		memcpy(&wide, data + 4 * i, sizeof(wide));
		return wide;
	case LIST_UINT16:
		memcpy(&half, data + 2 * i, sizeof(half));
		return half;
	case LIST_UINT8:
		return data[i];
	default:
		return -1;
	}
}

/* Visits all positions of the axes from `axis` on; `position` counts those there are of the axes before it. */
static int walk(struct sparse *s, int axis, uint64_t position, size_t offset)
{
	const struct axis *a = &s->axes[axis];
	int64_t from = 0, to = a->size;
	int r = 0;

	if (s->steps++ > s->steps_max)
		return -EINVAL;
	if (axis == s->n_axes) {
		if (position >= s->n_from || offset >= s->n_to)
			return -EINVAL;
		memcpy(s->to + offset * s->size, s->from + position * s->size, s->size);
		return 0;
	}
	if (a->sparse) {
		from = list_at(s->fb, &a->segments, position);
		to = list_at(s->fb, &a->segments, position + 1);
		if (from < 0 || to < from || to > (int64_t)a->indices.vector.count)
			return -EINVAL;
	}
	for (int64_t i = from; i < to && r == 0; i++) {
		int64_t index = a->sparse ? list_at(s->fb, &a->indices, (uint64_t)i) : i;

		if (index < 0 || index >= a->size)
			return -EINVAL;
		r = walk(s, axis + 1, a->sparse ? (uint64_t)i : position * (uint64_t)a->size + (uint64_t)i,
			 offset + (size_t)index * a->stride);
	}
	return r;
}

/* Sizes of the axes, blocks included, must make up the tensor; strides follow from them. */
static int read_axes(struct tflite *t, size_t sparsity, const struct graph_value *value, struct sparse *s)
{
	struct flatbuffer_vector order = flatbuffer_vector(&t->fb, sparsity, SPARSITY_ORDER, 4);
	struct flatbuffer_vector blocks = flatbuffer_vector(&t->fb, sparsity, SPARSITY_BLOCK_MAP, 4);
	struct flatbuffer_vector axes = flatbuffer_vector(&t->fb, sparsity, SPARSITY_AXES, 4);
	int64_t block[ENGINE_RANK_MAX], outer[ENGINE_RANK_MAX] = {0}, sizes[AXES_MAX] = {0};
	size_t stride[ENGINE_RANK_MAX], step = 1;
	int rank = value->rank;

	if (axes.count != order.count || axes.count != (uint32_t)rank + blocks.count || blocks.count > (uint32_t)rank)
		return -EINVAL;
	s->n_axes = (int)axes.count;
	for (int i = 0; i < rank; i++)
		block[i] = 1;
	for (int k = rank - 1; k >= 0; step *= (size_t)value->dims[k], k--)
		stride[k] = step;
	for (int i = 0; i < s->n_axes; i++) {
		int32_t which = flatbuffer_i32_at(&t->fb, &order, (uint32_t)i);
		size_t table = flatbuffer_table_at(&t->fb, &axes, (uint32_t)i);
		struct axis *a = &s->axes[i];
		int64_t within = which - rank, axis = which;

		a->sparse = flatbuffer_i8(&t->fb, table, AXIS_FORMAT, 0) != 0;
		a->size = flatbuffer_i32(&t->fb, table, AXIS_SIZE, 0);
		a->segments = read_list(&t->fb, table, AXIS_SEGMENTS_TYPE, AXIS_SEGMENTS);
		a->indices = read_list(&t->fb, table, AXIS_INDICES_TYPE, AXIS_INDICES);
		if (which < 0 || which >= s->n_axes || sizes[which])
			return -EINVAL;
		if (within >= 0) {
			axis = flatbuffer_i32_at(&t->fb, &blocks, (uint32_t)within);
			if (axis < 0 || axis >= rank || block[axis] != 1)
				return -EINVAL;
		}
		/* Of a sparse axis the file may leave the size out; the tensor says it. */
		if (a->sparse && within < 0)
			a->size = value->dims[axis];
		if (a->size < 1 || a->size > value->dims[axis])
			return -EINVAL;
		sizes[which] = a->size;
		if (within >= 0)
			block[axis] = a->size;
		else
			outer[axis] = a->size;
		a->stride = stride[axis];
	}
	for (int i = 0; i < s->n_axes; i++) {
		int32_t axis = flatbuffer_i32_at(&t->fb, &order, (uint32_t)i);

		if (axis >= rank)
			continue;
		if (s->axes[i].sparse && block[axis] > 1)
			s->axes[i].size = outer[axis] = value->dims[axis] / block[axis];
		if (outer[axis] * block[axis] != value->dims[axis])
			return -EINVAL;
		s->axes[i].stride *= (size_t)block[axis];
	}
	return 0;
}

int tflite_densify(struct tflite *t, size_t sparsity, const uint8_t *data, size_t bytes, int value)
{
	const struct graph_value *v = &t->graph->values[value];
	struct sparse s = {.fb = &t->fb, .from = data, .size = engine_type_size(v->type)};
	int r = graph_elements(v->rank, v->dims, &s.n_to);

	if (r < 0)
		return r;
	/* What is dense may be larger than the file; that much larger is no network but an attack. */
	if (s.n_to * s.size > t->made_max - t->made_bytes)
		return -EFBIG;
	t->made_bytes += s.n_to * s.size;
	r = read_axes(t, sparsity, v, &s);
	if (r < 0)
		return r;
	s.n_from = bytes / s.size;
	s.steps_max = (size_t)(s.n_axes + 1) * (s.n_to + 1);
	s.to = graph_alloc_data(t->graph, value, s.n_to * s.size);
	return s.to ? walk(&s, 0, 0, 0) : -ENOMEM;
}
