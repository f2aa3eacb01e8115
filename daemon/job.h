/*
 * job.h - one frame on its way: waiting, on a lane, answered.
 *
 * Jobs live in their stream, so that accepting a frame allocates nothing.  The loop owns a job that is free or
 * waits; from worker_start() until its task comes home it is the lane's, but for `state`.
 *
 * A lane marks a job ANSWERED just before it sends the result, because the client may use the slot again from the
 * moment it reads it, earlier than the loop hears of it.
 */
#ifndef INFERD_JOB_H
#define INFERD_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "ipc/ipc.h"
#include "models.h"
#include "policy/policy.h"
#include "scene.h"
#include "sched.h"
#include "track.h"
#include "worker.h"

/* When the picture is looked at for motion and blur: not (again), before the decision, or by the lane. */
enum job_look { JOB_LOOK_NOT, JOB_LOOK_BEFORE, JOB_LOOK_LATER };

enum job_state { JOB_FREE, JOB_WAITING, JOB_RUNNING, JOB_ANSWERED };

struct stream;

struct job {
	struct worker_task task; /* first: the lane's view of a job */
	struct sched_job wait;
	atomic_int state; /* enum job_state */
	struct stream *stream;

	uint32_t serial; /* of the FRAME message */
	struct ipc_frame frame;
	int64_t arrived_us, started_us; /* started: handed to a lane */
	int64_t home_us;		/* when the loop heard of its end */
	int64_t charged_us;		/* lane time its stream was charged for when it was started */
	bool waited;			/* for other frames */
	int top_k;			/* that held when it was started */

	struct model *model; /* a reference, while running */
	int rung;	     /* -1: none was chosen */
	enum job_look look;
	bool viewed;		/* with JOB_LOOK_LATER: `view` is of its decoded picture */
	struct scene_view view; /* written by the lane */
	struct policy_decision decision;
	struct policy_sample sample; /* what the decision saw */

	/* Of a pipeline: what is followed, which the lane moves on. */
	struct track track;
	float twin_us;	/* what its rung's twin is expected to take */
	bool run_twice; /* what was tracked was lost, and the detector looked at once: the times are of both */

	/* The answer, complete when the job is. */
	enum ipc_status status;
	char text[IPC_TEXT_MAX + 1]; /* why it failed or was dropped */
	uint32_t queue_us, wait_us, preprocess_us, inference_us, total_us;
};

/* When its picture was taken: what the client says counts from a clock of its own, which may be anything. */
static inline int64_t job_taken_us(const struct job *job)
{
	uint64_t captured_us = job->frame.captured_us;

	return captured_us && captured_us < INT64_MAX ? (int64_t)captured_us : job->arrived_us;
}

#endif
