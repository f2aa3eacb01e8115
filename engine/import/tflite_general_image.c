/* tflite_general_image.c - TFLite's operators on images, by general operators. */
#include "tflite_general.h"

#include <errno.h>
#include <string.h>

/* ---- windows ----------------------------------------------------------------------------------- */

static struct tflite_attributes window(struct tflite *t, int64_t dilation_h, int64_t dilation_w)
{
	struct tflite_attributes a = tflite_no_attributes();

	tflite_set_text(&a, "auto_pad", flatbuffer_i8(&t->fb, t->options, 0, 0) ? "VALID" : "SAME_UPPER");
	tflite_set_integers(
		&a, "strides", 2,
		(int64_t[]){flatbuffer_i32(&t->fb, t->options, 2, 0), flatbuffer_i32(&t->fb, t->options, 1, 0)});
	if (dilation_h != 1 || dilation_w != 1)
		tflite_set_integers(&a, "dilations", 2, (int64_t[]){dilation_h, dilation_w});
	return a;
}

/* Convolutions of both kinds: [O][H][W][I], or [1][H][W][O] with as many groups as the input has channels. */
int tflite_general_on_conv(struct tflite *t)
{
	bool depthwise = t->code == 4;
	int inputs[3], r = tflite_operands(t, 3, inputs), field = depthwise ? 5 : 4;
	struct graph_shape x = {0}, w = {0};
	struct tflite_attributes a;
	int64_t groups;

	if (r == 0)
		r = tflite_shape_of(t, inputs[0], &x);
	if (r == 0)
		r = tflite_shape_of(t, inputs[1], &w);
	if (r < 0)
		return r;
	if (x.rank != 4 || w.rank != 4 || w.dims[3] < 1 || x.dims[3] < 1)
		return tflite_refuse(t, -EINVAL, "has no image or no weights of four axes");
	groups = depthwise ? x.dims[3] : x.dims[3] / w.dims[3];
	inputs[0] = tflite_channels_first(t, inputs[0]);
	inputs[1] = tflite_transpose(t, inputs[1], 4, depthwise ? (int64_t[]){3, 0, 1, 2} : (int64_t[]){0, 3, 1, 2});
	a = window(t, flatbuffer_i32(&t->fb, t->options, field + 1, 1), flatbuffer_i32(&t->fb, t->options, field, 1));
	tflite_set_integer(&a, "group", groups);
	return tflite_finish_output(
		t, 0,
		tflite_channels_last(
			t, tflite_activate(t, tflite_add_general(t, "Conv", inputs, inputs[2] >= 0 ? 3 : 2, a),
					   depthwise ? 4 : 3)));
}

int tflite_general_on_pool(struct tflite *t)
{
	int x = tflite_channels_first(t, tflite_operand(t, 0));
	struct tflite_attributes a;

	if (x < 0)
		return x;
	a = window(t, 1, 1);
	tflite_set_integers(
		&a, "kernel_shape", 2,
		(int64_t[]){flatbuffer_i32(&t->fb, t->options, 4, 0), flatbuffer_i32(&t->fb, t->options, 3, 0)});
	return tflite_finish_output(
		t, 0,
		tflite_channels_last(
			t, tflite_activate(t, tflite_add_general(t, tflite_onnx_name(t->code), &x, 1, a), 5)));
}

/*
 * The padding of a transposed convolution is what makes its output as large as is wanted, half of it in front.  Weights
 * are [O][H][W][I].
 */
static int transposed_conv(struct tflite *t, int x, int weights, int bias, const int64_t stride[2],
			   const int64_t out[2])
{
	int64_t pads[4], extra[2];
	struct graph_shape in = {0}, w = {0};
	int r = tflite_shape_of(t, x, &in), inputs[3] = {-1, -1, bias};
	struct tflite_attributes a;

	if (r == 0)
		r = tflite_shape_of(t, weights, &w);
	if (r < 0)
		return r;
	if (in.rank != 4 || w.rank != 4)
		return tflite_refuse(t, -EINVAL, "has no image or no weights of four axes");
	for (int i = 0; i < 2; i++) {
		int64_t full = (in.dims[1 + i] - 1) * stride[i] + w.dims[1 + i];
		int64_t cut = full > out[i] ? full - out[i] : 0;

		pads[i] = cut / 2;
		pads[2 + i] = cut - cut / 2;
		extra[i] = out[i] > full ? out[i] - full : 0;
	}
	inputs[0] = tflite_channels_first(t, x);
	inputs[1] = tflite_transpose(t, weights, 4, (int64_t[]){3, 0, 1, 2});
	a = tflite_no_attributes();
	tflite_set_integers(&a, "strides", 2, stride);
	tflite_set_integers(&a, "pads", 4, pads);
	tflite_set_integers(&a, "output_padding", 2, extra);
	return tflite_channels_last(t, tflite_add_general(t, "ConvTranspose", inputs, bias >= 0 ? 3 : 2, a));
}

int tflite_general_on_transpose_conv(struct tflite *t)
{
	int64_t stride[2] = {flatbuffer_i32(&t->fb, t->options, 2, 0), flatbuffer_i32(&t->fb, t->options, 1, 0)};
	int inputs[4], r = tflite_operands(t, 4, inputs);
	int32_t out[4];

	if (r < 0)
		return r;
	if (tflite_integers(t, 0, 4, out) != 4)
		return tflite_refuse(t, -ENOTSUP, "makes an image of a size that is not constant");
	if (stride[0] < 1 || stride[1] < 1 || stride[0] > GRAPH_WINDOW_MAX || stride[1] > GRAPH_WINDOW_MAX)
		return tflite_refuse(t, -EINVAL, "has impossible strides");
	r = transposed_conv(t, inputs[2], inputs[1], inputs[3], stride, (int64_t[]){out[1], out[2]});
	return tflite_finish_output(t, 0, tflite_activate(t, r, 3));
}

/* Its options are three integers as C lays them out: padding (1 same, 2 valid), stride across, stride down. */
int tflite_general_on_transpose_conv_bias(struct tflite *t)
{
	int inputs[3], r = tflite_operands(t, 3, inputs);
	struct graph_shape x = {0}, w = {0};
	int64_t stride[2], out[2];
	int32_t options[3];

	if (r == 0)
		r = tflite_shape_of(t, inputs[0], &x);
	if (r == 0)
		r = tflite_shape_of(t, inputs[1], &w);
	if (r < 0)
		return r;
	if (t->custom_options.count < sizeof(options) || x.rank != 4 || w.rank != 4)
		return tflite_refuse(t, -EINVAL, "has no options, no image or no weights");
	memcpy(options, t->fb.data + t->custom_options.at, sizeof(options));
	for (int i = 0; i < 2; i++) {
		stride[i] = options[2 - i];
		if (stride[i] < 1 || stride[i] > GRAPH_WINDOW_MAX)
			return tflite_refuse(t, -EINVAL, "has impossible strides");
		out[i] = options[0] == 1 ? x.dims[1 + i] * stride[i] : (x.dims[1 + i] - 1) * stride[i] + w.dims[1 + i];
	}
	return tflite_finish_output(t, 0, transposed_conv(t, inputs[0], inputs[1], inputs[2], stride, out));
}

int tflite_general_on_depth_space(struct tflite *t)
{
	int x = tflite_channels_first(t, tflite_operand(t, 0));
	int64_t block = flatbuffer_i32(&t->fb, t->options, 0, 0);

	return tflite_finish_output(
		t, 0,
		tflite_channels_last(t, x < 0 ? x
					      : tflite_add_general(t, tflite_onnx_name(t->code), &x, 1,
								   tflite_with_integer("blocksize", block))));
}

/* ONNX divides alpha by the number of channels that are summed. */
int tflite_general_on_lrn(struct tflite *t)
{
	int64_t size = 2 * flatbuffer_i32(&t->fb, t->options, 0, 0) + 1;
	int x = tflite_channels_first(t, tflite_operand(t, 0));
	struct tflite_attributes a;

	if (x < 0)
		return x;
	a = tflite_with_integer("size", size);
	tflite_set_number(&a, "bias", (double)flatbuffer_f32(&t->fb, t->options, 1, 0));
	tflite_set_number(&a, "alpha", (double)flatbuffer_f32(&t->fb, t->options, 2, 0) * (double)size);
	tflite_set_number(&a, "beta", (double)flatbuffer_f32(&t->fb, t->options, 3, 0));
	return tflite_finish_output(t, 0, tflite_channels_last(t, tflite_add_general(t, "LRN", &x, 1, a)));
}

int tflite_general_on_l2_norm(struct tflite *t)
{
	int x = tflite_operand(t, 0);
	struct tflite_attributes a;

	if (x < 0)
		return x;
	a = tflite_with_integer("axis", -1);
	tflite_set_integer(&a, "p", 2);
	return tflite_finish_output(t, 0, tflite_activate(t, tflite_add_general(t, "LpNormalization", &x, 1, a), 0));
}

int tflite_general_on_resize(struct tflite *t)
{
	bool linear = t->code == 23;
	bool corners = flatbuffer_u8(&t->fb, t->options, linear ? 2 : 0, 0);
	bool half = flatbuffer_u8(&t->fb, t->options, linear ? 3 : 1, 0);
	int inputs[4] = {tflite_operand(t, 0), -1, -1, -1};
	struct graph_shape x = {0};
	struct tflite_attributes a;
	int32_t size[2];
	int r = tflite_shape_of(t, inputs[0], &x);

	if (r < 0)
		return r;
	if (x.rank != 4 || tflite_integers(t, 1, 2, size) != 2)
		return tflite_refuse(t, -ENOTSUP, "has a size that is not constant");
	inputs[3] = tflite_add_integers(t, 4, (int64_t[]){x.dims[0], size[0], size[1], x.dims[3]});
	a = tflite_no_attributes();
	tflite_set_text(&a, "mode", linear ? "linear" : "nearest");
	tflite_set_text(&a, "coordinate_transformation_mode",
			corners ? "align_corners"
			: half	? "half_pixel"
				: "asymmetric");
	tflite_set_text(&a, "nearest_mode", corners || half ? "round_prefer_ceil" : "floor");
	return tflite_finish_output(t, 0, tflite_add_general(t, "Resize", inputs, 4, a));
}

/* ---- images cut into parts ---------------------------------------------------------------------- */

int tflite_cut(struct tflite *t, struct tflite_tensor *tensor)
{
	const struct tflite_blocks *b = &tensor->blocks;
	struct graph_shape x = {0};
	int r = tflite_shape_of(t, tensor->value, &x), inputs[2] = {tensor->value, -1}, value;
	int64_t h, w;

	if (r < 0)
		return r;
	h = (int64_t)x.dims[1] + b->top + b->bottom;
	w = (int64_t)x.dims[2] + b->left + b->right;
	if (x.rank != 4 || b->conv >= 0 || h % b->h || w % b->w || h > INT32_MAX || w > INT32_MAX)
		return tflite_refuse(t, -ENOTSUP, "works on the parts of an image");
	inputs[1] = tflite_add_integers(t, 8, (int64_t[]){0, b->top, b->left, 0, 0, b->bottom, b->right, 0});
	value = tflite_reshape_as(t, tflite_add_general(t, "Pad", inputs, 2, tflite_no_attributes()), 6,
				  (int32_t[]){x.dims[0], (int32_t)h / b->h, b->h, (int32_t)w / b->w, b->w, x.dims[3]});
	value = value < 0 ? value : tflite_transpose(t, value, 6, (int64_t[]){2, 4, 0, 1, 3, 5});
	value = tflite_reshape_as(t, value, 4, (int32_t[]){-1, (int32_t)h / b->h, (int32_t)w / b->w, x.dims[3]});
	tensor->blocks = (struct tflite_blocks){0};
	return value < 0 ? value : tflite_rename_to(t, tensor, value);
}

int tflite_general_on_batch_to_space(struct tflite *t)
{
	int32_t block[2], crops[4], parts;
	int x = tflite_operand(t, 0), r;
	struct graph_shape shape = {0};
	int64_t from[4] = {0}, to[4] = {INT32_MAX, 0, 0, INT32_MAX}, step[4] = {1, 1, 1, 1};

	r = tflite_shape_of(t, x, &shape);
	if (r < 0)
		return r;
	if (shape.rank != 4 || tflite_integers(t, 1, 2, block) != 2 || tflite_integers(t, 2, 4, crops) != 4)
		return tflite_refuse(t, -ENOTSUP, "joins other axes than height and width");
	for (int i = 0; i < 2; i++) {
		int64_t side = (int64_t)shape.dims[1 + i] * block[i];

		if (block[i] < 1 || block[i] > GRAPH_WINDOW_MAX || crops[2 * i] < 0 || crops[2 * i + 1] < 0 ||
		    (int64_t)crops[2 * i] + crops[2 * i + 1] >= side || side > INT32_MAX)
			return tflite_refuse(t, -EINVAL, "has an impossible block or crop");
		from[1 + i] = crops[2 * i];
		to[1 + i] = side - crops[2 * i + 1];
	}
	parts = (int32_t)((int64_t)block[0] * block[1] > shape.dims[0] ? 0 : block[0] * block[1]);
	if (!parts || shape.dims[0] % parts)
		return tflite_refuse(t, -EINVAL, "joins fewer parts than there are");
	x = tflite_reshape_as(
		t, x, 6,
		(int32_t[]){block[0], block[1], shape.dims[0] / parts, shape.dims[1], shape.dims[2], shape.dims[3]});
	x = x < 0 ? x : tflite_transpose(t, x, 6, (int64_t[]){2, 3, 0, 4, 1, 5});
	x = tflite_reshape_as(t, x, 4,
			      (int32_t[]){-1, shape.dims[1] * block[0], shape.dims[2] * block[1], shape.dims[3]});
	return tflite_finish_output(t, 0, tflite_slice(t, x, 4, from, to, step));
}
