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

/* Each field is written by all threads, so each has a cache line of its own. */
struct team_sync {
	_Alignas(64) atomic_uint arrived;
	_Alignas(64) atomic_uint phase;
	_Alignas(64) atomic_uint sleepers;
	_Alignas(64) atomic_uint next_tile;
};

void team_sync_init(struct team_sync *sync);

/* The next tile of this phase; threads stop when it reaches the number of tiles. */
unsigned team_sync_take(struct team_sync *sync);

/*
 * Ends the phase: returns once all n threads of the region have called it.  What they wrote before is then
 * visible to all, and tiles count from 0 again.  Waits by spinning a moment, then in the kernel.
 */
void team_sync_barrier(struct team_sync *sync, int n);

typedef void team_work(void *argument, struct team_sync *sync, int thread, int n_threads);

int team_threads(const struct engine_team *team);

/*
 * Calls work on up to n threads at once, the caller being thread 0, and returns when all are done.  n 1 opens no
 * parallel region.  The n_threads that work is told is what OpenMP really gave.
 */
void team_run(struct engine_team *team, int n, team_work *work, void *argument);

#endif
