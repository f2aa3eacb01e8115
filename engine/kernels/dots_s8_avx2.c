/* dots_s8_avx2.c - dot products of bytes in 256 bits. */
#include <immintrin.h>

#include "levels.h"

/*
 * The products of a pair are added in 16 bits: with both bytes within -127..127 that is at most 32258, which fits.  The
 * instruction wants one operand without a sign, so the row's signs go to the query.
 */
static __m256i add_products(__m256i sums, const int8_t *row, const int8_t *query)
{
	__m256i a = _mm256_loadu_si256((const __m256i *)row), b = _mm256_loadu_si256((const __m256i *)query);
	__m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));

	return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static int32_t add_up(__m256i sums)
{
	__m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
	__m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));

	return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, _MM_SHUFFLE(2, 3, 0, 1))));
}

static void dots_s8(size_t n, size_t stride, const int8_t *rows, const int8_t *query, int32_t *out)
{
	for (size_t i = 0; i < n; i++, rows += stride) {
		__m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();

		for (size_t j = 0; j < stride; j += 64) {
			even = add_products(even, rows + j, query + j);
			odd = add_products(odd, rows + j + 32, query + j + 32);
		}
		out[i] = add_up(_mm256_add_epi32(even, odd));
	}
}

void kernels_dots_s8_avx2(struct kernels *table)
{
	table->dots_s8 = dots_s8;
}
