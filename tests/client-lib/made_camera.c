/* made_camera.c - see made_camera.h. */
#include "made_camera.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/test.h"

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
	cr_assert_leq(length, (size_t)DRIVER_BUFFER_BYTES);
	driver->n_mapped++;
	*ret_memory = driver->exports ? driver->shared[offset] : driver->memory[offset];
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
	cr_assert_lt(buffer->index, driver->n_buffers);
	cr_assert(!driver->queued[buffer->index], "buffer %u was given back twice", buffer->index);
	driver->queued[buffer->index] = true;
	return 0;
}

static int dequeue(struct driver *driver, struct v4l2_buffer *buffer)
{
	const struct driver_step *step = &driver->steps[driver->at];
	uint32_t index = 0;

	if (driver->at == driver->n_steps)
		return -EAGAIN;
	driver->at++;
	if (step->error)
		return step->error;
	while (index < driver->n_buffers && !driver->queued[index])
		index++;
	cr_assert_lt(index, driver->n_buffers, "no buffer came back");
	driver->queued[index] = false;
	if (driver->exports)
		memset(driver->shared[index], step->brightness, DRIVER_BUFFER_BYTES);
	buffer->index = driver->wrong_index ? driver->wrong_index : index;
	buffer->bytesused = step->bytes_used;
	buffer->flags = step->flags;
	buffer->sequence = step->sequence;
	return 0;
}

static int export_buffer(struct driver *driver, struct v4l2_exportbuffer *buffer)
{
	if (!driver->exports)
		return -ENOTTY;
	cr_assert_lt(buffer->index, driver->n_buffers);
	cr_assert_eq(buffer->flags, (uint32_t)(O_RDONLY | O_CLOEXEC));
	buffer->fd = fcntl(driver->fds[buffer->index], F_DUPFD_CLOEXEC, 0);
	return buffer->fd < 0 ? -errno : 0;
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
		((struct v4l2_requestbuffers *)argument)->count = driver->n_buffers;
		return 0;
	case VIDIOC_QUERYBUF:
		((struct v4l2_buffer *)argument)->length = driver->buffer_bytes;
		((struct v4l2_buffer *)argument)->m.offset = ((struct v4l2_buffer *)argument)->index;
		return 0;
	case VIDIOC_EXPBUF:
		return export_buffer(driver, argument);
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
	if (request == driver->failing && driver->passes > 0) {
		driver->passes--;
	} else if (request == driver->failing && driver->failures > 0) {
		driver->failures--;
		return driver->failure;
	}
	return answer(driver, request, argument);
}

struct camera_ops driver_ops(struct driver *driver)
{
	return (struct camera_ops){
		.open = driver_open,
		.ioctl = driver_ioctl,
		.map = driver_map,
		.unmap = driver_unmap,
		.close = driver_close,
		.user = driver,
	};
}

struct driver driver_gray(void)
{
	return (struct driver){
		.formats = {V4L2_PIX_FMT_GREY},
		.pix = {.width = DRIVER_WIDTH, .height = DRIVER_HEIGHT},
		.fps = 30,
		.buffer_bytes = DRIVER_BUFFER_BYTES,
		.n_buffers = DRIVER_BUFFERS,
	};
}

void driver_add_step(struct driver *driver, struct driver_step step)
{
	cr_assert_lt(driver->n_steps, DRIVER_STEPS_MAX);
	driver->steps[driver->n_steps++] = step;
}

void driver_add_frame(struct driver *driver, uint32_t sequence)
{
	driver_add_step(driver, (struct driver_step){.bytes_used = DRIVER_WIDTH * DRIVER_HEIGHT, .sequence = sequence});
	driver_add_step(driver, (struct driver_step){.error = -EAGAIN});
}

void driver_export(struct driver *driver, int seals)
{
	driver->exports = true;
	for (uint32_t i = 0; i < driver->n_buffers; i++) {
		driver->fds[i] = memfd_create("camera", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		cr_assert_eq(ftruncate(driver->fds[i], DRIVER_BUFFER_BYTES), 0);
		driver->shared[i] =
			mmap(NULL, DRIVER_BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, driver->fds[i], 0);
		cr_assert_neq((void *)driver->shared[i], MAP_FAILED);
		cr_assert_eq(fcntl(driver->fds[i], F_ADD_SEALS, seals), 0);
	}
}

void driver_end_export(struct driver *driver)
{
	for (uint32_t i = 0; i < driver->n_buffers; i++) {
		munmap(driver->shared[i], DRIVER_BUFFER_BYTES);
		close(driver->fds[i]);
	}
	driver->exports = false;
}

uint32_t driver_count_queued(const struct driver *driver)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < driver->n_buffers; i++)
		n += driver->queued[i];
	return n;
}
