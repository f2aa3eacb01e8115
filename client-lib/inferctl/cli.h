/*
 * cli.h - what the commands of inferctl share: global options, exit statuses, reading of numbers.
 */
#ifndef INFERCTL_CLI_H
#define INFERCTL_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "client-lib/inferd.h"

enum exit_status { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

struct cli {
	const char *socket; /* NULL: the library's default */
	bool json;
};

/* Long options every command takes, at the end of its table; cli_option() handles them. */
#define CLI_OPTIONS                                                                                                    \
	{"socket", required_argument, NULL, 'S'}, {"json", no_argument, NULL, 'J'}, {"help", no_argument, NULL, 'h'},  \
	{                                                                                                              \
		NULL, 0, NULL, 0                                                                                       \
	}

/*
 * Handles an option that is not the command's own.  -1: go on; otherwise the exit status: help was asked for and
 * printed, or the option is not known (getopt has said so).
 */
int cli_option(struct cli *cli, int option, const char *help);

/*
 * All options of a command whose only one of its own is a flag, and which takes no arguments.  -1: go on, *ret_set says
 * whether the flag was given; otherwise the exit status.
 */
int cli_flag(struct cli *cli, int argc, char **argv, const char *flag, const char *help, bool *ret_set);

/* Complains on stderr, in the form "inferctl COMMAND: ...". */
__attribute__((format(printf, 1, 2))) void cli_complain(const char *format, ...);
int cli_misuse(const char *help); /* prints the usage line on stderr; EXIT_USAGE */

/* The whole text as a number within low..high; complains when it is not. */
bool cli_number(const char *option, const char *text, double low, double high, double *ret_value);
bool cli_whole(const char *option, const char *text, uint32_t low, uint32_t high, uint32_t *ret_value);

/* Connects and complains when that fails; NULL then. */
struct inferd *cli_connect(const struct cli *cli);

/* Prints a text as a JSON string, or number with a point; NULL as null. */
void cli_json_text(const char *text);
void cli_json_number(double value, int decimals);

int cmd_run(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_models(struct cli *cli, int argc, char **argv);
int cmd_stats(struct cli *cli, int argc, char **argv);
int cmd_reload(struct cli *cli, int argc, char **argv);
int cmd_top(struct cli *cli, int argc, char **argv);
int cmd_report(struct cli *cli, int argc, char **argv);
int cmd_bench(struct cli *cli, int argc, char **argv);
int cmd_calibrate(struct cli *cli, int argc, char **argv);
int cmd_gallery(struct cli *cli, int argc, char **argv);

#endif
