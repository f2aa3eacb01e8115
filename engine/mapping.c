/* mapping.c - see mapping.h. */
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graph.h"

/* Not to hang on a pipe, and not to take a device. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK)

int mapping_of(int fd, struct mapping *ret_mapping)
{
	struct mapping mapping = {0};
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size == 0)
		r = -EINVAL;
	else if ((uint64_t)st.st_size > ENGINE_FILE_BYTES_MAX)
		r = -EFBIG;
	if (r == 0) {
		mapping.size = (size_t)st.st_size;
		mapping.data = mmap(NULL, mapping.size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (mapping.data == MAP_FAILED)
			r = -errno;
	}
	close(fd);
	if (r == 0)
		*ret_mapping = mapping;
	return r;
}

int mapping_open(const char *path, struct engine_error *ret_error, struct mapping *ret_mapping)
{
	int fd = open(path, OPEN_FLAGS), r = fd < 0 ? -errno : mapping_of(fd, ret_mapping);

	if (r == -EINVAL)
		return graph_error(ret_error, r, "%.160s: empty, or not a regular file", path);
	if (r < 0)
		return graph_error(ret_error, r, "%.160s: %s", path, strerror(-r));
	return 0;
}

void mapping_close(struct mapping *mapping)
{
	if (mapping->data)
		munmap(mapping->data, mapping->size);
	*mapping = (struct mapping){0};
}

void mapping_release(const struct mapping *mapping, const void *data, size_t bytes)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)mapping->data, from = (uintptr_t)data;

	if (!mapping->data || from < start || from - start > mapping->size || bytes > mapping->size - (from - start))
		return;
	bytes += from % page;
	from -= from % page;
	madvise((void *)from, bytes, MADV_DONTNEED);
}

/* ---- files beside a model ---------------------------------------------------------------------- */

static int open_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = folder ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1, r = folder ? -errno : -ENOMEM;

	free(folder);
	return fd >= 0 ? fd : r;
}

static bool leads_out(const char *location)
{
	for (const char *part = location; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0'))
			return true;
	}
	return location[0] == '/';
}

/*
 * Folder by folder and never through a link, so that nothing that is swapped in the meantime leads out.  Consumes the
 * folder; cuts the location into its parts.
 */
static int open_beneath(int folder, char *location)
{
	char *part = location, *slash;
	int fd, r;

	while ((slash = strchr(part, '/'))) {
		int below;

		*slash = '\0';
		below = openat(folder, *part ? part : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = -errno;
		close(folder);
		if (below < 0)
			return r;
		folder = below;
		part = slash + 1;
	}
	fd = openat(folder, part, OPEN_FLAGS | O_NOFOLLOW);
	r = fd < 0 ? -errno : fd;
	close(folder);
	return r;
}

static int map_beneath(const char *path, const char *location, struct mapping *ret_mapping)
{
	char *parts = strdup(location);
	int fd = parts ? open_folder(path) : -ENOMEM;

	if (fd >= 0)
		fd = open_beneath(fd, parts);
	free(parts);
	return fd < 0 ? fd : mapping_of(fd, ret_mapping);
}

int mapping_beside(struct mapping_beside *beside, const char *location, struct mapping *ret_mapping)
{
	int n = beside->n_files, r;
	char *name;

	for (int i = 0; i < n; i++)
		if (strcmp(beside->files[i].location, location) == 0) {
			*ret_mapping = beside->files[i].mapping;
			return 0;
		}
	if (!beside->path || !*location || leads_out(location))
		return -EPERM;
	if (n == MAPPING_BESIDE_MAX)
		return -EMFILE;
	name = strdup(location);
	r = name ? map_beneath(beside->path, location, &beside->files[n].mapping) : -ENOMEM;
	if (r < 0) {
		free(name);
		return r;
	}
	beside->files[n].location = name;
	beside->n_files++;
	*ret_mapping = beside->files[n].mapping;
	return 0;
}

void mapping_beside_release(const struct mapping_beside *beside, const void *data, size_t bytes)
{
	for (int i = 0; i < beside->n_files; i++)
		mapping_release(&beside->files[i].mapping, data, bytes);
}

void mapping_beside_finish(struct mapping_beside *beside)
{
	for (int i = 0; i < beside->n_files; i++) {
		free(beside->files[i].location);
		mapping_close(&beside->files[i].mapping);
	}
	beside->n_files = 0;
}
