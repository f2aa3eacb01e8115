/* winograd_neon.c - winograd.inc for NEON. */
#define KERNEL(name) name##_neon
#define LANES	     4
#include "winograd.inc"
