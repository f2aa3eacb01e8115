/* caffe_elementwise.c - Caffe's functions of single elements and of several blobs, factors and norms. */
#include "caffe.h"

#include <errno.h>
#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- elementwise ------------------------------------------------------------------------------- */

static const struct {
	const char *layer, *op;
} functions[] = {
	{"Sigmoid", "Sigmoid"}, {"TanH", "Tanh"},	{"AbsVal", "Abs"},    {"BNLL", "Softplus"},
	{"Split", "Identity"},	{"Dropout", "Dropout"}, {"Noop", "Identity"}, {"Mish", "Mish"},
};

int caffe_on_function(struct caffe *c)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		for (int k = 0; k < c->n_tops && !strcmp(c->type, functions[i].layer); k++)
			caffe_add_node(c, functions[i].op, caffe_bottom(c), NULL, c->tops[k]);
	return 0;
}

int caffe_on_relu(struct caffe *c)
{
	double slope = caffe_number(&c->text, caffe_parameters(c, "relu_param"), "negative_slope", 0);
	const char *inputs[] = {caffe_bottom(c)};

	caffe_open_node(c, slope != 0 ? "LeakyRelu" : "Relu", inputs, 1, caffe_top(c));
	if (slope != 0)
		onnx_node_number(&c->out, "alpha", (float)slope);
	onnx_close_node(&c->out);
	return 0;
}

int caffe_on_clip(struct caffe *c)
{
	bool six = !strcmp(c->type, "ReLU6");
	int p = caffe_parameters(c, "clip_param");
	char lo[CAFFE_NAME_BYTES], hi[CAFFE_NAME_BYTES];
	const char *inputs[] = {caffe_bottom(c), lo, hi};

	caffe_add_scalar(c, six ? 0 : caffe_number(&c->text, p, "min", -INFINITY), lo);
	caffe_add_scalar(c, six ? 6 : caffe_number(&c->text, p, "max", INFINITY), hi);
	caffe_open_node(c, "Clip", inputs, 3, caffe_top(c));
	onnx_close_node(&c->out);
	return 0;
}

int caffe_on_elu(struct caffe *c)
{
	const char *inputs[] = {caffe_bottom(c)};

	caffe_open_node(c, "Elu", inputs, 1, caffe_top(c));
	onnx_node_number(&c->out, "alpha", (float)caffe_number(&c->text, caffe_parameters(c, "elu_param"), "alpha", 1));
	onnx_close_node(&c->out);
	return 0;
}

int caffe_on_prelu(struct caffe *c)
{
	char slope[CAFFE_NAME_BYTES];
	int64_t dims[3] = {0, 1, 1};
	int r;

	if (c->n_w < 1)
		return caffe_refuse(c, -EINVAL, "has no weights in the .caffemodel");
	dims[0] = (int64_t)c->w[0].count;
	r = caffe_add_weights(c, 0, 3, dims, slope);
	if (r == 0)
		caffe_add_node(c, "PRelu", caffe_bottom(c), slope, caffe_top(c));
	return r;
}

/* (shift + scale x) ^ power; of Exp and Log the same within. */
static void scaled(struct caffe *c, int p, const char *x, char out[CAFFE_NAME_BYTES])
{
	double scale = caffe_number(&c->text, p, "scale", 1), shift = caffe_number(&c->text, p, "shift", 0);
	char factor[CAFFE_NAME_BYTES], term[CAFFE_NAME_BYTES], product[CAFFE_NAME_BYTES];

	caffe_add_scalar(c, scale, factor);
	caffe_add_scalar(c, shift, term);
	caffe_inner_name(c, product);
	caffe_inner_name(c, out);
	caffe_add_node(c, "Mul", x, factor, product);
	caffe_add_node(c, "Add", product, term, out);
}

int caffe_on_power(struct caffe *c)
{
	int p = caffe_parameters(c, "power_param");
	double power = caffe_number(&c->text, p, "power", 1);
	char inner[CAFFE_NAME_BYTES], exponent[CAFFE_NAME_BYTES];

	scaled(c, p, caffe_bottom(c), inner);
	caffe_add_scalar(c, power, exponent);
	caffe_add_node(c, power == 1 ? "Identity" : "Pow", inner, power == 1 ? NULL : exponent, caffe_top(c));
	return 0;
}

/* A base of -1 is e. */
int caffe_on_exp_log(struct caffe *c)
{
	bool exp = !strcmp(c->type, "Exp");
	int p = caffe_parameters(c, exp ? "exp_param" : "log_param");
	double base = caffe_number(&c->text, p, "base", -1), factor = base > 0 ? log(base) : 1;
	char inner[CAFFE_NAME_BYTES], constant[CAFFE_NAME_BYTES], product[CAFFE_NAME_BYTES];

	scaled(c, p, caffe_bottom(c), inner);
	caffe_add_scalar(c, exp ? factor : 1 / factor, constant);
	caffe_inner_name(c, product);
	caffe_add_node(c, exp ? "Mul" : "Log", inner, exp ? constant : NULL, product);
	caffe_add_node(c, exp ? "Exp" : "Mul", product, exp ? NULL : constant, caffe_top(c));
	return 0;
}

int caffe_on_swish(struct caffe *c)
{
	double beta = caffe_number(&c->text, caffe_parameters(c, "swish_param"), "beta", 1);
	char factor[CAFFE_NAME_BYTES], product[CAFFE_NAME_BYTES], gate[CAFFE_NAME_BYTES];

	caffe_add_scalar(c, beta, factor);
	caffe_inner_name(c, product);
	caffe_inner_name(c, gate);
	if (beta != 1)
		caffe_add_node(c, "Mul", caffe_bottom(c), factor, product);
	caffe_add_node(c, "Sigmoid", beta != 1 ? product : caffe_bottom(c), NULL, gate);
	caffe_add_node(c, "Mul", caffe_bottom(c), gate, caffe_top(c));
	return 0;
}

static void batch_norm(struct caffe *c, const float *numbers, int64_t n, float epsilon)
{
	const char *inputs[5] = {caffe_bottom(c)};
	char names[4][CAFFE_NAME_BYTES];

	for (int i = 0; i < 4; i++) {
		caffe_add_floats(c, 1, &n, numbers + i * n, (size_t)n, names[i]);
		inputs[1 + i] = names[i];
	}
	caffe_open_node(c, "BatchNormalization", inputs, 5, caffe_top(c));
	onnx_node_number(&c->out, "epsilon", epsilon);
	onnx_close_node(&c->out);
}

/* Mean and variance come as sums, with what to divide them by. */
int caffe_on_batch_norm(struct caffe *c)
{
	float epsilon = (float)caffe_number(&c->text, caffe_parameters(c, "batch_norm_param"), "eps", 1e-5), factor;
	int64_t n = c->n_w > 2 ? (int64_t)c->w[0].count : 0;
	float *numbers = malloc(4 * (size_t)n * sizeof(*numbers) + 1);

	if (!numbers || n < 1 || c->w[1].count != (size_t)n || c->w[2].count != 1) {
		free(numbers);
		return caffe_refuse(c, -EINVAL, "has no mean, variance and factor in the .caffemodel");
	}
	factor = caffe_weight_at(&c->w[2], 0);
	factor = factor != 0.0f ? 1 / factor : 0;
	for (int64_t i = 0; i < n; i++) {
		numbers[i] = 1;
		numbers[n + i] = 0;
		numbers[2 * n + i] = caffe_weight_at(&c->w[0], (size_t)i) * factor;
		numbers[3 * n + i] = caffe_weight_at(&c->w[1], (size_t)i) * factor;
	}
	batch_norm(c, numbers, n, epsilon);
	free(numbers);
	return 0;
}

/* A factor, and perhaps a term, for each channel: batch norm of mean 0 and variance 1, so that convolutions take it. */
int caffe_on_scale(struct caffe *c)
{
	int p = caffe_parameters(c, "scale_param");
	bool bias = caffe_bool(&c->text, p, "bias_term", false);
	int64_t n = c->n_w ? (int64_t)c->w[0].count : 0;
	float *numbers;

	if (c->n_bottoms == 2 && !bias) {
		caffe_add_node(c, "Mul", c->bottoms[0], c->bottoms[1], caffe_top(c));
		return 0;
	}
	if (c->n_bottoms != 1 || caffe_whole(c, p, "axis", 1) != 1)
		return caffe_refuse(c, -ENOTSUP, "scales along another axis than the channels");
	numbers = malloc(4 * (size_t)n * sizeof(*numbers) + 1);
	if (!numbers || n < 1 || (bias && (c->n_w < 2 || c->w[1].count != (size_t)n))) {
		free(numbers);
		return caffe_refuse(c, -EINVAL, "has no factors, or too few terms, in the .caffemodel");
	}
	for (int64_t i = 0; i < n; i++) {
		numbers[i] = caffe_weight_at(&c->w[0], (size_t)i);
		numbers[n + i] = bias ? caffe_weight_at(&c->w[1], (size_t)i) : 0;
		numbers[2 * n + i] = 0;
		numbers[3 * n + i] = 1;
	}
	batch_norm(c, numbers, n, 0);
	free(numbers);
	return 0;
}

int caffe_on_bias(struct caffe *c)
{
	int64_t dims[3] = {c->n_w ? (int64_t)c->w[0].count : 0, 1, 1};
	char term[CAFFE_NAME_BYTES];
	int r = 0;

	if (c->n_bottoms == 2) {
		caffe_add_node(c, "Add", c->bottoms[0], c->bottoms[1], caffe_top(c));
		return 0;
	}
	r = caffe_add_weights(c, 0, 3, dims, term);
	if (r == 0)
		caffe_add_node(c, "Add", caffe_bottom(c), term, caffe_top(c));
	return r;
}

int caffe_on_eltwise(struct caffe *c)
{
	int p = caffe_parameters(c, "eltwise_param");
	bool product = caffe_is(&c->text, p, "operation", "PROD") || caffe_is(&c->text, p, "operation", "0");
	bool most = caffe_is(&c->text, p, "operation", "MAX") || caffe_is(&c->text, p, "operation", "2");
	double factors[CAFFE_IO_MAX];
	int n = caffe_numbers(&c->text, p, "coeff", CAFFE_IO_MAX, factors);
	char sum[CAFFE_NAME_BYTES], next[CAFFE_NAME_BYTES], constant[CAFFE_NAME_BYTES], term[CAFFE_NAME_BYTES];

	if (c->n_bottoms < 2 || (n && n != c->n_bottoms))
		return caffe_refuse(c, -EINVAL, "has one input, or other coefficients than inputs");
	snprintf(sum, sizeof(sum), "%s", caffe_bottom(c));
	for (int i = 0; i < c->n_bottoms; i++) {
		const char *x = c->bottoms[i];

		if (n && !product && !most && factors[i] != 1) {
			caffe_add_scalar(c, factors[i], constant);
			caffe_inner_name(c, term);
			caffe_add_node(c, "Mul", x, constant, term);
			x = term;
		}
		if (i == 0) {
			snprintf(sum, sizeof(sum), "%s", x);
			continue;
		}
		caffe_inner_name(c, next);
		caffe_add_node(c,
			       product ? "Mul"
			       : most  ? "Max"
				       : "Add",
			       sum, x, i + 1 < c->n_bottoms ? next : caffe_top(c));
		snprintf(sum, sizeof(sum), "%s", next);
	}
	return 0;
}

/* ---- shapes and places ------------------------------------------------------------------------- */

/* SSD's: each pixel over the length of its channels, times learned factors. */
int caffe_on_normalize(struct caffe *c)
{
	int64_t dims[3] = {c->n_w ? (int64_t)c->w[0].count : 0, 1, 1};
	char unit[CAFFE_NAME_BYTES], factors[CAFFE_NAME_BYTES];
	const char *inputs[] = {caffe_bottom(c)};
	int r;

	if (caffe_bool(&c->text, caffe_parameters(c, "norm_param"), "across_spatial", true))
		return caffe_refuse(c, -ENOTSUP, "normalises over the whole image");
	r = caffe_add_weights(c, 0, 3, dims, factors);
	if (r < 0)
		return r;
	caffe_inner_name(c, unit);
	caffe_open_node(c, "LpNormalization", inputs, 1, unit);
	onnx_node_integer(&c->out, "axis", 1);
	onnx_node_integer(&c->out, "p", 2);
	onnx_close_node(&c->out);
	caffe_add_node(c, "Mul", unit, factors, caffe_top(c));
	return 0;
}
