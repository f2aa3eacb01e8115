/*
 * check_igemm_f16.c - GEMM in float16 of every level that has it against arithmetic on halves in portable C, to the
 * bit; and that against sums in double, within the error that kernels.h gives.
 */
#include <math.h>

#include "every_level.h"
#include "guarded.h"
#include "support/halves.h"

TEST_SUITE(igemm_f16);

#define ROUNDS 150

struct tile {
	size_t m, n, kc, c_stride, residual_stride;
	float *w, *bias; /* w [n][kc] */
	float *x;	 /* [m][kc] */
	struct guarded a, residual, slope;
	float scales[5 * 8 + KERNEL_MR_MAX];
	bool has_residual, has_slope;
	float lo, hi;
	uint8_t *panel;
};

static size_t length(void)
{
	switch (test_random_range(0, 3)) {
	case 0:
		return (size_t)test_random_range(1, KERNEL_F16_KR + 1);
	case 1:
		return KERNEL_F16_RUN * (size_t)test_random_range(1, 3);
	default:
		return (size_t)test_random_range(1, 4 * KERNEL_F16_RUN);
	}
}

static size_t padded(size_t kc)
{
	return (kc + KERNEL_F16_KR - 1) / KERNEL_F16_KR * KERNEL_F16_KR;
}

/* Numbers of networks, whole ones that halves add up exactly, and those at the ends of what a row may have. */
static float number(int kind)
{
	switch (kind) {
	case 0:
		return test_random_float();
	case 1:
		return (float)test_random_range(-3, 3);
	case 2:
		return 511.9f;
	default:
		return test_random_float() * (test_random() % 8 ? 0x1p-20f : 1.0f);
	}
}

static void tile_init(struct tile *t, const struct kernels *table, int kind)
{
	const struct igemm_f16 *kernel = &table->igemm_f16;
	size_t kc;

	*t = (struct tile){.m = (size_t)test_random_range(1, 5 * kernel->mr),
			   .n = (size_t)test_random_range(1, kernel->nr),
			   .kc = length(),
			   .has_residual = test_random() & 1,
			   .has_slope = test_random() & 1,
			   .lo = test_random() & 1 ? -INFINITY : 0,
			   .hi = test_random() & 1 ? INFINITY : 6};
	kc = padded(t->kc);
	t->c_stride = t->n + (size_t)test_random_range(0, 3);
	t->residual_stride = t->n + (size_t)test_random_range(0, 3);
	t->w = malloc(t->n * t->kc * sizeof(float));
	t->bias = malloc(t->n * sizeof(float));
	t->x = malloc(t->m * t->kc * sizeof(float));
	t->a = guarded_create((t->m + kernel->mr - 1) / kernel->mr * kernel->mr * kc * sizeof(uint16_t), KERNEL_SLACK);
	t->residual = guarded_create(((t->m - 1) * t->residual_stride + t->n) * sizeof(float), KERNEL_SLACK);
	t->slope = guarded_create(t->n * sizeof(float), 0);
	t->panel = aligned_alloc(64, (pack_f16_panel_bytes(kernel, t->kc) + 63) / 64 * 64);
	for (size_t i = 0; i < t->n * t->kc; i++)
		t->w[i] = kind == 2 ? 0.9999f : number(kind);
	for (size_t i = 0; i < t->n; i++)
		t->bias[i] = test_random_float();
	for (size_t i = 0; i < t->m * t->kc; i++)
		t->x[i] = number(kind);
	for (size_t i = 0; i < t->n; i++)
		((float *)t->slope.data)[i] = test_random_float();
	for (size_t i = 0; i < t->residual.size / sizeof(float); i++)
		((float *)t->residual.data)[i] = test_random_float();
	/* Rows behind the last are read, whatever they are. */
	memset(t->a.data, 0x7f, t->a.size);
	for (size_t r = 0; r < t->m; r++) {
		uint16_t *row = (uint16_t *)t->a.data + r * kc;

		memset(row, 0, kc * sizeof(*row));
		kernel->narrow(t->kc, 1, t->x + r * t->kc, row);
		t->scales[r] = kind == 0 ? ldexpf(1, (int)test_random_range(-30, 30)) : 1;
	}
	pack_f16_panel(table, t->n, t->kc, t->w, t->bias, t->panel);
}

static void tile_finish(struct tile *t)
{
	free(t->w);
	free(t->bias);
	free(t->x);
	free(t->panel);
	guarded_destroy(&t->a);
	guarded_destroy(&t->residual);
	guarded_destroy(&t->slope);
}

/* The caller frees. */
static float *run_tile(const struct igemm_f16 *kernel, const struct tile *t)
{
	struct guarded out = guarded_create(((t->m - 1) * t->c_stride + t->n) * sizeof(float), 0);
	float *copy = malloc(out.size), canary;
	struct igemm_f16_args args = {.m = t->m,
				      .n = t->n,
				      .kc = padded(t->kc),
				      .a = t->a.data,
				      .scales = t->scales,
				      .w = t->panel,
				      .ahead = t->has_slope ? NULL : t->panel,
				      .c = out.data,
				      .c_stride = t->c_stride,
				      .residual = t->has_residual ? t->residual.data : NULL,
				      .residual_stride = t->residual_stride,
				      .slope = t->has_slope ? t->slope.data : NULL,
				      .lo = t->lo,
				      .hi = t->hi};

	kernel->run(&args);
	guarded_check(&out);
	memset(&canary, GUARDED_CANARY, sizeof(canary));
	for (size_t r = 0; r + 1 < t->m; r++)
		for (size_t n = t->n; n < t->c_stride; n++)
			cr_assert_eq(memcmp((float *)out.data + r * t->c_stride + n, &canary, sizeof(canary)), 0,
				     "%s wrote between rows", kernel->name);
	memcpy(copy, out.data, out.size);
	guarded_destroy(&out);
	return copy;
}

/* The sum in double, what it may be off by, and what its error is a share of. */
static double sum_of(const struct tile *t, size_t row, size_t column, double *ret_error)
{
	const float *x = t->x + row * t->kc, *w = t->w + column * t->kc;
	double sum = 0, reach = 0, most_x = 0, most_w = 0;

	for (size_t k = 0; k < t->kc; k++) {
		sum += (double)x[k] * (double)w[k];
		reach += fabs((double)x[k] * (double)w[k]);
		most_x = fmax(most_x, fabs((double)x[k]));
		most_w = fmax(most_w, fabs((double)w[k]));
	}
	most_x = fmax(most_x, 0x1p-6);
	*ret_error = (pow(1 + 0x1p-11, KERNEL_F16_RUN + 2) - 1) * reach + 0x1p-17 * (double)t->kc * most_x * most_w +
		     1e-6 * (reach + 4);
	return sum;
}

static double finished(const struct tile *t, size_t row, size_t column, double sum)
{
	double value = sum + (double)t->bias[column];

	if (t->has_residual)
		value += (double)((float *)t->residual.data)[row * t->residual_stride + column];
	if (t->has_slope && value < 0)
		value *= (double)((float *)t->slope.data)[column];
	return fmin(fmax(value, (double)t->lo), (double)t->hi);
}

static void check_error(const struct tile *t, const float *got, int kind)
{
	for (size_t r = 0; r < t->m; r++)
		for (size_t n = 0; n < t->n; n++) {
			double error, sum = sum_of(t, r, n, &error), scale = (double)t->scales[r];
			double want = finished(t, r, n, sum * scale), value = (double)got[r * t->c_stride + n];

			/* Whole numbers are exact, and slopes make errors smaller. */
			error = kind == 1 ? 1e-6 * (fabs(want) + 4) : error * scale + 1e-6;
			cr_assert_leq(fabs(value - want), error, "kind %d, kc %zu: %g and not %g", kind, t->kc, value,
				      want);
		}
}

static void check_tile(const struct kernels *table)
{
	int kind = (int)test_random_range(0, 3);
	float *got, *want;
	struct tile t;

	if (!table->igemm_f16.name)
		return;
	tile_init(&t, table, kind);
	got = run_tile(&table->igemm_f16, &t);
	want = run_tile(&halves_igemm, &t);
	for (size_t r = 0; r < t.m; r++)
		for (size_t n = 0; n < t.n; n++)
			cr_assert_eq(got[r * t.c_stride + n], want[r * t.c_stride + n],
				     "%s: kind %d m %zu n %zu kc %zu: %a and not %a", table->igemm_f16.name, kind, t.m,
				     t.n, t.kc, (double)got[r * t.c_stride + n], (double)want[r * t.c_stride + n]);
	check_error(&t, got, kind);
	free(got);
	free(want);
	tile_finish(&t);
}

Test(igemm_f16, every_level_rounds_as_portable_code)
{
	for_every_level(ROUNDS, check_tile);
}

/* The portable code itself, which stands for the kernel on processors without. */
Test(igemm_f16, portable_code_is_within_its_error)
{
	halves_install();
	for (int i = 0; i < ROUNDS; i++)
		check_tile(kernels_level("scalar"));
}

Test(igemm_f16, sums_of_halves_are_rounded_once)
{
	cr_assert_eq(halves_fma(2048, 1, 1), 2048, "half to even");
	cr_assert_eq(halves_fma(2050, 1, 1), 2052, "half to even");
	cr_assert_eq(halves_fma(2048, 1 + 0x1p-10, 1), 2050);
	cr_assert_eq(halves_fma(32768 + 32, 0.5, 32 - 0x1p-5), 32768 + 32);
	cr_assert_eq(halves_fma(32768 + 32, 0.5, 32), 32768 + 64);
	cr_assert_eq(halves_fma(0, 0x1p-14, 0x1p-11), 0, "half of the smallest to even");
	cr_assert_eq(halves_fma(0, 0x1p-14, 0x1.8p-11), 0x1p-24);
	cr_assert_eq(halves_fma(65504, 1, 16), INFINITY);
	cr_assert_eq(halves_fma(65504, 1, 15.9921875), 65504);
}

static void check_narrow(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, 70);
	struct guarded in = guarded_create(n * sizeof(float), 0), out = guarded_create(n * sizeof(uint16_t), 0);
	float *x = in.data, scale = ldexpf(1, (int)test_random_range(-40, 40));
	uint16_t *got = out.data, want[70], most, expected;

	if (!table->igemm_f16.name)
		return;
	for (size_t i = 0; i < n; i++)
		x[i] = test_random_float() * ldexpf(1, (int)test_random_range(-60, 60));
	if (test_random() % 4 == 0)
		x[test_random_range(0, (int64_t)n - 1)] = test_random() & 1 ? -INFINITY : NAN;
	most = table->igemm_f16.narrow(n, scale, x, got);
	guarded_check(&out);
	expected = halves_igemm.narrow(n, scale, x, want);
	for (size_t i = 0; i < n; i++)
		cr_assert(got[i] == want[i] || isnan(x[i]), "%s: %a * %a becomes %04x, not %04x", table->level,
			  (double)x[i], (double)scale, got[i], want[i]);
	cr_assert(most == expected || (most > 0x7c00 && expected > 0x7c00), "%s: %04x and not %04x", table->level, most,
		  expected);
	guarded_destroy(&in);
	guarded_destroy(&out);
}

Test(igemm_f16, inputs_are_narrowed_and_their_largest_is_told)
{
	for_every_level(ROUNDS, check_narrow);
}

/* Columns have powers of two that make their largest a half to one, whatever they hold. */
Test(igemm_f16, weights_of_any_size_fit)
{
	static const float largest[] = {0, 1e-45f, 1e-30f, 0.3f, 1, 65504, 1e9f, 1e38f};
	const struct kernels *table = kernels_level("scalar");

	halves_install();
	for (size_t i = 0; i < sizeof(largest) / sizeof(*largest); i++) {
		_Alignas(64) uint8_t panel[16 * (8 + 2 * KERNEL_F16_KR)];
		const float w[2] = {-largest[i], largest[i] / 4}, bias = 5;
		const float *head = (const float *)(const void *)panel;
		const uint16_t *halves = (const uint16_t *)(const void *)(head + 32);

		cr_assert_eq(pack_f16_panel_bytes(&table->igemm_f16, 2), sizeof(panel));
		pack_f16_panel(table, 1, 2, w, &bias, panel);
		cr_assert_eq(head[0], 5);
		cr_assert_float_eq(head[16] * (float)halves_value(halves[0]), w[0], largest[i] / 1000);
		cr_assert_float_eq(head[16] * (float)halves_value(halves[16]), w[1], largest[i] / 1000);
		cr_assert(largest[i] < 1e-37f || largest[i] > 5e37f || fabs(halves_value(halves[0])) >= 0.5);
		cr_assert_leq(fabs(halves_value(halves[0])), 2);
	}
}
