/* What is followed from frame to frame, and when it is forgotten; time is given. */
#include "daemon/track.h"

#include "support/test.h"

TEST_SUITE(track);

#define LADDER 7
#define NOW    50000000

static struct engine_region square(float x)
{
	return (struct engine_region){.x = x, .y = 100, .width = 50, .height = 50};
}

/* Two places of a picture of 640x480. */
static struct track two(void)
{
	return (struct track){.n = 2,
			      .regions = {square(100), square(300)},
			      .width = 640,
			      .height = 480,
			      .ladder = LADDER,
			      .seen_us = NOW,
			      .looked_us = NOW};
}

Test(track, holds_for_the_next_frame_of_the_same_size_and_networks)
{
	struct track track = two(), now = track_recall(&track, LADDER, 640, 480, 2, NOW + 33000);

	cr_assert_eq(now.n, 2);
	cr_assert_eq(now.seen_us, NOW + 33000);
	cr_assert_eq(now.looked_us, NOW);
	/* A JPEG says its size to whoever decodes it. */
	cr_assert_eq(track_recall(&track, LADDER, 0, 0, 2, NOW + 33000).n, 2);
	cr_assert_eq(track_recall(&track, LADDER, 640, 480, 1, NOW + 33000).n, 1);
}

Test(track, is_forgotten_with_another_size_other_networks_and_after_a_pause)
{
	struct track track = two();

	cr_assert_eq(track_recall(&track, LADDER, 320, 240, 2, NOW + 33000).n, 0);
	cr_assert_eq(track_recall(&track, LADDER + 1, 640, 480, 2, NOW + 33000).n, 0);
	cr_assert_eq(track_recall(&track, LADDER, 640, 480, 2, NOW + TRACK_KEEP_US).n, 2);
	cr_assert_eq(track_recall(&track, LADDER, 640, 480, 2, NOW + TRACK_KEEP_US + 1).n, 0);
	cr_assert_eq((int)track_recall(&track, LADDER + 1, 640, 480, 2, NOW).ladder, LADDER + 1);
}

Test(track, the_detector_looks_where_nothing_is_followed_and_now_and_then_for_more)
{
	struct track track = two(), none = {.ladder = LADDER, .looked_us = NOW};

	cr_assert(track_needs_look(&none, 1, NOW));
	cr_assert(!track_needs_look(&track, 2, NOW + 10 * TRACK_LOOK_US));
	cr_assert(!track_needs_look(&track, 3, NOW + TRACK_LOOK_US - 1));
	cr_assert(track_needs_look(&track, 3, NOW + TRACK_LOOK_US));
}

Test(track, takes_what_is_new_up_to_the_limit)
{
	struct track track = two();
	struct engine_region same = square(105), other = square(500);

	track_add(&track, &same, 0, 2, 3);
	cr_assert_eq(track.n, 2);
	cr_assert_float_eq(track.regions[0].x, 100, 1e-6);
	track_add(&track, &other, 0, 2, 2);
	cr_assert_eq(track.n, 2);
	track_add(&track, &other, 0, 2, 3);
	cr_assert_eq(track.n, 3);
	for (int i = 0; i < 10; i++) {
		struct engine_region more = square(1000 + 100 * (float)i);

		track_add(&track, &more, 0, 2, 1000);
	}
	cr_assert_eq(track.n, CONFIG_PLACES_MAX);
}

/* Of two that were found in the same frame at the same place the later one counts, as MediaPipe has it. */
Test(track, what_is_followed_stays_and_what_is_new_makes_room)
{
	struct track track = two();
	struct engine_region first = square(500), again = square(495), followed = square(305), last = square(900);

	track.bodies[0] = 1;
	track.bodies[1] = 2;
	track_add(&track, &first, 3, 2, 4);
	track_add(&track, &last, 4, 2, 5);
	track_add(&track, &again, 5, 2, 5);
	track_add(&track, &followed, 6, 2, 5);
	cr_assert_eq(track.n, 4);
	cr_assert_float_eq(track.regions[1].x, 300, 1e-6);
	cr_assert_float_eq(track.regions[2].x, 900, 1e-6);
	cr_assert_float_eq(track.regions[3].x, 495, 1e-6);
	cr_assert_arr_eq(track.bodies, ((uint32_t[]){1, 2, 4, 5}), 4 * sizeof(uint32_t));
}
