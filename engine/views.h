/*
 * views.h - which tensors of a plan are parts of others' memory, so that the nodes between need no step.
 *
 * A reshape is the same memory under another shape.  What goes into a concatenation is written straight into its part
 * of it, and a slice is read where it lies, as long as a part is a stretch of memory or the same channels of every
 * pixel: then it has a start and a stride.  A step that cannot read or write with a stride keeps its tensors dense, and
 * the concatenation or slice copies.  A gate's output lies in its input.
 */
#ifndef INFERD_VIEWS_H
#define INFERD_VIEWS_H

#include "plan.h"

/*
 * Fills root, start and stride of the tensors, whose shapes, types and quantisation are known and each of which is its
 * own dense root so far; gone[node] becomes true for nodes that need no step.  reshapes_only: the plan's tensors are
 * looked at after the run, so they have to be dense and whole.  Counts what it did into passes.  0 or -ENOMEM.
 */
int views_find(const struct graph *graph, struct plan_tensor *tensors, bool reshapes_only, bool *gone,
	       int passes[PLAN_PASS_COUNT]);

#endif
