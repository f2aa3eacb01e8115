/* needs.c - what a build needs for a network, in the words of INFERD_OPERATORS. */
#include "operators/operators.h"
#include "plan.h"

static bool needs_op(const struct graph *graph, enum graph_op op)
{
	/* Otherwise those that are needed are told instead. */
	if (op == GRAPH_GENERAL)
		return graph->is_general;
	for (int i = 0; i < graph->n_nodes; i++)
		if (graph->nodes[i].op == op)
			return true;
	/* Shapes are inferred before nodes are folded into others. */
	return graph->ops[op];
}

static bool is_of(const struct graph *graph, const int *values, int n, enum engine_type type)
{
	for (int i = 0; i < n; i++)
		if (values[i] >= 0 && graph->values[values[i]].type == type &&
		    !graph_is_constant(&graph->values[values[i]]))
			return true;
	return false;
}

static bool needs_type(const struct graph *graph, enum engine_type type)
{
	for (int i = 0; i < graph->n_nodes; i++) {
		const struct graph_node *node = &graph->nodes[i];

		if (node->op != GRAPH_GENERAL && (is_of(graph, node->inputs, node->n_inputs, type) ||
						  is_of(graph, node->outputs, node->n_outputs, type)))
			return true;
	}
	return false;
}

static bool needs_act(const struct graph *graph, enum graph_act_kind kind)
{
	/* Bounds are part of every kernel. */
	if (kind == GRAPH_ACT_NONE || kind == GRAPH_ACT_RELU || kind == GRAPH_ACT_CLIP)
		return false;
	for (int i = 0; i < graph->n_nodes; i++)
		if (graph->nodes[i].act.kind == kind ||
		    (graph->nodes[i].op == GRAPH_UNARY && graph->nodes[i].unary.kind == kind))
			return true;
	return false;
}

/* Also one whose results were constants, which only reading the file needs. */
static bool needs_general(const struct graph *graph, const struct engine_operator *op)
{
	for (int i = 0; i < graph->n_generals; i++)
		if (graph->generals[i] == op)
			return true;
	for (int i = 0; i < graph->n_nodes; i++)
		if (graph->nodes[i].op == GRAPH_GENERAL && graph->nodes[i].general.op == op)
			return true;
	return false;
}

/* Passes that took nothing out of the network can be left out.  Those without a name are part of every build. */
static const char *const passes[GRAPH_PASS_COUNT] = {
	[GRAPH_PASS_CAST] = "pass.cast",	 [GRAPH_PASS_IDENTITY] = "pass.identity",
	[GRAPH_PASS_PAD] = "pass.pad",		 [GRAPH_PASS_SCALE] = "pass.scale",
	[GRAPH_PASS_GATE] = "pass.gate",	 [GRAPH_PASS_ACTIVATION] = "pass.activation",
	[GRAPH_PASS_RESIDUAL] = "pass.residual", [GRAPH_PASS_QUANT] = "pass.quant",
};

const char *engine_plan_operator(const struct engine_plan *plan, int index)
{
	const struct graph *graph = plan->graph;
	const struct engine_operator *op;

	for (int i = 0; i < GRAPH_OP_COUNT; i++)
		if (needs_op(graph, (enum graph_op)i) && index-- == 0)
			return graph_op_name((enum graph_op)i);
	for (int i = 0; i < GRAPH_ACT_COUNT; i++)
		if (needs_act(graph, (enum graph_act_kind)i) && index-- == 0)
			return graph_act_name(&(struct graph_act){.kind = (enum graph_act_kind)i});
	for (int i = 0; (op = operators_at(i)); i++)
		if (needs_general(graph, op) && index-- == 0)
			return op->name;
	if (needs_type(graph, ENGINE_F32) && index-- == 0)
		return "type.float32";
	if (needs_type(graph, ENGINE_S8) && index-- == 0)
		return "type.int8";
	for (int i = 0; i < GRAPH_PASS_COUNT; i++)
		if (passes[i] && graph->passes[i] && index-- == 0)
			return passes[i];
	return NULL;
}
