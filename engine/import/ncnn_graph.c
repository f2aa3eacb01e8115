/* ncnn_graph.c - blobs and nodes of the graph that an ncnn network becomes.  See ncnn.h. */
#include "ncnn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../operators/operators.h"

static const int32_t unknown_dims[ENGINE_RANK_MAX] = {-1, -1, -1, -1, -1, -1};

int ncnn_refuse(const struct ncnn *n, int code, const char *why)
{
	return graph_error(n->error, code, "layer '%.60s' (%.40s): %s", n->layer.name, n->layer.type, why);
}

int ncnn_result(const struct ncnn *n, int r)
{
	return r >= 0 ? r
		      : ncnn_refuse(n, r,
				    r == -ENOMEM  ? "out of memory"
				    : r == -EFBIG ? "the network is too large"
						  : "makes no sense in its place");
}

/* ---- blobs ------------------------------------------------------------------------------------- */

struct ncnn_blob *ncnn_in_blob(const struct ncnn *n, int i)
{
	return &n->blobs[n->inputs[i]];
}

struct ncnn_blob *ncnn_out_blob(const struct ncnn *n, int i)
{
	return &n->blobs[n->outputs[i]];
}

int ncnn_in_rank(const struct ncnn *n, int i)
{
	return ncnn_in_blob(n, i)->rank;
}

bool ncnn_is_made(const struct ncnn_blob *blob)
{
	return blob->file >= 0 || blob->image >= 0;
}

int ncnn_set_output(struct ncnn *n, int i, int value, int rank, bool is_image)
{
	struct graph_value *made;
	struct ncnn_blob *blob;

	if (value < 0)
		return ncnn_result(n, value);
	if (i >= n->layer.n_outputs)
		return 0;
	blob = ncnn_out_blob(n, i);
	blob->file = is_image ? -1 : value;
	blob->image = is_image ? value : -1;
	blob->rank = rank;
	blob->channels = -1;
	made = &n->graph->values[value];
	if (!made->name) {
		made->name = strdup(blob->name);
		if (!made->name)
			return ncnn_result(n, -ENOMEM);
	}
	made->file_rank = rank;
	made->channels_first = is_image;
	return 0;
}

int ncnn_set_image(struct ncnn *n, int value)
{
	return ncnn_set_output(n, 0, value, 3, true);
}

int ncnn_set_alike(struct ncnn *n, int value, bool is_image)
{
	int r = ncnn_set_output(n, 0, value, ncnn_in_rank(n, 0), is_image);

	if (r == 0)
		ncnn_out_blob(n, 0)->channels = ncnn_in_blob(n, 0)->channels;
	return r;
}

int ncnn_file_axes(int rank)
{
	return rank > 2 ? rank + 1 : rank;
}

int ncnn_axis_of(int rank, int axis, bool is_image)
{
	if (axis < 0)
		axis += rank;
	if (axis < 0 || axis >= rank)
		return -1;
	return is_image ? (int[]){3, 1, 2}[axis] : axis + (rank > 2);
}

/* ---- nodes ------------------------------------------------------------------------------------- */

int ncnn_add_node(struct ncnn *n, enum graph_op op, const int *inputs, int n_inputs, int rank,
		  struct graph_node **ret_node)
{
	int value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, rank, unknown_dims), node;

	if (value < 0)
		return value;
	node = graph_add_node(n->graph, op, n->layer.name, strlen(n->layer.name), inputs, n_inputs, &value, 1);
	if (node < 0)
		return node;
	*ret_node = &n->graph->nodes[node];
	return value;
}

int ncnn_add_reshape(struct ncnn *n, int x, int rank, const int32_t *dims)
{
	struct graph_node *node;
	int value = x < 0 ? x : ncnn_add_node(n, GRAPH_RESHAPE, &x, 1, rank, &node);

	if (value >= 0) {
		node->shape.rank = rank;
		memcpy(node->shape.dims, dims, (size_t)rank * sizeof(*dims));
	}
	return value;
}

int ncnn_add_transpose(struct ncnn *n, int x, int rank, const int32_t *order)
{
	struct graph_node *node;
	int value = x < 0 ? x : ncnn_add_node(n, GRAPH_TRANSPOSE, &x, 1, rank, &node);

	if (value >= 0) {
		node->shape.rank = rank;
		memcpy(node->shape.dims, order, (size_t)rank * sizeof(*order));
	}
	return value;
}

int ncnn_add_unary(struct ncnn *n, int x, enum graph_act_kind kind, float a, float b)
{
	struct graph_node *node;
	int value = x < 0 ? x : ncnn_add_node(n, GRAPH_UNARY, &x, 1, n->graph->values[x].rank, &node);

	if (value >= 0)
		node->unary = (struct graph_act){kind, a, b};
	return value;
}

int ncnn_add_binary(struct ncnn *n, enum graph_op op, int a, int b)
{
	struct graph_node *node;
	int rank;

	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	rank = n->graph->values[a].rank > n->graph->values[b].rank ? n->graph->values[a].rank
								   : n->graph->values[b].rank;
	return ncnn_add_node(n, op, (int[]){a, b}, 2, rank, &node);
}

int ncnn_add_floats(struct ncnn *n, const uint8_t *bytes, int count, float fill)
{
	int value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, 1, (int32_t[]){count});
	float *data;

	if (value < 0)
		return value;
	data = graph_alloc_data(n->graph, value, (size_t)count * sizeof(*data));
	if (!data)
		return -ENOMEM;
	if (bytes)
		memcpy(data, bytes, (size_t)count * sizeof(*data));
	for (int i = 0; !bytes && i < count; i++)
		data[i] = fill;
	return value;
}

int ncnn_add_scalar(struct ncnn *n, float value)
{
	return ncnn_add_floats(n, NULL, 1, value);
}

int ncnn_as_file(struct ncnn *n, int i)
{
	struct ncnn_blob *blob = ncnn_in_blob(n, i);

	if (blob->file < 0)
		blob->file = ncnn_add_transpose(n, blob->image, 4, (int32_t[]){0, 3, 1, 2});
	return blob->file;
}

int ncnn_as_image(struct ncnn *n, int i)
{
	struct ncnn_blob *blob = ncnn_in_blob(n, i);

	if (blob->image < 0)
		blob->image = ncnn_add_transpose(n, blob->file, 4, (int32_t[]){0, 2, 3, 1});
	return blob->image;
}

int ncnn_as_any(const struct ncnn *n, int i, bool *ret_image)
{
	*ret_image = ncnn_in_blob(n, i)->image >= 0;
	return *ret_image ? ncnn_in_blob(n, i)->image : ncnn_in_blob(n, i)->file;
}

int ncnn_as_usual(struct ncnn *n, int i, bool *ret_image)
{
	*ret_image = ncnn_in_rank(n, i) == 3;
	return *ret_image ? ncnn_as_image(n, i) : ncnn_as_file(n, i);
}

int ncnn_as_vector(struct ncnn *n, int i)
{
	return ncnn_in_rank(n, i) == 1 ? ncnn_as_file(n, i)
				       : ncnn_add_reshape(n, ncnn_as_file(n, i), 1, (int32_t[]){-1});
}

/* ---- general operators ------------------------------------------------------------------------- */

int ncnn_copy_keys(const struct ncnn *n, struct engine_attributes *attributes)
{
	int r = 0;

	for (int key = 0; key < NCNN_KEYS && r == 0; key++) {
		int count = ncnn_count(&n->layer, key), bytes;
		int64_t integers[NCNN_ARRAY_POOL];
		double numbers[NCNN_ARRAY_POOL];
		char name[8];

		if (!count)
			continue;
		for (int i = 0; i < count; i++) {
			integers[i] = ncnn_integer_at(&n->layer, key, i, 0);
			numbers[i] = (double)ncnn_element(&n->layer, key, i, 0);
		}
		bytes = snprintf(name, sizeof(name), "i%d", key);
		r = attributes_add_integers(attributes, name, (size_t)bytes, integers, count);
		name[0] = 'f';
		if (r == 0)
			r = attributes_add_numbers(attributes, name, (size_t)bytes, numbers, count);
	}
	return r;
}

int ncnn_add_general(struct ncnn *n, const struct engine_operator *op, const int *inputs, int n_inputs, int axes,
		     int n_outputs)
{
	int outputs[ENGINE_OPERATOR_IO_MAX], node;

	if (!op)
		return ncnn_refuse(n, -ENOTSUP, OPERATORS_LEFT_OUT);
	if (n_inputs > op->max_inputs || n_outputs > op->max_outputs)
		return ncnn_refuse(n, -ENOTSUP, "has too many inputs or outputs");
	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1)
			return ncnn_result(n, inputs[i]);
	for (int i = 0; i < n_outputs; i++) {
		outputs[i] = graph_add_value(n->graph, NULL, 0, ENGINE_F32, axes, unknown_dims);
		if (outputs[i] < 0)
			return ncnn_result(n, outputs[i]);
	}
	node = graph_add_node(n->graph, GRAPH_GENERAL, n->layer.name, strlen(n->layer.name), inputs, n_inputs, outputs,
			      n_outputs);
	if (node < 0)
		return ncnn_result(n, node);
	graph_set_general(n->graph, node,
			  &(struct graph_general){.op = op, .attributes = attributes_new(), .version = 20});
	return n->graph->nodes[node].general.attributes ? node : ncnn_result(n, -ENOMEM);
}

int ncnn_node_output(const struct ncnn *n, int node, int i)
{
	return n->graph->nodes[node].outputs[i];
}

struct engine_attributes *ncnn_attributes_of(const struct ncnn *n, int node)
{
	return n->graph->nodes[node].general.attributes;
}

int ncnn_add_by_type(struct ncnn *n, const char *type, int blobs, const int *constants, int n_constants, int rank)
{
	int inputs[ENGINE_OPERATOR_IO_MAX], node, r;

	if (blobs + n_constants > ENGINE_OPERATOR_IO_MAX)
		return ncnn_refuse(n, -ENOTSUP, "has too many inputs");
	for (int i = 0; i < blobs; i++) {
		inputs[i] = ncnn_as_file(n, i);
		if (inputs[i] < 0)
			return ncnn_result(n, inputs[i]);
	}
	for (int i = 0; i < n_constants; i++) {
		if (constants[i] < 0)
			return ncnn_result(n, constants[i]);
		inputs[blobs + i] = constants[i];
	}
	node = ncnn_add_general(n, ncnn_operator(type), inputs, blobs + n_constants, ncnn_file_axes(rank), 1);
	if (node < 0)
		return node;
	r = ncnn_copy_keys(n, ncnn_attributes_of(n, node));
	return r < 0 ? ncnn_result(n, r) : node;
}

int ncnn_become(struct ncnn *n, const char *type, int blobs, const int *constants, int n_constants, int rank)
{
	int node = ncnn_add_by_type(n, type, blobs, constants, n_constants, rank);

	return node < 0 ? node : ncnn_set_output(n, 0, ncnn_node_output(n, node, 0), rank, false);
}

int ncnn_add_function(struct ncnn *n, int x, enum ncnn_function function, float a, float b, float c)
{
	const char *const names[] = {"a", "b", "c"};
	const float numbers[] = {a, b, c};
	int node = ncnn_add_general(n, ncnn_operator("Function"), &x, 1, x < 0 ? 1 : n->graph->values[x].rank, 1), r;

	if (node < 0)
		return node;
	r = attributes_add_integers(ncnn_attributes_of(n, node), "function", 8, (int64_t[]){function}, 1);
	for (int i = 0; i < 3 && r == 0; i++)
		r = attributes_add_numbers(ncnn_attributes_of(n, node), names[i], 1, (double[]){(double)numbers[i]}, 1);
	return r < 0 ? ncnn_result(n, r) : ncnn_node_output(n, node, 0);
}
