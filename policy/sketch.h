/*
 * sketch.h - where measurements lie: counts in log-linear buckets, from which any quantile can be told.
 *
 * Values are whole numbers from 0 to SKETCH_VALUE_MAX: microseconds up to 4.7 hours, or a ratio in parts of
 * SKETCH_RATIO_ONE.  Those below 64 have a bucket each; from there on each octave has 32 of equal width, so that the
 * middle of a bucket is at most 1/64 (1.6%) off any value in it.  What lies beyond the last bucket is counted in it.
 *
 * The sketch of a whole is the merge of the sketches of its parts in any order, bit for bit: everything in it is a
 * sum, a least or a greatest value, and sums that would overflow stay at their highest.
 *
 * A plain value without pointers; no malloc, no clock, no I/O.  All zeros is the empty sketch.
 */
#ifndef INFERD_SKETCH_H
#define INFERD_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKETCH_VALUE_BITS 34
#define SKETCH_VALUE_MAX  ((UINT64_C(1) << SKETCH_VALUE_BITS) - 1)
#define SKETCH_BUCKETS	  (64 + (SKETCH_VALUE_BITS - 6) * 32)
#define SKETCH_RATIO_ONE  10000 /* of ratios that are kept as whole numbers: four digits after the point */

struct sketch {
	uint64_t count; /* of values */
	uint64_t sum;
	uint64_t min, max; /* 0 while empty */
	uint64_t buckets[SKETCH_BUCKETS];
};

/* Values above SKETCH_VALUE_MAX count as that. */
void sketch_add(struct sketch *sketch, uint64_t value);
void sketch_merge(struct sketch *sketch, const struct sketch *other);
/* Makes it empty; touches only what is not zero yet. */
void sketch_reset(struct sketch *sketch);

/*
 * The value that this share (0..1) of the values does not exceed, within 1/64 of the true one and never outside
 * min..max; 0 when empty.
 */
uint64_t sketch_quantile(const struct sketch *sketch, double share);
/* The share of values that do not exceed this one, as far as buckets can tell; 0 when empty. */
double sketch_share_upto(const struct sketch *sketch, uint64_t value);
double sketch_mean(const struct sketch *sketch); /* exact; 0 when empty */

/* A walk over the buckets that hold something, in rising order.  Start with all zeros. */
struct sketch_step {
	uint64_t low, high; /* the values that fall into this bucket, both included */
	uint64_t count;	    /* in it */
	uint64_t upto;	    /* in it and all before */
	int next;	    /* private to sketch.c */
};
bool sketch_next(const struct sketch *sketch, struct sketch_step *step); /* false: there are no more */

/*
 * As bytes: a version, then numbers of seven bits a byte, lowest first: min, max, sum, how many buckets, and for each
 * of them how many empty ones it skips and its count.  The same sketch always gives the same bytes.
 */
#define SKETCH_VERSION	 1
#define SKETCH_BYTES_MAX (1 + 3 * 10 + 2 + SKETCH_BUCKETS * 12)
size_t sketch_encode(const struct sketch *sketch, uint8_t ret_bytes[SKETCH_BYTES_MAX]); /* how many bytes */
/* 0; -EBADMSG for bytes that sketch_encode() cannot have made, with *ret untouched. */
int sketch_decode(const void *bytes, size_t size, struct sketch *ret);

#endif
