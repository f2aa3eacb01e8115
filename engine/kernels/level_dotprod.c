/* level_dotprod.c - what the dot products of bytes of ARMv8.2 improve. */
#include <trim.h>

#include "levels.h"

void kernels_dotprod(struct kernels *table)
{
	if (WITH_TYPE_int8)
		kernels_igemm_s8_dotprod(table);
	kernels_dots_s8_dotprod(table);
}
