/*
 * step_general.c - a step that calls a general operator.  Shapes that only a run knows are kept in the arena, one for
 * each tensor of the plan.
 */
#include <errno.h>
#include <string.h>

#include "general.h"
#include "step.h"

static struct graph_shape *shapes_of(const struct exec *exec)
{
	return (struct graph_shape *)(void *)(exec->arena + exec->plan->shapes_offset);
}

/* Fills what differs from run to run: places of data, and shapes that are variable. */
static bool open_call(const struct step *step, const struct exec *exec, struct general_call *call)
{
	const struct graph *graph = exec->plan->graph;
	const struct graph_node *node = step->node;
	bool variable = false;

	for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
		bool is_input = i < node->n_inputs;
		int value = is_input ? node->inputs[i] : node->outputs[i - node->n_inputs];
		struct engine_tensor *t = &call->tensors[is_input ? i : ENGINE_OPERATOR_IO_MAX + i - node->n_inputs];
		const struct plan_tensor *tensor;

		if (value < 0)
			continue;
		tensor = &exec->plan->tensors[value];
		t->type = tensor->type;
		t->rank = tensor->rank;
		memcpy(t->dims, tensor->dims, sizeof(t->dims));
		if (is_input && graph->values[value].variable) {
			t->rank = shapes_of(exec)[value].rank;
			memcpy(t->dims, shapes_of(exec)[value].dims, sizeof(t->dims));
		}
		t->data = plan_pointer(exec, value);
		variable |= graph->values[value].variable;
		if (is_input)
			call->call.inputs[i] = t;
		else
			call->call.outputs[i - node->n_inputs] = t;
	}
	return variable;
}

/* Shapes as they are in this run; they have to fit where the plan placed them. */
static int infer_again(const struct step *step, const struct exec *exec, struct general_call *call)
{
	size_t scratch = call->call.scratch_bytes;
	int r = step->node->general.op->infer(&call->call);

	if (r == 0 && call->call.scratch_bytes > scratch)
		return -EFBIG;
	for (int i = 0; i < step->node->n_outputs && r == 0; i++) {
		const struct plan_tensor *room = &exec->plan->tensors[step->node->outputs[i]];
		const struct engine_tensor *out = call->call.outputs[i];
		size_t elements;

		if (graph_elements(out->rank, out->dims, &elements) < 0 ||
		    elements * engine_type_size(out->type) > room->bytes || out->type != room->type)
			r = -EFBIG;
		else if (!exec->plan->graph->values[step->node->outputs[i]].variable && elements != room->count)
			r = -EDOM;
	}
	return r == -EAGAIN ? -EINVAL : r;
}

static void keep_shapes(const struct step *step, const struct exec *exec, const struct general_call *call)
{
	for (int i = 0; i < step->node->n_outputs; i++) {
		int value = step->node->outputs[i];

		if (!exec->plan->graph->values[value].variable)
			continue;
		shapes_of(exec)[value].rank = call->call.outputs[i]->rank;
		memcpy(shapes_of(exec)[value].dims, call->call.outputs[i]->dims, sizeof(call->call.outputs[i]->dims));
	}
}

/* After a failure nothing general runs any more: shapes may be missing. */
void step_general(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	struct general_call call;
	bool variable;
	int r = 0;

	(void)from;
	(void)to;
	if (*exec->status < 0)
		return;
	call.error.text[0] = '\0';
	call.call = (struct engine_call){
		.attributes = step->node->general.attributes,
		.version = step->node->general.version,
		.n_inputs = step->node->n_inputs,
		.n_outputs = step->node->n_outputs,
		.scratch_bytes = step->scratch_bytes,
		.scratch = exec->arena + step->scratch,
		.state = step->state,
		.error = &call.error,
	};
	variable = open_call(step, exec, &call);
	if (variable)
		r = infer_again(step, exec, &call);
	if (r == 0)
		r = step->node->general.op->run(&call.call);
	if (r < 0)
		*exec->status = r;
	else if (variable)
		keep_shapes(step, exec, &call);
}
