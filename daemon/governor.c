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
	governor->scene = config->policy.scene;
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

/*
 * Raw pixels are sampled here, where they lie.  A JPEG would have to be decoded for that, and even gray and at an
 * eighth of its size that takes four fifths of the time of the decode that a rung wants (1.8 of 2.2 ms at 1080p); to
 * read a device's memory, its caches have to settle first.  Of those the lane says how blurred they were, and the next
 * frame goes by that.
 */
static void look(const struct governor *governor, struct job *job, int64_t now_us)
{
	struct stream *stream = job->stream;
	struct engine_image image;

	if (job->look != JOB_LOOK_NOT || !governor->scene)
		return;
	if (job->frame.format == IPC_JPEG || stream->pool.fd >= 0) {
		job->look = JOB_LOOK_LATER;
		return;
	}
	job->look = JOB_LOOK_BEFORE;
	image = stream_picture(stream, &job->frame);
	scene_see(&stream->scene, &image, now_us);
}

static float hint_blur(const struct ipc_frame *frame)
{
	return frame->exposure_us ? scene_hint_blur(frame->angular_speed, frame->exposure_us) : NAN;
}

void governor_decide(struct governor *governor, struct job *job, const struct governor_queue *queue, int64_t now_us,
		     struct policy_state *state, struct policy_decision *ret_decision)
{
	struct stream *stream = job->stream;
	const struct ladder *ladder = stream->model->ladder;
	struct policy_params params = governor->params;
	struct policy_sample sample = {
		.now_us = now_us,
		.queued_us = now_us - job->arrived_us,
		.queue_depth = queue->depth,
		.n_lanes = governor->n_lanes,
		.motion = NAN,
		.blur = NAN,
	};

	governor->decisions++;
	if (stream->pinned >= 0) {
		decide_pinned(stream, ret_decision);
		return;
	}
	if (job->wait.deadline_us != SCHED_NO_DEADLINE)
		sample.deadline_us = job->wait.deadline_us - job->arrived_us;
	memcpy(sample.lane_wait_us, queue->lane_wait_us, sizeof(sample.lane_wait_us));
	sensors_fill(governor->sensors, &sample);
	if (governor->scene) {
		look(governor, job, now_us);
		if (job->look == JOB_LOOK_BEFORE)
			sample.motion = stream->scene.motion;
		sample.blur = scene_blur(&stream->scene, hint_blur(&job->frame), now_us);
	}
	params.min_fps = stream_min_fps(stream);
	policy_decide(&params, ladder->rungs, ladder->n_rungs, &ladder->memory, &sample, state, ret_decision);
}

void governor_observe(struct ladder *ladder, const struct job *job, int64_t now_us)
{
	if (job->look == JOB_LOOK_LATER)
		scene_see_later(&job->stream->scene, job->sharpness, now_us);
	policy_observe(ladder->rungs, ladder->n_rungs, job->rung, (float)(job->preprocess_us + job->inference_us),
		       &ladder->memory);
}
