/*
 * pack.c - weights into the layouts that kernels.h describes, for any tile.
 */
#include <string.h>

#include "kernels.h"
#include "pairs.h"

static size_t round_up(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

size_t pack_f32_panel_bytes(const struct igemm_f32 *kernel, size_t taps, size_t kc)
{
	return round_up(kernel->nr * (1 + taps * kc) * sizeof(float), 64);
}

static bool has_bytes(const struct igemm_s8 *kernel)
{
	return kernel->panel == KERNEL_BYTES || kernel->panel == KERNEL_SIGNED_BYTES;
}

static size_t head_bytes(const struct igemm_s8 *kernel)
{
	size_t words = has_bytes(kernel) ? 4 * (size_t)kernel->nr : 3 * (size_t)kernel->nr;

	return (words + (kernel->panel == KERNEL_PAIRS ? PAIRS_INFO : 0)) * sizeof(int32_t);
}

/* Words are the most that a panel of pairs holds, but where the room for extras is not that of whole vectors. */
size_t pack_s8_panel_bytes(const struct igemm_s8 *kernel, size_t taps, size_t kc)
{
	size_t size = has_bytes(kernel) ? sizeof(uint8_t) : sizeof(int16_t);

	return round_up(head_bytes(kernel) + taps * round_up(kc, kernel->kr) * kernel->nr * size, 64);
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

size_t pack_winograd_panel_bytes(const struct winograd *winograd, const struct igemm_f32 *kernel, size_t kc)
{
	return winograd_places(winograd) * pack_f32_panel_bytes(kernel, 1, kc);
}

/* Some channels of all places of a panel; `turned` has them as they are transformed, [place][n][channel]. */
static void pack_winograd_channels(size_t places, size_t n, size_t nr, size_t place_floats, const float *turned,
				   float *to)
{
	for (size_t place = 0; place < places; place++, to += place_floats)
		for (size_t k = 0; k < WINOGRAD_CHANNELS; k++)
			for (size_t i = 0; i < n; i++)
				to[k * nr + i] = turned[(place * n + i) * WINOGRAD_CHANNELS + k];
}

void pack_winograd_panel(const struct winograd *winograd, const struct igemm_f32 *kernel, size_t n, size_t kc,
			 const float *w, const float *bias, float *turned, void *panel)
{
	size_t places = winograd_places(winograd), place_floats = pack_f32_panel_bytes(kernel, 1, kc) / sizeof(float);
	float *to = panel;

	memset(panel, 0, places * place_floats * sizeof(*to));
	if (bias)
		memcpy(to + (winograd->in + 1) * place_floats, bias, n * sizeof(*to));
	to += kernel->nr;
	for (size_t k = 0; k < kc; k += WINOGRAD_CHANNELS, to += WINOGRAD_CHANNELS * kernel->nr) {
		for (size_t i = 0; i < n; i++)
			winograd->weights(w + i * 9 * kc + k, kc, n * WINOGRAD_CHANNELS,
					  turned + i * WINOGRAD_CHANNELS);
		pack_winograd_channels(places, n, kernel->nr, place_floats, turned, to);
	}
}

static void pack_words(const struct igemm_s8 *kernel, size_t n, size_t taps, size_t kc, const int16_t *w, int16_t *to)
{
	size_t kr = kernel->panel == KERNEL_PAIRS ? 2 : kernel->kr;

	for (size_t t = 0; t < taps; t++)
		for (size_t k = 0; k < kc; k += kr, to += kernel->nr * kr)
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < kr && k + j < kc; j++)
					to[i * kr + j] = w[(i * taps + t) * kc + k + j];
}

/* Of each channel, or one of all where that is possible: a kernel then multiplies once and not for each of them. */
static void find_least(size_t nr, size_t n, size_t each, const int16_t *w, int32_t *least)
{
	int32_t lowest = w[0], highest = w[0];

	for (size_t i = 0; i < n; i++) {
		least[i] = w[i * each];
		for (size_t k = 0; k < each; k++) {
			int32_t value = w[i * each + k];

			least[i] = value < least[i] ? value : least[i];
			highest = value > highest ? value : highest;
		}
		lowest = least[i] < lowest ? least[i] : lowest;
	}
	for (size_t i = 0; i < nr && highest - lowest <= UINT8_MAX; i++)
		least[i] = lowest;
}

/* What the signed bytes of one channel's n weights are above. */
static int32_t signed_base(size_t n, const int16_t *w)
{
	int32_t least = w[0], most = w[0];

	for (size_t k = 1; k < n; k++) {
		least = w[k] < least ? w[k] : least;
		most = w[k] > most ? w[k] : most;
	}
	return least >= INT8_MIN && most <= INT8_MAX ? 0 : least - INT8_MIN;
}

static void pack_bytes(const struct igemm_s8 *kernel, size_t n, size_t taps, size_t kc, const int16_t *w, int32_t *base,
		       uint8_t *to)
{
	if (kernel->panel == KERNEL_BYTES)
		find_least(kernel->nr, n, taps * kc, w, base);
	else
		for (size_t i = 0; i < n; i++)
			base[i] = signed_base(taps * kc, w + i * taps * kc);
	for (size_t t = 0; t < taps; t++)
		for (size_t k = 0; k < kc; k += kernel->kr, to += (size_t)kernel->nr * kernel->kr)
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < kernel->kr && k + j < kc; j++)
					to[i * kernel->kr + j] = (uint8_t)(w[(i * taps + t) * kc + k + j] - base[i]);
}

/* Of one pair as much as can be multiplied at once. */
static void take_pair(const int16_t w[2], int8_t taken[2])
{
	int first = w[0] < -PAIRS_REACH ? -PAIRS_REACH : w[0] > INT8_MAX ? INT8_MAX : w[0];
	int lo = -PAIRS_REACH - (first < 0 ? first : 0), hi = PAIRS_REACH - (first > 0 ? first : 0);

	hi = hi > INT8_MAX ? INT8_MAX : hi;
	taken[0] = (int8_t)first;
	taken[1] = (int8_t)(w[1] < lo ? lo : w[1] > hi ? hi : w[1]);
}

/* Of four channels; what is left is in w.  Whether anything is. */
static bool take_quad(int16_t w[PAIRS_KR], int8_t taken[PAIRS_KR])
{
	bool left = false;

	take_pair(w, taken);
	take_pair(w + 2, taken + 2);
	for (size_t j = 0; j < PAIRS_KR; j++) {
		w[j] = (int16_t)(w[j] - taken[j]);
		left = left || w[j];
	}
	return left;
}

/* Channels k.. of all n columns into `to`, and what is left of them into `extra`: none, one, or more than one has. */
static int pack_quads(const struct igemm_s8 *kernel, size_t n, size_t each, size_t kc, size_t k, const int16_t *w,
		      int8_t *to, int8_t *extra)
{
	size_t count = kc - k < PAIRS_KR ? kc - k : PAIRS_KR;
	int needed = 0;

	memset(extra, 0, (size_t)kernel->nr * PAIRS_KR);
	for (size_t i = 0; i < n; i++) {
		int16_t quad[PAIRS_KR] = {0};

		memcpy(quad, w + i * each + k, count * sizeof(*w));
		if (!take_quad(quad, to + i * PAIRS_KR))
			continue;
		if (take_quad(quad, extra + i * PAIRS_KR))
			return 2;
		needed = 1;
	}
	return needed;
}

/* False where the panel has to hold words; what was written then is not zero any more. */
static bool pack_pairs(const struct igemm_s8 *kernel, size_t n, size_t taps, size_t kc, const int16_t *w, int32_t *bias,
		       int32_t *info, int8_t *to)
{
	size_t quad = (size_t)kernel->nr * PAIRS_KR, room = pairs_room(taps, kc), extras = 0;
	int8_t *extra = to + taps * (round_up(kc, PAIRS_KR) / PAIRS_KR) * quad, spare[KERNEL_NR_MAX * PAIRS_KR];
	struct pairs_place *places = (struct pairs_place *)(void *)(extra + room * quad);

	for (size_t t = 0; t < taps; t++)
		for (size_t k = 0; k < kc; k += PAIRS_KR, to += quad) {
			int needed = pack_quads(kernel, n, taps * kc, kc, k, w + t * kc, to,
						extras < room ? extra + extras * quad : spare);

			if (needed > 1 || (needed && extras == room))
				return false;
			if (needed)
				places[extras++] = (struct pairs_place){(uint32_t)t, (uint32_t)k};
		}
	for (size_t i = 0; i < n; i++) {
		uint32_t sum = 0;

		for (size_t k = 0; k < taps * kc; k++)
			sum += (uint32_t)w[i * taps * kc + k];
		bias[i] = (int32_t)((uint32_t)bias[i] - 128 * sum);
	}
	*info = (int32_t)extras;
	return true;
}

void pack_s8_panel(const struct igemm_s8 *kernel, size_t n, size_t taps, size_t kc, const int16_t *w,
		   const struct kernel_requant *requant, void *panel)
{
	size_t nr = kernel->nr, bytes = pack_s8_panel_bytes(kernel, taps, kc);
	int32_t *head = panel, *info = head + 3 * nr;
	uint8_t *to = (uint8_t *)panel + head_bytes(kernel);

	memset(panel, 0, bytes);
	memcpy(head, requant->bias, n * sizeof(*head));
	memcpy(head + nr, requant->multiplier, n * sizeof(*head));
	memcpy(head + 2 * nr, requant->shift, n * sizeof(*head));
	if (has_bytes(kernel)) {
		pack_bytes(kernel, n, taps, kc, w, info, to);
		return;
	}
	if (kernel->panel == KERNEL_PAIRS) {
		if (pack_pairs(kernel, n, taps, kc, w, head, info, (int8_t *)to))
			return;
		*info = PAIRS_WORDS;
		memset(to, 0, bytes - head_bytes(kernel));
	}
	pack_words(kernel, n, taps, kc, w, (int16_t *)(void *)to);
}

/* The weights of the last tap may be over-read by a vector. */
size_t dwconv_f32_bytes(size_t channels, size_t taps)
{
	return round_up(channels * sizeof(float), 64) + round_up(taps * channels * sizeof(float), 64) + 64;
}

size_t dwconv_s8_bytes(size_t channels, size_t kh, size_t kw)
{
	size_t taps = kh * kw;

	return 3 * round_up(channels * sizeof(int32_t), 64) + round_up(taps * channels * sizeof(int16_t), 64) + 64;
}

void pack_dwconv_f32(size_t channels, size_t taps, const float *w, const float *bias, void *packed)
{
	memset(packed, 0, dwconv_f32_bytes(channels, taps));
	if (bias)
		memcpy(packed, bias, channels * sizeof(*bias));
	memcpy((uint8_t *)packed + round_up(channels * sizeof(float), 64), w, taps * channels * sizeof(*w));
}

void pack_dwconv_s8(size_t channels, size_t kh, size_t kw, const int16_t *w, const struct kernel_requant *requant,
		    void *packed)
{
	size_t part = round_up(channels * sizeof(int32_t), 64);
	uint8_t *to = packed;

	memset(packed, 0, dwconv_s8_bytes(channels, kh, kw));
	memcpy(to, requant->bias, channels * sizeof(int32_t));
	memcpy(to + part, requant->multiplier, channels * sizeof(int32_t));
	memcpy(to + 2 * part, requant->shift, channels * sizeof(int32_t));
	memcpy(to + 3 * part, w, kh * kw * channels * sizeof(*w));
}
