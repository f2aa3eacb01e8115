/* model.h - private: a model that is loaded to be looked into. */
#ifndef INFERD_MODEL_H
#define INFERD_MODEL_H

#include "graph.h"
#include "passes.h"

/* As engine_model_load(), with these passes. */
int model_load(const char *path, enum passes_purpose purpose, struct engine_error *ret_error,
	       struct engine_model **ret_model);

/* Borrowed; does not change any more. */
const struct graph *model_graph(const struct engine_model *model);

#endif
