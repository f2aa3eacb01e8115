/*
 * gallery_kill.h - kill -9 of a process that adds to a gallery, again and again, and what is there afterwards.
 */
#ifndef INFERD_GALLERY_KILL_H
#define INFERD_GALLERY_KILL_H

#include <stdint.h>

struct gallery_kill_counts {
	int rounds, pictures, removals; /* acknowledged */
	int in_flight;			/* that were on disk without having been acknowledged */
	int while_loading;		/* kills before the galleries were open */
};

/*
 * In each round a new process opens the galleries of dir, whose state must be what was acknowledged, with or without
 * the one change that was under way, and adds pictures and at times removes the gallery until it is killed at a moment
 * chosen at random.  0, or -1 with what was wrong on stderr.
 */
int gallery_kill(const char *dir, int rounds, uint64_t seed, struct gallery_kill_counts *ret_counts);

#endif
