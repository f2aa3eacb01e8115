/* pool.c - see pool.h. */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ipc/ipc.h"

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

static int map(int fd, uint32_t n_slots, uint32_t slot_bytes, bool writable, struct pool *ret_pool)
{
	size_t bytes = pool_bytes(n_slots, slot_bytes);
	void *base = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	*ret_pool = (struct pool){.fd = fd,
				  .writable = writable,
				  .base = base,
				  .n_slots = n_slots,
				  .slot_bytes = page_round(slot_bytes),
				  .bytes = bytes};
	return 0;
}

int pool_create(uint32_t n_slots, uint32_t slot_bytes, bool writable, struct pool *ret_pool)
{
	size_t bytes = pool_bytes(n_slots, slot_bytes);
	int fd, rc;

	if (!bytes)
		return -EINVAL;
	fd = memory_create(bytes);
	if (fd < 0)
		return fd;
	rc = map(fd, n_slots, slot_bytes, writable, ret_pool);
	if (rc < 0)
		close(fd);
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

int pool_import(int fd, uint32_t n_slots, uint32_t slot_bytes, bool writable, const char **ret_reason,
		struct pool *ret_pool)
{
	size_t bytes = pool_bytes(n_slots, slot_bytes);
	bool device = false;
	off_t size;
	int rc;

	*ret_reason = "the descriptor's memory cannot be mapped";
	if (!bytes)
		return -EINVAL;
	rc = check_import(fd, &device, ret_reason);
	if (rc < 0)
		return rc;
	if (device && writable) {
		*ret_reason = "a mask cannot be written into a dma-buf";
		return -ENOTSUP;
	}
	size = lseek(fd, 0, SEEK_END);
	if (size < 0 || (uint64_t)size < bytes) {
		*ret_reason = "the descriptor's memory is smaller than the slots";
		return -EINVAL;
	}
	fd = device ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : fd;
	if (fd < 0)
		return -errno;
	rc = map(fd, n_slots, slot_bytes, writable, ret_pool);
	if (rc < 0 && device)
		close(fd);
	if (rc < 0)
		return rc;
	ret_pool->imported = true;
	if (!device)
		ret_pool->fd = -1;
	return 0;
}

static void forget_fd(struct pool *pool)
{
	if (pool->fd >= 0)
		close(pool->fd);
	pool->fd = -1;
}

void pool_settle(struct pool *pool)
{
	if (!pool->imported)
		forget_fd(pool);
}

void pool_finish(struct pool *pool)
{
	if (!pool->base)
		return;
	munmap(pool->base, pool->bytes);
	forget_fd(pool);
	memset(pool, 0, sizeof(*pool));
}

const uint8_t *pool_slot(const struct pool *pool, uint32_t slot)
{
	return pool->base + (size_t)slot * pool->slot_bytes;
}

uint8_t *pool_slot_for_writing(const struct pool *pool, uint32_t slot)
{
	return pool->writable ? pool->base + (size_t)slot * pool->slot_bytes : NULL;
}

/* Where it fails there is nothing better to be done than to read what is there. */
static void sync_device(const struct pool *pool, uint64_t what)
{
	struct dma_buf_sync sync = {.flags = what | DMA_BUF_SYNC_READ};

	if (!pool->imported || pool->fd < 0)
		return;
	while (ioctl(pool->fd, DMA_BUF_IOCTL_SYNC, &sync) < 0 && (errno == EINTR || errno == EAGAIN))
		;
}

void pool_begin_read(const struct pool *pool)
{
	sync_device(pool, DMA_BUF_SYNC_START);
}

void pool_end_read(const struct pool *pool)
{
	sync_device(pool, DMA_BUF_SYNC_END);
}
