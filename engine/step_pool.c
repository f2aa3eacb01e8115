/*
 * step_pool.c - windows that reduce: maximum, average, and the mean over axes.
 */
#include "step.h"

#include <math.h>
#include <string.h>

#include "fixed.h"
#include "kernels/requant_scalar.h"

/* One output pixel from the list of its pixels. */
static void reduce_pixels(const struct step *step, const struct exec *exec, const void *const *pixels, size_t n,
			  size_t divisor, void *out)
{
	const struct kernels *k = exec->kernels;
	const struct plan_tensor *y = &exec->plan->tensors[step->out];
	size_t channels = (size_t)step->window.in_c;
	bool is_max = step->node->op == GRAPH_MAXPOOL;

	if (y->type == ENGINE_S8 && is_max)
		k->maxpool_s8((const int8_t *const *)pixels, n, channels, step->lo8, step->hi8, out);
	else if (y->type == ENGINE_S8)
		k->avgpool_s8((const int8_t *const *)pixels, n, channels, divisor, y->was_u8, step->lo8, step->hi8,
			      out);
	else if (is_max)
		k->maxpool_f32((const float *const *)pixels, n, channels, step->lo, step->hi, out);
	else
		k->avgpool_f32((const float *const *)pixels, n, channels, 1.0f / (float)divisor, step->lo, step->hi,
			       out);
}

/* Part of a window of `size` positions from `start` on that lies within 0..limit-1. */
static void clip_window(int start, int size, int limit, int *ret_from, int *ret_end)
{
	*ret_from = start < 0 ? 0 : start;
	*ret_end = start + size < limit ? start + size : limit;
}

/* In average pooling with count_pad, padding counts, but what ceil mode adds beyond it does not matter: ncnn's rule. */
static void pool_row(const struct step *step, const struct exec *exec, int oy, const void **pixels)
{
	const struct plan_window *w = &step->window;
	size_t size = engine_type_size(exec->plan->tensors[step->out].type);
	size_t pixel = w->in_stride * size, out_pixel = w->out_stride * size;
	const uint8_t *x = plan_pointer(exec, step->in[0]);
	uint8_t *y = (uint8_t *)plan_pointer(exec, step->out) + (size_t)oy * (size_t)w->out_w * out_pixel;
	size_t area = (size_t)w->kh * (size_t)w->kw;
	int y0, y1, x0, x1;

	clip_window(oy * w->stride_h - w->top, w->kh, w->in_h, &y0, &y1);
	for (int ox = 0; ox < w->out_w; ox++, y += out_pixel) {
		size_t n = 0;

		clip_window(ox * w->stride_w - w->left, w->kw, w->in_w, &x0, &x1);
		for (int iy = y0; iy < y1; iy++)
			for (int ix = x0; ix < x1; ix++)
				pixels[n++] = x + ((size_t)iy * (size_t)w->in_w + (size_t)ix) * pixel;
		/* A window that lies wholly in the padding: its nearest pixel stands for it. */
		if (!n)
			pixels[n++] = x;
		reduce_pixels(step, exec, pixels, n, step->node->pool.count_pad ? area : n, y);
	}
}

/* The pointers of a window live in the step's scratch, a list for each tile: a global pool has many. */
void step_pool(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	size_t list = step->scratch_bytes / step->tiles / sizeof(void *);
	size_t end = to * step->gemm.rows;

	if (end > (size_t)step->window.out_h)
		end = (size_t)step->window.out_h;
	for (size_t oy = from * step->gemm.rows; oy < end; oy++)
		pool_row(step, exec, (int)oy,
			 (const void **)(void *)(exec->arena + step->scratch) + oy / step->gemm.rows * list);
}

/* Where each axis of the input moves the output, 0 for those that are averaged. */
static void mean_strides(const struct step *step, const struct plan_tensor *in, size_t stride[ENGINE_RANK_MAX])
{
	const struct graph_reduce *reduce = &step->node->reduce;
	bool gone[ENGINE_RANK_MAX] = {false};
	size_t next = 1;

	for (int i = 0; i < reduce->n_axes; i++)
		gone[reduce->axes[i]] = true;
	for (int i = in->rank - 1; i >= 0; i--) {
		stride[i] = gone[i] ? 0 : next;
		next *= gone[i] ? 1 : (size_t)in->dims[i];
	}
}

static void mean_sums(const struct step *step, const struct plan_tensor *in, const void *x, double *sums)
{
	size_t stride[ENGINE_RANK_MAX] = {0}, place = 0;
	int32_t at[ENGINE_RANK_MAX] = {0};

	mean_strides(step, in, stride);
	for (size_t i = 0; i < in->count; i++) {
		sums[place] += in->type == ENGINE_S8 ? (double)(((const int8_t *)x)[i] - in->zero_point)
						     : (double)((const float *)x)[i];
		for (int k = in->rank - 1; k >= 0; k--) {
			place += stride[k];
			if (++at[k] < in->dims[k])
				break;
			place -= stride[k] * (size_t)in->dims[k];
			at[k] = 0;
		}
	}
}

/* Over the height and width of one image of bytes: the usual case, and whole rows at a time. */
static bool mean_is_of_pixels(const struct step *step, const struct plan_tensor *in)
{
	const struct graph_reduce *reduce = &step->node->reduce;

	return in->type == ENGINE_S8 && in->rank == 4 && in->dims[0] == 1 && reduce->n_axes == 2 &&
	       reduce->axes[0] + reduce->axes[1] == 3 && reduce->axes[0] * reduce->axes[1] == 2 &&
	       (int64_t)in->dims[1] * in->dims[2] < 1 << 22; /* or 32 bits would not hold the sums */
}

static void sum_pixels(const struct plan_tensor *in, const int8_t *x, double *ret_sums)
{
	size_t channels = (size_t)in->dims[3];
	int32_t *sums = (int32_t *)(void *)(ret_sums + channels);

	memset(sums, 0, channels * sizeof(*sums));
	for (const int8_t *end = x + in->count; x < end; x += channels)
		for (size_t c = 0; c < channels; c++)
			sums[c] += x[c] - in->zero_point;
	for (size_t c = 0; c < channels; c++)
		ret_sums[c] = sums[c];
}

/*
 * A sum over `per` numbers to their mean's quanta.  ONNX Runtime's QLinearGlobalAveragePool has one factor in float32;
 * TFLite's reference divides a fixed-point one, of as many more bits as there is room for.
 */
static struct requant mean_scale(const struct step *step, const struct plan_tensor *in, const struct plan_tensor *out,
				 int64_t per)
{
	struct requant r = {.zero_point = out->zero_point, .lo = step->lo8, .hi = step->hi8};
	float factor = in->scale / (out->scale * (float)per);
	int bits = 0;

	r.float_scales = step->node->folded & GRAPH_FOLDED_QUANT;
	if (r.float_scales) {
		memcpy(&r.multiplier, &factor, sizeof(factor));
		return r;
	}
	fixed_multiplier((double)in->scale / (double)out->scale, &r.multiplier, &r.shift);
	/* Of nothing at all there is no mean. */
	per = per > 0 ? per : 1;
	while (bits < 32 && bits < 31 - r.shift && per >> (bits + 1))
		bits++;
	r.multiplier = (int32_t)(((int64_t)r.multiplier << bits) / per);
	r.shift += bits;
	return r;
}

void step_mean(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	double *sums = (double *)(void *)(exec->arena + step->scratch);
	int64_t per = (int64_t)(in->count / out->count);
	struct requant r = {0};
	void *y = plan_pointer(exec, step->out);

	(void)from;
	(void)to;
	memset(sums, 0, out->count * sizeof(*sums));
	if (mean_is_of_pixels(step, in))
		sum_pixels(in, plan_pointer(exec, step->in[0]), sums);
	else
		mean_sums(step, in, plan_pointer(exec, step->in[0]), sums);
	if (out->type == ENGINE_S8)
		r = mean_scale(step, in, out, per);
	for (size_t i = 0; i < out->count; i++) {
		int32_t sum = (int32_t)fmin(fmax(sums[i], INT32_MIN), INT32_MAX);

		if (out->type != ENGINE_S8)
			((float *)y)[i] = fminf(fmaxf((float)(sums[i] / (double)per), step->lo), step->hi);
		else
			((int8_t *)y)[i] = r.float_scales ? requantise_in_float(&r, sum) : requantise(&r, sum);
	}
}
