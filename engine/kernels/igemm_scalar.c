/*
 * igemm_scalar.c - indirect GEMM and depthwise convolution in portable C: the reference of all levels.
 */
#include "igemm_f32_blocks.h"
#include "levels.h"
#include "requant_scalar.h"

#include <math.h>
#include <string.h>
#include <trim.h>

#define MR 4
#define NR 8
#define KR 2

static void finish_row(const struct igemm_f32_args *args, size_t row, const float sums[NR])
{
	for (size_t n = 0; n < args->n; n++) {
		float value = sums[n];

		if (args->residual)
			value += args->residual[row * args->residual_stride + n];
		if (args->slope && value < 0.0f)
			value *= args->slope[n];
		args->c[row * args->c_stride + n] = clamp_f32(value, args->lo, args->hi);
	}
}

static void block_f32(const struct igemm_f32_args *args, size_t ahead_step)
{
	float sums[MR][NR];
	const float *w = args->w + NR;

	(void)ahead_step;
	for (size_t r = 0; r < MR; r++)
		memcpy(sums[r], args->w, sizeof(sums[r]));
	for (size_t t = 0; t < args->taps; t++) {
		const float *const *a = args->a + t * MR;

		for (size_t k = 0; k < args->kc; k++, w += NR)
			for (size_t r = 0; r < MR; r++)
				for (size_t n = 0; n < NR; n++)
					sums[r][n] += a[r][k] * w[n];
	}
	for (size_t r = 0; r < args->m; r++)
		finish_row(args, r, sums[r]);
}

static void igemm_f32_4x8_scalar(const struct igemm_f32_args *args)
{
	igemm_f32_blocks(args, MR, NR, block_f32);
}

static void igemm_s8_4x8_scalar(const struct igemm_s8_args *args)
{
	const int32_t *head = args->w;
	const int16_t *w = (const int16_t *)(const void *)(head + 3 * NR);
	int32_t sums[MR][NR];

	for (size_t r = 0; r < MR; r++)
		memcpy(sums[r], head, sizeof(sums[r]));
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *const *a = args->a + t * MR;

		for (size_t k = 0; k < args->kc; k += KR, w += (size_t)NR * KR)
			for (size_t r = 0; r < MR; r++) {
				int32_t first = a[r][k], second = k + 1 < args->kc ? a[r][k + 1] : 0;

				for (size_t n = 0; n < NR; n++)
					sums[r][n] += first * w[n * KR] + second * w[n * KR + 1];
			}
	}
	for (size_t n = 0; n < args->n; n++) {
		const struct requant requant = {head[NR + n],	  head[2 * NR + n],
						args->zero_point, args->lo,
						args->hi,	  WITH_FLOAT_SCALES && args->float_scales};

		for (size_t r = 0; r < args->m; r++)
			args->c[r * args->c_stride + n] = requant.float_scales
								  ? requantise_in_float(&requant, sums[r][n])
								  : requantise(&requant, sums[r][n]);
	}
}

/* ---- depthwise --------------------------------------------------------------------------------- */

#define BLOCK 64 /* channels kept in sums at a time */

static size_t part_of(size_t channels)
{
	return (channels * sizeof(float) + 63) / 64 * 64;
}

/* Column of tap kx of output x, or -1 in the padding. */
static ptrdiff_t column(const struct dwconv_args *args, size_t x, size_t kx)
{
	ptrdiff_t at = (ptrdiff_t)(x * args->stride_w + kx * args->dilation_w) - (ptrdiff_t)args->pad_left;

	return at >= 0 && at < (ptrdiff_t)args->in_w ? at : -1;
}

static void dwconv_f32_block(const struct dwconv_args *args, size_t x, size_t c, size_t n, float *out)
{
	const float *bias = args->w;
	const float *w = (const float *)(const void *)((const uint8_t *)args->w + part_of(args->channels));
	float sums[BLOCK];

	memcpy(sums, bias + c, n * sizeof(*sums));
	for (size_t ky = 0; ky < args->kh; ky++) {
		for (size_t kx = 0; kx < args->kw; kx++) {
			ptrdiff_t at = column(args, x, kx);
			const float *tap = w + (ky * args->kw + kx) * args->channels + c, *in;

			if (!args->rows[ky] || at < 0)
				continue;
			in = (const float *)args->rows[ky] + (size_t)at * args->in_stride + c;
			for (size_t i = 0; i < n; i++)
				sums[i] += in[i] * tap[i];
		}
	}
	for (size_t i = 0; i < n; i++)
		out[i] = clamp_f32(sums[i], args->lo, args->hi);
}

static void dwconv_f32_scalar(const struct dwconv_args *args)
{
	for (size_t x = 0; x < args->out_w; x++)
		for (size_t c = 0; c < args->channels; c += BLOCK)
			dwconv_f32_block(args, x, c, args->channels - c < BLOCK ? args->channels - c : BLOCK,
					 (float *)args->out + x * args->out_stride + c);
}

static void dwconv_s8_block(const struct dwconv_args *args, size_t x, size_t c, size_t n, int8_t *out)
{
	const uint8_t *parts = args->w;
	const int32_t *bias = (const int32_t *)(const void *)parts;
	const int32_t *multiplier = (const int32_t *)(const void *)(parts + part_of(args->channels));
	const int32_t *shift = (const int32_t *)(const void *)(parts + 2 * part_of(args->channels));
	const int16_t *w = (const int16_t *)(const void *)(parts + 3 * part_of(args->channels));
	int8_t padding[BLOCK];
	int32_t sums[BLOCK];

	memset(padding, args->pad, sizeof(padding));
	memcpy(sums, bias + c, n * sizeof(*sums));
	for (size_t ky = 0; ky < args->kh; ky++) {
		for (size_t kx = 0; kx < args->kw; kx++) {
			ptrdiff_t at = column(args, x, kx);
			const int16_t *tap = w + (ky * args->kw + kx) * args->channels + c;
			const int8_t *in = padding;

			if (args->rows[ky] && at >= 0)
				in = (const int8_t *)args->rows[ky] + (size_t)at * args->in_stride + c;
			for (size_t i = 0; i < n; i++)
				sums[i] += in[i] * tap[i];
		}
	}
	for (size_t i = 0; i < n; i++) {
		const struct requant requant = {multiplier[c + i], shift[c + i],
						args->zero_point,  args->lo8,
						args->hi8,	   WITH_FLOAT_SCALES && args->float_scales};

		out[i] = requant.float_scales ? requantise_in_float(&requant, sums[i]) : requantise(&requant, sums[i]);
	}
}

static void dwconv_s8_scalar(const struct dwconv_args *args)
{
	for (size_t x = 0; x < args->out_w; x++)
		for (size_t c = 0; c < args->channels; c += BLOCK)
			dwconv_s8_block(args, x, c, args->channels - c < BLOCK ? args->channels - c : BLOCK,
					(int8_t *)args->out + x * args->out_stride + c);
}

void kernels_scalar(struct kernels *table)
{
	if (WITH_TYPE_float32) {
		table->igemm_f32 = (struct igemm_f32){"igemm_f32_4x8_scalar", MR, NR, igemm_f32_4x8_scalar};
		table->dwconv_f32 = dwconv_f32_scalar;
		table->dwconv_f32_rows = 1;
		kernels_winograd_scalar(table);
	}
	if (WITH_TYPE_int8) {
		table->igemm_s8 = (struct igemm_s8){"igemm_s8_4x8_scalar", MR, NR, KR, igemm_s8_4x8_scalar,
						    .panel = KERNEL_WORDS};
		table->igemm_s8_wide = table->igemm_s8;
		table->dwconv_s8 = dwconv_s8_scalar;
		table->dwconv_s8_bytes = dwconv_s8_bytes;
		table->pack_dwconv_s8 = pack_dwconv_s8;
	}
	kernels_elementwise_scalar(table);
	kernels_dots_s8_scalar(table);
	kernels_resample_scalar(table);
}
