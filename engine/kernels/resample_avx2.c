/*
 * resample_avx2.c - resampling in 256 bits.  Products of 16 bits are added in pairs (vpmaddwd): down, those of two
 * rows; across, those of two neighbours.
 */
#include <immintrin.h>
#include <string.h>

#include "levels.h"
#include "resample_scalar.h"

#define COLUMNS 32 /* of a block going down */
#define WORDS	16 /* of a register */
#define OUTPUTS 8  /* of a block going across */

#define INLINED static inline __attribute__((always_inline))

static inline __m256i load(const void *from)
{
	return _mm256_loadu_si256(from);
}

/* The weights of a row and the next in each 32-bit lane. */
static inline __m256i weight_pair(const int16_t *weight)
{
	int32_t pair;

	memcpy(&pair, weight, sizeof(pair));
	return _mm256_set1_epi32(pair);
}

static inline __m256i weighted(__m256i sum, __m256i values, __m256i weights)
{
	return _mm256_add_epi32(sum, _mm256_madd_epi16(values, weights));
}

/* Sums of columns 0..3, 4..7, 8..11 and 12..15 of either half of the block. */
INLINED void down_rows(const struct resample_down *args, size_t from, bool exact, __m256i sum[4], __m256i low[4])
{
	const __m256i zero = _mm256_setzero_si256();

	for (size_t row = 0; row < args->count; row += 2) {
		const uint8_t *in = args->rows + row * args->stride + from;
		/* Where there is no second row, it has no weight. */
		__m256i a = load(in), b = row + 1 < args->count ? load(in + args->stride) : a;
		__m256i left = _mm256_unpacklo_epi8(a, b), right = _mm256_unpackhi_epi8(a, b);
		const __m256i pixels[4] = {_mm256_unpacklo_epi8(left, zero), _mm256_unpackhi_epi8(left, zero),
					   _mm256_unpacklo_epi8(right, zero), _mm256_unpackhi_epi8(right, zero)};
		const __m256i high_weights = weight_pair(args->high + row);

		for (int i = 0; i < 4; i++)
			sum[i] = weighted(sum[i], pixels[i], high_weights);
		if (exact) {
			const __m256i low_weights = weight_pair(args->low + row);

			for (int i = 0; i < 4; i++)
				low[i] = weighted(low[i], pixels[i], low_weights);
		}
	}
}

INLINED void down_block(const struct resample_down *args, size_t from, bool exact)
{
	const __m256i half = _mm256_set1_epi32((int32_t)1 << args->shift >> 1);
	const __m128i shift = _mm_cvtsi32_si128(args->shift);
	__m256i sum[4], low[4], left, right;

	for (int i = 0; i < 4; i++)
		sum[i] = low[i] = _mm256_setzero_si256();
	down_rows(args, from, exact, sum, low);
	for (int i = 0; i < 4; i++) {
		if (exact)
			sum[i] = _mm256_add_epi32(_mm256_slli_epi32(sum[i], RESAMPLE_LOW_BITS), low[i]);
		sum[i] = _mm256_sra_epi32(_mm256_add_epi32(sum[i], half), shift);
	}
	left = _mm256_packs_epi32(sum[0], sum[1]);
	right = _mm256_packs_epi32(sum[2], sum[3]);
	_mm256_storeu_si256((void *)(args->out + from), _mm256_permute2x128_si256(left, right, 0x20));
	_mm256_storeu_si256((void *)(args->out + from + 16), _mm256_permute2x128_si256(left, right, 0x31));
}

INLINED void down_columns(const struct resample_down *args, bool exact)
{
	size_t from;

	for (from = 0; from + COLUMNS <= args->n; from += COLUMNS)
		down_block(args, from, exact);
	/* The last columns again with some before them. */
	if (from < args->n)
		down_block(args, args->n - COLUMNS, exact);
}

static void down_avx2(const struct resample_down *args)
{
	if (args->n < COLUMNS)
		down_from(0, args);
	else if (args->low)
		down_columns(args, true);
	else
		down_columns(args, false);
}

/* Sixteen 16-bit numbers from the lower halves of twice eight 32-bit ones. */
static inline __m256i narrow(__m256i a, __m256i b)
{
	return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
}

static inline void split_pairs(const int16_t *in, size_t n, int16_t *const out[4])
{
	const __m256i mask = _mm256_set1_epi32(0xffff);

	for (size_t i = 0; i + 16 <= n; i += 16) {
		__m256i a = load(in + 2 * i), b = load(in + 2 * i + 16);

		if (out[0])
			_mm256_storeu_si256((void *)(out[0] + i),
					    narrow(_mm256_and_si256(a, mask), _mm256_and_si256(b, mask)));
		if (out[1])
			_mm256_storeu_si256((void *)(out[1] + i),
					    narrow(_mm256_srli_epi32(a, 16), _mm256_srli_epi32(b, 16)));
	}
}

/* Bytes of 32-bit pixels. */
static inline void split_quads(const uint8_t *in, size_t n, int16_t *const out[4])
{
	const __m256i mask = _mm256_set1_epi32(0xff);

	for (size_t i = 0; i + 16 <= n; i += 16) {
		__m256i a = load(in + 4 * i), b = load(in + 4 * i + 32);

		for (int c = 0; c < 4; c++) {
			const __m128i shift = _mm_cvtsi32_si128(8 * c);
			__m256i left = _mm256_and_si256(_mm256_srl_epi32(a, shift), mask);
			__m256i right = _mm256_and_si256(_mm256_srl_epi32(b, shift), mask);

			if (out[c])
				_mm256_storeu_si256((void *)(out[c] + i), narrow(left, right));
		}
	}
}

/*
 * Eight pixels of three bytes lie in two registers that overlap: one begins with the first pixel, one eight bytes
 * behind it.  Where each byte of a channel is in either; -1 makes a zero.
 */
static const int8_t first_of_triples[3][16] = {{0, -1, 3, -1, 6, -1, 9, -1, 12, -1, 15, -1, -1, -1, -1, -1},
					       {1, -1, 4, -1, 7, -1, 10, -1, 13, -1, -1, -1, -1, -1, -1, -1},
					       {2, -1, 5, -1, 8, -1, 11, -1, 14, -1, -1, -1, -1, -1, -1, -1}};
static const int8_t second_of_triples[3][16] = {{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 10, -1, 13, -1},
						{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 8, -1, 11, -1, 14, -1},
						{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 9, -1, 12, -1, 15, -1}};

static inline __m256i both_halves(const void *from)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128(from));
}

static inline __m256i halves(const void *low, const void *high)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
}

static inline void split_triples_u8(const uint8_t *in, size_t n, int16_t *const out[4])
{
	__m256i first[3], second[3];

	for (int c = 0; c < 3; c++) {
		first[c] = both_halves(first_of_triples[c]);
		second[c] = both_halves(second_of_triples[c]);
	}
	for (size_t i = 0; i + 16 <= n; i += 16) {
		const uint8_t *at = in + 3 * i;
		__m256i a = halves(at, at + 24), b = halves(at + 8, at + 32);

		for (int c = 0; c < 3; c++)
			if (out[c])
				_mm256_storeu_si256((void *)(out[c] + i),
						    _mm256_or_si256(_mm256_shuffle_epi8(a, first[c]),
								    _mm256_shuffle_epi8(b, second[c])));
	}
}

/* Where the words of channel c of eight pixels are in register `part` of the `samples` that they fill. */
static inline __m128i pick(int samples, int c, int part)
{
	int8_t order[16];

	for (int i = 0; i < 8; i++) {
		int at = 2 * (i * samples + c) - 16 * part;
		bool held = at >= 0 && at < 16;

		order[2 * i] = (int8_t)(held ? at : -1);
		order[2 * i + 1] = (int8_t)(held ? at + 1 : -1);
	}
	return _mm_loadu_si128((const void *)order);
}

INLINED void split_words(const int16_t *in, const int samples, size_t n, int16_t *const out[4])
{
	__m128i order[4][4];

	for (int c = 0; c < samples; c++)
		for (int part = 0; part < samples; part++)
			order[c][part] = pick(samples, c, part);
	for (size_t i = 0; i + 8 <= n; i += 8) {
		for (int c = 0; c < samples; c++) {
			__m128i value = _mm_setzero_si128();

			for (int part = 0; part < samples; part++) {
				const int16_t *at = in + i * (size_t)samples + 8 * part;
				__m128i piece = _mm_loadu_si128((const void *)at);

				value = _mm_or_si128(value, _mm_shuffle_epi8(piece, order[c][part]));
			}
			if (out[c])
				_mm_storeu_si128((void *)(out[c] + i), value);
		}
	}
}

static void split_u8_avx2(const uint8_t *in, int samples, size_t n, int16_t *const out[4])
{
	size_t done = n / 16 * 16;

	if (samples == 3)
		split_triples_u8(in, n, out);
	else if (samples == 4)
		split_quads(in, n, out);
	else if (samples == 1)
		for (size_t i = 0; i < done; i += 16)
			_mm256_storeu_si256((void *)(out[0] + i),
					    _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(in + i))));
	else
		done = 0;
	split_u8_from(done, in, samples, n, out);
}

static void split_s16_avx2(const int16_t *in, int samples, size_t n, int16_t *const out[4])
{
	size_t done = n / 16 * 16;

	if (samples == 2)
		split_pairs(in, n, out);
	else if (samples == 3)
		split_words(in, 3, n, out);
	else if (samples == 4)
		split_words(in, 4, n, out);
	else
		done = 0;
	split_s16_from(done, in, samples, n, out);
}

INLINED __m256i dot(const int16_t *in, const struct resample_taps *taps, size_t at, int width, bool exact)
{
	__m256i sum = _mm256_setzero_si256(), low = sum;

	for (int t = 0; t < width; t += WORDS) {
		__m256i values = load(in + t);

		sum = weighted(sum, values, load(taps->high + at + t));
		if (exact)
			low = weighted(low, values, load(taps->low + at + t));
	}
	return exact ? _mm256_add_epi32(_mm256_slli_epi32(sum, RESAMPLE_LOW_BITS), low) : sum;
}

INLINED void across_outputs(const int16_t *line, const struct resample_taps *table, int width, bool exact, int shift,
			    int32_t *restrict out)
{
	const __m256i half = _mm256_set1_epi32((int32_t)1 << shift >> 1);
	const __m128i count = _mm_cvtsi32_si128(shift);
	const struct resample_taps taps = *table;

	for (int x = 0; x < taps.n_padded; x += OUTPUTS) {
		__m256i sum[OUTPUTS], four[2], total;

		for (int i = 0; i < OUTPUTS; i++)
			sum[i] = dot(line + taps.first[x + i], &taps, (size_t)(x + i) * (size_t)width, width, exact);
		for (int i = 0; i < 2; i++)
			four[i] = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[4 * i], sum[4 * i + 1]),
						    _mm256_hadd_epi32(sum[4 * i + 2], sum[4 * i + 3]));
		total = _mm256_add_epi32(_mm256_permute2x128_si256(four[0], four[1], 0x20),
					 _mm256_permute2x128_si256(four[0], four[1], 0x31));
		total = _mm256_sra_epi32(_mm256_add_epi32(total, half), count);
		_mm256_storeu_si256((void *)(out + x), total);
	}
}

/* Most windows fit one or two registers: what is constant unrolls. */
INLINED void across_width(const int16_t *line, const struct resample_taps *taps, bool exact, int shift, int32_t *out)
{
	if (taps->width == WORDS)
		across_outputs(line, taps, WORDS, exact, shift, out);
	else if (taps->width == 2 * WORDS)
		across_outputs(line, taps, 2 * WORDS, exact, shift, out);
	else
		across_outputs(line, taps, taps->width, exact, shift, out);
}

static void across_avx2(const int16_t *line, const struct resample_taps *taps, int shift, int32_t *out)
{
	if (taps->low)
		across_width(line, taps, true, shift, out);
	else
		across_width(line, taps, false, shift, out);
}

void kernels_resample_avx2(struct kernels *table)
{
	struct resample_kernels *kernels = &table->resample;

	kernels_pixels_avx2(table);
	kernels->across_step = WORDS;
	kernels->down = down_avx2;
	kernels->split_u8 = split_u8_avx2;
	kernels->split_s16 = split_s16_avx2;
	kernels->across = across_avx2;
}
