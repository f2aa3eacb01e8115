/* elementwise_scalar.c - elementwise.inc for the compiler's baseline. */
#define KERNEL(name) name##_scalar
#define PORTABLE
#include "elementwise.inc"
