/*
 * source_mjpeg.c - JPEGs one behind the other, or the parts of multipart/x-mixed-replace, as video.
 *
 * It has no rate of its own.  From a pipe it is live: frames are there when they come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/inferd.h"
#include "mjpeg.h"
#include "source_kind.h"

struct mjpeg_source {
	struct source source;
	struct reader reader;
	struct mjpeg scan;
	size_t used; /* bytes of the frame given last, and what came before it */
};

static void forget_used(struct mjpeg_source *video)
{
	if (!video->used)
		return;
	reader_skip(&video->reader, video->used);
	video->used = 0;
	video->scan = (struct mjpeg){0};
}

static int on_end(const struct mjpeg_source *video, struct source_error *ret_error)
{
	const struct source *source = &video->source;

	if (video->scan.in_image)
		return source_fail(ret_error, -EINVAL, source->path, "the video ends within frame %llu",
				   (unsigned long long)source->number);
	return source->number ? SOURCE_E_END : source_fail(ret_error, -EINVAL, source->path, "there is no JPEG in it");
}

static int on_image(struct mjpeg_source *video, const struct mjpeg_image *image, struct source_error *ret_error,
		    struct source_frame *ret_frame)
{
	unsigned long long number = video->source.number;

	video->used = image->begin + image->size;
	if (image->why)
		return source_fail(ret_error, SOURCE_E_BROKEN, video->source.path, "frame %llu is broken: %s", number,
				   image->why);
	if (!source_size_allowed(image->width, image->height))
		return source_fail(ret_error, SOURCE_E_BROKEN, video->source.path,
				   "frame %llu is broken: it says that it has %ux%u pixels", number, image->width,
				   image->height);
	ret_frame->format = INFERD_JPEG;
	ret_frame->full_range = true;
	ret_frame->width = image->width;
	ret_frame->height = image->height;
	ret_frame->data = reader_data(&video->reader) + image->begin;
	ret_frame->bytes = image->size;
	return 0;
}

static int next_mjpeg(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	struct mjpeg_source *video = (struct mjpeg_source *)source;
	struct mjpeg_image image;
	enum mjpeg_found found;

	forget_used(video);
	while ((found = mjpeg_next(&video->scan, reader_data(&video->reader), reader_have(&video->reader), &image)) ==
	       MJPEG_MORE) {
		int r;

		if (video->reader.at_end)
			return on_end(video, ret_error);
		r = reader_fill(&video->reader, reader_have(&video->reader) + 1);
		if (r == -EAGAIN)
			return r;
		if (r < 0)
			return source_fail(ret_error, r, source->path, "cannot be read: %s", strerror(-r));
	}
	if (found == MJPEG_LOST)
		return source_fail(ret_error, -EINVAL, source->path, "no JPEG within 64 KiB before frame %llu",
				   (unsigned long long)source->number);
	return on_image(video, &image, ret_error, ret_frame);
}

static int rewind_mjpeg(struct source *source, struct source_error *ret_error)
{
	struct mjpeg_source *video = (struct mjpeg_source *)source;
	int r = reader_rewind(&video->reader);

	video->scan = (struct mjpeg){0};
	video->used = 0;
	return r < 0 ? source_fail(ret_error, r, source->path, "cannot begin anew: %s", strerror(-r)) : 0;
}

static void close_mjpeg(struct source *source)
{
	struct mjpeg_source *video = (struct mjpeg_source *)source;

	reader_finish(&video->reader);
	free(video);
}

static const struct source_ops mjpeg_ops = {
	.next = next_mjpeg,
	.rewind = rewind_mjpeg,
	.close = close_mjpeg,
};

int source_mjpeg_open(const char *path, struct reader *reader, struct source_error *ret_error,
		      struct source **ret_source)
{
	struct mjpeg_source *video = source_create(sizeof(*video), &mjpeg_ops, path, ret_error);

	if (!video)
		return -ENOMEM;
	video->reader = *reader;
	video->source.video = true;
	video->source.live = !reader_is_file(reader);
	video->source.fd = video->source.live ? reader->fd : -1;
	*ret_source = &video->source;
	return 0;
}

/* ---- telling it from a picture --------------------------------------------------------------------- */

static bool begins_with(const struct reader *reader, const char *text)
{
	size_t length = strlen(text);

	return reader_have(reader) >= length && !memcmp(reader_data(reader), text, length);
}

/* The first image is read whole; a photograph of several images (a preview, depth) says so in itself. */
static int is_followed(struct reader *reader)
{
	struct mjpeg scan = {0};
	struct mjpeg_image image;
	enum mjpeg_found found;
	int r = 0;

	while ((found = mjpeg_next(&scan, reader_data(reader), reader_have(reader), &image)) == MJPEG_MORE &&
	       !reader->at_end && r == 0)
		r = reader_wait(reader, reader_have(reader) + 1);
	if (r < 0 || found != MJPEG_IMAGE || scan.has_further)
		return r;
	r = reader_wait(reader, image.size + 3);
	if (r < 0 || reader_have(reader) < image.size + 3)
		return r;
	return !memcmp(reader_data(reader) + image.size, "\xff\xd8\xff", 3);
}

int source_mjpeg_tell(struct reader *reader)
{
	/* A part's boundary, with or without the empty line before it, or the whole answer to an HTTP request. */
	if (begins_with(reader, "--") || begins_with(reader, "\r\n--") || begins_with(reader, "HTTP/1."))
		return 1;
	if (!begins_with(reader, "\xff\xd8\xff"))
		return 0;
	return reader_is_file(reader) ? is_followed(reader) : 1;
}
