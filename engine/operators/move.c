/* move.c - operators that move whole stretches: turning, joining, cutting, padding. */
#include <string.h>

#include "operators.h"

/* Copies with these strides of the input for each axis of the output. */
static int copy_strided(struct engine_call *call, int i, const ptrdiff_t *stride, ptrdiff_t offset)
{
	struct engine_tensor *y = call->outputs[i];
	struct odometer o;

	odometer_init(&o, y->rank, y->dims);
	odometer_add_strides(&o, stride, offset);
	for (; !o.done; odometer_next(&o))
		tensor_copy(y, o.index, call->inputs[0], (size_t)o.offset[0]);
	return 0;
}

/* ---- Transpose ---------------------------------------------------------------------------------- */

static int order_of(struct engine_call *call, int order[ENGINE_RANK_MAX])
{
	int rank = call->inputs[0]->rank, n;
	const int64_t *given = engine_attribute_integers(call->attributes, "perm", &n);
	unsigned seen = 0;

	for (int i = 0; i < rank; i++) {
		int64_t axis = n ? (n == rank ? given[i] : -1) : rank - 1 - i;

		if (axis < 0 || axis >= rank || seen >> axis & 1)
			return call_fail(call, -EINVAL, "has no permutation of %d axes", rank);
		seen |= 1u << axis;
		order[i] = (int)axis;
	}
	return 0;
}

static int infer_transpose(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int order[ENGINE_RANK_MAX], r = order_of(call, order);
	int32_t dims[ENGINE_RANK_MAX];

	for (int i = 0; r == 0 && i < x->rank; i++)
		dims[i] = x->dims[order[i]];
	return r < 0 ? r : call_set(call, 0, x->type, x->rank, dims);
}

static int run_transpose(struct engine_call *call)
{
	ptrdiff_t dense[ENGINE_RANK_MAX], stride[ENGINE_RANK_MAX] = {0};
	int order[ENGINE_RANK_MAX];

	order_of(call, order);
	tensor_strides(call->inputs[0], dense);
	for (int i = 0; i < call->inputs[0]->rank; i++)
		stride[i] = dense[order[i]];
	return copy_strided(call, 0, stride, 0);
}

/* ---- Concat and Split --------------------------------------------------------------------------- */

static int infer_concat(struct engine_call *call)
{
	const struct engine_tensor *first = call->inputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 1), first->rank);
	struct engine_tensor shape = *first;
	int64_t sum = 0;

	if (axis < 0)
		return axis;
	for (int i = 0; i < call->n_inputs; i++) {
		const struct engine_tensor *x = call->inputs[i];
		bool same = x && x->rank == first->rank && x->type == first->type;

		for (int k = 0; same && k < x->rank; k++)
			same = k == axis || x->dims[k] == first->dims[k];
		if (!same)
			return call_fail(call, -EINVAL, "cannot join input %d to the first along axis %d", i, axis);
		sum += x->dims[axis];
	}
	if (sum > INT32_MAX)
		return call_fail(call, -EFBIG, "makes a tensor that is too large");
	shape.dims[axis] = (int32_t)sum;
	return call_set_like(call, 0, &shape);
}

static int run_concat(struct engine_call *call)
{
	struct engine_tensor *y = call->outputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 1), y->rank);
	size_t size = engine_type_size(y->type), outer = tensor_span(y, 0, axis);
	uint8_t *to = y->data;

	for (size_t k = 0; k < outer; k++)
		for (int i = 0; i < call->n_inputs; i++) {
			size_t bytes = tensor_span(call->inputs[i], axis, y->rank) * size;

			memcpy(to, (const uint8_t *)call->inputs[i]->data + k * bytes, bytes);
			to += bytes;
		}
	return 0;
}

static int infer_split(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank), n, r = 0;
	int64_t sizes[ENGINE_OPERATOR_IO_MAX], each, left;
	struct engine_tensor part = *x;

	for (int i = 0; i < call->n_outputs; i++)
		call->outputs[i]->type = x->type;
	if (axis < 0)
		return axis;
	n = call_integers(call, "split", 1, ENGINE_OPERATOR_IO_MAX, sizes);
	if (n < 0)
		return n;
	if (n && n != call->n_outputs)
		return call_fail(call, -EINVAL, "splits into %d parts for %d outputs", n, call->n_outputs);
	each = (x->dims[axis] + call->n_outputs - 1) / call->n_outputs;
	left = x->dims[axis];
	for (int i = 0; i < call->n_outputs && r == 0; i++) {
		int64_t size = n ? sizes[i] : each < left ? each : left;

		if (size < 0 || size > left)
			return call_fail(call, -EINVAL, "splits more than there is");
		left -= size;
		part.dims[axis] = (int32_t)size;
		r = call_set_like(call, i, &part);
	}
	return r;
}

static int run_split(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank);
	size_t size = engine_type_size(x->type), outer = tensor_span(x, 0, axis);
	const uint8_t *from = x->data;

	for (size_t k = 0; k < outer; k++)
		for (int i = 0; i < call->n_outputs; i++) {
			size_t bytes = tensor_span(call->outputs[i], axis, x->rank) * size;

			memcpy((uint8_t *)call->outputs[i]->data + k * bytes, from, bytes);
			from += bytes;
		}
	return 0;
}

/* ---- Slice -------------------------------------------------------------------------------------- */

struct range {
	int64_t from, count, step;
};

static int64_t clamp(int64_t value, int64_t lo, int64_t hi)
{
	return value < lo ? lo : value > hi ? hi : value;
}

static int ranges_of(struct engine_call *call, struct range ranges[ENGINE_RANK_MAX])
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], axes[ENGINE_RANK_MAX], steps[ENGINE_RANK_MAX];
	int n = call_integers(call, "starts", 1, ENGINE_RANK_MAX, from);
	int n_to = call_integers(call, "ends", 2, ENGINE_RANK_MAX, to);
	int n_axes = call_integers(call, "axes", 3, ENGINE_RANK_MAX, axes);
	int n_steps = call_integers(call, "", 4, ENGINE_RANK_MAX, steps);

	if (n < 0 || n_to < 0 || n_axes < 0 || n_steps < 0)
		return n < 0 ? n : n_to < 0 ? n_to : n_axes < 0 ? n_axes : n_steps;
	if (n_to != n || (n_axes && n_axes != n) || (n_steps && n_steps != n) || n > x->rank)
		return call_fail(call, -EINVAL, "has lists of different length");
	for (int i = 0; i < x->rank; i++)
		ranges[i] = (struct range){0, x->dims[i], 1};
	for (int i = 0; i < n; i++) {
		int axis = call_axis(call, n_axes ? axes[i] : i, x->rank);
		int64_t side = axis < 0 ? 0 : x->dims[axis], step = n_steps ? steps[i] : 1, begin, end, count;

		if (axis < 0 || step == 0)
			return axis < 0 ? axis : call_fail(call, -EINVAL, "has a step of 0");
		step = clamp(step, -INT32_MAX, INT32_MAX);
		begin = clamp(from[i], -INT32_MAX, INT32_MAX);
		end = clamp(to[i], -INT64_C(2) * INT32_MAX, INT32_MAX);
		begin = begin < 0 ? begin + side : begin;
		end = end < 0 ? end + side : end;
		begin = step > 0 ? clamp(begin, 0, side) : clamp(begin, 0, side - 1);
		end = step > 0 ? clamp(end, 0, side) : clamp(end, -1, side - 1);
		count = step > 0 ? (end - begin + step - 1) / step : (begin - end - step - 1) / -step;
		ranges[axis] = (struct range){begin, side && count > 0 ? count : 0, step};
	}
	return 0;
}

static int infer_slice(struct engine_call *call)
{
	struct engine_tensor shape = *call->inputs[0];
	struct range ranges[ENGINE_RANK_MAX];
	int r;

	call->outputs[0]->type = shape.type;
	r = ranges_of(call, ranges);
	for (int i = 0; r == 0 && i < shape.rank; i++)
		shape.dims[i] = (int32_t)ranges[i].count;
	return r < 0 ? r : call_set_like(call, 0, &shape);
}

static int run_slice(struct engine_call *call)
{
	ptrdiff_t stride[ENGINE_RANK_MAX] = {0}, offset = 0;
	struct range ranges[ENGINE_RANK_MAX];
	int r = ranges_of(call, ranges);

	if (r < 0)
		return r;
	tensor_strides(call->inputs[0], stride);
	for (int i = 0; i < call->inputs[0]->rank; i++) {
		offset += ranges[i].from * stride[i];
		stride[i] *= ranges[i].step;
	}
	return copy_strided(call, 0, stride, offset);
}

/* ---- Pad ---------------------------------------------------------------------------------------- */

static int pads_of(struct engine_call *call, int64_t before[ENGINE_RANK_MAX], int64_t after[ENGINE_RANK_MAX])
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t pads[2 * ENGINE_RANK_MAX], axes[ENGINE_RANK_MAX];
	int n = call_integers(call, "pads", 1, 2 * ENGINE_RANK_MAX, pads);
	int n_axes = call_integers(call, "", 3, ENGINE_RANK_MAX, axes);

	if (n < 0 || n_axes < 0)
		return n < 0 ? n : n_axes;
	if (n != 2 * (n_axes ? n_axes : x->rank))
		return call_fail(call, -EINVAL, "has %d numbers for its sides", n);
	for (int i = 0; i < ENGINE_RANK_MAX; i++)
		before[i] = after[i] = 0;
	for (int i = 0; i < n / 2; i++) {
		int axis = call_axis(call, n_axes ? axes[i] : i, x->rank);

		if (axis < 0)
			return axis;
		before[axis] = pads[i];
		after[axis] = pads[n / 2 + i];
		if (before[axis] < -INT32_MAX || before[axis] > INT32_MAX || after[axis] < -INT32_MAX ||
		    after[axis] > INT32_MAX || before[axis] + after[axis] + x->dims[axis] < 0 ||
		    before[axis] + after[axis] + x->dims[axis] > INT32_MAX)
			return call_fail(call, -EINVAL, "pads by %lld and %lld", (long long)before[axis],
					 (long long)after[axis]);
	}
	return 0;
}

static int infer_pad(struct engine_call *call)
{
	const char *mode = engine_attribute_text(call->attributes, "mode", "constant");
	const struct engine_tensor *value = call_input(call, 2);
	struct engine_tensor shape = *call->inputs[0];
	int64_t before[ENGINE_RANK_MAX], after[ENGINE_RANK_MAX];
	int r;

	call->outputs[0]->type = shape.type;
	if (value && (value->type != shape.type || tensor_count(value) != 1))
		return call_fail(call, -EINVAL, "pads with something of another type");
	if (strcmp(mode, "constant") && strcmp(mode, "reflect") && strcmp(mode, "edge") && strcmp(mode, "wrap") &&
	    strcmp(mode, "symmetric"))
		return call_fail(call, -ENOTSUP, "has mode %.20s", mode);
	r = pads_of(call, before, after);
	for (int i = 0; r == 0 && i < shape.rank; i++) {
		if (!shape.dims[i] && strcmp(mode, "constant"))
			return call_fail(call, -EINVAL, "repeats what is empty");
		shape.dims[i] += (int32_t)(before[i] + after[i]);
	}
	return r < 0 ? r : call_set_like(call, 0, &shape);
}

/* The element of an axis that stands at `at`; -1: none, the constant. */
static int64_t padded_index(char mode, int64_t at, int64_t side)
{
	if (at >= 0 && at < side)
		return at;
	switch (mode) {
	case 'e':
		return at < 0 ? 0 : side - 1;
	case 'w':
		return ((at % side) + side) % side;
	case 'r':
		if (side == 1)
			return 0;
		at = ((at % (2 * side - 2)) + 2 * side - 2) % (2 * side - 2);
		return at < side ? at : 2 * side - 2 - at;
	case 's': /* TensorFlow's: the edge is repeated, too */
		at = ((at % (2 * side)) + 2 * side) % (2 * side);
		return at < side ? at : 2 * side - 1 - at;
	default:
		return -1;
	}
}

static int run_pad(struct engine_call *call)
{
	char mode = engine_attribute_text(call->attributes, "mode", "constant")[0];
	const struct engine_tensor *x = call->inputs[0], *value = call_input(call, 2);
	int64_t before[ENGINE_RANK_MAX], after[ENGINE_RANK_MAX];
	ptrdiff_t stride[ENGINE_RANK_MAX] = {0};
	struct odometer o;
	int r = pads_of(call, before, after);

	if (r < 0)
		return r;
	tensor_strides(x, stride);
	odometer_init(&o, call->outputs[0]->rank, call->outputs[0]->dims);
	for (; !o.done; odometer_next(&o)) {
		int64_t from = 0;

		for (int i = 0; i < o.rank && from >= 0; i++) {
			int64_t at = padded_index(mode, o.at[i] - before[i], x->dims[i]);

			from = at < 0 ? -1 : from + at * stride[i];
		}
		if (from >= 0)
			tensor_copy(call->outputs[0], o.index, x, (size_t)from);
		else if (value)
			tensor_copy(call->outputs[0], o.index, value, 0);
		else
			tensor_put_real(call->outputs[0], o.index,
					engine_attribute_number(call->attributes, "value", 0));
	}
	return 0;
}

/* The middle of each axis, or the whole of it with nothing around. */
static int infer_center(struct engine_call *call)
{
	struct engine_tensor shape = *call->inputs[0];
	int64_t wanted[ENGINE_RANK_MAX];
	int n_axes, n;
	const int64_t *axes = engine_attribute_integers(call->attributes, "axes", &n_axes);

	call->outputs[0]->type = shape.type;
	n = call_integers(call, "", 1, ENGINE_RANK_MAX, wanted);
	if (n < 0)
		return n;
	if (n != (n_axes ? n_axes : shape.rank))
		return call_fail(call, -EINVAL, "has %d sides", n);
	for (int i = 0; i < n; i++) {
		int axis = call_axis(call, n_axes ? axes[i] : i, shape.rank);

		if (axis < 0 || wanted[i] < 0 || wanted[i] > INT32_MAX)
			return axis < 0 ? axis : call_fail(call, -EINVAL, "wants an impossible shape");
		shape.dims[axis] = (int32_t)wanted[i];
	}
	return call_set_like(call, 0, &shape);
}

static int run_center(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct engine_tensor *y = call->outputs[0];
	ptrdiff_t stride[ENGINE_RANK_MAX] = {0};
	struct odometer o;

	tensor_strides(x, stride);
	odometer_init(&o, y->rank, y->dims);
	for (; !o.done; odometer_next(&o)) {
		ptrdiff_t from = 0;

		for (int i = 0; i < o.rank && from >= 0; i++) {
			int32_t more = x->dims[i] - y->dims[i];
			int32_t at = o.at[i] + (more >= 0 ? more / 2 : -(-more / 2));

			from = at < 0 || at >= x->dims[i] ? -1 : from + at * stride[i];
		}
		if (from >= 0)
			tensor_copy(y, o.index, x, (size_t)from);
		else
			tensor_put_integer(y, o.index, 0);
	}
	return 0;
}

/* ---- blocks ------------------------------------------------------------------------------------- */

static int block_of(struct engine_call *call, bool to_depth)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t block = engine_attribute_integer(call->attributes, "blocksize", 0);

	if (x->rank != 4 || block < 1 || block > 4096)
		return call_fail(call, -EINVAL, "has no image or no block size");
	if (to_depth ? x->dims[2] % block || x->dims[3] % block : x->dims[1] % (block * block))
		return call_fail(call, -EINVAL, "has a side that %lld does not divide", (long long)block);
	if (to_depth ? x->dims[1] * block > INT32_MAX / block
		     : (x->dims[2] > x->dims[3] ? x->dims[2] : x->dims[3]) * block > INT32_MAX)
		return call_fail(call, -EINVAL, "makes a side that is too large");
	return (int)block;
}

static int infer_depth_to_space(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int b = block_of(call, false);

	return b < 0 ? b
		     : call_set(call, 0, x->type, 4,
				(int32_t[]){x->dims[0], x->dims[1] / (b * b), x->dims[2] * b, x->dims[3] * b});
}

static int run_depth_to_space(struct engine_call *call)
{
	bool columns_first = !strcmp(engine_attribute_text(call->attributes, "mode", "DCR"), "CRD");
	const struct engine_tensor *x = call->inputs[0];
	struct engine_tensor *y = call->outputs[0];
	int b = block_of(call, false);
	struct odometer o;

	odometer_init(&o, 4, y->dims);
	for (; !o.done; odometer_next(&o)) {
		int phase = o.at[2] % b * b + o.at[3] % b;
		size_t channel = columns_first ? (size_t)o.at[1] * (size_t)(b * b) + (size_t)phase
					       : (size_t)phase * (size_t)y->dims[1] + (size_t)o.at[1];

		tensor_copy(y, o.index, x,
			    (((size_t)o.at[0] * (size_t)x->dims[1] + channel) * (size_t)x->dims[2] +
			     (size_t)(o.at[2] / b)) *
					    (size_t)x->dims[3] +
				    (size_t)(o.at[3] / b));
	}
	return 0;
}

static int infer_space_to_depth(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int b = block_of(call, true);

	if (b > 0 && (int64_t)x->dims[1] * b * b > INT32_MAX)
		return call_fail(call, -EFBIG, "makes a tensor that is too large");
	return b < 0 ? b
		     : call_set(call, 0, x->type, 4,
				(int32_t[]){x->dims[0], x->dims[1] * b * b, x->dims[2] / b, x->dims[3] / b});
}

static int run_space_to_depth(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct engine_tensor *y = call->outputs[0];
	int b = block_of(call, true);
	struct odometer o;

	odometer_init(&o, 4, y->dims);
	for (; !o.done; odometer_next(&o)) {
		int phase = o.at[1] / x->dims[1], channel = o.at[1] % x->dims[1];

		tensor_copy(y, o.index, x,
			    (((size_t)o.at[0] * (size_t)x->dims[1] + (size_t)channel) * (size_t)x->dims[2] +
			     (size_t)(o.at[2] * b + phase / b)) *
					    (size_t)x->dims[3] +
				    (size_t)(o.at[3] * b + phase % b));
	}
	return 0;
}

/* ---- ReverseSequence ---------------------------------------------------------------------------- */

static int infer_reverse(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t batch = engine_attribute_integer(call->attributes, "batch_axis", 1);
	int64_t time = engine_attribute_integer(call->attributes, "time_axis", 0);

	if (x->rank < 2 || batch < 0 || batch > 1 || time != 1 - batch || call->inputs[1]->rank != 1 ||
	    call->inputs[1]->dims[0] != x->dims[batch])
		return call_fail(call, -EINVAL, "has no sequences");
	return call_set_like(call, 0, x);
}

static int run_reverse(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int batch = (int)engine_attribute_integer(call->attributes, "batch_axis", 1), time = 1 - batch;
	ptrdiff_t stride[ENGINE_RANK_MAX] = {0};
	struct odometer o;

	tensor_strides(x, stride);
	odometer_init(&o, x->rank, x->dims);
	for (; !o.done; odometer_next(&o)) {
		int64_t length = tensor_integer(call->inputs[1], (size_t)o.at[batch]);
		ptrdiff_t from = (ptrdiff_t)o.index;

		if (length < 0 || length > x->dims[time])
			return call_fail(call, -EINVAL, "has a sequence of %lld", (long long)length);
		if (o.at[time] < length)
			from += (length - 1 - 2 * (ptrdiff_t)o.at[time]) * stride[time];
		tensor_copy(call->outputs[0], o.index, x, (size_t)from);
	}
	return 0;
}

OPERATOR(CenterCropPad, 2, 2, 1, infer_center, .run = run_center);
OPERATOR(Concat, 1, ENGINE_OPERATOR_IO_MAX, 1, infer_concat, .run = run_concat);
OPERATOR(DepthToSpace, 1, 1, 1, infer_depth_to_space, .run = run_depth_to_space);
OPERATOR(Pad, 1, 4, 1, infer_pad, .run = run_pad);
OPERATOR(ReverseSequence, 2, 2, 1, infer_reverse, .run = run_reverse);
OPERATOR(Slice, 1, 5, 1, infer_slice, .run = run_slice);
OPERATOR(SpaceToDepth, 1, 1, 1, infer_space_to_depth, .run = run_space_to_depth);
OPERATOR(Split, 1, 2, ENGINE_OPERATOR_IO_MAX, infer_split, .run = run_split);
OPERATOR(Transpose, 1, 1, 1, infer_transpose, .run = run_transpose);
