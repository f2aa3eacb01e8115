/*
 * result_view.h - prints the answer to a frame on stdout: for programs as one line of JSON, or for people.
 */
#ifndef INFERCTL_RESULT_VIEW_H
#define INFERCTL_RESULT_VIEW_H

#include "feed.h"

#define RESULT_BAR_BYTES (20 * 3 + 1) /* twenty cells of three bytes each in UTF-8 */

void result_print_json(const struct stream_options *options, const struct feed_job *job,
		       const struct inferd_result *result);
void result_print(const struct feed_job *job, const struct inferd_result *result);

/* A share of 0..1 as a bar of twenty cells. */
void result_bar(float score, char ret_bar[RESULT_BAR_BYTES]);

#endif
