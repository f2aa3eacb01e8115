/*
 * stats.c - inferctl stats.
 */
#include "view.h"

int cmd_stats(struct cli *cli, int argc, char **argv)
{
	static const char help[] =
		"usage: inferctl stats [--json]\n"
		"\n"
		"What was answered and dropped since the daemon started, by model, lane and client, and how long it took.\n";

	return view_command(cli, argc, argv, "stats", help);
}
