/*
 * residency.h - which models' networks are in memory, within memory_budget_mb.
 *
 * Counted are the networks, a lane's tensors for the largest of them, the pools of streams and the galleries.  When
 * that is over the budget, the networks used longest ago are unloaded; a frame that needs some that are not there waits
 * while they are loaded, which its deadline bounds as it bounds any waiting.  Loading is done off the loop, one ladder
 * at a time.
 *
 * Everything here runs on the loop.
 */
#ifndef INFERD_RESIDENCY_H
#define INFERD_RESIDENCY_H

#include <uv.h>

#include "dispatch.h"
#include "galleries.h"
#include "models.h"

struct residency {
	/* Set by the owner. */
	uv_loop_t *loop;
	struct dispatch *dispatch;
	size_t budget;			   /* bytes */
	const struct models *serving;	   /* NULL: none yet */
	const struct models *loading;	   /* of a load under way; NULL: none */
	const size_t *pool_bytes;	   /* of all streams; borrowed */
	const struct galleries *galleries; /* borrowed; NULL: none are kept */
	uint64_t n_loads, n_unloads;	   /* again, on demand; for want of room */
	/* private to residency.c */
	size_t arena_bytes; /* of each lane, at most */
	bool busy;
	uv_work_t work;
	struct ladder *ladder, *fresh; /* that is being loaded, and what came of it */
	struct config_error error;
	int rc;
	struct dispatch_chore chores[POLICY_LANES_MAX]; /* that give arenas back */
	bool chore_waits[POLICY_LANES_MAX];
};

/* Bytes counted now. */
size_t residency_used(const struct residency *residency);

/* What galleries may have, so that the model that needs most fits beside them and the pools there are. */
size_t residency_left_for_galleries(const struct residency *residency);

/*
 * Unloads what is idle until this many bytes more would fit; true when they do.  The ladder given (may be NULL) stays.
 */
bool residency_make_room(struct residency *residency, size_t bytes, const struct ladder *keep);

/* A ladder was loaded by somebody else and is to stay: counts it and makes room. */
void residency_admit(struct residency *residency, struct ladder *ladder);

/*
 * A frame waits for networks that are not in memory: has them loaded, after which the dispatch looks at its queue
 * again.  A negative errno when they could not be loaded a moment ago; -ENOMEM when pools and galleries leave no room
 * for them, whatever else is unloaded.
 */
int residency_want(struct residency *residency, struct ladder *ladder);

#endif
