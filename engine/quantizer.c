/* quantizer.c - post-training quantisation: a float network is watched while it runs, then made anew in int8. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "histogram.h"
#include "model.h"
#include "packed.h"
#include "plan.h"
#include "quantize.h"
#include "reading.h"

/* Of a build that leaves converted files out there are none: the functions below are empty. */
struct engine_quantizer {
	struct engine_model *real, *small; /* small: NULL before engine_quantizer_finish() */
	const struct engine_plan *real_plan, *small_plan;
	struct engine_plan_options options;
	struct histogram **histograms; /* of each value of the float graph; NULL: not of interest */
	double **means;		       /* of each value that has a histogram: sums by channel, means at the end */
	uint64_t *rows;		       /* how many a channel has been summed over */
	int *values;		       /* the values of the small graph */
	double *signal, *noise;	       /* energy of each value, and of its error */
	int *layers, n_layers;	       /* nodes of the float graph that became int8 */
	void *file;
};

static const struct graph *graph_of(const struct engine_quantizer *q)
{
	return model_graph(q->real);
}

static bool is_watched(const struct engine_quantizer *q, int value)
{
	const struct graph_value *v = &graph_of(q)->values[value];
	bool input = false;

	for (int i = 0; i < graph_of(q)->n_inputs; i++)
		input |= graph_of(q)->inputs[i] == value;
	return v->type == ENGINE_F32 && !v->variable && !graph_is_constant(v) && (input || v->producer >= 0);
}

/* The length of a tensor's last axis. */
static int32_t channels_of(const struct engine_quantizer *q, int value)
{
	const struct plan_tensor *t = &q->real_plan->tensors[value];

	return t->rank && t->count ? t->dims[t->rank - 1] : 1;
}

static int allocate(struct engine_quantizer *q)
{
	size_t n = (size_t)graph_of(q)->n_values + 1;

	q->histograms = calloc(n, sizeof(struct histogram *));
	q->means = calloc(n, sizeof(double *));
	q->rows = calloc(n, sizeof(*q->rows));
	q->values = calloc(n, sizeof(*q->values));
	q->signal = calloc(n, sizeof(*q->signal));
	q->noise = calloc(n, sizeof(*q->noise));
	q->layers = calloc((size_t)graph_of(q)->n_nodes + 1, sizeof(*q->layers));
	if (!q->histograms || !q->means || !q->rows || !q->values || !q->signal || !q->noise || !q->layers)
		return -ENOMEM;
	for (int i = 0; i < graph_of(q)->n_values; i++) {
		if (!is_watched(q, i))
			continue;
		q->histograms[i] = calloc(1, sizeof(**q->histograms));
		q->means[i] = calloc((size_t)channels_of(q, i), sizeof(**q->means));
		if (!q->histograms[i] || !q->means[i])
			return -ENOMEM;
	}
	return 0;
}

int engine_quantizer_create(const char *path, int width, int height, struct engine_error *ret_error,
			    struct engine_quantizer **ret_quantizer)
{
	struct engine_quantizer *q;
	int r;

	/* What it makes is a converted file. */
	if (!WITH_FORMAT_converted)
		return reading_left_out("converted", ret_error);
	q = calloc(1, sizeof(*q));
	if (!q)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	q->options = (struct engine_plan_options){.width = width, .height = height, .keep_tensors = 1};
	r = model_load(path, PASSES_TO_QUANTIZE, ret_error, &q->real);
	if (r == 0 && graph_of(q)->unread)
		r = graph_error(ret_error, -ENOTSUP,
				"the file leaves sizes open; only a network of fixed ones is quantised");
	if (r == 0)
		r = engine_model_plan(q->real, &q->options, ret_error, &q->real_plan);
	if (r == 0) {
		r = allocate(q);
		if (r < 0)
			graph_error(ret_error, r, "out of memory");
	}
	if (r < 0) {
		engine_quantizer_destroy(q);
		return r;
	}
	*ret_quantizer = q;
	return 0;
}

void engine_quantizer_destroy(struct engine_quantizer *q)
{
	if (!WITH_FORMAT_converted || !q)
		return;
	for (int i = 0; q->histograms && q->means && i < graph_of(q)->n_values; i++) {
		free(q->histograms[i]);
		free(q->means[i]);
	}
	free(q->histograms);
	free(q->means);
	free(q->rows);
	free(q->values);
	free(q->signal);
	free(q->noise);
	free(q->layers);
	engine_model_destroy(q->small);
	engine_model_destroy(q->real);
	free(q->file);
	free(q);
}

const struct engine_plan *engine_quantizer_plan(const struct engine_quantizer *q)
{
	return q->real_plan;
}

const struct engine_plan *engine_quantizer_int8_plan(const struct engine_quantizer *q)
{
	return q->small_plan;
}

/* What a run left of a tensor: the plan keeps them all. */
static const void *tensor_of(struct engine_context *context, const struct engine_plan *plan, int value)
{
	return plan->tensors[value].count ? run_tensor(context, plan, value) : NULL;
}

static void add_means(struct engine_quantizer *q, int value, const float *data)
{
	size_t channels = (size_t)channels_of(q, value), rows = q->real_plan->tensors[value].count / channels;

	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < channels; c++)
			q->means[value][c] += (double)data[r * channels + c];
	q->rows[value] += rows;
}

void engine_quantizer_observe(struct engine_quantizer *q, struct engine_context *context)
{
	if (!WITH_FORMAT_converted)
		return;
	for (int i = 0; i < graph_of(q)->n_values; i++) {
		const float *data = q->histograms[i] ? tensor_of(context, q->real_plan, i) : NULL;

		if (!data)
			continue;
		histogram_add(q->histograms[i], data, q->real_plan->tensors[i].count);
		add_means(q, i, data);
	}
}

/* Ranges of all tensors, and their means, which stay the quantizer's. */
static struct quantize_range *choose_ranges(struct engine_quantizer *q, enum engine_range method, double percentile)
{
	int n = graph_of(q)->n_values;
	struct quantize_range *ranges = calloc((size_t)n + 1, sizeof(*ranges));

	for (int i = 0; ranges && i < n; i++) {
		if (!q->histograms[i] || !q->rows[i])
			continue;
		histogram_range(q->histograms[i], method, percentile, &ranges[i].lo, &ranges[i].hi);
		ranges[i].n_means = channels_of(q, i);
		for (int c = 0; c < ranges[i].n_means; c++)
			q->means[i][c] /= (double)q->rows[i];
		q->rows[i] = 1;
		ranges[i].means = q->means[i];
	}
	return ranges;
}

static int make_file(const struct graph *small, struct engine_error *error, uint8_t **ret_data, size_t *ret_size)
{
	int r = graph_check(small, error);

	return r < 0 ? r : packed_write(small, NULL, false, error, ret_data, ret_size);
}

/* The file is what is measured, not what it was written from. */
static int load_small(struct engine_quantizer *q, const uint8_t *data, size_t size, struct engine_error *error)
{
	int r;

	free(q->file);
	q->file = malloc(size);
	if (!q->file)
		return graph_error(error, -ENOMEM, "out of memory");
	memcpy(q->file, data, size);
	engine_model_destroy(q->small);
	q->small = NULL;
	r = engine_model_load_memory("the int8 network", q->file, size, NULL, 0, error, &q->small);
	return r < 0 ? r : engine_model_plan(q->small, &q->options, error, &q->small_plan);
}

static void list_layers(struct engine_quantizer *q)
{
	const struct graph *graph = graph_of(q), *small = model_graph(q->small);

	q->n_layers = 0;
	for (int i = 0; i < graph->n_nodes; i++) {
		int value = q->values[graph->nodes[i].outputs[0]];

		if (value >= 0 && small->values[value].type == ENGINE_S8 && small->values[value].quant.n_scales == 1)
			q->layers[q->n_layers++] = i;
	}
}

int engine_quantizer_finish(struct engine_quantizer *q, enum engine_range method, double percentile,
			    struct engine_error *ret_error, uint8_t **ret_data, size_t *ret_size)
{
	const struct graph *graph = graph_of(q);
	struct quantize_range *ranges;
	struct graph small;
	uint8_t *data = NULL;
	size_t size = 0;
	int r;

	if (!WITH_FORMAT_converted)
		return reading_left_out("converted", ret_error);
	ranges = choose_ranges(q, method, percentile);
	if (!ranges)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	graph_init(&small);
	r = quantize_graph(graph, ranges, &small, q->values, ret_error);
	if (r == 0)
		r = make_file(&small, ret_error, &data, &size);
	if (r == 0)
		r = load_small(q, data, size, ret_error);
	graph_finish(&small);
	free(ranges);
	if (r < 0) {
		free(data);
		return r;
	}
	list_layers(q);
	memset(q->signal, 0, (size_t)graph->n_values * sizeof(*q->signal));
	memset(q->noise, 0, (size_t)graph->n_values * sizeof(*q->noise));
	*ret_data = data;
	*ret_size = size;
	return 0;
}

/* ---- how far apart ----------------------------------------------------------------------------- */

void engine_quantizer_compare(struct engine_quantizer *q, struct engine_context *real, struct engine_context *small)
{
	if (!WITH_FORMAT_converted)
		return;
	for (int l = 0; l < q->n_layers; l++) {
		int value = graph_of(q)->nodes[q->layers[l]].outputs[0];
		const struct plan_tensor *t = &q->small_plan->tensors[q->values[value]];
		const float *wanted = tensor_of(real, q->real_plan, value);
		const int8_t *got = tensor_of(small, q->small_plan, q->values[value]);

		if (!wanted || !got || t->count != q->real_plan->tensors[value].count)
			continue;
		for (size_t i = 0; i < t->count; i++) {
			double is = (double)t->scale * (got[i] - t->zero_point), error = is - (double)wanted[i];

			q->signal[value] += (double)wanted[i] * (double)wanted[i];
			q->noise[value] += error * error;
		}
	}
}

int engine_quantizer_layer_count(const struct engine_quantizer *q)
{
	return q->n_layers;
}

void engine_quantizer_layer(const struct engine_quantizer *q, int index, struct engine_layer_error *ret_error)
{
	const struct graph_node *node = &graph_of(q)->nodes[q->layers[index]];
	int value = node->outputs[0];
	const struct plan_tensor *t = &q->small_plan->tensors[q->values[value]];

	if (!WITH_FORMAT_converted)
		return;
	*ret_error = (struct engine_layer_error){
		.name = node->name,
		.op = graph_op_name(node->op),
		.lo = t->scale * (float)(-128 - t->zero_point),
		.hi = t->scale * (float)(127 - t->zero_point),
		.decibels = q->noise[value] > 0 ? 10 * log10(q->signal[value] / q->noise[value]) : INFINITY,
	};
}
