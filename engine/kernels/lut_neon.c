/* lut_neon.c - a table of 256 bytes in sixteen registers, looked up for sixteen bytes at once. */
#include <arm_neon.h>

#include "levels.h"

#define STEP 16

static void lut_s8_neon(const int8_t table[256], size_t n, const int8_t *in, int8_t *out)
{
	const int8x16x4_t first = vld1q_s8_x4(table), second = vld1q_s8_x4(table + 64);
	const int8x16x4_t third = vld1q_s8_x4(table + 128), fourth = vld1q_s8_x4(table + 192);
	const uint8x16_t quarter = vdupq_n_u8(64);
	size_t i = 0;

	/* What lies outside of one quarter of the table is left as it is. */
	for (; i + STEP <= n; i += STEP) {
		uint8x16_t at = vreinterpretq_u8_s8(vld1q_s8(in + i));
		int8x16_t found = vqtbl4q_s8(first, at);

		at = vsubq_u8(at, quarter);
		found = vqtbx4q_s8(found, second, at);
		at = vsubq_u8(at, quarter);
		found = vqtbx4q_s8(found, third, at);
		at = vsubq_u8(at, quarter);
		vst1q_s8(out + i, vqtbx4q_s8(found, fourth, at));
	}
	for (; i < n; i++)
		out[i] = table[(uint8_t)in[i]];
}

void kernels_lut_neon(struct kernels *table)
{
	table->lut_s8 = lut_s8_neon;
}
