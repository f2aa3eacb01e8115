/* ncnn_shapes.c - ncnn's layers that give elements other axes, or another order. */
#include "ncnn.h"

#include <errno.h>

/* Lengths of h, w and c counted as images have them: the file's elements in that order are those of the image. */
static int reshape_permuted(struct ncnn *n, int to, int w, int h, int c)
{
	int from = ncnn_in_rank(n, 0), x, value;

	if (from > 3 || w == 0 || (to > 1 && h == 0) || (to > 2 && c == 0))
		return ncnn_refuse(n, -ENOTSUP, "reshapes in a way that is not known");
	x = from == 3 ? ncnn_as_image(n, 0) : ncnn_as_file(n, 0);
	if (from == 2)
		x = ncnn_add_transpose(n, x, 2, (int32_t[]){1, 0});
	if (to == 3)
		return ncnn_set_image(n, ncnn_add_reshape(n, x, 4, (int32_t[]){1, h, w, c}));
	value = ncnn_add_reshape(n, x, to, to == 1 ? (int32_t[]){w} : (int32_t[]){w, h});
	if (to == 2)
		value = ncnn_add_transpose(n, value, 2, (int32_t[]){1, 0});
	return ncnn_set_output(n, 0, value, to, false);
}

int ncnn_on_reshape(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int w = ncnn_int(l, 0, NCNN_DEFAULT), h = ncnn_int(l, 1, NCNN_DEFAULT), c = ncnn_int(l, 2, NCNN_DEFAULT);
	int d = ncnn_int(l, 11, NCNN_DEFAULT), from = ncnn_in_rank(n, 0), value;
	int to = d != NCNN_DEFAULT ? 4 : c != NCNN_DEFAULT ? 3 : h != NCNN_DEFAULT ? 2 : 1;

	if (w == NCNN_DEFAULT || (to > 1 && h == NCNN_DEFAULT) || (to > 3 && c == NCNN_DEFAULT) ||
	    n->layer.n_inputs > 1)
		return ncnn_refuse(n, -ENOTSUP, "reshapes in a way that is not known");
	if (ncnn_int(l, 3, 0) == 1 && to < 4)
		return reshape_permuted(n, to, w, h, c);
	if (to == 4 || from == 4 || (from != to && (w == 0 || (to > 1 && h == 0) || (to > 2 && c == 0))))
		return ncnn_become(n, "Reshape", 1, NULL, 0, to);
	value = ncnn_as_file(n, 0);
	value = to == 3 ? ncnn_add_reshape(n, value, 4, (int32_t[]){1, c, h, w})
			: ncnn_add_reshape(n, value, to, to == 1 ? (int32_t[]){w} : (int32_t[]){h, w});
	return ncnn_set_output(n, 0, value, to, false);
}

int ncnn_on_flatten(struct ncnn *n)
{
	int r = ncnn_set_output(n, 0, ncnn_as_vector(n, 0), 1, false);

	if (r == 0 && ncnn_in_rank(n, 0) == 1)
		ncnn_out_blob(n, 0)->channels = ncnn_in_blob(n, 0)->channels;
	return r;
}

/* The axes that flags of w, h, d and c or a list name, in a blob of `rank` axes (of the output, where they are new). */
static int named_axes(struct ncnn *n, int rank, bool named[NCNN_RANK_MAX + 1])
{
	static const int flags[] = {0, 1, 11, 2};
	int count = ncnn_count(&n->layer, 3), found = 0;

	for (int i = 0; i < count; i++) {
		int axis = ncnn_integer_at(&n->layer, 3, i, 0);

		axis += axis < 0 ? rank : 0;
		if (axis < 0 || axis >= rank)
			return ncnn_refuse(n, -EINVAL, "has an axis that cannot be");
		named[axis] = true;
	}
	for (int i = 0; i < 4 && !count; i++) {
		int axis = rank - 1 - (i == 3 && rank < 4 ? 2 : i);

		if (ncnn_int(&n->layer, flags[i], 0) && axis >= 0 && !(i == 2 && rank < 4))
			named[axis] = true;
	}
	for (int i = 0; i < rank; i++)
		found += named[i];
	return found;
}

static int become_with_axes(struct ncnn *n, const char *type, const bool *named, int rank, int out_rank)
{
	int64_t axes[NCNN_RANK_MAX + 1];
	int count = 0, node, r;

	for (int i = 0; i < rank; i++)
		if (named[i])
			axes[count++] = i;
	node = ncnn_add_by_type(n, type, 1, NULL, 0, out_rank);
	if (node < 0)
		return node;
	r = attributes_add_integers(ncnn_attributes_of(n, node), "axes", 4, axes, count);
	return r < 0 ? ncnn_result(n, r) : ncnn_set_output(n, 0, ncnn_node_output(n, node, 0), out_rank, false);
}

/* What stays of an image of 1x1 is a vector of its channels, whatever the order. */
int ncnn_on_squeeze(struct ncnn *n)
{
	bool named[NCNN_RANK_MAX + 1] = {false};
	int rank = ncnn_in_rank(n, 0), count = named_axes(n, rank, named), r;

	if (count < 0)
		return count;
	/* Channels that are known to be more stay. */
	if (rank == 3 && named[0] && ncnn_in_blob(n, 0)->channels > 1) {
		named[0] = false;
		count--;
	}
	if (!count)
		return ncnn_on_same(n);
	if (rank == 3 && count == 2 && !named[0]) {
		bool image;
		int x = ncnn_as_any(n, 0, &image);

		r = ncnn_set_output(n, 0, ncnn_add_reshape(n, x, 1, (int32_t[]){-1}), 1, false);
		if (r == 0)
			ncnn_out_blob(n, 0)->channels = ncnn_in_blob(n, 0)->channels;
		return r;
	}
	return become_with_axes(n, "Squeeze", named, rank, rank > count ? rank - count : 1);
}

/*
 * A list counts its axes in the blob with one more; flags name w and h beside a vector, which stays the axis that no
 * flag names.
 */
int ncnn_on_expand(struct ncnn *n)
{
	int rank = ncnn_in_rank(n, 0), flags = 0, to, count, x;
	bool named[NCNN_RANK_MAX + 1] = {false};
	bool listed = ncnn_count(&n->layer, 3) > 0;

	flags = !!ncnn_int(&n->layer, 0, 0) + !!ncnn_int(&n->layer, 1, 0) + !!ncnn_int(&n->layer, 2, 0) +
		!!ncnn_int(&n->layer, 11, 0);
	to = rank + (listed ? ncnn_count(&n->layer, 3) : flags);
	if (to > NCNN_RANK_MAX)
		return ncnn_refuse(n, -ENOTSUP, "makes a blob of more than four axes");
	count = named_axes(n, to, named);
	if (count < 0)
		return count;
	if (!count)
		return ncnn_on_same(n);
	if (to - count != rank)
		return ncnn_refuse(n, -ENOTSUP, "adds axes in a way that is not known");
	if (rank == 1 && to == 3 && !named[0]) {
		x = ncnn_as_file(n, 0);
		count = ncnn_set_image(n, ncnn_add_reshape(n, x, 4, (int32_t[]){1, 1, 1, -1}));
		if (count == 0)
			ncnn_out_blob(n, 0)->channels = ncnn_in_blob(n, 0)->channels;
		return count;
	}
	return become_with_axes(n, "ExpandDims", named, to, to);
}

/* Orders name the axes from the innermost: of the new w, h, (d,) and c. */
int ncnn_on_permute(struct ncnn *n)
{
	enum { W, H, C, D };
	static const uint8_t orders3[][3] = {{W, H, C}, {H, W, C}, {W, C, H}, {C, W, H}, {H, C, W}, {C, H, W}};
	static const uint8_t orders4[][4] = {
		{W, H, D, C}, {H, W, D, C}, {W, D, H, C}, {D, W, H, C}, {H, D, W, C}, {D, H, W, C},
		{W, H, C, D}, {H, W, C, D}, {W, C, H, D}, {C, W, H, D}, {H, C, W, D}, {C, H, W, D},
		{W, D, C, H}, {D, W, C, H}, {W, C, D, H}, {C, W, D, H}, {D, C, W, H}, {C, D, W, H},
		{H, D, C, W}, {D, H, C, W}, {H, C, D, W}, {C, H, D, W}, {D, C, H, W}, {C, D, H, W},
	};
	static const int image_axes[] = {[W] = 2, [H] = 1, [C] = 3},
			 file_axes4[] = {[W] = 4, [H] = 3, [C] = 1, [D] = 2};
	int order = ncnn_int(&n->layer, 0, 0), rank = ncnn_in_rank(n, 0), x;
	bool image;

	if (order < 0 || order > (rank == 4 ? 23 : rank == 3 ? 5 : 1) || rank == 1)
		return rank == 1 && order == 0 ? ncnn_on_same(n) : ncnn_refuse(n, -ENOTSUP, "has an unknown order");
	x = ncnn_as_usual(n, 0, &image);
	if (rank == 2)
		return ncnn_set_output(n, 0, ncnn_add_transpose(n, x, 2, order ? (int32_t[]){1, 0} : (int32_t[]){0, 1}),
				       2, false);
	if (rank == 3) {
		const uint8_t *o = orders3[order];

		return ncnn_set_image(
			n, ncnn_add_transpose(n, x, 4,
					      (int32_t[]){0, image_axes[o[1]], image_axes[o[0]], image_axes[o[2]]}));
	}
	return ncnn_set_output(
		n, 0,
		ncnn_add_transpose(n, x, 5,
				   (int32_t[]){0, file_axes4[orders4[order][3]], file_axes4[orders4[order][2]],
					       file_axes4[orders4[order][1]], file_axes4[orders4[order][0]]}),
		4, false);
}

/* Channels as groups x rest, turned into rest x groups. */
int ncnn_on_shuffle(struct ncnn *n)
{
	int groups = ncnn_int(&n->layer, 0, 1), value;
	bool reverse = ncnn_int(&n->layer, 1, 0);

	if (ncnn_in_rank(n, 0) != 3 || groups < 1)
		return ncnn_refuse(n, -EINVAL, "has an impossible number of groups");
	value = ncnn_add_reshape(n, ncnn_as_image(n, 0), 5,
				 (int32_t[]){0, 0, 0, reverse ? -1 : groups, reverse ? groups : -1});
	value = ncnn_add_transpose(n, value, 5, (int32_t[]){0, 1, 2, 4, 3});
	return ncnn_set_alike(n, ncnn_add_reshape(n, value, 4, (int32_t[]){0, 0, 0, -1}), true);
}
