/*
 * dwconv_s8_neon.c - depthwise convolution of bytes, four output pixels by eight channels at a time.
 *
 * Inputs and weights are over-read by less than 32 bytes; outputs are written exactly.
 */
#include <arm_neon.h>
#include <string.h>

#include "dwconv_row.h"
#include "levels.h"
#include "requant_neon.h"

#define KERNEL(name) name##_neon
#define PIXELS	     DWCONV_PIXELS
#define CHANNELS     8

static inline void store_s8(const struct dwconv_args *args, size_t c, int32x4_t low, int32x4_t high, int8_t *out)
{
	const int32_t *multiplier = dwconv_s8_part(args, DWCONV_MULTIPLIER),
		      *shift = dwconv_s8_part(args, DWCONV_SHIFT);
	const struct requant_neon requant = {
		multiplier + c, shift + c, args->zero_point,
		args->lo8,	args->hi8, WITH_FLOAT_SCALES && args->float_scales,
	};
	int8x8_t bytes = requant_neon(&requant, low, high);
	int8_t values[CHANNELS];

	if (args->channels - c >= CHANNELS) {
		vst1_s8(out, bytes);
		return;
	}
	vst1_s8(values, bytes);
	memcpy(out, values, args->channels - c);
}

static inline __attribute__((always_inline)) void pixels_s8(const struct dwconv_row *row, int pixels, size_t skip,
							    int8_t *out)
{
	const struct dwconv_args *args = row->args;
	const int32_t *bias = dwconv_s8_part(args, DWCONV_BIAS);
	const int16_t *w = dwconv_s8_part(args, DWCONV_WEIGHTS);

	for (size_t c = 0; c < args->channels; c += CHANNELS) {
		int32x4_t low[PIXELS], high[PIXELS];

		for (int p = 0; p < pixels; p++) {
			low[p] = vld1q_s32(bias + c);
			high[p] = vld1q_s32(bias + c + 4);
		}
		for (size_t t = 0; t < row->n_taps; t++) {
			const struct dwconv_tap *tap = &row->taps[t];
			const int16x8_t b = vld1q_s16(w + tap->w * args->channels + c);

			for (int p = 0; p < pixels; p++) {
				size_t at = (skip + (size_t)p * row->step + c) & tap->mask;
				const int16x8_t a = vmovl_s8(vld1_s8((const int8_t *)tap->in + at));

				low[p] = vmlal_s16(low[p], vget_low_s16(a), vget_low_s16(b));
				high[p] = vmlal_high_s16(high[p], a, b);
			}
		}
		for (int p = 0; p < pixels; p++)
			store_s8(args, c, low[p], high[p], out + (size_t)p * args->out_stride + c);
	}
}

#include "dwconv_s8.inc"
