/* test_profile.c - profiles are checked to the last number before a ladder goes by them. */
#include "daemon/profile.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

TEST_SUITE(profile);

#define IDENTITY UINT64_C(0x0123456789abcdef)

static const char head[] = "inferd-profile 1\nidentity 0123456789abcdef\n";
static const char two_rungs[] = "inferd-profile 1\n"
				"identity 0123456789abcdef\n"
				"rung 900 950 1000 500 600 700 400 450 460.5 0.71 100 a@32x32\n"
				"rung 500 500 500 200 200 200 100 100 100 0.75 100 a@16x16\n";

/* Two rungs, the first of which was thought to be the better one. */
static void make_ladder(struct ladder *ladder)
{
	memset(ladder, 0, sizeof(*ladder));
	ladder->n_rungs = 2;
	snprintf(ladder->details[0].name, sizeof(ladder->details[0].name), "a@32x32");
	snprintf(ladder->details[1].name, sizeof(ladder->details[1].name), "a@16x16");
	ladder->details[0].estimated = ladder->rungs[0].accuracy = 0.7f;
	ladder->details[1].estimated = ladder->rungs[1].accuracy = 0.5f;
	ladder->details[0].warm_us = 300;
	ladder->details[1].warm_us = 100;
	policy_latency_init(&ladder->latency, ladder->rungs, 2);
}

static int parse(const char *text, struct profile *profile, struct config_error *error)
{
	return profile_parse(text, strlen(text), error, profile);
}

Test(profile, numbers_are_read)
{
	struct config_error error = {""};
	struct profile profile;

	cr_assert_eq(parse(two_rungs, &profile, &error), 0, "%s", error.text);
	cr_assert_eq(profile.identity, IDENTITY);
	cr_assert_eq(profile.n_rungs, 2);
	cr_assert_str_eq(profile.rungs[0].name, "a@32x32");
	cr_assert_float_eq(profile.rungs[0].cold.p99_us, 1000, 0.1);
	cr_assert_float_eq(profile.rungs[0].paced.p50_us, 500, 0.1);
	cr_assert_float_eq(profile.rungs[0].busy.p99_us, 460.5, 0.1);
	cr_assert_float_eq(profile.rungs[1].accuracy, 0.75, 1e-6);
	cr_assert_eq(profile.rungs[1].photographs, 100u);
}

Test(profile, what_is_not_right_is_refused_by_line)
{
	static const struct {
		const char *line, *why;
	} lines[] = {
		{"rung 0 1 1 1 1 1 1 1 1 - 0 a\n", "line 3"},		  /* a time of nothing */
		{"rung 2 1 1 1 1 1 1 1 1 - 0 a\n", "line 3"},		  /* percentiles that fall */
		{"rung 1 1 1 1 1 1 1 1 6e9 - 0 a\n", "line 3"},		  /* an hour and more */
		{"rung 1 1 1 1 1 1 1 1 1 1.01 0 a\n", "line 3"},	  /* more than always right */
		{"rung 1 1 1 1 1 1 1 1 1 -0.1 0 a\n", "line 3"},	  /* less than never */
		{"rung 1 1 1 1 1 1 1 1 1 nan 0 a\n", "line 3"},		  /* no number */
		{"rung 1 1 1 1 1 inf 1 1 1 - 0 a\n", "line 3"},		  /* likewise */
		{"rung 1 1 1 1 1 1 1 1 1 - -1 a\n", "line 3"},		  /* photographs owed */
		{"rung 1 1 1 1 1 1 1 1 1 - 0\n", "line 3"},		  /* no name */
		{"rung 1 1 1 1 1 1 1 1 1 - 0 \n", "line 3"},		  /* an empty one */
		{"rung 1  1 1 1 1 1 1 1 1 - 0 a\n", "line 3"},		  /* two spaces */
		{"rung 1 1 1 1 1 1 1 1 1 - 0 a", "does not end in time"}, /* cut off */
		{"step 1 1 1 1 1 1 1 1 1 - 0 a\n", "line 3"},		  /* another word */
		{"\n", "line 3"},					  /* nothing */
		{"", "no rungs"},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct config_error error = {""};
		struct profile profile;
		char text[512];

		snprintf(text, sizeof(text), "%s%s", head, lines[i].line);
		cr_assert_eq(parse(text, &profile, &error), -EINVAL, "%s", lines[i].line);
		cr_assert(strstr(error.text, lines[i].why), "%s: %s", lines[i].line, error.text);
	}
}

Test(profile, another_format_or_identity_is_refused)
{
	static const char *const texts[] = {
		"inferd-profile 2\nidentity 0123456789abcdef\n", "", "inferd-profile 1\nidentity 123456789abcdef\n",
		"inferd-profile 1\nidentity 0123456789ABCDEF\n", "inferd-profile 1\nrung 1 1 1 1 1 1 1 1 1 - 0 a\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config_error error = {""};
		struct profile profile;

		cr_assert_eq(parse(texts[i], &profile, &error), -EINVAL, "%s", texts[i]);
	}
}

Test(profile, too_many_rungs_and_bytes_are_refused)
{
	static char text[PROFILE_BYTES_MAX + 64];
	struct config_error error = {""};
	struct profile *profile = malloc(sizeof(*profile));
	size_t size;

	cr_assert_not_null(profile);
	size = (size_t)snprintf(text, sizeof(text), "%s", head);
	for (int i = 0; i <= POLICY_RUNGS_MAX; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "rung 1 1 1 1 1 1 1 1 1 - 0 r%d\n", i);
	cr_assert_eq(profile_parse(text, size, &error, profile), -EINVAL);
	cr_assert(strstr(error.text, "line 131"), "%s", error.text);
	memset(text, 'x', sizeof(text));
	cr_assert_eq(profile_parse(text, sizeof(text), &error, profile), -EINVAL);
	cr_assert_eq(profile_parse(text, PROFILE_BYTES_MAX, &error, profile), -EINVAL);
	free(profile);
}

/* Whatever bytes come: nothing beyond them is read, and what is taken is within its range. */
Test(profile, no_bytes_get_past_the_ranges)
{
	struct config_error error;
	struct profile profile;

	for (int round = 0; round < 20000; round++) {
		size_t size = (size_t)test_random_range(0, sizeof(two_rungs) - 1);
		char *text = malloc(size + 1);

		cr_assert_not_null(text);
		memcpy(text, two_rungs, size);
		for (int64_t i = test_random_range(0, 3); i > 0 && size > 0; i--)
			text[test_random_range(0, (int64_t)size - 1)] = (char)test_random_range(0, 255);
		/* Exactly as long as it says, for the sanitizer to watch its end. */
		text = realloc(text, size ? size : 1);
		if (profile_parse(text, size, &error, &profile) == 0)
			for (int i = 0; i < profile.n_rungs; i++) {
				const struct profile_rung *rung = &profile.rungs[i];

				cr_assert(rung->paced.p50_us >= 1 && rung->paced.p99_us <= PROFILE_US_MAX);
				cr_assert(isnan(rung->accuracy) || (rung->accuracy >= 0 && rung->accuracy <= 1));
				cr_assert(rung->name[0]);
			}
		free(text);
	}
}

Test(profile, ladder_takes_its_costs_before_it_is_settled)
{
	struct config_error error = {""};
	struct profile profile;
	struct ladder ladder;

	make_ladder(&ladder);
	cr_assert_eq(parse(two_rungs, &profile, &error), 0);
	cr_assert_eq(profile_apply(&profile, IDENTITY, &ladder, &error), 0, "%s", error.text);
	ladder_settle(&ladder);
	cr_assert_float_eq(ladder.rungs[0].prior_us, 500, 0.1, "not what the warm-up measured");
	cr_assert_float_eq(ladder.rungs[1].prior_us, 200, 0.1);
	cr_assert(ladder.rungs[0].dominated);
	cr_assert(!ladder.rungs[1].dominated);
	cr_assert_eq(ladder.best[LADDER_FULL], 1);
}

Test(profile, ladder_that_serves_takes_it_too_and_learns_anew)
{
	static const char without[] = "inferd-profile 1\n"
				      "identity 0123456789abcdef\n"
				      "rung 900 900 900 550 600 700 400 400 400 - 0 a@32x32\n"
				      "rung 500 500 500 250 250 250 100 100 100 - 0 a@16x16\n";
	struct config_error error = {""};
	struct policy_params params;
	struct profile profile;
	struct ladder ladder;

	make_ladder(&ladder);
	ladder_settle(&ladder);
	policy_params_init(&params);
	policy_latency_observe(&ladder.latency, &params, ladder.rungs, 0, 5000, NAN, 1000000);
	cr_assert(!ladder.rungs[0].dominated);
	cr_assert_eq(parse(two_rungs, &profile, &error), 0);
	cr_assert_eq(profile_apply(&profile, IDENTITY, &ladder, &error), 0);
	cr_assert_float_eq(ladder.rungs[0].prior_us, 500, 0.1);
	cr_assert(ladder.rungs[0].dominated);
	cr_assert_eq(ladder.latency.n_runs, 0u);
	/* One without accuracies brings the estimates back. */
	cr_assert_eq(parse(without, &profile, &error), 0);
	cr_assert_eq(profile_apply(&profile, IDENTITY, &ladder, &error), 0);
	cr_assert_float_eq(ladder.rungs[0].accuracy, 0.7, 1e-6);
	cr_assert(!ladder.rungs[0].dominated);
}

Test(profile, what_is_of_something_else_changes_nothing)
{
	static const struct {
		const char *rungs, *why;
		uint64_t identity;
		int rc;
	} cases[] = {
		{"rung 1 1 1 1 1 1 1 1 1 - 0 a@32x32\nrung 1 1 1 1 1 1 1 1 1 - 0 a@16x16\n", "another device",
		 IDENTITY + 1, -ESTALE},
		{"rung 1 1 1 1 1 1 1 1 1 - 0 a@32x32\n", "1 rungs", IDENTITY, -EINVAL},
		{"rung 1 1 1 1 1 1 1 1 1 - 0 a@32x32\nrung 1 1 1 1 1 1 1 1 1 - 0 a@32x32\n", "lacks the rung a@16x16",
		 IDENTITY, -EINVAL},
		{"rung 1 1 1 1 1 1 1 1 1 - 0 a@32x32\nrung 1 1 1 1 1 1 1 1 1 0.5 9 a@16x16\n", "not of all", IDENTITY,
		 -EINVAL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_error error = {""};
		struct profile profile;
		struct ladder ladder, before;
		char text[512];

		make_ladder(&ladder);
		before = ladder;
		snprintf(text, sizeof(text), "%s%s", head, cases[i].rungs);
		cr_assert_eq(parse(text, &profile, &error), 0, "%s", error.text);
		cr_assert_eq(profile_apply(&profile, cases[i].identity, &ladder, &error), cases[i].rc);
		cr_assert(strstr(error.text, cases[i].why), "%s", error.text);
		cr_assert_eq(memcmp(&ladder, &before, sizeof(ladder)), 0);
	}
}
