/* ncnn_factors.c - ncnn's layers that scale, shift or bend elements by factors of the .bin. */
#include "ncnn.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* A constant of one number for each index of the outermost axis, so that it broadcasts over the others. */
static int as_outer(struct ncnn *n, int constant)
{
	int rank = ncnn_in_rank(n, 0);

	return rank == 2 ? ncnn_add_reshape(n, constant, 2, (int32_t[]){-1, 1})
			 : ncnn_add_reshape(n, constant, 4, (int32_t[]){-1, 1, 1, 1});
}

/* x * scale + shift for each channel, which is the last axis of images and vectors; shift -1: none. */
static int add_scaling(struct ncnn *n, int scale, int shift)
{
	int x, value;
	struct graph_node *node;
	bool image;

	if (scale < 0 || shift < 0)
		return ncnn_result(n, scale < 0 ? scale : shift);
	x = ncnn_as_usual(n, 0, &image);
	if (image || ncnn_in_rank(n, 0) == 1) {
		value = x < 0 ? x
			      : ncnn_add_node(n, GRAPH_BATCHNORM, (int[]){x, scale, shift}, 3, image ? 4 : 1, &node);
		return ncnn_set_alike(n, value, image);
	}
	value = ncnn_add_binary(n, GRAPH_MUL, x, as_outer(n, scale));
	return ncnn_set_alike(n, ncnn_add_binary(n, GRAPH_ADD, value, as_outer(n, shift)), false);
}

static bool good_count(int count)
{
	return count >= 1 && count <= NCNN_CHANNEL_MAX;
}

int ncnn_on_batchnorm(struct ncnn *n)
{
	int count = ncnn_int(&n->layer, 0, 0), scale, shift;
	const uint8_t *arrays[4]; /* slope, mean, variance, bias */
	float eps = ncnn_float(&n->layer, 1, 0.0f), *to_scale, *to_shift;

	if (!good_count(count))
		return ncnn_refuse(n, -EINVAL, "has an impossible number of channels");
	for (int i = 0; i < 4; i++) {
		arrays[i] = ncnn_raw(&n->bin, (size_t)count);
		if (!arrays[i])
			return ncnn_refuse(n, -EINVAL, "the .bin ends before its factors do");
	}
	scale = ncnn_add_floats(n, NULL, count, 0.0f);
	shift = ncnn_add_floats(n, NULL, count, 0.0f);
	if (scale < 0 || shift < 0)
		return ncnn_result(n, scale < 0 ? scale : shift);
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
		return ncnn_refuse(n, -ENOTSUP, "has factors that are not constant, and a bias");
	factors = ncnn_as_vector(n, 1);
	value = ncnn_as_usual(n, 0, &image);
	if (!image && ncnn_in_rank(n, 0) > 1)
		factors = as_outer(n, factors);
	return ncnn_set_alike(n, ncnn_add_binary(n, GRAPH_MUL, value, factors), image);
}

/* A vector or matrix is one channel to a Bias layer: its first number is for all of it. */
static int bias_plane(struct ncnn *n, int shift)
{
	float first;

	memcpy(&first, n->graph->values[shift].data, sizeof(first));
	return ncnn_set_alike(n, ncnn_add_binary(n, GRAPH_ADD, ncnn_as_file(n, 0), ncnn_add_scalar(n, first)), false);
}

/* Scale multiplies and may add; Bias adds. */
int ncnn_on_scale(struct ncnn *n)
{
	bool bias_only = strcmp(n->layer.type, "Bias") == 0;
	int count = ncnn_int(&n->layer, 0, 0), scale, shift;

	if (!bias_only && count == NCNN_DEFAULT)
		return scale_by_blob(n);
	if (!good_count(count))
		return ncnn_refuse(n, -EINVAL, "has an impossible number of factors");
	scale = bias_only ? ncnn_add_floats(n, NULL, count, 1.0f) : ncnn_read_bias(n, count);
	if (scale < 0)
		return ncnn_result(n, scale);
	shift = bias_only || ncnn_int(&n->layer, 1, 0) ? ncnn_read_bias(n, count)
						       : ncnn_add_floats(n, NULL, count, 0.0f);
	if (bias_only && shift >= 0 && ncnn_in_rank(n, 0) < 3)
		return bias_plane(n, shift);
	return add_scaling(n, scale, shift);
}

int ncnn_on_prelu(struct ncnn *n)
{
	int count = ncnn_int(&n->layer, 0, 0), x, slope;
	struct graph_node *node;
	bool image;

	if (!good_count(count))
		return ncnn_refuse(n, -EINVAL, "has an impossible number of slopes");
	slope = ncnn_read_bias(n, count);
	if (slope < 0)
		return slope;
	if (ncnn_in_rank(n, 0) % 2 == 0 && count > 1)
		return ncnn_become(n, "PReLU", 1, &slope, 1, ncnn_in_rank(n, 0));
	x = ncnn_as_usual(n, 0, &image);
	if (x < 0)
		return ncnn_result(n, x);
	return ncnn_set_alike(n, ncnn_add_node(n, GRAPH_PRELU, (int[]){x, slope}, 2, n->graph->values[x].rank, &node),
			      image);
}

int ncnn_on_dropout(struct ncnn *n)
{
	float scale = ncnn_float(&n->layer, 0, 1.0f);
	bool image;
	int x = ncnn_as_any(n, 0, &image);

	if (scale != 1.0f)
		return ncnn_set_alike(n, ncnn_add_binary(n, GRAPH_MUL, x, ncnn_add_scalar(n, scale)), image);
	return ncnn_set_alike(n, x, image);
}

/* Int8 tensors are kept as floats of their numbers. */
int ncnn_on_quantize(struct ncnn *n)
{
	bool quantize = n->layer.type[0] == 'Q';
	int bias = quantize ? 0 : ncnn_int(&n->layer, 1, 0), constants[2];

	constants[0] = ncnn_read_floats(n, ncnn_int(&n->layer, 0, 1), false);
	if (constants[0] < 0)
		return constants[0];
	constants[1] = bias ? ncnn_read_floats(n, bias, false) : 0;
	if (constants[1] < 0)
		return constants[1];
	return ncnn_become(n, quantize ? "Quantize" : "Dequantize", 1, constants, bias ? 2 : 1, ncnn_in_rank(n, 0));
}

/* Through the wider type, with an activation between: exact, as int32 sums below 2^24 are as floats. */
int ncnn_on_requantize(struct ncnn *n)
{
	int bias = ncnn_int(&n->layer, 2, 0), constants[3], node, rank = ncnn_in_rank(n, 0), value, inputs[2];

	for (int i = 0; i < 3; i++) {
		int count = i < 2 ? ncnn_int(&n->layer, i, 1) : bias;

		constants[i] = count ? ncnn_read_floats(n, count, false) : 0;
		if (constants[i] < 0)
			return constants[i];
	}
	/* Keys 3 and 4 are what 9 and 10 are to other layers. */
	n->layer.key[9] = n->layer.key[3];
	n->layer.key[10] = n->layer.key[4];
	node = ncnn_add_by_type(n, "Dequantize", 1, (int[]){constants[0], constants[2]}, bias ? 2 : 1, rank);
	if (node < 0)
		return node;
	value = ncnn_add_fused(n, ncnn_node_output(n, node, 0));
	if (value < 0)
		return value;
	inputs[0] = value;
	inputs[1] = constants[1];
	node = ncnn_add_general(n, ncnn_operator("Quantize"), inputs, 2, ncnn_file_axes(rank), 1);
	return node < 0 ? node : ncnn_set_output(n, 0, ncnn_node_output(n, node, 0), rank, false);
}
