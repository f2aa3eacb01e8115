/* arrivals.c - see arrivals.h. */
#include "arrivals.h"

#include "arith.h"

#define KEEP	   0.99f /* share of what was counted that a frame leaves */
#define SEEN_SHARE 64	 /* a wait shorter than this part of the deadline costs nothing */
#define SEED_TIMES 5	 /* deadlines of running without an arrival that are taken to have been seen */
#define STEPS	   8	 /* of a deadline, in which the loss is added up */

void policy_arrivals_count(const struct policy_sample *sample, struct policy_state *state)
{
	float since_s = (float)(sample->now_us - sample->queued_us - state->last_run_us) / 1e6f;

	if (!state->last_run_us || sample->deadline_us <= 0)
		return;
	state->busy_s = KEEP * state->busy_s + policy_clamp(since_s, 0, state->run_s);
	state->met = KEEP * state->met + (sample->queued_us > sample->deadline_us / SEEN_SHARE ? 1 : 0);
}

/* Accuracy of the best rung that is all but surely done within so many half steps. */
static void find_best_within(const struct view *v, float step_us, float ret_best[2 * STEPS + 1])
{
	float per_half_us = 2 / step_us;

	for (int i = 0; i <= 2 * STEPS; i++)
		ret_best[i] = 0;
	for (int i = 0; i < v->n_rungs; i++) {
		const struct outlook *o = &v->outlook[i];
		float halves = o->sure_us * per_half_us;

		/* Rounded up: it is not done earlier. */
		if (view_eligible(v, i) && halves < 2 * STEPS && o->accuracy > ret_best[(int)halves + 1])
			ret_best[(int)halves + 1] = o->accuracy;
	}
	for (int i = 1; i <= 2 * STEPS; i++)
		ret_best[i] = ret_best[i] > ret_best[i - 1] ? ret_best[i] : ret_best[i - 1];
}

void policy_arrivals_price(struct view *v, const struct policy_state *state)
{
	float deadline_us = (float)v->sample->deadline_us, step_us = deadline_us / STEPS, rate, best[2 * STEPS + 1];
	float lost[STEPS + 1] = {0}; /* by those that arrive at any moment of a run of so many steps */

	if (!(state->met > 0) || v->sample->deadline_us <= 0)
		return;
	rate = state->met / (state->busy_s + SEED_TIMES * deadline_us / 1e6f);
	find_best_within(v, step_us, best);
	/* Who arrives in the middle of a step waits for half of it more. */
	for (int i = 0; i < STEPS; i++)
		lost[i + 1] = lost[i] + (best[2 * STEPS] - best[2 * (STEPS - i) - 1]) * step_us / 1e6f;
	for (int i = 0; i < v->n_rungs; i++) {
		float steps = policy_clamp(v->outlook[i].us / step_us, 0, STEPS);
		int whole = steps < STEPS ? (int)steps : STEPS - 1;

		v->outlook[i].wait_price =
			rate * (lost[whole] + (steps - (float)whole) * (lost[whole + 1] - lost[whole]));
	}
}
