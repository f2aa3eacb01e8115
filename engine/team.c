/*
 * team.c - parallel region, pinning, barrier.  Owns no tensors and knows no steps.
 */
#include "team.h"

#include "crowd.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/*
 * How long a thread spins at a barrier before it sleeps.  Steps are tens of microseconds long; a longer wait means
 * that another program holds the core a thread needs, and spinning would take time from it.
 */
#define SPIN_NS	   20000
#define SPIN_COUNT "1000" /* of pauses, some 16 us at 4 GHz and 64 cycles each: around the region */

struct engine_team {
	int n_threads, n_cpus;
	int *cpus;
	struct crowd crowd;
	struct team_sync sync;
};

/* Affinity belongs to a thread of the system, and OpenMP may replace the threads behind a team: so it is kept here. */
static _Thread_local int pinned_cpu = -1;
/* What this thread has waited at barriers for longer than it spins. */
static _Thread_local int64_t waited_ns;

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__asm__ volatile("yield");
#endif
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t tiles_left(unsigned first, unsigned end)
{
	return (uint64_t)end << 32 | first;
}

static void share(struct team_sync *sync, int n, unsigned tiles)
{
	sync->n_shares = n;
	for (int i = 0; i < n; i++) {
		uint64_t first = (uint64_t)tiles * (unsigned)i / (unsigned)n;
		uint64_t end = (uint64_t)tiles * ((unsigned)i + 1) / (unsigned)n;

		atomic_store_explicit(&sync->shares[i].left, tiles_left((unsigned)first, (unsigned)end),
				      memory_order_relaxed);
	}
}

void team_sync_init(struct team_sync *sync, int n, unsigned tiles)
{
	atomic_init(&sync->arrived, 0);
	atomic_init(&sync->phase, 0);
	atomic_init(&sync->sleepers, 0);
	share(sync, n, tiles);
}

/* The first or the last tile of a share. */
static bool take_of(struct team_share *share, bool last, unsigned *ret_tile)
{
	uint64_t left = atomic_load_explicit(&share->left, memory_order_relaxed), after;

	do {
		unsigned first = (unsigned)left, end = (unsigned)(left >> 32);

		if (first >= end)
			return false;
		*ret_tile = last ? end - 1 : first;
		after = last ? tiles_left(first, end - 1) : tiles_left(first + 1, end);
	} while (!atomic_compare_exchange_weak_explicit(&share->left, &left, after, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

bool team_sync_take(struct team_sync *sync, int thread, unsigned *ret_tile)
{
	for (int i = 0; i < sync->n_shares; i++)
		if (take_of(&sync->shares[(thread + i) % sync->n_shares], i > 0, ret_tile))
			return true;
	return false;
}

static bool spin_until_left(struct team_sync *sync, unsigned phase, int64_t start)
{
	int64_t end = start + SPIN_NS;

	do {
		for (int i = 0; i < 32; i++) {
			if (atomic_load_explicit(&sync->phase, memory_order_acquire) != phase)
				return true;
			relax();
		}
	} while (now_ns() < end);
	return false;
}

static long futex(atomic_uint *word, int operation, unsigned value)
{
	return syscall(SYS_futex, (uint32_t *)word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

void team_sync_barrier(struct team_sync *sync, int n, unsigned tiles)
{
	unsigned phase = atomic_load_explicit(&sync->phase, memory_order_relaxed);
	int64_t start;

	if (atomic_fetch_add_explicit(&sync->arrived, 1, memory_order_acq_rel) + 1 == (unsigned)n) {
		atomic_store_explicit(&sync->arrived, 0, memory_order_relaxed);
		share(sync, n, tiles);
		/*
		 * Sequentially consistent with the sleepers' counter: either this thread sees a sleeper, or the sleeper
		 * sees the new phase (in the kernel, which compares before it sleeps).
		 */
		atomic_store(&sync->phase, phase + 1);
		if (atomic_load(&sync->sleepers) > 0)
			futex(&sync->phase, FUTEX_WAKE, INT32_MAX);
		return;
	}
	start = now_ns();
	if (spin_until_left(sync, phase, start))
		return;
	atomic_fetch_add(&sync->sleepers, 1);
	while (atomic_load(&sync->phase) == phase)
		futex(&sync->phase, FUTEX_WAIT, phase);
	atomic_fetch_sub(&sync->sleepers, 1);
	waited_ns += now_ns() - start;
}

int engine_team_create(const int *cpus, int n_cpus, int n_threads, struct engine_team **ret_team)
{
	struct engine_team *team;

	if (n_threads < 1 || n_threads > ENGINE_THREADS_MAX || n_cpus < 0 || n_cpus > CPU_SETSIZE || (n_cpus && !cpus))
		return -EINVAL;
	for (int i = 0; i < n_cpus; i++)
		if (cpus[i] < 0 || cpus[i] >= CPU_SETSIZE)
			return -EINVAL;
	team = aligned_alloc(_Alignof(struct engine_team), sizeof(*team));
	if (!team)
		return -ENOMEM;
	team->n_threads = n_threads;
	team->n_cpus = n_cpus;
	team->cpus = NULL;
	team->crowd = (struct crowd){0};
	team_sync_init(&team->sync, 1, 0);
	if (n_cpus) {
		team->cpus = malloc((size_t)n_cpus * sizeof(*cpus));
		if (!team->cpus) {
			engine_team_destroy(team);
			return -ENOMEM;
		}
		memcpy(team->cpus, cpus, (size_t)n_cpus * sizeof(*cpus));
	}
	*ret_team = team;
	return 0;
}

void engine_team_destroy(struct engine_team *team)
{
	if (!team)
		return;
	free(team->cpus);
	free(team);
}

int team_threads(const struct engine_team *team)
{
	return team->n_threads;
}

static void pin(const struct engine_team *team, int thread)
{
	cpu_set_t set;
	int cpu;

	if (!team->n_cpus)
		return;
	cpu = team->cpus[thread % team->n_cpus];
	if (cpu == pinned_cpu)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* A CPU that is offline or not allowed leaves the thread where it is; asking again each run would not help. */
	sched_setaffinity(0, sizeof(set), &set);
	pinned_cpu = cpu;
}

static void run_alone(struct engine_team *team, int core, team_work *work, void *argument)
{
	pin(team, core);
	work(argument, &team->sync, 0, 1);
}

#ifdef _OPENMP
/* Returns when the calling thread was done with its own part. */
static int64_t run_together(struct engine_team *team, int n, team_work *work, void *argument)
{
	int64_t done_ns = 0;

#pragma omp parallel num_threads(n)
	{
		int thread = omp_get_thread_num();

		pin(team, thread);
		work(argument, &team->sync, thread, omp_get_num_threads());
		if (thread == 0)
			done_ns = now_ns();
	}
	return done_ns;
}
#endif

void team_run(struct engine_team *team, int n, unsigned tiles, team_work *work, void *argument)
{
	/* The last phase of a run ends with the region and not with a barrier. */
	share(&team->sync, n, tiles);
#ifdef _OPENMP
	if (n > 1) {
		int64_t start_ns = now_ns(), ran_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), done_ns;
		struct crowd_run run;

		if (crowd_prefers_one(&team->crowd, start_ns)) {
			run_alone(team, team->crowd.thread, work, argument);
			return;
		}
		waited_ns = 0;
		done_ns = run_together(team, n, work, argument);
		run.ended_ns = now_ns();
		run.took_ns = run.ended_ns - start_ns;
		run.ran_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - ran_ns;
		run.waited_ns = waited_ns + run.ended_ns - done_ns;
		crowd_note(&team->crowd, &run);
		return;
	}
#else
	(void)n;
#endif
	run_alone(team, 0, work, argument);
}

void engine_calm_threads(char **argv)
{
	static const char guard[] = "INFERD_RESTARTED";
	char path[4096];
	ssize_t length;

	if (getenv(guard)) {
		unsetenv(guard);
		return;
	}
	if (getenv("OMP_WAIT_POLICY"))
		return;
	/* By its real name, because the process is called after the path. */
	length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length <= 0)
		return;
	path[length] = '\0';
	setenv("OMP_WAIT_POLICY", "passive", 1);
	setenv("GOMP_SPINCOUNT", SPIN_COUNT, 0);
	setenv(guard, "1", 1);
	execv(path, argv);
	unsetenv(guard);
}
