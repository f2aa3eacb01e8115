/* trace_entry.c - see trace_entry.h. */
#include "trace_entry.h"

#include "policy/trace.h"
#include "stats.h"

_Static_assert(TRACE_TEXT_BYTES >= 2 * POLICY_TRACE_BYTES, "the two lines of a model fit");

/* Two lines or nothing. */
static size_t both(size_t first, size_t second)
{
	return first && second ? first + second : 0;
}

static size_t encode_segment(const struct trace_segment *segment, char *text)
{
	size_t first = policy_trace_segment(segment->lost, text, POLICY_TRACE_BYTES);

	return both(first, policy_trace_params(&segment->params, text + first, POLICY_TRACE_BYTES));
}

static size_t encode_model(const struct trace_model *model, char *text)
{
	struct policy_rung rungs[POLICY_RUNGS_MAX];
	const char *names[POLICY_RUNGS_MAX];
	size_t first;

	for (int i = 0; i < model->n_rungs; i++) {
		rungs[i] = model->rungs[i].rung;
		names[i] = model->rungs[i].name;
	}
	first = policy_trace_rungs(model->name, rungs, names, model->n_rungs, model->n_lanes, text, POLICY_TRACE_BYTES);
	return both(first, policy_trace_latency(model->name, &model->latency, text + first, POLICY_TRACE_BYTES));
}

static size_t encode_state(const struct trace_state *state, char *text)
{
	return policy_trace_state(state->model, state->stream, &state->state, text, POLICY_TRACE_BYTES);
}

static size_t encode_decision(const struct trace_decision *d, char *text)
{
	return policy_trace_frame(d->model, d->stream, d->seq, &d->sample, d->min_fps, &d->decision,
				  d->decision.rung < 0 ? NULL : d->rung, d->version, text, POLICY_TRACE_BYTES);
}

static size_t encode_observed(const struct trace_observed *o, char *text)
{
	return policy_trace_observed(o->model, o->rung, o->us, o->freq_cap, o->now_us, text, POLICY_TRACE_BYTES);
}

static size_t encode_ended(const struct trace_ended *e, char *text)
{
	const struct policy_trace_end end = {
		.status = stats_status_name(e->status),
		.rung = e->rung[0] ? e->rung : NULL,
		.deadline_us = e->deadline_us,
		.queue_us = e->queue_us,
		.preprocess_us = e->preprocess_us,
		.inference_us = e->inference_us,
		.total_us = e->total_us,
	};

	return policy_trace_ended(e->model, e->stream, e->seq, &end, text, POLICY_TRACE_BYTES);
}

size_t trace_entry_encode(const struct trace_head *entry, char ret_text[TRACE_TEXT_BYTES])
{
	const void *whole = entry;

	switch ((enum trace_kind)entry->kind) {
	case TRACE_SEGMENT:
		return encode_segment(whole, ret_text);
	case TRACE_MODEL:
		return encode_model(whole, ret_text);
	case TRACE_STATE:
		return encode_state(whole, ret_text);
	case TRACE_DECISION:
		return encode_decision(whole, ret_text);
	case TRACE_OBSERVED:
		return encode_observed(whole, ret_text);
	case TRACE_ENDED:
		return encode_ended(whole, ret_text);
	case TRACE_PAD:
		break;
	}
	return 0;
}
