/*
 * igemm_f32_avx512.c - 14 rows x 32 columns in 28 accumulators: two loads of weights and fourteen broadcasts feed 28
 * multiply-adds.  14 divides the pixels of every resolution that halves down from 224.
 */
#include <immintrin.h>

#include "igemm_f32_blocks.h"
#include "levels.h"

#define MR    14
#define NR    32
#define LANES 16
#define HALF  (MR / 2)
#define DEPTH 4 /* most input channels at a time */

#define INLINE static inline __attribute__((always_inline))

typedef __m512 row_sums[NR / LANES];

/* Sixteen columns of a row, or those of them that mask has. */
INLINE void store(const struct igemm_f32_args *args, size_t row, int vector, __m512 sums)
{
	const size_t at = (size_t)vector * LANES;
	const __mmask16 mask = (__mmask16)(~0u >> (NR - args->n) >> at);
	const __m512 lo = _mm512_set1_ps(args->lo), hi = _mm512_set1_ps(args->hi);

	if (args->residual) {
		const float *residual = args->residual + row * args->residual_stride + at;

		sums = _mm512_add_ps(sums, _mm512_maskz_loadu_ps(mask, residual));
	}
	if (args->slope)
		sums = _mm512_mask_mul_ps(sums, _mm512_movepi32_mask(_mm512_castps_si512(sums)), sums,
					  _mm512_maskz_loadu_ps(mask, args->slope + at));
	sums = _mm512_min_ps(_mm512_max_ps(sums, lo), hi);
	_mm512_mask_storeu_ps(args->c + row * args->c_stride + at, mask, sums);
}

/* Of a tile that is short: not worth code of its own. */
static __attribute__((noinline)) void store_short(const struct igemm_f32_args *args, float (*sums)[NR])
{
	for (size_t r = 0; r < args->m; r++)
		for (int v = 0; v < NR / LANES; v++)
			store(args, r, v, _mm512_loadu_ps(sums[r] + v * LANES));
}

/* Adds one input channel of each row. */
INLINE void multiply(const float *const a[MR], size_t k, const float *w, int rows, int vectors, row_sums *sums)
{
	const __m512 b0 = _mm512_load_ps(w), b1 = _mm512_load_ps(w + LANES);

#pragma GCC unroll 14
	for (int r = 0; r < rows; r++) {
		const __m512 v = _mm512_set1_ps(a[r][k]);

		sums[r][0] = _mm512_fmadd_ps(v, b0, sums[r][0]);
		if (vectors > 1)
			sums[r][1] = _mm512_fmadd_ps(v, b1, sums[r][1]);
	}
}

/* The rows from `first` on; `depth` input channels at a time. */
INLINE void tile(const struct igemm_f32_args *args, size_t ahead_step, size_t first, int rows, int vectors, int depth)
{
	const float *w = args->w + NR, *ahead = args->ahead;
	const bool is_short = rows < MR && vectors > 1;
	row_sums sums[DEPTH][MR];
	float part[HALF][NR];

#pragma GCC unroll 14
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++) {
			sums[0][r][v] = _mm512_load_ps(args->w + v * LANES);
#pragma GCC unroll 4
			for (int d = 1; d < depth; d++)
				sums[d][r][v] = _mm512_setzero_ps();
		}
	for (size_t t = 0; t < args->taps; t++) {
		const float *a[MR];
		size_t k = 0;

#pragma GCC unroll 14
		for (int r = 0; r < rows; r++)
			a[r] = args->a[t * MR + first + (size_t)r];
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
#pragma GCC unroll 14
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 4
			for (int d = 1; d < depth; d++)
				sums[0][r][v] = _mm512_add_ps(sums[0][r][v], sums[d][r][v]);
			if (is_short)
				_mm512_storeu_ps(part[r] + v * LANES, sums[0][r][v]);
			else if (first + (size_t)r < args->m)
				store(args, first + (size_t)r, v, sums[0][r][v]);
		}
	if (is_short)
		store_short(args, part);
}

/*
 * Few rows are left at the end of an image, one in a fully connected layer; many layers end in half a panel.  That
 * takes two input channels of half the rows, whose pointers all fit into registers.
 */
INLINE void block(const struct igemm_f32_args *args, size_t ahead_step)
{
	if (args->n <= LANES)
		for (size_t first = 0; first < args->m; first += HALF)
			tile(args, ahead_step, first, HALF, 1, 2);
	else if (args->m == 1)
		tile(args, ahead_step, 0, 1, 2, 4);
	else if (args->m <= HALF)
		tile(args, ahead_step, 0, HALF, 2, 1);
	else
		tile(args, ahead_step, 0, MR, 2, 1);
}

static void igemm_f32_14x32_avx512(const struct igemm_f32_args *args)
{
	igemm_f32_blocks(args, MR, NR, block);
}

void kernels_igemm_f32_avx512(struct kernels *table)
{
	table->igemm_f32 = (struct igemm_f32){"igemm_f32_14x32_avx512", MR, NR, igemm_f32_14x32_avx512};
}
