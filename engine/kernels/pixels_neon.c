/* pixels_neon.c - pixels.inc for NEON. */
#define KERNEL(name) name##_neon
#include "pixels.inc"
