/*
 * made_camera.h - a camera's driver made here, behind camera.h: it gives what its steps say, from buffers of its own or
 * from memories that it exports.
 *
 * It fails the test when a buffer is given back twice, or there is none left to be filled.
 */
#ifndef INFERD_MADE_CAMERA_H
#define INFERD_MADE_CAMERA_H

#include <linux/videodev2.h>
#include <stdbool.h>
#include <stdint.h>

#include "client-lib/inferctl/camera.h"

#define DRIVER_BUFFERS	    4 /* unless there are to be more */
#define DRIVER_BUFFERS_MAX  8
#define DRIVER_BUFFER_BYTES 4096
#define DRIVER_WIDTH	    32
#define DRIVER_HEIGHT	    24
#define DRIVER_STEPS_MAX    40

/* What a request for a frame is answered with. */
struct driver_step {
	int error; /* 0: a frame */
	uint32_t bytes_used, flags, sequence;
	uint8_t brightness; /* of its exported buffer */
};

struct driver {
	uint32_t formats[2];	       /* 0: none */
	uint32_t sizes[4][2];	       /* of each format; 0: none are listed */
	struct v4l2_pix_format forced; /* set where not 0, whatever was asked for */
	uint32_t buffer_bytes, wrong_index, n_buffers;
	unsigned long failing; /* request that fails ... */
	int failure, failures; /* ... with this, so often, ... */
	int passes;	       /* ... after it went well so often */
	struct driver_step steps[DRIVER_STEPS_MAX];
	int n_steps, at;

	struct v4l2_pix_format pix;
	uint32_t fps;
	bool opened, streaming, queued[DRIVER_BUFFERS_MAX];
	int n_mapped;
	uint8_t memory[DRIVER_BUFFERS_MAX][DRIVER_BUFFER_BYTES];
	/* by driver_export() */
	bool exports;
	int fds[DRIVER_BUFFERS_MAX];
	uint8_t *shared[DRIVER_BUFFERS_MAX];
};

struct driver driver_gray(void); /* gray frames of DRIVER_WIDTH x DRIVER_HEIGHT */
struct camera_ops driver_ops(struct driver *driver);
void driver_add_step(struct driver *driver, struct driver_step step);
/* A whole gray frame, and nothing more for the moment. */
void driver_add_frame(struct driver *driver, uint32_t sequence);

/* Its buffers are memfds from now on, sealed with these seals, and exported when it is asked to. */
void driver_export(struct driver *driver, int seals);
void driver_end_export(struct driver *driver);
uint32_t driver_count_queued(const struct driver *driver);

#endif
