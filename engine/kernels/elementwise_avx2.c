/* elementwise_avx2.c - elementwise.inc for AVX2. */
#define KERNEL(name)		    name##_avx2
#define LINEAR_SUM(n, a, b, q, out) linear_sum_avx2(n, a, b, q, out)
#define WIDEN(n, in, out)	    widen_x86(n, in, out)
#include "half_x86.h"
#include "linear_avx2.h"

#include "elementwise.inc"
