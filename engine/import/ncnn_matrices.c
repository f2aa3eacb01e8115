/* ncnn_matrices.c - ncnn's products of matrices, its embedding and its recurrent layers. */
#include "ncnn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- matrices ---------------------------------------------------------------------------------- */

int ncnn_on_matmul(struct ncnn *n)
{
	int a, b, most;

	if (n->layer.n_inputs < 2)
		return ncnn_refuse(n, -EINVAL, "lacks its second input");
	a = ncnn_in_rank(n, 0);
	b = ncnn_in_rank(n, 1);
	most = (a > b ? a : b) - (a == 1) - (b == 1) + (a == 1 && b == 1);
	/* A vector beside a matrix leaves a vector. */
	return ncnn_become(n, "MatMul", 2, NULL, 0, most > 0 ? most : 1);
}

int ncnn_on_gemm(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int64_t m = ncnn_int(l, 7, 0), columns = ncnn_int(l, 8, 0), k = ncnn_int(l, 9, 0),
		counts[3] = {m * k, k * columns};
	int type = ncnn_int(l, 10, 0), constants[3], n_constants = 0;
	bool trans[] = {ncnn_int(l, 2, 0) != 0, ncnn_int(l, 3, 0) != 0};

	if (type < -1 || type > 4 || ncnn_int(l, 18, 0))
		return ncnn_refuse(n, -ENOTSUP, "has summands or weights of an unknown form");
	counts[2] = type == 0 ? 1 : type == 3 ? m * columns : type == 4 ? columns : m;
	for (int i = 0; i < 3; i++) {
		int64_t rows = i == 0 ? (trans[0] ? k : m) : trans[1] ? columns : k;
		int value;

		if (!ncnn_int(l, 4 + i, 0) || (i == 2 && type == -1))
			continue;
		value = ncnn_read_floats(n, counts[i], true);
		if (value < 0)
			return value;
		if (i < 2)
			value = ncnn_add_reshape(n, value, 2, (int32_t[]){(int32_t)rows, -1});
		constants[n_constants++] = value;
	}
	if (n->layer.n_inputs + n_constants < 2)
		return ncnn_refuse(n, -EINVAL, "lacks a factor");
	return ncnn_become(n, "Gemm", n->layer.n_inputs, constants, n_constants, ncnn_int(l, 11, 0) ? 3 : 2);
}

/* Its input is a list of integers: of a network's own input that is said here. */
int ncnn_on_embed(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int constants[2], bias = ncnn_int(l, 2, 0);
	struct graph_value *x = &n->graph->values[ncnn_in_blob(n, 0)->file < 0 ? 0 : ncnn_in_blob(n, 0)->file];

	if (ncnn_in_rank(n, 0) != 1 || x->producer >= 0 || x->data)
		return ncnn_refuse(n, -ENOTSUP, "reads words that are no input of the network");
	x->type = ENGINE_S32;
	constants[0] = ncnn_read_floats(n, ncnn_int(l, 3, 0), true);
	if (constants[0] < 0)
		return constants[0];
	constants[1] = bias ? ncnn_read_floats(n, ncnn_int(l, 0, 0), false) : 0;
	if (constants[1] < 0)
		return constants[1];
	return ncnn_become(n, "Embed", 1, constants, bias ? 2 : 1, 2);
}

/* ---- recurrent layers: ONNX's, whose weights have another order of gates -------------------------- */

struct recurrent {
	const char *type;
	int gates;
	const uint8_t from[4]; /* the file's gate that each of ONNX's is */
};

static const struct recurrent recurrents[] = {
	{"LSTM", 4, {0, 2, 1, 3}},
	{"GRU", 3, {1, 0, 2}},
	{"RNN", 1, {0}},
};

/* [directions][gates][rows of hidden] of the file in ONNX's order of gates. */
static int read_gates(struct ncnn *n, const struct recurrent *kind, int64_t directions, int64_t hidden, int64_t columns)
{
	int64_t gate = hidden * columns;
	int value = ncnn_read_floats(n, directions * kind->gates * gate, true);
	float *data, *copy;
	size_t bytes;

	if (value < 0)
		return value;
	data = (float *)(uintptr_t)n->graph->values[value].data;
	bytes = (size_t)(kind->gates * gate) * sizeof(*copy);
	copy = malloc(bytes);
	if (!copy)
		return ncnn_result(n, -ENOMEM);
	for (int64_t d = 0; d < directions; d++) {
		float *own = data + d * kind->gates * gate;

		memcpy(copy, own, bytes);
		for (int g = 0; g < kind->gates; g++)
			memcpy(own + g * gate, copy + kind->from[g] * gate, (size_t)gate * sizeof(*own));
	}
	free(copy);
	return ncnn_add_reshape(n, value, 3, (int32_t[]){(int32_t)directions, -1, (int32_t)columns});
}

/* The file's biases: one for each gate, of a GRU's last gate two; ONNX has one of the input and one of the state. */
static int read_gate_biases(struct ncnn *n, const struct recurrent *kind, int directions, int hidden)
{
	int stored = kind->gates == 3 ? 4 : kind->gates, all = 2 * kind->gates;
	int from = ncnn_read_floats(n, (int64_t)directions * stored * hidden, true), value;
	const float *x;
	float *y;

	if (from < 0)
		return from;
	value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, 2, (int32_t[]){directions, all * hidden});
	y = value < 0 ? NULL
		      : graph_alloc_data(n->graph, value, (size_t)directions * (size_t)(all * hidden) * sizeof(*y));
	if (!y)
		return ncnn_result(n, value < 0 ? value : -ENOMEM);
	x = n->graph->values[from].data;
	for (int d = 0; d < directions; d++, x += (size_t)stored * (size_t)hidden, y += (size_t)all * (size_t)hidden) {
		size_t bytes = (size_t)hidden * sizeof(*x);

		for (int g = 0; g < kind->gates; g++)
			memcpy(y + g * hidden, x + kind->from[g] * hidden, bytes);
		if (kind->gates == 3)
			memcpy(y + 5 * hidden, x + 3 * hidden, bytes);
	}
	return value;
}

static int recurrent_attributes(struct ncnn *n, int node, int hidden, int direction)
{
	static const char *const directions[] = {"forward", "reverse", "bidirectional"};
	struct engine_attributes *to = ncnn_attributes_of(n, node);
	int r = attributes_add_integers(to, "hidden_size", 11, (int64_t[]){hidden}, 1);

	if (r == 0)
		r = attributes_add_text(to, "direction", 9, directions[direction], strlen(directions[direction]));
	if (r == 0)
		r = attributes_add_integers(to, "linear_before_reset", 19, (int64_t[]){1}, 1);
	return r < 0 ? ncnn_result(n, r) : 0;
}

/* States come and go as [directions][1][hidden]. */
int ncnn_on_recurrent(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int hidden = ncnn_int(l, 0, 0), size = ncnn_int(l, 1, 0), direction = ncnn_int(l, 2, 0), columns, node, r;
	int directions = direction == 2 ? 2 : 1, inputs[7], n_states = n->layer.n_inputs - 1;
	const struct recurrent *kind = recurrents;
	bool registered;

	while (strcmp(kind->type, l->type) != 0)
		kind++;
	if (ncnn_in_rank(n, 0) != 2 || direction < 0 || direction > 2 || hidden < 1 || hidden > NCNN_CHANNEL_MAX / 8 ||
	    size < 1 || size % (hidden * kind->gates * directions) || ncnn_int(l, 3, hidden) != hidden ||
	    ncnn_int(l, 8, 0) || n_states > (kind->gates == 4 ? 2 : 1) ||
	    n->layer.n_outputs > (kind->gates == 4 ? 3 : 2))
		return ncnn_refuse(n, -ENOTSUP, "has sizes, weights or states that are not known");
	columns = size / (hidden * kind->gates * directions);
	inputs[0] = ncnn_add_reshape(n, ncnn_as_file(n, 0), 3, (int32_t[]){0, 1, -1});
	inputs[1] = read_gates(n, kind, directions, hidden, columns);
	if (inputs[1] < 0)
		return inputs[1];
	inputs[3] = read_gate_biases(n, kind, directions, hidden);
	if (inputs[3] < 0)
		return inputs[3];
	inputs[2] = read_gates(n, kind, directions, hidden, hidden);
	if (inputs[2] < 0)
		return inputs[2];
	inputs[4] = -1; /* every step of the sequence counts */
	for (int i = 1; i <= n_states; i++)
		inputs[4 + i] = ncnn_in_rank(n, i) == 2
					? ncnn_add_reshape(n, ncnn_as_file(n, i), 3, (int32_t[]){directions, 1, hidden})
					: -EINVAL;
	for (int i = 1; i <= n_states; i++)
		if (inputs[4 + i] < 0)
			return ncnn_result(n, inputs[4 + i]);
	node = ncnn_add_general(n, operators_find(kind->type, strlen(kind->type), &registered), inputs,
				n_states ? 5 + n_states : 4, 4, n->layer.n_outputs);
	r = node < 0 ? node : recurrent_attributes(n, node, hidden, direction);
	for (int i = 0; i < n->layer.n_outputs && r == 0; i++)
		r = ncnn_set_output(
			n, i,
			i ? ncnn_add_reshape(n, ncnn_node_output(n, node, i), 2, (int32_t[]){directions, hidden})
			  : ncnn_add_reshape(n, ncnn_node_output(n, node, 0), 2, (int32_t[]){0, -1}),
			2, false);
	return r;
}
