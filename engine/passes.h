/*
 * passes.h - simplifies an imported graph once, whatever the input size: what can be folded, fused or dropped.
 *
 * Changes the graph in place; indexes of values stay, nodes move together.
 */
#ifndef INFERD_PASSES_H
#define INFERD_PASSES_H

#include "graph.h"

/*
 * shapes: of the graph at its own size (n_values entries), or NULL where the file leaves sizes open.  Afterwards no
 * activation is uint8 (they are int8, and was_u8), and no constant that a pass could widen is float16.
 * 0, -EINVAL or -ENOMEM.
 */
int passes_run(struct graph *graph, const struct graph_shape *shapes, struct engine_error *ret_error);

#endif
