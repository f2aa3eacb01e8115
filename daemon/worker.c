/* worker.c - see worker.h. */
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The whole handover is one word.  The loop moves IDLE to READY and DONE to IDLE, the thread READY to DONE;
 * `task` belongs to whoever may move the word next.
 */
enum { WORKER_IDLE, WORKER_READY, WORKER_DONE, WORKER_QUIT };

struct worker {
	atomic_uint state;
	atomic_bool sleeping;
	bool released; /* the thread's own: the task it runs is DONE already */
	struct worker_task *task;
	pthread_t thread;
	struct worker_home *home;
	struct engine_team *team;
	struct engine_context *context;
	void *kit;
	struct topology_lane lane;
};

static void wake(struct worker *worker)
{
	if (atomic_load(&worker->sleeping))
		syscall(SYS_futex, &worker->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool has_orders(unsigned state)
{
	return state == WORKER_READY || state == WORKER_QUIT;
}

static unsigned wait_for_orders(struct worker *worker)
{
	unsigned state = atomic_load(&worker->state);

	if (has_orders(state))
		return state;
	/* Announced before the last look: the loop either sees the announcement or we see its order. */
	atomic_store(&worker->sleeping, true);
	while (!has_orders(state = atomic_load(&worker->state)))
		syscall(SYS_futex, &worker->state, FUTEX_WAIT_PRIVATE, state, NULL, NULL, 0);
	atomic_store(&worker->sleeping, false);
	return state;
}

/* The counter cannot overflow: the loop's next look takes all of it. */
static void call_home(const struct worker_home *home)
{
	const uint64_t one = 1;
	ssize_t n;

	do
		n = write(home->fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

/* The kernel's struct sched_attr, whose header and the C library's <sched.h> exclude each other. */
struct clamp_request {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

/*
 * Asks for clocks as of a busy thread from the first microsecond on: the kernel forgets within a pause between frames
 * how busy the lane was, and takes about 200 ms to find out again.  The team's threads are started by this one and
 * inherit it.  Kernels without utilisation clamping refuse, and clocks are then as without it.
 */
static void clamp_utilisation(int util_min)
{
	struct clamp_request attributes = {
		.size = sizeof(attributes),
		.flags = SCHED_FLAG_KEEP_ALL | SCHED_FLAG_UTIL_CLAMP_MIN,
		.util_min = (uint32_t)util_min,
	};

	syscall(SYS_sched_setattr, 0, &attributes, 0);
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	char name[16]; /* what the kernel keeps of it */

	snprintf(name, sizeof(name), "lane %.10s", worker->lane.name);
	pthread_setname_np(pthread_self(), name);
	if (worker->lane.util_min)
		clamp_utilisation(worker->lane.util_min);
	while (wait_for_orders(worker) == WORKER_READY) {
		bool urgent;

		worker->released = false;
		urgent = worker->task->run(worker->task, worker);
		worker_release(worker);
		if (urgent || atomic_load(&worker->home->watched))
			call_home(worker->home);
	}
	return NULL;
}

void worker_release(struct worker *worker)
{
	unsigned ready = WORKER_READY;

	if (worker->released)
		return;
	worker->released = true;
	/* An order to quit that came meanwhile stays. */
	atomic_compare_exchange_strong(&worker->state, &ready, WORKER_DONE);
}

int worker_create(struct worker_home *home, const struct topology_lane *lane, struct worker **ret_worker)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	sigset_t all, before;
	int rc;

	if (!worker)
		return -ENOMEM;
	worker->home = home;
	worker->lane = *lane;
	rc = engine_team_create(lane->cpus, lane->n_cpus, lane->threads, &worker->team);
	if (rc < 0)
		goto out;
	rc = engine_context_create(worker->team, &worker->context);
	if (rc < 0)
		goto out;
	/* Signals are the loop's: the thread and those it starts inherit a full mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc < 0)
		goto out;
	*ret_worker = worker;
	return 0;
out:
	engine_context_destroy(worker->context);
	engine_team_destroy(worker->team);
	free(worker);
	return rc;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	atomic_store(&worker->state, WORKER_QUIT);
	wake(worker);
	pthread_join(worker->thread, NULL);
	engine_context_destroy(worker->context);
	engine_team_destroy(worker->team);
	free(worker);
}

bool worker_idle(const struct worker *worker)
{
	return atomic_load(&worker->state) == WORKER_IDLE;
}

bool worker_finished(const struct worker *worker)
{
	return atomic_load(&worker->state) == WORKER_DONE;
}

void worker_start(struct worker *worker, struct worker_task *task)
{
	assert(worker_idle(worker));
	worker->task = task;
	atomic_store(&worker->state, WORKER_READY);
	wake(worker);
}

struct worker_task *worker_collect(struct worker *worker)
{
	if (atomic_load(&worker->state) != WORKER_DONE)
		return NULL;
	atomic_store(&worker->state, WORKER_IDLE);
	return worker->task;
}

const struct topology_lane *worker_lane(const struct worker *worker)
{
	return &worker->lane;
}

struct engine_context *worker_context(struct worker *worker)
{
	return worker->context;
}

void worker_set_kit(struct worker *worker, void *kit)
{
	worker->kit = kit;
}

void *worker_kit(const struct worker *worker)
{
	return worker->kit;
}
