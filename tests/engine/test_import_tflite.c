/* test_import_tflite.c - TFLite files made here, and real ones cut and damaged. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "flatbuffer_builder.h"
#include "imported.h"
#include "support/test.h"

TEST_SUITE(import_tflite);

/* Numbers of the schema. */
enum { FLOAT32 = 0, FLOAT16 = 1, INT32 = 2, UINT8 = 3, INT8 = 9 };
enum { CONV_2D = 3, DEQUANTIZE = 6 };

/*
 * A network of one convolution: an image of 2 x 2 x 2, two filters of 1 x 1 x 2, biases.  It is described by what may
 * differ between files and built by model_build().
 */
struct model {
	int type, weight_type;
	bool widened; /* float16 weights behind a DEQUANTIZE */
	float input_scale, output_scale, weight_scales[2];
	int64_t input_zero, output_zero, weight_zeros[2];
	uint32_t n_weight_scales;
	const void *weights;
	size_t weight_bytes;
	const void *biases; /* float or int32 */
	int opcode;
};

static struct builder b;

static size_t add_quant(size_t tensor, const float *scales, const int64_t *zeros, uint32_t count, int axis)
{
	size_t quant = builder_table(&b, 7);

	builder_set_offset(&b, tensor, 4, quant);
	builder_add_vector(&b, quant, 2, scales, count, 4);
	builder_add_vector(&b, quant, 3, zeros, count, 8);
	builder_set_number(&b, quant, 6, axis);
	return quant;
}

static size_t add_tensor(size_t list, uint32_t i, const char *name, int type, int buffer, const int32_t *shape,
			 uint32_t rank)
{
	size_t tensor = builder_table(&b, 8);

	builder_set_element(&b, list, i, tensor);
	builder_set_number(&b, tensor, 1, type);
	builder_set_number(&b, tensor, 2, buffer);
	builder_add_vector(&b, tensor, 0, shape, rank, 4);
	builder_add_vector(&b, tensor, 3, name, (uint32_t)strlen(name), 1);
	return tensor;
}

static void add_tensors(const struct model *model, size_t subgraph)
{
	static const int32_t image[] = {1, 2, 2, 2}, filters[] = {2, 1, 1, 2}, biases[] = {2};
	size_t list = builder_vector(&b, NULL, 5, 4), input, output, weights;
	bool quantised = model->type != FLOAT32;

	builder_set_offset(&b, subgraph, 0, list);
	input = add_tensor(list, 0, "input", model->type, 0, image, 4);
	output = add_tensor(list, 1, "output", model->type, 0, image, 4);
	weights = add_tensor(list, 2, "weights", model->weight_type, 1, filters, 4);
	add_tensor(list, 3, "biases", quantised ? INT32 : FLOAT32, 2, biases, 1);
	add_tensor(list, 4, "wide", FLOAT32, 0, filters, 4);
	if (!quantised)
		return;
	add_quant(input, &model->input_scale, &model->input_zero, 1, 0);
	add_quant(output, &model->output_scale, &model->output_zero, 1, 0);
	add_quant(weights, model->weight_scales, model->weight_zeros, model->n_weight_scales, 0);
}

static size_t add_operator(size_t list, uint32_t i, int code, const int32_t *inputs, uint32_t n_inputs, int32_t output)
{
	size_t operator= builder_table(&b, 5);

	builder_set_element(&b, list, i, operator);
	builder_set_number(&b, operator, 0, code);
	builder_add_vector(&b, operator, 1, inputs, n_inputs, 4);
	builder_add_vector(&b, operator, 2, &output, 1, 4);
	return operator;
}

static void add_operators(const struct model *model, size_t subgraph)
{
	const int32_t conv_inputs[] = {0, model->widened ? 4 : 2, 3}, wide_inputs[] = {2};
	size_t list = builder_vector(&b, NULL, model->widened ? 2 : 1, 4), conv, options;

	builder_set_offset(&b, subgraph, 3, list);
	if (model->widened)
		add_operator(list, 0, 1, wide_inputs, 1, 4);
	conv = add_operator(list, model->widened ? 1 : 0, 0, conv_inputs, 3, 1);
	options = builder_table(&b, 6);
	builder_set_offset(&b, conv, 4, options);
	builder_set_number(&b, options, 1, 1);
	builder_set_number(&b, options, 2, 1);
	builder_set_number(&b, options, 3, 1); /* RELU */
}

static void add_buffer(size_t list, uint32_t i, const void *bytes, size_t size)
{
	size_t buffer = builder_table(&b, 3);

	builder_set_element(&b, list, i, buffer);
	if (size)
		builder_add_vector(&b, buffer, 0, bytes, (uint32_t)size, 1);
}

static void add_codes(const struct model *model, size_t root)
{
	size_t list = builder_vector(&b, NULL, 2, 4);
	const int codes[] = {model->opcode ? model->opcode : CONV_2D, DEQUANTIZE};

	builder_set_offset(&b, root, 1, list);
	for (uint32_t i = 0; i < 2; i++) {
		size_t code = builder_table(&b, 4);

		builder_set_element(&b, list, i, code);
		builder_set_number(&b, code, 0, codes[i] > 127 ? 127 : codes[i]);
		builder_set_number(&b, code, 3, codes[i]);
	}
}

static struct file model_build(const struct model *model)
{
	static const int32_t input = 0, output = 1;
	size_t root, subgraphs, subgraph, buffers;

	builder_init(&b, "TFL3");
	root = builder_table(&b, 5);
	builder_set_root(&b, root);
	builder_set_number(&b, root, 0, 3);
	add_codes(model, root);
	subgraphs = builder_vector(&b, NULL, 1, 4);
	builder_set_offset(&b, root, 2, subgraphs);
	subgraph = builder_table(&b, 5);
	builder_set_element(&b, subgraphs, 0, subgraph);
	add_tensors(model, subgraph);
	builder_add_vector(&b, subgraph, 1, &input, 1, 4);
	builder_add_vector(&b, subgraph, 2, &output, 1, 4);
	add_operators(model, subgraph);
	buffers = builder_vector(&b, NULL, 3, 4);
	builder_set_offset(&b, root, 4, buffers);
	add_buffer(buffers, 0, NULL, 0);
	add_buffer(buffers, 1, model->weights, model->weight_bytes);
	add_buffer(buffers, 2, model->biases, 8);
	return (struct file){.data = b.data, .size = b.size};
}

/* ---- good files ---------------------------------------------------------------------------------- */

static const float weights_f32[] = {1, 0.5f, -1, 2}, biases_f32[] = {0.25f, -1};
static const float image_f32[] = {1, 2, 3, 4, -5, 6, 7, -8};
/* relu of a + b / 2 + 0.25 and of 2 b - a - 1 */
static const float answer_f32[] = {2.25f, 2, 5.25f, 4, 0, 16, 3.25f, 0};

static const struct model float_model = {
	.weight_type = FLOAT32, .weights = weights_f32, .weight_bytes = 16, .biases = biases_f32};

static void expect_float_answer(const struct file *file)
{
	float output[8];

	imported_run(file, image_f32, sizeof(image_f32), output, sizeof(output));
	for (int i = 0; i < 8; i++)
		cr_assert_float_eq(output[i], answer_f32[i], 1e-6, "%d: %g", i, (double)output[i]);
}

Test(import_tflite, float32)
{
	struct file file = model_build(&float_model);

	expect_float_answer(&file);
}

Test(import_tflite, float16_weights_behind_an_operator)
{
	static const uint16_t halves[] = {0x3c00, 0x3800, 0xbc00, 0x4000};
	struct model model = {
		.weight_type = FLOAT16, .widened = true, .weights = halves, .weight_bytes = 8, .biases = biases_f32};
	struct file file = model_build(&model);

	expect_float_answer(&file);
}

/* Scales that make every number above a whole one: input 1, weights 0.5, so biases 0.5, output 0.25. */
Test(import_tflite, int8_by_channel)
{
	static const int8_t weights[] = {2, 1, -1, 2}; /* the second filter's scale is 1 */
	static const int32_t biases[] = {0, -1};
	static const int8_t image[] = {1 - 3, 2 - 3, 3 - 3, 4 - 3, -5 - 3, 6 - 3, 7 - 3, -8 - 3};
	struct model model = {.type = INT8,
			      .weight_type = INT8,
			      .input_scale = 1,
			      .input_zero = -3,
			      .output_scale = 0.25f,
			      .output_zero = -20,
			      .weight_scales = {0.5f, 1},
			      .n_weight_scales = 2,
			      .weights = weights,
			      .weight_bytes = 4,
			      .biases = biases};
	struct file file = model_build(&model);
	int8_t output[8];

	imported_run(&file, image, sizeof(image), output, sizeof(output));
	for (int i = 0; i < 8; i++) {
		/* Without the bias of 0.25, which the first scale cannot tell. */
		float real = answer_f32[i] - (i % 2 == 0 && answer_f32[i] > 0 ? 0.25f : 0);

		cr_assert_eq(output[i], (int)(real / 0.25f) - 20, "%d: %d", i, output[i]);
	}
}

Test(import_tflite, uint8_by_tensor)
{
	static const uint8_t weights[] = {130, 129, 126, 132}; /* zero is 128 */
	static const int32_t biases[] = {0, -2};
	static const uint8_t image[] = {101, 102, 103, 104, 95, 106, 107, 92};
	struct model model = {.type = UINT8,
			      .weight_type = UINT8,
			      .input_scale = 1,
			      .input_zero = 100,
			      .output_scale = 0.25f,
			      .output_zero = 7,
			      .weight_scales = {0.5f},
			      .weight_zeros = {128},
			      .n_weight_scales = 1,
			      .weights = weights,
			      .weight_bytes = 4,
			      .biases = biases};
	struct file file = model_build(&model);
	uint8_t output[8];

	imported_run(&file, image, sizeof(image), output, sizeof(output));
	for (int i = 0; i < 8; i++) {
		float real = answer_f32[i] - (i % 2 == 0 && answer_f32[i] > 0 ? 0.25f : 0);

		cr_assert_eq(output[i], (int)(real / 0.25f) + 7, "%d: %d", i, output[i]);
	}
}

/* ---- bad files ----------------------------------------------------------------------------------- */

Test(import_tflite, errors_name_the_cause)
{
	struct model model = float_model;
	struct file file;

	model.opcode = 250;
	file = model_build(&model);
	imported_refuse(&file, -ENOTSUP, "operator 0 has code 250");
	model = float_model;
	model.weight_bytes = 12;
	file = model_build(&model);
	imported_refuse(&file, -EINVAL, "tensor 'weights' does not fit its data");
	file = (struct file){.data = (const uint8_t *)"\x08\0\0\0TFL3", .size = 8};
	imported_refuse(&file, -EINVAL, "");
	file = (struct file){.data = (const uint8_t *)"garbage, and more of it", .size = 23};
	imported_refuse(&file, -ENOTSUP, "neither a TFLite, an ONNX");
	file = (struct file){.data = (const uint8_t *)"", .size = 0};
	imported_refuse(&file, -ENOTSUP, "neither a TFLite, an ONNX");
}

Test(import_tflite, scales_that_cannot_be_are_refused)
{
	static const float scales[] = {NAN, INFINITY, -1, 0};
	static const int8_t weights[] = {2, 1, -1, 2};
	static const int32_t biases[] = {0, -1};

	for (int i = 0; i < 3; i++) {
		struct model model = {.type = INT8,
				      .weight_type = INT8,
				      .input_scale = 1,
				      .output_scale = 0.25f,
				      .weight_scales = {scales[i]},
				      .n_weight_scales = 1,
				      .weights = weights,
				      .weight_bytes = 4,
				      .biases = biases};
		struct file file = model_build(&model);

		imported_refuse(&file, -EINVAL, "tensor 'weights' has impossible quantisation");
	}
}

Test(import_tflite, small_file_cut_anywhere_and_damaged)
{
	struct file file = model_build(&float_model);
	static const uint16_t halves[] = {0x3c00, 0x3800, 0xbc00, 0x4000};
	struct model model = {
		.weight_type = FLOAT16, .widened = true, .weights = halves, .weight_bytes = 8, .biases = biases_f32};

	imported_refuse_cuts(&file);
	imported_survive_damage(&file, 4000);
	file = model_build(&model);
	imported_survive_damage(&file, 4000);
}

static void survive_real(const char *relative)
{
	struct file file = {0};

	imported_map(relative, &file.data, &file.size);
	imported_survive_cuts(&file, 64);
	imported_survive_damage(&file, 100);
}

Test(import_tflite, mobilenet_v1_cut_and_damaged)
{
	survive_real("models/imagenet-ladder/mobilenet_v1_0.25_128_quant.tflite");
}

Test(import_tflite, mobilenet_v2_cut_and_damaged)
{
	survive_real("models/imagenet-ladder/mobilenet_v2_1.0_224_quant.tflite");
}
