/*
 * import.h - bytes of a model file to a graph.
 *
 * Readers are bounds-checked and trust nothing: every offset, count, index and length is checked
 * against the bytes that are there before it is used, with overflow-safe arithmetic; a malformed file
 * gives -EINVAL and a sentence that names the node, tensor or field.  A well-formed file with an operator
 * or type this engine lacks gives -ENOTSUP and its name.  Time and memory stay linear in the file's size.
 *
 * Constants are borrowed from the buffers where their layout fits, and otherwise copied into data the
 * graph owns.  Weights of convolutions are borrowed in an order of the file's own, see graph_settled().  On failure the
 * graph is left for the caller to graph_finish().
 */
#ifndef INFERD_IMPORT_H
#define INFERD_IMPORT_H

#include "../graph.h"

struct import_source {
	const char *name; /* for messages */
	const uint8_t *data;
	size_t size;
	const uint8_t *weights;
	size_t weights_size; /* ncnn .bin, Caffe .caffemodel; NULL otherwise */
	/*
	 * Finds a file beside this one, by its path from there: 0, or a negative errno.  What is at *ret_data lives as
	 * long as the model.  NULL where there is no folder.
	 */
	int (*find_beside)(void *context, const char *location, const uint8_t **ret_data, size_t *ret_size);
	void *context;
	bool copies; /* weights are copied in the order of the graph, though they might stay in the file */
	const struct graph_shape *shapes; /* of the inputs, in the graph's order; NULL: those of the file */
};

bool import_is_tflite(const uint8_t *data, size_t size);
int import_tflite(const struct import_source *source, struct graph *graph, struct engine_error *ret_error);

bool import_is_onnx(const uint8_t *data, size_t size);
int import_onnx(const struct import_source *source, struct graph *graph, struct engine_error *ret_error);

bool import_is_ncnn(const uint8_t *data, size_t size);
int import_ncnn(const struct import_source *source, struct graph *graph, struct engine_error *ret_error);

bool import_is_caffe(const uint8_t *data, size_t size);
int import_caffe(const struct import_source *source, struct graph *graph, struct engine_error *ret_error);

/*
 * Operator or layer number i that a reader knows, under the format's name; NULL behind the last.  *ret_fast: there is a
 * fast path for it.
 */
const char *onnx_operator_at(int i, bool *ret_fast);
const char *tflite_operator_at(int i, bool *ret_fast);
const char *ncnn_layer_at(int i, bool *ret_fast);
const char *caffe_layer_at(int i, bool *ret_fast);
/* What of an operator is not supported; "" for nothing. */
const char *import_limit(const char *format, const char *name);

#endif
