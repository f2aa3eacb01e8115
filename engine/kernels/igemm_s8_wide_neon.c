/*
 * igemm_s8_wide_neon.c - 8 rows x 8 columns in sixteen accumulators: a vector of eight weights, widened to 16 bits, is
 * multiplied by one lane of each row's inputs.
 */
#include <arm_neon.h>
#include <string.h>

#include "levels.h"
#include "requant_neon.h"

#define MR 8
#define NR 8
#define KR 1

#define ROWS(X)	 X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define LANES(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

static inline void store_row(const struct igemm_s8_args *args, size_t row, int32x4_t low, int32x4_t high)
{
	const int32_t *head = args->w;
	const struct requant_neon requant = {head + NR, head + 2 * NR, args->zero_point,
					     args->lo,	args->hi,      WITH_FLOAT_SCALES && args->float_scales};
	int8_t *c = args->c + row * args->c_stride, values[NR];
	int8x8_t bytes = requant_neon(&requant, low, high);

	if (args->n == NR) {
		vst1_s8(c, bytes);
		return;
	}
	vst1_s8(values, bytes);
	memcpy(c, values, args->n);
}

/* Over-reads by less than 8 bytes, as KERNEL_SLACK allows; what lies there is not used. */
static void igemm_s8_wide_8x8_neon(const struct igemm_s8_args *args)
{
	const int32_t *head = args->w;
	const int16_t *w = (const int16_t *)(const void *)(head + 3 * NR);

#define DECLARE(r) int32x4_t low##r = vld1q_s32(head), high##r = vld1q_s32(head + 4);
	ROWS(DECLARE)
	for (size_t t = 0; t < args->taps; t++) {
		const int8_t *const *a = args->a + t * MR;
		size_t k = 0;

		for (; k + 8 <= args->kc; k += 8) {
#define WIDEN(r) const int16x8_t a##r = vmovl_s8(vld1_s8(a[r] + k));
			ROWS(WIDEN)
#define MULTIPLY_LANE(r, lane)                                                                                         \
	low##r = vmlal_laneq_s16(low##r, vget_low_s16(b), a##r, lane);                                                 \
	high##r = vmlal_high_laneq_s16(high##r, b, a##r, lane);
#define LANE(lane)                                                                                                     \
	{                                                                                                              \
		const int16x8_t b = vld1q_s16(w + lane * NR);                                                          \
		MULTIPLY_LANE(0, lane)                                                                                 \
		MULTIPLY_LANE(1, lane)                                                                                 \
		MULTIPLY_LANE(2, lane)                                                                                 \
		MULTIPLY_LANE(3, lane)                                                                                 \
		MULTIPLY_LANE(4, lane)                                                                                 \
		MULTIPLY_LANE(5, lane)                                                                                 \
		MULTIPLY_LANE(6, lane)                                                                                 \
		MULTIPLY_LANE(7, lane)                                                                                 \
	}
			LANES(LANE)
			w += 8 * NR;
		}
		for (; k < args->kc; k++, w += NR) {
			const int16x8_t b = vld1q_s16(w);
#define MULTIPLY(r)                                                                                                    \
	low##r = vmlal_n_s16(low##r, vget_low_s16(b), a[r][k]);                                                        \
	high##r = vmlal_high_n_s16(high##r, b, a[r][k]);
			ROWS(MULTIPLY)
		}
	}
#define STORE(r)                                                                                                       \
	if (r < args->m)                                                                                               \
		store_row(args, r, low##r, high##r);
	ROWS(STORE)
}

void kernels_igemm_s8_wide_neon(struct kernels *table)
{
	table->igemm_s8_wide =
		(struct igemm_s8){"igemm_s8_wide_8x8_neon", MR, NR, KR, igemm_s8_wide_8x8_neon, .panel = KERNEL_WORDS};
}
