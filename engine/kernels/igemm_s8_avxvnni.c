/*
 * igemm_s8_avxvnni.c - 6 rows x 16 columns in twelve accumulators: two loads of weights and six broadcasts of four
 * channels feed twelve dot products of four bytes.
 *
 * As in igemm_s8_avx512vnni.c weights are the unsigned side, and what is below them comes from the sums of the rows.
 */
#include <immintrin.h>
#include <string.h>

#include "levels.h"
#include "requant_avx2.h"

#define MR 6
#define NR 16
#define KR 4

static inline __m256i load(const void *at)
{
	return _mm256_loadu_si256((const __m256i *)at);
}

/* The first n bytes of 32, 0 < n <= 32. */
static inline __m256i mask_of(size_t n)
{
	static const int8_t ends[64] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
					-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

	return load(ends + 32 - n);
}

static inline int32_t sum_of(__m256i sums)
{
	__m128i half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));

	half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
	return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

/* Of each row over all taps; what lies behind the last channel is read, as KERNEL_SLACK allows, and masked. */
static void sum_rows(const struct igemm_s8_args *args, int32_t *ret_sums)
{
	const __m256i ones = _mm256_set1_epi8(1), mask = mask_of((args->kc - 1) % 32 + 1);
	const size_t whole = (args->kc - 1) / 32 * 32;

	for (size_t r = 0; r < args->m; r++) {
		__m256i sum = _mm256_setzero_si256();

		for (size_t t = 0; t < args->taps; t++) {
			const int8_t *a = args->a[t * MR + r];

			for (size_t k = 0; k < whole; k += 32)
				sum = _mm256_dpbusd_avx_epi32(sum, ones, load(a + k));
			sum = _mm256_dpbusd_avx_epi32(sum, ones, _mm256_and_si256(mask, load(a + whole)));
		}
		ret_sums[r] = sum_of(sum);
	}
}

/* The biases and what is below the weights go to the sums of one row of eight columns. */
static inline __m256i complete(const int32_t *head, __m256i sums, int32_t row_sum)
{
	const __m256i below = _mm256_mullo_epi32(load(head + 3 * NR), _mm256_set1_epi32(row_sum));

	return _mm256_add_epi32(_mm256_add_epi32(sums, below), load(head));
}

static inline void store_row(const struct igemm_s8_args *args, size_t row, __m128i bytes)
{
	int8_t *c = args->c + row * args->c_stride, values[NR];

	if (args->n == NR) {
		_mm_storeu_si128((__m128i *)(void *)c, bytes);
		return;
	}
	_mm_storeu_si128((__m128i *)(void *)values, bytes);
	memcpy(c, values, args->n);
}

/* Two rows, of which the second need not be there. */
static inline __attribute__((always_inline)) void finish_rows(const struct igemm_s8_args *args,
							      const struct requant_avx2 *requant, size_t row,
							      const __m256i *low, const __m256i *high)
{
	const int32_t *head = args->w, *row_sums = args->row_sums + row;
	const __m256i first[2] = {complete(head, low[0], row_sums[0]), complete(head, low[1], row_sums[1])};
	const __m256i second[2] = {complete(head + 8, high[0], row_sums[0]), complete(head + 8, high[1], row_sums[1])};
	const __m256i bytes = requant_rows_avx2(requant, first, second);

	store_row(args, row, _mm256_castsi256_si128(bytes));
	if (row + 1 < args->m)
		store_row(args, row + 1, _mm256_extracti128_si256(bytes, 1));
}

static inline __m256i quad(const int8_t *a)
{
	int32_t four;

	memcpy(&four, a, sizeof(four));
	return _mm256_set1_epi32(four);
}

static void igemm_s8_6x16_avxvnni(const struct igemm_s8_args *args)
{
	const int32_t *head = args->w;
	const uint8_t *w = (const uint8_t *)(head + 4 * NR);
	struct requant_avx2 requant = {.zero_point = args->zero_point,
				       .lo = args->lo,
				       .hi = args->hi,
				       .float_scales = WITH_FLOAT_SCALES && args->float_scales};
	const ptrdiff_t ahead = args->ahead ? (const uint8_t *)args->ahead - (const uint8_t *)args->w : 0;
	__m256i low[MR], high[MR];

#pragma GCC unroll 6
	for (int r = 0; r < MR; r++)
		low[r] = high[r] = _mm256_setzero_si256();
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *a[MR];

#pragma GCC unroll 6
		for (size_t r = 0; r < MR; r++)
			a[r] = args->a[t * MR + r];
		for (size_t k = 0; k < args->kc; k += KR, w += NR * KR) {
			const __m256i b0 = load(w), b1 = load(w + 32);

			if (ahead)
				_mm_prefetch((const char *)(w + ahead), _MM_HINT_T0);
#pragma GCC unroll 6
			for (int r = 0; r < MR; r++) {
				const __m256i v = quad(a[r] + k);

				low[r] = _mm256_dpbusd_avx_epi32(low[r], b0, v);
				high[r] = _mm256_dpbusd_avx_epi32(high[r], b1, v);
			}
		}
	}
	requant_load_avx2(head + NR, requant.multiplier);
	requant_load_avx2(head + 2 * NR, requant.shift);
#pragma GCC unroll 3
	for (size_t r = 0; r < MR; r += 2)
		if (r < args->m)
			finish_rows(args, &requant, r, low + r, high + r);
}

void kernels_igemm_s8_avxvnni(struct kernels *table)
{
	table->igemm_s8 =
		(struct igemm_s8){"igemm_s8_6x16_avxvnni", MR, NR, KR, igemm_s8_6x16_avxvnni, .panel = KERNEL_BYTES,
				  .sum_rows = sum_rows};
}
