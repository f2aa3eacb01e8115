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

void pressure_init(struct pressure *pressure)
{
	*pressure = (struct pressure){.fd = -1, .share = NAN};
}

void pressure_finish(struct pressure *pressure)
{
	sysfs_close(&pressure->fd);
}

/* The descriptor with a trigger set, or negative errno. */
static int open_trigger(const struct sysfs *sysfs, const char *path, const char *trigger)
{
	int fd = openat(sysfs->root_fd, path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct statfs where;

	if (fd < 0)
		return -errno;
	/* The zero at the end is part of what the kernel expects. */
	if (fstatfs(fd, &where) == 0 && where.f_type == PROC_SUPER_MAGIC && write(fd, trigger, strlen(trigger) + 1) > 0)
		return fd;
	close(fd);
	return -EOPNOTSUPP;
}

void pressure_scan(struct pressure *pressure, const struct sysfs *sysfs, const char *path, const char *trigger)
{
	if (pressure->fd >= 0)
		return;
	if (trigger)
		pressure->fd = open_trigger(sysfs, path, trigger);
	pressure->has_trigger = pressure->fd >= 0;
	if (!pressure->has_trigger)
		pressure->fd = sysfs_open(sysfs, path);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=5000000" */
static bool read_total(const struct pressure *pressure, const struct sysfs *sysfs, unsigned long long *ret_total_us)
{
	char text[256], *total, *end;

	if (pressure->fd < 0 || sysfs_pread(sysfs, pressure->fd, text, sizeof(text)) < 0 || strncmp(text, "some ", 5))
		return false;
	total = strstr(text, "total=");
	if (!total)
		return false;
	errno = 0;
	*ret_total_us = strtoull(total + 6, &end, 10);
	return !errno && end != total + 6 && !*end;
}

float pressure_poll(struct pressure *pressure, const struct sysfs *sysfs, int64_t now_us)
{
	const struct pressure before = *pressure;
	double period_us = (double)now_us - (double)before.at_us;

	if (before.known && period_us >= 0 && period_us < PERIOD_MIN_US)
		return before.share;
	pressure->known = read_total(pressure, sysfs, &pressure->total_us);
	pressure->at_us = now_us;
	pressure->share = NAN;
	if (!pressure->known || !before.known || pressure->total_us < before.total_us || period_us <= 0 ||
	    period_us > PERIOD_MAX_US)
		return NAN;
	pressure->share = (float)fmin((double)(pressure->total_us - before.total_us) / period_us, 1);
	return pressure->share;
}
