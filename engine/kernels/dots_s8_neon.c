/* dots_s8_neon.c - dot products of bytes in 128 bits. */
#include <arm_neon.h>

#include "levels.h"

/* The products of a pair are added in 16 bits: with both bytes within -127..127 that is at most 32258, which fits. */
static int32x4_t add_products(int32x4_t sums, const int8_t *row, const int8_t *query)
{
	int8x16_t a = vld1q_s8(row), b = vld1q_s8(query);
	int16x8_t pairs = vmull_s8(vget_low_s8(a), vget_low_s8(b));

	return vpadalq_s16(sums, vmlal_s8(pairs, vget_high_s8(a), vget_high_s8(b)));
}

static void dots_s8(size_t n, size_t stride, const int8_t *rows, const int8_t *query, int32_t *out)
{
	for (size_t i = 0; i < n; i++, rows += stride) {
		int32x4_t even = vdupq_n_s32(0), odd = vdupq_n_s32(0);

		for (size_t j = 0; j < stride; j += 32) {
			even = add_products(even, rows + j, query + j);
			odd = add_products(odd, rows + j + 16, query + j + 16);
		}
		out[i] = vaddvq_s32(vaddq_s32(even, odd));
	}
}

void kernels_dots_s8_neon(struct kernels *table)
{
	table->dots_s8 = dots_s8;
}
