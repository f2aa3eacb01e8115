/*
 * pressure.h - the kernel's pressure stall information of one resource: for which share of the time some task waited.
 *
 * The share is the growth of the file's `total` between two looks, so it is as fresh as the looks are frequent.  A
 * trigger, where the kernel grants one, tells when it is time to look (see sensors_wake_fd()).
 */
#ifndef INFERD_PRESSURE_H
#define INFERD_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "sysfs.h"

struct pressure {
	int fd; /* -1: no such file (yet) */
	bool has_trigger;
	bool known; /* the two below */
	int64_t at_us;
	unsigned long long total_us;
	float share; /* of the last poll */
};

void pressure_init(struct pressure *pressure);
void pressure_finish(struct pressure *pressure);

/*
 * Opens the file unless it is open.  trigger: what to ask the kernel for, e.g. "some 150000 2000000", or NULL; only a
 * file of procfs is asked, for one below a root of somebody's own would be overwritten.
 */
void pressure_scan(struct pressure *pressure, const struct sysfs *sysfs, const char *path, const char *trigger);

/*
 * 0..1 since the poll before; NAN unknown: the first poll, or one so long after the other that it says nothing.  A poll
 * within a tenth of a second of the other repeats its answer.
 */
float pressure_poll(struct pressure *pressure, const struct sysfs *sysfs, int64_t now_us);

#endif
