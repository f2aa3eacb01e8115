/* log.c - see log.h. */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_BYTES 1024

/* Levels as syslog numbers them. */
enum { LEVEL_ERROR = 3, LEVEL_WARNING = 4, LEVEL_INFO = 6 };

static const char *level_name(int level)
{
	return level == LEVEL_ERROR ? "error: " : level == LEVEL_WARNING ? "warning: " : "";
}

/*
 * Who reads the log may stop to, and a disk may be full: neither holds up the daemon.  A pipe that polls as writable
 * takes a line whole.
 */
static void put_line(const char *line, size_t size)
{
	static atomic_ulong lost;
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	unsigned long n_lost;
	char note[80];
	ssize_t written;

	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT)) {
		atomic_fetch_add(&lost, 1);
		return;
	}
	n_lost = atomic_exchange(&lost, 0);
	if (n_lost) {
		int n = snprintf(note, sizeof(note), "<%d>warning: %lu lines could not be written\n", LEVEL_WARNING,
				 n_lost);

		written = write(STDERR_FILENO, note, (size_t)n);
		if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT)) {
			atomic_fetch_add(&lost, 1);
			return;
		}
	}
	written = write(STDERR_FILENO, line, size);
	(void)written; /* a log that cannot be written has nowhere to say so */
}

static void log_write(int level, const char *format, va_list arguments)
{
	char line[LOG_LINE_BYTES];
	int start, n;
	size_t size;

	if (isatty(STDERR_FILENO))
		start = snprintf(line, sizeof(line), "inferd: %s", level_name(level));
	else
		start = snprintf(line, sizeof(line), "<%d>%s", level, level_name(level));
	n = vsnprintf(line + start, sizeof(line) - (size_t)start - 1, format, arguments);
	if (n < 0)
		return;
	size = strlen(line);
	for (size_t i = (size_t)start; i < size; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[size++] = '\n';
	put_line(line, size);
}

void log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(LEVEL_ERROR, format, arguments);
	va_end(arguments);
}

void log_warning(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(LEVEL_WARNING, format, arguments);
	va_end(arguments);
}

void log_info(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(LEVEL_INFO, format, arguments);
	va_end(arguments);
}
