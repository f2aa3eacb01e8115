/*
 * passes_internal.h - what the files of the passes share; see passes.h.
 */
#ifndef INFERD_PASSES_INTERNAL_H
#define INFERD_PASSES_INTERNAL_H

#include "passes.h"

/* Uses of each value, counted once and kept up to date by the functions below. */
struct passes {
	struct graph *graph;
	const struct graph_shape *shapes; /* NULL: the file leaves a side open */
	int *uses;
};

bool passes_is_output(const struct graph *graph, int value);

/* A node is taken out in two steps: dead until the walk is over, then gone. */
void passes_kill(struct passes *p, struct graph_node *node);
void passes_compact(struct passes *p);

/* passes_qdq.c: operators between dequantised inputs and a quantised output compute in integers.  0 or -ENOMEM. */
int passes_integers(struct passes *p);

#endif
