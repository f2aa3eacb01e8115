/* tflite_nodes.c - values and nodes of the TFLite reader.  See tflite.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../operators/operators.h"
#include "tflite.h"

int tflite_refuse(const struct tflite *t, int code, const char *why)
{
	return graph_error(t->error, code, "operator %d (%s): %s", t->index, t->op, why);
}

int tflite_result(const struct tflite *t, int r)
{
	return r >= 0 ? r
		      : tflite_refuse(t, r,
				      r == -ENOMEM  ? "out of memory"
				      : r == -EFBIG ? "the network is too large"
						    : "makes no sense in its place");
}

/* ---- inputs and outputs ------------------------------------------------------------------------ */

const struct tflite_tensor *tflite_input(const struct tflite *t, int i)
{
	return &t->tensors[t->inputs[i]];
}

bool tflite_has_input(const struct tflite *t, int i)
{
	return i < t->n_inputs && t->inputs[i] >= 0;
}

int tflite_value(struct tflite *t, int i)
{
	struct tflite_tensor *tensor = tflite_has_input(t, i) ? &t->tensors[t->inputs[i]] : NULL;

	if (!tensor)
		return -1;
	if (tensor->narrow >= 0 && tensor->value < 0)
		tensor->value = tflite_widen(t, tensor->narrow);
	return tensor->value;
}

int tflite_weights(struct tflite *t, int i)
{
	return tflite_has_input(t, i) && tflite_input(t, i)->narrow >= 0 ? tflite_input(t, i)->narrow
									 : tflite_value(t, i);
}

int tflite_output(const struct tflite *t, int i)
{
	return t->tensors[t->outputs[i]].value;
}

/* The scale and zero point of element i of a quantised constant. */
static double dequantized(const struct graph_value *value, const struct engine_tensor *tensor, size_t i)
{
	size_t inner = 1, index = 0;

	if (value->quant.n_scales > 1) {
		for (int k = value->quant.axis + 1; k < value->rank; k++)
			inner *= (size_t)value->dims[k];
		index = i / inner % (size_t)value->quant.n_scales;
	}
	return (tensor_real(tensor, i) - value->quant.zero_points[index]) * (double)value->quant.scales[index];
}

int tflite_widen(struct tflite *t, int constant)
{
	const struct graph_value *from = &t->graph->values[constant];
	size_t count = from->data_bytes / engine_type_size(from->type);
	int value;
	float *data;

	if (count * sizeof(*data) > t->made_max - t->made_bytes)
		return -EFBIG;
	/* The file says which axis the scales follow. */
	if (from->quant.n_scales > 1 && (from->quant.axis < 0 || from->quant.axis >= from->rank ||
					 from->quant.n_scales != from->dims[from->quant.axis]))
		return -EINVAL;
	value = graph_add_value(t->graph, from->name, from->name ? strlen(from->name) : 0, ENGINE_F32, from->rank,
				from->dims);
	if (value < 0)
		return value;
	t->made_bytes += count * sizeof(*data);
	data = graph_alloc_data(t->graph, value, count * sizeof(*data));
	if (!data || tflite_make_room(t) < 0)
		return -ENOMEM;
	from = &t->graph->values[constant];
	for (size_t i = 0; i < count; i++) {
		const struct engine_tensor tensor = {.type = from->type, .data = (void *)(uintptr_t)from->data};

		data[i] = (float)(from->quant.n_scales ? dequantized(from, &tensor, i) : tensor_real(&tensor, i));
	}
	tflite_set_shape(t, value, from->rank, from->dims);
	return value;
}

/* ---- values and nodes -------------------------------------------------------------------------- */

int tflite_make_room(struct tflite *t)
{
	int wanted = t->graph->n_values;
	struct graph_shape *shapes;

	if (wanted <= t->cap_shapes)
		return 0;
	shapes = realloc(t->shapes, 2 * (size_t)wanted * sizeof(*shapes));
	if (!shapes)
		return -ENOMEM;
	for (int i = t->cap_shapes; i < 2 * wanted; i++)
		shapes[i] = (struct graph_shape){.rank = -1};
	t->shapes = shapes;
	t->cap_shapes = 2 * wanted;
	return 0;
}

void tflite_set_shape(struct tflite *t, int value, int rank, const int32_t *dims)
{
	t->shapes[value].rank = rank;
	memcpy(t->shapes[value].dims, dims, (size_t)rank * sizeof(*dims));
}

int tflite_integers(struct tflite *t, int i, int max, int32_t *ret_numbers)
{
	const struct graph_value *value;
	size_t size, count;

	if (!tflite_has_input(t, i))
		return -EINVAL;
	value = &t->graph->values[tflite_value(t, i)];
	size = engine_type_size(value->type);
	if (!value->data || (value->type != ENGINE_S32 && value->type != ENGINE_S64))
		return -EINVAL;
	count = value->data_bytes / size;
	if (count > (size_t)max)
		return -EINVAL;
	for (size_t k = 0; k < count; k++) {
		int64_t wide = 0;
		int32_t narrow = 0;

		memcpy(size == 8 ? (void *)&wide : (void *)&narrow, (const uint8_t *)value->data + k * size, size);
		if (size == 8 && (wide < INT32_MIN || wide > INT32_MAX))
			return -EINVAL;
		ret_numbers[k] = size == 8 ? (int32_t)wide : narrow;
	}
	return (int)count;
}

int tflite_add_value(struct tflite *t, int like, int rank)
{
	static const int32_t open[ENGINE_RANK_MAX] = {-1, -1, -1, -1, -1, -1};
	const struct graph_value *from = &t->graph->values[like];
	int value = graph_add_value(t->graph, NULL, 0, from->type, rank, open), r = 0;

	if (value < 0)
		return value;
	from = &t->graph->values[like];
	if (from->quant.n_scales == 1) {
		int64_t zero = from->quant.zero_points[0];

		r = graph_set_quant(t->graph, value, 1, from->quant.scales, &zero, 0);
	}
	return r < 0 ? r : value;
}

int tflite_add_node(struct tflite *t, enum graph_op op, const int *inputs, int n_inputs, int output,
		    struct graph_node **ret_node)
{
	const struct graph_value *value;
	int node;

	if (output < 0)
		return tflite_result(t, output);
	for (int i = 0; i < n_inputs; i++)
		if (inputs[i] < -1)
			return tflite_result(t, inputs[i]);
	value = &t->graph->values[output];
	node = graph_add_node(t->graph, op, value->name, value->name ? strlen(value->name) : 0, inputs, n_inputs,
			      &output, 1);
	if (node < 0)
		return tflite_result(t, node);
	*ret_node = &t->graph->nodes[node];
	return 0;
}
