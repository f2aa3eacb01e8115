/*
 * main.c - inferctl's global options and its list of commands.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const char help[] = "usage: inferctl [--socket PATH] [--json] COMMAND [ARGUMENT...]\n"
			   "\n"
			   "Talks to the inference daemon inferd.\n"
			   "\n"
			   "  run MODEL FILE...   recognise pictures and video\n"
			   "  watch MODEL SOURCE  the same live: video, folders, cameras\n"
			   "  status              the daemon and the device\n"
			   "  models              what is loaded, and the ways it can be run\n"
			   "  stats               what was answered and dropped, and how long it took\n"
			   "  reload              make the daemon take its configuration anew\n"
			   "  top                 what happens now, anew every second\n"
			   "  gallery             names for what is seen: add, list, query, remove\n"
			   "  report --out FILE    a page of what was recorded while serving\n"
			   "  calibrate MODEL     measure every way to run a model on this device, and keep that\n"
			   "  bench MODEL         measure throughput, latency and overhead\n"
			   "\n"
			   "  --socket PATH       default: $INFERD_SOCKET, else /run/inferd/inferd.sock\n"
			   "  --json              one JSON object a line\n"
			   "\n"
			   "inferctl COMMAND --help says more.  Exit status: 0, 1 it failed, 2 called wrongly.\n";

static const struct {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv);
} commands[] = {
	{"run", cmd_run},	{"status", cmd_status},	  {"models", cmd_models},
	{"stats", cmd_stats},	{"reload", cmd_reload},	  {"bench", cmd_bench},
	{"report", cmd_report}, {"top", cmd_top},	  {"calibrate", cmd_calibrate},
	{"watch", cmd_watch},	{"gallery", cmd_gallery},
};

int main(int argc, char **argv)
{
	static const struct option options[] = {CLI_OPTIONS};
	struct cli cli = {0};
	int option;

	/* '+': what follows the command belongs to it. */
	while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		int status = cli_option(&cli, option, help);

		if (status >= 0)
			return status;
	}
	if (optind == argc)
		return cli_misuse(help);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[optind], commands[i].name) == 0) {
			argc -= optind;
			argv += optind;
			optind = 0; /* starts getopt anew */
			return commands[i].run(&cli, argc, argv);
		}
	}
	cli_complain("there is no command '%s'", argv[optind]);
	return cli_misuse(help);
}
