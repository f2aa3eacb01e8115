/*
 * caffe.h - what the files of the Caffe reader share.
 *
 *   caffe.c             the network: layers one by one, its inputs and outputs
 *   caffe_text.c        the .prototxt as a tree of fields
 *   caffe_weights.c     the .caffemodel
 *   caffe_nodes.c       writing nodes and constants
 *   caffe_layers.c      the table of layers
 *   caffe_image.c, caffe_elementwise.c, caffe_shapes.c    the layers, by family
 *
 * Caffe's blobs are N x C x H x W, and its layers have definitions that ONNX's operators have, too: each layer is
 * written as one node or a few, under the layer's name, and the ONNX reader does the rest.  A blob that several layers
 * write in place becomes a tensor for each of them; the last has the blob's name.
 *
 * Fields and defaults are those of caffe.proto; layers of SSD, of MobileNet and of ncnn's converter beside Caffe's own.
 *
 * Functions that return an int give 0, or a negative errno after the error was told.
 */
#ifndef INFERD_CAFFE_H
#define INFERD_CAFFE_H

#include "caffe_text.h"
#include "import.h"
#include "names.h"
#include "onnx_writer.h"
#include "protobuf.h"

#define CAFFE_LAYERS_MAX 4096
#define CAFFE_BLOBS_MAX	 16 /* of weights, of one layer */
#define CAFFE_IO_MAX	 64 /* bottoms or tops of one layer */
#define CAFFE_NAME_BYTES 256

/* Weights of a layer: numbers as they are in the file, or in memory of their own where they lie in pieces there. */
struct caffe_blob {
	int rank;
	int64_t dims[ENGINE_RANK_MAX];
	const uint8_t *data; /* little-endian floats */
	float *own;
	size_t count;
};

struct caffe {
	struct caffe_text text;
	struct onnx_writer out;
	struct protobuf_bytes weights;
	struct names weight_names; /* layers of the .caffemodel by name */
	struct protobuf_bytes *messages;
	int n_messages;
	bool *v1; /* of each message */
	struct names blob_names;
	struct caffe_version {
		int writers, written, read_at, made_at; /* read_at: the last layer that reads the blob */
	} * blobs;
	int n_blobs, cap_blobs;
	struct engine_error *error;
	/* the current layer */
	int layer, index; /* field, and number in the order of the file */
	char name[CAFFE_NAME_BYTES], type[48];
	char bottoms[CAFFE_IO_MAX][CAFFE_NAME_BYTES], tops[CAFFE_IO_MAX][CAFFE_NAME_BYTES];
	int n_bottoms, n_tops;
	struct caffe_blob w[CAFFE_BLOBS_MAX];
	int n_w;
	int n_made; /* names made for tensors within the layer */
};

/* A type of layer. */
struct caffe_layer_type {
	const char *type, *v1; /* v1: its name in the enumeration of older files */
	int n_bottoms;	       /* at least */
	int (*add)(struct caffe *c);
};

/* ---- caffe.c --------------------------------------------------------------------------------- */

/* Tells why the current layer is refused, and returns the code. */
int caffe_refuse(const struct caffe *c, int code, const char *why);

/* ---- caffe_weights.c ------------------------------------------------------------------------- */

/* Finds the layers of the .caffemodel by name; 0, or an error that is told. */
int caffe_index_weights(struct caffe *c);

/* Lets go of the weights of a layer. */
void caffe_finish_weights(struct caffe *c);

/* The current layer's weights, for caffe_finish_weights() to let go of; 0, or an error that is told. */
int caffe_read_weights(struct caffe *c);

/* ---- caffe_nodes.c --------------------------------------------------------------------------- */

/* A blob's entry, made when it is new; NULL: there are too many. */
struct caffe_version *caffe_blob_of(struct caffe *c, const char *name, size_t bytes);

/* The tensor that a blob is after its k-th writing. */
void caffe_tensor_name(const struct caffe_version *blob, int k, const char *name, size_t bytes,
		       char out[CAFFE_NAME_BYTES]);

/* A name for a tensor within the layer. */
void caffe_inner_name(struct caffe *c, char out[CAFFE_NAME_BYTES]);

/* A node from one tensor to another; attributes may follow until close. */
void caffe_open_node(struct caffe *c, const char *op, const char *const *inputs, int n, const char *output);

/* A node of one or two inputs (b NULL: one) and no attributes. */
void caffe_add_node(struct caffe *c, const char *op, const char *a, const char *b, const char *output);

/* Constants, whose names are made here. */
void caffe_add_floats(struct caffe *c, int rank, const int64_t *dims, const void *values, size_t count,
		      char name[CAFFE_NAME_BYTES]);
void caffe_add_scalar(struct caffe *c, double value, char name[CAFFE_NAME_BYTES]);
void caffe_add_integers(struct caffe *c, int n, const int64_t *values, char name[CAFFE_NAME_BYTES]);

/* Weights i under a shape of their own; -EINVAL where they are not as many. */
int caffe_add_weights(struct caffe *c, int i, int rank, const int64_t *dims, char name[CAFFE_NAME_BYTES]);

/* Number i of a blob of weights. */
float caffe_weight_at(const struct caffe_blob *blob, size_t i);

/* A message of the current layer's parameters; -1: there is none, and all have their defaults. */
int caffe_parameters(const struct caffe *c, const char *name);

/* The first input and output of the current layer. */
const char *caffe_bottom(const struct caffe *c);
const char *caffe_top(const struct caffe *c);

/* A whole number of 32 bits; -1 for what is none. */
int64_t caffe_bounded(double number);

/* A whole number of a message. */
int64_t caffe_whole(const struct caffe *c, int at, const char *name, int64_t otherwise);

/* Height and width: both at once, one after the other, or each under its name. */
void caffe_pair(const struct caffe *c, int at, const char *both, const char *h, const char *w, int64_t otherwise,
		int64_t ret[2]);

/* ---- caffe_shapes.c -------------------------------------------------------------------------- */

/* Lists of integers behind each other. */
void caffe_join(struct caffe *c, const char *a, const char *b, char out[CAFFE_NAME_BYTES]);

/* ---- caffe_layers.c -------------------------------------------------------------------------- */

/* The layer of this type, of either form of the format; NULL: it is unknown. */
const struct caffe_layer_type *caffe_find_layer(const char *type);

/* ---- layers: each adds the current one --------------------------------------------------------- */

/* caffe_image.c */
int caffe_on_conv(struct caffe *c);
int caffe_on_pooling(struct caffe *c);
int caffe_on_inner_product(struct caffe *c);
int caffe_on_lrn(struct caffe *c);
int caffe_on_resize(struct caffe *c);

/* caffe_elementwise.c */
int caffe_on_function(struct caffe *c);
int caffe_on_relu(struct caffe *c);
int caffe_on_clip(struct caffe *c);
int caffe_on_elu(struct caffe *c);
int caffe_on_prelu(struct caffe *c);
int caffe_on_power(struct caffe *c);
int caffe_on_exp_log(struct caffe *c);
int caffe_on_swish(struct caffe *c);
int caffe_on_batch_norm(struct caffe *c);
int caffe_on_scale(struct caffe *c);
int caffe_on_bias(struct caffe *c);
int caffe_on_eltwise(struct caffe *c);
int caffe_on_normalize(struct caffe *c);

/* caffe_shapes.c */
int caffe_on_concat(struct caffe *c);
int caffe_on_slice(struct caffe *c);
int caffe_on_flatten(struct caffe *c);
int caffe_on_reshape(struct caffe *c);
int caffe_on_permute(struct caffe *c);
int caffe_on_softmax(struct caffe *c);
int caffe_on_argmax(struct caffe *c);
int caffe_on_shuffle(struct caffe *c);
int caffe_on_crop(struct caffe *c);

#endif
