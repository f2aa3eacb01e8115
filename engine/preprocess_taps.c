/*
 * preprocess_taps.c - which source samples make an output sample, and how much each counts.
 *
 * Knows one axis and no pixels.
 */
#include "preprocess.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64 /* bytes */

/* Unnormalised weights of one output into w; returns their count and the first sample. */
static int tap_window(int source, double centre, double radius, double *w, int32_t *ret_first)
{
	int lo = (int)(centre - radius + 0.5), hi = (int)(centre + radius + 0.5), i;
	double total = 0, inverse = 1.0 / radius;

	if (lo < 0)
		lo = 0;
	if (hi > source)
		hi = source;
	/* Only rounding at the very border could leave the window empty; the nearest sample then stands in. */
	if (lo > source - 1)
		lo = source - 1;
	if (hi <= lo)
		hi = lo + 1;
	for (i = lo; i < hi; i++) {
		double distance = i + 0.5 - centre;
		double weight = 1.0 - (distance < 0 ? -distance : distance) * inverse;

		w[i - lo] = weight > 0 ? weight : 0;
		total += w[i - lo];
	}
	for (i = lo; i < hi; i++)
		w[i - lo] = total > 0 ? w[i - lo] / total : 1.0 / (hi - lo);
	*ret_first = lo;
	return hi - lo;
}

/* Rounds the weights to fixed point in place, as whole numbers; returns what their sum then misses. */
static int32_t tap_round(double *w, int count, int bits)
{
	int32_t missing = (int32_t)1 << bits;
	int i;

	for (i = 0; i < count; i++) {
		w[i] = (double)(int32_t)(w[i] * (double)((int32_t)1 << bits) + 0.5);
		missing -= (int32_t)w[i];
	}
	return missing;
}

/* Spends what the sum misses in steps of one on the taps around the middle, which are the largest. */
static void tap_correct(double *w, int count, int32_t missing)
{
	int i;

	for (i = 0; missing; i = (i + 1) % count) {
		int at = count / 2 + (i % 2 ? -(i + 1) / 2 : i / 2);
		int step = missing > 0 ? 1 : -1;

		if (at >= 0 && at < count && w[at] + step >= 0 && w[at] + step <= INT16_MAX) {
			w[at] += step;
			missing -= step;
		}
	}
}

/* Drops zeros from both ends; returns the new count. */
static int tap_trim(double *w, int count, int32_t *first)
{
	int i, lead = 0;

	while (count > 1 && w[count - 1] == 0)
		count--;
	while (lead < count - 1 && w[lead] == 0)
		lead++;
	for (i = 0; lead && i < count - lead; i++)
		w[i] = w[i + lead];
	*first += lead;
	return count - lead;
}

/* The largest window and weight of all outputs decide the table's width and its precision. */
static void taps_measure(struct resample_taps *taps, int source, double from, double scale, double radius, double *w,
			 int bits, bool exact)
{
	double peak = 0;
	int32_t first;
	int x, t, widest = 1;

	for (x = 0; x < taps->n; x++) {
		int count = tap_window(source, from + (x + 0.5) * scale, radius, w, &first);

		widest = count > widest ? count : widest;
		for (t = 0; t < count; t++)
			peak = w[t] > peak ? w[t] : peak;
	}
	/* Two below the limit leaves room for rounding up and for the correction of the sum. */
	for (taps->bits = bits; !exact && peak * (double)((int32_t)1 << taps->bits) > INT16_MAX - 2;)
		taps->bits--;
	taps->width = widest;
}

/* Zeros, aligned so that no load of weights straddles two lines of the cache. */
static int16_t *weights_alloc(size_t n)
{
	const size_t bytes = (n * sizeof(int16_t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	int16_t *weights = aligned_alloc(CACHE_LINE, bytes);

	if (weights)
		memset(weights, 0, bytes);
	return weights;
}

static int taps_alloc(struct resample_taps *taps, bool exact)
{
	const size_t n = (size_t)taps->n_padded, weights = n * (size_t)taps->width;

	taps->first = calloc(n, sizeof(*taps->first));
	taps->count = calloc(n, sizeof(*taps->count));
	taps->high = weights_alloc(weights);
	if (exact)
		taps->low = weights_alloc(weights);
	return taps->first && taps->count && taps->high && (taps->low || !exact) ? 0 : -ENOMEM;
}

static void taps_store(struct resample_taps *taps, size_t at, int32_t weight)
{
	int32_t high = weight >> RESAMPLE_LOW_BITS;

	if (!taps->low) {
		taps->high[at] = (int16_t)weight;
		return;
	}
	/* A weight of 1.0 alone is too large for the upper part; the lower one has room for the rest. */
	if (high > INT16_MAX)
		high = INT16_MAX;
	taps->high[at] = (int16_t)high;
	taps->low[at] = (int16_t)(weight - (high << RESAMPLE_LOW_BITS));
}

int preprocess_taps_init(struct resample_taps *taps, int source, double from, double span, int n, int step, int bits,
			 bool exact)
{
	double scale = span / n, radius = scale > 1 ? scale : 1;
	double *w;
	int x, t, ret;

	*taps = (struct resample_taps){.n = n};
	taps->n_padded = (n + RESAMPLE_OUTPUTS_STEP - 1) / RESAMPLE_OUTPUTS_STEP * RESAMPLE_OUTPUTS_STEP;
	w = malloc(((size_t)source + 1) * sizeof(*w));
	if (!w)
		return -ENOMEM;
	taps_measure(taps, source, from, scale, radius, w, bits, exact);
	taps->width = (taps->width + step - 1) / step * step;
	ret = taps_alloc(taps, exact);
	if (ret)
		goto out;
	for (x = 0; x < n; x++) {
		int count = tap_window(source, from + (x + 0.5) * scale, radius, w, &taps->first[x]);
		int32_t missing = tap_round(w, count, taps->bits);

		if (!exact)
			tap_correct(w, count, missing);
		taps->count[x] = tap_trim(w, count, &taps->first[x]);
		for (t = 0; t < taps->count[x]; t++)
			taps_store(taps, (size_t)x * (size_t)taps->width + (size_t)t, (int32_t)w[t]);
	}
out:
	free(w);
	if (ret)
		preprocess_taps_finish(taps);
	return ret;
}

void preprocess_taps_finish(struct resample_taps *taps)
{
	free(taps->first);
	free(taps->count);
	free(taps->high);
	free(taps->low);
	*taps = (struct resample_taps){0};
}

void preprocess_taps_range(const struct resample_taps *taps, int *ret_first, int *ret_end)
{
	int first = taps->first[0], end = 0;

	for (int x = 0; x < taps->n; x++) {
		const int behind = taps->first[x] + taps->count[x];

		first = taps->first[x] < first ? taps->first[x] : first;
		end = behind > end ? behind : end;
	}
	*ret_first = first;
	*ret_end = end;
}

void preprocess_taps_move(struct resample_taps *taps, int samples)
{
	for (int x = 0; x < taps->n; x++)
		taps->first[x] -= samples;
}

int preprocess_taps_reach(const struct resample_taps *taps)
{
	int last = 0;

	for (int x = 0; x < taps->n; x++)
		last = taps->first[x] > last ? taps->first[x] : last;
	return last + taps->width;
}
