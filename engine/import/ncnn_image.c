/* ncnn_image.c - ncnn's layers on images, beside those with windows, and what detectors end with. */
#include "ncnn.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static bool is_whole(float factor)
{
	return factor >= 1.0f && factor <= 1024.0f && floorf(factor) == factor;
}

/* By the general operator, which works on images as they are, too. */
static int interp_by_operator(struct ncnn *n)
{
	int inputs[2], count = n->layer.n_inputs > 1 ? 2 : 1, node, r;
	bool image = ncnn_in_rank(n, 0) == 3;

	for (int i = 0; i < count; i++)
		inputs[i] = image && ncnn_in_rank(n, i) == 3 ? ncnn_as_image(n, i) : ncnn_as_file(n, i);
	node = ncnn_add_general(n, ncnn_operator("Interp"), inputs, count, ncnn_in_rank(n, 0) == 2 ? 2 : 4, 1);
	if (node < 0)
		return node;
	r = ncnn_copy_keys(n, ncnn_attributes_of(n, node));
	if (r == 0)
		r = attributes_add_integers(ncnn_attributes_of(n, node), "image", 5, (int64_t[]){image}, 1);
	if (r < 0)
		return ncnn_result(n, r);
	r = ncnn_set_output(n, 0, ncnn_node_output(n, node, 0), ncnn_in_rank(n, 0) == 2 ? 2 : 3, image);
	if (r == 0 && ncnn_in_rank(n, 0) != 2)
		ncnn_out_blob(n, 0)->channels = ncnn_in_blob(n, 0)->channels;
	return r;
}

int ncnn_on_interp(struct ncnn *n)
{
	int type = ncnn_int(&n->layer, 0, 0), w = ncnn_int(&n->layer, 4, 0), h = ncnn_int(&n->layer, 3, 0), x, value;
	float scale_h = ncnn_float(&n->layer, 1, 1.0f), scale_w = ncnn_float(&n->layer, 2, 1.0f);
	bool align = ncnn_int(&n->layer, 6, 0), fixed = w && h;
	struct graph_node *node;

	if (ncnn_in_rank(n, 0) > 3)
		return ncnn_refuse(n, -ENOTSUP, "resizes a blob of four axes");
	if (ncnn_in_rank(n, 0) != 3 || n->layer.n_inputs > 1 || type < 1 || type > 2 ||
	    (!fixed && (!is_whole(scale_h) || !is_whole(scale_w))))
		return interp_by_operator(n);
	x = ncnn_as_image(n, 0);
	value = x < 0 ? x : ncnn_add_node(n, GRAPH_RESIZE, &x, 1, 4, &node);
	if (value < 0)
		return ncnn_result(n, value);
	node->resize = (struct graph_resize){
		.bilinear = type == 2,
		.align_corners = type == 2 && align,
		.half_pixel = type == 2 && !align,
		.scale_h = scale_h,
		.scale_w = scale_w,
		.out_h = fixed ? h : 0,
		.out_w = fixed ? w : 0,
	};
	return ncnn_set_alike(n, value, true);
}

int ncnn_on_image_layer(struct ncnn *n)
{
	return ncnn_in_rank(n, 0) == 3 ? ncnn_become(n, n->layer.type, 1, NULL, 0, 3)
				       : ncnn_refuse(n, -ENOTSUP, "reads no image");
}

int ncnn_on_glu(struct ncnn *n)
{
	return ncnn_become(n, "GLU", 1, NULL, 0, ncnn_in_rank(n, 0));
}

int ncnn_on_argmax(struct ncnn *n)
{
	return ncnn_become(n, "ArgMax", 1, NULL, 0, 2);
}

/* The grid is [h][w][2] as in ONNX or, where the file says so, [2][h][w]. */
int ncnn_on_grid_sample(struct ncnn *n)
{
	static const char *const modes[] = {"linear", "nearest", "cubic"};
	static const char *const paddings[] = {"zeros", "border", "reflection"};
	int mode = ncnn_int(&n->layer, 0, 1), padding = ncnn_int(&n->layer, 1, 1), node, r;
	bool registered;
	int inputs[2];

	if (ncnn_in_rank(n, 0) != 3 || ncnn_in_rank(n, 1) != 3 || mode < 1 || mode > 3 || padding < 1 || padding > 3)
		return ncnn_refuse(n, -ENOTSUP, "samples in a way that is not known");
	inputs[0] = ncnn_as_file(n, 0);
	inputs[1] = ncnn_int(&n->layer, 3, 0) ? ncnn_as_image(n, 1) : ncnn_as_file(n, 1);
	node = ncnn_add_general(n, operators_find("GridSample", 10, &registered), inputs, 2, 4, 1);
	if (node < 0)
		return node;
	r = attributes_add_text(ncnn_attributes_of(n, node), "mode", 4, modes[mode - 1], strlen(modes[mode - 1]));
	if (r == 0)
		r = attributes_add_text(ncnn_attributes_of(n, node), "padding_mode", 12, paddings[padding - 1],
					strlen(paddings[padding - 1]));
	if (r == 0)
		r = attributes_add_integers(ncnn_attributes_of(n, node), "align_corners", 13,
					    (int64_t[]){ncnn_int(&n->layer, 2, 0) != 0}, 1);
	return r < 0 ? ncnn_result(n, r) : ncnn_set_output(n, 0, ncnn_node_output(n, node, 0), 3, false);
}

int ncnn_on_yolo(struct ncnn *n)
{
	bool masked = strcmp(n->layer.type, "Yolov3DetectionOutput") == 0, registered;
	double numbers[NCNN_ARRAY_POOL],
		thresholds[] = {(double)ncnn_float(&n->layer, 2, 0.01f), (double)ncnn_float(&n->layer, 3, 0.45f)};
	int64_t mask[NCNN_ARRAY_POOL];
	int inputs[ENGINE_OPERATOR_IO_MAX], node, r = 0, count = n->layer.n_inputs;
	struct engine_attributes *to;

	if (count > ENGINE_OPERATOR_IO_MAX)
		return ncnn_refuse(n, -ENOTSUP, "has too many inputs");
	for (int i = 0; i < count; i++) {
		if (ncnn_in_rank(n, i) != 3)
			return ncnn_refuse(n, -EINVAL, "reads no image");
		inputs[i] = ncnn_as_file(n, i);
	}
	node = ncnn_add_general(n, operators_find(n->layer.type, strlen(n->layer.type), &registered), inputs, count, 2,
				1);
	if (node < 0)
		return node;
	n->graph->values[ncnn_node_output(n, node, 0)].variable = true;
	to = ncnn_attributes_of(n, node);
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
	return r < 0 ? ncnn_result(n, r) : ncnn_set_output(n, 0, ncnn_node_output(n, node, 0), 2, false);
}
