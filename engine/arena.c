/* arena.c - see arena.h. */
#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

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

int arena_place(struct arena_buffer *buffers, int n, size_t *ret_bytes)
{
	struct arena_buffer **order = malloc((size_t)(n + 1) * sizeof(*order));
	struct arena_buffer **placed = malloc((size_t)(n + 1) * sizeof(*placed));
	size_t total = 0;
	int rc = order && placed ? 0 : -ENOMEM;

	for (int i = 0; rc == 0 && i < n; i++)
		order[i] = &buffers[i];
	if (rc == 0)
		qsort(order, (size_t)n, sizeof(*order), larger_first);
	for (int i = 0; rc == 0 && i < n; i++) {
		order[i]->offset = tightest_gap(placed, i, order[i]);
		insert(placed, i, order[i]);
		if (order[i]->bytes > SIZE_MAX / 4 - order[i]->offset)
			rc = -EOVERFLOW;
		else if (order[i]->offset + order[i]->bytes > total)
			total = order[i]->offset + order[i]->bytes;
	}
	free(order);
	free(placed);
	if (rc == 0)
		*ret_bytes = align(total);
	return rc;
}
