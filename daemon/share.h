/*
 * share.h - how much lane time a frame may take, so that its stream keeps its rate within its share of the lanes.
 *
 * The scheduler sees to it that a stream gets its share (sched.h); what the stream makes of it is the policy's choice:
 * few frames on a slow rung or all of them on a quicker one.  For that it has to know how large the share is before
 * frames wait.  Streams want what their frames would take on their best rungs.  Where that is more than there is, it is
 * filled up by weight: none gets more than it wants, what one leaves goes to the others, and none gets less than its
 * minimum rate takes on its quickest rung.  A higher class comes first, but for those minimum rates.  Since rungs are
 * few, streams often use less than their share; beyond its own, each may have what all the others leave.
 *
 * The rate is that of the frames as they come.  Where a client sends a frame only because one was answered, they come
 * as quickly as they are served and say nothing, and a quicker rung would only make them come quicker.  So a stream is
 * held to the rate of its frames only once some came without waiting for an answer; and in a queue that keeps only the
 * latest, frames are meant to be replaced.  What other streams have to keep is their minimum rate.
 *
 * Plain values without clock or memory of their own, all used from one thread.
 */
#ifndef INFERD_SHARE_H
#define INFERD_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "sched.h"

#define SHARE_CLASSES 3

/* Of one stream.  All zero is one that had no frame yet. */
struct share {
	const struct sched_queue *queue; /* borrowed: weight, class and minimum rate */
	float best_us, quickest_us; /* lane time of a frame on its best rung and on its quickest; set by the owner */
	/* private to share.c */
	struct share *next, *prev;
	bool listed, active;
	int64_t arrived_us, answered_us; /* its last frame and its last answer */
	int pace;			 /* above 0: frames seem to come by themselves, below: upon answers */
	int unasked;			 /* above 0: frames came while there was no answer to the one before */
	float interval_us;		 /* between frames that come by themselves */
	float ran_us;			 /* lane time of its frames of late */
	float wanted, least, used;	 /* lanes */
};

/* Of all of them.  All zero is none. */
struct shares {
	/* private to share.c */
	struct share *first;
	int64_t filled_us; /* when the levels were found */
	bool stale;
	float level[SHARE_CLASSES]; /* lanes for a weight of 1 */
	float used;		    /* lanes, by those that keep a rate */
	int n_greedy;		    /* those that take whatever they get */
};

/* A frame arrived.  The share is then known to the others until share_leave(). */
void share_arrived(struct shares *shares, struct share *share, int64_t now_us);
/* A frame goes to a lane, for as long as this. */
void share_run(struct shares *shares, struct share *share, float us);
void share_answered(struct share *share, int64_t now_us);
void share_leave(struct shares *shares, struct share *share); /* before its memory is given up; twice is fine */

/* Lane time that each frame of the stream may take; 0: no rate has to be kept. */
float share_us(struct shares *shares, const struct share *share, int n_lanes, int64_t now_us);

#endif
