/* log.c - see log.h. */
#include "log.h"

#include <stdarg.h>
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

static void log_write(int level, const char *format, va_list arguments)
{
	char line[LOG_LINE_BYTES];
	int start, n;
	size_t size;
	ssize_t written;

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
	written = write(STDERR_FILENO, line, size);
	(void)written; /* a log that cannot be written has nowhere to say so */
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
