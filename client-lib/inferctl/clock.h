/*
 * clock.h - the time, for the few files of inferctl that wait; what decides by time is given it.
 */
#ifndef INFERCTL_CLOCK_H
#define INFERCTL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
