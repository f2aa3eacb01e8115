/*
 * test_half_arithmetic.c - plans that may multiply in float16 beside those that may not: the same answers where halves
 * hold all numbers, near ones elsewhere, the same on any number of threads.  On processors without arithmetic on halves
 * portable code stands for the kernel.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "network.h"
#include "support/halves.h"
#include "support/test.h"

TEST_SUITE(half_arithmetic);

#define ROUNDS 44

static const struct engine_plan_options halves = {.half_arithmetic = 1},
					kept = {.half_arithmetic = 1, .keep_tensors = 1};

static void setup(void)
{
	halves_install();
}

/* Weights of -1, 0 and 1, few of them not 0, so that sums are numbers that halves have; or any. */
static int add_weights(struct network *n, bool whole, int rank, const int32_t *dims)
{
	int value = network_constant(n, ENGINE_F32, rank, dims);
	float *data = (float *)(uintptr_t)n->graph.values[value].data;

	for (size_t i = 0; whole && i < n->graph.values[value].data_bytes / sizeof(float); i++)
		data[i] = test_random() % 4 ? 0 : (float)test_random_range(-1, 1);
	return value;
}

struct layer {
	int out, kernel, groups, stride, dilation;
	enum graph_act_kind act;
	bool slope, residual;
};

static int add_conv(struct network *n, bool whole, int x, int in, struct layer layer)
{
	int groups = layer.groups ? layer.groups : in, y = network_image(n, ENGINE_F32, -1, -1, -1);
	int w = add_weights(n, whole, 4, (int32_t[]){layer.out, layer.kernel, layer.kernel, in / groups});
	int b = test_random() & 1 ? add_weights(n, whole, 1, (int32_t[]){layer.out}) : -1;
	struct graph_node *node = network_node(n, GRAPH_CONV, x, w, b, y);

	node->conv.window = network_window(layer.kernel, layer.stride, layer.kernel / 2);
	node->conv.window.dilation_h = node->conv.window.dilation_w = layer.dilation ? layer.dilation : 1;
	node->conv.groups = groups;
	node->act.kind = layer.act;
	if (layer.residual) {
		int sum = network_image(n, ENGINE_F32, -1, -1, -1);

		network_node(n, GRAPH_ADD, y, x, -1, sum);
		y = sum;
	}
	if (layer.slope) {
		int bent = network_image(n, ENGINE_F32, -1, -1, -1);

		network_node(n, GRAPH_PRELU, y, add_weights(n, false, 1, (int32_t[]){layer.out}), -1, bent);
		y = bent;
	}
	return y;
}

/* The answer of this plan, which goes with it.  The caller frees. */
static float *answer(struct network *n, const struct engine_plan_options *options, const float *x, int n_threads)
{
	struct engine_plan *before = n->plan;
	float *y;
	size_t bytes;

	cr_assert_eq(plan_create(&n->graph, &n->weights, options, &n->error, &n->plan), 0, "%s", n->error.text);
	cr_assert_eq(engine_context_reserve(n->context, n->plan), 0);
	network_run(n, x, n_threads);
	bytes = network_output_count(n) * sizeof(*y);
	y = malloc(bytes);
	cr_assert_not_null(y);
	memcpy(y, network_output(n), bytes);
	plan_destroy(n->plan);
	n->plan = before;
	return y;
}

static void plan(struct network *n)
{
	cr_assert_eq(network_plan(n, NULL), 0, "%s", n->error.text);
}

/* How many steps, and parts of steps, multiply in float16. */
static int count_halves(struct network *n)
{
	struct engine_plan *plan;
	int count = 0;

	cr_assert_eq(plan_create(&n->graph, &n->weights, &halves, &n->error, &plan), 0, "%s", n->error.text);
	for (int i = 0; i < plan->n_steps; i++) {
		const struct step *step = &plan->steps[i];

		for (int k = 0; k < step->n_parts; k++)
			count += step->parts[k].gemm.weights && step->parts[k].gemm.weights->half;
		count += !step->n_parts && step->gemm.weights && step->gemm.weights->half;
	}
	plan_destroy(plan);
	return count;
}

static float *whole_input(struct network *n, float scale)
{
	size_t count = network_input_count(n);
	float *x = malloc(count * sizeof(*x));

	cr_assert_not_null(x);
	for (size_t i = 0; i < count; i++)
		x[i] = scale * (float)test_random_range(-2, 2);
	return x;
}

/* To the bit, alone and on three threads. */
static void expect_equal(struct network *n, const float *x)
{
	const struct engine_plan_options full = {0};
	float *want = answer(n, &full, x, 1), *got = answer(n, &halves, x, 1), *shared = answer(n, &halves, x, 3);
	float *unmerged = answer(n, &kept, x, 2);

	for (size_t i = 0; i < network_output_count(n); i++) {
		cr_assert_eq(got[i], want[i], "%zu: %g and not %g", i, (double)got[i], (double)want[i]);
		cr_assert_eq(shared[i], want[i], "%zu: %g and not %g", i, (double)shared[i], (double)want[i]);
		cr_assert_eq(unmerged[i], want[i], "%zu: %g and not %g", i, (double)unmerged[i], (double)want[i]);
	}
	free(want);
	free(got);
	free(shared);
	free(unmerged);
}

enum kind { POINTWISE, PLAIN, STRIDED, GROUPED, STEM, FIFTH, DILATED, RESIDUAL, DEPTHWISE, WINOGRAD, FEW, KINDS };

static int add_kind(struct network *n, bool whole, enum kind kind, int *ret_in)
{
	struct layer layer = {.out = (int)test_random_range(32, 70),
			      .kernel = kind == POINTWISE || kind == RESIDUAL ? 1
					: kind == FIFTH			      ? 5
									      : 3,
			      .groups = kind == GROUPED	    ? 3
					: kind == DEPTHWISE ? 0
							    : 1,
			      .stride = kind == STRIDED || kind == STEM ? 2 : 1,
			      .dilation = kind == DILATED ? 2 : 1,
			      .act = test_random() & 1 ? GRAPH_ACT_RELU : GRAPH_ACT_SILU,
			      .slope = test_random() & 1,
			      .residual = kind == RESIDUAL};
	int in = (int)test_random_range(17, 90);

	in = kind == STEM ? 3 : kind == GROUPED ? in / 3 * 3 : kind == WINOGRAD ? 32 : in;
	in += kind == PLAIN && in % 4 == 0; /* so that it is not Winograd's */
	layer.out = kind == GROUPED			    ? 3 *layer.out
		    : kind == DEPTHWISE || kind == RESIDUAL ? in = in < 32 ? 32 : in
		    : kind == WINOGRAD			    ? 16
		    : kind == FEW			    ? 31
							    : layer.out;
	if (layer.slope)
		layer.act = GRAPH_ACT_NONE;
	*ret_in = network_image(n, ENGINE_F32, (int)test_random_range(3, 12), (int)test_random_range(3, 12), in);
	return add_conv(n, whole, *ret_in, in, layer);
}

Test(half_arithmetic, convolutions_of_numbers_that_halves_have_are_exact, .init = setup)
{
	static const float scales[] = {1, 0x1p-20f, 0x1p-24f, 0x1p12f, 0x1p120f};

	for (int i = 0; i < ROUNDS; i++) {
		enum kind kind = (enum kind)(i % KINDS);
		struct network n;
		float *input;
		int x, y;

		network_init(&n);
		y = add_kind(&n, true, kind, &x);
		network_io(&n, x, y);
		plan(&n);
		cr_assert_eq(count_halves(&n), kind < DEPTHWISE, "kind %d", kind);
		input = whole_input(&n, 1);
		expect_equal(&n, input);
		free(input);
		network_finish(&n);
	}
	/* Whatever their size, if nothing but a sum is made of them. */
	for (size_t i = 0; i < sizeof(scales) / sizeof(*scales); i++) {
		struct network n;
		float *input;
		int x, y, w;

		network_init(&n);
		x = network_image(&n, ENGINE_F32, 5, 7, 40);
		y = network_image(&n, ENGINE_F32, -1, -1, -1);
		w = add_weights(&n, true, 4, (int32_t[]){33, 1, 1, 40});
		network_node(&n, GRAPH_CONV, x, w, -1, y)->conv =
			(struct graph_conv){.window = network_window(1, 1, 0), .groups = 1};
		network_io(&n, x, y);
		plan(&n);
		input = whole_input(&n, scales[i]);
		expect_equal(&n, input);
		free(input);
		network_finish(&n);
	}
}

/* As kernels.h says; what random numbers of -1..1 add up to is less than half their number. */
Test(half_arithmetic, convolutions_are_near, .init = setup)
{
	const struct engine_plan_options full = {0};

	for (int i = 0; i < ROUNDS; i++) {
		float *want, *got, *shared, *x;
		double sum = 0, error = 0;
		struct network n;
		size_t count;
		int in, y;

		network_init(&n);
		y = add_kind(&n, false, (enum kind)(i % DEPTHWISE), &in);
		network_io(&n, in, y);
		plan(&n);
		count = network_input_count(&n);
		x = malloc(count * sizeof(*x));
		cr_assert_not_null(x);
		for (size_t k = 0; k < count; k++)
			x[k] = test_random_float();
		want = answer(&n, &full, x, 1);
		got = answer(&n, &halves, x, 1);
		shared = answer(&n, &halves, x, 3);
		count = network_output_count(&n);
		cr_assert_arr_eq(shared, got, count * sizeof(*got), "threads make a difference");
		for (size_t k = 0; k < count; k++) {
			sum += (double)want[k] * (double)want[k];
			error += ((double)got[k] - (double)want[k]) * ((double)got[k] - (double)want[k]);
		}
		cr_assert_leq(sqrt(error / sum), 0.004, "round %d: off by %g", i, sqrt(error / sum));
		cr_assert_gt(error, 0);
		free(want);
		free(got);
		free(shared);
		free(x);
		network_finish(&n);
	}
}

Test(half_arithmetic, fully_connected_layers_of_numbers_that_halves_have_are_exact, .init = setup)
{
	for (int i = 0; i < ROUNDS; i++) {
		int in = (int)test_random_range(16, 300), out = (int)test_random_range(32, 300), x, y;
		int rows = test_random() & 1 ? 1 : (int)test_random_range(2, 70);
		struct network n;
		float *input;

		network_init(&n);
		x = network_value(&n, ENGINE_F32, 2, (int32_t[]){rows, in});
		y = network_value(&n, ENGINE_F32, 2, (int32_t[]){rows, out});
		network_node(&n, GRAPH_FC, x, add_weights(&n, true, 2, (int32_t[]){out, in}), -1, y)->fc.flatten = true;
		network_io(&n, x, y);
		plan(&n);
		cr_assert_eq(count_halves(&n), 1);
		input = whole_input(&n, 1);
		expect_equal(&n, input);
		free(input);
		network_finish(&n);
	}
}

/* Steps that are one with a depthwise convolution, row by row. */
Test(half_arithmetic, rows_of_numbers_that_halves_have_are_exact, .init = setup)
{
	struct network n;
	float *input;
	int x, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, 48, 48, 24);
	y = add_conv(&n, true, x, 24,
		     (struct layer){.out = 96, .kernel = 1, .groups = 1, .stride = 1, .act = GRAPH_ACT_RELU});
	y = add_conv(&n, true, y, 96, (struct layer){.out = 96, .kernel = 3, .stride = 1, .act = GRAPH_ACT_RELU});
	y = add_conv(&n, true, y, 96,
		     (struct layer){.out = 40, .kernel = 1, .groups = 1, .stride = 1, .act = GRAPH_ACT_SILU});
	network_io(&n, x, y);
	plan(&n);
	cr_assert_eq(n.plan->passes[PLAN_PASS_ROWS], 1);
	plan_destroy(n.plan);
	cr_assert_eq(plan_create(&n.graph, &n.weights, &halves, &n.error, &n.plan), 0);
	cr_assert_eq(n.plan->passes[PLAN_PASS_ROWS], 1);
	cr_assert_eq(count_halves(&n), 2);
	input = whole_input(&n, 1);
	expect_equal(&n, input);
	free(input);
	network_finish(&n);
}

Test(half_arithmetic, squeezes_of_numbers_that_halves_have_are_exact, .init = setup)
{
	int x, mean, gate, y;
	struct network n;
	float *input;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, 2, 2, 80); /* so that means are exact */
	mean = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_AVGPOOL, x, -1, -1, mean)->pool.global = true;
	gate = add_conv(&n, true, mean, 80,
			(struct layer){.out = 32, .kernel = 1, .groups = 1, .stride = 1, .act = GRAPH_ACT_RELU});
	gate = add_conv(&n, true, gate, 32,
			(struct layer){.out = 80, .kernel = 1, .groups = 1, .stride = 1, .act = GRAPH_ACT_SIGMOID});
	y = network_image(&n, ENGINE_F32, -1, -1, -1);
	network_node(&n, GRAPH_MUL, gate, x, -1, y);
	network_io(&n, x, y);
	plan(&n);
	cr_assert_eq(n.plan->passes[PLAN_PASS_SQUEEZE], 1);
	cr_assert_eq(count_halves(&n), 2);
	input = whole_input(&n, 1);
	expect_equal(&n, input);
	free(input);
	network_finish(&n);
}

/* The picture's first layer on one channel has weights of its own, in float16 too. */
Test(half_arithmetic, gray_is_planned_for, .init = setup)
{
	const struct engine_plan_options gray[] = {{.channels = 1}, {.channels = 1, .half_arithmetic = 1}};
	float *x, *want, *got;
	struct network n;
	int in;

	network_init(&n);
	in = network_image(&n, ENGINE_F32, 9, 11, 3);
	network_io(&n, in, add_conv(&n, true, in, 3, (struct layer){.out = 34, .kernel = 5, .groups = 1, .stride = 2}));
	plan(&n);
	x = whole_input(&n, 1);
	want = answer(&n, &gray[0], x, 1);
	got = answer(&n, &gray[1], x, 1);
	cr_assert_arr_eq(got, want, network_output_count(&n) * sizeof(*got));
	free(x);
	free(want);
	free(got);
	network_finish(&n);
}

/* Infinities and NaN come out as something, and rows of zeros as the bias. */
Test(half_arithmetic, inputs_without_a_size_do_no_harm, .init = setup)
{
	static const float odd[] = {0, INFINITY, -INFINITY, NAN, 1e38f, -3e38f, 1e-40f};

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct network n;
		float *x, *y;
		int in, out;

		network_init(&n);
		in = network_image(&n, ENGINE_F32, 3, 3, 20);
		out = add_conv(&n, true, in, 20, (struct layer){.out = 34, .kernel = 1, .groups = 1, .stride = 1});
		network_io(&n, in, out);
		plan(&n);
		x = whole_input(&n, 0);
		for (int c = 0; c < 20; c++)
			x[4 * 20 + c] = odd[i];
		y = answer(&n, &halves, x, 1);
		for (int c = 0; c < 34; c++) {
			cr_assert_eq(y[c], y[8 * 34 + c], "pixels without it are as ever");
			cr_assert(isfinite(y[c]));
		}
		free(x);
		free(y);
		network_finish(&n);
	}
}

Test(half_arithmetic, weights_take_half_the_memory, .init = setup)
{
	size_t full, both;
	struct network n;
	int x, y;

	network_init(&n);
	x = network_image(&n, ENGINE_F32, 6, 6, 130);
	y = add_conv(&n, false, x, 130, (struct layer){.out = 192, .kernel = 3, .groups = 1, .stride = 1});
	y = add_conv(&n, false, y, 192, (struct layer){.out = 384, .kernel = 1, .groups = 1, .stride = 1});
	network_io(&n, x, y);
	plan(&n);
	full = n.weights.bytes + n.pool.bytes;
	cr_assert_eq(count_halves(&n), 2);
	both = n.weights.bytes + n.pool.bytes;
	cr_assert_lt(both - full, full * 52 / 100, "%zu of %zu bytes", both - full, full);
	network_finish(&n);
}
