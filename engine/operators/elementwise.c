/* elementwise.c - operators of one tensor, element by element. */
#include <math.h>

#include "operators.h"

static int infer_same(struct engine_call *call)
{
	return call_set_like(call, 0, call->inputs[0]);
}

static int infer_real(struct engine_call *call)
{
	if (!type_is_real(call->inputs[0]->type))
		return call_fail(call, -EINVAL, "computes with %s", engine_type_name(call->inputs[0]->type));
	return infer_same(call);
}

static int infer_test(struct engine_call *call)
{
	return call_set(call, 0, ENGINE_BOOL, call->inputs[0]->rank, call->inputs[0]->dims);
}

/*
 * A function of x with the attributes alpha and beta, whose values where the file has none are given.  Integers are
 * computed as real numbers, too.
 */
#define FUNCTION(name, alpha_otherwise, beta_otherwise, expression)                                                    \
	static int run_##name(struct engine_call *call)                                                                \
	{                                                                                                              \
		double alpha = engine_attribute_number(call->attributes, "alpha", alpha_otherwise);                    \
		double beta = engine_attribute_number(call->attributes, "beta", beta_otherwise);                       \
                                                                                                                       \
		(void)alpha;                                                                                           \
		(void)beta;                                                                                            \
		for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {                                          \
			double x = tensor_real(call->inputs[0], i);                                                    \
                                                                                                                       \
			tensor_put_real(call->outputs[0], i, expression);                                              \
		}                                                                                                      \
		return 0;                                                                                              \
	}

FUNCTION(acos, 0, 0, acos(x))
FUNCTION(acosh, 0, 0, acosh(x))
FUNCTION(asin, 0, 0, asin(x))
FUNCTION(asinh, 0, 0, asinh(x))
FUNCTION(atan, 0, 0, atan(x))
FUNCTION(atanh, 0, 0, atanh(x))
FUNCTION(ceil, 0, 0, ceil(x))
FUNCTION(celu, 1, 0, fmax(0, x) + fmin(0, alpha *expm1(x / alpha)))
FUNCTION(cos, 0, 0, cos(x))
FUNCTION(cosh, 0, 0, cosh(x))
FUNCTION(elu, 1, 0, x < 0 ? alpha * expm1(x) : x)
FUNCTION(erf, 0, 0, erf(x))
FUNCTION(exp, 0, 0, exp(x))
FUNCTION(floor, 0, 0, floor(x))
FUNCTION(hard_sigmoid, (double)0.2f, 0.5, fmin(fmax(alpha *x + beta, 0), 1))
FUNCTION(hard_swish, 0, 0, x *fmin(fmax(x / 6 + 0.5, 0), 1))
FUNCTION(is_nan, 0, 0, isnan(x))
FUNCTION(leaky_relu, (double)0.01f, 0, x < 0 ? alpha * x : x)
FUNCTION(log, 0, 0, log(x))
FUNCTION(mish, 0, 0, x *tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))))
FUNCTION(reciprocal, 0, 0, 1 / x)
FUNCTION(round, 0, 0, rint(x))
FUNCTION(sigmoid, 0, 0, 1 / (1 + exp(-x)))
FUNCTION(sin, 0, 0, sin(x))
FUNCTION(sinh, 0, 0, sinh(x))
FUNCTION(softplus, 0, 0, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))
FUNCTION(softsign, 0, 0, x / (1 + fabs(x)))
FUNCTION(sqrt, 0, 0, sqrt(x))
FUNCTION(tan, 0, 0, tan(x))
FUNCTION(tanh, 0, 0, tanh(x))
FUNCTION(thresholded_relu, 1, 0, x > alpha ? x : 0)

/* Integers exactly, reals as they are. */
#define FUNCTION_OF_NUMBERS(name, of_integer, of_real)                                                                 \
	static int run_##name(struct engine_call *call)                                                                \
	{                                                                                                              \
		bool real = type_is_real(call->inputs[0]->type);                                                       \
                                                                                                                       \
		for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {                                          \
			int64_t n = real ? 0 : tensor_integer(call->inputs[0], i);                                     \
			double x = real ? tensor_real(call->inputs[0], i) : 0;                                         \
                                                                                                                       \
			if (real)                                                                                      \
				tensor_put_real(call->outputs[0], i, of_real);                                         \
			else                                                                                           \
				tensor_put_integer(call->outputs[0], i, of_integer);                                   \
		}                                                                                                      \
		return 0;                                                                                              \
	}

FUNCTION_OF_NUMBERS(abs, n < 0 ? (int64_t)(0 - (uint64_t)n) : n, fabs(x))
FUNCTION_OF_NUMBERS(neg, (int64_t)(0 - (uint64_t)n), -x)
FUNCTION_OF_NUMBERS(sign, (n > 0) - (n < 0), (double)((x > 0) - (x < 0)))
FUNCTION_OF_NUMBERS(relu, n < 0 ? 0 : n, x < 0 ? 0 : x)
FUNCTION_OF_NUMBERS(not, !n, !x)
FUNCTION_OF_NUMBERS(bitwise_not, ~n, x)
FUNCTION_OF_NUMBERS(identity, n, x)

static int run_gelu(struct engine_call *call)
{
	const char *approximate = engine_attribute_text(call->attributes, "approximate", "none");

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		double x = tensor_real(call->inputs[0], i);
		double half = approximate[0] == 't' ? tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x))
						    : erf(x * M_SQRT1_2);

		tensor_put_real(call->outputs[0], i, 0.5 * x * (1 + half));
	}
	return 0;
}

static int run_selu(struct engine_call *call)
{
	double alpha = engine_attribute_number(call->attributes, "alpha", (double)1.67326319217681884765625f);
	double gamma = engine_attribute_number(call->attributes, "gamma", (double)1.05070102214813232421875f);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		double x = tensor_real(call->inputs[0], i);

		tensor_put_real(call->outputs[0], i, gamma * (x > 0 ? x : alpha * expm1(x)));
	}
	return 0;
}

static int run_shrink(struct engine_call *call)
{
	double bias = engine_attribute_number(call->attributes, "bias", 0);
	double lambd = engine_attribute_number(call->attributes, "lambd", 0.5);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		double x = tensor_real(call->inputs[0], i);

		tensor_put_real(call->outputs[0], i, x < -lambd ? x + bias : x > lambd ? x - bias : 0);
	}
	return 0;
}

static int run_is_inf(struct engine_call *call)
{
	bool negative = engine_attribute_integer(call->attributes, "detect_negative", 1) != 0;
	bool positive = engine_attribute_integer(call->attributes, "detect_positive", 1) != 0;

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		double x = tensor_real(call->inputs[0], i);

		tensor_put_integer(call->outputs[0], i, isinf(x) && (x < 0 ? negative : positive));
	}
	return 0;
}

/* ---- Clip: bounds are attributes up to opset 10, then inputs ------------------------------------ */

static int infer_clip(struct engine_call *call)
{
	for (int i = 1; i < call->n_inputs; i++)
		if (call->inputs[i] &&
		    (tensor_count(call->inputs[i]) != 1 || call->inputs[i]->type != call->inputs[0]->type))
			return call_fail(call, -EINVAL, "has a bound that is not one number of its input's type");
	return infer_same(call);
}

static int run_clip(struct engine_call *call)
{
	const struct engine_tensor *lo = call_input(call, 1), *hi = call_input(call, 2), *x = call->inputs[0];
	double lowest = lo ? tensor_real(lo, 0) : engine_attribute_number(call->attributes, "min", -INFINITY);
	double highest = hi ? tensor_real(hi, 0) : engine_attribute_number(call->attributes, "max", INFINITY);

	for (size_t i = 0; i < tensor_count(x); i++) {
		double value = tensor_real(x, i);

		if (type_is_real(x->type))
			tensor_put_real(call->outputs[0], i, fmin(fmax(value, lowest), highest));
		else if (hi && value > highest)
			tensor_copy(call->outputs[0], i, hi, 0);
		else if (lo && value < lowest)
			tensor_copy(call->outputs[0], i, lo, 0);
		else
			tensor_copy(call->outputs[0], i, x, i);
	}
	return 0;
}

/* ---- changes of type ---------------------------------------------------------------------------- */

/* Half and double numbers of a file are computed as float32. */
static int type_of_onnx(int64_t type)
{
	switch (type) {
	case 1:
	case 10:
	case 11:
		return ENGINE_F32;
	case 2:
		return ENGINE_U8;
	case 3:
		return ENGINE_S8;
	case 4:
		return ENGINE_U16;
	case 5:
		return ENGINE_S16;
	case 6:
		return ENGINE_S32;
	case 7:
		return ENGINE_S64;
	case 9:
		return ENGINE_BOOL;
	case 12:
		return ENGINE_U32;
	case 13:
		return ENGINE_U64;
	default:
		return -1;
	}
}

static int infer_cast(struct engine_call *call)
{
	int type = type_of_onnx(engine_attribute_integer(call->attributes, "to", 0));

	if (type < 0)
		return call_fail(call, -ENOTSUP, "makes tensors of a type that is not computed with");
	return call_set(call, 0, (enum engine_type)type, call->inputs[0]->rank, call->inputs[0]->dims);
}

static int infer_cast_like(struct engine_call *call)
{
	return call_set(call, 0, call->inputs[1]->type, call->inputs[0]->rank, call->inputs[0]->dims);
}

/* A dropout that is not learning passes its input on; the mask is all true. */
static int infer_dropout(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *ratio = call_input(call, 1), *training = call_input(call, 2);
	int r = infer_same(call);

	if (r == 0)
		r = call_set(call, 1, call->version < 10 ? x->type : ENGINE_BOOL, x->rank, x->dims);
	if (r < 0 || !training)
		return r;
	if (tensor_count(training) != 1 || (ratio && tensor_count(ratio) != 1))
		return call_fail(call, -EINVAL, "has no single ratio or mode");
	/* A run may turn out to be for training. */
	if (!training->data || (ratio && !ratio->data))
		return -EAGAIN;
	if (tensor_integer(training, 0) && (!ratio || tensor_real(ratio, 0) != 0.0))
		return call_fail(call, -ENOTSUP, "is for training");
	return 0;
}

static int run_dropout(struct engine_call *call)
{
	for (size_t i = 0; call->n_outputs > 1 && i < tensor_count(call->outputs[1]); i++)
		tensor_put_integer(call->outputs[1], i, 1);
	return run_identity(call);
}

OPERATOR(Abs, 1, 1, 1, infer_same, .run = run_abs);
OPERATOR(Acos, 1, 1, 1, infer_real, .run = run_acos);
OPERATOR(Acosh, 1, 1, 1, infer_real, .run = run_acosh);
OPERATOR(Asin, 1, 1, 1, infer_real, .run = run_asin);
OPERATOR(Asinh, 1, 1, 1, infer_real, .run = run_asinh);
OPERATOR(Atan, 1, 1, 1, infer_real, .run = run_atan);
OPERATOR(Atanh, 1, 1, 1, infer_real, .run = run_atanh);
OPERATOR(BitwiseNot, 1, 1, 1, infer_same, .run = run_bitwise_not);
OPERATOR(Cast, 1, 1, 1, infer_cast, .run = run_identity);
OPERATOR(CastLike, 2, 2, 1, infer_cast_like, .run = run_identity);
OPERATOR(Ceil, 1, 1, 1, infer_real, .run = run_ceil);
OPERATOR(Celu, 1, 1, 1, infer_real, .run = run_celu);
OPERATOR(Clip, 1, 3, 1, infer_clip, .run = run_clip);
OPERATOR(Cos, 1, 1, 1, infer_real, .run = run_cos);
OPERATOR(Cosh, 1, 1, 1, infer_real, .run = run_cosh);
OPERATOR(Dropout, 1, 3, 2, infer_dropout, .run = run_dropout);
OPERATOR(Elu, 1, 1, 1, infer_real, .run = run_elu);
OPERATOR(Erf, 1, 1, 1, infer_real, .run = run_erf);
OPERATOR(Exp, 1, 1, 1, infer_real, .run = run_exp);
OPERATOR(Floor, 1, 1, 1, infer_real, .run = run_floor);
OPERATOR(Gelu, 1, 1, 1, infer_real, .run = run_gelu);
OPERATOR(HardSigmoid, 1, 1, 1, infer_real, .run = run_hard_sigmoid);
OPERATOR(HardSwish, 1, 1, 1, infer_real, .run = run_hard_swish);
OPERATOR(Identity, 1, 1, 1, infer_same, .run = run_identity);
OPERATOR(IsInf, 1, 1, 1, infer_test, .run = run_is_inf);
OPERATOR(IsNaN, 1, 1, 1, infer_test, .run = run_is_nan);
OPERATOR(LeakyRelu, 1, 1, 1, infer_real, .run = run_leaky_relu);
OPERATOR(Log, 1, 1, 1, infer_real, .run = run_log);
OPERATOR(Mish, 1, 1, 1, infer_real, .run = run_mish);
OPERATOR(Neg, 1, 1, 1, infer_same, .run = run_neg);
OPERATOR(Not, 1, 1, 1, infer_same, .run = run_not);
OPERATOR(Reciprocal, 1, 1, 1, infer_real, .run = run_reciprocal);
OPERATOR(Relu, 1, 1, 1, infer_same, .run = run_relu);
OPERATOR(Round, 1, 1, 1, infer_real, .run = run_round);
OPERATOR(Selu, 1, 1, 1, infer_real, .run = run_selu);
OPERATOR(Shrink, 1, 1, 1, infer_same, .run = run_shrink);
OPERATOR(Sigmoid, 1, 1, 1, infer_real, .run = run_sigmoid);
OPERATOR(Sign, 1, 1, 1, infer_same, .run = run_sign);
OPERATOR(Sin, 1, 1, 1, infer_real, .run = run_sin);
OPERATOR(Sinh, 1, 1, 1, infer_real, .run = run_sinh);
OPERATOR(Softplus, 1, 1, 1, infer_real, .run = run_softplus);
OPERATOR(Softsign, 1, 1, 1, infer_real, .run = run_softsign);
OPERATOR(Sqrt, 1, 1, 1, infer_real, .run = run_sqrt);
OPERATOR(Tan, 1, 1, 1, infer_real, .run = run_tan);
OPERATOR(Tanh, 1, 1, 1, infer_real, .run = run_tanh);
OPERATOR(ThresholdedRelu, 1, 1, 1, infer_real, .run = run_thresholded_relu);
