/*
 * resample.h - kernels that make a network's input of a picture: rows of bytes become fewer and shorter, then levels,
 * then stored numbers.
 *
 * Every level of the CPU gives the same to the bit: sums are of whole numbers, and of float32 nothing is fused.  No
 * alignment is required.  Inputs are read and outputs written exactly, but for what is said of taps.
 */
#ifndef INFERD_KERNELS_RESAMPLE_H
#define INFERD_KERNELS_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESAMPLE_OUTPUTS_STEP 16 /* outputs across are made in groups of so many */
#define RESAMPLE_LOW_BITS     7

/*
 * The weights of one axis in fixed point.  Output x is the sum over t < width of weight x * width + t times sample
 * first[x] + t, over 1 << bits.  Those behind count[x] are zero, but their samples are read.  There are n outputs, and
 * entries for n_padded of them, the surplus with weights of zero.
 *
 * A weight is high << RESAMPLE_LOW_BITS | low, or high alone where low is NULL.
 */
struct resample_taps {
	int n, n_padded, width, bits;
	int32_t *first, *count;
	int16_t *high, *low;
};

static inline int32_t resample_weight(const struct resample_taps *taps, size_t at)
{
	return taps->low ? taps->high[at] * (1 << RESAMPLE_LOW_BITS) + taps->low[at] : taps->high[at];
}

/* One output row from count >= 1 rows of n bytes: (sum of weight * row + half) >> shift, which fits 15 bits. */
struct resample_down {
	const uint8_t *rows; /* the first; others follow `stride` bytes apart */
	size_t stride, count, n;
	const int16_t *high, *low; /* as of taps; low may be NULL; a zero follows an odd count */
	int shift;
	int16_t *out; /* n values */
};

/* Rows of floats as the channels of a tensor: level * gain + shift, by channel, interleaved. */
struct resample_store {
	size_t n, channels;    /* pixels; 1 or 3 channels */
	const float *level[3]; /* of each channel */
	float gain[3], shift[3];
	float low, high; /* 8-bit types: their range.  Rounded to the nearest, ties up, as Pillow rounds. */
};

/* Where the pixels of one row of a turned region lie in a picture. */
struct resample_line {
	float x, y;	   /* of the region's centre */
	float width, down; /* the region's width; how far below its centre the row lies */
	float cosine, sine;
	float least, most; /* positions are kept within */
	size_t n;
};

struct resample_kernels {
	int across_step; /* of taps' width */
	void (*down)(const struct resample_down *args);
	/* n pixels of `samples` (1..4) interleaved values to lines of one; NULL drops that one. */
	void (*split_u8)(const uint8_t *in, int samples, size_t n, int16_t *const out[4]);
	void (*split_s16)(const int16_t *in, int samples, size_t n, int16_t *const out[4]);
	/* (Sum + half) >> shift of each output; out has room for n_padded.  Sums fit 31 bits. */
	void (*across)(const int16_t *line, const struct resample_taps *taps, int shift, int32_t *out);
	/* sum0 += w0 * line and sum1 += w1 * line. */
	void (*spread)(size_t n, const int32_t *line, int32_t w0, int32_t *sum0, int32_t w1, int32_t *sum1);
	/* BT.601 luma of R, G, B; out may be one of them. */
	void (*luma_s16)(size_t n, const int16_t *red, const int16_t *green, const int16_t *blue, int16_t *out);
	/* (float)((sum + half) >> shift) * unit */
	void (*levels)(size_t n, const int32_t *sum, int shift, float unit, float *out);
	/* In place: Y, U, V of 0..255 to R, G, B (BT.601), and luma alone to full range; clamped to 0..255. */
	void (*yuv_to_rgb)(size_t n, bool full_range, float *y, float *u, float *v);
	void (*luma_to_full)(size_t n, float *y);
	void (*store_f32)(const struct resample_store *args, float *out);
	void (*store_8)(const struct resample_store *args, uint8_t *out); /* of either sign */
	/* Whole and broken part of every position, the latter a multiple of 1/32; see preprocess_sample.c. */
	void (*positions)(const struct resample_line *line, int32_t *left, int32_t *top, float *u, float *v);
	/* Byte `byte` of each corner's texel (upper left, upper right, lower left, lower right), mixed and rounded. */
	void (*mix)(size_t n, int byte, const uint32_t *const corner[4], const float *u, const float *v, float *out);
};

#endif
