/*
 * igemm_s8_avx2.c - 5 rows x 16 columns: four channels of a row are broadcast, vpmaddubsw multiplies them as unsigned
 * bytes and adds pairs in 16 bits, which pairs.h sees to that they hold, and vpmaddwd adds the pairs.
 *
 * Panels of words take twice as many multiplications: the rows of a stretch of channels are widened on the stack, from
 * where a pair is broadcast by one load.
 */
#include <immintrin.h>
#include <string.h>

#include "levels.h"
#include "pairs.h"
#include "requant_avx2.h"

#define MR	5
#define NR	16
#define KR	PAIRS_KR
#define STRETCH 256 /* channels widened at a time */

#define INLINE	       static inline __attribute__((always_inline))
#define EVERY(r, rows) _Pragma("GCC unroll 5") for (int r = 0; r < (rows); r++)

/* Of the columns 0-7 and 8-15 of each row. */
struct sums {
	__m256i low[MR], high[MR];
};

static inline __m256i load(const void *at)
{
	return _mm256_load_si256((const __m256i *)at);
}

static inline __m256i broadcast(const void *at)
{
	int32_t four;

	memcpy(&four, at, sizeof(four));
	return _mm256_set1_epi32(four);
}

INLINE __m256i add_pairs(__m256i sums, __m256i v, __m256i w)
{
	return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(v, w), _mm256_set1_epi16(1)));
}

/* Four channels of each row by their weights. */
INLINE void multiply_bytes(struct sums *sums, int rows, const int8_t *const a[MR], size_t k, const int8_t *w)
{
	const __m256i b0 = load(w), b1 = load(w + 32);

	EVERY(r, rows)
	{
		const __m256i v = _mm256_xor_si256(broadcast(a[r] + k), _mm256_set1_epi8(-128));

		sums->low[r] = add_pairs(sums->low[r], v, b0);
		sums->high[r] = add_pairs(sums->high[r], v, b1);
	}
}

INLINE void sum_bytes(struct sums *sums, const struct igemm_s8_args *args, int rows, size_t extras, const int8_t *w)
{
	const size_t room = pairs_room(args->taps, args->kc);
	const struct pairs_place *place;
	const int8_t *a[MR];

	for (size_t t = 0; t < args->taps; t++) {
		EVERY(r, rows)
		a[r] = args->a[t * MR + (size_t)r];
		for (size_t k = 0; k < args->kc; k += KR, w += NR * KR)
			multiply_bytes(sums, rows, a, k, w);
	}
	place = (const struct pairs_place *)(const void *)(w + room * NR * KR);
	/* A file of the engine's own may say anything. */
	for (size_t i = 0; i < extras && i < room; i++, place++, w += NR * KR) {
		const bool sound = place->tap < args->taps && place->k < args->kc;

		EVERY(r, rows)
		a[r] = args->a[(sound ? place->tap : 0) * MR + (size_t)r];
		multiply_bytes(sums, rows, a, sound ? place->k : 0, w);
	}
}

/* Over-reads by less than 16 bytes, as KERNEL_SLACK allows; weights behind an odd last channel are zero. */
static inline void widen(const int8_t *from, size_t n, int16_t *to)
{
	for (size_t k = 0; k < n; k += 16)
		_mm256_store_si256((__m256i *)(void *)(to + k),
				   _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(from + k))));
}

/* Two channels of each widened row by their weights. */
INLINE void multiply_words(struct sums *sums, int rows, const int16_t (*a)[STRETCH], size_t k, const int16_t *w)
{
	const __m256i b0 = load(w), b1 = load(w + 16);

	EVERY(r, rows)
	{
		const __m256i v = broadcast(a[r] + k);

		sums->low[r] = _mm256_add_epi32(sums->low[r], _mm256_madd_epi16(v, b0));
		sums->high[r] = _mm256_add_epi32(sums->high[r], _mm256_madd_epi16(v, b1));
	}
}

INLINE void sum_words(struct sums *sums, const struct igemm_s8_args *args, int rows, const int16_t *w)
{
	_Alignas(32) int16_t a[MR][STRETCH];

	for (size_t t = 0; t < args->taps; t++) {
		for (size_t from = 0; from < args->kc; from += STRETCH) {
			size_t n = args->kc - from < STRETCH ? args->kc - from : STRETCH;

			EVERY(r, rows)
			widen(args->a[t * MR + (size_t)r] + from, n, a[r]);
			for (size_t k = 0; k < n; k += 2, w += NR * 2)
				multiply_words(sums, rows, (const int16_t(*)[STRETCH])a, k, w);
		}
	}
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

/* By two rows, all before any is stored, which could change what they are scaled by for all that compilers know. */
INLINE void finish(const struct igemm_s8_args *args, int rows, const struct sums *sums)
{
	struct requant_avx2 requant = {.zero_point = args->zero_point,
				       .lo = args->lo,
				       .hi = args->hi,
				       .float_scales = WITH_FLOAT_SCALES && args->float_scales};
	const int32_t *head = args->w;
	__m128i bytes[MR];

	requant_load_avx2(head + NR, requant.multiplier);
	requant_load_avx2(head + 2 * NR, requant.shift);
#pragma GCC unroll 5
	for (int r = 0; r + 1 < rows; r += 2) {
		const __m256i two = requant_rows_avx2(&requant, sums->low + r, sums->high + r);

		bytes[r] = _mm256_castsi256_si128(two);
		bytes[r + 1] = _mm256_extracti128_si256(two, 1);
	}
	if (rows % 2 == 1)
		bytes[rows - 1] = requant_avx2(&requant, sums->low[rows - 1], sums->high[rows - 1]);
	EVERY(r, rows)
	{
		if ((size_t)r >= args->m)
			return;
		store_row(args, (size_t)r, bytes[r]);
	}
}

INLINE void tile(const struct igemm_s8_args *args, int rows)
{
	const int32_t *head = args->w, *info = head + 3 * NR;
	struct sums sums;

	EVERY(r, rows)
	{
		sums.low[r] = load(head);
		sums.high[r] = load(head + 8);
	}
	if (*info >= 0)
		sum_bytes(&sums, args, rows, (size_t)*info, (const int8_t *)(info + PAIRS_INFO));
	else
		sum_words(&sums, args, rows, (const int16_t *)(const void *)(info + PAIRS_INFO));
	finish(args, rows, &sums);
}

/* One row is what a fully connected layer has. */
static void igemm_s8_5x16_avx2(const struct igemm_s8_args *args)
{
	if (args->m == 1)
		tile(args, 1);
	else
		tile(args, MR);
}

void kernels_igemm_s8_avx2(struct kernels *table)
{
	table->igemm_s8 =
		(struct igemm_s8){"igemm_s8_5x16_avx2", MR, NR, KR, igemm_s8_5x16_avx2, .panel = KERNEL_PAIRS};
	table->igemm_s8_wide = table->igemm_s8;
}
