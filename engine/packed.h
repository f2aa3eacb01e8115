/*
 * packed.h - the engine's own file: a network as it stands after the passes, to be mapped and run.
 *
 *   header     64 bytes: magic, version, byte order, size of the file, checksum of all behind the header, offset and
 *              size of the graph, level of the kernels that the panels are packed for ("" in a portable file)
 *   constants  each at a multiple of 64 bytes with KERNEL_SLACK bytes behind it, as the kernels read them: packed
 *              panels of convolutions, or in a portable file the weights as they are; other constants
 *   graph      values, nodes and attributes, field after field, little-endian (struct codec)
 *
 * Numbers are the engine's own enums: a change of theirs, of a structure stored here or of the panels' layout is a new
 * PACKED_VERSION.  Files of another version or level are refused and have to be converted again.
 */
#ifndef INFERD_PACKED_H
#define INFERD_PACKED_H

#include "import/import.h"
#include "weights.h"

#define PACKED_VERSION 7

bool packed_is(const uint8_t *data, size_t size);

/*
 * Makes the file of a graph that went through the passes; *ret_data is the caller's to free.  weights: with all panels
 * that a plan needs, or NULL for a portable file.  half: constants of float32 that a convolution reads are stored as
 * float16 (portable only).  0, -ENOMEM, -EFBIG.
 */
int packed_write(const struct graph *graph, const struct weights *weights, bool half, struct engine_error *ret_error,
		 uint8_t **ret_data, size_t *ret_size);

/* Puts size and checksum into the header of a file, which is at least that long: the last step of writing one. */
void packed_seal(uint8_t *data, size_t size);

/*
 * Reads such a file, which is not trusted, into a graph and the panels of its convolutions; both point into data, which
 * is 64-byte aligned and outlives them.  The graph is checked as far as graph_check() does.  -EINVAL where it is
 * damaged, -ENOTSUP for another version, level or byte order.
 */
int packed_read(const uint8_t *data, size_t size, struct graph *graph, struct weights *weights,
		struct engine_error *ret_error);

#endif
