#include "test_root.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

void test_root_init(struct test_root *root)
{
	snprintf(root->path, sizeof(root->path), "/tmp/inferd-root-XXXXXX");
	cr_assert_not_null(mkdtemp(root->path));
	root->fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(root->fd, 0);
}

void test_root_write(const struct test_root *root, const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s", root->path, path);
	for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(whole, 0755);
		*slash = '/';
	}
	file = fopen(whole, "w");
	cr_assert_not_null(file, "cannot write %s", whole);
	fputs(text, file);
	fclose(file);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void test_root_remove(const struct test_root *root, const char *path)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s/%s", root->path, path);
	nftw(whole, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void test_root_finish(struct test_root *root)
{
	close(root->fd);
	test_root_remove(root, "");
}
