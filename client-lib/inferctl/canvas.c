/* canvas.c - see canvas.h. */
#include "canvas.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "client-lib/inferd.h"
#include "font.h"

/* ---- pixels --------------------------------------------------------------------------------------- */

static int allocate(struct canvas *canvas, int width, int height, struct source_error *error)
{
	canvas->width = width;
	canvas->height = height;
	canvas->rgb = malloc((size_t)width * (size_t)height * 3);
	if (canvas->rgb)
		return 0;
	snprintf(error->text, sizeof(error->text), "no memory to draw on a picture of %dx%d", width, height);
	return -ENOMEM;
}

static int take_jpeg(struct canvas *canvas, const struct source_frame *frame, struct source_error *error)
{
	tjhandle decoder = tjInitDecompress();
	int width, height, subsampling, space, r = -EINVAL;

	if (decoder &&
	    tjDecompressHeader3(decoder, frame->data, (unsigned long)frame->bytes, &width, &height, &subsampling,
				&space) == 0 &&
	    width <= SOURCE_SIDE_MAX && height <= SOURCE_SIDE_MAX) {
		r = allocate(canvas, width, height, error);
		/* Of a damaged file the part that could be decoded is drawn on, as it is what the daemon saw. */
		if (r == 0 &&
		    tjDecompress2(decoder, frame->data, (unsigned long)frame->bytes, canvas->rgb, width, 0, height,
				  TJPF_RGB, 0) < 0 &&
		    tjGetErrorCode(decoder) == TJERR_FATAL)
			r = -EINVAL;
	}
	if (r == -EINVAL)
		snprintf(error->text, sizeof(error->text), "the JPEG cannot be drawn on: %s", tjGetErrorStr2(decoder));
	tjDestroy(decoder);
	return r;
}

static uint8_t to_byte(float value)
{
	return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)(value + 0.5f);
}

/* BT.601, as the daemon reads it. */
static void yuv_pixel(int y, int u, int v, bool full_range, uint8_t *rgb)
{
	float luma = full_range ? (float)y : ((float)y - 16) * (255.0f / 219);
	float chroma = full_range ? 1 : 255.0f / 224;
	float blue = ((float)u - 128) * chroma, red = ((float)v - 128) * chroma;

	rgb[0] = to_byte(luma + 1.402f * red);
	rgb[1] = to_byte(luma - 0.344136f * blue - 0.714136f * red);
	rgb[2] = to_byte(luma + 1.772f * blue);
}

static void take_pixel(const struct source_frame *frame, size_t x, size_t y, uint8_t *rgb)
{
	const uint8_t *row = frame->data + frame->offset[0] + y * frame->stride[0];

	if (frame->format == INFERD_RGB) {
		memcpy(rgb, row + 3 * x, 3);
	} else if (frame->format == INFERD_GRAY8) {
		memset(rgb, row[x], 3);
	} else {
		const uint8_t *u = frame->data + frame->offset[1] + y / 2 * frame->stride[1];
		const uint8_t *v = frame->data + frame->offset[2] + y / 2 * frame->stride[2];

		yuv_pixel(row[x], u[x / 2], v[x / 2], frame->full_range, rgb);
	}
}

int canvas_init(struct canvas *canvas, const struct source_frame *frame, struct source_error *ret_error)
{
	int r;

	*canvas = (struct canvas){0};
	if (frame->format == INFERD_JPEG) {
		r = take_jpeg(canvas, frame, ret_error);
		if (r < 0)
			canvas_finish(canvas);
		return r;
	}
	r = allocate(canvas, (int)frame->width, (int)frame->height, ret_error);
	if (r < 0)
		return r;
	for (size_t y = 0; y < frame->height; y++)
		for (size_t x = 0; x < frame->width; x++)
			take_pixel(frame, x, y, canvas->rgb + (y * frame->width + x) * 3);
	return 0;
}

void canvas_finish(struct canvas *canvas)
{
	free(canvas->rgb);
	*canvas = (struct canvas){0};
}

/* ---- shapes --------------------------------------------------------------------------------------- */

void canvas_blend(struct canvas *canvas, int x, int y, struct canvas_colour colour, float share)
{
	const uint8_t parts[3] = {colour.r, colour.g, colour.b};
	uint8_t *rgb;

	if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height || !(share > 0))
		return;
	rgb = canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
	for (int i = 0; i < 3; i++)
		rgb[i] = to_byte((float)rgb[i] + ((float)parts[i] - (float)rgb[i]) * fminf(share, 1));
}

/* The whole number of a coordinate within the picture, 0..limit. */
static int clamp(float value, int limit)
{
	return value > 0 ? value < (float)limit ? (int)value : limit : 0;
}

/* A line with round ends: pixels are covered by how far their centre is from it, so that edges are smooth. */
void canvas_line(struct canvas *canvas, float x0, float y0, float x1, float y1, float width,
		 struct canvas_colour colour)
{
	float reach = width / 2 + 1, dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy;

	if (!isfinite(square))
		return;
	for (int y = clamp(fminf(y0, y1) - reach, canvas->height); y < clamp(fmaxf(y0, y1) + reach + 1, canvas->height);
	     y++) {
		for (int x = clamp(fminf(x0, x1) - reach, canvas->width);
		     x < clamp(fmaxf(x0, x1) + reach + 1, canvas->width); x++) {
			float px = (float)x + 0.5f - x0, py = (float)y + 0.5f - y0;
			float along = square > 0 ? fminf(fmaxf((px * dx + py * dy) / square, 0), 1) : 0;

			canvas_blend(canvas, x, y, colour, width / 2 + 0.5f - hypotf(px - along * dx, py - along * dy));
		}
	}
}

void canvas_disc(struct canvas *canvas, float x, float y, float radius, struct canvas_colour colour)
{
	canvas_line(canvas, x, y, x, y, 2 * radius, colour);
}

/* Black or white, whichever stands out. */
static struct canvas_colour ink_on(struct canvas_colour field)
{
	int luma = (299 * field.r + 587 * field.g + 114 * field.b) / 1000;

	return luma > 140 ? (struct canvas_colour){0, 0, 0} : (struct canvas_colour){255, 255, 255};
}

static void draw_letter(struct canvas *canvas, int left, int top, int scale, char letter, struct canvas_colour ink)
{
	for (int y = 0; y < FONT_HEIGHT * scale; y++)
		for (int x = 0; x < FONT_WIDTH * scale; x++)
			if (font_pixel(letter, x / scale, y / scale))
				canvas_blend(canvas, left + x, top + y, ink, 1);
}

void canvas_label(struct canvas *canvas, float x, float y, int scale, struct canvas_colour field, const char *text)
{
	int n = (int)strnlen(text, 255), advance = (FONT_WIDTH + 1) * scale;
	int width = n * advance + 3 * scale, height = (FONT_HEIGHT + 4) * scale, left, top;

	if (!n || !isfinite(x) || !isfinite(y))
		return;
	left = clamp(x, canvas->width > width ? canvas->width - width : 0);
	top = clamp(y - (float)height, canvas->height > height ? canvas->height - height : 0);
	for (int v = 0; v < height; v++)
		for (int u = 0; u < width; u++)
			canvas_blend(canvas, left + u, top + v, field, 1);
	for (int i = 0; i < n; i++)
		draw_letter(canvas, left + 2 * scale + i * advance, top + 2 * scale, scale, text[i], ink_on(field));
}
