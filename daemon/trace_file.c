/* trace_file.c - see trace_file.h. */
#include "trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#define ENTRY_ALIGN 8u
/* A segment is asked for before the file is full, so that the one under way still has room to end. */
#define NEARLY_FULL(limit) ((limit) / 8 * 3)

struct trace_file {
	char *path;
	uint64_t limit, size; /* size: of the file; of the thread */
	int fd;
	pthread_t thread;
	_Atomic uint64_t lost;
	atomic_bool wants_segment;
	bool failed, skipping, asked; /* of the thread: said so already; until a segment begins; for this file */

	/*
	 * One writer and one reader, without a lock: a thread of low priority that holds one would keep the loop
	 * waiting. Both count bytes from the start; the ring holds those in between.
	 */
	_Atomic uint32_t added, taken;
	sem_t wanted; /* there is something to do */
	atomic_bool ending;
	char text[TRACE_TEXT_BYTES]; /* of the thread */
	_Alignas(ENTRY_ALIGN) uint8_t ring[TRACE_RING_BYTES];
};

/* A line is what is appended to: nothing but a file of its own is. */
static int open_file(struct trace_file *trace)
{
	struct stat status;
	int fd = open(trace->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	trace->fd = fd;
	trace->size = (uint64_t)status.st_size;
	trace->asked = false;
	return 0;
}

/* A daemon that was killed may have left part of a line, which would spoil the next one. */
static int cut_unfinished_line(struct trace_file *trace)
{
	char last[4096];
	uint64_t size = trace->size;
	int fd = open(trace->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = 0;

	if (fd < 0)
		return -errno;
	while (size && rc == 0) {
		size_t step = size < sizeof(last) ? (size_t)size : sizeof(last);
		ssize_t n = pread(fd, last, step, (off_t)(size - step));
		const char *end = n == (ssize_t)step ? memrchr(last, '\n', step) : NULL;

		if (n != (ssize_t)step)
			rc = n < 0 ? -errno : -EIO;
		size -= end ? step - (size_t)(end + 1 - last) : step;
		if (end)
			break;
	}
	close(fd);
	if (rc == 0 && size != trace->size && ftruncate(trace->fd, (off_t)size) < 0)
		rc = -errno;
	trace->size = size;
	return rc;
}

static int rotate(struct trace_file *trace)
{
	char before[4096];

	snprintf(before, sizeof(before), "%s.1", trace->path);
	if (rename(trace->path, before) < 0)
		return -errno;
	close(trace->fd);
	trace->fd = -1;
	return open_file(trace);
}

/* All or nothing: part of a line would spoil the next one. */
static int write_all(struct trace_file *trace, const char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(trace->fd, bytes + done, size - done);

		if (n < 0 && errno != EINTR) {
			int rc = -errno;

			/* Where not even that is possible, the next start cuts it off. */
			if (done && ftruncate(trace->fd, (off_t)trace->size) < 0)
				log_error("%s ends with part of a line: %s", trace->path, strerror(errno));
			return rc;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	trace->size += size;
	return 0;
}

/* The rest of its segment would not replay. */
static void give_up_segment(struct trace_file *trace, int rc)
{
	trace->lost++;
	trace->skipping = true;
	trace->wants_segment = true;
	if (rc == -EFBIG)
		return;
	if (!trace->failed)
		log_error("%s cannot be written: %s; the trace has gaps", trace->path, strerror(-rc));
	trace->failed = true;
}

static void write_entry(struct trace_file *trace, const struct trace_head *entry)
{
	bool begins = entry->kind == TRACE_SEGMENT;
	size_t size;
	int rc = 0;

	trace->skipping = trace->skipping && !begins;
	if (trace->skipping) {
		trace->lost++;
		return;
	}
	size = trace_entry_encode(entry, trace->text);
	if (!size)
		rc = -EMSGSIZE;
	if (rc == 0 && trace->fd < 0)
		rc = open_file(trace);
	if (rc == 0 && begins && trace->size + size > NEARLY_FULL(trace->limit) && trace->size)
		rc = rotate(trace);
	if (rc == 0 && trace->size + size > trace->limit / 2)
		rc = -EFBIG;
	if (rc == 0)
		rc = write_all(trace, trace->text, size);
	if (rc < 0) {
		give_up_segment(trace, rc);
	} else if (trace->size > NEARLY_FULL(trace->limit) && !trace->asked) {
		trace->asked = true;
		trace->wants_segment = true;
	}
}

static void write_waiting(struct trace_file *trace)
{
	uint32_t taken = trace->taken;

	while (taken != trace->added) {
		const void *at = &trace->ring[taken % TRACE_RING_BYTES];
		const struct trace_head *entry = at;

		if (entry->kind != TRACE_PAD)
			write_entry(trace, entry);
		taken += (entry->size + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
		trace->taken = taken;
	}
}

static void *serve(void *argument)
{
	struct trace_file *trace = argument;

	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
	while (!trace->ending) {
		sem_wait(&trace->wanted);
		write_waiting(trace);
	}
	write_waiting(trace);
	return NULL;
}

bool trace_file_add(struct trace_file *trace, const struct trace_head *entry)
{
	uint32_t added = trace->added, waiting = added - trace->taken, at = added % TRACE_RING_BYTES;
	uint32_t size = (entry->size + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
	/* An entry lies in one piece; what is left of the ring before its end is passed over. */
	uint32_t pad = TRACE_RING_BYTES - at < size ? TRACE_RING_BYTES - at : 0;
	const struct trace_head filler = {TRACE_PAD, pad};

	if (size + pad > TRACE_RING_BYTES - waiting) {
		sem_post(&trace->wanted);
		return false;
	}
	if (pad)
		memcpy(&trace->ring[at], &filler, sizeof(filler));
	memcpy(&trace->ring[(added + pad) % TRACE_RING_BYTES], entry, entry->size);
	trace->added = added + pad + size;
	if (waiting < TRACE_RING_BYTES / 4 && waiting + pad + size >= TRACE_RING_BYTES / 4)
		sem_post(&trace->wanted);
	return true;
}

void trace_file_flush(struct trace_file *trace)
{
	if (trace->added != trace->taken)
		sem_post(&trace->wanted);
}

bool trace_file_has_room(const struct trace_file *trace)
{
	return trace->added - trace->taken <= TRACE_RING_BYTES / 2;
}

bool trace_file_wants_segment(struct trace_file *trace)
{
	return trace->wants_segment && atomic_exchange(&trace->wants_segment, false);
}

uint64_t trace_file_lost(const struct trace_file *trace)
{
	return trace->lost;
}

static int start_thread(struct trace_file *trace)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&trace->thread, NULL, serve, trace);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

int trace_file_create(const char *path, uint64_t limit_bytes, struct trace_file **ret_trace)
{
	struct trace_file *trace = calloc(1, sizeof(*trace));
	int rc = -ENOMEM;

	if (!trace)
		return -ENOMEM;
	trace->fd = -1;
	trace->limit = limit_bytes;
	trace->path = strdup(path);
	if (trace->path)
		rc = open_file(trace);
	if (rc == 0)
		rc = cut_unfinished_line(trace);
	sem_init(&trace->wanted, 0, 0);
	if (rc == 0)
		rc = start_thread(trace);
	if (rc < 0) {
		if (trace->fd >= 0)
			close(trace->fd);
		free(trace->path);
		free(trace);
		return rc;
	}
	*ret_trace = trace;
	return 0;
}

void trace_file_destroy(struct trace_file *trace)
{
	if (!trace)
		return;
	trace->ending = true;
	sem_post(&trace->wanted);
	pthread_join(trace->thread, NULL);
	if (trace->fd >= 0)
		close(trace->fd);
	sem_destroy(&trace->wanted);
	free(trace->path);
	free(trace);
}
