/*
 * ncnn.c - ncnn's text .param and its .bin to a graph.
 *
 * ncnn's blobs have one to three axes and no batch: w, h x w, or c x h x w.  Here the last become images (1 x h x w x
 * c); what depends on the order of the file (flatten, reshape, fully connected layers over images) is put into that
 * order first, by transpositions that cost nothing where height and width are 1.
 *
 * Int8 layers keep their weights as int8; what they read stays float, so that the weights are exact and activations
 * lose nothing: the scales that ncnn measured for activations are read and not used.
 */
#include "import.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "ncnn_param.h"

#define MAGIC	    7767517
#define LAYERS_MAX  (GRAPH_NODES_MAX / 4)
#define BLOBS_MAX   (GRAPH_VALUES_MAX / 8)
#define CHANNEL_MAX (1 << 20)

/* A blob: a value and how many axes ncnn sees in it. */
struct blob {
	char *name;
	int value, rank;
	bool used;
};

struct ncnn {
	struct graph *graph;
	struct ncnn_text text;
	struct ncnn_bin bin;
	struct ncnn_layer layer;
	struct engine_error *error;
	struct blob *blobs;
	int n_blobs, cap_blobs;
	struct names names;    /* of blobs */
	int *inputs, *outputs; /* blobs of the current layer */
};

static const int32_t unknown_dims[ENGINE_RANK_MAX] = {-1, -1, -1, -1, -1, -1};

static int refuse(const struct ncnn *n, int code, const char *why)
{
	return graph_error(n->error, code, "layer '%.60s' (%.40s): %s", n->layer.name, n->layer.type, why);
}

static int result(const struct ncnn *n, int r)
{
	return r >= 0 ? r
		      : refuse(n, r,
			       r == -ENOMEM  ? "out of memory"
			       : r == -EFBIG ? "the network is too large"
					     : "makes no sense in its place");
}

/* ---- blobs ------------------------------------------------------------------------------------- */

static int init_blobs(struct ncnn *n, int count)
{
	n->cap_blobs = count;
	n->blobs = calloc((size_t)count, sizeof(*n->blobs));
	return n->blobs && names_init(&n->names, (size_t)count) == 0 ? 0
								     : graph_error(n->error, -ENOMEM, "out of memory");
}

/* The output blob i of the layer is this value. */
static int set_output(struct ncnn *n, int i, int value, int rank)
{
	struct blob *blob;

	if (value < 0)
		return result(n, value);
	blob = &n->blobs[n->outputs[i]];
	blob->value = value;
	blob->rank = rank;
	if (!n->graph->values[value].name) {
		n->graph->values[value].name = strdup(blob->name);
		if (!n->graph->values[value].name)
			return result(n, -ENOMEM);
	}
	n->graph->values[value].file_rank = rank;
	n->graph->values[value].channels_first = rank == 3;
	return 0;
}

static int in_value(const struct ncnn *n, int i)
{
	return n->blobs[n->inputs[i]].value;
}

static int in_rank(const struct ncnn *n, int i)
{
	return n->blobs[n->inputs[i]].rank;
}

/* ncnn's axis of a blob to the graph's. */
static int axis_of(int rank, int axis)
{
	if (axis < 0)
		axis += rank;
	if (axis < 0 || axis >= rank)
		return -1;
	return rank == 3 ? (int[]){3, 1, 2}[axis] : axis;
}

static int graph_rank(int rank)
{
	return rank == 3 ? 4 : rank;
}

/* ---- nodes ------------------------------------------------------------------------------------- */

/* A node with one output; returns the value, or an error.  *ret_node is valid until the next add. */
static int add_node(struct ncnn *n, enum graph_op op, const int *inputs, int n_inputs, int rank,
		    struct graph_node **ret_node)
{
	int value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, rank, unknown_dims), node;

	if (value < 0)
		return value;
	node = graph_add_node(n->graph, op, n->layer.name, strlen(n->layer.name), inputs, n_inputs, &value, 1);
	if (node < 0)
		return node;
	*ret_node = &n->graph->nodes[node];
	return value;
}

static int add_reshape(struct ncnn *n, int x, int rank, const int32_t *dims)
{
	struct graph_node *node;
	int value = x < 0 ? x : add_node(n, GRAPH_RESHAPE, &x, 1, rank, &node);

	if (value >= 0) {
		node->shape.rank = rank;
		memcpy(node->shape.dims, dims, (size_t)rank * sizeof(*dims));
	}
	return value;
}

static int add_transpose(struct ncnn *n, int x, int rank, const int32_t *order)
{
	struct graph_node *node;
	int value = x < 0 ? x : add_node(n, GRAPH_TRANSPOSE, &x, 1, rank, &node);

	if (value >= 0) {
		node->shape.rank = rank;
		memcpy(node->shape.dims, order, (size_t)rank * sizeof(*order));
	}
	return value;
}

static int add_unary(struct ncnn *n, int x, enum graph_act_kind kind, float a, float b)
{
	struct graph_node *node;
	int value = x < 0 ? x : add_node(n, GRAPH_UNARY, &x, 1, n->graph->values[x].rank, &node);

	if (value >= 0)
		node->unary = (struct graph_act){kind, a, b};
	return value;
}

static int add_binary(struct ncnn *n, enum graph_op op, int a, int b)
{
	struct graph_node *node;
	int rank;

	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	rank = n->graph->values[a].rank > n->graph->values[b].rank ? n->graph->values[a].rank
								   : n->graph->values[b].rank;
	return add_node(n, op, (int[]){a, b}, 2, rank, &node);
}

/* A constant of floats copied from the file (bytes NULL: all `fill`). */
static int add_floats(struct ncnn *n, const uint8_t *bytes, int count, float fill)
{
	int value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, 1, (int32_t[]){count});
	float *data;

	if (value < 0)
		return value;
	data = graph_alloc_data(n->graph, value, (size_t)count * sizeof(*data));
	if (!data)
		return -ENOMEM;
	if (bytes)
		memcpy(data, bytes, (size_t)count * sizeof(*data));
	for (int i = 0; !bytes && i < count; i++)
		data[i] = fill;
	return value;
}

static int add_scalar(struct ncnn *n, float value)
{
	return add_floats(n, NULL, 1, value);
}

/* The file's order: an image as 1 x c x h x w. */
static int to_file_order(struct ncnn *n, int x, int rank)
{
	return rank == 3 ? add_transpose(n, x, 4, (int32_t[]){0, 3, 1, 2}) : x;
}

static int flatten(struct ncnn *n, int x, int rank)
{
	return rank == 1 ? x : add_reshape(n, to_file_order(n, x, rank), 1, (int32_t[]){-1});
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* Element i of a tagged array into element `to` of data of its type (F32 for a codebook). */
static void copy_weight(const struct ncnn_tagged *tagged, size_t i, uint8_t *data, size_t to)
{
	size_t size = engine_type_size(tagged->type);

	if (tagged->data)
		memcpy(data + to * size, tagged->data + i * size, size);
	else
		memcpy(data + to * size, tagged->codebook + (size_t)tagged->indexes[i] * size, size);
}

/* [out][in][taps] of the file as a constant [out][taps][in] of these dims. */
static int add_weights(struct ncnn *n, size_t out, size_t in, size_t taps, int rank, const int32_t *dims,
		       bool *ret_quantised)
{
	struct ncnn_tagged tagged;
	uint8_t *data;
	int value;

	if (!ncnn_tagged(&n->bin, out * in * taps, &tagged))
		return refuse(n, -EINVAL, "the .bin ends before its weights do");
	*ret_quantised = tagged.type == ENGINE_S8;
	value = graph_add_value(n->graph, NULL, 0, tagged.type, rank, dims);
	if (value < 0)
		return result(n, value);
	/* In that order already: the constant stays in the file. */
	if (tagged.data && (taps == 1 || in == 1))
		return result(n, graph_set_data(n->graph, value, tagged.data,
						out * in * taps * engine_type_size(tagged.type)) < 0
					 ? -EINVAL
					 : value);
	data = graph_alloc_data(n->graph, value, out * in * taps * engine_type_size(tagged.type));
	if (!data)
		return result(n, -ENOMEM);
	for (size_t o = 0; o < out; o++)
		for (size_t i = 0; i < in; i++)
			for (size_t t = 0; t < taps; t++)
				copy_weight(&tagged, (o * in + i) * taps + t, data, (o * taps + t) * in + i);
	return value;
}

static int read_bias(struct ncnn *n, int count)
{
	const uint8_t *bytes = ncnn_raw(&n->bin, (size_t)count);
	int value;

	if (!bytes)
		return refuse(n, -EINVAL, "the .bin ends before its biases do");
	value = add_floats(n, bytes, count, 0.0f);
	return value < 0 ? result(n, value) : value;
}

/*
 * Scales of int8 weights (real = stored / scale), one for each output or for all, and those of the activations, which
 * follow them.
 */
static int read_scales(struct ncnn *n, int weights, int term, int channels, int groups, bool depthwise)
{
	int count = depthwise ? (term % 100 == 1 ? groups : 1) : channels;
	const uint8_t *bytes = ncnn_raw(&n->bin, (size_t)count);
	const uint8_t *in = bytes ? ncnn_raw(&n->bin, 1) : NULL, *out = in && term > 100 ? ncnn_raw(&n->bin, 1) : in;
	float *scales;
	int r;

	if (!out)
		return refuse(n, -EINVAL, "the .bin ends before its scales do");
	scales = malloc((size_t)channels * sizeof(*scales));
	if (!scales)
		return result(n, -ENOMEM);
	for (int i = 0; i < channels; i++) {
		float scale;

		memcpy(&scale, bytes + 4 * (count == 1 ? 0 : (int64_t)i * count / channels), sizeof(scale));
		/* A channel whose weights are all zero has no scale. */
		scales[i] = scale == 0.0f ? 1.0f : 1.0f / scale;
	}
	r = graph_set_quant(n->graph, weights, channels, scales, NULL, 0);
	free(scales);
	return r < 0 ? refuse(n, r, "has a scale that is not positive") : 0;
}

static int fused_activation(struct ncnn *n, struct graph_node *node)
{
	float a = ncnn_element(&n->layer, 10, 0, 0.0f), b = ncnn_element(&n->layer, 10, 1, 0.0f);

	switch (ncnn_int(&n->layer, 9, 0)) {
	case 0:
		return 0;
	case 1:
		node->act.kind = GRAPH_ACT_RELU;
		return 0;
	case 2:
		node->act = (struct graph_act){GRAPH_ACT_LEAKY, a, 0.0f};
		return 0;
	case 3:
		node->act = (struct graph_act){GRAPH_ACT_CLIP, a, b};
		return 0;
	case 4:
		node->act.kind = GRAPH_ACT_SIGMOID;
		return 0;
	case 5:
		node->act.kind = GRAPH_ACT_MISH;
		return 0;
	case 6:
		node->act = (struct graph_act){GRAPH_ACT_HARDSWISH, a, b};
		return 0;
	default:
		return refuse(n, -ENOTSUP, "has an unknown fused activation");
	}
}

/* Weights, bias and scales in the order of the file, into inputs[1..]; returns their count or an error. */
static int read_layer_weights(struct ncnn *n, int channels, int in, int taps, int rank, const int32_t *dims,
			      bool has_bias, int term, int groups, bool depthwise, int inputs[3])
{
	bool quantised = false;
	int r;

	inputs[1] = add_weights(n, (size_t)channels, (size_t)in, (size_t)taps, rank, dims, &quantised);
	if (inputs[1] < 0)
		return inputs[1];
	inputs[2] = has_bias ? read_bias(n, channels) : -1;
	if (has_bias && inputs[2] < 0)
		return inputs[2];
	if (quantised && !term)
		return refuse(n, -EINVAL, "has int8 weights and no scales");
	r = term ? read_scales(n, inputs[1], term, channels, groups, depthwise) : 0;
	if (r == 0 && term && !quantised) /* scales of weights that are float are not needed */
		r = graph_set_quant(n->graph, inputs[1], 0, NULL, NULL, 0);
	return r < 0 ? r : has_bias ? 3 : 2;
}

/* ---- layers ------------------------------------------------------------------------------------ */

static int read_window(struct ncnn *n, struct graph_window *w)
{
	const struct ncnn_layer *l = &n->layer;

	*w = (struct graph_window){.kernel_w = ncnn_int(l, 1, 0), .stride_w = ncnn_int(l, 3, 1)};
	w->kernel_h = ncnn_int(l, 11, w->kernel_w);
	w->dilation_w = ncnn_int(l, 2, 1);
	w->dilation_h = ncnn_int(l, 12, w->dilation_w);
	w->stride_h = ncnn_int(l, 13, w->stride_w);
	w->left = ncnn_int(l, 4, 0);
	w->right = ncnn_int(l, 15, w->left);
	w->top = ncnn_int(l, 14, w->left);
	w->bottom = ncnn_int(l, 16, w->top);
	if (w->left == NCNN_SAME_UPPER || w->left == NCNN_SAME_LOWER) {
		w->pad_mode = w->left == NCNN_SAME_UPPER ? GRAPH_PAD_SAME_UPPER : GRAPH_PAD_SAME_LOWER;
		w->left = w->right = w->top = w->bottom = 0;
	}
	if (w->kernel_w < 1 || w->kernel_h < 1 || (int64_t)w->kernel_w * w->kernel_h > GRAPH_TAPS_MAX)
		return refuse(n, -EINVAL, "has an impossible kernel");
	if (ncnn_float(l, 18, 0.0f) != 0.0f)
		return refuse(n, -ENOTSUP, "pads with a value");
	return 0;
}

static int convolution(struct ncnn *n, bool depthwise)
{
	const struct ncnn_layer *l = &n->layer;
	int channels = ncnn_int(l, 0, 0), size = ncnn_int(l, 6, 0), groups = depthwise ? ncnn_int(l, 7, 1) : 1;
	struct graph_window window;
	struct graph_node *node;
	int inputs[3] = {in_value(n, 0)}, taps, in, count, value, r;

	if (in_rank(n, 0) != 3)
		return refuse(n, -ENOTSUP, "reads no image");
	if (ncnn_int(l, 19, 0))
		return refuse(n, -ENOTSUP, "has weights that are not constant");
	r = read_window(n, &window);
	if (r < 0)
		return r;
	taps = window.kernel_w * window.kernel_h;
	if (channels < 1 || channels > CHANNEL_MAX || groups < 1 || channels % groups || size < 1 ||
	    (int64_t)size % ((int64_t)channels * taps))
		return refuse(n, -EINVAL, "has weights that do not fit its kernel");
	in = size / channels / taps;
	count = read_layer_weights(n, channels, in, taps, 4,
				   (int32_t[]){channels, window.kernel_h, window.kernel_w, in}, ncnn_int(l, 5, 0),
				   ncnn_int(l, 8, 0), groups, depthwise, inputs);
	if (count < 0)
		return count;
	/* A file may leave the input's channels open; its first convolution knows them. */
	if (n->graph->values[inputs[0]].producer < 0 && n->graph->values[inputs[0]].dims[3] < 0)
		n->graph->values[inputs[0]].dims[3] = in * groups;
	value = add_node(n, GRAPH_CONV, inputs, count, 4, &node);
	if (value < 0)
		return result(n, value);
	node->conv.window = window;
	node->conv.groups = groups;
	r = fused_activation(n, node);
	return r < 0 ? r : set_output(n, 0, value, 3);
}

static int on_convolution(struct ncnn *n)
{
	return convolution(n, false);
}

static int on_depthwise(struct ncnn *n)
{
	return convolution(n, true);
}

static int on_inner_product(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int channels = ncnn_int(l, 0, 0), size = ncnn_int(l, 2, 0), rank = in_rank(n, 0), count, value, r;
	struct graph_node *node;
	int inputs[3];

	if (channels < 1 || channels > CHANNEL_MAX || size < 1 || size % channels)
		return refuse(n, -EINVAL, "has weights that do not fit its outputs");
	/* Rows of a matrix are taken one by one; an image is flattened. */
	inputs[0] = rank == 3 ? flatten(n, in_value(n, 0), 3) : in_value(n, 0);
	if (inputs[0] < 0)
		return result(n, inputs[0]);
	count = read_layer_weights(n, channels, size / channels, 1, 2, (int32_t[]){channels, size / channels},
				   ncnn_int(l, 1, 0), ncnn_int(l, 8, 0), 1, false, inputs);
	if (count < 0)
		return count;
	value = add_node(n, GRAPH_FC, inputs, count, rank == 2 ? 2 : 1, &node);
	if (value < 0)
		return result(n, value);
	r = fused_activation(n, node);
	return r < 0 ? r : set_output(n, 0, value, rank == 2 ? 2 : 1);
}

static int read_pool_window(struct ncnn *n, struct graph_pool *pool)
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
		return refuse(n, -EINVAL, "has an unknown padding mode");
	pool->ceil_mode = mode == 0;
	if (mode >= 2)
		w->pad_mode = mode == 2 ? GRAPH_PAD_SAME_UPPER : GRAPH_PAD_SAME_LOWER;
	return 0;
}

static int on_pooling(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int type = ncnn_int(l, 0, 0), x = in_value(n, 0), value, r;
	bool adaptive = ncnn_int(l, 7, 0), global = ncnn_int(l, 4, 0);
	struct graph_node *node;

	if (in_rank(n, 0) != 3 || type < 0 || type > 1)
		return refuse(n, -ENOTSUP, "pools no image, or in a way that is not known");
	if (adaptive && (ncnn_int(l, 8, 0) != 1 || ncnn_int(l, 18, ncnn_int(l, 8, 0)) != 1))
		return refuse(n, -ENOTSUP, "is adaptive to more than one pixel");
	value = add_node(n, type ? GRAPH_AVGPOOL : GRAPH_MAXPOOL, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	node->pool.global = global || adaptive;
	if (!node->pool.global) {
		r = read_pool_window(n, &node->pool);
		if (r < 0)
			return r;
	}
	/* A global pool leaves one axis, an adaptive one three. */
	if (global)
		return set_output(n, 0, add_reshape(n, value, 1, (int32_t[]){-1}), 1);
	return set_output(n, 0, value, 3);
}

static int on_activation(struct ncnn *n)
{
	static const struct {
		const char *type;
		enum graph_act_kind kind;
		float a, b;
	} kinds[] = {
		{"Sigmoid", GRAPH_ACT_SIGMOID, 0, 0},
		{"TanH", GRAPH_ACT_TANH, 0, 0},
		{"HardSigmoid", GRAPH_ACT_HARDSIGMOID, 0.2f, 0.5f},
		{"HardSwish", GRAPH_ACT_HARDSWISH, 0.2f, 0.5f},
		{"Swish", GRAPH_ACT_SILU, 0, 0},
		{"Mish", GRAPH_ACT_MISH, 0, 0},
		{"ELU", GRAPH_ACT_ELU, 0.1f, 0},
		{"GELU", GRAPH_ACT_GELU, 0, 0},
		{"Clip", GRAPH_ACT_CLIP, -INFINITY, INFINITY},
		{"ReLU", GRAPH_ACT_LEAKY, 0, 0},
	};
	size_t i = 0;
	float a, b;

	while (strcmp(kinds[i].type, n->layer.type) != 0)
		i++;
	a = ncnn_float(&n->layer, 0, kinds[i].a);
	b = ncnn_float(&n->layer, 1, kinds[i].b);
	if (kinds[i].kind == GRAPH_ACT_LEAKY && a == 0.0f)
		return set_output(n, 0, add_unary(n, in_value(n, 0), GRAPH_ACT_RELU, 0, 0), in_rank(n, 0));
	return set_output(n, 0, add_unary(n, in_value(n, 0), kinds[i].kind, a, b), in_rank(n, 0));
}

static int on_unary(struct ncnn *n)
{
	static const enum graph_act_kind kinds[] = {
		[0] = GRAPH_ACT_ABS,   [1] = GRAPH_ACT_NEG, [4] = GRAPH_ACT_SQUARE, [5] = GRAPH_ACT_SQRT,
		[6] = GRAPH_ACT_RSQRT, [7] = GRAPH_ACT_EXP, [8] = GRAPH_ACT_LOG,    [16] = GRAPH_ACT_TANH,
	};
	int op = ncnn_int(&n->layer, 0, 0);

	if (op == 15)
		return set_output(n, 0, add_binary(n, GRAPH_DIV, add_scalar(n, 1.0f), in_value(n, 0)), in_rank(n, 0));
	if (op < 0 || op >= (int)(sizeof(kinds) / sizeof(*kinds)) || kinds[op] == GRAPH_ACT_NONE)
		return refuse(n, -ENOTSUP, "is a function that is not known");
	return set_output(n, 0, add_unary(n, in_value(n, 0), kinds[op], 0, 0), in_rank(n, 0));
}

static int on_binary(struct ncnn *n)
{
	static const enum graph_op ops[] = {GRAPH_ADD, GRAPH_SUB, GRAPH_MUL, GRAPH_DIV, GRAPH_MAX,
					    GRAPH_MIN, GRAPH_ADD, GRAPH_SUB, GRAPH_DIV};
	int op = ncnn_int(&n->layer, 0, 0), a = in_value(n, 0), b, rank = in_rank(n, 0);
	bool scalar = ncnn_int(&n->layer, 1, 0), reversed = op == 7 || op == 8;
	float number = ncnn_float(&n->layer, 2, 0.0f);

	if (op == 6 && scalar && number == 2.0f)
		return set_output(n, 0, add_unary(n, a, GRAPH_ACT_SQUARE, 0, 0), rank);
	if (op == 6 && scalar && number == 0.5f)
		return set_output(n, 0, add_unary(n, a, GRAPH_ACT_SQRT, 0, 0), rank);
	if (op < 0 || op > 8 || op == 6)
		return refuse(n, -ENOTSUP, "is an operation that is not known");
	if (!scalar && n->layer.n_inputs < 2)
		return refuse(n, -EINVAL, "lacks its second input");
	b = scalar ? add_scalar(n, number) : in_value(n, 1);
	if (!scalar && in_rank(n, 1) > rank)
		rank = in_rank(n, 1);
	return set_output(n, 0, add_binary(n, ops[op], reversed ? b : a, reversed ? a : b), rank);
}

static int on_eltwise(struct ncnn *n)
{
	static const enum graph_op ops[] = {GRAPH_MUL, GRAPH_ADD, GRAPH_MAX};
	int op = ncnn_int(&n->layer, 0, 0), sum = -1;

	if (op < 0 || op > 2)
		return refuse(n, -ENOTSUP, "is an operation that is not known");
	for (int i = 0; i < n->layer.n_inputs; i++) {
		float coefficient = op == 1 ? ncnn_element(&n->layer, 1, i, 1.0f) : 1.0f;
		int x = in_value(n, i);

		if (coefficient != 1.0f)
			x = add_binary(n, GRAPH_MUL, x, add_scalar(n, coefficient));
		sum = i ? add_binary(n, ops[op], sum, x) : x;
		if (sum < 0)
			return result(n, sum);
	}
	if (n->layer.n_inputs < 2)
		return refuse(n, -EINVAL, "lacks its second input");
	return set_output(n, 0, sum, in_rank(n, 0));
}

/* x * scale + shift for each channel, which is the last axis of images and vectors. */
static int add_scaling(struct ncnn *n, int scale, int shift)
{
	int x = in_value(n, 0), value;
	struct graph_node *node;

	if (scale < 0 || shift < 0)
		return result(n, scale < 0 ? scale : shift);
	if (in_rank(n, 0) == 2)
		return refuse(n, -ENOTSUP, "scales the rows of a matrix");
	value = add_node(n, GRAPH_BATCHNORM, (int[]){x, scale, shift}, 3, graph_rank(in_rank(n, 0)), &node);
	return set_output(n, 0, value, in_rank(n, 0));
}

static bool good_count(int count)
{
	return count >= 1 && count <= CHANNEL_MAX;
}

static int on_batchnorm(struct ncnn *n)
{
	int count = ncnn_int(&n->layer, 0, 0), scale, shift;
	const uint8_t *arrays[4]; /* slope, mean, variance, bias */
	float eps = ncnn_float(&n->layer, 1, 0.0f), *to_scale, *to_shift;

	if (!good_count(count))
		return refuse(n, -EINVAL, "has an impossible number of channels");
	for (int i = 0; i < 4; i++) {
		arrays[i] = ncnn_raw(&n->bin, (size_t)count);
		if (!arrays[i])
			return refuse(n, -EINVAL, "the .bin ends before its factors do");
	}
	scale = add_floats(n, NULL, count, 0.0f);
	shift = add_floats(n, NULL, count, 0.0f);
	if (scale < 0 || shift < 0)
		return result(n, scale < 0 ? scale : shift);
	to_scale = (float *)(uintptr_t)n->graph->values[scale].data;
	to_shift = (float *)(uintptr_t)n->graph->values[shift].data;
	for (int i = 0; i < count; i++) {
		float v[4];

		for (int k = 0; k < 4; k++)
			memcpy(&v[k], arrays[k] + 4 * (size_t)i, sizeof(v[k]));
		to_scale[i] = v[0] / sqrtf(v[2] + eps);
		to_shift[i] = v[3] - v[1] * to_scale[i];
	}
	return add_scaling(n, scale, shift);
}

/* Scale multiplies and may add; Bias adds. */
static int on_scale(struct ncnn *n)
{
	bool bias_only = strcmp(n->layer.type, "Bias") == 0;
	int count = ncnn_int(&n->layer, 0, 0), scale, shift;

	if (!good_count(count))
		return refuse(n, -ENOTSUP, "has factors that are not constant");
	scale = bias_only ? add_floats(n, NULL, count, 1.0f) : read_bias(n, count);
	if (scale < 0)
		return result(n, scale);
	shift = bias_only || ncnn_int(&n->layer, 1, 0) ? read_bias(n, count) : add_floats(n, NULL, count, 0.0f);
	return add_scaling(n, scale, shift);
}

static int on_prelu(struct ncnn *n)
{
	int count = ncnn_int(&n->layer, 0, 0), x = in_value(n, 0), slope;
	struct graph_node *node;

	if (!good_count(count))
		return refuse(n, -EINVAL, "has an impossible number of slopes");
	if (in_rank(n, 0) == 2 && count > 1)
		return refuse(n, -ENOTSUP, "has slopes for the rows of a matrix");
	slope = read_bias(n, count);
	if (slope < 0)
		return slope;
	return set_output(n, 0, add_node(n, GRAPH_PRELU, (int[]){x, slope}, 2, graph_rank(in_rank(n, 0)), &node),
			  in_rank(n, 0));
}

static int on_concat(struct ncnn *n)
{
	int axis = axis_of(in_rank(n, 0), ncnn_int(&n->layer, 0, 0)), value, *values;
	struct graph_node *node;

	if (axis < 0)
		return refuse(n, -EINVAL, "has an axis that its inputs lack");
	values = malloc((size_t)n->layer.n_inputs * sizeof(*values));
	if (!values)
		return result(n, -ENOMEM);
	for (int i = 0; i < n->layer.n_inputs; i++)
		values[i] = in_value(n, i);
	value = add_node(n, GRAPH_CONCAT, values, n->layer.n_inputs, graph_rank(in_rank(n, 0)), &node);
	free(values);
	if (value >= 0)
		node->axis.axis = axis;
	return set_output(n, 0, value, in_rank(n, 0));
}

static void whole_slice(struct graph_slice *slice)
{
	*slice = (struct graph_slice){0};
	for (int i = 0; i < ENGINE_RANK_MAX; i++) {
		slice->size[i] = -1;
		slice->step[i] = 1;
	}
}

static int add_slice(struct ncnn *n, int x, int rank, int axis, int begin, int size)
{
	struct graph_node *node;
	int value = x < 0 ? x : add_node(n, GRAPH_SLICE, &x, 1, rank, &node);

	if (value < 0)
		return value;
	whole_slice(&node->slice);
	node->slice.begin[axis] = begin;
	node->slice.size[axis] = size;
	return value;
}

/* Equal parts of an axis whose length is not known here: the axis is cut in two, one part taken, and joined again. */
static int equal_part(struct ncnn *n, int x, int rank, int axis, int parts, int part)
{
	int32_t dims[ENGINE_RANK_MAX] = {0};
	int value;

	/* Zero copies the length at the same place, so only the last axis can be cut without knowing the others. */
	if (axis != rank - 1 || rank + 1 > ENGINE_RANK_MAX)
		return -ENOTSUP;
	dims[axis] = parts;
	dims[axis + 1] = -1;
	value = add_slice(n, add_reshape(n, x, rank + 1, dims), rank + 1, axis, part, 1);
	dims[axis] = -1;
	return add_reshape(n, value, rank, dims);
}

static int on_slice(struct ncnn *n)
{
	int rank = in_rank(n, 0), axis = axis_of(rank, ncnn_int(&n->layer, 1, 0)), outputs = n->layer.n_outputs;
	int64_t begin = 0;
	int r = 0;

	if (axis < 0 || ncnn_count(&n->layer, 0) < outputs)
		return refuse(n, -EINVAL, "has no length for each of its outputs");
	for (int i = 0; i < outputs && r == 0; i++) {
		float size = ncnn_element(&n->layer, 0, i, 0.0f);
		bool rest = size == (float)NCNN_DEFAULT;
		int value;

		if (rest && begin == 0 && outputs > 1)
			value = equal_part(n, in_value(n, 0), graph_rank(rank), axis, outputs, i);
		else if ((rest && i + 1 < outputs) || !(rest || (size >= 1.0f && size < 1e9f)) || begin > INT32_MAX / 2)
			return refuse(n, -ENOTSUP, "cuts in a way that is not known");
		else
			value = add_slice(n, in_value(n, 0), graph_rank(rank), axis, (int)begin, rest ? -1 : (int)size);
		if (value == -ENOTSUP)
			return refuse(n, -ENOTSUP, "cuts an inner axis into equal parts");
		begin += rest ? 0 : (int64_t)size;
		r = set_output(n, i, value, rank);
	}
	return r;
}

/* The form with offsets and sizes; the newer one with starts, ends and axes is not known. */
static int on_crop(struct ncnn *n)
{
	static const int offset_keys[] = {1, 0, 2}, size_keys[] = {4, 3, 5}, tail_keys[] = {7, 6, 8};
	int rank = in_rank(n, 0), x = in_value(n, 0), value;
	struct graph_node *node;

	if (rank != 3 || ncnn_count(&n->layer, 9) || n->layer.n_inputs > 1)
		return refuse(n, -ENOTSUP, "crops in a way that is not known");
	value = add_node(n, GRAPH_SLICE, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	whole_slice(&node->slice);
	for (int i = 0; i < 3; i++) {
		int size = ncnn_int(&n->layer, size_keys[i], NCNN_DEFAULT);

		if (ncnn_int(&n->layer, tail_keys[i], 0))
			return refuse(n, -ENOTSUP, "crops from the far side");
		node->slice.begin[i + 1] = ncnn_int(&n->layer, offset_keys[i], 0);
		node->slice.size[i + 1] = size == NCNN_DEFAULT || size == 0 ? -1 : size;
	}
	return set_output(n, 0, value, 3);
}

static int on_split(struct ncnn *n)
{
	for (int i = 0; i < n->layer.n_outputs; i++) {
		struct blob *blob = &n->blobs[n->outputs[i]];

		blob->value = in_value(n, 0);
		blob->rank = in_rank(n, 0);
	}
	return 0;
}

/* Its outputs are its input; a Dropout of old files may scale. */
static int on_same(struct ncnn *n)
{
	float scale = strcmp(n->layer.type, "Dropout") == 0 ? ncnn_float(&n->layer, 0, 1.0f) : 1.0f;
	struct graph_node *node;
	int x = in_value(n, 0);

	if (scale != 1.0f)
		return set_output(n, 0, add_binary(n, GRAPH_MUL, x, add_scalar(n, scale)), in_rank(n, 0));
	return set_output(n, 0, add_node(n, GRAPH_IDENTITY, &x, 1, graph_rank(in_rank(n, 0)), &node), in_rank(n, 0));
}

static int on_reshape(struct ncnn *n)
{
	int w = ncnn_int(&n->layer, 0, NCNN_DEFAULT), h = ncnn_int(&n->layer, 1, NCNN_DEFAULT);
	int c = ncnn_int(&n->layer, 2, NCNN_DEFAULT), from = in_rank(n, 0), x, value;
	int to = h == NCNN_DEFAULT ? 1 : c == NCNN_DEFAULT ? 2 : 3;

	if (w == NCNN_DEFAULT || ncnn_int(&n->layer, 11, NCNN_DEFAULT) != NCNN_DEFAULT || ncnn_int(&n->layer, 3, 0) ||
	    n->layer.n_inputs > 1)
		return refuse(n, -ENOTSUP, "reshapes in a way that is not known");
	if (from != to && (w == 0 || (to > 1 && h == 0) || (to > 2 && c == 0)))
		return refuse(n, -ENOTSUP, "copies a side to another number of axes");
	x = to_file_order(n, in_value(n, 0), from);
	if (to == 3)
		value = add_transpose(n, add_reshape(n, x, 4, (int32_t[]){1, c, h, w}), 4, (int32_t[]){0, 2, 3, 1});
	else
		value = add_reshape(n, x, to, to == 1 ? (int32_t[]){w} : (int32_t[]){h, w});
	return set_output(n, 0, value, to);
}

static int on_flatten(struct ncnn *n)
{
	return set_output(n, 0, flatten(n, in_value(n, 0), in_rank(n, 0)), 1);
}

/* Axes of one element go (Squeeze) or come (ExpandDims); only what can be told without sizes. */
static int on_squeeze(struct ncnn *n)
{
	bool w = ncnn_int(&n->layer, 0, 0), h = ncnn_int(&n->layer, 1, 0), c = ncnn_int(&n->layer, 2, 0);
	int rank = in_rank(n, 0);

	if (rank == 3 && w && h && !c)
		return set_output(n, 0, flatten(n, in_value(n, 0), 3), 1);
	if (rank == 2 && w != h)
		return set_output(n, 0, flatten(n, in_value(n, 0), 2), 1);
	return refuse(n, -ENOTSUP, "takes away axes in a way that is not known");
}

static int on_expand(struct ncnn *n)
{
	bool w = ncnn_int(&n->layer, 0, 0), h = ncnn_int(&n->layer, 1, 0), c = ncnn_int(&n->layer, 2, 0);

	if (in_rank(n, 0) != 1)
		return refuse(n, -ENOTSUP, "adds axes in a way that is not known");
	if (w && h && !c)
		return set_output(n, 0, add_reshape(n, in_value(n, 0), 4, (int32_t[]){1, 1, 1, -1}), 3);
	if (w != h && !c)
		return set_output(n, 0, add_reshape(n, in_value(n, 0), 2, w ? (int32_t[]){-1, 1} : (int32_t[]){1, -1}),
				  2);
	return refuse(n, -ENOTSUP, "adds axes in a way that is not known");
}

/* Orders name the axes from the innermost: of the new w, h and c. */
static int on_permute(struct ncnn *n)
{
	enum { W = 2, H = 1, C = 3 };
	static const int32_t orders[][3] = {{W, H, C}, {H, W, C}, {W, C, H}, {C, W, H}, {H, C, W}, {C, H, W}};
	int order = ncnn_int(&n->layer, 0, 0), rank = in_rank(n, 0);

	if (rank == 2 && (order == 0 || order == 1))
		return set_output(
			n, 0, add_transpose(n, in_value(n, 0), 2, order ? (int32_t[]){1, 0} : (int32_t[]){0, 1}), 2);
	if (rank != 3 || order < 0 || order > 5)
		return refuse(n, -ENOTSUP, "has an unknown order");
	return set_output(n, 0,
			  add_transpose(n, in_value(n, 0), 4,
					(int32_t[]){0, orders[order][1], orders[order][0], orders[order][2]}),
			  3);
}

static int on_softmax(struct ncnn *n)
{
	int x = in_value(n, 0), axis = axis_of(in_rank(n, 0), ncnn_int(&n->layer, 0, 0)), value;
	struct graph_node *node;

	if (axis < 0)
		return refuse(n, -EINVAL, "has an axis that its input lacks");
	value = add_node(n, GRAPH_SOFTMAX, &x, 1, graph_rank(in_rank(n, 0)), &node);
	if (value >= 0) {
		node->axis.axis = axis;
		node->axis.beta = 1.0f;
	}
	return set_output(n, 0, value, in_rank(n, 0));
}

static int on_interp(struct ncnn *n)
{
	int type = ncnn_int(&n->layer, 0, 0), x = in_value(n, 0), value;
	struct graph_node *node;

	if (in_rank(n, 0) != 3 || type < 1 || type > 2 || n->layer.n_inputs > 1)
		return refuse(n, -ENOTSUP, "resizes in a way that is not known");
	value = add_node(n, GRAPH_RESIZE, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	node->resize = (struct graph_resize){
		.bilinear = type == 2,
		.align_corners = type == 2 && ncnn_int(&n->layer, 6, 0),
		.half_pixel = type == 2,
		.scale_h = ncnn_float(&n->layer, 1, 1.0f),
		.scale_w = ncnn_float(&n->layer, 2, 1.0f),
		.out_h = ncnn_int(&n->layer, 3, 0),
		.out_w = ncnn_int(&n->layer, 4, 0),
	};
	return set_output(n, 0, value, 3);
}

static int on_padding(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int x = in_value(n, 0), value;
	struct graph_node *node;

	if (in_rank(n, 0) != 3 || ncnn_int(l, 4, 0) != 0 || ncnn_int(l, 6, 0) != 0)
		return refuse(n, -ENOTSUP, "pads in a way that is not known");
	value = add_node(n, GRAPH_PAD, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	node->pad = (struct graph_pad){
		.before = {0, ncnn_int(l, 0, 0), ncnn_int(l, 2, 0), ncnn_int(l, 7, 0)},
		.after = {0, ncnn_int(l, 1, 0), ncnn_int(l, 3, 0), ncnn_int(l, 8, 0)},
		.value = ncnn_float(l, 5, 0.0f),
	};
	return set_output(n, 0, value, 3);
}

/* Channels as groups x rest, turned into rest x groups. */
static int on_shuffle(struct ncnn *n)
{
	int groups = ncnn_int(&n->layer, 0, 1), value;
	bool reverse = ncnn_int(&n->layer, 1, 0);

	if (in_rank(n, 0) != 3 || groups < 1)
		return refuse(n, -EINVAL, "has an impossible number of groups");
	value = add_reshape(n, in_value(n, 0), 5, (int32_t[]){0, 0, 0, reverse ? -1 : groups, reverse ? groups : -1});
	value = add_transpose(n, value, 5, (int32_t[]){0, 1, 2, 4, 3});
	return set_output(n, 0, add_reshape(n, value, 4, (int32_t[]){0, 0, 0, -1}), 3);
}

/* Means only. */
static int on_reduction(struct ncnn *n)
{
	int rank = in_rank(n, 0), count = ncnn_count(&n->layer, 3), x = in_value(n, 0), value;
	bool all = ncnn_int(&n->layer, 1, 1), keep = ncnn_int(&n->layer, 4, 0);
	float factor = ncnn_float(&n->layer, 2, 1.0f);
	struct graph_reduce reduce = {.keep_dims = true};
	struct graph_node *node;

	if (ncnn_int(&n->layer, 0, 0) != 3 || count > rank)
		return refuse(n, -ENOTSUP, "is no mean");
	reduce.n_axes = all ? rank : count;
	for (int i = 0; i < reduce.n_axes; i++) {
		float axis = all ? (float)i : ncnn_element(&n->layer, 3, i, 0.0f);

		reduce.axes[i] = axis >= -3.0f && axis <= 3.0f ? axis_of(rank, (int)axis) : -1;
		if (reduce.axes[i] < 0)
			return refuse(n, -EINVAL, "has an axis that its input lacks");
	}
	if (!keep && reduce.n_axes < rank - 1)
		return refuse(n, -ENOTSUP, "leaves a matrix");
	value = add_node(n, GRAPH_MEAN, &x, 1, graph_rank(rank), &node);
	if (value >= 0)
		node->reduce = reduce;
	if (value >= 0 && factor != 1.0f)
		value = add_binary(n, GRAPH_MUL, value, add_scalar(n, factor));
	return set_output(n, 0, keep ? value : flatten(n, value, rank), keep ? rank : 1);
}

static int on_memory(struct ncnn *n)
{
	int w = ncnn_int(&n->layer, 0, 0), h = ncnn_int(&n->layer, 1, 0), c = ncnn_int(&n->layer, 2, 0), value;
	int rank = c ? 3 : h ? 2 : 1;
	int64_t count = (int64_t)w * (h ? h : 1);
	const uint8_t *bytes;

	if (w < 1 || h < 0 || c < 0 || w > CHANNEL_MAX || h > CHANNEL_MAX || c > CHANNEL_MAX ||
	    ncnn_int(&n->layer, 11, 0) || ncnn_int(&n->layer, 21, 1) != 1)
		return refuse(n, -ENOTSUP, "has a shape or storage that is not known");
	count *= c ? c : 1;
	if (count > INT32_MAX / 4)
		return refuse(n, -EFBIG, "is too large");
	bytes = ncnn_raw(&n->bin, (size_t)count);
	if (!bytes)
		return refuse(n, -EINVAL, "the .bin ends before its data does");
	value = add_floats(n, bytes, (int)count, 0.0f);
	if (rank == 2)
		value = add_reshape(n, value, 2, (int32_t[]){h, w});
	else if (rank == 3)
		value = add_transpose(n, add_reshape(n, value, 4, (int32_t[]){1, c, h, w}), 4, (int32_t[]){0, 2, 3, 1});
	return set_output(n, 0, value, rank);
}

static int side(int value)
{
	return value > 0 && value <= ENGINE_SIDE_MAX ? value : GRAPH_DIM_UNKNOWN;
}

static int on_input(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int w = side(ncnn_int(l, 0, 0)), h = side(ncnn_int(l, 1, 0)), c = side(ncnn_int(l, 2, 0)), value;
	int rank = c > 0 || h < 0 ? (w > 0 && h < 0 && c < 0 ? 1 : 3) : 2;

	if (ncnn_int(l, 11, 0))
		return refuse(n, -ENOTSUP, "has four axes");
	if (n->graph->n_inputs == ENGINE_IO_MAX)
		return refuse(n, -ENOTSUP, "is one input too many");
	value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, graph_rank(rank),
				rank == 3   ? (int32_t[]){1, h, w, c}
				: rank == 2 ? (int32_t[]){h, w}
					    : (int32_t[]){w});
	if (value >= 0)
		n->graph->inputs[n->graph->n_inputs++] = value;
	return set_output(n, 0, value, rank);
}

static const struct {
	const char *type;
	int n_inputs; /* at least */
	int (*add)(struct ncnn *n);
} layers[] = {
	{"Input", 0, on_input},
	{"Convolution", 1, on_convolution},
	{"ConvolutionDepthWise", 1, on_depthwise},
	{"InnerProduct", 1, on_inner_product},
	{"Pooling", 1, on_pooling},
	{"ReLU", 1, on_activation},
	{"Clip", 1, on_activation},
	{"Sigmoid", 1, on_activation},
	{"TanH", 1, on_activation},
	{"HardSigmoid", 1, on_activation},
	{"HardSwish", 1, on_activation},
	{"Swish", 1, on_activation},
	{"Mish", 1, on_activation},
	{"ELU", 1, on_activation},
	{"GELU", 1, on_activation},
	{"PReLU", 1, on_prelu},
	{"UnaryOp", 1, on_unary},
	{"BinaryOp", 1, on_binary},
	{"Eltwise", 1, on_eltwise},
	{"BatchNorm", 1, on_batchnorm},
	{"Scale", 1, on_scale},
	{"Bias", 1, on_scale},
	{"Concat", 1, on_concat},
	{"Slice", 1, on_slice},
	{"Crop", 1, on_crop},
	{"Split", 1, on_split},
	{"Dropout", 1, on_same},
	{"Noop", 1, on_same},
	{"Reshape", 1, on_reshape},
	{"Flatten", 1, on_flatten},
	{"Squeeze", 1, on_squeeze},
	{"ExpandDims", 1, on_expand},
	{"Permute", 1, on_permute},
	{"Softmax", 1, on_softmax},
	{"Interp", 1, on_interp},
	{"Padding", 1, on_padding},
	{"ShuffleChannel", 1, on_shuffle},
	{"Reduction", 1, on_reduction},
	{"MemoryData", 0, on_memory},
};

/* ---- the file ---------------------------------------------------------------------------------- */

static int read_blob_names(struct ncnn *n)
{
	char word[NCNN_WORD_BYTES];

	for (int i = 0; i < n->layer.n_inputs; i++) {
		const struct names_entry *entry;

		if (!ncnn_word(&n->text, word))
			return refuse(n, -EINVAL, "names fewer blobs than it says");
		entry = names_find(&n->names, word, strlen(word));
		if (entry->number < 0 || n->blobs[entry->number].value < 0)
			return graph_error(n->error, -EINVAL, "layer '%.60s' (%.40s): no layer before it makes '%.60s'",
					   n->layer.name, n->layer.type, word);
		n->inputs[i] = entry->number;
		n->blobs[entry->number].used = true;
	}
	for (int i = 0; i < n->layer.n_outputs; i++) {
		struct blob *blob = &n->blobs[n->n_blobs];
		struct names_entry *entry;

		if (!ncnn_word(&n->text, word))
			return refuse(n, -EINVAL, "names fewer blobs than it says");
		entry = names_find(&n->names, word, strlen(word));
		if (entry->number >= 0)
			return graph_error(n->error, -EINVAL, "layer '%.60s' (%.40s): makes '%.60s' a second time",
					   n->layer.name, n->layer.type, word);
		if (n->n_blobs == n->cap_blobs)
			return refuse(n, -EINVAL, "makes more blobs than the file announces");
		blob->name = strdup(word);
		if (!blob->name)
			return result(n, -ENOMEM);
		blob->value = -1;
		*entry = (struct names_entry){blob->name, strlen(blob->name), n->n_blobs};
		n->outputs[i] = n->n_blobs++;
	}
	return 0;
}

static int read_layer(struct ncnn *n)
{
	struct ncnn_layer *l = &n->layer;
	int r, max = n->cap_blobs;

	memset(l, 0, sizeof(*l));
	l->error = n->error;
	if (!ncnn_word(&n->text, l->type) || !ncnn_word(&n->text, l->name) ||
	    !ncnn_number(&n->text, 0, max, &l->n_inputs) || !ncnn_number(&n->text, 0, max, &l->n_outputs))
		return graph_error(n->error, -EINVAL, "line %d: not a layer", n->text.line);
	r = read_blob_names(n);
	return r < 0 ? r : ncnn_read_keys(&n->text, l);
}

static int add_layer(struct ncnn *n)
{
	int r = read_layer(n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++) {
		if (strcmp(layers[i].type, n->layer.type) != 0)
			continue;
		if (n->layer.n_inputs < layers[i].n_inputs || n->layer.n_outputs < 1)
			return refuse(n, -EINVAL, "has too few inputs or outputs");
		r = layers[i].add(n);
		for (int k = 0; k < n->layer.n_outputs && r == 0; k++)
			if (n->blobs[n->outputs[k]].value < 0)
				return refuse(n, -EINVAL, "has too many outputs");
		return r;
	}
	return refuse(n, -ENOTSUP, "is an unknown type of layer");
}

/* Blobs that nobody reads, in the order of the file. */
static int find_outputs(struct ncnn *n)
{
	struct graph *graph = n->graph;

	for (int i = 0; i < n->n_blobs; i++) {
		if (n->blobs[i].used)
			continue;
		if (graph->n_outputs == ENGINE_IO_MAX)
			return graph_error(n->error, -ENOTSUP, "more than %d blobs are read by no layer",
					   ENGINE_IO_MAX);
		graph->outputs[graph->n_outputs++] = n->blobs[i].value;
	}
	return 0;
}

static int read_layers(struct ncnn *n)
{
	int n_layers, n_blobs, r;

	ncnn_next_line(&n->text);
	if (!ncnn_number(&n->text, 1, LAYERS_MAX, &n_layers) || !ncnn_number(&n->text, 1, BLOBS_MAX, &n_blobs))
		return graph_error(n->error, -EINVAL, "line %d: impossible counts of layers and blobs", n->text.line);
	r = init_blobs(n, n_blobs);
	if (r < 0)
		return r;
	n->inputs = calloc((size_t)n_blobs, sizeof(*n->inputs));
	n->outputs = calloc((size_t)n_blobs, sizeof(*n->outputs));
	if (!n->inputs || !n->outputs)
		return graph_error(n->error, -ENOMEM, "out of memory");
	for (int i = 0; i < n_layers && r == 0; i++) {
		if (!ncnn_next_line(&n->text))
			return graph_error(n->error, -EINVAL, "the file ends after %d of %d layers", i, n_layers);
		r = add_layer(n);
	}
	return r < 0 ? r : find_outputs(n);
}

bool import_is_ncnn(const uint8_t *data, size_t size)
{
	return size > 7 && memcmp(data, "7767517", 7) == 0 && (data[7] == '\n' || data[7] == '\r' || data[7] == ' ');
}

int import_ncnn(const struct import_source *source, struct graph *graph, struct engine_error *ret_error)
{
	struct ncnn *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	n->graph = graph;
	n->error = ret_error;
	n->text = (struct ncnn_text){(const char *)source->data, (const char *)source->data + source->size, 1};
	n->bin = (struct ncnn_bin){source->weights, source->weights_size, 0};
	r = read_layers(n);
	for (int i = 0; i < n->n_blobs; i++)
		free(n->blobs[i].name);
	free(n->blobs);
	names_finish(&n->names);
	free(n->inputs);
	free(n->outputs);
	free(n);
	return r;
}
