/*
 * igemm_s8_dotprod.c - 8 rows x 8 columns in sixteen accumulators: sixteen inputs of each row are loaded at once, and
 * each four of them multiply two vectors of weights from their lane.
 */
#include "finish_bytes_neon.h"
#include "levels.h"

#define MR 8
#define NR 8
#define KR 4

static __attribute__((noinline)) void finish(const struct igemm_s8_args *args, const int32_t (*sums)[NR])
{
	finish_bytes(args, MR, NR, *sums);
}

/*
 * The first `rows` of the tile; loads go ahead as in igemm_f32_neon.c.  Inputs are over-read by up to 16 bytes.
 */
static inline __attribute__((always_inline)) void tile(const struct igemm_s8_args *args, int rows)
{
	const int32_t *head = args->w;
	const int8_t *w = (const int8_t *)(head + 4 * NR);
	int32x4_t low[MR], high[MR];
	int32_t sums[MR][NR];

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++) {
		low[r] = vld1q_s32(head);
		high[r] = vld1q_s32(head + 4);
	}
	for (size_t t = 0; t < args->taps; t++) {
		int8x16_t b0 = vld1q_s8(w), b1 = vld1q_s8(w + 16), c0, c1, v[MR];
		const int8_t *a[MR];
		size_t k = 0;

#pragma GCC unroll 8
		for (int r = 0; r < rows; r++) {
			a[r] = args->a[t * MR + (size_t)r];
			v[r] = vld1q_s8(a[r]);
		}
		for (; k + 16 <= args->kc; k += 16) {
			/* Behind the last are no weights. */
			const int8_t *next = k + 16 < args->kc ? w + 16 * NR : w;

#define LANE(lane, now, then, from)                                                                                    \
	_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                                         \
	{                                                                                                              \
		low[r] = vdotq_laneq_s32(low[r], now##0, v[r], lane);                                                  \
		high[r] = vdotq_laneq_s32(high[r], now##1, v[r], lane);                                                \
		if (r == 0)                                                                                            \
			then##0 = vld1q_s8(from);                                                                      \
		if (r == rows / 4)                                                                                     \
			then##1 = vld1q_s8((from) + 16);                                                               \
		if (lane == 3)                                                                                         \
			v[r] = vld1q_s8(a[r] += 16);                                                                   \
	}
			LANE(0, b, c, w + KR * NR)
			LANE(1, c, b, w + 2 * KR * NR)
			LANE(2, b, c, w + 3 * KR * NR)
			LANE(3, c, b, next)
			w += 16 * NR;
		}
#define REST(lane)                                                                                                     \
	if (k + lane * KR < args->kc) {                                                                                \
		b0 = vld1q_s8(w);                                                                                      \
		b1 = vld1q_s8(w + 16);                                                                                 \
		w += KR * NR;                                                                                          \
		_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                                 \
		{                                                                                                      \
			low[r] = vdotq_laneq_s32(low[r], b0, v[r], lane);                                              \
			high[r] = vdotq_laneq_s32(high[r], b1, v[r], lane);                                            \
		}                                                                                                      \
	}
		REST(0)
		REST(1)
		REST(2)
		REST(3)
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++) {
		vst1q_s32(sums[r], low[r]);
		vst1q_s32(sums[r] + 4, high[r]);
	}
	finish(args, (const int32_t(*)[NR])sums);
}

/* Few rows are left at the end of an image, one in a fully connected layer. */
static void igemm_s8_8x8_dotprod(const struct igemm_s8_args *args)
{
	if (args->m == 1)
		tile(args, 1);
	else if (args->m <= MR / 2)
		tile(args, MR / 2);
	else
		tile(args, MR);
}

void kernels_igemm_s8_dotprod(struct kernels *table)
{
	table->igemm_s8 = (struct igemm_s8){"igemm_s8_8x8_dotprod",	 MR, NR, KR, igemm_s8_8x8_dotprod,
					    .panel = KERNEL_SIGNED_BYTES};
}
