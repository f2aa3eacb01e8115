/*
 * worker.h - one lane: a thread that owns an engine team and runs one task at a time.
 *
 * A task is handed over by the loop and runs on the lane's thread; worker_collect() takes it home.  What a task does is
 * not known here.  The loop is woken only when it has a use for that: waking it for every frame would cost each client
 * that submits at once the time that the loop is busy with what can wait.
 *
 * The thread sleeps on a futex, at once: looking for more work first, for 50 to 200 us, took about a tenth off what a
 * closed loop waits beside the inference, and would heat a core for it.
 */
#ifndef INFERD_WORKER_H
#define INFERD_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/engine.h"
#include "topology.h"

struct worker;

struct worker_task {
	/* On the lane's thread; true: wake the loop at once. */
	bool (*run)(struct worker_task *task, struct worker *worker);
};

/*
 * How lanes call the loop.  Who sets watched must look for finished tasks afterwards: one that finished before was
 * silent, one that finishes later is not.
 */
struct worker_home {
	int fd; /* an eventfd */
	atomic_bool watched;
};

/* Borrows home, which must outlive the worker.  0, -ENOMEM, -EAGAIN. */
int worker_create(struct worker_home *home, const struct topology_lane *lane, struct worker **ret_worker);
/* Waits for the task that runs; nothing is left to collect.  Accepts NULL. */
void worker_destroy(struct worker *worker);

bool worker_idle(const struct worker *worker);
bool worker_finished(const struct worker *worker);		    /* there is something to collect */
void worker_start(struct worker *worker, struct worker_task *task); /* of an idle worker; borrows the task */
/* The task that came home, once; NULL: none did. */
struct worker_task *worker_collect(struct worker *worker);

/*
 * On the lane's thread, within run: the task is finished as far as the loop is concerned, which may take it home and
 * order the next one from now on.  What remains of run must not touch the task.
 */
void worker_release(struct worker *worker);

const struct topology_lane *worker_lane(const struct worker *worker);
struct engine_context *worker_context(struct worker *worker); /* for tasks, on the lane's thread */

/* One object of the lane's own, for tasks; freed by the one who set it after worker_destroy(). */
void worker_set_kit(struct worker *worker, void *kit);
void *worker_kit(const struct worker *worker);

#endif
