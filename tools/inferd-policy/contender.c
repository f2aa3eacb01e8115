/* contender.c - see contender.h. */
#include "contender.h"

#include <math.h>
#include <string.h>

void contender_init(struct contender *c, const struct contender_kind *kind, const struct world *world,
		    const struct policy_params *params)
{
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->world = world;
	c->params = params;
	for (int lane = 0; lane < WORLD_LANES; lane++)
		c->filter[lane] = (struct contender_filter){
			.ratio = 1, .deviation = 0.1, .gain = 0.5, .drift = 0.1, .noise = 0.1};
	policy_latency_init(&c->latency, world->rungs, world->n_rungs);
	policy_state_init(&c->state);
}

static double prior_s(const struct contender *c, int rung)
{
	return (double)c->world->rungs[rung].prior_us * 1e-6;
}

/* The most accurate rung whose time by `ratio` per lane and a margin fits; else the quickest. */
static int best_that_fits(const struct contender *c, double left_s, double margin)
{
	const struct world *w = c->world;
	int best = -1, quickest = 0;

	for (int j = 0; j < w->n_rungs; j++) {
		double time = prior_s(c, j) * c->filter[w->rungs[j].lane].ratio;

		if (time < prior_s(c, quickest) * c->filter[w->rungs[quickest].lane].ratio)
			quickest = j;
		if (time * margin <= left_s && (best < 0 || w->rungs[j].accuracy > w->rungs[best].accuracy))
			best = j;
	}
	return best < 0 ? quickest : best;
}

/* ---- this policy ------------------------------------------------------------------------------- */

static int choose_inferd(struct contender *c, double left_s, double jitter)
{
	struct policy_decision decision;

	(void)jitter;
	c->sample.queued_us = c->sample.deadline_us - (int64_t)(left_s * 1e6);
	policy_decide(c->params, c->world->rungs, c->world->n_rungs, &c->latency, &c->sample, &c->state, &decision);
	return decision.rung;
}

static void observe_inferd(struct contender *c, int rung, double time_s)
{
	policy_latency_observe(&c->latency, c->params, c->world->rungs, rung, (float)(time_s * 1e6),
			       c->sample.freq_cap[c->world->rungs[rung].lane],
			       c->sample.now_us + (int64_t)(time_s * 1e6));
}

/* ---- what others do ---------------------------------------------------------------------------- */

static int choose_static(struct contender *c, double left_s, double jitter)
{
	(void)left_s;
	(void)jitter;
	return c->fixed;
}

/* Band's estimate: an exponential moving average of weight 0.1. */
static int choose_average(struct contender *c, double left_s, double jitter)
{
	(void)jitter;
	return best_that_fits(c, left_s, 1.15);
}

static void observe_average(struct contender *c, int rung, double time_s)
{
	struct contender_filter *f = &c->filter[c->world->rungs[rung].lane];

	f->ratio += 0.1 * (time_s / prior_s(c, rung) - f->ratio);
}

/* ApproxDet's rule: the last measurement, and a margin of 1.3. */
static int choose_ratio(struct contender *c, double left_s, double jitter)
{
	(void)jitter;
	return best_that_fits(c, left_s, 1.3);
}

static void observe_ratio(struct contender *c, int rung, double time_s)
{
	c->filter[c->world->rungs[rung].lane].ratio = time_s / prior_s(c, rung);
}

/* ALERT's idea: one slowdown with its variance, and the greatest accuracy times chance to be in time. */
static int choose_alert(struct contender *c, double left_s, double jitter)
{
	const struct world *w = c->world;
	double most = 1e-6;
	int best = best_that_fits(c, 0, 1); /* the quickest, where none has a chance */

	(void)jitter;
	for (int j = 0; j < w->n_rungs; j++) {
		const struct contender_filter *f = &c->filter[w->rungs[j].lane];
		double z = (left_s / prior_s(c, j) - f->ratio) / sqrt(f->deviation);
		double worth = (double)w->rungs[j].accuracy * 0.5 * erfc(-z / 1.4142135623730951);

		if (worth > most) {
			most = worth;
			best = j;
		}
	}
	return best;
}

/* Its adaptive filter, with the constants of the stored port. */
static void observe_alert(struct contender *c, int rung, double time_s)
{
	struct contender_filter *f = &c->filter[c->world->rungs[rung].lane];
	double measured = time_s / prior_s(c, rung), innovation = measured - f->ratio, moved;

	f->gain = ((1 - f->gain) * f->noise + f->drift) / ((1 - f->gain) * f->noise + f->drift + 0.001);
	moved = f->gain * innovation;
	f->drift = 0.7 * f->drift + 0.3 * moved * moved;
	f->drift = f->drift < 0.0001 ? 0.0001 : f->drift;
	f->noise = f->drift;
	f->ratio += moved;
	f->deviation = 0.9 * f->deviation + 0.1 * innovation * innovation;
	f->deviation = f->deviation < 0.0004 ? 0.0004 : f->deviation;
}

/* ---- oracles ----------------------------------------------------------------------------------- */

/* Knows this frame's times. */
static int choose_clairvoyant(struct contender *c, double left_s, double jitter)
{
	const struct world *w = c->world;
	int best = -1;

	for (int j = 0; j < w->n_rungs; j++)
		if (world_time(w, j) * jitter <= left_s && (best < 0 || w->rungs[j].accuracy > w->rungs[best].accuracy))
			best = j;
	return best;
}

/* Knows the state of the world, but not this frame's chance. */
static int choose_blind(struct contender *c, double left_s, double jitter)
{
	const struct world *w = c->world;
	double most = 0.01;
	int best = -1;

	(void)jitter;
	for (int j = 0; j < w->n_rungs; j++) {
		double worth = (double)w->rungs[j].accuracy * world_jitter_below(w, left_s / world_time(w, j));

		if (worth > most) {
			most = worth;
			best = j;
		}
	}
	return best;
}

const struct contender_kind contender_inferd = {"inferd", choose_inferd, observe_inferd};
const struct contender_kind contender_static = {"hindsight-static", choose_static, NULL};
const struct contender_kind contender_average = {"moving-average", choose_average, observe_average};
const struct contender_kind contender_ratio = {"last-ratio", choose_ratio, observe_ratio};
const struct contender_kind contender_alert = {"alert-like", choose_alert, observe_alert};
const struct contender_kind contender_clairvoyant = {"clairvoyant", choose_clairvoyant, NULL};
const struct contender_kind contender_blind = {"jitter-blind", choose_blind, NULL};
