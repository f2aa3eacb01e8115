/* roi.c - see roi.h. */
#include "roi.h"

#include <math.h>

struct engine_region roi_of_placement(struct engine_placement placement, int input_width, int input_height,
				      float zoom_x, float zoom_y)
{
	float width = (float)input_width / placement.scale_x, height = (float)input_height / placement.scale_y;

	return (struct engine_region){
		.x = (width / 2 - placement.offset_x / placement.scale_x) * zoom_x,
		.y = (height / 2 - placement.offset_y / placement.scale_y) * zoom_y,
		.width = width * zoom_x,
		.height = height * zoom_y,
	};
}

void roi_to_picture(const struct engine_region *roi, float u, float v, float *ret_x, float *ret_y)
{
	float across = (u - 0.5f) * roi->width, down = (v - 0.5f) * roi->height;
	float cosine = cosf(roi->angle), sine = sinf(roi->angle);

	*ret_x = roi->x + across * cosine - down * sine;
	*ret_y = roi->y + across * sine + down * cosine;
}

void roi_to_input(const struct engine_region *roi, float x, float y, float *ret_u, float *ret_v)
{
	float cosine = cosf(roi->angle), sine = sinf(roi->angle);
	float across = (x - roi->x) * cosine + (y - roi->y) * sine;
	float down = (y - roi->y) * cosine - (x - roi->x) * sine;

	*ret_u = roi->width > 0 ? across / roi->width + 0.5f : 0.5f;
	*ret_v = roi->height > 0 ? down / roi->height + 0.5f : 0.5f;
}
