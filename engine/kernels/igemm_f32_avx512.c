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

/* Sixteen columns of a row, or those of them that mask has. */
static inline __attribute__((always_inline)) void store(const struct igemm_f32_args *args, size_t row, int vector,
							__m512 sums)
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

static inline __attribute__((always_inline)) void tile(const struct igemm_f32_args *args, int rows, int vectors)
{
	const float *w = args->w + NR, *ahead = args->ahead;
	__m512 sums[MR][2];
	float part[MR / 2][NR];

#pragma GCC unroll 14
	for (int r = 0; r < rows; r++)
		for (int v = 0; v < vectors; v++)
			sums[r][v] = _mm512_load_ps(args->w + v * LANES);
	for (size_t t = 0; t < args->taps; t++) {
		const float *a[MR];

#pragma GCC unroll 14
		for (int r = 0; r < rows; r++)
			a[r] = args->a[t * MR + (size_t)r];
		for (size_t k = 0; k < args->kc; k++, w += NR, ahead += NR / 4) {
			const __m512 b0 = _mm512_load_ps(w), b1 = _mm512_load_ps(w + LANES);

			if (rows > 1)
				_mm_prefetch(ahead, _MM_HINT_T1);
#pragma GCC unroll 14
			for (int r = 0; r < rows; r++) {
				const __m512 v = _mm512_set1_ps(a[r][k]);

				sums[r][0] = _mm512_fmadd_ps(v, b0, sums[r][0]);
				if (vectors > 1)
					sums[r][1] = _mm512_fmadd_ps(v, b1, sums[r][1]);
			}
		}
	}
#pragma GCC unroll 14
	for (int r = 0; r < rows; r++)
		for (int v = 0; v < vectors; v++)
			if (rows < MR)
				_mm512_storeu_ps(part[r] + v * LANES, sums[r][v]);
			else if ((size_t)r < args->m)
				store(args, (size_t)r, v, sums[r][v]);
	if (rows < MR)
		store_short(args, part);
}

/* Few rows are left at the end of an image, one in a fully connected layer; many layers end in half a panel. */
static inline __attribute__((always_inline)) void block(const struct igemm_f32_args *args)
{
	const bool narrow = args->n <= LANES;

	if (args->m == 1)
		tile(args, 1, 2);
	else if (args->m <= MR / 2)
		narrow ? tile(args, MR / 2, 1) : tile(args, MR / 2, 2);
	else
		narrow ? tile(args, MR, 1) : tile(args, MR, 2);
}

static void igemm_f32_14x32_avx512(const struct igemm_f32_args *args)
{
	igemm_f32_blocks(args, MR, NR, block);
}

void kernels_igemm_f32_avx512(struct kernels *table)
{
	table->igemm_f32 = (struct igemm_f32){"igemm_f32_14x32_avx512", MR, NR, igemm_f32_14x32_avx512};
}
