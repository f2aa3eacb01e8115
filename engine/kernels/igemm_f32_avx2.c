/*
 * igemm_f32_avx2.c - 6 rows x 16 columns in twelve accumulators: two loads of weights and six broadcasts feed twelve
 * multiply-adds.
 */
#include <immintrin.h>
#include <string.h>

#include "levels.h"

#define MR 6
#define NR 16

#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)

static inline void store_row(const struct igemm_f32_args *args, size_t row, __m256 low, __m256 high)
{
	const __m256 lo = _mm256_set1_ps(args->lo), hi = _mm256_set1_ps(args->hi);
	float *c = args->c + row * args->c_stride, values[NR];
	const float *residual = args->residual ? args->residual + row * args->residual_stride : NULL;

	if (residual && args->n == NR) {
		low = _mm256_add_ps(low, _mm256_loadu_ps(residual));
		high = _mm256_add_ps(high, _mm256_loadu_ps(residual + 8));
	} else if (residual) {
		memset(values, 0, sizeof(values));
		memcpy(values, residual, args->n * sizeof(*values));
		low = _mm256_add_ps(low, _mm256_loadu_ps(values));
		high = _mm256_add_ps(high, _mm256_loadu_ps(values + 8));
	}
	low = _mm256_min_ps(_mm256_max_ps(low, lo), hi);
	high = _mm256_min_ps(_mm256_max_ps(high, lo), hi);
	if (args->n == NR) {
		_mm256_storeu_ps(c, low);
		_mm256_storeu_ps(c + 8, high);
		return;
	}
	_mm256_storeu_ps(values, low);
	_mm256_storeu_ps(values + 8, high);
	memcpy(c, values, args->n * sizeof(*values));
}

static void igemm_f32_6x16_avx2(const struct igemm_f32_args *args)
{
	const float *w = args->w + NR;

#define DECLARE(r) __m256 low##r = _mm256_load_ps(args->w), high##r = _mm256_load_ps(args->w + 8);
	ROWS(DECLARE)
	for (size_t t = 0; t < args->taps; t++) {
#define POINT(r) const float *a##r = args->a[t * MR + r];
		ROWS(POINT)
		for (size_t k = 0; k < args->kc; k++, w += NR) {
			const __m256 b0 = _mm256_load_ps(w), b1 = _mm256_load_ps(w + 8);
#define MULTIPLY(r)                                                                                                    \
	{                                                                                                              \
		const __m256 v = _mm256_broadcast_ss(a##r + k);                                                        \
		low##r = _mm256_fmadd_ps(v, b0, low##r);                                                               \
		high##r = _mm256_fmadd_ps(v, b1, high##r);                                                             \
	}
			ROWS(MULTIPLY)
		}
	}
#define STORE(r)                                                                                                       \
	if (r < args->m)                                                                                               \
		store_row(args, r, low##r, high##r);
	ROWS(STORE)
}

void kernels_igemm_f32_avx2(struct kernels *table)
{
	table->igemm_f32 = (struct igemm_f32){"igemm_f32_6x16_avx2", MR, NR, igemm_f32_6x16_avx2};
}
