/* test_mjpeg.c - JPEGs found in bytes that arrive piece by piece, from pipes too, and what is no MJPEG. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client-lib/inferctl/mjpeg.h"
#include "client-lib/inferctl/source.h"
#include "client-lib/inferd.h"
#include "support/test.h"

TEST_SUITE(mjpeg);

/* As small as what the splitter looks at: markers, a size of 24x16, and data with a stuffed byte and a restart. */
static const uint8_t image[] = {0xff, 0xd8, 0xff, 0xc0, 0,    11, 8, 0,	   16,	 0,    24,   1, 1,    0x11, 0,	 0xff,
				0xda, 0,    3,	  0x12, 0x34, 9,  9, 0xff, 0x00, 0xff, 0xd0, 7, 0xff, 0xff, 0xd9};

static void expect_image(const uint8_t *data, size_t size, size_t begin)
{
	struct mjpeg scan = {0};
	struct mjpeg_image found;

	/* Not before its last byte. */
	for (size_t have = 0; have < begin + sizeof(image); have++)
		cr_assert_eq((int)mjpeg_next(&scan, data, have, &found), (int)MJPEG_MORE, "of %zu bytes", have);
	cr_assert_eq((int)mjpeg_next(&scan, data, size, &found), (int)MJPEG_IMAGE);
	cr_assert_eq(found.begin, begin);
	cr_assert_eq(found.size, sizeof(image));
	cr_assert(found.width == 24 && found.height == 16);
}

Test(mjpeg, an_image_ends_with_its_last_marker)
{
	uint8_t data[3 * sizeof(image)] = {0};

	memcpy(data, image, sizeof(image));
	expect_image(data, sizeof(data), 0);
	memset(data, '-', sizeof(data));
	memcpy(data + 20, image, sizeof(image));
	expect_image(data, sizeof(data), 20);
}

/* A preview within a segment has markers of its own. */
Test(mjpeg, a_preview_is_not_the_end)
{
	uint8_t data[6 + 2 * sizeof(image)] = {0xff, 0xd8, 0xff, 0xe1, 0, 2 + sizeof(image)};
	struct mjpeg scan = {0};
	struct mjpeg_image found;

	memcpy(data + 6, image, sizeof(image));
	memcpy(data + 6 + sizeof(image), image + 2, sizeof(image) - 2);
	cr_assert_eq((int)mjpeg_next(&scan, data, sizeof(data), &found), (int)MJPEG_IMAGE);
	cr_assert_eq(found.size, sizeof(data) - 2);
}

static void expect_broken(const void *bytes, size_t size, const char *why)
{
	struct mjpeg scan = {0};
	struct mjpeg_image found;

	cr_assert_eq((int)mjpeg_next(&scan, bytes, size, &found), (int)MJPEG_BROKEN);
	cr_assert_not_null(strstr(found.why, why), "%s", found.why);
	cr_assert(found.size >= 2 && found.begin + found.size <= size);
}

Test(mjpeg, images_that_cannot_be_are_broken)
{
	expect_broken("\xff\xd8\xff\xe0\0\1", 6, "impossible length");
	expect_broken("\xff\xd8\xff\xe0\0\2abcd", 10, "no marker");
	expect_broken("\xff\xd8\xff\xda\0\2abc\xff\xd8\xff", 12, "before its last marker");
	expect_broken("\xff\xd8\xff\xd9", 4, "no size");
}

Test(mjpeg, a_long_gap_is_no_video)
{
	uint8_t *data = calloc(1, 2 * MJPEG_GAP_BYTES_MAX);
	struct mjpeg scan = {0};
	struct mjpeg_image found;

	cr_assert_not_null(data);
	cr_assert_eq((int)mjpeg_next(&scan, data, MJPEG_GAP_BYTES_MAX, &found), (int)MJPEG_MORE);
	cr_assert_eq((int)mjpeg_next(&scan, data, 2 * MJPEG_GAP_BYTES_MAX, &found), (int)MJPEG_LOST);
	free(data);
}

/* ---- from a pipe ----------------------------------------------------------------------------------- */

static void feed(int fd, const void *bytes, size_t size)
{
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
}

/* A pipe in place of standard input; its writing end. */
static int pipe_to_stdin(void)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	return ends[1];
}

Test(mjpeg, frames_of_a_pipe_are_there_when_they_come)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n";
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	int fd = pipe_to_stdin();

	feed(fd, head, sizeof(head) - 1);
	cr_assert_eq(source_open("-", &error, &source), 0, "%s", error.text);
	cr_assert(source_is_live(source));
	cr_assert_eq(source_fd(source), STDIN_FILENO);
	for (uint32_t i = 0; i < 2; i++) {
		feed(fd, image, 10);
		cr_assert_eq(source_try(source, &error, &frame), -EAGAIN);
		feed(fd, image + 10, sizeof(image) - 10);
		cr_assert_eq(source_try(source, &error, &frame), 0, "%s", error.text);
		cr_assert_eq(frame.number, i);
		cr_assert(frame.format == (int)INFERD_JPEG && frame.width == 24 && frame.height == 16);
		cr_assert(frame.bytes == sizeof(image) && !memcmp(frame.data, image, sizeof(image)));
		feed(fd, "\r\n--b\r\n\r\n", 9);
	}
	close(fd);
	cr_assert_eq(source_try(source, &error, &frame), SOURCE_E_END);
	source_close(source);
}

Test(mjpeg, a_pipe_that_ends_within_a_frame_says_which)
{
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	int fd = pipe_to_stdin();

	feed(fd, image, sizeof(image));
	feed(fd, image, sizeof(image) - 1);
	close(fd);
	cr_assert_eq(source_open("-", &error, &source), 0, "%s", error.text);
	cr_assert_eq(source_next(source, &error, &frame), 0, "%s", error.text);
	cr_assert_eq(source_next(source, &error, &frame), -EINVAL);
	cr_assert_str_eq(error.text, "standard input: the video ends within frame 1");
	source_close(source);
}
