/* ncnn_axes.c - ncnn's layers that work along axes: softmax, sums, norms. */
#include "ncnn.h"

#include <errno.h>
#include <string.h>

int ncnn_on_softmax(struct ncnn *n)
{
	bool image = ncnn_in_rank(n, 0) == 3;
	int axis = ncnn_axis_of(ncnn_in_rank(n, 0), ncnn_int(&n->layer, 0, 0), image), x, value;
	struct graph_node *node;

	if (axis < 0)
		return ncnn_refuse(n, -EINVAL, "has an axis that its input lacks");
	/* Files from before the axis was counted right say nothing that it could be counted by. */
	if (ncnn_int(&n->layer, 0, 0) && !ncnn_int(&n->layer, 1, 0))
		return ncnn_refuse(n, -EINVAL, "has an axis counted in the old way; convert the network again");
	x = ncnn_as_usual(n, 0, &image);
	value = x < 0 ? x : ncnn_add_node(n, GRAPH_SOFTMAX, &x, 1, n->graph->values[x].rank, &node);
	if (value >= 0) {
		node->axis.axis = axis;
		node->axis.beta = 1.0f;
	}
	return ncnn_set_alike(n, value, image);
}

/* Means of images over both sides, or of everything, are the graph's own. */
int ncnn_on_reduction(struct ncnn *n)
{
	int rank = ncnn_in_rank(n, 0), count = ncnn_count(&n->layer, 3), gone = 0, value, x;
	bool all = ncnn_int(&n->layer, 1, 1) || !count, keep = ncnn_int(&n->layer, 4, 0);
	bool seen[NCNN_RANK_MAX] = {false};
	struct graph_node *node;

	for (int i = 0; i < (all ? rank : count); i++) {
		int axis = all ? i : ncnn_integer_at(&n->layer, 3, i, 0);

		axis += axis < 0 ? rank : 0;
		if (axis < 0 || axis >= rank)
			return ncnn_refuse(n, -EINVAL, "has an axis that its input lacks");
		gone += !seen[axis];
		seen[axis] = true;
	}
	if (!all && !ncnn_int(&n->layer, 5, 0))
		return ncnn_refuse(n, -EINVAL, "has axes counted in the old way; convert the network again");
	if (ncnn_int(&n->layer, 0, 0) != 3 || rank != 3 || gone != 2 || seen[0])
		return ncnn_become(n, "Reduction", 1, NULL, 0, keep ? rank : gone < rank ? rank - gone : 1);
	x = ncnn_as_image(n, 0);
	value = x < 0 ? x : ncnn_add_node(n, GRAPH_MEAN, &x, 1, 4, &node);
	if (value < 0)
		return ncnn_result(n, value);
	node->reduce = (struct graph_reduce){.n_axes = 2, .axes = {1, 2}, .keep_dims = true};
	if (ncnn_float(&n->layer, 2, 1.0f) != 1.0f)
		value = ncnn_add_binary(n, GRAPH_MUL, value, ncnn_add_scalar(n, ncnn_float(&n->layer, 2, 1.0f)));
	if (!keep)
		value = ncnn_add_reshape(n, value, 1, (int32_t[]){-1});
	value = ncnn_set_output(n, 0, value, keep ? 3 : 1, keep);
	if (value == 0)
		ncnn_out_blob(n, 0)->channels = ncnn_in_blob(n, 0)->channels;
	return value;
}

int ncnn_on_norm(struct ncnn *n)
{
	static const struct {
		const char *type;
		int kind, count_key, affine_key; /* of a layer that has factors */
		int n_factors;
	} norms[] = {
		{"LayerNorm", 0, 0, 2, 2},    {"RMSNorm", 1, 0, 2, 1}, {"GroupNorm", 2, 1, 3, 2},
		{"InstanceNorm", 3, 0, 2, 2}, {"MVN", 4, 0, 0, 0},
	};
	int constants[2], node, r;
	size_t i = 0;
	bool affine;

	while (strcmp(norms[i].type, n->layer.type) != 0)
		i++;
	affine = norms[i].n_factors && ncnn_int(&n->layer, norms[i].affine_key, 1);
	for (int k = 0; affine && k < norms[i].n_factors; k++) {
		constants[k] = ncnn_read_floats(n, ncnn_int(&n->layer, norms[i].count_key, 0), false);
		if (constants[k] < 0)
			return constants[k];
	}
	node = ncnn_add_by_type(n, "Norm", 1, constants, affine ? norms[i].n_factors : 0, ncnn_in_rank(n, 0));
	if (node < 0)
		return node;
	r = attributes_add_integers(ncnn_attributes_of(n, node), "norm", 4, (int64_t[]){norms[i].kind}, 1);
	return r < 0 ? ncnn_result(n, r) : ncnn_set_alike(n, ncnn_node_output(n, node, 0), false);
}

int ncnn_on_normalize(struct ncnn *n)
{
	int factors = ncnn_read_floats(n, ncnn_int(&n->layer, 3, 0), false);

	return factors < 0 ? factors : ncnn_become(n, "Normalize", 1, &factors, 1, ncnn_in_rank(n, 0));
}
