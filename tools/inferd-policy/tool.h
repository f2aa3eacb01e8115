/*
 * tool.h - what the commands of inferd-policy share: messages, lines of JSON in and out, parameters from a file.
 */
#ifndef INFERD_POLICY_TOOL_H
#define INFERD_POLICY_TOOL_H

#include <stdbool.h>
#include <stdio.h>

#include "json.h"
#include "policy/policy.h"

/* Exit statuses. */
enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_MISUSED = 2 };

/* The commands; argv[0] is the command's name. */
int tool_drive(int argc, char **argv);
int tool_simulate(int argc, char **argv);
int tool_replay(int argc, char **argv);
int tool_fit(int argc, char **argv);

/* "inferd-policy: ..." on stderr. */
void tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether this argument asks for help, which is then printed. */
bool tool_helps(int argc, char **argv, const char *usage);

/* Lines of a stream, each parsed as JSON; empty ones are left out. */
#define TOOL_LINE_MAX (1 << 20)
struct tool_lines {
	FILE *file;
	const char *name; /* for messages */
	long line;	  /* number of the last one read */
	char *text;
	struct json json;
};
/* False: out of memory, and said so. */
bool tool_lines_open(struct tool_lines *lines, FILE *file, const char *name);
void tool_lines_close(struct tool_lines *lines); /* leaves the file open */
/* 1: a line was read; 0: the end; -1: it was no JSON or too long, and said so with its number. */
int tool_lines_next(struct tool_lines *lines);
/* "inferd-policy: NAME: line N: ..." on stderr; returns false. */
bool tool_lines_fail(const struct tool_lines *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Numbers of an object's members into *value, which keeps what it holds where the member is absent or null.  False:
 * it is no number, or not within lo..hi, and said so.
 */
bool tool_read_float(const struct tool_lines *lines, int object, const char *name, float lo, float hi, float *value);
bool tool_read_int64(const struct tool_lines *lines, int object, const char *name, int64_t lo, int64_t hi,
		     int64_t *value);
/* An array of at most n numbers, or one number for the first; nulls keep what is there. */
bool tool_read_floats(const struct tool_lines *lines, int node, const char *name, float lo, float hi, float *values,
		      int n);

/*
 * Parameters from a file of JSON, which the daemon's configuration accepts too:
 * {"policy": {"version": "tuned-3", "miss_target": 0.01}}, or the inner object alone.  What it leaves out keeps its
 * value.  False: it cannot be read, and said so.
 */
bool tool_read_params(const char *path, struct policy_params *params);
/* The same from an object of a line. */
bool tool_set_params(const struct tool_lines *lines, int object, struct policy_params *params);

/* A JSON string with its quotes. */
void tool_put_string(FILE *file, const char *text);

#endif
