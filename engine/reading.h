/*
 * reading.h - a network's file, and readings of it: graphs made of the file for shapes that it leaves open.
 *
 * What an exporter computes from the shapes of inputs is computed while a file is read, so another shape is another
 * reading.  Readings share the packed weights that are equal.
 */
#ifndef INFERD_READING_H
#define INFERD_READING_H

#include "import/import.h"
#include "passes.h"
#include "weights.h"

struct reading {
	struct graph graph;
	struct weights weights;
};

/* Reads the bytes of any format but the engine's own into a graph that was initialised; the caller finishes it. */
int reading_import(const struct import_source *source, struct graph *graph, struct engine_error *ret_error);

/* -ENOTSUP, and a sentence that this build does not read the format. */
int reading_left_out(const char *format, struct engine_error *ret_error);

/* The error's sentence with the file in front: those of the readers speak of nodes. */
void reading_name_error(struct engine_error *error, const char *name);

/*
 * The network at source->shapes, simplified.  pool outlives it.  0, or what the reader refuses; ret_error names file
 * and node.
 */
int reading_create(const struct import_source *source, enum passes_purpose purpose, struct weights_pool *pool,
		   struct engine_error *ret_error, struct reading **ret_reading);
void reading_destroy(struct reading *reading); /* accepts NULL */

/* Lets go of constants that no step of the plan made of it reads: they are packed, and shared. */
void reading_trim(struct reading *reading);

#endif
