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
	const struct vote_name names[] = {{.id = id, .score = score}, {.id = second, .score = less}};

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
	cr_assert_eq(vote_add(&vote, &rules, &low, 1000,
			      (struct vote_name[]){{.id = 1, .score = 0.45f}, {.id = 2, .score = 0.1f}}, 2)
			     .verdict,
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

/* ---- order ---------------------------------------------------------------------------------------- */

#define PICTURES 12 /* of a made-up video: twice a second, each unlike the others */

static struct vote_moment moment_of(uint32_t source, int64_t ms, float score)
{
	return (struct vote_moment){source, ms > 250 ? (uint32_t)ms - 250 : 0, (uint32_t)ms + 250, score};
}

/* A frame of the time `ms` that is like one picture of a video, at `place_ms` of it, and a little like a photograph. */
static struct vote_outcome see(struct vote *vote, int64_t ms, int64_t place_ms, float score)
{
	struct vote_moment moments[PICTURES];
	struct vote_name names[] = {{.id = 1, .score = -INFINITY, .n_moments = PICTURES, .moments = moments},
				    {.id = 2, .score = 0.5f}};

	for (int i = 0; i < PICTURES; i++)
		moments[i] = moment_of(7, 500 * i, llabs(500 * i - place_ms) <= 250 ? score : 0.3f);
	return vote_add(vote, &rules, &scale, ms * 1000, names, 2);
}

static struct vote_outcome play(struct vote *vote, int64_t from_ms, int64_t to_ms, int64_t place_ms, float score)
{
	struct vote_outcome outcome = {VOTE_ABSENT, 0, 0, 0};

	for (int64_t ms = from_ms; ms < to_ms; ms += 200)
		outcome = see(vote, ms, place_ms + ms - from_ms, score);
	return outcome;
}

Test(vote, a_video_in_its_order_is_named_wherever_it_began)
{
	for (int64_t start = 0; start <= 3000; start += 130) {
		struct vote vote = {0};
		struct vote_outcome outcome = play(&vote, 50000, 52000, start, 0.82f);

		cr_assert_eq(outcome.verdict, VOTE_SURE, "from %lld ms: %.3f", (long long)start,
			     (double)outcome.evidence);
		cr_assert_float_eq(outcome.evidence, 1.1f, 1e-4f);
	}
}

/* The same pictures in another order: backwards, and all at once. */
Test(vote, pictures_of_a_video_in_another_order_are_not_it)
{
	struct vote vote = {0};
	struct vote_outcome outcome = {VOTE_SURE, 0, 0, 0};

	for (int i = 0; i < 10; i++)
		outcome = see(&vote, 200 * i, 5000 - 200 * i, 0.95f);
	cr_assert_neq(outcome.verdict, VOTE_SURE, "%.3f", (double)outcome.evidence);
	vote = (struct vote){0};
	for (int i = 0; i < 10; i++)
		outcome = see(&vote, 200 * i, i * 3500 % 5500, 0.78f);
	cr_assert_eq(outcome.verdict, VOTE_ABSENT, "%.3f", (double)outcome.evidence);
}

Test(vote, a_frame_may_be_a_little_beside_its_picture)
{
	struct vote vote = {0};

	/* A clock that is a twentieth too fast, and one that stands still after the first picture. */
	for (int i = 0; i < 10; i++)
		cr_assert_eq(see(&vote, 200 * i, 1000 + 210 * i, 0.85f).verdict, VOTE_SURE, "%d", i);
	vote = (struct vote){0};
	for (int i = 0; i < 10; i++)
		see(&vote, 200 * i, 1000, 0.85f);
	cr_assert_neq(see(&vote, 2000, 1000, 0.85f).verdict, VOTE_SURE);
}

/* Begun anew, and wound to elsewhere: known again when the window has seen it for long enough, and not lost meanwhile.
 */
Test(vote, a_video_that_loops_or_is_wound_is_not_lost)
{
	static const int64_t to[] = {0, 1000, 3300};

	for (int i = 0; i < 3; i++) {
		struct vote vote = {0};

		cr_assert_eq(play(&vote, 0, 2200, 3000, 0.82f).verdict, VOTE_SURE);
		for (int64_t ms = 2200; ms < 4400; ms += 200)
			cr_assert_neq(see(&vote, ms, to[i] + ms - 2200, 0.82f).verdict, VOTE_ABSENT, "%lld ms after",
				      (long long)ms - 2200);
		cr_assert_eq(see(&vote, 4400, to[i] + 2200, 0.82f).verdict, VOTE_SURE);
	}
}

/* A still scene is one picture that lasts; views of a picture are several of the same time. */
Test(vote, pictures_that_last_and_views_count_as_the_best_of_their_time)
{
	const struct vote_moment still = {7, 1000, 9000, 0.85f};
	const struct vote_moment views[] = {{7, 1000, 9000, 0.7f}, {7, 2000, 5000, 0.85f}, {7, 4500, 9000, 0.85f}};
	struct vote_outcome outcome = {VOTE_ABSENT, 0, 0, 0};
	struct vote vote = {0};

	for (int i = 0; i < 10; i++) {
		const struct vote_name name = {.id = 1, .score = 0.5f, .n_moments = 1, .moments = &still};

		outcome = vote_add(&vote, &rules, &scale, 200000 * i, &name, 1);
		cr_assert_eq(outcome.verdict, VOTE_SURE);
	}
	vote = (struct vote){0};
	for (int i = 0; i < 10; i++) {
		const struct vote_name name = {.id = 1, .score = 0.5f, .n_moments = 3, .moments = views};

		outcome = vote_add(&vote, &rules, &scale, 200000 * i, &name, 1);
	}
	cr_assert_float_eq(outcome.evidence, 1.25f, 1e-5f);
}

/* Two videos of a name are on clocks of their own: half of one and half of the other is neither in order. */
Test(vote, videos_of_a_name_are_told_apart)
{
	struct vote_outcome outcome = {VOTE_ABSENT, 0, 0, 0};

	for (uint32_t other = 7; other <= 8; other++) {
		struct vote vote = {0};

		for (int i = 0; i < 10; i++) {
			struct vote_moment moment = moment_of(i < 5 ? 7 : other, 1000 + 200 * i, 0.78f);
			struct vote_name name = {.id = 1, .score = 0.5f, .n_moments = 1, .moments = &moment};

			outcome = vote_add(&vote, &rules, &scale, 200000 * i, &name, 1);
		}
		cr_assert_float_eq(outcome.evidence, other == 7 ? 0.9f : (0.9f + VOTE_OUT_OF_ORDER) / 2, 1e-5f);
	}
}

/* What counts at any time counts as it does without moments, whatever those say less than it. */
Test(vote, photographs_count_as_without_moments)
{
	struct vote plain = {0}, timed = {0};

	for (int i = 0; i < 300; i++) {
		struct vote_moment moments[3];
		struct vote_name names[2] = {
			{.id = 1 + (uint64_t)test_random_range(0, 2), .score = test_random_float()},
			{.id = 9, .score = test_random_float()}};
		struct vote_outcome due = vote_add(&plain, &rules, &scale, 100000 * i, names, 2), found;

		for (int j = 0; j < 3; j++)
			moments[j] = moment_of(7, test_random_range(0, 100000), names[0].score - 0.01f * (float)j);
		names[0].moments = moments;
		names[0].n_moments = 3;
		found = vote_add(&timed, &rules, &scale, 100000 * i, names, 2);
		cr_assert(found.verdict == due.verdict && found.id == due.id && found.evidence == due.evidence &&
			  found.lead == due.lead);
	}
}

/* The mean in the best order, by trying all places there can be. */
static float scan_places(const struct vote *vote, int64_t window_us, uint64_t id)
{
	int64_t end = 0;
	double most = -1;

	for (int i = 0; i < vote->n; i++)
		end = vote->frames[i].at_us > end ? vote->frames[i].at_us : end;
	for (int64_t place = -1000; place < 9000; place += 10) {
		double sum = 0;
		int n = 0;

		for (int i = 0; i < vote->n; i++) {
			const struct vote_frame *frame = &vote->frames[i];
			int64_t then = place - (end - frame->at_us) / 1000;
			float most_any = VOTE_LEAST, found = VOTE_LEAST;

			if (frame->at_us < end - window_us)
				continue;
			n++;
			for (int j = 0; j < frame->n; j++) {
				const struct vote_entry *entry = &frame->names[j];

				if (entry->id != id)
					continue;
				found = most_any = entry->evidence;
				for (int k = 0; k < entry->n_moments; k++) {
					const struct vote_moment *moment = &entry->moments[k];

					most_any = fmaxf(most_any, moment->score);
					if ((int64_t)moment->from_ms - VOTE_TOLERANCE_MS <= then &&
					    then <= (int64_t)moment->to_ms + VOTE_TOLERANCE_MS)
						found = fmaxf(found, moment->score);
				}
				break;
			}
			sum += (double)fmaxf(found, fminf(most_any, VOTE_OUT_OF_ORDER));
		}
		most = sum / n > most ? sum / n : most;
	}
	return (float)most;
}

Test(vote, the_best_order_is_that_of_all_places)
{
	for (int round = 0; round < 40; round++) {
		struct vote vote = {0};
		struct vote_outcome outcome = {VOTE_ABSENT, 0, 0, 0};

		for (int i = 0; i < 14; i++) {
			struct vote_moment moments[VOTE_MOMENTS + 3];
			struct vote_name name = {
				.id = 1, .score = 0.2f + 0.4f * test_random_float(), .moments = moments};

			name.n_moments = (int)test_random_range(0, VOTE_MOMENTS + 3);
			for (int j = 0; j < name.n_moments; j++) {
				uint32_t from = 10 * (uint32_t)test_random_range(0, 700);

				moments[j] =
					(struct vote_moment){1, from, from + 10 * (uint32_t)test_random_range(0, 80),
							     0.4f + 0.6f * test_random_float()};
			}
			outcome = vote_add(&vote, &rules, &scale,
					   1000000 + 200000 * i + 10000 * test_random_range(0, 9), &name, 1);
		}
		cr_assert_float_eq(outcome.evidence, scan_places(&vote, rules.window_us, 1), 1e-5f);
	}
}

/* Times from clocks that are anything. */
Test(vote, hostile_moments_are_borne)
{
	static const uint32_t odd[] = {0,	  1, 249, 250, INT32_MAX - 1, INT32_MAX, 0x80000000, UINT32_MAX - 250,
				       UINT32_MAX};
	static const int64_t times[] = {0, 1, 1000, INT64_MAX - 2000000, INT64_MAX - 1};
	struct vote vote = {0};

	for (int i = 0; i < 3000; i++) {
		struct vote_moment moments[VOTE_MOMENTS + 2];
		struct vote_name names[2] = {
			{.id = 1, .score = test_random_range(0, 3) ? -INFINITY : NAN, .moments = moments},
			{.id = 2, .score = 0.7f, .moments = moments}};
		struct vote_outcome outcome;

		names[0].n_moments = names[1].n_moments = (int)test_random_range(0, VOTE_MOMENTS + 2);
		for (int j = 0; j < names[0].n_moments; j++)
			moments[j] = (struct vote_moment){odd[test_random_range(0, 8)], odd[test_random_range(0, 8)],
							  odd[test_random_range(0, 8)],
							  test_random_range(0, 9) ? test_random_float() * 2 : NAN};
		outcome = vote_add(&vote, &rules, &scale, times[test_random_range(0, 4)] + test_random_range(0, 1),
				   names, 2);
		cr_assert(outcome.evidence >= VOTE_LEAST && outcome.evidence <= VOTE_MOST && outcome.id <= 2);
	}
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
			names[j] = (struct vote_name){.id = (uint64_t)test_random_range(1, 5),
						      .score = test_random_range(0, 9) ? test_random_float() * 3 : NAN};
		outcome = vote_add(&vote, &rules, &scale,
				   test_random_range(0, 1) ? test_random_range(0, INT64_MAX - 1) : i, names, n);
		cr_assert(outcome.evidence >= VOTE_LEAST && outcome.evidence <= VOTE_MOST && outcome.id <= 5);
	}
}
