/*
 * igemm_f16_fp16.c - 8 rows x 16 columns in sixteen accumulators of halves: eight inputs of each row are loaded at
 * once, and each is multiplied from its lane.  What a run of channels adds up to is added to sums in float32.
 */
#include <arm_neon.h>

#include "finish_floats_neon.h"
#include "levels.h"

#define MR    8
#define NR    16
#define AHEAD 4 /* blocks that prefetch the next panel, an equal part each */

static inline float16x8_t load(const uint16_t *from)
{
	return vreinterpretq_f16_u16(vld1q_u16(from));
}

/*
 * sums + w * inputs[lane].  GCC 12 makes a vector of the lane first; where it is named, it has to be of the lower
 * sixteen registers.
 */
#define MULTIPLY(sums, w, inputs, lane) __asm__("fmla %0.8h, %1.8h, %2.h[" #lane "]" : "+w"(sums) : "w"(w), "x"(inputs))

/* A row of a run; sums are loaded first, for cores that keep the order. */
static inline __attribute__((always_inline)) void add_halves(float16x8_t low, float16x8_t high, float32x4_t scale,
							     float *sums)
{
	float32x4_t s0, s1, s2, s3, h0, h1, h2, h3;

	/* In memory from run to run: compilers would want registers for them. */
	__asm__("" : "+r"(sums));
	s0 = vld1q_f32(sums);
	s1 = vld1q_f32(sums + 4);
	s2 = vld1q_f32(sums + 8);
	s3 = vld1q_f32(sums + 12);
	h0 = vcvt_f32_f16(vget_low_f16(low));
	h1 = vcvt_high_f32_f16(low);
	h2 = vcvt_f32_f16(vget_low_f16(high));
	h3 = vcvt_high_f32_f16(high);
	vst1q_f32(sums, vfmaq_f32(s0, h0, scale));
	vst1q_f32(sums + 4, vfmaq_f32(s1, h1, scale));
	vst1q_f32(sums + 8, vfmaq_f32(s2, h2, scale));
	vst1q_f32(sums + 12, vfmaq_f32(s3, h3, scale));
}

static __attribute__((noinline)) void finish(const struct igemm_f16_args *args, float (*sums)[NR])
{
	const float *bias = args->w, *scales = bias + NR;
	struct igemm_f32_args out = {.m = args->m,
				     .n = args->n,
				     .c = args->c,
				     .c_stride = args->c_stride,
				     .residual = args->residual,
				     .residual_stride = args->residual_stride,
				     .slope = args->slope,
				     .lo = args->lo,
				     .hi = args->hi};

	for (size_t r = 0; r < args->m; r++)
		for (size_t n = 0; n < NR; n += 4)
			vst1q_f32(sums[r] + n,
				  vfmaq_f32(vld1q_f32(bias + n), vld1q_f32(sums[r] + n), vld1q_f32(scales + n)));
	finish_floats(&out, *sums, NR);
}

/*
 * The first `rows` of the tile.  As in igemm_f32_neon.c the weights of the next input channel are loaded among the
 * multiplications of this one.  Inputs are over-read by 16 bytes.
 */
static inline __attribute__((always_inline)) void tile(const struct igemm_f16_args *args, int rows)
{
	const uint16_t *w = (const uint16_t *)args->w + 4 * NR, *a[MR];
	const char *ahead = args->ahead;
	float sums[MR][NR];
	float16x8_t low[MR], high[MR], v[MR], b0 = load(w), b1 = load(w + 8), c0, c1;

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++) {
		a[r] = args->a + (size_t)r * args->kc;
		v[r] = load(a[r]);
		for (int n = 0; n < NR; n += 4)
			vst1q_f32(sums[r] + n, vdupq_n_f32(0));
	}
	for (size_t k = 0; k < args->kc;) {
		size_t end = args->kc - k < KERNEL_F16_RUN ? args->kc : k + KERNEL_F16_RUN;

#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
			low[r] = high[r] = vreinterpretq_f16_u16(vdupq_n_u16(0));
		for (; k < end; k += KERNEL_F16_KR) {
			/* Behind the last are no weights. */
			const uint16_t *next = k + KERNEL_F16_KR < args->kc ? w + KERNEL_F16_KR * NR : w;

#define LANE(lane, now, then, from)                                                                                    \
	_Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                                         \
	{                                                                                                              \
		MULTIPLY(low[r], now##0, v[r], lane);                                                                  \
		MULTIPLY(high[r], now##1, v[r], lane);                                                                 \
		if (r == 0)                                                                                            \
			then##0 = load(from);                                                                          \
		if (r == rows / 4)                                                                                     \
			then##1 = load((from) + 8);                                                                    \
		if (lane == KERNEL_F16_KR - 1)                                                                         \
			v[r] = load(a[r] += KERNEL_F16_KR);                                                            \
	}
			LANE(0, b, c, w + NR)
			LANE(1, c, b, w + 2 * NR)
			LANE(2, b, c, w + 3 * NR)
			LANE(3, c, b, w + 4 * NR)
			LANE(4, b, c, w + 5 * NR)
			LANE(5, c, b, w + 6 * NR)
			LANE(6, b, c, w + 7 * NR)
			LANE(7, c, b, next)
			__builtin_prefetch(ahead);
			ahead += 64;
			w = next;
		}
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
			add_halves(low[r], high[r], vdupq_n_f32(args->scales[r]), sums[r]);
	}
	finish(args, sums);
}

static void igemm_f16_8x16_fp16(const struct igemm_f16_args *all)
{
	const size_t part = NR * (2 * sizeof(float) + all->kc * sizeof(uint16_t)) / AHEAD;
	struct igemm_f16_args args = *all;

	for (size_t row = 0; row < all->m; row += MR) {
		args.m = all->m - row < MR ? all->m - row : MR;
		args.ahead = all->ahead && row < AHEAD * MR ? (const char *)all->ahead + row / MR * part : all->w;
		if (args.m == 1)
			tile(&args, 1);
		else if (args.m <= MR / 2)
			tile(&args, MR / 2);
		else
			tile(&args, MR);
		args.a += MR * args.kc;
		args.scales += MR;
		args.c += MR * args.c_stride;
		if (args.residual)
			args.residual += MR * args.residual_stride;
	}
}

void kernels_igemm_f16_fp16(struct kernels *table)
{
	table->igemm_f16 = (struct igemm_f16){"igemm_f16_8x16_fp16", MR, NR, igemm_f16_8x16_fp16, kernels_narrow_fp16};
}
