/*
 * finish_bytes_neon.h - from 32-bit sums of signed bytes to outputs.
 */
#ifndef INFERD_FINISH_BYTES_NEON_H
#define INFERD_FINISH_BYTES_NEON_H

#include <string.h>

#include "levels.h"
#include "requant_neon.h"

/* The base of any of the panel's nr columns is not 0; see kernels.h. */
static inline bool has_base(const int32_t *base, size_t nr)
{
	int32x4_t any = vld1q_s32(base);

	for (size_t i = 4; i < nr; i += 4)
		any = vorrq_s32(any, vld1q_s32(base + i));
	return vmaxvq_u32(vreinterpretq_u32_s32(any)) != 0;
}

/* The bytes that ones has a one for, in parts. */
static inline int32x4_t add_bytes(int32x4_t sum, int8x16_t bytes, int8x16_t ones)
{
#if defined(__ARM_FEATURE_DOTPROD)
	return vdotq_s32(sum, ones, bytes);
#else
	return vpadalq_s16(sum, vpaddlq_s8(vmulq_s8(bytes, ones)));
#endif
}

/* One row of mr over all taps; what lies behind the last channel is read, as KERNEL_SLACK allows, and not in it. */
static inline int32_t sum_of_row(const struct igemm_s8_args *args, size_t mr, size_t row)
{
	static const int8_t ends[32] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	const size_t whole = (args->kc - 1) / 16 * 16;
	const int8x16_t ones = vdupq_n_s8(1), rest = vld1q_s8(ends + 16 - (args->kc - whole));
	int32x4_t sum = vdupq_n_s32(0);

	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *a = args->a[t * mr + row];

		for (size_t k = 0; k < whole; k += 16)
			sum = add_bytes(sum, vld1q_s8(a + k), ones);
		sum = add_bytes(sum, vld1q_s8(a + whole), rest);
	}
	return vaddvq_s32(sum);
}

/* Adds what is below the weights to sums, [mr][nr] with the biases, requantises and writes the rows. */
static inline __attribute__((always_inline)) void finish_bytes(const struct igemm_s8_args *args, size_t mr, size_t nr,
							       const int32_t *sums)
{
	const int32_t *head = args->w, *base = head + 3 * nr;
	const bool based = has_base(base, nr);
	int8_t values[KERNEL_NR_MAX];

	for (size_t r = 0; r < args->m; r++) {
		const int32_t row_sum = based ? sum_of_row(args, mr, r) : 0;

		for (size_t i = 0; i < nr; i += 8, sums += 8) {
			const struct requant_neon requant = {head + nr + i,    head + 2 * nr + i,
							     args->zero_point, args->lo,
							     args->hi,	       WITH_FLOAT_SCALES && args->float_scales};
			const int32x4_t low = vmlaq_n_s32(vld1q_s32(sums), vld1q_s32(base + i), row_sum);
			const int32x4_t high = vmlaq_n_s32(vld1q_s32(sums + 4), vld1q_s32(base + i + 4), row_sum);

			vst1_s8(values + i, requant_neon(&requant, low, high));
		}
		if (args->n == nr)
			memcpy(args->c + r * args->c_stride, values, nr);
		else
			memcpy(args->c + r * args->c_stride, values, args->n);
	}
}

#endif
