/* feed.c - see feed.h. */
#include "feed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "annotate.h"
#include "clock.h"

#define SOURCE_NEEDS	  2 /* buffers, to fill them while the others are with the daemon */
#define RESULT_TIMEOUT_MS 60000
#define AWAY_TIMEOUT_MS	  10000
#define SLICE_MS	  200	      /* of waiting, between looks at whether to stop */
#define VOTE_JPEG_BYTES	  (256 << 10) /* room for one, where a gallery is asked */

/* ---- answers --------------------------------------------------------------------------------------- */

static void complain_of(struct feed *feed, const char *file, const char *what)
{
	cli_complain("%s: %s", file, what);
	feed->failed = true;
}

static void draw(struct feed *feed, struct feed_job *job, const struct inferd_result *result)
{
	const struct stream_options *options = feed->options;
	struct source_error error = {{0}};

	annotate_draw(&job->canvas, result);
	if (annotate_save(&job->canvas, options->annotate, job->file, job->number, options->annotate_format, &error) ==
	    0)
		return;
	cli_complain("%s", error.text);
	feed->failed = true;
}

static void give_back(struct feed *feed, struct feed_job *job)
{
	struct source_error error;

	if (!job->kept)
		return;
	job->kept = false;
	if (source_give_back(feed->source, job->buffer, &error) == 0)
		return;
	cli_complain("%s", error.text);
	feed->failed = true;
}

static void on_result(struct inferd_stream *stream, const struct inferd_result *result, void *user)
{
	struct feed *feed = user;
	struct feed_job *job = result->user;

	(void)stream;
	feed->in_flight--;
	job->used = false;
	if (result->status == INFERD_LOST) {
		feed->n_lost++;
		complain_of(feed, job->file, "lost, the daemon went away");
	} else {
		feed->on_answer(feed->user, job, result);
		if (result->status == INFERD_FAILED)
			complain_of(feed, job->file, result->text);
		/* Of a frame that was not run there is nothing to see. */
		if (job->canvas.rgb && (result->status == INFERD_OK || feed->mode == INFERD_EVERY))
			draw(feed, job, result);
	}
	canvas_finish(&job->canvas);
	give_back(feed, job);
}

/* ---- waiting --------------------------------------------------------------------------------------- */

static int complain_client(struct feed *feed, const char *file, int error)
{
	complain_of(feed, file, inferd_error(feed->client));
	return error;
}

static bool is_to_stop(const struct feed *feed)
{
	return feed->stop && *feed->stop;
}

static int await_result(struct feed *feed, const char *file)
{
	uint64_t end_ns = clock_now_ns() + RESULT_TIMEOUT_MS * 1000000ull;

	while (!is_to_stop(feed)) {
		int n = inferd_dispatch(feed->client, SLICE_MS);

		if (n < 0)
			return complain_client(feed, file, n);
		if (n > 0)
			return 0;
		if (clock_now_ns() < end_ns)
			continue;
		cli_complain("%s: no answer within %d s", file, RESULT_TIMEOUT_MS / 1000);
		feed->failed = true;
		return -ETIMEDOUT;
	}
	return -EINTR;
}

int feed_drain(struct feed *feed)
{
	int r = 0;

	while (feed->in_flight && r == 0)
		r = await_result(feed, feed->options->model);
	return r;
}

int feed_dispatch(struct feed *feed)
{
	int n = inferd_dispatch(feed->client, 0);

	return n < 0 ? complain_client(feed, feed->options->model, n) : 0;
}

/* ---- submitting ------------------------------------------------------------------------------------ */

/*
 * Opens the stream in the memory of the source, once.  Why not does not matter: the stream that is opened instead
 * either goes well or has the same to complain of.
 */
static bool open_direct(struct feed *feed, struct inferd_stream_options asked)
{
	if (!feed->source || feed->refused)
		return false;
	asked.n_buffers = source_memory(feed->source, &asked.import_fds, &asked.buffer_bytes);
	/* With fewer than these no frame could take the place of one that waits, and answers would be late. */
	feed->direct = asked.n_buffers >= SOURCE_NEEDS + FEED_BUFFERS_MAX && asked.n_buffers <= FEED_JOBS_MAX &&
		       inferd_stream_open(feed->client, &asked, &feed->stream) == 0;
	feed->refused = !feed->direct;
	return feed->direct;
}

/* Opens the stream, or opens it anew with larger buffers. */
static int need_stream(struct feed *feed, const struct source_frame *frame)
{
	const struct stream_options *options = feed->options;
	struct inferd_stream_options asked = {
		.model = options->model,
		.mode = feed->mode,
		.n_buffers = feed->n_buffers,
		.buffer_bytes = frame->bytes,
		.deadline_us = options->deadline_us,
		.top_k = options->top_k,
		.full = options->full,
		.rung = options->rung,
		.gallery = options->gallery,
		.on_result = on_result,
		.user = feed,
	};
	int r;

	if (feed->stream && inferd_stream_buffer_bytes(feed->stream) >= frame->bytes)
		return 0;
	/*
	 * JPEGs differ in length; a stream is not opened anew for each that is a little longer.  What a gallery's vote
	 * has seen is lost with the stream, so there a camera's largest should fit from the beginning.
	 */
	if (frame->format == INFERD_JPEG && (feed->stream || options->gallery))
		asked.buffer_bytes += frame->bytes / 4;
	if (frame->format == INFERD_JPEG && options->gallery && asked.buffer_bytes < VOTE_JPEG_BYTES)
		asked.buffer_bytes = VOTE_JPEG_BYTES;
	r = feed_drain(feed);
	if (r < 0)
		return r;
	inferd_stream_close(feed->stream);
	feed->stream = NULL;
	if (open_direct(feed, asked))
		return 0;
	r = inferd_stream_open(feed->client, &asked, &feed->stream);
	return r < 0 ? complain_client(feed, frame->file, r) : 0;
}

static int try_acquire(struct feed *feed, const struct source_frame *frame, struct inferd_buffer *ret_buffer)
{
	return feed->direct ? inferd_acquire_at(feed->stream, frame->buffer, ret_buffer)
			    : inferd_acquire(feed->stream, ret_buffer);
}

static int acquire(struct feed *feed, const struct source_frame *frame, struct inferd_buffer *ret_buffer)
{
	int r;

	while ((r = try_acquire(feed, frame, ret_buffer)) == -EAGAIN) {
		r = await_result(feed, frame->file);
		if (r < 0)
			return r;
	}
	return r < 0 ? complain_client(feed, frame->file, r) : 0;
}

bool feed_has_room(const struct feed *feed)
{
	const int *fds;
	size_t bytes;

	return !feed->direct || feed->in_flight + SOURCE_NEEDS < source_memory(feed->source, &fds, &bytes);
}

/* A daemon that is started anew may take a moment. */
static int submit_patiently(struct feed *feed, const struct inferd_buffer *buffer, const struct inferd_frame *frame)
{
	uint64_t end_ns = clock_now_ns() + AWAY_TIMEOUT_MS * 1000000ull;
	int r;

	while ((r = inferd_submit(feed->stream, buffer, frame, NULL)) == -ENOTCONN && clock_now_ns() < end_ns &&
	       !is_to_stop(feed))
		inferd_dispatch(feed->client, SLICE_MS);
	return r;
}

/* What the frame's answer will be shown with. */
static struct feed_job *begin_job(struct feed *feed, const struct source_frame *frame)
{
	struct source_error error = {{0}};
	struct feed_job *job = feed->jobs;

	while (job->used)
		job++;
	*job = (struct feed_job){.used = true, .number = frame->number};
	snprintf(job->file, sizeof(job->file), "%s", frame->file);
	if (feed->options->annotate && canvas_init(&job->canvas, frame, &error) < 0)
		complain_of(feed, job->file, error.text);
	return job;
}

/* 0, for which the daemon takes the time of arrival, or a frame's place in its file. */
static uint64_t capture_time_us(struct feed *feed, const struct source_frame *source)
{
	if (source->number == 0)
		feed->file_us = clock_now_ns() / 1000;
	return feed->in_file_time ? feed->file_us + (uint64_t)(source->time_s * 1e6) : 0;
}

/* The daemon reads the frame's memory until it answers; a copy leaves the source its own. */
static void hand_over(struct feed *feed, struct feed_job *job, const struct source_frame *source)
{
	if (!feed->direct) {
		feed->copied_bytes += source->bytes;
		return;
	}
	source_keep(feed->source);
	job->kept = true;
	job->buffer = source->buffer;
}

int feed_submit(struct feed *feed, const struct source_frame *source)
{
	struct inferd_frame frame = {
		.format = (enum inferd_format)source->format,
		.full_range = source->full_range,
		.width = source->width,
		.height = source->height,
		.bytes = source->bytes,
		.captured_us = capture_time_us(feed, source),
	};
	struct inferd_buffer buffer;
	struct feed_job *job;
	int r = need_stream(feed, source);

	memcpy(frame.offset, source->offset, sizeof(frame.offset));
	memcpy(frame.stride, source->stride, sizeof(frame.stride));
	if (r == 0)
		r = acquire(feed, source, &buffer);
	if (r < 0)
		return r;
	if (!feed->direct)
		frame.data = source->data;
	frame.user = job = begin_job(feed, source);
	r = submit_patiently(feed, &buffer, &frame);
	if (r == 0) {
		feed->in_flight++;
		hand_over(feed, job, source);
		return 0;
	}
	job->used = false;
	canvas_finish(&job->canvas);
	inferd_release(feed->stream, &buffer);
	return complain_client(feed, source->file, r);
}

/* ---- the end --------------------------------------------------------------------------------------- */

void feed_cancel(struct feed *feed)
{
	if (feed->stream)
		inferd_cancel(feed->stream, 0);
}

bool feed_is_over(int error)
{
	return error == -ECONNRESET || error == -ENOTCONN || error == -ENOENT || error == -ETIMEDOUT || error == -EINTR;
}
