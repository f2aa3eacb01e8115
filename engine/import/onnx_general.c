/*
 * onnx_general.c - nodes of general operators, in the order of the file; what follows from shapes and constants alone
 * (the chains of Shape, Gather and Concat that exporters leave behind) is computed here.
 */
#include "onnx.h"

#include <errno.h>
#include <string.h>

#include "../general.h"
#include "../operators/operators.h"

#define FOLDED_MACS (1u << 26) /* of a constant that is computed from constants */

int onnx_on_constant(struct onnx *o)
{
	struct onnx_attribute attribute = {.integer = 0};
	struct engine_tensor tensor;
	bool floats = onnx_attribute(o->node, "value_floats", &attribute, &o->malformed) ||
		      onnx_attribute(o->node, "value_float", &attribute, &o->malformed);
	bool integers = !floats && (onnx_attribute(o->node, "value_ints", &attribute, &o->malformed) ||
				    onnx_attribute(o->node, "value_int", &attribute, &o->malformed));
	bool list = attribute.n_floats || attribute.n_integers;
	int32_t n = floats ? attribute.n_floats : attribute.n_integers;
	struct tensor *t;
	int r;

	if (floats || integers) {
		r = onnx_set_constant(o, 0, floats ? ENGINE_F32 : ENGINE_S64, list, &n, &tensor);
		for (size_t i = 0; r >= 0 && i < (list ? (size_t)n : 1); i++) {
			if (floats)
				tensor_put_real(&tensor, i, (double)(list ? attribute.floats[i] : attribute.number));
			else
				tensor_put_integer(&tensor, i, list ? attribute.integers[i] : attribute.integer);
		}
		return r < 0 ? r : 0;
	}
	if (!onnx_attribute(o->node, "value", &attribute, &o->malformed) || !attribute.tensor.data ||
	    o->n_outputs < 1 || o->outputs[0] < 0)
		return onnx_refuse(o, -ENOTSUP, "is no tensor and no numbers");
	t = &o->tensors[o->outputs[0]];
	r = onnx_bring_tensor(o, attribute.tensor, &t->constant);
	t->is_constant = r == 0;
	return r;
}

/* What the file says about the shape of output i; false where it leaves something open. */
static bool declared_shape(struct onnx *o, int i, struct graph_shape *ret)
{
	struct names_entry *entry = i < o->n_outputs && o->outputs[i] >= 0
					    ? names_find(&o->info_names, o->tensors[o->outputs[i]].name.data,
							 o->tensors[o->outputs[i]].name.size)
					    : NULL;
	struct onnx_value_info info;
	size_t elements;

	if (!entry || entry->number < 0 || onnx_read_value_info(o->infos[entry->number], &info, o->error) < 0 ||
	    info.rank < 0 || graph_elements(info.rank, info.dims, &elements) < 0)
		return false;
	ret->rank = info.rank;
	memcpy(ret->dims, info.dims, sizeof(info.dims));
	return true;
}

/* Inputs in the order of the file; ConstantOfShape's tensor comes as one more. */
static int general_inputs(struct onnx *o, int inputs[ENGINE_OPERATOR_IO_MAX])
{
	struct onnx_attribute attribute;
	struct tensor fill = {.file = -1, .image = -1, .grouped = -1, .is_constant = true};
	int n = o->n_inputs;

	if (n > ENGINE_OPERATOR_IO_MAX)
		return onnx_refuse(o, -ENOTSUP, "has too many inputs");
	for (int i = 0; i < n; i++) {
		inputs[i] = onnx_has_input(o, i) ? onnx_as_file(o, onnx_input_of(o, i)) : -1;
		if (onnx_has_input(o, i) && inputs[i] < 0)
			return inputs[i];
		if (onnx_has_input(o, i) && onnx_is_quantised(&o->graph->values[inputs[i]]) && !onnx_moves(o))
			return onnx_refuse(o, -EINVAL, "reads a quantised tensor in a way of its own");
	}
	if (onnx_is(o->op, "ConstantOfShape") && n == 1 &&
	    onnx_attribute(o->node, "value", &attribute, &o->malformed) && attribute.tensor.data) {
		int r = onnx_bring_tensor(o, attribute.tensor, &fill.constant);

		inputs[n] = r < 0 ? r : onnx_add_constant(o, &fill, false);
		if (inputs[n] < 0)
			return inputs[n];
		n++;
	}
	while (n > 0 && inputs[n - 1] < 0)
		n--;
	return n;
}

/* Adds the node, with outputs whose types and shapes nobody knows yet. */
static int add_general_node(struct onnx *o, const struct engine_operator *op, const int *inputs, int n_inputs)
{
	static const int32_t nothing[ENGINE_RANK_MAX];
	int outputs[ENGINE_OPERATOR_IO_MAX], n = o->n_outputs, node;

	while (n > 1 && o->outputs[n - 1] < 0)
		n--;
	if (n < 1 || n > ENGINE_OPERATOR_IO_MAX)
		return onnx_refuse(o, -EINVAL, "has no output, or too many");
	for (int i = 0; i < n; i++) {
		outputs[i] = onnx_add_value(o, ENGINE_F32, 0, nothing);
		if (outputs[i] < 0)
			return onnx_result(o, outputs[i]);
	}
	node = graph_add_node(o->graph, GRAPH_GENERAL, (const char *)o->name.data, o->name.size, inputs, n_inputs,
			      outputs, n);
	if (node < 0)
		return onnx_result(o, node);
	graph_set_general(o->graph, node,
			  &(struct graph_general){.op = op, .attributes = attributes_new(), .version = (int)o->opset});
	if (!o->graph->nodes[node].general.attributes)
		return onnx_result(o, -ENOMEM);
	return node;
}

/* Constants of constants: computed now, if that does not take more memory than the file is worth. */
static bool can_fold(const struct onnx *o, const struct graph_node *node, const struct general_call *call)
{
	bool shape_only = onnx_is(o->op, "Shape") || onnx_is(o->op, "Size");
	size_t bytes = call->call.scratch_bytes;

	if (call->call.macs > FOLDED_MACS)
		return false;
	for (int i = 0; i < node->n_inputs; i++)
		if (node->inputs[i] >= 0 &&
		    (shape_only ? o->graph->values[node->inputs[i]].variable : !o->graph->values[node->inputs[i]].data))
			return false;
	for (int i = 0; i < node->n_outputs; i++) {
		bytes += tensor_count(call->call.outputs[i]) * engine_type_size(call->call.outputs[i]->type);
		if (bytes > o->folded_max - o->folded_bytes)
			return false;
	}
	/* Nothing random is a constant, and nothing without any input but a Constant is. */
	return node->n_inputs > 0;
}

static int fold_node(struct onnx *o, const struct graph_node *node, struct general_call *call)
{
	int r;

	for (int i = 0; i < node->n_outputs; i++) {
		struct engine_tensor *out = call->call.outputs[i];

		r = onnx_set_constant(o, i, out->type, out->rank, out->dims, out);
		if (r < 0)
			return r;
		o->folded_bytes += tensor_count(out) * engine_type_size(out->type);
	}
	r = general_fold(call, node, o->error);
	o->graph->passes[GRAPH_PASS_CONSTANT]++;
	graph_drop_last_node(o->graph);
	return r;
}

static int set_general_outputs(struct onnx *o, const struct graph_node *node, const struct general_call *call,
			       bool variable, bool known)
{
	int r = 0;

	for (int i = 0; i < node->n_outputs && r == 0; i++) {
		const struct engine_tensor *out = call->call.outputs[i];
		int value = node->outputs[i];
		struct graph_shape *shape = &o->shapes[value];

		shape->rank = out->rank;
		memcpy(shape->dims, out->dims, sizeof(out->dims));
		if (!known && !declared_shape(o, i, shape))
			return onnx_refuse(o, -ENOTSUP, "makes a tensor whose size depends on data, and says no most");
		o->graph->values[value].type = out->type;
		o->graph->values[value].rank = shape->rank;
		o->graph->values[value].variable = variable;
		for (int k = 0; k < ENGINE_RANK_MAX; k++)
			o->graph->values[value].dims[k] = variable ? shape->dims[k] : GRAPH_DIM_UNKNOWN;
		if (i < o->n_outputs && o->outputs[i] >= 0)
			r = onnx_set_output(o, i, value, false);
		if (r == 0 && i == 0 && node->n_inputs && node->inputs[0] >= 0 && onnx_moves(o))
			r = onnx_result(o, onnx_keep_quant(o, node->inputs[0], value));
	}
	return r;
}

int onnx_on_general(struct onnx *o, const struct engine_operator *op)
{
	int inputs[ENGINE_OPERATOR_IO_MAX + 1], n = general_inputs(o, inputs), index, r;
	const struct graph_node *node;
	struct general_call call;
	bool variable;

	if (n < 0)
		return n;
	index = add_general_node(o, op, inputs, n);
	if (index < 0)
		return index;
	node = &o->graph->nodes[index];
	r = onnx_copy_attributes(o->node, node->general.attributes);
	if (r < 0)
		return onnx_refuse(o, r, "has a malformed attribute, or too many");
	r = general_infer(o->graph, index, o->shapes, &call, o->error);
	if (r < 0 && r != -EAGAIN)
		return r;
	if (r == 0 && !op->shrinks && can_fold(o, node, &call))
		return fold_node(o, node, &call);
	variable = r == -EAGAIN || op->shrinks;
	for (int i = 0; i < n; i++)
		variable |= inputs[i] >= 0 && o->graph->values[inputs[i]].variable;
	return set_general_outputs(o, node, &call, variable, r == 0);
}
