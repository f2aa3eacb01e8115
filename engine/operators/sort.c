/* sort.c - operators that order elements or find those that are different or not zero. */
#include <math.h>
#include <stdlib.h>

#include "operators.h"

/* ---- TopK --------------------------------------------------------------------------------------- */

struct ranked {
	double value;
	int64_t integer;
	int32_t index;
	bool real, smallest;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int order = x->real ? (x->value < y->value) - (x->value > y->value)
			    : (x->integer < y->integer) - (x->integer > y->integer);

	order = x->smallest ? -order : order;
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int infer_top_k(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", -1), x->rank), r;
	struct engine_tensor shape = *x;
	int64_t k;

	call->outputs[0]->type = x->type;
	if (call->n_outputs > 1)
		call->outputs[1]->type = ENGINE_S64;
	if (axis < 0)
		return axis;
	call->scratch_bytes = (size_t)x->dims[axis] * sizeof(struct ranked);
	r = call_integer(call, "k", 1, -1, &k);
	if (r < 0)
		return r;
	if (k < 0 || k > x->dims[axis])
		return call_fail(call, -EINVAL, "wants %lld of %d", (long long)k, x->dims[axis]);
	shape.dims[axis] = (int32_t)k;
	r = call_set_like(call, 0, &shape);
	return r < 0 ? r : call_set(call, 1, ENGINE_S64, shape.rank, shape.dims);
}

static int run_top_k(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct engine_tensor *y = call->outputs[0];
	bool smallest = engine_attribute_integer(call->attributes, "largest", 1) == 0;
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", -1), x->rank);
	size_t n = (size_t)x->dims[axis], k = (size_t)y->dims[axis], inner = tensor_span(x, axis + 1, x->rank);
	struct ranked *list = call->scratch;

	for (size_t row = 0; n && row < tensor_count(x) / n; row++) {
		size_t from = row / inner * inner * n + row % inner, to = row / inner * inner * k + row % inner;

		for (size_t i = 0; i < n; i++)
			list[i] = (struct ranked){tensor_real(x, from + i * inner), tensor_integer(x, from + i * inner),
						  (int32_t)i, type_is_real(x->type), smallest};
		qsort(list, n, sizeof(*list), compare_ranked);
		for (size_t i = 0; i < k; i++) {
			tensor_copy(y, to + i * inner, x, from + (size_t)list[i].index * inner);
			if (call->n_outputs > 1)
				tensor_put_integer(call->outputs[1], to + i * inner, list[i].index);
		}
	}
	return 0;
}

/* ---- NonZero ------------------------------------------------------------------------------------ */

static int infer_non_zero(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];

	return call_set(call, 0, ENGINE_S64, 2, (int32_t[]){x->rank, (int32_t)tensor_count(x)});
}

static int run_non_zero(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct engine_tensor *y = call->outputs[0];
	size_t n = 0, found = 0;
	struct odometer o;

	for (size_t i = 0; i < tensor_count(x); i++)
		n += tensor_real(x, i) != 0;
	y->dims[1] = (int32_t)n;
	odometer_init(&o, x->rank, x->dims);
	for (; !o.done; odometer_next(&o)) {
		if (tensor_real(x, o.index) == 0)
			continue;
		for (int i = 0; i < x->rank; i++)
			tensor_put_integer(y, (size_t)i * n + found, o.at[i]);
		found++;
	}
	return 0;
}

/* ---- Unique: y, [index of the first], [which of y each is], [how often] -------------------------- */

/* The slices along an axis, or all elements one by one. */
struct slices {
	const struct engine_tensor *x;
	size_t n, outer, inner;
};

static int read_slices(struct engine_call *call, struct slices *s)
{
	const struct engine_tensor *x = call->inputs[0];
	int n, axis;
	const int64_t *given = engine_attribute_integers(call->attributes, "axis", &n);

	*s = (struct slices){x, tensor_count(x), 1, 1};
	if (!n)
		return 0;
	axis = call_axis(call, given[0], x->rank);
	if (axis < 0)
		return axis;
	*s = (struct slices){x, (size_t)x->dims[axis], tensor_span(x, 0, axis), tensor_span(x, axis + 1, x->rank)};
	return axis + 1;
}

static int compare_slices(const struct slices *s, size_t a, size_t b)
{
	for (size_t o = 0; o < s->outer; o++)
		for (size_t i = 0; i < s->inner; i++) {
			double x = tensor_real(s->x, (o * s->n + a) * s->inner + i);
			double y = tensor_real(s->x, (o * s->n + b) * s->inner + i);

			if (x != y)
				return x < y ? -1 : 1;
		}
	return 0;
}

static int infer_unique(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct slices s;
	int axis = read_slices(call, &s), r;

	if (axis < 0)
		return axis;
	call->scratch_bytes = s.n * 2 * sizeof(size_t);
	r = axis ? call_set_like(call, 0, x) : call_set(call, 0, x->type, 1, (int32_t[]){(int32_t)s.n});
	for (int i = 1; i < 4 && r == 0; i++)
		r = call_set(call, i, ENGINE_S64, 1, (int32_t[]){(int32_t)s.n});
	return r;
}

/* Insertion into the list of what has been seen: `first[i]` is the slice that came first, in order of the list. */
static int run_unique(struct engine_call *call)
{
	bool sorted = engine_attribute_integer(call->attributes, "sorted", 1) != 0;
	size_t *first = call->scratch, n = 0;
	struct engine_tensor *y = call->outputs[0];
	struct slices s;
	int axis = read_slices(call, &s);

	for (size_t k = 0; k < s.n; k++) {
		size_t at = 0;

		while (at < n && compare_slices(&s, first[at], k) != 0)
			at++;
		if (at < n)
			continue;
		for (at = n; sorted && at > 0 && compare_slices(&s, first[at - 1], k) > 0; at--)
			first[at] = first[at - 1];
		first[at] = k;
		n++;
	}
	for (size_t u = 0; u < n; u++) {
		int64_t count = 0;

		for (size_t o = 0; o < s.outer; o++)
			for (size_t i = 0; i < s.inner; i++)
				tensor_copy(y, (o * n + u) * s.inner + i, s.x, (o * s.n + first[u]) * s.inner + i);
		for (size_t k = 0; k < s.n; k++) {
			if (compare_slices(&s, first[u], k) != 0)
				continue;
			count++;
			if (call->n_outputs > 2)
				tensor_put_integer(call->outputs[2], k, (int64_t)u);
		}
		if (call->n_outputs > 1)
			tensor_put_integer(call->outputs[1], u, (int64_t)first[u]);
		if (call->n_outputs > 3)
			tensor_put_integer(call->outputs[3], u, count);
	}
	y->dims[axis ? axis - 1 : 0] = (int32_t)n;
	for (int i = 1; i < 4; i += 2)
		if (call->n_outputs > i)
			call->outputs[i]->dims[0] = (int32_t)n;
	return 0;
}

OPERATOR(NonZero, 1, 1, 1, infer_non_zero, .run = run_non_zero, .shrinks = true);
OPERATOR(TopK, 1, 2, 2, infer_top_k, .run = run_top_k);
OPERATOR(Unique, 1, 1, 4, infer_unique, .run = run_unique, .shrinks = true);
