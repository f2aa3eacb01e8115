/*
 * tflite.h - what the files of the TFLite reader share.
 *
 *   tflite.c            the file: tensors, operators one by one
 *   tflite_nodes.c      making values and nodes
 *   tflite_operators.c  operators that become the graph's own, which are fast
 *   tflite_general*.c   the others, by general operators; see tflite_general.h
 *   tflite_sparse.c     sparse constants
 *
 * Numbers of tables, fields, types and operators are those of TensorFlow Lite's schema, version 3.
 */
#ifndef INFERD_TFLITE_H
#define INFERD_TFLITE_H

#include "flatbuffer.h"
#include "import.h"

#define TFLITE_IO_MAX 1024 /* inputs or outputs of one operator */

/*
 * An image cut into every block'th row and column, each part a batch of its own: how files say that a convolution is
 * dilated.  The value stays the whole image, and the convolution between cutting and joining gets the dilation.
 */
struct tflite_blocks {
	int h, w;		      /* 0: not cut */
	int top, bottom, left, right; /* padding that comes with the cut */
	int conv;		      /* the node that works on the parts; -1 none yet */
};

struct tflite_tensor {
	int value;    /* -1: of a type that is not computed with */
	int declared; /* the value as the file describes it: name, type and quantisation */
	struct tflite_blocks blocks;
	int rank;
	int32_t dims[ENGINE_RANK_MAX]; /* as the file has them */
	int type;
	int depthwise; /* the constant turned into depthwise weights; -1 not yet */
	bool open;     /* integers that depend on a side the file leaves open */
	bool open_batch;
	int narrow; /* the float16 or quantised constant whose widened copy `value` is, or may become; -1 none */
};

struct tflite {
	struct flatbuffer fb;
	struct graph *graph;
	struct engine_error *error;
	const struct graph_shape *asked; /* shapes of the inputs; NULL: the file's own */
	struct flatbuffer_vector codes, buffers;
	struct tflite_tensor *tensors;
	int n_tensors;
	struct graph_shape *shapes; /* of the graph's values at the file's own size; rank -1: not known */
	int cap_shapes;
	size_t made_bytes, made_max; /* constants computed from constants */
	/* the current operator */
	int index, code;
	const char *op;
	size_t options;
	struct flatbuffer_vector custom_options;
	int inputs[TFLITE_IO_MAX], outputs[TFLITE_IO_MAX];
	int n_inputs, n_outputs;
};

/* Errors of the current operator; result() turns a code without a sentence into one. */
int tflite_refuse(const struct tflite *t, int code, const char *why);
int tflite_result(const struct tflite *t, int r);

const struct tflite_tensor *tflite_input(const struct tflite *t, int i);
bool tflite_has_input(const struct tflite *t, int i);
/* The value of input i; -1 absent. */
int tflite_value(struct tflite *t, int i);
/*
 * Weights of input i.  Files with float16 weights widen them by an operator of their own; the engine reads them as they
 * are.
 */
int tflite_weights(struct tflite *t, int i);
int tflite_output(const struct tflite *t, int i);
/* Integers of a constant input (int32 or int64), at most `max`; -EINVAL where it is not constant. */
int tflite_integers(struct tflite *t, int i, int max, int32_t *ret_numbers);

/* An intermediate of the type and quantisation of `like`. */
int tflite_add_value(struct tflite *t, int like, int rank);
/* A node that makes `output`; *ret_node is valid until the next add. */
int tflite_add_node(struct tflite *t, enum graph_op op, const int *inputs, int n_inputs, int output,
		    struct graph_node **ret_node);
/* The shape of a value at the file's own size; make room for it first. */
int tflite_make_room(struct tflite *t);
void tflite_set_shape(struct tflite *t, int value, int rank, const int32_t *dims);

/* Float32 data of a constant of float16 or quantised numbers; the new value or an error. */
int tflite_widen(struct tflite *t, int constant);

/* An operator that becomes nodes of the graph's own. */
struct tflite_operator {
	int code;
	const char *name;
	int n_inputs; /* at least */
	/* NULL: left out of this build. */
	int (*add)(struct tflite *t);
	bool takes_blocks;
};
/* NULL where there is none.  -ENOTSUP from `add`: a general operator may do it. */
const struct tflite_operator *tflite_operator(int code);

/* By general operators; -ENOTSUP and a sentence where there is none.  custom: the name of a custom operator. */
int tflite_general(struct tflite *t, const char *custom, size_t custom_bytes);
const char *tflite_general_name(int code);

/* Cuts the image of a tensor with blocks into parts, by general operators: for those who work on the parts themselves.
 */
int tflite_cut(struct tflite *t, struct tflite_tensor *tensor);

/* A sparse constant's data, dense, into a value that has its type and shape. */
int tflite_densify(struct tflite *t, size_t sparsity, const uint8_t *data, size_t bytes, int value);

#endif
