/*
 * memory.c - what a stream's buffers lie in: one memory with all of them, or one for each.
 *
 * Who made it, and what is written there and when, is not known here.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

void memory_init(struct memory *memory)
{
	*memory = (struct memory){.n = 0};
}

void memory_finish(struct memory *memory)
{
	for (uint32_t i = 0; i < memory->n; i++) {
		if (memory->base[i])
			munmap(memory->base[i], memory->bytes);
		close(memory->fd[i]);
	}
	memory_init(memory);
}

int memory_copy_fds(struct memory *memory, const int *fds, uint32_t n_fds)
{
	for (uint32_t i = 0; i < n_fds; i++) {
		int r, fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			r = -errno;
			memory_finish(memory);
			return r;
		}
		memory_take_fd(memory, fd);
	}
	return 0;
}

void memory_take_fd(struct memory *memory, int fd)
{
	memory->base[memory->n] = NULL;
	memory->fd[memory->n++] = fd;
}

/* What cannot be written may be a camera's. */
static void *map_one(int fd, size_t bytes, bool *read_only)
{
	void *base = MAP_FAILED;

	if (!*read_only)
		base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base != MAP_FAILED || !(*read_only || errno == EACCES || errno == EPERM))
		return base;
	*read_only = true;
	return mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
}

int memory_map(struct memory *memory, uint32_t n_slots, uint32_t slot_bytes)
{
	if (memory->n != 1 && memory->n != n_slots)
		return -EPROTO;
	memory->slot_bytes = slot_bytes;
	memory->bytes = (size_t)n_slots * slot_bytes / memory->n;
	for (uint32_t i = 0; i < memory->n; i++) {
		/* Its size is looked at first, because touching pages behind a file's end kills. */
		off_t size = lseek(memory->fd[i], 0, SEEK_END);
		void *base;

		if (size < 0 || (uint64_t)size < memory->bytes)
			return -EPROTO;
		base = map_one(memory->fd[i], memory->bytes, &memory->read_only);
		if (base == MAP_FAILED)
			return -errno;
		memory->base[i] = base;
	}
	return 0;
}

uint8_t *memory_slot(const struct memory *memory, size_t index)
{
	return memory->n > 1 ? memory->base[index] : memory->base[0] + index * memory->slot_bytes;
}
