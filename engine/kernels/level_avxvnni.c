/* level_avxvnni.c - what the dot products of bytes in 256 bits improve, on processors that have AVX-VNNI. */
#include <trim.h>

#include "levels.h"

void kernels_avxvnni(struct kernels *table)
{
	if (WITH_TYPE_int8)
		kernels_igemm_s8_avxvnni(table);
	kernels_dots_s8_avxvnni(table);
}
