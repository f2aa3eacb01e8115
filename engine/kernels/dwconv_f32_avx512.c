/*
 * dwconv_f32_avx512.c - depthwise convolution in float, four output pixels by 32 channels at a time, then by 16.
 *
 * Inputs and weights are over-read by less than 64 bytes; outputs are written exactly.
 */
#include <immintrin.h>

#include "dwconv_row.h"
#include "levels.h"

#define PIXELS DWCONV_PIXELS
#define LANES  16

/* Channels from c on, as many as the vectors hold or fewer. */
static inline __attribute__((always_inline)) void block(const struct dwconv_row *row, int pixels, int vectors, size_t c,
							size_t skip, float *out)
{
	const struct dwconv_args *args = row->args;
	const float *bias = (const float *)args->w + c;
	const float *w = (const float *)(const void *)((const uint8_t *)args->w + dwconv_part(args->channels)) + c;
	const __m512 lo = _mm512_set1_ps(args->lo), hi = _mm512_set1_ps(args->hi);
	const size_t rest = args->channels - c - (size_t)(vectors - 1) * LANES;
	const __mmask16 last = rest < LANES ? (__mmask16)((1u << rest) - 1) : 0xffff;
	__m512 sums[PIXELS][2];

	for (int p = 0; p < pixels; p++)
		for (int v = 0; v < vectors; v++)
			sums[p][v] = _mm512_loadu_ps(bias + v * LANES);
	for (size_t t = 0; t < row->n_taps; t++) {
		const float *in = (const float *)row->taps[t].in + skip + c;
		const float *tap = w + row->taps[t].w * args->channels;
		__m512 weights[2];

		for (int v = 0; v < vectors; v++)
			weights[v] = _mm512_loadu_ps(tap + v * LANES);
		for (int p = 0; p < pixels; p++, in += row->step)
			for (int v = 0; v < vectors; v++)
				sums[p][v] = _mm512_fmadd_ps(_mm512_loadu_ps(in + v * LANES), weights[v], sums[p][v]);
	}
	for (int p = 0; p < pixels; p++)
		for (int v = 0; v < vectors; v++)
			_mm512_mask_storeu_ps(out + (size_t)p * args->out_stride + c + v * LANES,
					      v == vectors - 1 ? last : 0xffff,
					      _mm512_min_ps(_mm512_max_ps(sums[p][v], lo), hi));
}

static inline __attribute__((always_inline)) void pixels_f32(const struct dwconv_row *row, int pixels, size_t skip,
							     float *out)
{
	size_t c = 0;

	for (; c + LANES < row->args->channels; c += 2 * LANES)
		block(row, pixels, 2, c, skip, out);
	if (c < row->args->channels)
		block(row, pixels, 1, c, skip, out);
}

static void one_f32(const struct dwconv_row *row, size_t skip, void *out)
{
	pixels_f32(row, 1, skip, out);
}

static void four_f32(const struct dwconv_row *row, size_t skip, void *out)
{
	pixels_f32(row, PIXELS, skip, out);
}

static void dwconv_f32_avx512(const struct dwconv_args *args)
{
	dwconv_walk(args, sizeof(float), NULL, one_f32, four_f32);
}

void kernels_dwconv_f32_avx512(struct kernels *table)
{
	table->dwconv_f32 = dwconv_f32_avx512;
}
