/* vote.c - see vote.h. */
#include "vote.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Names that are told apart in one window: all that its frames can bring. */
#define CANDIDATES_MAX (VOTE_FRAMES_MAX * VOTE_NAMES)

/* Not a number is no evidence for anything. */
static float evidence_of(const struct vote_scale *scale, float score)
{
	float evidence = (score - scale->maybe) / (scale->sure - scale->maybe);

	return evidence > VOTE_LEAST ? fminf(evidence, VOTE_MOST) : VOTE_LEAST;
}

static void keep(struct vote *vote, const struct vote_scale *scale, int64_t at_us, const struct vote_name *names, int n)
{
	struct vote_frame *frame = &vote->frames[vote->next];

	vote->next = (vote->next + 1) % VOTE_FRAMES_MAX;
	vote->n += vote->n < VOTE_FRAMES_MAX;
	*frame = (struct vote_frame){.at_us = at_us, .n = n < VOTE_NAMES ? n : VOTE_NAMES};
	for (int i = 0; i < frame->n; i++)
		frame->names[i] = (struct vote_name){names[i].id, evidence_of(scale, names[i].score)};
}

/* The frames of the window, in any order. */
static int find_window(const struct vote *vote, int64_t from_us, const struct vote_frame *ret_frames[VOTE_FRAMES_MAX])
{
	int n = 0;

	for (int i = 0; i < vote->n; i++)
		if (vote->frames[i].at_us >= from_us)
			ret_frames[n++] = &vote->frames[i];
	return n;
}

static float evidence_in(const struct vote_frame *frame, uint64_t id)
{
	for (int i = 0; i < frame->n; i++)
		if (frame->names[i].id == id)
			return frame->names[i].score;
	return VOTE_LEAST;
}

/* The mean of the frames' evidence. */
static float weigh(const struct vote_frame *const *frames, int n, uint64_t id)
{
	float sum = 0;

	for (int i = 0; i < n; i++)
		sum += evidence_in(frames[i], id);
	return sum / (float)n;
}

static bool is_known(const uint64_t *ids, int n, uint64_t id)
{
	for (int i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static int find_candidates(const struct vote_frame *const *frames, int n, uint64_t ret_ids[CANDIDATES_MAX])
{
	int n_ids = 0;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < frames[i]->n; j++)
			if (!is_known(ret_ids, n_ids, frames[i]->names[j].id))
				ret_ids[n_ids++] = frames[i]->names[j].id;
	return n_ids;
}

static int64_t latest(const struct vote *vote)
{
	int64_t at_us = INT64_MIN;

	for (int i = 0; i < vote->n; i++)
		if (vote->frames[i].at_us > at_us)
			at_us = vote->frames[i].at_us;
	return at_us;
}

struct vote_outcome vote_add(struct vote *vote, const struct vote_rules *rules, const struct vote_scale *scale,
			     int64_t at_us, const struct vote_name *names, int n)
{
	struct vote_outcome outcome = {.verdict = VOTE_ABSENT, .evidence = VOTE_LEAST};
	const struct vote_frame *frames[VOTE_FRAMES_MAX];
	uint64_t ids[CANDIDATES_MAX];
	float second = VOTE_LEAST;
	int n_frames, n_ids;

	if (vote->n && at_us < latest(vote) - rules->window_us)
		*vote = (struct vote){0};
	keep(vote, scale, at_us, names, n);
	n_frames = find_window(vote, latest(vote) - rules->window_us, frames);
	n_ids = find_candidates(frames, n_frames, ids);
	for (int i = 0; i < n_ids; i++) {
		float evidence = weigh(frames, n_frames, ids[i]);

		if (outcome.id && evidence <= outcome.evidence) {
			second = fmaxf(second, evidence);
			continue;
		}
		second = outcome.id ? outcome.evidence : second;
		outcome.id = ids[i];
		outcome.evidence = evidence;
	}
	outcome.lead = outcome.evidence - second;
	if (!outcome.id || outcome.evidence < 0 || outcome.lead < rules->maybe_lead)
		return (struct vote_outcome){
			.verdict = VOTE_ABSENT, .evidence = outcome.evidence, .lead = outcome.lead};
	outcome.verdict = outcome.evidence >= 1 && outcome.lead >= rules->lead ? VOTE_SURE : VOTE_MAYBE;
	return outcome;
}
