/*
 * sysfs.h - small reads of the kernel's text files, below a root directory.
 *
 * Every path is relative to root_fd, so that a test can put a directory of its own in the place of /.  A file that
 * is missing or answers with an error is normal and never logged.
 */
#ifndef INFERD_SYSFS_H
#define INFERD_SYSFS_H

#include <stddef.h>

/* Reads the start of an open file into text, terminated, without its final newline.  Length or negative errno. */
int sysfs_pread(int fd, char *text, size_t size);
/* The same by path. */
int sysfs_read(int root_fd, const char *path, char *text, size_t size);

/* A decimal number that fills the file.  0, -EINVAL when it is not one, or the errno of the read. */
int sysfs_pread_number(int fd, long long *ret_value);
int sysfs_read_number(int root_fd, const char *path, long long *ret_value);

/* A descriptor for later sysfs_pread() calls, or negative errno. */
int sysfs_open(int root_fd, const char *path);

#endif
