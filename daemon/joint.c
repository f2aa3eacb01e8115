/* joint.c - see joint.h. */
#include "joint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "identity.h"

/* What is the same for all rungs while the table is built. */
struct joiner {
	struct ladder *ladder;
	const struct ladder *detector, *landmarks;
	bool left_out[CONFIG_STAGES][POLICY_RUNGS_MAX]; /* of the stages' rungs */
	struct config_error *error;
};

/* Whether another rung of the same stage and lane takes no more work and is no less accurate. */
static bool is_beaten(const struct ladder *stage, int rung)
{
	const struct policy_rung *own = &stage->rungs[rung];
	uint64_t macs = engine_plan_macs(stage->details[rung].plan);

	for (int i = 0; i < stage->n_rungs; i++) {
		const struct policy_rung *other = &stage->rungs[i];
		uint64_t others = engine_plan_macs(stage->details[i].plan);
		bool better = others < macs || other->accuracy > own->accuracy || i < rung;

		if (i != rung && other->lane == own->lane && others <= macs && other->accuracy >= own->accuracy &&
		    better)
			return true;
	}
	return false;
}

static int count(const struct joiner *j)
{
	int n = 0;

	for (int b = 0; b < j->landmarks->n_rungs; b++) {
		n += !j->left_out[LADDER_LANDMARKS][b];
		for (int a = 0; a < j->detector->n_rungs; a++)
			n += !j->left_out[LADDER_LANDMARKS][b] && !j->left_out[LADDER_DETECTOR][a] &&
			     j->detector->rungs[a].lane == j->landmarks->rungs[b].lane;
	}
	return n;
}

static int thin_out(struct joiner *j)
{
	if (count(j) <= POLICY_RUNGS_MAX)
		return 0;
	for (int a = 0; a < j->detector->n_rungs; a++)
		j->left_out[LADDER_DETECTOR][a] = is_beaten(j->detector, a);
	for (int b = 0; b < j->landmarks->n_rungs; b++)
		j->left_out[LADDER_LANDMARKS][b] = is_beaten(j->landmarks, b);
	if (count(j) <= POLICY_RUNGS_MAX)
		return 0;
	snprintf(
		j->error->text, sizeof(j->error->text),
		"the rungs of both stages make %d together, and %d are possible: give a stage fewer variants or inputs",
		count(j), POLICY_RUNGS_MAX);
	return -E2BIG;
}

static float best_accuracy(const struct ladder *stage)
{
	float best = 0;

	for (int i = 0; i < stage->n_rungs; i++)
		best = fmaxf(best, stage->rungs[i].accuracy);
	return best;
}

/* a: of the detector, -1: not run. */
static int add_rung(struct joiner *j, int a, int b)
{
	struct ladder *ladder = j->ladder;
	const struct ladder_rung *landmarks = &j->landmarks->details[b],
				 *detector = a < 0 ? NULL : &j->detector->details[a];
	struct ladder_rung *detail = &ladder->details[ladder->n_rungs];
	struct policy_rung *rung = &ladder->rungs[ladder->n_rungs];
	const char *first = detector ? detector->name : "tracked";
	char name[2 * sizeof(detail->name)];

	/* The lane is named once, at the end. */
	snprintf(name, sizeof(name), "%.*s+%s", (int)strcspn(first, "/"), first, landmarks->name);
	if (strlen(name) > IPC_NAME_MAX) {
		snprintf(j->error->text, sizeof(j->error->text),
			 "the rung's name %s is longer than %d bytes; shorten those of the stages' variants", name,
			 IPC_NAME_MAX);
		return -ENAMETOOLONG;
	}
	memcpy(detail->name, name, strlen(name) + 1);
	*rung = j->landmarks->rungs[b];
	rung->phase = a < 0 ? LADDER_TRACKED : LADDER_FULL;
	rung->accuracy *= a < 0 ? best_accuracy(j->detector) : j->detector->rungs[a].accuracy;
	detail->estimated = rung->accuracy;
	detail->own_size = landmarks->own_size && (!detector || detector->own_size);
	detail->part[LADDER_DETECTOR] = (int16_t)a;
	detail->part[LADDER_LANDMARKS] = (int16_t)b;
	ladder->n_rungs++;
	return 0;
}

static int add_phase(struct joiner *j, enum ladder_phase phase)
{
	int rc = 0;

	for (int b = 0; b < j->landmarks->n_rungs && rc == 0; b++) {
		if (j->left_out[LADDER_LANDMARKS][b])
			continue;
		if (phase == LADDER_TRACKED)
			rc = add_rung(j, -1, b);
		for (int a = 0; phase == LADDER_FULL && a < j->detector->n_rungs && rc == 0; a++)
			if (!j->left_out[LADDER_DETECTOR][a] &&
			    j->detector->rungs[a].lane == j->landmarks->rungs[b].lane)
				rc = add_rung(j, a, b);
	}
	return rc;
}

/* The most accurate rung of the other phase with the same landmark rung. */
static int find_twin(const struct ladder *ladder, int rung)
{
	int found = -1;

	for (int i = 0; i < ladder->n_rungs; i++)
		if (ladder->rungs[i].phase != ladder->rungs[rung].phase &&
		    ladder->details[i].part[LADDER_LANDMARKS] == ladder->details[rung].part[LADDER_LANDMARKS] &&
		    (found < 0 || ladder->rungs[i].accuracy > ladder->rungs[found].accuracy))
			found = i;
	return found;
}

/* The networks are the stages'; what is left is how they are joined. */
static uint64_t digest(const struct ladder *ladder)
{
	uint64_t hash = identity_add_number(IDENTITY_START, ladder->n_rungs);

	for (int i = 0; i < CONFIG_STAGES; i++)
		hash = identity_add_number(hash, (int64_t)ladder->stage[i]->digest);
	for (int i = 0; i < ladder->n_rungs; i++)
		hash = identity_add_text(hash, ladder->details[i].name);
	return hash;
}

static void take_over(struct ladder *ladder)
{
	const struct ladder *detector = ladder->stage[LADDER_DETECTOR];
	struct ladder *landmarks = ladder->stage[LADDER_LANDMARKS];

	/* Regions are turned, and only single samples can follow that. */
	landmarks->normalize.sampling = ENGINE_SAMPLING_POINT;
	ladder->task = landmarks->task;
	ladder->decode = landmarks->decode;
	ladder->normalize = landmarks->normalize;
	ladder->n_outputs = landmarks->n_outputs;
	ladder->n_variants = landmarks->n_variants;
	for (int i = 0; i < landmarks->n_variants; i++)
		memcpy(ladder->variants[i].name, landmarks->variants[i].name, sizeof(ladder->variants[i].name));
	ladder->bytes = detector->bytes + landmarks->bytes;
	ladder->arena_bytes =
		detector->arena_bytes > landmarks->arena_bytes ? detector->arena_bytes : landmarks->arena_bytes;
}

int joint_fill(struct ladder *ladder, struct config_error *ret_error)
{
	struct joiner j = {.ladder = ladder,
			   .detector = ladder->stage[LADDER_DETECTOR],
			   .landmarks = ladder->stage[LADDER_LANDMARKS],
			   .error = ret_error};
	int rc = thin_out(&j);

	take_over(ladder);
	for (int phase = 0; phase < POLICY_PHASES && rc == 0; phase++)
		rc = add_phase(&j, (enum ladder_phase)phase);
	if (rc < 0)
		return rc;
	for (int i = 0; i < ladder->n_rungs; i++)
		ladder->details[i].twin = (int16_t)find_twin(ladder, i);
	ladder->digest = digest(ladder);
	return 0;
}

int joint_warm_up(struct ladder *ladder, int rung, struct worker *worker)
{
	struct ladder_rung *detail = &ladder->details[rung];
	float sum_us = 0;
	int rc = 0;

	for (int i = 0; i < CONFIG_STAGES && rc == 0; i++) {
		struct ladder *stage = ladder->stage[i];
		int part = detail->part[i];

		if (part < 0)
			continue;
		if (!(stage->details[part].warm_us > 0))
			rc = ladder_warm_up(stage, part, worker);
		sum_us += stage->details[part].warm_us;
	}
	if (rc == 0)
		detail->warm_us = sum_us;
	return rc;
}

void joint_estimate(struct ladder *ladder)
{
	for (int i = 0; i < CONFIG_STAGES; i++)
		ladder_settle(ladder->stage[i]);
	for (int i = 0; i < ladder->n_rungs; i++) {
		struct ladder_rung *detail = &ladder->details[i];

		if (detail->warm_us > 0)
			continue;
		for (int stage = 0; stage < CONFIG_STAGES; stage++)
			if (detail->part[stage] >= 0)
				detail->warm_us += ladder->stage[stage]->rungs[detail->part[stage]].prior_us;
	}
}
