/*
 * crowd.h - apps that behave: threads with a client of the library each, which keep frames in flight and check that
 * every one of them is answered exactly once and rightly, whatever becomes of the daemon.
 */
#ifndef INFERD_CHAOS_CROWD_H
#define INFERD_CHAOS_CROWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client-lib/inferd.h"

#define CROWD_SIZE	3
#define CROWD_IN_FLIGHT 3

struct crowd_frame {
	bool in_flight;
	uint32_t class;
};

struct crowd_member {
	struct crowd *crowd;
	const char *model;
	pthread_t thread;
	struct inferd *client;
	struct inferd_stream *stream;
	struct crowd_frame frames[CROWD_IN_FLIGHT];
	uint64_t random;
	uint64_t submitted, by_status[INFERD_LOST + 1];
	char error[256]; /* "" or the first thing that was not as it must be */
};

struct crowd {
	struct crowd_member member[CROWD_SIZE];
	atomic_bool stop;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Under the mutex. */
	uint64_t answered[CROWD_SIZE];
	bool failed;
};

/* The models answer with the class 0..3 of a picture's brightness.  Connects them all, then starts their threads. */
void crowd_start(struct crowd *crowd, const char *socket, const char *const models[CROWD_SIZE]);

/* Until every member has had so many more answers.  False after 60 s, or when one has found a fault. */
bool crowd_wait(struct crowd *crowd, uint64_t n_answers);

/* Ends them; frames in flight are waited for.  "" or what was not as it must be. */
const char *crowd_stop(struct crowd *crowd);

#endif
