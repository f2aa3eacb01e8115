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
}

static void decide_pinned(const struct stream *stream, struct policy_decision *decision)
{
	const struct ladder *ladder = stream->model->ladder;
	float learned_us = policy_latency_typical_us(&ladder->latency, ladder->rungs, stream->pinned);

	*decision = (struct policy_decision){.rung = stream->pinned, .cause = POLICY_BEST};
	decision->predicted_us = learned_us > 0 ? learned_us : ladder->rungs[stream->pinned].prior_us;
	snprintf(decision->reason, sizeof(decision->reason), "%s",
		 stream->asked.rung[0] ? "pinned to this rung by the client"
				       : "the client asked for the most accurate rung");
}

void governor_decide(const struct governor *governor, const struct job *job, const struct governor_queue *queue,
		     int64_t now_us, struct policy_state *state, struct policy_decision *ret_decision)
{
	const struct stream *stream = job->stream;
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

	if (stream->pinned >= 0) {
		decide_pinned(stream, ret_decision);
		return;
	}
	if (job->wait.deadline_us != SCHED_NO_DEADLINE)
		sample.deadline_us = job->wait.deadline_us - job->arrived_us;
	memcpy(sample.lane_wait_us, queue->lane_wait_us, sizeof(sample.lane_wait_us));
	sensors_fill(governor->sensors, &sample);
	params.min_fps = stream_min_fps(stream);
	policy_decide(&params, ladder->rungs, ladder->n_rungs, &ladder->latency, &sample, state, ret_decision);
}

void governor_observe(const struct governor *governor, struct ladder *ladder, const struct job *job, int64_t now_us)
{
	float us = (float)(job->preprocess_us + job->inference_us);
	struct policy_sample sample = {.now_us = now_us};

	sensors_fill(governor->sensors, &sample);
	policy_latency_observe(&ladder->latency, &governor->params, ladder->rungs, job->rung, us,
			       sample.freq_cap[ladder->rungs[job->rung].lane], now_us);
}
