/*
 * igemm_s8_avx512vnni.c - 14 rows x 32 columns in 28 accumulators: two loads of weights and fourteen broadcasts of four
 * channels feed 28 dot products of four bytes.
 *
 * vpdpbusd multiplies unsigned by signed bytes: weights are the unsigned side, above the least of their channel, so
 * that inputs are read as they are.  What the least adds needs each row's sum, 64 channels to an instruction,
 * once for all panels.
 */
#include <immintrin.h>

#include "levels.h"
#include "requant_avx512.h"
#include "sum_rows_avx512vnni.h"

#define MR    14
#define NR    32
#define KR    4
#define LANES 16

static void sum_rows(const struct igemm_s8_args *args, int32_t *ret_sums)
{
	sum_rows_avx512vnni(args, MR, ret_sums);
}

static inline struct requant_avx512 load_requant(const struct igemm_s8_args *args, const int32_t *head)
{
	return requant_avx512_of(_mm512_load_si512(head + NR), _mm512_load_si512(head + 2 * NR), args->zero_point,
				 args->lo, args->hi, args->float_scales);
}

/* Adds what is below the weights, requantises and writes the rows. */
static void finish(const struct igemm_s8_args *args, const int32_t (*sums)[NR])
{
	const int32_t *head = args->w;
	const struct requant_avx512 requant0 = load_requant(args, head), requant1 = load_requant(args, head + LANES);
	const __m512i least0 = _mm512_load_si512(head + 3 * NR), least1 = _mm512_load_si512(head + 3 * NR + LANES);
	const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7); /* of what packing leaves */
	const uint32_t least = (uint32_t)head[3 * NR];
	const __m512i first = _mm512_set1_epi32(head[3 * NR]);
	const bool alike = (_mm512_cmpneq_epi32_mask(least0, first) | _mm512_cmpneq_epi32_mask(least1, first)) == 0;
	const __mmask32 mask = ~0u >> (NR - args->n);

	for (size_t r = 0; r < args->m; r++) {
		const __m512i row_sum = _mm512_set1_epi32(args->row_sums[r]);
		const __m512i more0 = alike ? _mm512_set1_epi32((int32_t)(least * (uint32_t)args->row_sums[r]))
					    : _mm512_mullo_epi32(least0, row_sum);
		const __m512i more1 = alike ? more0 : _mm512_mullo_epi32(least1, row_sum);
		const __m512i words =
			requant_avx512(&requant0, &requant1, _mm512_add_epi32(_mm512_load_si512(sums[r]), more0),
				       _mm512_add_epi32(_mm512_load_si512(sums[r] + LANES), more1));

		_mm256_mask_storeu_epi8(args->c + r * args->c_stride, mask,
					_mm512_cvtepi16_epi8(_mm512_permutexvar_epi64(order, words)));
	}
}

static inline __m512i quad(const int8_t *a)
{
	int32_t four;

	__builtin_memcpy(&four, a, sizeof(four));
	return _mm512_set1_epi32(four);
}

static inline __attribute__((always_inline)) void tile(const struct igemm_s8_args *args, int rows, int vectors)
{
	const int32_t *head = args->w;
	const uint8_t *w = (const uint8_t *)(head + 4 * NR);
	_Alignas(64) int32_t totals[MR][NR];
	__m512i sums[MR][2];

#pragma GCC unroll 14
	for (int r = 0; r < rows; r++) {
		sums[r][0] = _mm512_load_si512(head);
		sums[r][1] = _mm512_load_si512(head + LANES);
	}
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
				if (vectors > 1)
					sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], b1, v);
			}
		}
	}
#pragma GCC unroll 14
	for (int r = 0; r < rows; r++) {
		_mm512_store_si512(totals[r], sums[r][0]);
		_mm512_store_si512(totals[r] + LANES, sums[r][1]);
	}
	finish(args, (const int32_t(*)[NR])totals);
}

/* Few rows are left at the end of an image, one in a fully connected layer; many layers end in half a panel. */
static void igemm_s8_14x32_avx512vnni(const struct igemm_s8_args *args)
{
	const bool narrow = args->n <= LANES;

	if (args->m == 1)
		tile(args, 1, 2);
	else if (args->m <= MR / 2)
		narrow ? tile(args, MR / 2, 1) : tile(args, MR / 2, 2);
	else
		narrow ? tile(args, MR, 1) : tile(args, MR, 2);
}

void kernels_igemm_s8_avx512vnni(struct kernels *table)
{
	table->igemm_s8 = (struct igemm_s8){
		"igemm_s8_14x32_avx512vnni", MR, NR, KR, igemm_s8_14x32_avx512vnni, .panel = KERNEL_BYTES,
		.sum_rows = sum_rows};
}
