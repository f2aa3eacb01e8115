/*
 * ncnn.h - what the files of the ncnn reader share.
 *
 *   ncnn.c              the file: layers one by one, and what the network's outputs are
 *   ncnn_param.c        words, numbers and arrays of the two files
 *   ncnn_graph.c        making blobs and nodes
 *   ncnn_weights.c      constants from the .bin
 *   ncnn_layers.c       the table of layers, and the sources
 *   ncnn_windows.c, ncnn_elementwise.c, ncnn_factors.c, ncnn_parts.c, ncnn_shapes.c, ncnn_axes.c, ncnn_image.c,
 *   ncnn_matrices.c     the layers, by family
 *   ncnn_operators.c, ncnn_compute.c    general operators with ncnn's definitions
 *
 * ncnn's blobs have one to four axes and no batch: w, h x w, c x h x w or c x d x h x w.  Those of three become images
 * (1 x h x w x c) or stay in the order of the file (1 x c x h x w), and exist in the other order, too, once somebody
 * asks for it: what works on pixels asks for images, elementwise layers take what there is, and what depends on the
 * order of the file, as all general operators do, asks for that.  Other blobs have the order of the file only.
 *
 * A file may leave the size of its inputs open.  How many axes a blob has follows from its layers alone; what depends
 * on lengths is left to operators that see them when a size is planned for.
 *
 * Int8 layers keep their weights as int8; what they read stays float, so that the weights are exact and activations
 * lose nothing: the scales that ncnn measured for activations are read and not used.
 *
 * Functions that return an int give a value, a node, a count or 0, or a negative errno.  Where a layer's input cannot
 * be brought into an order, or a node of the graph's own cannot be added (ncnn_as_...(), ncnn_add_...() up to
 * ncnn_add_scalar()), the caller tells so, by ncnn_result() or ncnn_set_output(); all others have told it.
 */
#ifndef INFERD_NCNN_H
#define INFERD_NCNN_H

#include "import.h"
#include "names.h"
#include "ncnn_operators.h"
#include "ncnn_param.h"

#define NCNN_CHANNEL_MAX (1 << 20)

/* A blob: its values in either order (-1: not made), and how many axes ncnn sees in it. */
struct ncnn_blob {
	char *name;
	int file, image, rank;
	int channels; /* length of the outermost axis; -1: not known */
	bool used;
};

struct ncnn {
	struct graph *graph;
	const struct graph_shape *asked; /* shapes of the inputs; NULL: the file's own */
	bool copies;			 /* import_source.copies */
	struct ncnn_file file;
	struct ncnn_bin bin;
	struct ncnn_layer layer;
	struct engine_error *error;
	struct ncnn_blob *blobs;
	int n_blobs, cap_blobs;
	struct names names;    /* of blobs */
	int *inputs, *outputs; /* blobs of the current layer */
};

/* A type of layer. */
struct ncnn_layer_type {
	const char *type;
	int n_inputs; /* at least */
	int (*add)(struct ncnn *n);
};

/* ---- ncnn_graph.c ---------------------------------------------------------------------------- */

/* Tells why the current layer is refused, and returns the code. */
int ncnn_refuse(const struct ncnn *n, int code, const char *why);

/* What is no error, or an error that is told now. */
int ncnn_result(const struct ncnn *n, int r);

/* Input and output i of the current layer; how many axes ncnn sees in the input. */
struct ncnn_blob *ncnn_in_blob(const struct ncnn *n, int i);
struct ncnn_blob *ncnn_out_blob(const struct ncnn *n, int i);
int ncnn_in_rank(const struct ncnn *n, int i);

/* Whether a layer has made it. */
bool ncnn_is_made(const struct ncnn_blob *blob);

/* Output i of the layer is this value: an image, or in the order of the file; an error is told. */
int ncnn_set_output(struct ncnn *n, int i, int value, int rank, bool is_image);

/* The same: output 0 is an image. */
int ncnn_set_image(struct ncnn *n, int value);

/* The same, of the order and rank that input 0 has. */
int ncnn_set_alike(struct ncnn *n, int value, bool is_image);

/* Axes of a value in the order of the file: a leading 1 before three and more. */
int ncnn_file_axes(int rank);

/* ncnn's axis of a blob to that of its value; -1: it has none. */
int ncnn_axis_of(int rank, int axis, bool is_image);

/* A node with one output; returns the value, or an error.  *ret_node is valid until the next add. */
int ncnn_add_node(struct ncnn *n, enum graph_op op, const int *inputs, int n_inputs, int rank,
		  struct graph_node **ret_node);

/* These take an error for x, and return it. */
int ncnn_add_reshape(struct ncnn *n, int x, int rank, const int32_t *dims);
int ncnn_add_transpose(struct ncnn *n, int x, int rank, const int32_t *order);
int ncnn_add_unary(struct ncnn *n, int x, enum graph_act_kind kind, float a, float b);
int ncnn_add_binary(struct ncnn *n, enum graph_op op, int a, int b);

/* A constant of floats copied from the file (bytes NULL: all `fill`). */
int ncnn_add_floats(struct ncnn *n, const uint8_t *bytes, int count, float fill);

/* A constant of one number. */
int ncnn_add_scalar(struct ncnn *n, float value);

/* Input i in the order of the file. */
int ncnn_as_file(struct ncnn *n, int i);

/* Input i, of three axes, as an image. */
int ncnn_as_image(struct ncnn *n, int i);

/* Input i in the order that there is. */
int ncnn_as_any(const struct ncnn *n, int i, bool *ret_image);

/* An image where it has three axes: for layers whose fast operators work on those. */
int ncnn_as_usual(struct ncnn *n, int i, bool *ret_image);

/* Input i as a vector, in the order of the file. */
int ncnn_as_vector(struct ncnn *n, int i);

/* The parameters of the layer as attributes: k as "ik" and "fk". */
int ncnn_copy_keys(const struct ncnn *n, struct engine_attributes *attributes);

/* A general node with n_outputs outputs of these axes and no attributes yet; its index. */
int ncnn_add_general(struct ncnn *n, const struct engine_operator *op, const int *inputs, int n_inputs, int axes,
		     int n_outputs);

/* Value of output i of a node; the attributes of a general one. */
int ncnn_node_output(const struct ncnn *n, int node, int i);
struct engine_attributes *ncnn_attributes_of(const struct ncnn *n, int node);

/* The first `blobs` inputs and then constants (which may be errors), by ncnn's operator of this type; the node. */
int ncnn_add_by_type(struct ncnn *n, const char *type, int blobs, const int *constants, int n_constants, int rank);

/* The layer becomes its general operator, with one output of this rank. */
int ncnn_become(struct ncnn *n, const char *type, int blobs, const int *constants, int n_constants, int rank);

/* A function of each element, in the order that there is. */
int ncnn_add_function(struct ncnn *n, int x, enum ncnn_function function, float a, float b, float c);

/* ---- ncnn_weights.c -------------------------------------------------------------------------- */

/* `count` floats without a tag, as a constant. */
int ncnn_read_bias(struct ncnn *n, int count);

/* The activation that the current layer ends with, into its node. */
int ncnn_fused_activation(struct ncnn *n, struct graph_node *node);

/*
 * Weights of `channels` outputs of `in` inputs and `taps` taps, bias and scales in the order of the file, into
 * inputs[1..]; returns their count or an error.  dims: of the weights as a constant; term: how they are int8; groups
 * and depthwise: of the convolution that they belong to, which say how many scales there are.
 */
int ncnn_read_layer_weights(struct ncnn *n, int channels, int in, int taps, int rank, const int32_t *dims,
			    bool has_bias, int term, int groups, bool depthwise, int inputs[3]);

/* An array of `count` floats, tagged or raw, as a constant. */
int ncnn_read_floats(struct ncnn *n, int64_t count, bool has_tag);

/* The activation that is fused into a layer, as a node of its own behind a general operator. */
int ncnn_add_fused(struct ncnn *n, int x);

/* ---- ncnn_layers.c --------------------------------------------------------------------------- */

/* The layer of this type; NULL: it is unknown. */
const struct ncnn_layer_type *ncnn_find_layer(const char *type);

/* ---- layers: each adds the current one --------------------------------------------------------- */

/* ncnn_windows.c */
int ncnn_on_convolution(struct ncnn *n);
int ncnn_on_depthwise(struct ncnn *n);
int ncnn_on_deconvolution(struct ncnn *n);
int ncnn_on_inner_product(struct ncnn *n);
int ncnn_on_pooling(struct ncnn *n);

/* ncnn_elementwise.c */
int ncnn_on_activation(struct ncnn *n);
int ncnn_on_function(struct ncnn *n);
int ncnn_on_gelu(struct ncnn *n);
int ncnn_on_unary(struct ncnn *n);
int ncnn_on_binary(struct ncnn *n);
int ncnn_on_eltwise(struct ncnn *n);

/* ncnn_factors.c */
int ncnn_on_batchnorm(struct ncnn *n);
int ncnn_on_scale(struct ncnn *n);
int ncnn_on_prelu(struct ncnn *n);
int ncnn_on_dropout(struct ncnn *n);
int ncnn_on_quantize(struct ncnn *n);
int ncnn_on_requantize(struct ncnn *n);

/* ncnn_parts.c */
int ncnn_on_concat(struct ncnn *n);
int ncnn_on_slice(struct ncnn *n);
int ncnn_on_crop(struct ncnn *n);
int ncnn_on_copy_to(struct ncnn *n);
int ncnn_on_same(struct ncnn *n);
int ncnn_on_padding(struct ncnn *n);
int ncnn_on_tile(struct ncnn *n);

/* ncnn_shapes.c */
int ncnn_on_reshape(struct ncnn *n);
int ncnn_on_flatten(struct ncnn *n);
int ncnn_on_squeeze(struct ncnn *n);
int ncnn_on_expand(struct ncnn *n);
int ncnn_on_permute(struct ncnn *n);
int ncnn_on_shuffle(struct ncnn *n);

/* ncnn_axes.c */
int ncnn_on_softmax(struct ncnn *n);
int ncnn_on_reduction(struct ncnn *n);
int ncnn_on_norm(struct ncnn *n);
int ncnn_on_normalize(struct ncnn *n);

/* ncnn_image.c */
int ncnn_on_interp(struct ncnn *n);
int ncnn_on_image_layer(struct ncnn *n);
int ncnn_on_glu(struct ncnn *n);
int ncnn_on_argmax(struct ncnn *n);
int ncnn_on_grid_sample(struct ncnn *n);
int ncnn_on_yolo(struct ncnn *n);

/* ncnn_matrices.c */
int ncnn_on_matmul(struct ncnn *n);
int ncnn_on_gemm(struct ncnn *n);
int ncnn_on_embed(struct ncnn *n);
int ncnn_on_recurrent(struct ncnn *n);

#endif
