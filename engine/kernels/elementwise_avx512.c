/* elementwise_avx512.c - elementwise.inc for AVX-512. */
#define KERNEL(name) name##_avx512
#include "elementwise.inc"
