/* canvas.c - see canvas.h. */
#include "canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "font.h"

static uint8_t to_byte(float value)
{
	return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)(value + 0.5f);
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
