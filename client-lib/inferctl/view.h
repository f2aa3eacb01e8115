/*
 * view.h - shows a report of the daemon: for people as aligned lists and tables, for programs as it came.
 *
 * Knows nothing about what reports contain: maps become lists of names and values, lists of maps become tables.
 */
#ifndef INFERCTL_VIEW_H
#define INFERCTL_VIEW_H

#include "cli.h"
#include "json.h"

void view_print(const struct json *report);

/* Shows a report as it came.  Returns the exit status. */
int view_text(const struct cli *cli, const char *text);

/* Asks for a report and shows it.  Returns the exit status. */
int view_report(const struct cli *cli, const char *what);

/* A whole command: its options, the query, the report on stdout.  Returns the exit status. */
int view_command(struct cli *cli, int argc, char **argv, const char *what, const char *help);

#endif
