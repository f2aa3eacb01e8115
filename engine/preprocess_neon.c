/*
 * preprocess_neon.c - row kernels for AArch64.  Only the horizontal pass needs intrinsics; compilers make good
 * code of the plain vertical one.
 */
#include "preprocess.h"

#if defined(__aarch64__)
#include <arm_neon.h>

static inline int32x4_t dot8(int32x4_t sum, int16x8_t value, int16x8_t weight)
{
	sum = vmlal_s16(sum, vget_low_s16(value), vget_low_s16(weight));
	return vmlal_high_s16(sum, value, weight);
}

/* Eight pixels of `samples` bytes as one vector for each sample. */
static inline void load8(const uint8_t *pixel, int samples, int16x8_t value[4])
{
	uint8x8x4_t bytes;
	int c;

	if (samples == 1) {
		bytes.val[0] = vld1_u8(pixel);
	} else if (samples == 2) {
		uint8x8x2_t two = vld2_u8(pixel);

		bytes.val[0] = two.val[0];
		bytes.val[1] = two.val[1];
	} else if (samples == 3) {
		uint8x8x3_t three = vld3_u8(pixel);

		bytes.val[0] = three.val[0];
		bytes.val[1] = three.val[1];
		bytes.val[2] = three.val[2];
	} else {
		bytes = vld4_u8(pixel);
	}
	for (c = 0; c < samples; c++)
		value[c] = vreinterpretq_s16_u16(vmovl_u8(bytes.val[c]));
}

static inline void across_samples(const uint8_t *row, const int samples, const struct preprocess_taps *taps, int shift,
				  int16_t *const out[4])
{
	const int32_t half = (int32_t)1 << shift >> 1;
	int x, c, t;

	for (x = 0; x < taps->n; x++) {
		const size_t at = (size_t)x * (size_t)taps->width;
		const uint8_t *pixel = row + (size_t)taps->first[x] * (size_t)samples;
		int32x4_t sum[4], low[4];

		for (c = 0; c < samples; c++)
			sum[c] = low[c] = vdupq_n_s32(0);
		for (t = 0; t < taps->width; t += 8, pixel += 8 * samples) {
			int16x8_t value[4], weight = vld1q_s16(taps->high + at + t);

			load8(pixel, samples, value);
			for (c = 0; c < samples; c++)
				sum[c] = dot8(sum[c], value[c], weight);
			if (!taps->low)
				continue;
			weight = vld1q_s16(taps->low + at + t);
			for (c = 0; c < samples; c++)
				low[c] = dot8(low[c], value[c], weight);
		}
		for (c = 0; c < samples; c++) {
			if (taps->low)
				sum[c] = vaddq_s32(vshlq_n_s32(sum[c], PREPROCESS_LOW_BITS), low[c]);
			if (out[c])
				out[c][x] = (int16_t)((vaddvq_s32(sum[c]) + half) >> shift);
		}
	}
}

static void across_neon(const uint8_t *row, int samples, const struct preprocess_taps *taps, int shift,
			int16_t *const out[4])
{
	/* A constant number of samples lets the compiler keep each case in registers. */
	switch (samples) {
	case 1:
		across_samples(row, 1, taps, shift, out);
		break;
	case 2:
		across_samples(row, 2, taps, shift, out);
		break;
	case 3:
		across_samples(row, 3, taps, shift, out);
		break;
	default:
		across_samples(row, 4, taps, shift, out);
		break;
	}
}

static void spread_neon(size_t n, const int16_t *line, int w0, int32_t *sum0, int w1, int32_t *sum1)
{
	size_t i;

	for (i = 0; i < n; i++) {
		sum0[i] += line[i] * w0;
		sum1[i] += line[i] * w1;
	}
}

const struct preprocess_rows preprocess_rows_neon = {
	.level = "neon",
	.step_plain = 8,
	.step_packed = 8,
	.across = across_neon,
	.spread = spread_neon,
};
#endif
