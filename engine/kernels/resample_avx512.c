/*
 * resample_avx512.c - resampling in 512 bits, as resample_avx2.c has it in 256.  Ends of rows are masked.
 */
#include <immintrin.h>
#include <string.h>

#include "levels.h"
#include "resample_scalar.h"

#define COLUMNS 64 /* of a block going down */
#define WORDS	32 /* of a register */
#define OUTPUTS 16 /* of a block going across */

#define INLINED static inline __attribute__((always_inline))

static inline __m512i weight_pair(const int16_t *weight)
{
	int32_t pair;

	memcpy(&pair, weight, sizeof(pair));
	return _mm512_set1_epi32(pair);
}

static inline __m512i weighted(__m512i sum, __m512i values, __m512i weights)
{
	return _mm512_add_epi32(sum, _mm512_madd_epi16(values, weights));
}

/* Sums of columns 0..3, 4..7, 8..11 and 12..15 of each quarter of the block. */
INLINED void down_rows(const struct resample_down *args, size_t from, __mmask64 mask, bool exact, __m512i sum[4],
		       __m512i low[4])
{
	const __m512i zero = _mm512_setzero_si512();

	for (size_t row = 0; row < args->count; row += 2) {
		const uint8_t *in = args->rows + row * args->stride + from;
		/* Where there is no second row, it has no weight. */
		__m512i a = _mm512_maskz_loadu_epi8(mask, in);
		__m512i b = row + 1 < args->count ? _mm512_maskz_loadu_epi8(mask, in + args->stride) : a;
		__m512i left = _mm512_unpacklo_epi8(a, b), right = _mm512_unpackhi_epi8(a, b);
		const __m512i pixels[4] = {_mm512_unpacklo_epi8(left, zero), _mm512_unpackhi_epi8(left, zero),
					   _mm512_unpacklo_epi8(right, zero), _mm512_unpackhi_epi8(right, zero)};
		const __m512i high_weights = weight_pair(args->high + row);

		for (int i = 0; i < 4; i++)
			sum[i] = weighted(sum[i], pixels[i], high_weights);
		if (exact) {
			const __m512i low_weights = weight_pair(args->low + row);

			for (int i = 0; i < 4; i++)
				low[i] = weighted(low[i], pixels[i], low_weights);
		}
	}
}

INLINED void down_block(const struct resample_down *args, size_t from, __mmask64 mask, bool exact)
{
	const __m512i half = _mm512_set1_epi32((int32_t)1 << args->shift >> 1);
	const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
	const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
	const __m128i shift = _mm_cvtsi32_si128(args->shift);
	__m512i sum[4], low[4], left, right;

	for (int i = 0; i < 4; i++)
		sum[i] = low[i] = _mm512_setzero_si512();
	down_rows(args, from, mask, exact, sum, low);
	for (int i = 0; i < 4; i++) {
		if (exact)
			sum[i] = _mm512_add_epi32(_mm512_slli_epi32(sum[i], RESAMPLE_LOW_BITS), low[i]);
		sum[i] = _mm512_sra_epi32(_mm512_add_epi32(sum[i], half), shift);
	}
	left = _mm512_packs_epi32(sum[0], sum[1]);
	right = _mm512_packs_epi32(sum[2], sum[3]);
	_mm512_mask_storeu_epi16(args->out + from, (__mmask32)mask, _mm512_permutex2var_epi64(left, first, right));
	_mm512_mask_storeu_epi16(args->out + from + WORDS, (__mmask32)(mask >> WORDS),
				 _mm512_permutex2var_epi64(left, second, right));
}

INLINED void down_columns(const struct resample_down *args, bool exact)
{
	size_t from;

	for (from = 0; from + COLUMNS <= args->n; from += COLUMNS)
		down_block(args, from, ~(__mmask64)0, exact);
	if (from < args->n)
		down_block(args, from, ((__mmask64)1 << (args->n - from)) - 1, exact);
}

static void down_avx512(const struct resample_down *args)
{
	if (args->low)
		down_columns(args, true);
	else
		down_columns(args, false);
}

static inline __mmask32 word_mask(size_t words)
{
	return words < WORDS ? ((__mmask32)1 << words) - 1 : ~(__mmask32)0;
}

/*
 * Word i of a channel is word i * samples + c of the input: those up to 63 lie in the first two registers, the others
 * in the next two, of which the same low bits choose.
 */
INLINED void split_block(const __m512i in[4], const int samples, __mmask32 mask, int16_t *const out[4], size_t at)
{
	static const int16_t count[WORDS] = {0,	 1,  2,	 3,  4,	 5,  6,	 7,  8,	 9,  10, 11, 12, 13, 14, 15,
					     16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
	const __m512i start = _mm512_mullo_epi16(_mm512_loadu_si512(count), _mm512_set1_epi16((int16_t)samples));

	for (int c = 0; c < samples; c++) {
		const __m512i order = _mm512_add_epi16(start, _mm512_set1_epi16((int16_t)c));
		__m512i value = samples == 1 ? in[0] : _mm512_permutex2var_epi16(in[0], order, in[1]);

		if (samples > 2)
			value = _mm512_mask_blend_epi16(_mm512_cmpge_epi16_mask(order, _mm512_set1_epi16(2 * WORDS)),
							value, _mm512_permutex2var_epi16(in[2], order, in[3]));
		if (out[c])
			_mm512_mask_storeu_epi16(out[c] + at, mask, value);
	}
}

INLINED void split_bytes(const uint8_t *in, const int samples, size_t n, int16_t *const out[4])
{
	for (size_t i = 0; i < n; i += WORDS) {
		const size_t left = (n - i) * (size_t)samples;
		__m512i values[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
				     _mm512_setzero_si512()};

		for (int part = 0; part < samples; part++) {
			const size_t skip = (size_t)part * WORDS;
			__mmask32 mask = word_mask(left > skip ? left - skip : 0);

			values[part] = _mm512_cvtepu8_epi16(
				_mm256_maskz_loadu_epi8(mask, in + i * (size_t)samples + (mask ? skip : 0)));
		}
		split_block(values, samples, word_mask(n - i), out, i);
	}
}

INLINED void split_words(const int16_t *in, const int samples, size_t n, int16_t *const out[4])
{
	for (size_t i = 0; i < n; i += WORDS) {
		const size_t left = (n - i) * (size_t)samples;
		__m512i values[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
				     _mm512_setzero_si512()};

		for (int part = 0; part < samples; part++) {
			const size_t skip = (size_t)part * WORDS;
			__mmask32 mask = word_mask(left > skip ? left - skip : 0);

			values[part] = _mm512_maskz_loadu_epi16(mask, in + i * (size_t)samples + (mask ? skip : 0));
		}
		split_block(values, samples, word_mask(n - i), out, i);
	}
}

/* A constant number of samples unrolls each case. */
static void split_u8_avx512(const uint8_t *in, int samples, size_t n, int16_t *const out[4])
{
	if (samples == 1)
		split_bytes(in, 1, n, out);
	else if (samples == 2)
		split_bytes(in, 2, n, out);
	else if (samples == 3)
		split_bytes(in, 3, n, out);
	else
		split_bytes(in, 4, n, out);
}

static void split_s16_avx512(const int16_t *in, int samples, size_t n, int16_t *const out[4])
{
	if (samples == 1)
		split_words(in, 1, n, out);
	else if (samples == 2)
		split_words(in, 2, n, out);
	else if (samples == 3)
		split_words(in, 3, n, out);
	else
		split_words(in, 4, n, out);
}

/* Where the weights of an output are, and how many. */
struct weights {
	const int16_t *high, *low;
	int width;
	bool exact;
};

INLINED __m512i dot(const int16_t *in, const struct weights *weights, size_t at)
{
	__m512i sum = _mm512_setzero_si512(), low = sum;

	for (int t = 0; t < weights->width; t += WORDS) {
		__m512i values = _mm512_loadu_si512(in + t);

		sum = weighted(sum, values, _mm512_loadu_si512(weights->high + at + t));
		if (weights->exact)
			low = weighted(low, values, _mm512_loadu_si512(weights->low + at + t));
	}
	return weights->exact ? _mm512_add_epi32(_mm512_slli_epi32(sum, RESAMPLE_LOW_BITS), low) : sum;
}

/* Four outputs from x on: a part of each in every quarter. */
INLINED __m512i dot_four(const int16_t *line, const int32_t *first, const struct weights *weights, int x)
{
	__m512i sum[4], ab, cd;

	for (int i = 0; i < 4; i++)
		sum[i] = dot(line + first[x + i], weights, (size_t)(x + i) * (size_t)weights->width);
	ab = _mm512_add_epi32(_mm512_unpacklo_epi32(sum[0], sum[1]), _mm512_unpackhi_epi32(sum[0], sum[1]));
	cd = _mm512_add_epi32(_mm512_unpacklo_epi32(sum[2], sum[3]), _mm512_unpackhi_epi32(sum[2], sum[3]));
	return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/* Halves of a and of b added: two quarters of each. */
INLINED __m512i fold(__m512i a, __m512i b)
{
	return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
}

INLINED void across_outputs(const int16_t *line, const struct resample_taps *taps, int width, bool exact, int shift,
			    int32_t *restrict out)
{
	const __m512i half = _mm512_set1_epi32((int32_t)1 << shift >> 1);
	const __m128i count = _mm_cvtsi32_si128(shift);
	const struct weights weights = {taps->high, taps->low, width, exact};
	const int32_t *restrict first = taps->first;
	const int n = taps->n_padded;

	for (int x = 0; x < n; x += OUTPUTS) {
		__m512i left = fold(dot_four(line, first, &weights, x), dot_four(line, first, &weights, x + 4));
		__m512i right = fold(dot_four(line, first, &weights, x + 8), dot_four(line, first, &weights, x + 12));
		__m512i total = _mm512_add_epi32(_mm512_shuffle_i32x4(left, right, 0x88),
						 _mm512_shuffle_i32x4(left, right, 0xdd));

		_mm512_storeu_si512(out + x, _mm512_sra_epi32(_mm512_add_epi32(total, half), count));
	}
}

/* Most windows fit one register: what is constant unrolls. */
static void across_avx512(const int16_t *line, const struct resample_taps *taps, int shift, int32_t *out)
{
	const int width = taps->width;

	if (taps->low && width == WORDS)
		across_outputs(line, taps, WORDS, true, shift, out);
	else if (taps->low)
		across_outputs(line, taps, width, true, shift, out);
	else if (width == WORDS)
		across_outputs(line, taps, WORDS, false, shift, out);
	else
		across_outputs(line, taps, width, false, shift, out);
}

void kernels_resample_avx512(struct kernels *table)
{
	struct resample_kernels *kernels = &table->resample;

	kernels_pixels_avx512(table);
	kernels->across_step = WORDS;
	kernels->down = down_avx512;
	kernels->split_u8 = split_u8_avx512;
	kernels->split_s16 = split_s16_avx512;
	kernels->across = across_avx512;
}
