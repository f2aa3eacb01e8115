/* dots_s8_neon.c - dot products of bytes in 128 bits. */
#include <arm_neon.h>

#include "levels.h"

/* The products of a pair are added in 16 bits: with both bytes within -127..127 that is at most 32258, which fits. */
static inline int32x4_t add_products(int32x4_t sums, int8x16_t a, int8x16_t b)
{
	int16x8_t pairs = vmull_s8(vget_low_s8(a), vget_low_s8(b));

	return vpadalq_s16(sums, vmlal_s8(pairs, vget_high_s8(a), vget_high_s8(b)));
}

#define DOTS(sums, row, query) add_products(sums, vld1q_s8(row), query)
#include "dots_s8_neon.h"

void kernels_dots_s8_neon(struct kernels *table)
{
	table->dots_s8 = dots_s8;
}
