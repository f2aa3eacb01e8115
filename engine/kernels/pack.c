/*
 * pack.c - weights into the layouts that kernels.h describes, for any tile.
 */
#include <string.h>

#include "kernels.h"

static size_t round_up(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

size_t pack_f32_panel_bytes(const struct igemm_f32 *kernel, size_t taps, size_t kc)
{
	return round_up(kernel->nr * (1 + taps * kc) * sizeof(float), 64);
}

size_t pack_s8_panel_bytes(const struct igemm_s8 *kernel, size_t taps, size_t kc)
{
	size_t head = kernel->nr * (kernel->weights == KERNEL_WORDS ? 3 : 4) * sizeof(int32_t);
	size_t size = kernel->weights == KERNEL_WORDS ? sizeof(int16_t) : sizeof(uint8_t);

	return round_up(head + taps * round_up(kc, kernel->kr) * kernel->nr * size, 64);
}

void pack_f32_panel(const struct igemm_f32 *kernel, size_t n, size_t taps, size_t kc, const float *w, const float *bias,
		    void *panel)
{
	float *to = panel;

	memset(panel, 0, pack_f32_panel_bytes(kernel, taps, kc));
	if (bias)
		memcpy(to, bias, n * sizeof(*to));
	to += kernel->nr;
	for (size_t k = 0; k < taps * kc; k++, to += kernel->nr)
		for (size_t i = 0; i < n; i++)
			to[i] = w[i * taps * kc + k];
}

size_t pack_winograd_panel_bytes(const struct igemm_f32 *kernel, size_t kc)
{
	return WINOGRAD_PLACES * pack_f32_panel_bytes(kernel, 1, kc);
}

void pack_winograd_panel(const struct igemm_f32 *kernel, size_t n, size_t kc, const float *w, const float *bias,
			 float *turned, void *panel)
{
	/* A line of three weights to six, Lavin and Gray's G. */
	static const double g[WINOGRAD_IN][3] = {{1.0 / 4, 0, 0},
						 {-1.0 / 6, -1.0 / 6, -1.0 / 6},
						 {-1.0 / 6, 1.0 / 6, -1.0 / 6},
						 {1.0 / 24, 1.0 / 12, 1.0 / 6},
						 {1.0 / 24, -1.0 / 12, 1.0 / 6},
						 {0, 0, 1}};
	uint8_t *to = panel;

	for (size_t place = 0; place < WINOGRAD_PLACES; place++, to += pack_f32_panel_bytes(kernel, 1, kc)) {
		const double *down = g[place / WINOGRAD_IN], *across = g[place % WINOGRAD_IN];

		for (size_t i = 0; i < n * kc; i++) {
			const float *taps = w + i / kc * 9 * kc + i % kc;
			double sum = 0;

			for (size_t t = 0; t < 9; t++)
				sum += down[t / 3] * across[t % 3] * (double)taps[t * kc];
			turned[i] = (float)sum;
		}
		pack_f32_panel(kernel, n, 1, kc, turned, place == WINOGRAD_IN + 1 ? bias : NULL, to);
	}
}

static void pack_words(const struct igemm_s8 *kernel, size_t n, size_t taps, size_t kc, const int16_t *w, int16_t *to)
{
	for (size_t t = 0; t < taps; t++)
		for (size_t k = 0; k < kc; k += kernel->kr, to += (size_t)kernel->nr * kernel->kr)
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < kernel->kr && k + j < kc; j++)
					to[i * kernel->kr + j] = w[(i * taps + t) * kc + k + j];
}

/* What the bytes of one channel's n weights are above. */
static int32_t base_of(const struct igemm_s8 *kernel, size_t n, const int16_t *w)
{
	int32_t least = w[0], most = w[0];

	for (size_t k = 1; k < n; k++) {
		least = w[k] < least ? w[k] : least;
		most = w[k] > most ? w[k] : most;
	}
	if (kernel->weights == KERNEL_BYTES)
		return least;
	return least >= INT8_MIN && most <= INT8_MAX ? 0 : least - INT8_MIN;
}

static void pack_bytes(const struct igemm_s8 *kernel, size_t n, size_t taps, size_t kc, const int16_t *w, int32_t *base,
		       uint8_t *to)
{
	for (size_t i = 0; i < n; i++)
		base[i] = base_of(kernel, taps * kc, w + i * taps * kc);
	for (size_t t = 0; t < taps; t++)
		for (size_t k = 0; k < kc; k += kernel->kr, to += (size_t)kernel->nr * kernel->kr)
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < kernel->kr && k + j < kc; j++)
					to[i * kernel->kr + j] = (uint8_t)(w[(i * taps + t) * kc + k + j] - base[i]);
}

void pack_s8_panel(const struct igemm_s8 *kernel, size_t n, size_t taps, size_t kc, const int16_t *w,
		   const struct kernel_requant *requant, void *panel)
{
	size_t nr = kernel->nr;
	int32_t *head = panel;

	memset(panel, 0, pack_s8_panel_bytes(kernel, taps, kc));
	memcpy(head, requant->bias, n * sizeof(*head));
	memcpy(head + nr, requant->multiplier, n * sizeof(*head));
	memcpy(head + 2 * nr, requant->shift, n * sizeof(*head));
	if (kernel->weights == KERNEL_WORDS)
		pack_words(kernel, n, taps, kc, w, (int16_t *)(void *)(head + 3 * nr));
	else
		pack_bytes(kernel, n, taps, kc, w, head + 3 * nr, (uint8_t *)(head + 4 * nr));
}

/* The weights of the last tap may be over-read by a vector. */
size_t dwconv_f32_bytes(size_t channels, size_t taps)
{
	return round_up(channels * sizeof(float), 64) + round_up(taps * channels * sizeof(float), 64) + 64;
}

size_t dwconv_s8_bytes(size_t channels, size_t taps)
{
	return 3 * round_up(channels * sizeof(int32_t), 64) + round_up(taps * channels * sizeof(int16_t), 64) + 64;
}

void pack_dwconv_f32(size_t channels, size_t taps, const float *w, const float *bias, void *packed)
{
	memset(packed, 0, dwconv_f32_bytes(channels, taps));
	if (bias)
		memcpy(packed, bias, channels * sizeof(*bias));
	memcpy((uint8_t *)packed + round_up(channels * sizeof(float), 64), w, taps * channels * sizeof(*w));
}

void pack_dwconv_s8(size_t channels, size_t taps, const int16_t *w, const struct kernel_requant *requant, void *packed)
{
	size_t part = round_up(channels * sizeof(int32_t), 64);
	uint8_t *to = packed;

	memset(packed, 0, dwconv_s8_bytes(channels, taps));
	memcpy(to, requant->bias, channels * sizeof(int32_t));
	memcpy(to + part, requant->multiplier, channels * sizeof(int32_t));
	memcpy(to + 2 * part, requant->shift, channels * sizeof(int32_t));
	memcpy(to + 3 * part, w, taps * channels * sizeof(*w));
}
