/*
 * test_views.c - views against copies, to the bit: random graphs that join and cut are planned twice, once with all
 * tensors kept, which rules out strides, and once as they are run.
 */
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "support/test.h"

TEST_SUITE(views);

#define POOL_MAX 24

/* Values of one height and width to pick inputs from. */
struct pool {
	struct network n;
	enum engine_type type;
	int h, w;
	int values[POOL_MAX], channels[POOL_MAX], count;
	bool other[POOL_MAX]; /* of the other of two quantisations */
};

static void add(struct pool *p, int value, int channels)
{
	const struct graph_quant *quant = &p->n.graph.values[value].quant;

	p->values[p->count] = value;
	p->other[p->count] = quant->n_scales && quant->zero_points[0] < 0;
	p->channels[p->count++] = channels;
}

static int pick(const struct pool *p)
{
	return (int)test_random_range(0, p->count - 1);
}

static int image(struct pool *p, bool other_quant)
{
	int value = network_image(&p->n, p->type, -1, -1, -1);

	if (p->type == ENGINE_S8)
		network_quant(&p->n, value, other_quant ? 0.07f : 0.05f, other_quant ? -4 : 3);
	return value;
}

/* A convolution of any form that keeps height and width; depthwise where `out` is 0. */
static void add_conv(struct pool *p, int from, int out)
{
	int in = p->channels[from], y = image(p, false), kernel = test_random_range(0, 1) ? 3 : 1, each = out ? in : 1;
	int channels = out ? out : in;
	int w = network_constant(&p->n, p->type, 4, (int32_t[]){channels, kernel, kernel, each});
	int b = network_constant(&p->n, p->type == ENGINE_F32 ? ENGINE_F32 : ENGINE_S32, 1, (int32_t[]){channels});
	struct graph_node *node;

	if (p->type == ENGINE_S8)
		network_quant(&p->n, w, 0.004f, 0);
	node = network_node(&p->n, GRAPH_CONV, p->values[from], w, b, y);
	node->conv.window = network_window(kernel, 1, kernel / 2);
	node->conv.groups = out ? 1 : in;
	if (test_random_range(0, 2) == 0)
		node->act = (struct graph_act){GRAPH_ACT_HARDSWISH, 1.0f / 6, 0.5f};
	add(p, y, channels);
}

static void add_pool(struct pool *p, int from)
{
	enum graph_op op = test_random_range(0, 1) ? GRAPH_MAXPOOL : GRAPH_AVGPOOL;
	int y = image(p, p->other[from]);
	struct graph_node *node = network_node(&p->n, op, p->values[from], -1, -1, y);

	node->pool.window = network_window(3, 1, 1);
	add(p, y, p->channels[from]);
}

static void add_unary(struct pool *p, int from)
{
	int y = image(p, test_random_range(0, 3) == 0);

	network_node(&p->n, GRAPH_UNARY, p->values[from], -1, -1, y)->unary.kind = GRAPH_ACT_SIGMOID;
	add(p, y, p->channels[from]);
}

/* Of two values with as many channels, else of one with itself. */
static void add_binary(struct pool *p, int a)
{
	int b = pick(p), y = image(p, false);

	if (p->channels[b] != p->channels[a])
		b = a;
	network_node(&p->n, test_random_range(0, 1) ? GRAPH_ADD : GRAPH_MUL, p->values[a], p->values[b], -1, y);
	add(p, y, p->channels[a]);
}

/* Along the channels; its step reads and writes only dense tensors. */
static void add_softmax(struct pool *p, int from)
{
	int y = image(p, false);
	struct graph_node *node = network_node(&p->n, GRAPH_SOFTMAX, p->values[from], -1, -1, y);

	node->axis.axis = 3;
	node->axis.beta = 1.0f;
	add(p, y, p->channels[from]);
}

/* Adds an earlier value to a convolution of it, which then does it itself. */
static void add_residual(struct pool *p, int from)
{
	int y = image(p, false);

	add_conv(p, from, p->channels[from]);
	network_node(&p->n, GRAPH_ADD, p->values[p->count - 1], p->values[from], -1, y);
	p->count--;
	add(p, y, p->channels[from]);
}

static void add_prelu(struct pool *p, int from)
{
	int slope = network_constant(&p->n, p->type, 1, (int32_t[]){p->channels[from]}), y = image(p, false);

	if (p->type == ENGINE_S8)
		network_quant(&p->n, slope, 0.01f, 0);
	network_node(&p->n, GRAPH_PRELU, p->values[from], slope, -1, y);
	add(p, y, p->channels[from]);
}

static void add_resize(struct pool *p, int from)
{
	int y = image(p, p->other[from]);
	struct graph_node *node = network_node(&p->n, GRAPH_RESIZE, p->values[from], -1, -1, y);

	node->resize.bilinear = test_random_range(0, 1) != 0;
	node->resize.out_h = p->h;
	node->resize.out_w = p->w;
	add(p, y, p->channels[from]);
}

static void add_slice(struct pool *p, int from)
{
	int begin = (int)test_random_range(0, p->channels[from] - 1), y = image(p, p->other[from]);
	int size = (int)test_random_range(1, p->channels[from] - begin);
	struct graph_node *node = network_node(&p->n, GRAPH_SLICE, p->values[from], -1, -1, y);

	for (int i = 0; i < 4; i++) {
		node->slice.size[i] = -1;
		node->slice.step[i] = 1;
	}
	node->slice.begin[3] = test_random_range(0, 1) ? begin : begin - p->channels[from];
	node->slice.size[3] = size;
	add(p, y, size);
}

/* Up to three values along the channels; some of another quantisation, some more than once. */
static void add_concat(struct pool *p)
{
	int from[3] = {pick(p), pick(p), pick(p)}, n = (int)test_random_range(1, 3), y = image(p, false), channels = 0;

	for (int i = 0; i < n; i++)
		channels += p->channels[from[i]];
	network_node(&p->n, GRAPH_CONCAT, p->values[from[0]], n > 1 ? p->values[from[1]] : -1,
		     n > 2 ? p->values[from[2]] : -1, y)
		->axis.axis = 3;
	add(p, y, channels);
}

/* Joined along height or width, then cut to where it was. */
static void add_tall_concat(struct pool *p, int from)
{
	int axis = (int)test_random_range(1, 2), side = axis == 1 ? p->h : p->w, other = pick(p), joined, y;
	struct graph_node *node;

	if (p->channels[other] != p->channels[from])
		other = from;
	joined = image(p, false);
	network_node(&p->n, GRAPH_CONCAT, p->values[from], p->values[other], -1, joined)->axis.axis = axis;
	y = image(p, false);
	node = network_node(&p->n, GRAPH_SLICE, joined, -1, -1, y);
	for (int i = 0; i < 4; i++) {
		node->slice.size[i] = -1;
		node->slice.step[i] = 1;
	}
	node->slice.begin[axis] = (int32_t)test_random_range(0, side);
	node->slice.size[axis] = side;
	add(p, y, p->channels[from]);
}

/* The shuffle of channels, of an even number of them: its reshapes meet memory with a stride. */
static void add_shuffle(struct pool *p, int from)
{
	const int32_t turn[] = {0, 1, 2, 4, 3};
	int split, turned, y, half = p->channels[from] / 2;
	struct graph_node *node;

	if (p->channels[from] % 2 || p->type != ENGINE_F32)
		return;
	split = network_value(&p->n, p->type, 5, (int32_t[]){-1, -1, -1, -1, -1});
	node = network_node(&p->n, GRAPH_RESHAPE, p->values[from], -1, -1, split);
	node->shape = (struct graph_shape){5, {1, p->h, p->w, 2, half}};
	turned = network_value(&p->n, p->type, 5, (int32_t[]){-1, -1, -1, -1, -1});
	node = network_node(&p->n, GRAPH_TRANSPOSE, split, -1, -1, turned);
	node->shape.rank = 5;
	memcpy(node->shape.dims, turn, sizeof(turn));
	y = image(p, false);
	node = network_node(&p->n, GRAPH_RESHAPE, turned, -1, -1, y);
	node->shape = (struct graph_shape){4, {1, p->h, p->w, p->channels[from]}};
	add(p, y, p->channels[from]);
}

static void add_node(struct pool *p)
{
	int from = pick(p);

	switch (test_random_range(0, 14)) {
	case 0:
	case 1:
		add_conv(p, from, (int)test_random_range(1, 20));
		break;
	case 2:
		if (p->channels[from] > 1)
			add_conv(p, from, 0);
		break;
	case 3:
		add_pool(p, from);
		break;
	case 4:
		add_unary(p, from);
		break;
	case 5:
		add_binary(p, from);
		break;
	case 6:
		add_prelu(p, from);
		break;
	case 7:
		add_resize(p, from);
		break;
	case 8:
		add_slice(p, from);
		break;
	case 9:
		add_tall_concat(p, from);
		break;
	case 10:
		add_shuffle(p, from);
		break;
	case 11:
		add_softmax(p, from);
		break;
	case 12:
		add_residual(p, from);
		break;
	default:
		add_concat(p);
	}
}

static void build(struct pool *p, enum engine_type type)
{
	int x;

	*p = (struct pool){.type = type, .h = (int)test_random_range(1, 6), .w = (int)test_random_range(1, 6)};
	network_init(&p->n);
	x = network_image(&p->n, type, p->h, p->w, 6);
	if (type == ENGINE_S8)
		network_quant(&p->n, x, 0.05f, 3);
	add(p, x, 6);
	while (p->count < POOL_MAX && p->channels[p->count - 1] < 300)
		add_node(p);
	network_io(&p->n, x, p->values[p->count - 1]);
	/* Others leave the network too, which rules out that they are parts of anything. */
	for (int i = 0; i < 2; i++) {
		int value = p->values[pick(p)];

		if (value != x && value != p->n.graph.outputs[0] && (i == 0 || value != p->n.graph.outputs[1]))
			p->n.graph.outputs[p->n.graph.n_outputs++] = value;
	}
}

/* Runs the plan that is there; copies of all outputs follow each other in *ret_bytes. */
static size_t run(struct pool *p, const uint8_t *input, int n_threads, uint8_t **ret_bytes)
{
	size_t total = 0;

	network_run(&p->n, input, n_threads);
	*ret_bytes = NULL;
	for (int i = 0; i < p->n.graph.n_outputs; i++) {
		size_t bytes = p->n.plan->tensors[p->n.graph.outputs[i]].bytes;

		*ret_bytes = realloc(*ret_bytes, total + bytes);
		cr_assert_not_null(*ret_bytes);
		memcpy(*ret_bytes + total, engine_context_output(p->n.context, p->n.plan, i), bytes);
		total += bytes;
	}
	return total;
}

static int compare(enum engine_type type)
{
	struct engine_plan_options kept = {.keep_tensors = 1};
	struct engine_plan *copies;
	uint8_t *input, *want, *have;
	struct pool p;
	size_t n;
	int views;

	build(&p, type);
	cr_assert_eq(network_plan(&p.n, &kept), 0, "%s", p.n.error.text);
	input = malloc(p.n.plan->tensors[p.values[0]].bytes + 1);
	cr_assert_not_null(input);
	for (size_t i = 0; i < p.n.plan->tensors[p.values[0]].count; i++)
		if (type == ENGINE_S8)
			input[i] = (uint8_t)test_random();
		else
			((float *)(void *)input)[i] = test_random_float();
	n = run(&p, input, 1, &want);
	copies = p.n.plan;
	p.n.plan = NULL;
	cr_assert_eq(plan_create(&p.n.graph, &p.n.weights, &(struct engine_plan_options){0}, &p.n.error, &p.n.plan), 0,
		     "%s", p.n.error.text);
	cr_assert_eq(engine_context_reserve(p.n.context, p.n.plan), 0);
	views = p.n.plan->passes[PLAN_PASS_CONCAT] + p.n.plan->passes[PLAN_PASS_SLICE];
	for (int threads = 1; threads <= 3; threads += 2) {
		cr_assert_eq(run(&p, input, threads, &have), n);
		cr_assert(memcmp(have, want, n) == 0, "views and copies differ, %d threads", threads);
		free(have);
	}
	free(want);
	free(input);
	plan_destroy(copies);
	network_finish(&p.n);
	return views;
}

Test(views, random_float_graphs_give_what_copies_give)
{
	int views = 0;

	for (int i = 0; i < 150; i++)
		views += compare(ENGINE_F32);
	cr_assert_gt(views, 100);
}

Test(views, random_int8_graphs_give_what_copies_give)
{
	int views = 0;

	for (int i = 0; i < 150; i++)
		views += compare(ENGINE_S8);
	cr_assert_gt(views, 100);
}

/* ---- what becomes a view ----------------------------------------------------------------------- */

static int layer(struct network *n, int x, int in, int out, enum graph_act_kind act)
{
	int y = network_image(n, ENGINE_F32, -1, -1, -1);
	int w = network_constant(n, ENGINE_F32, 4, (int32_t[]){out, 1, 1, in});
	struct graph_node *node = network_node(n, GRAPH_CONV, x, w, -1, y);

	node->conv.window = network_window(1, 1, 0);
	node->conv.groups = 1;
	node->act.kind = act;
	return y;
}

static int joined(struct network *n, int a, int b, int c)
{
	int y = network_image(n, ENGINE_F32, -1, -1, -1);

	network_node(n, GRAPH_CONCAT, a, b, c, y)->axis.axis = 3;
	return y;
}

/* Every layer reads all before it: each concatenation holds the one before, and none is a step. */
Test(views, a_dense_block_is_one_memory)
{
	struct network n;
	int x, a, b, c, ab, abc, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, 4, 4, 8);
	a = layer(&n, x, 8, 5, GRAPH_ACT_RELU);
	b = layer(&n, a, 5, 3, GRAPH_ACT_RELU);
	ab = joined(&n, a, b, -1);
	c = layer(&n, ab, 8, 2, GRAPH_ACT_RELU);
	abc = joined(&n, a, b, c);
	y = layer(&n, abc, 10, 4, GRAPH_ACT_NONE);
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
	cr_assert_eq(n.plan->n_steps, 4);
	cr_assert_eq(n.plan->passes[PLAN_PASS_CONCAT], 2);
	cr_assert_eq(n.plan->tensors[ab].root, abc);
	cr_assert_eq(n.plan->tensors[b].start, 5);
	cr_assert_eq(n.plan->tensors[c].start, 8);
	cr_assert_eq(n.plan->tensors[a].stride, 10);
	network_finish(&n);
}

/* Only one place can be written to, and the network's input and outputs stay where they are. */
Test(views, what_has_no_single_place_is_copied)
{
	struct network n;
	int x, a, twice, with_input, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, 4, 4, 8);
	a = layer(&n, x, 8, 5, GRAPH_ACT_RELU);
	twice = joined(&n, a, a, -1);
	with_input = joined(&n, x, twice, -1);
	y = layer(&n, with_input, 18, 4, GRAPH_ACT_NONE);
	network_io(&n, x, y);
	n.graph.outputs[n.graph.n_outputs++] = twice;
	cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
	cr_assert_eq(n.plan->passes[PLAN_PASS_CONCAT], 0);
	cr_assert_eq(n.plan->n_steps, 4);
	cr_assert_eq(n.plan->tensors[a].root, twice);
	cr_assert_eq(n.plan->tensors[twice].root, twice);
	cr_assert_eq(n.plan->tensors[x].root, x);
	network_finish(&n);
}

/* ---- squeeze and excite ------------------------------------------------------------------------ */

/* The mean and its two layers are one step, and the product lies where the picture was. */
Test(views, a_squeeze_and_excite_block_is_two_steps)
{
	struct engine_plan_options kept = {.keep_tensors = 1};
	struct engine_plan *apart;
	struct network n;
	float input[7 * 5 * 12], want[7 * 5 * 12];
	int x, picture, mean, gate, product, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, 7, 5, 12);
	picture = layer(&n, x, 12, 12, GRAPH_ACT_SILU);
	mean = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_AVGPOOL, picture, -1, -1, mean)->pool.global = true;
	gate = layer(&n, layer(&n, mean, 12, 3, GRAPH_ACT_RELU), 3, 12, GRAPH_ACT_SIGMOID);
	product = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_MUL, gate, picture, -1, product);
	y = layer(&n, product, 12, 12, GRAPH_ACT_NONE);
	network_io(&n, x, y);
	for (size_t i = 0; i < sizeof(input) / sizeof(*input); i++)
		input[i] = test_random_float();
	cr_assert_eq(network_plan(&n, &kept), 0, "%s", n.error.text);
	network_run(&n, input, 1);
	memcpy(want, network_output(&n), sizeof(want));
	apart = n.plan;
	cr_assert_eq(plan_create(&n.graph, &n.weights, &(struct engine_plan_options){0}, &n.error, &n.plan), 0);
	cr_assert_eq(engine_context_reserve(n.context, n.plan), 0);
	cr_assert_eq(n.plan->n_steps, 4);
	cr_assert_eq(n.plan->passes[PLAN_PASS_SQUEEZE], 1);
	cr_assert_eq(n.plan->tensors[product].root, picture);
	cr_assert_eq(apart->tensors[product].root, product);
	network_run(&n, input, 4);
	cr_assert(memcmp(network_output(&n), want, sizeof(want)) == 0);
	plan_destroy(apart);
	network_finish(&n);
}
