/* sysfs.c - see sysfs.h. */
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int sysfs_open(int root_fd, const char *path)
{
	/* Non-blocking, because a file below a root of somebody's own may be a pipe. */
	int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int sysfs_pread(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	if (n < 0)
		return -errno;
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = '\0';
	return (int)n;
}

int sysfs_read(int root_fd, const char *path, char *text, size_t size)
{
	int fd = sysfs_open(root_fd, path);
	int rc;

	if (fd < 0)
		return fd;
	rc = sysfs_pread(fd, text, size);
	close(fd);
	return rc;
}

static int parse_number(const char *text, long long *ret_value)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int sysfs_pread_number(int fd, long long *ret_value)
{
	char text[32];
	int rc = sysfs_pread(fd, text, sizeof(text));

	return rc < 0 ? rc : parse_number(text, ret_value);
}

int sysfs_read_number(int root_fd, const char *path, long long *ret_value)
{
	char text[32];
	int rc = sysfs_read(root_fd, path, text, sizeof(text));

	return rc < 0 ? rc : parse_number(text, ret_value);
}
