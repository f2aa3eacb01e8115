/* check_dots.c - the dot products of bytes of every level against 64-bit arithmetic written out. */
#include "every_level.h"
#include "guarded.h"

TEST_SUITE(dots);

#define ROWS_MAX   9
#define BLOCKS_MAX 20 /* of 64 bytes */
#define LARGEST	   127
#define ROUNDS	   60

static int8_t number(int kind)
{
	switch (kind) {
	case 0: /* all as large as can be: sums of pairs come closest to what 16 bits hold */
		return LARGEST;
	case 1:
		return -LARGEST;
	case 2:
		return test_random() & 1 ? LARGEST : -LARGEST;
	default:
		return (int8_t)test_random_range(-LARGEST, LARGEST);
	}
}

static void check_dots(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, ROWS_MAX), stride = 64 * (size_t)test_random_range(1, BLOCKS_MAX);
	struct guarded rows = guarded_create(n * stride, 0), query = guarded_create(stride, 0),
		       out = guarded_create(n * sizeof(int32_t), 0);
	int8_t *x = rows.data, *y = query.data;
	int kind = (int)test_random_range(0, 5), query_kind = (int)test_random_range(0, 5);

	for (size_t i = 0; i < n * stride; i++)
		x[i] = number(kind);
	for (size_t i = 0; i < stride; i++)
		y[i] = number(query_kind);
	table->dots_s8(n, stride, x, y, out.data);
	for (size_t i = 0; i < n; i++) {
		int64_t want = 0;

		for (size_t j = 0; j < stride; j++)
			want += (int64_t)x[i * stride + j] * y[j];
		cr_assert_eq(((int32_t *)out.data)[i], want, "%s: row %zu of %zu bytes is %d, not %lld", table->level,
			     i, stride, ((int32_t *)out.data)[i], (long long)want);
	}
	guarded_check(&out);
	guarded_destroy(&rows);
	guarded_destroy(&query);
	guarded_destroy(&out);
}

Test(dots, every_level_is_exact)
{
	for_every_level(ROUNDS, check_dots);
}

/* The longest vector of the largest numbers: the sum still fits. */
static void check_longest(const struct kernels *table)
{
	size_t stride = 65536;
	int8_t *x = malloc(stride), *y = malloc(stride);
	int32_t sum;

	memset(x, LARGEST, stride);
	memset(y, -LARGEST, stride);
	table->dots_s8(1, stride, x, y, &sum);
	cr_assert_eq(sum, -LARGEST * LARGEST * 65536, "%s: %d", table->level, sum);
	table->dots_s8(1, stride, y, y, &sum);
	cr_assert_eq(sum, LARGEST * LARGEST * 65536, "%s: %d", table->level, sum);
	free(x);
	free(y);
}

Test(dots, longest_vectors_fit)
{
	for_every_level(1, check_longest);
}
