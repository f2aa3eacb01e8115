/* test_trace.c - lines of a trace: whole, readable, and never longer than the buffer. */
#include <math.h>
#include <string.h>

#include "tools/inferd-policy/json.h"
#include "policy/trace.h"
#include "support/test.h"

TEST_SUITE(trace);

static struct json json;

static const struct policy_sample sample = {.now_us = 123456789,
					    .deadline_us = 200000,
					    .share_us = 40000.5f,
					    .n_lanes = 1,
					    .freq_cap = {0.1f},
					    .temp_c = NAN,
					    .temp_limit_c = NAN,
					    .cpu_pressure = NAN,
					    .cpu_load = NAN,
					    .battery = NAN,
					    .motion = 0.3f,
					    .blur = NAN};

Test(trace, frame_is_json_with_the_same_floats)
{
	struct policy_decision decision = {.rung = 0, .cause = POLICY_BEST, .predicted_us = 1234.5678f, .chance = 0.1f};
	char text[4096];
	size_t length;
	double number;

	strcpy(decision.reason, "it \"fits\"\n");
	length = policy_trace_frame("m\\x", 7, 1, &sample, 2, &decision, "a", "v1", text, sizeof(text));
	cr_assert_gt(length, 0);
	cr_assert_eq(text[length - 1], '\n');
	cr_assert(json_parse(&json, text, length), "%s", json.error);
	cr_assert(json_number(&json, json_member(&json, 0, "predicted_us"), &number) && (float)number == 1234.5678f);
	cr_assert(json_number(&json, json_member(&json, 0, "motion"), &number) && (float)number == 0.3f);
	cr_assert(json_number(&json, json_member(&json, 0, "share_us"), &number) && (float)number == 40000.5f);
	cr_assert(json_is(&json, json_member(&json, 0, "temp_c"), JSON_NULL));
	for (size_t size = 0; size <= length; size++)
		cr_assert_eq(policy_trace_frame("m\\x", 7, 1, &sample, 2, &decision, "a", "v1", text, size), 0);
	cr_assert_eq(policy_trace_frame("m\\x", 7, 1, &sample, 2, &decision, "a", "v1", text, length + 1), length);
}

Test(trace, longest_model_fits)
{
	static struct policy_rung rungs[POLICY_RUNGS_MAX];
	static char text[POLICY_TRACE_BYTES];
	const char *names[POLICY_RUNGS_MAX];
	struct policy_latency latency;
	struct policy_params params;
	char name[128];
	size_t length;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < POLICY_RUNGS_MAX; i++) {
		rungs[i] = (struct policy_rung){
			.prior_us = 1.23456789e8f, .accuracy = 0.123456789f, .power_w = 1.2345678f};
		names[i] = name;
	}
	length = policy_trace_rungs(name, rungs, names, POLICY_RUNGS_MAX, 8, text, sizeof(text));
	cr_assert_gt(length, 0);
	cr_assert(json_parse(&json, text, length), "%s", json.error);
	policy_latency_init(&latency, rungs, POLICY_RUNGS_MAX);
	length = policy_trace_latency(name, &latency, text, sizeof(text));
	cr_assert_gt(length, 0);
	cr_assert(json_parse(&json, text, length), "%s", json.error);
	policy_params_init(&params);
	length = policy_trace_params(&params, text, sizeof(text));
	cr_assert(length && json_parse(&json, text, length), "%s", json.error);
}
