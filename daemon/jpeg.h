/*
 * jpeg.h - JPEG bytes to pixels the engine can prepare, no larger than a rung has use for.
 *
 * Wraps libjpeg-turbo.  It does not resize, convert or judge the picture, and it does not read shared
 * memory: a parser must not see its input change, so the caller copies the bytes out of the pool first.
 *
 * Return values: 0; -EINVAL the bytes are not a JPEG that can be decoded whole, -EFBIG over a limit,
 * -ENOMEM.  After a failure jpeg_decoder_error() has one sentence.  One thread at a time per decoder.
 */
#ifndef INFERD_JPEG_H
#define INFERD_JPEG_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

#define JPEG_PIXELS_MAX (64u << 20) /* of the picture as the file declares it */

struct jpeg_decoder;

/*
 * memory_max: bytes the pixel buffer may grow to, 0 for what JPEG_PIXELS_MAX needs.  The buffer is kept and
 * reused, so that a stream of equal pictures allocates once.
 */
int jpeg_decoder_create(size_t memory_max, struct jpeg_decoder **ret_decoder);
void jpeg_decoder_destroy(struct jpeg_decoder *decoder); /* accepts NULL */
/* What was wrong, borrowed until the next call; "" when nothing was. */
const char *jpeg_decoder_error(const struct jpeg_decoder *decoder);

/* Size of the picture, from the header alone. */
int jpeg_header(struct jpeg_decoder *decoder, const void *data, size_t size, int *ret_width, int *ret_height);

/*
 * The size a picture of width x height must still have after a reduced decode, so that its resize to an input of
 * input_width x input_height loses nothing that matters.  crop as in struct engine_normalize.
 */
void jpeg_wanted_size(int width, int height, int input_width, int input_height, enum engine_fit fit, float crop,
		      int *ret_width, int *ret_height);

/* Size after the largest reduction of 1, 1/2, 1/4 or 1/8 that keeps both sides at min_* or more. */
void jpeg_scaled_size(int width, int height, int min_width, int min_height, int *ret_width, int *ret_height);

struct jpeg_options {
	int min_width, min_height; /* see jpeg_wanted_size(); 0 asks for the whole picture */
	bool gray;		   /* luma only: ENGINE_GRAY8 */
	bool exact;		   /* whole picture, accurate DCT, smooth chroma: as reference pipelines decode */
};

/*
 * Decodes into the decoder's buffer; ret_image borrows it until the next decode or destroy.  The format is
 * ENGINE_GRAY8 (gray asked for, or a gray file), ENGINE_I420 full range (4:2:0 files), else ENGINE_RGB; exact
 * never gives ENGINE_I420, and CMYK files always give ENGINE_RGB.  A truncated or damaged file is an error, not
 * half a picture.
 */
int jpeg_decode(struct jpeg_decoder *decoder, const void *data, size_t size, const struct jpeg_options *options,
		struct engine_image *ret_image);

#endif
