/*
 * mjpeg.h - finds whole JPEGs in bytes that arrive piece by piece: one behind the other, or with anything short
 * between them, such as the headers of multipart/x-mixed-replace.
 *
 * The end of an image is found from its segments, so that previews within it and wrong lengths in headers do not
 * matter.  It decodes nothing, allocates nothing, and reads no files.
 */
#ifndef INFERCTL_MJPEG_H
#define INFERCTL_MJPEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MJPEG_IMAGE_BYTES_MAX (64u << 20)
#define MJPEG_GAP_BYTES_MAX   (64u << 10) /* between two images */

enum mjpeg_found {
	MJPEG_MORE,   /* nothing whole yet: call again with more bytes behind the same ones */
	MJPEG_IMAGE,  /* a whole one */
	MJPEG_BROKEN, /* the bytes of one that cannot be; the search goes on behind them */
	MJPEG_LOST    /* the gap is too long for this to be MJPEG */
};

/* Zeroed before the first call, and whenever the bytes of an image or a broken one have been taken away. */
struct mjpeg {
	size_t at;	  /* looked at so far */
	size_t begin;	  /* of the image */
	bool in_image;	  /* behind its first marker */
	bool in_scan;	  /* within compressed data */
	bool has_further; /* it says that further images of the same picture follow (a Multi-Picture file) */
	uint32_t width, height;
};

struct mjpeg_image {
	size_t begin, size; /* within the bytes */
	uint32_t width, height;
	const char *why; /* MJPEG_BROKEN: what is wrong with it */
};

/* *ret_image is set for MJPEG_IMAGE and MJPEG_BROKEN. */
enum mjpeg_found mjpeg_next(struct mjpeg *mjpeg, const uint8_t *data, size_t size, struct mjpeg_image *ret_image);

#endif
