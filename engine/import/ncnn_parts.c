/* ncnn_parts.c - ncnn's layers that take parts of blobs, put them together or hand them on. */
#include "ncnn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ncnn_on_concat(struct ncnn *n)
{
	int rank = ncnn_in_rank(n, 0), axis = ncnn_axis_of(rank, ncnn_int(&n->layer, 0, 0), rank == 3), value = 0,
	    *values;
	int channels = 0, r;
	struct graph_node *node;
	bool image = false;

	if (axis < 0)
		return ncnn_refuse(n, -EINVAL, "has an axis that its inputs lack");
	values = malloc((size_t)n->layer.n_inputs * sizeof(*values));
	if (!values)
		return ncnn_result(n, -ENOMEM);
	for (int i = 0; i < n->layer.n_inputs && value >= 0; i++) {
		values[i] = ncnn_in_rank(n, i) == rank ? ncnn_as_usual(n, i, &image) : -EINVAL;
		value = values[i];
		channels =
			channels < 0 || ncnn_in_blob(n, i)->channels < 0 ? -1 : channels + ncnn_in_blob(n, i)->channels;
	}
	if (value >= 0)
		value = ncnn_add_node(n, GRAPH_CONCAT, values, n->layer.n_inputs, image ? 4 : ncnn_file_axes(rank),
				      &node);
	free(values);
	if (value == -EINVAL)
		return ncnn_refuse(n, -EINVAL, "has inputs of different numbers of axes");
	if (value >= 0)
		node->axis.axis = axis;
	r = ncnn_set_alike(n, value, image);
	if (r == 0 && axis == (image ? 3 : 0))
		ncnn_out_blob(n, 0)->channels = channels <= NCNN_CHANNEL_MAX ? channels : -1;
	return r;
}

static void whole_slice(struct graph_slice *slice)
{
	*slice = (struct graph_slice){0};
	for (int i = 0; i < ENGINE_RANK_MAX; i++) {
		slice->size[i] = -1;
		slice->step[i] = 1;
	}
}

static int add_slice(struct ncnn *n, int x, int rank, int axis, int begin, int size)
{
	struct graph_node *node;
	int value = x < 0 ? x : ncnn_add_node(n, GRAPH_SLICE, &x, 1, rank, &node);

	if (value < 0)
		return value;
	whole_slice(&node->slice);
	node->slice.begin[axis] = begin;
	node->slice.size[axis] = size;
	return value;
}

/*
 * Equal parts of the channels, whose length is not known here: the axis is cut in two, one part taken, and joined
 * again.
 */
static int equal_part(struct ncnn *n, int x, int parts, int part)
{
	int value = add_slice(n, ncnn_add_reshape(n, x, 5, (int32_t[]){0, 0, 0, parts, -1}), 5, 3, part, 1);

	return ncnn_add_reshape(n, value, 4, (int32_t[]){0, 0, 0, -1});
}

/* Images, where every length is said, or none. */
static bool slices_plainly(const struct ncnn *n, bool *ret_equal)
{
	int outputs = n->layer.n_outputs, rests = 0;
	int64_t channels = ncnn_in_blob(n, 0)->channels;

	if (ncnn_in_rank(n, 0) != 3 || ncnn_count(&n->layer, 2) || ncnn_count(&n->layer, 0) < outputs)
		return false;
	for (int i = 0; i < outputs; i++) {
		int size = ncnn_integer_at(&n->layer, 0, i, 0);

		rests += size == NCNN_DEFAULT;
		if (size == NCNN_DEFAULT ? i + 1 < outputs && rests <= i : size < 1 || size > NCNN_CHANNEL_MAX)
			return false;
	}
	*ret_equal = rests == outputs && outputs > 1;
	return *ret_equal ? ncnn_axis_of(3, ncnn_int(&n->layer, 1, 0), true) == 3 && channels > 0 &&
				    channels % outputs == 0
			  : rests <= 1;
}

static int slice_by_operator(struct ncnn *n)
{
	int x = ncnn_as_file(n, 0), node, r, rank = ncnn_in_rank(n, 0);

	if (n->layer.n_outputs > ENGINE_OPERATOR_IO_MAX)
		return ncnn_refuse(n, -ENOTSUP, "has too many outputs");
	node = ncnn_add_general(n, ncnn_operator("Slice"), &x, 1, ncnn_file_axes(rank), n->layer.n_outputs);
	if (node < 0)
		return node;
	r = ncnn_copy_keys(n, ncnn_attributes_of(n, node));
	for (int i = 0; i < n->layer.n_outputs && r == 0; i++)
		r = ncnn_set_output(n, i, ncnn_node_output(n, node, i), rank, false);
	return r == -ENOMEM ? ncnn_result(n, r) : r;
}

int ncnn_on_slice(struct ncnn *n)
{
	int axis = ncnn_axis_of(ncnn_in_rank(n, 0), ncnn_int(&n->layer, 1, 0), ncnn_in_rank(n, 0) == 3),
	    outputs = n->layer.n_outputs, x, r = 0;
	int64_t begin = 0;
	bool equal;

	if (!slices_plainly(n, &equal) || axis < 0)
		return slice_by_operator(n);
	x = ncnn_as_image(n, 0);
	for (int i = 0; i < outputs && r == 0; i++) {
		int size = ncnn_integer_at(&n->layer, 0, i, 0), value;
		bool rest = size == NCNN_DEFAULT;

		if (begin > INT32_MAX / 2)
			return ncnn_refuse(n, -EINVAL, "cuts beyond the end of its input");
		value = equal ? equal_part(n, x, outputs, i) : add_slice(n, x, 4, axis, (int)begin, rest ? -1 : size);
		begin += rest ? 0 : size;
		r = ncnn_set_output(n, i, value, 3, true);
		if (r == 0 && axis == 3)
			ncnn_out_blob(n, i)->channels = equal  ? ncnn_in_blob(n, 0)->channels / outputs
							: rest ? -1
							       : size;
		else if (r == 0)
			ncnn_out_blob(n, i)->channels = ncnn_in_blob(n, 0)->channels;
		if (r == 0 && axis == 3 && rest && !equal && ncnn_in_blob(n, 0)->channels > begin)
			ncnn_out_blob(n, i)->channels = ncnn_in_blob(n, 0)->channels - (int)begin;
	}
	return r;
}

/* Images with offsets and sizes by the graph's own slice. */
int ncnn_on_crop(struct ncnn *n)
{
	static const int offset_keys[] = {1, 0, 2}, size_keys[] = {4, 3, 5}, tail_keys[] = {7, 6, 8};
	bool plain = ncnn_in_rank(n, 0) == 3 && !ncnn_count(&n->layer, 9) && n->layer.n_inputs == 1;
	struct graph_node *node;
	int x, value;

	for (int i = 0; i < 3; i++)
		plain = plain && !ncnn_int(&n->layer, tail_keys[i], 0) && ncnn_int(&n->layer, offset_keys[i], 0) >= 0;
	if (!plain)
		return ncnn_become(n, "Crop", n->layer.n_inputs > 1 && !ncnn_count(&n->layer, 9) ? 2 : 1, NULL, 0,
				   ncnn_in_rank(n, 0));
	x = ncnn_as_image(n, 0);
	value = x < 0 ? x : ncnn_add_node(n, GRAPH_SLICE, &x, 1, 4, &node);
	if (value < 0)
		return ncnn_result(n, value);
	whole_slice(&node->slice);
	for (int i = 0; i < 3; i++) {
		int size = ncnn_int(&n->layer, size_keys[i], NCNN_DEFAULT);

		node->slice.begin[i + 1] = ncnn_int(&n->layer, offset_keys[i], 0);
		node->slice.size[i + 1] = size == NCNN_DEFAULT || size == 0 ? -1 : size;
	}
	return ncnn_set_image(n, value);
}

int ncnn_on_copy_to(struct ncnn *n)
{
	return ncnn_become(n, "CopyTo", 2, NULL, 0, ncnn_in_rank(n, 0));
}

/* Every output is an input: Split's the first, Noop's and its like each its own. */
int ncnn_on_same(struct ncnn *n)
{
	bool split = strcmp(n->layer.type, "Split") == 0;

	for (int i = 0; i < n->layer.n_outputs; i++) {
		struct ncnn_blob *blob = ncnn_out_blob(n, i), *from;

		if (!split && i >= n->layer.n_inputs)
			return ncnn_refuse(n, -EINVAL, "has more outputs than inputs");
		from = ncnn_in_blob(n, split ? 0 : i);
		blob->file = from->file;
		blob->image = from->image;
		blob->rank = from->rank;
		blob->channels = from->channels;
	}
	return 0;
}

int ncnn_on_padding(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int each = ncnn_int(l, 6, 0), x, value;
	struct graph_node *node;

	if (each) {
		value = ncnn_read_floats(n, each, false);
		return value < 0 ? value : ncnn_become(n, "Padding", 1, &value, 1, ncnn_in_rank(n, 0));
	}
	if (ncnn_in_rank(n, 0) != 3 || ncnn_int(l, 4, 0) != 0)
		return ncnn_become(n, "Padding", 1, NULL, 0, ncnn_in_rank(n, 0));
	x = ncnn_as_image(n, 0);
	value = x < 0 ? x : ncnn_add_node(n, GRAPH_PAD, &x, 1, 4, &node);
	if (value < 0)
		return ncnn_result(n, value);
	node->pad = (struct graph_pad){
		.before = {0, ncnn_int(l, 0, 0), ncnn_int(l, 2, 0), ncnn_int(l, 7, 0)},
		.after = {0, ncnn_int(l, 1, 0), ncnn_int(l, 3, 0), ncnn_int(l, 8, 0)},
		.value = ncnn_float(l, 5, 0.0f),
	};
	return ncnn_set_image(n, value);
}

int ncnn_on_tile(struct ncnn *n)
{
	int repeats = ncnn_count(&n->layer, 2), rank = ncnn_in_rank(n, 0);

	if (repeats > NCNN_RANK_MAX)
		return ncnn_refuse(n, -ENOTSUP, "makes a blob of more than four axes");
	return ncnn_become(n, "Tile", 1, NULL, 0, repeats > rank ? repeats : rank);
}
