/* test_places.c - boxes and masks in the installed interface and in inferctl. */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "client-lib/inferctl/source.h"
#include "client-lib/inferd.h"
#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(places);

#define SIDE 64

static const char models[] =
	"  - {name: d, task: detect, detector: corners, deadline_ms: 60000,\n"
	"     variants: [{name: v, file: detector.param}], labels: labels.txt}\n"
	"  - {name: s, task: segment, deadline_ms: 60000, variants: [{name: v, file: segmenter.param}]}\n";

static void serve(struct fixture *fixture)
{
	char stem[512];

	fixture_init(fixture);
	snprintf(stem, sizeof(stem), "%s/detector", fixture->dir);
	tiny_detector_write(stem, 32);
	snprintf(stem, sizeof(stem), "%s/segmenter", fixture->dir);
	tiny_segmenter_write(stem, 32);
	fixture_configure(fixture, models);
	fixture_start(fixture);
}

static const struct inferd_result *run(struct inferd *client, struct inferd_stream **stream, const char *model,
				       const uint8_t *pixels)
{
	struct inferd_stream_options options = {.model = model, .buffer_bytes = SIDE * SIDE};
	struct inferd_frame frame = {
		.format = INFERD_GRAY8, .width = SIDE, .height = SIDE, .data = pixels, .bytes = SIDE * SIDE};
	const struct inferd_result *result;

	cr_assert_eq(inferd_stream_open(client, &options, stream), 0, "%s", inferd_error(client));
	cr_assert_eq(inferd_run(*stream, &frame, 60000, &result), 0, "%s", inferd_error(client));
	cr_assert_eq((int)result->status, (int)INFERD_OK, "%s", result->text);
	return result;
}

Test(places, arrive_with_the_result)
{
	static uint8_t white[SIDE * SIDE], upper[SIDE * SIDE];
	const struct inferd_result *result;
	struct inferd_stream *stream;
	struct fixture fixture;
	struct inferd *client;

	serve(&fixture);
	cr_assert_eq(inferd_connect(fixture.socket, "test", &client), 0);
	memset(white, 255, sizeof(white));
	result = run(client, &stream, "d", white);
	cr_assert_eq(result->n_items, 1);
	cr_assert(result->places[0].x0 == 0 && result->places[0].x1 == SIDE / 2 && result->places[0].y1 == SIDE / 2);
	cr_assert_eq(result->places[0].n_points, 0);
	cr_assert_null(result->mask);
	inferd_stream_close(stream);
	memset(upper, 255, sizeof(upper) / 2);
	result = run(client, &stream, "s", upper);
	cr_assert_null(result->places);
	cr_assert_not_null(result->mask);
	cr_assert_eq((int)result->mask->width, 32);
	cr_assert_eq(result->mask->data[3 * 32 + 3], 255);
	cr_assert_eq(result->mask->data[30 * 32 + 3], 0);
	inferd_close(client);
	fixture_stop(&fixture);
}

/* A white 96x96 picture as PNG. */
static void write_white(const char *path)
{
	static uint8_t pixels[96 * 96 * 3];
	png_image image = {.version = PNG_IMAGE_VERSION, .width = 96, .height = 96, .format = PNG_FORMAT_RGB};

	memset(pixels, 255, sizeof(pixels));
	cr_assert(png_image_write_to_file(&image, path, 0, pixels, 0, NULL));
}

Test(places, are_printed_and_drawn_by_inferctl)
{
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	struct fixture fixture;
	char path[256], command[8192], out[4096];
	FILE *pipe;
	size_t n;

	serve(&fixture);
	snprintf(path, sizeof(path), "%s/white.png", fixture.dir);
	write_white(path);
	snprintf(command, sizeof(command), "'%s' --socket '%s' --json run d '%s' --annotate '%s/drawn' 2>&1",
		 INFERCTL_BINARY, fixture.socket, path, fixture.dir);
	pipe = popen(command, "r");
	cr_assert_not_null(pipe);
	n = fread(out, 1, sizeof(out) - 1, pipe);
	out[n] = '\0';
	cr_assert_eq(WEXITSTATUS(pclose(pipe)), 0, "%s", out);
	cr_assert(strstr(out, "\"label\":\"black\"") && strstr(out, "\"box\":[0.00,0.00,48.00,48.00]"), "%s", out);
	snprintf(path, sizeof(path), "%s/drawn/white.png.png", fixture.dir);
	cr_assert_eq(source_open(path, &error, &source), 0, "%s", error.text);
	cr_assert_eq(source_next(source, &error, &frame), 0, "%s", error.text);
	cr_assert_eq((int)frame.width, 96);
	/* Its lower right corner is drawn, the rest of the picture is not. */
	cr_assert_lt((int)frame.data[frame.offset[0] + 47 * frame.stride[0] + 47 * 3], 255);
	cr_assert_eq((int)frame.data[frame.offset[0] + 80 * frame.stride[0] + 80 * 3], 255);
	source_close(source);
	remove(path);
	snprintf(path, sizeof(path), "%s/drawn", fixture.dir);
	remove(path);
	fixture_stop(&fixture);
}
