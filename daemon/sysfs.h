/*
 * sysfs.h - small reads of the kernel's text files, below a root directory.
 *
 * Every path is relative to the root, so that a test can put a directory of its own in the place of /.  A file that
 * is missing or answers with an error is normal and never logged.
 *
 * A line counts only with its newline, which the kernel always writes: "6125" that was cut off "61250" is a number
 * too, and a wrong one.
 */
#ifndef INFERD_SYSFS_H
#define INFERD_SYSFS_H

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

/* Where files are, and how they are read. */
struct sysfs {
	int root_fd;
	/* In the place of pread(2), for tests that let reads fail; NULL: none. */
	ssize_t (*pread)(int fd, void *buffer, size_t size, off_t offset);
};

/*
 * Reads the first line of an open file into text, terminated, without the spaces at its end.  Its length, -ENODATA
 * when the file is empty, -EINVAL when the line does not end within size bytes or has a zero byte, -ENODEV when it was
 * deleted, or the errno of the read.
 */
int sysfs_pread(const struct sysfs *sysfs, int fd, char *text, size_t size);
/* The same by path. */
int sysfs_read(const struct sysfs *sysfs, const char *path, char *text, size_t size);

/*
 * The same by a descriptor that is kept from call to call: *fd is opened where it is -1 or its file was deleted, for
 * another may have taken its place.
 */
int sysfs_read_kept(const struct sysfs *sysfs, const char *path, int *fd, char *text, size_t size);

/* A decimal number that fills the line.  0, -EINVAL when it is not one, or as sysfs_pread(). */
int sysfs_pread_number(const struct sysfs *sysfs, int fd, long long *ret_value);
int sysfs_read_number(const struct sysfs *sysfs, const char *path, long long *ret_value);
int sysfs_read_kept_number(const struct sysfs *sysfs, const char *path, int *fd, long long *ret_value);

/* A descriptor for later sysfs_pread() calls, or negative errno. */
int sysfs_open(const struct sysfs *sysfs, const char *path);
/* Closes it and leaves -1; accepts negative ones. */
void sysfs_close(int *fd);
/* For readdir(3); NULL when there is none. */
DIR *sysfs_open_folder(const struct sysfs *sysfs, const char *path);

#endif
