/*
 * inferd.h - vision inference from the daemon inferd: hand over a picture, get the predictions.
 *
 * A client is one connection.  A stream is a client's sequence of frames for one model; it comes with a few
 * buffers, memory shared with the daemon.  A frame is written into a buffer (or copied there by the library),
 * submitted, and answered exactly once.  There are two ways:
 *
 *   synchronous     inferd_run() copies the pixels, waits, and gives the result;
 *   asynchronous    inferd_acquire() a buffer, fill it, inferd_submit(); results come through the stream's
 *                   callback during inferd_dispatch(), which any event loop calls when inferd_fd() is ready.
 *
 * Threads: a client and its streams belong to one thread at a time.  Different clients are independent.  The
 * library starts no threads and installs no signal handlers.
 *
 * Errors: functions return 0 (or a count) or a negative errno; outputs, which come last, are then untouched, and
 * inferd_error() has a sentence.
 *
 * When the daemon goes away, every frame in flight is reported once, with INFERD_LOST.  The library connects again by
 * itself, within inferd_dispatch() and the calls that wait, and opens the streams anew in the same buffers, which stay
 * valid all along, filled ones included.  Until then inferd_submit() returns -ENOTCONN.
 *
 * Callbacks may acquire, release, submit and cancel.  Calls that wait return -EBUSY there: inferd_dispatch(),
 * inferd_run(), inferd_query(), inferd_gallery_*(), inferd_stream_open(), inferd_stream_close().  inferd_close() must
 * not be called from one.
 *
 * Times are microseconds unless a name says otherwise.  Texts are UTF-8.
 */
#ifndef INFERD_H
#define INFERD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INFERD_API __attribute__((visibility("default")))

struct inferd;	      /* a client: one connection to the daemon */
struct inferd_stream; /* belongs to its client */

/* ---- the client ---------------------------------------------------------------------------------- */

/*
 * Connects and greets the daemon; waits 5 seconds at most.  socket_path NULL: the environment's INFERD_SOCKET,
 * and without it /run/inferd/inferd.sock.  name: shown in the daemon's log and statistics, at most 63 bytes;
 * NULL: the program's name.  -ENOENT or -ECONNREFUSED: no daemon there; -EACCES: not allowed;
 * -EPROTONOSUPPORT: it speaks another version; -ETIMEDOUT; other errno of connect(2).
 */
INFERD_API int inferd_connect(const char *socket_path, const char *name, struct inferd **ret_client);

/*
 * Reports frames in flight as INFERD_LOST, then frees the client, its streams and their buffers.  Accepts NULL.
 * Results that are wanted must be awaited before (see inferd_stream_close()).
 */
INFERD_API void inferd_close(struct inferd *client);

/* What the last failure of this client was about; "" when there was none.  Valid until the next call. */
INFERD_API const char *inferd_error(const struct inferd *client);

/* Whether the daemon is there; false while it is away. */
INFERD_API bool inferd_connected(const struct inferd *client);

/* The daemon's name and version, "inferd 0.1.0". */
INFERD_API const char *inferd_server(const struct inferd *client);

/*
 * For event loops: the descriptor to poll, the same for the client's whole life, and for which events.  When it is
 * ready call inferd_dispatch(client, 0), which also makes a lost connection anew.
 */
INFERD_API int inferd_fd(const struct inferd *client);
INFERD_API short inferd_events(const struct inferd *client);

/*
 * Waits at most timeout_ms (0: not at all, -1: for ever) until a result arrives, then hands over all that did.
 * Number of results handed to callbacks, lost ones included, or a negative errno.
 */
INFERD_API int inferd_dispatch(struct inferd *client, int timeout_ms);

/*
 * Asks for a report: "status", "models" or "stats"; "reload" and "reload-dry-run" make the daemon load or only
 * check its configuration anew, and fail with the reason in inferd_error().  *ret_json: one line, an object; free
 * it with inferd_text_free().  Results that arrive meanwhile go to their callbacks.
 */
INFERD_API int inferd_query(struct inferd *client, const char *what, int timeout_ms, char **ret_json);

/*
 * For the superuser and the user that the daemon runs as: changes the models that are served, until the next reload.
 * how: "add" or "replace", what: the path of a file as of conf.d with `models` alone; how: "remove", what: a model's
 * name.  What serves goes on until the new is loaded and warm.  -EPERM; -EBUSY: a load is under way, try again;
 * -EEXIST, -ENOENT; otherwise why it was not loaded, with the reason in inferd_error().  *ret_json as above.
 */
INFERD_API int inferd_change_models(struct inferd *client, const char *how, const char *what, int timeout_ms,
				    char **ret_json);

/*
 * For the same users: hands over what `inferctl calibrate` measured of a model's rungs on this device, as
 * docs/protocol.md has it; the policy chooses by it from then on, and the daemon keeps it.  text: size bytes.  -EPERM;
 * -EBUSY: a load is under way, try again; -ENOENT; -ESTALE: it is of another device or of other networks; -EINVAL: the
 * line at fault is in inferd_error().  *ret_json as above.
 */
INFERD_API int inferd_set_profile(struct inferd *client, const char *model, const char *text, size_t size,
				  int timeout_ms, char **ret_json);
INFERD_API void inferd_text_free(char *text); /* accepts NULL */

/* ---- galleries ----------------------------------------------------------------------------------- */

/*
 * A gallery holds names, each with the vectors of its pictures, and belongs to one model of task embed.  A stream that
 * names one answers with its names (see inferd_stream_options).
 */

/*
 * What one variant of the model says of n pictures: n vectors of `length` numbers, as results of a stream that is
 * pinned to the variant have them (inferd_result.embedding), with their space (inferd_result.space).  Borrowed.
 */
struct inferd_vectors {
	uint64_t space;
	uint32_t length;
	const float *data;
};

/*
 * Adds n_pictures (1..256) under a name, each with the vectors of every variant of the model.  A picture that is much
 * like one that the name has is left out.  model: of a gallery that is to be made; NULL: it is there.  Returns when it
 * is on disk.  -EPERM: it is another user's; -EINVAL: another model's; -ESTALE: the vectors are not of the model's
 * networks as they are now; -ENOENT, -EDQUOT, -ENOSPC, -EBUSY.  *ret_json: one line, an object with `added`,
 * `duplicates` and `pictures`; free it with inferd_text_free().  At most 16 MB at a time.
 */
INFERD_API int inferd_gallery_add(struct inferd *client, const char *gallery, const char *name, const char *model,
				  const struct inferd_vectors *variants, size_t n_variants, size_t n_pictures,
				  int timeout_ms, char **ret_json);

/*
 * When in a video a picture was: what is between from_ms and to_ms after the video's start is like it.  Pictures of one
 * video have one `source`, 1..2^31-1, which no other video of the name has; 0, with times of 0, is a picture of no
 * video. Times are below 2^31.
 */
struct inferd_moment {
	uint32_t source, from_ms, to_ms;
};

/*
 * The same with the moments of the n_pictures, so that a video is told by the order of its pictures, too; NULL: they
 * have none.  A picture is then left out for one whose moment is next to it.  A daemon from before there were moments
 * does without them.
 */
INFERD_API int inferd_gallery_add_moments(struct inferd *client, const char *gallery, const char *name,
					  const char *model, const struct inferd_vectors *variants, size_t n_variants,
					  const struct inferd_moment *moments, size_t n_pictures, int timeout_ms,
					  char **ret_json);

/* Takes a name, or with NULL the whole gallery, for good.  For who made it, and those who may change models. */
INFERD_API int inferd_gallery_remove(struct inferd *client, const char *gallery, const char *name, int timeout_ms,
				     char **ret_json);

/* What is in a gallery, or with NULL which galleries there are. */
INFERD_API int inferd_gallery_list(struct inferd *client, const char *gallery, int timeout_ms, char **ret_json);

/* ---- frames -------------------------------------------------------------------------------------- */

/* Planes of YUV formats with odd sides: chroma is rounded up. */
enum inferd_format {
	INFERD_NV12, /* Y; then U and V interleaved, half width and height */
	INFERD_NV21, /* Y; then V and U interleaved */
	INFERD_I420, /* Y, U, V */
	INFERD_YUYV, /* Y0 U Y1 V */
	INFERD_RGB,  /* 3 bytes a pixel */
	INFERD_BGR,
	INFERD_RGBA, /* 4 bytes a pixel; alpha is ignored */
	INFERD_BGRA,
	INFERD_GRAY8, /* 1 byte a pixel */
	INFERD_JPEG   /* a whole JPEG file; the daemon decodes no more of it than it needs */
};

#define INFERD_SIDE_MAX 16384 /* of width and height */

struct inferd_frame {
	enum inferd_format format;
	bool full_range;	/* YUV formats: 0..255 rather than 16..235 */
	uint32_t width, height; /* pixels; ignored for JPEG */
	const void *data;	/* pixels to copy into the buffer; NULL: they are in the buffer already */
	size_t bytes;		/* of data; JPEG: its length.  May be 0 for packed pixels. */
	uint32_t offset[3];	/* of the planes within data or the buffer, bytes */
	uint32_t stride[3];	/* bytes from row to row; stride[0] = 0: planes without gaps, one behind the other */
	uint32_t deadline_us;	/* from submission; 0: the stream's */
	uint64_t captured_us; /* CLOCK_MONOTONIC; 0: unknown.  For records, a gallery's verdict and what is smoothed. */
	void *user;	      /* comes back in the result */
	/*
	 * How the camera moved while it took the picture, where a gyroscope says so: the policy then does not spend
	 * its best on what is blurred anyway.  Without it, blur is looked for in the pixels.
	 */
	float angular_speed;  /* rad/s, 0..100 */
	uint32_t exposure_us; /* at most 10 s; 0: unknown, and the speed does not count */
	uint32_t reserved[2]; /* zero */
};

/* Bytes of a frame whose planes follow each other without gaps; 0 for JPEG and impossible sizes. */
INFERD_API size_t inferd_frame_bytes(enum inferd_format format, uint32_t width, uint32_t height);

/* ---- results ------------------------------------------------------------------------------------- */

enum inferd_status {
	INFERD_OK,
	INFERD_DROPPED_DEADLINE,  /* it could not, or did not, finish in time */
	INFERD_DROPPED_REPLACED,  /* INFERD_LATEST: a newer frame took its place */
	INFERD_DROPPED_CANCELLED, /* by inferd_cancel() */
	INFERD_DROPPED_SKIPPED,	  /* the policy left it out, e.g. to cool down */
	INFERD_DROPPED_CLOSED,	  /* the stream or the daemon was closed */
	INFERD_FAILED,		  /* `text` says why */
	INFERD_LOST		  /* the connection ended first */
};

/* "ok", "deadline", "replaced", "cancelled", "skipped", "closed", "failed", "lost". */
INFERD_API const char *inferd_status_name(enum inferd_status status);

struct inferd_item {
	uint32_t index;
	float score;	   /* a probability for a classifier */
	const char *label; /* "" when the model has none */
};

/* Places are in pixels of the submitted picture, whatever it was scaled to; what is not known is NaN. */
struct inferd_point {
	float x, y;
	float z;	  /* in pixels, from about the middle of what was found, smaller towards the camera */
	float visibility; /* 0..1 */
};

/* Where an item is; it may reach beyond the picture. */
struct inferd_place {
	float x0, y0, x1, y1;
	const struct inferd_point *points; /* in the order of the network */
	size_t n_points;
};

/*
 * One byte a pixel, row by row; it covers the whole picture, in the network's resolution.  A probability as 0..255, or
 * the index of a class.  It lies at the end of the frame's buffer, which is larger than asked for by this much (memory
 * of one's own has to be), and is valid as long as the result and until the buffer is filled again.
 */
struct inferd_mask {
	const uint8_t *data;
	uint32_t width, height;
};

/* What a stream with a gallery has seen over the last seconds. */
enum inferd_verdict {
	INFERD_VERDICT_NONE, /* the stream has no gallery, or the frame was not run */
	INFERD_ABSENT,	     /* nothing of the gallery */
	INFERD_MAYBE,
	INFERD_SURE
};

/* What a hand shows. */
struct inferd_gesture {
	const char *name; /* "open_palm", "fist", "pointing", "thumb_up", "thumb_down", "victory", "none" */
	float score;	  /* 0..1 */
};

enum inferd_type {
	INFERD_F32,
	INFERD_F16,
	INFERD_S8,
	INFERD_U8,
	INFERD_S16,
	INFERD_U16,
	INFERD_S32,
	INFERD_U32,
	INFERD_S64,
	INFERD_U64,
	INFERD_BOOL /* a byte, 0 or 1 */
};

/* "f32", "f16", "s8", ..., "bool". */
INFERD_API const char *inferd_type_name(enum inferd_type type);

#define INFERD_RANK_MAX 6

/*
 * An output of the network as it is: dense, the last axis together, images as rows, columns, channels whatever the
 * file's own order.  A quantised one stays so: what is meant is scale * (stored - zero_point).  Large ones lie at the
 * end of the frame's buffer, under the rules of a mask.
 */
struct inferd_tensor {
	const char *name;
	enum inferd_type type;
	uint32_t rank, dims[INFERD_RANK_MAX];
	float scale; /* 0: not quantised */
	int32_t zero_point;
	const void *data; /* aligned for its type */
	size_t bytes;
};

struct inferd_rung { /* how the frame was run */
	const char *name, *variant, *lane;
	uint32_t width, height, channels, threads;
};

/* Borrowed from the library, with all it points to: see inferd_on_result and inferd_run(). */
struct inferd_result {
	uint64_t seq; /* as inferd_submit() gave it */
	void *user;   /* of the frame */
	enum inferd_status status;
	const char *text;		 /* INFERD_FAILED: the cause; otherwise "" */
	const struct inferd_item *items; /* best first */
	size_t n_items;
	const float *embedding; /* a model that embeds: its vector of length 1 */
	size_t n_embedding;
	const struct inferd_rung *rung; /* NULL: the frame was not run */
	const char *reason;		/* of the policy, for people */
	uint32_t queue_us;		/* arrival until work on it began */
	uint32_t wait_us;		/* of that: while other frames were being run */
	uint32_t preprocess_us, inference_us;
	uint32_t total_us;				       /* arrival to reply, in the daemon */
	uint32_t round_trip_us;				       /* submission to result, in the client */
	uint32_t advice_width, advice_height, advice_channels; /* more than this is of no use now; 0: unknown */
	const struct inferd_place *places;     /* of the items, one for each; NULL: the model finds no places */
	const struct inferd_mask *mask;	       /* NULL: the model makes none */
	const struct inferd_gesture *gestures; /* of the items, one for each; NULL: the model looks for none */
	const struct inferd_tensor *tensors;   /* a raw model: its outputs */
	size_t n_tensors;
	uint64_t space; /* of the embedding: only vectors of one space can be compared; 0: there is none */
	/* Of a stream with a gallery, whose items are names as labels, with the cosine to the best of their pictures.
	 */
	enum inferd_verdict verdict;
	const char *name; /* INFERD_MAYBE and INFERD_SURE: whose it is; otherwise "" */
};

/* The result is valid until the callback returns.  The frame's buffer is free again. */
typedef void (*inferd_on_result)(struct inferd_stream *stream, const struct inferd_result *result, void *user);

/* ---- streams ------------------------------------------------------------------------------------- */

enum inferd_mode {
	INFERD_EVERY, /* frames queue up */
	INFERD_LATEST /* a newer frame replaces the one that waits, so that answers are fresh */
};

/* Frames of a class go before those of the ones below it, whenever both wait; minimum rates are kept for all. */
enum inferd_priority { INFERD_PRIORITY_DEFAULT, INFERD_LOW, INFERD_NORMAL, INFERD_HIGH };

/* Zero is the default everywhere but in model and buffer_bytes. */
struct inferd_stream_options {
	const char *model;
	enum inferd_mode mode;
	uint32_t n_buffers;  /* 1..16; default 3: one run, one waiting, one being filled */
	size_t buffer_bytes; /* the largest frame, at most 64 MiB; see inferd_frame_bytes() */
	uint32_t deadline_us;
	uint32_t top_k;
	float min_fps;
	float weight; /* share of the device's time, within 1/100 to 10 times the model's; a client's streams share one
		       */
	bool full;    /* always the most accurate way; the policy neither lowers nor skips */
	const char *rung; /* always this one, by its name in the "models" report */
	inferd_on_result on_result;
	void *user;		       /* of the callback */
	enum inferd_priority priority; /* at most the model's, which is the default */
	/*
	 * Memory of one's own instead of the daemon's: a memfd sealed with F_SEAL_GROW, F_SEAL_SHRINK and F_SEAL_SEAL,
	 * or a dma-buf, of n_buffers times buffer_bytes rounded up to whole pages.  Stays the caller's, who may close
	 * it when the stream is open.  0: none.
	 */
	int import_fd;
	/* Of a model of task embed: answer with the names of this gallery instead of with the vector.  NULL: none. */
	const char *gallery;
	/*
	 * The same with a memory for each buffer, such as the dma-bufs of a camera's driver: n_buffers descriptors, for
	 * the buffers 0, 1, ... (see inferd_acquire_at()), each of buffer_bytes rounded up to whole pages and none of
	 * them twice.  The array and the descriptors stay the caller's, who may close them when the stream is open; the
	 * library and the daemon hold copies until it is closed.  What may only be read is mapped so, and frames with
	 * data to copy are then refused.  NULL: none.
	 */
	const int *import_fds;
	uint32_t reserved[2]; /* zero */
};

/*
 * Options are copied.  -ENOENT: no such model or rung; -EDQUOT, -ENOMEM: more than this client may have.  Of memory of
 * one's own: -EBADF, -EMFILE: a descriptor cannot be copied; -EPERM: it is not sealed; -EINVAL: it is neither a memfd
 * nor a dma-buf, too small or there twice; -ENOTSUP: a dma-buf, while the model writes to the buffers (masks, large
 * tensors), or the daemon is older than import_fds.
 */
INFERD_API int inferd_stream_open(struct inferd *client, const struct inferd_stream_options *options,
				  struct inferd_stream **ret_stream);

/*
 * Frames that wait are dropped and the one that runs is finished; all are reported before this returns, the
 * stream's callback included.  Accepts NULL.  Only -EBUSY, from within a callback, leaves the stream open.
 */
INFERD_API int inferd_stream_close(struct inferd_stream *stream);

/* Size of its buffers, and the deadline in force (0: none). */
INFERD_API size_t inferd_stream_buffer_bytes(const struct inferd_stream *stream);
INFERD_API uint32_t inferd_stream_deadline_us(const struct inferd_stream *stream);

/*
 * What the largest frame that can be of use looks like, so that a camera can be set up before the first; results then
 * say what is of use at the moment.  Pixels, and 1 for gray or 3; any output may be NULL.
 */
INFERD_API void inferd_stream_advice(const struct inferd_stream *stream, uint32_t *ret_width, uint32_t *ret_height,
				     uint32_t *ret_channels);

struct inferd_buffer {
	void *data; /* page aligned */
	size_t bytes;
	uint32_t index;
};

/* A free buffer becomes the caller's.  -EAGAIN: all are in use; dispatch results first. */
INFERD_API int inferd_acquire(struct inferd_stream *stream, struct inferd_buffer *ret_buffer);
/*
 * The same for the buffer of this index, where something else than the caller says which is filled next.  -EAGAIN: it
 * is in use; -EINVAL: the stream has none of this index; -ECONNRESET.
 */
INFERD_API int inferd_acquire_at(struct inferd_stream *stream, uint32_t index, struct inferd_buffer *ret_buffer);
INFERD_API void inferd_release(struct inferd_stream *stream, const struct inferd_buffer *buffer); /* unused */

/*
 * Hands the buffer over with the frame in it; from then on it is the daemon's until the result.  Does not wait.  On
 * failure the buffer stays the caller's.  -EMSGSIZE: the frame does not fit; -EINVAL: it makes no sense, or the
 * stream has no callback; -EPERM: it has data to copy, and the buffers are memory that may only be read; -ENOBUFS: the
 * daemon does not read; -ESHUTDOWN: the stream is being closed; -ENOTCONN: the daemon is away; another: it came back
 * and does not serve this stream any more (-ENOENT, ...).  *ret_seq (may be NULL): names the frame.
 */
INFERD_API int inferd_submit(struct inferd_stream *stream, const struct inferd_buffer *buffer,
			     const struct inferd_frame *frame, uint64_t *ret_seq);

/* Drops the frame if it still waits; seq 0: all of the stream.  It is reported as usual.  Does not wait. */
INFERD_API int inferd_cancel(struct inferd_stream *stream, uint64_t seq);

/*
 * Copies frame->data into a buffer, submits, and waits at most timeout_ms (-1: for ever).  0 when there is a
 * result, whatever its status; it is valid until the next call with this client.  -ETIMEDOUT: the frame was
 * cancelled, and its late result is discarded; or the daemon was away all that time.  -ECONNRESET: the frame was lost
 * with the connection; the next call waits for the daemon to come back.  Results of other frames go to their callbacks
 * meanwhile.
 */
INFERD_API int inferd_run(struct inferd_stream *stream, const struct inferd_frame *frame, int timeout_ms,
			  const struct inferd_result **ret_result);

#ifdef __cplusplus
}
#endif

#endif
