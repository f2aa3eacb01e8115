/*
 * camera_setup.c - sets a camera up: device, format, size, rate, buffers.  See source_v4l2.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "camera_format.h"
#include "source_v4l2.h"

/*
 * One is being filled, one waits to be, and the others are with us or the daemon: run, waiting to be run, about to take
 * that one's place, and one for a second lane.
 */
#define BUFFERS_ASKED	  6
#define BUFFER_BYTES_MAX  (128u << 20)
#define INTERRUPTIONS_MAX 100 /* of one call, before it is taken for an error */

int camera_control(const struct camera *camera, unsigned long request, void *argument)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < INTERRUPTIONS_MAX; i++)
		r = camera->ops->ioctl(camera->ops->user, camera->source.fd, request, argument);
	return r;
}

int camera_fail(const struct camera *camera, int error, const char *what, struct source_error *ret_error)
{
	const char *path = camera->source.path;

	if (error == -ENODEV)
		return source_fail(ret_error, error, path, "the camera is gone");
	if (error == -EBUSY)
		return source_fail(ret_error, error, path, "the camera is in use by another program");
	if (error == -ENOSPC)
		return source_fail(ret_error, error, path, "its bus has no room for this size and rate");
	return source_fail(ret_error, error, path, "%s: %s", what, strerror(-error));
}

/* ---- setting it up --------------------------------------------------------------------------------- */

static int open_device(struct camera *camera, struct source_error *ret_error)
{
	struct v4l2_capability capability = {0};
	uint32_t needed = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING, can;
	int r = camera->ops->open(camera->ops->user, camera->source.path);

	if (r == -ENOENT || r == -ENXIO)
		return source_fail(ret_error, r, camera->source.path, "there is no such camera");
	if (r < 0)
		return camera_fail(camera, r, "cannot be opened", ret_error);
	camera->source.fd = r;
	camera->opened = true;
	r = camera_control(camera, VIDIOC_QUERYCAP, &capability);
	if (r < 0)
		return r == -ENOTTY ? source_fail(ret_error, r, camera->source.path, "not a camera")
				    : camera_fail(camera, r, "does not say what it is", ret_error);
	can = capability.capabilities & V4L2_CAP_DEVICE_CAPS ? capability.device_caps : capability.capabilities;
	if ((can & needed) != needed)
		return source_fail(ret_error, -ENOTSUP, camera->source.path,
				   "not a camera that streams pictures of one plane");
	return 0;
}

static int list_formats(const struct camera *camera, uint32_t offered[CAMERA_FORMATS_MAX])
{
	int n = 0;

	while (n < CAMERA_FORMATS_MAX) {
		struct v4l2_fmtdesc entry = {.index = (uint32_t)n, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE};

		if (camera_control(camera, VIDIOC_ENUM_FMT, &entry) < 0)
			break;
		offered[n++] = entry.pixelformat;
	}
	return n;
}

/* The size to ask for: what is wanted, or the smallest that is large enough where the driver lists them. */
static void choose_size(const struct camera *camera, const struct source_options *options, uint32_t fourcc,
			uint32_t size[2])
{
	uint32_t best[2] = {0, 0};

	size[0] = options->width;
	size[1] = options->height;
	for (uint32_t i = 0; options->at_least && i < CAMERA_SIZES_MAX; i++) {
		struct v4l2_frmsizeenum entry = {.index = i, .pixel_format = fourcc};
		uint32_t found[2];

		if (camera_control(camera, VIDIOC_ENUM_FRAMESIZES, &entry) < 0)
			break;
		camera_size_of(&entry, options->width, options->height, &found[0], &found[1]);
		if (source_size_allowed(found[0], found[1]) &&
		    (!best[0] || camera_size_better(found, best, options->width, options->height)))
			memcpy(best, found, sizeof(best));
	}
	if (best[0])
		memcpy(size, best, sizeof(best));
}

/* 1: the format is set; 0: the driver wants another, or one that makes no sense. */
static int try_format(struct camera *camera, const struct source_options *options, uint32_t fourcc)
{
	struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
	uint32_t size[2];
	int r = camera_control(camera, VIDIOC_G_FMT, &format);

	if (r < 0)
		return r;
	if (options->width && options->height) {
		choose_size(camera, options, fourcc, size);
		format.fmt.pix.width = size[0];
		format.fmt.pix.height = size[1];
	}
	format.fmt.pix.pixelformat = fourcc;
	format.fmt.pix.field = V4L2_FIELD_NONE;
	format.fmt.pix.bytesperline = format.fmt.pix.sizeimage = 0;
	r = camera_control(camera, VIDIOC_S_FMT, &format);
	if (r == -EINVAL)
		return 0;
	if (r < 0)
		return r;
	return format.fmt.pix.pixelformat == fourcc &&
	       camera_format_layout(&format.fmt.pix, &camera->frame, &camera->frame_bytes);
}

static int fail_formats(const struct camera *camera, const uint32_t *offered, int n_offered,
			struct source_error *ret_error)
{
	char list[CAMERA_FORMATS_MAX * 5 + 1] = "";
	size_t length = 0;

	for (int i = 0; i < n_offered; i++)
		length += (size_t)snprintf(list + length, sizeof(list) - length, " %c%c%c%c", offered[i] & 0x7f,
					   offered[i] >> 8 & 0x7f, offered[i] >> 16 & 0x7f, offered[i] >> 24 & 0x7f);
	return source_fail(ret_error, -ENOTSUP, camera->source.path,
			   "no format of the camera can be used; it has%.150s", n_offered ? list : " none");
}

static int set_format(struct camera *camera, const struct source_options *options, struct source_error *ret_error)
{
	uint32_t offered[CAMERA_FORMATS_MAX], order[CAMERA_FORMATS_MAX];
	int n_offered = list_formats(camera, offered);
	int n = camera_format_order(offered, n_offered, options->width, options->height, order);

	for (int i = 0; i < n; i++) {
		int r = try_format(camera, options, order[i]);

		if (r < 0)
			return camera_fail(camera, r, "its format cannot be set", ret_error);
		if (r > 0)
			return 0;
	}
	return fail_formats(camera, offered, n_offered, ret_error);
}

/* Not all cameras have a rate to set. */
static void set_rate(struct camera *camera, double fps)
{
	struct v4l2_streamparm parameters = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
	struct v4l2_fract *period = &parameters.parm.capture.timeperframe;

	if (camera_control(camera, VIDIOC_G_PARM, &parameters) < 0)
		return;
	if (fps > 0) {
		period->numerator = 1000;
		period->denominator = (uint32_t)(fps * 1000 + 0.5);
		if (camera_control(camera, VIDIOC_S_PARM, &parameters) < 0)
			return;
	}
	if (period->numerator && period->denominator)
		camera->source.fps = (double)period->denominator / period->numerator;
}

struct v4l2_buffer camera_buffer(uint32_t index)
{
	return (struct v4l2_buffer){.index = index, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
}

static int map_buffer(struct camera *camera, uint32_t index, struct source_error *ret_error)
{
	struct v4l2_buffer buffer = camera_buffer(index);
	void *memory;
	int r = camera_control(camera, VIDIOC_QUERYBUF, &buffer);

	if (r < 0)
		return camera_fail(camera, r, "does not describe its buffers", ret_error);
	if (buffer.length < camera->frame_bytes || buffer.length > BUFFER_BYTES_MAX)
		return source_fail(ret_error, -EPROTO, camera->source.path,
				   "its buffers are of %u bytes, a frame of %zu", buffer.length, camera->frame_bytes);
	r = camera->ops->map(camera->ops->user, camera->source.fd, buffer.length, buffer.m.offset, &memory);
	if (r < 0)
		return camera_fail(camera, r, "its buffers cannot be mapped", ret_error);
	camera->buffers[index].memory = memory;
	camera->buffers[index].length = buffer.length;
	camera->n_buffers = index + 1;
	buffer = camera_buffer(index);
	r = camera_control(camera, VIDIOC_QBUF, &buffer);
	return r < 0 ? camera_fail(camera, r, "does not take a buffer", ret_error) : 0;
}

static void close_exported(struct camera *camera)
{
	while (camera->n_exported)
		close(camera->exported[--camera->n_exported]);
}

/* Where the driver cannot, or not all of them, or they are of different lengths, frames are copied. */
static void export_buffers(struct camera *camera)
{
	for (uint32_t i = 0; i < camera->n_buffers; i++) {
		struct v4l2_exportbuffer export = {
			.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .index = i, .flags = O_CLOEXEC | O_RDONLY, .fd = -1};

		if (camera->buffers[i].length != camera->buffers[0].length ||
		    camera_control(camera, VIDIOC_EXPBUF, &export) < 0 || export.fd < 0) {
			close_exported(camera);
			return;
		}
		camera->exported[camera->n_exported++] = export.fd;
	}
}

static int start(struct camera *camera, struct source_error *ret_error)
{
	struct v4l2_requestbuffers request = {
		.count = BUFFERS_ASKED, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE, r = camera_control(camera, VIDIOC_REQBUFS, &request);

	if (r < 0)
		return camera_fail(camera, r, "gives no buffers", ret_error);
	/* With one buffer it could fill none while we look at it. */
	if (request.count < 2)
		return source_fail(ret_error, -ENOMEM, camera->source.path, "it has only %u buffers", request.count);
	for (uint32_t i = 0; i < request.count && i < CAMERA_BUFFERS_MAX && r == 0; i++)
		r = map_buffer(camera, i, ret_error);
	if (r < 0)
		return r;
	export_buffers(camera);
	r = camera_control(camera, VIDIOC_STREAMON, &type);
	if (r < 0)
		return camera_fail(camera, r, "does not start", ret_error);
	camera->streaming = true;
	return 0;
}

/* ---- outside --------------------------------------------------------------------------------------- */

int camera_set_up(struct camera *camera, const struct source_options *options, struct source_error *ret_error)
{
	int r = open_device(camera, ret_error);

	if (r == 0)
		r = set_format(camera, options, ret_error);
	if (r < 0)
		return r;
	set_rate(camera, options->fps);
	return start(camera, ret_error);
}

void camera_tear_down(struct camera *camera)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	if (camera->streaming)
		camera_control(camera, VIDIOC_STREAMOFF, &type);
	close_exported(camera);
	for (uint32_t i = 0; i < camera->n_buffers; i++)
		camera->ops->unmap(camera->ops->user, camera->buffers[i].memory, camera->buffers[i].length);
	if (camera->opened)
		camera->ops->close(camera->ops->user, camera->source.fd);
}
