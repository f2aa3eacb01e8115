/* operators.c - inferd-model operators: what can be read, as the table in docs/operators.md. */
#include <string.h>

#include "tool.h"

static void print_heading(const char *format, int n)
{
	printf("\n## %s (%d)\n\n| operator | fast path | not supported |\n|---|---|---|\n", format, n);
}

static int count(const char *format)
{
	struct engine_operator_info info;
	int n = 0;

	for (int i = 0; engine_operator_at(i, &info); i++)
		n += strcmp(info.format, format) == 0;
	return n;
}

int tool_print_operators(void)
{
	struct engine_operator_info info;
	const char *format = "";

	puts("# Operators by format\n\nPrinted by `inferd-model operators`; a test compares. Operators with a fast path take it where the\n"
	     "shapes are those of images and matrices; every other shape that the definition allows runs in the general\n"
	     "operators, which are right and slow. Real numbers of all widths are computed as float32.");
	for (int i = 0; engine_operator_at(i, &info); i++) {
		if (strcmp(info.format, format))
			print_heading(info.format, count(info.format));
		format = info.format;
		printf("| %s | %s | %s |\n", info.name, info.fast ? "yes" : "", info.without);
	}
	return TOOL_DONE;
}
