/* level_avx512.c - what AVX-512 (F, BW, VL, DQ) improves. */
#include <trim.h>

#include "levels.h"

void kernels_avx512(struct kernels *table)
{
	kernels_elementwise_avx512(table);
	if (WITH_TYPE_float32) {
		kernels_winograd_avx512(table);
		kernels_igemm_f32_avx512(table);
		kernels_dwconv_f32_avx512(table);
	}
	kernels_resample_avx512(table);
}
