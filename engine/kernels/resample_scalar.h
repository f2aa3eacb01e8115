/*
 * resample_scalar.h - portable loops that vector kernels end with.
 */
#ifndef INFERD_KERNELS_RESAMPLE_SCALAR_H
#define INFERD_KERNELS_RESAMPLE_SCALAR_H

#include "resample.h"

static inline int32_t resample_down_weight(const struct resample_down *args, size_t row)
{
	return args->low ? args->high[row] * (1 << RESAMPLE_LOW_BITS) + args->low[row] : args->high[row];
}

/* Pixels from..n - 1. */
static inline void split_u8_from(size_t from, const uint8_t *in, int samples, size_t n, int16_t *const out[4])
{
	for (int c = 0; c < samples; c++)
		for (size_t i = from; out[c] && i < n; i++)
			out[c][i] = in[i * (size_t)samples + (size_t)c];
}

static inline void split_s16_from(size_t from, const int16_t *in, int samples, size_t n, int16_t *const out[4])
{
	for (int c = 0; c < samples; c++)
		for (size_t i = from; out[c] && i < n; i++)
			out[c][i] = in[i * (size_t)samples + (size_t)c];
}

/* Columns from..n - 1. */
static inline void down_from(size_t from, const struct resample_down *args)
{
	for (size_t i = from; i < args->n; i++) {
		int32_t sum = (int32_t)1 << args->shift >> 1;

		for (size_t row = 0; row < args->count; row++)
			sum += resample_down_weight(args, row) * args->rows[row * args->stride + i];
		args->out[i] = (int16_t)(sum >> args->shift);
	}
}

#endif
