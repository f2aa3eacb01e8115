/* dots_s8_dotprod.c - dot products of bytes with the instructions of ARMv8.2 that are made for them. */
#include <arm_neon.h>

#include "levels.h"

static void dots_s8(size_t n, size_t stride, const int8_t *rows, const int8_t *query, int32_t *out)
{
	for (size_t i = 0; i < n; i++, rows += stride) {
		int32x4_t even = vdupq_n_s32(0), odd = vdupq_n_s32(0);

		for (size_t j = 0; j < stride; j += 32) {
			even = vdotq_s32(even, vld1q_s8(rows + j), vld1q_s8(query + j));
			odd = vdotq_s32(odd, vld1q_s8(rows + j + 16), vld1q_s8(query + j + 16));
		}
		out[i] = vaddvq_s32(vaddq_s32(even, odd));
	}
}

void kernels_dots_s8_dotprod(struct kernels *table)
{
	table->dots_s8 = dots_s8;
}
