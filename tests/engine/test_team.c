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
		unsigned t;

		while (team_sync_take(&shared->sync, worker->thread, &t)) {
			if (from[(t + 1) % TILES] != phase || from[(t + TILES - 1) % TILES] != phase)
				shared->wrong[worker->thread]++;
			to[t] = phase + 1;
		}
		team_sync_barrier(&shared->sync, THREADS, TILES);
	}
	return NULL;
}

Test(team, barrier_orders_the_phases_of_all_threads)
{
	static struct shared shared;
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	team_sync_init(&shared.sync, THREADS, TILES);
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

/* 7 tiles of two threads: 0 to 2 and 3 to 6. */
Test(team, a_thread_takes_its_own_tiles_and_then_the_last_of_others)
{
	static const unsigned expected[] = {0, 1, 2, 6, 5, 4};
	static struct team_sync sync;
	unsigned tile;

	team_sync_init(&sync, 2, 7);
	cr_assert(team_sync_take(&sync, 1, &tile));
	cr_assert_eq(tile, 3);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		cr_assert(team_sync_take(&sync, 0, &tile));
		cr_assert_eq(tile, expected[i], "take %zu: %u", i, tile);
	}
	cr_assert(!team_sync_take(&sync, 0, &tile) && !team_sync_take(&sync, 1, &tile));
}

Test(team, tiles_of_threads_that_did_not_come_are_taken)
{
	static struct team_sync sync;
	bool taken[TILES] = {false};
	unsigned tile;

	team_sync_init(&sync, THREADS, TILES);
	for (int i = 0; i < TILES; i++) {
		cr_assert(team_sync_take(&sync, 2, &tile));
		cr_assert(tile < TILES && !taken[tile], "tile %u", tile);
		taken[tile] = true;
	}
	cr_assert(!team_sync_take(&sync, 2, &tile));
}

static void count_thread(void *argument, struct team_sync *sync, int thread, int n_threads)
{
	atomic_int *count = argument;
	unsigned tile;

	cr_assert_lt(thread, n_threads);
	cr_assert(team_sync_take(sync, thread, &tile));
	atomic_fetch_add(count, 1);
}

Test(team, one_thread_opens_no_region)
{
	struct engine_team *team;
	atomic_int count = 0;

	cr_assert_eq(engine_team_create(NULL, 0, 3, &team), 0);
	team_run(team, 1, 1, count_thread, &count);
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
