/*
 * watch.c - inferctl watch: a source's frames live, and what the daemon says of them.
 *
 * At its own rate or as it comes the newest frame counts: one that still waits is replaced by a newer one.  With --fast
 * each frame waits for the answer to the one before.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "pace.h"
#include "result_view.h"
#include "watch_view.h"

#define WAIT_MS_MAX 500 /* a signal that comes just before the wait is noticed after it */

static const char help[] =
	"usage: inferctl watch MODEL SOURCE [OPTION...]\n"
	"\n"
	"Shows live what the model sees.  SOURCE is y4m video, MJPEG (JPEGs one behind the other, or what an HTTP camera\n"
	"sends), a folder of pictures, or a camera such as /dev/video0; '-' is video on standard input.\n"
	"\n"
	"Video comes at its own rate, cameras and MJPEG from a pipe as they deliver, all else as fast as it is answered.\n"
	"A frame that still waits when a newer one comes is dropped as 'replaced'.  Ctrl-C ends with the sums.\n"
	"\n"
	"  --fps F          frames a second: of a file instead of its own rate, or asked of a camera\n"
	"  --fast           as fast as possible: each frame waits for the answer to the one before, none is replaced\n"
	"  --frames N       end after N frames\n"
	"  --loop           begin files and folders anew at their end\n"
	"  --size WxH       asked of a camera (default: the smallest that is of use to the model)\n" STREAM_OPTIONS_HELP
	"  --annotate DIR   write each frame that was answered with what was found drawn on it, as DIR/FILE.jpg; further\n"
	"                   frames as DIR/FILE-00001.jpg and so on\n"
	"  --annotate-format png|jpeg\n"
	"  --json           one object a frame, as of 'run'; the sums go to standard error\n";

struct watch {
	struct cli *cli;
	struct stream_options options;
	struct source_options asked;
	bool fast;
	uint32_t frames_max; /* 0: no limit */

	struct source *source;
	struct feed feed;
	struct pace pace;
	struct watch_view view;
	bool ended; /* no more frames are taken */
};

/* The one thing that a signal may do to us. */
static volatile sig_atomic_t asked_to_end;

static void on_signal(int number)
{
	asked_to_end = number;
}

/* Calls that wait return; a second signal ends the program as if nothing had been set. */
static void watch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* ---- answers --------------------------------------------------------------------------------------- */

static void on_answer(void *user, const struct feed_job *job, const struct inferd_result *result)
{
	struct watch *watch = user;

	if (watch->feed.stream)
		watch->view.deadline_us = inferd_stream_deadline_us(watch->feed.stream);
	if (watch->cli->json) {
		watch_view_count(&watch->view, result, clock_now_ns());
		result_print_json(&watch->options, job, result);
		fflush(stdout);
		return;
	}
	watch_view_answer(&watch->view, job, result, clock_now_ns());
	if (result->status == INFERD_FAILED)
		watch_view_interrupt(&watch->view);
}

/* ---- frames ---------------------------------------------------------------------------------------- */

static void complain(struct watch *watch, const struct source_error *error)
{
	watch_view_interrupt(&watch->view);
	cli_complain("%s", error->text);
}

/* A live source may lose frames: the first is told of, the others are counted.  A file should have none. */
static void on_broken(struct watch *watch, const struct source_error *error)
{
	bool live = source_is_live(watch->source);

	if (!live || !watch->view.broken)
		complain(watch, error);
	if (!live)
		watch->feed.failed = true;
	watch->view.broken++;
}

/* Takes a frame if there is one.  A negative result ends the command. */
static int take_frame(struct watch *watch)
{
	struct source_error error;
	struct source_frame frame;
	int r = source_try(watch->source, &error, &frame);

	if (r == -EAGAIN)
		return 0;
	if (r == SOURCE_E_BROKEN) {
		on_broken(watch, &error);
		return 0;
	}
	watch->ended = r != 0;
	if (r < 0) {
		complain(watch, &error);
		watch->feed.failed = true;
	}
	if (r != 0)
		return 0;
	pace_advance(&watch->pace, clock_now_ns());
	watch->view.missed += frame.missed;
	r = feed_submit(&watch->feed, &frame);
	if (r < 0) {
		/* A refused picture of a folder is not the last one; a video is given up. */
		watch->ended = frame.number > 0;
		return feed_is_over(r) ? r : 0;
	}
	watch->view.submitted++;
	if (watch->frames_max && watch->view.submitted >= watch->frames_max)
		watch->ended = true;
	return 0;
}

/*
 * Waits until there may be a frame to take, or an answer.  Whether a frame may be taken now: its time has come, with
 * --fast the answer to the one before, and the camera has buffers left.
 */
static bool wait_for_something(struct watch *watch)
{
	uint64_t due_ns = pace_wait_ns(&watch->pace, clock_now_ns()), wait_ns = WAIT_MS_MAX * 1000000ull;
	bool may_take = !due_ns && !(watch->fast && watch->feed.in_flight) && feed_has_room(&watch->feed);
	int fd = source_fd(watch->source);
	struct pollfd fds[2] = {
		{.fd = inferd_fd(watch->feed.client), .events = inferd_events(watch->feed.client)},
		{.fd = may_take ? fd : -1, .events = POLLIN},
	};
	struct timespec wait;

	if (due_ns && due_ns < wait_ns)
		wait_ns = due_ns;
	if (may_take && fd < 0)
		wait_ns = 0;
	wait = (struct timespec){.tv_nsec = (long)wait_ns};
	ppoll(fds, 2, &wait, NULL);
	return may_take && (fd < 0 || fds[1].revents);
}

static int run_loop(struct watch *watch)
{
	int r = 0;

	while (r == 0 && !watch->ended && !asked_to_end) {
		bool may_take = wait_for_something(watch);

		r = feed_dispatch(&watch->feed);
		if (r == 0 && may_take)
			r = take_frame(watch);
	}
	if (asked_to_end)
		feed_cancel(&watch->feed);
	watch->feed.stop = NULL;
	return r == 0 || r == -EINTR ? feed_drain(&watch->feed) : r;
}

/* ---- the beginning --------------------------------------------------------------------------------- */

/* Asks the daemon what the model can make use of, which also says whether there is such a model. */
static int ask_advice(struct watch *watch)
{
	struct inferd_stream_options options = {.model = watch->options.model,
						.buffer_bytes = 1,
						.n_buffers = 1,
						.full = watch->options.full,
						.rung = watch->options.rung};
	struct inferd_stream *stream;
	int r = inferd_stream_open(watch->feed.client, &options, &stream);

	if (r < 0) {
		cli_complain("%s", inferd_error(watch->feed.client));
		return r;
	}
	if (!watch->asked.width) {
		inferd_stream_advice(stream, &watch->asked.width, &watch->asked.height, NULL);
		watch->asked.at_least = true;
	}
	inferd_stream_close(stream);
	return 0;
}

static void choose_pace(struct watch *watch)
{
	double asked = watch->options.fps, own = source_fps(watch->source);
	bool live = source_is_live(watch->source);

	if (asked == 0 && !live && own <= 0)
		watch->fast = true;
	if (watch->fast) {
		watch->feed.mode = INFERD_EVERY;
		watch->feed.n_buffers = 1; /* large pictures have room */
	}
	watch->feed.in_file_time = watch->fast && !live;
	/* A live source has been asked for its rate already, where it can be. */
	pace_init(&watch->pace, watch->fast || live ? 0 : asked > 0 ? asked : own);
}

static void prepare_view(struct watch *watch)
{
	struct winsize size;

	watch->view.out = watch->cli->json ? stderr : stdout;
	watch->view.panel = !watch->cli->json && isatty(STDOUT_FILENO);
	watch->view.columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		watch->view.columns = size.ws_col;
	watch->view.began_ns = clock_now_ns();
}

static int watch_source(struct watch *watch, const char *path)
{
	struct source_error error;
	int r;

	watch->feed = (struct feed){
		.client = cli_connect(watch->cli),
		.options = &watch->options,
		.mode = INFERD_LATEST,
		.n_buffers = FEED_BUFFERS_MAX,
		.on_answer = on_answer,
		.user = watch,
		.stop = &asked_to_end,
	};
	if (!watch->feed.client)
		return EXIT_FAILED;
	r = ask_advice(watch);
	if (r == 0) {
		watch_signals();
		r = source_open_with(path, &watch->asked, &error, &watch->source);
		if (r < 0 && !asked_to_end)
			cli_complain("%s", error.text);
	}
	if (r == 0) {
		watch->feed.source = watch->source;
		choose_pace(watch);
		prepare_view(watch);
		r = run_loop(watch);
		watch->view.by_status[INFERD_LOST] = watch->feed.n_lost;
		watch->view.direct = watch->feed.direct;
		watch_view_summary(&watch->view, clock_now_ns());
	}
	/* Frames that are lost with the connection still have buffers to be given back. */
	inferd_close(watch->feed.client);
	source_close(watch->source);
	return (r < 0 && !asked_to_end) || watch->feed.failed ? EXIT_FAILED : EXIT_DONE;
}

static bool take_size(struct watch *watch, const char *text)
{
	int length = 0;

	if (sscanf(text, "%5ux%5u%n", &watch->asked.width, &watch->asked.height, &length) == 2 && !text[length] &&
	    watch->asked.width && watch->asked.height && watch->asked.width <= SOURCE_SIDE_MAX &&
	    watch->asked.height <= SOURCE_SIDE_MAX)
		return true;
	cli_complain("--size takes a size such as 640x480, not '%s'", text);
	return false;
}

/* -1: not an option of watch alone; otherwise as stream_options_take(). */
static int take_option(struct watch *watch, int option)
{
	switch (option) {
	case 'F':
		return watch->fast = true;
	case 'N':
		return cli_whole("--frames", optarg, 1, UINT32_MAX, &watch->frames_max);
	case 'l':
		return watch->asked.loop = true;
	case 's':
		return take_size(watch, optarg);
	default:
		return stream_options_take(&watch->options, option);
	}
}

int cmd_watch(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {STREAM_OPTIONS,
						{"fast", no_argument, NULL, 'F'},
						{"frames", required_argument, NULL, 'N'},
						{"loop", no_argument, NULL, 'l'},
						{"size", required_argument, NULL, 's'},
						CLI_OPTIONS};
	struct watch watch = {.cli = cli};
	int option, status;

	stream_options_init(&watch.options, CANVAS_JPEG);
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int taken = take_option(&watch, option);

		if (taken == 0)
			return EXIT_USAGE;
		status = taken < 0 ? cli_option(cli, option, help) : -1;
		if (status >= 0)
			return status;
	}
	if (argc - optind != 2)
		return cli_misuse(help);
	status = stream_options_check(&watch.options);
	if (status >= 0)
		return status;
	watch.options.model = argv[optind];
	watch.asked.fps = watch.options.fps;
	return watch_source(&watch, argv[optind + 1]);
}
