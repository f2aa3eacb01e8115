/*
 * sum_rows_avx512vnni.h - the sums of the inputs of up to sixteen rows, 64 channels to an instruction.
 */
#ifndef INFERD_SUM_ROWS_AVX512VNNI_H
#define INFERD_SUM_ROWS_AVX512VNNI_H

#include <immintrin.h>

#include "kernels.h"

/* One row over all taps, in sixteen parts; what lies behind the last channel is not in it. */
static inline __m512i sum_row(const struct igemm_s8_args *args, size_t mr, size_t row)
{
	const __m512i ones = _mm512_set1_epi8(1);
	const size_t whole = (args->kc - 1) / 64 * 64;
	const __mmask64 rest = ~0ull >> (64 - (args->kc - whole));
	__m512i sum = _mm512_setzero_si512();

	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *a = args->a[t * mr + row];

		for (size_t k = 0; k < whole; k += 64)
			sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(a + k));
		sum = _mm512_dpbusd_epi32(sum, ones, _mm512_maskz_loadu_epi8(rest, a + whole));
	}
	return sum;
}

static inline __m512i add_pairs(__m512i a, __m512i b)
{
	return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* Four rows at a time: their parts are added across while they are turned into one vector. */
static inline void sum_rows_avx512vnni(const struct igemm_s8_args *args, size_t mr, int32_t *ret_sums)
{
	const size_t rows = args->m, last = rows - 1;

	for (size_t r = 0; r < rows; r += 4) {
		const __m512i ab = add_pairs(sum_row(args, mr, r), sum_row(args, mr, r + 1 < rows ? r + 1 : last));
		const __m512i cd = add_pairs(sum_row(args, mr, r + 2 < rows ? r + 2 : last),
					     sum_row(args, mr, r + 3 < rows ? r + 3 : last));
		const __m512i quarters = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
		const __m256i halves =
			_mm256_add_epi32(_mm512_castsi512_si256(quarters), _mm512_extracti64x4_epi64(quarters, 1));
		const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));

		_mm_storeu_si128((__m128i *)(void *)(ret_sums + r), four);
	}
}

#endif
