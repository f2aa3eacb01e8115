/* protobuf_builder.c - see protobuf_builder.h. */
#include "protobuf_builder.h"

#include <criterion/criterion.h>
#include <string.h>

static void put(struct message *message, const void *data, size_t size)
{
	cr_assert_leq(message->size + size, sizeof(message->data));
	memcpy(message->data + message->size, data, size);
	message->size += size;
}

static void put_varint(struct message *message, uint64_t value)
{
	do {
		uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

		put(message, &byte, 1);
		value >>= 7;
	} while (value);
}

void message_varint(struct message *message, uint32_t field, uint64_t value)
{
	put_varint(message, field << 3);
	put_varint(message, value);
}

void message_f32(struct message *message, uint32_t field, float value)
{
	put_varint(message, field << 3 | 5);
	put(message, &value, sizeof(value));
}

void message_bytes(struct message *message, uint32_t field, const void *data, size_t size)
{
	put_varint(message, field << 3 | 2);
	put_varint(message, size);
	put(message, data, size);
}

void message_text(struct message *message, uint32_t field, const char *text)
{
	message_bytes(message, field, text, strlen(text));
}

void message_add(struct message *message, uint32_t field, const struct message *inner)
{
	message_bytes(message, field, inner->data, inner->size);
}

/* ---- ONNX -------------------------------------------------------------------------------------- */

static struct message node; /* the open one */

static void close_node(struct message *graph)
{
	if (node.size)
		message_add(graph, 1, &node);
	node.size = 0;
}

static void add_value_info(struct message *graph, uint32_t field, const char *name, int rank, const int64_t *dims)
{
	static struct message dim, shape, tensor, type, info;

	shape.size = tensor.size = type.size = info.size = 0;
	for (int i = 0; i < rank; i++) {
		dim.size = 0;
		if (dims[i] > 0)
			message_varint(&dim, 1, (uint64_t)dims[i]);
		else
			message_text(&dim, 2, "any");
		message_add(&shape, 1, &dim);
	}
	message_varint(&tensor, 1, 1);
	if (rank)
		message_add(&tensor, 2, &shape);
	message_add(&type, 1, &tensor);
	message_text(&info, 1, name);
	message_add(&info, 2, &type);
	message_add(graph, field, &info);
}

void onnx_input(struct message *graph, const char *name, int rank, const int64_t *dims)
{
	add_value_info(graph, 11, name, rank, dims);
}

void onnx_output(struct message *graph, const char *name)
{
	add_value_info(graph, 12, name, 0, NULL);
}

void onnx_floats(struct message *graph, const char *name, int rank, const int64_t *dims, const float *values)
{
	static struct message tensor;
	size_t count = 1;

	tensor.size = 0;
	for (int i = 0; i < rank; i++) {
		message_varint(&tensor, 1, (uint64_t)dims[i]);
		count *= (size_t)dims[i];
	}
	message_varint(&tensor, 2, 1);
	message_text(&tensor, 8, name);
	message_bytes(&tensor, 9, values, count * sizeof(*values));
	message_add(graph, 5, &tensor);
}

static void add_entry(struct message *tensor, const char *key, const char *value)
{
	static struct message entry;

	entry.size = 0;
	message_text(&entry, 1, key);
	message_text(&entry, 2, value);
	message_add(tensor, 13, &entry);
}

static void make_external(struct message *tensor, int n, const char *location, const char *offset, const char *length)
{
	tensor->size = 0;
	message_varint(tensor, 1, (uint64_t)n);
	message_varint(tensor, 2, 1);
	add_entry(tensor, "location", location);
	if (offset)
		add_entry(tensor, "offset", offset);
	if (length)
		add_entry(tensor, "length", length);
	message_varint(tensor, 14, 1);
}

void onnx_external(struct message *graph, const char *name, int n, const char *location, const char *offset,
		   const char *length)
{
	static struct message tensor;

	make_external(&tensor, n, location, offset, length);
	message_text(&tensor, 8, name);
	message_add(graph, 5, &tensor);
}

void onnx_integers(struct message *graph, const char *name, int n, const int64_t *values)
{
	static struct message tensor, packed;

	tensor.size = packed.size = 0;
	message_varint(&tensor, 1, (uint64_t)n);
	message_varint(&tensor, 2, 7);
	message_text(&tensor, 8, name);
	for (int i = 0; i < n; i++)
		put_varint(&packed, (uint64_t)values[i]);
	message_add(&tensor, 7, &packed);
	message_add(graph, 5, &tensor);
}

void onnx_typed(struct message *graph, const char *name, int64_t type, int rank, const int64_t *dims,
		const int64_t *values)
{
	static struct message tensor, packed;
	int64_t count = 1;

	tensor.size = packed.size = 0;
	for (int i = 0; i < rank; i++) {
		message_varint(&tensor, 1, (uint64_t)dims[i]);
		count *= dims[i];
	}
	message_varint(&tensor, 2, (uint64_t)type);
	message_text(&tensor, 8, name);
	for (int64_t i = 0; i < count; i++)
		put_varint(&packed, (uint64_t)values[i]);
	message_add(&tensor, 5, &packed);
	message_add(graph, 5, &tensor);
}

void onnx_raw(struct message *graph, const char *name, int64_t type, int rank, const int64_t *dims, const void *data,
	      size_t bytes)
{
	static struct message tensor;

	tensor.size = 0;
	for (int i = 0; i < rank; i++)
		message_varint(&tensor, 1, (uint64_t)dims[i]);
	message_varint(&tensor, 2, (uint64_t)type);
	message_text(&tensor, 8, name);
	message_bytes(&tensor, 9, data, bytes);
	message_add(graph, 5, &tensor);
}

void onnx_domain(struct message *to, const char *domain)
{
	message_text(to, 7, domain);
}

static void add_names(uint32_t field, const char *names)
{
	while (*names) {
		size_t length = strcspn(names, " ");

		message_bytes(&node, field, names, *names == '-' ? 0 : length);
		names += length + (names[length] == ' ');
	}
}

struct message *onnx_node(struct message *graph, const char *op, const char *inputs, const char *outputs)
{
	close_node(graph);
	add_names(1, inputs);
	add_names(2, outputs);
	message_text(&node, 3, outputs);
	message_text(&node, 4, op);
	return &node;
}

static struct message attribute;

void onnx_attribute_integer(struct message *to, const char *name, int64_t value)
{
	attribute.size = 0;
	message_text(&attribute, 1, name);
	message_varint(&attribute, 3, (uint64_t)value);
	message_add(to, 5, &attribute);
}

void onnx_attribute_integers(struct message *to, const char *name, int n, const int64_t *values)
{
	attribute.size = 0;
	message_text(&attribute, 1, name);
	for (int i = 0; i < n; i++)
		message_varint(&attribute, 8, (uint64_t)values[i]);
	message_add(to, 5, &attribute);
}

void onnx_attribute_float(struct message *to, const char *name, float value)
{
	attribute.size = 0;
	message_text(&attribute, 1, name);
	message_f32(&attribute, 2, value);
	message_add(to, 5, &attribute);
}

void onnx_attribute_external(struct message *to, const char *name, int n, const char *location)
{
	static struct message tensor;

	make_external(&tensor, n, location, NULL, NULL);
	attribute.size = 0;
	message_text(&attribute, 1, name);
	message_add(&attribute, 5, &tensor);
	message_add(to, 5, &attribute);
}

void onnx_attribute_text(struct message *to, const char *name, const char *value)
{
	attribute.size = 0;
	message_text(&attribute, 1, name);
	message_text(&attribute, 4, value);
	message_add(to, 5, &attribute);
}

void onnx_file(struct message *file, struct message *graph, int64_t opset)
{
	static struct message operators;

	close_node(graph);
	file->size = operators.size = 0;
	message_varint(file, 1, 7);
	message_varint(&operators, 2, (uint64_t)opset);
	message_add(file, 8, &operators);
	message_add(file, 7, graph);
}
