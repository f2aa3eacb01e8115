/*
 * chaos.h - a daemon, apps that behave, and actions that do to it what goes wrong in the field, drawn from a seed.
 *
 * An action draws all that it needs from its argument, and nothing that it does depends on what the daemon answered:
 * a seed therefore gives the same sequence every time.
 */
#ifndef INFERD_CHAOS_H
#define INFERD_CHAOS_H

#include <stdio.h>

#include "crowd.h"
#include "support/daemon_fixture.h"

#define CHAOS_LINGERING 4
#define CHAOS_VICTIMS	2

struct chaos {
	struct fixture fixture;
	struct crowd crowd;
	int lingering[CHAOS_LINGERING]; /* connections that are neither read nor closed; -1 none */
	pid_t victims[CHAOS_VICTIMS];	/* apps that may be stopped and killed; 0 none */
	int n_restarts;
	int quiet_fds; /* of the daemon, before anything was done to it */
	long quiet_kb; /* the memory it held at the last quiet moment */
	double status_max_s;
};

void chaos_init(struct chaos *chaos);
void chaos_finish(struct chaos *chaos);
/* The configuration that every quiet moment goes back to. */
void chaos_configure(struct chaos *chaos);
/* A new client is told the daemon's state within 5 seconds. */
void chaos_expect_status(struct chaos *chaos);

struct chaos_action {
	const char *name;
	unsigned weight;
	bool restarts; /* the daemon: memory and descriptors start anew */
	void (*run)(struct chaos *chaos, uint64_t argument);
};

extern const struct chaos_action chaos_actions[];
extern const int chaos_n_actions;
/* Everything that was taken is returned: descriptors as before, and memory measured.  Run in between. */
extern const struct chaos_action chaos_quiet;

#endif
