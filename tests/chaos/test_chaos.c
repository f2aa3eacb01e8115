/*
 * test_chaos.c - actions of every kind in an order drawn from a seed, while apps are served as if nothing were.
 *
 *   INFERD_TEST_SEED      of the sequence (default 1)
 *   INFERD_CHAOS_STEPS    how long it is (default 100)
 *   INFERD_CHAOS_LOG      a file for the sequence
 *
 * After each step the apps have had more answers and a new client is told the daemon's state; at every quiet moment
 * descriptors are as they were.  In the second half the daemon is not restarted, and its memory must not grow.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"

TEST_SUITE(chaos);

#define QUIET_EVERY 25
#define SAMPLES_MAX 100000
/* Of the median of the last third of the samples over that of the one before. */
#define GROWTH_MAX 1.03

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* xorshift64*. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

static const struct chaos_action *draw(uint64_t *state, bool restarts)
{
	unsigned sum = 0, at;

	for (int i = 0; i < chaos_n_actions; i++)
		sum += chaos_actions[i].weight;
	for (;;) {
		const struct chaos_action *action = chaos_actions;

		at = (unsigned)(next_random(state) >> 33) % sum;
		while (at >= action->weight)
			at -= action++->weight;
		if (restarts || !action->restarts)
			return action;
	}
}

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static long median(const long *values, int n)
{
	long sorted[SAMPLES_MAX / 3 + 1];

	memcpy(sorted, values, (size_t)n * sizeof(*sorted));
	qsort(sorted, (size_t)n, sizeof(*sorted), compare);
	return sorted[n / 2];
}

struct memory {
	int n;
	long kb[SAMPLES_MAX];
};

static void expect_flat(const struct memory *memory)
{
	int third = memory->n / 3;
	long before, after;

	if (third < 3)
		return;
	before = median(memory->kb + third, third);
	after = median(memory->kb + memory->n - third, third);
	fprintf(stderr, "memory: %ld kB in the second third of the second half, %ld kB in the last\n", before, after);
	cr_assert_lt((double)after, GROWTH_MAX * (double)before);
}

static void expect_alive(struct chaos *chaos, const char *after)
{
	int how;

	cr_assert_eq(waitpid(chaos->fixture.pid, &how, WNOHANG), 0, "the daemon ended after '%s', wait status %d",
		     after, how);
	if (crowd_wait(&chaos->crowd, 2))
		return;
	kill(chaos->fixture.pid, SIGKILL);
	cr_assert_fail("after '%s': %s", after, crowd_stop(&chaos->crowd));
}

static void report(const struct chaos *chaos, unsigned steps, time_t start)
{
	uint64_t by_status[INFERD_LOST + 1] = {0};

	for (int i = 0; i < CROWD_SIZE; i++)
		for (int status = 0; status <= INFERD_LOST; status++)
			by_status[status] += chaos->crowd.member[i].by_status[status];
	fprintf(stderr,
		"%u steps in %ld s, %d restarts: %llu frames answered, %llu skipped by the policy, %llu dropped as the "
		"daemon ended, %llu lost; slowest status %.0f ms\n",
		steps, (long)(time(NULL) - start), chaos->n_restarts, (unsigned long long)by_status[INFERD_OK],
		(unsigned long long)by_status[INFERD_DROPPED_SKIPPED],
		(unsigned long long)by_status[INFERD_DROPPED_CLOSED], (unsigned long long)by_status[INFERD_LOST],
		chaos->status_max_s * 1e3);
}

static void run(uint64_t seed, unsigned steps, FILE *log)
{
	static struct memory memory;
	static struct chaos chaos;
	uint64_t state = seed ? seed : 1;
	time_t start = time(NULL);

	memory.n = 0;
	chaos_init(&chaos);
	for (unsigned step = 0; step < steps; step++) {
		bool is_quiet = step % QUIET_EVERY == QUIET_EVERY - 1;
		const struct chaos_action *action = is_quiet ? &chaos_quiet : draw(&state, step < steps / 2);
		uint64_t argument = next_random(&state);

		fprintf(log, "%u %s %016llx\n", step, action->name, (unsigned long long)argument);
		fflush(log);
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%u of %u: %-24s", step, steps, action->name);
		action->run(&chaos, argument);
		expect_alive(&chaos, action->name);
		chaos_expect_status(&chaos);
		if (is_quiet && step >= steps / 2 && memory.n < SAMPLES_MAX)
			memory.kb[memory.n++] = chaos.quiet_kb;
	}
	chaos_finish(&chaos);
	report(&chaos, steps, start);
	expect_flat(&memory);
}

Test(chaos, apps_are_served_whatever_others_do)
{
	const char *path = getenv("INFERD_CHAOS_LOG");
	uint64_t seed = from_environment("INFERD_TEST_SEED", 1);
	FILE *log = fopen(path ? path : "/dev/null", "we");

	cr_assert_not_null(log);
	fprintf(stderr, "seed: INFERD_TEST_SEED=%llu\n", (unsigned long long)seed);
	run(seed, (unsigned)from_environment("INFERD_CHAOS_STEPS", 100), log);
	fclose(log);
}

Test(chaos, a_seed_gives_the_same_sequence)
{
	char *text[2];
	size_t size[2];

	for (int i = 0; i < 2; i++) {
		FILE *log = open_memstream(&text[i], &size[i]);

		run(7, 20, log);
		fclose(log);
	}
	cr_assert_str_eq(text[0], text[1]);
	free(text[0]);
	free(text[1]);
}
