/*
 * json.h - reads one JSON text of bounded size and depth into nodes that point back into it.
 *
 * Strict as RFC 8259 has it, and safe for any bytes: nothing is read beyond the length given.  The text and the nodes
 * belong to the caller and outlive what is read from them.
 */
#ifndef INFERD_POLICY_JSON_H
#define INFERD_POLICY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_NODES_MAX 4096
#define JSON_DEPTH_MAX 16

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_node {
	enum json_type type;
	uint32_t start, length; /* of its text; of a string what is between the quotes */
	int children;		/* elements, or members: each a string and the value after it */
	int after;		/* index of the node that follows this one and all below it */
};

struct json {
	const char *text;
	int n_nodes;
	struct json_node nodes[JSON_NODES_MAX]; /* the first is the whole text */
	char error[96];				/* where json_parse() failed: what, and at which byte */
};

bool json_parse(struct json *json, const char *text, size_t length);

/* Node of a member's value, or -1: none of that name, or `object` is none (-1 included). */
int json_member(const struct json *json, int object, const char *name);

/* First element of an array, or first name of an object; go on with json_after().  Valid for `children` steps. */
int json_first(const struct json *json, int node);
int json_after(const struct json *json, int node);

bool json_is(const struct json *json, int node, enum json_type type); /* false for -1 */
bool json_is_true(const struct json *json, int node);
bool json_equals(const struct json *json, int node, const char *text); /* a string, escapes not undone */

/* False where the node is no number (-1 included); an overflow is infinite. */
bool json_number(const struct json *json, int node, double *ret_number);

/* A string with its escapes undone, ended by zero; false where it is none, holds a zero or is too long. */
bool json_string(const struct json *json, int node, char *ret_text, size_t size);

#endif
