/* A folder that stands for / in the tests of sensors and topology. */
#ifndef INFERD_TEST_ROOT_H
#define INFERD_TEST_ROOT_H

struct test_root {
	char path[64];
	int fd;
};

void test_root_init(struct test_root *root);
void test_root_write(const struct test_root *root, const char *path, const char *text); /* folders included */
void test_root_remove(const struct test_root *root, const char *path);			/* a file or a tree */
void test_root_finish(struct test_root *root);

#endif
