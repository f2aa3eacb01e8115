/* Squares about hands, faces and bodies, against numbers computed by hand. */
#include "daemon/regions.h"

#include <math.h>
#include <string.h>

#include "support/test.h"

TEST_SUITE(regions);

#define QUARTER 1.5707963f

static void expect(const struct engine_region *region, float x, float y, float side, float angle)
{
	cr_assert(fabsf(region->x - x) < 0.01f && fabsf(region->y - y) < 0.01f, "centre %g, %g", (double)region->x,
		  (double)region->y);
	cr_assert(fabsf(region->width - side) < 0.01f && region->height == region->width, "side %g",
		  (double)region->width);
	cr_assert(fabsf(region->angle - angle) < 1e-4f, "angle %g", (double)region->angle);
}

Test(regions, a_palm_is_moved_towards_the_fingers_and_enlarged)
{
	const struct box box = {100, 200, 150, 240};
	/* Wrist, and the middle finger's knuckle straight above it, then to the right of it. */
	const float up[3][2] = {{125, 240}, {0, 0}, {125, 200}}, right[3][2] = {{100, 220}, {0, 0}, {150, 220}};
	struct engine_region region;

	cr_assert(region_of_detection(CONFIG_HAND, &box, up, 3, &region));
	expect(&region, 125, 220 - 20, 130, 0);
	/* Turned clockwise by a quarter, up is to the right. */
	cr_assert(region_of_detection(CONFIG_HAND, &box, right, 3, &region));
	expect(&region, 125 + 20, 220, 130, QUARTER);
}

Test(regions, a_face_is_turned_by_its_eyes_and_upright_without)
{
	const struct box box = {10, 20, 50, 60};
	const float level[2][2] = {{20, 30}, {40, 30}}, falling[2][2] = {{20, 30}, {40, 50}};
	struct engine_region region;

	cr_assert(region_of_detection(CONFIG_FACE, &box, level, 2, &region));
	expect(&region, 30, 40, 60, 0);
	cr_assert(region_of_detection(CONFIG_FACE, &box, falling, 2, &region));
	expect(&region, 30, 40, 60, QUARTER / 2);
	cr_assert(region_of_detection(CONFIG_FACE, &box, NULL, 0, &region));
	expect(&region, 30, 40, 60, 0);
}

Test(regions, a_body_is_about_its_two_points)
{
	const struct box box = {0, 0, 1, 1};
	const float points[2][2] = {{100, 100}, {60, 100}};
	struct engine_region region;

	cr_assert(region_of_detection(CONFIG_POSE, &box, points, 2, &region));
	expect(&region, 100, 100, 100, -QUARTER);
	cr_assert(!region_of_detection(CONFIG_POSE, &box, points, 1, &region));
}

Test(regions, the_next_hand_is_about_its_palm_not_its_fingertips)
{
	float points[21][2];
	struct engine_region region;

	for (int i = 0; i < 21; i++) {
		points[i][0] = 100;
		points[i][1] = 100;
	}
	points[0][1] = 140; /* the wrist, below the knuckles */
	points[2][0] = 80;
	points[17][0] = 110;
	points[12][1] = -500; /* a fingertip */
	/* 30 wide about 95, 40 high about 120; moved up by a tenth of the height. */
	cr_assert(region_of_landmarks(CONFIG_HAND, points, &region));
	expect(&region, 95, 116, 80, 0);
}

Test(regions, the_next_face_is_about_its_mesh)
{
	static float points[468][2];
	struct engine_region region;

	for (int i = 0; i < 468; i++) {
		points[i][0] = i % 2 ? 10 : 50;
		points[i][1] = i % 3 ? 20 : 80;
	}
	points[33][0] = 20;
	points[263][0] = 40;
	points[33][1] = points[263][1] = 40;
	cr_assert(region_of_landmarks(CONFIG_FACE, points, &region));
	expect(&region, 30, 50, 90, 0);
}

Test(regions, the_next_body_is_about_two_points_behind_the_others)
{
	float points[35][2] = {{0}};
	struct engine_region region;

	points[33][0] = points[34][0] = 70;
	points[33][1] = 90;
	points[34][1] = 50;
	cr_assert(region_of_landmarks(CONFIG_POSE, points, &region));
	expect(&region, 70, 90, 100, 0);
	cr_assert_eq(regions_points(CONFIG_POSE), 35);
}

Test(regions, what_is_no_number_or_has_no_area_is_no_region)
{
	const struct box nowhere = {NAN, 0, 1, 1}, endless = {0, 0, INFINITY, 1}, flat = {5, 5, 5, 5};
	float points[35][2] = {{0}};
	struct engine_region region;

	cr_assert(!region_of_detection(CONFIG_FACE, &nowhere, NULL, 0, &region));
	cr_assert(!region_of_detection(CONFIG_FACE, &endless, NULL, 0, &region));
	cr_assert(!region_of_detection(CONFIG_FACE, &flat, NULL, 0, &region));
	cr_assert(!region_of_landmarks(CONFIG_POSE, points, &region));
	points[34][0] = NAN;
	cr_assert(!region_of_landmarks(CONFIG_POSE, points, &region));
}

Test(regions, overlap_is_of_the_squares_as_if_they_were_upright)
{
	const struct engine_region a = {.x = 10, .y = 10, .width = 10, .height = 10, .angle = 1};
	struct engine_region b = a;

	cr_assert_float_eq(regions_overlap(&a, &b), 1, 1e-6);
	b.x += 5;
	cr_assert_float_eq(regions_overlap(&a, &b), 1 / 3.f, 1e-6);
	b.x += 100;
	cr_assert_eq(regions_overlap(&a, &b), 0);
}
