/*
 * gallery_batch.h - the vectors of pictures that a client wants to add, from the memory it brought them in.
 *
 * docs/protocol.md has the layout.  Nothing in it is trusted: it is copied first, and then every count, length and
 * number is checked.
 */
#ifndef INFERD_GALLERY_BATCH_H
#define INFERD_GALLERY_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define GALLERY_BATCH_PICTURES_MAX 256
#define GALLERY_BATCH_BYTES_MAX	   (16u << 20)
/* How far the length of a vector may be from 1: float32 values that were scaled in float32. */
#define GALLERY_LENGTH_TOLERANCE 1e-3

/* When in a video a picture was; source 0: in none. */
struct gallery_batch_moment {
	uint32_t source, from_ms, to_ms;
};

struct gallery_batch {
	int n_variants, n_pictures;
	struct gallery_batch_moment moments[GALLERY_BATCH_PICTURES_MAX];
	struct {
		uint64_t space;
		int length;
		const float *vectors; /* n_pictures of them */
	} variants[CONFIG_VARIANTS_MAX];
	float *memory;
};

/*
 * Reads a memfd (borrowed).  0; negative errno with a sentence: -EINVAL it is not one or holds something else,
 * -EMSGSIZE it is too large, -ENOMEM.  gallery_batch_finish() afterwards.
 */
int gallery_batch_read(int fd, struct config_error *ret_error, struct gallery_batch *ret_batch);
void gallery_batch_finish(struct gallery_batch *batch); /* of a zeroed one, too */

#endif
