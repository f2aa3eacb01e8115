/* tracer.c - see tracer.h. */
#include "tracer.h"

#include <stdio.h>
#include <string.h>

#include "stream.h"

void tracer_init(struct tracer *tracer, struct trace_file *file, const struct policy_params *params)
{
	/* Streams outlive a file: the numbers of segments and streams go on. */
	const struct tracer kept = {.segment = tracer->segment, .last_stream = tracer->last_stream};

	*tracer = kept;
	tracer->file = file;
	tracer->params = params;
}

void tracer_finish(struct tracer *tracer)
{
	trace_file_destroy(tracer->file);
	tracer->file = NULL;
}

void tracer_restart(struct tracer *tracer)
{
	tracer->begun = false;
}

void tracer_flush(struct tracer *tracer)
{
	if (tracer->file)
		trace_file_flush(tracer->file);
}

uint64_t tracer_lost(const struct tracer *tracer)
{
	return tracer->file ? tracer->lost + trace_file_lost(tracer->file) : 0;
}

/* ---- segments ------------------------------------------------------------------------------------- */

static void begin(struct tracer *tracer)
{
	uint64_t lost = tracer_lost(tracer);
	struct trace_segment segment = {
		.head = {TRACE_SEGMENT, sizeof(segment)},
		.lost = lost - tracer->told_lost,
		.params = *tracer->params,
	};

	if (!trace_file_has_room(tracer->file) || !trace_file_add(tracer->file, &segment.head)) {
		trace_file_flush(tracer->file);
		return;
	}
	tracer->told_lost = lost;
	tracer->segment++;
	tracer->n_models = tracer->n_streams = 0;
	tracer->begun = true;
}

static bool ready(struct tracer *tracer)
{
	if (trace_file_wants_segment(tracer->file))
		tracer->begun = false;
	if (!tracer->begun)
		begin(tracer);
	if (!tracer->begun)
		tracer->lost++;
	return tracer->begun;
}

static bool put(struct tracer *tracer, const struct trace_head *entry)
{
	if (trace_file_add(tracer->file, entry))
		return true;
	tracer->begun = false;
	tracer->lost++;
	return false;
}

/* ---- what a replay has to know first -------------------------------------------------------------- */

/* NULL: it was not told of. */
static const struct tracer_model *find_model(const struct tracer *tracer, const struct ladder *ladder)
{
	for (int i = 0; i < tracer->n_models; i++)
		if (tracer->models[i].ladder == ladder->uid)
			return &tracer->models[i];
	return NULL;
}

/* Another ladder of a model that was told of: its streams were told of, too. */
static bool is_replaced(const struct tracer *tracer, const struct model *model)
{
	for (int i = 0; i < tracer->n_models; i++)
		if (strcmp(tracer->models[i].name, model->name) == 0)
			return tracer->models[i].ladder != model->ladder->uid;
	return false;
}

static bool tell_model(struct tracer *tracer, const struct model *model)
{
	const struct ladder *ladder = model->ladder;
	struct tracer_model *known = &tracer->models[tracer->n_models];
	struct trace_model entry;

	entry.head.kind = TRACE_MODEL;
	entry.head.size =
		(uint32_t)(offsetof(struct trace_model, rungs) + (size_t)ladder->n_rungs * sizeof(entry.rungs[0]));
	snprintf(entry.name, sizeof(entry.name), "%s", model->name);
	entry.n_rungs = ladder->n_rungs;
	entry.n_lanes = ladder->n_lanes;
	entry.latency = ladder->latency;
	for (int i = 0; i < ladder->n_rungs; i++) {
		entry.rungs[i].rung = ladder->rungs[i];
		memcpy(entry.rungs[i].name, ladder->details[i].name, sizeof(entry.rungs[i].name));
	}
	if (!put(tracer, &entry.head))
		return false;
	known->ladder = ladder->uid;
	memcpy(known->name, model->name, sizeof(known->name));
	tracer->n_models++;
	return true;
}

static bool tell_stream(struct tracer *tracer, struct stream *stream)
{
	struct trace_state entry = {.head = {TRACE_STATE, sizeof(entry)}, .state = stream->policy};

	if (!stream->trace_number)
		stream->trace_number = ++tracer->last_stream;
	entry.stream = stream->trace_number;
	snprintf(entry.model, sizeof(entry.model), "%s", stream->model->name);
	if (!put(tracer, &entry.head))
		return false;
	stream->trace_segment = tracer->segment;
	tracer->n_streams++;
	return true;
}

/* ---- what happens --------------------------------------------------------------------------------- */

static bool tell_before(struct tracer *tracer, struct stream *stream)
{
	const struct ladder *ladder = stream->model->ladder;

	if (is_replaced(tracer, stream->model) ||
	    (tracer->n_models == CONFIG_MODELS_MAX && !find_model(tracer, ladder)) ||
	    (tracer->n_streams == TRACER_STREAMS_MAX && stream->trace_segment != tracer->segment)) {
		tracer->begun = false;
		if (!ready(tracer))
			return false;
	}
	if (!find_model(tracer, ladder) && !tell_model(tracer, stream->model))
		return false;
	return stream->trace_segment == tracer->segment || tell_stream(tracer, stream);
}

void tracer_decided(struct tracer *tracer, const struct job *job, const struct policy_decision *decision)
{
	struct stream *stream = job->stream;
	struct trace_decision entry;

	/* Of a stream that runs on one rung the policy was not asked. */
	if (!tracer->file || stream->pinned >= 0 || !ready(tracer) || !tell_before(tracer, stream))
		return;
	entry = (struct trace_decision){
		.head = {TRACE_DECISION, sizeof(entry)},
		.stream = stream->trace_number,
		.seq = job->frame.seq,
		.min_fps = stream_min_fps(stream),
		.sample = job->sample,
		.decision = *decision,
	};
	snprintf(entry.model, sizeof(entry.model), "%s", stream->model->name);
	snprintf(entry.version, sizeof(entry.version), "%s", tracer->params->version);
	if (decision->rung >= 0)
		snprintf(entry.rung, sizeof(entry.rung), "%s", stream->model->ladder->details[decision->rung].name);
	put(tracer, &entry.head);
}

void tracer_observed(struct tracer *tracer, const struct ladder *ladder, int rung, float us, float freq_cap,
		     int64_t now_us)
{
	struct trace_observed entry = {
		.head = {TRACE_OBSERVED, sizeof(entry)}, .us = us, .freq_cap = freq_cap, .now_us = now_us};

	const struct tracer_model *model = find_model(tracer, ladder);

	/*
	 * What was learned before the first decision is told with the model; a ladder that was replaced decides no
	 * more.
	 */
	if (!tracer->file || !tracer->begun || !model)
		return;
	snprintf(entry.model, sizeof(entry.model), "%s", model->name);
	snprintf(entry.rung, sizeof(entry.rung), "%s", ladder->details[rung].name);
	put(tracer, &entry.head);
}

void tracer_ended(struct tracer *tracer, const struct job *job, const struct model *model)
{
	struct trace_ended entry;

	if (!tracer->file || !ready(tracer))
		return;
	if (!job->stream->trace_number)
		job->stream->trace_number = ++tracer->last_stream;
	entry = (struct trace_ended){
		.head = {TRACE_ENDED, sizeof(entry)},
		.stream = job->stream->trace_number,
		.seq = job->frame.seq,
		.status = job->status,
		.deadline_us = job->wait.deadline_us == SCHED_NO_DEADLINE ? 0 : job->wait.deadline_us - job->arrived_us,
		.queue_us = job->queue_us,
		.preprocess_us = job->preprocess_us,
		.inference_us = job->inference_us,
		.total_us = job->total_us,
	};
	snprintf(entry.model, sizeof(entry.model), "%s", model->name);
	if (job->rung >= 0)
		snprintf(entry.rung, sizeof(entry.rung), "%s", model->ladder->details[job->rung].name);
	put(tracer, &entry.head);
}
