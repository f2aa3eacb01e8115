/*
 * igemm_f32_neon.c - 8 rows x 8 columns in sixteen accumulators: four inputs of each row are loaded at once, and each
 * is multiplied from its lane.
 */
#include <arm_neon.h>

#include "finish_floats_neon.h"
#include "igemm_f32_blocks.h"
#include "levels.h"

#define MR 8
#define NR 8

static __attribute__((noinline)) void finish(const struct igemm_f32_args *args, float (*sums)[NR])
{
	finish_floats(args, *sums, NR);
}

/*
 * The first `rows` of the tile.
 *
 * Cores that keep the order of their instructions wait for what was loaded just before.  So the weights of the next
 * input channel are loaded among the multiplications of this one, and the next inputs of a row as soon as its last were
 * multiplied.  Inputs are over-read by up to 16 bytes.
 */
static inline __attribute__((always_inline)) void tile(const struct igemm_f32_args *args, size_t ahead_step, int rows)
{
	const float *w = args->w + NR, *ahead = args->ahead;
	float32x4_t low[MR], high[MR];
	float sums[MR][NR];

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++) {
		low[r] = vld1q_f32(args->w);
		high[r] = vld1q_f32(args->w + 4);
	}
	for (size_t t = 0; t < args->taps; t++) {
		float32x4_t b0 = vld1q_f32(w), b1 = vld1q_f32(w + 4), c0, c1, v[MR];
		const float *a[MR];
		size_t k = 0;

#pragma GCC unroll 8
		for (int r = 0; r < rows; r++) {
			a[r] = args->a[t * MR + (size_t)r];
			v[r] = vld1q_f32(a[r]);
		}
		for (; k + 4 <= args->kc; k += 4) {
			/* Behind the last are no weights. */
			const float *next = k + 4 < args->kc ? w + 4 * NR : w;

#define LANE(lane, now, then, from)                                                                                    \
	_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                                         \
	{                                                                                                              \
		low[r] = vfmaq_laneq_f32(low[r], now##0, v[r], lane);                                                  \
		high[r] = vfmaq_laneq_f32(high[r], now##1, v[r], lane);                                                \
		if (r == 0)                                                                                            \
			then##0 = vld1q_f32(from);                                                                     \
		if (r == rows / 4)                                                                                     \
			then##1 = vld1q_f32((from) + 4);                                                               \
		if (lane == 3)                                                                                         \
			v[r] = vld1q_f32(a[r] += 4);                                                                   \
	}
			LANE(0, b, c, w + NR)
			LANE(1, c, b, w + 2 * NR)
			LANE(2, b, c, w + 3 * NR)
			LANE(3, c, b, next)
			__builtin_prefetch(ahead);
			ahead += 4 * ahead_step;
			w += 4 * NR;
		}
#define REST(lane)                                                                                                     \
	if (k + lane < args->kc) {                                                                                     \
		b0 = vld1q_f32(w);                                                                                     \
		b1 = vld1q_f32(w + 4);                                                                                 \
		w += NR;                                                                                               \
		_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                                 \
		{                                                                                                      \
			low[r] = vfmaq_laneq_f32(low[r], b0, v[r], lane);                                              \
			high[r] = vfmaq_laneq_f32(high[r], b1, v[r], lane);                                            \
		}                                                                                                      \
	}
		REST(0)
		REST(1)
		REST(2)
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++) {
		vst1q_f32(sums[r], low[r]);
		vst1q_f32(sums[r] + 4, high[r]);
	}
	finish(args, sums);
}

/* Few rows are left at the end of an image, one in a fully connected layer. */
static inline __attribute__((always_inline)) void block(const struct igemm_f32_args *args, size_t ahead_step)
{
	if (args->m == 1)
		tile(args, ahead_step, 1);
	else if (args->m <= MR / 2)
		tile(args, ahead_step, MR / 2);
	else
		tile(args, ahead_step, MR);
}

static void igemm_f32_8x8_neon(const struct igemm_f32_args *args)
{
	igemm_f32_blocks(args, MR, NR, block);
}

void kernels_igemm_f32_neon(struct kernels *table)
{
	table->igemm_f32 = (struct igemm_f32){"igemm_f32_8x8_neon", MR, NR, igemm_f32_8x8_neon};
}
