/*
 * tree.c - YAML through libyaml, within limits.
 *
 * The events are scanned first, so that nothing is built of a text that is too deep, too large, or uses what a
 * configuration has no need of: aliases (a few lines can stand for gigabytes), tags, several documents.
 */
#include "tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16
#define NODES_MAX 20000

/* A long file name must leave room for the cause. */
#define FILE_SHOWN_BYTES 160

int tree_fail(struct config_error *error, const char *file, int line, const char *where, const char *format, ...)
{
	size_t length = strlen(file);
	bool cut = length > FILE_SHOWN_BYTES;
	va_list arguments;
	int n;

	if (!error)
		return -EINVAL;
	n = snprintf(error->text, sizeof(error->text), "%s%s:", cut ? "..." : "",
		     cut ? file + length - FILE_SHOWN_BYTES : file);
	if (line)
		n += snprintf(error->text + n, sizeof(error->text) - (size_t)n, "%d:", line);
	n += snprintf(error->text + n, sizeof(error->text) - (size_t)n, " %s%s", where, *where ? ": " : "");
	if (n < 0 || (size_t)n >= sizeof(error->text))
		return -EINVAL;
	va_start(arguments, format);
	vsnprintf(error->text + n, sizeof(error->text) - (size_t)n, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int line_at(const char *text, size_t size, size_t offset)
{
	int line = 1;

	for (size_t i = 0; i < offset && i < size; i++)
		line += text[i] == '\n';
	return line;
}

static int fail_parser(const yaml_parser_t *parser, const char *file, const char *text, size_t size,
		       struct config_error *error)
{
	const char *problem = parser->problem ? parser->problem : "cause unknown";

	if (parser->error == YAML_MEMORY_ERROR) {
		tree_fail(error, file, 0, "", "out of memory");
		return -ENOMEM;
	}
	/* The reader counts bytes, the others lines. */
	if (parser->error == YAML_READER_ERROR)
		return tree_fail(error, file, line_at(text, size, parser->problem_offset), "", "not UTF-8 text: %s",
				 problem);
	return tree_fail(error, file, (int)parser->problem_mark.line + 1, "", "not YAML: %s%s%s", problem,
			 parser->context ? " " : "", parser->context ? parser->context : "");
}

struct scan {
	int depth;
	int nodes;
	int documents;
};

/* NULL when the event is welcome, else why not. */
static const char *event_refusal(const yaml_event_t *event, struct scan *scan)
{
	const yaml_char_t *tag = NULL;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++scan->documents > 1 ? "a second document" : NULL;
	case YAML_ALIAS_EVENT:
		return "aliases are not taken";
	case YAML_SCALAR_EVENT:
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		tag = event->data.sequence_start.tag;
		scan->depth++;
		break;
	case YAML_MAPPING_START_EVENT:
		tag = event->data.mapping_start.tag;
		scan->depth++;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		scan->depth--;
		return NULL;
	default:
		return NULL;
	}
	if (tag)
		return "tags are not taken";
	if (scan->depth > DEPTH_MAX)
		return "nested too deeply";
	return ++scan->nodes > NODES_MAX ? "too many keys and values" : NULL;
}

static void parser_start(yaml_parser_t *parser, const char *text, size_t size)
{
	yaml_parser_set_input_string(parser, (const unsigned char *)text, size);
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
}

static int scan_events(const char *file, const char *text, size_t size, struct config_error *error)
{
	struct scan scan = {0};
	yaml_parser_t parser;
	bool done = false;
	int rc = 0;

	if (!yaml_parser_initialize(&parser)) {
		tree_fail(error, file, 0, "", "out of memory");
		return -ENOMEM;
	}
	parser_start(&parser, text, size);
	while (!done && !rc) {
		yaml_event_t event;
		const char *why;

		if (!yaml_parser_parse(&parser, &event)) {
			rc = fail_parser(&parser, file, text, size, error);
			break;
		}
		why = event_refusal(&event, &scan);
		if (why)
			rc = tree_fail(error, file, (int)event.start_mark.line + 1, "", "%s", why);
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return rc;
}

int tree_init(struct tree *tree, const char *file, const char *text, size_t size, struct config_error *error)
{
	yaml_parser_t parser;
	int rc = scan_events(file, text, size, error);

	if (rc < 0)
		return rc;
	if (!yaml_parser_initialize(&parser)) {
		tree_fail(error, file, 0, "", "out of memory");
		return -ENOMEM;
	}
	parser_start(&parser, text, size);
	tree->file = file;
	if (!yaml_parser_load(&parser, &tree->document))
		rc = fail_parser(&parser, file, text, size, error);
	yaml_parser_delete(&parser);
	return rc;
}

void tree_finish(struct tree *tree)
{
	yaml_document_delete(&tree->document);
}

/* libyaml's lookups change nothing but do not take const documents. */
const yaml_node_t *tree_root(const struct tree *tree)
{
	return yaml_document_get_root_node((yaml_document_t *)&tree->document);
}

const yaml_node_t *tree_node(const struct tree *tree, int index)
{
	return yaml_document_get_node((yaml_document_t *)&tree->document, index);
}

const yaml_node_t *tree_get(const struct tree *tree, const yaml_node_t *map, const char *key)
{
	size_t length = strlen(key);

	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
		const yaml_node_t *node = tree_node(tree, pair->key);

		if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == length &&
		    !memcmp(node->data.scalar.value, key, length))
			return tree_node(tree, pair->value);
	}
	return NULL;
}

bool tree_is_null(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	return !*text || !strcmp(text, "~") || !strcmp(text, "null");
}

int tree_length(const yaml_node_t *sequence)
{
	return (int)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

int tree_line(const yaml_node_t *node)
{
	return (int)node->start_mark.line + 1;
}

const char *tree_kind(const yaml_node_t *node)
{
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	if (node->type == YAML_MAPPING_NODE)
		return "a group of keys";
	return tree_is_null(node) ? "nothing" : "a single value";
}
