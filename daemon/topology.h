/*
 * topology.h - which cores form a lane.
 *
 * Lanes come from the configuration, or are found: one for each kind of core, told apart by the kernel's
 * cpu_capacity or else by the highest clock.  Where neither says anything, all CPUs form one lane.  Reads
 * below a root directory once; keeps nothing.
 */
#ifndef INFERD_TOPOLOGY_H
#define INFERD_TOPOLOGY_H

#include <sched.h>

#include "config/config.h"

struct topology_lane {
	char name[CONFIG_NAME_BYTES];
	int cpus[CONFIG_CPUS_MAX];
	int n_cpus;
	int threads;
	int util_min; /* utilisation, of 1024, that the kernel is asked to assume of its threads; 0: none */
};

/* The lanes of this configuration; borrows nothing.  At least one, at most CONFIG_LANES_MAX. */
int topology_configured(const struct config *config, struct topology_lane ret_lanes[CONFIG_LANES_MAX]);

/* The lanes found below root_fd among the CPUs allowed, the fastest kind first.  At least one. */
int topology_find(int root_fd, const cpu_set_t *allowed, struct topology_lane ret_lanes[CONFIG_LANES_MAX]);

#endif
