/*
 * yolo.c - the boxes that YOLO networks find, as ncnn's layers of these names make them: [kept][label, score, x0, y0,
 * x1, y1], the best first, labels from 1, sides in fractions of the image.
 *
 * Each input is an image [1][boxes * (5 + classes)][h][w]: for every box of a cell its centre, size, score and classes.
 */
#include <math.h>

#include "operators.h"

#define ROW 6 /* numbers of a box */

struct yolo {
	int64_t classes, boxes;
	double least, most_overlap;
	const double *anchors; /* width, height of each */
	const int64_t *mask;   /* version 3: which anchors the boxes of each input have */
	const double *scales;  /* version 3: of each input to the network's own */
	int n_anchors, n_mask, n_scales;
};

static int read_yolo(struct engine_call *call, struct yolo *y)
{
	bool masked;

	y->classes = engine_attribute_integer(call->attributes, "num_class", 20);
	y->boxes = engine_attribute_integer(call->attributes, "num_box", 5);
	y->least = engine_attribute_number(call->attributes, "confidence_threshold", 0.01);
	y->most_overlap = engine_attribute_number(call->attributes, "nms_threshold", 0.45);
	y->anchors = engine_attribute_numbers(call->attributes, "biases", &y->n_anchors);
	y->mask = engine_attribute_integers(call->attributes, "mask", &y->n_mask);
	y->scales = engine_attribute_numbers(call->attributes, "anchors_scale", &y->n_scales);
	masked = engine_attribute_integer(call->attributes, "masked", 0) != 0;
	if (y->classes < 1 || y->classes > 1 << 20 || y->boxes < 1 || y->boxes > 1 << 10)
		return call_fail(call, -EINVAL, "has impossible numbers of classes and boxes");
	if (masked ? y->n_mask < y->boxes * call->n_inputs || y->n_scales < call->n_inputs
		   : y->n_anchors / 2 < y->boxes)
		return call_fail(call, -EINVAL, "has no anchor for each of its boxes");
	for (int i = 0; masked && i < y->n_mask; i++)
		if (y->mask[i] < 0 || y->mask[i] >= y->n_anchors / 2)
			return call_fail(call, -EINVAL, "has a mask that names no anchor");
	if (!masked)
		y->mask = NULL;
	return 0;
}

static int infer_yolo(struct engine_call *call)
{
	struct yolo y;
	int r = read_yolo(call, &y);
	size_t rows = 0;

	for (int i = 0; i < call->n_inputs && r == 0; i++) {
		const struct engine_tensor *x = call->inputs[i];

		if (!x || x->type != ENGINE_F32 || x->rank != 4 || x->dims[0] != 1 ||
		    x->dims[1] / y.boxes != 5 + y.classes)
			return call_fail(call, -EINVAL, "has an input %d without the channels of its boxes", i);
		rows += (size_t)y.boxes * (size_t)x->dims[2] * (size_t)x->dims[3];
	}
	if (r < 0)
		return r;
	if (rows > INT32_MAX / ROW)
		return call_fail(call, -EFBIG, "may find too many boxes");
	call->scratch_bytes = rows * ROW * sizeof(float);
	call->macs = rows * (uint64_t)y.classes;
	return call_set(call, 0, ENGINE_F32, 2, (int32_t[]){(int32_t)rows, ROW});
}

static float sigmoid(float x)
{
	return 1.0f / (1.0f + expf(-x));
}

/*
 * The best class of a cell, and the score of its box there.  Version 2 weighs the classes against each other; version 3
 * has one fraction for both, in which the class counts where the box does not: thresholds in files are made for that.
 */
static float score_of(const float *x, size_t plane, int64_t classes, bool softmax, int64_t *ret_class)
{
	const float *scores = x + plane;
	float sum = 0.0f, best;

	*ret_class = 0;
	for (int64_t q = 1; q < classes; q++)
		if (scores[(size_t)q * plane] > scores[(size_t)*ret_class * plane])
			*ret_class = q;
	best = scores[(size_t)*ret_class * plane];
	for (int64_t q = 0; softmax && q < classes; q++)
		sum += expf(scores[(size_t)q * plane] - best);
	return softmax ? sigmoid(x[0]) / sum : 1.0f / (1.0f + expf(-x[0]) * (1.0f + expf(-best)));
}

/* Box p of one cell at x; false below the threshold. */
static bool read_box(const struct yolo *y, int input, int64_t p, const struct engine_tensor *t, size_t cell,
		     float row[ROW])
{
	int32_t h = t->dims[2], w = t->dims[3];
	size_t plane = (size_t)h * (size_t)w;
	const float *x = (const float *)t->data + (size_t)(p * (5 + y->classes)) * plane + cell;
	int64_t class, anchor = y->mask ? y->mask[input * y->boxes + p] : p;
	float score = score_of(x + 4 * plane, plane, y->classes, !y->mask, &class);
	float net_w = y->mask ? (float)floor(y->scales[input] * w) : (float)w;
	float net_h = y->mask ? (float)floor(y->scales[input] * h) : (float)h;
	float cx = ((float)(cell % (size_t)w) + sigmoid(x[0])) / (float)w;
	float cy = ((float)(cell / (size_t)w) + sigmoid(x[plane])) / (float)h;
	float side_x = expf(x[2 * plane]) * (float)y->anchors[2 * anchor] / net_w;
	float side_y = expf(x[3 * plane]) * (float)y->anchors[2 * anchor + 1] / net_h;

	row[0] = (float)(class + 1);
	row[1] = score;
	row[2] = cx - side_x * 0.5f;
	row[3] = cy - side_y * 0.5f;
	row[4] = cx + side_x * 0.5f;
	row[5] = cy + side_y * 0.5f;
	return score >= (float)y->least;
}

static float area(const float *row)
{
	return (row[4] - row[2]) * (row[5] - row[3]);
}

static bool overlaps(const float *a, const float *b, double most)
{
	float w = fminf(a[4], b[4]) - fmaxf(a[2], b[2]), h = fminf(a[5], b[5]) - fmaxf(a[3], b[3]);
	float both = w > 0 && h > 0 ? w * h : 0;

	return both / (area(a) + area(b) - both) > (float)most;
}

/* The best that is left, again and again; it takes out those that it covers. */
static size_t keep_best(float *rows, size_t n, double most_overlap, float *out)
{
	size_t kept = 0;

	while (n > 0) {
		float *best = rows, *to = out + kept * ROW;
		size_t left = 0;

		for (size_t i = 1; i < n; i++)
			if (rows[i * ROW + 1] > best[1])
				best = rows + i * ROW;
		for (int k = 0; k < ROW; k++)
			to[k] = best[k];
		best[1] = -INFINITY;
		for (size_t i = 0; i < n; i++) {
			const float *row = rows + i * ROW;

			if (row[1] == -INFINITY || overlaps(to, row, most_overlap))
				continue;
			for (int k = 0; k < ROW; k++)
				rows[left * ROW + (size_t)k] = row[k];
			left++;
		}
		n = left;
		kept++;
	}
	return kept;
}

static int run_yolo(struct engine_call *call)
{
	float *rows = call->scratch;
	struct yolo y;
	size_t n = 0;
	int r = read_yolo(call, &y);

	for (int i = 0; i < call->n_inputs && r == 0; i++) {
		const struct engine_tensor *t = call->inputs[i];

		for (int64_t p = 0; p < y.boxes; p++)
			for (size_t cell = 0; cell < tensor_span(t, 2, 4); cell++)
				n += read_box(&y, i, p, t, cell, rows + n * ROW);
	}
	if (r == 0)
		call->outputs[0]->dims[0] = (int32_t)keep_best(rows, n, y.most_overlap, call->outputs[0]->data);
	return r;
}

OPERATOR(YoloDetectionOutput, 1, ENGINE_OPERATOR_IO_MAX, 1, infer_yolo, .run = run_yolo, .shrinks = true);
OPERATOR(Yolov3DetectionOutput, 1, ENGINE_OPERATOR_IO_MAX, 1, infer_yolo, .run = run_yolo, .shrinks = true);
