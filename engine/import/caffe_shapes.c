/* caffe_shapes.c - Caffe's layers that move elements, or work along one axis. */
#include "caffe.h"

#include <errno.h>

int caffe_on_concat(struct caffe *c)
{
	int p = caffe_parameters(c, "concat_param");
	const char *inputs[CAFFE_IO_MAX];

	for (int i = 0; i < c->n_bottoms; i++)
		inputs[i] = c->bottoms[i];
	caffe_open_node(c, "Concat", inputs, c->n_bottoms, caffe_top(c));
	onnx_node_integer(&c->out, "axis", caffe_whole(c, p, "axis", caffe_whole(c, p, "concat_dim", 1)));
	onnx_close_node(&c->out);
	return 0;
}

int caffe_on_slice(struct caffe *c)
{
	int p = caffe_parameters(c, "slice_param"), n;
	int64_t axis = caffe_whole(c, p, "axis", caffe_whole(c, p, "slice_dim", 1));
	double points[CAFFE_IO_MAX];

	n = caffe_numbers(&c->text, p, "slice_point", CAFFE_IO_MAX, points);
	if (!n) {
		onnx_open_node(&c->out, c->name, "Split", NULL);
		onnx_node_input(&c->out, caffe_bottom(c));
		for (int i = 0; i < c->n_tops; i++)
			onnx_node_output(&c->out, c->tops[i]);
		onnx_node_integer(&c->out, "axis", axis);
		onnx_close_node(&c->out);
		return 0;
	}
	if (n != c->n_tops - 1)
		return caffe_refuse(c, -EINVAL, "has other points than it has parts");
	for (int i = 0; i < c->n_tops; i++) {
		int64_t from = i ? caffe_bounded(points[i - 1]) : 0, to = i < n ? caffe_bounded(points[i]) : INT32_MAX;
		char names[3][CAFFE_NAME_BYTES];
		const char *inputs[] = {caffe_bottom(c), names[0], names[1], names[2]};

		caffe_add_integers(c, 1, &from, names[0]);
		caffe_add_integers(c, 1, &to, names[1]);
		caffe_add_integers(c, 1, &axis, names[2]);
		caffe_open_node(c, "Slice", inputs, 4, c->tops[i]);
		onnx_close_node(&c->out);
	}
	return 0;
}

int caffe_on_flatten(struct caffe *c)
{
	int p = caffe_parameters(c, "flatten_param");
	const char *inputs[] = {caffe_bottom(c)};

	if (caffe_whole(c, p, "end_axis", -1) != -1 || caffe_whole(c, p, "axis", 1) != 1)
		return caffe_refuse(c, -ENOTSUP, "flattens some axes only");
	caffe_open_node(c, "Flatten", inputs, 1, caffe_top(c));
	onnx_close_node(&c->out);
	return 0;
}

int caffe_on_reshape(struct caffe *c)
{
	int p = caffe_parameters(c, "reshape_param"), n;
	double dims[ENGINE_RANK_MAX];
	int64_t wanted[ENGINE_RANK_MAX];
	char shape[CAFFE_NAME_BYTES];

	if (caffe_whole(c, p, "axis", 0) || caffe_whole(c, p, "num_axes", -1) != -1)
		return caffe_refuse(c, -ENOTSUP, "changes the shape of some axes only");
	n = caffe_numbers(&c->text, caffe_field(&c->text, p, "shape", -1), "dim", ENGINE_RANK_MAX, dims);
	for (int i = 0; i < n; i++)
		wanted[i] = dims[i] >= -1 && dims[i] <= 2147483647.0 ? (int64_t)dims[i] : -2;
	caffe_add_integers(c, n, wanted, shape);
	caffe_add_node(c, "Reshape", caffe_bottom(c), shape, caffe_top(c));
	return 0;
}

/* Axes that are not named follow in their order. */
int caffe_on_permute(struct caffe *c)
{
	double given[ENGINE_RANK_MAX];
	int64_t order[ENGINE_RANK_MAX];
	int n = caffe_numbers(&c->text, caffe_parameters(c, "permute_param"), "order", 4, given), taken = 0;
	const char *inputs[] = {caffe_bottom(c)};

	for (int i = 0; i < n; i++) {
		order[i] = given[i] >= 0 && given[i] < 4 ? (int64_t)given[i] : 0;
		taken |= 1 << order[i];
	}
	for (int axis = 0; axis < 4 && n < 4; axis++)
		if (!(taken >> axis & 1))
			order[n++] = axis;
	caffe_open_node(c, "Transpose", inputs, 1, caffe_top(c));
	onnx_node_integers(&c->out, "perm", n, order);
	onnx_close_node(&c->out);
	return 0;
}

int caffe_on_softmax(struct caffe *c)
{
	const char *inputs[] = {caffe_bottom(c)};

	caffe_open_node(c, "Softmax", inputs, 1, caffe_top(c));
	onnx_node_integer(&c->out, "axis", caffe_whole(c, caffe_parameters(c, "softmax_param"), "axis", 1));
	onnx_close_node(&c->out);
	return 0;
}

int caffe_on_argmax(struct caffe *c)
{
	int p = caffe_parameters(c, "argmax_param");
	const char *inputs[] = {caffe_bottom(c)};
	char index[CAFFE_NAME_BYTES];

	if (caffe_bool(&c->text, p, "out_max_val", false) || caffe_whole(c, p, "top_k", 1) != 1 ||
	    caffe_field(&c->text, p, "axis", -1) < 0)
		return caffe_refuse(c, -ENOTSUP, "finds more than one place, or over all axes");
	caffe_inner_name(c, index);
	caffe_open_node(c, "ArgMax", inputs, 1, index);
	onnx_node_integer(&c->out, "axis", caffe_whole(c, p, "axis", 1));
	onnx_close_node(&c->out);
	inputs[0] = index;
	caffe_open_node(c, "Cast", inputs, 1, caffe_top(c));
	onnx_node_integer(&c->out, "to", 1);
	onnx_close_node(&c->out);
	return 0;
}

/* Sides `from` and later of a tensor's shape. */
static void sides(struct caffe *c, const char *x, int64_t from, char out[CAFFE_NAME_BYTES])
{
	char shape[CAFFE_NAME_BYTES], begin[CAFFE_NAME_BYTES], end[CAFFE_NAME_BYTES];
	const char *inputs[] = {shape, begin, end};

	caffe_inner_name(c, shape);
	caffe_add_node(c, "Shape", x, NULL, shape);
	caffe_add_integers(c, 1, &from, begin);
	caffe_add_integers(c, 1, (int64_t[]){INT32_MAX}, end);
	caffe_inner_name(c, out);
	caffe_open_node(c, "Slice", inputs, 3, out);
	onnx_close_node(&c->out);
}

void caffe_join(struct caffe *c, const char *a, const char *b, char out[CAFFE_NAME_BYTES])
{
	const char *inputs[] = {a, b};

	caffe_inner_name(c, out);
	caffe_open_node(c, "Concat", inputs, 2, out);
	onnx_node_integer(&c->out, "axis", 0);
	onnx_close_node(&c->out);
}

int caffe_on_shuffle(struct caffe *c)
{
	int64_t groups = caffe_whole(c, caffe_parameters(c, "shuffle_channel_param"), "group", 1);
	char hw[CAFFE_NAME_BYTES], head[CAFFE_NAME_BYTES], split[CAFFE_NAME_BYTES], parts[CAFFE_NAME_BYTES],
		turned[CAFFE_NAME_BYTES], back[CAFFE_NAME_BYTES];
	const char *inputs[] = {parts};

	sides(c, caffe_bottom(c), 2, hw);
	caffe_add_integers(c, 3, (int64_t[]){0, groups, -1}, head);
	caffe_join(c, head, hw, split);
	caffe_inner_name(c, parts);
	caffe_add_node(c, "Reshape", caffe_bottom(c), split, parts);
	caffe_inner_name(c, turned);
	caffe_open_node(c, "Transpose", inputs, 1, turned);
	onnx_node_integers(&c->out, "perm", 5, (int64_t[]){0, 2, 1, 3, 4});
	onnx_close_node(&c->out);
	caffe_add_integers(c, 2, (int64_t[]){0, -1}, head);
	caffe_join(c, head, hw, back);
	caffe_add_node(c, "Reshape", turned, back, caffe_top(c));
	return 0;
}

/* To the size of the second input on all axes from `axis` on. */
int caffe_on_crop(struct caffe *c)
{
	int p = caffe_parameters(c, "crop_param"), n;
	int64_t axis = caffe_whole(c, p, "axis", 2), from[4], axes[4];
	double offsets[4] = {0};
	char like[CAFFE_NAME_BYTES], begin[CAFFE_NAME_BYTES], end[CAFFE_NAME_BYTES], which[CAFFE_NAME_BYTES];
	const char *inputs[] = {caffe_bottom(c), begin, end, which};

	n = caffe_numbers(&c->text, p, "offset", 4, offsets);
	if (c->n_bottoms != 2 || axis < 0 || axis > 3 || (n > 1 && n != 4 - axis))
		return caffe_refuse(c, -EINVAL, "has no second input, or other offsets than axes");
	for (int64_t i = axis; i < 4; i++) {
		axes[i - axis] = i;
		from[i - axis] = caffe_bounded(offsets[n > 1 ? i - axis : 0]);
	}
	sides(c, c->bottoms[1], axis, like);
	caffe_add_integers(c, (int)(4 - axis), from, begin);
	caffe_add_integers(c, (int)(4 - axis), axes, which);
	caffe_inner_name(c, end);
	caffe_add_node(c, "Add", like, begin, end);
	caffe_open_node(c, "Slice", inputs, 4, caffe_top(c));
	onnx_close_node(&c->out);
	return 0;
}
