/* general.c - see general.h. */
#include "general.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void general_open(const struct graph *graph, int index, const struct graph_shape *shapes, struct general_call *call)
{
	const struct graph_node *node = &graph->nodes[index];

	call->call = (struct engine_call){
		.attributes = node->general.attributes,
		.version = node->general.version,
		.n_inputs = node->n_inputs,
		.n_outputs = node->n_outputs,
		.error = &call->error,
	};
	call->error.text[0] = '\0';
	for (int i = 0; i < node->n_inputs; i++) {
		const struct graph_value *value;

		if (node->inputs[i] < 0)
			continue;
		value = &graph->values[node->inputs[i]];
		call->tensors[i] = (struct engine_tensor){
			value->type, shapes[node->inputs[i]].rank, {0}, (void *)(uintptr_t)value->data};
		memcpy(call->tensors[i].dims, shapes[node->inputs[i]].dims, sizeof(call->tensors[i].dims));
		call->call.inputs[i] = &call->tensors[i];
	}
	for (int i = 0; i < node->n_outputs; i++) {
		struct engine_tensor *out = &call->tensors[ENGINE_OPERATOR_IO_MAX + i];

		*out = (struct engine_tensor){.type = graph->values[node->outputs[i]].type};
		call->call.outputs[i] = out;
	}
}

static int refuse(const struct graph_node *node, const struct general_call *call, int code, struct engine_error *error)
{
	return graph_error(error, code, "node '%.60s' (%.60s) %.120s", node->name, node->general.op->name,
			   call->error.text[0] ? call->error.text : "cannot be computed");
}

static int check_arity(const struct graph_node *node, struct general_call *call)
{
	const struct engine_operator *op = node->general.op;

	if (node->n_inputs < op->min_inputs || node->n_inputs > op->max_inputs || node->n_outputs > op->max_outputs) {
		graph_error(&call->error, 0, "has %d inputs and %d outputs", node->n_inputs, node->n_outputs);
		return -EINVAL;
	}
	for (int i = 0; i < op->min_inputs; i++)
		if (node->inputs[i] < 0) {
			graph_error(&call->error, 0, "lacks input %d", i);
			return -EINVAL;
		}
	return 0;
}

int general_infer(const struct graph *graph, int index, const struct graph_shape *shapes, struct general_call *call,
		  struct engine_error *ret_error)
{
	const struct graph_node *node = &graph->nodes[index];
	int r;

	general_open(graph, index, shapes, call);
	r = check_arity(node, call);
	if (r == 0)
		r = node->general.op->infer(&call->call);
	for (int i = 0; i < node->n_outputs && r == 0; i++) {
		const struct engine_tensor *out = call->call.outputs[i];
		size_t elements;

		/* Registered operators are the owner's, but may be wrong. */
		if ((unsigned)out->type >= ENGINE_TYPE_COUNT || graph_elements(out->rank, out->dims, &elements) < 0 ||
		    elements > ENGINE_TENSOR_BYTES_MAX / engine_type_size(out->type)) {
			graph_error(&call->error, 0, "makes a tensor of an impossible shape");
			r = -EFBIG;
		}
	}
	return r < 0 && r != -EAGAIN ? refuse(node, call, r, ret_error) : r;
}

int general_fold(struct general_call *call, const struct graph_node *node, struct engine_error *ret_error)
{
	int r = 0;

	if (call->call.scratch_bytes) {
		call->call.scratch = aligned_alloc(64, (call->call.scratch_bytes + 63) / 64 * 64);
		r = call->call.scratch ? 0 : -ENOMEM;
	}
	if (r == 0 && node->general.op->prepare)
		r = node->general.op->prepare(&call->call, &call->call.state);
	if (r == 0) {
		r = node->general.op->run(&call->call);
		if (node->general.op->release)
			node->general.op->release(call->call.state);
	}
	free(call->call.scratch);
	return r < 0 ? refuse(node, call, r, ret_error) : 0;
}
