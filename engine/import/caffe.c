/*
 * caffe.c - a Caffe network (.prototxt and .caffemodel) as an ONNX one.
 *
 * Caffe's blobs are N x C x H x W, and its layers have definitions that ONNX's operators have, too: each layer is
 * written as one node or a few, under the layer's name, and the ONNX reader does the rest.  A blob that several layers
 * write in place becomes a tensor for each of them; the last has the blob's name.
 *
 * Fields and defaults are those of caffe.proto; layers of SSD, of MobileNet and of ncnn's converter beside Caffe's own.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caffe_text.h"
#include "import.h"
#include "names.h"
#include "onnx_writer.h"
#include "protobuf.h"

#define OPSET	   17
#define LAYERS_MAX 4096
#define BLOBS_MAX  16 /* of weights, of one layer */
#define IO_MAX	   64 /* bottoms or tops of one layer */
#define NAME_BYTES 256

/* Fields of the binary messages. */
enum { NET_LAYERS_V1 = 2, NET_LAYER = 100 };
enum { LAYER_NAME = 1, LAYER_BLOBS = 7, V1_NAME = 4, V1_BLOBS = 6 };
enum { BLOB_SHAPE = 7, BLOB_DATA = 5, BLOB_DOUBLE = 8, SHAPE_DIM = 1 };

/* Weights of a layer: numbers as they are in the file, or in memory of their own where they lie in pieces there. */
struct blob {
	int rank;
	int64_t dims[ENGINE_RANK_MAX];
	const uint8_t *data; /* little-endian floats */
	float *own;
	size_t count;
};

struct caffe {
	struct caffe_text text;
	struct onnx_writer out;
	struct protobuf_bytes weights;
	struct names weight_names; /* layers of the .caffemodel by name */
	struct protobuf_bytes *messages;
	int n_messages;
	bool *v1; /* of each message */
	struct names blob_names;
	struct version {
		int writers, written, read_at, made_at; /* read_at: the last layer that reads the blob */
	} * blobs;
	int n_blobs, cap_blobs;
	struct engine_error *error;
	/* the current layer */
	int layer, index; /* field, and number in the order of the file */
	char name[NAME_BYTES], type[48];
	char bottoms[IO_MAX][NAME_BYTES], tops[IO_MAX][NAME_BYTES];
	int n_bottoms, n_tops;
	struct blob w[BLOBS_MAX];
	int n_w;
	int n_made; /* names made for tensors within the layer */
};

static int refuse(const struct caffe *c, int code, const char *why)
{
	return graph_error(c->error, code, "layer '%.60s' (%.40s): %s", c->name, c->type, why);
}

/* ---- weights ----------------------------------------------------------------------------------- */

static bool is_layer(const struct protobuf_field *field)
{
	return (field->number == NET_LAYER || field->number == NET_LAYERS_V1) && field->wire == PROTOBUF_BYTES;
}

static int index_weights(struct caffe *c)
{
	struct protobuf reader = protobuf_open(c->weights);
	struct protobuf_field field, inner;
	int count = 0;

	while (protobuf_next(&reader, &field))
		count += is_layer(&field);
	if (reader.malformed)
		return graph_error(c->error, -EINVAL, "the .caffemodel is malformed or cut off");
	if (count > LAYERS_MAX)
		return graph_error(c->error, -EFBIG, "the .caffemodel has %d layers", count);
	c->messages = calloc((size_t)count + 1, sizeof(*c->messages));
	c->v1 = calloc((size_t)count + 1, sizeof(*c->v1));
	if (!c->messages || !c->v1 || names_init(&c->weight_names, (size_t)count + 1) < 0)
		return graph_error(c->error, -ENOMEM, "out of memory");
	reader = protobuf_open(c->weights);
	while (protobuf_next(&reader, &field)) {
		struct protobuf layer;
		struct names_entry *entry;

		if (!is_layer(&field))
			continue;
		layer = protobuf_open(field.bytes);
		while (protobuf_next(&layer, &inner))
			if (inner.wire == PROTOBUF_BYTES &&
			    inner.number == (field.number == NET_LAYER ? LAYER_NAME : V1_NAME))
				break;
		if (layer.malformed || inner.wire != PROTOBUF_BYTES)
			continue;
		entry = names_find(&c->weight_names, inner.bytes.data, inner.bytes.size);
		if (entry->number >= 0)
			continue;
		*entry = (struct names_entry){inner.bytes.data, inner.bytes.size, c->n_messages};
		c->v1[c->n_messages] = field.number == NET_LAYERS_V1;
		c->messages[c->n_messages++] = field.bytes;
	}
	return 0;
}

static int read_shape(struct protobuf_bytes message, struct blob *blob)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;

	blob->rank = 0;
	while (protobuf_next(&reader, &field)) {
		size_t at = 0;
		uint64_t dim;

		while (field.number == SHAPE_DIM && protobuf_number(&reader, &field, PROTOBUF_VARINT, &at, &dim)) {
			if (blob->rank == ENGINE_RANK_MAX || dim > INT32_MAX)
				return -EINVAL;
			blob->dims[blob->rank++] = (int64_t)dim;
		}
	}
	return reader.malformed ? -EINVAL : 0;
}

/* Numbers in pieces, or doubles, are copied; the first walk counts them. */
static int copy_numbers(struct protobuf_bytes message, uint32_t number, bool wide, struct blob *blob)
{
	enum protobuf_wire wire = wide ? PROTOBUF_FIXED64 : PROTOBUF_FIXED32;

	for (int pass = 0; pass < 2; pass++) {
		struct protobuf reader = protobuf_open(message);
		struct protobuf_field field;
		size_t n = 0;

		while (protobuf_next(&reader, &field)) {
			size_t at = 0;
			uint64_t bits;
			double value;

			while (field.number == number && protobuf_number(&reader, &field, wire, &at, &bits)) {
				memcpy(&value, &bits, sizeof(value));
				if (pass)
					blob->own[n] = wide ? (float)value : protobuf_float(bits);
				n++;
			}
		}
		if (reader.malformed)
			return -EINVAL;
		blob->count = n;
		if (!pass)
			blob->own = malloc(n * sizeof(*blob->own) + 1);
		if (!blob->own)
			return -ENOMEM;
	}
	blob->data = (const uint8_t *)blob->own;
	return 0;
}

static int read_blob(struct protobuf_bytes message, struct blob *blob)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	bool shaped = false, wide = false;
	int pieces = 0, r = 0;
	size_t count = 1;

	*blob = (struct blob){.rank = 4, .dims = {1, 1, 1, 1}};
	while (r == 0 && protobuf_next(&reader, &field)) {
		if (field.number == BLOB_SHAPE && field.wire == PROTOBUF_BYTES) {
			r = read_shape(field.bytes, blob);
			shaped = true;
		} else if (!shaped && field.number >= 1 && field.number <= 4 && field.wire == PROTOBUF_VARINT) {
			if (field.value > INT32_MAX)
				return -EINVAL;
			blob->dims[field.number - 1] = (int64_t)field.value;
		} else if (field.number == BLOB_DATA) {
			pieces += field.wire == PROTOBUF_BYTES ? 1 : 2;
			blob->data = field.bytes.data;
			blob->count = field.bytes.size / sizeof(float);
		}
		wide |= field.number == BLOB_DOUBLE;
	}
	if (r < 0 || reader.malformed)
		return -EINVAL;
	if (pieces != 1) {
		r = copy_numbers(message, wide && !pieces ? BLOB_DOUBLE : BLOB_DATA, wide && !pieces, blob);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < blob->rank; i++) {
		if (blob->dims[i] && count > ENGINE_TENSOR_BYTES_MAX / (size_t)blob->dims[i])
			return -EFBIG;
		count *= (size_t)blob->dims[i];
	}
	return count == blob->count ? 0 : -EINVAL;
}

static void finish_weights(struct caffe *c)
{
	for (int i = 0; i < BLOBS_MAX; i++)
		free(c->w[i].own);
	memset(c->w, 0, sizeof(c->w));
	c->n_w = 0;
}

static int read_weights(struct caffe *c)
{
	const struct names_entry *entry = names_find(&c->weight_names, c->name, strlen(c->name));
	struct protobuf_field field;
	struct protobuf reader;
	int r = 0;

	finish_weights(c);
	if (entry->number < 0)
		return 0;
	reader = protobuf_open(c->messages[entry->number]);
	while (r == 0 && protobuf_next(&reader, &field)) {
		if (field.wire != PROTOBUF_BYTES || field.number != (c->v1[entry->number] ? V1_BLOBS : LAYER_BLOBS))
			continue;
		if (c->n_w == BLOBS_MAX)
			return refuse(c, -EFBIG, "has too many blobs of weights");
		r = read_blob(field.bytes, &c->w[c->n_w++]);
	}
	return r < 0 || reader.malformed ? refuse(c, r < 0 ? r : -EINVAL, "has malformed weights") : 0;
}

/* ---- names ------------------------------------------------------------------------------------- */

/* A blob's entry, made when it is new. */
static struct version *blob_of(struct caffe *c, const char *name, size_t bytes)
{
	struct names_entry *entry = names_find(&c->blob_names, name, bytes);

	if (entry->number < 0) {
		if (c->n_blobs == c->cap_blobs)
			return NULL;
		*entry = (struct names_entry){name, bytes, c->n_blobs};
		c->blobs[c->n_blobs++] = (struct version){.read_at = -1, .made_at = -1};
	}
	return &c->blobs[entry->number];
}

/* The tensor that a blob is after its k-th writing. */
static void tensor_name(const struct version *blob, int k, const char *name, size_t bytes, char out[NAME_BYTES])
{
	int length = bytes > 200 ? 200 : (int)bytes;

	if (k == blob->writers)
		snprintf(out, NAME_BYTES, "%.*s", length, name);
	else
		snprintf(out, NAME_BYTES, "%.*s@%d", length, name, k);
}

/* A name for a tensor within the layer. */
static void inner_name(struct caffe *c, char out[NAME_BYTES])
{
	snprintf(out, NAME_BYTES, "%.200s#%d.%d", c->name, c->index, c->n_made++);
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* A node from one tensor to another; attributes may follow until close. */
static void open_node(struct caffe *c, const char *op, const char *const *inputs, int n, const char *output)
{
	onnx_open_node(&c->out, c->name, op, NULL);
	for (int i = 0; i < n; i++)
		onnx_node_input(&c->out, inputs[i]);
	onnx_node_output(&c->out, output);
}

static void node(struct caffe *c, const char *op, const char *a, const char *b, const char *output)
{
	const char *inputs[] = {a, b};

	open_node(c, op, inputs, b ? 2 : 1, output);
	onnx_close_node(&c->out);
}

static void floats(struct caffe *c, int rank, const int64_t *dims, const void *values, size_t count,
		   char name[NAME_BYTES])
{
	inner_name(c, name);
	onnx_write_floats(&c->out, name, rank, dims, values, count);
}

static void scalar(struct caffe *c, double value, char name[NAME_BYTES])
{
	float narrow = (float)value;

	floats(c, 0, NULL, &narrow, 1, name);
}

static void integers(struct caffe *c, int n, const int64_t *values, char name[NAME_BYTES])
{
	inner_name(c, name);
	onnx_write_integers(&c->out, name, n, values);
}

/* Weights i under a shape of their own; -EINVAL where they are not as many. */
static int weights(struct caffe *c, int i, int rank, const int64_t *dims, char name[NAME_BYTES])
{
	size_t count = 1;

	if (i >= c->n_w)
		return refuse(c, -EINVAL, "has no weights in the .caffemodel");
	for (int k = 0; k < rank; k++)
		count *= (size_t)dims[k];
	if (count != c->w[i].count)
		return refuse(c, -EINVAL, "has weights of another size than it says");
	floats(c, rank, dims, c->w[i].data, count, name);
	return 0;
}

static float weight_at(const struct blob *blob, size_t i)
{
	float value;

	memcpy(&value, blob->data + i * sizeof(value), sizeof(value));
	return value;
}

static int parameters(const struct caffe *c, const char *name)
{
	return caffe_field(&c->text, c->layer, name, -1);
}

static const char *bottom(const struct caffe *c)
{
	return c->bottoms[0];
}

static const char *top(const struct caffe *c)
{
	return c->tops[0];
}

/* A whole number of 32 bits; -1 for what is none. */
static int64_t bounded(double number)
{
	return number >= -2147483648.0 && number <= 2147483647.0 ? (int64_t)number : -1;
}

static int64_t whole(const struct caffe *c, int at, const char *name, int64_t otherwise)
{
	return bounded(caffe_number(&c->text, at, name, (double)otherwise));
}

/* Height and width: both at once, one after the other, or each under its name. */
static void pair(const struct caffe *c, int at, const char *both, const char *h, const char *w, int64_t otherwise,
		 int64_t ret[2])
{
	double numbers[2];
	int n = caffe_numbers(&c->text, at, both, 2, numbers);

	ret[0] = ret[1] = otherwise;
	for (int i = 0; i < 2 && n; i++) {
		double number = numbers[n == 2 ? i : 0];

		ret[i] = number >= 0 && number < GRAPH_WINDOW_MAX ? (int64_t)number : -1;
	}
	ret[0] = whole(c, at, h, ret[0]);
	ret[1] = whole(c, at, w, ret[1]);
}

/* ---- windows ----------------------------------------------------------------------------------- */

static void window_attributes(struct caffe *c, const int64_t kernel[2], const int64_t stride[2], const int64_t pad[2])
{
	onnx_node_integers(&c->out, "kernel_shape", 2, kernel);
	onnx_node_integers(&c->out, "strides", 2, stride);
	onnx_node_integers(&c->out, "pads", 4, (int64_t[]){pad[0], pad[1], pad[0], pad[1]});
}

static int on_conv(struct caffe *c)
{
	bool transposed = strstr(c->type, "Deconvolution") != NULL;
	int p = parameters(c, "convolution_param"), r;
	int64_t kernel[2], stride[2], pad[2], dilation[2], out = whole(c, p, "num_output", 0);
	bool bias = caffe_bool(&c->text, p, "bias_term", true);
	int64_t groups = whole(c, p, "group", 1), in;
	char w[NAME_BYTES], b[NAME_BYTES];
	const char *inputs[] = {bottom(c), w, b};

	pair(c, p, "kernel_size", "kernel_h", "kernel_w", 0, kernel);
	pair(c, p, "stride", "stride_h", "stride_w", 1, stride);
	pair(c, p, "pad", "pad_h", "pad_w", 0, pad);
	pair(c, p, "dilation", "dilation_h", "dilation_w", 1, dilation);
	if (strstr(c->type, "epthwise"))
		groups = out;
	if (out < 1 || groups < 1 || out % groups || kernel[0] < 1 || kernel[1] < 1 || c->n_w < 1)
		return refuse(c, -EINVAL, c->n_w < 1 ? "has no weights in the .caffemodel" : "has impossible sizes");
	/* Of a transposed convolution the input's channels come first. */
	in = (int64_t)(c->w[0].count / (size_t)kernel[0] / (size_t)kernel[1]) * (transposed ? groups : 1) / out;
	r = weights(c, 0, 4,
		    transposed ? (int64_t[]){in, out / groups, kernel[0], kernel[1]}
			       : (int64_t[]){out, in, kernel[0], kernel[1]},
		    w);
	if (r == 0 && bias)
		r = weights(c, 1, 1, &out, b);
	if (r < 0)
		return r;
	open_node(c, transposed ? "ConvTranspose" : "Conv", inputs, bias ? 3 : 2, top(c));
	window_attributes(c, kernel, stride, pad);
	onnx_node_integers(&c->out, "dilations", 2, dilation);
	onnx_node_integer(&c->out, "group", groups);
	onnx_close_node(&c->out);
	return 0;
}

/* Sizes are rounded up unless the layer says otherwise; padding counts in the mean. */
static int on_pooling(struct caffe *c)
{
	int p = parameters(c, "pooling_param");
	bool mean = caffe_is(&c->text, p, "pool", "AVE") || caffe_is(&c->text, p, "pool", "1");
	bool down = caffe_is(&c->text, p, "round_mode", "FLOOR") || caffe_is(&c->text, p, "round_mode", "1") ||
		    !caffe_bool(&c->text, p, "ceil_mode", true);
	int64_t kernel[2], stride[2], pad[2];
	const char *inputs[] = {bottom(c)};

	if (caffe_is(&c->text, p, "pool", "STOCHASTIC") || c->n_tops > 1)
		return refuse(c, -ENOTSUP, "pools at random, or tells where");
	if (caffe_bool(&c->text, p, "global_pooling", false)) {
		node(c, mean ? "GlobalAveragePool" : "GlobalMaxPool", bottom(c), NULL, top(c));
		return 0;
	}
	pair(c, p, "kernel_size", "kernel_h", "kernel_w", 0, kernel);
	pair(c, p, "stride", "stride_h", "stride_w", 1, stride);
	pair(c, p, "pad", "pad_h", "pad_w", 0, pad);
	open_node(c, mean ? "AveragePool" : "MaxPool", inputs, 1, top(c));
	window_attributes(c, kernel, stride, pad);
	onnx_node_integer(&c->out, "ceil_mode", !down);
	if (mean)
		onnx_node_integer(&c->out, "count_include_pad", 1);
	onnx_close_node(&c->out);
	return 0;
}

static int on_inner_product(struct caffe *c)
{
	int p = parameters(c, "inner_product_param"), r;
	int64_t out = whole(c, p, "num_output", 0), in;
	bool turned = caffe_bool(&c->text, p, "transpose", false), bias = caffe_bool(&c->text, p, "bias_term", true);
	char flat[NAME_BYTES], w[NAME_BYTES], b[NAME_BYTES];
	const char *inputs[] = {flat, w, b}, *whole_input[] = {bottom(c)};

	if (out < 1 || c->n_w < 1)
		return refuse(c, -EINVAL, c->n_w < 1 ? "has no weights in the .caffemodel" : "has no outputs");
	in = (int64_t)(c->w[0].count / (size_t)out);
	r = weights(c, 0, 2, turned ? (int64_t[]){in, out} : (int64_t[]){out, in}, w);
	if (r == 0 && bias)
		r = weights(c, 1, 1, &out, b);
	if (r < 0)
		return r;
	inner_name(c, flat);
	open_node(c, "Flatten", whole_input, 1, flat);
	onnx_node_integer(&c->out, "axis", whole(c, p, "axis", 1));
	onnx_close_node(&c->out);
	open_node(c, "Gemm", inputs, bias ? 3 : 2, top(c));
	onnx_node_integer(&c->out, "transB", !turned);
	onnx_close_node(&c->out);
	return 0;
}

/* ---- elementwise ------------------------------------------------------------------------------- */

static const struct {
	const char *layer, *op;
} functions[] = {
	{"Sigmoid", "Sigmoid"}, {"TanH", "Tanh"},	{"AbsVal", "Abs"},    {"BNLL", "Softplus"},
	{"Split", "Identity"},	{"Dropout", "Dropout"}, {"Noop", "Identity"}, {"Mish", "Mish"},
};

static int on_function(struct caffe *c)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		for (int k = 0; k < c->n_tops && !strcmp(c->type, functions[i].layer); k++)
			node(c, functions[i].op, bottom(c), NULL, c->tops[k]);
	return 0;
}

static int on_relu(struct caffe *c)
{
	double slope = caffe_number(&c->text, parameters(c, "relu_param"), "negative_slope", 0);
	const char *inputs[] = {bottom(c)};

	open_node(c, slope != 0 ? "LeakyRelu" : "Relu", inputs, 1, top(c));
	if (slope != 0)
		onnx_node_number(&c->out, "alpha", (float)slope);
	onnx_close_node(&c->out);
	return 0;
}

static int on_clip(struct caffe *c)
{
	bool six = !strcmp(c->type, "ReLU6");
	int p = parameters(c, "clip_param");
	char lo[NAME_BYTES], hi[NAME_BYTES];
	const char *inputs[] = {bottom(c), lo, hi};

	scalar(c, six ? 0 : caffe_number(&c->text, p, "min", -INFINITY), lo);
	scalar(c, six ? 6 : caffe_number(&c->text, p, "max", INFINITY), hi);
	open_node(c, "Clip", inputs, 3, top(c));
	onnx_close_node(&c->out);
	return 0;
}

static int on_elu(struct caffe *c)
{
	const char *inputs[] = {bottom(c)};

	open_node(c, "Elu", inputs, 1, top(c));
	onnx_node_number(&c->out, "alpha", (float)caffe_number(&c->text, parameters(c, "elu_param"), "alpha", 1));
	onnx_close_node(&c->out);
	return 0;
}

static int on_prelu(struct caffe *c)
{
	char slope[NAME_BYTES];
	int64_t dims[3] = {0, 1, 1};
	int r;

	if (c->n_w < 1)
		return refuse(c, -EINVAL, "has no weights in the .caffemodel");
	dims[0] = (int64_t)c->w[0].count;
	r = weights(c, 0, 3, dims, slope);
	if (r == 0)
		node(c, "PRelu", bottom(c), slope, top(c));
	return r;
}

/* (shift + scale x) ^ power; of Exp and Log the same within. */
static void scaled(struct caffe *c, int p, const char *x, char out[NAME_BYTES])
{
	double scale = caffe_number(&c->text, p, "scale", 1), shift = caffe_number(&c->text, p, "shift", 0);
	char factor[NAME_BYTES], term[NAME_BYTES], product[NAME_BYTES];

	scalar(c, scale, factor);
	scalar(c, shift, term);
	inner_name(c, product);
	inner_name(c, out);
	node(c, "Mul", x, factor, product);
	node(c, "Add", product, term, out);
}

static int on_power(struct caffe *c)
{
	int p = parameters(c, "power_param");
	double power = caffe_number(&c->text, p, "power", 1);
	char inner[NAME_BYTES], exponent[NAME_BYTES];

	scaled(c, p, bottom(c), inner);
	scalar(c, power, exponent);
	node(c, power == 1 ? "Identity" : "Pow", inner, power == 1 ? NULL : exponent, top(c));
	return 0;
}

/* A base of -1 is e. */
static int on_exp_log(struct caffe *c)
{
	bool exp = !strcmp(c->type, "Exp");
	int p = parameters(c, exp ? "exp_param" : "log_param");
	double base = caffe_number(&c->text, p, "base", -1), factor = base > 0 ? log(base) : 1;
	char inner[NAME_BYTES], constant[NAME_BYTES], product[NAME_BYTES];

	scaled(c, p, bottom(c), inner);
	scalar(c, exp ? factor : 1 / factor, constant);
	inner_name(c, product);
	node(c, exp ? "Mul" : "Log", inner, exp ? constant : NULL, product);
	node(c, exp ? "Exp" : "Mul", product, exp ? NULL : constant, top(c));
	return 0;
}

static int on_swish(struct caffe *c)
{
	double beta = caffe_number(&c->text, parameters(c, "swish_param"), "beta", 1);
	char factor[NAME_BYTES], product[NAME_BYTES], gate[NAME_BYTES];

	scalar(c, beta, factor);
	inner_name(c, product);
	inner_name(c, gate);
	if (beta != 1)
		node(c, "Mul", bottom(c), factor, product);
	node(c, "Sigmoid", beta != 1 ? product : bottom(c), NULL, gate);
	node(c, "Mul", bottom(c), gate, top(c));
	return 0;
}

static void batch_norm(struct caffe *c, const float *numbers, int64_t n, float epsilon)
{
	const char *inputs[5] = {bottom(c)};
	char names[4][NAME_BYTES];

	for (int i = 0; i < 4; i++) {
		floats(c, 1, &n, numbers + i * n, (size_t)n, names[i]);
		inputs[1 + i] = names[i];
	}
	open_node(c, "BatchNormalization", inputs, 5, top(c));
	onnx_node_number(&c->out, "epsilon", epsilon);
	onnx_close_node(&c->out);
}

/* Mean and variance come as sums, with what to divide them by. */
static int on_batch_norm(struct caffe *c)
{
	float epsilon = (float)caffe_number(&c->text, parameters(c, "batch_norm_param"), "eps", 1e-5), factor;
	int64_t n = c->n_w > 2 ? (int64_t)c->w[0].count : 0;
	float *numbers = malloc(4 * (size_t)n * sizeof(*numbers) + 1);

	if (!numbers || n < 1 || c->w[1].count != (size_t)n || c->w[2].count != 1) {
		free(numbers);
		return refuse(c, -EINVAL, "has no mean, variance and factor in the .caffemodel");
	}
	factor = weight_at(&c->w[2], 0);
	factor = factor != 0.0f ? 1 / factor : 0;
	for (int64_t i = 0; i < n; i++) {
		numbers[i] = 1;
		numbers[n + i] = 0;
		numbers[2 * n + i] = weight_at(&c->w[0], (size_t)i) * factor;
		numbers[3 * n + i] = weight_at(&c->w[1], (size_t)i) * factor;
	}
	batch_norm(c, numbers, n, epsilon);
	free(numbers);
	return 0;
}

/* A factor, and perhaps a term, for each channel: batch norm of mean 0 and variance 1, so that convolutions take it. */
static int on_scale(struct caffe *c)
{
	int p = parameters(c, "scale_param");
	bool bias = caffe_bool(&c->text, p, "bias_term", false);
	int64_t n = c->n_w ? (int64_t)c->w[0].count : 0;
	float *numbers;

	if (c->n_bottoms == 2 && !bias) {
		node(c, "Mul", c->bottoms[0], c->bottoms[1], top(c));
		return 0;
	}
	if (c->n_bottoms != 1 || whole(c, p, "axis", 1) != 1)
		return refuse(c, -ENOTSUP, "scales along another axis than the channels");
	numbers = malloc(4 * (size_t)n * sizeof(*numbers) + 1);
	if (!numbers || n < 1 || (bias && (c->n_w < 2 || c->w[1].count != (size_t)n))) {
		free(numbers);
		return refuse(c, -EINVAL, "has no factors, or too few terms, in the .caffemodel");
	}
	for (int64_t i = 0; i < n; i++) {
		numbers[i] = weight_at(&c->w[0], (size_t)i);
		numbers[n + i] = bias ? weight_at(&c->w[1], (size_t)i) : 0;
		numbers[2 * n + i] = 0;
		numbers[3 * n + i] = 1;
	}
	batch_norm(c, numbers, n, 0);
	free(numbers);
	return 0;
}

static int on_bias(struct caffe *c)
{
	int64_t dims[3] = {c->n_w ? (int64_t)c->w[0].count : 0, 1, 1};
	char term[NAME_BYTES];
	int r = 0;

	if (c->n_bottoms == 2) {
		node(c, "Add", c->bottoms[0], c->bottoms[1], top(c));
		return 0;
	}
	r = weights(c, 0, 3, dims, term);
	if (r == 0)
		node(c, "Add", bottom(c), term, top(c));
	return r;
}

static int on_eltwise(struct caffe *c)
{
	int p = parameters(c, "eltwise_param");
	bool product = caffe_is(&c->text, p, "operation", "PROD") || caffe_is(&c->text, p, "operation", "0");
	bool most = caffe_is(&c->text, p, "operation", "MAX") || caffe_is(&c->text, p, "operation", "2");
	double factors[IO_MAX];
	int n = caffe_numbers(&c->text, p, "coeff", IO_MAX, factors);
	char sum[NAME_BYTES], next[NAME_BYTES], constant[NAME_BYTES], term[NAME_BYTES];

	if (c->n_bottoms < 2 || (n && n != c->n_bottoms))
		return refuse(c, -EINVAL, "has one input, or other coefficients than inputs");
	snprintf(sum, sizeof(sum), "%s", bottom(c));
	for (int i = 0; i < c->n_bottoms; i++) {
		const char *x = c->bottoms[i];

		if (n && !product && !most && factors[i] != 1) {
			scalar(c, factors[i], constant);
			inner_name(c, term);
			node(c, "Mul", x, constant, term);
			x = term;
		}
		if (i == 0) {
			snprintf(sum, sizeof(sum), "%s", x);
			continue;
		}
		inner_name(c, next);
		node(c, product ? "Mul" : most ? "Max" : "Add", sum, x, i + 1 < c->n_bottoms ? next : top(c));
		snprintf(sum, sizeof(sum), "%s", next);
	}
	return 0;
}

/* ---- shapes and places ------------------------------------------------------------------------- */

static int on_concat(struct caffe *c)
{
	int p = parameters(c, "concat_param");
	const char *inputs[IO_MAX];

	for (int i = 0; i < c->n_bottoms; i++)
		inputs[i] = c->bottoms[i];
	open_node(c, "Concat", inputs, c->n_bottoms, top(c));
	onnx_node_integer(&c->out, "axis", whole(c, p, "axis", whole(c, p, "concat_dim", 1)));
	onnx_close_node(&c->out);
	return 0;
}

static int on_slice(struct caffe *c)
{
	int p = parameters(c, "slice_param"), n;
	int64_t axis = whole(c, p, "axis", whole(c, p, "slice_dim", 1));
	double points[IO_MAX];

	n = caffe_numbers(&c->text, p, "slice_point", IO_MAX, points);
	if (!n) {
		onnx_open_node(&c->out, c->name, "Split", NULL);
		onnx_node_input(&c->out, bottom(c));
		for (int i = 0; i < c->n_tops; i++)
			onnx_node_output(&c->out, c->tops[i]);
		onnx_node_integer(&c->out, "axis", axis);
		onnx_close_node(&c->out);
		return 0;
	}
	if (n != c->n_tops - 1)
		return refuse(c, -EINVAL, "has other points than it has parts");
	for (int i = 0; i < c->n_tops; i++) {
		int64_t from = i ? bounded(points[i - 1]) : 0, to = i < n ? bounded(points[i]) : INT32_MAX;
		char names[3][NAME_BYTES];
		const char *inputs[] = {bottom(c), names[0], names[1], names[2]};

		integers(c, 1, &from, names[0]);
		integers(c, 1, &to, names[1]);
		integers(c, 1, &axis, names[2]);
		open_node(c, "Slice", inputs, 4, c->tops[i]);
		onnx_close_node(&c->out);
	}
	return 0;
}

static int on_flatten(struct caffe *c)
{
	int p = parameters(c, "flatten_param");
	const char *inputs[] = {bottom(c)};

	if (whole(c, p, "end_axis", -1) != -1 || whole(c, p, "axis", 1) != 1)
		return refuse(c, -ENOTSUP, "flattens some axes only");
	open_node(c, "Flatten", inputs, 1, top(c));
	onnx_close_node(&c->out);
	return 0;
}

static int on_reshape(struct caffe *c)
{
	int p = parameters(c, "reshape_param"), n;
	double dims[ENGINE_RANK_MAX];
	int64_t wanted[ENGINE_RANK_MAX];
	char shape[NAME_BYTES];

	if (whole(c, p, "axis", 0) || whole(c, p, "num_axes", -1) != -1)
		return refuse(c, -ENOTSUP, "changes the shape of some axes only");
	n = caffe_numbers(&c->text, caffe_field(&c->text, p, "shape", -1), "dim", ENGINE_RANK_MAX, dims);
	for (int i = 0; i < n; i++)
		wanted[i] = dims[i] >= -1 && dims[i] <= 2147483647.0 ? (int64_t)dims[i] : -2;
	integers(c, n, wanted, shape);
	node(c, "Reshape", bottom(c), shape, top(c));
	return 0;
}

/* Axes that are not named follow in their order. */
static int on_permute(struct caffe *c)
{
	double given[ENGINE_RANK_MAX];
	int64_t order[ENGINE_RANK_MAX];
	int n = caffe_numbers(&c->text, parameters(c, "permute_param"), "order", 4, given), taken = 0;
	const char *inputs[] = {bottom(c)};

	for (int i = 0; i < n; i++) {
		order[i] = given[i] >= 0 && given[i] < 4 ? (int64_t)given[i] : 0;
		taken |= 1 << order[i];
	}
	for (int axis = 0; axis < 4 && n < 4; axis++)
		if (!(taken >> axis & 1))
			order[n++] = axis;
	open_node(c, "Transpose", inputs, 1, top(c));
	onnx_node_integers(&c->out, "perm", n, order);
	onnx_close_node(&c->out);
	return 0;
}

static int on_softmax(struct caffe *c)
{
	const char *inputs[] = {bottom(c)};

	open_node(c, "Softmax", inputs, 1, top(c));
	onnx_node_integer(&c->out, "axis", whole(c, parameters(c, "softmax_param"), "axis", 1));
	onnx_close_node(&c->out);
	return 0;
}

static int on_argmax(struct caffe *c)
{
	int p = parameters(c, "argmax_param");
	const char *inputs[] = {bottom(c)};
	char index[NAME_BYTES];

	if (caffe_bool(&c->text, p, "out_max_val", false) || whole(c, p, "top_k", 1) != 1 ||
	    caffe_field(&c->text, p, "axis", -1) < 0)
		return refuse(c, -ENOTSUP, "finds more than one place, or over all axes");
	inner_name(c, index);
	open_node(c, "ArgMax", inputs, 1, index);
	onnx_node_integer(&c->out, "axis", whole(c, p, "axis", 1));
	onnx_close_node(&c->out);
	inputs[0] = index;
	open_node(c, "Cast", inputs, 1, top(c));
	onnx_node_integer(&c->out, "to", 1);
	onnx_close_node(&c->out);
	return 0;
}

static int on_lrn(struct caffe *c)
{
	int p = parameters(c, "lrn_param");
	const char *inputs[] = {bottom(c)};

	if (caffe_is(&c->text, p, "norm_region", "WITHIN_CHANNEL") || caffe_is(&c->text, p, "norm_region", "1"))
		return refuse(c, -ENOTSUP, "normalises within channels");
	open_node(c, "LRN", inputs, 1, top(c));
	onnx_node_integer(&c->out, "size", whole(c, p, "local_size", 5));
	onnx_node_number(&c->out, "alpha", (float)caffe_number(&c->text, p, "alpha", 1));
	onnx_node_number(&c->out, "beta", (float)caffe_number(&c->text, p, "beta", 0.75));
	onnx_node_number(&c->out, "bias", (float)caffe_number(&c->text, p, "k", 1));
	onnx_close_node(&c->out);
	return 0;
}

/* SSD's: each pixel over the length of its channels, times learned factors. */
static int on_normalize(struct caffe *c)
{
	int64_t dims[3] = {c->n_w ? (int64_t)c->w[0].count : 0, 1, 1};
	char unit[NAME_BYTES], factors[NAME_BYTES];
	const char *inputs[] = {bottom(c)};
	int r;

	if (caffe_bool(&c->text, parameters(c, "norm_param"), "across_spatial", true))
		return refuse(c, -ENOTSUP, "normalises over the whole image");
	r = weights(c, 0, 3, dims, factors);
	if (r < 0)
		return r;
	inner_name(c, unit);
	open_node(c, "LpNormalization", inputs, 1, unit);
	onnx_node_integer(&c->out, "axis", 1);
	onnx_node_integer(&c->out, "p", 2);
	onnx_close_node(&c->out);
	node(c, "Mul", unit, factors, top(c));
	return 0;
}

/* Sides `from` and later of a tensor's shape. */
static void sides(struct caffe *c, const char *x, int64_t from, char out[NAME_BYTES])
{
	char shape[NAME_BYTES], begin[NAME_BYTES], end[NAME_BYTES];
	const char *inputs[] = {shape, begin, end};

	inner_name(c, shape);
	node(c, "Shape", x, NULL, shape);
	integers(c, 1, &from, begin);
	integers(c, 1, (int64_t[]){INT32_MAX}, end);
	inner_name(c, out);
	open_node(c, "Slice", inputs, 3, out);
	onnx_close_node(&c->out);
}

/* Lists of integers behind each other. */
static void join(struct caffe *c, const char *a, const char *b, char out[NAME_BYTES])
{
	const char *inputs[] = {a, b};

	inner_name(c, out);
	open_node(c, "Concat", inputs, 2, out);
	onnx_node_integer(&c->out, "axis", 0);
	onnx_close_node(&c->out);
}

static int on_shuffle(struct caffe *c)
{
	int64_t groups = whole(c, parameters(c, "shuffle_channel_param"), "group", 1);
	char hw[NAME_BYTES], head[NAME_BYTES], split[NAME_BYTES], parts[NAME_BYTES], turned[NAME_BYTES],
		back[NAME_BYTES];
	const char *inputs[] = {parts};

	sides(c, bottom(c), 2, hw);
	integers(c, 3, (int64_t[]){0, groups, -1}, head);
	join(c, head, hw, split);
	inner_name(c, parts);
	node(c, "Reshape", bottom(c), split, parts);
	inner_name(c, turned);
	open_node(c, "Transpose", inputs, 1, turned);
	onnx_node_integers(&c->out, "perm", 5, (int64_t[]){0, 2, 1, 3, 4});
	onnx_close_node(&c->out);
	integers(c, 2, (int64_t[]){0, -1}, head);
	join(c, head, hw, back);
	node(c, "Reshape", turned, back, top(c));
	return 0;
}

/* To the size of the second input on all axes from `axis` on. */
static int on_crop(struct caffe *c)
{
	int p = parameters(c, "crop_param"), n;
	int64_t axis = whole(c, p, "axis", 2), from[4], axes[4];
	double offsets[4] = {0};
	char like[NAME_BYTES], begin[NAME_BYTES], end[NAME_BYTES], which[NAME_BYTES];
	const char *inputs[] = {bottom(c), begin, end, which};

	n = caffe_numbers(&c->text, p, "offset", 4, offsets);
	if (c->n_bottoms != 2 || axis < 0 || axis > 3 || (n > 1 && n != 4 - axis))
		return refuse(c, -EINVAL, "has no second input, or other offsets than axes");
	for (int64_t i = axis; i < 4; i++) {
		axes[i - axis] = i;
		from[i - axis] = bounded(offsets[n > 1 ? i - axis : 0]);
	}
	sides(c, c->bottoms[1], axis, like);
	integers(c, (int)(4 - axis), from, begin);
	integers(c, (int)(4 - axis), axes, which);
	inner_name(c, end);
	node(c, "Add", like, begin, end);
	open_node(c, "Slice", inputs, 4, top(c));
	onnx_close_node(&c->out);
	return 0;
}

/* Upsample by a whole factor to the nearest; Interp to a size, corners on corners. */
static int on_resize(struct caffe *c)
{
	bool interp = !strcmp(c->type, "Interp");
	int p = parameters(c, interp ? "interp_param" : "upsample_param");
	int64_t h = whole(c, p, "height", 0), w = whole(c, p, "width", 0);
	float scale = (float)caffe_number(&c->text, p, "scale", 2), scales[] = {1, 1, scale, scale};
	char names[3][NAME_BYTES];
	const char *inputs[] = {bottom(c), "", "", names[2]};

	if (interp && (h < 1 || w < 1))
		return refuse(c, -ENOTSUP, "has no height and width");
	if (interp) {
		char begin[NAME_BYTES], end[NAME_BYTES], shape[NAME_BYTES];
		const char *slice[] = {shape, begin, end};

		inner_name(c, shape);
		node(c, "Shape", bottom(c), NULL, shape);
		integers(c, 1, (int64_t[]){0}, begin);
		integers(c, 1, (int64_t[]){2}, end);
		inner_name(c, names[0]);
		open_node(c, "Slice", slice, 3, names[0]);
		onnx_close_node(&c->out);
		integers(c, 2, (int64_t[]){h, w}, names[1]);
		join(c, names[0], names[1], names[2]);
	} else {
		floats(c, 1, (int64_t[]){4}, scales, 4, names[2]);
		inputs[2] = names[2];
	}
	open_node(c, "Resize", inputs, interp ? 4 : 3, top(c));
	onnx_node_text(&c->out, "mode", interp ? "linear" : "nearest");
	onnx_node_text(&c->out, "coordinate_transformation_mode", interp ? "align_corners" : "asymmetric");
	onnx_node_text(&c->out, "nearest_mode", "floor");
	onnx_close_node(&c->out);
	return 0;
}

static int on_silence(struct caffe *c)
{
	(void)c;
	return 0;
}

/* ---- the table --------------------------------------------------------------------------------- */

static const struct layer {
	const char *type, *v1; /* v1: its name in the enumeration of older files */
	int n_bottoms;	       /* at least */
	int (*add)(struct caffe *c);
} layers[] = {
	{"AbsVal", "ABSVAL", 1, on_function},
	{"ArgMax", "ARGMAX", 1, on_argmax},
	{"BNLL", "BNLL", 1, on_function},
	{"BatchNorm", NULL, 1, on_batch_norm},
	{"Bias", NULL, 1, on_bias},
	{"Clip", NULL, 1, on_clip},
	{"Concat", "CONCAT", 1, on_concat},
	{"Convolution", "CONVOLUTION", 1, on_conv},
	{"ConvolutionDepthwise", NULL, 1, on_conv},
	{"Crop", NULL, 2, on_crop},
	{"Deconvolution", "DECONVOLUTION", 1, on_conv},
	{"DepthwiseConvolution", NULL, 1, on_conv},
	{"Dropout", "DROPOUT", 1, on_function},
	{"ELU", NULL, 1, on_elu},
	{"Eltwise", "ELTWISE", 2, on_eltwise},
	{"Exp", "EXP", 1, on_exp_log},
	{"Flatten", "FLATTEN", 1, on_flatten},
	{"InnerProduct", "INNER_PRODUCT", 1, on_inner_product},
	{"Interp", NULL, 1, on_resize},
	{"LRN", "LRN", 1, on_lrn},
	{"Log", NULL, 1, on_exp_log},
	{"Mish", NULL, 1, on_function},
	{"Noop", NULL, 1, on_function},
	{"Normalize", NULL, 1, on_normalize},
	{"PReLU", NULL, 1, on_prelu},
	{"Permute", NULL, 1, on_permute},
	{"Pooling", "POOLING", 1, on_pooling},
	{"Power", "POWER", 1, on_power},
	{"ReLU", "RELU", 1, on_relu},
	{"ReLU6", NULL, 1, on_clip},
	{"Reshape", NULL, 1, on_reshape},
	{"Scale", NULL, 1, on_scale},
	{"ShuffleChannel", NULL, 1, on_shuffle},
	{"Sigmoid", "SIGMOID", 1, on_function},
	{"Silence", "SILENCE", 0, on_silence},
	{"Slice", "SLICE", 1, on_slice},
	{"Softmax", "SOFTMAX", 1, on_softmax},
	{"Split", "SPLIT", 1, on_function},
	{"Swish", NULL, 1, on_swish},
	{"TanH", "TANH", 1, on_function},
	{"Upsample", NULL, 1, on_resize},
};

/* They become ONNX's operators, and are as fast as those. */
const char *caffe_layer_at(int i, bool *ret_fast)
{
	static const char *const slow[] = {"ArgMax", "BNLL", "Deconvolution", "LRN", "Normalize", "Power"};

	*ret_fast = i < (int)(sizeof(layers) / sizeof(*layers));
	for (size_t k = 0; *ret_fast && k < sizeof(slow) / sizeof(*slow); k++)
		if (!strcmp(layers[i].type, slow[k])) {
			*ret_fast = false;
			break;
		}
	return i < (int)(sizeof(layers) / sizeof(*layers)) ? layers[i].type : NULL;
}

static const struct layer *find_layer(const char *type)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
		if (!strcmp(layers[i].type, type) || (layers[i].v1 && !strcmp(layers[i].v1, type)))
			return &layers[i];
	return NULL;
}

/* ---- the text ---------------------------------------------------------------------------------- */

/* Layers that belong to training or testing are not the network; "layers" are those of older files. */
static bool is_deployed(const struct caffe *c, int layer)
{
	int include = caffe_field(&c->text, layer, "include", -1);

	return include < 0 ||
	       !(caffe_is(&c->text, include, "phase", "TRAIN") || caffe_is(&c->text, include, "phase", "0"));
}

static int next_layer(const struct caffe *c, int after)
{
	int i = after < 0 ? c->text.fields[0].first : c->text.fields[after].next;

	for (; i >= 0; i = c->text.fields[i].next) {
		const struct caffe_field *f = &c->text.fields[i];
		bool layer = (f->name_bytes == 5 && !memcmp(f->name, "layer", 5)) ||
			     (f->name_bytes == 6 && !memcmp(f->name, "layers", 6));

		if (layer && f->is_message && is_deployed(c, i))
			return i;
	}
	return -1;
}

static void copy_value(const struct caffe *c, int layer, const char *name, char *out, size_t room)
{
	int field = caffe_field(&c->text, layer, name, -1);
	size_t n = field < 0 || !c->text.fields[field].value ? 0 : c->text.fields[field].value_bytes;

	n = n < room ? n : room - 1;
	if (n)
		memcpy(out, c->text.fields[field].value, n);
	out[n] = '\0';
}

/* Counts who writes and reads each blob, and when. */
static int survey(struct caffe *c)
{
	int number = 0;

	for (int layer = next_layer(c, -1); layer >= 0; layer = next_layer(c, layer), number++) {
		static const char *const roles[] = {"bottom", "top"};

		if (number == LAYERS_MAX)
			return graph_error(c->error, -EFBIG, "the network has over %d layers", LAYERS_MAX);
		for (int role = 0; role < 2; role++)
			for (int i = caffe_field(&c->text, layer, roles[role], -1); i >= 0;
			     i = caffe_field(&c->text, layer, roles[role], i)) {
				const struct caffe_field *f = &c->text.fields[i];
				struct version *blob = f->value ? blob_of(c, f->value, f->value_bytes) : NULL;

				if (!blob)
					return graph_error(c->error, -EINVAL,
							   "the network names too many blobs, or one without a name");
				blob->writers += role == 1;
				*(role ? &blob->made_at : &blob->read_at) = number;
			}
	}
	return 0;
}

/* An input of the network: "input" and "input_dim" or "input_shape", or a layer of type Input. */
static int add_input(struct caffe *c, const char *name, size_t bytes, const double *dims, int n)
{
	struct version *blob = blob_of(c, name, bytes);
	int64_t wide[ENGINE_RANK_MAX];
	char tensor[NAME_BYTES];

	if (!blob || n < 1)
		return graph_error(c->error, -EINVAL, "input '%.*s' has no shape", bytes > 60 ? 60 : (int)bytes, name);
	for (int i = 0; i < n; i++) {
		wide[i] = dims[i] >= 1 ? bounded(dims[i]) : 0;
		if (wide[i] < 1)
			return graph_error(c->error, -EINVAL, "input '%.*s' has an impossible shape",
					   bytes > 60 ? 60 : (int)bytes, name);
	}
	blob->written++;
	tensor_name(blob, blob->written, name, bytes, tensor);
	onnx_write_input(&c->out, tensor, n, wide);
	return 0;
}

/* Batches are run one by one: the file's is of no interest. */
static int net_inputs(struct caffe *c)
{
	double dims[64];
	int n = caffe_numbers(&c->text, 0, "input_dim", 64, dims), k = 0, r = 0;
	int shape = caffe_field(&c->text, 0, "input_shape", -1);

	for (int i = caffe_field(&c->text, 0, "input", -1); i >= 0 && r == 0;
	     i = caffe_field(&c->text, 0, "input", i), k++) {
		const struct caffe_field *f = &c->text.fields[i];
		double own[ENGINE_RANK_MAX];
		int rank = shape >= 0	      ? caffe_numbers(&c->text, shape, "dim", ENGINE_RANK_MAX, own)
			   : 4 * (k + 1) <= n ? 4
					      : 0;

		if (shape < 0 && rank)
			memcpy(own, dims + (size_t)(4 * k), 4 * sizeof(*own));
		if (rank)
			own[0] = 1;
		if (!f->value)
			return graph_error(c->error, -EINVAL, "an input has no name");
		blob_of(c, f->value, f->value_bytes)->writers++;
		r = add_input(c, f->value, f->value_bytes, own, rank);
		shape = shape >= 0 ? caffe_field(&c->text, 0, "input_shape", shape) : -1;
	}
	return r;
}

static int layer_input(struct caffe *c)
{
	int shape = caffe_field(&c->text, parameters(c, "input_param"), "shape", -1), r = 0;

	for (int i = caffe_field(&c->text, c->layer, "top", -1); i >= 0 && r == 0;
	     i = caffe_field(&c->text, c->layer, "top", i)) {
		double own[ENGINE_RANK_MAX];
		int rank = caffe_numbers(&c->text, shape, "dim", ENGINE_RANK_MAX, own), more;

		if (rank)
			own[0] = 1;
		r = add_input(c, c->text.fields[i].value, c->text.fields[i].value_bytes, own, rank);
		/* One shape may be meant for all. */
		more = shape >= 0 ? caffe_field(&c->text, parameters(c, "input_param"), "shape", shape) : -1;
		shape = more >= 0 ? more : shape;
	}
	return r;
}

static int name_blobs(struct caffe *c)
{
	c->n_bottoms = c->n_tops = 0;
	for (int i = caffe_field(&c->text, c->layer, "bottom", -1); i >= 0;
	     i = caffe_field(&c->text, c->layer, "bottom", i)) {
		const struct caffe_field *f = &c->text.fields[i];
		const struct version *blob = blob_of(c, f->value, f->value_bytes);

		if (c->n_bottoms == IO_MAX)
			return refuse(c, -EFBIG, "has too many inputs");
		if (!blob->written)
			return refuse(c, -EINVAL, "reads what nothing before it makes");
		tensor_name(blob, blob->written, f->value, f->value_bytes, c->bottoms[c->n_bottoms++]);
	}
	for (int i = caffe_field(&c->text, c->layer, "top", -1); i >= 0;
	     i = caffe_field(&c->text, c->layer, "top", i)) {
		const struct caffe_field *f = &c->text.fields[i];
		struct version *blob = blob_of(c, f->value, f->value_bytes);

		if (c->n_tops == IO_MAX)
			return refuse(c, -EFBIG, "has too many outputs");
		blob->written++;
		tensor_name(blob, blob->written, f->value, f->value_bytes, c->tops[c->n_tops++]);
	}
	return 0;
}

static int add_layer(struct caffe *c)
{
	const struct layer *layer;
	int r;

	copy_value(c, c->layer, "name", c->name, sizeof(c->name));
	copy_value(c, c->layer, "type", c->type, sizeof(c->type));
	c->n_made = 0;
	if (!strcmp(c->type, "Input") || !strcmp(c->type, "DummyData"))
		return layer_input(c);
	layer = find_layer(c->type);
	if (!layer)
		return refuse(c, -ENOTSUP, "is an unknown layer");
	snprintf(c->type, sizeof(c->type), "%s", layer->type);
	r = name_blobs(c);
	if (r == 0 && (c->n_bottoms < layer->n_bottoms || (c->n_tops < 1 && layer->n_bottoms)))
		return refuse(c, -EINVAL, "has too few inputs or outputs");
	if (r == 0)
		r = read_weights(c);
	return r < 0 ? r : layer->add(c);
}

/* What is made and not read is what the network is for. */
static int add_outputs(struct caffe *c)
{
	for (int layer = next_layer(c, -1), number = 0; layer >= 0; layer = next_layer(c, layer), number++)
		for (int i = caffe_field(&c->text, layer, "top", -1); i >= 0;
		     i = caffe_field(&c->text, layer, "top", i)) {
			const struct caffe_field *f = &c->text.fields[i];
			const struct version *blob = blob_of(c, f->value, f->value_bytes);
			char tensor[NAME_BYTES];

			if (blob->made_at != number || blob->read_at > number)
				continue;
			tensor_name(blob, blob->writers, f->value, f->value_bytes, tensor);
			onnx_write_output(&c->out, tensor);
		}
	return 0;
}

static int read_network(struct caffe *c)
{
	int r = index_weights(c);

	c->cap_blobs = c->text.n;
	c->blobs = calloc((size_t)c->cap_blobs + 1, sizeof(*c->blobs));
	if (r == 0 && (!c->blobs || names_init(&c->blob_names, (size_t)c->cap_blobs + 1) < 0))
		r = graph_error(c->error, -ENOMEM, "out of memory");
	if (r == 0)
		r = survey(c);
	onnx_writer_init(&c->out, OPSET);
	if (r == 0)
		r = net_inputs(c);
	for (c->layer = next_layer(c, -1); c->layer >= 0 && r == 0; c->layer = next_layer(c, c->layer), c->index++) {
		r = add_layer(c);
		finish_weights(c);
	}
	if (r == 0)
		r = add_outputs(c);
	if (r == 0 && onnx_writer_close(&c->out) < 0)
		r = graph_error(c->error, -ENOMEM, "out of memory");
	return r;
}

/* Where the first word of a text begins, behind white space and comments. */
static size_t first_word(const uint8_t *data, size_t size)
{
	bool comment = false;
	size_t i = 0;

	for (; i < size; i++) {
		if (data[i] == '#')
			comment = true;
		else if (data[i] == '\n')
			comment = false;
		else if (!comment && data[i] != ' ' && data[i] != '\t' && data[i] != '\r')
			break;
	}
	return i;
}

/* Text whose first field is one of a network's. */
bool import_is_caffe(const uint8_t *data, size_t size)
{
	static const char *const fields[] = {"name", "layer", "layers", "input", "input_dim", "input_shape"};
	size_t at = first_word(data, size), length = 0;

	while (at + length < size &&
	       ((data[at + length] >= 'a' && data[at + length] <= 'z') || data[at + length] == '_'))
		length++;
	for (size_t k = 0; k < sizeof(fields) / sizeof(*fields); k++)
		if (length == strlen(fields[k]) && !memcmp(data + at, fields[k], length))
			return true;
	return false;
}

int import_caffe(const struct import_source *source, struct graph *graph, struct engine_error *ret_error)
{
	struct caffe *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	c->error = ret_error;
	c->weights = (struct protobuf_bytes){source->weights, source->weights_size};
	r = caffe_text_parse(source->data, source->size, &c->text, ret_error);
	if (r == 0)
		r = read_network(c);
	if (r == 0) {
		struct import_source onnx = {.name = source->name, .data = c->out.file.data, .size = c->out.file.size};

		r = import_onnx(&onnx, graph, ret_error);
	}
	caffe_text_finish(&c->text);
	onnx_writer_finish(&c->out);
	finish_weights(c);
	names_finish(&c->weight_names);
	names_finish(&c->blob_names);
	free(c->messages);
	free(c->v1);
	free(c->blobs);
	free(c);
	return r;
}
