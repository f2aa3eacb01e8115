/* test_import_onnx.c - ONNX files made here, and real ones cut and damaged. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "imported.h"
#include "protobuf_builder.h"
#include "support/test.h"

TEST_SUITE(import_onnx);

static struct message graph, whole;

static struct file finish(int64_t opset)
{
	onnx_file(&whole, &graph, opset);
	return (struct file){whole.data, whole.size, NULL, 0};
}

#define DIMS(...)                                                                                                      \
	(const int64_t[])                                                                                              \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}

/* x: 1 x 2 x 2 x 2, channel by channel, which is how the engine takes it as 1 x 2 x 2 x 2 pixel by pixel. */
static const float pixels[8] = {1, -5, 2, 6, 3, 7, 4, -8};

static void begin_image(void)
{
	graph.size = 0;
	onnx_input(&graph, "x", 4, DIMS(0, 2, 2, 2));
}

static void expect(int64_t opset, const float *answer, int n)
{
	struct file file = finish(opset);
	float output[64];

	imported_run(&file, pixels, sizeof(pixels), output, (size_t)n * sizeof(float));
	for (int i = 0; i < n; i++)
		cr_assert_float_eq(output[i], answer[i], 1e-5, "%d: %g and not %g", i, (double)output[i],
				   (double)answer[i]);
}

/* As exporters write float16 weights of networks that compute in float32. */
Test(import_onnx, weights_of_float16_behind_a_cast)
{
	static const uint16_t halves[] = {0x3c00, 0x3800, 0xbc00, 0x4000}; /* 1, 0.5, -1, 2 */
	float answer[8];

	for (int i = 0; i < 4; i++) {
		answer[2 * i] = pixels[2 * i] + 0.5f * pixels[2 * i + 1];
		answer[2 * i + 1] = -pixels[2 * i] + 2 * pixels[2 * i + 1];
	}
	begin_image();
	onnx_raw(&graph, "half", 10, 4, DIMS(2, 2, 1, 1), halves, sizeof(halves));
	onnx_attribute_integer(onnx_node(&graph, "Cast", "half", "w"), "to", 1);
	onnx_node(&graph, "Conv", "x w", "y");
	onnx_output(&graph, "y");
	expect(13, answer, 8);
}

/* A convolution of 1x1, ReLU, the mean over the picture, and a matrix: what a classifier is made of. */
Test(import_onnx, a_small_classifier)
{
	static const float weights[] = {1, 0.5f, -1, 2}, bias[] = {0.25f, -1}, matrix[] = {1, 2, -1, 0.5f, 0, 1};
	float first = 0, second = 0, answer[3];

	for (int i = 0; i < 4; i++) {
		first += fmaxf(pixels[2 * i] + 0.5f * pixels[2 * i + 1] + 0.25f, 0) / 4;
		second += fmaxf(-pixels[2 * i] + 2 * pixels[2 * i + 1] - 1, 0) / 4;
	}
	for (int i = 0; i < 3; i++)
		answer[i] = first * matrix[i] + second * matrix[3 + i];
	begin_image();
	onnx_floats(&graph, "w", 4, DIMS(2, 2, 1, 1), weights);
	onnx_floats(&graph, "b", 1, DIMS(2), bias);
	onnx_floats(&graph, "m", 2, DIMS(2, 3), matrix);
	onnx_node(&graph, "Conv", "x w b", "c");
	onnx_node(&graph, "Relu", "c", "r");
	onnx_node(&graph, "GlobalAveragePool", "r", "g");
	onnx_attribute_integer(onnx_node(&graph, "Flatten", "g", "f"), "axis", 1);
	onnx_node(&graph, "Gemm", "f m", "y");
	onnx_output(&graph, "y");
	expect(13, answer, 3);
}

/* Flattening follows the file's order, not that of pixels. */
Test(import_onnx, reshape_follows_the_order_of_the_file)
{
	static const float answer[] = {1, 2, 3, 4, -5, 6, 7, -8};

	begin_image();
	onnx_integers(&graph, "s", 2, DIMS(0, -1));
	onnx_node(&graph, "Reshape", "x s", "y");
	onnx_output(&graph, "y");
	expect(13, answer, 8);
}

/* Channels x0 x1 r0 r1 of which the shuffle of two groups makes x0 r0 x1 r1; `back` is the shape that it ends in. */
static void add_shuffle(const int64_t *groups, int n, const int64_t *back)
{
	begin_image();
	onnx_node(&graph, "Relu", "x", "r");
	onnx_attribute_integer(onnx_node(&graph, "Concat", "x r", "c"), "axis", 1);
	onnx_integers(&graph, "g", 5, groups);
	onnx_node(&graph, "Reshape", "c g", "split");
	onnx_attribute_integers(onnx_node(&graph, "Transpose", "split", "turned"), "perm", 5, DIMS(0, 2, 1, 3, 4));
	onnx_integers(&graph, "b", n, back);
	onnx_node(&graph, "Reshape", "turned b", "y");
	onnx_output(&graph, "y");
}

/* As an image they come out pixel by pixel. */
Test(import_onnx, a_shuffle_of_channels_stays_an_image)
{
	static const float answer[] = {1, 1, -5, 0, 2, 2, 6, 6, 3, 3, 7, 7, 4, 4, -8, 0};

	add_shuffle(DIMS(1, 2, 2, 2, 2), 4, DIMS(1, 4, 2, 2));
	expect(13, answer, 16);
	add_shuffle(DIMS(0, 2, -1, 2, 2), 4, DIMS(0, -1, 2, 2));
	expect(13, answer, 16);
}

Test(import_onnx, reshapes_like_a_shuffle_follow_the_order_of_the_file)
{
	static const float shuffled[] = {1, 2, 3, 4, 1, 2, 3, 4, -5, 6, 7, -8, 0, 6, 7, 0};
	static const float pairs[] = {1, 2, -5, 6, 3, 4, 7, -8, 1, 2, 0, 6, 3, 4, 7, 0};

	add_shuffle(DIMS(1, 2, 2, 2, 2), 2, DIMS(1, -1));
	expect(13, shuffled, 16);
	add_shuffle(DIMS(1, 2, 2, 2, 2), 4, DIMS(1, 2, 4, 2));
	expect(13, shuffled, 16);
	add_shuffle(DIMS(2, 2, 2, 2, 1), 2, DIMS(1, -1));
	expect(13, pairs, 16);
}

/* What exporters make of x.view(x.size(0), -1). */
Test(import_onnx, shapes_that_follow_from_shapes_are_known)
{
	static const float answer[] = {1, 2, 3, 4, -5, 6, 7, -8};

	begin_image();
	onnx_integers(&graph, "i", 1, DIMS(0));
	onnx_integers(&graph, "minus", 1, DIMS(-1));
	onnx_node(&graph, "Shape", "x", "s");
	onnx_attribute_integer(onnx_node(&graph, "Gather", "s i", "n"), "axis", 0);
	onnx_attribute_integer(onnx_node(&graph, "Concat", "n minus", "d"), "axis", 0);
	onnx_node(&graph, "Reshape", "x d", "y");
	onnx_output(&graph, "y");
	expect(11, answer, 8);
}

/* A constant of three axes belongs to the channels of an image, and axes are the file's. */
Test(import_onnx, axes_and_constants_are_those_of_the_file)
{
	static const float shift[] = {10, 100}, part[] = {11, 12, 13, 14},
			   joined[] = {11, 95, 11, 95, 12, 106, 12, 106, 13, 107, 13, 107, 14, 92, 14, 92};

	begin_image();
	onnx_floats(&graph, "k", 3, DIMS(2, 1, 1), shift);
	onnx_integers(&graph, "from", 1, DIMS(0));
	onnx_integers(&graph, "to", 1, DIMS(1));
	onnx_integers(&graph, "axis", 1, DIMS(1));
	onnx_node(&graph, "Add", "x k", "a");
	onnx_node(&graph, "Slice", "a from to axis", "y");
	onnx_output(&graph, "y");
	expect(11, part, 4);

	begin_image();
	onnx_floats(&graph, "k", 3, DIMS(2, 1, 1), shift);
	onnx_node(&graph, "Add", "x k", "a");
	onnx_attribute_integer(onnx_node(&graph, "Concat", "a a", "y"), "axis", -3);
	onnx_output(&graph, "y");
	expect(11, joined, 16);
}

Test(import_onnx, bounds_are_attributes_or_inputs)
{
	static const float answer[] = {1, 0, 2, 6, 3, 6, 4, 0}, six[] = {6}, zero[] = {0};
	struct message *node;

	begin_image();
	node = onnx_node(&graph, "Clip", "x", "y");
	onnx_attribute_float(node, "min", 0);
	onnx_attribute_float(node, "max", 6);
	onnx_output(&graph, "y");
	expect(7, answer, 8);
	begin_image();
	onnx_floats(&graph, "lo", 0, NULL, zero);
	onnx_floats(&graph, "hi", 0, NULL, six);
	onnx_node(&graph, "Clip", "x lo hi", "y");
	onnx_output(&graph, "y");
	expect(11, answer, 8);
}

Test(import_onnx, refusals_name_the_node_and_the_operator)
{
	struct file file;

	begin_image();
	onnx_node(&graph, "Dance", "x", "y");
	onnx_output(&graph, "y");
	file = finish(13);
	imported_refuse(&file, -ENOTSUP, "node 'y' (Dance): is an unknown operator");
	begin_image();
	onnx_node(&graph, "Relu", "z", "y");
	onnx_output(&graph, "y");
	file = finish(13);
	imported_refuse(&file, -EINVAL, "node 'y': nothing before it makes 'z'");
	begin_image();
	onnx_node(&graph, "Relu", "x", "y");
	onnx_node(&graph, "Relu", "x", "y");
	onnx_output(&graph, "y");
	file = finish(13);
	imported_refuse(&file, -EINVAL, "a second time");
	begin_image();
	onnx_attribute_integer(onnx_node(&graph, "Conv", "x x", "y"), "group", 3);
	onnx_output(&graph, "y");
	file = finish(13);
	imported_refuse(&file, -EINVAL, "node 'y' (Conv) has weights of 1x2 in 3 groups for 2 channels");
	begin_image();
	onnx_node(&graph, "Relu", "x", "y");
	onnx_output(&graph, "q");
	file = finish(13);
	imported_refuse(&file, -ENOTSUP, "output 'q' is no tensor that is computed");
	file = finish(22);
	imported_refuse(&file, -ENOTSUP, "opset 22 is not within 1..21");
}

/* Nothing is allocated for what a shape promises. */
Test(import_onnx, a_constant_that_is_smaller_than_its_shape)
{
	static const float one[] = {1};
	static struct message tensor;
	struct file file;

	begin_image();
	tensor.size = 0;
	message_varint(&tensor, 1, 1 << 29);
	message_varint(&tensor, 2, 1);
	message_text(&tensor, 8, "k");
	message_bytes(&tensor, 9, one, sizeof(one));
	message_add(&graph, 5, &tensor);
	onnx_node(&graph, "Add", "x k", "y");
	onnx_output(&graph, "y");
	file = finish(13);
	imported_refuse(&file, -EINVAL, "'k' has less data than its shape wants");
}

Test(import_onnx, cut_and_damaged_files_are_survived)
{
	const uint8_t *data;
	size_t size;
	struct file file;

	imported_map("models/rfb320/rfb320.onnx", &data, &size);
	file = (struct file){data, size, NULL, 0};
	imported_survive_cuts(&file, 60);
	imported_survive_damage(&file, 150);
}

/* Nothing is left of a Cast to what a number is already, but the name of the output. */
Test(import_onnx, an_output_behind_a_cast_has_its_own_name)
{
	struct engine_model *model;
	struct engine_io io;
	struct file file;

	begin_image();
	onnx_node(&graph, "Relu", "x", "a");
	onnx_attribute_integer(onnx_node(&graph, "Cast", "a", "scores"), "to", 1);
	onnx_output(&graph, "scores");
	file = finish(13);
	cr_assert_eq(engine_model_load_memory("file", file.data, file.size, NULL, 0, &imported_error, &model), 0, "%s",
		     imported_error.text);
	engine_model_output(model, 0, &io);
	cr_expect_str_eq(io.name, "scores");
	engine_model_destroy(model);
}
