/*
 * counted_alloc.h - how much of the heap the code of a test program holds, and has held at most.
 *
 * Calls of all code that is linked statically are led here by the linker's --wrap, which CMakeLists.txt asks for; what
 * shared libraries allocate for themselves is not counted.
 */
#ifndef INFERD_TESTS_COUNTED_ALLOC_H
#define INFERD_TESTS_COUNTED_ALLOC_H

#include <stddef.h>

/* Bytes that are held. */
size_t counted_bytes(void);
/* The most bytes that were held since the last counted_restart(). */
size_t counted_peak_bytes(void);
void counted_restart(void);

#endif
