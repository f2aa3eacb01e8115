/*
 * step_move.c - steps that move elements: joining, cutting, padding, turning and resizing.
 */
#include "step.h"

#include <math.h>
#include <string.h>

/* Elements of the axes behind `axis`. */
static size_t inner_of(const struct plan_tensor *tensor, int axis)
{
	size_t inner = 1;

	for (int i = axis + 1; i < tensor->rank; i++)
		inner *= (size_t)tensor->dims[i];
	return inner;
}

static bool same_quant(const struct plan_tensor *a, const struct plan_tensor *b)
{
	return a->type != ENGINE_S8 || (a->scale == b->scale && a->zero_point == b->zero_point);
}

/* Where an element is that would be number `at` if the tensor were dense. */
static size_t row_start(const struct plan_tensor *tensor, size_t at)
{
	size_t row = tensor->rank ? (size_t)tensor->dims[tensor->rank - 1] : 1;

	return at / row * tensor->stride + at % row;
}

/* n elements that follow each other but for the strides of both: whole rows, or within one row of the output. */
static void join_part(const struct exec *exec, const struct plan_tensor *in, const struct plan_tensor *out, size_t n,
		      const uint8_t *x, uint8_t *y)
{
	size_t size = engine_type_size(out->type), row = (size_t)in->dims[in->rank - 1];

	if (in->stride == row && out->stride == row)
		row = n;
	for (size_t i = 0; i < n; i += row, x += in->stride * size, y += out->stride * size) {
		if (same_quant(in, out))
			memcpy(y, x, row * size);
		else
			exec->kernels->requantize_s8(row, in->scale / out->scale, in->zero_point, out->zero_point,
						     (const int8_t *)x, (int8_t *)y);
	}
}

/* A tile is one stretch of the axes before the joined one. */
void step_concat(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *t = exec->plan->tensors, *out = &t[step->out];
	size_t size = engine_type_size(out->type), inner = inner_of(out, step->node->axis.axis);
	size_t whole = (size_t)out->dims[step->node->axis.axis] * inner;

	for (size_t outer = from; outer < to; outer++) {
		size_t at = outer * whole;

		for (int i = 0; i < step->n_in; i++) {
			const struct plan_tensor *in = &t[step->in[i]];
			size_t n = (size_t)in->dims[step->node->axis.axis] * inner;
			const uint8_t *x;
			uint8_t *y;

			if (!n)
				continue;
			x = (const uint8_t *)plan_pointer(exec, step->in[i]) + row_start(in, outer * n) * size;
			y = (uint8_t *)plan_pointer(exec, step->out) + row_start(out, at) * size;
			/* What is a view of the output's memory is there already. */
			if (x != y)
				join_part(exec, in, out, n, x, y);
			at += n;
		}
	}
}

/* A matrix to copy: m rows of n elements, and how far apart they are in elements of either side. */
struct block {
	size_t m, n, y_row;
	ptrdiff_t x_row, x_column;
};

/*
 * The longer walk is the inner one: pixels of few groups are as common as few pixels of many channels.  Two groups are
 * shuffled so often that they are written in order.
 */
#define COPY_BLOCK(name, type)                                                                                         \
	static void name(const struct block *b, const void *from, void *to)                                            \
	{                                                                                                              \
		const type *restrict x = from;                                                                         \
		type *restrict y = to;                                                                                 \
                                                                                                                       \
		if (b->n == 2 && b->y_row == 2 && b->x_row == 1)                                                       \
			for (size_t i = 0; i < b->m; i++) {                                                            \
				y[2 * i] = x[i];                                                                       \
				y[2 * i + 1] = x[(ptrdiff_t)i + b->x_column];                                          \
			}                                                                                              \
		else if (b->m > b->n)                                                                                  \
			for (size_t j = 0; j < b->n; j++)                                                              \
				for (size_t i = 0; i < b->m; i++)                                                      \
					y[i * b->y_row + j] = x[(ptrdiff_t)i * b->x_row + (ptrdiff_t)j * b->x_column]; \
		else                                                                                                   \
			for (size_t i = 0; i < b->m; i++)                                                              \
				for (size_t j = 0; j < b->n; j++)                                                      \
					y[i * b->y_row + j] = x[(ptrdiff_t)i * b->x_row + (ptrdiff_t)j * b->x_column]; \
	}
COPY_BLOCK(copy_block_8, uint8_t)
COPY_BLOCK(copy_block_16, uint16_t)
COPY_BLOCK(copy_block_32, uint32_t)
COPY_BLOCK(copy_block_64, uint64_t)

static void copy_block(const struct block *b, size_t size, const uint8_t *x, uint8_t *y)
{
	if (b->x_column == 1)
		for (size_t i = 0; i < b->m; i++)
			memcpy(y + i * b->y_row * size, x + (ptrdiff_t)i * b->x_row * (ptrdiff_t)size, b->n * size);
	else
		(size == 1   ? copy_block_8
		 : size == 2 ? copy_block_16
		 : size == 4 ? copy_block_32
			     : copy_block_64)(b, x, y);
}

/*
 * Copies the elements of rows from..to-1 along the last axis of the output: strides in elements of x for each of its
 * axes.  The last two axes are walked at once, those before them odometer style.
 */
static void copy_strided(const struct plan_tensor *out, const ptrdiff_t *stride, const uint8_t *x, uint8_t *y,
			 size_t from, size_t to)
{
	int rank = out->rank;
	size_t size = engine_type_size(out->type), m = rank > 1 ? (size_t)out->dims[rank - 2] : 1;
	struct block block = {
		.n = rank ? (size_t)out->dims[rank - 1] : 1,
		.y_row = out->stride,
		.x_row = rank > 1 ? stride[rank - 2] : 0,
		.x_column = rank ? stride[rank - 1] : 1,
	};

	for (size_t row = from; row < to; row += block.m) {
		ptrdiff_t at = (ptrdiff_t)(row % m) * block.x_row;
		size_t rest = row / m;

		block.m = m - row % m < to - row ? m - row % m : to - row;
		for (int i = rank - 3; i >= 0; i--) {
			at += (ptrdiff_t)(rest % (size_t)out->dims[i]) * stride[i];
			rest /= (size_t)out->dims[i];
		}
		copy_block(&block, size, x + at * (ptrdiff_t)size, y + row * out->stride * size);
	}
}

/* Elements from one index of each axis to the next. */
static void axis_strides(const struct plan_tensor *tensor, ptrdiff_t *stride)
{
	ptrdiff_t next = 1;

	for (int i = tensor->rank - 1; i >= 0; i--) {
		stride[i] = next;
		next = i == tensor->rank - 1 ? (ptrdiff_t)tensor->stride : next * tensor->dims[i];
	}
}

static size_t row_end(const struct step *step, const struct plan_tensor *out, size_t to)
{
	size_t rows = out->rank ? out->count / (size_t)out->dims[out->rank - 1] : 1;

	return to * step->gemm.rows < rows ? to * step->gemm.rows : rows;
}

void step_slice(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	const struct graph_slice *slice = &step->node->slice;
	ptrdiff_t stride[ENGINE_RANK_MAX] = {0}, start = 0;

	axis_strides(in, stride);
	for (int i = 0; i < in->rank; i++) {
		start += (slice->begin[i] < 0 ? slice->begin[i] + in->dims[i] : slice->begin[i]) * stride[i];
		stride[i] *= slice->step[i];
	}
	copy_strided(out, stride,
		     (const uint8_t *)plan_pointer(exec, step->in[0]) + start * (ptrdiff_t)engine_type_size(out->type),
		     plan_pointer(exec, step->out), from * step->gemm.rows, row_end(step, out, to));
}

void step_transpose(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	ptrdiff_t dense[ENGINE_RANK_MAX] = {0}, stride[ENGINE_RANK_MAX] = {0};

	axis_strides(in, dense);
	for (int i = 0; i < out->rank; i++)
		stride[i] = dense[step->node->shape.dims[i]];
	copy_strided(out, stride, plan_pointer(exec, step->in[0]), plan_pointer(exec, step->out),
		     from * step->gemm.rows, row_end(step, out, to));
}

/* Fills n elements with the padding value, as the tensor stores it. */
static void fill(const struct plan_tensor *out, float value, size_t n, uint8_t *y)
{
	if (out->type == ENGINE_F32) {
		for (size_t i = 0; i < n; i++)
			((float *)(void *)y)[i] = value;
	} else if (out->type == ENGINE_S8 && out->scale > 0.0f) {
		float stored = rintf(value / out->scale) + (float)out->zero_point;

		memset(y, (int)fminf(fmaxf(stored, -128.0f), 127.0f), n);
	} else {
		memset(y, 0, n * engine_type_size(out->type));
	}
}

/* Where a row of the output is, and whether the input has it: along all axes but the last. */
struct pad_walk {
	int32_t index[ENGINE_RANK_MAX];
	size_t row; /* of the input */
	bool inside;
};

static void pad_look(const struct step *step, const struct plan_tensor *in, struct pad_walk *walk)
{
	const struct graph_pad *pad = &step->node->pad;

	walk->row = 0;
	walk->inside = true;
	for (int i = 0; i < in->rank - 1; i++) {
		int32_t at = walk->index[i] - pad->before[i];

		walk->inside &= at >= 0 && at < in->dims[i];
		walk->row = walk->row * (size_t)in->dims[i] + (size_t)at;
	}
}

void step_pad(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	const struct graph_pad *pad = &step->node->pad;
	size_t size = engine_type_size(out->type), n = in->rank ? (size_t)in->dims[in->rank - 1] : 1;
	size_t n_out = in->rank ? (size_t)out->dims[in->rank - 1] : 1,
	       before = in->rank ? (size_t)pad->before[in->rank - 1] : 0;
	size_t rows = out->count / n_out, rest = step_cut(rows, from, step->tiles);
	const uint8_t *x = plan_pointer(exec, step->in[0]);
	uint8_t *y = (uint8_t *)plan_pointer(exec, step->out) + rest * n_out * size;
	struct pad_walk walk;

	rows = step_cut(rows, to, step->tiles) - rest;
	for (int i = in->rank - 2; i >= 0; i--) {
		walk.index[i] = (int32_t)(rest % (size_t)out->dims[i]);
		rest /= (size_t)out->dims[i];
	}
	for (; rows; rows--, y += n_out * size) {
		pad_look(step, in, &walk);
		if (walk.inside) {
			fill(out, pad->value, before, y);
			memcpy(y + before * size, x + walk.row * in->stride * size, n * size);
			fill(out, pad->value, n_out - before - n, y + (before + n) * size);
		} else {
			fill(out, pad->value, n_out, y);
		}
		for (int i = in->rank - 2; i >= 0 && ++walk.index[i] == out->dims[i]; i--)
			walk.index[i] = 0;
	}
}

/* The output is dense: rows of a strided input follow each other in it, whatever its shape. */
void step_copy(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	const uint8_t *x = plan_pointer(exec, step->in[0]);
	uint8_t *y = plan_pointer(exec, step->out);
	size_t size = engine_type_size(out->type), n;

	for (size_t i = from; i < to && !step->strided; i++)
		memcpy(y + i * STEP_CHUNK * size, x + i * STEP_CHUNK * size, step_chunk(out, i) * size);
	if (!step->strided)
		return;
	n = (size_t)in->dims[in->rank - 1];
	for (size_t row = from * step->gemm.rows; row < row_end(step, in, to); row++)
		memcpy(y + row * n * size, x + row * in->stride * size, n * size);
}

/* ---- resize ------------------------------------------------------------------------------------ */

/* Position in the input of output index i along one axis (TFLite's and ONNX's coordinate rules). */
static float source_of(const struct graph_resize *resize, int i, int in, int out)
{
	if (resize->align_corners && out > 1)
		return (float)i * (float)(in - 1) / (float)(out - 1);
	if (resize->half_pixel)
		return ((float)i + 0.5f) * (float)in / (float)out - 0.5f;
	return (float)i * (float)in / (float)out;
}

struct pair {
	int low, high;
	float share; /* of high */
};

static struct pair pair_of(const struct graph_resize *resize, int i, int in, int out)
{
	float at = source_of(resize, i, in, out);
	struct pair pair;

	if (!resize->bilinear) {
		/* Nearest: the pixel whose cell the position is in; aligned corners round. */
		at = resize->align_corners ? roundf(at) : floorf(resize->half_pixel ? at + 0.5f : at);
		pair.low = at < 0.0f ? 0 : at > (float)(in - 1) ? in - 1 : (int)at;
		return (struct pair){pair.low, pair.low, 0.0f};
	}
	at = at < 0.0f ? 0.0f : at > (float)(in - 1) ? (float)(in - 1) : at;
	pair.low = (int)at;
	pair.high = pair.low + 1 < in ? pair.low + 1 : pair.low;
	pair.share = at - (float)pair.low;
	return pair;
}

static float mix(float a, float b, float c, float d, float across, float down)
{
	float top = a + (b - a) * across, bottom = c + (d - c) * across;

	return top + (bottom - top) * down;
}

static void resize_pixel(const struct plan_tensor *in, const struct plan_tensor *out, const void *x, struct pair v,
			 struct pair h, void *y)
{
	size_t channels = (size_t)in->dims[3], width = (size_t)in->dims[2];
	const size_t at[4] = {((size_t)v.low * width + (size_t)h.low) * in->stride,
			      ((size_t)v.low * width + (size_t)h.high) * in->stride,
			      ((size_t)v.high * width + (size_t)h.low) * in->stride,
			      ((size_t)v.high * width + (size_t)h.high) * in->stride};

	for (size_t c = 0; c < channels; c++) {
		if (out->type == ENGINE_F32) {
			const float *f = x;

			((float *)y)[c] = mix(f[at[0] + c], f[at[1] + c], f[at[2] + c], f[at[3] + c], h.share, v.share);
		} else {
			const int8_t *q = x;
			float value = mix(q[at[0] + c], q[at[1] + c], q[at[2] + c], q[at[3] + c], h.share, v.share);

			value = rintf((value - (float)in->zero_point) * in->scale / out->scale) +
				(float)out->zero_point;
			((int8_t *)y)[c] = (int8_t)fminf(fmaxf(value, -128.0f), 127.0f);
		}
	}
}

/* A tile is a row of the output. */
void step_resize(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_tensor *in = &exec->plan->tensors[step->in[0]], *out = &exec->plan->tensors[step->out];
	const struct graph_resize *resize = &step->node->resize;
	size_t size = engine_type_size(out->type), pixel = (size_t)in->dims[3] * size;
	size_t in_pixel = in->stride * size, out_pixel = out->stride * size;
	const uint8_t *x = plan_pointer(exec, step->in[0]);

	for (size_t row = from; row < to; row++) {
		struct pair v = pair_of(resize, (int)row, in->dims[1], out->dims[1]);
		uint8_t *y = (uint8_t *)plan_pointer(exec, step->out) + row * (size_t)out->dims[2] * out_pixel;

		for (int i = 0; i < out->dims[2]; i++, y += out_pixel) {
			struct pair h = pair_of(resize, i, in->dims[2], out->dims[2]);

			if (resize->bilinear)
				resize_pixel(in, out, x, v, h, y);
			else
				memcpy(y, x + ((size_t)v.low * (size_t)in->dims[2] + (size_t)h.low) * in_pixel, pixel);
		}
	}
}
