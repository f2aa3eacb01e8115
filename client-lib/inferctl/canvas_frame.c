/* canvas_frame.c - a canvas from a frame, whatever its pixels; see canvas.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "canvas.h"
#include "client-lib/inferd.h"

static int allocate(struct canvas *canvas, int width, int height, struct source_error *error)
{
	canvas->width = width;
	canvas->height = height;
	canvas->rgb = malloc((size_t)width * (size_t)height * 3);
	if (canvas->rgb)
		return 0;
	snprintf(error->text, sizeof(error->text), "no memory to draw on a picture of %dx%d", width, height);
	return -ENOMEM;
}

static int take_jpeg(struct canvas *canvas, const struct source_frame *frame, struct source_error *error)
{
	tjhandle decoder = tjInitDecompress();
	int width, height, subsampling, space, r = -EINVAL;

	if (decoder &&
	    tjDecompressHeader3(decoder, frame->data, (unsigned long)frame->bytes, &width, &height, &subsampling,
				&space) == 0 &&
	    width <= SOURCE_SIDE_MAX && height <= SOURCE_SIDE_MAX) {
		r = allocate(canvas, width, height, error);
		/* Of a damaged file the part that could be decoded is drawn on, as it is what the daemon saw. */
		if (r == 0 &&
		    tjDecompress2(decoder, frame->data, (unsigned long)frame->bytes, canvas->rgb, width, 0, height,
				  TJPF_RGB, 0) < 0 &&
		    tjGetErrorCode(decoder) == TJERR_FATAL)
			r = -EINVAL;
	}
	if (r == -EINVAL)
		snprintf(error->text, sizeof(error->text), "the JPEG cannot be drawn on: %s", tjGetErrorStr2(decoder));
	tjDestroy(decoder);
	return r;
}

/* ---- raw pixels ------------------------------------------------------------------------------------ */

/* How a format's pixels lie.  Chroma of planes has half the width and height, rounded up. */
static const struct layout {
	uint32_t planes;
	uint32_t pixel_bytes;  /* in the first plane; YUYV: 4 for each pair */
	uint32_t chroma_bytes; /* in each further plane, for each of its samples */
	uint8_t red, green, blue;
} layouts[] = {
	[INFERD_NV12] = {2, 1, 2, 0, 0, 0}, [INFERD_NV21] = {2, 1, 2, 0, 0, 0}, [INFERD_I420] = {3, 1, 1, 0, 0, 0},
	[INFERD_YUYV] = {1, 2, 0, 0, 0, 0}, [INFERD_RGB] = {1, 3, 0, 0, 1, 2},	[INFERD_BGR] = {1, 3, 0, 2, 1, 0},
	[INFERD_RGBA] = {1, 4, 0, 0, 1, 2}, [INFERD_BGRA] = {1, 4, 0, 2, 1, 0}, [INFERD_GRAY8] = {1, 1, 0, 0, 0, 0},
};

/* Whether all that will be read lies within the frame's bytes. */
static bool is_whole(const struct source_frame *frame, const struct layout *layout)
{
	uint64_t half_width = ((uint64_t)frame->width + 1) / 2, half_height = ((uint64_t)frame->height + 1) / 2;

	for (uint32_t i = 0; i < layout->planes; i++) {
		uint64_t rows = i ? half_height : frame->height;
		uint64_t row = i ? half_width * layout->chroma_bytes : frame->width * (uint64_t)layout->pixel_bytes;

		if (frame->format == INFERD_YUYV)
			row = half_width * 4;
		if (frame->offset[i] + (rows - 1) * frame->stride[i] + row > frame->bytes)
			return false;
	}
	return true;
}

static uint8_t to_byte(float value)
{
	return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)(value + 0.5f);
}

/* BT.601, as the daemon reads it. */
static void yuv_pixel(int y, int u, int v, bool full_range, uint8_t *rgb)
{
	float luma = full_range ? (float)y : ((float)y - 16) * (255.0f / 219);
	float chroma = full_range ? 1 : 255.0f / 224;
	float blue = ((float)u - 128) * chroma, red = ((float)v - 128) * chroma;

	rgb[0] = to_byte(luma + 1.402f * red);
	rgb[1] = to_byte(luma - 0.344136f * blue - 0.714136f * red);
	rgb[2] = to_byte(luma + 1.772f * blue);
}

static const uint8_t *row_of(const struct source_frame *frame, int plane, size_t y)
{
	return frame->data + frame->offset[plane] + y * frame->stride[plane];
}

static void take_yuv(const struct source_frame *frame, size_t x, size_t y, uint8_t *rgb)
{
	const uint8_t *luma = row_of(frame, 0, y) + x, *u, *v;

	if (frame->format == INFERD_YUYV) {
		luma = row_of(frame, 0, y) + 2 * x;
		u = row_of(frame, 0, y) + x / 2 * 4 + 1;
		v = u + 2;
	} else if (frame->format == INFERD_I420) {
		u = row_of(frame, 1, y / 2) + x / 2;
		v = row_of(frame, 2, y / 2) + x / 2;
	} else {
		const uint8_t *pair = row_of(frame, 1, y / 2) + x / 2 * 2;

		u = pair + (frame->format == INFERD_NV21);
		v = pair + (frame->format == INFERD_NV12);
	}
	yuv_pixel(*luma, *u, *v, frame->full_range, rgb);
}

static void take_pixels(struct canvas *canvas, const struct source_frame *frame, const struct layout *layout)
{
	uint8_t *rgb = canvas->rgb;

	for (size_t y = 0; y < frame->height; y++)
		for (size_t x = 0; x < frame->width; x++, rgb += 3) {
			const uint8_t *pixel = row_of(frame, 0, y) + x * layout->pixel_bytes;

			if (frame->format <= INFERD_YUYV) {
				take_yuv(frame, x, y, rgb);
			} else {
				rgb[0] = pixel[layout->red];
				rgb[1] = pixel[layout->green];
				rgb[2] = pixel[layout->blue];
			}
		}
}

int canvas_init(struct canvas *canvas, const struct source_frame *frame, struct source_error *ret_error)
{
	const struct layout *layout;
	int r;

	*canvas = (struct canvas){0};
	if (frame->format == INFERD_JPEG) {
		r = take_jpeg(canvas, frame, ret_error);
		if (r < 0)
			canvas_finish(canvas);
		return r;
	}
	layout = &layouts[frame->format];
	if (!is_whole(frame, layout)) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "the frame's %zu bytes are fewer than its pixels need", frame->bytes);
		return -EINVAL;
	}
	r = allocate(canvas, (int)frame->width, (int)frame->height, ret_error);
	if (r == 0)
		take_pixels(canvas, frame, layout);
	return r;
}
