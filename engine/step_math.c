/*
 * step_math.c - elementwise steps, softmax and casts.
 */
#include "step.h"

#include <math.h>
#include <string.h>

static void binary_run(const struct step *step, const struct exec *exec, size_t n, const void *a, bool a_scalar,
		       const void *b, bool b_scalar, void *y)
{
	enum kernel_binary op = (enum kernel_binary)(step->node->op - GRAPH_ADD);

	if (exec->plan->tensors[step->out].type == ENGINE_S8) {
		struct binary_s8_args args = step->binary;

		args.a_scalar = a_scalar;
		args.b_scalar = b_scalar;
		exec->kernels->binary_s8(op, n, a, b, &args, y);
	} else {
		exec->kernels->binary_f32(op, n, a, a_scalar, b, b_scalar, step->lo, step->hi, y);
	}
	step_finish(step, exec, n, y);
}

/* Operands of one shape, or one of them a single value. */
void step_binary(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *t = exec->plan->tensors, *out = &t[step->out];
	size_t size = engine_type_size(out->type);
	const uint8_t *a = plan_pointer(exec, step->in[0]), *b = plan_pointer(exec, step->in[1]);
	uint8_t *y = plan_pointer(exec, step->out);
	bool a_scalar = t[step->in[0]].count == 1, b_scalar = t[step->in[1]].count == 1;

	for (size_t tile = from; tile < to; tile++) {
		size_t at = tile * STEP_CHUNK * size;

		binary_run(step, exec, step_chunk(out, tile), a_scalar ? a : a + at, a_scalar, b_scalar ? b : b + at,
			   b_scalar, y + at);
	}
}

/* How far one operand moves with each axis of the output, in elements; 0 where it is repeated. */
static void broadcast_strides(const struct plan_tensor *in, const struct plan_tensor *out,
			      size_t stride[ENGINE_RANK_MAX])
{
	size_t step = 1;

	memset(stride, 0, ENGINE_RANK_MAX * sizeof(*stride));
	for (int i = in->rank - 1; i >= 0; i--) {
		stride[i + out->rank - in->rank] = in->dims[i] == 1 ? 0 : step;
		step = i == in->rank - 1 ? in->stride : step * (size_t)in->dims[i];
	}
}

/* Any broadcasting: runs along the last axis, found by their index among all rows of the output. */
void step_binary_rows(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *t = exec->plan->tensors, *out = &t[step->out];
	size_t size = engine_type_size(out->type), stride_a[ENGINE_RANK_MAX], stride_b[ENGINE_RANK_MAX];
	const uint8_t *a = plan_pointer(exec, step->in[0]), *b = plan_pointer(exec, step->in[1]);
	size_t n = (size_t)out->dims[out->rank - 1], rows = out->count / n;

	broadcast_strides(&t[step->in[0]], out, stride_a);
	broadcast_strides(&t[step->in[1]], out, stride_b);
	for (size_t row = from * step->gemm.rows; row < to * step->gemm.rows && row < rows; row++) {
		size_t rest = row, at_a = 0, at_b = 0;

		for (int i = out->rank - 2; i >= 0; i--) {
			size_t index = rest % (size_t)out->dims[i];

			rest /= (size_t)out->dims[i];
			at_a += index * stride_a[i];
			at_b += index * stride_b[i];
		}
		binary_run(step, exec, n, a + at_a * size, n > 1 && !stride_a[out->rank - 1], b + at_b * size,
			   n > 1 && !stride_b[out->rank - 1],
			   (uint8_t *)plan_pointer(exec, step->out) + row * out->stride * size);
	}
}

void step_unary(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	const struct graph_act *act = &step->node->unary;
	const void *x = plan_pointer(exec, step->in[0]);
	void *y = plan_pointer(exec, step->out);

	for (size_t i = from * step->gemm.rows; i < step_spans(step, out, to); i++) {
		struct step_span s = step_span(step, in, out, i);

		if (out->type == ENGINE_S8) {
			exec->kernels->lut_s8(step->table, s.n, (const int8_t *)x + s.in, (int8_t *)y + s.out);
			continue;
		}
		exec->kernels->unary_f32((enum kernel_unary)act->kind, act->a, act->b, s.n, (const float *)x + s.in,
					 (float *)y + s.out);
		step_finish(step, exec, s.n, (float *)y + s.out);
	}
}

/* One pixel of an int8 PRELU or BATCHNORM, in real numbers. */
static void channels_s8(const struct step *step, const struct plan_tensor *in, const struct plan_tensor *out,
			size_t channels, const int8_t *x, int8_t *y)
{
	for (size_t c = 0; c < channels; c++) {
		float value = in->scale * (float)(x[c] - in->zero_point);

		if (step->node->op == GRAPH_BATCHNORM)
			value = value * step->slope[c] + step->shift[c];
		else if (value < 0.0f)
			value *= step->slope[c];
		value = rintf(value / out->scale) + (float)out->zero_point;
		y[c] = (int8_t)fminf(fmaxf(value, step->lo8), step->hi8);
	}
}

/* PRELU and BATCHNORM: factors for each channel. */
void step_channels(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	size_t channels = out->rank ? (size_t)out->dims[out->rank - 1] : 1, pixels = out->count / channels;
	const void *x = plan_pointer(exec, step->in[0]);
	void *y = plan_pointer(exec, step->out);

	for (size_t pixel = from * step->gemm.rows; pixel < to * step->gemm.rows && pixel < pixels; pixel++) {
		const float *from_f32 = (const float *)x + pixel * in->stride;
		float *to_f32 = (float *)y + pixel * out->stride;

		if (out->type == ENGINE_S8) {
			channels_s8(step, in, out, channels, (const int8_t *)x + pixel * in->stride,
				    (int8_t *)y + pixel * out->stride);
			continue;
		}
		if (step->node->op == GRAPH_BATCHNORM)
			exec->kernels->scale_f32(channels, step->slope, step->shift, step->lo, step->hi, from_f32,
						 to_f32);
		else
			exec->kernels->prelu_f32(channels, step->slope, from_f32, to_f32);
		step_finish(step, exec, channels, to_f32);
	}
}

/*
 * Halves go away from zero, as TFLite has it.  A camera's bytes scaled to -1..1 lie at halves, all of them, so that
 * rounding to the even number would move every second one.  The addend is the greatest float below a half.
 */
static void quantize_away(size_t n, float scale, int32_t zero_point, const float *in, int8_t *out)
{
	float lo = (float)(-128 - zero_point), hi = (float)(127 - zero_point);

	for (size_t i = 0; i < n; i++) {
		float value = in[i] / scale;

		value = value > lo ? (value < hi ? value : hi) : lo;
		out[i] = (int8_t)((int32_t)(value + copysignf(0.49999997f, value)) + zero_point);
	}
}

void step_cast(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	const struct kernels *k = exec->kernels;

	for (size_t i = from * step->gemm.rows; i < step_spans(step, out, to); i++) {
		struct step_span s = step_span(step, in, out, i);
		const void *x = (const uint8_t *)plan_pointer(exec, step->in[0]) + s.in * engine_type_size(in->type);
		void *y = (uint8_t *)plan_pointer(exec, step->out) + s.out * engine_type_size(out->type);
		size_t n = s.n;

		if (in->type == out->type && in->type != ENGINE_S8)
			memcpy(y, x, n * engine_type_size(out->type));
		else if (in->type == ENGINE_S8 && out->type == ENGINE_S8)
			k->requantize_s8(n, in->scale / out->scale, in->zero_point, out->zero_point, x, y);
		else if (in->type == ENGINE_S8)
			k->dequantize_s8(n, in->scale, in->zero_point, x, y);
		else if (out->type == ENGINE_S8 && step->node->cast.half_away)
			quantize_away(n, out->scale, out->zero_point, x, y);
		else if (out->type == ENGINE_S8)
			k->quantize_s8(n, out->scale, out->zero_point, x, y);
		else if (in->type == ENGINE_F16)
			k->f16_to_f32(n, x, y);
		else
			k->f32_to_f16(n, x, y);
	}
}

/* Rows along the axis.  Those that are not dense and float are gathered into the step's scratch. */
void step_softmax(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	const struct kernels *k = exec->kernels;
	const void *x = plan_pointer(exec, step->in[0]);
	void *y = plan_pointer(exec, step->out);
	size_t n = (size_t)in->dims[step->node->axis.axis], inner = 1, rows = out->count / n;
	size_t first = step_cut(rows, from, step->tiles), end = step_cut(rows, to, step->tiles);
	float beta = step->node->axis.beta;

	for (int i = step->node->axis.axis + 1; i < in->rank; i++)
		inner *= (size_t)in->dims[i];
	if (inner == 1 && in->type == ENGINE_F32 && out->type == ENGINE_F32) {
		k->softmax_f32(end - first, n, beta, (const float *)x + first * n, (float *)y + first * n);
		return;
	}
	for (size_t r = first; r < end; r++) {
		float *row = (float *)(void *)(exec->arena + step->scratch) + r * n;
		size_t start = r / inner * n * inner + r % inner;

		for (size_t i = 0; i < n; i++)
			row[i] = in->type == ENGINE_S8
					 ? in->scale * (float)(((const int8_t *)x)[start + i * inner] - in->zero_point)
					 : ((const float *)x)[start + i * inner];
		k->softmax_f32(1, n, beta, row, row);
		for (size_t i = 0; i < n; i++) {
			if (out->type == ENGINE_S8)
				k->quantize_s8(1, out->scale, out->zero_point, row + i,
					       (int8_t *)y + start + i * inner);
			else
				((float *)y)[start + i * inner] = row[i];
		}
	}
}
