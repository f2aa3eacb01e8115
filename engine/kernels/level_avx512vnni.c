/* level_avx512vnni.c - what the dot products of bytes in 512 bits improve. */
#include <trim.h>

#include "levels.h"

void kernels_avx512vnni(struct kernels *table)
{
	if (WITH_TYPE_int8) {
		kernels_igemm_s8_avx512vnni(table);
		kernels_dwconv_s8_avx512vnni(table);
	}
	kernels_dots_s8_avx512vnni(table);
}
