/*
 * checksum.h - finds what storage and transport do to a file, not what an enemy does: no single change is lost.
 */
#ifndef INFERD_CHECKSUM_H
#define INFERD_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of files of the engine's own with seed 0; another sum for another seed. */
uint64_t checksum(const uint8_t *data, size_t size, uint64_t seed);

#endif
