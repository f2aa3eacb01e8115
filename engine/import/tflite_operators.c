/* tflite_operators.c - TFLite's operators that become the graph's own.  See tflite.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "tflite.h"

static int fuse(struct tflite *t, int field, struct graph_node *node)
{
	switch (flatbuffer_i8(&t->fb, t->options, field, 0)) {
	case 0:
		return 0;
	case 1:
		node->act.kind = GRAPH_ACT_RELU;
		return 0;
	case 2:
		node->act = (struct graph_act){GRAPH_ACT_CLIP, -1.0f, 1.0f};
		return 0;
	case 3:
		node->act = (struct graph_act){GRAPH_ACT_CLIP, 0.0f, 6.0f};
		return 0;
	case 4:
		node->act.kind = GRAPH_ACT_TANH;
		return 0;
	default:
		return tflite_refuse(t, -ENOTSUP, "has an unknown fused activation");
	}
}

static int to_int(int64_t value)
{
	return value < -1 || value > GRAPH_WINDOW_MAX ? -1 : (int)value;
}

/* Padding and strides lie alike in the options of convolutions and pools. */
static void read_window(struct tflite *t, struct graph_window *w)
{
	w->pad_mode = flatbuffer_i8(&t->fb, t->options, 0, 0) == 0 ? GRAPH_PAD_SAME_UPPER : GRAPH_PAD_VALID;
	w->stride_w = to_int(flatbuffer_i32(&t->fb, t->options, 1, 0));
	w->stride_h = to_int(flatbuffer_i32(&t->fb, t->options, 2, 0));
	w->dilation_w = w->dilation_h = 1;
}

/* ---- operators --------------------------------------------------------------------------------- */

/* Two numbers at least 0 each, of a constant input with n of them in all. */
static int block_ints(struct tflite *t, int i, int n, int32_t least, int32_t *ret)
{
	int count = tflite_integers(t, i, n, ret);

	for (int k = 0; k < count; k++)
		if (ret[k] < least || ret[k] > GRAPH_WINDOW_MAX)
			return tflite_refuse(t, -EINVAL, "has an impossible block or padding");
	return count == n ? 0 : tflite_refuse(t, -ENOTSUP, "cuts other axes than height and width, or is not constant");
}

static int on_space_to_batch(struct tflite *t)
{
	struct tflite_tensor *out = &t->tensors[t->outputs[0]];
	int32_t block[2], pads[4];
	int r = block_ints(t, 1, 2, 1, block);

	if (r == 0)
		r = block_ints(t, 2, 4, 0, pads);
	if (r < 0)
		return r;
	if (tflite_input(t, 0)->rank != 4 || tflite_value(t, 0) < 0)
		return tflite_refuse(t, -ENOTSUP, "cuts what is no image");
	out->value = tflite_value(t, 0);
	out->blocks = (struct tflite_blocks){block[0], block[1], pads[0], pads[1], pads[2], pads[3], -1};
	return 0;
}

/* What joining takes off the edges was padded for the parts to be of one size. */
static int on_batch_to_space(struct tflite *t)
{
	const struct tflite_tensor *in = tflite_input(t, 0);
	int32_t block[2], crops[4];
	struct graph_window *window;
	int r = block_ints(t, 1, 2, 1, block);

	if (r == 0)
		r = block_ints(t, 2, 4, 0, crops);
	if (r < 0)
		return r;
	if (!in->blocks.h || in->blocks.conv < 0 || block[0] != in->blocks.h || block[1] != in->blocks.w)
		return tflite_refuse(t, -ENOTSUP, "joins what was not cut for a convolution");
	window = &t->graph->nodes[in->blocks.conv].conv.window;
	if (crops[0] > window->top || crops[1] > window->bottom || crops[2] > window->left || crops[3] > window->right)
		return tflite_refuse(t, -ENOTSUP, "takes off more than was padded");
	window->top -= crops[0];
	window->bottom -= crops[1];
	window->left -= crops[2];
	window->right -= crops[3];
	t->tensors[t->outputs[0]].value = in->value;
	return 0;
}

/* Gives the convolution that was just added the dilation of the blocks it reads. */
static int dilate_by_blocks(struct tflite *t, struct graph_window *window)
{
	const struct tflite_blocks *blocks = &tflite_input(t, 0)->blocks;
	struct tflite_tensor *out = &t->tensors[t->outputs[0]];

	if (!blocks->h)
		return 0;
	if (blocks->conv >= 0 || window->pad_mode != GRAPH_PAD_VALID || window->stride_h != 1 ||
	    window->stride_w != 1 || window->dilation_h != 1 || window->dilation_w != 1)
		return tflite_refuse(t, -ENOTSUP, "does more with the parts of an image than one dense convolution");
	window->dilation_h = blocks->h;
	window->dilation_w = blocks->w;
	window->pad_mode = GRAPH_PAD_EXPLICIT;
	window->top = blocks->top;
	window->bottom = blocks->bottom;
	window->left = blocks->left;
	window->right = blocks->right;
	out->blocks = *blocks;
	out->blocks.conv = t->graph->n_nodes - 1;
	return 0;
}

static int on_conv(struct tflite *t)
{
	const struct tflite_tensor *w = tflite_has_input(t, 1) ? tflite_input(t, 1) : NULL;
	int inputs[3] = {tflite_value(t, 0), tflite_weights(t, 1), tflite_weights(t, 2)}, r;
	struct graph_node *node = NULL;

	if (!w || w->rank != 4 || w->dims[3] < 1)
		return tflite_refuse(t, -EINVAL, "has no weights of four axes");
	r = tflite_add_node(t, GRAPH_CONV, inputs, inputs[2] < 0 ? 2 : 3, tflite_output(t, 0), &node);
	if (r < 0)
		return r;
	read_window(t, &node->conv.window);
	node->conv.window.kernel_h = w->dims[1];
	node->conv.window.kernel_w = w->dims[2];
	node->conv.window.dilation_w = to_int(flatbuffer_i32(&t->fb, t->options, 4, 1));
	node->conv.window.dilation_h = to_int(flatbuffer_i32(&t->fb, t->options, 5, 1));
	/* Fewer weights than channels: grouped. */
	node->conv.groups = tflite_input(t, 0)->rank == 4 && tflite_input(t, 0)->dims[3] > 0 &&
					    tflite_input(t, 0)->dims[3] % w->dims[3] == 0
				    ? tflite_input(t, 0)->dims[3] / w->dims[3]
				    : 1;
	r = dilate_by_blocks(t, &node->conv.window);
	return r < 0 ? r : fuse(t, 3, node);
}

/*
 * Weights [1][KH][KW][O] of a constant as [O][KH][KW][1], made once for each tensor; the value or an error.  The
 * constant fills the tensor's shape.
 */
static int depthwise_weights(struct tflite *t, struct tflite_tensor *tensor, int constant)
{
	const struct graph_value *from = &t->graph->values[constant];
	size_t size = engine_type_size(from->type), channels = (size_t)tensor->dims[3];
	size_t taps = (size_t)tensor->dims[1] * (size_t)tensor->dims[2];
	int32_t dims[] = {tensor->dims[3], tensor->dims[1], tensor->dims[2], 1};
	int value, r = 0;
	uint8_t *data;

	if (tensor->depthwise >= 0)
		return tensor->depthwise;
	if (from->data_bytes != channels * taps * size)
		return -EINVAL;
	value = graph_add_value(t->graph, from->name, from->name ? strlen(from->name) : 0, from->type, 4, dims);
	if (value < 0)
		return value;
	data = graph_alloc_data(t->graph, value, channels * taps * size);
	if (!data)
		return -ENOMEM;
	r = tflite_make_room(t);
	if (r < 0)
		return r;
	tflite_set_shape(t, value, 4, dims);
	from = &t->graph->values[constant];
	for (size_t k = 0; k < taps; k++)
		for (size_t c = 0; c < channels; c++)
			memcpy(data + (c * taps + k) * size, (const uint8_t *)from->data + (k * channels + c) * size,
			       size);
	if (from->quant.n_scales) {
		int64_t *zeros = malloc((size_t)from->quant.n_scales * sizeof(*zeros));

		for (int i = 0; zeros && i < from->quant.n_scales; i++)
			zeros[i] = from->quant.zero_points[i];
		r = zeros ? graph_set_quant(t->graph, value, from->quant.n_scales, from->quant.scales, zeros, 0)
			  : -ENOMEM;
		free(zeros);
	}
	if (r == 0)
		tensor->depthwise = value;
	return r < 0 ? r : value;
}

static int on_depthwise(struct tflite *t)
{
	struct tflite_tensor *w = tflite_has_input(t, 1) ? &t->tensors[t->inputs[1]] : NULL;
	int64_t multiplier = flatbuffer_i32(&t->fb, t->options, 3, 1);
	int inputs[3] = {tflite_value(t, 0), tflite_weights(t, 1), tflite_weights(t, 2)}, r;
	struct graph_node *node = NULL;

	if (!w || w->rank != 4 || w->dims[0] != 1 || w->dims[3] < 1 || w->dims[1] < 1 || w->dims[2] < 1)
		return tflite_refuse(t, -EINVAL, "has no weights of 1 x height x width x channels");
	if (!t->graph->values[inputs[1]].data)
		return tflite_refuse(t, -ENOTSUP, "has weights that are not constant");
	inputs[1] = depthwise_weights(t, w, inputs[1]);
	if (inputs[1] < 0)
		return tflite_result(t, inputs[1]);
	r = tflite_add_node(t, GRAPH_CONV, inputs, inputs[2] < 0 ? 2 : 3, tflite_output(t, 0), &node);
	if (r < 0)
		return r;
	if (multiplier < 1 || w->dims[3] % multiplier)
		return tflite_refuse(t, -EINVAL, "has an impossible multiplier");
	read_window(t, &node->conv.window);
	node->conv.window.kernel_h = w->dims[1];
	node->conv.window.kernel_w = w->dims[2];
	node->conv.window.dilation_w = to_int(flatbuffer_i32(&t->fb, t->options, 5, 1));
	node->conv.window.dilation_h = to_int(flatbuffer_i32(&t->fb, t->options, 6, 1));
	node->conv.groups = (int)(w->dims[3] / multiplier);
	r = dilate_by_blocks(t, &node->conv.window);
	return r < 0 ? r : fuse(t, 4, node);
}

static int on_fully_connected(struct tflite *t)
{
	int inputs[3] = {tflite_value(t, 0), tflite_weights(t, 1), tflite_weights(t, 2)}, r;
	struct graph_node *node = NULL;

	if (flatbuffer_i8(&t->fb, t->options, 1, 0) != 0)
		return tflite_refuse(t, -ENOTSUP, "has shuffled weights");
	r = tflite_add_node(t, GRAPH_FC, inputs, inputs[2] < 0 ? 2 : 3, tflite_output(t, 0), &node);
	if (r < 0)
		return r;
	node->fc.flatten = !flatbuffer_u8(&t->fb, t->options, 2, 0);
	return fuse(t, 0, node);
}

static int on_pool(struct tflite *t)
{
	int x = tflite_value(t, 0), r;
	struct graph_node *node = NULL;

	r = tflite_add_node(t, t->code == 1 ? GRAPH_AVGPOOL : GRAPH_MAXPOOL, &x, 1, tflite_output(t, 0), &node);
	if (r < 0)
		return r;
	read_window(t, &node->pool.window);
	node->pool.window.kernel_w = to_int(flatbuffer_i32(&t->fb, t->options, 3, 0));
	node->pool.window.kernel_h = to_int(flatbuffer_i32(&t->fb, t->options, 4, 0));
	return fuse(t, 5, node);
}

static int on_binary(struct tflite *t)
{
	int inputs[2] = {tflite_value(t, 0), tflite_value(t, 1)}, r;
	enum graph_op op = t->code == 0	   ? GRAPH_ADD
			   : t->code == 41 ? GRAPH_SUB
			   : t->code == 18 ? GRAPH_MUL
			   : t->code == 42 ? GRAPH_DIV
			   : t->code == 57 ? GRAPH_MIN
					   : GRAPH_MAX;
	struct graph_node *node = NULL;

	r = tflite_add_node(t, op, inputs, 2, tflite_output(t, 0), &node);
	return r < 0 || op == GRAPH_MIN || op == GRAPH_MAX ? r : fuse(t, 0, node);
}

static int on_unary(struct tflite *t)
{
	static const struct {
		int code;
		struct graph_act act;
	} functions[] = {
		{14, {GRAPH_ACT_SIGMOID, 0, 0}},
		{19, {GRAPH_ACT_RELU, 0, 0}},
		{20, {GRAPH_ACT_CLIP, -1.0f, 1.0f}},
		{21, {GRAPH_ACT_CLIP, 0.0f, 6.0f}},
		{28, {GRAPH_ACT_TANH, 0, 0}},
		{47, {GRAPH_ACT_EXP, 0, 0}},
		{59, {GRAPH_ACT_NEG, 0, 0}},
		{73, {GRAPH_ACT_LOG, 0, 0}},
		{75, {GRAPH_ACT_SQRT, 0, 0}},
		{76, {GRAPH_ACT_RSQRT, 0, 0}},
		{92, {GRAPH_ACT_SQUARE, 0, 0}},
		{98, {GRAPH_ACT_LEAKY, 0, 0}},
		{101, {GRAPH_ACT_ABS, 0, 0}},
		{111, {GRAPH_ACT_ELU, 1.0f, 0}},
		{117, {GRAPH_ACT_HARDSWISH, 1.0f / 6.0f, 0.5f}},
		{150, {GRAPH_ACT_GELU, 0, 0}},
	};
	int x = tflite_value(t, 0), i = 0, r;
	struct graph_node *node = NULL;

	r = tflite_add_node(t, GRAPH_UNARY, &x, 1, tflite_output(t, 0), &node);
	if (r < 0)
		return r;
	while (functions[i].code != t->code)
		i++;
	node->unary = functions[i].act;
	if (node->unary.kind == GRAPH_ACT_LEAKY)
		node->unary.a = flatbuffer_f32(&t->fb, t->options, 0, 0.0f);
	return 0;
}

static int on_prelu(struct tflite *t)
{
	int inputs[2] = {tflite_value(t, 0), tflite_value(t, 1)};
	struct graph_node *node = NULL;

	return tflite_add_node(t, GRAPH_PRELU, inputs, 2, tflite_output(t, 0), &node);
}

static bool is_real(enum engine_type type, int n_scales)
{
	return type == ENGINE_F32 || type == ENGINE_F16 || n_scales > 0;
}

/* Of constants the narrow ones are kept, which convolutions read as they are; who needs them wide makes a copy. */
static int on_cast(struct tflite *t)
{
	int x = tflite_value(t, 0);
	const struct graph_value *value = x < 0 ? NULL : &t->graph->values[x];
	struct tflite_tensor *out = &t->tensors[t->outputs[0]];
	struct graph_node *node = NULL;
	int r;

	if (value && value->data && out->type == ENGINE_F32 && (value->type == ENGINE_F16 || value->quant.n_scales)) {
		out->narrow = x;
		out->value = -1;
		return 0;
	}
	if (!value || !is_real(value->type, value->quant.n_scales) ||
	    !is_real((enum engine_type)out->type, t->graph->values[out->value].quant.n_scales))
		return tflite_refuse(t, -ENOTSUP, "makes or reads integers");
	r = tflite_add_node(t, GRAPH_CAST, &x, 1, tflite_output(t, 0), &node);
	if (r >= 0)
		node->cast.half_away = true;
	return r;
}

static int on_concat(struct tflite *t)
{
	int64_t axis = flatbuffer_i32(&t->fb, t->options, 0, 0);
	struct graph_node *node = NULL;
	int values[TFLITE_IO_MAX], r;

	for (int i = 0; i < t->n_inputs; i++)
		values[i] = tflite_value(t, i);
	if (flatbuffer_i8(&t->fb, t->options, 1, 0) != 0)
		return tflite_refuse(t, -ENOTSUP, "has a fused activation");
	r = tflite_add_node(t, GRAPH_CONCAT, values, t->n_inputs, tflite_output(t, 0), &node);
	if (r == 0)
		node->axis.axis = (int)(axis < 0 ? axis + tflite_input(t, 0)->rank : axis);
	return r;
}

static int on_softmax(struct tflite *t)
{
	int x = tflite_value(t, 0), r;
	struct graph_node *node = NULL;

	r = tflite_add_node(t, GRAPH_SOFTMAX, &x, 1, tflite_output(t, 0), &node);
	if (r == 0) {
		node->axis.axis = tflite_input(t, 0)->rank - 1;
		node->axis.beta = flatbuffer_f32(&t->fb, t->options, 0, 0.0f);
	}
	return r;
}

static int add_reshape(struct tflite *t, int x, int rank, const int32_t *dims, int output)
{
	struct graph_node *node = NULL;
	int r = tflite_add_node(t, GRAPH_RESHAPE, &x, 1, output, &node);

	if (r == 0) {
		node->shape.rank = rank;
		memcpy(node->shape.dims, dims, (size_t)rank * sizeof(*dims));
	}
	return r;
}

/* The new shape is a constant input, or in the options of older files. */
static int on_reshape(struct tflite *t)
{
	struct flatbuffer_vector shape = flatbuffer_vector(&t->fb, t->options, 0, 4);
	int32_t dims[ENGINE_RANK_MAX] = {0};
	int rank = tflite_has_input(t, 1) ? tflite_integers(t, 1, ENGINE_RANK_MAX, dims) : -1;

	if (rank < 0 && shape.count <= ENGINE_RANK_MAX) {
		rank = (int)shape.count;
		for (int i = 0; i < rank; i++)
			dims[i] = flatbuffer_i32_at(&t->fb, &shape, (uint32_t)i);
	}
	if (rank < 0)
		return tflite_refuse(t, -ENOTSUP, "has a shape that is not constant");
	for (int i = 0; i < rank; i++)
		if (dims[i] == 0)
			return tflite_refuse(t, -EINVAL, "wants an empty tensor");
	return add_reshape(t, tflite_value(t, 0), rank, dims, tflite_output(t, 0));
}

/* Axes of one element come or go: the file's own result tells the shape, its longest side is left to follow. */
static int on_squeeze(struct tflite *t)
{
	const struct tflite_tensor *out = &t->tensors[t->outputs[0]];
	int32_t dims[ENGINE_RANK_MAX];
	int longest = 0;

	for (int i = 0; i < out->rank; i++) {
		dims[i] = out->dims[i];
		if (dims[i] == GRAPH_DIM_UNKNOWN || (dims[longest] >= 0 && dims[i] > dims[longest]))
			longest = i;
		if (dims[i] == 0)
			return tflite_refuse(t, -EINVAL, "makes an empty tensor");
	}
	if (out->rank)
		dims[longest] = -1;
	return add_reshape(t, tflite_value(t, 0), out->rank, dims, tflite_output(t, 0));
}

static int on_transpose(struct tflite *t)
{
	int x = tflite_value(t, 0), r;
	struct graph_shape order = {0};
	struct graph_node *node = NULL;

	order.rank = tflite_integers(t, 1, ENGINE_RANK_MAX, order.dims);
	if (order.rank < 0)
		return tflite_refuse(t, -ENOTSUP, "has an order that is not constant");
	r = tflite_add_node(t, GRAPH_TRANSPOSE, &x, 1, tflite_output(t, 0), &node);
	if (r == 0)
		node->shape = order;
	return r;
}

static int on_mean(struct tflite *t)
{
	int32_t axes[ENGINE_RANK_MAX];
	int x = tflite_value(t, 0), n = tflite_integers(t, 1, ENGINE_RANK_MAX, axes), r;
	struct graph_node *node = NULL;

	if (n < 0)
		return tflite_refuse(t, -ENOTSUP, "has axes that are not constant");
	r = tflite_add_node(t, GRAPH_MEAN, &x, 1, tflite_output(t, 0), &node);
	if (r < 0)
		return r;
	node->reduce.n_axes = n;
	node->reduce.keep_dims = flatbuffer_u8(&t->fb, t->options, 0, 0);
	for (int i = 0; i < n; i++)
		node->reduce.axes[i] = axes[i] < 0 ? axes[i] + tflite_input(t, 0)->rank : axes[i];
	return 0;
}

static int on_pad(struct tflite *t)
{
	int32_t pads[2 * ENGINE_RANK_MAX];
	int x = tflite_value(t, 0), n = tflite_integers(t, 1, 2 * ENGINE_RANK_MAX, pads), r;
	struct graph_node *node = NULL;
	float value = 0.0f;

	if (n != 2 * tflite_input(t, 0)->rank)
		return tflite_refuse(t, -ENOTSUP, "has paddings that are not constant");
	if (tflite_has_input(t, 2)) {
		const struct graph_value *constant = &t->graph->values[tflite_value(t, 2)];

		if (!constant->data || constant->data_bytes < engine_type_size(constant->type))
			return tflite_refuse(t, -ENOTSUP, "has a value that is not constant");
		if (constant->type == ENGINE_F32)
			memcpy(&value, constant->data, sizeof(value));
		else if (constant->quant.n_scales == 1 && (constant->type == ENGINE_S8 || constant->type == ENGINE_U8))
			value = constant->quant.scales[0] *
				(float)((constant->type == ENGINE_S8 ? *(const int8_t *)constant->data
								     : *(const uint8_t *)constant->data) -
					constant->quant.zero_points[0]);
		else
			return tflite_refuse(t, -ENOTSUP, "has a value of another type");
	}
	r = tflite_add_node(t, GRAPH_PAD, &x, 1, tflite_output(t, 0), &node);
	if (r < 0)
		return r;
	node->pad.value = value;
	for (int i = 0; i < n / 2; i++) {
		node->pad.before[i] = pads[2 * i];
		node->pad.after[i] = pads[2 * i + 1];
	}
	return 0;
}

static void whole_slice(struct graph_slice *slice)
{
	*slice = (struct graph_slice){0};
	for (int i = 0; i < ENGINE_RANK_MAX; i++) {
		slice->size[i] = -1;
		slice->step[i] = 1;
	}
}

static int add_slice(struct tflite *t, const struct graph_slice *slice, int output)
{
	int x = tflite_value(t, 0);
	struct graph_node *node = NULL;
	int r = tflite_add_node(t, GRAPH_SLICE, &x, 1, output, &node);

	if (r == 0)
		node->slice = *slice;
	return r;
}

static int on_slice(struct tflite *t)
{
	struct graph_slice slice;
	int rank = tflite_input(t, 0)->rank;

	whole_slice(&slice);
	if (tflite_integers(t, 1, rank, slice.begin) != rank || tflite_integers(t, 2, rank, slice.size) != rank)
		return tflite_refuse(t, -ENOTSUP, "has bounds that are not constant");
	return add_slice(t, &slice, tflite_output(t, 0));
}

/* One axis of a strided slice: what Python's begin:end:step takes, from the file's own length of the axis. */
static int strided_axis(const struct tflite *t, int64_t length, int64_t begin, int64_t end, int64_t step,
			bool from_edge, bool to_edge, struct graph_slice *slice, int i)
{
	if (step == 0 || step > GRAPH_WINDOW_MAX || step < -GRAPH_WINDOW_MAX)
		return tflite_refuse(t, -EINVAL, "has an impossible step");
	slice->step[i] = (int32_t)step;
	slice->begin[i] = (int32_t)(from_edge ? (step > 0 ? 0 : -1) : begin);
	if (to_edge)
		return 0;
	if (length < 1)
		return tflite_refuse(t, -ENOTSUP, "has an end on an axis of unknown length");
	begin = from_edge ? (step > 0 ? 0 : length - 1) : begin < 0 ? begin + length : begin;
	end = end < 0 ? end + length : end > length ? length : end;
	if (begin < 0 || begin >= length || end < -1 || (end - begin) * step <= 0)
		return tflite_refuse(t, -EINVAL, "takes nothing");
	slice->size[i] = (int32_t)((end - begin + step - (step > 0 ? 1 : -1)) / step);
	return 0;
}

static int on_strided_slice(struct tflite *t)
{
	int32_t begin[ENGINE_RANK_MAX], end[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
	const struct tflite_tensor *in = tflite_input(t, 0);
	int64_t begin_mask = flatbuffer_i32(&t->fb, t->options, 0, 0),
		end_mask = flatbuffer_i32(&t->fb, t->options, 1, 0);
	int64_t shrink = flatbuffer_i32(&t->fb, t->options, 4, 0);
	int n = tflite_integers(t, 1, in->rank, begin), value, r;
	struct graph_slice slice;

	if (n < 0 || tflite_integers(t, 2, in->rank, end) != n || tflite_integers(t, 3, in->rank, step) != n)
		return tflite_refuse(t, -ENOTSUP, "has bounds that are not constant");
	if (flatbuffer_i32(&t->fb, t->options, 2, 0) || flatbuffer_i32(&t->fb, t->options, 3, 0))
		return tflite_refuse(t, -ENOTSUP, "has an ellipsis or a new axis");
	whole_slice(&slice);
	for (int i = 0; i < n; i++) {
		bool one = shrink >> i & 1;

		r = strided_axis(t, in->dims[i], begin[i], one ? begin[i] + 1 : end[i], one ? 1 : step[i],
				 !one && begin_mask >> i & 1, (!one && end_mask >> i & 1) || (one && begin[i] == -1),
				 &slice, i);
		if (r < 0)
			return r;
	}
	if (!shrink)
		return add_slice(t, &slice, tflite_output(t, 0));
	value = tflite_add_value(t, in->value, in->rank);
	if (value < 0)
		return tflite_result(t, value);
	r = add_slice(t, &slice, value);
	if (r < 0)
		return r;
	/* on_squeeze() reshapes its first input. */
	t->tensors[t->n_tensors] = (struct tflite_tensor){.value = value};
	t->inputs[0] = t->n_tensors;
	return on_squeeze(t);
}

/* SPLIT into equal parts, SPLIT_V into the lengths given. */
static int on_split(struct tflite *t)
{
	bool lengths = t->code == 102;
	int32_t axis[1], sizes[TFLITE_IO_MAX], begin = 0;
	int r = tflite_integers(t, lengths ? 2 : 0, 1, axis);

	if (r != 1 || (lengths && tflite_integers(t, 1, TFLITE_IO_MAX, sizes) != t->n_outputs))
		return tflite_refuse(t, -ENOTSUP, "has an axis or lengths that are not constant");
	if (!lengths) { /* its second input is what is cut */
		if (!tflite_has_input(t, 1))
			return tflite_refuse(t, -EINVAL, "lacks an input");
		t->inputs[0] = t->inputs[1];
	}
	if (axis[0] < 0)
		axis[0] += tflite_input(t, 0)->rank;
	if (axis[0] < 0 || axis[0] >= tflite_input(t, 0)->rank)
		return tflite_refuse(t, -EINVAL, "has an axis that its input lacks");
	for (int i = 0; i < t->n_outputs; i++) {
		const struct tflite_tensor *out = &t->tensors[t->outputs[i]];
		int32_t size = lengths ? sizes[i] : axis[0] < out->rank ? out->dims[axis[0]] : -1;
		struct graph_slice slice;

		if (size < 1 || size > (int32_t)ENGINE_TENSOR_BYTES_MAX)
			return tflite_refuse(t, -ENOTSUP, "has a part of unknown length");
		whole_slice(&slice);
		slice.begin[axis[0]] = begin;
		slice.size[axis[0]] = size;
		begin += size;
		r = add_slice(t, &slice, out->value);
		if (r < 0)
			return r;
		if (begin < 0 || begin > (int32_t)ENGINE_TENSOR_BYTES_MAX)
			return tflite_refuse(t, -EINVAL, "has parts that are too long");
	}
	return 0;
}

static int on_resize(struct tflite *t)
{
	bool bilinear = t->code == 23;
	int x = tflite_value(t, 0), r;
	struct graph_node *node = NULL;
	int32_t size[2];

	if (tflite_integers(t, 1, 2, size) != 2)
		return tflite_refuse(t, -ENOTSUP, "has a size that is not constant");
	r = tflite_add_node(t, GRAPH_RESIZE, &x, 1, tflite_output(t, 0), &node);
	if (r == 0)
		node->resize = (struct graph_resize){
			.bilinear = bilinear,
			.align_corners = flatbuffer_u8(&t->fb, t->options, bilinear ? 2 : 0, 0),
			.half_pixel = flatbuffer_u8(&t->fb, t->options, bilinear ? 3 : 1, 0),
			.out_h = size[0] > 0 ? size[0] : -1,
			.out_w = size[1] > 0 ? size[1] : -1,
		};
	return r;
}

/* What adds nodes of an operator that the build leaves out is not there; what may add none always is. */
#define WITH(name, add) (WITH_##name ? (add) : NULL)
static const struct tflite_operator operators[] = {
	{0, "ADD", 2, WITH(add, on_binary), false},
	{1, "AVERAGE_POOL_2D", 1, WITH(avgpool, on_pool), false},
	{2, "CONCATENATION", 1, WITH(concat, on_concat), false},
	{3, "CONV_2D", 2, on_conv, true},
	{4, "DEPTHWISE_CONV_2D", 2, on_depthwise, true},
	{6, "DEQUANTIZE", 1, on_cast, false},
	{9, "FULLY_CONNECTED", 2, WITH(fc, on_fully_connected), false},
	{14, "LOGISTIC", 1, WITH(unary, on_unary), false},
	{17, "MAX_POOL_2D", 1, WITH(maxpool, on_pool), false},
	{18, "MUL", 2, WITH(mul, on_binary), false},
	{19, "RELU", 1, WITH(unary, on_unary), false},
	{20, "RELU_N1_TO_1", 1, WITH(unary, on_unary), false},
	{21, "RELU6", 1, WITH(unary, on_unary), false},
	{22, "RESHAPE", 1, WITH(reshape, on_reshape), false},
	{23, "RESIZE_BILINEAR", 2, WITH(resize, on_resize), false},
	{25, "SOFTMAX", 1, WITH(softmax, on_softmax), false},
	{28, "TANH", 1, WITH(unary, on_unary), false},
	{34, "PAD", 2, WITH(pad, on_pad), false},
	{37, "BATCH_TO_SPACE_ND", 3, on_batch_to_space, true},
	{38, "SPACE_TO_BATCH_ND", 3, on_space_to_batch, false},
	{39, "TRANSPOSE", 2, WITH(transpose, on_transpose), false},
	{40, "MEAN", 2, WITH(mean, on_mean), false},
	{41, "SUB", 2, WITH(sub, on_binary), false},
	{42, "DIV", 2, WITH(div, on_binary), false},
	{43, "SQUEEZE", 1, WITH(reshape, on_squeeze), false},
	{45, "STRIDED_SLICE", 4, WITH(slice, on_strided_slice), false},
	{47, "EXP", 1, WITH(unary, on_unary), false},
	{49, "SPLIT", 2, WITH(slice, on_split), false},
	{53, "CAST", 1, on_cast, false},
	{54, "PRELU", 2, WITH(prelu, on_prelu), false},
	{55, "MAXIMUM", 2, WITH(max, on_binary), false},
	{57, "MINIMUM", 2, WITH(min, on_binary), false},
	{59, "NEG", 1, WITH(unary, on_unary), false},
	{60, "PADV2", 3, WITH(pad, on_pad), false},
	{65, "SLICE", 3, WITH(slice, on_slice), false},
	{70, "EXPAND_DIMS", 1, WITH(reshape, on_squeeze), false},
	{73, "LOG", 1, WITH(unary, on_unary), false},
	{75, "SQRT", 1, WITH(unary, on_unary), false},
	{76, "RSQRT", 1, WITH(unary, on_unary), false},
	{92, "SQUARE", 1, WITH(unary, on_unary), false},
	{97, "RESIZE_NEAREST_NEIGHBOR", 2, WITH(resize, on_resize), false},
	{98, "LEAKY_RELU", 1, WITH(unary, on_unary), false},
	{101, "ABS", 1, WITH(unary, on_unary), false},
	{102, "SPLIT_V", 3, WITH(slice, on_split), false},
	{111, "ELU", 1, WITH(unary, on_unary), false},
	{114, "QUANTIZE", 1, on_cast, false},
	{117, "HARD_SWISH", 1, WITH(unary, on_unary), false},
	{150, "GELU", 1, WITH(unary, on_unary), false},
};

const struct tflite_operator *tflite_operator(int code)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (operators[i].code == code)
			return &operators[i];
	return NULL;
}

const char *tflite_operator_at(int i, bool *ret_fast)
{
	static const char *const customs[] = {"TFLite_Detection_PostProcess", "Convolution2DTransposeBias",
					      "Landmarks2TransformMatrix", "TransformLandmarks",
					      "TransformTensorBilinear"};
	const int n = (int)(sizeof(operators) / sizeof(*operators));

	*ret_fast = i < n;
	if (i < n)
		return operators[i].name;
	i -= n;
	for (int code = 0; code < 256; code++)
		if (tflite_general_name(code) && !tflite_operator(code) && i-- == 0)
			return tflite_general_name(code);
	return i >= 0 && i < (int)(sizeof(customs) / sizeof(*customs)) ? customs[i] : NULL;
}
