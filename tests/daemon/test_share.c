/*
 * test_share.c - shares of lane time: as they are filled up, and what policy and scheduler make of them together, on
 * one lane whose time is given.
 */
#include "daemon/share.h"

#include <math.h>
#include <string.h>

#include "policy/policy.h"
#include "support/test.h"

TEST_SUITE(share);

enum { RUNGS = 6, STREAMS = 6, SLOTS = 8 };

#define SECOND	    1000000
#define DEADLINE_US 400000

/* ---- what is filled up ---------------------------------------------------------------------------- */

struct party {
	struct sched_queue queue;
	struct share share;
};

static void party_init(struct party *party, float weight, float best_us, float quickest_us)
{
	memset(party, 0, sizeof(*party));
	sched_queue_init(&party->queue, false, SLOTS, weight);
	party->share.queue = &party->queue;
	party->share.best_us = best_us;
	party->share.quickest_us = quickest_us;
}

/* A second of frames that come by themselves, one an interval, and are run on the best rung. */
static int64_t pace(struct shares *shares, struct party *party, int64_t interval_us, int64_t from_us)
{
	int64_t now_us = from_us;

	for (; now_us < from_us + SECOND; now_us += interval_us) {
		share_arrived(shares, &party->share, now_us);
		share_run(shares, &party->share, party->share.best_us);
	}
	return now_us;
}

Test(share, alone_it_is_the_whole_lane)
{
	struct shares shares = {0};
	struct party a;
	int64_t now_us;

	party_init(&a, 1, 80000, 5000);
	share_arrived(&shares, &a.share, SECOND);
	cr_assert_eq(share_us(&shares, &a.share, 1, SECOND), 0, "one frame is no rate");
	now_us = pace(&shares, &a, 100000, SECOND + 100000);
	cr_assert_float_eq(share_us(&shares, &a.share, 1, now_us), 100000, 100);
	cr_assert_float_eq(share_us(&shares, &a.share, 2, now_us + SECOND / 10), 200000, 200);
}

Test(share, what_one_leaves_the_other_has)
{
	struct shares shares = {0};
	struct party light, heavy;
	int64_t now_us;

	/* Wants 0.2 lanes of a weight that would be worth four fifths. */
	party_init(&light, 4, 20000, 5000);
	party_init(&heavy, 1, 150000, 5000);
	pace(&shares, &light, 100000, SECOND);
	now_us = pace(&shares, &heavy, 100000, SECOND);
	cr_assert_float_eq(share_us(&shares, &heavy.share, 1, now_us), 80000, 500);
	/* And when it does not send at all, everything. */
	now_us = pace(&shares, &heavy, 100000, now_us);
	now_us = pace(&shares, &heavy, 100000, now_us);
	now_us = pace(&shares, &heavy, 100000, now_us);
	cr_assert_float_eq(share_us(&shares, &heavy.share, 1, now_us), 100000, 500);
	share_leave(&shares, &light.share);
	share_leave(&shares, &light.share);
	cr_assert_float_eq(share_us(&shares, &heavy.share, 1, now_us), 100000, 500);
}

Test(share, the_rest_is_divided_by_weight_after_minimum_rates)
{
	struct shares shares = {0};
	struct party parties[3];
	int64_t now_us = 0;

	for (int i = 0; i < 3; i++)
		party_init(&parties[i], i < 2 ? (float)(1 + i) : 0.01f, 200000, 20000);
	/* Five frames a second at 20 ms: a tenth of the lane, whatever its weight. */
	parties[2].queue.period_us = 200000;
	for (int i = 0; i < 3; i++)
		now_us = pace(&shares, &parties[i], 100000, SECOND);
	cr_assert_float_eq(share_us(&shares, &parties[0].share, 1, now_us), 30000, 300);
	cr_assert_float_eq(share_us(&shares, &parties[1].share, 1, now_us), 60000, 300);
	cr_assert_float_eq(share_us(&shares, &parties[2].share, 1, now_us), 10000, 300);
}

Test(share, what_is_not_used_is_lent)
{
	struct shares shares = {0};
	struct party a, b;
	int64_t now_us;

	party_init(&a, 1, 80000, 5000);
	party_init(&b, 1, 80000, 5000);
	pace(&shares, &a, 100000, SECOND);
	now_us = pace(&shares, &b, 100000, SECOND);
	cr_assert_float_eq(share_us(&shares, &a.share, 1, now_us), 50000, 500);
	/* Not at the first frame that takes less, but after a while. */
	share_run(&shares, &b.share, 20000);
	cr_assert_leq(share_us(&shares, &a.share, 1, now_us), 50000);
	for (int i = 0; i < 100; i++)
		share_run(&shares, &b.share, 20000);
	cr_assert_float_eq(share_us(&shares, &a.share, 1, now_us), 80000, 500);
	cr_assert_float_eq(share_us(&shares, &b.share, 1, now_us), 50000, 500, "its own share remains");
	share_run(&shares, &b.share, 40000);
	cr_assert_float_eq(share_us(&shares, &a.share, 1, now_us), 60000, 500, "taken back at once");
}

Test(share, a_higher_class_leaves_the_others_their_minimum)
{
	struct shares shares = {0};
	struct party high, low;
	int64_t now_us;

	party_init(&high, 1, 200000, 20000);
	party_init(&low, 1, 200000, 20000);
	high.queue.class = 2;
	low.queue.period_us = 200000;
	pace(&shares, &high, 100000, SECOND);
	now_us = pace(&shares, &low, 100000, SECOND);
	cr_assert_float_eq(share_us(&shares, &high.share, 1, now_us), 90000, 500);
	cr_assert_float_eq(share_us(&shares, &low.share, 1, now_us), 10000, 500);
}

/* Its frames come as quickly as they are served: a rate that would shrink its own budget. */
Test(share, a_client_that_waits_for_answers_keeps_its_minimum_rate_only)
{
	struct shares shares = {0};
	struct party a;
	int64_t now_us = SECOND;

	party_init(&a, 1, 80000, 5000);
	for (int i = 0; i < 100; i++, now_us += 5500) {
		share_arrived(&shares, &a.share, now_us);
		share_answered(&a.share, now_us + 5100);
	}
	cr_assert_eq(share_us(&shares, &a.share, 1, now_us), 0);
	a.queue.period_us = 500000;
	cr_assert_float_eq(share_us(&shares, &a.share, 1, now_us + SECOND), 500000, 5000);
}

/* Its frames come the quicker the quicker they are run: to keep up with that would end on the quickest rung. */
Test(share, a_client_that_thinks_between_answer_and_frame_is_not_held_to_its_pace)
{
	struct shares shares = {0};
	struct party party;
	int64_t now_us = SECOND;

	party_init(&party, 1, 80000, 5000);
	for (int i = 0; i < 50; i++) {
		share_arrived(&shares, &party.share, now_us);
		share_run(&shares, &party.share, 5000);
		share_answered(&party.share, now_us + 5000);
		now_us += 9000;
	}
	cr_assert_eq(share_us(&shares, &party.share, 1, now_us), 0);
	/* A camera that does not wait for answers is. */
	for (int i = 0; i < 50; i++) {
		share_arrived(&shares, &party.share, now_us);
		if (i % 2)
			share_answered(&party.share, now_us + 5000);
		now_us += 9000;
	}
	cr_assert_float_eq(share_us(&shares, &party.share, 1, now_us), 9000, 100);
}

Test(share, frames_that_may_be_replaced_ask_for_the_minimum_rate_only)
{
	struct shares shares = {0};
	struct party a;
	int64_t now_us;

	party_init(&a, 1, 80000, 5000);
	a.queue.latest = true;
	a.queue.period_us = 500000;
	now_us = pace(&shares, &a, 33000, SECOND);
	cr_assert_float_eq(share_us(&shares, &a.share, 1, now_us), 500000, 5000);
}

/* ---- policy and scheduler together ---------------------------------------------------------------- */

/* A camera: a frame an interval, a queue as its slots allow, a policy of its own. */
struct camera {
	struct party party;
	struct policy_state state;
	int64_t interval_us, next_us, used_us;
	int sent, answered, late, dropped;
	double accuracy;
	struct sched_job jobs[SLOTS];
	int64_t arrived_us[SLOTS];
};

struct lane {
	struct sched sched;
	struct shares shares;
	struct policy_params params;
	struct policy_rung rungs[RUNGS];
	struct policy_latency latency;
	struct camera cameras[STREAMS];
	int n_cameras;
	int64_t now_us;
};

/* Half as long from rung to rung, and it takes what it is thought to. */
static void lane_init(struct lane *lane, int n_cameras)
{
	memset(lane, 0, sizeof(*lane));
	sched_init(&lane->sched);
	policy_params_init(&lane->params);
	for (int i = 0; i < RUNGS; i++)
		lane->rungs[i] = (struct policy_rung){.variant = (uint16_t)i,
						      .width = (uint16_t)(256 - i),
						      .height = (uint16_t)(256 - i),
						      .channels = 3,
						      .threads = 1,
						      .accuracy = 0.8f - 0.04f * (float)i,
						      .prior_us = 80000.0f / (float)(1 << i)};
	policy_latency_init(&lane->latency, lane->rungs, RUNGS);
	for (int i = 0; i < 300; i++)
		policy_latency_observe(&lane->latency, &lane->params, lane->rungs, i % RUNGS,
				       lane->rungs[i % RUNGS].prior_us, NAN, (i + 1) * (int64_t)1000);
	lane->n_cameras = n_cameras;
	lane->now_us = SECOND;
}

static void camera_init(struct lane *lane, int index, float weight, int64_t interval_us, float min_fps)
{
	struct camera *camera = &lane->cameras[index];

	party_init(&camera->party, weight, lane->rungs[0].prior_us, lane->rungs[RUNGS - 1].prior_us);
	camera->party.queue.period_us = min_fps > 0 ? (int64_t)(1e6f / min_fps) : 0;
	policy_state_init(&camera->state);
	camera->interval_us = interval_us;
	camera->next_us = lane->now_us + index * 1000;
}

static struct camera *camera_of(struct lane *lane, const struct sched_job *job)
{
	int i = 0;

	while (job < lane->cameras[i].jobs || job >= lane->cameras[i].jobs + SLOTS)
		i++;
	return &lane->cameras[i];
}

/* Frames that are due by now; one for which no slot is free is lost. */
static void submit_due(struct lane *lane)
{
	for (int i = 0; i < lane->n_cameras; i++) {
		struct camera *camera = &lane->cameras[i];

		for (; camera->next_us <= lane->now_us; camera->next_us += camera->interval_us) {
			struct sched_job *replaced;
			int slot = 0;

			camera->sent++;
			while (slot < SLOTS && camera->jobs[slot].queue)
				slot++;
			if (slot == SLOTS) {
				camera->dropped++;
				continue;
			}
			camera->arrived_us[slot] = camera->next_us;
			camera->jobs[slot].deadline_us = camera->next_us + DEADLINE_US;
			share_arrived(&lane->shares, &camera->party.share, camera->next_us);
			cr_assert_eq(sched_submit(&lane->sched, &camera->party.queue, &camera->jobs[slot], &replaced),
				     0);
		}
	}
}

static void drop_expired(struct lane *lane)
{
	struct sched_job *job;

	while ((job = sched_take_expired(&lane->sched, lane->now_us)))
		camera_of(lane, job)->dropped++;
}

static int decide(struct lane *lane, struct camera *camera, int64_t arrived_us)
{
	struct policy_sample sample = {.now_us = lane->now_us, .deadline_us = DEADLINE_US, .n_lanes = 1};
	struct policy_decision decision;

	sample.queued_us = lane->now_us - arrived_us;
	sample.queue_depth = camera->party.queue.length - 1 + lane->sched.n_queues - 1;
	sample.temp_c = sample.temp_limit_c = sample.cpu_pressure = sample.cpu_load = sample.battery = NAN;
	sample.motion = sample.blur = sample.freq_cap[0] = NAN;
	sample.share_us = share_us(&lane->shares, &camera->party.share, 1, lane->now_us);
	policy_decide(&lane->params, lane->rungs, RUNGS, &lane->latency, &sample, &camera->state, &decision);
	return decision.rung;
}

/* The lane takes the next frame, or waits for one. */
static void lane_step(struct lane *lane)
{
	struct sched_job *job;
	struct camera *camera;
	int64_t took_us;
	int rung;

	submit_due(lane);
	drop_expired(lane);
	sched_begin(&lane->sched, lane->now_us);
	job = sched_peek(&lane->sched);
	if (!job) {
		lane->now_us += 500;
		return;
	}
	camera = camera_of(lane, job);
	rung = decide(lane, camera, camera->arrived_us[job - camera->jobs]);
	if (rung < 0) {
		sched_remove(&lane->sched, job);
		camera->dropped++;
		return;
	}
	took_us = (int64_t)lane->rungs[rung].prior_us;
	sched_start(&lane->sched, job, took_us);
	share_run(&lane->shares, &camera->party.share, (float)took_us);
	lane->now_us += took_us;
	camera->used_us += took_us;
	camera->answered++;
	camera->late += lane->now_us > job->deadline_us;
	camera->accuracy += (double)lane->rungs[rung].accuracy;
	share_answered(&camera->party.share, lane->now_us);
}

/* The first ten seconds, in which rates are learned, do not count. */
static void lane_run(struct lane *lane, int seconds)
{
	int64_t begin_us = lane->now_us + 10 * (int64_t)SECOND;

	while (lane->now_us < begin_us)
		lane_step(lane);
	for (int i = 0; i < lane->n_cameras; i++) {
		struct camera *camera = &lane->cameras[i];

		camera->used_us = camera->sent = camera->answered = camera->late = camera->dropped = 0;
		camera->accuracy = 0;
	}
	while (lane->now_us < begin_us + seconds * (int64_t)SECOND)
		lane_step(lane);
}

static double share_of(const struct lane *lane, int index)
{
	int64_t all_us = 0;

	for (int i = 0; i < lane->n_cameras; i++)
		all_us += lane->cameras[i].used_us;
	return (double)lane->cameras[index].used_us / (double)all_us;
}

/* Each would take the lane for 0.8 of every second: together they keep their rates on lesser rungs. */
Test(share, rates_are_kept_where_the_best_rungs_would_not_fit)
{
	static struct lane lane;

	lane_init(&lane, 2);
	camera_init(&lane, 0, 1, 100000, 0);
	camera_init(&lane, 1, 4, 100000, 0);
	lane_run(&lane, 60);
	for (int i = 0; i < 2; i++)
		cr_assert_leq(lane.cameras[i].late + lane.cameras[i].dropped, lane.cameras[i].sent / 100,
			      "camera %d: %d, %d", i, lane.cameras[i].late, lane.cameras[i].dropped);
	/* Four fifths of the lane are 80 ms a frame, the best rung; a fifth is 20, of which a tenth is left free. */
	cr_assert_float_eq(lane.cameras[1].accuracy / lane.cameras[1].answered, 0.8, 0.01);
	cr_assert_float_eq(lane.cameras[0].accuracy / lane.cameras[0].answered, 0.68, 0.01);
}

/* Floods with 200 frames a second; everybody else goes on as if it was not there, but for what its weight is worth. */
Test(share, a_flood_takes_no_rate_from_the_others)
{
	static struct lane lane;

	lane_init(&lane, 4);
	camera_init(&lane, 0, 1, 200000, 5);
	camera_init(&lane, 1, 1, 100000, 2);
	camera_init(&lane, 2, 2, 100000, 2);
	camera_init(&lane, 3, 4, 5000, 0);
	lane_run(&lane, 120);
	for (int i = 0; i < 3; i++) {
		struct camera *camera = &lane.cameras[i];

		cr_assert_leq(camera->late + camera->dropped, camera->sent / 50, "camera %d: %d late, %d dropped of %d",
			      i, camera->late, camera->dropped, camera->sent);
	}
}

/* All have more than they can get: the lane's time goes by weight. */
Test(share, floods_share_by_weight)
{
	static struct lane lane;
	static const float weights[] = {1, 2, 4};

	lane_init(&lane, 3);
	for (int i = 0; i < 3; i++)
		camera_init(&lane, i, weights[i], 4000, 0);
	lane_run(&lane, 120);
	for (int i = 0; i < 3; i++)
		cr_assert_float_eq(share_of(&lane, i) / ((double)weights[i] / 7), 1, 0.05, "camera %d: %.3f", i,
				   share_of(&lane, i));
}

/* A weight that is worth next to nothing beside a flood of many times its weight. */
Test(share, a_minimum_rate_is_kept_whatever_the_weights)
{
	static struct lane lane;

	lane_init(&lane, 3);
	camera_init(&lane, 0, 0.01f, 200000, 5);
	camera_init(&lane, 1, 10, 4000, 0);
	camera_init(&lane, 2, 10, 4000, 0);
	lane_run(&lane, 120);
	cr_assert_geq(lane.cameras[0].answered - lane.cameras[0].late, 5 * 120 * 99 / 100, "%d answered, %d late",
		      lane.cameras[0].answered, lane.cameras[0].late);
	cr_assert_float_eq(share_of(&lane, 1) / share_of(&lane, 2), 1, 0.05);
	/* And for no more than it takes on the quickest rung. */
	cr_assert_leq(share_of(&lane, 0), 0.02);
}
