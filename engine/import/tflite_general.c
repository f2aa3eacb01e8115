/*
 * tflite_general.c - TFLite's operators that the graph's own do not cover, by general operators.
 *
 * Those have ONNX's definitions: what TFLite says otherwise (order of axes, of inputs, fused activations) is put into
 * nodes around them.  Quantised tensors are computed with as real numbers and quantised again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../general.h"
#include "../operators/operators.h"
#include "flexbuffer.h"
#include "tflite.h"

#define VERSION	  18	     /* of ONNX's operator set, whose definitions the nodes made here follow */
#define MACS_MADE (1u << 26) /* of one constant that is computed from constants */

/* Attributes of the next node; the first failure is kept for it. */
struct attributes {
	struct engine_attributes *list;
	int r;
};

static struct attributes none(void)
{
	return (struct attributes){attributes_new(), 0};
}

static void set_integers(struct attributes *a, const char *name, int n, const int64_t *values)
{
	int r = a->list ? attributes_add_integers(a->list, name, strlen(name), values, n) : -ENOMEM;

	a->r = a->r < 0 ? a->r : r;
}

static void set_integer(struct attributes *a, const char *name, int64_t value)
{
	set_integers(a, name, 1, &value);
}

static void set_number(struct attributes *a, const char *name, double value)
{
	int r = a->list ? attributes_add_numbers(a->list, name, strlen(name), &value, 1) : -ENOMEM;

	a->r = a->r < 0 ? a->r : r;
}

static void set_text(struct attributes *a, const char *name, const char *text)
{
	int r = a->list ? attributes_add_text(a->list, name, strlen(name), text, strlen(text)) : -ENOMEM;

	a->r = a->r < 0 ? a->r : r;
}

static struct attributes with_integer(const char *name, int64_t value)
{
	struct attributes a = none();

	set_integer(&a, name, value);
	return a;
}

/* ---- nodes ------------------------------------------------------------------------------------- */

/* Value i of the new node has the shape that was inferred, or the file's where only a run knows it. */
static int settle_output(struct tflite *t, int value, const struct engine_tensor *out, const struct tflite_tensor *like,
			 bool variable, bool known)
{
	struct graph_value *v = &t->graph->values[value];

	if (!known && (!like || like->rank != out->rank))
		return tflite_refuse(t, -ENOTSUP, "makes a tensor whose size depends on data, and says no most");
	v->type = out->type;
	v->rank = out->rank;
	v->variable = variable;
	tflite_set_shape(t, value, out->rank, known ? out->dims : like->dims);
	for (int k = 0; k < out->rank; k++)
		v->dims[k] = variable ? t->shapes[value].dims[k] : GRAPH_DIM_UNKNOWN;
	return 0;
}

/* Constants of constants are computed now, into values of their own; -EAGAIN where they are not, or are too large. */
static int fold(struct tflite *t, int node, int *values, int n_values, struct general_call *call)
{
	const struct graph_node *made = &t->graph->nodes[node];
	bool shape_only = !strcmp(made->general.op->name, "Shape");
	size_t bytes = call->call.scratch_bytes;
	int r;

	if (!made->n_inputs || made->general.op->shrinks || call->call.macs > MACS_MADE)
		return -EAGAIN;
	for (int i = 0; i < made->n_inputs; i++)
		if (made->inputs[i] >= 0 &&
		    (shape_only ? t->graph->values[made->inputs[i]].variable : !t->graph->values[made->inputs[i]].data))
			return -EAGAIN;
	for (int i = 0; i < n_values; i++)
		bytes += tensor_count(call->call.outputs[i]) * engine_type_size(call->call.outputs[i]->type);
	if (bytes > t->made_max - t->made_bytes)
		return -EAGAIN;
	t->made_bytes += bytes;
	for (int i = 0; i < n_values; i++) {
		struct engine_tensor *out = call->call.outputs[i];

		values[i] = graph_add_value(t->graph, NULL, 0, out->type, out->rank, out->dims);
		out->data = values[i] < 0 ? NULL
					  : graph_alloc_data(t->graph, values[i],
							     tensor_count(out) * engine_type_size(out->type));
		if (!out->data || tflite_make_room(t) < 0)
			return tflite_result(t, values[i] < 0 ? values[i] : -ENOMEM);
		tflite_set_shape(t, values[i], out->rank, out->dims);
	}
	r = general_fold(call, made, t->error);
	t->graph->passes[GRAPH_PASS_CONSTANT]++;
	graph_drop_last_node(t->graph);
	return r;
}

static int infer_added(struct tflite *t, int node, int *values, int n_values)
{
	struct general_call call;
	bool variable, known;
	int r = general_infer(t->graph, node, t->shapes, &call, t->error);

	if (r < 0 && r != -EAGAIN)
		return r;
	known = r == 0;
	r = known ? fold(t, node, values, n_values, &call) : -EAGAIN;
	if (r != -EAGAIN)
		return r;
	variable = !known || t->graph->nodes[node].general.op->shrinks;
	for (int i = 0; i < t->graph->nodes[node].n_inputs; i++)
		variable |= t->graph->nodes[node].inputs[i] >= 0 &&
			    t->graph->values[t->graph->nodes[node].inputs[i]].variable;
	r = 0;
	for (int i = 0; i < n_values && r == 0; i++)
		r = settle_output(t, values[i], call.call.outputs[i],
				  i < t->n_outputs ? &t->tensors[t->outputs[i]] : NULL, variable, known);
	return r;
}

/* A node of several outputs; takes the attributes.  0, or an error that is told. */
static int add_nodes(struct tflite *t, const char *name, const int *inputs, int n_inputs, struct attributes a,
		     int *ret_values, int n_values)
{
	static const int32_t nothing[ENGINE_RANK_MAX];
	bool registered;
	const struct engine_operator *op = operators_find(name, strlen(name), &registered);
	int node = -1, r = a.list ? a.r : -ENOMEM;

	for (int i = 0; i < n_inputs && r == 0; i++) {
		if (inputs[i] < -1)
			r = inputs[i];
		else if (inputs[i] >= 0 && t->shapes[inputs[i]].rank < 0)
			r = -ENODATA;
	}
	for (int i = 0; i < n_values && r == 0; i++) {
		ret_values[i] = graph_add_value(t->graph, NULL, 0, ENGINE_F32, 0, nothing);
		r = ret_values[i] < 0 ? ret_values[i] : tflite_make_room(t);
	}
	if (r == 0) {
		node = graph_add_node(t->graph, GRAPH_GENERAL, NULL, 0, inputs, n_inputs, ret_values, n_values);
		r = node < 0 ? node : 0;
	}
	if (r < 0) {
		attributes_free(a.list);
		return r == -ENODATA ? tflite_refuse(t, -ENOTSUP, "reads a tensor whose size the file leaves open")
				     : tflite_result(t, r);
	}
	t->graph->nodes[node].general = (struct graph_general){op, a.list, VERSION};
	return infer_added(t, node, ret_values, n_values);
}

/* The value of a node with one output, or an error that is told; an input below -1 is an error told before. */
static int add(struct tflite *t, const char *name, const int *inputs, int n_inputs, struct attributes a)
{
	int value, r;

	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1) {
			attributes_free(a.list);
			return inputs[i];
		}
	r = add_nodes(t, name, inputs, n_inputs, a, &value, 1);
	return r < 0 ? r : value;
}

static int add_unary(struct tflite *t, const char *name, int x)
{
	return add(t, name, &x, 1, none());
}

/* A constant list of integers. */
static int integers(struct tflite *t, int n, const int64_t *numbers)
{
	int value = graph_add_value(t->graph, NULL, 0, ENGINE_S64, 1, (int32_t[]){n});
	int64_t *data = value < 0 ? NULL : graph_alloc_data(t->graph, value, (size_t)n * sizeof(*data));

	if (!data || tflite_make_room(t) < 0)
		return tflite_result(t, value < 0 ? value : -ENOMEM);
	memcpy(data, numbers, (size_t)n * sizeof(*data));
	tflite_set_shape(t, value, 1, (int32_t[]){n});
	return value;
}

static int transpose(struct tflite *t, int x, int n, const int64_t *order)
{
	struct attributes a = none();

	set_integers(&a, "perm", n, order);
	return add(t, "Transpose", &x, 1, a);
}

static int channels_first(struct tflite *t, int x)
{
	return x < 0 || t->shapes[x].rank != 4 ? tflite_refuse(t, -ENOTSUP, "works on what is no image")
					       : transpose(t, x, 4, (int64_t[]){0, 3, 1, 2});
}

static int channels_last(struct tflite *t, int x)
{
	return x < 0 ? x : transpose(t, x, 4, (int64_t[]){0, 2, 3, 1});
}

static int reshape_as(struct tflite *t, int x, int rank, const int32_t *dims)
{
	int64_t wanted[ENGINE_RANK_MAX];
	int inputs[2] = {x, -1};

	for (int i = 0; i < rank; i++)
		wanted[i] = dims[i];
	inputs[1] = x < 0 ? x : integers(t, rank, wanted);
	return x < 0 ? x : add(t, "Reshape", inputs, 2, none());
}

/* ---- inputs and outputs ------------------------------------------------------------------------ */

/* Input i as real numbers or integers that mean themselves; -1 where it is left out. */
static int operand(struct tflite *t, int i)
{
	int value = tflite_value(t, i), wide, r;
	struct graph_node *node;

	if (value < 0)
		return tflite_has_input(t, i) ? tflite_result(t, value < -1 ? value : -EINVAL) : -1;
	if (t->graph->values[value].type != ENGINE_F16 && !t->graph->values[value].quant.n_scales)
		return value;
	if (t->graph->values[value].data) {
		wide = tflite_widen(t, value);
		return wide < 0 ? tflite_result(t, wide) : wide;
	}
	wide = graph_add_value(t->graph, NULL, 0, ENGINE_F32, t->graph->values[value].rank,
			       (int32_t[ENGINE_RANK_MAX]){-1, -1, -1, -1, -1, -1});
	if (wide < 0 || tflite_make_room(t) < 0)
		return tflite_result(t, wide < 0 ? wide : -ENOMEM);
	r = tflite_add_node(t, GRAPH_CAST, &value, 1, wide, &node);
	t->shapes[wide] = t->shapes[value];
	return r < 0 ? r : wide;
}

static int operands(struct tflite *t, int n, int *ret_values)
{
	for (int i = 0; i < n; i++) {
		ret_values[i] = operand(t, i);
		if (ret_values[i] < -1)
			return ret_values[i];
	}
	return 0;
}

/* ONNX's numbers of the types. */
static int cast(struct tflite *t, int x, enum engine_type type)
{
	static const int64_t numbers[ENGINE_TYPE_COUNT] = {
		[ENGINE_F32] = 1, [ENGINE_F16] = 10, [ENGINE_S8] = 3,	[ENGINE_U8] = 2,
		[ENGINE_S16] = 5, [ENGINE_S32] = 6,  [ENGINE_S64] = 7,	[ENGINE_BOOL] = 9,
		[ENGINE_U16] = 4, [ENGINE_U32] = 12, [ENGINE_U64] = 13,
	};

	return x < 0 || t->graph->values[x].type == type ? x : add(t, "Cast", &x, 1, with_integer("to", numbers[type]));
}

/* The tensor is this value from now on, under its name in the file. */
static int rename_to(struct tflite *t, struct tflite_tensor *tensor, int value)
{
	const char *name = t->graph->values[tensor->declared].name;

	if (name && !t->graph->values[value].name) {
		t->graph->values[value].name = strdup(name);
		if (!t->graph->values[value].name)
			return tflite_result(t, -ENOMEM);
	}
	tensor->value = value;
	return 0;
}

/* The operator's output i is this value, in the type and quantisation that the file wants. */
static int finish(struct tflite *t, int i, int value)
{
	struct tflite_tensor *out;
	struct graph_node *node;
	int r;

	if (value < 0 || i >= t->n_outputs)
		return value < 0 ? value : 0;
	out = &t->tensors[t->outputs[i]];
	if (t->graph->values[out->declared].quant.n_scales == 1) {
		out->value = out->declared;
		r = tflite_add_node(t, GRAPH_CAST, &value, 1, out->declared, &node);
		t->shapes[out->declared] = t->shapes[value];
		return r;
	}
	value = cast(t, value, (enum engine_type)out->type);
	return value < 0 ? value : rename_to(t, out, value);
}

/* The activation that an option names, behind a value. */
static int activate(struct tflite *t, int x, int field)
{
	struct attributes a;
	double lo, hi;

	if (x < 0)
		return x;
	switch (flatbuffer_i8(&t->fb, t->options, field, 0)) {
	case 0:
		return x;
	case 1:
		return add_unary(t, "Relu", x);
	case 2:
		lo = -1;
		hi = 1;
		break;
	case 3:
		lo = 0;
		hi = 6;
		break;
	case 4:
		return add_unary(t, "Tanh", x);
	default:
		return tflite_refuse(t, -ENOTSUP, "has an unknown fused activation");
	}
	a = none();
	set_number(&a, "min", lo);
	set_number(&a, "max", hi);
	return add(t, "Clip", &x, 1, a);
}

static int shape_of(struct tflite *t, int x, struct graph_shape *ret)
{
	if (x < 0)
		return x;
	*ret = t->shapes[x];
	return ret->rank < 0 ? tflite_refuse(t, -ENOTSUP, "reads a tensor whose size the file leaves open") : 0;
}

/* ---- one node for one -------------------------------------------------------------------------- */

static const char *onnx_name(int code);

static int on_same(struct tflite *t)
{
	int inputs[ENGINE_OPERATOR_IO_MAX], r;

	if (t->n_inputs > ENGINE_OPERATOR_IO_MAX)
		return tflite_refuse(t, -ENOTSUP, "has too many inputs");
	r = operands(t, t->n_inputs, inputs);
	return r < 0 ? r : finish(t, 0, add(t, onnx_name(t->code), inputs, t->n_inputs, none()));
}

/* With an activation behind it, which the first of its options names. */
static int on_fused(struct tflite *t)
{
	int inputs[2], r = operands(t, 2, inputs);

	return r < 0 ? r : finish(t, 0, activate(t, add(t, onnx_name(t->code), inputs, 2, none()), 0));
}

static int on_not_equal(struct tflite *t)
{
	int inputs[2], r = operands(t, 2, inputs);

	return r < 0 ? r : finish(t, 0, add_unary(t, "Not", add(t, "Equal", inputs, 2, none())));
}

static int on_square(struct tflite *t)
{
	int x = operand(t, 0);

	return finish(t, 0, add(t, "Mul", (int[]){x, x}, 2, none()));
}

static int on_rsqrt(struct tflite *t)
{
	return finish(t, 0, add_unary(t, "Reciprocal", add_unary(t, "Sqrt", operand(t, 0))));
}

static int on_squared_difference(struct tflite *t)
{
	int inputs[2], r = operands(t, 2, inputs), d;

	if (r < 0)
		return r;
	d = add(t, "Sub", inputs, 2, none());
	return finish(t, 0, add(t, "Mul", (int[]){d, d}, 2, none()));
}

/* Divided as real numbers: integers are below 2^24 in any file that is meant to be exact. */
static int on_floor_div(struct tflite *t)
{
	int inputs[2], r = operands(t, 2, inputs);

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		inputs[i] = cast(t, inputs[i], ENGINE_F32);
	return finish(t, 0, add_unary(t, "Floor", add(t, "Div", inputs, 2, none())));
}

static int on_cast(struct tflite *t)
{
	return finish(t, 0, operand(t, 0));
}

/* Along the last axis, by beta. */
static int on_softmax(struct tflite *t)
{
	float beta = t->code == 50 ? 1.0f : flatbuffer_f32(&t->fb, t->options, 0, 0.0f);
	int inputs[2] = {operand(t, 0), -1};
	float *data;

	if (inputs[0] >= 0 && beta != 1.0f) {
		inputs[1] = graph_add_value(t->graph, NULL, 0, ENGINE_F32, 1, (int32_t[]){1});
		data = inputs[1] < 0 ? NULL : graph_alloc_data(t->graph, inputs[1], sizeof(*data));
		if (!data || tflite_make_room(t) < 0)
			return tflite_result(t, -ENOMEM);
		*data = beta;
		tflite_set_shape(t, inputs[1], 1, (int32_t[]){1});
		inputs[0] = add(t, "Mul", inputs, 2, none());
	}
	return finish(t, 0, add(t, onnx_name(t->code), inputs, 1, with_integer("axis", -1)));
}

static int on_cumsum(struct tflite *t)
{
	int inputs[2], r = operands(t, 2, inputs);
	struct attributes a;

	if (r < 0)
		return r;
	a = with_integer("exclusive", flatbuffer_u8(&t->fb, t->options, 0, 0));
	set_integer(&a, "reverse", flatbuffer_u8(&t->fb, t->options, 1, 0));
	return finish(t, 0, add(t, "CumSum", inputs, 2, a));
}

/* ---- reductions -------------------------------------------------------------------------------- */

static int on_reduce(struct tflite *t)
{
	int x = operand(t, 0), n;
	int32_t axes[ENGINE_RANK_MAX];
	int64_t wide[ENGINE_RANK_MAX];
	struct attributes a;

	n = tflite_integers(t, 1, ENGINE_RANK_MAX, axes);
	if (n < 0)
		return tflite_refuse(t, -ENOTSUP, "has axes that are not constant");
	if (x >= 0 && t->graph->values[x].type == ENGINE_BOOL)
		x = cast(t, x, ENGINE_S32);
	for (int i = 0; i < n; i++)
		wide[i] = axes[i];
	a = with_integer("keepdims", flatbuffer_u8(&t->fb, t->options, 0, 0));
	/* No axes are all axes for ONNX; for TFLite they are none. */
	set_integer(&a, "noop_with_empty_axes", 1);
	set_integers(&a, "axes", n, wide);
	return finish(t, 0, add(t, onnx_name(t->code), &x, 1, a));
}

static int on_arg(struct tflite *t)
{
	int x = operand(t, 0);
	struct attributes a;
	int32_t axis;

	if (tflite_integers(t, 1, 1, &axis) != 1)
		return tflite_refuse(t, -ENOTSUP, "has an axis that is not constant");
	a = with_integer("axis", axis);
	set_integer(&a, "keepdims", 0);
	return finish(t, 0, add(t, onnx_name(t->code), &x, 1, a));
}

static int on_topk(struct tflite *t)
{
	int inputs[2], values[2], r = operands(t, 2, inputs);
	struct graph_shape k;

	if (r == 0)
		r = shape_of(t, inputs[1], &k);
	if (r < 0)
		return r;
	if (k.rank == 0)
		inputs[1] = reshape_as(t, inputs[1], 1, (int32_t[]){1});
	inputs[1] = cast(t, inputs[1], ENGINE_S64);
	if (inputs[1] < 0)
		return inputs[1];
	r = add_nodes(t, "TopK", inputs, 2, none(), values, 2);
	if (r == 0)
		r = finish(t, 0, values[0]);
	return r < 0 ? r : finish(t, 1, values[1]);
}

/* ---- shapes and places ------------------------------------------------------------------------- */

static int on_shape(struct tflite *t)
{
	return finish(t, 0, add_unary(t, "Shape", operand(t, 0)));
}

static int on_rank(struct tflite *t)
{
	return finish(t, 0, add_unary(t, "Size", add_unary(t, "Shape", operand(t, 0))));
}

/* The second input is the shape, or the options of older files. */
static int on_reshape(struct tflite *t)
{
	struct flatbuffer_vector shape = flatbuffer_vector(&t->fb, t->options, 0, 4);
	int inputs[2] = {operand(t, 0), -1};
	int32_t dims[ENGINE_RANK_MAX];

	if (tflite_has_input(t, 1)) {
		inputs[1] = operand(t, 1);
		return finish(t, 0, add(t, "Reshape", inputs, 2, with_integer("allowzero", 1)));
	}
	if (shape.count > ENGINE_RANK_MAX)
		return tflite_refuse(t, -ENOTSUP, "makes too many axes");
	for (uint32_t i = 0; i < shape.count; i++)
		dims[i] = flatbuffer_i32_at(&t->fb, &shape, i);
	return finish(t, 0, reshape_as(t, inputs[0], (int)shape.count, dims));
}

/* Axes of one element come or go: the file says what is left. */
static int on_squeeze(struct tflite *t)
{
	const struct tflite_tensor *out = &t->tensors[t->outputs[0]];

	return finish(t, 0, reshape_as(t, operand(t, 0), out->rank, out->dims));
}

static int on_transpose(struct tflite *t)
{
	int32_t order[ENGINE_RANK_MAX];
	int64_t wide[ENGINE_RANK_MAX];
	int n = tflite_integers(t, 1, ENGINE_RANK_MAX, order), x = operand(t, 0);

	if (n < 0)
		return tflite_refuse(t, -ENOTSUP, "has an order that is not constant");
	for (int i = 0; i < n; i++)
		wide[i] = order[i];
	return finish(t, 0, x < 0 ? x : transpose(t, x, n, wide));
}

static int on_concat(struct tflite *t)
{
	int inputs[ENGINE_OPERATOR_IO_MAX], r;

	if (t->n_inputs > ENGINE_OPERATOR_IO_MAX)
		return tflite_refuse(t, -ENOTSUP, "has too many inputs");
	r = operands(t, t->n_inputs, inputs);
	if (r < 0)
		return r;
	return finish(t, 0,
		      activate(t,
			       add(t, "Concat", inputs, t->n_inputs,
				   with_integer("axis", flatbuffer_i32(&t->fb, t->options, 0, 0))),
			       1));
}

static int on_pack(struct tflite *t)
{
	int inputs[ENGINE_OPERATOR_IO_MAX];
	int64_t axis = flatbuffer_i32(&t->fb, t->options, 1, 0);

	if (t->n_inputs > ENGINE_OPERATOR_IO_MAX)
		return tflite_refuse(t, -ENOTSUP, "has too many inputs");
	for (int i = 0; i < t->n_inputs; i++) {
		int pair[2] = {operand(t, i), integers(t, 1, &axis)};

		inputs[i] = pair[0] < 0 || pair[1] < 0 ? -EINVAL : add(t, "Unsqueeze", pair, 2, none());
		if (inputs[i] < 0)
			return inputs[i] == -EINVAL ? tflite_refuse(t, -EINVAL, "packs what is not there") : inputs[i];
	}
	return finish(t, 0, add(t, "Concat", inputs, t->n_inputs, with_integer("axis", axis)));
}

/* One element of an axis, which is gone then. */
static int pick(struct tflite *t, int x, int64_t axis, int64_t i)
{
	int index = integers(t, 1, &i), inputs[2];

	if (index < 0)
		return index;
	inputs[0] = x;
	inputs[1] = reshape_as(t, index, 0, NULL);
	return add(t, "Gather", inputs, 2, with_integer("axis", axis));
}

static int on_unpack(struct tflite *t)
{
	int64_t axis = flatbuffer_i32(&t->fb, t->options, 1, 0);
	int x = operand(t, 0), r = x < 0 ? x : 0;

	for (int i = 0; i < t->n_outputs && r == 0; i++)
		r = finish(t, i, pick(t, x, axis, i));
	return r;
}

/* SPLIT into equal parts, its axis first; SPLIT_V into the lengths given. */
static int on_split(struct tflite *t)
{
	int values[ENGINE_OPERATOR_IO_MAX], inputs[2] = {-1, -1}, n = t->n_outputs, r = 0;
	bool lengths = t->code == 102;
	int32_t axis;

	if (tflite_integers(t, lengths ? 2 : 0, 1, &axis) != 1)
		return tflite_refuse(t, -ENOTSUP, "has an axis that is not constant");
	if (n < 1 || n > ENGINE_OPERATOR_IO_MAX)
		return tflite_refuse(t, -ENOTSUP, "has too many parts");
	inputs[0] = operand(t, lengths ? 0 : 1);
	if (lengths)
		inputs[1] = cast(t, operand(t, 1), ENGINE_S64);
	if (inputs[0] < 0 || inputs[1] < -1)
		return tflite_refuse(t, -EINVAL, "lacks an input");
	r = add_nodes(t, "Split", inputs, lengths ? 2 : 1, with_integer("axis", axis), values, n);
	for (int i = 0; i < n && r == 0; i++)
		r = finish(t, i, values[i]);
	return r;
}

/* Elements from[i], from[i] + step[i], ... before to[i] of each axis i < n. */
static int slice(struct tflite *t, int x, int n, const int64_t *from, const int64_t *to, const int64_t *step)
{
	int64_t axes[ENGINE_RANK_MAX];
	int inputs[5] = {x};

	for (int i = 0; i < n; i++)
		axes[i] = i;
	inputs[1] = integers(t, n, from);
	inputs[2] = integers(t, n, to);
	inputs[3] = integers(t, n, axes);
	inputs[4] = integers(t, n, step);
	return x < 0 ? x : add(t, "Slice", inputs, 5, none());
}

static int on_slice(struct tflite *t)
{
	int32_t begin[ENGINE_RANK_MAX], size[ENGINE_RANK_MAX];
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
	int n = tflite_integers(t, 1, ENGINE_RANK_MAX, begin), x = operand(t, 0);

	if (n < 0 || tflite_integers(t, 2, ENGINE_RANK_MAX, size) != n)
		return tflite_refuse(t, -ENOTSUP, "has bounds that are not constant");
	for (int i = 0; i < n; i++) {
		from[i] = begin[i];
		to[i] = size[i] < 0 ? INT32_MAX : (int64_t)begin[i] + size[i];
		step[i] = 1;
	}
	return finish(t, 0, slice(t, x, n, from, to, step));
}

static int on_strided_slice(struct tflite *t)
{
	int32_t begin[ENGINE_RANK_MAX], end[ENGINE_RANK_MAX], stride[ENGINE_RANK_MAX];
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
	int64_t from_edge = flatbuffer_i32(&t->fb, t->options, 0, 0),
		to_edge = flatbuffer_i32(&t->fb, t->options, 1, 0);
	int64_t shrink = flatbuffer_i32(&t->fb, t->options, 4, 0);
	int n = tflite_integers(t, 1, ENGINE_RANK_MAX, begin), x = operand(t, 0), value;
	const struct tflite_tensor *out = &t->tensors[t->outputs[0]];

	if (n < 0 || tflite_integers(t, 2, ENGINE_RANK_MAX, end) != n ||
	    tflite_integers(t, 3, ENGINE_RANK_MAX, stride) != n)
		return tflite_refuse(t, -ENOTSUP, "has bounds that are not constant");
	if (flatbuffer_i32(&t->fb, t->options, 2, 0) || flatbuffer_i32(&t->fb, t->options, 3, 0))
		return tflite_refuse(t, -ENOTSUP, "has an ellipsis or a new axis");
	for (int i = 0; i < n; i++) {
		bool one = shrink >> i & 1;

		step[i] = one ? 1 : stride[i];
		from[i] = begin[i];
		to[i] = end[i];
		if (from_edge >> i & 1 && !one)
			from[i] = step[i] < 0 ? INT32_MAX : 0;
		if (one)
			to[i] = begin[i] == -1 ? INT32_MAX : (int64_t)begin[i] + 1;
		else if (to_edge >> i & 1)
			to[i] = step[i] < 0 ? INT32_MIN : INT32_MAX;
	}
	value = slice(t, x, n, from, to, step);
	return finish(t, 0, shrink ? reshape_as(t, value, out->rank, out->dims) : value);
}

static int on_reverse(struct tflite *t)
{
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
	int32_t axes[ENGINE_RANK_MAX];
	int x = operand(t, 0), n = tflite_integers(t, 1, ENGINE_RANK_MAX, axes), rank, r;
	struct graph_shape shape = {0};

	if (n < 0)
		return tflite_refuse(t, -ENOTSUP, "has axes that are not constant");
	r = shape_of(t, x, &shape);
	if (r < 0)
		return r;
	rank = shape.rank;
	for (int i = 0; i < rank; i++) {
		bool turned = false;

		for (int k = 0; k < n; k++)
			turned |= (axes[k] < 0 ? axes[k] + rank : axes[k]) == i;
		from[i] = turned ? INT32_MAX : 0;
		to[i] = turned ? INT32_MIN : INT32_MAX;
		step[i] = turned ? -1 : 1;
	}
	return finish(t, 0, slice(t, x, rank, from, to, step));
}

static int on_pad(struct tflite *t)
{
	int32_t pairs[2 * ENGINE_RANK_MAX];
	int64_t pads[2 * ENGINE_RANK_MAX];
	int n = tflite_integers(t, 1, 2 * ENGINE_RANK_MAX, pairs) / 2, inputs[3] = {operand(t, 0), -1, operand(t, 2)};
	struct attributes a = none();

	if (n < 1 || inputs[0] < 0) {
		attributes_free(a.list);
		return tflite_refuse(t, -ENOTSUP, "has paddings that are not constant");
	}
	for (int i = 0; i < n; i++) {
		pads[i] = pairs[2 * i];
		pads[n + i] = pairs[2 * i + 1];
	}
	set_text(&a, "mode",
		 t->code != 100				   ? "constant"
		 : flatbuffer_i8(&t->fb, t->options, 0, 0) ? "symmetric"
							   : "reflect");
	inputs[1] = integers(t, 2 * n, pads);
	return finish(t, 0, add(t, "Pad", inputs, inputs[2] >= 0 ? 3 : 2, a));
}

static int on_gather(struct tflite *t)
{
	int inputs[2], r = operands(t, 2, inputs);
	struct attributes a;

	if (r < 0)
		return r;
	a = with_integer("axis", flatbuffer_i32(&t->fb, t->options, 0, 0));
	set_integer(&a, "batch_dims", flatbuffer_i32(&t->fb, t->options, 1, 0));
	return finish(t, 0, add(t, "Gather", inputs, 2, a));
}

/* The table is the second input. */
static int on_embedding(struct tflite *t)
{
	int inputs[2] = {operand(t, 1), operand(t, 0)};

	return finish(t, 0, add(t, "Gather", inputs, 2, with_integer("axis", 0)));
}

/* Sizes come first. */
static int on_fill(struct tflite *t)
{
	int inputs[2] = {operand(t, 1), cast(t, operand(t, 0), ENGINE_S64)};

	return finish(t, 0, add(t, "Expand", inputs, 2, none()));
}

static int on_expand(struct tflite *t)
{
	int inputs[2] = {operand(t, 0), cast(t, operand(t, 1), ENGINE_S64)};

	return finish(t, 0, add(t, onnx_name(t->code), inputs, 2, none()));
}

/* Values for "on" and "off" are one input of ONNX's, off first. */
static int on_one_hot(struct tflite *t)
{
	int inputs[4], r = operands(t, 4, inputs), pair[2];
	struct attributes a;

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		pair[i] = reshape_as(t, inputs[3 - i], 1, (int32_t[]){1});
	inputs[2] = add(t, "Concat", pair, 2, with_integer("axis", 0));
	a = with_integer("axis", flatbuffer_i32(&t->fb, t->options, 0, -1));
	set_integer(&a, "negative_counts_from_end", 0);
	return finish(t, 0, add(t, "OneHot", inputs, 3, a));
}

/* Places one below the other, not side by side. */
static int on_where(struct tflite *t)
{
	int places = add_unary(t, "NonZero", operand(t, 0));

	return finish(t, 0, places < 0 ? places : transpose(t, places, 2, (int64_t[]){1, 0}));
}

static int on_scatter_nd(struct tflite *t)
{
	int inputs[3], r = operands(t, 3, inputs), zero;
	struct attributes a;

	if (r < 0 || inputs[1] < 0)
		return r < 0 ? r : tflite_refuse(t, -EINVAL, "lacks an input");
	zero = cast(t, integers(t, 1, (int64_t[]){0}), t->graph->values[inputs[1]].type);
	zero = add(t, "Expand", (int[]){zero, cast(t, inputs[2], ENGINE_S64)}, 2, none());
	a = none();
	set_text(&a, "reduction", "add");
	return finish(t, 0, add(t, "ScatterND", (int[]){zero, cast(t, inputs[0], ENGINE_S64), inputs[1]}, 3, a));
}

/* ---- matrices ---------------------------------------------------------------------------------- */

static int turn_last_two(struct tflite *t, int x)
{
	int64_t order[ENGINE_RANK_MAX];
	struct graph_shape shape = {0};
	int r = shape_of(t, x, &shape);

	if (r < 0 || shape.rank < 2)
		return r < 0 ? r : tflite_refuse(t, -EINVAL, "multiplies what is no matrix");
	for (int i = 0; i < shape.rank; i++)
		order[i] = i < shape.rank - 2 ? i : 2 * shape.rank - 3 - i;
	return transpose(t, x, shape.rank, order);
}

static int on_batch_matmul(struct tflite *t)
{
	int inputs[2], r = operands(t, 2, inputs);

	for (int i = 0; i < 2 && r == 0; i++)
		if (flatbuffer_u8(&t->fb, t->options, i, 0)) {
			inputs[i] = turn_last_two(t, inputs[i]);
			r = inputs[i] < 0 ? inputs[i] : 0;
		}
	return r < 0 ? r : finish(t, 0, add(t, "MatMul", inputs, 2, none()));
}

static int on_fully_connected(struct tflite *t)
{
	const struct tflite_tensor *out = &t->tensors[t->outputs[0]];
	struct graph_shape weights = {0};
	int inputs[3], r = operands(t, 3, inputs), value;

	if (r == 0)
		r = shape_of(t, inputs[1], &weights);
	if (r < 0)
		return r;
	if (weights.rank != 2 || flatbuffer_i8(&t->fb, t->options, 1, 0))
		return tflite_refuse(t, -ENOTSUP, "has weights that are no matrix, or shuffled");
	inputs[0] = reshape_as(t, inputs[0], 2, (int32_t[]){-1, weights.dims[1]});
	value = add(t, "Gemm", inputs, inputs[2] >= 0 ? 3 : 2, with_integer("transB", 1));
	return finish(t, 0, reshape_as(t, activate(t, value, 0), out->rank, out->dims));
}

/* ---- windows ----------------------------------------------------------------------------------- */

static struct attributes window(struct tflite *t, int64_t dilation_h, int64_t dilation_w)
{
	struct attributes a = none();

	set_text(&a, "auto_pad", flatbuffer_i8(&t->fb, t->options, 0, 0) ? "VALID" : "SAME_UPPER");
	set_integers(&a, "strides", 2,
		     (int64_t[]){flatbuffer_i32(&t->fb, t->options, 2, 0), flatbuffer_i32(&t->fb, t->options, 1, 0)});
	if (dilation_h != 1 || dilation_w != 1)
		set_integers(&a, "dilations", 2, (int64_t[]){dilation_h, dilation_w});
	return a;
}

/* Convolutions of both kinds: [O][H][W][I], or [1][H][W][O] with as many groups as the input has channels. */
static int on_conv(struct tflite *t)
{
	bool depthwise = t->code == 4;
	int inputs[3], r = operands(t, 3, inputs), field = depthwise ? 5 : 4;
	struct graph_shape x = {0}, w = {0};
	struct attributes a;
	int64_t groups;

	if (r == 0)
		r = shape_of(t, inputs[0], &x);
	if (r == 0)
		r = shape_of(t, inputs[1], &w);
	if (r < 0)
		return r;
	if (x.rank != 4 || w.rank != 4 || w.dims[3] < 1 || x.dims[3] < 1)
		return tflite_refuse(t, -EINVAL, "has no image or no weights of four axes");
	groups = depthwise ? x.dims[3] : x.dims[3] / w.dims[3];
	inputs[0] = channels_first(t, inputs[0]);
	inputs[1] = transpose(t, inputs[1], 4, depthwise ? (int64_t[]){3, 0, 1, 2} : (int64_t[]){0, 3, 1, 2});
	a = window(t, flatbuffer_i32(&t->fb, t->options, field + 1, 1), flatbuffer_i32(&t->fb, t->options, field, 1));
	set_integer(&a, "group", groups);
	return finish(
		t, 0,
		channels_last(t, activate(t, add(t, "Conv", inputs, inputs[2] >= 0 ? 3 : 2, a), depthwise ? 4 : 3)));
}

static int on_pool(struct tflite *t)
{
	int x = channels_first(t, operand(t, 0));
	struct attributes a;

	if (x < 0)
		return x;
	a = window(t, 1, 1);
	set_integers(&a, "kernel_shape", 2,
		     (int64_t[]){flatbuffer_i32(&t->fb, t->options, 4, 0), flatbuffer_i32(&t->fb, t->options, 3, 0)});
	return finish(t, 0, channels_last(t, activate(t, add(t, onnx_name(t->code), &x, 1, a), 5)));
}

/*
 * The padding of a transposed convolution is what makes its output as large as is wanted, half of it in front.  Weights
 * are [O][H][W][I].
 */
static int transposed_conv(struct tflite *t, int x, int weights, int bias, const int64_t stride[2],
			   const int64_t out[2])
{
	int64_t pads[4], extra[2];
	struct graph_shape in = {0}, w = {0};
	int r = shape_of(t, x, &in), inputs[3] = {-1, -1, bias};
	struct attributes a;

	if (r == 0)
		r = shape_of(t, weights, &w);
	if (r < 0)
		return r;
	if (in.rank != 4 || w.rank != 4)
		return tflite_refuse(t, -EINVAL, "has no image or no weights of four axes");
	for (int i = 0; i < 2; i++) {
		int64_t full = (in.dims[1 + i] - 1) * stride[i] + w.dims[1 + i];
		int64_t cut = full > out[i] ? full - out[i] : 0;

		pads[i] = cut / 2;
		pads[2 + i] = cut - cut / 2;
		extra[i] = out[i] > full ? out[i] - full : 0;
	}
	inputs[0] = channels_first(t, x);
	inputs[1] = transpose(t, weights, 4, (int64_t[]){3, 0, 1, 2});
	a = none();
	set_integers(&a, "strides", 2, stride);
	set_integers(&a, "pads", 4, pads);
	set_integers(&a, "output_padding", 2, extra);
	return channels_last(t, add(t, "ConvTranspose", inputs, bias >= 0 ? 3 : 2, a));
}

static int on_transpose_conv(struct tflite *t)
{
	int64_t stride[2] = {flatbuffer_i32(&t->fb, t->options, 2, 0), flatbuffer_i32(&t->fb, t->options, 1, 0)};
	int inputs[4], r = operands(t, 4, inputs);
	int32_t out[4];

	if (r < 0)
		return r;
	if (tflite_integers(t, 0, 4, out) != 4)
		return tflite_refuse(t, -ENOTSUP, "makes an image of a size that is not constant");
	if (stride[0] < 1 || stride[1] < 1 || stride[0] > GRAPH_WINDOW_MAX || stride[1] > GRAPH_WINDOW_MAX)
		return tflite_refuse(t, -EINVAL, "has impossible strides");
	r = transposed_conv(t, inputs[2], inputs[1], inputs[3], stride, (int64_t[]){out[1], out[2]});
	return finish(t, 0, activate(t, r, 3));
}

/* Its options are three integers as C lays them out: padding (1 same, 2 valid), stride across, stride down. */
static int on_transpose_conv_bias(struct tflite *t)
{
	int inputs[3], r = operands(t, 3, inputs);
	struct graph_shape x = {0}, w = {0};
	int64_t stride[2], out[2];
	int32_t options[3];

	if (r == 0)
		r = shape_of(t, inputs[0], &x);
	if (r == 0)
		r = shape_of(t, inputs[1], &w);
	if (r < 0)
		return r;
	if (t->custom_options.count < sizeof(options) || x.rank != 4 || w.rank != 4)
		return tflite_refuse(t, -EINVAL, "has no options, no image or no weights");
	memcpy(options, t->fb.data + t->custom_options.at, sizeof(options));
	for (int i = 0; i < 2; i++) {
		stride[i] = options[2 - i];
		if (stride[i] < 1 || stride[i] > GRAPH_WINDOW_MAX)
			return tflite_refuse(t, -EINVAL, "has impossible strides");
		out[i] = options[0] == 1 ? x.dims[1 + i] * stride[i] : (x.dims[1 + i] - 1) * stride[i] + w.dims[1 + i];
	}
	return finish(t, 0, transposed_conv(t, inputs[0], inputs[1], inputs[2], stride, out));
}

static int on_depth_space(struct tflite *t)
{
	int x = channels_first(t, operand(t, 0));
	int64_t block = flatbuffer_i32(&t->fb, t->options, 0, 0);

	return finish(
		t, 0,
		channels_last(t, x < 0 ? x : add(t, onnx_name(t->code), &x, 1, with_integer("blocksize", block))));
}

/* ONNX divides alpha by the number of channels that are summed. */
static int on_lrn(struct tflite *t)
{
	int64_t size = 2 * flatbuffer_i32(&t->fb, t->options, 0, 0) + 1;
	int x = channels_first(t, operand(t, 0));
	struct attributes a;

	if (x < 0)
		return x;
	a = with_integer("size", size);
	set_number(&a, "bias", (double)flatbuffer_f32(&t->fb, t->options, 1, 0));
	set_number(&a, "alpha", (double)flatbuffer_f32(&t->fb, t->options, 2, 0) * (double)size);
	set_number(&a, "beta", (double)flatbuffer_f32(&t->fb, t->options, 3, 0));
	return finish(t, 0, channels_last(t, add(t, "LRN", &x, 1, a)));
}

static int on_l2_norm(struct tflite *t)
{
	int x = operand(t, 0);
	struct attributes a;

	if (x < 0)
		return x;
	a = with_integer("axis", -1);
	set_integer(&a, "p", 2);
	return finish(t, 0, activate(t, add(t, "LpNormalization", &x, 1, a), 0));
}

static int on_resize(struct tflite *t)
{
	bool linear = t->code == 23;
	bool corners = flatbuffer_u8(&t->fb, t->options, linear ? 2 : 0, 0);
	bool half = flatbuffer_u8(&t->fb, t->options, linear ? 3 : 1, 0);
	int inputs[4] = {operand(t, 0), -1, -1, -1};
	struct graph_shape x = {0};
	struct attributes a;
	int32_t size[2];
	int r = shape_of(t, inputs[0], &x);

	if (r < 0)
		return r;
	if (x.rank != 4 || tflite_integers(t, 1, 2, size) != 2)
		return tflite_refuse(t, -ENOTSUP, "has a size that is not constant");
	inputs[3] = integers(t, 4, (int64_t[]){x.dims[0], size[0], size[1], x.dims[3]});
	a = none();
	set_text(&a, "mode", linear ? "linear" : "nearest");
	set_text(&a, "coordinate_transformation_mode", corners ? "align_corners" : half ? "half_pixel" : "asymmetric");
	set_text(&a, "nearest_mode", corners || half ? "round_prefer_ceil" : "floor");
	return finish(t, 0, add(t, "Resize", inputs, 4, a));
}

/* ---- images cut into parts ---------------------------------------------------------------------- */

int tflite_cut(struct tflite *t, struct tflite_tensor *tensor)
{
	const struct tflite_blocks *b = &tensor->blocks;
	struct graph_shape x = {0};
	int r = shape_of(t, tensor->value, &x), inputs[2] = {tensor->value, -1}, value;
	int64_t h, w;

	if (r < 0)
		return r;
	h = (int64_t)x.dims[1] + b->top + b->bottom;
	w = (int64_t)x.dims[2] + b->left + b->right;
	if (x.rank != 4 || b->conv >= 0 || h % b->h || w % b->w || h > INT32_MAX || w > INT32_MAX)
		return tflite_refuse(t, -ENOTSUP, "works on the parts of an image");
	inputs[1] = integers(t, 8, (int64_t[]){0, b->top, b->left, 0, 0, b->bottom, b->right, 0});
	value = reshape_as(t, add(t, "Pad", inputs, 2, none()), 6,
			   (int32_t[]){x.dims[0], (int32_t)h / b->h, b->h, (int32_t)w / b->w, b->w, x.dims[3]});
	value = value < 0 ? value : transpose(t, value, 6, (int64_t[]){2, 4, 0, 1, 3, 5});
	value = reshape_as(t, value, 4, (int32_t[]){-1, (int32_t)h / b->h, (int32_t)w / b->w, x.dims[3]});
	tensor->blocks = (struct tflite_blocks){0};
	return value < 0 ? value : rename_to(t, tensor, value);
}

static int on_batch_to_space(struct tflite *t)
{
	int32_t block[2], crops[4], parts;
	int x = operand(t, 0), r;
	struct graph_shape shape = {0};
	int64_t from[4] = {0}, to[4] = {INT32_MAX, 0, 0, INT32_MAX}, step[4] = {1, 1, 1, 1};

	r = shape_of(t, x, &shape);
	if (r < 0)
		return r;
	if (shape.rank != 4 || tflite_integers(t, 1, 2, block) != 2 || tflite_integers(t, 2, 4, crops) != 4)
		return tflite_refuse(t, -ENOTSUP, "joins other axes than height and width");
	for (int i = 0; i < 2; i++) {
		int64_t side = (int64_t)shape.dims[1 + i] * block[i];

		if (block[i] < 1 || block[i] > GRAPH_WINDOW_MAX || crops[2 * i] < 0 || crops[2 * i + 1] < 0 ||
		    (int64_t)crops[2 * i] + crops[2 * i + 1] >= side || side > INT32_MAX)
			return tflite_refuse(t, -EINVAL, "has an impossible block or crop");
		from[1 + i] = crops[2 * i];
		to[1 + i] = side - crops[2 * i + 1];
	}
	parts = (int32_t)((int64_t)block[0] * block[1] > shape.dims[0] ? 0 : block[0] * block[1]);
	if (!parts || shape.dims[0] % parts)
		return tflite_refuse(t, -EINVAL, "joins fewer parts than there are");
	x = reshape_as(
		t, x, 6,
		(int32_t[]){block[0], block[1], shape.dims[0] / parts, shape.dims[1], shape.dims[2], shape.dims[3]});
	x = x < 0 ? x : transpose(t, x, 6, (int64_t[]){2, 3, 0, 4, 1, 5});
	x = reshape_as(t, x, 4, (int32_t[]){-1, shape.dims[1] * block[0], shape.dims[2] * block[1], shape.dims[3]});
	return finish(t, 0, slice(t, x, 4, from, to, step));
}

/* Sequences of their own lengths, turned around. */
static int on_reverse_sequence(struct tflite *t)
{
	int inputs[2], r = operands(t, 2, inputs);
	struct attributes a;

	if (r < 0)
		return r;
	inputs[1] = cast(t, inputs[1], ENGINE_S64);
	a = with_integer("time_axis", flatbuffer_i32(&t->fb, t->options, 0, 0));
	set_integer(&a, "batch_axis", flatbuffer_i32(&t->fb, t->options, 1, 0));
	return finish(t, 0, add(t, "ReverseSequence", inputs, 2, a));
}

/* Functions with a parameter that ONNX has under a name. */
static int on_function(struct tflite *t)
{
	int x = operand(t, 0);
	struct attributes a = none();

	if (t->code == 98)
		set_number(&a, "alpha", (double)flatbuffer_f32(&t->fb, t->options, 0, 0));
	if (t->code == 150 && flatbuffer_u8(&t->fb, t->options, 0, 0))
		set_text(&a, "approximate", "tanh");
	if (t->code == 21 || t->code == 20) {
		set_number(&a, "min", t->code == 21 ? 0 : -1);
		set_number(&a, "max", t->code == 21 ? 6 : 1);
	}
	return finish(t, 0, add(t, onnx_name(t->code), &x, 1, a));
}

/* ---- custom operators -------------------------------------------------------------------------- */

/* An operator of this name, with the options of its map as attributes. */
static int on_custom(struct tflite *t, const char *name)
{
	int inputs[ENGINE_OPERATOR_IO_MAX], values[ENGINE_OPERATOR_IO_MAX], r;
	struct attributes a = none();

	r = t->n_inputs > ENGINE_OPERATOR_IO_MAX || t->n_outputs > ENGINE_OPERATOR_IO_MAX || t->n_outputs < 1
		    ? tflite_refuse(t, -ENOTSUP, "has too many inputs or outputs")
		    : operands(t, t->n_inputs, inputs);
	if (r == 0 && a.list)
		r = flexbuffer_attributes(t->fb.data + t->custom_options.at, t->custom_options.count, a.list);
	if (r < 0) {
		attributes_free(a.list);
		return r == -EBADMSG ? tflite_refuse(t, -EINVAL, "has malformed options") : r;
	}
	r = add_nodes(t, name, inputs, t->n_inputs, a, values, t->n_outputs);
	for (int i = 0; i < t->n_outputs && r == 0; i++)
		r = finish(t, i, values[i]);
	return r;
}

/* ---- the table --------------------------------------------------------------------------------- */

static const struct general {
	int code;
	const char *name;
	int (*add)(struct tflite *t);
	const char *onnx; /* what on_same() and others of several operators make */
	int n_inputs;	  /* at least */
} generals[] = {
	{0, "ADD", on_fused, "Add", 2},
	{1, "AVERAGE_POOL_2D", on_pool, "AveragePool", 1},
	{2, "CONCATENATION", on_concat, NULL, 1},
	{3, "CONV_2D", on_conv, NULL, 2},
	{4, "DEPTHWISE_CONV_2D", on_conv, NULL, 2},
	{5, "DEPTH_TO_SPACE", on_depth_space, "DepthToSpace", 1},
	{7, "EMBEDDING_LOOKUP", on_embedding, NULL, 2},
	{8, "FLOOR", on_same, "Floor", 1},
	{9, "FULLY_CONNECTED", on_fully_connected, NULL, 2},
	{11, "L2_NORMALIZATION", on_l2_norm, NULL, 1},
	{13, "LOCAL_RESPONSE_NORMALIZATION", on_lrn, NULL, 1},
	{14, "LOGISTIC", on_same, "Sigmoid", 1},
	{17, "MAX_POOL_2D", on_pool, "MaxPool", 1},
	{18, "MUL", on_fused, "Mul", 2},
	{19, "RELU", on_same, "Relu", 1},
	{20, "RELU_N1_TO_1", on_function, "Clip", 1},
	{21, "RELU6", on_function, "Clip", 1},
	{22, "RESHAPE", on_reshape, NULL, 1},
	{23, "RESIZE_BILINEAR", on_resize, NULL, 2},
	{25, "SOFTMAX", on_softmax, "Softmax", 1},
	{26, "SPACE_TO_DEPTH", on_depth_space, "SpaceToDepth", 1},
	{28, "TANH", on_same, "Tanh", 1},
	{34, "PAD", on_pad, NULL, 2},
	{36, "GATHER", on_gather, NULL, 2},
	{37, "BATCH_TO_SPACE_ND", on_batch_to_space, NULL, 3},
	{39, "TRANSPOSE", on_transpose, NULL, 2},
	{40, "MEAN", on_reduce, "ReduceMean", 2},
	{41, "SUB", on_fused, "Sub", 2},
	{42, "DIV", on_fused, "Div", 2},
	{43, "SQUEEZE", on_squeeze, NULL, 1},
	{45, "STRIDED_SLICE", on_strided_slice, NULL, 4},
	{47, "EXP", on_same, "Exp", 1},
	{48, "TOPK_V2", on_topk, NULL, 2},
	{49, "SPLIT", on_split, NULL, 2},
	{50, "LOG_SOFTMAX", on_softmax, "LogSoftmax", 1},
	{53, "CAST", on_cast, NULL, 1},
	{54, "PRELU", on_same, "PRelu", 2},
	{55, "MAXIMUM", on_same, "Max", 2},
	{56, "ARG_MAX", on_arg, "ArgMax", 2},
	{57, "MINIMUM", on_same, "Min", 2},
	{58, "LESS", on_same, "Less", 2},
	{59, "NEG", on_same, "Neg", 1},
	{60, "PADV2", on_pad, NULL, 3},
	{61, "GREATER", on_same, "Greater", 2},
	{62, "GREATER_EQUAL", on_same, "GreaterOrEqual", 2},
	{63, "LESS_EQUAL", on_same, "LessOrEqual", 2},
	{64, "SELECT", on_same, "Where", 3},
	{65, "SLICE", on_slice, NULL, 3},
	{66, "SIN", on_same, "Sin", 1},
	{67, "TRANSPOSE_CONV", on_transpose_conv, NULL, 3},
	{69, "TILE", on_expand, "Tile", 2},
	{70, "EXPAND_DIMS", on_squeeze, NULL, 1},
	{71, "EQUAL", on_same, "Equal", 2},
	{72, "NOT_EQUAL", on_not_equal, NULL, 2},
	{73, "LOG", on_same, "Log", 1},
	{74, "SUM", on_reduce, "ReduceSum", 2},
	{75, "SQRT", on_same, "Sqrt", 1},
	{76, "RSQRT", on_rsqrt, NULL, 1},
	{77, "SHAPE", on_shape, NULL, 1},
	{78, "POW", on_same, "Pow", 2},
	{79, "ARG_MIN", on_arg, "ArgMin", 2},
	{81, "REDUCE_PROD", on_reduce, "ReduceProd", 2},
	{82, "REDUCE_MAX", on_reduce, "ReduceMax", 2},
	{83, "PACK", on_pack, NULL, 1},
	{84, "LOGICAL_OR", on_same, "Or", 2},
	{85, "ONE_HOT", on_one_hot, NULL, 4},
	{86, "LOGICAL_AND", on_same, "And", 2},
	{87, "LOGICAL_NOT", on_same, "Not", 1},
	{88, "UNPACK", on_unpack, NULL, 1},
	{89, "REDUCE_MIN", on_reduce, "ReduceMin", 2},
	{90, "FLOOR_DIV", on_floor_div, NULL, 2},
	{91, "REDUCE_ANY", on_reduce, "ReduceMax", 2},
	{92, "SQUARE", on_square, NULL, 1},
	{94, "FILL", on_fill, NULL, 2},
	{95, "FLOOR_MOD", on_same, "Mod", 2},
	{96, "RANGE", on_same, "Range", 3},
	{97, "RESIZE_NEAREST_NEIGHBOR", on_resize, NULL, 2},
	{98, "LEAKY_RELU", on_function, "LeakyRelu", 1},
	{99, "SQUARED_DIFFERENCE", on_squared_difference, NULL, 2},
	{100, "MIRROR_PAD", on_pad, NULL, 2},
	{101, "ABS", on_same, "Abs", 1},
	{102, "SPLIT_V", on_split, NULL, 3},
	{104, "CEIL", on_same, "Ceil", 1},
	{105, "REVERSE_V2", on_reverse, NULL, 2},
	{106, "ADD_N", on_same, "Sum", 1},
	{107, "GATHER_ND", on_same, "GatherND", 2},
	{108, "COS", on_same, "Cos", 1},
	{109, "WHERE", on_where, NULL, 1},
	{110, "RANK", on_rank, NULL, 1},
	{111, "ELU", on_same, "Elu", 1},
	{112, "REVERSE_SEQUENCE", on_reverse_sequence, NULL, 2},
	{116, "ROUND", on_same, "Round", 1},
	{117, "HARD_SWISH", on_same, "HardSwish", 1},
	{122, "SCATTER_ND", on_scatter_nd, NULL, 3},
	{123, "SELECT_V2", on_same, "Where", 3},
	{126, "BATCH_MATMUL", on_batch_matmul, NULL, 2},
	{128, "CUMSUM", on_cumsum, NULL, 2},
	{130, "BROADCAST_TO", on_expand, "Expand", 2},
	{150, "GELU", on_function, "Gelu", 1},
	{158, "SIGN", on_same, "Sign", 1},
};

static const struct general *find(int code)
{
	for (size_t i = 0; i < sizeof(generals) / sizeof(*generals); i++)
		if (generals[i].code == code)
			return &generals[i];
	return NULL;
}

static const char *onnx_name(int code)
{
	return find(code)->onnx;
}

const char *tflite_general_name(int code)
{
	const struct general *general = find(code);

	return general ? general->name : NULL;
}

static int general_custom(struct tflite *t, const char *custom, size_t bytes)
{
	bool registered;
	const struct engine_operator *op = operators_find(custom, bytes, &registered);

	if (op)
		return on_custom(t, op->name);
	if (bytes == strlen("Convolution2DTransposeBias") && !memcmp(custom, "Convolution2DTransposeBias", bytes))
		return on_transpose_conv_bias(t);
	return graph_error(t->error, -ENOTSUP, "operator %d is the custom '%.*s', which is not known", t->index,
			   bytes > 60 ? 60 : (int)bytes, custom);
}

int tflite_general(struct tflite *t, const char *custom, size_t custom_bytes)
{
	const struct general *general = find(t->code);

	if (custom_bytes)
		return general_custom(t, custom, custom_bytes);
	if (!general)
		return graph_error(t->error, -ENOTSUP, "operator %d has code %d, which is not known", t->index,
				   t->code);
	t->op = general->name;
	if (t->n_inputs < general->n_inputs || t->n_outputs < 1)
		return tflite_refuse(t, -EINVAL, "has too few inputs or outputs");
	for (int i = 0; i < general->n_inputs; i++)
		if (!tflite_has_input(t, i))
			return tflite_refuse(t, -EINVAL, "lacks an input");
	if (general->n_inputs > 1 && tflite_input(t, 0)->type == ENGINE_S16 && tflite_input(t, 1)->type == ENGINE_S8)
		return tflite_refuse(t, -ENOTSUP, "has 16-bit activations over 8-bit weights");
	return general->add(t);
}
