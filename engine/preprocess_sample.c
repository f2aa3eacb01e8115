/*
 * preprocess_sample.c - a region of a picture, turned if need be, to rows of levels by single bilinear samples.
 *
 * Scalar: a network's input has few pixels, and each looks at four of the picture, whatever the picture's size.
 */
#include "preprocess.h"

#include <math.h>

/* Levels of one pixel in the picture's own lines (R, G, B or Y, U, V); beyond the edge the border or the edge itself.
 */
static void fetch(const struct pixels_layout *layout, const struct engine_image *image, const float *border, int x,
		  int y, float ret_levels[3])
{
	bool outside = x < 0 || y < 0 || x >= image->width || y >= image->height;

	if (outside && border) {
		for (int c = 0; c < 3; c++)
			ret_levels[c] = border[c];
		return;
	}
	x = x < 0 ? 0 : x >= image->width ? image->width - 1 : x;
	y = y < 0 ? 0 : y >= image->height ? image->height - 1 : y;
	for (int i = 0; i < layout->n_layers; i++) {
		const struct layer_layout *layer = &layout->layers[i];
		const uint8_t *at = image->plane[layer->plane] +
				    (size_t)(layer->chroma_y ? y / 2 : y) * image->stride[layer->plane] +
				    (size_t)(layer->chroma_x ? x / 2 : x) * (size_t)layer->samples;

		for (int c = 0; c < layer->samples; c++)
			if (layer->line[c] >= 0)
				ret_levels[layer->line[c]] = at[c];
	}
}

/* Far enough outside of any picture to be border, and within an int. */
static float bounded(float position)
{
	return position > -2 ? fminf(position, 2 * ENGINE_SIDE_MAX) : -2;
}

void preprocess_sample_row(const struct pixels_layout *layout, const struct engine_image *image, const float *border,
			   const struct engine_region *region, int width, int height, int row, float *const lines[3])
{
	float cosine = cosf(region->angle), sine = sinf(region->angle);
	float down = ((float)row / (float)height - 0.5f) * region->height;

	for (int column = 0; column < width; column++) {
		float across = ((float)column / (float)width - 0.5f) * region->width;
		float x = bounded(region->x + across * cosine - down * sine);
		float y = bounded(region->y + across * sine + down * cosine);
		float left = floorf(x), top = floorf(y), u = x - left, v = y - top;
		float corner[4][3] = {{0}};

		for (int i = 0; i < 4; i++)
			fetch(layout, image, border, (int)left + (i & 1), (int)top + (i >> 1), corner[i]);
		for (int c = 0; c < 3; c++) {
			float upper = corner[0][c] + (corner[1][c] - corner[0][c]) * u;
			float lower = corner[2][c] + (corner[3][c] - corner[2][c]) * u;

			lines[c][column] = floorf(upper + (lower - upper) * v + 0.5f);
		}
	}
}
