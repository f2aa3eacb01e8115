/* onnx_axes.c - ONNX operators that move, join, cut and reduce along axes, as the graph's own. */
#include "onnx.h"

#include <errno.h>
#include <string.h>

int onnx_on_concat(struct onnx *o)
{
	int values[ONNX_IO_MAX], rank, axis, value;
	struct graph_shape shape;
	struct graph_node *node = NULL;
	bool image = false;

	if (!onnx_input_of(o, 0) || !onnx_file_shape(o, onnx_input_of(o, 0), &shape))
		return onnx_refuse(o, -EINVAL, "joins nothing");
	rank = shape.rank;
	for (int i = 0; i < o->n_inputs; i++)
		image |= rank == 4 && onnx_input_of(o, i) && onnx_input_of(o, i)->image >= 0;
	axis = onnx_axis_of(onnx_integer_of(o, "axis", 1), rank, image);
	if (axis < 0)
		return onnx_refuse(o, -EINVAL, "has no such axis");
	for (int i = 0; i < o->n_inputs; i++) {
		values[i] = image ? onnx_as_image(o, onnx_input_of(o, i)) : onnx_as_file(o, onnx_input_of(o, i));
		if (values[i] < 0)
			return values[i];
	}
	value = onnx_begin_node(o, GRAPH_CONCAT, values, o->n_inputs, &node);
	if (value >= 0)
		node->axis.axis = axis;
	return onnx_set_output(o, 0, onnx_finish_node(o, value), image);
}

/* Up to opset 12 all axes from the given one on are one. */
int onnx_on_softmax(struct onnx *o)
{
	struct graph_shape shape;
	struct graph_node *node;
	bool image, one = true;
	int x = onnx_as_any(o, onnx_input_of(o, 0), &image), axis, value;
	int64_t given = onnx_integer_of(o, "axis", o->opset < 13 ? 1 : -1);

	if (x < 0 || !onnx_file_shape(o, onnx_input_of(o, 0), &shape))
		return x;
	axis = onnx_axis_of(given, shape.rank, false);
	if (axis < 0)
		return onnx_refuse(o, -EINVAL, "has no such axis");
	for (int i = axis + 1; i < shape.rank; i++)
		one &= shape.dims[i] == 1;
	if (o->opset < 13 && !one)
		return onnx_refuse(o, -ENOTSUP, "takes several axes as one");
	value = onnx_begin_node(o, GRAPH_SOFTMAX, &x, 1, &node);
	if (value >= 0) {
		node->axis.axis = onnx_axis_of(given, shape.rank, image);
		node->axis.beta = 1.0f;
	}
	return onnx_set_output(o, 0, onnx_finish_node(o, value), image);
}

static int add_slice(struct onnx *o, int x, const struct graph_slice *slice)
{
	struct graph_node *node;
	int value = onnx_begin_node(o, GRAPH_SLICE, &x, 1, &node);

	if (value >= 0)
		node->slice = *slice;
	return onnx_finish_node(o, value);
}

static struct graph_slice whole(void)
{
	struct graph_slice slice = {.begin = {0}};

	for (int i = 0; i < ENGINE_RANK_MAX; i++) {
		slice.size[i] = -1;
		slice.step[i] = 1;
	}
	return slice;
}

int onnx_on_split(struct onnx *o)
{
	struct graph_slice slice = whole();
	int64_t sizes[ONNX_IO_MAX] = {0}, at = 0;
	struct graph_shape shape;
	bool image;
	int x = onnx_as_any(o, onnx_input_of(o, 0), &image), axis, n, r = 0;

	if (x < 0 || !onnx_file_shape(o, onnx_input_of(o, 0), &shape))
		return x;
	axis = onnx_axis_of(onnx_integer_of(o, "axis", 0), shape.rank, image);
	if (axis < 0)
		return onnx_refuse(o, -EINVAL, "has no such axis");
	n = onnx_list_of(o, "split", 1, ONNX_IO_MAX, sizes);
	if (n < 0)
		return n;
	for (int i = 0; n == 0 && i < o->n_outputs; i++) {
		int64_t each = (o->shapes[x].dims[axis] + o->n_outputs - 1) / o->n_outputs;

		sizes[i] = each * (i + 1) <= o->shapes[x].dims[axis] ? each : o->shapes[x].dims[axis] - each * i;
	}
	for (int i = 0; i < o->n_outputs && r == 0; i++) {
		if ((n && i >= n) || sizes[i] < 1 || at + sizes[i] > o->shapes[x].dims[axis])
			return onnx_refuse(o, -EINVAL, "splits into impossible parts");
		slice.begin[axis] = (int32_t)at;
		slice.size[axis] = (int32_t)sizes[i];
		at += sizes[i];
		r = onnx_set_output(o, i, add_slice(o, x, &slice), image);
	}
	return r;
}

/* Bounds as ONNX has them, clamped to the axis, as first element and count. */
static int set_range(struct graph_slice *slice, int axis, int64_t side, int64_t from, int64_t to, int64_t step)
{
	int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? side : side - 1, count;

	from = from < 0 ? from + side : from;
	to = to < 0 ? to + side : to;
	from = from < 0 ? 0 : from > highest ? highest : from;
	to = to < lowest ? lowest : to > side ? side : to;
	count = step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
	if (count < 1)
		return -EINVAL;
	slice->begin[axis] = (int32_t)from;
	slice->size[axis] = (int32_t)count;
	slice->step[axis] = (int32_t)step;
	return 0;
}

int onnx_on_slice(struct onnx *o)
{
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], axes[ENGINE_RANK_MAX], steps[ENGINE_RANK_MAX];
	struct graph_slice slice = whole();
	struct graph_shape shape;
	bool image;
	int x, n, n_to, n_axes, n_steps;

	x = onnx_as_any(o, onnx_input_of(o, 0), &image);
	if (x < 0 || !onnx_file_shape(o, onnx_input_of(o, 0), &shape))
		return x;
	n = onnx_list_of(o, "starts", 1, ENGINE_RANK_MAX, from);
	n_to = onnx_list_of(o, "ends", 2, ENGINE_RANK_MAX, to);
	n_axes = onnx_list_of(o, "axes", 3, ENGINE_RANK_MAX, axes);
	n_steps = onnx_list_of(o, "steps", 4, ENGINE_RANK_MAX, steps);
	if (n < 1 || n_to != n || (n_axes && n_axes != n) || (n_steps && n_steps != n))
		return n < 0 || n_to < 0 || n_axes < 0 || n_steps < 0
			       ? -ENOTSUP
			       : onnx_refuse(o, -EINVAL, "has lists of different length");
	for (int i = 0; i < n; i++) {
		int axis = onnx_axis_of(n_axes ? axes[i] : i, shape.rank, image);
		int64_t step = n_steps ? steps[i] : 1;

		if (axis < 0 || step == 0 || step > GRAPH_WINDOW_MAX || step < -GRAPH_WINDOW_MAX ||
		    set_range(&slice, axis, o->shapes[x].dims[axis], from[i], to[i], step) < 0)
			return onnx_refuse(o, -EINVAL, "takes an impossible part");
	}
	return onnx_set_output(o, 0, add_slice(o, x, &slice), image);
}

int onnx_on_pad(struct onnx *o)
{
	int64_t pads[2 * ENGINE_RANK_MAX];
	struct graph_pad pad = {.value = onnx_number_of(o, "value", 0.0f)};
	struct graph_shape shape;
	struct graph_node *node;
	bool image;
	int x = onnx_as_any(o, onnx_input_of(o, 0), &image), n, value, r;

	if (x < 0 || !onnx_file_shape(o, onnx_input_of(o, 0), &shape))
		return x;
	n = onnx_list_of(o, "pads", 1, 2 * ENGINE_RANK_MAX, pads);
	r = n < 0 ? n : onnx_read_bound(o, 2, "value", 0.0f, &pad.value);
	if (r < 0)
		return r;
	if (!onnx_text_is(o, "mode", "constant", true) || n != 2 * shape.rank || onnx_has_input(o, 3))
		return onnx_refuse(o, -ENOTSUP, "pads with something else than a constant, or some axes only");
	for (int i = 0; i < shape.rank; i++) {
		int axis = onnx_axis_of(i, shape.rank, image);

		if (pads[i] < 0 || pads[i] > GRAPH_WINDOW_MAX || pads[shape.rank + i] < 0 ||
		    pads[shape.rank + i] > GRAPH_WINDOW_MAX)
			return onnx_refuse(o, -ENOTSUP, "cuts instead of padding, or pads too much");
		pad.before[axis] = (int32_t)pads[i];
		pad.after[axis] = (int32_t)pads[shape.rank + i];
	}
	value = onnx_begin_node(o, GRAPH_PAD, &x, 1, &node);
	if (value >= 0)
		node->pad = pad;
	return onnx_set_output(o, 0, onnx_finish_node(o, value), image);
}

/* Whether a reshape to dims, of which one may be open and the first be kept, gives that shape. */
static bool asks_for(int n, const int32_t *dims, const int32_t *shape)
{
	int open = 0;

	for (int i = 0; i < n; i++) {
		open += dims[i] == -1;
		if (dims[i] != shape[i] && dims[i] != -1 && (dims[i] || i))
			return false;
	}
	return open <= 1;
}

/*
 * Channels are shuffled by a reshape of the image to five axes, a transpose and a reshape back.  In the order of the
 * file that is three walks through memory, as an image one: such tensors have it beside the order of the file, and what
 * is not read in the end is dropped.
 */
static int group_channels(struct onnx *o, int n, const int32_t *dims)
{
	const struct tensor *t = onnx_input_of(o, 0);
	const int32_t *image;
	int32_t groups;
	int value;

	if (n != 5 || t->is_constant || t->image < 0 || dims[1] < 1)
		return 0;
	groups = dims[1];
	image = o->shapes[t->image].dims;
	if (image[3] % groups ||
	    !asks_for(n, dims, (int32_t[]){image[0], groups, image[3] / groups, image[1], image[2]}))
		return 0;
	value = onnx_add_reshape(o, t->image, n, (int32_t[]){image[0], image[1], image[2], groups, image[3] / groups});
	o->tensors[o->outputs[0]].grouped = value;
	return value < 0 ? value : 0;
}

/* The image that a reshape makes of grouped channels; -ENOTSUP where it does something else. */
static int join_channels(struct onnx *o, int n, const int32_t *dims)
{
	const struct tensor *t = onnx_input_of(o, 0);
	const int32_t *shape;
	int32_t channels;

	if (n != 4 || !t || t->grouped < 0)
		return -ENOTSUP;
	shape = o->shapes[t->grouped].dims;
	channels = shape[3] * shape[4];
	if (!asks_for(n, dims, (int32_t[]){shape[0], channels, shape[1], shape[2]}))
		return -ENOTSUP;
	return onnx_add_reshape(o, t->grouped, n, (int32_t[]){shape[0], shape[1], shape[2], channels});
}

int onnx_on_reshape(struct onnx *o)
{
	int64_t wanted[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	int x, r, n = onnx_list_of(o, "shape", 1, ENGINE_RANK_MAX, wanted);

	if (n < 0)
		return n;
	if (onnx_integer_of(o, "allowzero", 0))
		return onnx_refuse(o, -ENOTSUP, "makes an empty tensor");
	for (int i = 0; i < n; i++) {
		if (wanted[i] < -1 || wanted[i] > INT32_MAX)
			return onnx_refuse(o, -EINVAL, "wants an impossible shape");
		dims[i] = (int32_t)wanted[i];
	}
	x = join_channels(o, n, dims);
	if (x != -ENOTSUP)
		return onnx_set_output(o, 0, x, true);
	x = onnx_as_file(o, onnx_input_of(o, 0));
	if (x < 0)
		return x;
	r = onnx_set_output(o, 0, onnx_add_reshape(o, x, n, dims), false);
	return r < 0 ? r : group_channels(o, n, dims);
}

int onnx_on_flatten(struct onnx *o)
{
	struct graph_shape shape;
	int64_t axis = onnx_integer_of(o, "axis", 1), rows = 1;
	int x = onnx_as_file(o, onnx_input_of(o, 0));

	if (x < 0)
		return x;
	shape = o->shapes[x];
	axis = axis < 0 ? axis + shape.rank : axis;
	if (axis < 0 || axis > shape.rank)
		return onnx_refuse(o, -EINVAL, "has no such axis");
	for (int i = 0; i < axis; i++)
		rows *= shape.dims[i];
	return onnx_set_output(o, 0, onnx_add_reshape(o, x, 2, (int32_t[]){(int32_t)rows, -1}), false);
}

/* Takes axes of one out, or puts some in. */
int onnx_on_squeeze(struct onnx *o)
{
	int64_t axes[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	struct tensor *t = onnx_input_of(o, 0);
	int n = onnx_list_of(o, "axes", 1, ENGINE_RANK_MAX, axes), rank = 0, x;

	if (n < 0)
		return n;
	x = onnx_as_file(o, t);
	if (x < 0)
		return x;
	for (int i = 0; i < o->shapes[x].rank; i++) {
		bool gone = !n && o->shapes[x].dims[i] == 1;

		for (int k = 0; k < n; k++)
			gone |= onnx_axis_of(axes[k], o->shapes[x].rank, false) == i;
		if (gone && o->shapes[x].dims[i] != 1)
			return onnx_refuse(o, -EINVAL, "takes out an axis that is longer than one");
		if (!gone)
			dims[rank++] = o->shapes[x].dims[i];
	}
	return onnx_set_output(o, 0, onnx_add_reshape(o, x, rank, dims), false);
}

int onnx_on_unsqueeze(struct onnx *o)
{
	int64_t axes[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	struct tensor *t = onnx_input_of(o, 0);
	int n = onnx_list_of(o, "axes", 1, ENGINE_RANK_MAX, axes), rank, from = 0, x;

	if (n < 0)
		return n;
	x = onnx_as_file(o, t);
	if (x < 0)
		return x;
	rank = o->shapes[x].rank + n;
	if (rank > ENGINE_RANK_MAX)
		return onnx_refuse(o, -ENOTSUP, "makes too many axes");
	for (int i = 0; i < rank; i++) {
		bool added = false;

		for (int k = 0; k < n; k++)
			added |= onnx_axis_of(axes[k], rank, false) == i;
		if (!added && from == o->shapes[x].rank)
			return onnx_refuse(o, -EINVAL, "names an axis twice or one that cannot be");
		dims[i] = added ? 1 : o->shapes[x].dims[from++];
	}
	return onnx_set_output(o, 0, onnx_add_reshape(o, x, rank, dims), false);
}

/* An image with its channels put last is there already, and so is one that has them put first. */
static int on_transposed_image(struct onnx *o, int n, const int64_t *order)
{
	const struct tensor *t = onnx_input_of(o, 0);
	bool last = n == 4 && order[0] == 0 && order[1] == 2 && order[2] == 3 && order[3] == 1;
	bool first = n == 4 && order[0] == 0 && order[1] == 3 && order[2] == 1 && order[3] == 2;
	struct graph_node *node;
	int x = !t ? -1 : last ? t->image : first && t->image < 0 ? t->file : -1, value;

	if (x < 0 || t->is_constant || o->shapes[x].rank != 4 || o->graph->values[x].type != ENGINE_F32)
		return -ENOTSUP;
	value = onnx_begin_node(o, GRAPH_IDENTITY, &x, 1, &node);
	return onnx_set_output(o, 0, onnx_finish_node(o, value), first);
}

static int add_transpose(struct onnx *o, int x, int rank, const int64_t *order)
{
	struct graph_node *node;
	int value = onnx_begin_node(o, GRAPH_TRANSPOSE, &x, 1, &node);

	if (value >= 0) {
		node->shape.rank = rank;
		for (int i = 0; i < rank; i++)
			node->shape.dims[i] = order ? (int32_t)order[i] : rank - 1 - i;
	}
	return onnx_finish_node(o, value);
}

/* See group_channels(). */
static int swap_groups(struct onnx *o, int n, const int64_t *order)
{
	const struct tensor *t = onnx_input_of(o, 0);
	int value;

	if (n != 5 || t->grouped < 0 || memcmp(order, (int64_t[]){0, 2, 1, 3, 4}, 5 * sizeof(*order)) != 0)
		return 0;
	value = add_transpose(o, t->grouped, n, (int64_t[]){0, 1, 2, 4, 3});
	o->tensors[o->outputs[0]].grouped = value;
	return value < 0 ? value : 0;
}

int onnx_on_transpose(struct onnx *o)
{
	int64_t order[ENGINE_RANK_MAX];
	int n = onnx_integers_of(o, "perm", ENGINE_RANK_MAX, order), x = on_transposed_image(o, n, order), rank, r;

	if (x != -ENOTSUP)
		return x;
	x = onnx_as_file(o, onnx_input_of(o, 0));
	if (x < 0)
		return x;
	rank = o->shapes[x].rank;
	if (n && n != rank)
		return onnx_refuse(o, -EINVAL, "orders other axes than there are");
	r = onnx_set_output(o, 0, add_transpose(o, x, rank, n ? order : NULL), false);
	return r < 0 ? r : swap_groups(o, n, order);
}

int onnx_on_reduce_mean(struct onnx *o)
{
	struct graph_reduce reduce = {.keep_dims = onnx_integer_of(o, "keepdims", 1) != 0};
	int64_t axes[ENGINE_RANK_MAX];
	struct graph_shape shape;
	struct graph_node *node;
	bool image, pixels = true;
	int x = onnx_as_any(o, onnx_input_of(o, 0), &image), n, value;

	if (x < 0 || !onnx_file_shape(o, onnx_input_of(o, 0), &shape))
		return x;
	n = onnx_list_of(o, "axes", 1, ENGINE_RANK_MAX, axes);
	if (n < 0)
		return n;
	for (int i = 0; !n && i < shape.rank; i++)
		axes[i] = i;
	reduce.n_axes = n ? n : shape.rank;
	for (int i = 0; i < reduce.n_axes; i++) {
		reduce.axes[i] = onnx_axis_of(axes[i], shape.rank, image);
		pixels &= reduce.axes[i] == 1 || reduce.axes[i] == 2;
	}
	/* What is left of an image is in the order of the file only where height and width are gone together. */
	if (image && !reduce.keep_dims && !(pixels && reduce.n_axes == 2)) {
		x = onnx_as_file(o, onnx_input_of(o, 0));
		image = false;
		for (int i = 0; x >= 0 && i < reduce.n_axes; i++)
			reduce.axes[i] = onnx_axis_of(n ? axes[i] : i, shape.rank, false);
	}
	if (x < 0)
		return x;
	value = onnx_begin_node(o, GRAPH_MEAN, &x, 1, &node);
	if (value >= 0)
		node->reduce = reduce;
	return onnx_set_output(o, 0, onnx_finish_node(o, value), image && reduce.keep_dims);
}

/* The same tensor under another name; types of numbers are not told apart where they are known. */
int onnx_on_identity(struct onnx *o)
{
	struct tensor *to, *from = onnx_input_of(o, 0);
	struct protobuf_bytes name;

	if (!from || o->n_outputs < 1 || o->outputs[0] < 0)
		return onnx_refuse(o, -EINVAL, "lacks its input or output");
	to = &o->tensors[o->outputs[0]];
	name = to->name;
	*to = *from;
	to->name = name;
	return 0;
}

/* All real numbers are float32 here. */
int onnx_on_cast(struct onnx *o)
{
	if (!onnx_input_of(o, 0) || !onnx_tensor_is_real(o, onnx_input_of(o, 0)) ||
	    !onnx_is_real(onnx_integer_of(o, "to", 0)))
		return onnx_refuse(o, -ENOTSUP, "changes the type of its input");
	return onnx_on_identity(o);
}

int onnx_on_dropout(struct onnx *o)
{
	if (o->n_outputs > 1 || onnx_has_input(o, 2))
		return onnx_refuse(o, -ENOTSUP, "is for training, or tells its mask");
	return onnx_on_identity(o);
}
