/*
 * npy.h - NumPy's .npy files: one dense array each.
 *
 * Reads versions 1 and 2, C order, little-endian, of the types the engine knows; writes version 1.  Knows nothing of
 * networks.  Return values: 0; -EINVAL the file is malformed, -ENOTSUP it is an .npy this reader does not take, -EFBIG
 * over the limit, -ENOMEM, or the errno of the file operation.  On failure ret_error holds one sentence, which does
 * not name the path.
 */
#ifndef INFERD_NPY_H
#define INFERD_NPY_H

#include <stddef.h>
#include <stdint.h>

#define NPY_RANK_MAX   8
#define NPY_BYTES_MAX  (1u << 30) /* of the elements */
#define NPY_HEADER_MAX 65535	  /* of the header's text: what version 1 can say */

struct npy_error {
	char text[200];
};

struct npy {
	const char *type; /* NumPy's name, "float32"; static */
	int rank;	  /* 0: one element */
	int32_t dims[NPY_RANK_MAX];
	size_t bytes;
	void *data; /* owned */
};

/* From a file's bytes, which are copied. */
int npy_parse(const void *file, size_t size, struct npy_error *ret_error, struct npy *ret_array);
int npy_read(const char *path, struct npy_error *ret_error, struct npy *ret_array);
/* Replaces the file.  A file that could not be written whole is removed. */
int npy_write(const char *path, const struct npy *array, struct npy_error *ret_error);
/* Accepts a zeroed array. */
void npy_finish(struct npy *array);

#endif
