/*
 * source_v4l2.h - a camera as source_v4l2.c has it, and its setting up (camera_setup.c).
 */
#ifndef INFERCTL_SOURCE_V4L2_H
#define INFERCTL_SOURCE_V4L2_H

#include "camera.h"
#include "source_kind.h"

#define CAMERA_BUFFERS_MAX 8

struct camera {
	struct source source;
	const struct camera_ops *ops;
	bool opened, streaming;
	struct {
		void *memory;
		size_t length;
		bool kept; /* whoever took its frame gives it back */
	} buffers[CAMERA_BUFFERS_MAX];
	uint32_t n_buffers;
	int exported[CAMERA_BUFFERS_MAX]; /* the buffers as descriptors for others */
	uint32_t n_exported;		  /* all of them, or none */
	int held;			  /* buffer of the frame given last; -1: none */
	struct source_frame frame;	  /* without its data */
	size_t frame_bytes;		  /* at least, in a buffer */
	uint32_t next_sequence;
	bool gave_any;
	int failures;
};

/* Opens the device, agrees on format, size and rate, maps its buffers and starts it.  On failure it is half set up. */
int camera_set_up(struct camera *camera, const struct source_options *options, struct source_error *ret_error);
/* Undoes what camera_set_up() did, of a half set up one too. */
void camera_tear_down(struct camera *camera);

/* ioctl(2), repeated when a signal came in between.  Negative errno. */
int camera_control(const struct camera *camera, unsigned long request, void *argument);
/* Sets the error to what this errno means of a camera and returns it; what: the sentence for all others. */
int camera_fail(const struct camera *camera, int error, const char *what, struct source_error *ret_error);
/* A descriptor of one of the camera's buffers, or for any one. */
struct v4l2_buffer camera_buffer(uint32_t index);

#endif
