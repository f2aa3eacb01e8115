/*
 * synth.h - synthetic frames for measurements: a diagonal gradient that moves from frame to frame, with noise, so that
 * no two neighbouring pixels and no two frames are alike.  The same arguments give the same bytes.
 */
#ifndef INFERCTL_SYNTH_H
#define INFERCTL_SYNTH_H

#include <stdbool.h>
#include <stdint.h>

#include "client-lib/inferd.h"

/* "nv12", "rgb", ...; not JPEG. */
bool synth_format(const char *name, enum inferd_format *ret_format);

/* data: inferd_frame_bytes(format, width, height) bytes. */
void synth_draw(enum inferd_format format, uint32_t width, uint32_t height, uint32_t frame, uint8_t *data);

#endif
