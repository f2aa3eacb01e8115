/* test_latency.c - the learned times: what they find out, how sure they are, and how they are kept. */
#include <math.h>
#include <string.h>

#include "policy/arith.h"
#include "policy/policy.h"
#include "support/test.h"

TEST_SUITE(latency);

#define SECOND 1000000

/* Two variants at two sizes on two lanes. */
struct bench {
	struct policy_params params;
	struct policy_rung rungs[8];
	struct policy_latency latency;
	int64_t now_us;
};

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	policy_params_init(&b->params);
	for (int i = 0; i < 8; i++)
		b->rungs[i] = (struct policy_rung){.variant = (uint16_t)(i / 4),
						   .width = i / 2 % 2 ? 128 : 256,
						   .height = i / 2 % 2 ? 128 : 256,
						   .channels = 3,
						   .lane = (uint8_t)(i % 2),
						   .accuracy = 0.5f,
						   .prior_us = (float)(10000 * (i + 1))};
	policy_latency_init(&b->latency, b->rungs, 8);
	b->now_us = SECOND;
}

static void run(struct bench *b, int rung, float us)
{
	b->now_us += SECOND / 10;
	policy_latency_observe(&b->latency, &b->params, b->rungs, rung, us, NAN, b->now_us);
}

static struct policy_forecast forecast(const struct bench *b, int rung)
{
	return policy_latency_forecast(&b->latency, &b->params, b->rungs, rung, NAN, b->now_us);
}

static float chance(const struct bench *b, int rung, float us)
{
	struct policy_forecast f = forecast(b, rung);

	return policy_latency_chance(&b->latency, &f, policy_ln(us));
}

/* A factor about 1, of a normal distribution's logarithm. */
static float jitter(float spread)
{
	float sum = 0;

	for (int i = 0; i < 12; i++)
		sum += test_random_float();
	return policy_exp(spread * sum / 2);
}

Test(latency, logarithm_and_exponential_are_those_of_the_library)
{
	for (int i = 0; i < 100000; i++) {
		float x = test_random_float() * 50, value = expf(x);

		cr_assert_float_eq(policy_exp(x) / value, 1, 2e-6f, "exp(%g)", (double)x);
		if (value > 1e-30f && value < 1e30f)
			cr_assert_float_eq(policy_ln(value), x, 2e-5f, "ln(%g)", (double)value);
	}
	cr_assert_float_eq(policy_ln(1), 0, 1e-9f);
	cr_assert_eq(policy_exp(0), 1);
	cr_assert_float_eq(policy_normal(1.6448536f), 0.95f, 1e-5f);
	cr_assert(isfinite(policy_ln(0)) && isfinite(policy_ln(-1)) && isfinite(policy_ln(NAN)) &&
		  isfinite(policy_ln(INFINITY)) && isfinite(policy_exp(NAN)) && isfinite(policy_exp(INFINITY)));
}

Test(latency, run_teaches_its_lane_and_by_kinship_the_other)
{
	struct bench b;

	bench_init(&b);
	for (int i = 0; i < 30; i++)
		run(&b, 0, 30000); /* three times the prior */
	cr_assert_float_eq(policy_exp(forecast(&b, 0).mean_ln) / 30000, 1, 0.02f);
	cr_assert_float_eq(policy_exp(forecast(&b, 2).mean_ln) / 90000, 1, 0.1f, "same lane and variant, never ran");
	cr_assert_float_eq(policy_exp(forecast(&b, 1).mean_ln) / 60000, 1, 0.15f, "a lane that never ran");
	cr_assert_lt(forecast(&b, 0).spread_ln, forecast(&b, 2).spread_ln);
	cr_assert_lt(forecast(&b, 2).spread_ln, forecast(&b, 1).spread_ln);
}

Test(latency, rung_that_is_slower_than_the_others_is_told_apart)
{
	struct bench b;

	bench_init(&b);
	for (int i = 0; i < 400; i++)
		run(&b, i / 10 % 2 ? 0 : 2, (i / 10 % 2 ? 10000 : 40000) * jitter(0.05f));
	cr_assert_float_eq(policy_exp(forecast(&b, 0).mean_ln) / 10000, 1, 0.06f);
	cr_assert_float_eq(policy_exp(forecast(&b, 2).mean_ln) / 40000, 1, 0.06f);
}

/* However often one rung runs: how long it takes is known by then, but not how it compares. */
Test(latency, only_a_change_tells_how_two_rungs_compare)
{
	struct bench b;
	float before;

	bench_init(&b);
	for (int i = 0; i < 50; i++)
		run(&b, 0, 10000 * jitter(0.05f));
	before = b.latency.variant[0].variance;
	for (int i = 0; i < 1000; i++)
		run(&b, 0, 10000 * jitter(0.05f));
	cr_assert_gt(b.latency.variant[0].variance, before * 0.8f);
	cr_assert_lt(forecast(&b, 0).spread_ln, 0.1f);
	for (int i = 0; i < 200; i++)
		run(&b, i / 5 % 2 ? 0 : 4, (i / 5 % 2 ? 10000 : 70000) * jitter(0.05f));
	cr_assert_lt(b.latency.variant[0].variance, before * 0.8f);
	cr_assert_float_eq(policy_exp(forecast(&b, 0).mean_ln) / 10000, 1, 0.06f);
	cr_assert_float_eq(policy_exp(forecast(&b, 4).mean_ln) / 70000, 1, 0.06f);
}

/* A run that is quicker beyond doubt, right after a change: half of that is the rung's own, not the lane's. */
Test(latency, rung_that_is_much_quicker_than_thought_is_not_taken_for_a_quicker_lane)
{
	struct bench b;

	bench_init(&b);
	for (int i = 0; i < 400; i++)
		run(&b, 0, 10000 * jitter(0.05f));
	for (int i = 0; i < 30; i++)
		run(&b, i / 3 % 2 ? 0 : 4, (i / 3 % 2 ? 10000 : 30000) * jitter(0.05f));
	cr_assert_float_eq(policy_exp(forecast(&b, 0).mean_ln) / 10000, 1, 0.1f);
	cr_assert_float_eq(policy_exp(forecast(&b, 4).mean_ln) / 30000, 1, 0.1f);
}

Test(latency, chances_are_kept)
{
	struct bench b;
	int below = 0, n = 3000;

	bench_init(&b);
	for (int i = 0; i < 300; i++)
		run(&b, 0, 20000 * jitter(0.1f));
	for (int i = 0; i < n; i++) {
		float us = 20000 * jitter(0.1f), z = -2 + 4 * (float)i / (float)n;
		struct policy_forecast f = forecast(&b, 0);

		/* As often below as was said, at quantiles of all heights. */
		below += policy_ln(us) <= f.mean_ln + z * f.spread_ln;
		below -= (float)(test_random() >> 40) / (float)(1 << 24) <
			 policy_latency_chance(&b.latency, &f, f.mean_ln + z * f.spread_ln);
		run(&b, 0, us);
	}
	cr_assert_lt(below < 0 ? -below : below, n / 20, "off by %d of %d", below, n);
}

Test(latency, bound_is_exceeded_by_the_share_that_was_asked)
{
	struct bench b;
	int beyond = 0, n = 5000;

	bench_init(&b);
	b.params.bound_share = 0.1f;
	for (int i = 0; i < n; i++) {
		float us = 20000 * jitter(0.1f) * (i % 50 ? 1 : 2);
		struct policy_forecast f = forecast(&b, 0);

		beyond += policy_ln(us) > f.mean_ln + b.latency.bound * f.spread_ln;
		run(&b, 0, us);
	}
	cr_assert_float_eq((float)beyond / (float)n, 0.1f, 0.02f, "%d of %d", beyond, n);
}

Test(latency, spike_moves_nothing_and_a_jump_is_followed_at_once)
{
	struct bench b;
	float before, after;

	bench_init(&b);
	for (int i = 0; i < 100; i++)
		run(&b, 0, 10000 * jitter(0.05f));
	before = forecast(&b, 0).mean_ln;
	run(&b, 0, 25000);
	cr_assert_lt(chance(&b, 0, 15000), 0.95f, "it may have been a jump");
	run(&b, 0, 10000);
	after = forecast(&b, 0).mean_ln;
	cr_assert_float_eq(after, before, 0.05f);
	cr_assert_gt(chance(&b, 0, 15000), 0.95f);
	run(&b, 0, 18000);
	run(&b, 0, 18000);
	cr_assert_float_eq(policy_exp(forecast(&b, 0).mean_ln) / 18000, 1, 0.1f, "two of them are no chance");
	run(&b, 0, 10000);
	run(&b, 0, 10000);
	cr_assert_float_eq(policy_exp(forecast(&b, 0).mean_ln) / 10000, 1, 0.1f, "and back");
}

Test(latency, change_of_variant_is_charged_to_the_change)
{
	struct bench b;
	float switched;

	bench_init(&b);
	for (int i = 0; i < 600; i++) {
		bool first = i % 6 == 0;
		int rung = i / 6 % 2 ? 0 : 4;

		run(&b, rung, b.rungs[rung].prior_us * (first ? 1.2f : 1) * jitter(0.03f));
	}
	switched = policy_exp(b.latency.switch_variant);
	cr_assert_float_eq(switched, 1.2f, 0.06f, "%g", (double)switched);
	cr_assert_float_eq(policy_exp(forecast(&b, 0).mean_ln) / 10000, 1, 0.05f);
	cr_assert_eq(forecast(&b, 0).change_ln, 0, "it ran last");
	cr_assert_gt(forecast(&b, 4).change_ln, 0);
}

Test(latency, idle_lane_returns_to_what_it_usually_is)
{
	struct bench b;

	bench_init(&b);
	for (int i = 0; i < 500; i++)
		run(&b, 0, 10000);
	for (int i = 0; i < 20; i++)
		run(&b, 0, 20000);
	cr_assert_float_eq(policy_exp(forecast(&b, 0).mean_ln) / 20000, 1, 0.1f);
	b.now_us += 600 * (int64_t)SECOND;
	cr_assert_lt(policy_exp(forecast(&b, 0).mean_ln), 13000);
	cr_assert_gt(forecast(&b, 0).doubt_ln, 0);
}

Test(latency, nonsense_teaches_nothing)
{
	static const float odd[] = {NAN, INFINITY, -INFINITY, -1, 0, 1e30f};
	struct bench b;
	struct policy_latency before;

	bench_init(&b);
	run(&b, 0, 10000);
	before = b.latency;
	for (int i = 0; i < 6; i++)
		run(&b, 0, odd[i]);
	run(&b, -1, 10000);
	run(&b, 8, 10000);
	cr_assert_eq(memcmp(&before, &b.latency, sizeof(before)), 0);
}

static void learn_something(struct bench *b)
{
	bench_init(b);
	for (int i = 0; i < 300; i++)
		run(b, i % 8, b->rungs[i % 8].prior_us * 1.7f * jitter(0.1f));
}

Test(latency, what_was_learned_comes_back)
{
	struct bench b, fresh;
	uint8_t bytes[POLICY_LATENCY_BYTES_MAX];
	size_t size;

	learn_something(&b);
	size = policy_latency_save(&b.latency, 42, bytes, sizeof(bytes));
	cr_assert_gt(size, 100);
	bench_init(&fresh);
	cr_assert_eq(policy_latency_restore(&fresh.latency, 42, bytes, size), POLICY_LOADED);
	cr_assert_eq(memcmp(&fresh.latency, &b.latency, sizeof(b.latency)), 0, "restored to the bit");
	bench_init(&fresh);
	cr_assert_eq(policy_latency_load(&fresh.latency, 42, bytes, size), POLICY_LOADED);
	cr_assert_float_eq(policy_exp(forecast(&fresh, 0).mean_ln) / 17000, 1, 0.2f, "%f",
			   (double)policy_exp(forecast(&fresh, 0).mean_ln));
	cr_assert_gt(forecast(&fresh, 0).spread_ln, forecast(&b, 0).spread_ln, "the moment is forgotten");
}

Test(latency, what_does_not_match_is_rejected_and_changes_nothing)
{
	struct bench b;
	struct policy_latency before;
	uint8_t bytes[POLICY_LATENCY_BYTES_MAX], bad[POLICY_LATENCY_BYTES_MAX];
	size_t size;

	learn_something(&b);
	size = policy_latency_save(&b.latency, 42, bytes, sizeof(bytes));
	cr_assert_eq(policy_latency_save(&b.latency, 42, bytes, size - 1), 0);
	size = policy_latency_save(&b.latency, 42, bytes, size);
	before = b.latency;
	cr_assert_eq(policy_latency_load(&b.latency, 43, bytes, size), POLICY_LOAD_HASH);
	for (size_t n = 0; n < size; n++)
		cr_assert_neq(policy_latency_load(&b.latency, 42, bytes, n), POLICY_LOADED, "%zu bytes of it", n);
	for (size_t i = 0; i < size; i++) {
		memcpy(bad, bytes, size);
		bad[i] ^= (uint8_t)(1 << i % 8);
		cr_assert_neq(policy_latency_load(&b.latency, 42, bad, size), POLICY_LOADED, "byte %zu", i);
	}
	b.latency.n_rungs = before.n_rungs = 7;
	cr_assert_eq(policy_latency_load(&b.latency, 42, bytes, size), POLICY_LOAD_RUNGS);
	cr_assert_eq(memcmp(&before, &b.latency, sizeof(before)), 0);
}

Test(latency, parameters_have_bounds)
{
	struct policy_params params;

	policy_params_init(&params);
	for (const struct policy_param *row = policy_param_table; row->name; row++) {
		cr_assert(row->min <= row->preset && row->preset <= row->max, "%s", row->name);
		cr_assert_eq(policy_params_get(&params, row), row->preset);
		cr_assert(policy_params_set(&params, row->name, row->max));
		cr_assert(policy_params_set(&params, row->name, row->min));
		cr_assert(!policy_params_set(&params, row->name, row->max * 1.01f + 1));
		cr_assert(!policy_params_set(&params, row->name, NAN));
		cr_assert_eq(policy_params_get(&params, row), row->min, "what is refused changes nothing");
	}
	cr_assert(!policy_params_set(&params, "no_such", 1));
	cr_assert(policy_params_set_version(&params, "fleet-2.1+b"));
	cr_assert(!policy_params_set_version(&params, "a b"));
	cr_assert(!policy_params_set_version(&params, ""));
	cr_assert(!policy_params_set_version(&params, "12345678901234567890123456789012"));
	cr_assert_str_eq(params.version, "fleet-2.1+b");
	params.stay_gain = NAN;
	params.min_fps = -5;
	policy_params_clamp(&params);
	cr_assert(params.stay_gain >= 0 && params.min_fps == 0);
}
