/* pixels_scalar.c - pixels.inc for the compiler's baseline. */
#define KERNEL(name) name##_scalar
#include "pixels.inc"
