/* json.c - see json.h. */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct json *json;
	size_t at, length;
	int depth;
};

static bool fail(struct reader *r, const char *what)
{
	if (!r->json->error[0])
		snprintf(r->json->error, sizeof(r->json->error), "%s at byte %zu", what, r->at + 1);
	return false;
}

static bool more(const struct reader *r)
{
	return r->at < r->length;
}

static char peek(const struct reader *r)
{
	return more(r) ? r->json->text[r->at] : '\0';
}

static void skip_space(struct reader *r)
{
	while (more(r) && strchr(" \t\r\n", peek(r)) && peek(r))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	if (!more(r) || peek(r) != c)
		return false;
	r->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool digits(struct reader *r)
{
	if (!is_digit(peek(r)))
		return fail(r, "a digit is missing");
	while (is_digit(peek(r)))
		r->at++;
	return true;
}

static bool scan_number(struct reader *r)
{
	take(r, '-');
	if (!take(r, '0') && !digits(r))
		return false;
	if (take(r, '.') && !digits(r))
		return false;
	if (peek(r) == 'e' || peek(r) == 'E') {
		r->at++;
		if (peek(r) == '+' || peek(r) == '-')
			r->at++;
		return digits(r);
	}
	return true;
}

static int hex_digit(char c)
{
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool scan_escape(struct reader *r)
{
	if (take(r, 'u')) {
		for (int i = 0; i < 4; i++, r->at++)
			if (hex_digit(peek(r)) < 0)
				return fail(r, "an escape is not four hexadecimal digits");
		return true;
	}
	if (!more(r) || !peek(r) || !strchr("\"\\/bfnrt", peek(r)))
		return fail(r, "an unknown escape");
	r->at++;
	return true;
}

/* After the opening quote, to behind the closing one. */
static bool scan_string(struct reader *r)
{
	while (more(r)) {
		char c = r->json->text[r->at++];

		if (c == '"')
			return true;
		if ((unsigned char)c < 0x20)
			return fail(r, "a control character in a string");
		if (c == '\\' && !scan_escape(r))
			return false;
	}
	return fail(r, "a string does not end");
}

static bool scan_word(struct reader *r, const char *word)
{
	size_t length = strlen(word);

	if (r->length - r->at < length || memcmp(r->json->text + r->at, word, length) != 0)
		return fail(r, "no value");
	r->at += length;
	return true;
}

static bool read_value(struct reader *r);

static bool read_member_name(struct reader *r)
{
	skip_space(r);
	if (peek(r) != '"')
		return fail(r, "a name in quotes is due");
	if (!read_value(r))
		return false;
	skip_space(r);
	return take(r, ':') || fail(r, "a colon is missing");
}

/* Behind the opening bracket. */
static bool read_children(struct reader *r, int node, char close, bool named)
{
	skip_space(r);
	if (take(r, close))
		return true;
	if (r->depth >= JSON_DEPTH_MAX)
		return fail(r, "nested too deeply");
	r->depth++;
	do {
		if (named && !read_member_name(r))
			return false;
		if (!read_value(r))
			return false;
		r->json->nodes[node].children++;
		skip_space(r);
	} while (take(r, ','));
	r->depth--;
	return take(r, close) || fail(r, "a comma or a closing bracket is missing");
}

static bool read_by_type(struct reader *r, int index)
{
	struct json_node *node = &r->json->nodes[index];

	switch (peek(r)) {
	case '{':
		r->at++;
		node->type = JSON_OBJECT;
		return read_children(r, index, '}', true);
	case '[':
		r->at++;
		node->type = JSON_ARRAY;
		return read_children(r, index, ']', false);
	case '"':
		r->at++;
		node->type = JSON_STRING;
		return scan_string(r);
	case 't':
	case 'f':
		node->type = JSON_BOOL;
		return scan_word(r, peek(r) == 't' ? "true" : "false");
	case 'n':
		node->type = JSON_NULL;
		return scan_word(r, "null");
	default:
		node->type = JSON_NUMBER;
		if (peek(r) != '-' && !is_digit(peek(r)))
			return fail(r, "no value");
		return scan_number(r);
	}
}

static bool read_value(struct reader *r)
{
	int index = r->json->n_nodes;
	struct json_node *node = &r->json->nodes[index];

	skip_space(r);
	if (index >= JSON_NODES_MAX)
		return fail(r, "too many values");
	r->json->n_nodes++;
	*node = (struct json_node){.start = (uint32_t)r->at};
	if (!read_by_type(r, index))
		return false;
	node->length = (uint32_t)r->at - node->start;
	if (node->type == JSON_STRING) {
		node->start++;
		node->length -= 2;
	}
	node->after = r->json->n_nodes;
	return true;
}

bool json_parse(struct json *json, const char *text, size_t length)
{
	struct reader r = {json, 0, length, 0};

	json->text = text;
	json->n_nodes = 0;
	json->error[0] = '\0';
	if (length > UINT32_MAX / 2)
		return fail(&r, "too long");
	if (!read_value(&r))
		return false;
	skip_space(&r);
	return !more(&r) || fail(&r, "something follows the value");
}

int json_first(const struct json *json, int node)
{
	return json_is(json, node, JSON_ARRAY) || json_is(json, node, JSON_OBJECT) ? node + 1 : -1;
}

int json_after(const struct json *json, int node)
{
	return json->nodes[node].after;
}

bool json_is(const struct json *json, int node, enum json_type type)
{
	return node >= 0 && node < json->n_nodes && json->nodes[node].type == type;
}

bool json_is_true(const struct json *json, int node)
{
	return json_is(json, node, JSON_BOOL) && json->text[json->nodes[node].start] == 't';
}

bool json_equals(const struct json *json, int node, const char *text)
{
	return json_is(json, node, JSON_STRING) && json->nodes[node].length == strlen(text) &&
	       memcmp(json->text + json->nodes[node].start, text, strlen(text)) == 0;
}

int json_member(const struct json *json, int object, const char *name)
{
	int at;

	if (!json_is(json, object, JSON_OBJECT))
		return -1;
	at = json_first(json, object);
	for (int i = 0; i < json->nodes[object].children; i++) {
		if (json_equals(json, at, name))
			return at + 1;
		at = json_after(json, at + 1);
	}
	return -1;
}

bool json_number(const struct json *json, int node, double *ret_number)
{
	char text[64];

	if (!json_is(json, node, JSON_NUMBER))
		return false;
	/* Digits beyond these change nothing that is read here, but an exponent behind them would. */
	if (json->nodes[node].length >= sizeof(text))
		return false;
	memcpy(text, json->text + json->nodes[node].start, json->nodes[node].length);
	text[json->nodes[node].length] = '\0';
	*ret_number = strtod(text, NULL);
	return true;
}

static unsigned hex4(const char *text)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 4 | (unsigned)hex_digit(text[i]);
	return value;
}

/* A character as UTF-8; how many bytes.  0 for a zero and for half of a surrogate pair. */
static size_t encode(unsigned c, char out[4])
{
	if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* One escape behind its backslash, of text that the scan has checked; how many bytes it takes, 0 where it is bad. */
static size_t unescape(const char *text, const char *end, char out[4], size_t *ret_out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	unsigned c;

	if (text[0] != 'u') {
		out[0] = values[strchr(names, text[0]) - names];
		*ret_out = 1;
		return 1;
	}
	c = hex4(text + 1);
	if (c >= 0xd800 && c < 0xdc00 && end - text >= 11 && text[5] == '\\' && text[6] == 'u') {
		unsigned low = hex4(text + 7);

		if (low >= 0xdc00 && low < 0xe000) {
			*ret_out = encode(0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), out);
			return 11;
		}
	}
	*ret_out = encode(c, out);
	return *ret_out ? 5 : 0;
}

bool json_string(const struct json *json, int node, char *ret_text, size_t size)
{
	const char *at, *end;
	size_t n = 0;

	if (!json_is(json, node, JSON_STRING))
		return false;
	at = json->text + json->nodes[node].start;
	end = at + json->nodes[node].length;
	while (at < end) {
		char out[4] = {*at++};
		size_t count = 1;

		if (out[0] == '\\') {
			size_t taken = unescape(at, end, out, &count);

			if (!taken)
				return false;
			at += taken;
		}
		if (n + count >= size)
			return false;
		memcpy(ret_text + n, out, count);
		n += count;
	}
	ret_text[n] = '\0';
	return true;
}
