/*
 * igemm_s8_dotprod.c - 8 rows x 8 columns in sixteen accumulators: sixteen inputs of each row are loaded at once, and
 * each four of them multiply two vectors of weights from their lane.
 */
#include <string.h>

#include "levels.h"
#include "requant_neon.h"
#include "rows_dotprod.h"

#define MR 8
#define NR 8
#define KR 4

static inline void store_row(const struct igemm_s8_args *args, size_t row, int32x4_t low, int32x4_t high)
{
	const int32_t *head = args->w;
	const struct requant_neon requant = {head + NR, head + 2 * NR, args->zero_point,
					     args->lo,	args->hi,      args->float_scales};
	int8_t *c = args->c + row * args->c_stride, values[NR];
	int8x8_t bytes = requant_neon(&requant, low, high);

	if (args->n == NR) {
		vst1_s8(c, bytes);
		return;
	}
	vst1_s8(values, bytes);
	memcpy(c, values, args->n);
}

static inline int8x16_t quad(const int8_t *a)
{
	int32_t four;

	memcpy(&four, a, sizeof(four));
	return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* The first `rows` of the tile. */
static inline __attribute__((always_inline)) void tile(const struct igemm_s8_args *args, int rows)
{
	const int32_t *head = args->w;
	const int8_t *w = (const int8_t *)(head + 4 * NR);
	const bool based = has_base(args, NR);
	int32x4_t low[MR], high[MR];

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++) {
		low[r] = vld1q_s32(head);
		high[r] = vld1q_s32(head + 4);
	}
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *const *a = args->a + t * MR;
		size_t k = 0;

		for (; k + 16 <= args->kc; k += 16, w += 16 * NR) {
			int8x16_t v[MR];

#pragma GCC unroll 8
			for (int r = 0; r < rows; r++)
				v[r] = vld1q_s8(a[r] + k);
#define MULTIPLY(lane)                                                                                                 \
	{                                                                                                              \
		const int8x16_t b0 = vld1q_s8(w + lane * KR * NR), b1 = vld1q_s8(w + lane * KR * NR + 16);             \
                                                                                                                       \
		_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                                 \
		{                                                                                                      \
			low[r] = vdotq_laneq_s32(low[r], b0, v[r], lane);                                              \
			high[r] = vdotq_laneq_s32(high[r], b1, v[r], lane);                                            \
		}                                                                                                      \
	}
			MULTIPLY(0)
			MULTIPLY(1)
			MULTIPLY(2)
			MULTIPLY(3)
		}
		for (; k < args->kc; k += KR, w += KR * NR) {
			const int8x16_t b0 = vld1q_s8(w), b1 = vld1q_s8(w + 16);

#pragma GCC unroll 8
			for (int r = 0; r < rows; r++) {
				const int8x16_t v = quad(a[r] + k);

				low[r] = vdotq_s32(low[r], b0, v);
				high[r] = vdotq_s32(high[r], b1, v);
			}
		}
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < (size_t)rows; r++) {
		if (r >= args->m)
			break;
		if (based) {
			int32_t sum = sum_of_row(args, MR, r);

			low[r] = vmlaq_n_s32(low[r], vld1q_s32(head + 3 * NR), sum);
			high[r] = vmlaq_n_s32(high[r], vld1q_s32(head + 3 * NR + 4), sum);
		}
		store_row(args, r, low[r], high[r]);
	}
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
	table->igemm_s8 =
		(struct igemm_s8){"igemm_s8_8x8_dotprod", MR, NR, KR, igemm_s8_8x8_dotprod, KERNEL_SIGNED_BYTES};
}
