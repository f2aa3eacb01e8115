/*
 * window.c - operators that slide a window over one to four axes: convolutions and pools, N x C x spatial axes.
 */
#include <math.h>
#include <string.h>

#include "operators.h"

#define SPATIAL_MAX (ENGINE_RANK_MAX - 2)

struct window {
	int n; /* spatial axes */
	int32_t in[SPATIAL_MAX], out[SPATIAL_MAX], kernel[SPATIAL_MAX];
	int64_t stride[SPATIAL_MAX], dilation[SPATIAL_MAX], before[SPATIAL_MAX], after[SPATIAL_MAX];
};

/* A list of n positive numbers, all 1 where the file has none. */
static int positive_list(struct engine_call *call, const char *name, int n, int64_t *ret)
{
	int given = call_integers(call, name, -1, n, ret);

	if (given < 0 || (given && given != n))
		return call_fail(call, -EINVAL, "has no %s for %d axes", name, n);
	for (int i = 0; i < n; i++) {
		if (!given)
			ret[i] = 1;
		if (ret[i] < 1 || ret[i] > 1 << 20)
			return call_fail(call, -EINVAL, "has %s of %lld", name, (long long)ret[i]);
	}
	return 0;
}

static int read_pads(struct engine_call *call, struct window *w)
{
	int64_t pads[2 * SPATIAL_MAX] = {0};
	int n = call_integers(call, "pads", -1, 2 * w->n, pads);

	if (n < 0 || (n && n != 2 * w->n))
		return call_fail(call, -EINVAL, "has no padding for %d axes", w->n);
	for (int i = 0; i < w->n; i++) {
		w->before[i] = pads[i];
		w->after[i] = pads[w->n + i];
		if (pads[i] < 0 || pads[i] > 1 << 20 || pads[w->n + i] < 0 || pads[w->n + i] > 1 << 20)
			return call_fail(call, -EINVAL, "has a padding of %lld and %lld", (long long)pads[i],
					 (long long)pads[w->n + i]);
	}
	return 0;
}

/* Everything but kernel[], which the caller has set; `ceil` rounds the output up, never beyond input and padding. */
static int read_window(struct engine_call *call, const struct engine_tensor *x, bool ceil_mode, struct window *w)
{
	const char *pad = engine_attribute_text(call->attributes, "auto_pad", "NOTSET");
	int r = positive_list(call, "strides", w->n, w->stride);

	if (r == 0)
		r = positive_list(call, "dilations", w->n, w->dilation);
	if (r == 0)
		r = read_pads(call, w);
	for (int i = 0; i < w->n && r == 0; i++) {
		int64_t reach, out;

		w->in[i] = x->dims[2 + i];
		if (w->kernel[i] < 1 || w->kernel[i] > 1 << 20)
			return call_fail(call, -EINVAL, "has a kernel of %d", w->kernel[i]);
		reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
		if (!strncmp(pad, "SAME", 4)) {
			int64_t all;

			out = (w->in[i] + w->stride[i] - 1) / w->stride[i];
			all = (out - 1) * w->stride[i] + reach - w->in[i];
			all = all < 0 ? 0 : all;
			w->before[i] = strcmp(pad, "SAME_LOWER") ? all / 2 : all - all / 2;
			w->after[i] = all - w->before[i];
		} else {
			int64_t room;

			if (!strcmp(pad, "VALID"))
				w->before[i] = w->after[i] = 0;
			room = w->in[i] + w->before[i] + w->after[i] - reach;
			if (room < 0)
				return call_fail(call, -EINVAL, "has a window larger than its input of %d", w->in[i]);
			out = room / w->stride[i] + 1;
			/* A window that would begin in the padding behind the input does not count. */
			if (ceil_mode && room % w->stride[i] && out * w->stride[i] < w->in[i] + w->before[i])
				out++;
		}
		w->out[i] = (int32_t)out;
	}
	return r;
}

/* Where in the input a tap of the window over an output element lies; false in the padding. */
static bool tap_at(const struct window *w, const int32_t *out_at, const int32_t *tap, size_t *ret_at)
{
	size_t at = 0;

	for (int i = 0; i < w->n; i++) {
		int64_t p = out_at[i] * w->stride[i] + tap[i] * w->dilation[i] - w->before[i];

		if (p < 0 || p >= w->in[i])
			return false;
		at = at * (size_t)w->in[i] + (size_t)p;
	}
	*ret_at = at;
	return true;
}

/* ---- convolutions ------------------------------------------------------------------------------- */

struct conv {
	const struct engine_tensor *x, *weights;
	int64_t groups;
	struct window window;
};

/* Inputs of the four convolutions stand at different places. */
static int read_conv(struct engine_call *call, int x, int weights, struct conv *conv)
{
	const struct engine_tensor *w = call->inputs[weights];

	*conv = (struct conv){call->inputs[x], w, engine_attribute_integer(call->attributes, "group", 1), {0}};
	if (conv->x->rank < 3 || w->rank != conv->x->rank)
		return call_fail(call, -EINVAL, "has an input of %d axes and weights of %d", conv->x->rank, w->rank);
	if (conv->groups < 1 || conv->groups > INT32_MAX || w->dims[0] % conv->groups ||
	    w->dims[1] * conv->groups != conv->x->dims[1])
		return call_fail(call, -EINVAL, "has weights of %dx%d in %lld groups for %d channels", w->dims[0],
				 w->dims[1], (long long)conv->groups, conv->x->dims[1]);
	conv->window.n = conv->x->rank - 2;
	memcpy(conv->window.kernel, w->dims + 2, (size_t)conv->window.n * sizeof(*w->dims));
	return read_window(call, conv->x, false, &conv->window);
}

/* An output whose elements are sums of `each` products. */
static int set_windows(struct engine_call *call, enum engine_type type, int rank, const int32_t *dims, size_t each)
{
	int r = call_set(call, 0, type, rank, dims);

	call->macs = r == 0 ? (uint64_t)tensor_count(call->outputs[0]) * each : 0;
	return r;
}

static int set_conv_output(struct engine_call *call, const struct conv *conv, enum engine_type type)
{
	int32_t dims[ENGINE_RANK_MAX] = {conv->x->dims[0], conv->weights->dims[0]};

	memcpy(dims + 2, conv->window.out, (size_t)conv->window.n * sizeof(*dims));
	return set_windows(call, type, conv->x->rank, dims, tensor_span(conv->weights, 1, conv->weights->rank));
}

static int check_bias(struct engine_call *call, int i, int32_t channels)
{
	const struct engine_tensor *bias = call_input(call, i);

	return !bias || tensor_count(bias) == (size_t)channels
		       ? 0
		       : call_fail(call, -EINVAL, "has %zu biases for %d channels", tensor_count(bias), channels);
}

/* The sum of one output element, with zero points; zero points of weights may be one for each output channel. */
static double convolve(const struct conv *conv, size_t image, size_t channel, const int32_t *at, double x_zero,
		       double w_zero)
{
	const struct engine_tensor *x = conv->x, *w = conv->weights;
	size_t in = (size_t)w->dims[1], taps = tensor_span(w, 2, w->rank), plane = tensor_span(x, 2, x->rank);
	size_t first = channel / ((size_t)w->dims[0] / (size_t)conv->groups) * in;
	const float *x32 = x->type == ENGINE_F32 ? x->data : NULL, *w32 = w->type == ENGINE_F32 ? w->data : NULL;
	struct odometer tap;
	double sum = 0;

	odometer_init(&tap, conv->window.n, conv->window.kernel);
	for (; !tap.done; odometer_next(&tap)) {
		size_t from;

		if (!tap_at(&conv->window, at, tap.at, &from))
			continue;
		from += (image * (size_t)x->dims[1] + first) * plane;
		for (size_t c = 0; c < in; c++) {
			size_t weight = (channel * in + c) * taps + tap.index;

			if (x32 && w32)
				sum += (double)x32[from + c * plane] * (double)w32[weight];
			else
				sum += (tensor_real(x, from + c * plane) - x_zero) * (tensor_real(w, weight) - w_zero);
		}
	}
	return sum;
}

static int infer_conv(struct engine_call *call)
{
	struct conv conv;
	int r = read_conv(call, 0, 1, &conv);

	if (r == 0 && (!type_is_real(conv.x->type) || !type_is_real(conv.weights->type)))
		return call_fail(call, -EINVAL, "computes with %s and %s", engine_type_name(conv.x->type),
				 engine_type_name(conv.weights->type));
	if (r == 0)
		r = check_bias(call, 2, conv.weights->dims[0]);
	return r < 0 ? r : set_conv_output(call, &conv, conv.x->type);
}

static int run_conv(struct engine_call *call)
{
	const struct engine_tensor *bias = call_input(call, 2);
	struct odometer at;
	struct conv conv;

	read_conv(call, 0, 1, &conv);
	odometer_init(&at, conv.x->rank, call->outputs[0]->dims);
	for (; !at.done; odometer_next(&at)) {
		size_t channel = (size_t)at.at[1];
		double sum = convolve(&conv, (size_t)at.at[0], channel, at.at + 2, 0, 0);

		tensor_put_real(call->outputs[0], at.index, sum + (bias ? tensor_real(bias, channel) : 0));
	}
	return 0;
}

/* Element of a list of one or of one for each channel. */
static double of_channel(const struct engine_tensor *list, size_t channel, double otherwise)
{
	return !list ? otherwise : tensor_real(list, tensor_count(list) == 1 ? 0 : channel);
}

static int check_channels(struct engine_call *call, int i, int32_t channels)
{
	const struct engine_tensor *list = call_input(call, i);

	return !list || tensor_count(list) == 1 || tensor_count(list) == (size_t)channels
		       ? 0
		       : call_fail(call, -EINVAL, "has %zu numbers for %d channels as input %d", tensor_count(list),
				   channels, i);
}

static int infer_conv_integer(struct engine_call *call)
{
	struct conv conv;
	int r = read_conv(call, 0, 1, &conv);

	if (r == 0)
		r = check_channels(call, 2, 1);
	if (r == 0)
		r = check_channels(call, 3, conv.weights->dims[0]);
	return r < 0 ? r : set_conv_output(call, &conv, ENGINE_S32);
}

static int run_conv_integer(struct engine_call *call)
{
	struct odometer at;
	struct conv conv;

	read_conv(call, 0, 1, &conv);
	odometer_init(&at, conv.x->rank, call->outputs[0]->dims);
	for (; !at.done; odometer_next(&at)) {
		size_t channel = (size_t)at.at[1];
		double sum =
			convolve(&conv, (size_t)at.at[0], channel, at.at + 2, of_channel(call_input(call, 2), 0, 0),
				 of_channel(call_input(call, 3), channel, 0));

		tensor_put_real(call->outputs[0], at.index, sum);
	}
	return 0;
}

/* x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, [bias as int32]. */
static int infer_qlinear_conv(struct engine_call *call)
{
	struct conv conv;
	int r = read_conv(call, 0, 3, &conv);

	for (int i = 1; i < 8 && r == 0; i++)
		if (i != 3)
			r = check_channels(call, i, i == 4 || i == 5 ? conv.weights->dims[0] : 1);
	if (r == 0)
		r = check_bias(call, 8, conv.weights->dims[0]);
	return r < 0 ? r : set_conv_output(call, &conv, call->inputs[7]->type);
}

static int run_qlinear_conv(struct engine_call *call)
{
	const struct engine_tensor *bias = call_input(call, 8);
	double x_scale = tensor_real(call->inputs[1], 0), x_zero = tensor_real(call->inputs[2], 0);
	double y_scale = tensor_real(call->inputs[6], 0), y_zero = tensor_real(call->inputs[7], 0);
	struct odometer at;
	struct conv conv;

	read_conv(call, 0, 3, &conv);
	odometer_init(&at, conv.x->rank, call->outputs[0]->dims);
	for (; !at.done; odometer_next(&at)) {
		size_t channel = (size_t)at.at[1];
		double sum = convolve(&conv, (size_t)at.at[0], channel, at.at + 2, x_zero,
				      of_channel(call->inputs[5], channel, 0));

		sum += bias ? tensor_real(bias, channel) : 0;
		sum *= x_scale * of_channel(call->inputs[4], channel, 1) / y_scale;
		tensor_put_real(call->outputs[0], at.index, rint(sum) + y_zero);
	}
	return 0;
}

/* ---- ConvTranspose ------------------------------------------------------------------------------ */

/*
 * Here the window slides over the output: in[] of the window is the output's side, out[] the input's, and what
 * tap_at() finds is where an input element adds to.
 */
static int read_transposed(struct engine_call *call, struct conv *conv)
{
	const struct engine_tensor *x = call->inputs[0], *w = call->inputs[1];
	const char *pad = engine_attribute_text(call->attributes, "auto_pad", "NOTSET");
	int64_t extra[SPATIAL_MAX] = {0}, shape[SPATIAL_MAX];
	struct window *window = &conv->window;
	int n_extra, n_shape, r;

	*conv = (struct conv){x, w, engine_attribute_integer(call->attributes, "group", 1), {.n = x->rank - 2}};
	if (x->rank < 3 || w->rank != x->rank || conv->groups < 1 || conv->groups > INT32_MAX ||
	    w->dims[0] != x->dims[1] || w->dims[0] % conv->groups || w->dims[1] * conv->groups > INT32_MAX)
		return call_fail(call, -EINVAL, "has weights that do not fit its input");
	if (!type_is_real(x->type) || !type_is_real(w->type))
		return call_fail(call, -EINVAL, "computes with integers");
	n_extra = call_integers(call, "output_padding", -1, window->n, extra);
	n_shape = call_integers(call, "output_shape", -1, window->n, shape);
	r = positive_list(call, "strides", window->n, window->stride);
	if (r == 0)
		r = positive_list(call, "dilations", window->n, window->dilation);
	if (r == 0)
		r = read_pads(call, window);
	if (r == 0 &&
	    (n_extra < 0 || (n_extra && n_extra != window->n) || n_shape < 0 || (n_shape && n_shape != window->n)))
		return call_fail(call, -EINVAL, "has an output padding or shape of other axes");
	for (int i = 0; i < window->n && r == 0; i++) {
		int64_t full, side, all;

		window->kernel[i] = w->dims[2 + i];
		window->out[i] = x->dims[2 + i];
		if (window->kernel[i] < 1 || window->kernel[i] > 1 << 20 || extra[i] < 0 || extra[i] > 1 << 20)
			return call_fail(call, -EINVAL, "has a kernel of %d", window->kernel[i]);
		full = (window->out[i] - 1) * window->stride[i] + (window->kernel[i] - 1) * window->dilation[i] + 1 +
		       extra[i];
		side = n_shape			  ? shape[i]
		       : !strncmp(pad, "SAME", 4) ? window->out[i] * window->stride[i]
						  : full - window->before[i] - window->after[i];
		if (!strcmp(pad, "VALID") && !n_shape)
			side = full;
		all = full - side;
		if (n_shape || strcmp(pad, "NOTSET")) {
			all = all < 0 ? 0 : all;
			window->before[i] = strcmp(pad, "SAME_UPPER") ? all - all / 2 : all / 2;
		}
		if (side < 1 || side > INT32_MAX)
			return call_fail(call, -EINVAL, "makes a side of %lld", (long long)side);
		window->in[i] = (int32_t)side;
	}
	return r;
}

static int infer_conv_transpose(struct engine_call *call)
{
	int32_t dims[ENGINE_RANK_MAX] = {0};
	struct conv conv;
	int r = read_transposed(call, &conv);

	if (r == 0)
		r = check_bias(call, 2, (int32_t)(conv.weights->dims[1] * conv.groups));
	if (r < 0)
		return r;
	dims[0] = conv.x->dims[0];
	dims[1] = (int32_t)(conv.weights->dims[1] * conv.groups);
	memcpy(dims + 2, conv.window.in, (size_t)conv.window.n * sizeof(*dims));
	r = call_set(call, 0, conv.x->type, conv.x->rank, dims);
	/* Where each tap goes has to be found even where no channels go there. */
	call->macs = (uint64_t)tensor_count(conv.x) * tensor_span(conv.weights, 2, conv.weights->rank) *
		     (1 + (uint64_t)conv.weights->dims[1]);
	return r;
}

static int run_conv_transpose(struct engine_call *call)
{
	const struct engine_tensor *bias = call_input(call, 2), *x = call->inputs[0], *w = call->inputs[1];
	struct engine_tensor *y = call->outputs[0];
	size_t plane = tensor_span(y, 2, y->rank), taps = tensor_span(w, 2, w->rank), out, in;
	struct odometer at, tap;
	struct conv conv;

	read_transposed(call, &conv);
	out = (size_t)w->dims[1];
	in = (size_t)w->dims[0] / (size_t)conv.groups;
	for (size_t i = 0; i < tensor_count(y); i++)
		tensor_put_real(y, i, bias ? tensor_real(bias, i / plane % (size_t)y->dims[1]) : 0);
	odometer_init(&at, x->rank, x->dims);
	for (; !at.done; odometer_next(&at)) {
		double value = tensor_real(x, at.index);
		size_t first = (size_t)at.at[0] * (size_t)y->dims[1] + (size_t)at.at[1] / in * out;

		odometer_init(&tap, conv.window.n, conv.window.kernel);
		for (; !tap.done; odometer_next(&tap)) {
			size_t to;

			if (!tap_at(&conv.window, at.at + 2, tap.at, &to))
				continue;
			for (size_t c = 0; c < out; c++) {
				size_t element = (first + c) * plane + to;
				double weight = tensor_real(w, ((size_t)at.at[1] * out + c) * taps + tap.index);

				tensor_put_real(y, element, tensor_real(y, element) + value * weight);
			}
		}
	}
	return 0;
}

/* ---- pools -------------------------------------------------------------------------------------- */

static int read_pool(struct engine_call *call, struct window *w)
{
	const struct engine_tensor *x = call->inputs[0];
	bool ceil_mode = engine_attribute_integer(call->attributes, "ceil_mode", 0) != 0;
	int64_t kernel[SPATIAL_MAX];

	w->n = x->rank - 2;
	if (x->rank < 3 || call_integers(call, "kernel_shape", -1, w->n, kernel) != w->n)
		return call_fail(call, -EINVAL, "has no kernel for its input of %d axes", x->rank);
	for (int i = 0; i < w->n; i++)
		w->kernel[i] = kernel[i] < 1 || kernel[i] > 1 << 20 ? 0 : (int32_t)kernel[i];
	return read_window(call, x, ceil_mode, w);
}

static int infer_pool(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int32_t dims[ENGINE_RANK_MAX];
	struct window w;
	int r = read_pool(call, &w);

	if (r < 0)
		return r;
	memcpy(dims, x->dims, sizeof(dims));
	memcpy(dims + 2, w.out, (size_t)w.n * sizeof(*dims));
	r = set_windows(
		call, x->type, x->rank, dims,
		tensor_span(&(struct engine_tensor){.dims = {w.kernel[0], w.n > 1 ? w.kernel[1] : 1,
							     w.n > 2 ? w.kernel[2] : 1, w.n > 3 ? w.kernel[3] : 1}},
			    0, 4));
	return r < 0 ? r : call_set(call, 1, ENGINE_S64, x->rank, dims);
}

/* Where the largest was: its index in the whole input, columns counted first if the file wants it. */
static int64_t storage_index(const struct engine_call *call, const struct window *w, size_t plane, size_t at)
{
	size_t index = at, size = 1, place = 0;

	if (!engine_attribute_integer(call->attributes, "storage_order", 0))
		return (int64_t)(plane * tensor_span(call->inputs[0], 2, call->inputs[0]->rank) + at);
	for (int i = w->n - 1; i >= 0; i--) {
		size_t stride = 1;

		for (int k = 0; k < i; k++)
			stride *= (size_t)w->in[k];
		place += index % (size_t)w->in[i] * stride;
		index /= (size_t)w->in[i];
		size *= (size_t)w->in[i];
	}
	return (int64_t)(plane * size + place);
}

static int run_max_pool(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	size_t plane = tensor_span(x, 2, x->rank);
	struct odometer at, tap;
	struct window w;

	read_pool(call, &w);
	odometer_init(&at, x->rank, call->outputs[0]->dims);
	for (; !at.done; odometer_next(&at)) {
		size_t from, image = (size_t)at.at[0] * (size_t)x->dims[1] + (size_t)at.at[1], best = 0;
		bool any = false;

		odometer_init(&tap, w.n, w.kernel);
		for (; !tap.done; odometer_next(&tap)) {
			if (!tap_at(&w, at.at + 2, tap.at, &from))
				continue;
			if (!any || tensor_real(x, image * plane + from) > tensor_real(x, image * plane + best))
				best = from;
			any = true;
		}
		if (any)
			tensor_copy(call->outputs[0], at.index, x, image * plane + best);
		else
			tensor_put_real(call->outputs[0], at.index, -INFINITY);
		if (call->n_outputs > 1)
			tensor_put_integer(call->outputs[1], at.index, storage_index(call, &w, image, best));
	}
	return 0;
}

/* The elements a padded window has: those of the input and, where padding counts, of the padding. */
static double padded_count(const struct window *w, const int32_t *at)
{
	double n = 1;

	for (int i = 0; i < w->n; i++) {
		int64_t count = 0;

		for (int32_t k = 0; k < w->kernel[i]; k++) {
			int64_t p = at[i] * w->stride[i] + k * w->dilation[i] - w->before[i];

			count += p >= -w->before[i] && p < w->in[i] + w->after[i];
		}
		n *= (double)count;
	}
	return n;
}

static int run_average_pool(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	bool padded = engine_attribute_integer(call->attributes, "count_include_pad", 0) != 0;
	size_t plane = tensor_span(x, 2, x->rank);
	struct odometer at, tap;
	struct window w;

	read_pool(call, &w);
	odometer_init(&at, x->rank, call->outputs[0]->dims);
	for (; !at.done; odometer_next(&at)) {
		size_t from, image = (size_t)at.at[0] * (size_t)x->dims[1] + (size_t)at.at[1];
		double sum = 0, n = 0;

		odometer_init(&tap, w.n, w.kernel);
		for (; !tap.done; odometer_next(&tap))
			if (tap_at(&w, at.at + 2, tap.at, &from)) {
				sum += tensor_real(x, image * plane + from);
				n++;
			}
		tensor_put_real(call->outputs[0], at.index, sum / (padded ? padded_count(&w, at.at + 2) : n));
	}
	return 0;
}

static int run_lp_pool(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	double p = (double)engine_attribute_integer(call->attributes, "p", 2);
	size_t plane = tensor_span(x, 2, x->rank);
	struct odometer at, tap;
	struct window w;

	read_pool(call, &w);
	odometer_init(&at, x->rank, call->outputs[0]->dims);
	for (; !at.done; odometer_next(&at)) {
		size_t from, image = (size_t)at.at[0] * (size_t)x->dims[1] + (size_t)at.at[1];
		double sum = 0;

		odometer_init(&tap, w.n, w.kernel);
		for (; !tap.done; odometer_next(&tap))
			if (tap_at(&w, at.at + 2, tap.at, &from))
				sum += pow(fabs(tensor_real(x, image * plane + from)), p);
		tensor_put_real(call->outputs[0], at.index, pow(sum, 1 / p));
	}
	return 0;
}

/* ---- MaxUnpool: values back to where they were the largest --------------------------------------- */

static int infer_max_unpool(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t kernel[SPATIAL_MAX], strides[SPATIAL_MAX], shape[ENGINE_RANK_MAX];
	int32_t dims[ENGINE_RANK_MAX];
	struct window w = {.n = x->rank - 2};
	int r, n;

	call->outputs[0]->type = x->type;
	if (x->rank < 3 || call_integers(call, "kernel_shape", -1, w.n, kernel) != w.n)
		return call_fail(call, -EINVAL, "has no kernel for its input of %d axes", x->rank);
	r = positive_list(call, "strides", w.n, strides);
	if (r == 0)
		r = read_pads(call, &w);
	if (r < 0)
		return r;
	memcpy(dims, x->dims, sizeof(dims));
	for (int i = 0; i < w.n; i++) {
		int64_t side = (x->dims[2 + i] - 1) * strides[i] + kernel[i] - w.before[i] - w.after[i];

		if (kernel[i] < 1 || kernel[i] > 1 << 20 || side < 1 || side > INT32_MAX)
			return call_fail(call, -EINVAL, "makes a side of %lld", (long long)side);
		dims[2 + i] = (int32_t)side;
	}
	n = call_input(call, 2) ? call_integers(call, "", 2, ENGINE_RANK_MAX, shape) : 0;
	if (n < 0 || (n && n != x->rank))
		return n < 0 ? n : call_fail(call, -EINVAL, "has a shape of %d axes", n);
	for (int i = 0; i < n; i++) {
		if (shape[i] < 0 || shape[i] > INT32_MAX)
			return call_fail(call, -EINVAL, "has an impossible shape");
		dims[i] = (int32_t)shape[i];
	}
	return call_set(call, 0, x->type, x->rank, dims);
}

static int run_max_unpool(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *indices = call->inputs[1];
	struct engine_tensor *y = call->outputs[0];
	int64_t kernel[SPATIAL_MAX] = {0}, strides[SPATIAL_MAX];
	struct engine_tensor natural = *y;

	if (tensor_count(indices) != tensor_count(x))
		return call_fail(call, -EINVAL, "has another number of indices than values");
	/* Indices count in the shape that follows from the kernel, whatever shape the output was given. */
	call_integers(call, "kernel_shape", -1, x->rank - 2, kernel);
	positive_list(call, "strides", x->rank - 2, strides);
	for (int i = 0; i < x->rank - 2; i++)
		natural.dims[2 + i] = (int32_t)((x->dims[2 + i] - 1) * strides[i] + kernel[i]);
	for (size_t i = 0; i < tensor_count(y); i++)
		tensor_put_real(y, i, 0);
	for (size_t i = 0; i < tensor_count(x); i++) {
		int64_t left = tensor_integer(indices, i);
		size_t to = 0, stride = 1;

		if (left < 0 || (size_t)left >= tensor_count(&natural))
			return call_fail(call, -EDOM, "has index %lld", (long long)left);
		for (int k = y->rank - 1; k >= 0; k--) {
			int64_t at = left % natural.dims[k];

			if (at >= y->dims[k])
				return call_fail(call, -EDOM, "has an index outside of its output");
			to += (size_t)at * stride;
			stride *= (size_t)y->dims[k];
			left /= natural.dims[k];
		}
		tensor_copy(y, to, x, i);
	}
	return 0;
}

OPERATOR(AveragePool, 1, 1, 1, infer_pool, .run = run_average_pool);
OPERATOR(Conv, 2, 3, 1, infer_conv, .run = run_conv);
OPERATOR(ConvInteger, 2, 4, 1, infer_conv_integer, .run = run_conv_integer);
OPERATOR(ConvTranspose, 2, 3, 1, infer_conv_transpose, .run = run_conv_transpose);
OPERATOR(LpPool, 1, 1, 1, infer_pool, .run = run_lp_pool);
OPERATOR(MaxPool, 1, 1, 2, infer_pool, .run = run_max_pool);
OPERATOR(MaxUnpool, 2, 3, 1, infer_max_unpool, .run = run_max_unpool);
OPERATOR(QLinearConv, 8, 9, 1, infer_qlinear_conv, .run = run_qlinear_conv);
