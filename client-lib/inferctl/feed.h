/*
 * feed.h - hands frames of a source to the daemon and their answers back, with what each frame was: run and watch.
 *
 * Owns the stream, which is opened with the first frame and anew when a larger one comes.  Frames are copied into its
 * buffers, or left in the source's memory where that can be given to the daemon.  Complains about what goes
 * wrong and remembers that in `failed`.
 */
#ifndef INFERCTL_FEED_H
#define INFERCTL_FEED_H

#include <signal.h>

#include "source.h"
#include "stream_options.h"

#define FEED_BUFFERS_MAX 3 /* one is run, one waits, one is being filled */
#define FEED_JOBS_MAX	 16

/* A frame in flight. */
struct feed_job {
	bool used;
	bool kept; /* the source has to have its buffer back */
	uint32_t buffer;
	char file[512];
	uint32_t number;
	struct canvas canvas; /* the frame's pixels, to draw on; none without --annotate */
};

/* Not called for frames that were lost with the daemon. */
typedef void (*feed_on_answer)(void *user, const struct feed_job *job, const struct inferd_result *result);

struct feed {
	/* Set by the caller, the rest zero. */
	struct inferd *client;
	const struct stream_options *options;
	enum inferd_mode mode;
	uint32_t n_buffers; /* 1..FEED_BUFFERS_MAX */
	bool in_file_time;  /* a gallery's vote looks at the last seconds of a video, however fast that is read */
	feed_on_answer on_answer;
	void *user;
	struct source *source;		   /* whose memory the daemon may be given; NULL: all frames are copied */
	const volatile sig_atomic_t *stop; /* becomes true when waiting is to end, with -EINTR; NULL: never */

	struct inferd_stream *stream;
	bool direct;	       /* the stream's buffers are the source's memory */
	bool refused;	       /* the daemon did not take that */
	uint64_t copied_bytes; /* of frames, into buffers of the stream */
	uint64_t file_us;      /* when the file's first frame was submitted */
	unsigned in_flight;
	uint64_t n_lost; /* with the daemon */
	bool failed;
	struct feed_job jobs[FEED_JOBS_MAX];
};

/* Whether a frame can be submitted without taking from the source what it needs for the next ones. */
bool feed_has_room(const struct feed *feed);
/*
 * Copies the frame into a buffer, unless it lies in one, and submits it; waits while there is none, and for a while for
 * a daemon that is being started anew.  0, or a negative errno after a complaint (but for -EINTR).
 */
int feed_submit(struct feed *feed, const struct source_frame *frame);
/* Waits until all frames in flight have been answered.  The same errors. */
int feed_drain(struct feed *feed);
/* Hands over the answers that are there, without waiting.  The same errors. */
int feed_dispatch(struct feed *feed);
void feed_cancel(struct feed *feed); /* what waits is answered as cancelled */

/* An error after which further frames make no sense: the daemon is gone, or there is no such model. */
bool feed_is_over(int error);

#endif
