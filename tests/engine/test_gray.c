/*
 * test_gray.c - a luma plane alone gives what gray replicated three times gives in colour.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "network.h"
#include "support/test.h"

TEST_SUITE(gray);

#define SIDE 9

/* conv 3x3 (padded, so that borders count) - relu - global average; returns the output value. */
static void build(struct network *n, enum engine_type type)
{
	bool quantised = type != ENGINE_F32;
	int x = network_image(n, type, SIDE, SIDE, 3), y = network_image(n, type, -1, -1, -1);
	int z = network_image(n, type, -1, -1, -1);
	int w = network_constant(n, type, 4, (int32_t[]){7, 3, 3, 3});
	int b = network_constant(n, quantised ? ENGINE_S32 : ENGINE_F32, 1, (int32_t[]){7});
	struct graph_node *node;

	if (quantised) {
		network_quant(n, x, 0.02f, type == ENGINE_U8 ? 120 : -8);
		network_quant(n, w, 0.01f, type == ENGINE_U8 ? 131 : 0);
		network_quant(n, y, 0.05f, type == ENGINE_U8 ? 100 : -20);
		network_quant(n, z, 0.05f, type == ENGINE_U8 ? 100 : -20);
	}
	node = network_node(n, GRAPH_CONV, x, w, b, y);
	node->conv.window = network_window(3, 2, 1);
	node->conv.groups = 1;
	node->act.kind = GRAPH_ACT_RELU;
	node = network_node(n, GRAPH_AVGPOOL, y, -1, -1, z);
	node->pool.global = true;
	network_io(n, x, z);
}

/* Both planned from one seed; gray pixels as stored, or normalised by mean and scale of each channel in float. */
static void compare_quantised(enum engine_type type)
{
	struct network colour, gray;
	struct engine_plan_options options = {.channels = 1};
	uint8_t plane[SIDE * SIDE], pixels[SIDE * SIDE * 3];

	network_init(&colour);
	build(&colour, type);
	cr_assert_eq(network_plan(&colour, NULL), 0, "%s", colour.error.text);
	for (int i = 0; i < SIDE * SIDE; i++)
		pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = plane[i] = (uint8_t)test_random();
	network_run(&colour, pixels, 1);
	/* The gray plan of the same model. */
	gray = colour;
	gray.plan = NULL;
	cr_assert_eq(plan_create(&colour.graph, &colour.weights, &options, &gray.error, &gray.plan), 0, "%s",
		     gray.error.text);
	cr_assert_eq(engine_context_create(colour.team, &gray.context), 0);
	cr_assert_eq(engine_context_reserve(gray.context, gray.plan), 0);
	cr_assert_eq(network_input_count(&gray), SIDE * SIDE);
	network_run(&gray, plane, 1);
	cr_assert_arr_eq(network_output(&gray), network_output(&colour), 7);
	plan_destroy(gray.plan);
	engine_context_destroy(gray.context);
	network_finish(&colour);
}

Test(gray, int8_is_exact)
{
	compare_quantised(ENGINE_S8);
}

Test(gray, uint8_is_exact)
{
	compare_quantised(ENGINE_U8);
}

static void compare_float(const struct engine_normalize *normalize, int channels)
{
	struct network colour, gray;
	struct engine_plan_options options = {.channels = 1};
	float *pixels = malloc(SIDE * SIDE * 3 * sizeof(*pixels)), *planes = malloc(SIDE * SIDE * 2 * sizeof(*planes));
	const float *a, *b;

	network_init(&colour);
	build(&colour, ENGINE_F32);
	cr_assert_eq(network_plan(&colour, NULL), 0, "%s", colour.error.text);
	for (int i = 0; i < SIDE * SIDE; i++) {
		float luma = (float)test_random_range(0, 255);

		for (int c = 0; c < 3; c++)
			pixels[3 * i + c] = (luma - normalize->mean[c]) * normalize->scale[c];
		planes[channels * i] = (luma - normalize->mean[0]) * normalize->scale[0];
		if (channels == 2)
			planes[2 * i + 1] = 1.0f;
	}
	network_run(&colour, pixels, 1);
	engine_gray_options(normalize, &options);
	gray = colour;
	gray.plan = NULL;
	cr_assert_eq(plan_create(&colour.graph, &colour.weights, &options, &gray.error, &gray.plan), 0, "%s",
		     gray.error.text);
	cr_assert_eq(engine_context_create(colour.team, &gray.context), 0);
	cr_assert_eq(engine_context_reserve(gray.context, gray.plan), 0);
	cr_assert_eq(network_input_count(&gray), (size_t)(SIDE * SIDE * channels));
	network_run(&gray, planes, 1);
	a = network_output(&colour);
	b = network_output(&gray);
	for (int i = 0; i < 7; i++)
		cr_assert_float_eq(a[i], b[i], 1e-4f, "output %d: %g in colour, %g in gray", i, a[i], b[i]);
	plan_destroy(gray.plan);
	engine_context_destroy(gray.context);
	network_finish(&colour);
	free(pixels);
	free(planes);
}

Test(gray, float_with_one_normalisation_takes_one_channel)
{
	struct engine_normalize normalize = {
		.given = true, .mean = {127.5f, 127.5f, 127.5f}, .scale = {1 / 127.5f, 1 / 127.5f, 1 / 127.5f}};

	compare_float(&normalize, 1);
}

Test(gray, float_with_means_of_each_channel_is_exact_at_the_borders)
{
	struct engine_normalize normalize = {
		.given = true, .mean = {123.7f, 116.3f, 103.5f}, .scale = {0.0171f, 0.0175f, 0.0174f}};

	compare_float(&normalize, 2);
}

Test(gray, refused_where_the_input_is_not_read_by_a_convolution)
{
	struct network n;
	struct engine_plan_options options = {.channels = 1};
	int x, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, 4, 4, 3);
	y = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_UNARY, x, -1, -1, y)->unary.kind = GRAPH_ACT_RELU;
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, &options), -ENOTSUP);
	cr_assert_not_null(strstr(n.error.text, "no gray"), "%s", n.error.text);
	network_finish(&n);
}
