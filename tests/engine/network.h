/*
 * network.h - small graphs for tests: built by hand, planned and run through the engine's own passes.
 */
#ifndef INFERD_TESTS_NETWORK_H
#define INFERD_TESTS_NETWORK_H

#include "engine/graph.h"
#include "engine/plan.h"

struct network {
	struct graph graph;
	struct weights_pool pool;
	struct weights weights;
	struct trials *trials; /* the network's own */
	struct engine_plan *plan;
	struct engine_team *team;
	struct engine_context *context;
	struct engine_error error;
};

/* Winograd's method by the rule; network.weights.trials may be set to others of the test's before network_plan(). */
void network_init(struct network *network);
void network_finish(struct network *network);

/* Values.  Sides of rank 4 are 1, h, w, c. */
int network_image(struct network *network, enum engine_type type, int h, int w, int c);
int network_value(struct network *network, enum engine_type type, int rank, const int32_t *dims);
/* Random in [-1, 1), or the whole range of the integer type. */
int network_constant(struct network *network, enum engine_type type, int rank, const int32_t *dims);
void network_quant(struct network *network, int value, float scale, int zero_point);
void network_io(struct network *network, int input, int output);
/* A node of up to three inputs (-1 absent). */
struct graph_node *network_node(struct network *network, enum graph_op op, int a, int b, int c, int output);
struct graph_window network_window(int kernel, int stride, int pad);

/* Checks, simplifies and plans; returns plan_create()'s result.  Then runs with n threads (asserting success). */
int network_plan(struct network *network, const struct engine_plan_options *options);
void network_run(struct network *network, const void *input, int n_threads);
const void *network_output(struct network *network);
size_t network_input_count(struct network *network);
size_t network_output_count(struct network *network);

#endif
