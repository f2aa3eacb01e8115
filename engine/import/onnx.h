/*
 * onnx.h - private to onnx*.c: a file while it is read, and what its parts offer each other.
 *
 * Functions that return an int give a value, a count or 0, or a negative errno after ret_error was told why; -ENOTSUP
 * of an operator that is the graph's own leaves the node to a general one.
 */
#ifndef INFERD_ONNX_H
#define INFERD_ONNX_H

#include "import.h"
#include "names.h"
#include "onnx_file.h"

#define ONNX_NODES_MAX	   (GRAPH_NODES_MAX / 4)
#define ONNX_IO_MAX	   256 /* inputs or outputs of one node */
#define ONNX_INTEGERS_MAX  64  /* of a tensor that is computed with here */
#define ONNX_SPARE_TENSORS 32  /* of a node that is taken apart; behind those of the file */

/* Fields of the messages of a graph and a node. */
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
	int grouped;	  /* beside `file`: an image with channels on two axes, [n][h][w][group][channel]; -1 none */
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
	int inputs[ONNX_IO_MAX], outputs[ONNX_IO_MAX]; /* tensors; -1: left out */
	int n_inputs, n_outputs;
	bool malformed; /* an attribute of it is */
};

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

/* ---- onnx_graph.c ---------------------------------------------------------------------------- */

/* Bytes of a name that go into a message. */
int onnx_clip_length(struct protobuf_bytes bytes);
/* Tells why the current node is refused, and returns the code. */
int onnx_refuse(const struct onnx *o, int code, const char *why);
/* What is no error, or an error that is told now. */
int onnx_result(const struct onnx *o, int r);
/* Attributes of the current node. */
int64_t onnx_integer_of(struct onnx *o, const char *name, int64_t otherwise);
float onnx_number_of(struct onnx *o, const char *name, float otherwise);

/* How many there are; 0 also when the attribute is not there. */
int onnx_integers_of(struct onnx *o, const char *name, int max, int64_t *ret);
bool onnx_text_is(struct onnx *o, const char *name, const char *text, bool otherwise);

/* A value whose shape is known. */
int onnx_add_value(struct onnx *o, enum engine_type type, int rank, const int32_t *dims);
/* Of ONNX's own domain. */
bool onnx_is_standard(const struct onnx *o);

/* Operators that only move or pick what they are given: quantised tensors stay so. */
bool onnx_moves(const struct onnx *o);
bool onnx_is_quantised(const struct graph_value *value);

/* What only moves a quantised tensor makes one of the same scale. */
int onnx_keep_quant(struct onnx *o, int from, int to);

/* A node with one output of its first input's type, whose attributes are the caller's to set before onnx_finish_node().
 */
int onnx_begin_node(struct onnx *o, enum graph_op op, const int *inputs, int n_inputs, struct graph_node **ret_node);

/* Infers its shape; the value, or an error that is told already. */
int onnx_finish_node(struct onnx *o, int value);
int onnx_add_transpose(struct onnx *o, int x, const int32_t order[4]);
int onnx_add_reshape(struct onnx *o, int x, int rank, const int32_t *dims);
/* Makes a value the current node's output i. */
int onnx_set_output(struct onnx *o, int i, int value, bool is_image);

/* The shape of a tensor as the file sees it. */
bool onnx_file_shape(const struct onnx *o, const struct tensor *t, struct graph_shape *ret);

/* An axis of the file, which may count from the end, as one of the value; -1: there is no such axis. */
int onnx_axis_of(int64_t axis, int rank, bool is_image);
bool onnx_tensor_is_real(const struct onnx *o, const struct tensor *t);

/* ---- onnx_tensors.c -------------------------------------------------------------------------- */

/* Input i of the current node; NULL: left out. */
struct tensor *onnx_input_of(struct onnx *o, int i);
bool onnx_has_input(const struct onnx *o, int i);

/* Constant floats of this shape, zeroed, for the caller to fill. */
int onnx_add_floats(struct onnx *o, int rank, const int32_t *dims, float **ret_data);

/* A constant as floats, which the caller frees; NULL after it was told why not. */
float *onnx_read_floats(struct onnx *o, const struct tensor *t);
/*
 * Weights [O]... as a value of these dims that stays in the file, in its order and type: one of graph_value.filed.
 * False: they have to be copied.
 */
bool onnx_borrow_weights(struct onnx *o, const struct tensor *t, int rank, const int32_t *dims, int *ret_value);

/* The scales and zero points of a dequantised constant or of a node, each of `n`; the caller frees both. */
int onnx_read_scales(struct onnx *o, const struct tensor *scale, const struct tensor *zero, size_t n,
		     float **ret_scales, int64_t **ret_zeros);

/*
 * A float constant remembers the scales that it is a multiple of, so that a pass can make integers of it again: one
 * scale, or one for each index of this axis of the file (-1: none is), which is the value's first.
 */
int onnx_note_quant(struct onnx *o, const struct tensor *t, int value, int axis);

/* A constant as a value, in the order of the file or, where that has a meaning, of images. */
int onnx_add_constant(struct onnx *o, const struct tensor *t, bool as_image);

/* The value of a tensor in the order of the file. */
int onnx_as_file(struct onnx *o, struct tensor *t);
int onnx_as_image(struct onnx *o, struct tensor *t);

/* What there is. */
int onnx_as_any(struct onnx *o, struct tensor *t, bool *ret_image);

/* Integers of an attribute or, in later opsets, of an input. */
int onnx_list_of(struct onnx *o, const char *attribute, int i, int max, int64_t *ret);

/* Makes a tensor (NULL: none) a constant whose data the caller fills; its value, or an error that is told. */
int onnx_make_constant(struct onnx *o, struct tensor *t, enum engine_type type, int rank, const int32_t *dims,
		       struct engine_tensor *ret_tensor);

/* The same for output i of the node. */
int onnx_set_constant(struct onnx *o, int i, enum engine_type type, int rank, const int32_t *dims,
		      struct engine_tensor *ret_tensor);

/* ---- onnx_external.c ------------------------------------------------------------------------- */

/* Reads a tensor; data in another file is as if it were here. */
int onnx_bring_tensor(struct onnx *o, struct protobuf_bytes message, struct onnx_tensor *ret);

/* ---- onnx_general.c -------------------------------------------------------------------------- */

/* Adds the current node as one of this operator, or computes it where its inputs are known. */
int onnx_on_general(struct onnx *o, const struct engine_operator *op);

/* ---- onnx_elementwise.c ---------------------------------------------------------------------- */

/* A bound: an attribute up to opset 10, then an input. */
int onnx_read_bound(struct onnx *o, int i, const char *attribute, float otherwise, float *ret);

/* ---- onnx_quantised.c ------------------------------------------------------------------------ */

/* Adds the current node as the operator on real numbers that it stands for. */
int onnx_on_qlinear(struct onnx *o, const struct qlinear *q);

/*
 * Which tensors of integers are read as such, and not only as the real numbers they stand for: found from the last
 * node to the first, because what only moves a tensor reads it as the next one does.
 */
int onnx_find_raw(struct onnx *o, struct protobuf_bytes graph);

/* ---- onnx_operators.c ------------------------------------------------------------------------ */

bool onnx_known_operator(const struct onnx *o);

/* By the graph's own operators; -ENOTSUP: they do not fit. */
int onnx_on_fast(struct onnx *o);
/* What the current node is among the quantised form's; NULL: nothing. */
const struct qlinear *onnx_qlinear_of(const struct onnx *o);

/* ---- onnx_nodes.c ---------------------------------------------------------------------------- */

/* The tensor of a name, made when it is new; -1: the empty name. */
int onnx_tensor_of(struct onnx *o, struct protobuf_bytes name, bool *ret_new);

/* The operator of the current node's name; of another domain, "domain.Name". */
const struct engine_operator *onnx_find_operator(const struct onnx *o, bool *ret_registered);

/* The graph's own operators where they fit, which are fast; then the general one of the name. */
int onnx_add_node(struct onnx *o, struct protobuf_bytes message);

/* ---- operators: each adds the current node ------------------------------------------------------- */

int onnx_on_constant(struct onnx *o);

int onnx_on_conv(struct onnx *o);
int onnx_on_max_pool(struct onnx *o);
int onnx_on_average_pool(struct onnx *o);
int onnx_on_global_max_pool(struct onnx *o);
int onnx_on_global_average_pool(struct onnx *o);
int onnx_on_batch_norm(struct onnx *o);
int onnx_on_resize(struct onnx *o);

int onnx_on_gemm(struct onnx *o);
int onnx_on_matmul(struct onnx *o);
int onnx_on_function(struct onnx *o);
int onnx_on_leaky_relu(struct onnx *o);
int onnx_on_elu(struct onnx *o);
int onnx_on_hard_sigmoid(struct onnx *o);
int onnx_on_hard_swish(struct onnx *o);
int onnx_on_clip(struct onnx *o);
int onnx_on_prelu(struct onnx *o);
int onnx_on_add(struct onnx *o);
int onnx_on_sub(struct onnx *o);
int onnx_on_mul(struct onnx *o);
int onnx_on_div(struct onnx *o);
int onnx_on_sum(struct onnx *o);
int onnx_on_max(struct onnx *o);
int onnx_on_min(struct onnx *o);

int onnx_on_concat(struct onnx *o);
int onnx_on_softmax(struct onnx *o);
int onnx_on_split(struct onnx *o);
int onnx_on_slice(struct onnx *o);
int onnx_on_pad(struct onnx *o);
int onnx_on_reshape(struct onnx *o);
int onnx_on_flatten(struct onnx *o);
int onnx_on_squeeze(struct onnx *o);
int onnx_on_unsqueeze(struct onnx *o);
int onnx_on_transpose(struct onnx *o);
int onnx_on_reduce_mean(struct onnx *o);
int onnx_on_identity(struct onnx *o);
int onnx_on_cast(struct onnx *o);
int onnx_on_dropout(struct onnx *o);

int onnx_on_dequantize(struct onnx *o);
int onnx_on_quantize(struct onnx *o);

#endif
