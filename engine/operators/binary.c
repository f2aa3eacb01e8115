/* binary.c - operators of several tensors, element by element, with broadcasting. */
#include <math.h>
#include <string.h>

#include "operators.h"

/* All inputs of one type, broadcast to one shape. */
static int broadcast_all(struct engine_call *call, int from, struct engine_tensor *ret_shape)
{
	int r = 0;

	*ret_shape = *call->inputs[from];
	for (int i = from; i < call->n_inputs && r == 0; i++) {
		if (!call->inputs[i])
			return call_fail(call, -EINVAL, "lacks input %d", i);
		if (call->inputs[i]->type != ret_shape->type)
			return call_fail(call, -EINVAL, "mixes %s and %s", engine_type_name(ret_shape->type),
					 engine_type_name(call->inputs[i]->type));
		r = call_broadcast(call, ret_shape, call->inputs[i]);
	}
	return r;
}

static int infer_same(struct engine_call *call)
{
	struct engine_tensor shape;
	int r = broadcast_all(call, 0, &shape);

	return r < 0 ? r : call_set_like(call, 0, &shape);
}

static int infer_compare(struct engine_call *call)
{
	struct engine_tensor shape;
	int r = broadcast_all(call, 0, &shape);

	return r < 0 ? r : call_set(call, 0, ENGINE_BOOL, shape.rank, shape.dims);
}

static int infer_bits(struct engine_call *call)
{
	if (type_is_real(call->inputs[0]->type))
		return call_fail(call, -EINVAL, "looks at the bits of real numbers");
	return infer_same(call);
}

/* The exponent may be of another type. */
static int infer_pow(struct engine_call *call)
{
	struct engine_tensor shape = *call->inputs[0];
	int r = call_broadcast(call, &shape, call->inputs[1]);

	return r < 0 ? r : call_set_like(call, 0, &shape);
}

static int infer_where(struct engine_call *call)
{
	struct engine_tensor shape;
	int r = broadcast_all(call, 1, &shape);

	if (r == 0)
		r = call_broadcast(call, &shape, call->inputs[0]);
	return r < 0 ? r : call_set_like(call, 0, &shape);
}

typedef double real_operation(double a, double b);
typedef int64_t integer_operation(int64_t a, int64_t b);

/* y = x0 op x1 op x2 ... of one type. */
static int combine(struct engine_call *call, real_operation *of_real, integer_operation *of_integer)
{
	struct engine_tensor *y = call->outputs[0];
	bool real = type_is_real(call->inputs[0]->type);

	for (int k = 1; k < call->n_inputs || k == 1; k++) {
		const struct engine_tensor *a = k == 1 ? call->inputs[0] : y, *b = call_input(call, k);
		struct odometer o;

		odometer_init(&o, y->rank, y->dims);
		odometer_add(&o, a);
		if (b)
			odometer_add(&o, b);
		for (; !o.done; odometer_next(&o)) {
			size_t at = (size_t)o.offset[0];

			if (!b)
				tensor_copy(y, o.index, a, at);
			else if (real && type_is_real(y->type))
				tensor_put_real(y, o.index,
						of_real(tensor_real(a, at), tensor_real(b, (size_t)o.offset[1])));
			else if (real)
				tensor_put_integer(y, o.index,
						   of_real(tensor_real(a, at), tensor_real(b, (size_t)o.offset[1])) !=
							   0);
			else
				tensor_put_integer(
					y, o.index,
					of_integer(tensor_integer(a, at), tensor_integer(b, (size_t)o.offset[1])));
		}
	}
	return 0;
}

#define OPERATION(name, real, integer)                                                                                 \
	static double real_##name(double a, double b)                                                                  \
	{                                                                                                              \
		return real;                                                                                           \
	}                                                                                                              \
	static int64_t integer_##name(int64_t a, int64_t b)                                                            \
	{                                                                                                              \
		return integer;                                                                                        \
	}

#define RUNNABLE(name, real, integer)                                                                                  \
	OPERATION(name, real, integer)                                                                                 \
	static int run_##name(struct engine_call *call)                                                                \
	{                                                                                                              \
		return combine(call, real_##name, integer_##name);                                                     \
	}

RUNNABLE(add, a + b, (int64_t)((uint64_t)a + (uint64_t)b))
RUNNABLE(sub, a - b, (int64_t)((uint64_t)a - (uint64_t)b))
RUNNABLE(mul, a *b, (int64_t)((uint64_t)a *(uint64_t)b))
OPERATION(min, isnan(a) || isnan(b) ? NAN : fmin(a, b), a < b ? a : b)
OPERATION(max, isnan(a) || isnan(b) ? NAN : fmax(a, b), a > b ? a : b)
RUNNABLE(equal, a == b, a == b)
RUNNABLE(and, a != 0 && b != 0, a != 0 && b != 0)
RUNNABLE(or, a != 0 || b != 0, a != 0 || b != 0)
RUNNABLE(xor, (a != 0) != (b != 0), (a != 0) != (b != 0))
RUNNABLE(bitwise_and, a *b, a &b)
RUNNABLE(bitwise_or, a + b, a | b)
RUNNABLE(bitwise_xor, a - b, a ^ b)

/* Truncates, as C does; by nothing it is nothing, and never traps. */
OPERATION(div, a / b, b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b)
OPERATION(less, a < b, a < b)
OPERATION(greater, a > b, a > b)
OPERATION(less_equal, a <= b, a <= b)
OPERATION(greater_equal, a >= b, a >= b)

/* The same of unsigned 64-bit numbers, whose highest bit is no sign. */
static int64_t unsigned_div(int64_t a, int64_t b)
{
	return b == 0 ? 0 : (int64_t)((uint64_t)a / (uint64_t)b);
}

static int64_t unsigned_min(int64_t a, int64_t b)
{
	return (uint64_t)a < (uint64_t)b ? a : b;
}

static int64_t unsigned_max(int64_t a, int64_t b)
{
	return (uint64_t)a > (uint64_t)b ? a : b;
}

static int64_t unsigned_less(int64_t a, int64_t b)
{
	return (uint64_t)a < (uint64_t)b;
}

static int64_t unsigned_greater(int64_t a, int64_t b)
{
	return (uint64_t)a > (uint64_t)b;
}

static int64_t unsigned_less_equal(int64_t a, int64_t b)
{
	return (uint64_t)a <= (uint64_t)b;
}

static int64_t unsigned_greater_equal(int64_t a, int64_t b)
{
	return (uint64_t)a >= (uint64_t)b;
}

#define SIGNED_OR_NOT(name)                                                                                            \
	static int run_any_##name(struct engine_call *call)                                                            \
	{                                                                                                              \
		return combine(call, real_##name,                                                                      \
			       call->inputs[0]->type == ENGINE_U64 ? unsigned_##name : integer_##name);                \
	}

SIGNED_OR_NOT(div)
SIGNED_OR_NOT(min)
SIGNED_OR_NOT(max)
SIGNED_OR_NOT(less)
SIGNED_OR_NOT(greater)
SIGNED_OR_NOT(less_equal)
SIGNED_OR_NOT(greater_equal)

/* Remainders with the sign of the divisor (0) or of the dividend (1). */
RUNNABLE(fmod, fmod(a, b), b == 0 || b == -1 ? 0 : a % b)
RUNNABLE(floor_mod, a - b * floor(a / b), b == 0 || b == -1 ? 0 : a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0))

static int run_mod(struct engine_call *call)
{
	return engine_attribute_integer(call->attributes, "fmod", 0) ? run_fmod(call) : run_floor_mod(call);
}

RUNNABLE(shift_left, a + b, b<0 || b> 63 ? 0 : (int64_t)((uint64_t)a << b))
RUNNABLE(shift_right, a + b, b<0 || b> 63 ? 0 : (int64_t)((uint64_t)a >> b))

static int run_bit_shift(struct engine_call *call)
{
	return strcmp(engine_attribute_text(call->attributes, "direction", "LEFT"), "RIGHT") ? run_shift_left(call)
											     : run_shift_right(call);
}

static int run_mean(struct engine_call *call)
{
	int r = run_add(call);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++)
		tensor_put_real(call->outputs[0], i, tensor_real(call->outputs[0], i) / call->n_inputs);
	return r;
}

static int64_t integer_power(int64_t base, int64_t exponent)
{
	uint64_t result = 1, factor = (uint64_t)base;

	if (exponent < 0)
		return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
	for (; exponent; exponent >>= 1, factor *= factor)
		if (exponent & 1)
			result *= factor;
	return (int64_t)result;
}

static int run_pow(struct engine_call *call)
{
	const struct engine_tensor *a = call->inputs[0], *b = call->inputs[1];
	struct engine_tensor *y = call->outputs[0];
	bool integers = !type_is_real(a->type) && !type_is_real(b->type);
	struct odometer o;

	odometer_init(&o, y->rank, y->dims);
	odometer_add(&o, a);
	odometer_add(&o, b);
	for (; !o.done; odometer_next(&o)) {
		size_t at = (size_t)o.offset[0], of = (size_t)o.offset[1];

		if (integers)
			tensor_put_integer(y, o.index, integer_power(tensor_integer(a, at), tensor_integer(b, of)));
		else
			tensor_put_real(y, o.index, pow(tensor_real(a, at), tensor_real(b, of)));
	}
	return 0;
}

static int run_prelu(struct engine_call *call)
{
	struct engine_tensor *y = call->outputs[0];
	struct odometer o;

	odometer_init(&o, y->rank, y->dims);
	odometer_add(&o, call->inputs[0]);
	odometer_add(&o, call->inputs[1]);
	for (; !o.done; odometer_next(&o)) {
		double x = tensor_real(call->inputs[0], (size_t)o.offset[0]);

		tensor_put_real(y, o.index, x < 0 ? x * tensor_real(call->inputs[1], (size_t)o.offset[1]) : x);
	}
	return 0;
}

static int run_where(struct engine_call *call)
{
	struct engine_tensor *y = call->outputs[0];
	struct odometer o;

	odometer_init(&o, y->rank, y->dims);
	for (int i = 0; i < 3; i++)
		odometer_add(&o, call->inputs[i]);
	for (; !o.done; odometer_next(&o)) {
		int from = tensor_real(call->inputs[0], (size_t)o.offset[0]) != 0 ? 1 : 2;

		tensor_copy(y, o.index, call->inputs[from], (size_t)o.offset[from]);
	}
	return 0;
}

#define MANY ENGINE_OPERATOR_IO_MAX

OPERATOR(Add, 2, 2, 1, infer_same, .run = run_add);
OPERATOR(And, 2, 2, 1, infer_compare, .run = run_and);
OPERATOR(BitShift, 2, 2, 1, infer_bits, .run = run_bit_shift);
OPERATOR(BitwiseAnd, 2, 2, 1, infer_bits, .run = run_bitwise_and);
OPERATOR(BitwiseOr, 2, 2, 1, infer_bits, .run = run_bitwise_or);
OPERATOR(BitwiseXor, 2, 2, 1, infer_bits, .run = run_bitwise_xor);
OPERATOR(Div, 2, 2, 1, infer_same, .run = run_any_div);
OPERATOR(Equal, 2, 2, 1, infer_compare, .run = run_equal);
OPERATOR(Greater, 2, 2, 1, infer_compare, .run = run_any_greater);
OPERATOR(GreaterOrEqual, 2, 2, 1, infer_compare, .run = run_any_greater_equal);
OPERATOR(Less, 2, 2, 1, infer_compare, .run = run_any_less);
OPERATOR(LessOrEqual, 2, 2, 1, infer_compare, .run = run_any_less_equal);
OPERATOR(Max, 1, MANY, 1, infer_same, .run = run_any_max);
OPERATOR(Mean, 1, MANY, 1, infer_same, .run = run_mean);
OPERATOR(Min, 1, MANY, 1, infer_same, .run = run_any_min);
OPERATOR(Mod, 2, 2, 1, infer_same, .run = run_mod);
OPERATOR(Mul, 2, 2, 1, infer_same, .run = run_mul);
OPERATOR(Or, 2, 2, 1, infer_compare, .run = run_or);
OPERATOR(Pow, 2, 2, 1, infer_pow, .run = run_pow);
OPERATOR(PRelu, 2, 2, 1, infer_same, .run = run_prelu);
OPERATOR(Sub, 2, 2, 1, infer_same, .run = run_sub);
OPERATOR(Sum, 1, MANY, 1, infer_same, .run = run_add);
OPERATOR(Where, 3, 3, 1, infer_where, .run = run_where);
OPERATOR(Xor, 2, 2, 1, infer_compare, .run = run_xor);
