/*
 * worker.h - one lane: a thread that owns an engine team and runs one task at a time.
 *
 * A task is handed over by the loop, runs on the lane's thread and comes home through the loop's async handle,
 * whose callback asks worker_collect() for it.  What a task does is not known here.
 *
 * The thread sleeps on a futex.  Looking for more work before it sleeps, for up to 120 us, made no difference to the
 * latency of a closed loop that could be measured, so it does not.
 */
#ifndef INFERD_WORKER_H
#define INFERD_WORKER_H

#include <stdbool.h>
#include <uv.h>

#include "engine/engine.h"
#include "topology.h"

struct worker;

struct worker_task {
	void (*run)(struct worker_task *task, struct worker *worker); /* on the lane's thread */
};

/* Borrows home, which must outlive the worker.  0, -ENOMEM, -EAGAIN. */
int worker_create(uv_async_t *home, const struct topology_lane *lane, struct worker **ret_worker);
/* Waits for the task that runs; nothing is left to collect.  Accepts NULL. */
void worker_destroy(struct worker *worker);

bool worker_idle(const struct worker *worker);
void worker_start(struct worker *worker, struct worker_task *task); /* of an idle worker; borrows the task */
/* The task that came home, once; NULL: none did. */
struct worker_task *worker_collect(struct worker *worker);

const struct topology_lane *worker_lane(const struct worker *worker);
struct engine_context *worker_context(struct worker *worker); /* for tasks, on the lane's thread */

/* One object of the lane's own, for tasks; freed by the one who set it after worker_destroy(). */
void worker_set_kit(struct worker *worker, void *kit);
void *worker_kit(const struct worker *worker);

#endif
