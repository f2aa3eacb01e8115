/*
 * dwconv_s8_avx512vnni.c - depthwise convolution of bytes, four output pixels by 32 channels at a time.
 *
 * Widened inputs of two taps are interleaved, as their weights are, so that vpdpwssd adds both products.  Inputs and
 * weights are over-read by less than 64 bytes; outputs are written exactly.
 */
#include <immintrin.h>
#include <string.h>

#include "dwconv_row.h"
#include "levels.h"
#include "requant_avx512.h"

#define PIXELS	 DWCONV_PIXELS
#define CHANNELS 32

/* What interleaving makes of 32 channels: in every quarter of eight, the first four and the last four. */
struct halves {
	__m512i first, second;
};

static inline struct halves load_words(const void *at)
{
	const int32_t *words = at;
	const __m512i low = _mm512_loadu_si512(words), high = _mm512_loadu_si512(words + 16);

	return (struct halves){
		_mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), high),
		_mm512_permutex2var_epi64(low, _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15), high),
	};
}

static inline __m512i load_s8(const struct dwconv_tap *tap, size_t skip, size_t c)
{
	const int8_t *in = (const int8_t *)tap->in + ((skip + c) & tap->mask);

	return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)in));
}

static inline __attribute__((always_inline)) void store(const struct dwconv_args *args, int pixels, size_t c,
							const struct halves *sums, int8_t *out)
{
	const uint8_t *part = (const uint8_t *)args->w + dwconv_part(args->channels) + c * sizeof(int32_t);
	const struct halves multiplier = load_words(part), shift = load_words(part + dwconv_part(args->channels));
	const struct requant_avx512 first = requant_avx512_of(multiplier.first, shift.first, args->zero_point,
							      args->lo8, args->hi8, args->float_scales);
	const struct requant_avx512 second = requant_avx512_of(multiplier.second, shift.second, args->zero_point,
							       args->lo8, args->hi8, args->float_scales);
	const size_t rest = args->channels - c;
	const __mmask32 mask = rest < CHANNELS ? (1u << rest) - 1 : ~0u;

	/* Packing puts the channels of every quarter in order again. */
	for (int p = 0; p < pixels; p++)
		_mm256_mask_storeu_epi8(
			out + (size_t)p * args->out_stride + c, mask,
			_mm512_cvtepi16_epi8(requant_avx512(&first, &second, sums[p].first, sums[p].second)));
}

static inline __attribute__((always_inline)) void pixels_s8(const struct dwconv_row *row, int pixels, size_t skip,
							    int8_t *out)
{
	const struct dwconv_args *args = row->args;
	const int16_t *w = (const int16_t *)(const void *)((const uint8_t *)args->w + 3 * dwconv_part(args->channels));

	for (size_t c = 0; c < args->channels; c += CHANNELS) {
		const struct halves bias = load_words((const int32_t *)args->w + c);
		struct halves sums[PIXELS];

		for (int p = 0; p < pixels; p++)
			sums[p] = bias;
		for (size_t t = 0; t < row->n_taps; t += 2) {
			const bool both = t + 1 < row->n_taps;
			const __m512i a = _mm512_loadu_si512(w + row->taps[t].w * args->channels + c);
			const __m512i b = both ? _mm512_loadu_si512(w + row->taps[t + 1].w * args->channels + c)
					       : _mm512_setzero_si512();
			const __m512i first = _mm512_unpacklo_epi16(a, b), second = _mm512_unpackhi_epi16(a, b);

			for (int p = 0; p < pixels; p++) {
				const size_t at = skip + (size_t)p * row->step;
				const __m512i x = load_s8(&row->taps[t], at, c);
				const __m512i y = load_s8(&row->taps[t + both], at, c);

				sums[p].first = _mm512_dpwssd_epi32(sums[p].first, _mm512_unpacklo_epi16(x, y), first);
				sums[p].second =
					_mm512_dpwssd_epi32(sums[p].second, _mm512_unpackhi_epi16(x, y), second);
			}
		}
		store(args, pixels, c, sums, out);
	}
}

static void one_s8(const struct dwconv_row *row, size_t skip, void *out)
{
	pixels_s8(row, 1, skip, out);
}

static void four_s8(const struct dwconv_row *row, size_t skip, void *out)
{
	pixels_s8(row, PIXELS, skip, out);
}

static void dwconv_s8_avx512vnni(const struct dwconv_args *args)
{
	int8_t padding[CHANNELS];

	memset(padding, args->pad, sizeof(padding));
	dwconv_walk(args, padding, one_s8, four_s8);
}

void kernels_dwconv_s8_avx512vnni(struct kernels *table)
{
	table->dwconv_s8 = dwconv_s8_avx512vnni;
}
