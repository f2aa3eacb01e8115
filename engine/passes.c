/*
 * passes.c - see passes.h.  Each pass is one walk over the nodes; a dead node has no outputs and goes at the end.
 */
#include "passes_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "kernels/kernels.h"

static void count_uses(struct passes *p)
{
	struct graph *graph = p->graph;

	memset(p->uses, 0, (size_t)graph->n_values * sizeof(*p->uses));
	for (int i = 0; i < graph->n_nodes; i++) {
		const struct graph_node *node = &graph->nodes[i];

		for (int k = 0; k < node->n_inputs; k++)
			if (node->inputs[k] >= 0)
				p->uses[node->inputs[k]]++;
		if (node->residual >= 0)
			p->uses[node->residual]++;
	}
	for (int i = 0; i < graph->n_outputs; i++)
		p->uses[graph->outputs[i]]++;
}

bool passes_is_output(const struct graph *graph, int value)
{
	for (int i = 0; i < graph->n_outputs; i++)
		if (graph->outputs[i] == value)
			return true;
	return false;
}

/* Takes out dead nodes; producers follow, uses are counted anew. */
void passes_compact(struct passes *p)
{
	struct graph *graph = p->graph;
	int kept = 0;

	for (int i = 0; i < graph->n_nodes; i++) {
		struct graph_node *node = &graph->nodes[i];

		if (!node->n_outputs) {
			graph_node_finish(node);
			continue;
		}
		for (int k = 0; k < node->n_outputs; k++)
			graph->values[node->outputs[k]].producer = kept;
		graph->nodes[kept++] = *node;
	}
	graph->n_nodes = kept;
	count_uses(p);
}

void passes_kill(struct passes *p, struct graph_node *node)
{
	for (int k = 0; k < node->n_outputs; k++)
		if (p->graph->values[node->outputs[k]].producer == (int)(node - p->graph->nodes))
			p->graph->values[node->outputs[k]].producer = -1;
	node->n_outputs = 0;
	node->n_inputs = 0;
	node->residual = -1;
}

/* The value that `node` makes is made by `maker` instead, and what maker made is gone. */
static void take_over(struct passes *p, struct graph_node *maker, struct graph_node *node)
{
	int value = node->outputs[0];

	passes_kill(p, node);
	p->graph->values[maker->outputs[0]].producer = -1;
	maker->outputs[0] = value;
	p->graph->values[value].producer = (int)(maker - p->graph->nodes);
}

/* The node that makes input 0 of `node` for it alone; NULL where there is none. */
static struct graph_node *only_maker(const struct passes *p, const struct graph_node *node)
{
	int value = node->n_inputs ? node->inputs[0] : -1;

	if (value < 0 || p->graph->values[value].producer < 0 || p->uses[value] != 1)
		return NULL;
	return &p->graph->nodes[p->graph->values[value].producer];
}

static bool is_quantised(const struct graph_value *value)
{
	return value->quant.n_scales > 0;
}

static bool is_read(const struct passes *p, const struct graph_node *node)
{
	for (int k = 0; k < node->n_outputs; k++)
		if (p->uses[node->outputs[k]])
			return true;
	return false;
}

/* Nodes whose output nobody reads go, and then those that only they read. */
static void drop_unread(struct passes *p)
{
	for (int i = p->graph->n_nodes - 1; i >= 0; i--) {
		struct graph_node *node = &p->graph->nodes[i];

		if (is_read(p, node))
			continue;
		for (int k = 0; k < node->n_inputs; k++)
			if (node->inputs[k] >= 0)
				p->uses[node->inputs[k]]--;
		passes_kill(p, node);
	}
	passes_compact(p);
}

/* ---- constants --------------------------------------------------------------------------------- */

static float *widen(const struct graph_value *value, size_t count)
{
	float *data = malloc(count * sizeof(*data) + 1);

	for (size_t i = 0; data && i < count; i++) {
		uint16_t half;

		memcpy(&half, (const uint8_t *)value->data + i * sizeof(half), sizeof(half));
		kernels_get()->f16_to_f32(1, &half, &data[i]);
	}
	return data;
}

/* A cast of a float16 constant to float32 becomes its constant: TFLite's form of float16 weights. */
static int fold_casts(struct passes *p)
{
	struct graph *graph = p->graph;

	for (int i = 0; i < graph->n_nodes; i++) {
		struct graph_node *node = &graph->nodes[i];
		struct graph_value *in, *out;
		float *data;

		if (node->op != GRAPH_CAST || !node->n_outputs || node->inputs[0] < 0)
			continue;
		in = &graph->values[node->inputs[0]];
		out = &graph->values[node->outputs[0]];
		if (!in->data || in->type != ENGINE_F16 || out->type != ENGINE_F32 ||
		    passes_is_output(graph, node->outputs[0]))
			continue;
		data = widen(in, in->data_bytes / 2);
		if (!data)
			return -ENOMEM;
		out->rank = in->rank;
		memcpy(out->dims, in->dims, sizeof(in->dims));
		out->data = data;
		out->data_bytes = in->data_bytes * 2;
		out->owned = true;
		passes_kill(p, node);
	}
	passes_compact(p);
	return 0;
}

/*
 * uint8 activations become int8 with a zero point lower by 128; engine_run flips the network's borders.  Weights stay
 * as they are: packing reads either.
 */
static int make_signed(struct passes *p)
{
	struct graph *graph = p->graph;

	for (int i = 0; i < graph->n_nodes; i++) {
		const struct graph_node *node = &graph->nodes[i];
		bool weighted = node->op == GRAPH_CONV || node->op == GRAPH_FC;

		if (node->op == GRAPH_GENERAL)
			continue;
		for (int k = 0; k < (weighted && node->n_inputs > 1 ? 1 : node->n_inputs); k++) {
			struct graph_value *value = node->inputs[k] < 0 ? NULL : &graph->values[node->inputs[k]];
			uint8_t *data;

			if (!value || !value->data || value->type != ENGINE_U8 || !is_quantised(value))
				continue;
			data = malloc(value->data_bytes + 1);
			if (!data)
				return -ENOMEM;
			kernels_get()->flip(value->data_bytes, value->data, data);
			if (value->owned)
				free((void *)(uintptr_t)value->data);
			value->data = data;
			value->owned = true;
			value->type = ENGINE_S8;
			for (int s = 0; s < value->quant.n_scales; s++)
				value->quant.zero_points[s] -= 128;
		}
	}
	for (int i = 0; i < graph->n_values; i++) {
		struct graph_value *value = &graph->values[i];

		if (value->type != ENGINE_U8 || value->data || !is_quantised(value))
			continue;
		value->type = ENGINE_S8;
		value->was_u8 = true;
		for (int k = 0; k < value->quant.n_scales; k++)
			value->quant.zero_points[k] -= 128;
	}
	return 0;
}

/* ---- structure --------------------------------------------------------------------------------- */

static void replace_uses(struct graph *graph, int from, int to)
{
	for (int i = 0; i < graph->n_nodes; i++) {
		struct graph_node *node = &graph->nodes[i];

		for (int k = 0; k < node->n_inputs; k++)
			if (node->inputs[k] == from)
				node->inputs[k] = to;
		if (node->residual == from)
			node->residual = to;
	}
}

/* Only identities within the network: one whose output leaves it keeps its name by staying. */
static void drop_identities(struct passes *p)
{
	for (int i = 0; i < p->graph->n_nodes; i++) {
		struct graph_node *node = &p->graph->nodes[i];

		if (node->op != GRAPH_IDENTITY || !node->n_outputs || node->act.kind != GRAPH_ACT_NONE ||
		    passes_is_output(p->graph, node->outputs[0]))
			continue;
		replace_uses(p->graph, node->outputs[0], node->inputs[0]);
		passes_kill(p, node);
	}
	passes_compact(p);
}

/* An average over the whole picture at the file's own size is meant so at every size. */
static void find_global_pools(struct passes *p)
{
	for (int i = 0; i < p->graph->n_nodes; i++) {
		struct graph_node *node = &p->graph->nodes[i];
		const struct graph_window *w = &node->pool.window;
		const struct graph_shape *x;
		int out_h, out_w, top, bottom, left, right;

		if ((node->op != GRAPH_AVGPOOL && node->op != GRAPH_MAXPOOL) || node->pool.global)
			continue;
		x = &p->shapes[node->inputs[0]];
		if (graph_window_axis(w, true, node->pool.ceil_mode, x->dims[1], &out_h, &top, &bottom) < 0 ||
		    graph_window_axis(w, false, node->pool.ceil_mode, x->dims[2], &out_w, &left, &right) < 0)
			continue;
		node->pool.global = w->kernel_h == x->dims[1] && w->kernel_w == x->dims[2] && out_h == 1 &&
				    out_w == 1 && !top && !bottom && !left && !right;
	}
}

/* Padding by the input's zero before a convolution is the convolution's own padding. */
static void fold_pads(struct passes *p)
{
	for (int i = 0; i < p->graph->n_nodes; i++) {
		struct graph_node *conv = &p->graph->nodes[i], *pad = only_maker(p, conv);
		struct graph_window *w = &conv->conv.window;

		if (conv->op != GRAPH_CONV || !pad || pad->op != GRAPH_PAD || pad->pad.value != 0.0f ||
		    pad->pad.before[0] || pad->pad.after[0] || pad->pad.before[3] || pad->pad.after[3] ||
		    p->graph->values[pad->outputs[0]].rank != 4 || p->graph->values[pad->inputs[0]].rank != 4 ||
		    (w->pad_mode != GRAPH_PAD_VALID && w->pad_mode != GRAPH_PAD_EXPLICIT))
			continue;
		if (w->pad_mode == GRAPH_PAD_VALID)
			w->top = w->bottom = w->left = w->right = 0;
		if (w->top + pad->pad.before[1] > GRAPH_WINDOW_MAX ||
		    w->bottom + pad->pad.after[1] > GRAPH_WINDOW_MAX ||
		    w->left + pad->pad.before[2] > GRAPH_WINDOW_MAX || w->right + pad->pad.after[2] > GRAPH_WINDOW_MAX)
			continue;
		w->pad_mode = GRAPH_PAD_EXPLICIT;
		w->top += pad->pad.before[1];
		w->bottom += pad->pad.after[1];
		w->left += pad->pad.before[2];
		w->right += pad->pad.after[2];
		conv->inputs[0] = pad->inputs[0];
		conv->folded |= GRAPH_FOLDED_PAD;
		passes_kill(p, pad);
	}
	passes_compact(p);
}

/* A batch norm behind a float convolution becomes factors of its weights. */
static int fold_batchnorms(struct passes *p)
{
	struct graph *graph = p->graph;

	for (int i = 0; i < graph->n_nodes; i++) {
		struct graph_node *node = &graph->nodes[i], *conv = only_maker(p, node);
		const struct graph_value *scale, *shift;
		size_t bytes;

		if (node->op != GRAPH_BATCHNORM || !conv || conv->op != GRAPH_CONV ||
		    conv->act.kind != GRAPH_ACT_NONE || conv->residual >= 0 || conv->fold_scale ||
		    is_quantised(&graph->values[node->outputs[0]]))
			continue;
		scale = &graph->values[node->inputs[1]];
		shift = &graph->values[node->inputs[2]];
		bytes = (size_t)graph->values[conv->inputs[1]].dims[0] * sizeof(float);
		if (scale->data_bytes != bytes || shift->data_bytes != bytes)
			continue;
		conv->fold_scale = malloc(bytes);
		conv->fold_shift = malloc(bytes);
		if (!conv->fold_scale || !conv->fold_shift)
			return -ENOMEM;
		memcpy(conv->fold_scale, scale->data, bytes);
		memcpy(conv->fold_shift, shift->data, bytes);
		conv->folded |= GRAPH_FOLDED_SCALE;
		conv->act = node->act;
		take_over(p, conv, node);
	}
	passes_compact(p);
	return 0;
}

/* The single number of a float constant. */
static bool scalar_of(const struct passes *p, int value, float *ret)
{
	const struct graph_value *v = &p->graph->values[value];

	if (!v->data || v->type != ENGINE_F32 || v->data_bytes != sizeof(*ret))
		return false;
	memcpy(ret, v->data, sizeof(*ret));
	return true;
}

/* The node that makes a value for one reader alone, if it is of this kind. */
static struct graph_node *maker_of(const struct passes *p, int value, enum graph_op op)
{
	int producer = p->graph->values[value].producer;
	struct graph_node *node = producer < 0 || p->uses[value] != 1 ? NULL : &p->graph->nodes[producer];

	return node && node->op == op && node->act.kind == GRAPH_ACT_NONE ? node : NULL;
}

/* clip(x + b, 0, most) times or over a number that makes it end at 1 is a hard sigmoid of x. */
static void find_hard_sigmoids(struct passes *p)
{
	for (int i = 0; i < p->graph->n_nodes; i++) {
		struct graph_node *node = &p->graph->nodes[i], *clip, *add;
		float factor, shift;

		if ((node->op != GRAPH_DIV && node->op != GRAPH_MUL) || node->act.kind != GRAPH_ACT_NONE ||
		    !scalar_of(p, node->inputs[1], &factor))
			continue;
		factor = node->op == GRAPH_DIV ? 1 / factor : factor;
		clip = maker_of(p, node->inputs[0], GRAPH_UNARY);
		if (!clip || clip->unary.kind != GRAPH_ACT_CLIP || clip->unary.a != 0.0f ||
		    fabsf(clip->unary.b * factor - 1) > 1e-6f)
			continue;
		add = maker_of(p, clip->inputs[0], GRAPH_ADD);
		if (!add || !scalar_of(p, add->inputs[1], &shift))
			continue;
		node->op = GRAPH_UNARY;
		node->unary = (struct graph_act){GRAPH_ACT_HARDSIGMOID, factor, shift * factor};
		node->inputs[0] = add->inputs[0];
		node->n_inputs = 1;
		passes_kill(p, clip);
		passes_kill(p, add);
	}
	passes_compact(p);
}

/* x times a sigmoid of x, hard or soft, is one function. */
static bool fuse_gate(struct passes *p, struct graph_node *node, int side)
{
	struct graph_node *gate = maker_of(p, node->inputs[side], GRAPH_UNARY);
	bool hard = gate && gate->unary.kind == GRAPH_ACT_HARDSIGMOID;

	if (!gate || (!hard && gate->unary.kind != GRAPH_ACT_SIGMOID) || gate->inputs[0] != node->inputs[1 - side] ||
	    is_quantised(&p->graph->values[node->outputs[0]]))
		return false;
	node->op = GRAPH_UNARY;
	node->unary = (struct graph_act){hard ? GRAPH_ACT_HARDSWISH : GRAPH_ACT_SILU, gate->unary.a, gate->unary.b};
	node->inputs[0] = node->inputs[1 - side];
	node->n_inputs = 1;
	passes_kill(p, gate);
	return true;
}

static void fuse_gates(struct passes *p)
{
	for (int i = 0; i < p->graph->n_nodes; i++) {
		struct graph_node *node = &p->graph->nodes[i];

		if (node->op == GRAPH_MUL && node->act.kind == GRAPH_ACT_NONE && !fuse_gate(p, node, 0))
			fuse_gate(p, node, 1);
	}
	passes_compact(p);
}

static bool takes_activation(const struct graph_node *node)
{
	switch (node->op) {
	case GRAPH_CONV:
	case GRAPH_FC:
	case GRAPH_ADD:
	case GRAPH_SUB:
	case GRAPH_MUL:
	case GRAPH_DIV:
	case GRAPH_BATCHNORM:
		return node->act.kind == GRAPH_ACT_NONE;
	default:
		return false;
	}
}

static void fuse_activations(struct passes *p, enum passes_purpose purpose)
{
	float lo, hi;

	for (int i = 0; i < p->graph->n_nodes; i++) {
		struct graph_node *node = &p->graph->nodes[i], *maker = only_maker(p, node);

		if (node->op != GRAPH_UNARY || node->act.kind != GRAPH_ACT_NONE || !maker || !takes_activation(maker) ||
		    is_quantised(&p->graph->values[node->outputs[0]]))
			continue;
		if (purpose == PASSES_TO_QUANTIZE && !graph_act_range(&node->unary, &lo, &hi))
			continue;
		maker->act = node->unary;
		take_over(p, maker, node);
	}
	passes_compact(p);
}

static bool has_slope(const struct graph_node *node)
{
	return node->folded & GRAPH_FOLDED_SLOPE;
}

/* A PRELU becomes part of the float convolution whose only reader it is. */
static int fuse_slopes(struct passes *p)
{
	for (int i = 0; i < p->graph->n_nodes; i++) {
		struct graph_node *node = &p->graph->nodes[i], *conv = only_maker(p, node);
		int *inputs;

		if (node->op != GRAPH_PRELU || node->act.kind != GRAPH_ACT_NONE || !conv || conv->op != GRAPH_CONV ||
		    conv->act.kind != GRAPH_ACT_NONE || has_slope(conv) ||
		    p->graph->values[conv->outputs[0]].type != ENGINE_F32 ||
		    p->graph->values[node->outputs[0]].type != ENGINE_F32)
			continue;
		inputs = realloc(conv->inputs, 4 * sizeof(*inputs));
		if (!inputs)
			return -ENOMEM;
		conv->inputs = inputs;
		if (conv->n_inputs < 3)
			inputs[2] = -1;
		inputs[3] = node->inputs[1];
		conv->n_inputs = 4;
		conv->folded |= GRAPH_FOLDED_SLOPE;
		take_over(p, conv, node);
	}
	passes_compact(p);
	return 0;
}

/* Depthwise kernels add nothing. */
static bool is_depthwise(const struct graph *graph, const struct graph_node *conv)
{
	const struct graph_value *w = &graph->values[conv->inputs[1]];

	return conv->conv.groups > 1 && w->dims[0] == conv->conv.groups && w->dims[3] == 1;
}

/* A float convolution whose only reader adds something to it adds it itself.  late: it has to wait for that. */
static bool fuse_residual(struct passes *p, struct graph_node *add, int side, bool late)
{
	struct graph *graph = p->graph;
	int value = add->inputs[side], other = add->inputs[1 - side], at = graph->values[value].producer;
	struct graph_node *conv = at < 0 ? NULL : &graph->nodes[at], moved;

	if (!conv || conv->op != GRAPH_CONV || conv->residual >= 0 || conv->act.kind != GRAPH_ACT_NONE ||
	    has_slope(conv) || is_depthwise(graph, conv) || other == value || p->uses[value] != 1 ||
	    graph->values[other].data || (graph->values[other].producer >= at) != late || p->shapes[other].rank != 4 ||
	    memcmp(p->shapes[other].dims, p->shapes[add->outputs[0]].dims, 4 * sizeof(int32_t)) != 0 ||
	    memcmp(p->shapes[value].dims, p->shapes[add->outputs[0]].dims, 4 * sizeof(int32_t)) != 0)
		return false;
	conv->residual = other;
	conv->act = add->act;
	take_over(p, conv, add);
	if (late) {
		moved = *conv;
		*conv = *add;
		*add = moved;
		graph->values[add->outputs[0]].producer = (int)(add - graph->nodes);
	}
	return true;
}

static void fuse_residuals(struct passes *p)
{
	for (int i = 0; i < p->graph->n_nodes; i++) {
		struct graph_node *add = &p->graph->nodes[i];

		if (add->op != GRAPH_ADD || is_quantised(&p->graph->values[add->outputs[0]]))
			continue;
		/* The later convolution of two is preferred: then the other branch is ready. */
		if (!fuse_residual(p, add, 0, false) && !fuse_residual(p, add, 1, false) &&
		    !fuse_residual(p, add, 0, true))
			fuse_residual(p, add, 1, true);
	}
	passes_compact(p);
}

const char *const passes_names[GRAPH_PASS_COUNT] = {
	[GRAPH_PASS_CONSTANT] = "constants computed while reading",
	[GRAPH_PASS_UNREAD] = "nodes dropped that nothing reads",
	[GRAPH_PASS_CAST] = "float16 constants widened",
	[GRAPH_PASS_IDENTITY] = "identities dropped",
	[GRAPH_PASS_PAD] = "paddings folded into windows",
	[GRAPH_PASS_SCALE] = "batch norms and scales folded into convolutions",
	[GRAPH_PASS_GATE] = "nodes of hard sigmoid, HardSwish and SiLU made one",
	[GRAPH_PASS_ACTIVATION] = "activations fused",
	[GRAPH_PASS_RESIDUAL] = "residual additions fused",
	[GRAPH_PASS_QUANT] = "quantisations around operators made integer arithmetic",
};

/* Counts what a pass took out of the graph. */
static void record(struct passes *p, enum graph_pass pass, int *n_nodes)
{
	p->graph->passes[pass] += *n_nodes - p->graph->n_nodes;
	*n_nodes = p->graph->n_nodes;
}

int passes_run(struct graph *graph, const struct graph_shape *shapes, enum passes_purpose purpose,
	       struct engine_error *ret_error)
{
	struct passes p = {.graph = graph, .shapes = shapes};
	int n = graph->n_nodes, r;

	p.uses = calloc((size_t)graph->n_values + 1, sizeof(*p.uses));
	if (!p.uses)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	count_uses(&p);
	drop_unread(&p);
	record(&p, GRAPH_PASS_UNREAD, &n);
	if (shapes)
		find_global_pools(&p);
	r = WITH_PASS_cast ? fold_casts(&p) : 0;
	record(&p, GRAPH_PASS_CAST, &n);
	if (r == 0) {
		if (WITH_PASS_identity)
			drop_identities(&p);
		record(&p, GRAPH_PASS_IDENTITY, &n);
		if (WITH_PASS_pad)
			fold_pads(&p);
		record(&p, GRAPH_PASS_PAD, &n);
		r = WITH_PASS_scale ? fold_batchnorms(&p) : 0;
		record(&p, GRAPH_PASS_SCALE, &n);
	}
	if (r == 0) {
		if (WITH_PASS_gate) {
			find_hard_sigmoids(&p);
			fuse_gates(&p);
		}
		record(&p, GRAPH_PASS_GATE, &n);
		if (WITH_PASS_activation)
			fuse_activations(&p, purpose);
		if (WITH_prelu && purpose == PASSES_ALL)
			r = fuse_slopes(&p);
		record(&p, GRAPH_PASS_ACTIVATION, &n);
	}
	if (r == 0 && WITH_PASS_residual && shapes && purpose == PASSES_ALL) {
		fuse_residuals(&p);
		record(&p, GRAPH_PASS_RESIDUAL, &n);
		if (WITH_prelu)
			r = fuse_slopes(&p);
		record(&p, GRAPH_PASS_ACTIVATION, &n);
	}
	if (r == 0) {
		if (WITH_PASS_quant) {
			r = passes_integers(&p);
			drop_identities(&p);
		}
		record(&p, GRAPH_PASS_QUANT, &n);
	}
	if (r == 0)
		r = make_signed(&p);
	free(p.uses);
	return r < 0 ? graph_error(ret_error, r, "out of memory") : 0;
}
