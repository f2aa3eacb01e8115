/*
 * bench_kernels.c - the speed of every level's kernels on shapes of real networks; a table, no test.
 *
 *   bench_kernels [MILLISECONDS]     per kernel and shape, default 100
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/kernels/kernels.h"

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *zeros(size_t bytes)
{
	void *data = aligned_alloc(64, (bytes + 127) / 64 * 64);

	if (!data)
		exit(1);
	memset(data, 0, (bytes + 127) / 64 * 64);
	return data;
}

/* Calls until the time is over; prints billions of multiply-adds a second, the median of nine stretches. */
static void measure(const char *name, const char *shape, double macs, double limit, void (*call)(void *),
		    void *argument)
{
	double rates[9], start;

	for (int s = 0; s < 9; s++) {
		long calls = 0;

		start = seconds();
		do {
			for (int i = 0; i < 16; i++)
				call(argument);
			calls += 16;
		} while (seconds() - start < limit / 9);
		rates[s] = (double)calls * macs / (seconds() - start) / 1e9;
	}
	for (int i = 0; i < 9; i++)
		for (int j = i + 1; j < 9; j++)
			if (rates[j] < rates[i]) {
				double swap = rates[i];

				rates[i] = rates[j];
				rates[j] = swap;
			}
	printf("%-22s %-24s %8.2f GMAC/s\n", name, shape, rates[4]);
}

struct igemm {
	const struct kernels *table;
	struct igemm_f32_args f32;
	struct igemm_s8_args s8;
	int32_t row_sums[KERNEL_MR_MAX];
};

static void call_f32(void *argument)
{
	struct igemm *igemm = argument;

	igemm->table->igemm_f32.run(&igemm->f32);
}

static void call_s8(void *argument)
{
	struct igemm *igemm = argument;
	const struct igemm_s8 *kernel = &igemm->table->igemm_s8;

	if (kernel->enter)
		kernel->enter(igemm->s8.kc);
	kernel->run(&igemm->s8);
	if (kernel->leave)
		kernel->leave();
}

static void bench_igemm(const struct kernels *table, size_t taps, size_t kc, double limit)
{
	const struct igemm_f32 *f = &table->igemm_f32;
	const struct igemm_s8 *q = &table->igemm_s8;
	float *in = zeros(KERNEL_MR_MAX * kc * sizeof(float)),
	      *out = zeros(KERNEL_MR_MAX * KERNEL_NR_MAX * sizeof(float));
	const float **a = zeros(taps * KERNEL_MR_MAX * sizeof(*a));
	const int8_t **b = zeros(taps * KERNEL_MR_MAX * sizeof(*b));
	void *wf = zeros(pack_f32_panel_bytes(f, taps, kc)), *wq = zeros(pack_s8_panel_bytes(q, taps, kc));
	struct igemm igemm = {
		.table = table,
		.f32 = {.m = f->mr,
			.n = f->nr,
			.taps = taps,
			.kc = kc,
			.a = a,
			.w = wf,
			.c = out,
			.c_stride = f->nr,
			.hi = 6},
		.s8 = {.m = q->mr,
		       .n = q->nr,
		       .taps = taps,
		       .kc = kc,
		       .a = b,
		       .w = wq,
		       .c = (int8_t *)out,
		       .c_stride = q->nr,
		       .hi = 127},
	};
	char shape[40];

	igemm.s8.row_sums = igemm.row_sums;
	for (size_t t = 0; t < taps; t++)
		for (size_t r = 0; r < KERNEL_MR_MAX; r++) {
			if (r < f->mr)
				a[t * f->mr + r] = in + r * kc;
			if (r < q->mr)
				b[t * q->mr + r] = (const int8_t *)in + r * kc;
		}
	snprintf(shape, sizeof(shape), "%zu taps, %zu channels", taps, kc);
	measure(f->name, shape, (double)(f->mr * f->nr * taps * kc), limit, call_f32, &igemm);
	measure(q->name, shape, (double)(q->mr * q->nr * taps * kc), limit, call_s8, &igemm);
	free(in);
	free(out);
	free(a);
	free(b);
	free(wf);
	free(wq);
}

struct dwconv {
	void (*kernel)(const struct dwconv_args *args);
	struct dwconv_args args;
};

static void call_dwconv(void *argument)
{
	struct dwconv *dwconv = argument;

	dwconv->kernel(&dwconv->args);
}

static void bench_dwconv(const struct kernels *table, size_t width, size_t channels, size_t stride, double limit)
{
	const size_t once = table->dwconv_f32_rows, n_rows = (once - 1) * stride + 3;
	uint8_t *in = zeros(n_rows * width * channels * sizeof(float));
	uint8_t *out = zeros(once * width * channels * sizeof(float));
	void *wf = zeros(dwconv_f32_bytes(channels, 9)), *wq = zeros(table->dwconv_s8_bytes(channels, 3, 3));
	const void *rows[8];
	struct dwconv dwconv = {.args = {.rows = rows,
					 .in_w = width,
					 .in_stride = channels,
					 .out_w = width / stride,
					 .out_stride = channels,
					 .out_rows = once,
					 .out_row = width / stride * channels,
					 .channels = channels,
					 .kh = 3,
					 .kw = 3,
					 .stride_h = stride,
					 .stride_w = stride,
					 .dilation_w = 1,
					 .pad_left = 1,
					 .out = out,
					 .hi = 6,
					 .hi8 = 127}};
	double macs = (double)(width / stride * channels * 9);
	char shape[40];

	snprintf(shape, sizeof(shape), "3x3/%zu, %zu x %zu", stride, width, channels);
	for (size_t y = 0; y < n_rows; y++)
		rows[y] = in + y * width * channels * sizeof(float);
	dwconv.kernel = table->dwconv_f32;
	dwconv.args.w = wf;
	measure("dwconv_f32", shape, (double)once * macs, limit, call_dwconv, &dwconv);
	dwconv.args.out_rows = 1;
	for (size_t y = 0; y < 3; y++)
		rows[y] = in + y * width * channels;
	dwconv.kernel = table->dwconv_s8;
	dwconv.args.w = wq;
	measure("dwconv_s8", shape, macs, limit, call_dwconv, &dwconv);
	free(in);
	free(out);
	free(wf);
	free(wq);
}

int main(int argc, char **argv)
{
	double limit = (argc > 1 ? atof(argv[1]) : 100) / 1000;

	for (const char *const *level = kernels_levels(); *level; level++) {
		const struct kernels *table = kernels_level(*level);

		if (!table)
			continue;
		printf("%s%s\n", level == kernels_levels() ? "" : "\n", *level);
		bench_igemm(table, 9, 3, limit);
		bench_igemm(table, 9, 64, limit);
		bench_igemm(table, 1, 96, limit);
		bench_igemm(table, 1, 960, limit);
		bench_dwconv(table, 112, 32, 1, limit);
		bench_dwconv(table, 28, 192, 1, limit);
		bench_dwconv(table, 14, 576, 2, limit);
	}
	return 0;
}
