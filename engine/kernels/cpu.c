/*
 * cpu.c - see cpu.h.  The compiler's runtime asks cpuid and checks that the system saves the wide registers.
 */
#include "cpu.h"

#include <string.h>

bool cpu_has_level(const char *level)
{
	if (strcmp(level, "scalar") == 0)
		return true;
#if defined(__x86_64__)
	if (strcmp(level, "avx2") == 0) {
		__builtin_cpu_init();
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	}
#endif
#if defined(__aarch64__)
	/* Part of the architecture. */
	if (strcmp(level, "neon") == 0)
		return true;
#endif
	return false;
}
