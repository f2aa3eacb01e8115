/* landmarks.c - see landmarks.h. */
#include "landmarks.h"

#include <math.h>
#include <stdio.h>

#include "attention.h"

#define POSE_ROWS	   39 /* 33 of the body, and 6 that help to find it in the next frame */
#define POSE_NUMBERS	   5
#define HEAT_REACH	   4 /* a kernel of 9: what MediaPipe 0.10 does, though its graph says 7 */
#define HEAT_CONFIDENT_MIN 0.5f

struct kind {
	const char *name, *wanted;
	int rows, n, numbers;
};

static const struct kind kinds[] = {
	[CONFIG_LANDMARKS_NONE] = {"none", "", 0, 0, 0},
	[CONFIG_HAND] = {"hand", "points 63, presence 1 and handedness 1", 21, 21, 3},
	[CONFIG_FACE] = {"face", "points 1404 and presence 1", LANDMARKS_MESH, LANDMARKS_MESH, 3},
	[CONFIG_POSE] = {"pose", "points 195, presence 1 and heat maps HxWx39", POSE_ROWS, 33, POSE_NUMBERS},
};

const char *landmarks_kind_name(enum config_landmarks kind)
{
	return kinds[kind].name;
}

/* The square heat maps, which have one column for each point. */
static int find_heat(const struct outputs *outputs, int *ret_side)
{
	for (int i = 0; i < outputs->n; i++) {
		int side = (int)lroundf(sqrtf((float)outputs->output[i].rows));

		if (outputs->output[i].columns == POSE_ROWS && side > 1 && side * side == outputs->output[i].rows) {
			*ret_side = side;
			return i;
		}
	}
	return -1;
}

int landmarks_layout(enum config_landmarks kind, const struct outputs *outputs, int width, int height,
		     struct landmarks_layout *ret_layout, char ret_why[OUTPUTS_WHY_BYTES])
{
	struct landmarks_layout layout = {
		.kind = kind, .width = width, .height = height, .n = kinds[kind].n, .handedness = -1, .heat = -1};
	char who[32];
	bool fits;

	/* Of points that come twice, in the picture and in metres, the picture's come first. */
	layout.points = outputs_find(outputs, 0, 1, kinds[kind].rows * kinds[kind].numbers);
	layout.presence = outputs_find(outputs, 0, 1, 1);
	fits = layout.points >= 0 && layout.presence >= 0;
	if (fits && kind == CONFIG_HAND) {
		layout.handedness = outputs_find(outputs, layout.presence + 1, 1, 1);
		fits = layout.handedness >= 0;
	}
	if (fits && kind == CONFIG_POSE) {
		layout.heat = find_heat(outputs, &layout.heat_side);
		fits = layout.heat >= 0;
	}
	if (fits && kind == CONFIG_FACE && attention_layout(outputs, layout.parts)) {
		layout.attention = true;
		layout.n = LANDMARKS_MAX;
	}
	snprintf(who, sizeof(who), "landmarks %s", kinds[kind].name);
	if (!fits)
		return outputs_refuse(outputs, who, kinds[kind].wanted, ret_why);
	*ret_layout = layout;
	return 0;
}

static float sigmoid(float logit)
{
	return 1 / (1 + expf(-logit));
}

/*
 * Moves a point to the centre of mass of its heat map about it, where the map is sure of itself: the network's own
 * coordinates are less exact than the map, and the map is coarse.
 */
static void refine(const float *heat, int side, int which, struct landmark *point)
{
	float sum = 0, x = 0, y = 0, highest = 0;
	int column, row;

	if (!(point->x >= 0 && point->x < 1 && point->y >= 0 && point->y < 1))
		return;
	column = (int)(point->x * (float)side);
	row = (int)(point->y * (float)side);
	for (int v = row > HEAT_REACH ? row - HEAT_REACH : 0; v <= row + HEAT_REACH && v < side; v++) {
		for (int u = column > HEAT_REACH ? column - HEAT_REACH : 0; u <= column + HEAT_REACH && u < side; u++) {
			float share = sigmoid(heat[((size_t)v * (size_t)side + (size_t)u) * POSE_ROWS + (size_t)which]);

			sum += share;
			x += share * (float)u;
			y += share * (float)v;
			highest = fmaxf(highest, share);
		}
	}
	if (!(highest >= HEAT_CONFIDENT_MIN) || !(sum > 0))
		return;
	point->x = x / sum / (float)side;
	point->y = y / sum / (float)side;
}

float landmarks_finite(float value)
{
	return isfinite(value) ? value : NAN;
}

void landmarks_decode(const struct landmarks_layout *layout, const float *const *values,
		      struct landmark ret_points[LANDMARKS_MAX])
{
	const float *row = values[layout->points];
	int numbers = kinds[layout->kind].numbers;

	for (int i = 0; i < kinds[layout->kind].rows; i++, row += numbers) {
		struct landmark *point = &ret_points[i];

		point->x = landmarks_finite(row[0] / (float)layout->width);
		point->y = landmarks_finite(row[1] / (float)layout->height);
		point->z = landmarks_finite(row[2] / (float)layout->width);
		point->visibility = numbers == POSE_NUMBERS ? sigmoid(row[3]) : NAN;
		if (layout->heat >= 0)
			refine(values[layout->heat], layout->heat_side, i, point);
	}
	if (layout->attention)
		attention_refine(layout->parts, values, layout->width, layout->height, ret_points);
}

float landmarks_presence(const struct landmarks_layout *layout, const float *const *values)
{
	float value = values[layout->presence][0];
	float presence = layout->kind == CONFIG_FACE ? sigmoid(value) : value;

	return presence >= 0 ? fminf(presence, 1) : 0;
}

bool landmarks_is_right(const struct landmarks_layout *layout, const float *const *values)
{
	/* MediaPipe's calculator takes the number for the first label, which is "Left" in its mirrored world. */
	return layout->handedness >= 0 && !(values[layout->handedness][0] >= 0.5f);
}
