/* tensors.h - the tensors of a result on standard output. */
#ifndef INFERD_TENSORS_H
#define INFERD_TENSORS_H

#include "client-lib/inferd.h"

/* `,"tensors":[...]` for within an object, all numbers included; nothing where the result has none. */
void tensors_json(const struct inferd_result *result);
/* A line for each, with the first of its numbers. */
void tensors_print(const struct inferd_result *result);

#endif
