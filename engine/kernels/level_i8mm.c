/* level_i8mm.c - what the products of small matrices of bytes improve, which ARMv8.6 has. */
#include <trim.h>

#include "levels.h"

void kernels_i8mm(struct kernels *table)
{
	if (WITH_TYPE_int8)
		kernels_igemm_s8_i8mm(table);
}
