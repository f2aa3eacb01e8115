/*
 * names.c - see names.h.
 */
#include "names.h"

#include <stdio.h>

#include "cli.h"

static const char *const verdicts[] = {
	[INFERD_VERDICT_NONE] = NULL,
	[INFERD_ABSENT] = "not in the gallery",
	[INFERD_MAYBE] = "maybe",
	[INFERD_SURE] = "sure",
};

static const char *verdict_word(const struct inferd_result *result)
{
	return (unsigned)result->verdict <= INFERD_SURE ? verdicts[result->verdict] : NULL;
}

void names_json(const struct inferd_result *result)
{
	fputs("\"results\":[", stdout);
	for (size_t i = 0; i < result->n_items; i++) {
		fputs(i ? ",{\"name\":" : "{\"name\":", stdout);
		cli_json_text(result->items[i].label);
		fputs(",\"score\":", stdout);
		cli_json_number(result->items[i].score, 6);
		putchar('}');
	}
	fputs("],\"name\":", stdout);
	cli_json_text(*result->name ? result->name : NULL);
	fputs(",\"verdict\":", stdout);
	cli_json_text(verdict_word(result));
}

const char *names_verdict(const struct inferd_result *result, char buffer[NAMES_VERDICT_BYTES])
{
	const char *word = verdict_word(result);

	if (*result->name)
		snprintf(buffer, NAMES_VERDICT_BYTES, "%s: %s", word ? word : "", result->name);
	else
		snprintf(buffer, NAMES_VERDICT_BYTES, "%s", word ? word : "no verdict");
	return buffer;
}
