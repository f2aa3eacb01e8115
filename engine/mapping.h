/*
 * mapping.h - files mapped to be read: the one a caller names, and those that a model's file names beside itself.
 */
#ifndef INFERD_MAPPING_H
#define INFERD_MAPPING_H

#include "operator.h"

#define MAPPING_BESIDE_MAX 16 /* files that one model may name */

struct mapping {
	void *data;
	size_t size;
};

/* A regular file that is not empty and not over ENGINE_FILE_BYTES_MAX.  0, or a negative errno and a sentence. */
int mapping_open(const char *path, struct engine_error *ret_error, struct mapping *ret_mapping);
/* The same of an open file, which is consumed.  0, -EINVAL, -EFBIG and others of fstat() and mmap(). */
int mapping_of(int fd, struct mapping *ret_mapping);
void mapping_close(struct mapping *mapping); /* accepts a zeroed one */
/*
 * Gives back the memory of the pages that hold these bytes, if they are of this mapping; what reads them again finds
 * them in the file.
 */
void mapping_release(const struct mapping *mapping, const void *data, size_t bytes);

/* Files in the folder of `path`, or below it; each is mapped once, and stays until mapping_beside_finish(). */
struct mapping_beside {
	const char *path; /* borrowed; NULL: there is no folder */
	struct {
		char *location; /* owned */
		struct mapping mapping;
	} files[MAPPING_BESIDE_MAX];
	int n_files;
};

/*
 * The file at `location`, a path from the folder of the model.  A hostile model must not read elsewhere: absolute
 * paths, "..", and symbolic links on the way are refused.  0; -ENOENT and others of open(), -EPERM for such a path,
 * -ELOOP or -ENOTDIR for a link, -EINVAL for what is empty or no regular file, -EFBIG, -EMFILE over
 * MAPPING_BESIDE_MAX, -ENOMEM.
 */
int mapping_beside(struct mapping_beside *beside, const char *location, struct mapping *ret_mapping);
void mapping_beside_release(const struct mapping_beside *beside, const void *data, size_t bytes);
void mapping_beside_finish(struct mapping_beside *beside);

#endif
