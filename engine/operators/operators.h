/*
 * operators.h - the general operators: right for every type, rank and batch their definition allows, and slow.
 *
 * The definitions are ONNX's (onnx.ai, "Operators"), whose names they have.
 * What is fast is elsewhere: the importers turn nodes into the graph's own operators where those fit, and only what is
 * left comes here.
 */
#ifndef INFERD_OPERATORS_H
#define INFERD_OPERATORS_H

#include <errno.h>

#include "../operator.h"

/* The operator of a name, a registered one first; NULL: there is none. */
const struct engine_operator *operators_find(const char *name, size_t name_bytes, bool *ret_registered);

/* True for a built-in operator that INFERD_OPERATORS leaves out of this build. */
bool operators_left_out(const char *name, size_t name_bytes);
/* What is said of one that a network needs. */
#define OPERATORS_LEFT_OUT "is left out of this build (INFERD_OPERATORS)"

/*
 * Defines an operator, by the name it has in list.inc.  What the build leaves out is referred to by nothing, and the
 * linker drops it.
 */
#define OPERATOR(NAME, ...) const struct engine_operator operator_##NAME = {.name = #NAME, __VA_ARGS__}

/* Built-in operator number i, in the order of list.inc; NULL behind the last. */
const struct engine_operator *operators_at(int i);

/* ---- what operators share (call.c) ------------------------------------------------------------- */

/* Writes a sentence and returns code. */
int call_fail(struct engine_call *call, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Output i gets a type and shape; -EFBIG where that is too large. */
int call_set(struct engine_call *call, int i, enum engine_type type, int rank, const int32_t *dims);
int call_set_like(struct engine_call *call, int i, const struct engine_tensor *like);

/* An axis of a tensor of `rank` axes, counted from either end; a negative errno and a sentence. */
int call_axis(struct engine_call *call, int64_t axis, int rank);

/*
 * A list of integers: input `i` if it is there (and not negative), otherwise the attribute.  Their number; -EAGAIN
 * while the input's data is not known; -EINVAL, -ENOTSUP over max.
 */
int call_integers(struct engine_call *call, const char *attribute, int i, int max, int64_t *ret);
/* One of them. */
int call_integer(struct engine_call *call, const char *attribute, int i, int64_t otherwise, int64_t *ret);

/* The shape of two operands broadcast as NumPy does; in and out may be the same. */
int call_broadcast(struct engine_call *call, struct engine_tensor *shape, const struct engine_tensor *with);

static inline const struct engine_tensor *call_input(const struct engine_call *call, int i)
{
	return i < call->n_inputs ? call->inputs[i] : NULL;
}

/* ---- elements ---------------------------------------------------------------------------------- */

size_t tensor_count(const struct engine_tensor *tensor);
/* Elements of axes from..to-1. */
size_t tensor_span(const struct engine_tensor *tensor, int from, int to);
bool type_is_real(enum engine_type type);

/* One element of any type as a real number or an integer; unsigned 64-bit numbers keep their bits as integers. */
double tensor_real(const struct engine_tensor *tensor, size_t i);
int64_t tensor_integer(const struct engine_tensor *tensor, size_t i);
/* Stores one: integers take a real number without its fraction, at their bounds where it is beyond; bools "not 0". */
void tensor_put_real(struct engine_tensor *tensor, size_t i, double value);
void tensor_put_integer(struct engine_tensor *tensor, size_t i, int64_t value); /* wraps */

/*
 * Walks all elements of a shape in order, with the offsets of up to three tensors that are broadcast to it or have
 * strides of their own:
 *
 *	for (odometer_init(&o, &shape); ...; ) ; for (; !o.done; odometer_next(&o))
 */
struct odometer {
	int rank, n;
	int32_t dims[ENGINE_RANK_MAX], at[ENGINE_RANK_MAX];
	ptrdiff_t stride[3][ENGINE_RANK_MAX];
	ptrdiff_t offset[3];
	size_t index; /* of the element in the walked shape */
	bool done;
};
void odometer_init(struct odometer *odometer, int rank, const int32_t *dims);
/* Operand `tensor` broadcast to the walked shape. */
void odometer_add(struct odometer *odometer, const struct engine_tensor *tensor);
void odometer_add_strides(struct odometer *odometer, const ptrdiff_t *stride, ptrdiff_t offset);
void odometer_next(struct odometer *odometer);

/* Dense strides of a shape. */
void tensor_strides(const struct engine_tensor *tensor, ptrdiff_t stride[ENGINE_RANK_MAX]);

/* Copies element `from` of x to element `to` of y, of the same type. */
void tensor_copy(struct engine_tensor *y, size_t to, const struct engine_tensor *x, size_t from);

#endif
