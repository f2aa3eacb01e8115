/*
 * image.h - where inferctl takes its frames from: picture files and y4m video.
 *
 * The kind is told from the content: JPEG (passed on as it is; the daemon decodes), PNG, BMP, or y4m video
 * from a file or, with the path "-", from standard input.  It does not talk to the daemon and does not
 * resize.
 *
 * Return values: 0, a negative errno, or SOURCE_E_END.  Every failure leaves a sentence in the error that
 * names the file and the cause.  Outputs are untouched on failure.
 */
#ifndef INFERCTL_IMAGE_H
#define INFERCTL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_SIDE_MAX 16384
#define SOURCE_E_END	1 /* source_next(): there are no more frames */

struct source;

struct source_error {
	char text[512]; /* one sentence, no newline; "" when there is none */
};

/* One frame.  Pixels are borrowed from the source until its next call. */
struct source_frame {
	int format;	 /* enum inferd_format of inferd.h: here I420, RGB, GRAY8 or JPEG */
	bool full_range; /* of I420 */
	uint32_t width, height;
	const uint8_t *data;	       /* all planes, or the bytes of the JPEG */
	size_t bytes;		       /* of data */
	uint32_t offset[3], stride[3]; /* planes within data; JPEG: zero */
	double time_s;		       /* since the start of the video; a picture's: 0 */
};

int source_open(const char *path, struct source_error *ret_error, struct source **ret_source);
void source_close(struct source *source); /* accepts NULL */
int source_next(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame);

#endif
