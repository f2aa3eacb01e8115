/*
 * pool.h - the shared memory of one stream: made, sealed and mapped here, cut into slots of equal size.
 *
 * The daemon makes the memory and seals its size, so that no client can make a mapped page vanish, and maps it
 * read-only once.  Which slot is in use is not known here (see stream.h).
 */
#ifndef INFERD_POOL_H
#define INFERD_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
	int fd; /* -1 once handed out */
	const uint8_t *base;
	uint32_t n_slots, slot_bytes;
	size_t bytes;
};

/* Bytes that pool_create() will take, slots rounded up to whole pages; 0 when over the protocol's limits. */
size_t pool_bytes(uint32_t n_slots, uint32_t slot_bytes);

/* 0; -EINVAL over the protocol's limits, -EPERM the seals did not hold, -ENOMEM, -EMFILE, ... */
int pool_create(uint32_t n_slots, uint32_t slot_bytes, struct pool *ret_pool);
void pool_finish(struct pool *pool); /* accepts a zeroed pool */

/* Closes the descriptor once the client has its own; the mapping stays. */
void pool_forget_fd(struct pool *pool);

const uint8_t *pool_slot(const struct pool *pool, uint32_t slot);

#endif
