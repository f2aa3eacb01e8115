/*
 * dwconv_avx2.c - depthwise convolution, four output pixels by sixteen channels at a time.
 *
 * What a row of outputs reads is a list of taps, made once for the pixels whose window lies within the row and once
 * for each pixel at its ends.  Four pixels share each load of weights.  Inputs and weights are over-read by less than
 * 64 bytes; outputs are written exactly.
 */
#include <immintrin.h>
#include <string.h>

#include "levels.h"
#include "requant_avx2.h"

#define PIXELS	 4
#define CHANNELS 16
#define TAPS_MAX 1024

/* One kernel position: where the first pixel reads, and its weights.  In the padding the masks are 0: one block of it
 * serves every channel and pixel. */
struct tap {
	const void *in;
	size_t w;    /* index of the tap */
	size_t mask; /* of offsets by channel and pixel */
};

struct row {
	const struct dwconv_args *args;
	const struct tap *taps;
	size_t n_taps, step; /* elements from one output pixel's input to the next one's */
};

static size_t part_of(size_t channels)
{
	return (channels * sizeof(float) + 63) / 64 * 64;
}

/* Elements of `size` bytes. */
static const void *element(const void *base, size_t at, size_t size)
{
	return (const uint8_t *)base + at * size;
}

/*
 * Taps of the output pixel x.  Those in the padding are left out, or where padding is not NULL read from it.
 */
static size_t list_taps(const struct dwconv_args *args, size_t x, size_t size, const void *padding, struct tap *taps)
{
	size_t n = 0;

	for (size_t ky = 0; ky < args->kh; ky++) {
		for (size_t kx = 0; kx < args->kw; kx++) {
			size_t at = x * args->stride_w + kx * args->dilation_w - args->pad_left;
			struct tap tap = {.w = ky * args->kw + kx, .mask = SIZE_MAX};

			if (!args->rows[ky] || at >= args->in_w) {
				if (!padding)
					continue;
				tap.in = padding;
				tap.mask = 0;
			} else {
				tap.in = element(args->rows[ky], at * args->in_stride, size);
			}
			taps[n++] = tap;
		}
	}
	return n;
}

/* Pixels from *ret_from to *ret_end - 1 have their whole window within the row. */
static void find_interior(const struct dwconv_args *args, size_t *ret_from, size_t *ret_end)
{
	size_t reach = (args->kw - 1) * args->dilation_w;
	size_t from = (args->pad_left + args->stride_w - 1) / args->stride_w, end = 0;

	if (args->in_w + args->pad_left > reach)
		end = (args->in_w + args->pad_left - reach - 1) / args->stride_w + 1;
	if (end > args->out_w)
		end = args->out_w;
	*ret_from = from < end ? from : end;
	*ret_end = end;
}

/* ---- float ------------------------------------------------------------------------------------- */

static inline void store_f32(const struct dwconv_args *args, size_t c, __m256 low, __m256 high, float *out)
{
	const __m256 lo = _mm256_set1_ps(args->lo), hi = _mm256_set1_ps(args->hi);
	float values[CHANNELS];

	low = _mm256_min_ps(_mm256_max_ps(low, lo), hi);
	high = _mm256_min_ps(_mm256_max_ps(high, lo), hi);
	if (args->channels - c >= CHANNELS) {
		_mm256_storeu_ps(out, low);
		_mm256_storeu_ps(out + 8, high);
		return;
	}
	_mm256_storeu_ps(values, low);
	_mm256_storeu_ps(values + 8, high);
	memcpy(out, values, (args->channels - c) * sizeof(*out));
}

static inline __attribute__((always_inline)) void pixels_f32(const struct row *row, int pixels, size_t skip, float *out)
{
	const struct dwconv_args *args = row->args;
	const float *bias = args->w;
	const float *w = (const float *)(const void *)((const uint8_t *)args->w + part_of(args->channels));

	for (size_t c = 0; c < args->channels; c += CHANNELS) {
		__m256 low[PIXELS], high[PIXELS];

		for (int p = 0; p < pixels; p++) {
			low[p] = _mm256_loadu_ps(bias + c);
			high[p] = _mm256_loadu_ps(bias + c + 8);
		}
		for (size_t t = 0; t < row->n_taps; t++) {
			const float *in = (const float *)row->taps[t].in + skip + c;
			const float *tap = w + row->taps[t].w * args->channels + c;
			const __m256 w0 = _mm256_loadu_ps(tap), w1 = _mm256_loadu_ps(tap + 8);

			for (int p = 0; p < pixels; p++, in += row->step) {
				low[p] = _mm256_fmadd_ps(_mm256_loadu_ps(in), w0, low[p]);
				high[p] = _mm256_fmadd_ps(_mm256_loadu_ps(in + 8), w1, high[p]);
			}
		}
		for (int p = 0; p < pixels; p++)
			store_f32(args, c, low[p], high[p], out + (size_t)p * args->out_stride + c);
	}
}

static void dwconv_f32_avx2(const struct dwconv_args *args)
{
	struct tap taps[TAPS_MAX];
	struct row row = {args, taps, 0, args->stride_w * args->in_stride};
	size_t from, end, x = 0;
	float *out = args->out;

	find_interior(args, &from, &end);
	for (; x < from; x++) {
		row.n_taps = list_taps(args, x, sizeof(float), NULL, taps);
		pixels_f32(&row, 1, 0, out + x * args->out_stride);
	}
	row.n_taps = list_taps(args, from, sizeof(float), NULL, taps);
	for (; x + PIXELS <= end; x += PIXELS)
		pixels_f32(&row, PIXELS, (x - from) * row.step, out + x * args->out_stride);
	for (; x < end; x++)
		pixels_f32(&row, 1, (x - from) * row.step, out + x * args->out_stride);
	for (; x < args->out_w; x++) {
		row.n_taps = list_taps(args, x, sizeof(float), NULL, taps);
		pixels_f32(&row, 1, 0, out + x * args->out_stride);
	}
}

/* ---- int8 -------------------------------------------------------------------------------------- */

static inline void store_s8(const struct dwconv_args *args, size_t c, __m256i low, __m256i high, int8_t *out)
{
	const uint8_t *parts = args->w;
	const struct requant_avx2 requant = {
		(const int32_t *)(const void *)(parts + part_of(args->channels)) + c,
		(const int32_t *)(const void *)(parts + 2 * part_of(args->channels)) + c,
		args->zero_point,
		args->lo8,
		args->hi8,
	};
	__m128i bytes = requant_avx2(&requant, low, high);
	int8_t values[CHANNELS];

	if (args->channels - c >= CHANNELS) {
		_mm_storeu_si128((__m128i *)(void *)out, bytes);
		return;
	}
	_mm_storeu_si128((__m128i *)(void *)values, bytes);
	memcpy(out, values, args->channels - c);
}

static inline __m256i load_s8(const struct tap *tap, size_t skip, size_t c)
{
	const int8_t *in = (const int8_t *)tap->in + ((skip + c) & tap->mask);

	return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)in));
}

/* Two taps at a time: their inputs and weights are interleaved, so that vpmaddwd adds both products. */
static inline __attribute__((always_inline)) void pixels_s8(const struct row *row, int pixels, size_t skip, int8_t *out)
{
	const struct dwconv_args *args = row->args;
	const int32_t *bias = args->w;
	const int16_t *w = (const int16_t *)(const void *)((const uint8_t *)args->w + 3 * part_of(args->channels));

	for (size_t c = 0; c < args->channels; c += CHANNELS) {
		/* Unpacking splits sixteen channels into 0-3, 8-11 and 4-7, 12-15. */
		__m256i first[PIXELS], second[PIXELS];

		for (int p = 0; p < pixels; p++)
			first[p] = second[p] = _mm256_setzero_si256();
		for (size_t t = 0; t < row->n_taps; t += 2) {
			bool both = t + 1 < row->n_taps;
			const int16_t *w0 = w + row->taps[t].w * args->channels + c;
			const int16_t *w1 = both ? w + row->taps[t + 1].w * args->channels + c : NULL;
			const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)w0);
			const __m256i b =
				w1 ? _mm256_loadu_si256((const __m256i *)(const void *)w1) : _mm256_setzero_si256();
			const __m256i even = _mm256_unpacklo_epi16(a, b), odd = _mm256_unpackhi_epi16(a, b);

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
		for (int p = 0; p < pixels; p++) {
			__m256i low = _mm256_permute2x128_si256(first[p], second[p], 0x20);
			__m256i high = _mm256_permute2x128_si256(first[p], second[p], 0x31);

			low = _mm256_add_epi32(low, _mm256_loadu_si256((const __m256i *)(const void *)(bias + c)));
			high = _mm256_add_epi32(high,
						_mm256_loadu_si256((const __m256i *)(const void *)(bias + c + 8)));
			store_s8(args, c, low, high, out + (size_t)p * args->out_stride + c);
		}
	}
}

static void dwconv_s8_avx2(const struct dwconv_args *args)
{
	struct tap taps[TAPS_MAX];
	int8_t padding[CHANNELS];
	struct row row = {args, taps, 0, args->stride_w * args->in_stride};
	size_t from, end, x = 0;
	int8_t *out = args->out;

	memset(padding, args->pad, sizeof(padding));
	find_interior(args, &from, &end);
	for (; x < from; x++) {
		row.n_taps = list_taps(args, x, 1, padding, taps);
		pixels_s8(&row, 1, 0, out + x * args->out_stride);
	}
	row.n_taps = list_taps(args, from, 1, padding, taps);
	for (; x + PIXELS <= end; x += PIXELS)
		pixels_s8(&row, PIXELS, (x - from) * row.step, out + x * args->out_stride);
	for (; x < end; x++)
		pixels_s8(&row, 1, (x - from) * row.step, out + x * args->out_stride);
	for (; x < args->out_w; x++) {
		row.n_taps = list_taps(args, x, 1, padding, taps);
		pixels_s8(&row, 1, 0, out + x * args->out_stride);
	}
}

void kernels_dwconv_avx2(struct kernels *table)
{
	table->dwconv_f32 = dwconv_f32_avx2;
	table->dwconv_s8 = dwconv_s8_avx2;
}
