/* Searching by bytes against scoring every vector: the same groups, the same scores, in the same order. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "support/test.h"

TEST_SUITE(search);

#define LENGTH_MAX 300
#define ROWS_MAX   700
#define BLOCKS	   3

struct rig {
	int length, n_rows;
	size_t n_groups, stride;
	float *vectors; /* n_rows of them */
	int8_t *codes;
	struct engine_search_code *about;
	uint32_t *groups;
	int starts[BLOCKS + 1];
	int n_read;
	struct engine_search *search;
	/* of the last search */
	struct engine_search_block blocks[BLOCKS];
	struct engine_search_query query;
};

static void rig_init(struct rig *rig, int length, int n_rows, size_t n_groups)
{
	*rig = (struct rig){.length = length, .n_rows = n_rows, .n_groups = n_groups};
	rig->stride = engine_search_stride(length);
	rig->vectors = calloc((size_t)n_rows * (size_t)length, sizeof(float));
	rig->codes = malloc((size_t)n_rows * rig->stride);
	rig->about = calloc((size_t)n_rows, sizeof(*rig->about));
	rig->groups = calloc((size_t)n_rows, sizeof(*rig->groups));
	rig->starts[1] = n_rows / 3;
	rig->starts[2] = n_rows / 2;
	rig->starts[3] = n_rows;
	cr_assert_eq(engine_search_create(&rig->search), 0);
}

static void rig_finish(struct rig *rig)
{
	engine_search_destroy(rig->search);
	free(rig->vectors);
	free(rig->codes);
	free(rig->about);
	free(rig->groups);
}

static float *row_of(const struct rig *rig, int row)
{
	return rig->vectors + (size_t)row * (size_t)rig->length;
}

static void normalize(float *vector, int length)
{
	double sum = 0;

	for (int i = 0; i < length; i++)
		sum += (double)vector[i] * (double)vector[i];
	for (int i = 0; i < length; i++)
		vector[i] = (float)((double)vector[i] / sqrt(sum));
}

static void fill_random(float *vector, int length)
{
	for (int i = 0; i < length; i++)
		vector[i] = test_random_float();
	vector[0] += 2; /* never zero */
	normalize(vector, length);
}

static void encode_all(struct rig *rig)
{
	for (int i = 0; i < rig->n_rows; i++)
		cr_assert_eq(engine_search_encode(row_of(rig, i), rig->length, rig->codes + (size_t)i * rig->stride,
						  &rig->about[i]),
			     0);
}

static int read_row(void *user, int block, size_t row, float *ret_vector)
{
	struct rig *rig = user;

	rig->n_read++;
	memcpy(ret_vector, row_of(rig, rig->starts[block] + (int)row), (size_t)rig->length * sizeof(float));
	return 0;
}

static int run(struct rig *rig, const float *vector, int k, struct engine_search_hit *hits, int *n)
{
	rig->query = (struct engine_search_query){.vector = vector,
						  .length = rig->length,
						  .k = k,
						  .blocks = rig->blocks,
						  .n_blocks = BLOCKS,
						  .n_groups = rig->n_groups,
						  .read = read_row,
						  .user = rig};
	for (int i = 0; i < BLOCKS; i++)
		rig->blocks[i] = (struct engine_search_block){rig->codes + (size_t)rig->starts[i] * rig->stride,
							      rig->about + rig->starts[i], rig->groups + rig->starts[i],
							      (size_t)(rig->starts[i + 1] - rig->starts[i])};
	return engine_search_run(rig->search, &rig->query, hits, n);
}

static int by_score(const void *left, const void *right)
{
	const struct engine_search_hit *a = left, *b = right;

	if (a->score != b->score)
		return a->score < b->score ? 1 : -1;
	return a->group > b->group ? 1 : -1;
}

static int scan_all(const struct rig *rig, const float *vector, struct engine_search_hit *hits)
{
	int n = 0;

	for (uint32_t group = 0; group < rig->n_groups; group++) {
		float best = -INFINITY;

		for (int i = 0; i < rig->n_rows; i++)
			if (rig->groups[i] == group)
				best = fmaxf(best, engine_search_score(row_of(rig, i), vector, rig->length));
		if (best > -INFINITY)
			hits[n++] = (struct engine_search_hit){group, best};
	}
	qsort(hits, (size_t)n, sizeof(*hits), by_score);
	return n;
}

static void check(struct rig *rig, const float *vector, int k)
{
	struct engine_search_hit found[ROWS_MAX], due[ROWS_MAX];
	int n_found = 0, n_due = scan_all(rig, vector, due);

	cr_assert_eq(run(rig, vector, k, found, &n_found), 0);
	cr_assert_eq(n_found, n_due < k ? n_due : k, "%d hits of %d", n_found, n_due);
	for (int i = 0; i < n_found; i++)
		cr_assert(found[i].group == due[i].group && found[i].score == due[i].score,
			  "hit %d of %d is group %u with %.9g, not %u with %.9g", i, n_found, found[i].group,
			  (double)found[i].score, due[i].group, (double)due[i].score);
}

Test(search, ranking_is_that_of_all_originals)
{
	for (int round = 0; round < 60; round++) {
		int length = (int)test_random_range(1, LENGTH_MAX), n_rows = (int)test_random_range(0, ROWS_MAX);
		float vector[LENGTH_MAX];
		struct rig rig;

		rig_init(&rig, length, n_rows, (size_t)test_random_range(1, ROWS_MAX));
		for (int i = 0; i < n_rows; i++) {
			fill_random(row_of(&rig, i), length);
			rig.groups[i] = (uint32_t)test_random_range(0, (int64_t)rig.n_groups - 1);
		}
		encode_all(&rig);
		fill_random(vector, length);
		check(&rig, vector, (int)test_random_range(1, 30));
		rig_finish(&rig);
	}
}

/* All within less of each other than bytes can tell: whatever the bytes say, the originals decide. */
struct visit {
	const struct rig *rig;
	struct engine_search_hit hit;
	int row;
};

static void check_row(void *user, int block, size_t row, float score)
{
	struct visit *visit = user;
	const struct rig *rig = visit->rig;
	float exact;

	while (rig->groups[visit->row] != visit->hit.group)
		visit->row++;
	cr_assert_eq(visit->row, rig->starts[block] + (int)row);
	exact = engine_search_score(row_of(rig, visit->row), rig->query.vector, rig->length);
	cr_assert_float_eq(score, exact, 0.02f, "%.5f, not %.5f", (double)score, (double)exact);
	cr_assert_leq(score, visit->hit.score);
	visit->row++;
}

Test(search, every_vector_of_a_hit_is_visited_in_order_with_about_its_score)
{
	for (int round = 0; round < 20; round++) {
		int length = (int)test_random_range(1, LENGTH_MAX), n = 0;
		struct engine_search_hit hits[4];
		float vector[LENGTH_MAX];
		struct rig rig;

		rig_init(&rig, length, ROWS_MAX, 20);
		for (int i = 0; i < ROWS_MAX; i++) {
			fill_random(row_of(&rig, i), length);
			rig.groups[i] = (uint32_t)test_random_range(0, 19);
		}
		encode_all(&rig);
		fill_random(vector, length);
		cr_assert_eq(run(&rig, vector, 4, hits, &n), 0);
		for (int i = 0; i < n; i++) {
			struct visit visit = {.rig = &rig, .hit = hits[i]};

			engine_search_visit(rig.search, &rig.query, hits[i].group, check_row, &visit);
			for (; visit.row < ROWS_MAX; visit.row++)
				cr_assert_neq(rig.groups[visit.row], hits[i].group, "row %d was passed over",
					      visit.row);
		}
		rig_finish(&rig);
	}
}

Test(search, near_ties_are_told_apart)
{
	for (int round = 0; round < 40; round++) {
		float vector[LENGTH_MAX], base[LENGTH_MAX] = {0};
		int length = (int)test_random_range(8, LENGTH_MAX), spread = (int)test_random_range(1, 5);
		struct rig rig;

		rig_init(&rig, length, 200, 200);
		fill_random(base, length);
		for (int i = 0; i < rig.n_rows; i++) {
			memcpy(row_of(&rig, i), base, (size_t)length * sizeof(float));
			/* A few of the last bits of a few numbers, or nothing at all: then the order of groups decides.
			 */
			for (int j = 0; j < spread; j++)
				row_of(&rig, i)[test_random_range(0, length - 1)] *= 1 + 1e-6f * test_random_float();
			rig.groups[i] = (uint32_t)i;
		}
		encode_all(&rig);
		memcpy(vector, base, sizeof(vector));
		check(&rig, vector, 10);
		fill_random(vector, length);
		check(&rig, vector, 10);
		rig_finish(&rig);
	}
}

/* One number takes the scale, so that all others are rounded to nothing: bytes then know next to nothing. */
Test(search, peaks_that_hide_the_rest_do_not_mislead)
{
	float vector[LENGTH_MAX];
	struct rig rig;

	rig_init(&rig, LENGTH_MAX, 300, 300);
	for (int i = 0; i < rig.n_rows; i++) {
		fill_random(row_of(&rig, i), LENGTH_MAX);
		for (int j = 0; j < LENGTH_MAX; j++)
			row_of(&rig, i)[j] *= 0.003f;
		row_of(&rig, i)[i % 3] = 1;
		normalize(row_of(&rig, i), LENGTH_MAX);
		rig.groups[i] = (uint32_t)i;
	}
	encode_all(&rig);
	fill_random(vector, LENGTH_MAX);
	vector[0] = vector[1] = vector[2] = 0;
	normalize(vector, LENGTH_MAX);
	check(&rig, vector, 7);
	rig_finish(&rig);
}

/* Otherwise it would be right and of no use. */
Test(search, few_originals_are_read)
{
	float vector[LENGTH_MAX];
	struct rig rig;

	rig_init(&rig, LENGTH_MAX, ROWS_MAX, 10);
	for (int i = 0; i < rig.n_rows; i++) {
		fill_random(row_of(&rig, i), LENGTH_MAX);
		rig.groups[i] = (uint32_t)(i % 10);
	}
	encode_all(&rig);
	memcpy(vector, row_of(&rig, 123), sizeof(vector));
	check(&rig, vector, 1);
	cr_assert_leq(rig.n_read, 3, "%d originals were read", rig.n_read);
	rig_finish(&rig);
}

Test(search, error_is_within_the_bound)
{
	for (int round = 0; round < 300; round++) {
		float x[LENGTH_MAX], y[LENGTH_MAX];
		int8_t q[LENGTH_MAX + ENGINE_SEARCH_ALIGN], r[LENGTH_MAX + ENGINE_SEARCH_ALIGN];
		struct engine_search_code of_x, of_y;
		double score, approximate = 0, bound;

		fill_random(x, LENGTH_MAX);
		fill_random(y, LENGTH_MAX);
		cr_assert_eq(engine_search_encode(x, LENGTH_MAX, q, &of_x), 0);
		cr_assert_eq(engine_search_encode(y, LENGTH_MAX, r, &of_y), 0);
		for (int i = 0; i < LENGTH_MAX; i++)
			approximate += (double)of_x.scale * q[i] * (double)of_y.scale * r[i];
		score = (double)engine_search_score(x, y, LENGTH_MAX);
		bound = (double)of_x.norm * (double)of_y.error + (double)of_x.error * (double)(of_y.norm + of_y.error);
		cr_assert_leq(fabs(score - approximate), bound + 1e-6);
	}
}

Test(search, what_is_not_finite_is_refused)
{
	float vector[LENGTH_MAX];
	int8_t codes[LENGTH_MAX + ENGINE_SEARCH_ALIGN];
	struct engine_search_code code;
	struct engine_search_hit hits[5];
	struct rig rig;
	int n;

	fill_random(vector, LENGTH_MAX);
	for (int i = 0; i < 3; i++) {
		vector[17] = (float[]){NAN, INFINITY, -INFINITY}[i];
		cr_assert_eq(engine_search_encode(vector, LENGTH_MAX, codes, &code), -EINVAL);
		rig_init(&rig, LENGTH_MAX, 0, 1);
		cr_assert_eq(run(&rig, vector, 5, hits, &n), -EINVAL);
		rig_finish(&rig);
	}
	memset(vector, 0, sizeof(vector));
	cr_assert_eq(engine_search_encode(vector, LENGTH_MAX, codes, &code), 0);
	cr_assert_eq(code.error, 0);
}
