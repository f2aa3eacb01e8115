/*
 * check_igemm.c - every level's indirect GEMM against the portable one: sizes below, at and above the tile, random and
 * extreme numbers, inputs that end before a page that faults, outputs watched on all sides.
 */
#include <math.h>

#include "every_level.h"
#include "guarded.h"

TEST_SUITE(igemm);

static size_t size_around(size_t unit)
{
	switch (test_random_range(0, 4)) {
	case 0:
		return 1;
	case 1:
		return unit;
	case 2:
		return (size_t)test_random_range(1, (int64_t)unit);
	case 3:
		return 3 * unit + 1;
	default:
		return (size_t)test_random_range(1, 5 * (int64_t)unit);
	}
}

/* ---- float --------------------------------------------------------------------------------------- */

struct case_f32 {
	size_t m, n, taps, kc, residual_stride, c_stride;
	float *w, *bias, *values; /* w [n][taps][kc]; values [rows][taps][kc] */
	struct guarded a, residual, slope;
	bool has_residual, has_slope;
	float lo, hi;
};

static void case_f32_init(struct case_f32 *c, size_t m_max, size_t n_max)
{
	*c = (struct case_f32){.m = (size_t)test_random_range(1, (int64_t)m_max),
			       .n = (size_t)test_random_range(1, (int64_t)n_max),
			       .taps = (size_t)test_random_range(1, 9),
			       .kc = size_around(16),
			       .has_residual = test_random() & 1,
			       .has_slope = test_random() & 1,
			       .lo = test_random() & 1 ? -INFINITY : 0,
			       .hi = test_random() & 1 ? INFINITY : 6};
	c->c_stride = c->n + (size_t)test_random_range(0, 3);
	c->residual_stride = c->n + (size_t)test_random_range(0, 3);
	c->w = malloc(c->n * c->taps * c->kc * sizeof(float));
	c->bias = malloc(c->n * sizeof(float));
	c->a = guarded_create(c->m * c->taps * c->kc * sizeof(float), KERNEL_SLACK);
	c->residual = guarded_create(((c->m - 1) * c->residual_stride + c->n) * sizeof(float), KERNEL_SLACK);
	c->slope = guarded_create(c->n * sizeof(float), 0);
	for (size_t i = 0; i < c->n * c->taps * c->kc; i++)
		c->w[i] = test_random_float();
	for (size_t i = 0; i < c->n; i++)
		c->bias[i] = test_random_float();
	for (size_t i = 0; i < c->a.size / sizeof(float); i++)
		((float *)c->a.data)[i] = test_random_float();
	for (size_t i = 0; i < c->residual.size / sizeof(float); i++)
		((float *)c->residual.data)[i] = test_random_float();
	for (size_t i = 0; i < c->n; i++)
		((float *)c->slope.data)[i] = test_random_float();
}

static void case_f32_finish(struct case_f32 *c)
{
	free(c->w);
	free(c->bias);
	guarded_destroy(&c->a);
	guarded_destroy(&c->residual);
	guarded_destroy(&c->slope);
}

/* The tile by this kernel; the caller frees. */
static float *run_f32(const struct igemm_f32 *kernel, const struct case_f32 *c)
{
	struct guarded out = guarded_create(((c->m - 1) * c->c_stride + c->n) * sizeof(float), 0);
	size_t rows = (c->m + kernel->mr - 1) / kernel->mr * kernel->mr;
	const float **a = malloc(c->taps * rows * sizeof(*a));
	void *panel = aligned_alloc(64, pack_f32_panel_bytes(kernel, c->taps, c->kc));
	float *copy = malloc(out.size), canary;
	struct igemm_f32_args args = {.m = c->m,
				      .n = c->n,
				      .taps = c->taps,
				      .kc = c->kc,
				      .a = a,
				      .w = panel,
				      .ahead = c->has_slope ? NULL : panel,
				      .c = out.data,
				      .c_stride = c->c_stride,
				      .residual = c->has_residual ? c->residual.data : NULL,
				      .residual_stride = c->residual_stride,
				      .slope = c->has_slope ? c->slope.data : NULL,
				      .lo = c->lo,
				      .hi = c->hi};

	pack_f32_panel(kernel, c->n, c->taps, c->kc, c->w, c->bias, panel);
	for (size_t t = 0; t < c->taps; t++)
		for (size_t r = 0; r < rows; r++)
			a[(r / kernel->mr * c->taps + t) * kernel->mr + r % kernel->mr] =
				(const float *)c->a.data + ((r < c->m ? r : c->m - 1) * c->taps + t) * c->kc;
	kernel->run(&args);
	guarded_check(&out);
	memset(&canary, GUARDED_CANARY, sizeof(canary));
	for (size_t r = 0; r + 1 < c->m; r++)
		for (size_t n = c->n; n < c->c_stride; n++)
			cr_assert_eq(memcmp((float *)out.data + r * c->c_stride + n, &canary, sizeof(canary)), 0,
				     "%s wrote between rows", kernel->name);
	memcpy(copy, out.data, out.size);
	guarded_destroy(&out);
	free(a);
	free(panel);
	return copy;
}

static void compare_f32(const struct igemm_f32 *kernel, const struct igemm_f32 *scalar, const struct case_f32 *c)
{
	float *got = run_f32(kernel, c);
	struct case_f32 part = *c;
	/* The sum's error grows with its length; every product is below one. */
	float tolerance = 1e-6f * (float)(c->taps * c->kc + 4);

	/* The portable tile is smaller: it makes the same outputs in parts. */
	for (size_t m = 0; m < c->m; m += scalar->mr) {
		for (size_t n = 0; n < c->n; n += scalar->nr) {
			float *want;

			part.m = c->m - m < scalar->mr ? c->m - m : scalar->mr;
			part.n = c->n - n < scalar->nr ? c->n - n : scalar->nr;
			part.w = c->w + n * c->taps * c->kc;
			part.bias = c->bias + n;
			part.a.data = (float *)c->a.data + m * c->taps * c->kc;
			part.residual.data = (float *)c->residual.data + m * c->residual_stride + n;
			part.slope.data = (float *)c->slope.data + n;
			want = run_f32(scalar, &part);
			for (size_t r = 0; r < part.m; r++)
				for (size_t i = 0; i < part.n; i++)
					cr_assert_float_eq(got[(m + r) * c->c_stride + n + i],
							   want[r * c->c_stride + i], tolerance,
							   "%s: m %zu n %zu taps %zu kc %zu", kernel->name, c->m, c->n,
							   c->taps, c->kc);
			free(want);
		}
	}
	free(got);
}

static void check_f32(const struct kernels *table)
{
	struct case_f32 c;

	case_f32_init(&c, 5 * (size_t)table->igemm_f32.mr, table->igemm_f32.nr);
	compare_f32(&table->igemm_f32, &kernels_level("scalar")->igemm_f32, &c);
	case_f32_finish(&c);
}

Test(igemm, f32_of_every_level)
{
	for_every_level(300, check_f32);
}

/* ---- int8 ---------------------------------------------------------------------------------------- */

struct case_s8 {
	size_t m, n, taps, kc, c_stride;
	int16_t *w;
	int32_t *head; /* bias[n], multiplier[n], shift[n] */
	struct guarded a;
	int32_t zero_point;
	int8_t lo, hi;
	bool float_scales;
};

static int32_t bits_of(float number)
{
	int32_t bits;

	memcpy(&bits, &number, sizeof(bits));
	return bits;
}

/* Most are small, as a network's; of the others there are none, few or many. */
static void fill_small_weights(struct case_s8 *c)
{
	int64_t rare = test_random_range(0, 2) * test_random_range(1, 40);

	for (size_t i = 0; i < c->n * c->taps * c->kc; i++)
		c->w[i] = (int16_t)(test_random_range(0, 999) < rare ? test_random_range(0, 1) * 255 - 128
								     : test_random_range(-64, 64));
}

/*
 * Bytes less a zero point of their channel's, which is none in half of the panels and often none in others, or, where
 * wide, anything that gray stems sum up to.
 */
static void fill_weights(struct case_s8 *c, bool extreme, bool wide)
{
	int64_t reach = wide ? 3 * 255 : 255, symmetric = test_random_range(0, 3);

	if (!wide && test_random() & 1) {
		fill_small_weights(c);
		return;
	}

	for (size_t n = 0; n < c->n; n++) {
		int64_t lo = wide ? -reach : test_random_range(-reach, 0), hi = wide ? reach : lo + reach;

		if (!wide && (symmetric > 1 || (symmetric == 1 && test_random() & 1))) {
			lo = -128;
			hi = 127;
		}

		for (size_t k = 0; k < c->taps * c->kc; k++)
			c->w[n * c->taps * c->kc + k] =
				(int16_t)(extreme ? (test_random() & 1 ? hi : lo) : test_random_range(lo, hi));
	}
}

/* Extremes of what a graph may ask for as often as what networks do. */
static void case_s8_init(struct case_s8 *c, size_t m_max, size_t n_max, bool wide)
{
	bool extreme = test_random_range(0, 3) == 0;
	int64_t limit;

	*c = (struct case_s8){.m = (size_t)test_random_range(1, (int64_t)m_max),
			      .n = (size_t)test_random_range(1, (int64_t)n_max),
			      .taps = (size_t)test_random_range(1, 9),
			      .kc = size_around(test_random() & 1 ? 16 : 256),
			      .zero_point = (int32_t)test_random_range(-128, 127),
			      .lo = -128,
			      .hi = 127,
			      .float_scales = test_random_range(0, 2) == 0};
	if (test_random() & 1)
		c->lo = (int8_t)test_random_range(-128, 0);
	c->c_stride = c->n + (size_t)test_random_range(0, 3);
	c->w = malloc(c->n * c->taps * c->kc * sizeof(*c->w));
	c->head = malloc(3 * c->n * sizeof(*c->head));
	c->a = guarded_create(c->m * c->taps * c->kc, KERNEL_SLACK);
	fill_weights(c, extreme, wide);
	/* Sums do not overflow, which weights.c sees to. */
	limit = INT32_MAX - (int64_t)(c->taps * c->kc) * 128 * (wide ? 3 * 255 : 255);
	for (size_t i = 0; i < c->n; i++) {
		c->head[i] = (int32_t)(extreme ? test_random_range(-limit, limit) : test_random_range(-100000, 100000));
		c->head[c->n + i] = (int32_t)test_random_range(1 << 30, INT32_MAX);
		c->head[2 * c->n + i] = (int32_t)(extreme ? test_random_range(-31, 31) : test_random_range(3, 12));
		if (c->float_scales)
			c->head[c->n + i] = bits_of((extreme ? 1.0f : 0.001f) * (1.1f + test_random_float()));
	}
	for (size_t i = 0; i < c->a.size; i++)
		((int8_t *)c->a.data)[i] =
			(int8_t)(extreme ? (test_random() & 1 ? 127 : -128) : test_random_range(-128, 127));
}

static void case_s8_finish(struct case_s8 *c)
{
	free(c->w);
	free(c->head);
	guarded_destroy(&c->a);
}

static int8_t *run_s8(const struct igemm_s8 *kernel, const struct case_s8 *c, size_t head_stride)
{
	struct guarded out = guarded_create((c->m - 1) * c->c_stride + c->n, 0);
	const int8_t **a = malloc(c->taps * kernel->mr * sizeof(*a));
	void *panel = aligned_alloc(64, pack_s8_panel_bytes(kernel, c->taps, c->kc));
	int8_t *copy = malloc(out.size);
	const struct kernel_requant requant = {c->head, c->head + head_stride, c->head + 2 * head_stride};
	int32_t row_sums[KERNEL_MR_MAX];
	struct igemm_s8_args args = {.m = c->m,
				     .n = c->n,
				     .taps = c->taps,
				     .kc = c->kc,
				     .a = a,
				     .w = panel,
				     .c = out.data,
				     .c_stride = c->c_stride,
				     .zero_point = c->zero_point,
				     .lo = c->lo,
				     .hi = c->hi,
				     .float_scales = c->float_scales,
				     .row_sums = row_sums};

	pack_s8_panel(kernel, c->n, c->taps, c->kc, c->w, &requant, panel);
	for (size_t t = 0; t < c->taps; t++)
		for (size_t r = 0; r < kernel->mr; r++)
			a[t * kernel->mr + r] =
				(const int8_t *)c->a.data + ((r < c->m ? r : c->m - 1) * c->taps + t) * c->kc;
	if (kernel->sum_rows)
		kernel->sum_rows(&args, row_sums);
	if (kernel->enter)
		kernel->enter(args.kc);
	kernel->run(&args);
	if (kernel->leave)
		kernel->leave();
	guarded_check(&out);
	for (size_t r = 0; r + 1 < c->m; r++)
		for (size_t n = c->n; n < c->c_stride; n++)
			cr_assert_eq(((uint8_t *)out.data)[r * c->c_stride + n], GUARDED_CANARY,
				     "%s wrote between rows", kernel->name);
	memcpy(copy, out.data, out.size);
	guarded_destroy(&out);
	free(a);
	free(panel);
	return copy;
}

static void compare_s8(const struct igemm_s8 *kernel, const struct igemm_s8 *scalar, const struct case_s8 *c)
{
	int8_t *got = run_s8(kernel, c, c->n);
	struct case_s8 part = *c;

	for (size_t m = 0; m < c->m; m += scalar->mr) {
		for (size_t n = 0; n < c->n; n += scalar->nr) {
			int8_t *want;

			part.m = c->m - m < scalar->mr ? c->m - m : scalar->mr;
			part.n = c->n - n < scalar->nr ? c->n - n : scalar->nr;
			part.w = c->w + n * c->taps * c->kc;
			part.head = c->head + n;
			part.a.data = (int8_t *)c->a.data + m * c->taps * c->kc;
			want = run_s8(scalar, &part, c->n);
			for (size_t r = 0; r < part.m; r++)
				for (size_t i = 0; i < part.n; i++)
					cr_assert_eq(got[(m + r) * c->c_stride + n + i], want[r * c->c_stride + i],
						     "%s: %d and not %d at m %zu n %zu of m %zu n %zu taps %zu kc %zu, "
						     "shift %d",
						     kernel->name, got[(m + r) * c->c_stride + n + i],
						     want[r * c->c_stride + i], m + r, n + i, c->m, c->n, c->taps,
						     c->kc, c->head[2 * c->n + n + i]);
			free(want);
		}
	}
	free(got);
}

static void check_s8(const struct kernels *table)
{
	struct case_s8 c;

	case_s8_init(&c, table->igemm_s8.mr, table->igemm_s8.nr, false);
	compare_s8(&table->igemm_s8, &kernels_level("scalar")->igemm_s8, &c);
	case_s8_finish(&c);
}

static void check_s8_wide(const struct kernels *table)
{
	struct case_s8 c;

	case_s8_init(&c, table->igemm_s8_wide.mr, table->igemm_s8_wide.nr, true);
	compare_s8(&table->igemm_s8_wide, &kernels_level("scalar")->igemm_s8_wide, &c);
	case_s8_finish(&c);
}

Test(igemm, s8_of_every_level_to_the_bit)
{
	for_every_level(300, check_s8);
}

Test(igemm, s8_with_wide_weights_of_every_level_to_the_bit)
{
	for_every_level(300, check_s8_wide);
}

/* A file of the engine's own may hold any panel: what it says of extras (pairs.h) is not believed. */
static void check_hostile_pairs(const struct kernels *table)
{
	const struct igemm_s8 *kernel = &table->igemm_s8;
	struct case_s8 c;
	struct guarded out, panel;
	size_t bytes, head = 3 * (size_t)kernel->nr * sizeof(int32_t);
	const int8_t **a;

	if (kernel->panel != KERNEL_PAIRS)
		return;
	case_s8_init(&c, kernel->mr, kernel->nr, false);
	bytes = pack_s8_panel_bytes(kernel, c.taps, c.kc);
	panel = guarded_create(bytes, 0);
	out = guarded_create((c.m - 1) * c.c_stride + c.n, 0);
	a = malloc(c.taps * kernel->mr * sizeof(*a));
	for (size_t i = 0; i < c.taps * kernel->mr; i++)
		a[i] = (const int8_t *)c.a.data + c.a.size - c.kc;
	for (size_t i = head; i < bytes; i++)
		((uint8_t *)panel.data)[i] = (uint8_t)test_random();
	((uint8_t *)panel.data)[head + 3] &= 0x7f;
	kernel->run(&(struct igemm_s8_args){.m = c.m,
					    .n = c.n,
					    .taps = c.taps,
					    .kc = c.kc,
					    .a = a,
					    .w = panel.data,
					    .c = out.data,
					    .c_stride = c.c_stride,
					    .lo = -128,
					    .hi = 127});
	guarded_check(&out);
	guarded_destroy(&out);
	guarded_destroy(&panel);
	free(a);
	case_s8_finish(&c);
}

Test(igemm, panels_of_pairs_are_not_believed)
{
	for_every_level(100, check_hostile_pairs);
}

/* The portable kernel itself, by numbers worked out by hand after the contract in kernels.h. */
Test(igemm, requantisation_rounds_as_the_contract_says)
{
	static const struct {
		int32_t sum, multiplier, shift, want;
	} cases[] = {
		{100, 1 << 30, 0, 50},	  /* times one half */
		{5, 1 << 30, 0, 3},	  /* 2.5: half up */
		{-5, 1 << 30, 0, -2},	  /* -2.5: half up */
		{10, 1 << 30, 1, 3},	  /* 5, then 2.5: half away from zero */
		{-10, 1 << 30, 1, -3},	  /* -5, then -2.5 */
		{3, 1 << 30, -2, 6},	  /* 12, times one half */
		{1000, INT32_MAX, 0, 127} /* clamped */
	};
	const struct igemm_s8 *scalar = &kernels_level("scalar")->igemm_s8;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int32_t head[3] = {cases[i].sum, cases[i].multiplier, cases[i].shift};
		int16_t w = 0;
		struct case_s8 c = {.m = 1, .n = 1, .taps = 1, .kc = 1, .c_stride = 1, .w = &w, .head = head};
		int8_t *got;

		c.lo = -128;
		c.hi = 127;
		c.a = guarded_create(1, KERNEL_SLACK);
		got = run_s8(scalar, &c, 1);
		cr_assert_eq(*got, cases[i].want, "sum %d: %d and not %d", cases[i].sum, *got, cases[i].want);
		free(got);
		guarded_destroy(&c.a);
	}
}

Test(igemm, scales_of_float_round_half_to_even)
{
	static const struct {
		int32_t sum;
		float factor;
		int32_t want;
	} cases[] = {
		{5, 0.5f, 2},	     /* 2.5 */
		{7, 0.5f, 4},	     /* 3.5 */
		{-5, 0.5f, -2},	     /* -2.5 */
		{1000, 1, 127},	     /* clamped */
		{INT32_MAX, 1, 127}, /* to what is no int32_t any more */
		{INT32_MIN, 8, -128},
	};

	for (const char *const *level = kernels_levels(); *level; level++) {
		const struct kernels *table = kernels_level(*level);

		for (size_t i = 0; table && i < sizeof(cases) / sizeof(cases[0]); i++) {
			int32_t head[3] = {cases[i].sum, bits_of(cases[i].factor), 0};
			int16_t w = 0;
			struct case_s8 c = {.m = 1, .n = 1, .taps = 1, .kc = 1, .c_stride = 1, .w = &w, .head = head};
			int8_t *got;

			c.lo = -128;
			c.hi = 127;
			c.float_scales = true;
			c.a = guarded_create(1, KERNEL_SLACK);
			got = run_s8(&table->igemm_s8, &c, 1);
			cr_assert_eq(*got, cases[i].want, "%s, sum %d: %d and not %d", *level, cases[i].sum, *got,
				     cases[i].want);
			free(got);
			guarded_destroy(&c.a);
		}
	}
}
