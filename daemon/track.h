/*
 * track.h - what a stream of a pipeline follows from frame to frame: the regions in which the next frame is looked at.
 *
 * Plain values; time is given.  The loop owns a stream's track; a frame that runs has a copy, which its lane moves on
 * and the loop takes back when it comes home.  Frames of such a stream run one after the other (dispatch.c), so no copy
 * is ever older than what it replaces.
 */
#ifndef INFERD_TRACK_H
#define INFERD_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "engine/engine.h"

/* A frame that comes later than this after the one before it shows something else. */
#define TRACK_KEEP_US 1000000
/* While less is followed than could be, the detector looks for more this often; while nothing is, in every frame. */
#define TRACK_LOOK_US 500000

struct track {
	int n;
	struct engine_region regions[CONFIG_PLACES_MAX]; /* pixels of a picture of this size */
	uint32_t bodies[CONFIG_PLACES_MAX];		 /* whose they are, smooth.h; 0: of nothing that is smoothed */
	int width, height;
	bool alone;		    /* the frame has nothing to do with others, and nothing is followed from it */
	uint64_t ladder;	    /* uid: what was found by other networks does not count */
	int64_t seen_us, looked_us; /* arrival of the last frame, and of the last that the detector saw */
};

/*
 * What holds for a frame of this size that arrives now; none of it where anything is different or it is too long ago.
 * width 0: unknown, as of a JPEG; whoever decodes it compares.  limit: how many may be followed, the first ones are.
 */
struct track track_recall(const struct track *track, uint64_t ladder, int width, int height, int limit, int64_t now_us);

/* Whether the detector has to look at a frame that track_recall() said this of. */
bool track_needs_look(const struct track *track, int limit, int64_t now_us);

/*
 * Adds a region, unless there are `limit` already.  Of regions of the same thing the first n_firm stay, and none is
 * added; the others make room for the new one, which is the last then.
 */
void track_add(struct track *track, const struct engine_region *region, uint32_t body, int n_firm, int limit);

#endif
