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
	struct policy_latency latency;
	struct policy_state state;
	struct policy_sample sample;
	struct policy_decision decision;
};

/* Every rung has run as it was expected to, so that little doubt is left. */
static void bench_learn(struct bench *b)
{
	for (int i = 0; i < 200; i++)
		policy_latency_observe(&b->latency, &b->params, b->rungs, i % 4, b->rungs[i % 4].prior_us, NAN,
				       (i + 1) * (int64_t)1000);
}

static void bench_init(struct bench *b)
{
	static const float accuracy[] = {0.78f, 0.74f, 0.66f, 0.5f}, cost_us[] = {40000, 20000, 10000, 5000};

	memset(b, 0, sizeof(*b));
	policy_params_init(&b->params);
	policy_state_init(&b->state);
	for (int i = 0; i < 4; i++)
		b->rungs[i] = (struct policy_rung){.variant = (uint16_t)i,
						   .width = (uint16_t)(256 >> i),
						   .height = (uint16_t)(256 >> i),
						   .channels = 3,
						   .threads = 1,
						   .accuracy = accuracy[i],
						   .prior_us = cost_us[i]};
	policy_latency_init(&b->latency, b->rungs, 4);
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

static void bench_learned(struct bench *b)
{
	bench_init(b);
	bench_learn(b);
}

static int decide(struct bench *b)
{
	policy_decide(&b->params, b->rungs, 4, &b->latency, &b->sample, &b->state, &b->decision);
	return b->decision.rung;
}

static void observe(struct bench *b, int rung, float us)
{
	policy_latency_observe(&b->latency, &b->params, b->rungs, rung, us, NAN, b->sample.now_us);
}

/* The best fits the deadline many times over, but not the rate that the stream has to keep within its share.  It takes
   37 ms, since of the runs from which it was learned each was a change of rung. */
Test(policy, a_rung_fits_the_share_or_is_the_quickest)
{
	static const struct {
		float share_us;
		int rung;
	} cases[] = {{0, 0}, {45000, 0}, {40000, 1}, {23000, 1}, {12000, 2}, {6000, 3}, {1000, 3}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		bench_learned(&b);
		b.sample.share_us = cases[i].share_us;
		cr_assert_eq(decide(&b), cases[i].rung, "%g us: rung %d, %s", (double)cases[i].share_us,
			     b.decision.rung, b.decision.reason);
		cr_assert_eq((int)b.decision.cause, (int)(cases[i].rung ? POLICY_BUSY : POLICY_BEST));
	}
}

/* A rung is taken where a tenth of the share is left, and held until the share is exceeded. */
Test(policy, a_share_that_wavers_changes_nothing)
{
	struct bench b;

	bench_learned(&b);
	b.params.explore_frames = 0;
	b.sample.share_us = 45000;
	cr_assert_eq(decide(&b), 0);
	for (int i = 0; i < 100; i++) {
		b.sample.now_us += 100000;
		b.sample.share_us = i % 2 ? 47000 : 38000;
		cr_assert_eq(decide(&b), 0);
	}
	b.sample.share_us = 36000;
	cr_assert_eq(decide(&b), 1);
	cr_assert(strstr(b.decision.reason, "its share is 36.0 ms a frame"), "%s", b.decision.reason);
	for (int i = 0; i < 100; i++) {
		b.sample.now_us += 100000;
		b.sample.share_us = i % 2 ? 40000 : 36000;
		cr_assert_eq(decide(&b), 1);
	}
}

Test(policy, cool_and_free_runs_the_best)
{
	struct bench b;

	bench_init(&b);
	cr_assert_eq(decide(&b), 0);
	cr_assert_eq(b.decision.cause, POLICY_BEST);
	cr_assert_float_eq(b.decision.predicted_us, 40000, 10);
	cr_assert_not_null(strstr(b.decision.reason, "40.0 ms of 200 ms"), "%s", b.decision.reason);
}

Test(policy, heat_costs_nothing_at_its_limit_and_more_towards_critical)
{
	struct bench b;
	int last = 0;

	bench_learned(&b);
	b.params.explore_frames = 0;
	b.sample.temp_c = 75;
	cr_assert_eq(decide(&b), 0);
	for (float c = 75; c < 90; c += 0.5f) {
		b.sample.temp_c = c;
		b.sample.now_us += SECOND;
		cr_assert_geq(decide(&b), last, "hotter, and yet a dearer rung");
		last = b.decision.rung;
		if (last > 0) {
			cr_assert_eq(b.decision.cause, POLICY_HOT);
			cr_assert_not_null(strstr(b.decision.reason, "C is over 75.0"), "%s", b.decision.reason);
		}
	}
	cr_assert_eq(last, 3, "just below critical the cheapest");
}

Test(policy, trip_point_below_the_limit_counts_as_the_limit)
{
	struct bench b;

	bench_learned(&b);
	b.sample.temp_limit_c = 60;
	b.sample.temp_c = 57;
	cr_assert_eq(decide(&b), 0);
	b.sample.temp_c = 80;
	cr_assert_gt(decide(&b), 0);
	cr_assert_eq(b.decision.cause, POLICY_HOT);
}

Test(policy, up_as_soon_as_it_is_worth_it)
{
	struct bench b;

	bench_learned(&b);
	b.sample.temp_c = 89;
	cr_assert_gt(decide(&b), 0);
	b.sample.temp_c = 40;
	b.sample.now_us += SECOND;
	cr_assert_eq(decide(&b), 0);
}

Test(policy, step_up_that_is_taken_back_soon_waits_twice_as_long)
{
	struct bench b;

	bench_learned(&b);
	b.params.up_dwell_s = 2;
	b.params.explore_frames = 0;
	b.sample.deadline_us = 25000;
	cr_assert_eq(decide(&b), 1);
	for (int trial = 0; trial < 3; trial++) {
		int waited = 0;

		b.sample.deadline_us = 200000;
		while (decide(&b) != 0) {
			cr_assert_eq(b.decision.cause, POLICY_SETTLING);
			b.sample.now_us += SECOND / 4;
			waited++;
		}
		cr_assert_eq(waited, trial == 0 ? 8 : trial == 1 ? 16 : 32, "%d quarters of a second", waited);
		b.sample.deadline_us = 25000;
		b.sample.now_us += SECOND;
		cr_assert_eq(decide(&b), 1, "down at once");
	}
}

Test(policy, restless_stream_asks_more_of_the_next_change)
{
	struct bench b;
	int changes = 0, last;

	bench_learned(&b);
	b.params.explore_frames = 0;
	last = decide(&b);
	/* Ten a second, of which every other leaves less time: the chance of the best is 1 or a little less. */
	for (int i = 0; i < 600; i++) {
		b.sample.now_us += SECOND / 10;
		b.sample.deadline_us = i % 2 ? 44500 : 200000;
		changes += decide(&b) != last;
		last = b.decision.rung;
	}
	cr_assert_lt(changes, 60, "%d changes in a minute", changes);
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

Test(policy, deadline_chooses_what_fits)
{
	struct bench b;

	bench_learned(&b);
	b.sample.deadline_us = 30000;
	cr_assert_eq(decide(&b), 1, "20 ms fit into 30 ms");
	cr_assert_eq(b.decision.cause, POLICY_DEADLINE);
	cr_assert_gt(b.decision.chance, 0.9f);
	b.sample.queued_us = 15000;
	cr_assert_eq(decide(&b), 2);
	b.sample.queued_us = 0;
	b.sample.lane_wait_us[0] = 23000;
	cr_assert_eq(decide(&b), 3);
}

Test(policy, unknown_device_keeps_a_distance_that_a_known_one_does_not)
{
	struct bench b;

	bench_init(&b);
	b.sample.deadline_us = 50000;
	cr_assert_gt(decide(&b), 0, "40 ms, give or take a factor of two");
	bench_learned(&b);
	b.sample.deadline_us = 50000;
	cr_assert_eq(decide(&b), 0);
}

Test(policy, lane_that_is_slower_than_thought_is_known_for_all_its_rungs)
{
	struct bench b;

	bench_init(&b);
	for (int i = 0; i < 50; i++) {
		b.sample.now_us += SECOND / 10;
		observe(&b, 3, 37500);
	}
	/* The others never ran, on a lane 7.5 times slower than thought: 300, 150 and 75 ms. */
	cr_assert_eq(decide(&b), 1);
	cr_assert_float_eq(b.decision.predicted_us, 150000, 15000, "%f", (double)b.decision.predicted_us);
}

Test(policy, backlog_shrinks_the_budget)
{
	struct bench b;

	bench_learned(&b);
	b.sample.queue_depth = 5;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_BUSY);
	cr_assert_not_null(strstr(b.decision.reason, "5 wait"), "%s", b.decision.reason);
}

Test(policy, pressure_shrinks_the_budget)
{
	struct bench b;

	bench_learned(&b);
	b.sample.deadline_us = 60000;
	cr_assert_eq(decide(&b), 0);
	b.sample.cpu_pressure = 0.9f;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_BUSY);
}

Test(policy, capped_clock_lengthens_all_times)
{
	struct bench b;

	bench_learned(&b);
	b.sample.deadline_us = 60000;
	cr_assert_eq(decide(&b), 0);
	b.sample.freq_cap[0] = 0.5f;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_THROTTLED);
}

Test(policy, hopeless_frame_is_not_run_but_a_probe_is)
{
	struct bench b;

	bench_learned(&b);
	decide(&b);
	b.sample.deadline_us = 2000;
	b.sample.now_us += SECOND / 4;
	cr_assert_eq(decide(&b), -1);
	cr_assert_eq(b.decision.cause, POLICY_HOPELESS);
	b.sample.now_us += SECOND;
	cr_assert_eq(decide(&b), 3);
	b.sample.queued_us = 3000;
	cr_assert_eq(decide(&b), -1, "its deadline has passed");
}

Test(policy, no_deadline_waits_for_the_best)
{
	struct bench b;

	bench_init(&b);
	b.sample.deadline_us = 0;
	b.sample.queued_us = 10 * SECOND;
	cr_assert_eq(decide(&b), 0);
}

Test(policy, blurred_frame_gets_a_cheaper_rung_and_the_next_sharp_one_the_best_at_once)
{
	struct bench b;

	bench_learned(&b);
	b.params.up_dwell_s = 10;
	cr_assert_eq(decide(&b), 0);
	for (int i = 0; i < 20; i++) {
		b.sample.now_us += SECOND / 10;
		b.sample.blur = i % 2 ? 0.1f : 0.8f;
		cr_assert_eq(decide(&b) == 0, i % 2, "%s", b.decision.reason);
		cr_assert(i % 2 || b.decision.cause == POLICY_BLURRED);
	}
}

Test(policy, still_scene_is_left_out_only_where_energy_is_short)
{
	struct bench b;
	int ran = 0;

	bench_learned(&b);
	decide(&b);
	b.sample.motion = 0.001f;
	b.sample.now_us += SECOND / 10;
	cr_assert_geq(decide(&b), 0, "on mains and cool");
	b.sample.battery = 0.05f;
	for (int i = 0; i < 40; i++) {
		b.sample.now_us += SECOND / 10;
		ran += decide(&b) >= 0;
		cr_assert(b.decision.rung >= 0 || b.decision.cause == POLICY_STILL);
	}
	cr_assert_eq(ran, 8, "%d frames in 4 s, not 2 a second", ran);
	b.sample.motion = 0.5f;
	b.sample.now_us += SECOND / 10;
	cr_assert_geq(decide(&b), 0, "the scene moved");
}

Test(policy, low_battery_takes_a_cheaper_rung)
{
	struct bench b;

	bench_learned(&b);
	b.sample.battery = 0.9f;
	cr_assert_eq(decide(&b), 0);
	b.sample.battery = 0;
	b.sample.now_us += SECOND;
	cr_assert_eq(decide(&b), 1);
	cr_assert_eq(b.decision.cause, POLICY_BATTERY);
}

/* The best rung takes 40 of 60 ms.  Who asks at any moment would find it busy; a camera would not. */
Test(policy, rung_that_makes_the_next_frame_wait_is_worth_less)
{
	for (int waits = 0; waits < 2; waits++) {
		struct bench b;

		bench_learned(&b);
		b.params.explore_frames = 0;
		b.params.switch_price = 0;
		b.rungs[1].accuracy = 0.77f;
		b.sample.deadline_us = 60000;
		cr_assert_eq(decide(&b), 0, "%s", b.decision.reason);
		for (int i = 0; i < 40; i++) {
			b.sample.now_us += SECOND / 10;
			b.sample.queued_us = 0;
			decide(&b);
			/* The next one comes 5 ms later and waits for the rest of the run. */
			b.sample.now_us += (int64_t)b.decision.predicted_us;
			b.sample.queued_us = waits ? (int64_t)b.decision.predicted_us - 5000 : 0;
			decide(&b);
		}
		b.sample.now_us += SECOND / 10;
		b.sample.queued_us = 0;
		cr_assert_eq(decide(&b), waits ? 1 : 0, "%s", b.decision.reason);
	}
}

/* The best rung is quick, but nothing says so until it is tried. */
Test(policy, rung_of_which_little_is_known_is_tried)
{
	struct bench b;
	int tried = 0;

	bench_init(&b);
	b.params.rung_spread = 0.4f;
	b.sample.deadline_us = 45000;
	for (int i = 0; i < 300; i++) {
		b.sample.now_us += SECOND / 10;
		decide(&b);
		tried += b.decision.cause == POLICY_EXPLORE;
		observe(&b, b.decision.rung, b.decision.rung == 0 ? 30000 : b.rungs[b.decision.rung].prior_us);
	}
	cr_assert_geq(tried, 1);
	cr_assert_eq(b.decision.rung, 0, "%s", b.decision.reason);
	bench_init(&b);
	b.params.explore_frames = 1;
	b.sample.deadline_us = 45000;
	b.sample.temp_c = 80;
	for (int i = 0; i < 50; i++) {
		b.sample.now_us += SECOND / 10;
		decide(&b);
		cr_assert_neq(b.decision.cause, POLICY_EXPLORE, "not while it is hot");
	}
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
	policy_latency_init(&b.latency, b.rungs, 4);
	bench_learn(&b);
	b.sample.lane_wait_us[0] = 100000;
	cr_assert_eq(decide(&b), 1);
	b.sample.lane_wait_us[0] = 0;
	b.sample.now_us += SECOND;
	cr_assert_eq(decide(&b), 1, "there is no reason to go back");
	b.sample.lane_wait_us[1] = 190000;
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
		}
		policy_latency_init(&b.latency, b.rungs, 4);
		for (int i = 0; i < 8; i++)
			policy_latency_observe(&b.latency, &b.params, b.rungs, i % 4, wild(), wild(), wild_us());
		policy_prune(b.rungs, 4);
		b.params.temp_high_c = wild();
		b.params.temp_critical_c = wild();
		b.params.min_fps = wild();
		b.params.up_dwell_s = wild();
		b.params.explore_frames = wild();
		b.params.rung_spread = wild();
		policy_params_clamp(&b.params);
		b.sample.temp_c = wild();
		b.sample.temp_limit_c = wild();
		b.sample.cpu_pressure = wild();
		b.sample.freq_cap[0] = wild();
		b.sample.blur = wild();
		b.sample.motion = wild();
		b.sample.battery = wild();
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
		cr_assert(b.decision.chance >= 0 && b.decision.chance <= 1);
		cr_assert_gt(strlen(b.decision.reason), 0);
		decide(&twin);
		cr_assert_eq(b.decision.rung, twin.decision.rung);
		cr_assert_eq(memcmp(&b.state, &twin.state, sizeof(b.state)), 0);
		cr_assert_str_eq(b.decision.reason, twin.decision.reason);
	}
}

/* What ran is bounded from above, and more widely where runs differ; what does not run has no bound. */
Test(policy, the_bound_is_above_the_median_and_widens_with_jitter)
{
	struct bench steady, jittery;
	float narrow, wide;

	bench_init(&steady);
	bench_init(&jittery);
	for (int i = 0; i < 400; i++) {
		float factor = i / 4 % 2 ? 1.4f : 0.7f;

		policy_latency_observe(&steady.latency, &steady.params, steady.rungs, i % 4,
				       steady.rungs[i % 4].prior_us, NAN, (i + 1) * (int64_t)1000);
		policy_latency_observe(&jittery.latency, &jittery.params, jittery.rungs, i % 4,
				       factor * jittery.rungs[i % 4].prior_us, NAN, (i + 1) * (int64_t)1000);
	}
	cr_assert_eq(decide(&steady), 0);
	cr_assert_eq(decide(&jittery), 0);
	narrow = steady.decision.bound_us / steady.decision.predicted_us;
	wide = jittery.decision.bound_us / jittery.decision.predicted_us;
	cr_assert_gt(narrow, 1.0f);
	cr_assert_gt(wide, 1.2f * narrow, "%g, %g", (double)wide, (double)narrow);

	steady.sample.deadline_us = 1;
	steady.sample.queued_us = 2;
	cr_assert_eq(decide(&steady), -1);
	cr_assert_eq(steady.decision.bound_us, 0.0f);
}

/* Two ways for frames of the second phase, which take a tenth of the time, behind those of the first. */
static void bench_two_phases(struct bench *b)
{
	bench_init(b);
	for (int i = 2; i < 4; i++) {
		b->rungs[i] = b->rungs[i - 2];
		b->rungs[i].phase = 1;
		b->rungs[i].prior_us /= 10;
	}
	policy_latency_init(&b->latency, b->rungs, 4);
	bench_learn(b);
}

static int decide_in_phase(struct bench *b, int phase)
{
	b->sample.phase = phase;
	b->sample.now_us += 33000;
	policy_decide(&b->params, b->rungs, 4, &b->latency, &b->sample, &b->state, &b->decision);
	return b->decision.rung;
}

Test(policy, a_frame_runs_on_a_rung_of_its_phase)
{
	struct bench b;

	bench_two_phases(&b);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(decide_in_phase(&b, 0), 0);
		cr_assert_eq(decide_in_phase(&b, 1), 2);
	}
	/* Frames of the other kind in between are no changes of rung. */
	cr_assert_eq(b.state.changes, 0);
	cr_assert_eq(b.state.other_rung, 0);
	/* Neither is a rung worse for what frames of another phase can run on. */
	cr_assert_eq(policy_prune(b.rungs, 4), 4);
}

Test(policy, what_one_phase_adds_is_not_expected_of_the_other)
{
	struct bench b;
	float first, second;

	bench_two_phases(&b);
	/* The first phase is half as slow again as it was measured to be, the second is not. */
	policy_latency_init(&b.latency, b.rungs, 4);
	for (int i = 0; i < 400; i++) {
		int rung = i / 10 % 2 ? 0 : 2;

		policy_latency_observe(&b.latency, &b.params, b.rungs, rung, b.rungs[rung].prior_us * (rung ? 1 : 1.5f),
				       NAN, SECOND + i * (int64_t)1000);
	}
	first = policy_latency_typical_us(&b.latency, b.rungs, 0) / b.rungs[0].prior_us;
	second = policy_latency_typical_us(&b.latency, b.rungs, 2) / b.rungs[2].prior_us;
	cr_assert_float_eq(first / second, 1.5f, 0.2, "%g", (double)(first / second));
	/* The same networks and sizes in the other phase are not kin. */
	cr_assert_eq(b.latency.variant_of[2], 2);
	cr_assert_eq(b.latency.size_of[3], 3);
}

Test(policy, work_done_several_times_takes_as_many_times_as_long)
{
	struct bench b;
	float once_us;

	bench_two_phases(&b);
	decide_in_phase(&b, 1);
	once_us = b.decision.predicted_us;
	b.sample.work = 3;
	decide_in_phase(&b, 1);
	cr_assert_float_eq(b.decision.predicted_us / once_us, 3, 0.01);
	/* Three times 4 ms, where there are 6: the other rung of the phase. */
	b.sample.deadline_us = 7000;
	cr_assert_eq(decide_in_phase(&b, 1), 3);
}
