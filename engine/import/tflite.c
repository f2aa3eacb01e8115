/*
 * tflite.c - a TFLite file to a graph: its first subgraph, tensors in their own order (images are NHWC already).
 *
 * Numbers of tables, fields, types and operators are those of TensorFlow Lite's schema, version 3.
 */
#include "tflite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "../operators/operators.h"

#define TENSORS_MAX (GRAPH_VALUES_MAX / 8)
#define NODES_MAX   (GRAPH_NODES_MAX / 4)
#define MADE_BYTES  (1u << 20) /* constants made of constants may take this and four times the file */

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
enum { CODE_RESHAPE = 22, CODE_CUSTOM_OPERATOR = 32, CODE_SHAPE = 77, CODE_DENSIFY = 124 };
enum { OPERATOR_CODE = 0, OPERATOR_INPUTS = 1, OPERATOR_OUTPUTS = 2, OPERATOR_OPTIONS = 4, OPERATOR_CUSTOM = 5 };
enum { BUFFER_DATA = 0, BUFFER_OFFSET = 1, BUFFER_SIZE = 2 };

/* ---- tensors ----------------------------------------------------------------------------------- */

/* TensorType of the schema; -1 where tensors of the type are not computed with. */
static int type_of(int64_t type)
{
	static const int types[] = {ENGINE_F32, ENGINE_F16,  ENGINE_S32, ENGINE_U8, ENGINE_S64,
				    -1,		ENGINE_BOOL, ENGINE_S16, -1,	    ENGINE_S8};

	return type >= 0 && type < (int64_t)(sizeof(types) / sizeof(*types)) ? types[type] : -1;
}

static int read_shape(struct tflite *t, size_t table, struct tflite_tensor *tensor)
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
		else if (open.count == shape.count && flatbuffer_i32_at(&t->fb, &open, i) < 0)
			tensor->open_batch = true;
	}
	return 0;
}

static int read_quant(struct tflite *t, size_t table, const struct tflite_tensor *tensor)
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

/* The format aligns its buffers to 16 bytes; of a file that does not, or lies so in memory, elements are copied. */
static int borrow_or_copy(struct tflite *t, int value, const uint8_t *data, size_t bytes)
{
	void *copy;

	if ((uintptr_t)data % engine_type_size(t->graph->values[value].type) == 0)
		return graph_set_data(t->graph, value, data, bytes);
	if (bytes > t->made_max - t->made_bytes)
		return -EFBIG;
	copy = graph_alloc_data(t->graph, value, bytes);
	if (!copy)
		return -EINVAL;
	t->made_bytes += bytes;
	memcpy(copy, data, bytes);
	return 0;
}

/* A constant's bytes lie in the buffer table, or anywhere in the file for large files. */
static int read_data(struct tflite *t, size_t table, const struct tflite_tensor *tensor)
{
	int64_t index = flatbuffer_i32(&t->fb, table, TENSOR_BUFFER, 0);
	size_t buffer =
		index > 0 && index < t->buffers.count ? flatbuffer_table_at(&t->fb, &t->buffers, (uint32_t)index) : 0;
	struct flatbuffer_vector data = flatbuffer_vector(&t->fb, buffer, BUFFER_DATA, 1);
	uint64_t at = flatbuffer_u64(&t->fb, buffer, BUFFER_OFFSET, 0);
	uint64_t bytes = flatbuffer_u64(&t->fb, buffer, BUFFER_SIZE, 0);
	size_t sparsity = flatbuffer_table(&t->fb, table, TENSOR_SPARSITY);

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
	if (sparsity)
		return tflite_densify(t, sparsity, t->fb.data + at, (size_t)bytes, tensor->value);
	return borrow_or_copy(t, tensor->value, t->fb.data + at, (size_t)bytes);
}

static int read_tensor(struct tflite *t, int i, size_t table)
{
	struct tflite_tensor *tensor = &t->tensors[i];
	struct flatbuffer_vector name = flatbuffer_vector(&t->fb, table, TENSOR_NAME, 1);
	const char *text = name.count ? (const char *)t->fb.data + name.at : "";
	int length = name.count > 60 ? 60 : (int)name.count, r;

	tensor->depthwise = tensor->narrow = -1;
	tensor->type = type_of(flatbuffer_i8(&t->fb, table, TENSOR_TYPE, 0));
	r = read_shape(t, table, tensor);
	if (r < 0)
		return r;
	tensor->value = -1;
	if (tensor->type < 0)
		return 0;
	tensor->value = graph_add_value(t->graph, text, name.count < 1024 ? name.count : 1024,
					(enum engine_type)tensor->type, tensor->rank, tensor->dims);
	if (tensor->value < 0)
		return graph_error(t->error, tensor->value, "tensor '%.*s' cannot be", length, text);
	tensor->declared = tensor->value;
	r = read_quant(t, table, tensor);
	if (r < 0)
		return graph_error(t->error, r, "tensor '%.*s' has impossible quantisation", length, text);
	r = read_data(t, table, tensor);
	if (r < 0)
		return graph_error(t->error, r, "tensor '%.*s' does not fit its data", length, text);
	return 0;
}

static bool has_open_side(const struct tflite *t, const struct tflite_tensor *tensor)
{
	if (tensor->value >= 0 && tensor->value < t->cap_shapes && t->shapes[tensor->value].rank >= 0)
		return false;
	for (int i = 0; i < tensor->rank; i++)
		if (tensor->dims[i] < 0)
			return true;
	return false;
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
	if (r == 0 && tflite_make_room(t) < 0)
		return graph_error(t->error, -ENOMEM, "out of memory");
	for (int i = 0; i < t->n_tensors && r == 0; i++)
		if (t->tensors[i].value >= 0 && !has_open_side(t, &t->tensors[i]))
			tflite_set_shape(t, t->tensors[i].value, t->tensors[i].rank, t->tensors[i].dims);
	forget_shapes(t);
	return r;
}

/* The parts that the file means, where the value is the image they were cut from. */
static int cut_output(struct tflite *t, struct tflite_tensor *tensor)
{
	if (!WITH_general)
		return graph_error(t->error, -ENOTSUP,
				   "an output in parts needs the operator general, which " OPERATORS_LEFT_OUT);
	return tflite_cut(t, tensor) < 0 ? -ENOTSUP : 0;
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

		if (!inputs && index >= 0 && index < t->n_tensors && t->tensors[index].blocks.h &&
		    cut_output(t, &t->tensors[index]) < 0)
			return -ENOTSUP;
		if (index < 0 || index >= t->n_tensors || t->tensors[index].value < 0)
			return graph_error(t->error, -EINVAL, "%s %u of the network is no tensor that can be",
					   inputs ? "input" : "output", i);
		to[i] = t->tensors[index].value;
		value = &t->graph->values[to[i]];
		if (inputs && !value->data)
			memcpy(value->dims, t->tensors[index].dims, sizeof(value->dims));
		if (inputs && value->rank > 0 && value->dims[0] == GRAPH_DIM_UNKNOWN)
			value->dims[0] = 1;
		if (inputs && !value->data && t->asked) {
			memcpy(value->dims, t->asked[i].dims, sizeof(value->dims));
			tflite_set_shape(t, to[i], value->rank, value->dims);
		}
		if (inputs)
			value->open_axes = t->tensors[index].open_batch;
	}
	*(inputs ? &t->graph->n_inputs : &t->graph->n_outputs) = (int)list.count;
	return 0;
}

/* ---- the file ---------------------------------------------------------------------------------- */

static int read_indexes(struct tflite *t, size_t table, int field, bool optional, int *list, int *ret_n)
{
	struct flatbuffer_vector vector = flatbuffer_vector(&t->fb, table, field, 4);

	if (vector.count > TFLITE_IO_MAX)
		return tflite_refuse(t, -EFBIG, "has too many inputs or outputs");
	for (uint32_t i = 0; i < vector.count; i++) {
		int32_t index = flatbuffer_i32_at(&t->fb, &vector, i);

		if (index >= t->n_tensors || index < (optional ? -1 : 0))
			return tflite_refuse(t, -EINVAL, "names a tensor that does not exist");
		if (index >= 0 && t->tensors[index].value < 0 && t->tensors[index].narrow < 0)
			return tflite_refuse(t, -ENOTSUP, "uses a tensor of a type that is not computed with");
		list[i] = index;
	}
	*ret_n = (int)vector.count;
	return 0;
}

static bool reads_open(const struct tflite *t)
{
	for (int i = 0; i < t->n_inputs; i++)
		if (tflite_has_input(t, i) && tflite_input(t, i)->open)
			return true;
	return false;
}

/* Integers that depend on a side that the file leaves open: nobody may need them but a reshape, which has its own. */
static int leave_open(struct tflite *t)
{
	for (int i = 0; i < t->n_outputs; i++) {
		struct tflite_tensor *out = &t->tensors[t->outputs[i]];

		if (out->type != ENGINE_S32 && out->type != ENGINE_S64)
			return tflite_refuse(t, -ENOTSUP, "depends on a shape that is known only when it runs");
		out->open = true;
	}
	return 0;
}

/* Shapes of the nodes from number `from` on at the file's own size, where that is known. */
static int infer_nodes(struct tflite *t, int from)
{
	int r = tflite_make_room(t);

	if (r < 0)
		return tflite_result(t, r);
	for (int i = from; i < t->graph->n_nodes && r == 0; i++) {
		const struct graph_node *node = &t->graph->nodes[i];
		bool known = node->op != GRAPH_GENERAL;

		for (int k = 0; k < node->n_inputs; k++)
			known &= node->inputs[k] < 0 || t->shapes[node->inputs[k]].rank >= 0;
		if (known)
			r = graph_infer_node(t->graph, i, t->shapes, t->error);
	}
	return r;
}

static bool on_constants(const struct tflite *t)
{
	for (int i = 0; i < t->n_inputs; i++)
		if (tflite_has_input(t, i) && tflite_input(t, i)->narrow < 0 &&
		    !t->graph->values[tflite_input(t, i)->value].data)
			return false;
	return true;
}

/* A dense convolution takes an image that is cut into parts as a whole, and so does what joins it. */
static bool works_on_parts(const struct tflite *t, const struct tflite_operator *own)
{
	for (int k = 0; k < t->n_inputs; k++)
		if (tflite_has_input(t, k) && tflite_input(t, k)->blocks.h &&
		    (k > 0 || !own->takes_blocks || t->tensors[t->outputs[0]].blocks.h))
			return true;
	return false;
}

/* Where the graph's own operators fit they are fast; a general one takes what is left. */
static int add_by_kind(struct tflite *t, const struct tflite_operator *own, const char *custom, size_t custom_bytes)
{
	int before = t->graph->n_nodes, r = -ENOTSUP;

	if (own && (t->n_inputs < own->n_inputs || t->n_outputs < 1 || t->inputs[0] < 0))
		return tflite_refuse(t, -EINVAL, "has too few inputs or outputs");
	if (own && !own->add && !(WITH_general && tflite_general_name(t->code)))
		return tflite_refuse(t, -ENOTSUP, OPERATORS_LEFT_OUT);
	if (own && own->add && !works_on_parts(t, own) && !(on_constants(t) && tflite_general_name(t->code))) {
		r = own->add(t);
		if (r == 0)
			r = infer_nodes(t, before);
	}
	if (r != -ENOTSUP)
		return r;
	if (own && WITH_general && !tflite_general_name(t->code))
		return r;
	while (t->graph->n_nodes > before)
		graph_drop_last_node(t->graph);
	for (int k = 0; k < t->n_outputs; k++)
		t->tensors[t->outputs[k]].blocks = (struct tflite_blocks){0};
	for (int k = 0; k < t->n_inputs; k++) {
		r = WITH_general && tflite_has_input(t, k) && tflite_input(t, k)->blocks.h
			    ? tflite_cut(t, &t->tensors[t->inputs[k]])
			    : 0;
		if (r < 0)
			return r;
	}
	return tflite_general(t, custom, custom_bytes);
}

static int add_operator(struct tflite *t, size_t table)
{
	int64_t code_index = flatbuffer_i32(&t->fb, table, OPERATOR_CODE, 0), old, new;
	const struct tflite_operator *own;
	struct flatbuffer_vector custom;
	size_t code;
	int r;

	t->op = "operator";
	if (code_index < 0 || code_index >= t->codes.count)
		return tflite_refuse(t, -EINVAL, "has no code");
	code = flatbuffer_table_at(&t->fb, &t->codes, (uint32_t)code_index);
	old = flatbuffer_i8(&t->fb, code, CODE_OLD, 0);
	new = flatbuffer_i32(&t->fb, code, CODE_NEW, 0);
	t->code = (int)(old > new ? old : new);
	own = tflite_operator(t->code);
	t->op = own ? own->name : tflite_general_name(t->code) ? tflite_general_name(t->code) : "operator";
	t->options = flatbuffer_table(&t->fb, table, OPERATOR_OPTIONS);
	t->custom_options = flatbuffer_vector(&t->fb, table, OPERATOR_CUSTOM, 1);
	r = read_indexes(t, table, OPERATOR_INPUTS, true, t->inputs, &t->n_inputs);
	if (r == 0)
		r = read_indexes(t, table, OPERATOR_OUTPUTS, false, t->outputs, &t->n_outputs);
	if (r < 0)
		return r;
	if ((t->code == CODE_SHAPE && t->n_inputs == 1 && tflite_has_input(t, 0) &&
	     has_open_side(t, tflite_input(t, 0))) ||
	    (t->code != CODE_RESHAPE && reads_open(t)))
		return leave_open(t);
	/* Sparse constants are dense already. */
	if (t->code == CODE_DENSIFY && t->n_inputs == 1 && t->n_outputs == 1 && tflite_has_input(t, 0)) {
		t->tensors[t->outputs[0]] = *tflite_input(t, 0);
		return 0;
	}
	custom = t->code == CODE_CUSTOM_OPERATOR ? flatbuffer_vector(&t->fb, code, CODE_CUSTOM, 1)
						 : (struct flatbuffer_vector){0};
	return add_by_kind(t, own, (const char *)t->fb.data + custom.at, custom.count);
}

/* Tensors, inputs, and the graph's table; 0 or an error. */
static int read_inputs(struct tflite *t, size_t *ret_subgraph)
{
	size_t model = flatbuffer_root(&t->fb), subgraph;
	struct flatbuffer_vector subgraphs;
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
	if (r == 0)
		*ret_subgraph = subgraph;
	return r;
}

static int read_file(struct tflite *t)
{
	struct flatbuffer_vector list;
	size_t subgraph = 0;
	int r = read_inputs(t, &subgraph);

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

static bool has_open_input(const struct graph *graph)
{
	for (int i = 0; i < graph->n_inputs; i++) {
		const struct graph_value *input = &graph->values[graph->inputs[i]];

		for (int k = 0; k < input->rank; k++)
			if (input->dims[k] == GRAPH_DIM_UNKNOWN)
				return true;
	}
	return false;
}

/* The inputs and outputs alone, of a network whose nodes need lengths that are open. */
static int read_interface(struct tflite *t)
{
	size_t subgraph = 0;
	int r;

	graph_finish(t->graph);
	graph_init(t->graph);
	free(t->shapes);
	free(t->tensors);
	t->shapes = NULL;
	t->tensors = NULL;
	t->cap_shapes = t->n_tensors = 0;
	t->graph->unread = true;
	r = read_inputs(t, &subgraph);
	for (int i = 0; r == 0 && i < t->graph->n_inputs; i++) {
		struct graph_value *input = &t->graph->values[t->graph->inputs[i]];

		for (int k = 0; k < input->rank; k++)
			if (input->dims[k] == GRAPH_DIM_UNKNOWN)
				input->open_axes |= 1u << k;
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
	t->asked = source->shapes;
	t->made_max = 4 * source->size + MADE_BYTES;
	r = read_file(t);
	if (r == -ENOTSUP && !t->asked && has_open_input(graph))
		r = read_interface(t);
	/* What a broken offset made of the network is not worth keeping, even where it happens to fit. */
	if (r == 0 && t->fb.broken)
		r = graph_error(ret_error, -EINVAL, "an offset leads out of the file");
	free(t->shapes);
	free(t->tensors);
	free(t);
	return r;
}
