/*
 * pool.h - the shared memory of one stream: made or imported, mapped here once, cut into slots of equal size.
 *
 * Memory that the daemon makes is sealed in its size, so that no client can make a mapped page vanish.  A client may
 * bring its own, one for all slots or one for each: memfds with the same seals, or dma-bufs, whose size the kernel
 * fixes.  All are mapped read-only, but for models whose answer is a mask; that goes into the slot, and never into a
 * dma-buf.  Which slot is in use is not known here (see stream.h).
 */
#ifndef INFERD_POOL_H
#define INFERD_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/ipc.h"

struct pool {
	int fd; /* of memory that was made here; -1 once it is not needed any more */
	bool imported;
	bool writable; /* masks may be written into it */
	uint32_t n_slots, slot_bytes;
	size_t bytes;
	uint32_t n_memories; /* mapped: 1 with all slots, or one for each */
	size_t memory_bytes; /* of each */
	struct {
		uint8_t *base;
		int device_fd; /* of a dma-buf, ours to close; -1: it is plain memory */
	} memory[IPC_SLOTS_MAX];
};

/* Bytes that pool_create() will take, slots rounded up to whole pages; 0 when over the protocol's limits. */
size_t pool_bytes(uint32_t n_slots, uint32_t slot_bytes);

/* 0; -EINVAL over the protocol's limits, -EPERM the seals did not hold, -ENOMEM, -EMFILE, ... */
int pool_create(uint32_t n_slots, uint32_t slot_bytes, bool writable, struct pool *ret_pool);

/*
 * The same from a client's descriptors (borrowed): one with all slots, or n_slots with one each.  -EINVAL: over the
 * limits, another number of them, neither memfd nor dma-buf, too small, or the same memory twice; -EPERM: its size is
 * not sealed; -ENOTSUP: a dma-buf, to be written into; with a constant sentence in *ret_reason.
 */
int pool_import(const int *fds, uint32_t n_fds, uint32_t n_slots, uint32_t slot_bytes, bool writable,
		const char **ret_reason, struct pool *ret_pool);
void pool_finish(struct pool *pool); /* accepts a zeroed pool */

/* Closes the descriptor of memory that was made here, once the client has it; the mapping stays. */
void pool_settle(struct pool *pool);

/* Whether a device may have written the slot, so that it must only be read between the two below. */
bool pool_is_device(const struct pool *pool, uint32_t slot);

const uint8_t *pool_slot(const struct pool *pool, uint32_t slot);
uint8_t *pool_slot_for_writing(const struct pool *pool, uint32_t slot); /* NULL: it is not writable */

/* Around reading a slot's pixels: where a device wrote them, caches are brought up to date.  Any thread. */
void pool_begin_read(const struct pool *pool, uint32_t slot);
void pool_end_read(const struct pool *pool, uint32_t slot);

#endif
