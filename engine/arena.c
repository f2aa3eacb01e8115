/* arena.c - see arena.h. */
#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Orders that are tried beside the first, and the work of it: buffers squared for each. */
#define ORDERS_MAX  100
#define ORDERS_WORK 2000000

static int larger_first(const void *a, const void *b)
{
	const struct arena_buffer *x = *(struct arena_buffer *const *)a, *y = *(struct arena_buffer *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x < y ? -1 : 1;
}

static size_t align(size_t bytes)
{
	return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

/* Inserts into the list of placed buffers, which is sorted by offset. */
static void insert(struct arena_buffer **placed, int n, struct arena_buffer *buffer)
{
	while (n > 0 && placed[n - 1]->offset > buffer->offset) {
		placed[n] = placed[n - 1];
		n--;
	}
	placed[n] = buffer;
}

static size_t tightest_gap(struct arena_buffer *const *placed, int n, const struct arena_buffer *buffer)
{
	size_t end = 0, best = SIZE_MAX, best_gap = SIZE_MAX;

	for (int i = 0; i < n; i++) {
		const struct arena_buffer *other = placed[i];

		if (other->last < buffer->first || other->first > buffer->last)
			continue;
		if (other->offset > end && other->offset - end >= buffer->bytes && other->offset - end < best_gap) {
			best_gap = other->offset - end;
			best = end;
		}
		if (align(other->offset + other->bytes) > end)
			end = align(other->offset + other->bytes);
	}
	return best != SIZE_MAX ? best : end;
}

/* Places all in this order; returns the size of the block, SIZE_MAX where it is no size. */
static size_t place_in_order(struct arena_buffer *const *order, struct arena_buffer **placed, int n)
{
	size_t total = 0;

	for (int i = 0; i < n; i++) {
		struct arena_buffer *buffer = order[i];

		buffer->offset = tightest_gap(placed, i, buffer);
		insert(placed, i, buffer);
		if (buffer->bytes > SIZE_MAX / 4 - buffer->offset)
			return SIZE_MAX;
		if (buffer->offset + buffer->bytes > total)
			total = buffer->offset + buffer->bytes;
	}
	return align(total);
}

/* No block is smaller than what is alive at one time, which is most where some buffer's life begins. */
static size_t lower_bound(const struct arena_buffer *buffers, int n)
{
	size_t most = 0;

	for (int i = 0; i < n; i++) {
		size_t sum = 0;

		for (int k = 0; k < n; k++)
			if (buffers[k].first <= buffers[i].first && buffers[k].last >= buffers[i].first)
				sum += align(buffers[k].bytes);
		most = sum > most ? sum : most;
	}
	return most;
}

/* The buffer that ends last is the one that the others left no room: it comes first, the next time. */
static void promote_highest(struct arena_buffer **order, int n)
{
	struct arena_buffer *highest;
	int at = 0;

	for (int i = 1; i < n; i++)
		if (order[i]->offset + order[i]->bytes > order[at]->offset + order[at]->bytes)
			at = i;
	highest = order[at];
	memmove(order + 1, order, (size_t)at * sizeof(*order));
	order[0] = highest;
}

/* Other orders, as long as there is something to gain; the best places are left in the buffers. */
static size_t improve(struct arena_buffer *buffers, int n, struct arena_buffer **order, struct arena_buffer **placed,
		      size_t total, size_t *best)
{
	size_t bound = lower_bound(buffers, n);

	for (int i = 0; i < n; i++)
		best[i] = buffers[i].offset;
	for (int k = 0; k < ORDERS_MAX && total > bound && k < ORDERS_WORK / n / n; k++) {
		size_t other;

		promote_highest(order, n);
		other = place_in_order(order, placed, n);
		for (int i = 0; other < total && i < n; i++)
			best[i] = buffers[i].offset;
		total = other < total ? other : total;
	}
	for (int i = 0; i < n; i++)
		buffers[i].offset = best[i];
	return total;
}

int arena_place(struct arena_buffer *buffers, int n, size_t *ret_bytes)
{
	struct arena_buffer **order = malloc((size_t)(n + 1) * sizeof(*order));
	struct arena_buffer **placed = malloc((size_t)(n + 1) * sizeof(*placed));
	size_t *best = malloc((size_t)(n + 1) * sizeof(*best)), total;
	int rc = order && placed && best ? 0 : -ENOMEM;

	for (int i = 0; rc == 0 && i < n; i++)
		order[i] = &buffers[i];
	if (rc == 0) {
		qsort(order, (size_t)n, sizeof(*order), larger_first);
		total = place_in_order(order, placed, n);
		if (total == SIZE_MAX)
			rc = -EOVERFLOW;
		else
			*ret_bytes = improve(buffers, n, order, placed, total, best);
	}
	free(order);
	free(placed);
	free(best);
	return rc;
}
