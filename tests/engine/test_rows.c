/*
 * test_rows.c - depthwise convolutions row by row with those around them, against the same steps one by one: random
 * blocks are planned twice, once with all tensors kept, which merges nothing.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "support/test.h"

TEST_SUITE(rows);

#define LARGE (512 << 10) /* bytes of a tensor that is worth it */

struct block {
	struct network n;
	enum engine_type type;
	bool expand, project;
	int c, kernel, stride, dilation, pad;
	int first_kernel, first_stride; /* of the expanding convolution: a network's first is not pointwise */
	int x, y;			/* values: input and output */
};

static int image(struct block *b)
{
	int value = network_image(&b->n, b->type, -1, -1, -1);

	if (b->type == ENGINE_S8)
		network_quant(&b->n, value, 0.05f, 3);
	return value;
}

/* A convolution of all kinds that these are; depthwise where `out` is 0. */
static int add_conv(struct block *b, int from, int in, int out, struct graph_window window)
{
	int y = image(b), kernel = window.kernel_h, each = out ? in : 1, channels = out ? out : in;
	int w = network_constant(&b->n, b->type, 4, (int32_t[]){channels, kernel, kernel, each});
	int bias = network_constant(&b->n, b->type == ENGINE_F32 ? ENGINE_F32 : ENGINE_S32, 1, (int32_t[]){channels});
	const struct graph_act acts[] = {
		{GRAPH_ACT_NONE, 0.0f, 0.0f},
		{GRAPH_ACT_CLIP, 0.0f, 0.5f},
		{GRAPH_ACT_HARDSWISH, 1.0f / 6, 0.5f},
	};
	struct graph_node *node;

	if (b->type == ENGINE_S8)
		network_quant(&b->n, w, 0.004f, 0);
	node = network_node(&b->n, GRAPH_CONV, from, w, bias, y);
	node->conv.window = window;
	node->conv.groups = out ? 1 : in;
	node->act = acts[test_random_range(0, 2)];
	if (b->type == ENGINE_F32 && node->act.kind == GRAPH_ACT_NONE && test_random_range(0, 1)) {
		int bent = image(b), slope = network_constant(&b->n, ENGINE_F32, 1, (int32_t[]){channels});

		network_node(&b->n, GRAPH_PRELU, y, slope, -1, bent);
		return bent;
	}
	return y;
}

static int add_expanding(struct block *b, int from, int in)
{
	return add_conv(b, from, in, b->c, network_window(b->first_kernel, b->first_stride, b->first_kernel / 2));
}

static int add_depthwise(struct block *b, int from)
{
	struct graph_window window = network_window(b->kernel, b->stride, b->pad);

	window.dilation_h = window.dilation_w = b->dilation;
	return add_conv(b, from, b->c, 0, window);
}

static int add_pointwise(struct block *b, int from, int out)
{
	return add_conv(b, from, b->c, out, network_window(1, 1, 0));
}

static void build(struct block *b, enum engine_type type)
{
	int in = (int)test_random_range(1, 24), size = type == ENGINE_S8 ? 1 : 4, w = (int)test_random_range(3, 48), h,
	    channels;

	*b = (struct block){
		.type = type,
		.expand = test_random_range(0, 2) > 0,
		.c = (int)test_random_range(24, 70),
		.kernel = 2 * (int)test_random_range(0, 2) + 1,
		.stride = (int)test_random_range(1, 3),
		.dilation = (int)test_random_range(1, 2),
		.first_kernel = 1,
		.first_stride = 1,
	};
	if (b->expand && test_random_range(0, 1)) {
		b->first_kernel = 3;
		b->first_stride = (int)test_random_range(1, 2);
		in = (int)test_random_range(1, 4);
	}
	b->project = !b->expand || test_random_range(0, 1);
	b->pad = (int)test_random_range(0, (b->kernel - 1) * b->dilation);
	/* Both tensors are large, unless a stride makes the second one small. */
	h = LARGE / (size * w * b->c) + 1 + (int)test_random_range(4, 12);
	if (!b->expand)
		h *= b->stride * b->stride;
	channels = b->expand ? in : b->c;
	network_init(&b->n);
	b->x = network_image(&b->n, type, h * b->first_stride, (w + (b->kernel - 1) * b->dilation) * b->first_stride,
			     channels);
	if (type == ENGINE_S8)
		network_quant(&b->n, b->x, 0.05f, 3);
	b->y = b->x;
	if (b->expand)
		b->y = add_expanding(b, b->y, in);
	b->y = add_depthwise(b, b->y);
	if (b->project) {
		bool same = b->stride == 1 && b->first_stride == 1 && 2 * b->pad == (b->kernel - 1) * b->dilation;
		int last = add_pointwise(b, b->y, same ? channels : (int)test_random_range(1, b->c));

		b->y = last;
		if (same) { /* float: becomes part of the convolution.  The sum is one half of a larger tensor. */
			int sum = image(b);

			network_node(&b->n, GRAPH_ADD, last, b->x, -1, sum);
			b->y = image(b);
			network_node(&b->n, GRAPH_CONCAT, sum, b->x, -1, b->y)->axis.axis = 3;
		}
	}
	network_io(&b->n, b->x, b->y);
}

static uint8_t *run(struct block *b, const uint8_t *input, int n_threads)
{
	size_t bytes = b->n.plan->tensors[b->n.graph.outputs[0]].bytes;
	uint8_t *copy = malloc(bytes + 1);

	cr_assert_not_null(copy);
	network_run(&b->n, input, n_threads);
	memcpy(copy, network_output(&b->n), bytes);
	return copy;
}

/* Bytes are the same.  Floats are sums of the same products, added up in another order where few rows are left. */
static bool alike(enum engine_type type, const uint8_t *a, const uint8_t *b, size_t bytes)
{
	const float *have = (const void *)a, *want = (const void *)b;
	float largest = 0, furthest = 0;

	if (type == ENGINE_S8)
		return memcmp(a, b, bytes) == 0;
	for (size_t i = 0; i < bytes / sizeof(float); i++) {
		if (!(fabsf(have[i] - want[i]) <= FLT_MAX))
			return false;
		largest = fmaxf(largest, fabsf(want[i]));
		furthest = fmaxf(furthest, fabsf(have[i] - want[i]));
	}
	return furthest <= 1e-5f * largest;
}

static int compare(enum engine_type type)
{
	struct engine_plan_options kept = {.keep_tensors = 1};
	struct engine_plan *apart;
	uint8_t *input, *want, *have;
	struct block b;
	size_t bytes;
	int merged;

	build(&b, type);
	cr_assert_eq(network_plan(&b.n, &kept), 0, "%s", b.n.error.text);
	apart = b.n.plan;
	cr_assert_eq(apart->passes[PLAN_PASS_ROWS], 0);
	bytes = apart->tensors[b.y].bytes;
	input = malloc(apart->tensors[b.x].bytes);
	cr_assert_not_null(input);
	for (size_t i = 0; i < apart->tensors[b.x].count; i++)
		if (type == ENGINE_S8)
			input[i] = (uint8_t)test_random();
		else
			((float *)(void *)input)[i] = test_random_float();
	want = run(&b, input, 1);
	cr_assert_eq(plan_create(&b.n.graph, &b.n.weights, &(struct engine_plan_options){0}, &b.n.error, &b.n.plan), 0,
		     "%s", b.n.error.text);
	cr_assert_eq(engine_context_reserve(b.n.context, b.n.plan), 0);
	merged = b.n.plan->passes[PLAN_PASS_ROWS];
	cr_assert_leq(merged, 1);
	cr_assert_eq(b.n.plan->macs, apart->macs);
	cr_assert_leq(b.n.plan->n_steps, apart->n_steps - merged);
	for (int threads = 1; threads <= 3; threads += 2) {
		have = run(&b, input, threads);
		cr_assert(alike(type, have, want, bytes), "rows and whole images differ, %d threads, %d steps", threads,
			  b.n.plan->n_steps);
		free(have);
	}
	free(want);
	free(input);
	plan_destroy(apart);
	network_finish(&b.n);
	return merged;
}

Test(rows, float_blocks_give_what_their_steps_give)
{
	int merged = 0;

	for (int i = 0; i < 40; i++)
		merged += compare(ENGINE_F32);
	cr_assert_gt(merged, 25);
}

Test(rows, int8_blocks_give_what_their_steps_give)
{
	int merged = 0;

	for (int i = 0; i < 20; i++)
		merged += compare(ENGINE_S8);
	cr_assert_gt(merged, 12);
}

/* ---- what is merged ---------------------------------------------------------------------------- */

struct chain {
	struct block b;
	int expanded, deep, y;
};

/* Pointwise, depthwise, pointwise, over 64 x 64 pixels of 48 channels. */
static void chain(struct chain *c)
{
	c->b = (struct block){.type = ENGINE_F32,
			      .c = 48,
			      .kernel = 3,
			      .stride = 1,
			      .dilation = 1,
			      .pad = 1,
			      .first_kernel = 1,
			      .first_stride = 1};
	network_init(&c->b.n);
	c->b.x = network_image(&c->b.n, ENGINE_F32, 64, 64, 8);
	c->expanded = add_expanding(&c->b, c->b.x, 8);
	c->deep = add_depthwise(&c->b, c->expanded);
	c->y = add_pointwise(&c->b, c->deep, 8);
	network_io(&c->b.n, c->b.x, c->y);
}

Test(rows, a_block_is_one_step_without_memory_between)
{
	struct chain c;

	chain(&c);
	cr_assert_eq(network_plan(&c.b.n, NULL), 0, "%s", c.b.n.error.text);
	cr_assert_eq(c.b.n.plan->n_steps, 1);
	cr_assert_eq(c.b.n.plan->steps[0].n_parts, 3);
	cr_assert_eq(c.b.n.plan->macs, 64 * 64 * (8 * 48 + 9 * 48 + 48 * 8));
	cr_assert_lt(c.b.n.plan->arena_bytes, 64 * 64 * 48 * sizeof(float));
	network_finish(&c.b.n);
}

/* An output of the network, or what two steps read, is a whole image. */
Test(rows, what_others_read_is_kept_whole)
{
	struct chain c;
	int other;

	chain(&c);
	c.b.n.graph.outputs[c.b.n.graph.n_outputs++] = c.deep;
	cr_assert_eq(network_plan(&c.b.n, NULL), 0, "%s", c.b.n.error.text);
	cr_assert_eq(c.b.n.plan->n_steps, 2);
	cr_assert_eq(c.b.n.plan->steps[0].n_parts, 2);
	network_finish(&c.b.n);

	chain(&c);
	other = image(&c.b);
	network_node(&c.b.n, GRAPH_MUL, c.expanded, c.deep, -1, other);
	c.b.n.graph.outputs[c.b.n.graph.n_outputs++] = other;
	cr_assert_eq(network_plan(&c.b.n, NULL), 0, "%s", c.b.n.error.text);
	cr_assert_eq(c.b.n.plan->passes[PLAN_PASS_ROWS], 0);
	network_finish(&c.b.n);
}

/* A fully connected layer looks like a pointwise convolution, but takes the image as one pixel. */
Test(rows, a_fully_connected_layer_stays_a_step)
{
	struct chain c;
	int w, y;

	chain(&c);
	w = network_constant(&c.b.n, ENGINE_F32, 2, (int32_t[]){3, 64 * 64 * 48});
	y = network_value(&c.b.n, ENGINE_F32, 2, (int32_t[]){1, 3});
	network_node(&c.b.n, GRAPH_FC, c.deep, w, -1, y)->fc.flatten = true;
	c.b.n.graph.outputs[0] = y;
	cr_assert_eq(network_plan(&c.b.n, NULL), 0, "%s", c.b.n.error.text);
	cr_assert_eq(c.b.n.plan->steps[0].n_parts, 2);
	cr_assert_eq(c.b.n.plan->steps[c.b.n.plan->n_steps - 1].n_parts, 0);
	network_finish(&c.b.n);
}
