/*
 * answer.h - what a network said about a frame, read by its model's task: classes, a vector, boxes, points, a mask,
 * or its outputs as they are.
 *
 * The reader is what a lane keeps from frame to frame; the answer points into it until the next frame.  One thread at
 * a time.
 */
#ifndef INFERD_ANSWER_H
#define INFERD_ANSWER_H

#include "boxes.h"
#include "landmarks.h"
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

/*
 * The stages of a pipeline, whose results are read apart; errors as above.
 *
 * What a detector's rung found, at most `limit`, best first, in parts of the input; until the next call.
 */
int answer_find(struct answer *answer, const struct ladder *detector, int rung, struct engine_context *context,
		int limit, const char **ret_why, const struct boxes **ret_boxes);

/*
 * What a landmark network saw in a region, into item `at` (0..CONFIG_PLACES_MAX - 1) of the answer: 1, or 0 when there
 * is nothing.  *ret_landmarks: the network's points in parts of the input, more than the item has of poses; until the
 * next call.  labels: the model that has them.
 */
int answer_look(struct answer *answer, const struct ladder *network, int rung, const struct model *labels,
		struct engine_context *context, const struct engine_region *region, int at, const char **ret_why,
		const struct landmark **ret_landmarks);

/* The points of an item of answer_look(), and its box after they were moved. */
float (*answer_points(struct answer *answer, int at))[IPC_POINT_FLOATS];
void answer_surround(struct answer *answer, int at);

/* The first n items as a reply. */
struct reply_answer answer_items(const struct answer *answer, int n);

#endif
