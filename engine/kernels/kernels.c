/*
 * kernels.c - the tables: portable C for every entry, overwritten level by level.
 */
#include "kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "levels.h"

/* Lowest first; each builds on those before it that this processor has. */
static const struct {
	const char *name;
	void (*fill)(struct kernels *table);
} levels[] = {
	{"scalar", kernels_scalar},
#if defined(KERNELS_HAVE_AVX2)
	{"avx2", kernels_avx2},
#endif
#if defined(KERNELS_HAVE_AVXVNNI)
	{"avxvnni", kernels_avxvnni},
#endif
#if defined(KERNELS_HAVE_AVX512)
	{"avx512", kernels_avx512},
#endif
#if defined(KERNELS_HAVE_AVX512VNNI)
	{"avx512vnni", kernels_avx512vnni},
#endif
#if defined(KERNELS_HAVE_AMX)
	{"amx", kernels_amx},
#endif
#if defined(KERNELS_HAVE_NEON)
	{"neon", kernels_neon},
#endif
#if defined(KERNELS_HAVE_FP16)
	{"fp16", kernels_fp16},
#endif
#if defined(KERNELS_HAVE_DOTPROD)
	{"dotprod", kernels_dotprod},
#endif
#if defined(KERNELS_HAVE_I8MM)
	{"i8mm", kernels_i8mm},
#endif
};
#define LEVELS (sizeof(levels) / sizeof(*levels))

static const char *names[LEVELS + 1];
static struct kernels tables[LEVELS];
static const struct kernels *best;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Tables of the levels this processor lacks stay empty.  The mask names the highest level that may be used. */
static void make_tables(void)
{
	const char *mask = getenv("INFERD_CPU_MASK");
	bool masked = false;
	size_t filled = 0;

	for (size_t i = 0; i < LEVELS; i++) {
		names[i] = levels[i].name;
		if (cpu_has_level(levels[i].name)) {
			tables[i] = tables[filled];
			filled = i;
			levels[i].fill(&tables[i]);
			tables[i].level = levels[i].name;
			if (!masked)
				best = &tables[i];
		}
		masked = masked || (mask && strcmp(mask, levels[i].name) == 0);
	}
}

const struct kernels *kernels_get(void)
{
	pthread_once(&once, make_tables);
	return best;
}

const struct kernels *kernels_level(const char *level)
{
	pthread_once(&once, make_tables);
	for (size_t i = 0; i < LEVELS; i++)
		if (strcmp(level, levels[i].name) == 0 && tables[i].level)
			return &tables[i];
	return NULL;
}

const char *const *kernels_levels(void)
{
	pthread_once(&once, make_tables);
	return names;
}
