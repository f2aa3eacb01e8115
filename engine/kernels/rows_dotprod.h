/*
 * rows_dotprod.h - what kernels that multiply signed bytes add where weights are more than bytes can say.
 */
#ifndef INFERD_ROWS_DOTPROD_H
#define INFERD_ROWS_DOTPROD_H

#include <arm_neon.h>
#include <stdbool.h>

#include "kernels.h"

/* The base of any of the panel's nr columns is not 0; see kernels.h. */
static inline bool has_base(const struct igemm_s8_args *args, size_t nr)
{
	const int32_t *base = (const int32_t *)args->w + 3 * nr;
	int32x4_t any = vld1q_s32(base);

	for (size_t i = 4; i < nr; i += 4)
		any = vorrq_s32(any, vld1q_s32(base + i));
	return vmaxvq_u32(vreinterpretq_u32_s32(any)) != 0;
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
			sum = vdotq_s32(sum, ones, vld1q_s8(a + k));
		sum = vdotq_s32(sum, rest, vld1q_s8(a + whole));
	}
	return vaddvq_s32(sum);
}

#endif
