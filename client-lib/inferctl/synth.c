/*
 * synth.c - see synth.h.
 */
#include "synth.h"

#include <string.h>

bool synth_format(const char *name, enum inferd_format *ret_format)
{
	static const char *const names[] = {
		[INFERD_NV12] = "nv12", [INFERD_NV21] = "nv21", [INFERD_I420] = "i420",
		[INFERD_YUYV] = "yuyv", [INFERD_RGB] = "rgb",	[INFERD_BGR] = "bgr",
		[INFERD_RGBA] = "rgba", [INFERD_BGRA] = "bgra", [INFERD_GRAY8] = "gray8",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret_format = (enum inferd_format)i;
			return true;
		}
	}
	return false;
}

/*
 * Every plane of every format is bytes in rows; a gradient over those bytes is a gradient over the picture.  Values
 * stay within 24..231, valid for video range too.
 */
static void draw_plane(uint8_t *data, size_t row_bytes, size_t rows, uint32_t phase, uint32_t *noise)
{
	for (size_t y = 0; y < rows; y++) {
		for (size_t x = 0; x < row_bytes; x++) {
			*noise = *noise * 1664525u + 1013904223u;
			data[y * row_bytes + x] =
				(uint8_t)(24 + ((x + y) * 192 / (row_bytes + rows) + phase) % 192 + (*noise >> 28));
		}
	}
}

void synth_draw(enum inferd_format format, uint32_t width, uint32_t height, uint32_t frame, uint8_t *data)
{
	size_t bytes = inferd_frame_bytes(format, width, height), rows = height, luma = bytes;
	uint32_t noise = 1 + frame, phase = frame * 7;

	if (format == INFERD_NV12 || format == INFERD_NV21 || format == INFERD_I420)
		luma = (size_t)width * height;
	draw_plane(data, luma / rows, rows, phase, &noise);
	if (luma < bytes) {
		/* Chroma planes together are as many bytes wide as two half rows. */
		size_t chroma_rows = (height + 1) / 2;

		draw_plane(data + luma, (bytes - luma) / chroma_rows, chroma_rows, phase, &noise);
	}
}
