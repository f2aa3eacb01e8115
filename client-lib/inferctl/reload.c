/*
 * reload.c - inferctl reload: a new configuration, whole or not at all.
 */
#include <stdio.h>

#include "view.h"

#define RELOAD_TIMEOUT_MS 120000 /* networks are loaded and warmed up meanwhile */

static const char help[] =
	"usage: inferctl reload [--dry-run] [--json]\n"
	"\n"
	"Makes the daemon read its configuration anew, load what it names, and switch over; frames\n"
	"already accepted are answered. Whatever is wrong leaves the running configuration as it is.\n"
	"\n"
	"  --dry-run  only check\n";

static int reload(const struct cli *cli, bool dry_run)
{
	struct inferd *client = cli_connect(cli);
	struct json *report;
	int status = EXIT_FAILED;
	char *text;

	if (!client)
		return EXIT_FAILED;
	if (inferd_query(client, dry_run ? "reload-dry-run" : "reload", RELOAD_TIMEOUT_MS, &text) < 0) {
		cli_complain("the running configuration stays: %s", inferd_error(client));
		goto out;
	}
	if (cli->json) {
		puts(text);
		status = EXIT_DONE;
	} else if (json_parse(text, &report) == 0) {
		puts(dry_run ? "the configuration is valid" : "reloaded");
		view_print(report);
		json_free(report);
		status = EXIT_DONE;
	} else {
		cli_complain("the daemon's report is not valid");
	}
	inferd_text_free(text);
out:
	inferd_close(client);
	return status;
}

int cmd_reload(struct cli *cli, int argc, char **argv)
{
	bool dry_run;
	int status = cli_flag(cli, argc, argv, "dry-run", help, &dry_run);

	if (status >= 0)
		return status;
	return reload(cli, dry_run);
}
