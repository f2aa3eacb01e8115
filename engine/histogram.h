/*
 * histogram.h - where the numbers of a tensor lie, seen a tensor at a time, and which range of them 8 bits should span.
 */
#ifndef INFERD_HISTOGRAM_H
#define INFERD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "engine.h"

#define HISTOGRAM_BINS 2048 /* over -limit..limit; the limit doubles when a number lies outside */

struct histogram {
	uint64_t bins[HISTOGRAM_BINS];
	uint64_t count;
	double limit; /* 0: nothing seen yet */
	float lo, hi; /* of what was seen */
};

/* Numbers that are not finite are passed over. */
void histogram_add(struct histogram *histogram, const float *values, size_t n);

/*
 * A range around 0 by one of the methods.  MINMAX: all that was seen.  PERCENTILE: but for the share
 * 1 - percentile / 100 of the numbers, half of it at each end.  KL: the symmetric bound, applied to both ends, whose
 * clipped and coarsened distribution loses least information (Migacz, "8-bit Inference with TensorRT", GTC 2017).
 */
void histogram_range(const struct histogram *histogram, enum engine_range method, double percentile, float *ret_lo,
		     float *ret_hi);

#endif
