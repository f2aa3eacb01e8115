/* histogram.c - see histogram.h. */
#include "histogram.h"

#include <math.h>
#include <string.h>

#define HALF   (HISTOGRAM_BINS / 2)
#define LEVELS 128 /* of 8 bits, one sign */

/* Twice the range: two bins become one, in the middle half. */
static void widen(struct histogram *h)
{
	uint64_t merged[HISTOGRAM_BINS] = {0};

	for (int i = 0; i < HISTOGRAM_BINS; i++)
		merged[HALF / 2 + i / 2] += h->bins[i];
	memcpy(h->bins, merged, sizeof(merged));
	h->limit *= 2;
}

void histogram_add(struct histogram *h, const float *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float value = values[i];
		int bin;

		if (!isfinite(value))
			continue;
		if (h->limit == 0)
			h->limit = value != 0.0f ? fabs((double)value) : 1e-6;
		while (fabs((double)value) > h->limit)
			widen(h);
		bin = (int)floor(((double)value / h->limit + 1) * HALF);
		h->bins[bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1]++;
		h->lo = h->count ? fminf(h->lo, value) : value;
		h->hi = h->count ? fmaxf(h->hi, value) : value;
		h->count++;
	}
}

static double edge(const struct histogram *h, int bin)
{
	return ((double)bin / HALF - 1) * h->limit;
}

static void percentile_range(const struct histogram *h, double percentile, float *lo, float *hi)
{
	double outside = (double)h->count * (1 - percentile / 100) / 2, sum = 0;
	int from = 0, to = HISTOGRAM_BINS;

	while (from < HISTOGRAM_BINS && sum + (double)h->bins[from] <= outside)
		sum += (double)h->bins[from++];
	sum = 0;
	while (to > from && sum + (double)h->bins[to - 1] <= outside)
		sum += (double)h->bins[--to];
	*lo = fmaxf(*lo, (float)edge(h, from));
	*hi = fminf(*hi, (float)edge(h, to));
}

/*
 * How far n bins, all beyond them counted into the last, are from what LEVELS levels keep of them: the sum of each
 * group of bins, spread over those of them that were not empty.
 */
static double divergence(const double *bins, int n, double beyond)
{
	double total = beyond, sum = 0;

	for (int i = 0; i < n; i++)
		total += bins[i];
	for (int level = 0; level < LEVELS; level++) {
		int from = level * n / LEVELS, to = (level + 1) * n / LEVELS, filled = 0;
		double group = 0;

		for (int i = from; i < to; i++) {
			group += bins[i];
			filled += bins[i] > 0 || (i == n - 1 && beyond > 0);
		}
		for (int i = from; i < to; i++) {
			double p = (bins[i] + (i == n - 1 ? beyond : 0)) / total;
			double q = filled ? group / filled / (total - beyond) : 0;

			if (p > 0)
				sum += p * log(p / fmax(q, 1e-9));
		}
	}
	return sum;
}

static void kl_range(const struct histogram *h, float *lo, float *hi)
{
	double folded[HALF], beyond = 0, best = INFINITY;
	int bound = HALF;

	for (int i = 0; i < HALF; i++)
		folded[i] = (double)h->bins[HALF + i] + (double)h->bins[HALF - 1 - i];
	/* Zeros, as ReLU makes them, are exact at any scale and would drown the rest. */
	folded[0] = folded[1];
	for (int n = HALF; n >= LEVELS; n--) {
		double d = divergence(folded, n, beyond);

		if (d < best) {
			best = d;
			bound = n;
		}
		beyond += folded[n - 1];
	}
	*lo = fmaxf(*lo, (float)-edge(h, HALF + bound));
	*hi = fminf(*hi, (float)edge(h, HALF + bound));
}

void histogram_range(const struct histogram *h, enum engine_range method, double percentile, float *ret_lo,
		     float *ret_hi)
{
	float lo = fminf(h->lo, 0.0f), hi = fmaxf(h->hi, 0.0f);

	if (h->count && method == ENGINE_RANGE_PERCENTILE)
		percentile_range(h, percentile, &lo, &hi);
	else if (h->count && method == ENGINE_RANGE_KL)
		kl_range(h, &lo, &hi);
	*ret_lo = fminf(lo, 0.0f);
	*ret_hi = fmaxf(hi, 0.0f);
}
