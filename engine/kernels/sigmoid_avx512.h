/*
 * sigmoid_avx512.h - the sigmoid, and x times it, sixteen at a time.
 *
 * 2^t is taken apart as 2^floor(t), sixteen steps of 2^(1/16) from a register, and a polynomial of degree 3 (Taylor)
 * for what is left, |r| <= 1/32.  The reciprocal is the processor's estimate of 14 bits and one step of Newton's: a
 * division would take as long as all of the rest.  Relative error below 4e-7 for |x| <= 4; beyond, that of a rounded x
 * log2(e) in the exponent.
 */
#ifndef INFERD_KERNELS_SIGMOID_AVX512_H
#define INFERD_KERNELS_SIGMOID_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>

/* 2^(i/16) */
static inline __m512 sixteenths_avx512(void)
{
	return _mm512_setr_ps(1.0f, 1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f, 1.29683955f,
			      1.35425555f, 1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f, 1.68179283f, 1.75625216f,
			      1.83400809f, 1.91520656f);
}

static inline __attribute__((always_inline)) __m512 sigmoid_lanes_avx512(__m512 x, __m512 sixteenths)
{
	/* Adding it rounds to sixteenths and leaves how many they are in the lowest bits. */
	const __m512 magic = _mm512_set1_ps(0x1.8p19f);
	__m512 t = _mm512_mul_ps(x, _mm512_set1_ps(-1.44269504f)), shifted, n, r, p, sum, estimate;

	t = _mm512_min_ps(_mm512_max_ps(t, _mm512_set1_ps(-126.0f)), _mm512_set1_ps(126.0f));
	shifted = _mm512_add_ps(t, magic);
	n = _mm512_sub_ps(shifted, magic);
	r = _mm512_sub_ps(t, n);
	p = _mm512_fmadd_ps(r, _mm512_set1_ps(0.0555041087f), _mm512_set1_ps(0.240226507f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.693147181f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
	p = _mm512_mul_ps(p, _mm512_permutexvar_ps(_mm512_castps_si512(shifted), sixteenths));
	sum = _mm512_add_ps(_mm512_scalef_ps(p, n), _mm512_set1_ps(1.0f));
	estimate = _mm512_rcp14_ps(sum);
	return _mm512_mul_ps(estimate, _mm512_fnmadd_ps(sum, estimate, _mm512_set1_ps(2.0f)));
}

/* n values; silu: each times its sigmoid. */
static inline __attribute__((always_inline)) void sigmoid_avx512(bool silu, size_t n, const float *in, float *out)
{
	const __m512 sixteenths = sixteenths_avx512();
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		const __m512 x = _mm512_loadu_ps(in + i), y = sigmoid_lanes_avx512(x, sixteenths);

		_mm512_storeu_ps(out + i, silu ? _mm512_mul_ps(x, y) : y);
	}
	if (i < n) {
		const __mmask16 mask = (__mmask16)((1u << (n - i)) - 1);
		const __m512 x = _mm512_maskz_loadu_ps(mask, in + i), y = sigmoid_lanes_avx512(x, sixteenths);

		_mm512_mask_storeu_ps(out + i, mask, silu ? _mm512_mul_ps(x, y) : y);
	}
}

#endif
