/* bench_record.c - what watching costs the loop, for each frame: bench_record DIR (an empty one, on the disk in
 * question). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/live.h"
#include "daemon/record.h"
#include "daemon/trace_file.h"

#define FRAMES	  2000000
#define PERIOD_US 33333
#define BURST	  20 /* frames between two pauses, in which the trace's thread gets on */

static const char *const rungs[] = {"v2-224@224x224", "v1-192@192x192", "v1-160@160x160", "v1-128@128x128"};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct record_frame frame_of(uint32_t i)
{
	uint32_t noise = i * 2654435761u;

	return (struct record_frame){
		.model = "imagenet",
		.rung = rungs[noise >> 30],
		.lane = "big",
		.reason = "the best fits: 31.1 ms of 100 ms",
		.status = IPC_OK,
		.accuracy = 0.7f,
		.predicted_us = 30000,
		.bound_us = 40000,
		.deadline_us = 100000,
		.queue_us = 100,
		.preprocess_us = 2000,
		.inference_us = 20000 + (noise >> 18),
		.total_us = 22200 + (noise >> 18),
	};
}

static void bench_record(struct record *record)
{
	struct policy_sample sample = {.n_lanes = 1, .temp_c = 60, .cpu_pressure = 0.1f, .freq_cap = {1}};
	double longest = 0, start, sense_ns = 0;

	sample.temp_limit_c = sample.cpu_load = sample.battery = NAN;
	start = now_ns();
	for (uint32_t i = 0; i < FRAMES; i++) {
		struct record_frame frame = frame_of(i);
		int64_t now_us = (int64_t)i * PERIOD_US;

		record_frame(record, &frame, now_us);
		if (i % 15 == 0) {
			double before = now_ns(), took;

			record_sense(record, &sample, now_us);
			took = now_ns() - before;
			sense_ns += took;
			longest = took > longest ? took : longest;
		}
	}
	printf("record: %.0f ns a frame; %.0f ns twice a second, at most %.0f us when a batch is handed over\n",
	       (now_ns() - start - sense_ns) / FRAMES, sense_ns / ((double)FRAMES / 15), longest / 1000);
}

static void bench_live(void)
{
	static struct live live;
	double start = now_ns();

	for (uint32_t i = 0; i < FRAMES; i++) {
		struct record_frame frame = frame_of(i);

		live_frame(&live, &frame, (int64_t)i * PERIOD_US);
	}
	printf("live view: %.0f ns a frame\n", (now_ns() - start) / FRAMES);
}

static void bench_trace(const char *dir)
{
	static struct trace_segment segment = {.head = {TRACE_SEGMENT, sizeof(segment)}};
	static struct trace_decision decision = {.head = {TRACE_DECISION, sizeof(decision)}, .rung = "v2-224@224x224"};
	static struct trace_observed observed = {.head = {TRACE_OBSERVED, sizeof(observed)}, .rung = "v2-224@224x224"};
	static struct trace_ended ended = {.head = {TRACE_ENDED, sizeof(ended)}, .rung = "v2-224@224x224"};
	const struct timespec pause = {.tv_nsec = 3000000};
	struct trace_file *trace;
	char path[512];
	double taken = 0;
	int n = FRAMES / 100;

	snprintf(path, sizeof(path), "%s/trace.jsonl", dir);
	if (trace_file_create(path, 64 << 20, &trace) < 0)
		return;
	trace_file_add(trace, &segment.head);
	for (int i = 0; i < n; i += BURST) {
		double start = now_ns();

		for (int j = 0; j < BURST; j++) {
			trace_file_add(trace, &decision.head);
			trace_file_add(trace, &observed.head);
			trace_file_add(trace, &ended.head);
		}
		trace_file_flush(trace);
		taken += now_ns() - start;
		nanosleep(&pause, NULL);
	}
	printf("trace: %.0f ns a frame, %llu entries lost\n", taken / n, (unsigned long long)trace_file_lost(trace));
	trace_file_destroy(trace);
}

int main(int argc, char **argv)
{
	struct record *record;
	struct store *store;

	if (argc != 2 || store_create(argv[1], 64 << 20, &record_schema, &store) < 0 ||
	    record_create(store, 0, &record) < 0) {
		fputs("usage: bench_record DIR\n", stderr);
		return 2;
	}
	record_configure(record, true, 60000000, "shipped", 0);
	bench_record(record);
	bench_live();
	bench_trace(argv[1]);
	record_end(record, (int64_t)FRAMES * PERIOD_US);
	store_destroy(store);
	record_destroy(record);
	return 0;
}
