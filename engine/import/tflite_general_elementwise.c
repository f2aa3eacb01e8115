/* tflite_general_elementwise.c - TFLite's functions of elements, sums and products of matrices, by general operators.
 */
#include "tflite_general.h"

#include <errno.h>

/* ---- one node for one -------------------------------------------------------------------------- */

int tflite_general_on_same(struct tflite *t)
{
	int inputs[ENGINE_OPERATOR_IO_MAX], r;

	if (t->n_inputs > ENGINE_OPERATOR_IO_MAX)
		return tflite_refuse(t, -ENOTSUP, "has too many inputs");
	r = tflite_operands(t, t->n_inputs, inputs);
	return r < 0 ? r
		     : tflite_finish_output(t, 0,
					    tflite_add_general(t, tflite_onnx_name(t->code), inputs, t->n_inputs,
							       tflite_no_attributes()));
}

/* With an activation behind it, which the first of its options names. */
int tflite_general_on_fused(struct tflite *t)
{
	int inputs[2], r = tflite_operands(t, 2, inputs);

	return r < 0 ? r
		     : tflite_finish_output(t, 0,
					    tflite_activate(t,
							    tflite_add_general(t, tflite_onnx_name(t->code), inputs, 2,
									       tflite_no_attributes()),
							    0));
}

int tflite_general_on_not_equal(struct tflite *t)
{
	int inputs[2], r = tflite_operands(t, 2, inputs);

	return r < 0 ? r
		     : tflite_finish_output(
			       t, 0,
			       tflite_add_plain(t, "Not",
						tflite_add_general(t, "Equal", inputs, 2, tflite_no_attributes())));
}

int tflite_general_on_square(struct tflite *t)
{
	int x = tflite_operand(t, 0);

	return tflite_finish_output(t, 0, tflite_add_general(t, "Mul", (int[]){x, x}, 2, tflite_no_attributes()));
}

int tflite_general_on_rsqrt(struct tflite *t)
{
	return tflite_finish_output(
		t, 0, tflite_add_plain(t, "Reciprocal", tflite_add_plain(t, "Sqrt", tflite_operand(t, 0))));
}

int tflite_general_on_squared_difference(struct tflite *t)
{
	int inputs[2], r = tflite_operands(t, 2, inputs), d;

	if (r < 0)
		return r;
	d = tflite_add_general(t, "Sub", inputs, 2, tflite_no_attributes());
	return tflite_finish_output(t, 0, tflite_add_general(t, "Mul", (int[]){d, d}, 2, tflite_no_attributes()));
}

/* Divided as real numbers: integers are below 2^24 in any file that is meant to be exact. */
int tflite_general_on_floor_div(struct tflite *t)
{
	int inputs[2], r = tflite_operands(t, 2, inputs);

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		inputs[i] = tflite_cast(t, inputs[i], ENGINE_F32);
	return tflite_finish_output(
		t, 0, tflite_add_plain(t, "Floor", tflite_add_general(t, "Div", inputs, 2, tflite_no_attributes())));
}

int tflite_general_on_cast(struct tflite *t)
{
	return tflite_finish_output(t, 0, tflite_operand(t, 0));
}

/* Along the last axis, by beta. */
int tflite_general_on_softmax(struct tflite *t)
{
	float beta = t->code == 50 ? 1.0f : flatbuffer_f32(&t->fb, t->options, 0, 0.0f);
	int inputs[2] = {tflite_operand(t, 0), -1};
	float *data;

	if (inputs[0] >= 0 && beta != 1.0f) {
		inputs[1] = graph_add_value(t->graph, NULL, 0, ENGINE_F32, 1, (int32_t[]){1});
		data = inputs[1] < 0 ? NULL : graph_alloc_data(t->graph, inputs[1], sizeof(*data));
		if (!data || tflite_make_room(t) < 0)
			return tflite_result(t, -ENOMEM);
		*data = beta;
		tflite_set_shape(t, inputs[1], 1, (int32_t[]){1});
		inputs[0] = tflite_add_general(t, "Mul", inputs, 2, tflite_no_attributes());
	}
	return tflite_finish_output(
		t, 0, tflite_add_general(t, tflite_onnx_name(t->code), inputs, 1, tflite_with_integer("axis", -1)));
}

int tflite_general_on_cumsum(struct tflite *t)
{
	int inputs[2], r = tflite_operands(t, 2, inputs);
	struct tflite_attributes a;

	if (r < 0)
		return r;
	a = tflite_with_integer("exclusive", flatbuffer_u8(&t->fb, t->options, 0, 0));
	tflite_set_integer(&a, "reverse", flatbuffer_u8(&t->fb, t->options, 1, 0));
	return tflite_finish_output(t, 0, tflite_add_general(t, "CumSum", inputs, 2, a));
}

/* ---- reductions -------------------------------------------------------------------------------- */

int tflite_general_on_reduce(struct tflite *t)
{
	int x = tflite_operand(t, 0), n;
	int32_t axes[ENGINE_RANK_MAX];
	int64_t wide[ENGINE_RANK_MAX];
	struct tflite_attributes a;

	n = tflite_integers(t, 1, ENGINE_RANK_MAX, axes);
	if (n < 0)
		return tflite_refuse(t, -ENOTSUP, "has axes that are not constant");
	if (x >= 0 && t->graph->values[x].type == ENGINE_BOOL)
		x = tflite_cast(t, x, ENGINE_S32);
	for (int i = 0; i < n; i++)
		wide[i] = axes[i];
	a = tflite_with_integer("keepdims", flatbuffer_u8(&t->fb, t->options, 0, 0));
	/* No axes are all axes for ONNX; for TFLite they are none. */
	tflite_set_integer(&a, "noop_with_empty_axes", 1);
	tflite_set_integers(&a, "axes", n, wide);
	return tflite_finish_output(t, 0, tflite_add_general(t, tflite_onnx_name(t->code), &x, 1, a));
}

int tflite_general_on_arg(struct tflite *t)
{
	int x = tflite_operand(t, 0);
	struct tflite_attributes a;
	int32_t axis;

	if (tflite_integers(t, 1, 1, &axis) != 1)
		return tflite_refuse(t, -ENOTSUP, "has an axis that is not constant");
	a = tflite_with_integer("axis", axis);
	tflite_set_integer(&a, "keepdims", 0);
	return tflite_finish_output(t, 0, tflite_add_general(t, tflite_onnx_name(t->code), &x, 1, a));
}

int tflite_general_on_topk(struct tflite *t)
{
	int inputs[2], values[2], r = tflite_operands(t, 2, inputs);
	struct graph_shape k;

	if (r == 0)
		r = tflite_shape_of(t, inputs[1], &k);
	if (r < 0)
		return r;
	if (k.rank == 0)
		inputs[1] = tflite_reshape_as(t, inputs[1], 1, (int32_t[]){1});
	inputs[1] = tflite_cast(t, inputs[1], ENGINE_S64);
	if (inputs[1] < 0)
		return inputs[1];
	r = tflite_add_generals(t, "TopK", inputs, 2, tflite_no_attributes(), values, 2);
	if (r == 0)
		r = tflite_finish_output(t, 0, values[0]);
	return r < 0 ? r : tflite_finish_output(t, 1, values[1]);
}

/* ---- matrices ---------------------------------------------------------------------------------- */

static int turn_last_two(struct tflite *t, int x)
{
	int64_t order[ENGINE_RANK_MAX];
	struct graph_shape shape = {0};
	int r = tflite_shape_of(t, x, &shape);

	if (r < 0 || shape.rank < 2)
		return r < 0 ? r : tflite_refuse(t, -EINVAL, "multiplies what is no matrix");
	for (int i = 0; i < shape.rank; i++)
		order[i] = i < shape.rank - 2 ? i : 2 * shape.rank - 3 - i;
	return tflite_transpose(t, x, shape.rank, order);
}

int tflite_general_on_batch_matmul(struct tflite *t)
{
	int inputs[2], r = tflite_operands(t, 2, inputs);

	for (int i = 0; i < 2 && r == 0; i++)
		if (flatbuffer_u8(&t->fb, t->options, i, 0)) {
			inputs[i] = turn_last_two(t, inputs[i]);
			r = inputs[i] < 0 ? inputs[i] : 0;
		}
	return r < 0 ? r
		     : tflite_finish_output(t, 0, tflite_add_general(t, "MatMul", inputs, 2, tflite_no_attributes()));
}

int tflite_general_on_fully_connected(struct tflite *t)
{
	const struct tflite_tensor *out = &t->tensors[t->outputs[0]];
	struct graph_shape weights = {0};
	int inputs[3], r = tflite_operands(t, 3, inputs), value;

	if (r == 0)
		r = tflite_shape_of(t, inputs[1], &weights);
	if (r < 0)
		return r;
	if (weights.rank != 2 || flatbuffer_i8(&t->fb, t->options, 1, 0))
		return tflite_refuse(t, -ENOTSUP, "has weights that are no matrix, or shuffled");
	inputs[0] = tflite_reshape_as(t, inputs[0], 2, (int32_t[]){-1, weights.dims[1]});
	value = tflite_add_general(t, "Gemm", inputs, inputs[2] >= 0 ? 3 : 2, tflite_with_integer("transB", 1));
	return tflite_finish_output(t, 0, tflite_reshape_as(t, tflite_activate(t, value, 0), out->rank, out->dims));
}

/* ---- images cut into parts ---------------------------------------------------------------------- */

/* Functions with a parameter that ONNX has under a name. */
int tflite_general_on_function(struct tflite *t)
{
	int x = tflite_operand(t, 0);
	struct tflite_attributes a = tflite_no_attributes();

	if (t->code == 98)
		tflite_set_number(&a, "alpha", (double)flatbuffer_f32(&t->fb, t->options, 0, 0));
	if (t->code == 150 && flatbuffer_u8(&t->fb, t->options, 0, 0))
		tflite_set_text(&a, "approximate", "tanh");
	if (t->code == 21 || t->code == 20) {
		tflite_set_number(&a, "min", t->code == 21 ? 0 : -1);
		tflite_set_number(&a, "max", t->code == 21 ? 6 : 1);
	}
	return tflite_finish_output(t, 0, tflite_add_general(t, tflite_onnx_name(t->code), &x, 1, a));
}
