/*
 * cpu.h - what the processor can do.
 */
#ifndef INFERD_KERNELS_CPU_H
#define INFERD_KERNELS_CPU_H

#include <stdbool.h>

/* True when this processor and its system run the named level (the names are in kernels.c). */
bool cpu_has_level(const char *level);

#endif
