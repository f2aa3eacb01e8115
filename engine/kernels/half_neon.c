/* half_neon.c - float16 to float32 and back by the conversions that every 64-bit Arm has. */
#include <arm_neon.h>

#include "levels.h"

#define STEP 8

static void f16_to_f32_neon(size_t n, const uint16_t *in, float *out)
{
	size_t i = 0;

	for (; i + STEP <= n; i += STEP) {
		const float16x8_t halves = vreinterpretq_f16_u16(vld1q_u16(in + i));

		vst1q_f32(out + i, vcvt_f32_f16(vget_low_f16(halves)));
		vst1q_f32(out + i + 4, vcvt_high_f32_f16(halves));
	}
	for (; i < n; i++)
		out[i] = vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(in[i]))), 0);
}

static void f32_to_f16_neon(size_t n, const float *in, uint16_t *out)
{
	size_t i = 0;

	for (; i + STEP <= n; i += STEP) {
		const float16x4_t low = vcvt_f16_f32(vld1q_f32(in + i));

		vst1q_u16(out + i, vreinterpretq_u16_f16(vcvt_high_f16_f32(low, vld1q_f32(in + i + 4))));
	}
	for (; i < n; i++)
		out[i] = vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(in[i]))), 0);
}

void kernels_half_neon(struct kernels *table)
{
	table->f16_to_f32 = f16_to_f32_neon;
	table->f32_to_f16 = f32_to_f16_neon;
}
