/*
 * top_view.h - a "top" report of the daemon as lines of text that fit a terminal.
 *
 * Pure: knows no terminal and no clock.  Texts come from clients and configurations: control characters in them are
 * replaced.
 */
#ifndef INFERCTL_TOP_VIEW_H
#define INFERCTL_TOP_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "json.h"

struct top_view {
	int columns, rows; /* rows 0: as many as it takes */
	bool colour;	   /* with escape sequences, each line erased up to its end */
};

/*
 * before: the report of a moment ago, from which the use of lanes is computed; NULL: none.  The last line ends with a
 * newline only where rows is 0.
 */
void top_view_print(const struct top_view *view, const struct json *report, const struct json *before, FILE *out);

#endif
