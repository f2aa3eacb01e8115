/* sensors.c - see sensors.h. */
#include "sensors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "sysfs.h"

#define ZONES_MAX     32
#define BATTERIES_MAX 4
#define TRIPS_MAX     12

/* Drivers answer with sentinels such as -274000 or -2147483648 when they have no reading. */
#define PLAUSIBLE_MIN_MDEGC -20000
#define PLAUSIBLE_MAX_MDEGC 150000
/* A trip point below this is a switched-off one: no device throttles at room temperature. */
#define TRIP_MIN_MDEGC 30000

struct battery {
	int status_fd, capacity_fd;
};

/* The last value of something that only grows, and when. */
struct counter {
	bool known;
	int64_t at_us;
	double value, whole;
};

struct sensors {
	int root_fd;
	int n_lanes;
	struct topology_lane lanes[POLICY_LANES_MAX];

	int zone_fds[ZONES_MAX];
	int n_zones;
	float temp_limit_c;
	struct {
		int fd;
		float highest_khz;
	} caps[POLICY_LANES_MAX][CONFIG_CPUS_MAX]; /* one for each CPU of a lane that has a clock of its own */
	int n_caps[POLICY_LANES_MAX];
	int pressure_fd, stat_fd;
	struct battery batteries[BATTERIES_MAX];
	int n_batteries;

	struct counter pressure, load;
	struct policy_sample last;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_all(struct sensors *sensors)
{
	while (sensors->n_zones > 0)
		close_fd(&sensors->zone_fds[--sensors->n_zones]);
	for (int i = 0; i < sensors->n_lanes; i++)
		while (sensors->n_caps[i] > 0)
			close_fd(&sensors->caps[i][--sensors->n_caps[i]].fd);
	while (sensors->n_batteries > 0) {
		struct battery *battery = &sensors->batteries[--sensors->n_batteries];

		close_fd(&battery->status_fd);
		close_fd(&battery->capacity_fd);
	}
	close_fd(&sensors->pressure_fd);
	close_fd(&sensors->stat_fd);
}

/*
 * Zones are told apart by their type, because their numbers change between boots.  Parts that are hot for
 * reasons of their own say nothing of the processor.
 */
static bool zone_counts(const char *type)
{
	static const char *const others[] = {"batt", "bms", "charg", "chg", "usb", "wifi", "wlan", "modem", "nvme"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcasestr(type, others[i]))
			return false;
	return true;
}

static bool plausible(long long mdegc)
{
	return mdegc >= PLAUSIBLE_MIN_MDEGC && mdegc <= PLAUSIBLE_MAX_MDEGC;
}

/* Only passive trip points slow the device down; active ones start fans, critical ones switch it off. */
static void scan_trips(struct sensors *sensors, const char *zone)
{
	char path[512], type[32];
	long long mdegc;

	for (int i = 0; i < TRIPS_MAX; i++) {
		snprintf(path, sizeof(path), "sys/class/thermal/%s/trip_point_%d_type", zone, i);
		if (sysfs_read(sensors->root_fd, path, type, sizeof(type)) < 0)
			return;
		snprintf(path, sizeof(path), "sys/class/thermal/%s/trip_point_%d_temp", zone, i);
		if (strcmp(type, "passive") || sysfs_read_number(sensors->root_fd, path, &mdegc) < 0)
			continue;
		if (mdegc < TRIP_MIN_MDEGC || !plausible(mdegc))
			continue;
		if (isnan(sensors->temp_limit_c) || (float)mdegc / 1000 < sensors->temp_limit_c)
			sensors->temp_limit_c = (float)mdegc / 1000;
	}
}

static DIR *open_folder(int root_fd, const char *path)
{
	int fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder;

	if (fd < 0)
		return NULL;
	folder = fdopendir(fd);
	if (!folder)
		close(fd);
	return folder;
}

static void scan_zones(struct sensors *sensors)
{
	DIR *folder = open_folder(sensors->root_fd, "sys/class/thermal");
	struct dirent *entry;
	char path[512], type[64];
	int fd;

	sensors->temp_limit_c = NAN;
	if (!folder)
		return;
	while ((entry = readdir(folder)) && sensors->n_zones < ZONES_MAX) {
		if (strncmp(entry->d_name, "thermal_zone", 12))
			continue;
		snprintf(path, sizeof(path), "sys/class/thermal/%s/type", entry->d_name);
		if (sysfs_read(sensors->root_fd, path, type, sizeof(type)) < 0 || !zone_counts(type))
			continue;
		snprintf(path, sizeof(path), "sys/class/thermal/%s/temp", entry->d_name);
		fd = sysfs_open(sensors->root_fd, path);
		if (fd < 0)
			continue;
		sensors->zone_fds[sensors->n_zones++] = fd;
		scan_trips(sensors, entry->d_name);
	}
	closedir(folder);
}

static void scan_caps(struct sensors *sensors)
{
	char path[128];
	long long khz;
	int fd;

	for (int i = 0; i < sensors->n_lanes; i++) {
		for (int j = 0; j < sensors->lanes[i].n_cpus; j++) {
			int cpu = sensors->lanes[i].cpus[j];

			snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
			if (sysfs_read_number(sensors->root_fd, path, &khz) < 0 || khz <= 0)
				continue;
			snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/scaling_max_freq", cpu);
			fd = sysfs_open(sensors->root_fd, path);
			if (fd < 0)
				continue;
			sensors->caps[i][sensors->n_caps[i]].fd = fd;
			sensors->caps[i][sensors->n_caps[i]++].highest_khz = (float)khz;
		}
	}
}

static void scan_batteries(struct sensors *sensors)
{
	DIR *folder = open_folder(sensors->root_fd, "sys/class/power_supply");
	struct dirent *entry;
	char path[512], type[32];

	if (!folder)
		return;
	while ((entry = readdir(folder)) && sensors->n_batteries < BATTERIES_MAX) {
		struct battery battery;

		snprintf(path, sizeof(path), "sys/class/power_supply/%s/type", entry->d_name);
		if (sysfs_read(sensors->root_fd, path, type, sizeof(type)) < 0 || strcmp(type, "Battery"))
			continue;
		snprintf(path, sizeof(path), "sys/class/power_supply/%s/status", entry->d_name);
		battery.status_fd = sysfs_open(sensors->root_fd, path);
		snprintf(path, sizeof(path), "sys/class/power_supply/%s/capacity", entry->d_name);
		battery.capacity_fd = sysfs_open(sensors->root_fd, path);
		if (battery.status_fd >= 0 && battery.capacity_fd >= 0) {
			sensors->batteries[sensors->n_batteries++] = battery;
		} else {
			close_fd(&battery.status_fd);
			close_fd(&battery.capacity_fd);
		}
	}
	closedir(folder);
}

void sensors_scan(struct sensors *sensors)
{
	close_all(sensors);
	scan_zones(sensors);
	scan_caps(sensors);
	scan_batteries(sensors);
	sensors->pressure_fd = sysfs_open(sensors->root_fd, "proc/pressure/cpu");
	sensors->stat_fd = sysfs_open(sensors->root_fd, "proc/stat");
}

int sensors_create(int root_fd, const struct topology_lane *lanes, int n_lanes, struct sensors **ret_sensors)
{
	struct sensors *sensors = calloc(1, sizeof(*sensors));

	if (!sensors)
		return -ENOMEM;
	sensors->root_fd = root_fd;
	sensors->pressure_fd = sensors->stat_fd = -1;
	sensors->n_lanes = n_lanes < POLICY_LANES_MAX ? n_lanes : POLICY_LANES_MAX;
	memcpy(sensors->lanes, lanes, (size_t)sensors->n_lanes * sizeof(lanes[0]));
	sensors->last.temp_c = sensors->temp_limit_c = NAN;
	sensors->last.cpu_pressure = sensors->last.cpu_load = sensors->last.battery = NAN;
	for (int i = 0; i < POLICY_LANES_MAX; i++)
		sensors->last.freq_cap[i] = NAN;
	sensors_scan(sensors);
	*ret_sensors = sensors;
	return 0;
}

void sensors_destroy(struct sensors *sensors)
{
	if (!sensors)
		return;
	close_all(sensors);
	free(sensors);
}

static float poll_zones(const struct sensors *sensors)
{
	float hottest = NAN;
	long long mdegc;

	for (int i = 0; i < sensors->n_zones; i++) {
		if (sysfs_pread_number(sensors->zone_fds[i], &mdegc) < 0 || !plausible(mdegc))
			continue;
		if (isnan(hottest) || (float)mdegc / 1000 > hottest)
			hottest = (float)mdegc / 1000;
	}
	return hottest;
}

static float poll_cap(const struct sensors *sensors, int lane)
{
	float lowest = NAN;
	long long khz;

	for (int i = 0; i < sensors->n_caps[lane]; i++) {
		float share;

		if (sysfs_pread_number(sensors->caps[lane][i].fd, &khz) < 0 || khz <= 0)
			continue;
		share = fminf((float)khz / sensors->caps[lane][i].highest_khz, 1);
		if (isnan(lowest) || share < lowest)
			lowest = share;
	}
	return lowest;
}

static float poll_batteries(const struct sensors *sensors)
{
	float lowest = NAN;
	char status[32];
	long long percent;

	for (int i = 0; i < sensors->n_batteries; i++) {
		if (sysfs_pread(sensors->batteries[i].status_fd, status, sizeof(status)) < 0 ||
		    strcmp(status, "Discharging") ||
		    sysfs_pread_number(sensors->batteries[i].capacity_fd, &percent) < 0 || percent < 0 || percent > 100)
			continue;
		if (isnan(lowest) || (float)percent / 100 < lowest)
			lowest = (float)percent / 100;
	}
	return lowest;
}

static float share(double part, double whole)
{
	if (!(whole > 0))
		return NAN;
	return (float)fmin(fmax(part / whole, 0), 1);
}

static float poll_pressure(struct sensors *sensors, int64_t now_us)
{
	struct counter *before = &sensors->pressure;
	struct counter now = {.known = true, .at_us = now_us};
	char text[256], *total;
	float pressure = NAN;

	if (sensors->pressure_fd < 0 || sysfs_pread(sensors->pressure_fd, text, sizeof(text)) < 0 ||
	    strncmp(text, "some ", 5) || !(total = strstr(text, "total="))) {
		before->known = false;
		return NAN;
	}
	now.value = (double)strtoull(total + 6, NULL, 10);
	if (before->known)
		pressure = share(now.value - before->value, (double)(now_us - before->at_us));
	*before = now;
	return pressure;
}

/* The line "cpu user nice system idle iowait irq softirq steal ...", in ticks. */
static bool parse_stat(const char *text, double *ret_busy, double *ret_all)
{
	double busy = 0, all = 0;
	const char *cursor = text + 3;

	if (strncmp(text, "cpu ", 4))
		return false;
	for (int field = 0; field < 8; field++) {
		char *end;
		double ticks = (double)strtoull(cursor, &end, 10);

		if (end == cursor)
			break;
		all += ticks;
		if (field != 3 && field != 4)
			busy += ticks;
		cursor = end;
	}
	*ret_busy = busy;
	*ret_all = all;
	return all > 0;
}

static float poll_load(struct sensors *sensors, int64_t now_us, int64_t own_cpu_us)
{
	struct counter *before = &sensors->load;
	struct counter now = {.known = true, .at_us = now_us};
	double ticks_us = 1e6 / (double)sysconf(_SC_CLK_TCK), busy, all;
	char text[256];
	float load = NAN;

	if (sensors->stat_fd < 0 || sysfs_pread(sensors->stat_fd, text, sizeof(text)) < 0 ||
	    !parse_stat(text, &busy, &all)) {
		before->known = false;
		return NAN;
	}
	now.value = busy * ticks_us - (double)own_cpu_us;
	now.whole = all * ticks_us;
	if (before->known)
		load = share(now.value - before->value, now.whole - before->whole);
	*before = now;
	return load;
}

void sensors_poll(struct sensors *sensors, int64_t now_us, int64_t own_cpu_us)
{
	struct policy_sample *last = &sensors->last;

	last->temp_c = poll_zones(sensors);
	last->temp_limit_c = sensors->temp_limit_c;
	for (int i = 0; i < sensors->n_lanes; i++)
		last->freq_cap[i] = poll_cap(sensors, i);
	last->battery = poll_batteries(sensors);
	last->cpu_pressure = poll_pressure(sensors, now_us);
	last->cpu_load = poll_load(sensors, now_us, own_cpu_us);
}

void sensors_fill(const struct sensors *sensors, struct policy_sample *sample)
{
	memcpy(sample->freq_cap, sensors->last.freq_cap, sizeof(sample->freq_cap));
	sample->temp_c = sensors->last.temp_c;
	sample->temp_limit_c = sensors->last.temp_limit_c;
	sample->cpu_pressure = sensors->last.cpu_pressure;
	sample->cpu_load = sensors->last.cpu_load;
	sample->battery = sensors->last.battery;
}
