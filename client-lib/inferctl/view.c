/*
 * view.c - see view.h.
 */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX	 48
#define PATH_MAX_BYTES	 96
#define QUERY_TIMEOUT_MS 10000

struct columns {
	char path[COLUMNS_MAX][PATH_MAX_BYTES]; /* "name", or "ms.p50" of a map within the row */
	int width[COLUMNS_MAX];
	bool number[COLUMNS_MAX];
	int count;
};

static void print_value(const struct json *value, int indent);

static bool is_scalar(const struct json *value)
{
	return value->kind != JSON_ARRAY && value->kind != JSON_OBJECT;
}

/* A list whose items are all plain, which is shown on one line. */
static bool is_plain(const struct json *value)
{
	if (value->kind == JSON_OBJECT)
		return false;
	for (const struct json *item = value->first; item; item = item->next)
		if (!is_scalar(item))
			return false;
	return true;
}

/* Columns on the terminal: code points. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

/* Control characters of a text must not reach the terminal. */
static void add_clean(char *to, size_t capacity, const char *text)
{
	size_t used = strlen(to);

	for (; *text && used + 1 < capacity; text++)
		to[used++] = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
	to[used] = 0;
}

static void plain_text(const struct json *value, char *to, size_t capacity)
{
	to[0] = 0;
	if (is_scalar(value)) {
		add_clean(to, capacity, value->kind == JSON_NULL ? "-" : value->text);
		return;
	}
	for (const struct json *item = value->first; item; item = item->next) {
		add_clean(to, capacity, item->text ? item->text : "-");
		if (item->next)
			add_clean(to, capacity, " ");
	}
}

/* ---- tables -------------------------------------------------------------------------------------- */

static void add_column(struct columns *columns, const char *path, const struct json *value)
{
	char text[256];
	int i = 0, width;

	while (i < columns->count && strcmp(columns->path[i], path) != 0)
		i++;
	if (i == COLUMNS_MAX)
		return;
	if (i == columns->count) {
		columns->count++;
		snprintf(columns->path[i], PATH_MAX_BYTES, "%s", path);
		columns->width[i] = width_of(path);
		columns->number[i] = true;
	}
	plain_text(value, text, sizeof(text));
	width = width_of(text);
	if (width > columns->width[i])
		columns->width[i] = width;
	if (value->kind != JSON_NUMBER && value->kind != JSON_NULL)
		columns->number[i] = false;
}

/* Maps within the row become columns of their own; lists of maps are left for later. */
static void collect_columns(struct columns *columns, const struct json *row, const char *prefix)
{
	for (const struct json *cell = row->first; cell; cell = cell->next) {
		char path[PATH_MAX_BYTES];

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", cell->key);
		if (is_plain(cell))
			add_column(columns, path, cell);
		else if (cell->kind == JSON_OBJECT)
			collect_columns(columns, cell, path);
	}
}

static const struct json *find_cell(const struct json *row, const char *path)
{
	const struct json *cell = json_find(row, path);
	const char *point = strchr(path, '.');
	char key[PATH_MAX_BYTES];

	if (cell || !point)
		return cell;
	snprintf(key, sizeof(key), "%.*s", (int)(point - path), path);
	return find_cell(json_find(row, key), point + 1);
}

static void print_cell(const struct columns *columns, int i, const char *text)
{
	int padding = columns->width[i] - width_of(text);

	if (columns->number[i])
		printf("%*s%s", padding, "", text);
	else
		printf("%s%*s", text, i + 1 < columns->count ? padding : 0, "");
	fputs(i + 1 < columns->count ? "  " : "\n", stdout);
}

static void print_table(const struct json *rows, int indent)
{
	struct columns columns = {.count = 0};

	for (const struct json *row = rows->first; row; row = row->next)
		collect_columns(&columns, row, "");
	printf("%*s", columns.count ? indent : 0, "");
	for (int i = 0; i < columns.count; i++)
		print_cell(&columns, i, columns.path[i]);
	for (const struct json *row = rows->first; row; row = row->next) {
		printf("%*s", columns.count ? indent : 0, "");
		for (int i = 0; i < columns.count; i++) {
			const struct json *cell = find_cell(row, columns.path[i]);
			char text[256] = "";

			if (cell && is_plain(cell))
				plain_text(cell, text, sizeof(text));
			print_cell(&columns, i, text);
		}
	}
	for (const struct json *row = rows->first; row; row = row->next) {
		const struct json *name = row->first;

		for (const struct json *cell = row->first; cell; cell = cell->next) {
			char title[256] = "";

			if (cell->kind != JSON_ARRAY || is_plain(cell))
				continue;
			if (name && is_plain(name))
				plain_text(name, title, sizeof(title));
			printf("\n%*s%s: %s\n", indent, "", title, cell->key);
			print_value(cell, indent + 2);
		}
	}
}

/* ---- maps ---------------------------------------------------------------------------------------- */

static void print_object(const struct json *object, int indent)
{
	int width = 0;
	bool first = true;

	for (const struct json *item = object->first; item; item = item->next)
		if (is_plain(item) && width_of(item->key) > width)
			width = width_of(item->key);
	for (const struct json *item = object->first; item; item = item->next) {
		char text[1024];

		if (!is_plain(item))
			continue;
		plain_text(item, text, sizeof(text));
		printf("%*s%s%*s  %s\n", indent, "", item->key, width - width_of(item->key), "", text);
		first = false;
	}
	for (const struct json *item = object->first; item; item = item->next) {
		if (is_plain(item))
			continue;
		printf("%s%*s%s\n", first ? "" : "\n", indent, "", item->key);
		print_value(item, indent + 2);
		first = false;
	}
}

static bool is_table(const struct json *value)
{
	for (const struct json *item = value->first; item; item = item->next)
		if (item->kind != JSON_OBJECT)
			return false;
	return value->kind == JSON_ARRAY && value->first;
}

static void print_value(const struct json *value, int indent)
{
	char text[1024];

	if (value->kind == JSON_OBJECT) {
		print_object(value, indent);
	} else if (is_table(value)) {
		print_table(value, indent);
	} else if (is_plain(value)) {
		plain_text(value, text, sizeof(text));
		printf("%*s%s\n", indent, "", *text ? text : "none");
	} else {
		for (const struct json *item = value->first; item; item = item->next)
			print_value(item, indent);
	}
}

void view_print(const struct json *report)
{
	print_value(report, 0);
}

/* ---- the command ---------------------------------------------------------------------------------- */

int view_text(const struct cli *cli, const char *text)
{
	struct json *report;

	if (cli->json) {
		puts(text);
		return EXIT_DONE;
	}
	if (json_parse(text, &report) < 0) {
		cli_complain("the daemon's report is not valid");
		return EXIT_FAILED;
	}
	view_print(report);
	json_free(report);
	return EXIT_DONE;
}

int view_report(const struct cli *cli, const char *what)
{
	struct inferd *client = cli_connect(cli);
	int status = EXIT_FAILED;
	char *text;

	if (!client)
		return EXIT_FAILED;
	if (inferd_query(client, what, QUERY_TIMEOUT_MS, &text) < 0) {
		cli_complain("%s", inferd_error(client));
	} else {
		status = view_text(cli, text);
		inferd_text_free(text);
	}
	inferd_close(client);
	return status;
}

int view_command(struct cli *cli, int argc, char **argv, const char *what, const char *help)
{
	static const struct option options[] = {CLI_OPTIONS};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int status = cli_option(cli, option, help);

		if (status >= 0)
			return status;
	}
	return optind == argc ? view_report(cli, what) : cli_misuse(help);
}
