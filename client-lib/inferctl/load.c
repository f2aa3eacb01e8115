/* load.c - see load.h. */
#include "load.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "synth.h"

/* What is in flight at the end is waited for. */
#define DRAIN_LIMIT_MS 30000
/* An open loop that is further behind gives its frames up. */
#define BEHIND_LIMIT_NS 10000000000ull
#define AWAY_STEP_MS	10

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* xorshift64*; the state is never 0. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717u;
}

/* ---- samples -------------------------------------------------------------------------------------- */

void load_add_sample(struct load_samples *samples, float value, uint64_t *random)
{
	uint64_t place;

	samples->seen++;
	if (samples->count == LOAD_SAMPLES_MAX) {
		place = next_random(random) % samples->seen;
		if (place < samples->count)
			samples->values[place] = value;
		return;
	}
	if (samples->count == samples->capacity) {
		size_t capacity = samples->capacity ? 2 * samples->capacity : 4096;
		float *values = realloc(samples->values, capacity * sizeof(*values));

		if (!values)
			return;
		samples->values = values;
		samples->capacity = capacity;
	}
	samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

void load_sort(struct load_samples *samples)
{
	if (samples->count)
		qsort(samples->values, samples->count, sizeof(float), compare);
}

double load_quantile(const struct load_samples *samples, double share)
{
	size_t rank = (size_t)(share * (double)samples->count);

	if (!samples->count)
		return 0;
	return (double)samples->values[rank < samples->count ? rank : samples->count - 1];
}

const char *load_cause(int cause)
{
	return cause == LOAD_BUSY   ? "busy"
	       : cause == LOAD_AWAY ? "away"
				    : inferd_status_name((enum inferd_status)cause);
}

uint64_t load_dropped(const struct load_client *client)
{
	uint64_t sum = 0;

	for (int cause = 0; cause < LOAD_CAUSES; cause++)
		sum += client->dropped[cause];
	return sum;
}

/* ---- frames --------------------------------------------------------------------------------------- */

static void keep_error(struct load_client *client)
{
	if (!client->error[0])
		snprintf(client->error, sizeof(client->error), "%s", inferd_error(client->client));
}

static void on_result(struct inferd_stream *stream, const struct inferd_result *result, void *user)
{
	struct load_stream *of = user;
	struct load_client *client = of->client;
	struct load_job *job = result->user;
	uint64_t latency_us = client->options->fps > 0 ? (now_ns() - job->due_ns) / 1000 : result->round_trip_us;
	int64_t overhead;

	(void)stream;
	of->in_flight--;
	job->used = false;
	if (result->status == INFERD_FAILED && !client->error[0])
		snprintf(client->error, sizeof(client->error), "%s", result->text);
	if (result->status != INFERD_OK) {
		client->dropped[result->status]++;
		return;
	}
	client->answered++;
	if (of->deadline_us && latency_us > of->deadline_us)
		client->late++;
	overhead = (int64_t)result->round_trip_us - result->wait_us - result->preprocess_us - result->inference_us;
	load_add_sample(&client->latency_us, (float)latency_us, &client->random);
	load_add_sample(&client->service_us, (float)result->round_trip_us, &client->random);
	load_add_sample(&client->overhead_us, overhead > 0 ? (float)overhead : 0, &client->random);
}

/* Frames are synthetic and made once, so that serving is measured and not the making of pictures. */
static void draw(struct load_stream *stream, const struct load_options *options)
{
	struct inferd_buffer buffers[LOAD_BUFFERS_MAX];
	unsigned n = 0;

	while (n < LOAD_BUFFERS_MAX && inferd_acquire(stream->stream, &buffers[n]) == 0) {
		synth_draw(options->format, options->width, options->height, buffers[n].index, buffers[n].data);
		n++;
	}
	while (n > 0)
		inferd_release(stream->stream, &buffers[--n]);
}

void load_open(struct load_client *client)
{
	const struct load_options *options = client->options;
	struct inferd_stream_options stream_options = {
		.model = client->model,
		.mode = options->latest ? INFERD_LATEST : INFERD_EVERY,
		.n_buffers = options->n_in_flight > LOAD_BUFFERS_MIN ? options->n_in_flight : LOAD_BUFFERS_MIN,
		.buffer_bytes = inferd_frame_bytes(options->format, options->width, options->height),
		.deadline_us = options->deadline_us,
		.weight = client->weight,
		.priority = client->priority,
		.full = options->full,
		.rung = options->rung,
		.on_result = on_result,
	};

	client->random = client->seed ? client->seed : 1;
	client->client = cli_connect(client->cli);
	if (!client->client) {
		snprintf(client->error, sizeof(client->error), "no connection");
		return;
	}
	for (uint32_t i = 0; i < options->n_streams; i++) {
		struct load_stream *stream = &client->streams[i];

		stream->client = client;
		stream_options.user = stream;
		if (inferd_stream_open(client->client, &stream_options, &stream->stream) < 0) {
			keep_error(client);
			return;
		}
		stream->deadline_us =
			options->deadline_us ? options->deadline_us : inferd_stream_deadline_us(stream->stream);
		draw(stream, options);
	}
}

/* 0, -EAGAIN all buffers are in use, -ENOTCONN the daemon is away, or another negative errno. */
static int submit(struct load_stream *stream, uint64_t due_ns)
{
	struct load_client *client = stream->client;
	struct load_job *job = stream->jobs;
	struct inferd_frame frame = {
		.format = client->options->format,
		.width = client->options->width,
		.height = client->options->height,
	};
	struct inferd_buffer buffer;
	int r = inferd_acquire(stream->stream, &buffer);

	if (r < 0)
		return r;
	while (job->used)
		job++;
	frame.user = job;
	r = inferd_submit(stream->stream, &buffer, &frame, NULL);
	if (r < 0) {
		inferd_release(stream->stream, &buffer);
		return r;
	}
	*job = (struct load_job){true, due_ns};
	stream->in_flight++;
	client->sent++;
	return 0;
}

static int dispatch(struct load_client *client, int timeout_ms)
{
	int n = inferd_dispatch(client->client, timeout_ms);

	if (n < 0)
		keep_error(client);
	return n;
}

/* ---- loops ---------------------------------------------------------------------------------------- */

/* 0 or -ENOTCONN, the daemon is away. */
static int fill_up(struct load_stream *stream)
{
	struct load_client *client = stream->client;
	int r = 0;

	while (r == 0 && stream->in_flight < client->options->n_in_flight)
		r = submit(stream, 0);
	if (r < 0 && r != -ENOTCONN)
		keep_error(client);
	return r;
}

static void closed_loop(struct load_client *client, uint64_t end_ns)
{
	while (now_ns() < end_ns && !client->error[0]) {
		bool away = false;

		for (uint32_t i = 0; i < client->options->n_streams; i++)
			away |= fill_up(&client->streams[i]) == -ENOTCONN;
		if (dispatch(client, away ? AWAY_STEP_MS : DRAIN_LIMIT_MS) == 0 && !away)
			snprintf(client->error, sizeof(client->error), "no answer within %d s", DRAIN_LIMIT_MS / 1000);
	}
}

static int wait_until(struct load_client *client, uint64_t due_ns)
{
	for (uint64_t now = now_ns(); now < due_ns; now = now_ns()) {
		uint64_t left_ns = due_ns - now;
		struct timespec rest = {0, (long)left_ns};

		if (left_ns < 1000000)
			nanosleep(&rest, NULL);
		else if (dispatch(client, (int)(left_ns / 1000000)) < 0)
			return -EIO;
	}
	/* What came during the last millisecond frees its buffer. */
	return dispatch(client, 0) < 0 ? -EIO : 0;
}

/* When the frame after this one is due: at a fixed period, or after a time drawn from an exponential distribution. */
static void advance(struct load_stream *stream)
{
	struct load_client *client = stream->client;
	double period_ns = 1e9 / client->options->fps, share;

	if (client->options->poisson) {
		share = (double)(next_random(&client->random) >> 11) / (double)(1ull << 53);
		period_ns *= -log(1 - share);
	}
	stream->due_ns += (uint64_t)period_ns;
}

/* Sends what is due of a stream.  What cannot be sent stays due, unless it is given up. */
static void send_due(struct load_stream *stream, uint64_t now)
{
	struct load_client *client = stream->client;

	while (stream->due_ns <= now && !client->error[0]) {
		int r = submit(stream, stream->due_ns);
		bool behind = now - stream->due_ns > BEHIND_LIMIT_NS;

		if (r == -EAGAIN && !client->options->latest && !behind)
			return;
		if (r == -EAGAIN || r == -ENOTCONN) {
			client->sent++;
			client->dropped[r == -EAGAIN ? LOAD_BUSY : LOAD_AWAY]++;
		} else if (r < 0) {
			keep_error(client);
		}
		advance(stream);
	}
}

/* Streams begin at different times, so that they do not beat together. */
static void open_loop(struct load_client *client, uint64_t start_ns, uint64_t end_ns)
{
	uint32_t n = client->options->n_streams;

	for (uint32_t i = 0; i < n; i++) {
		double share = (double)(next_random(&client->random) >> 11) / (double)(1ull << 53);

		client->streams[i].due_ns = start_ns + (uint64_t)(share * 1e9 / client->options->fps);
	}
	for (;;) {
		uint64_t now = now_ns(), next_ns = UINT64_MAX;

		for (uint32_t i = 0; i < n; i++) {
			struct load_stream *stream = &client->streams[i];

			send_due(stream, now);
			/* One that is held up by its buffers waits for a result, not for a time. */
			if (stream->due_ns > now && stream->due_ns < next_ns)
				next_ns = stream->due_ns;
		}
		if (now >= end_ns || client->error[0])
			return;
		if (next_ns > end_ns)
			next_ns = end_ns;
		if (next_ns > now + 1000000 && dispatch(client, (int)((next_ns - now) / 1000000)) < 0)
			return;
		if (next_ns <= now + 1000000 && wait_until(client, next_ns) < 0)
			return;
	}
}

static unsigned in_flight(const struct load_client *client)
{
	unsigned sum = 0;

	for (uint32_t i = 0; i < client->options->n_streams; i++)
		sum += client->streams[i].in_flight;
	return sum;
}

void *load_run(void *argument)
{
	struct load_client *client = argument;
	uint64_t start_ns, end_ns;

	pthread_barrier_wait(client->start);
	start_ns = now_ns();
	end_ns = start_ns + (uint64_t)(client->options->seconds * 1e9);
	if (client->options->fps > 0)
		open_loop(client, start_ns, end_ns);
	else
		closed_loop(client, end_ns);
	client->elapsed_s = (double)(now_ns() - start_ns) / 1e9;
	end_ns = now_ns() + DRAIN_LIMIT_MS * 1000000ull;
	while (in_flight(client) && !client->error[0] && now_ns() < end_ns)
		dispatch(client, 1000);
	return NULL;
}

void load_finish(struct load_client *client)
{
	inferd_close(client->client);
	free(client->latency_us.values);
	free(client->service_us.values);
	free(client->overhead_us.values);
}
