/*
 * igemm_f32_blocks.h - an indirect GEMM of any number of rows, block by block.
 */
#ifndef INFERD_KERNELS_IGEMM_F32_BLOCKS_H
#define INFERD_KERNELS_IGEMM_F32_BLOCKS_H

#include "kernels.h"

#define IGEMM_F32_AHEAD                                                                                                \
	4 /* blocks that prefetch the next panel, an equal part each; fewer where there are not as many */

/*
 * Calls `block`, to be inlined, for every mr rows.  Its args.ahead is its part, or what is in the cache anyway, of
 * which it prefetches ahead_step values for each input channel.
 */
static inline __attribute__((always_inline)) void
igemm_f32_blocks(const struct igemm_f32_args *all, size_t mr, size_t nr,
		 void (*block)(const struct igemm_f32_args *args, size_t ahead_step))
{
	const size_t blocks = (all->m + mr - 1) / mr, parts = blocks < IGEMM_F32_AHEAD ? blocks : IGEMM_F32_AHEAD;
	const size_t step = (nr + parts - 1) / parts;
	struct igemm_f32_args args = *all;

	for (size_t row = 0;; row += mr) {
		args.m = all->m - row < mr ? all->m - row : mr;
		args.ahead = all->ahead && row < parts * mr ? all->ahead + row / mr * step * (1 + all->taps * all->kc)
							    : all->w;
		block(&args, step);
		if (all->m - row <= mr)
			return;
		args.a += mr * args.taps;
		args.c += mr * args.c_stride;
		if (args.residual)
			args.residual += mr * args.residual_stride;
	}
}

#endif
