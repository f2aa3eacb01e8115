/* tool.c - see tool.h. */
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void tool_error(const char *format, ...)
{
	va_list args;

	fputs("inferd-policy: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

bool tool_helps(int argc, char **argv, const char *usage)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return true;
		}
	}
	return false;
}

/* ---- lines ------------------------------------------------------------------------------------- */

bool tool_lines_open(struct tool_lines *lines, FILE *file, const char *name)
{
	lines->file = file;
	lines->name = name;
	lines->line = 0;
	lines->text = malloc(TOOL_LINE_MAX);
	if (!lines->text)
		tool_error("out of memory");
	return lines->text;
}

void tool_lines_close(struct tool_lines *lines)
{
	free(lines->text);
	lines->text = NULL;
}

bool tool_lines_fail(const struct tool_lines *lines, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "inferd-policy: %s: line %ld: ", lines->name, lines->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

static bool blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!memchr(" \t\r", text[i], 3))
			return false;
	return true;
}

int tool_lines_next(struct tool_lines *lines)
{
	for (;;) {
		size_t length = 0;
		int c;

		lines->line++;
		while ((c = getc(lines->file)) != EOF && c != '\n') {
			if (length == TOOL_LINE_MAX) {
				tool_lines_fail(lines, "longer than %d bytes", TOOL_LINE_MAX);
				return -1;
			}
			lines->text[length++] = (char)c;
		}
		if (c == EOF && ferror(lines->file)) {
			tool_lines_fail(lines, "%s", strerror(errno));
			return -1;
		}
		if (c == EOF && !length)
			return 0;
		if (blank(lines->text, length))
			continue;
		if (json_parse(&lines->json, lines->text, length))
			return 1;
		tool_lines_fail(lines, "%s", lines->json.error);
		return -1;
	}
}

/* ---- values ------------------------------------------------------------------------------------ */

static bool read_number(const struct tool_lines *lines, int node, const char *name, double lo, double hi, double *value)
{
	double number;

	if (node < 0 || json_is(&lines->json, node, JSON_NULL))
		return true;
	if (!json_number(&lines->json, node, &number))
		return tool_lines_fail(lines, "\"%s\" is no number", name);
	if (!(number >= lo && number <= hi))
		return tool_lines_fail(lines, "\"%s\" is %g, not within %g to %g", name, number, lo, hi);
	*value = number;
	return true;
}

bool tool_read_float(const struct tool_lines *lines, int object, const char *name, float lo, float hi, float *value)
{
	double number = (double)*value;

	if (!read_number(lines, json_member(&lines->json, object, name), name, (double)lo, (double)hi, &number))
		return false;
	*value = (float)number;
	return true;
}

bool tool_read_int64(const struct tool_lines *lines, int object, const char *name, int64_t lo, int64_t hi,
		     int64_t *value)
{
	double number = (double)*value;

	if (!read_number(lines, json_member(&lines->json, object, name), name, (double)lo, (double)hi, &number))
		return false;
	*value = (int64_t)number;
	return true;
}

bool tool_read_floats(const struct tool_lines *lines, int node, const char *name, float lo, float hi, float *values,
		      int n)
{
	const struct json *json = &lines->json;
	bool list = json_is(json, node, JSON_ARRAY);
	int count = list ? json->nodes[node].children : 1, at = list ? json_first(json, node) : node;

	for (int i = 0; i < count && i < n; i++) {
		double number = (double)values[i];

		if (!read_number(lines, at, name, (double)lo, (double)hi, &number))
			return false;
		values[i] = (float)number;
		if (list)
			at = json_after(json, at);
	}
	return true;
}

void tool_put_string(FILE *file, const char *text)
{
	putc('"', file);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(file, "\\%c", *c);
		else if (*c < 0x20)
			fprintf(file, "\\u%04x", *c);
		else
			putc(*c, file);
	}
	putc('"', file);
}

/* ---- parameters -------------------------------------------------------------------------------- */

static bool set_param(const struct tool_lines *lines, int name_node, struct policy_params *params)
{
	const struct json *json = &lines->json;
	char name[64], version[POLICY_VERSION_BYTES];
	double value;

	if (!json_string(json, name_node, name, sizeof(name)))
		return tool_lines_fail(lines, "a parameter's name is too long");
	if (strcmp(name, "version") == 0) {
		if (!json_string(json, name_node + 1, version, sizeof(version)) ||
		    !policy_params_set_version(params, version))
			return tool_lines_fail(lines, "\"version\" is no text of letters, digits and .+_- up to %d",
					       POLICY_VERSION_BYTES - 1);
		return true;
	}
	if (!json_number(json, name_node + 1, &value))
		return tool_lines_fail(lines, "\"%s\" is no number", name);
	for (const struct policy_param *row = policy_param_table; row->name; row++) {
		if (strcmp(row->name, name) != 0)
			continue;
		if (policy_params_set(params, name, (float)value))
			return true;
		return tool_lines_fail(lines, "\"%s\" is %g, not within %g to %g", name, value, (double)row->min,
				       (double)row->max);
	}
	return tool_lines_fail(lines, "no parameter is named \"%s\"", name);
}

bool tool_set_params(const struct tool_lines *lines, int object, struct policy_params *params)
{
	const struct json *json = &lines->json;
	int at;

	if (!json_is(json, object, JSON_OBJECT))
		return tool_lines_fail(lines, "the parameters are no object");
	at = json_first(json, object);
	for (int i = 0; i < json->nodes[object].children; i++) {
		if (!set_param(lines, at, params))
			return false;
		at = json_after(json, at + 1);
	}
	return true;
}

bool tool_read_params(const char *path, struct policy_params *params)
{
	FILE *file = fopen(path, "re");
	struct tool_lines *lines = malloc(sizeof(*lines));
	bool ok = false;
	size_t length;
	int inner;

	if (!file)
		tool_error("%s: %s", path, strerror(errno));
	else if (!lines)
		tool_error("out of memory");
	else if (tool_lines_open(lines, file, path)) {
		lines->line = 1;
		length = fread(lines->text, 1, TOOL_LINE_MAX, file);
		if (!json_parse(&lines->json, lines->text, length))
			tool_lines_fail(lines, "%s", lines->json.error);
		else
			ok = tool_set_params(lines, (inner = json_member(&lines->json, 0, "policy")) < 0 ? 0 : inner,
					     params);
		tool_lines_close(lines);
	}
	free(lines);
	if (file)
		fclose(file);
	return ok;
}
