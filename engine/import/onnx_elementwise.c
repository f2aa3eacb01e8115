/* onnx_elementwise.c - ONNX operators of matrices and single elements, as the graph's own. */
#include "onnx.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- matrices ---------------------------------------------------------------------------------- */

/* A constant matrix as weights [O][I], times a factor. */
static int add_matrix(struct onnx *o, const struct tensor *t, bool is_out_in, float factor)
{
	int32_t rows = t->constant.dims[0], columns = t->constant.dims[1], out = is_out_in ? rows : columns;
	int32_t in = is_out_in ? columns : rows;
	float *from, *to = NULL;
	int value;

	if (is_out_in && factor == 1.0f && onnx_borrow_weights(o, t, 2, t->constant.dims, &value))
		return value;
	from = onnx_read_floats(o, t);
	value = from ? onnx_add_floats(o, 2, (int32_t[]){out, in}, &to) : -EINVAL;

	for (int64_t k = 0; value >= 0 && k < (int64_t)out * in; k++)
		to[k] = factor * (is_out_in ? from[k] : from[k % in * out + k / in]);
	free(from);
	if (from && factor == 1.0f)
		value = onnx_note_quant(o, t, value, is_out_in ? 0 : 1);
	return from ? onnx_result(o, value) : value;
}

static int fully_connected(struct onnx *o, bool is_out_in, float factor, int bias)
{
	const struct tensor *weights = onnx_input_of(o, 1);
	int inputs[3] = {onnx_as_file(o, onnx_input_of(o, 0)), -1, bias}, value;
	struct graph_node *node;

	if (inputs[0] < 0)
		return inputs[0];
	if (!weights || !weights->is_constant || weights->constant.rank != 2)
		return onnx_refuse(o, -ENOTSUP, "multiplies by what is no constant matrix");
	inputs[1] = add_matrix(o, weights, is_out_in, factor);
	if (inputs[1] < 0)
		return inputs[1];
	value = onnx_begin_node(o, GRAPH_FC, inputs, bias >= 0 ? 3 : 2, &node);
	if (value >= 0)
		node->fc.flatten = false;
	return onnx_set_output(o, 0, onnx_finish_node(o, value), false);
}

int onnx_on_gemm(struct onnx *o)
{
	float beta = onnx_number_of(o, "beta", 1.0f);
	int bias = -1;

	if (onnx_integer_of(o, "transA", 0) || (onnx_has_input(o, 2) && beta != 1.0f))
		return onnx_refuse(o, -ENOTSUP, "transposes its input or scales its bias");
	if (onnx_has_input(o, 2)) {
		bias = onnx_as_file(o, onnx_input_of(o, 2));
		if (bias < 0)
			return bias;
	}
	return fully_connected(o, onnx_integer_of(o, "transB", 0) != 0, onnx_number_of(o, "alpha", 1.0f), bias);
}

int onnx_on_matmul(struct onnx *o)
{
	return fully_connected(o, false, 1.0f, -1);
}

/* ---- elementwise ------------------------------------------------------------------------------- */

static int unary(struct onnx *o, enum graph_act_kind kind, float a, float b)
{
	struct graph_node *node;
	bool image;
	int x = onnx_as_any(o, onnx_input_of(o, 0), &image), value;

	if (x < 0)
		return x;
	value = onnx_begin_node(o, GRAPH_UNARY, &x, 1, &node);
	if (value >= 0)
		node->unary = (struct graph_act){kind, a, b};
	return onnx_set_output(o, 0, onnx_finish_node(o, value), image);
}

static const struct {
	const char *op;
	enum graph_act_kind kind;
} functions[] = {
	{"Relu", GRAPH_ACT_RELU}, {"Sigmoid", GRAPH_ACT_SIGMOID}, {"Tanh", GRAPH_ACT_TANH},
	{"Exp", GRAPH_ACT_EXP},	  {"Log", GRAPH_ACT_LOG},	  {"Sqrt", GRAPH_ACT_SQRT},
	{"Abs", GRAPH_ACT_ABS},	  {"Neg", GRAPH_ACT_NEG},	  {"Mish", GRAPH_ACT_MISH},
};

int onnx_on_function(struct onnx *o)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (onnx_is(o->op, functions[i].op))
			return unary(o, functions[i].kind, 0, 0);
	return onnx_refuse(o, -ENOTSUP, "is an unknown function");
}

int onnx_on_leaky_relu(struct onnx *o)
{
	return unary(o, GRAPH_ACT_LEAKY, onnx_number_of(o, "alpha", 0.01f), 0);
}

int onnx_on_elu(struct onnx *o)
{
	return unary(o, GRAPH_ACT_ELU, onnx_number_of(o, "alpha", 1.0f), 0);
}

int onnx_on_hard_sigmoid(struct onnx *o)
{
	return unary(o, GRAPH_ACT_HARDSIGMOID, onnx_number_of(o, "alpha", 0.2f), onnx_number_of(o, "beta", 0.5f));
}

int onnx_on_hard_swish(struct onnx *o)
{
	return unary(o, GRAPH_ACT_HARDSWISH, 1.0f / 6, 0.5f);
}

int onnx_read_bound(struct onnx *o, int i, const char *attribute, float otherwise, float *ret)
{
	const struct tensor *t = onnx_input_of(o, i);
	float *number;

	*ret = onnx_number_of(o, attribute, otherwise);
	if (!t)
		return 0;
	if (!t->is_constant || t->constant.count != 1)
		return onnx_refuse(o, -ENOTSUP, "has a bound that is no constant");
	number = onnx_read_floats(o, t);
	if (!number)
		return -EINVAL;
	*ret = *number;
	free(number);
	return 0;
}

int onnx_on_clip(struct onnx *o)
{
	float lo, hi = INFINITY;
	int r = onnx_read_bound(o, 1, "min", -INFINITY, &lo);

	if (r == 0)
		r = onnx_read_bound(o, 2, "max", INFINITY, &hi);
	return r < 0 ? r : unary(o, GRAPH_ACT_CLIP, lo, hi);
}

/* One slope, or one for each channel of an image, or of the last axis of what is no image. */
static bool is_of_channels(const struct onnx *o, const struct onnx_tensor *slope, bool image, int rank)
{
	if (slope->count == 1)
		return true;
	if (o->opset < 7)
		return image && slope->rank == 1;
	if (!image)
		return rank != 4 && slope->rank >= 1 && slope->count == (size_t)slope->dims[slope->rank - 1];
	return slope->rank >= 3 && slope->count == (size_t)slope->dims[slope->rank - 3];
}

int onnx_on_prelu(struct onnx *o)
{
	struct tensor *slope = onnx_input_of(o, 1);
	struct graph_node *node;
	int inputs[2], value;
	int32_t count;
	bool image;
	float *numbers, *data;

	inputs[0] = onnx_as_any(o, onnx_input_of(o, 0), &image);
	if (inputs[0] < 0)
		return inputs[0];
	if (!slope || !slope->is_constant || !is_of_channels(o, &slope->constant, image, o->shapes[inputs[0]].rank))
		return onnx_refuse(o, -ENOTSUP, "has a slope that is not constant or not of channels");
	numbers = onnx_read_floats(o, slope);
	if (!numbers)
		return -EINVAL;
	count = (int32_t)slope->constant.count;
	inputs[1] = onnx_add_floats(o, 1, &count, &data);
	if (inputs[1] >= 0)
		memcpy(data, numbers, (size_t)count * sizeof(*data));
	free(numbers);
	if (inputs[1] < 0)
		return onnx_result(o, inputs[1]);
	value = onnx_begin_node(o, GRAPH_PRELU, inputs, 2, &node);
	return onnx_set_output(o, 0, onnx_finish_node(o, value), image);
}

/* Two operands in one order: that of images where either is one and both can be. */
static int binary(struct onnx *o, enum graph_op op)
{
	struct tensor *a = onnx_input_of(o, 0), *b = onnx_input_of(o, 1);
	struct graph_shape shape_a, shape_b;
	struct graph_node *node;
	int inputs[2];
	bool image;

	if (!a || !b || !onnx_file_shape(o, a, &shape_a) || !onnx_file_shape(o, b, &shape_b))
		return onnx_refuse(o, -ENOTSUP, "computes with what is not known");
	image = (a->image >= 0 && (b->is_constant || shape_b.rank == 4)) ||
		(b->image >= 0 && (a->is_constant || shape_a.rank == 4));
	inputs[0] = image ? onnx_as_image(o, a) : onnx_as_file(o, a);
	inputs[1] = inputs[0] < 0 ? inputs[0] : image ? onnx_as_image(o, b) : onnx_as_file(o, b);
	if (inputs[1] < 0)
		return inputs[1];
	return onnx_set_output(o, 0, onnx_finish_node(o, onnx_begin_node(o, op, inputs, 2, &node)), image);
}

int onnx_on_add(struct onnx *o)
{
	return binary(o, GRAPH_ADD);
}

int onnx_on_sub(struct onnx *o)
{
	return binary(o, GRAPH_SUB);
}

int onnx_on_mul(struct onnx *o)
{
	return binary(o, GRAPH_MUL);
}

int onnx_on_div(struct onnx *o)
{
	return binary(o, GRAPH_DIV);
}

/* Of any number of inputs; more than two are taken one after the other. */
static int fold(struct onnx *o, enum graph_op op)
{
	int all[ONNX_IO_MAX], n = o->n_inputs, out = o->n_outputs ? o->outputs[0] : -1, r = 0;

	memcpy(all, o->inputs, (size_t)n * sizeof(*all));
	if (n == 1)
		return onnx_on_identity(o);
	o->n_inputs = 2;
	for (int i = 1; i < n && r == 0; i++) {
		/* What has been made so far is the output's, until more is added to it. */
		o->inputs[0] = i == 1 ? all[0] : out;
		o->inputs[1] = all[i];
		r = binary(o, op);
	}
	o->n_inputs = n;
	memcpy(o->inputs, all, (size_t)n * sizeof(*all));
	return r;
}

int onnx_on_sum(struct onnx *o)
{
	return fold(o, GRAPH_ADD);
}

int onnx_on_max(struct onnx *o)
{
	return fold(o, GRAPH_MAX);
}

int onnx_on_min(struct onnx *o)
{
	return fold(o, GRAPH_MIN);
}
