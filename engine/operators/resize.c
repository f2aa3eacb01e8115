/* resize.c - Resize in all its modes, and sampling at places that a tensor names. */
#include <math.h>
#include <string.h>

#include "operators.h"

#define TAPS_MAX 256 /* elements of one axis that one output element is made of */

enum mode { NEAREST, LINEAR, CUBIC };

struct axis {
	int32_t in, out;
	double scale, length; /* out as it would be without rounding */
	double roi_from, roi_to;
};

struct resize {
	enum mode mode;
	const char *coordinates, *nearest;
	double cubic, extrapolation;
	bool exclude_outside, antialias;
	struct axis axes[ENGINE_RANK_MAX];
};

static int read_modes(struct engine_call *call, struct resize *resize)
{
	const char *mode = engine_attribute_text(call->attributes, "mode", "nearest");

	resize->mode = !strcmp(mode, "nearest") ? NEAREST : !strcmp(mode, "cubic") ? CUBIC : LINEAR;
	resize->coordinates = engine_attribute_text(call->attributes, "coordinate_transformation_mode",
						    call->version > 10 ? "half_pixel" : "asymmetric");
	resize->nearest = engine_attribute_text(call->attributes, "nearest_mode",
						call->version > 10 ? "round_prefer_floor" : "floor");
	resize->cubic = engine_attribute_number(call->attributes, "cubic_coeff_a", -0.75);
	resize->extrapolation = engine_attribute_number(call->attributes, "extrapolation_value", 0);
	resize->exclude_outside = engine_attribute_integer(call->attributes, "exclude_outside", 0) != 0;
	resize->antialias = engine_attribute_integer(call->attributes, "antialias", 0) != 0;
	if (resize->mode == LINEAR && strcmp(mode, "linear") && strcmp(mode, "bilinear"))
		return call_fail(call, -ENOTSUP, "has mode %.20s", mode);
	return 0;
}

/* The real numbers of an input that is not empty; their count, 0 where there is none. */
static int numbers_of(struct engine_call *call, int i, int max, double *ret)
{
	const struct engine_tensor *list = call_input(call, i);

	if (!list || !tensor_count(list))
		return 0;
	if (tensor_count(list) > (size_t)max)
		return call_fail(call, -EINVAL, "has %zu numbers as input %d", tensor_count(list), i);
	if (!list->data)
		return -EAGAIN;
	for (size_t k = 0; k < tensor_count(list); k++)
		ret[k] = tensor_real(list, k);
	return (int)tensor_count(list);
}

/* One factor for all sides that are resized, so that the picture keeps its proportions. */
static void keep_proportions(const char *policy, const int *which, int n, double *sizes, struct resize *resize)
{
	bool larger = !strcmp(policy, "not_smaller");
	double scale = 0;

	for (int i = 0; i < n; i++) {
		double factor = sizes[i] / resize->axes[which[i]].in;

		if (i == 0 || (larger ? factor > scale : factor < scale))
			scale = factor;
	}
	for (int i = 0; i < n; i++) {
		resize->axes[which[i]].scale = scale;
		sizes[i] = floor(scale * resize->axes[which[i]].in + 0.5);
	}
}

static int read_sides(struct engine_call *call, struct resize *resize)
{
	const struct engine_tensor *x = call->inputs[0];
	bool upsample = call->version < 10, old = call->version < 11;
	const char *policy = engine_attribute_text(call->attributes, "keep_aspect_ratio_policy", "stretch");
	double roi[2 * ENGINE_RANK_MAX], scales[ENGINE_RANK_MAX], sizes[ENGINE_RANK_MAX];
	int64_t axes[ENGINE_RANK_MAX];
	int which[ENGINE_RANK_MAX], n_axes = call_integers(call, "axes", -1, ENGINE_RANK_MAX, axes), n_roi, n_scales,
				    n_sizes, n;

	if (n_axes < 0)
		return n_axes;
	n = n_axes ? n_axes : x->rank;
	for (int i = 0; i < n; i++) {
		which[i] = call_axis(call, n_axes ? axes[i] : i, x->rank);
		if (which[i] < 0)
			return which[i];
	}
	n_roi = old ? 0 : numbers_of(call, 1, 2 * ENGINE_RANK_MAX, roi);
	n_scales = numbers_of(call, old ? 1 : 2, ENGINE_RANK_MAX, scales);
	n_sizes = old ? 0 : numbers_of(call, 3, ENGINE_RANK_MAX, sizes);
	if (upsample && !call_input(call, 1)) {
		const double *given = engine_attribute_numbers(call->attributes, "scales", &n_scales);

		if (n_scales > ENGINE_RANK_MAX)
			return call_fail(call, -EINVAL, "has %d scales", n_scales);
		for (int i = 0; i < n_scales; i++)
			scales[i] = given[i];
	}
	if (n_roi < 0 || n_scales < 0 || n_sizes < 0)
		return n_roi < 0 ? n_roi : n_scales < 0 ? n_scales : n_sizes;
	if ((n_sizes ? n_sizes != n : n_scales != n) || (n_roi && n_roi != 2 * n))
		return call_fail(call, -EINVAL, "has %d scales and %d sizes for %d axes", n_scales, n_sizes, n);
	for (int i = 0; i < x->rank; i++)
		resize->axes[i] = (struct axis){x->dims[i], x->dims[i], 1, x->dims[i], 0, 1};
	if (n_sizes && strcmp(policy, "stretch"))
		keep_proportions(policy, which, n, sizes, resize);
	for (int i = 0; i < n; i++) {
		struct axis *axis = &resize->axes[which[i]];

		if (n_sizes) {
			axis->length = sizes[i];
			if (!strcmp(policy, "stretch"))
				axis->scale = sizes[i] / axis->in;
		} else {
			axis->scale = scales[i];
			axis->length = axis->in * scales[i];
		}
		if (!(axis->scale > 0) || !(axis->length >= 1) || axis->length > INT32_MAX || axis->in < 1)
			return call_fail(call, -EINVAL, "makes a side of %g", axis->length);
		/* A product that a float32 scale brought just below a whole number is that number. */
		axis->out = (int32_t)floor(axis->length + 1e-5);
		if (n_roi) {
			axis->roi_from = roi[i];
			axis->roi_to = roi[n + i];
		}
	}
	return 0;
}

static int read_resize(struct engine_call *call, struct resize *resize)
{
	int r = read_modes(call, resize);

	return r < 0 ? r : read_sides(call, resize);
}

static int infer_resize(struct engine_call *call)
{
	struct engine_tensor shape = *call->inputs[0];
	struct resize resize;
	int r;

	call->outputs[0]->type = shape.type;
	r = read_resize(call, &resize);
	for (int i = 0; r == 0 && i < shape.rank; i++) {
		double reach = (resize.mode == CUBIC ? 4 : 2) / fmin(resize.axes[i].scale, 1);

		if (resize.antialias && resize.mode != NEAREST && reach > TAPS_MAX - 4)
			return call_fail(call, -ENOTSUP, "shrinks by too much");
		shape.dims[i] = resize.axes[i].out;
	}
	return r < 0 ? r : call_set_like(call, 0, &shape);
}

/* The place in the input that output element i of an axis stands for. */
static double source_of(const struct resize *resize, const struct axis *axis, int32_t i)
{
	const char *mode = resize->coordinates;

	if (!strcmp(mode, "asymmetric"))
		return i / axis->scale;
	if (!strcmp(mode, "align_corners"))
		return axis->length <= 1 ? 0 : i * (axis->in - 1) / (axis->length - 1);
	if (!strcmp(mode, "tf_half_pixel_for_nn"))
		return (i + 0.5) / axis->scale;
	if (!strcmp(mode, "pytorch_half_pixel"))
		return axis->length <= 1 ? -0.5 : (i + 0.5) / axis->scale - 0.5;
	if (!strcmp(mode, "half_pixel_symmetric"))
		return axis->in / 2.0 * (1 - axis->out / axis->length) + (i + 0.5) / axis->scale - 0.5;
	if (!strcmp(mode, "tf_crop_and_resize")) {
		double part = axis->roi_to - axis->roi_from;

		return axis->roi_from * (axis->in - 1) +
		       (axis->length <= 1 ? part * (axis->in - 1) / 2 : i * part * (axis->in - 1) / (axis->length - 1));
	}
	return (i + 0.5) / axis->scale - 0.5;
}

struct taps {
	int n, first; /* elements first..first+n-1, which may lie outside */
	double weights[TAPS_MAX];
	bool outside; /* the extrapolation value */
};

/* Keys' cubic kernel. */
static double cubic_at(double a, double x)
{
	x = fabs(x);
	if (x <= 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static int32_t nearest_of(const char *mode, double at)
{
	if (!strcmp(mode, "floor"))
		return (int32_t)floor(at);
	if (!strcmp(mode, "ceil"))
		return (int32_t)ceil(at);
	return (int32_t)(!strcmp(mode, "round_prefer_ceil") ? floor(at + 0.5) : ceil(at - 0.5));
}

static void find_taps(const struct resize *resize, const struct axis *axis, int32_t i, struct taps *taps)
{
	double at = source_of(resize, axis, i), shrink = resize->antialias ? fmin(axis->scale, 1) : 1, sum = 0;
	int reach = resize->mode == CUBIC ? 2 : 1;

	taps->outside = !strcmp(resize->coordinates, "tf_crop_and_resize") && (at < 0 || at > axis->in - 1);
	if (axis->in == axis->out && axis->scale == 1 && strcmp(resize->coordinates, "tf_crop_and_resize")) {
		*taps = (struct taps){.n = 1, .first = i, .weights = {1}};
		return;
	}
	if (resize->mode == NEAREST) {
		taps->n = 1;
		taps->first = nearest_of(resize->nearest, at);
		taps->weights[0] = 1;
		return;
	}
	taps->first = (int)floor(at) + (int)floor(-reach / shrink) + 1;
	taps->n = 2 * ((int)floor(at) - taps->first + 1);
	for (int k = 0; k < taps->n; k++) {
		double distance = (taps->first + k - at) * shrink;

		taps->weights[k] =
			resize->mode == CUBIC ? cubic_at(resize->cubic, distance) : fmax(0, 1 - fabs(distance));
		if (resize->exclude_outside && (taps->first + k < 0 || taps->first + k >= axis->in))
			taps->weights[k] = 0;
		sum += taps->weights[k];
	}
	for (int k = 0; k < taps->n && sum != 0 && (resize->exclude_outside || resize->antialias); k++)
		taps->weights[k] /= sum;
}

static int32_t inside(int32_t at, int32_t side)
{
	return at < 0 ? 0 : at >= side ? side - 1 : at;
}

/* The sum over axes from..rank-1 of the input, weighted. */
static double weigh(const struct engine_tensor *x, const struct taps *taps, const ptrdiff_t *stride, int axis,
		    ptrdiff_t at)
{
	double sum = 0;

	if (axis == x->rank)
		return tensor_real(x, (size_t)at);
	for (int k = 0; k < taps[axis].n; k++)
		if (taps[axis].weights[k] != 0)
			sum += taps[axis].weights[k] *
			       weigh(x, taps, stride, axis + 1,
				     at + inside(taps[axis].first + k, x->dims[axis]) * stride[axis]);
	return sum;
}

static int run_resize(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	struct taps taps[ENGINE_RANK_MAX];
	ptrdiff_t stride[ENGINE_RANK_MAX];
	struct resize resize;
	struct odometer o;
	int r = read_resize(call, &resize);

	if (r < 0)
		return r;
	tensor_strides(x, stride);
	odometer_init(&o, x->rank, call->outputs[0]->dims);
	for (; !o.done; odometer_next(&o)) {
		bool outside = false;

		/* Axes whose index has moved since the last element: those behind the last that is not 0. */
		for (int i = x->rank - 1; i >= 0; i--) {
			find_taps(&resize, &resize.axes[i], o.at[i], &taps[i]);
			if (o.at[i])
				break;
		}
		for (int i = 0; i < x->rank; i++)
			outside |= taps[i].outside;
		tensor_put_real(call->outputs[0], o.index,
				outside ? resize.extrapolation : weigh(x, taps, stride, 0, 0));
	}
	return 0;
}

/* ---- GridSample --------------------------------------------------------------------------------- */

static int infer_grid_sample(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *grid = call->inputs[1];
	int32_t dims[ENGINE_RANK_MAX];

	if (x->rank < 3 || grid->rank != x->rank || grid->dims[grid->rank - 1] != x->rank - 2 ||
	    grid->dims[0] != x->dims[0] || !type_is_real(grid->type))
		return call_fail(call, -EINVAL, "has a grid that does not fit its input");
	for (int i = 2; i < x->rank; i++)
		if (x->dims[i] < 1)
			return call_fail(call, -EINVAL, "samples nothing");
	dims[0] = x->dims[0];
	dims[1] = x->dims[1];
	for (int i = 2; i < x->rank; i++)
		dims[i] = grid->dims[i - 1];
	return call_set(call, 0, x->type, x->rank, dims);
}

/* A place beyond the borders thrown back between lo and hi. */
static double reflect(double at, double lo, double hi)
{
	double span = hi - lo, over;

	if (span <= 0)
		return lo;
	over = fmod(fabs(at - lo), 2 * span);
	return lo + (over > span ? 2 * span - over : over);
}

struct sampler {
	enum mode mode;
	char padding; /* 'z'eros, 'b'order, 'r'eflection */
	bool align_corners;
	int n; /* axes */
	const int32_t *dims;
};

/* Index of one axis, -1: a zero. */
static int64_t sample_index(const struct sampler *s, int axis, double at)
{
	int32_t side = s->dims[axis];

	if (s->padding == 'r')
		at = s->align_corners ? reflect(at, 0, side - 1) : reflect(at, -0.5, side - 0.5);
	if (s->padding != 'z')
		at = fmin(fmax(at, 0), side - 1);
	return at >= 0 && at < side ? (int64_t)at : -1;
}

static double sample(const struct sampler *s, const struct engine_tensor *x, size_t plane, const double *at, int axis,
		     int64_t offset)
{
	double low, sum = 0;

	if (axis == s->n)
		return tensor_real(x, plane + (size_t)offset);
	if (s->mode == NEAREST) {
		int64_t index = sample_index(s, axis, rint(at[axis]));

		return index < 0 ? 0 : sample(s, x, plane, at, axis + 1, offset * s->dims[axis] + index);
	}
	low = floor(at[axis]);
	for (int k = s->mode == CUBIC ? -1 : 0; k <= (s->mode == CUBIC ? 2 : 1); k++) {
		double weight = s->mode == CUBIC ? cubic_at(-0.75, at[axis] - low - k) : 1 - fabs(at[axis] - low - k);
		int64_t index = sample_index(s, axis, low + k);

		if (index >= 0 && weight != 0)
			sum += weight * sample(s, x, plane, at, axis + 1, offset * s->dims[axis] + index);
	}
	return sum;
}

static int run_grid_sample(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *grid = call->inputs[1];
	const char *mode = engine_attribute_text(call->attributes, "mode", "bilinear");
	struct sampler s = {
		.mode = strstr(mode, "cubic")	 ? CUBIC
			: strstr(mode, "linear") ? LINEAR
						 : NEAREST,
		.padding = engine_attribute_text(call->attributes, "padding_mode", "zeros")[0],
		.align_corners = engine_attribute_integer(call->attributes, "align_corners", 0) != 0,
		.n = x->rank - 2,
		.dims = x->dims + 2,
	};
	size_t points = tensor_span(grid, 1, grid->rank - 1), plane = tensor_span(x, 2, x->rank);

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		size_t image = i / points / (size_t)x->dims[1], point = (image * points + i % points) * (size_t)s.n;
		double at[ENGINE_RANK_MAX] = {0};

		for (int k = 0; k < s.n; k++) {
			/* The grid names the last axis first. */
			double v = tensor_real(grid, point + (size_t)(s.n - 1 - k));

			v = isfinite(v) ? fmin(fmax(v, -1e6), 1e6) : -1e6;
			at[k] = s.align_corners ? (v + 1) / 2 * (s.dims[k] - 1) : ((v + 1) * s.dims[k] - 1) / 2;
			if (s.padding == 'b' && s.mode != CUBIC)
				at[k] = fmin(fmax(at[k], 0), s.dims[k] - 1);
			if (s.padding == 'r' && s.mode != CUBIC)
				at[k] = s.align_corners ? reflect(at[k], 0, s.dims[k] - 1)
							: reflect(at[k], -0.5, s.dims[k] - 0.5);
		}
		tensor_put_real(call->outputs[0], i, sample(&s, x, i / points * plane, at, 0, 0));
	}
	return 0;
}

/* ---- AffineGrid --------------------------------------------------------------------------------- */

static int infer_affine_grid(struct engine_call *call)
{
	const struct engine_tensor *theta = call->inputs[0];
	int64_t size[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	int n;

	call->outputs[0]->type = theta->type;
	n = call_integers(call, "", 1, 5, size);
	if (n < 0)
		return n;
	if (n < 4 || theta->rank != 3 || theta->dims[1] != n - 2 || theta->dims[2] != n - 1 ||
	    theta->dims[0] != size[0])
		return call_fail(call, -EINVAL, "has matrices that do not fit its size");
	for (int i = 0; i < n; i++)
		if (size[i] < 1 || size[i] > INT32_MAX)
			return call_fail(call, -EINVAL, "has an impossible size");
	dims[0] = (int32_t)size[0];
	for (int i = 2; i < n; i++)
		dims[i - 1] = (int32_t)size[i];
	dims[n - 1] = n - 2;
	return call_set(call, 0, theta->type, n, dims);
}

static int run_affine_grid(struct engine_call *call)
{
	const struct engine_tensor *theta = call->inputs[0];
	struct engine_tensor *y = call->outputs[0];
	bool align = engine_attribute_integer(call->attributes, "align_corners", 0) != 0;
	int n = y->rank - 2;
	struct odometer o;

	odometer_init(&o, y->rank, y->dims);
	for (; !o.done; odometer_next(&o)) {
		size_t row = ((size_t)o.at[0] * (size_t)n + (size_t)o.at[y->rank - 1]) * (size_t)(n + 1);
		double sum = tensor_real(theta, row + (size_t)n);

		for (int k = 0; k < n; k++) {
			/* Coordinates come with the last axis first. */
			int32_t side = y->dims[n - k], at = o.at[n - k];
			double v = align ? (side == 1 ? 0 : -1 + 2.0 * at / (side - 1)) : -1 + (2.0 * at + 1) / side;

			sum += tensor_real(theta, row + (size_t)k) * v;
		}
		tensor_put_real(y, o.index, sum);
	}
	return 0;
}

OPERATOR(AffineGrid, 2, 2, 1, infer_affine_grid, .run = run_affine_grid);
OPERATOR(GridSample, 2, 2, 1, infer_grid_sample, .run = run_grid_sample);
OPERATOR(Resize, 1, 4, 1, infer_resize, .run = run_resize);
OPERATOR(Upsample, 1, 2, 1, infer_resize, .run = run_resize);
