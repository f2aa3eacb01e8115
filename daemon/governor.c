/* governor.c - see governor.h. */
#include "governor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "stream.h"

/* The configuration has checked the ranges by its own table; a value that the policy refuses keeps its default. */
static void take(struct policy_params *params, const char *name, float value)
{
	if (!policy_params_set(params, name, value))
		log_error("policy.%s: %g is refused by the policy; its default is used", name, (double)value);
}

void governor_configure(struct governor *governor, const struct config *config)
{
	const struct config_policy *policy = &config->policy;
	struct policy_params *params = &governor->params;

	policy_params_init(params);
	if (!policy_params_set_version(params, policy->version))
		log_error("policy.version: '%s' is too long; '%s' is used", policy->version, params->version);
	take(params, "temp_high_c", policy->temp_high_c);
	take(params, "temp_critical_c", policy->temp_critical_c);
	take(params, "min_fps", policy->min_fps);
	take(params, "miss_target", policy->miss_target);
	take(params, "miss_price", policy->miss_price);
	take(params, "bound_share", policy->bound_share);
	take(params, "stay_gain", policy->stay_gain);
	take(params, "horizon_frames", policy->horizon_frames);
	take(params, "up_dwell_s", policy->up_dwell_s);
	take(params, "up_dwell_max_s", policy->up_dwell_max_s);
	take(params, "changes_per_min", policy->changes_per_min);
	take(params, "switch_price", policy->switch_price);
	take(params, "explore_frames", policy->explore_frames);
	take(params, "energy_price", policy->energy_price);
	take(params, "heat_price", policy->heat_price);
	take(params, "battery_low", policy->battery_low);
	take(params, "battery_price", policy->battery_price);
	take(params, "blur_price", policy->blur_price);
	take(params, "still_motion", policy->still_motion);
	take(params, "cap_share", policy->cap_share);
	take(params, "prior_spread", policy->prior_spread);
	take(params, "rung_spread", policy->rung_spread);
	governor->scene = config->policy.scene;
}

/* The rung that a stream is pinned to, or what it becomes for a frame in which nothing is tracked yet. */
static int pinned_rung(const struct stream *stream, int phase)
{
	const struct ladder *ladder = stream->model->ladder;

	return ladder->rungs[stream->pinned].phase == phase ? stream->pinned : ladder->details[stream->pinned].twin;
}

static float typical_us(const struct ladder *ladder, int rung)
{
	float learned_us = policy_latency_typical_us(&ladder->latency, ladder->rungs, rung);

	return learned_us > 0 ? learned_us : ladder->rungs[rung].prior_us;
}

static void decide_pinned(const struct stream *stream, int phase, struct policy_decision *decision)
{
	int rung = pinned_rung(stream, phase);

	*decision = (struct policy_decision){.rung = rung, .cause = POLICY_BEST};
	decision->predicted_us = typical_us(stream->model->ladder, rung);
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
	if (job->frame.format == IPC_JPEG || pool_is_device(&stream->pool, job->frame.slot)) {
		job->look = JOB_LOOK_LATER;
		return;
	}
	job->look = JOB_LOOK_BEFORE;
	image = stream_picture(stream, &job->frame);
	scene_see(&stream->scene, &image, now_us);
}

/* The median of a rung's time now. */
static float expected_us(const struct governor *governor, const struct ladder *ladder, int rung,
			 const struct policy_sample *sample)
{
	const struct policy_forecast forecast =
		policy_latency_forecast(&ladder->latency, &governor->params, ladder->rungs, rung,
					sample->freq_cap[ladder->rungs[rung].lane], sample->now_us);

	return expf(forecast.mean_ln);
}

/* How the stream's frames would fare now on its best rung and on its quickest, or on the one it is pinned to. */
static void weigh(const struct governor *governor, struct stream *stream, const struct policy_sample *sample)
{
	const struct ladder *ladder = stream->model->ladder;
	bool pinned = stream->pinned >= 0;
	int best = pinned ? pinned_rung(stream, sample->phase) : ladder->best[sample->phase];
	int quickest = pinned ? best : ladder->quickest[sample->phase];

	stream->share.best_us = expected_us(governor, ladder, best, sample);
	stream->share.quickest_us =
		quickest == best ? stream->share.best_us : expected_us(governor, ladder, quickest, sample);
}

/* What a frame of a pipeline is about is known before it runs: places that are followed, or the whole picture. */
static void recall(struct job *job, int64_t now_us)
{
	struct stream *stream = job->stream;

	job->track = stream_recall(stream, &job->frame, now_us);
	if (stream_needs_look(stream, &job->track, now_us))
		return;
	job->sample.phase = LADDER_TRACKED;
	if (job->track.n > 1)
		job->sample.work = (float)job->track.n;
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
	struct policy_sample *sample = &job->sample;

	*sample = (struct policy_sample){
		.now_us = now_us,
		.queued_us = now_us - job->arrived_us,
		.queue_depth = queue->depth,
		.n_lanes = governor->n_lanes,
		.motion = NAN,
		.blur = NAN,
	};

	if (ladder_is_pipeline(ladder))
		recall(job, now_us);
	governor->decisions++;
	if (job->wait.deadline_us != SCHED_NO_DEADLINE)
		sample->deadline_us = job->wait.deadline_us - job->arrived_us;
	memcpy(sample->lane_wait_us, queue->lane_wait_us, sizeof(sample->lane_wait_us));
	sensors_fill(governor->sensors, sample);
	weigh(governor, stream, sample);
	if (stream->pinned >= 0) {
		decide_pinned(stream, sample->phase, ret_decision);
		return;
	}
	if (governor->scene) {
		look(governor, job, now_us);
		if (job->look == JOB_LOOK_BEFORE)
			sample->motion = stream->scene.motion;
		sample->blur = scene_blur(&stream->scene, hint_blur(&job->frame), now_us);
	}
	sample->share_us = share_us(&governor->shares, &stream->share, governor->n_lanes, now_us);
	params.min_fps = stream_min_fps(stream);
	policy_decide(&params, ladder->rungs, ladder->n_rungs, &ladder->latency, sample, state, ret_decision);
}

void governor_act(struct governor *governor, const struct job *job, const struct policy_decision *decision,
		  const struct policy_state *state)
{
	tracer_decided(&governor->trace, job, decision);
	job->stream->policy = *state;
}

float governor_twin_us(const struct ladder *ladder, int rung)
{
	return typical_us(ladder, ladder->details[rung].twin);
}

void governor_observe(struct governor *governor, struct ladder *ladder, const struct job *job, int64_t now_us)
{
	float us = (float)(job->preprocess_us + job->inference_us), work = job->sample.work;
	float freq_cap = job->sample.freq_cap[ladder->rungs[job->rung].lane];

	if (job->viewed)
		scene_see_later(&job->stream->scene, &job->view, now_us);
	/* What was done twice, and on another rung than was chosen, says nothing of either. */
	if (job->run_twice)
		return;
	if (work > 0 && ladder->rungs[job->rung].phase == job->sample.phase)
		us /= work;
	tracer_observed(&governor->trace, ladder, job->rung, us, freq_cap, now_us);
	policy_latency_observe(&ladder->latency, &governor->params, ladder->rungs, job->rung, us, freq_cap, now_us);
}
