/*
 * team.h - the threads of a lane: one parallel region for each run, and inside it tiles and a barrier.
 *
 * team.c holds the only OpenMP pragmas of the tree.  struct team_sync knows nothing of OpenMP: any set of
 * threads can use it, which is how it is tested under ThreadSanitizer.
 */
#ifndef INFERD_TEAM_H
#define INFERD_TEAM_H

#include "engine.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Tiles that a thread has still to take, its own from the front and others from the back: `end` << 32 | `first`. */
struct team_share {
	_Alignas(64) _Atomic uint64_t left;
};

/* Each field is written by all threads, so each has a cache line of its own. */
struct team_sync {
	_Alignas(64) atomic_uint arrived;
	_Alignas(64) atomic_uint phase;
	_Alignas(64) atomic_uint sleepers;
	int n_shares; /* of this phase */
	struct team_share shares[ENGINE_THREADS_MAX];
};

/* For n threads, whose first phase has so many tiles. */
void team_sync_init(struct team_sync *sync, int n, unsigned tiles);

/*
 * The next tile of this phase for this thread, or false when there is none.  Each thread has neighbouring tiles, and
 * the same part of them in every phase: what it reads is what it wrote, as far as steps are cut alike, and need not
 * come from another core's cache.  Who is done takes from what others have left, the last ones first.
 */
bool team_sync_take(struct team_sync *sync, int thread, unsigned *ret_tile);

/*
 * Ends the phase: returns once all n threads of the region have called it.  What they wrote before is then visible to
 * all, and there are `tiles` new ones, the same number for all callers.  Waits by spinning a moment, then in the
 * kernel.
 */
void team_sync_barrier(struct team_sync *sync, int n, unsigned tiles);

typedef void team_work(void *argument, struct team_sync *sync, int thread, int n_threads);

int team_threads(const struct engine_team *team);

/*
 * Calls work on up to n threads at once, the caller being thread 0, and returns when all are done.  n 1 opens no
 * parallel region.  The n_threads that work is told is what OpenMP really gave.  The first phase has `tiles` tiles.
 */
void team_run(struct engine_team *team, int n, unsigned tiles, team_work *work, void *argument);

#endif
