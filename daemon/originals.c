/* originals.c - see originals.h. */
#include "originals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Filesystems without files that have no name get one that is taken away at once. */
static int open_named(const char *dir)
{
	char path[1100];
	int fd;

	if (snprintf(path, sizeof(path), "%s/vectors.XXXXXX", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

int originals_open(struct originals *originals, const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = open_named(dir);
	if (fd < 0)
		return fd;
	originals->fd = fd;
	originals->end = 0;
	atomic_init(&originals->memory_bytes, 0);
	return 0;
}

void originals_close(struct originals *originals)
{
	close(originals->fd);
}

off_t originals_take(struct originals *originals, size_t bytes)
{
	off_t at = originals->end;

	originals->end += (off_t)bytes;
	return at;
}

void originals_free(const struct originals *originals, off_t at, size_t bytes)
{
	/* Where holes cannot be made the room comes back with the end of the process. */
	(void)!fallocate(originals->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)bytes);
}

int originals_write(const struct originals *originals, off_t at, const void *data, size_t bytes)
{
	const uint8_t *from = data;

	while (bytes > 0) {
		ssize_t n = pwrite(originals->fd, from, bytes, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int originals_read(const struct originals *originals, off_t at, void *ret_data, size_t bytes)
{
	uint8_t *to = ret_data;

	while (bytes > 0) {
		ssize_t n = pread(originals->fd, to, bytes, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}
