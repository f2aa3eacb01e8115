/*
 * trace.h - what the policy saw, decided and learned, as lines of JSON that `inferd-policy replay` runs again.
 *
 * A trace is these lines in the order in which things happened: the parameters; of each model its rungs and what was
 * known of them; of each stream that was there already what it remembered; then a line for every decision that was
 * acted on and a line for every run that was learned from.  Lines of rungs, frames and runs are those of
 * `inferd-policy drive` with more members.  Where something is missing, a line begins a segment: what was known before
 * counts no longer, and all of it is told again.
 *
 * Pure functions into the caller's buffer: each writes one line with its newline and returns its length, or 0 where it
 * would not fit.  Floats are written with nine digits, which bring the same float back.  Unknown sensors are null.
 */
#ifndef INFERD_POLICY_TRACE_H
#define INFERD_POLICY_TRACE_H

#include "policy.h"

/* The longest line: of a model with POLICY_RUNGS_MAX rungs of long names. */
#define POLICY_TRACE_BYTES 65536

/* lost: how much is missing before it. */
size_t policy_trace_segment(uint64_t lost, char *ret_line, size_t size);

size_t policy_trace_params(const struct policy_params *params, char *ret_line, size_t size);

/* names[i]: of rungs[i], without a zero inside; quotes and control characters are escaped. */
size_t policy_trace_rungs(const char *model, const struct policy_rung *rungs, const char *const *names, int n_rungs,
			  int n_lanes, char *ret_line, size_t size);
size_t policy_trace_latency(const char *model, const struct policy_latency *latency, char *ret_line, size_t size);
size_t policy_trace_state(const char *model, uint64_t stream, const struct policy_state *state, char *ret_line,
			  size_t size);

/* rung: the name of the decision's, NULL where the frame was not run; seq: of the frame; min_fps: of the stream. */
size_t policy_trace_frame(const char *model, uint64_t stream, uint64_t seq, const struct policy_sample *sample,
			  float min_fps, const struct policy_decision *decision, const char *rung, const char *version,
			  char *ret_line, size_t size);

/* As policy_latency_observe() was called. */
size_t policy_trace_observed(const char *model, const char *rung, float us, float freq_cap, int64_t now_us,
			     char *ret_line, size_t size);

/* What became of a frame: for people and for estimates, no part of a replay. */
struct policy_trace_end {
	const char *status, *rung; /* rung: NULL where it was not run */
	int64_t deadline_us;	   /* from arrival; 0 none */
	uint32_t queue_us, preprocess_us, inference_us, total_us;
};
size_t policy_trace_ended(const char *model, uint64_t stream, uint64_t seq, const struct policy_trace_end *ended,
			  char *ret_line, size_t size);

#endif
