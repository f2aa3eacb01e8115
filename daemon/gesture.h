/*
 * gesture.h - what a hand shows, from its 21 landmarks.
 *
 * Plain arithmetic on arrays; owns nothing and allocates nothing.  The rule looks at lengths and angles between points
 * only, so size, place, left or right and turning do not matter, but for thumbs, which are up or down in the picture.
 * docs/tasks.md says what each gesture is and how often it is told right.
 */
#ifndef INFERD_GESTURE_H
#define INFERD_GESTURE_H

#define GESTURE_POINTS	21
#define GESTURE_NUMBERS 4 /* x right, y down, z, all in one unit; the last is not looked at */

enum gesture {
	GESTURE_NONE,
	GESTURE_OPEN_PALM,
	GESTURE_FIST,
	GESTURE_POINTING,
	GESTURE_THUMB_UP,
	GESTURE_THUMB_DOWN,
	GESTURE_VICTORY,
	GESTURE_COUNT
};

/* "none", "open_palm", "fist", "pointing", "thumb_up", "thumb_down", "victory". */
const char *gesture_name(enum gesture gesture);

/*
 * points: in the order of landmarks_decode().  *ret_score: how well the hand is what is told, 0..1; of none, how far
 * it is from every gesture.  Points that are not numbers show nothing: none, with a score of 0.
 */
enum gesture gesture_tell(const float (*points)[GESTURE_NUMBERS], float *ret_score);

#endif
