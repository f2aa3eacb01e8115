/*
 * drive.c - inferd-policy drive: the shipped decision code behind a pipe, for simulators of others.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const char usage[] =
	"usage: inferd-policy drive [--params FILE]\n"
	"\n"
	"Reads JSON lines from stdin and answers on stdout, so that any simulator can exercise the decisions.\n"
	"The first line names the rungs:\n"
	"  {\"rungs\":[{\"name\",\"variant\",\"width\",\"height\",\"channels\",\"lane\",\"threads\",\"accuracy\",\"prior_us\",\n"
	"   \"power_w\"},...],\"lanes\":N}                                  -> {\"ready\":true}\n"
	"Then frames, and what was measured for the frame answered last, which gets no answer:\n"
	"  {\"t_us\",\"deadline_us\",\"queue_us\",\"temp_c\",\"freq_cap\":[..],\"motion\",\"blur\"}\n"
	"                                            -> {\"rung\":\"NAME\"|null,\"reason\":...}\n"
	"  {\"observed\":{\"rung\":\"NAME\",\"us\":N}}\n"
	"Further sensors: lane_wait_us [..], queue_depth, temp_limit_c, cpu_pressure, cpu_load, battery.  Sensors may be\n"
	"left out or null; unknown keys are passed over.\n"
	"\n"
	"  --params FILE  parameters other than the shipped ones, as JSON\n";

#define NAME_BYTES 128
/* The policy takes a time of 0 for never. */
#define START_US 1000000
#define TIME_MAX ((int64_t)1 << 52)

struct drive {
	struct tool_lines lines;
	struct policy_params params;
	int n_rungs, n_lanes;
	char names[POLICY_RUNGS_MAX][NAME_BYTES];
	struct policy_rung rungs[POLICY_RUNGS_MAX];
	struct policy_latency latency;
	struct policy_state state;
	struct policy_sample sample; /* of the last frame */
	bool asked;		     /* there was a frame */
};

static int find_rung(const struct drive *d, const char *name)
{
	for (int i = 0; i < d->n_rungs; i++)
		if (strcmp(d->names[i], name) == 0)
			return i;
	return -1;
}

/* Variants are named or numbered; a name is counted by its first rung. */
static bool read_variant(struct drive *d, int node, int index, char variants[][NAME_BYTES])
{
	const struct json *json = &d->lines.json;
	double number;
	int same = 0;

	if (node < 0 || json_is(json, node, JSON_NULL))
		snprintf(variants[index], NAME_BYTES, "%s", "");
	else if (json_number(json, node, &number))
		snprintf(variants[index], NAME_BYTES, "%.17g", number);
	else if (!json_string(json, node, variants[index], NAME_BYTES))
		return tool_lines_fail(&d->lines, "rung %d: \"variant\" is no name of less than %d bytes", index + 1,
				       NAME_BYTES);
	while (strcmp(variants[same], variants[index]) != 0)
		same++;
	d->rungs[index].variant = (uint16_t)same;
	return true;
}

static bool read_rung(struct drive *d, int node, int index, char variants[][NAME_BYTES])
{
	struct tool_lines *lines = &d->lines;
	struct policy_rung *rung = &d->rungs[index];
	int64_t width = 0, height = 0, channels = 3, lane = 0, threads = 1;

	*rung = (struct policy_rung){.accuracy = 0.5f};
	if (!json_is(&lines->json, node, JSON_OBJECT))
		return tool_lines_fail(lines, "rung %d is no object", index + 1);
	if (!json_string(&lines->json, json_member(&lines->json, node, "name"), d->names[index], NAME_BYTES))
		return tool_lines_fail(lines, "rung %d has no \"name\" of less than %d bytes", index + 1, NAME_BYTES);
	if (find_rung(d, d->names[index]) >= 0)
		return tool_lines_fail(lines, "two rungs are named \"%s\"", d->names[index]);
	if (!tool_read_int64(lines, node, "width", 0, UINT16_MAX, &width) ||
	    !tool_read_int64(lines, node, "height", 0, UINT16_MAX, &height) ||
	    !tool_read_int64(lines, node, "channels", 1, 4, &channels) ||
	    !tool_read_int64(lines, node, "lane", 0, d->n_lanes - 1, &lane) ||
	    !tool_read_int64(lines, node, "threads", 0, UINT8_MAX, &threads) ||
	    !tool_read_float(lines, node, "accuracy", 0, 1, &rung->accuracy) ||
	    !tool_read_float(lines, node, "prior_us", 0, 1e9f, &rung->prior_us) ||
	    !tool_read_float(lines, node, "power_w", 0, 1e6f, &rung->power_w))
		return false;
	if (!(rung->prior_us > 0))
		return tool_lines_fail(lines, "rung \"%s\" has no \"prior_us\" above 0", d->names[index]);
	rung->width = (uint16_t)width;
	rung->height = (uint16_t)height;
	rung->channels = (uint8_t)channels;
	rung->lane = (uint8_t)lane;
	rung->threads = (uint8_t)threads;
	return read_variant(d, json_member(&lines->json, node, "variant"), index, variants);
}

static bool read_rungs(struct drive *d)
{
	const struct json *json = &d->lines.json;
	int list = json_member(json, 0, "rungs"), at = json_first(json, list), n;
	char(*variants)[NAME_BYTES];
	int64_t lanes = POLICY_LANES_MAX;
	bool ok = true;

	if (!json_is(json, list, JSON_ARRAY))
		return tool_lines_fail(&d->lines, "the first line has no list \"rungs\"");
	n = json->nodes[list].children;
	if (n < 1 || n > POLICY_RUNGS_MAX)
		return tool_lines_fail(&d->lines, "%d rungs, where 1 to %d are possible", n, POLICY_RUNGS_MAX);
	if (!tool_read_int64(&d->lines, 0, "lanes", 1, POLICY_LANES_MAX, &lanes))
		return false;
	variants = calloc((size_t)n, sizeof(*variants));
	if (!variants) {
		tool_error("out of memory");
		return false;
	}
	d->n_lanes = (int)lanes;
	for (int i = 0; i < n && ok; i++, at = json_after(json, at)) {
		ok = read_rung(d, at, i, variants);
		d->n_rungs = ok ? i + 1 : d->n_rungs;
	}
	free(variants);
	if (!ok)
		return false;
	policy_latency_init(&d->latency, d->rungs, d->n_rungs);
	policy_state_init(&d->state);
	return true;
}

static bool read_sample(struct drive *d, struct policy_sample *s)
{
	struct tool_lines *lines = &d->lines;
	int64_t depth = 0, now = 0;

	*s = (struct policy_sample){.n_lanes = d->n_lanes,
				    .temp_c = NAN,
				    .temp_limit_c = NAN,
				    .cpu_pressure = NAN,
				    .cpu_load = NAN,
				    .battery = NAN,
				    .motion = NAN,
				    .blur = NAN};
	for (int i = 0; i < POLICY_LANES_MAX; i++)
		s->freq_cap[i] = NAN;
	if (json_member(&lines->json, 0, "t_us") < 0)
		return tool_lines_fail(lines, "neither a frame with \"t_us\" nor \"observed\"");
	if (!tool_read_int64(lines, 0, "t_us", -TIME_MAX, TIME_MAX, &now) ||
	    !tool_read_int64(lines, 0, "deadline_us", -TIME_MAX, TIME_MAX, &s->deadline_us) ||
	    !tool_read_int64(lines, 0, "queue_us", -TIME_MAX, TIME_MAX, &s->queued_us) ||
	    !tool_read_int64(lines, 0, "queue_depth", 0, 1000000, &depth) ||
	    !tool_read_float(lines, 0, "temp_c", -1e6f, 1e6f, &s->temp_c) ||
	    !tool_read_float(lines, 0, "temp_limit_c", -1e6f, 1e6f, &s->temp_limit_c) ||
	    !tool_read_float(lines, 0, "cpu_pressure", 0, 1, &s->cpu_pressure) ||
	    !tool_read_float(lines, 0, "cpu_load", 0, 1, &s->cpu_load) ||
	    !tool_read_float(lines, 0, "battery", 0, 1, &s->battery) ||
	    !tool_read_float(lines, 0, "motion", 0, 1, &s->motion) ||
	    !tool_read_float(lines, 0, "blur", 0, 1, &s->blur) ||
	    !tool_read_floats(lines, json_member(&lines->json, 0, "freq_cap"), "freq_cap", 0, 1e6f, s->freq_cap,
			      d->n_lanes) ||
	    !tool_read_floats(lines, json_member(&lines->json, 0, "lane_wait_us"), "lane_wait_us", 0, 1e12f,
			      s->lane_wait_us, d->n_lanes))
		return false;
	s->now_us = now + START_US;
	s->queue_depth = (int)depth;
	return true;
}

static bool answer_frame(struct drive *d)
{
	struct policy_decision decision;

	if (!read_sample(d, &d->sample))
		return false;
	policy_decide(&d->params, d->rungs, d->n_rungs, &d->latency, &d->sample, &d->state, &decision);
	d->asked = true;
	fputs("{\"rung\":", stdout);
	if (decision.rung < 0)
		fputs("null", stdout);
	else
		tool_put_string(stdout, d->names[decision.rung]);
	fputs(",\"reason\":", stdout);
	tool_put_string(stdout, decision.reason);
	fputs("}\n", stdout);
	return true;
}

static bool learn(struct drive *d, int node)
{
	struct tool_lines *lines = &d->lines;
	char name[NAME_BYTES];
	float us = -1, cap;
	int rung;

	if (!d->asked)
		return tool_lines_fail(lines, "\"observed\" before any frame");
	/* A frame that was dropped may be reported as that. */
	if (json_is(&lines->json, node, JSON_NULL) ||
	    json_is(&lines->json, json_member(&lines->json, node, "rung"), JSON_NULL))
		return true;
	if (!json_string(&lines->json, json_member(&lines->json, node, "rung"), name, sizeof(name)))
		return tool_lines_fail(lines, "\"observed\" names no \"rung\"");
	rung = find_rung(d, name);
	if (rung < 0)
		return tool_lines_fail(lines, "no rung is named \"%s\"", name);
	if (!tool_read_float(lines, node, "us", 0, 1e12f, &us))
		return false;
	if (us < 0)
		return tool_lines_fail(lines, "\"observed\" has no \"us\"");
	cap = d->sample.freq_cap[d->rungs[rung].lane];
	policy_latency_observe(&d->latency, &d->params, d->rungs, rung, us, cap,
			       d->sample.now_us + (int64_t)(us < 1e9f ? us : 1e9f));
	return true;
}

static bool take_line(struct drive *d)
{
	int observed = json_member(&d->lines.json, 0, "observed");

	if (!json_is(&d->lines.json, 0, JSON_OBJECT))
		return tool_lines_fail(&d->lines, "no object");
	if (!d->n_rungs) {
		if (!read_rungs(d))
			return false;
		fputs("{\"ready\":true}\n", stdout);
	} else if (observed >= 0) {
		return learn(d, observed);
	} else if (!answer_frame(d)) {
		return false;
	}
	if (fflush(stdout) == 0)
		return true;
	tool_error("stdout: %s", strerror(errno));
	return false;
}

int tool_drive(int argc, char **argv)
{
	struct drive *d;
	int more = 0;
	bool ok = false;

	if (tool_helps(argc, argv, usage))
		return TOOL_DONE;
	if (argc != 1 && !(argc == 3 && strcmp(argv[1], "--params") == 0)) {
		fputs(usage, stderr);
		return TOOL_MISUSED;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		tool_error("out of memory");
		return TOOL_FAILED;
	}
	policy_params_init(&d->params);
	if ((argc == 1 || tool_read_params(argv[2], &d->params)) && tool_lines_open(&d->lines, stdin, "stdin")) {
		do {
			more = tool_lines_next(&d->lines);
			ok = more == 0 || (more > 0 && take_line(d));
		} while (ok && more);
	}
	tool_lines_close(&d->lines);
	free(d);
	return ok ? TOOL_DONE : TOOL_FAILED;
}
