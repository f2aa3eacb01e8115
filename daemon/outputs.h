/*
 * outputs.h - the outputs of a network told apart by their shapes, for tasks that read several.
 *
 * Owns nothing and allocates nothing.
 */
#ifndef INFERD_OUTPUTS_H
#define INFERD_OUTPUTS_H

#include <stddef.h>

#include "engine/engine.h"

#define OUTPUTS_MAX	   8
#define OUTPUTS_VALUES_MAX (1 << 20) /* elements of all outputs together */
#define OUTPUTS_WHY_BYTES  256

/* An output seen as a table: `columns` is the last axis, `rows` all others together. */
struct output {
	char name[48];
	char shape[40]; /* for errors: "1x896x16" */
	int rows, columns;
};

struct outputs {
	int n;
	struct output output[OUTPUTS_MAX];
};

/* 0; -ENOTSUP with a sentence: more outputs or elements than the limits, or of a type that task_read() does not take.
 */
int outputs_read(const struct engine_plan *plan, struct outputs *ret_outputs, char ret_why[OUTPUTS_WHY_BYTES]);

/* The first output of this shape that lies at or behind `from`; -1: none. */
int outputs_find(const struct outputs *outputs, int from, int rows, int columns);

/* Writes "outputs are NAME 1x2x3, ...; WHO takes WANTED" and returns -EINVAL. */
int outputs_refuse(const struct outputs *outputs, const char *who, const char *wanted, char ret_why[OUTPUTS_WHY_BYTES]);

#endif
