/* sensors.c - see sensors.h. */
#include "sensors.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pressure.h"
#include "sysfs.h"
#include "thermal.h"

#define BATTERIES_MAX 4

/* How often files are looked for, and, when one has gone, how soon after the last look. */
#define SCAN_US	      10000000
#define SCAN_AGAIN_US 1000000
/* Heat moves in seconds. */
#define POLL_US		500000
#define POLL_IDLE_US	2000000
#define POLL_SLOWEST_US 10000000
/* CPU time of all, counted in ticks of 10 ms, of which a share is more than chance. */
#define LOAD_LEAST_US 100000
/* Polls may take one part in this many of a core. */
#define COST_SHARE 1000
/* 150 ms of waiting within 2 s; unprivileged processes may ask for multiples of 2 s only. */
#define CPU_TRIGGER "some 150000 2000000"

struct battery {
	int status_fd, capacity_fd;
};

/* A clock, which some of a lane's CPUs share. */
struct cap {
	int fd;	 /* of scaling_max_freq */
	int cpu; /* one of them */
	float highest_khz;
	char related[128]; /* those CPUs, as the kernel lists them; "" unknown */
};

/* The last values of the CPU time that all CPUs have counted. */
struct load {
	int fd;
	bool known;
	double others_us, all_us;
	float share; /* of the last poll */
};

struct sensors {
	struct sysfs sysfs;
	int n_lanes;
	struct topology_lane lanes[POLICY_LANES_MAX];

	bool scanned;
	int64_t scanned_us;
	struct thermal thermal;
	struct cap caps[POLICY_LANES_MAX][CONFIG_CPUS_MAX];
	int n_caps[POLICY_LANES_MAX];
	struct pressure cpu_pressure, memory_pressure;
	struct load load;
	struct battery batteries[BATTERIES_MAX];
	int n_batteries;

	struct policy_sample last;
};

/* ---- finding files -------------------------------------------------------------------------------- */

static bool clock_is_known(const struct sensors *sensors, int lane, const char *related)
{
	for (int i = 0; related[0] && i < sensors->n_caps[lane]; i++)
		if (!strcmp(sensors->caps[lane][i].related, related))
			return true;
	return false;
}

static void scan_cap(struct sensors *sensors, int lane, int cpu)
{
	struct cap cap = {.fd = -1, .cpu = cpu, .related = ""};
	char path[128];
	long long khz;

	snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/related_cpus", cpu);
	if (sysfs_read(&sensors->sysfs, path, cap.related, sizeof(cap.related)) < 0)
		cap.related[0] = '\0';
	if (clock_is_known(sensors, lane, cap.related))
		return;
	snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
	if (sysfs_read_number(&sensors->sysfs, path, &khz) < 0 || khz <= 0)
		return;
	cap.highest_khz = (float)khz;
	sensors->caps[lane][sensors->n_caps[lane]++] = cap;
}

static void close_caps(struct sensors *sensors)
{
	for (int i = 0; i < sensors->n_lanes; i++)
		while (sensors->n_caps[i] > 0)
			sysfs_close(&sensors->caps[i][--sensors->n_caps[i]].fd);
}

static void scan_caps(struct sensors *sensors)
{
	close_caps(sensors);
	for (int i = 0; i < sensors->n_lanes; i++)
		for (int j = 0; j < sensors->lanes[i].n_cpus; j++)
			scan_cap(sensors, i, sensors->lanes[i].cpus[j]);
}

static void close_batteries(struct sensors *sensors)
{
	while (sensors->n_batteries > 0) {
		struct battery *battery = &sensors->batteries[--sensors->n_batteries];

		sysfs_close(&battery->status_fd);
		sysfs_close(&battery->capacity_fd);
	}
}

static void scan_battery(struct sensors *sensors, const char *name)
{
	struct battery battery;
	char path[512], type[32];

	snprintf(path, sizeof(path), "sys/class/power_supply/%s/type", name);
	if (sysfs_read(&sensors->sysfs, path, type, sizeof(type)) < 0 || strcmp(type, "Battery") != 0)
		return;
	snprintf(path, sizeof(path), "sys/class/power_supply/%s/status", name);
	battery.status_fd = sysfs_open(&sensors->sysfs, path);
	snprintf(path, sizeof(path), "sys/class/power_supply/%s/capacity", name);
	battery.capacity_fd = sysfs_open(&sensors->sysfs, path);
	if (battery.status_fd >= 0 && battery.capacity_fd >= 0) {
		sensors->batteries[sensors->n_batteries++] = battery;
	} else {
		sysfs_close(&battery.status_fd);
		sysfs_close(&battery.capacity_fd);
	}
}

static void scan_batteries(struct sensors *sensors)
{
	DIR *folder = sysfs_open_folder(&sensors->sysfs, "sys/class/power_supply");
	struct dirent *entry;

	close_batteries(sensors);
	while (folder && (entry = readdir(folder)) && sensors->n_batteries < BATTERIES_MAX)
		scan_battery(sensors, entry->d_name);
	if (folder)
		closedir(folder);
}

/* ---- reading them --------------------------------------------------------------------------------- */

static float poll_caps(struct sensors *sensors, int lane)
{
	float lowest = NAN;
	char path[128];
	long long khz;

	for (int i = 0; i < sensors->n_caps[lane]; i++) {
		struct cap *cap = &sensors->caps[lane][i];

		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/scaling_max_freq", cap->cpu);
		if (sysfs_read_kept_number(&sensors->sysfs, path, &cap->fd, &khz) < 0 || khz <= 0)
			continue;
		/* Of a number and NAN, fminf() takes the number. */
		lowest = fminf(lowest, fminf((float)khz / cap->highest_khz, 1));
	}
	return lowest;
}

static float poll_batteries(const struct sensors *sensors)
{
	float lowest = NAN;
	char status[32];
	long long percent;

	for (int i = 0; i < sensors->n_batteries; i++) {
		if (sysfs_pread(&sensors->sysfs, sensors->batteries[i].status_fd, status, sizeof(status)) < 0 ||
		    strcmp(status, "Discharging") ||
		    sysfs_pread_number(&sensors->sysfs, sensors->batteries[i].capacity_fd, &percent) < 0 ||
		    percent < 0 || percent > 100)
			continue;
		lowest = fminf(lowest, (float)percent / 100);
	}
	return lowest;
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

static float poll_load(struct sensors *sensors, int64_t own_cpu_us)
{
	struct load *load = &sensors->load;
	const struct load before = *load;
	double tick_us = 1e6 / (double)sysconf(_SC_CLK_TCK), busy, all;
	char text[256];

	load->share = NAN;
	load->known = sysfs_read_kept(&sensors->sysfs, "proc/stat", &load->fd, text, sizeof(text)) >= 0 &&
		      parse_stat(text, &busy, &all);
	if (!load->known)
		return NAN;
	load->others_us = busy * tick_us - (double)own_cpu_us;
	load->all_us = all * tick_us;
	if (!before.known || load->all_us < before.all_us)
		return NAN;
	if (load->all_us - before.all_us < LOAD_LEAST_US) {
		load->others_us = before.others_us;
		load->all_us = before.all_us;
		load->share = before.share;
		return load->share;
	}
	load->share = (float)fmin(fmax((load->others_us - before.others_us) / (load->all_us - before.all_us), 0), 1);
	return load->share;
}

/* ---- outside -------------------------------------------------------------------------------------- */

static bool scan_is_due(const struct sensors *sensors, int64_t now_us, int64_t after_us)
{
	/* A clock that went backwards must not put it off. */
	return !sensors->scanned || now_us < sensors->scanned_us || now_us - sensors->scanned_us >= after_us;
}

static void scan(struct sensors *sensors, int64_t now_us)
{
	const struct sysfs *sysfs = &sensors->sysfs;

	sensors->scanned = true;
	sensors->scanned_us = now_us;
	thermal_scan(&sensors->thermal, sysfs);
	scan_caps(sensors);
	scan_batteries(sensors);
	/* A charge moves in minutes. */
	sensors->last.battery = poll_batteries(sensors);
}

void sensors_poll(struct sensors *sensors, int64_t now_us, int64_t own_cpu_us)
{
	struct policy_sample *last = &sensors->last;

	if (scan_is_due(sensors, now_us, SCAN_US))
		scan(sensors, now_us);
	if (thermal_poll(&sensors->thermal, &sensors->sysfs, now_us) && scan_is_due(sensors, now_us, SCAN_AGAIN_US)) {
		scan(sensors, now_us);
		thermal_poll(&sensors->thermal, &sensors->sysfs, now_us);
	}
	for (int i = 0; i < sensors->n_lanes; i++)
		last->freq_cap[i] = poll_caps(sensors, i);
	last->temp_c = sensors->thermal.temp_c;
	last->temp_limit_c = sensors->thermal.limit_c;
	last->cooling = sensors->thermal.cooling;
	last->cpu_pressure = pressure_poll(&sensors->cpu_pressure, &sensors->sysfs, now_us);
	last->memory_pressure = pressure_poll(&sensors->memory_pressure, &sensors->sysfs, now_us);
	last->cpu_load = poll_load(sensors, own_cpu_us);
}

int64_t sensors_interval_us(bool frames_run, int64_t cost_us)
{
	int64_t interval_us = frames_run ? POLL_US : POLL_IDLE_US;

	if (cost_us >= POLL_SLOWEST_US / COST_SHARE)
		return POLL_SLOWEST_US;
	return cost_us * COST_SHARE > interval_us ? cost_us * COST_SHARE : interval_us;
}

int sensors_wake_fd(const struct sensors *sensors)
{
	return sensors->cpu_pressure.has_trigger ? sensors->cpu_pressure.fd : -1;
}

void sensors_fill(const struct sensors *sensors, struct policy_sample *sample)
{
	const struct policy_sample *last = &sensors->last;

	memcpy(sample->freq_cap, last->freq_cap, sizeof(sample->freq_cap));
	sample->temp_c = last->temp_c;
	sample->temp_limit_c = last->temp_limit_c;
	sample->cpu_pressure = last->cpu_pressure;
	sample->cpu_load = last->cpu_load;
	sample->battery = last->battery;
	sample->memory_pressure = last->memory_pressure;
	sample->cooling = last->cooling;
}

void sensors_set_reader(struct sensors *sensors, ssize_t (*reader)(int fd, void *buffer, size_t size, off_t offset))
{
	sensors->sysfs.pread = reader;
}

int sensors_create(int root_fd, const struct topology_lane *lanes, int n_lanes, struct sensors **ret_sensors)
{
	struct sensors *sensors = calloc(1, sizeof(*sensors));
	struct policy_sample *last;

	if (!sensors)
		return -ENOMEM;
	last = &sensors->last;
	sensors->sysfs.root_fd = root_fd;
	sensors->load.fd = -1;
	sensors->load.share = NAN;
	thermal_init(&sensors->thermal);
	pressure_init(&sensors->cpu_pressure, "proc/pressure/cpu");
	pressure_init(&sensors->memory_pressure, "proc/pressure/memory");
	pressure_trigger(&sensors->cpu_pressure, &sensors->sysfs, CPU_TRIGGER);
	sensors->n_lanes = n_lanes < POLICY_LANES_MAX ? n_lanes : POLICY_LANES_MAX;
	memcpy(sensors->lanes, lanes, (size_t)sensors->n_lanes * sizeof(lanes[0]));
	last->temp_c = last->temp_limit_c = last->cooling = NAN;
	last->cpu_pressure = last->memory_pressure = last->cpu_load = last->battery = NAN;
	for (int i = 0; i < POLICY_LANES_MAX; i++)
		last->freq_cap[i] = NAN;
	*ret_sensors = sensors;
	return 0;
}

void sensors_destroy(struct sensors *sensors)
{
	if (!sensors)
		return;
	thermal_finish(&sensors->thermal);
	close_caps(sensors);
	close_batteries(sensors);
	pressure_finish(&sensors->cpu_pressure);
	pressure_finish(&sensors->memory_pressure);
	sysfs_close(&sensors->load.fd);
	free(sensors);
}
