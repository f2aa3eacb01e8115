/*
 * squeeze.h - squeeze-and-excite blocks: the mean of a picture goes through two small layers, and what they answer
 * multiplies the picture's channels.  The mean and both layers become one step on one thread, with one barrier behind
 * it instead of three.
 */
#ifndef INFERD_SQUEEZE_H
#define INFERD_SQUEEZE_H

#include "plan.h"

/* Merges the steps of a plan whose memory is not placed yet.  How many blocks there were, or -ENOMEM. */
int squeeze_merge(struct engine_plan *plan);

#endif
