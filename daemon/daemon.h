/*
 * daemon.h - the process as a whole: what it owns, how it starts, reloads, drains and ends.
 *
 * Private to main.c, daemon.c and report.c.  Everything in it belongs to the loop's thread.
 */
#ifndef INFERD_DAEMON_H
#define INFERD_DAEMON_H

#include <uv.h>

#include "config/config.h"
#include "dispatch.h"
#include "gallery_service.h"
#include "governor.h"
#include "learned.h"
#include "loader.h"
#include "models.h"
#include "monitor.h"
#include "notify.h"
#include "observe.h"
#include "residency.h"
#include "sensors.h"
#include "server.h"
#include "session.h"

struct daemon_options {
	const char *config_path;
	const char *socket_path; /* NULL: the configuration's */
	const char *state_dir;	 /* NULL: none given */
	int root_fd;		 /* below which /sys and /proc are read */
};

/* A client that waits for the outcome of a reload. */
struct daemon_waiter {
	struct daemon_waiter *next;
	struct session *session; /* a reference */
	uint32_t serial;
};

struct daemon {
	struct daemon_options options;
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_timer_t drain_timer, watchdog_timer, learned_timer;
	struct monitor monitor;
	struct notify notify;
	int stuck; /* the lane because of which the watchdog is not fed, or -1 */
	uv_prepare_t prepare;

	struct topology_lane lanes[POLICY_LANES_MAX];
	int n_lanes;
	struct sensors *sensors;
	struct governor governor;
	struct dispatch dispatch;
	struct observe observe;
	struct session_host host;
	struct gallery_service gallery_service;
	int handed_fd;	       /* the service manager's socket, until it is listened at; negative: none */
	struct server *server; /* NULL until the first generation serves */

	struct config *config;
	struct models *models; /* NULL until loaded */
	struct loader loader;
	struct residency residency;
	struct learned learned;
	struct daemon_waiter *waiters;	    /* for the load under way */
	struct daemon_waiter *next_waiters; /* for the one after it */
	bool reload_again;
	int64_t load_started_us;

	int64_t started_us;
	bool draining, finished;
	int exit_status;
};

/* Runs until SIGTERM, SIGINT or a failure to start; the exit status.  Consumes config. */
int daemon_run(const struct daemon_options *options, struct config *config);

/* The lanes that a configuration gives on this machine; returns how many. */
int daemon_lanes(const struct config *config, int root_fd, struct topology_lane ret_lanes[POLICY_LANES_MAX]);

#endif
