/*
 * arrivals.h - what a run costs the frame that arrives while it lasts.  Private to the policy.
 *
 * A camera's next frame comes when this one is done; one that a person asks for comes at any moment, and then waits.
 * How often that happens is learned per stream, as arrivals per second of running.  Pure functions over plain values.
 */
#ifndef INFERD_POLICY_ARRIVALS_H
#define INFERD_POLICY_ARRIVALS_H

#include "view.h"

/* Counts whether this frame came while the stream's last one ran.  Before state->last_run_us becomes this one's. */
void policy_arrivals_count(const struct policy_sample *sample, struct policy_state *state);

/*
 * Fills in the outlook's wait_price of the rungs that are not dominated: accuracy that the frames which arrive
 * meanwhile are expected to lose.  Needs the outlook's us, sure_us and accuracy.
 */
void policy_arrivals_price(struct view *view, const struct policy_state *state);

#endif
