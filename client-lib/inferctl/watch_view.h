/*
 * watch_view.h - what `inferctl watch` shows of the answers: on a terminal a small panel that is drawn anew in place,
 * elsewhere a line for each frame; and the sums at the end.
 *
 * Reads no clock and asks no terminal: times and sizes are given.
 */
#ifndef INFERCTL_WATCH_VIEW_H
#define INFERCTL_WATCH_VIEW_H

#include <stdio.h>

#include "feed.h"

#define WATCH_LINES_MAX	 8
#define WATCH_LINE_BYTES 512
#define WATCH_TIMES	 64 /* of answers, for the rate */
#define WATCH_STATUSES	 (INFERD_LOST + 1)

struct watch_view {
	/* Set by the caller, the rest zero. */
	FILE *out;
	bool panel;
	int columns;	      /* of the panel */
	uint32_t deadline_us; /* an answer that took longer is late; 0: none is */

	/* Counted by the caller. */
	uint64_t submitted, broken, missed;
	bool direct; /* no frame was copied */

	uint64_t by_status[WATCH_STATUSES], late, sum_us;
	uint32_t max_us;
	uint64_t began_ns, drawn_ns, times_ns[WATCH_TIMES], n_times;
	char status[WATCH_LINE_BYTES], body[WATCH_LINES_MAX][WATCH_LINE_BYTES];
	int n_body, n_drawn; /* lines of the panel that are on the terminal */
};

/* The answer to a frame that came at this time. */
void watch_view_answer(struct watch_view *view, const struct feed_job *job, const struct inferd_result *result,
		       uint64_t now_ns);
/* Counts the answer and shows nothing. */
void watch_view_count(struct watch_view *view, const struct inferd_result *result, uint64_t now_ns);
/* Something else was printed: the panel goes on below it. */
void watch_view_interrupt(struct watch_view *view);
/* The panel as it is now, and the sums. */
void watch_view_summary(struct watch_view *view, uint64_t now_ns);

#endif
