/*
 * arena.h - places buffers with known lifetimes in one block: largest first, each in the tightest gap that is free for
 * its whole life (greedy by size, as XNNPACK's and TensorFlow Lite's planners; Pisarchyk and Lee, arXiv:2001.03288).
 * Where that leaves more than the sum of what is alive at one time, other orders are tried.
 */
#ifndef INFERD_ARENA_H
#define INFERD_ARENA_H

#include <stddef.h>

#define ARENA_ALIGN 64

struct arena_buffer {
	size_t bytes;
	int first, last; /* steps, both included */
	size_t offset;	 /* out */
};

/* Sets the offsets and returns the size of the block in *ret_bytes.  0, -ENOMEM, -EOVERFLOW. */
int arena_place(struct arena_buffer *buffers, int n, size_t *ret_bytes);

#endif
