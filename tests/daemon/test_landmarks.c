#include "daemon/landmarks.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "daemon/mask.h"
#include "daemon/roi.h"
#include "support/test.h"

TEST_SUITE(landmarks);

static struct outputs outputs_of(int n, const int shapes[][2])
{
	struct outputs outputs = {.n = n};

	for (int i = 0; i < n; i++) {
		outputs.output[i].rows = shapes[i][0];
		outputs.output[i].columns = shapes[i][1];
	}
	return outputs;
}

Test(landmarks, hand_has_presence_and_a_side)
{
	static const int shapes[][2] = {{1, 63}, {1, 1}, {1, 1}, {1, 63}};
	struct outputs outputs = outputs_of(4, shapes);
	static float points[63], metres[63];
	float presence = 0.9f, side = 0.2f;
	const float *values[] = {points, &presence, &side, metres};
	struct landmark found[LANDMARKS_MAX];
	struct landmarks_layout layout;
	char why[OUTPUTS_WHY_BYTES];

	cr_assert_eq(landmarks_layout(CONFIG_HAND, &outputs, 224, 224, &layout, why), 0);
	points[3] = 112;
	points[4] = 56;
	points[5] = -22.4f;
	landmarks_decode(&layout, values, found);
	cr_assert_eq(layout.n, 21);
	cr_assert_float_eq(found[1].x, 0.5f, 1e-6f);
	cr_assert_float_eq(found[1].y, 0.25f, 1e-6f);
	cr_assert_float_eq(found[1].z, -0.1f, 1e-6f);
	cr_assert(isnan(found[1].visibility));
	cr_assert_float_eq(landmarks_presence(&layout, values), 0.9f, 1e-6f);
	cr_assert(landmarks_is_right(&layout, values));
	side = 0.8f;
	cr_assert(!landmarks_is_right(&layout, values));
	presence = NAN;
	cr_assert_float_eq(landmarks_presence(&layout, values), 0, 0);
}

Test(landmarks, presence_of_a_face_is_a_logit)
{
	static const int shapes[][2] = {{1, 1404}, {1, 1}};
	struct outputs outputs = outputs_of(2, shapes);
	static float points[1404];
	float presence = 2;
	const float *values[] = {points, &presence};
	struct landmarks_layout layout;
	char why[OUTPUTS_WHY_BYTES];

	cr_assert_eq(landmarks_layout(CONFIG_FACE, &outputs, 192, 192, &layout, why), 0);
	cr_assert_float_eq(landmarks_presence(&layout, values), 0.880797f, 1e-5f);
	cr_assert_eq(landmarks_layout(CONFIG_HAND, &outputs, 192, 192, &layout, why), -EINVAL);
	cr_assert(strstr(why, "hand"));
}

/* Lips and eyes go where their own outputs say, and the irises are as deep as the rims of their eyes. */
Test(landmarks, attention_moves_lips_and_eyes)
{
	static const int shapes[][2] = {{1, 1404}, {1, 160}, {1, 142}, {1, 142}, {1, 10}, {1, 10}, {1, 1}};
	struct outputs outputs = outputs_of(7, shapes);
	static float mesh[1404], lips[160], left[142], right[142], iris[2][10];
	float presence = 2;
	const float *values[] = {mesh, lips, left, right, iris[0], iris[1], &presence};
	struct landmark found[LANDMARKS_MAX];
	struct landmarks_layout layout;
	char why[OUTPUTS_WHY_BYTES];

	cr_assert_eq(landmarks_layout(CONFIG_FACE, &outputs, 192, 192, &layout, why), 0);
	cr_assert_eq(layout.n, 478);
	for (int i = 0; i < 1404; i++)
		mesh[i] = i % 3 == 2 ? 19.2f : 96;
	lips[0] = 48;
	left[1] = 48;
	right[0] = INFINITY;
	iris[0][0] = iris[1][2] = 19.2f;
	landmarks_decode(&layout, values, found);
	cr_assert_float_eq(found[61].x, 0.25f, 1e-6f); /* a corner of the mouth */
	cr_assert_float_eq(found[33].y, 0.25f, 1e-6f); /* of the left eye */
	cr_assert(isnan(found[263].x));		       /* and of the right */
	cr_assert_float_eq(found[1].x, 0.5f, 1e-6f);   /* the nose stays */
	cr_assert_float_eq(found[468].x, 0.1f, 1e-6f);
	cr_assert_float_eq(found[474].x, 0.1f, 1e-6f);
	cr_assert_float_eq(found[474].z, 0.1f, 1e-6f);
	cr_assert_float_eq(landmarks_presence(&layout, values), 0.880797f, 1e-5f);
}

/* A map that is sure of two neighbouring cells moves the point between them. */
Test(landmarks, pose_follows_its_heat_map)
{
	static const int shapes[][2] = {{1, 195}, {1, 1}, {64, 39}};
	struct outputs outputs = outputs_of(3, shapes);
	static float points[195], heat[8 * 8 * 39];
	float presence = 0.7f;
	const float *values[] = {points, &presence, heat};
	struct landmark found[LANDMARKS_MAX];
	struct landmarks_layout layout;
	char why[OUTPUTS_WHY_BYTES];

	cr_assert_eq(landmarks_layout(CONFIG_POSE, &outputs, 256, 256, &layout, why), 0);
	for (int i = 0; i < 8 * 8 * 39; i++)
		heat[i] = -60;
	for (int i = 0; i < 195; i++)
		points[i] = i % 5 < 2 ? 128 : 0;
	heat[(3 * 8 + 4) * 39] = heat[(3 * 8 + 5) * 39] = 20;
	landmarks_decode(&layout, values, found);
	cr_assert_float_eq(found[0].x, 4.5f / 8, 1e-5f);
	cr_assert_float_eq(found[0].y, 3.0f / 8, 1e-5f);
	cr_assert_float_eq(found[1].x, 0.5f, 1e-6f); /* its map is sure of nothing */
	cr_assert_float_eq(found[0].visibility, 0.5f, 1e-6f);
	points[0] = NAN;
	points[5] = INFINITY;
	points[10] = 1e30f;
	landmarks_decode(&layout, values, found);
	cr_assert(isnan(found[0].x) && isnan(found[1].x));
}

/* MediaPipe's answer counts four cells to each side, of which its graph speaks as three. */
Test(landmarks, pose_looks_at_four_cells_to_each_side)
{
	static const int shapes[][2] = {{1, 195}, {1, 1}, {256, 39}};
	struct outputs outputs = outputs_of(3, shapes);
	static float points[195], heat[16 * 16 * 39];
	float presence = 0.7f;
	const float *values[] = {points, &presence, heat};
	struct landmark found[LANDMARKS_MAX];
	struct landmarks_layout layout;
	char why[OUTPUTS_WHY_BYTES];

	cr_assert_eq(landmarks_layout(CONFIG_POSE, &outputs, 256, 256, &layout, why), 0);
	for (int i = 0; i < 16 * 16 * 39; i++)
		heat[i] = -60;
	for (int i = 0; i < 195; i++)
		points[i] = i % 5 < 2 ? 128 : 0;
	heat[(8 * 16 + 8) * 39] = heat[(8 * 16 + 4) * 39] = heat[(8 * 16 + 3) * 39] = heat[(8 * 16 + 13) * 39] = 20;
	landmarks_decode(&layout, values, found);
	cr_assert_float_eq(found[0].x, 6.0f / 16, 1e-5f);
	cr_assert_float_eq(found[0].y, 8.0f / 16, 1e-5f);
}

Test(landmarks, mask_is_a_probability_or_the_best_class)
{
	static const float one[] = {0, 0.5f, 1, NAN, -1, 7}, several[] = {0, 1, 0, 5, 4, 3, NAN, 1, 2};
	struct mask_layout layout = {.width = 3, .height = 2, .n_classes = 1};
	uint8_t mask[6];

	mask_fill(&layout, one, mask);
	cr_assert_arr_eq(mask, ((uint8_t[]){0, 128, 255, 0, 0, 255}), 6);
	layout = (struct mask_layout){.width = 3, .height = 1, .n_classes = 3};
	mask_fill(&layout, several, mask);
	cr_assert_arr_eq(mask, ((uint8_t[]){1, 0, 2}), 3);
}

/* 320 x 240 in 64 x 64: a fifth of the size, 8 pixels of border above and below. */
Test(landmarks, a_letterbox_is_undone)
{
	struct engine_placement placement = {.scale_x = 0.2f, .scale_y = 0.2f, .offset_x = 0, .offset_y = 8};
	struct engine_region region = roi_of_placement(placement, 64, 64, 2, 2);
	float x, y, u, v;

	roi_to_picture(&region, 0.5f, 0.5f, &x, &y);
	cr_assert_float_eq(x, 320, 1e-3f);
	cr_assert_float_eq(y, 240, 1e-3f);
	roi_to_picture(&region, 1, 0.125f, &x, &y);
	cr_assert_float_eq(x, 640, 1e-3f);
	cr_assert_float_eq(y, 0, 1e-3f);
	roi_to_input(&region, x, y, &u, &v);
	cr_assert_float_eq(u, 1, 1e-5f);
	cr_assert_float_eq(v, 0.125f, 1e-5f);
}

Test(landmarks, a_turned_region_goes_there_and_back)
{
	struct engine_region quarter = {.x = 100, .y = 50, .width = 40, .height = 20, .angle = 1.57079633f}, none = {0};
	float x, y, u, v;

	/* The upper left corner of what is turned a quarter clockwise is at the upper right. */
	roi_to_picture(&quarter, 0, 0, &x, &y);
	cr_assert_float_eq(x, 110, 1e-4f);
	cr_assert_float_eq(y, 30, 1e-4f);
	for (int i = 0; i < 1000; i++) {
		struct engine_region region = {.x = (float)test_random_range(-500, 500),
					       .y = (float)test_random_range(-500, 500),
					       .width = (float)test_random_range(1, 1000),
					       .height = (float)test_random_range(1, 1000),
					       .angle = (float)test_random_range(-314, 314) / 100};
		float from_u = (float)test_random_range(-100, 200) / 100;

		roi_to_picture(&region, from_u, 0.3f, &x, &y);
		roi_to_input(&region, x, y, &u, &v);
		cr_assert(fabsf(u - from_u) < 1e-2f && fabsf(v - 0.3f) < 1e-2f);
	}
	roi_to_input(&none, 3, 4, &u, &v);
	cr_assert_float_eq(u, 0.5f, 0);
}
