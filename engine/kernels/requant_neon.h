/*
 * requant_neon.h - eight 32-bit sums to int8, to the bit as the contract in kernels.h has it.
 */
#ifndef INFERD_REQUANT_NEON_H
#define INFERD_REQUANT_NEON_H

#include <arm_neon.h>
#include <stdbool.h>

struct requant_neon {
	const int32_t *multiplier, *shift; /* of the eight channels */
	int32_t zero_point, lo, hi;
	bool float_scales;
};

static inline int32x4_t requant_scale_neon(int32x4_t sum, int32x4_t multiplier, int32x4_t shift)
{
	const int32x4_t right = vmaxq_s32(shift, vdupq_n_s32(0)), left = vmaxq_s32(vnegq_s32(shift), vdupq_n_s32(0));
	const int32x4_t rounding =
		vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(vshlq_s32(vdupq_n_s32(1), right)), 1));
	/* Doubling, adding 2^31 and taking the high half is the rounding shift by 31; a multiplier is never INT32_MIN.
	 */
	int32x4_t value = vqrdmulhq_s32(vshlq_s32(sum, left), multiplier);
	/* -1 where the value is negative and shifted: halves then go away from zero. */
	const int32x4_t away = vshrq_n_s32(vandq_s32(value, vnegq_s32(right)), 31);

	return vshlq_s32(vaddq_s32(vaddq_s32(value, rounding), away), vnegq_s32(right));
}

static inline int32x4_t requant_float_neon(int32x4_t sum, const int32_t *factors)
{
	return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sum), vreinterpretq_f32_s32(vld1q_s32(factors))));
}

static inline int8x8_t requant_neon(const struct requant_neon *r, int32x4_t low, int32x4_t high)
{
	const int32x4_t lo = vdupq_n_s32(r->lo - r->zero_point), hi = vdupq_n_s32(r->hi - r->zero_point);
	const int32x4_t zero = vdupq_n_s32(r->zero_point);

	if (r->float_scales) {
		low = requant_float_neon(low, r->multiplier);
		high = requant_float_neon(high, r->multiplier + 4);
	} else {
		low = requant_scale_neon(low, vld1q_s32(r->multiplier), vld1q_s32(r->shift));
		high = requant_scale_neon(high, vld1q_s32(r->multiplier + 4), vld1q_s32(r->shift + 4));
	}
	low = vaddq_s32(vminq_s32(vmaxq_s32(low, lo), hi), zero);
	high = vaddq_s32(vminq_s32(vmaxq_s32(high, lo), hi), zero);
	return vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high)));
}

#endif
