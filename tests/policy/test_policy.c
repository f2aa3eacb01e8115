/* test_policy.c - decisions on a small ladder, with time and sensors given as numbers. */
#include <math.h>
#include <string.h>

#include "policy/policy.h"
#include "support/test.h"

TEST_SUITE(policy);

#define SECOND 1000000

/* One lane: 40, 20, 10 and 5 ms at falling accuracy. */
struct bench {
	struct policy_params params;
	struct policy_rung rungs[4];
	struct policy_memory memory;
	struct policy_state state;
	struct policy_sample sample;
	struct policy_decision decision;
};

static void bench_init(struct bench *b)
{
	static const float accuracy[] = {0.78f, 0.74f, 0.66f, 0.5f}, cost_us[] = {40000, 20000, 10000, 5000};

	memset(b, 0, sizeof(*b));
	policy_params_init(&b->params);
	policy_memory_init(&b->memory);
	policy_state_init(&b->state);
	for (int i = 0; i < 4; i++)
		b->rungs[i] = (struct policy_rung){.variant = (uint16_t)i,
						   .width = (uint16_t)(256 >> i),
						   .height = (uint16_t)(256 >> i),
						   .channels = 3,
						   .threads = 1,
						   .accuracy = accuracy[i],
						   .prior_us = cost_us[i]};
	b->sample = (struct policy_sample){.now_us = SECOND,
					   .deadline_us = 200000,
					   .n_lanes = 1,
					   .temp_c = 40,
					   .temp_limit_c = NAN,
					   .cpu_pressure = NAN,
					   .cpu_load = NAN,
					   .battery = NAN,
					   .motion = NAN,
					   .blur = NAN};
	for (int i = 0; i < POLICY_LANES_MAX; i++)
		b->sample.freq_cap[i] = NAN;
}

static int decide(struct bench *b)
{
	policy_decide(&b->params, b->rungs, 4, &b->memory, &b->sample, &b->state, &b->decision);
	return b->decision.rung;
}

/* Frames at 4 a second for so many seconds; the rung of the last. */
static int run_for(struct bench *b, float seconds)
{
	for (int i = 0; i < (int)(seconds * 4); i++) {
		b->sample.now_us += SECOND / 4;
		decide(b);
	}
	return b->decision.rung;
}

Test(policy, cool_and_free_runs_the_best)
{
	struct bench b;

	bench_init(&b);
	cr_assert_eq(decide(&b), 0);
	cr_assert_eq(b.decision.cause, POLICY_BEST);
	cr_assert_float_eq(b.decision.predicted_us, 40000, 1);
	cr_assert_not_null(strstr(b.decision.reason, "40.0 ms of 200 ms"), "%s", b.decision.reason);
}

Test(policy, heat_steps_down_at_once_and_further_towards_critical)
{
	struct bench b;

	bench_init(&b);
	cr_assert_eq(decide(&b), 0);
	b.sample.temp_c = 75;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_HOT);
	cr_assert_not_null(strstr(b.decision.reason, "75.0 C is over 75.0"), "%s", b.decision.reason);
	b.sample.temp_c = 88;
	cr_assert_eq(decide(&b), 3);
	cr_assert_eq(b.decision.cause, POLICY_HOT);
}

Test(policy, trip_point_below_the_limit_counts_as_the_limit)
{
	struct bench b;

	bench_init(&b);
	b.sample.temp_limit_c = 60;
	b.sample.temp_c = 59;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_HOT);
}

Test(policy, up_one_step_after_each_dwell)
{
	struct bench b;

	bench_init(&b);
	b.sample.temp_c = 89;
	cr_assert_eq(decide(&b), 3);
	b.sample.temp_c = 40;
	cr_assert_eq(run_for(&b, 1.5f), 3);
	cr_assert_eq(b.decision.cause, POLICY_SETTLING);
	cr_assert_eq(run_for(&b, 1), 2);
	cr_assert_eq(run_for(&b, 2), 1);
	cr_assert_eq(run_for(&b, 2), 0);
	cr_assert_eq(b.decision.cause, POLICY_BEST);
}

Test(policy, step_up_that_is_taken_back_soon_waits_twice_as_long)
{
	struct bench b;

	bench_init(&b);
	b.sample.temp_c = 76;
	decide(&b);
	b.sample.temp_c = 60;
	cr_assert_eq(run_for(&b, 2.5f), 0);
	b.sample.temp_c = 76;
	cr_assert_eq(run_for(&b, 0.25f), 1);
	b.sample.temp_c = 60;
	cr_assert_eq(run_for(&b, 3.5f), 1, "the dwell is 4 s now");
	cr_assert_eq(run_for(&b, 1), 0);
}

Test(policy, critical_runs_the_cheapest_at_the_least_rate)
{
	struct bench b;
	int ran = 0;

	bench_init(&b);
	b.sample.temp_c = 95;
	for (int i = 0; i < 40; i++) { /* 10 frames a second, for 4 s */
		b.sample.now_us += SECOND / 10;
		if (decide(&b) >= 0) {
			cr_assert_eq(b.decision.rung, 3);
			cr_assert_eq(b.decision.cause, POLICY_CRITICAL);
			ran++;
		} else {
			cr_assert_eq(b.decision.cause, POLICY_SKIP);
		}
	}
	cr_assert_eq(ran, 8, "%d frames in 4 s, not 2 a second", ran);
}

Test(policy, deadline_chooses_what_fits_with_its_margin)
{
	struct bench b;

	bench_init(&b);
	b.sample.deadline_us = 30000;
	cr_assert_eq(decide(&b), 1, "20 ms and 30%% fit into 30 ms");
	cr_assert_eq(b.decision.cause, POLICY_DEADLINE);
	b.sample.queued_us = 10000;
	cr_assert_eq(decide(&b), 2);
	b.sample.queued_us = 0;
	b.sample.lane_wait_us[0] = 22000;
	cr_assert_eq(decide(&b), 3);
}

Test(policy, times_learned_replace_the_prior)
{
	struct bench b;

	bench_init(&b);
	for (int i = 0; i < 50; i++)
		policy_observe(b.rungs, 4, 0, 300000, &b.memory);
	/* The others are unseen on this lane, which is 7.5 times slower than thought. */
	cr_assert_eq(decide(&b), 1);
	cr_assert_float_eq(b.decision.predicted_us, 150000, 1000);
	for (int i = 0; i < 50; i++)
		policy_observe(b.rungs, 4, 0, 40000, &b.memory);
	policy_state_init(&b.state);
	cr_assert_eq(decide(&b), 0);
}

Test(policy, backlog_shrinks_the_budget)
{
	struct bench b;

	bench_init(&b);
	b.sample.queue_depth = 5;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_BUSY);
	cr_assert_not_null(strstr(b.decision.reason, "5 wait"), "%s", b.decision.reason);
}

Test(policy, pressure_shrinks_the_budget)
{
	struct bench b;

	bench_init(&b);
	b.sample.deadline_us = 60000;
	cr_assert_eq(decide(&b), 0);
	b.sample.cpu_pressure = 0.9f;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_BUSY);
}

Test(policy, capped_clock_lengthens_times_never_observed)
{
	struct bench b;

	bench_init(&b);
	b.sample.deadline_us = 60000;
	b.sample.freq_cap[0] = 0.5f;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_THROTTLED);
}

Test(policy, hopeless_frame_is_not_run_but_a_probe_is)
{
	struct bench b;

	bench_init(&b);
	decide(&b);
	b.sample.deadline_us = 2000;
	b.sample.now_us += SECOND / 4;
	cr_assert_eq(decide(&b), -1);
	cr_assert_eq(b.decision.cause, POLICY_HOPELESS);
	b.sample.now_us += SECOND;
	cr_assert_eq(decide(&b), 3);
}

Test(policy, no_deadline_waits_for_the_best)
{
	struct bench b;

	bench_init(&b);
	b.sample.deadline_us = 0;
	b.sample.queued_us = 10 * SECOND;
	cr_assert_eq(decide(&b), 0);
}

Test(policy, pruning_leaves_the_front_of_each_lane)
{
	struct policy_rung rungs[] = {
		{.accuracy = 0.7f, .prior_us = 20},
		{.accuracy = 0.6f, .prior_us = 30},
		{.accuracy = 0.5f, .prior_us = 10},
		{.accuracy = 0.7f, .prior_us = 20},
		{.accuracy = 0.6f, .prior_us = 30, .lane = 1},
	};

	cr_assert_eq(policy_prune(rungs, 5), 3);
	cr_assert(!rungs[0].dominated);
	cr_assert(rungs[1].dominated, "slower and worse");
	cr_assert(!rungs[2].dominated);
	cr_assert(rungs[3].dominated, "the same as the first");
	cr_assert(!rungs[4].dominated, "alone on its lane");
}

Test(policy, free_lane_is_taken_for_an_equal_rung)
{
	struct bench b;

	bench_init(&b);
	b.rungs[1] = b.rungs[0];
	b.rungs[1].lane = 1;
	b.rungs[1].prior_us = 50000;
	b.sample.n_lanes = 2;
	b.sample.lane_wait_us[0] = 30000;
	cr_assert_eq(decide(&b), 1);
	b.sample.lane_wait_us[0] = 0;
	cr_assert_eq(decide(&b), 0);
}

Test(policy, accuracy_estimate_rises_with_size_and_colour)
{
	float last = -1;

	for (float ratio = -0.5f; ratio < 2; ratio += 0.01f) {
		float colour = policy_accuracy(0.75f, ratio, false);

		cr_assert_geq(colour, last);
		cr_assert_leq(colour, 0.75f);
		cr_assert_geq(colour, 0);
		cr_assert(colour == 0 || policy_accuracy(0.75f, ratio, true) < colour - 0.0001f);
		last = colour;
	}
	cr_assert_eq(policy_accuracy(0.75f, 1, false), 0.75f);
	cr_assert_lt(policy_accuracy(0.75f, 0.5f, false), 0.5f);
	cr_assert_gt(policy_accuracy(0.75f, 0.85f, false), 0.69f);
}

static float wild(void)
{
	static const float odd[] = {NAN, INFINITY, -INFINITY, -1, 0, 1e30f, -1e30f, 1e-30f};
	int64_t i = test_random_range(0, 15);

	return i < 8 ? odd[i] : test_random_float() * 200;
}

static int64_t wild_us(void)
{
	static const int64_t odd[] = {0, -1, INT64_MAX / 4, INT64_MIN / 4};
	int64_t i = test_random_range(0, 7);

	return i < 4 ? odd[i] : test_random_range(-SECOND, 100 * (int64_t)SECOND);
}

Test(policy, any_input_gives_a_rung_in_range_and_the_same_again)
{
	for (int round = 0; round < 20000; round++) {
		struct bench b, twin;

		bench_init(&b);
		for (int i = 0; i < 4; i++) {
			b.rungs[i].prior_us = wild();
			b.rungs[i].accuracy = wild();
			b.rungs[i].lane = (uint8_t)test_random();
			b.memory.rung[i].count = (uint32_t)test_random_range(0, 2);
			policy_observe(b.rungs, 4, i, wild(), &b.memory);
		}
		policy_prune(b.rungs, 4);
		b.params.temp_high_c = wild();
		b.params.temp_critical_c = wild();
		b.params.min_fps = wild();
		b.params.up_dwell_s = wild();
		b.sample.temp_c = wild();
		b.sample.temp_limit_c = wild();
		b.sample.cpu_pressure = wild();
		b.sample.freq_cap[0] = wild();
		b.sample.lane_wait_us[0] = wild();
		b.sample.now_us = wild_us();
		b.sample.deadline_us = wild_us();
		b.sample.queued_us = wild_us();
		b.sample.queue_depth = (int)test_random_range(-5, 50);
		b.state.rung = (int)test_random_range(-3, 6);
		b.state.changed_us = wild_us();
		b.state.calm_since_us = wild_us();
		b.state.last_run_us = wild_us();
		twin = b;
		decide(&b);
		cr_assert_geq(b.decision.rung, -1);
		cr_assert_lt(b.decision.rung, 4);
		cr_assert(b.decision.rung < 0 || !b.rungs[b.decision.rung].dominated);
		cr_assert_gt(strlen(b.decision.reason), 0);
		decide(&twin);
		cr_assert_eq(b.decision.rung, twin.decision.rung);
		cr_assert_str_eq(b.decision.reason, twin.decision.reason);
	}
}
