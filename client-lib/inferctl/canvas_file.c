/* canvas_file.c - a canvas as a PNG or JPEG file; see canvas.h. */
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <turbojpeg.h>

#include "canvas.h"

#define JPEG_QUALITY 92 /* thin lines in pure colours keep their edges */

static int fail(struct source_error *error, int code, const char *path, const char *cause)
{
	snprintf(error->text, sizeof(error->text), "%.300s: %.150s", path, cause);
	return code;
}

static int write_png(const struct canvas *canvas, const char *path, struct source_error *ret_error)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = (png_uint_32)canvas->width,
		.height = (png_uint_32)canvas->height,
		.format = PNG_FORMAT_RGB,
	};

	errno = 0;
	if (png_image_write_to_file(&image, path, 0, canvas->rgb, 0, NULL))
		return 0;
	return fail(ret_error, errno ? -errno : -EIO, path, errno ? strerror(errno) : image.message);
}

static int write_bytes(const char *path, const unsigned char *bytes, size_t size, struct source_error *ret_error)
{
	FILE *file = fopen(path, "wbe");
	bool whole = file && fwrite(bytes, 1, size, file) == size;
	int error = errno;

	if (file && fclose(file) != 0 && whole) {
		whole = false;
		error = errno;
	}
	return whole ? 0 : fail(ret_error, -error, path, strerror(error));
}

/* Without subsampling: coloured lines a few pixels wide would be smeared by it. */
static int write_jpeg(const struct canvas *canvas, const char *path, struct source_error *ret_error)
{
	tjhandle encoder = tjInitCompress();
	unsigned char *bytes = NULL;
	unsigned long size = 0;
	int r;

	if (!encoder)
		return fail(ret_error, -ENOMEM, path, "out of memory");
	if (tjCompress2(encoder, canvas->rgb, canvas->width, 0, canvas->height, TJPF_RGB, &bytes, &size, TJSAMP_444,
			JPEG_QUALITY, 0) < 0)
		r = fail(ret_error, -EIO, path, tjGetErrorStr2(encoder));
	else
		r = write_bytes(path, bytes, size, ret_error);
	tjFree(bytes);
	tjDestroy(encoder);
	return r;
}

int canvas_write(const struct canvas *canvas, const char *path, enum canvas_format format,
		 struct source_error *ret_error)
{
	return format == CANVAS_JPEG ? write_jpeg(canvas, path, ret_error) : write_png(canvas, path, ret_error);
}
