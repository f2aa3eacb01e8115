/*
 * thermal.h - the kernel's thermal zones and cooling devices: how hot, from where on it slows down, and by how much.
 *
 * A temperature is one that was read from a zone's file and is plausible, or unknown; a zone that cannot be read keeps
 * its last one for THERMAL_KEPT_US, because drivers answer EAGAIN between two conversions.
 */
#ifndef INFERD_THERMAL_H
#define INFERD_THERMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "sysfs.h"

#define THERMAL_ZONES_MAX   128 /* large phones have about a hundred */
#define THERMAL_COOLERS_MAX 16
#define THERMAL_KEPT_US	    5000000
/* A zone far below the hottest is read only this often. */
#define THERMAL_COOL_US 2000000

struct thermal_zone {
	int fd;
	char name[24]; /* of its folder */
	char type[32];
	bool gone;     /* the file is there no longer */
	float limit_c; /* lowest of its passive trip points, looked at when the zone was found; NAN none */
	float temp_c;  /* last plausible one; NAN none */
	int64_t read_us;
};

struct thermal_cooler {
	int fd; /* of cur_state */
	float max_state;
};

struct thermal {
	struct thermal_zone zones[THERMAL_ZONES_MAX];
	int n_zones;
	struct thermal_cooler coolers[THERMAL_COOLERS_MAX];
	int n_coolers;
	/* of the last poll */
	float temp_c;  /* the hottest zone's; NAN unknown */
	float limit_c; /* lowest trip point that slows the processor; NAN unknown */
	float cooling; /* 0..1, the strongest state of a device that slows the processor; NAN unknown */
};

void thermal_init(struct thermal *thermal);
void thermal_finish(struct thermal *thermal);

/* Looks for zones and devices anew; zones of the same name keep what was read of them. */
void thermal_scan(struct thermal *thermal, const struct sysfs *sysfs);
/* Reads them.  True when a file is there no longer, and thermal_scan() should look. */
bool thermal_poll(struct thermal *thermal, const struct sysfs *sysfs, int64_t now_us);

#endif
