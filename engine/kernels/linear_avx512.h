/*
 * linear_avx512.h - sums of quantised numbers, 64 at a time; compilers widen and narrow bytes in many steps.
 */
#ifndef INFERD_LINEAR_AVX512_H
#define INFERD_LINEAR_AVX512_H

#include <immintrin.h>

#include "kernels.h"
#include "linear_avx2.h"

static inline __m512 operand_avx512(const int8_t *in, __m512i more)
{
	const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);

	return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_cvtepi8_epi32(bytes), more));
}

static inline __m512i round_between_avx512(__m512 value, __m512 lo, __m512 hi)
{
	return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(value, lo), hi));
}

/* Adds `more` to what has been rounded, and writes it as bytes. */
static inline void store_64_avx512(const __m512i values[4], __m512i more, int8_t *out)
{
	const __m512i low = _mm512_add_epi16(_mm512_packs_epi32(values[0], values[1]), more);
	const __m512i high = _mm512_add_epi16(_mm512_packs_epi32(values[2], values[3]), more);
	/* Packing works within quarters of a register. */
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);

	_mm512_storeu_si512(out, _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high)));
}

/* As linear_sum_avx2(): how many of the n elements it has made, all but the last of 64 here. */
static inline size_t linear_sum_avx512(size_t n, const int8_t *a, const int8_t *b, struct linear_sum q, int8_t *out)
{
	const __m512i above = _mm512_set1_epi32(q.above), below = _mm512_set1_epi16((int16_t)-q.above);
	const __m512 a_ratio = _mm512_set1_ps(q.a_ratio), b_ratio = _mm512_set1_ps(q.b_ratio);
	const __m512 fixed = _mm512_set1_ps(q.fixed), lo = _mm512_set1_ps(q.lo), hi = _mm512_set1_ps(q.hi);
	size_t i = 0;

	for (; i + 64 <= n; i += 64) {
		__m512i values[4];

#pragma GCC unroll 4
		for (size_t k = 0; k < 4; k++) {
			const __m512 x = operand_avx512(a + i + 16 * k, above),
				     y = operand_avx512(b + i + 16 * k, above);
			const __m512 sum = _mm512_fmadd_ps(x, a_ratio, _mm512_fmadd_ps(y, b_ratio, fixed));

			values[k] = round_between_avx512(sum, lo, hi);
		}
		store_64_avx512(values, below, out + i);
	}
	return i;
}

/* The same of sums that are rounded before the zero point is added. */
static inline size_t sum_s8_64_avx512(size_t n, const int8_t *a, const int8_t *b, const struct binary_s8_args *args,
				      int8_t *out)
{
	const __m512i a_less = _mm512_set1_epi32(-args->a_zero), b_less = _mm512_set1_epi32(-args->b_zero);
	const __m512i zero = _mm512_set1_epi16((int16_t)args->out_zero);
	const __m512 a_scale = _mm512_set1_ps(args->a_scale), b_scale = _mm512_set1_ps(args->b_scale);
	const __m512 scale = _mm512_set1_ps(1.0f / args->out_scale);
	const __m512 lo = _mm512_set1_ps((float)(args->lo - args->out_zero));
	const __m512 hi = _mm512_set1_ps((float)(args->hi - args->out_zero));
	size_t i = 0;

	for (; i + 64 <= n; i += 64) {
		__m512i values[4];

#pragma GCC unroll 4
		for (size_t k = 0; k < 4; k++) {
			const __m512 x = _mm512_mul_ps(a_scale, operand_avx512(a + i + 16 * k, a_less));
			const __m512 y = _mm512_mul_ps(b_scale, operand_avx512(b + i + 16 * k, b_less));

			values[k] = round_between_avx512(_mm512_mul_ps(_mm512_add_ps(x, y), scale), lo, hi);
		}
		store_64_avx512(values, zero, out + i);
	}
	return i;
}

#endif
