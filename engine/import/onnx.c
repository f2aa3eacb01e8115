/*
 * onnx.c - an ONNX file to a graph, opsets 7 to 21.
 *
 * ONNX orders images N x C x H x W, the graph N x H x W x C.  A tensor of the file may exist in either order, or, made
 * by transposition when somebody asks for it, in both: what works on pixels asks for images, elementwise operators take
 * what there is, and what depends on the order of the file asks for that.
 */
#include "onnx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TENSORS_MAX  (GRAPH_VALUES_MAX / 8)
#define FOLDED_BYTES (1u << 20) /* constants computed from constants may take this and twice the file */
#define OPSET_MIN    1
#define OPSET_MAX    21

/* Fields of the messages. */
enum { MODEL_GRAPH = 7, MODEL_OPSET = 8, OPSET_DOMAIN = 1, OPSET_VERSION = 2 };

static int add_initializer(struct onnx *o, struct protobuf_bytes message)
{
	struct onnx_tensor tensor;
	bool is_new;
	int r = onnx_bring_tensor(o, message, &tensor), t;

	if (r < 0)
		return r;
	t = onnx_tensor_of(o, tensor.name, &is_new);
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
	t = onnx_tensor_of(o, info.name, &is_new);
	if (t < -1)
		return t;
	if (t >= 0 && !is_new) /* older files list their constants among the inputs */
		return o->tensors[t].is_constant ? 0 : graph_error(o->error, -EINVAL, "an input comes twice");
	type = onnx_engine_type(info.type);
	if (t < 0 || info.rank < 0 || type < 0 || o->graph->n_inputs == ENGINE_IO_MAX)
		return graph_error(o->error, -ENOTSUP, "input '%.*s' is no tensor of numbers of a known shape",
				   onnx_clip_length(info.name), (const char *)info.name.data);
	image = info.rank == 4 && type == ENGINE_F32;
	/* Some exporters write 0 for a batch of any size. */
	if (image && info.dims[0] == 0)
		info.dims[0] = GRAPH_DIM_UNKNOWN;
	memcpy(dims, info.dims, sizeof(dims));
	if (image)
		memcpy(dims, (int32_t[]){info.dims[0], info.dims[2], info.dims[3], info.dims[1]}, 4 * sizeof(*dims));
	open_axes = open_input(o, o->graph->n_inputs, info.rank, dims);
	v = onnx_add_value(o, (enum engine_type)type, info.rank, dims);
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
	index = onnx_tensor_of(o, info.name, &is_new);
	if (index < -1)
		return index;
	t = index < 0 ? NULL : &o->tensors[index];
	if (t && t->is_constant && t->file < 0 && onnx_as_file(o, t) < 0)
		return -EINVAL;
	if (!t || (t->file < 0 && t->image < 0) || o->graph->n_outputs == ENGINE_IO_MAX)
		return graph_error(o->error, -ENOTSUP, "output '%.*s' is no tensor that is computed",
				   onnx_clip_length(info.name), (const char *)info.name.data);
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
		return graph_error(o->error, -ENOTSUP, "output '%.*s' is no tensor of numbers",
				   onnx_clip_length(info.name), (const char *)info.name.data);
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
		r = n++ == ONNX_NODES_MAX ? graph_error(o->error, -EFBIG, "the network is too large")
					  : add(o, field.bytes);
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
	o->tensors = calloc((size_t)o->cap_tensors + ONNX_SPARE_TENSORS, sizeof(*o->tensors));
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
		r = onnx_find_raw(o, graph);
	if (r == 0)
		r = for_each(o, graph, GRAPH_FIELD_NODE, onnx_add_node);
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
