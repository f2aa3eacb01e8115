/*
 * test_camera.c - cameras behind camera.h, with a driver made here: what it may answer, and what it must not.  And the
 * real one where there is one.
 */
#include <errno.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client-lib/inferctl/camera_format.h"
#include "client-lib/inferctl/source.h"
#include "client-lib/inferd.h"
#include "made_camera.h"
#include "support/test.h"

TEST_SUITE(camera);

/* ---- and the camera on it -------------------------------------------------------------------------- */

static struct source_error error;

static int open_camera(struct driver *driver, struct source_options options, struct source **ret_source)
{
	static struct camera_ops kept; /* borrowed for as long as the camera is open */

	kept = driver_ops(driver);
	options.camera = &kept;
	return source_open_with("/dev/made", &options, &error, ret_source);
}

static struct source *open_plain(struct driver *driver)
{
	struct source *source;

	cr_assert_eq(open_camera(driver, (struct source_options){0}, &source), 0, "%s", error.text);
	return source;
}

static void expect_let_go(const struct driver *driver)
{
	cr_assert(!driver->opened && !driver->streaming && driver->n_mapped == 0, "opened %d, streaming %d, mapped %d",
		  driver->opened, driver->streaming, driver->n_mapped);
}

static void close_camera(const struct driver *driver, struct source *source)
{
	source_close(source);
	expect_let_go(driver);
}

static void expect_refused(struct driver *driver, int code, const char *cause)
{
	struct source *source = NULL;

	cr_assert_eq(open_camera(driver, (struct source_options){0}, &source), code, "%s", error.text);
	cr_assert_null(source);
	cr_assert_eq(strncmp(error.text, "/dev/made: ", 11), 0, "%s", error.text);
	cr_assert_not_null(strstr(error.text, cause), "\"%s\" does not say \"%s\"", error.text, cause);
	expect_let_go(driver);
}

/* The next call's result, and what it says. */
static void expect_failure(struct source *source, int code, const char *cause)
{
	struct source_frame frame;

	cr_assert_eq(source_try(source, &error, &frame), code, "%s", error.text);
	cr_assert_not_null(strstr(error.text, cause), "\"%s\" does not say \"%s\"", error.text, cause);
}

static struct source_frame expect_frame(struct source *source, uint32_t number)
{
	struct source_frame frame = {0};

	cr_assert_eq(source_try(source, &error, &frame), 0, "%s", error.text);
	cr_assert_eq(frame.number, number);
	return frame;
}

/* ---- setting up ------------------------------------------------------------------------------------ */

Test(camera, says_what_it_gives)
{
	struct driver driver = driver_gray();
	struct source *source;

	cr_assert_eq(open_camera(&driver, (struct source_options){.fps = 15}, &source), 0, "%s", error.text);
	cr_assert(source_is_live(source));
	cr_assert_float_eq(source_fps(source), 15, 1e-9);
	cr_assert_geq(source_fd(source), 0);
	close_camera(&driver, source);
}

Test(camera, takes_the_smallest_size_that_is_large_enough)
{
	struct driver driver = driver_gray();
	struct source_options options = {.width = 30, .height = 20, .at_least = true};
	struct source *source;

	memcpy(driver.sizes, (uint32_t[4][2]){{64, 48}, {16, 12}, {40, 30}, {320, 10}}, sizeof(driver.sizes));
	cr_assert_eq(open_camera(&driver, options, &source), 0, "%s", error.text);
	cr_assert_eq(driver.pix.width, 40u);
	cr_assert_eq(driver.pix.height, 30u);
	close_camera(&driver, source);
}

Test(camera, frames_are_of_the_size_that_the_driver_chose)
{
	struct driver driver = driver_gray();
	struct source_options options = {.width = 640, .height = 480};
	struct source_frame frame;
	struct source *source;

	driver.forced = (struct v4l2_pix_format){.width = 20, .height = 10, .bytesperline = 24};
	driver_add_step(&driver, (struct driver_step){.bytes_used = 240});
	cr_assert_eq(open_camera(&driver, options, &source), 0, "%s", error.text);
	frame = expect_frame(source, 0);
	cr_assert(frame.width == 20 && frame.height == 10 && frame.stride[0] == 24 && frame.bytes == 240);
	cr_assert_eq(frame.format, (int)INFERD_GRAY8);
	close_camera(&driver, source);
}

Test(camera, small_pictures_come_raw_and_large_ones_as_jpegs)
{
	uint32_t offered[] = {V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_H264, V4L2_PIX_FMT_YUYV}, order[CAMERA_FORMATS_MAX];

	cr_assert_eq(camera_format_order(offered, 3, 320, 240, order), 2);
	cr_assert_eq(order[0], V4L2_PIX_FMT_YUYV);
	cr_assert_eq(camera_format_order(offered, 3, 1280, 720, order), 2);
	cr_assert_eq(order[0], V4L2_PIX_FMT_MJPEG);
}

Test(camera, another_format_than_asked_for_is_passed_over)
{
	struct driver driver = driver_gray();

	driver.forced.pixelformat = V4L2_PIX_FMT_H264;
	expect_refused(&driver, -ENOTSUP, "no format of the camera can be used; it has GREY");
	driver = driver_gray();
	driver.formats[0] = V4L2_PIX_FMT_H264;
	expect_refused(&driver, -ENOTSUP, "no format of the camera can be used; it has H264");
	driver.formats[0] = 0;
	expect_refused(&driver, -ENOTSUP, "it has none");
}

Test(camera, sizes_that_cannot_be_are_refused)
{
	static const struct v4l2_pix_format impossible[] = {{.width = 100000},
							    {.width = 16384, .height = 16384},
							    {.bytesperline = DRIVER_WIDTH - 1},
							    {.bytesperline = UINT32_MAX},
							    {.field = V4L2_FIELD_ALTERNATE}};
	struct driver driver;

	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
		driver = driver_gray();
		driver.forced = impossible[i];
		expect_refused(&driver, -ENOTSUP, "no format of the camera can be used");
	}
	driver = driver_gray();
	driver.pix.width = 0;
	expect_refused(&driver, -ENOTSUP, "no format of the camera can be used");
	driver = driver_gray();
	driver.buffer_bytes = DRIVER_WIDTH * DRIVER_HEIGHT - 1;
	expect_refused(&driver, -EPROTO, "its buffers are of 767 bytes, a frame of 768");
	driver.buffer_bytes = UINT32_MAX;
	expect_refused(&driver, -EPROTO, "its buffers are of 4294967295 bytes");
}

/* What the calls of the beginning may fail with. */
Test(camera, failures_of_the_beginning_are_named)
{
	static const struct {
		unsigned long request;
		int failure;
		const char *cause;
	} cases[] = {
		{VIDIOC_QUERYCAP, -ENOTTY, "not a camera"},
		{VIDIOC_S_FMT, -EBUSY, "in use by another program"},
		{VIDIOC_S_FMT, -EIO, "its format cannot be set"},
		{VIDIOC_REQBUFS, -EBUSY, "in use by another program"},
		{VIDIOC_QUERYBUF, -EINVAL, "does not describe its buffers"},
		{VIDIOC_QBUF, -EIO, "does not take a buffer"},
		{VIDIOC_STREAMON, -ENOSPC, "its bus has no room"},
		{VIDIOC_STREAMON, -ENODEV, "the camera is gone"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct driver driver = driver_gray();

		driver.failing = cases[i].request;
		driver.failure = cases[i].failure;
		driver.failures = 1;
		expect_refused(&driver, cases[i].failure, cases[i].cause);
	}
}

Test(camera, that_is_not_there_or_cannot_begin_anew_is_refused)
{
	struct driver driver = driver_gray();
	struct camera_ops ops = driver_ops(&driver);
	struct source_options options = {.camera = &ops};
	struct source *source = NULL;

	cr_assert_eq(source_open_with("/dev/none", &options, &error, &source), -ENOENT);
	cr_assert_str_eq(error.text, "/dev/none: there is no such camera");
	cr_assert_eq(open_camera(&driver, (struct source_options){.loop = true}, &source), -EINVAL);
	cr_assert_null(source);
	expect_let_go(&driver);
}

/* ---- frames ---------------------------------------------------------------------------------------- */

Test(camera, gives_frames_when_they_come)
{
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);
	struct source_frame frame = {0};

	cr_assert_eq(source_try(source, &error, &frame), -EAGAIN);
	for (uint32_t i = 0; i < 3 * DRIVER_BUFFERS; i++) {
		driver_add_frame(&driver, i);
		frame = expect_frame(source, i);
		cr_assert(frame.width == DRIVER_WIDTH && frame.height == DRIVER_HEIGHT &&
			  frame.bytes == DRIVER_WIDTH * DRIVER_HEIGHT);
		cr_assert_eq(frame.missed, 0u);
		cr_assert_str_eq(frame.file, "/dev/made");
	}
	cr_assert_eq(source_try(source, &error, &frame), -EAGAIN);
	close_camera(&driver, source);
}

Test(camera, waits_until_there_is_one)
{
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);
	struct source_frame frame;

	driver_add_step(&driver, (struct driver_step){.error = -EAGAIN});
	driver_add_step(&driver, (struct driver_step){.error = -EAGAIN});
	driver_add_frame(&driver, 0);
	cr_assert_eq(source_next(source, &error, &frame), 0, "%s", error.text);
	close_camera(&driver, source);
}

Test(camera, the_newest_counts_and_the_others_are_missed)
{
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);

	driver_add_frame(&driver, 5);
	cr_assert_eq(expect_frame(source, 0).missed, 0u, "the first, whatever its number");
	for (uint32_t sequence = 7; sequence <= 8; sequence++)
		driver_add_step(&driver,
				(struct driver_step){.bytes_used = DRIVER_WIDTH * DRIVER_HEIGHT, .sequence = sequence});
	driver_add_step(&driver, (struct driver_step){.error = -EAGAIN});
	/* 6 was dropped by the driver, 7 was passed over. */
	cr_assert_eq(expect_frame(source, 1).missed, 2u);
	/* It begins to count anew. */
	driver_add_frame(&driver, 0);
	cr_assert_eq(expect_frame(source, 2).missed, 0u);
	close_camera(&driver, source);
}

Test(camera, signals_are_waited_out)
{
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);

	driver.failing = VIDIOC_DQBUF;
	driver.failure = -EINTR;
	driver.failures = 3;
	driver_add_frame(&driver, 0);
	expect_frame(source, 0);
	cr_assert_eq(driver.failures, 0);
	close_camera(&driver, source);
}

Test(camera, frames_of_no_use_are_broken_and_the_next_may_be_whole)
{
	static const struct {
		struct driver_step step;
		const char *cause;
	} cases[] = {
		{{.bytes_used = DRIVER_WIDTH * DRIVER_HEIGHT, .flags = V4L2_BUF_FLAG_ERROR},
		 "the driver marked it as damaged"},
		{{.bytes_used = DRIVER_WIDTH * DRIVER_HEIGHT - 1}, "it is shorter than a frame"},
		{{.bytes_used = DRIVER_BUFFER_BYTES + 1}, "it says that it is larger than its buffer"},
		{{.error = -EIO}, "was lost between camera and driver"},
	};
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		driver_add_step(&driver, cases[i].step);
		if (!cases[i].step.error)
			driver_add_step(&driver, (struct driver_step){.error = -EAGAIN});
		expect_failure(source, SOURCE_E_BROKEN, cases[i].cause);
		driver_add_frame(&driver, i);
		expect_frame(source, 2 * i + 1);
	}
	close_camera(&driver, source);
}

Test(camera, jpegs_are_as_long_as_the_driver_says)
{
	struct driver driver = driver_gray();
	struct source_frame frame;
	struct source *source;

	driver.formats[0] = V4L2_PIX_FMT_MJPEG;
	memcpy(driver.memory[0], "\xff\xd8\xff\xd9", 4);
	source = open_plain(&driver);
	driver_add_step(&driver, (struct driver_step){.bytes_used = 4});
	driver_add_step(&driver, (struct driver_step){.error = -EAGAIN});
	frame = expect_frame(source, 0);
	cr_assert_eq(frame.format, (int)INFERD_JPEG);
	cr_assert_eq(frame.bytes, (size_t)4);
	driver.memory[0][0] = 0;
	driver_add_step(&driver, (struct driver_step){.bytes_used = 4});
	driver_add_step(&driver, (struct driver_step){.error = -EAGAIN});
	expect_failure(source, SOURCE_E_BROKEN, "it is not a JPEG");
	driver_add_step(&driver, (struct driver_step){.bytes_used = 0});
	driver_add_step(&driver, (struct driver_step){.error = -EAGAIN});
	expect_failure(source, SOURCE_E_BROKEN, "it is shorter than a frame");
	close_camera(&driver, source);
}

Test(camera, many_errors_one_behind_the_other_end_it)
{
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);
	struct source_frame frame;

	for (int i = 0; i < 10; i++)
		driver_add_step(&driver, (struct driver_step){.error = -EIO});
	for (int i = 0; i < 9; i++)
		expect_failure(source, SOURCE_E_BROKEN, "was lost");
	expect_failure(source, -EIO, "gives no frames any more");
	cr_assert_eq(source_try(source, &error, &frame), SOURCE_E_END);
	close_camera(&driver, source);
}

Test(camera, that_is_pulled_out_says_so)
{
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);
	struct source_frame frame;

	driver_add_frame(&driver, 0);
	driver_add_step(&driver, (struct driver_step){.error = -ENODEV});
	expect_frame(source, 0);
	expect_failure(source, -ENODEV, "/dev/made: the camera is gone");
	cr_assert_eq(source_try(source, &error, &frame), SOURCE_E_END);
	close_camera(&driver, source);
}

Test(camera, that_does_not_take_its_buffer_back_ends)
{
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);

	driver_add_frame(&driver, 0);
	expect_frame(source, 0);
	driver.failing = VIDIOC_QBUF;
	driver.failure = -ENODEV;
	driver.failures = 1;
	expect_failure(source, -ENODEV, "the camera is gone");
	close_camera(&driver, source);
}

Test(camera, buffers_that_do_not_exist_end_it)
{
	struct driver driver = driver_gray();
	struct source *source = open_plain(&driver);

	driver.wrong_index = DRIVER_BUFFERS;
	driver_add_frame(&driver, 0);
	expect_failure(source, -EPROTO, "the driver gave buffer 4 of 4");
	close_camera(&driver, source);
}

/* ---- the real one ---------------------------------------------------------------------------------- */

Test(camera, of_this_machine_gives_a_frame)
{
	struct source_frame frame;
	struct source *source;

	if (access("/dev/video0", R_OK | W_OK) != 0)
		cr_skip_test("no camera at /dev/video0");
	cr_assert_eq(source_open("/dev/video0", &error, &source), 0, "%s", error.text);
	cr_assert_eq(source_next(source, &error, &frame), 0, "%s", error.text);
	cr_assert(frame.width && frame.height && frame.bytes);
	source_close(source);
}
