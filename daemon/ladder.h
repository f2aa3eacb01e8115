/*
 * ladder.h - the rungs of one model: its networks loaded, planned at every size, and measured on the lanes.
 *
 * Made in two steps.  ladder_create() loads and plans, off the loop.  Then the owner runs a warm-up on the lane
 * of every rung, and ladder_settle() turns what was measured into prior times and marks dominated rungs.
 * After that only `memory` changes, on the loop.
 *
 * References are counted, because frames that run hold on to the ladder of their generation, and because a
 * reload that does not touch a model's networks keeps its ladder and what was learned.
 */
#ifndef INFERD_LADDER_H
#define INFERD_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "engine/engine.h"
#include "ipc/ipc.h"
#include "policy/policy.h"
#include "topology.h"
#include "worker.h"

/* Elements of a network's answer: a vector of this length still fits a message. */
#define LADDER_OUTPUTS_MAX 32768

struct ladder_variant {
	char name[CONFIG_NAME_BYTES];
	struct engine_model *network;
	bool distribution; /* the output is probabilities; known after the first warm-up */
};

/* Beside policy_rung: what running a rung takes. */
struct ladder_rung {
	char name[IPC_NAME_MAX + 1]; /* variant@WxH[-gray][/lane] */
	const struct engine_plan *plan;
	bool own_size; /* of the variant's own size and channels */
	/* Written by the rung's lane only: */
	bool reserved; /* in the lane's context */
	float warm_us; /* preprocessing and inference; 0 not measured */
};

struct ladder {
	uint64_t uid; /* never reused, unlike addresses */
	enum config_task task;
	struct engine_normalize normalize;
	int n_outputs; /* classes, or length of the embedding */
	int n_variants, n_rungs, n_lanes;
	int best;     /* the most accurate rung of all */
	bool settled; /* measured and ready to serve */
	size_t bytes, arena_bytes;
	struct policy_rung rungs[POLICY_RUNGS_MAX];
	struct policy_memory memory;
	struct ladder_variant variants[CONFIG_VARIANTS_MAX];
	struct ladder_rung details[POLICY_RUNGS_MAX];
};

/* 0; negative errno with a sentence in *ret_error. */
int ladder_create(const struct config_model *config, const struct topology_lane *lanes, int n_lanes,
		  struct config_error *ret_error, struct ladder **ret_ladder);
struct ladder *ladder_ref(struct ladder *ladder); /* any thread */
void ladder_unref(struct ladder *ladder);	  /* accepts NULL */

/* Whether this configuration would make the same ladder from the same files. */
bool ladder_serves(const struct ladder *ladder, const struct config_model *config);

/* Runs a rung on its lane's thread: reserves its memory, measures it, looks at the answer. 0 or -ENOMEM. */
int ladder_warm_up(struct ladder *ladder, int rung, struct worker *worker);

/* After the warm-ups, of which some may have been left out: prior times and dominated rungs. */
void ladder_settle(struct ladder *ladder);

/* A rung's index by name, or -1.  Without "/lane" the fastest one of that name. */
int ladder_find(const struct ladder *ladder, const char *name);

#endif
