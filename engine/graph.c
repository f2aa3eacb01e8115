/*
 * graph.c - building and taking apart a graph.  What the operators mean, and which graphs are right: infer.c.
 */
#include "graph.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

static const char *const op_names[GRAPH_OP_COUNT] = {
	[GRAPH_CONV] = "conv",
	[GRAPH_FC] = "fc",
	[GRAPH_MAXPOOL] = "maxpool",
	[GRAPH_AVGPOOL] = "avgpool",
	[GRAPH_MEAN] = "mean",
	[GRAPH_UNARY] = "unary",
	[GRAPH_PRELU] = "prelu",
	[GRAPH_ADD] = "add",
	[GRAPH_SUB] = "sub",
	[GRAPH_MUL] = "mul",
	[GRAPH_DIV] = "div",
	[GRAPH_MIN] = "min",
	[GRAPH_MAX] = "max",
	[GRAPH_CONCAT] = "concat",
	[GRAPH_SLICE] = "slice",
	[GRAPH_PAD] = "pad",
	[GRAPH_RESHAPE] = "reshape",
	[GRAPH_TRANSPOSE] = "transpose",
	[GRAPH_SOFTMAX] = "softmax",
	[GRAPH_RESIZE] = "resize",
	[GRAPH_BATCHNORM] = "batchnorm",
	[GRAPH_CAST] = "cast",
	[GRAPH_IDENTITY] = "identity",
	[GRAPH_GENERAL] = "general",
};

static const char *const act_names[GRAPH_ACT_COUNT] = {
	[GRAPH_ACT_NONE] = "none",
	[GRAPH_ACT_RELU] = "relu",
	[GRAPH_ACT_CLIP] = "clip",
	[GRAPH_ACT_LEAKY] = "leaky",
	[GRAPH_ACT_SIGMOID] = "sigmoid",
	[GRAPH_ACT_TANH] = "tanh",
	[GRAPH_ACT_HARDSWISH] = "hardswish",
	[GRAPH_ACT_HARDSIGMOID] = "hardsigmoid",
	[GRAPH_ACT_SILU] = "silu",
	[GRAPH_ACT_MISH] = "mish",
	[GRAPH_ACT_ELU] = "elu",
	[GRAPH_ACT_GELU] = "gelu",
	[GRAPH_ACT_EXP] = "exp",
	[GRAPH_ACT_LOG] = "log",
	[GRAPH_ACT_SQRT] = "sqrt",
	[GRAPH_ACT_RSQRT] = "rsqrt",
	[GRAPH_ACT_ABS] = "abs",
	[GRAPH_ACT_NEG] = "neg",
	[GRAPH_ACT_SQUARE] = "square",
};

const char *graph_op_name(enum graph_op op)
{
	return (unsigned)op < GRAPH_OP_COUNT ? op_names[op] : "unknown";
}

bool graph_op_is_binary(enum graph_op op)
{
	return op >= GRAPH_ADD && op <= GRAPH_MAX;
}

const char *graph_act_name(const struct graph_act *act)
{
	if (act->kind == GRAPH_ACT_CLIP && act->a == 0.0f && act->b == 6.0f)
		return "relu6";
	return (unsigned)act->kind < GRAPH_ACT_COUNT ? act_names[act->kind] : "unknown";
}

bool graph_act_range(const struct graph_act *act, float *ret_lo, float *ret_hi)
{
	switch (act->kind) {
	case GRAPH_ACT_NONE:
		*ret_lo = -INFINITY;
		*ret_hi = INFINITY;
		return true;
	case GRAPH_ACT_RELU:
		*ret_lo = 0.0f;
		*ret_hi = INFINITY;
		return true;
	case GRAPH_ACT_CLIP:
		*ret_lo = act->a;
		*ret_hi = act->b;
		return true;
	default:
		return false;
	}
}

int graph_error(struct engine_error *ret_error, int code, const char *format, ...)
{
	va_list args;

	if (!ret_error)
		return code;
	va_start(args, format);
	vsnprintf(ret_error->text, sizeof(ret_error->text), format, args);
	va_end(args);
	/* Names come from files: a sentence stays on one line whatever they hold. */
	for (char *c = ret_error->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return code;
}

void graph_init(struct graph *graph)
{
	memset(graph, 0, sizeof(*graph));
}

static void value_finish(struct graph_value *value)
{
	free(value->name);
	free(value->quant.scales);
	free(value->quant.zero_points);
	if (value->owned)
		free((void *)value->data);
}

void graph_node_finish(struct graph_node *node)
{
	if (WITH_general && node->op == GRAPH_GENERAL)
		attributes_free(node->general.attributes);
	free(node->name);
	free(node->inputs);
	free(node->outputs);
	free(node->fold_scale);
	free(node->fold_shift);
}

void graph_finish(struct graph *graph)
{
	for (int i = 0; i < graph->n_values; i++)
		value_finish(&graph->values[i]);
	for (int i = 0; i < graph->n_nodes; i++)
		graph_node_finish(&graph->nodes[i]);
	free(graph->values);
	free(graph->nodes);
	graph_init(graph);
}

/* Room for one more entry of `size` bytes in an array that doubles. */
static int grow(void **array, int n, int *cap, int limit, size_t size)
{
	int wanted = *cap ? *cap : 64;
	void *grown;

	if (n >= limit)
		return -EFBIG;
	if (n < *cap)
		return 0;
	while (wanted <= n)
		wanted *= 2;
	grown = realloc(*array, (size_t)wanted * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*cap = wanted;
	return 0;
}

int graph_add_value(struct graph *graph, const char *name, size_t name_bytes, enum engine_type type, int rank,
		    const int32_t *dims)
{
	struct graph_value value = {.type = type, .rank = rank, .producer = -1, .file_rank = rank};
	int r;

	if (rank < 0 || rank > ENGINE_RANK_MAX || (unsigned)type >= ENGINE_TYPE_COUNT)
		return -EINVAL;
	for (int i = 0; i < rank; i++) {
		if (dims[i] < GRAPH_DIM_UNKNOWN)
			return -EINVAL;
		value.dims[i] = dims[i];
	}
	r = grow((void **)&graph->values, graph->n_values, &graph->cap_values, GRAPH_VALUES_MAX, sizeof(value));
	if (r < 0)
		return r;
	if (name) {
		value.name = strndup(name, name_bytes);
		if (!value.name)
			return -ENOMEM;
	}
	graph->values[graph->n_values] = value;
	return graph->n_values++;
}

static bool contains(const int *list, int n, int wanted)
{
	for (int i = 0; i < n; i++)
		if (list[i] == wanted)
			return true;
	return false;
}

static int check_indexes(const struct graph *graph, const int *inputs, int n_inputs, const int *outputs, int n_outputs)
{
	if (n_inputs < 0 || n_outputs < 1 || n_inputs > GRAPH_VALUES_MAX || n_outputs > GRAPH_VALUES_MAX)
		return -EINVAL;
	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1 || inputs[i] >= graph->n_values)
			return -EINVAL;
	for (int i = 0; i < n_outputs; i++) {
		const struct graph_value *value;

		if (outputs[i] < 0 || outputs[i] >= graph->n_values || contains(outputs, i, outputs[i]))
			return -EINVAL;
		/* One that was read already would be a forward reference, and one of its own inputs a cycle. */
		value = &graph->values[outputs[i]];
		if (value->producer >= 0 || value->data || value->used || contains(inputs, n_inputs, outputs[i]))
			return -EINVAL;
	}
	return 0;
}

static int *copy_indexes(const int *indexes, int n)
{
	int *copy = malloc((size_t)(n ? n : 1) * sizeof(*copy));

	if (copy && n)
		memcpy(copy, indexes, (size_t)n * sizeof(*copy));
	return copy;
}

int graph_add_node(struct graph *graph, enum graph_op op, const char *name, size_t name_bytes, const int *inputs,
		   int n_inputs, const int *outputs, int n_outputs)
{
	struct graph_node node = {.op = op, .n_inputs = n_inputs, .n_outputs = n_outputs, .residual = -1};
	int r;

	if ((unsigned)op >= GRAPH_OP_COUNT)
		return -EINVAL;
	r = check_indexes(graph, inputs, n_inputs, outputs, n_outputs);
	if (r < 0)
		return r;
	r = grow((void **)&graph->nodes, graph->n_nodes, &graph->cap_nodes, GRAPH_NODES_MAX, sizeof(node));
	if (r < 0)
		return r;
	if (name && name_bytes)
		node.name = strndup(name, name_bytes);
	else if (asprintf(&node.name, "%s_%d", op_names[op], graph->n_nodes) < 0)
		node.name = NULL;
	node.inputs = copy_indexes(inputs, n_inputs);
	node.outputs = copy_indexes(outputs, n_outputs);
	if (!node.name || !node.inputs || !node.outputs) {
		graph_node_finish(&node);
		return -ENOMEM;
	}
	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] >= 0)
			graph->values[inputs[i]].used = true;
	for (int i = 0; i < n_outputs; i++)
		graph->values[outputs[i]].producer = graph->n_nodes;
	graph->nodes[graph->n_nodes] = node;
	graph->ops[op] = true;
	return graph->n_nodes++;
}

void graph_set_general(struct graph *graph, int node, const struct graph_general *general)
{
	graph->nodes[node].general = *general;
	for (int i = 0; i < graph->n_generals; i++)
		if (graph->generals[i] == general->op)
			return;
	if (graph->n_generals < GRAPH_GENERAL_MAX)
		graph->generals[graph->n_generals++] = general->op;
}

void graph_drop_last_node(struct graph *graph)
{
	struct graph_node *node = &graph->nodes[--graph->n_nodes];

	for (int i = 0; i < node->n_outputs; i++)
		graph->values[node->outputs[i]].producer = -1;
	graph_node_finish(node);
}

int graph_set_quant(struct graph *graph, int value, int n, const float *scales, const int64_t *zero_points, int axis)
{
	struct graph_quant quant = {.n_scales = n, .axis = axis};

	if (value < 0 || value >= graph->n_values || n < 0)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (!isfinite(scales[i]) || scales[i] <= 0.0f)
			return -EINVAL;
		if (zero_points && (zero_points[i] < INT32_MIN || zero_points[i] > INT32_MAX))
			return -EINVAL;
	}
	if (n > 0) {
		quant.scales = malloc((size_t)n * sizeof(*quant.scales));
		quant.zero_points = calloc((size_t)n, sizeof(*quant.zero_points));
		if (!quant.scales || !quant.zero_points) {
			free(quant.scales);
			free(quant.zero_points);
			return -ENOMEM;
		}
		memcpy(quant.scales, scales, (size_t)n * sizeof(*quant.scales));
		for (int i = 0; i < n && zero_points; i++)
			quant.zero_points[i] = (int32_t)zero_points[i];
	}
	free(graph->values[value].quant.scales);
	free(graph->values[value].quant.zero_points);
	graph->values[value].quant = quant;
	return 0;
}

static int check_bytes(const struct graph_value *value, size_t bytes)
{
	size_t elements;
	int r = graph_elements(value->rank, value->dims, &elements);

	if (r < 0)
		return r;
	return bytes == elements * engine_type_size(value->type) ? 0 : -EINVAL;
}

static void drop_data(struct graph_value *value)
{
	if (value->owned)
		free((void *)value->data);
	value->data = NULL;
	value->data_bytes = 0;
	value->owned = value->filed = false;
}

int graph_set_data(struct graph *graph, int value, const void *data, size_t bytes)
{
	int r;

	if (value < 0 || value >= graph->n_values || !data || graph->values[value].producer >= 0)
		return -EINVAL;
	r = check_bytes(&graph->values[value], bytes);
	if (r < 0)
		return r;
	drop_data(&graph->values[value]);
	graph->values[value].data = data;
	graph->values[value].data_bytes = bytes;
	return 0;
}

void *graph_alloc_data(struct graph *graph, int value, size_t bytes)
{
	struct graph_value *v;
	void *data;

	if (value < 0 || value >= graph->n_values || graph->values[value].producer >= 0)
		return NULL;
	v = &graph->values[value];
	if (check_bytes(v, bytes) < 0)
		return NULL;
	data = calloc(1, bytes ? bytes : 1);
	if (!data)
		return NULL;
	drop_data(v);
	v->data = data;
	v->data_bytes = bytes;
	v->owned = true;
	return data;
}

void *graph_settled(const struct graph_value *value)
{
	size_t size = engine_type_size(value->type), n = value->data_bytes / size;
	size_t in = value->rank == 4 ? (size_t)value->dims[3] : 1;
	size_t taps = value->rank == 4 ? (size_t)value->dims[1] * (size_t)value->dims[2] : 1;
	const uint8_t *from = value->data;
	uint8_t *data = malloc(value->data_bytes + 1);

	if (data && (in == 1 || taps == 1)) {
		memcpy(data, from, value->data_bytes);
		return data;
	}
	for (size_t o = 0; data && o < n; o += in * taps)
		for (size_t t = 0; t < taps; t++)
			for (size_t i = 0; i < in; i++)
				memcpy(data + (o + t * in + i) * size, from + (o + i * taps + t) * size, size);
	return data;
}
