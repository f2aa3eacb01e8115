/* gesture.c - see gesture.h. */
#include "gesture.h"

#include <math.h>
#include <stdbool.h>

#define FINGERS	  4 /* without the thumb */
#define SCORE_MIN 0.5f

/* Of each finger four points follow each other, from its base to its tip. */
enum {
	WRIST = 0,
	THUMB_BASE = 1,
	THUMB_JOINT = 2,
	THUMB_LAST_JOINT = 3,
	THUMB_TIP = 4,
	INDEX_BASE = 5,
	INDEX_TIP = 8,
	MIDDLE_BASE = 9,
	MIDDLE_TIP = 12,
	LITTLE_BASE = 17
};

struct vector {
	float x, y, z;
};

const char *gesture_name(enum gesture gesture)
{
	static const char *const names[GESTURE_COUNT] = {"none",     "open_palm",  "fist",   "pointing",
							 "thumb_up", "thumb_down", "victory"};

	return names[gesture];
}

static struct vector between(const float (*points)[GESTURE_NUMBERS], int from, int to)
{
	return (struct vector){points[to][0] - points[from][0], points[to][1] - points[from][1],
			       points[to][2] - points[from][2]};
}

static float dot(struct vector a, struct vector b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static float length(struct vector a)
{
	return sqrtf(dot(a, a));
}

static float distance(const float (*points)[GESTURE_NUMBERS], int a, int b)
{
	return length(between(points, a, b));
}

/* From 0 at `none` to 1 at `full`, which may be the lower; what is not a number is 0. */
static float ramp(float value, float none, float full)
{
	float share = (value - none) / (full - none);

	return share > 0 ? fminf(share, 1) : 0;
}

/* From its first point to its last, how near the way over all of them is to a straight line, 0..1. */
static float straightness(const float (*points)[GESTURE_NUMBERS], const int *way, int n)
{
	float sum = 0;

	for (int i = 0; i + 1 < n; i++)
		sum += distance(points, way[i], way[i + 1]);
	return distance(points, way[0], way[n - 1]) / sum;
}

/*
 * What the gestures are made of, each 0..1.  The thresholds lie between the hands that tools/compare/gestures.py has
 * for choosing them.
 */
struct hand {
	float straight[FINGERS], curled[FINGERS]; /* index, middle, ring, little */
	float thumb_straight;
	float thumb_out, thumb_far_out; /* away from the palm: as of an open hand; as it is held up */
	float apart;			/* the tips of index and middle finger */
	float up, down;			/* the thumb, in the picture */
};

/* How much farther from the little finger the thumb's tip is than its joint, in lengths of the palm. */
static float thumb_reach(const float (*points)[GESTURE_NUMBERS])
{
	return (distance(points, THUMB_TIP, LITTLE_BASE) - distance(points, THUMB_JOINT, LITTLE_BASE)) /
	       distance(points, WRIST, MIDDLE_BASE);
}

/* Distance of the tips along the line of the knuckles, in distances of these; crossed fingers are below 0. */
static float tips_apart(const float (*points)[GESTURE_NUMBERS])
{
	struct vector knuckles = between(points, INDEX_BASE, MIDDLE_BASE);

	return dot(between(points, INDEX_TIP, MIDDLE_TIP), knuckles) / dot(knuckles, knuckles);
}

static struct hand look_at(const float (*points)[GESTURE_NUMBERS])
{
	static const int thumb[] = {THUMB_BASE, THUMB_JOINT, THUMB_LAST_JOINT, THUMB_TIP};
	struct vector direction = between(points, THUMB_JOINT, THUMB_TIP);
	float reach = thumb_reach(points), rising = -direction.y / length(direction);
	struct hand hand = {
		.thumb_straight = ramp(straightness(points, thumb, 4), 0.75f, 0.9f),
		.thumb_out = ramp(reach, 0, 0.16f),
		.thumb_far_out = ramp(reach, 0.1f, 0.35f),
		.apart = ramp(tips_apart(points), 0.9f, 1.3f),
		.up = ramp(rising, 0.55f, 0.85f),
		.down = ramp(-rising, 0.55f, 0.85f),
	};

	for (int i = 0; i < FINGERS; i++) {
		int base = INDEX_BASE + 4 * i;
		const int way[] = {WRIST, base, base + 1, base + 2, base + 3};
		float straight = straightness(points, way, 5);

		hand.straight[i] = ramp(straight, 0.82f, 0.93f);
		hand.curled[i] = ramp(straight, 0.9f, 0.78f);
	}
	return hand;
}

static float least(const float *values, int n)
{
	float lowest = 1;

	for (int i = 0; i < n; i++)
		lowest = fminf(lowest, values[i]);
	return lowest;
}

/* A gesture is as sure as the least sure of what it needs. */
static void judge(const struct hand *hand, float ret_scores[GESTURE_COUNT])
{
	float fist = least(hand->curled, FINGERS);
	float thumb = fminf(fist, fminf(hand->thumb_straight, hand->thumb_far_out));
	float outer_curled = least(hand->curled + 2, 2);

	ret_scores[GESTURE_NONE] = 0;
	ret_scores[GESTURE_OPEN_PALM] = fminf(least(hand->straight, FINGERS), hand->thumb_out);
	ret_scores[GESTURE_FIST] = fminf(fist, 1 - hand->thumb_far_out);
	ret_scores[GESTURE_POINTING] = fminf(hand->straight[0], fminf(hand->curled[1], outer_curled));
	ret_scores[GESTURE_THUMB_UP] = fminf(thumb, hand->up);
	ret_scores[GESTURE_THUMB_DOWN] = fminf(thumb, hand->down);
	ret_scores[GESTURE_VICTORY] =
		fminf(fminf(least(hand->straight, 2), outer_curled), fminf(hand->apart, 1 - hand->thumb_far_out));
}

static bool are_numbers(const float (*points)[GESTURE_NUMBERS])
{
	for (int i = 0; i < GESTURE_POINTS; i++)
		for (int j = 0; j < 3; j++)
			if (!isfinite(points[i][j]))
				return false;
	return true;
}

enum gesture gesture_tell(const float (*points)[GESTURE_NUMBERS], float *ret_score)
{
	float scores[GESTURE_COUNT];
	int best = GESTURE_NONE;
	struct hand hand;

	*ret_score = 0;
	if (!are_numbers(points))
		return GESTURE_NONE;
	hand = look_at(points);
	judge(&hand, scores);
	for (int i = 1; i < GESTURE_COUNT; i++)
		if (scores[i] > scores[best])
			best = i;
	if (scores[best] < SCORE_MIN) {
		*ret_score = 1 - scores[best];
		return GESTURE_NONE;
	}
	*ret_score = scores[best];
	return (enum gesture)best;
}
