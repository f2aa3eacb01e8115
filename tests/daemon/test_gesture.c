/* test_gesture.c - gestures of a hand that is made of angles, and of hands that a network saw. */
#include "daemon/gesture.h"

#include <math.h>
#include <string.h>

#include "support/test.h"

TEST_SUITE(gesture);

#define DEGREES 0.0174532925f

struct made {
	float points[GESTURE_POINTS][GESTURE_NUMBERS];
};

/* Degrees: of each finger how far it is bent at each of its joints, and aside; of the thumb its way from the wrist. */
struct pose {
	float bend[4];
	float spread;
	float thumb; /* 0 along the fingers, 90 away from them; below 0 over the palm */
};

static const struct pose poses[GESTURE_COUNT] = {
	[GESTURE_NONE] = {{0, 0, 0, 90}, 6, -60}, /* three fingers */
	[GESTURE_OPEN_PALM] = {{0, 0, 0, 0}, 6, 45},	  [GESTURE_FIST] = {{85, 85, 85, 85}, 3, -60},
	[GESTURE_POINTING] = {{0, 85, 85, 85}, 3, -60},	  [GESTURE_THUMB_UP] = {{85, 85, 85, 85}, 3, 90},
	[GESTURE_THUMB_DOWN] = {{85, 85, 85, 85}, 3, 90}, [GESTURE_VICTORY] = {{0, 0, 85, 85}, 12, -60},
};

static void put(struct made *hand, int at, float x, float y, float z)
{
	hand->points[at][0] = x;
	hand->points[at][1] = y;
	hand->points[at][2] = z;
	hand->points[at][3] = NAN;
}

/* A right hand's palm: fingers up, which is towards -y, the thumb to the left, and bent fingers towards -z. */
static struct made make_hand(const struct pose *pose)
{
	static const float bones[] = {0.45f, 0.28f, 0.22f};
	struct made hand;
	float over = pose->thumb < 0 ? -0.25f : 0, x = -0.15f, y = -0.2f;
	float direction = pose->thumb < 0 ? 60 : -pose->thumb;

	put(&hand, 0, 0, 0, 0);
	for (int finger = 0; finger < 4; finger++) {
		float aside = ((float)finger - 1.5f) * pose->spread * DEGREES, bent = 0;
		float u = -0.3f + 0.2f * (float)finger, v = -1, w = 0;

		put(&hand, 5 + 4 * finger, u, v, w);
		for (int bone = 0; bone < 3; bone++) {
			bent += pose->bend[finger] * DEGREES;
			u += bones[bone] * cosf(bent) * sinf(aside);
			v -= bones[bone] * cosf(bent) * cosf(aside);
			w -= bones[bone] * sinf(bent);
			put(&hand, 6 + 4 * finger + bone, u, v, w);
		}
	}
	put(&hand, 1, x, y, over / 2);
	for (int i = 2; i < 5; i++) {
		x += 0.3f * sinf((i == 2 ? -40 : direction) * DEGREES);
		y -= 0.3f * cosf((i == 2 ? -40 : direction) * DEGREES);
		put(&hand, i, x, y, over);
	}
	return hand;
}

/* Turned about z, then about y, in degrees; made larger and moved. */
static void turn(struct made *hand, float about_z, float about_y, float size)
{
	for (int i = 0; i < GESTURE_POINTS; i++) {
		float *p = hand->points[i], c = cosf(about_z * DEGREES), s = sinf(about_z * DEGREES);
		float x = c * p[0] - s * p[1], y = s * p[0] + c * p[1], z = p[2];

		c = cosf(about_y * DEGREES);
		s = sinf(about_y * DEGREES);
		p[0] = size * (c * x + s * z) + 300;
		p[1] = size * y + 200;
		p[2] = size * (c * z - s * x);
	}
}

static void mirror(struct made *hand)
{
	for (int i = 0; i < GESTURE_POINTS; i++)
		hand->points[i][0] = -hand->points[i][0];
}

static void shake(struct made *hand, float size)
{
	for (int i = 0; i < GESTURE_POINTS; i++)
		for (int j = 0; j < 3; j++)
			hand->points[i][j] += size * test_random_float();
}

/* How a thumb that points to the left has to be turned about z, so that it is up or down. */
static float thumb_turn(enum gesture gesture, bool mirrored)
{
	float up = mirrored ? -90 : 90;

	return gesture == GESTURE_THUMB_UP ? up : gesture == GESTURE_THUMB_DOWN ? -up : 0;
}

static bool is_thumb(enum gesture gesture)
{
	return gesture == GESTURE_THUMB_UP || gesture == GESTURE_THUMB_DOWN;
}

static void expect(const struct made *hand, enum gesture wanted)
{
	float score = -1;
	enum gesture told = gesture_tell(hand->points, &score);

	cr_assert_eq((int)told, (int)wanted, "%s told as %s (%.2f)", gesture_name(wanted), gesture_name(told),
		     (double)score);
	cr_assert(score >= 0.5f && score <= 1, "%s: %.2f", gesture_name(wanted), (double)score);
}

/* Of both hands, in all sizes, turned in the picture and away from it, with noise of a fortieth of the palm. */
Test(gesture, is_told_whatever_size_side_and_turn)
{
	for (int gesture = 0; gesture < GESTURE_COUNT; gesture++) {
		for (int n = 0; n < 400; n++) {
			struct made hand = make_hand(&poses[gesture]);
			bool mirrored = n % 2;
			float range = is_thumb((enum gesture)gesture) ? 35 : 180;
			float size = powf(10, test_random_float() * 3);
			float about_z = thumb_turn((enum gesture)gesture, mirrored) + range * test_random_float();

			if (mirrored)
				mirror(&hand);
			shake(&hand, 0.025f);
			turn(&hand, about_z, 180 * test_random_float(), size);
			expect(&hand, (enum gesture)gesture);
		}
	}
}

Test(gesture, a_thumb_across_is_neither_up_nor_down)
{
	struct made hand = make_hand(&poses[GESTURE_THUMB_UP]);

	expect(&hand, GESTURE_NONE);
	turn(&hand, 180, 0, 1);
	expect(&hand, GESTURE_NONE);
}

Test(gesture, what_is_like_one_is_none)
{
	static const struct pose others[] = {
		{{0, 0, 0, 0}, 6, -60},	   /* four fingers */
		{{0, 85, 85, 0}, 6, -60},  /* horns */
		{{85, 85, 85, 0}, 6, 90},  /* a telephone */
		{{85, 0, 85, 85}, 6, -60}, /* the middle finger alone */
		{{0, 0, 85, 85}, 12, 90},  /* a third, the thumb, beside two fingers */
		{{0, 0, 85, 85}, -12, -60} /* crossed */
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct made hand = make_hand(&others[i]);
		float score;

		cr_assert_eq((int)gesture_tell(hand.points, &score), (int)GESTURE_NONE, "%zu", i);
	}
}

Test(gesture, what_is_no_number_or_no_hand_shows_nothing)
{
	static const float values[] = {NAN, INFINITY, -INFINITY};
	struct made hand = make_hand(&poses[GESTURE_FIST]), point = {{{0}}};
	float score = -1;

	for (int i = 0; i < GESTURE_POINTS * 3; i++) {
		struct made broken = hand;

		broken.points[i / 3][i % 3] = values[i % 3];
		cr_assert_eq((int)gesture_tell(broken.points, &score), (int)GESTURE_NONE);
		cr_assert_float_eq(score, 0, 0);
	}
	cr_assert_eq((int)gesture_tell(point.points, &score), (int)GESTURE_NONE);
	for (int i = 0; i < GESTURE_POINTS * 3; i++)
		hand.points[i / 3][i % 3] = test_random_float() > 0 ? 3e38f : -3e38f;
	gesture_tell(hand.points, &score);
	cr_assert(score >= 0 && score <= 1);
}

/* Pixels of the network's input, as MediaPipe's network gave them for drawn hands. */
static const struct {
	enum gesture gesture;
	short points[GESTURE_POINTS][3];
} captured[] = {
	{GESTURE_OPEN_PALM,
	 {{115, 168, 0}, {95, 147, -2}, {82, 122, -3}, {72, 104, -3},  {61, 93, -4},   {108, 99, 1},  {110, 75, -1},
	  {112, 61, -2}, {113, 50, -3}, {123, 102, 0}, {128, 76, -1},  {132, 61, -2},  {135, 50, -3}, {136, 108, -1},
	  {146, 86, -3}, {152, 72, -4}, {157, 61, -4}, {147, 119, -3}, {157, 102, -4}, {163, 90, -4}, {169, 79, -4}}},
	{GESTURE_FIST, {{119, 152, 0},	{94, 125, -7},	{76, 99, -11},	{68, 78, -15},	{84, 65, -18},	{111, 45, -3},
			{91, 53, -11},	{86, 78, -15},	{91, 89, -18},	{130, 48, -2},	{109, 60, -11}, {101, 90, -13},
			{105, 99, -12}, {147, 60, -4},	{126, 73, -11}, {116, 99, -10}, {118, 105, -7}, {160, 77, -6},
			{143, 90, -10}, {131, 107, -9}, {131, 112, -6}}},
	{GESTURE_POINTING,
	 {{88, 168, 0},	   {86, 146, -5},  {93, 126, -7},  {109, 117, -9}, {123, 109, -10}, {96, 96, -3},
	  {103, 69, -6},   {109, 54, -8},  {115, 41, -10}, {108, 105, -3}, {124, 99, -8},   {117, 114, -10},
	  {108, 123, -10}, {118, 117, -3}, {132, 116, -8}, {121, 130, -9}, {112, 134, -9},  {125, 129, -4},
	  {136, 128, -7},  {128, 137, -7}, {119, 140, -6}}},
	{GESTURE_THUMB_UP,
	 {{127, 154, 0},   {104, 121, -7},  {98, 84, -9},    {91, 57, -10},   {78, 38, -11},   {151, 68, -6},
	  {130, 89, -10},  {117, 102, -12}, {116, 102, -14}, {169, 86, -5},   {142, 109, -9},  {128, 118, -11},
	  {128, 114, -12}, {179, 107, -5},  {154, 128, -10}, {141, 133, -10}, {142, 127, -10}, {183, 127, -6},
	  {166, 144, -10}, {154, 147, -10}, {153, 142, -10}}},
	{GESTURE_THUMB_DOWN,
	 {{114, 65, 0},	  {121, 93, -5},  {119, 129, -14}, {119, 164, -22}, {126, 192, -31}, {113, 122, -20},
	  {84, 149, -27}, {82, 143, -31}, {88, 138, -34},  {103, 107, -20}, {64, 131, -25},  {69, 124, -25},
	  {79, 117, -27}, {91, 90, -21},  {54, 112, -23},  {64, 109, -21},  {77, 104, -21},  {80, 74, -21},
	  {51, 92, -23},  {56, 90, -22},  {66, 86, -21}}},
	{GESTURE_VICTORY,
	 {{115, 171, 0},   {98, 154, -4},   {95, 133, -6},   {112, 127, -8},  {129, 125, -10}, {104, 99, -3},
	  {98, 70, -6},	   {94, 54, -8},    {92, 41, -8},    {120, 102, -4},  {121, 71, -7},   {122, 54, -9},
	  {125, 39, -10},  {133, 111, -6},  {131, 114, -10}, {120, 129, -11}, {115, 135, -11}, {143, 124, -7},
	  {137, 127, -10}, {127, 137, -10}, {121, 142, -9}}},
	{GESTURE_NONE, {{96, 164, 0},  {83, 148, -6},  {83, 132, -8},  {96, 120, -9},  {112, 111, -9}, {85, 104, -10},
			{83, 73, -15}, {83, 55, -17},  {84, 38, -19},  {101, 107, -8}, {97, 97, -11},  {94, 116, -10},
			{92, 123, -9}, {113, 110, -6}, {113, 100, -9}, {107, 117, -9}, {102, 125, -8}, {125, 114, -5},
			{137, 93, -9}, {147, 81, -11}, {153, 70, -11}}},
};

Test(gesture, is_told_of_what_a_network_saw)
{
	for (size_t i = 0; i < sizeof(captured) / sizeof(captured[0]); i++) {
		struct made hand;

		for (int j = 0; j < GESTURE_POINTS; j++)
			put(&hand, j, captured[i].points[j][0], captured[i].points[j][1], captured[i].points[j][2]);
		expect(&hand, captured[i].gesture);
	}
}
