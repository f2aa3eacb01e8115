/*
 * dwconv_f32_avx512.c - depthwise convolution in float, seven output pixels by 32 channels at a time, then by 16.
 *
 * Seven divides the width of every resolution that halves down from 224, and fourteen sums hide the latency of the
 * multiply-adds.  A block that reaches into the padding, or past the row's end, skips those pixels of each tap that are
 * not there: the choices repeat with every block of channels, so that processors foresee them.
 *
 * Inputs and weights are over-read by less than 64 bytes; outputs are written exactly.
 */
#include <immintrin.h>

#include "dwconv_row.h"
#include "levels.h"

#define PIXELS 7
#define LANES  16

/* One kernel position for a block of pixels. */
struct tap {
	const float *row;
	size_t first;	 /* element of the row that the first pixel reads; wraps below 0 in the padding */
	size_t w;	 /* index of the tap */
	unsigned inside; /* bit p: pixel p reads within the row */
};

struct block {
	const struct dwconv_args *args;
	const struct tap *taps;
	size_t n_taps, pixels, step; /* step: elements from one output pixel's input to the next one's */
	float *out;
};

static unsigned pixels_inside(const struct dwconv_args *args, size_t at, size_t pixels)
{
	unsigned inside = 0;

	for (size_t p = 0; p < pixels; p++)
		inside |= (unsigned)(at + p * args->stride_w < args->in_w) << p;
	return inside;
}

/* Those of the block from pixel x on that any pixel has. */
static size_t list_taps(const struct dwconv_args *args, size_t x, size_t pixels, struct tap *taps)
{
	size_t n = 0;

	for (size_t ky = 0; ky < args->kh; ky++) {
		if (!args->rows[ky])
			continue;
		for (size_t kx = 0; kx < args->kw; kx++) {
			size_t at = x * args->stride_w + kx * args->dilation_w - args->pad_left;
			unsigned inside = pixels_inside(args, at, pixels);

			if (inside)
				taps[n++] =
					(struct tap){args->rows[ky], at * args->in_stride, ky * args->kw + kx, inside};
		}
	}
	return n;
}

/* Channels from c on, as many as the vectors hold or fewer.  whole: every tap has every pixel. */
static inline __attribute__((always_inline)) void channels(const struct block *block, size_t skip, bool whole,
							   int vectors, size_t c)
{
	const struct dwconv_args *args = block->args;
	const float *bias = (const float *)args->w + c;
	const float *w = (const float *)(const void *)((const uint8_t *)args->w + dwconv_part(args->channels)) + c;
	const __m512 lo = _mm512_set1_ps(args->lo), hi = _mm512_set1_ps(args->hi);
	const size_t rest = args->channels - c - (size_t)(vectors - 1) * LANES;
	const __mmask16 last = rest < LANES ? (__mmask16)((1u << rest) - 1) : 0xffff;
	__m512 sums[PIXELS][2];

	for (int p = 0; p < PIXELS; p++)
		for (int v = 0; v < vectors; v++)
			sums[p][v] = _mm512_loadu_ps(bias + v * LANES);
	for (const struct tap *tap = block->taps; tap < block->taps + block->n_taps; tap++) {
		const float *weights = w + tap->w * args->channels;
		size_t at = tap->first + skip + c;
		__m512 factors[2];

		for (int v = 0; v < vectors; v++)
			factors[v] = _mm512_loadu_ps(weights + v * LANES);
#pragma GCC unroll 7
		for (int p = 0; p < PIXELS; p++, at += block->step) {
			if (!whole && !(tap->inside >> p & 1))
				continue;
			for (int v = 0; v < vectors; v++)
				sums[p][v] = _mm512_fmadd_ps(_mm512_loadu_ps(tap->row + at + v * LANES), factors[v],
							     sums[p][v]);
		}
	}
#pragma GCC unroll 7
	for (int p = 0; p < PIXELS; p++)
		for (int v = 0; v < vectors && (whole || (size_t)p < block->pixels); v++)
			_mm512_mask_storeu_ps(block->out + (size_t)p * args->out_stride + c + v * LANES,
					      v == vectors - 1 ? last : 0xffff,
					      _mm512_min_ps(_mm512_max_ps(sums[p][v], lo), hi));
}

static inline __attribute__((always_inline)) void all_channels(const struct block *block, size_t skip, bool whole)
{
	size_t c = 0;

	for (; c + LANES < block->args->channels; c += 2 * LANES)
		channels(block, skip, whole, 2, c);
	if (c < block->args->channels)
		channels(block, skip, whole, 1, c);
}

static void whole_pixels(const struct block *block, size_t skip)
{
	all_channels(block, skip, true);
}

static void some_pixels(const struct block *block)
{
	all_channels(block, 0, false);
}

static void dwconv_f32_avx512(const struct dwconv_args *args)
{
	struct tap interior[DWCONV_TAPS_MAX], taps[DWCONV_TAPS_MAX];
	struct block block = {.args = args, .step = args->stride_w * args->in_stride};
	size_t from, end, n_interior;

	dwconv_interior(args, &from, &end);
	n_interior = list_taps(args, from, 1, interior);
	for (size_t x = 0; x < args->out_w; x += PIXELS) {
		block.pixels = args->out_w - x < PIXELS ? args->out_w - x : PIXELS;
		block.out = (float *)args->out + x * args->out_stride;
		if (x >= from && x + PIXELS <= end) {
			block.taps = interior;
			block.n_taps = n_interior;
			whole_pixels(&block, (x - from) * block.step);
		} else {
			block.taps = taps;
			block.n_taps = list_taps(args, x, block.pixels, taps);
			some_pixels(&block);
		}
	}
}

void kernels_dwconv_f32_avx512(struct kernels *table)
{
	table->dwconv_f32 = dwconv_f32_avx512;
}
