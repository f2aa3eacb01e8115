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

/* The most accurate rung that is all but surely done within budget_us. */
static float best_within(const struct view *v, float budget_us)
{
	float best = 0;

	for (int i = 0; i < v->n_rungs; i++)
		if (!v->rungs[i].dominated && v->outlook[i].sure_us <= budget_us && v->outlook[i].accuracy > best)
			best = v->outlook[i].accuracy;
	return best;
}

void policy_arrivals_price(struct view *v, const struct policy_state *state)
{
	float deadline_us = (float)v->sample->deadline_us, step_us = deadline_us / STEPS, rate, at_once;
	float lost[STEPS + 1] = {0}; /* by those that arrive at any moment of a run of so many steps */

	if (!(state->met > 0) || v->sample->deadline_us <= 0)
		return;
	rate = state->met / (state->busy_s + SEED_TIMES * deadline_us / 1e6f);
	at_once = best_within(v, deadline_us);
	for (int i = 0; i < STEPS; i++) {
		float wait_us = ((float)i + 0.5f) * step_us;

		lost[i + 1] = lost[i] + (at_once - best_within(v, deadline_us - wait_us)) * step_us / 1e6f;
	}
	for (int i = 0; i < v->n_rungs; i++) {
		float steps = policy_clamp(v->outlook[i].us / step_us, 0, STEPS);
		int whole = steps < STEPS ? (int)steps : STEPS - 1;

		v->outlook[i].wait_price =
			rate * (lost[whole] + (steps - (float)whole) * (lost[whole + 1] - lost[whole]));
	}
}
