/* test_operators.c - operators that a program brings, and networks whose sizes follow from data. */
#include <errno.h>
#include <string.h>

#include "imported.h"
#include "protobuf_builder.h"
#include "support/test.h"

TEST_SUITE(operators);

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})

static struct message graph, whole;

static struct file finish(int64_t opset)
{
	onnx_file(&whole, &graph, opset);
	return (struct file){whole.data, whole.size, NULL, 0};
}

/* ---- an operator of one's own ------------------------------------------------------------------ */

static int infer_scale_by(struct engine_call *call)
{
	*call->outputs[0] = *call->inputs[0];
	call->outputs[0]->data = NULL;
	return call->inputs[0]->type == ENGINE_F32 ? 0 : -EINVAL;
}

/* The factor is looked up once, as an operator with tables would. */
static float prepared;
static int released;

static int prepare_scale_by(const struct engine_call *call, void **ret_state)
{
	prepared = (float)engine_attribute_number(call->attributes, "factor", 1);
	*ret_state = &prepared;
	return 0;
}

static void release_scale_by(void *state)
{
	released += state == &prepared;
}

static int run_scale_by(struct engine_call *call)
{
	const float *x = call->inputs[0]->data;
	float *y = call->outputs[0]->data;

	for (int i = 0; i < call->inputs[0]->dims[0]; i++)
		y[i] = x[i] * *(const float *)call->state;
	return 0;
}

static const struct engine_operator scale_by = {
	.name = "ScaleBy",
	.min_inputs = 1,
	.max_inputs = 1,
	.max_outputs = 1,
	.infer = infer_scale_by,
	.prepare = prepare_scale_by,
	.release = release_scale_by,
	.run = run_scale_by,
};

static struct file scaled(const char *op)
{
	graph.size = 0;
	onnx_input(&graph, "x", 1, DIMS(3));
	onnx_attribute_float(onnx_node(&graph, op, "x", "y"), "factor", 2.5f);
	onnx_output(&graph, "y");
	return finish(13);
}

Test(operators, one_of_the_programs_own_runs_between_the_others)
{
	static const float x[] = {1, -2, 4}, expected[] = {2.5f, -5, 10};
	struct file file = scaled("ScaleBy");
	float y[3];

	imported_refuse(&file, -ENOTSUP, "node 'y' (ScaleBy): is an unknown operator");
	cr_assert_eq(engine_register_operator(&scale_by), 0);
	cr_assert_eq(engine_register_operator(&scale_by), -EEXIST);
	imported_run(&file, x, sizeof(x), y, sizeof(y));
	cr_assert_arr_eq(y, expected, sizeof(y));
	cr_assert_eq(released, 1);
}

Test(operators, one_of_the_programs_own_goes_before_a_built_in_one)
{
	static const float x[] = {1, -2, 4}, expected[] = {2.5f, -5, 10};
	struct engine_operator mine = scale_by;
	struct file file = scaled("Relu");
	float y[3];

	mine.name = "Relu";
	cr_assert_eq(engine_register_operator(&mine), 0);
	imported_run(&file, x, sizeof(x), y, sizeof(y));
	cr_assert_arr_eq(y, expected, sizeof(y));
}

static int infer_impossible(struct engine_call *call)
{
	*call->outputs[0] = (struct engine_tensor){.type = ENGINE_F32, .rank = 2, .dims = {1 << 30, 1 << 30}};
	return 0;
}

Test(operators, what_a_programs_own_says_is_checked)
{
	struct engine_operator wrong = scale_by;
	struct file file = scaled("ScaleBy");

	wrong.run = NULL;
	cr_assert_eq(engine_register_operator(&wrong), -EINVAL);
	wrong = scale_by;
	wrong.infer = infer_impossible;
	cr_assert_eq(engine_register_operator(&wrong), 0);
	imported_refuse(&file, -EFBIG, "makes a tensor of an impossible shape");
}

Test(operators, a_plugin_that_is_none_is_refused)
{
	struct engine_error error = {""};

	cr_assert_eq(engine_load_plugin("/nonexistent.so", &error), -EINVAL);
	cr_assert(strstr(error.text, "nonexistent"), "%s", error.text);
	cr_assert_eq(engine_load_plugin("libm.so.6", &error), -EINVAL);
	cr_assert(strstr(error.text, "has no function inferd_operators"), "%s", error.text);
}

Test(operators, one_of_a_plugin)
{
	static const float x[] = {1, -2, 4}, expected[] = {4, -5, 13};
	struct engine_error error = {""};
	struct message *node;
	struct file file;
	float y[3];

	cr_assert_eq(engine_load_plugin(PLUGIN, &error), 0, "%s", error.text);
	graph.size = 0;
	onnx_input(&graph, "x", 1, DIMS(3));
	node = onnx_node(&graph, "Triple", "x", "y");
	message_text(node, 7, "org.example");
	onnx_attribute_float(node, "plus", 1);
	onnx_output(&graph, "y");
	file = finish(13);
	imported_run(&file, x, sizeof(x), y, sizeof(y));
	cr_assert_arr_eq(y, expected, sizeof(y));
	cr_assert_eq(engine_load_plugin(PLUGIN, &error), -EEXIST);
}

/* ---- sizes that follow from data --------------------------------------------------------------- */

struct ready {
	struct engine_model *model;
	const struct engine_plan *plan;
	struct engine_team *team;
	struct engine_context *context;
};

static void prepare(struct ready *ready, const struct file *file)
{
	struct engine_plan_options options = {0};
	struct engine_error error = {""};

	cr_assert_eq(engine_model_load_memory("file", file->data, file->size, NULL, 0, &error, &ready->model), 0, "%s",
		     error.text);
	cr_assert_eq(engine_model_plan(ready->model, &options, &error, &ready->plan), 0, "%s", error.text);
	cr_assert_eq(engine_team_create(NULL, 0, 2, &ready->team), 0);
	cr_assert_eq(engine_context_create(ready->team, &ready->context), 0);
	cr_assert_eq(engine_context_reserve(ready->context, ready->plan), 0);
}

static void finish_ready(struct ready *ready)
{
	engine_context_destroy(ready->context);
	engine_team_destroy(ready->team);
	engine_model_destroy(ready->model);
}

/* Each run has as many places as its data, and the next one is not confused by the last. */
Test(operators, an_output_is_as_long_as_the_data_make_it)
{
	static const float inputs[3][4] = {{0, 1, 0, 2}, {0, 0, 0, 0}, {5, 6, 7, 8}};
	static const int counts[3] = {2, 0, 4};
	int32_t dims[ENGINE_RANK_MAX];
	struct ready ready;
	struct file file;

	graph.size = 0;
	onnx_input(&graph, "x", 1, DIMS(4));
	onnx_node(&graph, "NonZero", "x", "y");
	onnx_output(&graph, "y");
	file = finish(13);
	prepare(&ready, &file);
	for (int i = 0; i < 3; i++) {
		memcpy(engine_context_input(ready.context, ready.plan, 0), inputs[i], sizeof(inputs[i]));
		cr_assert_eq(engine_run(ready.context, ready.plan, 0), 0);
		cr_assert_eq(engine_context_output_dims(ready.context, ready.plan, 0, dims), 2);
		cr_assert_eq(dims[0], 1);
		cr_assert_eq(dims[1], counts[i]);
	}
	finish_ready(&ready);
}

Test(operators, an_index_outside_of_its_tensor_fails_the_run_only)
{
	static const float table[] = {10, 20, 30};
	struct ready ready;
	struct file file;
	float x = 7;

	graph.size = 0;
	onnx_input(&graph, "x", 1, DIMS(1));
	onnx_floats(&graph, "t", 1, DIMS(3), table);
	onnx_attribute_integer(onnx_node(&graph, "Cast", "x", "i"), "to", 7);
	onnx_node(&graph, "Gather", "t i", "y");
	onnx_output(&graph, "y");
	file = finish(13);
	prepare(&ready, &file);
	memcpy(engine_context_input(ready.context, ready.plan, 0), &x, sizeof(x));
	cr_assert_eq(engine_run(ready.context, ready.plan, 0), -EDOM);
	x = 2;
	memcpy(engine_context_input(ready.context, ready.plan, 0), &x, sizeof(x));
	cr_assert_eq(engine_run(ready.context, ready.plan, 0), 0);
	cr_assert_float_eq(*(const float *)engine_context_output(ready.context, ready.plan, 0), 30, 0);
	finish_ready(&ready);
}

/* What follows from constants is computed once, at load: nothing is left to run. */
Test(operators, constants_of_constants_are_computed_at_load)
{
	static const float a[] = {1, 4, 9};
	struct ready ready;
	struct file file;

	graph.size = 0;
	onnx_input(&graph, "x", 1, DIMS(3));
	onnx_floats(&graph, "a", 1, DIMS(3), a);
	onnx_node(&graph, "Sqrt", "a", "b");
	onnx_node(&graph, "Reciprocal", "b", "c");
	onnx_node(&graph, "Mul", "x c", "y");
	onnx_output(&graph, "y");
	file = finish(13);
	prepare(&ready, &file);
	cr_assert_eq(engine_plan_step_count(ready.plan), 1);
	finish_ready(&ready);
}

/* ---- MediaPipe's face mesh with attention ------------------------------------------------------ */

/* Four landmarks at the corners of a region of 4 x 2 that is turned by a right angle. */
static void add_square(void)
{
	static const float square[] = {4, 2, 9, 4, 6, 9, 2, 6, 9, 2, 2, 9};
	struct message *node;

	graph.size = 0;
	onnx_input(&graph, "x", 1, DIMS(1));
	onnx_floats(&graph, "square", 3, DIMS(1, 4, 3), square);
	node = onnx_node(&graph, "Landmarks2TransformMatrix", "square", "m");
	onnx_attribute_integer(node, "left_rotation_idx", 0);
	onnx_attribute_integer(node, "right_rotation_idx", 1);
	onnx_attribute_integers(node, "subset_idxs", 4, (const int64_t[]){0, 1, 2, 3});
	onnx_attribute_integer(node, "output_width", 4);
	onnx_attribute_integer(node, "output_height", 2);
	onnx_attribute_float(node, "scale_x", 1);
	onnx_attribute_float(node, "scale_y", 1);
}

/* Runs the graph on x = 1. */
static void expect_region(const float *answer, int n)
{
	struct ready ready;
	struct file file;
	float one = 1;

	onnx_output(&graph, "y");
	file = finish(13);
	prepare(&ready, &file);
	memcpy(engine_context_input(ready.context, ready.plan, 0), &one, sizeof(one));
	cr_assert_eq(engine_run(ready.context, ready.plan, 0), 0);
	for (int i = 0; i < n; i++)
		cr_assert_float_eq(((const float *)engine_context_output(ready.context, ready.plan, 0))[i], answer[i],
				   1e-5, "%d", i);
	finish_ready(&ready);
}

/* Pixel (u, v) of the region, 4 x 2, is at (4 - v, 2 + u) of the picture. */
Test(operators, landmarks_make_the_matrix_of_a_turned_region)
{
	static const float matrix[] = {0, -1, 0, 4, 1, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 1};

	add_square();
	onnx_node(&graph, "Mul", "m x", "y");
	expect_region(matrix, 16);
}

Test(operators, points_of_a_region_go_back_to_the_picture)
{
	static const float points[] = {0, 0, 5, 4, 2, 7}, there[] = {4, 2, 5, 2, 6, 7};

	add_square();
	onnx_floats(&graph, "points", 3, DIMS(1, 2, 3), points);
	onnx_node(&graph, "TransformLandmarks", "points m", "p");
	onnx_node(&graph, "Mul", "p x", "y");
	expect_region(there, 6);
}

/* A picture of one row: half a pixel right of what is there, and nothing beyond its edge. */
Test(operators, a_region_is_read_between_pixels_and_is_zero_outside)
{
	static const float picture[] = {1, 3, 7}, matrix[] = {1, 0, 0, 0.5f, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
	struct message *node;

	graph.size = 0;
	onnx_input(&graph, "x", 1, DIMS(1));
	onnx_floats(&graph, "picture", 4, DIMS(1, 1, 3, 1), picture);
	onnx_floats(&graph, "m", 3, DIMS(1, 4, 4), matrix);
	node = onnx_node(&graph, "TransformTensorBilinear", "picture m", "r");
	onnx_attribute_integer(node, "output_width", 3);
	onnx_attribute_integer(node, "output_height", 1);
	onnx_node(&graph, "Mul", "r x", "y");
	expect_region((const float[]){2, 5, 0}, 3);
}
