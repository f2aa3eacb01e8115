/* elementwise_avx2.c - elementwise.inc for AVX2. */
#define KERNEL(name) name##_avx2
#include "elementwise.inc"
