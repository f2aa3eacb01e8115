/*
 * plan.c - from graph and input size to tensors, steps and arena.  See plan.h.
 */
#include "plan.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "arena.h"
#include "fixed.h"
#include "general.h"
#include "operators/operators.h"
#include "rows.h"
#include "squeeze.h"
#include "step.h"
#include "trial.h"
#include "views.h"

/* Multiply-adds of one tile: some tens of microseconds, so that unequal cores finish together. */
#define TILE_MACS 1000000
/* Of one row, which waits for its weights to come from memory: two cores get them sooner. */
#define TILE_WEIGHTS 65536
/* Of the transformed inputs of one tile of a Winograd convolution; and tiles that are too few for several threads. */
#define WINOGRAD_BYTES	   (384u << 10)
#define WINOGRAD_TILES_FEW 4
/* Inputs in float16 at once; tiles that are enough for several threads, and panels that are worth narrowing inputs. */
#define HALF_BYTES	(256u << 10)
#define HALF_TILES	8
#define HALF_PANELS_MIN 6
/* A step below both is left to one thread: waking the others costs more. */
#define SERIAL_MACS	50000
#define SERIAL_ELEMENTS 16384

struct planning {
	const struct graph *graph;
	struct weights *weights;
	struct engine_plan *plan;
	struct graph_shape *shapes;
	struct weights_gray gray;
	bool *gone;	 /* nodes that views make unnecessary */
	double trial_ns; /* that trials took */
	struct engine_error *error;
};

/* ---- shapes at the size asked for -------------------------------------------------------------- */

static bool wants_gray(const struct graph *graph, const struct engine_plan_options *options)
{
	const struct graph_value *input = &graph->values[graph->inputs[0]];

	return options->channels == 1 && input->rank == 4 && input->dims[3] == 3;
}

static int init_gray(struct planning *p, const struct engine_plan_options *options)
{
	const struct graph_value *input = &p->graph->values[p->graph->inputs[0]];
	bool biased = options->gray_bias[0] != 0.0f || options->gray_bias[1] != 0.0f || options->gray_bias[2] != 0.0f;
	bool unset = options->gray_gain[0] == 0.0f && options->gray_gain[1] == 0.0f && options->gray_gain[2] == 0.0f;

	for (int c = 0; c < 3; c++) {
		p->gray.gain[c] = unset ? 1.0f : options->gray_gain[c];
		p->gray.bias[c] = unset ? 0.0f : options->gray_bias[c];
	}
	p->gray.channels = biased && !unset ? 2 : 1;
	if (input->type == ENGINE_F32)
		return 0;
	if (input->type != ENGINE_S8 || p->gray.channels != 1 || p->gray.gain[0] != 1.0f || p->gray.gain[1] != 1.0f ||
	    p->gray.gain[2] != 1.0f)
		return graph_error(p->error, -ENOTSUP,
				   "a quantised network takes gray only where its channels are normalised alike");
	return 0;
}

static bool reads_input(const struct graph *graph, const struct graph_node *node)
{
	return node->n_inputs > 0 && node->inputs[0] == graph->inputs[0];
}

/*
 * Every reader of the input has to be a convolution over all its channels; its weights then stand for fewer, in the
 * copies of the values.
 */
static int narrow_first_layer(struct planning *p, struct graph_value *values)
{
	const struct graph *graph = p->graph;

	values[graph->inputs[0]].dims[3] = p->gray.channels;
	for (int i = 0; i < graph->n_nodes; i++) {
		const struct graph_node *node = &graph->nodes[i];
		struct graph_value *w;

		for (int k = 0; k < node->n_inputs; k++)
			if (node->inputs[k] == graph->inputs[0] &&
			    (k > 0 || node->op != GRAPH_CONV || node->conv.groups != 1))
				return graph_error(p->error, -ENOTSUP, "no gray: the input goes into %s '%.60s'",
						   graph_op_name(node->op), node->name);
		if (node->residual == graph->inputs[0])
			return graph_error(p->error, -ENOTSUP, "no gray: '%.60s' adds the input", node->name);
		if (!reads_input(graph, node))
			continue;
		w = &values[node->inputs[1]];
		if (w->rank != 4 || (w->dims[3] != 3 && w->dims[3] != p->gray.channels))
			return graph_error(p->error, -ENOTSUP, "no gray: '%.60s' does not read 3 channels", node->name);
		if (w->dims[3] == 3)
			w->data_bytes = w->data_bytes / 3 * (size_t)p->gray.channels;
		w->dims[3] = p->gray.channels;
	}
	return 0;
}

static int check_channels(struct planning *p, const struct engine_plan_options *options)
{
	const struct graph_value *input = &p->graph->values[p->graph->inputs[0]];

	if (options->width < 0 || options->height < 0 || options->width > ENGINE_SIDE_MAX ||
	    options->height > ENGINE_SIDE_MAX || !options->width != !options->height)
		return graph_error(p->error, -EINVAL, "an input of %dx%d pixels cannot be planned for", options->width,
				   options->height);
	if ((options->width || options->channels) && input->rank != 4)
		return graph_error(p->error, -ENOTSUP, "the network's input is not an image");
	if (options->channels && !wants_gray(p->graph, options) && options->channels != input->dims[3])
		return graph_error(p->error, -ENOTSUP, "the network takes %d channels, not %d", input->dims[3],
				   options->channels);
	return 0;
}

/* Infers the shapes in a copy of the graph's values, so that the graph stays as it is. */
static int plan_shapes(struct planning *p, const struct engine_plan_options *options)
{
	struct graph copy = *p->graph;
	struct graph_value *input;
	int r = check_channels(p, options);

	if (r < 0)
		return r;
	copy.values = malloc((size_t)copy.n_values * sizeof(*copy.values));
	p->shapes = calloc((size_t)copy.n_values, sizeof(*p->shapes));
	if (!copy.values || !p->shapes) {
		free(copy.values);
		return graph_error(p->error, -ENOMEM, "out of memory");
	}
	memcpy(copy.values, p->graph->values, (size_t)copy.n_values * sizeof(*copy.values));
	input = &copy.values[copy.inputs[0]];
	if (options->width) {
		input->dims[1] = options->height;
		input->dims[2] = options->width;
	}
	if (wants_gray(p->graph, options)) {
		r = init_gray(p, options);
		if (r == 0)
			r = narrow_first_layer(p, copy.values);
	}
	if (r == 0)
		r = graph_infer(&copy, p->shapes, p->error);
	/* The file is sound at its own size, so another size that does not fit is a limit of the network. */
	if (r == -EINVAL && (options->width || options->channels))
		r = -ENOTSUP;
	free(copy.values);
	return r;
}

/* ---- tensors ----------------------------------------------------------------------------------- */

static int plan_tensors(struct planning *p)
{
	struct engine_plan *plan = p->plan;

	plan->tensors = calloc((size_t)p->graph->n_values, sizeof(*plan->tensors));
	if (!plan->tensors)
		return graph_error(p->error, -ENOMEM, "out of memory");
	for (int i = 0; i < p->graph->n_values; i++) {
		const struct graph_value *value = &p->graph->values[i];
		struct plan_tensor *t = &plan->tensors[i];

		t->type = value->type;
		t->rank = p->shapes[i].rank;
		memcpy(t->dims, p->shapes[i].dims, sizeof(t->dims));
		if (graph_elements(t->rank, t->dims, &t->count) < 0)
			t->count = 0; /* not part of the network */
		t->bytes = t->count * engine_type_size(t->type);
		t->was_u8 = value->was_u8;
		t->root = i;
		t->stride = t->rank ? (size_t)t->dims[t->rank - 1] : 1;
		t->first = t->last = -1;
		if (value->quant.n_scales == 1) {
			t->scale = value->quant.scales[0];
			t->zero_point = value->quant.zero_points[0];
		}
	}
	return 0;
}

static int check_same_quant(struct planning *p, const struct graph_node *node)
{
	const struct plan_tensor *in = &p->plan->tensors[node->inputs[0]], *out = &p->plan->tensors[node->outputs[0]];

	if (in->type == ENGINE_S8 && (in->scale != out->scale || in->zero_point != out->zero_point))
		return graph_error(p->error, -ENOTSUP, "%s '%.60s' changes the quantisation of its input",
				   graph_op_name(node->op), node->name);
	return 0;
}

/* ---- steps ------------------------------------------------------------------------------------- */

static void set_window(struct plan_window *to, const struct plan_tensor *in, const struct plan_tensor *out,
		       const struct graph_window *window, bool ceil_mode)
{
	int side, after;

	to->in_h = in->dims[1];
	to->in_w = in->dims[2];
	to->in_c = in->dims[3];
	to->out_h = out->dims[1];
	to->out_w = out->dims[2];
	to->out_c = out->dims[3];
	to->in_stride = in->stride;
	to->out_stride = out->stride;
	if (!window) { /* the whole image */
		to->kh = to->in_h;
		to->kw = to->in_w;
		to->stride_h = to->stride_w = to->dilation_h = to->dilation_w = 1;
		return;
	}
	to->kh = window->kernel_h;
	to->kw = window->kernel_w;
	to->stride_h = window->stride_h;
	to->stride_w = window->stride_w;
	to->dilation_h = window->dilation_h;
	to->dilation_w = window->dilation_w;
	/* Inference went through the same calls. */
	graph_window_axis(window, true, ceil_mode, in->dims[1], &side, &to->top, &after);
	graph_window_axis(window, false, ceil_mode, in->dims[2], &side, &to->left, &after);
}

/* Tiles of whole rows: about `work` elements each. */
static void tile_rows(struct step *step, size_t rows, size_t row_elements, size_t work)
{
	step->gemm.rows = work / (row_elements ? row_elements : 1);
	if (step->gemm.rows < 1)
		step->gemm.rows = 1;
	step->tiles = ceil_div(rows, step->gemm.rows);
}

static void tile_gemm(struct step *step, size_t pixels, size_t mr, size_t nr)
{
	struct plan_gemm *g = &step->gemm;
	size_t taps = (size_t)step->window.kh * (size_t)step->window.kw, blocks = ceil_div(pixels, mr), macs, most;

	g->panels = (int)ceil_div((size_t)g->group_n, nr);
	g->rows = STEP_POINTERS / taps < STEP_ROWS ? STEP_POINTERS / taps : STEP_ROWS;
	g->rows = g->rows / mr * mr;
	if (g->rows < mr)
		g->rows = mr;
	g->row_tiles = step_even_tiles(blocks, g->rows / mr);
	macs = (pixels < g->rows ? pixels : g->rows) * taps * (size_t)g->group_c * nr;
	most = macs ? (pixels > 1 ? TILE_MACS : TILE_WEIGHTS) / macs : 1;
	g->panel_tiles = step_even_tiles((size_t)g->panels, most ? most : 1);
	g->by_panels = g->row_tiles == 1 && g->panel_tiles % 2 && g->panel_tiles > 1 && blocks > 1;
	if (g->by_panels)
		g->row_tiles = 2;
	step->tiles = (size_t)g->groups * g->row_tiles * g->panel_tiles;
}

/* Of rows of outputs, about `work` multiply-adds a tile. */
static void tile_depthwise(struct step *step, size_t work)
{
	const struct plan_window *w = &step->window;
	size_t row = (size_t)w->out_w * (size_t)w->out_c * (size_t)(w->kh * w->kw), most = row ? work / row : 1;

	step->tiles = step_even_tiles((size_t)w->out_h, most ? most : 1);
}

/*
 * Blocks of outputs, as many as keep their transformed inputs in the second-level cache.  Each tile has all panels,
 * or else every range of panels would transform the same inputs again; few blocks are worth that, for two threads'
 * sake.
 */
static void tile_winograd(struct step *step, size_t mr, size_t nr)
{
	const struct plan_window *w = &step->window;
	struct plan_gemm *g = &step->gemm;
	size_t out = g->weights->winograd->out, places = winograd_places(g->weights->winograd);
	size_t blocks = ceil_div((size_t)w->out_h, out) * ceil_div((size_t)w->out_w, out);
	size_t each = places * sizeof(float) * (size_t)g->group_c;

	g->panels = (int)ceil_div((size_t)g->group_n, nr);
	g->rows = WINOGRAD_BYTES / each / mr * mr;
	if (g->rows < mr)
		g->rows = mr;
	if (g->rows > STEP_ROWS)
		g->rows = STEP_ROWS / mr * mr;
	g->row_tiles = step_even_tiles(ceil_div(blocks, mr), g->rows / mr);
	g->panel_tiles = g->row_tiles < WINOGRAD_TILES_FEW && g->panels > 1 ? 2 : 1;
	step->tiles = g->row_tiles * g->panel_tiles;
	step->own_bytes = places * g->rows * ((size_t)g->group_c + nr) * sizeof(float) + KERNEL_SLACK;
}

/* As for Winograd: every range of panels narrows the same inputs again. */
static void tile_half(struct step *step, size_t pixels, const struct igemm_f16 *kernel)
{
	struct plan_gemm *g = &step->gemm;
	size_t row = step_half_length(step) * sizeof(uint16_t), most = HALF_BYTES / row / kernel->mr * kernel->mr;

	tile_gemm(step, pixels, kernel->mr, kernel->nr);
	if (g->rows > most)
		g->rows = most ? most : kernel->mr;
	if (pixels > 1) {
		size_t ranges = ceil_div(HALF_TILES, g->row_tiles * (size_t)g->groups);
		size_t worth = (size_t)g->panels / HALF_PANELS_MIN;

		g->panel_tiles = worth < 1 ? 1 : worth < ranges ? worth : ranges;
		g->by_panels = false;
	}
	step->tiles = (size_t)g->groups * g->row_tiles * g->panel_tiles;
	step->own_bytes = g->rows * row + KERNEL_SLACK;
}

/* Elements from one row of n elements to the next, whether or not they are the tensor's last axis. */
static size_t row_stride(const struct plan_tensor *tensor, size_t n)
{
	return tensor->rank && (size_t)tensor->dims[tensor->rank - 1] == n ? tensor->stride : n;
}

/* A fully connected layer is a pointwise convolution of a picture one pixel high. */
static void set_fc_window(struct step *step, const struct plan_tensor *x, const struct plan_tensor *w,
			  const struct plan_tensor *out)
{
	step->window = (struct plan_window){
		.in_h = 1,
		.in_w = (int)(out->count / (size_t)w->dims[0]),
		.in_c = w->dims[1],
		.out_h = 1,
		.out_w = (int)(out->count / (size_t)w->dims[0]),
		.out_c = w->dims[0],
		.kh = 1,
		.kw = 1,
		.stride_h = 1,
		.stride_w = 1,
		.dilation_h = 1,
		.dilation_w = 1,
		.in_stride = row_stride(x, (size_t)w->dims[1]),
		.out_stride = row_stride(out, (size_t)w->dims[0]),
	};
}

void plan_tile_conv(struct step *step, const struct kernels *kernels)
{
	const struct igemm_f32 *kernel = &kernels->igemm_f32;
	size_t pixels = (size_t)step->window.out_h * (size_t)step->window.out_w;

	if (WITH_TYPE_float32 && step->gemm.weights->winograd) {
		step->run = step_winograd_f32;
		step->kernel = step->gemm.weights->winograd->out == 2 ? "winograd_2x2_f32" : "winograd_4x4_f32";
		tile_winograd(step, kernel->mr, kernel->nr);
		return;
	}
	step->run = step_conv_f32;
	if (WITH_TYPE_float32 && step->gemm.weights->half) {
		step->kernel = kernels->igemm_f16.name;
		tile_half(step, pixels, &kernels->igemm_f16);
		return;
	}
	step->kernel = kernel->name;
	step->own_bytes = step->gemm.weights->wide_bytes;
	tile_gemm(step, pixels, kernel->mr, kernel->nr);
}

/* The blocks of a convolution whose window is set; NULL for none, and where the choice was made before. */
static const struct winograd *choose_winograd(struct planning *p, const struct step *step, int index,
					      const struct weights_gray *gray)
{
	const struct plan_window *w = &step->window;
	const struct trial_shape shape = {w->out_h, w->out_w, w->in_c, w->out_c};
	bool fits[WINOGRAD_SIZES];

	if (!WITH_TYPE_float32 || !weights_winograd_open(p->weights, p->graph, index, gray, fits))
		return NULL;
	return trial_choose(p->weights->trials, p->weights->kernels, &shape, fits, &p->trial_ns);
}

static int make_conv(struct planning *p, struct step *step, int index)
{
	const struct graph_node *node = step->node;
	const struct plan_tensor *t = p->plan->tensors, *x = &t[node->inputs[0]], *out = &t[node->outputs[0]];
	const struct weights_gray colour = {0}, *gray = reads_input(p->graph, node) ? &p->gray : &colour;
	bool quantised = !WITH_TYPE_float32 || (WITH_TYPE_int8 && x->type == ENGINE_S8), fc = node->op == GRAPH_FC;
	struct plan_gemm *g = &step->gemm;
	struct plan_window *w = &step->window;
	int r;

	if (!fc && (size_t)node->conv.window.kernel_h * (size_t)node->conv.window.kernel_w > STEP_TAPS_MAX)
		return graph_error(p->error, -ENOTSUP, "conv '%.60s' has a kernel of %dx%d", node->name,
				   node->conv.window.kernel_w, node->conv.window.kernel_h);
	if (fc)
		set_fc_window(step, x, &t[node->inputs[1]], out);
	else
		set_window(w, x, out, &node->conv.window, false);
	r = weights_conv(p->weights, p->graph, index, gray, choose_winograd(p, step, index, gray),
			 p->plan->options.half_arithmetic != 0, p->error, &g->weights);
	if (r < 0)
		return r;
	g->groups = fc ? 1 : node->conv.groups;
	g->group_c = w->in_c / g->groups;
	g->group_n = w->out_c / g->groups;
	g->pointwise = w->kh == 1 && w->kw == 1 && w->stride_h == 1 && w->stride_w == 1 && w->top == 0 &&
		       w->left == 0 && w->out_h == w->in_h && w->out_w == w->in_w;
	if (node->folded & GRAPH_FOLDED_SLOPE) {
		step->slope = weights_floats(p->weights, p->graph, node->inputs[3], (size_t)w->out_c);
		if (!step->slope)
			return graph_error(p->error, -ENOMEM, "out of memory");
	}
	step->params = g->weights->params;
	step->macs = (uint64_t)out->count * (uint64_t)(w->kh * w->kw) * (uint64_t)g->group_c;
	if (g->weights->depthwise) {
		step->run = quantised ? step_depthwise_s8 : step_depthwise_f32;
		step->kernel = quantised ? "dwconv_s8" : "dwconv_f32";
		tile_depthwise(step, TILE_MACS / 4);
		return 0;
	}
	if (!quantised) {
		plan_tile_conv(step, p->weights->kernels);
		return 0;
	}
	step->run = step_conv_s8;
	step->kernel = g->weights->igemm_s8->name;
	tile_gemm(step, (size_t)w->out_h * (size_t)w->out_w, g->weights->igemm_s8->mr, g->weights->igemm_s8->nr);
	return 0;
}

static int make_pool(struct planning *p, struct step *step, int index)
{
	const struct graph_node *node = step->node;
	const struct plan_tensor *x = &p->plan->tensors[node->inputs[0]], *out = &p->plan->tensors[node->outputs[0]];
	struct plan_window *w = &step->window;
	size_t list;

	(void)index;
	set_window(w, x, out, node->op == GRAPH_MEAN || node->pool.global ? NULL : &node->pool.window,
		   node->op != GRAPH_MEAN && node->pool.ceil_mode);
	list = (size_t)(w->kh < w->in_h ? w->kh : w->in_h) * (size_t)(w->kw < w->in_w ? w->kw : w->in_w);
	step->run = step_pool;
	step->kernel = node->op == GRAPH_MAXPOOL ? "maxpool" : "avgpool";
	tile_rows(step, (size_t)w->out_h, (size_t)w->out_w * (size_t)w->out_c, STEP_CHUNK);
	/* Large windows over many rows: one list for all. */
	if (list * step->tiles > 1u << 20)
		tile_rows(step, (size_t)w->out_h, 1, (size_t)w->out_h);
	step->scratch_bytes = list * step->tiles * sizeof(void *);
	return check_same_quant(p, node);
}

bool plan_mean_is_pool(const struct plan_tensor *tensors, const struct graph_node *node)
{
	const struct plan_tensor *x = &tensors[node->inputs[0]], *out = &tensors[node->outputs[0]];
	unsigned axes = 0;

	for (int i = 0; i < node->reduce.n_axes; i++)
		axes |= 1u << node->reduce.axes[i];
	return x->rank == 4 && axes == 6 && node->act.kind == GRAPH_ACT_NONE && !(node->folded & GRAPH_FOLDED_QUANT) &&
	       (x->type == ENGINE_F32 || (x->scale == out->scale && x->zero_point == out->zero_point));
}

static int make_mean(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *x = &p->plan->tensors[step->node->inputs[0]];
	const struct plan_tensor *out = &p->plan->tensors[step->node->outputs[0]];

	if (plan_mean_is_pool(p->plan->tensors, step->node)) {
		struct plan_tensor flat = *out;

		flat.dims[1] = flat.dims[2] = 1;
		flat.dims[3] = x->dims[3];
		set_window(&step->window, x, &flat, NULL, false);
		step->run = step_pool;
		step->kernel = "avgpool";
		step->gemm.rows = step->tiles = 1;
		step->scratch_bytes = (size_t)x->dims[1] * (size_t)x->dims[2] * sizeof(void *);
		return 0;
	}
	(void)index;
	step->run = step_mean;
	step->tiles = 1;
	step->scratch_bytes = out->count * (sizeof(double) + sizeof(int32_t)); /* sums, and those of bytes */
	return 0;
}

static bool is_dense(const struct plan_tensor *tensor)
{
	return tensor->stride == (tensor->rank ? (size_t)tensor->dims[tensor->rank - 1] : 1);
}

/* Chunks of dense tensors; otherwise rows of the last axis, which both then have in common. */
static void tile_elements(struct step *step, const struct plan_tensor *in, const struct plan_tensor *out)
{
	size_t n = out->rank ? (size_t)out->dims[out->rank - 1] : 1;

	step->strided = !is_dense(in) || !is_dense(out);
	if (step->strided)
		tile_rows(step, out->count / n, n, STEP_CHUNK);
	else
		tile_rows(step, ceil_div(out->count, STEP_CHUNK), STEP_CHUNK, STEP_CHUNK);
}

static int make_binary(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *t = p->plan->tensors, *a = &t[step->node->inputs[0]], *b = &t[step->node->inputs[1]];
	const struct plan_tensor *out = &t[step->node->outputs[0]];

	(void)index;
	step->binary = (struct binary_s8_args){
		.a_scale = a->scale,
		.b_scale = b->scale,
		.out_scale = out->scale,
		.a_zero = a->zero_point,
		.b_zero = b->zero_point,
		.out_zero = out->zero_point,
		.lo = step->lo8,
		.hi = step->hi8,
		.zero_before_rounding = step->node->folded & GRAPH_FOLDED_QUANT,
		.above = out->was_u8 ? 128 : 0,
	};
	if (out->type == ENGINE_S8)
		fixed_multiplier((double)(a->scale * b->scale / out->scale), &step->binary.multiplier,
				 &step->binary.shift);
	if ((a->count == out->count || a->count == 1) && (b->count == out->count || b->count == 1) && is_dense(a) &&
	    is_dense(b) && is_dense(out)) {
		step->run = step_binary;
		step->tiles = ceil_div(out->count, STEP_CHUNK);
	} else {
		size_t n = (size_t)out->dims[out->rank - 1];

		step->run = step_binary_rows;
		tile_rows(step, out->count / n, n, STEP_CHUNK);
	}
	return 0;
}

/* The 256 answers of a function of one int8 argument. */
static int make_table(struct planning *p, struct step *step, const struct graph_act *act, const struct plan_tensor *in,
		      const struct plan_tensor *out)
{
	step->table = malloc(256);
	if (!step->table)
		return graph_error(p->error, -ENOMEM, "out of memory");
	if (WITH_hardswish && act->kind == GRAPH_ACT_HARDSWISH && act->a == 1.0f / 6.0f && act->b == 0.5f &&
	    !(step->node->folded & GRAPH_FOLDED_QUANT) &&
	    fixed_hardswish(in->scale, in->zero_point, out->scale, out->zero_point, step->table))
		return 0;
	for (int q = -128; q < 128; q++) {
		float x = in->scale * (float)(q - in->zero_point), y;

		p->weights->kernels->unary_f32((enum kernel_unary)act->kind, act->a, act->b, 1, &x, &y);
		y = rintf(y / out->scale) + (float)out->zero_point;
		/* NaN, as of the square root of a negative number, becomes the lowest. */
		step->table[(uint8_t)q] = (int8_t)fminf(fmaxf(y, -128.0f), 127.0f);
	}
	return 0;
}

static int make_unary(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *t = p->plan->tensors, *out = &t[step->node->outputs[0]];

	(void)index;
	step->run = step_unary;
	tile_elements(step, &t[step->node->inputs[0]], out);
	if (out->type != ENGINE_S8)
		return 0;
	free(step->table);
	return make_table(p, step, &step->node->unary, &t[step->node->inputs[0]], out);
}

static int make_channels(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *out = &p->plan->tensors[step->node->outputs[0]];
	size_t channels = out->rank ? (size_t)out->dims[out->rank - 1] : 1;

	(void)index;
	step->run = step_channels;
	tile_rows(step, out->count / channels, channels, STEP_CHUNK);
	step->slope = weights_floats(p->weights, p->graph, step->node->inputs[1], channels);
	if (step->node->op == GRAPH_BATCHNORM)
		step->shift = weights_floats(p->weights, p->graph, step->node->inputs[2], channels);
	if (!step->slope || (step->node->op == GRAPH_BATCHNORM && !step->shift))
		return graph_error(p->error, -ENOMEM, "out of memory");
	return 0;
}

static int make_cast(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *in = &p->plan->tensors[step->node->inputs[0]];
	const struct plan_tensor *out = &p->plan->tensors[step->node->outputs[0]];
	bool floats = in->type == ENGINE_F32 || out->type == ENGINE_F32;
	bool known = in->type == out->type || (floats && (in->type == ENGINE_S8 || in->type == ENGINE_F16 ||
							  out->type == ENGINE_S8 || out->type == ENGINE_F16));

	(void)index;
	if (!known || (in->type == ENGINE_S8 && in->scale == 0.0f) || (out->type == ENGINE_S8 && out->scale == 0.0f))
		return graph_error(p->error, -ENOTSUP, "cast '%.60s' from %s to %s", step->node->name,
				   engine_type_name(in->type), engine_type_name(out->type));
	step->run = step_cast;
	tile_elements(step, in, out);
	return 0;
}

static int make_softmax(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *out = &p->plan->tensors[step->node->outputs[0]];
	size_t n = (size_t)out->dims[step->node->axis.axis];

	(void)index;
	step->run = step_softmax;
	step->tiles = step_even_tiles(out->count / n, STEP_CHUNK / n ? STEP_CHUNK / n : 1);
	step->scratch_bytes = out->count * sizeof(float);
	return 0;
}

static int make_concat(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *out = &p->plan->tensors[step->node->outputs[0]];

	(void)index;
	step->run = step_concat;
	step->tiles = 1;
	for (int i = 0; i < step->node->axis.axis; i++)
		step->tiles *= (size_t)out->dims[i];
	return 0;
}

static int make_move(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *out = &p->plan->tensors[step->node->outputs[0]];
	size_t n = out->rank ? (size_t)out->dims[out->rank - 1] : 1;

	(void)index;
	if (WITH_slice && step->node->op == GRAPH_SLICE) {
		step->run = step_slice;
		tile_rows(step, out->count / n, n, STEP_CHUNK);
	} else if (WITH_transpose && step->node->op == GRAPH_TRANSPOSE) {
		step->run = step_transpose;
		tile_rows(step, out->count / n, n, STEP_CHUNK);
	} else if (WITH_pad && step->node->op == GRAPH_PAD) {
		step->run = step_pad;
		step->tiles = step_even_tiles(out->count / n, STEP_CHUNK / n ? STEP_CHUNK / n : 1);
	} else {
		step->run = step_copy;
		tile_elements(step, &p->plan->tensors[step->node->inputs[0]], &p->plan->tensors[step->node->inputs[0]]);
	}
	return check_same_quant(p, step->node);
}

static int make_resize(struct planning *p, struct step *step, int index)
{
	const struct plan_tensor *out = &p->plan->tensors[step->node->outputs[0]];

	(void)index;
	step->run = step_resize;
	step->tiles = (size_t)out->dims[1];
	return step->node->resize.bilinear ? 0 : check_same_quant(p, step->node);
}

/* Runs as a whole on one thread. */
static int make_general(struct planning *p, struct step *step, int index)
{
	const struct engine_operator *op = step->node->general.op;
	struct general_call call;
	int r = general_infer(p->graph, index, p->shapes, &call, p->error);

	if (r < 0 && r != -EAGAIN)
		return r;
	step->run = step_general;
	step->kernel = op->name;
	step->tiles = 1;
	step->scratch_bytes = call.call.scratch_bytes;
	step->macs = call.call.macs;
	if (!op->prepare || r == -EAGAIN)
		return 0;
	r = op->prepare(&call.call, &step->state);
	return r < 0 ? graph_error(p->error, r, "node '%.60s' (%.60s) %.120s", step->node->name, op->name,
				   call.error.text)
		     : 0;
}

typedef int make_step(struct planning *p, struct step *step, int index);
/* What the build leaves out has no maker, so that nothing refers to its steps. */
#define MAKER(name, maker) (WITH_##name ? (maker) : NULL)
static make_step *const makers[GRAPH_OP_COUNT] = {
	[GRAPH_CONV] = MAKER(conv, make_conv),
	[GRAPH_FC] = MAKER(fc, make_conv),
	[GRAPH_MAXPOOL] = MAKER(maxpool, make_pool),
	[GRAPH_AVGPOOL] = MAKER(avgpool, make_pool),
	[GRAPH_MEAN] = MAKER(mean, make_mean),
	[GRAPH_UNARY] = MAKER(unary, make_unary),
	[GRAPH_PRELU] = MAKER(prelu, make_channels),
	[GRAPH_ADD] = MAKER(add, make_binary),
	[GRAPH_SUB] = MAKER(sub, make_binary),
	[GRAPH_MUL] = MAKER(mul, make_binary),
	[GRAPH_DIV] = MAKER(div, make_binary),
	[GRAPH_MIN] = MAKER(min, make_binary),
	[GRAPH_MAX] = MAKER(max, make_binary),
	[GRAPH_CONCAT] = MAKER(concat, make_concat),
	[GRAPH_SLICE] = MAKER(slice, make_move),
	[GRAPH_PAD] = MAKER(pad, make_move),
	[GRAPH_RESHAPE] = MAKER(reshape, make_move),
	[GRAPH_TRANSPOSE] = MAKER(transpose, make_move),
	[GRAPH_SOFTMAX] = MAKER(softmax, make_softmax),
	[GRAPH_RESIZE] = MAKER(resize, make_resize),
	[GRAPH_BATCHNORM] = MAKER(batchnorm, make_channels),
	[GRAPH_CAST] = MAKER(cast, make_cast),
	[GRAPH_IDENTITY] = MAKER(identity, make_move),
	[GRAPH_GENERAL] = MAKER(general, make_general),
};

static const bool has_act[GRAPH_ACT_COUNT] = {
	/* Bounds are part of every kernel. */
	[GRAPH_ACT_NONE] = true,
	[GRAPH_ACT_RELU] = true,
	[GRAPH_ACT_CLIP] = true,
	[GRAPH_ACT_LEAKY] = WITH_leaky,
	[GRAPH_ACT_SIGMOID] = WITH_sigmoid,
	[GRAPH_ACT_TANH] = WITH_tanh,
	[GRAPH_ACT_HARDSWISH] = WITH_hardswish,
	[GRAPH_ACT_HARDSIGMOID] = WITH_hardsigmoid,
	[GRAPH_ACT_SILU] = WITH_silu,
	[GRAPH_ACT_MISH] = WITH_mish,
	[GRAPH_ACT_ELU] = WITH_elu,
	[GRAPH_ACT_GELU] = WITH_gelu,
	[GRAPH_ACT_EXP] = WITH_exp,
	[GRAPH_ACT_LOG] = WITH_log,
	[GRAPH_ACT_SQRT] = WITH_sqrt,
	[GRAPH_ACT_RSQRT] = WITH_rsqrt,
	[GRAPH_ACT_ABS] = WITH_abs,
	[GRAPH_ACT_NEG] = WITH_neg,
	[GRAPH_ACT_SQUARE] = WITH_square,
};

/* General operators have all types. */
static const char *left_out_type(const struct graph *graph, const struct graph_node *node)
{
	const char *name = NULL;

	if (node->op == GRAPH_GENERAL || (WITH_TYPE_float32 && WITH_TYPE_int8))
		return NULL;
	for (int i = -1; i < node->n_inputs && !name; i++) {
		int value = i < 0 ? node->outputs[0] : node->inputs[i];
		const struct graph_value *v = value < 0 ? NULL : &graph->values[value];

		if (!v || graph_is_constant(v))
			continue;
		if (!WITH_TYPE_float32 && v->type == ENGINE_F32)
			name = "type.float32";
		else if (!WITH_TYPE_int8 && v->type == ENGINE_S8)
			name = "type.int8";
	}
	return name;
}

static int check_left_out(const struct graph *graph, const struct graph_node *node, struct engine_error *error)
{
	const char *name = left_out_type(graph, node);

	if (name)
		return graph_error(error, -ENOTSUP, "'%.60s' computes with %s, which " OPERATORS_LEFT_OUT, node->name,
				   name);

	if (node->op == GRAPH_UNARY && !has_act[node->unary.kind])
		name = graph_act_name(&node->unary);
	else if (!makers[node->op])
		name = graph_op_name(node->op);
	else if (node->folded & GRAPH_FOLDED_SLOPE && !makers[GRAPH_PRELU])
		name = graph_op_name(GRAPH_PRELU);
	else if (!has_act[node->act.kind])
		name = graph_act_name(&node->act);
	return name ? graph_error(error, -ENOTSUP, "'%.60s' needs the operator %s, which " OPERATORS_LEFT_OUT,
				  node->name, name)
		    : 0;
}

static int8_t quantised_bound(const struct plan_tensor *out, float bound)
{
	float q = rintf(bound / out->scale) + (float)out->zero_point;

	return (int8_t)fminf(fmaxf(q, -128.0f), 127.0f);
}

/* The activation behind the op: a clamp where it only bounds, otherwise a function applied to finished tiles. */
static int set_activation(struct planning *p, struct step *step)
{
	const struct plan_tensor *out = &p->plan->tensors[step->out];

	step->lo8 = -128;
	step->hi8 = 127;
	if (!graph_act_range(&step->node->act, &step->lo, &step->hi)) {
		step->lo = -INFINITY;
		step->hi = INFINITY;
		step->act = step->node->act;
		return out->type == ENGINE_S8 ? make_table(p, step, &step->act, out, out) : 0;
	}
	if (out->type == ENGINE_S8 && out->scale > 0.0f) {
		step->lo8 = quantised_bound(out, step->lo);
		step->hi8 = quantised_bound(out, step->hi);
	}
	return 0;
}

static void describe(struct step *step)
{
	const struct graph_node *node = step->node;
	const char *parts[] = {
		node->folded & GRAPH_FOLDED_PAD ? "pad" : NULL,
		node->folded & GRAPH_FOLDED_SCALE ? "batchnorm" : NULL,
		node->folded & GRAPH_FOLDED_QUANT ? "qdq" : NULL,
		node->residual >= 0 ? "add" : NULL,
		node->folded & GRAPH_FOLDED_SLOPE ? graph_op_name(GRAPH_PRELU) : NULL,
		node->act.kind != GRAPH_ACT_NONE ? graph_act_name(&node->act) : NULL,
	};
	size_t used = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (parts[i])
			used += (size_t)snprintf(step->fused + used, sizeof(step->fused) - used, "%s%s",
						 used ? "," : "", parts[i]);
}

/* What a step reads beside what it multiplies: a reduction makes little of much. */
static uint64_t read_elements(const struct planning *p, const struct step *step)
{
	uint64_t count = 0;

	for (int i = 0; i < step->n_in; i++)
		if (step->in[i] >= 0)
			count += p->plan->tensors[step->in[i]].count;
	return count;
}

/* What a pool reads; a large window over a large image costs its product. */
static uint64_t pooled_elements(const struct step *step, size_t count)
{
	const struct plan_window *w = &step->window;

	return step->run == step_pool ? (uint64_t)count * (uint64_t)(w->kh < w->in_h ? w->kh : w->in_h) *
						(uint64_t)(w->kw < w->in_w ? w->kw : w->in_w)
				      : 0;
}

static int plan_step(struct planning *p, int index)
{
	const struct graph_node *node = &p->graph->nodes[index];
	struct step *step = &p->plan->steps[p->plan->n_steps];
	const struct plan_tensor *out = &p->plan->tensors[node->outputs[0]];
	int r = check_left_out(p->graph, node, p->error);

	if (r < 0)
		return r;
	*step = (struct step){
		.node = node,
		.in = node->inputs,
		.n_in = node->n_inputs,
		.out = node->outputs[0],
		.residual = node->residual,
		.kernel = "",
	};
	p->plan->n_steps++;
	r = set_activation(p, step);
	if (r == 0)
		r = makers[node->op](p, step, index);
	if (r < 0)
		return r;
	describe(step);
	step->serial = step->tiles < 2 || (step->macs < SERIAL_MACS && out->count < SERIAL_ELEMENTS);
	p->plan->macs += step->macs;
	p->plan->work += step->macs + pooled_elements(step, out->count) + read_elements(p, step);
	return 0;
}

static int plan_steps(struct planning *p)
{
	int r = 0;

	p->plan->steps = calloc((size_t)p->graph->n_nodes + 1, sizeof(*p->plan->steps));
	if (!p->plan->steps)
		return graph_error(p->error, -ENOMEM, "out of memory");
	for (int i = 0; i < p->graph->n_nodes && r == 0; i++) {
		const struct graph_node *node = &p->graph->nodes[i];

		r = p->gone[i] ? check_same_quant(p, node) : plan_step(p, i);
	}
	return r;
}

static int plan_views(struct planning *p)
{
	p->gone = calloc((size_t)p->graph->n_nodes + 1, sizeof(*p->gone));
	if (!p->gone ||
	    views_find(p->graph, p->plan->tensors, p->plan->options.keep_tensors != 0, p->gone, p->plan->passes) < 0)
		return graph_error(p->error, -ENOMEM, "out of memory");
	return 0;
}

static int plan_squeezes(struct planning *p)
{
	int n = WITH_mul ? squeeze_merge(p->plan) : 0;

	p->plan->passes[PLAN_PASS_SQUEEZE] = n < 0 ? 0 : n;
	return n < 0 ? graph_error(p->error, n, "out of memory") : 0;
}

static int plan_rows(struct planning *p)
{
	int n = p->plan->options.keep_tensors ? 0 : rows_merge(p->plan);

	p->plan->passes[PLAN_PASS_ROWS] = n < 0 ? 0 : n;
	return n < 0 ? graph_error(p->error, n, "out of memory") : 0;
}

const char *const plan_pass_names[PLAN_PASS_COUNT] = {
	[PLAN_PASS_CONCAT] = "concatenations made views",
	[PLAN_PASS_SLICE] = "slices made views",
	[PLAN_PASS_RESHAPE] = "reshapes made views",
	[PLAN_PASS_SQUEEZE] = "squeeze-and-excite blocks fused",
	[PLAN_PASS_ROWS] = "depthwise convolutions fused with those around them",
};

/* ---- memory ------------------------------------------------------------------------------------ */

static void extend(struct engine_plan *plan, int tensor, int step)
{
	struct plan_tensor *root = &plan->tensors[plan->tensors[tensor].root];

	if (step > root->last)
		root->last = step;
}

/* Operands that are constants get memory of their own; those of convolutions are in the packed weights. */
static int place_constant(struct planning *p, int tensor)
{
	struct plan_tensor *t = &p->plan->tensors[tensor];
	const struct graph_value *value = &p->graph->values[t->root];

	if (t->data || !value->data)
		return 0;
	t->data = weights_operand(p->weights, p->graph, t->root);
	return t->data ? 0 : graph_error(p->error, -ENOMEM, "out of memory");
}

static bool is_packed(const struct step *step, int input)
{
	enum graph_op op = step->node->op;

	return input > 0 && (op == GRAPH_CONV || op == GRAPH_FC || op == GRAPH_PRELU || op == GRAPH_BATCHNORM);
}

/* What the step that runs at `index` writes and reads. */
static int step_lifetimes(struct planning *p, const struct step *step, int index)
{
	struct engine_plan *plan = p->plan;
	int r = 0;

	for (int k = 0; k < step->node->n_outputs; k++) {
		struct plan_tensor *root = &plan->tensors[plan->tensors[step->node->outputs[k]].root];

		root->first = root->first < 0 ? index : root->first;
		extend(plan, step->node->outputs[k], index);
	}
	if (step->residual >= 0) {
		extend(plan, step->residual, index);
		r = place_constant(p, step->residual);
	}
	for (int k = 0; k < step->n_in && r == 0; k++) {
		if (step->in[k] < 0 || is_packed(step, k))
			continue;
		extend(plan, step->in[k], index);
		r = place_constant(p, step->in[k]);
	}
	return r;
}

static int plan_lifetimes(struct planning *p)
{
	struct engine_plan *plan = p->plan;
	int r = 0;

	for (int i = 0; i < plan->n_steps && r == 0; i++) {
		const struct step *step = &plan->steps[i];

		for (int k = 0; k < step->n_parts && r == 0; k++)
			r = step_lifetimes(p, &step->parts[k], i);
		if (!step->n_parts)
			r = step_lifetimes(p, step, i);
	}
	for (int i = 0; i < p->graph->n_outputs && r == 0; i++) {
		extend(plan, p->graph->outputs[i], plan->n_steps);
		r = place_constant(p, p->graph->outputs[i]);
	}
	return r;
}

static void keep_all(struct engine_plan *plan, int n_tensors)
{
	for (int i = 0; i < n_tensors; i++)
		plan->tensors[i].last = plan->n_steps;
}

static bool needs_memory(const struct planning *p, int tensor)
{
	const struct plan_tensor *t = &p->plan->tensors[tensor];

	if (t->root != tensor || t->passing || p->graph->values[tensor].data)
		return false;
	for (int i = 0; i < p->graph->n_inputs; i++)
		if (p->graph->inputs[i] == tensor)
			return true;
	return t->first >= 0;
}

static bool has_variable(const struct graph *graph)
{
	for (int i = 0; i < graph->n_values; i++)
		if (graph->values[i].variable)
			return true;
	return false;
}

/* Tensors first, then the scratch of the steps, then the shapes that a run decides. */
static int plan_memory(struct planning *p)
{
	struct engine_plan *plan = p->plan;
	int n_tensors = p->graph->n_values, n = 0, r;
	struct arena_buffer *buffers = calloc((size_t)n_tensors + (size_t)plan->n_steps + 2, sizeof(*buffers));

	if (!buffers)
		return graph_error(p->error, -ENOMEM, "out of memory");
	for (int i = 0; i < n_tensors; i++)
		if (needs_memory(p, i))
			buffers[n++] = (struct arena_buffer){.bytes = plan->tensors[i].bytes + KERNEL_SLACK,
							     .first = plan->tensors[i].first,
							     .last = plan->tensors[i].last};
	for (int i = 0; i < plan->n_steps; i++)
		buffers[n++] = (struct arena_buffer){.bytes = plan->steps[i].scratch_bytes, .first = i, .last = i};
	buffers[n++] =
		(struct arena_buffer){.bytes = has_variable(p->graph) ? (size_t)n_tensors * sizeof(*p->shapes) : 0,
				      .first = -1,
				      .last = plan->n_steps};
	r = arena_place(buffers, n, &plan->arena_bytes);
	if (r < 0 || plan->arena_bytes > ENGINE_TENSOR_BYTES_MAX) {
		free(buffers);
		return graph_error(p->error, r == -ENOMEM ? r : -EFBIG, "the network needs %zu bytes of memory to run",
				   r < 0 ? (size_t)0 : plan->arena_bytes);
	}
	n = 0;
	for (int i = 0; i < n_tensors; i++)
		if (needs_memory(p, i))
			plan->tensors[i].offset = buffers[n++].offset;
	for (int i = 0; i < plan->n_steps; i++) {
		plan->steps[i].scratch = buffers[n++].offset;
		if (plan->steps[i].own_bytes > plan->own_bytes)
			plan->own_bytes = (plan->steps[i].own_bytes + 63) / 64 * 64;
		for (int k = 0; k < plan->steps[i].n_parts; k++)
			plan->steps[i].parts[k].scratch = plan->steps[i].scratch;
	}
	plan->shapes_offset = buffers[n].offset;
	for (int i = 0; i < n_tensors; i++)
		plan->tensors[i].offset = plan->tensors[plan->tensors[i].root].offset +
					  plan->tensors[i].start * engine_type_size(plan->tensors[i].type);
	free(buffers);
	return 0;
}

/* Each root once: outputs may be views of one tensor. */
static void add_flips(struct engine_plan *plan, const int *list, int n, int from)
{
	for (int i = 0; i < n; i++) {
		int root = plan->tensors[list[i]].root;
		bool seen = !plan->tensors[list[i]].was_u8 || plan->tensors[root].data;

		for (int k = from; k < plan->n_flips && !seen; k++)
			seen = plan->flips[k] == root;
		if (!seen)
			plan->flips[plan->n_flips++] = root;
	}
}

int plan_create(const struct graph *graph, struct weights *weights, const struct engine_plan_options *options,
		struct engine_error *ret_error, struct engine_plan **ret_plan)
{
	struct planning p = {.graph = graph, .weights = weights, .error = ret_error};
	int r;

	p.plan = calloc(1, sizeof(*p.plan));
	if (!p.plan)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	p.plan->options = *options;
	p.plan->graph = graph;
	r = plan_shapes(&p, options);
	if (r == 0)
		r = plan_tensors(&p);
	if (r == 0)
		r = plan_views(&p);
	if (r == 0)
		r = plan_steps(&p);
	if (r == 0)
		r = plan_rows(&p);
	if (r == 0)
		r = plan_squeezes(&p);
	if (r == 0)
		r = plan_lifetimes(&p);
	if (r == 0 && options->keep_tensors)
		keep_all(p.plan, graph->n_values);
	if (r == 0)
		r = plan_memory(&p);
	free(p.shapes);
	free(p.gone);
	if (r < 0) {
		plan_destroy(p.plan);
		return r;
	}
	add_flips(p.plan, graph->inputs, graph->n_inputs, 0);
	p.plan->n_flip_inputs = p.plan->n_flips;
	add_flips(p.plan, graph->outputs, graph->n_outputs, p.plan->n_flips);
	*ret_plan = p.plan;
	return 0;
}

void plan_destroy(struct engine_plan *plan)
{
	if (!plan)
		return;
	for (int i = 0; i < plan->n_steps; i++) {
		struct step *step = &plan->steps[i];

		for (int k = 0; k < step->n_parts; k++)
			free(step->parts[k].table);
		free(step->parts);
		free(step->table);
		if (step->state)
			step->node->general.op->release(step->state);
	}
	free(plan->steps);
	free(plan->tensors);
	free(plan);
}
