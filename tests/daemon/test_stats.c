#include "daemon/stats.h"

#include "support/test.h"

TEST_SUITE(stats);

Test(stats, quantiles_are_close_and_never_low)
{
	struct stats stats = {0};

	cr_assert_eq(stats_quantile(&stats, 0.5), 0);
	for (uint32_t us = 1; us <= 1000; us++)
		stats_count(&stats, IPC_OK, us * 10, 1);
	cr_assert(stats_quantile(&stats, 0.5) >= 5000 && stats_quantile(&stats, 0.5) < 5000 * 1.13);
	cr_assert(stats_quantile(&stats, 0.99) >= 9900 && stats_quantile(&stats, 0.99) < 9900 * 1.13);
	cr_assert_eq(stats.busy_us, 1000);
}

Test(stats, every_latency_has_a_bucket)
{
	for (uint64_t us = 0; us <= UINT32_MAX; us = us < 64 ? us + 1 : us * 5 / 4) {
		struct stats stats = {0};
		uint32_t found;

		stats_count(&stats, IPC_OK, (uint32_t)us, 0);
		found = stats_quantile(&stats, 0.5);
		cr_assert(found >= us && (double)found <= (double)us * 1.125 + 1, "%llu gives %u",
			  (unsigned long long)us, found);
	}
}

Test(stats, drops_have_no_latency)
{
	struct stats stats = {0};

	stats_count(&stats, IPC_DROPPED_DEADLINE, 5, 0);
	cr_assert_eq(stats.by_status[IPC_DROPPED_DEADLINE], 1);
	cr_assert_eq(stats_quantile(&stats, 0.5), 0);
}
