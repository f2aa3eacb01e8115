/* task.c - see task.h. */
#include "task.h"

#include <errno.h>
#include <math.h>
#include <string.h>

int task_read(const void *data, enum engine_type type, struct engine_quant quant, int n, float *ret_values)
{
	const uint8_t *u8 = data;
	const int8_t *s8 = data;
	float scale = quant.scale != 0 ? quant.scale : 1;

	switch (type) {
	case ENGINE_F32:
		memcpy(ret_values, data, (size_t)n * sizeof(float));
		return 0;
	case ENGINE_U8:
		for (int i = 0; i < n; i++)
			ret_values[i] = scale * (float)(u8[i] - quant.zero_point);
		return 0;
	case ENGINE_S8:
		for (int i = 0; i < n; i++)
			ret_values[i] = scale * (float)(s8[i] - quant.zero_point);
		return 0;
	default:
		return -ENOTSUP;
	}
}

bool task_is_distribution(enum engine_type type, struct engine_quant quant, const float *values, int n)
{
	double sum = 0;

	if (quant.scale > 0 && (type == ENGINE_U8 || type == ENGINE_S8)) {
		int lowest = type == ENGINE_U8 ? 0 : -128;

		return lowest >= quant.zero_point && quant.scale * (float)(lowest + 255 - quant.zero_point) <= 1.01f;
	}
	for (int i = 0; i < n; i++) {
		if (!(values[i] >= 0 && values[i] <= 1.001f))
			return false;
		sum += (double)values[i];
	}
	return fabs(sum - 1) < 0.01;
}

/* Whether a is a worse hit than b. */
static bool worse(struct task_hit a, struct task_hit b)
{
	if (a.score != b.score)
		return a.score < b.score;
	return a.index > b.index;
}

/* hits is a heap with the worst at the top; sinks the one at `at` to its place. */
static void heap_sink(struct task_hit *hits, int n, int at)
{
	struct task_hit moved = hits[at];
	int child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && worse(hits[child + 1], hits[child]))
			child++;
		if (!worse(hits[child], moved))
			break;
		hits[at] = hits[child];
		at = child;
	}
	hits[at] = moved;
}

int task_top(const float *values, int n, int k, struct task_hit *ret_hits)
{
	int count = k < n ? k : n;

	if (count <= 0)
		return 0;
	for (int i = 0; i < n; i++) {
		struct task_hit hit = {.index = i, .score = isnan(values[i]) ? -INFINITY : values[i]};

		if (i < count) {
			ret_hits[i] = hit;
			if (i == count - 1)
				for (int at = count / 2 - 1; at >= 0; at--)
					heap_sink(ret_hits, count, at);
		} else if (worse(ret_hits[0], hit)) {
			ret_hits[0] = hit;
			heap_sink(ret_hits, count, 0);
		}
	}
	for (int left = count - 1; left > 0; left--) {
		struct task_hit worst = ret_hits[0];

		ret_hits[0] = ret_hits[left];
		ret_hits[left] = worst;
		heap_sink(ret_hits, left, 0);
	}
	return count;
}

void task_softmax(const float *values, int n, struct task_hit *hits, int n_hits)
{
	float highest = -INFINITY;
	double sum = 0;

	for (int i = 0; i < n; i++)
		if (values[i] > highest)
			highest = values[i];
	for (int i = 0; i < n; i++)
		if (!isnan(values[i]))
			sum += (double)expf(values[i] - highest);
	for (int i = 0; i < n_hits; i++) {
		double score = (double)expf(hits[i].score - highest) / sum;

		/* Infinite values leave no ratio. */
		hits[i].score = isfinite(score) ? (float)score : 0;
	}
}

void task_normalize(float *values, int n)
{
	double sum = 0;
	float scale;

	for (int i = 0; i < n; i++)
		sum += (double)values[i] * (double)values[i];
	if (!(sum > 0) || !isfinite(sum))
		return;
	scale = (float)(1 / sqrt(sum));
	for (int i = 0; i < n; i++)
		values[i] *= scale;
}
