/*
 * check_convert.c - tables of bytes and float16 numbers of every level, in any number and in place, against one entry
 * at a time and the portable conversion.
 */
#include "every_level.h"
#include "guarded.h"

TEST_SUITE(convert);

#define N_MAX  200
#define ROUNDS 60

static void check_lut(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, N_MAX);
	struct guarded in = guarded_create(n, KERNEL_SLACK), out = guarded_create(n, 0);
	int8_t *x = in.data, *y = out.data, entries[256];

	for (size_t i = 0; i < 256; i++)
		entries[i] = (int8_t)test_random_range(-128, 127);
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] = (int8_t)test_random_range(-128, 127);
	if (test_random() & 1)
		table->lut_s8(entries, n, y, y);
	else
		table->lut_s8(entries, n, x, y);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(y[i], entries[(uint8_t)x[i]], "%s: %d becomes %d at %zu of %zu", table->level, x[i], y[i],
			     i, n);
	guarded_check(&out);
	guarded_destroy(&in);
	guarded_destroy(&out);
}

Test(convert, tables_of_every_level)
{
	for_every_level(ROUNDS, check_lut);
}

/* Anything but NaN; as often as not what lies half way between two float16 numbers, or next to it. */
static float any_float(void)
{
	uint32_t bits;
	float number;

	do {
		bits = (uint32_t)test_random();
		if (test_random() & 1)
			bits = (bits & 0xffffe000) + (uint32_t)test_random_range(0xfff, 0x1001);
		if (test_random() & 1)
			bits = (bits & 0x8fffffff) | 0x30000000 | (bits & 0x08000000); /* near what float16 has */
	} while ((bits & 0x7fffffff) > 0x7f800000);
	memcpy(&number, &bits, sizeof(number));
	return number;
}

static void check_halves(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, N_MAX);
	struct guarded in = guarded_create(n * sizeof(float), KERNEL_SLACK),
		       halves = guarded_create(n * sizeof(uint16_t), 0), back = guarded_create(n * sizeof(float), 0);
	const struct kernels *scalar = kernels_level("scalar");
	uint16_t want_halves[N_MAX];
	float want_back[N_MAX];

	for (size_t i = 0; i < n; i++)
		((float *)in.data)[i] = any_float();
	scalar->f32_to_f16(n, in.data, want_halves);
	scalar->f16_to_f32(n, want_halves, want_back);
	table->f32_to_f16(n, in.data, halves.data);
	guarded_check(&halves);
	table->f16_to_f32(n, want_halves, back.data);
	guarded_check(&back);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(((uint16_t *)halves.data)[i], want_halves[i], "%s: %a becomes %#x and not %#x",
			     table->level, (double)((float *)in.data)[i], ((uint16_t *)halves.data)[i], want_halves[i]);
	cr_assert_eq(memcmp(back.data, want_back, n * sizeof(float)), 0, "%s", table->level);
	guarded_destroy(&in);
	guarded_destroy(&halves);
	guarded_destroy(&back);
}

Test(convert, halves_of_every_level)
{
	for_every_level(ROUNDS, check_halves);
}
