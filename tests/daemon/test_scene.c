/* test_scene.c - motion and blur of pictures made here: overlapping rectangles, whose edges are like those of
 * photographs. */
#include "daemon/scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

TEST_SUITE(scene);

#define WIDTH  800
#define HEIGHT 600

struct picture {
	uint8_t luma[HEIGHT][WIDTH];
};

static void paint(struct picture *picture)
{
	memset(picture->luma, (int)test_random_range(40, 200), sizeof(picture->luma));
	for (int i = 0; i < 1500; i++) {
		int width = (int)test_random_range(4, 90), height = (int)test_random_range(4, 90);
		int left = (int)test_random_range(0, WIDTH - 1), top = (int)test_random_range(0, HEIGHT - 1);
		int level = (int)test_random_range(20, 220);

		for (int y = top; y < top + height && y < HEIGHT; y++)
			for (int x = left; x < left + width && x < WIDTH; x++)
				picture->luma[y][x] = (uint8_t)level;
	}
}

/* Moved to the left by `by` while the shutter was open for `length` pixels. */
static void expose(const struct picture *from, int by, int length, struct picture *to)
{
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			int sum = 0;

			for (int i = 0; i < length; i++)
				sum += from->luma[y][(x + by + i) % WIDTH];
			to->luma[y][x] = (uint8_t)(sum / length);
		}
	}
}

static struct engine_image gray(const struct picture *picture)
{
	return (struct engine_image){.format = ENGINE_GRAY8,
				     .width = WIDTH,
				     .height = HEIGHT,
				     .plane = {picture->luma[0]},
				     .stride = {WIDTH}};
}

static float change(const struct picture *before, const struct picture *now)
{
	struct engine_image images[2] = {gray(before), gray(now)};
	struct scene_view views[2];

	scene_view(&images[0], &views[0]);
	scene_view(&images[1], &views[1]);
	return scene_change(&views[0], &views[1]);
}

Test(scene, change_of_light_is_no_motion)
{
	static struct picture picture, brighter;

	paint(&picture);
	cr_assert_eq(change(&picture, &picture), 0);
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++)
			brighter.luma[y][x] = (uint8_t)(picture.luma[y][x] * 0.7f + 60);
	cr_assert_lt(change(&picture, &brighter), 0.03f);
}

Test(scene, motion_grows_to_that_of_unrelated_pictures)
{
	static struct picture picture, moved, other;
	float near, far, unrelated;

	paint(&picture);
	paint(&other);
	expose(&picture, 6, 1, &moved);
	near = change(&picture, &moved);
	expose(&picture, 40, 1, &moved);
	far = change(&picture, &moved);
	unrelated = change(&picture, &other);
	cr_assert(near > 0.1f && near < far && far < unrelated, "%g %g %g", (double)near, (double)far,
		  (double)unrelated);
	cr_assert_gt(unrelated, 0.7f);
	cr_assert_leq(unrelated, 1);
}

/* Noise of a sensor, two levels either way. */
static void add_noise(struct picture *picture)
{
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++)
			picture->luma[y][x] = (uint8_t)(picture->luma[y][x] + test_random_range(-2, 2));
}

Test(scene, noise_is_hardly_motion)
{
	static struct picture picture, noisy;

	paint(&picture);
	noisy = picture;
	add_noise(&noisy);
	cr_assert_lt(change(&picture, &noisy), 0.03f);
}

/* Ten sharp pictures, a tenth of a second apart, which tell what is sharp for this stream. */
static int64_t see_sharp(struct scene *scene, const struct picture *picture, int64_t now_us)
{
	struct engine_image image = gray(picture);

	for (int i = 0; i < 10; i++) {
		scene_see(scene, &image, now_us += 100000);
		scene_keep(scene);
	}
	return now_us;
}

Test(scene, blur_grows_with_its_length_and_ends_at_once)
{
	static const int lengths[] = {6, 8, 10, 12};
	static struct picture picture, blurred;
	static struct scene scene;
	struct engine_image sharp = gray(&picture), image = gray(&blurred);
	float before = 0.01f;
	int64_t now_us;

	paint(&picture);
	scene_init(&scene);
	scene_see(&scene, &sharp, 0);
	cr_assert(isnan(scene.blur) && isnan(scene.motion), "nothing to compare with yet");
	now_us = see_sharp(&scene, &picture, 0);
	cr_assert_eq(scene.blur, 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		expose(&picture, 0, lengths[i], &blurred);
		scene_see(&scene, &image, now_us += 33000);
		cr_assert_gt(scene.blur, before, "over %d pixels: %g", lengths[i], (double)scene.blur);
		before = scene.blur;
	}
	cr_assert_gt(before, 0.6f);
	scene_see(&scene, &sharp, now_us += 33000);
	cr_assert_lt(scene.blur, 0.01f);
}

/* What most frames look like is not what is sharp. */
Test(scene, camera_that_shakes_most_of_the_time_is_seen_to)
{
	static struct picture picture, blurred;
	static struct scene scene;
	struct engine_image sharp = gray(&picture), image = gray(&blurred);

	paint(&picture);
	expose(&picture, 0, 30, &blurred);
	scene_init(&scene);
	for (int i = 0; i < 500; i++) {
		bool still = i % 3 == 0;

		scene_see(&scene, still ? &sharp : &image, i * (int64_t)33000);
		if (i > 50)
			cr_assert(still ? scene.blur < 0.1f : scene.blur > 0.4f, "frame %d: %g", i, (double)scene.blur);
	}
}

Test(scene, wall_without_contrast_says_nothing)
{
	static struct picture picture, wall;
	static struct scene scene;
	struct engine_image image = gray(&wall);
	int64_t now_us;

	paint(&picture);
	memset(wall.luma, 90, sizeof(wall.luma));
	add_noise(&wall);
	scene_init(&scene);
	now_us = see_sharp(&scene, &picture, 0);
	scene_see(&scene, &image, now_us + 33000);
	cr_assert(isnan(scene.blur));
	cr_assert_gt(scene.motion, 0.4f);
}

Test(scene, motion_counts_from_the_frame_that_was_run)
{
	static struct picture picture, moved;
	static struct scene scene;
	struct engine_image image = gray(&moved);
	float before = 0;
	int64_t now_us;

	paint(&picture);
	scene_init(&scene);
	now_us = see_sharp(&scene, &picture, 0);
	for (int i = 1; i <= 10; i++) {
		expose(&picture, 3 * i, 1, &moved);
		scene_see(&scene, &image, now_us += 33000);
		cr_assert_gt(scene.motion, before);
		before = scene.motion;
	}
	scene_keep(&scene);
	scene_see(&scene, &image, now_us += 33000);
	cr_assert_eq(scene.motion, 0);
}

/* Looked at after it has run: the left `bright` columns are white. */
static void see_later(struct scene *scene, float sharpness, int bright, int64_t now_us)
{
	struct scene_view view = {.sharpness = sharpness};

	for (int i = 0; i < SCENE_ROWS * SCENE_COLUMNS; i++)
		view.luma[i] = i % SCENE_COLUMNS < bright ? 255 : 20;
	scene_see_later(scene, &view, now_us);
}

/* Of photographs shown one after the other, one tells nothing of the next. */
Test(scene, decoded_picture_of_something_else_tells_nothing)
{
	static struct scene scene;

	scene_init(&scene);
	for (int i = 0; i < 10; i++)
		see_later(&scene, 1, 10, i * (int64_t)100000);
	see_later(&scene, 0.5f, 18, 1000000);
	cr_assert(scene.blur > 0.5f, "a fifth of the picture changed");
	see_later(&scene, 0.5f, 8, 1100000);
	cr_assert(isnan(scene.blur), "a quarter changed");
	see_later(&scene, 0.5f, 8, 1200000);
	cr_assert(isnan(scene.blur), "nothing is known of how sharp this can be");
	for (int i = 0; i < 5; i++)
		see_later(&scene, 1, 8, 1300000 + i * (int64_t)100000);
	see_later(&scene, 0.5f, 8, 1800000);
	cr_assert_gt(scene.blur, 0.5f);
}

Test(scene, decoded_pictures_tell_of_the_next_for_a_second)
{
	static struct scene scene;

	scene_init(&scene);
	for (int i = 0; i < 10; i++)
		see_later(&scene, 1, 0, i * (int64_t)100000);
	see_later(&scene, 0.5f, 0, 1000000);
	cr_assert_gt(scene_blur(&scene, NAN, 1900000), 0.5f);
	cr_assert(isnan(scene_blur(&scene, NAN, 2000001)), "too old");
	cr_assert(isnan(scene_blur(&scene, NAN, 999999)), "the clock went backwards");
	cr_assert_eq(scene_blur(&scene, 0.25f, 2000001), 0.25f, "but the hint is of now");
	cr_assert_eq(scene_blur(&scene, 1, 1900000), 1);
	cr_assert(isnan(scene.motion));
}

Test(scene, clock_that_jumps_leaves_history_going)
{
	static const int64_t jumps[] = {0, INT64_MAX / 2, 5, -1000000, 0};
	static struct scene scene;

	scene_init(&scene);
	for (int i = 0; i < 1000; i++)
		see_later(&scene, i < 990 ? 1 : 0.3f, 0, jumps[i % 5]);
	cr_assert_eq(scene.reference, 1);
	cr_assert_eq(scene.blur, 1);
}

Test(scene, hint_grows_with_speed_and_exposure)
{
	cr_assert_eq(scene_hint_blur(0, 10000), 0);
	cr_assert_eq(scene_hint_blur(1, 0), 0);
	cr_assert_lt(scene_hint_blur(0.1f, 10000), 0.05f);
	cr_assert(scene_hint_blur(1, 20000) > 0.7f && scene_hint_blur(1, 20000) < 0.9f, "four 256ths of the width");
	cr_assert_gt(scene_hint_blur(2, 20000), scene_hint_blur(1, 20000));
	cr_assert_gt(scene_hint_blur(1, 40000), scene_hint_blur(1, 20000));
	cr_assert_eq(scene_hint_blur(INFINITY, UINT32_MAX), 1);
	cr_assert_leq(scene_hint_blur(100, 10000000), 1);
}

/* Buffers end where the picture does, so that a sanitizer sees what reads beyond. */
Test(scene, formats_and_sizes_are_sampled_alike_and_within)
{
	static const struct {
		enum engine_pixels format;
		size_t bytes;
	} formats[] = {{ENGINE_GRAY8, 1}, {ENGINE_NV12, 1}, {ENGINE_I420, 1}, {ENGINE_YUYV, 2},
		       {ENGINE_RGB, 3},	  {ENGINE_BGR, 3},  {ENGINE_RGBA, 4}, {ENGINE_BGRA, 4}};
	static const int sides[][2] = {{1, 1}, {2, 1}, {1, 9}, {7, 5}, {33, 17}, {199, 201}, {640, 360}};

	for (size_t s = 0; s < sizeof(sides) / sizeof(sides[0]); s++) {
		int width = sides[s][0], height = sides[s][1];
		struct scene_view first;

		for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
			size_t bytes = formats[f].bytes, size = (size_t)width * (size_t)height * bytes;
			uint8_t *pixels = malloc(size);
			struct engine_image image = {.format = formats[f].format,
						     .width = width,
						     .height = height,
						     .plane = {pixels},
						     .stride = {(size_t)width * bytes}};
			struct scene_view view;

			for (size_t i = 0; i < size; i++)
				pixels[i] = (uint8_t)(i / bytes % (size_t)width * 7 + i / bytes / (size_t)width * 13);
			scene_view(&image, f ? &view : &first);
			if (f)
				cr_assert_arr_eq(view.luma, first.luma, sizeof(view.luma), "format %zu, %dx%d", f,
						 width, height);
			free(pixels);
		}
	}
}
