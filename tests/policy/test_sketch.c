#include "policy/sketch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

TEST_SUITE(sketch);

/* Spread over all octaves, with the small values that have a bucket each and the ends of octaves among them. */
static uint64_t random_value(void)
{
	uint64_t top = UINT64_C(1) << test_random_range(0, SKETCH_VALUE_BITS);

	switch (test_random_range(0, 3)) {
	case 0:
		return top;
	case 1:
		return top - 1;
	default:
		return test_random() % top;
	}
}

Test(sketch, one_value_is_found_within_its_bucket)
{
	for (int i = 0; i < 100000; i++) {
		struct sketch sketch = {0};
		uint64_t value = random_value(), low;
		double middle;
		struct sketch_step step = {0};

		sketch_add(&sketch, value);
		if (value > SKETCH_VALUE_MAX)
			value = SKETCH_VALUE_MAX;
		cr_assert_eq(sketch_quantile(&sketch, 0.5), value, "one value is the least and the greatest");
		cr_assert(sketch_next(&sketch, &step));
		cr_assert(step.low <= value && value <= step.high && step.count == 1);
		low = step.low;
		middle = (double)step.low + (double)(step.high - step.low) / 2;
		cr_assert_leq(fabs(middle - (double)value), (double)value / 64, "%llu in %llu..%llu",
			      (unsigned long long)value, (unsigned long long)low, (unsigned long long)step.high);
		cr_assert(!sketch_next(&sketch, &step));
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* The quantile as it is defined: the least value that at least this share does not exceed. */
static uint64_t true_quantile(const uint64_t *sorted, size_t n, double share)
{
	size_t rank = (size_t)ceil(share * (double)n);

	return sorted[rank ? rank - 1 : 0];
}

Test(sketch, quantiles_are_within_the_promised_error)
{
	static const double shares[] = {0, 0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
	enum { N = 5000 };
	static uint64_t values[N];

	for (int round = 0; round < 20; round++) {
		struct sketch sketch = {0};
		/* Skewed like latencies: a factor of 2^-4..2^4 around something. */
		double centre = pow(2, 6 + 20 * fabs((double)test_random_float()));

		for (int i = 0; i < N; i++) {
			values[i] = (uint64_t)(centre * pow(2, 4 * (double)test_random_float()));
			sketch_add(&sketch, values[i]);
		}
		qsort(values, N, sizeof(values[0]), compare);
		for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
			double truth = (double)true_quantile(values, N, shares[i]),
			       found = (double)sketch_quantile(&sketch, shares[i]);

			cr_assert_leq(fabs(found - truth), truth / 64 + 0.5, "p%g: %g for %g", 100 * shares[i], found,
				      truth);
		}
		cr_assert_eq(sketch_quantile(&sketch, 0), values[0]);
		cr_assert_eq(sketch_quantile(&sketch, 1), values[N - 1]);
	}
}

Test(sketch, whole_is_the_merge_of_its_parts_bit_for_bit)
{
	static struct sketch whole, merged, parts[7];
	uint8_t bytes[SKETCH_BYTES_MAX], other[SKETCH_BYTES_MAX];
	size_t size;

	for (int i = 0; i < 20000; i++) {
		uint64_t value = random_value();

		sketch_add(&whole, value);
		sketch_add(&parts[test_random_range(0, 5)], value); /* the last one stays empty */
	}
	for (int i = 6; i >= 0; i--)
		sketch_merge(&merged, &parts[i]);
	cr_assert_eq(memcmp(&whole, &merged, sizeof(whole)), 0);
	memset(&merged, 0, sizeof(merged));
	for (int i = 0; i < 7; i++)
		sketch_merge(&merged, &parts[i]);
	cr_assert_eq(memcmp(&whole, &merged, sizeof(whole)), 0, "in another order");
	size = sketch_encode(&whole, bytes);
	cr_assert_eq(sketch_encode(&merged, other), size);
	cr_assert_eq(memcmp(bytes, other, size), 0);
}

Test(sketch, sums_that_would_overflow_stay_at_their_highest)
{
	struct sketch a = {0}, b = {0};

	sketch_add(&a, 1000);
	for (int i = 0; i < 70; i++) {
		b = a;
		sketch_merge(&a, &b);
	}
	cr_assert_eq(a.count, UINT64_MAX);
	cr_assert_eq(a.sum, UINT64_MAX);
	cr_assert_eq(sketch_quantile(&a, 0.99), 1000);
	sketch_add(&a, 1000);
	cr_assert_eq(a.count, UINT64_MAX);
}

Test(sketch, reset_leaves_nothing)
{
	static struct sketch sketch, empty;

	for (int i = 0; i < 1000; i++)
		sketch_add(&sketch, random_value());
	sketch_reset(&sketch);
	cr_assert_eq(memcmp(&sketch, &empty, sizeof(empty)), 0);
	sketch_reset(&sketch);
	cr_assert_eq(memcmp(&sketch, &empty, sizeof(empty)), 0);
}

Test(sketch, an_empty_one_has_no_figures)
{
	static struct sketch sketch;
	struct sketch_step step = {0};

	cr_assert_eq(sketch_quantile(&sketch, 0.5), 0);
	cr_assert_eq(sketch_mean(&sketch), 0);
	cr_assert_eq(sketch_share_upto(&sketch, 5), 0);
	cr_assert(!sketch_next(&sketch, &step));
}

Test(sketch, share_and_mean)
{
	struct sketch sketch = {0};

	for (uint64_t value = 1; value <= 50; value++)
		sketch_add(&sketch, value);
	cr_assert_float_eq(sketch_mean(&sketch), 25.5, 1e-12);
	cr_assert_float_eq(sketch_share_upto(&sketch, 25), 0.5, 1e-12);
	cr_assert_eq(sketch_share_upto(&sketch, 0), 0);
	cr_assert_eq(sketch_share_upto(&sketch, 1000000), 1);
}

/* ---- bytes ---------------------------------------------------------------------------------------- */

Test(sketch, bytes_bring_the_same_sketch_back)
{
	for (int round = 0; round < 200; round++) {
		struct sketch sketch = {0}, back;
		uint8_t bytes[SKETCH_BYTES_MAX];
		size_t size;

		for (int64_t n = test_random_range(0, 300); n > 0; n--)
			sketch_add(&sketch, random_value());
		size = sketch_encode(&sketch, bytes);
		cr_assert_leq(size, sizeof(bytes));
		memset(&back, 0xff, sizeof(back));
		cr_assert_eq(sketch_decode(bytes, size, &back), 0);
		cr_assert_eq(memcmp(&back, &sketch, sizeof(back)), 0);
	}
}

Test(sketch, the_largest_possible_one_fits_its_bytes)
{
	static struct sketch sketch, back;
	static uint8_t bytes[SKETCH_BYTES_MAX];
	size_t size;

	for (uint64_t value = 0; value <= SKETCH_VALUE_MAX; value += value < 64 ? 1 : value / 64)
		sketch_add(&sketch, value);
	sketch_add(&sketch, SKETCH_VALUE_MAX);
	for (int i = 0; i < SKETCH_BUCKETS; i++)
		sketch.buckets[i] = UINT64_MAX;
	sketch.count = sketch.sum = UINT64_MAX;
	size = sketch_encode(&sketch, bytes);
	cr_assert_leq(size, sizeof(bytes));
	cr_assert_eq(sketch_decode(bytes, size, &back), 0);
	cr_assert_eq(memcmp(&back, &sketch, sizeof(back)), 0);
}

/* A sketch of 3 and 200, and the same with one thing wrong. */
Test(sketch, bytes_that_cannot_be_one_are_refused)
{
	/* version, min, max, sum, buckets, then gap and count: 200 is in bucket 64 + 32 + (200 >> 2 & 31) = 114 */
	static const uint8_t good[] = {1, 3, 0xc8, 1, 0xcb, 1, 2, 3, 1, 110, 1};
	static const struct {
		const char *what;
		uint8_t bytes[16];
		size_t size;
	} bad[] = {
		{"no bytes", {0}, 0},
		{"another version", {2, 3, 0xc8, 1, 0xcb, 1, 2, 3, 1, 110, 1}, 11},
		{"cut", {1, 3, 0xc8, 1, 0xcb, 1, 2, 3, 1, 110}, 10},
		{"bytes behind", {1, 3, 0xc8, 1, 0xcb, 1, 2, 3, 1, 110, 1, 0}, 12},
		{"a number with a zero on top", {1, 0x83, 0, 0xc8, 1, 0xcb, 1, 2, 3, 1, 110, 1}, 12},
		{"a number of more than 64 bits",
		 {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 1, 1, 1, 1},
		 16},
		{"a bucket of nothing", {1, 3, 0xc8, 1, 0xcb, 1, 2, 3, 0, 110, 1}, 11},
		{"a bucket beyond the last", {1, 3, 0xc8, 1, 0xcb, 1, 2, 3, 1, 0xff, 8, 1}, 12},
		{"a gap that wraps", {1, 3, 3, 3, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}, 16},
		{"more buckets than there are", {1, 3, 0xc8, 1, 0xcb, 1, 0xff, 0x7f, 3, 1, 110, 1}, 12},
		{"a least value of another bucket", {1, 2, 0xc8, 1, 0xcb, 1, 2, 3, 1, 110, 1}, 11},
		{"a greatest value of another bucket", {1, 3, 0xcc, 1, 0xcb, 1, 2, 3, 1, 110, 1}, 11},
		{"a sum too small", {1, 3, 0xc8, 1, 5, 2, 3, 1, 110, 1}, 10},
		{"a sum too large", {1, 3, 0xc8, 1, 0xcb, 9, 2, 3, 1, 110, 1}, 11},
		{"a sum of nothing", {1, 0, 0, 1, 0}, 5},
	};
	struct sketch sketch;

	cr_assert_eq(sketch_decode(good, sizeof(good), &sketch), 0);
	cr_assert(sketch.count == 2 && sketch.sum == 203 && sketch.min == 3 && sketch.max == 200);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sketch untouched = sketch;

		cr_assert_eq(sketch_decode(bad[i].bytes, bad[i].size, &sketch), -EBADMSG, "%s", bad[i].what);
		cr_assert_eq(memcmp(&untouched, &sketch, sizeof(sketch)), 0, "%s", bad[i].what);
	}
}

Test(sketch, any_bytes_are_one_sketch_or_none)
{
	for (int round = 0; round < 20000; round++) {
		struct sketch sketch = {0}, back;
		uint8_t bytes[SKETCH_BYTES_MAX], again[SKETCH_BYTES_MAX];
		size_t size;

		for (int64_t n = test_random_range(0, 6); n > 0; n--)
			sketch_add(&sketch, random_value());
		size = sketch_encode(&sketch, bytes);
		bytes[test_random() % size] = (uint8_t)test_random();
		if (sketch_decode(bytes, size, &back) < 0)
			continue;
		cr_assert_eq(sketch_encode(&back, again), size);
		cr_assert_eq(memcmp(bytes, again, size), 0, "what is accepted has one spelling");
	}
}
