/* level_avx512vnni.c - what the dot products of bytes in 512 bits improve. */
#include "levels.h"

void kernels_avx512vnni(struct kernels *table)
{
	kernels_igemm_s8_avx512vnni(table);
	kernels_dwconv_s8_avx512vnni(table);
	kernels_dots_s8_avx512vnni(table);
}
