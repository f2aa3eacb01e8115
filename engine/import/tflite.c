/*
 * tflite.c - a TFLite file to a graph: its first subgraph, tensors in their own order (images are NHWC already).
 *
 * Numbers of tables, fields, types and operators are those of TensorFlow Lite's schema, version 3.
 */
#include "import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flatbuffer.h"

#define TENSORS_MAX (GRAPH_VALUES_MAX / 8)
#define NODES_MAX   (GRAPH_NODES_MAX / 4)
#define IO_MAX	    1024 /* inputs or outputs of one operator */

/* Fields of the tables. */
enum { MODEL_CODES = 1, MODEL_SUBGRAPHS = 2, MODEL_BUFFERS = 4 };
enum { CODE_OLD = 0, CODE_CUSTOM = 1, CODE_NEW = 3 };
enum { SUBGRAPH_TENSORS = 0, SUBGRAPH_INPUTS = 1, SUBGRAPH_OUTPUTS = 2, SUBGRAPH_OPERATORS = 3 };
enum {
	TENSOR_SHAPE = 0,
	TENSOR_TYPE = 1,
	TENSOR_BUFFER = 2,
	TENSOR_NAME = 3,
	TENSOR_QUANT = 4,
	TENSOR_SPARSITY = 6,
	TENSOR_SIGNATURE = 7
};
enum { QUANT_SCALE = 2, QUANT_ZERO = 3, QUANT_AXIS = 6 };
/* Of operators. */
enum { CODE_CONCATENATION = 2, CODE_RESHAPE = 22, CODE_STRIDED_SLICE = 45, CODE_SHAPE = 77, CODE_PACK = 83 };
enum { OPERATOR_CODE = 0, OPERATOR_INPUTS = 1, OPERATOR_OUTPUTS = 2, OPERATOR_OPTIONS = 4 };
enum { BUFFER_DATA = 0, BUFFER_OFFSET = 1, BUFFER_SIZE = 2 };

/*
 * An image cut into every block'th row and column, each part a batch of its own: how files say that a convolution is
 * dilated.  The value stays the whole image, and the convolution between cutting and joining gets the dilation.
 */
struct blocks {
	int h, w;		      /* 0: not cut */
	int top, bottom, left, right; /* padding that comes with the cut */
	int conv;		      /* the node that works on the parts; -1 none yet */
};

struct tensor {
	int value; /* -1: of a type that is not computed with */
	struct blocks blocks;
	bool follows; /* integers that follow from shapes: the first n_known are known now */
	int n_known;
	int32_t known[ENGINE_RANK_MAX];
	int rank;
	int32_t dims[ENGINE_RANK_MAX]; /* as the file has them */
	int type;
	int depthwise; /* the constant turned into depthwise weights; -1 not yet */
};

struct tflite {
	struct flatbuffer fb;
	struct graph *graph;
	struct engine_error *error;
	struct flatbuffer_vector codes, buffers;
	struct tensor *tensors;
	int n_tensors;
	/* the current operator */
	int index, code;
	const char *op;
	size_t options;
	int inputs[IO_MAX], outputs[IO_MAX];
	int n_inputs, n_outputs;
};

static int refuse(const struct tflite *t, int code, const char *why)
{
	return graph_error(t->error, code, "operator %d (%s): %s", t->index, t->op, why);
}

static int result(const struct tflite *t, int r)
{
	return r >= 0 ? r
		      : refuse(t, r,
			       r == -ENOMEM  ? "out of memory"
			       : r == -EFBIG ? "the network is too large"
					     : "makes no sense in its place");
}

/* ---- tensors ----------------------------------------------------------------------------------- */

/* TensorType of the schema; -1 where tensors of the type are not computed with. */
static int type_of(int64_t type)
{
	static const int types[] = {ENGINE_F32, ENGINE_F16,  ENGINE_S32, ENGINE_U8, ENGINE_S64,
				    -1,		ENGINE_BOOL, ENGINE_S16, -1,	    ENGINE_S8};

	return type >= 0 && type < (int64_t)(sizeof(types) / sizeof(*types)) ? types[type] : -1;
}

static int read_shape(struct tflite *t, size_t table, struct tensor *tensor)
{
	struct flatbuffer_vector shape = flatbuffer_vector(&t->fb, table, TENSOR_SHAPE, 4);
	struct flatbuffer_vector open = flatbuffer_vector(&t->fb, table, TENSOR_SIGNATURE, 4);

	if (shape.count > ENGINE_RANK_MAX)
		return graph_error(t->error, -ENOTSUP, "a tensor has %u axes", shape.count);
	tensor->rank = (int)shape.count;
	for (uint32_t i = 0; i < shape.count; i++) {
		tensor->dims[i] = flatbuffer_i32_at(&t->fb, &shape, i);
		if (tensor->dims[i] < 0)
			return graph_error(t->error, -EINVAL, "a tensor has a side of %d", tensor->dims[i]);
		/* A batch of unknown size is run one by one. */
		if (open.count == shape.count && flatbuffer_i32_at(&t->fb, &open, i) < 0 && i > 0)
			tensor->dims[i] = GRAPH_DIM_UNKNOWN;
	}
	return 0;
}

static int read_quant(struct tflite *t, size_t table, const struct tensor *tensor)
{
	size_t quant = flatbuffer_table(&t->fb, table, TENSOR_QUANT);
	struct flatbuffer_vector scales = flatbuffer_vector(&t->fb, quant, QUANT_SCALE, 4);
	struct flatbuffer_vector zeros = flatbuffer_vector(&t->fb, quant, QUANT_ZERO, 8);
	bool integer = tensor->type == ENGINE_S8 || tensor->type == ENGINE_U8 || tensor->type == ENGINE_S16;
	float *scale;
	int64_t *zero;
	int r;

	/* Of biases the scale is known from the inputs; files give 0 for int32 that is not a bias. */
	if (!scales.count || !integer)
		return 0;
	if (zeros.count && zeros.count != scales.count)
		return -EINVAL;
	scale = malloc(scales.count * sizeof(*scale));
	zero = calloc(scales.count, sizeof(*zero));
	for (uint32_t i = 0; scale && zero && i < scales.count; i++) {
		scale[i] = flatbuffer_f32_at(&t->fb, &scales, i);
		zero[i] = zeros.count ? flatbuffer_i64_at(&t->fb, &zeros, i) : 0;
	}
	r = scale && zero ? graph_set_quant(t->graph, tensor->value, (int)scales.count, scale, zero,
					    (int)flatbuffer_i32(&t->fb, quant, QUANT_AXIS, 0))
			  : -ENOMEM;
	free(scale);
	free(zero);
	return r;
}

/* A constant's bytes lie in the buffer table, or anywhere in the file for large files. */
static int read_data(struct tflite *t, size_t table, const struct tensor *tensor)
{
	int64_t index = flatbuffer_i32(&t->fb, table, TENSOR_BUFFER, 0);
	size_t buffer =
		index > 0 && index < t->buffers.count ? flatbuffer_table_at(&t->fb, &t->buffers, (uint32_t)index) : 0;
	struct flatbuffer_vector data = flatbuffer_vector(&t->fb, buffer, BUFFER_DATA, 1);
	uint64_t at = flatbuffer_u64(&t->fb, buffer, BUFFER_OFFSET, 0);
	uint64_t bytes = flatbuffer_u64(&t->fb, buffer, BUFFER_SIZE, 0);

	if (index < 0 || index >= (int64_t)t->buffers.count + (index == 0))
		return -EINVAL;
	if (data.count) {
		at = data.at;
		bytes = data.count;
	} else if (at <= 1 || !bytes) {
		return 0;
	}
	if (at > t->fb.size || bytes > t->fb.size - at)
		return -EINVAL;
	return graph_set_data(t->graph, tensor->value, t->fb.data + at, (size_t)bytes);
}

static int read_tensor(struct tflite *t, int i, size_t table)
{
	struct tensor *tensor = &t->tensors[i];
	struct flatbuffer_vector name = flatbuffer_vector(&t->fb, table, TENSOR_NAME, 1);
	const char *text = name.count ? (const char *)t->fb.data + name.at : "";
	int length = name.count > 60 ? 60 : (int)name.count, r;

	tensor->depthwise = -1;
	tensor->type = type_of(flatbuffer_i8(&t->fb, table, TENSOR_TYPE, 0));
	r = read_shape(t, table, tensor);
	if (r < 0)
		return r;
	tensor->value = -1;
	if (tensor->type < 0)
		return 0;
	if (flatbuffer_table(&t->fb, table, TENSOR_SPARSITY))
		return graph_error(t->error, -ENOTSUP, "tensor '%.*s' is sparse", length, text);
	tensor->value = graph_add_value(t->graph, text, name.count < 1024 ? name.count : 1024,
					(enum engine_type)tensor->type, tensor->rank, tensor->dims);
	if (tensor->value < 0)
		return graph_error(t->error, tensor->value, "tensor '%.*s' cannot be", length, text);
	r = read_quant(t, table, tensor);
	if (r < 0)
		return graph_error(t->error, r, "tensor '%.*s' has impossible quantisation", length, text);
	r = read_data(t, table, tensor);
	if (r < 0)
		return graph_error(t->error, r, "tensor '%.*s' does not fit its data", length, text);
	return 0;
}

/* Shapes of what is not constant are inferred; what the file says of them holds at its own size only. */
static void forget_shapes(struct tflite *t)
{
	for (int i = 0; i < t->graph->n_values; i++) {
		struct graph_value *value = &t->graph->values[i];

		if (!value->data)
			for (int k = 0; k < value->rank; k++)
				value->dims[k] = GRAPH_DIM_UNKNOWN;
	}
}

static int read_tensors(struct tflite *t, size_t subgraph)
{
	struct flatbuffer_vector list = flatbuffer_vector(&t->fb, subgraph, SUBGRAPH_TENSORS, 4);
	int r = 0;

	if (list.count > TENSORS_MAX)
		return graph_error(t->error, -EFBIG, "the file has %u tensors", list.count);
	t->n_tensors = (int)list.count;
	t->tensors = calloc(list.count + 1, sizeof(*t->tensors));
	if (!t->tensors)
		return graph_error(t->error, -ENOMEM, "out of memory");
	for (int i = 0; i < t->n_tensors && r == 0; i++)
		r = read_tensor(t, i, flatbuffer_table_at(&t->fb, &list, (uint32_t)i));
	forget_shapes(t);
	return r;
}

static int read_io(struct tflite *t, size_t subgraph, int field, bool inputs)
{
	struct flatbuffer_vector list = flatbuffer_vector(&t->fb, subgraph, field, 4);
	int *to = inputs ? t->graph->inputs : t->graph->outputs;

	if (!list.count || list.count > ENGINE_IO_MAX)
		return graph_error(t->error, -ENOTSUP, "the network has %u %s", list.count,
				   inputs ? "inputs" : "outputs");
	for (uint32_t i = 0; i < list.count; i++) {
		int32_t index = flatbuffer_i32_at(&t->fb, &list, i);
		struct graph_value *value;

		if (index < 0 || index >= t->n_tensors || t->tensors[index].value < 0)
			return graph_error(t->error, -EINVAL, "%s %u of the network is no tensor that can be",
					   inputs ? "input" : "output", i);
		to[i] = t->tensors[index].value;
		value = &t->graph->values[to[i]];
		if (inputs && !value->data)
			memcpy(value->dims, t->tensors[index].dims, sizeof(value->dims));
		if (inputs && value->rank > 0 && value->dims[0] == GRAPH_DIM_UNKNOWN)
			value->dims[0] = 1;
	}
	*(inputs ? &t->graph->n_inputs : &t->graph->n_outputs) = (int)list.count;
	return 0;
}

/* ---- what operators need ----------------------------------------------------------------------- */

static const struct tensor *in_tensor(const struct tflite *t, int i)
{
	return &t->tensors[t->inputs[i]];
}

static bool has_input(const struct tflite *t, int i)
{
	return i < t->n_inputs && t->inputs[i] >= 0;
}

/* The value of input i; -1 absent. */
static int in_value(const struct tflite *t, int i)
{
	return has_input(t, i) ? in_tensor(t, i)->value : -1;
}

/*
 * Weights of input i.  Files with float16 weights widen them by an operator of their own; the engine reads them as they
 * are, and the operator, read by nobody, is dropped.
 */
static int weight_value(const struct tflite *t, int i)
{
	int value = in_value(t, i), producer = value < 0 ? -1 : t->graph->values[value].producer;
	const struct graph_node *node = producer < 0 ? NULL : &t->graph->nodes[producer];

	if (node && node->op == GRAPH_CAST && t->graph->values[node->inputs[0]].data &&
	    t->graph->values[node->inputs[0]].type == ENGINE_F16)
		return node->inputs[0];
	return value;
}

/* Integers of a constant input (int32 or int64), at most `max`; -EINVAL where it is not constant. */
static int constant_ints(const struct tflite *t, int i, int max, int32_t *ret_numbers)
{
	const struct graph_value *value;
	size_t size, count;

	if (!has_input(t, i))
		return -EINVAL;
	value = &t->graph->values[in_value(t, i)];
	size = engine_type_size(value->type);
	if (!value->data || (value->type != ENGINE_S32 && value->type != ENGINE_S64))
		return -EINVAL;
	count = value->data_bytes / size;
	if (count > (size_t)max)
		return -EINVAL;
	for (size_t k = 0; k < count; k++) {
		int64_t wide = 0;
		int32_t narrow = 0;

		memcpy(size == 8 ? (void *)&wide : (void *)&narrow, (const uint8_t *)value->data + k * size, size);
		if (size == 8 && (wide < INT32_MIN || wide > INT32_MAX))
			return -EINVAL;
		ret_numbers[k] = size == 8 ? (int32_t)wide : narrow;
	}
	return (int)count;
}

/* An intermediate of the type and quantisation of `like`. */
static int add_value(struct tflite *t, int like, int rank)
{
	static const int32_t open[ENGINE_RANK_MAX] = {-1, -1, -1, -1, -1, -1};
	const struct graph_value *from = &t->graph->values[like];
	int value = graph_add_value(t->graph, NULL, 0, from->type, rank, open), r = 0;

	if (value < 0)
		return value;
	from = &t->graph->values[like];
	if (from->quant.n_scales == 1) {
		int64_t zero = from->quant.zero_points[0];

		r = graph_set_quant(t->graph, value, 1, from->quant.scales, &zero, 0);
	}
	return r < 0 ? r : value;
}

/* A node that makes `output`; *ret_node is valid until the next add. */
static int add_node(struct tflite *t, enum graph_op op, const int *inputs, int n_inputs, int output,
		    struct graph_node **ret_node)
{
	const struct graph_value *value;
	int node;

	if (output < 0)
		return result(t, output);
	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1)
			return result(t, inputs[i]);
	value = &t->graph->values[output];
	node = graph_add_node(t->graph, op, value->name, value->name ? strlen(value->name) : 0, inputs, n_inputs,
			      &output, 1);
	if (node < 0)
		return result(t, node);
	*ret_node = &t->graph->nodes[node];
	return 0;
}

static int out_value(const struct tflite *t, int i)
{
	return t->tensors[t->outputs[i]].value;
}

static int fuse(struct tflite *t, int field, struct graph_node *node)
{
	switch (flatbuffer_i8(&t->fb, t->options, field, 0)) {
	case 0:
		return 0;
	case 1:
		node->act.kind = GRAPH_ACT_RELU;
		return 0;
	case 2:
		node->act = (struct graph_act){GRAPH_ACT_CLIP, -1.0f, 1.0f};
		return 0;
	case 3:
		node->act = (struct graph_act){GRAPH_ACT_CLIP, 0.0f, 6.0f};
		return 0;
	case 4:
		node->act.kind = GRAPH_ACT_TANH;
		return 0;
	default:
		return refuse(t, -ENOTSUP, "has an unknown fused activation");
	}
}

static int to_int(int64_t value)
{
	return value < -1 || value > GRAPH_WINDOW_MAX ? -1 : (int)value;
}

/* Padding and strides lie alike in the options of convolutions and pools. */
static void read_window(struct tflite *t, struct graph_window *w)
{
	w->pad_mode = flatbuffer_i8(&t->fb, t->options, 0, 0) == 0 ? GRAPH_PAD_SAME_UPPER : GRAPH_PAD_VALID;
	w->stride_w = to_int(flatbuffer_i32(&t->fb, t->options, 1, 0));
	w->stride_h = to_int(flatbuffer_i32(&t->fb, t->options, 2, 0));
	w->dilation_w = w->dilation_h = 1;
}

/* ---- operators --------------------------------------------------------------------------------- */

/* Two numbers at least 0 each, of a constant input with n of them in all. */
static int block_ints(const struct tflite *t, int i, int n, int32_t least, int32_t *ret)
{
	int count = constant_ints(t, i, n, ret);

	for (int k = 0; k < count; k++)
		if (ret[k] < least || ret[k] > GRAPH_WINDOW_MAX)
			return refuse(t, -EINVAL, "has an impossible block or padding");
	return count == n ? 0 : refuse(t, -ENOTSUP, "cuts other axes than height and width, or is not constant");
}

static int on_space_to_batch(struct tflite *t)
{
	struct tensor *out = &t->tensors[t->outputs[0]];
	int32_t block[2], pads[4];
	int r = block_ints(t, 1, 2, 1, block);

	if (r == 0)
		r = block_ints(t, 2, 4, 0, pads);
	if (r < 0)
		return r;
	if (in_tensor(t, 0)->rank != 4 || in_value(t, 0) < 0)
		return refuse(t, -ENOTSUP, "cuts what is no image");
	out->value = in_value(t, 0);
	out->blocks = (struct blocks){block[0], block[1], pads[0], pads[1], pads[2], pads[3], -1};
	return 0;
}

/* What joining takes off the edges was padded for the parts to be of one size. */
static int on_batch_to_space(struct tflite *t)
{
	const struct tensor *in = in_tensor(t, 0);
	int32_t block[2], crops[4];
	struct graph_window *window;
	int r = block_ints(t, 1, 2, 1, block);

	if (r == 0)
		r = block_ints(t, 2, 4, 0, crops);
	if (r < 0)
		return r;
	if (!in->blocks.h || in->blocks.conv < 0 || block[0] != in->blocks.h || block[1] != in->blocks.w)
		return refuse(t, -ENOTSUP, "joins what was not cut for a convolution");
	window = &t->graph->nodes[in->blocks.conv].conv.window;
	if (crops[0] > window->top || crops[1] > window->bottom || crops[2] > window->left || crops[3] > window->right)
		return refuse(t, -ENOTSUP, "takes off more than was padded");
	window->top -= crops[0];
	window->bottom -= crops[1];
	window->left -= crops[2];
	window->right -= crops[3];
	t->tensors[t->outputs[0]].value = in->value;
	return 0;
}

/* Gives the convolution that was just added the dilation of the blocks it reads. */
static int dilate_by_blocks(struct tflite *t, struct graph_window *window)
{
	const struct blocks *blocks = &in_tensor(t, 0)->blocks;
	struct tensor *out = &t->tensors[t->outputs[0]];

	if (!blocks->h)
		return 0;
	if (blocks->conv >= 0 || window->pad_mode != GRAPH_PAD_VALID || window->stride_h != 1 ||
	    window->stride_w != 1 || window->dilation_h != 1 || window->dilation_w != 1)
		return refuse(t, -ENOTSUP, "does more with the parts of an image than one dense convolution");
	window->dilation_h = blocks->h;
	window->dilation_w = blocks->w;
	window->pad_mode = GRAPH_PAD_EXPLICIT;
	window->top = blocks->top;
	window->bottom = blocks->bottom;
	window->left = blocks->left;
	window->right = blocks->right;
	out->blocks = *blocks;
	out->blocks.conv = t->graph->n_nodes - 1;
	return 0;
}

static int on_conv(struct tflite *t)
{
	const struct tensor *w = has_input(t, 1) ? in_tensor(t, 1) : NULL;
	int inputs[3] = {in_value(t, 0), weight_value(t, 1), weight_value(t, 2)}, r;
	struct graph_node *node = NULL;

	if (!w || w->rank != 4 || w->dims[3] < 1)
		return refuse(t, -EINVAL, "has no weights of four axes");
	r = add_node(t, GRAPH_CONV, inputs, inputs[2] < 0 ? 2 : 3, out_value(t, 0), &node);
	if (r < 0)
		return r;
	read_window(t, &node->conv.window);
	node->conv.window.kernel_h = w->dims[1];
	node->conv.window.kernel_w = w->dims[2];
	node->conv.window.dilation_w = to_int(flatbuffer_i32(&t->fb, t->options, 4, 1));
	node->conv.window.dilation_h = to_int(flatbuffer_i32(&t->fb, t->options, 5, 1));
	/* Fewer weights than channels: grouped. */
	node->conv.groups =
		in_tensor(t, 0)->rank == 4 && in_tensor(t, 0)->dims[3] > 0 && in_tensor(t, 0)->dims[3] % w->dims[3] == 0
			? in_tensor(t, 0)->dims[3] / w->dims[3]
			: 1;
	r = dilate_by_blocks(t, &node->conv.window);
	return r < 0 ? r : fuse(t, 3, node);
}

/*
 * Weights [1][KH][KW][O] of a constant as [O][KH][KW][1], made once for each tensor; the value or an error.  The
 * constant fills the tensor's shape.
 */
static int depthwise_weights(struct tflite *t, struct tensor *tensor, int constant)
{
	const struct graph_value *from = &t->graph->values[constant];
	size_t size = engine_type_size(from->type), channels = (size_t)tensor->dims[3];
	size_t taps = (size_t)tensor->dims[1] * (size_t)tensor->dims[2];
	int32_t dims[] = {tensor->dims[3], tensor->dims[1], tensor->dims[2], 1};
	int value, r = 0;
	uint8_t *data;

	if (tensor->depthwise >= 0)
		return tensor->depthwise;
	if (from->data_bytes != channels * taps * size)
		return -EINVAL;
	value = graph_add_value(t->graph, from->name, from->name ? strlen(from->name) : 0, from->type, 4, dims);
	if (value < 0)
		return value;
	data = graph_alloc_data(t->graph, value, channels * taps * size);
	if (!data)
		return -ENOMEM;
	from = &t->graph->values[constant];
	for (size_t k = 0; k < taps; k++)
		for (size_t c = 0; c < channels; c++)
			memcpy(data + (c * taps + k) * size, (const uint8_t *)from->data + (k * channels + c) * size,
			       size);
	if (from->quant.n_scales) {
		int64_t *zeros = malloc((size_t)from->quant.n_scales * sizeof(*zeros));

		for (int i = 0; zeros && i < from->quant.n_scales; i++)
			zeros[i] = from->quant.zero_points[i];
		r = zeros ? graph_set_quant(t->graph, value, from->quant.n_scales, from->quant.scales, zeros, 0)
			  : -ENOMEM;
		free(zeros);
	}
	if (r == 0)
		tensor->depthwise = value;
	return r < 0 ? r : value;
}

static int on_depthwise(struct tflite *t)
{
	struct tensor *w = has_input(t, 1) ? &t->tensors[t->inputs[1]] : NULL;
	int64_t multiplier = flatbuffer_i32(&t->fb, t->options, 3, 1);
	int inputs[3] = {in_value(t, 0), weight_value(t, 1), weight_value(t, 2)}, r;
	struct graph_node *node = NULL;

	if (!w || w->rank != 4 || w->dims[0] != 1 || w->dims[3] < 1 || w->dims[1] < 1 || w->dims[2] < 1)
		return refuse(t, -EINVAL, "has no weights of 1 x height x width x channels");
	if (!t->graph->values[inputs[1]].data)
		return refuse(t, -ENOTSUP, "has weights that are not constant");
	inputs[1] = depthwise_weights(t, w, inputs[1]);
	if (inputs[1] < 0)
		return result(t, inputs[1]);
	r = add_node(t, GRAPH_CONV, inputs, inputs[2] < 0 ? 2 : 3, out_value(t, 0), &node);
	if (r < 0)
		return r;
	if (multiplier < 1 || w->dims[3] % multiplier)
		return refuse(t, -EINVAL, "has an impossible multiplier");
	read_window(t, &node->conv.window);
	node->conv.window.kernel_h = w->dims[1];
	node->conv.window.kernel_w = w->dims[2];
	node->conv.window.dilation_w = to_int(flatbuffer_i32(&t->fb, t->options, 5, 1));
	node->conv.window.dilation_h = to_int(flatbuffer_i32(&t->fb, t->options, 6, 1));
	node->conv.groups = (int)(w->dims[3] / multiplier);
	r = dilate_by_blocks(t, &node->conv.window);
	return r < 0 ? r : fuse(t, 4, node);
}

static int on_fully_connected(struct tflite *t)
{
	int inputs[3] = {in_value(t, 0), weight_value(t, 1), weight_value(t, 2)}, r;
	struct graph_node *node = NULL;

	if (flatbuffer_i8(&t->fb, t->options, 1, 0) != 0)
		return refuse(t, -ENOTSUP, "has shuffled weights");
	r = add_node(t, GRAPH_FC, inputs, inputs[2] < 0 ? 2 : 3, out_value(t, 0), &node);
	if (r < 0)
		return r;
	node->fc.flatten = !flatbuffer_u8(&t->fb, t->options, 2, 0);
	return fuse(t, 0, node);
}

static int on_pool(struct tflite *t)
{
	int x = in_value(t, 0), r;
	struct graph_node *node = NULL;

	r = add_node(t, t->code == 1 ? GRAPH_AVGPOOL : GRAPH_MAXPOOL, &x, 1, out_value(t, 0), &node);
	if (r < 0)
		return r;
	read_window(t, &node->pool.window);
	node->pool.window.kernel_w = to_int(flatbuffer_i32(&t->fb, t->options, 3, 0));
	node->pool.window.kernel_h = to_int(flatbuffer_i32(&t->fb, t->options, 4, 0));
	return fuse(t, 5, node);
}

static int on_binary(struct tflite *t)
{
	int inputs[2] = {in_value(t, 0), in_value(t, 1)}, r;
	enum graph_op op = t->code == 0	   ? GRAPH_ADD
			   : t->code == 41 ? GRAPH_SUB
			   : t->code == 18 ? GRAPH_MUL
			   : t->code == 42 ? GRAPH_DIV
			   : t->code == 57 ? GRAPH_MIN
					   : GRAPH_MAX;
	struct graph_node *node = NULL;

	r = add_node(t, op, inputs, 2, out_value(t, 0), &node);
	return r < 0 || op == GRAPH_MIN || op == GRAPH_MAX ? r : fuse(t, 0, node);
}

static int on_unary(struct tflite *t)
{
	static const struct {
		int code;
		struct graph_act act;
	} functions[] = {
		{14, {GRAPH_ACT_SIGMOID, 0, 0}},
		{19, {GRAPH_ACT_RELU, 0, 0}},
		{20, {GRAPH_ACT_CLIP, -1.0f, 1.0f}},
		{21, {GRAPH_ACT_CLIP, 0.0f, 6.0f}},
		{28, {GRAPH_ACT_TANH, 0, 0}},
		{47, {GRAPH_ACT_EXP, 0, 0}},
		{59, {GRAPH_ACT_NEG, 0, 0}},
		{73, {GRAPH_ACT_LOG, 0, 0}},
		{75, {GRAPH_ACT_SQRT, 0, 0}},
		{76, {GRAPH_ACT_RSQRT, 0, 0}},
		{92, {GRAPH_ACT_SQUARE, 0, 0}},
		{98, {GRAPH_ACT_LEAKY, 0, 0}},
		{101, {GRAPH_ACT_ABS, 0, 0}},
		{111, {GRAPH_ACT_ELU, 1.0f, 0}},
		{117, {GRAPH_ACT_HARDSWISH, 1.0f / 6.0f, 0.5f}},
		{150, {GRAPH_ACT_GELU, 0, 0}},
	};
	int x = in_value(t, 0), i = 0, r;
	struct graph_node *node = NULL;

	r = add_node(t, GRAPH_UNARY, &x, 1, out_value(t, 0), &node);
	if (r < 0)
		return r;
	while (functions[i].code != t->code)
		i++;
	node->unary = functions[i].act;
	if (node->unary.kind == GRAPH_ACT_LEAKY)
		node->unary.a = flatbuffer_f32(&t->fb, t->options, 0, 0.0f);
	return 0;
}

static int on_prelu(struct tflite *t)
{
	struct graph_node *node = NULL;

	return add_node(t, GRAPH_PRELU, (int[]){in_value(t, 0), in_value(t, 1)}, 2, out_value(t, 0), &node);
}

static int on_cast(struct tflite *t)
{
	int x = in_value(t, 0);
	struct graph_node *node = NULL;

	return add_node(t, GRAPH_CAST, &x, 1, out_value(t, 0), &node);
}

static int on_concat(struct tflite *t)
{
	int64_t axis = flatbuffer_i32(&t->fb, t->options, 0, 0);
	struct graph_node *node = NULL;
	int values[IO_MAX], r;

	for (int i = 0; i < t->n_inputs; i++)
		values[i] = in_value(t, i);
	if (flatbuffer_i8(&t->fb, t->options, 1, 0) != 0)
		return refuse(t, -ENOTSUP, "has a fused activation");
	r = add_node(t, GRAPH_CONCAT, values, t->n_inputs, out_value(t, 0), &node);
	if (r == 0)
		node->axis.axis = (int)(axis < 0 ? axis + in_tensor(t, 0)->rank : axis);
	return r;
}

static int on_softmax(struct tflite *t)
{
	int x = in_value(t, 0), r;
	struct graph_node *node = NULL;

	r = add_node(t, GRAPH_SOFTMAX, &x, 1, out_value(t, 0), &node);
	if (r == 0) {
		node->axis.axis = in_tensor(t, 0)->rank - 1;
		node->axis.beta = flatbuffer_f32(&t->fb, t->options, 0, 0.0f);
	}
	return r;
}

static int add_reshape(struct tflite *t, int x, int rank, const int32_t *dims, int output)
{
	struct graph_node *node = NULL;
	int r = add_node(t, GRAPH_RESHAPE, &x, 1, output, &node);

	if (r == 0) {
		node->shape.rank = rank;
		memcpy(node->shape.dims, dims, (size_t)rank * sizeof(*dims));
	}
	return r;
}

/* The new shape is a constant input, or in the options of older files. */
static int on_reshape(struct tflite *t)
{
	struct flatbuffer_vector shape = flatbuffer_vector(&t->fb, t->options, 0, 4);
	int32_t dims[ENGINE_RANK_MAX] = {0};
	int rank = has_input(t, 1) ? constant_ints(t, 1, ENGINE_RANK_MAX, dims) : -1;

	if (has_input(t, 1) && in_tensor(t, 1)->follows) {
		rank = in_tensor(t, 1)->n_known ? in_tensor(t, 1)->n_known : -1;
		memcpy(dims, in_tensor(t, 1)->known, sizeof(dims));
	} else if (rank < 0 && shape.count <= ENGINE_RANK_MAX) {
		rank = (int)shape.count;
		for (int i = 0; i < rank; i++)
			dims[i] = flatbuffer_i32_at(&t->fb, &shape, (uint32_t)i);
	}
	if (rank < 0)
		return refuse(t, -ENOTSUP, "has a shape that is not constant");
	for (int i = 0; i < rank; i++)
		if (dims[i] == 0)
			return refuse(t, -EINVAL, "wants an empty tensor");
	return add_reshape(t, in_value(t, 0), rank, dims, out_value(t, 0));
}

/* Axes of one element come or go: the file's own result tells the shape, its longest side is left to follow. */
static int on_squeeze(struct tflite *t)
{
	const struct tensor *out = &t->tensors[t->outputs[0]];
	int32_t dims[ENGINE_RANK_MAX];
	int longest = 0;

	for (int i = 0; i < out->rank; i++) {
		dims[i] = out->dims[i];
		if (dims[i] == GRAPH_DIM_UNKNOWN || (dims[longest] >= 0 && dims[i] > dims[longest]))
			longest = i;
		if (dims[i] == 0)
			return refuse(t, -EINVAL, "makes an empty tensor");
	}
	if (out->rank)
		dims[longest] = -1;
	return add_reshape(t, in_value(t, 0), out->rank, dims, out_value(t, 0));
}

static int on_transpose(struct tflite *t)
{
	int x = in_value(t, 0), r;
	struct graph_shape order = {0};
	struct graph_node *node = NULL;

	order.rank = constant_ints(t, 1, ENGINE_RANK_MAX, order.dims);
	if (order.rank < 0)
		return refuse(t, -ENOTSUP, "has an order that is not constant");
	r = add_node(t, GRAPH_TRANSPOSE, &x, 1, out_value(t, 0), &node);
	if (r == 0)
		node->shape = order;
	return r;
}

static int on_mean(struct tflite *t)
{
	int32_t axes[ENGINE_RANK_MAX];
	int x = in_value(t, 0), n = constant_ints(t, 1, ENGINE_RANK_MAX, axes), r;
	struct graph_node *node = NULL;

	if (n < 0)
		return refuse(t, -ENOTSUP, "has axes that are not constant");
	r = add_node(t, GRAPH_MEAN, &x, 1, out_value(t, 0), &node);
	if (r < 0)
		return r;
	node->reduce.n_axes = n;
	node->reduce.keep_dims = flatbuffer_u8(&t->fb, t->options, 0, 0);
	for (int i = 0; i < n; i++)
		node->reduce.axes[i] = axes[i] < 0 ? axes[i] + in_tensor(t, 0)->rank : axes[i];
	return 0;
}

static int on_pad(struct tflite *t)
{
	int32_t pads[2 * ENGINE_RANK_MAX];
	int x = in_value(t, 0), n = constant_ints(t, 1, 2 * ENGINE_RANK_MAX, pads), r;
	struct graph_node *node = NULL;
	float value = 0.0f;

	if (n != 2 * in_tensor(t, 0)->rank)
		return refuse(t, -ENOTSUP, "has paddings that are not constant");
	if (has_input(t, 2)) {
		const struct graph_value *constant = &t->graph->values[in_value(t, 2)];

		if (!constant->data || constant->data_bytes < engine_type_size(constant->type))
			return refuse(t, -ENOTSUP, "has a value that is not constant");
		if (constant->type == ENGINE_F32)
			memcpy(&value, constant->data, sizeof(value));
		else if (constant->quant.n_scales == 1 && (constant->type == ENGINE_S8 || constant->type == ENGINE_U8))
			value = constant->quant.scales[0] *
				(float)((constant->type == ENGINE_S8 ? *(const int8_t *)constant->data
								     : *(const uint8_t *)constant->data) -
					constant->quant.zero_points[0]);
		else
			return refuse(t, -ENOTSUP, "has a value of another type");
	}
	r = add_node(t, GRAPH_PAD, &x, 1, out_value(t, 0), &node);
	if (r < 0)
		return r;
	node->pad.value = value;
	for (int i = 0; i < n / 2; i++) {
		node->pad.before[i] = pads[2 * i];
		node->pad.after[i] = pads[2 * i + 1];
	}
	return 0;
}

static void whole_slice(struct graph_slice *slice)
{
	*slice = (struct graph_slice){0};
	for (int i = 0; i < ENGINE_RANK_MAX; i++) {
		slice->size[i] = -1;
		slice->step[i] = 1;
	}
}

static int add_slice(struct tflite *t, const struct graph_slice *slice, int output)
{
	int x = in_value(t, 0);
	struct graph_node *node = NULL;
	int r = add_node(t, GRAPH_SLICE, &x, 1, output, &node);

	if (r == 0)
		node->slice = *slice;
	return r;
}

static int on_slice(struct tflite *t)
{
	struct graph_slice slice;
	int rank = in_tensor(t, 0)->rank;

	whole_slice(&slice);
	if (constant_ints(t, 1, rank, slice.begin) != rank || constant_ints(t, 2, rank, slice.size) != rank)
		return refuse(t, -ENOTSUP, "has bounds that are not constant");
	return add_slice(t, &slice, out_value(t, 0));
}

/* One axis of a strided slice: what Python's begin:end:step takes, from the file's own length of the axis. */
static int strided_axis(const struct tflite *t, int64_t length, int64_t begin, int64_t end, int64_t step,
			bool from_edge, bool to_edge, struct graph_slice *slice, int i)
{
	if (step == 0 || step > GRAPH_WINDOW_MAX || step < -GRAPH_WINDOW_MAX)
		return refuse(t, -EINVAL, "has an impossible step");
	slice->step[i] = (int32_t)step;
	slice->begin[i] = (int32_t)(from_edge ? (step > 0 ? 0 : -1) : begin);
	if (to_edge)
		return 0;
	if (length < 1)
		return refuse(t, -ENOTSUP, "has an end on an axis of unknown length");
	begin = from_edge ? (step > 0 ? 0 : length - 1) : begin < 0 ? begin + length : begin;
	end = end < 0 ? end + length : end > length ? length : end;
	if (begin < 0 || begin >= length || end < -1 || (end - begin) * step <= 0)
		return refuse(t, -EINVAL, "takes nothing");
	slice->size[i] = (int32_t)((end - begin + step - (step > 0 ? 1 : -1)) / step);
	return 0;
}

static int on_strided_slice(struct tflite *t)
{
	int32_t begin[ENGINE_RANK_MAX], end[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
	const struct tensor *in = in_tensor(t, 0);
	int64_t begin_mask = flatbuffer_i32(&t->fb, t->options, 0, 0),
		end_mask = flatbuffer_i32(&t->fb, t->options, 1, 0);
	int64_t shrink = flatbuffer_i32(&t->fb, t->options, 4, 0);
	int n = constant_ints(t, 1, in->rank, begin), value, r;
	struct graph_slice slice;

	if (n < 0 || constant_ints(t, 2, in->rank, end) != n || constant_ints(t, 3, in->rank, step) != n)
		return refuse(t, -ENOTSUP, "has bounds that are not constant");
	if (flatbuffer_i32(&t->fb, t->options, 2, 0) || flatbuffer_i32(&t->fb, t->options, 3, 0))
		return refuse(t, -ENOTSUP, "has an ellipsis or a new axis");
	whole_slice(&slice);
	for (int i = 0; i < n; i++) {
		bool one = shrink >> i & 1;

		r = strided_axis(t, in->dims[i], begin[i], one ? begin[i] + 1 : end[i], one ? 1 : step[i],
				 !one && begin_mask >> i & 1, (!one && end_mask >> i & 1) || (one && begin[i] == -1),
				 &slice, i);
		if (r < 0)
			return r;
	}
	if (!shrink)
		return add_slice(t, &slice, out_value(t, 0));
	value = add_value(t, in->value, in->rank);
	if (value < 0)
		return result(t, value);
	r = add_slice(t, &slice, value);
	if (r < 0)
		return r;
	/* on_squeeze() reshapes its first input. */
	t->tensors[t->n_tensors] = (struct tensor){.value = value};
	t->inputs[0] = t->n_tensors;
	return on_squeeze(t);
}

/* SPLIT into equal parts, SPLIT_V into the lengths given. */
static int on_split(struct tflite *t)
{
	bool lengths = t->code == 102;
	int32_t axis[1], sizes[IO_MAX], begin = 0;
	int r = constant_ints(t, lengths ? 2 : 0, 1, axis);

	if (r != 1 || (lengths && constant_ints(t, 1, IO_MAX, sizes) != t->n_outputs))
		return refuse(t, -ENOTSUP, "has an axis or lengths that are not constant");
	if (!lengths) { /* its second input is what is cut */
		if (!has_input(t, 1))
			return refuse(t, -EINVAL, "lacks an input");
		t->inputs[0] = t->inputs[1];
	}
	if (axis[0] < 0)
		axis[0] += in_tensor(t, 0)->rank;
	if (axis[0] < 0 || axis[0] >= in_tensor(t, 0)->rank)
		return refuse(t, -EINVAL, "has an axis that its input lacks");
	for (int i = 0; i < t->n_outputs; i++) {
		const struct tensor *out = &t->tensors[t->outputs[i]];
		int32_t size = lengths ? sizes[i] : axis[0] < out->rank ? out->dims[axis[0]] : -1;
		struct graph_slice slice;

		if (size < 1 || size > (int32_t)ENGINE_TENSOR_BYTES_MAX)
			return refuse(t, -ENOTSUP, "has a part of unknown length");
		whole_slice(&slice);
		slice.begin[axis[0]] = begin;
		slice.size[axis[0]] = size;
		begin += size;
		r = add_slice(t, &slice, out->value);
		if (r < 0)
			return r;
		if (begin < 0 || begin > (int32_t)ENGINE_TENSOR_BYTES_MAX)
			return refuse(t, -EINVAL, "has parts that are too long");
	}
	return 0;
}

static int on_resize(struct tflite *t)
{
	bool bilinear = t->code == 23;
	int x = in_value(t, 0), r;
	struct graph_node *node = NULL;
	int32_t size[2];

	if (constant_ints(t, 1, 2, size) != 2)
		return refuse(t, -ENOTSUP, "has a size that is not constant");
	r = add_node(t, GRAPH_RESIZE, &x, 1, out_value(t, 0), &node);
	if (r == 0)
		node->resize = (struct graph_resize){
			.bilinear = bilinear,
			.align_corners = flatbuffer_u8(&t->fb, t->options, bilinear ? 2 : 0, 0),
			.half_pixel = flatbuffer_u8(&t->fb, t->options, bilinear ? 3 : 1, 0),
			.out_h = size[0] > 0 ? size[0] : -1,
			.out_w = size[1] > 0 ? size[1] : -1,
		};
	return r;
}

static const struct {
	int code;
	const char *name;
	int n_inputs; /* at least */
	int (*add)(struct tflite *t);
} operators[] = {
	{0, "ADD", 2, on_binary},
	{1, "AVERAGE_POOL_2D", 1, on_pool},
	{2, "CONCATENATION", 1, on_concat},
	{3, "CONV_2D", 2, on_conv},
	{4, "DEPTHWISE_CONV_2D", 2, on_depthwise},
	{6, "DEQUANTIZE", 1, on_cast},
	{9, "FULLY_CONNECTED", 2, on_fully_connected},
	{14, "LOGISTIC", 1, on_unary},
	{17, "MAX_POOL_2D", 1, on_pool},
	{18, "MUL", 2, on_binary},
	{19, "RELU", 1, on_unary},
	{20, "RELU_N1_TO_1", 1, on_unary},
	{21, "RELU6", 1, on_unary},
	{22, "RESHAPE", 1, on_reshape},
	{23, "RESIZE_BILINEAR", 2, on_resize},
	{25, "SOFTMAX", 1, on_softmax},
	{28, "TANH", 1, on_unary},
	{34, "PAD", 2, on_pad},
	{37, "BATCH_TO_SPACE_ND", 3, on_batch_to_space},
	{38, "SPACE_TO_BATCH_ND", 3, on_space_to_batch},
	{39, "TRANSPOSE", 2, on_transpose},
	{40, "MEAN", 2, on_mean},
	{41, "SUB", 2, on_binary},
	{42, "DIV", 2, on_binary},
	{43, "SQUEEZE", 1, on_squeeze},
	{45, "STRIDED_SLICE", 4, on_strided_slice},
	{47, "EXP", 1, on_unary},
	{49, "SPLIT", 2, on_split},
	{53, "CAST", 1, on_cast},
	{54, "PRELU", 2, on_prelu},
	{55, "MAXIMUM", 2, on_binary},
	{57, "MINIMUM", 2, on_binary},
	{59, "NEG", 1, on_unary},
	{60, "PADV2", 3, on_pad},
	{65, "SLICE", 3, on_slice},
	{70, "EXPAND_DIMS", 1, on_squeeze},
	{73, "LOG", 1, on_unary},
	{75, "SQRT", 1, on_unary},
	{76, "RSQRT", 1, on_unary},
	{92, "SQUARE", 1, on_unary},
	{97, "RESIZE_NEAREST_NEIGHBOR", 2, on_resize},
	{98, "LEAKY_RELU", 1, on_unary},
	{101, "ABS", 1, on_unary},
	{102, "SPLIT_V", 3, on_split},
	{111, "ELU", 1, on_unary},
	{114, "QUANTIZE", 1, on_cast},
	{117, "HARD_SWISH", 1, on_unary},
	{150, "GELU", 1, on_unary},
};

/* ---- the file ---------------------------------------------------------------------------------- */

static int read_indexes(struct tflite *t, size_t table, int field, bool optional, int *list, int *ret_n)
{
	struct flatbuffer_vector vector = flatbuffer_vector(&t->fb, table, field, 4);

	if (vector.count > IO_MAX)
		return refuse(t, -EFBIG, "has too many inputs or outputs");
	for (uint32_t i = 0; i < vector.count; i++) {
		int32_t index = flatbuffer_i32_at(&t->fb, &vector, i);

		if (index >= t->n_tensors || index < (optional ? -1 : 0))
			return refuse(t, -EINVAL, "names a tensor that does not exist");
		if (index >= 0 && t->tensors[index].value < 0)
			return refuse(t, -ENOTSUP, "uses a tensor of a type that is not computed with");
		list[i] = index;
	}
	*ret_n = (int)vector.count;
	return 0;
}

static bool reads_what_follows(const struct tflite *t)
{
	for (int i = 0; i < t->n_inputs; i++)
		if (has_input(t, i) && in_tensor(t, i)->follows)
			return true;
	return false;
}

/* The sides of a tensor; none are known where one of them is not. */
static void know_shape(struct tflite *t, struct tensor *out)
{
	const struct tensor *in = in_tensor(t, 0);

	out->n_known = in->rank;
	for (int i = 0; i < in->rank; i++) {
		out->known[i] = in->dims[i];
		if (in->dims[i] < 1)
			out->n_known = 0;
	}
}

/* One number or more of a list, side by side. */
static void know_slice(struct tflite *t, struct tensor *out)
{
	const struct tensor *in = in_tensor(t, 0);
	int32_t begin, end, step;

	if (!in->n_known || constant_ints(t, 1, 1, &begin) != 1 || constant_ints(t, 2, 1, &end) != 1 ||
	    constant_ints(t, 3, 1, &step) != 1 || step != 1 || begin < 0 || begin >= in->n_known)
		return;
	/* Masks: the begin or the end is left out, or one number is taken. */
	if (flatbuffer_i32(&t->fb, t->options, 0, 0))
		begin = 0;
	if (flatbuffer_i32(&t->fb, t->options, 1, 0))
		end = in->n_known;
	if (flatbuffer_i32(&t->fb, t->options, 4, 0))
		end = begin + 1;
	end = end < 0 ? end + in->n_known : end > in->n_known ? in->n_known : end;
	for (int32_t i = begin; i < end; i++)
		out->known[out->n_known++] = in->known[i];
}

/* Lists or single numbers, one after the other. */
static void know_joined(struct tflite *t, struct tensor *out)
{
	for (int i = 0; i < t->n_inputs; i++) {
		int32_t numbers[ENGINE_RANK_MAX];
		int n = has_input(t, i) && in_tensor(t, i)->follows ? in_tensor(t, i)->n_known
								    : constant_ints(t, i, ENGINE_RANK_MAX, numbers);

		if (n < 1 || out->n_known + n > ENGINE_RANK_MAX) {
			out->n_known = 0;
			return;
		}
		memcpy(out->known + out->n_known, in_tensor(t, i)->follows ? in_tensor(t, i)->known : numbers,
		       (size_t)n * sizeof(*numbers));
		out->n_known += n;
	}
}

/* Integers out of integers that follow from shapes follow, too; whatever the operator. */
static int follow(struct tflite *t)
{
	for (int i = 0; i < t->n_outputs; i++) {
		struct tensor *out = &t->tensors[t->outputs[i]];

		if (out->type != ENGINE_S32 && out->type != ENGINE_S64)
			return refuse(t, -ENOTSUP, "depends on a shape that is known only when it runs");
		out->follows = true;
		out->n_known = 0;
	}
	if (t->n_outputs != 1 || t->n_inputs < 1 || t->inputs[0] < 0)
		return 0;
	if (t->code == CODE_SHAPE)
		know_shape(t, &t->tensors[t->outputs[0]]);
	else if (t->code == CODE_STRIDED_SLICE && t->n_inputs == 4)
		know_slice(t, &t->tensors[t->outputs[0]]);
	else if (t->code == CODE_PACK || t->code == CODE_CONCATENATION)
		know_joined(t, &t->tensors[t->outputs[0]]);
	return 0;
}

static bool takes_blocks(int (*add)(struct tflite *t))
{
	return add == on_conv || add == on_depthwise || add == on_batch_to_space;
}

static const char *name_of(int code)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (operators[i].code == code)
			return operators[i].name;
	return "operator";
}

static int add_operator(struct tflite *t, size_t table)
{
	int64_t code_index = flatbuffer_i32(&t->fb, table, OPERATOR_CODE, 0), old, new;
	size_t code, i = 0;
	int r;

	t->op = "operator";
	if (code_index < 0 || code_index >= t->codes.count)
		return refuse(t, -EINVAL, "has no code");
	code = flatbuffer_table_at(&t->fb, &t->codes, (uint32_t)code_index);
	old = flatbuffer_i8(&t->fb, code, CODE_OLD, 0);
	new = flatbuffer_i32(&t->fb, code, CODE_NEW, 0);
	t->code = (int)(old > new ? old : new);
	t->op = name_of(t->code);
	t->options = flatbuffer_table(&t->fb, table, OPERATOR_OPTIONS);
	r = read_indexes(t, table, OPERATOR_INPUTS, true, t->inputs, &t->n_inputs);
	if (r == 0)
		r = read_indexes(t, table, OPERATOR_OUTPUTS, false, t->outputs, &t->n_outputs);
	if (r < 0)
		return r;
	if (t->code == CODE_SHAPE || (t->code != CODE_RESHAPE && reads_what_follows(t)))
		return follow(t);
	while (i < sizeof(operators) / sizeof(*operators) && operators[i].code != t->code)
		i++;
	if (i == sizeof(operators) / sizeof(*operators)) {
		struct flatbuffer_vector custom = flatbuffer_vector(&t->fb, code, CODE_CUSTOM, 1);

		if (t->code == 32 && custom.count)
			return graph_error(t->error, -ENOTSUP, "operator %d is the custom '%.*s', which is not known",
					   t->index, custom.count > 60 ? 60 : (int)custom.count,
					   (const char *)t->fb.data + custom.at);
		return graph_error(t->error, -ENOTSUP, "operator %d has code %d, which is not known", t->index,
				   t->code);
	}
	if (t->n_inputs < operators[i].n_inputs || t->n_outputs < 1 || t->inputs[0] < 0)
		return refuse(t, -EINVAL, "has too few inputs or outputs");
	for (int k = 0; k < t->n_inputs; k++)
		if (has_input(t, k) && in_tensor(t, k)->blocks.h &&
		    (k > 0 || !takes_blocks(operators[i].add) || t->tensors[t->outputs[0]].blocks.h))
			return refuse(t, -ENOTSUP, "works on the parts of an image");
	return operators[i].add(t);
}

static int read_file(struct tflite *t)
{
	size_t model = flatbuffer_root(&t->fb), subgraph;
	struct flatbuffer_vector subgraphs, list;
	int r;

	subgraphs = flatbuffer_vector(&t->fb, model, MODEL_SUBGRAPHS, 4);
	t->codes = flatbuffer_vector(&t->fb, model, MODEL_CODES, 4);
	t->buffers = flatbuffer_vector(&t->fb, model, MODEL_BUFFERS, 4);
	subgraph = flatbuffer_table_at(&t->fb, &subgraphs, 0);
	if (!subgraph)
		return graph_error(t->error, -EINVAL, "the file holds no network");
	r = read_tensors(t, subgraph);
	if (r == 0)
		r = read_io(t, subgraph, SUBGRAPH_INPUTS, true);
	if (r < 0)
		return r;
	list = flatbuffer_vector(&t->fb, subgraph, SUBGRAPH_OPERATORS, 4);
	if (list.count > NODES_MAX)
		return graph_error(t->error, -EFBIG, "the network has %u operators", list.count);
	for (uint32_t i = 0; i < list.count && r == 0; i++) {
		t->index = (int)i;
		r = add_operator(t, flatbuffer_table_at(&t->fb, &list, i));
	}
	return r < 0 ? r : read_io(t, subgraph, SUBGRAPH_OUTPUTS, false);
}

bool import_is_tflite(const uint8_t *data, size_t size)
{
	return size >= 8 && memcmp(data + 4, "TFL3", 4) == 0;
}

int import_tflite(const struct import_source *source, struct graph *graph, struct engine_error *ret_error)
{
	struct tflite *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	t->graph = graph;
	t->error = ret_error;
	t->fb = (struct flatbuffer){.data = source->data, .size = source->size};
	r = read_file(t);
	/* What a broken offset made of the network is not worth keeping, even where it happens to fit. */
	if (r == 0 && t->fb.broken)
		r = graph_error(ret_error, -EINVAL, "an offset leads out of the file");
	free(t->tensors);
	free(t);
	return r;
}
