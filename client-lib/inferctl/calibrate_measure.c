/*
 * calibrate_measure.c - how long one rung takes, and how often it is right: one frame at a time, pinned to the rung, in
 * a stream of the lowest priority, so that others are disturbed less than by any other stream.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "calibrate.h"
#include "energy.h"
#include "source.h"
#include "synth.h"

/* As the daemon's warm-up, so that its prior times and these are of the same picture. */
#define WIDTH  640
#define HEIGHT 480
/* After so long without work a lane's threads sleep and its clock has come down. */
#define REST_NS	    250000000
#define ANSWER_MS   120000
#define DEADLINE_US 600000000 /* none to speak of: what is measured must not be dropped for being slow */
#define RUNS_MOST   5000      /* in a round */
#define COLD_SHARE  0.25      /* of the time for a rung */
#define PACED_SHARE 0.5

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

void calibrate_watch_signals(void)
{
	/* Without SA_RESTART: what sleeps wakes up. */
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool calibrate_was_interrupted(void)
{
	return interrupted;
}

void calibrate_progress(const struct calibrate *calibrate, const char *what)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (what)
		fprintf(stderr, "\r\033[Kround %d of %d, rung %d of %d  %s: %s", calibrate->round + 1, CALIBRATE_ROUNDS,
			calibrate->at + 1, calibrate->n_rungs, calibrate->rungs[calibrate->at].name, what);
	else
		fputs("\r\033[K", stderr);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t due_ns)
{
	struct timespec due = {(time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u)};

	/* A signal that does not end the command does not shorten the rest either. */
	while (!interrupted && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

static int open_stream(const struct calibrate *calibrate, const struct calibrate_rung *rung, size_t bytes,
		       struct inferd_stream **ret_stream)
{
	struct inferd_stream_options options = {
		.model = calibrate->model,
		.n_buffers = 1,
		.buffer_bytes = bytes,
		.deadline_us = DEADLINE_US,
		.top_k = 1,
		.rung = rung->name,
		.priority = INFERD_LOW,
	};
	int r = inferd_stream_open(calibrate->client, &options, ret_stream);

	if (r < 0)
		cli_complain("%s: %s", rung->name, inferd_error(calibrate->client));
	return r;
}

/* 0 with an answer; otherwise it has complained. */
static int run(const struct calibrate *calibrate, struct inferd_stream *stream, const struct inferd_frame *frame,
	       const char *of, const struct inferd_result **ret_result)
{
	int r = interrupted ? -EINTR : inferd_run(stream, frame, ANSWER_MS, ret_result);

	/* Whoever interrupts knows; and a half-read message is not worth a complaint. */
	if (interrupted)
		return -EINTR;
	if (r < 0) {
		cli_complain("%s: %s", of, inferd_error(calibrate->client));
		return r;
	}
	if ((*ret_result)->status != INFERD_OK) {
		cli_complain("%s: %s", of,
			     *(*ret_result)->text ? (*ret_result)->text : inferd_status_name((*ret_result)->status));
		return -EIO;
	}
	return 0;
}

/* ---- times ---------------------------------------------------------------------------------------- */

/* How frames follow each other. */
struct pace {
	const char *name;
	uint64_t rest_ns;   /* after an answer */
	uint64_t period_ns; /* from frame to frame; 0: none */
	double seconds;
};

static int measure(struct calibrate *calibrate, struct calibrate_rung *rung, struct inferd_stream *stream,
		   const struct inferd_frame *frame, const struct pace *pace, struct load_samples *samples)
{
	uint64_t start_ns = now_ns(), end_ns = start_ns + (uint64_t)(pace->seconds * 1e9), due_ns = start_ns,
		 random = 1;
	const struct inferd_result *result;

	calibrate_progress(calibrate, pace->name);
	for (int i = 0; i < RUNS_MOST && (i == 0 || now_ns() < end_ns); i++) {
		int r;

		sleep_until(pace->period_ns ? due_ns : now_ns() + pace->rest_ns);
		r = run(calibrate, stream, frame, rung->name, &result);
		if (r < 0)
			return r;
		load_add_sample(samples, (float)(result->preprocess_us + result->inference_us), &random);
		rung->waited += result->wait_us > 0;
		/* After a stall the rate goes on from here. */
		due_ns += pace->period_ns;
		if (due_ns < now_ns())
			due_ns = now_ns();
	}
	return 0;
}

/* Back to back, between two looks at the meter.  A counter that wrapped around meanwhile says nothing. */
static int measure_busy(struct calibrate *calibrate, struct calibrate_rung *rung, struct inferd_stream *stream,
			const struct inferd_frame *frame, const struct pace *pace)
{
	size_t runs = rung->busy_us.count;
	int64_t before_uj = energy_read_uj(""), after_uj;
	int r = measure(calibrate, rung, stream, frame, pace, &rung->busy_us);

	after_uj = energy_read_uj("");
	if (r == 0 && before_uj >= 0 && after_uj > before_uj) {
		rung->energy_uj += after_uj - before_uj;
		rung->energy_runs += (uint32_t)(rung->busy_us.count - runs);
	}
	return r;
}

int calibrate_times(struct calibrate *calibrate, struct calibrate_rung *rung)
{
	double seconds = calibrate->seconds / CALIBRATE_ROUNDS;
	const struct pace cold = {"after a rest", REST_NS, 0, seconds * COLD_SHARE},
			  paced = {"at the stream's rate", 0, (uint64_t)(1e9 / calibrate->fps), seconds * PACED_SHARE},
			  busy = {"back to back", 0, 0, seconds * (1 - COLD_SHARE - PACED_SHARE)};
	struct inferd_frame frame = {.format = INFERD_NV12, .width = WIDTH, .height = HEIGHT};
	size_t bytes = inferd_frame_bytes(frame.format, WIDTH, HEIGHT);
	uint8_t *pixels = malloc(bytes);
	struct inferd_stream *stream;
	int r;

	if (!pixels) {
		cli_complain("out of memory");
		return -ENOMEM;
	}
	synth_draw(frame.format, WIDTH, HEIGHT, 0, pixels);
	frame.data = pixels;
	frame.bytes = bytes;
	r = open_stream(calibrate, rung, bytes, &stream);
	if (r == 0) {
		r = measure(calibrate, rung, stream, &frame, &cold, &rung->cold_us);
		if (r == 0)
			r = measure(calibrate, rung, stream, &frame, &paced, &rung->paced_us);
		if (r == 0)
			r = measure_busy(calibrate, rung, stream, &frame, &busy);
		inferd_stream_close(stream);
	}
	free(pixels);
	return r;
}

static struct calibrate_times sum_up(struct load_samples *samples)
{
	load_sort(samples);
	return (struct calibrate_times){.p50_us = load_quantile(samples, 0.5),
					.p90_us = load_quantile(samples, 0.9),
					.p99_us = load_quantile(samples, 0.99),
					.runs = (uint32_t)samples->count};
}

void calibrate_sum_up(struct calibrate *calibrate)
{
	for (int i = 0; i < calibrate->n_rungs; i++) {
		struct calibrate_rung *rung = &calibrate->rungs[i];

		rung->cold = sum_up(&rung->cold_us);
		rung->paced = sum_up(&rung->paced_us);
		rung->busy = sum_up(&rung->busy_us);
	}
}

void calibrate_forget(struct calibrate *calibrate)
{
	for (int i = 0; i < calibrate->n_rungs; i++) {
		free(calibrate->rungs[i].cold_us.values);
		free(calibrate->rungs[i].paced_us.values);
		free(calibrate->rungs[i].busy_us.values);
	}
}

/* ---- photographs ---------------------------------------------------------------------------------- */

/* A stream whose buffer grows with the photographs. */
struct album {
	struct calibrate *calibrate;
	struct calibrate_rung *rung;
	struct inferd_stream *stream;
};

static int need_room(struct album *album, size_t bytes)
{
	if (album->stream && inferd_stream_buffer_bytes(album->stream) >= bytes)
		return 0;
	inferd_stream_close(album->stream);
	album->stream = NULL;
	return open_stream(album->calibrate, album->rung, bytes, &album->stream);
}

static int show(struct album *album, const struct label_photo *photo, const struct source_frame *source)
{
	struct inferd_frame frame = {
		.format = (enum inferd_format)source->format,
		.full_range = source->full_range,
		.width = source->width,
		.height = source->height,
		.data = source->data,
		.bytes = source->bytes,
	};
	const struct inferd_result *result;
	int r = need_room(album, source->bytes);

	memcpy(frame.offset, source->offset, sizeof(frame.offset));
	memcpy(frame.stride, source->stride, sizeof(frame.stride));
	if (r == 0)
		r = run(album->calibrate, album->stream, &frame, photo->path, &result);
	if (r < 0)
		return r;
	album->rung->photographs++;
	album->rung->waited += result->wait_us > 0;
	if (result->n_items &&
	    labels_is_right(photo, result->items[0].index, result->items[0].label, album->calibrate->shift))
		album->rung->right++;
	return 0;
}

static int show_file(struct album *album, const struct label_photo *photo)
{
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	int r = source_open(photo->path, &error, &source);

	if (r == 0) {
		r = source_next(source, &error, &frame);
		if (r == 0) {
			r = show(album, photo, &frame);
			source_close(source);
			return r;
		}
		source_close(source);
	}
	cli_complain("%s", error.text[0] ? error.text : photo->path);
	return -EINVAL;
}

/* Lanes do not differ in what they answer. */
static const struct calibrate_rung *twin(const struct calibrate *calibrate, const struct calibrate_rung *rung)
{
	for (const struct calibrate_rung *other = calibrate->rungs; other < rung; other++)
		if (!strcmp(other->variant, rung->variant) && other->width == rung->width &&
		    other->height == rung->height && other->channels == rung->channels)
			return other;
	return NULL;
}

int calibrate_photographs(struct calibrate *calibrate, struct calibrate_rung *rung)
{
	struct album album = {.calibrate = calibrate, .rung = rung};
	const struct calibrate_rung *known = twin(calibrate, rung);
	int r = 0;

	if (known) {
		rung->photographs = known->photographs;
		rung->right = known->right;
		return 0;
	}
	for (size_t i = 0; i < calibrate->labels.n_photos && r == 0; i++) {
		char what[64];

		snprintf(what, sizeof(what), "photograph %zu of %zu", i + 1, calibrate->labels.n_photos);
		calibrate_progress(calibrate, what);
		r = show_file(&album, &calibrate->labels.photos[i]);
	}
	inferd_stream_close(album.stream);
	return r;
}
