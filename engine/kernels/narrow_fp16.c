/* narrow_fp16.c - inputs of igemm_f16: float32 to float16, and the largest of them. */
#include <arm_neon.h>
#include <string.h>

#include "levels.h"

/* Rounds half to even. */
static inline __attribute__((always_inline)) uint16x8_t to_halves(float32x4_t low, float32x4_t high, float32x4_t scale)
{
	return vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(vmulq_f32(low, scale)), vmulq_f32(high, scale)));
}

/* Bits of halves without their sign are in the order of what they stand for. */
static inline uint16x8_t larger(uint16x8_t most, uint16x8_t halves)
{
	return vmaxq_u16(most, vbicq_u16(halves, vdupq_n_u16(0x8000)));
}

uint16_t kernels_narrow_fp16(size_t n, float scale, const float *in, uint16_t *out)
{
	const float32x4_t s = vdupq_n_f32(scale);
	uint16x8_t most = vdupq_n_u16(0), other = most;
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		const float32x4_t x0 = vld1q_f32(in + i), x1 = vld1q_f32(in + i + 4);
		const float32x4_t x2 = vld1q_f32(in + i + 8), x3 = vld1q_f32(in + i + 12);
		const uint16x8_t low = to_halves(x0, x1, s), high = to_halves(x2, x3, s);

		vst1q_u16(out + i, low);
		vst1q_u16(out + i + 8, high);
		most = larger(most, low);
		other = larger(other, high);
	}
	for (; i < n; i += 8) {
		size_t left = n - i < 8 ? n - i : 8;
		float rest[8] = {0};
		uint16x8_t halves;

		memcpy(rest, in + i, left * sizeof(*rest));
		halves = to_halves(vld1q_f32(rest), vld1q_f32(rest + 4), s);
		memcpy(out + i, &halves, left * sizeof(*out));
		most = larger(most, halves);
	}
	return vmaxvq_u16(vmaxq_u16(most, other));
}
