/*
 * body.h - reads the values of a msgpack body one after the other, without unpacking and without memory.
 *
 * Private to ipc/.  Every read is bounded by the bytes that are there.  What values mean is msg.c's.
 */
#ifndef INFERD_IPC_BODY_H
#define INFERD_IPC_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum body_kind { BODY_NIL, BODY_BOOL, BODY_UINT, BODY_INT, BODY_FLOAT, BODY_TEXT, BODY_BYTES, BODY_ARRAY, BODY_MAP };

struct body_cursor {
	const uint8_t *at, *end;
};

struct body_value {
	enum body_kind kind;
	union {
		uint64_t u; /* BODY_UINT, BODY_BOOL */
		int64_t i;  /* BODY_INT: negative */
		double f;
	} as;
	const uint8_t *bytes; /* BODY_TEXT, BODY_BYTES: `count` of them, inside the body */
	uint32_t count;	      /* bytes, items of an array, or pairs of a map */
};

/*
 * Reads a value; of a container its header only, the items follow.  Returns NULL, or a constant sentence when
 * the body ends inside the value or the type is not one of the protocol's.
 */
const char *body_next(struct body_cursor *cursor, struct body_value *ret_value);

/* Passes over one value with all that it contains.  The body must have been checked. */
void body_skip(struct body_cursor *cursor);

/* Values that a container's header announces: pairs of a map count twice. */
uint64_t body_items(const struct body_value *value);

#endif
