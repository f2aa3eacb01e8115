/*
 * general.h - calls of general operators: from nodes, values and shapes of a graph to what operator.h speaks of.
 */
#ifndef INFERD_GENERAL_H
#define INFERD_GENERAL_H

#include "graph.h"

/* A call and the tensors it points to. */
struct general_call {
	struct engine_call call;
	struct engine_tensor tensors[2 * ENGINE_OPERATOR_IO_MAX];
	struct engine_error error;
};

/* Inputs as in the graph at these shapes, constants with their data; outputs with the types of their values. */
void general_open(const struct graph *graph, int node, const struct graph_shape *shapes, struct general_call *call);

/*
 * Infers types and shapes of the outputs, into call->call.outputs.  0; -EAGAIN where only a run knows them; another
 * negative errno, and ret_error names the node.
 */
int general_infer(const struct graph *graph, int node, const struct graph_shape *shapes, struct general_call *call,
		  struct engine_error *ret_error);

/* Runs a node of known shape whose inputs are constants (or not looked at) into outputs that have data. */
int general_fold(struct general_call *call, const struct graph_node *node, struct engine_error *ret_error);

#endif
