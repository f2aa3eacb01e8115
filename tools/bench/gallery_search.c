/*
 * gallery_search.c - what looking for a vector costs, beside only reading the bytes that are searched, in turn and on
 * one core: the least and the median of all rounds.  The least is what counts where others use the machine.
 *
 *   cmake --build BUILD --target gallery_search && BUILD/tools/inferd-model/gallery_search [VECTORS [LENGTH [ROUNDS]]]
 */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"

#define TOP	   5
#define GROUPS	   4096
#define ROUNDS_MAX 1000

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t next_random(void)
{
	static uint64_t state = 1;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(2685821657736338717);
}

static void fill_random(float *vector, int length)
{
	double sum = 0;

	for (int i = 0; i < length; i++) {
		vector[i] = (float)(next_random() >> 40) / (1 << 23) - 1;
		sum += (double)vector[i] * (double)vector[i];
	}
	for (int i = 0; i < length; i++)
		vector[i] = (float)((double)vector[i] / sqrt(sum));
}

/* Compilers make wide loads and additions of it. */
static uint64_t read_all(const uint64_t *words, size_t n)
{
	uint64_t sums[32] = {0}, sum = 0;

	for (size_t i = 0; i + 32 <= n; i += 32)
		for (int j = 0; j < 32; j++)
			sums[j] += words[i + (size_t)j];
	for (int j = 0; j < 32; j++)
		sum += sums[j];
	return sum;
}

static void print(const char *what, int64_t search_ns, int64_t read_ns)
{
	printf("  %-6s search %7.3f ms, reading the same bytes %7.3f ms, ratio %.3f\n", what, (double)search_ns / 1e6,
	       (double)read_ns / 1e6, (double)search_ns / (double)read_ns);
}

struct rig {
	size_t n;
	int length;
	float *vectors;
	size_t n_read;
};

static int read_row(void *user, int block, size_t row, float *ret_vector)
{
	struct rig *rig = user;

	(void)block;
	rig->n_read++;
	memcpy(ret_vector, rig->vectors + row * (size_t)rig->length, (size_t)rig->length * sizeof(float));
	return 0;
}

/* Whether the answer is that of scoring every vector. */
static bool is_exact(const struct rig *rig, const uint32_t *groups, const float *vector,
		     const struct engine_search_hit *hits, int n_hits)
{
	static float best[GROUPS];

	for (int i = 0; i < GROUPS; i++)
		best[i] = -INFINITY;
	for (size_t i = 0; i < rig->n; i++)
		best[groups[i]] = fmaxf(best[groups[i]], engine_search_score(rig->vectors + i * (size_t)rig->length,
									     vector, rig->length));
	for (int i = 0; i < n_hits; i++) {
		int higher = 0;

		for (int j = 0; j < GROUPS; j++)
			higher += best[j] > hits[i].score;
		if (best[hits[i].group] != hits[i].score || higher != i)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static int64_t search_ns[ROUNDS_MAX], read_ns[ROUNDS_MAX];
	struct rig rig = {.n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000,
			  .length = argc > 2 ? atoi(argv[2]) : 1024};
	int rounds = argc > 3 ? atoi(argv[3]) : 51, n_hits = 0;
	size_t stride = engine_search_stride(rig.length);
	int8_t *codes = aligned_alloc(64, rig.n * stride);
	struct engine_search_code *about = malloc(rig.n * sizeof(*about));
	uint32_t *groups = malloc(rig.n * sizeof(*groups));
	float *vector = malloc((size_t)rig.length * sizeof(*vector));
	struct engine_search_hit hits[TOP];
	struct engine_search *search;
	struct engine_search_block block;
	struct engine_search_query query;
	volatile uint64_t sink = 0;
	cpu_set_t cpu;
	bool exact;

	rig.vectors = malloc(rig.n * (size_t)rig.length * sizeof(*rig.vectors));
	if (!rig.n || rig.length < 1 || rounds < 1 || rounds > ROUNDS_MAX || !codes || !about || !groups || !vector ||
	    !rig.vectors || engine_search_create(&search) < 0)
		return 1;
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	for (size_t i = 0; i < rig.n; i++) {
		fill_random(rig.vectors + i * (size_t)rig.length, rig.length);
		engine_search_encode(rig.vectors + i * (size_t)rig.length, rig.length, codes + i * stride, &about[i]);
		groups[i] = (uint32_t)(i % GROUPS);
	}
	block = (struct engine_search_block){codes, about, groups, rig.n};
	query = (struct engine_search_query){vector, rig.length, TOP, &block, 1, GROUPS, read_row, &rig};
	for (int i = 0; i < rounds; i++) {
		int64_t start, middle;

		fill_random(vector, rig.length);
		start = now_ns();
		engine_search_run(search, &query, hits, &n_hits);
		middle = now_ns();
		sink += read_all((const uint64_t *)(const void *)codes, rig.n * stride / 8);
		read_ns[i] = now_ns() - middle;
		search_ns[i] = middle - start;
	}
	exact = is_exact(&rig, groups, vector, hits, n_hits);
	qsort(search_ns, (size_t)rounds, sizeof(*search_ns), by_size);
	qsort(read_ns, (size_t)rounds, sizeof(*read_ns), by_size);
	printf("%s: %zu vectors of %d, %.1f originals a search, %s\n", engine_cpu_level(), rig.n, rig.length,
	       (double)rig.n_read / rounds, exact ? "ranked as all originals are" : "RANKED WRONGLY");
	print("least", search_ns[0], read_ns[0]);
	print("median", search_ns[rounds / 2], read_ns[rounds / 2]);
	return !exact;
}
