/* ncnn_weights.c - constants of ncnn layers: arrays of the .bin, tagged or raw, and their scales.  See ncnn.h. */
#include "ncnn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
		return ncnn_refuse(n, -EINVAL, "the .bin ends before its weights do");
	*ret_quantised = tagged.type == ENGINE_S8;
	value = graph_add_value(n->graph, NULL, 0, tagged.type, rank, dims);
	if (value < 0)
		return ncnn_result(n, value);
	if (tagged.data && !n->copies) {
		if (graph_set_data(n->graph, value, tagged.data, out * in * taps * engine_type_size(tagged.type)) < 0)
			return ncnn_result(n, -EINVAL);
		n->graph->values[value].filed = true;
		return value;
	}
	data = graph_alloc_data(n->graph, value, out * in * taps * engine_type_size(tagged.type));
	if (!data)
		return ncnn_result(n, -ENOMEM);
	for (size_t o = 0; o < out; o++)
		for (size_t i = 0; i < in; i++)
			for (size_t t = 0; t < taps; t++)
				copy_weight(&tagged, (o * in + i) * taps + t, data, (o * taps + t) * in + i);
	return value;
}

int ncnn_read_bias(struct ncnn *n, int count)
{
	const uint8_t *bytes = ncnn_raw(&n->bin, (size_t)count);
	int value;

	if (!bytes)
		return ncnn_refuse(n, -EINVAL, "the .bin ends before its biases do");
	value = ncnn_add_floats(n, bytes, count, 0.0f);
	return value < 0 ? ncnn_result(n, value) : value;
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
		return ncnn_refuse(n, -EINVAL, "the .bin ends before its scales do");
	scales = malloc((size_t)channels * sizeof(*scales));
	if (!scales)
		return ncnn_result(n, -ENOMEM);
	for (int i = 0; i < channels; i++) {
		float scale;

		memcpy(&scale, bytes + 4 * (count == 1 ? 0 : (int64_t)i * count / channels), sizeof(scale));
		/* A channel whose weights are all zero has no scale. */
		scales[i] = scale == 0.0f ? 1.0f : 1.0f / scale;
	}
	r = graph_set_quant(n->graph, weights, channels, scales, NULL, 0);
	free(scales);
	return r < 0 ? ncnn_refuse(n, r, "has a scale that is not positive") : 0;
}

int ncnn_fused_activation(struct ncnn *n, struct graph_node *node)
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
		return ncnn_refuse(n, -ENOTSUP, "has an unknown fused activation");
	}
}

int ncnn_read_layer_weights(struct ncnn *n, int channels, int in, int taps, int rank, const int32_t *dims,
			    bool has_bias, int term, int groups, bool depthwise, int inputs[3])
{
	bool quantised = false;
	int r;

	inputs[1] = add_weights(n, (size_t)channels, (size_t)in, (size_t)taps, rank, dims, &quantised);
	if (inputs[1] < 0)
		return inputs[1];
	inputs[2] = has_bias ? ncnn_read_bias(n, channels) : -1;
	if (has_bias && inputs[2] < 0)
		return inputs[2];
	if (quantised && !term)
		return ncnn_refuse(n, -EINVAL, "has int8 weights and no scales");
	r = term ? read_scales(n, inputs[1], term, channels, groups, depthwise) : 0;
	if (r == 0 && term && !quantised) /* scales of weights that are float are not needed */
		r = graph_set_quant(n->graph, inputs[1], 0, NULL, NULL, 0);
	return r < 0 ? r : has_bias ? 3 : 2;
}

int ncnn_read_floats(struct ncnn *n, int64_t count, bool has_tag)
{
	struct ncnn_tagged tagged = {.type = ENGINE_F32};
	uint16_t element[2];
	float *data;
	int value;

	if (count < 1 || count > INT32_MAX / 4)
		return ncnn_refuse(n, -EINVAL, "has an impossible number of weights");
	if (!has_tag)
		tagged.data = ncnn_raw(&n->bin, (size_t)count);
	if (has_tag ? !ncnn_tagged(&n->bin, (size_t)count, &tagged) : !tagged.data)
		return ncnn_refuse(n, -EINVAL, "the .bin ends before its weights do");
	if (tagged.type == ENGINE_S8)
		return ncnn_refuse(n, -ENOTSUP, "has int8 weights");
	value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, 1, (int32_t[]){(int32_t)count});
	data = value < 0 ? NULL : graph_alloc_data(n->graph, value, (size_t)count * sizeof(*data));
	if (!data)
		return ncnn_result(n, value < 0 ? value : -ENOMEM);
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

int ncnn_add_fused(struct ncnn *n, int x)
{
	struct graph_node shell = {.act = {GRAPH_ACT_NONE, 0, 0}};
	int r = x < 0 ? x : ncnn_fused_activation(n, &shell);

	if (r < 0 || shell.act.kind == GRAPH_ACT_NONE)
		return r < 0 ? r : x;
	return ncnn_result(n, ncnn_add_unary(n, x, shell.act.kind, shell.act.a, shell.act.b));
}
