/*
 * test_half.c - float16 weights stay float16 in memory and change no answer: random networks beside the same ones with
 * those weights as float32.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/trial.h"
#include "network.h"
#include "support/test.h"

TEST_SUITE(half);

#define ROUNDS	 100
#define SIDE_MAX 12
#define LARGE	 (512 << 10) /* bytes of a tensor from which on depthwise layers are done row by row */

/* Of one network twice: values have the same indexes. */
struct twins {
	struct network half, full;
};

static void twins_init(struct twins *t)
{
	network_init(&t->half);
	network_init(&t->full);
}

static void twins_finish(struct twins *t)
{
	network_finish(&t->half);
	network_finish(&t->full);
}

static int add_image(struct twins *t, int h, int w, int c)
{
	network_image(&t->half, ENGINE_F32, h, w, c);
	return network_image(&t->full, ENGINE_F32, h, w, c);
}

static void node(struct twins *t, enum graph_op op, int a, int b, int c, int y, const struct graph_node *like)
{
	struct network *const networks[] = {&t->half, &t->full};

	for (int i = 0; i < 2; i++) {
		struct graph_node *added = network_node(networks[i], op, a, b, c, y);

		if (op == GRAPH_CONV)
			added->conv = like->conv;
		else if (op == GRAPH_AVGPOOL)
			added->pool.global = true;
		else if (op == GRAPH_FC)
			added->fc.flatten = true;
		added->act = like ? like->act : (struct graph_act){0};
	}
}

/* A constant of numbers that float16 has, some of them among the smallest. */
static int add_constant(struct twins *t, bool as_half, int rank, const int32_t *dims)
{
	int value = network_constant(&t->half, as_half ? ENGINE_F16 : ENGINE_F32, rank, dims);
	struct graph_value *half = &t->half.graph.values[value], *full;
	size_t n;

	cr_assert_eq(network_constant(&t->full, ENGINE_F32, rank, dims), value);
	full = &t->full.graph.values[value];
	n = full->data_bytes / sizeof(float);
	for (size_t i = 0; i < n; i++) {
		float number = test_random_float() * (test_random() % 16 ? 1.0f : 0x1p-16f);
		uint16_t bits;

		kernels_get()->f32_to_f16(1, &number, &bits);
		kernels_get()->f16_to_f32(1, &bits, &number);
		memcpy((uint8_t *)(uintptr_t)full->data + i * sizeof(number), &number, sizeof(number));
		if (as_half)
			memcpy((uint8_t *)(uintptr_t)half->data + i * sizeof(bits), &bits, sizeof(bits));
		else
			memcpy((uint8_t *)(uintptr_t)half->data + i * sizeof(number), &number, sizeof(number));
	}
	return value;
}

/* channels: in and out; groups 0: depthwise. */
static int add_conv(struct twins *t, int x, int in, int out, int kernel, int groups, int stride,
		    enum graph_act_kind act)
{
	int y = add_image(t, -1, -1, -1), w, b;
	struct graph_node like = {.act.kind = act};

	groups = groups ? groups : in;
	w = add_constant(t, true, 4, (int32_t[]){out, kernel, kernel, in / groups});
	b = test_random() & 1 ? add_constant(t, test_random() & 1, 1, (int32_t[]){out}) : -1;
	like.conv.window = network_window(kernel, stride, kernel / 2);
	like.conv.groups = groups;
	node(t, GRAPH_CONV, x, w, b, y, &like);
	return y;
}

static void set_io(struct twins *t, int x, int y)
{
	network_io(&t->half, x, y);
	network_io(&t->full, x, y);
}

static void plan(struct twins *t)
{
	cr_assert_eq(network_plan(&t->half, NULL), 0, "%s", t->half.error.text);
	cr_assert_eq(network_plan(&t->full, NULL), 0, "%s", t->full.error.text);
	cr_assert_eq(t->half.plan->n_steps, t->full.plan->n_steps);
}

static void expect_same(struct twins *t, const float *x, int n_threads)
{
	network_run(&t->half, x, n_threads);
	network_run(&t->full, x, n_threads);
	cr_assert_arr_eq(network_output(&t->half), network_output(&t->full),
			 network_output_count(&t->full) * sizeof(float), "%d threads", n_threads);
}

/* On one thread, on three, and with all tensors kept. */
static void compare(struct twins *t)
{
	struct engine_plan_options kept = {.keep_tensors = 1};
	struct engine_plan *usual = t->half.plan;
	size_t n = network_input_count(&t->full);
	float *x = malloc(n * sizeof(*x));

	cr_assert_not_null(x);
	for (size_t i = 0; i < n; i++)
		x[i] = test_random_float();
	expect_same(t, x, 1);
	expect_same(t, x, 3);
	plan_destroy(t->full.plan);
	cr_assert_eq(plan_create(&t->half.graph, &t->half.weights, &kept, &t->half.error, &t->half.plan), 0);
	cr_assert_eq(plan_create(&t->full.graph, &t->full.weights, &kept, &t->full.error, &t->full.plan), 0);
	cr_assert_eq(engine_context_reserve(t->half.context, t->half.plan), 0);
	cr_assert_eq(engine_context_reserve(t->full.context, t->full.plan), 0);
	expect_same(t, x, 2);
	plan_destroy(usual);
	free(x);
}

/* Whether the panels of the step are float16. */
static bool is_half(const struct step *step)
{
	return step->gemm.weights->wide_bytes > 0;
}

/* A single one stays float32. */
static bool several_panels(const struct twins *t)
{
	return t->half.plan->steps[0].window.out_c > kernels_get()->igemm_f32.nr;
}

/* Bytes of all weights. */
static size_t weights_bytes(const struct network *n)
{
	return n->weights.bytes + n->pool.bytes;
}

enum kind { POINTWISE, PLAIN, STRIDED, GROUPED, STEM, FIFTH, DEPTHWISE, WINOGRAD, KINDS };

static int add_kind(struct twins *t, enum kind kind, int *ret_in)
{
	int in = (int)test_random_range(20, 90), out = (int)test_random_range(1, 70), side, x;
	int kernel = kind == POINTWISE ? 1 : kind == FIFTH ? 5 : 3;
	int groups = kind == GROUPED ? 4 : kind == DEPTHWISE ? 0 : 1;

	in = kind == STEM ? 3 : kind == GROUPED ? in / 4 * 4 : kind == WINOGRAD ? 32 : in;
	out = kind == GROUPED ? (out / 4 + 1) * 4 : kind == DEPTHWISE ? in : kind == WINOGRAD ? 16 : out;
	in += kind == PLAIN && in % 4 == 0; /* so that it is not Winograd's */
	side = (int)test_random_range(kind == POINTWISE ? 1 : 3, SIDE_MAX);
	x = *ret_in = add_image(t, side, side, in);
	return add_conv(t, x, in, out, kernel, groups, kind == STRIDED || kind == STEM ? 2 : 1,
			test_random() & 1 ? GRAPH_ACT_RELU : GRAPH_ACT_SILU);
}

Test(half, convolutions_answer_as_with_float32)
{
	for (int i = 0; i < ROUNDS; i++) {
		enum kind kind = (enum kind)(i % KINDS);
		struct twins t;
		int x, y;

		twins_init(&t);
		y = add_kind(&t, kind, &x);
		set_io(&t, x, y);
		t.half.trials->mode = t.full.trials->mode = TRIAL_4X4; /* pictures are small */
		plan(&t);
		cr_assert_eq(is_half(&t.half.plan->steps[0]),
			     kind != DEPTHWISE && kind != WINOGRAD && (kind == GROUPED || several_panels(&t)),
			     "kind %d", kind);
		cr_assert(!is_half(&t.full.plan->steps[0]));
		compare(&t);
		twins_finish(&t);
	}
}

/* One row reads each panel once, several share them. */
Test(half, fully_connected_layers_answer_as_with_float32)
{
	for (int i = 0; i < ROUNDS; i++) {
		int in = (int)test_random_range(1, 300), out = (int)test_random_range(1, 300), x, y, w, b;
		int rows = test_random() & 1 ? 1 : (int)test_random_range(2, 70);
		struct twins t;

		twins_init(&t);
		network_value(&t.half, ENGINE_F32, 2, (int32_t[]){rows, in});
		x = network_value(&t.full, ENGINE_F32, 2, (int32_t[]){rows, in});
		w = add_constant(&t, true, 2, (int32_t[]){out, in});
		b = test_random() & 1 ? add_constant(&t, false, 1, (int32_t[]){out}) : -1;
		network_value(&t.half, ENGINE_F32, 2, (int32_t[]){rows, out});
		y = network_value(&t.full, ENGINE_F32, 2, (int32_t[]){rows, out});
		node(&t, GRAPH_FC, x, w, b, y, NULL);
		set_io(&t, x, y);
		plan(&t);
		cr_assert_eq(is_half(&t.half.plan->steps[0]), several_panels(&t));
		compare(&t);
		twins_finish(&t);
	}
}

/* A step of several parts needs room for the widest panel of them, and for its rows beside that. */
Test(half, rows_have_room_beside_panels)
{
	struct twins t;
	int x, y;

	twins_init(&t);
	x = add_image(&t, 48, 48, 24);
	y = add_conv(&t, x, 24, 96, 1, 1, 1, GRAPH_ACT_RELU);
	cr_assert_geq(48 * 48 * 96 * sizeof(float), LARGE);
	y = add_conv(&t, y, 96, 96, 3, 0, 1, GRAPH_ACT_RELU);
	y = add_conv(&t, y, 96, 40, 1, 1, 1, GRAPH_ACT_SILU);
	set_io(&t, x, y);
	plan(&t);
	cr_assert_eq(t.half.plan->passes[PLAN_PASS_ROWS], 1);
	cr_assert(is_half(&t.half.plan->steps[0].parts[0]));
	cr_assert_geq(t.half.plan->own_bytes - t.full.plan->own_bytes, t.half.plan->steps[0].gemm.weights->wide_bytes);
	compare(&t);
	twins_finish(&t);
}

Test(half, squeezes_have_room_for_panels)
{
	struct twins t;
	int x, mean, gate, y;

	twins_init(&t);
	x = add_image(&t, 5, 5, 80);
	mean = add_image(&t, -1, -1, -1);
	node(&t, GRAPH_AVGPOOL, x, -1, -1, mean, NULL);
	gate = add_conv(&t, mean, 80, 8, 1, 1, 1, GRAPH_ACT_RELU);
	gate = add_conv(&t, gate, 8, 80, 1, 1, 1, GRAPH_ACT_SIGMOID);
	y = add_image(&t, -1, -1, -1);
	node(&t, GRAPH_MUL, gate, x, -1, y, NULL);
	set_io(&t, x, y);
	plan(&t);
	cr_assert_eq(t.half.plan->passes[PLAN_PASS_SQUEEZE], 1);
	cr_assert(is_half(&t.half.plan->steps[0].parts[2]));
	cr_assert_geq(t.half.plan->own_bytes, t.half.plan->steps[0].parts[2].gemm.weights->wide_bytes);
	compare(&t);
	twins_finish(&t);
}

/* What a batch norm makes of them need not be float16; a mere shift leaves them. */
Test(half, scaled_weights_become_float32)
{
	for (int shift = 0; shift < 2; shift++) {
		struct twins t;
		int x, y, out, scale, offset;

		twins_init(&t);
		x = add_image(&t, 5, 5, 33);
		y = add_conv(&t, x, 33, 70, 3, 1, 1, GRAPH_ACT_NONE);
		scale = add_constant(&t, false, 1, (int32_t[]){70});
		offset = add_constant(&t, false, 1, (int32_t[]){70});
		for (int i = 0; shift && i < 70; i++) {
			((float *)(uintptr_t)t.half.graph.values[scale].data)[i] = 1.0f;
			((float *)(uintptr_t)t.full.graph.values[scale].data)[i] = 1.0f;
		}
		out = add_image(&t, -1, -1, -1);
		node(&t, GRAPH_BATCHNORM, y, scale, offset, out, NULL);
		set_io(&t, x, out);
		plan(&t);
		cr_assert_eq(t.half.plan->n_steps, 1);
		cr_assert_eq(is_half(&t.half.plan->steps[0]), shift);
		compare(&t);
		twins_finish(&t);
	}
}

Test(half, weights_take_half_the_memory)
{
	struct twins t;
	int x, y;

	twins_init(&t);
	x = add_image(&t, 6, 6, 130);
	y = add_conv(&t, x, 130, 192, 3, 1, 1, GRAPH_ACT_RELU);
	y = add_conv(&t, y, 192, 384, 1, 1, 1, GRAPH_ACT_RELU);
	set_io(&t, x, y);
	plan(&t);
	cr_assert_lt(weights_bytes(&t.half), weights_bytes(&t.full) * 51 / 100, "%zu of %zu bytes",
		     weights_bytes(&t.half), weights_bytes(&t.full));
	compare(&t);
	twins_finish(&t);
}
