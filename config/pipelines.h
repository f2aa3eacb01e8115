/*
 * pipelines.h - what a pipeline may be made of.
 *
 * A pipeline names other models, which a later file may bring or replace, so this is checked when all are there.
 * Private to config/.
 */
#ifndef INFERD_CONFIG_PIPELINES_H
#define INFERD_CONFIG_PIPELINES_H

#include "schema.h"

/* Keys of a model that a pipeline does not have, because its stages do; NULL at the end. */
extern const char *const pipelines_foreign_keys[];

/* 0 or -EINVAL.  places: where the models were given; NULL: nobody knows. */
int pipelines_check(const struct config *config, const struct places *places, struct config_error *error);

#endif
