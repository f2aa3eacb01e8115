/*
 * test_detector.c - one face detector in the files of four formats finds the same faces on the same photographs.
 *
 * Some of the files end with offsets from fixed places, others with the corners that those stand for.  The places and
 * the arithmetic are those that the network was published with (Ultra-Light-Fast-Generic-Face-Detector-1MB, its
 * fd_config.py and box_utils.py): four feature maps, whose cells have two or three squares each; offsets of the centre
 * count in tenths of a side, those of the size in fifths of its logarithm.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "imported.h"
#include "support/test.h"

TEST_SUITE(detector);

#define WIDTH		320
#define HEIGHT		240
#define PIXELS		(WIDTH * HEIGHT)
#define PLACES		4420
#define CENTRE_VARIANCE 0.1f
#define SIZE_VARIANCE	0.2f

#define SCORE_TOLERANCE	 1e-3f
#define CORNER_TOLERANCE 0.5f /* pixels */

static const struct export
{
	const char *model, *weights; /* below models/rfb320 of the test data */
	bool decoded;		     /* its boxes are corners already */
}
exports[] = {
	{"rfb320.onnx", NULL, true},
	{"rfb320_simplified.onnx", NULL, false},
	{"rfb320_without_postprocessing.onnx", NULL, false},
	{"rfb320_without_postprocessing.tflite", NULL, false},
	{"rfb320.param", "rfb320.bin", false},
	{"rfb320.prototxt", "rfb320.caffemodel", false},
};

#define EXPORTS (sizeof(exports) / sizeof(exports[0]))

struct detections {
	float scores[PLACES][2];  /* of background and face */
	float corners[PLACES][4]; /* left, top, right and bottom in pixels */
};

/* ---- the network's places ------------------------------------------------------------------------ */

struct place {
	float x, y, w, h; /* centre and size, as parts of the image */
};

static float clamp_part(float part)
{
	return fminf(fmaxf(part, 0), 1);
}

static void make_places(struct place places[PLACES])
{
	static const struct {
		int stride, n, sides[3]; /* pixels */
	} maps[] = {
		{8, 3, {10, 16, 24}},
		{16, 2, {32, 48}},
		{32, 2, {64, 96}},
		{64, 3, {128, 192, 256}},
	};
	int made = 0;

	for (size_t m = 0; m < sizeof(maps) / sizeof(maps[0]); m++) {
		int stride = maps[m].stride, columns = (WIDTH + stride - 1) / stride,
		    rows = (HEIGHT + stride - 1) / stride;

		for (int i = 0; i < rows * columns * maps[m].n; i++) {
			int cell = i / maps[m].n, side = maps[m].sides[i % maps[m].n];
			float x = ((float)(cell % columns) + 0.5f) / (float)columns;
			float y = ((float)(cell / columns) + 0.5f) / (float)rows;

			cr_assert_lt(made, PLACES);
			places[made++] = (struct place){clamp_part(x), clamp_part(y), clamp_part((float)side / WIDTH),
							clamp_part((float)side / HEIGHT)};
		}
	}
	cr_assert_eq(made, PLACES);
}

static void decode(const float (*offsets)[4], float (*ret_corners)[4])
{
	static struct place places[PLACES];

	make_places(places);
	for (int i = 0; i < PLACES; i++) {
		const struct place *p = &places[i];
		float x = offsets[i][0] * CENTRE_VARIANCE * p->w + p->x;
		float y = offsets[i][1] * CENTRE_VARIANCE * p->h + p->y;
		float w = expf(offsets[i][2] * SIZE_VARIANCE) * p->w;
		float h = expf(offsets[i][3] * SIZE_VARIANCE) * p->h;

		ret_corners[i][0] = x - w / 2;
		ret_corners[i][1] = y - h / 2;
		ret_corners[i][2] = x + w / 2;
		ret_corners[i][3] = y + h / 2;
	}
}

/* ---- running ------------------------------------------------------------------------------------- */

/* Every so many pixels of a photograph, as the network wants them: RGB from -1 to 1. */
static void read_photograph(const char *name, float (*ret_pixels)[3])
{
	tjhandle handle = tjInitDecompress();
	int width, height, subsampling, colorspace;
	unsigned long size;
	const uint8_t *jpeg;
	size_t bytes;
	uint8_t *whole;
	char path[256];

	snprintf(path, sizeof(path), "images/photos/%s", name);
	imported_map(path, &jpeg, &bytes);
	size = (unsigned long)bytes;
	cr_assert_eq(tjDecompressHeader3(handle, jpeg, size, &width, &height, &subsampling, &colorspace), 0);
	whole = malloc((size_t)width * (size_t)height * 3);
	cr_assert_eq(tjDecompress2(handle, jpeg, size, whole, width, 0, height, TJPF_RGB, TJFLAG_ACCURATEDCT), 0);
	for (int i = 0; i < PIXELS; i++) {
		size_t x = (size_t)(i % WIDTH) * (size_t)width / WIDTH,
		       y = (size_t)(i / WIDTH) * (size_t)height / HEIGHT;

		for (size_t k = 0; k < 3; k++)
			ret_pixels[i][k] = ((float)whole[(y * (size_t)width + x) * 3 + k] - 127) / 128;
	}
	free(whole);
	tjDestroy(handle);
}

static void map_export(const struct export *export, struct file *ret_file)
{
	char path[256];

	*ret_file = (struct file){0};
	snprintf(path, sizeof(path), "models/rfb320/%s", export->model);
	imported_map(path, &ret_file->data, &ret_file->size);
	if (!export->weights)
		return;
	snprintf(path, sizeof(path), "models/rfb320/%s", export->weights);
	imported_map(path, &ret_file->weights, &ret_file->weights_size);
}

/* Formats name and order their outputs each in its own way; boxes have four numbers. */
static void read_outputs(const struct export *export, struct engine_context *context, const struct engine_plan *plan,
			 struct detections *ret)
{
	bool seen[2] = {false};

	cr_assert_eq(engine_plan_output_count(plan), 2);
	for (int i = 0; i < 2; i++) {
		const void *data = engine_context_output(context, plan, i);
		struct engine_io io;
		bool boxes;

		engine_plan_output(plan, i, &io);
		boxes = io.bytes == sizeof(ret->corners);
		cr_assert(boxes || io.bytes == sizeof(ret->scores), "%s", export->model);
		seen[boxes] = true;
		if (!boxes)
			memcpy(ret->scores, data, sizeof(ret->scores));
		else if (export->decoded)
			memcpy(ret->corners, data, sizeof(ret->corners));
		else
			decode(data, ret->corners);
	}
	cr_assert(seen[0] && seen[1], "%s", export->model);
	for (int i = 0; i < PLACES; i++)
		for (int k = 0; k < 4; k++)
			ret->corners[i][k] *= k % 2 ? HEIGHT : WIDTH;
}

static void detect(const struct export *export, const float (*const *photographs)[3], int n, struct detections *ret)
{
	const struct engine_plan_options options = {.width = WIDTH, .height = HEIGHT};
	struct engine_error error = {""};
	const struct engine_plan *plan;
	struct engine_context *context;
	struct engine_model *model;
	struct engine_team *team;
	struct file file;

	map_export(export, &file);
	cr_assert_eq(engine_model_load_memory(export->model, file.data, file.size, file.weights, file.weights_size,
					      &error, &model),
		     0, "%s", error.text);
	cr_assert_eq(engine_model_plan(model, &options, &error, &plan), 0, "%s", error.text);
	cr_assert_eq(engine_team_create(NULL, 0, 1, &team), 0);
	cr_assert_eq(engine_context_create(team, &context), 0);
	cr_assert_eq(engine_context_reserve(context, plan), 0);
	for (int i = 0; i < n; i++) {
		memcpy(engine_context_input(context, plan, 0), photographs[i], PIXELS * sizeof(**photographs));
		cr_assert_eq(engine_run(context, plan, 0), 0);
		read_outputs(export, context, plan, &ret[i]);
	}
	engine_context_destroy(context);
	engine_team_destroy(team);
	engine_model_destroy(model);
}

/* ---- comparing ----------------------------------------------------------------------------------- */

static float largest_score_difference(const struct detections *a, const struct detections *b)
{
	float largest = 0;

	for (int i = 0; i < PLACES; i++)
		for (int k = 0; k < 2; k++)
			largest = fmaxf(largest, fabsf(a->scores[i][k] - b->scores[i][k]));
	return largest;
}

static float largest_corner_difference(const struct detections *a, const struct detections *b)
{
	float largest = 0;

	for (int i = 0; i < PLACES; i++)
		for (int k = 0; k < 4; k++)
			largest = fmaxf(largest, fabsf(a->corners[i][k] - b->corners[i][k]));
	return largest;
}

static int count_faces(const struct detections *d)
{
	int count = 0;

	for (int i = 0; i < PLACES; i++)
		count += d->scores[i][1] > 0.3f;
	return count;
}

Test(detector, formats_agree_on_photographs)
{
	enum { PHOTOGRAPHS = 2 };
	static const char *const names[PHOTOGRAPHS] = {"face.jpg", "cat_720p.jpg"};
	static float pixels[PHOTOGRAPHS][PIXELS][3];
	static struct detections found[EXPORTS][PHOTOGRAPHS];
	const float(*photographs[PHOTOGRAPHS])[3];

	for (int p = 0; p < PHOTOGRAPHS; p++) {
		read_photograph(names[p], pixels[p]);
		photographs[p] = (const float(*)[3])pixels[p];
	}
	for (size_t e = 0; e < EXPORTS; e++)
		detect(&exports[e], photographs, PHOTOGRAPHS, found[e]);
	for (size_t e = 1; e < EXPORTS; e++)
		for (int p = 0; p < PHOTOGRAPHS; p++) {
			float score = largest_score_difference(&found[e][p], &found[0][p]);
			float corner = largest_corner_difference(&found[e][p], &found[0][p]);

			cr_expect_leq(score, SCORE_TOLERANCE, "%s, %s: scores differ by %g", exports[e].model, names[p],
				      (double)score);
			cr_expect_leq(corner, CORNER_TOLERANCE, "%s, %s: corners differ by %g pixels", exports[e].model,
				      names[p], (double)corner);
		}
	/* Or the tolerances would let anything pass. */
	cr_expect_gt(count_faces(&found[0][0]), 0, "no face on %s", names[0]);
	cr_expect_geq(largest_score_difference(&found[0][0], &found[0][1]), 100 * SCORE_TOLERANCE);
	cr_expect_geq(largest_corner_difference(&found[0][0], &found[0][1]), 10 * CORNER_TOLERANCE);
}
