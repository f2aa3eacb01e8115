/*
 * resample_neon.c - resampling in 128 bits.
 */
#include <arm_neon.h>

#include "levels.h"
#include "resample_scalar.h"

#define COLUMNS 16 /* of a block going down */
#define STEP	8  /* pixels that are split at once, and taps */

static inline void add_weighted(int32x4_t sum[4], int16x8_t left, int16x8_t right, int16_t weight)
{
	sum[0] = vmlal_n_s16(sum[0], vget_low_s16(left), weight);
	sum[1] = vmlal_high_n_s16(sum[1], left, weight);
	sum[2] = vmlal_n_s16(sum[2], vget_low_s16(right), weight);
	sum[3] = vmlal_high_n_s16(sum[3], right, weight);
}

static inline void down_block(const struct resample_down *args, size_t from, bool exact)
{
	const int32x4_t shift = vdupq_n_s32(-args->shift), half = vdupq_n_s32((int32_t)1 << args->shift >> 1);
	int32x4_t sum[4], low[4];

	for (int i = 0; i < 4; i++)
		sum[i] = low[i] = vdupq_n_s32(0);
	for (size_t row = 0; row < args->count; row++) {
		const uint8x16_t bytes = vld1q_u8(args->rows + row * args->stride + from);
		const int16x8_t left = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
		const int16x8_t right = vreinterpretq_s16_u16(vmovl_high_u8(bytes));

		add_weighted(sum, left, right, args->high[row]);
		if (exact)
			add_weighted(low, left, right, args->low[row]);
	}
	for (int i = 0; i < 4; i++) {
		if (exact)
			sum[i] = vaddq_s32(vshlq_n_s32(sum[i], RESAMPLE_LOW_BITS), low[i]);
		sum[i] = vshlq_s32(vaddq_s32(sum[i], half), shift);
	}
	vst1q_s16(args->out + from, vmovn_high_s32(vmovn_s32(sum[0]), sum[1]));
	vst1q_s16(args->out + from + 8, vmovn_high_s32(vmovn_s32(sum[2]), sum[3]));
}

static inline void down_columns(const struct resample_down *args, bool exact)
{
	size_t from;

	for (from = 0; from + COLUMNS <= args->n; from += COLUMNS)
		down_block(args, from, exact);
	/* The last columns again with some before them. */
	if (from < args->n)
		down_block(args, args->n - COLUMNS, exact);
}

static void down_neon(const struct resample_down *args)
{
	if (args->n < COLUMNS)
		down_from(0, args);
	else if (args->low)
		down_columns(args, true);
	else
		down_columns(args, false);
}

static inline void store_bytes(int16_t *out, uint8x8_t bytes)
{
	if (out)
		vst1q_s16(out, vreinterpretq_s16_u16(vmovl_u8(bytes)));
}

static inline void store_words(int16_t *out, int16x8_t words)
{
	if (out)
		vst1q_s16(out, words);
}

static inline int16_t *from_pixel(int16_t *line, size_t at)
{
	return line ? line + at : NULL;
}

static void split_u8_neon(const uint8_t *in, int samples, size_t n, int16_t *const out[4])
{
	size_t i;

	for (i = 0; i + STEP <= n; i += STEP) {
		const uint8_t *at = in + i * (size_t)samples;
		uint8x8x4_t bytes = {{vdup_n_u8(0), vdup_n_u8(0), vdup_n_u8(0), vdup_n_u8(0)}};

		if (samples == 1) {
			bytes.val[0] = vld1_u8(at);
		} else if (samples == 2) {
			uint8x8x2_t two = vld2_u8(at);

			bytes.val[0] = two.val[0];
			bytes.val[1] = two.val[1];
		} else if (samples == 3) {
			uint8x8x3_t three = vld3_u8(at);

			bytes.val[0] = three.val[0];
			bytes.val[1] = three.val[1];
			bytes.val[2] = three.val[2];
		} else {
			bytes = vld4_u8(at);
		}
		for (int c = 0; c < samples; c++)
			store_bytes(from_pixel(out[c], i), bytes.val[c]);
	}
	split_u8_from(i, in, samples, n, out);
}

static void split_s16_neon(const int16_t *in, int samples, size_t n, int16_t *const out[4])
{
	size_t i;

	for (i = 0; samples > 1 && i + STEP <= n; i += STEP) {
		const int16_t *at = in + i * (size_t)samples;
		int16x8x4_t words = {{vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(0)}};

		if (samples == 2) {
			int16x8x2_t two = vld2q_s16(at);

			words.val[0] = two.val[0];
			words.val[1] = two.val[1];
		} else if (samples == 3) {
			int16x8x3_t three = vld3q_s16(at);

			words.val[0] = three.val[0];
			words.val[1] = three.val[1];
			words.val[2] = three.val[2];
		} else {
			words = vld4q_s16(at);
		}
		for (int c = 0; c < samples; c++)
			store_words(from_pixel(out[c], i), words.val[c]);
	}
	split_s16_from(i, in, samples, n, out);
}

static inline int32x4_t dot8(int32x4_t sum, int16x8_t values, int16x8_t weights)
{
	sum = vmlal_s16(sum, vget_low_s16(values), vget_low_s16(weights));
	return vmlal_high_s16(sum, values, weights);
}

static inline int32x4_t dot(const int16_t *in, const struct resample_taps *taps, size_t at, bool exact)
{
	int32x4_t sum = vdupq_n_s32(0), low = sum;

	for (int t = 0; t < taps->width; t += STEP) {
		int16x8_t values = vld1q_s16(in + t);

		sum = dot8(sum, values, vld1q_s16(taps->high + at + t));
		if (exact)
			low = dot8(low, values, vld1q_s16(taps->low + at + t));
	}
	return exact ? vaddq_s32(vshlq_n_s32(sum, RESAMPLE_LOW_BITS), low) : sum;
}

static inline void across_outputs(const int16_t *line, const struct resample_taps *taps, int shift, bool exact,
				  int32_t *out)
{
	const int32x4_t half = vdupq_n_s32((int32_t)1 << shift >> 1), count = vdupq_n_s32(-shift);

	for (int x = 0; x < taps->n_padded; x += 4) {
		int32x4_t sum[4], total;

		for (int i = 0; i < 4; i++)
			sum[i] = dot(line + taps->first[x + i], taps, (size_t)(x + i) * (size_t)taps->width, exact);
		total = vpaddq_s32(vpaddq_s32(sum[0], sum[1]), vpaddq_s32(sum[2], sum[3]));
		vst1q_s32(out + x, vshlq_s32(vaddq_s32(total, half), count));
	}
}

static void across_neon(const int16_t *line, const struct resample_taps *taps, int shift, int32_t *out)
{
	if (taps->low)
		across_outputs(line, taps, shift, true, out);
	else
		across_outputs(line, taps, shift, false, out);
}

void kernels_resample_neon(struct kernels *table)
{
	struct resample_kernels *kernels = &table->resample;

	kernels_pixels_neon(table);
	kernels->across_step = STEP;
	kernels->down = down_neon;
	kernels->split_u8 = split_u8_neon;
	kernels->split_s16 = split_s16_neon;
	kernels->across = across_neon;
}
