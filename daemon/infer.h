/*
 * infer.h - what a lane does with a frame: decode, prepare, run, read the answer, send it.
 *
 * Runs on the lane's thread.  The kit is what a lane keeps from frame to frame, so that nothing is allocated
 * per frame once it is warm: decoder, prepared passes, buffers.
 */
#ifndef INFERD_INFER_H
#define INFERD_INFER_H

#include "job.h"

struct infer;

/* decode_bytes_max: how large a decoded picture may be. */
int infer_create(size_t decode_bytes_max, struct infer **ret_infer);
void infer_destroy(struct infer *infer); /* accepts NULL */

/* The run function of a job's task; the worker's kit is a struct infer. */
bool infer_run(struct worker_task *task, struct worker *worker);

#endif
