#include "daemon/stats.h"

#include "support/test.h"

TEST_SUITE(stats);

Test(stats, quantiles_are_close_and_never_low)
{
	struct stats stats = {0};

	cr_assert_eq(stats_quantile(&stats, 0.5), 0);
	for (uint32_t us = 1; us <= 1000; us++)
		stats_count(&stats, IPC_OK, us * 10, 1, 0);
	cr_assert(stats_quantile(&stats, 0.5) >= 5000 && stats_quantile(&stats, 0.5) < 5000 * 1.13);
	cr_assert(stats_quantile(&stats, 0.99) >= 9900 && stats_quantile(&stats, 0.99) < 9900 * 1.13);
	cr_assert_eq(stats.busy_us, 1000);
	cr_assert_eq(stats.latency_us, 5005000);
}

Test(stats, every_latency_has_a_bucket)
{
	for (uint64_t us = 0; us <= UINT32_MAX; us = us < 64 ? us + 1 : us * 5 / 4) {
		struct stats stats = {0};
		uint32_t found;

		stats_count(&stats, IPC_OK, (uint32_t)us, 0, 0);
		found = stats_quantile(&stats, 0.5);
		cr_assert(found >= us && (double)found <= (double)us * 1.125 + 1, "%llu gives %u",
			  (unsigned long long)us, found);
	}
}

Test(stats, drops_have_no_latency)
{
	struct stats stats = {0};

	stats_count(&stats, IPC_DROPPED_DEADLINE, 5, 0, 0);
	cr_assert_eq(stats.by_status[IPC_DROPPED_DEADLINE], 1);
	cr_assert_eq(stats.latency_us, 0);
	cr_assert_eq(stats_quantile(&stats, 0.5), 0);
}

Test(stats, rate_is_that_of_the_last_whole_seconds)
{
	struct stats stats = {0};

	/* 10 a second, beginning anywhere. */
	for (int64_t us = 123456789; us < 143456789; us += 100000)
		stats_count(&stats, IPC_OK, 5, 0, us);
	cr_assert_eq(stats_rate(&stats, 143456789), 10);
	cr_assert_eq(stats_rate(&stats, 143999999), 10);
	/* Then nothing. */
	cr_assert_lt(stats_rate(&stats, 146000000), 10);
	cr_assert_gt(stats_rate(&stats, 146000000), 0);
	cr_assert_eq(stats_rate(&stats, 160000000), 0);
	stats_count(&stats, IPC_OK, 5, 0, 160000000);
	stats_count(&stats, IPC_FAILED, 5, 0, 160000000);
	cr_assert_eq(stats_rate(&stats, 160000000), 0);
	cr_assert_float_eq(stats_rate(&stats, 161000000), 1.0 / 7, 1e-9);
}
