/*
 * load.h - a client of inferctl bench: a thread with a connection and streams that submit frames and measure.
 *
 * Closed loop: a stream keeps a number of frames in flight and submits the next when one is answered.  Open loop:
 * frames are due at times that do not depend on answers, and latency counts from then, so that a server that stalls
 * cannot hide the frames that it kept from being sent (coordinated omission: Tene, "How NOT to Measure Latency", 2013).
 * A frame that is due while all buffers are in use is sent when one is free; with `latest` it is dropped instead, as a
 * camera would.
 */
#ifndef INFERCTL_LOAD_H
#define INFERCTL_LOAD_H

#include <pthread.h>

#include "cli.h"

#define LOAD_STREAMS_MAX 16
#define LOAD_BUFFERS_MIN 3
#define LOAD_BUFFERS_MAX 8
/* Of frames measured; beyond, each has the same chance of being among them (reservoir sampling, Vitter 1985). */
#define LOAD_SAMPLES_MAX (1u << 20)

/* What became of frames that were not answered, beside the library's statuses. */
enum { LOAD_BUSY = INFERD_LOST + 1, LOAD_AWAY, LOAD_CAUSES };

struct load_options {
	uint32_t n_streams, n_in_flight, width, height, deadline_us; /* n_in_flight: up to LOAD_BUFFERS_MAX */
	enum inferd_format format;
	bool full, latest, poisson;
	const char *rung;
	double fps, seconds; /* fps 0: closed loop */
	uint64_t seed;
};

struct load_samples {
	float *values;
	size_t count, capacity;
	uint64_t seen;
};

struct load_client;

struct load_job {
	bool used;
	uint64_t due_ns;
};

struct load_stream {
	struct load_client *client;
	struct inferd_stream *stream;
	uint32_t deadline_us;
	unsigned in_flight;
	uint64_t due_ns; /* of the next frame */
	struct load_job jobs[LOAD_BUFFERS_MAX];
};

struct load_client {
	/* Set by the owner. */
	const struct load_options *options;
	const struct cli *cli;
	const char *model;
	float weight;
	enum inferd_priority priority;
	uint64_t seed;
	pthread_barrier_t *start;

	/* The result. */
	uint64_t sent, answered, late;
	uint64_t dropped[LOAD_CAUSES]; /* by enum inferd_status, LOAD_BUSY and LOAD_AWAY */
	struct load_samples latency_us, service_us, overhead_us;
	double elapsed_s;
	char error[512];

	/* private to load.c */
	pthread_t thread;
	struct inferd *client;
	struct load_stream streams[LOAD_STREAMS_MAX];
	uint64_t random;
};

/* Connects and opens the streams; the error is in client->error. */
void load_open(struct load_client *client);
/* The thread's function: waits at the barrier, submits, waits for what is in flight. */
void *load_run(void *client);
void load_finish(struct load_client *client);

uint64_t load_dropped(const struct load_client *client); /* of all causes */
const char *load_cause(int cause);

void load_add_sample(struct load_samples *samples, float value, uint64_t *random);
/* Sorts; then quantiles by nearest rank, 0 where there are no samples. */
void load_sort(struct load_samples *samples);
double load_quantile(const struct load_samples *samples, double share);

#endif
