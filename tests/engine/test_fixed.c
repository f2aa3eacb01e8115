/*
 * test_fixed.c - quantised operators whose answers TFLite's reference kernels give in integers.
 *
 * Where not worked out beside it, what is expected was read off LiteRT's reference kernels; exact arithmetic gives the
 * neighbour in each case.
 */
#include <string.h>

#include "engine/fixed.h"
#include "network.h"
#include "support/test.h"

TEST_SUITE(fixed);

Test(fixed, multipliers)
{
	static const struct {
		double scale;
		int32_t multiplier, shift;
	} cases[] = {
		{1, 1 << 30, -1},   {0.25, 1 << 30, 1},
		{0.75, 3 << 29, 0}, {1 - 0x1p-40, 1 << 30, -1}, /* rounds up to a power of two */
		{0x1p-40, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int32_t multiplier, shift;

		fixed_multiplier(cases[i].scale, &multiplier, &shift);
		cr_expect_eq(multiplier, cases[i].multiplier, "%g: %d", cases[i].scale, multiplier);
		cr_expect_eq(shift, cases[i].shift, "%g: %d", cases[i].scale, shift);
	}
}

Test(fixed, hardswish)
{
	int8_t table[256];

	cr_assert(fixed_hardswish(0.06898391246795654f, -15, 0.039791032671928406f, -119, table));
	cr_expect_eq(table[(uint8_t)-60], -119); /* below -3: nothing */
	cr_expect_eq(table[(uint8_t)-30], -128);
	cr_expect_eq(table[0], -102);
	cr_expect_eq(table[20], -64);
	cr_expect_eq(table[92], 66);  /* exact arithmetic: 67 */
	cr_expect_eq(table[107], 92); /* 93 */
	cr_expect(!fixed_hardswish(1.0f, 0, 0.001f, 0, table));
}

/* x, all of one value but the first, through a node with another operand or none. */
static int8_t run(struct network *n, enum graph_op op, int x, int other, int y, int8_t first, int8_t rest)
{
	int8_t in[196];
	struct graph_node *node;
	int8_t out;

	memset(in, rest, sizeof(in));
	in[0] = first;
	node = network_node(n, op, x, other, -1, y);
	if (op == GRAPH_MEAN)
		node->reduce = (struct graph_reduce){.n_axes = 2, .axes = {1, 2}, .keep_dims = true};
	network_io(n, x, y);
	cr_assert_eq(network_plan(n, NULL), 0, "%s", n->error.text);
	network_run(n, in, 1);
	out = *(const int8_t *)network_output(n);
	network_finish(n);
	return out;
}

static int8_t mean(int8_t first, int8_t rest)
{
	struct network n;
	int x, y;

	network_init(&n);
	x = network_image(&n, ENGINE_S8, 14, 14, 1);
	y = network_image(&n, ENGINE_S8, -1, -1, -1);
	network_quant(&n, x, 0.03404860943555832f, -117);
	network_quant(&n, y, 0.0034365456085652113f, -68);
	return run(&n, GRAPH_MEAN, x, -1, y, first, rest);
}

Test(fixed, mean_of_an_image)
{
	/* Sums of -21459 and -19540: 6.4602 and 103.4656 in exact arithmetic. */
	cr_expect_eq(mean(-9, -110), 7);
	cr_expect_eq(mean(-40, -100), 104);
}

static int8_t product(int8_t a)
{
	static int8_t one[196];
	struct network n;
	int x, y, other;

	memset(one, 1, sizeof(one));
	network_init(&n);
	x = network_image(&n, ENGINE_S8, 14, 14, 1);
	y = network_image(&n, ENGINE_S8, -1, -1, -1);
	other = network_constant(&n, ENGINE_S8, 4, (int32_t[]){1, 14, 14, 1});
	memcpy((void *)(uintptr_t)n.graph.values[other].data, one, sizeof(one));
	network_quant(&n, x, 0.5f, 0);
	network_quant(&n, other, 0.5f, 0);
	network_quant(&n, y, 1.0f, 0);
	return run(&n, GRAPH_MUL, x, other, y, a, a);
}

/* A quarter of each: rounded to halves first, upwards, and then again, away from zero. */
Test(fixed, products_are_rounded_twice)
{
	cr_expect_eq(product(1), 1);
	cr_expect_eq(product(2), 1);
	cr_expect_eq(product(4), 1);
	cr_expect_eq(product(5), 2);
	cr_expect_eq(product(-1), 0);
	cr_expect_eq(product(-2), -1);
	cr_expect_eq(product(-3), -1);
}
