/*
 * flexbuffer.h - private to the TFLite importer: options of custom operators, which are FlexBuffers whose root is a
 * map.
 *
 * The buffer is not trusted.  (Format: the FlexBuffers internals page of the FlatBuffers documentation.)
 */
#ifndef INFERD_FLEXBUFFER_H
#define INFERD_FLEXBUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "../attributes.h"

/*
 * Adds the numbers, texts and lists of numbers of the root map as attributes of their names; values of other kinds are
 * passed over, and a buffer that is empty or whose root is no map adds nothing.  0, -EBADMSG for one that is malformed,
 * or as attributes_add_*().
 */
int flexbuffer_attributes(const uint8_t *data, size_t bytes, struct engine_attributes *attributes);

#endif
