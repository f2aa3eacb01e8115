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

/* Requantises and writes the rows, two at a time; the last may be there twice. */
static inline __attribute__((always_inline)) void finish_in(enum requant_avx512_mode mode,
							    const struct igemm_s8_args *args, const int32_t (*sums)[NR])
{
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	const int32_t *head = args->w;
	struct requant_avx512 requant[2];
	const struct requant_avx512 *const both[4] = {&requant[0], &requant[1], &requant[0], &requant[1]};
	struct requant_range_avx512 range;
	const __mmask32 mask = ~0u >> (NR - args->n);

	requant_range_avx512(args->zero_point, args->lo, args->hi, &range);
	requant_load_avx512(mode, head + NR, head + 2 * NR, &requant[0]);
	requant_load_avx512(mode, head + NR + LANES, head + 2 * NR + LANES, &requant[1]);
	for (size_t r = 0; r < args->m; r += 2) {
		const size_t second = r + 1 < args->m ? r + 1 : r;
		const __m512i four[4] = {_mm512_load_si512(sums[r]), _mm512_load_si512(sums[r] + LANES),
					 _mm512_load_si512(sums[second]), _mm512_load_si512(sums[second] + LANES)};
		const __m512i bytes = _mm512_permutexvar_epi32(order, requant_bytes_avx512(mode, &range, both, four));
		int8_t *c = args->c + r * args->c_stride;

		_mm256_mask_storeu_epi8(c, mask, _mm512_castsi512_si256(bytes));
		if (second != r)
			_mm256_mask_storeu_epi8(c + args->c_stride, mask, _mm512_extracti64x4_epi64(bytes, 1));
	}
}

/* The same of sixteen columns, four rows at a time. */
static inline __attribute__((always_inline)) void
finish_narrow_in(enum requant_avx512_mode mode, const struct igemm_s8_args *args, const int32_t (*sums)[NR])
{
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	const int32_t *head = args->w;
	const __mmask16 mask = (__mmask16)(0xffff >> (LANES - args->n));
	struct requant_avx512 requant;
	const struct requant_avx512 *const alike[4] = {&requant, &requant, &requant, &requant};
	struct requant_range_avx512 range;

	requant_range_avx512(args->zero_point, args->lo, args->hi, &range);
	requant_load_avx512(mode, head + NR, head + 2 * NR, &requant);
	for (size_t r = 0; r < args->m; r += 4) {
		const size_t last = args->m - 1;
		const __m512i four[4] = {_mm512_load_si512(sums[r]),
					 _mm512_load_si512(sums[r + 1 < last ? r + 1 : last]),
					 _mm512_load_si512(sums[r + 2 < last ? r + 2 : last]),
					 _mm512_load_si512(sums[r + 3 < last ? r + 3 : last])};
		const __m512i bytes = _mm512_permutexvar_epi32(order, requant_bytes_avx512(mode, &range, alike, four));
		int8_t *c = args->c + r * args->c_stride;

		_mm_mask_storeu_epi8(c, mask, _mm512_castsi512_si128(bytes));
		if (r + 1 <= last)
			_mm_mask_storeu_epi8(c + args->c_stride, mask, _mm512_extracti32x4_epi32(bytes, 1));
		if (r + 2 <= last)
			_mm_mask_storeu_epi8(c + 2 * args->c_stride, mask, _mm512_extracti32x4_epi32(bytes, 2));
		if (r + 3 <= last)
			_mm_mask_storeu_epi8(c + 3 * args->c_stride, mask, _mm512_extracti32x4_epi32(bytes, 3));
	}
}

static void finish_narrow(const struct igemm_s8_args *args, const int32_t (*sums)[NR])
{
	const int32_t *head = args->w;

	REQUANT_BY_MODE(
		requant_mode_avx512(head + NR, head + 2 * NR, LANES, args->lo >= args->zero_point, args->float_scales),
		finish_narrow_in, args, sums)
}

static void finish(const struct igemm_s8_args *args, const int32_t (*sums)[NR])
{
	const int32_t *head = args->w;

	REQUANT_BY_MODE(
		requant_mode_avx512(head + NR, head + 2 * NR, NR, args->lo >= args->zero_point, args->float_scales),
		finish_in, args, sums)
}

/* What sums begin with: the bias, and what is below the weights. */
static inline __attribute__((always_inline)) void begin(const struct igemm_s8_args *args, int rows, __m512i (*sums)[2])
{
	const int32_t *head = args->w;
	const __m512i bias0 = _mm512_load_si512(head), bias1 = _mm512_load_si512(head + LANES);
	const __m512i least0 = _mm512_load_si512(head + 3 * NR), least1 = _mm512_load_si512(head + 3 * NR + LANES);
	const __m512i first = _mm512_set1_epi32(head[3 * NR]);
	const bool alike = (_mm512_cmpneq_epi32_mask(least0, first) | _mm512_cmpneq_epi32_mask(least1, first)) == 0;

#pragma GCC unroll 14
	for (int r = 0; r < rows; r++) {
		const int32_t row_sum = args->row_sums[r];

		if (alike) {
			const __m512i more = _mm512_set1_epi32((int32_t)((uint32_t)head[3 * NR] * (uint32_t)row_sum));

			sums[r][0] = _mm512_add_epi32(bias0, more);
			sums[r][1] = _mm512_add_epi32(bias1, more);
		} else {
			const __m512i all = _mm512_set1_epi32(row_sum);

			sums[r][0] = _mm512_add_epi32(bias0, _mm512_mullo_epi32(least0, all));
			sums[r][1] = _mm512_add_epi32(bias1, _mm512_mullo_epi32(least1, all));
		}
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
	const uint8_t *w = (const uint8_t *)args->w + 4 * NR * sizeof(int32_t);
	const ptrdiff_t ahead = args->ahead ? (const uint8_t *)args->ahead - (const uint8_t *)args->w : 0;
	_Alignas(64) int32_t totals[MR][NR];
	__m512i sums[MR][2];

	begin(args, rows, sums);
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *a[MR];

#pragma GCC unroll 14
		for (int r = 0; r < rows; r++)
			a[r] = args->a[t * MR + (size_t)r];
		for (size_t k = 0; k < args->kc; k += KR, w += NR * KR) {
			const __m512i b0 = _mm512_load_si512(w), b1 = _mm512_load_si512(w + 64);

			if (ahead) {
				_mm_prefetch((const char *)(w + ahead), _MM_HINT_T0);
				_mm_prefetch((const char *)(w + ahead) + 64, _MM_HINT_T0);
			}
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
		if (vectors > 1)
			_mm512_store_si512(totals[r] + LANES, sums[r][1]);
	}
	if (vectors > 1)
		finish(args, (const int32_t(*)[NR])totals);
	else
		finish_narrow(args, (const int32_t(*)[NR])totals);
}

/* Few rows are left at the end of an image, one in a fully connected layer; many layers end in half a panel. */
static void igemm_s8_14x32_avx512vnni(const struct igemm_s8_args *args)
{
	const bool narrow = args->n <= LANES;

	if (args->m == 1)
		narrow ? tile(args, 1, 1) : tile(args, 1, 2);
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
