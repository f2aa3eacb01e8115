/*
 * igemm_s8_avx512vnni.c - 14 rows x 32 columns in 28 accumulators: two loads of weights and fourteen broadcasts of four
 * channels feed 28 dot products of four bytes.
 *
 * vpdpbusd multiplies unsigned by signed bytes: weights are the unsigned side, above the least of their channel, so
 * that inputs are read as they are.  What the least adds needs each row's sum, 64 channels to an instruction.
 */
#include <immintrin.h>

#include "levels.h"
#include "requant_avx512.h"

#define MR    14
#define NR    32
#define KR    4
#define LANES 16

/* Of each row over all taps; what lies behind the last channel is not in it. */
static inline __attribute__((always_inline)) void sum_rows(const struct igemm_s8_args *args, int rows, int32_t *sums)
{
	const __m512i ones = _mm512_set1_epi8(1);

	for (int r = 0; r < rows; r++) {
		__m512i sum = _mm512_setzero_si512();

		for (size_t t = 0; t < args->taps; t++) {
			const int8_t *a = args->a[t * MR + (size_t)r];
			size_t k = 0;

			for (; k + 64 <= args->kc; k += 64)
				sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(a + k));
			if (k < args->kc)
				sum = _mm512_dpbusd_epi32(
					sum, ones, _mm512_maskz_loadu_epi8(~0ull >> (64 - (args->kc - k)), a + k));
		}
		sums[r] = _mm512_reduce_add_epi32(sum);
	}
}

static inline __attribute__((always_inline)) void store(const struct igemm_s8_args *args, int rows,
							__m512i sums[MR][2], const int32_t *row_sums)
{
	const int32_t *head = args->w;
	const uint32_t mask = ~0u >> (NR - args->n);

#pragma GCC unroll 2
	for (int half = 0; half < 2; half++) {
		const int32_t *at = head + half * LANES;
		const struct requant_avx512 requant = requant_avx512_load(
			at + NR, at + 2 * NR, args->zero_point, args->lo, args->hi, args->float_scales);
		const __m512i bias = _mm512_load_si512(at), least = _mm512_load_si512(at + 3 * NR);

#pragma GCC unroll 14
		for (int r = 0; r < rows; r++) {
			__m512i sum = _mm512_add_epi32(sums[r][half],
						       _mm512_mullo_epi32(least, _mm512_set1_epi32(row_sums[r])));

			if ((size_t)r < args->m)
				_mm_mask_storeu_epi8(args->c + (size_t)r * args->c_stride + half * LANES,
						     (__mmask16)(mask >> (half * LANES)),
						     requant_avx512(&requant, _mm512_add_epi32(sum, bias)));
		}
	}
}

static inline __m512i quad(const int8_t *a)
{
	int32_t four;

	__builtin_memcpy(&four, a, sizeof(four));
	return _mm512_set1_epi32(four);
}

static inline __attribute__((always_inline)) void tile(const struct igemm_s8_args *args, int rows)
{
	const uint8_t *w = (const uint8_t *)args->w + 4 * NR * sizeof(int32_t);
	__m512i sums[MR][2];
	int32_t row_sums[MR];

#pragma GCC unroll 14
	for (int r = 0; r < rows; r++)
		sums[r][0] = sums[r][1] = _mm512_setzero_si512();
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *a[MR];

#pragma GCC unroll 14
		for (int r = 0; r < rows; r++)
			a[r] = args->a[t * MR + (size_t)r];
		for (size_t k = 0; k < args->kc; k += KR, w += NR * KR) {
			const __m512i b0 = _mm512_load_si512(w), b1 = _mm512_load_si512(w + 64);

#pragma GCC unroll 14
			for (int r = 0; r < rows; r++) {
				const __m512i v = quad(a[r] + k);

				sums[r][0] = _mm512_dpbusd_epi32(sums[r][0], b0, v);
				sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], b1, v);
			}
		}
	}
	sum_rows(args, rows, row_sums);
	store(args, rows, sums, row_sums);
}

static void igemm_s8_14x32_avx512vnni(const struct igemm_s8_args *args)
{
	if (args->m > MR / 2)
		tile(args, MR);
	else if (args->m > 1)
		tile(args, MR / 2);
	else
		tile(args, 1);
}

void kernels_igemm_s8_avx512vnni(struct kernels *table)
{
	table->igemm_s8 =
		(struct igemm_s8){"igemm_s8_14x32_avx512vnni", MR, NR, KR, igemm_s8_14x32_avx512vnni, true};
}
