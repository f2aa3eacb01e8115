/*
 * requant_avx2.h - sixteen 32-bit sums to int8, to the bit as the contract in kernels.h has it.
 */
#ifndef INFERD_REQUANT_AVX2_H
#define INFERD_REQUANT_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

struct requant_avx2 {
	__m256i multiplier[2], shift[2]; /* of the sixteen channels, in the order of the sums */
	int32_t zero_point, lo, hi;
	bool float_scales;
};

/* Sixteen numbers as they lie: 0-7 and 8-15. */
static inline void requant_load_avx2(const int32_t *at, __m256i ret_halves[2])
{
	ret_halves[0] = _mm256_loadu_si256((const __m256i *)(const void *)at);
	ret_halves[1] = _mm256_loadu_si256((const __m256i *)(const void *)(at + 8));
}

static inline __m256i requant_scale_avx2(__m256i sum, __m256i multiplier, __m256i shift)
{
	const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi64x(1 << 30);
	const __m256i right = _mm256_max_epi32(shift, zero);
	const __m256i rounding = _mm256_srli_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(1), right), 1);
	__m256i even, odd, value;

	sum = _mm256_sllv_epi32(sum, _mm256_max_epi32(_mm256_sub_epi32(zero, shift), zero));
	/* Bits 31..62 of the 64-bit products: of even lanes moved down, of odd ones up by one. */
	even = _mm256_add_epi64(_mm256_mul_epi32(sum, multiplier), half);
	odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(sum, 32), _mm256_srli_epi64(multiplier, 32)), half);
	value = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
	value = _mm256_add_epi32(_mm256_add_epi32(value, rounding),
				 _mm256_and_si256(_mm256_srai_epi32(value, 31), _mm256_cmpgt_epi32(right, zero)));
	return _mm256_srav_epi32(value, right);
}

/* Clamped before it is made an integer: a sum too large for one would become the smallest. */
static inline __m256i requant_float_avx2(const struct requant_avx2 *r, __m256i sum, __m256i factors)
{
	const __m256 lo = _mm256_set1_ps((float)(r->lo - r->zero_point)),
		     hi = _mm256_set1_ps((float)(r->hi - r->zero_point));
	__m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_castsi256_ps(factors));

	return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(value, lo), hi));
}

/* Packing works within halves of a register: of channels 0-7 and 8-15 the result has 0-3, 8-11, 4-7 and 12-15. */
static inline __m256i requant_words_avx2(const struct requant_avx2 *r, __m256i low, __m256i high)
{
	const __m256i zero = _mm256_set1_epi16((int16_t)r->zero_point);
	const __m256i lo = _mm256_set1_epi16((int16_t)(r->lo - r->zero_point)),
		      hi = _mm256_set1_epi16((int16_t)(r->hi - r->zero_point));
	__m256i words;

	/* Packing saturates.  What is scaled by floats is clamped already. */
	if (r->float_scales)
		return _mm256_add_epi16(_mm256_packs_epi32(requant_float_avx2(r, low, r->multiplier[0]),
							   requant_float_avx2(r, high, r->multiplier[1])),
					zero);
	words = _mm256_packs_epi32(requant_scale_avx2(low, r->multiplier[0], r->shift[0]),
				   requant_scale_avx2(high, r->multiplier[1], r->shift[1]));
	return _mm256_add_epi16(_mm256_min_epi16(_mm256_max_epi16(words, lo), hi), zero);
}

/* low: channels 0-7, high: 8-15. */
static inline __m128i requant_avx2(const struct requant_avx2 *r, __m256i low, __m256i high)
{
	const __m256i words = _mm256_permute4x64_epi64(requant_words_avx2(r, low, high), 0xd8);

	return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* Two rows: low[0] and high[0] become the lower sixteen bytes. */
static inline __m256i requant_rows_avx2(const struct requant_avx2 *r, const __m256i low[2], const __m256i high[2])
{
	const __m256i fours =
		_mm256_packs_epi16(requant_words_avx2(r, low[0], high[0]), requant_words_avx2(r, low[1], high[1]));

	return _mm256_permutevar8x32_epi32(fours, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

#endif
