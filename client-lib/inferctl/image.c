/*
 * image.c - struct source: tells the kind of a file from its first bytes and reads frames from it.
 *
 * Files are small enough to be read whole; video is read frame by frame.  Owns one pixel buffer.
 */
#include "client-lib/inferctl/image.h"

#include <errno.h>
#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#define FILE_BYTES_MAX	 (256u << 20)
#define PIXELS_MAX	 (64u << 20)
#define VIDEO_LINE_BYTES 1024 /* of a y4m stream or frame header */
#define PROBE_BYTES	 10
#define DEFAULT_FPS	 25 /* of a video that does not say */

/* As in enum inferd_format. */
enum { FORMAT_I420 = 2, FORMAT_RGB = 4, FORMAT_GRAY8 = 8, FORMAT_JPEG = 9 };

struct source {
	char *name;
	FILE *file; /* video: open until the end */
	bool video, done;
	bool full_range, mono;
	uint32_t width, height;
	uint64_t frame; /* number of the next one */
	double fps;	/* of video */
	uint8_t *data;
	size_t bytes;
	struct source_frame still; /* a picture's one frame */
};

__attribute__((format(printf, 4, 5))) static int fail(struct source_error *ret_error, int error, const char *name,
						      const char *format, ...)
{
	char cause[256];
	va_list args;
	size_t i;

	va_start(args, format);
	vsnprintf(cause, sizeof(cause), format, args);
	va_end(args);
	snprintf(ret_error->text, sizeof(ret_error->text), "%.200s: %s", name, cause);
	/* A file's name may hold anything; a sentence is one line. */
	for (i = 0; ret_error->text[i]; i++) {
		if ((unsigned char)ret_error->text[i] < ' ')
			ret_error->text[i] = '?';
	}
	return error;
}

static bool size_allowed(uint64_t width, uint64_t height)
{
	return width >= 1 && height >= 1 && width <= SOURCE_SIDE_MAX && height <= SOURCE_SIDE_MAX &&
	       width * height <= PIXELS_MAX;
}

static int fail_size(struct source_error *ret_error, const char *name, uint64_t width, uint64_t height)
{
	return fail(ret_error, -EFBIG, name,
		    "%llux%llu pixels; a side must be 1..16384, and all of it at most 64 megapixels",
		    (unsigned long long)width, (unsigned long long)height);
}

/* ---- pictures ---------------------------------------------------------------------------------- */

/* The rest of a file behind what was probed already. */
static int read_whole(struct source *source, const uint8_t *probe, size_t probed, struct source_error *ret_error)
{
	size_t capacity = 1 << 16, size = probed;
	uint8_t *data = malloc(capacity);

	if (data)
		memcpy(data, probe, probed);
	while (data) {
		uint8_t *larger;
		size_t got = fread(data + size, 1, capacity - size, source->file);

		size += got;
		if (ferror(source->file)) {
			int error = errno;

			free(data);
			return fail(ret_error, -EIO, source->name, "cannot be read: %s", strerror(error));
		}
		if (got == 0) {
			source->data = data;
			source->bytes = size;
			return 0;
		}
		if (size >= FILE_BYTES_MAX) {
			free(data);
			return fail(ret_error, -EFBIG, source->name, "larger than 256 MiB");
		}
		if (size < capacity)
			continue;
		capacity *= 2;
		larger = realloc(data, capacity);
		if (!larger)
			free(data);
		data = larger;
	}
	return fail(ret_error, -ENOMEM, source->name, "out of memory");
}

static int open_jpeg(struct source *source, struct source_error *ret_error)
{
	int width, height, subsampling, colorspace, ret = 0;
	tjhandle handle = tjInitDecompress();

	if (!handle)
		return fail(ret_error, -ENOMEM, source->name, "out of memory");
	if (tjDecompressHeader3(handle, source->data, (unsigned long)source->bytes, &width, &height, &subsampling,
				&colorspace))
		ret = fail(ret_error, -EINVAL, source->name, "not a JPEG that can be read: %s", tjGetErrorStr2(handle));
	else if (width < 1 || height < 1 || !size_allowed((uint64_t)width, (uint64_t)height))
		ret = fail_size(ret_error, source->name, (uint64_t)width, (uint64_t)height);
	else
		source->still = (struct source_frame){
			FORMAT_JPEG, true, (uint32_t)width, (uint32_t)height, source->data, source->bytes, {0}, {0}, 0};
	tjDestroy(handle);
	return ret;
}

/* Replaces the file's bytes by the pixels made of them. */
static void take_pixels(struct source *source, uint8_t *pixels, uint32_t width, uint32_t height, bool gray)
{
	size_t stride = (size_t)width * (gray ? 1 : 3);

	free(source->data);
	source->data = pixels;
	source->bytes = stride * height;
	source->still = (struct source_frame){
		.format = gray ? FORMAT_GRAY8 : FORMAT_RGB,
		.full_range = true,
		.width = width,
		.height = height,
		.data = pixels,
		.bytes = source->bytes,
		.stride = {(uint32_t)stride},
	};
}

/*
 * libpng's simplified reader turns palettes, 16 bits and all else into 8-bit RGB or gray, and lays transparent
 * pixels over white, as picture viewers show them.
 */
static int open_png(struct source *source, struct source_error *ret_error)
{
	const png_color white = {255, 255, 255};
	png_image image = {.version = PNG_IMAGE_VERSION};
	uint8_t *pixels = NULL;
	bool gray;
	int ret = 0;

	if (!png_image_begin_read_from_memory(&image, source->data, source->bytes)) {
		ret = fail(ret_error, -EINVAL, source->name, "not a PNG that can be read: %s", image.message);
		goto out;
	}
	if (!size_allowed(image.width, image.height)) {
		ret = fail_size(ret_error, source->name, image.width, image.height);
		goto out;
	}
	gray = !(image.format & PNG_FORMAT_FLAG_COLOR);
	image.format = gray ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
	pixels = malloc(PNG_IMAGE_SIZE(image));
	if (!pixels) {
		ret = fail(ret_error, -ENOMEM, source->name, "out of memory");
		goto out;
	}
	if (!png_image_finish_read(&image, &white, pixels, 0, NULL)) {
		ret = fail(ret_error, -EINVAL, source->name, "not a PNG that can be read: %s", image.message);
		goto out;
	}
	take_pixels(source, pixels, image.width, image.height, gray);
	pixels = NULL;
out:
	free(pixels);
	png_image_free(&image);
	return ret;
}

static uint32_t le32(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/*
 * Bitmaps of 24 or 32 bits without compression, and of 8 bits with a palette: what programs write today.  Rows are
 * padded to four bytes and stored from the bottom up unless the height is negative.  TurboJPEG's reader knows
 * neither the newer headers nor rows from the top down.
 */
struct bitmap {
	const uint8_t *pixels, *palette;
	uint32_t width, height, bits, n_colours;
	size_t stride;
	bool top_down;
};

static int parse_bitmap(const struct source *source, struct bitmap *ret_bitmap, struct source_error *ret_error)
{
	const uint8_t *data = source->data;
	struct bitmap bitmap = {0};
	uint32_t offset, header, compression, colours;
	int32_t width, height;

	if (source->bytes < 54)
		return fail(ret_error, -EINVAL, source->name, "the BMP ends within its header");
	offset = le32(data + 10);
	header = le32(data + 14);
	width = (int32_t)le32(data + 18);
	height = (int32_t)le32(data + 22);
	bitmap.bits = data[28] | (uint32_t)data[29] << 8;
	compression = le32(data + 30);
	colours = le32(data + 46);
	bitmap.top_down = height < 0;
	bitmap.width = (uint32_t)width;
	bitmap.height = bitmap.top_down ? 0u - (uint32_t)height : (uint32_t)height;
	if (header < 40)
		return fail(ret_error, -ENOTSUP, source->name, "a BMP of the OS/2 kind is not supported");
	/* 3 are bit fields; those of 32 bits are in practice the same bytes as without. */
	if ((bitmap.bits != 8 && bitmap.bits != 24 && bitmap.bits != 32) ||
	    (compression != 0 && !(compression == 3 && bitmap.bits == 32)))
		return fail(ret_error, -ENOTSUP, source->name,
			    "a BMP of %u bits with compression %u; only plain ones of 8, 24 or 32 bits are supported",
			    (unsigned)bitmap.bits, (unsigned)compression);
	if (width < 0 || !size_allowed(bitmap.width, bitmap.height))
		return fail_size(ret_error, source->name, bitmap.width, bitmap.height);
	bitmap.stride = ((size_t)bitmap.width * bitmap.bits / 8 + 3) / 4 * 4;
	if (offset > source->bytes || source->bytes - offset < bitmap.stride * bitmap.height)
		return fail(ret_error, -EINVAL, source->name, "the BMP ends before its pixels do");
	bitmap.pixels = data + offset;
	if (bitmap.bits == 8) {
		bitmap.n_colours = colours ? colours : 256;
		if (bitmap.n_colours > 256 || header > source->bytes - 14 ||
		    source->bytes - 14 - header < (size_t)bitmap.n_colours * 4)
			return fail(ret_error, -EINVAL, source->name, "the BMP's palette is malformed");
		bitmap.palette = data + 14 + header;
	}
	*ret_bitmap = bitmap;
	return 0;
}

static int open_bmp(struct source *source, struct source_error *ret_error)
{
	struct bitmap bitmap = {0};
	uint32_t x, y;
	uint8_t *pixels, *to;
	int ret = parse_bitmap(source, &bitmap, ret_error);

	if (ret)
		return ret;
	pixels = malloc((size_t)bitmap.width * bitmap.height * 3);
	if (!pixels)
		return fail(ret_error, -ENOMEM, source->name, "out of memory");
	to = pixels;
	for (y = 0; y < bitmap.height; y++) {
		const uint8_t *from = bitmap.pixels + bitmap.stride * (bitmap.top_down ? y : bitmap.height - 1 - y);

		for (x = 0; x < bitmap.width; x++, from += bitmap.bits / 8, to += 3) {
			const uint8_t black[4] = {0}, *colour = from;

			if (bitmap.palette)
				colour = *from < bitmap.n_colours ? bitmap.palette + 4 * (size_t)*from : black;
			to[0] = colour[2];
			to[1] = colour[1];
			to[2] = colour[0];
		}
	}
	take_pixels(source, pixels, bitmap.width, bitmap.height, false);
	return 0;
}

/* ---- y4m video --------------------------------------------------------------------------------- */

/* One line into buffer without its newline.  Its length, 0 at the end of the file, -EINVAL malformed. */
static int read_line(FILE *file, char *buffer, size_t start)
{
	size_t length = start;
	int c;

	while ((c = getc(file)) != '\n') {
		if (c == EOF && length == start)
			return 0;
		if (c == EOF || c == 0 || length >= VIDEO_LINE_BYTES - 1)
			return -EINVAL;
		buffer[length++] = (char)c;
	}
	buffer[length] = '\0';
	return (int)length;
}

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

/* "30000:1001".  What makes no sense, such as 0:0 for not known, is none. */
static double parse_rate(const char *text)
{
	unsigned frames, seconds;

	if (sscanf(text, "%9u:%9u", &frames, &seconds) != 2 || !frames || !seconds)
		return 0;
	return (double)frames / seconds;
}

static int parse_chroma(struct source *source, const char *chroma, struct source_error *ret_error)
{
	/* These differ in where the chroma lies, by less than a pixel of luma. */
	static const char *const siting[] = {"420", "420jpeg", "420mpeg2", "420paldv"};
	size_t i;

	source->mono = !strcmp(chroma, "mono");
	if (source->mono)
		return 0;
	for (i = 0; i < sizeof(siting) / sizeof(siting[0]); i++) {
		if (!strcmp(chroma, siting[i]))
			return 0;
	}
	return fail(ret_error, -ENOTSUP, source->name,
		    "video with chroma \"%.20s\" is not supported; convert it to 4:2:0 of 8 bits (C420) or Cmono",
		    chroma);
}

/* Parameters are words whose first letter says which; the unknown do not matter for single frames. */
static int parse_video(struct source *source, char *line, struct source_error *ret_error)
{
	char *word, *rest = NULL;
	const char *chroma = "420";
	int ret;

	/* Only the extension says that the range is full: "420jpeg" is where the chroma lies, no more. */
	for (word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if ((*word == 'W' && !parse_side(word + 1, &source->width)) ||
		    (*word == 'H' && !parse_side(word + 1, &source->height)))
			return fail(ret_error, -EINVAL, source->name, "the video's size \"%.20s\" is not a number",
				    word);
		if (*word == 'F')
			source->fps = parse_rate(word + 1);
		if (*word == 'C')
			chroma = word + 1;
		else if (*word == 'I' && word[1] != 'p' && word[1] != '?')
			return fail(ret_error, -ENOTSUP, source->name, "interlaced video is not supported");
		else if (!strcmp(word, "XCOLORRANGE=FULL"))
			source->full_range = true;
	}
	ret = parse_chroma(source, chroma, ret_error);
	if (ret)
		return ret;
	if (!size_allowed(source->width, source->height))
		return fail_size(ret_error, source->name, source->width, source->height);
	return 0;
}

static int open_video(struct source *source, const uint8_t *probe, size_t probed, struct source_error *ret_error)
{
	char line[VIDEO_LINE_BYTES];
	size_t luma, chroma;
	int ret;

	memcpy(line, probe, probed);
	ret = read_line(source->file, line, probed);
	if (ret <= 0)
		return fail(ret_error, -EINVAL, source->name, "the video ends within its header");
	source->video = true;
	ret = parse_video(source, line + probed, ret_error);
	if (ret)
		return ret;
	luma = (size_t)source->width * source->height;
	chroma = source->mono ? 0 : (((size_t)source->width + 1) / 2) * (((size_t)source->height + 1) / 2);
	source->bytes = luma + 2 * chroma;
	source->data = malloc(source->bytes);
	if (!source->data)
		return fail(ret_error, -ENOMEM, source->name, "out of memory");
	return 0;
}

static int next_video(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	const uint32_t width = source->width, height = source->height, half = (width + 1) / 2;
	const size_t luma = (size_t)width * height, chroma = (size_t)half * ((height + 1) / 2);
	char line[VIDEO_LINE_BYTES];
	int ret = read_line(source->file, line, 0);

	if (ferror(source->file))
		return fail(ret_error, -EIO, source->name, "cannot be read: %s", strerror(errno));
	if (ret == 0 && feof(source->file))
		return SOURCE_E_END;
	if (ret < 5 || memcmp(line, "FRAME", 5) || (line[5] && line[5] != ' '))
		return fail(ret_error, -EINVAL, source->name, "frame %llu of the video has no valid header",
			    (unsigned long long)source->frame);
	if (fread(source->data, 1, source->bytes, source->file) != source->bytes)
		return fail(ret_error, ferror(source->file) ? -EIO : -EINVAL, source->name,
			    "the video ends within frame %llu", (unsigned long long)source->frame);
	source->frame++;
	if (!(source->fps > 0))
		source->fps = DEFAULT_FPS;
	*ret_frame = (struct source_frame){
		.format = source->mono ? FORMAT_GRAY8 : FORMAT_I420,
		.full_range = source->full_range,
		.width = width,
		.height = height,
		.data = source->data,
		.bytes = source->bytes,
		.offset = {0, (uint32_t)luma, (uint32_t)(luma + chroma)},
		.stride = {width, half, half},
		.time_s = (double)(source->frame - 1) / source->fps,
	};
	if (source->mono) {
		ret_frame->offset[1] = ret_frame->offset[2] = 0;
		ret_frame->stride[1] = ret_frame->stride[2] = 0;
	}
	return 0;
}

/* ---- the source -------------------------------------------------------------------------------- */

static int open_content(struct source *source, struct source_error *ret_error)
{
	uint8_t probe[PROBE_BYTES];
	size_t probed = fread(probe, 1, sizeof(probe), source->file);
	int ret;

	if (ferror(source->file))
		return fail(ret_error, -EIO, source->name, "cannot be read: %s", strerror(errno));
	/* The space ends the word; a header without parameters has no size. */
	if (probed == PROBE_BYTES && !memcmp(probe, "YUV4MPEG2 ", PROBE_BYTES))
		return open_video(source, probe, probed, ret_error);
	ret = read_whole(source, probe, probed, ret_error);
	if (ret)
		return ret;
	if (probed >= 3 && !memcmp(probe, "\xff\xd8\xff", 3))
		return open_jpeg(source, ret_error);
	if (probed >= 8 && !memcmp(probe, "\x89PNG\r\n\x1a\n", 8))
		return open_png(source, ret_error);
	if (probed >= 2 && !memcmp(probe, "BM", 2))
		return open_bmp(source, ret_error);
	return fail(ret_error, -ENOTSUP, source->name, probed ? "not a JPEG, PNG, BMP or y4m video" : "an empty file");
}

int source_open(const char *path, struct source_error *ret_error, struct source **ret_source)
{
	bool standard_input = !strcmp(path, "-");
	struct source *source;
	int ret;

	ret_error->text[0] = '\0';
	source = calloc(1, sizeof(*source));
	if (!source)
		return fail(ret_error, -ENOMEM, path, "out of memory");
	source->name = strdup(standard_input ? "standard input" : path);
	if (!source->name) {
		ret = fail(ret_error, -ENOMEM, path, "out of memory");
		goto out;
	}
	source->file = standard_input ? stdin : fopen(path, "rbe");
	if (!source->file) {
		int error = errno;

		ret = fail(ret_error, -error, path, "cannot be opened: %s", strerror(error));
		goto out;
	}
	ret = open_content(source, ret_error);
out:
	if (ret)
		source_close(source);
	else
		*ret_source = source;
	return ret;
}

void source_close(struct source *source)
{
	if (!source)
		return;
	if (source->file && source->file != stdin)
		fclose(source->file);
	free(source->name);
	free(source->data);
	free(source);
}

int source_next(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	int ret = 0;

	ret_error->text[0] = '\0';
	if (source->done)
		return SOURCE_E_END;
	if (source->video) {
		ret = next_video(source, ret_error, ret_frame);
		/* After a malformed frame nothing says where the next one starts. */
		source->done = ret != 0;
	} else {
		*ret_frame = source->still;
		source->done = true;
	}
	return ret;
}
