/*
 * rows.h - depthwise convolutions row by row in the cache, together with those around them.
 *
 * What a convolution makes for a large image is read once, by the depthwise one behind it, and what that
 * makes once by the next pointwise one.  The two or three become one step: a thread makes a few rows of the first in
 * memory of its own, from these a row of the second, and from every few of its pixels those of the third, so that what
 * lies between never goes to memory, nor has a place in the arena.
 */
#ifndef INFERD_ROWS_H
#define INFERD_ROWS_H

#include "plan.h"

/* Merges the steps of a plan whose memory is not placed yet.  How many steps it made, or -ENOMEM. */
int rows_merge(struct engine_plan *plan);

#endif
