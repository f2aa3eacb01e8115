/*
 * run.c - inferctl run: frames from files to predictions on stdout.
 *
 * Frames are read by image.c.  Without --fps one frame is in flight at a time; with it they are submitted when they
 * are due and answers are printed as they come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "annotate.h"
#include "cli.h"
#include "image.h"
#include "names.h"
#include "tensors.h"

#define BAR_CELLS	  20
#define PIXEL_DECIMALS	  2
#define BUFFERS_PACED	  3
#define RESULT_TIMEOUT_MS 60000
#define AWAY_LIMIT_MS	  10000

static const char help[] =
	"usage: inferctl run MODEL FILE... [OPTION...]\n"
	"\n"
	"FILE is a JPEG, PNG or BMP picture or a y4m video; '-' is a y4m video on standard input.\n"
	"\n"
	"  --top K          results of a frame (default: the model's)\n"
	"  --deadline MS    drop a frame that cannot be answered in time (default: the model's)\n"
	"  --full           always the most accurate way the model can be run\n"
	"  --rung NAME      always this way; 'inferctl models' lists them\n"
	"  --repeat N       submit every file N times\n"
	"  --fps F          submit at this rate; otherwise each frame waits for the answer to the one before\n"
	"  --annotate DIR   write each frame with what was found drawn on it, as DIR/FILE.png; of a video's further frames\n"
	"                   DIR/FILE-00001.png and so on\n"
	"  --gallery NAME   of a model that embeds: answer with the names of this gallery\n"
	"  --json           one object a frame\n"
	"\n"
	"A file that cannot be read is reported, the others are run, and the exit status is 1.\n";

struct run {
	struct cli *cli;
	const char *model, *rung, *annotate, *gallery;
	uint32_t top_k, deadline_us, repeat;
	bool full;
	double fps;
	struct inferd *client;
	struct inferd_stream *stream;
	uint64_t file_us; /* when the file was begun */
	uint64_t due_ns;  /* of the next frame, with --fps */
	unsigned in_flight;
	bool failed;
};

/* What a frame's answer is printed with.  As many as there are buffers. */
struct job {
	bool used;
	char file[512];
	uint32_t frame;
	struct canvas canvas; /* --annotate: the frame's pixels */
};

static struct job jobs[BUFFERS_PACED];

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- printing ------------------------------------------------------------------------------------- */

static void json_place(const struct inferd_place *place)
{
	const float corners[4] = {place->x0, place->y0, place->x1, place->y1};

	for (int i = 0; i < 4; i++) {
		fputs(i ? "," : ",\"box\":[", stdout);
		cli_json_number(corners[i], PIXEL_DECIMALS);
	}
	putchar(']');
	for (size_t i = 0; i < place->n_points; i++) {
		fputs(i ? ",[" : ",\"points\":[[", stdout);
		cli_json_number(place->points[i].x, PIXEL_DECIMALS);
		putchar(',');
		cli_json_number(place->points[i].y, PIXEL_DECIMALS);
		putchar(']');
	}
	if (place->n_points)
		putchar(']');
}

static void json_gesture(const struct inferd_gesture *gesture)
{
	fputs(",\"gesture\":{\"name\":", stdout);
	cli_json_text(gesture->name);
	fputs(",\"score\":", stdout);
	cli_json_number(gesture->score, 6);
	putchar('}');
}

static void json_results(const struct inferd_result *result)
{
	fputs("\"results\":[", stdout);
	for (size_t i = 0; i < result->n_items; i++) {
		printf("%s{\"index\":%u,\"label\":", i ? "," : "", result->items[i].index);
		cli_json_text(result->items[i].label);
		fputs(",\"score\":", stdout);
		cli_json_number(result->items[i].score, 6);
		if (result->places)
			json_place(&result->places[i]);
		if (result->gestures)
			json_gesture(&result->gestures[i]);
		putchar('}');
	}
	putchar(']');
	tensors_json(result);
	if (result->mask)
		printf(",\"mask\":{\"width\":%u,\"height\":%u}", result->mask->width, result->mask->height);
	if (!result->n_embedding)
		return;
	fputs(",\"embedding\":[", stdout);
	for (size_t i = 0; i < result->n_embedding; i++) {
		fputs(i ? "," : "", stdout);
		cli_json_number(result->embedding[i], 7);
	}
	putchar(']');
}

static void json_rung(const struct inferd_rung *rung)
{
	if (!rung) {
		fputs("null", stdout);
		return;
	}
	fputs("{\"name\":", stdout);
	cli_json_text(rung->name);
	fputs(",\"variant\":", stdout);
	cli_json_text(rung->variant);
	printf(",\"width\":%u,\"height\":%u,\"channels\":%u,\"lane\":", rung->width, rung->height, rung->channels);
	cli_json_text(rung->lane);
	printf(",\"threads\":%u}", rung->threads);
}

static void print_json(const struct run *run, const struct job *job, const struct inferd_result *result)
{
	fputs("{\"file\":", stdout);
	cli_json_text(job->file);
	printf(",\"frame\":%u,\"model\":", job->frame);
	cli_json_text(run->model);
	putchar(',');
	if (run->gallery)
		names_json(result);
	else
		json_results(result);
	fputs(",\"rung\":", stdout);
	json_rung(result->rung);
	if (result->status == INFERD_FAILED) {
		fputs(",\"failed\":", stdout);
		cli_json_text(result->text);
	} else if (result->status != INFERD_OK) {
		fputs(",\"dropped\":", stdout);
		cli_json_text(inferd_status_name(result->status));
	}
	fputs(",\"reason\":", stdout);
	cli_json_text(result->reason);
	if (result->advice_width)
		printf(",\"advice\":{\"width\":%u,\"height\":%u,\"channels\":%u}", result->advice_width,
		       result->advice_height, result->advice_channels);
	printf(",\"us\":{\"queue\":%u,\"preprocess\":%u,\"inference\":%u,\"total\":%u}}\n", result->queue_us,
	       result->preprocess_us, result->inference_us, result->total_us);
}

static void print_bar(float score)
{
	double share = score > 0 ? score < 1 ? score : 1 : 0;
	int eighths = (int)(share * BAR_CELLS * 8 + 0.5);
	static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

	for (int cell = 0; cell < BAR_CELLS; cell++) {
		int filled = eighths - 8 * cell;

		fputs(filled >= 8 ? "█" : filled > 0 ? parts[filled] : " ", stdout);
	}
}

static void print_place(const struct inferd_place *place)
{
	printf("  at %.0f,%.0f to %.0f,%.0f", place->x0, place->y0, place->x1, place->y1);
	if (place->n_points)
		printf(", %zu points", place->n_points);
}

static void print_human(const struct job *job, const struct inferd_result *result)
{
	const struct inferd_rung *rung = result->rung;
	char verdict[NAMES_VERDICT_BYTES];

	printf("%s", job->file);
	if (job->frame)
		printf(" frame %u", job->frame);
	putchar('\n');
	for (size_t i = 0; i < result->n_items; i++) {
		fputs("  ", stdout);
		print_bar(result->items[i].score);
		printf(" %5.1f %%  %s", 100.0 * result->items[i].score, result->items[i].label);
		if (!*result->items[i].label)
			printf("#%u", result->items[i].index);
		if (result->places)
			print_place(&result->places[i]);
		if (result->gestures)
			printf(", %s %.1f %%", result->gestures[i].name, 100.0 * result->gestures[i].score);
		putchar('\n');
	}
	if (result->verdict != INFERD_VERDICT_NONE)
		printf("  %s\n", names_verdict(result, verdict));
	tensors_print(result);
	if (result->mask)
		printf("  mask of %ux%u\n", result->mask->width, result->mask->height);
	if (result->n_embedding) {
		printf("  embedding of %zu:", result->n_embedding);
		for (size_t i = 0; i < result->n_embedding && i < 6; i++)
			printf(" %.4f", result->embedding[i]);
		puts(result->n_embedding > 6 ? " ..." : "");
	}
	if (result->status == INFERD_FAILED)
		printf("  failed: %s\n", result->text);
	else if (result->status != INFERD_OK)
		printf("  dropped: %s\n", inferd_status_name(result->status));
	if (rung)
		printf("  rung %s: %s at %ux%u, %s, lane %s, %u thread%s\n", rung->name, rung->variant, rung->width,
		       rung->height, rung->channels == 1 ? "gray" : "colour", rung->lane, rung->threads,
		       rung->threads == 1 ? "" : "s");
	if (*result->reason)
		printf("  why: %s\n", result->reason);
	printf("  us: queue %u, preprocess %u, inference %u, total %u\n", result->queue_us, result->preprocess_us,
	       result->inference_us, result->total_us);
}

static void annotate(struct run *run, struct job *job, const struct inferd_result *result)
{
	struct source_error error = {{0}};
	char path[1024];

	annotate_draw(&job->canvas, result);
	if (annotate_path(run->annotate, job->file, job->frame, path, sizeof(path)) < 0)
		snprintf(error.text, sizeof(error.text), "%.400s: the name is too long for a drawing", job->file);
	else
		canvas_write_png(&job->canvas, path, &error);
	if (!error.text[0])
		return;
	cli_complain("%s", error.text);
	run->failed = true;
}

static void on_result(struct inferd_stream *stream, const struct inferd_result *result, void *user)
{
	struct run *run = user;
	struct job *job = result->user;

	(void)stream;
	run->in_flight--;
	job->used = false;
	if (result->status == INFERD_LOST) {
		cli_complain("%s: lost, the daemon went away", job->file);
		run->failed = true;
		canvas_finish(&job->canvas);
		return;
	}
	if (run->cli->json)
		print_json(run, job, result);
	else
		print_human(job, result);
	fflush(stdout);
	if (job->canvas.rgb)
		annotate(run, job, result);
	canvas_finish(&job->canvas);
	if (result->status != INFERD_FAILED)
		return;
	cli_complain("%s: %s", job->file, result->text);
	run->failed = true;
}

/* ---- submitting ----------------------------------------------------------------------------------- */

/* A dead connection or a model that is not there ends the command; anything else only this file. */
static bool ends_command(int error)
{
	return error == -ECONNRESET || error == -ENOTCONN || error == -ENOENT || error == -ETIMEDOUT;
}

static int complain_client(struct run *run, const char *file, int error)
{
	cli_complain("%s: %s", file, inferd_error(run->client));
	run->failed = true;
	return error;
}

/* Waits for a result. */
static int dispatch(struct run *run, const char *file)
{
	int n = inferd_dispatch(run->client, RESULT_TIMEOUT_MS);

	if (n < 0)
		return complain_client(run, file, n);
	if (n > 0)
		return 0;
	cli_complain("%s: no answer within %d s", file, RESULT_TIMEOUT_MS / 1000);
	run->failed = true;
	return -ETIMEDOUT;
}

static int drain(struct run *run, const char *file)
{
	int r = 0;

	while (run->in_flight && r == 0)
		r = dispatch(run, file);
	return r;
}

/* Opens the stream, or opens it anew with larger buffers. */
static int need_stream(struct run *run, const char *file, size_t bytes)
{
	struct inferd_stream_options options = {
		.model = run->model,
		.n_buffers = run->fps > 0 ? BUFFERS_PACED : 1,
		.buffer_bytes = bytes,
		.deadline_us = run->deadline_us,
		.top_k = run->top_k,
		.full = run->full,
		.rung = run->rung,
		.gallery = run->gallery,
		.on_result = on_result,
		.user = run,
	};
	int r;

	if (run->stream && inferd_stream_buffer_bytes(run->stream) >= bytes)
		return 0;
	r = drain(run, file);
	if (r < 0)
		return r;
	inferd_stream_close(run->stream);
	run->stream = NULL;
	r = inferd_stream_open(run->client, &options, &run->stream);
	return r < 0 ? complain_client(run, file, r) : 0;
}

static int wait_until_due(struct run *run, const char *file)
{
	uint64_t period_ns = (uint64_t)(1e9 / run->fps);

	if (!run->due_ns)
		run->due_ns = now_ns();
	for (uint64_t now = now_ns(); now < run->due_ns; now = now_ns()) {
		uint64_t left_ms = (run->due_ns - now) / 1000000;

		if (left_ms == 0) {
			struct timespec rest = {0, (long)(run->due_ns - now)};

			nanosleep(&rest, NULL);
		} else {
			int n = inferd_dispatch(run->client, left_ms > 1000 ? 1000 : (int)left_ms);

			if (n < 0)
				return complain_client(run, file, n);
		}
	}
	run->due_ns += period_ns;
	/* After a stall the rate goes on from here; the missed frames are not hurried after. */
	if (run->due_ns + period_ns < now_ns())
		run->due_ns = now_ns() + period_ns;
	return 0;
}

static int acquire(struct run *run, const char *file, struct inferd_buffer *ret_buffer)
{
	int r;

	while ((r = inferd_acquire(run->stream, ret_buffer)) == -EAGAIN) {
		r = dispatch(run, file);
		if (r < 0)
			return r;
	}
	return r < 0 ? complain_client(run, file, r) : 0;
}

/* A daemon that is started anew may take a moment. */
static int submit_patiently(struct run *run, const struct inferd_buffer *buffer, const struct inferd_frame *frame)
{
	uint64_t end_ns = now_ns() + AWAY_LIMIT_MS * 1000000ull;
	int r;

	while ((r = inferd_submit(run->stream, buffer, frame, NULL)) == -ENOTCONN && now_ns() < end_ns)
		inferd_dispatch(run->client, 100);
	return r;
}

static int submit(struct run *run, const char *file, uint32_t index, const struct source_frame *source)
{
	struct inferd_frame frame = {
		.format = (enum inferd_format)source->format,
		.full_range = source->full_range,
		.width = source->width,
		.height = source->height,
		.data = source->data,
		.bytes = source->bytes,
		/* A gallery's vote looks at the last seconds of a video, however fast that is read. */
		.captured_us = run->fps > 0 ? 0 : run->file_us + (uint64_t)(source->time_s * 1e6),
	};
	struct source_error error = {{0}};
	struct inferd_buffer buffer;
	struct job *job = jobs;
	int r = 0;

	memcpy(frame.offset, source->offset, sizeof(frame.offset));
	memcpy(frame.stride, source->stride, sizeof(frame.stride));
	if (run->fps > 0)
		r = wait_until_due(run, file);
	if (r == 0)
		r = need_stream(run, file, source->bytes);
	if (r == 0)
		r = acquire(run, file, &buffer);
	if (r < 0)
		return r;
	while (job->used)
		job++;
	*job = (struct job){.used = true, .frame = index};
	snprintf(job->file, sizeof(job->file), "%s", file);
	frame.user = job;
	if (run->annotate && canvas_init(&job->canvas, source, &error) < 0) {
		cli_complain("%s: %s", file, error.text);
		run->failed = true;
	}
	r = submit_patiently(run, &buffer, &frame);
	if (r < 0) {
		job->used = false;
		canvas_finish(&job->canvas);
		inferd_release(run->stream, &buffer);
		return complain_client(run, file, r);
	}
	run->in_flight++;
	return run->fps > 0 ? 0 : drain(run, file);
}

/* A negative result ends the command. */
static int run_file(struct run *run, const char *file)
{
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	int r = source_open(file, &error, &source);

	run->file_us = now_ns() / 1000;
	if (r < 0)
		goto complain;
	for (uint32_t index = 0; (r = source_next(source, &error, &frame)) == 0; index++) {
		r = submit(run, file, index, &frame);
		if (r < 0) {
			source_close(source);
			return ends_command(r) ? r : 0;
		}
	}
	source_close(source);
	if (r == SOURCE_E_END)
		return 0;
complain:
	cli_complain("%s", error.text);
	run->failed = true;
	return 0;
}

static bool run_option(struct run *run, int option)
{
	double ms;

	switch (option) {
	case 't':
		return cli_whole("--top", optarg, 1, 1000, &run->top_k);
	case 'd':
		if (!cli_number("--deadline", optarg, 0.001, 600000, &ms))
			return false;
		run->deadline_us = (uint32_t)(ms * 1000 + 0.5);
		return true;
	case 'f':
		run->full = true;
		return true;
	case 'a':
		run->annotate = optarg;
		return true;
	case 'g':
		run->gallery = optarg;
		return true;
	case 'r':
		run->rung = optarg;
		return true;
	case 'n':
		return cli_whole("--repeat", optarg, 1, UINT32_MAX, &run->repeat);
	default:
		return cli_number("--fps", optarg, 0.01, 10000, &run->fps);
	}
}

static int run_files(struct run *run, char **files, int n_files)
{
	int r = 0;

	run->client = cli_connect(run->cli);
	if (!run->client)
		return EXIT_FAILED;
	for (int i = 0; i < n_files && r == 0; i++)
		for (uint32_t n = 0; n < run->repeat && r == 0; n++)
			r = run_file(run, files[i]);
	if (r == 0)
		drain(run, run->model);
	inferd_close(run->client);
	return run->failed ? EXIT_FAILED : EXIT_DONE;
}

int cmd_run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"top", required_argument, NULL, 't'},
						{"deadline", required_argument, NULL, 'd'},
						{"full", no_argument, NULL, 'f'},
						{"annotate", required_argument, NULL, 'a'},
						{"rung", required_argument, NULL, 'r'},
						{"repeat", required_argument, NULL, 'n'},
						{"fps", required_argument, NULL, 'p'},
						{"gallery", required_argument, NULL, 'g'},
						CLI_OPTIONS};
	struct run run = {.cli = cli, .repeat = 1};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int status = -1;

		if (strchr("tdfarnpg", option)) {
			if (!run_option(&run, option))
				return EXIT_USAGE;
		} else {
			status = cli_option(cli, option, help);
		}
		if (status >= 0)
			return status;
	}
	if (argc - optind < 2)
		return cli_misuse(help);
	if (run.full && run.rung) {
		cli_complain("--full and --rung exclude each other");
		return EXIT_USAGE;
	}
	if (run.annotate && mkdir(run.annotate, 0777) < 0 && errno != EEXIST) {
		cli_complain("--annotate %s: %s", run.annotate, strerror(errno));
		return EXIT_FAILED;
	}
	run.model = argv[optind];
	return run_files(&run, argv + optind + 1, argc - optind - 1);
}
