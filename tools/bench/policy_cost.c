/*
 * policy_cost.c - what a decision costs, with 64 rungs and its reason: median, 99th percentile and the worst, in ns.
 *
 *   cmake --build BUILD --target policy_cost && BUILD/tools/inferd-policy/policy_cost
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "policy/policy.h"

#define RUNGS 64
#define RUNS  200000

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, int64_t *ns)
{
	qsort(ns, RUNS, sizeof(*ns), by_size);
	printf("%-8s p50 %6lld ns  p99 %6lld ns  worst %8lld ns\n", what, (long long)ns[RUNS / 2],
	       (long long)ns[RUNS - RUNS / 100], (long long)ns[RUNS - 1]);
}

int main(void)
{
	static struct policy_rung rungs[RUNGS];
	static int64_t decide_ns[RUNS], learn_ns[RUNS];
	struct policy_sample sample = {.deadline_us = 120000, .n_lanes = 2};
	struct policy_decision decision;
	struct policy_latency latency;
	struct policy_params params;
	struct policy_state state;

	for (int i = 0; i < RUNGS; i++)
		rungs[i] = (struct policy_rung){.variant = (uint16_t)(i / 8),
						.width = (uint16_t)(320 - 32 * (i % 8)),
						.lane = (uint8_t)(i % 2),
						.accuracy = 0.8f - 0.006f * (float)i,
						.prior_us = 200000 / (1 + 0.3f * (float)i)};
	sample.temp_c = sample.temp_limit_c = sample.cpu_pressure = sample.cpu_load = sample.battery = NAN;
	sample.motion = sample.blur = NAN;
	policy_params_init(&params);
	policy_latency_init(&latency, rungs, RUNGS);
	policy_state_init(&state);
	for (int i = 0; i < RUNS; i++) {
		int64_t start, middle;

		sample.now_us += 100000;
		sample.queued_us = i * 37 % 40000;
		sample.freq_cap[0] = sample.freq_cap[1] = i / 1000 % 2 ? 0.8f : 1;
		start = now_ns();
		policy_decide(&params, rungs, RUNGS, &latency, &sample, &state, &decision);
		middle = now_ns();
		if (decision.rung >= 0)
			policy_latency_observe(&latency, &params, rungs, decision.rung,
					       rungs[decision.rung].prior_us * (0.9f + 0.002f * (float)(i * 31 % 100)),
					       1, sample.now_us);
		decide_ns[i] = middle - start;
		learn_ns[i] = now_ns() - middle;
	}
	print("decide", decide_ns);
	print("learn", learn_ns);
	return 0;
}
