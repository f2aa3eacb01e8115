/*
 * dispatch.h - the lanes and the queue before them: which job goes to which lane, and when.
 *
 * A job is given to the policy at the moment a lane is free for it, not earlier, so that the decision knows the
 * present.  When the policy prefers a lane that is busy, the job waits and is asked about again.  Expired
 * jobs are dropped before they cost anything.
 *
 * Every job that was submitted ends in exactly one RESULT, sent here or by its lane, and then in its stream's
 * on_home callback.  Everything runs on the loop.
 */
#ifndef INFERD_DISPATCH_H
#define INFERD_DISPATCH_H

#include <uv.h>

#include "governor.h"
#include "infer.h"
#include "stats.h"
#include "stream.h"

/* Work that waits for a lane to have nothing better to do, e.g. a warm-up. */
struct dispatch_chore {
	struct worker_task task; /* first */
	void (*done)(struct dispatch_chore *chore);
	int lane;
	struct dispatch_chore *next; /* private to dispatch.c */
};

struct dispatch_lane {
	struct worker *worker;
	struct infer *infer;
	/* What runs: one of them, or neither. */
	struct job *job;
	struct dispatch_chore *chore;
	int64_t free_at_us, since_us;  /* expected end and start of what runs */
	bool chore_is_due;	       /* the last task was a frame */
	struct dispatch_chore *chores; /* that wait */
	struct stats stats;
};

struct dispatch {
	struct worker_home home;
	uv_poll_t calls; /* of lanes */
	bool eager;	 /* somebody waits for what runs */
	struct governor *governor;
	struct sched sched;
	int n_lanes;
	struct dispatch_lane lanes[POLICY_LANES_MAX];
	struct ipc_writer writer;
	/*
	 * Set by the owner; called when a job is over.  It may be called in the midst of a walk over jobs and
	 * queues: it notes what there is to do and frees nothing.
	 */
	void (*on_home)(struct job *job);
	/*
	 * Set by the owner (NULL: nobody wants to know); called for every frame that is over and had a model, before
	 * on_home.  The model is the one that ran it, or that its stream has.
	 */
	void (*on_frame)(struct dispatch *dispatch, const struct job *job, const struct model *model, int64_t now_us);
	/*
	 * Set by the owner; called for a frame whose networks are not in memory.  0: they will come, and
	 * dispatch_wake() is called then; negative: they will not.
	 */
	int (*on_absent)(struct dispatch *dispatch, struct ladder *ladder);
};

/* Starts the lanes.  The handle belongs to loop; after dispatch_finish() run the loop once to close it. */
int dispatch_init(struct dispatch *dispatch, uv_loop_t *loop, struct governor *governor,
		  const struct topology_lane *lanes, int n_lanes, size_t decode_bytes_max);
/* Waits for the lanes; what ran comes home, chores that wait are done without having run.  No job waits. */
void dispatch_finish(struct dispatch *dispatch);

/* Queues a job of stream_take_job() and starts it if a lane is free.  Always accepts. */
void dispatch_submit(struct dispatch *dispatch, struct job *job);

/* Answers a waiting job without running it. */
void dispatch_drop(struct dispatch *dispatch, struct job *job, enum ipc_status status, const char *text);
/* Answers the stream's waiting jobs; seq limits it to one, 0 means all. */
void dispatch_drop_stream(struct dispatch *dispatch, struct stream *stream, uint64_t seq, enum ipc_status status,
			  const char *text);

/* Borrows the chore until its done function is called. */
void dispatch_add_chore(struct dispatch *dispatch, struct dispatch_chore *chore);

/* Looks at the queue again: something that frames waited for may be there. */
void dispatch_wake(struct dispatch *dispatch);

/* Takes home what the lanes finished, e.g. before a client's next message is looked at. */
void dispatch_collect(struct dispatch *dispatch);
/* From now until all lanes are idle, what finishes is taken home at once and not when the loop next has work. */
void dispatch_hurry(struct dispatch *dispatch);
/* A lane that has been at the same task for longer than this, or -1. */
int dispatch_stuck(const struct dispatch *dispatch, int64_t now_us, int64_t longest_us);
bool dispatch_idle(const struct dispatch *dispatch); /* nothing waits and nothing runs */

#endif
