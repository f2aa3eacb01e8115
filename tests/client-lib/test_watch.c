/*
 * test_watch.c - inferctl watch with a real daemon: each kind of source to answers, what is wrong with sources, and the
 * parts that decide by time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/inferctl/pace.h"
#include "client-lib/inferctl/source.h"
#include "client-lib/inferctl/watch_view.h"
#include "pictures.h"
#include "shell.h"

TEST_SUITE(watch);

static void serve_models(struct fixture *fixture, const char *models)
{
	fixture_init(fixture);
	fixture_configure(fixture, models);
	fixture_start(fixture);
}

static void serve(struct fixture *fixture)
{
	serve_models(fixture, fixture_models);
}

/* ---- from sources to answers ---------------------------------------------------------------------- */

/* fixture_models' networks name the classes black, dark, light and white. */
Test(watch, y4m_is_answered_frame_by_frame)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_y4m(&fixture, "video.y4m", 3, 0);
	EXPECT(&fixture, "inferctl watch tiny video.y4m --fast", 0, "video.y4m frame 0: black",
	       "video.y4m frame 1:", "video.y4m frame 2: white", "3 frames in", "3 answered", "us: mean");
	EXPECT(&fixture, "inferctl watch tiny video.y4m --fast --json --top 1", 0, "\"frame\":0,\"model\":\"tiny\"",
	       "\"label\":\"black\"", "\"frame\":2", "\"label\":\"white\"");
	/* At the video's rate a frame may be replaced, but each is taken. */
	EXPECT(&fixture, "inferctl watch tiny video.y4m", 0, "3 frames in");
	EXPECT(&fixture, "cat video.y4m | inferctl watch tiny - --fast", 0, "- frame 2: white", "3 answered");
	fixture_stop(&fixture);
}

Test(watch, folders_are_shown_in_the_order_of_names)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_folder(&fixture, "pictures");
	pictures_jpeg(&fixture, "pictures/b.jpg", 255);
	pictures_jpeg(&fixture, "pictures/a.jpg", 0);
	fixture_write(&fixture, "pictures/notes.txt", "no picture");
	EXPECT(&fixture, "inferctl watch tiny pictures", 0, "pictures/a.jpg frame 0: black",
	       "pictures/b.jpg frame 0: white", "2 frames in", "2 answered");
	EXPECT(&fixture, "inferctl watch tiny pictures --loop --frames 5", 0, "a.jpg", "b.jpg", "a.jpg", "b.jpg",
	       "a.jpg", "5 answered");
	EXPECT(&fixture, "inferctl run tiny pictures --json --top 1", 0, "\"label\":\"black\"", "\"label\":\"white\"");
	fixture_stop(&fixture);
}

Test(watch, mjpeg_comes_from_files_and_pipes)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_mjpeg(&fixture, "video.mjpeg", 3);
	EXPECT(&fixture, "inferctl watch tiny video.mjpeg", 0, "frame 0: black", "frame 1:", "frame 2: white",
	       "3 answered");
	EXPECT(&fixture, "cat video.mjpeg | inferctl watch tiny - --fast", 0, "frame 2: white", "3 answered");
	EXPECT(&fixture, "inferctl run tiny video.mjpeg --json --top 1", 0, "\"frame\":2", "\"label\":\"white\"");
	fixture_stop(&fixture);
}

static void expect_drawing(const struct fixture *fixture, const char *name, int format)
{
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	char path[256];

	snprintf(path, sizeof(path), "%s/drawn/%s", fixture->dir, name);
	cr_assert_eq(source_open(path, &error, &source), 0, "%s", error.text);
	cr_assert_eq(source_next(source, &error, &frame), 0, "%s", error.text);
	cr_assert_eq(frame.format, format);
	cr_assert_eq((int)frame.width, PICTURES_SIDE);
	source_close(source);
}

Test(watch, drawings_are_jpegs_or_pngs)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_y4m(&fixture, "video.y4m", 2, 0);
	EXPECT(&fixture, "inferctl watch tiny video.y4m --fast --annotate drawn", 0, "2 answered");
	EXPECT(&fixture, "inferctl watch tiny video.y4m --fast --annotate drawn --annotate-format png", 0,
	       "2 answered");
	expect_drawing(&fixture, "video.y4m.jpg", INFERD_JPEG);
	expect_drawing(&fixture, "video.y4m-00001.jpg", INFERD_JPEG);
	expect_drawing(&fixture, "video.y4m-00001.png", INFERD_RGB);
	fixture_stop(&fixture);
}

/* Black, then gray, then white; of a gallery that knows black and white. */
Test(watch, a_gallery_gives_names)
{
	struct fixture fixture;

	serve_models(&fixture,
		     "  - {name: look, task: embed, deadline_ms: 60000, variants: [{name: t, file: tiny.param}]}\n");
	pictures_jpeg(&fixture, "black.jpg", 0);
	pictures_mjpeg(&fixture, "video.mjpeg", 3);
	pictures_y4m(&fixture, "cut.y4m", 2, 7);
	EXPECT(&fixture, "inferctl gallery add shades night black.jpg", 0, "night in shades: 1 pictures, 1 added");
	/* What came before the cut is kept. */
	EXPECT(&fixture, "inferctl gallery add shades cut cut.y4m", 1, "the video ends within frame 1",
	       "cut in shades: 1 pictures");
	EXPECT(&fixture, "inferctl watch look video.mjpeg --gallery shades --top 1", 0, "frame 0: night", "3 answered");
	EXPECT(&fixture, "inferctl run look video.mjpeg --gallery shades --json", 0, "\"frame\":0",
	       "{\"name\":\"night\"", "\"verdict\":", "\"frame\":2");
	EXPECT(&fixture, "inferctl gallery query shades video.mjpeg", 0, "video.mjpeg: ", "night");
	EXPECT(&fixture, "inferctl watch look video.mjpeg --gallery none", 1, "none");
	fixture_stop(&fixture);
}

/* ---- what is wrong with sources -------------------------------------------------------------------- */

Test(watch, frames_before_a_cut_are_answered)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_y4m(&fixture, "cut.y4m", 3, 7);
	EXPECT(&fixture, "inferctl watch tiny cut.y4m --fast", 1, "frame 0: black",
	       "frame 1:", "cut.y4m: the video ends within frame 2", "2 answered");
	EXPECT(&fixture, "inferctl run tiny cut.y4m", 1, "black", "cut.y4m: the video ends within frame 2");
	fixture_stop(&fixture);
}

Test(watch, a_broken_jpeg_is_named_and_the_others_are_answered)
{
	struct fixture fixture;
	FILE *file;

	serve(&fixture);
	file = pictures_create(&fixture, "video.mjpeg");
	pictures_add_jpeg(file, 0);
	fwrite("\xff\xd8\xff\xe0\0\4ab", 1, 8, file);
	pictures_add_jpeg(file, 255);
	fclose(file);
	EXPECT(&fixture, "inferctl watch tiny video.mjpeg", 1, "video.mjpeg: frame 1 is broken: ", "frame 2: white",
	       "2 answered", "1 broken");
	/* A live source may lose a frame. */
	EXPECT(&fixture, "cat video.mjpeg | inferctl watch tiny -", 0, "frame 1 is broken: ", "1 broken");
	fixture_stop(&fixture);
}

Test(watch, a_broken_picture_does_not_end_its_folder)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_folder(&fixture, "pictures");
	fixture_write(&fixture, "pictures/a.bmp", "BM, and no more");
	pictures_jpeg(&fixture, "pictures/b.jpg", 255);
	EXPECT(&fixture, "inferctl watch tiny pictures", 1, "pictures/a.bmp: the BMP ends within its header",
	       "b.jpg frame 0: white", "1 answered", "1 broken");
	EXPECT(&fixture, "inferctl run tiny pictures", 1, "pictures/a.bmp: the BMP ends", "white");
	fixture_stop(&fixture);
}

Test(watch, sources_that_give_nothing_say_why)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_folder(&fixture, "album");
	EXPECT(&fixture, "inferctl watch tiny album", 1, "album: the folder is empty");
	EXPECT(&fixture, "inferctl run tiny album", 1, "album: the folder is empty");
	fixture_write(&fixture, "album/notes.txt", "no picture");
	EXPECT(&fixture, "inferctl watch tiny album", 1, "none of the 1 files in the folder is a JPEG, PNG or BMP");
	EXPECT(&fixture, "inferctl watch tiny /dev/video999", 1, "/dev/video999: there is no such camera");
	EXPECT(&fixture, "inferctl watch tiny missing.y4m", 1, "missing.y4m: cannot be opened: No such file");
	EXPECT(&fixture, "inferctl watch tiny /dev/null", 1, "/dev/null: an empty file");
	EXPECT(&fixture, "inferctl watch nothing album", 1, "nothing");
	fixture_stop(&fixture);
}

Test(watch, misuse_is_told_from_failure)
{
	struct fixture fixture;

	serve(&fixture);
	EXPECT(&fixture, "inferctl watch tiny", 2, "usage: inferctl watch MODEL SOURCE");
	EXPECT(&fixture, "inferctl watch tiny - --fps 0", 2, "--fps takes a number");
	EXPECT(&fixture, "inferctl run tiny - --fps 0", 2, "--fps takes a number");
	EXPECT(&fixture, "inferctl watch tiny - --size 640", 2, "--size takes a size such as 640x480");
	EXPECT(&fixture, "inferctl watch tiny - --full --rung x", 2, "exclude each other");
	EXPECT(&fixture, "inferctl watch tiny - --annotate-format gif", 2, "--annotate-format takes png or jpeg");
	pictures_y4m(&fixture, "video.y4m", 2, 0);
	EXPECT(&fixture, "inferctl watch tiny - --loop <video.y4m", 1, "only files and folders can begin anew");
	fixture_stop(&fixture);
}

/* ---- the rate --------------------------------------------------------------------------------------- */

Test(watch, a_pace_is_kept_and_a_stall_is_not_made_up_for)
{
	struct pace pace;

	pace_init(&pace, 100);
	cr_assert_eq(pace_wait_ns(&pace, 5000), 0);
	pace_advance(&pace, 5000);
	cr_assert_eq(pace_wait_ns(&pace, 5000), 10000000);
	/* A little late: the next is due when it would have been. */
	pace_advance(&pace, 12000000);
	cr_assert_eq(pace_wait_ns(&pace, 12000000), 8005000);
	/* A second late: one period from now. */
	pace_advance(&pace, 1000000000);
	cr_assert_eq(pace_wait_ns(&pace, 1000000000), 10000000);
}

Test(watch, without_a_rate_all_is_due)
{
	struct pace pace;

	pace_init(&pace, 0);
	pace_advance(&pace, 77);
	cr_assert_eq(pace_wait_ns(&pace, 78), 0);
}

/* ---- the view --------------------------------------------------------------------------------------- */

struct shown {
	struct watch_view view;
	char *text;
	size_t size;
};

static void view_init(struct shown *shown, bool panel)
{
	*shown = (struct shown){.view = {.panel = panel, .columns = 40, .deadline_us = 1000}};
	shown->view.out = open_memstream(&shown->text, &shown->size);
	cr_assert_not_null(shown->view.out);
}

static void view_finish(struct shown *shown)
{
	fclose(shown->view.out);
	free(shown->text);
}

static void answer(struct shown *shown, uint32_t number, enum inferd_status status, uint32_t total_us, uint64_t now_ms)
{
	static const struct inferd_item item = {.label = "a\033[2Jb", .score = 0.5f};
	struct feed_job job = {.file = "clip", .number = number};
	struct inferd_result result = {
		.status = status, .items = &item, .n_items = 1, .total_us = total_us, .reason = "", .text = ""};

	watch_view_answer(&shown->view, &job, &result, now_ms * 1000000);
	fflush(shown->view.out);
}

Test(watch, the_panel_is_drawn_in_place_and_not_too_often)
{
	struct shown shown;
	size_t first;

	view_init(&shown, true);
	answer(&shown, 0, INFERD_OK, 500, 1000);
	first = shown.size;
	cr_assert_null(strstr(shown.text, "\033["), "the first panel moves the cursor, or a label does");
	answer(&shown, 1, INFERD_OK, 500, 1010);
	cr_assert_eq(shown.size, first);
	answer(&shown, 2, INFERD_OK, 1500, 1100);
	/* Up over its four lines. */
	cr_assert_eq(strncmp(shown.text + first, "\033[4A\r\033[J", 8), 0, "%s", shown.text + first);
	cr_assert_not_null(strstr(shown.text + first, "20.0 fps  late 1"), "%s", shown.text + first);
	view_finish(&shown);
}

Test(watch, sums_name_what_became_of_the_frames)
{
	struct shown shown;

	view_init(&shown, false);
	answer(&shown, 0, INFERD_OK, 500, 0);
	answer(&shown, 1, INFERD_DROPPED_REPLACED, 0, 10);
	answer(&shown, 2, INFERD_OK, 2500, 500);
	shown.view.submitted = 3;
	watch_view_summary(&shown.view, 1000000000);
	fflush(shown.view.out);
	cr_assert_not_null(
		strstr(shown.text, "3 frames in 1.0 s: 2 answered (2.0 a second), 1 of them late, 1 replaced"), "%s",
		shown.text);
	cr_assert_not_null(strstr(shown.text, "us: mean 1500, most 2500"), "%s", shown.text);
	view_finish(&shown);
}
