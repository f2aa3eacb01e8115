/*
 * tflite_general.h - TFLite's operators that the graph's own do not cover, by general operators: what the files of that
 * part of the reader share.
 *
 *   tflite_general.c           the table, and custom operators
 *   tflite_general_nodes.c     making general nodes
 *   tflite_general_elementwise.c, tflite_general_shapes.c, tflite_general_image.c    the operators, by family
 *
 * General operators have ONNX's definitions: what TFLite says otherwise (order of axes, of inputs, fused activations)
 * is put into nodes around them.  Quantised tensors are computed with as real numbers and quantised again.
 *
 * Functions that return an int give a value or 0, or a negative errno after the error was told.  An input that is such
 * an error makes the node one, too.
 */
#ifndef INFERD_TFLITE_GENERAL_H
#define INFERD_TFLITE_GENERAL_H

#include "../operators/operators.h"
#include "tflite.h"

/* Attributes of the next node; the first failure is kept for it. */
struct tflite_attributes {
	struct engine_attributes *list;
	int r;
};

/* ---- tflite_general.c ------------------------------------------------------------------------ */

/* What an operator of the table makes: the name of ONNX's. */
const char *tflite_onnx_name(int code);

/* ---- tflite_general_nodes.c ------------------------------------------------------------------ */

/* An empty list; the first failure of what is added is kept for the node that takes it. */
struct tflite_attributes tflite_no_attributes(void);
void tflite_set_integers(struct tflite_attributes *a, const char *name, int n, const int64_t *values);
void tflite_set_integer(struct tflite_attributes *a, const char *name, int64_t value);
void tflite_set_number(struct tflite_attributes *a, const char *name, double value);
void tflite_set_text(struct tflite_attributes *a, const char *name, const char *text);

/* A list of one number. */
struct tflite_attributes tflite_with_integer(const char *name, int64_t value);

/* A node of several outputs; takes the attributes.  0, or an error that is told. */
int tflite_add_generals(struct tflite *t, const char *name, const int *inputs, int n_inputs, struct tflite_attributes a,
			int *ret_values, int n_values);

/* The value of a node with one output, or an error that is told; an input below -1 is an error told before. */
int tflite_add_general(struct tflite *t, const char *name, const int *inputs, int n_inputs, struct tflite_attributes a);

/* The same, of one input and no attributes. */
int tflite_add_plain(struct tflite *t, const char *name, int x);

/* A constant list of integers. */
int tflite_add_integers(struct tflite *t, int n, const int64_t *numbers);

/* Nodes that turn or reshape a value; where x is an error, it is theirs. */
int tflite_transpose(struct tflite *t, int x, int n, const int64_t *order);
int tflite_channels_first(struct tflite *t, int x);
int tflite_channels_last(struct tflite *t, int x);
int tflite_reshape_as(struct tflite *t, int x, int rank, const int32_t *dims);

/* Input i as real numbers or integers that mean themselves; -1 where it is left out. */
int tflite_operand(struct tflite *t, int i);

/* The first n of them; 0, or an error that is told. */
int tflite_operands(struct tflite *t, int n, int *ret_values);

/* A value in another type; where x is an error, it is its. */
int tflite_cast(struct tflite *t, int x, enum engine_type type);

/* The tensor is this value from now on, under its name in the file. */
int tflite_rename_to(struct tflite *t, struct tflite_tensor *tensor, int value);

/* The operator's output i is this value, in the type and quantisation that the file wants. */
int tflite_finish_output(struct tflite *t, int i, int value);

/* The activation that an option names, behind a value. */
int tflite_activate(struct tflite *t, int x, int field);

/* The shape of a value at the file's own size; refused where that is not known. */
int tflite_shape_of(struct tflite *t, int x, struct graph_shape *ret);

/* ---- tflite_general_shapes.c ----------------------------------------------------------------- */

/* Elements from[i], from[i] + step[i], ... before to[i] of each axis i < n. */
int tflite_slice(struct tflite *t, int x, int n, const int64_t *from, const int64_t *to, const int64_t *step);

/* ---- operators: each adds the current one ------------------------------------------------------- */

/* tflite_general_elementwise.c */
int tflite_general_on_same(struct tflite *t);
int tflite_general_on_fused(struct tflite *t);
int tflite_general_on_not_equal(struct tflite *t);
int tflite_general_on_square(struct tflite *t);
int tflite_general_on_rsqrt(struct tflite *t);
int tflite_general_on_squared_difference(struct tflite *t);
int tflite_general_on_floor_div(struct tflite *t);
int tflite_general_on_cast(struct tflite *t);
int tflite_general_on_softmax(struct tflite *t);
int tflite_general_on_cumsum(struct tflite *t);
int tflite_general_on_reduce(struct tflite *t);
int tflite_general_on_arg(struct tflite *t);
int tflite_general_on_topk(struct tflite *t);
int tflite_general_on_batch_matmul(struct tflite *t);
int tflite_general_on_fully_connected(struct tflite *t);
int tflite_general_on_function(struct tflite *t);

/* tflite_general_shapes.c */
int tflite_general_on_shape(struct tflite *t);
int tflite_general_on_rank(struct tflite *t);
int tflite_general_on_reshape(struct tflite *t);
int tflite_general_on_squeeze(struct tflite *t);
int tflite_general_on_transpose(struct tflite *t);
int tflite_general_on_concat(struct tflite *t);
int tflite_general_on_pack(struct tflite *t);
int tflite_general_on_unpack(struct tflite *t);
int tflite_general_on_split(struct tflite *t);
int tflite_general_on_slice(struct tflite *t);
int tflite_general_on_strided_slice(struct tflite *t);
int tflite_general_on_reverse(struct tflite *t);
int tflite_general_on_pad(struct tflite *t);
int tflite_general_on_gather(struct tflite *t);
int tflite_general_on_embedding(struct tflite *t);
int tflite_general_on_fill(struct tflite *t);
int tflite_general_on_expand(struct tflite *t);
int tflite_general_on_one_hot(struct tflite *t);
int tflite_general_on_where(struct tflite *t);
int tflite_general_on_scatter_nd(struct tflite *t);
int tflite_general_on_reverse_sequence(struct tflite *t);

/* tflite_general_image.c */
int tflite_general_on_conv(struct tflite *t);
int tflite_general_on_pool(struct tflite *t);
int tflite_general_on_transpose_conv(struct tflite *t);
int tflite_general_on_transpose_conv_bias(struct tflite *t);
int tflite_general_on_depth_space(struct tflite *t);
int tflite_general_on_lrn(struct tflite *t);
int tflite_general_on_l2_norm(struct tflite *t);
int tflite_general_on_resize(struct tflite *t);
int tflite_general_on_batch_to_space(struct tflite *t);

#endif
