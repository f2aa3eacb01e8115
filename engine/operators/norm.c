/* norm.c - normalisations, and softmax and its kin. */
#include <math.h>

#include "operators.h"

static int want_list(struct engine_call *call, int i, int32_t n)
{
	const struct engine_tensor *list = call_input(call, i);

	return !list || tensor_count(list) == (size_t)n
		       ? 0
		       : call_fail(call, -EINVAL, "has %zu numbers for %d as input %d", tensor_count(list), n, i);
}

/* Mean and variance of n elements. */
static void moments(const struct engine_tensor *x, size_t first, size_t n, size_t step, double *ret_mean,
		    double *ret_variance)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++)
		sum += tensor_real(x, first + i * step);
	*ret_mean = sum / (double)n;
	for (size_t i = 0; i < n; i++) {
		double d = tensor_real(x, first + i * step) - *ret_mean;

		squares += d * d;
	}
	*ret_variance = squares / (double)n;
}

/* ---- BatchNormalization: x, scale, bias, mean, variance ----------------------------------------- */

static int infer_batch(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int r = 0;

	if (engine_attribute_integer(call->attributes, "training_mode", 0) || call->n_outputs > 1)
		return call_fail(call, -ENOTSUP, "is for training");
	for (int i = 1; i < 5 && r == 0; i++)
		r = want_list(call, i, x->rank > 1 ? x->dims[1] : 1);
	return r < 0 ? r : call_set_like(call, 0, x);
}

static int run_batch(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	double epsilon = engine_attribute_number(call->attributes, "epsilon", 1e-5);
	size_t inner = x->rank > 1 ? tensor_span(x, 2, x->rank) : 1, channels = x->rank > 1 ? (size_t)x->dims[1] : 1;

	for (size_t i = 0; i < tensor_count(x); i++) {
		size_t c = i / inner % channels;
		double scale = tensor_real(call->inputs[1], c) / sqrt(tensor_real(call->inputs[4], c) + epsilon);

		tensor_put_real(call->outputs[0], i,
				(tensor_real(x, i) - tensor_real(call->inputs[3], c)) * scale +
					tensor_real(call->inputs[2], c));
	}
	return 0;
}

/* ---- InstanceNormalization and GroupNormalization: x, scale, bias -------------------------------- */

static int infer_instance(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int r;

	if (x->rank < 2)
		return call_fail(call, -EINVAL, "has no channels");
	r = want_list(call, 1, x->dims[1]);
	if (r == 0)
		r = want_list(call, 2, x->dims[1]);
	return r < 0 ? r : call_set_like(call, 0, x);
}

/* Each of `groups` stretches of channels by itself; per_group: scale and bias are of groups, not of channels. */
static void normalize_groups(struct engine_call *call, size_t groups, bool per_group)
{
	const struct engine_tensor *x = call->inputs[0];
	double epsilon = engine_attribute_number(call->attributes, "epsilon", 1e-5), mean, variance;
	size_t plane = tensor_span(x, 2, x->rank), channels = (size_t)x->dims[1], n = channels / groups * plane;

	for (size_t g = 0; n && g < tensor_count(x) / n; g++) {
		moments(x, g * n, n, 1, &mean, &variance);
		for (size_t i = g * n; i < (g + 1) * n; i++) {
			size_t at = per_group ? g % groups : i / plane % channels;

			tensor_put_real(call->outputs[0], i,
					(tensor_real(x, i) - mean) / sqrt(variance + epsilon) *
							tensor_real(call->inputs[1], at) +
						tensor_real(call->inputs[2], at));
		}
	}
}

static int run_instance(struct engine_call *call)
{
	normalize_groups(call, (size_t)call->inputs[0]->dims[1], false);
	return 0;
}

static int infer_group(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t groups = engine_attribute_integer(call->attributes, "num_groups", 0);
	int r;

	if (x->rank < 2 || groups < 1 || x->dims[1] % groups)
		return call_fail(call, -EINVAL, "has %lld groups", (long long)groups);
	/* Factors are of groups up to opset 20. */
	r = want_list(call, 1, call->version < 21 ? (int32_t)groups : x->dims[1]);
	if (r == 0)
		r = want_list(call, 2, call->version < 21 ? (int32_t)groups : x->dims[1]);
	return r < 0 ? r : call_set_like(call, 0, x);
}

static int run_group(struct engine_call *call)
{
	normalize_groups(call, (size_t)engine_attribute_integer(call->attributes, "num_groups", 1), call->version < 21);
	return 0;
}

/* ---- LayerNormalization: x, scale, [bias] -> y, [mean], [1 / deviation] -------------------------- */

static int infer_layer(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", -1), x->rank), r;
	struct engine_tensor whole = *x, moments_shape = *x;

	if (axis < 0)
		return axis;
	for (int i = 1; i < call->n_inputs; i++) {
		r = call->inputs[i] ? call_broadcast(call, &whole, call->inputs[i]) : 0;
		if (r < 0 || tensor_count(&whole) != tensor_count(x))
			return r < 0 ? r : call_fail(call, -EINVAL, "has factors of another shape");
	}
	for (int i = axis; i < x->rank; i++)
		moments_shape.dims[i] = 1;
	r = call_set_like(call, 0, x);
	for (int i = 1; i < 3 && r == 0; i++)
		r = call_set_like(call, i, &moments_shape);
	return r;
}

static int run_layer(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *bias = call_input(call, 2);
	double epsilon = engine_attribute_number(call->attributes, "epsilon", 1e-5), mean = 0, variance = 0;
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", -1), x->rank);
	size_t n = tensor_span(x, axis, x->rank);
	struct odometer o;

	odometer_init(&o, x->rank, x->dims);
	odometer_add(&o, call->inputs[1]);
	if (bias)
		odometer_add(&o, bias);
	for (; !o.done; odometer_next(&o)) {
		if (o.index % n == 0) {
			moments(x, o.index, n, 1, &mean, &variance);
			if (call->n_outputs > 1)
				tensor_put_real(call->outputs[1], o.index / n, mean);
			if (call->n_outputs > 2)
				tensor_put_real(call->outputs[2], o.index / n, 1 / sqrt(variance + epsilon));
		}
		tensor_put_real(call->outputs[0], o.index,
				(tensor_real(x, o.index) - mean) / sqrt(variance + epsilon) *
						tensor_real(call->inputs[1], (size_t)o.offset[0]) +
					(bias ? tensor_real(bias, (size_t)o.offset[1]) : 0));
	}
	return 0;
}

/* ---- LRN: across neighbouring channels ---------------------------------------------------------- */

static int infer_lrn(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t size = engine_attribute_integer(call->attributes, "size", 0);

	if (x->rank < 2 || size < 1)
		return call_fail(call, -EINVAL, "has no channels or no size");
	call->macs = (uint64_t)tensor_count(x) * (uint64_t)(size < x->dims[1] ? size : x->dims[1]);
	return call_set_like(call, 0, call->inputs[0]);
}

static int run_lrn(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	double alpha = engine_attribute_number(call->attributes, "alpha", 1e-4);
	double beta = engine_attribute_number(call->attributes, "beta", 0.75);
	double bias = engine_attribute_number(call->attributes, "bias", 1);
	int64_t size = engine_attribute_integer(call->attributes, "size", 1);
	int64_t plane = (int64_t)tensor_span(x, 2, x->rank), channels = x->dims[1];

	size = size > 2 * channels + 1 ? 2 * channels + 1 : size;
	for (size_t i = 0; i < tensor_count(x); i++) {
		int64_t c = (int64_t)i / plane % channels, from = c - (size - 1) / 2, to = c + size / 2;
		double sum = 0;

		for (int64_t k = from < 0 ? 0 : from; k <= to && k < channels; k++) {
			double value = tensor_real(x, (size_t)((int64_t)i + (k - c) * plane));

			sum += value * value;
		}
		tensor_put_real(
			call->outputs[0], i,
			tensor_real(x, i) /
				pow(bias + alpha / (double)engine_attribute_integer(call->attributes, "size", 1) * sum,
				    beta));
	}
	return 0;
}

/* ---- over some axes ----------------------------------------------------------------------------- */

static int infer_mean_variance(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t axes[ENGINE_RANK_MAX];
	int n = call_integers(call, "axes", -1, ENGINE_RANK_MAX, axes);

	for (int i = 0; i < n; i++)
		if (call_axis(call, axes[i], x->rank) < 0)
			return -EINVAL;
	if (n == 0 && x->rank != 4)
		return call_fail(call, -EINVAL, "has no axes");
	return n < 0 ? n : call_set_like(call, 0, x);
}

static int run_mean_variance(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t axes[ENGINE_RANK_MAX] = {0, 2, 3};
	int n = call_integers(call, "axes", -1, ENGINE_RANK_MAX, axes);
	ptrdiff_t dense[ENGINE_RANK_MAX], outer_stride[ENGINE_RANK_MAX] = {0}, inner_stride[ENGINE_RANK_MAX] = {0};
	int32_t outer_dims[ENGINE_RANK_MAX], inner_dims[ENGINE_RANK_MAX];
	struct odometer outer, inner;
	unsigned taken = 0;

	for (int i = 0; i < (n ? n : 3); i++)
		taken |= 1u << call_axis(call, axes[i], x->rank);
	tensor_strides(x, dense);
	for (int i = 0; i < x->rank; i++) {
		bool in = taken >> i & 1;

		inner_dims[i] = in ? x->dims[i] : 1;
		outer_dims[i] = in ? 1 : x->dims[i];
		inner_stride[i] = outer_stride[i] = dense[i];
	}
	odometer_init(&outer, x->rank, outer_dims);
	odometer_add_strides(&outer, outer_stride, 0);
	for (; !outer.done; odometer_next(&outer)) {
		double sum = 0, squares = 0, count = 0, mean, deviation;

		odometer_init(&inner, x->rank, inner_dims);
		odometer_add_strides(&inner, inner_stride, outer.offset[0]);
		for (; !inner.done; odometer_next(&inner), count++)
			sum += tensor_real(x, (size_t)inner.offset[0]);
		mean = sum / count;
		odometer_init(&inner, x->rank, inner_dims);
		odometer_add_strides(&inner, inner_stride, outer.offset[0]);
		for (; !inner.done; odometer_next(&inner))
			squares += pow(tensor_real(x, (size_t)inner.offset[0]) - mean, 2);
		deviation = sqrt(squares / count) + 1e-9;
		odometer_init(&inner, x->rank, inner_dims);
		odometer_add_strides(&inner, inner_stride, outer.offset[0]);
		for (; !inner.done; odometer_next(&inner))
			tensor_put_real(call->outputs[0], (size_t)inner.offset[0],
					(tensor_real(x, (size_t)inner.offset[0]) - mean) / deviation);
	}
	return 0;
}

/* ---- along one axis ----------------------------------------------------------------------------- */

struct rows {
	size_t count, n, step; /* rows, their elements, and how far apart those are */
};

/* Up to opset 12 softmax and its kin take all axes from the given one on as one. */
static int read_rows(struct engine_call *call, bool coerced, struct rows *rows)
{
	const struct engine_tensor *x = call->inputs[0];
	int axis = call_axis(call, engine_attribute_integer(call->attributes, "axis", coerced ? 1 : -1), x->rank);

	if (axis < 0)
		return axis;
	rows->n = coerced ? tensor_span(x, axis, x->rank) : (size_t)x->dims[axis];
	rows->step = coerced ? 1 : tensor_span(x, axis + 1, x->rank);
	rows->count = rows->n ? tensor_count(x) / rows->n : 0;
	return 0;
}

static size_t row_start(const struct rows *rows, size_t row)
{
	return row / rows->step * rows->step * rows->n + row % rows->step;
}

static bool is_coerced(const struct engine_call *call)
{
	return call->version && call->version < 13;
}

static int infer_rows(struct engine_call *call)
{
	struct rows rows;
	int r = read_rows(call, is_coerced(call), &rows);

	return r < 0 ? r : call_set_like(call, 0, call->inputs[0]);
}

static int softmax(struct engine_call *call, bool logarithm)
{
	const struct engine_tensor *x = call->inputs[0];
	struct rows rows;
	int r = read_rows(call, is_coerced(call), &rows);

	if (r < 0)
		return r;
	for (size_t row = 0; row < rows.count; row++) {
		size_t start = row_start(&rows, row);
		double most = -INFINITY, sum = 0;

		for (size_t i = 0; i < rows.n; i++)
			most = fmax(most, tensor_real(x, start + i * rows.step));
		for (size_t i = 0; i < rows.n; i++)
			sum += exp(tensor_real(x, start + i * rows.step) - most);
		for (size_t i = 0; i < rows.n; i++) {
			double value = tensor_real(x, start + i * rows.step) - most;

			tensor_put_real(call->outputs[0], start + i * rows.step,
					logarithm ? value - log(sum) : exp(value) / sum);
		}
	}
	return 0;
}

static int run_softmax(struct engine_call *call)
{
	return softmax(call, false);
}

static int run_log_softmax(struct engine_call *call)
{
	return softmax(call, true);
}

static int run_hardmax(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct rows rows;
	int r = read_rows(call, is_coerced(call), &rows);

	if (r < 0)
		return r;
	for (size_t row = 0; row < rows.count; row++) {
		size_t start = row_start(&rows, row), best = 0;

		for (size_t i = 1; i < rows.n; i++)
			if (tensor_real(x, start + i * rows.step) > tensor_real(x, start + best * rows.step))
				best = i;
		for (size_t i = 0; i < rows.n; i++)
			tensor_put_real(call->outputs[0], start + i * rows.step, i == best);
	}
	return 0;
}

static int infer_lp(struct engine_call *call)
{
	struct rows rows;
	int r = read_rows(call, false, &rows);

	return r < 0 ? r : call_set_like(call, 0, call->inputs[0]);
}

static int run_lp(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	double p = (double)engine_attribute_integer(call->attributes, "p", 2);
	struct rows rows;
	int r = read_rows(call, false, &rows);

	if (r < 0)
		return r;
	for (size_t row = 0; row < rows.count; row++) {
		size_t start = row_start(&rows, row);
		double sum = 0;

		for (size_t i = 0; i < rows.n; i++)
			sum += pow(fabs(tensor_real(x, start + i * rows.step)), p);
		sum = pow(sum, 1 / p);
		for (size_t i = 0; i < rows.n; i++)
			tensor_put_real(call->outputs[0], start + i * rows.step,
					sum == 0 ? 0 : tensor_real(x, start + i * rows.step) / sum);
	}
	return 0;
}

OPERATOR(BatchNormalization, 5, 5, 5, infer_batch, .run = run_batch);
OPERATOR(GroupNormalization, 3, 3, 1, infer_group, .run = run_group);
OPERATOR(Hardmax, 1, 1, 1, infer_rows, .run = run_hardmax);
OPERATOR(InstanceNormalization, 3, 3, 1, infer_instance, .run = run_instance);
OPERATOR(LRN, 1, 1, 1, infer_lrn, .run = run_lrn);
OPERATOR(LayerNormalization, 2, 3, 3, infer_layer, .run = run_layer);
OPERATOR(LogSoftmax, 1, 1, 1, infer_rows, .run = run_log_softmax);
OPERATOR(LpNormalization, 1, 1, 1, infer_lp, .run = run_lp);
OPERATOR(MeanVarianceNormalization, 1, 1, 1, infer_mean_variance, .run = run_mean_variance);
OPERATOR(Softmax, 1, 1, 1, infer_rows, .run = run_softmax);
