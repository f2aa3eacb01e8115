/* pool.c - see pool.h. */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* From linux/memfd.h; kernels before 6.3 refuse it and are asked again without. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* From linux/magic.h of 5.4 and later. */
#ifndef DMA_BUF_MAGIC
#define DMA_BUF_MAGIC 0x444d4142
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

static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & POOL_SEALS) == POOL_SEALS;
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
	if (!is_sealed(fd)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

/* Whose n_memories are to be mapped. */
static struct pool empty_pool(uint32_t n_slots, uint32_t slot_bytes, bool writable, uint32_t n_memories)
{
	size_t bytes = pool_bytes(n_slots, slot_bytes);

	return (struct pool){.fd = -1,
			     .writable = writable,
			     .n_slots = n_slots,
			     .slot_bytes = page_round(slot_bytes),
			     .bytes = bytes,
			     .memory_bytes = bytes / n_memories};
}

/* The pool's next memory. */
static int map(struct pool *pool, int fd)
{
	int access = pool->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *base = mmap(NULL, pool->memory_bytes, access, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	pool->memory[pool->n_memories].base = base;
	pool->memory[pool->n_memories++].device_fd = -1;
	return 0;
}

int pool_create(uint32_t n_slots, uint32_t slot_bytes, bool writable, struct pool *ret_pool)
{
	struct pool pool = empty_pool(n_slots, slot_bytes, writable, 1);
	int rc;

	if (!pool.bytes)
		return -EINVAL;
	pool.fd = rc = memory_create(pool.bytes);
	if (rc >= 0)
		rc = map(&pool, pool.fd);
	if (rc < 0)
		pool_finish(&pool);
	else
		*ret_pool = pool;
	return rc;
}

/* A file of the other kinds may shrink, or take for ever to read.  Huge pages can be punched away for good. */
static int check_import(int fd, bool *ret_device, const char **ret_reason)
{
	struct statfs status;

	if (fstatfs(fd, &status) < 0)
		return -errno;
	*ret_device = (unsigned long)status.f_type == DMA_BUF_MAGIC;
	if (*ret_device)
		return 0;
	if ((unsigned long)status.f_type != TMPFS_MAGIC || fcntl(fd, F_GET_SEALS) < 0) {
		*ret_reason = "the descriptor is neither a memfd of plain pages nor a dma-buf";
		return -EINVAL;
	}
	if (!is_sealed(fd)) {
		*ret_reason = "the memfd must be sealed against growing, shrinking and further seals";
		return -EPERM;
	}
	return 0;
}

/* One of the memories of a client. */
static int import_one(struct pool *pool, int fd, const char **ret_reason)
{
	bool device = false;
	off_t size;
	int rc = check_import(fd, &device, ret_reason);

	if (rc < 0)
		return rc;
	if (device && pool->writable) {
		*ret_reason = "a mask cannot be written into a dma-buf";
		return -ENOTSUP;
	}
	size = lseek(fd, 0, SEEK_END);
	if (size < 0 || (uint64_t)size < pool->memory_bytes) {
		*ret_reason = "the descriptor's memory is smaller than the slots";
		return -EINVAL;
	}
	rc = map(pool, fd);
	if (rc < 0 || !device)
		return rc;
	rc = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (rc < 0)
		return -errno;
	pool->memory[pool->n_memories - 1].device_fd = rc;
	return 0;
}

/* Slots that lie in each other's memory would spoil each other's frames, which is never meant. */
static bool all_differ(const int *fds, uint32_t n_fds)
{
	struct stat status[IPC_SLOTS_MAX];

	for (uint32_t i = 0; i < n_fds; i++) {
		/* What cannot be looked at is found out below. */
		if (fstat(fds[i], &status[i]) < 0)
			return true;
		for (uint32_t j = 0; j < i; j++)
			if (status[i].st_dev == status[j].st_dev && status[i].st_ino == status[j].st_ino)
				return false;
	}
	return true;
}

static int import_all(struct pool *pool, const int *fds, uint32_t n_fds, const char **ret_reason)
{
	int rc = 0;

	if (!all_differ(fds, n_fds)) {
		*ret_reason = "two slots have the same memory";
		return -EINVAL;
	}
	for (uint32_t i = 0; i < n_fds && rc == 0; i++)
		rc = import_one(pool, fds[i], ret_reason);
	return rc;
}

int pool_import(const int *fds, uint32_t n_fds, uint32_t n_slots, uint32_t slot_bytes, bool writable,
		const char **ret_reason, struct pool *ret_pool)
{
	struct pool pool;
	int rc;

	*ret_reason = "the descriptor's memory cannot be mapped";
	if (!pool_bytes(n_slots, slot_bytes))
		return -EINVAL;
	if (n_fds != 1 && n_fds != n_slots) {
		*ret_reason = "a stream brings one descriptor for all of its slots, or one for each";
		return -EINVAL;
	}
	pool = empty_pool(n_slots, slot_bytes, writable, n_fds);
	pool.imported = true;
	rc = import_all(&pool, fds, n_fds, ret_reason);
	if (rc < 0)
		pool_finish(&pool);
	else
		*ret_pool = pool;
	return rc;
}

void pool_settle(struct pool *pool)
{
	if (pool->fd >= 0)
		close(pool->fd);
	pool->fd = -1;
}

void pool_finish(struct pool *pool)
{
	if (!pool->bytes)
		return;
	pool_settle(pool);
	for (uint32_t i = 0; i < pool->n_memories; i++) {
		munmap(pool->memory[i].base, pool->memory_bytes);
		if (pool->memory[i].device_fd >= 0)
			close(pool->memory[i].device_fd);
	}
	memset(pool, 0, sizeof(*pool));
}

static uint8_t *slot_at(const struct pool *pool, uint32_t slot)
{
	return pool->n_memories > 1 ? pool->memory[slot].base : pool->memory[0].base + (size_t)slot * pool->slot_bytes;
}

const uint8_t *pool_slot(const struct pool *pool, uint32_t slot)
{
	return slot_at(pool, slot);
}

uint8_t *pool_slot_for_writing(const struct pool *pool, uint32_t slot)
{
	return pool->writable ? slot_at(pool, slot) : NULL;
}

static int device_of(const struct pool *pool, uint32_t slot)
{
	return pool->memory[pool->n_memories > 1 ? slot : 0].device_fd;
}

bool pool_is_device(const struct pool *pool, uint32_t slot)
{
	return device_of(pool, slot) >= 0;
}

/* Where it fails there is nothing better to be done than to read what is there. */
static void sync_device(const struct pool *pool, uint32_t slot, uint64_t what)
{
	struct dma_buf_sync sync = {.flags = what | DMA_BUF_SYNC_READ};

	if (!pool_is_device(pool, slot))
		return;
	while (ioctl(device_of(pool, slot), DMA_BUF_IOCTL_SYNC, &sync) < 0 && (errno == EINTR || errno == EAGAIN))
		;
}

void pool_begin_read(const struct pool *pool, uint32_t slot)
{
	sync_device(pool, slot, DMA_BUF_SYNC_START);
}

void pool_end_read(const struct pool *pool, uint32_t slot)
{
	sync_device(pool, slot, DMA_BUF_SYNC_END);
}
