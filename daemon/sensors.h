/*
 * sensors.h - heat, clocks, pressure, load and battery, read from the kernel's files below a root directory.
 *
 * What is missing is unknown and no error: virtual machines have no thermal zones, containers no pressure.
 * Knows no clock (time is given, and may jump) and decides nothing.  Files stay open between polls, and are looked for
 * again every few seconds, because zones come and go with their drivers.  docs/sensors.md says what is read, how often
 * and at which cost.
 */
#ifndef INFERD_SENSORS_H
#define INFERD_SENSORS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/policy.h"
#include "topology.h"

struct sensors;

/* Borrows root_fd; copies the lanes' CPUs.  0 or -ENOMEM. */
int sensors_create(int root_fd, const struct topology_lane *lanes, int n_lanes, struct sensors **ret_sensors);
void sensors_destroy(struct sensors *sensors); /* accepts NULL */

/*
 * Looks for files where that is due, and reads them.  own_cpu_us: CPU time this process has used so far, which is not
 * the load of others.
 */
void sensors_poll(struct sensors *sensors, int64_t now_us, int64_t own_cpu_us);

/*
 * When to poll next: more often while frames are run, and so seldom that polls of cost_us CPU time each take no more
 * than a thousandth of a core; at least every ten seconds.
 */
int64_t sensors_interval_us(bool frames_run, int64_t cost_us);

/*
 * A descriptor that has POLLPRI when tasks begin to wait for a CPU, which is worth a poll at once; -1 where the kernel
 * grants no such trigger.  The sensors' own, valid as long as they are.
 */
int sensors_wake_fd(const struct sensors *sensors);

/* Fills in what the last poll found: freq_cap and all from temp_c to battery, memory_pressure and cooling. */
void sensors_fill(const struct sensors *sensors, struct policy_sample *sample);

/* For tests: reads go through this function instead of pread(2). */
void sensors_set_reader(struct sensors *sensors, ssize_t (*reader)(int fd, void *buffer, size_t size, off_t offset));

#endif
