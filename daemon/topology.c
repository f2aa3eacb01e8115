/* topology.c - see topology.h. */
#include "topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sysfs.h"

/* A lower clock by less than this share is the same kind of core: favoured cores of one kind differ a little. */
#define SAME_KIND_SHARE 0.85

struct core {
	int cpu;
	double speed; /* capacity or clock; 0 unknown */
};

int topology_configured(const struct config *config, struct topology_lane ret_lanes[CONFIG_LANES_MAX])
{
	for (int i = 0; i < config->n_lanes; i++) {
		const struct config_lane *lane = &config->lanes[i];

		memset(&ret_lanes[i], 0, sizeof(ret_lanes[i]));
		memcpy(ret_lanes[i].name, lane->name, sizeof(lane->name));
		memcpy(ret_lanes[i].cpus, lane->cpus, sizeof(lane->cpus));
		ret_lanes[i].n_cpus = lane->n_cpus;
		ret_lanes[i].threads = lane->threads;
	}
	return config->n_lanes;
}

/* Fills in speeds from one kind of file.  False when any core lacks it: a mix could not be compared. */
static bool read_speeds(const struct sysfs *sysfs, const char *format, struct core *cores, int n_cores)
{
	char path[128];
	long long value;

	for (int i = 0; i < n_cores; i++) {
		snprintf(path, sizeof(path), format, cores[i].cpu);
		if (sysfs_read_number(sysfs, path, &value) < 0 || value <= 0)
			return false;
		cores[i].speed = (double)value;
	}
	return true;
}

static int by_speed(const void *left, const void *right)
{
	const struct core *a = left, *b = right;

	if (a->speed != b->speed)
		return a->speed > b->speed ? -1 : 1;
	return a->cpu - b->cpu;
}

static void name_lanes(struct topology_lane *lanes, int n_lanes)
{
	static const char *const names[3][3] = {{"cpu"}, {"big", "little"}, {"big", "middle", "little"}};

	for (int i = 0; i < n_lanes; i++) {
		if (n_lanes <= 3)
			snprintf(lanes[i].name, sizeof(lanes[i].name), "%s", names[n_lanes - 1][i]);
		else
			snprintf(lanes[i].name, sizeof(lanes[i].name), "kind%d", i);
	}
}

int topology_find(int root_fd, const cpu_set_t *allowed, struct topology_lane ret_lanes[CONFIG_LANES_MAX])
{
	const struct sysfs sysfs = {.root_fd = root_fd};
	struct core cores[CONFIG_CPUS_MAX];
	int n_cores = 0, n_lanes = 0;
	double fastest = 0;
	bool exact, known;

	for (int cpu = 0; cpu < CPU_SETSIZE && n_cores < CONFIG_CPUS_MAX; cpu++)
		if (CPU_ISSET(cpu, allowed))
			cores[n_cores++] = (struct core){.cpu = cpu};
	exact = read_speeds(&sysfs, "sys/devices/system/cpu/cpu%d/cpu_capacity", cores, n_cores);
	known = exact || read_speeds(&sysfs, "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cores, n_cores);
	if (known)
		qsort(cores, (size_t)n_cores, sizeof(cores[0]), by_speed);

	for (int i = 0; i < n_cores; i++) {
		struct topology_lane *lane = n_lanes ? &ret_lanes[n_lanes - 1] : NULL;
		bool other = known && cores[i].speed < fastest * (exact ? 1 : SAME_KIND_SHARE);

		if (!lane || (other && n_lanes < CONFIG_LANES_MAX)) {
			lane = &ret_lanes[n_lanes++];
			memset(lane, 0, sizeof(*lane));
			fastest = cores[i].speed;
		}
		lane->cpus[lane->n_cpus++] = cores[i].cpu;
		lane->threads = lane->n_cpus;
	}
	if (!n_lanes) {
		/* More CPUs than a set can name: one thread that is not pinned. */
		memset(&ret_lanes[0], 0, sizeof(ret_lanes[0]));
		ret_lanes[0].threads = 1;
		n_lanes = 1;
	}
	name_lanes(ret_lanes, n_lanes);
	return n_lanes;
}
