/* elementwise_neon.c - elementwise.inc for NEON. */
#define KERNEL(name) name##_neon
#include "elementwise.inc"
