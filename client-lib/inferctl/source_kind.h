/*
 * source_kind.h - what the kinds of sources share: the head of their structs, their table of functions, and how each
 * is opened by source.c.  Private to the files source*.c and camera*.c and their tests.
 */
#ifndef INFERCTL_SOURCE_KIND_H
#define INFERCTL_SOURCE_KIND_H

#include "reader.h"
#include "source.h"

struct source_ops {
	/* As source_try().  `file` and `number` of the frame are set already. */
	int (*next)(struct source *source, struct source_error *ret_error, struct source_frame *ret_frame);
	/* Goes back to the first frame.  NULL where that cannot be: cameras. */
	int (*rewind)(struct source *source, struct source_error *ret_error);
	/* Frees what the kind holds, the struct itself included. */
	void (*close)(struct source *source);
	/* As source_memory() and so on.  NULL where there is none, all three. */
	uint32_t (*memory)(const struct source *source, const int **ret_fds, size_t *ret_bytes);
	void (*keep)(struct source *source);
	int (*give_back)(struct source *source, uint32_t buffer, struct source_error *ret_error);
};

/* The first member of each kind's struct. */
struct source {
	const struct source_ops *ops;
	char *path;
	int fd;	    /* to wait for more; -1: never needed */
	double fps; /* 0: none of its own */
	bool live, video;
	bool ended;
	uint64_t number; /* frames given, broken ones included */
	/* For beginning anew; see source.c. */
	bool loop, gave_any;
};

/* Sets the error to "PATH: cause" and returns `code`.  The path "-" is called standard input. */
__attribute__((format(printf, 4, 5))) int source_fail(struct source_error *ret_error, int code, const char *path,
						      const char *format, ...);
bool source_size_allowed(uint64_t width, uint64_t height);
int source_fail_size(struct source_error *ret_error, const char *path, uint64_t width, uint64_t height);

/* A zeroed struct of `size` bytes that begins with struct source.  NULL with an error when memory is short. */
void *source_create(size_t size, const struct source_ops *ops, const char *path, struct source_error *ret_error);

/*
 * The kinds.  Those that take a reader have not lost what was read for telling the kind; on success it is theirs, on
 * failure the caller's.
 */
int source_picture_open(const char *path, struct reader *reader, struct source_error *ret_error,
			struct source **ret_source);
int source_y4m_open(const char *path, struct reader *reader, struct source_error *ret_error,
		    struct source **ret_source);
int source_mjpeg_open(const char *path, struct reader *reader, struct source_error *ret_error,
		      struct source **ret_source);
int source_folder_open(const char *path, struct source_error *ret_error, struct source **ret_source);
int source_v4l2_open(const char *path, const struct source_options *options, struct source_error *ret_error,
		     struct source **ret_source);

/* Whether this is MJPEG rather than one picture: 1 or 0; errors as of reader_wait(). */
int source_mjpeg_tell(struct reader *reader);

#endif
