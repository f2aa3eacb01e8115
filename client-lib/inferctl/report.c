/*
 * report.c - inferctl report.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "field.h"
#include "json.h"
#include "report_page.h"

#define TIMEOUT_MS     10000
#define DEFAULT_RECORD "/var/lib/inferd/record.db"

static const char help[] =
	"usage: inferctl report --out FILE.html [RECORD.db...]\n"
	"\n"
	"Draws field records as one page that needs nothing else: distributions by rung, a timeline, what was predicted and\n"
	"measured, where the time goes, and why.  Several records are merged, exactly.\n"
	"\n"
	"  --out FILE   the page; '-' for stdout\n"
	"\n"
	"Without records: that of the daemon, which is asked where it is, or " DEFAULT_RECORD ".\n";

/* Where the daemon that answers keeps its record; NULL when none answers or it keeps none.  Freed by the caller. */
static char *ask_daemon(const struct cli *cli)
{
	const char *environment = getenv("INFERD_SOCKET");
	const char *path = cli->socket			 ? cli->socket
			   : environment && *environment ? environment
							 : "/run/inferd/inferd.sock";
	struct inferd *client;
	struct json *status = NULL;
	const struct json *file;
	char *text, *found = NULL;

	/* It need not run for its record to be read. */
	if (inferd_connect(path, "inferctl", &client) < 0)
		return NULL;
	if (inferd_query(client, "status", TIMEOUT_MS, &text) == 0) {
		if (json_parse(text, &status) == 0) {
			file = json_find(json_find(status, "record"), "file");
			if (file && file->text && *file->text)
				found = strdup(file->text);
			json_free(status);
		}
		inferd_text_free(text);
	}
	inferd_close(client);
	return found;
}

static int read_records(const struct cli *cli, char **paths, int n, struct field *field)
{
	struct field_error error = {""};
	char *asked = n ? NULL : ask_daemon(cli);
	char *fallback[] = {asked ? asked : (char *)DEFAULT_RECORD};
	int rc = 0;

	if (!n) {
		paths = fallback;
		n = 1;
	}
	for (int i = 0; i < n && rc == 0; i++)
		rc = field_read(field, paths[i], &error);
	if (rc < 0)
		cli_complain("%s", error.text);
	free(asked);
	return rc;
}

/* Beside its place and then into it, so that nobody ever sees half a page. */
static int write_page(const struct field *field, const char *path)
{
	char beside[4096];
	FILE *file;
	int rc = 0, fd;

	if (!strcmp(path, "-")) {
		report_page(field, stdout);
		return fflush(stdout) == 0 ? 0 : -errno;
	}
	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = mkstemp(beside);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file)
		return -errno;
	report_page(field, file);
	if (ferror(file) || fchmod(fd, 0644) < 0)
		rc = -EIO;
	if (fclose(file) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(beside, path) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(beside);
	return rc;
}

static int make_report(const struct cli *cli, const char *out, char **paths, int n)
{
	struct field *field = field_create();
	int rc;

	if (!field) {
		cli_complain("out of memory");
		return EXIT_FAILED;
	}
	rc = read_records(cli, paths, n, field);
	if (rc == 0) {
		rc = write_page(field, out);
		if (rc < 0)
			cli_complain("%s cannot be written: %s", out, strerror(-rc));
	}
	field_destroy(field);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

int cmd_report(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"out", required_argument, NULL, 'o'}, CLI_OPTIONS};
	const char *out = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
		int status = -1;

		if (option == 'o')
			out = optarg;
		else
			status = cli_option(cli, option, help);
		if (status >= 0)
			return status;
	}
	if (!out) {
		cli_complain("report needs --out FILE.html");
		return cli_misuse(help);
	}
	return make_report(cli, out, argv + optind, argc - optind);
}
