/*
 * igemm_f32_neon.c - 8 rows x 8 columns in sixteen accumulators: four inputs of each row are loaded at once, and each
 * is multiplied from its lane.
 */
#include <arm_neon.h>
#include <string.h>

#include "igemm_f32_blocks.h"
#include "levels.h"

#define MR 8
#define NR 8

#define ROWS(X)	 X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define LANES(X) X(0) X(1) X(2) X(3)

/* What is below zero times the slope. */
static inline float32x4_t bend(float32x4_t sums, float32x4_t slope)
{
	return vbslq_f32(vcltzq_f32(sums), vmulq_f32(sums, slope), sums);
}

static inline void store_row(const struct igemm_f32_args *args, size_t row, float32x4_t low, float32x4_t high)
{
	const float32x4_t lo = vdupq_n_f32(args->lo), hi = vdupq_n_f32(args->hi);
	float *c = args->c + row * args->c_stride, values[NR] = {0};

	if (args->residual) {
		memcpy(values, args->residual + row * args->residual_stride, args->n * sizeof(*values));
		low = vaddq_f32(low, vld1q_f32(values));
		high = vaddq_f32(high, vld1q_f32(values + 4));
	}
	if (args->slope) {
		memcpy(values, args->slope, args->n * sizeof(*values));
		low = bend(low, vld1q_f32(values));
		high = bend(high, vld1q_f32(values + 4));
	}
	low = vminq_f32(vmaxq_f32(low, lo), hi);
	high = vminq_f32(vmaxq_f32(high, lo), hi);
	if (args->n == NR) {
		vst1q_f32(c, low);
		vst1q_f32(c + 4, high);
		return;
	}
	vst1q_f32(values, low);
	vst1q_f32(values + 4, high);
	memcpy(c, values, args->n * sizeof(*values));
}

static inline __attribute__((always_inline)) void block(const struct igemm_f32_args *args)
{
	const float *w = args->w + NR, *ahead = args->ahead;

#define DECLARE(r) float32x4_t low##r = vld1q_f32(args->w), high##r = vld1q_f32(args->w + 4);
	ROWS(DECLARE)
	for (size_t t = 0; t < args->taps; t++) {
		const float *const *a = args->a + t * MR;
		size_t k = 0;

		for (; k + 4 <= args->kc; k += 4) {
#define LOAD(r) const float32x4_t a##r = vld1q_f32(a[r] + k);
			ROWS(LOAD)
#define MULTIPLY_LANE(r, lane)                                                                                         \
	low##r = vfmaq_laneq_f32(low##r, b0, a##r, lane);                                                              \
	high##r = vfmaq_laneq_f32(high##r, b1, a##r, lane);
#define LANE(lane)                                                                                                     \
	{                                                                                                              \
		const float32x4_t b0 = vld1q_f32(w + lane * NR), b1 = vld1q_f32(w + lane * NR + 4);                    \
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
			__builtin_prefetch(ahead);
			ahead += NR;
			w += 4 * NR;
		}
		for (; k < args->kc; k++, w += NR) {
			const float32x4_t b0 = vld1q_f32(w), b1 = vld1q_f32(w + 4);
#define MULTIPLY(r)                                                                                                    \
	low##r = vfmaq_n_f32(low##r, b0, a[r][k]);                                                                     \
	high##r = vfmaq_n_f32(high##r, b1, a[r][k]);
			ROWS(MULTIPLY)
		}
	}
#define STORE(r)                                                                                                       \
	if (r < args->m)                                                                                               \
		store_row(args, r, low##r, high##r);
	ROWS(STORE)
}

static void igemm_f32_8x8_neon(const struct igemm_f32_args *args)
{
	igemm_f32_blocks(args, MR, NR, block);
}

void kernels_igemm_f32_neon(struct kernels *table)
{
	table->igemm_f32 = (struct igemm_f32){"igemm_f32_8x8_neon", MR, NR, igemm_f32_8x8_neon};
}
