/*
 * sched.h - frames that wait: admitted, ordered, dropped.
 *
 * One bounded queue per stream, first in first out; across streams the frame with the earliest deadline goes
 * first, the earlier arrival breaking ties.  Owns nothing and allocates nothing: jobs and queues are embedded
 * in what the caller owns.  Knows no clock, no lanes and no sockets.  All calls come from one thread.
 *
 * A pass offers every queue's first job at most once, so that a job that waits for a certain lane does not
 * block the others:
 *
 *     sched_begin(s);
 *     while ((job = sched_peek(s)))
 *             startable(job) ? (sched_remove(s, job), start(job)) : sched_defer(s, job);
 */
#ifndef INFERD_SCHED_H
#define INFERD_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_NO_DEADLINE INT64_MAX

struct sched_queue;

struct sched_job {
	int64_t deadline_us; /* on the caller's clock, or SCHED_NO_DEADLINE; set before sched_submit */
	/* private to sched.c */
	struct sched_queue *queue; /* NULL: not waiting */
	struct sched_job *next, *prev;
	uint64_t arrival;
};

struct sched_queue {
	bool latest; /* a newer job replaces the waiting one */
	int limit;
	/* private to sched.c */
	int length;
	struct sched_job *first, *last;
	struct sched_queue *next, *prev; /* among the queues that hold a job */
	uint64_t deferred;		 /* the pass in which its first job was put aside */
};

struct sched {
	int waiting; /* jobs in all queues */
	/* private to sched.c */
	struct sched_queue *queues;
	uint64_t arrivals, pass;
	int64_t expiry_us; /* no waiting job's deadline is earlier */
};

void sched_init(struct sched *sched);
void sched_queue_init(struct sched_queue *queue, bool latest, int limit);

/*
 * Puts a job at the end of its queue.  0; -ENOBUFS the queue is full.  A latest-only queue gives up its waiting
 * job instead: *ret_replaced is that job, taken out, or NULL.
 */
int sched_submit(struct sched *sched, struct sched_queue *queue, struct sched_job *job,
		 struct sched_job **ret_replaced);

void sched_remove(struct sched *sched, struct sched_job *job); /* of a job that waits */

/* Takes out one job whose deadline is at or before now, or NULL. */
struct sched_job *sched_take_expired(struct sched *sched, int64_t now_us);

void sched_begin(struct sched *sched);
struct sched_job *sched_peek(struct sched *sched); /* stays in its queue; NULL: none left in this pass */
void sched_defer(struct sched *sched, struct sched_job *job);

#endif
