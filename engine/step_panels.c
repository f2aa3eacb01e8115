/*
 * step_panels.c - the products of matrices that convolutions are made of: rows of inputs times panels of weights.
 */
#include "step.h"

#include <string.h>
#include <trim.h>

const float *step_panel(const struct weights_conv *weights, const struct exec *exec, const uint8_t *panel)
{
	size_t nr = exec->kernels->igemm_f32.nr;
	float *wide = (float *)(void *)exec->own;

	if (!weights->wide_bytes)
		return (const float *)(const void *)panel;
	memcpy(wide, panel, nr * sizeof(*wide));
	exec->kernels->f16_to_f32(weights->wide_bytes / sizeof(*wide) - nr,
				  (const uint16_t *)(const void *)(panel + nr * sizeof(*wide)), wide + nr);
	return wide;
}

size_t step_mr(const struct step *step, const struct kernels *kernels)
{
	const struct igemm_s8 *s8 = step->gemm.weights->igemm_s8;

	if (WITH_TYPE_float32 && step->gemm.weights->half)
		return kernels->igemm_f16.mr;
	return s8 ? s8->mr : kernels->igemm_f32.mr;
}

size_t step_nr(const struct step *step, const struct kernels *kernels)
{
	const struct igemm_s8 *s8 = step->gemm.weights->igemm_s8;

	if (WITH_TYPE_float32 && step->gemm.weights->half)
		return kernels->igemm_f16.nr;
	return s8 ? s8->nr : kernels->igemm_f32.nr;
}

static void multiply_f32(const struct step *step, const struct exec *exec, const struct step_product *product)
{
	const struct plan_gemm *g = &step->gemm;
	const struct igemm_f32 *kernel = &exec->kernels->igemm_f32;
	struct igemm_f32_args args = {
		.m = product->m,
		.a = (const float *const *)(const void *)product->a,
		.taps = product->taps,
		.kc = product->kc,
		.c_stride = product->c_stride,
		.residual_stride = product->residual_stride,
		.lo = step->lo,
		.hi = step->hi,
	};

	for (size_t p = product->panel; p < product->panels_end; p++) {
		size_t n = p * kernel->nr, rest = (size_t)g->group_n - n;
		const uint8_t *panel = product->panels + p * g->weights->panel_bytes;

		args.w = step_panel(g->weights, exec, panel);
		args.ahead = (const float *)(const void *)(panel + g->weights->panel_bytes);
		args.n = rest < kernel->nr ? rest : kernel->nr;
		args.c = (float *)product->c + n;
		args.residual = product->residual ? product->residual + n : NULL;
		args.slope = product->slope ? product->slope + n : NULL;
		kernel->run(&args);
	}
}

/* To the rows from `first` on that the kernel takes at once. */
static void point_at_block(const struct step_product *product, size_t mr, size_t first, struct igemm_s8_args *args)
{
	size_t left = product->m - first;

	args->m = left < mr ? left : mr;
	args->a = (const int8_t *const *)(const void *)(product->a + first * product->taps);
}

static void multiply_s8(const struct step *step, const struct exec *exec, const struct step_product *product)
{
	const struct plan_gemm *g = &step->gemm;
	const struct igemm_s8 *kernel = g->weights->igemm_s8;
	int32_t row_sums[STEP_ROWS + KERNEL_MR_MAX];
	struct igemm_s8_args args = {
		.taps = product->taps,
		.kc = product->kc,
		.c_stride = product->c_stride,
		.zero_point = exec->plan->tensors[step->out].zero_point,
		.lo = step->lo8,
		.hi = step->hi8,
		.float_scales = step->node->folded & GRAPH_FOLDED_QUANT,
	};

	for (size_t m = 0; m < product->m && kernel->sum_rows; m += kernel->mr) {
		point_at_block(product, kernel->mr, m, &args);
		kernel->sum_rows(&args, row_sums + m);
	}
	for (size_t p = product->panel; p < product->panels_end; p++) {
		size_t n = p * kernel->nr, rest = (size_t)g->group_n - n;

		args.w = product->panels + p * g->weights->panel_bytes;
		args.n = rest < kernel->nr ? rest : kernel->nr;
		for (size_t m = 0; m < product->m; m += kernel->mr) {
			point_at_block(product, kernel->mr, m, &args);
			args.ahead = m ? NULL : (const uint8_t *)args.w + g->weights->panel_bytes;
			args.c = (int8_t *)product->c + m * product->c_stride + n;
			args.row_sums = row_sums + m;
			kernel->run(&args);
		}
	}
}

void step_multiply_begin(const struct step *step, size_t kc)
{
	const struct igemm_s8 *s8 = step->gemm.weights->igemm_s8;

	if (s8 && s8->enter)
		s8->enter(kc);
}

void step_multiply(const struct step *step, const struct exec *exec, const struct step_product *product)
{
	if (WITH_TYPE_int8 && step->gemm.weights->igemm_s8)
		multiply_s8(step, exec, product);
	else if (WITH_TYPE_float32 && step->gemm.weights->half)
		step_half_multiply(step, exec, product);
	else if (WITH_TYPE_float32)
		multiply_f32(step, exec, product);
}

void step_multiply_end(const struct step *step)
{
	const struct igemm_s8 *s8 = step->gemm.weights->igemm_s8;

	if (s8 && s8->leave)
		s8->leave();
}
