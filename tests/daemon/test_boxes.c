#include "daemon/boxes.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

TEST_SUITE(boxes);

static struct boxes_hit hit(float x0, float y0, float x1, float y1, float score, int index)
{
	return (struct boxes_hit){.box = {x0, y0, x1, y1}, .score = score, .index = index};
}

Test(boxes, overlap_is_common_by_either)
{
	struct box a = {0, 0, 4, 2}, b = {2, 0, 6, 2}, c = {4, 0, 5, 1}, flat = {0, 0, 4, 0};
	struct box wild = {0, 0, NAN, 2}, huge = {-FLT_MAX, -FLT_MAX, FLT_MAX, FLT_MAX};

	cr_assert_float_eq(boxes_iou(&a, &a), 1, 1e-6f);
	cr_assert_float_eq(boxes_iou(&a, &b), 4.0f / 12, 1e-6f);
	cr_assert_float_eq(boxes_iou(&a, &c), 0, 0);
	cr_assert_float_eq(boxes_iou(&flat, &flat), 0, 0);
	cr_assert(boxes_iou(&wild, &a) >= 0 && boxes_iou(&wild, &a) <= 1);
	cr_assert_float_eq(boxes_iou(&huge, &huge), 0, 0);
}

Test(boxes, a_better_box_of_the_same_class_suppresses)
{
	struct boxes *boxes = calloc(1, sizeof(*boxes));
	struct boxes_hit hits[] = {hit(0, 0, 10, 10, 0.6f, 0), hit(1, 0, 11, 10, 0.9f, 0), hit(1, 0, 11, 10, 0.8f, 1),
				   hit(20, 0, 30, 10, 0.7f, 0)};

	for (int i = 0; i < 4; i++)
		boxes_keep(boxes, &hits[i]);
	boxes_suppress(boxes, 0.5f, 10);
	cr_assert_eq(boxes->n, 3);
	cr_assert_float_eq(boxes->hits[0].score, 0.9f, 0);
	cr_assert_eq(boxes->hits[1].index, 1);
	cr_assert_float_eq(boxes->hits[2].box.x0, 20, 0);
	boxes_suppress(boxes, 0.5f, 2);
	cr_assert_eq(boxes->n, 2);
	free(boxes);
}

/* 0.75 * 0 + 0.25 * 2 and so on, worked out by hand. */
Test(boxes, blending_averages_by_score)
{
	struct boxes *boxes = calloc(1, sizeof(*boxes));
	struct boxes_hit first = hit(0, 0, 10, 10, 0.75f, 0), second = hit(2, 0, 12, 10, 0.25f, 0);
	struct boxes_hit apart = hit(50, 50, 60, 60, 0.5f, 0);

	first.n_points = second.n_points = apart.n_points = 1;
	first.points[0][0] = 4;
	second.points[0][0] = 8;
	boxes_keep(boxes, &second);
	boxes_keep(boxes, &apart);
	boxes_keep(boxes, &first);
	boxes_blend(boxes, 0.3f, 10);
	cr_assert_eq(boxes->n, 2);
	cr_assert_float_eq(boxes->hits[0].box.x0, 0.5f, 1e-6f);
	cr_assert_float_eq(boxes->hits[0].box.x1, 10.5f, 1e-5f);
	cr_assert_float_eq(boxes->hits[0].points[0][0], 5, 1e-6f);
	cr_assert_float_eq(boxes->hits[0].score, 0.75f, 0);
	cr_assert_float_eq(boxes->hits[1].box.x0, 50, 1e-5f);
	free(boxes);
}

Test(boxes, what_is_not_a_place_is_left_out)
{
	static const float wild[] = {NAN, INFINITY, -INFINITY, FLT_MAX};
	struct boxes *boxes = calloc(1, sizeof(*boxes));

	for (int i = 0; i < 4; i++) {
		struct boxes_hit wide = hit(0, 0, wild[i], 1e9f, 0.5f, 0), worth = hit(0, 0, 1, 1, wild[i], 0);
		struct boxes_hit pointed = hit(0, 0, 1, 1, 0.5f, 0), turned = hit(1, 0, 0, 1, 0.5f, 0);

		pointed.n_points = 1;
		pointed.points[0][1] = wild[i];
		boxes_keep(boxes, &wide);
		boxes_keep(boxes, &turned);
		if (i < 3) {
			boxes_keep(boxes, &worth);
			boxes_keep(boxes, &pointed);
		}
	}
	cr_assert_eq(boxes->n, 0);
	boxes_blend(boxes, 0.3f, 10);
	boxes_suppress(boxes, 0.3f, 10);
	cr_assert_eq(boxes->n, 0);
	free(boxes);
}

Test(boxes, of_too_many_the_best_remain)
{
	struct boxes *boxes = calloc(1, sizeof(*boxes));
	static float scores[4 * BOXES_MAX];
	int better = 0;

	for (int i = 0; i < 4 * BOXES_MAX; i++) {
		struct boxes_hit one = hit((float)(2 * i), 0, (float)(2 * i + 1), 1, test_random_float(), 0);

		/* Of any range; only whole ones are compared. */
		one.score = (float)test_random_range(0, 100000);
		scores[i] = one.score;
		if (boxes_wants(boxes, one.score))
			boxes_keep(boxes, &one);
	}
	boxes_suppress(boxes, 0.5f, BOXES_MAX);
	cr_assert_eq(boxes->n, BOXES_MAX);
	for (int i = 1; i < BOXES_MAX; i++)
		cr_assert_leq(boxes->hits[i].score, boxes->hits[i - 1].score);
	for (int i = 0; i < 4 * BOXES_MAX; i++)
		better += scores[i] > boxes->hits[BOXES_MAX - 1].score;
	cr_assert_lt(better, BOXES_MAX);
	free(boxes);
}
