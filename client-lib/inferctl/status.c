/*
 * status.c - inferctl status.
 */
#include "view.h"

int cmd_status(struct cli *cli, int argc, char **argv)
{
	static const char help[] = "usage: inferctl status [--json]\n"
				   "\n"
				   "The daemon, its lanes, sensors, clients and streams.\n";

	return view_command(cli, argc, argv, "status", help);
}
