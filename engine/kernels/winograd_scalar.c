/* winograd_scalar.c - winograd.inc for the compiler's baseline, which has vectors of four (or what stands for them). */
#define KERNEL(name) name##_scalar
#define LANES	     4
#include "winograd.inc"
