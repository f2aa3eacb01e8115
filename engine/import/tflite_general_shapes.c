/* tflite_general_shapes.c - TFLite's operators that move elements, by general operators. */
#include "tflite_general.h"

#include <errno.h>

/* ---- shapes and places ------------------------------------------------------------------------- */

int tflite_general_on_shape(struct tflite *t)
{
	return tflite_finish_output(t, 0, tflite_add_plain(t, "Shape", tflite_operand(t, 0)));
}

int tflite_general_on_rank(struct tflite *t)
{
	return tflite_finish_output(t, 0,
				    tflite_add_plain(t, "Size", tflite_add_plain(t, "Shape", tflite_operand(t, 0))));
}

/* The second input is the shape, or the options of older files. */
int tflite_general_on_reshape(struct tflite *t)
{
	struct flatbuffer_vector shape = flatbuffer_vector(&t->fb, t->options, 0, 4);
	int inputs[2] = {tflite_operand(t, 0), -1};
	int32_t dims[ENGINE_RANK_MAX];

	if (tflite_has_input(t, 1)) {
		inputs[1] = tflite_operand(t, 1);
		return tflite_finish_output(
			t, 0, tflite_add_general(t, "Reshape", inputs, 2, tflite_with_integer("allowzero", 1)));
	}
	if (shape.count > ENGINE_RANK_MAX)
		return tflite_refuse(t, -ENOTSUP, "makes too many axes");
	for (uint32_t i = 0; i < shape.count; i++)
		dims[i] = flatbuffer_i32_at(&t->fb, &shape, i);
	return tflite_finish_output(t, 0, tflite_reshape_as(t, inputs[0], (int)shape.count, dims));
}

/* Axes of one element come or go: the file says what is left. */
int tflite_general_on_squeeze(struct tflite *t)
{
	const struct tflite_tensor *out = &t->tensors[t->outputs[0]];

	return tflite_finish_output(t, 0, tflite_reshape_as(t, tflite_operand(t, 0), out->rank, out->dims));
}

int tflite_general_on_transpose(struct tflite *t)
{
	int32_t order[ENGINE_RANK_MAX];
	int64_t wide[ENGINE_RANK_MAX];
	int n = tflite_integers(t, 1, ENGINE_RANK_MAX, order), x = tflite_operand(t, 0);

	if (n < 0)
		return tflite_refuse(t, -ENOTSUP, "has an order that is not constant");
	for (int i = 0; i < n; i++)
		wide[i] = order[i];
	return tflite_finish_output(t, 0, x < 0 ? x : tflite_transpose(t, x, n, wide));
}

int tflite_general_on_concat(struct tflite *t)
{
	int inputs[ENGINE_OPERATOR_IO_MAX], r;

	if (t->n_inputs > ENGINE_OPERATOR_IO_MAX)
		return tflite_refuse(t, -ENOTSUP, "has too many inputs");
	r = tflite_operands(t, t->n_inputs, inputs);
	if (r < 0)
		return r;
	return tflite_finish_output(
		t, 0,
		tflite_activate(
			t,
			tflite_add_general(t, "Concat", inputs, t->n_inputs,
					   tflite_with_integer("axis", flatbuffer_i32(&t->fb, t->options, 0, 0))),
			1));
}

int tflite_general_on_pack(struct tflite *t)
{
	int inputs[ENGINE_OPERATOR_IO_MAX];
	int64_t axis = flatbuffer_i32(&t->fb, t->options, 1, 0);

	if (t->n_inputs > ENGINE_OPERATOR_IO_MAX)
		return tflite_refuse(t, -ENOTSUP, "has too many inputs");
	for (int i = 0; i < t->n_inputs; i++) {
		int pair[2] = {tflite_operand(t, i), tflite_add_integers(t, 1, &axis)};

		inputs[i] = pair[0] < 0 || pair[1] < 0
				    ? -EINVAL
				    : tflite_add_general(t, "Unsqueeze", pair, 2, tflite_no_attributes());
		if (inputs[i] < 0)
			return inputs[i] == -EINVAL ? tflite_refuse(t, -EINVAL, "packs what is not there") : inputs[i];
	}
	return tflite_finish_output(
		t, 0, tflite_add_general(t, "Concat", inputs, t->n_inputs, tflite_with_integer("axis", axis)));
}

/* One element of an axis, which is gone then. */
static int pick(struct tflite *t, int x, int64_t axis, int64_t i)
{
	int index = tflite_add_integers(t, 1, &i), inputs[2];

	if (index < 0)
		return index;
	inputs[0] = x;
	inputs[1] = tflite_reshape_as(t, index, 0, NULL);
	return tflite_add_general(t, "Gather", inputs, 2, tflite_with_integer("axis", axis));
}

int tflite_general_on_unpack(struct tflite *t)
{
	int64_t axis = flatbuffer_i32(&t->fb, t->options, 1, 0);
	int x = tflite_operand(t, 0), r = x < 0 ? x : 0;

	for (int i = 0; i < t->n_outputs && r == 0; i++)
		r = tflite_finish_output(t, i, pick(t, x, axis, i));
	return r;
}

/* SPLIT into equal parts, its axis first; SPLIT_V into the lengths given. */
int tflite_general_on_split(struct tflite *t)
{
	int values[ENGINE_OPERATOR_IO_MAX], inputs[2] = {-1, -1}, n = t->n_outputs, r = 0;
	bool lengths = t->code == 102;
	int32_t axis;

	if (tflite_integers(t, lengths ? 2 : 0, 1, &axis) != 1)
		return tflite_refuse(t, -ENOTSUP, "has an axis that is not constant");
	if (n < 1 || n > ENGINE_OPERATOR_IO_MAX)
		return tflite_refuse(t, -ENOTSUP, "has too many parts");
	inputs[0] = tflite_operand(t, lengths ? 0 : 1);
	if (lengths)
		inputs[1] = tflite_cast(t, tflite_operand(t, 1), ENGINE_S64);
	if (inputs[0] < 0 || inputs[1] < -1)
		return tflite_refuse(t, -EINVAL, "lacks an input");
	r = tflite_add_generals(t, "Split", inputs, lengths ? 2 : 1, tflite_with_integer("axis", axis), values, n);
	for (int i = 0; i < n && r == 0; i++)
		r = tflite_finish_output(t, i, values[i]);
	return r;
}

int tflite_slice(struct tflite *t, int x, int n, const int64_t *from, const int64_t *to, const int64_t *step)
{
	int64_t axes[ENGINE_RANK_MAX];
	int inputs[5] = {x};

	for (int i = 0; i < n; i++)
		axes[i] = i;
	inputs[1] = tflite_add_integers(t, n, from);
	inputs[2] = tflite_add_integers(t, n, to);
	inputs[3] = tflite_add_integers(t, n, axes);
	inputs[4] = tflite_add_integers(t, n, step);
	return x < 0 ? x : tflite_add_general(t, "Slice", inputs, 5, tflite_no_attributes());
}

int tflite_general_on_slice(struct tflite *t)
{
	int32_t begin[ENGINE_RANK_MAX], size[ENGINE_RANK_MAX];
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
	int n = tflite_integers(t, 1, ENGINE_RANK_MAX, begin), x = tflite_operand(t, 0);

	if (n < 0 || tflite_integers(t, 2, ENGINE_RANK_MAX, size) != n)
		return tflite_refuse(t, -ENOTSUP, "has bounds that are not constant");
	for (int i = 0; i < n; i++) {
		from[i] = begin[i];
		to[i] = size[i] < 0 ? INT32_MAX : (int64_t)begin[i] + size[i];
		step[i] = 1;
	}
	return tflite_finish_output(t, 0, tflite_slice(t, x, n, from, to, step));
}

int tflite_general_on_strided_slice(struct tflite *t)
{
	int32_t begin[ENGINE_RANK_MAX], end[ENGINE_RANK_MAX], stride[ENGINE_RANK_MAX];
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
	int64_t from_edge = flatbuffer_i32(&t->fb, t->options, 0, 0),
		to_edge = flatbuffer_i32(&t->fb, t->options, 1, 0);
	int64_t shrink = flatbuffer_i32(&t->fb, t->options, 4, 0);
	int n = tflite_integers(t, 1, ENGINE_RANK_MAX, begin), x = tflite_operand(t, 0), value;
	const struct tflite_tensor *out = &t->tensors[t->outputs[0]];

	if (n < 0 || tflite_integers(t, 2, ENGINE_RANK_MAX, end) != n ||
	    tflite_integers(t, 3, ENGINE_RANK_MAX, stride) != n)
		return tflite_refuse(t, -ENOTSUP, "has bounds that are not constant");
	if (flatbuffer_i32(&t->fb, t->options, 2, 0) || flatbuffer_i32(&t->fb, t->options, 3, 0))
		return tflite_refuse(t, -ENOTSUP, "has an ellipsis or a new axis");
	for (int i = 0; i < n; i++) {
		bool one = shrink >> i & 1;

		step[i] = one ? 1 : stride[i];
		from[i] = begin[i];
		to[i] = end[i];
		if (from_edge >> i & 1 && !one)
			from[i] = step[i] < 0 ? INT32_MAX : 0;
		if (one)
			to[i] = begin[i] == -1 ? INT32_MAX : (int64_t)begin[i] + 1;
		else if (to_edge >> i & 1)
			to[i] = step[i] < 0 ? INT32_MIN : INT32_MAX;
	}
	value = tflite_slice(t, x, n, from, to, step);
	return tflite_finish_output(t, 0, shrink ? tflite_reshape_as(t, value, out->rank, out->dims) : value);
}

int tflite_general_on_reverse(struct tflite *t)
{
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
	int32_t axes[ENGINE_RANK_MAX];
	int x = tflite_operand(t, 0), n = tflite_integers(t, 1, ENGINE_RANK_MAX, axes), rank, r;
	struct graph_shape shape = {0};

	if (n < 0)
		return tflite_refuse(t, -ENOTSUP, "has axes that are not constant");
	r = tflite_shape_of(t, x, &shape);
	if (r < 0)
		return r;
	rank = shape.rank;
	for (int i = 0; i < rank; i++) {
		bool turned = false;

		for (int k = 0; k < n; k++)
			turned |= (axes[k] < 0 ? axes[k] + rank : axes[k]) == i;
		from[i] = turned ? INT32_MAX : 0;
		to[i] = turned ? INT32_MIN : INT32_MAX;
		step[i] = turned ? -1 : 1;
	}
	return tflite_finish_output(t, 0, tflite_slice(t, x, rank, from, to, step));
}

int tflite_general_on_pad(struct tflite *t)
{
	int32_t pairs[2 * ENGINE_RANK_MAX];
	int64_t pads[2 * ENGINE_RANK_MAX];
	int n = tflite_integers(t, 1, 2 * ENGINE_RANK_MAX, pairs) / 2,
	    inputs[3] = {tflite_operand(t, 0), -1, tflite_operand(t, 2)};
	struct tflite_attributes a = tflite_no_attributes();

	if (n < 1 || inputs[0] < 0) {
		attributes_free(a.list);
		return tflite_refuse(t, -ENOTSUP, "has paddings that are not constant");
	}
	for (int i = 0; i < n; i++) {
		pads[i] = pairs[2 * i];
		pads[n + i] = pairs[2 * i + 1];
	}
	tflite_set_text(&a, "mode",
			t->code != 100				  ? "constant"
			: flatbuffer_i8(&t->fb, t->options, 0, 0) ? "symmetric"
								  : "reflect");
	inputs[1] = tflite_add_integers(t, 2 * n, pads);
	return tflite_finish_output(t, 0, tflite_add_general(t, "Pad", inputs, inputs[2] >= 0 ? 3 : 2, a));
}

int tflite_general_on_gather(struct tflite *t)
{
	int inputs[2], r = tflite_operands(t, 2, inputs);
	struct tflite_attributes a;

	if (r < 0)
		return r;
	a = tflite_with_integer("axis", flatbuffer_i32(&t->fb, t->options, 0, 0));
	tflite_set_integer(&a, "batch_dims", flatbuffer_i32(&t->fb, t->options, 1, 0));
	return tflite_finish_output(t, 0, tflite_add_general(t, "Gather", inputs, 2, a));
}

/* The table is the second input. */
int tflite_general_on_embedding(struct tflite *t)
{
	int inputs[2] = {tflite_operand(t, 1), tflite_operand(t, 0)};

	return tflite_finish_output(t, 0, tflite_add_general(t, "Gather", inputs, 2, tflite_with_integer("axis", 0)));
}

/* Sizes come first. */
int tflite_general_on_fill(struct tflite *t)
{
	int inputs[2] = {tflite_operand(t, 1), tflite_cast(t, tflite_operand(t, 0), ENGINE_S64)};

	return tflite_finish_output(t, 0, tflite_add_general(t, "Expand", inputs, 2, tflite_no_attributes()));
}

int tflite_general_on_expand(struct tflite *t)
{
	int inputs[2] = {tflite_operand(t, 0), tflite_cast(t, tflite_operand(t, 1), ENGINE_S64)};

	return tflite_finish_output(
		t, 0, tflite_add_general(t, tflite_onnx_name(t->code), inputs, 2, tflite_no_attributes()));
}

/* Values for "on" and "off" are one input of ONNX's, off first. */
int tflite_general_on_one_hot(struct tflite *t)
{
	int inputs[4], r = tflite_operands(t, 4, inputs), pair[2];
	struct tflite_attributes a;

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		pair[i] = tflite_reshape_as(t, inputs[3 - i], 1, (int32_t[]){1});
	inputs[2] = tflite_add_general(t, "Concat", pair, 2, tflite_with_integer("axis", 0));
	a = tflite_with_integer("axis", flatbuffer_i32(&t->fb, t->options, 0, -1));
	tflite_set_integer(&a, "negative_counts_from_end", 0);
	return tflite_finish_output(t, 0, tflite_add_general(t, "OneHot", inputs, 3, a));
}

/* Places one below the other, not side by side. */
int tflite_general_on_where(struct tflite *t)
{
	int places = tflite_add_plain(t, "NonZero", tflite_operand(t, 0));

	return tflite_finish_output(t, 0, places < 0 ? places : tflite_transpose(t, places, 2, (int64_t[]){1, 0}));
}

int tflite_general_on_scatter_nd(struct tflite *t)
{
	int inputs[3], r = tflite_operands(t, 3, inputs), zero;
	struct tflite_attributes a;

	if (r < 0 || inputs[1] < 0)
		return r < 0 ? r : tflite_refuse(t, -EINVAL, "lacks an input");
	zero = tflite_cast(t, tflite_add_integers(t, 1, (int64_t[]){0}), t->graph->values[inputs[1]].type);
	zero = tflite_add_general(t, "Expand", (int[]){zero, tflite_cast(t, inputs[2], ENGINE_S64)}, 2,
				  tflite_no_attributes());
	a = tflite_no_attributes();
	tflite_set_text(&a, "reduction", "add");
	return tflite_finish_output(t, 0,
				    tflite_add_general(t, "ScatterND",
						       (int[]){zero, tflite_cast(t, inputs[0], ENGINE_S64), inputs[1]},
						       3, a));
}

/* ---- images cut into parts ---------------------------------------------------------------------- */

/* Sequences of their own lengths, turned around. */
int tflite_general_on_reverse_sequence(struct tflite *t)
{
	int inputs[2], r = tflite_operands(t, 2, inputs);
	struct tflite_attributes a;

	if (r < 0)
		return r;
	inputs[1] = tflite_cast(t, inputs[1], ENGINE_S64);
	a = tflite_with_integer("time_axis", flatbuffer_i32(&t->fb, t->options, 0, 0));
	tflite_set_integer(&a, "batch_axis", flatbuffer_i32(&t->fb, t->options, 1, 0));
	return tflite_finish_output(t, 0, tflite_add_general(t, "ReverseSequence", inputs, 2, a));
}
