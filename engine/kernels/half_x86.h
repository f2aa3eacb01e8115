/*
 * half_x86.h - float16 to float32 by F16C, which every processor with AVX2 and FMA has; cpu.c asks all the same.
 */
#ifndef INFERD_HALF_X86_H
#define INFERD_HALF_X86_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* How many of the n numbers it has made: all but the last of eight. */
static inline size_t widen_x86(size_t n, const uint16_t *in, float *out)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(in + i))));
	return i;
}

#endif
