/*
 * trace_file.h - one line for every frame, for replay: a bounded ring, and a thread that writes it to a file.
 *
 * The loop copies what a decision saw into the ring and never waits; where the ring is full the frame is counted and
 * left out.  The thread turns frames into lines (trace_line.h) and writes them.  At half of the limit the file becomes
 * FILE.1, over an earlier one, and a new one is begun, so that both together stay within it.
 */
#ifndef INFERD_TRACE_FILE_H
#define INFERD_TRACE_FILE_H

#include <stdint.h>

#include "trace_line.h"

#define TRACE_RING 256 /* frames that wait to be written */

struct trace_file;

/* Begins a new file or goes on with the one that is there.  0 or negative errno. */
int trace_file_create(const char *path, uint64_t limit_bytes, struct trace_file **ret_trace);
void trace_file_destroy(struct trace_file *trace); /* writes what waits; accepts NULL */

/* From the loop.  Copies. */
void trace_file_add(struct trace_file *trace, const struct trace_frame *frame);
/* What waits is to be written now; otherwise that happens when there is much of it. */
void trace_file_flush(struct trace_file *trace);

/* Frames that were left out, because the ring was full or the file could not be written. */
uint64_t trace_file_lost(const struct trace_file *trace);

#endif
