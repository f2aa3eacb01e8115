/* pixels_avx512.c - pixels.inc for AVX-512. */
#define KERNEL(name) name##_avx512
#include "pixels.inc"
