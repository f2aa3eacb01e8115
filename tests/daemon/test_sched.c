#include "daemon/sched.h"

#include <errno.h>

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
		sched_queue_init(&queues[i], false, 4);
	submit(&sched, &queues[0], &late);
	submit(&sched, &queues[1], &early);
	submit(&sched, &queues[2], &tie);
	cr_assert_eq(sched.waiting, 3);
	for (int i = 0; i < 3; i++) {
		sched_begin(&sched);
		cr_assert_eq(sched_peek(&sched), order[i]);
		sched_remove(&sched, order[i]);
	}
	sched_begin(&sched);
	cr_assert_null(sched_peek(&sched));
	cr_assert_eq(sched.waiting, 0);
}

Test(sched, stream_keeps_its_order)
{
	struct sched sched;
	struct sched_queue queue;
	struct sched_job first = job_with_deadline(SCHED_NO_DEADLINE), second = job_with_deadline(50);

	sched_init(&sched);
	sched_queue_init(&queue, false, 2);
	submit(&sched, &queue, &first);
	submit(&sched, &queue, &second);
	sched_begin(&sched);
	cr_assert_eq(sched_peek(&sched), &first);
}

Test(sched, full_queue_refuses)
{
	struct sched sched;
	struct sched_queue queue;
	struct sched_job jobs[3] = {job_with_deadline(1), job_with_deadline(2), job_with_deadline(3)}, *replaced;

	sched_init(&sched);
	sched_queue_init(&queue, false, 2);
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
	sched_queue_init(&queue, true, 4);
	submit(&sched, &queue, &jobs[0]);
	for (int i = 1; i < 3; i++) {
		cr_assert_eq(sched_submit(&sched, &queue, &jobs[i], &replaced), 0);
		cr_assert_eq(replaced, &jobs[i - 1]);
	}
	cr_assert_eq(sched.waiting, 1);
	sched_begin(&sched);
	cr_assert_eq(sched_peek(&sched), &jobs[2]);
}

Test(sched, expired_jobs_leave_wherever_they_stand)
{
	struct sched sched;
	struct sched_queue queues[2];
	struct sched_job keeps = job_with_deadline(SCHED_NO_DEADLINE), expires = job_with_deadline(100),
			 later = job_with_deadline(200);

	sched_init(&sched);
	sched_queue_init(&queues[0], false, 4);
	sched_queue_init(&queues[1], false, 4);
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
	sched_queue_init(&queues[0], false, 4);
	sched_queue_init(&queues[1], false, 4);
	submit(&sched, &queues[0], &first);
	submit(&sched, &queues[0], &behind);
	submit(&sched, &queues[1], &other);
	sched_begin(&sched);
	sched_defer(&sched, sched_peek(&sched));
	cr_assert_eq(sched_peek(&sched), &other);
	sched_defer(&sched, &other);
	cr_assert_null(sched_peek(&sched));
	sched_begin(&sched);
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
		sched_queue_init(&queues[i], false, JOBS);
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
			sched_begin(&sched);
			cr_assert_eq(sched_peek(&sched), best < 0 ? NULL : &jobs[best]);
		}
		cr_assert_eq(sched.waiting, waiting);
	}
}
