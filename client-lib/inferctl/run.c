/*
 * run.c - inferctl run: frames from files to predictions on stdout.
 *
 * Without --fps one frame is in flight at a time; with it they are submitted when they are due and answers are printed
 * as they come.
 */
#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "feed.h"
#include "pace.h"
#include "result_view.h"

static const char help[] =
	"usage: inferctl run MODEL FILE... [OPTION...]\n"
	"\n"
	"FILE is a JPEG, PNG or BMP picture, a folder of them (in the order of their names), y4m video or MJPEG; '-' is\n"
	"video on standard input.\n"
	"\n" STREAM_OPTIONS_HELP "  --repeat N       submit every file N times\n"
	"  --fps F          submit at this rate; otherwise each frame waits for the answer to the one before\n"
	"  --annotate DIR   write each frame with what was found drawn on it, as DIR/FILE.png; of a video's further frames\n"
	"                   DIR/FILE-00001.png and so on\n"
	"  --annotate-format png|jpeg\n"
	"  --json           one object a frame\n"
	"\n"
	"A file that cannot be read is reported, the others are run, and the exit status is 1.\n";

struct run {
	struct cli *cli;
	struct stream_options options;
	uint32_t repeat;
	struct feed feed;
	struct pace pace;
};

static void on_answer(void *user, const struct feed_job *job, const struct inferd_result *result)
{
	const struct run *run = user;

	if (run->cli->json)
		result_print_json(&run->options, job, result);
	else
		result_print(job, result);
	fflush(stdout);
}

/* Hands over answers meanwhile. */
static int wait_until_due(struct run *run)
{
	uint64_t left_ns;
	int r = 0;

	while (r >= 0 && (left_ns = pace_wait_ns(&run->pace, clock_now_ns()))) {
		uint64_t left_ms = left_ns / 1000000;

		if (left_ms == 0) {
			struct timespec rest = {0, (long)left_ns};

			nanosleep(&rest, NULL);
		} else {
			r = inferd_dispatch(run->feed.client, left_ms > 1000 ? 1000 : (int)left_ms);
		}
	}
	pace_advance(&run->pace, clock_now_ns());
	if (r >= 0)
		return 0;
	cli_complain("%s: %s", run->options.model, inferd_error(run->feed.client));
	run->feed.failed = true;
	return r;
}

static int submit(struct run *run, const struct source_frame *frame)
{
	int r = wait_until_due(run);

	if (r == 0)
		r = feed_submit(&run->feed, frame);
	return r < 0 || run->pace.period_ns ? r : feed_drain(&run->feed);
}

static void complain(struct run *run, const struct source_error *error)
{
	cli_complain("%s", error->text);
	run->feed.failed = true;
}

/* A negative result ends the command.  A refused picture of a folder is not the last one; a video is given up. */
static int run_file(struct run *run, const char *file)
{
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	int r = source_open(file, &error, &source);

	if (r < 0) {
		complain(run, &error);
		return 0;
	}
	while ((r = source_next(source, &error, &frame)) == 0 || r == SOURCE_E_BROKEN) {
		if (r == SOURCE_E_BROKEN) {
			complain(run, &error);
			continue;
		}
		r = submit(run, &frame);
		if (feed_is_over(r) || (r < 0 && frame.number > 0)) {
			source_close(source);
			return feed_is_over(r) ? r : 0;
		}
	}
	if (r != SOURCE_E_END)
		complain(run, &error);
	source_close(source);
	return 0;
}

static int run_files(struct run *run, char **files, int n_files)
{
	int r = 0;

	run->feed = (struct feed){
		.client = cli_connect(run->cli),
		.options = &run->options,
		.n_buffers = run->options.fps > 0 ? FEED_BUFFERS_MAX : 1,
		.in_file_time = run->options.fps == 0,
		.on_answer = on_answer,
		.user = run,
	};
	if (!run->feed.client)
		return EXIT_FAILED;
	pace_init(&run->pace, run->options.fps);
	for (int i = 0; i < n_files && r == 0; i++)
		for (uint32_t n = 0; n < run->repeat && r == 0; n++)
			r = run_file(run, files[i]);
	if (r == 0)
		feed_drain(&run->feed);
	inferd_close(run->feed.client);
	return run->feed.failed ? EXIT_FAILED : EXIT_DONE;
}

int cmd_run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {STREAM_OPTIONS, {"repeat", required_argument, NULL, 'n'}, CLI_OPTIONS};
	struct run run = {.cli = cli, .repeat = 1};
	int option, status;

	stream_options_init(&run.options, CANVAS_PNG);
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int taken = stream_options_take(&run.options, option);

		if (option == 'n')
			taken = cli_whole("--repeat", optarg, 1, UINT32_MAX, &run.repeat);
		if (taken == 0)
			return EXIT_USAGE;
		status = taken < 0 ? cli_option(cli, option, help) : -1;
		if (status >= 0)
			return status;
	}
	if (argc - optind < 2)
		return cli_misuse(help);
	status = stream_options_check(&run.options);
	if (status >= 0)
		return status;
	run.options.model = argv[optind];
	return run_files(&run, argv + optind + 1, argc - optind - 1);
}
