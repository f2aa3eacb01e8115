/* sched.c - see sched.h. */
#include "sched.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

void sched_init(struct sched *sched)
{
	*sched = (struct sched){.expiry_us = SCHED_NO_DEADLINE};
}

void sched_queue_init(struct sched_queue *queue, bool latest, int limit, float weight)
{
	*queue = (struct sched_queue){.latest = latest, .limit = limit, .weight = weight};
}

static void queue_activate(struct sched *sched, struct sched_queue *queue)
{
	if (queue->virtual_us < sched->virtual_us)
		queue->virtual_us = sched->virtual_us;
	queue->prev = NULL;
	queue->next = sched->queues;
	if (sched->queues)
		sched->queues->prev = queue;
	sched->queues = queue;
	sched->n_queues++;
}

static void queue_deactivate(struct sched *sched, struct sched_queue *queue)
{
	if (queue->prev)
		queue->prev->next = queue->next;
	else
		sched->queues = queue->next;
	if (queue->next)
		queue->next->prev = queue->prev;
	queue->next = queue->prev = NULL;
	sched->n_queues--;
}

void sched_remove(struct sched *sched, struct sched_job *job)
{
	struct sched_queue *queue = job->queue;

	if (job->prev)
		job->prev->next = job->next;
	else
		queue->first = job->next;
	if (job->next)
		job->next->prev = job->prev;
	else
		queue->last = job->prev;
	job->queue = NULL;
	job->next = job->prev = NULL;
	queue->length--;
	sched->waiting--;
	if (!queue->first)
		queue_deactivate(sched, queue);
}

void sched_charge(struct sched_queue *queue, int64_t us)
{
	queue->virtual_us += (int64_t)((double)us / (double)queue->weight);
}

/* From when it was due, so that waiting for the lane does not add up; an older debt is not paid. */
static int64_t next_due_us(const struct sched_queue *queue, int64_t now_us)
{
	bool was_due = queue->due_us <= now_us && now_us - queue->due_us < queue->period_us;

	return (was_due ? queue->due_us : now_us) + queue->period_us;
}

void sched_start(struct sched *sched, struct sched_job *job, int64_t expected_us)
{
	struct sched_queue *queue = job->queue;
	int64_t furthest_behind = queue->virtual_us;

	for (const struct sched_queue *other = sched->queues; other; other = other->next)
		if (other->virtual_us < furthest_behind)
			furthest_behind = other->virtual_us;
	if (sched->virtual_us < furthest_behind)
		sched->virtual_us = furthest_behind;
	sched_remove(sched, job);
	sched_charge(queue, expected_us);
	queue->due_us = next_due_us(queue, sched->now_us);
}

int sched_submit(struct sched *sched, struct sched_queue *queue, struct sched_job *job, struct sched_job **ret_replaced)
{
	struct sched_job *replaced = NULL;

	if (queue->latest && queue->first) {
		replaced = queue->first;
		sched_remove(sched, replaced);
	} else if (queue->length >= queue->limit) {
		return -ENOBUFS;
	}
	if (!queue->first)
		queue_activate(sched, queue);
	job->queue = queue;
	job->arrival = sched->arrivals++;
	job->next = NULL;
	job->prev = queue->last;
	if (queue->last)
		queue->last->next = job;
	else
		queue->first = job;
	queue->last = job;
	queue->length++;
	sched->waiting++;
	if (job->deadline_us < sched->expiry_us)
		sched->expiry_us = job->deadline_us;
	*ret_replaced = replaced;
	return 0;
}

struct sched_job *sched_take_expired(struct sched *sched, int64_t now_us)
{
	int64_t earliest = SCHED_NO_DEADLINE;

	if (now_us < sched->expiry_us)
		return NULL;
	for (struct sched_queue *queue = sched->queues; queue; queue = queue->next) {
		for (struct sched_job *job = queue->first; job; job = job->next) {
			if (job->deadline_us <= now_us) {
				sched_remove(sched, job);
				return job;
			}
			if (job->deadline_us < earliest)
				earliest = job->deadline_us;
		}
	}
	/* Removed jobs leave the bound too early, never too late; a whole look mends it. */
	sched->expiry_us = earliest;
	return NULL;
}

void sched_begin(struct sched *sched, int64_t now_us)
{
	sched->pass++;
	sched->now_us = now_us;
}

/* What is due comes before every class. */
static int rank(const struct sched *sched, const struct sched_queue *queue)
{
	return queue->period_us && queue->due_us <= sched->now_us ? INT_MAX : queue->class;
}

static bool goes_before(const struct sched_job *a, const struct sched_job *b)
{
	if (a->deadline_us != b->deadline_us)
		return a->deadline_us < b->deadline_us;
	return a->arrival < b->arrival;
}

struct sched_job *sched_peek(struct sched *sched)
{
	struct sched_job *best = NULL;
	int64_t level = INT64_MAX;
	int highest = INT_MIN;

	for (struct sched_queue *queue = sched->queues; queue; queue = queue->next) {
		int own = rank(sched, queue);

		if (queue->deferred == sched->pass || own < highest)
			continue;
		if (own > highest || queue->virtual_us < level)
			level = queue->virtual_us;
		highest = own;
	}
	for (struct sched_queue *queue = sched->queues; queue; queue = queue->next)
		if (queue->deferred != sched->pass && rank(sched, queue) == highest &&
		    queue->virtual_us - level <= SCHED_LEVEL_US && (!best || goes_before(queue->first, best)))
			best = queue->first;
	return best;
}

void sched_defer(struct sched *sched, struct sched_job *job)
{
	job->queue->deferred = sched->pass;
}
