/*
 * log.h - the only logger: lines on stderr.
 *
 * On a terminal a line starts with its level in words, otherwise with the prefix by which the journal
 * knows levels ("<6>").  A line is one write, so that lines of two threads do not mix, and never waits: lines that
 * nobody takes are counted and left out.  Control characters are replaced, because parts of a line may come from
 * clients.
 */
#ifndef INFERD_LOG_H
#define INFERD_LOG_H

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
