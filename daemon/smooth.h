/*
 * smooth.h - the points of bodies that a stream follows, calmed from frame to frame.
 *
 * Each number is filtered by itself with a one-euro filter ("1 Euro Filter: A Simple Speed-based Low-pass Filter for
 * Noisy Input in Interactive Systems", Casiez, Roussel and Vogel, CHI 2012), which calms what rests and lets through
 * what moves.  Speeds are in sizes of the body a second, so that near and far bodies are treated alike.  The filters'
 * constants are those of MediaPipe's graph pose_landmark_filtering, which has one for the points of the body and
 * a slower one for the two that say where to look next.
 *
 * Owned by a stream and touched by the lane that runs its frames, of which a pipeline has one at a time.  Time is
 * given.
 */
#ifndef INFERD_SMOOTH_H
#define INFERD_SMOOTH_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/ipc.h"

#define SMOOTH_POINTS 33 /* of a body */
#define SMOOTH_AIMS   2	 /* the circle about it: its centre, and a point above on it */

struct smooth;

int smooth_create(struct smooth **ret_smooth); /* 0 or -ENOMEM */
void smooth_destroy(struct smooth *smooth);    /* accepts NULL */

/* A number for a body that was just found, never 0 and not in use by another that is still followed. */
uint32_t smooth_new(struct smooth *smooth);

/*
 * Takes a frame's points of a body and replaces them by calmer ones.  taken_us: when the frame was taken; where that is
 * not after the body's last one, and in its first frame, the points stay as they are and filtering starts with them.
 * A number that is not finite stays what it is and starts anew.  points: SMOOTH_POINTS, x, y, z in one unit, and
 * visibility; NULL leaves them out.  aims: SMOOTH_AIMS, x and y in the same unit.
 */
void smooth_body(struct smooth *smooth, uint32_t body, int64_t taken_us, float (*points)[IPC_POINT_FLOATS],
		 float (*aims)[2]);

#endif
