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

struct trace_file {
	char *path;
	uint64_t limit, size; /* size: of the file; of the thread */
	int fd;
	pthread_t thread;
	_Atomic uint64_t lost;
	bool failed; /* said so already; of the thread */

	/*
	 * One writer and one reader, without a lock: a thread of low priority that holds one would keep the loop
	 * waiting. Both count frames from the start; the ring holds those in between.
	 */
	_Atomic uint32_t added, taken;
	sem_t wanted; /* there is something to do */
	atomic_bool ending;
	struct trace_frame ring[TRACE_RING];
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
	return 0;
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

static int write_all(struct trace_file *trace, const char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(trace->fd, bytes + done, size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	trace->size += size;
	return 0;
}

static void write_frame(struct trace_file *trace, const struct trace_frame *frame)
{
	char line[TRACE_LINE_BYTES];
	size_t size = trace_line_encode(frame, line);
	int rc = size ? 0 : -EMSGSIZE;

	if (rc == 0 && trace->fd < 0)
		rc = open_file(trace);
	if (rc == 0 && trace->size && trace->size + size > trace->limit / 2)
		rc = rotate(trace);
	if (rc == 0)
		rc = write_all(trace, line, size);
	if (rc == 0)
		return;
	trace->lost++;
	if (!trace->failed)
		log_error("%s cannot be written: %s; frames are missing from the trace", trace->path, strerror(-rc));
	trace->failed = true;
}

static void write_waiting(struct trace_file *trace)
{
	uint32_t taken = trace->taken;

	for (; taken != trace->added; trace->taken = ++taken)
		write_frame(trace, &trace->ring[taken % TRACE_RING]);
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

void trace_file_add(struct trace_file *trace, const struct trace_frame *frame)
{
	uint32_t added = trace->added, waiting = added - trace->taken;

	if (waiting == TRACE_RING) {
		trace->lost++;
		return;
	}
	trace->ring[added % TRACE_RING] = *frame;
	trace->added = added + 1;
	if (waiting + 1 == TRACE_RING / 4)
		sem_post(&trace->wanted);
}

void trace_file_flush(struct trace_file *trace)
{
	if (trace->added != trace->taken)
		sem_post(&trace->wanted);
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
