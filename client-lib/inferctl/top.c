/*
 * top.c - inferctl top.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "top_view.h"

#define TIMEOUT_MS 10000
#define REFRESH_MS 1000

static const char help[] =
	"usage: inferctl top [--json]\n"
	"\n"
	"What the daemon does now: rates and latencies by model and rung, heat, pressure, misses and reasons.\n"
	"Anew every second on a terminal, where q quits; otherwise once.\n"
	"\n"
	"  --json  one object a second, until it is interrupted\n";

/* The one thing that a signal may do to us: ask for the end, so that the terminal is left as it was. */
static volatile sig_atomic_t asked_to_end;

static void on_signal(int number)
{
	asked_to_end = number != SIGWINCH;
}

/* A report as text, freed with inferd_text_free(); NULL after a complaint. */
static char *ask(struct inferd *client)
{
	char *text;

	if (inferd_query(client, "top", TIMEOUT_MS, &text) == 0)
		return text;
	cli_complain("%s", inferd_error(client));
	return NULL;
}

static struct json *ask_tree(struct inferd *client)
{
	char *text = ask(client);
	struct json *report = NULL;

	if (text && json_parse(text, &report) < 0)
		cli_complain("the daemon's report is not valid");
	inferd_text_free(text);
	return report;
}

/* ---- the terminal --------------------------------------------------------------------------------- */

/* Keys come at once and unseen; another screen, so that what was there comes back. */
static bool enter(struct termios *ret_before)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, ret_before) < 0)
		return false;
	raw = *ret_before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?1049h\033[?25l", stdout);
	return true;
}

static void leave(const struct termios *before)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, before);
}

static void draw(const struct json *report, const struct json *before)
{
	struct top_view view = {.columns = 80, .rows = 24, .colour = true};
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
		view.columns = size.ws_col;
		view.rows = size.ws_row;
	}
	fputs("\033[H", stdout);
	top_view_print(&view, report, before, stdout);
	fputs("\033[J", stdout);
	fflush(stdout);
}

/* Waits for the next second, a new size (which wakes it early), or a key; false: q was pressed. */
static bool wait_second(void)
{
	struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;

	if (poll(&keys, 1, REFRESH_MS) <= 0)
		return !asked_to_end;
	return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && !asked_to_end;
}

static int show(struct inferd *client)
{
	struct json *before = NULL, *report = ask_tree(client);
	int status = report ? EXIT_DONE : EXIT_FAILED;
	struct termios terminal;

	if (!report || !enter(&terminal))
		goto out;
	do {
		draw(report, before);
		json_free(before);
		before = report;
	} while (wait_second() && (report = ask_tree(client)));
	leave(&terminal);
	status = report ? EXIT_DONE : EXIT_FAILED;
	report = NULL;
out:
	json_free(report);
	json_free(before);
	return status;
}

/* ---- other outputs -------------------------------------------------------------------------------- */

static int print_once(struct inferd *client)
{
	const struct top_view view = {.columns = 160};
	struct json *report = ask_tree(client);

	if (!report)
		return EXIT_FAILED;
	top_view_print(&view, report, NULL, stdout);
	json_free(report);
	return EXIT_DONE;
}

static int print_lines(struct inferd *client)
{
	char *text;

	while (!asked_to_end && (text = ask(client))) {
		bool gone = puts(text) < 0 || fflush(stdout) != 0;

		inferd_text_free(text);
		if (gone)
			return EXIT_FAILED;
		poll(NULL, 0, REFRESH_MS);
	}
	return asked_to_end ? EXIT_DONE : EXIT_FAILED;
}

int cmd_top(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_OPTIONS};
	const struct sigaction action = {.sa_handler = on_signal}; /* poll() is to be interrupted */
	struct inferd *client;
	int option, status;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		status = cli_option(cli, option, help);
		if (status >= 0)
			return status;
	}
	if (optind != argc)
		return cli_misuse(help);
	client = cli_connect(cli);
	if (!client)
		return EXIT_FAILED;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	if (cli->json)
		status = print_lines(client);
	else
		status = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) ? show(client) : print_once(client);
	inferd_close(client);
	return status;
}
