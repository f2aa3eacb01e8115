/* vote.c - see vote.h. */
#include "vote.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Names that are told apart in one window: all that its frames can bring. */
#define CANDIDATES_MAX (VOTE_FRAMES_MAX * VOTE_NAMES)

float vote_least_score(const struct vote_scale *scale)
{
	return scale->maybe + VOTE_LEAST * (scale->sure - scale->maybe);
}

/* Not a number is no evidence for anything. */
static float evidence_of(const struct vote_scale *scale, float score)
{
	float evidence = (score - scale->maybe) / (scale->sure - scale->maybe);

	return evidence > VOTE_LEAST ? fminf(evidence, VOTE_MOST) : VOTE_LEAST;
}

/* Moments that say no more than the name does at any time are left out. */
static void keep_name(struct vote_entry *entry, const struct vote_scale *scale, const struct vote_name *name)
{
	entry->id = name->id;
	entry->evidence = evidence_of(scale, name->score);
	entry->n_moments = 0;
	for (int i = 0; i < name->n_moments && i < VOTE_MOMENTS; i++) {
		struct vote_moment moment = name->moments[i];

		moment.score = evidence_of(scale, moment.score);
		if (moment.score > entry->evidence && moment.from_ms <= moment.to_ms && moment.to_ms <= INT32_MAX &&
		    moment.source <= INT32_MAX)
			entry->moments[entry->n_moments++] = moment;
	}
}

static void keep(struct vote *vote, const struct vote_scale *scale, int64_t at_us, const struct vote_name *names, int n)
{
	struct vote_frame *frame = &vote->frames[vote->next];

	vote->next = (vote->next + 1) % VOTE_FRAMES_MAX;
	vote->n += vote->n < VOTE_FRAMES_MAX;
	frame->at_us = at_us;
	frame->n = n < VOTE_NAMES ? n : VOTE_NAMES;
	for (int i = 0; i < frame->n; i++)
		keep_name(&frame->names[i], scale, &names[i]);
}

static int64_t latest(const struct vote *vote)
{
	int64_t at_us = INT64_MIN;

	for (int i = 0; i < vote->n; i++)
		if (vote->frames[i].at_us > at_us)
			at_us = vote->frames[i].at_us;
	return at_us;
}

/* The frames of the window, in any order. */
struct window {
	int64_t end_us;
	int n;
	const struct vote_frame *frames[VOTE_FRAMES_MAX];
};

static void find_window(const struct vote *vote, int64_t length_us, struct window *window)
{
	window->end_us = latest(vote);
	window->n = 0;
	for (int i = 0; i < vote->n; i++)
		if (vote->frames[i].at_us >= window->end_us - length_us)
			window->frames[window->n++] = &vote->frames[i];
}

/* NULL: the frame does not list the name. */
static const struct vote_entry *find_name(const struct vote_frame *frame, uint64_t id)
{
	for (int i = 0; i < frame->n; i++)
		if (frame->names[i].id == id)
			return &frame->names[i];
	return NULL;
}

static bool is_known(const uint64_t *ids, int n, uint64_t id)
{
	for (int i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static int find_candidates(const struct window *window, uint64_t ret_ids[CANDIDATES_MAX])
{
	int n_ids = 0;

	for (int i = 0; i < window->n; i++)
		for (int j = 0; j < window->frames[i]->n; j++)
			if (!is_known(ret_ids, n_ids, window->frames[i]->names[j].id))
				ret_ids[n_ids++] = window->frames[i]->names[j].id;
	return n_ids;
}

/* ---- the order of a video's pictures -------------------------------------------------------------- */

/*
 * What a frame says of a name, by where the name's video would be at the end of the window: steps of evidence, each
 * from its place up to the next one's.  Places are milliseconds of the video; its sources lie far behind each other.
 */
#define STEPS_MAX (2 * VOTE_MOMENTS)
struct track {
	float evidence; /* before the first step, and once it was passed that of the step */
	int n, next;
	int64_t places[STEPS_MAX];
	float steps[STEPS_MAX];
};

static int64_t place_of(uint32_t source, uint32_t ms)
{
	return (int64_t)source << 32 | ms;
}

/* The places of the window's end at which a frame that was `before_ms` earlier is near a moment: from, up to the other.
 */
static int64_t first_place(const struct vote_moment *moment, int64_t before_ms)
{
	return place_of(moment->source, moment->from_ms) + before_ms - VOTE_TOLERANCE_MS;
}

static int64_t end_place(const struct vote_moment *moment, int64_t before_ms)
{
	return place_of(moment->source, moment->to_ms) + before_ms + VOTE_TOLERANCE_MS + 1;
}

static void insert_place(struct track *track, int64_t place)
{
	int at = track->n++;

	for (; at > 0 && track->places[at - 1] > place; at--)
		track->places[at] = track->places[at - 1];
	track->places[at] = place;
}

/* Evidence at its best moment. */
static float most_of(const struct vote_entry *entry)
{
	float most = entry->evidence;

	for (int i = 0; i < entry->n_moments; i++)
		most = fmaxf(most, entry->moments[i].score);
	return most;
}

/* Evidence wherever the video is. */
static float least_of(const struct vote_entry *entry)
{
	return fmaxf(entry->evidence, fminf(most_of(entry), VOTE_OUT_OF_ORDER));
}

static void make_track(const struct vote_entry *entry, int64_t before_ms, struct track *track)
{
	float least = entry ? least_of(entry) : VOTE_LEAST;

	track->n = track->next = 0;
	track->evidence = least;
	for (int i = 0; entry && i < entry->n_moments; i++) {
		insert_place(track, first_place(&entry->moments[i], before_ms));
		insert_place(track, end_place(&entry->moments[i], before_ms));
	}
	for (int i = 0; i < track->n; i++) {
		track->steps[i] = least;
		for (int j = 0; j < entry->n_moments; j++)
			if (first_place(&entry->moments[j], before_ms) <= track->places[i] &&
			    track->places[i] < end_place(&entry->moments[j], before_ms))
				track->steps[i] = fmaxf(track->steps[i], entry->moments[j].score);
	}
}

#define NO_PLACE INT64_MAX

/* The lowest place at which any track has its next step; NO_PLACE: all are at their ends. */
static int64_t find_next_place(const struct track *tracks, int n)
{
	int64_t place = NO_PLACE;

	for (int i = 0; i < n; i++)
		if (tracks[i].next < tracks[i].n && tracks[i].places[tracks[i].next] < place)
			place = tracks[i].places[tracks[i].next];
	return place;
}

/* Takes a track past its steps at the place, and says by how much its evidence changes. */
static double pass(struct track *track, int64_t place)
{
	float before = track->evidence;

	while (track->next < track->n && track->places[track->next] == place)
		track->evidence = track->steps[track->next++];
	return (double)track->evidence - (double)before;
}

/* The mean of the frames' evidence at the place of the video where it is highest. */
static float weigh_in_order(const struct window *window, uint64_t id)
{
	struct track tracks[VOTE_FRAMES_MAX];
	double sum = 0, most;

	for (int i = 0; i < window->n; i++) {
		const struct vote_frame *frame = window->frames[i];

		make_track(find_name(frame, id), (window->end_us - frame->at_us) / 1000, &tracks[i]);
		sum += (double)tracks[i].evidence;
	}
	most = sum;
	for (int64_t place; (place = find_next_place(tracks, window->n)) != NO_PLACE;) {
		for (int i = 0; i < window->n; i++)
			sum += pass(&tracks[i], place);
		most = sum > most ? sum : most;
	}
	return (float)(most / window->n);
}

/* ---- weighing ------------------------------------------------------------------------------------- */

/* The mean of the frames' evidence in whatever order; *ret_ordered: it has moments, whose order may leave less. */
static float weigh(const struct window *window, uint64_t id, bool *ret_ordered)
{
	float sum = 0;

	*ret_ordered = false;
	for (int i = 0; i < window->n; i++) {
		const struct vote_entry *entry = find_name(window->frames[i], id);

		*ret_ordered |= entry && entry->n_moments;
		sum += entry ? most_of(entry) : VOTE_LEAST;
	}
	return sum / (float)window->n;
}

struct vote_outcome vote_add(struct vote *vote, const struct vote_rules *rules, const struct vote_scale *scale,
			     int64_t at_us, const struct vote_name *names, int n)
{
	struct vote_outcome outcome = {.verdict = VOTE_ABSENT, .evidence = VOTE_LEAST};
	uint64_t ids[CANDIDATES_MAX];
	float second = VOTE_LEAST;
	struct window window;
	int n_ids;

	if (vote->n && at_us < latest(vote) - rules->window_us)
		vote->n = vote->next = 0;
	keep(vote, scale, at_us, names, n);
	find_window(vote, rules->window_us, &window);
	n_ids = find_candidates(&window, ids);
	for (int i = 0; i < n_ids; i++) {
		bool ordered;
		float evidence = weigh(&window, ids[i], &ordered);

		/* What cannot even be the second need not be weighed any closer. */
		if (ordered && evidence > second)
			evidence = fminf(evidence, weigh_in_order(&window, ids[i]));
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
