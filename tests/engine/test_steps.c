/*
 * test_steps.c - every kind of step against its definition, written naively here, on random shapes and 1 to 4 threads.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/trial.h"
#include "network.h"
#include "support/test.h"

TEST_SUITE(steps);

static float *random_floats(size_t n)
{
	float *values = malloc((n + 1) * sizeof(*values));

	cr_assert_not_null(values);
	for (size_t i = 0; i < n; i++)
		values[i] = test_random_float();
	return values;
}

static int8_t *random_bytes(size_t n)
{
	int8_t *values = malloc(n + 1);

	cr_assert_not_null(values);
	for (size_t i = 0; i < n; i++)
		values[i] = (int8_t)test_random();
	return values;
}

/* ---- convolution ------------------------------------------------------------------------------- */

struct geometry {
	int h, w, c, out, kernel, stride, pad, dilation, groups;
};

enum layer { LAYER_ANY, LAYER_DEPTHWISE, LAYER_2X2, LAYER_4X4 };

/* What is computed as Winograd's: many channels under a kernel of 3x3 that takes every pixel. */
static struct geometry winograd_geometry(void)
{
	return (struct geometry){
		.h = (int)test_random_range(1, 19),
		.w = (int)test_random_range(1, 19),
		.c = 16 * (int)test_random_range(1, 3),
		.out = (int)test_random_range(16, 70),
		.kernel = 3,
		.stride = 1,
		.pad = (int)test_random_range(0, 2),
		.dilation = 1,
		.groups = 1,
	};
}

static struct geometry random_geometry(bool depthwise)
{
	struct geometry g = {
		.h = (int)test_random_range(1, 13),
		.w = (int)test_random_range(1, 13),
		.groups = (int)test_random_range(1, 3),
		.stride = (int)test_random_range(1, 2),
		.dilation = (int)test_random_range(1, 2),
		.kernel = (int)test_random_range(0, 2) * 2 + 1,
	};

	g.c = (int)test_random_range(1, 21);
	g.out = (int)test_random_range(1, 37);
	if (depthwise) {
		g.c = g.out = g.groups = (int)test_random_range(2, 70);
	} else {
		g.c *= g.groups;
		g.out *= g.groups;
	}
	g.pad = (g.kernel - 1) * g.dilation / 2 + (int)test_random_range(0, 1);
	return g;
}

static void build_conv(struct network *n, const struct geometry *g, enum engine_type type, int *ret_w, int *ret_b)
{
	int x = network_image(n, type, g->h, g->w, g->c), y = network_image(n, type, -1, -1, -1);
	int w = network_constant(n, type, 4, (int32_t[]){g->out, g->kernel, g->kernel, g->c / g->groups});
	int b = network_constant(n, type == ENGINE_F32 ? ENGINE_F32 : ENGINE_S32, 1, (int32_t[]){g->out});
	struct graph_node *node;

	if (type != ENGINE_F32) {
		float *scales = random_floats((size_t)g->out);

		for (int i = 0; i < g->out; i++)
			scales[i] = 0.01f + 0.002f * fabsf(scales[i]);
		network_quant(n, x, 0.05f, 7);
		network_quant(n, y, 0.9f, -11);
		cr_assert_eq(graph_set_quant(&n->graph, w, g->out, scales, NULL, 0), 0);
		free(scales);
	}
	node = network_node(n, GRAPH_CONV, x, w, b, y);
	node->conv.window = network_window(g->kernel, g->stride, g->pad);
	node->conv.window.dilation_h = node->conv.window.dilation_w = g->dilation;
	node->conv.groups = g->groups;
	node->act = (struct graph_act){GRAPH_ACT_CLIP, -30.0f, 40.0f};
	network_io(n, x, y);
	*ret_w = w;
	*ret_b = b;
}

/* Input element or the input's zero in the padding, as a real number; of one output the sum in double. */
static double conv_at(const struct network *n, const struct geometry *g, const void *x, int w, int b, int oy, int ox,
		      int o)
{
	const struct graph_value *weights = &n->graph.values[w], *bias = &n->graph.values[b];
	bool quantised = weights->type != ENGINE_F32;
	int each = g->c / g->groups, group = o / (g->out / g->groups);
	double scale = quantised ? 0.05 * (double)weights->quant.scales[o] : 1.0;
	double sum = quantised ? ((const int32_t *)bias->data)[o] : (double)((const float *)bias->data)[o];

	for (int ky = 0; ky < g->kernel; ky++)
		for (int kx = 0; kx < g->kernel; kx++) {
			int iy = oy * g->stride - g->pad + ky * g->dilation,
			    ix = ox * g->stride - g->pad + kx * g->dilation;

			if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w)
				continue;
			for (int i = 0; i < each; i++) {
				int from = (iy * g->w + ix) * g->c + group * each + i;
				int with = ((o * g->kernel + ky) * g->kernel + kx) * each + i;

				sum += quantised
					       ? (((const int8_t *)x)[from] - 7) * ((const int8_t *)weights->data)[with]
					       : (double)((const float *)x)[from] *
							 (double)((const float *)weights->data)[with];
			}
		}
	return fmin(fmax(sum * scale, -30.0), 40.0);
}

/* How far sums of up to 432 products may be off; of int8, two roundings. */
static double tolerance(enum layer layer, enum engine_type type)
{
	if (type != ENGINE_F32)
		return 0.4510;
	return layer == LAYER_4X4 ? 4e-4 : 1e-4;
}

static void check_conv(enum layer layer, enum engine_type type)
{
	bool winograd = layer == LAYER_2X2 || layer == LAYER_4X4;
	double off = tolerance(layer, type);

	for (int round = 0; round < 60; round++) {
		struct geometry g = winograd ? winograd_geometry() : random_geometry(layer == LAYER_DEPTHWISE);
		struct network n;
		int w, b, out_h, out_w;
		void *x;

		network_init(&n);
		if (winograd)
			n.trials->mode = layer == LAYER_2X2 ? TRIAL_2X2 : TRIAL_4X4;
		build_conv(&n, &g, type, &w, &b);
		if (network_plan(&n, NULL) < 0) { /* a kernel larger than its padded input */
			network_finish(&n);
			continue;
		}
		if (winograd)
			cr_assert_eq(n.plan->steps[0].gemm.weights->winograd->out, layer == LAYER_2X2 ? 2 : 4);
		x = type == ENGINE_F32 ? (void *)random_floats((size_t)(g.h * g.w * g.c))
				       : (void *)random_bytes((size_t)(g.h * g.w * g.c));
		network_run(&n, x, 1 + round % 4);
		out_h = n.plan->tensors[n.graph.outputs[0]].dims[1];
		out_w = n.plan->tensors[n.graph.outputs[0]].dims[2];
		for (int i = 0; i < out_h * out_w * g.out; i++) {
			double want = conv_at(&n, &g, x, w, b, i / g.out / out_w, i / g.out % out_w, i % g.out);
			double got = type == ENGINE_F32 ? (double)((const float *)network_output(&n))[i]
							: (((const int8_t *)network_output(&n))[i] + 11) * 0.9;

			if (type == ENGINE_S8)
				want = fmin(fmax(want, -117 * 0.9), 138 * 0.9);
			cr_assert_leq(
				fabs(got - want), off,
				"%dx%dx%d kernel %d stride %d pad %d dilation %d groups %d to %d: [%d] %g, not %g", g.h,
				g.w, g.c, g.kernel, g.stride, g.pad, g.dilation, g.groups, g.out, i, got, want);
		}
		free(x);
		network_finish(&n);
	}
}

Test(steps, conv_float)
{
	check_conv(LAYER_ANY, ENGINE_F32);
}

Test(steps, conv_winograd)
{
	check_conv(LAYER_2X2, ENGINE_F32);
	check_conv(LAYER_4X4, ENGINE_F32);
}

Test(steps, conv_int8)
{
	check_conv(LAYER_ANY, ENGINE_S8);
}

Test(steps, depthwise_float)
{
	check_conv(LAYER_DEPTHWISE, ENGINE_F32);
}

Test(steps, depthwise_int8)
{
	check_conv(LAYER_DEPTHWISE, ENGINE_S8);
}

Test(steps, fully_connected_flattens_and_keeps_rows)
{
	for (int rows = 1; rows <= 9; rows += 4) {
		struct network n;
		int x, y, w, b;
		float *in = random_floats((size_t)rows * 33);
		const float *weights, *out;

		network_init(&n);
		x = network_value(&n, ENGINE_F32, 3, (int32_t[]){rows, 3, 11});
		y = network_value(&n, ENGINE_F32, 2, (int32_t[]){-1, -1});
		w = network_constant(&n, ENGINE_F32, 2, (int32_t[]){19, 33});
		b = network_constant(&n, ENGINE_F32, 1, (int32_t[]){19});
		network_node(&n, GRAPH_FC, x, w, b, y)->fc.flatten = true;
		network_io(&n, x, y);
		cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
		network_run(&n, in, 2);
		out = network_output(&n);
		weights = n.graph.values[w].data;
		for (int r = 0; r < rows; r++)
			for (int o = 0; o < 19; o++) {
				double sum = (double)((const float *)n.graph.values[b].data)[o];

				for (int i = 0; i < 33; i++)
					sum += (double)in[r * 33 + i] * (double)weights[o * 33 + i];
				cr_assert_float_eq(out[r * 19 + o], sum, 1e-4);
			}
		free(in);
		network_finish(&n);
	}
}

/* ---- the others: one step each, checked by a function of the whole input ------------------------------ */

/* Runs one node over one image of h x w x c with 1 and 3 threads; the caller compares and frees. */
static const float *run_one(struct network *n, const float *in, const char *what)
{
	cr_assert_eq(network_plan(n, NULL), 0, "%s: %s", what, n->error.text);
	network_run(n, in, 3);
	return network_output(n);
}

static int one_input(struct network *n, int h, int w, int c, enum graph_op op, struct graph_node **ret_node)
{
	int x = network_image(n, ENGINE_F32, h, w, c), y = network_image(n, ENGINE_F32, -1, -1, -1);

	*ret_node = network_node(n, op, x, -1, -1, y);
	network_io(n, x, y);
	return y;
}

Test(steps, pools_leave_padding_out)
{
	for (int round = 0; round < 40; round++) {
		int h = (int)test_random_range(3, 12), w = (int)test_random_range(3, 12),
		    c = (int)test_random_range(1, 40);
		int stride = (int)test_random_range(1, 3), pad = (int)test_random_range(0, 1);
		bool average = round % 2, count_pad = round % 4 == 3;
		float *in = random_floats((size_t)(h * w * c));
		struct graph_node *node;
		struct network n;
		const float *out;
		int y;

		network_init(&n);
		y = one_input(&n, h, w, c, average ? GRAPH_AVGPOOL : GRAPH_MAXPOOL, &node);
		node->pool.window = network_window(3, stride, pad);
		node->pool.count_pad = count_pad;
		out = run_one(&n, in, "pool");
		for (int i = 0; i < (int)network_output_count(&n); i++) {
			int ch = i % c, ox = i / c % n.plan->tensors[y].dims[2],
			    oy = i / c / n.plan->tensors[y].dims[2];
			double sum = 0.0, max = -INFINITY;
			int count = 0;

			for (int ky = 0; ky < 3; ky++)
				for (int kx = 0; kx < 3; kx++) {
					int iy = oy * stride - pad + ky, ix = ox * stride - pad + kx;

					if (iy < 0 || iy >= h || ix < 0 || ix >= w)
						continue;
					sum += (double)in[(iy * w + ix) * c + ch];
					max = fmax(max, (double)in[(iy * w + ix) * c + ch]);
					count++;
				}
			cr_assert_float_eq(out[i], average ? sum / (count_pad ? 9 : count) : max, 1e-5);
		}
		free(in);
		network_finish(&n);
	}
}

Test(steps, mean_over_any_axes)
{
	float *in = random_floats(4 * 5 * 6);
	struct graph_node *node;
	struct network n;
	const float *out;

	network_init(&n);
	one_input(&n, 4, 5, 6, GRAPH_MEAN, &node);
	node->reduce = (struct graph_reduce){.n_axes = 2, .axes = {1, 3}, .keep_dims = true};
	out = run_one(&n, in, "mean");
	cr_assert_eq(network_output_count(&n), 5);
	for (int x = 0; x < 5; x++) {
		double sum = 0.0;

		for (int y = 0; y < 4; y++)
			for (int c = 0; c < 6; c++)
				sum += (double)in[(y * 5 + x) * 6 + c];
		cr_assert_float_eq(out[x], sum / 24.0, 1e-6);
	}
	free(in);
	network_finish(&n);
}

Test(steps, binary_broadcasts_as_numpy)
{
	static const int32_t shapes[][4] = {{1, 4, 5, 6}, {1, 1, 1, 6}, {1, 4, 1, 6}, {1, 1, 5, 1}, {1, 1, 1, 1}};

	for (int s = 0; s < 5; s++)
		for (enum graph_op op = GRAPH_ADD; op <= GRAPH_MAX; op++) {
			float *in = random_floats(4 * 5 * 6);
			struct network n;
			const float *out, *b;
			int x, y, other;

			network_init(&n);
			x = network_image(&n, ENGINE_F32, 4, 5, 6);
			y = network_image(&n, ENGINE_F32, -1, -1, -1);
			other = network_constant(&n, ENGINE_F32, 4, shapes[s]);
			network_node(&n, op, x, other, -1, y);
			network_io(&n, x, y);
			out = run_one(&n, in, "binary");
			b = n.graph.values[other].data;
			for (int i = 0; i < 4 * 5 * 6; i++) {
				int at[3] = {i / 30, i / 6 % 5, i % 6}, from = 0;
				float p = in[i], q;

				for (int k = 0; k < 3; k++)
					from = from * shapes[s][k + 1] + (shapes[s][k + 1] == 1 ? 0 : at[k]);
				q = b[from];
				cr_assert_float_eq(out[i],
						   op == GRAPH_ADD   ? p + q
						   : op == GRAPH_SUB ? p - q
						   : op == GRAPH_MUL ? p * q
						   : op == GRAPH_DIV ? p / q
						   : op == GRAPH_MIN ? fminf(p, q)
								     : fmaxf(p, q),
						   1e-6f * (1.0f + fabsf(out[i])));
			}
			free(in);
			network_finish(&n);
		}
}

static double unary(enum graph_act_kind kind, double x)
{
	switch (kind) {
	case GRAPH_ACT_RELU:
		return fmax(x, 0.0);
	case GRAPH_ACT_CLIP:
		return fmin(fmax(x, -0.25), 0.5);
	case GRAPH_ACT_LEAKY:
		return x >= 0.0 ? x : -0.25 * x;
	case GRAPH_ACT_SIGMOID:
		return 1.0 / (1.0 + exp(-x));
	case GRAPH_ACT_TANH:
		return tanh(x);
	case GRAPH_ACT_HARDSWISH:
		return x * fmin(fmax(-0.25 * x + 0.5, 0.0), 1.0);
	case GRAPH_ACT_HARDSIGMOID:
		return fmin(fmax(-0.25 * x + 0.5, 0.0), 1.0);
	case GRAPH_ACT_SILU:
		return x / (1.0 + exp(-x));
	case GRAPH_ACT_MISH:
		return x * tanh(log1p(exp(x)));
	case GRAPH_ACT_ELU:
		return x >= 0.0 ? x : -0.25 * expm1(x);
	case GRAPH_ACT_GELU:
		return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
	case GRAPH_ACT_EXP:
		return exp(x);
	case GRAPH_ACT_LOG:
		return log(x);
	case GRAPH_ACT_SQRT:
		return sqrt(x);
	case GRAPH_ACT_RSQRT:
		return 1.0 / sqrt(x);
	case GRAPH_ACT_ABS:
		return fabs(x);
	case GRAPH_ACT_NEG:
		return -x;
	case GRAPH_ACT_SQUARE:
		return x * x;
	default:
		return x;
	}
}

Test(steps, functions_of_one_argument)
{
	for (enum graph_act_kind kind = GRAPH_ACT_RELU; kind < GRAPH_ACT_COUNT; kind++) {
		bool positive = kind == GRAPH_ACT_LOG || kind == GRAPH_ACT_SQRT || kind == GRAPH_ACT_RSQRT;
		float *in = random_floats(40 * 50 * 3);
		struct graph_node *node;
		struct network n;
		const float *out;

		for (int i = 0; i < 40 * 50 * 3; i++)
			in[i] = positive ? fabsf(in[i]) + 1e-3f : in[i] * 9.0f;
		network_init(&n);
		one_input(&n, 40, 50, 3, GRAPH_UNARY, &node);
		node->unary = (struct graph_act){kind, -0.25f, 0.5f};
		out = run_one(&n, in, graph_act_name(&node->unary));
		for (int i = 0; i < 40 * 50 * 3; i++) {
			double want = unary(kind, (double)in[i]);

			cr_assert_float_eq(out[i], want, 2e-6 * (1.0 + fabs(want)), "%s(%g) = %g, not %g",
					   graph_act_name(&node->unary), (double)in[i], (double)out[i], want);
		}
		free(in);
		network_finish(&n);
	}
}

Test(steps, softmax_sums_to_one_along_its_axis)
{
	float *in = random_floats(3 * 4 * 10);

	for (int axis = 1; axis <= 3; axis++) {
		const int sides[] = {3, 4, 10};
		int inner = axis == 3 ? 1 : axis == 2 ? 10 : 40, side = sides[axis - 1];
		struct graph_node *node;
		struct network n;
		const float *out;

		network_init(&n);
		one_input(&n, 3, 4, 10, GRAPH_SOFTMAX, &node);
		node->axis.axis = axis;
		node->axis.beta = 1.5f;
		out = run_one(&n, in, "softmax");
		for (int i = 0; i < 120; i++) {
			int first = i / (inner * side) * inner * side + i % inner;
			double sum = 0.0;

			for (int k = 0; k < side; k++)
				sum += exp(1.5 * (double)in[first + k * inner]);
			cr_assert_float_eq(out[i], exp(1.5 * (double)in[i]) / sum, 1e-6);
		}
		network_finish(&n);
	}
	free(in);
}

Test(steps, moves_put_every_element_in_its_place)
{
	float *in = random_floats(3 * 4 * 5);
	struct graph_node *node;
	struct network n;
	const float *out;

	network_init(&n);
	one_input(&n, 3, 4, 5, GRAPH_TRANSPOSE, &node);
	node->shape = (struct graph_shape){4, {0, 3, 1, 2}};
	out = run_one(&n, in, "transpose");
	for (int i = 0; i < 60; i++)
		cr_assert_eq(out[i % 5 * 12 + i / 5], in[i]);
	network_finish(&n);

	network_init(&n);
	one_input(&n, 3, 4, 5, GRAPH_SLICE, &node);
	node->slice = (struct graph_slice){{0, 1, -1, 0}, {-1, 2, 2, 2}, {1, 1, -2, 2}};
	out = run_one(&n, in, "slice");
	for (int y = 0; y < 2; y++)
		for (int x = 0; x < 2; x++)
			for (int c = 0; c < 2; c++)
				cr_assert_eq(out[(y * 2 + x) * 2 + c], in[((1 + y) * 4 + 3 - 2 * x) * 5 + 2 * c]);
	network_finish(&n);

	network_init(&n);
	one_input(&n, 3, 4, 5, GRAPH_PAD, &node);
	node->pad = (struct graph_pad){{0, 1, 2, 0}, {0, 0, 1, 3}, 0.5f};
	out = run_one(&n, in, "pad");
	for (int i = 0; i < 4 * 7 * 8; i++) {
		int c = i % 8, x = i / 8 % 7 - 2, y = i / 56 - 1;
		bool inside = c < 5 && x >= 0 && x < 4 && y >= 0;

		cr_assert_eq(out[i], inside ? in[(y * 4 + x) * 5 + c] : 0.5f);
	}
	network_finish(&n);
	free(in);
}

Test(steps, concat_joins_along_any_axis)
{
	float *in = random_floats(3 * 4 * 5);

	for (int axis = 1; axis <= 3; axis++) {
		int sides[] = {3, 4, 5}, inner = axis == 3 ? 1 : axis == 2 ? 5 : 20, x, y, other;
		const float *out, *b;
		struct network n;

		network_init(&n);
		x = network_image(&n, ENGINE_F32, 3, 4, 5);
		y = network_image(&n, ENGINE_F32, -1, -1, -1);
		other = network_constant(&n, ENGINE_F32, 4, (int32_t[]){1, 3, 4, 5});
		network_node(&n, GRAPH_CONCAT, x, other, -1, y)->axis.axis = axis;
		network_io(&n, x, y);
		out = run_one(&n, in, "concat");
		b = n.graph.values[other].data;
		for (int i = 0; i < 60; i++) {
			int part = sides[axis - 1] * inner, outer = i / part;

			cr_assert_eq(out[outer * 2 * part + i % part], in[i]);
			cr_assert_eq(out[outer * 2 * part + part + i % part], b[i]);
		}
		network_finish(&n);
	}
	free(in);
}

Test(steps, resize_follows_its_coordinate_rule)
{
	const float in[] = {0.0f, 10.0f, 20.0f, 30.0f};
	const float half[] = {0.0f, 2.5f, 7.5f, 10.0f}, aligned[] = {0.0f, 10.0f / 3, 20.0f / 3, 10.0f};
	const float asymmetric[] = {0.0f, 5.0f, 10.0f, 10.0f}, nearest[] = {0.0f, 0.0f, 10.0f, 10.0f};
	const struct {
		struct graph_resize resize;
		const float *row;
	} cases[] = {
		{{.bilinear = true, .half_pixel = true, .out_h = 2, .out_w = 4}, half},
		{{.bilinear = true, .align_corners = true, .out_h = 2, .out_w = 4}, aligned},
		{{.bilinear = true, .scale_h = 1.0f, .scale_w = 2.0f}, asymmetric},
		{{.half_pixel = true, .out_h = 2, .out_w = 4}, nearest},
	};

	for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
		struct graph_node *node;
		struct network n;
		const float *out;

		network_init(&n);
		one_input(&n, 2, 2, 1, GRAPH_RESIZE, &node);
		node->resize = cases[k].resize;
		out = run_one(&n, in, "resize");
		for (int i = 0; i < 8; i++)
			cr_assert_float_eq(out[i], cases[k].row[i % 4] + (i < 4 ? 0.0f : 20.0f), 1e-5f, "case %zu [%d]",
					   k, i);
		network_finish(&n);
	}
}

static void check_threads(const struct geometry *g)
{
	float *in = random_floats((size_t)(g->h * g->w * g->c)), *first = NULL;
	struct network n;
	size_t bytes;
	int w, b;

	network_init(&n);
	build_conv(&n, g, ENGINE_F32, &w, &b);
	cr_assert_eq(network_plan(&n, NULL), 0);
	cr_assert(!n.plan->steps[0].serial);
	bytes = network_output_count(&n) * sizeof(float);
	for (int threads = 1; threads <= 4; threads++) {
		network_run(&n, in, threads);
		if (!first) {
			first = malloc(bytes);
			memcpy(first, network_output(&n), bytes);
		}
		cr_assert_eq(memcmp(first, network_output(&n), bytes), 0, "%d threads", threads);
	}
	free(first);
	free(in);
	network_finish(&n);
}

Test(steps, answers_do_not_depend_on_the_number_of_threads)
{
	struct geometry g = {
		.h = 33, .w = 29, .c = 24, .out = 40, .kernel = 3, .stride = 1, .pad = 1, .dilation = 1, .groups = 1};

	check_threads(&g);
	g.c = 32; /* Winograd */
	check_threads(&g);
	g.out = 128; /* few blocks and several panels */
	g.h = g.w = 14;
	check_threads(&g);
}

Test(steps, uint8_is_the_callers_view_of_int8)
{
	uint8_t in[] = {0, 1, 127, 128, 129, 255};
	struct network n;
	int x, y;

	network_init(&n);
	x = network_value(&n, ENGINE_U8, 2, (int32_t[]){1, 6});
	y = network_value(&n, ENGINE_U8, 2, (int32_t[]){-1, -1});
	network_quant(&n, x, 0.5f, 100);
	network_quant(&n, y, 0.5f, 100);
	network_node(&n, GRAPH_UNARY, x, -1, -1, y)->unary.kind = GRAPH_ACT_RELU;
	network_io(&n, x, y);
	cr_assert_eq(network_plan(&n, NULL), 0, "%s", n.error.text);
	network_run(&n, in, 1);
	for (int i = 0; i < 6; i++)
		cr_assert_eq(((const uint8_t *)network_output(&n))[i], in[i] < 100 ? 100 : in[i]);
	network_finish(&n);
}
