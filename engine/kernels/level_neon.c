/* level_neon.c - what NEON improves; elementwise loops become NEON by themselves, for it is part of AArch64. */
#include "levels.h"

void kernels_neon(struct kernels *table)
{
	kernels_igemm_f32_neon(table);
	kernels_igemm_s8_neon(table);
	kernels_dwconv_f32_neon(table);
	kernels_dwconv_s8_neon(table);
	kernels_dots_s8_neon(table);
	kernels_resample_neon(table);
}
