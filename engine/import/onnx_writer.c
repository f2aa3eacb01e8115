/* onnx_writer.c - see onnx_writer.h.  Numbers of fields are onnx.proto's. */
#include "onnx_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_file.h"

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum { MODEL_VERSION = 1, MODEL_GRAPH = 7, MODEL_OPSET = 8, OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum {
	ATTRIBUTE_NAME = 1,
	ATTRIBUTE_F = 2,
	ATTRIBUTE_I = 3,
	ATTRIBUTE_S = 4,
	ATTRIBUTE_FLOATS = 7,
	ATTRIBUTE_INTS = 8,
	ATTRIBUTE_TYPE = 20
};
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_STRING = 3, TYPE_FLOATS = 6, TYPE_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum {
	INFO_NAME = 1,
	INFO_TYPE = 2,
	TYPE_TENSOR = 1,
	TENSOR_ELEMENT = 1,
	TENSOR_SHAPE = 2,
	SHAPE_DIM = 1,
	DIM_VALUE = 1
};

#define LENGTH_BYTES 10 /* of a length that is filled in later */
#define GRAPH_LENGTH 6	/* where that of the graph is: behind version, opset and its own tag */

static void put(struct onnx_writer *w, struct onnx_buffer *b, const void *data, size_t bytes)
{
	if (w->r < 0 || !bytes)
		return;
	if (bytes > b->cap - b->size) {
		size_t cap = 2 * (b->size + bytes) + 256;
		uint8_t *more = realloc(b->data, cap);

		if (!more) {
			w->r = -ENOMEM;
			return;
		}
		b->data = more;
		b->cap = cap;
	}
	memcpy(b->data + b->size, data, bytes);
	b->size += bytes;
}

static void put_varint(struct onnx_writer *w, struct onnx_buffer *b, uint64_t value)
{
	uint8_t bytes[10];
	size_t n = 0;

	do {
		bytes[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		value >>= 7;
	} while (value);
	put(w, b, bytes, n);
}

static void put_tag(struct onnx_writer *w, struct onnx_buffer *b, uint32_t field, uint32_t wire)
{
	put_varint(w, b, field << 3 | wire);
}

static void put_number(struct onnx_writer *w, struct onnx_buffer *b, uint32_t field, int64_t value)
{
	put_tag(w, b, field, WIRE_VARINT);
	put_varint(w, b, (uint64_t)value);
}

static void put_bytes(struct onnx_writer *w, struct onnx_buffer *b, uint32_t field, const void *data, size_t bytes)
{
	put_tag(w, b, field, WIRE_BYTES);
	put_varint(w, b, bytes);
	put(w, b, data, bytes);
}

static void put_text(struct onnx_writer *w, struct onnx_buffer *b, uint32_t field, const char *text)
{
	put_bytes(w, b, field, text, strlen(text));
}

void onnx_writer_init(struct onnx_writer *w, int opset)
{
	static const uint8_t later[LENGTH_BYTES];

	*w = (struct onnx_writer){0};
	put_number(w, &w->file, MODEL_VERSION, 7);
	put_tag(w, &w->file, MODEL_OPSET, WIRE_BYTES);
	put_varint(w, &w->file, 2);
	put_number(w, &w->file, OPSET_VERSION, opset);
	put_tag(w, &w->file, MODEL_GRAPH, WIRE_BYTES);
	put(w, &w->file, later, sizeof(later));
}

void onnx_writer_finish(struct onnx_writer *w)
{
	free(w->file.data);
	free(w->node.data);
	*w = (struct onnx_writer){0};
}

/* A length in all ten bytes that a varint may have. */
int onnx_writer_close(struct onnx_writer *w)
{
	size_t head = GRAPH_LENGTH + 1, length;

	if (w->r < 0)
		return w->r;
	length = w->file.size - head - LENGTH_BYTES;
	for (size_t i = 0; i < LENGTH_BYTES; i++, length >>= 7)
		w->file.data[head + i] = (uint8_t)((length & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
	return 0;
}

void onnx_write_input(struct onnx_writer *w, const char *name, int rank, const int64_t *dims)
{
	struct onnx_buffer shape = {0}, tensor = {0}, type = {0}, info = {0};

	for (int i = 0; i < rank; i++) {
		struct onnx_buffer dim = {0};

		put_number(w, &dim, DIM_VALUE, dims[i]);
		put_bytes(w, &shape, SHAPE_DIM, dim.data, dim.size);
		free(dim.data);
	}
	put_number(w, &tensor, TENSOR_ELEMENT, ONNX_FLOAT);
	put_bytes(w, &tensor, TENSOR_SHAPE, shape.data, shape.size);
	put_bytes(w, &type, TYPE_TENSOR, tensor.data, tensor.size);
	put_text(w, &info, INFO_NAME, name);
	put_bytes(w, &info, INFO_TYPE, type.data, type.size);
	put_bytes(w, &w->file, GRAPH_INPUT, info.data, info.size);
	free(shape.data);
	free(tensor.data);
	free(type.data);
	free(info.data);
}

void onnx_write_output(struct onnx_writer *w, const char *name)
{
	struct onnx_buffer info = {0};

	put_text(w, &info, INFO_NAME, name);
	put_bytes(w, &w->file, GRAPH_OUTPUT, info.data, info.size);
	free(info.data);
}

/* The head in a buffer of its own, the numbers, which may be many, straight into the file. */
static void write_tensor(struct onnx_writer *w, const char *name, int64_t type, int rank, const int64_t *dims,
			 const void *values, size_t bytes)
{
	struct onnx_buffer head = {0};

	for (int i = 0; i < rank; i++)
		put_number(w, &head, TENSOR_DIMS, dims[i]);
	put_number(w, &head, TENSOR_TYPE, type);
	put_text(w, &head, TENSOR_NAME, name);
	put_tag(w, &head, TENSOR_RAW, WIRE_BYTES);
	put_varint(w, &head, bytes);
	put_tag(w, &w->file, GRAPH_INITIALIZER, WIRE_BYTES);
	put_varint(w, &w->file, head.size + bytes);
	put(w, &w->file, head.data, head.size);
	put(w, &w->file, values, bytes);
	free(head.data);
}

void onnx_write_floats(struct onnx_writer *w, const char *name, int rank, const int64_t *dims, const void *values,
		       size_t count)
{
	write_tensor(w, name, ONNX_FLOAT, rank, dims, values, count * sizeof(float));
}

void onnx_write_integers(struct onnx_writer *w, const char *name, int n, const int64_t *values)
{
	write_tensor(w, name, ONNX_INT64, 1, (int64_t[]){n}, values, (size_t)n * sizeof(*values));
}

/* ---- nodes ------------------------------------------------------------------------------------- */

void onnx_open_node(struct onnx_writer *w, const char *name, const char *op, const char *domain)
{
	w->node.size = 0;
	put_text(w, &w->node, NODE_NAME, name);
	put_text(w, &w->node, NODE_OP, op);
	if (domain)
		put_text(w, &w->node, NODE_DOMAIN, domain);
}

void onnx_node_input(struct onnx_writer *w, const char *name)
{
	put_text(w, &w->node, NODE_INPUT, name);
}

void onnx_node_output(struct onnx_writer *w, const char *name)
{
	put_text(w, &w->node, NODE_OUTPUT, name);
}

static struct onnx_buffer begin_attribute(struct onnx_writer *w, const char *name, int64_t type)
{
	struct onnx_buffer b = {0};

	put_text(w, &b, ATTRIBUTE_NAME, name);
	put_number(w, &b, ATTRIBUTE_TYPE, type);
	return b;
}

static void end_attribute(struct onnx_writer *w, struct onnx_buffer *b)
{
	put_bytes(w, &w->node, NODE_ATTRIBUTE, b->data, b->size);
	free(b->data);
}

void onnx_node_integer(struct onnx_writer *w, const char *name, int64_t value)
{
	struct onnx_buffer b = begin_attribute(w, name, TYPE_INT);

	put_number(w, &b, ATTRIBUTE_I, value);
	end_attribute(w, &b);
}

void onnx_node_integers(struct onnx_writer *w, const char *name, int n, const int64_t *values)
{
	struct onnx_buffer b = begin_attribute(w, name, TYPE_INTS);

	for (int i = 0; i < n; i++)
		put_number(w, &b, ATTRIBUTE_INTS, values[i]);
	end_attribute(w, &b);
}

void onnx_node_number(struct onnx_writer *w, const char *name, float value)
{
	struct onnx_buffer b = begin_attribute(w, name, TYPE_FLOAT);

	put_tag(w, &b, ATTRIBUTE_F, WIRE_FIXED32);
	put(w, &b, &value, sizeof(value));
	end_attribute(w, &b);
}

void onnx_node_numbers(struct onnx_writer *w, const char *name, int n, const float *values)
{
	struct onnx_buffer b = begin_attribute(w, name, TYPE_FLOATS);

	for (int i = 0; i < n; i++) {
		put_tag(w, &b, ATTRIBUTE_FLOATS, WIRE_FIXED32);
		put(w, &b, &values[i], sizeof(values[i]));
	}
	end_attribute(w, &b);
}

void onnx_node_text(struct onnx_writer *w, const char *name, const char *value)
{
	struct onnx_buffer b = begin_attribute(w, name, TYPE_STRING);

	put_text(w, &b, ATTRIBUTE_S, value);
	end_attribute(w, &b);
}

void onnx_close_node(struct onnx_writer *w)
{
	put_bytes(w, &w->file, GRAPH_NODE, w->node.data, w->node.size);
}
