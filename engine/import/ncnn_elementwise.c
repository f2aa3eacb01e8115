/* ncnn_elementwise.c - ncnn's functions of single elements, and of elements of two blobs. */
#include "ncnn.h"

#include <errno.h>
#include <math.h>
#include <string.h>

int ncnn_on_activation(struct ncnn *n)
{
	static const struct {
		const char *type;
		enum graph_act_kind kind;
		float a, b;
	} kinds[] = {
		{"Sigmoid", GRAPH_ACT_SIGMOID, 0, 0},
		{"TanH", GRAPH_ACT_TANH, 0, 0},
		{"AbsVal", GRAPH_ACT_ABS, 0, 0},
		{"HardSigmoid", GRAPH_ACT_HARDSIGMOID, 0.2f, 0.5f},
		{"HardSwish", GRAPH_ACT_HARDSWISH, 0.2f, 0.5f},
		{"Swish", GRAPH_ACT_SILU, 0, 0},
		{"Mish", GRAPH_ACT_MISH, 0, 0},
		{"ELU", GRAPH_ACT_ELU, 0.1f, 0},
		{"Clip", GRAPH_ACT_CLIP, -INFINITY, INFINITY},
		{"ReLU", GRAPH_ACT_LEAKY, 0, 0},
	};
	size_t i = 0;
	bool image;
	int x = ncnn_as_any(n, 0, &image);
	float a, b;

	while (strcmp(kinds[i].type, n->layer.type) != 0)
		i++;
	a = ncnn_float(&n->layer, 0, kinds[i].a);
	b = ncnn_float(&n->layer, 1, kinds[i].b);
	if (kinds[i].kind == GRAPH_ACT_LEAKY && a == 0.0f)
		return ncnn_set_alike(n, ncnn_add_unary(n, x, GRAPH_ACT_RELU, 0, 0), image);
	return ncnn_set_alike(n, ncnn_add_unary(n, x, kinds[i].kind, a, b), image);
}

/* Functions with up to three numbers; where `first` is 0, parameters come in the order a, b, c. */
int ncnn_on_function(struct ncnn *n)
{
	static const struct {
		const char *type;
		enum ncnn_function function;
		float a, b, c;
	} functions[] = {
		{"BNLL", NCNN_BNLL, 0, 0, 0},
		{"Erf", NCNN_ERF, 0, 0, 0},
		{"Softplus", NCNN_SOFTPLUS, 0, 0, 0},
		{"CELU", NCNN_CELU, 1, 0, 0},
		{"SELU", NCNN_SELU, 1.67326324f, 1.050700987f, 0},
		{"Shrink", NCNN_SHRINK, 0, 0.5f, 0},
		{"Threshold", NCNN_THRESHOLD, 0, 0, 0},
		{"Power", NCNN_POWER, 1, 1, 0},
		{"Exp", NCNN_EXP, -1, 1, 0},
		{"Log", NCNN_LOG, -1, 1, 0},
	};
	size_t i = 0;
	bool image;
	int x = ncnn_as_any(n, 0, &image), value;

	while (strcmp(functions[i].type, n->layer.type) != 0)
		i++;
	value = ncnn_add_function(n, x, functions[i].function, ncnn_float(&n->layer, 0, functions[i].a),
				  ncnn_float(&n->layer, 1, functions[i].b), ncnn_float(&n->layer, 2, functions[i].c));
	return value < 0 ? value : ncnn_set_alike(n, value, image);
}

int ncnn_on_gelu(struct ncnn *n)
{
	bool image;
	int x = ncnn_as_any(n, 0, &image), value;

	if (!ncnn_int(&n->layer, 0, 0))
		return ncnn_set_alike(n, ncnn_add_unary(n, x, GRAPH_ACT_GELU, 0, 0), image);
	value = ncnn_add_function(n, x, NCNN_GELU_TANH, 0, 0, 0);
	return value < 0 ? value : ncnn_set_alike(n, value, image);
}

int ncnn_on_unary(struct ncnn *n)
{
	enum { LAST = 19 };
	static const enum graph_act_kind kinds[LAST + 1] = {
		[0] = GRAPH_ACT_ABS,   [1] = GRAPH_ACT_NEG, [4] = GRAPH_ACT_SQUARE, [5] = GRAPH_ACT_SQRT,
		[6] = GRAPH_ACT_RSQRT, [7] = GRAPH_ACT_EXP, [8] = GRAPH_ACT_LOG,    [16] = GRAPH_ACT_TANH,
	};
	static const enum ncnn_function functions[LAST + 1] = {
		[2] = NCNN_FLOOR,	[3] = NCNN_CEIL,   [9] = NCNN_SIN,    [10] = NCNN_COS,
		[11] = NCNN_TAN,	[12] = NCNN_ASIN,  [13] = NCNN_ACOS,  [14] = NCNN_ATAN,
		[15] = NCNN_RECIPROCAL, [17] = NCNN_LOG10, [18] = NCNN_ROUND, [19] = NCNN_TRUNC,
	};
	int op = ncnn_int(&n->layer, 0, 0), x, value;
	bool image;

	if (op < 0 || op > LAST)
		return ncnn_refuse(n, -ENOTSUP, "is a function that is not known");
	x = ncnn_as_any(n, 0, &image);
	if (kinds[op] != GRAPH_ACT_NONE)
		return ncnn_set_alike(n, ncnn_add_unary(n, x, kinds[op], 0, 0), image);
	value = ncnn_add_function(n, x, functions[op], 0, 0, 0);
	return value < 0 ? value : ncnn_set_alike(n, value, image);
}

static const enum graph_op binary_ops[] = {GRAPH_ADD, GRAPH_SUB, GRAPH_MUL, GRAPH_DIV, GRAPH_MAX,
					   GRAPH_MIN, GRAPH_ADD, GRAPH_SUB, GRAPH_DIV};

static int binary_scalar(struct ncnn *n, int op, float number)
{
	bool image, reversed = op == 7 || op == 8;
	int x = ncnn_as_any(n, 0, &image), value, scalar;

	if (op == 6 && number == 2.0f)
		return ncnn_set_alike(n, ncnn_add_unary(n, x, GRAPH_ACT_SQUARE, 0, 0), image);
	if (op == 6 && number == 0.5f)
		return ncnn_set_alike(n, ncnn_add_unary(n, x, GRAPH_ACT_SQRT, 0, 0), image);
	if (op == 6 || op > 8) {
		value = op == 6 ? ncnn_add_function(n, x, NCNN_POWER, number, 1, 0)
				: ncnn_add_function(n, x, (int[]){NCNN_RPOW, NCNN_ATAN2, NCNN_RATAN2}[op - 9], number,
						    0, 0);
		return value < 0 ? value : ncnn_set_alike(n, value, image);
	}
	scalar = ncnn_add_scalar(n, number);
	return ncnn_set_alike(n, ncnn_add_binary(n, binary_ops[op], reversed ? scalar : x, reversed ? x : scalar),
			      image);
}

/*
 * Where NumPy's broadcasting of the values does as ncnn's does: blobs of as many axes, and vectors over the channels of
 * an image.  Of lengths that are not known it is taken that they are those of the channels.
 */
static bool broadcasts_alike(const struct ncnn *n)
{
	const struct ncnn_blob *a = ncnn_in_blob(n, 0), *b = ncnn_in_blob(n, 1);

	if (a->rank == b->rank)
		return true;
	if (a->rank + b->rank != 4 || a->rank == b->rank)
		return false;
	return a->channels == b->channels || a->channels < 0 || b->channels < 0;
}

int ncnn_on_binary(struct ncnn *n)
{
	int op = ncnn_int(&n->layer, 0, 0), rank, a, b, value, r;
	bool image_a, image_b, reversed = op == 7 || op == 8;

	if (op < 0 || op > 11)
		return ncnn_refuse(n, -ENOTSUP, "is an operation that is not known");
	if (ncnn_int(&n->layer, 1, 0))
		return binary_scalar(n, op, ncnn_float(&n->layer, 2, 0.0f));
	if (n->layer.n_inputs < 2)
		return ncnn_refuse(n, -EINVAL, "lacks its second input");
	rank = ncnn_in_rank(n, 0) > ncnn_in_rank(n, 1) ? ncnn_in_rank(n, 0) : ncnn_in_rank(n, 1);
	if (op == 6 || op > 8 || !broadcasts_alike(n)) {
		r = ncnn_become(n, "BinaryOp", 2, NULL, 0, rank);
	} else {
		a = ncnn_as_usual(n, 0, &image_a);
		b = ncnn_as_usual(n, 1, &image_b);
		value = ncnn_add_binary(n, binary_ops[op], reversed ? b : a, reversed ? a : b);
		r = ncnn_set_output(n, 0, value, rank, image_a || image_b);
	}
	if (r == 0 && rank != 2)
		ncnn_out_blob(n, 0)->channels = ncnn_in_blob(n, 0)->channels > ncnn_in_blob(n, 1)->channels
							? ncnn_in_blob(n, 0)->channels
							: ncnn_in_blob(n, 1)->channels;
	return r;
}

int ncnn_on_eltwise(struct ncnn *n)
{
	static const enum graph_op ops[] = {GRAPH_MUL, GRAPH_ADD, GRAPH_MAX};
	int op = ncnn_int(&n->layer, 0, 0), sum = -1;
	bool image = false;

	if (op < 0 || op > 2)
		return ncnn_refuse(n, -ENOTSUP, "is an operation that is not known");
	if (n->layer.n_inputs < 2)
		return ncnn_refuse(n, -EINVAL, "lacks its second input");
	for (int i = 0; i < n->layer.n_inputs; i++) {
		float coefficient = op == 1 ? ncnn_element(&n->layer, 1, i, 1.0f) : 1.0f;
		int x = ncnn_as_usual(n, i, &image);

		if (ncnn_in_rank(n, i) != ncnn_in_rank(n, 0))
			return ncnn_refuse(n, -EINVAL, "has inputs of different numbers of axes");
		if (coefficient != 1.0f)
			x = ncnn_add_binary(n, GRAPH_MUL, x, ncnn_add_scalar(n, coefficient));
		sum = i ? ncnn_add_binary(n, ops[op], sum, x) : x;
		if (sum < 0)
			return ncnn_result(n, sum);
	}
	return ncnn_set_alike(n, sum, image);
}
