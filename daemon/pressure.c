/* pressure.c - see pressure.h. */
#include "pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* An average over less than this is chance, and one over more is not how things are now. */
#define PERIOD_MIN_US 100000
#define PERIOD_MAX_US 30000000

void pressure_init(struct pressure *pressure, const char *path)
{
	*pressure = (struct pressure){.path = path, .fd = -1, .share = NAN};
}

void pressure_finish(struct pressure *pressure)
{
	sysfs_close(&pressure->fd);
}

void pressure_trigger(struct pressure *pressure, const struct sysfs *sysfs, const char *trigger)
{
	int fd = openat(sysfs->root_fd, pressure->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct statfs where;

	/* The zero at the end is part of what the kernel expects. */
	if (fd >= 0 && fstatfs(fd, &where) == 0 && where.f_type == PROC_SUPER_MAGIC &&
	    write(fd, trigger, strlen(trigger) + 1) > 0) {
		pressure->fd = fd;
		pressure->has_trigger = true;
	} else {
		sysfs_close(&fd);
	}
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=5000000" */
static bool read_total(struct pressure *pressure, const struct sysfs *sysfs)
{
	char text[256], *total, *end;

	if (sysfs_read_kept(sysfs, pressure->path, &pressure->fd, text, sizeof(text)) < 0 || strncmp(text, "some ", 5))
		return false;
	total = strstr(text, "total=");
	if (!total)
		return false;
	errno = 0;
	pressure->total_us = strtoull(total + 6, &end, 10);
	return !errno && end != total + 6 && !*end;
}

float pressure_poll(struct pressure *pressure, const struct sysfs *sysfs, int64_t now_us)
{
	const struct pressure before = *pressure;
	double period_us = (double)now_us - (double)before.at_us;

	if (before.known && period_us >= 0 && period_us < PERIOD_MIN_US)
		return before.share;
	pressure->known = read_total(pressure, sysfs);
	pressure->at_us = now_us;
	pressure->share = NAN;
	if (!pressure->known || !before.known || pressure->total_us < before.total_us || period_us <= 0 ||
	    period_us > PERIOD_MAX_US)
		return NAN;
	pressure->share = (float)fmin((double)(pressure->total_us - before.total_us) / period_us, 1);
	return pressure->share;
}
