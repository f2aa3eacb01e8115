/*
 * igemm_s8_neon.c - 4 rows x 8 columns, four columns at a time in sixteen accumulators of four parts each: eight inputs
 * of a row times eight weights of a column are 16-bit products, which are added to the parts in pairs.
 *
 * Processors multiply in one of their units and add in pairs in the other: that is twice as fast as multiplying what
 * was widened first.
 */
#include "finish_bytes_neon.h"
#include "levels.h"

#define MR   4
#define NR   8
#define KR   8
#define HALF (NR / 2) /* of the columns */

/* Four columns from `from` on; loads go ahead as in igemm_f32_neon.c.  Inputs are over-read by less than 16 bytes. */
static inline __attribute__((always_inline)) void columns(const struct igemm_s8_args *args, size_t from, int rows,
							  int32_t (*sums)[NR])
{
	const int32_t *head = args->w;
	const int8_t *w = (const int8_t *)(head + 4 * NR) + from * KR;
	int32x4_t parts[MR][HALF];

#pragma GCC unroll 4
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
		for (int c = 0; c < HALF; c++)
			parts[r][c] = vdupq_n_s32(0);
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *a[MR];
		int8x8_t v[MR], b[HALF];

#pragma GCC unroll 4
		for (int r = 0; r < rows; r++) {
			a[r] = args->a[t * MR + (size_t)r];
			v[r] = vld1_s8(a[r]);
		}
#pragma GCC unroll 4
		for (int c = 0; c < HALF; c++)
			b[c] = vld1_s8(w + c * KR);
		for (size_t k = 0; k < args->kc; k += KR) {
			/* Behind the last are no weights. */
			const int8_t *next = k + KR < args->kc ? w + KR * NR : w;

#pragma GCC unroll 4
			for (int c = 0; c < HALF; c++) {
				int16x8_t products[MR];

#pragma GCC unroll 4
				for (int r = 0; r < rows; r++)
					products[r] = vmull_s8(v[r], b[c]);
				b[c] = vld1_s8(next + c * KR);
#pragma GCC unroll 4
				for (int r = 0; r < rows; r++) {
					if (c == HALF - 1)
						v[r] = vld1_s8(a[r] += KR);
					parts[r][c] = vpadalq_s16(parts[r][c], products[r]);
				}
			}
			w += KR * NR;
		}
	}
#pragma GCC unroll 4
	for (int r = 0; r < rows; r++) {
		const int32x4_t left = vpaddq_s32(parts[r][0], parts[r][1]);
		const int32x4_t right = vpaddq_s32(parts[r][2], parts[r][3]);

		vst1q_s32(sums[r] + from, vaddq_s32(vpaddq_s32(left, right), vld1q_s32(head + from)));
	}
}

static void igemm_s8_4x8_neon(const struct igemm_s8_args *args)
{
	int32_t sums[MR][NR] = {0};

	for (size_t from = 0; from < args->n; from += HALF) {
		if (args->m == 1)
			columns(args, from, 1, sums);
		else
			columns(args, from, MR, sums);
	}
	finish_bytes(args, MR, NR, *sums);
}

void kernels_igemm_s8_neon(struct kernels *table)
{
	table->igemm_s8 =
		(struct igemm_s8){"igemm_s8_4x8_neon", MR, NR, KR, igemm_s8_4x8_neon, .panel = KERNEL_SIGNED_BYTES};
}
