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

static void print_operators(void)
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
}

int tool_operators(int argc, char **argv)
{
	static const char usage[] =
		"usage: inferd-model operators\n\n"
		"Prints every operator of every format as a table in Markdown: whether it has a fast path, and what is not\n"
		"supported.\n";
	bool help = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

	if (argc > 1 && !help) {
		fputs(usage, stderr);
		return TOOL_MISUSED;
	}
	if (help)
		fputs(usage, stdout);
	else
		print_operators();
	return TOOL_DONE;
}
