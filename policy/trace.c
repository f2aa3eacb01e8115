/* trace.c - see trace.h. */
#include "trace.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct line {
	char *text;
	size_t used, size;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
	size_t room = line->size - line->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->used, room, format, args);
	va_end(args);
	/* A line that is full stays so. */
	line->used = n >= 0 && (size_t)n < room ? line->used + (size_t)n : line->size;
}

static struct line begin(char *text, size_t size)
{
	return (struct line){text, 0, size};
}

static size_t end(struct line *line)
{
	put(line, "}\n");
	return line->used < line->size ? line->used : 0;
}

static void put_text(struct line *line, const char *text)
{
	put(line, "\"");
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			put(line, "\\%c", *c);
		else if (*c < 0x20)
			put(line, "\\u%04x", *c);
		else
			put(line, "%c", *c);
	}
	put(line, "\"");
}

static void put_value(struct line *line, float value)
{
	if (isfinite(value))
		put(line, "%.9g", (double)value);
	else
		put(line, "null");
}

static void put_float(struct line *line, const char *name, float value)
{
	put(line, ",\"%s\":", name);
	put_value(line, value);
}

static void put_floats(struct line *line, const char *name, const float *values, int n)
{
	put(line, ",\"%s\":[", name);
	for (int i = 0; i < n && i < POLICY_LANES_MAX; i++) {
		if (i)
			put(line, ",");
		put_value(line, values[i]);
	}
	put(line, "]");
}

size_t policy_trace_segment(uint64_t lost, char *ret_line, size_t size)
{
	struct line line = begin(ret_line, size);

	put(&line, "{\"segment\":{\"lost\":%" PRIu64 "}", lost);
	return end(&line);
}

size_t policy_trace_params(const struct policy_params *params, char *ret_line, size_t size)
{
	struct line line = begin(ret_line, size);

	put(&line, "{\"params\":{\"version\":");
	put_text(&line, params->version);
	for (const struct policy_param *row = policy_param_table; row->name; row++)
		put_float(&line, row->name, policy_params_get(params, row));
	put(&line, "}");
	return end(&line);
}

static void put_rung(struct line *line, const struct policy_rung *rung, const char *name)
{
	put(line, "{\"name\":");
	put_text(line, name);
	put(line, ",\"variant\":%d,\"width\":%d,\"height\":%d,\"channels\":%d,\"lane\":%d,\"threads\":%d",
	    rung->variant, rung->width, rung->height, rung->channels, rung->lane, rung->threads);
	put_float(line, "accuracy", rung->accuracy);
	put_float(line, "prior_us", rung->prior_us);
	put_float(line, "power_w", rung->power_w);
	if (rung->phase)
		put(line, ",\"phase\":%d", rung->phase);
	put(line, ",\"dominated\":%s}", rung->dominated ? "true" : "false");
}

size_t policy_trace_rungs(const char *model, const struct policy_rung *rungs, const char *const *names, int n_rungs,
			  int n_lanes, char *ret_line, size_t size)
{
	struct line line = begin(ret_line, size);

	put(&line, "{\"model\":");
	put_text(&line, model);
	put(&line, ",\"lanes\":%d,\"rungs\":[", n_lanes);
	for (int i = 0; i < n_rungs; i++) {
		if (i)
			put(&line, ",");
		put_rung(&line, &rungs[i], names[i]);
	}
	put(&line, "]");
	return end(&line);
}

size_t policy_trace_latency(const char *model, const struct policy_latency *latency, char *ret_line, size_t size)
{
	struct line line = begin(ret_line, size);
	uint8_t bytes[POLICY_LATENCY_BYTES_MAX];
	size_t n = policy_latency_save(latency, 0, bytes, sizeof(bytes));

	put(&line, "{\"model\":");
	put_text(&line, model);
	put(&line, ",\"latency\":\"");
	for (size_t i = 0; i < n; i++)
		put(&line, "%02x", bytes[i]);
	put(&line, "\"");
	return end(&line);
}

size_t policy_trace_state(const char *model, uint64_t stream, const struct policy_state *state, char *ret_line,
			  size_t size)
{
	struct line line = begin(ret_line, size);

	put(&line, "{\"model\":");
	put_text(&line, model);
	put(&line,
	    ",\"stream\":%" PRIu64 ",\"state\":{\"rung\":%d,\"changed_us\":%" PRId64 ",\"calm_since_us\":%" PRId64
	    ",\"last_run_us\":%" PRId64 ",\"backoff_us\":%" PRId64 ",\"counted_us\":%" PRId64 ",\"frames\":%" PRIu32,
	    stream, state->rung, state->changed_us, state->calm_since_us, state->last_run_us, state->backoff_us,
	    state->counted_us, state->frames);
	put_float(&line, "changes", state->changes);
	put_float(&line, "last_accuracy", state->last_accuracy);
	put_float(&line, "felt_c", state->felt_c);
	put_float(&line, "run_s", state->run_s);
	put_float(&line, "busy_s", state->busy_s);
	put_float(&line, "met", state->met);
	if (state->phase)
		put(&line, ",\"phase\":%d", state->phase);
	if (state->other_rung >= 0)
		put(&line, ",\"other_rung\":%d", state->other_rung);
	put(&line, "}");
	return end(&line);
}

static void put_sample(struct line *line, const struct policy_sample *s)
{
	put(line, ",\"t_us\":%" PRId64 ",\"deadline_us\":%" PRId64 ",\"queue_us\":%" PRId64 ",\"queue_depth\":%d",
	    s->now_us, s->deadline_us, s->queued_us, s->queue_depth);
	put_floats(line, "lane_wait_us", s->lane_wait_us, s->n_lanes);
	put_floats(line, "freq_cap", s->freq_cap, s->n_lanes);
	put_float(line, "temp_c", s->temp_c);
	put_float(line, "temp_limit_c", s->temp_limit_c);
	put_float(line, "cpu_pressure", s->cpu_pressure);
	put_float(line, "cpu_load", s->cpu_load);
	put_float(line, "battery", s->battery);
	put_float(line, "motion", s->motion);
	put_float(line, "blur", s->blur);
	put_float(line, "memory_pressure", s->memory_pressure);
	put_float(line, "cooling", s->cooling);
	put_float(line, "share_us", s->share_us);
	if (s->phase)
		put(line, ",\"phase\":%d", s->phase);
	if (s->work > 0)
		put_float(line, "work", s->work);
}

static void put_rung_name(struct line *line, const char *rung)
{
	put(line, ",\"rung\":");
	if (rung)
		put_text(line, rung);
	else
		put(line, "null");
}

size_t policy_trace_frame(const char *model, uint64_t stream, uint64_t seq, const struct policy_sample *sample,
			  float min_fps, const struct policy_decision *decision, const char *rung, const char *version,
			  char *ret_line, size_t size)
{
	struct line line = begin(ret_line, size);

	put(&line, "{\"model\":");
	put_text(&line, model);
	put(&line, ",\"stream\":%" PRIu64 ",\"seq\":%" PRIu64, stream, seq);
	put_sample(&line, sample);
	put_float(&line, "min_fps", min_fps);
	put_rung_name(&line, rung);
	put(&line, ",\"cause\":\"%s\"", policy_cause_name(decision->cause));
	put_float(&line, "predicted_us", decision->predicted_us);
	put_float(&line, "chance", decision->chance);
	put(&line, ",\"reason\":");
	put_text(&line, decision->reason);
	put(&line, ",\"version\":");
	put_text(&line, version);
	return end(&line);
}

size_t policy_trace_observed(const char *model, const char *rung, float us, float freq_cap, int64_t now_us,
			     char *ret_line, size_t size)
{
	struct line line = begin(ret_line, size);

	put(&line, "{\"model\":");
	put_text(&line, model);
	put(&line, ",\"observed\":{\"rung\":");
	put_text(&line, rung);
	put(&line, ",\"t_us\":%" PRId64, now_us);
	put_float(&line, "us", us);
	put_float(&line, "freq_cap", freq_cap);
	put(&line, "}");
	return end(&line);
}

size_t policy_trace_ended(const char *model, uint64_t stream, uint64_t seq, const struct policy_trace_end *ended,
			  char *ret_line, size_t size)
{
	struct line line = begin(ret_line, size);

	put(&line, "{\"model\":");
	put_text(&line, model);
	put(&line, ",\"stream\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"ended\":{\"status\":", stream, seq);
	put_text(&line, ended->status);
	put_rung_name(&line, ended->rung);
	put(&line,
	    ",\"deadline_us\":%" PRId64 ",\"queue_us\":%" PRIu32 ",\"preprocess_us\":%" PRIu32
	    ",\"inference_us\":%" PRIu32 ",\"total_us\":%" PRIu32 "}",
	    ended->deadline_us, ended->queue_us, ended->preprocess_us, ended->inference_us, ended->total_us);
	return end(&line);
}
