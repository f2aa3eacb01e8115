/*
 * preprocess_rows.c - the portable row kernels, and which kernels this CPU gets.
 */
#include "preprocess.h"

#include <string.h>

static void across_scalar(const uint8_t *row, int samples, const struct preprocess_taps *taps, int shift,
			  int16_t *const out[4])
{
	int32_t half = (int32_t)1 << shift >> 1;
	int x, c, t;

	for (c = 0; c < samples; c++) {
		if (!out[c])
			continue;
		for (x = 0; x < taps->n; x++) {
			const uint8_t *pixel = row + (size_t)taps->first[x] * (size_t)samples + c;
			const int32_t *weight = taps->weight + (size_t)x * (size_t)taps->width;
			int32_t sum = half;

			for (t = 0; t < taps->count[x]; t++)
				sum += weight[t] * pixel[t * samples];
			out[c][x] = (int16_t)(sum >> shift);
		}
	}
}

static void spread_scalar(size_t n, const int16_t *line, int w0, int32_t *sum0, int w1, int32_t *sum1)
{
	size_t i;

	for (i = 0; i < n; i++) {
		sum0[i] += line[i] * w0;
		sum1[i] += line[i] * w1;
	}
}

const struct preprocess_rows preprocess_rows_scalar = {
	.level = "scalar",
	.step_plain = 1,
	.step_packed = 1,
	.across = across_scalar,
	.spread = spread_scalar,
};

const struct preprocess_rows *preprocess_rows_get(void)
{
	if (!strcmp(engine_cpu_level(), "scalar"))
		return &preprocess_rows_scalar;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return &preprocess_rows_avx2;
	return &preprocess_rows_scalar;
#elif defined(__aarch64__)
	return &preprocess_rows_neon;
#else
	return &preprocess_rows_scalar;
#endif
}
