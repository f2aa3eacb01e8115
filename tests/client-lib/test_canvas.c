/* test_canvas.c - frames of every pixel format become pictures, and what is drawn on them. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/inferctl/annotate.h"
#include "client-lib/inferctl/font.h"
#include "client-lib/inferctl/skeleton.h"
#include "client-lib/inferd.h"
#include "support/test.h"

TEST_SUITE(canvas);

/* ---- frames --------------------------------------------------------------------------------------- */

/*
 * A picture of 3x3 pixels of one colour in each format, but for the last pixel, which is of another luma: so that the
 * odd last column and row are seen to be read.  Full range; strides are longer than the rows where `gap` is set.
 */
#define FRAME_SIDE 3
enum { LUMA = 100, LAST_LUMA = 180, U = 90, V = 200, R = 10, G = 120, B = 230, LAST_R = 77 };

static void put_plane(uint8_t *data, const struct source_frame *frame, int plane, uint32_t rows, const uint8_t *row,
		      uint32_t n)
{
	for (uint32_t y = 0; y < rows; y++)
		memcpy(data + frame->offset[plane] + y * frame->stride[plane], row, n);
}

/* Exactly as many bytes as the last plane's last row needs, so that a sanitizer sees what is read beyond. */
static uint8_t *make_frame(int format, uint32_t gap, struct source_frame *ret_frame)
{
	static const struct {
		uint8_t row[3][12];
		uint32_t length[3], last; /* offset of the last pixel's changed byte in its row */
	} made[] = {
		[INFERD_NV12] = {{{LUMA, LUMA, LUMA}, {U, V, U, V}}, {3, 4}, 2},
		[INFERD_NV21] = {{{LUMA, LUMA, LUMA}, {V, U, V, U}}, {3, 4}, 2},
		[INFERD_I420] = {{{LUMA, LUMA, LUMA}, {U, U}, {V, V}}, {3, 2, 2}, 2},
		[INFERD_YUYV] = {{{LUMA, U, LUMA, V, LUMA, U, 0, V}}, {8}, 4},
		[INFERD_RGB] = {{{R, G, B, R, G, B, R, G, B}}, {9}, 6},
		[INFERD_BGR] = {{{B, G, R, B, G, R, B, G, R}}, {9}, 8},
		[INFERD_RGBA] = {{{R, G, B, 0, R, G, B, 0, R, G, B, 0}}, {12}, 8},
		[INFERD_BGRA] = {{{B, G, R, 0, B, G, R, 0, B, G, R, 0}}, {12}, 10},
		[INFERD_GRAY8] = {{{LUMA, LUMA, LUMA}}, {3}, 2},
	};
	bool yuv = format <= INFERD_YUYV || format == INFERD_GRAY8;
	struct source_frame frame = {.format = format, .full_range = true, .width = FRAME_SIDE, .height = FRAME_SIDE};
	uint8_t *data;

	for (int i = 0; i < 3 && made[format].length[i]; i++) {
		uint32_t rows = i ? (FRAME_SIDE + 1) / 2 : FRAME_SIDE;

		frame.stride[i] = made[format].length[i] + gap;
		frame.offset[i] = (uint32_t)frame.bytes;
		frame.bytes += (size_t)frame.stride[i] * rows;
	}
	frame.bytes -= gap;
	data = calloc(1, frame.bytes);
	cr_assert_not_null(data);
	for (int i = 0; i < 3 && made[format].length[i]; i++)
		put_plane(data, &frame, i, i ? (FRAME_SIDE + 1) / 2 : FRAME_SIDE, made[format].row[i],
			  made[format].length[i]);
	data[frame.offset[0] + 2 * frame.stride[0] + made[format].last] = yuv ? LAST_LUMA : LAST_R;
	frame.data = data;
	*ret_frame = frame;
	return data;
}

static void expect_pixel(const struct canvas *canvas, size_t at, int red, int green, int blue, int format)
{
	const uint8_t *rgb = canvas->rgb + 3 * at;

	cr_assert(abs(rgb[0] - red) <= 1 && abs(rgb[1] - green) <= 1 && abs(rgb[2] - blue) <= 1,
		  "format %d, pixel %zu: %d %d %d, not %d %d %d", format, at, rgb[0], rgb[1], rgb[2], red, green, blue);
}

static void expect_colours(const struct canvas *canvas, int format)
{
	for (size_t at = 0; at < FRAME_SIDE * FRAME_SIDE; at++) {
		bool last = at == FRAME_SIDE * FRAME_SIDE - 1;
		int luma = last ? LAST_LUMA : LUMA;

		/* 1.402 (V - 128) = 100.9; -0.344 (U - 128) - 0.714 (V - 128) = -38.3; 1.772 (U - 128) = -67.3 */
		if (format <= INFERD_YUYV)
			expect_pixel(canvas, at, last ? 255 : luma + 101, luma - 38, luma - 67, format);
		else if (format == INFERD_GRAY8)
			expect_pixel(canvas, at, luma, luma, luma, format);
		else
			expect_pixel(canvas, at, last ? LAST_R : R, G, B, format);
	}
}

Test(canvas, pixels_of_every_format_are_read)
{
	for (int format = INFERD_NV12; format <= INFERD_GRAY8; format++) {
		for (uint32_t gap = 0; gap <= 5; gap += 5) {
			struct source_error error = {{0}};
			struct source_frame frame;
			struct canvas canvas;
			uint8_t *data = make_frame(format, gap, &frame);

			cr_assert_eq(canvas_init(&canvas, &frame, &error), 0, "format %d: %s", format, error.text);
			expect_colours(&canvas, format);
			canvas_finish(&canvas);
			free(data);
		}
	}
}

Test(canvas, frames_that_are_too_short_are_refused)
{
	for (int format = INFERD_NV12; format <= INFERD_GRAY8; format++) {
		struct source_error error = {{0}};
		struct source_frame frame;
		struct canvas canvas;
		uint8_t *data = make_frame(format, 2, &frame);

		frame.bytes--;
		cr_assert_eq(canvas_init(&canvas, &frame, &error), -EINVAL, "format %d", format);
		cr_assert_null(canvas.rgb);
		cr_assert_not_null(strstr(error.text, "bytes"));
		free(data);
	}
}

/* 16 is black and 235 white. */
Test(canvas, limited_range_is_widened)
{
	static const uint8_t bytes[] = {16, 235, 128, 128};
	struct source_frame frame = {.format = INFERD_I420,
				     .width = 2,
				     .height = 1,
				     .data = bytes,
				     .bytes = sizeof(bytes),
				     .offset = {0, 2, 3},
				     .stride = {2, 1, 1}};
	struct source_error error = {{0}};
	struct canvas canvas;

	cr_assert_eq(canvas_init(&canvas, &frame, &error), 0, "%s", error.text);
	expect_pixel(&canvas, 0, 0, 0, 0, INFERD_I420);
	expect_pixel(&canvas, 1, 255, 255, 255, INFERD_I420);
	canvas_finish(&canvas);
}

Test(canvas, a_damaged_jpeg_is_refused)
{
	static const uint8_t bytes[] = {0xff, 0xd8, 0xff, 0xd9};
	struct source_frame frame = {.format = INFERD_JPEG, .data = bytes, .bytes = sizeof(bytes)};
	struct source_error error = {{0}};
	struct canvas canvas;

	cr_assert_eq(canvas_init(&canvas, &frame, &error), -EINVAL);
	cr_assert_not_null(strstr(error.text, "cannot be drawn on"));
	cr_assert_null(canvas.rgb);
}

/* ---- drawing -------------------------------------------------------------------------------------- */

static struct canvas black_canvas(int width, int height)
{
	struct canvas canvas = {.width = width, .height = height};

	canvas.rgb = calloc((size_t)width * (size_t)height, 3);
	cr_assert_not_null(canvas.rgb);
	return canvas;
}

static int red_at(const struct canvas *canvas, int x, int y)
{
	return canvas->rgb[((size_t)y * (size_t)canvas->width + (size_t)x) * 3];
}

Test(canvas, lines_cover_their_width_and_are_cut_off)
{
	struct canvas canvas = black_canvas(20, 10);
	struct canvas_colour red = {200, 0, 0};

	canvas_line(&canvas, -1e9f, 5, 1e9f, 5, 4, red);
	for (int x = 0; x < 20; x++) {
		cr_assert_eq(red_at(&canvas, x, 4), 200);
		cr_assert_eq(red_at(&canvas, x, 1), 0);
		cr_assert_eq(red_at(&canvas, x, 8), 0);
	}
	canvas_line(&canvas, NAN, 0, INFINITY, 3, 4, red);
	canvas_disc(&canvas, 1e30f, -1e30f, 5, red);
	canvas_label(&canvas, NAN, 3, 1, red, "x");
	cr_assert_eq(red_at(&canvas, 0, 0), 0);
	canvas_label(&canvas, 1e9f, -1e9f, 3, red, "longer than the picture");
	cr_assert_eq(red_at(&canvas, 0, 0), 200);
	canvas_finish(&canvas);
}

Test(canvas, letters_are_told_apart)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:-_%#/()'&+?=";

	for (const char *a = letters; *a; a++) {
		for (const char *b = letters; *b; b++) {
			int differ = 0;

			for (int i = 0; i < FONT_WIDTH * FONT_HEIGHT; i++)
				differ += font_pixel(*a, i % FONT_WIDTH, i / FONT_WIDTH) !=
					  font_pixel(*b, i % FONT_WIDTH, i / FONT_WIDTH);
			cr_assert_eq(differ != 0, a != b, "'%c' and '%c'", *a, *b);
		}
	}
	for (int i = 0; i < FONT_WIDTH * FONT_HEIGHT; i++)
		cr_assert(!font_pixel(' ', i % FONT_WIDTH, i / FONT_WIDTH));
}

Test(canvas, skeletons_name_landmarks_that_exist)
{
	static const size_t known[] = {21, 33, 468, 478};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct skeleton *skeleton = skeleton_of(known[i]);

		cr_assert_not_null(skeleton);
		for (size_t j = 0; j < skeleton->n_lines; j++)
			for (size_t k = 0; k < skeleton->lines[j].n_points; k++)
				cr_assert_lt((size_t)skeleton->lines[j].points[k], known[i]);
	}
	cr_assert_null(skeleton_of(0));
	cr_assert_null(skeleton_of(20));
}

/* All but two landmarks of a hand are not seen; those are the ends of the little finger's first bone. */
Test(canvas, seen_landmarks_are_joined)
{
	struct inferd_point points[21] = {{0}};
	struct inferd_place place = {.x1 = 60, .y1 = 40, .points = points, .n_points = 21};
	struct inferd_item item = {.label = "", .score = 1};
	struct inferd_result result = {.items = &item, .n_items = 1, .places = &place};
	struct canvas canvas = black_canvas(64, 48);

	points[17] = (struct inferd_point){.x = 10, .y = 30, .visibility = 1};
	points[18] = (struct inferd_point){.x = 50, .y = 30, .visibility = 1};
	annotate_draw(&canvas, &result);
	cr_assert_gt((int)canvas.rgb[(30 * 64 + 30) * 3 + 1], 150);
	cr_assert_eq(red_at(&canvas, 30, 20), 0);
	canvas_finish(&canvas);
}

Test(canvas, a_mask_tints_what_it_covers)
{
	static const uint8_t bytes[] = {255, 255, 0, 0};
	struct inferd_mask mask = {.data = bytes, .width = 4, .height = 1};
	struct inferd_result result = {.mask = &mask};
	struct canvas canvas = black_canvas(16, 4);

	annotate_draw(&canvas, &result);
	cr_assert_gt((int)canvas.rgb[2], 100);
	cr_assert_eq((int)canvas.rgb[15 * 3 + 2], 0);
	canvas_finish(&canvas);
}

Test(canvas, drawings_are_named_after_their_frames)
{
	char path[64];

	cr_assert_eq(annotate_path("out", "a/b.jpg", 0, CANVAS_PNG, path, sizeof(path)), 0);
	cr_assert_str_eq(path, "out/b.jpg.png");
	cr_assert_eq(annotate_path("out", "-", 7, CANVAS_PNG, path, sizeof(path)), 0);
	cr_assert_str_eq(path, "out/stdin-00007.png");
	cr_assert_lt(annotate_path("out", "a/b.jpg", 0, CANVAS_PNG, path, 5), 0);
}
