/*
 * source_picture.c - a JPEG, PNG or BMP file as a source of one frame.
 *
 * Files are small enough to be read whole.
 */
#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "client-lib/inferd.h"
#include "source_kind.h"

#define FILE_BYTES_MAX (256u << 20)

struct picture {
	struct source source;
	const uint8_t *file; /* its bytes, in the reader */
	size_t file_bytes;
	struct reader reader;
	uint8_t *pixels; /* NULL: it is a JPEG */
	struct source_frame frame;
	bool given;
};

static int open_jpeg(struct picture *picture, struct source_error *ret_error)
{
	int width, height, subsampling, colorspace, ret = 0;
	tjhandle handle = tjInitDecompress();

	if (!handle)
		return source_fail(ret_error, -ENOMEM, picture->source.path, "out of memory");
	if (tjDecompressHeader3(handle, picture->file, (unsigned long)picture->file_bytes, &width, &height,
				&subsampling, &colorspace))
		ret = source_fail(ret_error, -EINVAL, picture->source.path, "not a JPEG that can be read: %s",
				  tjGetErrorStr2(handle));
	else if (width < 1 || height < 1 || !source_size_allowed((uint64_t)width, (uint64_t)height))
		ret = source_fail_size(ret_error, picture->source.path, (uint64_t)width, (uint64_t)height);
	else
		picture->frame = (struct source_frame){
			.format = INFERD_JPEG,
			.full_range = true,
			.width = (uint32_t)width,
			.height = (uint32_t)height,
			.data = picture->file,
			.bytes = picture->file_bytes,
		};
	tjDestroy(handle);
	return ret;
}

/* Takes the pixels over, and lets go of the file that they were made of. */
static void take_pixels(struct picture *picture, uint8_t *pixels, uint32_t width, uint32_t height, bool gray)
{
	size_t stride = (size_t)width * (gray ? 1 : 3);

	reader_finish(&picture->reader);
	picture->file = NULL;
	picture->pixels = pixels;
	picture->frame = (struct source_frame){
		.format = gray ? INFERD_GRAY8 : INFERD_RGB,
		.full_range = true,
		.width = width,
		.height = height,
		.data = pixels,
		.bytes = stride * height,
		.stride = {(uint32_t)stride},
	};
}

/*
 * libpng's simplified reader turns palettes, 16 bits and all else into 8-bit RGB or gray, and lays transparent
 * pixels over white, as picture viewers show them.
 */
static int open_png(struct picture *picture, struct source_error *ret_error)
{
	const png_color white = {255, 255, 255};
	png_image image = {.version = PNG_IMAGE_VERSION};
	uint8_t *pixels = NULL;
	bool gray;
	int ret = 0;

	if (!png_image_begin_read_from_memory(&image, picture->file, picture->file_bytes)) {
		ret = source_fail(ret_error, -EINVAL, picture->source.path, "not a PNG that can be read: %s",
				  image.message);
		goto out;
	}
	if (!source_size_allowed(image.width, image.height)) {
		ret = source_fail_size(ret_error, picture->source.path, image.width, image.height);
		goto out;
	}
	gray = !(image.format & PNG_FORMAT_FLAG_COLOR);
	image.format = gray ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
	pixels = malloc(PNG_IMAGE_SIZE(image));
	if (!pixels) {
		ret = source_fail(ret_error, -ENOMEM, picture->source.path, "out of memory");
		goto out;
	}
	if (!png_image_finish_read(&image, &white, pixels, 0, NULL)) {
		ret = source_fail(ret_error, -EINVAL, picture->source.path, "not a PNG that can be read: %s",
				  image.message);
		goto out;
	}
	take_pixels(picture, pixels, image.width, image.height, gray);
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

static int parse_bitmap(const struct picture *picture, struct bitmap *ret_bitmap, struct source_error *ret_error)
{
	const uint8_t *data = picture->file;
	struct bitmap bitmap = {0};
	uint32_t offset, header, compression, colours;
	int32_t width, height;

	if (picture->file_bytes < 54)
		return source_fail(ret_error, -EINVAL, picture->source.path, "the BMP ends within its header");
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
		return source_fail(ret_error, -ENOTSUP, picture->source.path,
				   "a BMP of the OS/2 kind is not supported");
	/* 3 are bit fields; those of 32 bits are in practice the same bytes as without. */
	if ((bitmap.bits != 8 && bitmap.bits != 24 && bitmap.bits != 32) ||
	    (compression != 0 && !(compression == 3 && bitmap.bits == 32)))
		return source_fail(
			ret_error, -ENOTSUP, picture->source.path,
			"a BMP of %u bits with compression %u; only plain ones of 8, 24 or 32 bits are supported",
			(unsigned)bitmap.bits, (unsigned)compression);
	if (width < 0 || !source_size_allowed(bitmap.width, bitmap.height))
		return source_fail_size(ret_error, picture->source.path, bitmap.width, bitmap.height);
	bitmap.stride = ((size_t)bitmap.width * bitmap.bits / 8 + 3) / 4 * 4;
	if (offset > picture->file_bytes || picture->file_bytes - offset < bitmap.stride * bitmap.height)
		return source_fail(ret_error, -EINVAL, picture->source.path, "the BMP ends before its pixels do");
	bitmap.pixels = data + offset;
	if (bitmap.bits == 8) {
		bitmap.n_colours = colours ? colours : 256;
		if (bitmap.n_colours > 256 || header > picture->file_bytes - 14 ||
		    picture->file_bytes - 14 - header < (size_t)bitmap.n_colours * 4)
			return source_fail(ret_error, -EINVAL, picture->source.path, "the BMP's palette is malformed");
		bitmap.palette = data + 14 + header;
	}
	*ret_bitmap = bitmap;
	return 0;
}

static int open_bmp(struct picture *picture, struct source_error *ret_error)
{
	struct bitmap bitmap = {0};
	uint32_t x, y;
	uint8_t *pixels, *to;
	int ret = parse_bitmap(picture, &bitmap, ret_error);

	if (ret)
		return ret;
	pixels = malloc((size_t)bitmap.width * bitmap.height * 3);
	if (!pixels)
		return source_fail(ret_error, -ENOMEM, picture->source.path, "out of memory");
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
	take_pixels(picture, pixels, bitmap.width, bitmap.height, false);
	return 0;
}

/* ---- the source ------------------------------------------------------------------------------------ */

static int next_picture(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame)
{
	struct picture *picture = (struct picture *)source;
	struct source_frame frame = picture->frame;

	(void)ret_error;
	if (picture->given)
		return SOURCE_E_END;
	picture->given = true;
	frame.file = ret_frame->file;
	frame.number = ret_frame->number;
	*ret_frame = frame;
	return 0;
}

static int rewind_picture(struct source *source, struct source_error *ret_error)
{
	(void)ret_error;
	((struct picture *)source)->given = false;
	return 0;
}

static void close_picture(struct source *source)
{
	struct picture *picture = (struct picture *)source;

	reader_finish(&picture->reader);
	free(picture->pixels);
	free(picture);
}

static const struct source_ops picture_ops = {
	.next = next_picture,
	.rewind = rewind_picture,
	.close = close_picture,
};

static int open_content(struct picture *picture, struct source_error *ret_error)
{
	const uint8_t *file = picture->file;

	if (picture->file_bytes >= 3 && !memcmp(file, "\xff\xd8\xff", 3))
		return open_jpeg(picture, ret_error);
	if (picture->file_bytes >= 8 && !memcmp(file, "\x89PNG\r\n\x1a\n", 8))
		return open_png(picture, ret_error);
	if (picture->file_bytes >= 2 && !memcmp(file, "BM", 2))
		return open_bmp(picture, ret_error);
	return source_fail(ret_error, -ENOTSUP, picture->source.path, "%s",
			   picture->file_bytes ? "not a JPEG, PNG, BMP or y4m video, nor JPEGs one behind the other"
					       : "an empty file");
}

static int read_whole(const char *path, struct reader *reader, struct source_error *ret_error)
{
	int r = reader_wait(reader, FILE_BYTES_MAX + 1);

	if (r < 0)
		return source_fail(ret_error, r, path, "cannot be read: %s", strerror(-r));
	return reader_have(reader) > FILE_BYTES_MAX ? source_fail(ret_error, -EFBIG, path, "larger than 256 MiB") : 0;
}

int source_picture_open(const char *path, struct reader *reader, struct source_error *ret_error,
			struct source **ret_source)
{
	struct picture *picture;
	int r = read_whole(path, reader, ret_error);

	if (r < 0)
		return r;
	picture = source_create(sizeof(*picture), &picture_ops, path, ret_error);
	if (!picture)
		return -ENOMEM;
	picture->reader = *reader;
	picture->file = reader_data(reader);
	picture->file_bytes = reader_have(reader);
	r = open_content(picture, ret_error);
	if (r < 0) {
		picture->reader = (struct reader){0}; /* stays the caller's */
		source_close(&picture->source);
		return r;
	}
	*ret_source = &picture->source;
	return 0;
}
