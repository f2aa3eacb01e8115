/*
 * protobuf_builder.h - writes protocol buffer messages for tests, and the parts of ONNX files made of them.
 */
#ifndef INFERD_TESTS_PROTOBUF_BUILDER_H
#define INFERD_TESTS_PROTOBUF_BUILDER_H

#include <stddef.h>
#include <stdint.h>

struct message {
	uint8_t data[1 << 15];
	size_t size;
};

void message_varint(struct message *message, uint32_t field, uint64_t value);
void message_f32(struct message *message, uint32_t field, float value);
void message_bytes(struct message *message, uint32_t field, const void *data, size_t size);
void message_text(struct message *message, uint32_t field, const char *text);
void message_add(struct message *message, uint32_t field, const struct message *inner);

/*
 * An ONNX graph: float inputs and outputs, constants and nodes, in any order.  Names of a node's inputs and outputs are
 * separated by spaces; "-" is left out.
 */
void onnx_input(struct message *graph, const char *name, int rank, const int64_t *dims);
void onnx_output(struct message *graph, const char *name);
void onnx_floats(struct message *graph, const char *name, int rank, const int64_t *dims, const float *values);
/* Floats in another file; length NULL: not said. */
void onnx_external(struct message *graph, const char *name, int n, const char *location, const char *offset,
		   const char *length);
void onnx_integers(struct message *graph, const char *name, int n, const int64_t *values);
/* Of a type of onnx_file.h: 8-bit ones, int32 ... */
void onnx_typed(struct message *graph, const char *name, int64_t type, int rank, const int64_t *dims,
		const int64_t *values);
/* The same as the bytes of the file's own order, in which exporters write large ones. */
void onnx_raw(struct message *graph, const char *name, int64_t type, int rank, const int64_t *dims, const void *data,
	      size_t bytes);
/* The last node is closed by the next one, or by onnx_file(); attributes belong to the open one. */
struct message *onnx_node(struct message *graph, const char *op, const char *inputs, const char *outputs);
void onnx_attribute_integer(struct message *node, const char *name, int64_t value);
void onnx_attribute_integers(struct message *node, const char *name, int n, const int64_t *values);
void onnx_attribute_float(struct message *node, const char *name, float value);
/* A tensor of n floats in another file. */
void onnx_attribute_external(struct message *node, const char *name, int n, const char *location);
void onnx_attribute_text(struct message *node, const char *name, const char *value);
/* The open node's domain, which is the standard one otherwise. */
void onnx_domain(struct message *node, const char *domain);
/* The whole file. */
void onnx_file(struct message *file, struct message *graph, int64_t opset);

#endif
