/*
 * ipc.h - the wire between apps and the daemon: the protocol page.
 *
 * A SOCK_STREAM Unix socket carries messages.  Each is a 16-byte header, little-endian, and a body of
 * `length` bytes, one msgpack map with small unsigned integers as keys (IPC_K_*):
 *
 *     0  u32 magic    IPC_MAGIC: "INF" and the protocol version
 *     4  u16 type     enum ipc_type
 *     6  u16 n_fds    file descriptors that ride with the header's first byte (SCM_RIGHTS)
 *     8  u32 length   of the body, at most IPC_BODY_MAX
 *    12  u32 serial   chosen by the requester, repeated in the reply
 *
 * A client first sends HELLO and gets WELCOME.  STREAM_OPEN gets STREAM_OPENED and one fd: a memfd made
 * and sealed (grow, shrink, seal) by the daemon, `n_slots` buffers of `slot_bytes` each.  The client
 * writes pixels into a slot that is free and sends FRAME; from then on the slot is the daemon's until
 * RESULT names that frame.  Every accepted frame gets exactly one RESULT: done, dropped or failed.
 * A client may bring the memory itself, as one fd for all slots with STREAM_OPEN, or as one for each slot; the daemon
 * then sends none.
 * A request that cannot be served gets ERROR with its serial.  A violation of the protocol (bad header,
 * undecodable body, unknown type, unexpected fds) gets ERROR with serial 0 where that is still possible,
 * and the connection is closed.
 *
 * Decoding trusts nothing: a body is scanned (nesting, element counts and lengths against the bytes that
 * are really there) before it is unpacked.  Unknown keys are skipped, so that fields can be added.
 *
 * Functions return 0 or a negative errno; nothing here logs, and there is no event loop.
 * No function is thread-safe on the same object.
 */
#ifndef INFERD_IPC_H
#define INFERD_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IPC_VERSION	       1
#define IPC_MAGIC	       (0x00464e49u | (uint32_t)IPC_VERSION << 24) /* "INF" 1 */
#define IPC_HEADER_BYTES       16
#define IPC_BODY_MAX	       (256u * 1024) /* replies of a status included */
#define IPC_REQUEST_MAX	       (16u * 1024)  /* the daemon takes no larger body from a client */
#define IPC_VECTORS_VERSION    2	     /* of the file that vectors come in, INFVECS2 */
#define IPC_FDS_MAX	       16	     /* per message: a stream's memories */
#define IPC_DEPTH_MAX	       8	     /* nested arrays and maps in a body */
#define IPC_ELEMENTS_MAX       32768	     /* items of all arrays and maps of a body together */
#define IPC_NAME_MAX	       63	     /* bytes of a model's, rung's or client's name */
#define IPC_RESULTS_MAX	       1000	     /* results in one reply */
#define IPC_POINT_FLOATS       4	     /* of a point in a result */
#define IPC_TENSORS_MAX	       64	     /* tensors in one reply */
#define IPC_TENSOR_RANK_MAX    6
#define IPC_TENSORS_INLINE_MAX (64u * 1024) /* bytes of tensors that a reply brings itself */
#define IPC_TEXT_MAX	       255	    /* bytes of an error or reason */
#define IPC_SLOTS_MAX	       16	    /* at most IPC_FDS_MAX */
#define IPC_SLOT_BYTES_MAX     (64u << 20)
#define IPC_ANGULAR_SPEED_MAX  100.0f /* rad/s; gyroscopes measure up to 35 */
#define IPC_EXPOSURE_US_MAX    10000000u

enum ipc_type {
	IPC_HELLO = 1, /* -> client, version             WELCOME */
	IPC_WELCOME,
	IPC_STREAM_OPEN, /* -> struct ipc_stream_open [+ fds]   STREAM_OPENED [+ 1 fd] | ERROR */
	IPC_STREAM_OPENED,
	IPC_STREAM_CLOSE, /* -> stream                      DONE | ERROR; queued frames are dropped first */
	IPC_FRAME,	  /* -> struct ipc_frame            RESULT, later */
	IPC_RESULT,
	IPC_CANCEL, /* -> stream, seq (0: all)        DONE; cancelled frames answer as dropped */
	IPC_QUERY,  /* -> what: "status" | "models" | "stats" | "top" | "reload" | "reload-dry-run"   REPORT */
	IPC_REPORT, /* a map with text keys, made to be shown */
	IPC_DONE,
	IPC_ERROR,
	IPC_CHANGE, /* -> struct ipc_change [+ 1 fd]   REPORT, when it serves | ERROR; for owners */
	IPC_GALLERY /* -> struct ipc_gallery [+ 1 fd]  REPORT, when it is on disk | ERROR */
};

struct ipc_header {
	uint16_t type, n_fds;
	uint32_t length, serial;
};

/* ---- connection: buffered bytes and descriptors over a non-blocking socket ---------------------- */

struct ipc_conn;

struct ipc_message {
	struct ipc_header header;
	const uint8_t *body;  /* header.length bytes; borrowed until the next ipc_conn_next() or ipc_conn_recv() */
	int fds[IPC_FDS_MAX]; /* header.n_fds of them; the receiver's to close */
};

/* Consumes fd on success.  body_max: largest body accepted (IPC_REQUEST_MAX or IPC_BODY_MAX). */
int ipc_conn_create(int fd, uint32_t body_max, struct ipc_conn **ret_conn);
void ipc_conn_destroy(struct ipc_conn *conn); /* closes the socket and unclaimed fds; accepts NULL */
int ipc_conn_fd(const struct ipc_conn *conn);

/*
 * Reads what is there (once).  0 read something, -EAGAIN nothing there, -ECONNRESET the peer is gone,
 * -EPROTO control data was cut (MSG_CTRUNC) or more fds came than may wait, -ENOBUFS whole messages wait to
 * be taken first.
 */
int ipc_conn_recv(struct ipc_conn *conn);

/*
 * Takes the next whole message from what was read.  0, -EAGAIN when there is none yet, -EPROTO for a bad
 * header: magic, length, fds that did not come or that nobody announced.  *ret_reason (may be NULL): a
 * constant sentence.  After -EPROTO, here or from ipc_conn_recv(), nothing more is received.
 */
int ipc_conn_next(struct ipc_conn *conn, struct ipc_message *ret_message, const char **ret_reason);

/*
 * Queues a message and sends as much as the socket takes.  fd -1: none; otherwise duplicated, so the
 * caller keeps its own.  0 also when bytes remain (see ipc_conn_pending); -ENOBUFS when the bytes that wait
 * would pass IPC_UNSENT_MAX, -EMSGSIZE a body over IPC_BODY_MAX, -ECONNRESET, -EPIPE, -ENOMEM, -EMFILE: then
 * nothing of this message was queued.
 */
#define IPC_UNSENT_MAX (1u << 20)
int ipc_conn_send(struct ipc_conn *conn, uint16_t type, uint32_t serial, const void *body, size_t length, int fd);
/* The same with n_fds of them, in this order; -EMSGSIZE also for more than IPC_FDS_MAX. */
int ipc_conn_send_fds(struct ipc_conn *conn, uint16_t type, uint32_t serial, const void *body, size_t length,
		      const int *fds, unsigned n_fds);
int ipc_conn_flush(struct ipc_conn *conn);	      /* 0, -EAGAIN bytes remain, -EPIPE, -ECONNRESET */
size_t ipc_conn_pending(const struct ipc_conn *conn); /* bytes not yet sent */

/* ---- bodies: encode and bounds-checked decode ---------------------------------------------------- */

/* A growing body; init, put, use data/size, reset for the next, finish.  Errors stick in `error`. */
struct ipc_writer {
	uint8_t *data;
	size_t size, capacity;
	int error; /* 0, -ENOMEM, -EMSGSIZE over IPC_BODY_MAX */
};
void ipc_writer_init(struct ipc_writer *writer);
void ipc_writer_reset(struct ipc_writer *writer);
void ipc_writer_finish(struct ipc_writer *writer);
/* For REPORT bodies: maps with text keys.  Containers announce their counts. */
void ipc_put_map(struct ipc_writer *writer, uint32_t count);
void ipc_put_array(struct ipc_writer *writer, uint32_t count);
void ipc_put_text(struct ipc_writer *writer, const char *text);
void ipc_put_uint(struct ipc_writer *writer, uint64_t value);
void ipc_put_int(struct ipc_writer *writer, int64_t value);
void ipc_put_float(struct ipc_writer *writer, double value);
void ipc_put_bool(struct ipc_writer *writer, bool value);

/*
 * Scans a body without unpacking it: one object, counts and lengths within the bytes and the limits
 * above, nothing behind it.  0 or -EPROTO with a constant sentence in *ret_reason (may be NULL).
 */
int ipc_body_check(const void *body, size_t length, const char **ret_reason);

/* A checked REPORT body as one line of JSON (UTF-8; invalid bytes replaced).  Caller frees *ret_text. */
int ipc_report_json(const void *body, size_t length, char **ret_text);

/* Keys of the maps.  A number never changes its meaning; new fields take new numbers. */
enum ipc_key {
	IPC_K_VERSION = 1,
	IPC_K_CLIENT,
	IPC_K_SERVER,
	IPC_K_MODEL,
	IPC_K_MODE,
	IPC_K_SLOTS,
	IPC_K_SLOT_BYTES,
	IPC_K_DEADLINE_US,
	IPC_K_TOP_K,
	IPC_K_MIN_FPS,
	IPC_K_WEIGHT,
	IPC_K_FULL,
	IPC_K_RUNG, /* STREAM_OPEN: a name; RESULT: a map of NAME, VARIANT, LANE, WIDTH, HEIGHT, CHANNELS, THREADS */
	IPC_K_STREAM,
	IPC_K_ADVICE, /* [width, height, channels] */
	IPC_K_SEQ,
	IPC_K_SLOT,
	IPC_K_FORMAT,
	IPC_K_FULL_RANGE,
	IPC_K_WIDTH,
	IPC_K_HEIGHT,
	IPC_K_OFFSETS, /* up to three, one a plane */
	IPC_K_STRIDES, /* likewise */
	IPC_K_BYTES,
	IPC_K_CAPTURED_US,
	IPC_K_STATUS,
	IPC_K_TEXT,
	IPC_K_ITEMS, /* [[index, score, label, box, points, gesture, its score], ...], parts at the end left out when
		      * there are none */
	IPC_K_EMBEDDING, /* bin: float32, little-endian */
	IPC_K_NAME,
	IPC_K_VARIANT,
	IPC_K_LANE,
	IPC_K_CHANNELS,
	IPC_K_THREADS,
	IPC_K_REASON,
	IPC_K_QUEUE_US,
	IPC_K_WAIT_US,
	IPC_K_PREPROCESS_US,
	IPC_K_INFERENCE_US,
	IPC_K_TOTAL_US,
	IPC_K_WHAT,
	IPC_K_CODE,
	IPC_K_PRIORITY,
	IPC_K_ANGULAR_SPEED,
	IPC_K_EXPOSURE_US,
	IPC_K_MASK,    /* array of 3: width, height, offset in the slot */
	IPC_K_TENSORS, /* [[name, type, dims, scale, zero point, bin: data, or uint: its offset in the slot], ...] */
	IPC_K_GALLERY,
	IPC_K_VERDICT,
	IPC_K_SPACE,
	IPC_K_MEMORIES,
	IPC_K_VECTORS,
	IPC_K_COUNT
};

/*
 * Names are at most IPC_NAME_MAX bytes without control characters, texts at most IPC_TEXT_MAX bytes without
 * NUL.  Encoders leave out fields that are zero and shorten longer texts at a character's end.
 */

struct ipc_hello {
	uint32_t version;
	char client[IPC_NAME_MAX + 1]; /* for the log and stats */
};
struct ipc_welcome {
	uint32_t version;
	char server[IPC_NAME_MAX + 1]; /* "inferd 0.1.0" */
	uint32_t memories; /* fds that it takes with STREAM_OPEN at most; 0: one, of a daemon older than this field */
	uint32_t vectors;  /* up to which INFVECS it takes; 0: 1, of a daemon older than this field */
};

enum ipc_mode { IPC_EVERY, IPC_LATEST }; /* IPC_LATEST: a newer frame replaces the queued one */

/* A class goes before the ones below it whenever both wait (see daemon/sched.h). */
enum ipc_priority { IPC_PRIORITY_DEFAULT, IPC_PRIORITY_LOW, IPC_PRIORITY_NORMAL, IPC_PRIORITY_HIGH };

struct ipc_stream_open {
	char model[IPC_NAME_MAX + 1];
	enum ipc_mode mode;
	uint32_t n_slots;		/* 1..IPC_SLOTS_MAX */
	uint32_t slot_bytes;		/* 1..IPC_SLOT_BYTES_MAX; rounded up to whole pages by the daemon */
	uint32_t deadline_us;		/* 0: the model's */
	uint32_t top_k;			/* 0: the model's */
	float min_fps, weight;		/* 0: the model's */
	enum ipc_priority priority;	/* at most the model's, which is also the default */
	bool full;			/* always the most accurate rung, never skipped */
	char rung[IPC_NAME_MAX + 1];	/* always this one; "" lets the policy choose */
	char gallery[IPC_NAME_MAX + 1]; /* answer with its names instead of the vector; "" none */
};
struct ipc_stream_opened {
	uint32_t stream, n_slots, slot_bytes;
	uint32_t advice_width, advice_height, advice_channels; /* the largest input that can be of use */
	uint32_t deadline_us;				       /* of a frame that brings none; 0 none */
};

enum ipc_format { /* values are the protocol's */
		  IPC_NV12,
		  IPC_NV21,
		  IPC_I420,
		  IPC_YUYV,
		  IPC_RGB,
		  IPC_BGR,
		  IPC_RGBA,
		  IPC_BGRA,
		  IPC_GRAY8,
		  IPC_JPEG,
		  IPC_FORMAT_COUNT
};

struct ipc_frame {
	uint32_t stream;
	uint64_t seq; /* chosen by the client, unique among its frames in flight */
	uint32_t slot;
	enum ipc_format format;
	bool full_range;	       /* of YUV */
	uint32_t width, height;	       /* pixels; ignored for JPEG */
	uint32_t offset[3], stride[3]; /* of the planes within the slot, bytes; JPEG: offset[0] */
	uint32_t bytes;		       /* JPEG: length */
	uint64_t captured_us;	       /* CLOCK_MONOTONIC of the sender; 0 unknown; never compared with another clock */
	uint32_t deadline_us;	       /* 0: the stream's */
	/* How the camera moved while it took the picture: rad/s of a gyroscope, and for how long. */
	float angular_speed;  /* at most IPC_ANGULAR_SPEED_MAX */
	uint32_t exposure_us; /* at most IPC_EXPOSURE_US_MAX; 0: not known, and the speed does not count */
};

/*
 * Checks geometry against a slot of slot_bytes with overflow-safe arithmetic: sides 1..16384, strides of
 * at least a row, every plane inside; and the camera's movement against its limits.  0 or -ERANGE with a constant
 * sentence.
 */
int ipc_frame_check(const struct ipc_frame *frame, uint32_t slot_bytes, const char **ret_reason);

/*
 * Fills in offsets and strides of planes that follow each other without gaps from offset[0], and returns where the
 * last ends; 0, with nothing filled in, for JPEG, sides out of range and ends beyond 32 bits.
 */
uint64_t ipc_frame_pack(struct ipc_frame *frame);

enum ipc_status {
	IPC_OK,
	IPC_DROPPED_DEADLINE,
	IPC_DROPPED_REPLACED,
	IPC_DROPPED_CANCELLED,
	IPC_DROPPED_SKIPPED,
	IPC_DROPPED_CLOSED,
	IPC_FAILED /* text says why */
};

struct ipc_result_item {
	uint32_t index;
	float score;
	const char *label; /* borrowed; "" none; at most IPC_TEXT_MAX bytes */
	/* Borrowed, in pixels of the submitted picture.  NULL and 0: the task finds no places. */
	const float *box;    /* x0, y0, x1, y1 */
	const float *points; /* x, y, z and visibility of each; what is not known is NaN */
	uint32_t n_points;
	const char *gesture; /* of a hand, borrowed; "" none was looked for */
	float gesture_score;
};

/* What a stream with a gallery has seen over its last seconds; docs/gallery.md. */
enum ipc_verdict { IPC_VERDICT_NONE, IPC_VERDICT_ABSENT, IPC_VERDICT_MAYBE, IPC_VERDICT_SURE };

enum ipc_tensor_type { /* values are the protocol's */
		       IPC_F32,
		       IPC_F16,
		       IPC_S8,
		       IPC_U8,
		       IPC_S16,
		       IPC_U16,
		       IPC_S32,
		       IPC_U32,
		       IPC_S64,
		       IPC_U64,
		       IPC_BOOL,
		       IPC_TENSOR_TYPE_COUNT
};

/* An output of a network as it is: dense, the last axis together, in the byte order of the machine that both are on. */
struct ipc_tensor {
	const char *name; /* borrowed */
	enum ipc_tensor_type type;
	uint32_t rank, dims[IPC_TENSOR_RANK_MAX];
	float scale; /* real = scale * (stored - zero_point); 0: the numbers are what they are */
	int32_t zero_point;
	const void *data; /* borrowed, aligned for its type; NULL: at `offset` in the frame's slot, a multiple of 64 */
	uint32_t offset;
	uint32_t bytes; /* of the data; not on the wire, where type and dims tell it */
};

/* Bytes of a tensor of this type and shape; UINT64_MAX where they would be over IPC_SLOT_BYTES_MAX. */
uint64_t ipc_tensor_bytes(enum ipc_tensor_type type, const uint32_t *dims, uint32_t rank);

struct ipc_result {
	uint32_t stream;
	uint64_t seq;
	enum ipc_status status;
	const char *text; /* failure; borrowed, "" none */
	const struct ipc_result_item *items;
	uint32_t n_items;
	const float *embedding; /* task embed: values, borrowed */
	uint32_t n_embedding;
	uint64_t space;		  /* task embed: vectors of other spaces cannot be compared with this one; 0 none */
	enum ipc_verdict verdict; /* IPC_VERDICT_NONE: the stream has no gallery */
	const char *name;	  /* of a verdict of maybe or sure; borrowed */
	uint32_t mask_width, mask_height, mask_offset; /* task segment: one byte a pixel in the frame's slot */
	const struct ipc_tensor *tensors;	       /* task raw, borrowed */
	uint32_t n_tensors;
	struct {				   /* width 0: the frame was not run */
		const char *name, *variant, *lane; /* borrowed */
		uint32_t width, height, channels, threads;
	} rung;
	const char *reason;					  /* of the policy */
	uint32_t queue_us, preprocess_us, inference_us, total_us; /* total: arrival to reply, in the daemon */
	uint32_t wait_us; /* share of queue_us during which the lane was busy with other frames */
	uint32_t advice_width, advice_height, advice_channels; /* what the next frame would be run at */
};

/*
 * Of the models that are served, until the next reload.  "add" and "replace" bring a file as of conf.d, whose `models`
 * must all be new or all be there; "remove" names one.  "profile" brings what was measured of a model's rungs, as of
 * docs/protocol.md.
 */
struct ipc_change {
	char what[IPC_NAME_MAX + 1];
	char model[IPC_NAME_MAX + 1];
};

/*
 * "add" brings vectors in a memfd, as of docs/protocol.md; "remove" takes one name, or without one the gallery;
 * "list" tells of one gallery, or without one of all.
 */
struct ipc_gallery {
	char what[IPC_NAME_MAX + 1];
	char gallery[IPC_NAME_MAX + 1];
	char name[IPC_NAME_MAX + 1];
	char model[IPC_NAME_MAX + 1]; /* of a gallery that is to be made; "" it is there */
};

struct ipc_error {
	int32_t code;	  /* positive errno */
	const char *text; /* borrowed */
};

void ipc_put_hello(struct ipc_writer *writer, const struct ipc_hello *hello);
void ipc_put_welcome(struct ipc_writer *writer, const struct ipc_welcome *welcome);
void ipc_put_stream_open(struct ipc_writer *writer, const struct ipc_stream_open *open);
void ipc_put_stream_opened(struct ipc_writer *writer, const struct ipc_stream_opened *opened);
void ipc_put_stream_close(struct ipc_writer *writer, uint32_t stream);
void ipc_put_frame(struct ipc_writer *writer, const struct ipc_frame *frame);
void ipc_put_result(struct ipc_writer *writer, const struct ipc_result *result);
void ipc_put_cancel(struct ipc_writer *writer, uint32_t stream, uint64_t seq);
void ipc_put_query(struct ipc_writer *writer, const char *what);
void ipc_put_change(struct ipc_writer *writer, const struct ipc_change *change);
void ipc_put_gallery(struct ipc_writer *writer, const struct ipc_gallery *gallery);
void ipc_put_error(struct ipc_writer *writer, const struct ipc_error *error);
void ipc_put_done(struct ipc_writer *writer);

/*
 * Decoders: check, unpack, and fill the struct; fields that did not come are zero.  0, or -EPROTO with a
 * constant sentence in *ret_reason (may be NULL).  No allocation that a hostile body could grow.
 */
int ipc_get_hello(const void *body, size_t length, struct ipc_hello *ret, const char **ret_reason);
int ipc_get_welcome(const void *body, size_t length, struct ipc_welcome *ret, const char **ret_reason);
int ipc_get_stream_open(const void *body, size_t length, struct ipc_stream_open *ret, const char **ret_reason);
int ipc_get_stream_opened(const void *body, size_t length, struct ipc_stream_opened *ret, const char **ret_reason);
int ipc_get_stream_close(const void *body, size_t length, uint32_t *ret_stream, const char **ret_reason);
int ipc_get_frame(const void *body, size_t length, struct ipc_frame *ret, const char **ret_reason);
int ipc_get_cancel(const void *body, size_t length, uint32_t *ret_stream, uint64_t *ret_seq, const char **ret_reason);
int ipc_get_change(const void *body, size_t length, struct ipc_change *ret, const char **ret_reason);
int ipc_get_gallery(const void *body, size_t length, struct ipc_gallery *ret, const char **ret_reason);
int ipc_get_query(const void *body, size_t length, char ret_what[IPC_NAME_MAX + 1], const char **ret_reason);
/*
 * Results and errors hold text and arrays: storage for them comes along, released by the caller.  The second form
 * reuses storage that an earlier call made (or starts with NULL) and allocates only to grow it.
 */
int ipc_get_result(const void *body, size_t length, struct ipc_result *ret, void **ret_storage,
		   const char **ret_reason);
int ipc_get_result_reusing(const void *body, size_t length, struct ipc_result *ret, void **storage,
			   const char **ret_reason);
int ipc_get_error(const void *body, size_t length, struct ipc_error *ret, void **ret_storage, const char **ret_reason);
void ipc_storage_free(void *storage); /* accepts NULL */

#endif
