/*
 * ncnn_operators.c - what ncnn's general operators share, and those that move elements or take them one by one.  See
 * ncnn_operators.h.
 */
#include "ncnn_operators.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ncnn_param.h"

/* ---- shared ------------------------------------------------------------------------------------ */

const struct engine_operator *ncnn_operator(const char *type)
{
	for (const struct engine_operator *op = ncnn_moving_operators; op->name; op++)
		if (strcmp(op->name, type) == 0)
			return op;
	for (const struct engine_operator *op = ncnn_computing_operators; op->name; op++)
		if (strcmp(op->name, type) == 0)
			return op;
	return NULL;
}

int ncnn_view_input(struct engine_call *call, int i, struct ncnn_view *ret_view)
{
	const struct engine_tensor *t = call_input(call, i);
	int lead;

	if (!t || t->type != ENGINE_F32)
		return call_fail(call, -EINVAL, "lacks a float32 input %d", i);
	lead = t->rank > 3;
	if (t->rank < 1 || t->rank == 3 || t->rank - lead > NCNN_RANK_MAX || (lead && t->dims[0] != 1))
		return call_fail(call, -EINVAL, "has an input %d that is no blob", i);
	*ret_view = (struct ncnn_view){.rank = t->rank - lead, .x = t->data};
	memcpy(ret_view->n, t->dims + lead, (size_t)ret_view->rank * sizeof(*ret_view->n));
	for (int k = 0; k < ret_view->rank; k++)
		if (ret_view->n[k] < 1)
			return call_fail(call, -EINVAL, "has an input %d that is empty", i);
	return 0;
}

int ncnn_set_shape(struct engine_call *call, int i, int rank, const int64_t *n)
{
	int32_t dims[ENGINE_RANK_MAX] = {1};
	int lead = rank > 2;

	for (int k = 0; k < rank; k++) {
		if (n[k] < 1 || n[k] > INT32_MAX)
			return call_fail(call, -EINVAL, "makes a side of %lld", (long long)n[k]);
		dims[lead + k] = (int32_t)n[k];
	}
	return call_set(call, i, ENGINE_F32, rank + lead, dims);
}

static int set_like(struct engine_call *call, int i, const struct ncnn_view *view)
{
	int64_t n[NCNN_RANK_MAX];

	for (int k = 0; k < view->rank; k++)
		n[k] = view->n[k];
	return ncnn_set_shape(call, i, view->rank, n);
}

size_t ncnn_span(const struct ncnn_view *view, int from, int to)
{
	size_t count = 1;

	for (int i = from; i < to; i++)
		count *= (size_t)view->n[i];
	return count;
}

int64_t ncnn_w(const struct ncnn_view *view)
{
	return view->n[view->rank - 1];
}

int64_t ncnn_h(const struct ncnn_view *view)
{
	return view->rank > 1 ? view->n[view->rank - 2] : 1;
}

int64_t ncnn_c(const struct ncnn_view *view)
{
	return view->rank > 2 ? view->n[0] : 1;
}

static const char *key_name(char kind, int key, char name[8])
{
	snprintf(name, 8, "%c%d", kind, key & 63);
	return name;
}

int64_t ncnn_key_int(const struct engine_call *call, int key, int64_t otherwise)
{
	char name[8];

	return engine_attribute_integer(call->attributes, key_name('i', key, name), otherwise);
}

double ncnn_key_float(const struct engine_call *call, int key, double otherwise)
{
	char name[8];

	return engine_attribute_number(call->attributes, key_name('f', key, name), otherwise);
}

const int64_t *ncnn_key_ints(const struct engine_call *call, int key, int *ret_n)
{
	char name[8];

	return engine_attribute_integers(call->attributes, key_name('i', key, name), ret_n);
}

int ncnn_want(struct engine_call *call, int i, size_t count)
{
	const struct engine_tensor *t = call_input(call, i);

	if (!t || t->type != ENGINE_F32 || tensor_count(t) < count)
		return call_fail(call, -EINVAL, "has not the %zu factors that its input needs", count);
	return 0;
}

const float *ncnn_constant(struct engine_call *call, int i, size_t count)
{
	return ncnn_want(call, i, count) == 0 ? call_input(call, i)->data : NULL;
}

/* An axis as ncnn counts it, from either end. */
static int axis_of(struct engine_call *call, int64_t axis, int rank, int *ret_axis)
{
	if (axis < 0)
		axis += rank;
	if (axis < 0 || axis >= rank)
		return call_fail(call, -EINVAL, "has an axis that its input lacks");
	*ret_axis = (int)axis;
	return 0;
}

/* ---- Function: of one element, in any order ----------------------------------------------------- */

static float apply(int64_t function, float x, float a, float b, float c)
{
	switch (function) {
	case NCNN_FLOOR:
		return floorf(x);
	case NCNN_CEIL:
		return ceilf(x);
	case NCNN_SIN:
		return sinf(x);
	case NCNN_COS:
		return cosf(x);
	case NCNN_TAN:
		return tanf(x);
	case NCNN_ASIN:
		return asinf(x);
	case NCNN_ACOS:
		return acosf(x);
	case NCNN_ATAN:
		return atanf(x);
	case NCNN_RECIPROCAL:
		return 1.0f / x;
	case NCNN_LOG10:
		return log10f(x);
	case NCNN_ROUND:
		return nearbyintf(x);
	case NCNN_TRUNC:
		return truncf(x);
	case NCNN_BNLL:
	case NCNN_SOFTPLUS:
		return x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x));
	case NCNN_ERF:
		return erff(x);
	case NCNN_GELU_TANH:
		return 0.5f * x * (1.0f + tanhf(0.79788452f * (x + 0.044715f * x * x * x)));
	case NCNN_CELU:
		return x < 0 ? (expf(x / a) - 1.0f) * a : x;
	case NCNN_SELU:
		return x < 0 ? (expf(x) - 1.0f) * a * b : x * b;
	case NCNN_SHRINK:
		return x < -b ? x + a : x > b ? x - a : 0.0f;
	case NCNN_THRESHOLD:
		return x > a ? 1.0f : 0.0f;
	case NCNN_POWER:
		return powf(c + x * b, a);
	case NCNN_EXP:
		return a == -1.0f ? expf(c + x * b) : powf(a, c + x * b);
	case NCNN_LOG:
		return a == -1.0f ? logf(c + x * b) : logf(c + x * b) / logf(a);
	case NCNN_RPOW:
		return powf(a, x);
	case NCNN_ATAN2:
		return atan2f(x, a);
	default:
		return atan2f(a, x);
	}
}

static int infer_function(struct engine_call *call)
{
	int64_t function = engine_attribute_integer(call->attributes, "function", -1);

	if (function < 0 || function >= NCNN_FUNCTION_COUNT || call->inputs[0]->type != ENGINE_F32)
		return call_fail(call, -EINVAL, "is no function of floats");
	return call_set_like(call, 0, call->inputs[0]);
}

static int run_function(struct engine_call *call)
{
	int64_t function = engine_attribute_integer(call->attributes, "function", -1);
	float a = (float)engine_attribute_number(call->attributes, "a", 0);
	float b = (float)engine_attribute_number(call->attributes, "b", 0);
	float c = (float)engine_attribute_number(call->attributes, "c", 0);
	const float *x = call->inputs[0]->data;
	float *y = ncnn_output(call, 0);

	for (size_t i = 0; i < tensor_count(call->inputs[0]); i++)
		y[i] = apply(function, x[i], a, b, c);
	return 0;
}

/* ---- BinaryOp ---------------------------------------------------------------------------------- */

/* The operand of fewer axes gets axes of 1, so that it fits the other's outer axes or, as a vector, its inner one. */
static void expand_view(struct ncnn_view *v, const struct ncnn_view *with)
{
	struct ncnn_view old = *v;
	bool inner = old.rank == 1 && old.n[0] != with->n[0];

	if (old.rank >= with->rank)
		return;
	v->rank = with->rank;
	for (int i = 0; i < v->rank; i++)
		v->n[i] = 1;
	if (inner)
		v->n[v->rank - 1] = old.n[0];
	else
		memcpy(v->n, old.n, (size_t)old.rank * sizeof(*old.n));
}

static int read_binary(struct engine_call *call, struct ncnn_view *a, struct ncnn_view *b, struct ncnn_view *out)
{
	int r = ncnn_view_input(call, 0, a);

	if (r == 0)
		r = ncnn_view_input(call, 1, b);
	if (r < 0)
		return r;
	expand_view(a, b);
	expand_view(b, a);
	*out = (struct ncnn_view){.rank = a->rank};
	for (int i = 0; i < a->rank; i++) {
		if (a->n[i] != b->n[i] && a->n[i] != 1 && b->n[i] != 1)
			return call_fail(call, -EINVAL, "cannot broadcast %d and %d", a->n[i], b->n[i]);
		out->n[i] = a->n[i] > b->n[i] ? a->n[i] : b->n[i];
	}
	return 0;
}

static float combine(int64_t op, float a, float b)
{
	switch (op) {
	case 0:
		return a + b;
	case 1:
		return a - b;
	case 2:
		return a * b;
	case 3:
		return a / b;
	case 4:
		return a > b ? a : b;
	case 5:
		return a < b ? a : b;
	case 6:
		return powf(a, b);
	case 7:
		return b - a;
	case 8:
		return b / a;
	case 9:
		return powf(b, a);
	case 10:
		return atan2f(a, b);
	default:
		return atan2f(b, a);
	}
}

static int infer_binary(struct engine_call *call)
{
	struct ncnn_view a, b, out;
	int r = read_binary(call, &a, &b, &out);

	return r < 0 ? r : set_like(call, 0, &out);
}

static void broadcast_strides(const struct ncnn_view *v, ptrdiff_t stride[NCNN_RANK_MAX])
{
	for (int i = 0; i < v->rank; i++)
		stride[i] = v->n[i] == 1 ? 0 : (ptrdiff_t)ncnn_span(v, i + 1, v->rank);
}

static int run_binary(struct engine_call *call)
{
	int64_t op = ncnn_key_int(call, 0, 0);
	ptrdiff_t stride[NCNN_RANK_MAX];
	struct ncnn_view a, b, out;
	struct odometer at;

	read_binary(call, &a, &b, &out);
	odometer_init(&at, out.rank, out.n);
	broadcast_strides(&a, stride);
	odometer_add_strides(&at, stride, 0);
	broadcast_strides(&b, stride);
	odometer_add_strides(&at, stride, 0);
	for (; !at.done; odometer_next(&at))
		ncnn_output(call, 0)[at.index] = combine(op, a.x[at.offset[0]], b.x[at.offset[1]]);
	return 0;
}

/* ---- PReLU, Quantize, Dequantize: a factor for each index of the first axis, one for all of a vector ---- */

static size_t factor_index(const struct ncnn_view *x, size_t i, size_t count)
{
	return count == 1 || x->rank == 1 ? 0 : i / ncnn_span(x, 1, x->rank);
}

static int infer_factors(struct engine_call *call)
{
	struct ncnn_view x;
	int r = ncnn_view_input(call, 0, &x);

	for (int i = 1; i < call->n_inputs && r == 0; i++) {
		const struct engine_tensor *t = call_input(call, i);

		r = ncnn_want(call, i, t && tensor_count(t) == 1 ? 1 : (size_t)x.n[0]);
	}
	return r < 0 ? r : set_like(call, 0, &x);
}

static float factor(const struct engine_call *call, const struct ncnn_view *x, int input, size_t i)
{
	const struct engine_tensor *t = call_input(call, input);

	return ((const float *)t->data)[factor_index(x, i, tensor_count(t))];
}

static int run_prelu(struct engine_call *call)
{
	struct ncnn_view x;

	ncnn_view_input(call, 0, &x);
	for (size_t i = 0; i < ncnn_elements(&x); i++)
		ncnn_output(call, 0)[i] = x.x[i] < 0 ? x.x[i] * factor(call, &x, 1, i) : x.x[i];
	return 0;
}

/* As an int8 would hold it. */
static int run_quantize(struct engine_call *call)
{
	struct ncnn_view x;

	ncnn_view_input(call, 0, &x);
	for (size_t i = 0; i < ncnn_elements(&x); i++)
		ncnn_output(call, 0)[i] = fminf(fmaxf(roundf(x.x[i] * factor(call, &x, 1, i)), -127.0f), 127.0f);
	return 0;
}

static int run_dequantize(struct engine_call *call)
{
	struct ncnn_view x;

	ncnn_view_input(call, 0, &x);
	for (size_t i = 0; i < ncnn_elements(&x); i++)
		ncnn_output(call, 0)[i] =
			x.x[i] * factor(call, &x, 1, i) + (call->n_inputs > 2 ? factor(call, &x, 2, i) : 0.0f);
	return 0;
}

/* ---- ArgMax: the indexes of the largest elements, their values above them ------------------------ */

static int infer_argmax(struct engine_call *call)
{
	bool values = ncnn_key_int(call, 0, 0) != 0;
	int64_t top = ncnn_key_int(call, 1, 1);
	struct ncnn_view x;
	int r = ncnn_view_input(call, 0, &x);

	if (r < 0)
		return r;
	if (top < 1 || (uint64_t)top > ncnn_elements(&x))
		return call_fail(call, -EINVAL, "wants %lld elements", (long long)top);
	call->scratch_bytes = (size_t)top * sizeof(size_t);
	call->macs = ncnn_elements(&x) * (uint64_t)top;
	return ncnn_set_shape(call, 0, 2, (int64_t[]){values ? 2 : 1, top});
}

static int run_argmax(struct engine_call *call)
{
	bool values = ncnn_key_int(call, 0, 0) != 0;
	size_t top = (size_t)ncnn_key_int(call, 1, 1), kept = 0, *best = call->scratch;
	float *y = ncnn_output(call, 0);
	struct ncnn_view x;

	ncnn_view_input(call, 0, &x);
	/* Sorted as they come: of equal ones the last. */
	for (size_t i = 0; i < ncnn_elements(&x); i++) {
		size_t at = kept < top ? kept++ : top;

		while (at > 0 && x.x[i] >= x.x[best[at - 1]]) {
			if (at < top)
				best[at] = best[at - 1];
			at--;
		}
		if (at < top)
			best[at] = i;
	}
	for (size_t i = 0; i < top; i++) {
		y[values ? top + i : i] = (float)best[i];
		if (values)
			y[i] = x.x[best[i]];
	}
	return 0;
}

/* ---- boxes: Crop, Slice, Padding ----------------------------------------------------------------- */

/* Copies from x, whose elements behind `begin` are taken, into all of the output. */
static void copy_box(const struct ncnn_view *x, const int64_t *begin, struct engine_call *call, int output)
{
	const struct engine_tensor *y = call->outputs[output];
	ptrdiff_t stride[NCNN_RANK_MAX], offset = 0;
	struct odometer at;
	int lead = y->rank > 3;

	for (int i = 0; i < x->rank; i++) {
		stride[i] = (ptrdiff_t)ncnn_span(x, i + 1, x->rank);
		offset += (ptrdiff_t)begin[i] * stride[i];
	}
	odometer_init(&at, x->rank, y->dims + lead);
	odometer_add_strides(&at, stride, offset);
	for (; !at.done; odometer_next(&at))
		ncnn_output(call, output)[at.index] = x->x[at.offset[0]];
}

/* With starts, ends and perhaps axes, as Python slices. */
static int crop_by_ends(struct engine_call *call, const struct ncnn_view *x, int64_t *begin, int64_t *size)
{
	int n_starts, n_ends, n_axes;
	const int64_t *starts = ncnn_key_ints(call, 9, &n_starts), *ends = ncnn_key_ints(call, 10, &n_ends);
	const int64_t *axes = ncnn_key_ints(call, 11, &n_axes);
	int n = n_axes ? n_axes : x->rank;

	if (n_starts < n || n_ends < n || n > x->rank)
		return call_fail(call, -EINVAL, "has no start and end for each axis");
	for (int i = 0; i < n; i++) {
		int64_t start = starts[i] == NCNN_DEFAULT ? 0 : starts[i], end;
		int axis = 0, r = axis_of(call, n_axes ? axes[i] : i, x->rank, &axis);

		if (r < 0)
			return r;
		end = ends[i] == NCNN_DEFAULT ? x->n[axis] : ends[i];
		begin[axis] = start >= 0 ? start : x->n[axis] + start;
		end = end > 0 ? end : x->n[axis] + end;
		size[axis] = (end < x->n[axis] ? end : x->n[axis]) - begin[axis];
	}
	return 0;
}

/* Keys of the offset, the size and the offset from the far side: of w, h, d and c. */
static const int crop_keys[4][3] = {{0, 3, 6}, {1, 4, 7}, {13, 14, 15}, {2, 5, 8}};

static const int *keys_of_axis(int rank, int axis)
{
	int inner = rank - 1 - axis;

	return crop_keys[inner == 2 && rank == 3 ? 3 : inner];
}

/* With a second blob: of its size.  Its channels count where it has any. */
static void crop_by_reference(struct engine_call *call, const struct ncnn_view *x, const struct ncnn_view *ref,
			      int64_t *begin, int64_t *size)
{
	for (int i = 0; i < x->rank; i++) {
		int inner = x->rank - 1 - i;
		int from = ref->rank - 1 - inner;

		begin[i] = ncnn_key_int(call, keys_of_axis(x->rank, i)[0], 0);
		size[i] = from >= 0 ? ref->n[from] : x->n[i];
	}
}

static void crop_by_sizes(struct engine_call *call, const struct ncnn_view *x, int64_t *begin, int64_t *size)
{
	for (int i = 0; i < x->rank; i++) {
		const int *keys = keys_of_axis(x->rank, i);
		int64_t wanted = ncnn_key_int(call, keys[1], NCNN_DEFAULT);

		begin[i] = ncnn_key_int(call, keys[0], 0);
		size[i] = x->n[i] - begin[i] - ncnn_key_int(call, keys[2], 0);
		if (wanted > 0 && wanted < size[i])
			size[i] = wanted;
	}
}

static int read_crop(struct engine_call *call, struct ncnn_view *x, int64_t *begin, int64_t *size)
{
	int n_starts, r = ncnn_view_input(call, 0, x);
	struct ncnn_view ref;

	for (int i = 0; i < NCNN_RANK_MAX && r == 0; i++) {
		begin[i] = 0;
		size[i] = i < x->rank ? x->n[i] : 1;
	}
	if (r < 0)
		return r;
	ncnn_key_ints(call, 9, &n_starts);
	if (n_starts) {
		r = crop_by_ends(call, x, begin, size);
	} else if (call->n_inputs > 1) {
		r = ncnn_view_input(call, 1, &ref);
		if (r == 0)
			crop_by_reference(call, x, &ref, begin, size);
	} else {
		crop_by_sizes(call, x, begin, size);
	}
	for (int i = 0; i < x->rank && r == 0; i++)
		if (begin[i] < 0 || size[i] < 1 || begin[i] + size[i] > x->n[i])
			return call_fail(call, -EINVAL, "takes %lld from %lld of %d", (long long)size[i],
					 (long long)begin[i], x->n[i]);
	return r;
}

static int infer_crop(struct engine_call *call)
{
	int64_t begin[NCNN_RANK_MAX], size[NCNN_RANK_MAX];
	struct ncnn_view x;
	int r = read_crop(call, &x, begin, size);

	return r < 0 ? r : ncnn_set_shape(call, 0, x.rank, size);
}

static int run_crop(struct engine_call *call)
{
	int64_t begin[NCNN_RANK_MAX], size[NCNN_RANK_MAX];
	struct ncnn_view x;

	read_crop(call, &x, begin, size);
	copy_box(&x, begin, call, 0);
	return 0;
}

/* CopyTo: the second blob over a part of the first, which begins where offsets or a list say. */
static int read_copy_to(struct engine_call *call, struct ncnn_view *x, struct ncnn_view *part, int64_t *begin)
{
	int n_starts, n_axes, axis = 0, r = ncnn_view_input(call, 0, x);
	const int64_t *starts = ncnn_key_ints(call, 9, &n_starts), *axes = ncnn_key_ints(call, 11, &n_axes);

	if (r == 0)
		r = ncnn_view_input(call, 1, part);
	if (r < 0)
		return r;
	if (part->rank != x->rank || n_starts > x->rank || (n_axes && n_axes < n_starts))
		return call_fail(call, -EINVAL, "has parts of different numbers of axes");
	for (int i = 0; i < x->rank; i++)
		begin[i] = n_starts ? 0 : ncnn_key_int(call, keys_of_axis(x->rank, i)[0], 0);
	for (int i = 0; i < n_starts; i++) {
		r = axis_of(call, n_axes ? axes[i] : i, x->rank, &axis);
		if (r < 0)
			return r;
		begin[axis] = starts[i] >= 0 ? starts[i] : starts[i] == NCNN_DEFAULT ? 0 : starts[i] + x->n[axis];
	}
	for (int i = 0; i < x->rank; i++)
		if (begin[i] < 0 || begin[i] + part->n[i] > x->n[i])
			return call_fail(call, -EINVAL, "copies %d to %lld of %d", part->n[i], (long long)begin[i],
					 x->n[i]);
	return 0;
}

static int infer_copy_to(struct engine_call *call)
{
	int64_t begin[NCNN_RANK_MAX];
	struct ncnn_view x, part;
	int r = read_copy_to(call, &x, &part, begin);

	return r < 0 ? r : set_like(call, 0, &x);
}

static int run_copy_to(struct engine_call *call)
{
	int64_t begin[NCNN_RANK_MAX] = {0};
	ptrdiff_t stride[NCNN_RANK_MAX], offset = 0;
	struct ncnn_view x, part;
	struct odometer at;

	read_copy_to(call, &x, &part, begin);
	memcpy(ncnn_output(call, 0), x.x, ncnn_elements(&x) * sizeof(*x.x));
	for (int i = 0; i < x.rank; i++) {
		stride[i] = (ptrdiff_t)ncnn_span(&x, i + 1, x.rank);
		offset += (ptrdiff_t)begin[i] * stride[i];
	}
	odometer_init(&at, part.rank, part.n);
	odometer_add_strides(&at, stride, offset);
	for (; !at.done; odometer_next(&at))
		ncnn_output(call, 0)[at.offset[0]] = part.x[at.index];
	return 0;
}

/* Where output i begins, and how long it is: sizes, equal parts of what is left, or the indices where parts end. */
static int slice_part(struct engine_call *call, const struct ncnn_view *x, int axis, int i, int64_t *begin,
		      int64_t *size)
{
	int n_sizes, n_ends;
	const int64_t *sizes = ncnn_key_ints(call, 0, &n_sizes), *ends = ncnn_key_ints(call, 2, &n_ends);
	bool last = i + 1 == call->n_outputs;

	if (n_ends ? i >= n_ends && !last : i >= n_sizes)
		return call_fail(call, -EINVAL, "has no length for output %d", i);
	if (n_ends) {
		int64_t end = last && i >= n_ends ? x->n[axis] : ends[i] < 0 ? x->n[axis] + ends[i] : ends[i];

		*size = (last ? x->n[axis] : end) - *begin;
	} else {
		*size = sizes[i] == NCNN_DEFAULT ? (x->n[axis] - *begin) / (call->n_outputs - i) : sizes[i];
	}
	if (*size < 1 || *size > x->n[axis] - *begin)
		return call_fail(call, -EINVAL, "takes %lld from %lld of %d", (long long)*size, (long long)*begin,
				 x->n[axis]);
	return 0;
}

static int each_slice(struct engine_call *call, bool run)
{
	int64_t begin[NCNN_RANK_MAX] = {0}, n[NCNN_RANK_MAX], size = 0;
	struct ncnn_view x;
	int axis = 0, r = ncnn_view_input(call, 0, &x);

	if (r == 0)
		r = axis_of(call, ncnn_key_int(call, 1, 0), x.rank, &axis);
	for (int i = 0; i < call->n_outputs && r == 0; i++) {
		r = slice_part(call, &x, axis, i, &begin[axis], &size);
		for (int k = 0; k < x.rank && r == 0; k++)
			n[k] = k == axis ? size : x.n[k];
		if (r == 0 && run)
			copy_box(&x, begin, call, i);
		else if (r == 0)
			r = ncnn_set_shape(call, i, x.rank, n);
		begin[axis] += size;
	}
	return r;
}

static int infer_slice(struct engine_call *call)
{
	return each_slice(call, false);
}

static int run_slice(struct engine_call *call)
{
	return each_slice(call, true);
}

/* Keys of what comes before and behind each axis: of w, h and the outermost of three or the depth of four. */
static const int pad_keys[3][2] = {{2, 3}, {0, 1}, {7, 8}};

static int read_padding(struct engine_call *call, struct ncnn_view *x, int64_t *before, int64_t *size)
{
	int64_t type = ncnn_key_int(call, 4, 0);
	int r = ncnn_view_input(call, 0, x);

	if (r < 0)
		return r;
	if (type < 0 || type > 2)
		return call_fail(call, -EINVAL, "pads in an unknown way");
	for (int i = 0; i < x->rank; i++) {
		int inner = x->rank - 1 - i;
		int64_t behind = inner < 3 ? ncnn_key_int(call, pad_keys[inner][1], 0) : 0;

		before[i] = inner < 3 ? ncnn_key_int(call, pad_keys[inner][0], 0) : 0;
		size[i] = x->n[i] + before[i] + behind;
		if (before[i] < 0 || behind < 0 || (type == 2 && (before[i] >= x->n[i] || behind >= x->n[i])))
			return call_fail(call, -EINVAL, "pads axis %d of %d by %lld and %lld", i, x->n[i],
					 (long long)before[i], (long long)behind);
	}
	return ncnn_key_int(call, 6, 0) ? ncnn_want(call, 1, (size_t)size[0]) : 0;
}

static int infer_padding(struct engine_call *call)
{
	int64_t before[NCNN_RANK_MAX], size[NCNN_RANK_MAX];
	struct ncnn_view x;
	int r = read_padding(call, &x, before, size);

	return r < 0 ? r : ncnn_set_shape(call, 0, x.rank, size);
}

/* The index that an element outside takes its value from: the edge's, or what lies as far inside. */
static int64_t from_inside(int64_t i, int64_t n, bool reflect)
{
	if (i >= 0 && i < n)
		return i;
	if (!reflect)
		return i < 0 ? 0 : n - 1;
	return i < 0 ? -i : 2 * (n - 1) - i;
}

static int run_padding(struct engine_call *call)
{
	int64_t before[NCNN_RANK_MAX], size[NCNN_RANK_MAX], type = ncnn_key_int(call, 4, 0);
	const float *each = ncnn_key_int(call, 6, 0) ? call->inputs[1]->data : NULL;
	float value = (float)ncnn_key_float(call, 5, 0);
	const struct engine_tensor *y = call->outputs[0];
	struct ncnn_view x;
	struct odometer at;

	read_padding(call, &x, before, size);
	odometer_init(&at, x.rank, y->dims + (y->rank > 3));
	for (; !at.done; odometer_next(&at)) {
		size_t from = 0;
		bool outside = false;

		for (int i = 0; i < x.rank; i++) {
			int64_t k = at.at[i] - before[i];

			outside |= k < 0 || k >= x.n[i];
			from = from * (size_t)x.n[i] + (size_t)from_inside(k, x.n[i], type == 2);
		}
		ncnn_output(call, 0)[at.index] = !outside || type ? x.x[from] : each ? each[at.at[0]] : value;
	}
	return 0;
}

/* ---- Tile --------------------------------------------------------------------------------------- */

static int read_tile(struct engine_call *call, struct ncnn_view *x, int64_t *n)
{
	int n_repeats, axis = 0, r = ncnn_view_input(call, 0, x), rank;
	const int64_t *repeats = ncnn_key_ints(call, 2, &n_repeats);
	struct ncnn_view old = *x;

	if (r < 0)
		return r;
	rank = n_repeats > x->rank ? n_repeats : x->rank;
	if (rank > NCNN_RANK_MAX)
		return call_fail(call, -ENOTSUP, "makes a blob of %d axes", rank);
	x->rank = rank;
	for (int i = 0; i < rank; i++) {
		/* An image among blobs of four axes has a depth of 1. */
		int from = i - (rank - old.rank) + (old.rank == 3 && rank == 4 && i == 0);

		x->n[i] = from < 0 || (old.rank == 3 && rank == 4 && i == 1) ? 1 : old.n[from];
		n[i] = i < rank - n_repeats ? 1 : repeats[i - (rank - n_repeats)];
	}
	if (!n_repeats) {
		r = axis_of(call, ncnn_key_int(call, 0, 0), rank, &axis);
		n[axis] = ncnn_key_int(call, 1, 1);
	}
	for (int i = 0; i < rank && r == 0; i++) {
		if (n[i] < 1 || n[i] > INT32_MAX)
			return call_fail(call, -EINVAL, "repeats an axis %lld times", (long long)n[i]);
		n[i] *= x->n[i];
	}
	return r;
}

static int infer_tile(struct engine_call *call)
{
	int64_t n[NCNN_RANK_MAX];
	struct ncnn_view x;
	int r = read_tile(call, &x, n);

	return r < 0 ? r : ncnn_set_shape(call, 0, x.rank, n);
}

static int run_tile(struct engine_call *call)
{
	const struct engine_tensor *y = call->outputs[0];
	int64_t n[NCNN_RANK_MAX];
	struct ncnn_view x;
	struct odometer at;

	read_tile(call, &x, n);
	odometer_init(&at, x.rank, y->dims + (y->rank > 3));
	for (; !at.done; odometer_next(&at)) {
		size_t from = 0;

		for (int i = 0; i < x.rank; i++)
			from = from * (size_t)x.n[i] + (size_t)(at.at[i] % x.n[i]);
		ncnn_output(call, 0)[at.index] = x.x[from];
	}
	return 0;
}

/* ---- Reshape, Squeeze, ExpandDims: the same elements ---------------------------------------------- */

static int run_copy(struct engine_call *call)
{
	memcpy(call->outputs[0]->data, call->inputs[0]->data, tensor_count(call->outputs[0]) * sizeof(float));
	return 0;
}

static int infer_reshape(struct engine_call *call)
{
	static const int keys[] = {0, 1, 2};
	int64_t wanted[NCNN_RANK_MAX] = {0}, d = ncnn_key_int(call, 11, NCNN_DEFAULT), known = 1, all;
	struct ncnn_view x;
	int rank = 0, rest = -1, r = ncnn_view_input(call, 0, &x);

	if (r < 0)
		return r;
	/* From the inside: w, h, d where there is one, c. */
	for (int i = 0; i < 3; i++) {
		int64_t side = ncnn_key_int(call, keys[i], NCNN_DEFAULT), own[] = {ncnn_w(&x), ncnn_h(&x), ncnn_c(&x)};

		if (i == 2 && d != NCNN_DEFAULT)
			wanted[rank++] = d ? d : x.rank == 4 ? x.n[1] : 1;
		if (side != NCNN_DEFAULT)
			wanted[rank++] = side ? side : own[i];
	}
	all = (int64_t)ncnn_elements(&x);
	for (int i = 0; i < rank; i++) {
		if (wanted[i] == -1 && rest < 0)
			rest = i;
		else if (wanted[i] < 1 || wanted[i] > all / known)
			return call_fail(call, -EINVAL, "wants a shape that its input does not fill");
		else
			known *= wanted[i];
	}
	if (!rank || (rest >= 0 ? all % known != 0 : all != known))
		return call_fail(call, -EINVAL, "wants a shape that its input does not fill");
	if (rest >= 0)
		wanted[rest] = all / known;
	for (int i = 0; i < rank / 2; i++) {
		int64_t side = wanted[i];

		wanted[i] = wanted[rank - 1 - i];
		wanted[rank - 1 - i] = side;
	}
	return ncnn_set_shape(call, 0, rank, wanted);
}

/* Attribute "axes": those of the input that are 1 and go. */
static int infer_squeeze(struct engine_call *call)
{
	int n_axes, rank = 0, r;
	const int64_t *axes = engine_attribute_integers(call->attributes, "axes", &n_axes);
	bool gone[NCNN_RANK_MAX] = {false};
	int64_t n[NCNN_RANK_MAX] = {1};
	struct ncnn_view x;

	r = ncnn_view_input(call, 0, &x);
	for (int i = 0; i < n_axes && r == 0; i++) {
		if (axes[i] < 0 || axes[i] >= x.rank || x.n[axes[i]] != 1)
			return call_fail(call, -ENOTSUP, "takes away an axis that is not 1");
		gone[axes[i]] = true;
	}
	for (int i = 0; r == 0 && i < x.rank; i++)
		if (!gone[i])
			n[rank++] = x.n[i];
	return r < 0 ? r : ncnn_set_shape(call, 0, rank ? rank : 1, n);
}

/* Attribute "axes": those of the output that are new, in order. */
static int infer_expand(struct engine_call *call)
{
	int n_axes, next = 0, k = 0, r;
	const int64_t *axes = engine_attribute_integers(call->attributes, "axes", &n_axes);
	int64_t n[NCNN_RANK_MAX];
	struct ncnn_view x;

	r = ncnn_view_input(call, 0, &x);
	if (r < 0)
		return r;
	if (x.rank + n_axes > NCNN_RANK_MAX)
		return call_fail(call, -ENOTSUP, "makes a blob of %d axes", x.rank + n_axes);
	for (int i = 0; i < x.rank + n_axes; i++) {
		if (next < n_axes && axes[next] == i) {
			n[i] = 1;
			next++;
		} else if (k < x.rank) {
			n[i] = x.n[k++];
		} else {
			return call_fail(call, -EINVAL, "adds an axis that cannot be");
		}
	}
	return ncnn_set_shape(call, 0, x.rank + n_axes, n);
}

/* ---- PixelShuffle, Reorg --------------------------------------------------------------------------- */

static int read_blocks(struct engine_call *call, struct ncnn_view *x, int64_t *ret_side)
{
	int r = ncnn_view_input(call, 0, x);

	*ret_side = ncnn_key_int(call, 0, 1);
	if (r < 0)
		return r;
	if (x->rank != 3 || *ret_side < 1 || *ret_side > 1 << 14)
		return call_fail(call, -EINVAL, "reads no image, or has blocks of %lld", (long long)*ret_side);
	return 0;
}

static int infer_pixel_shuffle(struct engine_call *call)
{
	struct ncnn_view x;
	int64_t side;
	int r = read_blocks(call, &x, &side);

	return r < 0 ? r
		     : ncnn_set_shape(call, 0, 3, (int64_t[]){x.n[0] / (side * side), x.n[1] * side, x.n[2] * side});
}

/* The channel of the deep image that element (dy, dx) of a block of channel c is in. */
static size_t deep_channel(bool by_position, size_t c, size_t channels, size_t dy, size_t dx, size_t side)
{
	return by_position ? (dy * side + dx) * channels + c : (c * side + dy) * side + dx;
}

static int run_pixel_shuffle(struct engine_call *call)
{
	bool by_position = ncnn_key_int(call, 1, 0) != 0;
	size_t channels, height, width, side, i = 0;
	struct ncnn_view x;
	int64_t block;

	read_blocks(call, &x, &block);
	side = (size_t)block;
	channels = (size_t)x.n[0] / (side * side);
	height = (size_t)x.n[1];
	width = (size_t)x.n[2];
	for (size_t c = 0; c < channels; c++)
		for (size_t h = 0; h < height * side; h++)
			for (size_t w = 0; w < width * side; w++) {
				size_t from = deep_channel(by_position, c, channels, h % side, w % side, side);

				ncnn_output(call, 0)[i++] = x.x[(from * height + h / side) * width + w / side];
			}
	return 0;
}

static int infer_reorg(struct engine_call *call)
{
	struct ncnn_view x;
	int64_t side;
	int r = read_blocks(call, &x, &side);

	return r < 0 ? r : ncnn_set_shape(call, 0, 3, (int64_t[]){x.n[0] * side * side, x.n[1] / side, x.n[2] / side});
}

static int run_reorg(struct engine_call *call)
{
	bool by_position = ncnn_key_int(call, 1, 0) != 0;
	size_t channels, height, width, side;
	struct ncnn_view x;
	int64_t block;

	read_blocks(call, &x, &block);
	side = (size_t)block;
	channels = (size_t)x.n[0];
	height = (size_t)x.n[1] / side;
	width = (size_t)x.n[2] / side;
	for (size_t c = 0; c < channels; c++)
		for (size_t h = 0; h < height * side; h++)
			for (size_t w = 0; w < width * side; w++) {
				size_t to = deep_channel(by_position, c, channels, h % side, w % side, side);

				ncnn_output(call, 0)[(to * height + h / side) * width + w / side] =
					x.x[(c * (size_t)x.n[1] + h) * (size_t)x.n[2] + w];
			}
	return 0;
}

/* ---- GLU: one half of an axis, times the sigmoid of the other ------------------------------------- */

static int read_glu(struct engine_call *call, struct ncnn_view *x, int *ret_axis)
{
	int r = ncnn_view_input(call, 0, x);

	return r < 0 ? r : axis_of(call, ncnn_key_int(call, 0, 0), x->rank, ret_axis);
}

static int infer_glu(struct engine_call *call)
{
	int64_t n[NCNN_RANK_MAX];
	struct ncnn_view x;
	int axis = 0, r = read_glu(call, &x, &axis);

	for (int i = 0; r == 0 && i < x.rank; i++)
		n[i] = i == axis ? x.n[i] / 2 : x.n[i];
	return r < 0 ? r : ncnn_set_shape(call, 0, x.rank, n);
}

static int run_glu(struct engine_call *call)
{
	float *y = ncnn_output(call, 0);
	size_t outer, inner, half;
	struct ncnn_view x;
	int axis = 0;

	read_glu(call, &x, &axis);
	outer = ncnn_span(&x, 0, axis);
	half = (size_t)x.n[axis] / 2;
	inner = ncnn_span(&x, axis + 1, x.rank);
	for (size_t o = 0; o < outer; o++) {
		const float *from = x.x + o * (size_t)x.n[axis] * inner;

		for (size_t i = 0; i < half * inner; i++)
			*y++ = from[i] / (1.0f + expf(-from[half * inner + i]));
	}
	return 0;
}

/* ---- Embed: rows of a table; words beyond it are its last or first -------------------------------- */

static int infer_embed(struct engine_call *call)
{
	int64_t out = ncnn_key_int(call, 0, 0), words = ncnn_key_int(call, 1, 0);
	const struct engine_tensor *x = call->inputs[0];
	int r;

	if (x->rank != 1 || x->type != ENGINE_S32 || out < 1 || words < 1 || out > INT32_MAX || words > INT32_MAX)
		return call_fail(call, -EINVAL, "reads no list of words, or has no table");
	r = ncnn_want(call, 1, (size_t)(out * words));
	if (r == 0 && call->n_inputs > 2)
		r = ncnn_want(call, 2, (size_t)out);
	return r < 0 ? r : ncnn_set_shape(call, 0, 2, (int64_t[]){x->dims[0], out});
}

static int run_embed(struct engine_call *call)
{
	int64_t out = ncnn_key_int(call, 0, 0), words = ncnn_key_int(call, 1, 0);
	const float *table = call->inputs[1]->data, *bias = call->n_inputs > 2 ? call->inputs[2]->data : NULL;
	float *y = ncnn_output(call, 0);

	for (size_t i = 0; i < tensor_count(call->inputs[0]); i++) {
		int64_t word = ((const int32_t *)call->inputs[0]->data)[i];

		word = word < 0 ? 0 : word >= words ? words - 1 : word;
		for (int64_t k = 0; k < out; k++)
			*y++ = table[word * out + k] + (bias ? bias[k] : 0.0f);
	}
	return 0;
}

const struct engine_operator ncnn_moving_operators[] = {
	{.name = "ArgMax", 1, 1, 1, infer_argmax, .run = run_argmax},
	{.name = "BinaryOp", 2, 2, 1, infer_binary, .run = run_binary},
	{.name = "CopyTo", 2, 2, 1, infer_copy_to, .run = run_copy_to},
	{.name = "Crop", 1, 2, 1, infer_crop, .run = run_crop},
	{.name = "Dequantize", 2, 3, 1, infer_factors, .run = run_dequantize},
	{.name = "Embed", 2, 3, 1, infer_embed, .run = run_embed},
	{.name = "ExpandDims", 1, 1, 1, infer_expand, .run = run_copy},
	{.name = "Function", 1, 1, 1, infer_function, .run = run_function},
	{.name = "GLU", 1, 1, 1, infer_glu, .run = run_glu},
	{.name = "PReLU", 2, 2, 1, infer_factors, .run = run_prelu},
	{.name = "Padding", 1, 2, 1, infer_padding, .run = run_padding},
	{.name = "PixelShuffle", 1, 1, 1, infer_pixel_shuffle, .run = run_pixel_shuffle},
	{.name = "Quantize", 2, 2, 1, infer_factors, .run = run_quantize},
	{.name = "Reorg", 1, 1, 1, infer_reorg, .run = run_reorg},
	{.name = "Reshape", 1, 1, 1, infer_reshape, .run = run_copy},
	{.name = "Slice", 1, 1, ENGINE_OPERATOR_IO_MAX, infer_slice, .run = run_slice},
	{.name = "Squeeze", 1, 1, 1, infer_squeeze, .run = run_copy},
	{.name = "Tile", 1, 1, 1, infer_tile, .run = run_tile},
	{.name = NULL},
};
