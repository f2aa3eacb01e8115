/*
 * monitor.h - polls the sensors at the right times: by a timer while streams are open, and at once when the kernel says
 * that tasks wait for a CPU.  Runs on the loop; what the readings mean is the policy's.
 */
#ifndef INFERD_MONITOR_H
#define INFERD_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "governor.h"
#include "sensors.h"

struct monitor {
	uv_timer_t timer;
	uv_poll_t wake;
	bool has_wake;			 /* the kernel grants a trigger */
	struct sensors *sensors;	 /* borrowed */
	const struct governor *governor; /* borrowed */
	uint64_t decisions;		 /* of the governor, at the last poll */
	int64_t cost_us;		 /* CPU time of a poll of late */
	int64_t due_us;			 /* the next */
	/* Set by the owner; called twice a second between monitor_start() and monitor_stop(). */
	void (*on_tick)(struct monitor *monitor);
};

void monitor_init(struct monitor *monitor, uv_loop_t *loop, struct sensors *sensors, const struct governor *governor);
/* Closes the handles, which keep the loop alive until then. */
void monitor_close(struct monitor *monitor);

/* Polls now, e.g. for a report. */
void monitor_poll(struct monitor *monitor);

/* Polls now, unless it does already, and from now on; and no longer.  on_tick is not called from within. */
void monitor_start(struct monitor *monitor);
void monitor_stop(struct monitor *monitor);

#endif
