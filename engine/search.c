/*
 * search.c - the vectors most like another one, exactly: all of them by their bytes, the few that may win by their
 * originals.
 *
 * A vector x is kept as s * q, q of bytes; y, that is looked for, becomes t * r.  With e = x - s q and f = y - t r
 *
 *     x . y - (s q) . (t r)  =  (s q) . f + e . y,      at most |s q| |f| + |e| |y|    (Cauchy and Schwarz)
 *
 * and all four lengths are known: those of x were measured when it was encoded, those of y are measured here.  So every
 * score has a lower and an upper bound, s t (q . r) -+ that, before any original was looked at.
 *
 * Let L(g) be the highest lower bound in a group, and T the k-th highest of all L.  At least k groups score T or more,
 * so the best vector of a group that belongs to the answer has an upper bound of at least T; and at least L(g), for it
 * is the best of its group.  Only vectors whose upper bound reaches both are scored again, and the answer is that of
 * scoring all.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "kernels/kernels.h"

/* Rows that are multiplied before their sums are looked at. */
#define ROWS_AT_ONCE 64
#define CODE_MAX     127
/*
 * What roundings may add to the bound: of the approximate score four of 2^-24 (conversion and three products), of the
 * exact one, which is summed in double precision, one of 2^-24 and n of 2^-53; each relative to the product of the
 * lengths.  The lengths themselves are rounded to 2^-24.
 */
#define ROUNDING 1e-6f

struct engine_search {
	int8_t *codes;	/* of the query */
	float *vector;	/* an original */
	float *highest; /* of every row: the upper bound of its score */
	float *least;	/* of every group: L, then no less than its best score */
	float *best;	/* of every group: the best exact score */
	struct engine_search_hit *hits;
	float of_norm, of_error; /* what bounds are, of one unit of a row's length and of its error */
	size_t codes_capacity, vector_capacity, highest_capacity, least_capacity, best_capacity, hits_capacity;
};

/* The vector that is looked for, and what it is looked for in. */
struct task {
	const struct engine_search_query *query;
	struct engine_search_code about;
	float length; /* of the query, a little more than it is */
	size_t stride;
};

int engine_search_create(struct engine_search **ret_search)
{
	struct engine_search *search = calloc(1, sizeof(*search));

	if (!search)
		return -ENOMEM;
	*ret_search = search;
	return 0;
}

void engine_search_destroy(struct engine_search *search)
{
	if (!search)
		return;
	free(search->codes);
	free(search->vector);
	free(search->highest);
	free(search->least);
	free(search->best);
	free(search->hits);
	free(search);
}

/* ---- vectors -------------------------------------------------------------------------------------- */

size_t engine_search_stride(int length)
{
	return ((size_t)length + ENGINE_SEARCH_ALIGN - 1) / ENGINE_SEARCH_ALIGN * ENGINE_SEARCH_ALIGN;
}

int engine_search_encode(const float *vector, int length, int8_t *ret_codes, struct engine_search_code *ret_code)
{
	double norm = 0, error = 0;
	float largest = 0, scale;

	for (int i = 0; i < length; i++) {
		if (!isfinite(vector[i]))
			return -EINVAL;
		largest = fmaxf(largest, fabsf(vector[i]));
	}
	scale = largest / CODE_MAX;
	memset(ret_codes, 0, engine_search_stride(length));
	for (int i = 0; i < length; i++) {
		/* A vector of numbers too small to be divided is as good as zero; what that neglects is in the error.
		 */
		float code = scale > 0 ? nearbyintf(vector[i] / scale) : 0;
		double kept, lost;

		code = fminf(fmaxf(code, -CODE_MAX), CODE_MAX);
		ret_codes[i] = (int8_t)code;
		kept = (double)scale * (double)code;
		lost = (double)vector[i] - kept;
		norm += kept * kept;
		error += lost * lost;
	}
	*ret_code = (struct engine_search_code){.scale = scale, .norm = (float)sqrt(norm), .error = (float)sqrt(error)};
	return isfinite(ret_code->norm) && isfinite(ret_code->error) ? 0 : -EINVAL;
}

/* Sums side by side, so that compilers may use wide registers; the order never changes. */
#define SUMS 8

float engine_search_score(const float *a, const float *b, int length)
{
	double sums[SUMS] = {0}, sum = 0;
	int i = 0;

	for (; i + SUMS <= length; i += SUMS)
		for (int j = 0; j < SUMS; j++)
			sums[j] += (double)a[i + j] * (double)b[i + j];
	for (int j = 0; i < length; i++, j++)
		sums[j] += (double)a[i] * (double)b[i];
	for (int j = 0; j < SUMS; j++)
		sum += sums[j];
	return (float)sum;
}

/* ---- searching ------------------------------------------------------------------------------------ */

/* Makes an array hold this many elements; what it held is lost. */
static int reserve(void *array, size_t *capacity, size_t n, size_t element_bytes)
{
	void *old, *grown;

	if (n <= *capacity)
		return 0;
	grown = malloc(n * element_bytes);
	if (!grown)
		return -ENOMEM;
	memcpy(&old, array, sizeof(old));
	free(old);
	memcpy(array, &grown, sizeof(grown));
	*capacity = n;
	return 0;
}

static int reserve_all(struct engine_search *search, const struct engine_search_query *query, size_t n_rows)
{
	size_t groups = query->n_groups;

	if (reserve(&search->codes, &search->codes_capacity, engine_search_stride(query->length), 1) < 0 ||
	    reserve(&search->vector, &search->vector_capacity, (size_t)query->length, sizeof(float)) < 0 ||
	    reserve(&search->highest, &search->highest_capacity, n_rows, sizeof(float)) < 0 ||
	    reserve(&search->least, &search->least_capacity, groups, sizeof(float)) < 0 ||
	    reserve(&search->best, &search->best_capacity, groups, sizeof(float)) < 0 ||
	    reserve(&search->hits, &search->hits_capacity, (size_t)query->k, sizeof(*search->hits)) < 0)
		return -ENOMEM;
	return 0;
}

/* Whether a comes behind b in the answer: equal scores are in the order of their groups. */
static bool is_worse(struct engine_search_hit a, struct engine_search_hit b)
{
	return a.score != b.score ? a.score < b.score : a.group > b.group;
}

/* hits is a heap with the worst at the top; sinks the one at `at` to its place. */
static void sink(struct engine_search_hit *hits, int n, int at)
{
	struct engine_search_hit moved = hits[at];
	int child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && is_worse(hits[child + 1], hits[child]))
			child++;
		if (!is_worse(hits[child], moved))
			break;
		hits[at] = hits[child];
		at = child;
	}
	hits[at] = moved;
}

/* The k groups of the highest values in a heap with the worst at the top; groups without any have -INFINITY. */
static int find_top(const float *values, size_t n_groups, int k, struct engine_search_hit *ret_hits)
{
	int n = 0;

	for (size_t group = 0; group < n_groups; group++) {
		struct engine_search_hit hit = {.group = (uint32_t)group, .score = values[group]};

		if (hit.score == -INFINITY)
			continue;
		if (n < k) {
			ret_hits[n++] = hit;
			for (int at = n == k ? k / 2 - 1 : -1; at >= 0; at--)
				sink(ret_hits, n, at);
		} else if (is_worse(ret_hits[0], hit)) {
			ret_hits[0] = hit;
			sink(ret_hits, n, 0);
		}
	}
	return n;
}

static int by_score(const void *left, const void *right)
{
	const struct engine_search_hit *a = left, *b = right;

	return is_worse(*a, *b) ? 1 : is_worse(*b, *a) ? -1 : 0;
}

static float bound_of(const struct engine_search *search, const struct engine_search_code *about)
{
	return about->norm * search->of_norm + about->error * search->of_error;
}

/* Bounds of the scores of one block's rows. */
static void bound_block(struct engine_search *search, const struct task *task, const struct engine_search_block *block,
			float *highest)
{
	const struct kernels *kernels = kernels_get();
	int32_t dots[ROWS_AT_ONCE];

	for (size_t first = 0; first < block->n; first += ROWS_AT_ONCE) {
		size_t n = block->n - first < ROWS_AT_ONCE ? block->n - first : ROWS_AT_ONCE;

		kernels->dots_s8(n, task->stride, block->codes + first * task->stride, search->codes, dots);
		for (size_t i = 0; i < n; i++) {
			const struct engine_search_code *about = &block->about[first + i];
			uint32_t group = block->groups[first + i];
			float score = about->scale * task->about.scale * (float)dots[i];
			float bound = bound_of(search, about);

			highest[first + i] = score + bound;
			if (score - bound > search->least[group])
				search->least[group] = score - bound;
		}
	}
}

/* Scores what may be the best of a group that may be among the first k. */
static int score_again(struct engine_search *search, const struct task *task, float threshold)
{
	const struct engine_search_query *query = task->query;
	const float *highest = search->highest;

	for (int b = 0; b < query->n_blocks; b++) {
		const struct engine_search_block *block = &query->blocks[b];

		for (size_t i = 0; i < block->n; i++, highest++) {
			uint32_t group = block->groups[i];
			float score;
			int rc;

			if (*highest < threshold || *highest < search->least[group])
				continue;
			rc = query->read(query->user, b, i, search->vector);
			if (rc < 0)
				return rc;
			score = engine_search_score(search->vector, query->vector, query->length);
			if (score > search->best[group])
				search->best[group] = score;
			if (score > search->least[group])
				search->least[group] = score;
		}
	}
	return 0;
}

int engine_search_run(struct engine_search *search, const struct engine_search_query *query,
		      struct engine_search_hit *ret_hits, int *ret_n_hits)
{
	struct task task = {.query = query, .stride = engine_search_stride(query->length)};
	size_t n_rows = 0, row = 0;
	int n, rc;

	for (int b = 0; b < query->n_blocks; b++)
		n_rows += query->blocks[b].n;
	rc = query->k < 1 || query->length < 1 || query->length > ENGINE_SEARCH_LENGTH_MAX ? -EINVAL : 0;
	if (rc == 0)
		rc = reserve_all(search, query, n_rows);
	if (rc == 0)
		rc = engine_search_encode(query->vector, query->length, search->codes, &task.about);
	if (rc < 0)
		return rc;
	*ret_n_hits = 0;
	if (!n_rows)
		return 0;
	task.length = (task.about.norm + task.about.error) * (1 + ROUNDING);
	search->of_norm = task.about.error + ROUNDING * (task.length + 3 * task.about.error);
	search->of_error = task.length + ROUNDING * (3 * task.length + task.about.error);
	for (size_t group = 0; group < query->n_groups; group++)
		search->least[group] = search->best[group] = -INFINITY;
	for (int b = 0; b < query->n_blocks; row += query->blocks[b++].n)
		bound_block(search, &task, &query->blocks[b], search->highest + row);
	n = find_top(search->least, query->n_groups, query->k, search->hits);
	rc = score_again(search, &task, n == query->k ? search->hits[0].score : -INFINITY);
	if (rc < 0)
		return rc;
	n = find_top(search->best, query->n_groups, query->k, search->hits);
	qsort(search->hits, (size_t)n, sizeof(*search->hits), by_score);
	memcpy(ret_hits, search->hits, (size_t)n * sizeof(*ret_hits));
	*ret_n_hits = n;
	return 0;
}

void engine_search_visit(const struct engine_search *search, const struct engine_search_query *query, uint32_t group,
			 void (*take)(void *user, int block, size_t row, float score), void *user)
{
	const float *highest = search->highest;

	for (int b = 0; b < query->n_blocks; highest += query->blocks[b++].n) {
		const struct engine_search_block *block = &query->blocks[b];

		for (size_t i = 0; i < block->n; i++)
			if (block->groups[i] == group)
				take(user, b, i,
				     fminf(highest[i] - bound_of(search, &block->about[i]), search->best[group]));
	}
}
