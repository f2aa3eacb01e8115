/*
 * igemm_f32_avx2.c - 6 rows x 16 columns in twelve accumulators: two loads of weights and six broadcasts feed twelve
 * multiply-adds.  Smaller tiles take several input channels at a time, so that about as many sums are under way.
 *
 * Loops over rows, vectors and depth have constant ends and are unrolled, so that all sums are in registers.
 */
#include <immintrin.h>
#include <string.h>

#include "igemm_f32_blocks.h"
#include "levels.h"

#define MR    6
#define NR    16
#define LANES 8
#define DEPTH 4 /* most input channels at a time */

#define INLINE static inline __attribute__((always_inline))

typedef __m256 row_sums[NR / LANES];

/* A tile that is cut off within a vector, or short. */
static __attribute__((noinline)) void store_part(const struct igemm_f32_args *args, float (*sums)[NR])
{
	const __m256 lo = _mm256_set1_ps(args->lo), hi = _mm256_set1_ps(args->hi);
	float slope[NR] = {0}, more[NR] = {0};

	if (args->slope)
		memcpy(slope, args->slope, args->n * sizeof(*slope));
	for (size_t r = 0; r < args->m; r++) {
		if (args->residual)
			memcpy(more, args->residual + r * args->residual_stride, args->n * sizeof(*more));
		for (size_t n = 0; n < NR; n += LANES) {
			__m256 sum = _mm256_add_ps(_mm256_loadu_ps(sums[r] + n), _mm256_loadu_ps(more + n));
			__m256 below = _mm256_mul_ps(sum, _mm256_loadu_ps(slope + n));

			if (args->slope)
				sum = _mm256_blendv_ps(sum, below, sum);
			_mm256_storeu_ps(sums[r] + n, _mm256_min_ps(_mm256_max_ps(sum, lo), hi));
		}
		memcpy(args->c + r * args->c_stride, sums[r], args->n * sizeof(*args->c));
	}
}

INLINE void add_residual(const struct igemm_f32_args *args, int rows, int vectors, row_sums *sums)
{
#pragma GCC unroll 6
	for (int r = 0; r < rows; r++) {
		const float *residual = args->residual + (size_t)r * args->residual_stride;

		if ((size_t)r == args->m)
			break;
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++)
			sums[r][v] = _mm256_add_ps(sums[r][v], _mm256_loadu_ps(residual + v * LANES));
	}
}

INLINE void bend(const float *slopes, int rows, int vectors, row_sums *sums)
{
#pragma GCC unroll 2
	for (int v = 0; v < vectors; v++) {
		const __m256 slope = _mm256_loadu_ps(slopes + v * LANES);

#pragma GCC unroll 6
		for (int r = 0; r < rows; r++)
			sums[r][v] = _mm256_blendv_ps(sums[r][v], _mm256_mul_ps(sums[r][v], slope), sums[r][v]);
	}
}

INLINE void store(const struct igemm_f32_args *args, int rows, int vectors, row_sums *sums)
{
	const __m256 lo = _mm256_set1_ps(args->lo), hi = _mm256_set1_ps(args->hi);

	if (args->residual)
		add_residual(args, rows, vectors, sums);
	if (args->slope)
		bend(args->slope, rows, vectors, sums);
#pragma GCC unroll 6
	for (int r = 0; r < rows; r++) {
		float *c = args->c + (size_t)r * args->c_stride;

		if ((size_t)r == args->m)
			break;
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++)
			_mm256_storeu_ps(c + v * LANES, _mm256_min_ps(_mm256_max_ps(sums[r][v], lo), hi));
	}
}

/* Adds one input channel of each row. */
INLINE void multiply(const float *const a[MR], size_t k, const float *w, int rows, int vectors, row_sums *sums)
{
#pragma GCC unroll 6
	for (int r = 0; r < rows; r++) {
		const __m256 x = _mm256_broadcast_ss(a[r] + k);

#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++)
			sums[r][v] = _mm256_fmadd_ps(x, _mm256_load_ps(w + v * LANES), sums[r][v]);
	}
}

/*
 * `depth` input channels at a time.  A row alone, as of a fully connected layer, waits for its weights: they are read
 * at `depth` places at a time, since processors fetch ahead up to the end of a page only, but in many pages at once.
 */
INLINE void tile(const struct igemm_f32_args *args, size_t ahead_step, int rows, int vectors, int depth)
{
	const float *w = args->w + NR, *ahead = args->ahead;
	row_sums sums[DEPTH][MR];
	float part[MR][NR];
	const bool whole = rows == MR && args->n == (size_t)vectors * LANES;

#pragma GCC unroll 6
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++) {
			sums[0][r][v] = _mm256_load_ps(args->w + v * LANES);
#pragma GCC unroll 4
			for (int d = 1; d < depth; d++)
				sums[d][r][v] = _mm256_setzero_ps();
		}
	for (size_t t = 0; t < args->taps; t++) {
		const float *a[MR];
		size_t k = 0;

#pragma GCC unroll 6
		for (int r = 0; r < rows; r++)
			a[r] = args->a[t * MR + (size_t)r];
		for (; rows == 1 && k < args->kc / (size_t)depth; k++)
#pragma GCC unroll 4
			for (size_t d = 0; d < (size_t)depth; d++) {
				size_t at = k + d * (args->kc / (size_t)depth);

				multiply(a, at, w + at * NR, rows, vectors, sums[d]);
			}
		if (rows == 1) {
			k *= (size_t)depth;
			w += k * NR;
		}
		for (; k + (size_t)depth <= args->kc; k += (size_t)depth, w += depth * NR, ahead += ahead_step) {
			if (depth == 1)
				_mm_prefetch(ahead, _MM_HINT_T1);
#pragma GCC unroll 4
			for (int d = 0; d < depth; d++)
				multiply(a, k + (size_t)d, w + d * NR, rows, vectors, sums[d]);
		}
		for (; depth > 1 && k < args->kc; k++, w += NR)
			multiply(a, k, w, rows, vectors, sums[0]);
	}
#pragma GCC unroll 6
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 4
			for (int d = 1; d < depth; d++)
				sums[0][r][v] = _mm256_add_ps(sums[0][r][v], sums[d][r][v]);
			if (!whole)
				_mm256_storeu_ps(part[r] + v * LANES, sums[0][r][v]);
		}
	if (whole)
		store(args, rows, vectors, sums[0]);
	else
		store_part(args, part);
}

/* Few rows are left at the end of an image, one in a fully connected layer; many layers end in half a panel. */
INLINE void block(const struct igemm_f32_args *args, size_t ahead_step)
{
	if (args->m == 1)
		tile(args, ahead_step, 1, 2, 4);
	else if (args->n <= LANES)
		tile(args, ahead_step, MR, 1, 2);
	else if (args->m <= MR / 2)
		tile(args, ahead_step, MR / 2, 2, 2);
	else
		tile(args, ahead_step, MR, 2, 1);
}

static void igemm_f32_6x16_avx2(const struct igemm_f32_args *args)
{
	igemm_f32_blocks(args, MR, NR, block);
}

void kernels_igemm_f32_avx2(struct kernels *table)
{
	table->igemm_f32 = (struct igemm_f32){"igemm_f32_6x16_avx2", MR, NR, igemm_f32_6x16_avx2};
}
