/* reading.c - see reading.h. */
#include "reading.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

int reading_import(const struct import_source *source, struct graph *graph, struct engine_error *ret_error)
{
	/* In this order: the last are told by little. */
	static const struct {
		const char *name;
		bool (*is)(const uint8_t *data, size_t size);
		int (*import)(const struct import_source *source, struct graph *graph, struct engine_error *ret_error);
	} formats[] = {
		{"tflite", import_is_tflite, WITH_FORMAT_tflite ? import_tflite : NULL},
		{"ncnn", import_is_ncnn, WITH_FORMAT_ncnn ? import_ncnn : NULL},
		{"onnx", import_is_onnx, WITH_FORMAT_onnx ? import_onnx : NULL},
		{"caffe", import_is_caffe, WITH_FORMAT_caffe ? import_caffe : NULL},
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (formats[i].is(source->data, source->size))
			return formats[i].import ? formats[i].import(source, graph, ret_error)
						 : reading_left_out(formats[i].name, ret_error);
	return graph_error(ret_error, -ENOTSUP,
			   "neither a TFLite, an ONNX, an ncnn .param, a Caffe .prototxt nor a converted file");
}

int reading_left_out(const char *format, struct engine_error *ret_error)
{
	return graph_error(ret_error, -ENOTSUP, "the format %s is left out of this build (INFERD_FORMATS)", format);
}

void reading_name_error(struct engine_error *error, const char *name)
{
	struct engine_error inner;
	const char *base = strrchr(name, '/');

	if (!error)
		return;
	inner = *error;
	graph_error(error, 0, "%.60s: %.190s", base ? base + 1 : name, inner.text);
}

static int infer_and_simplify(struct graph *graph, enum passes_purpose purpose, struct engine_error *error)
{
	struct graph_shape *shapes = calloc((size_t)graph->n_values + 1, sizeof(*shapes));
	int r = shapes ? graph_infer(graph, shapes, error) : graph_error(error, -ENOMEM, "out of memory");

	if (r == 0)
		r = passes_run(graph, shapes, purpose, error);
	free(shapes);
	return r;
}

int reading_create(const struct import_source *source, enum passes_purpose purpose, struct weights_pool *pool,
		   struct engine_error *ret_error, struct reading **ret_reading)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	int r;

	if (!reading)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	graph_init(&reading->graph);
	weights_init(&reading->weights, kernels_get(), pool);
	r = reading_import(source, &reading->graph, ret_error);
	if (r == 0)
		r = infer_and_simplify(&reading->graph, purpose, ret_error);
	if (r < 0) {
		reading_name_error(ret_error, source->name);
		reading_destroy(reading);
		return r;
	}
	*ret_reading = reading;
	return 0;
}

void reading_destroy(struct reading *reading)
{
	if (!reading)
		return;
	weights_finish(&reading->weights);
	graph_finish(&reading->graph);
	free(reading);
}

/* What an operator prepares may point to its constants. */
static void mark_prepared(const struct graph *graph, bool *is_kept)
{
	for (int i = 0; i < graph->n_nodes; i++) {
		const struct graph_node *node = &graph->nodes[i];

		if (node->op != GRAPH_GENERAL || !node->general.op->prepare)
			continue;
		for (int k = 0; k < node->n_inputs; k++)
			if (node->inputs[k] >= 0)
				is_kept[node->inputs[k]] = true;
	}
}

void reading_trim(struct reading *reading)
{
	struct graph *graph = &reading->graph;
	bool *is_kept = calloc((size_t)graph->n_values + 1, sizeof(*is_kept));

	/* Without memory for it nothing is let go of, which costs memory only. */
	if (!is_kept)
		return;
	if (WITH_general)
		mark_prepared(graph, is_kept);
	for (int i = 0; i < graph->n_values; i++) {
		struct graph_value *value = &graph->values[i];

		if (!value->owned || is_kept[i])
			continue;
		free((void *)(uintptr_t)value->data);
		value->data = NULL;
		value->owned = false;
		value->packed = true;
	}
	free(is_kept);
}
