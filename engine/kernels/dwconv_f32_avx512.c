/* dwconv_f32_avx512.c - dwconv_f32.inc for AVX-512. */
#include <immintrin.h>

#define KERNEL(name) name##_avx512
#define LANES	     16
#define VECTORS	     1
#define ROWS	     2

typedef __m512 vector;

static inline vector load(const float *from)
{
	return _mm512_loadu_ps(from);
}

/* Loads into a register: compilers would load what is used two or three times as often. */
static inline vector load_once(const float *from)
{
	vector values = load(from);

#ifdef __AVX512F__ /* not where it is emulated */
	__asm__("" : "+v"(values));
#endif
	return values;
}

static inline void store(float *to, vector values)
{
	_mm512_storeu_ps(to, values);
}

static inline vector multiply_add(vector a, vector b, vector sum)
{
	return _mm512_fmadd_ps(a, b, sum);
}

static inline vector clamp(vector values, float lo, float hi)
{
	return _mm512_min_ps(_mm512_max_ps(values, _mm512_set1_ps(lo)), _mm512_set1_ps(hi));
}

#include "dwconv_f32.inc"

void kernels_dwconv_f32_avx512(struct kernels *table)
{
	table->dwconv_f32 = dwconv_f32_avx512;
	table->dwconv_f32_rows = ROWS;
}
