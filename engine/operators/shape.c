/* shape.c - operators about shapes: asking for them, changing them, and filling tensors of a shape. */
#include <math.h>
#include <string.h>

#include "operators.h"

/* Shape and Size need no data: what they tell is known with their input's shape, and import folds them. */
static void shape_range(const struct engine_call *call, int64_t *ret_from, int64_t *ret_to)
{
	int rank = call->inputs[0]->rank;
	int64_t from = engine_attribute_integer(call->attributes, "start", 0);
	int64_t to = engine_attribute_integer(call->attributes, "end", rank);

	from = from < 0 ? from + rank : from;
	to = to < 0 ? to + rank : to;
	from = from < 0 ? 0 : from > rank ? rank : from;
	to = to < from ? from : to > rank ? rank : to;
	*ret_from = from;
	*ret_to = to;
}

static int infer_shape(struct engine_call *call)
{
	int64_t from, to;

	shape_range(call, &from, &to);
	return call_set(call, 0, ENGINE_S64, 1, (int32_t[]){(int32_t)(to - from)});
}

static int run_shape(struct engine_call *call)
{
	int64_t from, to;

	shape_range(call, &from, &to);
	for (int64_t i = from; i < to; i++)
		tensor_put_integer(call->outputs[0], (size_t)(i - from), call->inputs[0]->dims[i]);
	return 0;
}

static int infer_size(struct engine_call *call)
{
	return call_set(call, 0, ENGINE_S64, 0, NULL);
}

static int run_size(struct engine_call *call)
{
	tensor_put_integer(call->outputs[0], 0, (int64_t)tensor_count(call->inputs[0]));
	return 0;
}

/* ---- the same elements in another shape --------------------------------------------------------- */

static int run_copy(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];

	memcpy(call->outputs[0]->data, x->data, tensor_count(x) * engine_type_size(x->type));
	return 0;
}

static int infer_reshape(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	bool keep_zeros = engine_attribute_integer(call->attributes, "allowzero", 0) != 0;
	int64_t wanted[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	size_t known = 1, count = tensor_count(x);
	int n, open = -1;

	call->outputs[0]->type = x->type;
	n = call_integers(call, "shape", 1, ENGINE_RANK_MAX, wanted);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (wanted[i] < -1 || wanted[i] > INT32_MAX || (wanted[i] == -1 && open >= 0) ||
		    (wanted[i] == 0 && !keep_zeros && i >= x->rank))
			return call_fail(call, -EINVAL, "wants an impossible shape");
		dims[i] = wanted[i] == 0 && !keep_zeros ? x->dims[i] : (int32_t)wanted[i];
		if (wanted[i] == -1)
			open = i;
		else if (known <= UINT32_MAX)
			known *= (size_t)dims[i];
	}
	if (open >= 0) {
		if (!known || count % known)
			return call_fail(call, -EINVAL, "wants a shape that %zu elements do not fill", count);
		dims[open] = (int32_t)(count / known);
		known = count;
	}
	if (known != count)
		return call_fail(call, -EINVAL, "wants %zu elements of %zu", known, count);
	return call_set(call, 0, x->type, n, dims);
}

static int infer_flatten(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t axis = engine_attribute_integer(call->attributes, "axis", 1);

	axis = axis < 0 ? axis + x->rank : axis;
	if (axis < 0 || axis > x->rank)
		return call_fail(call, -EINVAL, "has axis %lld of %d", (long long)axis, x->rank);
	return call_set(
		call, 0, x->type, 2,
		(int32_t[]){(int32_t)tensor_span(x, 0, (int)axis), (int32_t)tensor_span(x, (int)axis, x->rank)});
}

static int infer_squeeze(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t axes[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	int n, rank = 0;
	unsigned gone = 0;

	call->outputs[0]->type = x->type;
	n = call_integers(call, "axes", 1, ENGINE_RANK_MAX, axes);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		int axis = call_axis(call, axes[i], x->rank);

		if (axis < 0)
			return axis;
		if (x->dims[axis] != 1)
			return call_fail(call, -EINVAL, "takes out an axis of %d", x->dims[axis]);
		gone |= 1u << axis;
	}
	for (int i = 0; i < x->rank; i++)
		if (n ? !(gone >> i & 1) : x->dims[i] != 1)
			dims[rank++] = x->dims[i];
	return call_set(call, 0, x->type, rank, dims);
}

static int infer_unsqueeze(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t axes[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	int n, from = 0;
	unsigned added = 0;

	call->outputs[0]->type = x->type;
	n = call_integers(call, "axes", 1, ENGINE_RANK_MAX, axes);
	if (n < 0)
		return n;
	if (x->rank + n > ENGINE_RANK_MAX)
		return call_fail(call, -ENOTSUP, "makes a tensor of %d axes", x->rank + n);
	for (int i = 0; i < n; i++) {
		int axis = call_axis(call, axes[i], x->rank + n);

		if (axis < 0 || added >> axis & 1)
			return axis < 0 ? axis : call_fail(call, -EINVAL, "names an axis twice");
		added |= 1u << axis;
	}
	for (int i = 0; i < x->rank + n; i++)
		dims[i] = added >> i & 1 ? 1 : x->dims[from++];
	return call_set(call, 0, x->type, x->rank + n, dims);
}

/* ---- repeating ---------------------------------------------------------------------------------- */

static int infer_expand(struct engine_call *call)
{
	struct engine_tensor shape = *call->inputs[0], wanted = {.rank = 0};
	int64_t dims[ENGINE_RANK_MAX];
	int r;

	call->outputs[0]->type = shape.type;
	wanted.rank = call_integers(call, "", 1, ENGINE_RANK_MAX, dims);
	if (wanted.rank < 0)
		return wanted.rank;
	for (int i = 0; i < wanted.rank; i++) {
		if (dims[i] < 0 || dims[i] > INT32_MAX)
			return call_fail(call, -EINVAL, "wants an impossible shape");
		wanted.dims[i] = (int32_t)dims[i];
	}
	r = call_broadcast(call, &shape, &wanted);
	return r < 0 ? r : call_set_like(call, 0, &shape);
}

static int run_expand(struct engine_call *call)
{
	struct odometer o;

	odometer_init(&o, call->outputs[0]->rank, call->outputs[0]->dims);
	odometer_add(&o, call->inputs[0]);
	for (; !o.done; odometer_next(&o))
		tensor_copy(call->outputs[0], o.index, call->inputs[0], (size_t)o.offset[0]);
	return 0;
}

static int infer_tile(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t repeats[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	int n;

	call->outputs[0]->type = x->type;
	n = call_integers(call, "repeats", 1, ENGINE_RANK_MAX, repeats);
	if (n < 0)
		return n;
	if (n != x->rank)
		return call_fail(call, -EINVAL, "repeats %d axes of %d", n, x->rank);
	for (int i = 0; i < n; i++) {
		if (repeats[i] < 0 || repeats[i] > INT32_MAX || repeats[i] * x->dims[i] > INT32_MAX)
			return call_fail(call, -EINVAL, "repeats %lld times", (long long)repeats[i]);
		dims[i] = (int32_t)(repeats[i] * x->dims[i]);
	}
	return call_set(call, 0, x->type, n, dims);
}

static int run_tile(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	ptrdiff_t stride[ENGINE_RANK_MAX] = {0};
	struct odometer o;

	tensor_strides(x, stride);
	odometer_init(&o, call->outputs[0]->rank, call->outputs[0]->dims);
	for (; !o.done; odometer_next(&o)) {
		ptrdiff_t from = 0;

		for (int i = 0; i < o.rank; i++)
			from += o.at[i] % x->dims[i] * stride[i];
		tensor_copy(call->outputs[0], o.index, x, (size_t)from);
	}
	return 0;
}

/* ---- filling ------------------------------------------------------------------------------------ */

/* The importer gives the attribute "value", a tensor of one element, as a second input. */
static int infer_constant_of_shape(struct engine_call *call)
{
	const struct engine_tensor *value = call_input(call, 1);
	int64_t wanted[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	int n;

	call->outputs[0]->type = value ? value->type : ENGINE_F32;
	if (value && tensor_count(value) != 1)
		return call_fail(call, -EINVAL, "fills with more than one value");
	n = call_integers(call, "", 0, ENGINE_RANK_MAX, wanted);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (wanted[i] < 0 || wanted[i] > INT32_MAX)
			return call_fail(call, -EINVAL, "wants an impossible shape");
		dims[i] = (int32_t)wanted[i];
	}
	return call_set(call, 0, call->outputs[0]->type, n, dims);
}

static int run_constant_of_shape(struct engine_call *call)
{
	const struct engine_tensor *value = call_input(call, 1);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		if (value)
			tensor_copy(call->outputs[0], i, value, 0);
		else
			tensor_put_real(call->outputs[0], i, 0);
	}
	return 0;
}

static int infer_range(struct engine_call *call)
{
	enum engine_type type = call->inputs[0]->type;
	double count;

	call->outputs[0]->type = type;
	for (int i = 0; i < 3; i++) {
		if (tensor_count(call->inputs[i]) != 1 || call->inputs[i]->type != type)
			return call_fail(call, -EINVAL, "has bounds that are not one number of one type");
		if (!call->inputs[i]->data)
			return -EAGAIN;
	}
	count = ceil((tensor_real(call->inputs[1], 0) - tensor_real(call->inputs[0], 0)) /
		     tensor_real(call->inputs[2], 0));
	if (!(count <= INT32_MAX))
		return call_fail(call, -EINVAL, "has no end");
	return call_set(call, 0, type, 1, (int32_t[]){count > 0 ? (int32_t)count : 0});
}

static int run_range(struct engine_call *call)
{
	bool real = type_is_real(call->outputs[0]->type);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		if (real)
			tensor_put_real(call->outputs[0], i,
					tensor_real(call->inputs[0], 0) + (double)i * tensor_real(call->inputs[2], 0));
		else
			tensor_put_integer(call->outputs[0], i,
					   (int64_t)((uint64_t)tensor_integer(call->inputs[0], 0) +
						     (uint64_t)i * (uint64_t)tensor_integer(call->inputs[2], 0)));
	}
	return 0;
}

/* ONNX's numbers of types, as far as a filled tensor has them. */
static int filled_type(struct engine_call *call, enum engine_type otherwise)
{
	switch (engine_attribute_integer(call->attributes, "dtype", 0)) {
	case 0:
		return (int)otherwise;
	case 1:
	case 10:
	case 11:
		return ENGINE_F32;
	case 2:
		return ENGINE_U8;
	case 3:
		return ENGINE_S8;
	case 6:
		return ENGINE_S32;
	case 7:
		return ENGINE_S64;
	case 9:
		return ENGINE_BOOL;
	case 12:
		return ENGINE_U32;
	case 13:
		return ENGINE_U64;
	default:
		return call_fail(call, -ENOTSUP, "fills with a type that is not computed with");
	}
}

static int infer_eye(struct engine_call *call)
{
	int type = filled_type(call, call->inputs[0]->type);

	if (type < 0)
		return type;
	if (call->inputs[0]->rank != 2)
		return call_fail(call, -EINVAL, "has a shape of %d axes", call->inputs[0]->rank);
	return call_set(call, 0, (enum engine_type)type, 2, call->inputs[0]->dims);
}

static int run_eye(struct engine_call *call)
{
	struct engine_tensor *y = call->outputs[0];
	int64_t k = engine_attribute_integer(call->attributes, "k", 0);

	for (size_t i = 0; i < tensor_count(y); i++)
		tensor_put_integer(y, i, (int64_t)(i % (size_t)y->dims[1]) == (int64_t)(i / (size_t)y->dims[1]) + k);
	return 0;
}

/* Inputs: indices, depth, values {off, on}. */
static int infer_one_hot(struct engine_call *call)
{
	const struct engine_tensor *indices = call->inputs[0], *values = call->inputs[2];
	int axis, rank = indices->rank + 1;
	int32_t dims[ENGINE_RANK_MAX + 1];
	int64_t depth;

	call->outputs[0]->type = values->type;
	if (tensor_count(call->inputs[1]) != 1 || tensor_count(values) != 2)
		return call_fail(call, -EINVAL, "has no depth or no two values");
	axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", -1), rank);
	if (axis < 0)
		return axis;
	if (!call->inputs[1]->data)
		return -EAGAIN;
	depth = tensor_integer(call->inputs[1], 0);
	if (depth < 1 || depth > INT32_MAX)
		return call_fail(call, -EINVAL, "has a depth of %lld", (long long)depth);
	for (int i = 0; i < rank; i++)
		dims[i] = i < axis ? indices->dims[i] : i == axis ? (int32_t)depth : indices->dims[i - 1];
	return call_set(call, 0, values->type, rank, dims);
}

static int run_one_hot(struct engine_call *call)
{
	const struct engine_tensor *indices = call->inputs[0];
	struct engine_tensor *y = call->outputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", -1), y->rank);
	size_t depth = (size_t)y->dims[axis], inner = tensor_span(y, axis + 1, y->rank);
	/* In ONNX; of TensorFlow's no element is on. */
	bool from_end = engine_attribute_integer(call->attributes, "negative_counts_from_end", 1) != 0;

	for (size_t i = 0; i < tensor_count(y); i++) {
		size_t at = i / inner / depth * inner + i % inner;
		int64_t index = tensor_integer(indices, at);

		index = index < 0 && from_end ? index + (int64_t)depth : index;
		tensor_copy(y, i, call->inputs[2], (int64_t)(i / inner % depth) == index);
	}
	return 0;
}

static int infer_trilu(struct engine_call *call)
{
	if (call->inputs[0]->rank < 2)
		return call_fail(call, -EINVAL, "has no matrices");
	if (call_input(call, 1) && tensor_count(call->inputs[1]) != 1)
		return call_fail(call, -EINVAL, "has no single diagonal");
	return call_set_like(call, 0, call->inputs[0]);
}

static int run_trilu(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	bool upper = engine_attribute_integer(call->attributes, "upper", 1) != 0;
	int64_t k = call_input(call, 1) ? tensor_integer(call->inputs[1], 0) : 0;
	size_t columns = (size_t)x->dims[x->rank - 1], rows = (size_t)x->dims[x->rank - 2];

	k = k > INT32_MAX ? INT32_MAX : k < -INT32_MAX ? -INT32_MAX : k;
	for (size_t i = 0; i < tensor_count(x); i++) {
		int64_t over = (int64_t)(i % columns) - (int64_t)(i / columns % rows) - k;

		if (upper ? over >= 0 : over <= 0)
			tensor_copy(call->outputs[0], i, x, i);
		else
			tensor_put_integer(call->outputs[0], i, 0);
	}
	return 0;
}

OPERATOR(ConstantOfShape, 1, 2, 1, infer_constant_of_shape, .run = run_constant_of_shape);
OPERATOR(Expand, 2, 2, 1, infer_expand, .run = run_expand);
OPERATOR(EyeLike, 1, 1, 1, infer_eye, .run = run_eye);
OPERATOR(Flatten, 1, 1, 1, infer_flatten, .run = run_copy);
OPERATOR(OneHot, 3, 3, 1, infer_one_hot, .run = run_one_hot);
OPERATOR(Range, 3, 3, 1, infer_range, .run = run_range);
OPERATOR(Reshape, 1, 2, 1, infer_reshape, .run = run_copy);
OPERATOR(Shape, 1, 1, 1, infer_shape, .run = run_shape);
OPERATOR(Size, 1, 1, 1, infer_size, .run = run_size);
OPERATOR(Squeeze, 1, 2, 1, infer_squeeze, .run = run_copy);
OPERATOR(Tile, 2, 2, 1, infer_tile, .run = run_tile);
OPERATOR(Trilu, 1, 2, 1, infer_trilu, .run = run_trilu);
OPERATOR(Unsqueeze, 1, 2, 1, infer_unsqueeze, .run = run_copy);
