/*
 * stats.h - counts and a histogram of latencies, and the recent rate, of one model, lane, client or
 * stream.
 *
 * Buckets are logarithmic, eight to an octave, so that a quantile is at most 9% off.  One thread.
 */
#ifndef INFERD_STATS_H
#define INFERD_STATS_H

#include <stdint.h>

#include "ipc/ipc.h"

#define STATS_STATUSES (IPC_FAILED + 1)
#define STATS_BUCKETS  (8 * 30)
#define STATS_SECONDS  8

struct stats {
	uint64_t by_status[STATS_STATUSES]; /* of enum ipc_status */
	uint64_t latency[STATS_BUCKETS];    /* of answered frames: arrival to reply */
	uint64_t latency_us;		    /* their sum */
	uint64_t busy_us;		    /* preprocessing and inference */
	/* private to stats.c */
	int64_t second;			/* of the count that was last touched */
	uint32_t recent[STATS_SECONDS]; /* answered in this second and those before it, by second modulo its length */
};

/* Times are of any one clock that does not go back. */
void stats_count(struct stats *stats, enum ipc_status status, uint32_t total_us, uint32_t busy_us, int64_t now_us);

/* Frames answered a second over the last whole seconds. */
double stats_rate(const struct stats *stats, int64_t now_us);

/* The latency that this share (0..1) of answered frames did not exceed, or 0 when there are none. */
uint32_t stats_quantile(const struct stats *stats, double share);

const char *stats_status_name(enum ipc_status status); /* "answered", "deadline", ... */

#endif
