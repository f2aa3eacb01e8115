/*
 * onnx.c - an ONNX file to a graph, opsets 7 to 21.
 *
 * ONNX orders images N x C x H x W, the graph N x H x W x C.  A tensor of the file may exist in either order, or, made
 * by transposition when somebody asks for it, in both: what works on pixels asks for images, elementwise operators take
 * what there is, and what depends on the order of the file asks for that.
 *
 * Shapes are inferred node by node, because operators' axes count from an end or the other.  What follows from shapes
 * and constants alone (the chains of Shape, Gather, Concat that exporters leave behind) is computed here.
 */
#include "import.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../general.h"
#include "../operators/operators.h"
#include "names.h"
#include "onnx_file.h"

#define NODES_MAX      (GRAPH_NODES_MAX / 4)
#define TENSORS_MAX    (GRAPH_VALUES_MAX / 8)
#define IO_MAX	       256	  /* inputs or outputs of one node */
#define INTEGERS_MAX   64	  /* of a tensor that is computed with here */
#define SPARE_TENSORS  32	  /* of a node that is taken apart; behind those of the file */
#define FOLDED_BYTES   (1u << 20) /* constants computed from constants may take this and twice the file */
#define FOLDED_MACS    (1u << 26) /* of one of them */
#define LOCATION_BYTES 256	  /* of the path of a file with data */
#define OPSET_MIN      1
#define OPSET_MAX      21

/* Fields of the messages. */
enum { MODEL_GRAPH = 7, MODEL_OPSET = 8, OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
enum {
	GRAPH_FIELD_NODE = 1,
	GRAPH_FIELD_INIT = 5,
	GRAPH_FIELD_INPUT = 11,
	GRAPH_FIELD_OUTPUT = 12,
	GRAPH_FIELD_INFO = 13
};
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_DOMAIN = 7 };

/* A tensor of the file. */
struct tensor {
	struct protobuf_bytes name;
	int file, image;  /* values, in the order of the file and as an image; -1 not made yet */
	bool is_constant; /* of the file, or computed from constants: then value `file` has its data */
	struct onnx_tensor constant;
	/* A constant that stands for (stored - zero) * scale: tensors, zero -1 for none; the axis of several scales. */
	bool is_dequantised;
	int stored, scale, zero, axis;
};

struct onnx {
	const struct import_source *source;
	struct graph *graph;
	struct engine_error *error;
	int64_t opset;
	struct tensor *tensors;
	int n_tensors, cap_tensors;
	struct names names;
	struct protobuf_bytes *infos; /* what the file says about its tensors' shapes, found by name */
	struct names info_names;
	int n_infos;
	struct names raw; /* tensors that are read as the integers that they are */
	int n_raw;
	size_t folded_bytes, folded_max; /* constants computed from constants */
	struct graph_shape *shapes;	 /* of the graph's values */
	int cap_shapes;
	/* the current node */
	struct protobuf_bytes node, op, domain, name;
	int inputs[IO_MAX], outputs[IO_MAX]; /* tensors; -1: left out */
	int n_inputs, n_outputs;
	bool malformed; /* an attribute of it is */
};

static int clip_length(struct protobuf_bytes bytes)
{
	return (int)(bytes.size < 60 ? bytes.size : 60);
}

static int refuse(const struct onnx *o, int code, const char *why)
{
	return graph_error(o->error, code, "node '%.*s' (%.*s): %s", clip_length(o->name), (const char *)o->name.data,
			   clip_length(o->op), (const char *)o->op.data, why);
}

static int result(const struct onnx *o, int r)
{
	return r >= 0 ? r
		      : refuse(o, r,
			       r == -ENOMEM  ? "out of memory"
			       : r == -EFBIG ? "the network is too large"
					     : "makes no sense in its place");
}

/* ---- data in other files ----------------------------------------------------------------------- */

static int refuse_external(const struct onnx *o, const struct onnx_tensor *tensor, int code, const char *why)
{
	return graph_error(o->error, code, "tensor '%.*s' has its data in '%.*s': %s", clip_length(tensor->name),
			   (const char *)tensor->name.data, clip_length(tensor->location),
			   (const char *)tensor->location.data, why);
}

static const char *why_not_found(int r)
{
	switch (r) {
	case -EPERM:
	case -ELOOP:
	case -ENOTDIR:
		return "a path out of the model's folder, or through a link, is not followed";
	case -EINVAL:
		return "empty, or not a regular file";
	case -EMFILE:
		return "the model names too many files";
	default:
		return strerror(-r);
	}
}

/* Data in another file becomes raw data as if it were here. */
static int bring_in(struct onnx *o, struct onnx_tensor *tensor)
{
	size_t element = onnx_element_size(tensor->type), bytes = tensor->count * element, size = 0;
	const uint8_t *data = NULL;
	char location[LOCATION_BYTES];
	int r;

	if (!element)
		return refuse_external(o, tensor, -ENOTSUP, "of a type that is not read");
	if (!o->source->find_beside)
		return refuse_external(o, tensor, -ENOTSUP, "a model in memory has no folder");
	if (tensor->location.size >= sizeof(location) || memchr(tensor->location.data, '\0', tensor->location.size))
		return refuse_external(o, tensor, -EINVAL, "that is no path");
	memcpy(location, tensor->location.data, tensor->location.size);
	location[tensor->location.size] = '\0';
	r = o->source->find_beside(o->source->context, location, &data, &size);
	if (r < 0)
		return refuse_external(o, tensor, r, why_not_found(r));
	if (tensor->length && tensor->length != bytes)
		return refuse_external(o, tensor, -EINVAL, "its length is not that of its shape");
	if (tensor->offset > size || bytes > size - tensor->offset)
		return refuse_external(o, tensor, -EINVAL, "the file ends before the data does");
	tensor->raw = (struct protobuf_bytes){data + tensor->offset, bytes};
	tensor->external = false;
	return 0;
}

static int read_tensor(struct onnx *o, struct protobuf_bytes message, struct onnx_tensor *ret)
{
	struct onnx_tensor tensor;
	int r = onnx_read_tensor(message, &tensor, o->error);

	if (r == 0 && tensor.external)
		r = bring_in(o, &tensor);
	if (r == 0)
		*ret = tensor;
	return r;
}

/* ---- attributes -------------------------------------------------------------------------------- */

static int64_t integer_of(struct onnx *o, const char *name, int64_t otherwise)
{
	struct onnx_attribute attribute;

	return onnx_attribute(o->node, name, &attribute, &o->malformed) ? attribute.integer : otherwise;
}

static float number_of(struct onnx *o, const char *name, float otherwise)
{
	struct onnx_attribute attribute;

	return onnx_attribute(o->node, name, &attribute, &o->malformed) ? attribute.number : otherwise;
}

/* How many there are; 0 also when the attribute is not there. */
static int integers_of(struct onnx *o, const char *name, int max, int64_t *ret)
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

static bool text_is(struct onnx *o, const char *name, const char *text, bool otherwise)
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

/* A value whose shape is known. */
static int add_value(struct onnx *o, enum engine_type type, int rank, const int32_t *dims)
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

static bool is_standard(const struct onnx *o)
{
	return !o->domain.size || onnx_is(o->domain, "ai.onnx");
}

/* Operators that only move or pick what they are given: quantised tensors stay so. */
static bool moves(const struct onnx *o)
{
	static const char *const ops[] = {"Flatten", "Identity",  "MaxPool",  "Reshape",
					  "Squeeze", "Transpose", "Unsqueeze"};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (is_standard(o) && onnx_is(o->op, ops[i]))
			return true;
	return false;
}

static bool is_quantised(const struct graph_value *value)
{
	return value->quant.n_scales == 1 && (value->type == ENGINE_S8 || value->type == ENGINE_U8);
}

/* What only moves a quantised tensor makes one of the same scale. */
static int keep_quant(struct onnx *o, int from, int to)
{
	const struct graph_quant *quant = &o->graph->values[from].quant;

	return is_quantised(&o->graph->values[from])
		       ? graph_set_quant(o->graph, to, 1, quant->scales, (int64_t[]){quant->zero_points[0]}, 0)
		       : 0;
}

/* A node with one output of its first input's type, whose attributes are the caller's to set before finish_node(). */
static int begin_node(struct onnx *o, enum graph_op op, const int *inputs, int n_inputs, struct graph_node **ret_node)
{
	static const int32_t nothing[ENGINE_RANK_MAX];
	int value, node;

	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1)
			return inputs[i];
	value = add_value(o, n_inputs && inputs[0] >= 0 ? o->graph->values[inputs[0]].type : ENGINE_F32, 0, nothing);
	if (value < 0)
		return value;
	if (op == GRAPH_RESHAPE || op == GRAPH_TRANSPOSE || op == GRAPH_MAXPOOL) {
		int r = keep_quant(o, inputs[0], value);

		if (r < 0)
			return r;
	}
	node = graph_add_node(o->graph, op, (const char *)o->name.data, o->name.size, inputs, n_inputs, &value, 1);
	if (node < 0)
		return node;
	*ret_node = &o->graph->nodes[node];
	return value;
}

/* Infers its shape; the value, or an error that is told already. */
static int finish_node(struct onnx *o, int value)
{
	static const int32_t unknown[ENGINE_RANK_MAX] = {-1, -1, -1, -1, -1, -1};
	struct graph_value *made;
	int r;

	if (value < 0)
		return result(o, value);
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

static int add_transpose(struct onnx *o, int x, const int32_t order[4])
{
	struct graph_node *node;
	int value = begin_node(o, GRAPH_TRANSPOSE, &x, 1, &node);

	if (value >= 0) {
		node->shape.rank = 4;
		memcpy(node->shape.dims, order, 4 * sizeof(*order));
	}
	return finish_node(o, value);
}

static int add_reshape(struct onnx *o, int x, int rank, const int32_t *dims)
{
	struct graph_node *node;
	int value = begin_node(o, GRAPH_RESHAPE, &x, 1, &node);

	if (value >= 0) {
		node->shape.rank = rank;
		memcpy(node->shape.dims, dims, (size_t)rank * sizeof(*dims));
	}
	return finish_node(o, value);
}

/* ---- tensors ----------------------------------------------------------------------------------- */

static struct tensor *input(struct onnx *o, int i)
{
	return i < o->n_inputs && o->inputs[i] >= 0 ? &o->tensors[o->inputs[i]] : NULL;
}

static bool has_input(const struct onnx *o, int i)
{
	return i < o->n_inputs && o->inputs[i] >= 0;
}

/* Constant floats of this shape, zeroed, for the caller to fill. */
static int add_floats(struct onnx *o, int rank, const int32_t *dims, float **ret_data)
{
	size_t count;
	int value = graph_elements(rank, dims, &count) < 0 ? -EFBIG : add_value(o, ENGINE_F32, rank, dims);

	if (value < 0)
		return value;
	*ret_data = graph_alloc_data(o->graph, value, count * sizeof(**ret_data));
	return *ret_data ? value : -ENOMEM;
}

/* A constant that was computed, not read. */
static bool is_folded(const struct onnx *o, const struct tensor *t)
{
	return t->is_constant && !t->constant.message.data && t->file >= 0 && o->graph->values[t->file].data;
}

static void read_folded(const struct onnx *o, const struct tensor *t, float *data)
{
	const struct graph_value *value = &o->graph->values[t->file];
	const struct engine_tensor tensor = {.type = value->type, .data = (void *)(uintptr_t)value->data};

	for (size_t i = 0; i < t->constant.count; i++)
		data[i] = (float)tensor_real(&tensor, i);
}

static int read_dequantised(struct onnx *o, const struct tensor *t, float *data);

/* A constant as floats, which the caller frees; NULL after it was told why not. */
static float *read_floats(struct onnx *o, const struct tensor *t)
{
	size_t count = t->constant.count ? t->constant.count : 1;
	float *data = t->constant.external ? NULL : malloc(count * sizeof(*data));
	int r = t->constant.external ? -ENOTSUP : data ? 0 : -ENOMEM;

	if (r == 0 && t->is_dequantised)
		r = read_dequantised(o, t, data);
	else if (r == 0 && is_folded(o, t))
		read_folded(o, t, data);
	else if (r == 0)
		r = onnx_copy_floats(&t->constant, data);
	if (r == 0)
		return data;
	free(data);
	refuse(o, r, r == -ENOTSUP ? "has a constant of a type or place that is not read" : "has a malformed constant");
	return NULL;
}

/* ---- quantised tensors -------------------------------------------------------------------------- */

/* A constant's integers, which the caller frees; NULL: out of memory, or they are malformed. */
static int64_t *read_integers(const struct onnx *o, const struct tensor *t)
{
	int64_t *data = malloc(t->constant.count * sizeof(*data) + 1);
	struct engine_tensor tensor;

	if (data && is_folded(o, t)) {
		tensor = (struct engine_tensor){.type = o->graph->values[t->file].type,
						.data = (void *)(uintptr_t)o->graph->values[t->file].data};
		for (size_t i = 0; i < t->constant.count; i++)
			data[i] = tensor_integer(&tensor, i);
	} else if (data && onnx_copy_integers(&t->constant, data) < 0) {
		free(data);
		data = NULL;
	}
	return data;
}

/* The scales and zero points of a dequantised constant or of a node, each of `n`; the caller frees both. */
static int read_scales(struct onnx *o, const struct tensor *scale, const struct tensor *zero, size_t n,
		       float **ret_scales, int64_t **ret_zeros)
{
	float *scales;
	int64_t *zeros;

	if (!scale || !scale->is_constant || scale->constant.count != n || !onnx_is_real(scale->constant.type) ||
	    (zero && (!zero->is_constant || zero->constant.count != n || onnx_is_real(zero->constant.type))))
		return -ENOTSUP;
	scales = read_floats(o, scale);
	if (!scales)
		return -EINVAL;
	zeros = zero ? read_integers(o, zero) : calloc(n + 1, sizeof(*zeros));
	if (!zeros) {
		free(scales);
		return refuse(o, -EINVAL, "has a malformed constant");
	}
	*ret_scales = scales;
	*ret_zeros = zeros;
	return 0;
}

static int dequantised_scales(struct onnx *o, const struct tensor *t, float **ret_scales, int64_t **ret_zeros)
{
	const struct tensor *scale = &o->tensors[t->scale];

	return read_scales(o, scale, t->zero < 0 ? NULL : &o->tensors[t->zero], scale->constant.count, ret_scales,
			   ret_zeros);
}

static int read_dequantised(struct onnx *o, const struct tensor *t, float *data)
{
	int64_t *stored = read_integers(o, &o->tensors[t->stored]), *zeros = NULL;
	size_t n = o->tensors[t->scale].constant.count, inner = 1;
	float *scales = NULL;
	int r = stored ? dequantised_scales(o, t, &scales, &zeros) : -EINVAL;

	for (int i = t->axis + 1; n > 1 && i < t->constant.rank; i++)
		inner *= (size_t)t->constant.dims[i];
	for (size_t i = 0; r == 0 && i < t->constant.count; i++) {
		size_t channel = n > 1 ? i / inner % n : 0;

		data[i] = (float)(stored[i] - zeros[channel]) * scales[channel];
	}
	free(stored);
	free(scales);
	free(zeros);
	return r;
}

/*
 * A float constant remembers the scales that it is a multiple of, so that a pass can make integers of it again: one
 * scale, or one for each index of this axis of the file (-1: none is), which is the value's first.
 */
static int note_quant(struct onnx *o, const struct tensor *t, int value, int axis)
{
	float *scales;
	int64_t *zeros;
	size_t n;
	int r;

	if (value < 0 || !t->is_dequantised)
		return value;
	n = o->tensors[t->scale].constant.count;
	if (n > 1 && t->axis != axis)
		return value;
	r = dequantised_scales(o, t, &scales, &zeros);
	if (r < 0)
		return r;
	r = graph_set_quant(o->graph, value, (int)n, scales, zeros, 0);
	free(scales);
	free(zeros);
	/* Scales that are no scales are only not remembered. */
	return r == -ENOMEM ? r : value;
}

static void image_dims(const struct onnx_tensor *constant, int32_t file[4], int32_t image[4])
{
	for (int i = 0; i < 4; i++)
		file[i] = i < 4 - constant->rank ? 1 : constant->dims[i - (4 - constant->rank)];
	memcpy(image, (int32_t[]){file[0], file[2], file[3], file[1]}, 4 * sizeof(*image));
}

/* A constant of integers as a value of its type. */
static int add_integers(struct onnx *o, const struct tensor *t)
{
	int type = onnx_engine_type(t->constant.type), value, r;
	struct engine_tensor tensor = {.type = ENGINE_S64};
	int64_t *from;

	if (type < 0 || t->constant.external)
		return refuse(o, -ENOTSUP, "has a constant of a type or place that is not read");
	value = add_value(o, (enum engine_type)type, t->constant.rank, t->constant.dims);
	if (value < 0)
		return result(o, value);
	from = malloc(t->constant.count * sizeof(*from) + 1);
	tensor.type = (enum engine_type)type;
	tensor.data = graph_alloc_data(o->graph, value, t->constant.count * engine_type_size(tensor.type));
	r = from && tensor.data ? onnx_copy_integers(&t->constant, from) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < t->constant.count; i++)
		tensor_put_integer(&tensor, i, from[i]);
	free(from);
	return r == -EINVAL ? refuse(o, r, "has a malformed constant") : r < 0 ? result(o, r) : value;
}

/* A constant as a value, in the order of the file or, where that has a meaning, of images. */
static int add_constant(struct onnx *o, const struct tensor *t, bool as_image)
{
	int32_t file[4], image[4];
	float *from, *to = NULL;
	int value;

	if (as_image && t->constant.rank > 4)
		return refuse(o, -ENOTSUP, "mixes an image with a constant of more than four axes");
	if (as_image)
		image_dims(&t->constant, file, image);
	else if (!onnx_is_real(t->constant.type))
		return add_integers(o, t);
	from = read_floats(o, t);
	if (!from)
		return -EINVAL;
	value = as_image ? add_floats(o, 4, image, &to) : add_floats(o, t->constant.rank, t->constant.dims, &to);
	if (value >= 0 && !as_image)
		memcpy(to, from, t->constant.count * sizeof(*to));
	for (int32_t n = 0; value >= 0 && as_image && n < file[0]; n++)
		for (int32_t h = 0; h < file[2]; h++)
			for (int32_t w = 0; w < file[3]; w++)
				for (int32_t c = 0; c < file[1]; c++)
					*to++ = from[(((int64_t)n * file[1] + c) * file[2] + h) * file[3] + w];
	free(from);
	return result(o, note_quant(o, t, value, -1));
}

/* The value of a tensor in the order of the file. */
static int as_file(struct onnx *o, struct tensor *t)
{
	if (!t)
		return refuse(o, -EINVAL, "lacks an input");
	if (t->file < 0 && t->is_constant)
		t->file = add_constant(o, t, false);
	else if (t->file < 0)
		t->file = add_transpose(o, t->image, (int32_t[]){0, 3, 1, 2});
	return t->file;
}

static int as_image(struct onnx *o, struct tensor *t)
{
	if (!t)
		return refuse(o, -EINVAL, "lacks an input");
	if (t->image < 0 && t->is_constant)
		t->image = add_constant(o, t, true);
	else if (t->image < 0 && o->shapes[t->file].rank != 4)
		return refuse(o, -ENOTSUP, "reads no image of four axes");
	else if (t->image < 0)
		t->image = add_transpose(o, t->file, (int32_t[]){0, 2, 3, 1});
	return t->image;
}

/* What there is. */
static int as_any(struct onnx *o, struct tensor *t, bool *ret_image)
{
	*ret_image = t && t->image >= 0;
	return *ret_image ? t->image : as_file(o, t);
}

static int set_output(struct onnx *o, int i, int value, bool is_image)
{
	struct tensor *t;

	if (value < 0)
		return value;
	if (i >= o->n_outputs || o->outputs[i] < 0)
		return i ? 0 : refuse(o, -EINVAL, "has no output");
	t = &o->tensors[o->outputs[i]];
	t->file = is_image ? -1 : value;
	t->image = is_image ? value : -1;
	if (o->graph->values[value].name)
		return 0;
	o->graph->values[value].name = strndup((const char *)t->name.data, t->name.size);
	return o->graph->values[value].name ? 0 : result(o, -ENOMEM);
}

/* The shape of a tensor as the file sees it. */
static bool file_shape(const struct onnx *o, const struct tensor *t, struct graph_shape *ret)
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

/* An axis of the file, which may count from the end, as one of the value; -1: there is no such axis. */
static int axis_of(int64_t axis, int rank, bool is_image)
{
	if (axis < 0)
		axis += rank;
	if (axis < 0 || axis >= rank)
		return -1;
	return is_image ? (int[]){0, 3, 1, 2}[axis] : (int)axis;
}

/* ---- known integers ---------------------------------------------------------------------------- */

/* The integers of a tensor, if they are known; their count or -1. */
static int known_integers(const struct onnx *o, const struct tensor *t, int64_t integers[INTEGERS_MAX])
{
	struct engine_tensor tensor;

	if (!t || !t->is_constant || t->constant.count > INTEGERS_MAX || t->constant.rank > 1 ||
	    onnx_is_real(t->constant.type))
		return -1;
	if (!is_folded(o, t))
		return onnx_copy_integers(&t->constant, integers) == 0 ? (int)t->constant.count : -1;
	tensor = (struct engine_tensor){.type = o->graph->values[t->file].type,
					.data = (void *)(uintptr_t)o->graph->values[t->file].data};
	for (size_t i = 0; i < t->constant.count; i++)
		integers[i] = tensor_integer(&tensor, i);
	return (int)t->constant.count;
}

/* Integers of an attribute or, in later opsets, of an input. */
static int list_of(struct onnx *o, const char *attribute, int i, int max, int64_t *ret)
{
	int64_t integers[INTEGERS_MAX];
	struct tensor *t = input(o, i);
	int n;

	if (!t)
		return integers_of(o, attribute, max, ret);
	n = known_integers(o, t, integers);
	if (n > max)
		return refuse(o, -ENOTSUP, "has a list that is too long");
	if (n < 0)
		return refuse(o, -ENOTSUP, "depends on integers that are not known before it runs");
	memcpy(ret, integers, (size_t)n * sizeof(*ret));
	return n;
}

/* Makes a tensor (NULL: none) a constant whose data the caller fills; its value, or an error that is told. */
static int make_constant(struct onnx *o, struct tensor *t, enum engine_type type, int rank, const int32_t *dims,
			 struct engine_tensor *ret_tensor)
{
	static const int64_t types[ENGINE_TYPE_COUNT] = {
		[ENGINE_F32] = ONNX_FLOAT,  [ENGINE_F16] = ONNX_FLOAT16, [ENGINE_S8] = ONNX_INT8,
		[ENGINE_U8] = ONNX_UINT8,   [ENGINE_S16] = ONNX_INT16,	 [ENGINE_S32] = ONNX_INT32,
		[ENGINE_S64] = ONNX_INT64,  [ENGINE_BOOL] = ONNX_BOOL,	 [ENGINE_U16] = ONNX_UINT16,
		[ENGINE_U32] = ONNX_UINT32, [ENGINE_U64] = ONNX_UINT64,
	};
	struct engine_tensor tensor = {.type = type, .rank = rank};
	int value = add_value(o, type, rank, dims);

	if (value < 0)
		return result(o, value);
	memcpy(tensor.dims, dims, (size_t)rank * sizeof(*dims));
	tensor.data = graph_alloc_data(o->graph, value, tensor_count(&tensor) * engine_type_size(type));
	if (!tensor.data)
		return result(o, -ENOMEM);
	if (t) {
		t->is_constant = true;
		t->file = value;
		t->image = -1;
		t->constant = (struct onnx_tensor){.type = types[type], .rank = rank, .count = tensor_count(&tensor)};
		memcpy(t->constant.dims, tensor.dims, sizeof(tensor.dims));
	}
	*ret_tensor = tensor;
	return value;
}

/* The same for output i of the node. */
static int set_constant(struct onnx *o, int i, enum engine_type type, int rank, const int32_t *dims,
			struct engine_tensor *ret_tensor)
{
	return make_constant(o, i < o->n_outputs && o->outputs[i] >= 0 ? &o->tensors[o->outputs[i]] : NULL, type, rank,
			     dims, ret_tensor);
}

static int on_constant(struct onnx *o)
{
	struct onnx_attribute attribute = {.integer = 0};
	struct engine_tensor tensor;
	bool floats = onnx_attribute(o->node, "value_floats", &attribute, &o->malformed) ||
		      onnx_attribute(o->node, "value_float", &attribute, &o->malformed);
	bool integers = !floats && (onnx_attribute(o->node, "value_ints", &attribute, &o->malformed) ||
				    onnx_attribute(o->node, "value_int", &attribute, &o->malformed));
	bool list = attribute.n_floats || attribute.n_integers;
	int32_t n = floats ? attribute.n_floats : attribute.n_integers;
	struct tensor *t;
	int r;

	if (floats || integers) {
		r = set_constant(o, 0, floats ? ENGINE_F32 : ENGINE_S64, list, &n, &tensor);
		for (size_t i = 0; r >= 0 && i < (list ? (size_t)n : 1); i++) {
			if (floats)
				tensor_put_real(&tensor, i, (double)(list ? attribute.floats[i] : attribute.number));
			else
				tensor_put_integer(&tensor, i, list ? attribute.integers[i] : attribute.integer);
		}
		return r < 0 ? r : 0;
	}
	if (!onnx_attribute(o->node, "value", &attribute, &o->malformed) || !attribute.tensor.data ||
	    o->n_outputs < 1 || o->outputs[0] < 0)
		return refuse(o, -ENOTSUP, "is no tensor and no numbers");
	t = &o->tensors[o->outputs[0]];
	r = read_tensor(o, attribute.tensor, &t->constant);
	t->is_constant = r == 0;
	return r;
}

/* ---- general operators -------------------------------------------------------------------------- */

/* What the file says about the shape of output i; false where it leaves something open. */
static bool declared_shape(struct onnx *o, int i, struct graph_shape *ret)
{
	struct names_entry *entry = i < o->n_outputs && o->outputs[i] >= 0
					    ? names_find(&o->info_names, o->tensors[o->outputs[i]].name.data,
							 o->tensors[o->outputs[i]].name.size)
					    : NULL;
	struct onnx_value_info info;
	size_t elements;

	if (!entry || entry->number < 0 || onnx_read_value_info(o->infos[entry->number], &info, o->error) < 0 ||
	    info.rank < 0 || graph_elements(info.rank, info.dims, &elements) < 0)
		return false;
	ret->rank = info.rank;
	memcpy(ret->dims, info.dims, sizeof(info.dims));
	return true;
}

/* Inputs in the order of the file; ConstantOfShape's tensor comes as one more. */
static int general_inputs(struct onnx *o, int inputs[ENGINE_OPERATOR_IO_MAX])
{
	struct onnx_attribute attribute;
	struct tensor fill = {.file = -1, .image = -1, .is_constant = true};
	int n = o->n_inputs;

	if (n > ENGINE_OPERATOR_IO_MAX)
		return refuse(o, -ENOTSUP, "has too many inputs");
	for (int i = 0; i < n; i++) {
		inputs[i] = has_input(o, i) ? as_file(o, input(o, i)) : -1;
		if (has_input(o, i) && inputs[i] < 0)
			return inputs[i];
		if (has_input(o, i) && is_quantised(&o->graph->values[inputs[i]]) && !moves(o))
			return refuse(o, -EINVAL, "reads a quantised tensor in a way of its own");
	}
	if (onnx_is(o->op, "ConstantOfShape") && n == 1 &&
	    onnx_attribute(o->node, "value", &attribute, &o->malformed) && attribute.tensor.data) {
		int r = read_tensor(o, attribute.tensor, &fill.constant);

		inputs[n] = r < 0 ? r : add_constant(o, &fill, false);
		if (inputs[n] < 0)
			return inputs[n];
		n++;
	}
	while (n > 0 && inputs[n - 1] < 0)
		n--;
	return n;
}

/* Adds the node, with outputs whose types and shapes nobody knows yet. */
static int add_general_node(struct onnx *o, const struct engine_operator *op, const int *inputs, int n_inputs)
{
	static const int32_t nothing[ENGINE_RANK_MAX];
	int outputs[ENGINE_OPERATOR_IO_MAX], n = o->n_outputs, node;

	while (n > 1 && o->outputs[n - 1] < 0)
		n--;
	if (n < 1 || n > ENGINE_OPERATOR_IO_MAX)
		return refuse(o, -EINVAL, "has no output, or too many");
	for (int i = 0; i < n; i++) {
		outputs[i] = add_value(o, ENGINE_F32, 0, nothing);
		if (outputs[i] < 0)
			return result(o, outputs[i]);
	}
	node = graph_add_node(o->graph, GRAPH_GENERAL, (const char *)o->name.data, o->name.size, inputs, n_inputs,
			      outputs, n);
	if (node < 0)
		return result(o, node);
	o->graph->nodes[node].general =
		(struct graph_general){.op = op, .attributes = attributes_new(), .version = (int)o->opset};
	if (!o->graph->nodes[node].general.attributes)
		return result(o, -ENOMEM);
	return node;
}

/* Constants of constants: computed now, if that does not take more memory than the file is worth. */
static bool can_fold(const struct onnx *o, const struct graph_node *node, const struct general_call *call)
{
	bool shape_only = onnx_is(o->op, "Shape") || onnx_is(o->op, "Size");
	size_t bytes = call->call.scratch_bytes;

	if (call->call.macs > FOLDED_MACS)
		return false;
	for (int i = 0; i < node->n_inputs; i++)
		if (node->inputs[i] >= 0 &&
		    (shape_only ? o->graph->values[node->inputs[i]].variable : !o->graph->values[node->inputs[i]].data))
			return false;
	for (int i = 0; i < node->n_outputs; i++) {
		bytes += tensor_count(call->call.outputs[i]) * engine_type_size(call->call.outputs[i]->type);
		if (bytes > o->folded_max - o->folded_bytes)
			return false;
	}
	/* Nothing random is a constant, and nothing without any input but a Constant is. */
	return node->n_inputs > 0;
}

static int fold_node(struct onnx *o, const struct graph_node *node, struct general_call *call)
{
	int r;

	for (int i = 0; i < node->n_outputs; i++) {
		struct engine_tensor *out = call->call.outputs[i];

		r = set_constant(o, i, out->type, out->rank, out->dims, out);
		if (r < 0)
			return r;
		o->folded_bytes += tensor_count(out) * engine_type_size(out->type);
	}
	r = general_fold(call, node, o->error);
	o->graph->passes[GRAPH_PASS_CONSTANT]++;
	graph_drop_last_node(o->graph);
	return r;
}

static int set_general_outputs(struct onnx *o, const struct graph_node *node, const struct general_call *call,
			       bool variable, bool known)
{
	int r = 0;

	for (int i = 0; i < node->n_outputs && r == 0; i++) {
		const struct engine_tensor *out = call->call.outputs[i];
		int value = node->outputs[i];
		struct graph_shape *shape = &o->shapes[value];

		shape->rank = out->rank;
		memcpy(shape->dims, out->dims, sizeof(out->dims));
		if (!known && !declared_shape(o, i, shape))
			return refuse(o, -ENOTSUP, "makes a tensor whose size depends on data, and says no most");
		o->graph->values[value].type = out->type;
		o->graph->values[value].rank = shape->rank;
		o->graph->values[value].variable = variable;
		for (int k = 0; k < ENGINE_RANK_MAX; k++)
			o->graph->values[value].dims[k] = variable ? shape->dims[k] : GRAPH_DIM_UNKNOWN;
		if (i < o->n_outputs && o->outputs[i] >= 0)
			r = set_output(o, i, value, false);
		if (r == 0 && i == 0 && node->n_inputs && node->inputs[0] >= 0 && moves(o))
			r = result(o, keep_quant(o, node->inputs[0], value));
	}
	return r;
}

static int on_general(struct onnx *o, const struct engine_operator *op)
{
	int inputs[ENGINE_OPERATOR_IO_MAX + 1], n = general_inputs(o, inputs), index, r;
	const struct graph_node *node;
	struct general_call call;
	bool variable;

	if (n < 0)
		return n;
	index = add_general_node(o, op, inputs, n);
	if (index < 0)
		return index;
	node = &o->graph->nodes[index];
	r = onnx_copy_attributes(o->node, node->general.attributes);
	if (r < 0)
		return refuse(o, r, "has a malformed attribute, or too many");
	r = general_infer(o->graph, index, o->shapes, &call, o->error);
	if (r < 0 && r != -EAGAIN)
		return r;
	if (r == 0 && !op->shrinks && can_fold(o, node, &call))
		return fold_node(o, node, &call);
	variable = r == -EAGAIN || op->shrinks;
	for (int i = 0; i < n; i++)
		variable |= inputs[i] >= 0 && o->graph->values[inputs[i]].variable;
	return set_general_outputs(o, node, &call, variable, r == 0);
}

/* ---- operators on images ----------------------------------------------------------------------- */

/* Kernel, strides, dilations and padding of one or two sides; a side that is missing is 1. */
static int read_window(struct onnx *o, const int64_t *kernel, struct graph_window *w)
{
	int64_t strides[2] = {1, 1}, dilations[2] = {1, 1}, pads[4] = {0};

	integers_of(o, "strides", 2, strides);
	integers_of(o, "dilations", 2, dilations);
	integers_of(o, "pads", 4, pads);
	for (int i = 0; i < 2; i++)
		if (kernel[i] < 1 || kernel[i] > GRAPH_TAPS_MAX || strides[i] < 1 || strides[i] > GRAPH_WINDOW_MAX ||
		    dilations[i] < 1 || dilations[i] > GRAPH_WINDOW_MAX || pads[i] < 0 || pads[i] > GRAPH_WINDOW_MAX ||
		    pads[i + 2] < 0 || pads[i + 2] > GRAPH_WINDOW_MAX)
			return refuse(o, -EINVAL, "has an impossible window");
	*w = (struct graph_window){(int)kernel[0],	 (int)kernel[1],       (int)strides[0],
				   (int)strides[1],	 (int)dilations[0],    (int)dilations[1],
				   .top = (int)pads[0],	 .left = (int)pads[1], .bottom = (int)pads[2],
				   .right = (int)pads[3]};
	if (text_is(o, "auto_pad", "SAME_UPPER", false))
		w->pad_mode = GRAPH_PAD_SAME_UPPER;
	else if (text_is(o, "auto_pad", "SAME_LOWER", false))
		w->pad_mode = GRAPH_PAD_SAME_LOWER;
	else if (text_is(o, "auto_pad", "VALID", false))
		w->pad_mode = GRAPH_PAD_VALID;
	return 0;
}

/* [O][I][taps] of the file as [O][taps][I]. */
static int add_weights(struct onnx *o, const struct tensor *t, const int32_t dims[4])
{
	size_t out = (size_t)dims[0], taps = (size_t)dims[1] * (size_t)dims[2], in = (size_t)dims[3];
	float *from = read_floats(o, t), *to = NULL;
	int value = from ? add_floats(o, 4, dims, &to) : -EINVAL;

	for (size_t k = 0; value >= 0 && k < out * taps * in; k++)
		to[k] = from[(k / (taps * in) * in + k % in) * taps + k / in % taps];
	free(from);
	return from ? result(o, note_quant(o, t, value, 0)) : value;
}

static int on_conv(struct onnx *o)
{
	struct tensor *weights = input(o, 1);
	int64_t groups = integer_of(o, "group", 1);
	struct graph_window window;
	struct graph_node *node;
	int inputs[3] = {as_image(o, input(o, 0)), -1, -1}, value, r;
	const int32_t *dims;

	if (inputs[0] < 0)
		return inputs[0];
	if (!weights || !weights->is_constant || weights->constant.rank != 4)
		return refuse(o, -ENOTSUP, "has weights that are not constant or not those of an image");
	dims = weights->constant.dims;
	r = read_window(o, (int64_t[]){dims[2], dims[3]}, &window);
	if (r < 0)
		return r;
	if (groups < 1 || groups > INT32_MAX || (int64_t)dims[2] * dims[3] > GRAPH_TAPS_MAX)
		return refuse(o, -EINVAL, "has impossible groups or too large a kernel");
	inputs[1] = add_weights(o, weights, (int32_t[]){dims[0], dims[2], dims[3], dims[1]});
	inputs[2] = inputs[1] >= 0 && has_input(o, 2) ? as_file(o, input(o, 2)) : -1;
	if (inputs[1] < 0 || (has_input(o, 2) && inputs[2] < 0))
		return inputs[1] < 0 ? inputs[1] : inputs[2];
	value = begin_node(o, GRAPH_CONV, inputs, has_input(o, 2) ? 3 : 2, &node);
	if (value >= 0)
		node->conv = (struct graph_conv){.window = window, .groups = (int)groups};
	return set_output(o, 0, finish_node(o, value), true);
}

/* No window of ceil mode begins in the padding behind the input: ONNX leaves such a one out. */
static bool is_ceiled_alike(const struct graph_window *w, const struct graph_shape *x)
{
	int out, before, after;

	for (int i = 0; i < 2; i++) {
		if (graph_window_axis(w, i == 0, true, x->dims[1 + i], &out, &before, &after) < 0)
			return false;
		if ((int64_t)(out - 1) * (i ? w->stride_w : w->stride_h) >= (int64_t)x->dims[1 + i] + before)
			return false;
	}
	return true;
}

static int pool(struct onnx *o, enum graph_op op, bool global)
{
	bool ceil_mode;
	int64_t kernel[2] = {1, 1};
	struct graph_window window = {0};
	struct graph_node *node;
	int x = as_image(o, input(o, 0)), value, r;

	if (x < 0)
		return x;
	if (!global && integers_of(o, "kernel_shape", 2, kernel) != 2)
		return refuse(o, -ENOTSUP, "has no window of two sides");
	if (o->n_outputs > 1 && o->outputs[1] >= 0)
		return refuse(o, -ENOTSUP, "says where the largest were");
	r = read_window(o, kernel, &window);
	if (r < 0)
		return r;
	if (window.dilation_h != 1 || window.dilation_w != 1)
		return refuse(o, -ENOTSUP, "has a window with gaps");
	ceil_mode = integer_of(o, "ceil_mode", 0) != 0;
	/* Where a rounded-up window would begin behind the input, or counts padding that is not there. */
	if (ceil_mode && (op == GRAPH_AVGPOOL || !is_ceiled_alike(&window, &o->shapes[x])))
		return refuse(o, -ENOTSUP, "rounds its size up in a way of its own");
	value = begin_node(o, op, &x, 1, &node);
	if (value >= 0)
		node->pool = (struct graph_pool){.window = window,
						 .global = global,
						 .ceil_mode = ceil_mode,
						 .count_pad = integer_of(o, "count_include_pad", 0) != 0};
	return set_output(o, 0, finish_node(o, value), true);
}

static int on_max_pool(struct onnx *o)
{
	return pool(o, GRAPH_MAXPOOL, false);
}

static int on_average_pool(struct onnx *o)
{
	return pool(o, GRAPH_AVGPOOL, false);
}

static int on_global_max_pool(struct onnx *o)
{
	return pool(o, GRAPH_MAXPOOL, true);
}

static int on_global_average_pool(struct onnx *o)
{
	return pool(o, GRAPH_AVGPOOL, true);
}

/* scale * (x - mean) / sqrt(variance + epsilon) + bias. */
static int on_batch_norm(struct onnx *o)
{
	float epsilon = number_of(o, "epsilon", 1e-5f), *numbers[4] = {NULL}, *scale = NULL, *shift = NULL;
	int32_t channels = input(o, 1) && input(o, 1)->is_constant ? (int32_t)input(o, 1)->constant.count : 0;
	struct graph_node *node;
	struct graph_shape shape;
	int inputs[3], r = 0, value;
	bool image;

	if (!input(o, 0) || !file_shape(o, input(o, 0), &shape) || integer_of(o, "training_mode", 0))
		return refuse(o, -ENOTSUP, "is not for inference");
	inputs[0] = shape.rank == 4 ? as_image(o, input(o, 0)) : as_file(o, input(o, 0));
	image = shape.rank == 4;
	if (inputs[0] < 0)
		return inputs[0];
	if (shape.rank != 4 && shape.rank != 2)
		return refuse(o, -ENOTSUP, "normalises neither images nor vectors");
	for (int i = 0; i < 4 && r == 0; i++) {
		const struct tensor *t = input(o, i + 1);

		if (!t || !t->is_constant || t->constant.count != (size_t)channels)
			r = refuse(o, -ENOTSUP, "has statistics that are not constant or not of one length");
		else
			numbers[i] = read_floats(o, t);
		if (r == 0 && !numbers[i])
			r = -EINVAL;
	}
	inputs[1] = r == 0 ? add_floats(o, 1, &channels, &scale) : -1;
	inputs[2] = inputs[1] >= 0 ? add_floats(o, 1, &channels, &shift) : inputs[1];
	for (int32_t c = 0; r == 0 && inputs[2] >= 0 && c < channels; c++) {
		scale[c] = numbers[0][c] / sqrtf(numbers[3][c] + epsilon);
		shift[c] = numbers[1][c] - scale[c] * numbers[2][c];
	}
	for (int i = 0; i < 4; i++)
		free(numbers[i]);
	if (r < 0 || inputs[2] < 0)
		return r < 0 ? r : result(o, inputs[2]);
	value = begin_node(o, GRAPH_BATCHNORM, inputs, 3, &node);
	return set_output(o, 0, finish_node(o, value), image);
}

static int resize_mode(struct onnx *o, struct graph_resize *resize)
{
	bool floors = text_is(o, "nearest_mode", "floor", false);

	resize->bilinear = text_is(o, "mode", "linear", false);
	resize->align_corners = text_is(o, "coordinate_transformation_mode", "align_corners", false);
	resize->half_pixel = text_is(o, "coordinate_transformation_mode", "half_pixel", o->opset > 10) ||
			     text_is(o, "coordinate_transformation_mode", "pytorch_half_pixel", false);
	if (!resize->bilinear && !text_is(o, "mode", "nearest", true))
		return refuse(o, -ENOTSUP, "resizes neither to the nearest nor linearly");
	if (!resize->bilinear && (resize->half_pixel || !(floors || o->opset < 11)))
		return refuse(o, -ENOTSUP, "rounds to the nearest in a way that is not known");
	return 0;
}

static int on_resize(struct onnx *o)
{
	int sizes_at = o->opset > 10 ? 3 : -1, scales_at = o->opset > 10 ? 2 : 1, x = as_image(o, input(o, 0)), value,
	    r;
	struct tensor *scales = input(o, scales_at);
	struct graph_resize resize = {0};
	struct graph_node *node;
	int64_t sizes[4];

	if (x < 0)
		return x;
	r = resize_mode(o, &resize);
	if (r < 0)
		return r;
	if (sizes_at >= 0 && has_input(o, sizes_at)) {
		if (list_of(o, "", sizes_at, 4, sizes) != 4)
			return refuse(o, -ENOTSUP, "has no sizes for four axes");
		if (sizes[0] != o->shapes[x].dims[0] || sizes[1] != o->shapes[x].dims[3])
			return refuse(o, -ENOTSUP, "resizes more than height and width");
		if (sizes[2] < 1 || sizes[2] > INT32_MAX || sizes[3] < 1 || sizes[3] > INT32_MAX)
			return refuse(o, -EINVAL, "makes an impossible size");
		resize.out_h = (int)sizes[2];
		resize.out_w = (int)sizes[3];
	} else {
		float *factors;

		if (!scales || !scales->is_constant || scales->constant.count != 4)
			return refuse(o, -ENOTSUP, "has no constant scales for four axes");
		factors = read_floats(o, scales);
		if (!factors)
			return -EINVAL;
		resize.scale_h = factors[2];
		resize.scale_w = factors[3];
		r = factors[0] == 1 && factors[1] == 1 ? 0 : refuse(o, -ENOTSUP, "resizes more than height and width");
		free(factors);
		if (r < 0)
			return r;
	}
	value = begin_node(o, GRAPH_RESIZE, &x, 1, &node);
	if (value >= 0)
		node->resize = resize;
	return set_output(o, 0, finish_node(o, value), true);
}

/* ---- matrices ---------------------------------------------------------------------------------- */

/* A constant matrix as weights [O][I], times a factor. */
static int add_matrix(struct onnx *o, const struct tensor *t, bool is_out_in, float factor)
{
	int32_t rows = t->constant.dims[0], columns = t->constant.dims[1], out = is_out_in ? rows : columns;
	int32_t in = is_out_in ? columns : rows;
	float *from = read_floats(o, t), *to = NULL;
	int value = from ? add_floats(o, 2, (int32_t[]){out, in}, &to) : -EINVAL;

	for (int64_t k = 0; value >= 0 && k < (int64_t)out * in; k++)
		to[k] = factor * (is_out_in ? from[k] : from[k % in * out + k / in]);
	free(from);
	if (from && factor == 1.0f)
		value = note_quant(o, t, value, is_out_in ? 0 : 1);
	return from ? result(o, value) : value;
}

static int fully_connected(struct onnx *o, bool is_out_in, float factor, int bias)
{
	const struct tensor *weights = input(o, 1);
	int inputs[3] = {as_file(o, input(o, 0)), -1, bias}, value;
	struct graph_node *node;

	if (inputs[0] < 0)
		return inputs[0];
	if (!weights || !weights->is_constant || weights->constant.rank != 2)
		return refuse(o, -ENOTSUP, "multiplies by what is no constant matrix");
	inputs[1] = add_matrix(o, weights, is_out_in, factor);
	if (inputs[1] < 0)
		return inputs[1];
	value = begin_node(o, GRAPH_FC, inputs, bias >= 0 ? 3 : 2, &node);
	if (value >= 0)
		node->fc.flatten = false;
	return set_output(o, 0, finish_node(o, value), false);
}

static int on_gemm(struct onnx *o)
{
	float beta = number_of(o, "beta", 1.0f);
	int bias = -1;

	if (integer_of(o, "transA", 0) || (has_input(o, 2) && beta != 1.0f))
		return refuse(o, -ENOTSUP, "transposes its input or scales its bias");
	if (has_input(o, 2)) {
		bias = as_file(o, input(o, 2));
		if (bias < 0)
			return bias;
	}
	return fully_connected(o, integer_of(o, "transB", 0) != 0, number_of(o, "alpha", 1.0f), bias);
}

static int on_matmul(struct onnx *o)
{
	return fully_connected(o, false, 1.0f, -1);
}

static int on_identity(struct onnx *o);

/* ---- elementwise ------------------------------------------------------------------------------- */

static int unary(struct onnx *o, enum graph_act_kind kind, float a, float b)
{
	struct graph_node *node;
	bool image;
	int x = as_any(o, input(o, 0), &image), value;

	if (x < 0)
		return x;
	value = begin_node(o, GRAPH_UNARY, &x, 1, &node);
	if (value >= 0)
		node->unary = (struct graph_act){kind, a, b};
	return set_output(o, 0, finish_node(o, value), image);
}

static const struct {
	const char *op;
	enum graph_act_kind kind;
} functions[] = {
	{"Relu", GRAPH_ACT_RELU}, {"Sigmoid", GRAPH_ACT_SIGMOID}, {"Tanh", GRAPH_ACT_TANH},
	{"Exp", GRAPH_ACT_EXP},	  {"Log", GRAPH_ACT_LOG},	  {"Sqrt", GRAPH_ACT_SQRT},
	{"Abs", GRAPH_ACT_ABS},	  {"Neg", GRAPH_ACT_NEG},	  {"Mish", GRAPH_ACT_MISH},
};

static int on_function(struct onnx *o)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (onnx_is(o->op, functions[i].op))
			return unary(o, functions[i].kind, 0, 0);
	return refuse(o, -ENOTSUP, "is an unknown function");
}

static int on_leaky_relu(struct onnx *o)
{
	return unary(o, GRAPH_ACT_LEAKY, number_of(o, "alpha", 0.01f), 0);
}

static int on_elu(struct onnx *o)
{
	return unary(o, GRAPH_ACT_ELU, number_of(o, "alpha", 1.0f), 0);
}

static int on_hard_sigmoid(struct onnx *o)
{
	return unary(o, GRAPH_ACT_HARDSIGMOID, number_of(o, "alpha", 0.2f), number_of(o, "beta", 0.5f));
}

static int on_hard_swish(struct onnx *o)
{
	return unary(o, GRAPH_ACT_HARDSWISH, 1.0f / 6, 0.5f);
}

/* A bound: an attribute up to opset 10, then an input. */
static int read_bound(struct onnx *o, int i, const char *attribute, float otherwise, float *ret)
{
	const struct tensor *t = input(o, i);
	float *number;

	*ret = number_of(o, attribute, otherwise);
	if (!t)
		return 0;
	if (!t->is_constant || t->constant.count != 1)
		return refuse(o, -ENOTSUP, "has a bound that is no constant");
	number = read_floats(o, t);
	if (!number)
		return -EINVAL;
	*ret = *number;
	free(number);
	return 0;
}

static int on_clip(struct onnx *o)
{
	float lo, hi = INFINITY;
	int r = read_bound(o, 1, "min", -INFINITY, &lo);

	if (r == 0)
		r = read_bound(o, 2, "max", INFINITY, &hi);
	return r < 0 ? r : unary(o, GRAPH_ACT_CLIP, lo, hi);
}

/* One slope, or one for each channel of an image, or of the last axis of what is no image. */
static bool is_of_channels(const struct onnx *o, const struct onnx_tensor *slope, bool image, int rank)
{
	if (slope->count == 1)
		return true;
	if (o->opset < 7)
		return image && slope->rank == 1;
	if (!image)
		return rank != 4 && slope->rank >= 1 && slope->count == (size_t)slope->dims[slope->rank - 1];
	return slope->rank >= 3 && slope->count == (size_t)slope->dims[slope->rank - 3];
}

static int on_prelu(struct onnx *o)
{
	struct tensor *slope = input(o, 1);
	struct graph_node *node;
	int inputs[2], value;
	int32_t count;
	bool image;
	float *numbers, *data;

	inputs[0] = as_any(o, input(o, 0), &image);
	if (inputs[0] < 0)
		return inputs[0];
	if (!slope || !slope->is_constant || !is_of_channels(o, &slope->constant, image, o->shapes[inputs[0]].rank))
		return refuse(o, -ENOTSUP, "has a slope that is not constant or not of channels");
	numbers = read_floats(o, slope);
	if (!numbers)
		return -EINVAL;
	count = (int32_t)slope->constant.count;
	inputs[1] = add_floats(o, 1, &count, &data);
	if (inputs[1] >= 0)
		memcpy(data, numbers, (size_t)count * sizeof(*data));
	free(numbers);
	if (inputs[1] < 0)
		return result(o, inputs[1]);
	value = begin_node(o, GRAPH_PRELU, inputs, 2, &node);
	return set_output(o, 0, finish_node(o, value), image);
}

/* Two operands in one order: that of images where either is one and both can be. */
static int binary(struct onnx *o, enum graph_op op)
{
	struct tensor *a = input(o, 0), *b = input(o, 1);
	struct graph_shape shape_a, shape_b;
	struct graph_node *node;
	int inputs[2];
	bool image;

	if (!a || !b || !file_shape(o, a, &shape_a) || !file_shape(o, b, &shape_b))
		return refuse(o, -ENOTSUP, "computes with what is not known");
	image = (a->image >= 0 && (b->is_constant || shape_b.rank == 4)) ||
		(b->image >= 0 && (a->is_constant || shape_a.rank == 4));
	inputs[0] = image ? as_image(o, a) : as_file(o, a);
	inputs[1] = inputs[0] < 0 ? inputs[0] : image ? as_image(o, b) : as_file(o, b);
	if (inputs[1] < 0)
		return inputs[1];
	return set_output(o, 0, finish_node(o, begin_node(o, op, inputs, 2, &node)), image);
}

static int on_add(struct onnx *o)
{
	return binary(o, GRAPH_ADD);
}

static int on_sub(struct onnx *o)
{
	return binary(o, GRAPH_SUB);
}

static int on_mul(struct onnx *o)
{
	return binary(o, GRAPH_MUL);
}

static int on_div(struct onnx *o)
{
	return binary(o, GRAPH_DIV);
}

/* Of any number of inputs; more than two are taken one after the other. */
static int fold(struct onnx *o, enum graph_op op)
{
	int all[IO_MAX], n = o->n_inputs, out = o->n_outputs ? o->outputs[0] : -1, r = 0;

	memcpy(all, o->inputs, (size_t)n * sizeof(*all));
	if (n == 1)
		return on_identity(o);
	o->n_inputs = 2;
	for (int i = 1; i < n && r == 0; i++) {
		/* What has been made so far is the output's, until more is added to it. */
		o->inputs[0] = i == 1 ? all[0] : out;
		o->inputs[1] = all[i];
		r = binary(o, op);
	}
	o->n_inputs = n;
	memcpy(o->inputs, all, (size_t)n * sizeof(*all));
	return r;
}

static int on_sum(struct onnx *o)
{
	return fold(o, GRAPH_ADD);
}

static int on_max(struct onnx *o)
{
	return fold(o, GRAPH_MAX);
}

static int on_min(struct onnx *o)
{
	return fold(o, GRAPH_MIN);
}

/* ---- operators on axes ------------------------------------------------------------------------- */

static int on_concat(struct onnx *o)
{
	int values[IO_MAX], rank, axis, value;
	struct graph_shape shape;
	struct graph_node *node = NULL;
	bool image = false;

	if (!input(o, 0) || !file_shape(o, input(o, 0), &shape))
		return refuse(o, -EINVAL, "joins nothing");
	rank = shape.rank;
	for (int i = 0; i < o->n_inputs; i++)
		image |= rank == 4 && input(o, i) && input(o, i)->image >= 0;
	axis = axis_of(integer_of(o, "axis", 1), rank, image);
	if (axis < 0)
		return refuse(o, -EINVAL, "has no such axis");
	for (int i = 0; i < o->n_inputs; i++) {
		values[i] = image ? as_image(o, input(o, i)) : as_file(o, input(o, i));
		if (values[i] < 0)
			return values[i];
	}
	value = begin_node(o, GRAPH_CONCAT, values, o->n_inputs, &node);
	if (value >= 0)
		node->axis.axis = axis;
	return set_output(o, 0, finish_node(o, value), image);
}

/* Up to opset 12 all axes from the given one on are one. */
static int on_softmax(struct onnx *o)
{
	struct graph_shape shape;
	struct graph_node *node;
	bool image, one = true;
	int x = as_any(o, input(o, 0), &image), axis, value;
	int64_t given = integer_of(o, "axis", o->opset < 13 ? 1 : -1);

	if (x < 0 || !file_shape(o, input(o, 0), &shape))
		return x;
	axis = axis_of(given, shape.rank, false);
	if (axis < 0)
		return refuse(o, -EINVAL, "has no such axis");
	for (int i = axis + 1; i < shape.rank; i++)
		one &= shape.dims[i] == 1;
	if (o->opset < 13 && !one)
		return refuse(o, -ENOTSUP, "takes several axes as one");
	value = begin_node(o, GRAPH_SOFTMAX, &x, 1, &node);
	if (value >= 0) {
		node->axis.axis = axis_of(given, shape.rank, image);
		node->axis.beta = 1.0f;
	}
	return set_output(o, 0, finish_node(o, value), image);
}

static int add_slice(struct onnx *o, int x, const struct graph_slice *slice)
{
	struct graph_node *node;
	int value = begin_node(o, GRAPH_SLICE, &x, 1, &node);

	if (value >= 0)
		node->slice = *slice;
	return finish_node(o, value);
}

static struct graph_slice whole(void)
{
	struct graph_slice slice = {.begin = {0}};

	for (int i = 0; i < ENGINE_RANK_MAX; i++) {
		slice.size[i] = -1;
		slice.step[i] = 1;
	}
	return slice;
}

static int on_split(struct onnx *o)
{
	struct graph_slice slice = whole();
	int64_t sizes[IO_MAX] = {0}, at = 0;
	struct graph_shape shape;
	bool image;
	int x = as_any(o, input(o, 0), &image), axis, n, r = 0;

	if (x < 0 || !file_shape(o, input(o, 0), &shape))
		return x;
	axis = axis_of(integer_of(o, "axis", 0), shape.rank, image);
	if (axis < 0)
		return refuse(o, -EINVAL, "has no such axis");
	n = list_of(o, "split", 1, IO_MAX, sizes);
	if (n < 0)
		return n;
	for (int i = 0; n == 0 && i < o->n_outputs; i++) {
		int64_t each = (o->shapes[x].dims[axis] + o->n_outputs - 1) / o->n_outputs;

		sizes[i] = each * (i + 1) <= o->shapes[x].dims[axis] ? each : o->shapes[x].dims[axis] - each * i;
	}
	for (int i = 0; i < o->n_outputs && r == 0; i++) {
		if ((n && i >= n) || sizes[i] < 1 || at + sizes[i] > o->shapes[x].dims[axis])
			return refuse(o, -EINVAL, "splits into impossible parts");
		slice.begin[axis] = (int32_t)at;
		slice.size[axis] = (int32_t)sizes[i];
		at += sizes[i];
		r = set_output(o, i, add_slice(o, x, &slice), image);
	}
	return r;
}

/* Bounds as ONNX has them, clamped to the axis, as first element and count. */
static int set_range(struct graph_slice *slice, int axis, int64_t side, int64_t from, int64_t to, int64_t step)
{
	int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? side : side - 1, count;

	from = from < 0 ? from + side : from;
	to = to < 0 ? to + side : to;
	from = from < 0 ? 0 : from > highest ? highest : from;
	to = to < lowest ? lowest : to > side ? side : to;
	count = step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
	if (count < 1)
		return -EINVAL;
	slice->begin[axis] = (int32_t)from;
	slice->size[axis] = (int32_t)count;
	slice->step[axis] = (int32_t)step;
	return 0;
}

static int on_slice(struct onnx *o)
{
	int64_t from[ENGINE_RANK_MAX], to[ENGINE_RANK_MAX], axes[ENGINE_RANK_MAX], steps[ENGINE_RANK_MAX];
	struct graph_slice slice = whole();
	struct graph_shape shape;
	bool image;
	int x, n, n_to, n_axes, n_steps;

	x = as_any(o, input(o, 0), &image);
	if (x < 0 || !file_shape(o, input(o, 0), &shape))
		return x;
	n = list_of(o, "starts", 1, ENGINE_RANK_MAX, from);
	n_to = list_of(o, "ends", 2, ENGINE_RANK_MAX, to);
	n_axes = list_of(o, "axes", 3, ENGINE_RANK_MAX, axes);
	n_steps = list_of(o, "steps", 4, ENGINE_RANK_MAX, steps);
	if (n < 1 || n_to != n || (n_axes && n_axes != n) || (n_steps && n_steps != n))
		return n < 0 || n_to < 0 || n_axes < 0 || n_steps < 0
			       ? -ENOTSUP
			       : refuse(o, -EINVAL, "has lists of different length");
	for (int i = 0; i < n; i++) {
		int axis = axis_of(n_axes ? axes[i] : i, shape.rank, image);
		int64_t step = n_steps ? steps[i] : 1;

		if (axis < 0 || step == 0 || step > GRAPH_WINDOW_MAX || step < -GRAPH_WINDOW_MAX ||
		    set_range(&slice, axis, o->shapes[x].dims[axis], from[i], to[i], step) < 0)
			return refuse(o, -EINVAL, "takes an impossible part");
	}
	return set_output(o, 0, add_slice(o, x, &slice), image);
}

static int on_pad(struct onnx *o)
{
	int64_t pads[2 * ENGINE_RANK_MAX];
	struct graph_pad pad = {.value = number_of(o, "value", 0.0f)};
	struct graph_shape shape;
	struct graph_node *node;
	bool image;
	int x = as_any(o, input(o, 0), &image), n, value, r;

	if (x < 0 || !file_shape(o, input(o, 0), &shape))
		return x;
	n = list_of(o, "pads", 1, 2 * ENGINE_RANK_MAX, pads);
	r = n < 0 ? n : read_bound(o, 2, "value", 0.0f, &pad.value);
	if (r < 0)
		return r;
	if (!text_is(o, "mode", "constant", true) || n != 2 * shape.rank || has_input(o, 3))
		return refuse(o, -ENOTSUP, "pads with something else than a constant, or some axes only");
	for (int i = 0; i < shape.rank; i++) {
		int axis = axis_of(i, shape.rank, image);

		if (pads[i] < 0 || pads[i] > GRAPH_WINDOW_MAX || pads[shape.rank + i] < 0 ||
		    pads[shape.rank + i] > GRAPH_WINDOW_MAX)
			return refuse(o, -ENOTSUP, "cuts instead of padding, or pads too much");
		pad.before[axis] = (int32_t)pads[i];
		pad.after[axis] = (int32_t)pads[shape.rank + i];
	}
	value = begin_node(o, GRAPH_PAD, &x, 1, &node);
	if (value >= 0)
		node->pad = pad;
	return set_output(o, 0, finish_node(o, value), image);
}

static int on_reshape(struct onnx *o)
{
	int64_t wanted[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	int x, n = list_of(o, "shape", 1, ENGINE_RANK_MAX, wanted);

	if (n < 0)
		return n;
	if (integer_of(o, "allowzero", 0))
		return refuse(o, -ENOTSUP, "makes an empty tensor");
	for (int i = 0; i < n; i++) {
		if (wanted[i] < -1 || wanted[i] > INT32_MAX)
			return refuse(o, -EINVAL, "wants an impossible shape");
		dims[i] = (int32_t)wanted[i];
	}
	x = as_file(o, input(o, 0));
	return x < 0 ? x : set_output(o, 0, add_reshape(o, x, n, dims), false);
}

static int on_flatten(struct onnx *o)
{
	struct graph_shape shape;
	int64_t axis = integer_of(o, "axis", 1), rows = 1;
	int x = as_file(o, input(o, 0));

	if (x < 0)
		return x;
	shape = o->shapes[x];
	axis = axis < 0 ? axis + shape.rank : axis;
	if (axis < 0 || axis > shape.rank)
		return refuse(o, -EINVAL, "has no such axis");
	for (int i = 0; i < axis; i++)
		rows *= shape.dims[i];
	return set_output(o, 0, add_reshape(o, x, 2, (int32_t[]){(int32_t)rows, -1}), false);
}

/* Takes axes of one out, or puts some in. */
static int on_squeeze(struct onnx *o)
{
	int64_t axes[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	struct tensor *t = input(o, 0);
	int n = list_of(o, "axes", 1, ENGINE_RANK_MAX, axes), rank = 0, x;

	if (n < 0)
		return n;
	x = as_file(o, t);
	if (x < 0)
		return x;
	for (int i = 0; i < o->shapes[x].rank; i++) {
		bool gone = !n && o->shapes[x].dims[i] == 1;

		for (int k = 0; k < n; k++)
			gone |= axis_of(axes[k], o->shapes[x].rank, false) == i;
		if (gone && o->shapes[x].dims[i] != 1)
			return refuse(o, -EINVAL, "takes out an axis that is longer than one");
		if (!gone)
			dims[rank++] = o->shapes[x].dims[i];
	}
	return set_output(o, 0, add_reshape(o, x, rank, dims), false);
}

static int on_unsqueeze(struct onnx *o)
{
	int64_t axes[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	struct tensor *t = input(o, 0);
	int n = list_of(o, "axes", 1, ENGINE_RANK_MAX, axes), rank, from = 0, x;

	if (n < 0)
		return n;
	x = as_file(o, t);
	if (x < 0)
		return x;
	rank = o->shapes[x].rank + n;
	if (rank > ENGINE_RANK_MAX)
		return refuse(o, -ENOTSUP, "makes too many axes");
	for (int i = 0; i < rank; i++) {
		bool added = false;

		for (int k = 0; k < n; k++)
			added |= axis_of(axes[k], rank, false) == i;
		if (!added && from == o->shapes[x].rank)
			return refuse(o, -EINVAL, "names an axis twice or one that cannot be");
		dims[i] = added ? 1 : o->shapes[x].dims[from++];
	}
	return set_output(o, 0, add_reshape(o, x, rank, dims), false);
}

/* An image with its channels put last is there already, and so is one that has them put first. */
static int on_transposed_image(struct onnx *o, int n, const int64_t *order)
{
	const struct tensor *t = input(o, 0);
	bool last = n == 4 && order[0] == 0 && order[1] == 2 && order[2] == 3 && order[3] == 1;
	bool first = n == 4 && order[0] == 0 && order[1] == 3 && order[2] == 1 && order[3] == 2;
	struct graph_node *node;
	int x = !t ? -1 : last ? t->image : first && t->image < 0 ? t->file : -1, value;

	if (x < 0 || t->is_constant || o->shapes[x].rank != 4 || o->graph->values[x].type != ENGINE_F32)
		return -ENOTSUP;
	value = begin_node(o, GRAPH_IDENTITY, &x, 1, &node);
	return set_output(o, 0, finish_node(o, value), first);
}

static int on_transpose(struct onnx *o)
{
	int64_t order[ENGINE_RANK_MAX];
	struct graph_node *node;
	int n = integers_of(o, "perm", ENGINE_RANK_MAX, order), x = on_transposed_image(o, n, order), rank, value;

	if (x != -ENOTSUP)
		return x;
	x = as_file(o, input(o, 0));
	if (x < 0)
		return x;
	rank = o->shapes[x].rank;
	if (n && n != rank)
		return refuse(o, -EINVAL, "orders other axes than there are");
	value = begin_node(o, GRAPH_TRANSPOSE, &x, 1, &node);
	if (value >= 0) {
		node->shape.rank = rank;
		for (int i = 0; i < rank; i++)
			node->shape.dims[i] = n ? (int32_t)order[i] : rank - 1 - i;
	}
	return set_output(o, 0, finish_node(o, value), false);
}

static int on_reduce_mean(struct onnx *o)
{
	struct graph_reduce reduce = {.keep_dims = integer_of(o, "keepdims", 1) != 0};
	int64_t axes[ENGINE_RANK_MAX];
	struct graph_shape shape;
	struct graph_node *node;
	bool image, pixels = true;
	int x = as_any(o, input(o, 0), &image), n, value;

	if (x < 0 || !file_shape(o, input(o, 0), &shape))
		return x;
	n = list_of(o, "axes", 1, ENGINE_RANK_MAX, axes);
	if (n < 0)
		return n;
	for (int i = 0; !n && i < shape.rank; i++)
		axes[i] = i;
	reduce.n_axes = n ? n : shape.rank;
	for (int i = 0; i < reduce.n_axes; i++) {
		reduce.axes[i] = axis_of(axes[i], shape.rank, image);
		pixels &= reduce.axes[i] == 1 || reduce.axes[i] == 2;
	}
	/* What is left of an image is in the order of the file only where height and width are gone together. */
	if (image && !reduce.keep_dims && !(pixels && reduce.n_axes == 2)) {
		x = as_file(o, input(o, 0));
		image = false;
		for (int i = 0; x >= 0 && i < reduce.n_axes; i++)
			reduce.axes[i] = axis_of(n ? axes[i] : i, shape.rank, false);
	}
	if (x < 0)
		return x;
	value = begin_node(o, GRAPH_MEAN, &x, 1, &node);
	if (value >= 0)
		node->reduce = reduce;
	return set_output(o, 0, finish_node(o, value), image && reduce.keep_dims);
}

/* The same tensor under another name; types of numbers are not told apart where they are known. */
static int on_identity(struct onnx *o)
{
	struct tensor *to, *from = input(o, 0);
	struct protobuf_bytes name;

	if (!from || o->n_outputs < 1 || o->outputs[0] < 0)
		return refuse(o, -EINVAL, "lacks its input or output");
	to = &o->tensors[o->outputs[0]];
	name = to->name;
	*to = *from;
	to->name = name;
	return 0;
}

static bool is_real(const struct onnx *o, const struct tensor *t)
{
	if (t->is_constant)
		return onnx_is_real(t->constant.type);
	return o->graph->values[t->file >= 0 ? t->file : t->image].type == ENGINE_F32;
}

/* All real numbers are float32 here. */
static int on_cast(struct onnx *o)
{
	if (!input(o, 0) || !is_real(o, input(o, 0)) || !onnx_is_real(integer_of(o, "to", 0)))
		return refuse(o, -ENOTSUP, "changes the type of its input");
	return on_identity(o);
}

static int on_dropout(struct onnx *o)
{
	if (o->n_outputs > 1 || has_input(o, 2))
		return refuse(o, -ENOTSUP, "is for training, or tells its mask");
	return on_identity(o);
}

/* ---- the file ---------------------------------------------------------------------------------- */

static int on_quantize(struct onnx *o);
static int on_dequantize(struct onnx *o);

static const struct {
	const char *op;
	int (*add)(struct onnx *o);
} operators[] = {
	{"Abs", on_function},
	{"Add", on_add},
	{"AveragePool", on_average_pool},
	{"BatchNormalization", on_batch_norm},
	{"Cast", on_cast},
	{"Clip", on_clip},
	{"Concat", on_concat},
	{"Constant", on_constant},
	{"Conv", on_conv},
	{"DequantizeLinear", on_dequantize},
	{"Div", on_div},
	{"Dropout", on_dropout},
	{"Elu", on_elu},
	{"Exp", on_function},
	{"Flatten", on_flatten},
	{"Gemm", on_gemm},
	{"GlobalAveragePool", on_global_average_pool},
	{"GlobalMaxPool", on_global_max_pool},
	{"HardSigmoid", on_hard_sigmoid},
	{"HardSwish", on_hard_swish},
	{"Identity", on_identity},
	{"LeakyRelu", on_leaky_relu},
	{"Log", on_function},
	{"MatMul", on_matmul},
	{"Max", on_max},
	{"MaxPool", on_max_pool},
	{"Min", on_min},
	{"Mish", on_function},
	{"Mul", on_mul},
	{"Neg", on_function},
	{"PRelu", on_prelu},
	{"Pad", on_pad},
	{"QuantizeLinear", on_quantize},
	{"ReduceMean", on_reduce_mean},
	{"Relu", on_function},
	{"Reshape", on_reshape},
	{"Resize", on_resize},
	{"Sigmoid", on_function},
	{"Slice", on_slice},
	{"Softmax", on_softmax},
	{"Split", on_split},
	{"Sqrt", on_function},
	{"Squeeze", on_squeeze},
	{"Sub", on_sub},
	{"Sum", on_sum},
	{"Tanh", on_function},
	{"Transpose", on_transpose},
	{"Unsqueeze", on_unsqueeze},
	{"Upsample", on_resize},
};

/* The tensor of a name, made when it is new; -1: the empty name. */
static int tensor_of(struct onnx *o, struct protobuf_bytes name, bool *ret_new)
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
	o->tensors[o->n_tensors] = (struct tensor){.name = name, .file = -1, .image = -1};
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
	int t = tensor_of(o, name, &is_new);

	if (t < -1)
		return t;
	if (o->n_inputs == IO_MAX)
		return refuse(o, -ENOTSUP, "has too many inputs");
	if (t >= 0 && !is_made(&o->tensors[t]))
		return graph_error(o->error, -EINVAL, "node '%.*s': nothing before it makes '%.*s'",
				   clip_length(o->name), (const char *)o->name.data, clip_length(name),
				   (const char *)name.data);
	o->inputs[o->n_inputs++] = t;
	return 0;
}

static int add_output_name(struct onnx *o, struct protobuf_bytes name)
{
	bool is_new;
	int t = tensor_of(o, name, &is_new);

	if (t < -1)
		return t;
	if (o->n_outputs == IO_MAX)
		return refuse(o, -ENOTSUP, "has too many outputs");
	if (t >= 0 && !is_new)
		return refuse(o, -EINVAL, "makes a tensor a second time");
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

/* The operator of the current node's name; of another domain, "domain.Name". */
static const struct engine_operator *find_operator(const struct onnx *o, bool *ret_registered)
{
	char name[128];
	int n;

	if (is_standard(o))
		return operators_find((const char *)o->op.data, o->op.size, ret_registered);
	n = snprintf(name, sizeof(name), "%.*s.%.*s", clip_length(o->domain), (const char *)o->domain.data,
		     clip_length(o->op), (const char *)o->op.data);
	return operators_find(name, (size_t)n, ret_registered);
}

static bool known_operator(const struct onnx *o)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (onnx_is(o->op, operators[i].op))
			return true;
	return false;
}

static bool on_constants(struct onnx *o)
{
	for (int i = 0; i < o->n_inputs; i++)
		if (has_input(o, i) && !input(o, i)->is_constant)
			return false;
	return o->n_inputs > 0;
}

/* By the graph's own operators; -ENOTSUP: they do not fit. */
static int on_fast(struct onnx *o)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (onnx_is(o->op, operators[i].op))
			return operators[i].add(o);
	return -ENOTSUP;
}

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

	r = read_scales(o, scale, zero, 1, &scales, &zeros);
	if (r < 0)
		return r;
	if (is_input(o, from) && !is_quantised(&o->graph->values[from]))
		r = graph_set_quant(o->graph, from, 1, scales, zeros, 0);
	if (r == 0 && !is_quantised(&o->graph->values[from]))
		r = -ENOTSUP;
	else if (r == 0 && (quant->scales[0] != scales[0] || quant->zero_points[0] != zeros[0]))
		r = -EINVAL;
	free(scales);
	free(zeros);
	if (r < 0)
		return r == -ENOTSUP ? r
				     : refuse(o, r, "dequantises by other numbers than its input was quantised with");
	value = begin_node(o, GRAPH_CAST, &from, 1, &node);
	if (value >= 0)
		o->graph->values[value].type = ENGINE_F32;
	value = finish_node(o, value);
	ret->file = image ? -1 : value;
	ret->image = image ? value : -1;
	return value < 0 ? value : 0;
}

/* Tensors x, scale and zero (-1: none) as the real numbers they stand for. */
static int dequantise(struct onnx *o, int x, int scale, int zero, int64_t axis, struct tensor *ret)
{
	if (x < 0 || scale < 0)
		return refuse(o, -EINVAL, "lacks an input");
	if (o->tensors[x].is_constant)
		return dequantise_constant(o, x, scale, zero, axis, ret);
	return dequantise_value(o, &o->tensors[x], &o->tensors[scale], zero < 0 ? NULL : &o->tensors[zero], ret);
}

static int input_index(const struct onnx *o, int i)
{
	return i < o->n_inputs ? o->inputs[i] : -1;
}

static int on_dequantize(struct onnx *o)
{
	struct tensor *to;

	if (o->n_outputs < 1 || o->outputs[0] < 0)
		return refuse(o, -EINVAL, "has no output");
	if (integer_of(o, "block_size", 0))
		return -ENOTSUP;
	to = &o->tensors[o->outputs[0]];
	return dequantise(o, input_index(o, 0), input_index(o, 1), input_index(o, 2), integer_of(o, "axis", 1), to);
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
	r = read_scales(o, scale, zero, 1, &scales, &zeros);
	if (r < 0)
		return r;
	from = as_any(o, x, &image);
	value = from < 0 ? from : begin_node(o, GRAPH_CAST, &from, 1, &node);
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
	return set_output(o, i, finish_node(o, value), image);
}

static int on_quantize(struct onnx *o)
{
	struct tensor *x = input(o, 0), *zero = input(o, 2);
	int64_t type = integer_of(o, "output_dtype", 0);

	if (!x || x->is_constant || !is_real(o, x) || integer_of(o, "block_size", 0) || o->n_outputs < 1 ||
	    o->outputs[0] < 0)
		return -ENOTSUP;
	return quantise(o, x, input(o, 1), zero, type_of_zero(zero, type ? type : ONNX_UINT8), 0);
}

/* ---- operators on quantised tensors, as those on the real numbers they stand for ------------------ */

/*
 * Each x is a tensor, its scale and its zero point.  The last triple is the output's, which lacks the tensor; in a
 * concatenation it comes first.
 */
struct qlinear {
	const char *op, *inner;
	int n_x;	/* -1: as many as there are */
	bool microsoft; /* of ONNX Runtime's own domain */
	bool has_bias;	/* int32, scaled by the product of both scales: behind all, or (QGemm) before the output's */
};
static const struct qlinear qlinears[] = {
	{"QLinearConv", "Conv", 2, false, true},
	{"QLinearMatMul", "MatMul", 2, false, false},
	{"QGemm", "Gemm", 2, true, true},
	{"QLinearAdd", "Add", 2, true, false},
	{"QLinearMul", "Mul", 2, true, false},
	{"QLinearLeakyRelu", "LeakyRelu", 1, true, false},
	{"QLinearSigmoid", "Sigmoid", 1, true, false},
	{"QLinearSoftmax", "Softmax", 1, true, false},
	{"QLinearAveragePool", "AveragePool", 1, true, false},
	{"QLinearGlobalAveragePool", "GlobalAveragePool", 1, true, false},
	{"QLinearConcat", "Concat", -1, true, false},
};

/* The fast ones first, then those of the quantised form, then those that are general only. */
const char *onnx_operator_at(int i, bool *ret_fast)
{
	const int n = (int)(sizeof(operators) / sizeof(*operators)), n_q = (int)(sizeof(qlinears) / sizeof(*qlinears));
	const struct engine_operator *op;

	*ret_fast = i < n + n_q;
	if (i < n + n_q)
		return i < n ? operators[i].op : qlinears[i - n].op;
	i -= n + n_q;
	for (int k = 0; (op = operators_at(k)); k++) {
		bool known = false;

		for (int f = 0; f < n; f++)
			known |= !strcmp(op->name, operators[f].op);
		for (int f = 0; f < n_q; f++)
			known |= !strcmp(op->name, qlinears[f].op);
		if (!known && i-- == 0)
			return op->name;
	}
	return NULL;
}

static const struct qlinear *qlinear_of(const struct onnx *o)
{
	bool microsoft = onnx_is(o->domain, "com.microsoft");

	for (size_t i = 0; i < sizeof(qlinears) / sizeof(*qlinears); i++)
		if (onnx_is(o->op, qlinears[i].op) && (qlinears[i].microsoft ? microsoft : is_standard(o)))
			return &qlinears[i];
	return NULL;
}

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
	value = make_constant(o, product, ENGINE_F32, 1, (int32_t[]){(int32_t)w->constant.count}, &tensor);
	if (value < 0)
		return value;
	a = read_floats(o, x);
	b = a ? read_floats(o, w) : NULL;
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
	int inputs[IO_MAX], n = o->n_inputs, output = o->outputs[0], r;
	bool registered;

	memcpy(inputs, o->inputs, sizeof(inputs));
	o->op = (struct protobuf_bytes){(const uint8_t *)q->inner, strlen(q->inner)};
	o->domain = (struct protobuf_bytes){(const uint8_t *)"", 0};
	o->n_inputs = n_inputs;
	for (int i = 0; i < n_inputs; i++)
		o->inputs[i] = first + 1 + i;
	o->outputs[0] = first;
	r = on_fast(o);
	if (r == -ENOTSUP)
		r = on_general(o, find_operator(o, &registered));
	memcpy(o->inputs, inputs, sizeof(inputs));
	o->op = op;
	o->domain = domain;
	o->n_inputs = n;
	o->outputs[0] = output;
	return r;
}

static void clear_spare(struct onnx *o, int first)
{
	for (int i = 0; i < SPARE_TENSORS; i++)
		o->tensors[first + i] = (struct tensor){.name = o->name, .file = -1, .image = -1};
}

/* The axis of the output channels, where there is a scale for each. */
static int64_t weights_axis(struct onnx *o)
{
	return onnx_is(o->op, "QLinearConv") || integer_of(o, "transB", 0) ? 0 : -1;
}

static int on_qlinear(struct onnx *o, const struct qlinear *q)
{
	int first = o->cap_tensors, behind = q->n_x < 0 ? 2 : 0, n_x = q->n_x < 0 ? (o->n_inputs - 2) / 3 : q->n_x;
	int bias = !q->has_bias ? -1 : input_index(o, q->microsoft ? 6 : 8), n = n_x;
	int out = q->n_x < 0 ? 0 : 3 * n_x + (q->has_bias && q->microsoft), r = 0;

	if (n_x < 1 || n_x > SPARE_TENSORS - 4 || o->n_outputs != 1 || o->outputs[0] < 0 ||
	    integer_of(o, "channels_last", 0))
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
	if (r == 0 && !has_input(o, out)) { /* QGemm without scales of its output: it is float */
		o->inputs[0] = first;
		return on_identity(o);
	}
	if (r == 0)
		r = quantise(o, &o->tensors[first], input(o, out), input(o, out + 1),
			     type_of_zero(input(o, out + 1), ONNX_UINT8), 0);
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
	const struct qlinear *q = qlinear_of(o);

	if (is_standard(o) && onnx_is(o->op, "DequantizeLinear"))
		return i == 0;
	if (moves(o))
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

/*
 * Which tensors of integers are read as such, and not only as the real numbers they stand for: found from the last
 * node to the first, because what only moves a tensor reads it as the next one does.
 */
static int find_raw(struct onnx *o, struct protobuf_bytes graph)
{
	struct protobuf_bytes *nodes = calloc(NODES_MAX, sizeof(*nodes));
	struct protobuf reader = protobuf_open(graph);
	struct protobuf_field field;
	int n = 0;

	if (!nodes)
		return graph_error(o->error, -ENOMEM, "out of memory");
	while (protobuf_next(&reader, &field) && n < NODES_MAX)
		if (field.number == GRAPH_FIELD_NODE && field.wire == PROTOBUF_BYTES)
			nodes[n++] = field.bytes;
	while (n-- > 0)
		mark_node(o, nodes[n]);
	free(nodes);
	return 0;
}

/* Up to opset 6 an axis said where the second operand's axes stand; from 7 on they are the last. */
static bool broadcasts_as_before(struct onnx *o)
{
	static const char *const operators_with_axis[] = {"Add", "And", "Div", "Equal", "Greater", "Less",
							  "Mul", "Or",	"Pow", "Sub",	"Xor"};
	struct onnx_attribute attribute;

	if (o->opset >= 7)
		return false;
	if (onnx_is(o->op, "PRelu") && input(o, 1) && input(o, 1)->is_constant && input(o, 1)->constant.count > 1)
		return !input(o, 0) || input(o, 0)->image < 0;
	if (!onnx_attribute(o->node, "axis", &attribute, &o->malformed))
		return false;
	for (size_t i = 0; i < sizeof(operators_with_axis) / sizeof(*operators_with_axis); i++)
		if (onnx_is(o->op, operators_with_axis[i]))
			return true;
	return false;
}

/* The graph's own operators where they fit, which are fast; then the general one of the name. */
static int add_node(struct onnx *o, struct protobuf_bytes message)
{
	const struct engine_operator *op;
	int r = read_node(o, message);
	bool registered;

	if (r < 0)
		return r;
	if (broadcasts_as_before(o))
		return refuse(o, -ENOTSUP, "broadcasts along an axis, as up to opset 6");
	op = find_operator(o, &registered);
	r = -ENOTSUP;
	if (!registered && qlinear_of(o))
		r = on_qlinear(o, qlinear_of(o));
	else if (!registered && is_standard(o) && (!(op && on_constants(o)) || onnx_is(o->op, "DequantizeLinear")))
		r = on_fast(o);
	if (r == -ENOTSUP && op)
		r = on_general(o, op);
	else if (r == -ENOTSUP && !known_operator(o))
		return refuse(o, -ENOTSUP, "is an unknown operator");
	return r < 0 ? r : o->malformed ? refuse(o, -EINVAL, "has a malformed attribute") : 0;
}

static int add_initializer(struct onnx *o, struct protobuf_bytes message)
{
	struct onnx_tensor tensor;
	bool is_new;
	int r = read_tensor(o, message, &tensor), t;

	if (r < 0)
		return r;
	t = tensor_of(o, tensor.name, &is_new);
	if (t < 0 || !is_new)
		return t < -1 ? t : graph_error(o->error, -EINVAL, "a constant has no name, or one that is taken");
	o->tensors[t].is_constant = true;
	o->tensors[t].constant = tensor;
	return 0;
}

/*
 * The axes of an input that the file leaves open, which get the lengths asked for; or a batch 1, and the network cannot
 * be read for lengths that nobody has asked for yet.
 */
static unsigned open_input(struct onnx *o, int index, int rank, int32_t *dims)
{
	unsigned open_axes = 0;

	for (int i = 0; i < rank; i++) {
		if (dims[i] != GRAPH_DIM_UNKNOWN)
			continue;
		open_axes |= 1u << i;
		if (o->source->shapes)
			dims[i] = o->source->shapes[index].dims[i];
		else if (i == 0)
			dims[i] = 1;
		else
			o->graph->unread = true;
	}
	return open_axes;
}

/* An image is an input in the graph's own order. */
static int add_graph_input(struct onnx *o, struct protobuf_bytes message)
{
	struct onnx_value_info info;
	struct graph_value *value;
	int32_t dims[ENGINE_RANK_MAX];
	bool is_new, image;
	unsigned open_axes;
	int r = onnx_read_value_info(message, &info, o->error), t, v, type;

	if (r < 0)
		return r;
	t = tensor_of(o, info.name, &is_new);
	if (t < -1)
		return t;
	if (t >= 0 && !is_new) /* older files list their constants among the inputs */
		return o->tensors[t].is_constant ? 0 : graph_error(o->error, -EINVAL, "an input comes twice");
	type = onnx_engine_type(info.type);
	if (t < 0 || info.rank < 0 || type < 0 || o->graph->n_inputs == ENGINE_IO_MAX)
		return graph_error(o->error, -ENOTSUP, "input '%.*s' is no tensor of numbers of a known shape",
				   clip_length(info.name), (const char *)info.name.data);
	image = info.rank == 4 && type == ENGINE_F32;
	/* Some exporters write 0 for a batch of any size. */
	if (image && info.dims[0] == 0)
		info.dims[0] = GRAPH_DIM_UNKNOWN;
	memcpy(dims, info.dims, sizeof(dims));
	if (image)
		memcpy(dims, (int32_t[]){info.dims[0], info.dims[2], info.dims[3], info.dims[1]}, 4 * sizeof(*dims));
	open_axes = open_input(o, o->graph->n_inputs, info.rank, dims);
	v = add_value(o, (enum engine_type)type, info.rank, dims);
	if (v < 0)
		return graph_error(o->error, v, "the network is too large");
	value = &o->graph->values[v];
	value->name = strndup((const char *)info.name.data, info.name.size);
	if (!value->name)
		return graph_error(o->error, -ENOMEM, "out of memory");
	value->channels_first = image;
	value->file_rank = info.rank;
	value->open_axes = open_axes;
	*(image ? &o->tensors[t].image : &o->tensors[t].file) = v;
	o->graph->inputs[o->graph->n_inputs++] = v;
	return 0;
}

/*
 * A Cast or Identity is no node, so the output behind it is the value before it, under that one's name: it gets the
 * file's name for the output, unless it is an input or an output already.
 */
static int rename_value(struct onnx *o, int value, struct protobuf_bytes name)
{
	struct graph *graph = o->graph;
	char *copy;

	for (int i = 0; i < graph->n_inputs; i++)
		if (graph->inputs[i] == value)
			return 0;
	for (int i = 0; i < graph->n_outputs; i++)
		if (graph->outputs[i] == value)
			return 0;
	copy = strndup((const char *)name.data, name.size);
	if (!copy)
		return graph_error(o->error, -ENOMEM, "out of memory");
	free(graph->values[value].name);
	graph->values[value].name = copy;
	return 0;
}

static int add_graph_output(struct onnx *o, struct protobuf_bytes message)
{
	struct onnx_value_info info;
	struct tensor *t;
	bool is_new;
	int r = onnx_read_value_info(message, &info, o->error), index, value;

	if (r < 0)
		return r;
	index = tensor_of(o, info.name, &is_new);
	if (index < -1)
		return index;
	t = index < 0 ? NULL : &o->tensors[index];
	if (t && t->is_constant && t->file < 0 && as_file(o, t) < 0)
		return -EINVAL;
	if (!t || (t->file < 0 && t->image < 0) || o->graph->n_outputs == ENGINE_IO_MAX)
		return graph_error(o->error, -ENOTSUP, "output '%.*s' is no tensor that is computed",
				   clip_length(info.name), (const char *)info.name.data);
	value = t->image >= 0 ? t->image : t->file;
	r = rename_value(o, value, info.name);
	if (r < 0)
		return r;
	o->graph->values[value].channels_first = t->image >= 0;
	o->graph->values[value].file_rank = o->shapes[value].rank;
	o->graph->outputs[o->graph->n_outputs++] = value;
	return 0;
}

/* What a file that is not read yet says about its outputs. */
static int add_declared_output(struct onnx *o, struct protobuf_bytes message)
{
	struct onnx_value_info info;
	int r = onnx_read_value_info(message, &info, o->error), type, value;

	if (r < 0)
		return r;
	type = onnx_engine_type(info.type);
	if (type < 0 || o->graph->n_outputs == ENGINE_IO_MAX)
		return graph_error(o->error, -ENOTSUP, "output '%.*s' is no tensor of numbers", clip_length(info.name),
				   (const char *)info.name.data);
	value = graph_add_value(o->graph, (const char *)info.name.data, info.name.size, (enum engine_type)type,
				info.rank < 0 ? 0 : info.rank, info.dims);
	if (value < 0)
		return graph_error(o->error, value, "the network is too large");
	o->graph->values[value].file_rank = o->graph->values[value].rank;
	o->graph->outputs[o->graph->n_outputs++] = value;
	return 0;
}

/* All fields of one number, in the order of the file. */
static int for_each(struct onnx *o, struct protobuf_bytes graph, uint32_t number,
		    int (*add)(struct onnx *o, struct protobuf_bytes message))
{
	struct protobuf reader = protobuf_open(graph);
	struct protobuf_field field;
	int r = 0, n = 0;

	while (r == 0 && protobuf_next(&reader, &field)) {
		if (field.number != number || field.wire != PROTOBUF_BYTES)
			continue;
		r = n++ == NODES_MAX ? graph_error(o->error, -EFBIG, "the network is too large") : add(o, field.bytes);
	}
	if (r == 0 && reader.malformed)
		return graph_error(o->error, -EINVAL, "the graph's message is malformed");
	return r;
}

/* How many names there can be: each takes some bytes of the file. */
static int count_names(struct protobuf_bytes graph)
{
	struct protobuf reader = protobuf_open(graph), node;
	struct protobuf_field field, inner;
	int n = 1;

	while (protobuf_next(&reader, &field) && n < TENSORS_MAX) {
		n++;
		if (field.number != GRAPH_FIELD_NODE || field.wire != PROTOBUF_BYTES)
			continue;
		node = protobuf_open(field.bytes);
		while (protobuf_next(&node, &inner) && n < TENSORS_MAX)
			n += inner.number == NODE_OUTPUT;
	}
	return n;
}

/* Value infos take some bytes of the file each, too; one of a name that is there already does not count. */
static int add_info(struct onnx *o, struct protobuf_bytes message)
{
	struct onnx_value_info info;
	struct names_entry *entry;

	if (o->n_infos == o->cap_tensors || onnx_read_value_info(message, &info, NULL) < 0 || !info.name.size)
		return 0;
	entry = names_find(&o->info_names, info.name.data, info.name.size);
	if (entry->number >= 0)
		return 0;
	*entry = (struct names_entry){info.name.data, info.name.size, o->n_infos};
	o->infos[o->n_infos++] = message;
	return 0;
}

static int read_graph(struct onnx *o, struct protobuf_bytes graph)
{
	int r;

	o->cap_tensors = count_names(graph);
	o->tensors = calloc((size_t)o->cap_tensors + SPARE_TENSORS, sizeof(*o->tensors));
	o->infos = calloc((size_t)o->cap_tensors, sizeof(*o->infos));
	if (!o->tensors || !o->infos || names_init(&o->names, (size_t)o->cap_tensors) < 0 ||
	    names_init(&o->info_names, (size_t)o->cap_tensors) < 0 || names_init(&o->raw, (size_t)o->cap_tensors) < 0)
		return graph_error(o->error, -ENOMEM, "out of memory");
	o->folded_max = 2 * graph.size + FOLDED_BYTES;
	r = for_each(o, graph, GRAPH_FIELD_OUTPUT, add_info);
	if (r == 0)
		r = for_each(o, graph, GRAPH_FIELD_INFO, add_info);
	if (r == 0)
		r = for_each(o, graph, GRAPH_FIELD_INIT, add_initializer);
	if (r == 0)
		r = for_each(o, graph, GRAPH_FIELD_INPUT, add_graph_input);
	if (r == 0 && o->graph->unread)
		return for_each(o, graph, GRAPH_FIELD_OUTPUT, add_declared_output);
	if (r == 0)
		r = find_raw(o, graph);
	if (r == 0)
		r = for_each(o, graph, GRAPH_FIELD_NODE, add_node);
	return r < 0 ? r : for_each(o, graph, GRAPH_FIELD_OUTPUT, add_graph_output);
}

static void read_opset(struct onnx *o, struct protobuf_bytes message)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	bool own = true;
	int64_t version = 0;

	while (protobuf_next(&reader, &field)) {
		if (field.number == OPSET_DOMAIN && field.wire == PROTOBUF_BYTES)
			own = field.bytes.size == 0 || onnx_is(field.bytes, "ai.onnx");
		else if (field.number == OPSET_VERSION)
			version = (int64_t)field.value;
	}
	if (own)
		o->opset = version;
}

/* A message that begins with its IR version, field 1, and has a graph. */
bool import_is_onnx(const uint8_t *data, size_t size)
{
	struct protobuf reader = protobuf_open((struct protobuf_bytes){data, size});
	struct protobuf_field field;
	bool graph = false;

	if (size < 2 || data[0] != 0x08)
		return false;
	while (protobuf_next(&reader, &field))
		graph |= field.number == MODEL_GRAPH && field.wire == PROTOBUF_BYTES;
	return graph;
}

int import_onnx(const struct import_source *source, struct graph *graph, struct engine_error *ret_error)
{
	struct protobuf reader = protobuf_open((struct protobuf_bytes){source->data, source->size});
	struct onnx *o = calloc(1, sizeof(*o));
	struct protobuf_bytes message = {0};
	struct protobuf_field field;
	int r;

	if (!o)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	o->source = source;
	o->graph = graph;
	o->error = ret_error;
	while (protobuf_next(&reader, &field)) {
		if (field.number == MODEL_GRAPH && field.wire == PROTOBUF_BYTES)
			message = field.bytes;
		else if (field.number == MODEL_OPSET && field.wire == PROTOBUF_BYTES)
			read_opset(o, field.bytes);
	}
	if (reader.malformed)
		r = graph_error(ret_error, -EINVAL, "the file's message is malformed");
	else if (o->opset < OPSET_MIN || o->opset > OPSET_MAX)
		r = graph_error(ret_error, -ENOTSUP, "opset %lld is not within %d..%d", (long long)o->opset, OPSET_MIN,
				OPSET_MAX);
	else
		r = read_graph(o, message);
	names_finish(&o->names);
	names_finish(&o->info_names);
	names_finish(&o->raw);
	free(o->infos);
	free(o->tensors);
	free(o->shapes);
	free(o);
	return r;
}
