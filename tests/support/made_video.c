/*
 * made_video.c - a camera for a whole program, preloaded into it: what is opened as a file named `made-video` is a
 * device of V4L2 with gray frames of 64x48 at a thousand a second, which become brighter from one to the next.
 *
 * Its buffers are sealed memfds, and exported unless MADE_VIDEO_EXPORT is 0; MADE_VIDEO_BUFFERS says how many there are
 * (6).  When it is stopped it says on standard error how many it had at least while frames were taken, and aborts at
 * once when one is given to it that it has.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NAME	    "made-video"
#define BUFFERS	    6
#define BUFFERS_MAX 16
#define WIDTH	    64
#define HEIGHT	    48
#define BYTES	    4096
#define PERIOD_NS   1000000
#define STEP	    16 /* of brightness */

static struct {
	int fd; /* 0: it is not open */
	uint32_t n, n_queued, least, sequence;
	uint32_t queue[BUFFERS_MAX]; /* in the order in which they are filled */
	int memory[BUFFERS_MAX];
	uint8_t *pixels[BUFFERS_MAX];
} video;

static int fail(int error)
{
	errno = error;
	return -1;
}

static uint32_t number_of(const char *name, uint32_t otherwise)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static int open_video(void)
{
	struct itimerspec period = {{0, PERIOD_NS}, {0, PERIOD_NS}};

	video.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	timerfd_settime(video.fd, 0, &period, NULL);
	return video.fd;
}

static int make_buffers(struct v4l2_requestbuffers *request)
{
	video.n = video.least = request->count = number_of("MADE_VIDEO_BUFFERS", BUFFERS);
	for (uint32_t i = 0; i < video.n; i++) {
		video.memory[i] = memfd_create("camera", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (ftruncate(video.memory[i], BYTES) < 0)
			return -1;
		video.pixels[i] = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, video.memory[i], 0);
		fcntl(video.memory[i], F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	}
	return 0;
}

static int queue(const struct v4l2_buffer *buffer)
{
	for (uint32_t i = 0; i < video.n_queued; i++)
		if (video.queue[i] == buffer->index)
			abort();
	video.queue[video.n_queued++] = buffer->index;
	return 0;
}

static int dequeue(struct v4l2_buffer *buffer)
{
	uint64_t n_periods;
	uint32_t index = video.queue[0];

	if (read(video.fd, &n_periods, sizeof(n_periods)) != sizeof(n_periods))
		return fail(EAGAIN);
	video.least = video.n_queued < video.least ? video.n_queued : video.least;
	if (!video.n_queued)
		return fail(EAGAIN);
	memmove(video.queue, video.queue + 1, --video.n_queued * sizeof(video.queue[0]));
	memset(video.pixels[index], (int)(video.sequence * STEP > 255 ? 255 : video.sequence * STEP), BYTES);
	buffer->index = index;
	buffer->bytesused = WIDTH * HEIGHT;
	buffer->sequence = video.sequence++;
	return 0;
}

static int control(unsigned long request, void *argument)
{
	struct v4l2_fmtdesc *format = argument;
	struct v4l2_buffer *buffer = argument;
	struct v4l2_exportbuffer *exported = argument;

	switch (request) {
	case VIDIOC_QUERYCAP:
		((struct v4l2_capability *)argument)->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
		return 0;
	case VIDIOC_ENUM_FMT:
		format->pixelformat = V4L2_PIX_FMT_GREY;
		return format->index ? fail(EINVAL) : 0;
	case VIDIOC_G_FMT:
	case VIDIOC_STREAMON:
		return 0;
	case VIDIOC_S_FMT:
		((struct v4l2_format *)argument)->fmt.pix = (struct v4l2_pix_format){
			.width = WIDTH, .height = HEIGHT, .pixelformat = V4L2_PIX_FMT_GREY, .bytesperline = WIDTH};
		return 0;
	case VIDIOC_REQBUFS:
		return make_buffers(argument);
	case VIDIOC_QUERYBUF:
		buffer->length = BYTES;
		buffer->m.offset = buffer->index * BYTES;
		return 0;
	case VIDIOC_EXPBUF:
		exported->fd = fcntl(video.memory[exported->index], F_DUPFD_CLOEXEC, 0);
		return number_of("MADE_VIDEO_EXPORT", 1) ? 0 : fail(ENOTTY);
	case VIDIOC_QBUF:
		return queue(buffer);
	case VIDIOC_DQBUF:
		return dequeue(buffer);
	case VIDIOC_STREAMOFF:
		fprintf(stderr, "made-video: %u buffers at least\n", video.least);
		return 0;
	default:
		return fail(ENOTTY);
	}
}

/* ---- in the place of the C library's --------------------------------------------------------------- */

static int open_with(const char *symbol, const char *path, int flags, mode_t mode)
{
	int (*next)(const char *, int, ...);
	size_t length = strlen(path), name = strlen(NAME);
	void *found = dlsym(RTLD_NEXT, symbol);

	if (length >= name && !strcmp(path + length - name, NAME))
		return open_video();
	memcpy(&next, &found, sizeof(next));
	return next(path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define SHOWN __attribute__((visibility("default")))

SHOWN int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_with("open", path, flags, mode);
}

SHOWN int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_with("open64", path, flags, mode);
}

SHOWN int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int, unsigned long, ...);
	void *found = dlsym(RTLD_NEXT, "ioctl"), *argument;
	va_list arguments;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (video.fd && fd == video.fd)
		return control(request, argument);
	memcpy(&next, &found, sizeof(next));
	return next(fd, request, argument);
}

SHOWN void *mmap(void *at, size_t length, int access, int flags, int fd, off_t offset)
{
	void *(*next)(void *, size_t, int, int, int, off_t);
	void *found = dlsym(RTLD_NEXT, "mmap");

	memcpy(&next, &found, sizeof(next));
	if (video.fd && fd == video.fd)
		return next(at, length, access, flags, video.memory[offset / BYTES], 0);
	return next(at, length, access, flags, fd, offset);
}
