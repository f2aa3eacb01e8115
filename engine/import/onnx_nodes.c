/* onnx_nodes.c - a node of an ONNX file: its names, and who makes it. */
#include "onnx.h"

#include <errno.h>
#include <stdio.h>

#include "../operators/operators.h"

int onnx_tensor_of(struct onnx *o, struct protobuf_bytes name, bool *ret_new)
{
	struct names_entry *entry;

	*ret_new = false;
	if (!name.size)
		return -1;
	entry = names_find(&o->names, name.data, name.size);
	if (entry->number >= 0)
		return entry->number;
	if (o->n_tensors == o->cap_tensors)
		return graph_error(o->error, -EFBIG, "the network has too many tensors");
	*entry = (struct names_entry){name.data, name.size, o->n_tensors};
	o->tensors[o->n_tensors] = (struct tensor){.name = name, .file = -1, .image = -1, .grouped = -1};
	*ret_new = true;
	return o->n_tensors++;
}

static bool is_made(const struct tensor *t)
{
	return t->file >= 0 || t->image >= 0 || t->is_constant;
}

static int add_input_name(struct onnx *o, struct protobuf_bytes name)
{
	bool is_new;
	int t = onnx_tensor_of(o, name, &is_new);

	if (t < -1)
		return t;
	if (o->n_inputs == ONNX_IO_MAX)
		return onnx_refuse(o, -ENOTSUP, "has too many inputs");
	if (t >= 0 && !is_made(&o->tensors[t]))
		return graph_error(o->error, -EINVAL, "node '%.*s': nothing before it makes '%.*s'",
				   onnx_clip_length(o->name), (const char *)o->name.data, onnx_clip_length(name),
				   (const char *)name.data);
	o->inputs[o->n_inputs++] = t;
	return 0;
}

static int add_output_name(struct onnx *o, struct protobuf_bytes name)
{
	bool is_new;
	int t = onnx_tensor_of(o, name, &is_new);

	if (t < -1)
		return t;
	if (o->n_outputs == ONNX_IO_MAX)
		return onnx_refuse(o, -ENOTSUP, "has too many outputs");
	if (t >= 0 && !is_new)
		return onnx_refuse(o, -EINVAL, "makes a tensor a second time");
	o->outputs[o->n_outputs++] = t;
	return 0;
}

/* Names first: errors speak of them. */
static int read_node(struct onnx *o, struct protobuf_bytes message)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	int r = 0;

	o->node = message;
	o->op = o->name = o->domain = (struct protobuf_bytes){(const uint8_t *)"", 0};
	o->n_inputs = o->n_outputs = 0;
	o->malformed = false;
	while (protobuf_next(&reader, &field)) {
		if (field.wire != PROTOBUF_BYTES)
			continue;
		if (field.number == NODE_NAME)
			o->name = field.bytes;
		else if (field.number == NODE_OP)
			o->op = field.bytes;
		else if (field.number == NODE_DOMAIN)
			o->domain = field.bytes;
	}
	if (reader.malformed)
		return graph_error(o->error, -EINVAL, "a node's message is malformed");
	reader = protobuf_open(message);
	while (r == 0 && protobuf_next(&reader, &field))
		if (field.number == NODE_INPUT && field.wire == PROTOBUF_BYTES)
			r = add_input_name(o, field.bytes);
	reader = protobuf_open(message);
	while (r == 0 && protobuf_next(&reader, &field))
		if (field.number == NODE_OUTPUT && field.wire == PROTOBUF_BYTES)
			r = add_output_name(o, field.bytes);
	return r;
}

const struct engine_operator *onnx_find_operator(const struct onnx *o, bool *ret_registered)
{
	char name[128];
	int n;

	if (onnx_is_standard(o))
		return operators_find((const char *)o->op.data, o->op.size, ret_registered);
	n = snprintf(name, sizeof(name), "%.*s.%.*s", onnx_clip_length(o->domain), (const char *)o->domain.data,
		     onnx_clip_length(o->op), (const char *)o->op.data);
	return operators_find(name, (size_t)n, ret_registered);
}

static bool on_constants(struct onnx *o)
{
	for (int i = 0; i < o->n_inputs; i++)
		if (onnx_has_input(o, i) && !onnx_input_of(o, i)->is_constant)
			return false;
	return o->n_inputs > 0;
}

/* Up to opset 6 an axis said where the second operand's axes stand; from 7 on they are the last. */
static bool broadcasts_as_before(struct onnx *o)
{
	static const char *const operators_with_axis[] = {"Add", "And", "Div", "Equal", "Greater", "Less",
							  "Mul", "Or",	"Pow", "Sub",	"Xor"};
	struct onnx_attribute attribute;

	if (o->opset >= 7)
		return false;
	if (onnx_is(o->op, "PRelu") && onnx_input_of(o, 1) && onnx_input_of(o, 1)->is_constant &&
	    onnx_input_of(o, 1)->constant.count > 1)
		return !onnx_input_of(o, 0) || onnx_input_of(o, 0)->image < 0;
	if (!onnx_attribute(o->node, "axis", &attribute, &o->malformed))
		return false;
	for (size_t i = 0; i < sizeof(operators_with_axis) / sizeof(*operators_with_axis); i++)
		if (onnx_is(o->op, operators_with_axis[i]))
			return true;
	return false;
}

/* A constant that is read as what it stands for when somebody wants it: integers with a scale, or float16. */
static bool stays_in_file(struct onnx *o)
{
	const struct tensor *from = onnx_input_of(o, 0);

	return onnx_is(o->op, "DequantizeLinear") ||
	       (onnx_is(o->op, "Cast") && from && from->constant.type == ONNX_FLOAT16 &&
		onnx_integer_of(o, "to", 0) == ONNX_FLOAT);
}

int onnx_add_node(struct onnx *o, struct protobuf_bytes message)
{
	const struct engine_operator *op;
	int r = read_node(o, message);
	bool registered;

	if (r < 0)
		return r;
	if (broadcasts_as_before(o))
		return onnx_refuse(o, -ENOTSUP, "broadcasts along an axis, as up to opset 6");
	op = onnx_find_operator(o, &registered);
	r = -ENOTSUP;
	if (!registered && onnx_qlinear_of(o))
		r = onnx_on_qlinear(o, onnx_qlinear_of(o));
	else if (!registered && onnx_is_standard(o) && (!(op && on_constants(o)) || stays_in_file(o)))
		r = onnx_on_fast(o);
	if (r == -ENOTSUP && op)
		r = onnx_on_general(o, op);
	else if (r == -ENOTSUP && onnx_is_standard(o) && operators_left_out((const char *)o->op.data, o->op.size))
		return onnx_refuse(o, -ENOTSUP, OPERATORS_LEFT_OUT);
	else if (r == -ENOTSUP && !onnx_known_operator(o))
		return onnx_refuse(o, -ENOTSUP, "is an unknown operator");
	return r < 0 ? r : o->malformed ? onnx_refuse(o, -EINVAL, "has a malformed attribute") : 0;
}
