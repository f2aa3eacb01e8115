#include "test_root.h"

#include <errno.h>
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

void test_root_replace(const struct test_root *root, const char *path, const char *text)
{
	char fresh[512];

	snprintf(fresh, sizeof(fresh), "%s.fresh", path);
	test_root_write(root, fresh, text);
	cr_assert_eq(renameat(root->fd, fresh, root->fd, path), 0);
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

/* ---- the reader ----------------------------------------------------------------------------------- */

static struct {
	const char *path_end, *text;
	int error;
	int n_reads;
	char paths[64][256];
} reader;

void test_reader_set(const char *path_end, int error, const char *text)
{
	memset(&reader, 0, sizeof(reader));
	reader.path_end = path_end;
	reader.error = error;
	reader.text = text;
}

static bool ends_like(const char *path, const char *end)
{
	size_t length = strlen(path), end_length = strlen(end);

	return length >= end_length && !strcmp(path + length - end_length, end);
}

ssize_t test_reader(int fd, void *buffer, size_t size, off_t offset)
{
	char link[64], *path = reader.paths[reader.n_reads++ % 64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(reader.paths[0]) - 1);
	cr_assert_gt(length, 0);
	path[length] = '\0';
	if (!reader.path_end || !ends_like(path, reader.path_end))
		return pread(fd, buffer, size, offset);
	if (reader.error) {
		errno = reader.error;
		return -1;
	}
	length = (ssize_t)strnlen(reader.text, size);
	memcpy(buffer, reader.text, (size_t)length);
	return length;
}

int test_reader_count(const char *path_end)
{
	int count = 0;

	for (int i = 0; i < 64; i++)
		count += ends_like(reader.paths[i], path_end);
	return count;
}
