/*
 * reply.h - the body of a job's RESULT message.
 *
 * Used by the loop for frames that were not run and by lanes for those that were; each has a writer of its own.
 */
#ifndef INFERD_REPLY_H
#define INFERD_REPLY_H

#include "job.h"

/* What the network said; zeroed for a frame without an answer. */
struct reply_answer {
	const struct ipc_result_item *items;
	uint32_t n_items;
	const float *embedding;
	uint32_t n_embedding;
	uint64_t space; /* of the embedding */
	/* of a stream with a gallery */
	enum ipc_verdict verdict;
	const char *name;
	uint32_t mask_width, mask_height, mask_offset; /* in the frame's slot; width 0: none */
	const struct ipc_tensor *tensors;
	uint32_t n_tensors;
};

/*
 * Marks the job answered and puts its result into the writer: times up to now_us, status and text from the job.
 * model (may be NULL) and, for its lane's name, lane (may be NULL) belong to the rung that was chosen.
 */
void reply_put(struct job *job, const struct model *model, const char *lane, const struct reply_answer *answer,
	       int64_t now_us, struct ipc_writer *writer);

/*
 * Sides of a frame, of the shape of one of width x height (0: unknown, then square), of which the rung takes every
 * pixel and has to make up none: its input's, and what its preprocessing cuts off beside it.  0 and 0 of a pipeline.
 */
void reply_advise(const struct ladder *ladder, int rung, uint32_t width, uint32_t height, uint32_t *ret_width,
		  uint32_t *ret_height);

#endif
