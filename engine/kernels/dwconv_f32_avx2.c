/* dwconv_f32_avx2.c - dwconv_f32.inc for AVX2. */
#include <immintrin.h>

#define KERNEL(name) name##_avx2
#define LANES	     8
#define VECTORS	     2
#define ROWS	     1

typedef __m256 vector;

static inline vector load(const float *from)
{
	return _mm256_loadu_ps(from);
}

/* Loads into a register: compilers would load what is used two or three times as often. */
static inline vector load_once(const float *from)
{
	vector values = load(from);

	__asm__("" : "+x"(values));
	return values;
}

static inline void store(float *to, vector values)
{
	_mm256_storeu_ps(to, values);
}

static inline vector multiply_add(vector a, vector b, vector sum)
{
	return _mm256_fmadd_ps(a, b, sum);
}

static inline vector clamp(vector values, float lo, float hi)
{
	return _mm256_min_ps(_mm256_max_ps(values, _mm256_set1_ps(lo)), _mm256_set1_ps(hi));
}

#include "dwconv_f32.inc"

void kernels_dwconv_f32_avx2(struct kernels *table)
{
	table->dwconv_f32 = dwconv_f32_avx2;
	table->dwconv_f32_rows = ROWS;
}
