/*
 * preprocess_layer.c - one plane of a picture resampled to rows of levels.
 *
 * YUV planes, and colours that become gray, go down first, straight from the source's bytes: the rows under an output
 * row are added up as they lie in memory, whatever their samples are, and only the result, a row for each output row,
 * is taken apart and goes across.  Six more bits than a level has are kept between the axes.
 *
 * Colours that stay colours, and gray pictures, are exact: level by level what Pillow gives (weights of 22 bits, whole
 * levels after each axis), which is what networks are trained and judged on.  That includes the order of the axes:
 * Pillow 13 goes down first where the height shrinks by more than twice what the width does, older ones never.  Where
 * it goes across first, so must every source row here.  Whole levels cannot leave 0..255: the roundings of the largest
 * number of weights add up to less than half a level.
 *
 * Memory does not depend on the reduction: one row of the plane, and a few resampled ones.
 *
 * Knows no colours but luma.  Tap tables: preprocess_taps.c; loops: kernels/resample.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess.h"

#define FRACTION_BITS 6
#define WEIGHT_BITS   22 /* and 8 of value fit a sum of 31 bits */

/* ---- preparing --------------------------------------------------------------------------------- */

struct request {
	const struct pixels_layout *layout;
	int width, height;
	struct preprocess_box box;
	bool luma_only;
};

static int layer_set_taps(struct layer *layer, const struct request *request)
{
	const struct layer_layout *layout = layer->layout;
	const struct preprocess_box *box = &request->box;
	const int width = layout->chroma_x ? (request->width + 1) / 2 : request->width;
	/* Half of the box, whatever the rounding of an odd side: chroma samples span two of luma. */
	const double unit_x = layout->chroma_x ? 0.5 : 1, unit_y = layout->chroma_y ? 0.5 : 1;
	const bool exact = layer->fraction == 0;
	int ret;

	ret = preprocess_taps_init(&layer->across, width, box->x * unit_x, box->width * unit_x, box->out_width,
				   layer->kernels->across_step, WEIGHT_BITS - layer->fraction, exact);
	if (ret)
		return ret;
	/* Rows go down in pairs. */
	ret = preprocess_taps_init(&layer->down, layer->rows_in, box->y * unit_y, box->height * unit_y, box->out_height,
				   2, WEIGHT_BITS, exact);
	layer->enlarge = box->height * unit_y < box->out_height;
	return ret;
}

static bool goes_down_first(const struct layer *layer, const struct request *request)
{
	const int fewer_rows = request->height - request->box.out_height;

	return layer->fraction || (fewer_rows > 0 && fewer_rows > 2 * (request->width - request->box.out_width));
}

/* Everything but the bytes that layers of one plane share. */
static int layer_prepare(struct layer *layer, const struct layer_layout *layout, const struct request *request)
{
	layer->layout = layout;
	layer->rows_in = layout->chroma_y ? (request->height + 1) / 2 : request->height;
	for (int c = 0; c < layout->samples; c++)
		layer->n_lines += layout->line[c] >= 0;
	layer->merge_luma = request->luma_only && layer->n_lines == 3;
	layer->fraction = request->layout->yuv || layer->merge_luma ? FRACTION_BITS : 0;
	layer->down_first = goes_down_first(layer, request);
	return layer_set_taps(layer, request);
}

static void layer_set_bytes(struct layer *layer, size_t unit)
{
	const size_t samples = (size_t)layer->layout->samples;
	int first, end;

	preprocess_taps_range(&layer->across, &first, &end);
	layer->first_byte = (size_t)first * samples / unit * unit;
	layer->n_bytes = ((size_t)end * samples + unit - 1) / unit * unit - layer->first_byte;
}

/* Both take what either needs, and the first one's row goes down for both. */
static void share_bytes(struct layer *a, struct layer *b)
{
	const size_t first = a->first_byte < b->first_byte ? a->first_byte : b->first_byte;
	const size_t a_end = a->first_byte + a->n_bytes, b_end = b->first_byte + b->n_bytes;

	a->first_byte = b->first_byte = first;
	a->n_bytes = b->n_bytes = (a_end > b_end ? a_end : b_end) - first;
	b->shared = true;
}

static int layer_alloc_lines(struct layer *layer)
{
	const size_t reach = (size_t)preprocess_taps_reach(&layer->across);
	const size_t n = layer->n_pixels > reach ? layer->n_pixels : reach;

	for (int c = 0; c < layer->layout->samples; c++) {
		if (layer->layout->line[c] < 0)
			continue;
		layer->line[c] = calloc(n, sizeof(*layer->line[c]));
		if (!layer->line[c])
			return -ENOMEM;
	}
	return 0;
}

static int layer_alloc(struct layer *layer, struct layer *before)
{
	const size_t samples = (size_t)layer->layout->samples;
	size_t values;

	layer->n_pixels = layer->n_bytes / samples;
	preprocess_taps_move(&layer->across, (int)(layer->first_byte / samples));
	if (layer->shared)
		layer->packed = before->packed;
	else if (layer->down_first && samples > 1)
		layer->packed = calloc(layer->n_bytes, sizeof(*layer->packed));
	if (layer->down_first && samples > 1 && !layer->packed)
		return -ENOMEM;
	layer->pitch = (size_t)layer->across.n_padded;
	values = layer->pitch * (size_t)layer->n_lines;
	/* What goes down first needs one row, which goes across, and no sums. */
	for (int i = 0; i < (layer->down_first ? 1 : 2); i++) {
		layer->held[i] = calloc(values, sizeof(*layer->held[i]));
		if (!layer->down_first)
			layer->sum[i] = calloc(values, sizeof(*layer->sum[i]));
		if (!layer->held[i] || (!layer->sum[i] && !layer->down_first))
			return -ENOMEM;
	}
	return layer_alloc_lines(layer);
}

int preprocess_layers_init(struct layer *layers, int n, const struct pixels_layout *layout, int width, int height,
			   const struct preprocess_box *box, bool luma_only, const struct resample_kernels *kernels)
{
	const struct request request = {layout, width, height, *box, luma_only};
	int ret;

	for (int i = 0; i < n; i++) {
		layers[i].kernels = kernels;
		ret = layer_prepare(&layers[i], &layout->layers[i], &request);
		if (ret)
			return ret;
		layer_set_bytes(&layers[i], (size_t)layout->unit);
		if (i > 0 && layout->layers[i].plane == layout->layers[i - 1].plane)
			share_bytes(&layers[i - 1], &layers[i]);
	}
	for (int i = 0; i < n; i++) {
		ret = layer_alloc(&layers[i], i ? &layers[i - 1] : NULL);
		if (ret)
			return ret;
	}
	return 0;
}

void preprocess_layer_finish(struct layer *layer)
{
	preprocess_taps_finish(&layer->across);
	preprocess_taps_finish(&layer->down);
	for (int i = 0; i < 2; i++) {
		free(layer->held[i]);
		free(layer->sum[i]);
	}
	for (int c = 0; c < PREPROCESS_SAMPLES_MAX; c++)
		free(layer->line[c]);
	if (!layer->shared)
		free(layer->packed);
}

void preprocess_layer_begin(struct layer *layer, const struct engine_image *image)
{
	layer->pixels = image->plane[layer->layout->plane] + layer->first_byte;
	layer->stride = image->stride[layer->layout->plane];
	layer->held_row[0] = layer->held_row[1] = -1;
	layer->next = layer->down.first[0];
}

/* ---- across ------------------------------------------------------------------------------------ */

/* The layer's lines resampled across, one behind the other. */
static void lines_across(const struct layer *layer, int32_t *out)
{
	const int shift = layer->fraction ? 0 : layer->across.bits;

	for (int c = 0; c < layer->layout->samples; c++) {
		if (!layer->line[c])
			continue;
		layer->kernels->across(layer->line[c], &layer->across, shift, out);
		if (layer->merge_luma)
			return;
		out += layer->pitch;
	}
}

static void lines_to_levels(const struct layer *layer, const int32_t *values, int shift, float unit,
			    float *const lines[PREPROCESS_LINES_MAX])
{
	for (int c = 0; c < layer->layout->samples; c++) {
		if (!layer->line[c])
			continue;
		layer->kernels->levels((size_t)layer->across.n, values, shift, unit,
				       lines[layer->merge_luma ? 0 : layer->layout->line[c]]);
		if (layer->merge_luma)
			return;
		values += layer->pitch;
	}
}

/* ---- down first -------------------------------------------------------------------------------- */

static void row_down(const struct layer *layer, int y, int16_t *out)
{
	const struct resample_taps *taps = &layer->down;
	const size_t at = (size_t)y * (size_t)taps->width;
	const struct resample_down args = {.rows = layer->pixels + (size_t)taps->first[y] * layer->stride,
					   .stride = layer->stride,
					   .count = (size_t)taps->count[y],
					   .n = layer->n_bytes,
					   .high = taps->high + at,
					   .low = taps->low ? taps->low + at : NULL,
					   .shift = taps->bits - layer->fraction,
					   .out = out};

	layer->kernels->down(&args);
}

static void merge_luma(const struct layer *layer)
{
	const int *line = layer->layout->line;
	int16_t *by_colour[3] = {NULL, NULL, NULL};

	for (int c = 0; c < layer->layout->samples; c++)
		if (line[c] >= 0)
			by_colour[line[c]] = layer->line[c];
	layer->kernels->luma_s16(layer->n_pixels, by_colour[0], by_colour[1], by_colour[2], layer->line[0]);
}

static void row_down_first(const struct layer *layer, int y, float *const lines[PREPROCESS_LINES_MAX])
{
	const int bits = layer->across.bits + layer->fraction;
	const float unit = layer->fraction ? 1.0f / (float)((int32_t)1 << bits) : 1;

	if (!layer->packed) {
		row_down(layer, y, layer->line[0]);
	} else {
		if (!layer->shared)
			row_down(layer, y, layer->packed);
		layer->kernels->split_s16(layer->packed, layer->layout->samples, layer->n_pixels, layer->line);
	}
	if (layer->merge_luma)
		merge_luma(layer);
	lines_across(layer, layer->held[0]);
	lines_to_levels(layer, layer->held[0], 0, unit, lines);
}

/* ---- across first ------------------------------------------------------------------------------ */

/* Source row y resampled across. */
static void fetch_row(const struct layer *layer, int y, int32_t *values)
{
	layer->kernels->split_u8(layer->pixels + (size_t)y * layer->stride, layer->layout->samples, layer->n_pixels,
				 layer->line);
	lines_across(layer, values);
}

static int32_t down_weight(const struct resample_taps *down, int y, int row)
{
	const int t = row - down->first[y];

	return t < 0 || t >= down->count[y] ? 0 : resample_weight(down, (size_t)y * (size_t)down->width + (size_t)t);
}

/*
 * Reducing, a source row lies under at most two output rows, which are neighbours: a triangle reaches exactly
 * to the middle of the next one.  So two rows of sums do, and each source row is resampled once.
 */
static const int32_t *row_reduced(struct layer *layer, int y)
{
	const struct resample_taps *down = &layer->down;
	const size_t n = layer->pitch * (size_t)layer->n_lines;
	const int end = down->first[y] + down->count[y];
	int32_t *here = layer->sum[y & 1], *below = layer->sum[!(y & 1)];

	if (y == 0)
		memset(here, 0, n * sizeof(*here));
	memset(below, 0, n * sizeof(*below));
	for (; layer->next < end; layer->next++) {
		const int32_t weight_below = y + 1 < down->n ? down_weight(down, y + 1, layer->next) : 0;

		fetch_row(layer, layer->next, layer->held[0]);
		layer->kernels->spread(n, layer->held[0], down_weight(down, y, layer->next), here, weight_below, below);
	}
	return here;
}

/* Enlarging, an output row lies between two source rows, which stay for the next. */
static const int32_t *row_enlarged(struct layer *layer, int y)
{
	const struct resample_taps *down = &layer->down;
	const size_t n = layer->pitch * (size_t)layer->n_lines;

	memset(layer->sum[0], 0, n * sizeof(*layer->sum[0]));
	for (int row = down->first[y]; row < down->first[y] + down->count[y]; row++) {
		int32_t *line = layer->held[row & 1];

		if (layer->held_row[row & 1] != row) {
			fetch_row(layer, row, line);
			layer->held_row[row & 1] = row;
		}
		layer->kernels->spread(n, line, down_weight(down, y, row), layer->sum[0], 0, layer->sum[1]);
	}
	return layer->sum[0];
}

void preprocess_layer_row(struct layer *layer, int y, float *const lines[PREPROCESS_LINES_MAX])
{
	if (layer->down_first)
		row_down_first(layer, y, lines);
	else
		lines_to_levels(layer, layer->enlarge ? row_enlarged(layer, y) : row_reduced(layer, y),
				layer->down.bits, 1, lines);
}
