/*
 * source.h - where inferctl takes its frames from: pictures, folders of them, video and cameras.
 *
 * The kind is told from what is there: a folder, a camera's device, and of files the content: JPEG (passed on as it
 * is; the daemon decodes), PNG, BMP, y4m video, or JPEGs one behind the other (MJPEG), also as an HTTP camera sends
 * them (multipart/x-mixed-replace).  The path "-" is video on standard input.  It does not talk to the daemon and
 * does not resize.
 *
 * Frames are borrowed until the next call.  Those of a source with memory of its own may be kept for longer, while
 * others come, and be handed to other processes without a copy: source_memory(), source_keep(), source_give_back().
 *
 * Return values: 0, a negative errno after which there is nothing more to come, or SOURCE_E_*.  Every failure leaves a
 * sentence in the error that names the file and the cause.  Outputs are untouched on failure.  A source belongs to one
 * thread at a time.
 */
#ifndef INFERCTL_SOURCE_H
#define INFERCTL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_SIDE_MAX 16384
#define SOURCE_E_END	1 /* there are no more frames */
#define SOURCE_E_BROKEN 2 /* this frame is of no use, and the error says why; further ones may be */

struct source;
struct camera_ops;

struct source_error {
	char text[512]; /* one sentence, no newline; "" when there is none */
};

/* Zero is the default everywhere. */
struct source_options {
	bool loop;			 /* files and folders begin anew after their end */
	uint32_t width, height;		 /* asked of a camera; 0: its own choice */
	bool at_least;			 /* its smallest size that is not smaller, rather than the nearest */
	double fps;			 /* asked of a camera */
	const struct camera_ops *camera; /* the path is of a camera behind these; NULL: the kernel's */
};

/* One frame.  Pixels and texts are borrowed from the source until its next call. */
struct source_frame {
	int format;	 /* enum inferd_format of inferd.h */
	bool full_range; /* of YUV */
	uint32_t width, height;
	const uint8_t *data;	       /* all planes, or the bytes of the JPEG */
	size_t bytes;		       /* of data */
	uint32_t offset[3], stride[3]; /* planes within data; JPEG: zero */
	const char *file;	       /* the path that was opened, or of the picture in the folder */
	uint32_t number;	       /* of the frame in that file, from 0 */
	double time_s;		       /* of that, at the rate of the file, or the usual one; a picture's: 0 */
	uint32_t missed;	       /* frames of a camera that were lost between the one before and this one */
	uint32_t buffer;	       /* that they lie at the beginning of, where source_memory() has some */
};

/* Waits until the kind is known.  -EINTR: a signal came first. */
int source_open(const char *path, struct source_error *ret_error, struct source **ret_source);
int source_open_with(const char *path, const struct source_options *options, struct source_error *ret_error,
		     struct source **ret_source);
void source_close(struct source *source); /* accepts NULL */

/* Waits for the next frame.  -EINTR: a signal came first, and the source is as it was. */
int source_next(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame);
/* The same without waiting.  -EAGAIN: it is not there yet; source_fd() becomes readable when more of it is. */
int source_try(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame);
int source_fd(const struct source *source); /* -1: it never has to be waited for */

/*
 * The memory of all frames, as descriptors that other processes can map: those of a camera's buffers, where its driver
 * exports them.  Number of them, 0 where there is none; borrowed, and each of *ret_bytes at least.
 */
uint32_t source_memory(const struct source *source, const int **ret_fds, size_t *ret_bytes);
/*
 * The frame that was given last stays as it is until its buffer is given back.  A camera needs two of its buffers, or
 * it loses frames.
 */
void source_keep(struct source *source);
/* Only of one that was kept, and once. */
int source_give_back(struct source *source, uint32_t buffer, struct source_error *ret_error);

double source_fps(const struct source *source);	   /* its own rate; 0: it has none */
bool source_is_video(const struct source *source); /* a file of frames that follow each other */
bool source_is_live(const struct source *source);  /* frames come when they come, and do not wait for us */

#endif
