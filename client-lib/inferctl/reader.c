/* reader.c - see reader.h. */
#include "reader.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (64u << 10)

void reader_init(struct reader *reader, int fd, bool owns_fd)
{
	*reader = (struct reader){.fd = fd, .owns_fd = owns_fd};
}

void reader_finish(struct reader *reader)
{
	if (reader->owns_fd)
		close(reader->fd);
	free(reader->buffer);
	*reader = (struct reader){.fd = -1};
}

/* Room for a chunk behind what is buffered. */
static int make_room(struct reader *reader)
{
	size_t have = reader_have(reader), capacity = 2 * (have + CHUNK_BYTES);
	uint8_t *larger;

	if (reader->capacity - reader->end >= CHUNK_BYTES)
		return 0;
	if (reader->start)
		memmove(reader->buffer, reader_data(reader), have);
	reader->start = 0;
	reader->end = have;
	if (reader->capacity - have >= CHUNK_BYTES)
		return 0;
	/* Doubled, so that a file of unknown length is not copied again for every chunk. */
	larger = realloc(reader->buffer, capacity);
	if (!larger)
		return -ENOMEM;
	reader->buffer = larger;
	reader->capacity = capacity;
	return 0;
}

/* A read from a pipe waits; so it is asked first whether there is something. */
static int read_some(struct reader *reader)
{
	struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
	ssize_t got;

	if (poll(&ready, 1, 0) == 0)
		return -EAGAIN;
	got = read(reader->fd, reader->buffer + reader->end, reader->capacity - reader->end);
	if (got < 0)
		return errno == EINTR ? 0 : -errno;
	reader->end += (size_t)got;
	reader->at_end = got == 0;
	return 0;
}

int reader_fill(struct reader *reader, size_t want)
{
	int r = 0;

	while (r == 0 && reader_have(reader) < want && !reader->at_end) {
		r = make_room(reader);
		if (r == 0)
			r = read_some(reader);
	}
	return r;
}

int reader_wait(struct reader *reader, size_t want)
{
	struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
	int r;

	while ((r = reader_fill(reader, want)) == -EAGAIN)
		if (poll(&ready, 1, -1) < 0)
			return -errno;
	return r;
}

void reader_skip(struct reader *reader, size_t size)
{
	assert(size <= reader_have(reader));
	reader->start += size;
}

int reader_rewind(struct reader *reader)
{
	reader->start = reader->end = 0;
	reader->at_end = false;
	return lseek(reader->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

bool reader_is_file(const struct reader *reader)
{
	struct stat status;

	return fstat(reader->fd, &status) == 0 && S_ISREG(status.st_mode);
}
