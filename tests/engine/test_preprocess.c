/*
 * test_preprocess.c - pixels to input tensor against a slow reference in double precision, and against
 * Pillow's integer arithmetic where results must be Pillow's.
 *
 * Each case runs on the portable kernels and on those of this CPU; one runs on all levels.  Planes end at a page that
 * may not be touched.
 */
#include "support/test.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/preprocess.h"

TEST_SUITE(preprocess);

/* ---- images ------------------------------------------------------------------------------------ */

static int plane_count(enum engine_pixels format)
{
	return format == ENGINE_I420 ? 3 : format == ENGINE_NV12 || format == ENGINE_NV21 ? 2 : 1;
}

static size_t row_bytes(const struct engine_image *image, int plane)
{
	size_t width = (size_t)image->width, half = (width + 1) / 2;

	switch (image->format) {
	case ENGINE_I420:
		return plane ? half : width;
	case ENGINE_NV12:
	case ENGINE_NV21:
		return plane ? 2 * half : width;
	case ENGINE_YUYV:
		return 4 * half;
	case ENGINE_RGB:
	case ENGINE_BGR:
		return 3 * width;
	case ENGINE_RGBA:
	case ENGINE_BGRA:
		return 4 * width;
	default:
		return width;
	}
}

static int plane_rows(const struct engine_image *image, int plane)
{
	return plane ? (image->height + 1) / 2 : image->height;
}

struct guarded {
	void *map;
	size_t bytes;
};

/* Bytes whose end is the end of readable memory. */
static uint8_t *guarded_alloc(struct guarded *guarded, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (size + page - 1) / page * page;

	guarded->bytes = body + page;
	guarded->map = mmap(NULL, guarded->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert(guarded->map != MAP_FAILED);
	cr_assert_eq(mprotect((char *)guarded->map + body, page, PROT_NONE), 0);
	return (uint8_t *)guarded->map + body - size;
}

struct picture {
	struct engine_image image;
	struct guarded memory[3];
};

/* fill: 0..255 for that level everywhere, -1 random, -2 smooth. */
static struct picture picture_new(enum engine_pixels format, int width, int height, size_t extra_stride, int fill)
{
	struct picture picture = {.image = {.format = format, .width = width, .height = height}};
	struct engine_image *image = &picture.image;
	int p;

	for (p = 0; p < plane_count(format); p++) {
		size_t row = row_bytes(image, p), size, i;
		uint8_t *bytes;

		image->stride[p] = row + extra_stride;
		size = image->stride[p] * (size_t)(plane_rows(image, p) - 1) + row;
		bytes = guarded_alloc(&picture.memory[p], size);
		for (i = 0; i < size; i++)
			bytes[i] = (uint8_t)(fill >= 0	  ? fill
					     : fill == -1 ? (int)(test_random() >> 32)
							  : (int)(i % image->stride[p] / 4 + i / image->stride[p]));
		image->plane[p] = bytes;
	}
	return picture;
}

static void picture_finish(struct picture *picture)
{
	int p;

	for (p = 0; p < 3; p++) {
		if (picture->memory[p].map)
			munmap(picture->memory[p].map, picture->memory[p].bytes);
	}
}

/* ---- the reference ----------------------------------------------------------------------------- */

static bool is_yuv(enum engine_pixels format)
{
	return format <= ENGINE_YUYV;
}

static bool chroma_halved(enum engine_pixels format, int component, bool vertical)
{
	return is_yuv(format) && component > 0 && !(vertical && format == ENGINE_YUYV);
}

/* Component 0, 1, 2 (Y U V, R G B, or gray) of the sample at x, y of its own grid. */
static int sample(const struct engine_image *image, int component, int x, int y)
{
	static const int rgb_at[4][3] = {{0, 1, 2}, {2, 1, 0}, {0, 1, 2}, {2, 1, 0}};
	size_t row = (size_t)y, column = (size_t)x, c = (size_t)component;

	switch (image->format) {
	case ENGINE_I420:
		return image->plane[c][row * image->stride[c] + column];
	case ENGINE_NV12:
	case ENGINE_NV21:
		if (component == 0)
			return image->plane[0][row * image->stride[0] + column];
		return image->plane[1][row * image->stride[1] + 2 * column +
				       ((component == 2) != (image->format == ENGINE_NV21))];
	case ENGINE_YUYV:
		return image->plane[0][row * image->stride[0] + (component ? 4 * column + 2 * c - 1 : 2 * column)];
	case ENGINE_GRAY8:
		return image->plane[0][row * image->stride[0] + column];
	default:
		return image->plane[0][row * image->stride[0] + (image->format >= ENGINE_RGBA ? 4 : 3) * column +
				       (size_t)rgb_at[image->format - ENGINE_RGB][c]];
	}
}

struct area {
	double x, y, width, height; /* of the picture */
	int left, top, out_width, out_height;
};

static struct area reference_area(const struct engine_image *image, const struct engine_normalize *normalize,
				  const struct preprocess_target *target)
{
	struct area area = {0, 0, image->width, image->height, 0, 0, target->width, target->height};
	double fx = (double)target->width / image->width, fy = (double)target->height / image->height;

	if (normalize->fit == ENGINE_FIT_CROP) {
		double scale = fmax(fx, fy);

		area.width = target->width / scale * (double)normalize->crop;
		area.height = target->height / scale * (double)normalize->crop;
		area.x = (image->width - area.width) / 2;
		area.y = (image->height - area.height) / 2;
	} else if (normalize->fit == ENGINE_FIT_LETTERBOX) {
		double scale = fmin(fx, fy);

		area.out_width = (int)fmax(1, floor(image->width * scale + 0.5));
		area.out_height = (int)fmax(1, floor(image->height * scale + 0.5));
		area.left = (target->width - area.out_width) / 2;
		area.top = (target->height - area.out_height) / 2;
	}
	return area;
}

/* weight[out * source + in] of the triangle filter. */
static double *reference_weights(int source, double from, double span, int n)
{
	double *weights = calloc((size_t)source * (size_t)n, sizeof(*weights));
	double scale = span / n, radius = fmax(scale, 1);
	int x, i;

	for (x = 0; x < n; x++) {
		double *w = weights + (size_t)x * (size_t)source, total = 0;

		for (i = 0; i < source; i++) {
			w[i] = fmax(0, 1 - fabs(i + 0.5 - (from + (x + 0.5) * scale)) / radius);
			total += w[i];
		}
		for (i = 0; i < source; i++)
			w[i] /= total;
	}
	return weights;
}

/* One component resized; whole: with 22-bit weights and whole levels after each axis, in Pillow's order. */
static double *reference_resize(const struct engine_image *image, const struct area *area, int component, bool whole)
{
	bool half_x = chroma_halved(image->format, component, false);
	bool half_y = chroma_halved(image->format, component, true);
	int width = half_x ? (image->width + 1) / 2 : image->width;
	int height = half_y ? (image->height + 1) / 2 : image->height;
	int out_w = area->out_width, out_h = area->out_height, x, y, i, pass;
	double ux = half_x ? 0.5 : 1, uy = half_y ? 0.5 : 1;
	double *across = reference_weights(width, area->x * ux, area->width * ux, out_w);
	double *down = reference_weights(height, area->y * uy, area->height * uy, out_h);
	bool down_first = image->height > out_h && image->height - out_h > 2 * (image->width - out_w);
	double *now = calloc((size_t)width * (size_t)height, sizeof(*now));
	int now_w = width, now_h = height;

	for (y = 0; y < height; y++) {
		for (x = 0; x < width; x++)
			now[y * width + x] = sample(image, component, x, y);
	}
	for (pass = 0; pass < 2; pass++) {
		bool vertical = (pass == 0) == down_first;
		int next_w = vertical ? now_w : out_w, next_h = vertical ? out_h : now_h;
		double *next = calloc((size_t)next_w * (size_t)next_h, sizeof(*next));

		for (y = 0; y < next_h; y++) {
			for (x = 0; x < next_w; x++) {
				int n = vertical ? now_h : now_w;
				const double *w =
					vertical ? down + (size_t)y * (size_t)n : across + (size_t)x * (size_t)n;
				double sum = whole ? 1 << 21 : 0;

				for (i = 0; i < n; i++) {
					double value = vertical ? now[i * now_w + x] : now[y * now_w + i];

					sum += whole ? floor(w[i] * (1 << 22) + 0.5) * value : w[i] * value;
				}
				next[y * next_w + x] = whole ? floor(sum / (1 << 22)) : sum;
			}
		}
		free(now);
		now = next;
		now_w = next_w;
		now_h = next_h;
	}
	free(across);
	free(down);
	return now;
}

static double clamp_level(double level)
{
	return fmin(255, fmax(0, level));
}

/* R, G, B of one output pixel; of gray pictures three times the same. */
static void reference_rgb(const struct engine_image *image, const double c[3], double ret_rgb[3])
{
	double y = c[0], u = c[1] - 128, v = c[2] - 128;
	int i;

	for (i = 0; i < 3; i++)
		ret_rgb[i] = image->format == ENGINE_GRAY8 ? c[0] : c[i];
	if (!is_yuv(image->format))
		return;
	if (!image->full_range) {
		y = (y - 16) * 255 / 219;
		u = u * 255 / 224;
		v = v * 255 / 224;
	}
	ret_rgb[0] = clamp_level(y + 1.402 * v);
	ret_rgb[1] = clamp_level(y - (0.114 * 1.772 * u + 0.299 * 1.402 * v) / 0.587);
	ret_rgb[2] = clamp_level(y + 1.772 * u);
}

static double reference_luma(const struct engine_image *image, const double c[3])
{
	if (image->format == ENGINE_GRAY8)
		return c[0];
	if (is_yuv(image->format))
		return image->full_range ? c[0] : clamp_level((c[0] - 16) * 255 / 219);
	return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
}

/* The number to be stored for a level of input channel c, before rounding. */
static double reference_number(const struct engine_normalize *normalize, const struct preprocess_target *target, int c,
			       double level)
{
	double value;

	if (!normalize->given)
		return target->type == ENGINE_F32 ? level / 255 : target->type == ENGINE_S8 ? level - 128 : level;
	value = (level - (double)normalize->mean[c]) * (double)normalize->scale[c];
	if (target->type == ENGINE_F32)
		return value;
	return value / (double)target->quant.scale + target->quant.zero_point;
}

static double stored(const struct preprocess_target *target, const void *dst, size_t at)
{
	if (target->type == ENGINE_F32)
		return (double)((const float *)dst)[at];
	return target->type == ENGINE_S8 ? ((const int8_t *)dst)[at] : ((const uint8_t *)dst)[at];
}

/* Compares one result with the reference; tolerance in levels. */
static void check_result(const struct engine_image *image, const struct engine_normalize *normalize,
			 const struct preprocess_target *target, const void *dst, bool whole, double tolerance)
{
	struct area area = reference_area(image, normalize, target);
	int components = image->format == ENGINE_GRAY8 ? 1 : 3, c, x, y;
	double *plane[3] = {NULL, NULL, NULL};
	double low = target->type == ENGINE_S8 ? -128 : 0, high = target->type == ENGINE_S8 ? 127 : 255;

	for (c = 0; c < components; c++)
		plane[c] = reference_resize(image, &area, c, whole);
	for (y = 0; y < target->height; y++) {
		for (x = 0; x < target->width; x++) {
			int in_x = x - area.left, in_y = y - area.top;
			bool inside = in_x >= 0 && in_y >= 0 && in_x < area.out_width && in_y < area.out_height;
			double levels[3] = {0}, rgb[3], luma;

			for (c = 0; c < 3; c++)
				rgb[c] = normalize->pad[c];
			luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
			if (inside) {
				for (c = 0; c < components; c++)
					levels[c] = plane[c][in_y * area.out_width + in_x];
				reference_rgb(image, levels, rgb);
				luma = reference_luma(image, levels);
			}
			for (c = 0; c < target->channels; c++) {
				size_t at = ((size_t)y * (size_t)target->width + (size_t)x) * (size_t)target->channels +
					    (size_t)c;
				double level = target->channels < 3 ? luma : rgb[normalize->bgr ? 2 - c : c];
				double expected = reference_number(normalize, target, c, level);
				double slack = normalize->given
						       ? tolerance * fabs((double)normalize->scale[c])
						       : tolerance * (target->type == ENGINE_F32 ? 1 / 255.0 : 1);

				if (target->type != ENGINE_F32) {
					slack = normalize->given ? slack / (double)target->quant.scale : slack;
					slack += 0.5;
					expected = fmin(high, fmax(low, expected));
				}
				if (target->channels == 2 && c == 1) {
					expected = 1;
					slack = 0;
				}
				cr_assert_leq(fabs(stored(target, dst, at) - expected),
					      slack + 1e-5 * (1 + fabs(expected)),
					      "format %d %dx%d to %dx%dx%d type %d fit %d at %d,%d,%d: %g for %g",
					      image->format, image->width, image->height, target->width, target->height,
					      target->channels, target->type, normalize->fit, x, y, c,
					      stored(target, dst, at), expected);
			}
		}
	}
	for (c = 0; c < 3; c++)
		free(plane[c]);
}

/* ---- running it -------------------------------------------------------------------------------- */

static const struct kernels *kernels_of(int level)
{
	return level ? kernels_get() : kernels_level("scalar");
}

/* The result on freshly allocated memory of exactly the tensor's size. */
static void *run(const struct engine_image *image, const struct engine_normalize *normalize,
		 const struct preprocess_target *target, const struct kernels *kernels)
{
	struct engine_preprocess *preprocess = NULL;
	struct engine_error error = {""};
	size_t bytes = (size_t)target->width * (size_t)target->height * (size_t)target->channels *
		       (target->type == ENGINE_F32 ? 4 : 1);
	void *dst = malloc(bytes);

	cr_assert_eq(preprocess_create(image, normalize, target, kernels, &error, &preprocess), 0, "%s", error.text);
	/* Twice: nothing of the first run may show in the second. */
	cr_assert_eq(engine_preprocess_run(preprocess, image, dst), 0);
	memset(dst, 0xaa, bytes);
	cr_assert_eq(engine_preprocess_run(preprocess, image, dst), 0);
	engine_preprocess_destroy(preprocess);
	return dst;
}

/* How far, in levels, a result may be from the exact one. */
static double tolerance_of(const struct engine_image *image, const struct preprocess_target *target)
{
	bool colour_to_gray = !is_yuv(image->format) && image->format != ENGINE_GRAY8 && target->channels < 3;

	bool extreme = image->width > 1000 * target->width || image->height > 1000 * target->height;

	/* Two roundings to whole levels. */
	if (!is_yuv(image->format) && !colour_to_gray)
		return 1.001;
	/* Those of the weights, which chroma doubles; a sum of thousands has thousands of them. */
	return extreme ? 0.3 : 0.1;
}

static void check(const struct engine_image *image, const struct engine_normalize *normalize,
		  const struct preprocess_target *target)
{
	int level;

	for (level = 0; level < 2; level++) {
		void *dst = run(image, normalize, target, kernels_of(level));

		check_result(image, normalize, target, dst, false, tolerance_of(image, target));
		free(dst);
	}
}

static const struct engine_normalize plain = {.fit = ENGINE_FIT_STRETCH, .crop = 1};

static void check_size(enum engine_pixels format, int width, int height, int in_width, int in_height)
{
	struct preprocess_target target = {in_width, in_height, 3, ENGINE_F32, {0, 0}};
	struct picture picture = picture_new(format, width, height, 0, -1);

	check(&picture.image, &plain, &target);
	target.channels = 1;
	check(&picture.image, &plain, &target);
	picture_finish(&picture);
}

/* ---- weights ----------------------------------------------------------------------------------- */

Test(preprocess, weights_add_up_to_one)
{
	int round, x, t;

	for (round = 0; round < 200; round++) {
		int source = (int)test_random_range(1, round % 8 ? 100 : 16384), n = (int)test_random_range(1, 80);
		double span = (double)test_random_range(1, 1000) / 1000 * source, from = (source - span) / 2;
		struct resample_taps taps;

		cr_assert_eq(preprocess_taps_init(&taps, source, from, span, n, 8, 22, round & 1), 0);
		cr_assert_eq(taps.width % 8, 0);
		for (x = 0; x < n; x++) {
			int64_t sum = 0;

			cr_assert_geq(taps.first[x], 0);
			cr_assert_leq(taps.first[x] + taps.count[x], source);
			for (t = 0; t < taps.width; t++) {
				int32_t weight = resample_weight(&taps, (size_t)(x * taps.width + t));

				sum += weight;
				cr_assert_geq(weight, 0);
				cr_assert(t < taps.count[x] || weight == 0);
			}
			/* Exact weights are Pillow's, each off by half a step at most. */
			if (taps.low)
				cr_assert_leq(llabs(sum - (1 << 22)), taps.count[x] / 2 + 1);
			else
				cr_assert_eq(sum, 1 << taps.bits);
		}
		preprocess_taps_finish(&taps);
	}
}

/* ---- formats and sizes ------------------------------------------------------------------------- */

Test(preprocess, all_formats_reduce_enlarge_and_copy)
{
	const int sizes[][4] = {{64, 48, 16, 12}, {63, 47, 20, 10}, {20, 10, 63, 47}, {32, 32, 32, 32}, {5, 90, 33, 7},
				{90, 5, 7, 33},	  {1, 1, 9, 5},	    {2, 3, 1, 1},     {7, 7, 3, 3},	{3, 1, 8, 8}};
	int format;
	size_t i;

	for (format = 0; format < ENGINE_PIXELS_COUNT; format++) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			check_size((enum engine_pixels)format, sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]);
	}
}

Test(preprocess, random_requests_match_the_reference)
{
	int round;

	for (round = 0; round < 300; round++) {
		int largest = round % 10 ? 40 : 300;
		struct picture picture =
			picture_new((enum engine_pixels)test_random_range(0, ENGINE_PIXELS_COUNT - 1),
				    (int)test_random_range(1, largest), (int)test_random_range(1, largest),
				    (size_t)test_random_range(0, 40), test_random_range(0, 1) ? -1 : -2);
		struct preprocess_target target = {(int)test_random_range(1, 50),
						   (int)test_random_range(1, 50),
						   (int)test_random_range(1, 3),
						   ENGINE_F32,
						   {0, 0}};
		struct engine_normalize normalize = {.fit = (enum engine_fit)test_random_range(0, 2),
						     .crop = (float)test_random_range(10, 100) / 100,
						     .bgr = test_random_range(0, 1),
						     .given = test_random_range(0, 1),
						     .mean = {100, 120.5f, 130},
						     .scale = {0.02f, 0.017f, -0.01f},
						     .pad = {10, 200, 77}};
		int type = (int)test_random_range(0, 2);

		picture.image.full_range = test_random_range(0, 1);
		if (type && target.channels != 2) {
			target.type = type == 1 ? ENGINE_U8 : ENGINE_S8;
			target.quant = (struct engine_quant){0.02f, type == 1 ? 120 : -3};
		}
		check(&picture.image, &normalize, &target);
		picture_finish(&picture);
	}
}

Test(preprocess, largest_sides_neither_overflow_nor_lose_precision)
{
	const int sizes[][4] = {{16384, 2, 3, 2}, {2, 16384, 2, 3}, {16384, 1, 1, 1}, {1, 16384, 1, 1},
				{3, 2, 16384, 1}, {2, 3, 1, 16384}, {1, 1, 16384, 2}};
	const enum engine_pixels formats[] = {ENGINE_NV12, ENGINE_YUYV, ENGINE_RGB, ENGINE_GRAY8};
	size_t i, f;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (f = 0; f < 4; f++) {
			struct preprocess_target target = {sizes[i][2], sizes[i][3], 3, ENGINE_U8, {0, 0}};
			struct picture picture = picture_new(formats[f], sizes[i][0], sizes[i][1], 0, -1);
			struct picture white = picture_new(formats[f], sizes[i][0], sizes[i][1], 0, 255);
			int level;

			check(&picture.image, &plain, &target);
			for (level = 0; level < 2; level++) {
				uint8_t *dst = run(&white.image, &plain, &target, kernels_of(level));

				/* Full luma with full chroma is red and blue without green's share. */
				cr_assert_eq(dst[0], 255);
				cr_assert_eq(dst[2], 255);
				free(dst);
			}
			picture_finish(&picture);
			picture_finish(&white);
		}
	}
}

/* ---- exactness --------------------------------------------------------------------------------- */

/* Sizes with many ties among them: a ratio of 4 to 5, of 2, and portraits that go down first. */
Test(preprocess, rgb_and_gray_are_pillows_to_the_level)
{
	const int sizes[][4] = {{100, 75, 80, 60}, {60, 80, 30, 20}, {75, 100, 64, 48}, {50, 33, 64, 64},
				{31, 90, 40, 22},  {97, 61, 24, 24}, {64, 64, 64, 64},	{40, 90, 13, 20}};
	const enum engine_pixels formats[] = {ENGINE_RGB, ENGINE_BGRA, ENGINE_GRAY8};
	size_t i, f;
	int level;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (f = 0; f < 3; f++) {
			struct preprocess_target target = {sizes[i][2], sizes[i][3], 3, ENGINE_U8, {0, 0}};
			struct picture picture = picture_new(formats[f], sizes[i][0], sizes[i][1], i, -1);

			for (level = 0; level < 2; level++) {
				uint8_t *dst = run(&picture.image, &plain, &target, kernels_of(level));

				/* Expected are whole levels, so half a level of rounding is what is left. */
				check_result(&picture.image, &plain, &target, dst, true, -0.5);
				free(dst);
			}
			picture_finish(&picture);
		}
	}
}

/* Windows of one register and of several, and a portrait, which goes down first. */
static void check_levels(const struct kernels *kernels, enum engine_pixels format, int channels)
{
	const int sizes[][2] = {{201, 117}, {1300, 60}, {60, 300}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct picture picture = picture_new(format, sizes[i][0], sizes[i][1], 3, -1);
		struct preprocess_target target = {37, 50, channels, ENGINE_F32, {0, 0}};
		void *a = run(&picture.image, &plain, &target, kernels_level("scalar"));
		void *b = run(&picture.image, &plain, &target, kernels);

		cr_assert_eq(memcmp(a, b, (size_t)(37 * 50 * channels) * 4), 0, "%s, format %d, %dx%d", kernels->level,
			     format, sizes[i][0], sizes[i][1]);
		free(a);
		free(b);
		picture_finish(&picture);
	}
}

Test(preprocess, kernels_of_every_level_equal_the_portable_ones)
{
	for (const char *const *level = kernels_levels(); *level; level++) {
		const struct kernels *kernels = kernels_level(*level);

		for (int format = 0; kernels && format < ENGINE_PIXELS_COUNT; format++)
			for (int channels = 1; channels <= 3; channels++)
				check_levels(kernels, (enum engine_pixels)format, channels);
	}
}

Test(preprocess, same_size_keeps_every_pixel)
{
	struct preprocess_target target = {21, 13, 3, ENGINE_U8, {0, 0}};
	struct picture picture = picture_new(ENGINE_RGB, 21, 13, 0, -1);
	uint8_t *dst = run(&picture.image, &plain, &target, kernels_of(1));

	cr_assert_arr_eq(dst, picture.image.plane[0], 21 * 13 * 3);
	free(dst);
	target.type = ENGINE_S8;
	dst = run(&picture.image, &plain, &target, kernels_of(1));
	cr_assert_eq((int8_t)dst[5], picture.image.plane[0][5] - 128);
	free(dst);
	picture_finish(&picture);
}

/* ---- colour ------------------------------------------------------------------------------------ */

Test(preprocess, known_colours)
{
	/* Y, U, V of pure red, in either range. */
	const uint8_t video[3] = {81, 90, 240}, full[3] = {76, 85, 255};
	int range;

	for (range = 0; range < 2; range++) {
		struct preprocess_target target = {4, 4, 3, ENGINE_U8, {0, 0}};
		struct picture picture = picture_new(ENGINE_I420, 8, 6, 0, 0);
		uint8_t *dst;
		int p;

		picture.image.full_range = range;
		for (p = 0; p < 3; p++)
			memset((uint8_t *)(uintptr_t)picture.image.plane[p], (range ? full : video)[p], p ? 12 : 48);
		dst = run(&picture.image, &plain, &target, kernels_of(1));
		cr_assert_geq(dst[0], 253);
		cr_assert_leq(dst[1], 2);
		cr_assert_leq(dst[2], 2);
		free(dst);
		picture_finish(&picture);
	}
}

Test(preprocess, gray_of_a_gray_picture_is_its_colour)
{
	struct preprocess_target colour = {17, 19, 3, ENGINE_F32, {0, 0}}, gray = {17, 19, 1, ENGINE_F32, {0, 0}};
	struct picture one = picture_new(ENGINE_GRAY8, 55, 44, 0, -1), three = picture_new(ENGINE_RGB, 55, 44, 0, 0);
	float *a, *b, *c;
	size_t i;

	for (i = 0; i < 55 * 44 * 3; i++)
		((uint8_t *)(uintptr_t)three.image.plane[0])[i] = one.image.plane[0][i / 3];
	a = run(&one.image, &plain, &gray, kernels_of(1));
	b = run(&one.image, &plain, &colour, kernels_of(1));
	c = run(&three.image, &plain, &gray, kernels_of(1));
	for (i = 0; i < 17 * 19 * 3; i++) {
		cr_assert_eq(a[i / 3], b[i]);
		cr_assert_float_eq(a[i / 3], c[i / 3], 1.001f / 255);
	}
	free(a);
	free(b);
	free(c);
	picture_finish(&one);
	picture_finish(&three);
}

Test(preprocess, alpha_is_ignored)
{
	struct preprocess_target target = {9, 9, 3, ENGINE_U8, {0, 0}};
	struct picture picture = picture_new(ENGINE_RGBA, 30, 20, 0, -1);
	uint8_t *bytes = (uint8_t *)(uintptr_t)picture.image.plane[0];
	uint8_t *before = run(&picture.image, &plain, &target, kernels_of(1)), *after;
	int i;

	for (i = 3; i < 30 * 20 * 4; i += 4)
		bytes[i] ^= 0xff;
	after = run(&picture.image, &plain, &target, kernels_of(1));
	cr_assert_arr_eq(before, after, 9 * 9 * 3);
	free(before);
	free(after);
	picture_finish(&picture);
}

Test(preprocess, gray_options_make_gray_exact)
{
	struct engine_normalize normalize = {.given = true, .mean = {120, 110, 100}, .scale = {0.02f, 0.03f, 0.04f}};
	struct engine_plan_options options = {.width = 7, .channels = 1};
	int c, level;

	engine_gray_options(&normalize, &options);
	cr_assert_eq(options.width, 7);
	for (level = 0; level < 256; level += 5) {
		float x = ((float)level - normalize.mean[0]) * normalize.scale[0];

		for (c = 0; c < 3; c++)
			cr_assert_float_eq(options.gray_gain[c] * x + options.gray_bias[c],
					   ((float)level - normalize.mean[c]) * normalize.scale[c], 1e-5f);
	}
	for (c = 0; c < 3; c++) {
		normalize.mean[c] = 127.5f;
		normalize.scale[c] = 0.0078125f;
	}
	engine_gray_options(&normalize, &options);
	cr_assert(options.gray_gain[2] == 1 && options.gray_bias[2] == 0, "equal channels need no correction at all");
	normalize = (struct engine_normalize){.mean = {1, 2, 3}, .scale = {4, 5, 6}};
	engine_gray_options(&normalize, &options);
	cr_assert(options.gray_gain[1] == 1 && options.gray_bias[1] == 0, "numbers that are not given do not count");
}

/* ---- placement and numbers --------------------------------------------------------------------- */

Test(preprocess, letterbox_leaves_the_border)
{
	struct engine_normalize normalize = {.fit = ENGINE_FIT_LETTERBOX, .pad = {1, 2, 3}};
	struct preprocess_target target = {10, 10, 3, ENGINE_U8, {0, 0}};
	struct picture picture = picture_new(ENGINE_RGB, 40, 20, 0, 200);
	uint8_t *dst = run(&picture.image, &normalize, &target, kernels_of(1));
	int x, y;

	/* Ten by five, with two rows above and three below. */
	for (y = 0; y < 10; y++) {
		for (x = 0; x < 10; x++)
			cr_assert_eq(dst[(y * 10 + x) * 3 + 2], y < 2 || y >= 7 ? 3 : 200, "row %d", y);
	}
	free(dst);
	picture_finish(&picture);
}

Test(preprocess, placement_maps_the_picture_to_the_input)
{
	struct engine_image image = {.format = ENGINE_RGB, .width = 400, .height = 200};
	struct preprocess_target target = {100, 100, 3, ENGINE_U8, {0, 0}};
	struct engine_normalize normalize = {.fit = ENGINE_FIT_CROP, .crop = 0.5f};
	struct engine_preprocess *preprocess;
	struct engine_placement placement;

	cr_assert_eq(preprocess_create(&image, &normalize, &target, kernels_of(0), NULL, &preprocess), 0);
	placement = engine_preprocess_placement(preprocess);
	engine_preprocess_destroy(preprocess);
	/* The middle 100x100 of the picture, as it is. */
	cr_assert_float_eq(placement.scale_x, 1, 1e-6f);
	cr_assert_float_eq(placement.scale_y, 1, 1e-6f);
	cr_assert_float_eq(placement.offset_x, -150, 1e-4f);
	cr_assert_float_eq(placement.offset_y, -50, 1e-4f);
	normalize.fit = ENGINE_FIT_LETTERBOX;
	cr_assert_eq(preprocess_create(&image, &normalize, &target, kernels_of(0), NULL, &preprocess), 0);
	placement = engine_preprocess_placement(preprocess);
	engine_preprocess_destroy(preprocess);
	cr_assert_float_eq(placement.scale_x, 0.25f, 1e-6f);
	cr_assert_float_eq(placement.scale_y, 0.25f, 1e-6f);
	cr_assert_float_eq(placement.offset_x, 0, 1e-6f);
	cr_assert_float_eq(placement.offset_y, 25, 1e-6f);
}

Test(preprocess, crop_takes_the_middle)
{
	struct engine_normalize normalize = {.fit = ENGINE_FIT_CROP, .crop = 0.5f};
	struct preprocess_target target = {4, 4, 1, ENGINE_U8, {0, 0}};
	struct picture picture = picture_new(ENGINE_GRAY8, 16, 8, 0, 0);
	uint8_t *pixels = (uint8_t *)(uintptr_t)picture.image.plane[0], *dst;
	int x, y;

	for (y = 0; y < 8; y++) {
		for (x = 0; x < 16; x++)
			pixels[y * 16 + x] = (uint8_t)(16 * y + x);
	}
	dst = run(&picture.image, &normalize, &target, kernels_of(1));
	cr_assert_eq(dst[0], 16 * 2 + 6);
	cr_assert_eq(dst[15], 16 * 5 + 9);
	free(dst);
	picture_finish(&picture);
}

Test(preprocess, quantisation_rounds_and_clamps)
{
	struct engine_normalize normalize = {.given = true, .mean = {100, 100, 100}, .scale = {0.5f, 0.5f, 0.5f}};
	struct preprocess_target target = {256, 1, 1, ENGINE_S8, {0.25f, 10}};
	struct picture picture = picture_new(ENGINE_GRAY8, 256, 1, 0, 0);
	int8_t *dst;
	int x;

	for (x = 0; x < 256; x++)
		((uint8_t *)(uintptr_t)picture.image.plane[0])[x] = (uint8_t)x;
	dst = run(&picture.image, &normalize, &target, kernels_of(1));
	for (x = 0; x < 256; x++) {
		int expected = 2 * (x - 100) + 10;

		expected = expected < -128 ? -128 : expected > 127 ? 127 : expected;
		cr_assert_eq(dst[x], expected, "level %d: %d", x, dst[x]);
	}
	free(dst);
	/* Thirds: (x - 100) / 6 + 10, never at a tie but at halves of it. */
	target.quant.scale = 3;
	dst = run(&picture.image, &normalize, &target, kernels_of(1));
	for (x = 0; x < 256; x++) {
		double expected = (x - 100) / 6.0 + 10;

		cr_assert_leq(fabs(dst[x] - expected), 0.50001);
	}
	free(dst);
	picture_finish(&picture);
}

Test(preprocess, gray_with_a_constant_has_it_everywhere)
{
	struct engine_normalize normalize = {.fit = ENGINE_FIT_LETTERBOX, .pad = {50, 50, 50}};
	struct preprocess_target target = {8, 8, 2, ENGINE_F32, {0, 0}};
	struct picture picture = picture_new(ENGINE_NV12, 20, 10, 0, -1);
	float *dst = run(&picture.image, &normalize, &target, kernels_of(1));
	int i;

	for (i = 0; i < 64; i++)
		cr_assert(dst[2 * i + 1] == 1.0f, "pixel %d", i);
	cr_assert_float_eq(dst[0], 50.0f / 255, 1e-6f);
	free(dst);
	picture_finish(&picture);
}

/* ---- refusals ---------------------------------------------------------------------------------- */

static void expect_refused(struct engine_image image, struct engine_normalize normalize,
			   struct preprocess_target target, int code)
{
	struct engine_preprocess *preprocess = NULL;
	struct engine_error error = {""};

	cr_assert_eq(preprocess_create(&image, &normalize, &target, kernels_of(0), &error, &preprocess), code, "%s",
		     error.text);
	cr_assert_neq(error.text[0], '\0');
	cr_assert_null(preprocess);
}

Test(preprocess, impossible_requests_are_refused)
{
	const struct engine_image image = {.format = ENGINE_RGB, .width = 10, .height = 10};
	const struct preprocess_target target = {8, 8, 3, ENGINE_F32, {0, 0}};
	struct engine_image bad_image = image;
	struct engine_normalize bad = plain;
	struct preprocess_target bad_target = target;

	bad_image.width = 0;
	expect_refused(bad_image, plain, target, -EINVAL);
	bad_image.width = 16385;
	expect_refused(bad_image, plain, target, -EINVAL);
	bad_image = image;
	bad_image.format = ENGINE_PIXELS_COUNT;
	expect_refused(bad_image, plain, target, -EINVAL);
	bad_target.channels = 4;
	expect_refused(image, plain, bad_target, -ENOTSUP);
	bad_target.channels = 3;
	bad_target.type = ENGINE_S16;
	expect_refused(image, plain, bad_target, -ENOTSUP);
	bad_target.type = ENGINE_F32;
	bad_target.height = -1;
	expect_refused(image, plain, bad_target, -ENOTSUP);
	bad.fit = ENGINE_FIT_CROP;
	bad.crop = 0;
	expect_refused(image, bad, target, -EINVAL);
	bad.crop = NAN;
	expect_refused(image, bad, target, -EINVAL);
	bad = plain;
	bad.given = true;
	expect_refused(image, bad, target, -EINVAL);
	bad.scale[0] = bad.scale[1] = 1;
	bad.scale[2] = INFINITY;
	expect_refused(image, bad, target, -EINVAL);
	bad.scale[2] = 1;
	bad.mean[1] = NAN;
	expect_refused(image, bad, target, -EINVAL);
}

Test(preprocess, another_image_than_prepared_for_is_refused)
{
	struct preprocess_target target = {4, 4, 3, ENGINE_U8, {0, 0}};
	struct picture picture = picture_new(ENGINE_NV12, 8, 8, 0, 0);
	struct engine_image other = picture.image;
	struct engine_preprocess *preprocess;
	uint8_t dst[4 * 4 * 3];

	cr_assert_eq(preprocess_create(&picture.image, &plain, &target, kernels_of(0), NULL, &preprocess), 0);
	other.width = 9;
	cr_assert_eq(engine_preprocess_run(preprocess, &other, dst), -EINVAL);
	other = picture.image;
	other.full_range = true;
	cr_assert_eq(engine_preprocess_run(preprocess, &other, dst), -EINVAL);
	other = picture.image;
	other.format = ENGINE_NV21;
	cr_assert_eq(engine_preprocess_run(preprocess, &other, dst), -EINVAL);
	cr_assert_eq(engine_preprocess_run(preprocess, &picture.image, dst), 0);
	engine_preprocess_destroy(preprocess);
	engine_preprocess_destroy(NULL);
	picture_finish(&picture);
}

/* ---- single samples ---------------------------------------------------------------------------- */

static struct engine_preprocess *point_new(const struct engine_image *image, enum engine_fit fit, int width, int height)
{
	struct engine_normalize normalize = {.fit = fit, .sampling = ENGINE_SAMPLING_POINT, .pad = {255, 0, 51}};
	struct preprocess_target target = {width, height, 3, ENGINE_F32, {0, 0}};
	struct engine_preprocess *preprocess = NULL;

	cr_assert_eq(preprocess_create(image, &normalize, &target, kernels_get(), NULL, &preprocess), 0);
	return preprocess;
}

static double level_at(const struct engine_image *image, int c, int x, int y)
{
	return sample(image, image->format == ENGINE_GRAY8 ? 0 : c, x, y) / 255.0;
}

Test(preprocess, points_of_the_same_size_are_the_pixels)
{
	static const enum engine_pixels formats[] = {ENGINE_RGB, ENGINE_BGR, ENGINE_RGBA, ENGINE_BGRA, ENGINE_GRAY8};
	float input[6 * 9 * 3];

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct picture picture = picture_new(formats[i], 9, 6, 5, -1);
		struct engine_preprocess *preprocess = point_new(&picture.image, ENGINE_FIT_STRETCH, 9, 6);

		cr_assert_eq(engine_preprocess_run(preprocess, &picture.image, input), 0);
		for (int at = 0; at < 6 * 9 * 3; at++)
			cr_assert_float_eq((double)input[at], level_at(&picture.image, at % 3, at / 3 % 9, at / 27),
					   1e-6);
		engine_preprocess_destroy(preprocess);
		picture_finish(&picture);
	}
}

/* Turned a quarter clockwise, rows of the input run up the picture's columns from the right. */
Test(preprocess, a_turned_region_is_cut_from_the_picture)
{
	struct picture picture = picture_new(ENGINE_RGB, 8, 8, 0, -1);
	struct engine_preprocess *preprocess = point_new(&picture.image, ENGINE_FIT_STRETCH, 8, 8);
	struct engine_region region = {.x = 4, .y = 4, .width = 8, .height = 8, .angle = 1.57079633f};
	float input[8 * 8 * 3];

	cr_assert_eq(engine_preprocess_run_region(preprocess, &picture.image, &region, input), 0);
	for (int row = 1; row < 8; row++)
		for (int column = 0; column < 8; column++)
			for (int c = 0; c < 3; c++)
				cr_assert_float_eq((double)input[(row * 8 + column) * 3 + c],
						   level_at(&picture.image, c, 8 - row, column), 1.01 / 255);
	engine_preprocess_destroy(preprocess);
	picture_finish(&picture);
}

/* Level of component c between the four pixels around x, y; chroma is that of the pixel's own sample. */
static double level_between(const struct engine_image *image, int c, double x, double y)
{
	int left = (int)floor(x), top = (int)floor(y), half_x = chroma_halved(image->format, c, false);
	int half_y = chroma_halved(image->format, c, true), i;
	double sum = 0;

	for (i = 0; i < 4; i++) {
		int at_x = left + (i & 1), at_y = top + (i >> 1);
		double weight = (i & 1 ? x - left : 1 - (x - left)) * (i >> 1 ? y - top : 1 - (y - top));

		at_x = at_x < 0 ? 0 : at_x >= image->width ? image->width - 1 : at_x;
		at_y = at_y < 0 ? 0 : at_y >= image->height ? image->height - 1 : at_y;
		sum += weight * sample(image, c, at_x >> half_x, at_y >> half_y);
	}
	return sum;
}

/* To a step of 1/32.  False where float32 may take either of two. */
static bool place(double *position)
{
	double steps = *position * 32;

	*position = floor(steps + 0.5) / 32;
	return fabs(steps - floor(steps) - 0.5) > 0.02;
}

/* Rounding to whole levels before colours are computed is felt in them as up to two. */
Test(preprocess, random_regions_match_the_reference)
{
	float input[20 * 30 * 3];

	for (int round = 0; round < 200; round++) {
		enum engine_pixels format = (enum engine_pixels)(round % ENGINE_PIXELS_COUNT);
		struct picture picture =
			picture_new(format, (int)test_random_range(2, 80), (int)test_random_range(2, 80),
				    (size_t)test_random_range(0, 9), -1);
		struct engine_preprocess *preprocess = point_new(&picture.image, ENGINE_FIT_STRETCH, 30, 20);
		struct engine_region region = {.x = (float)test_random_range(0, picture.image.width),
					       .y = (float)test_random_range(0, picture.image.height),
					       .width = (float)test_random_range(1, 90),
					       .height = (float)test_random_range(1, 90),
					       .angle = test_random_float() * 3};
		double cosine = cos((double)region.angle), sine = sin((double)region.angle);

		cr_assert_eq(engine_preprocess_run_region(preprocess, &picture.image, &region, input), 0);
		for (int at = 0; at < 20 * 30; at++) {
			double across = ((at % 30) / 30.0 - 0.5) * (double)region.width;
			double down = ((at / 30) / 20.0 - 0.5) * (double)region.height, levels[3] = {0}, rgb[3];
			double x = (double)region.x + across * cosine - down * sine;
			double y = (double)region.y + across * sine + down * cosine;

			if (!place(&x) || !place(&y))
				continue;
			for (int c = 0; c < (format == ENGINE_GRAY8 ? 1 : 3); c++)
				levels[c] = level_between(&picture.image, c, x, y);
			reference_rgb(&picture.image, levels, rgb);
			for (int c = 0; c < 3; c++)
				cr_assert_float_eq((double)input[3 * at + c], rgb[c] / 255, 2.5 / 255,
						   "format %d, pixel %d, channel %d", format, at, c);
		}
		engine_preprocess_destroy(preprocess);
		picture_finish(&picture);
	}
}

/* A wide picture in a square: a quarter of the input above it and below is the letterbox colour. */
Test(preprocess, points_beyond_the_picture_are_the_border)
{
	struct picture picture = picture_new(ENGINE_NV12, 64, 32, 0, 128);
	struct engine_preprocess *preprocess = point_new(&picture.image, ENGINE_FIT_LETTERBOX, 32, 32);
	struct engine_placement placement = engine_preprocess_placement(preprocess);
	float input[32 * 32 * 3];

	cr_assert_float_eq((double)placement.scale_x, 0.5, 0);
	cr_assert_float_eq((double)placement.offset_y, 8, 0);
	cr_assert_eq(engine_preprocess_run(preprocess, &picture.image, input), 0);
	for (int row = 0; row < 32; row++) {
		bool border = row < 7 || row > 24;
		const float *pixel = input + row * 32 * 3;

		if (row == 7 || row == 24)
			continue;
		cr_assert_float_eq((double)pixel[0], border ? 1 : (128 - 16) / 219.0, 0.01);
		cr_assert_float_eq((double)pixel[1], border ? 0 : (128 - 16) / 219.0, 0.01);
		cr_assert_float_eq((double)pixel[2], border ? 0.2 : (128 - 16) / 219.0, 0.01);
	}
	engine_preprocess_destroy(preprocess);
	picture_finish(&picture);
}

/* Memory ends with the picture, so that a read beyond it would be noticed. */
Test(preprocess, wild_regions_stay_within_the_picture)
{
	static const float wild[] = {0, 1e-30f, -1, 7.5f, 1e9f, -1e9f, 3e38f, NAN, INFINITY};
	float input[16 * 16 * 3];

	for (int round = 0; round < 400; round++) {
		enum engine_pixels format = (enum engine_pixels)test_random_range(0, ENGINE_PIXELS_COUNT - 1);
		struct picture picture =
			picture_new(format, (int)test_random_range(1, 40), (int)test_random_range(1, 40),
				    (size_t)test_random_range(0, 3), -1);
		enum engine_fit fit = round % 2 ? ENGINE_FIT_LETTERBOX : ENGINE_FIT_STRETCH;
		struct engine_preprocess *preprocess = point_new(&picture.image, fit, 16, 16);
		float number[5];
		struct engine_region region;
		bool finite = true;

		for (int i = 0; i < 5; i++) {
			number[i] = round % 3 ? (float)test_random_range(-60, 60) : wild[test_random_range(0, 8)];
			finite &= isfinite(number[i]) != 0;
		}
		region = (struct engine_region){number[0], number[1], number[2], number[3], number[4]};
		cr_assert_eq(engine_preprocess_run_region(preprocess, &picture.image, &region, input),
			     finite ? 0 : -EINVAL);
		for (int i = 0; finite && i < 16 * 16 * 3; i++)
			cr_assert(input[i] >= 0 && input[i] <= 1);
		engine_preprocess_destroy(preprocess);
		picture_finish(&picture);
	}
}
