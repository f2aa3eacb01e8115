/*
 * skeleton.c - see skeleton.h.  Numbers are those of MediaPipe's hand, pose and face networks.
 */
#include "skeleton.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LINE(colour, ...)                                                                                              \
	{                                                                                                              \
		colour, COUNT(((const uint16_t[]){__VA_ARGS__})), (const uint16_t[])                                   \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}

/* The palm, and each finger from its knuckle. */
static const struct skeleton_line hand[] = {
	LINE(0, 0, 5, 9, 13, 17, 0), LINE(1, 0, 1, 2, 3, 4),  LINE(2, 5, 6, 7, 8),
	LINE(3, 9, 10, 11, 12),	     LINE(4, 13, 14, 15, 16), LINE(5, 17, 18, 19, 20),
};

/* Trunk and face; then what is on the person's left, whose numbers are odd, and right. */
static const struct skeleton_line pose[] = {
	LINE(0, 11, 12, 24, 23, 11), LINE(0, 8, 6, 5, 4, 0, 1, 2, 3, 7), LINE(0, 9, 10),
	LINE(1, 11, 13, 15),	     LINE(1, 15, 17, 19, 15, 21),	 LINE(1, 23, 25, 27, 29, 31, 27),
	LINE(2, 12, 14, 16),	     LINE(2, 16, 18, 20, 16, 22),	 LINE(2, 24, 26, 28, 30, 32, 28),
};

static const struct skeleton_line face[] = {
	/* The outline. */
	LINE(0, 10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
	     149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10),
	/* The eyes and brows of the left side, of the right side. */
	LINE(1, 263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466, 263),
	LINE(1, 276, 283, 282, 295, 285),
	LINE(1, 300, 293, 334, 296, 336),
	LINE(2, 33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 33),
	LINE(2, 46, 53, 52, 65, 55),
	LINE(2, 70, 63, 105, 66, 107),
	/* The lips from outside and inside. */
	LINE(3, 61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 61),
	LINE(3, 78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191, 78),
};

static const struct {
	size_t n_points;
	struct skeleton skeleton;
} skeletons[] = {
	{21, {COUNT(hand), hand, false}},
	{33, {COUNT(pose), pose, false}},
	{468, {COUNT(face), face, true}},
	{478, {COUNT(face), face, true}},
};

const struct skeleton *skeleton_of(size_t n_points)
{
	for (size_t i = 0; i < COUNT(skeletons); i++)
		if (skeletons[i].n_points == n_points)
			return &skeletons[i].skeleton;
	return NULL;
}
