/*
 * onnx_writer.h - private to the importers: a network written as an ONNX file in memory, for the ONNX reader.
 *
 * Formats whose layers have ONNX's definitions come in this way, and share its shape inference, its fast paths and its
 * general operators.  The first failure is kept; calls after it do nothing.
 */
#ifndef INFERD_ONNX_WRITER_H
#define INFERD_ONNX_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct onnx_buffer {
	uint8_t *data;
	size_t size, cap;
};

struct onnx_writer {
	struct onnx_buffer file, node; /* node: the open one */
	int r;			       /* 0 or -ENOMEM */
};

void onnx_writer_init(struct onnx_writer *writer, int opset);
void onnx_writer_finish(struct onnx_writer *writer);
/* Closes the file: writer->file is whole then. */
int onnx_writer_close(struct onnx_writer *writer);

void onnx_write_input(struct onnx_writer *writer, const char *name, int rank, const int64_t *dims);
void onnx_write_output(struct onnx_writer *writer, const char *name);
/* A constant of floats (little-endian bytes, not aligned) or of integers. */
void onnx_write_floats(struct onnx_writer *writer, const char *name, int rank, const int64_t *dims, const void *values,
		       size_t count);
void onnx_write_integers(struct onnx_writer *writer, const char *name, int n, const int64_t *values);

/* A node: open, then inputs ("" is left out), outputs and attributes, then close. */
void onnx_open_node(struct onnx_writer *writer, const char *name, const char *op, const char *domain);
void onnx_node_input(struct onnx_writer *writer, const char *name);
void onnx_node_output(struct onnx_writer *writer, const char *name);
void onnx_node_integer(struct onnx_writer *writer, const char *name, int64_t value);
void onnx_node_integers(struct onnx_writer *writer, const char *name, int n, const int64_t *values);
void onnx_node_number(struct onnx_writer *writer, const char *name, float value);
void onnx_node_numbers(struct onnx_writer *writer, const char *name, int n, const float *values);
void onnx_node_text(struct onnx_writer *writer, const char *name, const char *value);
void onnx_close_node(struct onnx_writer *writer);

#endif
