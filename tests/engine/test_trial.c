/*
 * test_trial.c - who decides how a convolution is done: rules, made-up times, memory, and what was decided before.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/trial.h"
#include "network.h"
#include "support/test.h"

TEST_SUITE(trial);

/* Times of whole layers, direct and in blocks of 2x2 and of 4x4; none is run. */
struct clock {
	double ns[1 + WINOGRAD_SIZES];
	int calls;
};

/* Of as many panels as the step has, in proportion; without any, as inputs alone, nothing. */
static double made_up(void *context, const struct step *step, const struct exec *exec)
{
	struct clock *clock = context;
	const struct winograd *winograd = step->gemm.weights->winograd;

	(void)exec;
	clock->calls++;
	return clock->ns[winograd ? winograd->out / 2 : 0] * step->gemm.panels;
}

static void begin(struct network *n, struct clock *clock)
{
	network_init(n);
	n->trials->mode = TRIAL_MEASURE;
	n->trials->measure = made_up;
	n->trials->context = clock;
}

static int add_conv(struct network *n, int x, int channels, int outputs)
{
	int y = network_image(n, ENGINE_F32, -1, -1, -1);
	int w = network_constant(n, ENGINE_F32, 4, (int32_t[]){outputs, 3, 3, channels});
	struct graph_node *node = network_node(n, GRAPH_CONV, x, w, -1, y);

	node->conv.window = network_window(3, 1, 1);
	node->conv.groups = 1;
	return y;
}

static void add_layer(struct network *n, int side, int channels, int outputs)
{
	int x = network_image(n, ENGINE_F32, side, side, channels);

	network_io(n, x, add_conv(n, x, channels, outputs));
}

/* Side of the blocks that step `index` of a plan has, 0 for none. */
static int blocks(const struct engine_plan *plan, int index)
{
	const struct winograd *winograd = plan->steps[index].gemm.weights->winograd;

	return winograd ? winograd->out : 0;
}

static void plan(struct network *n)
{
	cr_assert_eq(network_plan(n, NULL), 0, "%s", n->error.text);
}

/* What comes out for one layer. */
static int choice(struct clock *clock, int side, int channels, int outputs)
{
	struct network n;
	int chosen;

	begin(&n, clock);
	add_layer(&n, side, channels, outputs);
	plan(&n);
	chosen = blocks(n.plan, 0);
	network_finish(&n);
	return chosen;
}

Test(trial, the_fastest_wins_and_more_memory_has_to_be_worth_it)
{
	static const struct {
		double direct, small, large;
		int chosen;
	} cases[] = {
		{100, 50, 30, 4}, {100, 50, 70, 2}, {100, 120, 110, 0}, {100, 95, 91, 0},
		{100, 50, 41, 2}, {100, 50, 39, 4}, {100, 120, 80, 4},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct clock clock = {{cases[i].direct, cases[i].small, cases[i].large}, 0};

		cr_assert_eq(choice(&clock, 14, 64, 64), cases[i].chosen, "case %zu", i);
		cr_assert_gt(clock.calls, 0);
	}
}

Test(trial, what_is_plain_is_not_tried)
{
	struct clock clock = {{1, 1000, 1000}, 0};

	cr_assert_eq(choice(&clock, 28, 32, 32), 4);
	cr_assert_eq(choice(&clock, 3, 64, 64), 0);   /* too few pixels */
	cr_assert_eq(choice(&clock, 7, 256, 256), 0); /* weights that are read for few pixels */
	cr_assert_eq(choice(&clock, 14, 24, 64), 0);  /* channels that do not fit */
	cr_assert_eq(clock.calls, 0);
	cr_assert_eq(choice(&clock, 28, 16, 64), 0); /* few channels are doubtful */
	cr_assert_gt(clock.calls, 0);
}

Test(trial, a_rule_alone_does_not_ask_the_clock)
{
	struct clock clock = {{1, 1000, 1000}, 0};
	struct network n;

	begin(&n, &clock);
	n.trials->mode = TRIAL_RULE;
	add_layer(&n, 14, 256, 256);
	plan(&n);
	cr_assert_eq(blocks(n.plan, 0), 2);
	cr_assert_eq(clock.calls, 0);
	network_finish(&n);
	cr_assert_eq(n.pool.winograd_bytes, 0);
}

/* Another network of the same process, and the clock says something else by then. */
Test(trial, the_outcome_is_remembered)
{
	struct clock clock = {{100, 50, 80}, 0};
	struct network first, second;
	int calls;

	begin(&first, &clock);
	add_layer(&first, 14, 64, 96);
	plan(&first);
	cr_assert_eq(blocks(first.plan, 0), 2);
	calls = clock.calls;
	clock.ns[1] = 1000;
	network_init(&second);
	second.weights.trials = first.trials;
	add_layer(&second, 14, 64, 96);
	plan(&second);
	cr_assert_eq(blocks(second.plan, 0), 2);
	cr_assert_eq(clock.calls, calls);
	network_finish(&second);
	network_init(&second);
	second.weights.trials = first.trials;
	add_layer(&second, 13, 64, 96); /* another shape is not known */
	plan(&second);
	cr_assert_eq(blocks(second.plan, 0), 4);
	cr_assert_gt(clock.calls, calls);
	network_finish(&second);
	network_finish(&first);
}

/* Its panels are there, at whatever size it is planned for next. */
Test(trial, a_layer_stays_as_it_was_first_planned)
{
	const struct engine_plan_options smaller = {.width = 9, .height = 9};
	struct clock clock = {{100, 50, 90}, 0};
	struct engine_plan *again;
	struct network n;

	begin(&n, &clock);
	add_layer(&n, 14, 64, 64);
	plan(&n);
	clock.ns[1] = 1000;
	cr_assert_eq(plan_create(&n.graph, &n.weights, &smaller, &n.error, &again), 0);
	cr_assert_eq(blocks(again, 0), 2);
	cr_assert_eq(again->steps[0].gemm.weights, n.plan->steps[0].gemm.weights);
	plan_destroy(again);
	network_finish(&n);
}

/* What 64 x 64 weights take more in blocks than as they are. */
static size_t more(int size)
{
	const struct kernels *k = kernels_get();
	size_t plain = pack_f32_panel_bytes(&k->igemm_f32, 9, 64);

	return 64 / k->igemm_f32.nr * (pack_winograd_panel_bytes(&k->winograd[size], &k->igemm_f32, 64) - plain);
}

Test(trial, memory_decides_before_time)
{
	const size_t more_2 = more(WINOGRAD_2X2), more_4 = more(WINOGRAD_4X4);
	const struct {
		size_t max;
		int first, second;
	} cases[] = {{0, 0, 0},	     {more_2 - 1, 0, 0},      {more_2, 2, 0},	 {more_4 - 1, 2, 2},
		     {more_4, 4, 0}, {more_4 + more_2, 4, 2}, {2 * more_4, 4, 4}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct clock clock = {{100, 50, 20}, 0};
		struct network n;
		int x, y;

		begin(&n, &clock);
		n.pool.winograd_max = cases[i].max;
		x = network_image(&n, ENGINE_F32, 14, 14, 64);
		y = add_conv(&n, x, 64, 64);
		network_io(&n, x, add_conv(&n, y, 64, 64));
		plan(&n);
		cr_assert_eq(blocks(n.plan, 0), cases[i].first, "case %zu: %d", i, blocks(n.plan, 0));
		cr_assert_eq(blocks(n.plan, 1), cases[i].second, "case %zu: %d", i, blocks(n.plan, 1));
		cr_assert_leq(n.pool.winograd_bytes, cases[i].max);
		cr_assert_geq(n.pool.bytes, n.pool.winograd_bytes + 2 * 147456);
		network_finish(&n);
		cr_assert_eq(n.pool.winograd_bytes, 0);
	}
}

/* A plan does not wait for a slow machine's trials; what it decides without one is not an outcome. */
Test(trial, trials_of_a_plan_are_bounded)
{
	struct clock clock = {{1e10, 1e9, 1e10}, 0};
	struct network n;
	int x, y;

	begin(&n, &clock);
	x = network_image(&n, ENGINE_F32, 14, 14, 64);
	y = add_conv(&n, x, 64, 64);
	network_io(&n, x, add_conv(&n, y, 64, 96));
	plan(&n);
	cr_assert_eq(blocks(n.plan, 0), 2);
	cr_assert_eq(blocks(n.plan, 1), 4); /* by the rule */
	cr_assert_eq(clock.calls, 5);	    /* a round: each way, and the blocks' inputs alone */
	cr_assert_eq(n.trials->n, 1);
	network_finish(&n);
}

static void check_answers(struct network *n, const float *in, float *answers, const float *expected)
{
	network_run(n, in, 1);
	memcpy(answers, network_output(n), network_output_count(n) * sizeof(*answers));
	for (size_t i = 0; expected && i < network_output_count(n); i++)
		cr_assert_float_eq((double)answers[i], (double)expected[i], 2e-3, "%zu: %g, not %g", i,
				   (double)answers[i], (double)expected[i]);
}

/* Real trials, whoever wins. */
Test(trial, every_shape_can_be_tried)
{
	static const int shapes[][4] = {{4, 4, 128, 128}, {5, 9, 16, 16},   {14, 14, 128, 33}, {112, 30, 16, 40},
					{20, 19, 32, 64}, {8, 8, 512, 130}, {3, 300, 16, 96},  {7, 7, 96, 200}};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const int *s = shapes[i];
		size_t n_in = (size_t)(s[0] * s[1] * s[2]), n_out = (size_t)(s[0] * s[1] * s[3]);
		float *in = malloc(n_in * sizeof(*in)), *answers = malloc(2 * n_out * sizeof(*answers));
		struct network tried, direct;

		for (size_t k = 0; k < n_in; k++)
			in[k] = test_random_float();
		for (int way = 0; way < 2; way++) {
			struct network *n = way ? &tried : &direct;
			int x;

			network_init(n);
			n->trials->mode = way ? TRIAL_MEASURE : TRIAL_DIRECT;
			x = network_image(n, ENGINE_F32, s[0], s[1], s[2]);
			network_io(n, x, add_conv(n, x, s[2], s[3]));
		}
		/* The same weights. */
		memcpy((void *)(uintptr_t)tried.graph.values[tried.graph.nodes[0].inputs[1]].data,
		       direct.graph.values[direct.graph.nodes[0].inputs[1]].data,
		       direct.graph.values[direct.graph.nodes[0].inputs[1]].data_bytes);
		plan(&direct);
		plan(&tried);
		cr_assert_eq(tried.trials->n, 1, "shape %zu", i);
		check_answers(&direct, in, answers, NULL);
		check_answers(&tried, in, answers + n_out, answers);
		network_finish(&direct);
		network_finish(&tried);
		free(in);
		free(answers);
	}
}
