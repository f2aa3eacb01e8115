/* halves.c - see halves.h. */
#include "halves.h"

#include <math.h>

#define MR 8
#define NR 16

double halves_value(uint16_t half)
{
	int exponent = half >> 10 & 31, fraction = half & 1023;
	double value = exponent == 31  ? (fraction ? NAN : INFINITY)
		       : exponent == 0 ? ldexp(fraction, -24)
				       : ldexp(1024 + fraction, exponent - 25);

	return half & 0x8000 ? -value : value;
}

/* Half to even. */
static double rounded(double value)
{
	int exponent;
	double result;

	if (!isfinite(value) || value == 0)
		return value;
	frexp(value, &exponent);
	exponent = exponent < -13 ? -13 : exponent;
	result = ldexp(rint(ldexp(value, 11 - exponent)), exponent - 11);
	return fabs(result) > 65504 ? copysign(INFINITY, value) : result;
}

/* Doubles have these sums as they are, but where the product is far too small to change which half is next. */
double halves_fma(double a, double b, double c)
{
	return rounded(a + b * c);
}

static uint16_t narrow(size_t n, float scale, const float *in, uint16_t *out)
{
	uint16_t most = 0;

	for (size_t i = 0; i < n; i++) {
		float value = in[i] * scale;

		kernels_level("scalar")->f32_to_f16(1, &value, &out[i]);
		most = (out[i] & 0x7fff) > most ? out[i] & 0x7fff : most;
	}
	return most;
}

static float product(const struct igemm_f16_args *args, size_t row, size_t column)
{
	const float *bias = args->w, *scales = bias + NR;
	const uint16_t *a = args->a + row * args->kc, *w = (const uint16_t *)(const void *)(scales + NR) + column;
	float sum = 0;

	for (size_t k = 0; k < args->kc;) {
		size_t end = args->kc - k < KERNEL_F16_RUN ? args->kc : k + KERNEL_F16_RUN;
		double run = 0;

		for (; k < end; k++)
			run = halves_fma(run, halves_value(a[k]), halves_value(w[k * NR]));
		sum = fmaf((float)run, args->scales[row], sum);
	}
	return fmaf(sum, scales[column], bias[column]);
}

static void run(const struct igemm_f16_args *args)
{
	for (size_t r = 0; r < args->m; r++)
		for (size_t n = 0; n < args->n; n++) {
			float value = product(args, r, n);

			if (args->residual)
				value += args->residual[r * args->residual_stride + n];
			if (args->slope && value < 0)
				value *= args->slope[n];
			args->c[r * args->c_stride + n] = fminf(fmaxf(value, args->lo), args->hi);
		}
}

const struct igemm_f16 halves_igemm = {"igemm_f16_emulated", MR, NR, run, narrow};

void halves_install(void)
{
	for (const char *const *level = kernels_levels(); *level; level++) {
		struct kernels *table = (struct kernels *)(uintptr_t)kernels_level(*level);

		if (table && !table->igemm_f16.name)
			table->igemm_f16 = halves_igemm;
	}
}
