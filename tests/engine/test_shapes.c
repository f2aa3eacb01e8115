/* test_shapes.c - networks whose files leave lengths open: at other shapes from run to run, and how plans are kept. */
#include <errno.h>
#include <string.h>

#include "flatbuffer_builder.h"
#include "imported.h"
#include "protobuf_builder.h"
#include "support/test.h"

TEST_SUITE(shapes);

static struct message graph, whole;
static struct engine_error error;

#define DIMS(...)                                                                                                      \
	(const int64_t[])                                                                                              \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}
#define SHAPE(...)                                                                                                     \
	{                                                                                                              \
		sizeof((const int[]){__VA_ARGS__}) / sizeof(int),                                                      \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}

static struct engine_model *load(int64_t opset)
{
	struct engine_model *model = NULL;

	onnx_file(&whole, &graph, opset);
	cr_assert_eq(engine_model_load_memory("net", whole.data, whole.size, NULL, 0, &error, &model), 0, "%s",
		     error.text);
	return model;
}

/* Runs the network at these shapes on one array for each input; the plan is let go of again. */
static void expect(struct engine_model *model, const struct engine_shape *shapes, int n_shapes,
		   const void *const *inputs, const struct engine_shape *shape, const float *answer)
{
	const struct engine_plan *plan;
	struct engine_context *context;
	struct engine_team *team;
	const float *output;
	struct engine_io io;
	size_t count = 1;

	cr_assert_eq(engine_model_plan_shapes(model, shapes, n_shapes, &error, &plan), 0, "%s", error.text);
	cr_assert_eq(engine_team_create(NULL, 0, 1, &team), 0);
	cr_assert_eq(engine_context_create(team, &context), 0);
	cr_assert_eq(engine_context_reserve(context, plan), 0);
	for (int i = 0; i < n_shapes; i++) {
		engine_plan_input(plan, i, &io);
		cr_assert_arr_eq(io.dims, shapes[i].dims, (size_t)io.rank * sizeof(*io.dims));
		memcpy(engine_context_input(context, plan, i), inputs[i], io.bytes);
	}
	cr_assert_eq(engine_run(context, plan, 0), 0);
	engine_plan_output(plan, 0, &io);
	cr_assert_eq(io.rank, shape->rank);
	cr_assert_arr_eq(io.dims, shape->dims, (size_t)io.rank * sizeof(*io.dims));
	for (int i = 0; i < io.rank; i++)
		count *= (size_t)io.dims[i];
	output = engine_context_output(context, plan, 0);
	for (size_t i = 0; i < count; i++)
		cr_assert_float_eq(output[i], answer[i], 1e-5, "%zu: %g and not %g", i, (double)output[i],
				   (double)answer[i]);
	engine_context_destroy(context);
	engine_team_destroy(team);
	engine_model_release_plan(model, plan);
}

/* y = relu(w x + b) over a picture of two channels, then one row of numbers for each picture, by its own shape. */
static struct engine_model *load_picture(void)
{
	static const float weights[] = {1, -1}, bias[] = {0.5f};

	graph.size = 0;
	onnx_input(&graph, "x", 4, DIMS(-1, 2, -1, -1));
	onnx_floats(&graph, "w", 4, DIMS(1, 2, 1, 1), weights);
	onnx_floats(&graph, "b", 1, DIMS(1), bias);
	onnx_integers(&graph, "zero", 1, DIMS(0));
	onnx_integers(&graph, "minus", 1, DIMS(-1));
	onnx_node(&graph, "Conv", "x w b", "c");
	onnx_node(&graph, "Relu", "c", "r");
	onnx_node(&graph, "Shape", "r", "s");
	onnx_node(&graph, "Gather", "s zero", "n");
	onnx_attribute_integer(onnx_node(&graph, "Concat", "n minus", "to"), "axis", 0);
	onnx_node(&graph, "Reshape", "r to", "y");
	onnx_output(&graph, "y");
	return load(13);
}

Test(shapes, pictures_of_any_size_and_batch)
{
	static const float small[] = {3, 1, 2, 5}, small_answer[] = {2.5f, 0};
	static const float tall[] = {1, 1, 2, 1, 9, 1}, tall_answer[] = {0.5f, 1.5f, 8.5f};
	/* As one of the engine's pictures: two pictures of one row and two columns, pixel by pixel. */
	static const float two[] = {1, 0, 2, 0, 3, 0, 4, 0}, two_answer[] = {1.5f, 2.5f, 3.5f, 4.5f};
	struct engine_model *model = load_picture();

	for (int round = 0; round < 2; round++) {
		expect(model, &(struct engine_shape)SHAPE(1, 1, 2, 2), 1, (const void *const[]){small},
		       &(struct engine_shape)SHAPE(1, 2), small_answer);
		expect(model, &(struct engine_shape)SHAPE(1, 3, 1, 2), 1, (const void *const[]){tall},
		       &(struct engine_shape)SHAPE(1, 3), tall_answer);
		expect(model, &(struct engine_shape)SHAPE(2, 1, 2, 2), 1, (const void *const[]){two},
		       &(struct engine_shape)SHAPE(2, 2), two_answer);
	}
	engine_model_destroy(model);
}

/* The way the daemon asks: a size in pixels. */
Test(shapes, a_size_in_pixels_fills_what_is_open)
{
	struct engine_model *model = load_picture();
	const struct engine_plan *plan, *again;
	struct engine_plan_options options = {0};
	struct engine_io io;

	engine_model_input(model, 0, &io);
	cr_expect_eq(io.dims[1], -1);
	cr_expect_eq(io.dims[3], 2);
	cr_assert(io.channels_first);
	cr_expect_eq(engine_model_plan(model, &options, &error, &plan), -EINVAL);
	cr_assert(strstr(error.text, "input 'x' has no fixed size"), "%s", error.text);
	options.width = 5;
	options.height = 3;
	cr_assert_eq(engine_model_plan(model, &options, &error, &plan), 0, "%s", error.text);
	engine_plan_output(plan, 0, &io);
	cr_expect_eq(io.dims[1], 15);
	cr_assert_eq(engine_model_plan(model, &options, &error, &again), 0);
	cr_expect_eq(plan, again);
	engine_model_destroy(model);

	graph.size = 0;
	onnx_input(&graph, "x", 4, DIMS(1, 2, 4, -1));
	onnx_node(&graph, "Relu", "x", "y");
	onnx_output(&graph, "y");
	model = load(13);
	cr_expect_eq(engine_model_plan(model, &options, &error, &plan), -ENOTSUP);
	cr_assert(strstr(error.text, "input 'x' is 4 long on axis 1, not 3"), "%s", error.text);
	engine_model_destroy(model);
}

/* As many numbers of a table as the sequence is long, weighed by softmax over it. */
Test(shapes, sequences_of_any_length)
{
	static const float three_answer[] = {2};
	static const float table[] = {1, 2, 3}, level[] = {0, 0, 0};
	struct engine_model *model;
	int64_t axis = 1;

	graph.size = 0;
	onnx_input(&graph, "a", 2, DIMS(-1, -1));
	onnx_integers(&graph, "index", 1, DIMS(1));
	onnx_integers(&graph, "axes", 1, &axis);
	onnx_integers(&graph, "zero", 1, DIMS(0));
	onnx_floats(&graph, "t", 1, DIMS(3), table);
	onnx_node(&graph, "Shape", "a", "s");
	onnx_node(&graph, "Gather", "s index", "n");
	onnx_node(&graph, "Slice", "t zero n", "part");
	onnx_attribute_integer(onnx_node(&graph, "Softmax", "a", "p"), "axis", -1);
	onnx_node(&graph, "Mul", "p part", "m");
	onnx_node(&graph, "ReduceSum", "m axes", "y");
	onnx_output(&graph, "y");
	model = load(13);
	expect(model, &(struct engine_shape)SHAPE(1, 3), 1, (const void *const[]){level},
	       &(struct engine_shape)SHAPE(1, 1), three_answer);
	expect(model, &(struct engine_shape)SHAPE(1, 1), 1, (const void *const[]){level},
	       &(struct engine_shape)SHAPE(1, 1), (const float[]){1});
	engine_model_destroy(model);
}

static int plan_of(struct engine_model *model, const struct engine_shape *shapes, int n)
{
	const struct engine_plan *plan = NULL;
	int r = engine_model_plan_shapes(model, shapes, n, &error, &plan);

	if (r == 0)
		engine_model_release_plan(model, plan);
	return r;
}

Test(shapes, what_the_file_fixes_and_what_does_not_fit)
{
	struct engine_model *model = load_picture();

	cr_expect_eq(plan_of(model, &(struct engine_shape)SHAPE(1, 2, 2, 3), 1), -ENOTSUP);
	cr_assert(strstr(error.text, "input 'x' is 2 long on axis 3, not 3"), "%s", error.text);
	cr_expect_eq(plan_of(model, &(struct engine_shape)SHAPE(1, 2, 2), 1), -EINVAL);
	cr_expect_eq(plan_of(model, &(struct engine_shape)SHAPE(1, 0, 2, 2), 1), -EINVAL);
	cr_expect_eq(plan_of(model, &(struct engine_shape)SHAPE(1, -1, 2, 2), 1), -EINVAL);
	cr_expect_eq(plan_of(model, &(struct engine_shape)SHAPE(60000, 60000, 2, 2), 1), -EINVAL);
	cr_expect_eq(plan_of(model, NULL, 0), -EINVAL);
	engine_model_destroy(model);

	graph.size = 0;
	onnx_input(&graph, "a", 2, DIMS(-1, -1));
	onnx_input(&graph, "b", 2, DIMS(-1, 4));
	onnx_node(&graph, "Add", "a b", "y");
	onnx_output(&graph, "y");
	model = load(13);
	cr_expect_eq(plan_of(model, (const struct engine_shape[]){SHAPE(2, 4), SHAPE(2, 4)}, 2), 0, "%s", error.text);
	cr_expect_eq(plan_of(model, (const struct engine_shape[]){SHAPE(2, 3), SHAPE(2, 4)}, 2), -ENOTSUP);
	cr_assert(strstr(error.text, "net: ") && strstr(error.text, "'y'"), "%s", error.text);
	engine_model_destroy(model);

	graph.size = 0;
	onnx_input(&graph, "a", 2, DIMS(-1, -1));
	onnx_node(&graph, "Dance", "a", "y");
	onnx_output(&graph, "y");
	model = load(13);
	cr_expect_eq(plan_of(model, &(struct engine_shape)SHAPE(1, 3), 1), -ENOTSUP);
	cr_assert(strstr(error.text, "(Dance): is an unknown operator"), "%s", error.text);
	engine_model_destroy(model);
}

/* Weights that are the same at every shape are there once. */
Test(shapes, weights_are_shared)
{
	static float weights[64 * 64];
	struct engine_model *model;
	size_t one, two;

	for (size_t i = 0; i < 64 * 64; i++)
		weights[i] = test_random_float();
	graph.size = 0;
	onnx_input(&graph, "x", 2, DIMS(-1, 64));
	onnx_input(&graph, "l", 1, DIMS(-1));
	onnx_floats(&graph, "w", 2, DIMS(64, 64), weights);
	onnx_node(&graph, "MatMul", "x w", "m");
	onnx_node(&graph, "Shape", "l", "y");
	onnx_output(&graph, "m");
	model = load(13);
	cr_assert_eq(plan_of(model, (const struct engine_shape[]){SHAPE(1, 64), SHAPE(2)}, 2), 0, "%s", error.text);
	one = engine_model_bytes(model);
	cr_assert_eq(plan_of(model, (const struct engine_shape[]){SHAPE(3, 64), SHAPE(5)}, 2), 0, "%s", error.text);
	two = engine_model_bytes(model);
	cr_assert_geq(one, sizeof(weights));
	cr_assert_lt(two, one + sizeof(weights) / 4, "%zu and %zu bytes", one, two);
	engine_model_destroy(model);
}

Test(shapes, plans_that_nobody_holds_make_room)
{
	struct engine_model *model = load_picture();
	const struct engine_plan *held, *plan, *again;

	cr_assert_eq(engine_model_plan_shapes(model, &(struct engine_shape)SHAPE(1, 1, 1, 2), 1, &error, &held), 0);
	for (int i = 2; i < 3 * ENGINE_PLANS_MAX; i++)
		cr_assert_eq(plan_of(model, &(struct engine_shape){4, {1, 1, i, 2}}, 1), 0, "%d: %s", i, error.text);
	cr_assert_eq(engine_model_plan_shapes(model, &(struct engine_shape)SHAPE(1, 1, 1, 2), 1, &error, &again), 0);
	cr_expect_eq(held, again);
	for (int i = 1; i < ENGINE_PLANS_MAX; i++)
		cr_assert_eq(engine_model_plan_shapes(model, &(struct engine_shape){4, {1, 2, i, 2}}, 1, &error, &plan),
			     0, "%d: %s", i, error.text);
	cr_expect_eq(engine_model_plan_shapes(model, &(struct engine_shape)SHAPE(1, 3, 1, 2), 1, &error, &again),
		     -ENOSPC);
	engine_model_release_plan(model, plan);
	cr_expect_eq(plan_of(model, &(struct engine_shape)SHAPE(1, 3, 1, 2), 1), 0, "%s", error.text);
	engine_model_destroy(model);
}

/* ---- other formats ----------------------------------------------------------------------------- */

Test(shapes, ncnn_at_any_size)
{
	static const char text[] = "7767517\n2 2\nInput in 0 1 x\nReLU relu 1 1 x y\n";
	static const float image[] = {1, -1, 2, -2, 3, -3}, answer[] = {1, 0, 2, 0, 3, 0};
	struct engine_model *model;

	cr_assert_eq(engine_model_load_memory("net", text, strlen(text), "", 0, &error, &model), 0, "%s", error.text);
	expect(model, &(struct engine_shape)SHAPE(1, 1, 3, 2), 1, (const void *const[]){image},
	       &(struct engine_shape)SHAPE(1, 1, 3, 2), answer);
	expect(model, &(struct engine_shape)SHAPE(1, 2, 1, 3), 1, (const void *const[]){image},
	       &(struct engine_shape)SHAPE(1, 2, 1, 3), answer);
	engine_model_destroy(model);
}

static struct builder b;

static void add_tensor(size_t list, uint32_t i, int type, uint32_t buffer, const int32_t *shape,
		       const int32_t *signature, uint32_t rank)
{
	size_t tensor = builder_table(&b, 8);

	builder_set_element(&b, list, i, tensor);
	builder_set_number(&b, tensor, 1, type);
	builder_set_number(&b, tensor, 2, buffer);
	builder_add_vector(&b, tensor, 0, shape, rank, 4);
	builder_add_vector(&b, tensor, 3, "t", 1, 1);
	if (signature)
		builder_add_vector(&b, tensor, 7, signature, rank, 4);
}

static void add_operator(size_t list, uint32_t i, const int32_t *inputs, uint32_t n_inputs, int32_t output)
{
	size_t operator= builder_table(&b, 5);

	builder_set_element(&b, list, i, operator);
	builder_set_number(&b, operator, 0, i);
	builder_add_vector(&b, operator, 1, inputs, n_inputs, 4);
	builder_add_vector(&b, operator, 2, &output, 1, 4);
}

/* SHAPE x -> s; FILL s, c -> f; MUL x, f -> y: the shape of a run is needed before it is filled. */
static void build_tflite(void)
{
	static const int32_t ones[] = {1, 1}, open[] = {-1, -1}, two[] = {2};
	static const int codes[] = {77, 94, 18};
	const float three = 3;
	const int32_t zero = 0, four = 4;
	size_t root, list, subgraph, buffers;

	builder_init(&b, "TFL3");
	root = builder_table(&b, 8);
	builder_set_root(&b, root);
	builder_set_number(&b, root, 0, 3);
	list = builder_vector(&b, NULL, 3, 4);
	builder_set_offset(&b, root, 1, list);
	for (uint32_t i = 0; i < 3; i++) {
		size_t code = builder_table(&b, 4);

		builder_set_element(&b, list, i, code);
		builder_set_number(&b, code, 0, codes[i]);
		builder_set_number(&b, code, 3, codes[i]);
	}
	list = builder_vector(&b, NULL, 1, 4);
	builder_set_offset(&b, root, 2, list);
	subgraph = builder_table(&b, 5);
	builder_set_element(&b, list, 0, subgraph);
	list = builder_vector(&b, NULL, 5, 4);
	builder_set_offset(&b, subgraph, 0, list);
	add_tensor(list, 0, 0, 0, ones, open, 2);
	add_tensor(list, 1, 2, 0, two, NULL, 1);
	add_tensor(list, 2, 0, 1, NULL, NULL, 0);
	add_tensor(list, 3, 0, 0, ones, open, 2);
	add_tensor(list, 4, 0, 0, ones, open, 2);
	builder_add_vector(&b, subgraph, 1, &zero, 1, 4);
	builder_add_vector(&b, subgraph, 2, &four, 1, 4);
	list = builder_vector(&b, NULL, 3, 4);
	builder_set_offset(&b, subgraph, 3, list);
	add_operator(list, 0, (const int32_t[]){0}, 1, 1);
	add_operator(list, 1, (const int32_t[]){1, 2}, 2, 3);
	add_operator(list, 2, (const int32_t[]){0, 3}, 2, 4);
	buffers = builder_vector(&b, NULL, 2, 4);
	builder_set_offset(&b, root, 4, buffers);
	builder_set_element(&b, buffers, 0, builder_table(&b, 3));
	list = builder_table(&b, 3);
	builder_set_element(&b, buffers, 1, list);
	builder_add_vector(&b, list, 0, &three, sizeof(three), 1);
}

Test(shapes, tflite_whose_shapes_follow_from_shapes)
{
	static const float numbers[] = {1, 2, 3, 4, 5, 6}, answer[] = {3, 6, 9, 12, 15, 18};
	struct engine_model *model;

	build_tflite();
	cr_assert_eq(engine_model_load_memory("net", b.data, b.size, NULL, 0, &error, &model), 0, "%s", error.text);
	expect(model, &(struct engine_shape)SHAPE(2, 3), 1, (const void *const[]){numbers},
	       &(struct engine_shape)SHAPE(2, 3), answer);
	expect(model, &(struct engine_shape)SHAPE(1, 4), 1, (const void *const[]){numbers},
	       &(struct engine_shape)SHAPE(1, 4), answer);
	engine_model_destroy(model);
}
