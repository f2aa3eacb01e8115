/* caffe_text.c - see caffe_text.h. */
#include "caffe_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../graph.h"

#define FIELDS_MAX (1 << 20)
#define DEPTH_MAX  32

struct parser {
	const char *at, *end;
	int line, depth;
	struct caffe_text *text;
	struct engine_error *error;
};

static int fail(const struct parser *p, int code, const char *why)
{
	return graph_error(p->error, code, "line %d of the network's text %s", p->line, why);
}

/* To the next character that says something; '\0' at the end. */
static char peek(struct parser *p)
{
	for (; p->at < p->end; p->at++) {
		if (*p->at == '\n')
			p->line++;
		if (*p->at == '#') {
			while (p->at + 1 < p->end && p->at[1] != '\n')
				p->at++;
			continue;
		}
		if (!isspace((unsigned char)*p->at) && *p->at != ',' && *p->at != ';')
			return *p->at ? *p->at : '?';
	}
	return '\0';
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-' || c == '+';
}

static int new_field(struct parser *p)
{
	struct caffe_text *text = p->text;

	if (text->n == FIELDS_MAX)
		return fail(p, -EFBIG, "has too many fields");
	if (text->n == text->cap) {
		int cap = text->cap ? 2 * text->cap : 256;
		struct caffe_field *fields = realloc(text->fields, (size_t)cap * sizeof(*fields));

		if (!fields)
			return fail(p, -ENOMEM, "finds no memory");
		text->fields = fields;
		text->cap = cap;
	}
	text->fields[text->n] = (struct caffe_field){.first = -1, .next = -1};
	return text->n++;
}

static int parse_message(struct parser *p, int message, char close);

/* A word or a text in quotes. */
static int parse_scalar(struct parser *p, int field)
{
	char quote = peek(p);
	const char *from = p->at;

	if (quote == '"' || quote == '\'') {
		from = ++p->at;
		while (p->at < p->end && *p->at != quote && *p->at != '\n')
			p->at += *p->at == '\\' && p->at + 1 < p->end ? 2 : 1;
		if (p->at >= p->end || *p->at != quote)
			return fail(p, -EINVAL, "has a text without its end");
		p->text->fields[field].value_bytes = (size_t)(p->at++ - from);
	} else {
		while (p->at < p->end && is_word(*p->at))
			p->at++;
		if (p->at == from)
			return fail(p, -EINVAL, "has no value where one belongs");
		p->text->fields[field].value_bytes = (size_t)(p->at - from);
	}
	p->text->fields[field].value = from;
	return 0;
}

static int parse_value(struct parser *p, int field)
{
	char open = peek(p);
	int r;

	if (open != '{' && open != '<')
		return parse_scalar(p, field);
	if (p->depth == DEPTH_MAX)
		return fail(p, -EINVAL, "is nested too deeply");
	p->at++;
	p->depth++;
	p->text->fields[field].is_message = true;
	r = parse_message(p, field, open == '{' ? '}' : '>');
	p->depth--;
	return r;
}

/* Adds a field to a message, behind its last one. */
static int append(struct parser *p, int message, int *last)
{
	int field = new_field(p);

	if (field < 0)
		return field;
	if (*last < 0)
		p->text->fields[message].first = field;
	else
		p->text->fields[*last].next = field;
	*last = field;
	return field;
}

/* A list is as many fields of the name. */
static int parse_list(struct parser *p, int message, int first, int *last)
{
	const struct caffe_field named = p->text->fields[first];
	int field = first, r;

	p->at++;
	while (peek(p) != ']') {
		if (field < 0)
			field = append(p, message, last);
		if (field < 0)
			return field;
		p->text->fields[field].name = named.name;
		p->text->fields[field].name_bytes = named.name_bytes;
		r = parse_value(p, field);
		if (r < 0)
			return r;
		field = -1;
	}
	p->at++;
	return 0;
}

static int parse_field(struct parser *p, int message, int *last)
{
	const char *from = p->at;
	int field = append(p, message, last);

	if (field < 0)
		return field;
	while (p->at < p->end && is_word(*p->at))
		p->at++;
	if (p->at == from)
		return fail(p, -EINVAL, "has a character that does not belong there");
	p->text->fields[field].name = from;
	p->text->fields[field].name_bytes = (size_t)(p->at - from);
	if (peek(p) == ':')
		p->at++;
	else if (peek(p) != '{' && peek(p) != '<')
		return fail(p, -EINVAL, "has a name without a value");
	return peek(p) == '[' ? parse_list(p, message, field, last) : parse_value(p, field);
}

static int parse_message(struct parser *p, int message, char close)
{
	int last = -1, r = 0;

	while (r == 0) {
		char next = peek(p);

		if (next == close) {
			p->at += next != '\0';
			return 0;
		}
		if (next == '\0')
			return fail(p, -EINVAL, "ends within a message");
		r = parse_field(p, message, &last);
	}
	return r;
}

int caffe_text_parse(const uint8_t *data, size_t size, struct caffe_text *text, struct engine_error *ret_error)
{
	struct parser p = {.at = (const char *)data, .line = 1, .text = text, .error = ret_error};
	int root;

	p.end = p.at + size;
	*text = (struct caffe_text){0};
	root = new_field(&p);
	return root < 0 ? root : parse_message(&p, root, '\0');
}

void caffe_text_finish(struct caffe_text *text)
{
	free(text->fields);
	*text = (struct caffe_text){0};
}

/* ---- looking up -------------------------------------------------------------------------------- */

int caffe_field(const struct caffe_text *text, int at, const char *name, int after)
{
	size_t bytes = strlen(name);
	int i = at < 0 ? -1 : after < 0 ? text->fields[at].first : text->fields[after].next;

	for (; i >= 0; i = text->fields[i].next)
		if (text->fields[i].name_bytes == bytes && !memcmp(text->fields[i].name, name, bytes))
			return i;
	return -1;
}

static bool read_number(const struct caffe_field *field, double *ret)
{
	char copy[48], *end;

	if (!field->value || field->value_bytes >= sizeof(copy))
		return false;
	memcpy(copy, field->value, field->value_bytes);
	copy[field->value_bytes] = '\0';
	*ret = strtod(copy, &end);
	return end != copy && (!*end || !strcmp(end, "f"));
}

double caffe_number(const struct caffe_text *text, int at, const char *name, double otherwise)
{
	int field = caffe_field(text, at, name, -1);
	double number;

	return field >= 0 && read_number(&text->fields[field], &number) ? number : otherwise;
}

bool caffe_is(const struct caffe_text *text, int at, const char *name, const char *value)
{
	int field = caffe_field(text, at, name, -1);
	size_t bytes = strlen(value);

	return field >= 0 && text->fields[field].value && text->fields[field].value_bytes == bytes &&
	       !memcmp(text->fields[field].value, value, bytes);
}

bool caffe_bool(const struct caffe_text *text, int at, const char *name, bool otherwise)
{
	if (caffe_field(text, at, name, -1) < 0)
		return otherwise;
	return caffe_is(text, at, name, "true") || caffe_is(text, at, name, "1");
}

int caffe_numbers(const struct caffe_text *text, int at, const char *name, int max, double *ret)
{
	int n = 0;

	for (int i = caffe_field(text, at, name, -1); i >= 0 && n < max; i = caffe_field(text, at, name, i))
		if (read_number(&text->fields[i], &ret[n]))
			n++;
	return n;
}
