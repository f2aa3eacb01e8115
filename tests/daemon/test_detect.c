#include "daemon/detect.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

TEST_SUITE(detect);

#define ROWS_MAX 4420

static struct outputs outputs_of(int n, const int shapes[][2])
{
	struct outputs outputs = {.n = n};

	for (int i = 0; i < n; i++) {
		struct output *output = &outputs.output[i];

		output->rows = shapes[i][0];
		output->columns = shapes[i][1];
		snprintf(output->name, sizeof(output->name), "out%d", i);
		snprintf(output->shape, sizeof(output->shape), "1x%dx%d", output->rows, output->columns);
	}
	return outputs;
}

static struct detect_layout lay_out(enum config_detector kind, int n, const int shapes[][2], int width, int height)
{
	struct outputs outputs = outputs_of(n, shapes);
	struct detect_layout layout;
	char why[OUTPUTS_WHY_BYTES] = "";

	cr_assert_eq(detect_layout(kind, &outputs, width, height, &layout, why), 0, "%s", why);
	return layout;
}

/* Numbers of anchors and the first and last centres, from the papers' grids. */
Test(detect, anchors_lie_in_their_cells)
{
	static const int short_range[] = {8, 16, 16, 16}, full_range[] = {4}, pose[] = {8, 16, 32, 32, 32};
	struct anchors anchors;
	struct anchor anchor;

	anchors_mediapipe(short_range, 4, 0, 128, &anchors);
	cr_assert_eq(anchors.n, 16 * 16 * 2 + 8 * 8 * 6);
	anchor = anchors_at(&anchors, 0);
	cr_assert_float_eq(anchor.x, 0.5f / 16, 1e-6f);
	anchor = anchors_at(&anchors, 3); /* the second of the second cell */
	cr_assert_float_eq(anchor.x, 1.5f / 16, 1e-6f);
	cr_assert_float_eq(anchor.y, 0.5f / 16, 1e-6f);
	anchor = anchors_at(&anchors, anchors.n - 1);
	cr_assert_float_eq(anchor.y, 7.5f / 8, 1e-6f);
	anchors_mediapipe(full_range, 1, 1, 192, &anchors);
	cr_assert_eq(anchors.n, 48 * 48);
	anchors_mediapipe(pose, 5, 0, 224, &anchors);
	cr_assert_eq(anchors.n, 28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6);
	anchors_rfb(320, 240, &anchors);
	cr_assert_eq(anchors.n, 40 * 30 * 3 + 20 * 15 * 2 + 10 * 8 * 2 + 5 * 4 * 3);
	anchor = anchors_at(&anchors, anchors.n - 1);
	cr_assert_float_eq(anchor.y, 3.5f / 4, 1e-6f);
	cr_assert_float_eq(anchor.width, 256.0f / 320, 1e-6f);
	cr_assert_float_eq(anchor.height, 1, 0); /* 256 of 240 */
	anchors_ssd(300, 300, &anchors);
	cr_assert_eq(anchors.n, 19 * 19 * 3 + (10 * 10 + 5 * 5 + 3 * 3 + 2 * 2 + 1) * 6);
	anchor = anchors_at(&anchors, 0);
	cr_assert_float_eq(anchor.width, 0.1f, 1e-6f);
	anchor = anchors_at(&anchors, 2); /* twice as high as wide */
	cr_assert_float_eq(anchor.width, 0.2f / sqrtf(2), 1e-6f);
	cr_assert_float_eq(anchor.height, 0.2f * sqrtf(2), 1e-6f);
	anchor = anchors_at(&anchors, anchors.n - 1); /* the square between the last scale and 1 */
	cr_assert_float_eq(anchor.width, sqrtf(0.95f), 1e-6f);
	cr_assert_float_eq(anchor.x, 0.5f, 1e-6f);
}

Test(detect, blazeface_is_relative_to_its_anchor)
{
	static const int shapes[][2] = {{896, 16}, {896, 1}};
	struct detect_layout layout = lay_out(CONFIG_BLAZEFACE, 2, shapes, 128, 128);
	struct boxes *boxes = calloc(1, sizeof(*boxes));
	static float rows[896 * 16], scores[896];
	const float *values[] = {rows, scores};

	for (int i = 0; i < 896; i++)
		scores[i] = -20;
	scores[3] = 2;
	/* 12.8 right of and 6.4 below the centre of the second cell, which is 12, 4; 64 x 32; the first point 1, 2. */
	memcpy(rows + 3 * 16, (const float[]){12.8f, 6.4f, 64, 32, 1, 2}, 6 * sizeof(float));
	detect_decode(&layout, values, 0.5f, boxes);
	cr_assert_eq(boxes->n, 1);
	cr_assert_float_eq(boxes->hits[0].score, 0.880797f, 1e-5f);
	cr_assert_float_eq(boxes->hits[0].box.x0, (12 + 12.8f - 32) / 128, 1e-6f);
	cr_assert_float_eq(boxes->hits[0].box.y1, (4 + 6.4f + 16) / 128, 1e-6f);
	cr_assert_eq(boxes->hits[0].n_points, 6);
	cr_assert_float_eq(boxes->hits[0].points[0][0], 13.0f / 128, 1e-6f);
	detect_decode(&layout, values, 0.9f, boxes);
	cr_assert_eq(boxes->n, 0);
	free(boxes);
}

/* exp(0.2 * 5) of a prior of 10 pixels about 4, 4. */
Test(detect, rfb_scales_its_priors)
{
	static const int shapes[][2] = {{4420, 2}, {4420, 4}};
	struct detect_layout layout = lay_out(CONFIG_RFB, 2, shapes, 320, 240);
	struct boxes *boxes = calloc(1, sizeof(*boxes));
	static float rows[4420 * 4], scores[4420 * 2];
	const float *values[] = {scores, rows};

	scores[1] = 0.9f;
	memcpy(rows, (const float[]){10, 0, 5, 0}, 4 * sizeof(float));
	detect_decode(&layout, values, 0.7f, boxes);
	cr_assert_eq(boxes->n, 1);
	cr_assert_float_eq(boxes->hits[0].box.x0, (14 - 13.59141f) / 320, 1e-5f);
	cr_assert_float_eq(boxes->hits[0].box.x1, (14 + 13.59141f) / 320, 1e-5f);
	cr_assert_float_eq(boxes->hits[0].box.y0, -1.0f / 240, 1e-6f);
	free(boxes);
}

Test(detect, corners_are_taken_and_the_background_is_not)
{
	static const int shapes[][2] = {{2, 4}, {2, 3}};
	struct detect_layout layout = lay_out(CONFIG_CORNERS, 2, shapes, 64, 64);
	static const float rows[] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.5f, 0.9f, 0.9f},
			   scores[] = {0.9f, 0, 0.1f, 0.1f, 0.1f, 0.8f};
	const float *values[] = {rows, scores};
	struct boxes *boxes = calloc(1, sizeof(*boxes));

	detect_decode(&layout, values, 0.5f, boxes);
	cr_assert_eq(boxes->n, 1);
	cr_assert_eq(boxes->hits[0].index, 1);
	cr_assert_float_eq(boxes->hits[0].box.x0, 0.5f, 0);
	free(boxes);
}

/* A distribution that is certain of bin 3 puts the side 3 strides away; an even one, 3.5. */
Test(detect, nanodet_takes_the_mean_of_its_bins)
{
	static const int shapes[][2] = {{64, 5}, {64, 32}, {16, 5}, {16, 32}, {4, 5}, {4, 32}};
	struct detect_layout layout = lay_out(CONFIG_NANODET, 6, shapes, 64, 64);
	static float scores[3][64 * 5], sides[3][64 * 32];
	const float *values[] = {scores[0], sides[0], scores[1], sides[1], scores[2], sides[2]};
	struct boxes *boxes = calloc(1, sizeof(*boxes));

	scores[1][5 * 5 + 4] = 0.9f; /* class 4 in cell 1, 1 of stride 16, whose centre is 24, 24 */
	sides[1][5 * 32 + 3] = 100;
	detect_decode(&layout, values, 0.4f, boxes);
	cr_assert_eq(boxes->n, 1);
	cr_assert_eq(boxes->hits[0].index, 4);
	cr_assert_float_eq(boxes->hits[0].box.x0, (24 - 48) / 64.0f, 1e-5f);
	cr_assert_float_eq(boxes->hits[0].box.y0, (24 - 56) / 64.0f, 1e-5f);
	cr_assert_float_eq(boxes->hits[0].box.x1, (24 + 56) / 64.0f, 1e-5f);
	free(boxes);
}

Test(detect, ssd_reads_as_many_as_are_counted)
{
	static const int shapes[][2] = {{3, 4}, {1, 3}, {1, 3}, {1, 1}};
	struct detect_layout layout = lay_out(CONFIG_SSD, 4, shapes, 300, 300);
	static const float rows[] = {0.1f, 0.2f, 0.3f, 0.4f, 0, 0, 1, 1, 0, 0, 1, 1}, scores[] = {0.6f, 0.9f, 0.9f};
	float classes[] = {7, -3, 2}, count[] = {2};
	const float *values[] = {rows, classes, scores, count};
	struct boxes *boxes = calloc(1, sizeof(*boxes));

	detect_decode(&layout, values, 0.5f, boxes);
	cr_assert_eq(boxes->n, 1); /* the second's class is none, the third is not counted */
	cr_assert_eq(boxes->hits[0].index, 7);
	cr_assert_float_eq(boxes->hits[0].box.x0, 0.2f, 0);
	cr_assert_float_eq(boxes->hits[0].box.y1, 0.3f, 0);
	count[0] = NAN;
	classes[1] = 1e30f;
	detect_decode(&layout, values, 0.5f, boxes);
	cr_assert_eq(boxes->n, 2);
	free(boxes);
}

/* exp(0.2 * 5) of the square of 0.1 in the first cell, whose centre is half a nineteenth in; told y first. */
Test(detect, ssd_anchors_are_scaled_and_the_background_is_not_found)
{
	static const int shapes[][2] = {{1917, 4}, {1917, 4}}; /* of four classes too */
	struct detect_layout layout = lay_out(CONFIG_SSD_ANCHORS, 2, shapes, 300, 300);
	struct boxes *boxes = calloc(1, sizeof(*boxes));
	static float rows[1917 * 4], logits[1917 * 4];
	const float *values[] = {rows, logits};

	for (int i = 0; i < 1917 * 4; i++)
		logits[i] = -9;
	logits[2] = 2;
	logits[4] = 9;
	memcpy(rows, (const float[]){0, 1, 0, 5}, 4 * sizeof(float));
	detect_decode(&layout, values, 0.5f, boxes);
	cr_assert_eq(boxes->n, 1); /* the second anchor sees only background */
	cr_assert_eq(boxes->hits[0].index, 1);
	cr_assert_float_eq(boxes->hits[0].score, 0.880797f, 1e-6f);
	cr_assert_float_eq(boxes->hits[0].box.x0, 0.5f / 19 + 0.01f - 0.135914f, 1e-6f);
	cr_assert_float_eq(boxes->hits[0].box.x1, 0.5f / 19 + 0.01f + 0.135914f, 1e-6f);
	cr_assert_float_eq(boxes->hits[0].box.y0, 0.5f / 19 - 0.05f, 1e-6f);
	free(boxes);
}

Test(detect, other_shapes_are_refused_by_name)
{
	static const int shapes[][2] = {{100, 16}, {100, 1}};
	struct outputs outputs = outputs_of(2, shapes);
	struct detect_layout layout;
	char why[OUTPUTS_WHY_BYTES];

	for (int kind = CONFIG_BLAZEFACE; kind <= CONFIG_SSD_ANCHORS; kind++) {
		cr_assert_eq(detect_layout((enum config_detector)kind, &outputs, 128, 128, &layout, why), -EINVAL);
		cr_assert(strstr(why, detect_kind_name((enum config_detector)kind)), "%s", why);
		cr_assert(strstr(why, "'out0' of 1x100x16"), "%s", why);
	}
}

/* Tensors of anything: what comes out is finite, has area and scores within 0..1 for logits. */
Test(detect, wild_tensors_give_places_or_nothing)
{
	static const int face[][2] = {{896, 16}, {896, 1}}, rfb[][2] = {{4420, 2}, {4420, 4}},
			 nano[][2] = {{64, 5}, {64, 32}, {16, 5}, {16, 32}, {4, 5}, {4, 32}},
			 ssd[][2] = {{10, 4}, {1, 10}, {1, 10}, {1, 1}}, anchored[][2] = {{1917, 4}, {1917, 3}};
	static const float wild[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0, 1e-40f, 0.9f, 100};
	static float noise[ROWS_MAX * 32];
	const float *values[6];
	struct boxes *boxes = calloc(1, sizeof(*boxes));

	for (int round = 0; round < 200; round++) {
		struct detect_layout layouts[] = {
			lay_out(CONFIG_BLAZEFACE, 2, face, 128, 128),	    lay_out(CONFIG_RFB, 2, rfb, 320, 240),
			lay_out(CONFIG_NANODET, 6, nano, 64, 64),	    lay_out(CONFIG_SSD, 4, ssd, 300, 300),
			lay_out(CONFIG_SSD_ANCHORS, 2, anchored, 300, 300),
		};

		for (int i = 0; i < ROWS_MAX * 4; i++)
			noise[i] = wild[test_random_range(0, 8)];
		for (int i = 0; i < 6; i++)
			values[i] = noise + i * 37;
		for (int i = 0; i < 5; i++) {
			detect_decode(&layouts[i], values, 0.3f, boxes);
			detect_suppress(&layouts[i], 0.3f, 50, boxes);
			cr_assert_leq(boxes->n, 50);
			for (int j = 0; j < boxes->n; j++) {
				const struct box *box = &boxes->hits[j].box;

				cr_assert(isfinite(boxes->hits[j].score));
				cr_assert(isfinite(box->x0) && isfinite(box->y1) && box->x1 > box->x0);
			}
		}
	}
	free(boxes);
}
