/*
 * test_source.c - frames from pictures and video, whole, cut short and hostile.
 *
 * Every file is made here, in a memory file reached through /proc/self/fd.
 */
#include "support/test.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <turbojpeg.h>
#include <unistd.h>

#include "client-lib/inferctl/source.h"

TEST_SUITE(source);

enum { I420 = 2, RGB = 4, GRAY8 = 8, JPEG = 9 };

static struct source_error error;

/* Opens the bytes as a file; closes the memory again, which the source then keeps by its own descriptor. */
static int open_bytes(const void *bytes, size_t size, struct source **ret_source)
{
	int fd = memfd_create("image", MFD_CLOEXEC), ret;
	char path[64];

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = source_open(path, &error, ret_source);
	if (ret) {
		cr_assert_not_null(strstr(error.text, path), "\"%s\" does not name the file", error.text);
		cr_assert_gt(strlen(error.text), strlen(path) + 2);
	}
	close(fd);
	return ret;
}

static void expect_refused(const void *bytes, size_t size, int code, const char *cause)
{
	struct source *source = NULL;

	cr_assert_eq(open_bytes(bytes, size, &source), code, "%s", error.text);
	cr_assert_null(source);
	cr_assert_not_null(strstr(error.text, cause), "\"%s\" does not say \"%s\"", error.text, cause);
}

static void expect_end(struct source *source)
{
	struct source_frame frame = {.width = 5};

	cr_assert_eq(source_next(source, &error, &frame), SOURCE_E_END);
	cr_assert_eq(source_next(source, &error, &frame), SOURCE_E_END);
	cr_assert_eq(frame.width, 5);
	source_close(source);
}

/* ---- the file itself --------------------------------------------------------------------------- */

Test(source, missing_file_is_named)
{
	struct source *source = NULL;

	cr_assert_eq(source_open("/nonexistent/a\nb.jpg", &error, &source), -ENOENT);
	cr_assert_null(source);
	cr_assert_str_eq(error.text, "/nonexistent/a?b.jpg: cannot be opened: No such file or directory");
	source_close(NULL);
}

Test(source, other_content_is_refused)
{
	expect_refused("", 0, -ENOTSUP, "empty file");
	expect_refused("GIF89a..........", 16, -ENOTSUP, "not a JPEG, PNG, BMP or y4m video");
	expect_refused("\xff\xd8", 2, -ENOTSUP, "not a JPEG, PNG, BMP or y4m video");
}

/* ---- JPEG -------------------------------------------------------------------------------------- */

static unsigned long make_jpeg(int width, int height, unsigned char **ret_data)
{
	tjhandle handle = tjInitCompress();
	unsigned char *pixels = calloc((size_t)width * (size_t)height, 3);
	unsigned long size = 0;

	*ret_data = NULL;
	cr_assert_eq(tjCompress2(handle, pixels, width, 0, height, TJPF_RGB, ret_data, &size, TJSAMP_420, 90, 0), 0);
	free(pixels);
	tjDestroy(handle);
	return size;
}

Test(source, jpeg_passes_through)
{
	unsigned char *data;
	unsigned long size = make_jpeg(31, 17, &data);
	struct source_frame frame;
	struct source *source;

	cr_assert_eq(open_bytes(data, size, &source), 0);
	cr_assert_eq(source_next(source, &error, &frame), 0);
	cr_assert_eq(frame.format, JPEG);
	cr_assert_eq(frame.width, 31);
	cr_assert_eq(frame.height, 17);
	cr_assert_eq(frame.bytes, size);
	cr_assert_arr_eq(frame.data, data, size);
	expect_end(source);
	/* Two bytes into the quantisation table. */
	expect_refused(data, 24, -EINVAL, "not a JPEG that can be read");
	tjFree(data);
}

/* ---- PNG --------------------------------------------------------------------------------------- */

static size_t make_png(png_uint_32 format, unsigned width, unsigned height, const void *pixels, const void *colours,
		       unsigned n_colours, unsigned char **ret_data)
{
	png_image image = {.version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = format};
	png_alloc_size_t size = 0;

	image.colormap_entries = n_colours;
	cr_assert(png_image_write_to_memory(&image, NULL, &size, 0, pixels, 0, colours));
	*ret_data = malloc(size);
	cr_assert(png_image_write_to_memory(&image, *ret_data, &size, 0, pixels, 0, colours));
	return size;
}

static void expect_picture(const void *file, size_t size, int format, unsigned width, unsigned height,
			   const uint8_t *pixels)
{
	struct source_frame frame;
	struct source *source;
	size_t bytes = (size_t)width * height * (format == RGB ? 3 : 1);

	cr_assert_eq(open_bytes(file, size, &source), 0, "%s", error.text);
	cr_assert_eq(source_next(source, &error, &frame), 0);
	cr_assert_eq(frame.format, format);
	cr_assert_eq(frame.width, width);
	cr_assert_eq(frame.height, height);
	cr_assert_eq(frame.bytes, bytes);
	cr_assert_eq(frame.offset[0], 0);
	cr_assert_eq(frame.stride[0], width * (format == RGB ? 3 : 1));
	cr_assert_arr_eq(frame.data, pixels, bytes);
	expect_end(source);
}

Test(source, png_in_colour_and_gray)
{
	const uint8_t rgb[2 * 3 * 3] = {1, 2, 3, 40, 50, 60, 7, 8, 9, 100, 110, 120, 13, 14, 15, 160, 170, 255};
	unsigned char *file;
	size_t size = make_png(PNG_FORMAT_RGB, 3, 2, rgb, NULL, 0, &file);

	expect_picture(file, size, RGB, 3, 2, rgb);
	free(file);
	size = make_png(PNG_FORMAT_GRAY, 6, 3, rgb, NULL, 0, &file);
	expect_picture(file, size, GRAY8, 6, 3, rgb);
	free(file);
}

Test(source, png_alpha_is_laid_over_white)
{
	const uint8_t rgba[2 * 4] = {10, 20, 30, 255, 10, 20, 30, 0};
	const uint8_t expected[2 * 3] = {10, 20, 30, 255, 255, 255};
	unsigned char *file;
	size_t size = make_png(PNG_FORMAT_RGBA, 2, 1, rgba, NULL, 0, &file);

	expect_picture(file, size, RGB, 2, 1, expected);
	free(file);
}

Test(source, png_palette_becomes_rgb)
{
	const uint8_t colours[3 * 3] = {255, 0, 0, 0, 255, 0, 0, 0, 255}, indexes[4] = {2, 1, 0, 1};
	const uint8_t expected[4 * 3] = {0, 0, 255, 0, 255, 0, 255, 0, 0, 0, 255, 0};
	unsigned char *file;
	size_t size = make_png(PNG_FORMAT_RGB_COLORMAP, 2, 2, indexes, colours, 3, &file);

	expect_picture(file, size, RGB, 2, 2, expected);
	free(file);
}

Test(source, png_of_16_bits_becomes_8)
{
	/* Linear light at both ends of the range, which any transfer curve keeps. */
	const uint16_t linear[2 * 3] = {0, 0, 0, 65535, 65535, 65535};
	const uint8_t expected[2 * 3] = {0, 0, 0, 255, 255, 255};
	unsigned char *file;
	size_t size = make_png(PNG_FORMAT_LINEAR_RGB, 2, 1, linear, NULL, 0, &file);

	cr_assert_eq(file[24], 16, "the file has 16 bits a sample");
	expect_picture(file, size, RGB, 2, 1, expected);
	free(file);
}

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
	uint32_t crc = 0xffffffffu;
	size_t i;
	int bit;

	for (i = 0; i < size; i++) {
		crc ^= data[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void put_be32(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 24);
	to[1] = (uint8_t)(value >> 16);
	to[2] = (uint8_t)(value >> 8);
	to[3] = (uint8_t)value;
}

Test(source, png_of_forged_size_is_refused_before_memory_is_taken)
{
	const uint8_t gray[4] = {1, 2, 3, 4};
	unsigned char *file;
	size_t size = make_png(PNG_FORMAT_GRAY, 2, 2, gray, NULL, 0, &file);

	put_be32(file + 16, 1000000);
	put_be32(file + 20, 900000);
	put_be32(file + 29, crc32_of(file + 12, 17));
	expect_refused(file, size, -EFBIG, "1000000x900000 pixels");
	free(file);
}

Test(source, png_cut_anywhere_is_an_error)
{
	uint8_t rgb[20 * 20 * 3];
	unsigned char *file;
	size_t size, cut, i;

	for (i = 0; i < sizeof(rgb); i++)
		rgb[i] = (uint8_t)test_random();
	size = make_png(PNG_FORMAT_RGB, 20, 20, rgb, NULL, 0, &file);
	/* The end chunk of 12 bytes adds nothing to the pixels. */
	for (cut = 8; cut < size - 16; cut += 13)
		expect_refused(file, cut, -EINVAL, "not a PNG that can be read");
	free(file);
}

/* ---- BMP --------------------------------------------------------------------------------------- */

static void put_le(uint8_t *to, uint32_t value, int bytes)
{
	int i;

	for (i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

/* File and info header; pixels follow at `offset`. */
static void bmp_header(uint8_t *file, uint32_t offset, int32_t width, int32_t height, int bits)
{
	memset(file, 0, 54);
	memcpy(file, "BM", 2);
	put_le(file + 10, offset, 4);
	put_le(file + 14, 40, 4);
	put_le(file + 18, (uint32_t)width, 4);
	put_le(file + 22, (uint32_t)height, 4);
	put_le(file + 26, 1, 2);
	put_le(file + 28, (uint32_t)bits, 2);
}

Test(source, bmp_rows_go_up_or_down)
{
	/* One pixel wide, two high; rows padded to four bytes; bytes blue, green, red. */
	const uint8_t rows[8] = {1, 2, 3, 0, 4, 5, 6, 0};
	const uint8_t from_bottom[6] = {6, 5, 4, 3, 2, 1}, from_top[6] = {3, 2, 1, 6, 5, 4};
	uint8_t file[54 + 8];

	bmp_header(file, 54, 1, 2, 24);
	memcpy(file + 54, rows, 8);
	expect_picture(file, sizeof(file), RGB, 1, 2, from_bottom);
	bmp_header(file, 54, 1, -2, 24);
	expect_picture(file, sizeof(file), RGB, 1, 2, from_top);
}

Test(source, bmp_of_32_bits_and_of_palettes)
{
	const uint8_t deep[3] = {9, 8, 7}, indexed[6] = {30, 20, 10, 0, 0, 0};
	uint8_t file[54 + 4 + 4];

	bmp_header(file, 54, 1, 1, 32);
	memcpy(file + 54, "\x07\x08\x09\x00", 4);
	expect_picture(file, 58, RGB, 1, 1, deep);
	/* A palette of one colour; the second pixel's index lies outside of it. */
	bmp_header(file, 58, 2, 1, 8);
	put_le(file + 46, 1, 4);
	memcpy(file + 54, "\x0a\x14\x1e\x00\x00\xff\x00\x00", 8);
	expect_picture(file, 62, RGB, 2, 1, indexed);
}

Test(source, bmp_that_lies_is_refused)
{
	uint8_t file[54 + 64] = {0};
	size_t cut;

	bmp_header(file, 54, 4, 4, 24);
	for (cut = 2; cut < 54; cut++)
		expect_refused(file, cut, -EINVAL, "ends within its header");
	for (; cut < 54 + 48; cut++)
		expect_refused(file, cut, -EINVAL, "ends before its pixels");
	bmp_header(file, 0xfffffff0u, 4, 4, 24);
	expect_refused(file, sizeof(file), -EINVAL, "ends before its pixels");
	bmp_header(file, 54, 16384, 16384, 24);
	expect_refused(file, sizeof(file), -EFBIG, "16384x16384");
	bmp_header(file, 54, 4, INT32_MIN, 24);
	expect_refused(file, sizeof(file), -EFBIG, "4x2147483648");
	bmp_header(file, 54, -4, 4, 24);
	expect_refused(file, sizeof(file), -EFBIG, "pixels");
	bmp_header(file, 54, 0, 4, 24);
	expect_refused(file, sizeof(file), -EFBIG, "0x4");
	bmp_header(file, 54, 4, 4, 4);
	expect_refused(file, sizeof(file), -ENOTSUP, "4 bits");
	bmp_header(file, 54, 4, 4, 8);
	put_le(file + 46, 0x40000001, 4);
	expect_refused(file, sizeof(file), -EINVAL, "palette");
	bmp_header(file, 54, 4, 4, 8);
	put_le(file + 14, 0xfffffff8u, 4);
	expect_refused(file, sizeof(file), -EINVAL, "palette");
}

/* ---- y4m --------------------------------------------------------------------------------------- */

static int open_text(const char *header, size_t payload, struct source **ret_source)
{
	size_t length = strlen(header);
	uint8_t *bytes = calloc(length + payload, 1);
	int ret;
	size_t i;

	memcpy(bytes, header, length);
	for (i = 0; i < payload; i++)
		bytes[length + i] = (uint8_t)i;
	ret = open_bytes(bytes, length + payload, ret_source);
	free(bytes);
	return ret;
}

Test(source, y4m_frames_come_in_order)
{
	/* 3x3: nine of luma, four of each chroma. */
	const char *const headers[] = {
		"YUV4MPEG2 W3 H3\n",
		"YUV4MPEG2 W3 H3 F30:1 Ip A1:1 C420jpeg\n",
		"YUV4MPEG2 H3 W3 C420mpeg2 XYSCSS=420MPEG2\n",
		"YUV4MPEG2  W3 H3 I? C420paldv\n",
		"YUV4MPEG2 C420 W3 H3 XCOLORRANGE=LIMITED\n",
	};
	size_t i;

	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		char file[256];
		size_t length = (size_t)snprintf(file, sizeof(file), "%sFRAME\n%sFRAME Ixyz\n%s", headers[i],
						 "aaaaaaaaabbbbcccc", "dddddddddeeeeffff");
		struct source_frame frame;
		struct source *source;

		cr_assert_eq(open_bytes(file, length, &source), 0, "%s", error.text);
		cr_assert_eq(source_next(source, &error, &frame), 0, "%s", error.text);
		cr_assert_eq(frame.format, I420);
		cr_assert(!frame.full_range);
		cr_assert_eq(frame.width, 3);
		cr_assert_eq(frame.height, 3);
		cr_assert_eq(frame.bytes, 17);
		cr_assert_eq(frame.offset[1], 9);
		cr_assert_eq(frame.offset[2], 13);
		cr_assert_eq(frame.stride[0], 3);
		cr_assert_eq(frame.stride[1], 2);
		cr_assert_eq(frame.stride[2], 2);
		cr_assert_arr_eq(frame.data, "aaaaaaaaabbbbcccc", 17);
		cr_assert_eq(source_next(source, &error, &frame), 0, "%s", error.text);
		cr_assert_arr_eq(frame.data, "dddddddddeeeeffff", 17);
		expect_end(source);
	}
}

Test(source, y4m_full_range_and_mono)
{
	struct source_frame frame;
	struct source *source;

	cr_assert_eq(open_text("YUV4MPEG2 W2 H2 C420jpeg XCOLORRANGE=FULL\nFRAME\n", 6, &source), 0);
	cr_assert_eq(source_next(source, &error, &frame), 0);
	cr_assert(frame.full_range);
	expect_end(source);
	cr_assert_eq(open_text("YUV4MPEG2 W3 H2 Cmono\nFRAME\n", 6, &source), 0);
	cr_assert_eq(source_next(source, &error, &frame), 0);
	cr_assert_eq(frame.format, GRAY8);
	cr_assert_eq(frame.bytes, 6);
	cr_assert_eq(frame.stride[0], 3);
	cr_assert_eq(frame.stride[1], 0);
	expect_end(source);
}

Test(source, y4m_without_frames_ends_at_once)
{
	struct source *source;

	cr_assert_eq(open_text("YUV4MPEG2 W3 H3\n", 0, &source), 0);
	expect_end(source);
}

Test(source, y4m_headers_that_cannot_be_are_refused)
{
	const struct {
		const char *header, *cause;
		int code;
	} rows[] = {
		{"YUV4MPEG2 W3 H3 C422\n", "chroma \"422\" is not supported", -ENOTSUP},
		{"YUV4MPEG2 W3 H3 C444alpha\n", "chroma", -ENOTSUP},
		{"YUV4MPEG2 W3 H3 C420p10\n", "chroma \"420p10\"", -ENOTSUP},
		{"YUV4MPEG2 W3 H3 Cmono16\n", "chroma", -ENOTSUP},
		{"YUV4MPEG2 W3 H3 It\n", "interlaced", -ENOTSUP},
		{"YUV4MPEG2 H3\n", "0x3 pixels", -EFBIG},
		{"YUV4MPEG2 W3\n", "3x0 pixels", -EFBIG},
		{"YUV4MPEG2 W16385 H3\n", "16385x3 pixels", -EFBIG},
		{"YUV4MPEG2 W16384 H16384\n", "64 megapixels", -EFBIG},
		{"YUV4MPEG2 W99999999999999999999 H3\n", "not a number", -EINVAL},
		{"YUV4MPEG2 W-3 H3\n", "not a number", -EINVAL},
		{"YUV4MPEG2 W H3\n", "not a number", -EINVAL},
		{"YUV4MPEG2 W3 H3", "ends within its header", -EINVAL},
	};
	char endless[4096];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_refused(rows[i].header, strlen(rows[i].header), rows[i].code, rows[i].cause);
	memset(endless, 'X', sizeof(endless));
	memcpy(endless, "YUV4MPEG2 ", 10);
	expect_refused(endless, sizeof(endless), -EINVAL, "header");
}

Test(source, y4m_cut_in_a_frame_says_which)
{
	const char *const header = "YUV4MPEG2 W2 H2\nFRAME\nyyyyuvFRAME\nyyyyuv";
	size_t whole = strlen("YUV4MPEG2 W2 H2\n"), end = strlen(header), cut;

	for (cut = whole + 1; cut < end; cut++) {
		size_t in_frame = (cut - whole) % 12;
		struct source_frame frame;
		struct source *source;
		int ret;

		cr_assert_eq(open_bytes(header, cut, &source), 0);
		do {
			frame.width = 5;
			ret = source_next(source, &error, &frame);
		} while (ret == 0);
		cr_assert_eq(ret, in_frame == 0 ? SOURCE_E_END : -EINVAL, "cut at %zu: %s", cut, error.text);
		if (in_frame)
			cr_assert_not_null(strstr(error.text, cut < whole + 12 ? "frame 0" : "frame 1"), "%s",
					   error.text);
		cr_assert_eq(frame.width, 5);
		expect_end(source);
	}
}

Test(source, y4m_bad_frame_header_ends_the_video)
{
	struct source_frame frame;
	struct source *source;

	cr_assert_eq(open_text("YUV4MPEG2 W2 H2\nFRAMES\n", 6, &source), 0);
	cr_assert_eq(source_next(source, &error, &frame), -EINVAL);
	cr_assert_not_null(strstr(error.text, "frame 0 of the video has no valid header"));
	expect_end(source);
}

Test(source, y4m_comes_from_standard_input)
{
	const char video[] = "YUV4MPEG2 W2 H2\nFRAME\nyyyyuv";
	int fd = memfd_create("stdin", MFD_CLOEXEC);
	struct source_frame frame;
	struct source *source;

	cr_assert_eq(write(fd, video, sizeof(video) - 1), (ssize_t)sizeof(video) - 1);
	lseek(fd, 0, SEEK_SET);
	cr_assert_eq(dup2(fd, 0), 0);
	close(fd);
	cr_assert_eq(source_open("-", &error, &source), 0, "%s", error.text);
	cr_assert_eq(source_next(source, &error, &frame), 0);
	cr_assert_arr_eq(frame.data, "yyyyuv", 6);
	expect_end(source);
}

/* ---- damage ------------------------------------------------------------------------------------ */

Test(source, damage_never_crashes)
{
	uint8_t rgb[16 * 16 * 3] = {0};
	unsigned char *files[4];
	size_t sizes[4];
	int round;

	sizes[0] = make_jpeg(40, 30, &files[0]);
	sizes[1] = make_png(PNG_FORMAT_RGB, 16, 16, rgb, NULL, 0, &files[1]);
	sizes[2] = 54 + 16 * 16 * 3;
	files[2] = calloc(sizes[2], 1);
	bmp_header(files[2], 54, 16, 16, 24);
	files[3] = (unsigned char *)strdup("YUV4MPEG2 W2 H2 C420\nFRAME\nyyyyuvFRAME\nyyyyuv");
	sizes[3] = strlen((char *)files[3]);
	for (round = 0; round < 400; round++) {
		int kind = round % 4, i;
		unsigned char *copy = malloc(sizes[kind]);
		struct source_frame frame;
		struct source *source;

		memcpy(copy, files[kind], sizes[kind]);
		for (i = 0; i < 3; i++) {
			int64_t end = (int64_t)(sizes[kind] < 60 ? sizes[kind] : 60);

			copy[test_random_range(0, end - 1)] = (unsigned char)test_random();
		}
		if (open_bytes(copy, sizes[kind], &source) == 0) {
			while (source_next(source, &error, &frame) == 0)
				cr_assert_leq(frame.bytes, (size_t)64 << 20 << 2);
			source_close(source);
		}
		free(copy);
	}
	tjFree(files[0]);
	free(files[1]);
	free(files[2]);
	free(files[3]);
}
