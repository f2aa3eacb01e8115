/*
 * caffe_text.h - private to the Caffe importer: the text form of protocol buffers, as a tree.
 *
 * "name: value", "name { ... }", "name: { ... }", lists in [], comments behind #.  The text is not trusted; everything
 * is borrowed from it.
 */
#ifndef INFERD_CAFFE_TEXT_H
#define INFERD_CAFFE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../engine.h"

/* A field: a value, or a message of fields.  Fields of a message follow each other through `next`. */
struct caffe_field {
	const char *name, *value; /* value without quotes; escapes are left as they are */
	size_t name_bytes, value_bytes;
	int first, next; /* indexes; -1 none */
	bool is_message;
};

struct caffe_text {
	struct caffe_field *fields; /* 0 is the whole text */
	int n, cap;
};

/* 0, -EINVAL with a sentence that names the line, -EFBIG, -ENOMEM.  finish accepts a zeroed one and what parse left. */
int caffe_text_parse(const uint8_t *data, size_t size, struct caffe_text *text, struct engine_error *ret_error);
void caffe_text_finish(struct caffe_text *text);

/* The first field of a name in message `at`, or the next one behind `after` (-1: from the start); -1: there is none. */
int caffe_field(const struct caffe_text *text, int at, const char *name, int after);

/* Values of the first field of a name; `otherwise` where there is none or it does not read as one. */
double caffe_number(const struct caffe_text *text, int at, const char *name, double otherwise);
bool caffe_is(const struct caffe_text *text, int at, const char *name, const char *value);
bool caffe_bool(const struct caffe_text *text, int at, const char *name, bool otherwise);
/* All numbers of fields of a name, at most max; their count. */
int caffe_numbers(const struct caffe_text *text, int at, const char *name, int max, double *ret);

#endif
