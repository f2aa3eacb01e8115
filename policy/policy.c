/*
 * policy.c - see policy.h, and docs/policy.md for the formulas.
 *
 * A frame goes through four questions: how long would each rung take and how surely is it in time (latency.c), which
 * of them does the heat allow, which is worth most, and may the stream change to it yet.  Arithmetic is + - * / and
 * sqrt only, so that a recorded day replays to the bit.
 *
 * What was learned on this device already contains its clocks and its neighbours.  Pressure therefore only shrinks
 * what is left of a deadline.
 */
#include "policy.h"

#include <math.h>
#include <string.h>

#include "arith.h"
#include "arrivals.h"
#include "view.h"

#define NO_TEMP_C	-273.0f	   /* nobody knows how warm it is */
#define FORGET_C_PER_S	0.5f	   /* heat that was felt is forgotten at this pace, */
#define FORGET_LAG_C	12.0f	   /* and at most this far behind the device */
#define TRIP_MARGIN_C	2.0f	   /* the kernel throttles at its trip point; act before */
#define BUSY_PRESSURE	0.4f	   /* share of time some task waits for a CPU from which on budgets shrink */
#define BLUR_SEEN	0.25f	   /* less blur than this costs no accuracy */
#define SUSPICION_PRICE 0.1f	   /* as params' switch_price, for leaving a rung on a mere suspicion */
#define HASTE_PRICE	0.0002f	   /* accuracy for being quick: decides between equals */
#define HOPELESS	0.05f	   /* chance below which a frame is not worth its time */
#define SHARE_FILL	0.9f	   /* of its share, what a stream plans to use: frames do not come evenly */
#define STAY_FACTOR	2.0f	   /* by how much the share of misses may exceed its target before a rung is left */
#define FORCED_SOON_US	10000000   /* down again within this of going up: the step was too early */
#define CALM_US		32000000   /* so long without being forced down: the dwell is forgotten */
#define PROBE_US	1000000	   /* a hopeless stream still runs a frame this often: estimates grow old */
#define FADE_US		60000000.f /* over which changes of rung are forgotten */
#define EXPLORE_FIRST	8	   /* frames before the first trial */
#define US_MAX		1e9f
#define WORK_MAX	1000

void policy_state_init(struct policy_state *state)
{
	*state = (struct policy_state){.rung = -1, .other_rung = -1, .felt_c = NO_TEMP_C};
}

const char *policy_cause_name(enum policy_cause cause)
{
	static const char *const names[] = {"best", "deadline", "hot",	   "critical", "throttled",
					    "busy", "settling", "battery", "blurred",  "explore",
					    "skip", "still",	"hopeless"};

	return (unsigned)cause < sizeof(names) / sizeof(*names) ? names[cause] : "unknown";
}

float policy_accuracy(float native_accuracy, float size_ratio, bool gray)
{
	float gap = size_ratio >= 1 ? 0 : size_ratio > 0 ? 1 - size_ratio : 1;
	float share = 1 - 0.2f * gap - 1.3f * gap * gap;

	if (!(native_accuracy > 0))
		return 0;
	return native_accuracy * (share > 0 ? share : 0) * (gray ? 0.8f : 1);
}

static bool beats(const struct policy_rung *a, const struct policy_rung *b, bool earlier)
{
	if (a->lane != b->lane || a->phase != b->phase || a->prior_us > b->prior_us || a->accuracy < b->accuracy)
		return false;
	return a->prior_us < b->prior_us || a->accuracy > b->accuracy || earlier;
}

int policy_prune(struct policy_rung *rungs, int n_rungs)
{
	int left = 0;

	for (int i = 0; i < n_rungs; i++) {
		rungs[i].dominated = false;
		for (int k = 0; k < n_rungs && !rungs[i].dominated; k++)
			rungs[i].dominated = k != i && beats(&rungs[k], &rungs[i], k < i);
		left += !rungs[i].dominated;
	}
	return left;
}

/* ---- what each rung would cost and bring ------------------------------------------------------- */

static float known_or(float value, float otherwise)
{
	return isfinite(value) ? value : otherwise;
}

/*
 * Those that wait behind have deadlines of their own, so the time left is shared with them; where tasks wait for CPUs,
 * part of it will be lost.
 */
static void look_at_time(struct view *v)
{
	const struct policy_sample *s = v->sample;
	float pressure = policy_clamp(known_or(s->cpu_pressure, 0), 0, 1);

	v->left_us = v->budget_us = INFINITY;
	if (s->deadline_us <= 0)
		return;
	v->left_us = v->budget_us = (float)s->deadline_us - (float)s->queued_us;
	if (s->queue_depth > 0)
		v->budget_us /= (float)s->queue_depth + 1;
	if (pressure > BUSY_PRESSURE)
		v->budget_us *= 1 - pressure / 2;
}

static int lane_of(const struct view *v, int rung)
{
	return v->rungs[rung].lane < POLICY_LANES_MAX ? v->rungs[rung].lane : POLICY_LANES_MAX - 1;
}

/* Per lane once, for logarithms are what a decision spends its time on. */
static void look_at_lanes(struct view *v)
{
	bool used[POLICY_LANES_MAX] = {false};

	for (int i = 0; i < v->n_rungs; i++)
		used[lane_of(v, i)] = true;
	for (int i = 0; i < POLICY_LANES_MAX; i++) {
		v->wait_us[i] =
			i < v->sample->n_lanes ? policy_clamp(known_or(v->sample->lane_wait_us[i], 0), 0, US_MAX) : 0;
		v->left_ln[i] = policy_ln(v->budget_us - v->wait_us[i]);
		v->alone_ln[i] = policy_ln(v->left_us - v->wait_us[i]);
		if (used[i])
			v->lanes[i] = policy_latency_lane_now(v->latency, v->params, i, v->sample->freq_cap[i],
							      v->sample->now_us);
	}
}

static struct policy_forecast ask(const struct view *v, int rung)
{
	struct policy_forecast f =
		policy_latency_forecast_on(v->latency, v->params, v->rungs, rung, &v->lanes[lane_of(v, rung)]);

	f.mean_ln += v->work_ln;
	return f;
}

/* The exponential, near enough for small values: it is asked of every rung. */
static float sure_factor(float ln)
{
	return 1 + ln * (1 + ln / 2);
}

static void forecast(struct view *v, int rung)
{
	struct outlook *o = &v->outlook[rung];
	const struct policy_rung *r = &v->rungs[rung];
	struct policy_forecast f = ask(v, rung);
	float left_ln = v->left_ln[lane_of(v, rung)];

	v->suspicious |= rung == v->held && f.jump_chance > 0;
	o->us = policy_clamp(policy_exp(f.mean_ln), 0, US_MAX);
	o->sure_us = o->us * sure_factor(v->latency->bound * f.spread_ln);
	o->wait_price = 0;
	o->wait_us = v->wait_us[lane_of(v, rung)];
	o->accuracy = policy_clamp(r->accuracy, 0, 1);
	o->energy = o->us * (r->power_w > 0 ? policy_clamp(r->power_w, 0, 1000) : 1);
	o->chance = o->chance_once = o->chance_alone = 1;
	o->bounded = true;
	if (!isfinite(v->left_us))
		return;
	o->chance = policy_latency_chance(v->latency, &f, left_ln);
	o->chance_once = f.change_ln > 0 ? policy_latency_chance(v->latency, &f, left_ln - f.change_ln) : o->chance;
	o->bounded = f.mean_ln + v->latency->bound * f.spread_ln <= left_ln;
	o->chance_alone = v->budget_us < v->left_us
				  ? policy_latency_chance(v->latency, &f, v->alone_ln[lane_of(v, rung)])
				  : o->chance;
}

/*
 * What a frame would gain on the rung that is held, once a trial has shown how quick another is.  Of three cases, the
 * points of a Gauss-Hermite rule over what is in doubt, only those count in which the other turns out to be better.
 * None, where even a quick one would take more than its share of the lane.
 */
static float worth_of_trial(const struct view *v, int rung, float held_worth)
{
	static const float at[] = {-1.7320508f, 0, 1.7320508f}, share[] = {1 / 6.f, 2 / 3.f, 1 / 6.f};
	struct policy_forecast f = ask(v, rung);
	float known = f.spread_ln * f.spread_ln - f.doubt_ln * f.doubt_ln, gain = 0;

	if (v->sample->share_us > 0 && policy_exp(f.mean_ln - f.doubt_ln) > v->sample->share_us)
		return 0;
	f.spread_ln = sqrtf(known > 0 ? known : 0) + 1e-3f;
	for (int i = 0; i < 3; i++) {
		float chance = isfinite(v->left_us)
				       ? policy_latency_chance(v->latency, &f,
							       v->left_ln[lane_of(v, rung)] + at[i] * f.doubt_ln)
				       : 1;
		float more = v->outlook[rung].accuracy * chance - held_worth;

		gain += more > 0 ? share[i] * more : 0;
	}
	return gain;
}

static void find_ends(struct view *v)
{
	v->best = v->cheapest = -1;
	v->dearest = v->slowest_us = 1;
	v->floor = 1;
	for (int i = 0; i < v->n_rungs; i++) {
		const struct outlook *o = &v->outlook[i];

		if (!view_eligible(v, i))
			continue;
		if (v->best < 0 || o->accuracy > v->outlook[v->best].accuracy)
			v->best = i;
		if (v->cheapest < 0 ||
		    o->us + o->wait_us < v->outlook[v->cheapest].us + v->outlook[v->cheapest].wait_us)
			v->cheapest = i;
		if (o->energy > v->dearest)
			v->dearest = o->energy;
		if (o->us + o->wait_us > v->slowest_us)
			v->slowest_us = o->us + o->wait_us;
		if (o->accuracy < v->floor)
			v->floor = o->accuracy;
	}
	if (v->best < 0)
		v->best = v->cheapest = 0;
}

/*
 * Heat is felt at once and forgotten slowly, so that a device which cools because it was spared is not put to work
 * again in the same breath.  state->counted_us is still that of the last decision.
 */
static float feel_heat(const struct policy_sample *sample, struct policy_state *state)
{
	float since_s = policy_clamp((float)(sample->now_us - state->counted_us) / 1e6f, 0, 3600);
	float temp_c = known_or(sample->temp_c, NO_TEMP_C), felt_c = state->felt_c - FORGET_C_PER_S * since_s;

	if (felt_c > temp_c + FORGET_LAG_C || temp_c <= NO_TEMP_C)
		felt_c = temp_c <= NO_TEMP_C ? temp_c : temp_c + FORGET_LAG_C;
	state->felt_c = felt_c > temp_c ? felt_c : temp_c;
	return state->felt_c;
}

/* Nothing at the limit, without end at critical: so much that the heat settles in between. */
static void look_at_heat(struct view *v)
{
	float trip_c = known_or(v->sample->temp_limit_c, 1000) - TRIP_MARGIN_C, share;

	v->temp_c = known_or(v->sample->temp_c, NO_TEMP_C);
	v->hot_c = v->params->temp_high_c < trip_c ? v->params->temp_high_c : trip_c;
	v->critical_c = v->params->temp_critical_c > v->hot_c ? v->params->temp_critical_c : v->hot_c + 1;
	v->hot = v->felt_c >= v->hot_c;
	v->critical = v->temp_c >= v->critical_c;
	share = policy_clamp((v->felt_c - v->hot_c) / (v->critical_c - v->hot_c), 0, 0.99f);
	v->heat_price = v->hot ? v->params->heat_price * share / (1 - share) : 0;
}

/* What energy is worth now, in accuracy for that of the dearest rung. */
static float energy_price(const struct view *v)
{
	float charge = v->sample->battery, low = v->params->battery_low;
	float price = v->params->energy_price + v->heat_price;

	if (charge >= 0 && charge < low)
		price += v->params->battery_price * (1 - charge / low);
	return price;
}

/*
 * Blur takes from every rung, and most from those that live of detail: what sets a rung apart from the least accurate
 * one shrinks.
 */
static float seen_accuracy(const struct view *v, float accuracy, float blur)
{
	float sharp = 1 - blur;

	return (v->floor + (accuracy - v->floor) * sharp * sharp) * (1 - blur / 2);
}

/*
 * A change upwards is made for the frames that follow: what it costs the first of them is spread over a horizon.  One
 * downwards is made for this frame.
 */
static float chance_of(const struct view *v, int rung)
{
	const struct outlook *o = &v->outlook[rung];

	if (v->held < 0 || v->held >= v->n_rungs || v->rungs[rung].accuracy <= v->rungs[v->held].accuracy)
		return o->chance_once;
	return o->chance - (o->chance - o->chance_once) / v->params->horizon_frames;
}

static float utility(const struct view *v, int rung, float blur)
{
	const struct outlook *o = &v->outlook[rung];
	float accuracy = blur > 0 ? seen_accuracy(v, o->accuracy, blur) : o->accuracy, chance = chance_of(v, rung);

	return accuracy * chance - v->params->miss_price * (1 - chance) -
	       (v->price + v->params->blur_price * blur) * (o->energy / v->dearest) -
	       HASTE_PRICE * ((o->us + o->wait_us) / v->slowest_us) - o->wait_price;
}

static void look(struct view *v, const struct policy_state *state)
{
	float blur = policy_clamp(known_or(v->sample->blur, 0), 0, 1);

	v->work_ln = v->sample->work > 0 ? policy_ln(policy_clamp(v->sample->work, 1, WORK_MAX)) : 0;
	look_at_time(v);
	look_at_lanes(v);
	for (int i = 0; i < v->n_rungs; i++)
		if (view_eligible(v, i) || i == 0)
			forecast(v, i);
	find_ends(v);
	look_at_heat(v);
	policy_arrivals_price(v, state);
	v->price = energy_price(v);
	v->blur = blur > BLUR_SEEN ? (blur - BLUR_SEEN) / (1 - BLUR_SEEN) : 0;
	for (int i = 0; i < v->n_rungs; i++)
		if (view_eligible(v, i) || i == 0)
			v->outlook[i].utility = utility(v, i, 0);
}

/* ---- which is worth most ----------------------------------------------------------------------- */

static bool cool_enough(const struct view *v, int rung)
{
	return !v->critical || rung == v->cheapest;
}

static bool in_time(const struct view *v, int rung, float misses)
{
	return v->outlook[rung].bounded || v->outlook[rung].chance >= 1 - misses;
}

/* Within the stream's share of the lanes, where it has to keep a rate; the quickest rung always is. */
static bool affordable(const struct view *v, int rung, float fill)
{
	return !(v->sample->share_us > 0) || v->outlook[rung].us <= fill * v->sample->share_us || rung == v->cheapest;
}

static bool allowed(const struct view *v, int rung)
{
	return cool_enough(v, rung) && affordable(v, rung, SHARE_FILL) && in_time(v, rung, v->params->miss_target);
}

/* The most useful rung that is allowed; -1 none. */
static int best_allowed(const struct view *v)
{
	int best = -1;

	for (int i = 0; i < v->n_rungs; i++)
		if (view_eligible(v, i) && allowed(v, i) &&
		    (best < 0 || v->outlook[i].utility > v->outlook[best].utility))
			best = i;
	return best;
}

/* Where none is surely in time: the one that most likely brings something. */
static int least_bad(const struct view *v)
{
	int best = v->cheapest;

	for (int i = 0; i < v->n_rungs; i++)
		if (view_eligible(v, i) && cool_enough(v, i) && affordable(v, i, 1) &&
		    v->outlook[i].utility > v->outlook[best].utility)
			best = i;
	return best;
}

/* ---- changing calmly --------------------------------------------------------------------------- */

static int64_t dwell_us(const struct view *v, const struct policy_state *state)
{
	int64_t dwell = (int64_t)(policy_clamp(v->params->up_dwell_s, 0, 3600) * 1e6f);

	return state->backoff_us > dwell ? state->backoff_us : dwell;
}

/* Forced down soon after a step up: the next one waits twice as long. */
static void forced_down(const struct view *v, struct policy_state *state)
{
	int64_t since = state->changed_us ? v->sample->now_us - state->changed_us : INT64_MAX;
	int64_t longest = (int64_t)(policy_clamp(v->params->up_dwell_max_s, 0, 3600) * 1e6f);

	if (since < FORCED_SOON_US) {
		state->backoff_us = 2 * dwell_us(v, state);
		if (state->backoff_us > longest)
			state->backoff_us = longest;
	} else if (since > CALM_US) {
		state->backoff_us = 0;
	}
}

static void fade_changes(const struct view *v, struct policy_state *state)
{
	float since_us = (float)(v->sample->now_us - state->counted_us);

	state->changes = policy_clamp(state->changes, 0, 1000) * (1 - policy_clamp(since_us / FADE_US, 0, 1));
	state->counted_us = v->sample->now_us;
}

static void change(struct policy_state *state, int rung)
{
	state->changes += state->rung >= 0 && state->rung != rung;
	state->rung = rung;
	state->calm_since_us = 0;
}

/* What a change must promise more, because there were many of late: hardly anything below the rate that is fine. */
static float restlessness(const struct view *v, const struct policy_state *state)
{
	float rate = state->changes / v->params->changes_per_min;

	return v->params->switch_price * rate * rate * rate * rate +
	       (v->suspicious ? SUSPICION_PRICE * rate * rate : 0);
}

/* Whether the rung that is held may be held on to. */
static bool tenable(const struct view *v, int rung)
{
	return rung >= 0 && rung < v->n_rungs && view_eligible(v, rung) && cool_enough(v, rung) &&
	       affordable(v, rung, 1) && in_time(v, rung, STAY_FACTOR * v->params->miss_target);
}

/* Moves the state's rung towards the target; true when it holds back. */
static bool approach(const struct view *v, int target, struct policy_state *state)
{
	int from = state->rung;
	int64_t now = v->sample->now_us;
	float gain;

	if (target == from) {
		state->calm_since_us = 0;
		return false;
	}
	if (!tenable(v, from)) {
		if (from >= 0 && from < v->n_rungs && v->rungs[target].accuracy < v->rungs[from].accuracy)
			forced_down(v, state);
		change(state, target);
		return false;
	}
	gain = v->outlook[target].utility - v->outlook[from].utility;
	if (gain < v->params->stay_gain + restlessness(v, state)) {
		state->calm_since_us = 0;
		return false;
	}
	if (v->rungs[target].accuracy <= v->rungs[from].accuracy) {
		change(state, target);
		return false;
	}
	if (!state->calm_since_us)
		state->calm_since_us = now;
	if (now - state->calm_since_us < dwell_us(v, state))
		return true;
	change(state, target);
	state->changed_us = now;
	return false;
}

/*
 * A better rung that is worth trying once: if it is as quick as may well be, the frames until the next trial gain more
 * than this one is expected to lose.  -1 none.
 */
static int unexplored(const struct view *v, const struct policy_state *state)
{
	const struct outlook *held = &v->outlook[state->rung];
	float most = 0;
	int found = -1;

	if (v->hot || v->blur > 0 || v->sample->queue_depth > 0 || v->sample->queued_us > 0)
		return -1;
	for (int i = 0; i < v->n_rungs; i++) {
		const struct outlook *o = &v->outlook[i];
		float gain, loss;

		if (!view_eligible(v, i) || o->accuracy <= held->accuracy)
			continue;
		gain = worth_of_trial(v, i, held->accuracy * held->chance + v->params->stay_gain);
		loss = held->accuracy * held->chance - o->accuracy * o->chance_once;
		if (gain * v->params->explore_frames - loss > most) {
			most = gain * v->params->explore_frames - loss;
			found = i;
		}
	}
	return found;
}

/* The less was seen yet, the more often. */
static bool time_to_explore(const struct view *v, const struct policy_state *state)
{
	float every = EXPLORE_FIRST + (float)v->latency->n_runs / 4;

	if (!(v->params->explore_frames >= 1))
		return false;
	return (float)state->frames >= (every < v->params->explore_frames ? every : v->params->explore_frames);
}

/* The rung for this one frame, where the stream holds state->rung: a cheaper one if it is blurred. */
static int for_this_frame(const struct view *v, int held)
{
	int best = held;
	float most;

	if (!(v->blur > 0))
		return held;
	most = utility(v, held, v->blur);
	for (int i = 0; i < v->n_rungs; i++) {
		float useful;

		if (!view_eligible(v, i) || !allowed(v, i) || v->outlook[i].energy >= v->outlook[held].energy)
			continue;
		useful = utility(v, i, v->blur);
		if (useful > most + v->params->stay_gain) {
			best = i;
			most = useful;
		}
	}
	return best;
}

/* ---- the decision ------------------------------------------------------------------------------ */

/* Why this rung and not the best. */
static enum policy_cause cause_of(const struct view *v, int rung, bool settling)
{
	const struct outlook *best = &v->outlook[v->best];
	bool capped = v->rungs[v->best].lane < POLICY_LANES_MAX &&
		      known_or(v->sample->freq_cap[v->rungs[v->best].lane], 1) < 0.95f;

	if (v->critical)
		return POLICY_CRITICAL;
	if (v->outlook[rung].accuracy >= best->accuracy - v->params->stay_gain)
		return POLICY_BEST;
	if (!affordable(v, v->best, SHARE_FILL))
		return POLICY_BUSY;
	if (in_time(v, v->best, v->params->miss_target)) {
		if (settling)
			return POLICY_SETTLING;
		if (v->price > v->params->energy_price)
			return v->heat_price > v->price / 2 ? POLICY_HOT : POLICY_BATTERY;
		return POLICY_DEADLINE;
	}
	if (best->chance_alone >= 1 - v->params->miss_target)
		return POLICY_BUSY;
	if (capped)
		return POLICY_THROTTLED;
	return settling ? POLICY_SETTLING : POLICY_DEADLINE;
}

/* A frame more than min_fps asks for. */
static bool spare(const struct view *v, const struct policy_state *state)
{
	float since_us = (float)(v->sample->now_us - state->last_run_us);

	return state->last_run_us && v->params->min_fps > 0 && since_us * v->params->min_fps < 1e6f;
}

/* Whether the last answer still holds, and energy is short enough to make use of that. */
static bool still(const struct view *v, const struct policy_state *state)
{
	float motion = v->sample->motion, most = v->params->still_motion, again;

	if (!(motion >= 0 && motion < most) || (!v->hot && !(v->price > v->params->energy_price)))
		return false;
	again = state->last_accuracy * (1 - motion / most);
	return again > v->outlook[v->best].accuracy * v->outlook[v->best].chance - v->params->battery_price;
}

static bool hopeless(const struct view *v, const struct policy_state *state, int rung)
{
	return (v->left_us <= 0 || v->outlook[rung].chance_alone < HOPELESS) &&
	       (v->left_us <= 0 || v->sample->now_us - state->last_run_us < PROBE_US);
}

/* A frame of the other phase: what is held for those comes to the fore, which is no change. */
static void enter_phase(const struct policy_sample *sample, struct policy_state *state)
{
	int rung = state->rung;

	if (sample->phase == state->phase)
		return;
	state->rung = state->other_rung;
	state->other_rung = rung;
	state->phase = sample->phase;
}

static void choose(const struct view *v, struct policy_state *state, struct policy_decision *d)
{
	int target = best_allowed(v), tried;
	bool settling = false;

	if (target >= 0) {
		settling = approach(v, target, state);
	} else {
		target = least_bad(v);
		if (hopeless(v, state, target)) {
			d->cause = POLICY_HOPELESS;
			return;
		}
		if (state->rung < 0 || !tenable(v, state->rung)) {
			if (state->rung != target)
				forced_down(v, state);
			change(state, target);
		}
	}
	d->rung = for_this_frame(v, state->rung);
	d->cause = d->rung != state->rung ? POLICY_BLURRED : cause_of(v, d->rung, settling);
	state->frames++;
	if (time_to_explore(v, state)) {
		tried = unexplored(v, state);
		state->frames = 0;
		if (tried >= 0) {
			d->rung = tried;
			d->cause = POLICY_EXPLORE;
		}
	}
}

/* What all but bound_share of its runs stay within, going by those of late. */
static float bound_us(const struct view *v, int rung)
{
	struct policy_forecast f = ask(v, rung);

	return policy_exp(f.mean_ln + v->latency->bound * f.spread_ln);
}

void policy_decide(const struct policy_params *params, const struct policy_rung *rungs, int n_rungs,
		   const struct policy_latency *latency, const struct policy_sample *sample, struct policy_state *state,
		   struct policy_decision *ret_decision)
{
	struct view v;
	struct policy_decision d = {.rung = -1};

	v.params = params;
	v.rungs = rungs;
	v.n_rungs = n_rungs < latency->n_rungs ? n_rungs : latency->n_rungs;
	v.latency = latency;
	v.sample = sample;
	enter_phase(sample, state);
	v.held = state->rung;
	v.suspicious = false;
	v.felt_c = feel_heat(sample, state);
	policy_arrivals_count(sample, state);
	look(&v, state);
	fade_changes(&v, state);
	if (v.critical && spare(&v, state))
		d.cause = POLICY_SKIP;
	else if (spare(&v, state) && still(&v, state))
		d.cause = POLICY_STILL;
	else
		choose(&v, state, &d);
	if (d.rung >= 0) {
		state->last_run_us = sample->now_us;
		state->last_accuracy = v.outlook[d.rung].accuracy;
		d.predicted_us = v.outlook[d.rung].us;
		state->run_s = d.predicted_us / 1e6f;
		d.bound_us = bound_us(&v, d.rung);
		d.chance = v.outlook[d.rung].chance_alone;
	}
	view_explain(&v, &d);
	*ret_decision = d;
}
