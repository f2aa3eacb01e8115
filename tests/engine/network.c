/* network.c - see network.h. */
#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/passes.h"
#include "engine/trial.h"
#include "support/test.h"

void network_init(struct network *network)
{
	*network = (struct network){0};
	graph_init(&network->graph);
	weights_init(&network->weights, kernels_get(), &network->pool);
	network->pool.winograd_max = ENGINE_WINOGRAD_BYTES;
	network->trials = malloc(sizeof(*network->trials));
	cr_assert_not_null(network->trials);
	trials_init(network->trials, TRIAL_RULE);
	network->weights.trials = network->trials;
	cr_assert_eq(engine_team_create(NULL, 0, 4, &network->team), 0);
	cr_assert_eq(engine_context_create(network->team, &network->context), 0);
}

void network_finish(struct network *network)
{
	plan_destroy(network->plan);
	engine_context_destroy(network->context);
	engine_team_destroy(network->team);
	weights_finish(&network->weights);
	graph_finish(&network->graph);
	trials_finish(network->trials);
	free(network->trials);
}

int network_value(struct network *network, enum engine_type type, int rank, const int32_t *dims)
{
	int value = graph_add_value(&network->graph, NULL, 0, type, rank, dims);

	cr_assert_geq(value, 0);
	return value;
}

int network_image(struct network *network, enum engine_type type, int h, int w, int c)
{
	return network_value(network, type, 4, (int32_t[]){1, h, w, c});
}

int network_constant(struct network *network, enum engine_type type, int rank, const int32_t *dims)
{
	int value = network_value(network, type, rank, dims);
	size_t count, size = engine_type_size(type);
	uint8_t *data;

	cr_assert_eq(graph_elements(rank, dims, &count), 0);
	data = graph_alloc_data(&network->graph, value, count * size);
	cr_assert_not_null(data);
	for (size_t i = 0; i < count; i++) {
		float real = test_random_float();
		int32_t word = (int32_t)test_random_range(-2000, 2000);
		uint16_t small = (uint16_t)test_random(); /* and its first byte */

		memcpy(data + i * size,
		       type == ENGINE_F32 ? (void *)&real
		       : size == 4	  ? (void *)&word
					  : (void *)&small,
		       size);
	}
	return value;
}

void network_quant(struct network *network, int value, float scale, int zero_point)
{
	cr_assert_eq(graph_set_quant(&network->graph, value, 1, &scale, (int64_t[]){zero_point}, 0), 0);
}

void network_io(struct network *network, int input, int output)
{
	network->graph.inputs[0] = input;
	network->graph.n_inputs = 1;
	network->graph.outputs[0] = output;
	network->graph.n_outputs = 1;
}

struct graph_node *network_node(struct network *network, enum graph_op op, int a, int b, int c, int output)
{
	const int inputs[] = {a, b, c};
	int n = c >= 0 ? 3 : b >= 0 ? 2 : 1, node;

	node = graph_add_node(&network->graph, op, NULL, 0, inputs, n, &output, 1);
	cr_assert_geq(node, 0);
	return &network->graph.nodes[node];
}

struct graph_window network_window(int kernel, int stride, int pad)
{
	return (struct graph_window){
		.kernel_h = kernel,
		.kernel_w = kernel,
		.stride_h = stride,
		.stride_w = stride,
		.dilation_h = 1,
		.dilation_w = 1,
		.top = pad,
		.bottom = pad,
		.left = pad,
		.right = pad,
	};
}

int network_plan(struct network *network, const struct engine_plan_options *options)
{
	struct engine_plan_options own = {0};
	struct graph_shape *shapes = calloc((size_t)network->graph.n_values, sizeof(*shapes));
	int r;

	cr_assert_not_null(shapes);
	r = graph_infer(&network->graph, shapes, &network->error);
	if (r == 0)
		r = passes_run(&network->graph, shapes, PASSES_ALL, &network->error);
	free(shapes);
	if (r == 0)
		r = plan_create(&network->graph, &network->weights, options ? options : &own, &network->error,
				&network->plan);
	if (r == 0)
		cr_assert_eq(engine_context_reserve(network->context, network->plan), 0);
	return r;
}

size_t network_input_count(struct network *network)
{
	return network->plan->tensors[network->graph.inputs[0]].count;
}

size_t network_output_count(struct network *network)
{
	return network->plan->tensors[network->graph.outputs[0]].count;
}

void network_run(struct network *network, const void *input, int n_threads)
{
	memcpy(engine_context_input(network->context, network->plan, 0), input,
	       network->plan->tensors[network->graph.inputs[0]].bytes);
	cr_assert_eq(engine_run(network->context, network->plan, n_threads), 0);
}

const void *network_output(struct network *network)
{
	return engine_context_output(network->context, network->plan, 0);
}
