/* pack_f16.c - weights into panels of float16, see kernels.h. */
#include <math.h>
#include <string.h>

#include "kernels.h"

/* Powers of two that float32 has, and has one over. */
#define EXPONENT_MAX 126

static size_t round_up(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

size_t pack_f16_panel_bytes(const struct igemm_f16 *kernel, size_t kc)
{
	return kernel->nr * (2 * sizeof(float) + round_up(kc, KERNEL_F16_KR) * sizeof(uint16_t));
}

/* The least power of two that is above all of them, or one where they are not finite. */
static float scale_of(size_t n, const float *w)
{
	float most = 0;
	int exponent = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(w[i]))
			return 1;
		most = fmaxf(most, fabsf(w[i]));
	}
	frexpf(most, &exponent);
	exponent = exponent > EXPONENT_MAX ? EXPONENT_MAX : exponent < -EXPONENT_MAX ? -EXPONENT_MAX : exponent;
	return ldexpf(1, exponent);
}

void pack_f16_panel(const struct kernels *kernels, size_t n, size_t kc, const float *w, const float *bias, void *panel)
{
	size_t nr = kernels->igemm_f16.nr;
	float *to_bias = panel, *scales = to_bias + nr, line[KERNEL_NR_MAX] = {0}, factors[KERNEL_NR_MAX];
	uint16_t *to = (uint16_t *)(void *)(scales + nr);

	memset(panel, 0, pack_f16_panel_bytes(&kernels->igemm_f16, kc));
	if (bias)
		memcpy(to_bias, bias, n * sizeof(*bias));
	for (size_t i = 0; i < n; i++) {
		scales[i] = scale_of(kc, w + i * kc);
		factors[i] = 1 / scales[i];
	}
	for (size_t k = 0; k < kc; k++, to += nr) {
		for (size_t i = 0; i < n; i++)
			line[i] = w[i * kc + k] * factors[i];
		kernels->f32_to_f16(nr, line, to);
	}
}
