/*
 * source_v4l2.c - a camera of the kernel (V4L2), live: the newest frame, straight from the driver's buffers.
 *
 * A frame's buffer goes back to the driver with the next call, unless it is kept.
 */
#include "source_v4l2.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <stdlib.h>

#include "client-lib/inferd.h"

#define FAILURES_MAX 10 /* one behind the other, before the camera is given up */

/* ---- buffers --------------------------------------------------------------------------------------- */

static int give_back(struct camera *camera, uint32_t index, struct source_error *ret_error)
{
	struct v4l2_buffer buffer = camera_buffer(index);
	int r = camera_control(camera, VIDIOC_QBUF, &buffer);

	return r < 0 ? camera_fail(camera, r, "does not take a buffer back", ret_error) : 0;
}

static int give_back_held(struct camera *camera, struct source_error *ret_error)
{
	int held = camera->held;

	camera->held = -1;
	return held < 0 ? 0 : give_back(camera, (uint32_t)held, ret_error);
}

/*
 * A filled buffer becomes ours.  An error of transmission leaves open whether the driver kept the buffer: it is left
 * to it, and only many of them one behind the other end the source.
 */
static int take_one(struct camera *camera, struct v4l2_buffer *ret_buffer, struct source_error *ret_error)
{
	struct v4l2_buffer buffer = camera_buffer(0);
	int r = camera_control(camera, VIDIOC_DQBUF, &buffer);

	if (r == -EAGAIN)
		return r;
	if (r == -EIO && ++camera->failures < FAILURES_MAX)
		return source_fail(ret_error, SOURCE_E_BROKEN, camera->source.path,
				   "frame %llu was lost between camera and driver",
				   (unsigned long long)camera->source.number);
	if (r < 0)
		return camera_fail(camera, r, "gives no frames any more", ret_error);
	if (buffer.index >= camera->n_buffers)
		return source_fail(ret_error, -EPROTO, camera->source.path, "the driver gave buffer %u of %u",
				   buffer.index, camera->n_buffers);
	if (camera->buffers[buffer.index].kept)
		return source_fail(ret_error, -EPROTO, camera->source.path,
				   "the driver gave buffer %u, which it does not have", buffer.index);
	*ret_buffer = buffer;
	return 0;
}

/* The newest of those that are filled; older ones go back at once.  There are no more of them than buffers. */
static int take_newest(struct camera *camera, struct v4l2_buffer *ret_buffer, struct source_error *ret_error)
{
	int r = take_one(camera, ret_buffer, ret_error);

	for (uint32_t i = 1; r == 0 && i < camera->n_buffers; i++) {
		uint32_t older = ret_buffer->index;

		camera->held = (int)older;
		r = take_one(camera, ret_buffer, ret_error);
		if (r == -EAGAIN)
			return 0;
		if (r == 0 && ret_buffer->index != older)
			r = give_back(camera, older, ret_error);
	}
	if (r == 0)
		camera->held = (int)ret_buffer->index;
	return r;
}

/* ---- frames ---------------------------------------------------------------------------------------- */

/* NULL, or what is wrong with it. */
static const char *check_content(const struct camera *camera, const struct v4l2_buffer *buffer)
{
	const uint8_t *data = camera->buffers[buffer->index].memory;

	if (buffer->flags & V4L2_BUF_FLAG_ERROR)
		return "the driver marked it as damaged";
	if (buffer->bytesused > camera->buffers[buffer->index].length)
		return "it says that it is larger than its buffer";
	if (buffer->bytesused < camera->frame_bytes)
		return "it is shorter than a frame";
	if (camera->frame.format == INFERD_JPEG && (buffer->bytesused < 4 || data[0] != 0xff || data[1] != 0xd8))
		return "it is not a JPEG";
	return NULL;
}

/* The driver numbers what the camera took; gaps are frames that it dropped, or that we passed over. */
static uint32_t count_missed(struct camera *camera, uint32_t sequence)
{
	uint32_t missed = sequence - camera->next_sequence;

	camera->next_sequence = sequence + 1;
	if (!camera->gave_any)
		missed = 0;
	camera->gave_any = true;
	return missed < INT32_MAX ? missed : 0; /* it began to count anew */
}

static int next_of_camera(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	struct camera *camera = (struct camera *)source;
	struct source_frame frame = camera->frame;
	struct v4l2_buffer buffer = {0};
	const char *why;
	int r = give_back_held(camera, ret_error);

	if (r == 0)
		r = take_newest(camera, &buffer, ret_error);
	if (r != 0)
		return r;
	frame.missed = count_missed(camera, buffer.sequence);
	why = check_content(camera, &buffer);
	if (why)
		return source_fail(ret_error, SOURCE_E_BROKEN, source->path, "frame %llu is broken: %s",
				   (unsigned long long)source->number, why);
	camera->failures = 0;
	frame.file = ret_frame->file;
	frame.number = ret_frame->number;
	frame.data = camera->buffers[buffer.index].memory;
	frame.buffer = buffer.index;
	frame.bytes = frame.format == INFERD_JPEG ? buffer.bytesused : camera->frame_bytes;
	*ret_frame = frame;
	return 0;
}

/* ---- frames that are kept --------------------------------------------------------------------------- */

static uint32_t memory_of_camera(const struct source *source, const int **ret_fds, size_t *ret_bytes)
{
	const struct camera *camera = (const struct camera *)source;

	*ret_fds = camera->exported;
	*ret_bytes = camera->buffers[0].length;
	return camera->n_exported;
}

static void keep_of_camera(struct source *source)
{
	struct camera *camera = (struct camera *)source;

	if (camera->held >= 0)
		camera->buffers[camera->held].kept = true;
	camera->held = -1;
}

static int give_back_to_camera(struct source *source, uint32_t buffer, struct source_error *ret_error)
{
	struct camera *camera = (struct camera *)source;

	camera->buffers[buffer].kept = false;
	return give_back(camera, buffer, ret_error);
}

static void close_camera(struct source *source)
{
	camera_tear_down((struct camera *)source);
	free(source);
}

static const struct source_ops camera_source_ops = {
	.next = next_of_camera,
	.close = close_camera,
	.memory = memory_of_camera,
	.keep = keep_of_camera,
	.give_back = give_back_to_camera,
};

int source_v4l2_open(const char *path, const struct source_options *options, struct source_error *ret_error,
		     struct source **ret_source)
{
	struct camera *camera = source_create(sizeof(*camera), &camera_source_ops, path, ret_error);
	int r;

	if (!camera)
		return -ENOMEM;
	camera->ops = options->camera ? options->camera : &camera_kernel;
	camera->source.live = true;
	camera->held = -1;
	r = camera_set_up(camera, options, ret_error);
	if (r < 0)
		source_close(&camera->source);
	else
		*ret_source = &camera->source;
	return r;
}
