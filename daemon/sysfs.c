/* sysfs.c - see sysfs.h. */
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sysfs_open(const struct sysfs *sysfs, const char *path)
{
	/* Non-blocking, because a file below a root of somebody's own may be a pipe. */
	int fd = openat(sysfs->root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

void sysfs_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

DIR *sysfs_open_folder(const struct sysfs *sysfs, const char *path)
{
	int fd = openat(sysfs->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder;

	if (fd < 0)
		return NULL;
	folder = fdopendir(fd);
	if (!folder)
		close(fd);
	return folder;
}

int sysfs_pread(const struct sysfs *sysfs, int fd, char *text, size_t size)
{
	struct stat status;
	ssize_t n;
	char *end;

	/* The kernel says so by itself; a file below a root of somebody's own may have been replaced by another. */
	if (fstat(fd, &status) < 0 || status.st_nlink == 0)
		return -ENODEV;
	n = sysfs->pread ? sysfs->pread(fd, text, size, 0) : pread(fd, text, size, 0);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENODATA;
	end = memchr(text, '\n', (size_t)n);
	if (!end || memchr(text, '\0', (size_t)(end - text)))
		return -EINVAL;
	while (end > text && end[-1] == ' ')
		end--;
	*end = '\0';
	return (int)(end - text);
}

int sysfs_read(const struct sysfs *sysfs, const char *path, char *text, size_t size)
{
	int fd = sysfs_open(sysfs, path);
	int rc;

	if (fd < 0)
		return fd;
	rc = sysfs_pread(sysfs, fd, text, size);
	close(fd);
	return rc;
}

int sysfs_read_kept(const struct sysfs *sysfs, const char *path, int *fd, char *text, size_t size)
{
	int rc = *fd >= 0 ? sysfs_pread(sysfs, *fd, text, size) : -ENODEV;

	if (rc != -ENODEV)
		return rc;
	sysfs_close(fd);
	rc = sysfs_open(sysfs, path);
	if (rc < 0)
		return rc;
	*fd = rc;
	return sysfs_pread(sysfs, *fd, text, size);
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

int sysfs_pread_number(const struct sysfs *sysfs, int fd, long long *ret_value)
{
	char text[32];
	int rc = sysfs_pread(sysfs, fd, text, sizeof(text));

	return rc < 0 ? rc : parse_number(text, ret_value);
}

int sysfs_read_number(const struct sysfs *sysfs, const char *path, long long *ret_value)
{
	char text[32];
	int rc = sysfs_read(sysfs, path, text, sizeof(text));

	return rc < 0 ? rc : parse_number(text, ret_value);
}

int sysfs_read_kept_number(const struct sysfs *sysfs, const char *path, int *fd, long long *ret_value)
{
	char text[32];
	int rc = sysfs_read_kept(sysfs, path, fd, text, sizeof(text));

	return rc < 0 ? rc : parse_number(text, ret_value);
}
