/*
 * measure.h - what many runs of one network cost this process, as tools/bench/peers.py compares it with other runtimes:
 * the time of each run, processor time, and memory since before the network was loaded.
 */
#ifndef INFERD_MEASURE_H
#define INFERD_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

#define MEASURE_WARM_UP_RUNS 5 /* not counted; tools/bench/peer.py does as many */

struct measure {
	int runs, run;	       /* run counts from -MEASURE_WARM_UP_RUNS up */
	double *ms;	       /* owned: of each run */
	double start_ms;       /* of the loading, then of a run */
	double load_ms;	       /* from before the file is opened until a run may start */
	double cpu_ms;	       /* all threads, from the first counted run on */
	long before_kb;	       /* resident before loading */
	long rest_kb, peak_kb; /* resident after the last run, and at most, beyond that */
};

/* Call before the network is loaded; takes note of memory.  False: out of memory, or /proc cannot be read. */
bool measure_begin(struct measure *measure, int runs);
void measure_loaded(struct measure *measure);

/* Around each of MEASURE_WARM_UP_RUNS + runs runs. */
void measure_run_begin(struct measure *measure);
void measure_run_end(struct measure *measure);

/* After the last run.  own_bytes: what the caller itself allocated meanwhile that is no part of running a network. */
bool measure_end(struct measure *measure, size_t own_bytes);

/* One object on one line of standard output. */
void measure_print(const struct measure *measure);
void measure_finish(struct measure *measure); /* accepts a zeroed one */

#endif
