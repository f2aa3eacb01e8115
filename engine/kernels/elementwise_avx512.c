/* elementwise_avx512.c - elementwise.inc for AVX-512. */
#define KERNEL(name)		    name##_avx512
#define SIGMOID(n, in, out)	    sigmoid_avx512(false, n, in, out)
#define SILU(n, in, out)	    sigmoid_avx512(true, n, in, out)
#define LINEAR_SUM(n, a, b, q, out) linear_sum_avx512(n, a, b, q, out)
#define SUM_S8(n, a, b, args, out)  sum_s8_64_avx512(n, a, b, args, out)
#define WIDEN(n, in, out)	    widen_x86(n, in, out)
#include "half_x86.h"
#include "linear_avx512.h"
#include "sigmoid_avx512.h"

#include "elementwise.inc"
