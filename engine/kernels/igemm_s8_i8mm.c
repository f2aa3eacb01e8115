/*
 * igemm_s8_i8mm.c - 4 rows x 16 columns in sixteen accumulators of two rows by two columns: eight inputs of two rows
 * are turned into one vector, and multiply eight vectors of two columns each.
 */
#include <string.h>

#include "levels.h"
#include "requant_neon.h"
#include "rows_dotprod.h"

#define MR    4
#define NR    16
#define KR    8
#define PAIRS (NR / 2) /* of columns */

/* Two rows of four columns from the sums of two pairs of columns. */
static inline int32x4_t first_row(int32x4_t left, int32x4_t right)
{
	return vcombine_s32(vget_low_s32(left), vget_low_s32(right));
}

static inline int32x4_t second_row(int32x4_t left, int32x4_t right)
{
	return vcombine_s32(vget_high_s32(left), vget_high_s32(right));
}

static inline __attribute__((always_inline)) void store_row(const struct igemm_s8_args *args, size_t row,
							    int32x4_t sums[4], int columns)
{
	const int32_t *head = args->w;
	int8_t *c = args->c + row * args->c_stride, values[NR];

	for (int i = 0; i < columns / 8; i++) {
		const struct requant_neon requant = {head + NR + 8 * i, head + 2 * NR + 8 * i,
						     args->zero_point,	args->lo,
						     args->hi,		args->float_scales};

		vst1_s8(values + 8 * i, requant_neon(&requant, sums[2 * i], sums[2 * i + 1]));
	}
	if (args->n == NR)
		vst1q_s8(c, vld1q_s8(values));
	else
		memcpy(c, values, args->n);
}

/* What is below the weights goes to the sums, and the row out. */
static inline __attribute__((always_inline)) void finish_row(const struct igemm_s8_args *args, size_t row, bool based,
							     int32x4_t sums[4], int columns)
{
	const int32_t *base = (const int32_t *)args->w + 3 * NR;

	if (row >= args->m)
		return;
	if (based) {
		int32_t sum = sum_of_row(args, MR, row);

		for (int i = 0; i < columns / 4; i++)
			sums[i] = vmlaq_n_s32(sums[i], vld1q_s32(base + 4 * i), sum);
	}
	store_row(args, row, sums, columns);
}

static inline int8x16_t turn_low(int8x16_t a, int8x16_t b)
{
	return vreinterpretq_s8_s64(vtrn1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

static inline int8x16_t turn_high(int8x16_t a, int8x16_t b)
{
	return vreinterpretq_s8_s64(vtrn2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

/* Eight inputs of each row with `pairs` of columns. */
static inline __attribute__((always_inline)) void multiply(int32x4_t sums[][PAIRS], int halves, int pairs,
							   const int8x16_t *a, const int8_t *w)
{
#pragma GCC unroll 8
	for (int p = 0; p < pairs; p++) {
		const int8x16_t b = vld1q_s8(w + 16 * p);

#pragma GCC unroll 2
		for (int h = 0; h < halves; h++)
			sums[h][p] = vmmlaq_s32(sums[h][p], a[h], b);
	}
}

/* The first 2 * halves rows and 2 * pairs columns of the tile. */
static inline __attribute__((always_inline)) void tile(const struct igemm_s8_args *args, int halves, int pairs)
{
	const int32_t *head = args->w;
	const int8_t *w = (const int8_t *)(head + 4 * NR);
	const bool based = has_base(args, NR);
	int32x4_t sums[MR / 2][PAIRS];

#pragma GCC unroll 8
	for (int p = 0; p < pairs; p++) {
		const int32x2_t bias = vld1_s32(head + 2 * p);

#pragma GCC unroll 2
		for (int h = 0; h < halves; h++)
			sums[h][p] = vcombine_s32(bias, bias);
	}
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *const *a = args->a + t * MR;
		size_t k = 0;

		for (; k + 2 * KR <= args->kc; k += 2 * KR, w += 2 * KR * NR) {
			int8x16_t near[MR / 2], far[MR / 2];

#pragma GCC unroll 2
			for (int h = 0; h < halves; h++) {
				const int8x16_t first = vld1q_s8(a[2 * h] + k), second = vld1q_s8(a[2 * h + 1] + k);

				near[h] = turn_low(first, second);
				far[h] = turn_high(first, second);
			}
			multiply(sums, halves, pairs, near, w);
			multiply(sums, halves, pairs, far, w + KR * NR);
		}
		for (; k < args->kc; k += KR, w += KR * NR) {
			int8x16_t near[MR / 2];

#pragma GCC unroll 2
			for (int h = 0; h < halves; h++)
				near[h] = vcombine_s8(vld1_s8(a[2 * h] + k), vld1_s8(a[2 * h + 1] + k));
			multiply(sums, halves, pairs, near, w);
		}
	}
#pragma GCC unroll 2
	for (int h = 0; h < halves; h++) {
		int32x4_t first[NR / 4], second[NR / 4];

#pragma GCC unroll 4
		for (int i = 0; i < pairs / 2; i++) {
			first[i] = first_row(sums[h][2 * i], sums[h][2 * i + 1]);
			second[i] = second_row(sums[h][2 * i], sums[h][2 * i + 1]);
		}
		finish_row(args, 2 * (size_t)h, based, first, 2 * pairs);
		finish_row(args, 2 * (size_t)h + 1, based, second, 2 * pairs);
	}
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
	table->igemm_s8 = (struct igemm_s8){"igemm_s8_4x16_i8mm", MR, NR, KR, igemm_s8_4x16_i8mm, KERNEL_SIGNED_BYTES};
}
