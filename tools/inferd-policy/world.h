/*
 * world.h - a device that exists only in numbers: rungs whose times hang on silicon, heat, neighbours and chance.
 *
 * Everything that does not depend on what a policy chooses (arrivals, neighbours, jitter of each frame) comes from the
 * seed alone, so that all policies meet the same world and differences can be paired.
 */
#ifndef INFERD_POLICY_WORLD_H
#define INFERD_POLICY_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

#define WORLD_LANES  2
#define WORLD_EVENTS 512

enum world_arrivals { WORLD_CLOSED, WORLD_PERIODIC, WORLD_POISSON };

struct world_setting {
	const char *name;
	double deadline_s, ambient_c;
	enum world_arrivals arrivals;
	double fps; /* unless closed */
	bool switch_costs;
	int lanes;
	int frames;
	double mean_jitter; /* standard deviation of the logarithm */
	const char *about;
};

/* Neighbours on one lane: from when on which slowdown of processor and memory. */
struct world_event {
	double at_s, cpu, memory;
};

struct world {
	const struct world_setting *setting;
	uint64_t seed;
	int n_rungs, n_lanes;
	struct policy_rung rungs[POLICY_RUNGS_MAX]; /* as a policy knows them */
	double true_s[POLICY_RUNGS_MAX];	    /* on an idle, cool device */
	double memory_share;
	double watts[WORLD_LANES]; /* of a busy lane at full clock */
	double sustained_w, trip_c, target_c;
	struct world_event events[WORLD_LANES][WORLD_EVENTS];
	int n_events[WORLD_LANES];
	/* what changes */
	double now_s, die_c, skin_c;
	double clock[WORLD_LANES]; /* 0..1 */
	int at_event[WORLD_LANES];
	int last_rung, last_on[WORLD_LANES];
	double joules, throttled_s;
};

void world_init(struct world *world, const struct world_setting *setting, uint64_t seed);

/* When the frame arrives, unless arrivals are closed; grows with the index. */
double world_gap(const struct world *world, int frame);

/* Lets time pass with a lane busy (or -1: none). */
void world_advance(struct world *world, double until_s, int busy_lane);

/* Time of a rung now, before this frame's chance. */
double world_time(const struct world *world, int rung);
/* This frame's chance, by which the times of all rungs are multiplied. */
double world_jitter(const struct world *world, int frame);
/* Share of frames whose chance is at most this. */
double world_jitter_below(const struct world *world, double factor);

/* What the sensors say. */
void world_sense(const struct world *world, int frame, struct policy_sample *sample);

/* Uniform in 0..1 from the seed, a stream and an index. */
double world_uniform(uint64_t seed, uint64_t stream, uint64_t index);

#endif
