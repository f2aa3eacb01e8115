/*
 * roi.h - the region of a picture that a network's input shows, and where its answers lie in the picture.
 *
 * Plain arithmetic; owns nothing.  Pixels are of the picture, continuous: the first pixel covers 0..1.  Input
 * coordinates are parts of the input's width and height.
 */
#ifndef INFERD_ROI_H
#define INFERD_ROI_H

#include "engine/engine.h"

/*
 * The region of a prepared picture: stretched, cut, or with borders.  zoom_x and zoom_y: pixels of the submitted
 * picture to one of the picture that was prepared, which a JPEG decoded at a reduced size makes other than 1.
 */
struct engine_region roi_of_placement(struct engine_placement placement, int input_width, int input_height,
				      float zoom_x, float zoom_y);

/* From input coordinates to pixels, and back.  A region without area has no way back: the point is its centre. */
void roi_to_picture(const struct engine_region *roi, float u, float v, float *ret_x, float *ret_y);
void roi_to_input(const struct engine_region *roi, float x, float y, float *ret_u, float *ret_v);

#endif
