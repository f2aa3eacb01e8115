/*
 * picture.h - the pixels of a frame on a lane: decoded where it is a JPEG, and prepared into a network's input, as a
 * whole or a region of it.
 *
 * What a lane keeps from frame to frame, so that nothing is allocated per frame once it is warm: decoder, prepared
 * passes, buffers.  One thread at a time.  Functions that fail return a negative errno and say why in job->text.
 */
#ifndef INFERD_PICTURE_H
#define INFERD_PICTURE_H

#include "job.h"
#include "jpeg.h"

struct picture;

/* decode_bytes_max: how large a decoded picture may be. */
int picture_create(size_t decode_bytes_max, struct picture **ret_picture);
void picture_destroy(struct picture *picture); /* accepts NULL */

/*
 * Begins with a job's frame: raw pixels are read where they lie until picture_end(), and the bytes of a JPEG leave the
 * shared memory.  The size is that of the submitted picture.
 */
int picture_begin(struct picture *picture, struct job *job, int *ret_width, int *ret_height);
void picture_end(struct picture *picture, struct job *job);

/* The pixels themselves; options are for a JPEG.  ret_image is borrowed until the next call or the end. */
int picture_decode(struct picture *picture, struct job *job, const struct jpeg_options *options,
		   struct engine_image *ret_image);

/*
 * Fills the input of a rung's plan in a context that has reserved it.  region: of the image, NULL for all of it as the
 * ladder's fit has it.  *ret_placement: where the picture lies in the input then.
 */
int picture_prepare(struct picture *picture, struct job *job, const struct ladder *ladder, int rung,
		    const struct engine_image *image, const struct engine_region *region,
		    struct engine_context *context, struct engine_placement *ret_placement);

#endif
