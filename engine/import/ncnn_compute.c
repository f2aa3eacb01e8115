/*
 * ncnn_compute.c - ncnn's general operators that compute: windows, norms, sums and products of matrices.  See
 * ncnn_operators.h.
 */
#include <math.h>
#include <string.h>

#include "../graph.h"
#include "ncnn_operators.h"
#include "ncnn_param.h"

static int set_like(struct engine_call *call, const struct ncnn_view *x)
{
	int64_t n[NCNN_RANK_MAX];

	for (int i = 0; i < x->rank; i++)
		n[i] = x->n[i];
	return ncnn_set_shape(call, 0, x->rank, n);
}

/* ---- Pooling, adaptive: each output element has its share of the input ----------------------------- */

static int read_adaptive(struct engine_call *call, struct ncnn_view *x, int64_t *n)
{
	int r = ncnn_view_input(call, 0, x);
	int64_t w;

	if (r < 0)
		return r;
	if (x->rank != 3)
		return call_fail(call, -ENOTSUP, "pools no image");
	w = ncnn_key_int(call, 8, 0);
	n[0] = x->n[0];
	n[1] = ncnn_key_int(call, 18, w);
	n[2] = w;
	for (int i = 1; i < 3; i++)
		if (n[i] == NCNN_DEFAULT)
			n[i] = x->n[i];
	return 0;
}

static int infer_adaptive(struct engine_call *call)
{
	int64_t n[NCNN_RANK_MAX];
	struct ncnn_view x;
	int r = read_adaptive(call, &x, n);

	if (r == 0)
		r = ncnn_set_shape(call, 0, 3, n);
	if (r == 0)
		call->macs = ((uint64_t)x.n[1] / (uint64_t)n[1] + 2) * ((uint64_t)x.n[2] / (uint64_t)n[2] + 2) *
			     tensor_count(call->outputs[0]);
	return r;
}

static float pool_window(const float *x, int64_t stride, const int64_t h[2], const int64_t w[2], bool average)
{
	float most = -INFINITY, sum = 0.0f;

	for (int64_t i = h[0]; i < h[1]; i++)
		for (int64_t k = w[0]; k < w[1]; k++) {
			most = fmaxf(most, x[i * stride + k]);
			sum += x[i * stride + k];
		}
	return average ? sum / (float)((h[1] - h[0]) * (w[1] - w[0])) : most;
}

static int run_adaptive(struct engine_call *call)
{
	bool average = ncnn_key_int(call, 0, 0) != 0;
	float *y = ncnn_output(call, 0);
	int64_t n[NCNN_RANK_MAX] = {0};
	struct ncnn_view x;

	read_adaptive(call, &x, n);
	for (int64_t c = 0; c < n[0]; c++)
		for (int64_t i = 0; i < n[1]; i++)
			for (int64_t k = 0; k < n[2]; k++) {
				int64_t h[2] = {x.n[1] * i / n[1], (x.n[1] * (i + 1) + n[1] - 1) / n[1]};
				int64_t w[2] = {x.n[2] * k / n[2], (x.n[2] * (k + 1) + n[2] - 1) / n[2]};

				*y++ = pool_window(x.x + c * x.n[1] * x.n[2], x.n[2], h, w, average);
			}
	return 0;
}

/* ---- Interp --------------------------------------------------------------------------------------- */

struct interp {
	struct ncnn_view x;
	int64_t type, in_h, in_w, h, w;
	double step_h, step_w;
	bool align, image; /* image: in the order of images, as is the blob whose size it takes */
};

static int64_t scaled(int64_t side, double factor)
{
	double product = (double)((float)side * (float)factor);

	return product > 0 && product < INT32_MAX ? (int64_t)product : 0;
}

/* Vectors become constant images; of a matrix each row is resized.  Attribute "image": blobs of three axes are h x w x
 * c. */
static int read_interp(struct engine_call *call, struct interp *s)
{
	double factor_h = ncnn_key_float(call, 1, 1), factor_w = ncnn_key_float(call, 2, 1);
	int64_t out_h = ncnn_key_int(call, 3, 0), out_w = ncnn_key_int(call, 4, 0);
	struct ncnn_view like;
	int r = ncnn_view_input(call, 0, &s->x);

	if (r == 0 && call->n_inputs > 1)
		r = ncnn_view_input(call, 1, &like);
	if (r < 0)
		return r;
	s->type = ncnn_key_int(call, 0, 0);
	s->align = ncnn_key_int(call, 6, 0) != 0;
	if (s->x.rank > 3 || s->type < 1 || s->type > 3)
		return call_fail(call, -ENOTSUP, "resizes in an unknown way");
	s->in_w = s->x.rank == 1 ? 1 : ncnn_w(&s->x);
	s->in_h = s->x.rank == 3 ? ncnn_h(&s->x) : 1;
	s->image = engine_attribute_integer(call->attributes, "image", 0) != 0 && s->x.rank == 3;
	if (s->image) {
		s->in_h = s->x.n[0];
		s->in_w = s->x.n[1];
	}
	if (call->n_inputs > 1) {
		bool image = s->image && like.rank == 3;

		out_h = image ? like.n[0] : ncnn_h(&like);
		out_w = image ? like.n[1] : ncnn_w(&like);
	}
	s->h = out_h && out_w ? out_h : scaled(s->in_h, factor_h);
	s->w = out_h && out_w ? out_w : scaled(s->in_w, factor_w);
	s->h = s->x.rank == 2 ? 1 : s->h;
	if (s->h < 1 || s->w < 1 || s->h > INT32_MAX || s->w > INT32_MAX)
		return call_fail(call, -EINVAL, "makes an image of %lld x %lld", (long long)s->w, (long long)s->h);
	s->step_h = out_h && out_w ? (double)s->in_h / (double)s->h : 1.0 / factor_h;
	s->step_w = out_h && out_w ? (double)s->in_w / (double)s->w : 1.0 / factor_w;
	if (s->type > 1 && s->align) {
		s->step_h = s->h > 1 ? (double)(s->in_h - 1) / (double)(s->h - 1) : 0;
		s->step_w = s->w > 1 ? (double)(s->in_w - 1) / (double)(s->w - 1) : 0;
	}
	return 0;
}

static int infer_interp(struct engine_call *call)
{
	struct interp s;
	int r = read_interp(call, &s);

	if (r < 0)
		return r;
	if (s.image)
		return ncnn_set_shape(call, 0, 3, (int64_t[]){s.h, s.w, s.x.n[2]});
	return s.x.rank == 2 ? ncnn_set_shape(call, 0, 2, (int64_t[]){s.x.n[0], s.w})
			     : ncnn_set_shape(call, 0, 3, (int64_t[]){s.x.n[0], s.h, s.w});
}

/* Up to four taps along one axis, with the edge's element for those outside. */
struct taps {
	int n;
	int64_t at[4];
	float weight[4];
};

static void cubic(float t, float weight[4])
{
	const float a = -0.75f; /* as in PyTorch and OpenCV */
	float u = 1.0f - t;

	weight[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
	weight[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
	weight[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
	weight[3] = 1.0f - weight[0] - weight[1] - weight[2];
}

static void taps_at(int64_t type, int64_t i, double step, bool align, int64_t side, struct taps *taps)
{
	double exact = type == 1 ? (double)((float)i * (float)step)
		       : align	 ? (double)i * step
				 : ((double)i + 0.5) * step - 0.5;
	/* Far outside there is the edge's element alone. */
	float at = (float)fmin(fmax(exact, -2.0), (double)side + 2.0), base = floorf(at);
	int64_t first = (int64_t)base - (type == 3);

	taps->n = type == 1 ? 1 : type == 2 ? 2 : 4;
	if (type == 1) {
		taps->weight[0] = 1.0f;
	} else if (type == 2) {
		taps->weight[0] = 1.0f - (at - base);
		taps->weight[1] = at - base;
	} else {
		cubic(at - base, taps->weight);
	}
	for (int k = 0; k < taps->n; k++)
		taps->at[k] = first + k < 0 ? 0 : first + k >= side ? side - 1 : first + k;
}

/* Adds a pixel, times a weight, to another. */
static void add_pixel(size_t channels, float weight, const float *restrict x, float *restrict y)
{
	for (size_t c = 0; c < channels; c++)
		y[c] += weight * x[c];
}

static void interp_image(const struct interp *s, float *y)
{
	size_t channels = (size_t)s->x.n[2];
	struct taps rows, columns;

	for (int64_t i = 0; i < s->h; i++) {
		taps_at(s->type, i, s->step_h, s->align, s->in_h, &rows);
		for (int64_t k = 0; k < s->w; k++, y += channels) {
			taps_at(s->type, k, s->step_w, s->align, s->in_w, &columns);
			memset(y, 0, channels * sizeof(*y));
			for (int a = 0; a < rows.n; a++)
				for (int b = 0; b < columns.n; b++)
					add_pixel(channels, rows.weight[a] * columns.weight[b],
						  s->x.x + (size_t)(rows.at[a] * s->in_w + columns.at[b]) * channels,
						  y);
		}
	}
}

static int run_interp(struct engine_call *call)
{
	float *y = ncnn_output(call, 0);
	struct taps rows, columns;
	struct interp s;

	read_interp(call, &s);
	if (s.image) {
		interp_image(&s, y);
		return 0;
	}
	for (int64_t c = 0; c < s.x.n[0]; c++)
		for (int64_t i = 0; i < s.h; i++) {
			taps_at(s.type, i, s.step_h, s.align, s.in_h, &rows);
			for (int64_t k = 0; k < s.w; k++) {
				float sum = 0.0f;

				taps_at(s.type, k, s.step_w, s.align, s.in_w, &columns);
				for (int a = 0; a < rows.n; a++)
					for (int b = 0; b < columns.n; b++)
						sum += rows.weight[a] * columns.weight[b] *
						       s.x.x[(c * s.in_h + rows.at[a]) * s.in_w + columns.at[b]];
				*y++ = sum;
			}
		}
	return 0;
}

/* ---- Deconvolution --------------------------------------------------------------------------------- */

struct deconv {
	struct ncnn_view x;
	int64_t channels, groups, in, kernel[2], stride[2], dilation[2], full[2], out[2], before[2]; /* h, w */
};

/* What is cut off: the padding or, to reach a wanted size, what is too much. */
static void cut_sides(const struct engine_call *call, struct deconv *d)
{
	int64_t left = ncnn_key_int(call, 4, 0), right = ncnn_key_int(call, 15, left);
	int64_t top = ncnn_key_int(call, 14, left), bottom = ncnn_key_int(call, 16, top);
	int64_t w = ncnn_key_int(call, 20, 0), wanted[2] = {ncnn_key_int(call, 21, w), w};

	for (int i = 0; i < 2; i++) {
		d->before[i] = 0;
		d->out[i] = d->full[i];
	}
	if (left > 0 || right > 0 || top > 0 || bottom > 0) {
		d->before[0] = top;
		d->before[1] = left;
		d->out[0] -= top + bottom;
		d->out[1] -= left + right;
	} else if (wanted[0] > 0 && wanted[1] > 0 && (left == NCNN_SAME_UPPER || left == NCNN_SAME_LOWER)) {
		for (int i = 0; i < 2; i++) {
			int64_t cut = d->full[i] - wanted[i];

			d->before[i] = left == NCNN_SAME_UPPER ? cut / 2 : cut - cut / 2;
			d->out[i] = wanted[i];
		}
	}
}

static int read_deconv(struct engine_call *call, struct deconv *d)
{
	int64_t k = ncnn_key_int(call, 1, 0), s = ncnn_key_int(call, 3, 1), l = ncnn_key_int(call, 2, 1);
	int64_t extra = ncnn_key_int(call, 18, 0), more[2] = {ncnn_key_int(call, 19, extra), extra};
	int r = ncnn_view_input(call, 0, &d->x);

	if (r < 0)
		return r;
	*d = (struct deconv){
		.x = d->x,
		.channels = ncnn_key_int(call, 0, 0),
		.groups = ncnn_key_int(call, 7, 1),
		.kernel = {ncnn_key_int(call, 11, k), k},
		.stride = {ncnn_key_int(call, 13, s), s},
		.dilation = {ncnn_key_int(call, 12, l), l},
	};
	if (d->x.rank != 3 || d->channels < 1 || d->groups < 1 || d->channels % d->groups || d->x.n[0] % d->groups)
		return call_fail(call, -EINVAL, "has channels that do not fit its groups");
	d->in = d->x.n[0] / d->groups;
	for (int i = 0; i < 2; i++) {
		if (d->kernel[i] < 1 || d->kernel[i] > 1 << 14 || d->stride[i] < 1 || d->stride[i] > 1 << 15 ||
		    d->dilation[i] < 1 || d->dilation[i] > 1 << 15 || more[i] < 0 || more[i] > 1 << 15)
			return call_fail(call, -EINVAL, "has an impossible kernel");
		d->full[i] = (d->x.n[1 + i] - 1) * d->stride[i] + (d->kernel[i] - 1) * d->dilation[i] + 1 + more[i];
	}
	/* Their product then fits, whatever the layer says. */
	if (d->channels > 1 << 20 || d->in > 1 << 20 || d->kernel[0] * d->kernel[1] > GRAPH_TAPS_MAX)
		return call_fail(call, -EFBIG, "has too many weights");
	cut_sides(call, d);
	for (int i = 0; i < 2; i++)
		if (d->before[i] < 0 || d->before[i] + d->out[i] > d->full[i])
			return call_fail(call, -ENOTSUP, "has a padding that adds to its output");
	return 0;
}

static int infer_deconv(struct engine_call *call)
{
	struct deconv d;
	int r = read_deconv(call, &d);
	size_t weights;

	if (r < 0)
		return r;
	weights = (size_t)(d.channels * d.in) * (size_t)(d.kernel[0] * d.kernel[1]);
	r = ncnn_want(call, 1, weights);
	if (r == 0 && call->n_inputs > 2)
		r = ncnn_want(call, 2, (size_t)d.channels);
	call->macs = (uint64_t)weights * (uint64_t)d.x.n[1] * (uint64_t)d.x.n[2];
	return r < 0 ? r : ncnn_set_shape(call, 0, 3, (int64_t[]){d.channels, d.out[0], d.out[1]});
}

/* Adds one input plane, times one weight, to where its tap falls in an output plane. */
static void add_plane(const struct deconv *d, const float *x, float weight, int64_t ky, int64_t kx, float *y)
{
	int64_t top = ky * d->dilation[0] - d->before[0], left = kx * d->dilation[1] - d->before[1];

	for (int64_t i = 0; i < d->x.n[1]; i++) {
		int64_t row = i * d->stride[0] + top;

		if (row < 0 || row >= d->out[0])
			continue;
		for (int64_t k = 0; k < d->x.n[2]; k++) {
			int64_t column = k * d->stride[1] + left;

			if (column >= 0 && column < d->out[1])
				y[row * d->out[1] + column] += weight * x[i * d->x.n[2] + k];
		}
	}
}

static int run_deconv(struct engine_call *call)
{
	const float *weights = call->inputs[1]->data, *bias = call->n_inputs > 2 ? call->inputs[2]->data : NULL;
	struct deconv d;

	read_deconv(call, &d);
	for (int64_t o = 0; o < d.channels; o++) {
		float *y = ncnn_output(call, 0) + o * d.out[0] * d.out[1];

		for (int64_t i = 0; i < d.out[0] * d.out[1]; i++)
			y[i] = bias ? bias[o] : 0.0f;
		for (int64_t c = 0; c < d.in; c++) {
			int64_t from = o / (d.channels / d.groups) * d.in + c;
			const float *x = d.x.x + from * d.x.n[1] * d.x.n[2];

			for (int64_t ky = 0; ky < d.kernel[0]; ky++)
				for (int64_t kx = 0; kx < d.kernel[1]; kx++)
					add_plane(&d, x, *weights++, ky, kx, y);
		}
	}
	return 0;
}

/* ---- norms of blocks of neighbours: LayerNorm, RMSNorm, GroupNorm, InstanceNorm, MVN ---------------- */

struct norm {
	struct ncnn_view x;
	size_t block,
		per_factor; /* elements of a block, and of those with one factor; 0: each element of a block has */
	double eps;
	bool mean, variance, eps_outside;
	size_t n_factors;
};

enum { NORM_LAYER, NORM_RMS, NORM_GROUP, NORM_INSTANCE, NORM_MVN };

/* LayerNorm and RMSNorm: rows, or all of a channel where the layer says that it is so long. */
static int read_inner_norm(struct engine_call *call, struct norm *norm, bool rms)
{
	int64_t size = ncnn_key_int(call, 0, 0);
	const struct ncnn_view *x = &norm->x;
	int from = x->rank - 1;

	while (from > (x->rank > 2) && ncnn_span(x, from, x->rank) < (size_t)(size > 0 ? size : 0))
		from--;
	norm->block = ncnn_span(x, from, x->rank);
	if (x->rank > 1 && size > 0 && norm->block != (size_t)size)
		return call_fail(call, -EINVAL, "normalises %lld elements of a blob that has not as many",
				 (long long)size);
	norm->mean = !rms;
	norm->n_factors = ncnn_key_int(call, 2, 1) ? norm->block : 0;
	norm->eps = ncnn_key_float(call, 1, 0.001);
	return 0;
}

static int read_group_norm(struct engine_call *call, struct norm *norm, bool groups)
{
	int64_t n = groups ? ncnn_key_int(call, 0, 1) : norm->x.n[0];
	int64_t channels = ncnn_key_int(call, groups ? 1 : 0, 0);

	if (n < 1 || norm->x.n[0] % n || (channels && channels != norm->x.n[0]))
		return call_fail(call, -EINVAL, "has channels that do not fit");
	norm->block = ncnn_elements(&norm->x) / (size_t)n;
	norm->per_factor = ncnn_span(&norm->x, 1, norm->x.rank);
	norm->n_factors = ncnn_key_int(call, groups ? 3 : 2, 1) ? (size_t)norm->x.n[0] : 0;
	norm->eps = ncnn_key_float(call, groups ? 2 : 1, 0.001);
	return 0;
}

static int read_norm(struct engine_call *call, int kind, struct norm *norm)
{
	int r;

	*norm = (struct norm){.mean = true, .variance = true};
	r = ncnn_view_input(call, 0, &norm->x);
	if (r < 0)
		return r;
	if (kind == NORM_LAYER || kind == NORM_RMS)
		return read_inner_norm(call, norm, kind == NORM_RMS);
	if (kind == NORM_GROUP || kind == NORM_INSTANCE)
		return read_group_norm(call, norm, kind == NORM_GROUP);
	norm->variance = ncnn_key_int(call, 0, 0) != 0;
	norm->block = ncnn_key_int(call, 1, 0) || norm->x.rank < 3 ? ncnn_elements(&norm->x)
								   : ncnn_span(&norm->x, 1, norm->x.rank);
	norm->eps = ncnn_key_float(call, 2, 0.0001);
	norm->eps_outside = true;
	return 0;
}

static int kind_of(const struct engine_call *call)
{
	return (int)engine_attribute_integer(call->attributes, "norm", NORM_LAYER);
}

static int infer_norm(struct engine_call *call)
{
	struct norm norm;
	int r = read_norm(call, kind_of(call), &norm);

	for (int i = 1; i < call->n_inputs && r == 0; i++)
		r = ncnn_want(call, i, norm.n_factors);
	if (r == 0 && norm.n_factors && call->n_inputs < 2)
		return call_fail(call, -EINVAL, "lacks its factors");
	return r < 0 ? r : set_like(call, &norm.x);
}

static void normalise(const struct norm *norm, const float *x, size_t first, const float *gamma, const float *beta,
		      float *y)
{
	double sum = 0, squares = 0, mean, scale;

	for (size_t i = 0; i < norm->block; i++)
		sum += (double)x[i];
	mean = norm->mean ? sum / (double)norm->block : 0;
	for (size_t i = 0; i < norm->block; i++)
		squares += ((double)x[i] - mean) * ((double)x[i] - mean);
	squares /= (double)norm->block;
	scale = !norm->variance	    ? 1
		: norm->eps_outside ? 1 / (sqrt(squares) + norm->eps)
				    : 1 / sqrt(squares + norm->eps);
	for (size_t i = 0; i < norm->block; i++) {
		size_t k = norm->per_factor ? (first + i) / norm->per_factor : i;

		y[i] = (float)(((double)x[i] - mean) * scale) * (gamma ? gamma[k] : 1.0f) + (beta ? beta[k] : 0.0f);
	}
}

static int run_norm(struct engine_call *call)
{
	const float *gamma, *beta;
	struct norm norm;

	read_norm(call, kind_of(call), &norm);
	gamma = norm.n_factors ? call->inputs[1]->data : NULL;
	beta = norm.n_factors && call->n_inputs > 2 ? call->inputs[2]->data : NULL;
	for (size_t i = 0; i < ncnn_elements(&norm.x); i += norm.block)
		normalise(&norm, norm.x.x + i, i, gamma, beta, ncnn_output(call, 0) + i);
	return 0;
}

/* ---- Normalize: to a length of 1 ---------------------------------------------------------------------- */

static int infer_normalize(struct engine_call *call)
{
	struct ncnn_view x;
	int r = ncnn_view_input(call, 0, &x);

	if (r == 0 && !ncnn_key_int(call, 0, 0) && !ncnn_key_int(call, 4, 0))
		return call_fail(call, -ENOTSUP, "normalises each element alone");
	if (r == 0)
		r = ncnn_want(call, 1, ncnn_key_int(call, 1, 0) ? 1 : (size_t)x.n[0]);
	return r < 0 ? r : set_like(call, &x);
}

static float length_factor(double squares, double eps, int64_t mode)
{
	return (float)(mode == 1   ? 1 / fmax(sqrt(squares), eps)
		       : mode == 2 ? 1 / sqrt(fmax(squares, eps))
				   : 1 / sqrt(squares + eps));
}

/* Blocks of `count` elements, `stride` apart, from each of `starts` on, which are `next` apart. */
static int run_normalize(struct engine_call *call)
{
	bool shared = ncnn_key_int(call, 1, 0) != 0, spatial = ncnn_key_int(call, 0, 0) != 0;
	bool channels = ncnn_key_int(call, 4, 0) != 0;
	double eps = ncnn_key_float(call, 2, 0.0001);
	const float *factors = call->inputs[1]->data;
	size_t plane, all, starts, next, stride, count;
	struct ncnn_view x;

	ncnn_view_input(call, 0, &x);
	all = ncnn_elements(&x);
	plane = ncnn_span(&x, 1, x.rank);
	starts = spatial && channels ? 1 : spatial ? (size_t)x.n[0] : plane;
	next = spatial ? plane : 1;
	stride = spatial ? 1 : plane;
	count = spatial && channels ? all : spatial ? plane : (size_t)x.n[0];
	for (size_t s = 0; s < starts; s++) {
		double squares = 0;
		float factor;

		for (size_t i = 0; i < count; i++)
			squares += (double)x.x[s * next + i * stride] * (double)x.x[s * next + i * stride];
		factor = length_factor(squares, eps, ncnn_key_int(call, 9, 0));
		for (size_t i = 0; i < count; i++) {
			size_t k = s * next + i * stride;

			ncnn_output(call, 0)[k] = x.x[k] * factor * factors[shared ? 0 : k / plane];
		}
	}
	return 0;
}

/* ---- LRN ---------------------------------------------------------------------------------------------- */

static int infer_lrn(struct engine_call *call)
{
	int64_t size = ncnn_key_int(call, 1, 5), region = ncnn_key_int(call, 0, 0);
	struct ncnn_view x;
	int r = ncnn_view_input(call, 0, &x);

	if (r < 0)
		return r;
	if (x.rank != 3 || size < 1 || size > 1 << 14 || region < 0 || region > 1)
		return call_fail(call, -EINVAL, "has no image or an impossible window");
	call->macs = ncnn_elements(&x) * (uint64_t)size * (region ? (uint64_t)size : 1);
	return set_like(call, &x);
}

/* The squares in a window of each axis, from size / 2 before to size - size / 2 - 1 behind. */
static float squares_at(const struct ncnn_view *x, const int64_t at[3], const int64_t size[3])
{
	int64_t from[3], to[3];
	float sum = 0.0f;

	for (int i = 0; i < 3; i++) {
		from[i] = at[i] - size[i] / 2;
		to[i] = from[i] + size[i];
		from[i] = from[i] < 0 ? 0 : from[i];
		to[i] = to[i] > x->n[i] ? x->n[i] : to[i];
	}
	for (int64_t c = from[0]; c < to[0]; c++)
		for (int64_t h = from[1]; h < to[1]; h++)
			for (int64_t w = from[2]; w < to[2]; w++) {
				float v = x->x[(c * x->n[1] + h) * x->n[2] + w];

				sum += v * v;
			}
	return sum;
}

static int run_lrn(struct engine_call *call)
{
	int64_t n = ncnn_key_int(call, 1, 5), at[3];
	bool within = ncnn_key_int(call, 0, 0) == 1;
	int64_t size[3] = {within ? 1 : n, within ? n : 1, within ? n : 1};
	float alpha = (float)ncnn_key_float(call, 2, 1) / (float)(within ? n * n : n);
	float beta = (float)ncnn_key_float(call, 3, 0.75), bias = (float)ncnn_key_float(call, 4, 1);
	struct ncnn_view x;
	size_t i = 0;

	ncnn_view_input(call, 0, &x);
	for (at[0] = 0; at[0] < x.n[0]; at[0]++)
		for (at[1] = 0; at[1] < x.n[1]; at[1]++)
			for (at[2] = 0; at[2] < x.n[2]; at[2]++, i++)
				ncnn_output(call, 0)[i] = x.x[i] * powf(bias + alpha * squares_at(&x, at, size), -beta);
	return 0;
}

/* ---- Reduction ------------------------------------------------------------------------------------------ */

enum { SUM, ASUM, SUMSQ, MEAN, MAX, MIN, PROD, L1, L2, LOGSUM, LOGSUMEXP, REDUCTION_COUNT };

static int read_reduction(struct engine_call *call, struct ncnn_view *x, bool gone[NCNN_RANK_MAX])
{
	int n_axes, r = ncnn_view_input(call, 0, x);
	const int64_t *axes = ncnn_key_ints(call, 3, &n_axes);
	int64_t op = ncnn_key_int(call, 0, 0);

	if (r < 0)
		return r;
	if (op < 0 || op >= REDUCTION_COUNT)
		return call_fail(call, -ENOTSUP, "reduces in an unknown way");
	for (int i = 0; i < NCNN_RANK_MAX; i++)
		gone[i] = i < x->rank && (ncnn_key_int(call, 1, 1) || !n_axes);
	for (int i = 0; i < n_axes && !ncnn_key_int(call, 1, 1); i++) {
		int64_t axis = axes[i] < 0 ? axes[i] + x->rank : axes[i];

		if (axis < 0 || axis >= x->rank)
			return call_fail(call, -EINVAL, "has an axis that its input lacks");
		gone[axis] = true;
	}
	return 0;
}

static int infer_reduction(struct engine_call *call)
{
	bool gone[NCNN_RANK_MAX], keep = ncnn_key_int(call, 4, 0) != 0;
	int64_t n[NCNN_RANK_MAX] = {1};
	struct ncnn_view x;
	int rank = 0, r = read_reduction(call, &x, gone);

	for (int i = 0; r == 0 && i < x.rank; i++)
		if (keep || !gone[i])
			n[rank++] = gone[i] ? 1 : x.n[i];
	if (r == 0)
		r = ncnn_set_shape(call, 0, rank ? rank : 1, n);
	if (r == 0) /* the largest of each, to subtract before exponentials are taken */
		call->scratch_bytes = tensor_count(call->outputs[0]) * sizeof(float);
	return r;
}

static float first_value(int64_t op)
{
	return op == MAX ? -INFINITY : op == MIN ? INFINITY : op == PROD ? 1.0f : 0.0f;
}

static void take_in(int64_t op, float v, float most, float *y)
{
	switch (op) {
	case ASUM:
	case L1:
		*y += fabsf(v);
		return;
	case SUMSQ:
	case L2:
		*y += v * v;
		return;
	case MAX:
		*y = fmaxf(*y, v);
		return;
	case MIN:
		*y = fminf(*y, v);
		return;
	case PROD:
		*y *= v;
		return;
	case LOGSUMEXP:
		*y += expf(v - most);
		return;
	default:
		*y += v;
	}
}

static int run_reduction(struct engine_call *call)
{
	float *y = ncnn_output(call, 0), coefficient = (float)ncnn_key_float(call, 2, 1), *most = call->scratch;
	size_t count = tensor_count(call->outputs[0]), next = 1;
	int64_t op = ncnn_key_int(call, 0, 0);
	ptrdiff_t stride[NCNN_RANK_MAX];
	bool gone[NCNN_RANK_MAX];
	struct ncnn_view x;
	struct odometer at;

	read_reduction(call, &x, gone);
	for (int i = x.rank - 1; i >= 0; i--) {
		stride[i] = gone[i] ? 0 : (ptrdiff_t)next;
		next *= gone[i] ? 1 : (size_t)x.n[i];
	}
	for (size_t i = 0; i < count; i++) {
		y[i] = first_value(op);
		most[i] = -INFINITY;
	}
	odometer_init(&at, x.rank, x.n);
	odometer_add_strides(&at, stride, 0);
	for (; !at.done; odometer_next(&at))
		most[at.offset[0]] = fmaxf(most[at.offset[0]], x.x[at.index]);
	odometer_init(&at, x.rank, x.n);
	odometer_add_strides(&at, stride, 0);
	for (; !at.done; odometer_next(&at))
		take_in(op, x.x[at.index], most[at.offset[0]], &y[at.offset[0]]);
	for (size_t i = 0; i < count; i++) {
		if (op == MEAN)
			y[i] /= (float)(ncnn_elements(&x) / count);
		else if (op == L2)
			y[i] = sqrtf(y[i]);
		else if (op == LOGSUM || op == LOGSUMEXP)
			y[i] = logf(y[i]) + (op == LOGSUMEXP ? most[i] : 0.0f);
		y[i] *= coefficient;
	}
	return 0;
}

/* ---- products of matrices -------------------------------------------------------------------------------- */

/* A matrix inside a tensor. */
struct matrix {
	const float *x;
	int64_t rows, columns;
	ptrdiff_t row, column; /* strides */
};

static float dot(const struct matrix *a, int64_t i, const struct matrix *b, int64_t k)
{
	const float *x = a->x + i * a->row, *y = b->x + k * b->column;
	float sum = 0.0f;

	for (int64_t j = 0; j < a->columns; j++)
		sum += x[j * a->column] * y[j * b->row];
	return sum;
}

struct matmul {
	struct ncnn_view a, b;
	struct matrix ma, mb;
	int rank; /* of the leading axes of the output */
	int32_t batch[NCNN_RANK_MAX];
	ptrdiff_t stride_a[NCNN_RANK_MAX], stride_b[NCNN_RANK_MAX];
};

/* The leading axis i of `rank`, counted from the outermost, in a blob with `own` of them; its stride, 0 to repeat. */
static int32_t leading(const struct ncnn_view *v, int own, int rank, int i, ptrdiff_t *ret_stride)
{
	int k = i - (rank - own);
	int32_t n = k < 0 ? 1 : v->n[k];

	*ret_stride = n == 1 ? 0 : (ptrdiff_t)ncnn_span(v, k + 1, v->rank);
	return n;
}

static int read_matmul(struct engine_call *call, struct matmul *m)
{
	bool transposed = ncnn_key_int(call, 0, 0) != 0;
	int r = ncnn_view_input(call, 0, &m->a), own_a, own_b;

	if (r == 0)
		r = ncnn_view_input(call, 1, &m->b);
	if (r < 0)
		return r;
	m->ma = (struct matrix){m->a.x, ncnn_h(&m->a), ncnn_w(&m->a), ncnn_w(&m->a), 1};
	m->mb = (struct matrix){m->b.x, ncnn_h(&m->b), ncnn_w(&m->b), ncnn_w(&m->b), 1};
	if (m->b.rank == 1)
		m->mb = (struct matrix){m->b.x, ncnn_w(&m->b), 1, 1, 1};
	else if (transposed)
		m->mb = (struct matrix){m->b.x, ncnn_w(&m->b), ncnn_h(&m->b), 1, ncnn_w(&m->b)};
	if (m->ma.columns != m->mb.rows)
		return call_fail(call, -EINVAL, "multiplies rows of %lld and columns of %lld", (long long)m->ma.columns,
				 (long long)m->mb.rows);
	own_a = m->a.rank > 2 ? m->a.rank - 2 : 0;
	own_b = m->b.rank > 2 ? m->b.rank - 2 : 0;
	m->rank = own_a > own_b ? own_a : own_b;
	for (int i = 0; i < m->rank; i++) {
		int32_t a = leading(&m->a, own_a, m->rank, i, &m->stride_a[i]);
		int32_t b = leading(&m->b, own_b, m->rank, i, &m->stride_b[i]);

		if (a != b && a != 1 && b != 1)
			return call_fail(call, -EINVAL, "multiplies %d matrices and %d", a, b);
		m->batch[i] = a > b ? a : b;
	}
	return 0;
}

static int infer_matmul(struct engine_call *call)
{
	int64_t n[NCNN_RANK_MAX] = {1};
	struct matmul m;
	int r = read_matmul(call, &m), rank = 0;

	if (r < 0)
		return r;
	for (int i = 0; i < m.rank; i++)
		n[rank++] = m.batch[i];
	if (m.a.rank > 1)
		n[rank++] = m.ma.rows;
	if (m.b.rank > 1)
		n[rank++] = m.mb.columns;
	r = ncnn_set_shape(call, 0, rank ? rank : 1, n);
	if (r == 0)
		call->macs = tensor_count(call->outputs[0]) * (uint64_t)m.ma.columns;
	return r;
}

static int run_matmul(struct engine_call *call)
{
	float *y = ncnn_output(call, 0);
	struct odometer at;
	struct matmul m;

	read_matmul(call, &m);
	odometer_init(&at, m.rank, m.batch);
	odometer_add_strides(&at, m.stride_a, 0);
	odometer_add_strides(&at, m.stride_b, 0);
	for (; !at.done; odometer_next(&at)) {
		struct matrix a = m.ma, b = m.mb;

		a.x += at.offset[0];
		b.x += at.offset[1];
		for (int64_t i = 0; i < a.rows; i++)
			for (int64_t k = 0; k < b.columns; k++)
				*y++ = dot(&a, i, &b, k);
	}
	return 0;
}

/* ---- Gemm: (a b + beta c) alpha; a, b and c are blobs or constants, which come behind -------------------------- */

struct gemm {
	struct matrix a, b;
	const float *c;
	size_t c_row, c_column; /* strides */
	bool has_c, rows_last, as_image;
	float alpha, beta;
};

static int read_factor(struct engine_call *call, int i, bool transposed, struct matrix *ret)
{
	struct ncnn_view v;
	int r = ncnn_view_input(call, i, &v);
	int64_t rows, columns;

	if (r < 0)
		return r;
	rows = v.rank == 3 ? v.n[0] : ncnn_h(&v);
	columns = ncnn_w(&v);
	if (v.rank > 3 || (v.rank == 3 && v.n[1] != 1))
		return call_fail(call, -ENOTSUP, "multiplies more than matrices");
	*ret = transposed ? (struct matrix){v.x, columns, rows, 1, columns}
			  : (struct matrix){v.x, rows, columns, columns, 1};
	return 0;
}

/* One number, one for each row or column, or a matrix. */
static int read_summand(struct engine_call *call, int i, struct gemm *g)
{
	int64_t type = ncnn_key_int(call, 6, 0) ? ncnn_key_int(call, 10, 0) : -1, m = g->a.rows, n = g->b.columns;
	struct ncnn_view v;
	int r = ncnn_view_input(call, i, &v);

	if (r < 0)
		return r;
	if (type < 0) {
		type = v.rank == 1 && v.n[0] == n		   ? 4
		       : v.rank == 1 && v.n[0] == m		   ? 1
		       : v.rank == 1				   ? 0
		       : v.rank == 2 && v.n[0] == 1 && v.n[1] == n ? 4
		       : v.rank == 2 && v.n[0] == m && v.n[1] == n ? 3
								   : 2;
	}
	g->c = v.x;
	g->has_c = true;
	g->c_row = type == 3 ? (size_t)n : type == 1 || type == 2;
	g->c_column = type == 3 || type == 4;
	return ncnn_want(call, i, (size_t)(type == 0 ? 1 : type == 3 ? m * n : type == 4 ? n : m));
}

static int read_gemm(struct engine_call *call, struct gemm *g)
{
	int64_t c_type = ncnn_key_int(call, 10, 0);
	bool constant[3];
	int next = 0, index[3], r;

	*g = (struct gemm){
		.alpha = (float)ncnn_key_float(call, 0, 1),
		.beta = (float)ncnn_key_float(call, 1, 1),
		.rows_last = ncnn_key_int(call, 14, 0) != 0,
		.as_image = ncnn_key_int(call, 11, 0) != 0,
	};
	for (int i = 0; i < 3; i++)
		constant[i] = ncnn_key_int(call, 4 + i, 0) != 0;
	/* Blobs in their order, then constants in theirs. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < 3; i++)
			if (constant[i] == (pass == 1)) {
				bool none = i == 2 &&
					    (pass ? c_type == -1 : next >= call->n_inputs - constant[0] - constant[1]);

				index[i] = none ? -1 : next++;
			}
	r = read_factor(call, index[0], ncnn_key_int(call, 2, 0) != 0, &g->a);
	if (r == 0)
		r = read_factor(call, index[1], ncnn_key_int(call, 3, 0) != 0, &g->b);
	if (r == 0 && g->a.columns != g->b.rows)
		return call_fail(call, -EINVAL, "multiplies rows of %lld and columns of %lld", (long long)g->a.columns,
				 (long long)g->b.rows);
	return r == 0 && index[2] >= 0 ? read_summand(call, index[2], g) : r;
}

static int infer_gemm(struct engine_call *call)
{
	struct gemm g;
	int64_t m, n;
	int r = read_gemm(call, &g);

	if (r < 0)
		return r;
	m = g.rows_last ? g.b.columns : g.a.rows;
	n = g.rows_last ? g.a.rows : g.b.columns;
	call->macs = (uint64_t)m * (uint64_t)n * (uint64_t)g.a.columns;
	return g.as_image ? ncnn_set_shape(call, 0, 3, (int64_t[]){m, 1, n})
			  : ncnn_set_shape(call, 0, 2, (int64_t[]){m, n});
}

static int run_gemm(struct engine_call *call)
{
	struct gemm g;

	read_gemm(call, &g);
	for (int64_t i = 0; i < g.a.rows; i++)
		for (int64_t k = 0; k < g.b.columns; k++) {
			size_t at = (size_t)(g.rows_last ? k * g.a.rows + i : i * g.b.columns + k);
			float sum = g.has_c ? g.beta * g.c[(size_t)i * g.c_row + (size_t)k * g.c_column] : 0.0f;

			ncnn_output(call, 0)[at] = g.alpha * (sum + dot(&g.a, i, &g.b, k));
		}
	return 0;
}

const struct engine_operator ncnn_computing_operators[] = {
	{.name = "Deconvolution", 2, 3, 1, infer_deconv, .run = run_deconv},
	{.name = "Gemm", 1, 3, 1, infer_gemm, .run = run_gemm},
	{.name = "Interp", 1, 2, 1, infer_interp, .run = run_interp},
	{.name = "LRN", 1, 1, 1, infer_lrn, .run = run_lrn},
	{.name = "MatMul", 2, 2, 1, infer_matmul, .run = run_matmul},
	{.name = "Norm", 1, 3, 1, infer_norm, .run = run_norm},
	{.name = "Normalize", 2, 2, 1, infer_normalize, .run = run_normalize},
	{.name = "Pooling", 1, 1, 1, infer_adaptive, .run = run_adaptive},
	{.name = "Reduction", 1, 1, 1, infer_reduction, .run = run_reduction},
	{.name = NULL},
};
