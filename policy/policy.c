/*
 * policy.c - see policy.h.
 *
 * A frame goes through three questions: which rungs does the heat allow, which of those answer in time (what was
 * learned, the queue, the lane), and may the stream climb to the best of them yet.  Arithmetic is + - * / only, so
 * that a recorded day replays to the bit.
 *
 * What was learned on this device already contains its clocks and its neighbours.  A frequency cap therefore lengthens
 * only times that were never observed, and pressure only shrinks what is left of a deadline.
 */
#include "policy.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LEARN	       0.2f	/* weight of the newest frame in mean and deviation */
#define MARGIN_DEVS    3.0f	/* mean deviations kept free of the deadline: about 98% of frames */
#define MARGIN_UNSEEN  0.3f	/* share of a time that was never observed on this device */
#define NEAR_ACCURACY  0.005f	/* rungs this close are equally good: the cheaper wins */
#define TRIP_MARGIN_C  2.0f	/* the kernel throttles at its trip point; act before */
#define HEAT_STEP      0.1f	/* share of the way down that is gone at the limit itself */
#define BUSY_PRESSURE  0.4f	/* share of time some task waits for a CPU from which on budgets shrink */
#define BACKOFF_MAX_US 32000000 /* longest dwell; also the calm after which it is forgotten */
#define FORCED_SOON_US 10000000 /* down again within this of going up: the step was too early */
#define PROBE_US       1000000	/* a hopeless stream still runs a frame this often: estimates grow old */
#define US_MAX	       1e9f	/* longer times are taken for nonsense */

void policy_params_init(struct policy_params *params)
{
	*params = (struct policy_params){.temp_high_c = 75, .temp_critical_c = 90, .min_fps = 2, .up_dwell_s = 2};
}

void policy_memory_init(struct policy_memory *memory)
{
	memset(memory, 0, sizeof(*memory));
}

void policy_state_init(struct policy_state *state)
{
	*state = (struct policy_state){.rung = -1};
}

const char *policy_cause_name(enum policy_cause cause)
{
	static const char *const names[] = {"best", "deadline", "hot",	"critical", "throttled",
					    "busy", "settling", "skip", "hopeless"};

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

/* ---- what a rung costs ------------------------------------------------------------------------- */

/* Everything a decision looks at. */
struct view {
	const struct policy_params *params;
	const struct policy_rung *rungs;
	int n_rungs;
	const struct policy_memory *memory;
	const struct policy_sample *sample;
	int best, cheapest; /* rungs: most accurate; least time */
	/* what the device allows now */
	float temp_c, hot_c, critical_c;
	bool hot, critical;
	float cost_us;	 /* heat's budget for one frame */
	float left_us;	 /* to the deadline; INFINITY none */
	float budget_us; /* of that, what this frame may take of it */
};

static float known_or(float value, float otherwise)
{
	return isfinite(value) ? value : otherwise;
}

static float clamp(float value, float lo, float hi)
{
	return value > lo ? (value < hi ? value : hi) : lo;
}

static float expected_us(const struct view *v, int rung)
{
	const struct policy_rung *r = &v->rungs[rung];
	float slowdown, cap;

	if (v->memory->rung[rung].count)
		return v->memory->rung[rung].mean_us;
	if (r->lane >= POLICY_LANES_MAX)
		return clamp(r->prior_us, 0, US_MAX);
	slowdown = v->memory->slowdown[r->lane];
	cap = clamp(known_or(v->sample->freq_cap[r->lane], 1), 0.1f, 1);
	return clamp(r->prior_us * (slowdown > 0 ? slowdown : 1 / cap), 0, US_MAX);
}

/* With room for its spread. */
static float safe_us(const struct view *v, int rung)
{
	float us = expected_us(v, rung);

	return v->memory->rung[rung].count ? us + MARGIN_DEVS * v->memory->rung[rung].dev_us : us * (1 + MARGIN_UNSEEN);
}

static float wait_us(const struct view *v, int rung)
{
	int lane = v->rungs[rung].lane;

	return lane < v->sample->n_lanes && lane < POLICY_LANES_MAX
		       ? clamp(known_or(v->sample->lane_wait_us[lane], 0), 0, US_MAX)
		       : 0;
}

static bool beats(const struct policy_rung *a, const struct policy_rung *b, bool earlier)
{
	if (a->lane != b->lane || a->prior_us > b->prior_us || a->accuracy < b->accuracy)
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

/* ---- what the device allows -------------------------------------------------------------------- */

static void find_ends(struct view *v)
{
	v->best = v->cheapest = -1;
	for (int i = 0; i < v->n_rungs; i++) {
		if (v->rungs[i].dominated)
			continue;
		if (v->best < 0 || v->rungs[i].accuracy > v->rungs[v->best].accuracy)
			v->best = i;
		if (v->cheapest < 0 ||
		    expected_us(v, i) + wait_us(v, i) < expected_us(v, v->cheapest) + wait_us(v, v->cheapest))
			v->cheapest = i;
	}
	if (v->best < 0)
		v->best = v->cheapest = 0;
}

/* From just under the best rung's cost at the limit down to the cheapest's at critical. */
static void look_at_heat(struct view *v)
{
	float trip_c = known_or(v->sample->temp_limit_c, 1000) - TRIP_MARGIN_C, share;
	float dear = expected_us(v, v->best), cheap = expected_us(v, v->cheapest);

	v->temp_c = known_or(v->sample->temp_c, -273);
	v->hot_c = v->params->temp_high_c < trip_c ? v->params->temp_high_c : trip_c;
	v->critical_c = v->params->temp_critical_c > v->hot_c ? v->params->temp_critical_c : v->hot_c + 1;
	v->hot = v->temp_c >= v->hot_c;
	v->critical = v->temp_c >= v->critical_c;
	v->cost_us = INFINITY;
	if (!v->hot)
		return;
	share = clamp((v->temp_c - v->hot_c) / (v->critical_c - v->hot_c), HEAT_STEP, 1);
	v->cost_us = dear - (dear - cheap) * share;
	if (v->cost_us < cheap)
		v->cost_us = cheap;
}

/*
 * Those that wait behind have deadlines of their own, so the time left is shared with them; where tasks wait for CPUs,
 * part of it will be lost.
 */
static void look_at_time(struct view *v)
{
	const struct policy_sample *s = v->sample;
	float pressure = clamp(known_or(s->cpu_pressure, 0), 0, 1);

	v->left_us = v->budget_us = INFINITY;
	if (s->deadline_us <= 0)
		return;
	v->left_us = v->budget_us = (float)s->deadline_us - (float)s->queued_us;
	if (s->queue_depth > 0)
		v->budget_us /= (float)s->queue_depth + 1;
	if (pressure > BUSY_PRESSURE)
		v->budget_us *= 1 - pressure / 2;
}

static bool in_time(const struct view *v, int rung, float budget_us)
{
	return wait_us(v, rung) + safe_us(v, rung) <= budget_us;
}

static bool allowed(const struct view *v, int rung)
{
	return expected_us(v, rung) <= v->cost_us && in_time(v, rung, v->budget_us);
}

/* The most accurate rung that is allowed, of near equals the one that answers first; -1 none. */
static int best_allowed(const struct view *v)
{
	int best = -1;

	for (int i = 0; i < v->n_rungs; i++) {
		float gain;

		if (v->rungs[i].dominated || !allowed(v, i))
			continue;
		gain = best < 0 ? 1 : v->rungs[i].accuracy - v->rungs[best].accuracy;
		if (gain > NEAR_ACCURACY || (gain >= -NEAR_ACCURACY && expected_us(v, i) + wait_us(v, i) <
									       expected_us(v, best) + wait_us(v, best)))
			best = i;
	}
	return best;
}

/* ---- climbing slowly --------------------------------------------------------------------------- */

/* The next better rung that is allowed: one step up, on the way to the target. */
static int one_step_up(const struct view *v, int from, int target)
{
	int next = target;

	for (int i = 0; i < v->n_rungs; i++)
		if (!v->rungs[i].dominated && allowed(v, i) &&
		    v->rungs[i].accuracy > v->rungs[from].accuracy + NEAR_ACCURACY &&
		    v->rungs[i].accuracy < v->rungs[next].accuracy)
			next = i;
	return next;
}

static int64_t dwell_us(const struct view *v, const struct policy_state *state)
{
	int64_t dwell = (int64_t)(clamp(v->params->up_dwell_s, 0, 3600) * 1e6f);

	return state->backoff_us > dwell ? state->backoff_us : dwell;
}

/* Forced down soon after a step up: the next one waits twice as long. */
static void step_down(const struct view *v, struct policy_state *state)
{
	int64_t now = v->sample->now_us, since = state->changed_us ? now - state->changed_us : INT64_MAX;

	if (since < FORCED_SOON_US) {
		state->backoff_us = 2 * dwell_us(v, state);
		if (state->backoff_us > BACKOFF_MAX_US)
			state->backoff_us = BACKOFF_MAX_US;
	} else if (since > BACKOFF_MAX_US) {
		state->backoff_us = 0;
	}
	state->calm_since_us = 0;
}

/* Moves the state's rung towards the target, which is allowed; true when it holds back. */
static bool approach(const struct view *v, int target, struct policy_state *state)
{
	int64_t now = v->sample->now_us;
	int from = state->rung;

	if (from < 0 || from >= v->n_rungs || v->rungs[from].dominated) {
		state->rung = target;
		return false;
	}
	if (v->rungs[target].accuracy <= v->rungs[from].accuracy + NEAR_ACCURACY || !allowed(v, from)) {
		if (v->rungs[target].accuracy < v->rungs[from].accuracy - NEAR_ACCURACY)
			step_down(v, state);
		state->rung = target;
		state->calm_since_us = 0;
		return false;
	}
	if (!state->calm_since_us)
		state->calm_since_us = now;
	if (now - state->calm_since_us < dwell_us(v, state))
		return true;
	state->rung = one_step_up(v, from, target);
	state->changed_us = now;
	state->calm_since_us = now;
	return state->rung != target;
}

/* ---- the decision ------------------------------------------------------------------------------ */

static const char *rung_text(const struct view *v, int rung, char text[32])
{
	const struct policy_rung *r = &v->rungs[rung];

	snprintf(text, 32, "%dx%d%s", r->width, r->height, r->channels == 1 ? " gray" : "");
	return text;
}

static float ms(float us)
{
	return us / 1000;
}

/* Why this rung and not the best. */
static enum policy_cause cause_of(const struct view *v, int rung, bool settling)
{
	bool capped = v->rungs[v->best].lane < POLICY_LANES_MAX &&
		      known_or(v->sample->freq_cap[v->rungs[v->best].lane], 1) < 0.95f;

	if (v->critical)
		return POLICY_CRITICAL;
	if (v->rungs[rung].accuracy >= v->rungs[v->best].accuracy - NEAR_ACCURACY)
		return POLICY_BEST;
	if (expected_us(v, v->best) > v->cost_us)
		return POLICY_HOT;
	if (!in_time(v, v->best, v->left_us))
		return capped ? POLICY_THROTTLED : POLICY_DEADLINE;
	if (!in_time(v, v->best, v->budget_us))
		return POLICY_BUSY;
	return settling ? POLICY_SETTLING : POLICY_DEADLINE;
}

static void say(struct policy_decision *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Cut where figures are absurd. */
static void say(struct policy_decision *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->reason, sizeof(d->reason), format, args);
	va_end(args);
}

static void give_reason(const struct view *v, struct policy_decision *d)
{
	char best[32], this[32];
	float best_ms = ms(expected_us(v, v->best)), this_ms = ms(d->rung < 0 ? 0 : expected_us(v, d->rung));

	rung_text(v, v->best, best);
	rung_text(v, d->rung < 0 ? v->cheapest : d->rung, this);
	switch (d->cause) {
	case POLICY_BEST:
		if (isfinite(v->left_us))
			say(d, "the best fits: %.1f ms of %.0f ms", (double)this_ms, (double)ms(v->left_us));
		else
			say(d, "the best fits: %.1f ms", (double)this_ms);
		break;
	case POLICY_HOT:
		say(d, "%.1f C is over %.1f: %s %.1f ms, %s would cost %.1f ms", (double)v->temp_c, (double)v->hot_c,
		    this, (double)this_ms, best, (double)best_ms);
		break;
	case POLICY_CRITICAL:
		say(d, "%.1f C is over critical %.1f: the cheapest, %s %.1f ms", (double)v->temp_c,
		    (double)v->critical_c, this, (double)this_ms);
		break;
	case POLICY_SKIP:
		say(d, "%.1f C is over critical %.1f: only %.1f frames a second", (double)v->temp_c,
		    (double)v->critical_c, (double)v->params->min_fps);
		break;
	case POLICY_THROTTLED:
		say(d, "clocks are capped: %s %.1f ms, %s would take %.1f of %.0f ms", this, (double)this_ms, best,
		    (double)best_ms, (double)ms(v->left_us));
		break;
	case POLICY_DEADLINE:
		say(d, "%.0f ms are left: %s %.1f ms, %s would take %.1f ms", (double)ms(v->left_us), this,
		    (double)this_ms, best, (double)best_ms);
		break;
	case POLICY_BUSY:
		say(d, "busy, %d wait: %s %.1f ms, %s would take %.1f ms", v->sample->queue_depth, this,
		    (double)this_ms, best, (double)best_ms);
		break;
	case POLICY_SETTLING:
		say(d, "%s %.1f ms; %s %.1f ms fits, but not for long yet", this, (double)this_ms, best,
		    (double)best_ms);
		break;
	case POLICY_HOPELESS:
		say(d, "not even %s can answer: %.1f ms, %.1f ms are left", this,
		    (double)ms(wait_us(v, v->cheapest) + expected_us(v, v->cheapest)), (double)ms(v->left_us));
		break;
	}
}

static void look(struct view *v)
{
	find_ends(v);
	look_at_heat(v);
	look_at_time(v);
}

/* Nothing is allowed: the quickest rung, unless it cannot be in time; now and then even so. */
static int last_resort(const struct view *v, const struct policy_state *state)
{
	if (wait_us(v, v->cheapest) + expected_us(v, v->cheapest) <= v->left_us)
		return v->cheapest;
	return v->sample->now_us - state->last_run_us >= PROBE_US ? v->cheapest : -1;
}

static bool skips(const struct view *v, const struct policy_state *state)
{
	float since_us = (float)(v->sample->now_us - state->last_run_us);

	return v->critical && state->last_run_us && v->params->min_fps > 0 && since_us * v->params->min_fps < 1e6f;
}

void policy_decide(const struct policy_params *params, const struct policy_rung *rungs, int n_rungs,
		   const struct policy_memory *memory, const struct policy_sample *sample, struct policy_state *state,
		   struct policy_decision *ret_decision)
{
	struct view v = {params, rungs, n_rungs, memory, sample, 0, 0, 0, 0, 0, false, false, 0, 0, 0};
	struct policy_decision d = {.rung = -1};
	bool settling = false;
	int target;

	look(&v);
	target = v.critical && allowed(&v, v.cheapest) ? v.cheapest : best_allowed(&v);
	if (skips(&v, state)) {
		d.cause = POLICY_SKIP;
	} else if (target >= 0) {
		settling = approach(&v, target, state);
		d.rung = state->rung;
		d.cause = cause_of(&v, d.rung, settling);
	} else {
		d.rung = last_resort(&v, state);
		d.cause = d.rung < 0 ? POLICY_HOPELESS : cause_of(&v, d.rung, false);
		if (d.rung >= 0) {
			step_down(&v, state);
			state->rung = d.rung;
		}
	}
	if (d.rung >= 0) {
		state->last_run_us = sample->now_us;
		d.predicted_us = expected_us(&v, d.rung);
	}
	give_reason(&v, &d);
	*ret_decision = d;
}

void policy_observe(const struct policy_rung *rungs, int n_rungs, int rung, float us, struct policy_memory *memory)
{
	float weight, off;

	if (rung < 0 || rung >= n_rungs || rung >= POLICY_RUNGS_MAX || !(us >= 0 && us <= US_MAX))
		return;
	/* The first few are averaged, so that one slow start is soon forgotten. */
	weight = memory->rung[rung].count ? 1 / (float)(memory->rung[rung].count + 1) : 1;
	if (weight < LEARN)
		weight = LEARN;
	off = us - memory->rung[rung].mean_us;
	if (!memory->rung[rung].count)
		memory->rung[rung].dev_us = us * MARGIN_UNSEEN / MARGIN_DEVS;
	else
		memory->rung[rung].dev_us += weight * ((off < 0 ? -off : off) - memory->rung[rung].dev_us);
	memory->rung[rung].mean_us += weight * off;
	if (memory->rung[rung].count < UINT32_MAX)
		memory->rung[rung].count++;
	if (rungs[rung].lane < POLICY_LANES_MAX && rungs[rung].prior_us > 0) {
		float *slowdown = &memory->slowdown[rungs[rung].lane], ratio = us / rungs[rung].prior_us;

		*slowdown = *slowdown > 0 ? *slowdown + LEARN * (ratio - *slowdown) : ratio;
	}
}
