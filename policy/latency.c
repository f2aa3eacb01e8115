/*
 * latency.c - see latency.h; docs/policy.md has the formulas and where the constants come from.
 *
 * Arithmetic is + - * / and sqrt only, so that a recorded day replays to the bit.
 */
#include "latency.h"

#include <math.h>
#include <string.h>

#include "arith.h"
#include "limits.h"

#define NOISE_START  0.01f /* variances of logarithms: a standard deviation of 10% */
#define NOISE_LEARN  0.02f
#define DRIFT_LEARN  0.05f
#define DOUBT	     3.5f  /* standard deviations from which on a residual may be a jump of the slowdown */
#define COLD_RUNS    2	   /* of a variant on a lane: caches, page faults and clocks that have to rise */
#define COLD_NOISE   0.09f /* variance of what they add */
#define BOUND_START  2.5f
#define BOUND_STEP   0.15f
#define USUAL_LEARN  0.005f
#define KIN_DOUBT    0.1f    /* share of the doubt about an unknown device that is left for its other lanes */
#define LONG_S	     1000.0f /* since a run, or since one of an earlier life */
#define IDLE_S	     2.0f    /* a lane that has not run for longer is not what it was */
#define FORGET_S     20.0f   /* after so much more, half of what it was is forgotten */
#define SWITCH_LEARN 0.1f
#define US_MAX	     1e9f /* longer times are taken for nonsense */

/* Of the variance that rungs have against each other: what comes from the variant, the size and the rung itself. */
#define SHARE_VARIANT 0.5f
#define SHARE_SIZE    0.15f
#define SHARE_RUNG    0.35f
#define BIAS_DRIFT    0.0000003f /* variance that a run adds: rungs' relative times change a little too */
#define BIAS_AGE      0.0000003f /* and that a run of others adds */

/* Sizes of outliers, as logarithms, up to which the first and second kinds go. */
static const float outlier_edge[POLICY_OUTLIERS - 1] = {0.3f, 0.6f};
/* Jumps and spikes taken to have been seen of each kind. */
static const float outlier_seed[POLICY_OUTLIERS][2] = {{1, 1}, {1, 1.5f}, {0.7f, 2}};

/* Upper edges of the histogram's bins in standard deviations; the last bin is open. */
static const float edge[POLICY_BINS - 1] = {-3,	  -2.5f, -2, -1.75f, -1.5f, -1.25f, -1, -0.75f, -0.5f, -0.25f, 0, 0.25f,
					    0.5f, 0.75f, 1,  1.25f,  1.5f,  1.75f,  2,	2.25f,	2.5f,  2.75f,  3, 3.5f,
					    4,	  4.5f,	 5,  6,	     7,	    8,	    10, 12,	15};

/* ---- chance ------------------------------------------------------------------------------------ */

void policy_latency_add_up(struct policy_latency *latency)
{
	float sum = 0, all = 0;

	for (int i = 0; i < POLICY_BINS; i++)
		all += latency->weight[i];
	for (int i = 0; i < POLICY_BINS; i++) {
		sum += latency->weight[i];
		latency->below[i] = sum / all;
	}
}

/* A normal distribution, but for the share of runs that something else held up. */
static void seed_histogram(struct policy_latency *latency)
{
	const float kept = 1 / (1 - HISTOGRAM_KEEP), held_up = 0.02f;
	float before = 0;

	for (int i = 0; i < POLICY_BINS; i++) {
		bool open = i == POLICY_BINS - 1;
		float share = open ? 1 : (1 - held_up) * policy_normal(edge[i]);

		if (!open && edge[i] > 0)
			share += held_up * (1 - policy_exp(-edge[i] / 4));
		latency->weight[i] = (share - before) * kept;
		before = share;
	}
	policy_latency_add_up(latency);
}

static int bin_of(float z)
{
	int lo = 0, hi = POLICY_BINS - 1;

	while (lo < hi) {
		int middle = (lo + hi) / 2;

		if (z <= edge[middle])
			hi = middle;
		else
			lo = middle + 1;
	}
	return lo;
}

static float share_below(const struct policy_latency *latency, float z)
{
	int bin = bin_of(z);
	float part;

	if (bin == 0)
		return latency->below[0] * policy_exp(2 * (z - edge[0]));
	if (bin == POLICY_BINS - 1)
		return 1 - (1 - latency->below[bin - 1]) * policy_exp((edge[bin - 1] - z) / 4);
	part = (z - edge[bin - 1]) / (edge[bin] - edge[bin - 1]);
	return latency->below[bin - 1] + part * (latency->below[bin] - latency->below[bin - 1]);
}

/* ---- forecast ---------------------------------------------------------------------------------- */

static void find_kin(struct policy_latency *latency, const struct policy_rung *rungs)
{
	for (int i = 0; i < latency->n_rungs; i++) {
		int variant = 0, size = 0;

		/* Frames of another phase do other work: nothing is learned across. */
		while (rungs[variant].variant != rungs[i].variant || rungs[variant].phase != rungs[i].phase)
			variant++;
		while (rungs[size].width != rungs[i].width || rungs[size].height != rungs[i].height ||
		       rungs[size].channels != rungs[i].channels || rungs[size].phase != rungs[i].phase)
			size++;
		latency->variant_of[i] = (uint8_t)variant;
		latency->size_of[i] = (uint8_t)size;
	}
}

void policy_latency_init(struct policy_latency *latency, const struct policy_rung *rungs, int n_rungs)
{
	memset(latency, 0, sizeof(*latency));
	latency->n_rungs = n_rungs < POLICY_RUNGS_MAX ? n_rungs : POLICY_RUNGS_MAX;
	for (int i = 0; i < POLICY_LANES_MAX; i++) {
		latency->lane[i].drift = DRIFT_START;
		latency->lane[i].swing = SWING_START;
		latency->lane[i].last_rung = -1;
	}
	latency->noise = NOISE_START;
	latency->bound = BOUND_START;
	for (int i = 0; i < POLICY_OUTLIERS; i++) {
		latency->outlier[i].jumps = outlier_seed[i][0];
		latency->outlier[i].spikes = outlier_seed[i][1];
	}
	latency->switch_variant = 0.08f;
	latency->switch_other = 0.03f;
	find_kin(latency, rungs);
	seed_histogram(latency);
}

static int lane_of(const struct policy_rung *rung)
{
	return rung->lane < POLICY_LANES_MAX ? rung->lane : POLICY_LANES_MAX - 1;
}

/* Logarithm of what a capped clock adds to a time. */
static float cap_ln(const struct policy_params *params, float freq_cap)
{
	if (!(freq_cap < 0.999f))
		return 0;
	return policy_ln(1 - params->cap_share + params->cap_share / policy_clamp(freq_cap, 0.1f, 1));
}

static const float *switch_of(const struct policy_latency *latency, const struct policy_rung *rungs, int rung)
{
	int last = latency->lane[lane_of(&rungs[rung])].last_rung;

	if (last < 0 || last == rung || last >= latency->n_rungs)
		return NULL;
	return rungs[last].variant != rungs[rung].variant ? &latency->switch_variant : &latency->switch_other;
}

/* A lane that never ran is taken to be as far from its priors as the others: the same silicon, the same profile. */
static void guess_lane(const struct policy_latency *latency, float ceiling, struct policy_lane_now *ret_now)
{
	const struct policy_latency_lane *most = &latency->lane[0];

	for (int i = 1; i < POLICY_LANES_MAX; i++)
		if (latency->lane[i].count > most->count)
			most = &latency->lane[i];
	ret_now->variance = ceiling;
	if (!most->count)
		return;
	ret_now->slowdown = most->usual;
	ret_now->variance = ret_now->unseen = ceiling * KIN_DOUBT;
}

static void look_at_lane(const struct policy_latency_lane *lane, float ceiling, int64_t now_us,
			 struct policy_lane_now *ret_now)
{
	float seconds = lane->seen_us ? policy_clamp((float)(now_us - lane->seen_us) * 1e-6f, 0, LONG_S) : LONG_S;
	float idle = seconds > IDLE_S ? seconds - IDLE_S : 0, keep = FORGET_S / (FORGET_S + idle), variance;

	ret_now->keep = keep;
	ret_now->slowdown = lane->usual + (lane->slowdown - lane->usual) * keep;
	ret_now->unseen = lane->swing * (1 - keep);
	variance = lane->joint[POLICY_PART_LANE][POLICY_PART_LANE] +
		   lane->drift * (1 + policy_clamp(seconds, 0, IDLE_S)) + ret_now->unseen;
	ret_now->variance = variance < ceiling ? variance : ceiling;
}

/* Variance of the level at which the lane's last rung runs. */
static float level_variance(const struct policy_latency_lane *lane)
{
	float own = 0, pairs = 0;

	for (int i = 0; i < POLICY_PARTS; i++) {
		own += lane->joint[i][i];
		for (int k = 0; k < i; k++)
			pairs += lane->joint[i][k];
	}
	return own + 2 * pairs;
}

static int outlier_kind(float residual)
{
	int kind = 0;

	while (kind < POLICY_OUTLIERS - 1 && residual > outlier_edge[kind])
		kind++;
	return kind;
}

struct policy_lane_now policy_latency_lane_now(const struct policy_latency *latency, const struct policy_params *params,
					       int lane, float freq_cap, int64_t now_us)
{
	const struct policy_latency_lane *l = &latency->lane[lane];
	float ceiling = params->prior_spread * params->prior_spread;
	struct policy_lane_now now = {.level = level_variance(l), .capped_ln = cap_ln(params, freq_cap)};

	if (l->count)
		look_at_lane(l, ceiling, now_us, &now);
	else
		guess_lane(latency, ceiling, &now);
	if (l->suspect > 0) {
		int kind = outlier_kind(l->suspect);

		now.jump_ln = l->suspect;
		now.jump_chance =
			latency->outlier[kind].jumps / (latency->outlier[kind].jumps + latency->outlier[kind].spikes);
	}
	return now;
}

static float doubt_of(const struct policy_latency *latency, const struct policy_bias *bias,
		      const struct policy_params *params, float share)
{
	float most = share * params->rung_spread * params->rung_spread, variance;

	if (!bias->count)
		return most;
	variance = bias->variance + share * BIAS_AGE * (float)(latency->n_runs - bias->seen);
	return variance < most ? variance : most;
}

/*
 * What is known of the parts of a rung's time, together.  A run tells their sum: one that follows another of the same
 * rung says nothing of how slow this rung is against the rest, however often it is repeated.  So the covariance is kept
 * of the parts of the rung that ran last; those that another rung shares with it (the lane, the same variant or size)
 * keep theirs, the others are taken to be independent.
 */
struct belief {
	float covariance[POLICY_PARTS][POLICY_PARTS];
	float sum; /* variance of all parts together */
};

static void share_parts(const struct policy_latency *latency, int last, int rung, bool ret_same[POLICY_PARTS])
{
	bool any = last >= 0 && last < latency->n_rungs;

	ret_same[POLICY_PART_LANE] = true;
	ret_same[POLICY_PART_VARIANT] = any && latency->variant_of[last] == latency->variant_of[rung];
	ret_same[POLICY_PART_SIZE] = any && latency->size_of[last] == latency->size_of[rung];
	ret_same[POLICY_PART_RUNG] = last == rung;
}

static struct belief believe(const struct policy_latency *latency, const struct policy_params *params,
			     const struct policy_rung *rungs, int rung, const struct policy_lane_now *now)
{
	const struct policy_latency_lane *lane = &latency->lane[lane_of(&rungs[rung])];
	struct belief b = {.sum = 0};
	float scale[POLICY_PARTS]; /* down, where a part's own variance is less than when it was learned */
	bool same[POLICY_PARTS];

	share_parts(latency, lane->last_rung, rung, same);
	b.covariance[POLICY_PART_LANE][POLICY_PART_LANE] = now->variance;
	b.covariance[POLICY_PART_VARIANT][POLICY_PART_VARIANT] =
		doubt_of(latency, &latency->variant[latency->variant_of[rung]], params, SHARE_VARIANT);
	b.covariance[POLICY_PART_SIZE][POLICY_PART_SIZE] =
		doubt_of(latency, &latency->size[latency->size_of[rung]], params, SHARE_SIZE);
	b.covariance[POLICY_PART_RUNG][POLICY_PART_RUNG] = doubt_of(latency, &latency->rung[rung], params, SHARE_RUNG);
	for (int i = 0; i < POLICY_PARTS; i++)
		b.sum += b.covariance[i][i];
	if (!same[POLICY_PART_VARIANT] && !same[POLICY_PART_SIZE] && !same[POLICY_PART_RUNG])
		return b;
	for (int i = 0; i < POLICY_PARTS; i++) {
		float after = b.covariance[i][i], before = lane->joint[i][i];

		scale[i] = !same[i] || !(before > 0) ? 0 : after < before ? sqrtf(after / before) : 1;
	}
	scale[POLICY_PART_LANE] *= now->keep;
	for (int i = 0; i < POLICY_PARTS; i++)
		for (int k = 0; k < i; k++) {
			b.covariance[i][k] = b.covariance[k][i] = lane->joint[i][k] * scale[i] * scale[k];
			b.sum += 2 * b.covariance[i][k];
		}
	b.sum = b.sum > 0 ? b.sum : 0;
	return b;
}

struct policy_forecast policy_latency_forecast_on(const struct policy_latency *latency,
						  const struct policy_params *params, const struct policy_rung *rungs,
						  int rung, const struct policy_lane_now *now)
{
	const struct policy_latency_lane *lane = &latency->lane[lane_of(&rungs[rung])];
	const struct policy_bias *variant = &latency->variant[latency->variant_of[rung]],
				 *size = &latency->size[latency->size_of[rung]], *own = &latency->rung[rung];
	const float *change = switch_of(latency, rungs, rung);
	struct belief belief = believe(latency, params, rungs, rung, now);
	float doubt = belief.sum - now->level -
		      (now->variance - now->unseen - lane->joint[POLICY_PART_LANE][POLICY_PART_LANE]);

	return (struct policy_forecast){
		.mean_ln = policy_ln(policy_clamp(rungs[rung].prior_us, 1, US_MAX)) + now->slowdown + variant->value +
			   size->value + own->value + now->capped_ln,
		.spread_ln = sqrtf(belief.sum + latency->noise),
		.change_ln = change ? *change : 0,
		.doubt_ln = sqrtf(doubt > 0 ? doubt : 0),
		.jump_ln = now->jump_ln,
		.jump_chance = now->jump_chance,
	};
}

struct policy_forecast policy_latency_forecast(const struct policy_latency *latency, const struct policy_params *params,
					       const struct policy_rung *rungs, int rung, float freq_cap,
					       int64_t now_us)
{
	const struct policy_lane_now now =
		policy_latency_lane_now(latency, params, lane_of(&rungs[rung]), freq_cap, now_us);

	return policy_latency_forecast_on(latency, params, rungs, rung, &now);
}

float policy_latency_typical_us(const struct policy_latency *latency, const struct policy_rung *rungs, int rung)
{
	const struct policy_latency_lane *lane = &latency->lane[lane_of(&rungs[rung])];

	if (!lane->count)
		return 0;
	return policy_clamp(rungs[rung].prior_us, 1, US_MAX) *
	       policy_exp(lane->slowdown + latency->variant[latency->variant_of[rung]].value +
			  latency->size[latency->size_of[rung]].value + latency->rung[rung].value);
}

float policy_latency_chance(const struct policy_latency *latency, const struct policy_forecast *forecast,
			    float budget_ln)
{
	float gap = budget_ln - forecast->mean_ln, calm = share_below(latency, gap / forecast->spread_ln);

	if (!(forecast->jump_chance > 0))
		return calm;
	return calm +
	       forecast->jump_chance * (share_below(latency, (gap - forecast->jump_ln) / forecast->spread_ln) - calm);
}

/* ---- learning ---------------------------------------------------------------------------------- */

static void learn_lane(struct policy_latency_lane *lane, float moved)
{
	lane->slowdown = policy_clamp(lane->slowdown + moved, -SLOWDOWN_MAX, SLOWDOWN_MAX);
	lane->usual += (lane->count < 1 / USUAL_LEARN ? 1 / (1 + (float)lane->count) : USUAL_LEARN) *
		       (lane->slowdown - lane->usual);
	lane->swing += USUAL_LEARN * ((lane->slowdown - lane->usual) * (lane->slowdown - lane->usual) - lane->swing);
}

/* The bound rises after a run that exceeded it and sinks a little after one that did not. */
static void learn_bound(struct policy_latency *latency, const struct policy_params *params, float z)
{
	float bound = latency->bound + BOUND_STEP * ((z > latency->bound ? 1 : 0) - params->bound_share);

	latency->bound = policy_clamp(bound, BOUND_MIN, BOUND_MAX);
	latency->bound_runs++;
	latency->bound_saturated += latency->bound != bound;
}

static void count_chance(struct policy_latency *latency, const struct policy_params *params, float z)
{
	for (int i = 0; i < POLICY_BINS; i++)
		latency->weight[i] *= HISTOGRAM_KEEP;
	latency->weight[bin_of(z)] += 1;
	policy_latency_add_up(latency);
	learn_bound(latency, params, z);
}

/*
 * Residuals of a good estimate are as often followed by one of the same sign as by one of the other.  Where they hang
 * together the lane drifts faster than thought, where they alternate more slowly.
 */
static void learn_drift(struct policy_latency_lane *lane, float z)
{
	float together = policy_clamp(z * lane->last_z, -1, 1);

	lane->drift = policy_clamp(lane->drift * (1 + DRIFT_LEARN * together), DRIFT_MIN, DRIFT_MAX);
	lane->last_z = z;
}

/* Chance alone: what the estimate's own uncertainty explains is taken off. */
static void learn_noise(struct policy_latency *latency, float residual, float variance)
{
	float square = residual * residual - variance;

	latency->noise = policy_clamp(latency->noise + NOISE_LEARN * (square - latency->noise), NOISE_MIN, NOISE_MAX);
}

static void count_outlier(struct policy_latency *latency, float residual, bool jump)
{
	int kind = outlier_kind(residual);
	float *jumps = &latency->outlier[kind].jumps, *spikes = &latency->outlier[kind].spikes;

	*(jump ? jumps : spikes) += 1;
	if (*jumps + *spikes > OUTLIERS_KEPT) {
		*jumps *= 0.9f;
		*spikes *= 0.9f;
	}
}

/* A rung that was slow while others were not may be slower than thought. */
static void doubt_again(struct policy_latency *latency, const struct policy_params *params, int rung)
{
	struct policy_bias *own = &latency->rung[rung];
	float doubt = SHARE_RUNG * params->rung_spread * params->rung_spread;

	if (own->count && own->variance < doubt)
		own->variance = doubt;
}

/*
 * The run before was slow beyond doubt.  Was it chance, or has the lane become slower?  This run says which it was;
 * returns what of its residual the answer explains.
 */
static float settle_suspicion(struct policy_latency *latency, const struct policy_params *params,
			      struct policy_latency_lane *lane, int rung, float residual)
{
	float suspect = lane->suspect;
	bool jump = residual > suspect / 2;

	lane->suspect = 0;
	if (!(suspect > 0))
		return 0;
	count_outlier(latency, suspect, jump);
	/* Neither was foreseen, and the chance of either is part of every forecast. */
	count_chance(latency, params, lane->suspect_z);
	if (!jump) {
		if (lane->suspect_rung != rung)
			doubt_again(latency, params, lane->suspect_rung);
		return 0;
	}
	lane->slowdown = policy_clamp(lane->slowdown + suspect, -SLOWDOWN_MAX, SLOWDOWN_MAX);
	return suspect;
}

/* Moves one bias by its share of a residual. */
static void learn_bias(struct policy_latency *latency, struct policy_latency_lane *lane, struct policy_bias *bias,
		       enum policy_part part, float moved)
{
	bias->value = policy_clamp(bias->value + moved, -BIAS_MAX, BIAS_MAX);
	bias->variance = lane->joint[part][part] + BIAS_DRIFT;
	bias->count += bias->count < UINT32_MAX;
	bias->seen = latency->n_runs;
}

/* Spreads a residual over the lane and what is particular to the rung, each by what it has in common with the sum. */
static void learn_parts(struct policy_latency *latency, struct policy_latency_lane *lane, int rung,
			const struct belief *belief, float noise, float residual)
{
	struct policy_bias *bias[POLICY_PARTS] = {NULL, &latency->variant[latency->variant_of[rung]],
						  &latency->size[latency->size_of[rung]], &latency->rung[rung]};
	float with_sum[POLICY_PARTS] = {0}, step = residual / (belief->sum + noise);

	for (int i = 0; i < POLICY_PARTS; i++)
		for (int k = 0; k < POLICY_PARTS; k++)
			with_sum[i] += belief->covariance[i][k];
	for (int i = 0; i < POLICY_PARTS; i++)
		for (int k = 0; k < POLICY_PARTS; k++)
			lane->joint[i][k] =
				belief->covariance[i][k] - with_sum[i] * with_sum[k] / (belief->sum + noise);
	/* Rounding must not turn a variance that is all but nothing negative. */
	for (int i = 0; i < POLICY_PARTS; i++)
		lane->joint[i][i] = policy_clamp(lane->joint[i][i], 0, VARIANCE_MAX);
	learn_lane(lane, with_sum[POLICY_PART_LANE] * step);
	for (int i = POLICY_PART_VARIANT; i < POLICY_PARTS; i++)
		learn_bias(latency, lane, bias[i], (enum policy_part)i, with_sum[i] * step);
}

/* A run that may have been chance alone: time has passed all the same, and another rung's parts came in. */
static void learn_nothing(struct policy_latency_lane *lane, const struct belief *belief)
{
	memcpy(lane->joint, belief->covariance, sizeof(lane->joint));
}

/*
 * More was wrong than was held possible.  The same rung as before became quicker because its lane did.  Of another one
 * it may as well be a part of its own: the lane answers for half, and the other parts for half as they were in doubt.
 */
static void widen(struct belief *belief, bool same_rung, float square)
{
	float lane = same_rung ? square : square / 2, own = 0;

	for (int i = POLICY_PART_VARIANT; i < POLICY_PARTS; i++)
		own += belief->covariance[i][i];
	for (int i = 0; !same_rung && i < POLICY_PARTS; i++)
		for (int k = 0; k < POLICY_PARTS; k++)
			belief->covariance[i][k] *= i == k && own > 0 ? (square - lane) / own : 0;
	belief->sum = same_rung ? belief->sum + lane - belief->covariance[POLICY_PART_LANE][POLICY_PART_LANE] : square;
	belief->covariance[POLICY_PART_LANE][POLICY_PART_LANE] = lane;
}

void policy_latency_observe(struct policy_latency *latency, const struct policy_params *params,
			    const struct policy_rung *rungs, int rung, float us, float freq_cap, int64_t now_us)
{
	struct policy_latency_lane *lane;
	struct policy_forecast forecast;
	struct policy_lane_now now;
	struct belief belief;
	float residual, z;
	float *change;
	uint8_t *runs;
	bool cold;

	if (rung < 0 || rung >= latency->n_rungs || !(us > 0 && us <= US_MAX))
		return;
	lane = &latency->lane[lane_of(&rungs[rung])];
	now = policy_latency_lane_now(latency, params, lane_of(&rungs[rung]), freq_cap, now_us);
	forecast = policy_latency_forecast_on(latency, params, rungs, rung, &now);
	residual = policy_ln(us) - forecast.mean_ln - forecast.change_ln;
	belief = believe(latency, params, rungs, rung, &now);
	lane->slowdown = now.slowdown;
	residual -= settle_suspicion(latency, params, lane, rung, residual);
	z = residual / forecast.spread_ln;
	runs = &latency->runs[latency->variant_of[rung]][lane_of(&rungs[rung])];
	cold = *runs < COLD_RUNS;
	*runs += *runs < UINT8_MAX;
	change = (float *)(uintptr_t)switch_of(latency, rungs, rung);
	if (z > DOUBT && lane->count) {
		lane->suspect = residual;
		lane->suspect_z = z;
		lane->suspect_rung = (int16_t)rung;
		learn_nothing(lane, &belief);
	} else {
		/* Nothing makes a run much quicker by chance. */
		if (z < -DOUBT) {
			widen(&belief, lane->last_rung == rung || lane->last_rung < 0,
			      policy_clamp(residual * residual, 0, VARIANCE_MAX));
		} else if (!cold) {
			learn_noise(latency, residual, belief.sum);
			count_chance(latency, params, z);
			learn_drift(lane, z);
		}
		learn_parts(latency, lane, rung, &belief, latency->noise + (cold ? COLD_NOISE : 0), residual);
		if (change && !cold)
			*change = policy_clamp(*change + SWITCH_LEARN * residual, 0, SWITCH_MAX);
	}
	latency->n_runs++;
	lane->count += lane->count < UINT32_MAX;
	lane->seen_us = now_us;
	lane->last_rung = (int16_t)rung;
}
