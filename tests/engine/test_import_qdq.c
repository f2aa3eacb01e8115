/*
 * test_import_qdq.c - ONNX's quantised forms: what they compute, and that integers compute it.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "imported.h"
#include "protobuf_builder.h"
#include "support/test.h"

TEST_SUITE(import_qdq);

enum { U8 = 2, S8 = 3, S32 = 6 };

#define DIMS(...)                                                                                                      \
	(const int64_t[])                                                                                              \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}

/* x: 1 x 2 x 2 x 2 in the file, here pixel by pixel. */
static const float pixels[8] = {1, -5, 2, 6, 3, 7, 4, -8};
static const float x_scale = 0.0625f, y_scale = 0.11f;
static const int64_t x_zero = 128, y_zero = 90;
/* Two output channels, each of two weights with a scale of its own. */
static const int64_t weights[2][2] = {{100, -37}, {-128, 5}}, bias[2] = {4000, -777};
static const float w_scales[2] = {0.01f, 0.02f};

static struct message graph, whole;
static const struct file *file_of(void)
{
	static struct file file;

	onnx_file(&whole, &graph, 13);
	file = (struct file){whole.data, whole.size, NULL, 0};
	return &file;
}

static void begin(void)
{
	graph.size = 0;
	onnx_input(&graph, "x", 4, DIMS(1, 2, 2, 2));
	onnx_floats(&graph, "xs", 0, NULL, &x_scale);
	onnx_typed(&graph, "xz", U8, 0, NULL, &x_zero);
	onnx_floats(&graph, "ys", 0, NULL, &y_scale);
	onnx_typed(&graph, "yz", U8, 0, NULL, &y_zero);
	onnx_floats(&graph, "ws", 1, DIMS(2), w_scales);
	onnx_typed(&graph, "wz", S8, 1, DIMS(2), DIMS(0, 0));
	onnx_typed(&graph, "w", S8, 4, DIMS(2, 2, 1, 1), &weights[0][0]);
	onnx_typed(&graph, "b", S32, 1, DIMS(2), bias);
	onnx_node(&graph, "QuantizeLinear", "x xs xz", "xq");
}

static int clip(float stored)
{
	return stored < 0 ? 0 : stored > 255 ? 255 : (int)stored;
}

static int quantised(float real, float scale, int64_t zero)
{
	return clip(rintf(real / scale) + (float)zero);
}

/* The convolution's output, in quanta less the zero point, as ONNX Runtime defines it. */
static float convolved(int pixel, int channel)
{
	int64_t sum = bias[channel];

	for (int c = 0; c < 2; c++)
		sum += weights[channel][c] * (quantised(pixels[2 * pixel + c], x_scale, x_zero) - x_zero);
	return (float)(clip(rintf((float)sum * (x_scale * w_scales[channel] / y_scale)) + (float)y_zero) - y_zero);
}

/* How many steps of this kind the plan has; NULL: of all. */
static int count_steps(const char *op)
{
	const struct engine_plan_options options = {0};
	const struct file *file = file_of();
	const struct engine_plan *plan;
	struct engine_model *model;
	int n = 0;

	cr_assert_eq(engine_model_load_memory("file", file->data, file->size, NULL, 0, &imported_error, &model), 0,
		     "%s", imported_error.text);
	cr_assert_eq(engine_model_plan(model, &options, &imported_error, &plan), 0, "%s", imported_error.text);
	for (int i = 0; i < engine_plan_step_count(plan); i++) {
		struct engine_step_info info;

		engine_plan_step(plan, i, &info);
		n += !op || strcmp(info.op, op) == 0;
	}
	engine_model_destroy(model);
	return n;
}

static void expect(const float *want, int n)
{
	float output[32];

	imported_run(file_of(), pixels, sizeof(pixels), output, (size_t)n * sizeof(*output));
	for (int i = 0; i < n; i++)
		cr_assert_float_eq(output[i], want[i], 1e-5, "%d: %g and not %g", i, (double)output[i],
				   (double)want[i]);
}

static void expect_convolution(void)
{
	float want[8];

	for (int i = 0; i < 8; i++)
		want[i] = y_scale * convolved(i / 2, i % 2);
	expect(want, 8);
	cr_assert_eq(count_steps("conv"), 1);
	cr_assert_eq(count_steps("cast"), 2);
	cr_assert_eq(count_steps(NULL), 3);
}

Test(import_qdq, a_convolution_between_casts_is_one_of_integers)
{
	const float b_scales[2] = {x_scale * w_scales[0], x_scale * w_scales[1]};

	begin();
	onnx_floats(&graph, "bs", 1, DIMS(2), b_scales);
	onnx_node(&graph, "DequantizeLinear", "xq xs xz", "xd");
	onnx_attribute_integer(onnx_node(&graph, "DequantizeLinear", "w ws wz", "wd"), "axis", 0);
	onnx_attribute_integer(onnx_node(&graph, "DequantizeLinear", "b bs", "bd"), "axis", 0);
	onnx_node(&graph, "Conv", "xd wd bd", "c");
	onnx_node(&graph, "QuantizeLinear", "c ys yz", "cq");
	onnx_node(&graph, "DequantizeLinear", "cq ys yz", "y");
	onnx_output(&graph, "y");
	expect_convolution();
}

Test(import_qdq, qlinear_conv_is_the_same)
{
	begin();
	onnx_node(&graph, "QLinearConv", "xq xs xz w ws wz ys yz b", "cq");
	onnx_node(&graph, "DequantizeLinear", "cq ys yz", "y");
	onnx_output(&graph, "y");
	expect_convolution();
}

/* Raw bytes are not copied: signed ones, and unsigned ones about 128. */
Test(import_qdq, weights_that_stay_in_the_file_are_the_same)
{
	const int8_t as_signed[4] = {100, -37, -128, 5};
	const uint8_t as_unsigned[4] = {228, 91, 0, 133};

	begin();
	onnx_raw(&graph, "raw", S8, 4, DIMS(2, 2, 1, 1), as_signed, sizeof(as_signed));
	onnx_node(&graph, "QLinearConv", "xq xs xz raw ws wz ys yz b", "cq");
	onnx_node(&graph, "DequantizeLinear", "cq ys yz", "y");
	onnx_output(&graph, "y");
	expect_convolution();
	begin();
	onnx_raw(&graph, "raw", U8, 4, DIMS(2, 2, 1, 1), as_unsigned, sizeof(as_unsigned));
	onnx_typed(&graph, "rz", U8, 1, DIMS(2), DIMS(128, 128));
	onnx_node(&graph, "QLinearConv", "xq xs xz raw ws rz ys yz b", "cq");
	onnx_node(&graph, "DequantizeLinear", "cq ys yz", "y");
	onnx_output(&graph, "y");
	expect_convolution();
}

/* One of a scale for each row of a transposed matrix. */
Test(import_qdq, qgemm_of_onnx_runtime)
{
	struct message *node;
	float want[8];

	graph.size = 0;
	onnx_input(&graph, "x", 2, DIMS(4, 2));
	onnx_floats(&graph, "xs", 0, NULL, &x_scale);
	onnx_typed(&graph, "xz", U8, 0, NULL, &x_zero);
	onnx_floats(&graph, "ys", 0, NULL, &y_scale);
	onnx_typed(&graph, "yz", U8, 0, NULL, &y_zero);
	onnx_floats(&graph, "ws", 1, DIMS(2), w_scales);
	onnx_typed(&graph, "wz", S8, 1, DIMS(2), DIMS(0, 0));
	onnx_typed(&graph, "w", S8, 2, DIMS(2, 2), &weights[0][0]);
	onnx_typed(&graph, "b", S32, 1, DIMS(2), bias);
	onnx_node(&graph, "QuantizeLinear", "x xs xz", "xq");
	node = onnx_node(&graph, "QGemm", "xq xs xz w ws wz b ys yz", "cq");
	onnx_domain(node, "com.microsoft");
	onnx_attribute_integer(node, "transB", 1);
	onnx_node(&graph, "DequantizeLinear", "cq ys yz", "y");
	onnx_output(&graph, "y");
	for (int i = 0; i < 8; i++)
		want[i] = y_scale * convolved(i / 2, i % 2);
	expect(want, 8);
	cr_assert_eq(count_steps("fc"), 1);
	cr_assert_eq(count_steps(NULL), 3);
}

/* A reader of the integers themselves gets what the file says, not what the engine would store. */
Test(import_qdq, integers_that_are_read_as_such)
{
	float want[8];

	begin();
	onnx_attribute_integer(onnx_node(&graph, "Cast", "xq", "f"), "to", 1);
	onnx_node(&graph, "DequantizeLinear", "xq xs xz", "d");
	onnx_node(&graph, "Add", "f d", "s");
	onnx_attribute_integers(onnx_node(&graph, "Transpose", "s", "y"), "perm", 4, DIMS(0, 2, 3, 1));
	onnx_output(&graph, "y");
	for (int i = 0; i < 8; i++) {
		int stored = quantised(pixels[i], x_scale, x_zero);

		want[i] = (float)stored + x_scale * (float)(stored - x_zero);
	}
	expect(want, 8);
}

/* Pooling and moving are done to the integers, between whatever else is float. */
Test(import_qdq, what_only_moves_stays_quantised)
{
	const float want[2] = {4, 7};
	struct message *pool;

	begin();
	pool = onnx_node(&graph, "MaxPool", "xq", "p");
	onnx_attribute_integers(pool, "kernel_shape", 2, DIMS(2, 2));
	onnx_integers(&graph, "s", 1, DIMS(2));
	onnx_node(&graph, "Reshape", "p s", "r");
	onnx_node(&graph, "DequantizeLinear", "r xs xz", "y");
	onnx_output(&graph, "y");
	expect(want, 2);
	cr_assert_eq(count_steps("cast"), 2);

	begin();
	onnx_node(&graph, "DequantizeLinear", "xq xs xz", "d");
	pool = onnx_node(&graph, "MaxPool", "d", "p");
	onnx_attribute_integers(pool, "kernel_shape", 2, DIMS(2, 2));
	onnx_node(&graph, "QuantizeLinear", "p xs xz", "pq");
	onnx_node(&graph, "DequantizeLinear", "pq xs xz", "pd");
	onnx_integers(&graph, "s", 1, DIMS(2));
	onnx_node(&graph, "Reshape", "pd s", "y");
	onnx_output(&graph, "y");
	expect(want, 2);
	cr_assert_eq(count_steps("cast"), 2);
	cr_assert_eq(count_steps("maxpool"), 1);
}

/* Parts of a concatenation come in its quantisation; a float that others read too stays one. */
Test(import_qdq, concatenation_and_other_readers)
{
	float want[16];

	begin();
	onnx_node(&graph, "DequantizeLinear", "xq xs xz", "d");
	onnx_node(&graph, "QuantizeLinear", "x ys yz", "x2q");
	onnx_node(&graph, "DequantizeLinear", "x2q ys yz", "d2");
	onnx_attribute_integer(onnx_node(&graph, "Concat", "d d2", "j"), "axis", 1);
	onnx_node(&graph, "QuantizeLinear", "j ys yz", "jq");
	onnx_node(&graph, "DequantizeLinear", "jq ys yz", "jd");
	onnx_node(&graph, "Relu", "d", "unread");
	onnx_node(&graph, "Identity", "jd", "y");
	onnx_output(&graph, "y");
	for (int i = 0; i < 8; i++) {
		float real = x_scale * (float)(quantised(pixels[i], x_scale, x_zero) - x_zero);

		want[i / 2 * 4 + i % 2] = y_scale * (float)(quantised(real, y_scale, y_zero) - y_zero);
		want[i / 2 * 4 + 2 + i % 2] = y_scale * (float)(quantised(pixels[i], y_scale, y_zero) - y_zero);
	}
	expect(want, 16);
	/* Each part is quantised, one of them twice; what they are joined to is dequantised. */
	cr_assert_eq(count_steps("cast"), 4);
}

/* A constant operand may be quantised too; functions of one argument become tables. */
Test(import_qdq, elementwise_operators)
{
	static const int64_t shift[2] = {200, 10};
	float want[8];

	begin();
	onnx_typed(&graph, "k", U8, 4, DIMS(1, 2, 1, 1), shift);
	onnx_node(&graph, "DequantizeLinear", "xq xs xz", "d");
	onnx_node(&graph, "DequantizeLinear", "k xs xz", "kd");
	onnx_node(&graph, "Mul", "d kd", "m");
	onnx_node(&graph, "QuantizeLinear", "m ys yz", "mq");
	onnx_node(&graph, "DequantizeLinear", "mq ys yz", "md");
	onnx_node(&graph, "Sigmoid", "md", "s");
	onnx_node(&graph, "QuantizeLinear", "s xs xz", "sq");
	onnx_node(&graph, "DequantizeLinear", "sq xs xz", "y");
	onnx_output(&graph, "y");
	for (int i = 0; i < 8; i++) {
		float real = x_scale * (float)(quantised(pixels[i], x_scale, x_zero) - x_zero);
		float product = real * x_scale * (float)(shift[i % 2] - x_zero);
		float stored = y_scale * (float)(quantised(product, y_scale, y_zero) - y_zero);

		want[i] = x_scale * (float)(quantised(1 / (1 + expf(-stored)), x_scale, x_zero) - x_zero);
	}
	expect(want, 8);
	cr_assert_eq(count_steps("cast"), 2);
	cr_assert_eq(count_steps(NULL), 4);
}

/* The mean of an image is one step over its integers, in both forms; a bound on it stays with it. */
Test(import_qdq, means_of_images)
{
	float want[2] = {0}, out_scale = 0.03f;

	for (int i = 0; i < 8; i++)
		want[i % 2] += (float)(quantised(pixels[i], x_scale, x_zero) - x_zero);
	for (int c = 0; c < 2; c++)
		want[c] = out_scale * (float)(quantised(want[c] * (x_scale / (out_scale * 4)), 1, y_zero) - y_zero);
	for (int form = 0; form < 2; form++) {
		begin();
		onnx_floats(&graph, "os", 0, NULL, &out_scale);
		if (form == 0) {
			onnx_node(&graph, "DequantizeLinear", "xq xs xz", "d");
			onnx_node(&graph, "GlobalAveragePool", "d", "m");
			onnx_node(&graph, "QuantizeLinear", "m os yz", "mq");
		} else {
			onnx_domain(onnx_node(&graph, "QLinearGlobalAveragePool", "xq xs xz os yz", "mq"),
				    "com.microsoft");
		}
		onnx_node(&graph, "DequantizeLinear", "mq os yz", "y");
		onnx_output(&graph, "y");
		expect(want, 2);
		cr_assert_eq(count_steps("mean"), 1);
		cr_assert_eq(count_steps("cast"), 2);
	}
}

Test(import_qdq, refuses_by_name)
{
	begin();
	onnx_node(&graph, "DequantizeLinear", "xq ys yz", "y");
	onnx_output(&graph, "y");
	imported_refuse(file_of(), -EINVAL, "by other numbers");

	begin();
	onnx_domain(onnx_node(&graph, "QLinearLookAlike", "xq xs xz ys yz", "y"), "com.microsoft");
	onnx_output(&graph, "y");
	imported_refuse(file_of(), -ENOTSUP, "unknown operator");
}

Test(import_qdq, survives_cuts_and_damage)
{
	begin();
	onnx_node(&graph, "QLinearConv", "xq xs xz w ws wz ys yz b", "cq");
	onnx_node(&graph, "DequantizeLinear", "cq ys yz", "d");
	onnx_node(&graph, "DequantizeLinear", "w ws wz", "wd");
	onnx_node(&graph, "Conv", "d wd", "y");
	onnx_output(&graph, "y");
	imported_survive_cuts(file_of(), 200);
	imported_survive_damage(file_of(), 3000);
}
