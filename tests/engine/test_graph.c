/*
 * test_graph.c - checking and simplifying graphs: what is refused, what is folded, and that the answer stays.
 */
#include <errno.h>
#include <string.h>

#include "engine/passes.h"
#include "network.h"
#include "support/test.h"

TEST_SUITE(graph);

#define SIDE 6

static int conv(struct network *n, int x, int in, int out)
{
	int y = network_image(n, ENGINE_F32, -1, -1, -1);
	int w = network_constant(n, ENGINE_F32, 4, (int32_t[]){out, 3, 3, in});
	int b = network_constant(n, ENGINE_F32, 1, (int32_t[]){out});
	struct graph_node *node = network_node(n, GRAPH_CONV, x, w, b, y);

	node->conv.window = network_window(3, 1, 1);
	node->conv.groups = 1;
	return y;
}

Test(graph, activation_batchnorm_and_residual_fold_into_the_convolution)
{
	struct network n;
	struct engine_step_info info;
	int x, a, b, c, d, scale, shift;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, SIDE, SIDE, 4);
	a = conv(&n, x, 4, 4);
	scale = network_constant(&n, ENGINE_F32, 1, (int32_t[]){4});
	shift = network_constant(&n, ENGINE_F32, 1, (int32_t[]){4});
	b = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_BATCHNORM, a, scale, shift, b);
	c = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_ADD, b, x, -1, c);
	d = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_UNARY, c, -1, -1, d)->unary.kind = GRAPH_ACT_RELU;
	network_io(&n, x, d);
	cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
	cr_assert_eq(n.plan->n_steps, 1);
	engine_plan_step(n.plan, 0, &info);
	cr_assert_str_eq(info.fused, "batchnorm,add,relu");
	network_finish(&n);
}

/* The same with the activation stored in the addition, as importers do. */
Test(graph, addition_folds_into_the_convolution_before_it)
{
	struct network n;
	struct engine_step_info info;
	struct graph_node *add;
	int x, a, c;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, SIDE, SIDE, 4);
	a = conv(&n, x, 4, 4);
	c = network_image(&n, ENGINE_F32, -1, -1, -1);
	add = network_node(&n, GRAPH_ADD, x, a, -1, c);
	add->act = (struct graph_act){GRAPH_ACT_CLIP, 0.0f, 6.0f};
	network_io(&n, x, c);
	cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
	cr_assert_eq(n.plan->n_steps, 1);
	engine_plan_step(n.plan, 0, &info);
	cr_assert_str_eq(info.fused, "add,relu6");
	network_finish(&n);
}

Test(graph, padding_before_a_convolution_becomes_its_own)
{
	struct network n;
	struct graph_node *node;
	int x, p, y, w;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, SIDE, SIDE, 2);
	p = network_image(&n, ENGINE_F32, -1, -1, -1);
	node = network_node(&n, GRAPH_PAD, x, -1, -1, p);
	node->pad.before[1] = node->pad.after[2] = 1;
	y = network_image(&n, ENGINE_F32, -1, -1, -1);
	w = network_constant(&n, ENGINE_F32, 4, (int32_t[]){3, 3, 3, 2});
	node = network_node(&n, GRAPH_CONV, p, w, -1, y);
	node->conv.window = network_window(3, 1, 0);
	node->conv.window.pad_mode = GRAPH_PAD_VALID;
	node->conv.groups = 1;
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
	cr_assert_eq(n.plan->n_steps, 1);
	cr_assert_eq(n.plan->tensors[y].dims[1], SIDE - 1);
	cr_assert_eq(n.plan->tensors[y].dims[2], SIDE - 1);
	network_finish(&n);
}

Test(graph, average_over_the_picture_stays_global_at_other_sizes)
{
	struct network n;
	struct engine_plan_options options = {.width = 11, .height = 8};
	struct graph_node *node;
	int x, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, SIDE, SIDE, 3);
	y = network_image(&n, ENGINE_F32, -1, -1, -1);
	node = network_node(&n, GRAPH_AVGPOOL, x, -1, -1, y);
	node->pool.window = network_window(SIDE, 1, 0);
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, &options), 0, "%s", n.error.text);
	cr_assert_eq(network_output_count(&n), 3);
	network_finish(&n);
}

Test(graph, size_a_network_does_not_allow_is_named)
{
	struct network n;
	struct engine_plan_options options = {.width = 11, .height = 8};
	struct graph_node *node;
	int x, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, SIDE, SIDE, 3);
	y = network_value(&n, ENGINE_F32, 2, (int32_t[]){-1, -1});
	node = network_node(&n, GRAPH_RESHAPE, x, -1, -1, y);
	node->shape = (struct graph_shape){2, {1, SIDE * SIDE * 3}};
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, &options), -ENOTSUP);
	cr_assert_not_null(strstr(n.error.text, "reshape"), "%s", n.error.text);
	network_finish(&n);
}

Test(graph, float16_constants_behind_a_cast_become_float32)
{
	struct network n;
	int x, half, w, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, SIDE, SIDE, 2);
	half = network_constant(&n, ENGINE_F16, 1, (int32_t[]){2});
	memcpy((void *)n.graph.values[half].data, (uint16_t[]){0x3c00, 0xc100}, 4); /* 1, -2.5 */
	w = network_value(&n, ENGINE_F32, 1, (int32_t[]){-1});
	network_node(&n, GRAPH_CAST, half, -1, -1, w);
	y = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_ADD, x, w, -1, y);
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
	cr_assert_eq(n.plan->n_steps, 1);
	network_run(&n, (float[SIDE * SIDE * 2]){0.5f, 0.5f}, 1);
	cr_assert_eq(((const float *)network_output(&n))[0], 1.5f);
	cr_assert_eq(((const float *)network_output(&n))[1], -2.0f);
	network_finish(&n);
}

Test(graph, nodes_that_cannot_be_are_refused_by_name)
{
	struct network n;
	struct graph_node *node;
	int x, y, w;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, SIDE, SIDE, 2);
	y = network_image(&n, ENGINE_F32, -1, -1, -1);
	w = network_constant(&n, ENGINE_F32, 4, (int32_t[]){3, 3, 3, 5});
	node = network_node(&n, GRAPH_CONV, x, w, -1, y);
	node->conv.window = network_window(3, 1, 1);
	node->conv.groups = 1;
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, NULL), -EINVAL);
	cr_assert_not_null(strstr(n.error.text, "weights of 3x3x3x5"), "%s", n.error.text);
	network_finish(&n);
}

Test(graph, forward_references_and_second_producers_are_refused)
{
	struct network n;
	int x, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, SIDE, SIDE, 2);
	y = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_IDENTITY, x, -1, -1, y);
	cr_assert_eq(graph_add_node(&n.graph, GRAPH_IDENTITY, NULL, 0, &x, 1, &y, 1), -EINVAL);
	cr_assert_eq(graph_add_node(&n.graph, GRAPH_IDENTITY, NULL, 0, &y, 1, &x, 1), -EINVAL);
	cr_assert_eq(graph_add_node(&n.graph, GRAPH_IDENTITY, NULL, 0, (int[]){99}, 1, &y, 1), -EINVAL);
	network_finish(&n);
}

Test(graph, int32_sums_that_may_overflow_are_refused)
{
	struct network n;
	int x, y, w;

	network_init(&n);
	x = network_value(&n, ENGINE_S8, 2, (int32_t[]){1, 200000});
	y = network_value(&n, ENGINE_S8, 2, (int32_t[]){-1, -1});
	w = network_constant(&n, ENGINE_S8, 2, (int32_t[]){1, 200000});
	memset((void *)n.graph.values[w].data, 0x80, n.graph.values[w].data_bytes);
	network_quant(&n, x, 1.0f, 0);
	network_quant(&n, w, 1.0f, 0);
	network_quant(&n, y, 1.0f, 0);
	network_node(&n, GRAPH_FC, x, w, -1, y);
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, NULL), -ENOTSUP);
	cr_assert_not_null(strstr(n.error.text, "overflow"), "%s", n.error.text);
	network_finish(&n);
}

/* Bytes scaled to -1..1 lie at halves of a quantum, all of them; -0.5 and 0.5 are where even and away differ. */
Test(graph, casts_round_halves_to_the_even_number_or_away_from_zero)
{
	static const float pixels[] = {0.25f, -0.25f, 0.75f, 1.25f, -1.25f, 0.2499f, 100, -100};
	static const int8_t even[] = {1, 1, 3, 3, -1, 1, 127, -128}, away[] = {2, 0, 3, 4, -2, 1, 127, -128};
	struct network n;
	int x, y;

	for (int rounding = 0; rounding < 2; rounding++) {
		network_init(&n);
		x = network_image(&n, ENGINE_F32, 2, 2, 2);
		y = network_image(&n, ENGINE_S8, -1, -1, -1);
		network_quant(&n, y, 0.5f, 1);
		network_node(&n, GRAPH_CAST, x, -1, -1, y)->cast.half_away = rounding;
		network_io(&n, x, y);
		cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
		network_run(&n, pixels, 1);
		for (int i = 0; i < 8; i++)
			cr_assert_eq(((const int8_t *)network_output(&n))[i], (rounding ? away : even)[i], "%d of %d",
				     i, rounding);
		network_finish(&n);
	}
}
