/* level_dotprod.c - what the dot products of bytes of ARMv8.2 improve. */
#include "levels.h"

void kernels_dotprod(struct kernels *table)
{
	kernels_igemm_s8_dotprod(table);
	kernels_dots_s8_dotprod(table);
}
