/* annotate.c - see annotate.h. */
#include "annotate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MASK_SHARE     0.55f
#define HAND_POINTS    21
#define POSE_POINTS    33
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

/* Which points are joined, in the order of the networks. */
static const uint8_t hand_bones[][2] = {{0, 1},	  {1, 2},   {2, 3},   {3, 4},	{0, 5},	  {5, 6},   {6, 7},
					{7, 8},	  {5, 9},   {9, 10},  {10, 11}, {11, 12}, {9, 13},  {13, 14},
					{14, 15}, {15, 16}, {13, 17}, {17, 18}, {18, 19}, {19, 20}, {0, 17}};
static const uint8_t pose_bones[][2] = {{0, 2},	  {2, 7},   {0, 5},   {5, 8},	{9, 10},  {11, 12}, {11, 13}, {13, 15},
					{15, 17}, {15, 19}, {17, 19}, {15, 21}, {12, 14}, {14, 16}, {16, 18}, {16, 20},
					{18, 20}, {16, 22}, {11, 23}, {12, 24}, {23, 24}, {23, 25}, {25, 27}, {27, 29},
					{29, 31}, {27, 31}, {24, 26}, {26, 28}, {28, 30}, {30, 32}, {28, 32}};

static bool is_seen(const struct inferd_point *point)
{
	return !(point->visibility < VISIBILITY_MIN);
}

static void draw_bones(struct canvas *canvas, const struct inferd_place *place, float width,
		       struct canvas_colour colour)
{
	bool hand = place->n_points == HAND_POINTS;
	const uint8_t(*bones)[2] = hand ? hand_bones : pose_bones;
	size_t n = hand ? sizeof(hand_bones) / 2 : place->n_points == POSE_POINTS ? sizeof(pose_bones) / 2 : 0;

	for (size_t i = 0; i < n; i++) {
		const struct inferd_point *from = &place->points[bones[i][0]], *to = &place->points[bones[i][1]];

		if (is_seen(from) && is_seen(to))
			canvas_line(canvas, from->x, from->y, to->x, to->y, width, colour);
	}
}

static void draw_points(struct canvas *canvas, const struct inferd_place *place, float unit,
			struct canvas_colour colour)
{
	/* A mesh is dense: dots that do not run together. */
	float radius = place->n_points > 100 ? fmaxf(unit * 0.5f, 0.8f) : unit * 1.4f;

	draw_bones(canvas, place, unit, colour);
	for (size_t i = 0; i < place->n_points; i++) {
		const struct inferd_point *point = &place->points[i];

		if (!is_seen(point))
			continue;
		if (place->n_points <= 100)
			canvas_disc(canvas, point->x, point->y, radius + unit * 0.6f, white);
		canvas_disc(canvas, point->x, point->y, radius, colour);
	}
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
	draw_points(canvas, place, unit, colour);
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
	float unit = fmaxf((float)side / 240, 1.5f);
	int scale = side / 300 > 1 ? side / 300 : 1;

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

int annotate_path(const char *dir, const char *file, uint32_t frame, char *ret_path, size_t size)
{
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	const char *shown = strcmp(name, "-") == 0 ? "stdin" : name;
	int n = frame ? snprintf(ret_path, size, "%s/%s-%05u.png", dir, shown, frame)
		      : snprintf(ret_path, size, "%s/%s.png", dir, shown);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
