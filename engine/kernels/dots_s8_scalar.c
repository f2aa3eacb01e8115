/* dots_s8_scalar.c - dot products of bytes in portable C. */
#include "levels.h"

static void dots_s8(size_t n, size_t stride, const int8_t *rows, const int8_t *query, int32_t *out)
{
	for (size_t i = 0; i < n; i++, rows += stride) {
		int32_t sum = 0;

		for (size_t j = 0; j < stride; j++)
			sum += rows[j] * query[j];
		out[i] = sum;
	}
}

void kernels_dots_s8_scalar(struct kernels *table)
{
	table->dots_s8 = dots_s8;
}
