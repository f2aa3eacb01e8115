/*
 * ladder.h - the rungs of one model: its networks loaded, planned at every size, and measured on the lanes.
 *
 * Made in two steps.  ladder_create() loads and plans, off the loop.  Then the owner runs a warm-up on the lane
 * of every rung, and ladder_settle() turns what was measured into prior times and marks dominated rungs.
 * After that only `latency` changes, and whether the networks are in memory, both on the loop.  A ladder without its
 * networks still knows its rungs and what was learned of them; residency.h decides who has to do without.
 *
 * The ladder of a pipeline is made of those of its stages: a rung of it is a rung of each, or, for a frame in which
 * something is tracked, a rung of the second alone (joint.h).
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
#include "networks.h"
#include "policy/policy.h"
#include "topology.h"
#include "worker.h"

/* Elements of a network's answer: a vector of this length still fits a message. */
#define LADDER_OUTPUTS_MAX  32768
#define LADDER_NETWORKS_MAX (CONFIG_STAGES * CONFIG_VARIANTS_MAX)

/* Phases of a pipeline's frames, as of struct policy_sample.  All other models know only the first. */
enum ladder_phase { LADDER_FULL, LADDER_TRACKED };

/* The stages of a pipeline. */
enum ladder_stage { LADDER_DETECTOR, LADDER_LANDMARKS };

struct ladder_variant {
	char name[CONFIG_NAME_BYTES];
	struct network *network; /* NULL: not in memory */
	uint64_t space;		 /* of its vectors, of task embed: a hash of its network and of preprocessing; not 0 */
	bool half_arithmetic;	 /* its plans may multiply in float16 */
	bool distribution;	 /* the output is probabilities; known after the first warm-up */
};

/* Beside policy_rung: what running a rung takes. */
struct ladder_rung {
	char name[IPC_NAME_MAX + 1];	/* variant@WxH[-gray][/lane]; of a pipeline as of joint.h */
	const struct engine_plan *plan; /* NULL: the networks are not in memory */
	bool own_size;			/* of the variant's own size and channels */
	float warm_us;			/* preprocessing and inference; 0 not measured; written by the rung's lane */
	float estimated;		/* accuracy, before anything was measured */
	float known_us;			/* the same from a profile or an earlier run of the daemon; 0 none */
	/* Of a pipeline. */
	int16_t part[CONFIG_STAGES]; /* rungs of its stages; -1: that stage is not run */
	int16_t twin;		     /* what a frame of the other phase would run on */
};

struct ladder {
	uint64_t uid;			     /* never reused, unlike addresses */
	struct ladder *stage[CONFIG_STAGES]; /* of a pipeline, by enum ladder_stage; otherwise NULL */
	enum config_task task;
	struct config_decode decode;
	struct engine_normalize normalize;
	int n_outputs;	   /* classes, or length of the embedding; 1 for tasks that read several outputs */
	size_t slot_bytes; /* of the largest answer that goes to the frame's slot; 0: none does */
	int n_variants, n_rungs, n_lanes;
	int best[POLICY_PHASES];     /* the most accurate rung of all */
	int quickest[POLICY_PHASES]; /* by its prior, of those that are not dominated */
	bool settled;		     /* measured and ready to serve */
	size_t bytes, arena_bytes;   /* of the networks, loaded or not, and of the largest rung's tensors */
	bool resident;		     /* the networks are in memory */
	int pins;		     /* frames and warm-ups that run: the networks have to stay */
	int64_t used_us, loaded_us;  /* when a frame last needed it, and when it was loaded */
	int64_t failed_us;	     /* when loading it again failed last; 0 never */
	uint64_t digest;	     /* of the networks' content and the rungs, as of identity.h */
	uint64_t profile;	     /* the same of the profile that its costs are from; 0 none */
	uint32_t saved_runs;	     /* of `latency` when it was last kept */
	int64_t saved_us;	     /* and when that was; 0 never */
	struct policy_rung rungs[POLICY_RUNGS_MAX];
	struct policy_latency latency;
	struct ladder_variant variants[CONFIG_VARIANTS_MAX];
	struct ladder_rung details[POLICY_RUNGS_MAX];
};

/* 0; negative errno with a sentence in *ret_error. */
int ladder_create(const struct config_model *config, const struct topology_lane *lanes, int n_lanes,
		  struct config_error *ret_error, struct ladder **ret_ladder);
/* Of a pipeline, from the configurations of its stages.  As ladder_create(). */
int ladder_create_pipeline(const struct config_model *const stages[CONFIG_STAGES], const struct topology_lane *lanes,
			   int n_lanes, struct config_error *ret_error, struct ladder **ret_ladder);
/*
 * The same ladder from its files as they are now, off the loop; and moving its networks into the one that lacks them,
 * on the loop (-EINVAL: the files have changed).  The fresh ladder remains the caller's.
 */
int ladder_create_again(const struct ladder *ladder, struct config_error *ret_error, struct ladder **ret_fresh);
int ladder_adopt(struct ladder *ladder, struct ladder *fresh);

/* Takes the networks out, for network_put().  Nothing runs on them. */
void ladder_unload(struct ladder *ladder, struct network *ret_networks[LADDER_NETWORKS_MAX]);

struct ladder *ladder_ref(struct ladder *ladder); /* any thread */
void ladder_unref(struct ladder *ladder);	  /* accepts NULL */

/* Whether this configuration would make the same ladder from the same files. */
bool ladder_serves(const struct ladder *ladder, const struct config_model *config);
bool ladder_serves_pipeline(const struct ladder *ladder, const struct config_model *const stages[CONFIG_STAGES]);

static inline bool ladder_is_pipeline(const struct ladder *ladder)
{
	return ladder->stage[LADDER_DETECTOR] != NULL;
}

/* Runs a rung on its lane's thread: reserves its memory, measures it, looks at the answer. 0 or -ENOMEM. */
int ladder_warm_up(struct ladder *ladder, int rung, struct worker *worker);

/* After the warm-ups, of which some may have been left out: prior times, of which known ones stay, and ladder_rank().
 */
void ladder_settle(struct ladder *ladder);
/* After times or accuracies have changed: the best rung and the dominated ones. */
void ladder_rank(struct ladder *ladder);
/* Takes over what another ladder of the same networks, rungs and profile has learned.  Both are settled. */
void ladder_inherit(struct ladder *ladder, const struct ladder *before);

/* A rung's index by name, or -1.  Without "/lane" the fastest one of that name. */
int ladder_find(const struct ladder *ladder, const char *name);

/* "classify", ... */
const char *ladder_task_name(enum config_task task);

#endif
