/* A folder that stands for / in the tests of sensors and topology. */
#ifndef INFERD_TEST_ROOT_H
#define INFERD_TEST_ROOT_H

#include <sys/types.h>

struct test_root {
	char path[64];
	int fd;
};

void test_root_init(struct test_root *root);
void test_root_write(const struct test_root *root, const char *path, const char *text); /* folders included */
void test_root_remove(const struct test_root *root, const char *path);			/* a file or a tree */
/* Another file in the place of this one, as programs do that never show a half of it. */
void test_root_replace(const struct test_root *root, const char *path, const char *text);
void test_root_finish(struct test_root *root);

/*
 * A stand-in for pread(2).  Files whose path ends like this fail with this errno, or, when that is 0, hold this text;
 * all others are read.  NULL: all are read.  Texts are borrowed; setting it begins to count anew.
 */
void test_reader_set(const char *path_end, int error, const char *text);
ssize_t test_reader(int fd, void *buffer, size_t size, off_t offset);
/* How often files whose path ends like this were read, of the last few. */
int test_reader_count(const char *path_end);

#endif
