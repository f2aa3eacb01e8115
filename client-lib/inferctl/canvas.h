/*
 * canvas.h - an RGB picture to draw on, from any frame (canvas_frame.c), and a file of it (canvas_file.c).
 *
 * Coordinates are pixels from the upper left corner; what lies beyond the picture is cut off, and what is not a number
 * is not drawn.
 */
#ifndef INFERCTL_CANVAS_H
#define INFERCTL_CANVAS_H

#include "source.h"

struct canvas {
	int width, height;
	uint8_t *rgb; /* 3 bytes a pixel, rows without gaps */
};

enum canvas_format { CANVAS_PNG, CANVAS_JPEG };

struct canvas_colour {
	uint8_t r, g, b;
};

/* A copy of the frame's pixels.  0; -ENOMEM; -EINVAL with a sentence when a JPEG cannot be decoded or raw pixels are
 * not all there. */
int canvas_init(struct canvas *canvas, const struct source_frame *frame, struct source_error *ret_error);
void canvas_finish(struct canvas *canvas); /* accepts a zeroed one */

/* share: of the colour, 0..1; the rest stays what it was. */
void canvas_blend(struct canvas *canvas, int x, int y, struct canvas_colour colour, float share);
void canvas_disc(struct canvas *canvas, float x, float y, float radius, struct canvas_colour colour);
void canvas_line(struct canvas *canvas, float x0, float y0, float x1, float y1, float width,
		 struct canvas_colour colour);
/* Draws text on a field of this colour whose lower left corner is at x, y; it is moved into the picture. */
void canvas_label(struct canvas *canvas, float x, float y, int scale, struct canvas_colour field, const char *text);

/* 0, or a negative errno with a sentence. */
int canvas_write(const struct canvas *canvas, const char *path, enum canvas_format format,
		 struct source_error *ret_error);

#endif
