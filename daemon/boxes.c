/* boxes.c - see boxes.h. */
#include "boxes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float area(const struct box *box)
{
	return (box->x1 - box->x0) * (box->y1 - box->y0);
}

float boxes_iou(const struct box *a, const struct box *b)
{
	float width = fminf(a->x1, b->x1) - fmaxf(a->x0, b->x0);
	float height = fminf(a->y1, b->y1) - fmaxf(a->y0, b->y0);
	float common, either;

	if (!(width > 0 && height > 0))
		return 0;
	common = width * height;
	either = area(a) + area(b) - common;
	return either > 0 && isfinite(either) ? common / either : 0;
}

/* ---- candidates ----------------------------------------------------------------------------------- */

/* Equal scores go by place and class, so that the outcome does not depend on the order they came in. */
static bool worse(const struct boxes_hit *a, const struct boxes_hit *b)
{
	if (a->score != b->score)
		return a->score < b->score;
	if (a->index != b->index)
		return a->index > b->index;
	return a->box.y0 != b->box.y0 ? a->box.y0 > b->box.y0 : a->box.x0 > b->box.x0;
}

static void heap_sink(struct boxes_hit *hits, int n, int at, const struct boxes_hit *moved)
{
	int child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && worse(&hits[child + 1], &hits[child]))
			child++;
		if (!worse(&hits[child], moved))
			break;
		hits[at] = hits[child];
		at = child;
	}
	hits[at] = *moved;
}

static void heap_rise(struct boxes_hit *hits, int at, const struct boxes_hit *moved)
{
	while (at > 0 && worse(moved, &hits[(at - 1) / 2])) {
		hits[at] = hits[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	hits[at] = *moved;
}

bool boxes_wants(const struct boxes *boxes, float score)
{
	return isfinite(score) && (boxes->n < BOXES_MAX || score >= boxes->hits[0].score);
}

static bool is_usable(const struct boxes_hit *hit)
{
	const struct box *box = &hit->box;
	float surface = area(box);

	if (!isfinite(hit->score) || !isfinite(surface) || !(box->x1 > box->x0 && box->y1 > box->y0))
		return false;
	for (int i = 0; i < hit->n_points; i++)
		if (!isfinite(hit->points[i][0]) || !isfinite(hit->points[i][1]))
			return false;
	return true;
}

void boxes_keep(struct boxes *boxes, const struct boxes_hit *hit)
{
	if (!is_usable(hit))
		return;
	if (boxes->n < BOXES_MAX)
		heap_rise(boxes->hits, boxes->n++, hit);
	else if (worse(&boxes->hits[0], hit))
		heap_sink(boxes->hits, boxes->n, 0, hit);
}

/* ---- suppression ---------------------------------------------------------------------------------- */

static int best_first(const void *left, const void *right)
{
	const struct boxes_hit *a = left, *b = right;

	return worse(a, b) ? 1 : worse(b, a) ? -1 : 0;
}

void boxes_suppress(struct boxes *boxes, float iou_max, int limit)
{
	struct boxes_hit *hits = boxes->hits;
	int kept = 0;

	qsort(hits, (size_t)boxes->n, sizeof(*hits), best_first);
	for (int i = 0; i < boxes->n && kept < limit; i++) {
		bool alone = true;

		for (int j = 0; j < kept && alone; j++)
			alone = hits[j].index != hits[i].index || !(boxes_iou(&hits[j].box, &hits[i].box) > iou_max);
		if (alone)
			hits[kept++] = hits[i];
	}
	boxes->n = kept;
}

/* Adds a hit's places, `weight` times. */
static void add_weighted(struct boxes_hit *sum, const struct boxes_hit *hit, float weight)
{
	sum->box.x0 += weight * hit->box.x0;
	sum->box.y0 += weight * hit->box.y0;
	sum->box.x1 += weight * hit->box.x1;
	sum->box.y1 += weight * hit->box.y1;
	for (int i = 0; i < hit->n_points; i++) {
		sum->points[i][0] += weight * hit->points[i][0];
		sum->points[i][1] += weight * hit->points[i][1];
	}
}

/*
 * Blends the hits from `from` on that overlap the first of them, which is the best; the others move up behind `from`.
 * Returns where the others end.
 */
static int blend_first(struct boxes_hit *hits, int from, int n, float iou_max)
{
	struct boxes_hit best = hits[from], sum = {.score = best.score, .index = best.index};
	struct boxes_hit blended = sum;
	int rest = from + 1;
	float total = 0;

	sum.n_points = blended.n_points = best.n_points;
	for (int i = from; i < n; i++) {
		bool same = i == from || (hits[i].index == best.index && boxes_iou(&best.box, &hits[i].box) > iou_max);

		if (!same) {
			hits[rest++] = hits[i];
			continue;
		}
		add_weighted(&sum, &hits[i], hits[i].score);
		total += hits[i].score;
	}
	add_weighted(&blended, &sum, 1 / total);
	/* Scores of 0, or rectangles near the largest numbers, leave no average. */
	hits[from] = total > 0 && is_usable(&blended) ? blended : best;
	return rest;
}

void boxes_blend(struct boxes *boxes, float iou_max, int limit)
{
	int n = boxes->n, kept = 0;

	qsort(boxes->hits, (size_t)n, sizeof(boxes->hits[0]), best_first);
	for (; kept < n && kept < limit; kept++)
		n = blend_first(boxes->hits, kept, n, iou_max);
	boxes->n = kept;
}
