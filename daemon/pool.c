/* pool.c - see pool.h. */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/ipc.h"

/* From linux/memfd.h; kernels before 6.3 refuse it and are asked again without. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define POOL_SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static uint32_t page_round(uint32_t bytes)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

size_t pool_bytes(uint32_t n_slots, uint32_t slot_bytes)
{
	if (n_slots < 1 || n_slots > IPC_SLOTS_MAX || slot_bytes < 1 || slot_bytes > IPC_SLOT_BYTES_MAX)
		return 0;
	return (size_t)n_slots * page_round(slot_bytes);
}

static int memory_create(size_t bytes)
{
	int fd = memfd_create("inferd-pool", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	int rc;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("inferd-pool", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) < 0 || fcntl(fd, F_ADD_SEALS, POOL_SEALS) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	/* The size must be known to hold: a page that vanishes would be a SIGBUS of the daemon. */
	rc = fcntl(fd, F_GET_SEALS);
	if (rc < 0 || (rc & POOL_SEALS) != POOL_SEALS) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

int pool_create(uint32_t n_slots, uint32_t slot_bytes, struct pool *ret_pool)
{
	size_t bytes = pool_bytes(n_slots, slot_bytes);
	void *base;
	int fd, rc;

	if (!bytes)
		return -EINVAL;
	fd = memory_create(bytes);
	if (fd < 0)
		return fd;
	base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*ret_pool = (struct pool){
		.fd = fd, .base = base, .n_slots = n_slots, .slot_bytes = page_round(slot_bytes), .bytes = bytes};
	return 0;
}

void pool_forget_fd(struct pool *pool)
{
	if (pool->fd >= 0)
		close(pool->fd);
	pool->fd = -1;
}

void pool_finish(struct pool *pool)
{
	if (!pool->base)
		return;
	munmap((void *)(uintptr_t)pool->base, pool->bytes);
	pool_forget_fd(pool);
	memset(pool, 0, sizeof(*pool));
}

const uint8_t *pool_slot(const struct pool *pool, uint32_t slot)
{
	return pool->base + (size_t)slot * pool->slot_bytes;
}
