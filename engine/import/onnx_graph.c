/*
 * onnx_graph.c - nodes and values of the graph that an ONNX file becomes, and the attributes they are made of.
 *
 * Shapes are inferred node by node, because operators' axes count from an end or the other.
 */
#include "onnx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int onnx_clip_length(struct protobuf_bytes bytes)
{
	return (int)(bytes.size < 60 ? bytes.size : 60);
}

int onnx_refuse(const struct onnx *o, int code, const char *why)
{
	return graph_error(o->error, code, "node '%.*s' (%.*s): %s", onnx_clip_length(o->name),
			   (const char *)o->name.data, onnx_clip_length(o->op), (const char *)o->op.data, why);
}

int onnx_result(const struct onnx *o, int r)
{
	return r >= 0 ? r
		      : onnx_refuse(o, r,
				    r == -ENOMEM  ? "out of memory"
				    : r == -EFBIG ? "the network is too large"
						  : "makes no sense in its place");
}

/* ---- attributes -------------------------------------------------------------------------------- */

int64_t onnx_integer_of(struct onnx *o, const char *name, int64_t otherwise)
{
	struct onnx_attribute attribute;

	return onnx_attribute(o->node, name, &attribute, &o->malformed) ? attribute.integer : otherwise;
}

float onnx_number_of(struct onnx *o, const char *name, float otherwise)
{
	struct onnx_attribute attribute;

	return onnx_attribute(o->node, name, &attribute, &o->malformed) ? attribute.number : otherwise;
}

int onnx_integers_of(struct onnx *o, const char *name, int max, int64_t *ret)
{
	struct onnx_attribute attribute;

	if (!onnx_attribute(o->node, name, &attribute, &o->malformed))
		return 0;
	if (attribute.n_integers > max) {
		o->malformed = true;
		return 0;
	}
	memcpy(ret, attribute.integers, (size_t)attribute.n_integers * sizeof(*ret));
	return attribute.n_integers;
}

bool onnx_text_is(struct onnx *o, const char *name, const char *text, bool otherwise)
{
	struct onnx_attribute attribute;

	return onnx_attribute(o->node, name, &attribute, &o->malformed) ? onnx_is(attribute.text, text) : otherwise;
}

/* ---- nodes of the graph ------------------------------------------------------------------------ */

static int make_room(struct onnx *o)
{
	int wanted = o->graph->n_values;
	struct graph_shape *shapes;

	if (wanted <= o->cap_shapes)
		return 0;
	shapes = realloc(o->shapes, 2 * (size_t)wanted * sizeof(*shapes));
	if (!shapes)
		return -ENOMEM;
	o->shapes = shapes;
	o->cap_shapes = 2 * wanted;
	return 0;
}

int onnx_add_value(struct onnx *o, enum engine_type type, int rank, const int32_t *dims)
{
	int value = graph_add_value(o->graph, NULL, 0, type, rank, dims), r;

	if (value < 0)
		return value;
	r = make_room(o);
	if (r < 0)
		return r;
	o->shapes[value] = (struct graph_shape){.rank = rank};
	memcpy(o->shapes[value].dims, dims, (size_t)rank * sizeof(*dims));
	return value;
}

bool onnx_is_standard(const struct onnx *o)
{
	return !o->domain.size || onnx_is(o->domain, "ai.onnx");
}

bool onnx_moves(const struct onnx *o)
{
	static const char *const ops[] = {"Flatten", "Identity",  "MaxPool",  "Reshape",
					  "Squeeze", "Transpose", "Unsqueeze"};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (onnx_is_standard(o) && onnx_is(o->op, ops[i]))
			return true;
	return false;
}

bool onnx_is_quantised(const struct graph_value *value)
{
	return value->quant.n_scales == 1 && (value->type == ENGINE_S8 || value->type == ENGINE_U8);
}

int onnx_keep_quant(struct onnx *o, int from, int to)
{
	const struct graph_quant *quant = &o->graph->values[from].quant;

	return onnx_is_quantised(&o->graph->values[from])
		       ? graph_set_quant(o->graph, to, 1, quant->scales, (int64_t[]){quant->zero_points[0]}, 0)
		       : 0;
}

int onnx_begin_node(struct onnx *o, enum graph_op op, const int *inputs, int n_inputs, struct graph_node **ret_node)
{
	static const int32_t nothing[ENGINE_RANK_MAX];
	int value, node;

	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1)
			return inputs[i];
	value = onnx_add_value(o, n_inputs && inputs[0] >= 0 ? o->graph->values[inputs[0]].type : ENGINE_F32, 0,
			       nothing);
	if (value < 0)
		return value;
	if (op == GRAPH_RESHAPE || op == GRAPH_TRANSPOSE || op == GRAPH_MAXPOOL) {
		int r = onnx_keep_quant(o, inputs[0], value);

		if (r < 0)
			return r;
	}
	node = graph_add_node(o->graph, op, (const char *)o->name.data, o->name.size, inputs, n_inputs, &value, 1);
	if (node < 0)
		return node;
	*ret_node = &o->graph->nodes[node];
	return value;
}

int onnx_finish_node(struct onnx *o, int value)
{
	static const int32_t unknown[ENGINE_RANK_MAX] = {-1, -1, -1, -1, -1, -1};
	struct graph_value *made;
	int r;

	if (value < 0)
		return onnx_result(o, value);
	made = &o->graph->values[value];
	r = graph_infer_node(o->graph, made->producer, o->shapes, o->error);
	if (r < 0) {
		/* A general operator may take its place. */
		graph_drop_last_node(o->graph);
		return r;
	}
	made->rank = o->shapes[value].rank;
	memcpy(made->dims, unknown, sizeof(made->dims));
	return value;
}

int onnx_add_transpose(struct onnx *o, int x, const int32_t order[4])
{
	struct graph_node *node;
	int value = onnx_begin_node(o, GRAPH_TRANSPOSE, &x, 1, &node);

	if (value >= 0) {
		node->shape.rank = 4;
		memcpy(node->shape.dims, order, 4 * sizeof(*order));
	}
	return onnx_finish_node(o, value);
}

int onnx_add_reshape(struct onnx *o, int x, int rank, const int32_t *dims)
{
	struct graph_node *node;
	int value = onnx_begin_node(o, GRAPH_RESHAPE, &x, 1, &node);

	if (value >= 0) {
		node->shape.rank = rank;
		memcpy(node->shape.dims, dims, (size_t)rank * sizeof(*dims));
	}
	return onnx_finish_node(o, value);
}

/* ---- quantised tensors -------------------------------------------------------------------------- */

int onnx_set_output(struct onnx *o, int i, int value, bool is_image)
{
	struct tensor *t;

	if (value < 0)
		return value;
	if (i >= o->n_outputs || o->outputs[i] < 0)
		return i ? 0 : onnx_refuse(o, -EINVAL, "has no output");
	t = &o->tensors[o->outputs[i]];
	t->file = is_image ? -1 : value;
	t->image = is_image ? value : -1;
	t->grouped = -1;
	if (o->graph->values[value].name)
		return 0;
	o->graph->values[value].name = strndup((const char *)t->name.data, t->name.size);
	return o->graph->values[value].name ? 0 : onnx_result(o, -ENOMEM);
}

bool onnx_file_shape(const struct onnx *o, const struct tensor *t, struct graph_shape *ret)
{
	const struct graph_shape *image;

	if (t->is_constant) {
		ret->rank = t->constant.rank;
		memcpy(ret->dims, t->constant.dims, sizeof(ret->dims));
		return true;
	}
	if (t->file >= 0) {
		*ret = o->shapes[t->file];
		return true;
	}
	if (t->image < 0)
		return false;
	image = &o->shapes[t->image];
	*ret = (struct graph_shape){4, {image->dims[0], image->dims[3], image->dims[1], image->dims[2]}};
	return true;
}

int onnx_axis_of(int64_t axis, int rank, bool is_image)
{
	if (axis < 0)
		axis += rank;
	if (axis < 0 || axis >= rank)
		return -1;
	return is_image ? (int[]){0, 3, 1, 2}[axis] : (int)axis;
}

/* ---- operators on axes ------------------------------------------------------------------------- */

bool onnx_tensor_is_real(const struct onnx *o, const struct tensor *t)
{
	if (t->is_constant)
		return onnx_is_real(t->constant.type);
	return o->graph->values[t->file >= 0 ? t->file : t->image].type == ENGINE_F32;
}
