/*
 * preprocess_neon.c - row kernels for AArch64.  Only the horizontal pass needs intrinsics; compilers make good
 * code of the plain vertical one.
 */
#include "preprocess.h"

#if defined(__aarch64__)
#include <arm_neon.h>

static inline int32x4_t dot8(int32x4_t sum, uint8x8_t bytes, int16x8_t weight)
{
	int16x8_t value = vreinterpretq_s16_u16(vmovl_u8(bytes));

	sum = vmlal_s16(sum, vget_low_s16(value), vget_low_s16(weight));
	return vmlal_high_s16(sum, value, weight);
}

static inline void store(int16_t *out, int x, int32x4_t sum, int32_t half, int shift)
{
	if (out)
		out[x] = (int16_t)((vaddvq_s32(sum) + half) >> shift);
}

static void across_neon(const uint8_t *row, int samples, const struct preprocess_taps *taps, int shift,
			int16_t *const out[4])
{
	const int32_t half = (int32_t)1 << shift >> 1;
	const int16_t *weight = taps->weight;
	int x, c, t;

	for (x = 0; x < taps->n; x++, weight += taps->width) {
		const uint8_t *pixel = row + (size_t)taps->first[x] * (size_t)samples;
		int32x4_t sum[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};

		for (t = 0; t < taps->width; t += 8, pixel += 8 * samples) {
			int16x8_t w = vld1q_s16(weight + t);

			if (samples == 1) {
				sum[0] = dot8(sum[0], vld1_u8(pixel), w);
			} else if (samples == 2) {
				uint8x8x2_t p = vld2_u8(pixel);

				sum[0] = dot8(sum[0], p.val[0], w);
				sum[1] = dot8(sum[1], p.val[1], w);
			} else if (samples == 3) {
				uint8x8x3_t p = vld3_u8(pixel);

				sum[0] = dot8(sum[0], p.val[0], w);
				sum[1] = dot8(sum[1], p.val[1], w);
				sum[2] = dot8(sum[2], p.val[2], w);
			} else {
				uint8x8x4_t p = vld4_u8(pixel);

				for (c = 0; c < 4; c++)
					sum[c] = dot8(sum[c], p.val[c], w);
			}
		}
		for (c = 0; c < samples; c++)
			store(out[c], x, sum[c], half, shift);
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
