/*
 * test_frame.c - geometry against slots, overflow included.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "ipc/ipc.h"
#include "support/test.h"

TEST_SUITE(frame);

Test(frame, packed_layout_of_every_format)
{
	static const struct {
		enum ipc_format format;
		uint32_t width, height;
		uint64_t bytes;
		uint32_t offset[3], stride[3];
	} cases[] = {
		{IPC_NV12, 640, 480, 460800, {0, 307200}, {640, 640}},
		{IPC_NV21, 5, 3, 15 + 12, {0, 15}, {5, 6}},
		{IPC_I420, 5, 3, 15 + 6 + 6, {0, 15, 21}, {5, 3, 3}},
		{IPC_YUYV, 5, 2, 24, {0}, {12}},
		{IPC_RGB, 7, 2, 42, {0}, {21}},
		{IPC_BGR, 1, 1, 3, {0}, {3}},
		{IPC_RGBA, 3, 2, 24, {0}, {12}},
		{IPC_BGRA, 16384, 16384, 1ull << 30, {0}, {65536}},
		{IPC_GRAY8, 9, 9, 81, {0}, {9}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_frame frame = {
			.format = cases[i].format, .width = cases[i].width, .height = cases[i].height};

		cr_assert_eq(ipc_frame_pack(&frame), cases[i].bytes);
		cr_assert_arr_eq(frame.offset, cases[i].offset, sizeof(frame.offset));
		cr_assert_arr_eq(frame.stride, cases[i].stride, sizeof(frame.stride));
		cr_assert_eq(ipc_frame_check(&frame, (uint32_t)cases[i].bytes, NULL), 0);
		cr_assert_eq(ipc_frame_check(&frame, (uint32_t)cases[i].bytes - 1, NULL), -ERANGE);
	}
}

Test(frame, last_row_needs_no_padding)
{
	struct ipc_frame frame = {.format = IPC_GRAY8, .width = 10, .height = 3, .stride = {100}};

	cr_assert_eq(ipc_frame_check(&frame, 210, NULL), 0);
	cr_assert_eq(ipc_frame_check(&frame, 209, NULL), -ERANGE);
}

Test(frame, impossible_geometry_is_refused_with_its_cause)
{
	static const struct {
		struct ipc_frame frame;
		const char *reason;
	} cases[] = {
		{{.format = IPC_RGB, .width = 0, .height = 1, .stride = {3}},
		 "width and height must be within 1..16384"},
		{{.format = IPC_RGB, .width = 1, .height = 0, .stride = {3}},
		 "width and height must be within 1..16384"},
		{{.format = IPC_RGB, .width = 16385, .height = 1, .stride = {UINT32_MAX}},
		 "width and height must be within 1..16384"},
		{{.format = IPC_RGB, .width = UINT32_MAX, .height = UINT32_MAX, .stride = {UINT32_MAX}},
		 "width and height must be within 1..16384"},
		{{.format = IPC_RGB, .width = 2, .height = 1, .stride = {5}}, "a stride is shorter than a row"},
		{{.format = IPC_NV12, .width = 3, .height = 2, .stride = {3, 3}}, "a stride is shorter than a row"},
		{{.format = IPC_GRAY8, .width = 1, .height = 16384, .stride = {UINT32_MAX}},
		 "a plane reaches beyond its slot"},
		{{.format = IPC_GRAY8, .width = 1, .height = 1, .offset = {UINT32_MAX}, .stride = {1}},
		 "a plane reaches beyond its slot"},
		/* Sums that would be small again in 32 bits. */
		{{.format = IPC_GRAY8, .width = 16, .height = 2, .offset = {UINT32_MAX - 7}, .stride = {16}},
		 "a plane reaches beyond its slot"},
		{{.format = IPC_GRAY8, .width = 16, .height = 16384, .stride = {1u << 18 | 4}},
		 "a plane reaches beyond its slot"},
		{{.format = IPC_I420, .width = 2, .height = 2, .offset = {0, 4, UINT32_MAX}, .stride = {2, 1, 1}},
		 "a plane reaches beyond its slot"},
		{{.format = IPC_FORMAT_COUNT, .width = 1, .height = 1, .stride = {9}}, "unknown pixel format"},
		{{.format = IPC_JPEG, .bytes = 0}, "the JPEG has no bytes"},
		{{.format = IPC_JPEG, .bytes = 4097}, "the JPEG reaches beyond its slot"},
		{{.format = IPC_JPEG, .bytes = 1, .offset = {4096}}, "the JPEG reaches beyond its slot"},
		{{.format = IPC_JPEG, .bytes = UINT32_MAX, .offset = {UINT32_MAX}}, "the JPEG reaches beyond its slot"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *reason = "";

		cr_assert_eq(ipc_frame_check(&cases[i].frame, 4096, &reason), -ERANGE, "case %zu", i);
		cr_assert_str_eq(reason, cases[i].reason);
	}
}

Test(frame, jpeg_may_fill_its_slot)
{
	struct ipc_frame frame = {.format = IPC_JPEG, .bytes = 4000, .offset = {96}};

	cr_assert_eq(ipc_frame_check(&frame, 4096, NULL), 0);
}

Test(frame, packing_what_cannot_be_changes_nothing)
{
	struct ipc_frame frames[] = {
		{.format = IPC_RGB, .width = 0, .height = 5},
		{.format = IPC_RGB, .width = 5, .height = 16385},
		{.format = IPC_JPEG, .width = 5, .height = 5},
		{.format = IPC_GRAY8, .width = 5, .height = 5, .offset = {UINT32_MAX - 24}},
	};

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct ipc_frame before = frames[i];

		cr_assert_eq(ipc_frame_pack(&frames[i]), 0);
		cr_assert_arr_eq(&frames[i], &before, sizeof(before));
	}
}

/* Whatever is accepted lies inside, by an arithmetic that cannot overflow. */
Test(frame, accepted_geometry_lies_inside)
{
	unsigned accepted = 0;

	for (unsigned n = 0; n < 200000; n++) {
		uint32_t slot_bytes = (uint32_t)test_random_range(1, 1 << 20);
		struct ipc_frame frame = {
			.format = (enum ipc_format)test_random_range(0, IPC_FORMAT_COUNT - 1),
			.width = (uint32_t)test_random_range(0, 600),
			.height = (uint32_t)test_random_range(0, 600),
		};

		for (unsigned p = 0; p < 3; p++) {
			frame.offset[p] =
				test_random() % 8 ? (uint32_t)test_random_range(0, 1 << 20) : (uint32_t)test_random();
			frame.stride[p] =
				test_random() % 8 ? (uint32_t)test_random_range(0, 2400) : (uint32_t)test_random();
		}
		frame.bytes = (uint32_t)test_random_range(0, 1 << 21);
		if (ipc_frame_check(&frame, slot_bytes, NULL) < 0)
			continue;
		accepted++;
		if (frame.format == IPC_JPEG) {
			cr_assert_leq((double)frame.offset[0] + frame.bytes, slot_bytes);
		} else {
			double end =
				(double)frame.offset[0] + (double)frame.stride[0] * (frame.height - 1) + frame.width;

			cr_assert_leq(end, slot_bytes);
		}
	}
	cr_assert_gt(accepted, 1000, "too few cases were accepted to mean anything");
}

Test(frame, movement_of_the_camera_has_limits)
{
	struct ipc_frame frame = {.format = IPC_GRAY8, .width = 1, .height = 1, .stride = {1}};
	const char *reason = "";

	frame.angular_speed = IPC_ANGULAR_SPEED_MAX;
	frame.exposure_us = IPC_EXPOSURE_US_MAX;
	cr_assert_eq(ipc_frame_check(&frame, 1, NULL), 0);
	frame.exposure_us++;
	cr_assert_eq(ipc_frame_check(&frame, 1, &reason), -ERANGE);
	cr_assert_str_eq(reason, "the exposure is longer than 10 s");
	frame.exposure_us = 0;
	for (size_t i = 0; i < 4; i++) {
		frame.angular_speed = (const float[]){-1, 100.1f, NAN, INFINITY}[i];
		cr_assert_eq(ipc_frame_check(&frame, 1, &reason), -ERANGE);
		cr_assert_str_eq(reason, "the angular speed is not within 0..100 rad/s");
	}
}
