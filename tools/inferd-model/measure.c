/*
 * measure.c - see measure.h.
 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* A line of /proc/self/status that is a number; -1 where there is none. */
static long status_value(const char *key)
{
	FILE *file = fopen("/proc/self/status", "r");
	size_t length = strlen(key);
	char line[256];
	long value = -1;

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, key, length) == 0 && line[length] == ':')
			value = strtol(line + length + 1, NULL, 10);
	fclose(file);
	return value;
}

/* Where the kernel does not let the peak be forgotten it is that of the whole process, which only looks worse. */
static void forget_peak(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "w");

	if (!file)
		return;
	fputs("5", file);
	fclose(file);
}

bool measure_begin(struct measure *measure, int runs)
{
	*measure = (struct measure){.runs = runs, .run = -MEASURE_WARM_UP_RUNS};
	measure->ms = calloc((size_t)runs, sizeof(*measure->ms));
	if (!measure->ms)
		return false;
	forget_peak();
	measure->before_kb = status_value("VmRSS");
	measure->start_ms = clock_ms(CLOCK_MONOTONIC);
	return measure->before_kb >= 0;
}

void measure_loaded(struct measure *measure)
{
	measure->load_ms = clock_ms(CLOCK_MONOTONIC) - measure->start_ms;
}

void measure_run_begin(struct measure *measure)
{
	if (measure->run == 0)
		measure->cpu_ms = -clock_ms(CLOCK_PROCESS_CPUTIME_ID);
	measure->start_ms = clock_ms(CLOCK_MONOTONIC);
}

void measure_run_end(struct measure *measure)
{
	if (measure->run >= 0)
		measure->ms[measure->run] = clock_ms(CLOCK_MONOTONIC) - measure->start_ms;
	measure->run++;
}

bool measure_end(struct measure *measure, size_t own_bytes)
{
	long rest = status_value("VmRSS"), peak = status_value("VmHWM"), own_kb = (long)(own_bytes / 1024);

	measure->cpu_ms += clock_ms(CLOCK_PROCESS_CPUTIME_ID);
	measure->rest_kb = rest - measure->before_kb - own_kb;
	measure->peak_kb = peak - measure->before_kb - own_kb;
	return rest >= 0 && peak >= 0;
}

void measure_print(const struct measure *measure)
{
	printf("{\"ms\":[");
	for (int i = 0; i < measure->runs; i++)
		printf("%s%.6f", i ? "," : "", measure->ms[i]);
	printf("],\"cpu_ms\":%.6f,\"load_ms\":%.6f,\"rest_kb\":%ld,\"peak_kb\":%ld,\"threads\":%ld}\n",
	       measure->cpu_ms / measure->runs, measure->load_ms, measure->rest_kb, measure->peak_kb,
	       status_value("Threads"));
}

void measure_finish(struct measure *measure)
{
	free(measure->ms);
}
