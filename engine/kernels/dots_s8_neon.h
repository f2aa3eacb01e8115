/*
 * dots_s8_neon.h - four rows of a gallery by one load of the query.
 *
 * The including file defines DOTS(sums, row, query), which adds the products of 16 bytes to four sums.
 */
static inline int32x4_t dots_of_row(size_t stride, const int8_t *row, const int8_t *query)
{
	int32x4_t even = vdupq_n_s32(0), odd = vdupq_n_s32(0);

	for (size_t j = 0; j < stride; j += 32) {
		even = DOTS(even, row + j, vld1q_s8(query + j));
		odd = DOTS(odd, row + j + 16, vld1q_s8(query + j + 16));
	}
	return vaddq_s32(even, odd);
}

static void dots_s8(size_t n, size_t stride, const int8_t *rows, const int8_t *query, int32_t *out)
{
	size_t i = 0;

	for (; i + 4 <= n; i += 4, rows += 4 * stride) {
		const int8_t *second = rows + stride, *third = second + stride, *fourth = third + stride;
		int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;

#pragma GCC unroll 4
		for (size_t j = 0; j < stride; j += 16) {
			const int8x16_t by = vld1q_s8(query + j);

			a = DOTS(a, rows + j, by);
			b = DOTS(b, second + j, by);
			c = DOTS(c, third + j, by);
			d = DOTS(d, fourth + j, by);
		}
		vst1q_s32(out + i, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
	}
	for (; i < n; i++, rows += stride)
		out[i] = vaddvq_s32(dots_of_row(stride, rows, query));
}
