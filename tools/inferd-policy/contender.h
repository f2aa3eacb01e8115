/*
 * contender.h - policies that meet in the simulation: this one, what others do, and oracles.
 */
#ifndef INFERD_POLICY_CONTENDER_H
#define INFERD_POLICY_CONTENDER_H

#include "world.h"

/* Learned by the simpler ones: how slow each lane is, and how well that is known. */
struct contender_filter {
	double ratio, deviation;   /* of measured over prior */
	double gain, drift, noise; /* ALERT's filter */
};

struct contender {
	const struct contender_kind *kind;
	const struct world *world;
	const struct policy_params *params;
	int fixed; /* rung of the static one */
	struct contender_filter filter[WORLD_LANES];
	struct policy_latency latency;
	struct policy_state state;
	struct policy_sample sample;
};

struct contender_kind {
	const char *name;
	/* Rung of a frame of which so many seconds are left, or -1 to drop it; jitter: this frame's, for an oracle. */
	int (*choose)(struct contender *c, double left_s, double jitter);
	void (*observe)(struct contender *c, int rung, double time_s); /* or NULL */
};

extern const struct contender_kind contender_inferd, contender_static, contender_average, contender_ratio,
	contender_alert, contender_clairvoyant, contender_blind;

void contender_init(struct contender *c, const struct contender_kind *kind, const struct world *world,
		    const struct policy_params *params);

#endif
