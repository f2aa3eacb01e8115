/*
 * drive.c - inferd-policy drive: the shipped decision code behind a pipe, for simulators of others.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/trace.h"
#include "session.h"

static const char usage[] =
	"usage: inferd-policy drive [--params FILE] [--trace FILE]\n"
	"\n"
	"Reads JSON lines from stdin and answers on stdout, so that any simulator can exercise the decisions.\n"
	"The first line names the rungs:\n"
	"  {\"rungs\":[{\"name\",\"variant\",\"width\",\"height\",\"channels\",\"lane\",\"threads\",\"accuracy\",\"prior_us\",\n"
	"   \"power_w\"},...],\"lanes\":N}                                  -> {\"ready\":true}\n"
	"Then frames, and what was measured for the frame answered last, which gets no answer:\n"
	"  {\"t_us\",\"deadline_us\",\"queue_us\",\"temp_c\",\"freq_cap\":[..],\"motion\",\"blur\"}\n"
	"                                            -> {\"rung\":\"NAME\"|null,\"reason\":...}\n"
	"  {\"observed\":{\"rung\":\"NAME\",\"us\":N}}\n"
	"A lane is a number, or a name; names count in the order in which they first come.\n"
	"Further sensors: lane_wait_us [..], queue_depth, temp_limit_c, cpu_pressure, cpu_load, battery, share_us.\n"
	"Sensors may be left out or null; unknown keys are passed over.\n"
	"\n"
	"  --params FILE  parameters other than the shipped ones, as JSON\n"
	"  --trace FILE   records what happens, for inferd-policy replay\n";

/* The policy takes a time of 0 for never. */
#define START_US 1000000

struct drive {
	struct tool_lines lines;
	struct policy_params params;
	struct session session;
	struct policy_state state;
	struct policy_sample sample; /* of the last frame */
	uint64_t frames;
	FILE *trace; /* or NULL */
	char text[POLICY_TRACE_BYTES];
};

/* Writes what is in d->text; false and said so where it cannot. */
static bool write_trace(struct drive *d, size_t length)
{
	if (!d->trace || (length && fwrite(d->text, 1, length, d->trace) == length))
		return true;
	tool_error("the trace cannot be written: %s", length ? strerror(errno) : "a line is too long");
	return false;
}

static bool trace_start(struct drive *d)
{
	const char *names[POLICY_RUNGS_MAX];

	for (int i = 0; i < d->session.n_rungs; i++)
		names[i] = d->session.names[i];
	return write_trace(d, policy_trace_params(&d->params, d->text, sizeof(d->text))) &&
	       write_trace(d, policy_trace_rungs("", d->session.rungs, names, d->session.n_rungs, d->session.n_lanes,
						 d->text, sizeof(d->text)));
}

static bool answer_frame(struct drive *d)
{
	struct policy_decision decision;

	if (!session_read_sample(&d->session, &d->lines, START_US, &d->sample))
		return false;
	policy_decide(&d->params, d->session.rungs, d->session.n_rungs, &d->session.latency, &d->sample, &d->state,
		      &decision);
	if (!write_trace(d, policy_trace_frame("", 0, ++d->frames, &d->sample, d->params.min_fps, &decision,
					       decision.rung < 0 ? NULL : d->session.names[decision.rung],
					       d->params.version, d->text, sizeof(d->text))))
		return false;
	fputs("{\"rung\":", stdout);
	if (decision.rung < 0)
		fputs("null", stdout);
	else
		tool_put_string(stdout, d->session.names[decision.rung]);
	fputs(",\"reason\":", stdout);
	tool_put_string(stdout, decision.reason);
	fputs("}\n", stdout);
	return true;
}

static bool learn(struct drive *d, int node)
{
	struct tool_lines *lines = &d->lines;
	char name[SESSION_NAME_BYTES];
	int64_t now_us;
	float us = -1, cap;
	int rung;

	if (!d->frames)
		return tool_lines_fail(lines, "\"observed\" before any frame");
	/* A frame that was dropped may be reported as that. */
	if (json_is(&lines->json, node, JSON_NULL) ||
	    json_is(&lines->json, json_member(&lines->json, node, "rung"), JSON_NULL))
		return true;
	if (!json_string(&lines->json, json_member(&lines->json, node, "rung"), name, sizeof(name)))
		return tool_lines_fail(lines, "\"observed\" names no \"rung\"");
	rung = session_find_rung(&d->session, name);
	if (rung < 0)
		return tool_lines_fail(lines, "no rung is named \"%s\"", name);
	if (!tool_read_float(lines, node, "us", 0, 1e12f, &us))
		return false;
	if (us < 0)
		return tool_lines_fail(lines, "\"observed\" has no \"us\"");
	cap = d->sample.freq_cap[d->session.rungs[rung].lane];
	now_us = d->sample.now_us + (int64_t)(us < 1e9f ? us : 1e9f);
	policy_latency_observe(&d->session.latency, &d->params, d->session.rungs, rung, us, cap, now_us);
	return write_trace(d, policy_trace_observed("", name, us, cap, now_us, d->text, sizeof(d->text)));
}

static bool take_line(struct drive *d)
{
	int observed = json_member(&d->lines.json, 0, "observed");

	if (!json_is(&d->lines.json, 0, JSON_OBJECT))
		return tool_lines_fail(&d->lines, "no object");
	if (!d->session.n_rungs) {
		if (!session_read_rungs(&d->session, &d->lines))
			return false;
		policy_state_init(&d->state);
		if (!trace_start(d))
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

static bool open_trace(struct drive *d, const char *path)
{
	d->trace = fopen(path, "we");
	if (!d->trace)
		tool_error("%s: %s", path, strerror(errno));
	return d->trace;
}

/* Exit status, or -1 to go on. */
static int read_options(int argc, char **argv, struct drive *d)
{
	for (int i = 1; i < argc; i += 2) {
		bool has_value = i + 1 < argc;

		if (has_value && strcmp(argv[i], "--params") == 0) {
			if (!tool_read_params(argv[i + 1], &d->params))
				return TOOL_FAILED;
		} else if (has_value && strcmp(argv[i], "--trace") == 0 && !d->trace) {
			if (!open_trace(d, argv[i + 1]))
				return TOOL_FAILED;
		} else {
			fputs(usage, stderr);
			return TOOL_MISUSED;
		}
	}
	return -1;
}

static bool converse(struct drive *d)
{
	int more = 0;
	bool ok = false;

	if (tool_lines_open(&d->lines, stdin, "stdin")) {
		do {
			more = tool_lines_next(&d->lines);
			ok = more == 0 || (more > 0 && take_line(d));
		} while (ok && more);
	}
	tool_lines_close(&d->lines);
	return ok;
}

int tool_drive(int argc, char **argv)
{
	struct drive *d;
	int status;

	if (tool_helps(argc, argv, usage))
		return TOOL_DONE;
	d = calloc(1, sizeof(*d));
	if (!d) {
		tool_error("out of memory");
		return TOOL_FAILED;
	}
	policy_params_init(&d->params);
	status = read_options(argc, argv, d);
	if (status < 0)
		status = converse(d) ? TOOL_DONE : TOOL_FAILED;
	if (d->trace && fclose(d->trace) != 0) {
		tool_error("the trace cannot be written: %s", strerror(errno));
		status = TOOL_FAILED;
	}
	free(d);
	return status;
}
