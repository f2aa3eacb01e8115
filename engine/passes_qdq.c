/*
 * passes_qdq.c - integer arithmetic out of files that say "dequantise, compute in float, quantise" (ONNX's QDQ form).
 *
 * A cast from int8 or uint8 to float is called a dequantisation here, one back a quantisation.  Where an operator's
 * operands come from the one and its only reader is the other, all three become one node that computes in integers.
 * What only moves numbers takes its dequantisation behind itself instead, until a quantisation meets it.  Weights were
 * read as floats that remember their scales (the importer's), which makes the integers they were exactly; biases are
 * rounded to the product of both scales, of which they are multiples.
 */
#include "passes_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is what ------------------------------------------------------------------------------ */

static bool is_int8(const struct graph_value *value)
{
	return (value->type == ENGINE_S8 || value->type == ENGINE_U8) && value->quant.n_scales == 1;
}

/* As all of them will be signed in the end. */
static int32_t zero_of(const struct graph_value *value)
{
	return value->quant.zero_points[0] - (value->type == ENGINE_U8 ? 128 : 0);
}

static bool same_quant(const struct graph_value *a, const struct graph_value *b)
{
	return a->quant.scales[0] == b->quant.scales[0] && zero_of(a) == zero_of(b);
}

static bool is_dequantise(const struct graph *graph, const struct graph_node *node)
{
	return node->op == GRAPH_CAST && node->n_outputs && node->act.kind == GRAPH_ACT_NONE &&
	       is_int8(&graph->values[node->inputs[0]]) && graph->values[node->outputs[0]].type == ENGINE_F32;
}

static bool is_quantise(const struct graph *graph, const struct graph_node *node)
{
	return node->op == GRAPH_CAST && node->n_outputs && node->act.kind == GRAPH_ACT_NONE &&
	       graph->values[node->inputs[0]].type == ENGINE_F32 && is_int8(&graph->values[node->outputs[0]]);
}

/* The node that dequantises into this value, or NULL. */
static struct graph_node *dequantise_of(const struct passes *p, int value)
{
	int producer = value < 0 ? -1 : p->graph->values[value].producer;

	return producer >= 0 && is_dequantise(p->graph, &p->graph->nodes[producer]) ? &p->graph->nodes[producer] : NULL;
}

/* What the pass works on besides the graph. */
struct qdq {
	struct passes *p;
	int *reader; /* of each value: a node that reads it */
};

static void find_readers(struct qdq *q)
{
	const struct graph *graph = q->p->graph;

	for (int i = 0; i < graph->n_nodes; i++)
		for (int k = 0; k < graph->nodes[i].n_inputs; k++)
			if (graph->nodes[i].inputs[k] >= 0)
				q->reader[graph->nodes[i].inputs[k]] = i;
}

/* The quantisation that alone reads what the node makes, or NULL. */
static struct graph_node *quantise_behind(const struct qdq *q, const struct graph_node *node)
{
	int value = node->n_outputs == 1 ? node->outputs[0] : -1;
	struct graph_node *reader;

	if (value < 0 || q->p->uses[value] != 1 || q->reader[value] < 0)
		return NULL;
	reader = &q->p->graph->nodes[q->reader[value]];
	return is_quantise(q->p->graph, reader) && reader->inputs[0] == value ? reader : NULL;
}

/* ---- changes ----------------------------------------------------------------------------------- */

static void set_input(struct qdq *q, struct graph_node *node, int k, int value)
{
	int old = node->inputs[k], producer = old < 0 ? -1 : q->p->graph->values[old].producer;

	node->inputs[k] = value;
	q->p->uses[value]++;
	q->reader[value] = (int)(node - q->p->graph->nodes);
	if (old >= 0 && --q->p->uses[old] == 0 && producer >= 0 &&
	    is_dequantise(q->p->graph, &q->p->graph->nodes[producer])) {
		struct graph_node *dead = &q->p->graph->nodes[producer];

		q->p->uses[dead->inputs[0]]--;
		passes_kill(q->p, dead);
	}
}

/* The node makes what the quantisation behind it made. */
static void take_output(struct qdq *q, struct graph_node *node, struct graph_node *quantise)
{
	struct graph *graph = q->p->graph;
	int value = quantise->outputs[0];

	q->p->uses[node->outputs[0]]--;
	graph->values[node->outputs[0]].producer = -1;
	passes_kill(q->p, quantise);
	node->outputs[0] = value;
	graph->values[value].producer = (int)(node - graph->nodes);
	node->folded |= GRAPH_FOLDED_QUANT;
}

static int copy_quant(struct graph *graph, int from, int to)
{
	const struct graph_value *value = &graph->values[from];

	graph->values[to].type = value->type;
	return graph_set_quant(graph, to, 1, value->quant.scales, (int64_t[]){value->quant.zero_points[0]}, 0);
}

/* data is the graph's from here on. */
static void replace_data(struct graph_value *value, enum engine_type type, void *data, size_t bytes)
{
	if (value->owned)
		free((void *)(uintptr_t)value->data);
	value->data = data;
	value->data_bytes = bytes;
	value->owned = true;
	value->type = type;
}

/* ---- constants --------------------------------------------------------------------------------- */

static bool is_float_constant(const struct graph_value *value)
{
	return value->data && value->type == ENGINE_F32;
}

/* A constant operand by its one scale, as int8; false: it is none, or out of range. */
static bool is_operand(const struct graph_value *value)
{
	const float *data = value->data;
	float lo = 255, hi = -128;

	if (!is_float_constant(value) || value->quant.n_scales != 1)
		return false;
	for (size_t i = 0; i < value->data_bytes / sizeof(*data); i++) {
		float stored = rintf(data[i] / value->quant.scales[0]) + (float)value->quant.zero_points[0];

		lo = stored < lo ? stored : lo;
		hi = stored > hi ? stored : hi;
	}
	return (lo >= -128 && hi <= 127) || (lo >= 0 && hi <= 255);
}

static int make_operand(struct graph_value *value)
{
	size_t n = value->data_bytes / sizeof(float);
	const float *from = value->data;
	int8_t *to = malloc(n + 1);
	int32_t zero = value->quant.zero_points[0], shift = 0;

	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		shift = rintf(from[i] / value->quant.scales[0]) + (float)zero > 127 ? 128 : shift;
	for (size_t i = 0; i < n; i++)
		to[i] = (int8_t)((int32_t)rintf(from[i] / value->quant.scales[0]) + zero - shift);
	value->quant.zero_points[0] = zero - shift;
	replace_data(value, ENGINE_S8, to, n);
	return 0;
}

/* The integers themselves, where the file has them. */
static bool is_bytes(const struct graph_value *w)
{
	return w->type == ENGINE_S8 || w->type == ENGINE_U8;
}

/* Weights [O]... of one scale or one for each output channel, which are whole numbers of it. */
static float scale_of(const struct graph_value *w, size_t channel)
{
	return w->quant.scales[w->quant.n_scales == 1 ? 0 : channel];
}

static bool is_weights(const struct graph_value *w)
{
	size_t n = w->data_bytes / sizeof(float);
	const float *data = w->data;

	if (!w->data || w->rank < 1 || w->dims[0] < 1 || (w->quant.n_scales != 1 && w->quant.n_scales != w->dims[0]))
		return false;
	if (w->type != ENGINE_F32)
		return is_bytes(w);
	for (size_t i = 0; i < n; i++) {
		float stored = data[i] / scale_of(w, i / (n / (size_t)w->dims[0]));

		if (!(fabsf(stored) < 256) || fabsf(stored - rintf(stored)) > 0.01f)
			return false;
	}
	return true;
}

/*
 * Numbers of `to`, less their zero points, as int8 with a zero point of each scale's own where they span as little, as
 * all do that were bytes in the file; else, where an exporter folded something into them, they stay as they are.
 */
static int make_bytes(struct graph_value *w, const int16_t *to, size_t n)
{
	size_t scales = (size_t)w->quant.n_scales, each = n / scales;
	int8_t *bytes = malloc(n + 1);
	int r = bytes ? 0 : -ENOMEM;

	for (size_t s = 0; s < scales && r == 0; s++) {
		int lo = 0, hi = 0;

		for (size_t i = s * each; i < (s + 1) * each; i++) {
			lo = to[i] < lo ? to[i] : lo;
			hi = to[i] > hi ? to[i] : hi;
		}
		w->quant.zero_points[s] = lo < -128 ? -128 - lo : hi > 127 ? 127 - hi : 0;
		if (hi - lo > 255)
			r = -ERANGE;
		for (size_t i = s * each; i < (s + 1) * each && r == 0; i++)
			bytes[i] = (int8_t)(to[i] + w->quant.zero_points[s]);
	}
	if (r == 0)
		replace_data(w, ENGINE_S8, bytes, n);
	else
		free(bytes);
	return r;
}

static int make_weights(struct graph_value *w)
{
	size_t n = w->data_bytes / sizeof(float), each = n / (size_t)w->dims[0];
	const float *from = w->data;
	int16_t *to = malloc(n * sizeof(*to) + 1);
	int r;

	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		to[i] = (int16_t)fminf(fmaxf(rintf(from[i] / scale_of(w, i / each)), -255), 255);
	r = make_bytes(w, to, n);
	if (r != -ERANGE) {
		free(to);
		return r;
	}
	for (int i = 0; i < w->quant.n_scales; i++)
		w->quant.zero_points[i] = 0;
	replace_data(w, ENGINE_S16, to, n * sizeof(*to));
	return 0;
}

static int make_bias(struct graph *graph, int bias, const struct graph_value *x, const struct graph_value *w)
{
	struct graph_value *value = &graph->values[bias];
	size_t n = value->data_bytes / sizeof(float);
	const float *from = value->data;
	int32_t *to = malloc(n * sizeof(*to) + 1);

	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		double stored = rint((double)from[i] / ((double)x->quant.scales[0] * (double)scale_of(w, i)));

		to[i] = (int32_t)fmin(fmax(stored, INT32_MIN), INT32_MAX);
	}
	replace_data(value, ENGINE_S32, to, n * sizeof(*to));
	return 0;
}

/* ---- operators --------------------------------------------------------------------------------- */

static bool only_bounds(const struct graph_node *node)
{
	float lo, hi;

	return graph_act_range(&node->act, &lo, &hi);
}

/* A constant that this node alone reads, so that it may be changed. */
static bool own_constant(const struct qdq *q, int value)
{
	return value >= 0 && q->p->uses[value] == 1 && !passes_is_output(q->p->graph, value);
}

static int weigh_in_integers(struct qdq *q, struct graph_node *node, struct graph_node *quantise)
{
	struct graph *graph = q->p->graph;
	struct graph_node *x = dequantise_of(q->p, node->inputs[0]);
	struct graph_value *w = &graph->values[node->inputs[1]];
	int bias = node->n_inputs > 2 ? node->inputs[2] : -1, r;

	if (!quantise || !x || node->residual >= 0 || node->fold_scale || node->n_inputs > 3 || !only_bounds(node) ||
	    !is_weights(w) || !own_constant(q, node->inputs[1]))
		return 0;
	if (bias >= 0 && (!is_float_constant(&graph->values[bias]) || !own_constant(q, bias) ||
			  graph->values[bias].data_bytes != (size_t)w->dims[0] * sizeof(float)))
		return 0;
	r = is_bytes(w) ? 0 : make_weights(w);
	if (r == 0 && bias >= 0)
		r = make_bias(graph, bias, &graph->values[x->inputs[0]], w);
	if (r < 0)
		return r;
	set_input(q, node, 0, x->inputs[0]);
	take_output(q, node, quantise);
	return 0;
}

/* Elementwise operators of one or two operands. */
static int compute_in_integers(struct qdq *q, struct graph_node *node, struct graph_node *quantise)
{
	struct graph *graph = q->p->graph;
	int r = 0;

	if (!quantise || !only_bounds(node))
		return 0;
	for (int k = 0; k < node->n_inputs; k++)
		if (!dequantise_of(q->p, node->inputs[k]) &&
		    !(k == 1 && own_constant(q, node->inputs[k]) && is_operand(&graph->values[node->inputs[k]])))
			return 0;
	for (int k = 0; k < node->n_inputs && r == 0; k++) {
		struct graph_node *x = dequantise_of(q->p, node->inputs[k]);

		if (x)
			set_input(q, node, k, x->inputs[0]);
		else
			r = make_operand(&graph->values[node->inputs[k]]);
	}
	if (r == 0)
		take_output(q, node, quantise);
	return r;
}

/* The mean of a whole image. */
static int average_in_integers(struct qdq *q, struct graph_node *node, struct graph_node *quantise)
{
	struct graph_node *x = dequantise_of(q->p, node->inputs[0]);

	if (!quantise || !x || !only_bounds(node))
		return 0;
	node->op = GRAPH_MEAN;
	node->reduce = (struct graph_reduce){.n_axes = 2, .axes = {1, 2}, .keep_dims = true};
	set_input(q, node, 0, x->inputs[0]);
	take_output(q, node, quantise);
	return 0;
}

static bool moves(const struct graph_node *node)
{
	switch (node->op) {
	case GRAPH_RESHAPE:
	case GRAPH_TRANSPOSE:
	case GRAPH_SLICE:
	case GRAPH_MAXPOOL:
	case GRAPH_IDENTITY:
		return node->act.kind == GRAPH_ACT_NONE;
	case GRAPH_PAD:
		return node->pad.value == 0.0f && node->act.kind == GRAPH_ACT_NONE;
	case GRAPH_RESIZE:
		return !node->resize.bilinear && node->act.kind == GRAPH_ACT_NONE;
	default:
		return false;
	}
}

/* The dequantisation before what moves numbers comes behind it: the two nodes change places. */
static int move_in_integers(struct qdq *q, struct graph_node *node)
{
	struct graph *graph = q->p->graph;
	struct graph_node *x = dequantise_of(q->p, node->inputs[0]), *quantise = quantise_behind(q, node), other;
	int between = node->inputs[0], made = node->outputs[0];
	int *node_inputs = node->inputs, *node_outputs = node->outputs;

	if (!x || node->n_inputs != 1 || node->n_outputs != 1)
		return 0;
	if (q->p->uses[between] != 1 || passes_is_output(graph, between)) {
		/* Others read the floats: only what is quantised again can do without. */
		if (!quantise || passes_is_output(graph, made))
			return 0;
		set_input(q, node, 0, x->inputs[0]);
		return copy_quant(graph, x->inputs[0], made);
	}
	other = *node;
	*node = *x;
	node->inputs = node_inputs;
	node->outputs = node_outputs;
	other.inputs = x->inputs;
	other.outputs = x->outputs;
	*x = other;
	graph->values[between].rank = graph->values[made].rank;
	memcpy(graph->values[between].dims, graph->values[made].dims, sizeof(graph->values[made].dims));
	return copy_quant(graph, x->inputs[0], between);
}

/* All parts come in the quantisation of the whole, those that others read in float only if they have it. */
static int join_in_integers(struct qdq *q, struct graph_node *node, struct graph_node *quantise)
{
	struct graph *graph = q->p->graph;
	const struct graph_value *out;
	int r = 0;

	if (!quantise || node->act.kind != GRAPH_ACT_NONE)
		return 0;
	out = &graph->values[quantise->outputs[0]];
	for (int k = 0; k < node->n_inputs; k++) {
		struct graph_node *x = dequantise_of(q->p, node->inputs[k]);

		if (!x || (!same_quant(&graph->values[x->inputs[0]], out) &&
			   (q->p->uses[node->inputs[k]] != 1 || passes_is_output(graph, node->inputs[k]))))
			return 0;
	}
	for (int k = 0; k < node->n_inputs && r == 0; k++) {
		struct graph_node *x = dequantise_of(q->p, node->inputs[k]);

		if (same_quant(&graph->values[x->inputs[0]], out))
			set_input(q, node, k, x->inputs[0]);
		else
			r = copy_quant(graph, quantise->outputs[0], node->inputs[k]);
	}
	if (r == 0)
		take_output(q, node, quantise);
	return r;
}

/* What is dequantised only to be quantised again is the same, or takes one step. */
static void requantise(struct qdq *q, struct graph_node *node)
{
	struct graph_node *x = dequantise_of(q->p, node->inputs[0]);
	const struct graph_value *in, *out = &q->p->graph->values[node->outputs[0]];

	if (x)
		set_input(q, node, 0, x->inputs[0]);
	in = &q->p->graph->values[node->inputs[0]];
	if (is_int8(in) && in->type == out->type && same_quant(in, out))
		node->op = GRAPH_IDENTITY;
}

static int look_at(struct qdq *q, struct graph_node *node)
{
	struct graph_node *quantise = quantise_behind(q, node);

	if (!node->n_outputs)
		return 0;
	if (moves(node))
		return move_in_integers(q, node);
	if (node->op == GRAPH_CONV || node->op == GRAPH_FC)
		return weigh_in_integers(q, node, quantise);
	if (node->op == GRAPH_UNARY || graph_op_is_binary(node->op))
		return compute_in_integers(q, node, quantise);
	if (node->op == GRAPH_AVGPOOL && node->pool.global)
		return average_in_integers(q, node, quantise);
	if (node->op == GRAPH_CONCAT)
		return join_in_integers(q, node, quantise);
	if (node->op == GRAPH_CAST && is_int8(&q->p->graph->values[node->outputs[0]]))
		requantise(q, node);
	return 0;
}

/* Floats that stayed floats need not know what they were. */
static void forget_scales(struct graph *graph)
{
	for (int i = 0; i < graph->n_values; i++) {
		struct graph_quant *quant = &graph->values[i].quant;

		if (graph->values[i].type != ENGINE_F32 || !quant->n_scales)
			continue;
		free(quant->scales);
		free(quant->zero_points);
		*quant = (struct graph_quant){0};
	}
}

int passes_integers(struct passes *p)
{
	struct qdq q = {.p = p, .reader = malloc(((size_t)p->graph->n_values + 1) * sizeof(*q.reader))};
	int r = q.reader ? 0 : -ENOMEM;

	for (int i = 0; r == 0 && i < p->graph->n_values; i++)
		q.reader[i] = -1;
	if (r == 0)
		find_readers(&q);
	for (int i = 0; i < p->graph->n_nodes && r == 0; i++)
		r = look_at(&q, &p->graph->nodes[i]);
	free(q.reader);
	passes_compact(p);
	forget_scales(p->graph);
	return r;
}
