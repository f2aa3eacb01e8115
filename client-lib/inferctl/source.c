/*
 * source.c - see source.h: tells the kind of a source, opens it, and hands on its frames.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "source_kind.h"

#define PIXELS_MAX	   (64u << 20)
#define PROBE_BYTES	   10
#define USUAL_FPS	   25 /* of video that does not say */
#define CAMERA_MAJOR	   81 /* of the kernel's list of devices: video4linux */
#define CAMERA_NAME_PREFIX "/dev/video"

/* ---- what the kinds share -------------------------------------------------------------------------- */

static const char *shown(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

int source_fail(struct source_error *ret_error, int code, const char *path, const char *format, ...)
{
	char cause[256];
	va_list args;

	va_start(args, format);
	vsnprintf(cause, sizeof(cause), format, args);
	va_end(args);
	snprintf(ret_error->text, sizeof(ret_error->text), "%.200s: %s", shown(path), cause);
	/* A file's name may hold anything; a sentence is one line. */
	for (size_t i = 0; ret_error->text[i]; i++)
		if ((unsigned char)ret_error->text[i] < ' ' || ret_error->text[i] == 0x7f)
			ret_error->text[i] = '?';
	return code;
}

bool source_size_allowed(uint64_t width, uint64_t height)
{
	return width >= 1 && height >= 1 && width <= SOURCE_SIDE_MAX && height <= SOURCE_SIDE_MAX &&
	       width * height <= PIXELS_MAX;
}

int source_fail_size(struct source_error *ret_error, const char *path, uint64_t width, uint64_t height)
{
	return source_fail(ret_error, -EFBIG, path,
			   "%llux%llu pixels; a side must be 1..16384, and all of it at most 64 megapixels",
			   (unsigned long long)width, (unsigned long long)height);
}

void *source_create(size_t size, const struct source_ops *ops, const char *path, struct source_error *ret_error)
{
	struct source *source = calloc(1, size);

	if (source)
		source->path = strdup(path);
	if (source && source->path) {
		source->ops = ops;
		source->fd = -1;
		return source;
	}
	free(source);
	source_fail(ret_error, -ENOMEM, path, "out of memory");
	return NULL;
}

/* ---- telling the kind ------------------------------------------------------------------------------ */

static int open_content(const char *path, struct reader *reader, struct source_error *ret_error,
			struct source **ret_source)
{
	int r = reader_wait(reader, PROBE_BYTES);
	size_t have = reader_have(reader);

	if (r < 0)
		return source_fail(ret_error, r, path, "cannot be read: %s", strerror(-r));
	/* The space ends the word; a header without parameters has no size. */
	if (have >= PROBE_BYTES && !memcmp(reader_data(reader), "YUV4MPEG2 ", PROBE_BYTES))
		return source_y4m_open(path, reader, ret_error, ret_source);
	r = source_mjpeg_tell(reader);
	if (r < 0)
		return source_fail(ret_error, r, path, "cannot be read: %s", strerror(-r));
	if (r)
		return source_mjpeg_open(path, reader, ret_error, ret_source);
	return source_picture_open(path, reader, ret_error, ret_source);
}

static int open_file(const char *path, struct source_error *ret_error, struct source **ret_source)
{
	bool standard_input = !strcmp(path, "-");
	struct reader reader;
	int r, fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && !strncmp(path, CAMERA_NAME_PREFIX, strlen(CAMERA_NAME_PREFIX)))
		return source_fail(ret_error, -ENOENT, path, "there is no such camera");
	if (fd < 0) {
		r = -errno;
		return source_fail(ret_error, r, path, "cannot be opened: %s", strerror(-r));
	}
	reader_init(&reader, fd, !standard_input);
	r = open_content(path, &reader, ret_error, ret_source);
	if (r < 0)
		reader_finish(&reader);
	return r;
}

static bool is_camera(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && major(status->st_rdev) == CAMERA_MAJOR;
}

static int open_kind(const char *path, const struct source_options *options, struct source_error *ret_error,
		     struct source **ret_source)
{
	struct stat status;
	bool known = strcmp(path, "-") && stat(path, &status) == 0;

	if (options->camera || (known && is_camera(&status)))
		return source_v4l2_open(path, options, ret_error, ret_source);
	if (known && S_ISDIR(status.st_mode))
		return source_folder_open(path, ret_error, ret_source);
	return open_file(path, ret_error, ret_source);
}

/* ---- outside --------------------------------------------------------------------------------------- */

int source_open_with(const char *path, const struct source_options *options, struct source_error *ret_error,
		     struct source **ret_source)
{
	struct source *source;
	int r;

	ret_error->text[0] = '\0';
	r = open_kind(path, options, ret_error, &source);
	if (r < 0)
		return r;
	if (options->loop && (source->live || !strcmp(path, "-"))) {
		source_close(source);
		return source_fail(ret_error, -EINVAL, path, "only files and folders can begin anew");
	}
	source->loop = options->loop;
	*ret_source = source;
	return 0;
}

int source_open(const char *path, struct source_error *ret_error, struct source **ret_source)
{
	const struct source_options defaults = {0};

	return source_open_with(path, &defaults, ret_error, ret_source);
}

void source_close(struct source *source)
{
	if (!source)
		return;
	free(source->path);
	source->ops->close(source);
}

/* A file that began anew and gave nothing would do so for ever. */
static int begin_anew(struct source *source, struct source_error *ret_error)
{
	if (!source->gave_any)
		return SOURCE_E_END;
	source->gave_any = false;
	source->number = 0;
	return source->ops->rewind(source, ret_error);
}

int source_try(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	struct source_frame frame = {.file = source->path, .number = (uint32_t)source->number};
	int r;

	ret_error->text[0] = '\0';
	if (source->ended)
		return SOURCE_E_END;
	r = source->ops->next(source, ret_error, &frame);
	if (r == SOURCE_E_END && source->loop) {
		r = begin_anew(source, ret_error);
		frame.number = 0;
		if (r == 0)
			r = source->ops->next(source, ret_error, &frame);
	}
	if (r == 0 || r == SOURCE_E_BROKEN)
		source->number++;
	else if (r != -EAGAIN)
		source->ended = true;
	if (r == 0) {
		source->gave_any = true;
		frame.time_s = frame.number / (source->fps > 0 ? source->fps : USUAL_FPS);
		*ret_frame = frame;
	}
	return r;
}

int source_next(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	struct pollfd ready = {.fd = source->fd, .events = POLLIN};
	int r;

	while ((r = source_try(source, ret_error, ret_frame)) == -EAGAIN)
		if (poll(&ready, 1, -1) < 0)
			return source_fail(ret_error, -errno, source->path, "waiting for it failed: %s",
					   strerror(errno));
	return r;
}

int source_fd(const struct source *source)
{
	return source->fd;
}

double source_fps(const struct source *source)
{
	return source->fps;
}

bool source_is_video(const struct source *source)
{
	return source->video;
}

bool source_is_live(const struct source *source)
{
	return source->live;
}

uint32_t source_memory(const struct source *source, const int **ret_fds, size_t *ret_bytes)
{
	return source->ops->memory ? source->ops->memory(source, ret_fds, ret_bytes) : 0;
}

void source_keep(struct source *source)
{
	source->ops->keep(source);
}

int source_give_back(struct source *source, uint32_t buffer, struct source_error *ret_error)
{
	return source->ops->give_back(source, buffer, ret_error);
}
