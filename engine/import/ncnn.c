/*
 * ncnn.c - ncnn's .param, as text or binary, and its .bin to a graph.
 *
 * ncnn's blobs have one to four axes and no batch: w, h x w, c x h x w or c x d x h x w.  Those of three become images
 * (1 x h x w x c) or stay in the order of the file (1 x c x h x w), and exist in the other order, too, once somebody
 * asks for it: what works on pixels asks for images, elementwise layers take what there is, and what depends on the
 * order of the file, as all general operators do, asks for that.  Other blobs have the order of the file only.
 *
 * A file may leave the size of its inputs open.  How many axes a blob has follows from its layers alone; what depends
 * on lengths is left to operators that see them when a size is planned for.
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
#include "ncnn_operators.h"
#include "ncnn_param.h"

#define LAYERS_MAX  (GRAPH_NODES_MAX / 4)
#define BLOBS_MAX   (GRAPH_VALUES_MAX / 8)
#define CHANNEL_MAX (1 << 20)

/* A blob: its values in either order (-1: not made), and how many axes ncnn sees in it. */
struct blob {
	char *name;
	int file, image, rank;
	int channels; /* length of the outermost axis; -1: not known */
	bool used;
};

struct ncnn {
	struct graph *graph;
	const struct graph_shape *asked; /* shapes of the inputs; NULL: the file's own */
	struct ncnn_file file;
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

static struct blob *in_blob(const struct ncnn *n, int i)
{
	return &n->blobs[n->inputs[i]];
}

static struct blob *out_blob(const struct ncnn *n, int i)
{
	return &n->blobs[n->outputs[i]];
}

static int in_rank(const struct ncnn *n, int i)
{
	return in_blob(n, i)->rank;
}

static bool is_made(const struct blob *blob)
{
	return blob->file >= 0 || blob->image >= 0;
}

/* The output blob i of the layer is this value: an image, or in the order of the file. */
static int set_output(struct ncnn *n, int i, int value, int rank, bool is_image)
{
	struct graph_value *made;
	struct blob *blob;

	if (value < 0)
		return result(n, value);
	if (i >= n->layer.n_outputs)
		return 0;
	blob = out_blob(n, i);
	blob->file = is_image ? -1 : value;
	blob->image = is_image ? value : -1;
	blob->rank = rank;
	blob->channels = -1;
	made = &n->graph->values[value];
	if (!made->name) {
		made->name = strdup(blob->name);
		if (!made->name)
			return result(n, -ENOMEM);
	}
	made->file_rank = rank;
	made->channels_first = is_image;
	return 0;
}

static int set_image(struct ncnn *n, int value)
{
	return set_output(n, 0, value, 3, true);
}

/* Of the order and rank that the input 0 has. */
static int set_alike(struct ncnn *n, int value, bool is_image)
{
	int r = set_output(n, 0, value, in_rank(n, 0), is_image);

	if (r == 0)
		out_blob(n, 0)->channels = in_blob(n, 0)->channels;
	return r;
}

/* Axes of a value in the order of the file: a leading 1 before three and more. */
static int file_axes(int rank)
{
	return rank > 2 ? rank + 1 : rank;
}

/* ncnn's axis of a blob to that of its value; -1: it has none. */
static int axis_of(int rank, int axis, bool is_image)
{
	if (axis < 0)
		axis += rank;
	if (axis < 0 || axis >= rank)
		return -1;
	return is_image ? (int[]){3, 1, 2}[axis] : axis + (rank > 2);
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

/* Input i in the order of the file. */
static int as_file(struct ncnn *n, int i)
{
	struct blob *blob = in_blob(n, i);

	if (blob->file < 0)
		blob->file = add_transpose(n, blob->image, 4, (int32_t[]){0, 3, 1, 2});
	return blob->file;
}

/* Input i, of three axes, as an image. */
static int as_image(struct ncnn *n, int i)
{
	struct blob *blob = in_blob(n, i);

	if (blob->image < 0)
		blob->image = add_transpose(n, blob->file, 4, (int32_t[]){0, 2, 3, 1});
	return blob->image;
}

/* What there is. */
static int as_any(const struct ncnn *n, int i, bool *ret_image)
{
	*ret_image = in_blob(n, i)->image >= 0;
	return *ret_image ? in_blob(n, i)->image : in_blob(n, i)->file;
}

/* Images where there are three axes: for layers whose fast operators work on those. */
static int as_usual(struct ncnn *n, int i, bool *ret_image)
{
	*ret_image = in_rank(n, i) == 3;
	return *ret_image ? as_image(n, i) : as_file(n, i);
}

static int flatten(struct ncnn *n, int i)
{
	return in_rank(n, i) == 1 ? as_file(n, i) : add_reshape(n, as_file(n, i), 1, (int32_t[]){-1});
}

/* ---- general operators ------------------------------------------------------------------------- */

/* Parameter k as "ik" and "fk". */
static int copy_keys(const struct ncnn *n, struct engine_attributes *attributes)
{
	int r = 0;

	for (int key = 0; key < NCNN_KEYS && r == 0; key++) {
		int count = ncnn_count(&n->layer, key), bytes;
		int64_t integers[NCNN_ARRAY_POOL];
		double numbers[NCNN_ARRAY_POOL];
		char name[8];

		if (!count)
			continue;
		for (int i = 0; i < count; i++) {
			integers[i] = ncnn_integer_at(&n->layer, key, i, 0);
			numbers[i] = (double)ncnn_element(&n->layer, key, i, 0);
		}
		bytes = snprintf(name, sizeof(name), "i%d", key);
		r = attributes_add_integers(attributes, name, (size_t)bytes, integers, count);
		name[0] = 'f';
		if (r == 0)
			r = attributes_add_numbers(attributes, name, (size_t)bytes, numbers, count);
	}
	return r;
}

/* A node with n_outputs outputs of these axes and no attributes yet; its index. */
static int add_general(struct ncnn *n, const struct engine_operator *op, const int *inputs, int n_inputs, int axes,
		       int n_outputs)
{
	int outputs[ENGINE_OPERATOR_IO_MAX], node;

	if (!op || n_inputs > op->max_inputs || n_outputs > op->max_outputs)
		return refuse(n, -ENOTSUP, "has too many inputs or outputs");
	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1)
			return result(n, inputs[i]);
	for (int i = 0; i < n_outputs; i++) {
		outputs[i] = graph_add_value(n->graph, NULL, 0, ENGINE_F32, axes, unknown_dims);
		if (outputs[i] < 0)
			return result(n, outputs[i]);
	}
	node = graph_add_node(n->graph, GRAPH_GENERAL, n->layer.name, strlen(n->layer.name), inputs, n_inputs, outputs,
			      n_outputs);
	if (node < 0)
		return result(n, node);
	n->graph->nodes[node].general = (struct graph_general){.op = op, .attributes = attributes_new(), .version = 20};
	return n->graph->nodes[node].general.attributes ? node : result(n, -ENOMEM);
}

static int node_output(const struct ncnn *n, int node, int i)
{
	return n->graph->nodes[node].outputs[i];
}

static struct engine_attributes *attributes_of(const struct ncnn *n, int node)
{
	return n->graph->nodes[node].general.attributes;
}

/* The first `blobs` inputs and then constants (which may be errors), by ncnn's operator of this type; the node. */
static int by_type(struct ncnn *n, const char *type, int blobs, const int *constants, int n_constants, int rank)
{
	int inputs[ENGINE_OPERATOR_IO_MAX], node, r;

	if (blobs + n_constants > ENGINE_OPERATOR_IO_MAX)
		return refuse(n, -ENOTSUP, "has too many inputs");
	for (int i = 0; i < blobs; i++) {
		inputs[i] = as_file(n, i);
		if (inputs[i] < 0)
			return result(n, inputs[i]);
	}
	for (int i = 0; i < n_constants; i++) {
		if (constants[i] < 0)
			return result(n, constants[i]);
		inputs[blobs + i] = constants[i];
	}
	node = add_general(n, ncnn_operator(type), inputs, blobs + n_constants, file_axes(rank), 1);
	if (node < 0)
		return node;
	r = copy_keys(n, attributes_of(n, node));
	return r < 0 ? result(n, r) : node;
}

/* The layer becomes its general operator, with one output of this rank. */
static int become(struct ncnn *n, const char *type, int blobs, const int *constants, int n_constants, int rank)
{
	int node = by_type(n, type, blobs, constants, n_constants, rank);

	return node < 0 ? node : set_output(n, 0, node_output(n, node, 0), rank, false);
}

/* A function of each element, in the order that there is. */
static int add_function(struct ncnn *n, int x, enum ncnn_function function, float a, float b, float c)
{
	const char *const names[] = {"a", "b", "c"};
	const float numbers[] = {a, b, c};
	int node = add_general(n, ncnn_operator("Function"), &x, 1, x < 0 ? 1 : n->graph->values[x].rank, 1), r;

	if (node < 0)
		return node;
	r = attributes_add_integers(attributes_of(n, node), "function", 8, (int64_t[]){function}, 1);
	for (int i = 0; i < 3 && r == 0; i++)
		r = attributes_add_numbers(attributes_of(n, node), names[i], 1, (double[]){(double)numbers[i]}, 1);
	return r < 0 ? result(n, r) : node_output(n, node, 0);
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

/* An array of `count` floats, tagged or raw, as a constant. */
static int read_floats(struct ncnn *n, int64_t count, bool has_tag)
{
	struct ncnn_tagged tagged = {.type = ENGINE_F32};
	uint16_t element[2];
	float *data;
	int value;

	if (count < 1 || count > INT32_MAX / 4)
		return refuse(n, -EINVAL, "has an impossible number of weights");
	if (!has_tag)
		tagged.data = ncnn_raw(&n->bin, (size_t)count);
	if (has_tag ? !ncnn_tagged(&n->bin, (size_t)count, &tagged) : !tagged.data)
		return refuse(n, -EINVAL, "the .bin ends before its weights do");
	if (tagged.type == ENGINE_S8)
		return refuse(n, -ENOTSUP, "has int8 weights");
	value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, 1, (int32_t[]){(int32_t)count});
	data = value < 0 ? NULL : graph_alloc_data(n->graph, value, (size_t)count * sizeof(*data));
	if (!data)
		return result(n, value < 0 ? value : -ENOMEM);
	for (size_t i = 0; i < (size_t)count; i++) {
		const struct engine_tensor one = {.type = tagged.type, .data = element};

		copy_weight(&tagged, i, (uint8_t *)element, 0);
		if (tagged.type == ENGINE_F16)
			data[i] = (float)tensor_real(&one, 0);
		else
			memcpy(&data[i], element, sizeof(data[i]));
	}
	return value;
}

/* The activation that is fused into a layer, as a node of its own behind a general operator. */
static int add_fused(struct ncnn *n, int x)
{
	struct graph_node shell = {.act = {GRAPH_ACT_NONE, 0, 0}};
	int r = x < 0 ? x : fused_activation(n, &shell);

	if (r < 0 || shell.act.kind == GRAPH_ACT_NONE)
		return r < 0 ? r : x;
	return result(n, add_unary(n, x, shell.act.kind, shell.act.a, shell.act.b));
}

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
		return refuse(n, -EINVAL, "has an impossible kernel");
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
		return refuse(n, -ENOTSUP, "pads with a value to a size that depends on its input's");
	x = add_node(n, GRAPH_PAD, &x, 1, 4, &node);
	if (x < 0)
		return result(n, x);
	node->pad = (struct graph_pad){{0, w->top, w->left, 0}, {0, w->bottom, w->right, 0}, value};
	w->top = w->left = w->bottom = w->right = 0;
	return x;
}

/* A signal of channels x width as an image of one row, and back. */
static int row_image(struct ncnn *n, int channels)
{
	int value = add_transpose(n, as_file(n, 0), 2, (int32_t[]){1, 0});

	return add_reshape(n, value, 4, (int32_t[]){1, 1, -1, channels});
}

static int signal_of(struct ncnn *n, int image, int channels)
{
	return add_transpose(n, add_reshape(n, image, 2, (int32_t[]){-1, channels}), 2, (int32_t[]){1, 0});
}

static int fully_connected(struct ncnn *n, int channels, int size, int bias_key);

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
		return refuse(n, -ENOTSUP, "has weights that are not constant");
	if (channels < 1 || channels > CHANNEL_MAX || groups < 1 || channels % groups || size < 1 ||
	    (int64_t)size % ((int64_t)channels * taps) || (int64_t)size / channels / taps * groups > CHANNEL_MAX)
		return refuse(n, -EINVAL, "has weights that do not fit its kernel");
	/* Over a vector, a convolution of 1x1 is a fully connected layer. */
	if (in_rank(n, 0) == 1 && !depthwise && !flat && taps == 1)
		return fully_connected(n, channels, size, 5);
	if (in_rank(n, 0) != (flat ? 2 : 3))
		return refuse(n, -ENOTSUP, flat ? "reads no matrix" : "reads no image");
	in = size / channels / taps;
	inputs[0] = flat ? row_image(n, in * groups) : as_image(n, 0);
	inputs[0] = pad_with_value(n, inputs[0], &window);
	if (inputs[0] < 0)
		return result(n, inputs[0]);
	count = read_layer_weights(n, channels, in, taps, 4,
				   (int32_t[]){channels, window.kernel_h, window.kernel_w, in}, ncnn_int(l, 5, 0),
				   flat ? 0 : ncnn_int(l, 8, 0), groups, depthwise, inputs);
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
	if (r == 0)
		r = flat ? set_output(n, 0, signal_of(n, value, channels), 2, false) : set_image(n, value);
	if (r == 0)
		out_blob(n, 0)->channels = channels;
	return r;
}

static int on_convolution(struct ncnn *n)
{
	return convolution(n, false);
}

static int on_depthwise(struct ncnn *n)
{
	return convolution(n, true);
}

static int on_deconvolution(struct ncnn *n)
{
	bool has_bias = ncnn_int(&n->layer, 5, 0);
	int constants[2], channels = ncnn_int(&n->layer, 0, 0), node, r;

	if (ncnn_int(&n->layer, 28, 0))
		return refuse(n, -ENOTSUP, "has weights that are not constant");
	constants[0] = read_floats(n, ncnn_int(&n->layer, 6, 0), true);
	if (constants[0] < 0)
		return constants[0];
	constants[1] = has_bias ? read_floats(n, channels, false) : 0;
	if (constants[1] < 0)
		return constants[1];
	node = by_type(n, "Deconvolution", 1, constants, 1 + has_bias, 3);
	if (node < 0)
		return node;
	r = add_fused(n, node_output(n, node, 0));
	if (r >= 0)
		r = set_output(n, 0, r, 3, false);
	if (r == 0)
		out_blob(n, 0)->channels = channels;
	return r;
}

static int fully_connected(struct ncnn *n, int channels, int size, int bias_key)
{
	const struct ncnn_layer *l = &n->layer;
	/* Rows of a matrix are taken one by one; anything else is flattened. */
	int rank = in_rank(n, 0) == 2 ? 2 : 1, count, value, r;
	struct graph_node *node;
	int inputs[3];

	if (channels < 1 || channels > CHANNEL_MAX || size < 1 || size % channels)
		return refuse(n, -EINVAL, "has weights that do not fit its outputs");
	inputs[0] = rank == 2 ? as_file(n, 0) : flatten(n, 0);
	if (inputs[0] < 0)
		return result(n, inputs[0]);
	count = read_layer_weights(n, channels, size / channels, 1, 2, (int32_t[]){channels, size / channels},
				   ncnn_int(l, bias_key, 0), ncnn_int(l, 8, 0), 1, false, inputs);
	if (count < 0)
		return count;
	value = add_node(n, GRAPH_FC, inputs, count, rank, &node);
	if (value < 0)
		return result(n, value);
	r = fused_activation(n, node);
	if (r == 0)
		r = set_output(n, 0, value, rank, false);
	if (r == 0 && rank == 1)
		out_blob(n, 0)->channels = channels;
	return r;
}

static int on_inner_product(struct ncnn *n)
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
		return refuse(n, -EINVAL, "has an unknown padding mode");
	pool->ceil_mode = mode == 0;
	if (mode < 2)
		return 0;
	/* What the mode pads counts; what the layer says beside it would be left out of sums that have it not. */
	if (average && !pool->count_pad && (w->left || w->right || w->top || w->bottom))
		return refuse(n, -ENOTSUP, "averages with a padding that its mode does not use");
	pool->count_pad = true;
	w->left = w->right = w->top = w->bottom = 0;
	w->pad_mode = mode == 2 ? GRAPH_PAD_SAME_UPPER : GRAPH_PAD_SAME_LOWER;
	return 0;
}

static int on_pooling(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int type = ncnn_int(l, 0, 0), x, value, r;
	bool global = ncnn_int(l, 4, 0), adaptive = !global && ncnn_int(l, 7, 0);
	struct graph_node *node;

	if (in_rank(n, 0) != 3 || type < 0 || type > 1)
		return refuse(n, -ENOTSUP, "pools no image, or in a way that is not known");
	if (adaptive && (ncnn_int(l, 8, 0) != 1 || ncnn_int(l, 18, ncnn_int(l, 8, 0)) != 1))
		return become(n, "Pooling", 1, NULL, 0, 3);
	x = as_image(n, 0);
	value = x < 0 ? x : add_node(n, type ? GRAPH_AVGPOOL : GRAPH_MAXPOOL, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	node->pool.global = global || adaptive;
	r = node->pool.global ? 0 : read_pool_window(n, type == 1, &node->pool);
	if (r < 0)
		return r;
	/* A global pool leaves one axis, an adaptive one three. */
	r = global ? set_output(n, 0, add_reshape(n, value, 1, (int32_t[]){-1}), 1, false) : set_image(n, value);
	if (r == 0)
		out_blob(n, 0)->channels = in_blob(n, 0)->channels;
	return r;
}

/* ---- elementwise ------------------------------------------------------------------------------- */

static int on_activation(struct ncnn *n)
{
	static const struct {
		const char *type;
		enum graph_act_kind kind;
		float a, b;
	} kinds[] = {
		{"Sigmoid", GRAPH_ACT_SIGMOID, 0, 0},
		{"TanH", GRAPH_ACT_TANH, 0, 0},
		{"AbsVal", GRAPH_ACT_ABS, 0, 0},
		{"HardSigmoid", GRAPH_ACT_HARDSIGMOID, 0.2f, 0.5f},
		{"HardSwish", GRAPH_ACT_HARDSWISH, 0.2f, 0.5f},
		{"Swish", GRAPH_ACT_SILU, 0, 0},
		{"Mish", GRAPH_ACT_MISH, 0, 0},
		{"ELU", GRAPH_ACT_ELU, 0.1f, 0},
		{"Clip", GRAPH_ACT_CLIP, -INFINITY, INFINITY},
		{"ReLU", GRAPH_ACT_LEAKY, 0, 0},
	};
	size_t i = 0;
	bool image;
	int x = as_any(n, 0, &image);
	float a, b;

	while (strcmp(kinds[i].type, n->layer.type) != 0)
		i++;
	a = ncnn_float(&n->layer, 0, kinds[i].a);
	b = ncnn_float(&n->layer, 1, kinds[i].b);
	if (kinds[i].kind == GRAPH_ACT_LEAKY && a == 0.0f)
		return set_alike(n, add_unary(n, x, GRAPH_ACT_RELU, 0, 0), image);
	return set_alike(n, add_unary(n, x, kinds[i].kind, a, b), image);
}

/* Functions with up to three numbers; where `first` is 0, parameters come in the order a, b, c. */
static int on_function(struct ncnn *n)
{
	static const struct {
		const char *type;
		enum ncnn_function function;
		float a, b, c;
	} functions[] = {
		{"BNLL", NCNN_BNLL, 0, 0, 0},
		{"Erf", NCNN_ERF, 0, 0, 0},
		{"Softplus", NCNN_SOFTPLUS, 0, 0, 0},
		{"CELU", NCNN_CELU, 1, 0, 0},
		{"SELU", NCNN_SELU, 1.67326324f, 1.050700987f, 0},
		{"Shrink", NCNN_SHRINK, 0, 0.5f, 0},
		{"Threshold", NCNN_THRESHOLD, 0, 0, 0},
		{"Power", NCNN_POWER, 1, 1, 0},
		{"Exp", NCNN_EXP, -1, 1, 0},
		{"Log", NCNN_LOG, -1, 1, 0},
	};
	size_t i = 0;
	bool image;
	int x = as_any(n, 0, &image), value;

	while (strcmp(functions[i].type, n->layer.type) != 0)
		i++;
	value = add_function(n, x, functions[i].function, ncnn_float(&n->layer, 0, functions[i].a),
			     ncnn_float(&n->layer, 1, functions[i].b), ncnn_float(&n->layer, 2, functions[i].c));
	return value < 0 ? value : set_alike(n, value, image);
}

static int on_gelu(struct ncnn *n)
{
	bool image;
	int x = as_any(n, 0, &image), value;

	if (!ncnn_int(&n->layer, 0, 0))
		return set_alike(n, add_unary(n, x, GRAPH_ACT_GELU, 0, 0), image);
	value = add_function(n, x, NCNN_GELU_TANH, 0, 0, 0);
	return value < 0 ? value : set_alike(n, value, image);
}

static int on_unary(struct ncnn *n)
{
	enum { LAST = 19 };
	static const enum graph_act_kind kinds[LAST + 1] = {
		[0] = GRAPH_ACT_ABS,   [1] = GRAPH_ACT_NEG, [4] = GRAPH_ACT_SQUARE, [5] = GRAPH_ACT_SQRT,
		[6] = GRAPH_ACT_RSQRT, [7] = GRAPH_ACT_EXP, [8] = GRAPH_ACT_LOG,    [16] = GRAPH_ACT_TANH,
	};
	static const enum ncnn_function functions[LAST + 1] = {
		[2] = NCNN_FLOOR,	[3] = NCNN_CEIL,   [9] = NCNN_SIN,    [10] = NCNN_COS,
		[11] = NCNN_TAN,	[12] = NCNN_ASIN,  [13] = NCNN_ACOS,  [14] = NCNN_ATAN,
		[15] = NCNN_RECIPROCAL, [17] = NCNN_LOG10, [18] = NCNN_ROUND, [19] = NCNN_TRUNC,
	};
	int op = ncnn_int(&n->layer, 0, 0), x, value;
	bool image;

	if (op < 0 || op > LAST)
		return refuse(n, -ENOTSUP, "is a function that is not known");
	x = as_any(n, 0, &image);
	if (kinds[op] != GRAPH_ACT_NONE)
		return set_alike(n, add_unary(n, x, kinds[op], 0, 0), image);
	value = add_function(n, x, functions[op], 0, 0, 0);
	return value < 0 ? value : set_alike(n, value, image);
}

static const enum graph_op binary_ops[] = {GRAPH_ADD, GRAPH_SUB, GRAPH_MUL, GRAPH_DIV, GRAPH_MAX,
					   GRAPH_MIN, GRAPH_ADD, GRAPH_SUB, GRAPH_DIV};

static int binary_scalar(struct ncnn *n, int op, float number)
{
	bool image, reversed = op == 7 || op == 8;
	int x = as_any(n, 0, &image), value, scalar;

	if (op == 6 && number == 2.0f)
		return set_alike(n, add_unary(n, x, GRAPH_ACT_SQUARE, 0, 0), image);
	if (op == 6 && number == 0.5f)
		return set_alike(n, add_unary(n, x, GRAPH_ACT_SQRT, 0, 0), image);
	if (op == 6 || op > 8) {
		value = op == 6 ? add_function(n, x, NCNN_POWER, number, 1, 0)
				: add_function(n, x, (int[]){NCNN_RPOW, NCNN_ATAN2, NCNN_RATAN2}[op - 9], number, 0, 0);
		return value < 0 ? value : set_alike(n, value, image);
	}
	scalar = add_scalar(n, number);
	return set_alike(n, add_binary(n, binary_ops[op], reversed ? scalar : x, reversed ? x : scalar), image);
}

/*
 * Where NumPy's broadcasting of the values does as ncnn's does: blobs of as many axes, and vectors over the channels of
 * an image.  Of lengths that are not known it is taken that they are those of the channels.
 */
static bool broadcasts_alike(const struct ncnn *n)
{
	const struct blob *a = in_blob(n, 0), *b = in_blob(n, 1);

	if (a->rank == b->rank)
		return true;
	if (a->rank + b->rank != 4 || a->rank == b->rank)
		return false;
	return a->channels == b->channels || a->channels < 0 || b->channels < 0;
}

static int on_binary(struct ncnn *n)
{
	int op = ncnn_int(&n->layer, 0, 0), rank, a, b, value, r;
	bool image_a, image_b, reversed = op == 7 || op == 8;

	if (op < 0 || op > 11)
		return refuse(n, -ENOTSUP, "is an operation that is not known");
	if (ncnn_int(&n->layer, 1, 0))
		return binary_scalar(n, op, ncnn_float(&n->layer, 2, 0.0f));
	if (n->layer.n_inputs < 2)
		return refuse(n, -EINVAL, "lacks its second input");
	rank = in_rank(n, 0) > in_rank(n, 1) ? in_rank(n, 0) : in_rank(n, 1);
	if (op == 6 || op > 8 || !broadcasts_alike(n)) {
		r = become(n, "BinaryOp", 2, NULL, 0, rank);
	} else {
		a = as_usual(n, 0, &image_a);
		b = as_usual(n, 1, &image_b);
		value = add_binary(n, binary_ops[op], reversed ? b : a, reversed ? a : b);
		r = set_output(n, 0, value, rank, image_a || image_b);
	}
	if (r == 0 && rank != 2)
		out_blob(n, 0)->channels = in_blob(n, 0)->channels > in_blob(n, 1)->channels ? in_blob(n, 0)->channels
											     : in_blob(n, 1)->channels;
	return r;
}

static int on_eltwise(struct ncnn *n)
{
	static const enum graph_op ops[] = {GRAPH_MUL, GRAPH_ADD, GRAPH_MAX};
	int op = ncnn_int(&n->layer, 0, 0), sum = -1;
	bool image = false;

	if (op < 0 || op > 2)
		return refuse(n, -ENOTSUP, "is an operation that is not known");
	if (n->layer.n_inputs < 2)
		return refuse(n, -EINVAL, "lacks its second input");
	for (int i = 0; i < n->layer.n_inputs; i++) {
		float coefficient = op == 1 ? ncnn_element(&n->layer, 1, i, 1.0f) : 1.0f;
		int x = as_usual(n, i, &image);

		if (in_rank(n, i) != in_rank(n, 0))
			return refuse(n, -EINVAL, "has inputs of different numbers of axes");
		if (coefficient != 1.0f)
			x = add_binary(n, GRAPH_MUL, x, add_scalar(n, coefficient));
		sum = i ? add_binary(n, ops[op], sum, x) : x;
		if (sum < 0)
			return result(n, sum);
	}
	return set_alike(n, sum, image);
}

/* ---- factors ----------------------------------------------------------------------------------- */

/* A constant of one number for each index of the outermost axis, so that it broadcasts over the others. */
static int as_outer(struct ncnn *n, int constant)
{
	int rank = in_rank(n, 0);

	return rank == 2 ? add_reshape(n, constant, 2, (int32_t[]){-1, 1})
			 : add_reshape(n, constant, 4, (int32_t[]){-1, 1, 1, 1});
}

/* x * scale + shift for each channel, which is the last axis of images and vectors; shift -1: none. */
static int add_scaling(struct ncnn *n, int scale, int shift)
{
	int x, value;
	struct graph_node *node;
	bool image;

	if (scale < 0 || shift < 0)
		return result(n, scale < 0 ? scale : shift);
	x = as_usual(n, 0, &image);
	if (image || in_rank(n, 0) == 1) {
		value = x < 0 ? x : add_node(n, GRAPH_BATCHNORM, (int[]){x, scale, shift}, 3, image ? 4 : 1, &node);
		return set_alike(n, value, image);
	}
	value = add_binary(n, GRAPH_MUL, x, as_outer(n, scale));
	return set_alike(n, add_binary(n, GRAPH_ADD, value, as_outer(n, shift)), false);
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

/* Scale with a second blob: of one number for each channel, whatever has how many axes. */
static int scale_by_blob(struct ncnn *n)
{
	int shift = ncnn_int(&n->layer, 1, 0) ? -ENOTSUP : 0, factors, value;
	bool image;

	if (n->layer.n_inputs < 2 || shift < 0)
		return refuse(n, -ENOTSUP, "has factors that are not constant, and a bias");
	factors = flatten(n, 1);
	value = as_usual(n, 0, &image);
	if (!image && in_rank(n, 0) > 1)
		factors = as_outer(n, factors);
	return set_alike(n, add_binary(n, GRAPH_MUL, value, factors), image);
}

/* A vector or matrix is one channel to a Bias layer: its first number is for all of it. */
static int bias_plane(struct ncnn *n, int shift)
{
	float first;

	memcpy(&first, n->graph->values[shift].data, sizeof(first));
	return set_alike(n, add_binary(n, GRAPH_ADD, as_file(n, 0), add_scalar(n, first)), false);
}

/* Scale multiplies and may add; Bias adds. */
static int on_scale(struct ncnn *n)
{
	bool bias_only = strcmp(n->layer.type, "Bias") == 0;
	int count = ncnn_int(&n->layer, 0, 0), scale, shift;

	if (!bias_only && count == NCNN_DEFAULT)
		return scale_by_blob(n);
	if (!good_count(count))
		return refuse(n, -EINVAL, "has an impossible number of factors");
	scale = bias_only ? add_floats(n, NULL, count, 1.0f) : read_bias(n, count);
	if (scale < 0)
		return result(n, scale);
	shift = bias_only || ncnn_int(&n->layer, 1, 0) ? read_bias(n, count) : add_floats(n, NULL, count, 0.0f);
	if (bias_only && shift >= 0 && in_rank(n, 0) < 3)
		return bias_plane(n, shift);
	return add_scaling(n, scale, shift);
}

static int on_prelu(struct ncnn *n)
{
	int count = ncnn_int(&n->layer, 0, 0), x, slope;
	struct graph_node *node;
	bool image;

	if (!good_count(count))
		return refuse(n, -EINVAL, "has an impossible number of slopes");
	slope = read_bias(n, count);
	if (slope < 0)
		return slope;
	if (in_rank(n, 0) % 2 == 0 && count > 1)
		return become(n, "PReLU", 1, &slope, 1, in_rank(n, 0));
	x = as_usual(n, 0, &image);
	if (x < 0)
		return result(n, x);
	return set_alike(n, add_node(n, GRAPH_PRELU, (int[]){x, slope}, 2, n->graph->values[x].rank, &node), image);
}

static int on_dropout(struct ncnn *n)
{
	float scale = ncnn_float(&n->layer, 0, 1.0f);
	bool image;
	int x = as_any(n, 0, &image);

	if (scale != 1.0f)
		return set_alike(n, add_binary(n, GRAPH_MUL, x, add_scalar(n, scale)), image);
	return set_alike(n, x, image);
}

/* Int8 tensors are kept as floats of their numbers. */
static int on_quantize(struct ncnn *n)
{
	bool quantize = n->layer.type[0] == 'Q';
	int bias = quantize ? 0 : ncnn_int(&n->layer, 1, 0), constants[2];

	constants[0] = read_floats(n, ncnn_int(&n->layer, 0, 1), false);
	if (constants[0] < 0)
		return constants[0];
	constants[1] = bias ? read_floats(n, bias, false) : 0;
	if (constants[1] < 0)
		return constants[1];
	return become(n, quantize ? "Quantize" : "Dequantize", 1, constants, bias ? 2 : 1, in_rank(n, 0));
}

/* Through the wider type, with an activation between: exact, as int32 sums below 2^24 are as floats. */
static int on_requantize(struct ncnn *n)
{
	int bias = ncnn_int(&n->layer, 2, 0), constants[3], node, rank = in_rank(n, 0), value, inputs[2];

	for (int i = 0; i < 3; i++) {
		int count = i < 2 ? ncnn_int(&n->layer, i, 1) : bias;

		constants[i] = count ? read_floats(n, count, false) : 0;
		if (constants[i] < 0)
			return constants[i];
	}
	/* Keys 3 and 4 are what 9 and 10 are to other layers. */
	n->layer.key[9] = n->layer.key[3];
	n->layer.key[10] = n->layer.key[4];
	node = by_type(n, "Dequantize", 1, (int[]){constants[0], constants[2]}, bias ? 2 : 1, rank);
	if (node < 0)
		return node;
	value = add_fused(n, node_output(n, node, 0));
	if (value < 0)
		return value;
	inputs[0] = value;
	inputs[1] = constants[1];
	node = add_general(n, ncnn_operator("Quantize"), inputs, 2, file_axes(rank), 1);
	return node < 0 ? node : set_output(n, 0, node_output(n, node, 0), rank, false);
}

/* ---- parts ------------------------------------------------------------------------------------- */

static int on_concat(struct ncnn *n)
{
	int rank = in_rank(n, 0), axis = axis_of(rank, ncnn_int(&n->layer, 0, 0), rank == 3), value = 0, *values;
	int channels = 0, r;
	struct graph_node *node;
	bool image = false;

	if (axis < 0)
		return refuse(n, -EINVAL, "has an axis that its inputs lack");
	values = malloc((size_t)n->layer.n_inputs * sizeof(*values));
	if (!values)
		return result(n, -ENOMEM);
	for (int i = 0; i < n->layer.n_inputs && value >= 0; i++) {
		values[i] = in_rank(n, i) == rank ? as_usual(n, i, &image) : -EINVAL;
		value = values[i];
		channels = channels < 0 || in_blob(n, i)->channels < 0 ? -1 : channels + in_blob(n, i)->channels;
	}
	if (value >= 0)
		value = add_node(n, GRAPH_CONCAT, values, n->layer.n_inputs, image ? 4 : file_axes(rank), &node);
	free(values);
	if (value == -EINVAL)
		return refuse(n, -EINVAL, "has inputs of different numbers of axes");
	if (value >= 0)
		node->axis.axis = axis;
	r = set_alike(n, value, image);
	if (r == 0 && axis == (image ? 3 : 0))
		out_blob(n, 0)->channels = channels <= CHANNEL_MAX ? channels : -1;
	return r;
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

/*
 * Equal parts of the channels, whose length is not known here: the axis is cut in two, one part taken, and joined
 * again.
 */
static int equal_part(struct ncnn *n, int x, int parts, int part)
{
	int value = add_slice(n, add_reshape(n, x, 5, (int32_t[]){0, 0, 0, parts, -1}), 5, 3, part, 1);

	return add_reshape(n, value, 4, (int32_t[]){0, 0, 0, -1});
}

/* Images, where every length is said, or none. */
static bool slices_plainly(const struct ncnn *n, bool *ret_equal)
{
	int outputs = n->layer.n_outputs, rests = 0;
	int64_t channels = in_blob(n, 0)->channels;

	if (in_rank(n, 0) != 3 || ncnn_count(&n->layer, 2) || ncnn_count(&n->layer, 0) < outputs)
		return false;
	for (int i = 0; i < outputs; i++) {
		int size = ncnn_integer_at(&n->layer, 0, i, 0);

		rests += size == NCNN_DEFAULT;
		if (size == NCNN_DEFAULT ? i + 1 < outputs && rests <= i : size < 1 || size > CHANNEL_MAX)
			return false;
	}
	*ret_equal = rests == outputs && outputs > 1;
	return *ret_equal ? axis_of(3, ncnn_int(&n->layer, 1, 0), true) == 3 && channels > 0 && channels % outputs == 0
			  : rests <= 1;
}

static int slice_by_operator(struct ncnn *n)
{
	int x = as_file(n, 0), node, r, rank = in_rank(n, 0);

	if (n->layer.n_outputs > ENGINE_OPERATOR_IO_MAX)
		return refuse(n, -ENOTSUP, "has too many outputs");
	node = add_general(n, ncnn_operator("Slice"), &x, 1, file_axes(rank), n->layer.n_outputs);
	if (node < 0)
		return node;
	r = copy_keys(n, attributes_of(n, node));
	for (int i = 0; i < n->layer.n_outputs && r == 0; i++)
		r = set_output(n, i, node_output(n, node, i), rank, false);
	return r == -ENOMEM ? result(n, r) : r;
}

static int on_slice(struct ncnn *n)
{
	int axis = axis_of(in_rank(n, 0), ncnn_int(&n->layer, 1, 0), in_rank(n, 0) == 3), outputs = n->layer.n_outputs,
	    x, r = 0;
	int64_t begin = 0;
	bool equal;

	if (!slices_plainly(n, &equal) || axis < 0)
		return slice_by_operator(n);
	x = as_image(n, 0);
	for (int i = 0; i < outputs && r == 0; i++) {
		int size = ncnn_integer_at(&n->layer, 0, i, 0), value;
		bool rest = size == NCNN_DEFAULT;

		if (begin > INT32_MAX / 2)
			return refuse(n, -EINVAL, "cuts beyond the end of its input");
		value = equal ? equal_part(n, x, outputs, i) : add_slice(n, x, 4, axis, (int)begin, rest ? -1 : size);
		begin += rest ? 0 : size;
		r = set_output(n, i, value, 3, true);
		if (r == 0 && axis == 3)
			out_blob(n, i)->channels = equal ? in_blob(n, 0)->channels / outputs : rest ? -1 : size;
		else if (r == 0)
			out_blob(n, i)->channels = in_blob(n, 0)->channels;
		if (r == 0 && axis == 3 && rest && !equal && in_blob(n, 0)->channels > begin)
			out_blob(n, i)->channels = in_blob(n, 0)->channels - (int)begin;
	}
	return r;
}

/* Images with offsets and sizes by the graph's own slice. */
static int on_crop(struct ncnn *n)
{
	static const int offset_keys[] = {1, 0, 2}, size_keys[] = {4, 3, 5}, tail_keys[] = {7, 6, 8};
	bool plain = in_rank(n, 0) == 3 && !ncnn_count(&n->layer, 9) && n->layer.n_inputs == 1;
	struct graph_node *node;
	int x, value;

	for (int i = 0; i < 3; i++)
		plain = plain && !ncnn_int(&n->layer, tail_keys[i], 0) && ncnn_int(&n->layer, offset_keys[i], 0) >= 0;
	if (!plain)
		return become(n, "Crop", n->layer.n_inputs > 1 && !ncnn_count(&n->layer, 9) ? 2 : 1, NULL, 0,
			      in_rank(n, 0));
	x = as_image(n, 0);
	value = x < 0 ? x : add_node(n, GRAPH_SLICE, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	whole_slice(&node->slice);
	for (int i = 0; i < 3; i++) {
		int size = ncnn_int(&n->layer, size_keys[i], NCNN_DEFAULT);

		node->slice.begin[i + 1] = ncnn_int(&n->layer, offset_keys[i], 0);
		node->slice.size[i + 1] = size == NCNN_DEFAULT || size == 0 ? -1 : size;
	}
	return set_image(n, value);
}

static int on_copy_to(struct ncnn *n)
{
	return become(n, "CopyTo", 2, NULL, 0, in_rank(n, 0));
}

/* Every output is an input: Split's the first, Noop's and its like each its own. */
static int on_same(struct ncnn *n)
{
	bool split = strcmp(n->layer.type, "Split") == 0;

	for (int i = 0; i < n->layer.n_outputs; i++) {
		struct blob *blob = out_blob(n, i), *from;

		if (!split && i >= n->layer.n_inputs)
			return refuse(n, -EINVAL, "has more outputs than inputs");
		from = in_blob(n, split ? 0 : i);
		blob->file = from->file;
		blob->image = from->image;
		blob->rank = from->rank;
		blob->channels = from->channels;
	}
	return 0;
}

static int on_padding(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int each = ncnn_int(l, 6, 0), x, value;
	struct graph_node *node;

	if (each) {
		value = read_floats(n, each, false);
		return value < 0 ? value : become(n, "Padding", 1, &value, 1, in_rank(n, 0));
	}
	if (in_rank(n, 0) != 3 || ncnn_int(l, 4, 0) != 0)
		return become(n, "Padding", 1, NULL, 0, in_rank(n, 0));
	x = as_image(n, 0);
	value = x < 0 ? x : add_node(n, GRAPH_PAD, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	node->pad = (struct graph_pad){
		.before = {0, ncnn_int(l, 0, 0), ncnn_int(l, 2, 0), ncnn_int(l, 7, 0)},
		.after = {0, ncnn_int(l, 1, 0), ncnn_int(l, 3, 0), ncnn_int(l, 8, 0)},
		.value = ncnn_float(l, 5, 0.0f),
	};
	return set_image(n, value);
}

static int on_tile(struct ncnn *n)
{
	int repeats = ncnn_count(&n->layer, 2), rank = in_rank(n, 0);

	if (repeats > NCNN_RANK_MAX)
		return refuse(n, -ENOTSUP, "makes a blob of more than four axes");
	return become(n, "Tile", 1, NULL, 0, repeats > rank ? repeats : rank);
}

/* ---- shapes ------------------------------------------------------------------------------------ */

/* Lengths of h, w and c counted as images have them: the file's elements in that order are those of the image. */
static int reshape_permuted(struct ncnn *n, int to, int w, int h, int c)
{
	int from = in_rank(n, 0), x, value;

	if (from > 3 || w == 0 || (to > 1 && h == 0) || (to > 2 && c == 0))
		return refuse(n, -ENOTSUP, "reshapes in a way that is not known");
	x = from == 3 ? as_image(n, 0) : as_file(n, 0);
	if (from == 2)
		x = add_transpose(n, x, 2, (int32_t[]){1, 0});
	if (to == 3)
		return set_image(n, add_reshape(n, x, 4, (int32_t[]){1, h, w, c}));
	value = add_reshape(n, x, to, to == 1 ? (int32_t[]){w} : (int32_t[]){w, h});
	if (to == 2)
		value = add_transpose(n, value, 2, (int32_t[]){1, 0});
	return set_output(n, 0, value, to, false);
}

static int on_reshape(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int w = ncnn_int(l, 0, NCNN_DEFAULT), h = ncnn_int(l, 1, NCNN_DEFAULT), c = ncnn_int(l, 2, NCNN_DEFAULT);
	int d = ncnn_int(l, 11, NCNN_DEFAULT), from = in_rank(n, 0), value;
	int to = d != NCNN_DEFAULT ? 4 : c != NCNN_DEFAULT ? 3 : h != NCNN_DEFAULT ? 2 : 1;

	if (w == NCNN_DEFAULT || (to > 1 && h == NCNN_DEFAULT) || (to > 3 && c == NCNN_DEFAULT) ||
	    n->layer.n_inputs > 1)
		return refuse(n, -ENOTSUP, "reshapes in a way that is not known");
	if (ncnn_int(l, 3, 0) == 1 && to < 4)
		return reshape_permuted(n, to, w, h, c);
	if (to == 4 || from == 4 || (from != to && (w == 0 || (to > 1 && h == 0) || (to > 2 && c == 0))))
		return become(n, "Reshape", 1, NULL, 0, to);
	value = as_file(n, 0);
	value = to == 3 ? add_reshape(n, value, 4, (int32_t[]){1, c, h, w})
			: add_reshape(n, value, to, to == 1 ? (int32_t[]){w} : (int32_t[]){h, w});
	return set_output(n, 0, value, to, false);
}

static int on_flatten(struct ncnn *n)
{
	int r = set_output(n, 0, flatten(n, 0), 1, false);

	if (r == 0 && in_rank(n, 0) == 1)
		out_blob(n, 0)->channels = in_blob(n, 0)->channels;
	return r;
}

/* The axes that flags of w, h, d and c or a list name, in a blob of `rank` axes (of the output, where they are new). */
static int named_axes(struct ncnn *n, int rank, bool named[NCNN_RANK_MAX + 1])
{
	static const int flags[] = {0, 1, 11, 2};
	int count = ncnn_count(&n->layer, 3), found = 0;

	for (int i = 0; i < count; i++) {
		int axis = ncnn_integer_at(&n->layer, 3, i, 0);

		axis += axis < 0 ? rank : 0;
		if (axis < 0 || axis >= rank)
			return refuse(n, -EINVAL, "has an axis that cannot be");
		named[axis] = true;
	}
	for (int i = 0; i < 4 && !count; i++) {
		int axis = rank - 1 - (i == 3 && rank < 4 ? 2 : i);

		if (ncnn_int(&n->layer, flags[i], 0) && axis >= 0 && !(i == 2 && rank < 4))
			named[axis] = true;
	}
	for (int i = 0; i < rank; i++)
		found += named[i];
	return found;
}

static int become_with_axes(struct ncnn *n, const char *type, const bool *named, int rank, int out_rank)
{
	int64_t axes[NCNN_RANK_MAX + 1];
	int count = 0, node, r;

	for (int i = 0; i < rank; i++)
		if (named[i])
			axes[count++] = i;
	node = by_type(n, type, 1, NULL, 0, out_rank);
	if (node < 0)
		return node;
	r = attributes_add_integers(attributes_of(n, node), "axes", 4, axes, count);
	return r < 0 ? result(n, r) : set_output(n, 0, node_output(n, node, 0), out_rank, false);
}

/* What stays of an image of 1x1 is a vector of its channels, whatever the order. */
static int on_squeeze(struct ncnn *n)
{
	bool named[NCNN_RANK_MAX + 1] = {false};
	int rank = in_rank(n, 0), count = named_axes(n, rank, named), r;

	if (count < 0)
		return count;
	/* Channels that are known to be more stay. */
	if (rank == 3 && named[0] && in_blob(n, 0)->channels > 1) {
		named[0] = false;
		count--;
	}
	if (!count)
		return on_same(n);
	if (rank == 3 && count == 2 && !named[0]) {
		bool image;
		int x = as_any(n, 0, &image);

		r = set_output(n, 0, add_reshape(n, x, 1, (int32_t[]){-1}), 1, false);
		if (r == 0)
			out_blob(n, 0)->channels = in_blob(n, 0)->channels;
		return r;
	}
	return become_with_axes(n, "Squeeze", named, rank, rank > count ? rank - count : 1);
}

/*
 * A list counts its axes in the blob with one more; flags name w and h beside a vector, which stays the axis that no
 * flag names.
 */
static int on_expand(struct ncnn *n)
{
	int rank = in_rank(n, 0), flags = 0, to, count, x;
	bool named[NCNN_RANK_MAX + 1] = {false};
	bool listed = ncnn_count(&n->layer, 3) > 0;

	flags = !!ncnn_int(&n->layer, 0, 0) + !!ncnn_int(&n->layer, 1, 0) + !!ncnn_int(&n->layer, 2, 0) +
		!!ncnn_int(&n->layer, 11, 0);
	to = rank + (listed ? ncnn_count(&n->layer, 3) : flags);
	if (to > NCNN_RANK_MAX)
		return refuse(n, -ENOTSUP, "makes a blob of more than four axes");
	count = named_axes(n, to, named);
	if (count < 0)
		return count;
	if (!count)
		return on_same(n);
	if (to - count != rank)
		return refuse(n, -ENOTSUP, "adds axes in a way that is not known");
	if (rank == 1 && to == 3 && !named[0]) {
		x = as_file(n, 0);
		count = set_image(n, add_reshape(n, x, 4, (int32_t[]){1, 1, 1, -1}));
		if (count == 0)
			out_blob(n, 0)->channels = in_blob(n, 0)->channels;
		return count;
	}
	return become_with_axes(n, "ExpandDims", named, to, to);
}

/* Orders name the axes from the innermost: of the new w, h, (d,) and c. */
static int on_permute(struct ncnn *n)
{
	enum { W, H, C, D };
	static const uint8_t orders3[][3] = {{W, H, C}, {H, W, C}, {W, C, H}, {C, W, H}, {H, C, W}, {C, H, W}};
	static const uint8_t orders4[][4] = {
		{W, H, D, C}, {H, W, D, C}, {W, D, H, C}, {D, W, H, C}, {H, D, W, C}, {D, H, W, C},
		{W, H, C, D}, {H, W, C, D}, {W, C, H, D}, {C, W, H, D}, {H, C, W, D}, {C, H, W, D},
		{W, D, C, H}, {D, W, C, H}, {W, C, D, H}, {C, W, D, H}, {D, C, W, H}, {C, D, W, H},
		{H, D, C, W}, {D, H, C, W}, {H, C, D, W}, {C, H, D, W}, {D, C, H, W}, {C, D, H, W},
	};
	static const int image_axes[] = {[W] = 2, [H] = 1, [C] = 3},
			 file_axes4[] = {[W] = 4, [H] = 3, [C] = 1, [D] = 2};
	int order = ncnn_int(&n->layer, 0, 0), rank = in_rank(n, 0), x;
	bool image;

	if (order < 0 || order > (rank == 4 ? 23 : rank == 3 ? 5 : 1) || rank == 1)
		return rank == 1 && order == 0 ? on_same(n) : refuse(n, -ENOTSUP, "has an unknown order");
	x = as_usual(n, 0, &image);
	if (rank == 2)
		return set_output(n, 0, add_transpose(n, x, 2, order ? (int32_t[]){1, 0} : (int32_t[]){0, 1}), 2,
				  false);
	if (rank == 3) {
		const uint8_t *o = orders3[order];

		return set_image(
			n,
			add_transpose(n, x, 4, (int32_t[]){0, image_axes[o[1]], image_axes[o[0]], image_axes[o[2]]}));
	}
	return set_output(n, 0,
			  add_transpose(n, x, 5,
					(int32_t[]){0, file_axes4[orders4[order][3]], file_axes4[orders4[order][2]],
						    file_axes4[orders4[order][1]], file_axes4[orders4[order][0]]}),
			  4, false);
}

/* Channels as groups x rest, turned into rest x groups. */
static int on_shuffle(struct ncnn *n)
{
	int groups = ncnn_int(&n->layer, 0, 1), value;
	bool reverse = ncnn_int(&n->layer, 1, 0);

	if (in_rank(n, 0) != 3 || groups < 1)
		return refuse(n, -EINVAL, "has an impossible number of groups");
	value = add_reshape(n, as_image(n, 0), 5, (int32_t[]){0, 0, 0, reverse ? -1 : groups, reverse ? groups : -1});
	value = add_transpose(n, value, 5, (int32_t[]){0, 1, 2, 4, 3});
	return set_alike(n, add_reshape(n, value, 4, (int32_t[]){0, 0, 0, -1}), true);
}

/* ---- along axes -------------------------------------------------------------------------------- */

static int on_softmax(struct ncnn *n)
{
	bool image = in_rank(n, 0) == 3;
	int axis = axis_of(in_rank(n, 0), ncnn_int(&n->layer, 0, 0), image), x, value;
	struct graph_node *node;

	if (axis < 0)
		return refuse(n, -EINVAL, "has an axis that its input lacks");
	/* Files from before the axis was counted right say nothing that it could be counted by. */
	if (ncnn_int(&n->layer, 0, 0) && !ncnn_int(&n->layer, 1, 0))
		return refuse(n, -EINVAL, "has an axis counted in the old way; convert the network again");
	x = as_usual(n, 0, &image);
	value = x < 0 ? x : add_node(n, GRAPH_SOFTMAX, &x, 1, n->graph->values[x].rank, &node);
	if (value >= 0) {
		node->axis.axis = axis;
		node->axis.beta = 1.0f;
	}
	return set_alike(n, value, image);
}

/* Means of images over both sides, or of everything, are the graph's own. */
static int on_reduction(struct ncnn *n)
{
	int rank = in_rank(n, 0), count = ncnn_count(&n->layer, 3), gone = 0, value, x;
	bool all = ncnn_int(&n->layer, 1, 1) || !count, keep = ncnn_int(&n->layer, 4, 0);
	bool seen[NCNN_RANK_MAX] = {false};
	struct graph_node *node;

	for (int i = 0; i < (all ? rank : count); i++) {
		int axis = all ? i : ncnn_integer_at(&n->layer, 3, i, 0);

		axis += axis < 0 ? rank : 0;
		if (axis < 0 || axis >= rank)
			return refuse(n, -EINVAL, "has an axis that its input lacks");
		gone += !seen[axis];
		seen[axis] = true;
	}
	if (!all && !ncnn_int(&n->layer, 5, 0))
		return refuse(n, -EINVAL, "has axes counted in the old way; convert the network again");
	if (ncnn_int(&n->layer, 0, 0) != 3 || rank != 3 || gone != 2 || seen[0])
		return become(n, "Reduction", 1, NULL, 0, keep ? rank : gone < rank ? rank - gone : 1);
	x = as_image(n, 0);
	value = x < 0 ? x : add_node(n, GRAPH_MEAN, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	node->reduce = (struct graph_reduce){.n_axes = 2, .axes = {1, 2}, .keep_dims = true};
	if (ncnn_float(&n->layer, 2, 1.0f) != 1.0f)
		value = add_binary(n, GRAPH_MUL, value, add_scalar(n, ncnn_float(&n->layer, 2, 1.0f)));
	if (!keep)
		value = add_reshape(n, value, 1, (int32_t[]){-1});
	value = set_output(n, 0, value, keep ? 3 : 1, keep);
	if (value == 0)
		out_blob(n, 0)->channels = in_blob(n, 0)->channels;
	return value;
}

static int on_norm(struct ncnn *n)
{
	static const struct {
		const char *type;
		int kind, count_key, affine_key; /* of a layer that has factors */
		int n_factors;
	} norms[] = {
		{"LayerNorm", 0, 0, 2, 2},    {"RMSNorm", 1, 0, 2, 1}, {"GroupNorm", 2, 1, 3, 2},
		{"InstanceNorm", 3, 0, 2, 2}, {"MVN", 4, 0, 0, 0},
	};
	int constants[2], node, r;
	size_t i = 0;
	bool affine;

	while (strcmp(norms[i].type, n->layer.type) != 0)
		i++;
	affine = norms[i].n_factors && ncnn_int(&n->layer, norms[i].affine_key, 1);
	for (int k = 0; affine && k < norms[i].n_factors; k++) {
		constants[k] = read_floats(n, ncnn_int(&n->layer, norms[i].count_key, 0), false);
		if (constants[k] < 0)
			return constants[k];
	}
	node = by_type(n, "Norm", 1, constants, affine ? norms[i].n_factors : 0, in_rank(n, 0));
	if (node < 0)
		return node;
	r = attributes_add_integers(attributes_of(n, node), "norm", 4, (int64_t[]){norms[i].kind}, 1);
	return r < 0 ? result(n, r) : set_alike(n, node_output(n, node, 0), false);
}

static int on_normalize(struct ncnn *n)
{
	int factors = read_floats(n, ncnn_int(&n->layer, 3, 0), false);

	return factors < 0 ? factors : become(n, "Normalize", 1, &factors, 1, in_rank(n, 0));
}

/* ---- images ------------------------------------------------------------------------------------ */

static bool is_whole(float factor)
{
	return factor >= 1.0f && factor <= 1024.0f && floorf(factor) == factor;
}

/* By the general operator, which works on images as they are, too. */
static int interp_by_operator(struct ncnn *n)
{
	int inputs[2], count = n->layer.n_inputs > 1 ? 2 : 1, node, r;
	bool image = in_rank(n, 0) == 3;

	for (int i = 0; i < count; i++)
		inputs[i] = image && in_rank(n, i) == 3 ? as_image(n, i) : as_file(n, i);
	node = add_general(n, ncnn_operator("Interp"), inputs, count, in_rank(n, 0) == 2 ? 2 : 4, 1);
	if (node < 0)
		return node;
	r = copy_keys(n, attributes_of(n, node));
	if (r == 0)
		r = attributes_add_integers(attributes_of(n, node), "image", 5, (int64_t[]){image}, 1);
	if (r < 0)
		return result(n, r);
	r = set_output(n, 0, node_output(n, node, 0), in_rank(n, 0) == 2 ? 2 : 3, image);
	if (r == 0 && in_rank(n, 0) != 2)
		out_blob(n, 0)->channels = in_blob(n, 0)->channels;
	return r;
}

static int on_interp(struct ncnn *n)
{
	int type = ncnn_int(&n->layer, 0, 0), w = ncnn_int(&n->layer, 4, 0), h = ncnn_int(&n->layer, 3, 0), x, value;
	float scale_h = ncnn_float(&n->layer, 1, 1.0f), scale_w = ncnn_float(&n->layer, 2, 1.0f);
	bool align = ncnn_int(&n->layer, 6, 0), fixed = w && h;
	struct graph_node *node;

	if (in_rank(n, 0) > 3)
		return refuse(n, -ENOTSUP, "resizes a blob of four axes");
	if (in_rank(n, 0) != 3 || n->layer.n_inputs > 1 || type < 1 || type > 2 ||
	    (!fixed && (!is_whole(scale_h) || !is_whole(scale_w))))
		return interp_by_operator(n);
	x = as_image(n, 0);
	value = x < 0 ? x : add_node(n, GRAPH_RESIZE, &x, 1, 4, &node);
	if (value < 0)
		return result(n, value);
	node->resize = (struct graph_resize){
		.bilinear = type == 2,
		.align_corners = type == 2 && align,
		.half_pixel = type == 2 && !align,
		.scale_h = scale_h,
		.scale_w = scale_w,
		.out_h = fixed ? h : 0,
		.out_w = fixed ? w : 0,
	};
	return set_alike(n, value, true);
}

static int on_image_layer(struct ncnn *n)
{
	return in_rank(n, 0) == 3 ? become(n, n->layer.type, 1, NULL, 0, 3) : refuse(n, -ENOTSUP, "reads no image");
}

static int on_glu(struct ncnn *n)
{
	return become(n, "GLU", 1, NULL, 0, in_rank(n, 0));
}

static int on_argmax(struct ncnn *n)
{
	return become(n, "ArgMax", 1, NULL, 0, 2);
}

/* The grid is [h][w][2] as in ONNX or, where the file says so, [2][h][w]. */
static int on_grid_sample(struct ncnn *n)
{
	static const char *const modes[] = {"linear", "nearest", "cubic"};
	static const char *const paddings[] = {"zeros", "border", "reflection"};
	int mode = ncnn_int(&n->layer, 0, 1), padding = ncnn_int(&n->layer, 1, 1), node, r;
	bool registered;
	int inputs[2];

	if (in_rank(n, 0) != 3 || in_rank(n, 1) != 3 || mode < 1 || mode > 3 || padding < 1 || padding > 3)
		return refuse(n, -ENOTSUP, "samples in a way that is not known");
	inputs[0] = as_file(n, 0);
	inputs[1] = ncnn_int(&n->layer, 3, 0) ? as_image(n, 1) : as_file(n, 1);
	node = add_general(n, operators_find("GridSample", 10, &registered), inputs, 2, 4, 1);
	if (node < 0)
		return node;
	r = attributes_add_text(attributes_of(n, node), "mode", 4, modes[mode - 1], strlen(modes[mode - 1]));
	if (r == 0)
		r = attributes_add_text(attributes_of(n, node), "padding_mode", 12, paddings[padding - 1],
					strlen(paddings[padding - 1]));
	if (r == 0)
		r = attributes_add_integers(attributes_of(n, node), "align_corners", 13,
					    (int64_t[]){ncnn_int(&n->layer, 2, 0) != 0}, 1);
	return r < 0 ? result(n, r) : set_output(n, 0, node_output(n, node, 0), 3, false);
}

static int on_yolo(struct ncnn *n)
{
	bool masked = strcmp(n->layer.type, "Yolov3DetectionOutput") == 0, registered;
	double numbers[NCNN_ARRAY_POOL],
		thresholds[] = {(double)ncnn_float(&n->layer, 2, 0.01f), (double)ncnn_float(&n->layer, 3, 0.45f)};
	int64_t mask[NCNN_ARRAY_POOL];
	int inputs[ENGINE_OPERATOR_IO_MAX], node, r = 0, count = n->layer.n_inputs;
	struct engine_attributes *to;

	if (count > ENGINE_OPERATOR_IO_MAX)
		return refuse(n, -ENOTSUP, "has too many inputs");
	for (int i = 0; i < count; i++) {
		if (in_rank(n, i) != 3)
			return refuse(n, -EINVAL, "reads no image");
		inputs[i] = as_file(n, i);
	}
	node = add_general(n, operators_find(n->layer.type, strlen(n->layer.type), &registered), inputs, count, 2, 1);
	if (node < 0)
		return node;
	n->graph->values[node_output(n, node, 0)].variable = true;
	to = attributes_of(n, node);
	attributes_add_integers(to, "num_class", 9, (int64_t[]){ncnn_int(&n->layer, 0, 20)}, 1);
	attributes_add_integers(to, "num_box", 7, (int64_t[]){ncnn_int(&n->layer, 1, 5)}, 1);
	attributes_add_integers(to, "masked", 6, (int64_t[]){masked}, 1);
	attributes_add_numbers(to, "confidence_threshold", 20, &thresholds[0], 1);
	attributes_add_numbers(to, "nms_threshold", 13, &thresholds[1], 1);
	for (int key = 4; key < 7 && r == 0; key++) {
		int elements = ncnn_count(&n->layer, key);

		for (int i = 0; i < elements; i++) {
			numbers[i] = (double)ncnn_element(&n->layer, key, i, 0);
			mask[i] = numbers[i] >= 0 && numbers[i] < 1 << 20 ? (int64_t)numbers[i] : -1;
		}
		if (key == 5)
			r = attributes_add_integers(to, "mask", 4, mask, elements);
		else
			r = attributes_add_numbers(to, key == 4 ? "biases" : "anchors_scale", key == 4 ? 6 : 13,
						   numbers, elements);
	}
	return r < 0 ? result(n, r) : set_output(n, 0, node_output(n, node, 0), 2, false);
}

/* ---- matrices ---------------------------------------------------------------------------------- */

static int on_matmul(struct ncnn *n)
{
	int a, b, most;

	if (n->layer.n_inputs < 2)
		return refuse(n, -EINVAL, "lacks its second input");
	a = in_rank(n, 0);
	b = in_rank(n, 1);
	most = (a > b ? a : b) - (a == 1) - (b == 1) + (a == 1 && b == 1);
	/* A vector beside a matrix leaves a vector. */
	return become(n, "MatMul", 2, NULL, 0, most > 0 ? most : 1);
}

static int on_gemm(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int64_t m = ncnn_int(l, 7, 0), columns = ncnn_int(l, 8, 0), k = ncnn_int(l, 9, 0),
		counts[3] = {m * k, k * columns};
	int type = ncnn_int(l, 10, 0), constants[3], n_constants = 0;
	bool trans[] = {ncnn_int(l, 2, 0) != 0, ncnn_int(l, 3, 0) != 0};

	if (type < -1 || type > 4 || ncnn_int(l, 18, 0))
		return refuse(n, -ENOTSUP, "has summands or weights of an unknown form");
	counts[2] = type == 0 ? 1 : type == 3 ? m * columns : type == 4 ? columns : m;
	for (int i = 0; i < 3; i++) {
		int64_t rows = i == 0 ? (trans[0] ? k : m) : trans[1] ? columns : k;
		int value;

		if (!ncnn_int(l, 4 + i, 0) || (i == 2 && type == -1))
			continue;
		value = read_floats(n, counts[i], true);
		if (value < 0)
			return value;
		if (i < 2)
			value = add_reshape(n, value, 2, (int32_t[]){(int32_t)rows, -1});
		constants[n_constants++] = value;
	}
	if (n->layer.n_inputs + n_constants < 2)
		return refuse(n, -EINVAL, "lacks a factor");
	return become(n, "Gemm", n->layer.n_inputs, constants, n_constants, ncnn_int(l, 11, 0) ? 3 : 2);
}

/* Its input is a list of integers: of a network's own input that is said here. */
static int on_embed(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int constants[2], bias = ncnn_int(l, 2, 0);
	struct graph_value *x = &n->graph->values[in_blob(n, 0)->file < 0 ? 0 : in_blob(n, 0)->file];

	if (in_rank(n, 0) != 1 || x->producer >= 0 || x->data)
		return refuse(n, -ENOTSUP, "reads words that are no input of the network");
	x->type = ENGINE_S32;
	constants[0] = read_floats(n, ncnn_int(l, 3, 0), true);
	if (constants[0] < 0)
		return constants[0];
	constants[1] = bias ? read_floats(n, ncnn_int(l, 0, 0), false) : 0;
	if (constants[1] < 0)
		return constants[1];
	return become(n, "Embed", 1, constants, bias ? 2 : 1, 2);
}

/* ---- recurrent layers: ONNX's, whose weights have another order of gates -------------------------- */

struct recurrent {
	const char *type;
	int gates;
	const uint8_t from[4]; /* the file's gate that each of ONNX's is */
};

static const struct recurrent recurrents[] = {
	{"LSTM", 4, {0, 2, 1, 3}},
	{"GRU", 3, {1, 0, 2}},
	{"RNN", 1, {0}},
};

/* [directions][gates][rows of hidden] of the file in ONNX's order of gates. */
static int read_gates(struct ncnn *n, const struct recurrent *kind, int64_t directions, int64_t hidden, int64_t columns)
{
	int64_t gate = hidden * columns;
	int value = read_floats(n, directions * kind->gates * gate, true);
	float *data, *copy;
	size_t bytes;

	if (value < 0)
		return value;
	data = (float *)(uintptr_t)n->graph->values[value].data;
	bytes = (size_t)(kind->gates * gate) * sizeof(*copy);
	copy = malloc(bytes);
	if (!copy)
		return result(n, -ENOMEM);
	for (int64_t d = 0; d < directions; d++) {
		float *own = data + d * kind->gates * gate;

		memcpy(copy, own, bytes);
		for (int g = 0; g < kind->gates; g++)
			memcpy(own + g * gate, copy + kind->from[g] * gate, (size_t)gate * sizeof(*own));
	}
	free(copy);
	return add_reshape(n, value, 3, (int32_t[]){(int32_t)directions, -1, (int32_t)columns});
}

/* The file's biases: one for each gate, of a GRU's last gate two; ONNX has one of the input and one of the state. */
static int read_gate_biases(struct ncnn *n, const struct recurrent *kind, int directions, int hidden)
{
	int stored = kind->gates == 3 ? 4 : kind->gates, all = 2 * kind->gates;
	int from = read_floats(n, (int64_t)directions * stored * hidden, true), value;
	const float *x;
	float *y;

	if (from < 0)
		return from;
	value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, 2, (int32_t[]){directions, all * hidden});
	y = value < 0 ? NULL
		      : graph_alloc_data(n->graph, value, (size_t)directions * (size_t)(all * hidden) * sizeof(*y));
	if (!y)
		return result(n, value < 0 ? value : -ENOMEM);
	x = n->graph->values[from].data;
	for (int d = 0; d < directions; d++, x += (size_t)stored * (size_t)hidden, y += (size_t)all * (size_t)hidden) {
		size_t bytes = (size_t)hidden * sizeof(*x);

		for (int g = 0; g < kind->gates; g++)
			memcpy(y + g * hidden, x + kind->from[g] * hidden, bytes);
		if (kind->gates == 3)
			memcpy(y + 5 * hidden, x + 3 * hidden, bytes);
	}
	return value;
}

static int recurrent_attributes(struct ncnn *n, int node, int hidden, int direction)
{
	static const char *const directions[] = {"forward", "reverse", "bidirectional"};
	struct engine_attributes *to = attributes_of(n, node);
	int r = attributes_add_integers(to, "hidden_size", 11, (int64_t[]){hidden}, 1);

	if (r == 0)
		r = attributes_add_text(to, "direction", 9, directions[direction], strlen(directions[direction]));
	if (r == 0)
		r = attributes_add_integers(to, "linear_before_reset", 19, (int64_t[]){1}, 1);
	return r < 0 ? result(n, r) : 0;
}

/* States come and go as [directions][1][hidden]. */
static int on_recurrent(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int hidden = ncnn_int(l, 0, 0), size = ncnn_int(l, 1, 0), direction = ncnn_int(l, 2, 0), columns, node, r;
	int directions = direction == 2 ? 2 : 1, inputs[7], n_states = n->layer.n_inputs - 1;
	const struct recurrent *kind = recurrents;
	bool registered;

	while (strcmp(kind->type, l->type) != 0)
		kind++;
	if (in_rank(n, 0) != 2 || direction < 0 || direction > 2 || hidden < 1 || hidden > CHANNEL_MAX / 8 ||
	    size < 1 || size % (hidden * kind->gates * directions) || ncnn_int(l, 3, hidden) != hidden ||
	    ncnn_int(l, 8, 0) || n_states > (kind->gates == 4 ? 2 : 1) ||
	    n->layer.n_outputs > (kind->gates == 4 ? 3 : 2))
		return refuse(n, -ENOTSUP, "has sizes, weights or states that are not known");
	columns = size / (hidden * kind->gates * directions);
	inputs[0] = add_reshape(n, as_file(n, 0), 3, (int32_t[]){0, 1, -1});
	inputs[1] = read_gates(n, kind, directions, hidden, columns);
	if (inputs[1] < 0)
		return inputs[1];
	inputs[3] = read_gate_biases(n, kind, directions, hidden);
	if (inputs[3] < 0)
		return inputs[3];
	inputs[2] = read_gates(n, kind, directions, hidden, hidden);
	if (inputs[2] < 0)
		return inputs[2];
	inputs[4] = -1; /* every step of the sequence counts */
	for (int i = 1; i <= n_states; i++)
		inputs[4 + i] = in_rank(n, i) == 2
					? add_reshape(n, as_file(n, i), 3, (int32_t[]){directions, 1, hidden})
					: -EINVAL;
	for (int i = 1; i <= n_states; i++)
		if (inputs[4 + i] < 0)
			return result(n, inputs[4 + i]);
	node = add_general(n, operators_find(kind->type, strlen(kind->type), &registered), inputs,
			   n_states ? 5 + n_states : 4, 4, n->layer.n_outputs);
	r = node < 0 ? node : recurrent_attributes(n, node, hidden, direction);
	for (int i = 0; i < n->layer.n_outputs && r == 0; i++)
		r = set_output(n, i,
			       i ? add_reshape(n, node_output(n, node, i), 2, (int32_t[]){directions, hidden})
				 : add_reshape(n, node_output(n, node, 0), 2, (int32_t[]){0, -1}),
			       2, false);
	return r;
}

/* ---- sources ----------------------------------------------------------------------------------- */

static int on_memory(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int w = ncnn_int(l, 0, 0), h = ncnn_int(l, 1, 0), d = ncnn_int(l, 11, 0), c = ncnn_int(l, 2, 0), value, r;
	int rank = d ? 4 : c ? 3 : h ? 2 : 1;
	int64_t count = w;

	if (w < 1 || h < 0 || c < 0 || d < 0 || w > CHANNEL_MAX || h > CHANNEL_MAX || c > CHANNEL_MAX ||
	    d > CHANNEL_MAX || (c && !h) || (d && !c))
		return refuse(n, -EINVAL, "has an impossible shape");
	count *= h ? h : 1;
	count *= count <= INT32_MAX && d ? d : 1;
	count *= count <= INT32_MAX && c ? c : 1;
	value = read_floats(n, count, ncnn_int(l, 21, 1) == 0);
	if (value < 0)
		return value;
	if (rank > 1)
		value = add_reshape(n, value, file_axes(rank),
				    rank == 2	? (int32_t[]){h, w}
				    : rank == 3 ? (int32_t[]){1, c, h, w}
						: (int32_t[]){1, c, d, h, w});
	r = set_output(n, 0, value, rank, false);
	if (r == 0 && rank != 2)
		out_blob(n, 0)->channels = rank == 1 ? w : c;
	return r;
}

static int side(int value)
{
	return value > 0 && value <= ENGINE_SIDE_MAX ? value : GRAPH_DIM_UNKNOWN;
}

static int on_input(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int w = side(ncnn_int(l, 0, 0)), h = side(ncnn_int(l, 1, 0)), c = side(ncnn_int(l, 2, 0)), value, r;
	int d = side(ncnn_int(l, 11, 0)), rank = d > 0 ? 4 : c > 0 || h < 0 ? (w > 0 && h < 0 && c < 0 ? 1 : 3) : 2;

	if (n->graph->n_inputs == ENGINE_IO_MAX)
		return refuse(n, -ENOTSUP, "is one input too many");
	value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, file_axes(rank),
				rank == 4   ? (int32_t[]){1, c, d, h, w}
				: rank == 3 ? (int32_t[]){1, h, w, c}
				: rank == 2 ? (int32_t[]){h, w}
					    : (int32_t[]){w});
	if (value >= 0 && n->asked)
		memcpy(n->graph->values[value].dims, n->asked[n->graph->n_inputs].dims,
		       sizeof(n->graph->values[value].dims));
	if (value >= 0 && n->asked && rank != 2)
		*(rank == 1 ? &w : &c) = n->graph->values[value].dims[rank == 3 ? 3 : rank == 4 ? 1 : 0];
	if (value >= 0)
		n->graph->inputs[n->graph->n_inputs++] = value;
	r = set_output(n, 0, value, rank, rank == 3);
	if (r == 0 && rank != 2)
		out_blob(n, 0)->channels = rank == 1 ? w : c;
	return r;
}

static const struct {
	const char *type;
	int n_inputs; /* at least */
	int (*add)(struct ncnn *n);
} layers[] = {
	{"Input", 0, on_input},
	{"MemoryData", 0, on_memory},
	{"Convolution", 1, on_convolution},
	{"Convolution1D", 1, on_convolution},
	{"ConvolutionDepthWise", 1, on_depthwise},
	{"ConvolutionDepthWise1D", 1, on_depthwise},
	{"Deconvolution", 1, on_deconvolution},
	{"DeconvolutionDepthWise", 1, on_deconvolution},
	{"InnerProduct", 1, on_inner_product},
	{"Pooling", 1, on_pooling},
	{"AbsVal", 1, on_activation},
	{"Clip", 1, on_activation},
	{"ELU", 1, on_activation},
	{"HardSigmoid", 1, on_activation},
	{"HardSwish", 1, on_activation},
	{"Mish", 1, on_activation},
	{"ReLU", 1, on_activation},
	{"Sigmoid", 1, on_activation},
	{"Swish", 1, on_activation},
	{"TanH", 1, on_activation},
	{"GELU", 1, on_gelu},
	{"BNLL", 1, on_function},
	{"CELU", 1, on_function},
	{"Erf", 1, on_function},
	{"Exp", 1, on_function},
	{"Log", 1, on_function},
	{"Power", 1, on_function},
	{"SELU", 1, on_function},
	{"Shrink", 1, on_function},
	{"Softplus", 1, on_function},
	{"Threshold", 1, on_function},
	{"UnaryOp", 1, on_unary},
	{"BinaryOp", 1, on_binary},
	{"Eltwise", 1, on_eltwise},
	{"BatchNorm", 1, on_batchnorm},
	{"Bias", 1, on_scale},
	{"PReLU", 1, on_prelu},
	{"Scale", 1, on_scale},
	{"Quantize", 1, on_quantize},
	{"Dequantize", 1, on_quantize},
	{"Requantize", 1, on_requantize},
	{"Concat", 1, on_concat},
	{"CopyTo", 2, on_copy_to},
	{"Crop", 1, on_crop},
	{"Padding", 1, on_padding},
	{"Slice", 1, on_slice},
	{"Tile", 1, on_tile},
	{"Cast", 1, on_same},
	{"DeepCopy", 1, on_same},
	{"Noop", 1, on_same},
	{"Packing", 1, on_same},
	{"Split", 1, on_same},
	{"Dropout", 1, on_dropout},
	{"ExpandDims", 1, on_expand},
	{"Flatten", 1, on_flatten},
	{"Permute", 1, on_permute},
	{"Reshape", 1, on_reshape},
	{"ShuffleChannel", 1, on_shuffle},
	{"Squeeze", 1, on_squeeze},
	{"GroupNorm", 1, on_norm},
	{"InstanceNorm", 1, on_norm},
	{"LayerNorm", 1, on_norm},
	{"MVN", 1, on_norm},
	{"RMSNorm", 1, on_norm},
	{"Normalize", 1, on_normalize},
	{"Reduction", 1, on_reduction},
	{"Softmax", 1, on_softmax},
	{"Interp", 1, on_interp},
	{"LRN", 1, on_image_layer},
	{"PixelShuffle", 1, on_image_layer},
	{"Reorg", 1, on_image_layer},
	{"ArgMax", 1, on_argmax},
	{"GLU", 1, on_glu},
	{"GridSample", 2, on_grid_sample},
	{"YoloDetectionOutput", 1, on_yolo},
	{"Yolov3DetectionOutput", 1, on_yolo},
	{"Embed", 1, on_embed},
	{"Gemm", 0, on_gemm},
	{"MatMul", 2, on_matmul},
	{"GRU", 1, on_recurrent},
	{"LSTM", 1, on_recurrent},
	{"RNN", 1, on_recurrent},
};

/* Which of them are fast depends on their parameters: the table does not say. */
const char *ncnn_layer_at(int i, bool *ret_fast)
{
	*ret_fast = i < (int)(sizeof(layers) / sizeof(*layers)) && !ncnn_operator(layers[i].type);
	return i < (int)(sizeof(layers) / sizeof(*layers)) ? layers[i].type : NULL;
}

/* ---- the file ---------------------------------------------------------------------------------- */

static int read_blob_names(struct ncnn *n)
{
	char word[NCNN_WORD_BYTES];

	for (int i = 0; i < n->layer.n_inputs; i++) {
		const struct names_entry *entry;

		if (!ncnn_read_blob(&n->file, word))
			return refuse(n, -EINVAL, "names fewer blobs than it says");
		entry = names_find(&n->names, word, strlen(word));
		if (entry->number < 0 || !is_made(&n->blobs[entry->number]))
			return graph_error(n->error, -EINVAL, "layer '%.60s' (%.40s): no layer before it makes '%.60s'",
					   n->layer.name, n->layer.type, word);
		n->inputs[i] = entry->number;
		n->blobs[entry->number].used = true;
	}
	for (int i = 0; i < n->layer.n_outputs; i++) {
		struct blob *blob = &n->blobs[n->n_blobs];
		struct names_entry *entry;

		if (!ncnn_read_blob(&n->file, word))
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
		blob->file = blob->image = -1;
		*entry = (struct names_entry){blob->name, strlen(blob->name), n->n_blobs};
		n->outputs[i] = n->n_blobs++;
	}
	return 0;
}

static int read_layer(struct ncnn *n)
{
	struct ncnn_layer *l = &n->layer;
	int r;

	memset(l, 0, sizeof(*l));
	l->error = n->error;
	r = ncnn_read_head(&n->file, n->cap_blobs, l);
	if (r == 0)
		r = read_blob_names(n);
	return r < 0 ? r : ncnn_read_keys(&n->file, l);
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
		if (n->layer.has_text)
			return refuse(n, -ENOTSUP, "has a parameter that is a text");
		r = layers[i].add(n);
		for (int k = 0; k < n->layer.n_outputs && r == 0; k++)
			if (!is_made(out_blob(n, k)))
				return refuse(n, -EINVAL, "has too many outputs");
		return r;
	}
	return refuse(n, -ENOTSUP, "is an unknown type of layer");
}

/* The value of a blob under the blob's own name: where it has another's, a node that only names it. */
static int named_value(struct ncnn *n, const struct blob *blob)
{
	int value = blob->image >= 0 ? blob->image : blob->file;
	const struct graph_value *v = &n->graph->values[value];
	enum engine_type type = v->type;
	struct graph_node *node;

	if (v->name && strcmp(v->name, blob->name) == 0)
		return value;
	value = add_node(n, GRAPH_IDENTITY, &value, 1, v->rank, &node);
	if (value < 0)
		return value;
	n->graph->values[value].type = type;
	n->graph->values[value].file_rank = blob->rank;
	n->graph->values[value].channels_first = blob->image >= 0;
	n->graph->values[value].name = strdup(blob->name);
	return n->graph->values[value].name ? value : -ENOMEM;
}

/* Blobs that nobody reads, in the order of the file. */
static int find_outputs(struct ncnn *n)
{
	struct graph *graph = n->graph;

	for (int i = 0; i < n->n_blobs; i++) {
		int value;

		if (n->blobs[i].used)
			continue;
		if (graph->n_outputs == ENGINE_IO_MAX)
			return graph_error(n->error, -ENOTSUP, "more than %d blobs are read by no layer",
					   ENGINE_IO_MAX);
		value = named_value(n, &n->blobs[i]);
		if (value < 0)
			return graph_error(n->error, value, "output '%.60s' cannot be added", n->blobs[i].name);
		graph->outputs[graph->n_outputs++] = value;
	}
	return 0;
}

static int read_layers(struct ncnn *n)
{
	int n_layers, n_blobs, r;

	if (!ncnn_read_counts(&n->file, LAYERS_MAX, BLOBS_MAX, &n_layers, &n_blobs))
		return graph_error(n->error, -EINVAL, "it begins with impossible counts of layers and blobs");
	r = init_blobs(n, n_blobs);
	if (r < 0)
		return r;
	n->inputs = calloc((size_t)n_blobs, sizeof(*n->inputs));
	n->outputs = calloc((size_t)n_blobs, sizeof(*n->outputs));
	if (!n->inputs || !n->outputs)
		return graph_error(n->error, -ENOMEM, "out of memory");
	for (int i = 0; i < n_layers && r == 0; i++) {
		r = add_layer(n);
		if (r == -ENODATA)
			return graph_error(n->error, -EINVAL, "the file ends after %d of %d layers", i, n_layers);
	}
	return r < 0 ? r : find_outputs(n);
}

bool import_is_ncnn(const uint8_t *data, size_t size)
{
	bool binary;

	return ncnn_is_param(data, size, &binary);
}

int import_ncnn(const struct import_source *source, struct graph *graph, struct engine_error *ret_error)
{
	struct ncnn *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	n->graph = graph;
	n->asked = source->shapes;
	n->error = ret_error;
	n->file = (struct ncnn_file){(const char *)source->data, (const char *)source->data + source->size, false, 1};
	ncnn_is_param(source->data, source->size, &n->file.binary);
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
