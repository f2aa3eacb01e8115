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
	return NULL;
}
