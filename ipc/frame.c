/*
 * frame.c - does a frame's geometry stay inside its slot, and what it says of the camera within reason?
 *
 * The one place that knows how many bytes the planes of a format take.  It never looks at pixels.
 */
#include <errno.h>

#include "ipc.h"

#define SIDE_MAX 16384

struct plane {
	uint64_t row_bytes, rows;
};

/* Chroma of odd sides is rounded up.  Returns the number of planes. */
static unsigned planes_of(enum ipc_format format, uint64_t width, uint64_t height, struct plane ret_planes[3])
{
	uint64_t half_width = (width + 1) / 2, half_height = (height + 1) / 2;

	ret_planes[0] = (struct plane){width, height};
	switch (format) {
	case IPC_NV12:
	case IPC_NV21:
		ret_planes[1] = (struct plane){2 * half_width, half_height};
		return 2;
	case IPC_I420:
		ret_planes[1] = ret_planes[2] = (struct plane){half_width, half_height};
		return 3;
	case IPC_YUYV:
		ret_planes[0].row_bytes = 4 * half_width;
		return 1;
	case IPC_RGB:
	case IPC_BGR:
		ret_planes[0].row_bytes = 3 * width;
		return 1;
	case IPC_RGBA:
	case IPC_BGRA:
		ret_planes[0].row_bytes = 4 * width;
		return 1;
	case IPC_GRAY8:
		return 1;
	default:
		return 0;
	}
}

static const char *check_jpeg(const struct ipc_frame *frame, uint32_t slot_bytes)
{
	if (frame->bytes == 0)
		return "the JPEG has no bytes";
	if ((uint64_t)frame->offset[0] + frame->bytes > slot_bytes)
		return "the JPEG reaches beyond its slot";
	return NULL;
}

static bool sides_valid(const struct ipc_frame *frame)
{
	return frame->width >= 1 && frame->width <= SIDE_MAX && frame->height >= 1 && frame->height <= SIDE_MAX;
}

static const char *check_planes(const struct ipc_frame *frame, uint32_t slot_bytes)
{
	struct plane planes[3];
	unsigned n_planes;

	if (!sides_valid(frame))
		return "width and height must be within 1..16384";
	n_planes = planes_of(frame->format, frame->width, frame->height, planes);
	if (n_planes == 0)
		return "unknown pixel format";
	for (unsigned i = 0; i < n_planes; i++) {
		/* At most 2^32 + 2^14 * 2^32 + 2^16: far from the end of 64 bits. */
		uint64_t end = frame->offset[i] + (planes[i].rows - 1) * frame->stride[i] + planes[i].row_bytes;

		if (frame->stride[i] < planes[i].row_bytes)
			return "a stride is shorter than a row";
		if (end > slot_bytes)
			return "a plane reaches beyond its slot";
	}
	return NULL;
}

/* Not a number, which a sender's own arithmetic may have made, is out of range as well. */
static const char *check_movement(const struct ipc_frame *frame)
{
	if (!(frame->angular_speed >= 0 && frame->angular_speed <= IPC_ANGULAR_SPEED_MAX))
		return "the angular speed is not within 0..100 rad/s";
	if (frame->exposure_us > IPC_EXPOSURE_US_MAX)
		return "the exposure is longer than 10 s";
	return NULL;
}

int ipc_frame_check(const struct ipc_frame *frame, uint32_t slot_bytes, const char **ret_reason)
{
	const char *reason =
		frame->format == IPC_JPEG ? check_jpeg(frame, slot_bytes) : check_planes(frame, slot_bytes);

	if (!reason)
		reason = check_movement(frame);
	if (!reason)
		return 0;
	if (ret_reason)
		*ret_reason = reason;
	return -ERANGE;
}

uint64_t ipc_frame_pack(struct ipc_frame *frame)
{
	struct plane planes[3];
	unsigned n_planes = sides_valid(frame) ? planes_of(frame->format, frame->width, frame->height, planes) : 0;
	uint64_t end = frame->offset[0];

	for (unsigned i = 0; i < n_planes; i++)
		end += planes[i].row_bytes * planes[i].rows;
	if (n_planes == 0 || end > UINT32_MAX)
		return 0;
	for (unsigned i = 0, at = frame->offset[0]; i < n_planes; i++) {
		frame->offset[i] = at;
		frame->stride[i] = (uint32_t)planes[i].row_bytes;
		at += (uint32_t)(planes[i].row_bytes * planes[i].rows);
	}
	return end;
}
