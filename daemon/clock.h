/*
 * clock.h - the one clock of the daemon: CLOCK_MONOTONIC in microseconds.
 *
 * Only the loop, the lanes and main read it; queues, sensors and the policy are given the time.
 */
#ifndef INFERD_CLOCK_H
#define INFERD_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
