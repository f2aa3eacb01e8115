/*
 * dwconv_s8_avx2.c - depthwise convolution of bytes, four output pixels by sixteen channels at a time.
 *
 * Inputs and weights are over-read by less than 64 bytes; outputs are written exactly.
 */
#include <immintrin.h>
#include <string.h>

#include "dwconv_row.h"
#include "levels.h"
#include "requant_avx2.h"

#define KERNEL(name) name##_avx2
#define PIXELS	     DWCONV_PIXELS
#define CHANNELS     16

/* Unpacking splits sixteen channels into 0-3, 8-11 and 4-7, 12-15: numbers of theirs in that order. */
static inline void load_split(const void *at, __m256i ret_halves[2])
{
	const __m128i *fours = at;

	for (int i = 0; i < 2; i++)
		ret_halves[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(fours + i)),
							_mm_loadu_si128(fours + i + 2), 1);
}

static inline struct requant_avx2 requant_of(const struct dwconv_args *args, size_t c)
{
	const int32_t *multiplier = dwconv_s8_part(args, DWCONV_MULTIPLIER),
		      *shift = dwconv_s8_part(args, DWCONV_SHIFT);
	struct requant_avx2 requant = {.zero_point = args->zero_point,
				       .lo = args->lo8,
				       .hi = args->hi8,
				       .float_scales = WITH_FLOAT_SCALES && args->float_scales};

	load_split(multiplier + c, requant.multiplier);
	load_split(shift + c, requant.shift);
	return requant;
}

static inline void store_s8(const struct dwconv_args *args, size_t c, __m128i bytes, int8_t *out)
{
	int8_t values[CHANNELS];

	if (args->channels - c >= CHANNELS) {
		_mm_storeu_si128((__m128i *)(void *)out, bytes);
		return;
	}
	_mm_storeu_si128((__m128i *)(void *)values, bytes);
	memcpy(out, values, args->channels - c);
}

static inline __m256i load_s8(const struct dwconv_tap *tap, size_t skip, size_t c)
{
	const int8_t *in = (const int8_t *)tap->in + ((skip + c) & tap->mask);

	return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)in));
}

/* Two taps at a time: their inputs and weights are interleaved, so that vpmaddwd adds both products. */
static inline __attribute__((always_inline)) void pixels_s8(const struct dwconv_row *row, int pixels, size_t skip,
							    int8_t *out)
{
	const struct dwconv_args *args = row->args;
	const int32_t *bias = dwconv_s8_part(args, DWCONV_BIAS);
	const int16_t *w = dwconv_s8_part(args, DWCONV_WEIGHTS);

	for (size_t c = 0; c < args->channels; c += CHANNELS) {
		__m256i first[PIXELS], second[PIXELS], sums[2];
		__m128i bytes[PIXELS];
		struct requant_avx2 requant;

		load_split(bias + c, sums);
#pragma GCC unroll 4
		for (int p = 0; p < pixels; p++) {
			first[p] = sums[0];
			second[p] = sums[1];
		}
		for (size_t t = 0; t < row->n_taps; t += 2) {
			bool both = t + 1 < row->n_taps;
			const int16_t *w0 = w + row->taps[t].w * args->channels + c;
			const int16_t *w1 = both ? w + row->taps[t + 1].w * args->channels + c : NULL;
			const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)w0);
			const __m256i b =
				w1 ? _mm256_loadu_si256((const __m256i *)(const void *)w1) : _mm256_setzero_si256();
			const __m256i even = _mm256_unpacklo_epi16(a, b), odd = _mm256_unpackhi_epi16(a, b);

#pragma GCC unroll 4
			for (int p = 0; p < pixels; p++) {
				size_t at = skip + (size_t)p * row->step;
				const __m256i x = load_s8(&row->taps[t], at, c);
				const __m256i y = load_s8(&row->taps[t + both], at, c);

				first[p] = _mm256_add_epi32(first[p],
							    _mm256_madd_epi16(_mm256_unpacklo_epi16(x, y), even));
				second[p] = _mm256_add_epi32(second[p],
							     _mm256_madd_epi16(_mm256_unpackhi_epi16(x, y), odd));
			}
		}
		/* All before any is stored, which could change what they are scaled by for all that compilers know. */
		requant = requant_of(args, c);
#pragma GCC unroll 4
		for (int p = 0; p < pixels; p++) {
			/* In this order packing puts all channels in theirs. */
			const __m256i words = requant_words_avx2(&requant, first[p], second[p]);

			bytes[p] = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
		}
#pragma GCC unroll 4
		for (int p = 0; p < pixels; p++)
			store_s8(args, c, bytes[p], out + (size_t)p * args->out_stride + c);
	}
}

#include "dwconv_s8.inc"
