/*
 * stream.h - a client's sequence of frames for one model: its pool, its jobs, its place in the queue.
 *
 * Belongs to a session and lives on the loop.  Does not order or run frames (sched, dispatch), and does not talk
 * to the client.
 */
#ifndef INFERD_STREAM_H
#define INFERD_STREAM_H

#include "job.h"
#include "pool.h"
#include "recognise.h"
#include "scene.h"
#include "share.h"
#include "smooth.h"
#include "stats.h"
#include "wire.h"

#define STREAM_JOBS_MAX (IPC_SLOTS_MAX + POLICY_LANES_MAX)

struct stream {
	struct stream *next; /* of the session */
	void *session;	     /* for the session's own callbacks */
	struct wire *wire;   /* borrowed */
	uint32_t id;
	struct ipc_stream_open asked; /* zeros stand for the model's values of the day */
	struct model *model;	      /* a reference; NULL when a reload took it away */
	int pinned;		      /* rung that every frame runs on, or -1 */
	struct policy_state policy;
	uint64_t trace_number;	/* among all streams of the trace; 0 none yet */
	uint32_t trace_segment; /* that the policy's memory was told in; 0 none yet */
	struct scene scene;
	struct recognition *recognition; /* NULL: it names no gallery */
	struct track track;		 /* of a pipeline: what is followed */
	struct smooth *smooth;		 /* of one that follows bodies, from its first frame on; else NULL */
	struct pool pool;
	struct sched_queue queue;
	struct share share;
	struct stats stats;
	int running; /* jobs on lanes, answered ones included */
	bool closing;
	uint32_t close_serial;

	/* One for each slot, and one for each lane, whose answered job may not have come home yet. */
	int n_jobs;
	struct job jobs[STREAM_JOBS_MAX];
};

/*
 * Adds the room that a model's mask takes behind the pixels to the slots of memory that the daemon is to make; a client
 * that brings its own has left that room.
 */
void stream_make_room(struct ipc_stream_open *open, const struct model *model);

/*
 * Makes a stream for a request whose numbers were not checked yet, with memory of its own, whose descriptor is in
 * ret_stream->pool.fd, or with the client's, as pool_import() takes it (borrowed; n_fds 0: it brings none).
 * galleries: that have the one it names, if any; borrowed.  0; negative errno with a constant sentence.
 */
int stream_create(const struct ipc_stream_open *open, uint32_t id, struct model *model, struct galleries *galleries,
		  int n_lanes, const int *fds, uint32_t n_fds, const char **ret_reason, struct stream **ret_stream);
void stream_destroy(struct stream *stream); /* nothing waits and nothing runs; accepts NULL */

/* Moves to another generation's model, or to none.  A pinned rung that is not there any more is none, too. */
void stream_set_model(struct stream *stream, struct model *model);

/* A free job for this frame, filled in; or negative errno with a constant sentence. */
int stream_take_job(struct stream *stream, const struct ipc_frame *frame, uint32_t serial, int64_t now_us,
		    const char **ret_reason, struct job **ret_job);

/* The pixels of a frame where they lie; of a JPEG none.  Planes are read between pool_begin_read() and its end. */
struct engine_image stream_picture(const struct stream *stream, const struct ipc_frame *frame);

/*
 * Of a pipeline: what is followed in a frame that runs now, none where its rung asks for a look at the whole picture,
 * and whether the detector has to look at it.  The model is there.
 */
struct track stream_recall(const struct stream *stream, const struct ipc_frame *frame, int64_t now_us);
bool stream_needs_look(const struct stream *stream, const struct track *track, int64_t now_us);

/* The values that hold now. */
uint32_t stream_deadline_us(const struct stream *stream); /* of a frame that brings none; 0 none */
uint32_t stream_top_k(const struct stream *stream);
float stream_min_fps(const struct stream *stream);

/*
 * Sets what its queue is worth to the scheduler, again after its model or the number of streams has changed.  Weight:
 * the one asked for, within a hundredth to ten times the model's, or the model's, divided by the n_sharing streams that
 * have to share what a user may have.  Class and minimum rate: what was asked for, at most the model's.
 */
void stream_share(struct stream *stream, int n_sharing);

/* What a frame is told whose stream's model is not there, or not for this user, since a reload. */
extern const char stream_gone[];

#endif
