/* stats.c - see stats.h. */
#include "stats.h"

#include <stddef.h>

/* 0..7 us have a bucket each; from there on the three bits below the highest one choose within an octave. */
static unsigned bucket_of(uint32_t us)
{
	unsigned octave;

	if (us < 8)
		return us;
	octave = 31u - (unsigned)__builtin_clz(us);
	return 8 * (octave - 2) + ((us >> (octave - 3)) & 7);
}

static uint32_t bucket_highest(unsigned bucket)
{
	unsigned octave = bucket / 8 + 2;

	if (bucket < 8)
		return bucket;
	return (uint32_t)(((uint64_t)(8 + bucket % 8 + 1) << (octave - 3)) - 1);
}

static int64_t second_of(int64_t now_us)
{
	return now_us / 1000000;
}

void stats_count(struct stats *stats, enum ipc_status status, uint32_t total_us, uint32_t busy_us, int64_t now_us)
{
	int64_t second = second_of(now_us);

	stats->by_status[status]++;
	stats->busy_us += busy_us;
	if (status != IPC_OK)
		return;
	stats->latency[bucket_of(total_us)]++;
	stats->latency_us += total_us;
	if (second - stats->second >= STATS_SECONDS)
		stats->second = second - STATS_SECONDS;
	while (stats->second < second)
		stats->recent[++stats->second % STATS_SECONDS] = 0;
	stats->recent[second % STATS_SECONDS]++;
}

double stats_rate(const struct stats *stats, int64_t now_us)
{
	int64_t second = second_of(now_us);
	uint64_t sum = 0;

	for (int64_t past = second - STATS_SECONDS + 1; past < second; past++)
		if (past <= stats->second && past > stats->second - STATS_SECONDS && past >= 0)
			sum += stats->recent[past % STATS_SECONDS];
	return (double)sum / (STATS_SECONDS - 1);
}

uint32_t stats_quantile(const struct stats *stats, double share)
{
	uint64_t seen = 0, rank = (uint64_t)(share * (double)stats->by_status[IPC_OK] + 0.5);

	if (!stats->by_status[IPC_OK])
		return 0;
	for (unsigned bucket = 0; bucket < STATS_BUCKETS; bucket++) {
		seen += stats->latency[bucket];
		if (seen && seen >= rank)
			return bucket_highest(bucket);
	}
	return UINT32_MAX;
}

const char *stats_status_name(enum ipc_status status)
{
	static const char *const names[STATS_STATUSES] = {"answered", "deadline", "replaced", "cancelled",
							  "skipped",  "closed",	  "failed"};

	return names[status];
}
