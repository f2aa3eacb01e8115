/* onnx_image.c - ONNX operators on images, as the graph's own. */
#include "onnx.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Kernel, strides, dilations and padding of one or two sides; a side that is missing is 1. */
static int read_window(struct onnx *o, const int64_t *kernel, struct graph_window *w)
{
	int64_t strides[2] = {1, 1}, dilations[2] = {1, 1}, pads[4] = {0};

	onnx_integers_of(o, "strides", 2, strides);
	onnx_integers_of(o, "dilations", 2, dilations);
	onnx_integers_of(o, "pads", 4, pads);
	for (int i = 0; i < 2; i++)
		if (kernel[i] < 1 || kernel[i] > GRAPH_TAPS_MAX || strides[i] < 1 || strides[i] > GRAPH_WINDOW_MAX ||
		    dilations[i] < 1 || dilations[i] > GRAPH_WINDOW_MAX || pads[i] < 0 || pads[i] > GRAPH_WINDOW_MAX ||
		    pads[i + 2] < 0 || pads[i + 2] > GRAPH_WINDOW_MAX)
			return onnx_refuse(o, -EINVAL, "has an impossible window");
	*w = (struct graph_window){(int)kernel[0],	 (int)kernel[1],       (int)strides[0],
				   (int)strides[1],	 (int)dilations[0],    (int)dilations[1],
				   .top = (int)pads[0],	 .left = (int)pads[1], .bottom = (int)pads[2],
				   .right = (int)pads[3]};
	if (onnx_text_is(o, "auto_pad", "SAME_UPPER", false))
		w->pad_mode = GRAPH_PAD_SAME_UPPER;
	else if (onnx_text_is(o, "auto_pad", "SAME_LOWER", false))
		w->pad_mode = GRAPH_PAD_SAME_LOWER;
	else if (onnx_text_is(o, "auto_pad", "VALID", false))
		w->pad_mode = GRAPH_PAD_VALID;
	return 0;
}

/* [O][I][taps] of the file as [O][taps][I]. */
static int add_weights(struct onnx *o, const struct tensor *t, const int32_t dims[4])
{
	size_t out = (size_t)dims[0], taps = (size_t)dims[1] * (size_t)dims[2], in = (size_t)dims[3];
	float *from, *to = NULL;
	int value;

	if (onnx_borrow_weights(o, t, 4, dims, &value))
		return value;
	from = onnx_read_floats(o, t);
	value = from ? onnx_add_floats(o, 4, dims, &to) : -EINVAL;

	for (size_t k = 0; value >= 0 && k < out * taps * in; k++)
		to[k] = from[(k / (taps * in) * in + k % in) * taps + k / in % taps];
	free(from);
	return from ? onnx_result(o, onnx_note_quant(o, t, value, 0)) : value;
}

int onnx_on_conv(struct onnx *o)
{
	struct tensor *weights = onnx_input_of(o, 1);
	int64_t groups = onnx_integer_of(o, "group", 1);
	struct graph_window window;
	struct graph_node *node;
	int inputs[3] = {onnx_as_image(o, onnx_input_of(o, 0)), -1, -1}, value, r;
	const int32_t *dims;

	if (inputs[0] < 0)
		return inputs[0];
	if (!weights || !weights->is_constant || weights->constant.rank != 4)
		return onnx_refuse(o, -ENOTSUP, "has weights that are not constant or not those of an image");
	dims = weights->constant.dims;
	r = read_window(o, (int64_t[]){dims[2], dims[3]}, &window);
	if (r < 0)
		return r;
	if (groups < 1 || groups > INT32_MAX || (int64_t)dims[2] * dims[3] > GRAPH_TAPS_MAX)
		return onnx_refuse(o, -EINVAL, "has impossible groups or too large a kernel");
	inputs[1] = add_weights(o, weights, (int32_t[]){dims[0], dims[2], dims[3], dims[1]});
	inputs[2] = inputs[1] >= 0 && onnx_has_input(o, 2) ? onnx_as_file(o, onnx_input_of(o, 2)) : -1;
	if (inputs[1] < 0 || (onnx_has_input(o, 2) && inputs[2] < 0))
		return inputs[1] < 0 ? inputs[1] : inputs[2];
	value = onnx_begin_node(o, GRAPH_CONV, inputs, onnx_has_input(o, 2) ? 3 : 2, &node);
	if (value >= 0)
		node->conv = (struct graph_conv){.window = window, .groups = (int)groups};
	return onnx_set_output(o, 0, onnx_finish_node(o, value), true);
}

/* No window of ceil mode begins in the padding behind the input: ONNX leaves such a one out. */
static bool is_ceiled_alike(const struct graph_window *w, const struct graph_shape *x)
{
	int out, before, after;

	for (int i = 0; i < 2; i++) {
		if (graph_window_axis(w, i == 0, true, x->dims[1 + i], &out, &before, &after) < 0)
			return false;
		if ((int64_t)(out - 1) * (i ? w->stride_w : w->stride_h) >= (int64_t)x->dims[1 + i] + before)
			return false;
	}
	return true;
}

static int pool(struct onnx *o, enum graph_op op, bool global)
{
	bool ceil_mode;
	int64_t kernel[2] = {1, 1};
	struct graph_window window = {0};
	struct graph_node *node;
	int x = onnx_as_image(o, onnx_input_of(o, 0)), value, r;

	if (x < 0)
		return x;
	if (!global && onnx_integers_of(o, "kernel_shape", 2, kernel) != 2)
		return onnx_refuse(o, -ENOTSUP, "has no window of two sides");
	if (o->n_outputs > 1 && o->outputs[1] >= 0)
		return onnx_refuse(o, -ENOTSUP, "says where the largest were");
	r = read_window(o, kernel, &window);
	if (r < 0)
		return r;
	if (window.dilation_h != 1 || window.dilation_w != 1)
		return onnx_refuse(o, -ENOTSUP, "has a window with gaps");
	ceil_mode = onnx_integer_of(o, "ceil_mode", 0) != 0;
	/* Where a rounded-up window would begin behind the input, or counts padding that is not there. */
	if (ceil_mode && (op == GRAPH_AVGPOOL || !is_ceiled_alike(&window, &o->shapes[x])))
		return onnx_refuse(o, -ENOTSUP, "rounds its size up in a way of its own");
	value = onnx_begin_node(o, op, &x, 1, &node);
	if (value >= 0)
		node->pool = (struct graph_pool){.window = window,
						 .global = global,
						 .ceil_mode = ceil_mode,
						 .count_pad = onnx_integer_of(o, "count_include_pad", 0) != 0};
	return onnx_set_output(o, 0, onnx_finish_node(o, value), true);
}

int onnx_on_max_pool(struct onnx *o)
{
	return pool(o, GRAPH_MAXPOOL, false);
}

int onnx_on_average_pool(struct onnx *o)
{
	return pool(o, GRAPH_AVGPOOL, false);
}

int onnx_on_global_max_pool(struct onnx *o)
{
	return pool(o, GRAPH_MAXPOOL, true);
}

int onnx_on_global_average_pool(struct onnx *o)
{
	return pool(o, GRAPH_AVGPOOL, true);
}

/* scale * (x - mean) / sqrt(variance + epsilon) + bias. */
int onnx_on_batch_norm(struct onnx *o)
{
	float epsilon = onnx_number_of(o, "epsilon", 1e-5f), *numbers[4] = {NULL}, *scale = NULL, *shift = NULL;
	int32_t channels = onnx_input_of(o, 1) && onnx_input_of(o, 1)->is_constant
				   ? (int32_t)onnx_input_of(o, 1)->constant.count
				   : 0;
	struct graph_node *node;
	struct graph_shape shape;
	int inputs[3], r = 0, value;
	bool image;

	if (!onnx_input_of(o, 0) || !onnx_file_shape(o, onnx_input_of(o, 0), &shape) ||
	    onnx_integer_of(o, "training_mode", 0))
		return onnx_refuse(o, -ENOTSUP, "is not for inference");
	inputs[0] = shape.rank == 4 ? onnx_as_image(o, onnx_input_of(o, 0)) : onnx_as_file(o, onnx_input_of(o, 0));
	image = shape.rank == 4;
	if (inputs[0] < 0)
		return inputs[0];
	if (shape.rank != 4 && shape.rank != 2)
		return onnx_refuse(o, -ENOTSUP, "normalises neither images nor vectors");
	for (int i = 0; i < 4 && r == 0; i++) {
		const struct tensor *t = onnx_input_of(o, i + 1);

		if (!t || !t->is_constant || t->constant.count != (size_t)channels)
			r = onnx_refuse(o, -ENOTSUP, "has statistics that are not constant or not of one length");
		else
			numbers[i] = onnx_read_floats(o, t);
		if (r == 0 && !numbers[i])
			r = -EINVAL;
	}
	inputs[1] = r == 0 ? onnx_add_floats(o, 1, &channels, &scale) : -1;
	inputs[2] = inputs[1] >= 0 ? onnx_add_floats(o, 1, &channels, &shift) : inputs[1];
	for (int32_t c = 0; r == 0 && inputs[2] >= 0 && c < channels; c++) {
		scale[c] = numbers[0][c] / sqrtf(numbers[3][c] + epsilon);
		shift[c] = numbers[1][c] - scale[c] * numbers[2][c];
	}
	for (int i = 0; i < 4; i++)
		free(numbers[i]);
	if (r < 0 || inputs[2] < 0)
		return r < 0 ? r : onnx_result(o, inputs[2]);
	value = onnx_begin_node(o, GRAPH_BATCHNORM, inputs, 3, &node);
	return onnx_set_output(o, 0, onnx_finish_node(o, value), image);
}

static int resize_mode(struct onnx *o, struct graph_resize *resize)
{
	bool floors = onnx_text_is(o, "nearest_mode", "floor", false);

	resize->bilinear = onnx_text_is(o, "mode", "linear", false);
	resize->align_corners = onnx_text_is(o, "coordinate_transformation_mode", "align_corners", false);
	resize->half_pixel = onnx_text_is(o, "coordinate_transformation_mode", "half_pixel", o->opset > 10) ||
			     onnx_text_is(o, "coordinate_transformation_mode", "pytorch_half_pixel", false);
	if (!resize->bilinear && !onnx_text_is(o, "mode", "nearest", true))
		return onnx_refuse(o, -ENOTSUP, "resizes neither to the nearest nor linearly");
	if (!resize->bilinear && (resize->half_pixel || !(floors || o->opset < 11)))
		return onnx_refuse(o, -ENOTSUP, "rounds to the nearest in a way that is not known");
	return 0;
}

int onnx_on_resize(struct onnx *o)
{
	int sizes_at = o->opset > 10 ? 3 : -1, scales_at = o->opset > 10 ? 2 : 1,
	    x = onnx_as_image(o, onnx_input_of(o, 0)), value, r;
	struct tensor *scales = onnx_input_of(o, scales_at);
	struct graph_resize resize = {0};
	struct graph_node *node;
	int64_t sizes[4];

	if (x < 0)
		return x;
	r = resize_mode(o, &resize);
	if (r < 0)
		return r;
	if (sizes_at >= 0 && onnx_has_input(o, sizes_at)) {
		if (onnx_list_of(o, "", sizes_at, 4, sizes) != 4)
			return onnx_refuse(o, -ENOTSUP, "has no sizes for four axes");
		if (sizes[0] != o->shapes[x].dims[0] || sizes[1] != o->shapes[x].dims[3])
			return onnx_refuse(o, -ENOTSUP, "resizes more than height and width");
		if (sizes[2] < 1 || sizes[2] > INT32_MAX || sizes[3] < 1 || sizes[3] > INT32_MAX)
			return onnx_refuse(o, -EINVAL, "makes an impossible size");
		resize.out_h = (int)sizes[2];
		resize.out_w = (int)sizes[3];
	} else {
		float *factors;

		if (!scales || !scales->is_constant || scales->constant.count != 4)
			return onnx_refuse(o, -ENOTSUP, "has no constant scales for four axes");
		factors = onnx_read_floats(o, scales);
		if (!factors)
			return -EINVAL;
		resize.scale_h = factors[2];
		resize.scale_w = factors[3];
		r = factors[0] == 1 && factors[1] == 1 ? 0
						       : onnx_refuse(o, -ENOTSUP, "resizes more than height and width");
		free(factors);
		if (r < 0)
			return r;
	}
	value = onnx_begin_node(o, GRAPH_RESIZE, &x, 1, &node);
	if (value >= 0)
		node->resize = resize;
	return onnx_set_output(o, 0, onnx_finish_node(o, value), true);
}
