/*
 * answer.h - what a network said about a frame, read by its model's task: classes, a vector, boxes, points, a mask,
 * or its outputs as they are.
 *
 * The reader is what a lane keeps from frame to frame; the answer points into it until the next frame.  One thread at
 * a time.
 */
#ifndef INFERD_ANSWER_H
#define INFERD_ANSWER_H

#include "outputs.h"
#include "reply.h"
#include "roi.h"

struct answer;

int answer_create(struct answer **ret_answer); /* 0 or -ENOMEM */
void answer_destroy(struct answer *answer);    /* accepts NULL */

/*
 * Whether this plan's outputs are what the model's task reads, for networks with an input of width x height.  0;
 * negative errno with a sentence.  Not for classify and embed, whose one output the ladder looks at.
 * *ret_slot_bytes: what of an answer goes to the frame's slot, 0 for most.
 */
int answer_check(const struct config_model *config, const struct engine_plan *plan, int width, int height,
		 size_t *ret_slot_bytes, char ret_why[OUTPUTS_WHY_BYTES]);

/*
 * Reads the outputs of the context's last run, which was of the job's rung.  roi: what the network saw.  A mask and
 * large tensors go to the end of the frame's slot.  0, or negative errno with a constant sentence.
 */
int answer_read(struct answer *answer, const struct job *job, const struct model *model, struct engine_context *context,
		const struct engine_region *roi, const char **ret_why, struct reply_answer *ret_reply);

#endif
