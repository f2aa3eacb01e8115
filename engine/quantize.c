/* quantize.c - see quantize.h. */
#include "quantize.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "operators/operators.h"

#define BIAS_MAX ((double)(1 << 30))

struct quantize {
	const struct graph *from;
	struct graph *to;
	const struct quantize_range *ranges;
	int *real, *small; /* of each old value: the new one as float (or as it was), and as int8; -1 not made */
	int n_small;	   /* layers in int8 */
	struct engine_error *error;
};

/* ---- values ------------------------------------------------------------------------------------ */

static int copy_value(struct quantize *q, int old, enum engine_type type)
{
	static const int32_t open[ENGINE_RANK_MAX] = {-1, -1, -1, -1, -1, -1};
	const struct graph_value *v = &q->from->values[old];
	bool fixed = graph_is_constant(v) || v->producer < 0 || v->variable;
	int value =
		graph_add_value(q->to, v->name, v->name ? strlen(v->name) : 0, type, v->rank, fixed ? v->dims : open);

	if (value >= 0) {
		q->to->values[value].channels_first = v->channels_first;
		q->to->values[value].file_rank = v->file_rank;
		q->to->values[value].variable = v->variable;
	}
	return value;
}

static int copy_constant(struct quantize *q, int old)
{
	const struct graph_value *v = &q->from->values[old];
	int value = copy_value(q, old, v->type), r;
	void *data = value < 0 ? NULL : graph_alloc_data(q->to, value, v->data_bytes);

	if (!data)
		return value < 0 ? value : -ENOMEM;
	memcpy(data, v->data, v->data_bytes);
	if (v->quant.n_scales) {
		int64_t *zeros = calloc((size_t)v->quant.n_scales, sizeof(*zeros));

		for (int i = 0; zeros && i < v->quant.n_scales; i++)
			zeros[i] = v->quant.zero_points[i];
		r = zeros ? graph_set_quant(q->to, value, v->quant.n_scales, v->quant.scales, zeros, v->quant.axis)
			  : -ENOMEM;
		free(zeros);
		if (r < 0)
			return r;
	}
	return value;
}

/* An int8 tensor that spans a range: 0 has a code of its own. */
static int set_range(struct quantize *q, int value, struct quantize_range range)
{
	double scale = fmax(((double)range.hi - (double)range.lo) / 255, 1e-12);
	int64_t zero = llround(-128 - (double)range.lo / scale);
	float narrow = (float)scale;

	zero = zero < -128 ? -128 : zero > 127 ? 127 : zero;
	return graph_set_quant(q->to, value, 1, &narrow, &zero, 0);
}

static int same_range(struct quantize *q, int value, int like)
{
	const struct graph_quant quant = q->to->values[like].quant;
	int64_t zero = quant.zero_points[0];

	return graph_set_quant(q->to, value, 1, quant.scales, &zero, 0);
}

static int add_cast(struct quantize *q, int from, int to, const struct graph_node *near)
{
	int node = graph_add_node(q->to, GRAPH_CAST, near->name, strlen(near->name), &from, 1, &to, 1);

	return node < 0 ? node : to;
}

/* The old value as float, or as what it was. */
static int real_of(struct quantize *q, int old, const struct graph_node *reader)
{
	int value;

	if (q->real[old] >= 0)
		return q->real[old];
	if (q->from->values[old].data) {
		value = copy_constant(q, old);
	} else if (q->small[old] >= 0) {
		value = copy_value(q, old, ENGINE_F32);
		value = value < 0 ? value : add_cast(q, q->small[old], value, reader);
	} else {
		return -EINVAL;
	}
	q->real[old] = value;
	return value;
}

static bool is_small(const struct quantize *q, int old)
{
	return q->small[old] >= 0;
}

/* A constant of floats in int8, as any other tensor. */
static int small_constant(struct quantize *q, int old)
{
	const struct graph_value *v = &q->from->values[old];
	const struct engine_tensor tensor = {.type = v->type, .data = (void *)(uintptr_t)v->data};
	size_t n = v->data_bytes / engine_type_size(v->type);
	struct quantize_range range = {0};
	int value = copy_value(q, old, ENGINE_S8), r;
	int8_t *data = value < 0 ? NULL : graph_alloc_data(q->to, value, n);

	if (!data)
		return value < 0 ? value : -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		range.lo = fminf(range.lo, (float)tensor_real(&tensor, i));
		range.hi = fmaxf(range.hi, (float)tensor_real(&tensor, i));
	}
	r = set_range(q, value, range);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct graph_quant *quant = &q->to->values[value].quant;
		double code = rint(tensor_real(&tensor, i) / (double)quant->scales[0]) + quant->zero_points[0];

		data[i] = (int8_t)fmax(fmin(code, 127), -128);
	}
	return r < 0 ? r : value;
}

static int small_of(struct quantize *q, int old, const struct graph_node *reader)
{
	int value, r;

	if (q->small[old] >= 0)
		return q->small[old];
	if (q->from->values[old].data) {
		value = small_constant(q, old);
	} else {
		value = copy_value(q, old, ENGINE_S8);
		r = value < 0 ? value : set_range(q, value, q->ranges[old]);
		value = r < 0 ? r : add_cast(q, real_of(q, old, reader), value, reader);
	}
	q->small[old] = value;
	return value;
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* What rounding the weights of one output channel adds to its sums in the mean. */
static double mean_error(const struct quantize *q, const struct graph_node *node, size_t channel, const double *errors,
			 size_t each)
{
	const struct quantize_range *x = &q->ranges[node->inputs[0]];
	const struct graph_value *w = &q->from->values[node->inputs[1]];
	size_t inner = (size_t)w->dims[w->rank - 1], groups = node->op == GRAPH_CONV ? (size_t)node->conv.groups : 1;
	size_t group = channel / ((size_t)w->dims[0] / groups);
	double sum = 0;

	if (!x->means || (size_t)x->n_means != inner * groups)
		return 0;
	for (size_t i = 0; i < each; i++)
		sum += errors[i] * x->means[group * inner + i % inner];
	return sum;
}

/* Channel by channel: the node's own factors belong to the weights, and the bias has the scale of a sum. */
static int quantize_weights(struct quantize *q, const struct graph_node *node, float x_scale, int ret_inputs[3])
{
	const struct graph_value *w = &q->from->values[node->inputs[1]];
	const struct graph_value *b =
		node->n_inputs > 2 && node->inputs[2] >= 0 ? &q->from->values[node->inputs[2]] : NULL;
	const struct engine_tensor weights = {.type = w->type, .data = (void *)(uintptr_t)w->data};
	const struct engine_tensor bias = {.type = b ? b->type : ENGINE_F32,
					   .data = b ? (void *)(uintptr_t)b->data : NULL};
	size_t channels = (size_t)w->dims[0], each = w->data_bytes / engine_type_size(w->type) / channels;
	float *scales = malloc(channels * sizeof(*scales)), *sums = malloc(channels * sizeof(*sums));
	double *errors = malloc((each + 1) * sizeof(*errors));
	int r = scales && sums && errors ? 0 : -ENOMEM;
	bool small_bias = x_scale > 0.0f;
	int8_t *data;
	void *bias_data;

	ret_inputs[1] = r < 0 ? r : copy_value(q, node->inputs[1], ENGINE_S8);
	data = ret_inputs[1] < 0 ? NULL : graph_alloc_data(q->to, ret_inputs[1], channels * each);
	ret_inputs[2] = !data ? -ENOMEM
			      : graph_add_value(q->to, b ? b->name : NULL, b && b->name ? strlen(b->name) : 0,
						small_bias ? ENGINE_S32 : ENGINE_F32, 1, (int32_t[]){w->dims[0]});
	bias_data = ret_inputs[2] < 0 ? NULL : graph_alloc_data(q->to, ret_inputs[2], channels * sizeof(float));
	if (r == 0 && (!data || !bias_data))
		r = -ENOMEM;
	for (size_t c = 0; c < channels && r == 0; c++) {
		double factor = node->fold_scale ? (double)node->fold_scale[c] : 1, most = 0;
		double shift = node->fold_shift ? (double)node->fold_shift[c] : 0;
		double real = (b ? tensor_real(&bias, c) : 0) * factor + shift, scale, code;

		for (size_t i = 0; i < each; i++)
			most = fmax(most, fabs(tensor_real(&weights, c * each + i) * factor));
		/* A channel of zeros still has its bias, which 32 bits must hold. */
		scale = fmax(most / 127, 1e-10);
		if (small_bias)
			scale = fmax(scale, 2 * fabs(real) / ((double)x_scale * BIAS_MAX));
		scales[c] = (float)scale;
		for (size_t i = 0; i < each; i++) {
			code = rint(tensor_real(&weights, c * each + i) * factor / (double)scales[c]);
			code = fmax(fmin(code, 127), -127);
			data[c * each + i] = (int8_t)code;
			errors[i] = code * (double)scales[c] - tensor_real(&weights, c * each + i) * factor;
		}
		real -= mean_error(q, node, c, errors, each);
		if (small_bias)
			((int32_t *)bias_data)[c] = (int32_t)rint(real / ((double)x_scale * (double)scales[c]));
		else
			((float *)bias_data)[c] = (float)real;
		sums[c] = x_scale * scales[c];
	}
	if (r == 0)
		r = graph_set_quant(q->to, ret_inputs[1], (int)channels, scales, NULL, 0);
	if (r == 0 && small_bias)
		r = graph_set_quant(q->to, ret_inputs[2], (int)channels, sums, NULL, 0);
	free(scales);
	free(sums);
	free(errors);
	return r;
}

/* ---- nodes ------------------------------------------------------------------------------------- */

/* A node like the old one on new values.  Its lists are its own, and so are its attributes. */
static int copy_node(struct quantize *q, const struct graph_node *node, const int *inputs, int n_inputs,
		     const int *outputs)
{
	int index = graph_add_node(q->to, node->op, node->name, strlen(node->name), inputs, n_inputs, outputs,
				   node->n_outputs);
	struct graph_node *copy;

	if (index < 0)
		return index;
	copy = &q->to->nodes[index];
	copy->act = node->act;
	copy->folded = node->folded;
	if (node->op == GRAPH_GENERAL) {
		copy->general = node->general;
		copy->general.attributes = attributes_copy(node->general.attributes);
		return copy->general.attributes ? 0 : -ENOMEM;
	}
	memcpy(&copy->conv, &node->conv, sizeof(*node) - offsetof(struct graph_node, conv));
	return 0;
}

static bool is_output(const struct graph *graph, int value)
{
	for (int i = 0; i < graph->n_outputs; i++)
		if (graph->outputs[i] == value)
			return true;
	return false;
}

/* Whether a network's output comes out of this value with nothing but softmax or a change of shape between. */
static bool makes_output(const struct quantize *q, int value, int from)
{
	if (is_output(q->from, value))
		return true;
	for (int i = from; i < q->from->n_nodes; i++) {
		const struct graph_node *node = &q->from->nodes[i];

		if (node->n_inputs && node->inputs[0] == value &&
		    (node->op == GRAPH_SOFTMAX || node->op == GRAPH_RESHAPE || node->op == GRAPH_TRANSPOSE ||
		     node->op == GRAPH_UNARY))
			return makes_output(q, node->outputs[0], i + 1);
	}
	return false;
}

/* Int8 weights under float tensors: exact sums where a class is decided. */
static int add_last_layer(struct quantize *q, const struct graph_node *node)
{
	int inputs[3] = {real_of(q, node->inputs[0], node), -1, -1}, output, r;

	r = inputs[0] < 0 ? inputs[0] : quantize_weights(q, node, 0.0f, inputs);
	if (r < 0)
		return r;
	output = q->real[node->outputs[0]] = copy_value(q, node->outputs[0], ENGINE_F32);
	return output < 0 ? output : copy_node(q, node, inputs, 3, &output);
}

static int add_layer(struct quantize *q, const struct graph_node *node)
{
	int inputs[3] = {small_of(q, node->inputs[0], node), -1, -1}, output, r;

	if (inputs[0] < 0)
		return inputs[0];
	r = quantize_weights(q, node, q->to->values[inputs[0]].quant.scales[0], inputs);
	if (r < 0)
		return r;
	output = copy_value(q, node->outputs[0], ENGINE_S8);
	r = output < 0 ? output : set_range(q, output, q->ranges[node->outputs[0]]);
	q->small[node->outputs[0]] = output;
	q->n_small++;
	return r < 0 ? r : copy_node(q, node, inputs, 3, &output);
}

/* What passes int8 on: with a range of its own, or with its input's. */
static int add_small(struct quantize *q, const struct graph_node *node, bool own_range)
{
	int *inputs = malloc((size_t)(node->n_inputs + 1) * sizeof(*inputs)), output, r = inputs ? 0 : -ENOMEM;

	for (int i = 0; i < node->n_inputs && r == 0; i++) {
		inputs[i] = small_of(q, node->inputs[i], node);
		r = inputs[i] < 0 ? inputs[i] : 0;
	}
	output = r < 0 ? r : copy_value(q, node->outputs[0], ENGINE_S8);
	if (output >= 0)
		r = own_range ? set_range(q, output, q->ranges[node->outputs[0]]) : same_range(q, output, inputs[0]);
	else
		r = output;
	q->small[node->outputs[0]] = output;
	if (r == 0)
		r = copy_node(q, node, inputs, node->n_inputs, &output);
	free(inputs);
	return r;
}

static int add_real(struct quantize *q, const struct graph_node *node)
{
	size_t n = (size_t)node->n_inputs + (size_t)node->n_outputs + 1;
	int *values = malloc(n * sizeof(*values)), *outputs = values ? values + node->n_inputs : NULL;
	int r = values ? 0 : -ENOMEM, added;

	for (int i = 0; i < node->n_inputs && r == 0; i++) {
		values[i] = node->inputs[i] < 0 ? -1 : real_of(q, node->inputs[i], node);
		r = values[i] < -1 ? values[i] : 0;
	}
	for (int i = 0; i < node->n_outputs && r == 0; i++) {
		outputs[i] = copy_value(q, node->outputs[i], q->from->values[node->outputs[i]].type);
		q->real[node->outputs[i]] = outputs[i];
		r = outputs[i] < 0 ? outputs[i] : 0;
	}
	if (r == 0)
		r = copy_node(q, node, values, node->n_inputs, outputs);
	added = q->to->n_nodes - 1;
	if (r == 0 && node->fold_scale) {
		size_t bytes = (size_t)q->from->values[node->inputs[1]].dims[0] * sizeof(float);
		float *scale = malloc(bytes), *shift = malloc(bytes);

		q->to->nodes[added].fold_scale = scale;
		q->to->nodes[added].fold_shift = shift;
		r = scale && shift ? 0 : -ENOMEM;
		if (r == 0) {
			memcpy(scale, node->fold_scale, bytes);
			memcpy(shift, node->fold_shift, bytes);
		}
	}
	free(values);
	return r;
}

static bool is_float_layer(const struct quantize *q, const struct graph_node *node)
{
	const struct graph_value *w = node->n_inputs > 1 ? &q->from->values[node->inputs[1]] : NULL;

	return w && w->data && (w->type == ENGINE_F32 || w->type == ENGINE_F16) &&
	       q->from->values[node->inputs[0]].type == ENGINE_F32;
}

/* At least one operand comes as int8, and the others can. */
static bool operands_small(const struct quantize *q, const struct graph_node *node)
{
	bool any = false;

	for (int i = 0; i < node->n_inputs; i++) {
		const struct graph_value *v = node->inputs[i] < 0 ? NULL : &q->from->values[node->inputs[i]];

		if (!v || v->type != ENGINE_F32 || v->variable)
			return false;
		any |= is_small(q, node->inputs[i]);
	}
	return any;
}

static int add_any(struct quantize *q, int index)
{
	const struct graph_node *node = &q->from->nodes[index];

	switch (node->op) {
	case GRAPH_CONV:
	case GRAPH_FC:
		if (!is_float_layer(q, node))
			return add_real(q, node);
		return makes_output(q, node->outputs[0], index + 1) ? add_last_layer(q, node) : add_layer(q, node);
	case GRAPH_ADD:
	case GRAPH_SUB:
	case GRAPH_MUL:
	case GRAPH_CONCAT:
	case GRAPH_UNARY:
		return operands_small(q, node) && !makes_output(q, node->outputs[0], index + 1)
			       ? add_small(q, node, true)
			       : add_real(q, node);
	case GRAPH_MAXPOOL:
	case GRAPH_AVGPOOL:
	case GRAPH_MEAN:
	case GRAPH_SLICE:
	case GRAPH_RESHAPE:
	case GRAPH_TRANSPOSE:
	case GRAPH_RESIZE:
		return operands_small(q, node) && node->act.kind == GRAPH_ACT_NONE ? add_small(q, node, false)
										   : add_real(q, node);
	case GRAPH_PAD:
		return operands_small(q, node) && node->pad.value == 0.0f ? add_small(q, node, false)
									  : add_real(q, node);
	default:
		return add_real(q, node);
	}
}

static int run(struct quantize *q)
{
	int r = 0;

	for (int i = 0; i < q->from->n_inputs && r == 0; i++) {
		int old = q->from->inputs[i];

		q->real[old] = copy_value(q, old, q->from->values[old].type);
		r = q->real[old] < 0 ? q->real[old] : 0;
		q->to->inputs[q->to->n_inputs++] = q->real[old];
	}
	for (int i = 0; i < q->from->n_nodes && r == 0; i++)
		r = add_any(q, i);
	for (int i = 0; i < q->from->n_outputs && r == 0; i++) {
		int old = q->from->outputs[i], producer = q->from->values[old].producer;
		int value = real_of(q, old, &q->from->nodes[producer < 0 ? 0 : producer]);

		r = value < 0 ? value : 0;
		q->to->outputs[q->to->n_outputs++] = value;
	}
	if (r < 0)
		return graph_error(q->error, r, r == -ENOMEM ? "out of memory" : "cannot be quantised");
	return q->n_small ? 0 : graph_error(q->error, -ENOTSUP, "has no float convolution that could be quantised");
}

int quantize_graph(const struct graph *from, const struct quantize_range *ranges, struct graph *to, int *ret_values,
		   struct engine_error *ret_error)
{
	struct quantize q = {.from = from, .to = to, .ranges = ranges, .error = ret_error};
	size_t n = (size_t)from->n_values + 1;
	int r;

	q.real = malloc(n * sizeof(*q.real));
	q.small = malloc(n * sizeof(*q.small));
	if (!q.real || !q.small) {
		free(q.real);
		free(q.small);
		return graph_error(ret_error, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n; i++)
		q.real[i] = q.small[i] = -1;
	r = run(&q);
	for (int i = 0; i < from->n_values; i++)
		ret_values[i] = q.small[i] >= 0 ? q.small[i] : q.real[i];
	free(q.real);
	free(q.small);
	return r;
}
