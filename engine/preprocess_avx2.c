/*
 * preprocess_avx2.c - row kernels for AVX2.  The functions carry their target, so the file needs no compiler
 * flags of its own.
 */
#include "preprocess.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m128i round_shift(__m128i sum, __m128i half, __m128i shift)
{
	return _mm_sra_epi32(_mm_add_epi32(sum, half), shift);
}

/* The weights of one output; low is NULL where high alone is the weight. */
struct weights {
	const int16_t *high, *low;
};

static inline struct weights weights_of(const struct preprocess_taps *taps, int x)
{
	size_t at = (size_t)x * (size_t)taps->width;

	return (struct weights){taps->high + at, taps->low ? taps->low + at : NULL};
}

AVX2 static inline __m128i dot_plain(const uint8_t *pixels, struct weights w, int width)
{
	__m128i sum = _mm_setzero_si128(), low = _mm_setzero_si128();
	int t;

	for (t = 0; t < width; t += 8) {
		__m128i p = _mm_cvtepu8_epi16(_mm_loadl_epi64((const void *)(pixels + t)));

		sum = _mm_add_epi32(sum, _mm_madd_epi16(p, _mm_loadu_si128((const void *)(w.high + t))));
		if (w.low)
			low = _mm_add_epi32(low, _mm_madd_epi16(p, _mm_loadu_si128((const void *)(w.low + t))));
	}
	return w.low ? _mm_add_epi32(_mm_slli_epi32(sum, PREPROCESS_LOW_BITS), low) : sum;
}

AVX2 static void across_plain(const uint8_t *row, const struct preprocess_taps *taps, int shift, int16_t *out)
{
	const __m128i half = _mm_set1_epi32((int32_t)1 << shift >> 1), count = _mm_cvtsi32_si128(shift);
	int x, i;

	for (x = 0; x < taps->outputs_padded; x += 4) {
		__m128i dot[4], sum;

		for (i = 0; i < 4; i++)
			dot[i] = dot_plain(row + taps->first[x + i], weights_of(taps, x + i), taps->width);
		sum = _mm_hadd_epi32(_mm_hadd_epi32(dot[0], dot[1]), _mm_hadd_epi32(dot[2], dot[3]));
		sum = round_shift(sum, half, count);
		_mm_storel_epi64((void *)(out + x), _mm_packs_epi32(sum, sum));
	}
}

/*
 * Byte order for pixels of `samples` bytes: 32-bit lane c gets byte c of two neighbours as 16-bit numbers, the
 * lower half those of pixels 0 and 1, the upper half those of 2 and 3.
 */
AVX2 static inline __m256i pair_order(int samples)
{
	int8_t order[32];
	int i;

	for (i = 0; i < 8; i++) {
		int c = i % 4, pixel = i / 4 * 2;

		order[4 * i] = (int8_t)(c < samples ? pixel * samples + c : -1);
		order[4 * i + 1] = -1;
		order[4 * i + 2] = (int8_t)(c < samples ? (pixel + 1) * samples + c : -1);
		order[4 * i + 3] = -1;
	}
	return _mm256_loadu_si256((const void *)order);
}

/* Of four weights, the lower half repeats the first two and the upper half the others. */
AVX2 static inline __m256i weight_pairs(const int16_t *weight)
{
	const __m256i repeat = _mm256_setr_epi32(0x03020100, 0x03020100, 0x03020100, 0x03020100, 0x07060504, 0x07060504,
						 0x07060504, 0x07060504);

	return _mm256_shuffle_epi8(_mm256_broadcastq_epi64(_mm_loadl_epi64((const void *)weight)), repeat);
}

AVX2 static inline __m128i dot_packed(const uint8_t *pixels, int samples, struct weights w, int width, __m256i order)
{
	__m256i sum = _mm256_setzero_si256(), low = _mm256_setzero_si256();
	int t;

	for (t = 0; t < width; t += 4, pixels += 4 * samples) {
		__m256i p = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)pixels));

		p = _mm256_shuffle_epi8(p, order);
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(p, weight_pairs(w.high + t)));
		if (w.low)
			low = _mm256_add_epi32(low, _mm256_madd_epi16(p, weight_pairs(w.low + t)));
	}
	if (w.low)
		sum = _mm256_add_epi32(_mm256_slli_epi32(sum, PREPROCESS_LOW_BITS), low);
	return _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
}

AVX2 static inline void across_packed(const uint8_t *row, int samples, const struct preprocess_taps *taps, int shift,
				      int16_t *const out[4])
{
	const __m128i half = _mm_set1_epi32((int32_t)1 << shift >> 1), count = _mm_cvtsi32_si128(shift);
	const __m256i order = pair_order(samples);
	int x, c;

	for (x = 0; x < taps->outputs_padded; x += 4) {
		__m128i pixel[4], low[2], high[2], plane[4];
		int i;

		for (i = 0; i < 4; i++)
			pixel[i] = dot_packed(row + (size_t)taps->first[x + i] * (size_t)samples, samples,
					      weights_of(taps, x + i), taps->width, order);
		for (i = 0; i < 2; i++) {
			low[i] = _mm_unpacklo_epi32(pixel[2 * i], pixel[2 * i + 1]);
			high[i] = _mm_unpackhi_epi32(pixel[2 * i], pixel[2 * i + 1]);
		}
		plane[0] = _mm_unpacklo_epi64(low[0], low[1]);
		plane[1] = _mm_unpackhi_epi64(low[0], low[1]);
		plane[2] = _mm_unpacklo_epi64(high[0], high[1]);
		plane[3] = _mm_unpackhi_epi64(high[0], high[1]);
		for (c = 0; c < samples; c++) {
			__m128i sum;

			if (!out[c])
				continue;
			sum = round_shift(plane[c], half, count);
			_mm_storel_epi64((void *)(out[c] + x), _mm_packs_epi32(sum, sum));
		}
	}
}

AVX2 static void across_avx2(const uint8_t *row, int samples, const struct preprocess_taps *taps, int shift,
			     int16_t *const out[4])
{
	/* A constant number of samples lets the compiler unroll each case. */
	switch (samples) {
	case 1:
		across_plain(row, taps, shift, out[0]);
		break;
	case 2:
		across_packed(row, 2, taps, shift, out);
		break;
	case 3:
		across_packed(row, 3, taps, shift, out);
		break;
	default:
		across_packed(row, 4, taps, shift, out);
		break;
	}
}

AVX2 static void spread_avx2(size_t n, const int16_t *line, int w0, int32_t *sum0, int w1, int32_t *sum1)
{
	const __m256i weight0 = _mm256_set1_epi32(w0), weight1 = _mm256_set1_epi32(w1);
	size_t i;

	for (i = 0; i + 8 <= n; i += 8) {
		__m256i value = _mm256_cvtepi16_epi32(_mm_loadu_si128((const void *)(line + i)));
		__m256i a = _mm256_loadu_si256((const void *)(sum0 + i));
		__m256i b = _mm256_loadu_si256((const void *)(sum1 + i));

		_mm256_storeu_si256((void *)(sum0 + i), _mm256_add_epi32(a, _mm256_mullo_epi32(value, weight0)));
		_mm256_storeu_si256((void *)(sum1 + i), _mm256_add_epi32(b, _mm256_mullo_epi32(value, weight1)));
	}
	for (; i < n; i++) {
		sum0[i] += line[i] * w0;
		sum1[i] += line[i] * w1;
	}
}

const struct preprocess_rows preprocess_rows_avx2 = {
	.level = "avx2",
	.step_plain = 8,
	.step_packed = 4,
	.across = across_avx2,
	.spread = spread_avx2,
};
#endif
