/*
 * every_level.h - the same check for the kernels of every level that this processor has; what it lacks is said.
 */
#ifndef INFERD_TESTS_EVERY_LEVEL_H
#define INFERD_TESTS_EVERY_LEVEL_H

#include <stdio.h>

#include "engine/kernels/kernels.h"

static inline void for_every_level(int times, void (*check)(const struct kernels *table))
{
	for (const char *const *level = kernels_levels(); *level; level++) {
		const struct kernels *table = kernels_level(*level);

		if (!table)
			fprintf(stderr, "this processor lacks %s\n", *level);
		for (int i = 0; table && i < times; i++)
			check(table);
	}
}

#endif
