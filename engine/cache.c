/*
 * cache.c - networks kept in a folder as files of the engine's own; see engine_model_load_cached().
 *
 * A file is written under another name and renamed when it is whole, so that readers and other writers find all of it
 * or nothing; mappings outlive what is removed.  Its checksum finds what storage does to it.  Who may write to the
 * folder is whom the process is run by, and nobody else is trusted with it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <trim.h>
#include <unistd.h>

#include "checksum.h"
#include "model.h"
#include "packed.h"
#include "trial.h"

#define NAME_BYTES 96
#define SUFFIX	   ".packed"
#define TEMPORARY  ".new-"
/* A multiple of every page's size that stays in the second-level cache. */
#define PIECE_BYTES (256u << 10)

static bool is_private(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* The folder, or a negative errno and a sentence. */
static int open_folder(const char *path, struct engine_error *note)
{
	struct stat st;
	int fd;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return graph_error(note, -errno, "%.160s cannot be made: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return graph_error(note, -errno, "%.160s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && is_private(&st))
		return fd;
	close(fd);
	return graph_error(note, -EPERM, "%.160s belongs to another user, or others may write to it", path);
}

/* ---- names ------------------------------------------------------------------------------------- */

/* Piece by piece: each is read once for both sums, and not all of a file is held. */
static void add_sums(const struct mapping *mapping, uint64_t sums[2])
{
	const uint8_t *data = mapping->data;

	for (size_t at = 0; at < mapping->size; at += PIECE_BYTES) {
		size_t n = mapping->size - at < PIECE_BYTES ? mapping->size - at : PIECE_BYTES;

		for (int i = 0; i < 2; i++)
			sums[i] = checksum(data + at, n, sums[i]);
		mapping_release(mapping, data + at, n);
	}
}

/* What the network's files hold, in 128 bits; and all else that a converted file rests on. */
static void name_of(const struct mapping *file, const struct mapping *weights, size_t winograd_bytes,
		    char ret_name[NAME_BYTES])
{
	uint64_t sums[2] = {1, 2};

	add_sums(file, sums);
	add_sums(weights, sums);
	snprintf(ret_name, NAME_BYTES, "%016" PRIx64 "%016" PRIx64 "-%d-%s-%s-%zu" SUFFIX, sums[0], sums[1],
		 PACKED_VERSION, kernels_get()->level, trials_mode_name(trials_shared()), winograd_bytes);
}

static bool is_entry(const char *name)
{
	size_t n = strlen(name), hex = strspn(name, "0123456789abcdef");

	return hex == 32 && name[hex] == '-' && n < NAME_BYTES && n > strlen(SUFFIX) &&
	       strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* The entry mapped, and noted as used.  -ENOENT where there is none; of what others could have written -EPERM. */
static int map_entry(int folder, const char *name, struct mapping *ret_mapping)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || !is_private(&st)) {
		close(fd);
		return -EPERM;
	}
	futimens(fd, NULL);
	return mapping_of(fd, ret_mapping);
}

/* -ENOENT where there is none.  What is there and cannot be used is removed, and the note says why. */
static int load_entry(int folder, const char *name, const char *path, struct engine_error *note,
		      struct engine_model **ret_model)
{
	struct engine_error error = {""};
	struct mapping mapping = {0}, none = {0};
	int r = map_entry(folder, name, &mapping);

	if (r == 0 && !packed_is(mapping.data, mapping.size))
		r = -EINVAL;
	if (r == 0)
		r = model_load_mapped(path, PASSES_ALL, &mapping, &none, &error, ret_model);
	mapping_close(&mapping);
	if (r == 0 || r == -ENOENT)
		return r;
	unlinkat(folder, name, 0);
	return graph_error(note, r, "%.40s is made anew: %.180s", name,
			   r == -EPERM	   ? "others may have written it"
			   : error.text[0] ? error.text
					   : strerror(-r));
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* Adds up the entries' bytes, and finds the one not used for longest; removes files of processes that ended while they
 * wrote. */
static uint64_t survey(int folder, DIR *dir, char ret_oldest[NAME_BYTES])
{
	struct timespec oldest = {0};
	const struct dirent *entry;
	uint64_t bytes = 0;

	ret_oldest[0] = '\0';
	rewinddir(dir);
	while ((entry = readdir(dir))) {
		bool temporary = strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0;
		struct stat st;

		if ((!temporary && !is_entry(entry->d_name)) ||
		    fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (temporary) {
			if (kill((pid_t)strtol(entry->d_name + strlen(TEMPORARY), NULL, 10), 0) < 0 && errno == ESRCH)
				unlinkat(folder, entry->d_name, 0);
			continue;
		}
		bytes += st.st_size > 0 ? (uint64_t)st.st_size : 0;
		if (ret_oldest[0] && (st.st_mtim.tv_sec > oldest.tv_sec ||
				      (st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec >= oldest.tv_nsec)))
			continue;
		oldest = st.st_mtim;
		snprintf(ret_oldest, NAME_BYTES, "%.95s", entry->d_name);
	}
	return bytes;
}

/* Removes what was not used for longest until there is room for so many bytes. */
static int make_room(int folder, uint64_t bytes, uint64_t max_bytes)
{
	int fd = bytes > max_bytes ? -1 : dup(folder);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char oldest[NAME_BYTES];
	int r = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return bytes > max_bytes ? -EFBIG : -errno;
	}
	while (r == 0 && survey(folder, dir, oldest) > max_bytes - bytes)
		r = oldest[0] && unlinkat(folder, oldest, 0) == 0 ? 0 : -ENOSPC;
	closedir(dir);
	return r;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		size -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int write_entry(int folder, const char *name, const uint8_t *data, size_t size, uint64_t max_bytes)
{
	static atomic_uint counter;
	char temporary[NAME_BYTES];
	int r = make_room(folder, size, max_bytes), fd;

	if (r < 0)
		return r;
	snprintf(temporary, sizeof(temporary), TEMPORARY "%ld-%u", (long)getpid(), atomic_fetch_add(&counter, 1));
	fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, size);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(folder, temporary, folder, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, temporary, 0);
	else
		fsync(folder);
	return r;
}

/* Puts the network into the folder. */
static int keep(struct engine_model *model, int folder, const char *name, uint64_t max_bytes, struct engine_error *note)
{
	const struct engine_plan_options own = {0};
	const struct engine_plan *plan;
	struct engine_error error = {""};
	uint8_t *data = NULL;
	size_t size = 0;
	int r;

	if (!model_is_packable(model))
		return -ENOTSUP;
	r = engine_model_plan(model, &own, &error, &plan);
	if (r == 0)
		r = engine_model_pack(model, ENGINE_PACK_PANELS, &error, &data, &size);
	if (r == 0)
		r = write_entry(folder, name, data, size, max_bytes);
	free(data);
	return r == 0 ? 0
		      : graph_error(note, r, "%.40s is not kept: %.180s", name,
				    error.text[0] ? error.text
				    : r == -EFBIG ? "it is too large"
						  : strerror(-r));
}

/* The network's files are mapped once: they are kept under the name of what was read, whatever replaces them. */
static int load_by_way_of(const char *path, int folder, uint64_t max_bytes, size_t winograd_bytes, struct mapping *file,
			  struct mapping *weights, struct engine_error *error, struct engine_error *note,
			  struct engine_model **ret_model)
{
	struct engine_model *model = NULL, *kept;
	char name[NAME_BYTES];
	int r;

	name_of(file, weights, winograd_bytes, name);
	if (load_entry(folder, name, path, note, ret_model) == 0)
		return 0;
	r = model_load_mapped(path, PASSES_ALL, file, weights, error, &model);
	if (r < 0)
		return r;
	engine_model_limit_winograd(model, winograd_bytes);
	*ret_model = model;
	if (keep(model, folder, name, max_bytes, note) == 0 && load_entry(folder, name, path, note, &kept) == 0) {
		engine_model_destroy(model);
		*ret_model = kept;
	}
	return 0;
}

int engine_model_load_cached(const char *path, const char *folder, uint64_t max_bytes, size_t winograd_bytes,
			     struct engine_error *ret_error, struct engine_error *ret_note,
			     struct engine_model **ret_model)
{
	struct engine_error unread;
	struct engine_error *note = ret_note ? ret_note : &unread;
	struct mapping file, weights;
	int fd = -1, r;

	note->text[0] = '\0';
	r = model_map(path, ret_error, &file, &weights);
	if (r < 0)
		return r;
	if (WITH_FORMAT_converted && !packed_is(file.data, file.size))
		fd = open_folder(folder, note);
	if (fd < 0)
		r = model_load_mapped(path, PASSES_ALL, &file, &weights, ret_error, ret_model);
	else
		r = load_by_way_of(path, fd, max_bytes, winograd_bytes, &file, &weights, ret_error, note, ret_model);
	if (fd >= 0)
		close(fd);
	else if (r == 0)
		engine_model_limit_winograd(*ret_model, winograd_bytes);
	mapping_close(&file);
	mapping_close(&weights);
	return r;
}
