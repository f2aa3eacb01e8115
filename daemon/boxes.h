/*
 * boxes.h - rectangles that a detector found: how far they overlap, and which of them are the same thing.
 *
 * Plain arithmetic on arrays; owns nothing and allocates nothing.  Coordinates are in any unit, as long as it is the
 * same for all.  Rectangles and scores that are not numbers never leave boxes_keep().
 */
#ifndef INFERD_BOXES_H
#define INFERD_BOXES_H

#include <stdbool.h>

#define BOXES_POINTS_MAX 7   /* of the palm detector */
#define BOXES_MAX	 512 /* candidates that suppression looks at, the best of all */

struct box {
	float x0, y0, x1, y1; /* x0 <= x1, y0 <= y1 */
};

struct boxes_hit {
	struct box box;
	float score;
	int index; /* class */
	int n_points;
	float points[BOXES_POINTS_MAX][2]; /* x, y */
};

/* Area that both cover by the area that either does, 0..1; 0 where there is no area or a number is not finite. */
float boxes_iou(const struct box *a, const struct box *b);

/* The candidates of one frame: a heap with the worst at the top, so that the best BOXES_MAX remain. */
struct boxes {
	int n;
	struct boxes_hit hits[BOXES_MAX];
};

/* Whether a hit of this score would be kept, so that its rectangle need not be computed otherwise. */
bool boxes_wants(const struct boxes *boxes, float score);
/* Takes the hit in where it is good enough; one with a number that is not finite, or without area, is left out. */
void boxes_keep(struct boxes *boxes, const struct boxes_hit *hit);

/*
 * Greedy non-maximum suppression: best first, a hit that overlaps a better one of its class by more than iou_max goes.
 * At most `limit` remain, in order, at the front of boxes->hits.
 */
void boxes_suppress(struct boxes *boxes, float iou_max, int limit);

/*
 * Non-maximum suppression that blends, as MediaPipe's NonMaxSuppressionCalculator does with algorithm WEIGHTED (from
 * "BlazeFace", Bazarevsky et al., 2019): what overlaps the best one is not dropped but averaged with it, rectangle and
 * points, weighted by score.  The score remains the best one's.
 */
void boxes_blend(struct boxes *boxes, float iou_max, int limit);

#endif
