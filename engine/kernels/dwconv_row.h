/*
 * dwconv_row.h - how vector levels walk a row of a depthwise convolution of bytes, and what those in float share with
 * it.
 *
 * What a row of outputs reads is a list of taps, made once for the pixels whose window lies within the row and once
 * for each pixel at its ends.  Four pixels share each load of weights.
 */
#ifndef INFERD_DWCONV_ROW_H
#define INFERD_DWCONV_ROW_H

#include "kernels.h"

#define DWCONV_PIXELS	4
#define DWCONV_TAPS_MAX 1024

/* One kernel position: where the first pixel reads, and its weights.  In the padding the masks are 0: one block of it
 * serves every channel and pixel. */
struct dwconv_tap {
	const void *in;
	size_t w;    /* index of the tap */
	size_t mask; /* of offsets by channel and pixel */
};

struct dwconv_row {
	const struct dwconv_args *args;
	const struct dwconv_tap *taps;
	size_t n_taps, step; /* elements from one output pixel's input to the next one's */
};

/* Makes output pixels whose input starts `skip` elements behind where the taps point. */
typedef void dwconv_pixels(const struct dwconv_row *row, size_t skip, void *out);

/* Bytes of the bias, or of another part of the packed weights with 4 bytes a channel. */
static inline size_t dwconv_part(size_t channels)
{
	return (channels * sizeof(float) + 63) / 64 * 64;
}

enum dwconv_s8_part { DWCONV_BIAS, DWCONV_MULTIPLIER, DWCONV_SHIFT, DWCONV_WEIGHTS };

static inline const void *dwconv_s8_part(const struct dwconv_args *args, enum dwconv_s8_part part)
{
	return (const uint8_t *)args->w + part * dwconv_part(args->channels);
}

/* Taps of the output pixel x.  Those in the padding read from it. */
static inline size_t dwconv_list_taps(const struct dwconv_args *args, size_t x, const void *padding,
				      struct dwconv_tap *taps)
{
	size_t n = 0;

	for (size_t ky = 0; ky < args->kh; ky++) {
		for (size_t kx = 0; kx < args->kw; kx++) {
			size_t at = x * args->stride_w + kx * args->dilation_w - args->pad_left;
			bool outside = !args->rows[ky] || at >= args->in_w;

			taps[n].in = outside ? padding : (const uint8_t *)args->rows[ky] + at * args->in_stride;
			taps[n].w = n;
			taps[n].mask = outside ? 0 : SIZE_MAX;
			n++;
		}
	}
	return n;
}

/* Pixels from *ret_from to *ret_end - 1 have their whole window within the row. */
static inline void dwconv_interior(const struct dwconv_args *args, size_t *ret_from, size_t *ret_end)
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

static inline __attribute__((always_inline)) void dwconv_walk(const struct dwconv_args *args, const void *padding,
							      dwconv_pixels *one, dwconv_pixels *four)
{
	struct dwconv_tap taps[DWCONV_TAPS_MAX];
	struct dwconv_row row = {args, taps, 0, args->stride_w * args->in_stride};
	size_t from, end, x = 0, out_step = args->out_stride;
	uint8_t *out = args->out;

	dwconv_interior(args, &from, &end);
	for (; x < from; x++) {
		row.n_taps = dwconv_list_taps(args, x, padding, taps);
		one(&row, 0, out + x * out_step);
	}
	row.n_taps = dwconv_list_taps(args, from, padding, taps);
	for (; x + DWCONV_PIXELS <= end; x += DWCONV_PIXELS)
		four(&row, (x - from) * row.step, out + x * out_step);
	for (; x < end; x++)
		one(&row, (x - from) * row.step, out + x * out_step);
	for (; x < args->out_w; x++) {
		row.n_taps = dwconv_list_taps(args, x, padding, taps);
		one(&row, 0, out + x * out_step);
	}
}

#endif
