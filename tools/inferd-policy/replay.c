/*
 * replay.c - inferd-policy replay: a recorded day again, to the bit or under other parameters.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

static const char usage[] =
	"usage: inferd-policy replay TRACE [--params FILE] [--json]\n"
	"\n"
	"Runs the decisions of a trace again ('-': from stdin) and compares them with those on record.  With the\n"
	"parameters on record they must be the same, to the bit; where they are not, the first are shown and the exit\n"
	"status is 1.\n"
	"\n"
	"  --params FILE  what other parameters would have chosen.  The times of rungs that did not run are not known, so\n"
	"                 what is learned stays what the record says.\n"
	"  --json         one object for each frame that differs, then one with the counts\n";

#define MODELS_MAX  64
#define STREAMS_MAX 1024
#define SHOWN_MAX   10

struct model {
	char name[SESSION_NAME_BYTES];
	struct session session;
};

struct stream {
	int model;
	int64_t id;
	struct policy_state state;
};

struct replay {
	struct tool_lines lines;
	struct policy_params params;
	bool others; /* parameters other than those on record */
	bool json;
	struct model *models[MODELS_MAX];
	struct stream streams[STREAMS_MAX];
	int n_models, n_streams;
	int64_t lost; /* lines that are missing, as the trace says */
	long frames, observed, different, not_run_before, not_run_now;
	double accuracy_before, accuracy_now; /* expected, of the rungs chosen; 0 for none */
};

static int find_model(const struct replay *r, const char *name)
{
	for (int i = 0; i < r->n_models; i++)
		if (strcmp(r->models[i]->name, name) == 0)
			return i;
	return -1;
}

/* The model that the line names; a trace of one model may leave its name out. */
static bool read_model_name(const struct replay *r, char ret_name[SESSION_NAME_BYTES])
{
	int node = json_member(&r->lines.json, 0, "model");

	ret_name[0] = '\0';
	return node < 0 || json_string(&r->lines.json, node, ret_name, SESSION_NAME_BYTES) ||
	       tool_lines_fail(&r->lines, "\"model\" is no name of less than %d bytes", SESSION_NAME_BYTES);
}

static int get_model(const struct replay *r)
{
	char name[SESSION_NAME_BYTES];
	int model;

	if (!read_model_name(r, name))
		return -1;
	model = find_model(r, name);
	if (model < 0)
		tool_lines_fail(&r->lines, "the rungs of model \"%s\" are not known yet", name);
	return model;
}

/* A model's rungs may come again, e.g. after a reload: what was learned begins anew. */
static bool read_rungs(struct replay *r)
{
	char name[SESSION_NAME_BYTES];
	int model;

	if (!read_model_name(r, name))
		return false;
	model = find_model(r, name);
	if (model < 0) {
		if (r->n_models == MODELS_MAX)
			return tool_lines_fail(&r->lines, "more than %d models", MODELS_MAX);
		model = r->n_models;
		r->models[model] = malloc(sizeof(*r->models[model]));
		if (!r->models[model])
			return tool_lines_fail(&r->lines, "out of memory");
		r->n_models++;
	}
	memset(r->models[model], 0, sizeof(*r->models[model]));
	memcpy(r->models[model]->name, name, sizeof(name));
	for (int i = 0; i < r->n_streams; i++)
		if (r->streams[i].model == model)
			policy_state_init(&r->streams[i].state);
	return session_read_rungs(&r->models[model]->session, &r->lines);
}

static bool read_latency(struct replay *r, int node)
{
	int model = get_model(r);

	return model >= 0 && session_read_latency(&r->models[model]->session, &r->lines, node);
}

/* The stream of a line, made where it is new; NULL where there is no room. */
static struct stream *get_stream(struct replay *r, int model)
{
	int64_t id = 0;

	if (!tool_read_int64(&r->lines, 0, "stream", 0, (int64_t)1 << 52, &id))
		return NULL;
	for (int i = 0; i < r->n_streams; i++)
		if (r->streams[i].model == model && r->streams[i].id == id)
			return &r->streams[i];
	if (r->n_streams == STREAMS_MAX) {
		tool_lines_fail(&r->lines, "more than %d streams", STREAMS_MAX);
		return NULL;
	}
	r->streams[r->n_streams] = (struct stream){.model = model, .id = id};
	policy_state_init(&r->streams[r->n_streams].state);
	return &r->streams[r->n_streams++];
}

static bool read_state(struct replay *r, int node)
{
	const int64_t most = (int64_t)1 << 52;
	const struct tool_lines *lines = &r->lines;
	int model = get_model(r);
	struct stream *stream = model < 0 ? NULL : get_stream(r, model);
	struct policy_state *state = stream ? &stream->state : NULL;
	int64_t rung = -1, other_rung = -1, phase = 0, frames = 0;

	if (!stream || !tool_read_int64(lines, node, "rung", -1, POLICY_RUNGS_MAX - 1, &rung) ||
	    !tool_read_int64(lines, node, "other_rung", -1, POLICY_RUNGS_MAX - 1, &other_rung) ||
	    !tool_read_int64(lines, node, "phase", 0, POLICY_PHASES - 1, &phase) ||
	    !tool_read_int64(lines, node, "changed_us", 0, most, &state->changed_us) ||
	    !tool_read_int64(lines, node, "calm_since_us", 0, most, &state->calm_since_us) ||
	    !tool_read_int64(lines, node, "last_run_us", 0, most, &state->last_run_us) ||
	    !tool_read_int64(lines, node, "backoff_us", 0, most, &state->backoff_us) ||
	    !tool_read_int64(lines, node, "counted_us", 0, most, &state->counted_us) ||
	    !tool_read_int64(lines, node, "frames", 0, UINT32_MAX, &frames) ||
	    !tool_read_float(lines, node, "changes", 0, 1e6f, &state->changes) ||
	    !tool_read_float(lines, node, "last_accuracy", 0, 1, &state->last_accuracy) ||
	    !tool_read_float(lines, node, "felt_c", -273, 1000, &state->felt_c) ||
	    !tool_read_float(lines, node, "run_s", 0, 1e4f, &state->run_s) ||
	    !tool_read_float(lines, node, "busy_s", 0, 1e6f, &state->busy_s) ||
	    !tool_read_float(lines, node, "met", 0, 1000, &state->met))
		return false;
	state->rung = (int)rung;
	state->other_rung = (int)other_rung;
	state->phase = (int)phase;
	state->frames = (uint32_t)frames;
	return true;
}

/* The rung on record: an index, -1 not run. */
static bool read_recorded(const struct replay *r, const struct session *session, int *ret_rung)
{
	const struct json *json = &r->lines.json;
	int node = json_member(json, 0, "rung");
	char name[SESSION_NAME_BYTES];

	*ret_rung = -1;
	if (json_is(json, node, JSON_NULL))
		return true;
	if (!json_string(json, node, name, sizeof(name)))
		return tool_lines_fail(&r->lines, "the frame has no \"rung\", a name or null");
	*ret_rung = session_find_rung(session, name);
	return *ret_rung >= 0 || tool_lines_fail(&r->lines, "no rung is named \"%s\"", name);
}

/* Without figures on record only the rung is compared. */
static bool same_figures(const struct replay *r, const struct policy_decision *now)
{
	float predicted_us = now->predicted_us, chance = now->chance;

	return tool_read_float(&r->lines, 0, "predicted_us", 0, 1e9f, &predicted_us) &&
	       tool_read_float(&r->lines, 0, "chance", 0, 1, &chance) && predicted_us == now->predicted_us &&
	       chance == now->chance;
}

static const char *name_of(const struct session *session, int rung)
{
	return rung < 0 ? "none" : session->names[rung];
}

static void show_difference(const struct replay *r, const struct session *session, int before,
			    const struct policy_decision *now, int64_t t_us)
{
	if (r->json) {
		printf("{\"line\":%ld,\"t_us\":%lld,\"recorded\":", r->lines.line, (long long)t_us);
		tool_put_string(stdout, name_of(session, before));
		printf(",\"now\":");
		tool_put_string(stdout, name_of(session, now->rung));
		printf(",\"reason\":");
		tool_put_string(stdout, now->reason);
		printf("}\n");
	} else if (r->different <= SHOWN_MAX) {
		printf("line %ld, %.3f s: %s on record, now %s: %s\n", r->lines.line, (double)t_us / 1e6,
		       name_of(session, before), name_of(session, now->rung), now->reason);
	}
}

static bool replay_frame(struct replay *r)
{
	int model = get_model(r), before;
	struct stream *stream = model < 0 ? NULL : get_stream(r, model);
	struct policy_params params = r->params;
	struct policy_decision now;
	struct policy_sample sample;
	struct session *session;
	bool same;

	if (!stream)
		return false;
	session = &r->models[model]->session;
	if (!session_read_sample(session, &r->lines, 0, &sample) || !read_recorded(r, session, &before) ||
	    !tool_read_float(&r->lines, 0, "min_fps", 0, 1e6f, &params.min_fps))
		return false;
	policy_decide(&params, session->rungs, session->n_rungs, &session->latency, &sample, &stream->state, &now);
	r->frames++;
	r->not_run_before += before < 0;
	r->not_run_now += now.rung < 0;
	r->accuracy_before += before < 0 ? 0 : (double)session->rungs[before].accuracy;
	r->accuracy_now += now.rung < 0 ? 0 : (double)session->rungs[now.rung].accuracy;
	same = before == now.rung && (r->others || same_figures(r, &now));
	r->different += !same;
	if (!same)
		show_difference(r, session, before, &now, sample.now_us);
	return true;
}

static bool replay_observed(struct replay *r, int node)
{
	int model = get_model(r), rung;
	char name[SESSION_NAME_BYTES];
	float us = -1, cap = NAN;
	struct session *session;
	int64_t t_us = 0;

	if (model < 0)
		return false;
	session = &r->models[model]->session;
	if (!json_string(&r->lines.json, json_member(&r->lines.json, node, "rung"), name, sizeof(name)))
		return tool_lines_fail(&r->lines, "\"observed\" names no \"rung\"");
	rung = session_find_rung(session, name);
	if (rung < 0)
		return tool_lines_fail(&r->lines, "no rung is named \"%s\"", name);
	if (!tool_read_float(&r->lines, node, "us", 0, 1e12f, &us) ||
	    !tool_read_float(&r->lines, node, "freq_cap", 0, 1e6f, &cap) ||
	    !tool_read_int64(&r->lines, node, "t_us", 0, (int64_t)1 << 52, &t_us))
		return false;
	policy_latency_observe(&session->latency, &r->params, session->rungs, rung, us, cap, t_us);
	r->observed++;
	return true;
}

/* Whatever was known before counts no longer. */
static bool begin_segment(struct replay *r, int node)
{
	int64_t lost = 0;

	if (!json_is(&r->lines.json, node, JSON_OBJECT))
		return tool_lines_fail(&r->lines, "\"segment\" is no object");
	if (!tool_read_int64(&r->lines, node, "lost", 0, (int64_t)1 << 52, &lost))
		return false;
	for (int i = 0; i < r->n_models; i++)
		free(r->models[i]);
	r->n_models = r->n_streams = 0;
	r->lost += lost;
	return true;
}

static bool take_line(struct replay *r)
{
	const struct json *json = &r->lines.json;
	int node;

	if (!json_is(json, 0, JSON_OBJECT))
		return tool_lines_fail(&r->lines, "no object");
	if ((node = json_member(json, 0, "segment")) >= 0)
		return begin_segment(r, node);
	/* What became of a frame: replay has no use for it. */
	if ((node = json_member(json, 0, "ended")) >= 0)
		return json_is(json, node, JSON_OBJECT) || tool_lines_fail(&r->lines, "\"ended\" is no object");
	if ((node = json_member(json, 0, "params")) >= 0)
		return r->others || tool_set_params(&r->lines, node, &r->params);
	if (json_member(json, 0, "rungs") >= 0)
		return read_rungs(r);
	if ((node = json_member(json, 0, "latency")) >= 0)
		return read_latency(r, node);
	if ((node = json_member(json, 0, "state")) >= 0)
		return read_state(r, node);
	if ((node = json_member(json, 0, "observed")) >= 0)
		return replay_observed(r, node);
	return replay_frame(r);
}

static void print_counts(const struct replay *r)
{
	double n = r->frames ? (double)r->frames : 1;

	if (r->json)
		printf("{\"frames\":%ld,\"observed\":%ld,\"different\":%ld,\"not_run_recorded\":%ld,\"not_run_now\":%ld,\"lost\":%lld,"
		       "\"accuracy_recorded\":%.6f,\"accuracy_now\":%.6f,\"params\":\"%s\"}\n",
		       r->frames, r->observed, r->different, r->not_run_before, r->not_run_now, (long long)r->lost,
		       r->accuracy_before / n, r->accuracy_now / n, r->params.version);
	else
		printf("%ld frames, %ld runs learned from: %ld decisions differ (parameters %s)\n"
		       "on record: accuracy %.4f expected of the rungs chosen, %ld frames not run\n"
		       "now:       accuracy %.4f, %ld frames not run\n",
		       r->frames, r->observed, r->different, r->params.version, r->accuracy_before / n,
		       r->not_run_before, r->accuracy_now / n, r->not_run_now);
}

static void print_lost(const struct replay *r)
{
	if (r->lost && !r->json)
		printf("%lld lines are missing from the trace, as it says itself\n", (long long)r->lost);
}

static int run(struct replay *r, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int more = 0;
	bool ok = false;

	if (!file) {
		tool_error("%s: %s", path, strerror(errno));
		return TOOL_FAILED;
	}
	if (tool_lines_open(&r->lines, file, path)) {
		do {
			more = tool_lines_next(&r->lines);
			ok = more == 0 || (more > 0 && take_line(r));
		} while (ok && more);
	}
	tool_lines_close(&r->lines);
	if (file != stdin)
		fclose(file);
	if (!ok)
		return TOOL_FAILED;
	print_counts(r);
	print_lost(r);
	if (fflush(stdout) != 0) {
		tool_error("stdout: %s", strerror(errno));
		return TOOL_FAILED;
	}
	return r->different && !r->others ? TOOL_FAILED : TOOL_DONE;
}

/* Exit status, or -1 to go on. */
static int read_options(int argc, char **argv, struct replay *r, const char **ret_path)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			r->json = true;
		} else if (strcmp(argv[i], "--params") == 0 && i + 1 < argc) {
			if (!tool_read_params(argv[++i], &r->params))
				return TOOL_FAILED;
			r->others = true;
		} else if (!*ret_path && (argv[i][0] != '-' || !argv[i][1])) {
			*ret_path = argv[i];
		} else {
			*ret_path = NULL;
			break;
		}
	}
	if (*ret_path)
		return -1;
	fputs(usage, stderr);
	return TOOL_MISUSED;
}

int tool_replay(int argc, char **argv)
{
	struct replay *r;
	const char *path = NULL;
	int status;

	if (tool_helps(argc, argv, usage))
		return TOOL_DONE;
	r = calloc(1, sizeof(*r));
	if (!r) {
		tool_error("out of memory");
		return TOOL_FAILED;
	}
	policy_params_init(&r->params);
	status = read_options(argc, argv, r, &path);
	if (status < 0)
		status = run(r, path);
	for (int i = 0; i < r->n_models; i++)
		free(r->models[i]);
	free(r);
	return status;
}
