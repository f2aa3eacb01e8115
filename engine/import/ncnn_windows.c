/* ncnn_windows.c - ncnn's convolutions, fully connected layers and pools. */
#include "ncnn.h"

#include <errno.h>
#include <string.h>

/* ---- convolutions ------------------------------------------------------------------------------ */

static int read_window(struct ncnn *n, struct graph_window *w)
{
	const struct ncnn_layer *l = &n->layer;
	bool flat = strstr(l->type, "1D") != NULL;

	*w = (struct graph_window){.kernel_w = ncnn_int(l, 1, 0), .stride_w = ncnn_int(l, 3, 1)};
	w->dilation_w = ncnn_int(l, 2, 1);
	w->left = ncnn_int(l, 4, 0);
	w->right = ncnn_int(l, 15, w->left);
	w->kernel_h = flat ? 1 : ncnn_int(l, 11, w->kernel_w);
	w->dilation_h = flat ? 1 : ncnn_int(l, 12, w->dilation_w);
	w->stride_h = flat ? 1 : ncnn_int(l, 13, w->stride_w);
	w->top = flat ? 0 : ncnn_int(l, 14, w->left);
	w->bottom = flat ? 0 : ncnn_int(l, 16, w->top);
	if (w->left == NCNN_SAME_UPPER || w->left == NCNN_SAME_LOWER) {
		w->pad_mode = w->left == NCNN_SAME_UPPER ? GRAPH_PAD_SAME_UPPER : GRAPH_PAD_SAME_LOWER;
		w->left = w->right = w->top = w->bottom = 0;
	}
	if (w->kernel_w < 1 || w->kernel_h < 1 || (int64_t)w->kernel_w * w->kernel_h > GRAPH_TAPS_MAX)
		return ncnn_refuse(n, -EINVAL, "has an impossible kernel");
	return 0;
}

/* Padding with a value comes before the convolution, which then has none. */
static int pad_with_value(struct ncnn *n, int x, struct graph_window *w)
{
	float value = ncnn_float(&n->layer, 18, 0.0f);
	struct graph_node *node;

	if (value == 0.0f || x < 0)
		return x;
	if (w->pad_mode != GRAPH_PAD_EXPLICIT)
		return ncnn_refuse(n, -ENOTSUP, "pads with a value to a size that depends on its input's");
	x = ncnn_add_node(n, GRAPH_PAD, &x, 1, 4, &node);
	if (x < 0)
		return ncnn_result(n, x);
	node->pad = (struct graph_pad){{0, w->top, w->left, 0}, {0, w->bottom, w->right, 0}, value};
	w->top = w->left = w->bottom = w->right = 0;
	return x;
}

/* A signal of channels x width as an image of one row, and back. */
static int row_image(struct ncnn *n, int channels)
{
	int value = ncnn_add_transpose(n, ncnn_as_file(n, 0), 2, (int32_t[]){1, 0});

	return ncnn_add_reshape(n, value, 4, (int32_t[]){1, 1, -1, channels});
}

static int signal_of(struct ncnn *n, int image, int channels)
{
	return ncnn_add_transpose(n, ncnn_add_reshape(n, image, 2, (int32_t[]){-1, channels}), 2, (int32_t[]){1, 0});
}

static int fully_connected(struct ncnn *n, int channels, int size, int bias_key)
{
	const struct ncnn_layer *l = &n->layer;
	/* Rows of a matrix are taken one by one; anything else is flattened. */
	int rank = ncnn_in_rank(n, 0) == 2 ? 2 : 1, count, value, r;
	struct graph_node *node;
	int inputs[3];

	if (channels < 1 || channels > NCNN_CHANNEL_MAX || size < 1 || size % channels)
		return ncnn_refuse(n, -EINVAL, "has weights that do not fit its outputs");
	inputs[0] = rank == 2 ? ncnn_as_file(n, 0) : ncnn_as_vector(n, 0);
	if (inputs[0] < 0)
		return ncnn_result(n, inputs[0]);
	count = ncnn_read_layer_weights(n, channels, size / channels, 1, 2, (int32_t[]){channels, size / channels},
					ncnn_int(l, bias_key, 0), ncnn_int(l, 8, 0), 1, false, inputs);
	if (count < 0)
		return count;
	value = ncnn_add_node(n, GRAPH_FC, inputs, count, rank, &node);
	if (value < 0)
		return ncnn_result(n, value);
	r = ncnn_fused_activation(n, node);
	if (r == 0)
		r = ncnn_set_output(n, 0, value, rank, false);
	if (r == 0 && rank == 1)
		ncnn_out_blob(n, 0)->channels = channels;
	return r;
}

static int convolution(struct ncnn *n, bool depthwise)
{
	const struct ncnn_layer *l = &n->layer;
	int channels = ncnn_int(l, 0, 0), size = ncnn_int(l, 6, 0), groups = depthwise ? ncnn_int(l, 7, 1) : 1;
	bool flat = strstr(l->type, "1D") != NULL;
	struct graph_window window;
	struct graph_node *node;
	int inputs[3], taps, in, count, value, r = read_window(n, &window);

	if (r < 0)
		return r;
	taps = window.kernel_w * window.kernel_h;
	if (ncnn_int(l, 19, 0))
		return ncnn_refuse(n, -ENOTSUP, "has weights that are not constant");
	if (channels < 1 || channels > NCNN_CHANNEL_MAX || groups < 1 || channels % groups || size < 1 ||
	    (int64_t)size % ((int64_t)channels * taps) || (int64_t)size / channels / taps * groups > NCNN_CHANNEL_MAX)
		return ncnn_refuse(n, -EINVAL, "has weights that do not fit its kernel");
	/* Over a vector, a convolution of 1x1 is a fully connected layer. */
	if (ncnn_in_rank(n, 0) == 1 && !depthwise && !flat && taps == 1)
		return fully_connected(n, channels, size, 5);
	if (ncnn_in_rank(n, 0) != (flat ? 2 : 3))
		return ncnn_refuse(n, -ENOTSUP, flat ? "reads no matrix" : "reads no image");
	in = size / channels / taps;
	inputs[0] = flat ? row_image(n, in * groups) : ncnn_as_image(n, 0);
	inputs[0] = pad_with_value(n, inputs[0], &window);
	if (inputs[0] < 0)
		return ncnn_result(n, inputs[0]);
	count = ncnn_read_layer_weights(n, channels, in, taps, 4,
					(int32_t[]){channels, window.kernel_h, window.kernel_w, in}, ncnn_int(l, 5, 0),
					flat ? 0 : ncnn_int(l, 8, 0), groups, depthwise, inputs);
	if (count < 0)
		return count;
	/* A file may leave the input's channels open; its first convolution knows them. */
	if (n->graph->values[inputs[0]].producer < 0 && n->graph->values[inputs[0]].dims[3] < 0)
		n->graph->values[inputs[0]].dims[3] = in * groups;
	value = ncnn_add_node(n, GRAPH_CONV, inputs, count, 4, &node);
	if (value < 0)
		return ncnn_result(n, value);
	node->conv.window = window;
	node->conv.groups = groups;
	r = ncnn_fused_activation(n, node);
	if (r == 0)
		r = flat ? ncnn_set_output(n, 0, signal_of(n, value, channels), 2, false) : ncnn_set_image(n, value);
	if (r == 0)
		ncnn_out_blob(n, 0)->channels = channels;
	return r;
}

int ncnn_on_convolution(struct ncnn *n)
{
	return convolution(n, false);
}

int ncnn_on_depthwise(struct ncnn *n)
{
	return convolution(n, true);
}

int ncnn_on_deconvolution(struct ncnn *n)
{
	bool has_bias = ncnn_int(&n->layer, 5, 0);
	int constants[2], channels = ncnn_int(&n->layer, 0, 0), node, r;

	if (ncnn_int(&n->layer, 28, 0))
		return ncnn_refuse(n, -ENOTSUP, "has weights that are not constant");
	constants[0] = ncnn_read_floats(n, ncnn_int(&n->layer, 6, 0), true);
	if (constants[0] < 0)
		return constants[0];
	constants[1] = has_bias ? ncnn_read_floats(n, channels, false) : 0;
	if (constants[1] < 0)
		return constants[1];
	node = ncnn_add_by_type(n, "Deconvolution", 1, constants, 1 + has_bias, 3);
	if (node < 0)
		return node;
	r = ncnn_add_fused(n, ncnn_node_output(n, node, 0));
	if (r >= 0)
		r = ncnn_set_output(n, 0, r, 3, false);
	if (r == 0)
		ncnn_out_blob(n, 0)->channels = channels;
	return r;
}

int ncnn_on_inner_product(struct ncnn *n)
{
	return fully_connected(n, ncnn_int(&n->layer, 0, 0), ncnn_int(&n->layer, 2, 0), 1);
}

/* ---- pools ------------------------------------------------------------------------------------- */

static int read_pool_window(struct ncnn *n, bool average, struct graph_pool *pool)
{
	const struct ncnn_layer *l = &n->layer;
	struct graph_window *w = &pool->window;
	int mode = ncnn_int(l, 5, 0);

	w->kernel_w = ncnn_int(l, 1, 0);
	w->kernel_h = ncnn_int(l, 11, w->kernel_w);
	w->stride_w = ncnn_int(l, 2, 1);
	w->stride_h = ncnn_int(l, 12, w->stride_w);
	w->dilation_h = w->dilation_w = 1;
	w->left = ncnn_int(l, 3, 0);
	w->right = ncnn_int(l, 14, w->left);
	w->top = ncnn_int(l, 13, w->left);
	w->bottom = ncnn_int(l, 15, w->top);
	pool->count_pad = ncnn_int(l, 6, 0);
	if (mode < 0 || mode > 3)
		return ncnn_refuse(n, -EINVAL, "has an unknown padding mode");
	pool->ceil_mode = mode == 0;
	if (mode < 2)
		return 0;
	/* What the mode pads counts; what the layer says beside it would be left out of sums that have it not. */
	if (average && !pool->count_pad && (w->left || w->right || w->top || w->bottom))
		return ncnn_refuse(n, -ENOTSUP, "averages with a padding that its mode does not use");
	pool->count_pad = true;
	w->left = w->right = w->top = w->bottom = 0;
	w->pad_mode = mode == 2 ? GRAPH_PAD_SAME_UPPER : GRAPH_PAD_SAME_LOWER;
	return 0;
}

int ncnn_on_pooling(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int type = ncnn_int(l, 0, 0), x, value, r;
	bool global = ncnn_int(l, 4, 0), adaptive = !global && ncnn_int(l, 7, 0);
	struct graph_node *node;

	if (ncnn_in_rank(n, 0) != 3 || type < 0 || type > 1)
		return ncnn_refuse(n, -ENOTSUP, "pools no image, or in a way that is not known");
	if (adaptive && (ncnn_int(l, 8, 0) != 1 || ncnn_int(l, 18, ncnn_int(l, 8, 0)) != 1))
		return ncnn_become(n, "Pooling", 1, NULL, 0, 3);
	x = ncnn_as_image(n, 0);
	value = x < 0 ? x : ncnn_add_node(n, type ? GRAPH_AVGPOOL : GRAPH_MAXPOOL, &x, 1, 4, &node);
	if (value < 0)
		return ncnn_result(n, value);
	node->pool.global = global || adaptive;
	r = node->pool.global ? 0 : read_pool_window(n, type == 1, &node->pool);
	if (r < 0)
		return r;
	/* A global pool leaves one axis, an adaptive one three. */
	r = global ? ncnn_set_output(n, 0, ncnn_add_reshape(n, value, 1, (int32_t[]){-1}), 1, false)
		   : ncnn_set_image(n, value);
	if (r == 0)
		ncnn_out_blob(n, 0)->channels = ncnn_in_blob(n, 0)->channels;
	return r;
}
