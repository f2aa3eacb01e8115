/* share.c - see share.h. */
#include "share.h"

#include <math.h>
#include <stddef.h>

/* A frame that follows an answer this closely, and by less than this part of an interval, was waiting for it. */
#define TURNAROUND_US	2000
#define TURNAROUND_PART 8
/* Frames over which the interval is averaged: within a tenth or so for frames that come by chance. */
#define PACE_MAX   32
#define PACE_LEAST (-4)
/* A stream without frames for so long, and two intervals, wants nothing. */
#define IDLE_US 2000000
/* What a stream does not use any more is lent at this pace, for a blurred frame or two say nothing. */
#define RELEASE	  (1 / 16.0f)
#define REFILL_US 50000
#define STEPS	  24 /* of the bisection: to the precision of a float */

/* ---- what each stream wants ----------------------------------------------------------------------- */

static bool is_idle(const struct share *share, int64_t now_us)
{
	return (float)(now_us - share->arrived_us) > IDLE_US + 2 * share->interval_us;
}

static void enlist(struct shares *shares, struct share *share)
{
	share->prev = NULL;
	share->next = shares->first;
	if (shares->first)
		shares->first->prev = share;
	shares->first = share;
	share->listed = true;
}

void share_arrived(struct shares *shares, struct share *share, int64_t now_us)
{
	float gap_us = (float)(now_us - share->arrived_us);
	int64_t since_answer_us = now_us - share->answered_us;

	if (!share->listed) {
		enlist(shares, share);
	} else if (!is_idle(share, now_us) && gap_us > 0) {
		bool waited = since_answer_us < TURNAROUND_US && (float)since_answer_us * TURNAROUND_PART < gap_us;

		if (share->answered_us < share->arrived_us)
			share->unasked += share->unasked < PACE_MAX;
		else if (waited)
			share->unasked -= share->unasked > 0;
		share->pace += waited ? share->pace > PACE_LEAST ? -1 : 0 : share->pace < PACE_MAX;
		if (!waited && share->pace > 0)
			share->interval_us += (gap_us - share->interval_us) / (float)share->pace;
	}
	if (!share->active)
		shares->stale = true;
	share->arrived_us = now_us;
}

static float lanes_used(const struct share *share)
{
	return share->active && share->pace > 0 ? share->ran_us / share->interval_us : 0;
}

void share_run(struct shares *shares, struct share *share, float us)
{
	share->ran_us = fmaxf(us, share->ran_us + (us - share->ran_us) * RELEASE);
	/* At once, so that two streams do not take the same room. */
	shares->used -= share->used;
	share->used = lanes_used(share);
	shares->used += share->used;
}

void share_answered(struct share *share, int64_t now_us)
{
	share->answered_us = now_us;
}

void share_leave(struct shares *shares, struct share *share)
{
	if (!share->listed)
		return;
	if (share->prev)
		share->prev->next = share->next;
	else
		shares->first = share->next;
	if (share->next)
		share->next->prev = share->prev;
	share->listed = share->active = false;
	shares->stale = true;
}

static bool is_greedy(const struct share *share)
{
	return share->active && share->pace < 0;
}

static void find_wish(struct share *share, int64_t now_us)
{
	int64_t period_us = share->queue->period_us;

	share->active = !is_idle(share, now_us);
	share->least = period_us > 0 ? share->quickest_us / (float)period_us : 0;
	if (share->pace > 0)
		share->wanted = share->best_us / share->interval_us;
	else
		share->wanted = share->pace < 0 ? INFINITY : share->least;
	share->least = fminf(share->least, share->wanted);
	share->used = lanes_used(share);
}

/* ---- filling up ----------------------------------------------------------------------------------- */

static int class_of(const struct share *share)
{
	int class = share->queue->class;

	return class < 0 ? 0 : class < SHARE_CLASSES ? class : SHARE_CLASSES - 1;
}

static float taken(const struct share *share, float level)
{
	return fminf(share->wanted, fmaxf(share->least, share->queue->weight * level));
}

static float class_takes(const struct shares *shares, int class, float level)
{
	float sum = 0;

	for (const struct share *share = shares->first; share; share = share->next)
		if (share->active && class_of(share) == class)
			sum += taken(share, level);
	return sum;
}

/* Fills one class up; returns what it takes. */
static float fill_class(struct shares *shares, int class, float room)
{
	float lightest = INFINITY, low = 0, high, takes;

	for (const struct share *share = shares->first; share; share = share->next)
		if (share->active && class_of(share) == class)
			lightest = fminf(lightest, share->queue->weight);
	/* So high that one of them alone would take all there is. */
	high = room > 0 ? room / lightest : 0;
	takes = class_takes(shares, class, high);
	for (int i = 0; i < STEPS && takes > room; i++) {
		float middle = (low + high) / 2;

		if (class_takes(shares, class, middle) > room)
			high = middle;
		else
			low = middle;
	}
	shares->level[class] = takes > room ? low : high;
	return takes > room ? class_takes(shares, class, low) : takes;
}

static void fill(struct shares *shares, int n_lanes, int64_t now_us)
{
	float left = (float)n_lanes, least[SHARE_CLASSES] = {0};

	shares->used = 0;
	shares->n_greedy = 0;
	for (struct share *share = shares->first; share; share = share->next) {
		find_wish(share, now_us);
		shares->used += share->used;
		shares->n_greedy += is_greedy(share);
		if (share->active)
			least[class_of(share)] += share->least;
	}
	for (int rank = SHARE_CLASSES - 1; rank >= 0; rank--) {
		float promised = 0;

		for (int below = 0; below < rank; below++)
			promised += least[below];
		left -= fill_class(shares, rank, left - promised);
	}
	shares->filled_us = now_us;
	shares->stale = false;
}

/* Its own share, or all that the others leave. */
static float lanes_of(const struct shares *shares, const struct share *share, int n_lanes)
{
	float own = fmaxf(share->least, share->queue->weight * shares->level[class_of(share)]);
	float left = (float)n_lanes - (shares->used - share->used);

	return shares->n_greedy > is_greedy(share) ? own : fmaxf(own, left);
}

float share_us(struct shares *shares, const struct share *share, int n_lanes, int64_t now_us)
{
	float interval_us = (float)share->queue->period_us;

	if (share->unasked > 0 && share->pace > 0 && !share->queue->latest)
		interval_us = share->interval_us;
	if (!share->listed || !(interval_us > 0))
		return 0;
	if (shares->stale || now_us < shares->filled_us || now_us - shares->filled_us >= REFILL_US)
		fill(shares, n_lanes, now_us);
	return interval_us * lanes_of(shares, share, n_lanes);
}
