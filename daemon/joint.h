/*
 * joint.h - the rungs of a pipeline: each is a rung of its detector and one of its landmark network on the same lane,
 * or one of the landmark network alone, for frames in which something is tracked.
 *
 * Named "palm@192x192+full@224x224[/lane]" and "tracked+full@224x224[/lane]"; variant and sizes are those of the
 * landmark network.  The accuracy is the product of the stages', of the best detector rung where none is run: how often
 * both are right, as long as one errs independently of the other.
 *
 * Private to ladder.c, which owns everything and makes the stages.
 */
#ifndef INFERD_JOINT_H
#define INFERD_JOINT_H

#include "ladder.h"

/*
 * Fills in all that follows from the stages.  Where they make more rungs than there can be, those are left out of which
 * another is as quick and as accurate in both stages.  0; -E2BIG, -ENAMETOOLONG with a sentence.
 */
int joint_fill(struct ladder *ladder, struct config_error *ret_error);

/* As ladder_warm_up(): measures those rungs of the stages that the rung is made of and that were not measured yet. */
int joint_warm_up(struct ladder *ladder, int rung, struct worker *worker);

/* Gives rungs that were not measured the times that their parts have or are estimated to have. */
void joint_estimate(struct ladder *ladder);

#endif
