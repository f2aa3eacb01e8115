/* detect.c - see detect.h. */
#include "detect.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOGIT_MAX	100.0f
#define CENTRE_VARIANCE 0.1f /* of rfb and ssd-anchors, which tell it as scales of 10 and 5 */
#define SIZE_VARIANCE	0.2f
#define NANODET_BINS	8
#define BOX_NUMBERS	4

const char *detect_kind_name(enum config_detector kind)
{
	static const char *const names[] = {
		[CONFIG_DETECTOR_NONE] = "none",
		[CONFIG_BLAZEFACE] = "blazeface",
		[CONFIG_PALM] = "palm",
		[CONFIG_POSE_DETECTOR] = "pose",
		[CONFIG_RFB] = "rfb",
		[CONFIG_CORNERS] = "corners",
		[CONFIG_NANODET] = "nanodet",
		[CONFIG_SSD] = "ssd",
		[CONFIG_SSD_ANCHORS] = "ssd-anchors",
	};

	return names[kind];
}

/* ---- layouts -------------------------------------------------------------------------------------- */

/* Finds the boxes and scores of one layer among the outputs. */
static bool find_layer(const struct outputs *outputs, int rows, int numbers, int classes, struct detect_layout *layout)
{
	int boxes = outputs_find(outputs, 0, rows, numbers), scores = outputs_find(outputs, 0, rows, classes);

	if (boxes < 0 || scores < 0)
		return false;
	layout->boxes[layout->n_layers] = boxes;
	layout->scores[layout->n_layers++] = scores;
	return true;
}

struct mediapipe_kind {
	enum config_detector kind;
	int n_points, n_strides, strides[5], single;
};

/* From the graphs' SsdAnchorsCalculatorOptions and TensorsToDetectionsCalculatorOptions. */
static const struct mediapipe_kind mediapipe_kinds[] = {
	{CONFIG_BLAZEFACE, 6, 4, {8, 16, 16, 16}, 0},
	{CONFIG_BLAZEFACE, 6, 1, {4}, 1},
	{CONFIG_PALM, 7, 4, {8, 16, 16, 16}, 0},
	{CONFIG_POSE_DETECTOR, 4, 5, {8, 16, 32, 32, 32}, 0},
};

static bool lay_out_mediapipe(const struct outputs *outputs, struct detect_layout *layout)
{
	for (size_t i = 0; i < sizeof(mediapipe_kinds) / sizeof(mediapipe_kinds[0]); i++) {
		const struct mediapipe_kind *kind = &mediapipe_kinds[i];

		if (kind->kind != layout->kind || layout->width != layout->height)
			continue;
		anchors_mediapipe(kind->strides, kind->n_strides, kind->single, layout->width, &layout->anchors);
		layout->n_points = kind->n_points;
		layout->n_classes = 1;
		if (find_layer(outputs, layout->anchors.n, BOX_NUMBERS + 2 * kind->n_points, 1, layout))
			return true;
	}
	return false;
}

/* Boxes of four numbers and, beside them, scores with the background first. */
static bool lay_out_with_background(const struct outputs *outputs, struct detect_layout *layout)
{
	for (int i = 0; i < outputs->n; i++) {
		const struct output *scores = &outputs->output[i];
		int boxes = outputs_find(outputs, 0, scores->rows, BOX_NUMBERS);

		/* Of four classes, scores look like boxes: those come behind the boxes. */
		if (boxes < 0 || boxes == i || scores->columns < 2)
			continue;
		layout->boxes[0] = boxes;
		layout->scores[0] = i;
		layout->n_layers = 1;
		layout->n_classes = scores->columns - 1;
		layout->anchors.n = scores->rows;
		return true;
	}
	return false;
}

static bool lay_out_rfb(const struct outputs *outputs, struct detect_layout *layout)
{
	anchors_rfb(layout->width, layout->height, &layout->anchors);
	layout->n_classes = 1;
	return find_layer(outputs, layout->anchors.n, BOX_NUMBERS, 2, layout);
}

static int cells(int side, int stride)
{
	return (side + stride - 1) / stride;
}

static bool lay_out_nanodet(const struct outputs *outputs, struct detect_layout *layout)
{
	static const int strides[] = {8, 16, 32};

	for (int i = 0; i < 3; i++) {
		int columns = cells(layout->width, strides[i]), rows = cells(layout->height, strides[i]);
		int sides = outputs_find(outputs, 0, columns * rows, BOX_NUMBERS * NANODET_BINS), scores = 0;

		while (scores < outputs->n && (scores == sides || outputs->output[scores].rows != columns * rows))
			scores++;
		if (sides < 0 || scores == outputs->n || (i && outputs->output[scores].columns != layout->n_classes))
			return false;
		layout->n_classes = outputs->output[scores].columns;
		layout->boxes[i] = sides;
		layout->scores[i] = scores;
		layout->anchors.layers[i] = (struct anchors_layer){
			.columns = columns,
			.rows = rows,
			.n = 1,
			.cell_width = (float)strides[i] / (float)layout->width,
			.cell_height = (float)strides[i] / (float)layout->height,
		};
		layout->anchors.n += columns * rows;
	}
	layout->n_layers = layout->anchors.n_layers = 3;
	return true;
}

/* The operator's outputs come in its own order: boxes, classes, scores, and how many of them count. */
static bool lay_out_ssd(const struct outputs *outputs, struct detect_layout *layout)
{
	int n = outputs->n == 4 ? outputs->output[0].rows : 0;

	if (!n || outputs->output[0].columns != BOX_NUMBERS || outputs->output[1].columns != n ||
	    outputs->output[1].rows != 1 || outputs->output[2].columns != n || outputs->output[2].rows != 1 ||
	    outputs->output[3].columns != 1 || outputs->output[3].rows != 1)
		return false;
	layout->anchors.n = n;
	return true;
}

static bool lay_out_ssd_anchors(const struct outputs *outputs, struct detect_layout *layout)
{
	struct anchors anchors;

	anchors_ssd(layout->width, layout->height, &anchors);
	if (!lay_out_with_background(outputs, layout) || layout->anchors.n != anchors.n)
		return false;
	layout->anchors = anchors;
	return true;
}

int detect_layout(enum config_detector kind, const struct outputs *outputs, int width, int height,
		  struct detect_layout *ret_layout, char ret_why[OUTPUTS_WHY_BYTES])
{
	static const char *const wanted[] = {
		[CONFIG_BLAZEFACE] = "boxes Nx16 and scores Nx1, N = 896 at 128x128 or 2304 at 192x192",
		[CONFIG_PALM] = "boxes 2016x18 and scores 2016x1 at 192x192",
		[CONFIG_POSE_DETECTOR] = "boxes 2254x12 and scores 2254x1 at 224x224",
		[CONFIG_RFB] = "boxes Nx4 and scores Nx2, N = 4420 at 320x240",
		[CONFIG_CORNERS] = "boxes Nx4 and scores Nx(1 + classes)",
		[CONFIG_NANODET] = "scores NxC and sides Nx32 for strides 8, 16 and 32",
		[CONFIG_SSD] = "boxes Nx4, classes N, scores N and their number",
		[CONFIG_SSD_ANCHORS] = "boxes Nx4 and scores Nx(1 + classes), N = 1917 at 300x300",
	};
	struct detect_layout layout = {.kind = kind, .width = width, .height = height};
	char who[48];
	bool fits;

	if (kind == CONFIG_RFB)
		fits = lay_out_rfb(outputs, &layout);
	else if (kind == CONFIG_CORNERS)
		fits = lay_out_with_background(outputs, &layout);
	else if (kind == CONFIG_NANODET)
		fits = lay_out_nanodet(outputs, &layout);
	else if (kind == CONFIG_SSD)
		fits = lay_out_ssd(outputs, &layout);
	else if (kind == CONFIG_SSD_ANCHORS)
		fits = lay_out_ssd_anchors(outputs, &layout);
	else
		fits = lay_out_mediapipe(outputs, &layout);
	snprintf(who, sizeof(who), "detector %s", detect_kind_name(kind));
	if (!fits)
		return outputs_refuse(outputs, who, wanted[kind], ret_why);
	*ret_layout = layout;
	return 0;
}

/* ---- decoding ------------------------------------------------------------------------------------- */

static struct box centred(float x, float y, float width, float height)
{
	return (struct box){x - width / 2, y - height / 2, x + width / 2, y + height / 2};
}

static float sigmoid(float logit)
{
	return 1 / (1 + expf(-fminf(fmaxf(logit, -LOGIT_MAX), LOGIT_MAX)));
}

/* One row: x, y, width, height and the points' x, y, in pixels of the input beside the anchor's centre. */
static void read_mediapipe_row(const struct detect_layout *layout, const float *row, int index, struct boxes_hit *hit)
{
	struct anchor anchor = anchors_at(&layout->anchors, index);
	float across = 1 / (float)layout->width, down = 1 / (float)layout->height;

	hit->box = centred(row[0] * across + anchor.x, row[1] * down + anchor.y, row[2] * across, row[3] * down);
	hit->n_points = layout->n_points;
	for (int i = 0; i < layout->n_points; i++) {
		hit->points[i][0] = row[BOX_NUMBERS + 2 * i] * across + anchor.x;
		hit->points[i][1] = row[BOX_NUMBERS + 2 * i + 1] * down + anchor.y;
	}
}

static void decode_mediapipe(const struct detect_layout *layout, const float *const *values, float score_min,
			     struct boxes *boxes)
{
	const float *scores = values[layout->scores[0]], *rows = values[layout->boxes[0]];
	/* Most anchors see nothing, and need no exponential; the margin is for its rounding. */
	float logit_min = logf(score_min / (1 - score_min)) - 0.01f;
	int stride = BOX_NUMBERS + 2 * layout->n_points;

	for (int i = 0; i < layout->anchors.n; i++) {
		struct boxes_hit hit = {.index = 0};

		if (!(scores[i] >= logit_min))
			continue;
		hit.score = sigmoid(scores[i]);
		if (hit.score < score_min || !boxes_wants(boxes, hit.score))
			continue;
		read_mediapipe_row(layout, rows + (size_t)i * (size_t)stride, i, &hit);
		boxes_keep(boxes, &hit);
	}
}

/* The class of the highest score. */
static int best_class(const float *scores, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (scores[i] > scores[best] || isnan(scores[best]))
			best = i;
	return best;
}

/* x, y, width and height as SSD tells them: the centre in parts of the prior's size, and logarithms of sizes. */
static struct box prior_box(struct anchor prior, float x, float y, float width, float height)
{
	return centred(prior.x + x * CENTRE_VARIANCE * prior.width, prior.y + y * CENTRE_VARIANCE * prior.height,
		       prior.width * expf(width * SIZE_VARIANCE), prior.height * expf(height * SIZE_VARIANCE));
}

static struct box rfb_box(const struct anchors *anchors, int index, const float *row)
{
	return prior_box(anchors_at(anchors, index), row[0], row[1], row[2], row[3]);
}

/* rfb and corners: the first class of each row is the background. */
static void decode_with_background(const struct detect_layout *layout, const float *const *values, float score_min,
				   struct boxes *boxes)
{
	size_t n_classes = (size_t)layout->n_classes;

	for (int i = 0; i < layout->anchors.n; i++) {
		const float *scores = values[layout->scores[0]] + (size_t)i * (n_classes + 1) + 1;
		const float *row = values[layout->boxes[0]] + (size_t)i * BOX_NUMBERS;
		struct boxes_hit hit = {.index = best_class(scores, layout->n_classes)};

		hit.score = scores[hit.index];
		if (!(hit.score >= score_min) || !boxes_wants(boxes, hit.score))
			continue;
		hit.box = layout->kind == CONFIG_RFB ? rfb_box(&layout->anchors, i, row)
						     : (struct box){row[0], row[1], row[2], row[3]};
		boxes_keep(boxes, &hit);
	}
}

/* The mean of the distribution that softmax makes of the bins; NaN where one is not a number. */
static float mean_bin(const float *bins)
{
	float highest = bins[0], sum = 0, weighted = 0;

	for (int i = 1; i < NANODET_BINS; i++)
		highest = fmaxf(highest, bins[i]);
	for (int i = 0; i < NANODET_BINS; i++) {
		float share = expf(bins[i] - highest);

		sum += share;
		weighted += share * (float)i;
	}
	return weighted / sum;
}

static void decode_nanodet_layer(const struct detect_layout *layout, int layer, const float *const *values,
				 float score_min, struct boxes *boxes)
{
	const struct anchors_layer *grid = &layout->anchors.layers[layer];
	size_t n_classes = (size_t)layout->n_classes;

	for (int i = 0; i < grid->columns * grid->rows; i++) {
		const float *scores = values[layout->scores[layer]] + (size_t)i * n_classes;
		const float *sides = values[layout->boxes[layer]] + (size_t)i * BOX_NUMBERS * NANODET_BINS;
		float x = ((float)(i % grid->columns) + 0.5f) * grid->cell_width;
		float y = ((float)(i / grid->columns) + 0.5f) * grid->cell_height;
		struct boxes_hit hit = {.index = best_class(scores, layout->n_classes)};

		hit.score = scores[hit.index];
		if (!(hit.score >= score_min) || !boxes_wants(boxes, hit.score))
			continue;
		hit.box.x0 = x - grid->cell_width * mean_bin(sides);
		hit.box.y0 = y - grid->cell_height * mean_bin(sides + NANODET_BINS);
		hit.box.x1 = x + grid->cell_width * mean_bin(sides + 2 * NANODET_BINS);
		hit.box.y1 = y + grid->cell_height * mean_bin(sides + 3 * NANODET_BINS);
		boxes_keep(boxes, &hit);
	}
}

static void decode_ssd(const struct detect_layout *layout, const float *const *values, float score_min,
		       struct boxes *boxes)
{
	const float *rows = values[0], *classes = values[1], *scores = values[2];
	float counted = values[3][0];
	int n = counted >= 0 && counted < (float)layout->anchors.n ? (int)counted : layout->anchors.n;

	for (int i = 0; i < n; i++) {
		const float *row = rows + (size_t)i * BOX_NUMBERS;
		struct boxes_hit hit = {.box = {row[1], row[0], row[3], row[2]}, .score = scores[i]};

		/* What does not fit an int is no class. */
		if (!(scores[i] >= score_min) || !(classes[i] >= 0 && classes[i] < (float)OUTPUTS_VALUES_MAX))
			continue;
		hit.index = (int)classes[i];
		boxes_keep(boxes, &hit);
	}
}

static void decode_ssd_anchors(const struct detect_layout *layout, const float *const *values, float score_min,
			       struct boxes *boxes)
{
	size_t n_classes = (size_t)layout->n_classes;

	for (int i = 0; i < layout->anchors.n; i++) {
		const float *logits = values[layout->scores[0]] + (size_t)i * (n_classes + 1) + 1;
		const float *row = values[layout->boxes[0]] + (size_t)i * BOX_NUMBERS;
		struct boxes_hit hit = {.index = best_class(logits, layout->n_classes)};

		hit.score = sigmoid(logits[hit.index]);
		if (!(hit.score >= score_min) || !boxes_wants(boxes, hit.score))
			continue;
		hit.box = prior_box(anchors_at(&layout->anchors, i), row[1], row[0], row[3], row[2]);
		boxes_keep(boxes, &hit);
	}
}

void detect_decode(const struct detect_layout *layout, const float *const *values, float score_min, struct boxes *boxes)
{
	boxes->n = 0;
	switch (layout->kind) {
	case CONFIG_DETECTOR_NONE:
		break;
	case CONFIG_BLAZEFACE:
	case CONFIG_PALM:
	case CONFIG_POSE_DETECTOR:
		decode_mediapipe(layout, values, score_min, boxes);
		break;
	case CONFIG_RFB:
	case CONFIG_CORNERS:
		decode_with_background(layout, values, score_min, boxes);
		break;
	case CONFIG_NANODET:
		for (int i = 0; i < layout->n_layers; i++)
			decode_nanodet_layer(layout, i, values, score_min, boxes);
		break;
	case CONFIG_SSD:
		decode_ssd(layout, values, score_min, boxes);
		break;
	case CONFIG_SSD_ANCHORS:
		decode_ssd_anchors(layout, values, score_min, boxes);
		break;
	}
}

void detect_suppress(const struct detect_layout *layout, float iou_max, int limit, struct boxes *boxes)
{
	if (layout->kind == CONFIG_BLAZEFACE || layout->kind == CONFIG_PALM || layout->kind == CONFIG_POSE_DETECTOR)
		boxes_blend(boxes, iou_max, limit);
	else
		/* The operator of ssd suppressed within the network; nothing overlaps there any more but by choice. */
		boxes_suppress(boxes, layout->kind == CONFIG_SSD ? 1 : iou_max, limit);
}
