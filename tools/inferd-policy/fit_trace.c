/* fit_trace.c - traces into memory, for fit; see fit.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fit.h"

#define FRAMES_MAX   2000000
#define RUNS_ENOUGH  20	   /* of a rung, for its own mean */
#define UNCAPPED     0.98f /* of the highest clock */
#define PENDING_LOOK 64	   /* frames back, in which the one that a run belongs to is looked for */

struct reading {
	struct tool_lines lines;
	struct fit_traces *traces;
	int first_model, first_stream; /* of the segment */
	int64_t block_us;	       /* when the block began */
	bool new_block;
};

/* Room for one more in an array that grows in powers of two. */
static void *grow(void *array, long n, size_t size)
{
	return n & (n - 1) ? array : realloc(array, (n ? 2 * (size_t)n : 1) * size);
}

static bool read_name(const struct reading *r, char ret_name[SESSION_NAME_BYTES])
{
	int node = json_member(&r->lines.json, 0, "model");

	ret_name[0] = '\0';
	return node < 0 || json_string(&r->lines.json, node, ret_name, SESSION_NAME_BYTES) ||
	       tool_lines_fail(&r->lines, "\"model\" is no name of less than %d bytes", SESSION_NAME_BYTES);
}

/* The latest of its name: rungs that come again are another model. */
static int find_model(const struct reading *r)
{
	char name[SESSION_NAME_BYTES];

	if (!read_name(r, name))
		return -1;
	for (int i = r->traces->n_models - 1; i >= r->first_model; i--)
		if (strcmp(r->traces->models[i]->name, name) == 0)
			return i;
	tool_lines_fail(&r->lines, "the rungs of model \"%s\" are not known yet", name);
	return -1;
}

static int find_stream(const struct reading *r, int model)
{
	struct fit_traces *traces = r->traces;
	int64_t id = 0;

	if (!tool_read_int64(&r->lines, 0, "stream", 0, (int64_t)1 << 52, &id))
		return -1;
	for (int i = traces->n_streams - 1; i >= r->first_stream; i--)
		if (traces->streams[i].model == model && traces->streams[i].id == id)
			return i;
	if (traces->n_streams == FIT_STREAMS_MAX) {
		tool_lines_fail(&r->lines, "more than %d streams", FIT_STREAMS_MAX);
		return -1;
	}
	traces->streams[traces->n_streams] = (struct fit_stream){model, id};
	return traces->n_streams++;
}

static bool take_rungs(struct reading *r)
{
	struct fit_traces *traces = r->traces;
	struct fit_model *model;

	if (traces->n_models == FIT_MODELS_MAX)
		return tool_lines_fail(&r->lines, "more than %d models and segments", FIT_MODELS_MAX);
	model = calloc(1, sizeof(*model));
	if (!model)
		return tool_lines_fail(&r->lines, "out of memory");
	traces->models[traces->n_models++] = model;
	return read_name(r, model->name) && session_read_rungs(&model->session, &r->lines);
}

static int read_rung(const struct reading *r, const struct session *session, int object)
{
	char name[SESSION_NAME_BYTES];
	int rung = -1;

	if (json_string(&r->lines.json, json_member(&r->lines.json, object, "rung"), name, sizeof(name)))
		rung = session_find_rung(session, name);
	if (rung < 0)
		tool_lines_fail(&r->lines, "no rung of this name");
	return rung;
}

static bool take_frame(struct reading *r)
{
	struct fit_traces *traces = r->traces;
	int model = find_model(r), stream = model < 0 ? -1 : find_stream(r, model);
	struct fit_frame frame = {.model = model, .stream = stream, .rung = -1, .us = NAN};
	const struct session *session = stream < 0 ? NULL : &traces->models[model]->session;
	void *grown;

	frame.min_fps = traces->params.min_fps;
	if (!session || !session_read_sample(session, &r->lines, 0, &frame.sample) ||
	    !tool_read_float(&r->lines, 0, "min_fps", 0, 1e6f, &frame.min_fps))
		return false;
	if (!json_is(&r->lines.json, json_member(&r->lines.json, 0, "rung"), JSON_NULL) &&
	    (frame.rung = read_rung(r, session, 0)) < 0)
		return false;
	if (traces->n_frames == FRAMES_MAX)
		return tool_lines_fail(&r->lines, "more than %d frames", FRAMES_MAX);
	if (r->new_block || frame.sample.now_us - r->block_us >= FIT_BLOCK_US || frame.sample.now_us < r->block_us) {
		r->new_block = false;
		r->block_us = frame.sample.now_us;
		traces->n_blocks++;
	}
	frame.block = traces->n_blocks - 1;
	grown = grow(traces->frames, traces->n_frames, sizeof(frame));
	if (!grown)
		return tool_lines_fail(&r->lines, "out of memory");
	traces->frames = grown;
	traces->frames[traces->n_frames++] = frame;
	return true;
}

/* A lane runs one frame at a time, so the run is that of the latest frame on this rung. */
static void give_time(struct fit_traces *traces, const struct fit_run *run)
{
	for (long i = traces->n_frames - 1; i >= 0 && i >= traces->n_frames - PENDING_LOOK; i--) {
		struct fit_frame *frame = &traces->frames[i];

		if (frame->model != run->model || frame->rung != run->rung)
			continue;
		if (isnan(frame->us))
			frame->us = run->us;
		return;
	}
}

static bool take_run(struct reading *r, int node)
{
	struct fit_traces *traces = r->traces;
	struct fit_run run = {.model = find_model(r), .us = -1, .freq_cap = NAN};
	struct fit_model *model;
	void *grown;

	if (run.model < 0)
		return false;
	model = traces->models[run.model];
	run.block = traces->n_blocks ? traces->n_blocks - 1 : 0;
	run.rung = read_rung(r, &model->session, node);
	if (run.rung < 0 || !tool_read_float(&r->lines, node, "us", 0, 1e9f, &run.us) ||
	    !tool_read_float(&r->lines, node, "freq_cap", 0, 1e6f, &run.freq_cap))
		return false;
	if (!(run.us >= 1))
		return true;
	grown = grow(traces->runs, traces->n_runs, sizeof(run));
	if (!grown)
		return tool_lines_fail(&r->lines, "out of memory");
	traces->runs = grown;
	traces->runs[traces->n_runs++] = run;
	if (isnan(run.freq_cap) || run.freq_cap >= UNCAPPED) {
		model->times[run.rung].ln_sum += log((double)run.us);
		model->times[run.rung].n++;
	}
	give_time(traces, &run);
	return true;
}

static bool take_line(struct reading *r)
{
	const struct json *json = &r->lines.json;
	int node, model;

	if (!json_is(json, 0, JSON_OBJECT))
		return tool_lines_fail(&r->lines, "no object");
	if (json_member(json, 0, "segment") >= 0) {
		r->first_model = r->traces->n_models;
		r->first_stream = r->traces->n_streams;
		r->new_block = true;
		return true;
	}
	if (json_member(json, 0, "ended") >= 0 || json_member(json, 0, "state") >= 0)
		return true;
	if ((node = json_member(json, 0, "params")) >= 0)
		return tool_set_params(&r->lines, node, &r->traces->params);
	if (json_member(json, 0, "rungs") >= 0)
		return take_rungs(r);
	if ((node = json_member(json, 0, "latency")) >= 0)
		return (model = find_model(r)) >= 0 &&
		       session_read_latency(&r->traces->models[model]->session, &r->lines, node);
	if ((node = json_member(json, 0, "observed")) >= 0)
		return take_run(r, node);
	return take_frame(r);
}

bool fit_traces_read(struct fit_traces *traces, const char *path)
{
	struct reading *r = calloc(1, sizeof(*r));
	FILE *file = fopen(path, "re");
	bool ok = false;
	int more = 0;

	if (!file)
		tool_error("%s: %s", path, strerror(errno));
	else if (!r)
		tool_error("out of memory");
	else if (tool_lines_open(&r->lines, file, path)) {
		r->traces = traces;
		r->first_model = traces->n_models;
		r->first_stream = traces->n_streams;
		r->new_block = true;
		do {
			more = tool_lines_next(&r->lines);
			ok = more == 0 || (more > 0 && take_line(r));
		} while (ok && more);
		tool_lines_close(&r->lines);
	}
	free(r);
	if (file)
		fclose(file);
	return ok;
}

void fit_traces_settle(struct fit_traces *traces)
{
	for (int i = 0; i < traces->n_models; i++) {
		struct fit_model *model = traces->models[i];

		for (int j = 0; j < model->session.n_rungs; j++) {
			if (model->times[j].n < RUNS_ENOUGH)
				continue;
			model->offset += model->times[j].ln_sum / (double)model->times[j].n -
					 log((double)model->session.rungs[j].prior_us);
			model->n_measured++;
		}
		if (model->n_measured)
			model->offset /= model->n_measured;
	}
}

double fit_usual_us(const struct fit_model *model, int rung)
{
	long n = model->times[rung].n;

	if (n >= RUNS_ENOUGH)
		return exp(model->times[rung].ln_sum / (double)n);
	return (double)model->session.rungs[rung].prior_us * exp(model->offset);
}

void fit_traces_free(struct fit_traces *traces)
{
	for (int i = 0; i < traces->n_models; i++)
		free(traces->models[i]);
	free(traces->frames);
	free(traces->runs);
}
