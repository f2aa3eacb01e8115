/*
 * models.c - inferctl models: what is served, and changes of it.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "view.h"

#define TIMEOUT_MS 120000
/* A load that is under way is waited for, in steps. */
#define BUSY_STEP_MS 100
#define BUSY_STEPS   600

static const char help[] =
	"usage: inferctl models [--json]\n"
	"       inferctl models add|replace FILE\n"
	"       inferctl models remove NAME\n"
	"\n"
	"The models that are loaded, their variants, and the rungs: the ways a frame can be run.\n"
	"\n"
	"  add FILE      serves the models of a file like those in conf.d as well\n"
	"  replace FILE  serves them instead of those of the same names\n"
	"  remove NAME   serves a model no more\n"
	"\n"
	"Changes are for the superuser and the user that the daemon runs as, and last until the next reload or start; a\n"
	"file in conf.d lasts.  What serves goes on until the new is loaded and warm, and no frame is lost.\n";

static int change(const struct cli *cli, const char *how, const char *what)
{
	struct inferd *client = cli_connect(cli);
	char *text = NULL;
	int r;

	if (!client)
		return EXIT_FAILED;
	for (int step = 0; step < BUSY_STEPS; step++) {
		struct timespec rest = {0, BUSY_STEP_MS * 1000000};

		r = inferd_change_models(client, how, what, TIMEOUT_MS, &text);
		if (r != -EBUSY)
			break;
		nanosleep(&rest, NULL);
	}
	if (r < 0)
		cli_complain("%s", inferd_error(client));
	else
		r = view_text(cli, text) == EXIT_DONE ? 0 : -EIO;
	inferd_text_free(text);
	inferd_close(client);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int cmd_models(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_OPTIONS};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int status = cli_option(cli, option, help);

		if (status >= 0)
			return status;
	}
	if (optind == argc)
		return view_report(cli, "models");
	if (argc - optind == 2 &&
	    (!strcmp(argv[optind], "add") || !strcmp(argv[optind], "replace") || !strcmp(argv[optind], "remove")))
		return change(cli, argv[optind], argv[optind + 1]);
	return cli_misuse(help);
}
