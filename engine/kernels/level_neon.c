/* level_neon.c - what NEON improves, which is part of AArch64. */
#include <trim.h>

#include "levels.h"

void kernels_neon(struct kernels *table)
{
	kernels_elementwise_neon(table);
	kernels_lut_neon(table);
	if (WITH_TYPE_float32) {
		kernels_half_neon(table);
		kernels_winograd_neon(table);
		kernels_igemm_f32_neon(table);
		kernels_dwconv_f32_neon(table);
	}
	if (WITH_TYPE_int8) {
		kernels_igemm_s8_neon(table);
		kernels_igemm_s8_wide_neon(table);
		kernels_dwconv_s8_neon(table);
	}
	kernels_dots_s8_neon(table);
	kernels_resample_neon(table);
}
