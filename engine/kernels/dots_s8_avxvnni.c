/* dots_s8_avxvnni.c - dot products of bytes in 256 bits with AVX-VNNI. */
#include <immintrin.h>

#include "levels.h"

/* The instruction multiplies bytes without a sign by bytes with one: the row's numbers are taken 128 higher. */
static __m256i add_products(__m256i sums, const int8_t *row, const int8_t *query)
{
	__m256i raised = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)row), _mm256_set1_epi8((char)0x80));

	return _mm256_dpbusd_avx_epi32(sums, raised, _mm256_loadu_si256((const __m256i *)query));
}

static int32_t add_up(__m256i sums)
{
	__m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
	__m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));

	return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, _MM_SHUFFLE(2, 3, 0, 1))));
}

static void dots_s8(size_t n, size_t stride, const int8_t *rows, const int8_t *query, int32_t *out)
{
	int32_t surplus = 0;

	for (size_t j = 0; j < stride; j++)
		surplus += 128 * query[j];
	for (size_t i = 0; i < n; i++, rows += stride) {
		__m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();

		for (size_t j = 0; j < stride; j += 64) {
			even = add_products(even, rows + j, query + j);
			odd = add_products(odd, rows + j + 32, query + j + 32);
		}
		out[i] = add_up(_mm256_add_epi32(even, odd)) - surplus;
	}
}

void kernels_dots_s8_avxvnni(struct kernels *table)
{
	table->dots_s8 = dots_s8;
}
