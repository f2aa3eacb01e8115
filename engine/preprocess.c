/*
 * preprocess.c - pixels to input tensor in one pass over the source.
 *
 * Every source row is resampled across once, while it is in the cache, and spread over the one or two
 * output rows it lies under; a finished output row is turned into colour, normalised, quantised and stored.
 * Across comes first because it is where the pixels become few, so that all that follows works on short rows.
 *
 * Packed RGB into colour and gray into either are exact: level by level what Pillow gives (weights of 22 bits, whole
 * levels after each axis), which is what networks are trained and judged on.  That includes the order of the axes:
 * Pillow 13 goes down first where the height shrinks by more than twice what the width does, older ones never.
 *
 * YUV sources, and luma of RGB, keep six more bits between the axes and have 16-bit weights.  Y, U and V are resampled
 * each from its own resolution; the colour is then computed for the few output pixels only.  Chroma is taken to
 * lie in the middle of its luma samples, as in JPEG.
 *
 * Memory does not depend on the reduction: two rows of sums for reducing, two resampled rows for enlarging.
 *
 * Owns no pixels and knows no plan beyond the shape of its input.  Tap tables: preprocess_taps.c; row kernels:
 * preprocess_rows.c and its relatives.
 */
#include "preprocess.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX	3
#define PIXEL_BYTES_MAX (3 * sizeof(float))
#define FRACTION_BITS	6  /* kept between the axes where results need not be Pillow's */
#define WEIGHT_BITS	22 /* and 8 of value fit a sum of 31 bits */

static const struct pixels_layout layouts[ENGINE_PIXELS_COUNT] = {
	[ENGINE_NV12] = {true, 2, {{0, 1, {0, -1, -1, -1}, false, false}, {1, 2, {1, 2, -1, -1}, true, true}}},
	[ENGINE_NV21] = {true, 2, {{0, 1, {0, -1, -1, -1}, false, false}, {1, 2, {2, 1, -1, -1}, true, true}}},
	[ENGINE_I420] = {true,
			 3,
			 {{0, 1, {0, -1, -1, -1}, false, false},
			  {1, 1, {1, -1, -1, -1}, true, true},
			  {2, 1, {2, -1, -1, -1}, true, true}}},
	/* Y U Y V: luma is the even byte of pairs, chroma the odd ones of groups of four. */
	[ENGINE_YUYV] = {true, 2, {{0, 2, {0, -1, -1, -1}, false, false}, {0, 4, {-1, 1, -1, 2}, true, false}}},
	[ENGINE_RGB] = {false, 1, {{0, 3, {0, 1, 2, -1}, false, false}}},
	[ENGINE_BGR] = {false, 1, {{0, 3, {2, 1, 0, -1}, false, false}}},
	[ENGINE_RGBA] = {false, 1, {{0, 4, {0, 1, 2, -1}, false, false}}},
	[ENGINE_BGRA] = {false, 1, {{0, 4, {2, 1, 0, -1}, false, false}}},
	[ENGINE_GRAY8] = {false, 1, {{0, 1, {0, -1, -1, -1}, false, false}}},
};

/*
 * One plane on its way to output rows.  "Values" are what goes down: lines resampled across, each `pitch` long,
 * or with down_first the bytes of a source row.
 */
struct layer {
	const struct layer_layout *layout;
	int rows_in;	  /* of the source plane */
	size_t row_bytes; /* that belong to a row */
	size_t over_read; /* bytes past them that the row kernel may load */
	struct preprocess_taps across, down;
	int shift;	 /* after across: leaves `fraction` bits */
	size_t pitch;	 /* values of one line */
	int first_line;	 /* lines that this layer makes: first_line .. first_line + n_lines - 1 */
	int n_lines;	 /* as resampled across */
	bool merge_luma; /* the three lines become one before they go down */
	bool down_first;
	bool enlarge; /* down */
	size_t n_values;
	int16_t *held[2];   /* values of source rows */
	int held_row[2];    /* enlarging: which rows; -1 none */
	int32_t *sum[2];    /* values of output rows */
	int16_t *resampled; /* down_first: lines of an output row */
	uint8_t *copy;	    /* of a row behind which nothing may be read */
	int next;	    /* reducing: first source row not yet spread */
	const uint8_t *pixels;
	size_t stride;
};

struct box {
	double x, y, width, height;
};

struct engine_preprocess {
	enum engine_pixels format;
	bool full_range;
	int width, height;
	const struct preprocess_rows *rows;
	struct preprocess_target target;
	struct engine_placement placement;
	int left, top, picture_width, picture_height; /* where the picture goes in the input */
	bool point;				      /* ENGINE_SAMPLING_POINT: no layers, but these */
	struct engine_region region;
	float pad[3]; /* beyond the picture, in its own lines */
	bool padded;
	int n_layers;
	struct layer layers[3];
	int fraction; /* bits that lines keep below a whole level */
	bool bgr;
	float gain[3], shift[3]; /* stored = pixel * gain + shift, by channel of the input */
	float low, high;	 /* range of the stored type */
	float constant;		 /* second channel of a two-channel input, as stored */
	uint8_t border[PIXEL_BYTES_MAX];
	float *line[LINES_MAX]; /* one output row in levels 0..255 */
};

static int fail(struct engine_error *ret_error, int error, const char *text)
{
	if (ret_error)
		snprintf(ret_error->text, sizeof(ret_error->text), "preprocess: %s", text);
	return error;
}

/* ---- geometry ---------------------------------------------------------------------------------- */

static int round_side(double side, int limit)
{
	int rounded = (int)(side + 0.5);

	return rounded < 1 ? 1 : rounded > limit ? limit : rounded;
}

/* Which part of the picture goes to which part of the input. */
static struct box place(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	double width = p->width, height = p->height, in_w = p->target.width, in_h = p->target.height;
	struct box box = {0, 0, width, height};

	p->picture_width = p->target.width;
	p->picture_height = p->target.height;
	if (normalize->fit == ENGINE_FIT_CROP) {
		/* In cross products, so that equal aspects leave exactly the whole side. */
		if (width * in_h > height * in_w)
			box.width = height * in_w / in_h;
		else
			box.height = width * in_h / in_w;
		box.width *= (double)normalize->crop;
		box.height *= (double)normalize->crop;
		/* Pillow's boxes are of single precision, and so are their sides. */
		box.x = (double)(float)((width - box.width) / 2);
		box.y = (double)(float)((height - box.height) / 2);
		box.width = (double)((float)((width + box.width) / 2) - (float)box.x);
		box.height = (double)((float)((height + box.height) / 2) - (float)box.y);
	} else if (normalize->fit == ENGINE_FIT_LETTERBOX) {
		double scale = in_w * height < in_h * width ? in_w / width : in_h / height;

		p->picture_width = round_side(width * scale, p->target.width);
		p->picture_height = round_side(height * scale, p->target.height);
		p->left = (p->target.width - p->picture_width) / 2;
		p->top = (p->target.height - p->picture_height) / 2;
	}
	p->placement.scale_x = (float)(p->picture_width / box.width);
	p->placement.scale_y = (float)(p->picture_height / box.height);
	p->placement.offset_x = (float)(p->left - box.x * p->picture_width / box.width);
	p->placement.offset_y = (float)(p->top - box.y * p->picture_height / box.height);
	return box;
}

struct engine_placement engine_preprocess_placement(const struct engine_preprocess *preprocess)
{
	return preprocess->placement;
}

/*
 * The part of the picture that the whole input shows when it is sampled: unlike place(), it is not rounded to whole
 * pixels of the input, and reaches beyond the picture where a letterbox has borders.
 */
static void place_region(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	struct box box = place(p, normalize);
	double width = p->width, height = p->height, in_w = p->target.width, in_h = p->target.height;

	if (normalize->fit == ENGINE_FIT_LETTERBOX) {
		double scale = in_w * height < in_h * width ? in_w / width : in_h / height;

		box = (struct box){(width - in_w / scale) / 2, (height - in_h / scale) / 2, in_w / scale, in_h / scale};
	}
	p->left = p->top = 0;
	p->picture_width = p->target.width;
	p->picture_height = p->target.height;
	p->region = (struct engine_region){.x = (float)(box.x + box.width / 2),
					   .y = (float)(box.y + box.height / 2),
					   .width = (float)box.width,
					   .height = (float)box.height};
	p->placement.scale_x = (float)(in_w / box.width);
	p->placement.scale_y = (float)(in_h / box.height);
	p->placement.offset_x = (float)(-box.x * in_w / box.width);
	p->placement.offset_y = (float)(-box.y * in_h / box.height);
}

/* ---- numbers ----------------------------------------------------------------------------------- */

void engine_gray_options(const struct engine_normalize *normalize, struct engine_plan_options *options)
{
	int c;

	for (c = 0; c < 3; c++) {
		options->gray_gain[c] = 1;
		options->gray_bias[c] = 0;
		/* A scale of 0 has no inverse; such a normalisation is refused on creation. */
		if (!normalize->given || normalize->scale[0] == 0)
			continue;
		options->gray_gain[c] = normalize->scale[c] / normalize->scale[0];
		options->gray_bias[c] = (normalize->mean[0] - normalize->mean[c]) * normalize->scale[c];
	}
}

/* Folds normalisation and quantisation into one gain and shift for each channel of the input. */
static int set_numbers(struct engine_preprocess *p, const struct engine_normalize *normalize,
		       struct engine_error *ret_error)
{
	const struct preprocess_target *target = &p->target;
	bool quantised = target->type != ENGINE_F32;
	double step = quantised && target->quant.scale != 0 ? (double)target->quant.scale : 1;
	double zero = quantised && target->quant.scale != 0 ? target->quant.zero_point : 0;
	int c;

	p->low = target->type == ENGINE_S8 ? -128 : 0;
	p->high = target->type == ENGINE_S8 ? 127 : 255;
	for (c = 0; c < 3; c++) {
		double mean = (double)normalize->mean[c], scale = (double)normalize->scale[c];

		if (!normalize->given) {
			p->gain[c] = quantised ? 1.0f : 1.0f / 255;
			p->shift[c] = quantised ? p->low : 0;
			continue;
		}
		p->gain[c] = (float)(scale / step);
		p->shift[c] = (float)(zero - mean * scale / step);
		if (scale == 0 || !isfinite(p->gain[c]) || !isfinite(p->shift[c]))
			return fail(ret_error, -EINVAL, "mean and scale must be finite numbers, and scale not 0");
	}
	p->constant = (float)(1 / step + zero);
	return 0;
}

/* What a value of the input's type is stored as; ties round up, as Pillow rounds. */
static inline int32_t quantise(float value, float low, float high)
{
	value = value > low ? value : low;
	value = value < high ? value : high;
	return (int32_t)(value - low + 0.5f) + (int32_t)low;
}

static void store_f32(const struct engine_preprocess *p, const float *const channel[3], float *restrict dst)
{
	const float *restrict a = channel[0], *restrict b = channel[1], *restrict c = channel[2];
	const float gain[3] = {p->gain[0], p->gain[1], p->gain[2]};
	const float shift[3] = {p->shift[0], p->shift[1], p->shift[2]};
	int x, n = p->picture_width;

	if (p->target.channels == 3) {
		for (x = 0; x < n; x++) {
			dst[3 * x] = a[x] * gain[0] + shift[0];
			dst[3 * x + 1] = b[x] * gain[1] + shift[1];
			dst[3 * x + 2] = c[x] * gain[2] + shift[2];
		}
	} else if (p->target.channels == 2) {
		for (x = 0; x < n; x++) {
			dst[2 * x] = a[x] * gain[0] + shift[0];
			dst[2 * x + 1] = p->constant;
		}
	} else {
		for (x = 0; x < n; x++)
			dst[x] = a[x] * gain[0] + shift[0];
	}
}

/* Both 8-bit types: the low byte of the stored number is the same for either sign. */
static void store_8(const struct engine_preprocess *p, const float *const channel[3], uint8_t *restrict dst)
{
	const int channels = p->target.channels, colours = channels == 3 ? 3 : 1;
	const float low = p->low, high = p->high;
	int c, x, n = p->picture_width;

	for (c = 0; c < colours; c++) {
		const float *restrict from = channel[c];
		const float gain = p->gain[c], shift = p->shift[c];

		for (x = 0; x < n; x++)
			dst[channels * x + c] = (uint8_t)quantise(from[x] * gain + shift, low, high);
	}
	for (x = 0; channels == 2 && x < n; x++)
		dst[2 * x + 1] = (uint8_t)quantise(p->constant, low, high);
}

static void store(const struct engine_preprocess *p, const float *const channel[3], uint8_t *dst)
{
	if (p->target.type == ENGINE_F32)
		store_f32(p, channel, (float *)(void *)dst);
	else
		store_8(p, channel, dst);
}

static size_t pixel_bytes(const struct preprocess_target *target)
{
	return (size_t)target->channels * engine_type_size(target->type);
}

/* The letterbox colour as one stored pixel, made by the code that stores all others. */
static void set_border(struct engine_preprocess *p, const uint8_t pad[3])
{
	float level[3], luma = (float)((299 * pad[0] + 587 * pad[1] + 114 * pad[2]) / 1000.0);
	const float *channel[3] = {&level[0], &level[1], &level[2]};
	struct engine_preprocess one = *p;
	_Alignas(float) uint8_t pixel[PIXEL_BYTES_MAX] = {0};
	int c;

	for (c = 0; c < 3; c++)
		level[c] = p->target.channels == 3 ? (float)pad[p->bgr ? 2 - c : c] : luma;
	one.picture_width = 1;
	store(&one, channel, pixel);
	memcpy(p->border, pixel, sizeof(pixel));
}

/* ---- one plane --------------------------------------------------------------------------------- */

/* Which lines the layer makes. */
static void layer_set_lines(struct layer *layer, const struct layer_layout *layout)
{
	int c;

	layer->layout = layout;
	layer->first_line = LINES_MAX;
	for (c = 0; c < layout->samples; c++) {
		if (layout->line[c] < 0)
			continue;
		layer->n_lines++;
		layer->first_line = layout->line[c] < layer->first_line ? layout->line[c] : layer->first_line;
	}
}

static int layer_set_taps(struct layer *layer, const struct engine_preprocess *p, const struct box *box)
{
	const struct layer_layout *layout = layer->layout;
	int width = layout->chroma_x ? (p->width + 1) / 2 : p->width;
	/* Half of the box, whatever the rounding of an odd side: chroma samples span two of luma. */
	double unit_x = layout->chroma_x ? 0.5 : 1, unit_y = layout->chroma_y ? 0.5 : 1;
	int step = layout->samples == 1 ? p->rows->step_plain : p->rows->step_packed;
	bool exact = p->fraction == 0;
	size_t reach;
	int ret;

	ret = preprocess_taps_init(&layer->across, width, box->x * unit_x, box->width * unit_x, p->picture_width, step,
				   WEIGHT_BITS, exact);
	if (ret)
		return ret;
	ret = preprocess_taps_init(&layer->down, layer->rows_in, box->y * unit_y, box->height * unit_y,
				   p->picture_height, 1, WEIGHT_BITS - p->fraction, exact);
	if (ret)
		return ret;
	layer->shift = layer->across.bits - p->fraction;
	layer->enlarge = box->height * unit_y < p->picture_height;
	layer->down_first = exact && p->height > p->picture_height &&
			    p->height - p->picture_height > 2 * (p->width - p->picture_width);
	/* A row of Y U Y V holds whole groups of four bytes. */
	layer->row_bytes =
		p->format == ENGINE_YUYV ? (size_t)(p->width + 1) / 2 * 4 : (size_t)width * (size_t)layout->samples;
	reach = (size_t)preprocess_taps_reach(&layer->across) * (size_t)layout->samples + PREPROCESS_ROW_SLACK;
	layer->over_read = reach > layer->row_bytes ? reach - layer->row_bytes : 0;
	return 0;
}

static int layer_init(struct layer *layer, const struct layer_layout *layout, const struct engine_preprocess *p,
		      const struct box *box)
{
	size_t lines;
	int i, ret;

	layer_set_lines(layer, layout);
	layer->rows_in = layout->chroma_y ? (p->height + 1) / 2 : p->height;
	layer->merge_luma = p->target.channels != 3 && layer->n_lines == 3;
	ret = layer_set_taps(layer, p, box);
	if (ret)
		return ret;
	layer->pitch = ((size_t)layer->across.outputs_padded + 15) / 16 * 16;
	lines = (size_t)layer->n_lines * layer->pitch;
	layer->n_values = layer->down_first ? layer->row_bytes : layer->merge_luma ? layer->pitch : lines;
	for (i = 0; i < 2; i++) {
		/* Across makes all lines, also those that do not go down. */
		layer->held[i] = calloc(layer->down_first ? layer->n_values : lines, sizeof(*layer->held[i]));
		layer->sum[i] = calloc(layer->n_values, sizeof(*layer->sum[i]));
		if (!layer->held[i] || !layer->sum[i])
			return -ENOMEM;
	}
	layer->resampled = calloc(lines, sizeof(*layer->resampled));
	layer->copy = calloc(layer->row_bytes + layer->over_read, 1);
	return layer->resampled && layer->copy ? 0 : -ENOMEM;
}

static void layer_finish(struct layer *layer)
{
	int i;

	preprocess_taps_finish(&layer->across);
	preprocess_taps_finish(&layer->down);
	for (i = 0; i < 2; i++) {
		free(layer->held[i]);
		free(layer->sum[i]);
	}
	free(layer->resampled);
	free(layer->copy);
}

static void layer_begin(struct layer *layer, const struct engine_image *image)
{
	layer->pixels = image->plane[layer->layout->plane];
	layer->stride = image->stride[layer->layout->plane];
	layer->held_row[0] = layer->held_row[1] = -1;
	layer->next = layer->down.first[0];
}

/* Resamples one row of bytes across into the layer's lines. */
static void layer_across(const struct engine_preprocess *p, const struct layer *layer, const uint8_t *row,
			 int16_t *line)
{
	int16_t *out[4] = {NULL, NULL, NULL, NULL};
	int c, x;

	for (c = 0; c < layer->layout->samples; c++) {
		if (layer->layout->line[c] >= 0)
			out[c] = line + (size_t)(layer->layout->line[c] - layer->first_line) * layer->pitch;
	}
	p->rows->across(row, layer->layout->samples, &layer->across, layer->shift, out);
	if (layer->merge_luma) {
		const int16_t *green = line + layer->pitch, *blue = line + 2 * layer->pitch;

		/* BT.601 in 15 bits; the three weights add up to 32768. */
		for (x = 0; x < p->picture_width; x++)
			line[x] = (int16_t)((9798 * line[x] + 19235 * green[x] + 3735 * blue[x] + 16384) >> 15);
	}
}

/* The values of source row y. */
static void layer_fetch(const struct engine_preprocess *p, const struct layer *layer, int y, int16_t *values)
{
	const uint8_t *row = layer->pixels + (size_t)y * layer->stride;
	size_t i;

	if (layer->down_first) {
		for (i = 0; i < layer->n_values; i++)
			values[i] = row[i];
		return;
	}
	/* Near the end of the plane, what the kernel loads beyond the row might not be ours to read. */
	if ((size_t)(layer->rows_in - 1 - y) * layer->stride < layer->over_read) {
		memcpy(layer->copy, row, layer->row_bytes);
		row = layer->copy;
	}
	layer_across(p, layer, row, values);
}

static int down_weight(const struct preprocess_taps *down, int y, int row)
{
	int t = row - down->first[y];

	return t < 0 || t >= down->count[y] ? 0 : down->weight[(size_t)y * (size_t)down->width + (size_t)t];
}

/*
 * Reducing, a source row lies under at most two output rows, which are neighbours: a triangle reaches exactly
 * to the middle of the next one.  So two rows of sums do, and each source row is resampled once.
 */
static const int32_t *layer_reduce(const struct engine_preprocess *p, struct layer *layer, int y)
{
	const struct preprocess_taps *down = &layer->down;
	const size_t n = layer->n_values;
	int32_t *here = layer->sum[y & 1], *below = layer->sum[!(y & 1)];
	const int end = down->first[y] + down->count[y];

	if (y == 0)
		memset(here, 0, n * sizeof(*here));
	memset(below, 0, n * sizeof(*below));
	for (; layer->next < end; layer->next++) {
		int weight_below = y + 1 < down->n ? down_weight(down, y + 1, layer->next) : 0;

		layer_fetch(p, layer, layer->next, layer->held[0]);
		p->rows->spread(n, layer->held[0], down_weight(down, y, layer->next), here, weight_below, below);
	}
	return here;
}

/* Enlarging, an output row lies between two source rows, which stay for the next. */
static const int32_t *layer_enlarge(const struct engine_preprocess *p, struct layer *layer, int y)
{
	const size_t n = layer->n_values;
	int t;

	memset(layer->sum[0], 0, n * sizeof(*layer->sum[0]));
	for (t = 0; t < layer->down.count[y]; t++) {
		int row = layer->down.first[y] + t;
		int16_t *line = layer->held[row & 1];

		if (layer->held_row[row & 1] != row) {
			layer_fetch(p, layer, row, line);
			layer->held_row[row & 1] = row;
		}
		p->rows->spread(n, line, down_weight(&layer->down, y, row), layer->sum[0], 0, layer->sum[1]);
	}
	return layer->sum[0];
}

/* Finishes what came down first: whole levels again, then across. */
static void layer_levels_across(const struct engine_preprocess *p, struct layer *layer, const int32_t *sum)
{
	const int32_t half = (int32_t)1 << layer->down.bits >> 1;
	size_t i;
	int c, x;

	for (i = 0; i < layer->n_values; i++) {
		int32_t value = (sum[i] + half) >> layer->down.bits;

		layer->copy[i] = (uint8_t)(value < 255 ? value : 255);
	}
	layer_across(p, layer, layer->copy, layer->resampled);
	for (c = 0; c < layer->n_lines; c++) {
		const int16_t *from = layer->resampled + (size_t)c * layer->pitch;

		for (x = 0; x < p->picture_width; x++)
			p->line[layer->first_line + c][x] = from[x];
	}
}

/* Sums to levels 0..255: whole ones where nothing was kept below them. */
static void layer_levels(const struct engine_preprocess *p, const struct layer *layer, const int32_t *sum)
{
	const int bits = layer->down.bits, shift = p->fraction ? 0 : bits;
	const int32_t half = (int32_t)1 << shift >> 1;
	const float unit = p->fraction ? 1.0f / (float)((int32_t)1 << (bits + p->fraction)) : 1;
	const int lines = layer->merge_luma ? 1 : layer->n_lines;
	int i, x;

	for (i = 0; i < lines; i++) {
		const int32_t *restrict from = sum + (size_t)i * layer->pitch;
		float *restrict to = p->line[layer->first_line + i];

		for (x = 0; x < p->picture_width; x++)
			to[x] = (float)((from[x] + half) >> shift) * unit;
	}
}

/* ---- colour ------------------------------------------------------------------------------------ */

static inline float level(float value)
{
	value = value > 0 ? value : 0;
	return value < 255 ? value : 255;
}

/* BT.601; the factors follow from Kr 0.299, Kb 0.114 and, for video range, 219 luma and 224 chroma steps. */
static void yuv_to_rgb(int n, bool full_range, float *restrict y, float *restrict u, float *restrict v)
{
	const float black = full_range ? 0 : 16, luma = full_range ? 1 : 255.0f / 219;
	const float chroma = full_range ? 1 : 255.0f / 224;
	const float red_v = 1.402f * chroma, blue_u = 1.772f * chroma;
	const float green_u = 0.344136286f * chroma, green_v = 0.714136286f * chroma;
	int x;

	for (x = 0; x < n; x++) {
		float bright = (y[x] - black) * luma, du = u[x] - 128, dv = v[x] - 128;

		y[x] = level(bright + red_v * dv);
		u[x] = level(bright - green_u * du - green_v * dv);
		v[x] = level(bright + blue_u * du);
	}
}

static void luma_to_full(int n, float *y)
{
	int x;

	for (x = 0; x < n; x++)
		y[x] = level((y[x] - 16) * (255.0f / 219));
}

/* The finished lines of an output row as channels of the input. */
static void row_colour(const struct engine_preprocess *p, const float *channel[3])
{
	const bool yuv = layouts[p->format].yuv, colour = p->target.channels == 3;
	int c;

	if (yuv && colour)
		yuv_to_rgb(p->picture_width, p->full_range, p->line[0], p->line[1], p->line[2]);
	else if (yuv && !p->full_range)
		luma_to_full(p->picture_width, p->line[0]);
	for (c = 0; c < 3; c++) {
		if (!colour || p->format == ENGINE_GRAY8)
			channel[c] = p->line[0];
		else
			channel[c] = p->line[p->bgr ? 2 - c : c];
	}
}

/* ---- the object -------------------------------------------------------------------------------- */

static int check_request(const struct engine_image *image, const struct engine_normalize *normalize,
			 const struct preprocess_target *target, struct engine_error *ret_error)
{
	if ((unsigned)image->format >= ENGINE_PIXELS_COUNT)
		return fail(ret_error, -EINVAL, "unknown pixel format");
	if (image->width < 1 || image->height < 1 || image->width > ENGINE_SIDE_MAX || image->height > ENGINE_SIDE_MAX)
		return fail(ret_error, -EINVAL, "the image's sides must be 1..16384");
	if (target->width < 1 || target->height < 1 || target->width > ENGINE_SIDE_MAX ||
	    target->height > ENGINE_SIDE_MAX)
		return fail(ret_error, -ENOTSUP, "the network's input is not an image of 1..16384 pixels a side");
	if (target->channels < 1 || target->channels > 3)
		return fail(ret_error, -ENOTSUP, "the network's input must have 1, 2 or 3 channels");
	if (target->type != ENGINE_F32 && target->type != ENGINE_U8 && target->type != ENGINE_S8)
		return fail(ret_error, -ENOTSUP, "the network's input must be float32, uint8 or int8");
	if ((unsigned)normalize->fit > ENGINE_FIT_LETTERBOX)
		return fail(ret_error, -EINVAL, "unknown fit");
	if (normalize->fit == ENGINE_FIT_CROP && !(normalize->crop > 0 && normalize->crop <= 1))
		return fail(ret_error, -EINVAL, "crop must be above 0 and at most 1");
	return 0;
}

/* Everything that needs memory. */
static int set_lines(struct engine_preprocess *p)
{
	for (int i = 0; i < LINES_MAX; i++) {
		p->line[i] = calloc((size_t)p->picture_width, sizeof(*p->line[i]));
		if (!p->line[i])
			return -ENOMEM;
	}
	return 0;
}

/* The letterbox colour in the lines of the picture's format. */
static void set_pad(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	float r = normalize->pad[0], g = normalize->pad[1], b = normalize->pad[2];
	float y = 0.299f * r + 0.587f * g + 0.114f * b;
	float span = p->full_range ? 1 : 219.0f / 255, chroma_span = p->full_range ? 1 : 224.0f / 255;

	p->padded = normalize->fit == ENGINE_FIT_LETTERBOX;
	if (!layouts[p->format].yuv) {
		p->pad[0] = p->format == ENGINE_GRAY8 ? y : r;
		p->pad[1] = g;
		p->pad[2] = b;
		return;
	}
	p->pad[0] = y * span + (p->full_range ? 0 : 16);
	p->pad[1] = (b - y) / 1.772f * chroma_span + 128;
	p->pad[2] = (r - y) / 1.402f * chroma_span + 128;
}

static int set_layers(struct engine_preprocess *p, const struct box *box)
{
	const struct pixels_layout *layout = &layouts[p->format];
	int i, ret;

	p->n_layers = p->target.channels == 3 || !layout->yuv ? layout->n_layers : 1;
	for (i = 0; i < p->n_layers; i++) {
		ret = layer_init(&p->layers[i], &layout->layers[i], p, box);
		if (ret)
			return ret;
	}
	return set_lines(p);
}

int preprocess_create(const struct engine_image *image, const struct engine_normalize *normalize,
		      const struct preprocess_target *target, const struct preprocess_rows *rows,
		      struct engine_error *ret_error, struct engine_preprocess **ret_preprocess)
{
	struct engine_preprocess *p;
	struct box box;
	bool packed_colour;
	int ret;

	ret = check_request(image, normalize, target, ret_error);
	if (ret)
		return ret;
	p = calloc(1, sizeof(*p));
	if (!p)
		return fail(ret_error, -ENOMEM, "out of memory");
	p->format = image->format;
	p->full_range = image->full_range;
	p->width = image->width;
	p->height = image->height;
	p->target = *target;
	p->rows = rows;
	p->bgr = normalize->bgr;
	packed_colour = !layouts[p->format].yuv && p->format != ENGINE_GRAY8;
	p->fraction = layouts[p->format].yuv || (packed_colour && target->channels != 3) ? FRACTION_BITS : 0;
	ret = set_numbers(p, normalize, ret_error);
	if (ret)
		goto out;
	set_border(p, normalize->pad);
	p->point = normalize->sampling == ENGINE_SAMPLING_POINT;
	if (p->point) {
		place_region(p, normalize);
		set_pad(p, normalize);
		ret = set_lines(p);
	} else {
		box = place(p, normalize);
		ret = set_layers(p, &box);
	}
	if (ret)
		fail(ret_error, ret, "out of memory");
out:
	if (ret)
		engine_preprocess_destroy(p);
	else
		*ret_preprocess = p;
	return ret;
}

int engine_preprocess_create(const struct engine_image *image, const struct engine_normalize *normalize,
			     const struct engine_plan *plan, struct engine_error *ret_error,
			     struct engine_preprocess **ret_preprocess)
{
	struct preprocess_target target;
	struct engine_io io;

	engine_plan_input(plan, 0, &io);
	if (io.rank != 4 || io.dims[0] != 1)
		return fail(ret_error, -ENOTSUP, "the network's input is not one image");
	target = (struct preprocess_target){io.dims[2], io.dims[1], io.dims[3], io.type, io.quant};
	return preprocess_create(image, normalize, &target, preprocess_rows_get(), ret_error, ret_preprocess);
}

void engine_preprocess_destroy(struct engine_preprocess *preprocess)
{
	int i;

	if (!preprocess)
		return;
	for (i = 0; i < preprocess->n_layers; i++)
		layer_finish(&preprocess->layers[i]);
	for (i = 0; i < LINES_MAX; i++)
		free(preprocess->line[i]);
	free(preprocess);
}

static void fill_border(const struct engine_preprocess *p, size_t pixels, uint8_t *dst)
{
	const size_t bytes = pixel_bytes(&p->target);
	size_t done;

	if (!pixels)
		return;
	memcpy(dst, p->border, bytes);
	for (done = 1; done < pixels; done *= 2)
		memcpy(dst + done * bytes, dst, (done < pixels - done ? done : pixels - done) * bytes);
}

static bool is_prepared_for(const struct engine_preprocess *p, const struct engine_image *image)
{
	return image->format == p->format && image->width == p->width && image->height == p->height &&
	       (!layouts[p->format].yuv || image->full_range == p->full_range);
}

int engine_preprocess_run_region(struct engine_preprocess *preprocess, const struct engine_image *image,
				 const struct engine_region *region, void *dst)
{
	struct engine_preprocess *p = preprocess;
	const struct pixels_layout *layout = &layouts[p->format];
	size_t row_bytes = (size_t)p->target.width * pixel_bytes(&p->target);
	bool merge_luma = p->target.channels != 3 && !layout->yuv && p->format != ENGINE_GRAY8;

	if (!p->point || !is_prepared_for(p, image) || !isfinite(region->x) || !isfinite(region->y) ||
	    !isfinite(region->width) || !isfinite(region->height) || !isfinite(region->angle))
		return -EINVAL;
	for (int y = 0; y < p->target.height; y++) {
		const float *channel[3];

		preprocess_sample_row(layout, image, p->padded ? p->pad : NULL, region, p->target.width,
				      p->target.height, y, p->line);
		for (int x = 0; merge_luma && x < p->target.width; x++)
			p->line[0][x] = 0.299f * p->line[0][x] + 0.587f * p->line[1][x] + 0.114f * p->line[2][x];
		row_colour(p, channel);
		store(p, channel, (uint8_t *)dst + (size_t)y * row_bytes);
	}
	return 0;
}

int engine_preprocess_run(struct engine_preprocess *preprocess, const struct engine_image *image, void *dst)
{
	struct engine_preprocess *p = preprocess;
	const size_t bytes = pixel_bytes(&p->target), input_width = (size_t)p->target.width;
	const size_t right = input_width - (size_t)p->left - (size_t)p->picture_width;
	const size_t bottom = (size_t)(p->target.height - p->top - p->picture_height);
	uint8_t *row = (uint8_t *)dst + (size_t)p->top * input_width * bytes;
	int i, y;

	if (p->point)
		return engine_preprocess_run_region(p, image, &p->region, dst);
	if (!is_prepared_for(p, image))
		return -EINVAL;
	fill_border(p, (size_t)p->top * input_width, dst);
	for (i = 0; i < p->n_layers; i++)
		layer_begin(&p->layers[i], image);
	for (y = 0; y < p->picture_height; y++, row += input_width * bytes) {
		const float *channel[3];

		for (i = 0; i < p->n_layers; i++) {
			struct layer *layer = &p->layers[i];
			const int32_t *sum = layer->enlarge ? layer_enlarge(p, layer, y) : layer_reduce(p, layer, y);

			if (layer->down_first)
				layer_levels_across(p, layer, sum);
			else
				layer_levels(p, layer, sum);
		}
		row_colour(p, channel);
		fill_border(p, (size_t)p->left, row);
		store(p, channel, row + (size_t)p->left * bytes);
		fill_border(p, right, row + ((size_t)p->left + (size_t)p->picture_width) * bytes);
	}
	fill_border(p, bottom * input_width, row);
	return 0;
}
