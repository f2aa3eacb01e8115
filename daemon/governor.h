/*
 * governor.h - asks the policy for the rung of a frame, with what the sensors and lanes say now.
 *
 * Translates between the daemon's objects and the policy's plain values; decides nothing itself.
 */
#ifndef INFERD_GOVERNOR_H
#define INFERD_GOVERNOR_H

#include "config/config.h"
#include "job.h"
#include "share.h"
#include "sensors.h"
#include "tracer.h"

struct governor {
	struct policy_params params;
	const struct sensors *sensors; /* borrowed */
	int n_lanes;
	uint64_t decisions; /* so far */
	bool scene;	    /* pictures are looked at for motion and blur */
	struct tracer trace;
	struct shares shares;
};

/* Takes the configuration's constants; again after a reload. */
void governor_configure(struct governor *governor, const struct config *config);

/*
 * How long until a lane is free, for each lane, and how many frames wait behind this one: all of its own stream, and
 * one of every other, since a stream that floods does not get the lane more often for it.
 */
struct governor_queue {
	float lane_wait_us[POLICY_LANES_MAX];
	int depth;
};

/*
 * The rung for a job of a stream that has a model; job->sample is what the decision went by.  Looks at the picture
 * first, once, where that is cheap.  *state is the stream's memory; it moves on, so the caller passes a copy, which
 * counts only once it is given to governor_act().
 */
void governor_decide(struct governor *governor, struct job *job, const struct governor_queue *queue, int64_t now_us,
		     struct policy_state *state, struct policy_decision *ret_decision);

/* Acts on a decision: the stream remembers it, and it goes on the trace. */
void governor_act(struct governor *governor, const struct job *job, const struct policy_decision *decision,
		  const struct policy_state *state);

/* What the twin of a pipeline's rung is expected to take. */
float governor_twin_us(const struct ladder *ladder, int rung);

/* Learns from a job that ran and has just come home. */
void governor_observe(struct governor *governor, struct ladder *ladder, const struct job *job, int64_t now_us);

#endif
