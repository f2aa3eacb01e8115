/*
 * stats.c - inferctl stats.
 */
#include <stdio.h>

#include "prometheus.h"
#include "view.h"

#define TIMEOUT_MS 10000

static const char help[] =
	"usage: inferctl stats [--prometheus] [--json]\n"
	"\n"
	"What was answered and dropped since the daemon started, by model, lane and client, and how long it took.\n"
	"\n"
	"  --prometheus  counters, gauges and summaries in Prometheus' text format\n";

/* A report as a tree; complains and gives NULL when it cannot be had. */
static struct json *query(struct inferd *client, const char *what)
{
	struct json *report = NULL;
	char *text;

	if (inferd_query(client, what, TIMEOUT_MS, &text) < 0) {
		cli_complain("%s", inferd_error(client));
		return NULL;
	}
	if (json_parse(text, &report) < 0)
		cli_complain("the daemon's report is not valid");
	inferd_text_free(text);
	return report;
}

static int print_prometheus(const struct cli *cli)
{
	struct inferd *client = cli_connect(cli);
	struct json *status, *stats;

	if (!client)
		return EXIT_FAILED;
	status = query(client, "status");
	stats = status ? query(client, "stats") : NULL;
	inferd_close(client);
	if (stats)
		prometheus_print(status, stats);
	json_free(status);
	json_free(stats);
	return stats ? EXIT_DONE : EXIT_FAILED;
}

int cmd_stats(struct cli *cli, int argc, char **argv)
{
	bool prometheus;
	int status = cli_flag(cli, argc, argv, "prometheus", help, &prometheus);

	if (status >= 0)
		return status;
	return prometheus ? print_prometheus(cli) : view_report(cli, "stats");
}
