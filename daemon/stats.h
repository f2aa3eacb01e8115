/*
 * stats.h - counts and a histogram of latencies, of one model, lane or client.
 *
 * Buckets are logarithmic, eight to an octave, so that a quantile is at most 9% off.  One thread.
 */
#ifndef INFERD_STATS_H
#define INFERD_STATS_H

#include <stdint.h>

#include "ipc/ipc.h"

#define STATS_STATUSES (IPC_FAILED + 1)
#define STATS_BUCKETS  (8 * 30)

struct stats {
	uint64_t by_status[STATS_STATUSES]; /* of enum ipc_status */
	uint64_t latency[STATS_BUCKETS];    /* of answered frames: arrival to reply */
	uint64_t busy_us;		    /* preprocessing and inference */
};

void stats_count(struct stats *stats, enum ipc_status status, uint32_t total_us, uint32_t busy_us);

/* The latency that this share (0..1) of answered frames did not exceed, or 0 when there are none. */
uint32_t stats_quantile(const struct stats *stats, double share);

const char *stats_status_name(enum ipc_status status); /* "answered", "deadline", ... */

#endif
