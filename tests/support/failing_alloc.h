/*
 * failing_alloc.h - makes one allocation of another process fail, the one it is told to.
 *
 * The process is started with the library of failing_alloc.c preloaded and the path of a file in FAILING_ALLOC, through
 * which it is told.  glibc only; not together with sanitizers, which bring allocators of their own.
 */
#ifndef INFERD_FAILING_ALLOC_H
#define INFERD_FAILING_ALLOC_H

#include <stdatomic.h>

struct failing_alloc {
	atomic_long left;  /* the allocation that brings this to 0 fails; 0: none does */
	atomic_long count; /* allocations so far */
};

#endif
