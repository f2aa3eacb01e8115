/* trace_line.c - see trace_line.h. */
#include "trace_line.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "stats.h"

struct line {
	char *text;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
	size_t room = TRACE_LINE_BYTES - line->used;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line->text + line->used, room, format, arguments);
	va_end(arguments);
	line->used += (size_t)n < room ? (size_t)n : room - 1;
}

static void put_text(struct line *line, const char *key, const char *text)
{
	put(line, ",\"%s\":\"", key);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			put(line, "\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			put(line, "\\u%04x", *c);
		else
			put(line, "%c", *c);
	}
	put(line, "\"");
}

/* Nine digits tell all floats apart. */
static void put_value(struct line *line, float value)
{
	if (isfinite(value))
		put(line, "%.9g", (double)value);
	else
		put(line, "null");
}

static void put_float(struct line *line, const char *key, float value)
{
	put(line, ",\"%s\":", key);
	put_value(line, value);
}

static void put_lanes(struct line *line, const char *key, const float *values, int n)
{
	put(line, ",\"%s\":[", key);
	for (int i = 0; i < n; i++) {
		put(line, i ? "," : "");
		put_value(line, values[i]);
	}
	put(line, "]");
}

static void put_sample(struct line *line, const struct policy_sample *sample)
{
	int n = sample->n_lanes < POLICY_LANES_MAX ? sample->n_lanes : POLICY_LANES_MAX;

	put(line, ",\"t_us\":%lld,\"deadline_us\":%lld,\"queued_us\":%lld,\"queue_depth\":%d",
	    (long long)sample->now_us, (long long)sample->deadline_us, (long long)sample->queued_us,
	    sample->queue_depth);
	put_lanes(line, "lane_wait_us", sample->lane_wait_us, n);
	put_lanes(line, "freq_cap", sample->freq_cap, n);
	put_float(line, "temp_c", sample->temp_c);
	put_float(line, "temp_limit_c", sample->temp_limit_c);
	put_float(line, "cpu_pressure", sample->cpu_pressure);
	put_float(line, "cpu_load", sample->cpu_load);
	put_float(line, "battery", sample->battery);
	put_float(line, "motion", sample->motion);
	put_float(line, "blur", sample->blur);
}

size_t trace_line_encode(const struct trace_frame *frame, char ret_line[TRACE_LINE_BYTES])
{
	struct line line = {ret_line, 0};

	put(&line, "{\"stream\":%llu,\"seq\":%llu,\"rungs\":\"%016llx\"", (unsigned long long)frame->stream,
	    (unsigned long long)frame->seq, (unsigned long long)frame->rungs);
	put_text(&line, "model", frame->model);
	put_text(&line, "params", frame->params);
	put_text(&line, "status", stats_status_name(frame->status));
	if (frame->decided) {
		put_sample(&line, &frame->sample);
		put_float(&line, "min_fps", frame->min_fps);
		put_text(&line, "rung", frame->rung);
		put_text(&line, "cause", policy_cause_name(frame->decision.cause));
		put_float(&line, "predicted_us", frame->decision.predicted_us);
		put_text(&line, "reason", frame->decision.reason);
	}
	put(&line, ",\"us\":{\"queue\":%u,\"preprocess\":%u,\"inference\":%u,\"total\":%u}}\n", frame->queue_us,
	    frame->preprocess_us, frame->inference_us, frame->total_us);
	return line.used < TRACE_LINE_BYTES - 1 ? line.used : 0;
}
