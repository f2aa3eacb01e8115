/*
 * test_camera.c - cameras behind camera.h, with a driver made here: what it may answer, and what it must not.  And the
 * real one where there is one.
 */
#include <errno.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client-lib/inferctl/camera.h"
#include "client-lib/inferctl/camera_format.h"
#include "client-lib/inferctl/source.h"
#include "client-lib/inferd.h"
#include "support/test.h"

TEST_SUITE(camera);

/* ---- a driver ------------------------------------------------------------------------------------- */

#define BUFFERS	     4
#define BUFFER_BYTES 4096
#define WIDTH	     32
#define HEIGHT	     24
#define STEPS_MAX    40

/* What a request for a frame is answered with. */
struct step {
	int error; /* 0: a frame */
	uint32_t bytes_used, flags, sequence;
};

struct driver {
	uint32_t formats[2];	       /* 0: none */
	uint32_t sizes[4][2];	       /* of each format; 0: none are listed */
	struct v4l2_pix_format forced; /* set where not 0, whatever was asked for */
	uint32_t buffer_bytes, wrong_index;
	unsigned long failing; /* request that fails ... */
	int failure, failures; /* ... with this, so often */
	struct step steps[STEPS_MAX];
	int n_steps, at;

	struct v4l2_pix_format pix;
	uint32_t fps;
	bool opened, streaming, queued[BUFFERS];
	int n_mapped;
	uint8_t memory[BUFFERS][BUFFER_BYTES];
};

static int driver_open(void *user, const char *path)
{
	struct driver *driver = user;

	if (!strcmp(path, "/dev/none"))
		return -ENOENT;
	driver->opened = true;
	return eventfd(1, EFD_CLOEXEC); /* always readable */
}

static void driver_close(void *user, int fd)
{
	struct driver *driver = user;

	driver->opened = false;
	close(fd);
}

static int driver_map(void *user, int fd, size_t length, uint32_t offset, void **ret_memory)
{
	struct driver *driver = user;

	(void)fd;
	cr_assert_leq(length, (size_t)BUFFER_BYTES);
	driver->n_mapped++;
	*ret_memory = driver->memory[offset];
	return 0;
}

static void driver_unmap(void *user, void *memory, size_t length)
{
	struct driver *driver = user;

	(void)memory;
	(void)length;
	driver->n_mapped--;
}

static int list_format(const struct driver *driver, struct v4l2_fmtdesc *entry)
{
	if (entry->index >= 2 || !driver->formats[entry->index])
		return -EINVAL;
	entry->pixelformat = driver->formats[entry->index];
	return 0;
}

static int list_size(const struct driver *driver, struct v4l2_frmsizeenum *entry)
{
	if (entry->index >= 4 || !driver->sizes[entry->index][0])
		return -EINVAL;
	entry->type = V4L2_FRMSIZE_TYPE_DISCRETE;
	entry->discrete.width = driver->sizes[entry->index][0];
	entry->discrete.height = driver->sizes[entry->index][1];
	return 0;
}

static int set_format(struct driver *driver, struct v4l2_format *format)
{
	struct v4l2_pix_format *pix = &format->fmt.pix;

	if (driver->forced.width)
		pix->width = driver->forced.width;
	if (driver->forced.height)
		pix->height = driver->forced.height;
	if (driver->forced.bytesperline)
		pix->bytesperline = driver->forced.bytesperline;
	if (driver->forced.pixelformat)
		pix->pixelformat = driver->forced.pixelformat;
	if (driver->forced.field)
		pix->field = driver->forced.field;
	driver->pix = *pix;
	return 0;
}

static int set_rate(struct driver *driver, struct v4l2_streamparm *parameters, bool change)
{
	struct v4l2_fract *period = &parameters->parm.capture.timeperframe;

	if (change)
		driver->fps = period->denominator / period->numerator;
	*period = (struct v4l2_fract){1, driver->fps};
	return 0;
}

static int queue(struct driver *driver, const struct v4l2_buffer *buffer)
{
	cr_assert_lt(buffer->index, (uint32_t)BUFFERS);
	cr_assert(!driver->queued[buffer->index], "buffer %u was given back twice", buffer->index);
	driver->queued[buffer->index] = true;
	return 0;
}

static int dequeue(struct driver *driver, struct v4l2_buffer *buffer)
{
	const struct step *step = &driver->steps[driver->at];
	uint32_t index = 0;

	if (driver->at == driver->n_steps)
		return -EAGAIN;
	driver->at++;
	if (step->error)
		return step->error;
	while (index < BUFFERS && !driver->queued[index])
		index++;
	cr_assert_lt(index, (uint32_t)BUFFERS, "no buffer came back");
	driver->queued[index] = false;
	buffer->index = driver->wrong_index ? driver->wrong_index : index;
	buffer->bytesused = step->bytes_used;
	buffer->flags = step->flags;
	buffer->sequence = step->sequence;
	return 0;
}

static int answer(struct driver *driver, unsigned long request, void *argument)
{
	switch (request) {
	case VIDIOC_QUERYCAP:
		((struct v4l2_capability *)argument)->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
		return 0;
	case VIDIOC_ENUM_FMT:
		return list_format(driver, argument);
	case VIDIOC_ENUM_FRAMESIZES:
		return list_size(driver, argument);
	case VIDIOC_G_FMT:
		((struct v4l2_format *)argument)->fmt.pix = driver->pix;
		return 0;
	case VIDIOC_S_FMT:
		return set_format(driver, argument);
	case VIDIOC_G_PARM:
		return set_rate(driver, argument, false);
	case VIDIOC_S_PARM:
		return set_rate(driver, argument, true);
	case VIDIOC_REQBUFS:
		((struct v4l2_requestbuffers *)argument)->count = BUFFERS;
		return 0;
	case VIDIOC_QUERYBUF:
		((struct v4l2_buffer *)argument)->length = driver->buffer_bytes;
		((struct v4l2_buffer *)argument)->m.offset = ((struct v4l2_buffer *)argument)->index;
		return 0;
	case VIDIOC_QBUF:
		return queue(driver, argument);
	case VIDIOC_DQBUF:
		return dequeue(driver, argument);
	case VIDIOC_STREAMON:
	case VIDIOC_STREAMOFF:
		driver->streaming = request == VIDIOC_STREAMON;
		return 0;
	default:
		return -ENOTTY;
	}
}

static int driver_ioctl(void *user, int fd, unsigned long request, void *argument)
{
	struct driver *driver = user;

	(void)fd;
	if (request == driver->failing && driver->failures > 0) {
		driver->failures--;
		return driver->failure;
	}
	return answer(driver, request, argument);
}

/* ---- and the camera on it -------------------------------------------------------------------------- */

static struct driver gray_driver(void)
{
	return (struct driver){
		.formats = {V4L2_PIX_FMT_GREY},
		.pix = {.width = WIDTH, .height = HEIGHT},
		.fps = 30,
		.buffer_bytes = BUFFER_BYTES,
	};
}

static void add_step(struct driver *driver, struct step step)
{
	cr_assert_lt(driver->n_steps, STEPS_MAX);
	driver->steps[driver->n_steps++] = step;
}

/* A whole gray frame, and nothing more for the moment. */
static void add_frame(struct driver *driver, uint32_t sequence)
{
	add_step(driver, (struct step){.bytes_used = WIDTH * HEIGHT, .sequence = sequence});
	add_step(driver, (struct step){.error = -EAGAIN});
}

static struct source_error error;

static int open_camera(struct driver *driver, struct source_options options, struct source **ret_source)
{
	struct camera_ops ops = {.open = driver_open,
				 .ioctl = driver_ioctl,
				 .map = driver_map,
				 .unmap = driver_unmap,
				 .close = driver_close,
				 .user = driver};
	static struct camera_ops kept; /* borrowed for as long as the camera is open */

	kept = ops;
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
	struct driver driver = gray_driver();
	struct source *source;

	cr_assert_eq(open_camera(&driver, (struct source_options){.fps = 15}, &source), 0, "%s", error.text);
	cr_assert(source_is_live(source));
	cr_assert_float_eq(source_fps(source), 15, 1e-9);
	cr_assert_geq(source_fd(source), 0);
	close_camera(&driver, source);
}

Test(camera, takes_the_smallest_size_that_is_large_enough)
{
	struct driver driver = gray_driver();
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
	struct driver driver = gray_driver();
	struct source_options options = {.width = 640, .height = 480};
	struct source_frame frame;
	struct source *source;

	driver.forced = (struct v4l2_pix_format){.width = 20, .height = 10, .bytesperline = 24};
	add_step(&driver, (struct step){.bytes_used = 240});
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
	struct driver driver = gray_driver();

	driver.forced.pixelformat = V4L2_PIX_FMT_H264;
	expect_refused(&driver, -ENOTSUP, "no format of the camera can be used; it has GREY");
	driver = gray_driver();
	driver.formats[0] = V4L2_PIX_FMT_H264;
	expect_refused(&driver, -ENOTSUP, "no format of the camera can be used; it has H264");
	driver.formats[0] = 0;
	expect_refused(&driver, -ENOTSUP, "it has none");
}

Test(camera, sizes_that_cannot_be_are_refused)
{
	static const struct v4l2_pix_format impossible[] = {{.width = 100000},
							    {.width = 16384, .height = 16384},
							    {.bytesperline = WIDTH - 1},
							    {.bytesperline = UINT32_MAX},
							    {.field = V4L2_FIELD_ALTERNATE}};
	struct driver driver;

	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
		driver = gray_driver();
		driver.forced = impossible[i];
		expect_refused(&driver, -ENOTSUP, "no format of the camera can be used");
	}
	driver = gray_driver();
	driver.pix.width = 0;
	expect_refused(&driver, -ENOTSUP, "no format of the camera can be used");
	driver = gray_driver();
	driver.buffer_bytes = WIDTH * HEIGHT - 1;
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
		struct driver driver = gray_driver();

		driver.failing = cases[i].request;
		driver.failure = cases[i].failure;
		driver.failures = 1;
		expect_refused(&driver, cases[i].failure, cases[i].cause);
	}
}

Test(camera, that_is_not_there_or_cannot_begin_anew_is_refused)
{
	struct driver driver = gray_driver();
	struct camera_ops ops = {.open = driver_open, .user = &driver};
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
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);
	struct source_frame frame = {0};

	cr_assert_eq(source_try(source, &error, &frame), -EAGAIN);
	for (uint32_t i = 0; i < 3 * BUFFERS; i++) {
		add_frame(&driver, i);
		frame = expect_frame(source, i);
		cr_assert(frame.width == WIDTH && frame.height == HEIGHT && frame.bytes == WIDTH * HEIGHT);
		cr_assert_eq(frame.missed, 0u);
		cr_assert_str_eq(frame.file, "/dev/made");
	}
	cr_assert_eq(source_try(source, &error, &frame), -EAGAIN);
	close_camera(&driver, source);
}

Test(camera, waits_until_there_is_one)
{
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);
	struct source_frame frame;

	add_step(&driver, (struct step){.error = -EAGAIN});
	add_step(&driver, (struct step){.error = -EAGAIN});
	add_frame(&driver, 0);
	cr_assert_eq(source_next(source, &error, &frame), 0, "%s", error.text);
	close_camera(&driver, source);
}

Test(camera, the_newest_counts_and_the_others_are_missed)
{
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);

	add_frame(&driver, 5);
	cr_assert_eq(expect_frame(source, 0).missed, 0u, "the first, whatever its number");
	for (uint32_t sequence = 7; sequence <= 8; sequence++)
		add_step(&driver, (struct step){.bytes_used = WIDTH * HEIGHT, .sequence = sequence});
	add_step(&driver, (struct step){.error = -EAGAIN});
	/* 6 was dropped by the driver, 7 was passed over. */
	cr_assert_eq(expect_frame(source, 1).missed, 2u);
	/* It begins to count anew. */
	add_frame(&driver, 0);
	cr_assert_eq(expect_frame(source, 2).missed, 0u);
	close_camera(&driver, source);
}

Test(camera, signals_are_waited_out)
{
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);

	driver.failing = VIDIOC_DQBUF;
	driver.failure = -EINTR;
	driver.failures = 3;
	add_frame(&driver, 0);
	expect_frame(source, 0);
	cr_assert_eq(driver.failures, 0);
	close_camera(&driver, source);
}

Test(camera, frames_of_no_use_are_broken_and_the_next_may_be_whole)
{
	static const struct {
		struct step step;
		const char *cause;
	} cases[] = {
		{{.bytes_used = WIDTH * HEIGHT, .flags = V4L2_BUF_FLAG_ERROR}, "the driver marked it as damaged"},
		{{.bytes_used = WIDTH * HEIGHT - 1}, "it is shorter than a frame"},
		{{.bytes_used = BUFFER_BYTES + 1}, "it says that it is larger than its buffer"},
		{{.error = -EIO}, "was lost between camera and driver"},
	};
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		add_step(&driver, cases[i].step);
		if (!cases[i].step.error)
			add_step(&driver, (struct step){.error = -EAGAIN});
		expect_failure(source, SOURCE_E_BROKEN, cases[i].cause);
		add_frame(&driver, i);
		expect_frame(source, 2 * i + 1);
	}
	close_camera(&driver, source);
}

Test(camera, jpegs_are_as_long_as_the_driver_says)
{
	struct driver driver = gray_driver();
	struct source_frame frame;
	struct source *source;

	driver.formats[0] = V4L2_PIX_FMT_MJPEG;
	memcpy(driver.memory[0], "\xff\xd8\xff\xd9", 4);
	source = open_plain(&driver);
	add_step(&driver, (struct step){.bytes_used = 4});
	add_step(&driver, (struct step){.error = -EAGAIN});
	frame = expect_frame(source, 0);
	cr_assert_eq(frame.format, (int)INFERD_JPEG);
	cr_assert_eq(frame.bytes, (size_t)4);
	driver.memory[0][0] = 0;
	add_step(&driver, (struct step){.bytes_used = 4});
	add_step(&driver, (struct step){.error = -EAGAIN});
	expect_failure(source, SOURCE_E_BROKEN, "it is not a JPEG");
	add_step(&driver, (struct step){.bytes_used = 0});
	add_step(&driver, (struct step){.error = -EAGAIN});
	expect_failure(source, SOURCE_E_BROKEN, "it is shorter than a frame");
	close_camera(&driver, source);
}

Test(camera, many_errors_one_behind_the_other_end_it)
{
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);
	struct source_frame frame;

	for (int i = 0; i < 10; i++)
		add_step(&driver, (struct step){.error = -EIO});
	for (int i = 0; i < 9; i++)
		expect_failure(source, SOURCE_E_BROKEN, "was lost");
	expect_failure(source, -EIO, "gives no frames any more");
	cr_assert_eq(source_try(source, &error, &frame), SOURCE_E_END);
	close_camera(&driver, source);
}

Test(camera, that_is_pulled_out_says_so)
{
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);
	struct source_frame frame;

	add_frame(&driver, 0);
	add_step(&driver, (struct step){.error = -ENODEV});
	expect_frame(source, 0);
	expect_failure(source, -ENODEV, "/dev/made: the camera is gone");
	cr_assert_eq(source_try(source, &error, &frame), SOURCE_E_END);
	close_camera(&driver, source);
}

Test(camera, that_does_not_take_its_buffer_back_ends)
{
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);

	add_frame(&driver, 0);
	expect_frame(source, 0);
	driver.failing = VIDIOC_QBUF;
	driver.failure = -ENODEV;
	driver.failures = 1;
	expect_failure(source, -ENODEV, "the camera is gone");
	close_camera(&driver, source);
}

Test(camera, buffers_that_do_not_exist_end_it)
{
	struct driver driver = gray_driver();
	struct source *source = open_plain(&driver);

	driver.wrong_index = BUFFERS;
	add_frame(&driver, 0);
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
