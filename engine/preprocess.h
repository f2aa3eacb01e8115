/*
 * preprocess.h - private to preprocess*.c and their tests: tap tables, row kernels, and creation from plain
 * geometry.  The public side is in engine.h.
 */
#ifndef INFERD_PREPROCESS_H
#define INFERD_PREPROCESS_H

#include "engine.h"

/*
 * The weights of one axis in fixed point.  Output x is the sum over t < width of weight[x * width + t] times
 * sample first[x] + t, over 1 << bits.  Those behind count[x] are zero, but their samples are read: see
 * preprocess_taps_reach().  There are n outputs, and entries for outputs_padded of them, the surplus with zero
 * weights.
 *
 * high and low are the same weights for 16-bit multipliers: weight = high << PREPROCESS_LOW_BITS | low, or
 * weight = high where low is NULL.
 */
#define PREPROCESS_OUTPUTS_STEP 4
#define PREPROCESS_LOW_BITS	7
struct preprocess_taps {
	int n, outputs_padded, width, bits;
	int32_t *first, *count, *weight;
	int16_t *high, *low;
};

/*
 * Triangle filter from source samples [from, from + span) of 0..source to n outputs.  width becomes a
 * multiple of step.
 *
 * exact: weights have `bits` bits, each rounded by itself, as Pillow has them (bits = 22).  Otherwise they fit 16 bits,
 * of which as many are used as the largest weight allows, up to `bits`, and each output's add up to exactly 1 <<
 * taps->bits. 0 or -ENOMEM.
 */
int preprocess_taps_init(struct preprocess_taps *taps, int source, double from, double span, int n, int step, int bits,
			 bool exact);
void preprocess_taps_finish(struct preprocess_taps *taps);
/* One past the last sample that a row kernel loads, zero weights included. */
int preprocess_taps_reach(const struct preprocess_taps *taps);

/* Bytes that a row kernel may load past the reach of its taps. */
#define PREPROCESS_ROW_SLACK 16

/* What one plane holds: interleaved samples, and which line (R, G, B or Y, U, V) each feeds; -1 none. */
struct layer_layout {
	int plane, samples;
	int line[4];
	bool chroma_x, chroma_y; /* at half the resolution of that axis */
};

struct pixels_layout {
	bool yuv;
	int n_layers;
	struct layer_layout layers[3];
};

/*
 * One row of a network's input of width x height as the region shows it, in the picture's own lines: R, G, B or Y, U, V
 * of 0..255, gray in the first.  Input pixel (0, 0) is the pixel at the region's corner, and the others follow in steps
 * of the region's size by the input's, where MediaPipe's CPU path takes its samples.  border: levels beyond the
 * picture; NULL: those of its edge.
 */
void preprocess_sample_row(const struct pixels_layout *layout, const struct engine_image *image, const float *border,
			   const struct engine_region *region, int width, int height, int row, float *const lines[3]);

/*
 * Row kernels of one level of the CPU.
 *
 * across: resamples a row of pixels of `samples` interleaved bytes (1..4).  out[c] takes byte c of every
 * pixel, NULL drops it; each has room for outputs_padded values.  Values are rounded and shifted right by
 * `shift`.
 *
 * spread: sum0 += w0 * line and sum1 += w1 * line.
 */
struct preprocess_rows {
	const char *level;
	int step_plain, step_packed; /* of the taps' width, for 1 sample and for more */
	void (*across)(const uint8_t *row, int samples, const struct preprocess_taps *taps, int shift,
		       int16_t *const out[4]);
	void (*spread)(size_t n, const int16_t *line, int w0, int32_t *sum0, int w1, int32_t *sum1);
};

extern const struct preprocess_rows preprocess_rows_scalar;
#if defined(__x86_64__)
extern const struct preprocess_rows preprocess_rows_avx2; /* only where the CPU has AVX2 */
#elif defined(__aarch64__)
extern const struct preprocess_rows preprocess_rows_neon;
#endif
/* The best of this CPU under INFERD_CPU_MASK. */
const struct preprocess_rows *preprocess_rows_get(void);

/* The tensor to fill: NHWC with N = 1. */
struct preprocess_target {
	int width, height, channels;
	enum engine_type type;
	struct engine_quant quant;
};

/* engine_preprocess_create() without a plan, on given kernels. */
int preprocess_create(const struct engine_image *image, const struct engine_normalize *normalize,
		      const struct preprocess_target *target, const struct preprocess_rows *rows,
		      struct engine_error *ret_error, struct engine_preprocess **ret_preprocess);

#endif
