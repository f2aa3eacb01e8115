/* Votes over made-up frames. */
#include "daemon/vote.h"

#include <math.h>
#include <stdlib.h>

#include "support/test.h"

TEST_SUITE(vote);

static const struct vote_rules rules = {.window_us = 2000000, .maybe_lead = 0.2f, .lead = 0.4f};
static const struct vote_scale scale = {.maybe = 0.6f, .sure = 0.8f};

static struct vote_outcome add(struct vote *vote, int64_t ms, uint64_t id, float score, uint64_t second, float less)
{
	const struct vote_name names[] = {{id, score}, {second, less}};

	return vote_add(vote, &rules, &scale, ms * 1000, names, second ? 2 : 1);
}

Test(vote, one_frame_is_judged_by_the_thresholds)
{
	static const struct {
		float score, second;
		enum vote_verdict verdict;
	} cases[] = {{0.9f, 0.3f, VOTE_SURE},	{0.81f, 0.3f, VOTE_SURE},   {0.79f, 0.3f, VOTE_MAYBE},
		     {0.61f, 0.3f, VOTE_MAYBE}, {0.59f, 0.3f, VOTE_ABSENT}, {NAN, 0.3f, VOTE_ABSENT}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vote vote = {0};
		struct vote_outcome outcome = add(&vote, 0, 7, cases[i].score, 8, cases[i].second);

		cr_assert_eq(outcome.verdict, cases[i].verdict, "case %zu: %d", i, outcome.verdict);
		cr_assert_eq(outcome.id, cases[i].verdict == VOTE_ABSENT ? 0 : 7);
	}
}

/* Evidence is 1.5 for the first name: 0.6 and 0.4 of lead, then less than for `sure`, then less than for any name. */
Test(vote, two_names_alike_are_no_reason_to_be_sure_or_to_name_one)
{
	static const struct {
		float second;
		enum vote_verdict verdict;
	} cases[] = {{0.78f, VOTE_SURE},   {0.815f, VOTE_SURE},	  {0.83f, VOTE_MAYBE},
		     {0.855f, VOTE_MAYBE}, {0.865f, VOTE_ABSENT}, {0.9f, VOTE_ABSENT}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vote vote = {0};
		struct vote_outcome outcome = add(&vote, 0, 1, 0.9f, 2, cases[i].second);

		cr_assert_eq(outcome.verdict, cases[i].verdict, "case %zu: %d", i, outcome.verdict);
		cr_assert_eq(outcome.id, cases[i].verdict == VOTE_ABSENT ? 0 : 1);
	}
}

/* The lead is that of the window: names that take turns in being the best by far have none. */
Test(vote, names_that_take_turns_have_no_lead)
{
	struct vote vote = {0};
	struct vote_outcome outcome = {VOTE_SURE, 0, 0, 0};

	for (int i = 0; i < 8; i++)
		outcome = add(&vote, i * 200, 1 + (uint64_t)i % 2, 0.95f, 2 - (uint64_t)i % 2, 0.65f);
	cr_assert_eq(outcome.verdict, VOTE_ABSENT);
	cr_assert_float_eq(outcome.lead, 0, 1e-6);
	cr_assert_gt(outcome.evidence, 0.9f);
}

/* A burst of motion blur over half of the window leaves the name, and the doubt. */
Test(vote, blurred_half_does_not_undo_the_rest)
{
	struct vote vote = {0};
	struct vote_outcome outcome = {VOTE_ABSENT, 0, 0, 0};

	for (int i = 0; i < 8; i++)
		outcome = i % 2 ? add(&vote, i * 250, 5 + (uint64_t)i, 0.4f, 0, 0)
				: add(&vote, i * 250, 1, 0.9f, 2, 0.5f);
	cr_assert_eq(outcome.verdict, VOTE_MAYBE);
	cr_assert_eq(outcome.id, 1);
}

/* What is not enrolled is like something else in every frame. */
Test(vote, single_hits_of_changing_names_are_no_name)
{
	struct vote vote = {0};
	struct vote_outcome outcome = {VOTE_SURE, 0, 0, 0};

	for (int i = 0; i < 8; i++)
		outcome = add(&vote, i * 250, 1 + (uint64_t)i, 0.85f, 0, 0);
	cr_assert_eq(outcome.verdict, VOTE_ABSENT);
}

Test(vote, what_is_older_than_the_window_is_forgotten)
{
	struct vote vote = {0};

	for (int i = 0; i < 8; i++)
		add(&vote, i * 250, 1, 0.95f, 0, 0);
	cr_assert_eq(add(&vote, 5000, 2, 0.9f, 0, 0).id, 2);
	cr_assert_eq(add(&vote, 5000, 2, 0.9f, 0, 0).verdict, VOTE_SURE);
}

Test(vote, late_frames_count_and_a_clock_that_jumps_back_begins_anew)
{
	struct vote vote = {0};

	add(&vote, 10000, 1, 0.5f, 0, 0);
	cr_assert_eq(add(&vote, 9000, 2, 0.9f, 0, 0).id, 2, "evidence for it outweighs a frame without");
	cr_assert_eq(vote.n, 2);
	cr_assert_eq(add(&vote, 100, 3, 0.9f, 0, 0).id, 3);
	cr_assert_eq(vote.n, 1);
}

/* Networks whose scores mean different things speak with the same weight. */
Test(vote, scores_count_by_the_scale_of_their_variant)
{
	const struct vote_scale low = {.maybe = 0.2f, .sure = 0.4f};
	struct vote vote = {0};

	add(&vote, 0, 1, 0.85f, 2, 0.1f);
	cr_assert_eq(vote_add(&vote, &rules, &low, 1000, (struct vote_name[]){{1, 0.45f}, {2, 0.1f}}, 2).verdict,
		     VOTE_SURE);
}

Test(vote, more_frames_than_are_kept_and_none_at_all)
{
	struct vote vote = {0};

	cr_assert_eq(vote_add(&vote, &rules, &scale, 0, NULL, 0).verdict, VOTE_ABSENT);
	for (int i = 0; i < 10 * VOTE_FRAMES_MAX; i++)
		cr_assert_eq(add(&vote, i, 1, 0.9f, 0, 0).id, i ? 1u : 1u);
	cr_assert_eq(vote.n, VOTE_FRAMES_MAX);
}

/* Whatever comes, evidence stays within its limits and the name is one that came. */
Test(vote, any_input_is_borne)
{
	struct vote vote = {0};

	for (int i = 0; i < 5000; i++) {
		struct vote_name names[VOTE_NAMES + 2];
		int n = (int)test_random_range(0, VOTE_NAMES + 2);
		struct vote_outcome outcome;

		for (int j = 0; j < n; j++)
			names[j] = (struct vote_name){(uint64_t)test_random_range(1, 5),
						      test_random_range(0, 9) ? test_random_float() * 3 : NAN};
		outcome = vote_add(&vote, &rules, &scale,
				   test_random_range(0, 1) ? test_random_range(0, INT64_MAX - 1) : i, names, n);
		cr_assert(outcome.evidence >= VOTE_LEAST && outcome.evidence <= VOTE_MOST && outcome.id <= 5);
	}
}
