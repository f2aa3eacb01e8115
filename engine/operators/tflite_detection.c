/*
 * tflite_detection.c - TFLite_Detection_PostProcess: boxes of an SSD detector from codes relative to anchors, the most
 * probable of each place.
 *
 * Inputs: codes [1][N][4 or more] (y, x, h, w), scores [1][N][classes, background first if there is one more than
 * num_classes], anchors [N][4] (y, x, h, w of the centre).  Outputs: boxes [1][D][4] (top, left, bottom, right),
 * classes [1][D], scores [1][D] and how many there are [1], all float; what is left of D is zero.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "operators.h"

#define CLASSES_MAX 65536

struct parameters {
	int64_t most, classes_each, per_class, classes;
	bool regular; /* one class after the other, not all at once by the best of each place */
	float least_score, iou, scale[4];
	size_t n, columns, offset; /* places, scores of each, the first that is no background */
};

/* A place and its score, to be sorted. */
struct candidate {
	float score;
	int32_t place, class; /* class: background not counted */
};

struct box {
	float top, left, bottom, right;
};

static int read_parameters(struct engine_call *call, struct parameters *p)
{
	static const char *const scales[] = {"y_scale", "x_scale", "h_scale", "w_scale"};
	const struct engine_attributes *a = call->attributes;
	const struct engine_tensor *codes = call->inputs[0], *scores = call->inputs[1], *anchors = call->inputs[2];

	*p = (struct parameters){
		.most = engine_attribute_integer(a, "max_detections", 0),
		.classes_each = engine_attribute_integer(a, "max_classes_per_detection", 1),
		.per_class = engine_attribute_integer(a, "detections_per_class", 100),
		.classes = engine_attribute_integer(a, "num_classes", 0),
		.regular = engine_attribute_integer(a, "use_regular_nms", 0) != 0,
		.least_score = (float)engine_attribute_number(a, "nms_score_threshold", 0),
		.iou = (float)engine_attribute_number(a, "nms_iou_threshold", 0.5),
	};
	for (int i = 0; i < 4; i++)
		p->scale[i] =
			(float)engine_attribute_number(a, scales[i], (double)engine_attribute_integer(a, scales[i], 1));
	if (codes->type != ENGINE_F32 || scores->type != ENGINE_F32 || anchors->type != ENGINE_F32 ||
	    codes->rank != 3 || scores->rank != 3 || anchors->rank != 2 || codes->dims[0] != 1 ||
	    scores->dims[0] != 1 || codes->dims[1] != anchors->dims[0] || scores->dims[1] != anchors->dims[0] ||
	    codes->dims[2] < 4 || anchors->dims[1] != 4)
		return call_fail(call, -EINVAL, "has codes, scores and anchors that do not go together");
	p->n = (size_t)anchors->dims[0];
	p->columns = (size_t)scores->dims[2];
	if (p->classes < 1 || p->classes > CLASSES_MAX || p->columns < (size_t)p->classes ||
	    p->columns > (size_t)p->classes + 1)
		return call_fail(call, -EINVAL, "has %zu scores for %lld classes", p->columns, (long long)p->classes);
	p->offset = p->columns - (size_t)p->classes;
	p->classes_each = p->classes_each > p->classes ? p->classes : p->classes_each;
	if (p->most < 1 || p->most > 1 << 16 || p->classes_each < 1 || p->per_class < 1 || p->scale[0] == 0.0f ||
	    p->scale[1] == 0.0f || p->scale[2] == 0.0f || p->scale[3] == 0.0f)
		return call_fail(call, -EINVAL, "has impossible options");
	return 0;
}

/* Boxes, candidates of a class and the winners of all, behind each other. */
static size_t scratch_bytes(const struct parameters *p)
{
	size_t kept = p->regular ? 2 * (size_t)p->most : (size_t)p->most;

	return p->n * sizeof(struct box) + (p->n + kept + (size_t)p->classes) * sizeof(struct candidate);
}

static int infer_detection(struct engine_call *call)
{
	struct parameters p;
	int r = read_parameters(call, &p);
	int32_t rows;

	if (r < 0)
		return r;
	rows = (int32_t)(p.most * (p.regular ? 1 : p.classes_each));
	call->scratch_bytes = scratch_bytes(&p);
	call->macs = (uint64_t)p.n * (uint64_t)p.most;
	r = call_set(call, 0, ENGINE_F32, 3, (int32_t[]){1, rows, 4});
	for (int i = 1; i < 3 && r == 0; i++)
		r = call_set(call, i, ENGINE_F32, 2, (int32_t[]){1, rows});
	return r < 0 ? r : call_set(call, 3, ENGINE_F32, 1, (int32_t[]){1});
}

static void decode(const struct engine_call *call, const struct parameters *p, struct box *boxes)
{
	const float *codes = call->inputs[0]->data, *anchors = call->inputs[2]->data;
	size_t step = (size_t)call->inputs[0]->dims[2];

	for (size_t i = 0; i < p->n; i++) {
		const float *code = codes + i * step, *anchor = anchors + i * 4;
		float y = code[0] / p->scale[0] * anchor[2] + anchor[0],
		      x = code[1] / p->scale[1] * anchor[3] + anchor[1];
		float h = 0.5f * expf(code[2] / p->scale[2]) * anchor[2];
		float w = 0.5f * expf(code[3] / p->scale[3]) * anchor[3];

		boxes[i] = (struct box){y - h, x - w, y + h, x + w};
	}
}

static float area(const struct box *b)
{
	return (b->bottom - b->top) * (b->right - b->left);
}

/* Their common area as a share of what they cover together. */
static float overlap(const struct box *a, const struct box *b)
{
	float h = fminf(a->bottom, b->bottom) - fmaxf(a->top, b->top);
	float w = fminf(a->right, b->right) - fmaxf(a->left, b->left);
	float common = fmaxf(h, 0.0f) * fmaxf(w, 0.0f);

	return area(a) <= 0.0f || area(b) <= 0.0f ? 0.0f : common / (area(a) + area(b) - common);
}

/* The larger score first; of equal ones the earlier place. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->place != y->place ? (x->place > y->place) - (x->place < y->place) : x->class - y->class;
}

/* Keeps the best of n sorted candidates, and none that overlaps a better one too much; at most `most` of them. */
static size_t suppress(const struct box *boxes, struct candidate *candidates, size_t n, float iou, size_t most)
{
	size_t kept = 0;

	for (size_t i = 0; i < n && kept < most; i++) {
		bool covered = false;

		for (size_t k = 0; k < kept && !covered; k++)
			covered = overlap(&boxes[candidates[k].place], &boxes[candidates[i].place]) > iou;
		if (!covered)
			candidates[kept++] = candidates[i];
	}
	return kept;
}

static void put(struct engine_call *call, size_t row, const struct box *box, const struct candidate *winner)
{
	memcpy((float *)call->outputs[0]->data + 4 * row, box, sizeof(*box));
	((float *)call->outputs[1]->data)[row] = (float)winner->class;
	((float *)call->outputs[2]->data)[row] = winner->score;
}

/* All classes of each kept place, the most probable first. */
static void put_place(struct engine_call *call, const struct parameters *p, size_t row, const struct box *boxes,
		      const struct candidate *winner, struct candidate *classes)
{
	const float *scores = (const float *)call->inputs[1]->data + (size_t)winner->place * p->columns + p->offset;

	for (int32_t c = 0; c < p->classes; c++)
		classes[c] = (struct candidate){scores[c], winner->place, c};
	qsort(classes, (size_t)p->classes, sizeof(*classes), compare);
	for (size_t c = 0; c < (size_t)p->classes_each; c++)
		put(call, row + c, &boxes[winner->place], &classes[c]);
}

/* By the best score of each place. */
static size_t detect_at_once(struct engine_call *call, const struct parameters *p, const struct box *boxes,
			     struct candidate *candidates, struct candidate *classes)
{
	const float *scores = call->inputs[1]->data;
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		float best = scores[i * p->columns + p->offset];

		for (size_t c = 1; c < (size_t)p->classes; c++)
			best = fmaxf(best, scores[i * p->columns + p->offset + c]);
		if (best >= p->least_score)
			candidates[n++] = (struct candidate){best, (int32_t)i, 0};
	}
	qsort(candidates, n, sizeof(*candidates), compare);
	n = suppress(boxes, candidates, n, p->iou, (size_t)p->most);
	for (size_t i = 0; i < n; i++)
		put_place(call, p, i * (size_t)p->classes_each, boxes, &candidates[i], classes);
	return n;
}

/* Class by class; the best of all classes stay. */
static size_t detect_by_class(struct engine_call *call, const struct parameters *p, const struct box *boxes,
			      struct candidate *candidates, struct candidate *kept)
{
	const float *scores = call->inputs[1]->data;
	size_t n_kept = 0, most = (size_t)p->most;

	for (int32_t c = 0; c < p->classes; c++) {
		size_t n = 0, each = (size_t)(p->per_class < p->most ? p->per_class : p->most);

		for (size_t i = 0; i < p->n; i++) {
			float score = scores[i * p->columns + p->offset + (size_t)c];

			if (score >= p->least_score)
				candidates[n++] = (struct candidate){score, (int32_t)i, c};
		}
		qsort(candidates, n, sizeof(*candidates), compare);
		n = suppress(boxes, candidates, n, p->iou, each);
		memcpy(kept + n_kept, candidates, n * sizeof(*kept));
		n_kept += n;
		qsort(kept, n_kept, sizeof(*kept), compare);
		n_kept = n_kept < most ? n_kept : most;
	}
	for (size_t i = 0; i < n_kept; i++)
		put(call, i, &boxes[kept[i].place], &kept[i]);
	return n_kept;
}

static int run_detection(struct engine_call *call)
{
	struct candidate *candidates, *kept;
	struct parameters p;
	struct box *boxes = call->scratch;
	int r = read_parameters(call, &p);
	size_t n;

	if (r < 0)
		return r;
	candidates = (struct candidate *)(void *)(boxes + p.n);
	kept = candidates + p.n;
	decode(call, &p, boxes);
	for (int i = 0; i < call->n_outputs; i++)
		memset(call->outputs[i]->data, 0, tensor_count(call->outputs[i]) * sizeof(float));
	n = p.regular ? detect_by_class(call, &p, boxes, candidates, kept)
		      : detect_at_once(call, &p, boxes, candidates, kept);
	*(float *)call->outputs[3]->data = (float)n;
	return 0;
}

static int infer_all(struct engine_call *call)
{
	return call->n_outputs == 4 ? infer_detection(call)
				    : call_fail(call, -EINVAL, "has %d outputs", call->n_outputs);
}

OPERATOR(TFLite_Detection_PostProcess, 3, 3, 4, infer_all, .run = run_detection);
