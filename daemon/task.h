/*
 * task.h - a network's output to an answer: classes with probabilities, or a vector of length one.
 *
 * Plain arithmetic on arrays; owns nothing and allocates nothing.
 */
#ifndef INFERD_TASK_H
#define INFERD_TASK_H

#include <stdbool.h>

#include "engine/engine.h"

#define TASK_TOP_MAX 1000

struct task_hit {
	int index;
	float score;
};

/* Output elements as real numbers.  -ENOTSUP for a type that no classifier has. */
int task_read(const void *data, enum engine_type type, struct engine_quant quant, int n, float *ret_values);

/*
 * Whether the values are probabilities already.  A quantised output is judged by the range it can express
 * (rounding a flat distribution to 1/256 leaves nothing of its sum), any other by one answer of the network:
 * within 0..1 and adding up to 1.
 */
bool task_is_distribution(enum engine_type type, struct engine_quant quant, const float *values, int n);

/* The k highest values, the highest first, equal ones by index; NaN counts as lowest.  Returns how many. */
int task_top(const float *values, int n, int k, struct task_hit *ret_hits);

/* Turns the scores of hits, raw values of this output, into softmax probabilities. */
void task_softmax(const float *values, int n, struct task_hit *hits, int n_hits);

/* Scales a vector to length one; a zero vector stays. */
void task_normalize(float *values, int n);

#endif
