/* quant.c - between real numbers and 8 or 16 bits: one scale, one for each index of an axis, or one for each block. */
#include <math.h>

#include "operators.h"

struct scales {
	const struct engine_tensor *scale, *zero;
	size_t inner, side, block; /* of the axis; block 0: one scale for each index */
};

static int read_scales(struct engine_call *call, const struct engine_tensor *x, struct scales *s)
{
	int64_t block = engine_attribute_integer(call->attributes, "block_size", 0);
	int axis;

	*s = (struct scales){call->inputs[1], call_input(call, 2), 1, 1, 0};
	if (s->zero && tensor_count(s->zero) != tensor_count(s->scale))
		return call_fail(call, -EINVAL, "has other zero points than scales");
	if (!type_is_real(s->scale->type))
		return call_fail(call, -EINVAL, "has a scale that is no real number");
	if (tensor_count(s->scale) == 1)
		return 0;
	axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 1), x->rank);
	if (axis < 0)
		return axis;
	s->inner = tensor_span(x, axis + 1, x->rank);
	s->side = (size_t)x->dims[axis];
	if (s->scale->rank == 1 && s->scale->dims[0] == x->dims[axis] && !block)
		return 0;
	if (block < 1 || s->scale->rank != x->rank ||
	    (s->side + (size_t)block - 1) / (size_t)block != (size_t)s->scale->dims[axis])
		return call_fail(call, -EINVAL, "has %zu scales for an axis of %zu", tensor_count(s->scale), s->side);
	for (int i = 0; i < x->rank; i++)
		if (i != axis && s->scale->dims[i] != x->dims[i])
			return call_fail(call, -EINVAL, "has blocks of another shape");
	s->block = (size_t)block;
	return 0;
}

static size_t scale_at(const struct scales *s, size_t i)
{
	if (!s->block)
		return i / s->inner % s->side;
	return (i / s->inner / s->side * ((s->side + s->block - 1) / s->block) + i / s->inner % s->side / s->block) *
		       s->inner +
	       i % s->inner;
}

static int infer_quantize(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *zero = call_input(call, 2);
	int64_t wanted = engine_attribute_integer(call->attributes, "output_dtype", 0);
	enum engine_type type = zero	      ? zero->type
				: wanted == 3 ? ENGINE_S8
				: wanted == 4 ? ENGINE_U16
				: wanted == 5 ? ENGINE_S16
					      : ENGINE_U8;
	struct scales s;
	int r = read_scales(call, x, &s);

	if (wanted > 5 && !zero)
		return call_fail(call, -ENOTSUP, "makes a type that is not computed with");
	return r < 0 ? r : call_set(call, 0, type, x->rank, x->dims);
}

/* In float32, so that what is half between two numbers there is so here; halves go to the even number. */
static double quotient(double x, double scale)
{
	return (double)rintf((float)x / (float)scale);
}

static int run_quantize(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct scales s;

	read_scales(call, x, &s);
	for (size_t i = 0; i < tensor_count(x); i++) {
		size_t at = scale_at(&s, i);
		double zero = s.zero ? tensor_real(s.zero, at) : 0;

		tensor_put_real(call->outputs[0], i, quotient(tensor_real(x, i), tensor_real(s.scale, at)) + zero);
	}
	return 0;
}

static int infer_dequantize(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct scales s;
	int r = read_scales(call, x, &s);

	return r < 0 ? r : call_set(call, 0, s.scale->type, x->rank, x->dims);
}

static int run_dequantize(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct scales s;

	read_scales(call, x, &s);
	for (size_t i = 0; i < tensor_count(x); i++) {
		size_t at = scale_at(&s, i);
		double zero = s.zero ? tensor_real(s.zero, at) : 0;

		tensor_put_real(call->outputs[0], i, (tensor_real(x, i) - zero) * tensor_real(s.scale, at));
	}
	return 0;
}

/* To uint8 with the scale and zero point of what is there. */
static int infer_dynamic(struct engine_call *call)
{
	int r = call_set(call, 0, ENGINE_U8, call->inputs[0]->rank, call->inputs[0]->dims);

	if (r == 0)
		r = call_set(call, 1, ENGINE_F32, 0, NULL);
	return r < 0 ? r : call_set(call, 2, ENGINE_U8, 0, NULL);
}

static int run_dynamic(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	double lo = 0, hi = 0, zero;
	float scale;

	for (size_t i = 0; i < tensor_count(x); i++) {
		lo = fmin(lo, tensor_real(x, i));
		hi = fmax(hi, tensor_real(x, i));
	}
	scale = (float)((hi - lo) / 255);
	if (scale == 0)
		scale = 1;
	zero = fmin(fmax(quotient(-lo, (double)scale), 0), 255);
	for (size_t i = 0; i < tensor_count(x); i++)
		tensor_put_real(call->outputs[0], i, quotient(tensor_real(x, i), (double)scale) + zero);
	if (call->n_outputs > 1)
		tensor_put_real(call->outputs[1], 0, (double)scale);
	if (call->n_outputs > 2)
		tensor_put_real(call->outputs[2], 0, zero);
	return 0;
}

OPERATOR(DequantizeLinear, 2, 3, 1, infer_dequantize, .run = run_dequantize);
OPERATOR(DynamicQuantizeLinear, 1, 1, 3, infer_dynamic, .run = run_dynamic);
OPERATOR(QuantizeLinear, 2, 3, 1, infer_quantize, .run = run_quantize);
