/*
 * pool.h - the shared memory of one stream: made or imported, mapped here once, cut into slots of equal size.
 *
 * Memory that the daemon makes is sealed in its size, so that no client can make a mapped page vanish.  A client may
 * bring its own: a memfd with the same seals, or a dma-buf, whose size the kernel fixes.  Both are mapped read-only,
 * but for models whose answer is a mask; that goes into the slot, and never into a dma-buf. Which slot is in use is not
 * known here (see stream.h).
 */
#ifndef INFERD_POOL_H
#define INFERD_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool {
	int fd; /* -1 once it is not needed any more */
	bool imported;
	bool writable; /* masks may be written into it */
	uint8_t *base;
	uint32_t n_slots, slot_bytes;
	size_t bytes;
};

/* Bytes that pool_create() will take, slots rounded up to whole pages; 0 when over the protocol's limits. */
size_t pool_bytes(uint32_t n_slots, uint32_t slot_bytes);

/* 0; -EINVAL over the protocol's limits, -EPERM the seals did not hold, -ENOMEM, -EMFILE, ... */
int pool_create(uint32_t n_slots, uint32_t slot_bytes, bool writable, struct pool *ret_pool);

/*
 * The same from a client's descriptor (borrowed).  -EINVAL: over the limits, neither a memfd nor a dma-buf, or too
 * small; -EPERM: its size is not sealed; with a constant sentence in *ret_reason.
 */
int pool_import(int fd, uint32_t n_slots, uint32_t slot_bytes, bool writable, const char **ret_reason,
		struct pool *ret_pool);
void pool_finish(struct pool *pool); /* accepts a zeroed pool */

/* Closes the descriptor, once the client has it, unless reading needs it; the mapping stays. */
void pool_settle(struct pool *pool);

const uint8_t *pool_slot(const struct pool *pool, uint32_t slot);
uint8_t *pool_slot_for_writing(const struct pool *pool, uint32_t slot); /* NULL: it is not writable */

/* Around reading pixels: where a device wrote them, caches are brought up to date.  Any thread. */
void pool_begin_read(const struct pool *pool);
void pool_end_read(const struct pool *pool);

#endif
