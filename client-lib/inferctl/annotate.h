/*
 * annotate.h - a result drawn on its picture: boxes, points, a mask, labels.
 */
#ifndef INFERCTL_ANNOTATE_H
#define INFERCTL_ANNOTATE_H

#include "canvas.h"
#include "client-lib/inferd.h"

void annotate_draw(struct canvas *canvas, const struct inferd_result *result);

/* Where the drawing of a frame goes: DIR/NAME.png or .jpg, of further frames DIR/NAME-00001.png.  -ENAMETOOLONG. */
int annotate_path(const char *dir, const char *file, uint32_t frame, enum canvas_format format, char *ret_path,
		  size_t size);
/* Writes it there.  0, or a negative errno with a sentence. */
int annotate_save(const struct canvas *canvas, const char *dir, const char *file, uint32_t frame,
		  enum canvas_format format, struct source_error *ret_error);

#endif
