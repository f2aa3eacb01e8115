/*
 * preprocess_sample.c - a region of a picture, turned if need be, to rows of levels by single bilinear samples.
 *
 * Positions and mixing are vectors.  Between them each pixel's four neighbours are fetched one by one, where all four
 * lie in the picture; the few at its edge are made afterwards, each by itself.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess.h"

int preprocess_samples_init(struct preprocess_samples *samples, int n)
{
	const size_t count = (size_t)n;

	samples->left = calloc(count, sizeof(*samples->left));
	samples->top = calloc(count, sizeof(*samples->top));
	samples->u = calloc(count, sizeof(*samples->u));
	samples->v = calloc(count, sizeof(*samples->v));
	for (int i = 0; i < 4; i++) {
		samples->corner[i] = calloc(count, sizeof(*samples->corner[i]));
		if (!samples->corner[i])
			return -ENOMEM;
	}
	return samples->left && samples->top && samples->u && samples->v ? 0 : -ENOMEM;
}

void preprocess_samples_finish(struct preprocess_samples *samples)
{
	free(samples->left);
	free(samples->top);
	free(samples->u);
	free(samples->v);
	for (int i = 0; i < 4; i++)
		free(samples->corner[i]);
}

/* ---- within the picture ------------------------------------------------------------------------ */

static bool is_within(const struct engine_image *image, int left, int top)
{
	return left >= 0 && top >= 0 && left < image->width - 1 && top < image->height - 1;
}

/* Columns of a row run along a line, so those within the picture are neighbours. */
struct span {
	int begin, end;
};

static struct span span_within(const struct engine_preprocess *p, const struct engine_image *image)
{
	const struct preprocess_samples *samples = &p->samples;
	struct span span = {0, p->target.width};

	while (span.begin < span.end && !is_within(image, samples->left[span.begin], samples->top[span.begin]))
		span.begin++;
	while (span.begin < span.end && !is_within(image, samples->left[span.end - 1], samples->top[span.end - 1]))
		span.end--;
	return span;
}

static inline uint32_t load_32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/*
 * The samples of a pixel as bytes of a number, the first lowest (as on all processors that Linux and Android run on
 * today); what is above them does not count.
 */
static inline uint32_t texel(const uint8_t *at, const size_t bytes, const bool is_right)
{
	if (bytes == 1)
		return at[0];
	if (bytes == 2)
		return at[0] | (uint32_t)at[1] << 8;
	/* A neighbour's byte too, so that it is one load and within the row: to the right of a left one. */
	if (bytes == 3)
		return is_right ? load_32(at - 1) >> 8 : load_32(at);
	return load_32(at);
}

static inline void fetch_corners(const struct engine_preprocess *p, const struct engine_image *image, struct span span,
				 int plane, const size_t bytes, const bool half_x, const bool half_y)
{
	const struct preprocess_samples samples = p->samples;
	const uint8_t *pixels = image->plane[plane];
	const size_t stride = image->stride[plane];

	for (int i = span.begin; i < span.end; i++) {
		const int x = samples.left[i], y = samples.top[i];
		const uint8_t *upper = pixels + (size_t)(half_y ? y >> 1 : y) * stride;
		/* Of a halved axis, only an odd position has another neighbour. */
		const uint8_t *lower = !half_y || y & 1 ? upper + stride : upper;
		const size_t left = (size_t)(half_x ? x >> 1 : x) * bytes;
		const size_t right = !half_x || x & 1 ? left + bytes : left;

		samples.corner[0][i] = texel(upper + left, bytes, false);
		samples.corner[1][i] = texel(upper + right, bytes, true);
		samples.corner[2][i] = texel(lower + left, bytes, false);
		samples.corner[3][i] = texel(lower + right, bytes, true);
	}
}

/* Constants make the inner loop short; these are the ones that the formats have. */
static void fetch_layer(const struct engine_preprocess *p, const struct engine_image *image, struct span span,
			const struct layer_layout *layer)
{
	const int plane = layer->plane;

	if (layer->samples == 1 && layer->chroma_x)
		fetch_corners(p, image, span, plane, 1, true, true);
	else if (layer->samples == 1)
		fetch_corners(p, image, span, plane, 1, false, false);
	else if (layer->samples == 2 && layer->chroma_x)
		fetch_corners(p, image, span, plane, 2, true, true);
	else if (layer->samples == 2)
		fetch_corners(p, image, span, plane, 2, false, false);
	else if (layer->samples == 3)
		fetch_corners(p, image, span, plane, 3, false, false);
	else if (layer->chroma_x)
		fetch_corners(p, image, span, plane, 4, true, false);
	else
		fetch_corners(p, image, span, plane, 4, false, false);
}

/* ---- at its edge ------------------------------------------------------------------------------- */

/* Levels of one pixel in the picture's own lines; beyond the edge those of the border or the edge itself. */
static void fetch_pixel(const struct engine_preprocess *p, const struct engine_image *image, int x, int y,
			float ret_levels[3])
{
	const bool outside = x < 0 || y < 0 || x >= image->width || y >= image->height;

	if (outside && p->padded) {
		memcpy(ret_levels, p->pad, sizeof(p->pad));
		return;
	}
	x = x < 0 ? 0 : x >= image->width ? image->width - 1 : x;
	y = y < 0 ? 0 : y >= image->height ? image->height - 1 : y;
	for (int i = 0; i < p->layout->n_layers; i++) {
		const struct layer_layout *layer = &p->layout->layers[i];
		const uint8_t *at = image->plane[layer->plane] +
				    (size_t)(layer->chroma_y ? y / 2 : y) * image->stride[layer->plane] +
				    (size_t)(layer->chroma_x ? x / 2 : x) * (size_t)layer->samples;

		for (int c = 0; c < layer->samples; c++)
			if (layer->line[c] >= 0)
				ret_levels[layer->line[c]] = at[c];
	}
}

static void sample_pixel(const struct engine_preprocess *p, const struct engine_image *image, int column)
{
	const int left = p->samples.left[column], top = p->samples.top[column];
	const bool beyond = left < -1 || top < -1 || left >= image->width || top >= image->height;
	const float u = p->samples.u[column], v = p->samples.v[column];
	float corner[4][3] = {{0}};

	/* Most of a letterbox's borders have no neighbour in the picture. */
	for (int i = 0; i < 4; i++) {
		if (beyond && p->padded)
			memcpy(corner[i], p->pad, sizeof(p->pad));
		else
			fetch_pixel(p, image, left + (i & 1), top + (i >> 1), corner[i]);
	}
	for (int c = 0; c < 3; c++) {
		float upper = corner[0][c] + (corner[1][c] - corner[0][c]) * u;
		float lower = corner[2][c] + (corner[3][c] - corner[2][c]) * u;

		p->line[c][column] = floorf(upper + (lower - upper) * v + 0.5f);
	}
}

/* ---- a row ------------------------------------------------------------------------------------- */

struct resample_line preprocess_sample_line(const struct engine_preprocess *p, const struct engine_region *region)
{
	/* Within an int, and far enough outside of any picture to be border. */
	return (struct resample_line){.x = region->x,
				      .y = region->y,
				      .width = region->width,
				      .cosine = cosf(region->angle),
				      .sine = sinf(region->angle),
				      .least = -2,
				      .most = 2 * ENGINE_SIDE_MAX,
				      .n = (size_t)p->target.width};
}

void preprocess_sample_row(struct engine_preprocess *p, const struct engine_image *image,
			   const struct resample_line *line)
{
	const struct preprocess_samples *samples = &p->samples;
	const int layers = p->target.channels == 3 || !p->layout->yuv ? p->layout->n_layers : 1;
	struct span span;

	p->kernels->positions(line, samples->left, samples->top, samples->u, samples->v);
	span = span_within(p, image);
	for (int i = 0; i < layers; i++) {
		const struct layer_layout *layer = &p->layout->layers[i];

		fetch_layer(p, image, span, layer);
		for (int c = 0; c < layer->samples; c++)
			if (layer->line[c] >= 0)
				p->kernels->mix(line->n, c, (const uint32_t *const *)samples->corner, samples->u,
						samples->v, p->line[layer->line[c]]);
	}
	for (int column = 0; column < span.begin; column++)
		sample_pixel(p, image, column);
	for (int column = span.end; column < p->target.width; column++)
		sample_pixel(p, image, column);
}
