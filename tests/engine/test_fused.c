/*
 * test_fused.c - what is fused behind a convolution changes no answer: random networks of a convolution, an addition
 * and an activation beside the same ones in which every tensor is an output, so that each is a step of its own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "support/test.h"

TEST_SUITE(fused);

enum conv_kind { POINTWISE, GROUPED, PLAIN, WINOGRAD, DEPTHWISE, CONV_KINDS };
enum addend { NOTHING, INPUT, LATER, ADDENDS }; /* LATER: made after the convolution */
enum behind { NO_ACT, PRELU, PRELU_OF_ONE, LEAKY, SILU, BEHINDS };

struct kinds {
	enum conv_kind conv;
	enum addend addend;
	enum behind behind;
	int side, channels;
	bool bias, swapped; /* swapped: what is added comes first */
};

static struct kinds random_kinds(void)
{
	struct kinds k = {
		.conv = (enum conv_kind)test_random_range(0, CONV_KINDS - 1),
		.addend = (enum addend)test_random_range(0, ADDENDS - 1),
		.behind = (enum behind)test_random_range(0, BEHINDS - 1),
		.side = (int)test_random_range(1, 11),
		.bias = test_random() & 1,
		.swapped = test_random() & 1,
	};

	k.channels = k.conv == GROUPED	  ? 3 * (int)test_random_range(2, 15)
		     : k.conv == WINOGRAD ? 16 * (int)test_random_range(1, 3)
		     : k.conv == PLAIN	  ? (int)test_random_range(1, 15)
					  : (int)test_random_range(2, 70);
	return k;
}

static int add_conv(struct network *n, const struct kinds *k, int x)
{
	int c = k->channels, y = network_image(n, ENGINE_F32, -1, -1, -1), kernel = k->conv == POINTWISE ? 1 : 3;
	int groups = k->conv == DEPTHWISE ? c : k->conv == GROUPED ? 3 : 1;
	int w = network_constant(n, ENGINE_F32, 4, (int32_t[]){c, kernel, kernel, c / groups});
	int b = k->bias ? network_constant(n, ENGINE_F32, 1, (int32_t[]){c}) : -1;
	struct graph_node *node = network_node(n, GRAPH_CONV, x, w, b, y);

	node->conv.window = network_window(kernel, 1, kernel / 2);
	node->conv.groups = groups;
	return y;
}

static int add_unary(struct network *n, enum graph_act_kind kind, float a, int x)
{
	int y = network_image(n, ENGINE_F32, -1, -1, -1);

	network_node(n, GRAPH_UNARY, x, -1, -1, y)->unary = (struct graph_act){kind, a, 0};
	return y;
}

static int add_behind(struct network *n, const struct kinds *k, int x)
{
	int y, slope;

	switch (k->behind) {
	case PRELU:
	case PRELU_OF_ONE:
		slope = network_constant(n, ENGINE_F32, 1, (int32_t[]){k->behind == PRELU ? k->channels : 1});
		y = network_image(n, ENGINE_F32, -1, -1, -1);
		network_node(n, GRAPH_PRELU, x, slope, -1, y);
		return y;
	case LEAKY:
		return add_unary(n, GRAPH_ACT_LEAKY, 0.3f, x);
	case SILU:
		return add_unary(n, GRAPH_ACT_SILU, 0, x);
	default:
		return x;
	}
}

/* apart: all that is between is an output, too. */
static void build(struct network *n, const struct kinds *k, bool apart)
{
	int x, conv, sum, other, y;

	network_init(n);
	x = network_image(n, ENGINE_F32, k->side, k->side, k->channels);
	conv = sum = add_conv(n, k, x);
	if (k->addend != NOTHING) {
		other = k->addend == INPUT ? x : add_unary(n, GRAPH_ACT_ABS, 0, x);
		sum = network_image(n, ENGINE_F32, -1, -1, -1);
		network_node(n, GRAPH_ADD, k->swapped ? other : conv, k->swapped ? conv : other, -1, sum);
	}
	y = add_behind(n, k, sum);
	network_io(n, x, y);
	if (apart && conv != y)
		n->graph.outputs[n->graph.n_outputs++] = conv;
	if (apart && sum != conv && sum != y)
		n->graph.outputs[n->graph.n_outputs++] = sum;
}

static void copy_constants(struct network *to, const struct network *from)
{
	for (int i = 0; i < from->graph.n_values; i++)
		if (from->graph.values[i].data)
			memcpy((void *)(uintptr_t)to->graph.values[i].data, from->graph.values[i].data,
			       from->graph.values[i].data_bytes);
}

static void check(const struct kinds *k, int n_threads)
{
	struct network fused, apart;
	const float *got, *want;
	float *x;
	size_t n;

	build(&fused, k, false);
	build(&apart, k, true);
	copy_constants(&apart, &fused);
	cr_assert_eq(network_plan(&fused, NULL), 0, "%s", fused.error.text);
	cr_assert_eq(network_plan(&apart, NULL), 0, "%s", apart.error.text);
	/* Depthwise kernels add nothing; the addition takes the activation then, but no PRELU. */
	if (k->conv != DEPTHWISE || k->addend == NOTHING)
		cr_assert_eq(fused.plan->n_steps, k->addend == LATER ? 2 : 1, "conv %d addend %d behind %d", k->conv,
			     k->addend, k->behind);
	n = network_input_count(&fused);
	x = malloc(n * sizeof(*x));
	for (size_t i = 0; i < n; i++)
		x[i] = test_random_float();
	network_run(&fused, x, n_threads);
	network_run(&apart, x, n_threads);
	got = network_output(&fused);
	want = network_output(&apart);
	for (size_t i = 0; i < network_output_count(&fused); i++)
		cr_assert_float_eq(got[i], want[i], 1e-4f, "conv %d addend %d behind %d of %dx%dx%d: [%zu] %g, not %g",
				   k->conv, k->addend, k->behind, k->side, k->side, k->channels, i, (double)got[i],
				   (double)want[i]);
	free(x);
	network_finish(&fused);
	network_finish(&apart);
}

Test(fused, changes_no_answer)
{
	for (int round = 0; round < 300; round++) {
		struct kinds k = random_kinds();

		check(&k, 1 + round % 4);
	}
}
