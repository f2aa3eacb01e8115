/* test_gallery.c - inferctl gallery with a real daemon: what it does, and what it says when something is wrong. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/inferd.h"
#include "pictures.h"
#include "shell.h"

TEST_SUITE(gallery);

#define LENGTH 4 /* of the networks' vectors */

static const char models[] =
	"  - {name: look, task: embed, deadline_ms: 60000, variants: [{name: t, file: tiny.param}]}\n"
	"  - {name: other, task: embed, deadline_ms: 60000, preprocess: {mean: 1, scale: 0.004},\n"
	"     variants: [{name: t, file: tiny.param}]}\n"
	"  - {name: classes, task: classify, variants: [{name: t, file: tiny.param}]}\n";

/* A gallery `shades` of the model `look`, with the name `night`. */
static void serve(struct fixture *fixture)
{
	fixture_init(fixture);
	fixture_configure(fixture, models);
	fixture_start(fixture);
	pictures_jpeg(fixture, "black.jpg", 0);
	pictures_jpeg(fixture, "white.jpg", 255);
	EXPECT(fixture, "inferctl gallery add shades night black.jpg --model look", 0,
	       "night in shades: 1 pictures, 1 added");
}

static void expect_unchanged(const struct fixture *fixture)
{
	EXPECT(fixture, "inferctl gallery list --json", 0, "[{\"name\":\"shades\",\"model\":\"look\"", "\"names\":1}]");
	EXPECT(fixture, "inferctl gallery list shades --json", 0, "\"names\":[{\"name\":\"night\",\"pictures\":1}]");
}

Test(gallery, what_was_added_is_listed_found_and_removed)
{
	struct fixture fixture;

	serve(&fixture);
	EXPECT(&fixture, "inferctl gallery add shades day white.jpg white.jpg", 0,
	       "day in shades: 2 pictures, 1 added, 1 much like others and left out; 1 now");
	EXPECT(&fixture, "inferctl gallery query shades black.jpg white.jpg --top 1", 0, "black.jpg: ", "night",
	       "white.jpg: ", "day");
	EXPECT(&fixture, "inferctl gallery remove shades day", 0, "day");
	expect_unchanged(&fixture);
	EXPECT(&fixture, "inferctl gallery remove shades", 0, "shades");
	EXPECT(&fixture, "inferctl gallery list --json", 0, "{\"galleries\":[]}");
	fixture_stop(&fixture);
}

Test(gallery, commands_that_make_no_sense_are_told_how)
{
	static const char *const commands[] = {
		"inferctl gallery",
		"inferctl gallery add",
		"inferctl gallery add shades",
		"inferctl gallery add shades night",
		"inferctl gallery query shades",
		"inferctl gallery list shades night",
		"inferctl gallery remove",
		"inferctl gallery remove shades night black.jpg",
		"inferctl gallery dance shades",
		"inferctl gallery add shades night black.jpg --fps 0",
		"inferctl gallery add shades night black.jpg --fps x",
		"inferctl gallery add shades night black.jpg --rate 0",
		"inferctl gallery add shades night black.jpg --rate x",
		"inferctl gallery query shades black.jpg --top 0",
		"inferctl gallery query shades black.jpg --model",
	};
	struct fixture fixture;
	char out[SHELL_TEXT_MAX];

	serve(&fixture);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		cr_assert_eq(shell_run(&fixture, commands[i], out), 2, "%s:\n%s", commands[i], out);
	expect_unchanged(&fixture);
	fixture_stop(&fixture);
}

Test(gallery, unknown_galleries_names_and_models_are_named)
{
	struct fixture fixture;

	serve(&fixture);
	EXPECT(&fixture, "inferctl gallery list nights", 1, "there is no gallery 'nights'");
	EXPECT(&fixture, "inferctl gallery query nights black.jpg", 1, "there is no gallery 'nights'");
	EXPECT(&fixture, "inferctl gallery remove nights", 1, "there is no gallery 'nights'");
	EXPECT(&fixture, "inferctl gallery remove nights day", 1, "there is no gallery 'nights'");
	EXPECT(&fixture, "inferctl gallery remove shades day", 1, "the gallery 'shades' has no name 'day'");
	EXPECT(&fixture, "inferctl gallery add nights dark black.jpg", 1,
	       "several models are of task embed: name one with --model");
	EXPECT(&fixture, "inferctl gallery add nights dark black.jpg --model none", 1, "there is no model 'none'");
	EXPECT(&fixture, "inferctl gallery add nights dark black.jpg --model classes", 1,
	       "the model 'classes' is of task classify; a gallery needs one of task embed");
	EXPECT(&fixture, "inferctl run classes black.jpg --gallery shades", 1, "not of task embed");
	expect_unchanged(&fixture);
	fixture_stop(&fixture);
}

Test(gallery, another_models_pictures_are_refused)
{
	struct fixture fixture;

	serve(&fixture);
	EXPECT(&fixture, "inferctl gallery add shades day white.jpg --model other", 1,
	       "the gallery 'shades' is of the model 'look', not of 'other'");
	EXPECT(&fixture, "inferctl gallery query shades white.jpg --model other", 1,
	       "the gallery 'shades' is of the model 'look', not of 'other'");
	EXPECT(&fixture, "inferctl run other black.jpg --gallery shades", 1, "'look'", "'other'");
	expect_unchanged(&fixture);
	fixture_stop(&fixture);
}

/* What the library is given need not come from inferctl. */
Test(gallery, vectors_of_another_model_or_of_none_are_refused)
{
	static const float one[LENGTH] = {1}, two[LENGTH] = {2};
	struct inferd_stream_options options = {.model = "other", .buffer_bytes = 16};
	struct inferd_frame frame = {
		.format = INFERD_GRAY8, .width = 4, .height = 4, .data = "0123456789abcdef", .bytes = 16};
	struct inferd_vectors vectors = {.length = LENGTH};
	const struct inferd_result *result;
	struct inferd_stream *stream;
	struct inferd *client;
	struct fixture fixture;
	char *text = NULL;

	serve(&fixture);
	cr_assert_eq(inferd_connect(fixture.socket, "gallery", &client), 0);
	cr_assert_eq(inferd_stream_open(client, &options, &stream), 0);
	cr_assert_eq(inferd_run(stream, &frame, 60000, &result), 0);
	vectors.space = result->space;
	vectors.data = one;
	cr_assert_eq(inferd_gallery_add(client, "shades", "day", "look", &vectors, 1, 1, 60000, &text), -ESTALE);
	cr_assert(strstr(inferd_error(client), "'look'"), "%s", inferd_error(client));
	cr_assert_eq(inferd_gallery_add(client, "shades", "day", "other", &vectors, 1, 1, 60000, &text), -EINVAL);
	vectors.space = 12345;
	cr_assert_eq(inferd_gallery_add(client, "shades", "day", NULL, &vectors, 1, 1, 60000, &text), -ESTALE);
	vectors.data = two;
	cr_assert_eq(inferd_gallery_add(client, "shades", "day", NULL, &vectors, 1, 1, 60000, &text), -EINVAL);
	cr_assert(strstr(inferd_error(client), "length"), "%s", inferd_error(client));
	cr_assert_null(text);
	inferd_close(client);
	expect_unchanged(&fixture);
	fixture_stop(&fixture);
}

Test(gallery, files_that_are_not_there_or_no_pictures_are_named)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_folder(&fixture, "hollow");
	pictures_folder(&fixture, "notes");
	fixture_write(&fixture, "notes/a.txt", "no picture");
	fixture_write(&fixture, "nothing.jpg", "%s", "");
	EXPECT(&fixture, "inferctl gallery add shades day none.jpg", 1, "none.jpg: cannot be opened: No such file");
	EXPECT(&fixture, "inferctl gallery query shades none.jpg", 1, "none.jpg: cannot be opened: No such file");
	EXPECT(&fixture, "inferctl gallery add shades day hollow", 1, "hollow: the folder is empty");
	EXPECT(&fixture, "inferctl gallery query shades hollow", 1, "hollow: the folder is empty");
	EXPECT(&fixture, "inferctl gallery add shades day notes", 1, "notes/a.txt: ");
	EXPECT(&fixture, "inferctl gallery add shades day nothing.jpg", 1, "nothing.jpg: ");
	EXPECT(&fixture, "inferctl gallery add shades day - < nothing.jpg", 1, "standard input: ");
	expect_unchanged(&fixture);
	/* One that is wrong keeps none of the others away, and still counts. */
	EXPECT(&fixture, "inferctl gallery add shades day none.jpg white.jpg", 1,
	       "none.jpg: ", "day in shades: 1 pictures, 1 added");
	EXPECT(&fixture, "inferctl gallery query shades none.jpg white.jpg --top 1", 1,
	       "none.jpg: ", "white.jpg: ", "day");
	fixture_stop(&fixture);
}

Test(gallery, what_came_before_a_cut_is_kept_and_asked)
{
	struct fixture fixture;

	serve(&fixture);
	pictures_y4m(&fixture, "cut.y4m", 3, 7);
	EXPECT(&fixture, "inferctl gallery add shades cut cut.y4m --fps 1000", 1,
	       "cut.y4m: the video ends within frame 2", "cut in shades: 2 pictures");
	EXPECT(&fixture, "inferctl gallery query shades cut.y4m --fps 1000 --top 1", 1,
	       "cut.y4m: ", "cut.y4m frame 1: ", "cut.y4m: the video ends within frame 2");
	EXPECT(&fixture, "head -c 20 cut.y4m | inferctl gallery add shades day -", 1, "standard input: ");
	EXPECT(&fixture, "inferctl gallery list shades --json", 0, "\"name\":\"night\",\"pictures\":1",
	       "\"name\":\"cut\"");
	fixture_stop(&fixture);
}

/* A picture that is of a time does not make one needless that is of none, nor one of another video. */
Test(gallery, pictures_of_a_video_have_times)
{
	static const struct {
		const char *command, *text;
	} cases[] = {
		{"inferctl gallery add shades y4m still.y4m", "2 pictures, 1 added"},
		{"inferctl gallery add shades y4m ./still.y4m", "2 pictures, 0 added"},
		{"inferctl gallery add shades y4m black.jpg", "1 added"},
		{"inferctl gallery add shades two still.y4m same.y4m", "4 pictures, 2 added"},
		{"inferctl gallery add shades views still.y4m same.y4m --views", "4 pictures, 1 added"},
		{"inferctl gallery add shades without still.mjpeg", "1 added"},
		{"inferctl gallery add shades without black.jpg", "0 added"},
		{"inferctl gallery add shades with still.mjpeg --rate 25", "1 added"},
		{"inferctl gallery add shades with black.jpg", "1 added"},
		{"inferctl gallery add shades photographs black.jpg black.jpg --rate 25", "1 added"},
	};
	struct fixture fixture;
	FILE *file;

	serve(&fixture);
	for (int i = 0; i < 2; i++) {
		file = pictures_create(&fixture, i ? "same.y4m" : "still.y4m");
		fprintf(file, "YUV4MPEG2 W16 H16 F2:1 Cmono\n");
		for (int j = 0; j < 2; j++)
			fprintf(file, "FRAME\n%0256d", 0);
		fclose(file);
	}
	file = pictures_create(&fixture, "still.mjpeg");
	for (int i = 0; i < 20; i++)
		pictures_add_jpeg(file, 0);
	fclose(file);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT(&fixture, cases[i].command, 0, cases[i].text);
	fixture_stop(&fixture);
}

#define OUT_OF_REACH 77

/* Another user may ask and may have galleries, and can neither change this one nor read files that are not theirs. */
Test(gallery, others_may_not_change_it)
{
	struct fixture fixture;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("only the superuser can be somebody else");
	serve(&fixture);
	cr_assert_eq(chmod(fixture.dir, 0755), 0);
	cr_assert_eq(chmod(fixture.socket, 0666), 0);
	pictures_jpeg(&fixture, "secret.jpg", 255);
	pid = fork();
	if (pid == 0) {
		static const struct {
			const char *command;
			int status;
			const char *text;
		} cases[] = {
			{"inferctl gallery query shades black.jpg --top 1", 0, "night"},
			{"inferctl gallery add shades night white.jpg", 1, "the gallery 'shades' is another user's"},
			{"inferctl gallery add shades day white.jpg", 1, "the gallery 'shades' is another user's"},
			{"inferctl gallery remove shades night", 1, "the gallery 'shades' is another user's"},
			{"inferctl gallery remove shades", 1, "the gallery 'shades' is another user's"},
			{"inferctl gallery add mine day secret.jpg --model look", 1,
			 "secret.jpg: cannot be opened: Permission"},
			{"inferctl gallery add mine day white.jpg --model look", 0, "day in mine: 1 pictures, 1 added"},
			{"inferctl gallery remove mine", 0, "mine"},
		};
		char path[256], out[SHELL_TEXT_MAX];

		snprintf(path, sizeof(path), "%s/secret.jpg", fixture.dir);
		if (chmod(path, 0600) < 0 || setresuid(12345, 12345, 12345) < 0)
			_exit(100);
		if (access(INFERCTL_BINARY, X_OK) < 0)
			_exit(OUT_OF_REACH);
		for (int i = 0; i < (int)(sizeof(cases) / sizeof(cases[0])); i++) {
			int ended = shell_run(&fixture, cases[i].command, out);

			if (ended != cases[i].status || !strstr(out, cases[i].text)) {
				fprintf(stderr, "%s: %d\n%s", cases[i].command, ended, out);
				_exit(i + 1);
			}
		}
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == OUT_OF_REACH) {
		fixture_stop(&fixture);
		cr_skip_test("the build folder lies where other users cannot go");
	}
	cr_assert_eq(WEXITSTATUS(status), 0, "command %d", WEXITSTATUS(status));
	expect_unchanged(&fixture);
	fixture_stop(&fixture);
}

Test(gallery, a_daemon_that_is_not_there_or_keeps_none_says_so)
{
	struct fixture fixture;

	serve(&fixture);
	fixture_end_daemon(&fixture);
	EXPECT(&fixture, "inferctl gallery list", 1, "inferctl: ");
	EXPECT(&fixture, "inferctl gallery add shades day white.jpg", 1, "inferctl: ");
	EXPECT(&fixture, "inferctl gallery query shades white.jpg", 1, "inferctl: ");
	EXPECT(&fixture, "inferctl gallery remove shades", 1, "inferctl: ");
	/* A network that is another now: what it says cannot be compared with what is there. */
	fixture_configure(&fixture,
			  "  - {name: look, task: embed, deadline_ms: 60000, preprocess: {mean: 2, scale: 0.004},\n"
			  "     variants: [{name: t, file: tiny.param}]}\n");
	fixture_start(&fixture);
	EXPECT(&fixture, "inferctl gallery query shades white.jpg", 1, "white.jpg: ", "shades", "add");
	EXPECT(&fixture, "inferctl gallery list shades --json", 0, "\"vectors_of_replaced_networks\":1");
	EXPECT(&fixture, "inferctl gallery add shades night white.jpg", 0, "1 added");
	fixture_stop(&fixture);
}
