/*
 * onnx_file.h - what is in an ONNX file: messages, attributes and tensors (onnx.proto, IR version 3 and later).
 *
 * Reads; what operators mean is onnx.c's.  Everything is borrowed from the file's bytes.
 */
#ifndef INFERD_ONNX_FILE_H
#define INFERD_ONNX_FILE_H

#include "../graph.h"
#include "protobuf.h"

#define ONNX_NAME_BYTES 48 /* of an operator's or attribute's name, compared as text */
#define ONNX_LIST_MAX	64 /* numbers of an attribute that is a list */

/* TensorProto.DataType. */
enum onnx_type {
	ONNX_FLOAT = 1,
	ONNX_UINT8 = 2,
	ONNX_INT8 = 3,
	ONNX_UINT16 = 4,
	ONNX_INT16 = 5,
	ONNX_INT32 = 6,
	ONNX_INT64 = 7,
	ONNX_BOOL = 9,
	ONNX_FLOAT16 = 10,
	ONNX_DOUBLE = 11,
	ONNX_UINT32 = 12,
	ONNX_UINT64 = 13
};

struct onnx_tensor {
	struct protobuf_bytes message, name, raw;
	int64_t type;
	int rank;
	int32_t dims[ENGINE_RANK_MAX];
	size_t count;  /* elements */
	bool external; /* its data is `length` bytes (0: all) from `offset` of the file `location`, beside this one */
	struct protobuf_bytes location;
	uint64_t offset, length;
};

struct onnx_attribute {
	struct protobuf_bytes text, tensor; /* data NULL: not that kind */
	float number;
	int64_t integer;
	int n_floats, n_integers;
	float floats[ONNX_LIST_MAX];
	int64_t integers[ONNX_LIST_MAX];
};

struct onnx_value_info {
	struct protobuf_bytes name;
	int64_t type;
	int rank;		       /* -1: not said */
	int32_t dims[ENGINE_RANK_MAX]; /* GRAPH_DIM_UNKNOWN: a name or nothing */
};

/* 0, -EINVAL or -ENOTSUP with a sentence. */
int onnx_read_tensor(struct protobuf_bytes message, struct onnx_tensor *ret, struct engine_error *ret_error);
int onnx_read_value_info(struct protobuf_bytes message, struct onnx_value_info *ret, struct engine_error *ret_error);

/* Bytes of an element as raw data; 0 for a type that is not computed with. */
size_t onnx_element_size(int64_t type);

/* Copies all elements: numbers of any type as float; integers as int64. */
int onnx_copy_floats(const struct onnx_tensor *tensor, float *out);
int onnx_copy_integers(const struct onnx_tensor *tensor, int64_t *out);

/* The attribute of a node, or false.  One that is malformed is not there, and *ret_malformed is set. */
bool onnx_attribute(struct protobuf_bytes node, const char *name, struct onnx_attribute *ret, bool *ret_malformed);

/* All of them but graphs and tensors, for a general operator.  0, -EINVAL, -EFBIG or -ENOMEM. */
int onnx_copy_attributes(struct protobuf_bytes node, struct engine_attributes *attributes);

/* The type of the graph that holds a tensor of the file's type: float32 for all real numbers; -1: none does. */
int onnx_engine_type(int64_t type);
bool onnx_is_real(int64_t type);

bool onnx_is(struct protobuf_bytes bytes, const char *text);

#endif
