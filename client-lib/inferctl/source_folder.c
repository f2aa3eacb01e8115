/*
 * source_folder.c - the pictures of a folder, in the order of their names.
 *
 * Its own files only: hidden ones and folders within are left out, and files that are no pictures are passed over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source_kind.h"

struct folder {
	struct source source;
	struct dirent **files;
	int n_files, at;
	struct source *picture; /* given last */
	char *picture_path;
	bool gave_any, any_broken;
};

static void close_picture(struct folder *folder)
{
	source_close(folder->picture);
	folder->picture = NULL;
	free(folder->picture_path);
	folder->picture_path = NULL;
}

static int open_picture(struct folder *folder, const char *name, struct source_error *ret_error)
{
	struct reader reader;
	int r, fd;

	if (asprintf(&folder->picture_path, "%s/%s", folder->source.path, name) < 0) {
		folder->picture_path = NULL;
		return source_fail(ret_error, -ENOMEM, folder->source.path, "out of memory");
	}
	fd = open(folder->picture_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		r = -errno;
		return source_fail(ret_error, r, folder->picture_path, "cannot be opened: %s", strerror(-r));
	}
	reader_init(&reader, fd, true);
	r = reader_is_file(&reader) ? source_picture_open(folder->picture_path, &reader, ret_error, &folder->picture)
				    : -ENOTSUP;
	if (r < 0)
		reader_finish(&reader);
	return r;
}

static int next_in_folder(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	struct folder *folder = (struct folder *)source;
	struct source_error cause = {{0}};

	while (folder->at < folder->n_files) {
		int r;

		close_picture(folder);
		r = open_picture(folder, folder->files[folder->at++]->d_name, &cause);
		if (r == 0) {
			folder->gave_any = true;
			return source_next(folder->picture, ret_error, ret_frame);
		}
		if (r == -ENOTSUP)
			continue;
		/* The next may be whole. */
		folder->any_broken = true;
		*ret_error = cause;
		return r == -ENOMEM ? r : SOURCE_E_BROKEN;
	}
	if (folder->gave_any || folder->any_broken)
		return SOURCE_E_END;
	return source_fail(ret_error, -ENOENT, source->path, "none of the %d files in the folder is a JPEG, PNG or BMP",
			   folder->n_files);
}

static int rewind_folder(struct source *source, struct source_error *ret_error)
{
	(void)ret_error;
	((struct folder *)source)->at = 0;
	return 0;
}

static void close_folder(struct source *source)
{
	struct folder *folder = (struct folder *)source;

	close_picture(folder);
	for (int i = 0; i < folder->n_files; i++)
		free(folder->files[i]);
	free(folder->files);
	free(folder);
}

static const struct source_ops folder_ops = {
	.next = next_in_folder,
	.rewind = rewind_folder,
	.close = close_folder,
};

/* Whether it is a file is only known for sure when it is opened. */
static int may_be_picture(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && entry->d_type != DT_DIR;
}

/* By their bytes: alphasort() would order by the user's language, and so differently on every device. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int source_folder_open(const char *path, struct source_error *ret_error, struct source **ret_source)
{
	struct folder *folder = source_create(sizeof(*folder), &folder_ops, path, ret_error);
	int r = 0;

	if (!folder)
		return -ENOMEM;
	folder->n_files = scandir(path, &folder->files, may_be_picture, by_name);
	if (folder->n_files < 0) {
		r = source_fail(ret_error, -errno, path, "cannot be read: %s", strerror(errno));
		folder->n_files = 0;
	} else if (folder->n_files == 0) {
		r = source_fail(ret_error, -ENOENT, path, "the folder is empty");
	}
	if (r < 0)
		source_close(&folder->source);
	else
		*ret_source = &folder->source;
	return r;
}
