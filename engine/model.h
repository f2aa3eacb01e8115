/* model.h - private: a model that is loaded to be looked into. */
#ifndef INFERD_MODEL_H
#define INFERD_MODEL_H

#include "graph.h"
#include "mapping.h"
#include "passes.h"

/* A network's file, and that of its weights for formats of two, else zeroed; both are the caller's. */
int model_map(const char *path, struct engine_error *ret_error, struct mapping *ret_file, struct mapping *ret_weights);

/* As engine_model_load(), with these passes. */
int model_load(const char *path, enum passes_purpose purpose, struct engine_error *ret_error,
	       struct engine_model **ret_model);

/* The same of files of model_map(), consumed on success. */
int model_load_mapped(const char *path, enum passes_purpose purpose, struct mapping *file, struct mapping *weights,
		      struct engine_error *ret_error, struct engine_model **ret_model);

/* Whether it can be written as a file of the engine's own that stands for it: it is none, has one size and one file. */
bool model_is_packable(const struct engine_model *model);

/* Borrowed; does not change any more. */
const struct graph *model_graph(const struct engine_model *model);

#endif
