/*
 * finish_floats_neon.h - what becomes of a tile's sums in float32.
 */
#ifndef INFERD_KERNELS_FINISH_FLOATS_NEON_H
#define INFERD_KERNELS_FINISH_FLOATS_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "kernels.h"

/* What is below zero times the slope. */
static inline float32x4_t finish_bend(float32x4_t sums, float32x4_t slope)
{
	return vbslq_f32(vcltzq_f32(sums), vmulq_f32(sums, slope), sums);
}

/*
 * Adds what is added to, bends, clamps and writes the rows, of which sums has nr columns, at most KERNEL_NR_MAX.  Of
 * args what tells of the outputs is read.
 */
static inline __attribute__((always_inline)) void finish_floats(const struct igemm_f32_args *args, const float *sums,
								size_t nr)
{
	const float32x4_t lo = vdupq_n_f32(args->lo), hi = vdupq_n_f32(args->hi);
	float slope[KERNEL_NR_MAX], values[KERNEL_NR_MAX];

	memset(slope, 0, nr * sizeof(*slope));
	memset(values, 0, nr * sizeof(*values));
	if (args->slope)
		memcpy(slope, args->slope, args->n * sizeof(*slope));
	for (size_t r = 0; r < args->m; r++, sums += nr) {
		float *c = args->c + r * args->c_stride, *to = args->n == nr ? c : values;

		if (args->residual)
			memcpy(values, args->residual + r * args->residual_stride, args->n * sizeof(*values));
		for (size_t n = 0; n < nr; n += 4) {
			float32x4_t sum = vld1q_f32(sums + n);

			if (args->residual)
				sum = vaddq_f32(sum, vld1q_f32(values + n));
			if (args->slope)
				sum = finish_bend(sum, vld1q_f32(slope + n));
			vst1q_f32(to + n, vminq_f32(vmaxq_f32(sum, lo), hi));
		}
		if (args->n < nr)
			memcpy(c, values, args->n * sizeof(*values));
	}
}

#endif
