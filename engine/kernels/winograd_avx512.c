/* winograd_avx512.c - winograd.inc for AVX-512. */
#define KERNEL(name) name##_avx512
#define LANES	     16
#include "winograd.inc"
