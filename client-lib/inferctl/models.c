/*
 * models.c - inferctl models.
 */
#include "view.h"

int cmd_models(struct cli *cli, int argc, char **argv)
{
	static const char help[] =
		"usage: inferctl models [--json]\n"
		"\n"
		"The models that are loaded, their variants, and the rungs: the ways a frame can be run.\n";

	return view_command(cli, argc, argv, "models", help);
}
