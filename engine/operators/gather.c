/* gather.c - operators that pick or place elements by indices. */
#include <math.h>
#include <string.h>

#include "operators.h"

/* An index into an axis, which may count from its end. */
static int64_t index_in(struct engine_call *call, const struct engine_tensor *indices, size_t i, int64_t side)
{
	int64_t index = tensor_integer(indices, i);

	if (index < -side || index >= side)
		return call_fail(call, -EDOM, "has index %lld of %lld", (long long)index, (long long)side);
	return index < 0 ? index + side : index;
}

static int want_indices(struct engine_call *call, int i)
{
	enum engine_type type = call->inputs[i]->type;

	return type == ENGINE_S32 || type == ENGINE_S64
		       ? 0
		       : call_fail(call, -EINVAL, "has %s indices", engine_type_name(type));
}

/* ---- Gather ------------------------------------------------------------------------------------- */

/* batch_dims is TensorFlow's: so many leading axes of both go together, and the indices' do not come again. */
static int gather_axes(struct engine_call *call, int *ret_batch)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank);
	int64_t batch = engine_attribute_integer(call->attributes, "batch_dims", 0);

	if (axis < 0)
		return axis;
	if (batch < 0)
		batch += indices->rank;
	if (batch < 0 || batch > axis || batch > indices->rank)
		return call_fail(call, -EINVAL, "has %lld axes of batches", (long long)batch);
	for (int i = 0; i < batch; i++)
		if (x->dims[i] != indices->dims[i])
			return call_fail(call, -EINVAL, "has batches of two sizes");
	*ret_batch = (int)batch;
	return axis;
}

static int infer_gather(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	int batch, axis = gather_axes(call, &batch), rank = 0;
	int32_t dims[2 * ENGINE_RANK_MAX];

	if (axis < 0 || want_indices(call, 1) < 0)
		return -EINVAL;
	for (int i = 0; i < axis; i++)
		dims[rank++] = x->dims[i];
	for (int i = batch; i < indices->rank; i++)
		dims[rank++] = indices->dims[i];
	for (int i = axis + 1; i < x->rank; i++)
		dims[rank++] = x->dims[i];
	return call_set(call, 0, x->type, rank, dims);
}

static int run_gather(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	int batch, axis = gather_axes(call, &batch);
	size_t bytes = tensor_span(x, axis + 1, x->rank) * engine_type_size(x->type);
	size_t n = tensor_span(indices, batch, indices->rank), outer = tensor_span(x, 0, axis);
	size_t inner = tensor_span(x, batch, axis), side = (size_t)x->dims[axis];

	for (size_t k = 0; k < outer; k++)
		for (size_t i = 0; i < n; i++) {
			int64_t index = index_in(call, indices, k / inner * n + i, x->dims[axis]);

			if (index < 0)
				return (int)index;
			memcpy((uint8_t *)call->outputs[0]->data + (k * n + i) * bytes,
			       (const uint8_t *)x->data + (k * side + (size_t)index) * bytes, bytes);
		}
	return 0;
}

/* ---- one element for each index ----------------------------------------------------------------- */

static int infer_gather_elements(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank);

	if (axis < 0 || want_indices(call, 1) < 0)
		return -EINVAL;
	if (indices->rank != x->rank)
		return call_fail(call, -EINVAL, "has indices of %d axes for %d", indices->rank, x->rank);
	for (int i = 0; i < x->rank; i++)
		if (i != axis && indices->dims[i] > x->dims[i])
			return call_fail(call, -EINVAL, "has more indices than elements on axis %d", i);
	return call_set(call, 0, x->type, x->rank, indices->dims);
}

static int run_gather_elements(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank);
	ptrdiff_t stride[ENGINE_RANK_MAX] = {0}, along;
	struct odometer o;

	tensor_strides(x, stride);
	along = stride[axis];
	stride[axis] = 0;
	odometer_init(&o, indices->rank, indices->dims);
	odometer_add_strides(&o, stride, 0);
	for (; !o.done; odometer_next(&o)) {
		int64_t index = index_in(call, indices, o.index, x->dims[axis]);

		if (index < 0)
			return (int)index;
		tensor_copy(call->outputs[0], o.index, x, (size_t)(o.offset[0] + index * along));
	}
	return 0;
}

/* ---- what joins the old element ----------------------------------------------------------------- */

static int want_reduction(struct engine_call *call)
{
	static const char *const known[] = {"none", "add", "mul", "min", "max"};
	const char *reduction = engine_attribute_text(call->attributes, "reduction", "none");

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(reduction, known[i]))
			return 0;
	return call_fail(call, -ENOTSUP, "has reduction %.20s", reduction);
}

static void join(struct engine_tensor *y, size_t at, const struct engine_tensor *x, size_t from, const char *reduction)
{
	double a, b;

	if (!strcmp(reduction, "none")) {
		tensor_copy(y, at, x, from);
		return;
	}
	a = tensor_real(y, at);
	b = tensor_real(x, from);
	tensor_put_real(y, at,
			!strcmp(reduction, "add")   ? a + b
			: !strcmp(reduction, "mul") ? a * b
			: !strcmp(reduction, "min") ? fmin(a, b)
						    : fmax(a, b));
}

static int infer_scatter_elements(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1], *updates = call->inputs[2];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank);
	int r = axis < 0 ? axis : want_indices(call, 1);

	if (r == 0)
		r = want_reduction(call);
	if (r < 0)
		return r;
	if (indices->rank != x->rank || updates->rank != x->rank || updates->type != x->type)
		return call_fail(call, -EINVAL, "has indices or updates of another shape or type");
	for (int i = 0; i < x->rank; i++)
		if (indices->dims[i] != updates->dims[i] || (i != axis && indices->dims[i] > x->dims[i]))
			return call_fail(call, -EINVAL, "has indices that do not fit on axis %d", i);
	return call_set_like(call, 0, x);
}

static int run_scatter_elements(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	const char *reduction = engine_attribute_text(call->attributes, "reduction", "none");
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank);
	ptrdiff_t stride[ENGINE_RANK_MAX] = {0}, along;
	struct odometer o;

	memcpy(call->outputs[0]->data, x->data, tensor_count(x) * engine_type_size(x->type));
	tensor_strides(x, stride);
	along = stride[axis];
	stride[axis] = 0;
	odometer_init(&o, indices->rank, indices->dims);
	odometer_add_strides(&o, stride, 0);
	for (; !o.done; odometer_next(&o)) {
		int64_t index = index_in(call, indices, o.index, x->dims[axis]);

		if (index < 0)
			return (int)index;
		join(call->outputs[0], (size_t)(o.offset[0] + index * along), call->inputs[2], o.index, reduction);
	}
	return 0;
}

/* ---- index tuples ------------------------------------------------------------------------------- */

static int infer_gather_nd(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	int64_t batch = engine_attribute_integer(call->attributes, "batch_dims", 0);
	int rank = 0, tuple;
	int32_t dims[2 * ENGINE_RANK_MAX];

	if (want_indices(call, 1) < 0)
		return -EINVAL;
	if (indices->rank < 1 || batch < 0 || batch >= indices->rank || batch > x->rank)
		return call_fail(call, -EINVAL, "has %lld batch axes", (long long)batch);
	tuple = indices->dims[indices->rank - 1];
	if (tuple < 1 || tuple > x->rank - batch)
		return call_fail(call, -EINVAL, "has tuples of %d", tuple);
	for (int i = 0; i < batch; i++)
		if (x->dims[i] != indices->dims[i])
			return call_fail(call, -EINVAL, "has batches of another length");
	for (int i = 0; i < indices->rank - 1; i++)
		dims[rank++] = indices->dims[i];
	for (int i = (int)batch + tuple; i < x->rank; i++)
		dims[rank++] = x->dims[i];
	return call_set(call, 0, x->type, rank, dims);
}

/* Where a tuple points to, in blocks of what lies behind it. */
static int64_t tuple_at(struct engine_call *call, const struct engine_tensor *x, const struct engine_tensor *indices,
			size_t tuple, int first_axis)
{
	int n = indices->dims[indices->rank - 1];
	int64_t at = 0;

	for (int i = 0; i < n; i++) {
		int64_t index = index_in(call, indices, tuple * (size_t)n + (size_t)i, x->dims[first_axis + i]);

		if (index < 0)
			return index;
		at = at * x->dims[first_axis + i] + index;
	}
	return at;
}

static int run_gather_nd(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	int batch = (int)engine_attribute_integer(call->attributes, "batch_dims", 0);
	int n = indices->dims[indices->rank - 1];
	size_t tuples = tensor_span(indices, 0, indices->rank - 1), batches = tensor_span(x, 0, batch);
	size_t bytes = tensor_span(x, batch + n, x->rank) * engine_type_size(x->type);
	size_t blocks = tensor_span(x, batch, batch + n);

	for (size_t i = 0; i < tuples; i++) {
		int64_t at = tuple_at(call, x, indices, i, batch);

		if (at < 0)
			return (int)at;
		memcpy((uint8_t *)call->outputs[0]->data + i * bytes,
		       (const uint8_t *)x->data + (i / (tuples / batches) * blocks + (size_t)at) * bytes, bytes);
	}
	return 0;
}

static int infer_scatter_nd(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1], *updates = call->inputs[2];
	int n, r = want_indices(call, 1);

	if (r == 0)
		r = want_reduction(call);
	if (r < 0)
		return r;
	n = indices->rank < 1 ? 0 : indices->dims[indices->rank - 1];
	if (n < 1 || n > x->rank || updates->type != x->type || updates->rank != indices->rank - 1 + x->rank - n)
		return call_fail(call, -EINVAL, "has indices or updates of another shape or type");
	for (int i = 0; i < updates->rank; i++)
		if (updates->dims[i] != (i < indices->rank - 1 ? indices->dims[i] : x->dims[i - indices->rank + 1 + n]))
			return call_fail(call, -EINVAL, "has updates of another shape");
	return call_set_like(call, 0, x);
}

static int run_scatter_nd(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	const char *reduction = engine_attribute_text(call->attributes, "reduction", "none");
	int n = indices->dims[indices->rank - 1];
	size_t tuples = tensor_span(indices, 0, indices->rank - 1), block = tensor_span(x, n, x->rank);

	memcpy(call->outputs[0]->data, x->data, tensor_count(x) * engine_type_size(x->type));
	for (size_t i = 0; i < tuples; i++) {
		int64_t at = tuple_at(call, x, indices, i, 0);

		if (at < 0)
			return (int)at;
		for (size_t k = 0; k < block; k++)
			join(call->outputs[0], (size_t)at * block + k, call->inputs[2], i * block + k, reduction);
	}
	return 0;
}

/* ---- Compress: what a list of conditions lets through ------------------------------------------- */

static int infer_compress(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *condition = call->inputs[1];
	int n;
	const int64_t *given = engine_attribute_integers(call->attributes, "axis", &n);
	int axis = n ? call_axis(call, given[0], x->rank) : 0;
	struct engine_tensor shape = *x;
	size_t side;

	if (axis < 0)
		return axis;
	if (condition->rank != 1 || condition->type != ENGINE_BOOL)
		return call_fail(call, -EINVAL, "has no list of conditions");
	if (!n)
		shape = (struct engine_tensor){.type = x->type, .rank = 1, .dims = {(int32_t)tensor_count(x)}};
	side = (size_t)shape.dims[axis];
	if (condition->data) {
		int32_t kept = 0;

		for (size_t i = 0; i < tensor_count(condition) && i < side; i++)
			kept += tensor_integer(condition, i) != 0;
		shape.dims[axis] = kept;
	} else if (tensor_count(condition) < side) {
		shape.dims[axis] = condition->dims[0];
	}
	return call_set_like(call, 0, &shape);
}

static int run_compress(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *condition = call->inputs[1];
	int n;
	const int64_t *given = engine_attribute_integers(call->attributes, "axis", &n);
	int axis = n ? call_axis(call, given[0], x->rank) : 0;
	size_t outer = n ? tensor_span(x, 0, axis) : 1, side = n ? (size_t)x->dims[axis] : tensor_count(x);
	size_t bytes = (n ? tensor_span(x, axis + 1, x->rank) : 1) * engine_type_size(x->type);
	uint8_t *to = call->outputs[0]->data;

	/* Of what is empty there may be any number. */
	for (size_t k = 0; k < outer && tensor_count(x); k++)
		for (size_t i = 0; i < side && i < tensor_count(condition); i++) {
			if (!tensor_integer(condition, i))
				continue;
			memcpy(to, (const uint8_t *)x->data + (k * side + i) * bytes, bytes);
			to += bytes;
		}
	return infer_compress(call);
}

OPERATOR(Compress, 2, 2, 1, infer_compress, .run = run_compress, .shrinks = true);
OPERATOR(Gather, 2, 2, 1, infer_gather, .run = run_gather);
OPERATOR(GatherElements, 2, 2, 1, infer_gather_elements, .run = run_gather_elements);
OPERATOR(GatherND, 2, 2, 1, infer_gather_nd, .run = run_gather_nd);
OPERATOR(Scatter, 3, 3, 1, infer_scatter_elements, .run = run_scatter_elements);
OPERATOR(ScatterElements, 3, 3, 1, infer_scatter_elements, .run = run_scatter_elements);
OPERATOR(ScatterND, 3, 3, 1, infer_scatter_nd, .run = run_scatter_nd);
