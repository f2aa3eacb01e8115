/*
 * fuzz_mjpeg.c - any bytes as MJPEG: images lie within the bytes and have their markers, and are the same ones however
 * the bytes arrive.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/inferctl/mjpeg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 64

struct found {
	enum mjpeg_found what;
	size_t begin, size; /* within all of the bytes */
	uint32_t width, height;
};

static void check(const uint8_t *data, size_t have, enum mjpeg_found what, const struct mjpeg_image *image)
{
	assert(image->size >= 2 && image->begin <= have && image->size <= have - image->begin);
	assert(data[image->begin] == 0xff && data[image->begin + 1] == 0xd8);
	if (what == MJPEG_BROKEN) {
		assert(image->why);
		return;
	}
	assert(!image->why && (image->width || image->height));
	assert(data[image->begin + image->size - 2] == 0xff && data[image->begin + image->size - 1] == 0xd9);
}

/*
 * The bytes in pieces of this length, each time in memory of exactly that size, so that a read beyond is seen.  Number
 * of steps in ret_found; the last one is what the search ended with.
 */
static int split(const uint8_t *data, size_t size, size_t piece, struct found ret_found[STEPS_MAX])
{
	size_t start = 0, end = 0;
	struct mjpeg scan = {0};
	int n = 0;

	while (n < STEPS_MAX) {
		struct mjpeg_image image = {0};
		uint8_t *bytes = malloc(end - start ? end - start : 1);
		enum mjpeg_found what;

		assert(bytes);
		memcpy(bytes, data + start, end - start);
		what = mjpeg_next(&scan, bytes, end - start, &image);
		assert(scan.at <= end - start);
		if (what == MJPEG_IMAGE || what == MJPEG_BROKEN)
			check(bytes, end - start, what, &image);
		free(bytes);
		if (what == MJPEG_MORE && end < size) {
			end = size - end < piece ? size : end + piece;
			continue;
		}
		ret_found[n++] = (struct found){what, start + image.begin, image.size, image.width, image.height};
		if (what == MJPEG_MORE || what == MJPEG_LOST)
			break;
		start += image.begin + image.size;
		scan = (struct mjpeg){0};
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct found whole[STEPS_MAX], parts[STEPS_MAX];
	size_t piece = size ? 1 + data[0] % 32u : 1;
	int n;

	memset(whole, 0, sizeof(whole));
	memset(parts, 0, sizeof(parts));
	/* In small pieces the time is quadratic. */
	if (size > 4096)
		piece = size / 64;
	n = split(data, size, size ? size : 1, whole);
	assert(split(data, size, piece, parts) == n);
	for (int i = 0; i < n; i++)
		assert(whole[i].what == parts[i].what && whole[i].begin == parts[i].begin &&
		       whole[i].size == parts[i].size && whole[i].width == parts[i].width &&
		       whole[i].height == parts[i].height);
	return 0;
}
