/* camera.c - see camera.h. */
#include "camera.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int kernel_open(void *user, const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	(void)user;
	return fd < 0 ? -errno : fd;
}

static int kernel_ioctl(void *user, int fd, unsigned long request, void *argument)
{
	(void)user;
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static int kernel_map(void *user, int fd, size_t length, uint32_t offset, void **ret_memory)
{
	void *memory = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t)offset);

	(void)user;
	if (memory == MAP_FAILED)
		return -errno;
	*ret_memory = memory;
	return 0;
}

static void kernel_unmap(void *user, void *memory, size_t length)
{
	(void)user;
	munmap(memory, length);
}

static void kernel_close(void *user, int fd)
{
	(void)user;
	close(fd);
}

const struct camera_ops camera_kernel = {
	.open = kernel_open,
	.ioctl = kernel_ioctl,
	.map = kernel_map,
	.unmap = kernel_unmap,
	.close = kernel_close,
};
