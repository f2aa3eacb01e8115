/*
 * json.c - see json.h.
 */
#include "json.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

struct parser {
	const char *at;
	int depth;
	int error;
};

static struct json *parse_value(struct parser *parser);

static void skip_space(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\r\n");
}

static void fail(struct parser *parser, int error)
{
	if (!parser->error)
		parser->error = error;
}

static bool expect(struct parser *parser, char c)
{
	skip_space(parser);
	if (*parser->at != c) {
		fail(parser, -EINVAL);
		return false;
	}
	parser->at++;
	return true;
}

static char *put_utf8(char *to, uint32_t code)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	return to;
}

/* Four hex digits; surrogate pairs, which the daemon never writes, become two replacement characters. */
static bool parse_code(const char *digits, uint32_t *ret_code)
{
	uint32_t code = 0;

	for (int i = 0; i < 4; i++) {
		const char *hex = "0123456789abcdef", *found;

		found = digits[i] ? strchr(hex, digits[i] | (digits[i] >= 'A' ? 0x20 : 0)) : NULL;
		if (!found)
			return false;
		code = code << 4 | (uint32_t)(found - hex);
	}
	*ret_code = code >= 0xd800 && code < 0xe000 ? 0xfffd : code;
	return true;
}

/* The position is behind the opening quote.  What is read never gets longer. */
static char *parse_text(struct parser *parser)
{
	size_t length = 0;
	char *text, *to;
	uint32_t code;

	while (parser->at[length] && parser->at[length] != '"')
		length += parser->at[length] == '\\' && parser->at[length + 1] ? 2 : 1;
	text = to = malloc(length + 1);
	if (!text || !parser->at[length]) {
		fail(parser, text ? -EINVAL : -ENOMEM);
		free(text);
		return NULL;
	}
	for (const char *end = parser->at + length; parser->at < end; parser->at++) {
		static const char escapes[] = "n\nt\tr\rb\bf\f";
		const char *found;

		if (*parser->at != '\\') {
			*to++ = *parser->at;
			continue;
		}
		parser->at++;
		found = strchr("ntrbf", *parser->at);
		if (*parser->at == 'u' && end - parser->at > 4 && parse_code(parser->at + 1, &code)) {
			to = put_utf8(to, code ? code : 0xfffd);
			parser->at += 4;
		} else if (found && *found) {
			*to++ = strchr(escapes, *found)[1];
		} else {
			*to++ = *parser->at;
		}
	}
	parser->at++;
	*to = 0;
	return text;
}

static void parse_items(struct parser *parser, struct json *container, char end)
{
	struct json **link = &container->first;

	parser->at++;
	skip_space(parser);
	if (*parser->at == end) {
		parser->at++;
		return;
	}
	while (!parser->error) {
		char *key = NULL;

		if (container->kind == JSON_OBJECT) {
			if (!expect(parser, '"'))
				return;
			key = parse_text(parser);
			if (!key || !expect(parser, ':')) {
				free(key);
				return;
			}
		}
		*link = parse_value(parser);
		if (!*link) {
			free(key);
			return;
		}
		(*link)->key = key;
		link = &(*link)->next;
		skip_space(parser);
		if (*parser->at != ',') {
			expect(parser, end);
			return;
		}
		parser->at++;
	}
}

static void parse_word(struct parser *parser, struct json *value)
{
	size_t length = strspn(parser->at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");

	value->text = strndup(parser->at, length);
	if (!value->text) {
		fail(parser, -ENOMEM);
		return;
	}
	parser->at += length;
	if (strcmp(value->text, "null") == 0)
		value->kind = JSON_NULL;
	else if (strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0)
		value->kind = JSON_BOOL;
	else if (strspn(value->text, "+-.0123456789eE") == length && length)
		value->kind = JSON_NUMBER;
	else
		fail(parser, -EINVAL);
}

static struct json *parse_value(struct parser *parser)
{
	struct json *value = calloc(1, sizeof(*value));

	if (!value || ++parser->depth > DEPTH_MAX) {
		fail(parser, value ? -EINVAL : -ENOMEM);
		free(value);
		return NULL;
	}
	skip_space(parser);
	if (*parser->at == '{' || *parser->at == '[') {
		value->kind = *parser->at == '{' ? JSON_OBJECT : JSON_ARRAY;
		parse_items(parser, value, *parser->at == '{' ? '}' : ']');
	} else if (*parser->at == '"') {
		value->kind = JSON_TEXT;
		parser->at++;
		value->text = parse_text(parser);
	} else {
		parse_word(parser, value);
	}
	parser->depth--;
	return value;
}

int json_parse(const char *text, struct json **ret_root)
{
	struct parser parser = {.at = text};
	struct json *root = parse_value(&parser);

	skip_space(&parser);
	if (!parser.error && *parser.at)
		parser.error = -EINVAL;
	if (parser.error) {
		json_free(root);
		return parser.error;
	}
	*ret_root = root;
	return 0;
}

void json_free(struct json *root)
{
	while (root) {
		struct json *next = root->next;

		json_free(root->first);
		free(root->key);
		free(root->text);
		free(root);
		root = next;
	}
}

const struct json *json_find(const struct json *object, const char *key)
{
	const struct json *item = object && object->kind == JSON_OBJECT ? object->first : NULL;

	while (item && strcmp(item->key, key) != 0)
		item = item->next;
	return item;
}
