/*
 * trace_file.h - what happened, for replay: a bounded ring, and a thread that writes it to a file.
 *
 * The loop copies entries into the ring and never waits; the thread turns them into lines (trace_entry.h) and writes
 * them.  A file is made of segments, each of which replays without what came before it.  Where an entry could not be
 * written, the rest of its segment is left out, and a new segment is asked for; so it is when the file nears half of
 * its limit.  A segment that begins then goes to a new file, and the old one becomes FILE.1, over an earlier one, so
 * that both together stay within the limit.
 */
#ifndef INFERD_TRACE_FILE_H
#define INFERD_TRACE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "trace_entry.h"

#define TRACE_RING_BYTES (1u << 18) /* a power of two */

struct trace_file;

/*
 * Begins a new file or goes on with the one that is there, less a line that has no end.  The first entry has to begin
 * a segment.  0 or negative errno.
 */
int trace_file_create(const char *path, uint64_t limit_bytes, struct trace_file **ret_trace);
void trace_file_destroy(struct trace_file *trace); /* writes what waits; accepts NULL */

/* From the loop.  Copies; false where there is no room, and nothing was added. */
bool trace_file_add(struct trace_file *trace, const struct trace_head *entry);
/* What waits is to be written now; otherwise that happens when there is much of it. */
void trace_file_flush(struct trace_file *trace);
/* Half of the ring is free: a segment may begin. */
bool trace_file_has_room(const struct trace_file *trace);
/* The thread asks for a new segment; once for each time. */
bool trace_file_wants_segment(struct trace_file *trace);

/* Entries that the thread left out, because the file could not be written or was full. */
uint64_t trace_file_lost(const struct trace_file *trace);

#endif
