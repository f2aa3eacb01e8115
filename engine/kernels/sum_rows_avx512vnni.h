/*
 * sum_rows_avx512vnni.h - the sums of the inputs of up to sixteen rows, 64 channels to an instruction.
 */
#ifndef INFERD_SUM_ROWS_AVX512VNNI_H
#define INFERD_SUM_ROWS_AVX512VNNI_H

#include <immintrin.h>

#include "kernels.h"

#define SUM_ROWS_AT_ONCE 4

/*
 * Four rows from `first` on over all taps, each in sixteen parts.  What lies behind the last channel is read, as
 * KERNEL_SLACK allows, and multiplied by zero.
 */
static inline __attribute__((always_inline)) void sum_four(const struct igemm_s8_args *args, size_t mr, size_t first,
							   __m512i ret_parts[SUM_ROWS_AT_ONCE])
{
	const __m512i ones = _mm512_set1_epi8(1);
	const size_t kc = args->kc, whole = kc / 64 * 64;
	const __m512i last_ones = _mm512_maskz_set1_epi8((1ull << (kc - whole)) - 1, 1);
	const size_t last = args->m - 1;

#pragma GCC unroll 4
	for (size_t i = 0; i < SUM_ROWS_AT_ONCE; i++)
		ret_parts[i] = _mm512_setzero_si512();
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *a[SUM_ROWS_AT_ONCE];

#pragma GCC unroll 4
		for (size_t i = 0; i < SUM_ROWS_AT_ONCE; i++)
			a[i] = args->a[t * mr + (first + i < last ? first + i : last)];
		for (size_t k = 0; k < whole; k += 64)
#pragma GCC unroll 4
			for (size_t i = 0; i < SUM_ROWS_AT_ONCE; i++)
				ret_parts[i] = _mm512_dpbusd_epi32(ret_parts[i], ones, _mm512_loadu_si512(a[i] + k));
		if (kc == whole)
			continue;
#pragma GCC unroll 4
		for (size_t i = 0; i < SUM_ROWS_AT_ONCE; i++)
			ret_parts[i] = _mm512_dpbusd_epi32(ret_parts[i], last_ones, _mm512_loadu_si512(a[i] + whole));
	}
}

static inline __m512i add_pairs(__m512i a, __m512i b)
{
	return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* The parts of four rows are added across while they are turned into one vector. */
static inline void sum_rows_avx512vnni(const struct igemm_s8_args *args, size_t mr, int32_t *ret_sums)
{
	for (size_t r = 0; r < args->m; r += SUM_ROWS_AT_ONCE) {
		__m512i parts[SUM_ROWS_AT_ONCE], ab, cd, quarters;
		__m256i halves;

		sum_four(args, mr, r, parts);
		ab = add_pairs(parts[0], parts[1]);
		cd = add_pairs(parts[2], parts[3]);
		quarters = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
		halves = _mm256_add_epi32(_mm512_castsi512_si256(quarters), _mm512_extracti64x4_epi64(quarters, 1));
		_mm_storeu_si128((__m128i *)(void *)(ret_sums + r),
				 _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
	}
}

#endif
