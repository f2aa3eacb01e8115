/*
 * step_half.c - products of matrices whose multiplications are of halves.  Inputs are narrowed into the thread's own
 * memory, all taps of an output pixel one behind the other, and multiplied by all panels.
 *
 * A row of inputs is times a power of two where otherwise its largest were out of KERNEL_F16_LEAST to KERNEL_F16_MOST.
 * That depends on the row alone, so the answers do not depend on tiles and threads.  Where all are less than 2^-25 they
 * are zeros.
 */
#include "step.h"

#include <math.h>
#include <string.h>

#define HALF_NORMAL   0x0400 /* the least half that is not subnormal, in bits */
#define HALF_ONE      0x3c00
#define HALF_INFINITE 0x7c00

/* What a row's inputs are to be times, whose largest as a half is `most` at that scale. */
static float better_scale(uint16_t most, float scale)
{
	if (most == HALF_INFINITE)
		return scale * 0x1p-24f;
	if (most < HALF_NORMAL)
		return scale * 0x1p14f;
	return ldexpf(scale, (HALF_ONE >> 10) - (most >> 10));
}

/*
 * Whether inputs at this scale are fit to be multiplied, or nothing can be done: they are all zeros, or there are NaN
 * or infinities among them.
 */
static bool fits(uint16_t most, float scale)
{
	if (most > HALF_INFINITE || (most == HALF_INFINITE && scale < 0x1p-100f) || most == 0)
		return true;
	return most >= KERNEL_F16_LEAST && most < KERNEL_F16_MOST;
}

/* A row whose taps begin at a, mr apart; the largest of it, in bits. */
static uint16_t narrow_taps(const struct exec *exec, const struct step_product *product, const uint8_t *const *a,
			    float scale, uint16_t *to)
{
	const struct igemm_f16 *kernel = &exec->kernels->igemm_f16;
	uint16_t most = 0;

	for (size_t t = 0; t < product->taps; t++, to += product->kc) {
		uint16_t largest =
			kernel->narrow(product->kc, scale, (const float *)(const void *)a[t * kernel->mr], to);

		most = largest > most ? largest : most;
	}
	return most;
}

/* Returns what the row's sums are times. */
static float narrow_row(const struct exec *exec, const struct step_product *product, size_t row, size_t length,
			uint16_t *to)
{
	size_t mr = exec->kernels->igemm_f16.mr, values = product->taps * product->kc;
	const uint8_t *const *a = product->a + row / mr * product->taps * mr + row % mr;
	float scale = 1;
	uint16_t most = narrow_taps(exec, product, a, scale, to);

	while (!fits(most, scale)) {
		scale = better_scale(most, scale);
		most = narrow_taps(exec, product, a, scale, to);
	}
	memset(to + values, 0, (length - values) * sizeof(*to));
	return 1 / scale;
}

/* Rows that are in `args` by all panels; of args c and what else is of the group's first channel. */
static void multiply_rows(const struct step *step, const struct exec *exec, const struct step_product *product,
			  const struct igemm_f16_args *rows)
{
	const struct igemm_f16 *kernel = &exec->kernels->igemm_f16;
	const struct plan_gemm *g = &step->gemm;
	struct igemm_f16_args args = *rows;

	for (size_t p = product->panel; p < product->panels_end; p++) {
		size_t n = p * kernel->nr, rest = (size_t)g->group_n - n;

		args.w = product->panels + p * g->weights->panel_bytes;
		args.ahead = (const uint8_t *)args.w + g->weights->panel_bytes;
		args.n = rest < kernel->nr ? rest : kernel->nr;
		args.c = rows->c + n;
		args.residual = rows->residual ? rows->residual + n : NULL;
		args.slope = product->slope ? product->slope + n : NULL;
		kernel->run(&args);
	}
}

size_t step_half_length(const struct step *step)
{
	size_t values = (size_t)(step->window.kh * step->window.kw) * (size_t)step->gemm.group_c;

	return (values + KERNEL_F16_KR - 1) / KERNEL_F16_KR * KERNEL_F16_KR;
}

void step_half_multiply(const struct step *step, const struct exec *exec, const struct step_product *product)
{
	uint16_t *a = (uint16_t *)(void *)exec->own;
	float scales[STEP_ROWS + KERNEL_MR_MAX] = {0};
	struct igemm_f16_args args = {
		.kc = step_half_length(step),
		.a = a,
		.scales = scales,
		.c_stride = product->c_stride,
		.residual_stride = product->residual_stride,
		.lo = step->lo,
		.hi = step->hi,
	};

	/* As many as the thread's own memory has room for. */
	for (size_t first = 0; first < product->m; first += args.m) {
		args.m = product->m - first < step->gemm.rows ? product->m - first : step->gemm.rows;
		for (size_t row = 0; row < args.m; row++)
			scales[row] = narrow_row(exec, product, first + row, args.kc, a + row * args.kc);
		args.c = (float *)product->c + first * product->c_stride;
		args.residual = product->residual ? product->residual + first * product->residual_stride : NULL;
		multiply_rows(step, exec, product, &args);
	}
}
