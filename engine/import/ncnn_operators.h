/*
 * ncnn_operators.h - private to the ncnn importer: layers as general operators with ncnn's own definitions, for what
 * the graph's operators and ONNX's lack.
 *
 * Blobs of one and two axes are tensors as they are; those of three (c x h x w) and four (c x d x h x w) have a leading
 * axis of 1, as images have it.  All are float32.  A layer's parameter k comes as the attributes "ik" and "fk", what it
 * loads from the .bin as inputs behind its blobs.
 */
#ifndef INFERD_NCNN_OPERATORS_H
#define INFERD_NCNN_OPERATORS_H

#include "../operators/operators.h"

#define NCNN_RANK_MAX 4

/* Element-by-element functions that the graph has no operator for: attribute "function", and "a", "b", "c". */
enum ncnn_function {
	NCNN_FLOOR,
	NCNN_CEIL,
	NCNN_SIN,
	NCNN_COS,
	NCNN_TAN,
	NCNN_ASIN,
	NCNN_ACOS,
	NCNN_ATAN,
	NCNN_RECIPROCAL,
	NCNN_LOG10,
	NCNN_ROUND, /* halves to even */
	NCNN_TRUNC,
	NCNN_BNLL,
	NCNN_ERF,
	NCNN_SOFTPLUS,
	NCNN_GELU_TANH,
	NCNN_CELU,	/* a: alpha */
	NCNN_SELU,	/* a: alpha, b: lambda */
	NCNN_SHRINK,	/* a: bias, b: lambda */
	NCNN_THRESHOLD, /* a */
	NCNN_POWER,	/* (c + x b) ^ a */
	NCNN_EXP,	/* a ^ (c + x b); a -1: e */
	NCNN_LOG,	/* log (c + x b) to the base of a; -1: e */
	NCNN_RPOW,	/* a ^ x */
	NCNN_ATAN2,	/* x, a */
	NCNN_RATAN2,	/* a, x */
	NCNN_FUNCTION_COUNT
};

/* By the type of the layer, or "Function"; NULL: there is none. */
const struct engine_operator *ncnn_operator(const char *type);

/* The tables of the two files. */
extern const struct engine_operator ncnn_moving_operators[], ncnn_computing_operators[];

/* ---- what they share (ncnn_operators.c) --------------------------------------------------------- */

/* A blob: sizes from the outermost axis on. */
struct ncnn_view {
	int rank;
	int32_t n[NCNN_RANK_MAX];
	const float *x;
};

/* Input i; a negative errno and a sentence for what is no blob of floats. */
int ncnn_view_input(struct engine_call *call, int i, struct ncnn_view *ret_view);
int ncnn_set_shape(struct engine_call *call, int i, int rank, const int64_t *n);
size_t ncnn_span(const struct ncnn_view *view, int from, int to);
static inline size_t ncnn_elements(const struct ncnn_view *view)
{
	return ncnn_span(view, 0, view->rank);
}
/* w and h of ncnn: the last two axes, 1 where there is none; c: the first of three or four. */
int64_t ncnn_w(const struct ncnn_view *view);
int64_t ncnn_h(const struct ncnn_view *view);
int64_t ncnn_c(const struct ncnn_view *view);

/* Parameter `key`. */
int64_t ncnn_key_int(const struct engine_call *call, int key, int64_t otherwise);
double ncnn_key_float(const struct engine_call *call, int key, double otherwise);
const int64_t *ncnn_key_ints(const struct engine_call *call, int key, int *ret_n);

/* Input i as a constant of at least `count` floats; NULL after a sentence. */
const float *ncnn_constant(struct engine_call *call, int i, size_t count);
/* The same where only its size matters, before data are known. */
int ncnn_want(struct engine_call *call, int i, size_t count);

static inline float *ncnn_output(const struct engine_call *call, int i)
{
	return call->outputs[i]->data;
}

#endif
