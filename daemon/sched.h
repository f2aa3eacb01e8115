/*
 * sched.h - frames that wait: admitted, ordered, dropped.
 *
 * One bounded queue per stream, first in first out.  Across streams lane time is shared by weight, as measured and not
 * by count: each queue has a virtual time, the lane time it was charged over its weight, and those furthest behind go
 * first (start-time fair queueing: Goyal, Vin, Cheng, 1996).  Among queues that are as good as level the frame with the
 * earliest deadline goes first, the earlier arrival breaking ties.  A queue that was empty keeps no credit for that.
 *
 * Before shares come classes: a queue of a higher class goes first.  Before classes come minimum rates: a queue whose
 * last start lies a period back or more is due, so that no class starves.  Where more is due than there is time, all
 * that is due shares by weight as above.
 *
 * Owns nothing and allocates nothing: jobs and queues are embedded in what the caller owns.  Knows no clock, no lanes
 * and no sockets.  All calls come from one thread.
 *
 * A pass offers every queue's first job at most once, so that a job that waits for a certain lane does not
 * block the others:
 *
 *     sched_begin(s, now);
 *     while ((job = sched_peek(s)))
 *             startable(job) ? (sched_start(s, job, us), start(job)) : sched_defer(s, job);
 */
#ifndef INFERD_SCHED_H
#define INFERD_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_NO_DEADLINE INT64_MAX
/* Queues are level when their virtual times are no further apart: a few frames of a small network. */
#define SCHED_LEVEL_US 20000

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
	/* May be changed at any time: */
	float weight;	   /* above 0 */
	int class;	   /* a higher one goes first */
	int64_t period_us; /* of the minimum rate; 0 none */
	/* private to sched.c */
	int length;
	int64_t virtual_us, due_us;
	struct sched_job *first, *last;
	struct sched_queue *next, *prev; /* among the queues that hold a job */
	uint64_t deferred;		 /* the pass in which its first job was put aside */
};

struct sched {
	int waiting;  /* jobs in all queues */
	int n_queues; /* that hold a job */
	/* private to sched.c */
	struct sched_queue *queues;
	uint64_t arrivals, pass;
	int64_t expiry_us;  /* no waiting job's deadline is earlier */
	int64_t virtual_us; /* of the queue furthest behind when a job was started; where one that was empty begins */
	int64_t now_us;	    /* of the pass */
};

void sched_init(struct sched *sched);
void sched_queue_init(struct sched_queue *queue, bool latest, int limit, float weight);

/*
 * Puts a job at the end of its queue.  0; -ENOBUFS the queue is full.  A latest-only queue gives up its waiting
 * job instead: *ret_replaced is that job, taken out, or NULL.
 */
int sched_submit(struct sched *sched, struct sched_queue *queue, struct sched_job *job,
		 struct sched_job **ret_replaced);

void sched_remove(struct sched *sched, struct sched_job *job); /* of a job that waits */

/* Takes the job out and charges its queue for the lane time that it is expected to take. */
void sched_start(struct sched *sched, struct sched_job *job, int64_t expected_us);
/* Charges what a job took beyond (or, negative, less than) what was expected. */
void sched_charge(struct sched_queue *queue, int64_t us);

/* Takes out one job whose deadline is at or before now, or NULL. */
struct sched_job *sched_take_expired(struct sched *sched, int64_t now_us);

void sched_begin(struct sched *sched, int64_t now_us);
struct sched_job *sched_peek(struct sched *sched); /* stays in its queue; NULL: none left in this pass */
void sched_defer(struct sched *sched, struct sched_job *job);

#endif
