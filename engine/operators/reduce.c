/* reduce.c - operators that take many elements for one: sums, means, extremes and where those are. */
#include <math.h>
#include <string.h>

#include "operators.h"

/* Which axes go; their bits, or a negative errno. */
static int axes_of(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t axes[ENGINE_RANK_MAX];
	int n = call_integers(call, "axes", call->n_inputs > 1 ? 1 : -1, ENGINE_RANK_MAX, axes), bits = 0;

	if (n < 0)
		return n;
	if (n == 0 && engine_attribute_integer(call->attributes, "noop_with_empty_axes", 0))
		return 0;
	for (int i = 0; i < n; i++) {
		int axis = call_axis(call, axes[i], x->rank);

		if (axis < 0)
			return axis;
		bits |= 1 << axis;
	}
	return n ? bits : (1 << x->rank) - 1;
}

static int infer_reduce(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	bool keep = engine_attribute_integer(call->attributes, "keepdims", 1) != 0;
	int32_t dims[ENGINE_RANK_MAX];
	int axes = axes_of(call), rank = 0;

	call->outputs[0]->type = x->type;
	if (axes < 0)
		return axes;
	for (int i = 0; i < x->rank; i++)
		if (!(axes >> i & 1) || keep)
			dims[rank++] = axes >> i & 1 ? 1 : x->dims[i];
	return call_set(call, 0, x->type, rank, dims);
}

/* How one element joins what there is so far, and what becomes of it after n of them. */
struct reduction {
	double start;
	double (*join)(double sum, double x);
	double (*finish)(double sum, double n);
};

/* Walks the elements that output element `at` is made of. */
static void open_window(struct odometer *o, const struct engine_tensor *x, int axes, size_t at)
{
	ptrdiff_t dense[ENGINE_RANK_MAX], stride[ENGINE_RANK_MAX], offset = 0;
	int32_t dims[ENGINE_RANK_MAX];
	int rank = 0;

	tensor_strides(x, dense);
	for (int i = x->rank - 1; i >= 0; i--) {
		if (axes >> i & 1)
			continue;
		offset += (ptrdiff_t)(at % (size_t)x->dims[i]) * dense[i];
		at /= (size_t)x->dims[i];
	}
	for (int i = 0; i < x->rank; i++)
		if (axes >> i & 1) {
			stride[rank] = dense[i];
			dims[rank++] = x->dims[i];
		}
	odometer_init(o, rank, dims);
	odometer_add_strides(o, stride, offset);
}

static int reduce(struct engine_call *call, const struct reduction *reduction)
{
	const struct engine_tensor *x = call->inputs[0];
	int axes = axes_of(call);

	if (axes < 0)
		return axes;
	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		double sum = reduction->start, n = 0;
		struct odometer o;

		for (open_window(&o, x, axes, i); !o.done; odometer_next(&o), n++)
			sum = reduction->join(sum, tensor_real(x, (size_t)o.offset[0]));
		tensor_put_real(call->outputs[0], i, reduction->finish ? reduction->finish(sum, n) : sum);
	}
	return 0;
}

static double join_sum(double sum, double x)
{
	return sum + x;
}

static double join_product(double sum, double x)
{
	return sum * x;
}

static double join_absolute(double sum, double x)
{
	return sum + fabs(x);
}

static double join_square(double sum, double x)
{
	return sum + x * x;
}

static double join_max(double sum, double x)
{
	return isnan(x) || x > sum ? x : sum;
}

static double join_min(double sum, double x)
{
	return isnan(x) || x < sum ? x : sum;
}

static double finish_mean(double sum, double n)
{
	return sum / n;
}

static double finish_root(double sum, double n)
{
	(void)n;
	return sqrt(sum);
}

static double finish_log(double sum, double n)
{
	(void)n;
	return log(sum);
}

#define REDUCTION(name, ...)                                                                                           \
	static int run_##name(struct engine_call *call)                                                                \
	{                                                                                                              \
		return reduce(call, &(struct reduction){__VA_ARGS__});                                                 \
	}

REDUCTION(sum, 0, join_sum, NULL)
REDUCTION(mean, 0, join_sum, finish_mean)
REDUCTION(product, 1, join_product, NULL)
REDUCTION(l1, 0, join_absolute, NULL)
REDUCTION(l2, 0, join_square, finish_root)
REDUCTION(sum_square, 0, join_square, NULL)
REDUCTION(log_sum, 0, join_sum, finish_log)
REDUCTION(max, -INFINITY, join_max, NULL)
REDUCTION(min, INFINITY, join_min, NULL)

/* The largest goes out first, so that nothing overflows. */
static int run_log_sum_exp(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int axes = axes_of(call);

	if (axes < 0)
		return axes;
	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		double most = -INFINITY, sum = 0;
		struct odometer o;

		for (open_window(&o, x, axes, i); !o.done; odometer_next(&o))
			most = fmax(most, tensor_real(x, (size_t)o.offset[0]));
		if (!isfinite(most))
			most = 0;
		for (open_window(&o, x, axes, i); !o.done; odometer_next(&o))
			sum += exp(tensor_real(x, (size_t)o.offset[0]) - most);
		tensor_put_real(call->outputs[0], i, most + log(sum));
	}
	return 0;
}

/* ---- where an extreme is ------------------------------------------------------------------------ */

static int infer_arg(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	bool keep = engine_attribute_integer(call->attributes, "keepdims", 1) != 0;
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank), rank = 0;
	int32_t dims[ENGINE_RANK_MAX];

	if (axis < 0)
		return axis;
	if (x->dims[axis] < 1)
		return call_fail(call, -EINVAL, "looks for an extreme among nothing");
	for (int i = 0; i < x->rank; i++)
		if (i != axis || keep)
			dims[rank++] = i == axis ? 1 : x->dims[i];
	return call_set(call, 0, ENGINE_S64, rank, dims);
}

static int arg(struct engine_call *call, double sign)
{
	const struct engine_tensor *x = call->inputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", 0), x->rank);
	bool last = engine_attribute_integer(call->attributes, "select_last_index", 0) != 0;
	size_t n = (size_t)x->dims[axis], inner = tensor_span(x, axis + 1, x->rank);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		size_t start = i / inner * inner * n + i % inner, best = 0;

		for (size_t k = 1; k < n; k++) {
			double more = sign * (tensor_real(x, start + k * inner) - tensor_real(x, start + best * inner));

			if (more > 0 || (last && more == 0))
				best = k;
		}
		tensor_put_integer(call->outputs[0], i, (int64_t)best);
	}
	return 0;
}

static int run_arg_max(struct engine_call *call)
{
	return arg(call, 1);
}

static int run_arg_min(struct engine_call *call)
{
	return arg(call, -1);
}

/* ---- running sums ------------------------------------------------------------------------------- */

static int infer_cumulate(struct engine_call *call)
{
	if (tensor_count(call->inputs[1]) != 1)
		return call_fail(call, -EINVAL, "has no single axis");
	return call_set_like(call, 0, call->inputs[0]);
}

static int run_cum_sum(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int axis = call_axis(call, tensor_integer(call->inputs[1], 0), x->rank);
	bool exclusive = engine_attribute_integer(call->attributes, "exclusive", 0) != 0;
	bool reverse = engine_attribute_integer(call->attributes, "reverse", 0) != 0;
	size_t n, inner;

	if (axis < 0)
		return axis;
	n = (size_t)x->dims[axis];
	inner = tensor_span(x, axis + 1, x->rank);
	for (size_t i = 0; n && i < tensor_count(x) / n; i++) {
		size_t start = i / inner * inner * n + i % inner;
		double sum = 0;

		for (size_t k = 0; k < n; k++) {
			size_t at = start + (reverse ? n - 1 - k : k) * inner;

			if (exclusive)
				tensor_put_real(call->outputs[0], at, sum);
			sum += tensor_real(x, at);
			if (!exclusive)
				tensor_put_real(call->outputs[0], at, sum);
		}
	}
	return 0;
}

/* ---- over all of an image ----------------------------------------------------------------------- */

static int infer_global(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int32_t dims[ENGINE_RANK_MAX];

	if (x->rank < 2)
		return call_fail(call, -EINVAL, "pools %d axes", x->rank);
	for (int i = 0; i < x->rank; i++)
		dims[i] = i < 2 ? x->dims[i] : 1;
	return call_set(call, 0, x->type, x->rank, dims);
}

static int pool(struct engine_call *call, const struct reduction *reduction)
{
	const struct engine_tensor *x = call->inputs[0];
	size_t n = tensor_span(x, 2, x->rank);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		double sum = reduction->start;

		for (size_t k = 0; k < n; k++)
			sum = reduction->join(sum, tensor_real(x, i * n + k));
		tensor_put_real(call->outputs[0], i, reduction->finish ? reduction->finish(sum, (double)n) : sum);
	}
	return 0;
}

static int run_global_average(struct engine_call *call)
{
	return pool(call, &(struct reduction){0, join_sum, finish_mean});
}

static int run_global_max(struct engine_call *call)
{
	return pool(call, &(struct reduction){-INFINITY, join_max, NULL});
}

static int run_global_lp(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	double p = (double)engine_attribute_integer(call->attributes, "p", 2);
	size_t n = tensor_span(x, 2, x->rank);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		double sum = 0;

		for (size_t k = 0; k < n; k++)
			sum += pow(fabs(tensor_real(x, i * n + k)), p);
		tensor_put_real(call->outputs[0], i, pow(sum, 1 / p));
	}
	return 0;
}

OPERATOR(ArgMax, 1, 1, 1, infer_arg, .run = run_arg_max);
OPERATOR(ArgMin, 1, 1, 1, infer_arg, .run = run_arg_min);
OPERATOR(CumSum, 2, 2, 1, infer_cumulate, .run = run_cum_sum);
OPERATOR(GlobalAveragePool, 1, 1, 1, infer_global, .run = run_global_average);
OPERATOR(GlobalLpPool, 1, 1, 1, infer_global, .run = run_global_lp);
OPERATOR(GlobalMaxPool, 1, 1, 1, infer_global, .run = run_global_max);
OPERATOR(ReduceL1, 1, 2, 1, infer_reduce, .run = run_l1);
OPERATOR(ReduceL2, 1, 2, 1, infer_reduce, .run = run_l2);
OPERATOR(ReduceLogSum, 1, 2, 1, infer_reduce, .run = run_log_sum);
OPERATOR(ReduceLogSumExp, 1, 2, 1, infer_reduce, .run = run_log_sum_exp);
OPERATOR(ReduceMax, 1, 2, 1, infer_reduce, .run = run_max);
OPERATOR(ReduceMean, 1, 2, 1, infer_reduce, .run = run_mean);
OPERATOR(ReduceMin, 1, 2, 1, infer_reduce, .run = run_min);
OPERATOR(ReduceProd, 1, 2, 1, infer_reduce, .run = run_product);
OPERATOR(ReduceSum, 1, 2, 1, infer_reduce, .run = run_sum);
OPERATOR(ReduceSumSquare, 1, 2, 1, infer_reduce, .run = run_sum_square);
