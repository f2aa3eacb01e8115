/*
 * igemm_s8_avx2.c - 6 rows x 16 columns: pairs of channels, widened to 16 bits, are multiplied and added by vpmaddwd.
 *
 * The widened rows of a stretch of channels lie on the stack, from where a pair is broadcast by one load.
 */
#include <immintrin.h>
#include <string.h>

#include "levels.h"
#include "requant_avx2.h"

#define MR	6
#define NR	16
#define KR	2
#define STRETCH 256 /* channels widened at a time */

#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)

static inline void store_row(const struct igemm_s8_args *args, size_t row, __m256i low, __m256i high)
{
	const int32_t *head = args->w;
	const struct requant_avx2 requant = {head + NR, head + 2 * NR, args->zero_point,
					     args->lo,	args->hi,      args->float_scales};
	int8_t *c = args->c + row * args->c_stride, values[NR];
	__m128i bytes = requant_avx2(&requant, low, high);

	if (args->n == NR) {
		_mm_storeu_si128((__m128i *)(void *)c, bytes);
		return;
	}
	_mm_storeu_si128((__m128i *)(void *)values, bytes);
	memcpy(c, values, args->n);
}

/* Over-reads by less than 16 bytes, as KERNEL_SLACK allows; weights behind an odd last channel are zero. */
static inline void widen(const int8_t *from, size_t n, int16_t *to)
{
	for (size_t k = 0; k < n; k += 16)
		_mm256_store_si256((__m256i *)(void *)(to + k),
				   _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(from + k))));
}

static inline __m256i pair(const int16_t *a)
{
	int32_t both;

	memcpy(&both, a, sizeof(both));
	return _mm256_set1_epi32(both);
}

static void igemm_s8_6x16_avx2(const struct igemm_s8_args *args)
{
	const uint8_t *head = args->w;
	const int16_t *w = (const int16_t *)(const void *)(head + 3 * NR * sizeof(int32_t));
	_Alignas(32) int16_t a[MR][STRETCH];

#define DECLARE(r)                                                                                                     \
	__m256i low##r = _mm256_load_si256((const __m256i *)(const void *)head),                                       \
		high##r = _mm256_load_si256((const __m256i *)(const void *)(head + 32));
	ROWS(DECLARE)
	for (size_t t = 0; t < args->taps; t++) {
		for (size_t from = 0; from < args->kc; from += STRETCH) {
			size_t n = args->kc - from < STRETCH ? args->kc - from : STRETCH;

#define WIDEN(r) widen(args->a[t * MR + r] + from, n, a[r]);
			ROWS(WIDEN)
			for (size_t k = 0; k < n; k += KR, w += NR * KR) {
				const __m256i b0 = _mm256_load_si256((const __m256i *)(const void *)w);
				const __m256i b1 = _mm256_load_si256((const __m256i *)(const void *)(w + 16));
#define MULTIPLY(r)                                                                                                    \
	{                                                                                                              \
		const __m256i v = pair(a[r] + k);                                                                      \
		low##r = _mm256_add_epi32(low##r, _mm256_madd_epi16(v, b0));                                           \
		high##r = _mm256_add_epi32(high##r, _mm256_madd_epi16(v, b1));                                         \
	}
				ROWS(MULTIPLY)
			}
		}
	}
#define STORE(r)                                                                                                       \
	if (r < args->m)                                                                                               \
		store_row(args, r, low##r, high##r);
	ROWS(STORE)
}

void kernels_igemm_s8_avx2(struct kernels *table)
{
	table->igemm_s8 =
		(struct igemm_s8){"igemm_s8_6x16_avx2", MR, NR, KR, igemm_s8_6x16_avx2, .weights = KERNEL_WORDS};
	table->igemm_s8_wide = table->igemm_s8;
}
