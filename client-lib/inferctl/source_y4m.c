/*
 * source_y4m.c - uncompressed video as other programs write it into pipes (YUV4MPEG2), frame by frame.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/inferd.h"
#include "source_kind.h"

#define LINE_BYTES_MAX 1024 /* of the stream's or a frame's header */
#define FPS_MIN	       0.01
#define FPS_MAX	       1000

struct y4m {
	struct source source;
	struct reader reader;
	size_t header_bytes; /* of the stream */
	size_t used;	     /* bytes of the frame given last */
	bool full_range, mono;
	uint32_t width, height;
	size_t luma_bytes, chroma_bytes; /* of each chroma plane */
};

/* ---- the stream's header --------------------------------------------------------------------------- */

/* Digits only, at most what a side may have. */
static bool parse_side(const char *text, uint32_t *ret_side)
{
	uint32_t side = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || side > 1000000)
			return false;
		side = side * 10 + (uint32_t)(*text - '0');
	}
	*ret_side = side;
	return true;
}

/* "30000:1001".  What makes no sense, and 0:0 for unknown, is no rate. */
static double parse_rate(const char *text)
{
	double frames, seconds;
	int length = 0;

	if (sscanf(text, "%9lf:%9lf%n", &frames, &seconds, &length) != 2 || text[length] || !(seconds > 0))
		return 0;
	frames /= seconds;
	return frames >= FPS_MIN && frames <= FPS_MAX ? frames : 0;
}

static int parse_chroma(struct y4m *video, const char *chroma, struct source_error *ret_error)
{
	/* These differ in where the chroma lies, by less than a pixel of luma. */
	static const char *const siting[] = {"420", "420jpeg", "420mpeg2", "420paldv"};

	video->mono = !strcmp(chroma, "mono");
	if (video->mono)
		return 0;
	for (size_t i = 0; i < sizeof(siting) / sizeof(siting[0]); i++)
		if (!strcmp(chroma, siting[i]))
			return 0;
	return source_fail(
		ret_error, -ENOTSUP, video->source.path,
		"video with chroma \"%.20s\" is not supported; convert it to 4:2:0 of 8 bits (C420) or Cmono", chroma);
}

/* Parameters are words whose first letter says which; the unknown do not matter for single frames. */
static int parse_header(struct y4m *video, char *line, struct source_error *ret_error)
{
	const char *path = video->source.path, *chroma = "420";
	char *word, *rest = NULL;
	int r;

	/* Only the extension says that the range is full: "420jpeg" is where the chroma lies, no more. */
	for (word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if ((*word == 'W' && !parse_side(word + 1, &video->width)) ||
		    (*word == 'H' && !parse_side(word + 1, &video->height)))
			return source_fail(ret_error, -EINVAL, path, "the video's size \"%.20s\" is not a number",
					   word);
		if (*word == 'C')
			chroma = word + 1;
		else if (*word == 'F')
			video->source.fps = parse_rate(word + 1);
		else if (*word == 'I' && word[1] != 'p' && word[1] != '?')
			return source_fail(ret_error, -ENOTSUP, path, "interlaced video is not supported");
		else if (!strcmp(word, "XCOLORRANGE=FULL"))
			video->full_range = true;
	}
	r = parse_chroma(video, chroma, ret_error);
	if (r < 0)
		return r;
	if (!source_size_allowed(video->width, video->height))
		return source_fail_size(ret_error, path, video->width, video->height);
	video->luma_bytes = (size_t)video->width * video->height;
	if (!video->mono)
		video->chroma_bytes = ((size_t)video->width + 1) / 2 * (((size_t)video->height + 1) / 2);
	return 0;
}

/* Length of the line that begins with what is buffered, its newline included; 0: it is not all there. */
static size_t line_length(const struct reader *reader)
{
	size_t have = reader_have(reader);
	const uint8_t *end =
		have ? memchr(reader_data(reader), '\n', have < LINE_BYTES_MAX ? have : LINE_BYTES_MAX) : NULL;

	return end ? (size_t)(end - reader_data(reader)) + 1 : 0;
}

/* The stream's header is waited for, as nothing is known before. */
static int read_header(struct y4m *video, struct reader *reader, struct source_error *ret_error)
{
	const char *path = video->source.path;
	char line[LINE_BYTES_MAX];
	int r = reader_wait(reader, 1);

	while (r == 0 && !line_length(reader) && !reader->at_end && reader_have(reader) < LINE_BYTES_MAX)
		r = reader_wait(reader, reader_have(reader) + 1);
	if (r < 0)
		return source_fail(ret_error, r, path, "cannot be read: %s", strerror(-r));
	video->header_bytes = line_length(reader);
	if (!video->header_bytes || memchr(reader_data(reader), 0, video->header_bytes))
		return source_fail(ret_error, -EINVAL, path, "the video ends within its header");
	memcpy(line, reader_data(reader), video->header_bytes);
	line[video->header_bytes - 1] = '\0';
	return parse_header(video, line + strlen("YUV4MPEG2"), ret_error);
}

/* ---- frames ---------------------------------------------------------------------------------------- */

static void describe(const struct y4m *video, const uint8_t *data, struct source_frame *frame)
{
	const uint32_t half = (video->width + 1) / 2;

	frame->format = video->mono ? INFERD_GRAY8 : INFERD_I420;
	frame->full_range = video->full_range;
	frame->width = video->width;
	frame->height = video->height;
	frame->data = data;
	frame->bytes = video->luma_bytes + 2 * video->chroma_bytes;
	frame->stride[0] = video->width;
	if (video->mono)
		return;
	frame->offset[1] = (uint32_t)video->luma_bytes;
	frame->offset[2] = (uint32_t)(video->luma_bytes + video->chroma_bytes);
	frame->stride[1] = frame->stride[2] = half;
}

static int fail_read(const struct y4m *video, int error, struct source_error *ret_error)
{
	return error == -EAGAIN
		       ? error
		       : source_fail(ret_error, error, video->source.path, "cannot be read: %s", strerror(-error));
}

/* Length of the frame's header; 0: the video ended before it. */
static int read_frame_header(struct y4m *video, size_t *ret_length, struct source_error *ret_error)
{
	struct reader *reader = &video->reader;
	const uint8_t *line;
	int r = reader_fill(reader, 1);

	while (r == 0 && !line_length(reader) && !reader->at_end && reader_have(reader) < LINE_BYTES_MAX)
		r = reader_fill(reader, reader_have(reader) + 1);
	if (r < 0)
		return fail_read(video, r, ret_error);
	*ret_length = line_length(reader);
	line = reader_data(reader);
	if (reader_have(reader) == 0)
		return 0;
	if (*ret_length >= 6 && !memcmp(line, "FRAME", 5) && (line[5] == ' ' || line[5] == '\n'))
		return 0;
	return source_fail(ret_error, -EINVAL, video->source.path, "frame %llu of the video has no valid header",
			   (unsigned long long)video->source.number);
}

static int next_y4m(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	struct y4m *video = (struct y4m *)source;
	size_t header = 0, bytes = video->luma_bytes + 2 * video->chroma_bytes;
	int r;

	reader_skip(&video->reader, video->used);
	video->used = 0;
	r = read_frame_header(video, &header, ret_error);
	if (r < 0)
		return r;
	if (!header)
		return SOURCE_E_END;
	r = reader_fill(&video->reader, header + bytes);
	if (r < 0)
		return fail_read(video, r, ret_error);
	if (reader_have(&video->reader) < header + bytes)
		return source_fail(ret_error, -EINVAL, source->path, "the video ends within frame %llu",
				   (unsigned long long)source->number);
	video->used = header + bytes;
	describe(video, reader_data(&video->reader) + header, ret_frame);
	return 0;
}

static int rewind_y4m(struct source *source, struct source_error *ret_error)
{
	struct y4m *video = (struct y4m *)source;
	int r = reader_rewind(&video->reader);

	video->used = 0;
	if (r == 0)
		r = reader_fill(&video->reader, video->header_bytes);
	if (r < 0 || reader_have(&video->reader) < video->header_bytes)
		return source_fail(ret_error, r < 0 ? r : -EINVAL, source->path, "cannot begin anew");
	reader_skip(&video->reader, video->header_bytes);
	return 0;
}

static void close_y4m(struct source *source)
{
	struct y4m *video = (struct y4m *)source;

	reader_finish(&video->reader);
	free(video);
}

static const struct source_ops y4m_ops = {
	.next = next_y4m,
	.rewind = rewind_y4m,
	.close = close_y4m,
};

int source_y4m_open(const char *path, struct reader *reader, struct source_error *ret_error, struct source **ret_source)
{
	struct y4m *video = source_create(sizeof(*video), &y4m_ops, path, ret_error);
	int r;

	if (!video)
		return -ENOMEM;
	r = read_header(video, reader, ret_error);
	if (r < 0) {
		source_close(&video->source); /* the reader is still the caller's */
		return r;
	}
	video->reader = *reader;
	video->source.video = true;
	video->source.fd = reader_is_file(reader) ? -1 : reader->fd;
	reader_skip(&video->reader, video->header_bytes);
	*ret_source = &video->source;
	return 0;
}
