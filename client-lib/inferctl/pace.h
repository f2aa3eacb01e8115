/*
 * pace.h - when the next frame is due at a steady rate.  Reads no clock: times are given, in nanoseconds of any one.
 */
#ifndef INFERCTL_PACE_H
#define INFERCTL_PACE_H

#include <stdint.h>

struct pace {
	uint64_t period_ns; /* 0: always due */
	uint64_t due_ns;    /* 0: before the first frame, which is due at once */
};

void pace_init(struct pace *pace, double fps);			 /* 0: no rate */
uint64_t pace_wait_ns(const struct pace *pace, uint64_t now_ns); /* 0: it is due */

/* A frame was taken.  After a stall the rate goes on from now; the missed ones are not hurried after. */
void pace_advance(struct pace *pace, uint64_t now_ns);

#endif
