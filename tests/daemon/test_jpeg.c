/*
 * test_jpeg.c - decoding to the size and format a rung wants, and hostile files.
 *
 * Pictures are made here with TurboJPEG's compressor; no files are needed.
 */
#include "support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "daemon/jpeg.h"

TEST_SUITE(jpeg);

struct file {
	unsigned char *data;
	unsigned long size;
};

/* Smooth colours, which survive compression nearly unchanged. */
static void paint(int width, int height, int channels, unsigned char *pixels)
{
	int x, y, c;

	for (y = 0; y < height; y++) {
		for (x = 0; x < width; x++) {
			for (c = 0; c < channels; c++) {
				int level = c == 0 ? x * 255 / width : c == 1 ? y * 255 / height : 128;

				pixels[(y * width + x) * channels + c] = (unsigned char)level;
			}
		}
	}
}

static struct file encode(int width, int height, enum TJPF format, enum TJSAMP subsampling, int flags)
{
	struct file file = {NULL, 0};
	tjhandle handle = tjInitCompress();
	unsigned char *pixels = calloc((size_t)width * (size_t)height, (size_t)tjPixelSize[format]);

	paint(width, height, tjPixelSize[format], pixels);
	cr_assert_eq(
		tjCompress2(handle, pixels, width, 0, height, format, &file.data, &file.size, subsampling, 95, flags),
		0);
	free(pixels);
	tjDestroy(handle);
	return file;
}

/* Writes the sides into the frame header (SOF0 or SOF2). */
static void forge_size(struct file *file, unsigned width, unsigned height)
{
	unsigned long i;

	for (i = 0; i + 9 < file->size; i++) {
		if (file->data[i] == 0xff && (file->data[i + 1] == 0xc0 || file->data[i + 1] == 0xc2)) {
			file->data[i + 5] = (unsigned char)(height >> 8);
			file->data[i + 6] = (unsigned char)height;
			file->data[i + 7] = (unsigned char)(width >> 8);
			file->data[i + 8] = (unsigned char)width;
			return;
		}
	}
	cr_assert_fail("the file has no frame header");
}

static struct jpeg_decoder *decoder_new(size_t memory_max)
{
	struct jpeg_decoder *decoder = NULL;

	cr_assert_eq(jpeg_decoder_create(memory_max, &decoder), 0);
	return decoder;
}

Test(jpeg, header_gives_the_size)
{
	struct file file = encode(33, 17, TJPF_RGB, TJSAMP_420, 0);
	struct jpeg_decoder *decoder = decoder_new(0);
	int width = 0, height = 0;

	cr_assert_eq(jpeg_header(decoder, file.data, file.size, &width, &height), 0);
	cr_assert_eq(width, 33);
	cr_assert_eq(height, 17);
	cr_assert_str_eq(jpeg_decoder_error(decoder), "");
	jpeg_decoder_destroy(decoder);
	jpeg_decoder_destroy(NULL);
	tjFree(file.data);
}

Test(jpeg, reduction_keeps_the_wanted_size)
{
	int width, height;

	jpeg_scaled_size(1920, 1080, 0, 0, &width, &height);
	cr_assert_eq(width, 1920);
	jpeg_scaled_size(1920, 1080, 480, 270, &width, &height);
	cr_assert_eq(width, 480);
	cr_assert_eq(height, 270);
	jpeg_scaled_size(1920, 1080, 481, 10, &width, &height);
	cr_assert_eq(width, 960);
	jpeg_scaled_size(1920, 1080, 10, 271, &width, &height);
	cr_assert_eq(height, 540);
	jpeg_scaled_size(1920, 1080, 1, 1, &width, &height);
	cr_assert_eq(width, 240);
	jpeg_scaled_size(33, 17, 5, 3, &width, &height);
	cr_assert_eq(width, 5);
	cr_assert_eq(height, 3);
}

Test(jpeg, wanted_size_follows_the_fit)
{
	int width, height;

	jpeg_wanted_size(1920, 1080, 100, 100, ENGINE_FIT_STRETCH, 1, &width, &height);
	cr_assert_eq(width, 150);
	cr_assert_eq(height, 150);
	/* Half of the height is kept, so the whole must be twice as high. */
	jpeg_wanted_size(2000, 1000, 100, 100, ENGINE_FIT_CROP, 0.5f, &width, &height);
	cr_assert_eq(width, 600);
	cr_assert_eq(height, 300);
	jpeg_wanted_size(2000, 1000, 100, 100, ENGINE_FIT_LETTERBOX, 1, &width, &height);
	cr_assert_eq(width, 150);
	cr_assert_eq(height, 75);
	jpeg_wanted_size(50, 40, 100, 100, ENGINE_FIT_STRETCH, 1, &width, &height);
	cr_assert_eq(width, 50);
	cr_assert_eq(height, 40);
}

/* As infer.c asks for the picture of a rung: smaller inputs decode less, gray ones luma alone. */
Test(jpeg, rung_decides_scale_and_colour)
{
	static const struct {
		int side, width;
	} rungs[] = {{800, 1024}, {320, 512}, {160, 256}, {80, 128}, {16, 128}};
	struct file file = encode(1024, 1024, TJPF_RGB, TJSAMP_420, 0);
	struct jpeg_decoder *decoder;
	struct engine_image image;

	cr_assert_eq(jpeg_decoder_create(0, &decoder), 0);
	for (size_t i = 0; i < sizeof(rungs) / sizeof(rungs[0]); i++) {
		struct jpeg_options options = {.gray = i % 2};

		jpeg_wanted_size(1024, 1024, rungs[i].side, rungs[i].side, ENGINE_FIT_STRETCH, 1, &options.min_width,
				 &options.min_height);
		cr_assert_eq(jpeg_decode(decoder, file.data, file.size, &options, &image), 0);
		cr_assert_eq(image.width, rungs[i].width, "a rung of %d has %d pixels", rungs[i].side, image.width);
		cr_assert_eq((int)image.format, (int)(i % 2 ? ENGINE_GRAY8 : ENGINE_I420));
	}
	jpeg_decoder_destroy(decoder);
	tjFree(file.data);
}

static void check_plane(const struct engine_image *image, int plane, int width, int height)
{
	size_t sum = 0;
	int x, y;

	for (y = 0; y < height; y++) {
		for (x = 0; x < width; x++)
			sum += image->plane[plane][(size_t)y * image->stride[plane] + (size_t)x];
	}
	cr_assert_gt(sum, 0);
}

Test(jpeg, formats_follow_the_file_and_the_options)
{
	const struct {
		enum TJPF from;
		enum TJSAMP subsampling;
		struct jpeg_options options;
		enum engine_pixels format;
	} rows[] = {
		{TJPF_RGB, TJSAMP_420, {0, 0, false, false}, ENGINE_I420},
		{TJPF_RGB, TJSAMP_420, {0, 0, false, true}, ENGINE_RGB},
		{TJPF_RGB, TJSAMP_420, {0, 0, true, false}, ENGINE_GRAY8},
		{TJPF_RGB, TJSAMP_420, {0, 0, true, true}, ENGINE_GRAY8},
		{TJPF_RGB, TJSAMP_422, {0, 0, false, false}, ENGINE_RGB},
		{TJPF_RGB, TJSAMP_444, {0, 0, false, false}, ENGINE_RGB},
		{TJPF_GRAY, TJSAMP_GRAY, {0, 0, false, false}, ENGINE_GRAY8},
		{TJPF_GRAY, TJSAMP_GRAY, {0, 0, false, true}, ENGINE_GRAY8},
		{TJPF_CMYK, TJSAMP_444, {0, 0, false, false}, ENGINE_RGB},
		{TJPF_CMYK, TJSAMP_444, {0, 0, true, false}, ENGINE_RGB},
	};
	struct jpeg_decoder *decoder = decoder_new(0);
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct file file = encode(61, 43, rows[i].from, rows[i].subsampling, 0);
		struct engine_image image = {.width = 0};

		cr_assert_eq(jpeg_decode(decoder, file.data, file.size, &rows[i].options, &image), 0, "row %zu: %s", i,
			     jpeg_decoder_error(decoder));
		cr_assert_eq(image.format, rows[i].format, "row %zu", i);
		cr_assert_eq(image.width, 61);
		cr_assert_eq(image.height, 43);
		cr_assert(image.full_range);
		check_plane(&image, 0, image.format == ENGINE_RGB ? 3 * 61 : 61, 43);
		if (image.format == ENGINE_I420) {
			check_plane(&image, 1, 31, 22);
			check_plane(&image, 2, 31, 22);
		}
		tjFree(file.data);
	}
	jpeg_decoder_destroy(decoder);
}

Test(jpeg, pixels_are_those_that_were_encoded)
{
	const struct jpeg_options exact = {0, 0, false, true};
	struct file file = encode(64, 48, TJPF_RGB, TJSAMP_444, 0);
	struct jpeg_decoder *decoder = decoder_new(0);
	unsigned char expected[64 * 48 * 3];
	struct engine_image image;
	int i;

	paint(64, 48, 3, expected);
	cr_assert_eq(jpeg_decode(decoder, file.data, file.size, &exact, &image), 0);
	for (i = 0; i < 64 * 48 * 3; i++)
		cr_assert_leq(abs(image.plane[0][i] - expected[i]), 8, "byte %d: %d for %d", i, image.plane[0][i],
			      expected[i]);
	jpeg_decoder_destroy(decoder);
	tjFree(file.data);
}

Test(jpeg, cmyk_becomes_rgb)
{
	const struct jpeg_options exact = {0, 0, false, true};
	unsigned char inks[16 * 16 * 4];
	struct file file = {NULL, 0};
	tjhandle handle = tjInitCompress();
	struct jpeg_decoder *decoder = decoder_new(0);
	struct engine_image image;
	int i;

	/* Stored inverted: no cyan, half of the yellow, a quarter of the black. */
	for (i = 0; i < 16 * 16; i++) {
		inks[4 * i] = 255;
		inks[4 * i + 1] = 255;
		inks[4 * i + 2] = 128;
		inks[4 * i + 3] = 191;
	}
	cr_assert_eq(tjCompress2(handle, inks, 16, 0, 16, TJPF_CMYK, &file.data, &file.size, TJSAMP_444, 100, 0), 0);
	cr_assert_eq(jpeg_decode(decoder, file.data, file.size, &exact, &image), 0);
	cr_assert_leq(abs(image.plane[0][30] - 191), 3);
	cr_assert_leq(abs(image.plane[0][31] - 191), 3);
	cr_assert_leq(abs(image.plane[0][32] - 96), 3);
	cr_assert_eq(image.stride[0], 48);
	jpeg_decoder_destroy(decoder);
	tjDestroy(handle);
	tjFree(file.data);
}

Test(jpeg, reduced_decode_has_the_promised_size)
{
	const struct jpeg_options options = {30, 20, false, false};
	struct file file = encode(333, 201, TJPF_RGB, TJSAMP_420, 0);
	struct jpeg_decoder *decoder = decoder_new(0);
	struct engine_image image;
	int width, height;

	jpeg_scaled_size(333, 201, 30, 20, &width, &height);
	cr_assert_eq(jpeg_decode(decoder, file.data, file.size, &options, &image), 0);
	cr_assert_eq(image.width, width);
	cr_assert_eq(image.height, height);
	cr_assert_eq(width, 42);
	cr_assert_eq(height, 26);
	jpeg_decoder_destroy(decoder);
	tjFree(file.data);
}

Test(jpeg, truncated_file_is_an_error_at_any_length)
{
	const struct jpeg_options options = {0, 0, false, false};
	struct file file = encode(64, 64, TJPF_RGB, TJSAMP_420, 0);
	struct jpeg_decoder *decoder = decoder_new(0);
	struct engine_image image = {.width = 77};
	unsigned long size;

	/* All but the end marker already holds the whole picture. */
	for (size = 0; size + 4 < file.size; size += 7) {
		/* A copy of just that size, so that a sanitizer sees reads behind it. */
		unsigned char *part = malloc(size ? size : 1);

		memcpy(part, file.data, size);
		cr_assert_eq(jpeg_decode(decoder, part, size, &options, &image), -EINVAL, "%lu bytes", size);
		cr_assert_neq(jpeg_decoder_error(decoder)[0], '\0');
		cr_assert_eq(image.width, 77);
		free(part);
	}
	/* The decoder is as good as new afterwards. */
	cr_assert_eq(jpeg_decode(decoder, file.data, file.size, &options, &image), 0, "%s",
		     jpeg_decoder_error(decoder));
	cr_assert_str_eq(jpeg_decoder_error(decoder), "");
	jpeg_decoder_destroy(decoder);
	tjFree(file.data);
}

Test(jpeg, damage_never_crashes)
{
	struct file file = encode(96, 80, TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE);
	struct jpeg_decoder *decoder = decoder_new(16 << 20);
	unsigned char *copy = malloc(file.size);
	int round;

	for (round = 0; round < 400; round++) {
		struct jpeg_options options = {(int)test_random_range(0, 50), (int)test_random_range(0, 50),
					       test_random_range(0, 1), test_random_range(0, 1)};
		struct engine_image image;
		int i, ret;

		memcpy(copy, file.data, file.size);
		for (i = 0; i < 4; i++)
			copy[test_random_range(2, (int64_t)file.size - 1)] = (unsigned char)test_random();
		ret = jpeg_decode(decoder, copy, file.size, &options, &image);
		if (ret)
			cr_assert_neq(jpeg_decoder_error(decoder)[0], '\0');
		else
			check_plane(&image, 0, image.width, image.height);
	}
	free(copy);
	jpeg_decoder_destroy(decoder);
	tjFree(file.data);
}

Test(jpeg, declared_sizes_over_the_limits_are_refused)
{
	const struct jpeg_options options = {0, 0, true, false};
	struct file file = encode(64, 64, TJPF_RGB, TJSAMP_420, 0);
	struct jpeg_decoder *decoder = decoder_new(0);
	struct engine_image image;
	int width, height;

	forge_size(&file, 16385, 16);
	cr_assert_eq(jpeg_header(decoder, file.data, file.size, &width, &height), -EFBIG);
	cr_assert_not_null(strstr(jpeg_decoder_error(decoder), "16385x16"));
	forge_size(&file, 16384, 16384);
	cr_assert_eq(jpeg_decode(decoder, file.data, file.size, &options, &image), -EFBIG);
	forge_size(&file, 65500, 65500);
	cr_assert_eq(jpeg_decode(decoder, file.data, file.size, &options, &image), -EFBIG);
	jpeg_decoder_destroy(decoder);
	tjFree(file.data);
}

Test(jpeg, memory_limit_holds)
{
	const struct jpeg_options options = {0, 0, false, true};
	struct file file = encode(64, 64, TJPF_RGB, TJSAMP_420, 0);
	struct jpeg_decoder *tight = decoder_new(64 * 64 * 3 - 1), *enough = decoder_new(64 * 64 * 3);
	struct engine_image image;

	cr_assert_eq(jpeg_decode(tight, file.data, file.size, &options, &image), -EFBIG);
	cr_assert_not_null(strstr(jpeg_decoder_error(tight), "memory limit"));
	cr_assert_eq(jpeg_decode(enough, file.data, file.size, &options, &image), 0);
	jpeg_decoder_destroy(tight);
	jpeg_decoder_destroy(enough);
	tjFree(file.data);
}

Test(jpeg, bytes_before_the_end_marker_do_no_harm)
{
	const struct jpeg_options options = {0, 0, false, true};
	struct file file = encode(64, 64, TJPF_RGB, TJSAMP_420, 0);
	struct jpeg_decoder *decoder = decoder_new(0);
	unsigned char *longer = malloc(file.size + 3);
	struct engine_image image;

	memcpy(longer, file.data, file.size - 2);
	memcpy(longer + file.size - 2, "\x11\x22\x33\xff\xd9", 5);
	cr_assert_eq(jpeg_decode(decoder, longer, file.size + 3, &options, &image), 0, "%s",
		     jpeg_decoder_error(decoder));
	cr_assert_str_eq(jpeg_decoder_error(decoder), "");
	free(longer);
	jpeg_decoder_destroy(decoder);
	tjFree(file.data);
}

/* Offset of the last start of scan. */
static unsigned long last_scan(const struct file *file)
{
	unsigned long i;

	for (i = file->size - 2; i > 0; i--) {
		if (file->data[i] == 0xff && file->data[i + 1] == 0xda)
			return i;
	}
	return 0;
}

Test(jpeg, thousands_of_scans_are_refused)
{
	const struct jpeg_options options = {0, 0, false, true};
	struct file file = encode(64, 64, TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE);
	struct jpeg_decoder *decoder = decoder_new(0);
	unsigned long start = last_scan(&file), scan = file.size - 2 - start, size = start;
	unsigned char *bomb = malloc(start + 2000 * scan + 2);
	struct engine_image image;
	int i;

	memcpy(bomb, file.data, start);
	for (i = 0; i < 2000; i++, size += scan)
		memcpy(bomb + size, file.data + start, scan);
	memcpy(bomb + size, "\xff\xd9", 2);
	cr_assert_eq(jpeg_decode(decoder, bomb, size + 2, &options, &image), -EINVAL);
	cr_assert_neq(jpeg_decoder_error(decoder)[0], '\0');
	free(bomb);
	jpeg_decoder_destroy(decoder);
	tjFree(file.data);
}
