/* regions.c - see regions.h. */
#include "regions.h"

#include <math.h>

#define RIGHT_ANGLE 1.5707963f
#define TURN	    6.2831853f

/* From what a square is about to the square. */
struct enlarge {
	float scale;   /* of the longer side */
	float shift_y; /* of the height, along the thing's own axis: upwards is negative */
};

static const struct enlarge of_detection[] = {
	[CONFIG_HAND] = {2.6f, -0.5f}, /* from a palm to a hand */
	[CONFIG_FACE] = {1.5f, 0},
	[CONFIG_POSE] = {1.25f, 0},
};
static const struct enlarge of_landmarks[] = {
	[CONFIG_HAND] = {2, -0.1f},
	[CONFIG_FACE] = {1.5f, 0},
	[CONFIG_POSE] = {1.25f, 0},
};

/* Hand: the wrist, the thumb without its tip, and the first two joints of each finger: fingertips move too much. */
static const int palm_joints[] = {0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18};
#define WRIST	   0
#define INDEX_MCP  5
#define MIDDLE_MCP 9
#define RING_MCP   13
/* Face: outer corners of the eyes. */
#define RIGHT_EYE 33
#define LEFT_EYE  263
#define FACE_MESH 468
/* Pose: two points that the network gives for this, behind the 33 of the body: the hips' middle, and above the head. */
#define POSE_CENTRE 33
#define POSE_REACH  34

/* Of a detector's points. */
#define PALM_WRIST     0
#define PALM_MIDDLE    2
#define FACE_RIGHT_EYE 0
#define FACE_LEFT_EYE  1
#define BODY_CENTRE    0
#define BODY_REACH     1

int regions_points(enum config_landmarks kind)
{
	static const int points[] = {[CONFIG_HAND] = 21, [CONFIG_FACE] = FACE_MESH, [CONFIG_POSE] = POSE_REACH + 1};

	return points[kind];
}

/* How far the direction from one point to another is turned from where it points in an upright thing. */
static float turned(const float from[2], const float to[2], float upright)
{
	float angle = upright - atan2f(from[1] - to[1], to[0] - from[0]);

	return angle - TURN * floorf((angle + TURN / 2) / TURN);
}

/* The rectangle's own axes are turned by region->angle already. */
static bool enlarge(const struct enlarge *by, struct engine_region *region)
{
	float down = region->height * by->shift_y, side = by->scale * fmaxf(region->width, region->height);

	region->x -= down * sinf(region->angle);
	region->y += down * cosf(region->angle);
	region->width = region->height = side;
	return isfinite(region->x) && isfinite(region->y) && isfinite(region->angle) && isfinite(side) && side > 0;
}

/* A square about a centre, through a point straight above it. */
static struct engine_region about(const float centre[2], const float above[2])
{
	float side = 2 * hypotf(above[0] - centre[0], above[1] - centre[1]);

	return (struct engine_region){.x = centre[0],
				      .y = centre[1],
				      .width = side,
				      .height = side,
				      .angle = turned(centre, above, RIGHT_ANGLE)};
}

bool region_of_detection(enum config_landmarks kind, const struct box *box, const float (*points)[2], int n_points,
			 struct engine_region *ret_region)
{
	struct engine_region region = {.x = (box->x0 + box->x1) / 2,
				       .y = (box->y0 + box->y1) / 2,
				       .width = box->x1 - box->x0,
				       .height = box->y1 - box->y0};

	if (kind == CONFIG_POSE && n_points <= BODY_REACH)
		return false;
	if (kind == CONFIG_POSE)
		region = about(points[BODY_CENTRE], points[BODY_REACH]);
	else if (kind == CONFIG_HAND && n_points > PALM_MIDDLE)
		region.angle = turned(points[PALM_WRIST], points[PALM_MIDDLE], RIGHT_ANGLE);
	else if (kind == CONFIG_FACE && n_points > FACE_LEFT_EYE)
		region.angle = turned(points[FACE_RIGHT_EYE], points[FACE_LEFT_EYE], 0);
	if (!enlarge(&of_detection[kind], &region))
		return false;
	*ret_region = region;
	return true;
}

/* The smallest rectangle about points that is turned by `angle`; which: NULL for the first n. */
static struct engine_region surround(const float (*points)[2], const int *which, int n, float angle)
{
	float cosine = cosf(angle), sine = sinf(angle), low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
	float across, down;

	for (int i = 0; i < n; i++) {
		const float *point = points[which ? which[i] : i];
		float own[2] = {point[0] * cosine + point[1] * sine, point[1] * cosine - point[0] * sine};

		for (int axis = 0; axis < 2; axis++) {
			low[axis] = fminf(low[axis], own[axis]);
			high[axis] = fmaxf(high[axis], own[axis]);
		}
	}
	across = (low[0] + high[0]) / 2;
	down = (low[1] + high[1]) / 2;
	return (struct engine_region){.x = across * cosine - down * sine,
				      .y = across * sine + down * cosine,
				      .width = high[0] - low[0],
				      .height = high[1] - low[1],
				      .angle = angle};
}

static struct engine_region about_palm(const float (*points)[2])
{
	float knuckles[2];

	for (int axis = 0; axis < 2; axis++)
		knuckles[axis] =
			((points[INDEX_MCP][axis] + points[RING_MCP][axis]) / 2 + points[MIDDLE_MCP][axis]) / 2;
	return surround(points, palm_joints, sizeof(palm_joints) / sizeof(palm_joints[0]),
			turned(points[WRIST], knuckles, RIGHT_ANGLE));
}

/* The upright rectangle about the mesh, then turned about its centre, as MediaPipe has it. */
static struct engine_region about_mesh(const float (*points)[2])
{
	struct engine_region region = surround(points, NULL, FACE_MESH, 0);

	region.angle = turned(points[RIGHT_EYE], points[LEFT_EYE], 0);
	return region;
}

bool region_of_landmarks(enum config_landmarks kind, const float (*points)[2], struct engine_region *ret_region)
{
	struct engine_region region = kind == CONFIG_HAND   ? about_palm(points)
				      : kind == CONFIG_FACE ? about_mesh(points)
							    : about(points[POSE_CENTRE], points[POSE_REACH]);

	if (!enlarge(&of_landmarks[kind], &region))
		return false;
	*ret_region = region;
	return true;
}

float regions_overlap(const struct engine_region *a, const struct engine_region *b)
{
	struct box one = {a->x - a->width / 2, a->y - a->height / 2, a->x + a->width / 2, a->y + a->height / 2};
	struct box two = {b->x - b->width / 2, b->y - b->height / 2, b->x + b->width / 2, b->y + b->height / 2};

	return boxes_iou(&one, &two);
}
