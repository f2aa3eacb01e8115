/* mjpeg.c - see mjpeg.h. */
#include "mjpeg.h"

#include <string.h>

/* Second bytes of markers; the first is 0xff. */
enum {
	STUFFED = 0x00, /* no marker: 0xff in compressed data */
	TEM = 0x01,
	SOF0 = 0xc0,
	DHT = 0xc4,
	JPG = 0xc8,
	DAC = 0xcc,
	SOF15 = 0xcf,
	RST0 = 0xd0,
	RST7 = 0xd7,
	SOI = 0xd8,
	EOI = 0xd9,
	SOS = 0xda,
	APP2 = 0xe2,
	FILL = 0xff
};

static uint32_t be16(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 8 | bytes[1];
}

static bool is_restart(uint8_t marker)
{
	return marker >= RST0 && marker <= RST7;
}

static enum mjpeg_found broken(const struct mjpeg *mjpeg, const char *why, struct mjpeg_image *ret_image)
{
	*ret_image = (struct mjpeg_image){.begin = mjpeg->begin, .size = mjpeg->at - mjpeg->begin, .why = why};
	return MJPEG_BROKEN;
}

/* Until the first two markers of an image, of which one byte more tells them from chance. */
static enum mjpeg_found find_begin(struct mjpeg *mjpeg, const uint8_t *data, size_t size)
{
	while (size - mjpeg->at >= 3) {
		const uint8_t *found = memchr(data + mjpeg->at, 0xff, size - 2 - mjpeg->at);

		mjpeg->at = found ? (size_t)(found - data) : size - 2;
		if (mjpeg->at > MJPEG_GAP_BYTES_MAX)
			return MJPEG_LOST;
		if (found && found[1] == SOI && found[2] == 0xff) {
			mjpeg->begin = mjpeg->at;
			mjpeg->at += 2;
			mjpeg->in_image = true;
			return MJPEG_IMAGE;
		}
		if (found)
			mjpeg->at++;
	}
	return MJPEG_MORE;
}

/* To the marker that ends compressed data; false: it is not there yet. */
static bool skip_scan(struct mjpeg *mjpeg, const uint8_t *data, size_t size)
{
	while (mjpeg->at < size) {
		const uint8_t *found = memchr(data + mjpeg->at, 0xff, size - mjpeg->at);

		mjpeg->at = found ? (size_t)(found - data) : size;
		if (!found || size - mjpeg->at < 2)
			return false;
		if (found[1] != STUFFED && found[1] != FILL && !is_restart(found[1])) {
			mjpeg->in_scan = false;
			return true;
		}
		mjpeg->at += found[1] == FILL ? 1 : 2;
	}
	return false;
}

/* What a whole segment says.  payload: behind its length. */
static void read_segment(struct mjpeg *mjpeg, uint8_t marker, const uint8_t *payload, size_t size)
{
	if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC && size >= 5) {
		mjpeg->height = be16(payload + 1);
		mjpeg->width = be16(payload + 3);
	}
	if (marker == APP2 && size >= 4 && !memcmp(payload, "MPF", 4))
		mjpeg->has_further = true;
	mjpeg->in_scan = marker == SOS;
}

/* The segment at `at`.  MJPEG_MORE: `at` is where it was; MJPEG_IMAGE: it was skipped. */
static enum mjpeg_found skip_segment(struct mjpeg *mjpeg, const uint8_t *data, size_t size,
				     struct mjpeg_image *ret_image)
{
	const uint8_t *segment = data + mjpeg->at;
	size_t left = size - mjpeg->at, length;

	if (left < 4)
		return MJPEG_MORE;
	length = be16(segment + 2);
	if (length < 2)
		return broken(mjpeg, "a segment of impossible length", ret_image);
	if (left < 2 + length)
		return MJPEG_MORE;
	read_segment(mjpeg, segment[1], segment + 4, length - 2);
	mjpeg->at += 2 + length;
	return MJPEG_IMAGE;
}

static enum mjpeg_found end_image(struct mjpeg *mjpeg, struct mjpeg_image *ret_image)
{
	mjpeg->at += 2;
	if (!mjpeg->width && !mjpeg->height)
		return broken(mjpeg, "it has no size", ret_image);
	*ret_image = (struct mjpeg_image){
		.begin = mjpeg->begin,
		.size = mjpeg->at - mjpeg->begin,
		.width = mjpeg->width,
		.height = mjpeg->height,
	};
	return MJPEG_IMAGE;
}

/* Markers and compressed data up to the end of the image. */
static enum mjpeg_found find_end(struct mjpeg *mjpeg, const uint8_t *data, size_t size, struct mjpeg_image *ret_image)
{
	for (;;) {
		enum mjpeg_found found;
		uint8_t marker;

		if (mjpeg->at - mjpeg->begin > MJPEG_IMAGE_BYTES_MAX)
			return broken(mjpeg, "it is larger than 64 MiB", ret_image);
		if ((mjpeg->in_scan && !skip_scan(mjpeg, data, size)) || size - mjpeg->at < 2)
			return MJPEG_MORE;
		marker = data[mjpeg->at + 1];
		if (data[mjpeg->at] != 0xff || marker == STUFFED)
			return broken(mjpeg, "no marker where a segment ends", ret_image);
		if (marker == SOI)
			return broken(mjpeg, "it ends before its last marker", ret_image);
		if (marker == EOI)
			return end_image(mjpeg, ret_image);
		if (marker == FILL || marker == TEM || is_restart(marker)) {
			mjpeg->at += marker == FILL ? 1 : 2;
			continue;
		}
		found = skip_segment(mjpeg, data, size, ret_image);
		if (found != MJPEG_IMAGE)
			return found;
	}
}

enum mjpeg_found mjpeg_next(struct mjpeg *mjpeg, const uint8_t *data, size_t size, struct mjpeg_image *ret_image)
{
	if (!mjpeg->in_image) {
		enum mjpeg_found found = find_begin(mjpeg, data, size);

		if (found != MJPEG_IMAGE)
			return found;
	}
	return find_end(mjpeg, data, size, ret_image);
}
