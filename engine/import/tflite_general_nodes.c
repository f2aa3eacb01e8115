/* tflite_general_nodes.c - general nodes of the graph that a TFLite file becomes.  See tflite_general.h. */
#include "tflite_general.h"

#include <errno.h>
#include <string.h>

#include "../general.h"

#define VERSION	  18	     /* of ONNX's operator set, whose definitions the nodes made here follow */
#define MACS_MADE (1u << 26) /* of one constant that is computed from constants */

struct tflite_attributes tflite_no_attributes(void)
{
	return (struct tflite_attributes){attributes_new(), 0};
}

void tflite_set_integers(struct tflite_attributes *a, const char *name, int n, const int64_t *values)
{
	int r = a->list ? attributes_add_integers(a->list, name, strlen(name), values, n) : -ENOMEM;

	a->r = a->r < 0 ? a->r : r;
}

void tflite_set_integer(struct tflite_attributes *a, const char *name, int64_t value)
{
	tflite_set_integers(a, name, 1, &value);
}

void tflite_set_number(struct tflite_attributes *a, const char *name, double value)
{
	int r = a->list ? attributes_add_numbers(a->list, name, strlen(name), &value, 1) : -ENOMEM;

	a->r = a->r < 0 ? a->r : r;
}

void tflite_set_text(struct tflite_attributes *a, const char *name, const char *text)
{
	int r = a->list ? attributes_add_text(a->list, name, strlen(name), text, strlen(text)) : -ENOMEM;

	a->r = a->r < 0 ? a->r : r;
}

struct tflite_attributes tflite_with_integer(const char *name, int64_t value)
{
	struct tflite_attributes a = tflite_no_attributes();

	tflite_set_integer(&a, name, value);
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

int tflite_add_generals(struct tflite *t, const char *name, const int *inputs, int n_inputs, struct tflite_attributes a,
			int *ret_values, int n_values)
{
	static const int32_t nothing[ENGINE_RANK_MAX];
	bool registered;
	const struct engine_operator *op = operators_find(name, strlen(name), &registered);
	int node = -1, r = a.list ? a.r : -ENOMEM;

	if (!op) {
		attributes_free(a.list);
		return graph_error(t->error, -ENOTSUP,
				   "operator %d (%s): needs the operator %s, which " OPERATORS_LEFT_OUT, t->index,
				   t->op, name);
	}
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
	graph_set_general(t->graph, node, &(struct graph_general){op, a.list, VERSION});
	return infer_added(t, node, ret_values, n_values);
}

int tflite_add_general(struct tflite *t, const char *name, const int *inputs, int n_inputs, struct tflite_attributes a)
{
	int value, r;

	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1) {
			attributes_free(a.list);
			return inputs[i];
		}
	r = tflite_add_generals(t, name, inputs, n_inputs, a, &value, 1);
	return r < 0 ? r : value;
}

int tflite_add_plain(struct tflite *t, const char *name, int x)
{
	return tflite_add_general(t, name, &x, 1, tflite_no_attributes());
}

int tflite_add_integers(struct tflite *t, int n, const int64_t *numbers)
{
	int value = graph_add_value(t->graph, NULL, 0, ENGINE_S64, 1, (int32_t[]){n});
	int64_t *data = value < 0 ? NULL : graph_alloc_data(t->graph, value, (size_t)n * sizeof(*data));

	if (!data || tflite_make_room(t) < 0)
		return tflite_result(t, value < 0 ? value : -ENOMEM);
	memcpy(data, numbers, (size_t)n * sizeof(*data));
	tflite_set_shape(t, value, 1, (int32_t[]){n});
	return value;
}

int tflite_transpose(struct tflite *t, int x, int n, const int64_t *order)
{
	struct tflite_attributes a = tflite_no_attributes();

	tflite_set_integers(&a, "perm", n, order);
	return tflite_add_general(t, "Transpose", &x, 1, a);
}

int tflite_channels_first(struct tflite *t, int x)
{
	return x < 0 || t->shapes[x].rank != 4 ? tflite_refuse(t, -ENOTSUP, "works on what is no image")
					       : tflite_transpose(t, x, 4, (int64_t[]){0, 3, 1, 2});
}

int tflite_channels_last(struct tflite *t, int x)
{
	return x < 0 ? x : tflite_transpose(t, x, 4, (int64_t[]){0, 2, 3, 1});
}

int tflite_reshape_as(struct tflite *t, int x, int rank, const int32_t *dims)
{
	int64_t wanted[ENGINE_RANK_MAX];
	int inputs[2] = {x, -1};

	for (int i = 0; i < rank; i++)
		wanted[i] = dims[i];
	inputs[1] = x < 0 ? x : tflite_add_integers(t, rank, wanted);
	return x < 0 ? x : tflite_add_general(t, "Reshape", inputs, 2, tflite_no_attributes());
}

/* ---- inputs and outputs ------------------------------------------------------------------------ */

int tflite_operand(struct tflite *t, int i)
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

int tflite_operands(struct tflite *t, int n, int *ret_values)
{
	for (int i = 0; i < n; i++) {
		ret_values[i] = tflite_operand(t, i);
		if (ret_values[i] < -1)
			return ret_values[i];
	}
	return 0;
}

int tflite_cast(struct tflite *t, int x, enum engine_type type)
{
	static const int64_t numbers[ENGINE_TYPE_COUNT] = {
		[ENGINE_F32] = 1, [ENGINE_F16] = 10, [ENGINE_S8] = 3,	[ENGINE_U8] = 2,
		[ENGINE_S16] = 5, [ENGINE_S32] = 6,  [ENGINE_S64] = 7,	[ENGINE_BOOL] = 9,
		[ENGINE_U16] = 4, [ENGINE_U32] = 12, [ENGINE_U64] = 13,
	};

	return x < 0 || t->graph->values[x].type == type
		       ? x
		       : tflite_add_general(t, "Cast", &x, 1, tflite_with_integer("to", numbers[type]));
}

int tflite_rename_to(struct tflite *t, struct tflite_tensor *tensor, int value)
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

int tflite_finish_output(struct tflite *t, int i, int value)
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
	value = tflite_cast(t, value, (enum engine_type)out->type);
	return value < 0 ? value : tflite_rename_to(t, out, value);
}

int tflite_activate(struct tflite *t, int x, int field)
{
	struct tflite_attributes a;
	double lo, hi;

	if (x < 0)
		return x;
	switch (flatbuffer_i8(&t->fb, t->options, field, 0)) {
	case 0:
		return x;
	case 1:
		return tflite_add_plain(t, "Relu", x);
	case 2:
		lo = -1;
		hi = 1;
		break;
	case 3:
		lo = 0;
		hi = 6;
		break;
	case 4:
		return tflite_add_plain(t, "Tanh", x);
	default:
		return tflite_refuse(t, -ENOTSUP, "has an unknown fused activation");
	}
	a = tflite_no_attributes();
	tflite_set_number(&a, "min", lo);
	tflite_set_number(&a, "max", hi);
	return tflite_add_general(t, "Clip", &x, 1, a);
}

int tflite_shape_of(struct tflite *t, int x, struct graph_shape *ret)
{
	if (x < 0)
		return x;
	*ret = t->shapes[x];
	return ret->rank < 0 ? tflite_refuse(t, -ENOTSUP, "reads a tensor whose size the file leaves open") : 0;
}
