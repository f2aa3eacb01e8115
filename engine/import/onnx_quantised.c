/* onnx_quantised.c - QDQ and the QLinear operators: which tensors are integers, and the real numbers that they stand
 * for. */
#include "onnx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- quantisation ------------------------------------------------------------------------------- */

/* A constant stays what it is, and is read as the float it stands for. */
static int dequantise_constant(struct onnx *o, int x, int scale, int zero, int64_t axis, struct tensor *ret)
{
	const struct tensor *stored = &o->tensors[x], *scales = &o->tensors[scale];
	const struct tensor *zeros = zero < 0 ? NULL : &o->tensors[zero];
	const struct onnx_tensor *constant = &stored->constant;
	size_t n = scales->constant.count;

	axis += axis < 0 ? constant->rank : 0;
	if (onnx_is_real(constant->type) || constant->external || !scales->is_constant ||
	    !onnx_is_real(scales->constant.type) || scales->is_dequantised || n < 1 ||
	    (zeros && (!zeros->is_constant || zeros->constant.count != n)) ||
	    (n > 1 && (axis < 0 || axis >= constant->rank || (size_t)constant->dims[axis] != n)))
		return -ENOTSUP;
	ret->is_constant = ret->is_dequantised = true;
	ret->stored = x;
	ret->scale = scale;
	ret->zero = zero;
	ret->axis = (int)axis;
	ret->constant = *constant;
	ret->constant.type = ONNX_FLOAT;
	ret->constant.message = ret->constant.raw = (struct protobuf_bytes){0};
	return 0;
}

/* An input of integers that nobody reads as such. */
static bool is_input(const struct onnx *o, int value)
{
	const struct graph_value *v = &o->graph->values[value];

	return v->producer < 0 && !v->data && (v->type == ENGINE_S8 || v->type == ENGINE_U8) && v->name &&
	       names_find(&o->raw, v->name, strlen(v->name))->number < 0;
}

/* What a node of this file quantised, or an input brought, with exactly these numbers. */
static int dequantise_value(struct onnx *o, struct tensor *x, const struct tensor *scale, const struct tensor *zero,
			    struct tensor *ret)
{
	bool image = x->image >= 0;
	int from = image ? x->image : x->file, value, r;
	const struct graph_quant *quant = &o->graph->values[from].quant;
	struct graph_node *node;
	int64_t *zeros;
	float *scales;

	r = onnx_read_scales(o, scale, zero, 1, &scales, &zeros);
	if (r < 0)
		return r;
	if (is_input(o, from) && !onnx_is_quantised(&o->graph->values[from]))
		r = graph_set_quant(o->graph, from, 1, scales, zeros, 0);
	if (r == 0 && !onnx_is_quantised(&o->graph->values[from]))
		r = -ENOTSUP;
	else if (r == 0 && (quant->scales[0] != scales[0] || quant->zero_points[0] != zeros[0]))
		r = -EINVAL;
	free(scales);
	free(zeros);
	if (r < 0)
		return r == -ENOTSUP
			       ? r
			       : onnx_refuse(o, r, "dequantises by other numbers than its input was quantised with");
	value = onnx_begin_node(o, GRAPH_CAST, &from, 1, &node);
	if (value >= 0)
		o->graph->values[value].type = ENGINE_F32;
	value = onnx_finish_node(o, value);
	ret->file = image ? -1 : value;
	ret->image = image ? value : -1;
	return value < 0 ? value : 0;
}

/* Tensors x, scale and zero (-1: none) as the real numbers they stand for. */
static int dequantise(struct onnx *o, int x, int scale, int zero, int64_t axis, struct tensor *ret)
{
	if (x < 0 || scale < 0)
		return onnx_refuse(o, -EINVAL, "lacks an input");
	if (o->tensors[x].is_constant)
		return dequantise_constant(o, x, scale, zero, axis, ret);
	return dequantise_value(o, &o->tensors[x], &o->tensors[scale], zero < 0 ? NULL : &o->tensors[zero], ret);
}

static int input_index(const struct onnx *o, int i)
{
	return i < o->n_inputs ? o->inputs[i] : -1;
}

int onnx_on_dequantize(struct onnx *o)
{
	struct tensor *to;

	if (o->n_outputs < 1 || o->outputs[0] < 0)
		return onnx_refuse(o, -EINVAL, "has no output");
	if (onnx_integer_of(o, "block_size", 0))
		return -ENOTSUP;
	to = &o->tensors[o->outputs[0]];
	return dequantise(o, input_index(o, 0), input_index(o, 1), input_index(o, 2), onnx_integer_of(o, "axis", 1),
			  to);
}

static int type_of_zero(const struct tensor *zero, int64_t otherwise)
{
	int64_t type = zero ? zero->constant.type : otherwise;

	return type == ONNX_UINT8 ? ENGINE_U8 : type == ONNX_INT8 ? ENGINE_S8 : -1;
}

/* Output i of the node is x, quantised; only where nobody reads the integers for their own sake. */
static int quantise(struct onnx *o, struct tensor *x, const struct tensor *scale, const struct tensor *zero, int type,
		    int i)
{
	const struct protobuf_bytes name = o->tensors[o->outputs[i]].name;
	struct graph_node *node;
	int64_t *zeros;
	float *scales;
	bool image;
	int from, value, r;

	if (type < 0 || names_find(&o->raw, name.data, name.size)->number >= 0)
		return -ENOTSUP;
	r = onnx_read_scales(o, scale, zero, 1, &scales, &zeros);
	if (r < 0)
		return r;
	from = onnx_as_any(o, x, &image);
	value = from < 0 ? from : onnx_begin_node(o, GRAPH_CAST, &from, 1, &node);
	if (value >= 0) {
		o->graph->values[value].type = (enum engine_type)type;
		r = graph_set_quant(o->graph, value, 1, scales, zeros, 0);
	}
	free(scales);
	free(zeros);
	if (value >= 0 && r < 0) {
		graph_drop_last_node(o->graph);
		return -ENOTSUP;
	}
	return onnx_set_output(o, i, onnx_finish_node(o, value), image);
}

int onnx_on_quantize(struct onnx *o)
{
	struct tensor *x = onnx_input_of(o, 0), *zero = onnx_input_of(o, 2);
	int64_t type = onnx_integer_of(o, "output_dtype", 0);

	if (!x || x->is_constant || !onnx_tensor_is_real(o, x) || onnx_integer_of(o, "block_size", 0) ||
	    o->n_outputs < 1 || o->outputs[0] < 0)
		return -ENOTSUP;
	return quantise(o, x, onnx_input_of(o, 1), zero, type_of_zero(zero, type ? type : ONNX_UINT8), 0);
}

/* ---- operators on quantised tensors, as those on the real numbers they stand for ------------------ */

/* The bias as the float it stands for: its scale is the product of those of both inputs. */
static int dequantise_bias(struct onnx *o, int bias, int x_scale, int w_scale, struct tensor *product,
			   struct tensor *ret)
{
	const struct tensor *x = &o->tensors[x_scale], *w = &o->tensors[w_scale];
	struct engine_tensor tensor;
	float *a, *b;
	int value;

	if (bias < 0 || !o->tensors[bias].is_constant || !x->is_constant || x->constant.count != 1 || !w->is_constant ||
	    w->constant.count > INT32_MAX)
		return -ENOTSUP;
	value = onnx_make_constant(o, product, ENGINE_F32, 1, (int32_t[]){(int32_t)w->constant.count}, &tensor);
	if (value < 0)
		return value;
	a = onnx_read_floats(o, x);
	b = a ? onnx_read_floats(o, w) : NULL;
	for (size_t i = 0; b && i < w->constant.count; i++)
		((float *)tensor.data)[i] = a[0] * b[i];
	free(a);
	free(b);
	return b ? dequantise_constant(o, bias, (int)(product - o->tensors), -1, 0, ret) : -EINVAL;
}

/* Runs the node that computes with real numbers in this one's place, from and to tensors of its own. */
static int on_inner(struct onnx *o, const struct qlinear *q, int first, int n_inputs)
{
	const struct protobuf_bytes op = o->op, domain = o->domain;
	int inputs[ONNX_IO_MAX], n = o->n_inputs, output = o->outputs[0], r;
	bool registered;

	memcpy(inputs, o->inputs, sizeof(inputs));
	o->op = (struct protobuf_bytes){(const uint8_t *)q->inner, strlen(q->inner)};
	o->domain = (struct protobuf_bytes){(const uint8_t *)"", 0};
	o->n_inputs = n_inputs;
	for (int i = 0; i < n_inputs; i++)
		o->inputs[i] = first + 1 + i;
	o->outputs[0] = first;
	r = onnx_on_fast(o);
	if (r == -ENOTSUP)
		r = onnx_on_general(o, onnx_find_operator(o, &registered));
	memcpy(o->inputs, inputs, sizeof(inputs));
	o->op = op;
	o->domain = domain;
	o->n_inputs = n;
	o->outputs[0] = output;
	return r;
}

static void clear_spare(struct onnx *o, int first)
{
	for (int i = 0; i < ONNX_SPARE_TENSORS; i++)
		o->tensors[first + i] = (struct tensor){.name = o->name, .file = -1, .image = -1, .grouped = -1};
}

/* The axis of the output channels, where there is a scale for each. */
static int64_t weights_axis(struct onnx *o)
{
	return onnx_is(o->op, "QLinearConv") || onnx_integer_of(o, "transB", 0) ? 0 : -1;
}

int onnx_on_qlinear(struct onnx *o, const struct qlinear *q)
{
	int first = o->cap_tensors, behind = q->n_x < 0 ? 2 : 0, n_x = q->n_x < 0 ? (o->n_inputs - 2) / 3 : q->n_x;
	int bias = !q->has_bias ? -1 : input_index(o, q->microsoft ? 6 : 8), n = n_x;
	int out = q->n_x < 0 ? 0 : 3 * n_x + (q->has_bias && q->microsoft), r = 0;

	if (n_x < 1 || n_x > ONNX_SPARE_TENSORS - 4 || o->n_outputs != 1 || o->outputs[0] < 0 ||
	    onnx_integer_of(o, "channels_last", 0))
		return -ENOTSUP;
	clear_spare(o, first);
	for (int i = 0; i < n_x && r == 0; i++)
		r = dequantise(o, input_index(o, behind + 3 * i), input_index(o, behind + 3 * i + 1),
			       input_index(o, behind + 3 * i + 2), i == 1 ? weights_axis(o) : -1,
			       &o->tensors[first + 1 + i]);
	if (r == 0 && bias >= 0)
		r = dequantise_bias(o, bias, input_index(o, 1), input_index(o, 4), &o->tensors[first + 1 + n + 1],
				    &o->tensors[first + 1 + n]);
	if (r == 0)
		r = on_inner(o, q, first, n + (bias >= 0));
	if (r == 0 && !onnx_has_input(o, out)) { /* QGemm without scales of its output: it is float */
		o->inputs[0] = first;
		return onnx_on_identity(o);
	}
	if (r == 0)
		r = quantise(o, &o->tensors[first], onnx_input_of(o, out), onnx_input_of(o, out + 1),
			     type_of_zero(onnx_input_of(o, out + 1), ONNX_UINT8), 0);
	return r;
}

/* ---- who reads integers --------------------------------------------------------------------------- */

static void mark_raw(struct onnx *o, struct protobuf_bytes name)
{
	struct names_entry *entry = names_find(&o->raw, name.data, name.size);

	/* More names than tensors: some are of none, which is an error of its own. */
	if (name.size && entry->number < 0 && o->n_raw < o->cap_tensors)
		*entry = (struct names_entry){name.data, name.size, o->n_raw++};
}

/* Whether what this node reads as input i stays a quantised tensor; first_raw: its first output does not. */
static bool keeps_quantised(const struct onnx *o, int i, bool first_raw)
{
	const struct qlinear *q = onnx_qlinear_of(o);

	if (onnx_is_standard(o) && onnx_is(o->op, "DequantizeLinear"))
		return i == 0;
	if (onnx_moves(o))
		return i == 0 && !first_raw;
	if (!q || first_raw)
		return false;
	return q->n_x < 0 ? i >= 2 && (i - 2) % 3 == 0 : i % 3 == 0 && i / 3 < q->n_x;
}

/* One node, after all that read what it makes. */
static void mark_node(struct onnx *o, struct protobuf_bytes message)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	bool first_raw = false, seen = false;
	int n = 0;

	o->op = o->domain = (struct protobuf_bytes){(const uint8_t *)"", 0};
	while (protobuf_next(&reader, &field)) {
		if (field.wire != PROTOBUF_BYTES)
			continue;
		if (field.number == NODE_OP)
			o->op = field.bytes;
		else if (field.number == NODE_DOMAIN)
			o->domain = field.bytes;
		else if (field.number == NODE_OUTPUT && !seen)
			first_raw = names_find(&o->raw, field.bytes.data, field.bytes.size)->number >= 0;
		seen |= field.number == NODE_OUTPUT;
	}
	reader = protobuf_open(message);
	while (protobuf_next(&reader, &field))
		if (field.number == NODE_INPUT && field.wire == PROTOBUF_BYTES && !keeps_quantised(o, n++, first_raw))
			mark_raw(o, field.bytes);
}

int onnx_find_raw(struct onnx *o, struct protobuf_bytes graph)
{
	struct protobuf_bytes *nodes = calloc(ONNX_NODES_MAX, sizeof(*nodes));
	struct protobuf reader = protobuf_open(graph);
	struct protobuf_field field;
	int n = 0;

	if (!nodes)
		return graph_error(o->error, -ENOMEM, "out of memory");
	while (protobuf_next(&reader, &field) && n < ONNX_NODES_MAX)
		if (field.number == GRAPH_FIELD_NODE && field.wire == PROTOBUF_BYTES)
			nodes[n++] = field.bytes;
	while (n-- > 0)
		mark_node(o, nodes[n]);
	free(nodes);
	return 0;
}
