/*
 * cli.c - see cli.h.
 */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_option(struct cli *cli, int option, const char *help)
{
	switch (option) {
	case 'S':
		cli->socket = optarg;
		return -1;
	case 'J':
		cli->json = true;
		return -1;
	case 'h':
		fputs(help, stdout);
		return EXIT_DONE;
	default:
		return cli_misuse(help);
	}
}

int cli_flag(struct cli *cli, int argc, char **argv, const char *flag, const char *help, bool *ret_set)
{
	const struct option options[] = {{flag, no_argument, NULL, 'f'}, CLI_OPTIONS};
	int option;

	*ret_set = false;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int status = -1;

		if (option == 'f')
			*ret_set = true;
		else
			status = cli_option(cli, option, help);
		if (status >= 0)
			return status;
	}
	return optind == argc ? -1 : cli_misuse(help);
}

void cli_complain(const char *format, ...)
{
	va_list arguments;

	fputs("inferctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

int cli_misuse(const char *help)
{
	fprintf(stderr, "%.*s\nTry --help.\n", (int)strcspn(help, "\n"), help);
	return EXIT_USAGE;
}

bool cli_number(const char *option, const char *text, double low, double high, double *ret_value)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= low && value <= high)) {
		cli_complain("%s takes a number within %g..%g, not '%s'", option, low, high, text);
		return false;
	}
	*ret_value = value;
	return true;
}

bool cli_whole(const char *option, const char *text, uint32_t low, uint32_t high, uint32_t *ret_value)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (end == text || *end || *text == '-' || errno || value < low || value > high) {
		cli_complain("%s takes a whole number within %u..%u, not '%s'", option, low, high, text);
		return false;
	}
	*ret_value = (uint32_t)value;
	return true;
}

struct inferd *cli_connect(const struct cli *cli)
{
	const char *environment = getenv("INFERD_SOCKET");
	const char *path = cli->socket			 ? cli->socket
			   : environment && *environment ? environment
							 : "/run/inferd/inferd.sock";
	struct inferd *client;
	int r = inferd_connect(path, "inferctl", &client);

	if (r == 0)
		return client;
	cli_complain("cannot connect to the daemon at %s: %s", path, strerror(-r));
	return NULL;
}

void cli_json_text(const char *text)
{
	if (!text) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			printf("\\u%04x", *c);
		else
			putchar(*c);
	}
	putchar('"');
}

void cli_json_number(double value, int decimals)
{
	if (isfinite(value))
		printf("%.*f", decimals, value);
	else
		fputs("null", stdout);
}
