/*
 * camera_format.h - which of a camera's formats and sizes is taken, and how its pixels lie.
 */
#ifndef INFERCTL_CAMERA_FORMAT_H
#define INFERCTL_CAMERA_FORMAT_H

#include <linux/videodev2.h>

#include "source.h"

#define CAMERA_FORMATS_MAX 64 /* of a driver that are looked at; it may say that there is no end of them */
#define CAMERA_SIZES_MAX   256

/*
 * The formats in `offered` that can be used, best first.  Small pictures as raw pixels; larger ones as JPEGs where
 * there are any, because a camera on USB gives raw ones at few frames a second.  Number of them in ret_formats.
 */
int camera_format_order(const uint32_t *offered, int n_offered, uint32_t width, uint32_t height,
			uint32_t ret_formats[CAMERA_FORMATS_MAX]);

/*
 * How pixels lie in a format as the driver said it will be: all of a frame but data, and the bytes that a buffer must
 * hold at least.  false: no format of ours, or sizes that cannot be.
 */
bool camera_format_layout(const struct v4l2_pix_format *pix, struct source_frame *ret_frame, size_t *ret_bytes);

/* Of the sizes in this entry, the smallest that is not below width x height, else its largest; see
 * camera_size_better(). */
void camera_size_of(const struct v4l2_frmsizeenum *entry, uint32_t width, uint32_t height, uint32_t *ret_width,
		    uint32_t *ret_height);
/* Whether size a serves a need of width x height better than b: it is large enough, and then as small as can be. */
bool camera_size_better(const uint32_t a[2], const uint32_t b[2], uint32_t width, uint32_t height);

#endif
