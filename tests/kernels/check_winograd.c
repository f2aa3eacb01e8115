/*
 * check_winograd.c - every level's Winograd transforms, with its own products between them, against the plain sum of a
 * 3x3 convolution in double: blocks that are cut off, columns that fill no panel, residuals, slopes and clamps.
 */
#include <math.h>

#include "every_level.h"
#include "guarded.h"

TEST_SUITE(winograd);

#define TAPS 9

struct block {
	const struct winograd *winograd;
	size_t kc, n;
	float *w, *bias;   /* [n][3][3][kc] */
	struct guarded in; /* [in][in][kc] */
	const float *pixels[WINOGRAD_PLACES_MAX];
	float *residual;      /* [out][out][n] */
	struct guarded slope; /* [n] */
	struct winograd_output_args args;
};

static float *random_floats(size_t n)
{
	float *values = malloc(n * sizeof(*values));

	for (size_t i = 0; i < n; i++)
		values[i] = test_random_float();
	return values;
}

static void block_init(struct block *block, const struct winograd *winograd, size_t nr)
{
	struct winograd_output_args *args = &block->args;
	size_t out = winograd->out, places = winograd_places(winograd);

	*block = (struct block){.winograd = winograd, .kc = WINOGRAD_CHANNELS * (size_t)test_random_range(1, 5)};
	block->n = (size_t)test_random_range(1, (int64_t)nr);
	block->w = random_floats(block->n * TAPS * block->kc);
	block->bias = random_floats(block->n);
	block->residual = random_floats(out * out * block->n);
	block->in = guarded_create(places * block->kc * sizeof(float), 0);
	for (size_t i = 0; i < places * block->kc; i++)
		((float *)block->in.data)[i] = test_random_float();
	for (size_t i = 0; i < places; i++)
		block->pixels[i] = (const float *)block->in.data + i * block->kc;
	args->n = block->n;
	args->rows = (size_t)test_random_range(1, (int64_t)out);
	args->columns = (size_t)test_random_range(1, (int64_t)out);
	args->out_pixel = block->n;
	args->out_row = args->columns * block->n;
	args->lo = test_random() & 1 ? -INFINITY : 0;
	args->hi = test_random() & 1 ? INFINITY : 6;
	if (test_random() & 1)
		args->residual = block->residual;
	block->slope = guarded_create(block->n * sizeof(float), 0);
	for (size_t i = 0; i < block->n; i++)
		((float *)block->slope.data)[i] = test_random_float();
	if (test_random() & 1)
		args->slope = block->slope.data;
	args->residual_pixel = block->n;
	args->residual_row = out * block->n;
}

static void block_finish(struct block *block)
{
	guarded_destroy(&block->in);
	free(block->w);
	free(block->bias);
	free(block->residual);
	guarded_destroy(&block->slope);
}

/* The sums of all places, as a step of the engine makes them; the caller frees. */
static float *multiply(const struct kernels *table, const struct block *block, const float *v)
{
	const struct igemm_f32 *kernel = &table->igemm_f32;
	size_t bytes = pack_f32_panel_bytes(kernel, 1, block->kc), places = winograd_places(block->winograd);
	uint8_t *panel = aligned_alloc(64, pack_winograd_panel_bytes(block->winograd, kernel, block->kc));
	float *turned = malloc(WINOGRAD_TURNED * sizeof(*turned));
	float *m = malloc(places * kernel->nr * sizeof(*m));

	pack_winograd_panel(block->winograd, kernel, block->n, block->kc, block->w, block->bias, turned, panel);
	for (size_t place = 0; place < places; place++) {
		const float *a[KERNEL_MR_MAX];
		struct igemm_f32_args args = {.m = 1,
					      .n = kernel->nr,
					      .taps = 1,
					      .kc = block->kc,
					      .a = a,
					      .w = (const float *)(const void *)(panel + place * bytes),
					      .c = m + place * kernel->nr,
					      .c_stride = kernel->nr,
					      .lo = -INFINITY,
					      .hi = INFINITY};

		for (size_t i = 0; i < kernel->mr; i++)
			a[i] = v + place * block->kc;
		kernel->run(&args);
	}
	free(panel);
	free(turned);
	return m;
}

static double plain_sum(const struct block *block, size_t row, size_t column, size_t channel)
{
	const float *w = block->w + channel * TAPS * block->kc;
	double sum = (double)block->bias[channel];

	for (size_t tap = 0; tap < TAPS; tap++)
		for (size_t k = 0; k < block->kc; k++)
			sum += (double)w[tap * block->kc + k] *
			       (double)block->pixels[(row + tap / 3) * block->winograd->in + column + tap % 3][k];
	if (block->args.residual)
		sum += (double)block->residual[(row * block->winograd->out + column) * block->n + channel];
	if (block->args.slope && sum < 0)
		sum *= (double)block->args.slope[channel];
	return fmin(fmax(sum, (double)block->args.lo), (double)block->args.hi);
}

/* A sum of up to 720 products of numbers below one, whose error grows with the block. */
static double tolerance(const struct winograd *winograd)
{
	return winograd->out == 2 ? 4e-5 : 4e-4;
}

static void check_block(const struct kernels *table, const struct winograd *winograd)
{
	struct block block;
	float *v, *m;
	struct guarded out;

	block_init(&block, winograd, table->igemm_f32.nr);
	v = malloc(winograd_places(winograd) * block.kc * sizeof(*v) + KERNEL_SLACK);
	winograd->input(block.kc, block.pixels, block.kc, v);
	m = multiply(table, &block, v);
	out = guarded_create(block.args.rows * block.args.columns * block.n * sizeof(float), 0);
	block.args.m = m;
	block.args.stride = table->igemm_f32.nr;
	block.args.out = out.data;
	winograd->output(&block.args);
	for (size_t i = 0; i < block.args.rows * block.args.columns * block.n; i++) {
		size_t pixel = i / block.n, row = pixel / block.args.columns, column = pixel % block.args.columns;
		double expected = plain_sum(&block, row, column, i % block.n);

		cr_assert_float_eq((double)((float *)out.data)[i], expected, tolerance(winograd),
				   "%s, blocks of %d: %zu channels, pixel %zu,%zu, %g not %g", table->level,
				   winograd->out, block.kc, column, row, (double)((float *)out.data)[i], expected);
	}
	guarded_check(&out);
	guarded_destroy(&out);
	free(v);
	free(m);
	block_finish(&block);
}

static void check_2x2(const struct kernels *table)
{
	check_block(table, &table->winograd[WINOGRAD_2X2]);
}

static void check_4x4(const struct kernels *table)
{
	check_block(table, &table->winograd[WINOGRAD_4X4]);
}

Test(winograd, is_the_plain_sum)
{
	for_every_level(60, check_2x2);
	for_every_level(60, check_4x4);
}
