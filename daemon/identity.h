/*
 * identity.h - whether a device, or a file, is still what it was: 64-bit hashes.
 *
 * What was measured on one device, or of one network, says nothing about another.  No defence against forgery: files
 * are compared with what this daemon wrote itself.
 */
#ifndef INFERD_IDENTITY_H
#define INFERD_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "topology.h"

#define IDENTITY_START UINT64_C(14695981039346656037)

/* Goes on from a hash: IDENTITY_START, or what came before.  Depends on the order. */
uint64_t identity_add(uint64_t hash, const void *bytes, size_t size);
uint64_t identity_add_text(uint64_t hash, const char *text); /* its end included, so that texts do not run together */
uint64_t identity_add_number(uint64_t hash, int64_t number);

/* The content of a regular file; one that is missing or cannot be read counts as empty.  Reads all of it. */
uint64_t identity_add_file(uint64_t hash, const char *path);

/*
 * What decides how fast networks run here: the kinds of processors and their capacity and highest clock, as the kernel
 * names them below root_fd, the engine's kernels, and the lanes.  Not what changes by itself: clocks of the moment,
 * and which cores are awake.
 */
uint64_t identity_device(int root_fd, const struct topology_lane *lanes, int n_lanes);

#endif
