/*
 * reader.h - bytes of a file or pipe, buffered until there are as many as are needed, without waiting for them.
 */
#ifndef INFERCTL_READER_H
#define INFERCTL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	int fd;
	bool owns_fd;
	bool at_end; /* nothing comes behind what is buffered */
	uint8_t *buffer;
	size_t start, end, capacity; /* what is buffered lies at buffer + start, up to buffer + end */
};

void reader_init(struct reader *reader, int fd, bool owns_fd);
void reader_finish(struct reader *reader); /* accepts a zeroed one */

static inline size_t reader_have(const struct reader *reader)
{
	return reader->end - reader->start;
}

static inline const uint8_t *reader_data(const struct reader *reader)
{
	return reader->buffer ? reader->buffer + reader->start : NULL;
}

/*
 * Until `want` bytes are buffered or the end is reached.  0; -EAGAIN: the rest has not come yet; -ENOMEM, or an errno
 * of read(2).
 */
int reader_fill(struct reader *reader, size_t want);
/* The same, but waits.  -EINTR: a signal came first; what was read is kept. */
int reader_wait(struct reader *reader, size_t want);
void reader_skip(struct reader *reader, size_t size); /* at most what is buffered */
int reader_rewind(struct reader *reader);	      /* to the file's begin; an errno of lseek(2) */
bool reader_is_file(const struct reader *reader);     /* a file, rather than a pipe or terminal that may pause */

#endif
