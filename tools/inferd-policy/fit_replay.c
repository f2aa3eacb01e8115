/* fit_replay.c - what other parameters would have done; see fit.h. */
#include <math.h>
#include <stdlib.h>

#include "fit.h"

struct world {
	struct policy_latency *latency; /* of each model */
	double *slow;			/* of each model: measured over usual, of the last run */
	struct policy_state *states;	/* of each stream */
	int *rungs;			/* of each stream: that ran last; -1 none */
};

static bool world_init(struct world *world, const struct fit_traces *traces)
{
	world->latency = calloc((size_t)traces->n_models + 1, sizeof(*world->latency));
	world->slow = calloc((size_t)traces->n_models + 1, sizeof(*world->slow));
	world->states = calloc((size_t)traces->n_streams + 1, sizeof(*world->states));
	world->rungs = calloc((size_t)traces->n_streams + 1, sizeof(*world->rungs));
	if (!world->latency || !world->slow || !world->states || !world->rungs)
		return false;
	for (int i = 0; i < traces->n_models; i++) {
		world->latency[i] = traces->models[i]->session.latency;
		world->slow[i] = exp(traces->models[i]->n_measured ? 0 : traces->models[i]->offset);
	}
	for (int i = 0; i < traces->n_streams; i++) {
		policy_state_init(&world->states[i]);
		world->rungs[i] = -1;
	}
	return true;
}

static void world_finish(struct world *world)
{
	free(world->latency);
	free(world->slow);
	free(world->states);
	free(world->rungs);
}

static void replay_frame(struct world *world, const struct fit_traces *traces, const struct fit_frame *frame,
			 const struct policy_params *asked, struct fit_block *block)
{
	const struct fit_model *model = traces->models[frame->model];
	const struct session *session = &model->session;
	struct policy_params params = *asked;
	struct policy_decision decision;
	const struct policy_rung *rung;
	double us;

	if (frame->rung >= 0 && !isnan(frame->us))
		world->slow[frame->model] = (double)frame->us / fit_usual_us(model, frame->rung);
	params.min_fps = frame->min_fps;
	policy_decide(&params, session->rungs, session->n_rungs, &world->latency[frame->model], &frame->sample,
		      &world->states[frame->stream], &decision);
	block->frames++;
	if (decision.rung < 0) {
		block->missed += decision.cause == POLICY_HOPELESS;
		return;
	}
	rung = &session->rungs[decision.rung];
	us = fit_usual_us(model, decision.rung) * world->slow[frame->model];
	if (frame->sample.deadline_us > 0 && (double)frame->sample.queued_us + us > (double)frame->sample.deadline_us)
		block->missed++;
	else
		block->accuracy += (double)rung->accuracy;
	block->changes += world->rungs[frame->stream] >= 0 && world->rungs[frame->stream] != decision.rung;
	world->rungs[frame->stream] = decision.rung;
	policy_latency_observe(&world->latency[frame->model], &params, session->rungs, decision.rung, (float)us,
			       frame->sample.freq_cap[rung->lane], frame->sample.now_us + (int64_t)us);
}

bool fit_replay(const struct fit_traces *traces, const struct policy_params *params, struct fit_block *blocks)
{
	struct world world;
	bool ok = world_init(&world, traces);

	if (!ok)
		tool_error("out of memory");
	for (long i = 0; ok && i < traces->n_frames; i++)
		replay_frame(&world, traces, &traces->frames[i], params, &blocks[traces->frames[i].block]);
	world_finish(&world);
	return ok;
}
