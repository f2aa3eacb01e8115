/*
 * sensors.h - heat, clocks, pressure, load and battery, read from the kernel's files below a root directory.
 *
 * What is missing is unknown and no error: virtual machines have no thermal zones, containers no pressure.
 * Knows no clock (time is given) and decides nothing.  Files stay open between polls, and are looked for
 * again by sensors_scan(), because zones come and go with their drivers.
 */
#ifndef INFERD_SENSORS_H
#define INFERD_SENSORS_H

#include <stdint.h>

#include "policy/policy.h"
#include "topology.h"

struct sensors;

/* Borrows root_fd; copies the lanes' CPUs.  0 or -ENOMEM. */
int sensors_create(int root_fd, const struct topology_lane *lanes, int n_lanes, struct sensors **ret_sensors);
void sensors_destroy(struct sensors *sensors); /* accepts NULL */

/* Looks for the files anew. */
void sensors_scan(struct sensors *sensors);

/* Reads all of them.  own_cpu_us: CPU time this process has used so far, which is not the load of others. */
void sensors_poll(struct sensors *sensors, int64_t now_us, int64_t own_cpu_us);

/* Fills in freq_cap, temp_c, temp_limit_c, cpu_pressure, cpu_load and battery of the last poll. */
void sensors_fill(const struct sensors *sensors, struct policy_sample *sample);

#endif
