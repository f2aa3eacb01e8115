/* caffe_image.c - Caffe's layers with weights or windows over images. */
#include "caffe.h"

#include <errno.h>
#include <string.h>

/* ---- windows ----------------------------------------------------------------------------------- */

static void window_attributes(struct caffe *c, const int64_t kernel[2], const int64_t stride[2], const int64_t pad[2])
{
	onnx_node_integers(&c->out, "kernel_shape", 2, kernel);
	onnx_node_integers(&c->out, "strides", 2, stride);
	onnx_node_integers(&c->out, "pads", 4, (int64_t[]){pad[0], pad[1], pad[0], pad[1]});
}

int caffe_on_conv(struct caffe *c)
{
	bool transposed = strstr(c->type, "Deconvolution") != NULL;
	int p = caffe_parameters(c, "convolution_param"), r;
	int64_t kernel[2], stride[2], pad[2], dilation[2], out = caffe_whole(c, p, "num_output", 0);
	bool bias = caffe_bool(&c->text, p, "bias_term", true);
	int64_t groups = caffe_whole(c, p, "group", 1), in;
	char w[CAFFE_NAME_BYTES], b[CAFFE_NAME_BYTES];
	const char *inputs[] = {caffe_bottom(c), w, b};

	caffe_pair(c, p, "kernel_size", "kernel_h", "kernel_w", 0, kernel);
	caffe_pair(c, p, "stride", "stride_h", "stride_w", 1, stride);
	caffe_pair(c, p, "pad", "pad_h", "pad_w", 0, pad);
	caffe_pair(c, p, "dilation", "dilation_h", "dilation_w", 1, dilation);
	if (strstr(c->type, "epthwise"))
		groups = out;
	if (out < 1 || groups < 1 || out % groups || kernel[0] < 1 || kernel[1] < 1 || c->n_w < 1)
		return caffe_refuse(c, -EINVAL,
				    c->n_w < 1 ? "has no weights in the .caffemodel" : "has impossible sizes");
	/* Of a transposed convolution the input's channels come first. */
	in = (int64_t)(c->w[0].count / (size_t)kernel[0] / (size_t)kernel[1]) * (transposed ? groups : 1) / out;
	r = caffe_add_weights(c, 0, 4,
			      transposed ? (int64_t[]){in, out / groups, kernel[0], kernel[1]}
					 : (int64_t[]){out, in, kernel[0], kernel[1]},
			      w);
	if (r == 0 && bias)
		r = caffe_add_weights(c, 1, 1, &out, b);
	if (r < 0)
		return r;
	caffe_open_node(c, transposed ? "ConvTranspose" : "Conv", inputs, bias ? 3 : 2, caffe_top(c));
	window_attributes(c, kernel, stride, pad);
	onnx_node_integers(&c->out, "dilations", 2, dilation);
	onnx_node_integer(&c->out, "group", groups);
	onnx_close_node(&c->out);
	return 0;
}

/* Sizes are rounded up unless the layer says otherwise; padding counts in the mean. */
int caffe_on_pooling(struct caffe *c)
{
	int p = caffe_parameters(c, "pooling_param");
	bool mean = caffe_is(&c->text, p, "pool", "AVE") || caffe_is(&c->text, p, "pool", "1");
	bool down = caffe_is(&c->text, p, "round_mode", "FLOOR") || caffe_is(&c->text, p, "round_mode", "1") ||
		    !caffe_bool(&c->text, p, "ceil_mode", true);
	int64_t kernel[2], stride[2], pad[2];
	const char *inputs[] = {caffe_bottom(c)};

	if (caffe_is(&c->text, p, "pool", "STOCHASTIC") || c->n_tops > 1)
		return caffe_refuse(c, -ENOTSUP, "pools at random, or tells where");
	if (caffe_bool(&c->text, p, "global_pooling", false)) {
		caffe_add_node(c, mean ? "GlobalAveragePool" : "GlobalMaxPool", caffe_bottom(c), NULL, caffe_top(c));
		return 0;
	}
	caffe_pair(c, p, "kernel_size", "kernel_h", "kernel_w", 0, kernel);
	caffe_pair(c, p, "stride", "stride_h", "stride_w", 1, stride);
	caffe_pair(c, p, "pad", "pad_h", "pad_w", 0, pad);
	caffe_open_node(c, mean ? "AveragePool" : "MaxPool", inputs, 1, caffe_top(c));
	window_attributes(c, kernel, stride, pad);
	onnx_node_integer(&c->out, "ceil_mode", !down);
	if (mean)
		onnx_node_integer(&c->out, "count_include_pad", 1);
	onnx_close_node(&c->out);
	return 0;
}

int caffe_on_inner_product(struct caffe *c)
{
	int p = caffe_parameters(c, "inner_product_param"), r;
	int64_t out = caffe_whole(c, p, "num_output", 0), in;
	bool turned = caffe_bool(&c->text, p, "transpose", false), bias = caffe_bool(&c->text, p, "bias_term", true);
	char flat[CAFFE_NAME_BYTES], w[CAFFE_NAME_BYTES], b[CAFFE_NAME_BYTES];
	const char *inputs[] = {flat, w, b}, *whole_input[] = {caffe_bottom(c)};

	if (out < 1 || c->n_w < 1)
		return caffe_refuse(c, -EINVAL, c->n_w < 1 ? "has no weights in the .caffemodel" : "has no outputs");
	in = (int64_t)(c->w[0].count / (size_t)out);
	r = caffe_add_weights(c, 0, 2, turned ? (int64_t[]){in, out} : (int64_t[]){out, in}, w);
	if (r == 0 && bias)
		r = caffe_add_weights(c, 1, 1, &out, b);
	if (r < 0)
		return r;
	caffe_inner_name(c, flat);
	caffe_open_node(c, "Flatten", whole_input, 1, flat);
	onnx_node_integer(&c->out, "axis", caffe_whole(c, p, "axis", 1));
	onnx_close_node(&c->out);
	caffe_open_node(c, "Gemm", inputs, bias ? 3 : 2, caffe_top(c));
	onnx_node_integer(&c->out, "transB", !turned);
	onnx_close_node(&c->out);
	return 0;
}

/* ---- shapes and places ------------------------------------------------------------------------- */

int caffe_on_lrn(struct caffe *c)
{
	int p = caffe_parameters(c, "lrn_param");
	const char *inputs[] = {caffe_bottom(c)};

	if (caffe_is(&c->text, p, "norm_region", "WITHIN_CHANNEL") || caffe_is(&c->text, p, "norm_region", "1"))
		return caffe_refuse(c, -ENOTSUP, "normalises within channels");
	caffe_open_node(c, "LRN", inputs, 1, caffe_top(c));
	onnx_node_integer(&c->out, "size", caffe_whole(c, p, "local_size", 5));
	onnx_node_number(&c->out, "alpha", (float)caffe_number(&c->text, p, "alpha", 1));
	onnx_node_number(&c->out, "beta", (float)caffe_number(&c->text, p, "beta", 0.75));
	onnx_node_number(&c->out, "bias", (float)caffe_number(&c->text, p, "k", 1));
	onnx_close_node(&c->out);
	return 0;
}

/* Upsample by a whole factor to the nearest; Interp to a size, corners on corners. */
int caffe_on_resize(struct caffe *c)
{
	bool interp = !strcmp(c->type, "Interp");
	int p = caffe_parameters(c, interp ? "interp_param" : "upsample_param");
	int64_t h = caffe_whole(c, p, "height", 0), w = caffe_whole(c, p, "width", 0);
	float scale = (float)caffe_number(&c->text, p, "scale", 2), scales[] = {1, 1, scale, scale};
	char names[3][CAFFE_NAME_BYTES];
	const char *inputs[] = {caffe_bottom(c), "", "", names[2]};

	if (interp && (h < 1 || w < 1))
		return caffe_refuse(c, -ENOTSUP, "has no height and width");
	if (interp) {
		char begin[CAFFE_NAME_BYTES], end[CAFFE_NAME_BYTES], shape[CAFFE_NAME_BYTES];
		const char *slice[] = {shape, begin, end};

		caffe_inner_name(c, shape);
		caffe_add_node(c, "Shape", caffe_bottom(c), NULL, shape);
		caffe_add_integers(c, 1, (int64_t[]){0}, begin);
		caffe_add_integers(c, 1, (int64_t[]){2}, end);
		caffe_inner_name(c, names[0]);
		caffe_open_node(c, "Slice", slice, 3, names[0]);
		onnx_close_node(&c->out);
		caffe_add_integers(c, 2, (int64_t[]){h, w}, names[1]);
		caffe_join(c, names[0], names[1], names[2]);
	} else {
		caffe_add_floats(c, 1, (int64_t[]){4}, scales, 4, names[2]);
		inputs[2] = names[2];
	}
	caffe_open_node(c, "Resize", inputs, interp ? 4 : 3, caffe_top(c));
	onnx_node_text(&c->out, "mode", interp ? "linear" : "nearest");
	onnx_node_text(&c->out, "coordinate_transformation_mode", interp ? "align_corners" : "asymmetric");
	onnx_node_text(&c->out, "nearest_mode", "floor");
	onnx_close_node(&c->out);
	return 0;
}
