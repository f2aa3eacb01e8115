/*
 * names.h - how results of a stream with a gallery are shown.
 */
#ifndef INFERCTL_NAMES_H
#define INFERCTL_NAMES_H

#include <stddef.h>

#include "client-lib/inferd.h"

#define NAMES_VERDICT_BYTES 96

/* "results":[{"name","score"}...],"name":...,"verdict":... */
void names_json(const struct inferd_result *result);
/* A sentence, in the buffer. */
const char *names_verdict(const struct inferd_result *result, char buffer[NAMES_VERDICT_BYTES]);

#endif
