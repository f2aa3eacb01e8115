/* pixels_avx2.c - pixels.inc for AVX2. */
#define KERNEL(name) name##_avx2
#include "pixels.inc"
