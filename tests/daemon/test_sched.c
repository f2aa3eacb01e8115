#include "daemon/sched.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

TEST_SUITE(sched);

static struct sched_job job_with_deadline(int64_t deadline_us)
{
	return (struct sched_job){.deadline_us = deadline_us};
}

static void submit(struct sched *sched, struct sched_queue *queue, struct sched_job *job)
{
	struct sched_job *replaced;

	cr_assert_eq(sched_submit(sched, queue, job, &replaced), 0);
	cr_assert_null(replaced);
}

Test(sched, earliest_deadline_goes_first_and_ties_by_arrival)
{
	struct sched sched;
	struct sched_queue queues[3];
	struct sched_job late = job_with_deadline(300), early = job_with_deadline(100), tie = job_with_deadline(100);
	struct sched_job *const order[] = {&early, &tie, &late};

	sched_init(&sched);
	for (int i = 0; i < 3; i++)
		sched_queue_init(&queues[i], false, 4, 1);
	submit(&sched, &queues[0], &late);
	submit(&sched, &queues[1], &early);
	submit(&sched, &queues[2], &tie);
	cr_assert_eq(sched.waiting, 3);
	for (int i = 0; i < 3; i++) {
		sched_begin(&sched, 0);
		cr_assert_eq(sched_peek(&sched), order[i]);
		sched_remove(&sched, order[i]);
	}
	sched_begin(&sched, 0);
	cr_assert_null(sched_peek(&sched));
	cr_assert_eq(sched.waiting, 0);
}

Test(sched, stream_keeps_its_order)
{
	struct sched sched;
	struct sched_queue queue;
	struct sched_job first = job_with_deadline(SCHED_NO_DEADLINE), second = job_with_deadline(50);

	sched_init(&sched);
	sched_queue_init(&queue, false, 2, 1);
	submit(&sched, &queue, &first);
	submit(&sched, &queue, &second);
	sched_begin(&sched, 0);
	cr_assert_eq(sched_peek(&sched), &first);
}

Test(sched, full_queue_refuses)
{
	struct sched sched;
	struct sched_queue queue;
	struct sched_job jobs[3] = {job_with_deadline(1), job_with_deadline(2), job_with_deadline(3)}, *replaced;

	sched_init(&sched);
	sched_queue_init(&queue, false, 2, 1);
	submit(&sched, &queue, &jobs[0]);
	submit(&sched, &queue, &jobs[1]);
	cr_assert_eq(sched_submit(&sched, &queue, &jobs[2], &replaced), -ENOBUFS);
	cr_assert_null(jobs[2].queue);
	cr_assert_eq(sched.waiting, 2);
}

Test(sched, latest_only_keeps_one)
{
	struct sched sched;
	struct sched_queue queue;
	struct sched_job jobs[3] = {job_with_deadline(1), job_with_deadline(2), job_with_deadline(3)}, *replaced;

	sched_init(&sched);
	sched_queue_init(&queue, true, 4, 1);
	submit(&sched, &queue, &jobs[0]);
	for (int i = 1; i < 3; i++) {
		cr_assert_eq(sched_submit(&sched, &queue, &jobs[i], &replaced), 0);
		cr_assert_eq(replaced, &jobs[i - 1]);
	}
	cr_assert_eq(sched.waiting, 1);
	sched_begin(&sched, 0);
	cr_assert_eq(sched_peek(&sched), &jobs[2]);
}

Test(sched, expired_jobs_leave_wherever_they_stand)
{
	struct sched sched;
	struct sched_queue queues[2];
	struct sched_job keeps = job_with_deadline(SCHED_NO_DEADLINE), expires = job_with_deadline(100),
			 later = job_with_deadline(200);

	sched_init(&sched);
	sched_queue_init(&queues[0], false, 4, 1);
	sched_queue_init(&queues[1], false, 4, 1);
	submit(&sched, &queues[0], &keeps);
	submit(&sched, &queues[0], &expires);
	submit(&sched, &queues[1], &later);
	cr_assert_null(sched_take_expired(&sched, 99));
	cr_assert_eq(sched_take_expired(&sched, 100), &expires);
	cr_assert_null(sched_take_expired(&sched, 100));
	cr_assert_null(sched_take_expired(&sched, 199));
	cr_assert_eq(sched_take_expired(&sched, 1000), &later);
	cr_assert_null(sched_take_expired(&sched, INT64_MAX - 1));
	cr_assert_eq(sched.waiting, 1);
}

Test(sched, deferred_job_does_not_block_others_and_is_asked_again)
{
	struct sched sched;
	struct sched_queue queues[2];
	struct sched_job first = job_with_deadline(1), behind = job_with_deadline(2), other = job_with_deadline(3);

	sched_init(&sched);
	sched_queue_init(&queues[0], false, 4, 1);
	sched_queue_init(&queues[1], false, 4, 1);
	submit(&sched, &queues[0], &first);
	submit(&sched, &queues[0], &behind);
	submit(&sched, &queues[1], &other);
	sched_begin(&sched, 0);
	sched_defer(&sched, sched_peek(&sched));
	cr_assert_eq(sched_peek(&sched), &other);
	sched_defer(&sched, &other);
	cr_assert_null(sched_peek(&sched));
	sched_begin(&sched, 0);
	cr_assert_eq(sched_peek(&sched), &first);
}

/* Against a plain list: whatever is submitted and taken, nothing is lost and the choice is the same. */
Test(sched, random_work_matches_a_plain_list)
{
	enum { QUEUES = 4, JOBS = 64 };
	struct sched sched;
	struct sched_queue queues[QUEUES];
	struct sched_job jobs[JOBS];
	int where[JOBS], arrival[JOBS], arrivals = 0, waiting = 0;

	sched_init(&sched);
	for (int i = 0; i < QUEUES; i++)
		sched_queue_init(&queues[i], false, JOBS, 1);
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = job_with_deadline(0);
		where[i] = -1;
	}
	for (int step = 0; step < 20000; step++) {
		int i = (int)test_random_range(0, JOBS - 1), best = -1;

		if (where[i] < 0) {
			where[i] = (int)test_random_range(0, QUEUES - 1);
			arrival[i] = arrivals++;
			jobs[i].deadline_us = test_random_range(0, 20);
			submit(&sched, &queues[where[i]], &jobs[i]);
			waiting++;
		} else if (test_random_range(0, 3) == 0) {
			where[i] = -1;
			sched_remove(&sched, &jobs[i]);
			waiting--;
		} else {
			for (int j = 0; j < JOBS; j++) {
				bool heads = where[j] >= 0;

				for (int k = 0; k < JOBS && heads; k++)
					heads = where[k] != where[j] || arrival[k] >= arrival[j];
				if (heads &&
				    (best < 0 || jobs[j].deadline_us < jobs[best].deadline_us ||
				     (jobs[j].deadline_us == jobs[best].deadline_us && arrival[j] < arrival[best])))
					best = j;
			}
			sched_begin(&sched, 0);
			cr_assert_eq(sched_peek(&sched), best < 0 ? NULL : &jobs[best]);
		}
		cr_assert_eq(sched.waiting, waiting);
	}
}

Test(sched, a_higher_class_goes_first_and_a_minimum_rate_before_that)
{
	struct sched sched;
	struct sched_queue high, low;
	struct sched_job highs[4], lows[2];

	sched_init(&sched);
	sched_queue_init(&high, false, 4, 1);
	sched_queue_init(&low, false, 4, 1);
	high.class = 2;
	low.period_us = 1000;
	for (int i = 0; i < 4; i++) {
		highs[i] = job_with_deadline(SCHED_NO_DEADLINE);
		submit(&sched, &high, &highs[i]);
	}
	for (int i = 0; i < 2; i++) {
		lows[i] = job_with_deadline(10);
		submit(&sched, &low, &lows[i]);
	}
	/* Its last start was long ago. */
	sched_begin(&sched, 5000);
	cr_assert_eq(sched_peek(&sched), &lows[0]);
	sched_start(&sched, &lows[0], 1);
	/* Behind in lane time and nearer to its deadline, but of the lower class. */
	for (int i = 0; i < 2; i++) {
		sched_begin(&sched, 5500);
		cr_assert_eq(sched_peek(&sched), &highs[i]);
		sched_start(&sched, &highs[i], 100000);
	}
	sched_begin(&sched, 5999);
	cr_assert_eq(sched_peek(&sched), &highs[2]);
	sched_defer(&sched, &highs[2]);
	cr_assert_eq(sched_peek(&sched), &lows[1]);
	sched_begin(&sched, 6000);
	cr_assert_eq(sched_peek(&sched), &lows[1]);
	while (sched_peek(&sched))
		sched_remove(&sched, sched_peek(&sched));
	cr_assert_eq(sched.waiting, 0);
}

/* One lane and streams that always have frames waiting; each frame takes its stream's cost, give or take half. */
enum { STREAMS = 12, BACKLOG = 2 };

struct load {
	struct sched sched;
	struct sched_queue queues[STREAMS];
	struct sched_job jobs[STREAMS][BACKLOG];
	int n_streams, backlog;
	int64_t now_us, used_us[STREAMS];
};

static void load_init(struct load *load, int n_streams, int backlog, const float *weights)
{
	sched_init(&load->sched);
	load->n_streams = n_streams;
	load->backlog = backlog;
	load->now_us = 0;
	for (int i = 0; i < n_streams; i++) {
		sched_queue_init(&load->queues[i], false, BACKLOG, weights[i]);
		load->used_us[i] = 0;
	}
}

static void load_feed(struct load *load, int stream)
{
	for (int j = 0; j < load->backlog; j++) {
		struct sched_job *job = &load->jobs[stream][j];

		if (job->queue)
			continue;
		job->deadline_us = load->now_us + 500000;
		submit(&load->sched, &load->queues[stream], job);
	}
}

/* Runs one frame; what is expected of it is a third too little. */
static void load_step(struct load *load, const int64_t *costs_us)
{
	struct sched_job *job;
	int64_t took, expected;
	int stream = 0;

	sched_begin(&load->sched, 0);
	job = sched_peek(&load->sched);
	while (job->queue != &load->queues[stream])
		stream++;
	took = test_random_range(costs_us[stream] / 2, costs_us[stream] * 3 / 2);
	expected = took * 2 / 3;
	sched_start(&load->sched, job, expected);
	load->now_us += took;
	load->used_us[stream] += took;
	sched_charge(&load->queues[stream], took - expected);
}

static void expect_shares(const struct load *load, const double *shares)
{
	int64_t total = 0;

	for (int i = 0; i < load->n_streams; i++)
		total += load->used_us[i];
	for (int i = 0; i < load->n_streams; i++)
		cr_assert_float_eq((double)load->used_us[i] / (double)total, shares[i], 0.01, "stream %d: %.3f", i,
				   (double)load->used_us[i] / (double)total);
}

Test(sched, lane_time_is_shared_by_weight_and_not_by_count)
{
	static const float weights[] = {1, 2, 4}, equal[] = {1, 1, 1};
	static const int64_t same_us[] = {8000, 8000, 8000}, different_us[] = {2000, 8000, 30000};
	struct load load = {0};

	load_init(&load, 3, BACKLOG, weights);
	for (int i = 0; i < 5000; i++) {
		for (int s = 0; s < 3; s++)
			load_feed(&load, s);
		load_step(&load, same_us);
	}
	expect_shares(&load, (const double[]){1 / 7.0, 2 / 7.0, 4 / 7.0});
	load = (struct load){0};
	load_init(&load, 3, BACKLOG, equal);
	for (int i = 0; i < 5000; i++) {
		for (int s = 0; s < 3; s++)
			load_feed(&load, s);
		load_step(&load, different_us);
	}
	expect_shares(&load, (const double[]){1 / 3.0, 1 / 3.0, 1 / 3.0});
}

/* Clients that wait for each answer: their queues are empty while their frame runs, and keep their place. */
Test(sched, weights_hold_for_streams_with_one_frame_at_a_time)
{
	static const float weights[STREAMS] = {1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4};
	static const int64_t costs_us[STREAMS] = {3000, 3000, 3000, 3000, 3000, 3000,
						  3000, 3000, 3000, 3000, 3000, 3000};
	struct load load = {0};
	double shares[STREAMS];
	int ran = -1;

	load_init(&load, STREAMS, 1, weights);
	for (int i = 0; i < 20000; i++) {
		int64_t used[STREAMS];

		/* The client whose frame ran last submits again only after the lane took the next. */
		for (int s = 0; s < STREAMS; s++)
			if (s != ran)
				load_feed(&load, s);
		memcpy(used, load.used_us, sizeof(used));
		load_step(&load, costs_us);
		for (int s = 0; s < STREAMS; s++)
			if (load.used_us[s] != used[s])
				ran = s;
	}
	for (int s = 0; s < STREAMS; s++)
		shares[s] = (double)weights[s] / 28;
	expect_shares(&load, shares);
}

Test(sched, absence_earns_no_credit)
{
	static const float equal[] = {1, 1, 1};
	static const int64_t costs_us[] = {8000, 8000, 8000};
	struct load load = {0};

	load_init(&load, 3, BACKLOG, equal);
	/* Two have the lane to themselves for a while; the third then gets a third and no more. */
	for (int i = 0; i < 1000; i++) {
		load_feed(&load, 0);
		load_feed(&load, 1);
		load_step(&load, costs_us);
	}
	for (int s = 0; s < 3; s++)
		load.used_us[s] = 0;
	for (int i = 0; i < 1000; i++) {
		for (int s = 0; s < 3; s++)
			load_feed(&load, s);
		load_step(&load, costs_us);
	}
	expect_shares(&load, (const double[]){1 / 3.0, 1 / 3.0, 1 / 3.0});
}
