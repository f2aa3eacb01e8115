/* level_avx2.c - what AVX2 and FMA improve. */
#include <trim.h>

#include "levels.h"

void kernels_avx2(struct kernels *table)
{
	kernels_elementwise_avx2(table);
	if (WITH_TYPE_float32) {
		kernels_winograd_avx2(table);
		kernels_igemm_f32_avx2(table);
		kernels_dwconv_f32_avx2(table);
	}
	if (WITH_TYPE_int8) {
		kernels_igemm_s8_avx2(table);
		kernels_dwconv_s8_avx2(table);
	}
	kernels_dots_s8_avx2(table);
	kernels_resample_avx2(table);
}
