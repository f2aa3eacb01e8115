/* ncnn.c - ncnn's .param, as text or binary, and its .bin to a graph: the file, layer by layer.  See ncnn.h. */
#include "ncnn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LAYERS_MAX (GRAPH_NODES_MAX / 4)
#define BLOBS_MAX  (GRAPH_VALUES_MAX / 8)

static int init_blobs(struct ncnn *n, int count)
{
	n->cap_blobs = count;
	n->blobs = calloc((size_t)count, sizeof(*n->blobs));
	return n->blobs && names_init(&n->names, (size_t)count) == 0 ? 0
								     : graph_error(n->error, -ENOMEM, "out of memory");
}

static int read_blob_names(struct ncnn *n)
{
	char word[NCNN_WORD_BYTES];

	for (int i = 0; i < n->layer.n_inputs; i++) {
		const struct names_entry *entry;

		if (!ncnn_read_blob(&n->file, word))
			return ncnn_refuse(n, -EINVAL, "names fewer blobs than it says");
		entry = names_find(&n->names, word, strlen(word));
		if (entry->number < 0 || !ncnn_is_made(&n->blobs[entry->number]))
			return graph_error(n->error, -EINVAL, "layer '%.60s' (%.40s): no layer before it makes '%.60s'",
					   n->layer.name, n->layer.type, word);
		n->inputs[i] = entry->number;
		n->blobs[entry->number].used = true;
	}
	for (int i = 0; i < n->layer.n_outputs; i++) {
		struct ncnn_blob *blob = &n->blobs[n->n_blobs];
		struct names_entry *entry;

		if (!ncnn_read_blob(&n->file, word))
			return ncnn_refuse(n, -EINVAL, "names fewer blobs than it says");
		entry = names_find(&n->names, word, strlen(word));
		if (entry->number >= 0)
			return graph_error(n->error, -EINVAL, "layer '%.60s' (%.40s): makes '%.60s' a second time",
					   n->layer.name, n->layer.type, word);
		if (n->n_blobs == n->cap_blobs)
			return ncnn_refuse(n, -EINVAL, "makes more blobs than the file announces");
		blob->name = strdup(word);
		if (!blob->name)
			return ncnn_result(n, -ENOMEM);
		blob->file = blob->image = -1;
		*entry = (struct names_entry){blob->name, strlen(blob->name), n->n_blobs};
		n->outputs[i] = n->n_blobs++;
	}
	return 0;
}

static int read_layer(struct ncnn *n)
{
	struct ncnn_layer *l = &n->layer;
	int r;

	memset(l, 0, sizeof(*l));
	l->error = n->error;
	r = ncnn_read_head(&n->file, n->cap_blobs, l);
	if (r == 0)
		r = read_blob_names(n);
	return r < 0 ? r : ncnn_read_keys(&n->file, l);
}

static int add_layer(struct ncnn *n)
{
	const struct ncnn_layer_type *type;
	int r = read_layer(n);

	if (r < 0)
		return r;
	type = ncnn_find_layer(n->layer.type);
	if (!type)
		return ncnn_refuse(n, -ENOTSUP, "is an unknown type of layer");
	if (n->layer.n_inputs < type->n_inputs || n->layer.n_outputs < 1)
		return ncnn_refuse(n, -EINVAL, "has too few inputs or outputs");
	if (n->layer.has_text)
		return ncnn_refuse(n, -ENOTSUP, "has a parameter that is a text");
	r = type->add(n);
	for (int k = 0; k < n->layer.n_outputs && r == 0; k++)
		if (!ncnn_is_made(ncnn_out_blob(n, k)))
			return ncnn_refuse(n, -EINVAL, "has too many outputs");
	return r;
}

/* The value of a blob under the blob's own name: where it has another's, a node that only names it. */
static int named_value(struct ncnn *n, const struct ncnn_blob *blob)
{
	int value = blob->image >= 0 ? blob->image : blob->file;
	const struct graph_value *v = &n->graph->values[value];
	enum engine_type type = v->type;
	struct graph_node *node;

	if (v->name && strcmp(v->name, blob->name) == 0)
		return value;
	value = ncnn_add_node(n, GRAPH_IDENTITY, &value, 1, v->rank, &node);
	if (value < 0)
		return value;
	n->graph->values[value].type = type;
	n->graph->values[value].file_rank = blob->rank;
	n->graph->values[value].channels_first = blob->image >= 0;
	n->graph->values[value].name = strdup(blob->name);
	return n->graph->values[value].name ? value : -ENOMEM;
}

/* Blobs that nobody reads, in the order of the file. */
static int find_outputs(struct ncnn *n)
{
	struct graph *graph = n->graph;

	for (int i = 0; i < n->n_blobs; i++) {
		int value;

		if (n->blobs[i].used)
			continue;
		if (graph->n_outputs == ENGINE_IO_MAX)
			return graph_error(n->error, -ENOTSUP, "more than %d blobs are read by no layer",
					   ENGINE_IO_MAX);
		value = named_value(n, &n->blobs[i]);
		if (value < 0)
			return graph_error(n->error, value, "output '%.60s' cannot be added", n->blobs[i].name);
		graph->outputs[graph->n_outputs++] = value;
	}
	return 0;
}

static int read_layers(struct ncnn *n)
{
	int n_layers, n_blobs, r;

	if (!ncnn_read_counts(&n->file, LAYERS_MAX, BLOBS_MAX, &n_layers, &n_blobs))
		return graph_error(n->error, -EINVAL, "it begins with impossible counts of layers and blobs");
	r = init_blobs(n, n_blobs);
	if (r < 0)
		return r;
	n->inputs = calloc((size_t)n_blobs, sizeof(*n->inputs));
	n->outputs = calloc((size_t)n_blobs, sizeof(*n->outputs));
	if (!n->inputs || !n->outputs)
		return graph_error(n->error, -ENOMEM, "out of memory");
	for (int i = 0; i < n_layers && r == 0; i++) {
		r = add_layer(n);
		if (r == -ENODATA)
			return graph_error(n->error, -EINVAL, "the file ends after %d of %d layers", i, n_layers);
	}
	return r < 0 ? r : find_outputs(n);
}

bool import_is_ncnn(const uint8_t *data, size_t size)
{
	bool binary;

	return ncnn_is_param(data, size, &binary);
}

int import_ncnn(const struct import_source *source, struct graph *graph, struct engine_error *ret_error)
{
	struct ncnn *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	n->graph = graph;
	n->asked = source->shapes;
	n->copies = source->copies;
	n->error = ret_error;
	n->file = (struct ncnn_file){(const char *)source->data, (const char *)source->data + source->size, false, 1};
	ncnn_is_param(source->data, source->size, &n->file.binary);
	n->bin = (struct ncnn_bin){source->weights, source->weights_size, 0};
	r = read_layers(n);
	for (int i = 0; i < n->n_blobs; i++)
		free(n->blobs[i].name);
	free(n->blobs);
	names_finish(&n->names);
	free(n->inputs);
	free(n->outputs);
	free(n);
	return r;
}
