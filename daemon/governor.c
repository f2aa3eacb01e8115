/* governor.c - see governor.h. */
#include "governor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stream.h"

void governor_configure(struct governor *governor, const struct config *config)
{
	policy_params_init(&governor->params);
	governor->params.temp_high_c = config->policy.temp_high_c;
	governor->params.temp_critical_c = config->policy.temp_critical_c;
	governor->params.min_fps = config->policy.min_fps;
}

void governor_name_params(const struct governor *governor, char *ret_name, size_t size)
{
	const struct policy_params *params = &governor->params;

	snprintf(ret_name, size, "%g/%g C, %g fps", (double)params->temp_high_c, (double)params->temp_critical_c,
		 (double)params->min_fps);
}

static void decide_pinned(const struct stream *stream, struct policy_decision *decision)
{
	const struct ladder *ladder = stream->model->ladder;
	float learned_us = ladder->memory.rung[stream->pinned].mean_us;

	*decision = (struct policy_decision){.rung = stream->pinned, .cause = POLICY_BEST};
	decision->predicted_us = learned_us > 0 ? learned_us : ladder->rungs[stream->pinned].prior_us;
	snprintf(decision->reason, sizeof(decision->reason), "%s",
		 stream->asked.rung[0] ? "pinned to this rung by the client"
				       : "the client asked for the most accurate rung");
}

void governor_decide(const struct governor *governor, struct job *job, const struct governor_queue *queue,
		     int64_t now_us, struct policy_state *state, struct policy_decision *ret_decision)
{
	const struct stream *stream = job->stream;
	const struct ladder *ladder = stream->model->ladder;
	struct policy_params params = governor->params;
	struct policy_sample *sample = &job->sample;

	*sample = (struct policy_sample){
		.now_us = now_us,
		.queued_us = now_us - job->arrived_us,
		.queue_depth = queue->depth,
		.n_lanes = governor->n_lanes,
		.motion = NAN,
		.blur = NAN,
	};

	if (job->wait.deadline_us != SCHED_NO_DEADLINE)
		sample->deadline_us = job->wait.deadline_us - job->arrived_us;
	memcpy(sample->lane_wait_us, queue->lane_wait_us, sizeof(sample->lane_wait_us));
	sensors_fill(governor->sensors, sample);
	if (stream->pinned >= 0) {
		decide_pinned(stream, ret_decision);
		return;
	}
	params.min_fps = stream_min_fps(stream);
	policy_decide(&params, ladder->rungs, ladder->n_rungs, &ladder->memory, sample, state, ret_decision);
}

void governor_observe(struct ladder *ladder, const struct job *job)
{
	policy_observe(ladder->rungs, ladder->n_rungs, job->rung, (float)(job->preprocess_us + job->inference_us),
		       &ladder->memory);
}
