/* test_reply.c - which size of frame a client is advised to send. */
#include "daemon/reply.h"

#include "support/test.h"

TEST_SUITE(reply);

static void expect(struct engine_normalize normalize, uint32_t width, uint32_t height, uint32_t want_width,
		   uint32_t want_height)
{
	static struct ladder ladder = {.rungs = {{0}, {.width = 224, .height = 160}}};
	uint32_t ret_width, ret_height;

	ladder.normalize = normalize;
	reply_advise(&ladder, 1, width, height, &ret_width, &ret_height);
	cr_assert(ret_width == want_width && ret_height == want_height, "%ux%u", ret_width, ret_height);
}

Test(reply, advice_leaves_room_for_what_is_cut_off)
{
	expect((struct engine_normalize){.fit = ENGINE_FIT_STRETCH}, 1920, 1080, 224, 160);
	expect((struct engine_normalize){.fit = ENGINE_FIT_CROP, .crop = 1}, 2240, 800, 448, 160);
	expect((struct engine_normalize){.fit = ENGINE_FIT_CROP, .crop = 0.5f}, 2240, 800, 896, 320);
	expect((struct engine_normalize){.fit = ENGINE_FIT_LETTERBOX}, 2240, 800, 224, 80);
}

Test(reply, advice_without_a_size_takes_the_shape_of_the_input)
{
	expect((struct engine_normalize){.fit = ENGINE_FIT_STRETCH}, 0, 0, 224, 160);
	expect((struct engine_normalize){.fit = ENGINE_FIT_CROP, .crop = 0.875f}, 0, 0, 256, 183);
	expect((struct engine_normalize){.fit = ENGINE_FIT_LETTERBOX}, 0, 7, 224, 160);
}

Test(reply, advice_is_no_larger_than_a_frame_can_be)
{
	expect((struct engine_normalize){.fit = ENGINE_FIT_CROP, .crop = 1e-6f}, 1, 16384, 16384, 16384);
	expect((struct engine_normalize){.fit = ENGINE_FIT_CROP, .crop = 1}, 1, 16384, 224, 16384);
}
