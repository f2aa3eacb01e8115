/*
 * json.h - reads one JSON text into a tree, for showing the daemon's reports to people.
 *
 * Depth and size are bounded.  It does not write JSON.
 */
#ifndef INFERCTL_JSON_H
#define INFERCTL_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_kind kind;
	char *key;	    /* within an object */
	char *text;	    /* of texts; of numbers and bools as they were written */
	struct json *first; /* items */
	struct json *next;  /* sibling */
};

/* 0, -EINVAL not JSON, -ENOMEM. */
int json_parse(const char *text, struct json **ret_root);
void json_free(struct json *root); /* accepts NULL */

const struct json *json_find(const struct json *object, const char *key); /* NULL: not there */

#endif
