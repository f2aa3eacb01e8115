/*
 * infer.c - what the operators mean: which nodes are right, and what shapes they make.
 *
 * graph_check() looks at everything that does not depend on the size of the input; graph_infer() then walks the
 * nodes once for one size.  Neither changes the graph.
 */
#include "general.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <trim.h>

#include "operators/operators.h"

struct infer {
	const struct graph *graph;
	const struct graph_node *node;
	int index; /* of node */
	struct graph_shape *shapes;
	struct engine_error *error;
};

static int fail(const struct infer *in, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(const struct infer *in, int code, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return graph_error(in->error, code, "%s '%.60s' %s", graph_op_name(in->node->op), in->node->name, text);
}

/* "1x224x224x3" */
static const char *shape_text(const struct graph_shape *shape, char text[96])
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < shape->rank && used < 80; i++)
		used += (size_t)snprintf(text + used, 96 - used, i ? "x%d" : "%d", shape->dims[i]);
	return shape->rank ? text : "a scalar";
}

static const struct graph_value *input_value(const struct infer *in, int i)
{
	return &in->graph->values[in->node->inputs[i]];
}

static const struct graph_shape *input_shape(const struct infer *in, int i)
{
	return &in->shapes[in->node->inputs[i]];
}

static bool has_input(const struct infer *in, int i)
{
	return i < in->node->n_inputs && in->node->inputs[i] >= 0;
}

/* ---- checks that need no shapes ---------------------------------------------------------------- */

static bool is_q8(enum engine_type type)
{
	return type == ENGINE_S8 || type == ENGINE_U8;
}

static bool zero_points_fit(const struct graph_value *value)
{
	int lo = value->type == ENGINE_U8 ? 0 : -128;

	for (int i = 0; i < value->quant.n_scales; i++)
		if (value->quant.zero_points[i] < lo || value->quant.zero_points[i] > lo + 255)
			return false;
	return true;
}

/* A tensor that operators compute with: float32, or 8 bits with one scale. */
static int check_number(const struct infer *in, int index)
{
	const struct graph_value *value = &in->graph->values[index];
	const char *name = value->name ? value->name : "";

	if (value->type == ENGINE_F32)
		return 0;
	if (!is_q8(value->type))
		return fail(in, -ENOTSUP, "computes with %s tensor '%.40s'", engine_type_name(value->type), name);
	if (value->quant.n_scales != 1)
		return fail(in, value->quant.n_scales ? -EINVAL : -ENOTSUP,
			    "uses 8-bit tensor '%.40s' with %d scales, not 1", name, value->quant.n_scales);
	if (!zero_points_fit(value))
		return fail(in, -EINVAL, "uses tensor '%.40s' with a zero point out of range", name);
	return 0;
}

static int check_numbers(const struct infer *in)
{
	const struct graph_node *node = in->node;
	enum engine_type type = in->graph->values[node->outputs[0]].type;
	int r = check_number(in, node->outputs[0]);

	for (int i = 0; i < node->n_inputs && r == 0; i++) {
		if (node->inputs[i] < 0)
			return fail(in, -EINVAL, "lacks input %d", i);
		r = check_number(in, node->inputs[i]);
		if (r == 0 && input_value(in, i)->type != type)
			return fail(in, -ENOTSUP, "mixes %s and %s", engine_type_name(input_value(in, i)->type),
				    engine_type_name(type));
	}
	return r;
}

/* Operators that move elements and do not look at them. */
static int check_moved(const struct infer *in)
{
	enum engine_type type = in->graph->values[in->node->outputs[0]].type;

	for (int i = 0; i < in->node->n_inputs; i++) {
		if (in->node->inputs[i] < 0)
			return fail(in, -EINVAL, "lacks input %d", i);
		if (input_value(in, i)->type != type)
			return fail(in, -EINVAL, "makes %s of %s", engine_type_name(type),
				    engine_type_name(input_value(in, i)->type));
	}
	return 0;
}

static int check_window(const struct infer *in, const struct graph_window *w)
{
	const int positive[] = {w->kernel_h, w->kernel_w, w->stride_h, w->stride_w, w->dilation_h, w->dilation_w};
	const int pads[] = {w->top, w->bottom, w->left, w->right};

	for (int i = 0; i < 6; i++)
		if (positive[i] < 1 || positive[i] > GRAPH_WINDOW_MAX)
			return fail(in, -EINVAL, "has a kernel, stride or dilation of %d", positive[i]);
	for (int i = 0; i < 4; i++)
		if (pads[i] < 0 || pads[i] > GRAPH_WINDOW_MAX)
			return fail(in, -EINVAL, "has a padding of %d", pads[i]);
	if ((unsigned)w->pad_mode > GRAPH_PAD_VALID)
		return fail(in, -EINVAL, "has an unknown padding mode");
	return 0;
}

static int check_act(const struct infer *in, const struct graph_act *act)
{
	if ((unsigned)act->kind >= GRAPH_ACT_COUNT)
		return fail(in, -EINVAL, "has an unknown activation");
	if (isnan(act->a) || isnan(act->b) || (act->kind == GRAPH_ACT_CLIP && act->a > act->b))
		return fail(in, -EINVAL, "has an activation from %g to %g", (double)act->a, (double)act->b);
	return 0;
}

/* Weights and bias of a convolution or fully connected layer, against the type of x. */
static int check_weights(const struct infer *in)
{
	const struct graph_value *x = input_value(in, 0), *w = input_value(in, 1);
	const struct graph_value *out = &in->graph->values[in->node->outputs[0]];
	bool quantised = is_q8(x->type), small = is_q8(w->type) || w->type == ENGINE_S16;
	int r = check_number(in, in->node->inputs[0]);

	if (r == 0)
		r = check_number(in, in->node->outputs[0]);
	if (r < 0)
		return r;
	if (is_q8(out->type) != quantised)
		return fail(in, -ENOTSUP, "makes %s of %s", engine_type_name(out->type), engine_type_name(x->type));
	if (!graph_is_constant(w))
		return fail(in, -ENOTSUP, "has weights that are not constant");
	if (!small && (quantised || (w->type != ENGINE_F32 && w->type != ENGINE_F16)))
		return fail(in, -ENOTSUP, "has %s weights for a %s input", engine_type_name(w->type),
			    engine_type_name(x->type));
	if (small && w->quant.n_scales != 1 && (w->rank < 1 || w->quant.n_scales != w->dims[0]))
		return fail(in, -EINVAL, "has %d scales for its weights", w->quant.n_scales);
	if (is_q8(w->type) && !zero_points_fit(w))
		return fail(in, -EINVAL, "has weights with a zero point out of range");
	if (has_input(in, 2)) {
		const struct graph_value *bias = input_value(in, 2);
		bool scaled = bias->quant.n_scales == 1 ||
			      (bias->rank == 1 && bias->quant.n_scales == bias->dims[0] && bias->dims[0] > 0);

		if (!graph_is_constant(bias))
			return fail(in, -ENOTSUP, "has a bias that is not constant");
		if (quantised ? bias->type != ENGINE_S32
			      : bias->type != ENGINE_F32 && bias->type != ENGINE_F16 &&
					(bias->type != ENGINE_S32 || !scaled))
			return fail(in, -ENOTSUP, "has a %s bias for a %s input", engine_type_name(bias->type),
				    engine_type_name(x->type));
	}
	return 0;
}

static int check_slope(const struct infer *in)
{
	const struct graph_value *w = input_value(in, 1), *slope = input_value(in, 3);
	size_t elements = 0;

	if (in->node->act.kind != GRAPH_ACT_NONE || input_value(in, 0)->type != ENGINE_F32 || !slope->data)
		return fail(in, -EINVAL, "has an input 3 that is no slope");
	graph_elements(slope->rank, slope->dims, &elements);
	if (elements != 1 && (w->rank != 4 || elements != (size_t)w->dims[0]))
		return fail(in, -EINVAL, "has %zu slopes", elements);
	return check_number(in, in->node->inputs[3]);
}

static int check_conv(const struct infer *in)
{
	const struct graph_conv *conv = &in->node->conv;
	int r = check_weights(in);

	if (r == 0 && has_input(in, 3))
		r = check_slope(in);
	if (r == 0)
		r = check_window(in, &conv->window);
	if (r == 0 && conv->groups < 1)
		return fail(in, -EINVAL, "has %d groups", conv->groups);
	if (r == 0 && (int64_t)conv->window.kernel_h * conv->window.kernel_w > GRAPH_TAPS_MAX)
		return fail(in, -ENOTSUP, "has a kernel of %dx%d", conv->window.kernel_w, conv->window.kernel_h);
	return r;
}

static int check_pool(const struct infer *in)
{
	int r = check_numbers(in);

	return r == 0 && !in->node->pool.global ? check_window(in, &in->node->pool.window) : r;
}

/* One value, or one of each channel, in float; the second input of PRELU. */
static int check_constant(const struct infer *in, int i)
{
	const struct graph_value *value = input_value(in, i);

	if (!value->data)
		return fail(in, -ENOTSUP, "has an input %d that is not constant", i);
	return 0;
}

static int check_prelu(const struct infer *in)
{
	int r = check_numbers(in);

	return r == 0 ? check_constant(in, 1) : r;
}

static int check_batchnorm(const struct infer *in)
{
	int r = check_number(in, in->node->inputs[0]);

	if (r == 0)
		r = check_number(in, in->node->outputs[0]);
	for (int i = 1; i <= 2 && r == 0; i++) {
		r = check_constant(in, i);
		if (r == 0 && input_value(in, i)->type != ENGINE_F32)
			return fail(in, -ENOTSUP, "has %s factors", engine_type_name(input_value(in, i)->type));
	}
	if (r == 0 && in->graph->values[in->node->outputs[0]].type != input_value(in, 0)->type)
		return fail(in, -ENOTSUP, "changes the type of its input");
	return r;
}

static int check_unary(const struct infer *in)
{
	int r = check_numbers(in);

	return r == 0 ? check_act(in, &in->node->unary) : r;
}

static int check_pad(const struct infer *in)
{
	const struct graph_value *x = input_value(in, 0);
	int r = check_moved(in);

	if (r == 0 && !isfinite(in->node->pad.value))
		return fail(in, -EINVAL, "pads with a value that is not finite");
	if (r == 0 && in->node->pad.value != 0.0f && x->type != ENGINE_F32 && !is_q8(x->type))
		return fail(in, -ENOTSUP, "pads %s with a value", engine_type_name(x->type));
	if (r == 0 && is_q8(x->type) && x->quant.n_scales > 0)
		return check_number(in, in->node->inputs[0]);
	return r;
}

static int check_resize(const struct infer *in)
{
	const struct graph_resize *resize = &in->node->resize;

	if (!resize->out_h != !resize->out_w || resize->out_h < 0 || resize->out_w < 0)
		return fail(in, -EINVAL, "has an output of %dx%d", resize->out_w, resize->out_h);
	if (!resize->out_h && (!(resize->scale_h > 0.0f) || !(resize->scale_w > 0.0f) || resize->scale_h > 65536.0f ||
			       resize->scale_w > 65536.0f))
		return fail(in, -EINVAL, "has factors %gx%g", (double)resize->scale_w, (double)resize->scale_h);
	return resize->bilinear ? check_numbers(in) : check_moved(in);
}

static int check_softmax(const struct infer *in)
{
	if (!isfinite(in->node->axis.beta))
		return fail(in, -EINVAL, "has a beta that is not finite");
	return check_numbers(in);
}

static int check_cast(const struct infer *in)
{
	const struct graph_value *x = input_value(in, 0), *out = &in->graph->values[in->node->outputs[0]];

	if (out->quant.n_scales > 1 || (!x->data && x->quant.n_scales > 1))
		return fail(in, -ENOTSUP, "quantises by channel");
	if ((is_q8(x->type) && !zero_points_fit(x)) || (is_q8(out->type) && !zero_points_fit(out)))
		return fail(in, -EINVAL, "has a zero point out of range");
	return 0;
}

/* Its own infer looks at everything but this. */
static int check_general(const struct infer *in)
{
	return in->node->general.op && in->node->n_outputs <= ENGINE_OPERATOR_IO_MAX
		       ? 0
		       : fail(in, -EINVAL, "has no operator or too many outputs");
}

/* ---- shapes ------------------------------------------------------------------------------------ */

int graph_window_axis(const struct graph_window *window, bool vertical, bool ceil_mode, int in, int *ret_out,
		      int *ret_before, int *ret_after)
{
	int64_t kernel = vertical ? window->kernel_h : window->kernel_w;
	int64_t stride = vertical ? window->stride_h : window->stride_w;
	int64_t dilation = vertical ? window->dilation_h : window->dilation_w;
	int64_t before = 0, after = 0, reach = (kernel - 1) * dilation + 1, out;

	if (in < 1 || kernel < 1 || stride < 1 || dilation < 1)
		return -EINVAL;
	if (window->pad_mode == GRAPH_PAD_SAME_UPPER || window->pad_mode == GRAPH_PAD_SAME_LOWER) {
		int64_t total;

		out = (in + stride - 1) / stride;
		total = (out - 1) * stride + reach - in;
		if (total < 0)
			total = 0;
		before = window->pad_mode == GRAPH_PAD_SAME_UPPER ? total / 2 : total - total / 2;
	} else {
		int64_t free_steps;

		if (window->pad_mode == GRAPH_PAD_EXPLICIT) {
			before = vertical ? window->top : window->left;
			after = vertical ? window->bottom : window->right;
		}
		if (before < 0 || after < 0)
			return -EINVAL;
		free_steps = in + before + after - reach;
		if (free_steps < 0)
			return -EINVAL;
		out = (free_steps + (ceil_mode ? stride - 1 : 0)) / stride + 1;
	}
	if (out > INT32_MAX || before > INT32_MAX)
		return -EINVAL;
	after = (out - 1) * stride + reach - in - before;
	if (after > INT32_MAX)
		return -EINVAL;
	*ret_out = (int)out;
	*ret_before = (int)before;
	*ret_after = after > 0 ? (int)after : 0;
	return 0;
}

static int infer_window(const struct infer *in, const struct graph_window *window, bool ceil_mode,
			struct graph_shape *out)
{
	const struct graph_shape *x = input_shape(in, 0);
	int before, after;

	if (graph_window_axis(window, true, ceil_mode, x->dims[1], &out->dims[1], &before, &after) < 0 ||
	    graph_window_axis(window, false, ceil_mode, x->dims[2], &out->dims[2], &before, &after) < 0)
		return fail(in, -EINVAL, "has a window of %dx%d, larger than its input of %dx%d", window->kernel_w,
			    window->kernel_h, x->dims[2], x->dims[1]);
	return 0;
}

static int want_image(const struct infer *in)
{
	char text[96];

	if (input_shape(in, 0)->rank != 4)
		return fail(in, -EINVAL, "wants an image, not %s", shape_text(input_shape(in, 0), text));
	if (input_shape(in, 0)->dims[0] != 1)
		return fail(in, -ENOTSUP, "works on %d images at once", input_shape(in, 0)->dims[0]);
	return 0;
}

static int check_bias_shape(const struct infer *in, int32_t n)
{
	size_t elements = 0;

	if (!has_input(in, 2))
		return 0;
	graph_elements(input_shape(in, 2)->rank, input_shape(in, 2)->dims, &elements);
	if (elements != (size_t)n)
		return fail(in, -EINVAL, "has %zu biases for %d outputs", elements, n);
	return 0;
}

static int infer_conv(const struct infer *in, struct graph_shape *out)
{
	const struct graph_conv *conv = &in->node->conv;
	const struct graph_shape *x = input_shape(in, 0), *w = input_shape(in, 1);
	char a[96], b[96];
	int r = want_image(in);

	if (r < 0)
		return r;
	if (w->rank != 4 || w->dims[1] != conv->window.kernel_h || w->dims[2] != conv->window.kernel_w ||
	    (int64_t)w->dims[3] * conv->groups != x->dims[3] || w->dims[0] < 1 || w->dims[0] % conv->groups)
		return fail(in, -EINVAL, "has weights of %s in %d groups for an input of %s", shape_text(w, a),
			    conv->groups, shape_text(x, b));
	r = check_bias_shape(in, w->dims[0]);
	if (r < 0)
		return r;
	*out = *x;
	out->dims[3] = w->dims[0];
	return infer_window(in, &conv->window, false, out);
}

static int infer_fc(const struct infer *in, struct graph_shape *out)
{
	const struct graph_shape *x = input_shape(in, 0), *w = input_shape(in, 1);
	size_t elements = 0;
	char a[96], b[96];

	graph_elements(x->rank, x->dims, &elements);
	if (w->rank != 2 || w->dims[0] < 1 || w->dims[1] < 1 || x->rank < 1 ||
	    (in->node->fc.flatten ? elements % (size_t)w->dims[1] != 0 : x->dims[x->rank - 1] != w->dims[1]))
		return fail(in, -EINVAL, "has weights of %s for an input of %s", shape_text(w, a), shape_text(x, b));
	if (in->node->fc.flatten)
		*out = (struct graph_shape){.rank = 2, .dims = {(int32_t)(elements / (size_t)w->dims[1])}};
	else
		*out = *x;
	out->dims[out->rank - 1] = w->dims[0];
	return check_bias_shape(in, w->dims[0]);
}

static int infer_pool(const struct infer *in, struct graph_shape *out)
{
	int r = want_image(in);

	if (r < 0)
		return r;
	*out = *input_shape(in, 0);
	if (!in->node->pool.global)
		return infer_window(in, &in->node->pool.window, in->node->pool.ceil_mode, out);
	out->dims[1] = out->dims[2] = 1;
	return 0;
}

static int infer_mean(const struct infer *in, struct graph_shape *out)
{
	const struct graph_reduce *reduce = &in->node->reduce;
	const struct graph_shape *x = input_shape(in, 0);
	bool gone[ENGINE_RANK_MAX] = {false};

	if (reduce->n_axes < 0 || reduce->n_axes > ENGINE_RANK_MAX)
		return fail(in, -EINVAL, "has %d axes", reduce->n_axes);
	for (int i = 0; i < reduce->n_axes; i++) {
		if (reduce->axes[i] < 0 || reduce->axes[i] >= x->rank)
			return fail(in, -EINVAL, "has axis %d of %d", reduce->axes[i], x->rank);
		gone[reduce->axes[i]] = true;
	}
	*out = (struct graph_shape){0};
	for (int i = 0; i < x->rank; i++)
		if (!gone[i] || reduce->keep_dims)
			out->dims[out->rank++] = gone[i] ? 1 : x->dims[i];
	return 0;
}

static int infer_same(const struct infer *in, struct graph_shape *out)
{
	*out = *input_shape(in, 0);
	return 0;
}

/* Constants of one value, or of one for each channel. */
static int infer_channels(const struct infer *in, struct graph_shape *out)
{
	const struct graph_shape *x = input_shape(in, 0);
	int32_t channels = x->rank ? x->dims[x->rank - 1] : 1;

	for (int i = 1; i < in->node->n_inputs; i++) {
		size_t elements = 0;

		graph_elements(input_shape(in, i)->rank, input_shape(in, i)->dims, &elements);
		if (elements != (size_t)channels && !(in->node->op == GRAPH_PRELU && elements == 1))
			return fail(in, -EINVAL, "has %zu factors for %d channels", elements, channels);
	}
	*out = *x;
	return 0;
}

static int infer_binary(const struct infer *in, struct graph_shape *out)
{
	const struct graph_shape *a = input_shape(in, 0), *b = input_shape(in, 1);
	char ta[96], tb[96];

	out->rank = a->rank > b->rank ? a->rank : b->rank;
	for (int i = 0; i < out->rank; i++) {
		int32_t da = i < out->rank - a->rank ? 1 : a->dims[i - (out->rank - a->rank)];
		int32_t db = i < out->rank - b->rank ? 1 : b->dims[i - (out->rank - b->rank)];

		if (da != db && da != 1 && db != 1)
			return fail(in, -EINVAL, "cannot broadcast %s and %s", shape_text(a, ta), shape_text(b, tb));
		out->dims[i] = da > db ? da : db;
	}
	return 0;
}

static int infer_concat(const struct infer *in, struct graph_shape *out)
{
	int axis = in->node->axis.axis;
	const struct graph_shape *first = input_shape(in, 0);
	int64_t sum = 0;
	char a[96], b[96];

	if (axis < 0 || axis >= first->rank)
		return fail(in, -EINVAL, "has axis %d of %d", axis, first->rank);
	for (int i = 0; i < in->node->n_inputs; i++) {
		struct graph_shape x = *input_shape(in, i);

		sum += axis < x.rank ? x.dims[axis] : 0;
		x.dims[axis] = first->dims[axis];
		if (x.rank != first->rank || memcmp(x.dims, first->dims, (size_t)x.rank * sizeof(*x.dims)) != 0)
			return fail(in, -EINVAL, "cannot join %s and %s along axis %d", shape_text(first, a),
				    shape_text(input_shape(in, i), b), axis);
	}
	if (sum > INT32_MAX)
		return fail(in, -EINVAL, "makes a tensor that is too large");
	*out = *first;
	out->dims[axis] = (int32_t)sum;
	return 0;
}

static int infer_slice(const struct infer *in, struct graph_shape *out)
{
	const struct graph_slice *slice = &in->node->slice;
	const struct graph_shape *x = input_shape(in, 0);

	*out = *x;
	for (int i = 0; i < x->rank; i++) {
		int64_t begin = slice->begin[i], step = slice->step[i], size = slice->size[i], last;

		if (begin < 0)
			begin += x->dims[i];
		if (step == 0 || step > GRAPH_WINDOW_MAX || step < -GRAPH_WINDOW_MAX)
			return fail(in, -EINVAL, "has a step of %d", slice->step[i]);
		if (begin < 0 || begin >= x->dims[i])
			return fail(in, -EINVAL, "begins at %d of %d on axis %d", slice->begin[i], x->dims[i], i);
		if (size == -1)
			size = step > 0 ? (x->dims[i] - begin + step - 1) / step : begin / -step + 1;
		last = begin + (size - 1) * step;
		if (size < 1 || last < 0 || last >= x->dims[i])
			return fail(in, -EINVAL, "wants %d from %d of %d on axis %d", slice->size[i], slice->begin[i],
				    x->dims[i], i);
		out->dims[i] = (int32_t)size;
	}
	return 0;
}

static int infer_pad(const struct infer *in, struct graph_shape *out)
{
	const struct graph_pad *pad = &in->node->pad;

	*out = *input_shape(in, 0);
	for (int i = 0; i < out->rank; i++) {
		int64_t side = (int64_t)out->dims[i] + pad->before[i] + pad->after[i];

		if (pad->before[i] < 0 || pad->after[i] < 0 || side > INT32_MAX)
			return fail(in, -EINVAL, "pads axis %d by %d and %d", i, pad->before[i], pad->after[i]);
		out->dims[i] = (int32_t)side;
	}
	return 0;
}

static int infer_reshape(const struct infer *in, struct graph_shape *out)
{
	const struct graph_shape *x = input_shape(in, 0), *wanted = &in->node->shape;
	size_t elements = 0, known = 1;
	int free_axis = -1;
	char a[96], b[96];

	if (wanted->rank < 0 || wanted->rank > ENGINE_RANK_MAX)
		return fail(in, -EINVAL, "wants %d axes", wanted->rank);
	graph_elements(x->rank, x->dims, &elements);
	*out = *wanted;
	for (int i = 0; i < wanted->rank; i++) {
		if (wanted->dims[i] < -1 || (wanted->dims[i] == 0 && i >= x->rank) ||
		    (wanted->dims[i] == -1 && free_axis >= 0))
			return fail(in, -EINVAL, "wants an impossible shape %s", shape_text(wanted, a));
		if (wanted->dims[i] == 0)
			out->dims[i] = x->dims[i];
		if (wanted->dims[i] == -1)
			free_axis = i;
		else if (known <= ENGINE_TENSOR_BYTES_MAX)
			known *= (size_t)out->dims[i];
	}
	if (free_axis >= 0 && elements % known == 0) {
		out->dims[free_axis] = (int32_t)(elements / known);
		known = elements;
	}
	if (known != elements)
		return fail(in, -EINVAL, "wants %s of a tensor of %s", shape_text(wanted, a), shape_text(x, b));
	return 0;
}

static int infer_transpose(const struct infer *in, struct graph_shape *out)
{
	const struct graph_shape *x = input_shape(in, 0), *order = &in->node->shape;
	unsigned seen = 0;

	if (order->rank != x->rank)
		return fail(in, -EINVAL, "orders %d axes of %d", order->rank, x->rank);
	out->rank = x->rank;
	for (int i = 0; i < x->rank; i++) {
		if (order->dims[i] < 0 || order->dims[i] >= x->rank || seen & 1u << order->dims[i])
			return fail(in, -EINVAL, "has no permutation");
		seen |= 1u << order->dims[i];
		out->dims[i] = x->dims[order->dims[i]];
	}
	return 0;
}

static int infer_softmax(const struct infer *in, struct graph_shape *out)
{
	*out = *input_shape(in, 0);
	if (in->node->axis.axis < 0 || in->node->axis.axis >= out->rank)
		return fail(in, -EINVAL, "has axis %d of %d", in->node->axis.axis, out->rank);
	return 0;
}

static int infer_resize(const struct infer *in, struct graph_shape *out)
{
	const struct graph_resize *resize = &in->node->resize;
	int r = want_image(in);

	if (r < 0)
		return r;
	*out = *input_shape(in, 0);
	for (int i = 0; i < 2; i++) {
		double scaled = floor((double)out->dims[1 + i] * (double)(i ? resize->scale_w : resize->scale_h));

		if (!resize->out_h && (scaled < 1.0 || scaled > ENGINE_TENSOR_BYTES_MAX))
			return fail(in, -EINVAL, "makes a side of %.0f", scaled);
		out->dims[1 + i] = !resize->out_h ? (int32_t)scaled : i ? resize->out_w : resize->out_h;
	}
	return 0;
}

/* ---- the walk ---------------------------------------------------------------------------------- */

/* Operators that the build leaves out have none. */
#define RULE(name, min, max, check, infer)                                                                             \
	{                                                                                                              \
		min, max, WITH_##name ? (check) : NULL, WITH_##name ? (infer) : NULL                                   \
	}
static const struct {
	int min_inputs, max_inputs;
	int (*check)(const struct infer *in);
	int (*infer)(const struct infer *in, struct graph_shape *out);
} rules[GRAPH_OP_COUNT] = {
	[GRAPH_CONV] = RULE(conv, 2, 4, check_conv, infer_conv),
	[GRAPH_FC] = RULE(fc, 2, 3, check_weights, infer_fc),
	[GRAPH_MAXPOOL] = RULE(maxpool, 1, 1, check_pool, infer_pool),
	[GRAPH_AVGPOOL] = RULE(avgpool, 1, 1, check_pool, infer_pool),
	[GRAPH_MEAN] = RULE(mean, 1, 1, check_numbers, infer_mean),
	[GRAPH_UNARY] = RULE(unary, 1, 1, check_unary, infer_same),
	[GRAPH_PRELU] = RULE(prelu, 2, 2, check_prelu, infer_channels),
	[GRAPH_ADD] = RULE(add, 2, 2, check_numbers, infer_binary),
	[GRAPH_SUB] = RULE(sub, 2, 2, check_numbers, infer_binary),
	[GRAPH_MUL] = RULE(mul, 2, 2, check_numbers, infer_binary),
	[GRAPH_DIV] = RULE(div, 2, 2, check_numbers, infer_binary),
	[GRAPH_MIN] = RULE(min, 2, 2, check_numbers, infer_binary),
	[GRAPH_MAX] = RULE(max, 2, 2, check_numbers, infer_binary),
	[GRAPH_CONCAT] = RULE(concat, 1, GRAPH_VALUES_MAX, check_moved, infer_concat),
	[GRAPH_SLICE] = RULE(slice, 1, 1, check_moved, infer_slice),
	[GRAPH_PAD] = RULE(pad, 1, 1, check_pad, infer_pad),
	[GRAPH_RESHAPE] = RULE(reshape, 1, 1, check_moved, infer_reshape),
	[GRAPH_TRANSPOSE] = RULE(transpose, 1, 1, check_moved, infer_transpose),
	[GRAPH_SOFTMAX] = RULE(softmax, 1, 1, check_softmax, infer_softmax),
	[GRAPH_RESIZE] = RULE(resize, 1, 1, check_resize, infer_resize),
	[GRAPH_BATCHNORM] = RULE(batchnorm, 3, 3, check_batchnorm, infer_channels),
	[GRAPH_CAST] = RULE(cast, 1, 1, check_cast, infer_same),
	[GRAPH_IDENTITY] = RULE(identity, 1, 1, check_moved, infer_same),
	[GRAPH_GENERAL] = RULE(general, 0, ENGINE_OPERATOR_IO_MAX, check_general, NULL),
};

/* A value that can be read before node `index` runs. */
static bool is_ready(const struct graph *graph, int value, int index)
{
	const struct graph_value *v = &graph->values[value];

	if (graph_is_constant(v))
		return true;
	if (v->producer >= 0)
		return v->producer < index;
	for (int i = 0; i < graph->n_inputs; i++)
		if (graph->inputs[i] == value)
			return true;
	return false;
}

static int check_node(const struct infer *in)
{
	const struct graph_node *node = in->node;
	int r;

	if ((unsigned)node->op >= GRAPH_OP_COUNT)
		return graph_error(in->error, -EINVAL, "node '%.60s' has no known operator", node->name);
	if (!rules[node->op].check)
		return graph_error(in->error, -ENOTSUP, "'%.60s' needs the operator %s, which " OPERATORS_LEFT_OUT,
				   node->name,
				   node->op == GRAPH_UNARY ? graph_act_name(&node->unary) : graph_op_name(node->op));
	if (node->n_inputs < rules[node->op].min_inputs || node->n_inputs > rules[node->op].max_inputs ||
	    (node->n_outputs != 1 && node->op != GRAPH_GENERAL))
		return fail(in, -EINVAL, "has %d inputs and %d outputs", node->n_inputs, node->n_outputs);
	for (int i = 0; i < node->n_inputs; i++) {
		if (node->inputs[i] < 0 && i < rules[node->op].min_inputs)
			return fail(in, -EINVAL, "lacks input %d", i);
		if (node->inputs[i] >= 0 && !is_ready(in->graph, node->inputs[i], in->index))
			return fail(in, -EINVAL, "reads a tensor before it is made");
		if (node->inputs[i] >= 0 && node->op != GRAPH_GENERAL && input_value(in, i)->variable)
			return fail(in, -ENOTSUP, "reads a tensor whose size only a run knows");
	}
	/* What is folded comes from a converted file. */
	if (!(node->folded & GRAPH_FOLDED_SLOPE) != !(node->op == GRAPH_CONV && has_input(in, 3)))
		return fail(in, -EINVAL, "has a slope too many or too few");
	if (node->residual >= 0 && !is_ready(in->graph, node->residual, in->index))
		return fail(in, -EINVAL, "adds a tensor before it is made");
	r = check_act(in, &node->act);
	return r == 0 ? rules[node->op].check(in) : r;
}

static int check_values(const struct graph *graph, struct engine_error *ret_error)
{
	for (int i = 0; i < graph->n_values; i++) {
		const struct graph_value *value = &graph->values[i];
		size_t elements;

		if (value->data && (graph_elements(value->rank, value->dims, &elements) < 0 ||
				    value->data_bytes != elements * engine_type_size(value->type)))
			return graph_error(ret_error, -EINVAL, "constant '%.60s' does not fill its shape",
					   value->name ? value->name : "");
	}
	if (graph->n_inputs < 0 || graph->n_inputs > ENGINE_IO_MAX || graph->n_outputs < 1 ||
	    graph->n_outputs > ENGINE_IO_MAX)
		return graph_error(ret_error, -ENOTSUP, "the network has %d inputs and %d outputs", graph->n_inputs,
				   graph->n_outputs);
	for (int i = 0; i < graph->n_inputs; i++)
		if (graph->inputs[i] < 0 || graph->inputs[i] >= graph->n_values ||
		    graph->values[graph->inputs[i]].producer >= 0 ||
		    graph_is_constant(&graph->values[graph->inputs[i]]))
			return graph_error(ret_error, -EINVAL, "input %d of the network is made by a node", i);
	for (int i = 0; i < graph->n_outputs; i++)
		if (graph->outputs[i] < 0 || graph->outputs[i] >= graph->n_values ||
		    !is_ready(graph, graph->outputs[i], graph->n_nodes))
			return graph_error(ret_error, -EINVAL, "output %d of the network is made by no node", i);
	return 0;
}

int graph_check(const struct graph *graph, struct engine_error *ret_error)
{
	int r = check_values(graph, ret_error);

	for (int i = 0; i < graph->n_nodes && r == 0; i++) {
		struct infer in = {graph, &graph->nodes[i], i, NULL, ret_error};

		r = check_node(&in);
	}
	return r;
}

static int check_size(const struct infer *in, const struct graph_shape *shape, enum engine_type type)
{
	size_t elements;
	char text[96];

	if (graph_elements(shape->rank, shape->dims, &elements) < 0 ||
	    elements > ENGINE_TENSOR_BYTES_MAX / engine_type_size(type))
		return fail(in, -EFBIG, "makes a tensor of %s, over the limit of %u bytes", shape_text(shape, text),
			    ENGINE_TENSOR_BYTES_MAX);
	if (elements == 0)
		return fail(in, -EINVAL, "makes an empty tensor of %s", shape_text(shape, text));
	return 0;
}

static int infer_sources(const struct graph *graph, struct graph_shape *shapes, struct engine_error *ret_error)
{
	for (int i = 0; i < graph->n_values; i++) {
		shapes[i].rank = graph->values[i].rank;
		memcpy(shapes[i].dims, graph->values[i].dims, sizeof(shapes[i].dims));
	}
	for (int i = 0; i < graph->n_inputs; i++) {
		const struct graph_value *value = &graph->values[graph->inputs[i]];
		const char *name = value->name ? value->name : "";
		size_t elements;
		int r = graph_elements(value->rank, value->dims, &elements);

		if (r == -EINVAL)
			return graph_error(ret_error, -EINVAL, "input '%.60s' has no fixed size", name);
		if (r < 0 || elements > ENGINE_TENSOR_BYTES_MAX / engine_type_size(value->type))
			return graph_error(ret_error, -EFBIG, "input '%.60s' is over the limit of %u bytes", name,
					   ENGINE_TENSOR_BYTES_MAX);
	}
	return 0;
}

/* Where only a run knows a shape, the value says how large it may be. */
static int infer_general(const struct infer *in, struct graph_shape *shapes)
{
	struct general_call call;
	int r = general_infer(in->graph, in->index, shapes, &call, in->error);

	if (r < 0 && r != -EAGAIN)
		return r;
	for (int i = 0; i < in->node->n_outputs; i++) {
		const struct graph_value *value = &in->graph->values[in->node->outputs[i]];
		const struct engine_tensor *out = call.call.outputs[i];
		size_t elements;

		if (r == -EAGAIN && (!value->variable || graph_elements(value->rank, value->dims, &elements) < 0))
			return fail(in, -ENOTSUP, "makes a tensor whose size depends on its data");
		if (r == 0 && out->type != value->type)
			return fail(in, -EINVAL, "makes %s and not %s", engine_type_name(out->type),
				    engine_type_name(value->type));
		shapes[in->node->outputs[i]].rank = r == 0 ? out->rank : value->rank;
		memcpy(shapes[in->node->outputs[i]].dims, r == 0 ? out->dims : value->dims, sizeof(value->dims));
	}
	return 0;
}

static int check_not_empty(const struct infer *in)
{
	for (int i = 0; i < in->node->n_inputs; i++) {
		size_t elements = 0;

		if (in->node->inputs[i] < 0)
			continue;
		graph_elements(input_shape(in, i)->rank, input_shape(in, i)->dims, &elements);
		if (!elements)
			return fail(in, -ENOTSUP, "reads an empty tensor");
	}
	return 0;
}

static int infer_node(const struct infer *in, struct graph_shape *shapes)
{
	struct graph_shape out = {0};
	int r;

	if (WITH_general && in->node->op == GRAPH_GENERAL)
		return infer_general(in, shapes);
	r = check_not_empty(in);
	if (r == 0)
		r = rules[in->node->op].infer(in, &out);
	if (r == 0)
		r = check_size(in, &out, in->graph->values[in->node->outputs[0]].type);
	if (r == 0 && in->node->residual >= 0 && memcmp(&shapes[in->node->residual], &out, sizeof(out)) != 0)
		r = fail(in, -EINVAL, "adds a tensor of another shape");
	shapes[in->node->outputs[0]] = out;
	return r;
}

int graph_infer_node(const struct graph *graph, int node, struct graph_shape *shapes, struct engine_error *ret_error)
{
	struct infer in = {graph, &graph->nodes[node], node, shapes, ret_error};
	int r = check_node(&in);

	return r < 0 ? r : infer_node(&in, shapes);
}

int graph_infer(const struct graph *graph, struct graph_shape *shapes, struct engine_error *ret_error)
{
	int r = graph_check(graph, ret_error);

	if (r == 0)
		r = infer_sources(graph, shapes, ret_error);
	for (int i = 0; i < graph->n_nodes && r == 0; i++) {
		struct infer in = {graph, &graph->nodes[i], i, shapes, ret_error};

		r = infer_node(&in, shapes);
	}
	return r;
}
