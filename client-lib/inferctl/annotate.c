/* annotate.c - see annotate.h. */
#include "annotate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "skeleton.h"

#define MASK_SHARE     0.55f
#define UNITS	       240 /* of a line's width on the picture's shorter side */
#define LETTER_UNITS   200 /* of a letter's pixels there */
#define UNITS_OF_PLACE 90  /* at least, on the longer side of what has points */
#define UNIT_MIN       1.0f
#define VISIBILITY_MIN 0.5f

/* Far apart in hue, and light enough to be seen on photographs. */
static const struct canvas_colour colours[] = {{64, 220, 120},	{255, 176, 32}, {80, 176, 255}, {255, 96, 128},
					       {208, 144, 255}, {64, 224, 224}, {240, 232, 64}, {255, 128, 224}};
static const struct canvas_colour white = {255, 255, 255};

static struct canvas_colour colour_of(uint32_t index)
{
	return colours[index % (sizeof(colours) / sizeof(colours[0]))];
}

/* ---- points --------------------------------------------------------------------------------------- */

static bool is_seen(const struct inferd_point *point)
{
	return !(point->visibility < VISIBILITY_MIN);
}

static void draw_line(struct canvas *canvas, const struct inferd_place *place, const struct skeleton_line *line,
		      float width, struct canvas_colour colour)
{
	for (size_t i = 1; i < line->n_points; i++) {
		const struct inferd_point *from = &place->points[line->points[i - 1]];
		const struct inferd_point *to = &place->points[line->points[i]];

		if (is_seen(from) && is_seen(to))
			canvas_line(canvas, from->x, from->y, to->x, to->y, width, colour);
	}
}

static void draw_dots(struct canvas *canvas, const struct inferd_place *place, float radius, float rim,
		      struct canvas_colour colour)
{
	for (size_t i = 0; i < place->n_points; i++) {
		const struct inferd_point *point = &place->points[i];

		if (!is_seen(point))
			continue;
		if (rim > 0)
			canvas_disc(canvas, point->x, point->y, radius + rim, white);
		canvas_disc(canvas, point->x, point->y, radius, colour);
	}
}

/* Of a small hand in a large picture the lines are finer, so that they do not run together. */
static float fine_unit(const struct inferd_place *place, float unit)
{
	float side = fmaxf(place->x1 - place->x0, place->y1 - place->y0);

	return side > 0 ? fminf(unit, fmaxf(side / UNITS_OF_PLACE, UNIT_MIN)) : unit;
}

/* Parts of a body have a colour each, counted on from the item's own. */
static void draw_points(struct canvas *canvas, const struct inferd_place *place, float unit, uint32_t index)
{
	const struct skeleton *skeleton = skeleton_of(place->n_points);
	float fine = fine_unit(place, unit);

	if (skeleton && skeleton->mesh)
		draw_dots(canvas, place, fine * 0.4f, 0, colour_of(index));
	for (size_t i = 0; skeleton && i < skeleton->n_lines; i++)
		draw_line(canvas, place, &skeleton->lines[i], skeleton->mesh ? fine : fine * 1.5f,
			  colour_of(index + skeleton->lines[i].colour));
	if (!skeleton || !skeleton->mesh)
		draw_dots(canvas, place, fine * 1.5f, fine * 0.5f, colour_of(index));
}

/* ---- boxes and labels ------------------------------------------------------------------------------ */

static void draw_box(struct canvas *canvas, const struct inferd_place *place, float width, struct canvas_colour colour)
{
	canvas_line(canvas, place->x0, place->y0, place->x1, place->y0, width, colour);
	canvas_line(canvas, place->x1, place->y0, place->x1, place->y1, width, colour);
	canvas_line(canvas, place->x1, place->y1, place->x0, place->y1, width, colour);
	canvas_line(canvas, place->x0, place->y1, place->x0, place->y0, width, colour);
}

static void name_item(const struct inferd_item *item, bool placed, char *ret_text, size_t size)
{
	if (*item->label)
		snprintf(ret_text, size, "%.60s %.0f%%", item->label, 100.0 * (double)item->score);
	else if (placed && item->index == 0)
		snprintf(ret_text, size, "%.0f%%", 100.0 * (double)item->score);
	else
		snprintf(ret_text, size, "#%u %.0f%%", item->index, 100.0 * (double)item->score);
}

static void add_gesture(const struct inferd_gesture *gesture, char *text, size_t size)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, ", %.20s %.0f%%", gesture->name, 100.0 * (double)gesture->score);
}

static void draw_item(struct canvas *canvas, const struct inferd_result *result, size_t at, float unit, int scale)
{
	const struct inferd_place *place = &result->places[at];
	struct canvas_colour colour = colour_of(result->items[at].index);
	char text[128];

	name_item(&result->items[at], true, text, sizeof(text));
	if (result->gestures && strcmp(result->gestures[at].name, "none") != 0)
		add_gesture(&result->gestures[at], text, sizeof(text));
	draw_points(canvas, place, unit, result->items[at].index);
	draw_box(canvas, place, unit, colour);
	canvas_label(canvas, place->x0 - unit / 2, place->y0, scale, colour, text);
}

/* Of a classifier: its items below each other, in the upper left corner. */
static void draw_classes(struct canvas *canvas, const struct inferd_result *result, int scale)
{
	for (size_t i = 0; i < result->n_items; i++) {
		char text[96];

		name_item(&result->items[i], false, text, sizeof(text));
		canvas_label(canvas, (float)(4 * scale), (float)((i + 1) * 12 * (size_t)scale), scale,
			     colours[i ? 2 : 0], text);
	}
}

/* ---- masks ---------------------------------------------------------------------------------------- */

/* The mask between its pixels' centres, 0..1. */
static float mask_at(const struct inferd_mask *mask, float u, float v)
{
	float x = fminf(fmaxf(u * (float)mask->width - 0.5f, 0), (float)(mask->width - 1));
	float y = fminf(fmaxf(v * (float)mask->height - 0.5f, 0), (float)(mask->height - 1));
	size_t x0 = (size_t)x, y0 = (size_t)y, x1 = x0 + 1 < mask->width ? x0 + 1 : x0;
	size_t y1 = y0 + 1 < mask->height ? y0 + 1 : y0;
	float right = x - (float)x0, low = y - (float)y0;
	const uint8_t *upper = mask->data + y0 * mask->width, *lower = mask->data + y1 * mask->width;
	float above = (float)upper[x0] + ((float)upper[x1] - (float)upper[x0]) * right;
	float below = (float)lower[x0] + ((float)lower[x1] - (float)lower[x0]) * right;

	return (above + (below - above) * low) / 255;
}

static void draw_mask(struct canvas *canvas, const struct inferd_mask *mask)
{
	for (int y = 0; y < canvas->height; y++)
		for (int x = 0; x < canvas->width; x++)
			canvas_blend(canvas, x, y, colours[2],
				     MASK_SHARE * mask_at(mask, ((float)x + 0.5f) / (float)canvas->width,
							  ((float)y + 0.5f) / (float)canvas->height));
}

/* ---- outside -------------------------------------------------------------------------------------- */

void annotate_draw(struct canvas *canvas, const struct inferd_result *result)
{
	int side = canvas->width < canvas->height ? canvas->width : canvas->height;
	float unit = fmaxf((float)side / UNITS, 1.5f);
	int scale = side > LETTER_UNITS ? (side + LETTER_UNITS / 2) / LETTER_UNITS : 1;

	if (result->mask)
		draw_mask(canvas, result->mask);
	if (!result->places) {
		draw_classes(canvas, result, scale);
		return;
	}
	/* The best is drawn last, over the others. */
	for (size_t i = result->n_items; i-- > 0;)
		draw_item(canvas, result, i, unit, scale);
}

int annotate_path(const char *dir, const char *file, uint32_t frame, enum canvas_format format, char *ret_path,
		  size_t size)
{
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	const char *shown = strcmp(name, "-") == 0 ? "stdin" : name;
	const char *ending = format == CANVAS_JPEG ? "jpg" : "png";
	int n = frame ? snprintf(ret_path, size, "%s/%s-%05u.%s", dir, shown, frame, ending)
		      : snprintf(ret_path, size, "%s/%s.%s", dir, shown, ending);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int annotate_save(const struct canvas *canvas, const char *dir, const char *file, uint32_t frame,
		  enum canvas_format format, struct source_error *ret_error)
{
	char path[1024];
	int r = annotate_path(dir, file, frame, format, path, sizeof(path));

	if (r == 0)
		return canvas_write(canvas, path, format, ret_error);
	snprintf(ret_error->text, sizeof(ret_error->text), "%.400s: the name is too long for a drawing", file);
	return r;
}
