/* call.c - what operators share: arguments, shapes and elements of any type.  See operators.h. */
#include "operators.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../graph.h"
#include "../kernels/kernels.h"

int call_fail(struct engine_call *call, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(call->error->text, sizeof(call->error->text), format, args);
	va_end(args);
	return code;
}

int call_set(struct engine_call *call, int i, enum engine_type type, int rank, const int32_t *dims)
{
	struct engine_tensor *out;
	size_t elements;

	if (i >= call->n_outputs)
		return 0;
	out = call->outputs[i];
	if (rank > ENGINE_RANK_MAX)
		return call_fail(call, -ENOTSUP, "makes a tensor of %d axes", rank);
	if (graph_elements(rank, dims, &elements) < 0 || elements > ENGINE_TENSOR_BYTES_MAX / engine_type_size(type))
		return call_fail(call, -EFBIG, "makes a tensor that is too large");
	out->type = type;
	out->rank = rank;
	if (rank)
		memmove(out->dims, dims, (size_t)rank * sizeof(*dims));
	return 0;
}

int call_set_like(struct engine_call *call, int i, const struct engine_tensor *like)
{
	return call_set(call, i, like->type, like->rank, like->dims);
}

int call_axis(struct engine_call *call, int64_t axis, int rank)
{
	if (axis < -rank || axis >= rank)
		return call_fail(call, -EINVAL, "has axis %lld of %d", (long long)axis, rank);
	return (int)(axis < 0 ? axis + rank : axis);
}

int call_integers(struct engine_call *call, const char *attribute, int i, int max, int64_t *ret)
{
	const struct engine_tensor *list = i < 0 ? NULL : call_input(call, i);
	const int64_t *integers;
	int n;

	if (!list) {
		integers = engine_attribute_integers(call->attributes, attribute, &n);
		if (n > max)
			return call_fail(call, -ENOTSUP, "has %d numbers in '%s'", n, attribute);
		if (n)
			memcpy(ret, integers, (size_t)n * sizeof(*ret));
		return n;
	}
	if (type_is_real(list->type) || list->rank > 1)
		return call_fail(call, -EINVAL, "has no list of integers as input %d", i);
	if (tensor_count(list) > (size_t)max)
		return call_fail(call, -ENOTSUP, "has %zu numbers as input %d", tensor_count(list), i);
	if (!list->data)
		return -EAGAIN;
	for (size_t k = 0; k < tensor_count(list); k++)
		ret[k] = tensor_integer(list, k);
	return (int)tensor_count(list);
}

int call_integer(struct engine_call *call, const char *attribute, int i, int64_t otherwise, int64_t *ret)
{
	int n = call_integers(call, attribute, i, 1, ret);

	if (n == 0)
		*ret = otherwise;
	return n < 0 ? n : 0;
}

int call_broadcast(struct engine_call *call, struct engine_tensor *shape, const struct engine_tensor *with)
{
	int rank = shape->rank > with->rank ? shape->rank : with->rank;
	int32_t dims[ENGINE_RANK_MAX] = {0};

	for (int i = 0; i < rank; i++) {
		int32_t a = i < rank - shape->rank ? 1 : shape->dims[i - (rank - shape->rank)];
		int32_t b = i < rank - with->rank ? 1 : with->dims[i - (rank - with->rank)];

		if (a != b && a != 1 && b != 1)
			return call_fail(call, -EINVAL, "cannot broadcast %d and %d", a, b);
		dims[i] = a == 1 ? b : a;
	}
	shape->rank = rank;
	memcpy(shape->dims, dims, sizeof(dims));
	return 0;
}

/* ---- elements ---------------------------------------------------------------------------------- */

size_t tensor_span(const struct engine_tensor *tensor, int from, int to)
{
	size_t count = 1;

	for (int i = from; i < to; i++)
		count *= (size_t)tensor->dims[i];
	return count;
}

size_t tensor_count(const struct engine_tensor *tensor)
{
	return tensor_span(tensor, 0, tensor->rank);
}

bool type_is_real(enum engine_type type)
{
	return type == ENGINE_F32 || type == ENGINE_F16;
}

static float read_half(const void *data, size_t i)
{
	float value;

	kernels_get()->f16_to_f32(1, (const uint16_t *)data + i, &value);
	return value;
}

int64_t tensor_integer(const struct engine_tensor *tensor, size_t i)
{
	const void *data = tensor->data;

	switch (tensor->type) {
	case ENGINE_S8:
		return ((const int8_t *)data)[i];
	case ENGINE_U8:
	case ENGINE_BOOL:
		return ((const uint8_t *)data)[i];
	case ENGINE_S16:
		return ((const int16_t *)data)[i];
	case ENGINE_U16:
		return ((const uint16_t *)data)[i];
	case ENGINE_S32:
		return ((const int32_t *)data)[i];
	case ENGINE_U32:
		return ((const uint32_t *)data)[i];
	case ENGINE_S64:
	case ENGINE_U64:
		return ((const int64_t *)data)[i];
	default:
		return (int64_t)fmin(fmax(tensor_real(tensor, i), -0x1p62), 0x1p62);
	}
}

double tensor_real(const struct engine_tensor *tensor, size_t i)
{
	switch (tensor->type) {
	case ENGINE_F32:
		return (double)((const float *)tensor->data)[i];
	case ENGINE_F16:
		return (double)read_half(tensor->data, i);
	case ENGINE_U64:
		return (double)((const uint64_t *)tensor->data)[i];
	default:
		return (double)tensor_integer(tensor, i);
	}
}

void tensor_put_integer(struct engine_tensor *tensor, size_t i, int64_t value)
{
	void *data = tensor->data;

	switch (tensor->type) {
	case ENGINE_S8:
	case ENGINE_U8:
		((uint8_t *)data)[i] = (uint8_t)value;
		break;
	case ENGINE_BOOL:
		((uint8_t *)data)[i] = value != 0;
		break;
	case ENGINE_S16:
	case ENGINE_U16:
		((uint16_t *)data)[i] = (uint16_t)value;
		break;
	case ENGINE_S32:
	case ENGINE_U32:
		((uint32_t *)data)[i] = (uint32_t)value;
		break;
	case ENGINE_S64:
	case ENGINE_U64:
		((int64_t *)data)[i] = value;
		break;
	default:
		tensor_put_real(tensor, i, (double)value);
	}
}

/* What an integer type holds. */
static void bounds_of(enum engine_type type, double *lo, double *hi)
{
	int bits = (int)engine_type_size(type) * 8;
	bool is_signed = type == ENGINE_S8 || type == ENGINE_S16 || type == ENGINE_S32 || type == ENGINE_S64;

	*lo = is_signed ? -ldexp(1.0, bits - 1) : 0.0;
	*hi = ldexp(1.0, is_signed ? bits - 1 : bits);
}

void tensor_put_real(struct engine_tensor *tensor, size_t i, double value)
{
	double lo, hi;
	float single = (float)value;

	switch (tensor->type) {
	case ENGINE_F32:
		((float *)tensor->data)[i] = single;
		return;
	case ENGINE_F16:
		kernels_get()->f32_to_f16(1, &single, (uint16_t *)tensor->data + i);
		return;
	case ENGINE_BOOL:
		((uint8_t *)tensor->data)[i] = value != 0.0;
		return;
	default:
		break;
	}
	bounds_of(tensor->type, &lo, &hi);
	if (isnan(value))
		value = 0.0;
	if (value <= lo)
		tensor_put_integer(tensor, i, tensor->type == ENGINE_S64 ? INT64_MIN : (int64_t)lo);
	else if (value >= hi)
		tensor_put_integer(tensor, i,
				   tensor->type == ENGINE_S64	? INT64_MAX
				   : tensor->type == ENGINE_U64 ? -1
								: (int64_t)hi - 1);
	else
		tensor_put_integer(tensor, i, tensor->type == ENGINE_U64 ? (int64_t)(uint64_t)value : (int64_t)value);
}

void tensor_copy(struct engine_tensor *y, size_t to, const struct engine_tensor *x, size_t from)
{
	size_t size = engine_type_size(y->type);

	memcpy((uint8_t *)y->data + to * size, (const uint8_t *)x->data + from * size, size);
}

/* ---- walking ----------------------------------------------------------------------------------- */

void tensor_strides(const struct engine_tensor *tensor, ptrdiff_t stride[ENGINE_RANK_MAX])
{
	ptrdiff_t next = 1;

	for (int i = tensor->rank - 1; i >= 0; i--) {
		stride[i] = next;
		next *= tensor->dims[i];
	}
}

void odometer_init(struct odometer *odometer, int rank, const int32_t *dims)
{
	memset(odometer, 0, sizeof(*odometer));
	odometer->rank = rank;
	for (int i = 0; i < rank; i++) {
		odometer->dims[i] = dims[i];
		odometer->done |= dims[i] < 1;
	}
}

void odometer_add_strides(struct odometer *odometer, const ptrdiff_t *stride, ptrdiff_t offset)
{
	if (odometer->rank)
		memcpy(odometer->stride[odometer->n], stride, (size_t)odometer->rank * sizeof(*stride));
	odometer->offset[odometer->n++] = offset;
}

void odometer_add(struct odometer *odometer, const struct engine_tensor *tensor)
{
	ptrdiff_t dense[ENGINE_RANK_MAX], stride[ENGINE_RANK_MAX] = {0};
	int lead = odometer->rank - tensor->rank;

	tensor_strides(tensor, dense);
	for (int i = 0; i < tensor->rank; i++)
		if (i + lead >= 0)
			stride[i + lead] = tensor->dims[i] == 1 ? 0 : dense[i];
	odometer_add_strides(odometer, stride, 0);
}

void odometer_next(struct odometer *odometer)
{
	odometer->index++;
	for (int i = odometer->rank - 1; i >= 0; i--) {
		for (int k = 0; k < odometer->n; k++)
			odometer->offset[k] += odometer->stride[k][i];
		if (++odometer->at[i] < odometer->dims[i])
			return;
		for (int k = 0; k < odometer->n; k++)
			odometer->offset[k] -= odometer->stride[k][i] * odometer->dims[i];
		odometer->at[i] = 0;
	}
	odometer->done = true;
}
