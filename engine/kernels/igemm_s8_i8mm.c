/*
 * igemm_s8_i8mm.c - 4 rows x 16 columns in sixteen accumulators of two rows by two columns: eight inputs of two rows
 * are turned into one vector, and multiply eight vectors of two columns each.
 */
#include "finish_bytes_neon.h"
#include "levels.h"

#define MR    4
#define NR    16
#define KR    8
#define PAIRS (NR / 2) /* of columns */

static __attribute__((noinline)) void finish(const struct igemm_s8_args *args, const int32_t (*sums)[NR])
{
	finish_bytes(args, MR, NR, *sums);
}

static inline int8x16_t turn_near(int8x16_t a, int8x16_t b)
{
	return vreinterpretq_s8_s64(vtrn1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

static inline int8x16_t turn_far(int8x16_t a, int8x16_t b)
{
	return vreinterpretq_s8_s64(vtrn2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

/* Eight inputs of each row with `pairs` of columns; b is the first of these and becomes what `next` points to. */
static inline __attribute__((always_inline)) void multiply(int32x4_t sums[][PAIRS], int halves, int pairs,
							   const int8x16_t *a, const int8_t *w, int8x16_t *b,
							   const int8_t *next)
{
#pragma GCC unroll 8
	for (int p = 0; p < pairs; p++) {
		const int8x16_t now = *b;

		*b = vld1q_s8(p + 1 < pairs ? w + 16 * (p + 1) : next);
#pragma GCC unroll 2
		for (int h = 0; h < halves; h++)
			sums[h][p] = vmmlaq_s32(sums[h][p], a[h], now);
	}
}

/*
 * The first 2 * halves rows and 2 * pairs columns of the tile; loads go ahead as in igemm_f32_neon.c.  Inputs are
 * over-read by up to 16 bytes.
 */
static inline __attribute__((always_inline)) void tile(const struct igemm_s8_args *args, int halves, int pairs)
{
	const int32_t *head = args->w;
	const int8_t *w = (const int8_t *)(head + 4 * NR);
	int32x4_t sums[MR / 2][PAIRS];
	int32_t totals[MR][NR] = {0};

#pragma GCC unroll 8
	for (int p = 0; p < pairs; p++) {
		const int32x2_t bias = vld1_s32(head + 2 * p);

#pragma GCC unroll 2
		for (int h = 0; h < halves; h++)
			sums[h][p] = vcombine_s32(bias, bias);
	}
	for (size_t t = 0; t < args->taps; t++) {
		int8x16_t b = vld1q_s8(w), v[MR], near[MR / 2], far[MR / 2];
		const int8_t *a[MR];
		size_t k = 0;

#pragma GCC unroll 4
		for (int r = 0; r < 2 * halves; r++) {
			a[r] = args->a[t * MR + (size_t)r];
			v[r] = vld1q_s8(a[r]);
		}
#define TURN(part)                                                                                                     \
	_Pragma("GCC unroll 2") for (int h = 0; h < halves; h++) part[h] = turn_##part(v[2 * h], v[2 * h + 1]);
		TURN(near)
		TURN(far)
		for (; k + 2 * KR <= args->kc; k += 2 * KR) {
			/* Behind the last are no weights. */
			const int8_t *next = k + 2 * KR < args->kc ? w + 2 * KR * NR : w;

#pragma GCC unroll 4
			for (int r = 0; r < 2 * halves; r++)
				v[r] = vld1q_s8(a[r] += 2 * KR);
			multiply(sums, halves, pairs, near, w, &b, w + KR * NR);
			TURN(near)
			multiply(sums, halves, pairs, far, w + KR * NR, &b, next);
			TURN(far)
			w += 2 * KR * NR;
		}
		if (k < args->kc) {
			b = vld1q_s8(w);
			multiply(sums, halves, pairs, near, w, &b, w);
			w += KR * NR;
		}
		if (k + KR < args->kc) {
			b = vld1q_s8(w);
			multiply(sums, halves, pairs, far, w, &b, w);
			w += KR * NR;
		}
	}
#pragma GCC unroll 8
	for (int p = 0; p < pairs; p++)
#pragma GCC unroll 2
		for (int h = 0; h < halves; h++) {
			vst1_s32(totals[2 * h] + 2 * p, vget_low_s32(sums[h][p]));
			vst1_s32(totals[2 * h + 1] + 2 * p, vget_high_s32(sums[h][p]));
		}
	finish(args, (const int32_t(*)[NR])totals);
}

/* Many layers end in half a panel; one or two rows are left at the end of an image, one in a fully connected layer. */
static void igemm_s8_4x16_i8mm(const struct igemm_s8_args *args)
{
	if (args->n <= NR / 2)
		tile(args, MR / 2, PAIRS / 2);
	else if (args->m <= 2)
		tile(args, 1, PAIRS);
	else
		tile(args, MR / 2, PAIRS);
}

void kernels_igemm_s8_i8mm(struct kernels *table)
{
	table->igemm_s8 =
		(struct igemm_s8){"igemm_s8_4x16_i8mm", MR, NR, KR, igemm_s8_4x16_i8mm, .panel = KERNEL_SIGNED_BYTES};
}
