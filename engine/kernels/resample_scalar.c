/*
 * resample_scalar.c - portable resampling.  What a compiler vectorises by itself is in pixels.inc.
 */
#include "resample_scalar.h"

#include "levels.h"

#define BLOCK 256 /* columns whose sums are kept at once */

static void down_block(const struct resample_down *args, size_t from, size_t n)
{
	int32_t sum[BLOCK];

	for (size_t i = 0; i < n; i++)
		sum[i] = (int32_t)1 << args->shift >> 1;
	for (size_t row = 0; row < args->count; row++) {
		const uint8_t *in = args->rows + row * args->stride + from;
		const int32_t weight = resample_down_weight(args, row);

		for (size_t i = 0; i < n; i++)
			sum[i] += weight * in[i];
	}
	for (size_t i = 0; i < n; i++)
		args->out[from + i] = (int16_t)(sum[i] >> args->shift);
}

static void down_scalar(const struct resample_down *args)
{
	for (size_t from = 0; from < args->n; from += BLOCK)
		down_block(args, from, args->n - from < BLOCK ? args->n - from : BLOCK);
}

static void split_u8_scalar(const uint8_t *in, int samples, size_t n, int16_t *const out[4])
{
	split_u8_from(0, in, samples, n, out);
}

static void split_s16_scalar(const int16_t *in, int samples, size_t n, int16_t *const out[4])
{
	split_s16_from(0, in, samples, n, out);
}

static void across_scalar(const int16_t *line, const struct resample_taps *taps, int shift, int32_t *out)
{
	const int32_t half = (int32_t)1 << shift >> 1;

	for (int x = 0; x < taps->n_padded; x++) {
		const size_t at = (size_t)x * (size_t)taps->width;
		const int16_t *in = line + taps->first[x];
		int32_t sum = half;

		for (int t = 0; t < taps->count[x]; t++)
			sum += resample_weight(taps, at + (size_t)t) * in[t];
		out[x] = sum >> shift;
	}
}

void kernels_resample_scalar(struct kernels *table)
{
	struct resample_kernels *kernels = &table->resample;

	kernels_pixels_scalar(table);
	kernels->across_step = 1;
	kernels->down = down_scalar;
	kernels->split_u8 = split_u8_scalar;
	kernels->split_s16 = split_s16_scalar;
	kernels->across = across_scalar;
}
