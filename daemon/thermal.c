/* thermal.c - see thermal.h. */
#include "thermal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRIPS_MAX 12

/* Drivers answer with sentinels such as -274000 or -2147483648 when they have no reading. */
#define PLAUSIBLE_MIN_MDEGC -20000
#define PLAUSIBLE_MAX_MDEGC 150000
/* A trip point below this is a switched-off one: no device throttles at room temperature. */
#define TRIP_MIN_MDEGC 30000
/* Zones within this of the hottest are read at every poll: a processor under load gains 10 degrees in a second. */
#define NEAR_HOTTEST_C 15

void thermal_init(struct thermal *thermal)
{
	*thermal = (struct thermal){.temp_c = NAN, .limit_c = NAN, .cooling = NAN};
}

static void close_coolers(struct thermal *thermal)
{
	while (thermal->n_coolers > 0)
		sysfs_close(&thermal->coolers[--thermal->n_coolers].fd);
}

void thermal_finish(struct thermal *thermal)
{
	while (thermal->n_zones > 0)
		sysfs_close(&thermal->zones[--thermal->n_zones].fd);
	close_coolers(thermal);
}

static bool contains(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcasestr(text, *words))
			return true;
	return false;
}

/*
 * Zones are told apart by their type, because their numbers change between boots.  Parts that are hot for
 * reasons of their own say nothing of the processor.
 */
static bool zone_counts(const char *type)
{
	static const char *const others[] = {"batt", "bms",  "charg", "chg",  "usb",
					     "wifi", "wlan", "modem", "nvme", NULL};

	return !contains(type, others);
}

/* Devices that slow the processor; others are fans, screens, radios and chargers. */
static bool cooler_counts(const char *type)
{
	static const char *const ours[] = {"cpu", "processor", "powerclamp", NULL};
	static const char *const others[] = {"fan", NULL};

	return contains(type, ours) && !contains(type, others);
}

static bool plausible(long long mdegc)
{
	return mdegc >= PLAUSIBLE_MIN_MDEGC && mdegc <= PLAUSIBLE_MAX_MDEGC;
}

/* Only passive trip points slow the device down; active ones start fans, critical ones switch it off. */
static float read_trips(const struct sysfs *sysfs, const char *zone)
{
	float lowest = NAN;
	char path[128], type[32];
	long long mdegc;

	for (int i = 0; i < TRIPS_MAX; i++) {
		snprintf(path, sizeof(path), "sys/class/thermal/%s/trip_point_%d_type", zone, i);
		if (sysfs_read(sysfs, path, type, sizeof(type)) < 0)
			break;
		snprintf(path, sizeof(path), "sys/class/thermal/%s/trip_point_%d_temp", zone, i);
		if (strcmp(type, "passive") || sysfs_read_number(sysfs, path, &mdegc) < 0)
			continue;
		/* Of a number and NAN, fminf() takes the number. */
		if (mdegc >= TRIP_MIN_MDEGC && plausible(mdegc))
			lowest = fminf(lowest, (float)mdegc / 1000);
	}
	return lowest;
}

static bool open_zone(const struct sysfs *sysfs, struct thermal_zone *zone)
{
	char path[128];

	snprintf(path, sizeof(path), "sys/class/thermal/%s/type", zone->name);
	if (sysfs_read(sysfs, path, zone->type, sizeof(zone->type)) < 0 || !zone_counts(zone->type))
		return false;
	snprintf(path, sizeof(path), "sys/class/thermal/%s/temp", zone->name);
	zone->fd = sysfs_open(sysfs, path);
	if (zone->fd < 0)
		return false;
	zone->limit_c = read_trips(sysfs, zone->name);
	return true;
}

/* Takes a zone of this name over from before: all of it, or, when its file is gone, what was read of its type. */
static bool take_over(struct thermal_zone *before, int n_before, const struct sysfs *sysfs, struct thermal_zone *zone)
{
	for (int i = 0; i < n_before; i++) {
		if (strcmp(before[i].name, zone->name) != 0)
			continue;
		if (!before[i].gone) {
			*zone = before[i];
			before[i].fd = -1;
			return true;
		}
		if (!open_zone(sysfs, zone))
			return false;
		if (!strcmp(before[i].type, zone->type)) {
			zone->temp_c = before[i].temp_c;
			zone->read_us = before[i].read_us;
		}
		return true;
	}
	return open_zone(sysfs, zone);
}

static void scan_zone(struct thermal *thermal, const struct sysfs *sysfs, const char *name, struct thermal_zone *before,
		      int n_before)
{
	struct thermal_zone zone = {.fd = -1, .temp_c = NAN};

	if (thermal->n_zones == THERMAL_ZONES_MAX || strlen(name) >= sizeof(zone.name))
		return;
	strcpy(zone.name, name);
	if (!take_over(before, n_before, sysfs, &zone))
		return;
	thermal->zones[thermal->n_zones++] = zone;
	thermal->limit_c = fminf(thermal->limit_c, zone.limit_c);
}

static void scan_cooler(struct thermal *thermal, const struct sysfs *sysfs, const char *name)
{
	struct thermal_cooler cooler;
	char path[512], type[32];
	long long max_state;

	if (thermal->n_coolers == THERMAL_COOLERS_MAX)
		return;
	snprintf(path, sizeof(path), "sys/class/thermal/%s/type", name);
	if (sysfs_read(sysfs, path, type, sizeof(type)) < 0 || !cooler_counts(type))
		return;
	snprintf(path, sizeof(path), "sys/class/thermal/%s/max_state", name);
	if (sysfs_read_number(sysfs, path, &max_state) < 0 || max_state <= 0)
		return;
	snprintf(path, sizeof(path), "sys/class/thermal/%s/cur_state", name);
	cooler.fd = sysfs_open(sysfs, path);
	if (cooler.fd < 0)
		return;
	cooler.max_state = (float)max_state;
	thermal->coolers[thermal->n_coolers++] = cooler;
}

void thermal_scan(struct thermal *thermal, const struct sysfs *sysfs)
{
	struct thermal_zone before[THERMAL_ZONES_MAX];
	int n_before = thermal->n_zones;
	DIR *folder = sysfs_open_folder(sysfs, "sys/class/thermal");
	struct dirent *entry;

	memcpy(before, thermal->zones, (size_t)n_before * sizeof(before[0]));
	thermal->n_zones = 0;
	close_coolers(thermal);
	thermal->limit_c = NAN;
	while (folder && (entry = readdir(folder))) {
		if (!strncmp(entry->d_name, "thermal_zone", 12))
			scan_zone(thermal, sysfs, entry->d_name, before, n_before);
		else if (!strncmp(entry->d_name, "cooling_device", 14))
			scan_cooler(thermal, sysfs, entry->d_name);
	}
	if (folder)
		closedir(folder);
	for (int i = 0; i < n_before; i++)
		sysfs_close(&before[i].fd);
}

static bool is_gone(int rc)
{
	return rc == -ENODEV || rc == -ENXIO || rc == -ENOENT;
}

/* Since when; a clock that went backwards makes everything old. */
static int64_t age_us(const struct thermal_zone *zone, int64_t now_us)
{
	return now_us >= zone->read_us ? now_us - zone->read_us : INT64_MAX;
}

static void poll_zone(struct thermal_zone *zone, const struct sysfs *sysfs, int64_t now_us)
{
	long long mdegc;
	int rc = sysfs_pread_number(sysfs, zone->fd, &mdegc);

	zone->gone = is_gone(rc);
	if (rc == 0 && plausible(mdegc)) {
		zone->temp_c = (float)mdegc / 1000;
		zone->read_us = now_us;
	} else if (age_us(zone, now_us) > THERMAL_KEPT_US) {
		zone->temp_c = NAN;
	}
}

static bool poll_coolers(struct thermal *thermal, const struct sysfs *sysfs)
{
	bool gone = false;

	thermal->cooling = NAN;
	for (int i = 0; i < thermal->n_coolers; i++) {
		const struct thermal_cooler *cooler = &thermal->coolers[i];
		long long state;
		int rc = sysfs_pread_number(sysfs, cooler->fd, &state);

		gone |= is_gone(rc);
		if (rc < 0 || state < 0 || (float)state > cooler->max_state)
			continue;
		thermal->cooling = fmaxf(thermal->cooling, (float)state / cooler->max_state);
	}
	return gone;
}

bool thermal_poll(struct thermal *thermal, const struct sysfs *sysfs, int64_t now_us)
{
	float hottest = NAN;
	bool gone = poll_coolers(thermal, sysfs);

	for (int i = 0; i < thermal->n_zones; i++) {
		struct thermal_zone *zone = &thermal->zones[i];

		if (isnan(zone->temp_c) || age_us(zone, now_us) >= THERMAL_COOL_US ||
		    !(zone->temp_c < thermal->temp_c - NEAR_HOTTEST_C))
			poll_zone(zone, sysfs, now_us);
		gone |= zone->gone;
		hottest = fmaxf(hottest, zone->temp_c);
	}
	thermal->temp_c = hottest;
	return gone;
}
