/*
 * linear_avx2.h - sums of quantised numbers, sixteen at a time; compilers widen and narrow bytes in many steps.
 */
#ifndef INFERD_LINEAR_AVX2_H
#define INFERD_LINEAR_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* round(a * a_ratio + (b * b_ratio + fixed)) between lo and hi; a and b are bytes plus `above`, which the result is
 * less. */
struct linear_sum {
	float a_ratio, b_ratio, fixed, lo, hi;
	int32_t above;
};

static inline __m256 linear_operand_avx2(const int8_t *in, __m256i above)
{
	const __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)in));

	return _mm256_cvtepi32_ps(_mm256_add_epi32(wide, above));
}

static inline __m256i linear_eight_avx2(const struct linear_sum *q, const int8_t *a, const int8_t *b)
{
	const __m256i above = _mm256_set1_epi32(q->above);
	const __m256 x = linear_operand_avx2(a, above), y = linear_operand_avx2(b, above);
	const __m256 part = _mm256_fmadd_ps(y, _mm256_set1_ps(q->b_ratio), _mm256_set1_ps(q->fixed));
	const __m256 sum = _mm256_fmadd_ps(x, _mm256_set1_ps(q->a_ratio), part);

	return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(sum, _mm256_set1_ps(q->lo)), _mm256_set1_ps(q->hi)));
}

/* How many of the n elements it has made: all but the last of sixteen. */
static inline size_t linear_sum_avx2(size_t n, const int8_t *a, const int8_t *b, struct linear_sum q, int8_t *out)
{
	const __m256i above = _mm256_set1_epi16((int16_t)q.above);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		/* Packing works within halves of a register. */
		__m256i words = _mm256_packs_epi32(linear_eight_avx2(&q, a + i, b + i),
						   linear_eight_avx2(&q, a + i + 8, b + i + 8));

		words = _mm256_sub_epi16(_mm256_permute4x64_epi64(words, 0xd8), above);
		_mm_storeu_si128((__m128i *)(void *)(out + i),
				 _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
	}
	return i;
}

#endif
