/* dots_s8_dotprod.c - dot products of bytes with the instructions of ARMv8.2 that are made for them. */
#include <arm_neon.h>

#include "levels.h"

#define DOTS(sums, row, query) vdotq_s32(sums, vld1q_s8(row), query)
#include "dots_s8_neon.h"

void kernels_dots_s8_dotprod(struct kernels *table)
{
	table->dots_s8 = dots_s8;
}
