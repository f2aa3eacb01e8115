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
	const char *path; /* below the root */
	int fd;		  /* -1: no such file (yet) */
	bool has_trigger;
	bool known; /* the two below */
	int64_t at_us;
	unsigned long long total_us;
	float share; /* of the last poll */
};

void pressure_init(struct pressure *pressure, const char *path); /* borrows path */
void pressure_finish(struct pressure *pressure);

/*
 * Asks the kernel for a trigger, e.g. "some 150000 2000000"; without one pressure_poll() works as well.  Only a file of
 * procfs is asked, for one below a root of somebody's own would be overwritten.  Once, before the first poll.
 */
void pressure_trigger(struct pressure *pressure, const struct sysfs *sysfs, const char *trigger);

/*
 * 0..1 since the poll before; NAN unknown: the first poll, or one so long after the other that it says nothing.  A poll
 * within a tenth of a second of the other repeats its answer.
 */
float pressure_poll(struct pressure *pressure, const struct sysfs *sysfs, int64_t now_us);

#endif
