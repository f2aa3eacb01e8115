/*
 * crowd.h - whether another program takes one of a team's cores, so that one thread is quicker than all of them.
 *
 * Threads of a team wait for each other at every step.  One that has lost its core holds up all others for as long as
 * a scheduler's turn, some milliseconds, however little it had left to do.  Where that happens in more than a third of
 * the runs of late, one thread goes on alone on a core that was free, for a while that doubles as long as nothing has
 * changed after it.  (A single run proves nothing: a core that has slept takes its time to wake.)
 *
 * Plain arithmetic on what a run was like; owns nothing.  One thread at a time.
 */
#ifndef INFERD_CROWD_H
#define INFERD_CROWD_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing is known, all threads run. */
struct crowd {
	int64_t alone_until_ns;
	int64_t hold_ns; /* for how long one thread ran after the last crowded run; 0: none of late */
	int score;	 /* two for a crowded run, one off for another */
	int thread;	 /* whose core was free in the last crowded one */
};

/* A run of several threads, as its first one saw it.  Nanoseconds. */
struct crowd_run {
	int64_t ended_ns; /* when, on the clock of now_ns */
	int64_t took_ns;
	int64_t ran_ns;	   /* its own processor time */
	int64_t waited_ns; /* for others, where that took longer than it spins */
};

void crowd_note(struct crowd *crowd, const struct crowd_run *run);

/* Whether to run on one thread now. */
bool crowd_prefers_one(const struct crowd *crowd, int64_t now_ns);

#endif
