/*
 * passes.h - simplifies an imported graph once, whatever the input size: what can be folded, fused or dropped.
 *
 * Changes the graph in place; indexes of values stay, nodes move together.
 */
#ifndef INFERD_PASSES_H
#define INFERD_PASSES_H

#include "graph.h"

/*
 * TO_QUANTIZE: nothing is fused that int8 computes as a step of its own (residuals, activations that do more than bound
 * their argument), so that its tensors can be looked at.
 */
enum passes_purpose { PASSES_ALL, PASSES_TO_QUANTIZE };

/*
 * shapes: of the graph at its own size (n_values entries), or NULL where the file leaves sizes open.  Afterwards no
 * activation is uint8 (they are int8, and was_u8), and no constant that a pass could widen is float16.
 * 0, -EINVAL or -ENOMEM.
 */
int passes_run(struct graph *graph, const struct graph_shape *shapes, enum passes_purpose purpose,
	       struct engine_error *ret_error);

/* What each pass did, in words for a count in front of it: "12 activations fused". */
extern const char *const passes_names[GRAPH_PASS_COUNT];

#endif
