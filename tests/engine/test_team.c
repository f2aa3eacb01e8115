/*
 * test_team.c - tiles and barrier of a team, with threads of its own, so that ThreadSanitizer sees every access.
 */
#include <pthread.h>

#include "engine/team.h"
#include "support/test.h"

TEST_SUITE(team);

#define THREADS 4
#define PHASES	400
#define TILES	37

/* Plain integers: only the barrier keeps one phase's writes from the next one's reads. */
struct shared {
	struct team_sync sync;
	int cells[2][TILES];
	int wrong[THREADS];
};

struct worker {
	struct shared *shared;
	int thread;
};

/* Each tile adds one to its neighbours' cells of the phase before. */
static void *work(void *argument)
{
	const struct worker *worker = argument;
	struct shared *shared = worker->shared;

	for (int phase = 0; phase < PHASES; phase++) {
		const int *from = shared->cells[phase % 2];
		int *to = shared->cells[1 - phase % 2];

		for (unsigned t = team_sync_take(&shared->sync); t < TILES; t = team_sync_take(&shared->sync)) {
			if (from[(t + 1) % TILES] != phase || from[(t + TILES - 1) % TILES] != phase)
				shared->wrong[worker->thread]++;
			to[t] = phase + 1;
		}
		team_sync_barrier(&shared->sync, THREADS);
	}
	return NULL;
}

Test(team, barrier_orders_the_phases_of_all_threads)
{
	static struct shared shared;
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	team_sync_init(&shared.sync);
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){&shared, i};
		cr_assert_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(shared.wrong[i], 0, "thread %d saw %d cells of another phase", i, shared.wrong[i]);
	for (int i = 0; i < TILES; i++)
		cr_assert_eq(shared.cells[0][i], PHASES);
}

static void count_thread(void *argument, struct team_sync *sync, int thread, int n_threads)
{
	atomic_int *count = argument;

	cr_assert_lt(thread, n_threads);
	team_sync_take(sync);
	atomic_fetch_add(count, 1);
}

Test(team, one_thread_opens_no_region)
{
	struct engine_team *team;
	atomic_int count = 0;

	cr_assert_eq(engine_team_create(NULL, 0, 3, &team), 0);
	team_run(team, 1, count_thread, &count);
	cr_assert_eq(atomic_load(&count), 1);
	engine_team_destroy(team);
}

Test(team, impossible_teams_are_refused)
{
	struct engine_team *team = NULL;

	cr_assert_lt(engine_team_create(NULL, 0, 0, &team), 0);
	cr_assert_lt(engine_team_create(NULL, 0, ENGINE_THREADS_MAX + 1, &team), 0);
	cr_assert_lt(engine_team_create((int[]){-1}, 1, 1, &team), 0);
	cr_assert_null(team);
}
