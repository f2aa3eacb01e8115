/* winograd_avx2.c - winograd.inc for AVX2. */
#define KERNEL(name) name##_avx2
#define LANES	     8
#include "winograd.inc"
