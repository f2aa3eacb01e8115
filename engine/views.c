/* views.c - see views.h. */
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <trim.h>

/* Tensors of one memory.  A bound on the work where concatenations are nested without end. */
#define MEMBERS_MAX 1024

struct views {
	const struct graph *graph;
	struct plan_tensor *t;
	bool *gone;
	bool *is_output;
	int *uses, *first_use; /* the nodes that read value i: uses[first_use[i]] .. uses[first_use[i + 1] - 1] */
	int *next, *tail;      /* the tensors of a memory, a list that begins with its root; -1 ends it */
	int *members;	       /* how many, of a root */
};

static size_t last_of(const struct plan_tensor *t)
{
	return t->rank ? (size_t)t->dims[t->rank - 1] : 1;
}

static bool one_row(const struct plan_tensor *t)
{
	return t->count <= last_of(t);
}

static bool same_form(const struct plan_tensor *a, const struct plan_tensor *b)
{
	return a->type == b->type && a->scale == b->scale && a->zero_point == b->zero_point;
}

/* ---- who can do with a stride ------------------------------------------------------------------ */

static bool reads_stride(const struct views *v, const struct graph_node *node, int value)
{
	const struct plan_tensor *t = v->t;

	switch (node->op) {
	case GRAPH_CONV:
		return node->inputs[0] == value || node->residual == value;
	case GRAPH_FC:
		return node->inputs[0] == value && last_of(&t[value]) == (size_t)t[node->inputs[1]].dims[1];
	case GRAPH_MEAN:
		return plan_mean_is_pool(t, node);
	case GRAPH_SOFTMAX:
	case GRAPH_GENERAL:
		return false;
	default:
		return true;
	}
}

static bool writes_stride(const struct views *v, const struct graph_node *node)
{
	switch (node->op) {
	case GRAPH_FC:
		return last_of(&v->t[node->outputs[0]]) == (size_t)v->t[node->inputs[1]].dims[0];
	case GRAPH_MEAN:
	case GRAPH_PAD:
	case GRAPH_RESHAPE:
	case GRAPH_IDENTITY:
	case GRAPH_SOFTMAX:
	case GRAPH_GENERAL:
		return false;
	default:
		return true;
	}
}

static bool all_read_stride(const struct views *v, int value)
{
	for (int i = v->first_use[value]; i < v->first_use[value + 1]; i++)
		if (!reads_stride(v, &v->graph->nodes[v->uses[i]], value))
			return false;
	return !v->is_output[value];
}

/* ---- memories ---------------------------------------------------------------------------------- */

/* Constants lie elsewhere, and of a tensor whose shape only a run knows there may be less. */
static bool is_plain(const struct views *v, int value)
{
	return !graph_is_constant(&v->graph->values[v->t[value].root]) && !v->graph->values[value].variable &&
	       v->t[value].count > 0;
}

/* Moves the list of root `from` behind that of root `to`. */
static void join(struct views *v, int from, int to)
{
	v->next[v->tail[to]] = from;
	v->tail[to] = v->tail[from];
	v->members[to] += v->members[from];
}

/* `out` is `in` from an element on, with a stride, and no memory of its own. */
static void make_view(struct views *v, int in, int out, size_t start, size_t stride)
{
	struct plan_tensor *view = &v->t[out];

	view->root = v->t[in].root;
	view->start = v->t[in].start + start;
	view->stride = one_row(view) ? last_of(view) : stride;
	join(v, out, view->root);
}

/* A reshape, or a transposition that moves only axes of one element, is the same memory under another shape. */
static bool keeps_order(const struct views *v, const struct graph_node *node)
{
	const struct plan_tensor *x;
	int last = -1;

	if (node->act.kind != GRAPH_ACT_NONE || (node->op != GRAPH_RESHAPE && node->op != GRAPH_TRANSPOSE))
		return false;
	if (node->op == GRAPH_RESHAPE)
		return true;
	x = &v->t[node->inputs[0]];
	for (int i = 0; i < x->rank; i++) {
		int axis = node->shape.dims[i];

		if (x->dims[axis] == 1)
			continue;
		if (axis < last)
			return false;
		last = axis;
	}
	return true;
}

/* With a stride, the rows have to stay what they are, and whoever reads the result has to cope. */
static bool view_reshape(struct views *v, const struct graph_node *node)
{
	int in = node->inputs[0], out = node->outputs[0];
	const struct plan_tensor *x = &v->t[in];
	bool dense = x->stride == last_of(x);

	if (!dense && (last_of(x) != last_of(&v->t[out]) || !all_read_stride(v, out)))
		return false;
	make_view(v, in, out, 0, dense ? last_of(&v->t[out]) : x->stride);
	return true;
}

/* ---- slices ------------------------------------------------------------------------------------ */

static size_t first_index(const struct graph_slice *slice, const struct plan_tensor *x, int axis)
{
	return (size_t)(slice->begin[axis] < 0 ? slice->begin[axis] + x->dims[axis] : slice->begin[axis]);
}

/*
 * Where the rows of a slice begin in its input, in elements; false where they are not rows that follow each other.
 * Besides the last, which may be cut anyhow, only one axis may be, and only where all before it are of one element.
 */
static bool slice_start(const struct graph_slice *slice, const struct plan_tensor *x, const struct plan_tensor *out,
			size_t *ret_start)
{
	size_t rows = 0, inner = 1;
	bool cut = false;

	for (int i = x->rank - 2; i >= 0; i--) {
		if ((slice->step[i] != 1 && out->dims[i] > 1) || (cut && out->dims[i] > 1))
			return false;
		rows += first_index(slice, x, i) * inner;
		inner *= (size_t)x->dims[i];
		cut = cut || out->dims[i] != x->dims[i];
	}
	if (slice->step[x->rank - 1] != 1 && last_of(out) > 1)
		return false;
	*ret_start = rows * x->stride + first_index(slice, x, x->rank - 1);
	return true;
}

static bool view_slice(struct views *v, const struct graph_node *node)
{
	int in = node->inputs[0], out = node->outputs[0];
	const struct plan_tensor *x = &v->t[in], *y = &v->t[out];
	size_t start;

	if (!is_plain(v, in) || !is_plain(v, out) || v->is_output[out] || !x->rank || !same_form(x, y) ||
	    node->act.kind != GRAPH_ACT_NONE || !slice_start(&node->slice, x, y, &start))
		return false;
	if (x->stride != last_of(y) && !one_row(y) && !all_read_stride(v, out))
		return false;
	make_view(v, in, out, start, x->stride);
	return true;
}

/* ---- concatenations ---------------------------------------------------------------------------- */

/* A part of a concatenation: from an element on, as a stretch of memory, or strided where each row has a piece. */
struct part {
	int root; /* what is to move there */
	size_t start;
	bool strided;
};

/* A tensor of a memory whose rows get a stride has to lie within these rows. */
static bool can_stride(const struct views *v, int tensor, size_t row)
{
	const struct plan_tensor *t = &v->t[tensor];
	int producer = v->graph->values[tensor].producer;

	if (t->start % row + last_of(t) > row)
		return false;
	if (one_row(t))
		return true;
	return t->stride == row && all_read_stride(v, tensor) &&
	       (producer < 0 || v->gone[producer] || writes_stride(v, &v->graph->nodes[producer]));
}

/* Inputs and outputs of the network are memory of their own. */
static bool can_move(const struct views *v, const struct part *part, int to)
{
	size_t row = last_of(&v->t[part->root]);

	if (v->graph->values[part->root].producer < 0 || part->root == to ||
	    v->members[part->root] + v->members[to] > MEMBERS_MAX)
		return false;
	for (int i = part->root; i >= 0; i = v->next[i])
		if (v->is_output[i] || (part->strided && !can_stride(v, i, row)))
			return false;
	return true;
}

static void move(struct views *v, const struct part *part, int to)
{
	size_t row = last_of(&v->t[part->root]), stride = last_of(&v->t[to]);

	for (int i = part->root; i >= 0; i = v->next[i]) {
		struct plan_tensor *t = &v->t[i];

		if (part->strided) {
			t->start = t->start / row * stride + t->start % row;
			t->stride = one_row(t) ? t->stride : stride;
		}
		t->start += part->start;
		t->root = to;
	}
	join(v, part->root, to);
}

/* Whether the inputs of `node` from number `at` on are those of the concatenation that makes `root`. */
static bool begins_with(const struct views *v, const struct graph_node *node, int at, int root)
{
	int producer = v->graph->values[root].producer;
	const struct graph_node *other = producer < 0 ? node : &v->graph->nodes[producer];

	if (other == node || other->op != GRAPH_CONCAT || other->axis.axis != node->axis.axis ||
	    other->n_inputs > node->n_inputs - at || !v->gone[producer] ||
	    v->t[root].rank != v->t[node->inputs[at]].rank)
		return false;
	for (int i = 0; i < other->n_inputs; i++)
		if (other->inputs[i] != node->inputs[at + i])
			return false;
	return true;
}

/*
 * Input number `at` of a concatenation goes to its place if it is a whole memory; or the memory does that holds it and
 * the inputs behind it in the same order, as in a block whose every layer joins all layers before.
 */
static void place_input(struct views *v, const struct graph_node *node, int at, const struct part *place)
{
	int in = node->inputs[at], to = node->outputs[0];
	struct part part = *place;
	const struct plan_tensor *x = &v->t[in];

	part.root = x->root;
	if (!is_plain(v, in) || !same_form(x, &v->t[to]))
		return;
	if ((x->start == 0 && x->count == v->t[part.root].count) || begins_with(v, node, at, part.root))
		if (can_move(v, &part, to))
			move(v, &part, to);
}

/* Places what can be; true where nothing is left to copy. */
static bool view_concat(struct views *v, const struct graph_node *node)
{
	const struct plan_tensor *out = &v->t[node->outputs[0]];
	size_t outer = 1, inner = 1;
	struct part place = {0};
	bool whole = true;

	for (int i = 0; i < node->axis.axis; i++)
		outer *= (size_t)out->dims[i];
	for (int i = node->axis.axis + 1; i < out->rank; i++)
		inner *= (size_t)out->dims[i];
	place.strided = outer > 1;
	if (!is_plain(v, node->outputs[0]) || node->act.kind != GRAPH_ACT_NONE ||
	    (place.strided && node->axis.axis != out->rank - 1))
		return false;
	for (int i = 0; i < node->n_inputs; i++) {
		const struct plan_tensor *x = &v->t[node->inputs[i]];

		if (x->root != node->outputs[0])
			place_input(v, node, i, &place);
		whole = whole && x->root == node->outputs[0] && x->start == place.start;
		place.start += (size_t)x->dims[node->axis.axis] * inner;
	}
	return whole;
}

/* ---- gates ------------------------------------------------------------------------------------- */

/*
 * What multiplies the channels of a picture that nobody reads afterwards, as squeeze-and-excite does, works in place:
 * each element is read before it is written.
 */
static bool gate_in_place(struct views *v, int node, int side)
{
	const struct graph_node *gate = &v->graph->nodes[node];
	int x = gate->inputs[side], out = gate->outputs[0];
	const struct plan_tensor *picture = &v->t[x];

	if (v->graph->values[x].producer < 0 || !is_plain(v, x) || picture->root != x || v->members[x] != 1 ||
	    v->is_output[x] || v->uses[v->first_use[x + 1] - 1] != node || !same_form(picture, &v->t[out]) ||
	    picture->count != v->t[out].count || last_of(picture) != last_of(&v->t[out]) ||
	    v->t[gate->inputs[1 - side]].count >= picture->count || v->is_output[out])
		return false;
	make_view(v, x, out, 0, picture->stride);
	return true;
}

/* ---- the walk ---------------------------------------------------------------------------------- */

static void list_uses(struct views *v)
{
	const struct graph *graph = v->graph;

	/* Counted one place too far on; filling then moves each beginning to where it belongs. */
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < graph->n_nodes; i++) {
			const struct graph_node *node = &graph->nodes[i];

			for (int k = 0; k <= node->n_inputs; k++) {
				int value = k < node->n_inputs ? node->inputs[k] : node->residual;

				if (value < 0)
					continue;
				if (pass)
					v->uses[v->first_use[value + 1]++] = i;
				else
					v->first_use[value + 2]++;
			}
		}
		for (int i = 0; i < graph->n_values && !pass; i++)
			v->first_use[i + 2] += v->first_use[i + 1];
	}
}

static int views_init(struct views *v)
{
	const struct graph *graph = v->graph;
	size_t n = (size_t)graph->n_values, n_uses = 0;

	for (int i = 0; i < graph->n_nodes; i++)
		n_uses += (size_t)graph->nodes[i].n_inputs + 1;
	v->is_output = calloc(n + 1, sizeof(*v->is_output));
	v->first_use = calloc(n + 2, sizeof(*v->first_use));
	v->uses = malloc((n_uses + 1) * sizeof(*v->uses));
	v->next = malloc((n + 1) * sizeof(*v->next));
	v->tail = malloc((n + 1) * sizeof(*v->tail));
	v->members = malloc((n + 1) * sizeof(*v->members));
	if (!v->is_output || !v->first_use || !v->uses || !v->next || !v->tail || !v->members)
		return -ENOMEM;
	for (int i = 0; i < graph->n_values; i++) {
		v->next[i] = -1;
		v->tail[i] = i;
		v->members[i] = 1;
	}
	for (int i = 0; i < graph->n_outputs; i++)
		v->is_output[graph->outputs[i]] = true;
	list_uses(v);
	return 0;
}

static void views_finish(struct views *v)
{
	free(v->is_output);
	free(v->first_use);
	free(v->uses);
	free(v->next);
	free(v->tail);
	free(v->members);
}

int views_find(const struct graph *graph, struct plan_tensor *tensors, bool reshapes_only, bool *gone,
	       int passes[PLAN_PASS_COUNT])
{
	struct views v = {.graph = graph, .t = tensors, .gone = gone};
	int r = views_init(&v);

	for (int i = 0; i < graph->n_nodes && r == 0; i++) {
		const struct graph_node *node = &graph->nodes[i];

		if (keeps_order(&v, node)) {
			gone[i] = view_reshape(&v, node);
			passes[PLAN_PASS_RESHAPE] += gone[i];
		} else if (WITH_slice && node->op == GRAPH_SLICE && !reshapes_only) {
			gone[i] = view_slice(&v, node);
			passes[PLAN_PASS_SLICE] += gone[i];
		} else if (WITH_concat && node->op == GRAPH_CONCAT && !reshapes_only) {
			gone[i] = view_concat(&v, node);
			passes[PLAN_PASS_CONCAT] += gone[i];
		} else if (WITH_mul && node->op == GRAPH_MUL && !reshapes_only && !gate_in_place(&v, i, 0)) {
			gate_in_place(&v, i, 1);
		}
	}
	views_finish(&v);
	return r;
}
